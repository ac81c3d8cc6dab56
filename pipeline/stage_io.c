/* stage_io.c - the reader and the writer that stages see (stage.h), over plain memory.
 *
 * Called by the stages for each item, by worker.c for each batch, by unit tests of every stage. An
 * item that does not decode is remembered in the reader and ends the batch: worker.c learns it from
 * mr_reader_finish as MR_PROTOCOL. The writer does not fail. */
#include "stage_io.h"

#include <assert.h>
#include <stdlib.h>

#include "millrace/json.h"

/* ---- bodies ---- */

void mr_body_fini(struct mr_body *body)
{
	mr_buf_fini(&body->bytes);
	*body = (struct mr_body){0};
}

/* ---- the reader ---- */

static void reader_open(struct mr_reader *reader, enum mr_content content)
{
	struct mr_arena arena = reader->arena;
	mr_arena_reset(&arena);
	*reader = (struct mr_reader){.content = content, .arena = arena, .watch = reader->watch};
}

void mr_reader_open_records(struct mr_reader *reader, const struct mr_region *region,
			    struct mr_slice body)
{
	reader_open(reader, MR_CONTENT_RECORDS);
	reader->region = *region;
	reader->body = body;
}

void mr_reader_open_items(struct mr_reader *reader, enum mr_content content, uint32_t count,
			  struct mr_slice body)
{
	assert(content > MR_CONTENT_NONE && content < MR_CONTENT_COUNT);
	reader_open(reader, content);
	reader->region.form = content == MR_CONTENT_RECORDS ? MR_FORM_ITEMS : 0;
	reader->body = body;
	reader->count = count;
}

void mr_reader_open_events(struct mr_reader *reader, struct mr_events *events)
{
	reader_open(reader, MR_CONTENT_EVENTS);
	reader->events = events;
}

void mr_reader_fini(struct mr_reader *reader)
{
	mr_arena_fini(&reader->arena);
	*reader = (struct mr_reader){0};
}

enum mr_content mr_reader_content(const struct mr_reader *in)
{
	return in->content;
}

struct mr_events *mr_reader_events(struct mr_reader *in)
{
	return in->events;
}

/* Nothing after an item that is broken can be found. */
static bool broke(struct mr_reader *reader)
{
	reader->broken.code = MR_PROTOCOL;
	reader->at = reader->body.len;
	return false;
}

/* Whether an item of this content stands at `at`. */
static bool has_item(const struct mr_reader *reader, enum mr_content content)
{
	return reader->content == content && reader->at < reader->body.len;
}

/* Moves `at` to the next line that is not blank; false where there is none. Without the blanks at
 * both ends, as collect takes them off what it spools: an id that is made of a record's bytes must
 * not depend on the file that the record lies in. */
static bool find_line(struct mr_reader *reader, struct mr_slice *line_out)
{
	while (reader->at < reader->body.len) {
		struct mr_slice line = {reader->body.at + reader->at,
					reader->body.len - reader->at};
		const char *end = memchr(line.at, '\n', line.len);
		reader->next = reader->body.len;
		if (end != NULL) {
			line.len = (size_t)(end - line.at);
			reader->next = reader->at + line.len + 1;
		}
		*line_out = mr_trim(line);
		if (line_out->len > 0)
			return true;
		reader->at = reader->next;
	}
	return false;
}

static bool read_frame(struct mr_reader *reader, struct mr_record *out)
{
	size_t left = reader->body.len - reader->at;
	struct mr_frame frame = {0};
	if (left >= MR_FRAME_HEADER)
		mr_frame_decode(reader->body.at + reader->at, &frame);
	if (left < MR_FRAME_HEADER || frame.length > left - MR_FRAME_HEADER) {
		mr_error_set(&reader->broken, MR_PROTOCOL,
			     "the frame at byte %zu of a region of %zu bytes reaches past its end",
			     reader->at, reader->body.len);
		return broke(reader);
	}
	size_t start = reader->at + MR_FRAME_HEADER;
	reader->next = start + frame.length;
	out->bytes = (struct mr_slice){reader->body.at + start, frame.length};
	out->name = frame.name;
	out->offset = frame.offset;
	return true;
}

static bool read_line(struct mr_reader *reader, struct mr_record *out)
{
	if (!find_line(reader, &out->bytes))
		return false;
	out->name = reader->region.partition;
	out->offset = reader->region.position + (uint64_t)(out->bytes.at - reader->body.at);
	return true;
}

