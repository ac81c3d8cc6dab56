/* test_codec.c - what travels and what is kept: round trips, and every prefix of every item.
 *
 * Bytes are decoded from heap buffers of exactly their size, so that an over-read shows under the
 * address sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "millrace/pack.h"
#include "millrace/rule.h"
#include "millrace/stage.h"

#include "exact.h"
#include "pipeline/codec.h"
#include "pipeline/host_word.h"

/* ---- pack ---- */

static void integers_have_one_meaning(void **state)
{
	(void)state;
	static const int64_t numbers[] = {
	    0,         1,  127, 128, 255,  256,  65535,  65536,  INT32_MAX, (int64_t)INT32_MAX + 1,
	    INT64_MAX, -1, -32, -33, -128, -129, -32768, -32769, INT32_MIN, (int64_t)INT32_MIN - 1,
	    INT64_MIN};
	struct mr_buf out = {0};
	size_t count = sizeof(numbers) / sizeof(numbers[0]);
	for (size_t i = 0; i < count; i++)
		mr_pack_int(&out, numbers[i]);
	mr_pack_uint(&out, UINT64_MAX);
	mr_pack_double(&out, -0.1);
	mr_pack_bool(&out, true);
	struct mr_unpack in = mr_unpack((struct mr_slice){out.data, out.len});
	for (size_t i = 0; i < count; i++)
		assert_true(mr_unpack_int(&in) == numbers[i]);
	assert_true(mr_unpack_uint(&in, UINT64_MAX) == UINT64_MAX);
	assert_true(mr_unpack_double(&in) == -0.1);
	assert_true(mr_unpack_bool(&in));
	assert_true(mr_unpack_done(&in));
	mr_buf_fini(&out);
}

