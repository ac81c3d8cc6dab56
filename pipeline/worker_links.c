/* worker_links.c - what comes into a worker and what goes out.
 *
 * Called by worker.c. Never blocks: a pair that is full keeps one unsent batch, and the worker
 * waits for that pair and for control at once. A breach of a peer is MR_PROTOCOL and ends the
 * incarnation. */
#include "worker.h"

#include <poll.h>
#include <stdlib.h>
#include <zmq.h>

#include "millrace/json.h"
#include "millrace/log.h"

/* A partial batch leaves at the latest this long after its first item (PROTOCOL.md 2.3). */
#define PARTIAL_US 20000
#define REGIONS_LOGGED 5 /* that could not be read; more are only counted */

/* ---- opening and closing ---- */

static const struct mr_edge *edge_of(const struct mr_worker *worker, uint32_t edge)
{
	return &worker->setup.topology.edges[edge];
}

static void endpoint_of(const struct mr_worker *worker, uint32_t edge, uint32_t from, uint32_t to,
			char *out)
{
	mr_setup_endpoint(&worker->setup, edge, from, to, out);
}

static bool make_context(struct mr_worker *worker, uint32_t links)
{
	/* A pair takes a socket, and two for its monitor. */
	worker->context = zmq_ctx_new();
	return worker->context != NULL &&
	       zmq_ctx_set(worker->context, ZMQ_MAX_SOCKETS, (int)(links * 3 + 16)) == 0;
}

static enum mr_err bind_edge(struct mr_worker *worker, uint32_t edge, struct mr_error *error)
{
	const struct mr_topology *topology = &worker->setup.topology;
	uint32_t first = mr_setup_first(topology, edge_of(worker, edge)->from);
	uint32_t count = topology->groups[edge_of(worker, edge)->from].workers;
	for (uint32_t i = 0; i < count; i++) {
		struct mr_upstream *up = &worker->upstream[worker->upstream_count];
		char endpoint[MR_ENDPOINT_MAX];
		endpoint_of(worker, edge, first + i, worker->number, endpoint);
		enum mr_err err =
		    mr_link_rx_open(worker->context, endpoint, worker->setup.incarnation, first + i,
				    mr_fields_hash(worker->setup.fields), &up->rx, error);
		if (err != MR_OK)
			return err;
		up->edge = edge;
		up->sender = first + i;
		worker->upstream_count++;
	}
	return MR_OK;
}

enum mr_err mr_worker_bind(struct mr_worker *worker, struct mr_error *error)
{
	const struct mr_topology *topology = &worker->setup.topology;
	uint32_t in, out, outlets = 0;
	mr_topology_pairs(topology, worker->group, &in, &out);
	for (uint32_t i = 0; i < topology->edge_count; i++)
		outlets += topology->edges[i].from == worker->group;
	if (!make_context(worker, in + out))
		return mr_error_errno(error, MR_NO_SPACE, "no room for %u links", in + out);
	worker->upstream = mr_calloc(in, sizeof *worker->upstream);
	worker->outlets = mr_calloc(outlets, sizeof *worker->outlets);
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < topology->edge_count && err == MR_OK; i++) {
		if (topology->edges[i].to == worker->group)
			err = bind_edge(worker, i, error);
	}
	return err;
}