/* The verdict on the item that was decoded from `at` up to `next`. */
static bool decoded(struct mr_reader *reader, enum mr_err err)
{
	return err == MR_OK ? true : broke(reader);
}

static bool read_item(struct mr_reader *reader, struct mr_record *out)
{
	reader->next = reader->at;
	return decoded(reader, mr_record_decode(reader->body, &reader->next, out, &reader->broken));
}

static bool show_record(struct mr_reader *in, struct mr_record *out)
{
	if (!has_item(in, MR_CONTENT_RECORDS))
		return false;
	if (in->region.form == MR_FORM_ITEMS)
		return read_item(in, out);
	bool frames = in->region.form == MR_FORM_FRAMES;
	if (frames ? !read_frame(in, out) : !read_line(in, out))
		return false;
	uint64_t start = (uint64_t)(out->bytes.at - in->body.at);
	out->origin = (struct mr_origin){.source = in->region.source,
					 .partition = in->region.partition,
					 .position = in->region.position + start,
					 .length = (uint32_t)out->bytes.len};
	out->arrival_us = in->region.arrival_us;
	return true;
}

static bool pass_over(struct mr_reader *in, const struct mr_record *record)
{
	if (in->watch->aside.place_count == 0 || !mr_aside_has(&in->watch->aside, &record->origin))
		return false;
	in->watch->take(in->watch->context, record);
	mr_reader_advance(in);
	return true;
}

bool mr_reader_record(struct mr_reader *in, struct mr_record *out)
{
	while (show_record(in, out)) {
		if (in->watch == NULL)
			return true;
		if (pass_over(in, out))
			continue;
		mr_inhand_record(in->watch->page, &out->origin, out->name, out->offset);
		return true;
	}
	return false;
}

static void show_signal(struct mr_reader *in, const struct mr_signal *signal)
{
	if (in->watch != NULL)
		mr_inhand_record(in->watch->page, &signal->origin, signal->origin.partition,
				 signal->origin.position);
}

bool mr_reader_signal(struct mr_reader *in, struct mr_signal *out)
{
	return mr_reader_signals(in, out, 1) > 0;
}

/* One that does not decode is met again when it is the current one. */
uint32_t mr_reader_signals(struct mr_reader *in, struct mr_signal *out, uint32_t most)
{
	uint32_t count = 0;
	size_t at = in->at;
	assert(most > 0 && most <= MR_SIGNALS_AHEAD);
	in->ahead_count = 0;
	if (!has_item(in, MR_CONTENT_SIGNALS))
		return 0;
	if (!decoded(in, mr_signal_decode(in->body, &at, &in->arena, out, &in->broken)))
		return 0;
	in->next = at;
	do
		in->ahead_ends[count++] = at;
	while (count < most && at < in->body.len &&
	       mr_signal_decode(in->body, &at, &in->arena, &out[count], NULL) == MR_OK);
	in->ahead = out;
	in->ahead_at = 0;
	in->ahead_count = count;
	show_signal(in, out);
	return count;
}

bool mr_reader_alert(struct mr_reader *in, struct mr_alert *out)
{
	if (!has_item(in, MR_CONTENT_ALERTS))
		return false;
	in->next = in->at;
	return decoded(in, mr_alert_decode(in->body, &in->next, &in->arena, out, &in->broken));
}

bool mr_reader_reject(struct mr_reader *in, struct mr_reject *out)
{
	if (!has_item(in, MR_CONTENT_REJECTS))
		return false;
	in->next = in->at;
	return decoded(in, mr_reject_decode(in->body, &in->next, out, &in->broken));
}

void mr_reader_advance(struct mr_reader *in)
{
	in->events = NULL;
	if (in->at == in->body.len)
		return;
	assert(in->next > in->at); /* a stage looks at an item before it moves on */
	in->at = in->next;
	in->items++;
	if (in->ahead_at + 1 < in->ahead_count) {
		in->next = in->ahead_ends[++in->ahead_at];
		show_signal(in, &in->ahead[in->ahead_at]);
	}
}

static enum mr_err check_count(struct mr_reader *reader)
{
	if (reader->items == reader->count)
		return MR_OK;
	mr_error_set(&reader->broken, MR_PROTOCOL, "a batch holds %u items, its header promised %u",
		     reader->items, reader->count);
	broke(reader);
	return MR_PROTOCOL;
}

