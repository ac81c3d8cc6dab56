/* test_real_records.c - the shared folder's 4,796 real records, each parsed and told. */
#include "parse/harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>

static char *read_file(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return NULL;
	struct mr_buf buf = {0};
	size_t got;
	do {
		char *room = mr_buf_reserve(&buf, 1 << 16);
		got = fread(room, 1, 1 << 16, file);
		buf.len += got;
	} while (got > 0);
	fclose(file);
	*len_out = buf.len;
	return buf.data;
}

static void every_record_is_an_event(void **state)
{
	struct mr_slice all = *(struct mr_slice *)*state;
	struct harness h;
	harness_open(&h, NULL, NULL, NULL);
	for (size_t at = 0; at < all.len;) {
		const char *end = memchr(all.at + at, '\n', all.len - at);
		size_t len = (size_t)(end - (all.at + at));
		struct mr_event *event = harness_record(&h, (struct mr_slice){all.at + at, len});
		assert_non_null(event);
		assert_int_equal(event->kind, MR_KIND_UAL);
		assert_int_equal(event->id.len, 36);
		assert_int_equal(event->tenant.len, 36);
		assert_string_not_equal(shown(&h, event, "actor.user.name"), "-");
		assert_string_not_equal(shown(&h, event, "api.operation"), "-");
		at += len + 1;
	}
	assert_int_equal(h.counters.at[MR_C_RECORDS], 4796);
	assert_int_equal(h.counters.at[MR_C_PARSED], 4796);
	assert_int_equal(h.counters.at[MR_C_REJECTED], 0);
	assert_int_equal(h.counters.at[MR_C_REPAIRED], 0);
	assert_int_equal(h.counters.at[MR_C_UNKNOWN_KIND], 0);
	assert_int_equal(h.counters.at[MR_C_NO_TIME], 0);
	assert_int_equal(h.counters.at[MR_C_DUPLICATE_KEYS], 0);
	harness_close(&h);
}

int main(void)
{
	const char *shared = getenv("MILLRACE_SHARED");
	char path[4096];
	snprintf(path, sizeof path, "%s/data/ual/records.ndjson", shared == NULL ? "" : shared);
	struct mr_slice all = {0};
	char *bytes = read_file(path, &all.len);
	if (bytes == NULL) {
		fprintf(stderr, "skipped: no %s (MILLRACE_SHARED)\n", path);
		return 77;
	}
	all.at = bytes;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_prestate(every_record_is_an_event, &all),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(bytes);
	return failed;
}
