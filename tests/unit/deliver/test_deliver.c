/* test_deliver.c - the stage as the pipeline runs it: batches in, lines and counts out. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_files.h"
#include "millrace/rule.h"
#include "pipeline/stage_io.h"
#include "pipeline/tables.h"
#include "refused.h"
#include "sheds.h"

#define S(text) MR_SLICE(text)

extern const struct mr_stage_ops mr_stage_deliver;

static struct {
	struct mr_config config;
	struct mr_tables *tables;
	struct mr_fields *fields;
	struct mr_files files;
	struct mr_counters counters;
	struct mr_stage_env env;
	struct mr_now now;
	void *state;
	int output, dead_letter;
	char logged[4096];
} world;

static void remember(void *context, enum mr_log_level level, uint64_t kind, const char *text,
		     size_t len)
{
	(void)kind;
	(void)context;
	size_t at = strlen(world.logged);
	snprintf(world.logged + at, sizeof(world.logged) - at, "%d %.*s\n", (int)level, (int)len,
		 text);
}

static int temporary(void)
{
	char path[] = "/tmp/millrace-deliver-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void add_catalog(void)
{
	uint32_t named[] = {0};
	struct mr_rule rules[] = {
	    {.kind = MR_RULE_DETECTION,
	     .id = S("d"),
	     .title = S("Detection"),
	     .level = MR_LEVEL_LOW},
	    {.kind = MR_RULE_CORRELATION,
	     .id = S("c"),
	     .title = S("Correlation"),
	     .rules = named,
	     .rule_count = 1,
	     .timespan_us = 1},
	};
	struct mr_refusal refusals[] = {{.file = S("a.yml"),
					 .id = S("r1"),
					 .reason = S("a.yml:3:1: no \"condition\""),
					 .line = 3},
					{.file = S("b.yml"), .reason = S("no YAML"), .line = 1}};
	struct mr_catalog catalog = {
	    .rules = rules, .count = 2, .layers = 1, .refusals = refusals, .refused = 2};
	struct mr_buf bytes = {0};
	mr_catalog_encode(&catalog, &bytes);
	assert_int_equal(mr_tables_add_bytes(world.tables, "catalog",
					     (struct mr_slice){bytes.data, bytes.len}, NULL),
			 MR_OK);
	mr_buf_fini(&bytes);
}

static void begin(int output, bool dead_letter, bool finite)
{
	memset(&world, 0, sizeof(world));
	world.tables = mr_tables_new();
	world.fields = mr_fields_new();
	add_catalog();
	world.output = output;
	mr_tables_add(world.tables, "deliver.output", dup(output), 0);
	mr_config_add(&world.config, "output", "alerts.ndjson");
	if (dead_letter) {
		world.dead_letter = temporary();
		mr_tables_add(world.tables, "deliver.dead_letter", dup(world.dead_letter), 0);
	}
	world.env = (struct mr_stage_env){.config = &world.config,
					  .fields = world.fields,
					  .tables = world.tables,
					  .files = &world.files,
					  .counters = &world.counters,
					  .now = &world.now,
					  .workers = 1,
					  .finite = finite};
	world.state = calloc(1, mr_stage_deliver.state_size);
	mr_log_set_sink(remember, NULL);
	struct mr_error error = {0};
	assert_int_equal(mr_stage_deliver.open(world.state, &world.env, &error), MR_OK);
	assert_int_equal(error.code, MR_OK);
}

static void end(void)
{
	mr_stage_deliver.close(world.state);
	free(world.state);
	mr_log_set_sink(NULL, NULL);
	mr_tables_free(world.tables);
	mr_fields_free(world.fields);
	mr_config_fini(&world.config);
	close(world.output);
	if (world.dead_letter != 0)
		close(world.dead_letter);
}

/* What was put into the writer goes through the stage. */
static enum mr_err deliver(struct mr_writer *made, enum mr_content content, struct mr_error *error)
{
	struct mr_body body;
	struct mr_reader in = {0};
	struct mr_writer none = {0};
	assert_true(mr_writer_take(made, content, 0, &body));
	mr_reader_open_body(&in, content, &body);
	enum mr_err err = mr_stage_deliver.process(world.state, &in, &none, error);
	if (err == MR_OK)
		err = mr_reader_finish(&in, error);
	mr_reader_fini(&in);
	mr_body_fini(&body);
	mr_writer_fini(made);
	return err;
}

