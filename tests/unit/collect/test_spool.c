/* test_spool.c - the temporary file of records: records longer than its buffer, taken back,
 * refused, and files that are full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>

#include "spool.h"
#include "stage_harness.h"

#define MEGABYTE (1 << 20)

static char letters[3 * MEGABYTE];

struct room {
	struct stage stage;
	struct mr_outbox outbox;
	struct mr_spool spool;
	uint32_t name;
};

static void open_room(struct room *room)
{
	*room = (struct room){0};
	room->stage.env = (struct mr_stage_env){
	    .files = &room->stage.files, .counters = &room->stage.counters, .start_us = 77};
	mr_writer_add_output(&room->stage.writer, MR_CONTENT_RECORDS, 0, MR_LINK_SPREAD, 1);
	mr_writer_add_output(&room->stage.writer, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
	mr_files_add(&room->stage.files, -1, MR_SLICE("original"), &room->name, NULL);
	mr_spool_init(&room->spool, &room->stage.env, &room->outbox);
	room->spool.max_record_bytes = 4 * MEGABYTE;
	room->spool.region_bytes = 64 << 10;
	memset(letters, 'x', sizeof(letters));
}

static void drain(struct room *room)
{
	while (mr_outbox_send(&room->outbox, &room->stage.env, &room->stage.writer) == MR_FULL)
		stage_drain(&room->stage);
	stage_drain(&room->stage);
}

static void close_room(struct room *room)
{
	stage_balance(&room->stage);
	mr_spool_fini(&room->spool);
	mr_outbox_fini(&room->outbox);
	stage_fini(&room->stage);
}

static void put(struct room *room, uint64_t offset, const char *bytes, size_t len)
{
	mr_spool_begin(&room->spool, room->name, offset);
	for (size_t at = 0; at < len; at += 1000)
		mr_spool_add(&room->spool, bytes + at, len - at < 1000 ? len - at : 1000);
}

static void put_record(struct room *room, uint64_t offset, const char *text)
{
	put(room, offset, text, strlen(text));
	mr_spool_end(&room->spool);
}

static void records_longer_than_the_buffer(void **state)
{
	struct room room;

	(void)state;
	open_room(&room);
	put_record(&room, 5, " \n {\"a\":1}\t\r\n");
	put(&room, 20, letters, sizeof(letters));
	mr_spool_end(&room.spool);
	put_record(&room, 30, "  \n");
	put_record(&room, 40, "{}");
	mr_spool_seal(&room.spool);
	drain(&room);
	assert_int_equal(room.stage.record_count, 3);
	assert_int_equal(
	    strncmp(stage_text(&room.stage.records), "original 8 {\"a\":1}\noriginal 20 xxxxx", 36),
	    0);
	assert_non_null(strstr(room.stage.records.data, "x\noriginal 40 {}\n"));
	assert_int_equal(room.stage.records.len,
			 strlen("original 8 {\"a\":1}\noriginal 20 \noriginal 40 {}\n") +
			     sizeof(letters));
	close_room(&room);
}

static void records_taken_back(void **state)
{
	struct room room;

	(void)state;
	open_room(&room);
	put_record(&room, 1, "{\"a\":1}");
	put(&room, 2, letters, sizeof(letters));
	mr_spool_drop(&room.spool);
	put_record(&room, 3, "{\"b\":2}");
	put(&room, 4, "zz", 2);
	mr_spool_drop(&room.spool);
	put_record(&room, 5, "{\"c\":3}");
	mr_spool_seal(&room.spool);
	drain(&room);
	assert_string_equal(stage_text(&room.stage.records),
			    "original 1 {\"a\":1}\noriginal 3 {\"b\":2}\noriginal 5 {\"c\":3}\n");
	close_room(&room);
}

static void pieces_set_aside(void **state)
{
	struct room room;
	char want[128];

	(void)state;
	open_room(&room);
	room.spool.max_record_bytes = MEGABYTE;
	put_record(&room, 1, "{\"a\":1}");
	put(&room, 2, "short", 5);
	mr_spool_refuse(&room.spool, MR_REJECT_DAMAGED, "why");
	put(&room, 3, letters, sizeof(letters));
	mr_spool_end(&room.spool);
	put_record(&room, 4, "{\"b\":2}");
	put(&room, 5, letters, 20000);
	mr_spool_refuse(&room.spool, MR_REJECT_DAMAGED, "because");
	mr_spool_seal(&room.spool);
	drain(&room);
	assert_string_equal(stage_text(&room.stage.records),
			    "original 1 {\"a\":1}\noriginal 4 {\"b\":2}\n");
	assert_int_equal(room.stage.reject_count, 3);
	snprintf(want, sizeof(want), "x (the record has %zu bytes; max_record_bytes allows %d)\n",
		 sizeof(letters), MEGABYTE);
	assert_int_equal(
	    strncmp(stage_text(&room.stage.rejects), "original 2 short (why)\noriginal 3 xxxx", 38),
	    0);
	assert_non_null(strstr(room.stage.rejects.data, want));
	assert_non_null(strstr(room.stage.rejects.data, "x (because)\n"));
	close_room(&room);
}

static void piece_past_all_bounds(void **state)
{
	struct room room;
	uint64_t len = 0;

	(void)state;
	open_room(&room);
	put_record(&room, 1, "{\"a\":1}");
	mr_spool_begin(&room.spool, room.name, 9);
	for (; len < MR_SPOOL_ASIDE_MAX + 2 * sizeof(letters); len += sizeof(letters))
		mr_spool_add(&room.spool, letters, sizeof(letters));
	mr_spool_end(&room.spool);
	put_record(&room, 2, "{\"b\":2}");
	mr_spool_seal(&room.spool);
	drain(&room);
	assert_int_equal(room.stage.record_count, 2);
	assert_non_null(
	    strstr(stage_text(&room.stage.rejects), "; its first 67108864 bytes are kept)\n"));
	assert_in_range(room.stage.rejects.len, MR_SPOOL_ASIDE_MAX, MR_SPOOL_ASIDE_MAX + 200);
	close_room(&room);
}

/* Also of a short one that did not come whole what is there is kept, and told from the whole. */
static void piece_with_bytes_skipped(void **state)
{
	struct room room;

	(void)state;
	open_room(&room);
	put(&room, 9, "abc", 3);
	mr_spool_skip(&room.spool, 4);
	mr_spool_refuse(&room.spool, MR_REJECT_DAMAGED, "broken");
	put_record(&room, 2, "{\"b\":2}");
	mr_spool_seal(&room.spool);
	drain(&room);
	assert_int_equal(room.stage.record_count, 1);
	assert_non_null(
	    strstr(stage_text(&room.stage.rejects), "abc (broken; its first 3 bytes are kept)\n"));
	close_room(&room);
}

