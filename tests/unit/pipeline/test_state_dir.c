/* test_state_dir.c - which checkpoint is gone on from, and what a disk that is full or broken
 * leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"
#include "millrace/checkpoint.h"
#include "state_room.h"

/* ---- checkpoints of one file ---- */

static void put(const char *name, const struct mr_buf *bytes)
{
	assert_int_equal(
	    mr_state_dir_put(&dir, name, (struct mr_slice){bytes->data, bytes->len}, NULL), MR_OK);
}

static const char *host = ""; /* that the file lies on */

static void put_checkpoint(uint64_t number, uint32_t snapshot_version)
{
	struct mr_manifest manifest = {.number = number, .has_seed = true};
	struct mr_manifest_file file = {.group = (char *)(uintptr_t) "counts",
					.stage = (char *)(uintptr_t) "counts",
					.host = (char *)(uintptr_t)host};
	struct mr_buf bytes = {0};
	char name[160];
	mr_snapshot_begin(&bytes, "counts");
	bytes.data[8] = (char)snapshot_version;
	mr_snapshot_end(&bytes, 0);
	file.sum = (struct mr_file_sum){.size = bytes.len,
					.hash = mr_get_le(bytes.data + bytes.len - 8, 8)};
	mr_manifest_directory(number, name);
	assert_int_equal(mkdirat(dir.fd, name, 0700), 0);
	mr_manifest_file_path(number, &file, name, sizeof name);
	int fd = openat(dir.fd, name, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, bytes.data, bytes.len), bytes.len);
	close(fd);
	bytes.len = 0;
	manifest.seed[0] = 's';
	mr_manifest_add_file(&manifest, &file);
	mr_manifest_encode(&manifest, &bytes);
	mr_manifest_path(number, name);
	put(name, &bytes);
	mr_manifest_fini(&manifest);
	mr_buf_fini(&bytes);
}

/* One byte of a file turned over. */
static void flip(const char *name, long at)
{
	char byte;
	int fd = openat(dir.fd, name, O_RDWR);
	off_t where = lseek(fd, at, at < 0 ? SEEK_END : SEEK_SET);
	assert_int_equal(pread(fd, &byte, 1, where), 1);
	byte ^= 0x20;
	assert_int_equal(pwrite(fd, &byte, 1, where), 1);
	close(fd);
}

