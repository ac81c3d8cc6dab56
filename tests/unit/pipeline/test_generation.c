/* test_generation.c - what is kept of sets of tables, and what goes. */
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

#include "generation.h"
#include "state_room.h"

/* Keeps a set of one table; its id. */
static uint64_t keep(const char *bytes)
{
	struct mr_tables *tables = mr_tables_new();
	struct mr_fields *fields = mr_fields_new();
	struct mr_generation generation;
	assert_int_equal(mr_tables_add_bytes(tables, "detect.image", mr_slice(bytes), NULL), MR_OK);
	assert_int_equal(mr_generation_of(tables, fields, &generation, NULL), MR_OK);
	assert_int_equal(mr_generation_keep(&dir, &generation, tables, fields, NULL), MR_OK);
	uint64_t id = generation.id;
	mr_generation_fini(&generation);
	mr_fields_free(fields);
	mr_tables_free(tables);
	return id;
}

static enum mr_err find(uint64_t id)
{
	struct mr_tables *tables = mr_tables_new();
	struct mr_fields *fields = NULL;
	enum mr_err err = mr_generation_find(&dir, id, tables, &fields, NULL);
	mr_fields_free(fields);
	mr_tables_free(tables);
	return err;
}

static void what_is_not_wanted_goes(void **state)
{
	uint64_t first = keep("first"), second = keep("second");
	const uint64_t ids[] = {second, 0, 77}; /* none was kept under these */
	(void)state;
	mr_generation_tidy(&dir, ids, 3);
	assert_int_equal(find(first), MR_NOT_FOUND);
	assert_int_equal(find(second), MR_OK);
}

/* Its tables are not known then, and any may be one of them. */
static void nothing_goes_where_a_set_cannot_be_read(void **state)
{
	uint64_t first = keep("first"), second = keep("second"), third = keep("third");
	const uint64_t ids[] = {second, third};
	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		os_fault((struct os_fault){.call = OS_PREAD, .nth = n, .number = EIO});
		mr_generation_tidy(&dir, ids, 2);
		assert_true(os_fault_met());
		os_faults_end();
		assert_int_equal(find(first), MR_OK);
		assert_int_equal(find(second), MR_OK);
		assert_int_equal(find(third), MR_OK);
	}
	mr_generation_tidy(&dir, ids, 2);
	assert_int_equal(find(first), MR_NOT_FOUND);
	assert_int_equal(find(second), MR_OK);
	assert_int_equal(find(third), MR_OK);
}

/* One that stands need not be kept again. */
static void what_stands_is_there_whole(void **state)
{
	uint64_t id = keep("first");
	char file[400];
	(void)state;
	assert_true(mr_generation_stands(&dir, id));
	assert_false(mr_generation_stands(&dir, id + 1));
	snprintf(file, sizeof file, "%s/generations/%016llx.table", dir.path,
		 (unsigned long long)mr_hash64("first", 5, 0));
	assert_int_equal(truncate(file, 4), 0);
	assert_false(mr_generation_stands(&dir, id));
	assert_int_equal(keep("first"), id);
	assert_true(mr_generation_stands(&dir, id));
	assert_int_equal(unlink(file), 0);
	assert_false(mr_generation_stands(&dir, id));
}

/* It is no part of what judges, and never lies on the disk. */
static void a_secret_is_not_kept(void **state)
{
	struct mr_tables *tables = mr_tables_new();
	struct mr_fields *fields = mr_fields_new();
	struct mr_generation generation;
	(void)state;
	assert_int_equal(mr_tables_add_bytes(tables, "detect.image", mr_slice("the image"), NULL),
			 MR_OK);
	assert_int_equal(
	    mr_tables_add_bytes(tables, "deliver.secrets.hook", mr_slice("a token"), NULL), MR_OK);
	assert_int_equal(mr_generation_of(tables, fields, &generation, NULL), MR_OK);
	assert_int_equal(generation.id, keep("the image"));
	assert_int_equal(generation.count, 1);
	assert_string_equal(generation.tables[0].name, "detect.image");
	mr_generation_fini(&generation);
	mr_fields_free(fields);
	mr_tables_free(tables);
}

