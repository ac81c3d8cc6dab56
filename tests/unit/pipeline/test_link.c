/* test_link.c - a link against peers that speak raw ZeroMQ: whatever they send, nothing but a right
 * batch comes through; and what acknowledged ends are for (PROTOCOL.md 2.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "clock.h"
#include "millrace/link.h"

#define INCARNATION 0x1122334455667788u
#define SENDER 7
#define FIELDS_HASH 0x99u
#define WAIT_US 10000000

struct pair {
	char directory[64];
	char endpoint[128];
	void *context;      /* the receiver's process */
	void *peer_context; /* the sender's */
	void *peer;         /* a raw PUSH socket */
	void *second;       /* another one */
	struct mr_link_tx *tx;
	struct mr_link_rx *rx;
	struct mr_error error;
};

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof *pair);
	strcpy(pair->directory, "/tmp/millrace-test-XXXXXX");
	assert_non_null(mkdtemp(pair->directory));
	snprintf(pair->endpoint, sizeof pair->endpoint, "ipc://%s/pair", pair->directory);
	pair->context = zmq_ctx_new();
	pair->peer_context = zmq_ctx_new();
	assert_int_equal(mr_link_rx_open(pair->context, pair->endpoint, INCARNATION, SENDER,
					 FIELDS_HASH, &pair->rx, &pair->error),
			 MR_OK);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;
	if (pair->peer != NULL)
		zmq_close(pair->peer);
	if (pair->second != NULL)
		zmq_close(pair->second);
	mr_link_tx_close(pair->tx);
	mr_link_rx_close(pair->rx);
	zmq_ctx_term(pair->peer_context);
	zmq_ctx_term(pair->context);
	/* A link removes the socket's name when both have met; not all of these do. */
	unlink(pair->endpoint + strlen("ipc://"));
	assert_int_equal(rmdir(pair->directory), 0);
	free(pair);
	return 0;
}

/* What is sent waits for the connection: once it is sent, the endpoint may go. */
static void *raw_peer(struct pair *pair)
{
	int linger = 0;
	int high_water_mark = 2;
	int connected = 1;
	void *socket = zmq_socket(pair->peer_context, ZMQ_PUSH);
	assert_non_null(socket);
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
	zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water_mark, sizeof high_water_mark);
	zmq_setsockopt(socket, ZMQ_IMMEDIATE, &connected, sizeof connected);
	assert_int_equal(zmq_connect(socket, pair->endpoint), 0);
	return socket;
}

static struct mr_batch_header right_header(uint64_t sequence, size_t body_len)
{
	return (struct mr_batch_header){.version = MR_BATCH_VERSION,
					.kind = MR_BATCH_DATA,
					.content = MR_CONTENT_SIGNALS,
					.incarnation = INCARNATION,
					.sender = SENDER,
					.sequence = sequence,
					.count = 1,
					.body_len = body_len,
					.fields_hash = FIELDS_HASH};
}

