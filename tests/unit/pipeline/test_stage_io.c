/* test_stage_io.c - the reader and the writer in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "millrace/json.h"
#include "stage_io.h"

#include "exact.h"

static const struct mr_region lines = {
    .source = 1, .partition = 7, .position = 100, .form = MR_FORM_LINES, .arrival_us = 5};
static const struct mr_region frames = {.partition = 7, .position = 100, .form = MR_FORM_FRAMES};

static bool is_empty(const struct mr_writer *writer)
{
	bool empty = true;
	for (uint32_t i = 0; i < writer->output_count; i++)
		empty &= mr_output_is_empty(&writer->outputs[i]);
	return empty;
}

/* ---- records ---- */

/* Reads all lines of the text; gives them joined with '|', and the offset of the last. */
static size_t read_lines(struct mr_slice text, char *joined, uint64_t *last_offset)
{
	struct mr_slice body = exact(text.at, text.len);
	struct mr_reader in = {0};
	struct mr_record record;
	size_t len = 0;
	mr_reader_open_records(&in, &lines, body);
	while (mr_reader_record(&in, &record)) {
		memcpy(joined + len, record.bytes.at, record.bytes.len);
		len += record.bytes.len;
		joined[len++] = '|';
		*last_offset = record.offset;
		assert_int_equal(record.name, 7);
		assert_int_equal(record.arrival_us, 5);
		assert_true(record.origin.position == record.offset);
		assert_int_equal(record.origin.length, record.bytes.len);
		mr_reader_advance(&in);
	}
	assert_int_equal(mr_reader_finish(&in, NULL), MR_OK);
	mr_reader_fini(&in);
	drop(body);
	joined[len] = '\0';
	return len;
}

static void lines_are_cut_and_blank_ones_skipped(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
		uint64_t last;
	} cases[] = {{"", "", 0},
		     {"\n\r\n \t \n", "", 0},
		     {"{}", "{}|", 100},
		     {"{}\n", "{}|", 100},
		     {"{}\r\n[1]\r\n", "{}|[1]|", 104},
		     {"\n\n{}\n  \n x\n\r", "{}|x|", 109},
		     {"a\rb\n\rc\r", "a\rb|c|", 105},
		     {"a\r\r\n", "a|", 100},
		     {" \t{ } \t\r\n \t\r\n\t {}\t ", "{ }|{}|", 115}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char joined[64];
		uint64_t last = 0;
		read_lines(mr_slice(cases[i].text), joined, &last);
		assert_string_equal(joined, cases[i].want);
		assert_true(last == cases[i].last);
	}
}

static void reading_twice_without_advance_shows_the_same_item(void **state)
{
	(void)state;
	struct mr_reader in = {0};
	struct mr_record one, two;
	mr_reader_open_records(&in, &lines, S("\n\nab\ncd\n"));
	assert_true(mr_reader_record(&in, &one));
	assert_true(mr_reader_record(&in, &two));
	assert_slice(one.bytes, two.bytes);
	struct mr_signal signal;
	assert_false(mr_reader_signal(&in, &signal)); /* another content */
	mr_reader_advance(&in);
	assert_true(mr_reader_record(&in, &two));
	assert_slice(two.bytes, S("cd"));
	mr_reader_fini(&in);
}

static void put_frame(struct mr_buf *out, uint32_t name, uint64_t offset, struct mr_slice bytes)
{
	struct mr_frame frame = {(uint32_t)bytes.len, name, offset};
	char head[MR_FRAME_HEADER];
	mr_frame_encode(&frame, head);
	mr_buf_add(out, head, sizeof(head));
	mr_buf_add(out, bytes.at, bytes.len);
}

