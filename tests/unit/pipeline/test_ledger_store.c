/* test_ledger_store.c - the books on disk: durable or not there, back to any checkpoint, folded
 * without losing a count, and no worse for a disk that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger_books.h"

static void reopen(struct desk *desk)
{
	struct mr_error error = {0};
	desk_stop(desk);
	if (mr_ledger_open(desk->ledger, false, &desk->books, &error) != MR_OK)
		fail_msg("%s", error.text);
}

static void what_is_committed_is_there(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	desk_checkpoint(&desk);
	desk_checkpoint(&desk);
	/* Others read it meanwhile; what is not committed they do not see. */
	desk_begin(&desk);
	assert_int_equal(ask(&desk, "SELECT count(*) FROM checkpoint"), 2);
	assert_int_equal(ask(&desk, "SELECT sum(n) FROM counters WHERE counter = 'parsed'"), 18);
	assert_int_equal(ask(&desk, "SELECT n FROM hours WHERE counter = 'records'"), 20);
	assert_int_equal(
	    ask(&desk, "SELECT position FROM positions WHERE partition = 'a/file' ORDER BY cut "
		       "DESC"),
	    200);
	assert_int_equal(ask(&desk, "SELECT sum(received_items) FROM links"), 2);
	assert_int_equal(ask(&desk, "SELECT max(lines) FROM outputs WHERE sink = 'alerts'"), 2);
	assert_int_equal(ask(&desk, "SELECT sum(n) FROM latencies WHERE step = 'deliver'"), 2);
	desk_close(&desk);
}

static void numbers_only_rise(void **state)
{
	(void)state;
	struct desk desk;
	uint8_t head[MR_LINE_HASH_BYTES];
	desk_open(&desk);
	desk_checkpoint(&desk);
	const struct mr_ledger_checkpoint same = {.number = 1};
	assert_int_equal(mr_ledger_begin(desk.books, &same, NULL), MR_BAD_INPUT);
	assert_int_equal(mr_ledger_commit(desk.books, head, NULL), MR_BAD_INPUT);
	desk.number = 6; /* those between have failed */
	desk_checkpoint(&desk);
	desk_stop(&desk);
	expect_sound(&desk);
	desk_close(&desk);
}

static void a_count_past_what_sqlite_holds_is_refused(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_error error = {0};
	uint8_t head[MR_LINE_HASH_BYTES];
	desk_open(&desk);
	desk_begin(&desk);
	put(&desk, "mail", "parse", "parsed", (uint64_t)INT64_MAX + 1);
	assert_int_equal(mr_ledger_commit(desk.books, head, &error), MR_BAD_INPUT);
	assert_string_equal(error.text, "9223372036854775808 is no count that the ledger can keep");
	assert_int_equal(ask(&desk, "SELECT count(*) FROM counter"), 0);
	desk_close(&desk);
}

/* ---- going back ---- */

static void books_go_back(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_error error = {0};
	uint8_t heads[5][MR_LINE_HASH_BYTES];
	desk_open(&desk);
	for (int i = 1; i < 5; i++) {
		desk_checkpoint(&desk);
		memcpy(heads[i], desk.head, sizeof desk.head);
	}
	reopen(&desk);
	assert_int_equal(mr_ledger_rewind(desk.books, 7, NULL, &error), MR_BAD_INPUT);
	assert_non_null(strstr(error.text, "has no checkpoint 7: the last one before it is 4"));
	assert_int_equal(mr_ledger_rewind(desk.books, 2, heads[3], &error), MR_BAD_INPUT);
	assert_non_null(strstr(error.text, "checkpoint 2 of the ledger is not the one of the "
					   "manifest"));
	assert_int_equal(ask(&desk, "SELECT count(*) FROM checkpoint"), 4);
	assert_int_equal(mr_ledger_rewind(desk.books, 4, heads[4], &error), MR_OK);
	assert_int_equal(mr_ledger_rewind(desk.books, 2, heads[2], &error), MR_OK);
	assert_int_equal(ask(&desk, "SELECT count(*) FROM checkpoint"), 2);
	assert_int_equal(ask(&desk, "SELECT max(cut) FROM counter"), 2);
	/* The same again gives the same: numbers, times and rows are all that counts. */
	desk.number = 2;
	desk.now_us = BEGIN_US + 2000000;
	desk.sinks[0].lines = (struct mr_line_hash){0};
	desk_checkpoint(&desk);
	assert_memory_not_equal(desk.head, heads[3], sizeof desk.head);
	assert_int_equal(mr_ledger_rewind(desk.books, 0, NULL, &error), MR_OK);
	assert_int_equal(ask(&desk, "SELECT count(*) FROM counter"), 0);
	desk_close(&desk);
}

/* ---- hours ---- */

