/* test_generation.c - what is kept of sets of tables, and what goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_secret_is_not_kept, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_not_wanted_goes, begin, end),
	    cmocka_unit_test_setup_teardown(nothing_goes_where_a_set_cannot_be_read, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
