/* socket.c - a Unix stream socket that is listened on: lines of any number of peers, up to PEERS at
 * once. Where others wait for a place, the one that is silent for longest gives up its own; a line
 * that it sends from there on fails, and it connects again.
 *
 * The worker makes the socket, in the place of one that nobody listens on any more. A peer that
 * goes in the middle of a line leaves it set aside; one that sends what is no lines is sent away.
 * There is no cursor. At the worker's end peers are told that nothing is read any more, in one step
 * with the end of what they can send: of what a peer was told is sent, all is read.
 */
#include "stream.h"

#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PEERS 64
#define CUT "the peer went in the middle of it"
#define CUT_BY_END "reading ended in the middle of it"
#define CUT_BY_OTHERS "the peer was silent in the middle of it, and others waited"
#define CUT_BY_MEMORY                                                                              \
	"the peer was silent in the middle of it, and lines that have begun took too much memory"
/* So many times max_record_bytes long lines that have begun may take, of all sockets together:
 * about half of what a worker may have for records. */
#define BEGUN_RECORDS 32
#define LOOK_US (INT64_C(1000) * 1000)
#define SILENT_US (INT64_C(10) * 1000 * 1000)

struct peer {
	struct mr_stream stream;
	const char *cut; /* why a line that has begun does not end */
	bool told;       /* that nothing more is read */
	int64_t heard_us;
};

struct listening {
	int fd;
	uint32_t name;
	struct peer peers[PEERS];
	size_t count;
	size_t turn;
	uint64_t begun; /* bytes that long lines take which its peers have begun */
	bool waits;     /* for further peers */
	bool crowded;   /* others wait, and nobody gives way */
	bool lost;      /* its path leads elsewhere, or nowhere: nobody finds it */
	int64_t looked_us;
	dev_t device;
	ino_t inode;
	bool over;    /* nobody may send any more */
	bool parting; /* one was sent away, and has its place still */
	char *room;
};

static const char *path_of(const struct mr_part *part)
{
	return mr_config_get(&part->settings, "path", 0);
}

static enum mr_err address_of(const struct mr_part *part, struct sockaddr_un *out,
			      struct mr_error *error)
{
	const char *path = path_of(part);

	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!path || mr_config_count(&part->settings, "path") != 1)
		return mr_error_set(error, MR_CONFIG, "a socket has one path");
	if (strlen(path) >= sizeof(out->sun_path))
		return mr_error_set(error, MR_CONFIG,
				    "%s: the path of a socket has %zu bytes at most", path,
				    sizeof(out->sun_path) - 1);
	memcpy(out->sun_path, path, strlen(path));
	return MR_OK;
}

static enum mr_err prepare(const struct mr_part *part, const struct mr_prepare *settings,
			   struct mr_error *error)
{
	struct sockaddr_un address;
	struct stat status;
	enum mr_err err = address_of(part, &address, error);

	(void)settings;
	if (err == MR_OK && stat(address.sun_path, &status) == 0 && !S_ISSOCK(status.st_mode))
		err = mr_error_set(error, MR_CONFIG, "%s: is there, and is no socket",
				   address.sun_path);
	return err;
}

/* One that a worker of an earlier life left goes; one that somebody listens on, or what is none,
 * stays, and may be gone when the next incarnation comes. */
static enum mr_err clear_the_way(const struct sockaddr_un *address, struct mr_error *error)
{
	struct stat status;
	int fd;
	bool alive;

	if (lstat(address->sun_path, &status) != 0)
		return MR_OK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	alive = fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
			    errno == EAGAIN);
	if (fd >= 0)
		close(fd);
	if (alive)
		return mr_error_set(error, MR_IO, "%s: somebody else listens there",
				    address->sun_path);
	if (!S_ISSOCK(status.st_mode))
		return mr_error_set(error, MR_IO, "%s: is there, and is no socket",
				    address->sun_path);
	unlink(address->sun_path);
	return MR_OK;
}

static enum mr_err listen_early(struct mr_source *source, struct mr_error *error)
{
	static const mode_t modes[] = {0600, 0660, 0666};
	struct listening *listening = source->state;
	struct sockaddr_un address;
	struct stat status;
	int64_t mode = 0;
	enum mr_err err = address_of(source->part, &address, error);

	if (err == MR_OK)
		err = mr_config_int(&source->part->settings, "mode", &mode, error);
	if (err == MR_OK)
		err = clear_the_way(&address, error);
	if (err != MR_OK)
		return err;
	listening->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody can connect before it listens: the mode is set by then. */
	if (listening->fd < 0 ||
	    bind(listening->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(address.sun_path, modes[mode]) != 0 || listen(listening->fd, PEERS) != 0)
		return mr_error_errno(error, MR_CONFIG, "%s: cannot listen there",
				      address.sun_path);
	if (stat(address.sun_path, &status) == 0) {
		listening->device = status.st_dev;
		listening->inode = status.st_ino;
	}
	return MR_OK;
}

static enum mr_err open_source(struct mr_source *source, struct mr_error *error)
{
	struct listening *listening = source->state;

