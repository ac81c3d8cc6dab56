/* worker_control.c - the words between a worker and its supervisor.
 *
 * Called by the other worker files, and through mr_log and mr_files_add by every stage. A
 * supervisor that is gone is MR_PEER_LOST; the kernel kills the worker then anyway. */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "millrace/alive.h"
#include "millrace/log.h"
#include "millrace/pack.h"

#define ALIVE_TIMES 8 /* said so often in health_timeout */

/* ---- speaking ---- */

void mr_worker_say(struct mr_worker *worker, enum mr_control_kind kind, uint64_t number,
		   uint64_t other, struct mr_slice bytes)
{
	mr_control_send(&worker->control, &(struct mr_control_message){
					      .kind = kind,
					      .number = number,
					      .other = other,
					      .bytes = bytes,
					      .fd = -1,
					  });
}

/* Each whole: one that was lost is in the next. */
static void report_latencies(struct mr_worker *worker)
{
	for (uint32_t i = 0; i < MR_L_COUNT; i++) {
		const struct mr_histogram *histogram = &worker->latencies.at[i];
		struct mr_buf bytes = {0};
		if (histogram->count == worker->latencies_told[i])
			continue;
		mr_histogram_encode(histogram, &bytes);
		if (mr_control_try(&worker->control,
				   &(struct mr_control_message){.kind = MR_CONTROL_LATENCY,
								.number = i,
								.bytes = {bytes.data, bytes.len},
								.fd = -1}))
			worker->latencies_told[i] = histogram->count;
		mr_buf_fini(&bytes);
	}
}

static void send_figures(void *context, const struct mr_figures *figures)
{
	struct mr_worker *worker = context;
	struct mr_buf bytes = {0};
	mr_figures_encode(figures, &bytes);
	mr_control_try(&worker->control,
		       &(struct mr_control_message){
			   .kind = MR_CONTROL_FIGURES, .bytes = {bytes.data, bytes.len}, .fd = -1});
	mr_buf_fini(&bytes);
}

void mr_worker_report(struct mr_worker *worker, bool last)
{
	if (!worker->env.finite) {
		report_latencies(worker);
		mr_chain_show(&worker->chain, send_figures, worker);
	}
	if (!last && memcmp(&worker->counters, &worker->reported, sizeof worker->counters) == 0)
		return;
	struct mr_buf bytes = {0};
	mr_counters_encode(&worker->counters, &bytes);
	mr_pack_array(&bytes, worker->chain.count);
	for (uint32_t i = 0; i < worker->chain.count; i++)
		mr_pack_uint(&bytes, mr_chain_cpu_ns(&worker->chain, i));
	struct mr_control_message message = {
	    .kind = MR_CONTROL_COUNTERS, .bytes = {bytes.data, bytes.len}, .fd = -1};
	bool sent = true;
	if (last)
		mr_control_send(&worker->control, &message);
	else
		sent = mr_control_try(&worker->control, &message);
	if (sent)
		worker->reported = worker->counters;
	mr_buf_fini(&bytes);
}

void mr_worker_report_tally(struct mr_worker *worker)
{
	for (uint32_t rule = 0; rule < worker->tally.count; rule++) {
		struct mr_tally_row *row = &worker->tally.rows[rule];
		struct mr_buf bytes = {0};
		if (row->matches == 0 || row->told)
			continue;
		mr_pack_array(&bytes, 2);
		mr_pack_uint(&bytes, row->had);
		mr_pack_bool(&bytes, row->whole);
		mr_worker_say(worker, MR_CONTROL_TALLY, rule, row->matches,
			      (struct mr_slice){bytes.data, bytes.len});
		mr_buf_fini(&bytes);
		row->matches = 0;
		row->told = row->whole;
	}
}

/* A line must not hold the work up: what the socket can't take at once is counted, and told later.
 */
static void send_line(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		      size_t len)
{
	struct mr_worker *worker = context;
	struct mr_control_message message = {.kind = MR_CONTROL_LOG,
					     .number = (uint64_t)level,
					     .other = kind,
					     .bytes = {line, len},
					     .fd = -1};
	if (!mr_control_try(&worker->control, &message)) {
		worker->lines_dropped++;
		worker->warnings_dropped |= level >= MR_LOG_WARNING;
		return;
	}
	uint64_t dropped = worker->lines_dropped;
	bool warnings = worker->warnings_dropped;
	worker->lines_dropped = 0;
	worker->warnings_dropped = false;
	if (dropped > 0)
		mr_log(warnings ? MR_LOG_WARNING : MR_LOG_INFO,
		       "%llu lines were dropped here: too many at once",
		       (unsigned long long)dropped);
}