static void frames_carry_their_original(void **state)
{
	(void)state;
	struct mr_buf out = {0};
	struct mr_reader in = {0};
	struct mr_record record;
	put_frame(&out, 3, 4000, S("{\n}"));
	put_frame(&out, 4, 9, S(""));
	mr_reader_open_records(&in, &frames, (struct mr_slice){out.data, out.len});
	assert_true(mr_reader_record(&in, &record));
	assert_slice(record.bytes, S("{\n}"));
	assert_int_equal(record.name, 3);
	assert_int_equal(record.offset, 4000);
	assert_int_equal(record.origin.position, 100 + MR_FRAME_HEADER);
	assert_int_equal(record.origin.partition, 7);
	mr_reader_advance(&in);
	assert_true(mr_reader_record(&in, &record));
	assert_int_equal(record.bytes.len, 0);
	mr_reader_advance(&in);
	assert_false(mr_reader_record(&in, &record));
	assert_int_equal(mr_reader_finish(&in, NULL), MR_OK);
	mr_reader_fini(&in);
	mr_buf_fini(&out);
}

static void a_cut_frame_is_a_broken_batch(void **state)
{
	(void)state;
	struct mr_buf out = {0};
	put_frame(&out, 3, 4000, S("0123456789"));
	for (size_t len = 1; len < out.len; len++) {
		struct mr_slice part = exact(out.data, len);
		struct mr_reader in = {0};
		struct mr_record record;
		struct mr_error error = {0};
		mr_reader_open_records(&in, &frames, part);
		assert_false(mr_reader_record(&in, &record));
		mr_reader_advance(&in); /* harmless */
		assert_int_equal(mr_reader_finish(&in, &error), MR_PROTOCOL);
		assert_true(strstr(error.text, "reaches past its end") != NULL);
		mr_reader_fini(&in);
		drop(part);
	}
	mr_buf_fini(&out);
}

static const struct mr_record records[] = {
    {C("{}"), {.source = 1, .partition = 2, .position = 3, .length = 2}, 4, 5, 6},
    {C(""), {.position = UINT64_MAX}, 0, 0, INT64_MIN},
    {C("{\"a\":1}"), {.source = UINT32_MAX, .partition = UINT32_MAX, .length = 7}, 9, 8, 5},
};
#define RECORDS (sizeof(records) / sizeof(*records))

static void assert_record(const struct mr_record *got, const struct mr_record *want)
{
	assert_slice(got->bytes, want->bytes);
	assert_int_equal(got->origin.source, want->origin.source);
	assert_int_equal(got->origin.partition, want->origin.partition);
	assert_true(got->origin.position == want->origin.position);
	assert_int_equal(got->origin.length, want->origin.length);
	assert_int_equal(got->name, want->name);
	assert_true(got->offset == want->offset && got->arrival_us == want->arrival_us);
}

/* A batch that claims `count` records; how many were read goes to `read_out`. */
static enum mr_err read_records(struct mr_slice text, uint32_t count, size_t *read_out)
{
	struct mr_slice body = exact(text.at, text.len);
	struct mr_reader in = {0};
	struct mr_record record;
	mr_reader_open_items(&in, MR_CONTENT_RECORDS, count, body);
	for (*read_out = 0; mr_reader_record(&in, &record); mr_reader_advance(&in))
		assert_record(&record, &records[(*read_out)++]);
	enum mr_err err = mr_reader_finish(&in, NULL);
	mr_reader_fini(&in);
	drop(body);
	return err;
}

