/* fuzz_words.c - any words over control, to a worker and to a supervisor: each is acted on or
 * refused with a reason, and no descriptor is forgotten.
 *
 * The first byte says who listens. Then come words of six bytes and a text: kind, number, other,
 * flags (enum word_flag), and two of the text's length. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "millrace/log.h"
#include "pipeline/default_setup.h"
#include "pipeline/few_stages.h"
#include "supervisor.h"
#include "worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORD_HEAD 6
#define OUTLET_PEERS 2

enum word_flag {
	WORD_FD = 1,         /* with a descriptor of the text */
	WORD_NUMBER_LEN = 2, /* number is the text's length */
	WORD_OTHER_LEN = 4,
	WORD_FAR = 8,      /* number is far out of bounds */
	WORD_NO_TEXT = 16, /* the text lies in the descriptor only */
	WORD_SETUP = 32    /* the descriptor, its size is in other, holds a setup with the text's
			      changes (default_setup.h) */
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int lowest_free(void)
{
	int fd = fcntl(0, F_DUPFD, 0);
	must(fd >= 0);
	close(fd);
	return fd;
}

static int text_fd(struct mr_slice text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, text.at, text.len) == (ssize_t)text.len);
	return fd;
}

/* Says the first word of the input; returns what is left. */
static struct mr_slice say(struct mr_control *control, struct mr_slice input)
{
	const uint8_t *head = (const uint8_t *)input.at;
	struct mr_slice text = {input.at + WORD_HEAD, (size_t)head[4] << 8 | head[5]};
	if (text.len > input.len - WORD_HEAD)
		text.len = input.len - WORD_HEAD;
	uint8_t flags = head[3];
	struct mr_control_message message = {
	    .kind = (enum mr_control_kind)(head[0] % MR_CONTROL_KIND_END),
	    .number = flags & WORD_NUMBER_LEN ? text.len : head[1],
	    .other = flags & WORD_OTHER_LEN ? text.len : head[2],
	    .bytes = text,
	    .fd = flags & WORD_FD ? text_fd(text) : -1};
	if (flags & WORD_SETUP) {
		struct mr_buf setup = {0};
		default_setup(text, &setup);
		if (message.fd >= 0)
			close(message.fd);
		message.fd = text_fd((struct mr_slice){setup.data, setup.len});
		message.other = setup.len;
		mr_buf_fini(&setup);
	}
	if (flags & WORD_FAR)
		message.number |= message.number << 56 | message.number << 18;
	if (flags & WORD_NO_TEXT)
		message.bytes.len = 0;
	mr_control_send(control, &message);
	if (message.fd >= 0)
		close(message.fd);
	return (struct mr_slice){text.at + text.len, input.len - WORD_HEAD - text.len};
}

/* Both ends of a new control socket. */
static void join(struct mr_control *near, struct mr_control *far)
{
	int ends[2];
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	mr_control_init(near, ends[0]);
	mr_control_init(far, ends[1]);
}

/* ---- a worker ---- */

static enum mr_err no_register(void *context, int fd, struct mr_slice name, uint32_t *number_out,
			       struct mr_error *error)
{
	(void)context, (void)fd, (void)name, (void)number_out;
	return mr_error_set(error, MR_PROTOCOL, "none here");
}

static void tell_worker(struct mr_slice input)
{
	static struct mr_control far;
	struct mr_worker *worker = mr_calloc(1, sizeof *worker);
	struct mr_downstream peers[OUTLET_PEERS] = {{.receiver = 1}, {.receiver = 2}};
	struct mr_outlet outlet = {.edge = 1, .peers = peers, .peer_count = OUTLET_PEERS};
	struct mr_error error = {0};
	enum mr_err err = MR_OK;
	join(&worker->control, &far);
	mr_barrier_init(&worker->barrier);
	worker->tables = mr_tables_new();
	worker->files = mr_files_new(no_register, NULL);
	worker->outlets = &outlet;
	worker->outlet_count = 1;
	while (input.len >= WORD_HEAD && err == MR_OK) {
		input = say(&far, input);
		err = mr_worker_listen(worker, &error);
	}
	must(err == MR_OK || error.text[0] != '\0');
	if (worker->has_setup)
		must(worker->number < mr_setup_workers(&worker->setup.topology) &&
		     worker->group < worker->setup.topology.group_count);
	mr_control_fini(&far);
	must(err != MR_OK || mr_worker_listen(worker, &error) == MR_PEER_LOST);
	mr_barrier_fini(&worker->barrier);
	mr_files_free(worker->files);
	mr_tables_free(worker->tables);
	mr_setup_fini(&worker->setup);
	mr_control_fini(&worker->control);
	free(worker);
}