enum mr_err mr_reader_take_events(struct mr_reader *reader, struct mr_events *events,
				  struct mr_error *error)
{
	assert(reader->content == MR_CONTENT_EVENTS && reader->events == NULL);
	while (reader->broken.code == MR_OK && reader->at < reader->body.len) {
		enum mr_err err =
		    mr_event_decode(reader->body, &reader->at, events, &reader->broken);
		if (err == MR_FULL)
			return MR_FULL;
		if (err != MR_OK)
			broke(reader);
		else
			reader->items++;
	}
	return mr_reader_finish(reader, error);
}

enum mr_err mr_reader_finish(struct mr_reader *reader, struct mr_error *error)
{
	reader->events = NULL;
	bool region = reader->content == MR_CONTENT_RECORDS && reader->region.form != MR_FORM_ITEMS;
	if (!region && reader->broken.code == MR_OK)
		check_count(reader);
	if (reader->broken.code == MR_OK) {
		assert(reader->at == reader->body.len); /* the stage has read all of it */
		return MR_OK;
	}
	return mr_error_set(error, MR_PROTOCOL, "%s", reader->broken.text);
}

/* ---- the writer: outputs ---- */

uint32_t mr_writer_add_output(struct mr_writer *writer, enum mr_content content, uint8_t layer,
			      enum mr_link_mode mode, uint32_t peers)
{
	assert(peers > 0 && content > MR_CONTENT_NONE && content < MR_CONTENT_COUNT);
	uint32_t number = writer->output_count++;
	writer->outputs =
	    mr_realloc(writer->outputs, writer->output_count * sizeof(*writer->outputs));
	struct mr_output *output = &writer->outputs[number];
	*output =
	    (struct mr_output){.content = content, .layer = layer, .mode = mode, .peers = peers};
	output->lane_count = mode == MR_LINK_KEYED ? peers : 1;
	output->lanes = mr_calloc(output->lane_count, sizeof(*output->lanes));
	return number;
}

static void output_fini(struct mr_output *output)
{
	for (uint32_t i = 0; i < output->lane_count; i++) {
		struct mr_lane *lane = &output->lanes[i];
		for (uint32_t f = 0; f < lane->full_count; f++)
			mr_body_fini(&lane->full[f]);
		free(lane->full);
		mr_body_fini(&lane->open);
	}
	free(output->lanes);
	free(output->regions);
}

void mr_writer_fini(struct mr_writer *writer)
{
	for (uint32_t i = 0; i < writer->output_count; i++)
		output_fini(&writer->outputs[i]);
	free(writer->outputs);
	*writer = (struct mr_writer){0};
}

bool mr_writer_ready(struct mr_writer *out)
{
	const struct mr_events *events = out->events;
	return !out->full && (events == NULL || events->count < events->capacity);
}

struct mr_events *mr_writer_events(struct mr_writer *out)
{
	return out->events;
}

/* ---- the writer: items ---- */

/* The growing body moves to the full ones. */
static void lane_seal(struct mr_writer *writer, struct mr_lane *lane)
{
	if (lane->full_count == lane->full_capacity) {
		lane->full_capacity = (uint32_t)mr_grow(lane->full_capacity, lane->full_count + 1);
		lane->full = mr_realloc(lane->full, lane->full_capacity * sizeof(*lane->full));
	}
	lane->full[lane->full_count++] = lane->open;
	lane->open = (struct mr_body){0};
	writer->full = true;
}

/* The item that begins at `start` has been written to the end of the open body: count it. False
 * where it is too long for any message; it is taken out again then. */
static bool lane_added(struct mr_writer *writer, struct mr_lane *lane, size_t start,
		       int64_t arrival_us)
{
	struct mr_buf *bytes = &lane->open.bytes;
	size_t item = bytes->len - start;
	if (item > MR_BATCH_BODY_MAX) {
		bytes->len = start;
		return false;
	}
	if (bytes->len > MR_BATCH_BODY_MAX) { /* fits alone, not behind the others */
		struct mr_body alone = {0};
		mr_buf_add(&alone.bytes, bytes->data + start, item);
		bytes->len = start;
		lane_seal(writer, lane);
		lane->open = alone;
	}
	struct mr_body *body = &lane->open;
	body->count++;
	if (arrival_us != 0 &&
	    (body->earliest_arrival_us == 0 || arrival_us < body->earliest_arrival_us))
		body->earliest_arrival_us = arrival_us;
	if (body->bytes.len >= MR_BATCH_BODY_TARGET)
		lane_seal(writer, lane);
	return true;
}

