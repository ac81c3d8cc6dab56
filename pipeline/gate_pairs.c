/* gate_pairs.c - the pairs of workers whose two ends are on different hosts.
 *
 * Called by gate.c. Both gates number the pairs alike: by edge, sender, receiver. Where a worker is
 * gone its pair is closed without a word: its supervisor knows. Fails with MR_PROTOCOL where the
 * other gate breaks the rules of credit. */
#include <poll.h>
#include <stdlib.h>

#include "gate.h"
#include "millrace/log.h"

/* What one pair is, and whether an end of it is here and the other is not. */
static bool crosses(const struct mr_gate *gate, uint32_t edge, uint32_t from, uint32_t to,
		    struct mr_gate_pair *out)
{
	const struct mr_topology *topology = &gate->setup.topology;
	uint32_t sender = topology->groups[topology->edges[edge].from].host;
	uint32_t receiver = topology->groups[topology->edges[edge].to].host;
	*out = (struct mr_gate_pair){.edge = edge, .from = from, .to = to};
	out->host = sender == gate->self ? receiver : sender;
	out->credit = MR_GATE_WINDOW;
	return sender != receiver && (sender == gate->self || receiver == gate->self);
}

static bool is_outgoing(const struct mr_gate *gate, const struct mr_gate_pair *pair)
{
	const struct mr_topology *topology = &gate->setup.topology;
	return topology->groups[topology->edges[pair->edge].from].host == gate->self;
}

/* Those that do not cross from or to this host keep their numbers, and stay closed. */
static void add_pairs(struct mr_gate *gate, uint32_t edge)
{
	const struct mr_topology *topology = &gate->setup.topology;
	const struct mr_edge *is = &topology->edges[edge];
	uint32_t first = mr_setup_first(topology, is->from);
	uint32_t first_to = mr_setup_first(topology, is->to);
	uint32_t senders = topology->groups[is->from].workers;
	uint32_t receivers = topology->groups[is->to].workers;
	gate->pairs = mr_realloc(gate->pairs, (gate->pair_count + (size_t)senders * receivers) *
						  sizeof *gate->pairs);
	for (uint32_t from = first; from < first + senders; from++)
		for (uint32_t to = first_to; to < first_to + receivers; to++) {
			struct mr_gate_pair *pair = &gate->pairs[gate->pair_count++];
			pair->closed = !crosses(gate, edge, from, to, pair);
		}
}

enum mr_err mr_gate_bind(struct mr_gate *gate, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t edge = 0; edge < gate->setup.topology.edge_count; edge++)
		add_pairs(gate, edge);
	for (uint32_t i = 0; i < gate->pair_count && err == MR_OK; i++) {
		struct mr_gate_pair *pair = &gate->pairs[i];
		char endpoint[MR_ENDPOINT_MAX];
		if (pair->closed || !is_outgoing(gate, pair))
			continue;
		mr_setup_endpoint(&gate->setup, pair->edge, pair->from, pair->to, endpoint);
		err = mr_link_rx_open(gate->context, endpoint, 0, pair->from, 0, &pair->rx, error);
	}
	return err;
}

enum mr_err mr_gate_connect(struct mr_gate *gate, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < gate->pair_count && err == MR_OK; i++) {
		struct mr_gate_pair *pair = &gate->pairs[i];
		char endpoint[MR_ENDPOINT_MAX];
		if (pair->closed || is_outgoing(gate, pair))
			continue;
		mr_setup_endpoint(&gate->setup, pair->edge, pair->from, pair->to, endpoint);
		err = mr_link_tx_open(gate->context, endpoint, 0, pair->from, 0, &pair->tx, error);
	}
	return err;
}

enum mr_err mr_gate_met(struct mr_gate *gate, struct mr_error *error)
{
	enum mr_err all = MR_OK;
	for (uint32_t i = 0; i < gate->pair_count; i++) {
		struct mr_gate_pair *pair = &gate->pairs[i];
		if (pair->closed)
			continue;
		enum mr_err err = pair->rx != NULL ? mr_link_rx_met(pair->rx, error)
						   : mr_link_tx_met(pair->tx, error);
		if (err != MR_OK && err != MR_AGAIN)
			return err;
		all = err == MR_AGAIN ? MR_AGAIN : all;
	}
	return all;
}

/* ---- what comes from the other host ---- */

static enum mr_err breach(const struct mr_gate_message *message, const char *what,
			  struct mr_error *error)
{
	return mr_error_set(error, MR_PROTOCOL, "host %u, pair %u: %s", message->host,
			    message->number, what);
}

