/* gate.c - the gate's process: from a fresh exec to the end of the incarnation, which kills it.
 *
 * Called by main.c as the hidden subcommand `gate`. Any error of its own goes to the supervisor as
 * a word and ends the process with status 1. It dies with its supervisor. */
#include "gate.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "clock.h"
#include "codec.h"
#include "millrace/log.h"
#include "millrace/pack.h"
#include "sandbox.h"
#include "worker.h"

#define WAIT_MS 100
#define SOON_MS 5 /* while something has to be looked at again that wakes nobody */

static void say(struct mr_gate *gate, enum mr_control_kind kind, uint64_t number,
		struct mr_slice bytes)
{
	mr_control_send(
	    &gate->control,
	    &(struct mr_control_message){.kind = kind, .number = number, .bytes = bytes, .fd = -1});
}

static void send_line(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		      size_t len)
{
	struct mr_gate *gate = context;
	mr_control_try(&gate->control, &(struct mr_control_message){.kind = MR_CONTROL_LOG,
								    .number = (uint64_t)level,
								    .other = kind,
								    .bytes = {line, len},
								    .fd = -1});
}

/* ---- the supervisor's words ---- */

static enum mr_err take_table(struct mr_gate *gate, struct mr_control_message *message,
			      struct mr_error *error)
{
	struct mr_slice bytes = {0};
	if (!mr_slice_eq(message->bytes, MR_SLICE(MR_GATE_KEY_TABLE)) || message->fd < 0 ||
	    message->number != sizeof gate->key.text)
		return mr_error_set(error, MR_PROTOCOL, "control: a table that is not one");
	mr_tables_add(gate->tables, MR_GATE_KEY_TABLE, message->fd, message->number);
	message->fd = -1;
	enum mr_err err = mr_tables_map(gate->tables, MR_GATE_KEY_TABLE, &bytes, error);
	if (err == MR_OK)
		memcpy(gate->key.text, bytes.at, sizeof gate->key.text - 1);
	mr_tables_unmap(bytes);
	return err;
}

static enum mr_err take_setup(struct mr_gate *gate, struct mr_control_message *message,
			      struct mr_error *error)
{
	if (gate->has_setup || message->fd < 0)
		return mr_error_set(error, MR_PROTOCOL, "control: a setup that is not one");
	int fd = message->fd;
	message->fd = -1;
	enum mr_err err = mr_setup_map(fd, message->other, &gate->setup, error);
	if (err != MR_OK)
		return err;
	gate->has_setup = true;
	gate->host_count = (uint32_t)mr_config_parts(&gate->setup.config, MR_PART_HOST);
	gate->self = (uint32_t)message->number;
	if (gate->self < gate->host_count && gate->host_count <= MR_HOSTS_MAX)
		return MR_OK;
	return mr_error_set(error, MR_PROTOCOL, "control: a host that is not there");
}

static enum mr_err pass_word(struct mr_gate *gate, const struct mr_control_message *message,
			     struct mr_error *error)
{
	zmq_msg_t frame;
	if (message->number >= gate->host_count || message->number == gate->self)
		return mr_error_set(error, MR_PROTOCOL, "control: a host that is not there");
	zmq_msg_init_size(&frame, message->bytes.len);
	memcpy(zmq_msg_data(&frame), message->bytes.at, message->bytes.len);
	mr_gate_send(gate, (uint32_t)message->number, MR_GATE_WORD, 0, &frame, 1);
	return MR_OK;
}

static enum mr_err handle(void *context, struct mr_control_message *message, struct mr_error *error)
{
	struct mr_gate *gate = context;
	gate->heard = true;
	switch (message->kind) {
	case MR_CONTROL_TABLE:
		return take_table(gate, message, error);
	case MR_CONTROL_SETUP:
		return take_setup(gate, message, error);
	case MR_CONTROL_CONNECT:
		gate->may_connect = true;
		return mr_gate_connect(gate, error);
	case MR_CONTROL_PEER:
		return pass_word(gate, message, error);
	case MR_CONTROL_PING:
		say(gate, MR_CONTROL_PONG, message->number, (struct mr_slice){0});
		return MR_OK;
	default:
		return mr_error_set(error, MR_PROTOCOL, "control: a word that gates say");
	}
}