	if (!listening->room)
		listening->room = mr_malloc(MR_STREAM_ROOM);
	return mr_lines_name(source->env, path_of(source->part), &listening->name, error);
}

/* Further peers are waited for while there is room for them. */
static void wait_for_peers(const struct mr_source *source, struct listening *listening)
{
	bool waits = listening->count < PEERS;

	if (waits != listening->waits)
		mr_waits_set(source->env->waits, listening->fd, waits ? POLLIN : 0);
	listening->waits = waits;
}

/* What it has sent can be read still; from here on it is told that nothing more is. */
static void shut(struct peer *peer, const char *cut)
{
	shutdown(peer->stream.fd, SHUT_RD);
	peer->told = true;
	peer->cut = cut;
}

static void accept_peers(const struct mr_source *source, struct listening *listening)
{
	while (listening->count < PEERS) {
		int fd = accept4(listening->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			break;
		struct peer *peer = &listening->peers[listening->count++];

		*peer = (struct peer){.stream = {.fd = fd, .name = listening->name},
				      .cut = CUT,
				      .heard_us = mr_source_steady(source)};
		if (listening->over)
			shut(peer, CUT_BY_END);
		mr_waits_set(source->env->waits, fd, POLLIN);
	}
	wait_for_peers(source, listening);
}

/* Of a peer: it has sent more; of the socket: somebody waits to be let in. */
static bool has_news(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, 0) > 0;
}

/* NULL where none was silent for long. One that was not read for that long has news. */
static struct peer *most_silent(const struct mr_source *source, struct listening *listening)
{
	int64_t now_us = mr_source_steady(source);

	struct peer *found = &listening->peers[0];

	for (size_t i = 1; i < listening->count; i++)
		if (listening->peers[i].heard_us < found->heard_us)
			found = &listening->peers[i];
	if (has_news(found->stream.fd))
		found->heard_us = now_us;
	return now_us - found->heard_us >= SILENT_US ? found : NULL;
}

/* While there is no place for those who wait, they are an input that is not read. */
static void make_way(struct mr_source *source, struct listening *listening)
{
	bool full = listening->count == PEERS && !listening->parting && !listening->over;
	bool crowded = full && has_news(listening->fd);
	struct peer *silent = crowded ? most_silent(source, listening) : NULL;

	if (silent) {
		shut(silent, CUT_BY_OTHERS);
		listening->parting = true;
		mr_log(
		    MR_LOG_WARNING,
		    "source %s: %d peers are connected, and others wait: one that was silent for "
		    "%d s is sent away",
		    source->part->name, PEERS, (int)(SILENT_US / 1000000));
		crowded = false;
	}
	if (crowded && !listening->crowded)
		mr_log(MR_LOG_WARNING,
		       "source %s: %d peers are connected, and others wait until one "
		       "goes: let fewer connect, or have further sources of type socket",
		       source->part->name, PEERS);
	listening->crowded = crowded;
}

/* One that is locked in cannot make it anew. */
static void look_at_path(struct mr_source *source, struct listening *listening)
{
	struct stat status;
	bool there;
	bool lost;

	if (mr_source_steady(source) - listening->looked_us < LOOK_US)
		return;
	listening->looked_us = mr_source_steady(source);
	there = stat(path_of(source->part), &status) == 0;
	lost = there ? status.st_dev != listening->device || status.st_ino != listening->inode
		     : errno == ENOENT || errno == ENOTDIR;
	if (lost && !listening->lost)
		mr_log(MR_LOG_WARNING,
		       "source %s: %s: the socket is not there any more: nobody can connect until "
		       "the service is started again, or goes over to changed settings",
		       source->part->name, path_of(source->part));
	listening->lost = lost;
}

/* Peers that begin long lines and do not end them would take all memory: one gives up its place.
 * What one that has to go holds still is not counted any more. */
static void bound_begun(struct mr_source *source, struct listening *listening)
{
	uint64_t most = BEGUN_RECORDS * source->spool.max_record_bytes;
	struct peer *silent = NULL;
	uint64_t sum = 0;

	for (size_t i = 0; i < listening->count; i++) {
		struct peer *peer = &listening->peers[i];

		if (peer->stream.held.capacity <= MR_STREAM_ROOM || peer->told)
			continue;
		sum += peer->stream.held.capacity;
		if (!silent || peer->heard_us < silent->heard_us)
			silent = peer;
	}
	*source->begun_bytes += sum - listening->begun;
	listening->begun = sum;
	if (*source->begun_bytes <= most || !silent)
		return;
	shut(silent, CUT_BY_MEMORY);
	mr_log(MR_LOG_WARNING,
	       "source %s: lines that peers have begun take more than %llu KiB: the one that was "
	       "silent for longest in a long one is sent away",
	       source->part->name, (unsigned long long)most / 1024);
}

/* A warning, which is bounded: a peer may come again and again. */
static void say_no_lines(const struct mr_source *source, const char *why)
{
	mr_log_event(MR_LOG_WARNING, MR_EVENT_INPUT_DAMAGED, "source %s: a peer is sent away: %s",
		     source->part->name, why);
	mr_count(source->env->counters, MR_C_INPUTS_DAMAGED, 1);
}

/* One that has gone, or that is sent away since what it sends is no lines. */
static void end_peer(struct mr_source *source, struct listening *listening, size_t at)
{
	struct peer *peer = &listening->peers[at];

	mr_stream_end(source, &peer->stream, peer->cut);
	mr_waits_drop(source->env->waits, peer->stream.fd);
	mr_stream_fini(&peer->stream);
	*peer = listening->peers[--listening->count];
	listening->parting = false;
}

/* As mr_stream_step; of one that has gone the last bytes are known. */
static enum mr_err read_peer(struct mr_source *source, struct listening *listening, size_t at)
{
	struct mr_stream *peer = &listening->peers[at].stream;
	struct mr_error error = {0};
	enum mr_err err = mr_stream_step(source, peer, listening->room, &error);
	enum mr_err last = MR_OK;

