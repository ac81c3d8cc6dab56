/* gate_peers.c - the gate's connections to other hosts: CURVE, and only keys that the settings
 * name.
 *
 * Called by gate.c. Of two hosts the later one in the settings connects to the earlier one. A
 * stranger is refused by ZeroMQ before anything of his is read, and counted. Who is let in is known
 * by his key, whatever he calls himself. Fails with MR_IO where it cannot listen; a connection that
 * cannot be made is tried again, one that is lost never is: that ends the incarnation. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "codec.h"
#include "gate.h"
#include "millrace/log.h"
#include "monitor.h"

#define RETRY_US 200000    /* from a connection that failed to the next try */
#define ANSWER_US 5000000  /* how long the other end may take to answer */
#define PROBE_US 10000     /* between two probes */
#define PROBING_US 2000000 /* how long is probed after something was lost */
/* A connection on which nothing comes is lost: libzmq asks after a second and waits some more, so
 * that a cable that was cut is found as well as a process that died (zmq_setsockopt(3)). */
#define HEARTBEAT_MS 1000
#define HEARTBEAT_LOST_MS 4000
#define HANDSHAKE_MS 5000
/* Nothing is re-connected: whoever hears of a loss closes the socket. Not -1: libzmq 4.3.4 then
 * looks the address up once more after a loss, and aborts where a locked process may not. */
#define NEVER_MS 86400000
#define DOMAIN "millrace"
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_FRAMES 7
#define KEY_BYTES 32

static const struct mr_part *host_at(const struct mr_gate *gate, uint32_t host)
{
	return mr_config_part(&gate->setup.config, MR_PART_HOST, host);
}

static bool connects_to_us(const struct mr_gate *gate, uint32_t host)
{
	return host > gate->self && gate->peers[host].wanted;
}

/* ---- sockets ---- */

static bool set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* Its high-water marks are the pairs' credit. */
static bool set_options(const struct mr_gate *gate, void *socket)
{
	int64_t max_bytes = MR_BATCH_BODY_MAX;
	return set_int(socket, ZMQ_SNDHWM, 0) && set_int(socket, ZMQ_RCVHWM, 0) &&
	       set_int(socket, ZMQ_LINGER, 0) &&
	       zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0 &&
	       set_int(socket, ZMQ_IPV6, 1) && set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
	       set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_LOST_MS) &&
	       set_int(socket, ZMQ_HEARTBEAT_TTL, HEARTBEAT_LOST_MS) &&
	       set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gate->key.text, MR_KEY_TEXT + 1) == 0;
}

static bool open_listener(struct mr_gate *gate)
{
	gate->asker = zmq_socket(gate->context, ZMQ_REP);
	gate->listener = zmq_socket(gate->context, ZMQ_ROUTER);
	if (gate->asker == NULL || gate->listener == NULL || !set_int(gate->asker, ZMQ_LINGER, 0) ||
	    zmq_bind(gate->asker, ZAP_ENDPOINT) != 0 || !set_options(gate, gate->listener) ||
	    !set_int(gate->listener, ZMQ_CURVE_SERVER, 1) ||
	    !set_int(gate->listener, ZMQ_ROUTER_MANDATORY, 1) ||
	    zmq_setsockopt(gate->listener, ZMQ_ZAP_DOMAIN, DOMAIN, sizeof DOMAIN - 1) != 0)
		return false;
	gate->monitor = mr_monitor_open(gate->context, gate->listener, MR_MONITOR_LOSSES);
	return gate->monitor != NULL;
}

enum mr_err mr_gate_listen(struct mr_gate *gate, struct mr_error *error)
{
	const struct mr_config *own = &host_at(gate, gate->self)->settings;
	const char *address = mr_config_get(own, "listen", 0);
	bool wanted = false;
	for (uint32_t i = 0; i < gate->host_count; i++)
		wanted |= connects_to_us(gate, i);
	if (!wanted)
		return MR_OK;
	if (address == NULL)
		address = mr_config_get(own, "address", 0);
	if (open_listener(gate) && zmq_bind(gate->listener, address) == 0)
		return MR_OK;
	return mr_error_set(error, MR_IO,
			    "%s: cannot listen there: %s; the setting listen names an address of "
			    "this machine, or tcp://*:PORT",
			    address, zmq_strerror(errno));
}

/* ---- who is let in (rfc.zeromq.org/spec/27) ---- */

/* The host whose key it is, of those that connect to this one; host_count where it is none's. */
static uint32_t host_of_key(const struct mr_gate *gate, const void *key)
{
	for (uint32_t i = 0; i < gate->host_count; i++) {
		uint8_t known[KEY_BYTES];
		const char *text = mr_config_get(&host_at(gate, i)->settings, "public_key", 0);
		if (connects_to_us(gate, i) && zmq_z85_decode(known, text) != NULL &&
		    memcmp(known, key, sizeof known) == 0)
			return i;
	}
	return gate->host_count;
}