/* With room for a body such as the last one was: one that grows from nothing is copied fifteen
 * times until it is full. */
static struct mr_lane *output_lane(struct mr_output *output, uint8_t key_group)
{
	struct mr_lane *lane = &output->lanes[mr_key_group_owner(key_group, output->lane_count)];
	if (lane->open.bytes.capacity == 0 && lane->usual_bytes > 0)
		mr_buf_reserve(&lane->open.bytes, lane->usual_bytes);
	return lane;
}

/* The next output of this content (and layer) from number *at on, *at behind it; NULL at the end.
 */
static struct mr_output *next_output(struct mr_writer *writer, enum mr_content content,
				     uint8_t layer, uint32_t *at)
{
	while (*at < writer->output_count) {
		struct mr_output *output = &writer->outputs[(*at)++];
		if (output->content == content &&
		    (content != MR_CONTENT_SIGNALS || output->layer == layer))
			return output;
	}
	return NULL;
}

/* Nothing is left out in silence: the count makes the command fail at its end. */
static void leave_out(struct mr_writer *out, enum mr_counter counter, const char *what,
		      struct mr_slice record_id)
{
	if (out->counters != NULL)
		mr_count(out->counters, counter, 1);
	mr_log(MR_LOG_ERROR,
	       "%s is left out: it does not fit the %d bytes of a message; the record's id begins "
	       "\"%.*s\"; a smaller --max-record-bytes rejects such records",
	       what, MR_BATCH_BODY_MAX, (int)(record_id.len < 128 ? record_id.len : 128),
	       record_id.at);
}

static void book_left_out(struct mr_writer *out, uint32_t source, enum mr_book book, bool counts)
{
	if (out->counters != NULL)
		mr_count_of(out->counters, source, book, counts);
}

/* Where it came with an item that no message can hold. */
static void leave_out_record(struct mr_writer *out, struct mr_slice *record,
			     struct mr_slice record_id)
{
	if (record->len == 0)
		return;
	*record = (struct mr_slice){"", 0};
	leave_out(out, MR_C_EVIDENCE_TOO_LARGE, "a record that an alert is to show", record_id);
}

void mr_writer_signal(struct mr_writer *out, const struct mr_signal *signal)
{
	struct mr_output *output;
	uint32_t at = 0, given = 0;
	while ((output = next_output(out, MR_CONTENT_SIGNALS, signal->layer, &at)) != NULL) {
		struct mr_lane *lane = output_lane(output, signal->key_group);
		size_t start = lane->open.bytes.len;
		given++;
		mr_signal_encode(signal, &lane->open.bytes);
		if (lane_added(out, lane, start, signal->arrival_us))
			continue;
		struct mr_signal small = *signal;
		leave_out_record(out, &small.record, small.record_id);
		mr_signal_encode(&small, &lane->open.bytes);
		bool inner = signal->counted_id.len > 0;
		if (lane_added(out, lane, start, signal->arrival_us))
			continue;
		leave_out(out, inner ? MR_C_INNER_SIGNALS_TOO_LARGE : MR_C_SIGNALS_TOO_LARGE,
			  "a signal with its keys", signal->record_id);
		book_left_out(out, signal->origin.source, MR_B_SIGNALS_TOO_LARGE, !inner);
	}
	assert(given > 0);
}

/* Encodes it anew; false where that is more than a message holds. */
static bool fits(const struct mr_alert *alert, struct mr_buf *out, size_t start)
{
	out->len = start;
	mr_alert_encode(alert, out);
	return out->len - start <= MR_BATCH_BODY_MAX;
}

/* An alert that no message can hold, made smaller: with as many of the records that came with it as
 * fit; else without what can be had from them, and with as much evidence as fits, at least one. */
static void shrink_alert(struct mr_writer *writer, struct mr_alert *alert, struct mr_buf *out,
			 size_t start)
{
	uint32_t had = alert->evidence_count;
	for (uint32_t i = had; i-- > 0;) {
		struct mr_evidence *evidence = &alert->evidence[i];
		leave_out_record(writer, &evidence->record, evidence->record_id);
		if (fits(alert, out, start))
			return;
	}
	for (uint32_t i = 0; i < had; i++) {
		alert->evidence[i].fields = NULL;
		alert->evidence[i].packed = (struct mr_packed){0};
		alert->evidence[i].field_count = 0;
	}
	while (!fits(alert, out, start) && alert->evidence_count > 1)
		alert->evidence_count--;
	if (alert->evidence_count < had)
		mr_log(MR_LOG_WARNING,
		       "an alert shows %u of %u records: with the others' ids it fits no message",
		       alert->evidence_count, had);
}