static void a_new_file_past_the_bound(void **state)
{
	struct room room;

	(void)state;
	open_room(&room);
	room.spool.file_max_bytes = 5000;
	for (unsigned i = 0; i < 100; i++) {
		put(&room, i, letters, 984);
		mr_spool_end(&room.spool);
	}
	mr_spool_seal(&room.spool);
	drain(&room);
	assert_int_equal(room.stage.record_count, 100);
	assert_int_equal(room.stage.files.count, 1 + 20);
	assert_int_equal(room.stage.frame_regions, 20);
	close_room(&room);
}

static void no_space(void **state)
{
	struct rlimit old;
	struct rlimit small;
	struct room room;

	(void)state;
	open_room(&room);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = MEGABYTE;
	setrlimit(RLIMIT_FSIZE, &small);
	put(&room, 0, letters, sizeof(letters));
	mr_spool_end(&room.spool);
	mr_spool_seal(&room.spool);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(room.spool.error.code, MR_NO_SPACE);
	assert_non_null(strstr(room.spool.error.text, "no room for the temporary file"));
	put_record(&room, 3, "{\"b\":2}");
	mr_spool_seal(&room.spool);
	drain(&room);
	assert_int_equal(room.stage.record_count, 0);
	close_room(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_longer_than_the_buffer),
	    cmocka_unit_test(records_taken_back),
	    cmocka_unit_test(pieces_set_aside),
	    cmocka_unit_test(piece_past_all_bounds),
	    cmocka_unit_test(piece_with_bytes_skipped),
	    cmocka_unit_test(a_new_file_past_the_bound),
	    cmocka_unit_test(no_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
