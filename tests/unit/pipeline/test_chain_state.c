/* test_chain_state.c - a stage's state of many pieces, some larger than a piece, comes back as it
 * was, and its checksum is that of the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chain_state.h"
#include "millrace/checkpoint.h"
#include "millrace/os.h"

static size_t bytes_of(uint8_t key_group)
{
	return key_group == 77 ? 9000001 : (size_t)key_group * 611;
}

static char byte_of(uint8_t key_group, size_t at)
{
	return (char)((at * 2654435761u) >> 13 ^ key_group);
}

static void put_group(void *state, uint8_t key_group, struct mr_buf *out)
{
	size_t len = bytes_of(key_group);
	char *to = mr_buf_reserve(out, len);
	(void)state;
	for (size_t i = 0; i < len; i++)
		to[i] = byte_of(key_group, i);
	out->len += len;
}

static enum mr_err get_group(void *state, uint8_t key_group, struct mr_slice bytes,
			     struct mr_error *error)
{
	size_t *came = state, differ = 0;
	(void)error;
	assert_int_equal(bytes.len, bytes_of(key_group));
	for (size_t i = 0; i < bytes.len; i++)
		differ += bytes.at[i] != byte_of(key_group, i);
	assert_int_equal(differ, 0);
	*came += bytes.len;
	return MR_OK;
}

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	(void)name;
	return NULL;
}

static void count_piece(void *context)
{
	++*(size_t *)context;
}

static size_t writes, writes_past_cache;

static ssize_t note_write(int fd, const void *bytes, size_t len)
{
	writes++;
	writes_past_cache += (fcntl(fd, F_GETFL) & O_DIRECT) != 0;
	return write(fd, bytes, len);
}

/* Of a stage that says it holds so much, which decides how the file is written, and nothing else.
 */
static void there_and_back(uint64_t held)
{
	static const struct mr_stage_ops ops = {
	    .name = "large", .snapshot = put_group, .restore = get_group};
	size_t came = 0, all = 0, pieces = 0;
	struct mr_chain chain = {.items = {{.ops = &ops, .state = &came}}, .count = 1};
	const struct mr_stage_env env = {.worker = 0, .workers = 1, .held = &held};
	const struct mr_snapshot_watch watch = {count_piece, &pieces};
	char path[] = "/tmp/millrace-test-XXXXXX";
	int fd = mkstemp(path);
	struct mr_file_sum sum;
	struct mr_error error = {0};
	struct stat about;

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mr_chain_snapshot(&chain, 0, &env, fd, &watch, &sum, &error), MR_OK);
	assert_int_equal(fstat(fd, &about), 0);
	assert_int_equal(sum.size, about.st_size);
	for (unsigned group = 0; group < MR_KEY_GROUPS; group++)
		all += bytes_of((uint8_t)group);
	assert_true(sum.size > all && pieces > 3);

	char *bytes = mr_malloc(sum.size);
	assert_int_equal(mr_os_read(fd, bytes, sum.size, 0, NULL), MR_READ_WHOLE);
	struct mr_slice file = {bytes, sum.size};
	assert_int_equal(mr_chain_restore(&chain, 0, &env, file, &error), MR_OK);
	assert_int_equal(came, all);
	free(bytes);
	close(fd);
}

/* What recovery is to find in the page cache goes through it, from the first byte on. */
static void a_large_state(void **state)
{
	(void)state;
	mr_os.write = note_write;
	there_and_back(1);
	writes = writes_past_cache = 0;
	there_and_back(UINT64_C(1) << 30);
	mr_os.write = write;
	assert_true(writes > 3);
	assert_int_equal(writes_past_cache, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_large_state)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