static void checkpoints_of(struct desk *desk, int count, int64_t each_us)
{
	for (int i = 0; i < count; i++) {
		desk->now_us += each_us - 1000000;
		desk_checkpoint(desk);
	}
}

static void hours_take_the_place_of_checkpoints(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	mr_ledger_keep(desk.books, HOUR_US, 1000000);
	checkpoints_of(&desk, 60, HOUR_US / 10); /* six hours */
	assert_in_range(ask(&desk, "SELECT count(*) FROM hour"), 3, 5);
	assert_in_range(ask(&desk, "SELECT count(*) FROM checkpoint"), 10, 35);
	assert_in_range(ask(&desk, "SELECT count(DISTINCT cut) FROM counter WHERE cut > 0"), 10,
			35);
	assert_int_equal(ask(&desk, "SELECT sum(n) FROM hours WHERE counter = 'records'"), 600);
	assert_int_equal(ask(&desk, "SELECT count(*) FROM hours WHERE counter = 'records'"), 7);
	assert_int_equal(ask(&desk, "SELECT sum(n) FROM latencies"), 60);
	assert_int_equal(ask(&desk, "SELECT sum(sent_items) FROM links"), 60);
	assert_int_equal(ask(&desk, "SELECT lines FROM output WHERE cut = -1 LIMIT 1"),
			 ask(&desk, "SELECT last FROM hour WHERE cut = -1"));
	reopen(&desk);
	checkpoints_of(&desk, 1, HOUR_US / 10);
	desk_stop(&desk);
	expect_sound(&desk);
	forge(&desk, "UPDATE counter SET n = n - 1 WHERE cut = -2 AND counter ="
		     " (SELECT id FROM name WHERE text = 'parsed')");
	expect_found(&desk, "hour 2 (2026-03-02T11:00:00Z): a row of table counter was altered");
	desk_close(&desk);
}

static void a_removed_hour_is_named(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	mr_ledger_keep(desk.books, 0, 1000000);
	checkpoints_of(&desk, 40, HOUR_US / 10);
	desk_stop(&desk);
	expect_sound(&desk);
	forge(&desk, "DELETE FROM counter WHERE cut = -1; DELETE FROM proof WHERE cut = -1;"
		     "DELETE FROM position WHERE cut = -1; DELETE FROM output WHERE cut = -1;"
		     "DELETE FROM link WHERE cut = -1; DELETE FROM latency WHERE cut = -1;"
		     "DELETE FROM hour WHERE cut = -1");
	expect_found(&desk, "hour 1 is not there: an hour was removed");
	desk_close(&desk);
}

/* A recovery goes back over the commit that made an hour: the checkpoints are still there. */
static void books_go_back_over_an_hour(void **state)
{
	(void)state;
	struct desk desk;
	uint8_t heads[100][MR_LINE_HASH_BYTES];
	desk_open(&desk);
	mr_ledger_keep(desk.books, 0, 1000000);
	for (int i = 1; i < 60; i++) {
		desk.now_us += HOUR_US / 10;
		desk_checkpoint(&desk);
		memcpy(heads[desk.number], desk.head, sizeof desk.head);
		struct desk kept = desk;
		checkpoints_of(&desk, 2, HOUR_US / 7);
		assert_int_equal(
		    mr_ledger_rewind(desk.books, kept.number, heads[kept.number], NULL), MR_OK);
		kept.sinks[0] = desk.sinks[0];
		kept.sinks[1] = desk.sinks[1];
		desk = kept;
		assert_int_equal(ask(&desk, "SELECT sum(n) FROM hours WHERE counter = 'records'"),
				 10 * i);
	}
	desk_stop(&desk);
	expect_sound(&desk);
	desk_close(&desk);
}

/* A clock that goes back, and one that jumps ahead and back. */
static void clocks_may_jump(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	mr_ledger_keep(desk.books, HOUR_US, 12);
	for (int i = 0; i < 60; i++) {
		desk.now_us += i % 7 == 3 ? -HOUR_US : i == 40 ? 8760000 * HOUR_US : HOUR_US / 20;
		if (i == 43)
			desk.now_us = -HOUR_US;
		desk_checkpoint(&desk);
	}
	assert_int_equal(ask(&desk, "SELECT sum(n) FROM hours WHERE counter = 'records'"), 600);
	assert_in_range(ask(&desk, "SELECT count(*) FROM checkpoint"), 12, 40);
	desk_stop(&desk);
	expect_sound(&desk);
	desk_close(&desk);
}

/* Pages are used again: from some hours on more checkpoints make the file no larger than their
 * hours' rows. */