static void inline_records_carry_their_origins(void **state)
{
	(void)state;
	struct mr_writer out = {0};
	struct mr_body body;
	struct mr_batch_header header;
	size_t end = 0, whole = 0, got;
	mr_writer_add_output(&out, MR_CONTENT_RECORDS, 0, MR_LINK_SPREAD, 2);
	for (size_t i = 0; i < RECORDS; i++)
		mr_writer_record(&out, &records[i]);
	assert_true(mr_writer_take(&out, MR_CONTENT_RECORDS, 0, &body));
	mr_body_header(&out.outputs[0], &body, &header);
	assert_int_equal(header.form, MR_FORM_ITEMS);
	assert_int_equal(header.count, RECORDS);
	assert_true(!header.by_reference && header.earliest_arrival_us == INT64_MIN);
	for (size_t len = 0; len <= body.bytes.len; len++) {
		if (whole < RECORDS && len == end + MR_ITEM_HEADER + records[whole].bytes.len) {
			end = len;
			whole++;
		}
		struct mr_slice part = {body.bytes.data, len};
		assert_int_equal(read_records(part, (uint32_t)whole, &got),
				 len == end ? MR_OK : MR_PROTOCOL);
		assert_int_equal(got, whole);
		assert_int_equal(read_records(part, (uint32_t)whole + 1, &got), MR_PROTOCOL);
	}
	mr_body_fini(&body);
	mr_writer_fini(&out);
}

static void the_longest_inline_record_fills_a_message(void **state)
{
	(void)state;
	struct mr_writer out = {0};
	struct mr_body body;
	char *bytes = mr_calloc(1, MR_ITEM_RECORD_MAX);
	struct mr_record record = {.bytes = {bytes, 1}};
	mr_writer_add_output(&out, MR_CONTENT_RECORDS, 0, MR_LINK_SPREAD, 1);
	mr_writer_record(&out, &record);
	record.bytes.len = MR_ITEM_RECORD_MAX;
	mr_writer_record(&out, &record);
	assert_false(mr_writer_ready(&out));
	assert_true(mr_writer_take(&out, MR_CONTENT_RECORDS, 0, &body));
	assert_int_equal(body.bytes.len, MR_ITEM_HEADER + 1);
	mr_body_fini(&body);
	assert_true(mr_writer_take(&out, MR_CONTENT_RECORDS, 0, &body));
	assert_int_equal(body.bytes.len, MR_BATCH_BODY_MAX);
	mr_body_fini(&body);
	mr_writer_fini(&out);
	free(bytes);
}

/* ---- signals, alerts, rejects ---- */

static struct mr_signal signal_of(uint8_t key_group, uint8_t layer)
{
	return (struct mr_signal){.consumer = 1,
				  .key_group = key_group,
				  .layer = layer,
				  .tenant = S("t"),
				  .record_id = S("r"),
				  .arrival_us = 1000 - key_group};
}

static uint32_t read_signals(const struct mr_body *body)
{
	struct mr_slice bytes = exact(body->bytes.data, body->bytes.len);
	struct mr_reader in = {0};
	struct mr_signal signal;
	uint32_t count = 0;
	mr_reader_open_items(&in, MR_CONTENT_SIGNALS, body->count, bytes);
	for (; mr_reader_signal(&in, &signal); mr_reader_advance(&in))
		count++;
	assert_int_equal(mr_reader_finish(&in, NULL), MR_OK);
	mr_reader_fini(&in);
	drop(bytes);
	return count;
}

static void signals_go_to_the_owner_of_their_key(void **state)
{
	(void)state;
	struct mr_writer out = {0};
	struct mr_body body;
	uint32_t first = mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 0, MR_LINK_KEYED, 4);
	uint32_t second = mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 1, MR_LINK_KEYED, 2);
	assert_true(is_empty(&out));
	for (unsigned group = 0; group < 256; group++) {
		struct mr_signal signal = signal_of((uint8_t)group, group == 200);
		mr_writer_signal(&out, &signal);
	}
	assert_true(mr_writer_ready(&out));
	for (uint32_t lane = 0; lane < 4; lane++) {
		assert_false(mr_output_take(&out, first, lane, false, &body));
		assert_true(mr_output_take(&out, first, lane, true, &body));
		assert_int_equal(body.count, lane == 3 ? 63 : 64);
		assert_int_equal(body.earliest_arrival_us, 1000 - (int)lane * 64 - 63);
		assert_int_equal(read_signals(&body), body.count);
		mr_body_fini(&body);
	}
	assert_false(mr_output_take(&out, second, 0, true, &body));
	assert_true(mr_output_take(&out, second, 1, true, &body));
	assert_int_equal(body.count, 1);
	mr_body_fini(&body);
	assert_true(is_empty(&out));
	mr_writer_fini(&out);
}

