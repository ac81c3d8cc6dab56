/* test_room.c - a disk that fills: what goes before its time, what stays, and when reading stops.
 *
 * The disk is told by a number: what is free shrinks by a test's word alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal_room.h"
#include "room.h"

#define DISK (64 * MR_MIB) /* its reserve is 4 MiB */
#define RECORD_BYTES 600000

static uint64_t disk_free;
static bool disk_unknown;

static int tell_disk(int fd, struct statfs *out)
{
	(void)fd;
	*out = (struct statfs){.f_bsize = 1024,
			       .f_blocks = disk_unknown ? 0 : DISK / 1024,
			       .f_bavail = (fsblkcnt_t)disk_free / 1024};
	return 0;
}

struct full_room {
	struct room room;
	struct mr_journal *journals[1];
	struct mr_room disk;
};

static const char *const settings[] = {"segment_bytes", "1048576", NULL};

static void open_room(struct full_room *full, struct mr_journal_at from)
{
	assert_int_equal(room_open(&full->room, from, settings), MR_OK);
	full->journals[0] = &full->room.journal;
	full->disk = (struct mr_room){
	    .journals = full->journals, .count = 1, .counters = &full->room.stage.counters};
	assert_int_equal(room_replay(&full->room), MR_END);
}

/* Each fills a half segment. */
static void put(struct full_room *full, unsigned count)
{
	char *text = mr_malloc(RECORD_BYTES + 1);

	memset(text, 'x', RECORD_BYTES);
	text[RECORD_BYTES] = '\0';
	for (unsigned i = 0; i < count; i++) {
		room_add(&full->room, i, text);
		assert_int_equal(room_commit(&full->room, "c"), MR_OK);
	}
	free(text);
}

static void checkpoint(struct full_room *full)
{
	mr_journal_position(&full->room.journal);
	mr_journal_commit(&full->room.journal, 77);
	mr_room_committed(&full->disk);
}

static uint64_t dropped(const struct full_room *full)
{
	return full->room.stage.counters.at[MR_C_SEGMENTS_DROPPED];
}

static int begin(void **state)
{
	room_clean(state);
	mr_os.fstatfs = tell_disk;
	disk_free = DISK;
	disk_unknown = false;
	return 0;
}

static void old_segments_go_while_the_disk_is_nearly_full(void **state)
{
	struct full_room full;
	struct mr_error error = {0};

	(void)state;
	open_room(&full, room_begin);
	put(&full, 12);
	checkpoint(&full);
	checkpoint(&full);
	assert_int_equal(full.room.journal.count, 6);
	assert_int_equal(mr_room_ask(&full.disk, 1000, &error), MR_OK);
	assert_int_equal(dropped(&full), 0);
	disk_free = 4 * MR_MIB;
	/* It is not looked each time, but in time. */
	assert_int_equal(mr_room_ask(&full.disk, 1000, &error), MR_OK);
	assert_int_equal(dropped(&full), 0);
	assert_int_equal(mr_room_ask(&full.disk, MR_MIB, &error), MR_OK);
	assert_int_equal(dropped(&full), 2);
	assert_int_equal(full.room.journal.count, 4);
	assert_int_equal(full.room.journal.files[0].number, 3);
	room_die(&full.room);
}

static void reading_stops_before_checkpoints_have_no_room(void **state)
{
	struct full_room full;
	struct mr_error error = {0};

	(void)state;
	open_room(&full, room_begin);
	put(&full, 6);
	disk_free = 3 * MR_MIB;
	assert_int_equal(mr_room_ask(&full.disk, 1, &error), MR_NO_SPACE);
	assert_non_null(strstr(error.text, "3072 KiB are free, and the last 4096 are kept"));
	assert_int_equal(mr_room_ask(&full.disk, 1, &error), MR_NO_SPACE);
	assert_int_equal(full.room.journal.count, 3); /* no checkpoint: all are needed */
	checkpoint(&full);
	checkpoint(&full);
	assert_int_equal(mr_room_ask(&full.disk, 1, &error), MR_OK);
	assert_int_equal(full.room.journal.count, 1);
	disk_unknown = true;
	disk_free = 0;
	assert_int_equal(mr_room_ask(&full.disk, DISK, &error), MR_OK);
	room_die(&full.room);
}

