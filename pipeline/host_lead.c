/* host_lead.c - the leader's side of a run over several hosts.
 *
 * Called by hosts.c. A follower is believed no more than a worker: a word that makes no sense ends
 * the incarnation with MR_PROTOCOL. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "hosts.h"
#include "millrace/log.h"
#include "service.h"

#define PIECE_BYTES (16 << 10)

static const char *name_of(const struct mr_supervisor *supervisor, uint32_t host)
{
	return mr_config_part(&supervisor->setup.config, MR_PART_HOST, host)->name;
}

/* ---- who may take part ---- */

static const char *difference(const struct mr_supervisor *supervisor,
			      const struct mr_host_hello *hello, bool *outdated_out)
{
	const char *topology = mr_config_get(&supervisor->setup.config, "topology", 0);
	if (!mr_slice_eq(hello->topology, mr_slice(topology)))
		return "its topology file is not the same";
	*outdated_out = hello->set != supervisor->hosts->set;
	return *outdated_out ? "its rules, databases or lists are not the same" : NULL;
}

static enum mr_err greet(struct mr_supervisor *supervisor, uint32_t host, struct mr_slice bytes)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_host_hello hello;
	bool outdated = false;
	const char *differs = mr_host_hello_decode(bytes, &hello)
				  ? difference(supervisor, &hello, &outdated)
				  : "its program is of another version";
	if (differs == NULL) {
		hosts->hosts[host].hello = true;
		mr_log(MR_LOG_INFO, "host %s is there", name_of(supervisor, host));
		return MR_OK;
	}
	mr_log(MR_LOG_ERROR, "host %s is refused: %s as on %s", name_of(supervisor, host), differs,
	       name_of(supervisor, 0));
	mr_hosts_say(hosts, host,
		     &(struct mr_host_word){.worker = MR_HOST_NO_WORKER,
					    .kind = MR_HOST_REFUSED,
					    .number = outdated,
					    .other = hosts->set,
					    .bytes = mr_slice(differs)});
	return MR_OK;
}

/* ---- words ---- */

/* Whose supervisor finds the end of its socket, and why. */
static enum mr_err bury(struct mr_supervisor *supervisor, uint32_t host, struct mr_slice bytes,
			struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_host_death death;
	if (!mr_host_death_decode(bytes, &death) || death.worker >= hosts->far_count ||
	    supervisor->setup.topology
		    .groups[mr_setup_group(&supervisor->setup.topology, death.worker)]
		    .host != host)
		return mr_error_set(error, MR_PROTOCOL, "host %s: a death of nobody",
				    name_of(supervisor, host));
	struct mr_supervised *worker = &supervisor->workers[death.worker];
	worker->reaped = (pid_t)death.pid;
	worker->status = (int)death.status;
	*(struct mr_inhand *)(uintptr_t)worker->page = death.page;
	mr_control_fini(&hosts->far[death.worker]);
	return MR_OK;
}

/* A checkpoint that is not whole on one host is whole on none. */
static enum mr_err lacks(struct mr_supervisor *supervisor, uint32_t host,
			 const struct mr_host_word *word, struct mr_error *error)
{
	supervisor->hosts->lacks = word->number != MR_LACK_NEWER;
	supervisor->hosts->unread = word->number == MR_LACK_UNREAD;
	return mr_error_set(error, supervisor->hosts->lacks ? MR_BAD_INPUT : MR_UNSUPPORTED,
			    "host %s: %.*s", name_of(supervisor, host), (int)word->bytes.len,
			    word->bytes.at);
}

/* Of a reload that is over already nobody wants to know. */
static void hear_answer(struct mr_supervisor *supervisor, uint32_t host,
			const struct mr_host_word *word)
{
	struct mr_hosts *hosts = supervisor->hosts;
	if (hosts->asked == 0 || word->number != hosts->asked)
		return;
	hosts->hosts[host].agrees = word->other == 1;
	if (word->other != 1)
		mr_error_set(&hosts->no, MR_CONFIG, "host %s: %.*s", name_of(supervisor, host),
			     (int)word->bytes.len, word->bytes.at);
}

enum mr_err mr_host_lead_word(struct mr_supervisor *supervisor, uint32_t host,
			      const struct mr_host_word *word, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	const struct mr_topology *topology = &supervisor->setup.topology;
	if (word->worker < hosts->far_count &&
	    topology->groups[mr_setup_group(topology, word->worker)].host == host) {
		mr_control_send(&hosts->far[word->worker],
				&(struct mr_control_message){.kind = word->kind,
							     .number = word->number,
							     .other = word->other,
							     .bytes = word->bytes,
							     .fd = -1});
		return MR_OK;
	}
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_HELLO &&
	    !hosts->hosts[host].hello)
		return greet(supervisor, host, word->bytes);
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_DIED)
		return bury(supervisor, host, word->bytes, error);
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_LACKS)
		return lacks(supervisor, host, word, error);
	if (word->worker == MR_HOST_NO_WORKER && word->kind == MR_HOST_RELOADED) {
		hear_answer(supervisor, host, word);
		return MR_OK;
	}
	return mr_error_set(error, MR_PROTOCOL, "host %s: a word that followers do not say",
			    name_of(supervisor, host));
}