static void a_full_body_stops_the_stage_until_it_is_taken(void **state)
{
	(void)state;
	struct mr_writer out = {0};
	struct mr_body body;
	struct mr_batch_header header;
	uint32_t sent = 0, got = 0;
	mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 0, MR_LINK_SPREAD, 3);
	while (mr_writer_ready(&out)) {
		struct mr_signal signal = signal_of(9, 0);
		mr_writer_signal(&out, &signal);
		sent++;
	}
	struct mr_signal more = signal_of(9, 0);
	mr_writer_signal(&out, &more); /* still taken */
	assert_true(mr_output_take(&out, 0, 0, false, &body));
	assert_true(mr_writer_ready(&out));
	assert_true(body.bytes.len >= MR_BATCH_BODY_TARGET);
	assert_true(body.bytes.capacity >= body.bytes.len + MR_JSON_PADDING);
	mr_body_header(&out.outputs[0], &body, &header);
	assert_int_equal(header.count, sent);
	assert_int_equal(header.content, MR_CONTENT_SIGNALS);
	assert_int_equal(header.body_len, body.bytes.len);
	got += read_signals(&body);
	mr_body_fini(&body);
	assert_true(mr_writer_take(&out, MR_CONTENT_SIGNALS, 0, &body));
	got += read_signals(&body);
	mr_body_fini(&body);
	assert_int_equal(got, sent + 1);
	assert_false(mr_writer_take(&out, MR_CONTENT_SIGNALS, 0, &body));
	mr_writer_fini(&out);
}

static void no_item_passes_what_a_message_holds(void **state)
{
	(void)state;
	static const size_t big = 3u << 20;
	char *text = mr_calloc(1, big);
	struct mr_signal_field field = {1, MR_STRING, {text, big}};
	struct mr_signal signal = signal_of(0, 0);
	struct mr_writer out = {0};
	struct mr_body body;
	mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 0, MR_LINK_SPREAD, 1);
	signal.field_count = 1;
	signal.fields = &field;
	for (int i = 0; i < 3; i++)
		mr_writer_signal(&out, &signal);
	for (int i = 0; i < 3; i++) {
		assert_true(mr_writer_take(&out, MR_CONTENT_SIGNALS, 0, &body));
		assert_true(body.bytes.len <= MR_BATCH_BODY_MAX);
		assert_int_equal(body.count, 1);
		assert_int_equal(read_signals(&body), 1);
		mr_body_fini(&body);
	}
	mr_writer_fini(&out);
	free(text);
}

/* What can't be cut to fit is left out, and counted. */
static void what_fits_no_message_is_counted(void **state)
{
	(void)state;
	struct mr_books books = {0};
	struct mr_counters counters = {.books = &books};
	struct mr_writer out = {.counters = &counters};
	struct mr_body body;
	char *huge = mr_calloc(1, MR_BATCH_BODY_MAX);
	mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 0, MR_LINK_SPREAD, 1);
	mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 1, MR_LINK_SPREAD, 1);
	mr_writer_add_output(&out, MR_CONTENT_ALERTS, 0, MR_LINK_SPREAD, 1);
	struct mr_signal signal = {
	    .tenant = S("t"), .record_id = S("r"), .key_count = 1, .key = {{huge, 1 << 22}}};
	mr_writer_signal(&out, &signal);
	signal.layer = 1;
	signal.counted_id = S("sixteen bytes id");
	mr_writer_signal(&out, &signal);
	struct mr_alert alert = {.activity = MR_ACTIVITY_CREATE,
				 .tenant = S("t"),
				 .key_count = 1,
				 .key = {{huge, 1 << 22}}};
	mr_writer_alert(&out, &alert);
	signal.key[0].len = 3 << 20; /* what outer correlations need is not dropped either */
	signal.layer = 0;
	signal.counted_id.len = 0;
	signal.field_count = 1;
	signal.fields = &(struct mr_signal_field){1, MR_STRING, {huge, 1 << 20}};
	mr_writer_signal(&out, &signal);
	assert_int_equal(counters.at[MR_C_SIGNALS_TOO_LARGE], 2);
	assert_int_equal(counters.at[MR_C_INNER_SIGNALS_TOO_LARGE], 1);
	assert_int_equal(counters.at[MR_C_ALERTS_TOO_LARGE], 1);
	assert_int_equal(books.rows[0].at[MR_B_SIGNALS_TOO_LARGE], 2);
	assert_int_equal(books.rows[MR_BOOKS_SOURCES_MAX].at[MR_B_ALERTS_TOO_LARGE], 1);
	mr_books_fini(&books);
	assert_true(is_empty(&out));
	signal.key[0].len = 1 << 20;
	mr_writer_signal(&out, &signal);
	assert_true(mr_writer_take(&out, MR_CONTENT_SIGNALS, 0, &body));
	assert_int_equal(body.count, 1);
	mr_body_fini(&body);
	mr_writer_fini(&out);
	free(huge);
}

