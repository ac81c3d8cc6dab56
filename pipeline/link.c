/* link.c - one ZeroMQ PUSH/PULL pair, and what its receiver checks before anything reaches a stage.
 *
 * Called by worker_links.c. Fails with MR_PROTOCOL (the peer broke a rule), MR_PEER_LOST (it is
 * gone) or MR_IO; the first such failure of a receiver stays: nothing is read from it any more. */
#include "millrace/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "handover.h"
#include "link_frames.h"
#include "millrace/json.h"
#include "monitor.h"

#define HIGH_WATER_MARK 2

/* One end of a pair. The socket monitor tells that the peer has come, that it is gone, that a
 * second one tries. */
struct pair_end {
	void *socket;
	void *monitor;
	int fd;
	uint32_t accepted; /* connections that came in; the sending end never counts any */
	bool few;          /* batches are to be under way */
	bool met;
	bool lost;
	uint64_t incarnation;
	uint32_t sender;
	uint64_t fields_hash;
	uint64_t sequence; /* of the newest batch; the first is 1 */
	uint64_t batches;  /* data only: what `end` and `barrier` claim */
	uint64_t items;
};

struct mr_link_tx {
	struct pair_end end;
	struct mr_buf header;
};

struct mr_link_rx {
	struct pair_end end;
	char *path; /* of an ipc endpoint until the pair has met */
	bool ended;
	struct mr_buf body;
	struct mr_error broken;
};

/* ---- opening ---- */

static bool set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_options(void *socket)
{
	int64_t max_bytes = MR_BATCH_BODY_MAX;
	return set_int(socket, ZMQ_SNDHWM, HIGH_WATER_MARK) &&
	       set_int(socket, ZMQ_RCVHWM, HIGH_WATER_MARK) && set_int(socket, ZMQ_LINGER, 0) &&
	       set_int(socket, ZMQ_IMMEDIATE, 1) && set_int(socket, ZMQ_RECONNECT_IVL, -1) &&
	       set_int(socket, ZMQ_BACKLOG, 1) &&
	       zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0;
}

static bool open_socket(void *context, int type, struct pair_end *end)
{
	end->socket = zmq_socket(context, type);
	if (end->socket == NULL || !set_options(end->socket))
		return false;
	end->monitor = mr_monitor_open(context, end->socket,
				       ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED |
					   ZMQ_EVENT_HANDSHAKE_SUCCEEDED | MR_MONITOR_LOSSES);
	if (end->monitor == NULL)
		return false;
	size_t size = sizeof end->fd;
	return zmq_getsockopt(end->socket, ZMQ_FD, &end->fd, &size) == 0;
}

static void end_close(struct pair_end *end)
{
	mr_monitor_close(end->monitor, end->socket);
	if (end->socket != NULL)
		zmq_close(end->socket);
}

enum mr_err mr_link_rx_open(void *context, const char *endpoint, uint64_t incarnation,
			    uint32_t sender, uint64_t fields_hash, struct mr_link_rx **out,
			    struct mr_error *error)
{
	struct mr_link_rx *rx = mr_calloc(1, sizeof *rx);
	rx->end.incarnation = incarnation;
	rx->end.sender = sender;
	rx->end.fields_hash = fields_hash;
	if (!open_socket(context, ZMQ_PULL, &rx->end) || zmq_bind(rx->end.socket, endpoint) != 0) {
		mr_error_set(error, MR_IO, "%s: cannot listen there: %s", endpoint,
			     zmq_strerror(errno));
		mr_link_rx_close(rx);
		return MR_IO;
	}
	if (strncmp(endpoint, "ipc://", 6) == 0)
		rx->path = mr_strdup(endpoint + 6);
	*out = rx;
	return MR_OK;
}

enum mr_err mr_link_tx_open(void *context, const char *endpoint, uint64_t incarnation,
			    uint32_t self, uint64_t fields_hash, struct mr_link_tx **out,
			    struct mr_error *error)
{
	struct mr_link_tx *tx = mr_calloc(1, sizeof *tx);
	tx->end.incarnation = incarnation;
	tx->end.sender = self;
	tx->end.fields_hash = fields_hash;
	if (!open_socket(context, ZMQ_PUSH, &tx->end) ||
	    zmq_connect(tx->end.socket, endpoint) != 0) {
		mr_error_set(error, MR_IO, "%s: cannot connect to it: %s", endpoint,
			     zmq_strerror(errno));
		mr_link_tx_close(tx);
		return MR_IO;
	}
	*out = tx;
	return MR_OK;
}

void mr_link_tx_few(struct mr_link_tx *tx)
{
	tx->end.few = true;
}

void mr_link_tx_close(struct mr_link_tx *tx)
{
	if (tx == NULL)
		return;
	end_close(&tx->end);
	mr_buf_fini(&tx->header);
	free(tx);
}