static void wrong_items_make_the_cursor_bad(void **state)
{
	(void)state;
	struct mr_buf out = {0};
	mr_pack_uint(&out, 300);
	mr_pack_bytes(&out, S("text"));
	struct mr_slice bytes = {out.data, out.len};
	struct mr_unpack in = mr_unpack(bytes);
	assert_true(mr_unpack_uint(&in, 299) == 0);
	assert_false(mr_unpack_ok(&in));
	assert_int_equal(mr_unpack_bytes(&in).len, 0);
	assert_false(mr_unpack_done(&in));

	in = mr_unpack(bytes);
	mr_unpack_bytes(&in);
	assert_false(mr_unpack_ok(&in));
	in = mr_unpack(bytes);
	mr_unpack_array(&in, 10);
	assert_false(mr_unpack_ok(&in));
	in = mr_unpack(bytes);
	mr_unpack_double(&in);
	assert_false(mr_unpack_ok(&in));
	in = mr_unpack(S("\xff"));
	mr_unpack_uint(&in, 5);
	assert_false(mr_unpack_ok(&in));
	in = mr_unpack(S("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
	mr_unpack_int(&in);
	assert_false(mr_unpack_ok(&in));
	/* An array of four thousand million items in five bytes. */
	in = mr_unpack(S("\xdd\xff\xff\xff\xff"));
	assert_int_equal(mr_unpack_array(&in, SIZE_MAX), 0);
	assert_false(mr_unpack_ok(&in));
	mr_buf_fini(&out);
}

/* What is written without a call is what msgpack-c writes. */
static void short_forms_are_msgpacks(void **state)
{
	(void)state;
	struct mr_buf ours = {0}, theirs = {0};
	for (size_t i = 0; i < 300; i++) {
		mr_pack_uint(&ours, i);
		mr_pack_any_uint(&theirs, i);
		mr_pack_array(&ours, i);
		mr_pack_any_array(&theirs, i);
		memset(mr_pack_room(&ours, i), 'x', i);
		memset(mr_pack_any_room(&theirs, i), 'x', i);
		assert_int_equal(ours.len, theirs.len);
	}
	assert_memory_equal(ours.data, theirs.data, ours.len);
	struct mr_unpack in = mr_unpack((struct mr_slice){ours.data, ours.len});
	in.bad = true; /* wherever it stands */
	assert_int_equal(mr_unpack_bytes(&in).len + mr_unpack_uint(&in, UINT64_MAX), 0);
	mr_buf_fini(&ours);
	mr_buf_fini(&theirs);
}

static void texts_of_every_width(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
	char *text = calloc(1, 65536);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct mr_buf out = {0};
		mr_pack_bytes(&out, (struct mr_slice){text, lengths[i]});
		struct mr_slice bytes = exact(out.data, out.len);
		struct mr_unpack in = mr_unpack(bytes);
		assert_int_equal(mr_unpack_bytes(&in).len, lengths[i]);
		assert_true(mr_unpack_done(&in));
		drop(bytes);
		bytes = exact(out.data, out.len - 1);
		in = mr_unpack(bytes);
		mr_unpack_bytes(&in);
		assert_false(mr_unpack_ok(&in));
		drop(bytes);
		mr_buf_fini(&out);
	}
	free(text);
}

/* ---- signals ---- */

static const struct mr_slice values[] = {C("a"), C("b"), C("c"), C("d")};
static const struct mr_signal_field fields[] = {{5, MR_STRING, C("x y")}, {6, MR_INT, C("-7")}};

static const uint32_t matched[] = {3, 70000};

static struct mr_signal sample_signal(void)
{
	return (struct mr_signal){.consumer = 70000,
				  .rule = 3,
				  .key_group = 255,
				  .layer = 1,
				  .kind = MR_KIND_SIGNIN,
				  .withdrawn = true,
				  .has_time = true,
				  .time_us = -5,
				  .arrival_us = 1700000000000000,
				  .tenant = S("t"),
				  .record_id = S("id-1"),
				  .counted_id = S("0123456789abcdef"),
				  .origin = {1, 2, 1ull << 40, 1400, UINT64_MAX},
				  .record = S("{\"Id\":1}"),
				  .key_count = 2,
				  .key = {S("k1"), S("")},
				  .value_count = 2,
				  .value_width = 2,
				  .values = values,
				  .field_count = 2,
				  .fields = fields,
				  .matched_count = 2,
				  .matched = matched};
}

static enum mr_err decode_signal(struct mr_slice bytes)
{
	struct mr_arena arena = {0};
	struct mr_signal signal;
	size_t at = 0;
	enum mr_err err = mr_signal_decode(bytes, &at, &arena, &signal, NULL);
	mr_arena_fini(&arena);
	return err;
}

static void a_signal_comes_back_whole(void **state)
{
	(void)state;
	struct mr_signal want = sample_signal(), got;
	struct mr_buf out = {0};
	struct mr_arena arena = {0};
	size_t at = 1;
	mr_buf_add_text(&out, "!");
	mr_signal_encode(&want, &out);
	assert_int_equal(
	    mr_signal_decode((struct mr_slice){out.data, out.len}, &at, &arena, &got, NULL), MR_OK);
	assert_int_equal(at, out.len);
	assert_int_equal(got.consumer, 70000);
	assert_int_equal(got.rule, 3);
	assert_int_equal(got.key_group, 255);
	assert_int_equal(got.layer, 1);
	assert_int_equal(got.kind, MR_KIND_SIGNIN);
	assert_true(got.withdrawn && got.has_time && got.time_us == -5 &&
		    got.arrival_us == want.arrival_us);
	assert_slice(got.tenant, want.tenant);
	assert_slice(got.record_id, want.record_id);
	assert_slice(got.counted_id, want.counted_id);
	assert_memory_equal(&got.origin.position, &want.origin.position, 8);
	assert_true(got.origin.hash == UINT64_MAX && got.origin.length == 1400);
	assert_slice(got.record, want.record);
	assert_int_equal(got.key_count, 2);
	assert_slice(got.key[0], S("k1"));
	assert_slice(got.key[1], S(""));
	assert_int_equal(got.value_count, 2);
	assert_int_equal(got.value_width, 2);
	assert_slice(got.values[3], S("d"));
	assert_int_equal(got.field_count, 2);
	assert_null(got.fields);
	assert_int_equal(got.packed.count, 2);
	assert_int_equal(got.packed.highest, 6);
	struct mr_packed_at place = mr_packed_begin(got.packed.bytes);
	struct mr_signal_field field;
	assert_true(mr_packed_next(&place, &field) && field.field == 5);
	assert_true(mr_packed_next(&place, &field));
	assert_int_equal(field.field, 6);
	assert_int_equal(field.type, MR_INT);
	assert_slice(field.text, S("-7"));
	assert_false(mr_packed_next(&place, &field));
	assert_int_equal(got.matched_count, 2);
	assert_memory_equal(got.matched, matched, sizeof(matched));
	mr_arena_fini(&arena);
	mr_buf_fini(&out);
}

/* On one host no signal has its record: that is to cost next to nothing. */
static void no_record_is_one_byte(void **state)
{
	(void)state;
	struct mr_signal want = sample_signal(), got;
	struct mr_buf with = {0}, without = {0};
	struct mr_arena arena = {0};
	size_t at = 0, len = want.record.len;
	mr_signal_encode(&want, &with);
	want.record = S("");
	mr_signal_encode(&want, &without);
	assert_int_equal(with.len - without.len, len);
	assert_int_equal(
	    mr_signal_decode((struct mr_slice){without.data, without.len}, &at, &arena, &got, NULL),
	    MR_OK);
	assert_int_equal(got.record.len, 0);
	mr_arena_fini(&arena);
	mr_buf_fini(&with);
	mr_buf_fini(&without);
}

static void a_cut_signal_is_an_error(void **state)
{
	(void)state;
	struct mr_signal signal = sample_signal();
	struct mr_buf out = {0};
	mr_signal_encode(&signal, &out);
	trickle(&out, decode_signal);
	mr_buf_fini(&out);
}

static void key_groups_tell_parts_apart(void **state)
{
	(void)state;
	uint8_t seed[16] = {1, 2, 3}, other[16] = {1, 2, 3, [15] = 9};
	struct mr_slice one[] = {S("ab"), S("c")}, two[] = {S("a"), S("bc")};
	int differ = 0, seeds_differ = 0;
	for (char letter = '0'; letter < '0' + 64; letter++) {
		struct mr_slice consumer = {&letter, 1};
		uint8_t group = mr_key_group(seed, consumer, S("t"), one, 2);
		assert_int_equal(group, mr_key_group(seed, consumer, S("t"), one, 2));
		differ += group != mr_key_group(seed, consumer, S("t"), two, 2);
		seeds_differ += group != mr_key_group(other, consumer, S("t"), one, 2);
	}
	assert_true(differ > 50);
	assert_true(seeds_differ > 50);
}

static void key_groups_are_even(void **state)
{
	(void)state;
	uint8_t seed[16] = {7};
	int counts[MR_KEY_GROUPS] = {0};
	for (int i = 0; i < 256 * 100; i++) {
		char text[16];
		struct mr_slice key = {text, (size_t)snprintf(text, sizeof(text), "user%d", i)};
		counts[mr_key_group(seed, S("rule"), S("tenant"), &key, 1)]++;
	}
	for (int i = 0; i < MR_KEY_GROUPS; i++)
		assert_in_range(counts[i], 50, 160);
}

/* ---- alerts ---- */

static struct mr_alert sample_alert(void)
{
	struct mr_alert alert = {.activity = MR_ACTIVITY_UPDATE,
				 .announcement = true,
				 .rule = 9,
				 .tenant = S("tenant"),
				 .key_count = 1,
				 .key = {S("alice@example.com")},
				 .slot = -4,
				 .has_time = true,
				 .arrival_us = 11,
				 .first_time_us = 10,
				 .last_time_us = 20,
				 .event_count = 1ull << 33,
				 .value_count = 5,
				 .lower_bound = true,
				 .value = S("-12.5"),
				 .value_time_us = 19,
				 .shed = 6,
				 .evidence_count = 2};
	memcpy(alert.id, "0123456789abcdef", MR_ALERT_ID_BYTES);
	alert.evidence[1] = (struct mr_evidence){.rule = 4,
						 .kind = MR_KIND_UAL,
						 .has_time = true,
						 .time_us = 11,
						 .arrival_us = 12,
						 .record_id = S("r"),
						 .origin = {0, 1, 2, 3, 4},
						 .record = S("{\"a\":1}"),
						 .field_count = 2,
						 .fields = fields,
						 .inner_id = S("fedcba9876543210"),
						 .matched_count = 2,
						 .matched = matched};
	return alert;
}

static enum mr_err decode_alert(struct mr_slice bytes)
{
	struct mr_arena arena = {0};
	struct mr_alert alert;
	size_t at = 0;
	enum mr_err err = mr_alert_decode(bytes, &at, &arena, &alert, NULL);
	mr_arena_fini(&arena);
	return err;
}

static void an_alert_comes_back_whole(void **state)
{
	(void)state;
	struct mr_alert want = sample_alert(), got;
	struct mr_buf out = {0};
	struct mr_arena arena = {0};
	size_t at = 0;
	mr_alert_encode(&want, &out);
	assert_int_equal(
	    mr_alert_decode((struct mr_slice){out.data, out.len}, &at, &arena, &got, NULL), MR_OK);
	assert_int_equal(at, out.len);
	assert_memory_equal(got.id, want.id, MR_ALERT_ID_BYTES);
	assert_int_equal(got.activity, MR_ACTIVITY_UPDATE);
	assert_true(got.announcement && got.lower_bound && got.has_time);
	assert_int_equal(got.rule, 9);
	assert_slice(got.key[0], want.key[0]);
	assert_int_equal(got.arrival_us, 11);
	assert_true(got.slot == -4 && got.first_time_us == 10 && got.last_time_us == 20);
	assert_slice(got.value, want.value);
	assert_true(got.value_time_us == 19);
	assert_true(got.event_count == 1ull << 33 && got.value_count == 5 && got.shed == 6);
	assert_int_equal(got.evidence_count, 2);
	assert_slice(got.evidence[1].record, S("{\"a\":1}"));
	assert_slice(got.evidence[1].fields[0].text, S("x y"));
	for (mr_field field = 0; field < MR_F_NORMALISED_END; field++)
		assert_int_equal(got.evidence[1].first[field], field == fields[0].field   ? 1
							       : field == fields[1].field ? 2
											  : 0);
	assert_int_equal(got.evidence[1].kind, MR_KIND_UAL);
	assert_slice(got.evidence[1].inner_id, want.evidence[1].inner_id);
	assert_int_equal(got.evidence[1].matched_count, 2);
	assert_memory_equal(got.evidence[1].matched, matched, sizeof(matched));
	assert_int_equal(got.evidence[0].inner_id.len + got.evidence[0].matched_count, 0);
	mr_arena_fini(&arena);
	trickle(&out, decode_alert);
	mr_buf_fini(&out);
}

static void an_id_tells_its_parts_apart(void **state)
{
	(void)state;
	uint8_t base[16], other[16];
	struct mr_slice key[] = {S("a"), S("b")}, joined[] = {S("ab"), S("")};
	mr_alert_id(S("t"), S("rule"), S(""), key, 2, 0, base);
	mr_alert_id(S("t"), S("rule"), S(""), key, 2, 0, other);
	assert_memory_equal(base, other, 16);
	mr_alert_id(S("t"), S("rule"), S(""), joined, 2, 0, other);
	assert_memory_not_equal(base, other, 16);
	mr_alert_id(S("tr"), S("ule"), S(""), key, 2, 0, other);
	assert_memory_not_equal(base, other, 16);
	mr_alert_id(S("t"), S("rule"), S("a"), key + 1, 1, 0, other);
	assert_memory_not_equal(base, other, 16);
	mr_alert_id(S("t"), S("rule"), S(""), key, 2, -1, other);
	assert_memory_not_equal(base, other, 16);
	mr_alert_id(S("t"), S("rule"), S(""), key, 1, 0, other);
	assert_memory_not_equal(base, other, 16);
}

static void an_id_never_changes(void **state)
{
	(void)state;
	uint8_t id[16];
	char hex[33];
	struct mr_slice key = S("alice");
	mr_alert_id(S("tenant"), S("rule-1"), S("m365.audit"), &key, 1, 42, id);
	mr_hex(id, sizeof(id), hex);
	/* SHA-256 of the parts, each behind its length in eight bytes, by another implementation.
	 */
	assert_string_equal(hex, "ec4f551cdb2adfb194524f2be3dde0b2");
}

static enum mr_err decode_reject(struct mr_slice bytes)
{
	struct mr_reject reject;
	size_t at = 0;
	return mr_reject_decode(bytes, &at, &reject, NULL);
}

static void a_reject_comes_back_whole(void **state)
{
	(void)state;
	struct mr_reject want = {.origin = {1, 2, 3, 4, 5},
				 .length = 1ull << 35,
				 .name = S("file.json"),
				 .offset = 77,
				 .reason = S("no JSON"),
				 .bytes = S("\xff{")};
	struct mr_reject got;
	struct mr_buf out = {0};
	size_t at = 0;
	mr_reject_encode(&want, &out);
	assert_int_equal(mr_reject_decode((struct mr_slice){out.data, out.len}, &at, &got, NULL),
			 MR_OK);
	assert_true(got.length == 1ull << 35 && got.offset == 77 && got.origin.hash == 5);
	assert_slice(got.name, want.name);
	assert_slice(got.reason, want.reason);
	assert_slice(got.bytes, want.bytes);
	trickle(&out, decode_reject);
	mr_buf_fini(&out);
}

/* ---- seeds of the fuzzers ---- */

static void decodes_to_its_end(const char *name, decode_fn decode)
{
	char bytes[4096];
	char *path = mr_asprintf("%s/tests/fuzz/pipeline/%s", getenv("MILLRACE_ROOT"), name);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	free(path);
	struct mr_slice all = exact(bytes, len);
	assert_int_equal(decode(all), MR_OK);
	drop(all);
}

/* In an older form they would be refused at their first bytes. */
static void seeds_are_whole(void **state)
{
	(void)state;
	if (getenv("MILLRACE_ROOT") == NULL)
		skip();
	decodes_to_its_end("seeds_signal/whole", decode_signal);
	decodes_to_its_end("seeds_signal/bare", decode_signal);
	decodes_to_its_end("seeds_signal/fields", decode_signal);
	decodes_to_its_end("seeds_alert/whole", decode_alert);
	decodes_to_its_end("seeds_alert/reject", decode_reject);
}

/* ---- headers and frames ---- */

static struct mr_batch_header sample_header(void)
{
	return (struct mr_batch_header){.version = MR_BATCH_VERSION,
					.kind = MR_BATCH_DATA,
					.content = MR_CONTENT_RECORDS,
					.incarnation = UINT64_MAX,
					.sender = 3,
					.sequence = 1ull << 40,
					.body_len = 1000,
					.fields_hash = UINT64_MAX,
					.earliest_arrival_us = INT64_MIN,
					.sent_batches = UINT64_MAX,
					.sent_items = UINT64_MAX,
					.by_reference = true,
					.form = MR_FORM_LINES,
					.source = 1,
					.partition = UINT32_MAX,
					.first_position = UINT64_MAX - 1000,
					.next_position = UINT64_MAX};
}

static enum mr_err decode_header(struct mr_slice bytes)
{
	struct mr_batch_header header;
	return mr_batch_header_decode(bytes, &header, NULL);
}

static enum mr_err reencode_header(const struct mr_batch_header *header)
{
	struct mr_buf out = {0};
	mr_batch_header_encode(header, &out);
	enum mr_err err = decode_header((struct mr_slice){out.data, out.len});
	mr_buf_fini(&out);
	return err;
}

static void a_header_comes_back_whole(void **state)
{
	(void)state;
	struct mr_batch_header want = sample_header(), got;
	struct mr_buf out = {0};
	mr_batch_header_encode(&want, &out);
	assert_true(out.len <= MR_BATCH_HEADER_MAX);
	assert_int_equal(mr_batch_header_decode((struct mr_slice){out.data, out.len}, &got, NULL),
			 MR_OK);
	assert_true(got.incarnation == want.incarnation && got.sequence == want.sequence);
	assert_true(got.by_reference && got.form == MR_FORM_LINES && got.partition == UINT32_MAX);
	assert_true(got.first_position == want.first_position && got.sent_items == UINT64_MAX);
	assert_true(got.earliest_arrival_us == INT64_MIN && got.fields_hash == UINT64_MAX);
	trickle(&out, decode_header);
	mr_buf_fini(&out);
}

static void a_header_that_contradicts_itself_is_an_error(void **state)
{
	(void)state;
	struct mr_batch_header header = sample_header();
	assert_int_equal(reencode_header(&header), MR_OK);
	header.version = MR_BATCH_VERSION + 1;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header = sample_header();
	header.kind = MR_BATCH_END;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header = sample_header();
	header.content = MR_CONTENT_SIGNALS;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header = sample_header();
	header.body_len = 999;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header = sample_header();
	header.first_position = UINT64_MAX;
	header.next_position = 0;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header = sample_header();
	header.by_reference = false;
	header.body_len = MR_BATCH_BODY_MAX + 1;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header = sample_header(); /* a copy of the region's bytes */
	header.by_reference = false;
	assert_int_equal(reencode_header(&header), MR_OK);
	header.next_position--;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header = sample_header();
	header.form = MR_FORM_ITEMS;
	header.first_position = header.next_position = 0;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header.by_reference = false;
	header.count = 1000 / MR_ITEM_HEADER;
	assert_int_equal(reencode_header(&header), MR_OK);
	header.count++;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header = (struct mr_batch_header){.version = MR_BATCH_VERSION, .kind = MR_BATCH_END};
	assert_int_equal(reencode_header(&header), MR_OK);
	header.count = 1;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
	header.kind = MR_BATCH_BARRIER; /* of one source */
	header.body_len = 12;
	assert_int_equal(reencode_header(&header), MR_OK);
	header.content = MR_CONTENT_SIGNALS;
	assert_int_equal(reencode_header(&header), MR_BAD_INPUT);
}

static void a_frame_is_little_endian(void **state)
{
	(void)state;
	struct mr_frame frame = {0x01020304, 0xa0b0c0d0, 0x1122334455667788}, got;
	char bytes[MR_FRAME_HEADER];
	mr_frame_encode(&frame, bytes);
	assert_memory_equal(bytes,
			    "\x04\x03\x02\x01\xd0\xc0\xb0\xa0\x88\x77\x66\x55\x44\x33\x22\x11", 16);
	mr_frame_decode(bytes, &got);
	assert_memory_equal(&got, &frame, sizeof(frame));
}

/* ---- events ---- */

static struct mr_fields *test_fields;

static enum mr_err decode_event(struct mr_slice bytes)
{
	struct mr_events events;
	size_t at = 0;
	mr_events_init(&events, test_fields, 1);
	enum mr_err err = mr_event_decode(bytes, &at, &events, NULL);
	assert_int_equal(events.count, err == MR_OK);
	mr_events_fini(&events);
	return err;
}

static void fill_event(struct mr_events *events, struct mr_slice json)
{
	struct mr_event *event = mr_events_push(events);
	mr_field field = mr_fields_find(test_fields, S("own"));
	event->raw = json;
	event->json = json;
	event->origin = (struct mr_origin){1, 2, 3, 4, 5};
	event->tenant = S("tenant");
	event->id = S("id");
	event->has_time = true;
	event->time_us = 7;
	event->arrival_us = 8;
	event->kind = MR_KIND_AUDIT;
	mr_event_add_text(events, event, field, (struct mr_slice){json.at + 6, 5});
	mr_event_add_text(events, event, field, S("elsewhere"));
	mr_event_add_int(events, event, field, -3);
	mr_event_add_bool(events, event, MR_F_MFA, true);
	mr_event_add_double(events, event, MR_F_SRC_LAT, 1.5, S("1.5"));
	struct mr_value value = {
	    .text = "18446744073709551615", .len = 20, .type = MR_UINT, .num = {.u = UINT64_MAX}};
	mr_event_add(events, event, MR_F_SRC_ASN, &value);
	value = (struct mr_value){.type = MR_NULL};
	mr_event_add(events, event, MR_F_STATUS, &value);
}

static void an_event_comes_back_whole(void **state)
{
	(void)state;
	struct mr_slice json = S("{\"a\":\"hello\"}");
	struct mr_events from, to;
	struct mr_buf out = {0};
	size_t at = 0;
	test_fields = mr_fields_new();
	mr_field field = mr_fields_add(test_fields, S("Own"));
	mr_events_init(&from, test_fields, 1);
	mr_events_init(&to, test_fields, 1);
	fill_event(&from, json);
	mr_event_encode(&from, &from.items[0], &out);
	struct mr_slice bytes = {out.data, out.len};
	assert_int_equal(mr_event_decode(bytes, &at, &to, NULL), MR_OK);
	assert_int_equal(at, out.len);
	const struct mr_event *got = &to.items[0];
	assert_slice(got->raw, json);
	assert_ptr_equal(got->raw.at, got->json.at);
	assert_slice(got->tenant, S("tenant"));
	assert_int_equal(got->kind, MR_KIND_AUDIT);
	const struct mr_value *value = mr_event_get(&to, got, field);
	assert_slice((struct mr_slice){value->text, value->len}, S("hello"));
	assert_ptr_equal(value->text, got->json.at + 6); /* borrowed, not copied */
	value = mr_value_next(&to, value);
	assert_slice((struct mr_slice){value->text, value->len}, S("elsewhere"));
	value = mr_value_next(&to, value);
	assert_true(value->type == MR_INT && value->num.i == -3 && value->next == 0);
	assert_true(mr_event_get(&to, got, MR_F_MFA)->num.i == 1);
	assert_true(mr_event_get(&to, got, MR_F_SRC_LAT)->num.d == 1.5);
	assert_true(mr_event_get(&to, got, MR_F_SRC_ASN)->num.u == UINT64_MAX);
	assert_int_equal(mr_event_get(&to, got, MR_F_STATUS)->type, MR_NULL);
	at = 0;
	assert_int_equal(mr_event_decode(bytes, &at, &to, NULL), MR_FULL);
	assert_int_equal(at, 0);
	trickle(&out, decode_event);
	mr_buf_fini(&out);
	mr_events_fini(&from);
	mr_events_fini(&to);
	mr_fields_free(test_fields);
}

/* ---- the table of names ---- */

static void names_are_found_and_nothing_else(void **state)
{
	(void)state;
	const char *const names[] = {"standard input", "", "a/b\nc", "\xff"};
	struct mr_buf bytes = {0};
	mr_names_encode(names, 4, &bytes);
	for (size_t i = 0; i < 4; i++)
		assert_true(mr_slice_eq(mr_names_at((struct mr_slice){bytes.data, bytes.len}, i),
					mr_slice(names[i])));
	assert_int_equal(mr_names_at((struct mr_slice){bytes.data, bytes.len}, 4).len, 0);
	assert_int_equal(mr_names_at((struct mr_slice){bytes.data, bytes.len}, UINT64_MAX).len, 0);
	assert_int_equal(mr_names_at((struct mr_slice){0}, 0).len, 0);
	/* Cut anywhere and changed anywhere, in a buffer of exactly that size. */
	for (size_t len = 0; len <= bytes.len; len++) {
		for (size_t at = 0; at < len; at++) {
			char *exact = malloc(len);
			memcpy(exact, bytes.data, len);
			exact[at] ^= 0x41;
			for (uint64_t i = 0; i < 6; i++) {
				struct mr_slice name =
				    mr_names_at((struct mr_slice){exact, len}, i);
				assert_true(name.len == 0 || (name.at >= exact &&
							      name.at + name.len <= exact + len));
			}
			free(exact);
		}
	}
	mr_buf_fini(&bytes);
}

/* Of a newer version no count is known; of ours it must be right. */
static void a_version_comes_first(void **state)
{
	(void)state;
	for (uint64_t version = 1; version < 4; version++) {
		struct mr_buf out = {0};
		mr_pack_array(&out, 2);
		mr_pack_uint(&out, version);
		mr_pack_uint(&out, 7);
		struct mr_unpack in = mr_unpack((struct mr_slice){out.data, out.len});
		assert_int_equal(mr_unpack_version(&in, 2, 2), version);
		in = mr_unpack((struct mr_slice){out.data, out.len});
		assert_int_equal(mr_unpack_version(&in, 2, 3), version > 2 ? version : 0);
		in = mr_unpack((struct mr_slice){out.data, 1});
		assert_int_equal(mr_unpack_version(&in, 2, 2), 0);
		mr_buf_fini(&out);
	}
}

/* Of these words, or of the batches that workers would send. */
static void a_host_of_another_version_says_nothing(void **state)
{
	(void)state;
	struct mr_buf out = {0};
	const struct mr_host_hello hello = {S("topology"), 7};
	struct mr_host_hello got;
	mr_host_hello_encode(&hello, &out);
	struct mr_slice bytes = {out.data, out.len};
	assert_true(mr_host_hello_decode(bytes, &got));
	assert_slice(got.topology, hello.topology);
	assert_int_equal(got.set, hello.set);
	assert_int_equal(out.data[1], MR_HOST_WORD_VERSION);
	assert_int_equal(out.data[2], MR_BATCH_VERSION);
	for (size_t i = 1; i <= 2; i++) {
		out.data[i]++;
		assert_false(mr_host_hello_decode(bytes, &got));
		out.data[i]--;
	}
	mr_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_found_and_nothing_else),
	    cmocka_unit_test(integers_have_one_meaning),
	    cmocka_unit_test(wrong_items_make_the_cursor_bad),
	    cmocka_unit_test(a_version_comes_first),
	    cmocka_unit_test(short_forms_are_msgpacks),
	    cmocka_unit_test(texts_of_every_width),
	    cmocka_unit_test(a_signal_comes_back_whole),
	    cmocka_unit_test(no_record_is_one_byte),
	    cmocka_unit_test(a_cut_signal_is_an_error),
	    cmocka_unit_test(key_groups_tell_parts_apart),
	    cmocka_unit_test(key_groups_are_even),
	    cmocka_unit_test(an_alert_comes_back_whole),
	    cmocka_unit_test(an_id_tells_its_parts_apart),
	    cmocka_unit_test(an_id_never_changes),
	    cmocka_unit_test(a_reject_comes_back_whole),
	    cmocka_unit_test(seeds_are_whole),
	    cmocka_unit_test(a_header_comes_back_whole),
	    cmocka_unit_test(a_header_that_contradicts_itself_is_an_error),
	    cmocka_unit_test(a_frame_is_little_endian),
	    cmocka_unit_test(an_event_comes_back_whole),
	    cmocka_unit_test(a_host_of_another_version_says_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