static enum mr_err listen(struct mr_gate *gate, struct mr_error *error)
{
	enum mr_err err = mr_control_listen(&gate->control, handle, gate, error);
	if (err == MR_END)
		return mr_error_set(error, MR_PEER_LOST, "the supervisor is gone");
	return err;
}

/* ---- the start ---- */

/* Its sockets are made here, removed once all pairs have met; names of hosts are looked up. */
static enum mr_err fence(struct mr_gate *gate, struct mr_error *error)
{
	struct mr_needs needs = {0};
	if (mr_sandbox_is_off(&gate->setup.config))
		return MR_OK;
	mr_needs_path(&needs, gate->setup.directory, MR_ACCESS_WRITE);
	mr_needs_path(&needs, "/etc", MR_ACCESS_READ);
	enum mr_err err = mr_sandbox_fence(&needs, error);
	mr_needs_fini(&needs);
	return err;
}

static enum mr_err start(struct mr_gate *gate, struct mr_error *error)
{
	while (!gate->has_setup) {
		struct pollfd fd = {.fd = gate->control.fd, .events = POLLIN};
		if (poll(&fd, 1, -1) < 0 && errno != EINTR)
			return mr_error_errno(error, MR_IO, "cannot wait for the supervisor");
		enum mr_err err = listen(gate, error);
		if (err != MR_OK)
			return err;
	}
	prctl(PR_SET_NAME, "gate", 0, 0, 0);
	enum mr_err err = fence(gate, error);
	if (err != MR_OK)
		return err;
	gate->context = zmq_ctx_new();
	uint32_t pairs = 0;
	for (uint32_t i = 0; i < gate->setup.topology.group_count; i++) {
		uint32_t in, out;
		mr_topology_pairs(&gate->setup.topology, i, &in, &out);
		pairs += in * gate->setup.topology.groups[i].workers;
	}
	if (gate->context == NULL || zmq_ctx_set(gate->context, ZMQ_MAX_SOCKETS,
						 (int)(3 * (pairs + MR_HOSTS_MAX) + 16)) != 0)
		return mr_error_set(error, MR_NO_SPACE, "no room for %u links", pairs);
	for (uint32_t i = 0; i < gate->host_count; i++)
		gate->peers[i].wanted = mr_topology_speak(&gate->setup.topology, gate->self, i);
	err = mr_gate_bind(gate, error);
	if (err == MR_OK)
		err = mr_gate_listen(gate, error);
	if (err == MR_OK)
		say(gate, MR_CONTROL_BOUND, 0, (struct mr_slice){0});
	return err;
}

/* ---- the loop ---- */

static enum mr_err take(struct mr_gate *gate, struct mr_gate_message *message,
			struct mr_error *error)
{
	switch (message->kind) {
	case MR_GATE_DATA:
	case MR_GATE_CREDIT:
		return mr_gate_pair_message(gate, message, error);
	case MR_GATE_WORD:
		if (message->count == 2 &&
		    zmq_msg_size(&message->frames[1]) <= MR_CONTROL_PEER_BYTES_MAX) {
			say(gate, MR_CONTROL_PEER, message->host,
			    (struct mr_slice){zmq_msg_data(&message->frames[1]),
					      zmq_msg_size(&message->frames[1])});
			return MR_OK;
		}
		return mr_error_set(error, MR_PROTOCOL, "host %u: a word that is none",
				    message->host);
	case MR_GATE_JOIN:
	case MR_GATE_JOINED:
	case MR_GATE_PROBE:
		break;
	}
	return MR_OK;
}

static enum mr_err receive(struct mr_gate *gate, bool *moved, struct mr_error *error)
{
	for (;;) {
		struct mr_gate_message message;
		enum mr_err err = mr_gate_receive(gate, &message, error);
		if (err == MR_AGAIN)
			return MR_OK;
		*moved = true;
		if (err != MR_OK)
			return err;
		err = take(gate, &message, error);
		mr_gate_message_fini(&message);
		if (err != MR_OK)
			return err;
	}
}

/* Each once; the loss behind all that came before it. */
static void tell_peers(struct mr_gate *gate)
{
	for (uint32_t i = 0; i < gate->host_count; i++) {
		struct mr_gate_peer *peer = &gate->peers[i];
		if (peer->met && !peer->told_met)
			say(gate, MR_CONTROL_MET, i, (struct mr_slice){0});
		peer->told_met = peer->met;
		if (peer->lost && !peer->told_lost)
			say(gate, MR_CONTROL_LOST, i, (struct mr_slice){0});
		peer->told_lost = peer->lost;
	}
}