static uint64_t recovered(enum mr_err wanted, const char *words)
{
	struct mr_manifest manifest;
	struct mr_error error = {0};
	assert_int_equal(mr_state_dir_recover(&dir, &manifest, &error), wanted);
	if (strstr(error.text, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, error.text);
	uint64_t number = manifest.number;
	assert_true(number == 0 || manifest.seed[0] == 's');
	mr_manifest_fini(&manifest);
	return number;
}

/* The number of the manifest that is shown to who only looks. */
static uint64_t looked_at(void)
{
	struct mr_manifest manifest;
	mr_state_dir_look(&dir, &manifest);
	uint64_t number = manifest.number;
	mr_manifest_fini(&manifest);
	return number;
}

static bool is_there(const char *name)
{
	return faccessat(dir.fd, name, F_OK, 0) == 0;
}

#define MANIFEST "MANIFEST-0000000000000000000"
#define SNAPSHOT "checkpoints/0000000000000000000"

/* What lies on another host is that host's to look at, and the checkpoint before is then asked for
 * by its number. */
static void another_hosts_files_are_left_to_it(void **state)
{
	struct mr_manifest manifest;
	struct mr_error error = {0};
	(void)state;
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	host = "b";
	put_checkpoint(2, MR_SNAPSHOT_VERSION);
	host = "";
	flip(SNAPSHOT "2/counts-1.counts", -1);
	assert_int_equal(recovered(MR_OK, ""), 2);
	assert_int_equal(mr_state_dir_recover(&dir, &manifest, &error), MR_OK);
	assert_int_equal(mr_state_dir_check_files(&dir, &manifest, "a", &error), MR_OK);
	assert_int_equal(mr_state_dir_check_files(&dir, &manifest, "b", &error), MR_BAD_INPUT);
	assert_int_equal(mr_state_dir_sync(&dir, 2, &manifest, "b", &error), MR_OK);
	mr_manifest_fini(&manifest);
	error = (struct mr_error){0};
	assert_int_equal(mr_state_dir_recover_below(&dir, 2, false, &manifest, &error), MR_OK);
	assert_int_equal(manifest.number, 1);
	mr_manifest_fini(&manifest);
	assert_false(is_there(MANIFEST "2"));
	/* Before the first there is none, and nothing is removed for that. */
	assert_int_equal(mr_state_dir_recover_below(&dir, 1, false, &manifest, &error), MR_OK);
	assert_int_equal(manifest.number, 0);
	assert_true(is_there(MANIFEST "1"));
}

/* What is made in it is durable, so it has to be, too. */
static void a_new_one_outlasts_power(void **state)
{
	char below[80];
	struct mr_state_dir new;
	struct mr_error error = {0};
	(void)state;
	snprintf(below, sizeof below, "%s/new", place);
	os_fault((struct os_fault){.call = OS_FSYNC, .nth = 1, .number = EIO});
	assert_int_equal(mr_state_dir_open(below, &new, &error), MR_IO);
	assert_non_null(strstr(error.text, "/new: it was made, and may not last"));
	assert_int_not_equal(access(below, F_OK), 0);
	assert_int_equal(mr_state_dir_open(below, &new, &error), MR_OK);
	mr_state_dir_close(&new);
}

static void the_newest_that_is_whole_is_taken(void **state)
{
	(void)state;
	assert_int_equal(recovered(MR_OK, ""), 0);
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	put_checkpoint(2, MR_SNAPSHOT_VERSION);
	assert_int_equal(recovered(MR_OK, ""), 2);
	flip(SNAPSHOT "2/counts-1.counts", -1); /* its own checksum, which no other is over */
	assert_int_equal(recovered(MR_OK, ""), 1);
	assert_false(is_there(MANIFEST "2")); /* the number will be given again */
	flip(MANIFEST "1", 8);                /* its version */
	assert_int_equal(recovered(MR_BAD_INPUT, MANIFEST "1: it is not whole"), 0);
	assert_true(is_there(MANIFEST "1"));
}

/* Nothing is looked for behind it, and nothing of it changes. */
static void a_look_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(looked_at(), 0);
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	put_checkpoint(2, MR_SNAPSHOT_VERSION);
	assert_int_equal(looked_at(), 2);
	flip(MANIFEST "2", -1);
	assert_int_equal(looked_at(), 1);
	assert_true(is_there(MANIFEST "2"));
}

/* Whoever could write there could give the service any state. */
static void one_that_everybody_may_write_in_is_not_taken(void **state)
{
	struct mr_state_dir again;
	struct mr_error error = {0};
	(void)state;
	mr_state_dir_close(&dir);
	assert_int_equal(chmod(place, 01777), 0);
	assert_int_equal(mr_state_dir_open(place, &again, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "others than its owner may write there (mode 1777)"));
	assert_int_equal(chmod(place, 0770), 0);
	assert_int_equal(mr_state_dir_open(place, &again, &error), MR_CONFIG);
	assert_int_equal(chmod(place, 0755), 0);
	assert_int_equal(mr_state_dir_open(place, &dir, NULL), MR_OK);
}

/* How it is opened by that name: not, for what is there; or as ever. */
static void opens(const char *path, const char *name, const char *words)
{
	struct mr_error error = {0};
	char wanted[256];
	mr_state_dir_close(&dir);
	snprintf(wanted, sizeof wanted, "%s%s: %s", path, name, words);
	assert_int_equal(mr_state_dir_open(path, &dir, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, wanted));
}

static void what_others_may_write_in_it_is_not_taken(void **state)
{
	static const char *const names[] = {"/lock", "/checkpoints", "/" SNAPSHOT "1",
					    "/" SNAPSHOT "1/counts-1.counts"};
	char path[160];
	struct stat before;
	(void)state;
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s%s", place, names[i]);
		assert_int_equal(stat(path, &before), 0);
		assert_int_equal(chmod(path, before.st_mode | 0020), 0);
		opens(place, names[i], "others than its owner may write there");
		assert_int_equal(chmod(path, before.st_mode | 0002), 0);
		opens(place, names[i], "others than its owner may write there");
		assert_int_equal(chmod(path, before.st_mode), 0);
	}
	assert_int_equal(mr_state_dir_open(place, &dir, NULL), MR_OK);
}

