/* test_status.c - the texts of a service's status: for a person, as JSON, as metrics; alarms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "metrics.h"
#include "status.h"

static char lines[1024];

static void remember(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		     size_t len)
{
	(void)context;
	size_t used = strlen(lines);
	snprintf(lines + used, sizeof lines - used, "%s %s %.*s\n", mr_log_level_name(level),
		 mr_event_name(mr_log_kind_event(kind)), (int)len, line);
}

#define AT_US INT64_C(1764393000000000) /* 2025-11-29T05:10:00Z */

static void fill(struct mr_status *status)
{
	mr_status_init(status, 1, 2, 1, 1, 1, 2);
	mr_status_word(status->service.state, "running");
	mr_status_word(status->service.version, "0.1.0");
	status->service.pid = 100;
	status->service.started = AT_US;
	status->service.deaths = 1;
	mr_status_word(status->service.last_death, "parse-0 was \x1b[31mkilled\xff\n\"now\"");
	status->service.memory = INT64_C(3) << 20;
	status->service.checkpoint_took = 1250000;
	mr_status_word(status->hosts[0].name, "b");
	status->hosts[0].leads = 0;
	status->hosts[0].connected = 1;
	mr_status_word(status->workers[0].name, "parse-0");
	status->workers[0].rate = 120000;
	status->workers[0].lag = -3600000001;
	mr_status_word(status->workers[1].name, "b\\c\"d\ne\xff");
	status->workers[1].cpu = 1;
	mr_status_word(status->sources[0].name, "mail");
	status->sources[0].ended = 1;
	mr_status_word(status->sinks[0].name, "siem");
	status->sinks[0].delivered = 7;
	mr_status_word(status->sheds[0].rule, "a \"rule\"");
	status->sheds[0].slots = 12;
	mr_status_word(status->groups[0].name, "deliver");
	mr_histogram_add(&status->groups[0].latencies.at[MR_L_ALERT], 128);
	mr_histogram_add(&status->groups[0].latencies.at[MR_L_ALERT], 129);
	mr_histogram_add(&status->groups[0].latencies.at[MR_L_ALERT], INT64_C(1) << 41);
	mr_status_word(status->groups[1].name, "idle");
	status->counters.at[MR_C_RECORDS] = UINT64_MAX;
	mr_alarm_raise(&status->alarms, MR_ALARM_SINK_FULL, AT_US, "sink \"siem\"");
}

static char *text_of(void (*write)(const struct mr_status *, struct mr_buf *))
{
	struct mr_status status;
	struct mr_buf out = {0};
	mr_log_set_sink(remember, NULL);
	fill(&status);
	mr_log_set_sink(NULL, NULL);
	write(&status, &out);
	mr_buf_add(&out, "", 1);
	mr_status_fini(&status);
	return out.data;
}

static void has(const char *text, const char *wanted)
{
	if (strstr(text, wanted) == NULL)
		fail_msg("missing: %s\nin: %s", wanted, text);
}

static void json_is_exact_and_escaped(void **state)
{
	(void)state;
	char *text = text_of(mr_status_write_json);
	has(text, "\"state_shed\": [{\"rule\": \"a \\\"rule\\\"\", \"slots\": 12}]");
	assert_true(mr_utf8_valid(text, strlen(text)));
	has(text, "{\"service\": {\"state\": \"running\", \"version\": \"0.1.0\", \"pid\": 100, "
		  "\"now\": null, \"started\": \"2025-11-29T05:10:00Z\"");
	has(text, "\"checkpoint_took_seconds\": 1.250000");
	has(text, "\"memory_bytes\": 3145728");
	has(text, "\"last_death\": \"parse-0 was \\u001b[31mkilled\xef\xbf\xbd\\n\\\"now\\\"\"");
	has(text, "\"lag_seconds\": -3600.000001");
	has(text, "\"hosts\": [{\"name\": \"b\", \"leads\": false, \"connected\": true}], ");
	has(text, "\"rate_per_second\": 120000");
	has(text, "\"ended\": true");
	has(text, "\"delivered\": 7, \"spooled\": null");
	has(text, "\"alarms\": [{\"name\": \"sink_full\", \"level\": \"error\", \"since\": "
		  "\"2025-11-29T05:10:00Z\", \"words\": \"sink \\\"siem\\\"\"}]");
	has(text, "\"deliver\": {\"alert_latency\": {\"count\": 3, \"p50_seconds\": 0.000132, ");
	has(text, "\"records\": 18446744073709551615");
	free(text);
}

static void a_person_sees_no_escapes(void **state)
{
	(void)state;
	char *text = text_of(mr_status_write_text);
	assert_true(mr_utf8_valid(text, strlen(text)));
	assert_null(strchr(text, 0x1b));
	assert_ptr_equal(strstr(text, "ALARM sink_full since 2025-11-29T05:10:00Z"), text);
	has(text, "state                running\n");
	has(text, "checkpoint took      1.2 s\n");
	has(text, "memory               3.0 MiB\n");
	has(text, "parse-0 was \xef\xbf\xbd[31mkilled\xef\xbf\xbd\xef\xbf\xbd\"now\"");
	has(text, "\nhosts\n  name  leads  connected\n  b     no     yes\n");
	has(text, "\nworkers\n  name");
	has(text, "120000/s");
	has(text, "\nstate_shed\n  rule");
	assert_null(strstr(text, " \n"));
	assert_null(strstr(text, "idle"));
	free(text);
}