/* A record that came with its signal goes before the signal does. */
static void a_signal_loses_its_record_first(void **state)
{
	(void)state;
	struct mr_counters counters = {0};
	struct mr_writer out = {.counters = &counters};
	struct mr_reader in = {0};
	struct mr_body body;
	char *huge = mr_calloc(1, MR_BATCH_BODY_MAX);
	struct mr_signal signal = signal_of(0, 0), got;
	mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 0, MR_LINK_SPREAD, 1);
	signal.record = (struct mr_slice){huge, 2 << 20};
	mr_writer_signal(&out, &signal);
	assert_true(mr_writer_take(&out, MR_CONTENT_SIGNALS, 0, &body));
	mr_reader_open_body(&in, MR_CONTENT_SIGNALS, &body);
	assert_true(mr_reader_signal(&in, &got));
	assert_int_equal(got.record.len, 2 << 20);
	mr_body_fini(&body);
	assert_int_equal(counters.at[MR_C_EVIDENCE_TOO_LARGE], 0);
	signal.record.len = MR_BATCH_BODY_MAX;
	mr_writer_signal(&out, &signal);
	assert_true(mr_writer_take(&out, MR_CONTENT_SIGNALS, 0, &body));
	mr_reader_open_body(&in, MR_CONTENT_SIGNALS, &body);
	assert_true(mr_reader_signal(&in, &got));
	assert_int_equal(got.record.len, 0);
	assert_true(mr_slice_eq(got.record_id, signal.record_id));
	assert_int_equal(counters.at[MR_C_EVIDENCE_TOO_LARGE], 1);
	assert_int_equal(counters.at[MR_C_SIGNALS_TOO_LARGE], 0);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	mr_writer_fini(&out);
	free(huge);
}

/* The first of them stay, and all fields. */
static void an_alert_keeps_what_records_fit(void **state)
{
	(void)state;
	struct mr_counters counters = {0};
	struct mr_writer out = {.counters = &counters};
	struct mr_reader in = {0};
	struct mr_body body;
	struct mr_alert got;
	char *huge = mr_calloc(1, 1 << 20);
	struct mr_signal_field field = {1, MR_STRING, S("shown")};
	struct mr_alert alert = {.activity = MR_ACTIVITY_CREATE, .evidence_count = MR_EVIDENCE_MAX};
	for (uint32_t i = 0; i < MR_EVIDENCE_MAX; i++)
		alert.evidence[i] = (struct mr_evidence){
		    .record = {huge, 1 << 20}, .field_count = 1, .fields = &field};
	mr_writer_add_output(&out, MR_CONTENT_ALERTS, 0, MR_LINK_SPREAD, 1);
	mr_writer_alert(&out, &alert);
	assert_true(mr_writer_take(&out, MR_CONTENT_ALERTS, 0, &body));
	mr_reader_open_body(&in, MR_CONTENT_ALERTS, &body);
	assert_true(mr_reader_alert(&in, &got));
	assert_int_equal(got.evidence_count, MR_EVIDENCE_MAX);
	for (uint32_t i = 0; i < MR_EVIDENCE_MAX; i++) {
		assert_int_equal(got.evidence[i].record.len, i < 3 ? 1 << 20 : 0);
		assert_int_equal(got.evidence[i].field_count, 1);
	}
	assert_int_equal(counters.at[MR_C_EVIDENCE_TOO_LARGE], MR_EVIDENCE_MAX - 3);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	mr_writer_fini(&out);
	free(huge);
}