/* The caller's to free. */
static char *long_text(void)
{
	size_t len = 700001;
	char *text = mr_malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + i % 23);
	text[len] = '\0';
	return text;
}

/* Says whether it is the text that is looked for, and counts what it was shown. */
struct look {
	const char *text;
	int shown;
};

static bool is_text(void *context, struct mr_slice bytes)
{
	struct look *look = context;
	look->shown++;
	return mr_slice_eq(bytes, mr_slice(look->text));
}

/* The text that a start gets back under that name, from what is kept below `path`. */
static bool recalls(const char *path, const char *name, struct look *look)
{
	struct mr_config config = {0};
	struct mr_tables *tables = mr_tables_new();
	struct mr_slice bytes;
	uint64_t hash;
	size_t size;
	int fd;
	if (path != NULL)
		mr_config_add(&config, "state", path);
	look->shown = 0;
	bool found = mr_generation_recall(&config, name, is_text, look, &fd, &size, &hash);
	if (found) {
		assert_true(mr_tables_sealed(fd));
		mr_tables_add(tables, name, fd, size);
		assert_int_equal(mr_tables_map(tables, name, &bytes, NULL), MR_OK);
		assert_true(mr_slice_eq(bytes, mr_slice(look->text)));
		assert_int_equal(hash, mr_hash64(bytes.at, bytes.len, 0));
		mr_tables_unmap(bytes);
	}
	mr_tables_free(tables);
	mr_config_fini(&config);
	return found;
}

/* A table that was kept need not be made again, where the stage that made it says that it fits. */
static void one_that_fits_is_had_again(void **state)
{
	struct look first = {.text = "first"}, third = {.text = "third"};
	char file[400];
	(void)state;
	assert_false(recalls(dir.path, "detect.image", &first));
	keep("first");
	keep("second");
	assert_true(recalls(dir.path, "detect.image", &first));
	assert_false(recalls(dir.path, "detect.image", &third));
	assert_int_equal(third.shown, 2);
	assert_false(recalls(dir.path, "detect.other", &first));
	assert_int_equal(first.shown, 0);
	assert_false(recalls(NULL, "detect.image", &first));
	assert_false(recalls("/nowhere", "detect.image", &first));
	/* One that is damaged is not even shown; nor is what others may have written. */
	snprintf(file, sizeof file, "%s/generations/%016llx.table", dir.path,
		 (unsigned long long)mr_hash64("first", 5, 0));
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "F", 1, 0), 1);
	close(fd);
	assert_false(recalls(dir.path, "detect.image", &first));
	assert_int_equal(first.shown, 1);
	assert_int_equal(fchmodat(dir.fd, "generations", 0722, 0), 0);
	struct look second = {.text = "second"};
	assert_false(recalls(dir.path, "detect.image", &second));
	assert_int_equal(fchmodat(dir.fd, "generations", 0700, 0), 0);
	assert_true(recalls(dir.path, "detect.image", &second));
}

static void one_of_many_pieces_is_had_again(void **state)
{
	char *text = long_text();
	struct look many = {.text = text};
	(void)state;
	keep(text);
	assert_true(recalls(dir.path, "detect.image", &many));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_secret_is_not_kept, begin, end),
	    cmocka_unit_test_setup_teardown(what_stands_is_there_whole, begin, end),
	    cmocka_unit_test_setup_teardown(one_that_fits_is_had_again, begin, end),
	    cmocka_unit_test_setup_teardown(one_of_many_pieces_is_had_again, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_not_wanted_goes, begin, end),
	    cmocka_unit_test_setup_teardown(nothing_goes_where_a_set_cannot_be_read, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