/* As systemd's own is: a link of root's, or of the user's. */
static void a_link_to_it_is_taken(void **state)
{
	char link[80], path[160];
	(void)state;
	snprintf(link, sizeof link, "%s-link", place);
	snprintf(path, sizeof path, "%s/inner", place);
	mr_state_dir_close(&dir);
	assert_int_equal(symlink(place, link), 0);
	assert_int_equal(mr_state_dir_open(link, &dir, NULL), MR_OK);
	if (geteuid() == 0) {
		assert_int_equal(lchown(link, 12345, 12345), 0);
		opens(link, "", "it belongs to user 12345, and this is user 0");
		assert_int_equal(lchown(link, 0, 0), 0);
		assert_int_equal(symlink("nowhere", path), 0);
		assert_int_equal(lchown(path, 12345, 12345), 0);
		opens(place, "/inner", "it belongs to user 12345");
		assert_int_equal(unlink(path), 0);
		assert_int_equal(chown(place, 12345, 12345), 0);
		opens(place, "", "it belongs to user 12345");
		assert_int_equal(chown(place, 0, 0), 0);
		assert_int_equal(mr_state_dir_open(link, &dir, NULL), MR_OK);
	}
	assert_int_equal(unlink(link), 0);
}

/* What cannot be looked at is no directory without checkpoints. */
static void one_that_cannot_be_listed_is_not_begun_anew(void **state)
{
	struct rlimit most;
	struct rlimit none;
	(void)state;
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = most.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	uint64_t number = recovered(MR_IO, "cannot be listed");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
	assert_int_equal(number, 0);
	assert_int_equal(recovered(MR_OK, ""), 1);
}

/* A disk that cannot be read for a moment is no damage: the newest is taken. */
static void one_that_cannot_be_read_for_a_moment_is_taken(void **state)
{
	(void)state;
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	put_checkpoint(2, MR_SNAPSHOT_VERSION);
	bool met = true;
	for (unsigned n = 1; met; n++) {
		os_fault((struct os_fault){.call = OS_PREAD, .nth = n, .number = EIO});
		assert_int_equal(recovered(MR_OK, ""), 2);
		met = os_fault_met();
		os_faults_end();
		assert_true(is_there(MANIFEST "2"));
		assert_true(n < 20);
	}
}

/* ---- a bad sector ---- */

static struct mr_os whole_disk;
static const char *bad_path; /* what lies there cannot be read */
static int bad_number;

static ssize_t read_but_there(int fd, void *out, size_t len, off_t at)
{
	char link[64], path[256];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t got = readlink(link, path, sizeof path - 1);
	path[got < 0 ? 0 : got] = 0;
	if (strstr(path, bad_path) == NULL)
		return whole_disk.pread(fd, out, len, at);
	errno = bad_number;
	return -1;
}

static void begin_bad(const char *path, int number)
{
	whole_disk = mr_os;
	bad_path = path;
	bad_number = number;
	mr_os.pread = read_but_there;
	dir.patience_us = 0;
}

static void end_bad(void)
{
	mr_os = whole_disk;
}

#define SET_ASIDE "unread-" MANIFEST
#define FILES_SET_ASIDE "checkpoints/unread-0000000000000000000"

/* Where that lasts, it is as if it were damaged, but nothing of it is removed. */
static void one_under_a_bad_sector_is_passed_over(void **state)
{
	static const char *const bad[] = {"/" MANIFEST "2", "/" SNAPSHOT "2/"};
	(void)state;
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	for (size_t i = 0; i < 2; i++) {
		put_checkpoint(2, MR_SNAPSHOT_VERSION);
		begin_bad(bad[i], EIO);
		assert_int_equal(recovered(MR_OK, ""), 1);
		assert_int_equal(recovered(MR_OK, ""), 1);
		end_bad();
		assert_false(is_there(MANIFEST "2") || is_there(SNAPSHOT "2"));
		mr_state_dir_tidy(&dir, 1, 0);
		assert_true(is_there(MANIFEST "1") && is_there(SNAPSHOT "1/counts-1.counts"));
		assert_true(is_there(SET_ASIDE "2"));
		assert_true(is_there(FILES_SET_ASIDE "2/counts-1.counts"));
	}
}

static void those_between_two_go_alone(void **state)
{
	(void)state;
	for (uint64_t number = 1; number <= 5; number++)
		put_checkpoint(number, MR_SNAPSHOT_VERSION);
	mr_state_dir_tidy_between(&dir, 2, 4, 0);
	assert_true(is_there(SNAPSHOT "1") && is_there(SNAPSHOT "2") && !is_there(SNAPSHOT "3") &&
		    is_there(SNAPSHOT "4") && is_there(SNAPSHOT "5"));
	mr_state_dir_tidy_between(&dir, 3, 5, 4);
	assert_true(is_there(SNAPSHOT "4") && is_there(SNAPSHOT "5"));
	assert_true(is_there(MANIFEST "3"));
	mr_state_dir_tidy(&dir, 5, 4);
}