static void the_file_does_not_grow_with_checkpoints(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	mr_ledger_keep(desk.books, 0, 100);
	checkpoints_of(&desk, 400, HOUR_US / 100);
	int64_t pages = ask(&desk, "PRAGMA page_count");
	checkpoints_of(&desk, 800, HOUR_US / 100);
	assert_in_range(ask(&desk, "PRAGMA page_count"), pages, pages + pages / 5);
	assert_int_equal(ask(&desk, "SELECT sum(n) FROM hours WHERE counter = 'records'"), 12000);
	desk_stop(&desk);
	expect_sound(&desk);
	desk_close(&desk);
}

/* ---- other files ---- */

static void other_versions(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_error error = {0};
	struct mr_ledger *books;
	desk_open(&desk);
	desk_stop(&desk);
	forge(&desk, "PRAGMA user_version = 2");
	assert_int_equal(mr_ledger_open(desk.ledger, true, &books, &error), MR_UNSUPPORTED);
	assert_non_null(strstr(error.text, "is of version 2, this program knows up to 1: a newer "
					   "Millrace wrote it"));
	forge(&desk, "PRAGMA user_version = 1");
	assert_int_equal(mr_ledger_open(desk.ledger, false, &books, &error), MR_OK);
	mr_ledger_close(books);
	char path[100];
	snprintf(path, sizeof path, "%s/none", desk.dir);
	assert_int_equal(mr_ledger_open(path, false, &books, &error), MR_NOT_FOUND);
	/* Nobody would ever write into it. */
	struct mr_ledger_db db = {0};
	snprintf(path, sizeof path, "%s/fifo", desk.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	for (int access = 0; access < 3; access++) {
		assert_int_equal(
		    mr_ledger_db_open(path, (enum mr_ledger_access)access, &db, &error),
		    MR_BAD_INPUT);
		assert_non_null(strstr(error.text, "fifo: it is no file"));
	}
	/* What an URI would take apart. */
	snprintf(path, sizeof path, "%s/a?mode=memory#%%41", desk.dir);
	assert_int_equal(mr_ledger_open(path, true, &books, &error), MR_OK);
	mr_ledger_close(books);
	assert_int_equal(access(path, R_OK), 0);
	desk_close(&desk);
}

/* Somebody's shell holds it: said, and nothing lost. */
/* Refused, with the name of the file; and taken again once that is back. */
static void expect_missed(struct desk *desk, const char *path)
{
	struct mr_error error = {0};
	char aside[120];
	snprintf(aside, sizeof aside, "%s.aside", path);
	assert_int_equal(rename(path, aside), 0);
	for (int replaced = 0; replaced < 2; replaced++) {
		const struct mr_ledger_checkpoint next = {.number = desk->number + 1};
		assert_int_equal(mr_ledger_begin(desk->books, &next, &error), MR_BAD_INPUT);
		assert_int_equal(strncmp(error.text, path, strlen(path)), 0);
		assert_non_null(strstr(error.text, " was removed, moved or replaced"));
		FILE *other = fopen(path, "w");
		assert_non_null(other);
		fclose(other);
	}
	assert_int_equal(rename(aside, path), 0);
	desk_checkpoint(desk);
}

static void a_file_that_goes_is_missed(void **state)
{
	(void)state;
	struct desk desk;
	char log[120];
	desk_open(&desk);
	snprintf(log, sizeof log, "%s-wal", desk.ledger);
	expect_missed(&desk, desk.ledger);
	expect_missed(&desk, log);
	reopen(&desk);
	desk_checkpoint(&desk);
	expect_missed(&desk, log);
	expect_missed(&desk, desk.ledger);
	desk_stop(&desk);
	expect_sound(&desk);
	desk_close(&desk);
}

static void it_is_ours_alone(void **state)
{
	(void)state;
	static const char *const endings[] = {"", "-wal", "-shm"};
	struct desk desk;
	mode_t before = umask(0);
	desk_open(&desk);
	desk_checkpoint(&desk);
	umask(before);
	for (int i = 0; i < 3; i++) {
		char path[120];
		struct stat about;
		snprintf(path, sizeof path, "%s%s", desk.ledger, endings[i]);
		assert_int_equal(stat(path, &about), 0);
		assert_int_equal(about.st_mode & 07777, 0600);
	}
	desk_close(&desk);
}

static void another_writer_is_told(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_error error = {0};
	sqlite3 *db = NULL;
	desk_open(&desk);
	assert_int_equal(sqlite3_open(desk.ledger, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	const struct mr_ledger_checkpoint next = {.number = 1};
	assert_int_equal(mr_ledger_begin(desk.books, &next, &error), MR_AGAIN);
	assert_non_null(strstr(error.text, "somebody else writes to it"));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	desk_checkpoint(&desk);
	desk_close(&desk);
}

/* ---- a disk that fails ---- */

/* SQLite's own shim: the default file system, whose writes, syncs and growth fail from the n-th
 * on, as a full disk's would. */
static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	sqlite3_io_methods methods;
	long left; /* writes that go well; -1: all */
	int code;
} disk;

struct shim_file {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct shim_file *)(void *)file)->real;
}