static void metrics_are_whole(void **state)
{
	(void)state;
	char *text = text_of(mr_metrics_write);
	has(text, "# TYPE millrace_records_total counter\nmillrace_records_total "
		  "18446744073709551615\n");
	has(text, "millrace_build_info{version=\"0.1.0\"} 1\n");
	has(text, "# TYPE millrace_worker_cpu_seconds_total counter\n"
		  "millrace_worker_cpu_seconds_total{worker=\"b\\\\c\\\"d\\ne\xef\xbf\xbd\"} "
		  "0.000001\n");
	has(text, "millrace_worker_event_lag_seconds{worker=\"parse-0\"} -3600.000001\n");
	has(text, "millrace_host_connected{host=\"b\"} 1\n");
	has(text, "millrace_alarm{alarm=\"sink_full\"} 1\n");
	has(text, "millrace_alarm{alarm=\"journal_full\"} 0\n");
	has(text, "millrace_alert_latency_seconds_bucket{group=\"deliver\",le=\"0.000128\"} 1\n");
	has(text, "millrace_alert_latency_seconds_bucket{group=\"deliver\",le=\"0.000256\"} 2\n");
	has(text, "millrace_alert_latency_seconds_bucket{group=\"deliver\",le=\"134.217728\"} 2\n");
	has(text, "millrace_alert_latency_seconds_bucket{group=\"deliver\",le=\"+Inf\"} 3\n");
	has(text, "millrace_alert_latency_seconds_count{group=\"deliver\"} 3\n");
	has(text, "\nmillrace_rule_state_shed_total{rule=\"a \\\"rule\\\"\"} 12\n");
	assert_null(strstr(text, "journal_size")); /* nothing is known of it */
	assert_null(strstr(text, "idle"));
	free(text);
}

static void a_service_without_workers_is_shown(void **state)
{
	(void)state;
	struct mr_status status;
	struct mr_buf out = {0};
	mr_status_init(&status, 0, 0, 0, 0, 0, 0);
	mr_status_write_json(&status, &out);
	mr_status_write_text(&status, &out);
	mr_metrics_write(&status, &out);
	mr_buf_add(&out, "", 1);
	has(out.data, "\"hosts\": [], \"workers\": [], \"sources\": [], \"sinks\": [], "
		      "\"state_shed\": [], \"alarms\": [], \"latencies\": {}");
	mr_buf_fini(&out);
	mr_status_fini(&status);
}

static void a_long_word_is_cut_between_characters(void **state)
{
	(void)state;
	char word[MR_STATUS_WORD_BYTES], text[600];
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i % 2 == 0 ? 0xc3 : 0xa9);
	text[sizeof text - 1] = 0;
	mr_status_word(word, text);
	assert_int_equal(strlen(word), 254);
	assert_true(mr_utf8_valid(word, strlen(word)));
}

static void an_alarm_is_told_once_until_it_is_over(void **state)
{
	(void)state;
	struct mr_alarms alarms = {0};
	lines[0] = 0;
	mr_log_set_sink(remember, NULL);
	mr_alarm_clear(&alarms, MR_ALARM_JOURNAL_FULL, 5);
	mr_alarm_raise(&alarms, MR_ALARM_JOURNAL_FULL, 1000000, "source mail");
	mr_alarm_raise(&alarms, MR_ALARM_JOURNAL_FULL, 2000000, "source mail, 64 GiB");
	assert_int_equal(alarms.at[MR_ALARM_JOURNAL_FULL].since_us, 1000000);
	assert_string_equal(alarms.at[MR_ALARM_JOURNAL_FULL].words, "source mail, 64 GiB");
	mr_alarm_clear(&alarms, MR_ALARM_JOURNAL_FULL, 500); /* the clock was put back */
	mr_alarm_clear(&alarms, MR_ALARM_JOURNAL_FULL, 500);
	mr_alarm_raise(&alarms, MR_ALARM_JOURNAL_FULL, 9, NULL);
	mr_log_set_sink(NULL, NULL);
	assert_int_equal(alarms.at[MR_ALARM_JOURNAL_FULL].times, 2);
	assert_string_equal(lines, "error alarm.raised journal_full: what a source gives could not "
				   "be kept, since the disk is full, but for what checkpoints "
				   "need: it is not read (source mail)\n"
				   "info alarm.cleared journal_full: over after 0 s\n"
				   "error alarm.raised journal_full: what a source gives could not "
				   "be kept, since the disk is full, but for what checkpoints "
				   "need: it is not read\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_is_exact_and_escaped),
	    cmocka_unit_test(a_person_sees_no_escapes),
	    cmocka_unit_test(metrics_are_whole),
	    cmocka_unit_test(a_service_without_workers_is_shown),
	    cmocka_unit_test(a_long_word_is_cut_between_characters),
	    cmocka_unit_test(an_alarm_is_told_once_until_it_is_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
