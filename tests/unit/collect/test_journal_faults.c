/* test_journal_faults.c - the journal on a disk that is full or broken: each single call fails
 * once, and in the end each record stands there once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal_room.h"
#include "logged.h"
#include "lossy_disk.h"

#define RECORDS 6

static int begin(void **state)
{
	logged_begin();
	return room_clean(state);
}

/* One life: whatever is not there yet is written, a segment every two records. A full disk is tried
 * again. What ends it. */
static enum mr_err live(unsigned *full)
{
	struct room room;
	unsigned next = 1;
	enum mr_err err = room_open(&room, room_begin, NULL);

	room.journal.segment_bytes = 300;
	if (err == MR_OK)
		err = room_replay(&room);
	if (err == MR_END) {
		sscanf(room.cursor, "c%u", &next);
		next += room.cursor[0] != 0;
		err = MR_OK;
	}
	while (err == MR_OK && next <= RECORDS) {
		char text[64];
		char cursor[32];

		if (mr_spool_waiting(&room.spool) == 0) {
			snprintf(text, sizeof(text), "{\"n\":%u}", next);
			room_add(&room, next, text);
		}
		snprintf(cursor, sizeof(cursor), "c%u", next);
		err = room_commit(&room, cursor);
		if (err == MR_OK)
			err = mr_journal_sync(&room.journal, &room.error);
		next += err == MR_OK;
		if (err == MR_NO_SPACE) {
			(*full)++;
			err = MR_OK;
		}
	}
	if (err == MR_OK)
		assert_true(room_has(&room, 1, RECORDS));
	room_die(&room);
	return err;
}

static void check_all_there(void)
{
	struct room room;

	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_true(room_has(&room, 1, RECORDS));
	assert_true(room.journal.count >= 3);
	room_die(&room);
}

static unsigned fail_each_call(int number, bool half)
{
	unsigned full = 0;
	unsigned n = 0;
	bool met;

	do {
		enum mr_err err;

		room_clean(NULL);
		os_fault(
		    (struct os_fault){.call = OS_ANY, .nth = ++n, .number = number, .half = half});
		err = live(&full);
		met = os_fault_met();
		if (number == EIO && !half && met && os_failed != OS_UNLINKAT)
			assert_int_equal(err, MR_IO);
		os_faults_end();
		for (int lives = 0; err != MR_OK && lives < 3; lives++)
			err = live(&full);
		assert_int_equal(err, MR_OK);
		check_all_there();
	} while (met);
	assert_true(n > 30);
	return full;
}

static void any_call_may_find_no_room(void **state)
{
	(void)state;
	assert_true(fail_each_call(ENOSPC, false) > 10);
	fail_each_call(EDQUOT, true);
}

static void any_call_may_break(void **state)
{
	(void)state;
	assert_int_equal(fail_each_call(EIO, false), 0);
}

/* What waits waits on, and the cursor too; once there is room all goes on. */
static void a_disk_that_is_full_says_so(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_put_record(&room, 1), MR_OK);
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .number = ENOSPC, .lasting = true});
	room_add(&room, 2, "{\"n\":2}");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(room_commit(&room, "c2"), MR_NO_SPACE);
		assert_non_null(strstr(room.error.text, "journal/audit/"));
		assert_non_null(strstr(room.error.text, "No space left on device"));
		assert_string_equal(room.cursor, "c1");
	}
	os_faults_end();
	room_add(&room, 3, "{\"n\":3}");
	assert_int_equal(room_commit(&room, "c3"), MR_OK);
	assert_true(room_has(&room, 1, 3));
	room_die(&room);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_true(room_has(&room, 1, 3));
	room_die(&room);
}