/* ---- listening ---- */

static enum mr_err take_table(struct mr_worker *worker, struct mr_control_message *message,
			      struct mr_error *error)
{
	char name[MR_TABLE_NAME_MAX];
	int fd;
	size_t size;
	bool fits = message->fd >= 0 && message->bytes.len < sizeof name;
	if (fits) {
		memcpy(name, message->bytes.at, message->bytes.len);
		name[message->bytes.len] = 0;
		fits = !mr_tables_find(worker->tables, name, &fd, &size);
	}
	if (!fits)
		return mr_error_set(error, MR_PROTOCOL, "control: a table that is not one");
	mr_tables_add(worker->tables, name, message->fd, message->number);
	message->fd = -1;
	return MR_OK;
}

static enum mr_err take_setup(struct mr_worker *worker, struct mr_control_message *message,
			      struct mr_error *error)
{
	if (worker->has_setup || message->fd < 0)
		return mr_error_set(error, MR_PROTOCOL, "control: a setup that is not one");
	int fd = message->fd;
	message->fd = -1;
	enum mr_err err = mr_setup_map(fd, message->other, &worker->setup, error);
	if (err != MR_OK)
		return err;
	worker->number = (uint32_t)message->number;
	if (message->number >= mr_setup_workers(&worker->setup.topology))
		return mr_error_set(error, MR_PROTOCOL, "control: a worker that is not there");
	worker->group = mr_setup_group(&worker->setup.topology, worker->number);
	worker->has_setup = true;
	const char *name = mr_config_get(&worker->setup.config, "log_level", 0);
	enum mr_log_level level;
	if (name != NULL && mr_log_level_named(name, &level))
		mr_log_set_level(level);
	return MR_OK;
}

static enum mr_err take_file(struct mr_worker *worker, struct mr_control_message *message,
			     struct mr_error *error)
{
	if (message->number > UINT32_MAX)
		return mr_error_set(error, MR_PROTOCOL, "control: a file that is not one");
	int fd = message->fd;
	message->fd = -1;
	enum mr_err err =
	    mr_files_put(worker->files, (uint32_t)message->number, fd, message->bytes, error);
	if (err == MR_OK)
		mr_worker_say(worker, MR_CONTROL_FILE_ACK, message->number, 0,
			      (struct mr_slice){0});
	return err;
}

static enum mr_err take_snapshot_file(struct mr_worker *worker, struct mr_control_message *message,
				      struct mr_error *error)
{
	int fd = message->fd;
	message->fd = -1;
	return mr_worker_snapshot_file(worker, message->number, message->other, fd, error);
}

static enum mr_err take_end_ack(struct mr_worker *worker, const struct mr_control_message *message,
				struct mr_error *error)
{
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		struct mr_outlet *outlet = &worker->outlets[i];
		for (uint32_t p = 0; p < outlet->peer_count && outlet->edge == message->other;
		     p++) {
			if (outlet->peers[p].receiver != message->number)
				continue;
			outlet->peers[p].end_acked = true;
			return MR_OK;
		}
	}
	return mr_error_set(error, MR_PROTOCOL, "control: an end of a link that is not ours");
}

static void pong(struct mr_worker *worker, uint64_t number)
{
	struct mr_buf bytes = {0};
	mr_marks_encode(&worker->marks, &bytes);
	mr_worker_say(worker, MR_CONTROL_PONG, number, mr_worker_waiting(worker),
		      (struct mr_slice){bytes.data, bytes.len});
	mr_buf_fini(&bytes);
}

/* From within a step: nothing is heard here, since the step has what it may change. */
static void say_alive(void *context)
{
	struct mr_worker *worker = context;
	int64_t now_us = mr_clock_us();
	if (now_us - worker->alive_us < worker->barrier.patience_us / ALIVE_TIMES)
		return;
	worker->alive_us = now_us;
	mr_control_flush(&worker->control);
	mr_control_try(&worker->control,
		       &(struct mr_control_message){.kind = MR_CONTROL_ALIVE, .fd = -1});
}