static bool may_write(struct full_room *full, uint64_t free_mib)
{
	struct mr_error error = {0};

	disk_free = free_mib * MR_MIB;
	full->disk.lacking = true; /* it is looked */
	return mr_room_ask(&full->disk, 1, &error) == MR_OK;
}

/* Else a backlog would take what the checkpoint wants that alone can let it go. */
static void much_that_is_needed_leaves_checkpoints_a_quarter(void **state)
{
	struct full_room full;

	(void)state;
	open_room(&full, room_begin);
	put(&full, 20);
	assert_true(may_write(&full, 6));
	put(&full, 20);
	assert_false(may_write(&full, 15));
	assert_true(may_write(&full, 16));
	checkpoint(&full);
	checkpoint(&full);
	assert_true(may_write(&full, 6));
	room_die(&full.room);
}

static void what_is_freed_is_left_to_checkpoints_that_fail(void **state)
{
	struct full_room full;

	(void)state;
	open_room(&full, room_begin);
	put(&full, 4);
	mr_room_begin(&full.disk);
	assert_true(may_write(&full, 6));
	mr_room_begin(&full.disk); /* the one before came to nothing */
	assert_false(may_write(&full, 15));
	assert_true(may_write(&full, 16));
	checkpoint(&full);
	assert_true(may_write(&full, 6));
	room_die(&full.room);
}

/* Also in a life that has committed none: the checkpoint that it began with is kept alone. */
static void checkpoints_that_fail_get_more(void **state)
{
	struct full_room full;
	struct mr_journal_at at;

	(void)state;
	open_room(&full, room_begin);
	put(&full, 24);
	at = mr_journal_position(&full.room.journal);
	assert_int_equal(mr_journal_sync(&full.room.journal, &full.room.error), MR_OK);
	room_die(&full.room);
	open_room(&full, at);
	disk_free = 10 * MR_MIB;
	mr_room_begin(&full.disk);
	assert_int_equal(dropped(&full), 0);
	mr_room_begin(&full.disk); /* the one before came to nothing */
	assert_int_equal(dropped(&full), 6);
	checkpoint(&full);
	mr_room_begin(&full.disk);
	assert_int_equal(dropped(&full), 6);
	for (int i = 0; i < 100; i++)
		mr_room_begin(&full.disk);
	assert_int_equal(full.room.journal.files[0].number, at.segment);
	room_die(&full.room);
	open_room(&full, at);
	room_die(&full.room);
}

static void a_quota_is_met_by_a_write(void **state)
{
	struct full_room full;

	(void)state;
	open_room(&full, room_begin);
	put(&full, 6);
	mr_room_give(&full.disk);
	assert_int_equal(dropped(&full), 0);
	checkpoint(&full);
	checkpoint(&full);
	mr_room_give(&full.disk);
	assert_int_equal(dropped(&full), 1);
	room_die(&full.room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(old_segments_go_while_the_disk_is_nearly_full, begin),
	    cmocka_unit_test_setup(reading_stops_before_checkpoints_have_no_room, begin),
	    cmocka_unit_test_setup(much_that_is_needed_leaves_checkpoints_a_quarter, begin),
	    cmocka_unit_test_setup(what_is_freed_is_left_to_checkpoints_that_fail, begin),
	    cmocka_unit_test_setup(checkpoints_that_fail_get_more, begin),
	    cmocka_unit_test_setup(a_quota_is_met_by_a_write, begin),
	};

	return cmocka_run_group_tests(tests, NULL, room_remove);
}
