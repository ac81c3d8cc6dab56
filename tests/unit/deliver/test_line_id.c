/* test_line_id.c - ids of lines, read back from lines cut at each byte; the set of those sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_files.h"
#include "sent.h"

static const char alert[] =
    "{\"message\":\"say \\\"finding_info\\\":{ \\\\\",\"time\":-12,\"time_dt\":\"x\","
    "\"severity_id\":4,\"activity_id\":2,\"count\":300,\"finding_info\":{\"uid\":"
    "\"000102030405060708090a0b0c0d0eff\",\"title\":\"t\"}}\n";
static const char letter[] = "{\"id\":\"000102030405060708090a0b0c0d0eff\",\"source\":\"s\"}\n";

static void an_id_is_read_from_a_line_that_is_whole_enough(void **state)
{
	const uint8_t want[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255};
	struct line_id id;
	const char *const texts[] = {alert, letter};
	(void)state;
	for (int t = 0; t < 2; t++) {
		size_t need = (size_t)(strstr(texts[t], "eff\"") - texts[t]) + 4;
		for (size_t len = 0; len <= strlen(texts[t]); len++) {
			char *exact = malloc(len == 0 ? 1 : len);
			memcpy(exact, texts[t], len);
			bool got = line_id_read((struct mr_slice){exact, len}, &id);
			assert_int_equal(got, len >= need);
			if (got)
				assert_memory_equal(id.id, want, sizeof want);
			free(exact);
		}
	}
	struct mr_alert same = {.activity = MR_ACTIVITY_UPDATE, .event_count = 300};
	memcpy(same.id, want, sizeof want);
	struct line_id made = line_id_of_alert(&same, (enum mr_level)4);
	assert_true(line_id_read(mr_slice(alert), &id) && line_id_eq(&id, &made));
	same.event_count = 301;
	made = line_id_of_alert(&same, (enum mr_level)4);
	assert_false(line_id_eq(&id, &made));
	same.activity = MR_ACTIVITY_CREATE;
	assert_int_equal(line_id_of_alert(&same, (enum mr_level)4).revision, 0);
}

static void what_is_no_line_of_ours_has_none(void **state)
{
	struct line_id id;
	(void)state;
	assert_false(line_id_read(MR_SLICE("not json"), &id));
	assert_false(line_id_read(MR_SLICE("{\"id\":\"0001\"}"), &id));
	assert_false(
	    line_id_read(MR_SLICE("{\"ID\":\"000102030405060708090A0B0C0D0EFF\",\"a\":1}"), &id));
	assert_false(line_id_read(MR_SLICE("{\"finding_info\":{\"uid\":"
					   "\"000102030405060708090a0b0c0d0eff\"}}"),
				  &id)); /* no activity */
	assert_false(line_id_read(MR_SLICE("{\"activity_id\":1,\"x\":{\"uid\":"
					   "\"000102030405060708090a0b0c0d0eff\"}}"),
				  &id));
}

static struct line_id number(uint32_t i)
{
	struct line_id id = {.revision = i % 3};
	memcpy(id.id, &i, sizeof i);
	return id;
}

static void each_is_there_until_it_is_taken(void **state)
{
	enum { COUNT = 5000 };
	struct sent sent = {.seed = 7}, back = {.seed = 8};
	struct mr_buf bytes = {0};
	(void)state;
	struct line_id id = number(0);
	assert_false(sent_take(&sent, &id));
	for (uint32_t i = 0; i < COUNT; i++) {
		id = number(i);
		assert_true(sent_add(&sent, &id) && sent_add(&sent, &id));
	}
	assert_int_equal(sent.count, COUNT);
	for (uint32_t i = 0; i < COUNT; i += 2) {
		id = number(i);
		assert_true(sent_take(&sent, &id));
		assert_false(sent_take(&sent, &id));
	}
	sent_pack(&sent, &bytes);
	struct mr_unpack in = mr_unpack((struct mr_slice){bytes.data, bytes.len});
	sent_unpack(&back, &in);
	assert_true(mr_unpack_done(&in));
	for (uint32_t i = 0; i < COUNT; i++) {
		id = number(i);
		assert_int_equal(sent_take(&back, &id), i % 2);
	}
	assert_int_equal(back.count, 0);
	mr_buf_fini(&bytes);
	sent_fini(&sent);
	sent_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_id_is_read_from_a_line_that_is_whole_enough),
	    cmocka_unit_test(what_is_no_line_of_ours_has_none),
	    cmocka_unit_test(each_is_there_until_it_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