/* Likewise one that another host has a part of: there the files, here the manifest. */
static void a_part_under_a_bad_sector_is_passed_over(void **state)
{
	struct mr_manifest two, manifest;
	struct mr_error error = {0};
	bool unread = true;
	(void)state;
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	host = "b";
	put_checkpoint(2, MR_SNAPSHOT_VERSION);
	host = "";
	assert_int_equal(mr_state_dir_recover(&dir, &two, &error), MR_OK);
	os_fault((struct os_fault){.call = OS_PREAD, .nth = 1, .number = EIO});
	assert_int_equal(mr_state_dir_await_files(&dir, &two, "b", &unread, &error), MR_OK);
	assert_true(os_fault_met() && !unread);
	os_faults_end();
	begin_bad("/" SNAPSHOT "2/", EACCES);
	assert_int_equal(mr_state_dir_await_files(&dir, &two, "b", &unread, &error), MR_IO);
	assert_false(unread);
	bad_number = EIO;
	assert_int_equal(mr_state_dir_await_files(&dir, &two, "b", &unread, &error), MR_IO);
	assert_true(unread);
	end_bad();
	assert_int_equal(mr_state_dir_recover_below(&dir, 2, true, &manifest, &error), MR_OK);
	assert_int_equal(manifest.number, 1);
	mr_manifest_fini(&manifest);
	mr_manifest_fini(&two);
	assert_true(is_there(SET_ASIDE "2") && !is_there(MANIFEST "2"));
	assert_true(is_there(FILES_SET_ASIDE "2/counts-1.counts") && !is_there(SNAPSHOT "2"));
}

/* Not for a mode, or for want of descriptors; nor where no other is whole. */
static void one_that_is_kept_from_us_is_not_passed_over(void **state)
{
	(void)state;
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	put_checkpoint(2, MR_SNAPSHOT_VERSION);
	begin_bad("/" MANIFEST "2", EACCES);
	recovered(MR_IO, MANIFEST "2: cannot read it: Permission denied");
	bad_number = EIO;
	bad_path = "/MANIFEST";
	recovered(MR_IO, MANIFEST "2: cannot read it: Input/output error");
	bad_path = "/" MANIFEST "1";
	flip(MANIFEST "2", 8);
	recovered(MR_IO, MANIFEST "1: cannot read it: Input/output error");
	flip(MANIFEST "2", 8);
	end_bad();
	assert_int_equal(recovered(MR_OK, ""), 2);
}

/* What others could write in a part that was not seen is not trusted unseen. */
static void a_listing_that_breaks_off_proves_no_trust(void **state)
{
	struct mr_error error = {0};
	(void)state;
	os_fault((struct os_fault){.call = OS_READDIR, .nth = 3, .number = EIO});
	assert_int_equal(mr_state_dir_trust(dir.fd, place, &error), MR_IO);
	assert_non_null(strstr(error.text, "cannot be listed: Input/output error"));
	os_faults_end();
	assert_int_equal(mr_state_dir_trust(dir.fd, place, &error), MR_OK);
}

static void what_is_newer_is_refused(void **state)
{
	struct mr_buf bytes = {0};
	(void)state;
	put_checkpoint(1, MR_SNAPSHOT_VERSION);
	put_checkpoint(2, MR_SNAPSHOT_VERSION + 1);
	recovered(MR_UNSUPPORTED, SNAPSHOT "2/counts-1.counts: the snapshot is of version");
	assert_true(is_there(MANIFEST "2") && is_there(SNAPSHOT "2/counts-1.counts"));
	assert_int_equal(mr_state_dir_get(&dir, MANIFEST "1", 1 << 20, &bytes, NULL), MR_OK);
	bytes.data[8] = MR_MANIFEST_VERSION + 1;
	bytes.len -= 8;
	mr_buf_add_le(&bytes, mr_hash64(bytes.data, bytes.len, 0), 8);
	put(MANIFEST "3", &bytes);
	recovered(MR_UNSUPPORTED, MANIFEST "3: it is of version");
	assert_true(is_there(MANIFEST "3"));
	mr_buf_fini(&bytes);
}