static enum mr_err connect_edge(struct mr_worker *worker, uint32_t edge, struct mr_error *error)
{
	const struct mr_topology *topology = &worker->setup.topology;
	const struct mr_edge *is = edge_of(worker, edge);
	uint32_t first = mr_setup_first(topology, is->to);
	uint32_t count = topology->groups[is->to].workers;
	uint32_t output =
	    mr_writer_add_output(&worker->writer, is->content, is->layer, is->mode, count);
	struct mr_outlet *outlet = &worker->outlets[output];
	outlet->edge = edge;
	outlet->leaves = mr_edge_leaves(topology, is);
	if (outlet->leaves && is->content == MR_CONTENT_RECORDS)
		mr_files_keep(worker->files);
	outlet->peers = mr_calloc(count, sizeof *outlet->peers);
	worker->outlet_count = output + 1;
	for (uint32_t i = 0; i < count; i++) {
		char endpoint[MR_ENDPOINT_MAX];
		endpoint_of(worker, edge, worker->number, first + i, endpoint);
		enum mr_err err = mr_link_tx_open(
		    worker->context, endpoint, worker->setup.incarnation, worker->number,
		    mr_fields_hash(worker->setup.fields), &outlet->peers[i].tx, error);
		if (err != MR_OK)
			return err;
		if (is->content == MR_CONTENT_RECORDS && !outlet->leaves)
			mr_link_tx_few(outlet->peers[i].tx);
		outlet->peers[i].receiver = first + i;
		outlet->peer_count = i + 1;
	}
	return MR_OK;
}

enum mr_err mr_worker_connect(struct mr_worker *worker, struct mr_error *error)
{
	const struct mr_topology *topology = &worker->setup.topology;
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < topology->edge_count && err == MR_OK; i++) {
		if (topology->edges[i].from == worker->group)
			err = connect_edge(worker, i, error);
	}
	return err;
}

enum mr_err mr_worker_met(struct mr_worker *worker, struct mr_error *error)
{
	enum mr_err all = MR_OK;
	for (uint32_t i = 0; i < worker->upstream_count; i++) {
		enum mr_err err = mr_link_rx_met(worker->upstream[i].rx, error);
		if (err != MR_OK && err != MR_AGAIN)
			return err;
		all = err == MR_AGAIN ? MR_AGAIN : all;
	}
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		for (uint32_t p = 0; p < worker->outlets[i].peer_count; p++) {
			enum mr_err err = mr_link_tx_met(worker->outlets[i].peers[p].tx, error);
			if (err != MR_OK && err != MR_AGAIN)
				return err;
			all = err == MR_AGAIN ? MR_AGAIN : all;
		}
	}
	return all;
}

void mr_worker_unlink(struct mr_worker *worker)
{
	for (uint32_t i = 0; i < worker->upstream_count; i++)
		mr_link_rx_close(worker->upstream[i].rx);
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		struct mr_outlet *outlet = &worker->outlets[i];
		for (uint32_t p = 0; p < outlet->peer_count; p++) {
			mr_link_tx_close(outlet->peers[p].tx);
			mr_buf_fini(&outlet->peers[p].held.body);
		}
		mr_buf_fini(&outlet->held.body);
		free(outlet->peers);
	}
	free(worker->upstream);
	free(worker->outlets);
	worker->upstream_count = 0;
	worker->outlet_count = 0;
	if (worker->context != NULL)
		zmq_ctx_term(worker->context);
	worker->context = NULL;
}

/* ---- receiving ---- */

/* As their source books them. */
static void count_bytes(struct mr_worker *worker, const struct mr_region *region)
{
	mr_count(&worker->counters, MR_C_BYTES_RECEIVED, region->length);
	mr_count_of(&worker->counters, region->source, MR_B_BYTES_RECEIVED, region->length);
}

/* The double entry of one batch, at either end of its pair. */
static void book_batch(struct mr_worker *worker, const struct mr_book_link *link)
{
	if (worker->counters.books != NULL)
		mr_books_link(worker->counters.books, link);
}

/* A file that was cut or replaced in place, or a disk that gives no more: the region is set aside
 * as if it were one record, with what of it can still be read, and the work goes on. The count
 * makes the command fail at its end (PROTOCOL.md 3.3). */