static void answer(struct mr_gate *gate, const char *request, size_t len, uint32_t host)
{
	bool known = host < gate->host_count;
	const char *name = known ? host_at(gate, host)->name : "";
	const char *frames[] = {known ? "200" : "400", known ? "OK" : "no host has that key", name,
				""};
	zmq_send(gate->asker, "1.0", 3, ZMQ_SNDMORE);
	zmq_send(gate->asker, request, len, ZMQ_SNDMORE);
	for (size_t i = 0; i < 4; i++)
		zmq_send(gate->asker, frames[i], strlen(frames[i]), i < 3 ? ZMQ_SNDMORE : 0);
}

/* One question: version, request, domain, address, identity, mechanism, key. */
static bool decide(struct mr_gate *gate)
{
	char frames[ZAP_FRAMES][256];
	size_t lens[ZAP_FRAMES] = {0};
	size_t count = 0;
	int more = 1;
	size_t size = sizeof more;
	while (more != 0) {
		char rest[256];
		char *at = count < ZAP_FRAMES ? frames[count] : rest;
		int len = zmq_recv(gate->asker, at, sizeof rest, ZMQ_DONTWAIT);
		if (len < 0)
			return false;
		if (count < ZAP_FRAMES)
			lens[count] = (size_t)len < sizeof rest ? (size_t)len : sizeof rest;
		count++;
		zmq_getsockopt(gate->asker, ZMQ_RCVMORE, &more, &size);
	}
	uint32_t host = gate->host_count;
	if (count == ZAP_FRAMES && lens[5] == 5 && memcmp(frames[5], "CURVE", 5) == 0 &&
	    lens[6] == KEY_BYTES)
		host = host_of_key(gate, frames[6]);
	if (host == gate->host_count)
		mr_log(MR_LOG_WARNING, "a connection from %.*s was refused: no host has its key",
		       (int)lens[3], frames[3]);
	answer(gate, frames[1], lens[1], host);
	return true;
}

/* ---- connecting ---- */

static void hang_up(struct mr_gate_peer *peer, int64_t next_us)
{
	mr_monitor_close(peer->monitor, peer->socket);
	if (peer->socket != NULL)
		zmq_close(peer->socket);
	peer->monitor = NULL;
	peer->socket = NULL;
	peer->next_us = next_us;
}

static bool call(struct mr_gate *gate, uint32_t host)
{
	struct mr_gate_peer *peer = &gate->peers[host];
	const struct mr_config *its = &host_at(gate, host)->settings;
	peer->socket = zmq_socket(gate->context, ZMQ_DEALER);
	if (peer->socket == NULL || !set_options(gate, peer->socket) ||
	    !set_int(peer->socket, ZMQ_IMMEDIATE, 1) ||
	    !set_int(peer->socket, ZMQ_RECONNECT_IVL, NEVER_MS))
		return false;
	peer->monitor = mr_monitor_open(gate->context, peer->socket,
					ZMQ_EVENT_HANDSHAKE_SUCCEEDED | MR_MONITOR_LOSSES);
	const char *own = mr_config_get(&host_at(gate, gate->self)->settings, "public_key", 0);
	return peer->monitor != NULL &&
	       zmq_setsockopt(peer->socket, ZMQ_CURVE_PUBLICKEY, own, MR_KEY_TEXT + 1) == 0 &&
	       zmq_setsockopt(peer->socket, ZMQ_CURVE_SERVERKEY,
			      mr_config_get(its, "public_key", 0), MR_KEY_TEXT + 1) == 0 &&
	       zmq_connect(peer->socket, mr_config_get(its, "address", 0)) == 0;
}

/* A connection that we make: until it is met it is tried again and again. */
static bool watch_own(struct mr_gate *gate, uint32_t host, int64_t now_us)
{
	struct mr_gate_peer *peer = &gate->peers[host];
	struct mr_monitor_event event;
	bool gone = peer->socket != NULL && !peer->met && now_us >= peer->next_us;
	bool news = false;
	if (peer->socket == NULL && now_us >= peer->next_us) {
		if (call(gate, host))
			peer->next_us = now_us + ANSWER_US;
		else
			gone = true;
	}
	while (!gone && peer->monitor != NULL && mr_monitor_next(peer->monitor, &event)) {
		news = true;
		gone = event.what != ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
		if (!gone)
			mr_gate_send(gate, host, MR_GATE_JOIN, 0, NULL, 0);
	}
	if (!gone)
		return news;
	peer->lost = peer->met;
	hang_up(peer, now_us + RETRY_US);
	return true;
}