void mr_writer_alert(struct mr_writer *out, const struct mr_alert *alert)
{
	struct mr_output *output;
	uint32_t at = 0, given = 0;
	while ((output = next_output(out, MR_CONTENT_ALERTS, 0, &at)) != NULL) {
		struct mr_lane *lane = output_lane(output, alert->id[0]);
		size_t start = lane->open.bytes.len;
		given++;
		mr_alert_encode(alert, &lane->open.bytes);
		if (lane_added(out, lane, start, alert->arrival_us))
			continue;
		struct mr_alert small = *alert;
		shrink_alert(out, &small, &lane->open.bytes, start);
		if (lane_added(out, lane, start, alert->arrival_us))
			continue;
		leave_out(out, MR_C_ALERTS_TOO_LARGE, "an alert with its keys",
			  alert->evidence_count > 0 ? alert->evidence[0].record_id
						    : (struct mr_slice){"", 0});
		book_left_out(out, mr_alert_source(alert), MR_B_ALERTS_TOO_LARGE,
			      alert->activity == MR_ACTIVITY_CREATE && !alert->announcement);
	}
	assert(given > 0);
}

void mr_writer_reject(struct mr_writer *out, const struct mr_reject *reject)
{
	struct mr_output *output;
	uint32_t at = 0, given = 0;
	while ((output = next_output(out, MR_CONTENT_REJECTS, 0, &at)) != NULL) {
		struct mr_lane *lane = output_lane(output, 0); /* one dead-letter sink */
		size_t start = lane->open.bytes.len;
		given++;
		mr_reject_encode(reject, &lane->open.bytes);
		if (lane_added(out, lane, start, 0))
			continue;
		/* The sink reads it from where it lies. */
		struct mr_reject small = *reject;
		small.bytes = (struct mr_slice){"", 0};
		mr_reject_encode(&small, &lane->open.bytes);
		bool added = lane_added(out, lane, start, 0);
		assert(added);
	}
	assert(given > 0);
}

void mr_writer_region(struct mr_writer *out, const struct mr_region *region)
{
	struct mr_output *output;
	uint32_t at = 0, given = 0;
	assert(region->length <= MR_BATCH_REGION_MAX);
	while ((output = next_output(out, MR_CONTENT_RECORDS, 0, &at)) != NULL) {
		given++;
		if (output->region_count == output->region_capacity) {
			output->region_capacity =
			    (uint32_t)mr_grow(output->region_capacity, output->region_count + 1);
			output->regions = mr_realloc(output->regions, output->region_capacity *
									  sizeof(*output->regions));
		}
		output->regions[output->region_count++] = *region;
		if (output->region_count >= MR_OUTPUT_REGIONS)
			out->full = true;
	}
	assert(given > 0);
}

void mr_writer_record(struct mr_writer *out, const struct mr_record *record)
{
	struct mr_output *output;
	uint32_t at = 0, given = 0;
	assert(record->bytes.len <= MR_ITEM_RECORD_MAX);
	while ((output = next_output(out, MR_CONTENT_RECORDS, 0, &at)) != NULL) {
		struct mr_lane *lane = output_lane(output, 0); /* records go on spread links */
		size_t start = lane->open.bytes.len;
		given++;
		mr_record_encode(record, &lane->open.bytes);
		bool added = lane_added(out, lane, start, record->arrival_us);
		assert(added);
	}
	assert(given > 0);
}

void mr_writer_encode_events(struct mr_writer *writer, struct mr_events *events)
{
	for (uint32_t i = 0; i < events->count; i++)
		mr_event_complete(events, &events->items[i]);
	struct mr_output *output;
	uint32_t at = 0;
	while ((output = next_output(writer, MR_CONTENT_EVENTS, 0, &at)) != NULL) {
		struct mr_lane *lane = output_lane(output, 0); /* events go on spread links */
		for (uint32_t i = 0; i < events->count; i++) {
			size_t start = lane->open.bytes.len;
			mr_event_encode(events, &events->items[i], &lane->open.bytes);
			if (!lane_added(writer, lane, start, events->items[i].arrival_us))
				leave_out(writer, MR_C_EVENTS_TOO_LARGE, "an event",
					  events->items[i].id);
		}
	}
}

