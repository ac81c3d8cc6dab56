/* test_file_numbers.c - the numbers of files: by name, kept, recalled, given again; at no more cost
 * where there are many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_numbers.h"
#include "os_faults.h"

struct kept {
	char place[64];
	struct mr_state_dir dir;
	struct mr_file_numbers numbers;
	struct mr_error error;
};

static struct kept kept;

static int begin(void **state)
{
	(void)state;
	kept = (struct kept){.place = "/tmp/mr-numbers-XXXXXX"};
	assert_non_null(mkdtemp(kept.place));
	assert_int_equal(mr_state_dir_open(kept.place, &kept.dir, NULL), MR_OK);
	return 0;
}

static int end(void **state)
{
	char command[96];
	(void)state;
	os_faults_end();
	mr_file_numbers_fini(&kept.numbers);
	mr_state_dir_close(&kept.dir);
	snprintf(command, sizeof command, "rm -rf %s", kept.place);
	return system(command);
}

static bool no_one(const void *context, uint32_t number)
{
	(void)context;
	(void)number;
	return false;
}

static bool is(const void *context, uint32_t number)
{
	return *(const uint32_t *)context == number;
}

static uint32_t add(const char *name)
{
	return mr_file_numbers_add(&kept.numbers, mr_slice(name), no_one, NULL);
}

static uint32_t find(const char *name)
{
	return mr_file_numbers_find(&kept.numbers, mr_slice(name));
}

static enum mr_err keep(void)
{
	return mr_file_numbers_keep(&kept.numbers, &kept.dir, &kept.error);
}

static enum mr_err recall(void)
{
	mr_file_numbers_fini(&kept.numbers);
	kept.error = (struct mr_error){0};
	return mr_file_numbers_recall(&kept.numbers, &kept.dir, &kept.error);
}

static int open_added(void)
{
	return openat(kept.dir.fd, "files.added", O_RDWR | O_CLOEXEC);
}

static off_t size_of(const char *name)
{
	struct stat about;
	return fstatat(kept.dir.fd, name, &about, 0) == 0 ? about.st_size : -1;
}

/* A name of 64 KiB each, so that few of them are too many: all that is taken is read back. */
static void more_bytes_than_can_be_read_back_are_refused(void **state)
{
	enum { LENGTH = 64 << 10, MOST = MR_FILE_NUMBERS_BYTES / LENGTH };
	static char name[LENGTH + 1];
	(void)state;
	memset(name, 'n', LENGTH);
	for (uint32_t i = 0; i < MOST; i++) {
		snprintf(name, 8, "%07u", i);
		name[7] = '/';
		assert_int_equal(add(name), i);
	}
	assert_int_equal(kept.numbers.bytes, MR_FILE_NUMBERS_BYTES);
	assert_int_equal(add("n"), MR_NO_FILE_NUMBER);
	assert_int_equal(keep(), MR_OK);
	assert_int_equal(recall(), MR_OK);
	assert_int_equal(kept.numbers.count, MOST);
	snprintf(name, 8, "%07u", MOST - 1);
	name[7] = '/';
	assert_int_equal(find(name), MOST - 1);
	mr_file_numbers_drop(&kept.numbers, 0);
	assert_int_equal(add("n"), 0);
}

static void names_are_found_again(void **state)
{
	(void)state;
	assert_int_equal(recall(), MR_OK);
	assert_int_equal(kept.error.code, MR_OK);
	assert_int_equal(find("a"), MR_NO_FILE_NUMBER);
	assert_int_equal(add("a"), 0);
	assert_int_equal(add("b"), 1);
	assert_int_equal(keep(), MR_OK);
	assert_int_equal(recall(), MR_OK);
	assert_int_equal(kept.error.code, MR_OK);
	assert_int_equal(find("a"), 0);
	assert_int_equal(find("b"), 1);
	kept.numbers.items[1].given = true;
	assert_int_equal(find("b"), MR_NO_FILE_NUMBER);
	mr_file_numbers_take_back(&kept.numbers);
	assert_int_equal(find("b"), 1);
}

static void what_is_dropped_is_given_again(void **state)
{
	uint32_t barred = 2;
	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(add((const char *[]){"a", "b", "c", "d"}[i]), i);
	mr_file_numbers_drop(&kept.numbers, 1);
	mr_file_numbers_drop(&kept.numbers, 2);
	assert_int_equal(find("b"), MR_NO_FILE_NUMBER);
	assert_int_equal(mr_file_numbers_add(&kept.numbers, MR_SLICE("e"), is, &barred), 1);
	assert_int_equal(mr_file_numbers_add(&kept.numbers, MR_SLICE("f"), is, &barred), 4);
	assert_int_equal(keep(), MR_OK);
	assert_int_equal(recall(), MR_OK);
	assert_int_equal(find("c"), MR_NO_FILE_NUMBER);
	assert_int_equal(find("e"), 1);
	assert_int_equal(find("f"), 4);
	assert_int_equal(add("g"), 2);
	assert_int_equal(add("h"), 5);
}

/* In the next incarnation each may have the other's number. */
static void a_name_that_two_have_stays(void **state)
{
	(void)state;
	assert_int_equal(add("a"), 0);
	kept.numbers.items[0].given = true;
	assert_int_equal(find("a"), MR_NO_FILE_NUMBER);
	assert_int_equal(add("a"), 1);
	kept.numbers.items[1].given = true;
	mr_file_numbers_drop(&kept.numbers, 0);
	assert_int_equal(find("a"), 0);
	assert_int_equal(add("b"), 2);
}

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