static void reject_region(struct mr_worker *worker, const struct mr_region *region,
			  const char *reason)
{
	struct mr_reject reject = {
	    .origin = {.source = region->source,
		       .partition = region->partition,
		       .position = region->position,
		       .length = (uint32_t)region->length}, /* bounded by the header's check */
	    .length = region->length,
	    .name = mr_files_name(worker->files, region->partition),
	    .offset = region->position,
	    .reason = mr_slice(reason),
	};
	mr_writer_reject(&worker->writer, &reject);
	count_bytes(worker, region);
	mr_count_reject(&worker->counters, region->source, MR_REJECT_UNREADABLE);
	mr_count(&worker->counters, MR_C_REGIONS_REJECTED, 1);
	uint64_t rejected = worker->counters.at[MR_C_REGIONS_REJECTED];
	if (rejected <= REGIONS_LOGGED)
		mr_log_event(MR_LOG_ERROR, MR_EVENT_INPUT_DAMAGED, "%s%s", reason,
			     rejected < REGIONS_LOGGED ? "" : "; more like this are only counted");
}

/* What a source has made durable is not given up for one error of the disk: the work starts again
 * from the last checkpoint. Where it cannot be read a second time it has been set aside by then. */
static bool may_be_read_again(const struct mr_worker *worker, const struct mr_region *region,
			      enum mr_err err)
{
	const struct mr_origin place = {
	    .source = region->source, .partition = region->partition, .position = region->position};
	if (err != MR_IO || worker->setup.finite ||
	    !mr_files_has_frames(mr_files_name(worker->files, region->partition)) ||
	    mr_aside_has(&worker->watch.aside, &place))
		return false;
	mr_inhand_region(worker->watch.page, region);
	return true;
}

/* Reads the region's bytes into this worker's own buffer: never a mapping, so that a file cut short
 * is an error and no SIGBUS. */
static enum mr_err read_region(struct mr_worker *worker, const struct mr_region *region,
			       struct mr_slice *body_out, struct mr_error *error)
{
	size_t len = (size_t)region->length; /* bounded by the header's check */
	worker->region.len = 0;
	char *at = mr_buf_reserve(&worker->region, len + MR_JSON_PADDING);
	enum mr_err err =
	    mr_files_read(worker->files, region->partition, region->position, at, len, error);
	memset(at + len, 0, MR_JSON_PADDING);
	*body_out = (struct mr_slice){at, len};
	return err;
}

static enum mr_err begin(struct mr_worker *worker, const struct mr_upstream *up,
			 const struct mr_batch_header *header, struct mr_slice body,
			 struct mr_error *error)
{
	if (header->content != edge_of(worker, up->edge)->content)
		return mr_error_set(error, MR_PROTOCOL,
				    "link from worker %u: a batch of content %d; the topology says "
				    "%d",
				    up->sender, (int)header->content,
				    (int)edge_of(worker, up->edge)->content);
	bool items = header->form == MR_FORM_ITEMS;
	/* The records' own bytes, as their source books them. */
	if (items)
		mr_count(&worker->counters, MR_C_BYTES_RECEIVED,
			 header->body_len - (uint64_t)header->count * MR_ITEM_HEADER);
	if (items || header->content != MR_CONTENT_RECORDS) {
		mr_chain_begin_items(&worker->chain, header, body);
		return MR_OK;
	}
	struct mr_region region;
	mr_header_region(header, &region);
	if (header->by_reference) {
		struct mr_error unread = {0};
		enum mr_err err = read_region(worker, &region, &body, &unread);
		if (may_be_read_again(worker, &region, err)) {
			*error = unread;
			return err;
		}
		if (err == MR_BAD_INPUT || err == MR_IO) {
			reject_region(worker, &region, unread.text);
			return MR_OK;
		}
		if (err != MR_OK)
			return mr_error_set(error, MR_PROTOCOL, "link from worker %u: %s",
					    up->sender, unread.text);
	}
	count_bytes(worker, &region);
	mr_chain_begin_records(&worker->chain, &region, body);
	return MR_OK;
}