static bool probe(struct mr_gate *gate, int64_t now_us)
{
	bool news = false;
	if (now_us >= gate->probe_until_us || now_us < gate->probe_us)
		return false;
	gate->probe_us = now_us + PROBE_US;
	for (uint32_t i = 0; i < gate->host_count; i++) {
		if (!connects_to_us(gate, i) || !gate->peers[i].met || gate->peers[i].lost)
			continue;
		mr_gate_send(gate, i, MR_GATE_PROBE, 0, NULL, 0);
		news |= gate->peers[i].lost;
	}
	return news;
}

/* The listener's events bear no name of a peer: after each loss all are probed. */
static bool watch_listener(struct mr_gate *gate, int64_t now_us)
{
	struct mr_monitor_event event;
	bool news = false;
	while (gate->monitor != NULL && mr_monitor_next(gate->monitor, &event)) {
		news = true;
		if (event.what == ZMQ_EVENT_DISCONNECTED)
			gate->probe_until_us = now_us + PROBING_US;
		else
			mr_count(&gate->counters, MR_C_CONNECTIONS_REFUSED, 1);
	}
	return news;
}

bool mr_gate_meet(struct mr_gate *gate, int64_t now_us)
{
	bool news = gate->listener != NULL && watch_listener(gate, now_us);
	while (gate->asker != NULL && decide(gate))
		news = true;
	for (uint32_t i = 0; i < gate->self; i++)
		if (gate->peers[i].wanted && !gate->peers[i].lost)
			news |= watch_own(gate, i, now_us);
	return probe(gate, now_us) || news;
}

void mr_gate_part(struct mr_gate *gate)
{
	for (uint32_t i = 0; i < gate->host_count; i++)
		hang_up(&gate->peers[i], 0);
	mr_monitor_close(gate->monitor, gate->listener);
	if (gate->listener != NULL)
		zmq_close(gate->listener);
	if (gate->asker != NULL)
		zmq_close(gate->asker);
	gate->monitor = gate->listener = gate->asker = NULL;
}

/* ---- messages ---- */

