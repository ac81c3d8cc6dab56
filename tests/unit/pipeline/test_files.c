/* test_files.c - the table of files: what is dropped is closed, told, and its number free. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "files.h"

static uint32_t told = UINT32_MAX;

static enum mr_err ask(void *context, int fd, struct mr_slice name, uint32_t *number_out,
		       struct mr_error *error)
{
	(void)context;
	(void)fd;
	(void)name;
	(void)number_out;
	return mr_error_set(error, MR_PEER_LOST, "nobody");
}

static void tell(void *context, uint32_t number)
{
	(void)context;
	told = number;
}

static void put(struct mr_files *files, const char *text)
{
	struct mr_error error = {0};
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(mr_files_put(files, 3, fd, mr_slice(text), &error), MR_OK);
}

static void what_is_dropped_is_gone(void **state)
{
	struct mr_files *files = mr_files_new(ask, NULL);
	struct mr_error error = {0};
	char byte;

	(void)state;
	mr_files_on_drop(files, tell);
	put(files, "a");
	assert_int_equal(mr_files_read(files, 3, 0, &byte, 1, &error), MR_OK);
	assert_int_equal(mr_files_put(files, 3, -1, MR_SLICE("x"), &error), MR_PROTOCOL);
	mr_files_drop(files, 3);
	assert_int_equal(told, 3);
	assert_int_equal(mr_files_name(files, 3).len, 0);
	assert_int_equal(mr_files_read(files, 3, 0, &byte, 1, &error), MR_NOT_FOUND);
	mr_files_forget(files, 3); /* and of those that are not there nothing */
	mr_files_forget(files, 77);
	put(files, "b");
	assert_int_equal(mr_files_read(files, 3, 0, &byte, 1, &error), MR_OK);
	assert_int_equal(byte, 'b');
	mr_files_free(files);
}

static enum mr_err number_5(void *context, int fd, struct mr_slice name, uint32_t *number_out,
			    struct mr_error *error)
{
	(void)context, (void)fd, (void)name, (void)error;
	*number_out = 5;
	return MR_OK;
}

/* Whoever sends the bytes along reads them himself; his own descriptor stays his. */
static void what_is_kept_can_be_read(void **state)
{
	struct mr_files *files = mr_files_new(number_5, NULL);
	struct mr_error error = {0};
	uint32_t number;
	char byte;
	int fd = memfd_create("file", MFD_CLOEXEC);
	(void)state;
	assert_int_equal(write(fd, "a", 1), 1);
	assert_int_equal(mr_files_add(files, fd, MR_SLICE("x"), &number, &error), MR_OK);
	assert_int_equal(mr_files_read(files, 5, 0, &byte, 1, &error), MR_NOT_FOUND);
	mr_files_forget(files, 5);
	mr_files_keep(files);
	assert_int_equal(mr_files_add(files, fd, MR_SLICE("x"), &number, &error), MR_OK);
	close(fd);
	assert_int_equal(mr_files_read(files, 5, 0, &byte, 1, &error), MR_OK);
	assert_int_equal(byte, 'a');
	mr_files_free(files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_dropped_is_gone),
					   cmocka_unit_test(what_is_kept_can_be_read)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
