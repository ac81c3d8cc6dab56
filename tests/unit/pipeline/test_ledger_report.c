/* test_ledger_report.c - the books by source and hour, in three forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger_books.h"
#include "ledger_report.h"

static void fill(struct desk *desk)
{
	desk_open(desk);
	desk_checkpoint(desk);
	desk_checkpoint(desk);
	desk_begin(desk);
	put(desk, "a \"source\"\n", "collect", "bytes_collected", 3);
	assert_int_equal(mr_ledger_commit(desk->books, desk->head, NULL), MR_OK);
	desk->now_us += HOUR_US;
	desk_checkpoint(desk);
}

static void expect(const struct desk *desk, enum mr_report_form form, const char *const *lines,
		   size_t count)
{
	struct mr_buf out = {0};
	struct mr_error error = {0};
	if (mr_ledger_report(desk->ledger, form, &out, &error) != MR_OK)
		fail_msg("%s", error.text);
	mr_buf_add(&out, "", 1);
	const char *at = out.data;
	for (size_t i = 0; i < count; i++) {
		const char *end = strchr(at, '\n');
		assert_non_null(end);
		if (strncmp(at, lines[i], strlen(lines[i])) != 0)
			fail_msg("\"%s\" begins not as \"%s\"", at, lines[i]);
		at = end + 1;
	}
	assert_string_equal(at, "");
	mr_buf_fini(&out);
}

static void a_line_for_each_source_and_hour(void **state)
{
	(void)state;
	struct desk desk;
	fill(&desk);
	expect(&desk, MR_REPORT_TEXT,
	       (const char *[]){
		   "hour                  source                  records     "
		   "parsed   rejected   repaired    matched    signals     alerts  delivered"
		   "       shed\n",
		   "2026-03-02T10:00:00Z  mail                         30     "
		   "    27          3          0          0          3          3          3       "
		   "   0\n",
		   "2026-03-02T10:00:00Z  a \"source\"\xef\xbf\xbd",
		   "2026-03-02T11:00:00Z  mail                         10     "
		   "     9          1          0          0          1          1          1       "
		   "   0\n",
	       },
	       4);
	expect(&desk, MR_REPORT_JSON,
	       (const char *[]){
		   "{\"hour\": \"2026-03-02T10:00:00Z\", \"source\": \"mail\", "
		   "\"bytes_collected\": 3000, ",
		   "{\"hour\": \"2026-03-02T10:00:00Z\", \"source\": \"a \\\"source\\\"\\n\", "
		   "\"bytes_collected\": 3, ",
		   "{\"hour\": \"2026-03-02T11:00:00Z\", \"source\": \"mail\", ",
	       },
	       3);
	desk_close(&desk);
}

static void csv_has_a_column_for_each_count(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	desk_checkpoint(&desk);
	expect(&desk, MR_REPORT_CSV,
	       (const char *[]){
		   "hour,source,bytes_collected,bytes_received,records,parsed,",
		   "2026-03-02T10:00:00Z,\"mail\",1000,1000,10,9,",
	       },
	       2);
	desk_stop(&desk);
	assert_int_equal(mr_ledger_report("/tmp/none/ledger", MR_REPORT_CSV, NULL, NULL),
			 MR_NOT_FOUND);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_for_each_source_and_hour),
	    cmocka_unit_test(csv_has_a_column_for_each_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