static bool send_frame(void *socket, zmq_msg_t *frame, bool more)
{
	int sent;
	do {
		sent = zmq_msg_send(frame, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
	} while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

static bool send_bytes(void *socket, const void *bytes, size_t len, bool more)
{
	zmq_msg_t frame;
	zmq_msg_init_size(&frame, len);
	memcpy(zmq_msg_data(&frame), bytes, len);
	bool sent = send_frame(socket, &frame, more);
	if (!sent)
		zmq_msg_close(&frame);
	return sent;
}

void mr_gate_send(struct mr_gate *gate, uint32_t host, enum mr_gate_kind kind, uint32_t number,
		  zmq_msg_t *frames, uint32_t count)
{
	struct mr_gate_peer *peer = &gate->peers[host];
	bool listens = host > gate->self;
	void *socket = listens ? gate->listener : peer->socket;
	uint8_t head[MR_GATE_HEAD] = {(uint8_t)kind, (uint8_t)number, (uint8_t)(number >> 8),
				      (uint8_t)(number >> 16), (uint8_t)(number >> 24)};
	bool sent = socket != NULL && !peer->lost;
	if (sent && listens)
		sent = send_bytes(socket, peer->id, peer->id_len, true);
	sent = sent && send_bytes(socket, head, sizeof head, count > 0);
	for (uint32_t i = 0; i < count; i++) {
		sent = sent && send_frame(socket, &frames[i], i + 1 < count);
		if (!sent)
			zmq_msg_close(&frames[i]);
	}
	peer->lost |= !sent && peer->met;
}

void mr_gate_message_fini(struct mr_gate_message *message)
{
	for (uint32_t i = 0; i < MR_GATE_FRAMES; i++)
		zmq_msg_close(&message->frames[i]);
}

/* The frames behind the name, where there is one. MR_AGAIN where nothing is there; all are read,
 * those past the last that may be are counted. */
static enum mr_err read_frames(void *socket, struct mr_gate_message *out)
{
	zmq_msg_t rest;
	bool more = true;
	zmq_msg_init(&rest);
	for (out->count = 0; more; out->count++) {
		zmq_msg_t *frame = out->count < MR_GATE_FRAMES ? &out->frames[out->count] : &rest;
		if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
			break;
		more = zmq_msg_more(frame) != 0;
	}
	zmq_msg_close(&rest);
	return more ? MR_AGAIN : MR_OK;
}

static enum mr_err decode(struct mr_gate_message *message, struct mr_error *error)
{
	const uint8_t *head = zmq_msg_data(&message->frames[0]);
	if (message->count > MR_GATE_FRAMES || zmq_msg_size(&message->frames[0]) != MR_GATE_HEAD ||
	    head[0] < MR_GATE_JOIN || head[0] > MR_GATE_CREDIT)
		return mr_error_set(error, MR_PROTOCOL, "host %u: a message that is none",
				    message->host);
	message->kind = (enum mr_gate_kind)head[0];
	message->number = (uint32_t)mr_get_le((const char *)head + 1, 4);
	return MR_OK;
}

/* Whose key it came with: the name that the answer to ZAP gave. */
static uint32_t host_of_message(const struct mr_gate *gate, zmq_msg_t *frame)
{
	const char *name = zmq_msg_gets(frame, "User-Id");
	for (uint32_t i = 0; i < gate->host_count && name != NULL; i++)
		if (connects_to_us(gate, i) && strcmp(host_at(gate, i)->name, name) == 0)
			return i;
	return gate->host_count;
}

/* A host that was here, and is here again: the first has to be gone, or this is a second one. */
static void join(struct mr_gate *gate, uint32_t host, const uint8_t *id, size_t id_len)
{
	struct mr_gate_peer *peer = &gate->peers[host];
	if (peer->met) {
		mr_gate_send(gate, host, MR_GATE_PROBE, 0, NULL, 0);
		if (!peer->lost)
			mr_count(&gate->counters, MR_C_CONNECTIONS_REFUSED, 1);
		return;
	}
	memcpy(peer->id, id, id_len);
	peer->id_len = id_len;
	peer->met = true;
	mr_gate_send(gate, host, MR_GATE_JOINED, 0, NULL, 0);
}

static enum mr_err receive_listened(struct mr_gate *gate, struct mr_gate_message *out,
				    struct mr_error *error)
{
	uint8_t id[256];
	int len = zmq_recv(gate->listener, id, sizeof id, ZMQ_DONTWAIT);
	if (len < 0 || read_frames(gate->listener, out) != MR_OK)
		return MR_AGAIN;
	out->host = host_of_message(gate, &out->frames[0]);
	if (out->host == gate->host_count)
		return mr_error_set(error, MR_PROTOCOL, "a message without a host");
	struct mr_gate_peer *peer = &gate->peers[out->host];
	enum mr_err err = decode(out, error);
	if (err == MR_OK && out->kind == MR_GATE_JOIN) {
		join(gate, out->host, id, (size_t)len);
	} else if (!peer->met || peer->id_len != (size_t)len ||
		   memcmp(peer->id, id, peer->id_len) != 0) {
		out->kind = MR_GATE_PROBE; /* of a second one, which nobody listens to */
		return MR_OK;
	}
	return err;
}

static enum mr_err receive_called(struct mr_gate *gate, uint32_t host, struct mr_gate_message *out,
				  struct mr_error *error)
{
	struct mr_gate_peer *peer = &gate->peers[host];
	if (read_frames(peer->socket, out) != MR_OK)
		return MR_AGAIN;
	out->host = host;
	enum mr_err err = decode(out, error);
	if (err == MR_OK && out->kind == MR_GATE_JOINED)
		peer->met = true;
	return err;
}

enum mr_err mr_gate_receive(struct mr_gate *gate, struct mr_gate_message *out,
			    struct mr_error *error)
{
	enum mr_err err = MR_AGAIN;
	*out = (struct mr_gate_message){0};
	for (uint32_t i = 0; i < MR_GATE_FRAMES; i++)
		zmq_msg_init(&out->frames[i]);
	if (gate->listener != NULL)
		err = receive_listened(gate, out, error);
	for (uint32_t i = 0; i < gate->self && err == MR_AGAIN; i++)
		if (gate->peers[i].socket != NULL)
			err = receive_called(gate, i, out, error);
	if (err != MR_OK)
		mr_gate_message_fini(out);
	return err;
}

static uint32_t add_fd(void *socket, struct pollfd *out)
{
	int fd;
	size_t size = sizeof fd;
	if (socket == NULL || zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0)
		return 0;
	*out = (struct pollfd){fd, POLLIN, 0};
	return 1;
}

uint32_t mr_gate_peer_poll_set(const struct mr_gate *gate, struct pollfd *out)
{
	uint32_t count = add_fd(gate->listener, out);
	count += add_fd(gate->asker, out + count);
	count += add_fd(gate->monitor, out + count);
	for (uint32_t i = 0; i < gate->self; i++) {
		count += add_fd(gate->peers[i].socket, out + count);
		count += add_fd(gate->peers[i].monitor, out + count);
	}
	return count;
}