static struct mr_alert alert_of(uint32_t rule, bool announcement, enum mr_activity activity)
{
	return (struct mr_alert){.id = {1},
				 .activity = activity,
				 .rule = rule,
				 .tenant = S("t"),
				 .announcement = announcement};
}

static enum mr_err deliver_alerts(const struct mr_alert *alerts, size_t count,
				  struct mr_error *error)
{
	struct mr_writer made = {0};
	mr_writer_add_output(&made, MR_CONTENT_ALERTS, 0, MR_LINK_SPREAD, 1);
	for (size_t i = 0; i < count; i++)
		mr_writer_alert(&made, &alerts[i]);
	return deliver(&made, MR_CONTENT_ALERTS, error);
}

static uint32_t lines_in(int fd)
{
	char bytes[1 << 16];
	ssize_t len = pread(fd, bytes, sizeof(bytes), 0);
	uint32_t count = 0;
	for (ssize_t i = 0; i < len; i++)
		count += bytes[i] == '\n';
	assert_true(len <= 0 || bytes[len - 1] == '\n');
	return count;
}

static uint64_t counted(enum mr_counter counter)
{
	return world.counters.at[counter];
}

static void alerts_are_written_announcements_only_shown(void **state)
{
	(void)state;
	const struct mr_alert alerts[] = {
	    alert_of(1, true, MR_ACTIVITY_CREATE), alert_of(0, false, MR_ACTIVITY_CREATE),
	    alert_of(1, false, MR_ACTIVITY_CREATE), alert_of(1, false, MR_ACTIVITY_UPDATE)};
	struct mr_books books = {0};
	begin(temporary(), false, true);
	world.counters.books = &books;
	assert_int_equal(deliver_alerts(alerts, 4, NULL), MR_OK);
	assert_int_equal(lines_in(world.output), 3);
	assert_int_equal(counted(MR_C_ALERTS_RECEIVED), 2);
	assert_int_equal(counted(MR_C_DELIVERED), 2);
	assert_int_equal(counted(MR_C_UPDATES_WRITTEN), 1);
	const struct mr_book_row *row = &books.rows[MR_BOOKS_SOURCES_MAX]; /* no record is shown */
	assert_int_equal(row->at[MR_B_ALERTS_RECEIVED], 2);
	assert_int_equal(row->at[MR_B_DELIVERED], 2);
	mr_books_fini(&books);
	char want[512];
	snprintf(want, sizeof(want),
		 "%d (no time) None: Correlation; 01%030d\n%d (no time) Low: Detection; 01%030d\n",
		 MR_LOG_ALERT, 0, MR_LOG_ALERT, 0);
	assert_string_equal(world.logged, want);
	end();
}

static void in_service_alerts_are_shown_to_who_looks_for_faults(void **state)
{
	(void)state;
	const struct mr_alert alerts[] = {alert_of(1, false, MR_ACTIVITY_CREATE)};
	begin(temporary(), false, false);
	assert_int_equal(deliver_alerts(alerts, 1, NULL), MR_OK);
	assert_string_equal(world.logged, "");
	mr_log_set_level(MR_LOG_DEBUG);
	assert_int_equal(deliver_alerts(alerts, 1, NULL), MR_OK);
	mr_log_set_level(MR_LOG_INFO);
	assert_true(strstr(world.logged, "Correlation") != NULL);
	end();
}

static void an_alert_of_no_rule_breaks_the_link(void **state)
{
	(void)state;
	struct mr_alert alert = alert_of(2, false, MR_ACTIVITY_CREATE);
	struct mr_error error = {0};
	begin(temporary(), false, true);
	assert_int_equal(deliver_alerts(&alert, 1, &error), MR_PROTOCOL);
	assert_string_equal(error.text, "an alert names rule 2 of a catalog of 2");
	alert.rule = 0;
	alert.evidence_count = 2;
	alert.evidence[1].rule = 7;
	assert_int_equal(deliver_alerts(&alert, 1, &error), MR_PROTOCOL);
	assert_int_equal(counted(MR_C_ALERTS_RECEIVED), 0);
	end();
}