static void report(struct mr_gate *gate)
{
	struct mr_buf bytes = {0};
	if (memcmp(&gate->counters, &gate->reported, sizeof gate->counters) == 0)
		return;
	mr_counters_encode(&gate->counters, &bytes);
	mr_pack_array(&bytes, 0);
	say(gate, MR_CONTROL_COUNTERS, 0, (struct mr_slice){bytes.data, bytes.len});
	gate->reported = gate->counters;
	mr_buf_fini(&bytes);
}

/* Once all pairs have met, nothing more is opened but what strangers knock with. */
static enum mr_err lock(struct mr_gate *gate, struct mr_error *error)
{
	if (!gate->may_connect || gate->locked)
		return MR_OK;
	enum mr_err err = mr_gate_met(gate, error);
	if (err != MR_OK)
		return err == MR_AGAIN ? MR_OK : err;
	gate->locked = true;
	const struct mr_sandbox_policy policy = {.needs = MR_NEEDS_ACCEPT,
						 .memory_bytes = MR_SANDBOX_MEMORY +
								 gate->pair_count * MR_GATE_PAIR};
	return mr_sandbox_is_off(&gate->setup.config) ? MR_OK : mr_sandbox_lock(&policy, error);
}

static enum mr_err rest(struct mr_gate *gate, struct mr_error *error)
{
	uint32_t room = gate->pair_count + 2 * MR_HOSTS_MAX + 4;
	struct pollfd *fds = mr_calloc(room, sizeof *fds);
	uint32_t count = mr_gate_peer_poll_set(gate, fds);
	count += mr_gate_pair_poll_set(gate, fds + count);
	fds[count] = (struct pollfd){.fd = gate->control.fd, .events = POLLIN};
	if (mr_control_waits(&gate->control))
		fds[count].events |= POLLOUT;
	bool soon = (gate->may_connect && !gate->locked) || mr_clock_us() < gate->probe_until_us;
	enum mr_err err = MR_OK;
	if (poll(fds, count + 1, soon ? SOON_MS : WAIT_MS) < 0 && errno != EINTR)
		err = mr_error_errno(error, MR_IO, "cannot wait for links");
	free(fds);
	return err;
}

/* Whoever sends may take in what came, and leave no sign of it at the descriptor: only after a turn
 * in which nothing moved it may rest. */
static enum mr_err loop(struct mr_gate *gate, struct mr_error *error)
{
	for (;;) {
		bool moved = mr_gate_meet(gate, mr_clock_us());
		enum mr_err err = receive(gate, &moved, error);
		if (err == MR_OK)
			moved |= mr_gate_pass(gate);
		if (err == MR_OK)
			err = lock(gate, error);
		tell_peers(gate);
		report(gate);
		gate->heard = false;
		if (err == MR_OK)
			err = listen(gate, error);
		if (err == MR_OK && !moved && !gate->heard)
			err = rest(gate, error);
		if (err != MR_OK)
			return err;
	}
}

static void close_gate(struct mr_gate *gate)
{
	mr_log_set_sink(NULL, NULL);
	mr_gate_unpair(gate);
	mr_gate_part(gate);
	if (gate->context != NULL)
		zmq_ctx_term(gate->context);
	mr_key_forget(&gate->key);
	mr_tables_free(gate->tables);
	mr_setup_fini(&gate->setup);
	mr_control_fini(&gate->control);
	free(gate);
}

int mr_gate_main(int argc, char **argv)
{
	if (!mr_worker_is_child(argc, argv))
		return 2;
	struct mr_gate *gate = mr_calloc(1, sizeof *gate);
	struct mr_error error = {0};
	mr_control_init(&gate->control, MR_WORKER_CONTROL_FD);
	gate->tables = mr_tables_new();
	mr_log_set_sink(send_line, gate);
	enum mr_err err = start(gate, &error);
	if (err == MR_OK)
		err = loop(gate, &error);
	mr_control_send(&gate->control, &(struct mr_control_message){.kind = MR_CONTROL_FAILED,
								     .number = (uint64_t)err,
								     .bytes = mr_slice(error.text),
								     .fd = -1});
	close_gate(gate);
	return 1;
}