/* ---- a supervisor ---- */

/* Nobody is told twice to connect or to start, whatever a worker says and however often. */
static void check_told(struct mr_control *far)
{
	struct mr_control_message message;
	int connects = 0, starts = 0;
	while (mr_control_receive(far, &message, NULL) == MR_OK) {
		connects += message.kind == MR_CONTROL_CONNECT;
		starts += message.kind == MR_CONTROL_START;
		if (message.fd >= 0)
			close(message.fd);
	}
	must(connects <= 1 && starts <= 1);
}

/* What it shows of a worker's words must hold nothing that a terminal obeys. */
static void check_shown(int fd)
{
	char shown[4096];
	ssize_t len;
	must(lseek(fd, 0, SEEK_SET) == 0);
	while ((len = read(fd, shown, sizeof shown)) > 0) {
		for (ssize_t i = 0; i < len; i++)
			must((unsigned char)shown[i] >= ' ' || shown[i] == '\n');
	}
	must(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
}

static void listen_all(struct mr_supervisor *supervisor, struct mr_control *far,
		       struct mr_slice input)
{
	struct mr_error error = {0};
	enum mr_err err = MR_OK;
	while (input.len >= 1 + WORD_HEAD && err == MR_OK) {
		uint32_t worker = (uint8_t)input.at[0] % supervisor->worker_count;
		input = say(&far[worker], (struct mr_slice){input.at + 1, input.len - 1});
		err = mr_supervisor_listen(supervisor, worker, &error);
	}
	must(err == MR_OK || error.text[0] != '\0');
}

/* A detection, and a correlation over it. */
static struct mr_catalog two_rules(void)
{
	static struct mr_slice group = MR_SLICE("UserId");
	static uint32_t over[] = {0};
	static mr_field fields[] = {MR_F_ACTOR_NAME};
	static struct mr_rule rules[] = {{.kind = MR_RULE_DETECTION},
					 {.kind = MR_RULE_CORRELATION,
					  .rules = over,
					  .rule_count = 1,
					  .group_by = {&group, 1},
					  .group_fields = fields}};
	return (struct mr_catalog){.rules = rules, .count = 2};
}

static void tell_supervisor(struct mr_slice input)
{
	struct mr_supervisor supervisor = {.signals = -1, .ending = true, .catalog = two_rules()};
	mr_topology_default(2, 2, &supervisor.setup.topology);
	supervisor.worker_count = mr_setup_workers(&supervisor.setup.topology);
	supervisor.workers = mr_calloc(supervisor.worker_count, sizeof *supervisor.workers);
	struct mr_control *far = mr_calloc(supervisor.worker_count, sizeof *far);
	for (uint32_t i = 0; i < supervisor.worker_count; i++)
		join(&supervisor.workers[i].control, &far[i]);
	listen_all(&supervisor, far, input);
	mr_supervisor_tell_deaf(&supervisor);
	for (uint32_t i = 0; i < supervisor.worker_count; i++) {
		check_told(&far[i]);
		mr_control_fini(&supervisor.workers[i].control);
		mr_control_fini(&far[i]);
	}
	free(far);
	mr_supervisor_fini(&supervisor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_slice input = {(const char *)data + 1, size - 1};
	if (size < 1)
		return 0;
	int before = lowest_free();
	if (data[0] % 2 == 0) {
		tell_worker(input);
	} else {
		int shown = memfd_create("shown", MFD_CLOEXEC);
		int kept = dup(STDERR_FILENO);
		must(shown >= 0 && kept >= 0 && dup2(shown, STDERR_FILENO) >= 0);
		tell_supervisor(input);
		must(dup2(kept, STDERR_FILENO) >= 0);
		check_shown(shown);
		close(kept);
		close(shown);
	}
	must(lowest_free() == before);
	return 0;
}
