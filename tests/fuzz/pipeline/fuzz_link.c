/* fuzz_link.c - frames of any peer over a link: what comes through is what a model of the rules
 * lets through, in the order it was sent, and the first breach is the last word.
 *
 * The input is a list of frames, each with three bytes before it: two of length, and one that says
 * whether another frame of the same message follows and whether a right header's numbers are filled
 * in, so that the deeper checks are reached. */
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "millrace/json.h"
#include "millrace/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INCARNATION 3
#define SENDER 7
#define FIELDS_HASH 99

enum { FRAME_MORE = 1, FRAME_RIGHT = 2, FRAME_SEQUENCE = 4 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

struct model {
	uint64_t sequence;
	uint64_t items;
	uint64_t batches;
	bool broken;
};

/* A header that decodes, with what each peer knows of the pair: the fuzzer cannot guess it. */
static void correct(const struct model *model, uint8_t flags, struct mr_slice frame,
		    struct mr_buf *out)
{
	struct mr_batch_header header;
	if (mr_batch_header_decode(frame, &header, NULL) != MR_OK) {
		mr_buf_add(out, frame.at, frame.len);
		return;
	}
	header.incarnation = INCARNATION;
	header.sender = SENDER;
	header.fields_hash = FIELDS_HASH;
	if (flags & FRAME_SEQUENCE)
		header.sequence = model->sequence + 1;
	mr_batch_header_encode(&header, out);
}

static void receive(struct mr_link_rx *rx, struct model *model)
{
	struct mr_batch_header header;
	struct mr_slice body;
	struct mr_error error = {0};
	enum mr_err err = mr_link_receive(rx, &header, &body, &error);
	must(err == MR_OK || err == MR_AGAIN || (err == MR_PROTOCOL && error.text[0] != '\0'));
	must(!model->broken || err == MR_PROTOCOL);
	model->broken = err == MR_PROTOCOL;
	if (err != MR_OK)
		return;
	must(header.incarnation == INCARNATION && header.sender == SENDER &&
	     header.fields_hash == FIELDS_HASH && header.sequence == ++model->sequence);
	must(body.len == (header.by_reference ? 0 : header.body_len));
	for (size_t i = 0; i < MR_JSON_PADDING; i++)
		must(body.at[body.len + i] == 0);
	if (header.kind == MR_BATCH_DATA) {
		model->batches++;
		model->items += header.count;
	} else {
		must(header.sent_batches == model->batches && header.sent_items == model->items);
	}
}

/* Sends one message; returns how many bytes of the input it took. */
static size_t send_message(void *peer, const struct model *model, struct mr_slice input)
{
	struct mr_buf frame = {0};
	size_t at = 0;
	bool more = true;
	while (more) {
		struct mr_slice bytes = {input.at + at, 0};
		uint8_t flags = 0;
		if (input.len - at >= 3) {
			flags = (uint8_t)input.at[at + 2];
			bytes.len =
			    (size_t)((uint8_t)input.at[at] << 8 | (uint8_t)input.at[at + 1]);
			at += 3;
			bytes.at = input.at + at;
			if (bytes.len > input.len - at)
				bytes.len = input.len - at;
			at += bytes.len;
		}
		more = (flags & FRAME_MORE) != 0;
		frame.len = 0;
		if (flags & FRAME_RIGHT)
			correct(model, flags, bytes, &frame);
		else
			mr_buf_add(&frame, bytes.at, bytes.len);
		must(zmq_send(peer, frame.data, frame.len, more ? ZMQ_SNDMORE : 0) >= 0);
	}
	mr_buf_fini(&frame);
	return at;
}

/* ZeroMQ closes sockets a little after it is told, and has a bound for all of a context. */
#define PAIRS_MAX 100

static void *context_with_room(void)
{
	static void *context;
	static unsigned pairs;
	if (context != NULL && ++pairs == PAIRS_MAX) {
		zmq_ctx_term(context);
		context = NULL;
	}
	if (context == NULL) {
		context = zmq_ctx_new();
		pairs = 0;
	}
	must(context != NULL);
	return context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned long long pairs; /* an endpoint's name is free a little after its close */
	void *context = context_with_room();
	char endpoint[64];
	struct mr_link_rx *rx;
	struct model model = {0};
	struct mr_slice input = {(const char *)data, size};
	int linger = 0;
	snprintf(endpoint, sizeof endpoint, "inproc://pair-%llu", ++pairs);
	must(mr_link_rx_open(context, endpoint, INCARNATION, SENDER, FIELDS_HASH, &rx, NULL) ==
	     MR_OK);
	void *peer = zmq_socket(context, ZMQ_PUSH);
	must(peer != NULL && zmq_setsockopt(peer, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
	     zmq_connect(peer, endpoint) == 0);
	while (input.len >= 3 && !model.broken) {
		size_t took = send_message(peer, &model, input);
		input = (struct mr_slice){input.at + took, input.len - took};
		receive(rx, &model);
	}
	receive(rx, &model);
	zmq_close(peer);
	mr_link_rx_close(rx);
	return 0;
}