/* A write for each, as long as its name, however many there are; the list itself is written anew
 * when what was added is longer, and nothing is lost by that. */
static void many_cost_no_more_than_few(void **state)
{
	const struct mr_os real = mr_os;
	char name[64];
	off_t list = -1;
	unsigned lists = 0;
	(void)state;
	mr_os.fdatasync = no_sync;
	for (unsigned i = 0; i < 60000; i++) {
		snprintf(name, sizeof name, "/var/log/audit/export-%06u.ndjson", i);
		assert_int_equal(add(name), i);
		off_t before = size_of("files.added");
		assert_int_equal(keep(), MR_OK);
		off_t after = size_of("files.added");
		assert_true(after - before < 80);
		lists += size_of("files") != list;
		list = size_of("files");
	}
	mr_os = real;
	assert_in_range(lists, 1, 5);
	assert_int_equal(recall(), MR_OK);
	assert_int_equal(kept.numbers.count, 60000);
	for (unsigned i = 0; i < 60000; i++) {
		snprintf(name, sizeof name, "/var/log/audit/export-%06u.ndjson", i);
		assert_int_equal(find(name), i);
	}
}

/* Batches that the list holds already are read behind it: a power cut between the two. */
static void a_list_written_anew_before_the_rest_is_emptied(void **state)
{
	char command[200];
	(void)state;
	add("a");
	add("b");
	assert_int_equal(keep(), MR_OK);
	mr_file_numbers_drop(&kept.numbers, 0);
	add("c");
	assert_int_equal(keep(), MR_OK);
	snprintf(command, sizeof command, "cp %s/files.added %s/copy", kept.place, kept.place);
	assert_int_equal(system(command), 0);
	kept.numbers.kept_bytes = 1u << 20;
	add("d");
	assert_int_equal(keep(), MR_OK);
	assert_int_equal(size_of("files.added"), 0);
	assert_true(size_of("files") > 0);
	snprintf(command, sizeof command, "mv %s/copy %s/files.added", kept.place, kept.place);
	assert_int_equal(system(command), 0);
	assert_int_equal(recall(), MR_OK);
	assert_int_equal(find("c"), 0);
	assert_int_equal(find("b"), 1);
	assert_int_equal(find("d"), 2);
	assert_int_equal(find("a"), MR_NO_FILE_NUMBER);
}

static void a_torn_end_is_written_over(void **state)
{
	(void)state;
	add("a");
	assert_int_equal(keep(), MR_OK);
	off_t whole = size_of("files.added");
	add("bb");
	assert_int_equal(keep(), MR_OK);
	for (off_t len = size_of("files.added") - 1; len >= whole; len--) {
		int fd = open_added();
		assert_int_equal(ftruncate(fd, len), 0);
		close(fd);
		assert_int_equal(recall(), MR_OK);
		assert_int_equal(find("a"), 0);
		assert_int_equal(find("bb"), MR_NO_FILE_NUMBER);
	}
	add("c");
	assert_int_equal(keep(), MR_OK);
	assert_int_equal(recall(), MR_OK);
	assert_int_equal(find("c"), 1);
}

static void damage_is_refused(void **state)
{
	(void)state;
	add("a");
	assert_int_equal(keep(), MR_OK);
	off_t first = size_of("files.added");
	add("b");
	assert_int_equal(keep(), MR_OK);
	for (off_t at = 0; at < first; at++) {
		char byte;
		int fd = open_added();
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_int_equal(recall(), MR_BAD_INPUT);
		assert_non_null(strstr(kept.error.text, "files.added: offset 0: damaged"));
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
	}
	assert_int_equal(recall(), MR_OK);
}

/* A full disk: it is said, and what is kept later stands where it would have stood. */
static void a_write_that_fails_leaves_no_trace(void **state)
{
	(void)state;
	add("a");
	assert_int_equal(keep(), MR_OK);
	os_fault((struct os_fault){.call = OS_FDATASYNC, .nth = 1, .number = EIO});
	uint32_t number = add("a longer name than the next");
	assert_int_equal(keep(), MR_IO);
	mr_file_numbers_drop(&kept.numbers, number);
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .number = ENOSPC});
	number = add("b");
	assert_int_equal(keep(), MR_NO_SPACE);
	mr_file_numbers_drop(&kept.numbers, number);
	os_faults_end();
	assert_int_equal(add("c"), 1);
	assert_int_equal(keep(), MR_OK);
	assert_int_equal(recall(), MR_OK);
	assert_int_equal(find("a"), 0);
	assert_int_equal(find("c"), 1);
	assert_int_equal(find("b"), MR_NO_FILE_NUMBER);
	assert_int_equal(kept.numbers.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(names_are_found_again, begin, end),
	    cmocka_unit_test_setup_teardown(more_bytes_than_can_be_read_back_are_refused, begin,
					    end),
	    cmocka_unit_test_setup_teardown(what_is_dropped_is_given_again, begin, end),
	    cmocka_unit_test_setup_teardown(a_name_that_two_have_stays, begin, end),
	    cmocka_unit_test_setup_teardown(many_cost_no_more_than_few, begin, end),
	    cmocka_unit_test_setup_teardown(a_list_written_anew_before_the_rest_is_emptied, begin,
					    end),
	    cmocka_unit_test_setup_teardown(a_torn_end_is_written_over, begin, end),
	    cmocka_unit_test_setup_teardown(damage_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(a_write_that_fails_leaves_no_trace, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