	if (err == MR_END)
		last = mr_stream_take(source, peer, (struct mr_slice){"", 0}, true, &error);
	if (err == MR_UNSUPPORTED || last != MR_OK)
		say_no_lines(source, error.text);
	if (err == MR_OK)
		listening->peers[at].heard_us = mr_source_steady(source);
	if (err == MR_OK || err == MR_AGAIN)
		return err;
	end_peer(source, listening, at);
	return MR_OK;
}

static enum mr_err step(struct mr_source *source, struct mr_error *error)
{
	struct listening *listening = source->state;

	(void)error;
	make_way(source, listening);
	accept_peers(source, listening);
	bound_begun(source, listening);
	look_at_path(source, listening);
	source->unread = 0;
	if (listening->lost)
		mr_source_count_unread(source, path_of(source->part));
	if (listening->crowded)
		mr_source_count_unread(source, "peers that wait");
	mr_source_wake(source, listening->looked_us + LOOK_US);
	for (size_t i = 0; i < listening->count; i++) {
		size_t turn = (listening->turn + i) % listening->count;

		if (read_peer(source, listening, turn) == MR_AGAIN)
			continue;
		listening->turn = turn + 1;
		return MR_OK;
	}
	/* A line that has begun is no reason for a block. */
	source->dirty = false;
	return MR_AGAIN;
}

/* What waits in its queue, and what was read of a line that has no end yet. */
static uint64_t left_of(const struct mr_stream *peer)
{
	int queued = 0;

	if (ioctl(peer->fd, FIONREAD, &queued) != 0)
		queued = 0;
	return (uint64_t)queued + peer->held.len;
}

static bool hang_up(struct mr_source *source, uint64_t *bytes_out)
{
	struct listening *listening = source->state;

	listening->over = true;
	/* Who is in its queue stays there, and nobody else comes into it. */
	shutdown(listening->fd, SHUT_RD);
	for (size_t i = 0; i < listening->count; i++)
		shut(&listening->peers[i], CUT_BY_END);
	accept_peers(source, listening);
	*bytes_out = 0;
	for (size_t i = 0; i < listening->count; i++)
		*bytes_out += left_of(&listening->peers[i].stream);
	return listening->count > 0;
}

static void put(struct mr_source *source, bool whole, struct mr_buf *out)
{
	(void)source;
	(void)whole;
	(void)out;
}
static void moved(struct mr_source *source)
{
	(void)source;
}
static void take(struct mr_source *source, struct mr_slice bytes, bool whole)
{
	(void)source;
	(void)bytes;
	(void)whole;
}

static void close_source(struct mr_source *source)
{
	struct listening *listening = source->state;

	while (listening->count > 0) {
		mr_waits_drop(source->env->waits, listening->peers[0].stream.fd);
		mr_stream_fini(&listening->peers[0].stream);
		listening->peers[0] = listening->peers[--listening->count];
	}
	if (listening->fd > 0) {
		mr_waits_drop(source->env->waits, listening->fd);
		close(listening->fd);
	}
	free(listening->room);
}

const struct mr_source_ops mr_source_socket = {
    .type = "socket",
    .state_size = sizeof(struct listening),
    .descriptors = 1 + PEERS,
    .prepare = prepare,
    .listen = listen_early,
    .open = open_source,
    .step = step,
    .hang_up = hang_up,
    .put = put,
    .moved = moved,
    .take = take,
    .close = close_source,
};
