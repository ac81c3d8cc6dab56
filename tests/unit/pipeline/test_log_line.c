/* test_log_line.c - one line an event, whatever its words hold; a line never waits. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "exact.h"
#include "log_line.h"

static struct mr_log_line line_of(struct mr_slice words)
{
	return (struct mr_log_line){.time_us = INT64_C(1764393000000000),
				    .level = MR_LOG_WARNING,
				    .event = MR_EVENT_ALARM_RAISED,
				    .worker = "parse-1",
				    .incarnation = 3,
				    .words = words};
}

static char *put(enum mr_log_format format, struct mr_slice words)
{
	struct mr_buf out = {0};
	struct mr_log_line line = line_of(words);
	mr_log_line_put(format, &line, &out);
	assert_true(mr_utf8_valid(out.data, out.len));
	assert_true(out.len <= PIPE_BUF);
	assert_ptr_equal(memchr(out.data, '\n', out.len), out.data + out.len - 1);
	mr_buf_add(&out, "", 1);
	return out.data;
}

static void is_put(enum mr_log_format format, struct mr_slice words, const char *wanted)
{
	char *text = put(format, words);
	assert_string_equal(text, wanted);
	free(text);
}

#define TEXT_HEAD "2025-11-29T05:10:00Z warning alarm.raised parse-1 #3: "
#define JSON_HEAD                                                                                  \
	"{\"time\": \"2025-11-29T05:10:00Z\", \"level\": \"warning\", \"event\": "                 \
	"\"alarm.raised\", \"worker\": \"parse-1\", \"incarnation\": 3, \"message\": \""

static void what_misleads_is_escaped(void **state)
{
	(void)state;
	struct mr_slice words =
	    S("a\nb\x1b[0m \xff \xe2\x80\xae\xc3\xa9 \"q\" c:\\n \xf3\xa0\x80\xa0");
	is_put(MR_LOG_FORMAT_TEXT, words,
	       TEXT_HEAD "a\\nb\\x1b[0m \\xff \\u202e\xc3\xa9 \"q\" c:\\\\n \\ue0020\n");
	is_put(MR_LOG_FORMAT_JSON, words,
	       JSON_HEAD "a\\u000ab\\u001b[0m \xef\xbf\xbd \\u202e\xc3\xa9 \\\"q\\\" c:\\\\n "
			 "\\udb40\\udc20\"}\n");
}

static void each_byte_and_every_pair_makes_one_whole_line(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 65536; i++) {
		char pair[2] = {(char)(i >> 8), (char)i};
		struct mr_slice words = exact(pair, i < 256 ? 1 : 2);
		free(put(MR_LOG_FORMAT_TEXT, words));
		free(put(MR_LOG_FORMAT_JSON, words));
		drop(words);
	}
}

static void a_long_line_is_cut_and_whole(void **state)
{
	(void)state;
	static char words[4096];
	for (size_t len = 3900; len <= sizeof words; len++) {
		memset(words, 'a', len);
		char *json = put(MR_LOG_FORMAT_JSON, (struct mr_slice){words, len});
		size_t used = strlen(json);
		assert_string_equal(json + used - 3, "\"}\n");
		free(json);
	}
	memset(words, '\n', sizeof words);
	for (int format = 0; format < 2; format++) {
		char *text =
		    put((enum mr_log_format)format, (struct mr_slice){words, sizeof words});
		assert_non_null(strstr(text, "\xe2\x80\xa6"));
		assert_true(strlen(text) > PIPE_BUF - 16);
		free(text);
	}
}

static void the_supervisor_before_its_workers_has_no_name(void **state)
{
	(void)state;
	struct mr_log_line line = line_of(S("x"));
	struct mr_buf out = {0};
	line.worker = NULL;
	line.incarnation = 0;
	mr_log_line_put(MR_LOG_FORMAT_TEXT, &line, &out);
	mr_log_line_put(MR_LOG_FORMAT_JSON, &line, &out);
	mr_buf_add(&out, "", 1);
	assert_string_equal(out.data,
			    "2025-11-29T05:10:00Z warning alarm.raised: x\n"
			    "{\"time\": \"2025-11-29T05:10:00Z\", \"level\": \"warning\", "
			    "\"event\": \"alarm.raised\", \"message\": \"x\"}\n");
	mr_buf_fini(&out);
}

static void a_pipe_that_nobody_reads_holds_nothing_up(void **state)
{
	(void)state;
	int ends[2];
	static char all[1 << 20];
	struct mr_log_line line = line_of(S("x"));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	struct mr_log_out log = {.fd = ends[1], .format = MR_LOG_FORMAT_TEXT, .least = MR_LOG_INFO};
	unsigned said = 0;
	for (; log.dropped < 5; said++)
		mr_log_out_line(&log, &line);
	line.level = MR_LOG_DEBUG;
	mr_log_out_line(&log, &line); /* not wanted: not dropped */
	assert_int_equal(log.dropped, 5);
	ssize_t len = read(ends[0], all, sizeof all - 1);
	assert_true(len > 0);
	unsigned taken = 0;
	for (ssize_t i = 0; i < len; i++)
		taken += all[i] == '\n';
	assert_int_equal(taken, said - 5);
	line.level = MR_LOG_ERROR;
	mr_log_out_line(&log, &line);
	assert_int_equal(log.dropped, 0);
	len = read(ends[0], all, sizeof all - 1);
	assert_true(len > 0);
	all[len] = 0;
	assert_string_equal(all, "2025-11-29T05:10:00Z warning log.dropped: 5 lines before this: "
				 "nobody took them in time\n"
				 "2025-11-29T05:10:00Z error alarm.raised parse-1 #3: x\n");
	close(ends[0]);
	mr_log_out_line(&log, &line); /* the reader is gone */
	assert_int_equal(log.dropped, 1);
	close(ends[1]);
}