/* ---- a reload ---- */

static void tell_followers(struct mr_supervisor *supervisor, enum mr_host_word_kind kind,
			   uint64_t set)
{
	for (uint32_t i = 1; i < supervisor->hosts->count; i++)
		mr_hosts_say(supervisor->hosts, i,
			     &(struct mr_host_word){
				 .worker = MR_HOST_NO_WORKER, .kind = kind, .number = set});
}

enum mr_err mr_host_lead_ask(struct mr_supervisor *supervisor, uint64_t set, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	bool all = true;
	if (hosts->asked != set) {
		for (uint32_t i = 1; i < hosts->count; i++)
			hosts->hosts[i].agrees = false;
		tell_followers(supervisor, MR_HOST_RELOAD, set);
		hosts->asked = set;
	}
	for (uint32_t i = 1; i < hosts->count; i++)
		all &= hosts->hosts[i].agrees;
	if (hosts->no.code == MR_OK)
		return all ? MR_OK : MR_AGAIN;
	*error = hosts->no;
	hosts->no = (struct mr_error){0};
	hosts->asked = 0;
	tell_followers(supervisor, MR_HOST_RELOAD, 0);
	return error->code;
}

void mr_host_lead_over(struct mr_supervisor *supervisor)
{
	if (supervisor->hosts != NULL)
		tell_followers(supervisor, MR_HOST_OVER, supervisor->hosts->asked);
}

/* ---- the beginning ---- */

enum mr_err mr_hosts_adopt(struct mr_supervisor *supervisor, uint32_t worker,
			   struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_supervised *adopted = &supervisor->workers[worker];
	int pair[2];
	int fd;
	mr_control_init(&adopted->control, -1);
	adopted->done = hosts->self > 0; /* none of a follower's business */
	if (hosts->self > 0)
		return MR_OK;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return mr_error_errno(error, MR_NO_SPACE, "cannot make a control socket");
	hosts->far = mr_realloc(hosts->far, (worker + 1u) * sizeof *hosts->far);
	for (; hosts->far_count < worker; hosts->far_count++)
		mr_control_init(&hosts->far[hosts->far_count], -1);
	mr_control_init(&adopted->control, pair[0]);
	mr_control_init(&hosts->far[hosts->far_count++], pair[1]);
	enum mr_err err = mr_inhand_make(&adopted->page, &fd, error);
	if (err == MR_OK)
		close(fd);
	return err;
}

static void say_pieces(struct mr_hosts *hosts, uint32_t host, struct mr_slice bytes)
{
	while (bytes.len > 0) {
		size_t len = bytes.len < PIECE_BYTES ? bytes.len : PIECE_BYTES;
		mr_hosts_say(hosts, host,
			     &(struct mr_host_word){.worker = MR_HOST_NO_WORKER,
						    .kind = MR_HOST_BEGIN,
						    .number = len == bytes.len,
						    .bytes = {bytes.at, len}});
		bytes.at += len;
		bytes.len -= len;
	}
}

/* What of a checkpoint is the host's. Borrows the texts. */
static void choose(const struct mr_manifest *last, const char *name, struct mr_manifest *out)
{
	*out = *last;
	out->files = mr_calloc(last->file_count, sizeof *out->files);
	out->file_count = 0;
	for (uint32_t i = 0; i < last->file_count; i++)
		if (strcmp(last->files[i].host, name) == 0)
			out->files[out->file_count++] = last->files[i];
}

void mr_host_lead_begin(struct mr_supervisor *supervisor)
{
	const struct mr_checkpoint *checkpoint = &supervisor->service->checkpoint;
	struct mr_host_begin begin = {.incarnation = supervisor->setup.incarnation,
				      .start_us = supervisor->setup.start_us,
				      .aside = supervisor->service->suspects.aside};
	memcpy(begin.seed, supervisor->setup.seed, sizeof begin.seed);
	if (mr_tables_map(supervisor->tables, MR_NAMES_TABLE, &begin.names, NULL) != MR_OK)
		begin.names = (struct mr_slice){0};
	for (uint32_t i = 1; i < supervisor->hosts->count; i++) {
		struct mr_buf bytes = {0};
		choose(&checkpoint->last, name_of(supervisor, i), &begin.last);
		mr_host_begin_encode(&begin, &bytes);
		say_pieces(supervisor->hosts, i, (struct mr_slice){bytes.data, bytes.len});
		free(begin.last.files);
		mr_buf_fini(&bytes);
	}
	mr_tables_unmap(begin.names);
}