static enum mr_err handle(void *context, struct mr_control_message *message, struct mr_error *error)
{
	struct mr_worker *worker = context;
	switch (message->kind) {
	case MR_CONTROL_TABLE:
		return take_table(worker, message, error);
	case MR_CONTROL_SETUP:
		return take_setup(worker, message, error);
	case MR_CONTROL_CONNECT:
		worker->may_connect = true;
		return MR_OK;
	case MR_CONTROL_START:
		worker->may_start = true;
		return MR_OK;
	case MR_CONTROL_SNAPSHOT:
		return take_snapshot_file(worker, message, error);
	case MR_CONTROL_BARRIER:
		return mr_worker_barrier_begin(worker, message->number, error);
	case MR_CONTROL_PING:
		pong(worker, message->number);
		return MR_OK;
	case MR_CONTROL_COMMITTED:
		worker->committed = message->number;
		return MR_OK;
	case MR_CONTROL_DRAIN:
		worker->draining = true;
		return MR_OK;
	case MR_CONTROL_RESUME:
		worker->draining = false;
		worker->drained = worker->ended;
		return MR_OK;
	case MR_CONTROL_FINISH:
		worker->may_finish = true;
		return MR_OK;
	case MR_CONTROL_FILE_GONE:
		if (message->number <= UINT32_MAX)
			mr_files_forget(worker->files, (uint32_t)message->number);
		return MR_OK;
	case MR_CONTROL_FILE:
		return take_file(worker, message, error);
	case MR_CONTROL_FILE_NUMBER:
		worker->has_file_answer = true;
		worker->file_number = (uint32_t)message->number;
		return MR_OK;
	case MR_CONTROL_FILE_REFUSED:
		worker->has_file_answer = true;
		mr_error_set(&worker->file_refused, MR_NO_SPACE, "%.*s", (int)message->bytes.len,
			     message->bytes.at);
		return MR_OK;
	case MR_CONTROL_END_ACK:
		return take_end_ack(worker, message, error);
	default:
		return mr_error_set(error, MR_PROTOCOL, "control: a word that workers say");
	}
}

enum mr_err mr_worker_listen(struct mr_worker *worker, struct mr_error *error)
{
	enum mr_err err = mr_control_listen(&worker->control, handle, worker, error);
	if (err == MR_END)
		return mr_error_set(error, MR_PEER_LOST, "the supervisor is gone");
	return err;
}

enum mr_err mr_worker_wait(struct mr_worker *worker, struct pollfd *fds, uint32_t count,
			   int timeout_ms, struct mr_error *error)
{
	fds[count] = (struct pollfd){.fd = worker->control.fd, .events = POLLIN};
	if (mr_control_waits(&worker->control))
		fds[count].events |= POLLOUT;
	if (poll(fds, count + 1, timeout_ms) < 0 && errno != EINTR)
		return mr_error_errno(error, MR_IO, "cannot wait for links");
	worker->heard_us = mr_clock_us();
	return fds[count].revents == 0 ? MR_OK : mr_worker_listen(worker, error);
}

/* ---- files ---- */

static void drop_file(void *context, uint32_t number)
{
	mr_worker_say(context, MR_CONTROL_FILE_DROP, number, 0, (struct mr_slice){0});
}

static void expect_file(void *context, struct mr_slice name)
{
	mr_worker_say(context, MR_CONTROL_FILE_EXPECT, 0, 0, name);
}

/* Called within collect's poll: all readers have the file before this returns, or none has. */
static enum mr_err register_file(void *context, int fd, struct mr_slice name, uint32_t *number_out,
				 struct mr_error *error)
{
	struct mr_worker *worker = context;
	worker->has_file_answer = false;
	worker->file_refused = (struct mr_error){0};
	mr_control_send(
	    &worker->control,
	    &(struct mr_control_message){.kind = MR_CONTROL_FILE_ADD, .bytes = name, .fd = fd});
	while (!worker->has_file_answer) {
		struct pollfd room[1];
		enum mr_err err = mr_worker_wait(worker, room, 0, -1, error);
		if (err != MR_OK)
			return err;
	}
	*number_out = worker->file_number;
	if (worker->file_refused.code != MR_OK)
		*error = worker->file_refused;
	return worker->file_refused.code;
}

void mr_worker_attach(struct mr_worker *worker)
{
	worker->files = mr_files_new(register_file, worker);
	mr_files_on_drop(worker->files, drop_file);
	mr_files_on_expect(worker->files, expect_file);
	mr_log_set_sink(send_line, worker);
}

void mr_worker_say_alive(struct mr_worker *worker)
{
	if (!worker->setup.finite)
		mr_alive_listen(say_alive, worker);
}