static void the_journal_is_told_the_priority(void **state)
{
	(void)state;
	int ends[2];
	char all[256], stream[64];
	struct stat about;
	struct mr_log_line line = line_of(S("x"));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	unsetenv("JOURNAL_STREAM");
	assert_false(mr_log_is_journal(ends[1]));
	assert_int_equal(fstat(ends[1], &about), 0);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)about.st_dev,
		 (uintmax_t)about.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_true(mr_log_is_journal(ends[1]));
	assert_false(mr_log_is_journal(STDIN_FILENO));
	unsetenv("JOURNAL_STREAM");
	struct mr_log_out log = {.fd = ends[1], .least = MR_LOG_INFO, .prefixed = true};
	mr_log_out_line(&log, &line);
	line.level = MR_LOG_ERROR;
	mr_log_out_line(&log, &line);
	ssize_t len = read(ends[0], all, sizeof all - 1);
	assert_true(len > 0);
	all[len] = '\0';
	assert_string_equal(all, "<4>2025-11-29T05:10:00Z warning alarm.raised parse-1 #3: x\n"
				 "<3>2025-11-29T05:10:00Z error alarm.raised parse-1 #3: x\n");
	close(ends[0]);
	close(ends[1]);
}

static uint64_t last_kind;
static char last_line[64];
static void remember(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		     size_t len)
{
	(void)context;
	(void)level;
	last_kind = kind;
	memcpy(last_line, line, len);
	last_line[len] = 0;
}

static void a_kind_tells_its_event(void **state)
{
	(void)state;
	mr_log_set_sink(remember, NULL);
	mr_log_event(MR_LOG_ERROR, MR_EVENT_WORKER_DIED, "%s", "a\n");
	assert_int_equal(mr_log_kind_event(last_kind), MR_EVENT_WORKER_DIED);
	assert_string_equal(last_line, "a\n");
	mr_log(MR_LOG_ERROR, "b %d", 1);
	uint64_t kind = last_kind;
	assert_int_equal(mr_log_kind_event(kind), MR_EVENT_LOG);
	mr_log(MR_LOG_ERROR, "b %d", 2);
	assert_true(kind == last_kind);
	mr_log_set_sink(NULL, NULL);
	assert_int_equal(mr_log_kind_event(UINT64_MAX),
			 MR_EVENT_LOG); /* a worker may say anything */
	assert_string_equal(mr_event_name(MR_EVENT_WORKER_DIED), "worker.died");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_misleads_is_escaped),
	    cmocka_unit_test(each_byte_and_every_pair_makes_one_whole_line),
	    cmocka_unit_test(a_long_line_is_cut_and_whole),
	    cmocka_unit_test(the_supervisor_before_its_workers_has_no_name),
	    cmocka_unit_test(a_pipe_that_nobody_reads_holds_nothing_up),
	    cmocka_unit_test(the_journal_is_told_the_priority),
	    cmocka_unit_test(a_kind_tells_its_event),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