/* ---- the writer: what the pipeline takes ---- */

static void writer_refresh(struct mr_writer *writer)
{
	writer->full = false;
	for (uint32_t i = 0; i < writer->output_count; i++) {
		const struct mr_output *output = &writer->outputs[i];
		if (output->region_count >= MR_OUTPUT_REGIONS)
			writer->full = true;
		for (uint32_t l = 0; l < output->lane_count; l++)
			if (output->lanes[l].full_count > 0)
				writer->full = true;
	}
}

bool mr_output_take(struct mr_writer *writer, uint32_t output, uint32_t lane, bool partial,
		    struct mr_body *body_out)
{
	assert(output < writer->output_count && lane < writer->outputs[output].lane_count);
	struct mr_lane *from = &writer->outputs[output].lanes[lane];
	if (from->full_count > 0) {
		*body_out = from->full[0];
		from->full_count--;
		memmove(from->full, from->full + 1, from->full_count * sizeof(*from->full));
		writer_refresh(writer);
	} else if (partial && from->open.count > 0) {
		*body_out = from->open;
		from->open = (struct mr_body){0};
	} else {
		return false;
	}
	memset(mr_buf_reserve(&body_out->bytes, MR_JSON_PADDING), 0, MR_JSON_PADDING);
	from->usual_bytes = body_out->bytes.len;
	return true;
}

bool mr_output_take_region(struct mr_writer *writer, uint32_t output, struct mr_region *region_out)
{
	assert(output < writer->output_count);
	struct mr_output *from = &writer->outputs[output];
	if (from->region_count == 0)
		return false;
	*region_out = from->regions[0];
	from->region_count--;
	memmove(from->regions, from->regions + 1, from->region_count * sizeof(*from->regions));
	writer_refresh(writer);
	return true;
}

bool mr_output_is_empty(const struct mr_output *output)
{
	for (uint32_t l = 0; l < output->lane_count; l++)
		if (!mr_lane_is_empty(&output->lanes[l]))
			return false;
	return output->region_count == 0;
}

void mr_body_header(const struct mr_output *output, const struct mr_body *body,
		    struct mr_batch_header *header_out)
{
	*header_out = (struct mr_batch_header){
	    .version = MR_BATCH_VERSION,
	    .kind = MR_BATCH_DATA,
	    .content = output->content,
	    .form = output->content == MR_CONTENT_RECORDS ? MR_FORM_ITEMS : 0,
	    .count = body->count,
	    .body_len = body->bytes.len,
	    .earliest_arrival_us = body->earliest_arrival_us};
}

void mr_region_header(const struct mr_region *region, struct mr_batch_header *header_out)
{
	*header_out = (struct mr_batch_header){.version = MR_BATCH_VERSION,
					       .kind = MR_BATCH_DATA,
					       .content = MR_CONTENT_RECORDS,
					       .body_len = region->length,
					       .earliest_arrival_us = region->arrival_us,
					       .by_reference = true,
					       .form = region->form,
					       .source = region->source,
					       .partition = region->partition,
					       .first_position = region->position,
					       .next_position = region->position + region->length};
}

void mr_header_region(const struct mr_batch_header *header, struct mr_region *region_out)
{
	*region_out = (struct mr_region){.source = header->source,
					 .partition = header->partition,
					 .position = header->first_position,
					 .length = header->next_position - header->first_position,
					 .form = header->form,
					 .arrival_us = header->earliest_arrival_us};
}

bool mr_writer_take(struct mr_writer *writer, enum mr_content content, uint8_t layer,
		    struct mr_body *body_out)
{
	struct mr_output *output;
	uint32_t at = 0;
	while ((output = next_output(writer, content, layer, &at)) != NULL)
		for (uint32_t l = 0; l < output->lane_count; l++)
			if (mr_output_take(writer, at - 1, l, true, body_out))
				return true;
	return false;
}

bool mr_writer_take_region(struct mr_writer *writer, struct mr_region *region_out)
{
	uint32_t at = 0;
	while (next_output(writer, MR_CONTENT_RECORDS, 0, &at) != NULL)
		if (mr_output_take_region(writer, at - 1, region_out))
			return true;
	return false;
}