void mr_link_rx_close(struct mr_link_rx *rx)
{
	if (rx == NULL)
		return;
	end_close(&rx->end);
	mr_buf_fini(&rx->body);
	free(rx->path);
	free(rx);
}

int mr_link_tx_fd(const struct mr_link_tx *tx)
{
	return tx->end.fd;
}

int mr_link_rx_fd(const struct mr_link_rx *rx)
{
	return rx->end.fd;
}

/* ---- the peer's coming and going ---- */

/* libzmq bounds messages, and leaves bytes to the system: 340 references stood in a socket's buffer
 * behind a high-water mark of two, and 16 do in the smallest that it gives (socket(7), SO_SNDBUF).
 * libzmq has no option for that of a Unix socket. Where it cannot be had, more are under way. */
static void hold_few(uint32_t fd)
{
	int smallest = 0;
	setsockopt((int)fd, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
}

static void note_event(struct pair_end *end, const struct mr_monitor_event *event)
{
	switch (event->what) {
	case ZMQ_EVENT_ACCEPTED:
		end->accepted++;
		break;
	case ZMQ_EVENT_CONNECTED:
		if (end->few)
			hold_few(event->value);
		break;
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		end->met = true;
		break;
	default: /* disconnected, or a handshake or an attempt to connect that failed */
		end->lost = true;
		break;
	}
}

static void watch(struct pair_end *end)
{
	struct mr_monitor_event event;
	while (mr_monitor_next(end->monitor, &event))
		note_event(end, &event);
}

static enum mr_err peer_state(const struct pair_end *end, struct mr_error *error)
{
	if (end->accepted > 1)
		return mr_error_set(error, MR_PROTOCOL,
				    "link from worker %u: a second peer connected; a pair has one",
				    end->sender);
	if (end->lost)
		return mr_error_set(error, MR_PEER_LOST,
				    "link from worker %u: the connection was lost", end->sender);
	return end->met ? MR_OK : MR_AGAIN;
}

enum mr_err mr_link_tx_met(struct mr_link_tx *tx, struct mr_error *error)
{
	watch(&tx->end);
	return peer_state(&tx->end, error);
}

enum mr_err mr_link_rx_met(struct mr_link_rx *rx, struct mr_error *error)
{
	watch(&rx->end);
	enum mr_err err = peer_state(&rx->end, error);
	if (err == MR_OK && rx->path != NULL) {
		unlink(rx->path);
		free(rx->path);
		rx->path = NULL;
	}
	return err;
}

/* ---- sending ---- */

/* libzmq frees a body in whichever of its threads is done with it last. */
static void free_body(void *data, void *hint)
{
	(void)hint;
	MR_TAKEN_OVER(data);
	free(data);
}

static void stamp(const struct pair_end *end, struct mr_batch_header *header, size_t body_len)
{
	header->version = MR_BATCH_VERSION;
	header->incarnation = end->incarnation;
	header->sender = end->sender;
	header->fields_hash = end->fields_hash;
	header->sequence = end->sequence + 1;
	if (!header->by_reference)
		header->body_len = body_len;
	if (header->kind != MR_BATCH_DATA) {
		header->sent_batches = end->batches;
		header->sent_items = end->items;
	}
}

/* Whether the pair takes messages now. Asking also takes in what the receiver said: zmq_send alone
 * leaves that for a millisecond, and the descriptor, still readable, would let nobody sleep. */
static bool takes_messages(const struct mr_link_tx *tx)
{
	int events = 0;
	size_t len = sizeof events;
	return zmq_getsockopt(tx->end.socket, ZMQ_EVENTS, &events, &len) == 0 &&
	       (events & ZMQ_POLLOUT) != 0;
}

/* MR_OK where it does; MR_AGAIN, or what has become of the peer. */
static enum mr_err ready(struct mr_link_tx *tx, struct mr_error *error)
{
	enum mr_err err = mr_link_tx_met(tx, error);
	if (err != MR_OK)
		return err;
	return takes_messages(tx) ? MR_OK : MR_AGAIN;
}

/* The first frame decides: a pair that takes it takes the second, unless the peer is lost. */
static enum mr_err send_header(struct mr_link_tx *tx, struct mr_error *error)
{
	for (;;) {
		if (zmq_send(tx->end.socket, tx->header.data, tx->header.len,
			     ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0)
			return MR_OK;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return mr_error_set(error, MR_IO, "link of worker %u: %s", tx->end.sender,
					    zmq_strerror(errno));
		enum mr_err err = ready(tx, error);
		if (err != MR_OK)
			return err;
	}
}

static enum mr_err send_body(struct mr_link_tx *tx, struct mr_buf *body, struct mr_error *error)
{
	zmq_msg_t frame;
	MR_HANDED_OVER(body->data);
	if (body->len == 0)
		zmq_msg_init(&frame);
	else if (zmq_msg_init_data(&frame, body->data, body->len, free_body, NULL) != 0)
		return mr_error_set(error, MR_NO_SPACE, "link: no memory for a batch");
	if (body->len != 0)
		*body = (struct mr_buf){0}; /* the frame owns the bytes now */
	int sent;
	do {
		sent = zmq_msg_send(&frame, tx->end.socket, ZMQ_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return MR_OK;
	zmq_msg_close(&frame);
	return mr_error_set(error, MR_PEER_LOST, "link of worker %u: the connection was lost",
			    tx->end.sender);
}

enum mr_err mr_link_send(struct mr_link_tx *tx, struct mr_batch_header *header, struct mr_buf *body,
			 struct mr_error *error)
{
	if (body->len > MR_BATCH_BODY_MAX)
		return mr_error_set(error, MR_PROTOCOL,
				    "link of worker %u: a batch of %zu bytes; at most %d may go",
				    tx->end.sender, body->len, MR_BATCH_BODY_MAX);
	stamp(&tx->end, header, body->len);
	tx->header.len = 0;
	mr_batch_header_encode(header, &tx->header);
	enum mr_err err = send_header(tx, error);
	if (err == MR_OK)
		err = send_body(tx, body, error);
	if (err != MR_OK)
		return err;
	tx->end.sequence++;
	if (header->kind == MR_BATCH_DATA) {
		tx->end.batches++;
		tx->end.items += header->count;
	}
	return MR_OK;
}

/* ---- receiving ---- */

static enum mr_err breach(struct mr_link_rx *rx, const char *what, uint64_t got, uint64_t right)
{
	return mr_error_set(&rx->broken, MR_PROTOCOL,
			    "link from worker %u, batch %llu: %s is %llu; it should be %llu",
			    rx->end.sender, (unsigned long long)rx->end.sequence + 1, what,
			    (unsigned long long)got, (unsigned long long)right);
}

static enum mr_err check_pair(struct mr_link_rx *rx, const struct mr_batch_header *header)
{
	const struct pair_end *end = &rx->end;
	if (rx->ended)
		return mr_error_set(&rx->broken, MR_PROTOCOL,
				    "link from worker %u: a batch after the end", end->sender);
	if (header->version != MR_BATCH_VERSION)
		return breach(rx, "the format version", header->version, MR_BATCH_VERSION);
	if (header->incarnation != end->incarnation)
		return breach(rx, "the incarnation", header->incarnation, end->incarnation);
	if (header->sender != end->sender)
		return breach(rx, "the sender", header->sender, end->sender);
	if (header->sequence != end->sequence + 1)
		return breach(rx, "the sequence number", header->sequence, end->sequence + 1);
	if (header->fields_hash != end->fields_hash)
		return breach(rx, "the hash of the field dictionary", header->fields_hash,
			      end->fields_hash);
	return MR_OK;
}

static enum mr_err check_body(struct mr_link_rx *rx, const struct mr_batch_header *header,
			      uint64_t body_len)
{
	uint64_t expected = header->by_reference ? 0 : header->body_len;
	if (body_len != expected)
		return breach(rx, "the length of the body", body_len, expected);
	if (header->kind == MR_BATCH_DATA)
		return MR_OK;
	if (header->sent_batches != rx->end.batches)
		return breach(rx, "the number of batches sent", header->sent_batches,
			      rx->end.batches);
	if (header->sent_items != rx->end.items)
		return breach(rx, "the number of items sent", header->sent_items, rx->end.items);
	return MR_OK;
}

static void keep_body(struct mr_link_rx *rx, zmq_msg_t *frame, struct mr_slice *body_out)
{
	size_t len = zmq_msg_size(frame);
	rx->body.len = 0;
	char *at = mr_buf_reserve(&rx->body, len + MR_JSON_PADDING);
	if (len != 0)
		memcpy(at, zmq_msg_data(frame), len);
	memset(at + len, 0, MR_JSON_PADDING);
	rx->body.len = len;
	*body_out = (struct mr_slice){at, len};
}

/* ZeroMQ hands out a message once all its frames are there: after a header the rest can't be late.
 */
static enum mr_err take_message(struct mr_link_rx *rx, zmq_msg_t *first,
				struct mr_batch_header *header_out, struct mr_slice *body_out)
{
	struct mr_error why = {0};
	struct mr_slice bytes = {zmq_msg_data(first), zmq_msg_size(first)};
	if (bytes.len > MR_BATCH_HEADER_MAX)
		return breach(rx, "the length of the header", bytes.len, MR_BATCH_HEADER_MAX);
	if (mr_batch_header_decode(bytes, header_out, &why) != MR_OK)
		return mr_error_set(&rx->broken, MR_PROTOCOL, "link from worker %u, batch %llu: %s",
				    rx->end.sender, (unsigned long long)rx->end.sequence + 1,
				    why.text);
	if (!zmq_msg_more(first))
		return breach(rx, "the number of frames", 1, 2);
	zmq_msg_t second;
	zmq_msg_init(&second);
	enum mr_err err = MR_OK;
	if (zmq_msg_recv(&second, rx->end.socket, ZMQ_DONTWAIT) < 0)
		err = breach(rx, "the number of frames", 1, 2);
	else if (zmq_msg_more(&second))
		err = breach(rx, "the number of frames", 3, 2);
	if (err == MR_OK)
		err = check_pair(rx, header_out);
	if (err == MR_OK)
		err = check_body(rx, header_out, zmq_msg_size(&second));
	if (err == MR_OK)
		keep_body(rx, &second, body_out);
	zmq_msg_close(&second);
	return err;
}

static void book(struct mr_link_rx *rx, const struct mr_batch_header *header)
{
	rx->end.sequence++;
	if (header->kind == MR_BATCH_DATA) {
		rx->end.batches++;
		rx->end.items += header->count;
	} else if (header->kind == MR_BATCH_END) {
		rx->ended = true;
	}
}

/* MR_AGAIN of a pair means that nothing is there, and that its descriptor tells when that changes:
 * so a signal's interruption is none. */
static bool next_frame(struct mr_link_rx *rx, zmq_msg_t *out)
{
	int len;
	do {
		len = zmq_msg_recv(out, rx->end.socket, ZMQ_DONTWAIT);
	} while (len < 0 && errno == EINTR);
	return len >= 0;
}

/* Nothing there: that is an error only where nothing will come any more. */
static enum mr_err nothing(struct mr_link_rx *rx)
{
	if (errno != EAGAIN)
		return mr_error_set(&rx->broken, MR_IO, "link from worker %u: %s", rx->end.sender,
				    zmq_strerror(errno));
	if (rx->ended)
		return MR_AGAIN;
	enum mr_err err = mr_link_rx_met(rx, &rx->broken);
	return err == MR_OK ? MR_AGAIN : err;
}

enum mr_err mr_link_receive(struct mr_link_rx *rx, struct mr_batch_header *header_out,
			    struct mr_slice *body_out, struct mr_error *error)
{
	enum mr_err err = rx->broken.code;
	if (err == MR_OK) {
		zmq_msg_t first;
		zmq_msg_init(&first);
		if (!next_frame(rx, &first)) {
			err = nothing(rx);
		} else {
			watch(&rx->end);
			if (rx->end.accepted > 1)
				err = peer_state(&rx->end, &rx->broken);
			else
				err = take_message(rx, &first, header_out, body_out);
			if (err == MR_OK)
				book(rx, header_out);
		}
		zmq_msg_close(&first);
	}
	if (err != MR_OK && err != MR_AGAIN && error != NULL)
		*error = rx->broken;
	return err;
}

/* ---- whole messages, unread ---- */

void mr_frames_fini(struct mr_frames *frames)
{
	zmq_msg_close(&frames->header);
	zmq_msg_close(&frames->body);
}

enum mr_err mr_link_take(struct mr_link_rx *rx, struct mr_frames *out, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	zmq_msg_init(&out->header);
	zmq_msg_init(&out->body);
	if (!next_frame(rx, &out->header))
		err = nothing(rx);
	else if (!zmq_msg_more(&out->header) ||
		 zmq_msg_recv(&out->body, rx->end.socket, ZMQ_DONTWAIT) < 0)
		err = breach(rx, "the number of frames", 1, 2);
	else if (zmq_msg_more(&out->body))
		err = breach(rx, "the number of frames", 3, 2);
	if (err == MR_OK)
		return MR_OK;
	mr_frames_fini(out);
	if (err != MR_AGAIN)
		*error = rx->broken;
	return err;
}

enum mr_err mr_link_give(struct mr_link_tx *tx, struct mr_frames *frames, struct mr_error *error)
{
	enum mr_err err = ready(tx, error);
	if (err != MR_OK)
		return err;
	if (zmq_msg_send(&frames->header, tx->end.socket, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
		return errno == EAGAIN || errno == EINTR
			   ? MR_AGAIN
			   : mr_error_set(error, MR_IO, "link of worker %u: %s", tx->end.sender,
					  zmq_strerror(errno));
	if (zmq_msg_send(&frames->body, tx->end.socket, ZMQ_DONTWAIT) < 0)
		return mr_error_set(error, MR_PEER_LOST,
				    "link of worker %u: the connection was lost", tx->end.sender);
	mr_frames_fini(frames);
	return MR_OK;
}