static enum mr_err take_data(struct mr_gate_pair *pair, struct mr_gate_message *message,
			     struct mr_error *error)
{
	if (message->count != MR_GATE_FRAMES)
		return breach(message, "a batch that is none", error);
	if (pair->credit == 0)
		return breach(message, "more batches than it was granted", error);
	pair->credit--;
	uint32_t at = (pair->held_first + pair->held_count++) % MR_GATE_WINDOW;
	struct mr_frames *held = &pair->held[at];
	zmq_msg_init(&held->header);
	zmq_msg_init(&held->body);
	zmq_msg_move(&held->header, &message->frames[1]);
	zmq_msg_move(&held->body, &message->frames[2]);
	return MR_OK;
}

enum mr_err mr_gate_pair_message(struct mr_gate *gate, struct mr_gate_message *message,
				 struct mr_error *error)
{
	struct mr_gate_pair *pair =
	    message->number < gate->pair_count ? &gate->pairs[message->number] : NULL;
	if (pair == NULL || pair->host != message->host ||
	    is_outgoing(gate, pair) != (message->kind == MR_GATE_CREDIT))
		return breach(message, "it is none of that host's", error);
	if (pair->closed)
		return MR_OK; /* its worker is gone */
	if (message->kind == MR_GATE_DATA)
		return take_data(pair, message, error);
	if (pair->credit == MR_GATE_WINDOW)
		return breach(message, "credit for what was not sent", error);
	pair->credit++;
	return MR_OK;
}

/* ---- handing on ---- */

static void close_pair(struct mr_gate_pair *pair)
{
	pair->closed = true;
	for (; pair->held_count > 0; pair->held_count--) {
		mr_frames_fini(&pair->held[pair->held_first]);
		pair->held_first = (pair->held_first + 1) % MR_GATE_WINDOW;
	}
}

static void close_for(struct mr_gate_pair *pair, enum mr_err err, const struct mr_error *error)
{
	if (err != MR_PEER_LOST)
		mr_log(MR_LOG_ERROR, "gate: %s", error->text);
	close_pair(pair);
}

static bool pass_out(struct mr_gate *gate, uint32_t number)
{
	struct mr_gate_pair *pair = &gate->pairs[number];
	bool moved = false;
	while (!pair->closed && pair->credit > 0) {
		struct mr_frames frames;
		struct mr_error error = {0};
		enum mr_err err = mr_link_take(pair->rx, &frames, &error);
		if (err == MR_AGAIN)
			break;
		if (err != MR_OK) {
			close_for(pair, err, &error);
			break;
		}
		zmq_msg_t both[2];
		zmq_msg_init(&both[0]);
		zmq_msg_init(&both[1]);
		zmq_msg_move(&both[0], &frames.header);
		zmq_msg_move(&both[1], &frames.body);
		mr_gate_send(gate, pair->host, MR_GATE_DATA, number, both, 2);
		mr_frames_fini(&frames);
		pair->credit--;
		moved = true;
	}
	return moved;
}

static bool pass_in(struct mr_gate *gate, uint32_t number)
{
	struct mr_gate_pair *pair = &gate->pairs[number];
	bool moved = false;
	while (!pair->closed && pair->held_count > 0) {
		struct mr_error error = {0};
		enum mr_err err = mr_link_give(pair->tx, &pair->held[pair->held_first], &error);
		if (err == MR_AGAIN)
			break;
		if (err != MR_OK) {
			close_for(pair, err, &error);
			break;
		}
		pair->held_first = (pair->held_first + 1) % MR_GATE_WINDOW;
		pair->held_count--;
		pair->credit++;
		mr_gate_send(gate, pair->host, MR_GATE_CREDIT, number, NULL, 0);
		moved = true;
	}
	return moved;
}

bool mr_gate_pass(struct mr_gate *gate)
{
	bool moved = false;
	for (uint32_t i = 0; i < gate->pair_count; i++) {
		if (gate->pairs[i].rx != NULL)
			moved |= pass_out(gate, i);
		else if (gate->pairs[i].tx != NULL)
			moved |= pass_in(gate, i);
	}
	return moved;
}

/* Only pairs that were asked until they said "again": see mr_worker_poll_set. */
uint32_t mr_gate_pair_poll_set(const struct mr_gate *gate, struct pollfd *out)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < gate->pair_count; i++) {
		const struct mr_gate_pair *pair = &gate->pairs[i];
		if (pair->closed)
			continue;
		if (pair->rx != NULL && pair->credit > 0)
			out[count++] = (struct pollfd){mr_link_rx_fd(pair->rx), POLLIN, 0};
		else if (pair->tx != NULL && pair->held_count > 0)
			out[count++] = (struct pollfd){mr_link_tx_fd(pair->tx), POLLIN, 0};
	}
	return count;
}

void mr_gate_unpair(struct mr_gate *gate)
{
	for (uint32_t i = 0; i < gate->pair_count; i++) {
		close_pair(&gate->pairs[i]);
		mr_link_rx_close(gate->pairs[i].rx);
		mr_link_tx_close(gate->pairs[i].tx);
	}
	free(gate->pairs);
	gate->pairs = NULL;
	gate->pair_count = 0;
}