static void a_sync_that_fails_is_the_end(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_put_record(&room, 1), MR_OK);
	assert_int_equal(mr_journal_due_us(&room.journal), 77 + room.journal.sync_us);
	for (int number = 0; number < 2; number++) {
		os_fault((struct os_fault){
		    .call = OS_FDATASYNC, .nth = 1, .number = number ? ENOSPC : EIO});
		assert_int_equal(mr_journal_sync(&room.journal, &room.error), MR_IO);
		assert_non_null(strstr(room.error.text, "cannot make it durable"));
	}
	os_fault((struct os_fault){0});
	assert_int_equal(mr_journal_sync(&room.journal, &room.error), MR_OK);
	assert_int_equal(os_counts[OS_FDATASYNC], 1);
	assert_int_equal(mr_journal_sync(&room.journal, &room.error), MR_OK);
	assert_int_equal(os_counts[OS_FDATASYNC], 1); /* nothing is left to sync */
	assert_int_equal(mr_journal_due_us(&room.journal), INT64_MAX);
	room.journal.sync_bytes = 100;
	assert_int_equal(room_put_record(&room, 2), MR_OK);
	assert_int_equal(os_counts[OS_FDATASYNC], 2); /* so many bytes do not wait */
	os_faults_end();
	room_die(&room);
}

/* A segment that cannot be removed is said, and stays. */
static void a_segment_that_stays(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	room.journal.segment_bytes = 300;
	room.journal.keep_bytes = 100;
	for (unsigned i = 1; i <= 4; i++)
		assert_int_equal(room_put_record(&room, i), MR_OK);
	mr_journal_position(&room.journal);
	mr_journal_commit(&room.journal, 77);
	os_fault((struct os_fault){.call = OS_UNLINKAT, .nth = 1, .number = EROFS});
	mr_journal_commit(&room.journal, 77);
	os_faults_end();
	assert_non_null(strstr(logged, "cannot remove it: Read-only file system"));
	assert_true(room.journal.count > 1);
	mr_journal_commit(&room.journal, 77);
	assert_int_equal(room.journal.count, 1);
	room_die(&room);
}

/* What is not seen is not gone. */
static void a_listing_that_breaks_off(void **state)
{
	struct room room;
	uint64_t sizes[2];

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room_put_record(&room, 1), MR_OK);
	room.journal.segment_bytes = 1;
	assert_int_equal(room_put_record(&room, 2), MR_OK);
	room_die(&room);
	sizes[0] = room_size(1);
	sizes[1] = room_size(2);
	for (unsigned n = 1;; n++) {
		enum mr_err err;

		os_fault((struct os_fault){.call = OS_READDIR, .nth = n, .number = EIO});
		err = room_open(&room, room_begin, NULL);
		if (!os_fault_met())
			break;
		os_faults_end();
		assert_int_equal(err, MR_IO);
		assert_non_null(strstr(room.error.text, "Input/output error"));
		room_die(&room);
		assert_true(room_size(1) == sizes[0] && room_size(2) == sizes[1]);
	}
	os_faults_end();
	assert_int_equal(room_replay(&room), MR_END);
	assert_true(room_has(&room, 1, 2));
	room_die(&room);
}

/* What stands behind a torn end and cannot be read proves nothing: nothing is cut off for it. */
static void a_read_that_fails_cuts_nothing(void **state)
{
	struct room room;
	uint64_t ends[4];

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(room_put_record(&room, i + 1), MR_OK);
		assert_int_equal(mr_journal_sync(&room.journal, &room.error), MR_OK);
		ends[i] = room_size(1);
	}
	room_die(&room);
	room_flip(1, ends[1] + 8);
	for (unsigned n = 1;; n++) {
		enum mr_err err;

		os_fault((struct os_fault){.call = OS_PREAD, .nth = n, .number = EIO});
		err = room_open(&room, room_begin, NULL);
		if (!os_fault_met())
			break;
		os_faults_end();
		assert_int_equal(err, MR_IO);
		assert_non_null(strstr(room.error.text, "Input/output error"));
		room_die(&room);
		assert_int_equal(room_size(1), ends[3]);
	}
	os_faults_end();
	assert_non_null(strstr(room.error.text, "what was whole once is not"));
	room_die(&room);
	assert_int_equal(room_size(1), ends[3]);
}

static void a_segment_replaces_none(void **state)
{
	struct room room;
	char path[256];
	FILE *other;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_put_record(&room, 1), MR_OK);
	room_path(2, path, sizeof(path));
	other = fopen(path, "we");
	assert_non_null(other);
	fputs("records", other);
	fclose(other);
	room.journal.segment_bytes = 1;
	assert_int_equal(room_put_record(&room, 2), MR_IO);
	assert_non_null(strstr(room.error.text, "File exists"));
	assert_int_equal(room_size(2), 7);
	room_die(&room);
}