static void older_snapshots_are_taken(void **state)
{
	(void)state;
	put_checkpoint(1, 1);
	assert_int_equal(recovered(MR_OK, ""), 1);
}

/* ---- faults ---- */

/* Each call fails, once and for good, at once and with half of the bytes: what stands under the
 * name is whole, and is the new where the call says so. */
/* Nobody would ever write into a FIFO. */
static void what_is_no_file_is_not_waited_for(void **state)
{
	char path[120];
	struct mr_buf got = {0};
	struct mr_error error = {0};
	(void)state;
	snprintf(path, sizeof path, "%s/files", place);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mr_state_dir_get(&dir, "files", 100, &got, &error), MR_BAD_INPUT);
	assert_non_null(strstr(error.text, "/files: it is no file"));
	assert_int_equal(unlink(path), 0);
	mr_buf_fini(&got);
}

/* As a file is that was cut at its start: into a buffer that has nothing, too. */
static void what_is_empty_is_read(void **state)
{
	struct mr_buf got = {0};
	(void)state;
	put("empty", &got);
	assert_int_equal(mr_state_dir_get(&dir, "empty", 100, &got, NULL), MR_OK);
	assert_int_equal(got.len, 0);
	mr_buf_fini(&got);
}

static void what_is_put_is_there_or_not(void **state)
{
	static const struct os_fault faults[] = {{.number = EIO},
						 {.number = ENOSPC},
						 {.number = EIO, .lasting = true},
						 {.number = ENOSPC, .lasting = true, .half = true}};
	struct mr_slice old = MR_SLICE("old"), new = MR_SLICE("a new text that is longer");
	(void)state;
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		bool met = true;
		for (unsigned nth = 1; met; nth++) {
			struct os_fault fault = faults[i];
			struct mr_buf got = {0};
			struct mr_error error = {0};
			fault.nth = nth;
			assert_int_equal(mr_state_dir_put(&dir, "text", old, NULL), MR_OK);
			os_fault(fault);
			enum mr_err err = mr_state_dir_put(&dir, "text", new, &error);
			met = os_fault_met();
			enum os_call call = os_failed;
			os_faults_end();
			if (met && call != OS_UNLINKAT && !fault.half)
				assert_int_equal(err, fault.number == EIO ? MR_IO : MR_NO_SPACE);
			assert_true(err == MR_OK || strstr(error.text, place) != NULL);
			assert_int_equal(mr_state_dir_get(&dir, "text", 100, &got, NULL), MR_OK);
			struct mr_slice text = {got.data, got.len};
			bool is_new = mr_slice_eq(text, new);
			/* Behind the rename alone it may be the new, and not durable. */
			assert_true(is_new ? err == MR_OK || call == OS_FSYNC
					   : err != MR_OK && mr_slice_eq(text, old));
			mr_buf_fini(&got);
			assert_true(nth < 20);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(another_hosts_files_are_left_to_it, begin, end),
	    cmocka_unit_test_setup_teardown(a_new_one_outlasts_power, begin, end),
	    cmocka_unit_test_setup_teardown(the_newest_that_is_whole_is_taken, begin, end),
	    cmocka_unit_test_setup_teardown(a_look_changes_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(one_that_everybody_may_write_in_is_not_taken, begin,
					    end),
	    cmocka_unit_test_setup_teardown(what_others_may_write_in_it_is_not_taken, begin, end),
	    cmocka_unit_test_setup_teardown(a_link_to_it_is_taken, begin, end),
	    cmocka_unit_test_setup_teardown(one_that_cannot_be_listed_is_not_begun_anew, begin,
					    end),
	    cmocka_unit_test_setup_teardown(one_that_cannot_be_read_for_a_moment_is_taken, begin,
					    end),
	    cmocka_unit_test_setup_teardown(one_under_a_bad_sector_is_passed_over, begin, end),
	    cmocka_unit_test_setup_teardown(those_between_two_go_alone, begin, end),
	    cmocka_unit_test_setup_teardown(a_part_under_a_bad_sector_is_passed_over, begin, end),
	    cmocka_unit_test_setup_teardown(one_that_is_kept_from_us_is_not_passed_over, begin,
					    end),
	    cmocka_unit_test_setup_teardown(a_listing_that_breaks_off_proves_no_trust, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_newer_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(older_snapshots_are_taken, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_no_file_is_not_waited_for, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_empty_is_read, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_put_is_there_or_not, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