static void raw_send(struct pair *pair, const struct mr_batch_header *header, const char *body,
		     size_t len)
{
	struct mr_buf bytes = {0};
	mr_batch_header_encode(header, &bytes);
	assert_true(zmq_send(pair->peer, bytes.data, bytes.len, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(pair->peer, body, len, 0) >= 0);
	mr_buf_fini(&bytes);
}

/* Until there is a batch or an error. */
static enum mr_err receive(struct pair *pair, struct mr_batch_header *header, struct mr_slice *body)
{
	int64_t until_us = mr_clock_us() + WAIT_US;
	while (mr_clock_us() < until_us) {
		enum mr_err err = mr_link_receive(pair->rx, header, body, &pair->error);
		if (err != MR_AGAIN)
			return err;
		struct pollfd fd = {.fd = mr_link_rx_fd(pair->rx), .events = POLLIN};
		poll(&fd, 1, 20);
	}
	return MR_AGAIN;
}

/* The link is broken, says so again, and `words` are in its reason. */
static void expect_breach(struct pair *pair, enum mr_err code, const char *words)
{
	struct mr_batch_header header;
	struct mr_slice body;
	assert_int_equal(receive(pair, &header, &body), code);
	if (strstr(pair->error.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", pair->error.text, words);
	assert_int_equal(mr_link_receive(pair->rx, &header, &body, &pair->error), code);
}

static void expect_refused(struct pair *pair, const struct mr_batch_header *header,
			   const char *words)
{
	pair->peer = raw_peer(pair);
	raw_send(pair, header, "body", 4);
	expect_breach(pair, MR_PROTOCOL, words);
}

static void right_batches_come_through(void **state)
{
	struct pair *pair = *state;
	struct mr_batch_header header;
	struct mr_slice body;
	pair->peer = raw_peer(pair);
	for (uint64_t sequence = 1; sequence <= 3; sequence++) {
		struct mr_batch_header sent = right_header(sequence, 4);
		raw_send(pair, &sent, "body", 4);
		assert_int_equal(receive(pair, &header, &body), MR_OK);
		assert_int_equal(header.sequence, sequence);
		assert_true(mr_slice_eq(body, MR_SLICE("body")));
	}
	struct mr_batch_header end = {.version = MR_BATCH_VERSION,
				      .kind = MR_BATCH_END,
				      .incarnation = INCARNATION,
				      .sender = SENDER,
				      .sequence = 4,
				      .fields_hash = FIELDS_HASH,
				      .sent_batches = 3,
				      .sent_items = 3};
	raw_send(pair, &end, "", 0);
	assert_int_equal(receive(pair, &header, &body), MR_OK);
	assert_int_equal(header.kind, MR_BATCH_END);
	/* A peer that goes after its end is no loss. */
	zmq_close(pair->peer);
	pair->peer = NULL;
	assert_int_equal(mr_link_receive(pair->rx, &header, &body, &pair->error), MR_AGAIN);
}

static void other_incarnation_is_refused(void **state)
{
	struct pair *pair = *state;
	struct mr_batch_header header = right_header(1, 4);
	header.incarnation++;
	expect_refused(pair, &header, "incarnation");
}

static void wrong_sender_is_refused(void **state)
{
	struct mr_batch_header header = right_header(1, 4);
	header.sender++;
	expect_refused(*state, &header, "sender");
}

static void gap_in_the_sequence_is_refused(void **state)
{
	struct mr_batch_header header = right_header(2, 4);
	expect_refused(*state, &header, "sequence");
}

static void wrong_dictionary_is_refused(void **state)
{
	struct mr_batch_header header = right_header(1, 4);
	header.fields_hash++;
	expect_refused(*state, &header, "dictionary");
}

static void wrong_body_length_is_refused(void **state)
{
	struct mr_batch_header header = right_header(1, 5);
	expect_refused(*state, &header, "length of the body");
}

static void newer_version_is_refused(void **state)
{
	struct mr_batch_header header = right_header(1, 4);
	header.version++;
	expect_refused(*state, &header, "version");
}

/* The double entry: the peer claims to have sent more than what came. */
static void false_claim_at_the_end_is_refused(void **state)
{
	struct pair *pair = *state;
	pair->peer = raw_peer(pair);
	struct mr_batch_header end = {.version = MR_BATCH_VERSION,
				      .kind = MR_BATCH_END,
				      .incarnation = INCARNATION,
				      .sender = SENDER,
				      .sequence = 1,
				      .fields_hash = FIELDS_HASH,
				      .sent_batches = 1};
	raw_send(pair, &end, "", 0);
	expect_breach(pair, MR_PROTOCOL, "batches sent");
}

static void batch_after_the_end_is_refused(void **state)
{
	struct pair *pair = *state;
	pair->peer = raw_peer(pair);
	struct mr_batch_header end = {.version = MR_BATCH_VERSION,
				      .kind = MR_BATCH_END,
				      .incarnation = INCARNATION,
				      .sender = SENDER,
				      .sequence = 1,
				      .fields_hash = FIELDS_HASH};
	raw_send(pair, &end, "", 0);
	struct mr_batch_header header;
	struct mr_slice body;
	assert_int_equal(receive(pair, &header, &body), MR_OK);
	struct mr_batch_header late = right_header(2, 4);
	raw_send(pair, &late, "body", 4);
	expect_breach(pair, MR_PROTOCOL, "after the end");
}

static void garbage_is_refused(void **state)
{
	struct pair *pair = *state;
	pair->peer = raw_peer(pair);
	assert_true(zmq_send(pair->peer, "\xc1\xff garbage", 10, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(pair->peer, "body", 4, 0) >= 0);
	expect_breach(pair, MR_PROTOCOL, "worker 7");
}

static void header_without_body_is_refused(void **state)
{
	struct pair *pair = *state;
	struct mr_batch_header header = right_header(1, 0);
	struct mr_buf bytes = {0};
	pair->peer = raw_peer(pair);
	mr_batch_header_encode(&header, &bytes);
	assert_true(zmq_send(pair->peer, bytes.data, bytes.len, 0) >= 0);
	expect_breach(pair, MR_PROTOCOL, "frames");
	mr_buf_fini(&bytes);
}

static void third_frame_is_refused(void **state)
{
	struct pair *pair = *state;
	struct mr_batch_header header = right_header(1, 4);
	struct mr_buf bytes = {0};
	pair->peer = raw_peer(pair);
	mr_batch_header_encode(&header, &bytes);
	assert_true(zmq_send(pair->peer, bytes.data, bytes.len, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(pair->peer, "body", 4, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(pair->peer, "more", 4, 0) >= 0);
	expect_breach(pair, MR_PROTOCOL, "frames");
	mr_buf_fini(&bytes);
}

/* libzmq itself drops the connection at ZMQ_MAXMSGSIZE; to the link the peer is then lost, and the
 * supervisor, who knows that nobody died, says what it was (test_supervisor.c). */
static void oversized_message_ends_the_link(void **state)
{
	struct pair *pair = *state;
	size_t len = MR_BATCH_BODY_MAX + 1;
	char *big = calloc(1, len);
	pair->peer = raw_peer(pair);
	struct mr_batch_header header = right_header(1, 4);
	raw_send(pair, &header, big, len);
	expect_breach(pair, MR_PEER_LOST, "the connection was lost");
	free(big);
}

static void wait_until_met(struct pair *pair)
{
	int64_t until_us = mr_clock_us() + WAIT_US;
	enum mr_err err = MR_AGAIN;
	while (err == MR_AGAIN && mr_clock_us() < until_us) {
		err = mr_link_rx_met(pair->rx, &pair->error);
		poll(NULL, 0, 1);
	}
	assert_int_equal(err, MR_OK);
}

static void endpoint_is_gone_once_met(void **state)
{
	struct pair *pair = *state;
	struct stat info;
	assert_int_equal(stat(pair->endpoint + 6, &info), 0);
	pair->peer = raw_peer(pair);
	wait_until_met(pair);
	assert_int_not_equal(stat(pair->endpoint + 6, &info), 0);
}

/* A second peer with a perfect header: it came before the endpoint was gone, and is refused. */
static void second_peer_is_refused(void **state)
{
	struct pair *pair = *state;
	int64_t until_us = mr_clock_us() + WAIT_US;
	/* The first has met the socket, but the link has not looked yet: the endpoint still stands.
	 */
	pair->second = raw_peer(pair);
	pair->peer = pair->second;
	struct mr_batch_header header = right_header(1, 4);
	raw_send(pair, &header, "body", 4);
	pair->peer = raw_peer(pair);
	raw_send(pair, &header, "evil", 4);
	struct mr_batch_header got;
	struct mr_slice body;
	enum mr_err err = MR_AGAIN;
	while ((err == MR_AGAIN || err == MR_OK) && mr_clock_us() < until_us) {
		err = mr_link_receive(pair->rx, &got, &body, &pair->error);
		if (err == MR_OK)
			assert_true(mr_slice_eq(body, MR_SLICE("body")));
		poll(NULL, 0, 1);
	}
	assert_int_equal(err, MR_PROTOCOL);
	assert_non_null(strstr(pair->error.text, "second peer"));
}

static void lost_peer_is_told(void **state)
{
	struct pair *pair = *state;
	pair->peer = raw_peer(pair);
	wait_until_met(pair);
	zmq_close(pair->peer);
	pair->peer = NULL;
	expect_breach(pair, MR_PEER_LOST, "lost");
}

/* ---- the end ---- */

#define BODY_BYTES (64 << 10)

static struct mr_link_tx *open_tx(struct pair *pair)
{
	assert_int_equal(mr_link_tx_open(pair->peer_context, pair->endpoint, INCARNATION, SENDER,
					 FIELDS_HASH, &pair->tx, &pair->error),
			 MR_OK);
	return pair->tx;
}

/* Fills the pair until it takes no more, while the receiver is held back. Returns how many went. */
static uint64_t fill(struct pair *pair, struct mr_link_tx *tx)
{
	uint64_t sent = 0;
	int64_t quiet_us = mr_clock_us() + WAIT_US;
	while (mr_clock_us() < quiet_us) {
		struct mr_batch_header header = {
		    .kind = MR_BATCH_DATA, .content = MR_CONTENT_SIGNALS, .count = 1};
		struct mr_buf body = {0};
		memset(mr_buf_reserve(&body, BODY_BYTES), 'x', BODY_BYTES);
		body.len = BODY_BYTES;
		enum mr_err err = mr_link_send(tx, &header, &body, &pair->error);
		mr_buf_fini(&body);
		if (err == MR_OK) {
			sent++;
			quiet_us = mr_clock_us() + 200000; /* full once it stays so */
			continue;
		}
		assert_int_equal(err, MR_AGAIN);
		if (sent == 0)
			continue; /* not yet connected */
		struct pollfd fd = {.fd = mr_link_tx_fd(tx), .events = POLLIN};
		poll(&fd, 1, 10);
	}
	assert_true(sent >= 4); /* two at each end at least */
	return sent;
}

static uint64_t drain(struct pair *pair, enum mr_err *last)
{
	uint64_t got = 0;
	struct mr_batch_header header;
	struct mr_slice body;
	while ((*last = receive(pair, &header, &body)) == MR_OK && header.kind == MR_BATCH_DATA) {
		assert_int_equal(body.len, BODY_BYTES);
		got++;
	}
	return got;
}

/* A sender that stays open until its `end` is acknowledged loses nothing. */
static void acknowledged_end_loses_nothing(void **state)
{
	struct pair *pair = *state;
	struct mr_link_tx *tx = open_tx(pair);
	uint64_t sent = fill(pair, tx);
	struct mr_batch_header end = {.kind = MR_BATCH_END};
	struct mr_buf nothing = {0};
	assert_int_equal(mr_link_send(tx, &end, &nothing, &pair->error), MR_AGAIN);

	uint64_t got = 0;
	struct mr_batch_header header;
	struct mr_slice body;
	bool end_sent = false;
	bool acknowledged = false;
	int64_t until_us = mr_clock_us() + WAIT_US;
	while (!acknowledged && mr_clock_us() < until_us) {
		if (!end_sent)
			end_sent = mr_link_send(tx, &end, &nothing, &pair->error) == MR_OK;
		enum mr_err err = mr_link_receive(pair->rx, &header, &body, &pair->error);
		if (err == MR_AGAIN) {
			poll(NULL, 0, 1);
			continue;
		}
		assert_int_equal(err, MR_OK);
		got += header.kind == MR_BATCH_DATA;
		acknowledged = header.kind == MR_BATCH_END;
	}
	assert_true(acknowledged);
	assert_int_equal(got, sent);
	assert_int_equal(header.sent_batches, sent);
}

/* The reason for it: closed without, what is in the pair is lost, and the receiver is told so. */
static void unacknowledged_close_loses(void **state)
{
	struct pair *pair = *state;
	struct mr_link_tx *tx = open_tx(pair);
	uint64_t sent = fill(pair, tx);
	mr_link_tx_close(tx);
	pair->tx = NULL;
	zmq_ctx_term(pair->peer_context);
	pair->peer_context = zmq_ctx_new();
	enum mr_err last;
	uint64_t got = drain(pair, &last);
	assert_true(got < sent);
	assert_int_equal(last, MR_PEER_LOST);
	print_message("closed without acknowledgement: %llu of %llu batches came\n",
		      (unsigned long long)got, (unsigned long long)sent);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(right_batches_come_through),      TEST(other_incarnation_is_refused),
	    TEST(wrong_sender_is_refused),         TEST(gap_in_the_sequence_is_refused),
	    TEST(wrong_dictionary_is_refused),     TEST(wrong_body_length_is_refused),
	    TEST(newer_version_is_refused),        TEST(false_claim_at_the_end_is_refused),
	    TEST(batch_after_the_end_is_refused),  TEST(garbage_is_refused),
	    TEST(header_without_body_is_refused),  TEST(third_frame_is_refused),
	    TEST(oversized_message_ends_the_link), TEST(endpoint_is_gone_once_met),
	    TEST(second_peer_is_refused),          TEST(lost_peer_is_told),
	    TEST(acknowledged_end_loses_nothing),  TEST(unacknowledged_close_loses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