static int dies(int fd)
{
	(void)fd;
	errno = EIO;
	return -1;
}

/* A process dies between a seal and its sync, the next goes on from it, and then the power goes. */
static void a_seal_that_was_found_outlasts_power(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_put_record(&room, 1), MR_OK);
	assert_int_equal(mr_journal_sync(&room.journal, &room.error), MR_OK);
	lossy_begin();
	room.journal.segment_bytes = 1;
	mr_os.fdatasync = dies;
	assert_int_equal(room_put_record(&room, 2), MR_IO);
	mr_os.fdatasync = mr_os.fsync;
	room_die(&room);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room_put_record(&room, 2), MR_OK);
	assert_int_equal(mr_journal_sync(&room.journal, &room.error), MR_OK);
	assert_int_equal(room.journal.count, 2);
	room_die(&room);
	lossy_power_cut();
	lossy_end();
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_true(room_has(&room, 1, 2));
	room_die(&room);
}

/* Its first record waits, as on a full disk, and then goes on under the right number. */
static void a_segment_that_readers_cannot_take(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room_put_record(&room, 1), MR_OK);
	room.journal.segment_bytes = 1;
	room.stage.files.no_room = true;
	room_add(&room, 2, "{\"n\":2}");
	for (int i = 0; i < 3; i++)
		assert_int_equal(room_commit(&room, "c2"), MR_NO_SPACE);
	room.stage.files.no_room = false;
	assert_int_equal(room_commit(&room, "c2"), MR_OK);
	room.journal.segment_bytes = 1 << 20;
	assert_int_equal(room_put_record(&room, 3), MR_OK);
	assert_true(room.journal.files[room.journal.count - 1].file != room.journal.files[0].file);
	assert_true(room_has(&room, 1, 3));
	room_die(&room);
}

/* Nor is it damage: of what joins two segments, of the block that is gone on from, of any other. */
static void a_read_that_fails_is_no_damage(void **state)
{
	struct mr_segment_walk walk = {.chain = 7};
	struct mr_journal_at from = {0};
	struct room room;
	bool met = true;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	room.journal.segment_bytes = 300;
	assert_int_equal(room_replay(&room), MR_END);
	for (unsigned i = 1; i <= RECORDS; i++) {
		assert_int_equal(room_put_record(&room, i), MR_OK);
		if (i == 3)
			from = mr_journal_position(&room.journal);
	}
	assert_true(room.journal.count > 2);
	assert_int_equal(mr_journal_sync(&room.journal, &room.error), MR_OK);
	room_die(&room);
	walk.fd = room_open_segment(1);
	os_fault((struct os_fault){.call = OS_PREAD, .nth = 1, .number = EIO});
	assert_int_equal(mr_segment_take_chain(&walk, &room.error), MR_IO);
	assert_int_equal(walk.chain, 7);
	os_faults_end();
	close(walk.fd);
	for (unsigned n = 1; met; n++) {
		enum mr_err err;

		os_fault((struct os_fault){.call = OS_PREAD, .nth = n, .number = EIO});
		err = room_open(&room, from, NULL);
		if (err == MR_OK)
			err = room_replay(&room);
		met = os_fault_met();
		os_faults_end();
		assert_int_equal(err, met ? MR_IO : MR_END);
		if (!met)
			assert_true(room_has(&room, 4, RECORDS));
		room_die(&room);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(any_call_may_find_no_room, begin),
	    cmocka_unit_test_setup(any_call_may_break, begin),
	    cmocka_unit_test_setup(a_disk_that_is_full_says_so, begin),
	    cmocka_unit_test_setup(a_sync_that_fails_is_the_end, begin),
	    cmocka_unit_test_setup(a_segment_that_stays, begin),
	    cmocka_unit_test_setup(a_listing_that_breaks_off, begin),
	    cmocka_unit_test_setup(a_read_that_fails_cuts_nothing, begin),
	    cmocka_unit_test_setup(a_read_that_fails_is_no_damage, begin),
	    cmocka_unit_test_setup(a_segment_replaces_none, begin),
	    cmocka_unit_test_setup(a_seal_that_was_found_outlasts_power, begin),
	    cmocka_unit_test_setup(a_segment_that_readers_cannot_take, begin),
	};

	return cmocka_run_group_tests(tests, NULL, room_remove);
}