static int spend(void)
{
	if (disk.left == 0)
		return disk.code;
	disk.left -= disk.left > 0;
	return SQLITE_OK;
}

static int shim_close(sqlite3_file *file)
{
	sqlite3_file *real = real_of(file);
	int code = real->pMethods->xClose(real);
	free(real);
	return code;
}
static int shim_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), out, len, at);
}
static int shim_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	int code = spend();
	return code != SQLITE_OK ? code
				 : real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
}
static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}
static int shim_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return spend() == SQLITE_OK ? SQLITE_OK : SQLITE_IOERR_FSYNC; /* no power is cut here */
}
static int shim_size(sqlite3_file *file, sqlite3_int64 *out)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), out);
}
static int shim_lock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xLock(real_of(file), lock);
}
static int shim_unlock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}
static int shim_reserved(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
static int shim_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}
static int shim_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int shim_traits(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int shim_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}
static int shim_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}
static void shim_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}
static int shim_shm_unmap(sqlite3_file *file, int delete)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_traits,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
		     int *flags_out)
{
	(void)vfs;
	struct shim_file *own = (struct shim_file *)(void *)file;
	own->real = calloc(1, (size_t)disk.real->szOsFile);
	int code = disk.real->xOpen(disk.real, name, own->real, flags, flags_out);
	own->base.pMethods = code == SQLITE_OK ? &shim_methods : NULL;
	if (code != SQLITE_OK)
		free(own->real);
	return code;
}

static void fail_from(long left, int code)
{
	disk.left = left;
	disk.code = code;
}

static int disk_setup(void **state)
{
	(void)state;
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "failing";
	disk.vfs.szOsFile = sizeof(struct shim_file);
	disk.vfs.xOpen = shim_open;
	fail_from(-1, SQLITE_OK);
	return sqlite3_vfs_register(&disk.vfs, 1);
}

static int disk_teardown(void **state)
{
	(void)state;
	return sqlite3_vfs_unregister(&disk.vfs);
}

/* At each write of a commit in turn, with rows enough that an hour is folded and the log is put
 * into the file: all or nothing, and the next try goes well. */
static void a_failing_disk_loses_nothing(int code, enum mr_err wanted)
{
	struct desk desk;
	struct mr_error error = {0};
	unsigned failures = 0;
	desk_open(&desk);
	mr_ledger_keep(desk.books, 0, 10);
	for (long left = 0; desk.number < 40;) {
		uint64_t before = desk.number;
		desk.now_us += HOUR_US / 20;
		desk_begin(&desk);
		fail_from(left, code);
		enum mr_err err = mr_ledger_commit(desk.books, desk.head, &error);
		fail_from(-1, SQLITE_OK);
		if (err == MR_OK) {
			left = 0;
			continue;
		}
		failures++;
		left++;
		assert_true(err == wanted || err == MR_IO);
		assert_int_equal(ask(&desk, "SELECT max(number) FROM checkpoint"), before);
		desk.number = before;
		reopen(&desk);
		mr_ledger_keep(desk.books, 0, 10);
		assert_int_equal(mr_ledger_rewind(desk.books, before, NULL, &error), MR_OK);
	}
	assert_in_range(failures, 40, 100000);
	assert_int_equal(ask(&desk, "SELECT sum(n) FROM hours WHERE counter = 'records'"), 400);
	desk_stop(&desk);
	expect_sound(&desk);
	desk_close(&desk);
}

static void a_full_disk_loses_nothing(void **state)
{
	(void)state;
	a_failing_disk_loses_nothing(SQLITE_FULL, MR_NO_SPACE);
}

static void a_disk_that_fails_loses_nothing(void **state)
{
	(void)state;
	a_failing_disk_loses_nothing(SQLITE_IOERR_WRITE, MR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_committed_is_there),
	    cmocka_unit_test(numbers_only_rise),
	    cmocka_unit_test(a_count_past_what_sqlite_holds_is_refused),
	    cmocka_unit_test(books_go_back),
	    cmocka_unit_test(hours_take_the_place_of_checkpoints),
	    cmocka_unit_test(a_removed_hour_is_named),
	    cmocka_unit_test(books_go_back_over_an_hour),
	    cmocka_unit_test(clocks_may_jump),
	    cmocka_unit_test(the_file_does_not_grow_with_checkpoints),
	    cmocka_unit_test(other_versions),
	    cmocka_unit_test(a_file_that_goes_is_missed),
	    cmocka_unit_test(it_is_ours_alone),
	    cmocka_unit_test(another_writer_is_told),
	    cmocka_unit_test(a_full_disk_loses_nothing),
	    cmocka_unit_test(a_disk_that_fails_loses_nothing),
	};
	return cmocka_run_group_tests(tests, disk_setup, disk_teardown);
}