/* Records with ids that are long beyond reason cost an alert some of its evidence, never itself. */
static void alert_keeps_what_evidence_fits(void **state)
{
	(void)state;
	struct mr_counters counters = {0};
	struct mr_writer out = {.counters = &counters};
	struct mr_reader in = {0};
	struct mr_body body;
	struct mr_alert got;
	char *id = mr_calloc(1, 1 << 20);
	struct mr_alert alert = {
	    .activity = MR_ACTIVITY_CREATE, .tenant = S("t"), .evidence_count = MR_EVIDENCE_MAX};
	/* As correlate has them: packed, not listed. */
	static const struct mr_signal_field field = {MR_F_OPERATION, MR_STRING, {"Op", 2}};
	struct mr_arena arena = {0};
	for (uint32_t i = 0; i < MR_EVIDENCE_MAX; i++) {
		alert.evidence[i].record_id = (struct mr_slice){id, (1 << 20) - i};
		alert.evidence[i].packed = mr_fields_pack(&arena, &field, 1);
		alert.evidence[i].field_count = 1;
	}
	mr_writer_add_output(&out, MR_CONTENT_ALERTS, 0, MR_LINK_SPREAD, 1);
	mr_writer_alert(&out, &alert);
	assert_true(mr_writer_take(&out, MR_CONTENT_ALERTS, 0, &body));
	mr_reader_open_body(&in, MR_CONTENT_ALERTS, &body);
	assert_true(mr_reader_alert(&in, &got));
	assert_int_equal(got.evidence_count, 3);
	assert_int_equal(got.evidence[2].record_id.len, (1 << 20) - 2);
	assert_int_equal(got.evidence[2].field_count, 0);
	mr_arena_fini(&arena);
	mr_reader_advance(&in);
	assert_int_equal(mr_reader_finish(&in, NULL), MR_OK);
	assert_int_equal(counters.at[MR_C_ALERTS_TOO_LARGE], 0);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	mr_writer_fini(&out);
	free(id);
}

static void two_large_items_are_two_bodies(void **state)
{
	(void)state;
	static const size_t size = MR_BATCH_BODY_MAX - 1000;
	struct mr_reject reject = {
	    .name = S("n"), .reason = S("r"), .bytes = {mr_calloc(1, size), size}};
	struct mr_reject small = {.name = S("n"), .reason = S("r"), .bytes = S("x")};
	struct mr_writer out = {0};
	struct mr_body body;
	mr_writer_add_output(&out, MR_CONTENT_REJECTS, 0, MR_LINK_KEYED, 2);
	for (int i = 0; i < 100; i++)
		mr_writer_reject(&out, &small);
	mr_writer_reject(&out, &reject);
	assert_true(mr_output_take(&out, 0, 0, false, &body));
	assert_int_equal(body.count, 100);
	mr_body_fini(&body);
	assert_true(mr_output_take(&out, 0, 0, false, &body));
	assert_int_equal(body.count, 1);
	struct mr_reader in = {0};
	mr_reader_open_body(&in, MR_CONTENT_REJECTS, &body);
	assert_true(mr_reader_reject(&in, &small));
	assert_int_equal(small.bytes.len, size);
	mr_reader_advance(&in);
	assert_int_equal(mr_reader_finish(&in, NULL), MR_OK);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	mr_writer_fini(&out);
	free((void *)(uintptr_t)reject.bytes.at);
}

