/* test_shared_tables.c - the blobs that workers share: sealed, found, hashed, measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tables.h"

#include "exact.h"

static void tables_are_sealed_and_found(void **state)
{
	(void)state;
	struct mr_tables *tables = mr_tables_new();
	struct mr_slice bytes;
	struct mr_error error = {0};
	const char *name;
	int fd;
	size_t size;
	assert_int_equal(mr_tables_add_bytes(tables, "detect.rules", S("rules"), &error), MR_OK);
	assert_int_equal(mr_tables_add_bytes(tables, "empty", S(""), &error), MR_OK);
	assert_true(mr_tables_find(tables, "detect.rules", &fd, &size));
	assert_int_equal(size, 5);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(mr_tables_map(tables, "detect.rules", &bytes, &error), MR_OK);
	assert_slice(bytes, S("rules"));
	assert_int_equal(mr_tables_map(tables, "empty", &bytes, &error), MR_OK);
	assert_int_equal(bytes.len, 0);
	assert_int_equal(mr_tables_map(tables, "none", &bytes, &error), MR_NOT_FOUND);
	assert_false(mr_tables_find(tables, "none", &fd, &size));

	struct mr_tables *again = mr_tables_new();
	assert_int_equal(mr_tables_count(tables), 2);
	for (size_t i = 0; i < mr_tables_count(tables); i++) {
		mr_tables_at(tables, i, &name, &fd, &size);
		mr_tables_add(again, name, dup(fd), size);
	}
	mr_tables_free(tables);
	assert_int_equal(mr_tables_map(again, "detect.rules", &bytes, &error), MR_OK);
	assert_slice(bytes, S("rules"));
	mr_tables_free(again);
}

/* Whoever knows a table's hash says it; of all others the bytes are read. */
static void a_table_is_hashed_where_nobody_did(void **state)
{
	(void)state;
	struct mr_tables *tables = mr_tables_new();
	const uint64_t of_rules = mr_hash64("rules", 5, 0);
	uint64_t hash;
	int fd;
	size_t size;
	assert_int_equal(mr_tables_add_bytes(tables, "read", S("rules"), NULL), MR_OK);
	assert_true(mr_tables_find(tables, "read", &fd, &size));
	mr_tables_add_hashed(tables, "said", dup(fd), size, 7);
	assert_int_equal(mr_tables_add_bytes(tables, "empty", S(""), NULL), MR_OK);
	assert_int_equal(mr_tables_hash(tables, 0, &hash, NULL), MR_OK);
	assert_int_equal(hash, of_rules);
	assert_int_equal(mr_tables_hash(tables, 1, &hash, NULL), MR_OK);
	assert_int_equal(hash, 7);
	assert_int_equal(mr_tables_hash(tables, 2, &hash, NULL), MR_OK);
	assert_int_equal(hash, mr_hash64("", 0, 0));
	mr_tables_free(tables);
}

/* Of a door to the world, or of a file on a disk, the memory is not ours. */
static void tables_in_memory_are_measured(void **state)
{
	(void)state;
	static char text[4 << 20]; /* where the kernel gives pages of 2 MiB, too */
	char path[] = "/tmp/millrace-table-XXXXXX";
	struct mr_tables *tables = mr_tables_new();
	int ends[2];
	int fd = mkstemp(path);
	assert_int_equal(mr_tables_taken(tables), 0);
	assert_int_equal(write(fd, text, sizeof text), sizeof text);
	mr_tables_add(tables, "file", fd, sizeof text);
	assert_int_equal(pipe(ends), 0);
	mr_tables_add(tables, "from", ends[0], 0);
	mr_tables_add(tables, "to", ends[1], 0);
	assert_int_equal(mr_tables_taken(tables), 0);
	memset(text, 1, sizeof text);
	struct mr_slice bytes = {text, sizeof text};
	assert_int_equal(mr_tables_add_bytes(tables, "one", bytes, NULL), MR_OK);
	assert_int_equal(mr_tables_taken(tables), sizeof text);
	bytes.len /= 2;
	assert_int_equal(mr_tables_add_bytes(tables, "another", bytes, NULL), MR_OK);
	assert_int_equal(mr_tables_taken(tables), sizeof text + sizeof text / 2);
	mr_tables_free(tables);
	unlink(path);
}

static void a_table_shorter_than_promised_is_an_error(void **state)
{
	(void)state;
	char path[] = "/tmp/millrace-table-XXXXXX";
	struct mr_tables *tables = mr_tables_new();
	struct mr_slice bytes;
	uint64_t hash;
	struct mr_error error = {0};
	int fd = mkstemp(path);
	unlink(path);
	assert_int_equal(write(fd, "abc", 3), 3);
	mr_tables_add(tables, "short", fd, 4);
	assert_int_equal(mr_tables_map(tables, "short", &bytes, &error), MR_IO);
	assert_string_equal(error.text, "table short: it has 3 bytes, 4 were promised");
	assert_int_equal(mr_tables_hash(tables, 0, &hash, &error), MR_IO);
	mr_tables_free(tables);
}

/* A disk is not all that can be full. */
static void a_table_past_the_longest_file_has_no_room(void **state)
{
	(void)state;
	struct mr_tables *tables = mr_tables_new();
	struct mr_error error = {0};
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit little = {.rlim_cur = 1, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	enum mr_err err = mr_tables_add_bytes(tables, "long", S("two"), &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err, MR_NO_SPACE);
	mr_tables_free(tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_are_sealed_and_found),
	    cmocka_unit_test(tables_in_memory_are_measured),
	    cmocka_unit_test(a_table_is_hashed_where_nobody_did),
	    cmocka_unit_test(a_table_shorter_than_promised_is_an_error),
	    cmocka_unit_test(a_table_past_the_longest_file_has_no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