static enum mr_err take(struct mr_worker *worker, struct mr_upstream *up, struct mr_error *error)
{
	struct mr_batch_header header;
	struct mr_slice body;
	enum mr_err err = mr_link_receive(up->rx, &header, &body, error);
	if (err != MR_OK)
		return err;
	switch (header.kind) {
	case MR_BATCH_DATA:
		if (header.earliest_arrival_us != 0)
			mr_histogram_add(&worker->latencies.at[MR_L_BATCH],
					 worker->now.wall_us - header.earliest_arrival_us);
		book_batch(worker, &(struct mr_book_link){.edge = up->edge,
							  .from = up->sender,
							  .to = worker->number,
							  .received_batches = 1,
							  .received_items = header.count});
		return begin(worker, up, &header, body, error);
	case MR_BATCH_END:
		up->ended = true;
		mr_worker_barrier_align(worker);
		mr_worker_say(worker, MR_CONTROL_ENDED, up->sender, up->edge, (struct mr_slice){0});
		return MR_OK;
	case MR_BATCH_BARRIER:
		return mr_worker_barrier_came(worker, up, header.barrier, body, error);
	}
	return MR_OK;
}

/* One that has sent the barrier in hand is not read before all have. */
static bool is_read(const struct mr_worker *worker, const struct mr_upstream *up)
{
	return !up->ended &&
	       (worker->barrier.step == MR_BARRIER_NONE || up->barrier != worker->barrier.number);
}

enum mr_err mr_worker_receive(struct mr_worker *worker, struct mr_error *error)
{
	uint32_t count = worker->upstream_count;
	uint32_t ended = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct mr_upstream *up = &worker->upstream[worker->upstream_turn];
		worker->upstream_turn = (worker->upstream_turn + 1) % count;
		ended += up->ended;
		if (!is_read(worker, up) || up->quiet)
			continue;
		enum mr_err err = take(worker, up, error);
		up->quiet = err == MR_AGAIN;
		if (err != MR_AGAIN)
			return err;
	}
	return ended == count ? MR_END : MR_AGAIN;
}

/* ---- sending ---- */

/* Whether the lane's oldest item has waited as long as any may. */
static bool is_due(const struct mr_lane *lane, struct mr_parcel *parcel, int64_t now_us)
{
	if (parcel->since_us == 0 && !mr_lane_is_empty(lane))
		parcel->since_us = now_us;
	return parcel->since_us != 0 && now_us - parcel->since_us >= PARTIAL_US;
}

/* The next region, if there is one. What cannot be read any more is set aside here, as a reader of
 * it would do. */
static bool take_region(struct mr_worker *worker, uint32_t output, struct mr_parcel *parcel)
{
	struct mr_region region;
	while (mr_output_take_region(&worker->writer, output, &region)) {
		struct mr_error unread = {0};
		size_t len = (size_t)region.length;
		mr_region_header(&region, &parcel->header);
		if (!worker->outlets[output].leaves)
			return true;
		parcel->body.len = 0;
		char *at = mr_buf_reserve(&parcel->body, len);
		enum mr_err err = mr_files_read(worker->files, region.partition, region.position,
						at, len, &unread);
		if (err == MR_OK) {
			parcel->body.len = len;
			parcel->header.by_reference = false;
			return true;
		}
		if (may_be_read_again(worker, &region, err)) {
			worker->unread = unread;
			return false;
		}
		reject_region(worker, &region, unread.text);
	}
	return false;
}

/* The next batch of a lane, if there is one, into the parcel. */
static bool fetch(struct mr_worker *worker, uint32_t output, uint32_t lane, bool partial,
		  struct mr_parcel *parcel)
{
	if (parcel->waits)
		return true;
	struct mr_output *from = &worker->writer.outputs[output];
	struct mr_body body;
	if (take_region(worker, output, parcel)) {
		/* By reference, or, where the reader has not the file, with its bytes. */
	} else if (mr_output_take(&worker->writer, output, lane, partial, &body)) {
		mr_body_header(from, &body, &parcel->header);
		parcel->body = body.bytes;
		if (mr_lane_is_empty(&from->lanes[lane]))
			parcel->since_us = 0;
	} else {
		return false;
	}
	parcel->waits = true;
	return true;
}