static void an_alert_goes_by_its_id(void **state)
{
	(void)state;
	struct mr_alert alert = {
	    .id = {0xff}, .activity = MR_ACTIVITY_CREATE, .arrival_us = 10, .evidence_count = 2};
	struct mr_writer out = {0};
	struct mr_body body;
	alert.evidence[0].arrival_us = 9;
	alert.evidence[1].arrival_us = 8;
	mr_writer_add_output(&out, MR_CONTENT_ALERTS, 0, MR_LINK_KEYED, 2);
	mr_writer_alert(&out, &alert);
	assert_false(mr_output_take(&out, 0, 0, true, &body));
	assert_true(mr_output_take(&out, 0, 1, true, &body));
	assert_int_equal(body.earliest_arrival_us, 10); /* of what made it fire */
	struct mr_reader in = {0};
	struct mr_alert got;
	mr_reader_open_body(&in, MR_CONTENT_ALERTS, &body);
	assert_int_equal(mr_reader_content(&in), MR_CONTENT_ALERTS);
	assert_true(mr_reader_alert(&in, &got));
	assert_int_equal(got.id[0], 0xff);
	mr_reader_advance(&in);
	assert_false(mr_reader_alert(&in, &got));
	assert_int_equal(mr_reader_finish(&in, NULL), MR_OK);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	mr_writer_fini(&out);
}

static enum mr_err finish_signals(struct mr_slice bytes, uint32_t count, uint32_t *read_out)
{
	struct mr_reader in = {0};
	struct mr_signal signal;
	*read_out = 0;
	mr_reader_open_items(&in, MR_CONTENT_SIGNALS, count, bytes);
	for (; mr_reader_signal(&in, &signal); mr_reader_advance(&in))
		++*read_out;
	enum mr_err err = mr_reader_finish(&in, NULL);
	mr_reader_fini(&in);
	return err;
}

static void a_broken_item_ends_the_batch(void **state)
{
	(void)state;
	struct mr_buf out = {0};
	struct mr_signal signal = signal_of(0, 0);
	uint32_t read;
	mr_signal_encode(&signal, &out);
	size_t one = out.len;
	mr_signal_encode(&signal, &out);
	assert_int_equal(finish_signals((struct mr_slice){out.data, out.len}, 2, &read), MR_OK);
	assert_int_equal(finish_signals((struct mr_slice){out.data, out.len}, 3, &read),
			 MR_PROTOCOL);
	assert_int_equal(finish_signals((struct mr_slice){out.data, one}, 2, &read), MR_PROTOCOL);
	for (size_t len = one + 1; len < out.len; len++) {
		struct mr_slice part = exact(out.data, len);
		assert_int_equal(finish_signals(part, 2, &read), MR_PROTOCOL);
		assert_int_equal(read, 1);
		drop(part);
	}
	mr_buf_fini(&out);
}

/* ---- regions and events ---- */

static void regions_wait_in_order(void **state)
{
	(void)state;
	struct mr_writer out = {0};
	struct mr_region got, back;
	struct mr_batch_header header;
	struct mr_buf bytes = {0};
	mr_writer_add_output(&out, MR_CONTENT_RECORDS, 0, MR_LINK_SPREAD, 2);
	uint64_t sent = 0;
	while (mr_writer_ready(&out)) {
		struct mr_region region = lines;
		region.position = sent++;
		region.length = 10;
		mr_writer_region(&out, &region);
	}
	assert_int_equal(sent, MR_OUTPUT_REGIONS);
	for (uint64_t i = 0; i < sent; i++) {
		assert_true(mr_output_take_region(&out, 0, &got));
		assert_int_equal(got.position, i);
		assert_true(mr_writer_ready(&out));
	}
	assert_false(mr_writer_take_region(&out, &got));
	mr_region_header(&got, &header);
	mr_batch_header_encode(&header, &bytes);
	assert_int_equal(
	    mr_batch_header_decode((struct mr_slice){bytes.data, bytes.len}, &header, NULL), MR_OK);
	mr_header_region(&header, &back);
	assert_true(back.source == 1 && back.partition == 7 && back.position == sent - 1);
	assert_true(back.length == 10 && back.form == MR_FORM_LINES && back.arrival_us == 5);
	mr_buf_fini(&bytes);
	mr_writer_fini(&out);
}