static void a_full_disk_ends_the_work(void **state)
{
	(void)state;
	const struct mr_alert alert = alert_of(0, false, MR_ACTIVITY_CREATE);
	struct mr_error error = {0};
	begin(open("/dev/full", O_WRONLY), false, true);
	assert_int_equal(deliver_alerts(&alert, 1, &error), MR_NO_SPACE);
	assert_string_equal(error.text,
			    "alerts.ndjson: cannot be written: No space left on device");
	end();
}

static enum mr_err deliver_rejects(uint32_t count, struct mr_error *error)
{
	struct mr_reject reject = {.length = 1, .name = S("f"), .reason = S("r"), .bytes = S("x")};
	struct mr_writer made = {0};
	mr_writer_add_output(&made, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
	for (uint32_t i = 0; i < count; i++)
		mr_writer_reject(&made, &reject);
	return deliver(&made, MR_CONTENT_REJECTS, error);
}

static void rejected_records_go_to_their_own_file(void **state)
{
	(void)state;
	begin(temporary(), true, true);
	assert_int_equal(deliver_rejects(3, NULL), MR_OK);
	assert_int_equal(lines_in(world.dead_letter), 3);
	assert_int_equal(lines_in(world.output), 0);
	assert_int_equal(counted(MR_C_REJECTS_RECEIVED), 3);
	assert_int_equal(counted(MR_C_REJECTS_WRITTEN), 3);
	assert_int_equal(counted(MR_C_REJECTS_UNWRITTEN), 0);
	assert_int_equal(mr_stage_deliver.finish(world.state, NULL, NULL), MR_OK);
	assert_string_equal(world.logged, "");
	end();
}

static void without_a_file_they_are_counted_and_named_once(void **state)
{
	(void)state;
	char want[256];
	begin(temporary(), false, true);
	assert_int_equal(deliver_rejects(2, NULL), MR_OK);
	assert_int_equal(deliver_rejects(3, NULL), MR_OK);
	assert_int_equal(counted(MR_C_REJECTS_WRITTEN), 0);
	assert_int_equal(counted(MR_C_REJECTS_UNWRITTEN), 5);
	assert_string_equal(world.logged, "");
	assert_int_equal(mr_stage_deliver.finish(world.state, NULL, NULL), MR_OK);
	assert_int_equal(mr_stage_deliver.finish(world.state, NULL, NULL), MR_OK);
	snprintf(want, sizeof(want),
		 "%d 5 records could not be parsed and were counted only; --dead-letter FILE keeps "
		 "them; such as f, offset 0: r\n",
		 MR_LOG_WARNING);
	assert_string_equal(world.logged, want);
	end();
}

static void a_refused_rule_is_an_alert_of_a_service(void **state)
{
	(void)state;
	char line[4096];
	struct mr_books books = {0};
	begin(temporary(), false, true);
	assert_int_equal(mr_stage_deliver.tick(world.state, 0, NULL, NULL), MR_OK);
	assert_int_equal(lines_in(world.output), 0); /* scan has said it */
	end();
	begin(temporary(), false, false);
	world.counters.books = &books;
	world.now.wall_us = INT64_C(1700000000000000);
	assert_int_equal(mr_stage_deliver.tick(world.state, 0, NULL, NULL), MR_OK);
	assert_int_equal(mr_stage_deliver.tick(world.state, 0, NULL, NULL), MR_OK);
	assert_int_equal(lines_in(world.output), 2);
	ssize_t len = pread(world.output, line, sizeof line - 1, 0);
	line[len] = 0;
	assert_non_null(strstr(line, "\"title\":\"A rule was refused\""));
	assert_non_null(strstr(line, "\"refused\":\"a.yml:3:1: no \\\"condition\\\"\""));
	assert_non_null(strstr(line, "\"time\":1700000000000,"));
	struct line_id first, second;
	const char *next = strchr(line, '\n') + 1;
	assert_true(line_id_read(mr_slice(line), &first));
	assert_true(line_id_read(mr_slice(next), &second));
	assert_int_equal(first.revision, 0);
	assert_false(line_id_eq(&first, &second));
	for (int i = 0; i < 3; i++) {
		static const enum mr_book steps[] = {MR_B_ALERTS, MR_B_ALERTS_RECEIVED,
						     MR_B_DELIVERED};
		assert_int_equal(books.rows[MR_BOOKS_SOURCES_MAX].at[steps[i]], 2);
	}
	mr_books_fini(&books);
	world.counters.books = NULL;
	end();
}

static void expect_words_of_shed(void)
{
	char text[16384];
	ssize_t len = pread(world.output, text, sizeof text - 1, 0);
	text[len] = 0;
	struct line_id ids[5];
	const char *line = text;
	for (int i = 0; i < 5; i++, line = strchr(line, '\n') + 1)
		assert_true(line_id_read(mr_slice(line), &ids[i]));
	assert_true(line_id_eq(&ids[0], &ids[2]) && line_id_eq(&ids[1], &ids[3]));
	assert_false(line_id_eq(&ids[0], &ids[4]));
	assert_non_null(strstr(text, "\"message\":\"A title: 11 slots of its state were given up"));
	assert_non_null(strstr(text, "\"message\":\"Records of detections: 2 were given up"));
	assert_non_null(strstr(text, "\"message\":\"A title: 7 slots of its state were given up"));
}

static void expect_broken_snapshots(const struct mr_buf *snapshot)
{
	for (size_t cut = 0; cut < snapshot->len; cut++) {
		struct sheds other = {0};
		char *exact = malloc(cut + 1);
		memcpy(exact, snapshot->data, cut);
		assert_int_equal(sheds_restore(&other, (struct mr_slice){exact, cut}, NULL),
				 MR_BAD_INPUT);
		sheds_fini(&other);
		free(exact);
	}
}

/* One alert a rule and hour, each behind the commitment of the checkpoint that holds it. */
static void state_that_was_given_up_is_an_alert(void **state)
{
	(void)state;
	const struct mr_rule rule = {.id = S("rule-1"), .title = S("A title")};
	static const int64_t hour_us = INT64_C(3600000000);
	int64_t now_us = INT64_C(1700000000000000);
	struct outputs *outputs = calloc(1, sizeof *outputs);
	struct sheds sheds = {.may_tell = true};
	struct mr_buf snapshot = {0};
	begin(temporary(), false, false);
	assert_int_equal(outputs_open(outputs, &world.env, NULL), MR_OK);
	sheds_add(&sheds, &rule, 5, now_us);
	sheds_add(&sheds, NULL, 2, now_us);
	sheds_add(&sheds, &rule, 6, now_us + 1);
	for (int barrier = 0; barrier < 2; barrier++) { /* the first is given up */
		assert_int_equal(sheds_cut(&sheds, now_us + 2, false), 2);
		assert_int_equal(sheds_tell(&sheds, outputs, NULL), MR_OK);
		assert_int_equal(outputs_flush(outputs, NULL), MR_OK);
		assert_int_equal(lines_in(world.output), 0);
	}
	sheds_add(&sheds, &rule, 7, now_us + 3);
	sheds_snapshot(&sheds, &snapshot);
	for (int life = 0; life < 2; life++) { /* each tells the same, and what it did not say */
		if (life > 0) {
			sheds_fini(&sheds);
			struct mr_slice kept = {snapshot.data, snapshot.len};
			assert_int_equal(sheds_restore(&sheds, kept, NULL), MR_OK);
		}
		sheds_committed(&sheds);
		assert_int_equal(sheds_tell(&sheds, outputs, NULL), MR_OK);
		assert_int_equal(outputs_flush(outputs, NULL), MR_OK);
		assert_int_equal(lines_in(world.output), 2 + 2 * life);
	}
	assert_int_equal(sheds_cut(&sheds, now_us + hour_us, false), 0);
	assert_int_equal(sheds_cut(&sheds, now_us + 2 + hour_us, false), 1);
	assert_int_equal(sheds.count, 1); /* of the other nothing came */
	sheds_committed(&sheds);
	assert_int_equal(sheds_tell(&sheds, outputs, NULL), MR_OK);
	assert_int_equal(outputs_flush(outputs, NULL), MR_OK);
	expect_words_of_shed();
	expect_broken_snapshots(&snapshot);
	sheds_fini(&sheds);
	outputs_close(outputs);
	free(outputs);
	mr_buf_fini(&snapshot);
	end();
}

static void a_scan_tells_of_it_at_its_end(void **state)
{
	(void)state;
	const struct mr_alert words[] = {
	    {.activity = MR_ACTIVITY_CREATE, .rule = 0, .shed = 3},
	    {.activity = MR_ACTIVITY_CREATE, .rule = 0, .shed = 4},
	    {.activity = MR_ACTIVITY_CREATE, .rule = MR_ALERT_NO_RULE, .shed = 5}};
	begin(temporary(), false, true);
	assert_int_equal(deliver_alerts(words, 3, NULL), MR_OK);
	assert_int_equal(lines_in(world.output), 0);
	assert_int_equal(mr_stage_deliver.finish(world.state, NULL, NULL), MR_OK);
	assert_int_equal(lines_in(world.output), 2);
	assert_int_equal(counted(MR_C_ALERTS), 2);
	assert_int_equal(counted(MR_C_DELIVERED), 2);
	end();
}

static void it_is_told_once_over_restarts(void **state)
{
	(void)state;
	struct mr_buf snapshot = {0};
	struct refused refused;
	struct mr_refusal refusal = {.file = S("f"), .id = S("i"), .reason = S("r")};
	struct mr_catalog catalog = {.refusals = &refusal, .refused = 1};
	struct outputs *outputs;
	begin(temporary(), false, false);
	outputs = calloc(1, sizeof *outputs);
	assert_int_equal(outputs_open(outputs, &world.env, NULL), MR_OK);
	refused_init(&refused, &catalog);
	assert_int_equal(refused_tell(&refused, outputs, NULL), MR_OK);
	assert_int_equal(outputs_flush(outputs, NULL), MR_OK);
	assert_int_equal(lines_in(world.output), 1);
	refused_snapshot(&refused, &snapshot);
	refused_fini(&refused);
	refused_init(&refused, &catalog);
	for (size_t cut = 0; cut < snapshot.len; cut++) {
		struct refused other = {.catalog = &catalog};
		char *exact = malloc(cut + 1);
		memcpy(exact, snapshot.data, cut);
		assert_int_equal(refused_restore(&other, (struct mr_slice){exact, cut}, NULL),
				 MR_BAD_INPUT);
		refused_fini(&other);
		free(exact);
	}
	struct mr_slice kept = {snapshot.data, snapshot.len};
	assert_int_equal(refused_restore(&refused, kept, NULL), MR_OK);
	assert_int_equal(refused_tell(&refused, outputs, NULL), MR_OK);
	assert_int_equal(outputs_flush(outputs, NULL), MR_OK);
	assert_int_equal(lines_in(world.output), 1);
	refused_fini(&refused);
	outputs_close(outputs);
	free(outputs);
	mr_buf_fini(&snapshot);
	end();
}

static enum mr_err open_with(struct mr_tables *tables, struct mr_error *error)
{
	struct mr_stage_env env = world.env;
	void *other = calloc(1, mr_stage_deliver.state_size);
	env.tables = tables;
	enum mr_err err = mr_stage_deliver.open(other, &env, error);
	free(other);
	return err;
}

static void what_is_missing_is_named(void **state)
{
	(void)state;
	struct mr_error error = {0};
	struct mr_tables *tables = mr_tables_new();
	begin(temporary(), false, true);
	assert_int_equal(open_with(tables, &error), MR_NOT_FOUND);
	assert_string_equal(error.text, "there is no table catalog");
	assert_int_equal(mr_tables_add_bytes(tables, "catalog", S("no catalog"), NULL), MR_OK);
	assert_int_equal(open_with(tables, &error), MR_BAD_INPUT);
	mr_tables_free(tables);
	tables = world.tables;
	world.tables = mr_tables_new();
	add_catalog();
	assert_int_equal(open_with(world.tables, &error), MR_NOT_FOUND);
	assert_string_equal(error.text, "there is no table deliver.output");
	mr_tables_free(world.tables);
	world.tables = tables;
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(alerts_are_written_announcements_only_shown),
	    cmocka_unit_test(in_service_alerts_are_shown_to_who_looks_for_faults),
	    cmocka_unit_test(an_alert_of_no_rule_breaks_the_link),
	    cmocka_unit_test(a_full_disk_ends_the_work),
	    cmocka_unit_test(rejected_records_go_to_their_own_file),
	    cmocka_unit_test(without_a_file_they_are_counted_and_named_once),
	    cmocka_unit_test(a_refused_rule_is_an_alert_of_a_service),
	    cmocka_unit_test(state_that_was_given_up_is_an_alert),
	    cmocka_unit_test(a_scan_tells_of_it_at_its_end),
	    cmocka_unit_test(it_is_told_once_over_restarts),
	    cmocka_unit_test(what_is_missing_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