static enum mr_err send_to(struct mr_worker *worker, uint32_t edge, struct mr_downstream *peer,
			   struct mr_parcel *parcel, bool *moved, struct mr_error *error)
{
	enum mr_err err = mr_link_send(peer->tx, &parcel->header, &parcel->body, error);
	if (err == MR_OK) {
		/* An empty body was not moved. */
		mr_buf_fini(&parcel->body);
		parcel->waits = false;
		*moved = true;
		book_batch(worker, &(struct mr_book_link){.edge = edge,
							  .from = worker->number,
							  .to = peer->receiver,
							  .sent_batches = 1,
							  .sent_items = parcel->header.count});
	}
	return err;
}

/* Spread: the next peer that accepts. */
static enum mr_err send_spread(struct mr_worker *worker, uint32_t output, bool partial,
			       int64_t now_us, bool *moved, struct mr_error *error)
{
	struct mr_outlet *outlet = &worker->outlets[output];
	partial |= is_due(worker->writer.outputs[output].lanes, &outlet->held, now_us);
	while (fetch(worker, output, 0, partial, &outlet->held)) {
		enum mr_err err = MR_AGAIN;
		for (uint32_t i = 0; i < outlet->peer_count && err == MR_AGAIN; i++) {
			struct mr_downstream *peer = &outlet->peers[outlet->turn];
			outlet->turn = (outlet->turn + 1) % outlet->peer_count;
			err = send_to(worker, outlet->edge, peer, &outlet->held, moved, error);
		}
		if (err != MR_OK)
			return err == MR_AGAIN ? MR_OK : err;
	}
	return MR_OK;
}

static enum mr_err send_keyed(struct mr_worker *worker, uint32_t output, bool partial,
			      int64_t now_us, bool *moved, struct mr_error *error)
{
	struct mr_outlet *outlet = &worker->outlets[output];
	for (uint32_t i = 0; i < outlet->peer_count; i++) {
		struct mr_downstream *peer = &outlet->peers[i];
		bool due = is_due(&worker->writer.outputs[output].lanes[i], &peer->held, now_us);
		while (fetch(worker, output, i, partial || due, &peer->held)) {
			enum mr_err err =
			    send_to(worker, outlet->edge, peer, &peer->held, moved, error);
			if (err == MR_AGAIN)
				break;
			if (err != MR_OK)
				return err;
		}
	}
	return MR_OK;
}

enum mr_err mr_worker_send(struct mr_worker *worker, bool partial, int64_t now_us, bool *moved,
			   struct mr_error *error)
{
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		enum mr_err err = worker->writer.outputs[i].mode == MR_LINK_KEYED
				      ? send_keyed(worker, i, partial, now_us, moved, error)
				      : send_spread(worker, i, partial, now_us, moved, error);
		if (err != MR_OK)
			return err;
	}
	if (worker->unread.code != MR_OK)
		*error = worker->unread;
	return worker->unread.code;
}

uint64_t mr_worker_waiting(const struct mr_worker *worker)
{
	uint64_t waiting = 0;
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		const struct mr_outlet *outlet = &worker->outlets[i];
		waiting += outlet->held.waits;
		for (uint32_t p = 0; p < outlet->peer_count; p++)
			waiting += outlet->peers[p].held.waits;
	}
	return waiting;
}

bool mr_worker_is_sent(const struct mr_worker *worker)
{
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		const struct mr_outlet *outlet = &worker->outlets[i];
		if (outlet->held.waits || !mr_output_is_empty(&worker->writer.outputs[i]))
			return false;
		for (uint32_t p = 0; p < outlet->peer_count; p++) {
			if (outlet->peers[p].held.waits)
				return false;
		}
	}
	return true;
}