static void events_cross_a_link_in_pieces(void **state)
{
	(void)state;
	struct mr_fields *fields = mr_fields_new();
	struct mr_events from, to;
	struct mr_writer out = {0};
	struct mr_reader in = {0};
	struct mr_body body;
	mr_events_init(&from, fields, 5);
	mr_events_init(&to, fields, 2);
	mr_writer_add_output(&out, MR_CONTENT_EVENTS, 0, MR_LINK_SPREAD, 1);
	mr_writer_set_events(&out, &from);
	while (mr_writer_ready(&out)) {
		struct mr_event *event = mr_events_push(mr_writer_events(&out));
		event->tenant = S("t");
		event->arrival_us = 3;
	}
	mr_writer_encode_events(&out, &from);
	assert_true(mr_writer_take(&out, MR_CONTENT_EVENTS, 0, &body));
	mr_reader_open_body(&in, MR_CONTENT_EVENTS, &body);
	assert_int_equal(mr_reader_take_events(&in, &to, NULL), MR_FULL);
	mr_events_reset(&to);
	assert_int_equal(mr_reader_take_events(&in, &to, NULL), MR_FULL);
	mr_events_reset(&to);
	assert_int_equal(mr_reader_take_events(&in, &to, NULL), MR_OK);
	assert_int_equal(to.count, 1);
	struct mr_reader fused = {0};
	mr_reader_open_events(&fused, &to);
	assert_ptr_equal(mr_reader_events(&fused), &to);
	mr_reader_advance(&fused);
	assert_null(mr_reader_events(&fused));
	assert_int_equal(mr_reader_finish(&fused, NULL), MR_OK);
	mr_reader_fini(&fused);
	mr_reader_open_items(&in, MR_CONTENT_EVENTS, 5, (struct mr_slice){body.bytes.data, 3});
	mr_events_reset(&to);
	assert_int_equal(mr_reader_take_events(&in, &to, NULL), MR_PROTOCOL);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	mr_writer_fini(&out);
	mr_events_fini(&from);
	mr_events_fini(&to);
	mr_fields_free(fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_cut_and_blank_ones_skipped),
	    cmocka_unit_test(reading_twice_without_advance_shows_the_same_item),
	    cmocka_unit_test(frames_carry_their_original),
	    cmocka_unit_test(a_cut_frame_is_a_broken_batch),
	    cmocka_unit_test(inline_records_carry_their_origins),
	    cmocka_unit_test(the_longest_inline_record_fills_a_message),
	    cmocka_unit_test(signals_go_to_the_owner_of_their_key),
	    cmocka_unit_test(a_full_body_stops_the_stage_until_it_is_taken),
	    cmocka_unit_test(no_item_passes_what_a_message_holds),
	    cmocka_unit_test(what_fits_no_message_is_counted),
	    cmocka_unit_test(a_signal_loses_its_record_first),
	    cmocka_unit_test(an_alert_keeps_what_records_fit),
	    cmocka_unit_test(alert_keeps_what_evidence_fits),
	    cmocka_unit_test(two_large_items_are_two_bodies),
	    cmocka_unit_test(an_alert_goes_by_its_id),
	    cmocka_unit_test(a_broken_item_ends_the_batch),
	    cmocka_unit_test(regions_wait_in_order),
	    cmocka_unit_test(events_cross_a_link_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