static enum mr_err end_peer(struct mr_downstream *peer, struct mr_error *error)
{
	struct mr_batch_header header = {.kind = MR_BATCH_END};
	struct mr_buf nothing = {0};
	if (peer->end_sent)
		return MR_OK;
	enum mr_err err = mr_link_send(peer->tx, &header, &nothing, error);
	peer->end_sent = err == MR_OK;
	return err == MR_AGAIN ? MR_OK : err;
}

enum mr_err mr_worker_end(struct mr_worker *worker, struct mr_error *error)
{
	bool all = true;
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		for (uint32_t p = 0; p < worker->outlets[i].peer_count; p++) {
			struct mr_downstream *peer = &worker->outlets[i].peers[p];
			enum mr_err err = end_peer(peer, error);
			if (err != MR_OK)
				return err;
			all = all && peer->end_acked;
		}
	}
	return all ? MR_OK : MR_AGAIN;
}

/* ---- waiting ---- */

uint32_t mr_worker_links(const struct mr_worker *worker)
{
	uint32_t links = worker->upstream_count;
	for (uint32_t i = 0; i < worker->outlet_count; i++)
		links += worker->outlets[i].peer_count;
	return links;
}

/* Something has to wait for the pair: a batch, or the barrier in hand. */
static bool is_awaited(const struct mr_worker *worker, const struct mr_outlet *outlet,
		       const struct mr_downstream *peer)
{
	const struct mr_barrier *barrier = &worker->barrier;
	return outlet->held.waits || peer->held.waits ||
	       (barrier->step == MR_BARRIER_PASS && peer->barrier != barrier->number);
}

/* Only pairs whose state was asked until it said "again": ZeroMQ's descriptors are edge-triggered.
 * A pair that nothing waits for is left out, or its news would wake the worker without end. */
uint32_t mr_worker_poll_set(const struct mr_worker *worker, bool input, struct pollfd *out)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < worker->upstream_count && input; i++) {
		if (is_read(worker, &worker->upstream[i]))
			out[count++] = (struct pollfd){.fd = mr_link_rx_fd(worker->upstream[i].rx),
						       .events = POLLIN};
	}
	for (uint32_t i = 0; i < worker->outlet_count; i++) {
		const struct mr_outlet *outlet = &worker->outlets[i];
		for (uint32_t p = 0; p < outlet->peer_count; p++) {
			if (is_awaited(worker, outlet, &outlet->peers[p]))
				out[count++] = (struct pollfd){
				    .fd = mr_link_tx_fd(outlet->peers[p].tx), .events = POLLIN};
		}
	}
	return count;
}

bool mr_worker_calls_stages(struct mr_worker *worker)
{
	bool source = mr_chain_is_source(&worker->chain);
	return mr_writer_ready(&worker->writer) &&
	       !(source && (worker->drained || mr_worker_at_barrier(worker)));
}

uint32_t mr_worker_poll_stages(struct mr_worker *worker, int64_t now_us, struct pollfd *out)
{
	const struct mr_waits *waits = &worker->waits;
	if (!mr_worker_calls_stages(worker) || mr_worker_rests(worker, now_us))
		return 0;
	if (waits->count > 0)
		memcpy(out, waits->fds, waits->count * sizeof *out);
	return waits->count;
}

void mr_worker_ask_all(struct mr_worker *worker)
{
	for (uint32_t i = 0; i < worker->upstream_count; i++)
		worker->upstream[i].quiet = false;
}

void mr_worker_poll_news(struct mr_worker *worker, const struct pollfd *fds, uint32_t count)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < worker->upstream_count; i++) {
		struct mr_upstream *up = &worker->upstream[i];
		bool looked = at < count && fds[at].fd == mr_link_rx_fd(up->rx);
		if (!looked || fds[at].revents != 0)
			up->quiet = false;
		at += looked;
	}
}
