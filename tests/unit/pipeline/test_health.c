/* test_health.c - who does not answer is killed, and nobody else; alarms come and go; wrong words
 * of a worker are a breach. The workers are processes that only sleep, the service is not running.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "few_stages.h"
#include "health.h"
#include "prepared.h"
#include "service.h"
#include "supervisor.h"

#define SECOND INT64_C(1000000)
#define LIMIT_US (INT64_C(3600) * SECOND) /* nobody is late by himself */

struct ward {
	char path[40];
	struct mr_service service;
	struct mr_supervisor supervisor;
	struct mr_log_out log;
	struct mr_health health;
	int ends[8]; /* of the workers' control sockets */
};

static void ward_open(struct ward *ward)
{
	struct mr_error error = {0};
	*ward = (struct ward){.path = "/tmp/mr-health-XXXXXX"};
	assert_non_null(mkdtemp(ward->path));
	ward->service.dir.fd = open(ward->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ward->service.checkpoint.due_us = mr_clock_us();
	struct mr_supervisor *supervisor = &ward->supervisor;
	mr_supervisor_init(supervisor);
	mr_config_part_add(&supervisor->setup.config, MR_PART_SOURCE, "mail");
	mr_config_part_add(&supervisor->setup.config, MR_PART_SINK, "siem");
	mr_topology_default(1, 1, &supervisor->setup.topology);
	ward->log = (struct mr_log_out){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};
	supervisor->progress.log = &ward->log;
	supervisor->worker_count = mr_setup_workers(&supervisor->setup.topology);
	supervisor->workers = mr_calloc(supervisor->worker_count, sizeof *supervisor->workers);
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		int ends[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
		mr_control_init(&supervisor->workers[i].control, ends[0]);
		ward->ends[i] = ends[1];
		supervisor->workers[i].pid = fork();
		if (supervisor->workers[i].pid == 0)
			for (;;)
				pause();
	}
	supervisor->started = true;
	if (mr_health_open(&ward->health, &ward->service, supervisor, &error) != MR_OK)
		fail_msg("%s", error.text);
	ward->health.limit_us = LIMIT_US;
}

static void ward_close(struct ward *ward)
{
	mr_health_close(&ward->health);
	for (uint32_t i = 0; i < ward->supervisor.worker_count; i++) {
		struct mr_supervised *worker = &ward->supervisor.workers[i];
		kill(worker->pid, SIGKILL);
		assert_int_equal(waitpid(worker->pid, NULL, 0), worker->pid);
		mr_control_fini(&worker->control);
		close(ward->ends[i]);
	}
	mr_supervisor_fini(&ward->supervisor);
	close(ward->log.fd);
	close(ward->service.dir.fd);
	assert_int_equal(rmdir(ward->path), 0); /* no socket is left */
}

/* All answer what they were asked. */
static void answer(struct ward *ward)
{
	struct mr_buf marks = {0};
	mr_marks_encode(&(struct mr_marks){0}, &marks);
	for (uint32_t i = 0; i < ward->supervisor.worker_count; i++)
		mr_health_pong(&ward->health, i, ward->supervisor.workers[i].watched.pulse.asked, 0,
			       (struct mr_slice){marks.data, marks.len}, NULL);
	mr_buf_fini(&marks);
}

static bool lives(const struct ward *ward, uint32_t worker)
{
	siginfo_t is = {0};
	return waitid(P_PID, (id_t)ward->supervisor.workers[worker].pid, &is,
		      WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       is.si_pid == 0;
}

static void await_death(const struct ward *ward, uint32_t worker)
{
	siginfo_t is;
	assert_int_equal(
	    waitid(P_PID, (id_t)ward->supervisor.workers[worker].pid, &is, WEXITED | WNOWAIT), 0);
	assert_int_equal(is.si_status, SIGKILL);
}

/* As if the question had been asked so long ago. */
static void age(struct ward *ward, uint32_t worker, int64_t by_us)
{
	ward->supervisor.workers[worker].watched.pulse.asked_us -= by_us;
}

static void who_does_not_answer_is_killed(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	mr_health_turn(&ward.health);
	struct pollfd asked = {.fd = ward.ends[1], .events = POLLIN};
	assert_int_equal(poll(&asked, 1, 0), 1);
	answer(&ward);
	mr_health_turn(&ward.health); /* the next question is not due */
	age(&ward, 1, LIMIT_US);
	mr_health_turn(&ward.health);
	age(&ward, 1, LIMIT_US - SECOND);
	mr_health_turn(&ward.health);
	assert_true(lives(&ward, 1));
	age(&ward, 1, SECOND);
	mr_health_turn(&ward.health);
	assert_true(ward.supervisor.workers[1].hung);
	await_death(&ward, 1);
	assert_true(lives(&ward, 0) && !ward.supervisor.workers[0].hung);
	ward_close(&ward);
}

/* Who says that it gets on with something long answers later. */
static void who_gets_on_is_waited_for(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	mr_health_turn(&ward.health);
	for (int i = 0; i < 3; i++) {
		age(&ward, 1, LIMIT_US - SECOND);
		mr_health_alive(&ward.health, 1);
		mr_health_turn(&ward.health);
		assert_false(ward.supervisor.workers[1].hung);
	}
	age(&ward, 1, LIMIT_US);
	mr_health_turn(&ward.health);
	await_death(&ward, 1);
	ward_close(&ward);
}

static void a_start_may_take_longer(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	ward.supervisor.started = false;
	mr_health_turn(&ward.health);
	age(&ward, 0, 5 * LIMIT_US);
	mr_health_turn(&ward.health);
	assert_false(ward.supervisor.workers[0].hung);
	ward.supervisor.started = true;
	mr_health_ready(&ward.health, "all");
	mr_health_turn(&ward.health);
	assert_false(ward.supervisor.workers[0].hung);
	ward_close(&ward);
}

static void who_stood_still_himself_blames_nobody(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	mr_health_turn(&ward.health);
	for (uint32_t i = 0; i < ward.supervisor.worker_count; i++)
		age(&ward, i, 2 * LIMIT_US);
	ward.health.turned_us -= 2 * LIMIT_US;
	mr_health_turn(&ward.health);
	for (uint32_t i = 0; i < ward.supervisor.worker_count; i++)
		assert_false(ward.supervisor.workers[i].hung);
	ward_close(&ward);
}

static void one_that_does_not_end_is_killed(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	ward.supervisor.workers[2].done = true;
	mr_health_await(&ward.health, 2, mr_clock_us());
	assert_false(ward.supervisor.workers[2].hung);
	mr_health_await(&ward.health, 2, mr_clock_us() - LIMIT_US);
	await_death(&ward, 2);
	ward_close(&ward);
}

static bool raised(struct ward *ward, enum mr_alarm alarm)
{
	mr_health_turn(&ward->health);
	return ward->health.alarms.at[alarm].raised;
}

static void say(struct ward *ward, struct mr_figures figures)
{
	struct mr_buf bytes = {0};
	figures.words = figures.words.at == NULL ? MR_SLICE("") : figures.words;
	figures.input = figures.input.at == NULL ? MR_SLICE("") : figures.input;
	mr_figures_encode(&figures, &bytes);
	assert_int_equal(
	    mr_health_figures(&ward->health, 0, (struct mr_slice){bytes.data, bytes.len}, NULL),
	    MR_OK);
	mr_buf_fini(&bytes);
}

static void show(struct ward *ward, enum mr_part_kind kind, const char *name, bool full)
{
	say(ward, (struct mr_figures){.kind = kind, .name = mr_slice(name), .full = full});
}

/* What /readyz says: NULL where it is ok. The caller's. */
static char *unready(struct ward *ward)
{
	struct mr_buf words = {0};
	mr_health_turn(&ward->health);
	bool ready = ward->health.pages.ready(ward->health.pages.context, &words);
	assert_int_equal(ready, words.len == 0);
	char *text = ready ? NULL : mr_asprintf("%.*s", (int)words.len, words.data);
	mr_buf_fini(&words);
	return text;
}

static void expect_unready(struct ward *ward, const char *want)
{
	char *got = unready(ward);
	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
	free(got);
}

static void what_is_not_judged_is_not_ready(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	expect_unready(&ward, "starting");
	mr_health_ready(&ward.health, "all");
	expect_unready(&ward, NULL);
	show(&ward, MR_PART_SINK, "siem", true);
	expect_unready(&ward, "sink_full: siem");
	show(&ward, MR_PART_SINK, "siem", false);
	show(&ward, MR_PART_SOURCE, "mail", true);
	expect_unready(&ward, "journal_full: mail");
	show(&ward, MR_PART_SOURCE, "mail", false);
	show(&ward, MR_PART_SINK, "", true);
	expect_unready(&ward, "dead_letter_full");
	show(&ward, MR_PART_SINK, "", false);
	ward.service.checkpoint.failures = 1;
	strcpy(ward.service.checkpoint.last_failure, "no");
	expect_unready(&ward, "checkpoint_failed: no");
	ward.service.checkpoint.failures = 0;
	ward.service.checkpoint.due_us -= 60 * SECOND; /* late is not lost */
	expect_unready(&ward, NULL);
	ward_close(&ward);
}

static void a_receiver_that_fails_for_long_is_told(void **state)
{
	(void)state;
	struct ward ward;
	struct mr_figures siem = {.kind = MR_PART_SINK, .name = MR_SLICE("siem")};
	ward_open(&ward);
	siem.failing_us = 59 * SECOND;
	say(&ward, siem);
	assert_false(raised(&ward, MR_ALARM_RECEIVER_FAILING));
	siem.failing_us = 60 * SECOND;
	say(&ward, siem);
	assert_true(raised(&ward, MR_ALARM_RECEIVER_FAILING));
	assert_string_equal(ward.health.alarms.at[MR_ALARM_RECEIVER_FAILING].words, "siem");
	/* Other workers begin, and fail, too. */
	siem.failing_us = 0;
	siem.untried = true;
	say(&ward, siem);
	assert_true(raised(&ward, MR_ALARM_RECEIVER_FAILING));
	siem.failing_us = SECOND;
	say(&ward, siem);
	assert_true(raised(&ward, MR_ALARM_RECEIVER_FAILING));
	siem.failing_us = 0;
	siem.untried = false;
	say(&ward, siem);
	assert_false(raised(&ward, MR_ALARM_RECEIVER_FAILING));
	ward_close(&ward);
}

static void expect_words(struct ward *ward, enum mr_alarm alarm, const char *want)
{
	assert_true(raised(ward, alarm));
	assert_string_equal(ward->health.alarms.at[alarm].words, want);
}

static void an_alarm_says_all_that_it_is_of_and_why(void **state)
{
	(void)state;
	struct ward ward;
	struct mr_figures siem = {.kind = MR_PART_SINK,
				  .name = MR_SLICE("siem"),
				  .words = MR_SLICE("HTTP status 500"),
				  .failing_us = 60 * SECOND};
	struct mr_figures files = {.kind = MR_PART_SOURCE,
				   .name = MR_SLICE("files"),
				   .full = true,
				   .unread = 2,
				   .input = MR_SLICE("/srv/a.csv")};
	ward_open(&ward);
	mr_config_part_add(&ward.supervisor.setup.config, MR_PART_SOURCE, "files");
	mr_health_adopt(&ward.health);
	say(&ward, siem);
	expect_words(&ward, MR_ALARM_RECEIVER_FAILING, "siem: HTTP status 500");
	siem.words = MR_SLICE("sink siem: No space left on device");
	say(&ward, siem);
	expect_words(&ward, MR_ALARM_RECEIVER_FAILING, "siem: No space left on device");
	say(&ward, files);
	expect_words(&ward, MR_ALARM_INPUT_UNREAD, "files: /srv/a.csv");
	show(&ward, MR_PART_SOURCE, "mail", true);
	expect_words(&ward, MR_ALARM_JOURNAL_FULL, "mail, files");
	show(&ward, MR_PART_SOURCE, "mail", false);
	expect_words(&ward, MR_ALARM_JOURNAL_FULL, "files");
	ward_close(&ward);
}

/* As if it had come to this time so long ago. */
static void come_to(struct ward *ward, uint32_t source, int64_t highest_us, int64_t by_us)
{
	mr_marks_at(&ward->health.marks, source)->highest_us = highest_us;
	ward->health.mark_us[source] = mr_clock_us() - by_us;
}

/* A source that is silent is told after ten minutes, and after three where alerts wait for it. */
static void a_source_that_alerts_wait_for_is_told(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	uint32_t mail = ward.health.sources.items[0].number;
	come_to(&ward, mail, 5 * SECOND, 179 * SECOND);
	come_to(&ward, mail + 1, 6 * SECOND, 1);
	ward.service.checkpoint.waiting = 40;
	assert_false(raised(&ward, MR_ALARM_WATERMARK_STUCK));
	come_to(&ward, mail, 5 * SECOND, 180 * SECOND);
	expect_words(&ward, MR_ALARM_WATERMARK_STUCK,
		     "mail; 40 slots of correlations that settle wait to be judged");
	come_to(&ward, mail, 6 * SECOND, 180 * SECOND); /* none is further */
	assert_false(raised(&ward, MR_ALARM_WATERMARK_STUCK));
	come_to(&ward, mail, 5 * SECOND, 180 * SECOND);
	ward.service.checkpoint.waiting = 0;
	assert_false(raised(&ward, MR_ALARM_WATERMARK_STUCK));
	come_to(&ward, mail, 5 * SECOND, 600 * SECOND);
	expect_words(&ward, MR_ALARM_WATERMARK_STUCK, "mail");
	/* One that never had a record holds up others, or nobody. */
	come_to(&ward, mail, MR_NO_TIME, 600 * SECOND);
	assert_false(raised(&ward, MR_ALARM_WATERMARK_STUCK));
	ward.service.checkpoint.waiting = 1;
	expect_words(&ward, MR_ALARM_WATERMARK_STUCK,
		     "mail; 1 slot of correlations that settle waits to be judged");
	ward_close(&ward);
}

/* Counters begin anew with each set of workers; what has come late has come all the same. */
static void late_events_are_counted_over_starts(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	uint64_t *late = &ward.supervisor.sums.at[MR_C_BEYOND_LATENESS];
	*late = 1289;
	expect_words(&ward, MR_ALARM_EVENTS_LATE, "beyond_lateness: 1289");
	*late = 0;
	expect_words(&ward, MR_ALARM_EVENTS_LATE, "beyond_lateness: 1289");
	*late = 1;
	expect_words(&ward, MR_ALARM_EVENTS_LATE, "beyond_lateness: 1290");
	ward.health.late_us -= 600 * SECOND;
	assert_false(raised(&ward, MR_ALARM_EVENTS_LATE));
	*late = 3;
	expect_words(&ward, MR_ALARM_EVENTS_LATE, "beyond_lateness: 2");
	ward_close(&ward);
}

static void workers_that_die_again_and_again_are_told(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	for (int i = 0; i < MR_HEALTH_DEATHS; i++) {
		assert_false(raised(&ward, MR_ALARM_WORKERS_DYING));
		mr_health_died(&ward.health, "worker deliver ended: out is not there");
	}
	expect_words(&ward, MR_ALARM_WORKERS_DYING, "worker deliver ended: out is not there");
	ward.health.death_us[0] -= 600 * SECOND;
	assert_false(raised(&ward, MR_ALARM_WORKERS_DYING));
	mr_health_died(&ward.health, "again");
	expect_words(&ward, MR_ALARM_WORKERS_DYING, "again");
	ward_close(&ward);
}

/* Each refusal is heard of once; what a worker that starts anew does not know is not over. */
static void refused_alerts_are_told_for_a_while(void **state)
{
	(void)state;
	struct ward ward;
	struct mr_figures siem = {.kind = MR_PART_SINK, .name = MR_SLICE("siem"), .refused = 7};
	ward_open(&ward);
	say(&ward, siem);
	assert_false(raised(&ward, MR_ALARM_ALERTS_REFUSED));
	siem.refused_us = 5;
	say(&ward, siem);
	assert_true(raised(&ward, MR_ALARM_ALERTS_REFUSED));
	assert_string_equal(ward.health.alarms.at[MR_ALARM_ALERTS_REFUSED].words, "siem");
	siem.refused_us = 0;
	say(&ward, siem);
	assert_true(raised(&ward, MR_ALARM_ALERTS_REFUSED));
	ward.health.sinks.items[0].refused_us -= 600 * SECOND;
	assert_false(raised(&ward, MR_ALARM_ALERTS_REFUSED));
	ward_close(&ward);
}

static void alarms_come_and_go(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	show(&ward, MR_PART_SINK, "siem", true);
	show(&ward, MR_PART_SOURCE, "mail", true);
	assert_true(raised(&ward, MR_ALARM_SINK_FULL) && raised(&ward, MR_ALARM_JOURNAL_FULL));
	show(&ward, MR_PART_SINK, "siem", false);
	show(&ward, MR_PART_SOURCE, "mail", false);
	assert_false(raised(&ward, MR_ALARM_SINK_FULL) || raised(&ward, MR_ALARM_JOURNAL_FULL));

	ward.service.checkpoint.failures = 1;
	assert_true(raised(&ward, MR_ALARM_CHECKPOINT_FAILED));
	ward.service.checkpoint.failures = 0;
	ward.service.checkpoint.due_us -= 60 * SECOND;
	assert_false(raised(&ward, MR_ALARM_CHECKPOINT_FAILED));
	assert_true(raised(&ward, MR_ALARM_CHECKPOINT_LATE));

	assert_false(raised(&ward, MR_ALARM_STATE_SHED));
	ward.supervisor.sums.at[MR_C_STATE_SHED] = 1;
	assert_true(raised(&ward, MR_ALARM_STATE_SHED));
	ward.health.shed_us -= 3600 * SECOND;
	assert_false(raised(&ward, MR_ALARM_STATE_SHED));

	assert_false(raised(&ward, MR_ALARM_EVENTS_LATE));
	ward.supervisor.sums.at[MR_C_BEYOND_LATENESS] = 24;
	expect_words(&ward, MR_ALARM_EVENTS_LATE, "beyond_lateness: 24");
	ward.health.late_us -= 600 * SECOND;
	assert_false(raised(&ward, MR_ALARM_EVENTS_LATE));
	ward_close(&ward);
}

static bool is_known(const struct mr_health_parts *parts, size_t at, const char *name)
{
	assert_true(at < parts->count);
	assert_string_equal(parts->items[at].name, name);
	return parts->items[at].known;
}

/* What is known of who stays goes with its name, of who goes it is forgotten, and who comes is
 * heard. */
static void other_settings_have_other_figures(void **state)
{
	(void)state;
	struct ward ward;
	struct mr_prepared other = {0};
	struct mr_generation generation = {0};
	static const char *const names[] = {"a", "b", "c", "mail"};
	ward_open(&ward);
	for (size_t i = 0; i < 4; i++) {
		struct mr_part *part = mr_config_part_add(&other.config, MR_PART_SOURCE, names[i]);
		part->number = (uint32_t)(i + 1) % 4;
		mr_config_part_add(&other.config, MR_PART_SINK, names[i]);
	}
	other.tables = mr_tables_new();
	mr_topology_default(1, 1, &other.topology);
	show(&ward, MR_PART_SOURCE, "mail", true);
	show(&ward, MR_PART_SINK, "siem", true);
	assert_true(raised(&ward, MR_ALARM_JOURNAL_FULL) && raised(&ward, MR_ALARM_SINK_FULL));

	mr_prepared_swap(&other, &ward.supervisor, &generation);
	assert_true(raised(&ward, MR_ALARM_JOURNAL_FULL));
	assert_string_equal(ward.health.alarms.at[MR_ALARM_JOURNAL_FULL].words, "mail");
	assert_false(raised(&ward, MR_ALARM_SINK_FULL));
	for (size_t i = 0; i < 3; i++) {
		assert_false(is_known(&ward.health.sources, i, names[i]));
		assert_false(is_known(&ward.health.sinks, i, names[i]));
		show(&ward, MR_PART_SOURCE, names[i], false);
		show(&ward, MR_PART_SINK, names[i], i == 2);
	}
	assert_true(is_known(&ward.health.sources, 3, "mail"));
	assert_int_equal(ward.health.sources.items[2].number, 3);
	assert_true(raised(&ward, MR_ALARM_SINK_FULL));
	assert_string_equal(ward.health.alarms.at[MR_ALARM_SINK_FULL].words, "c");

	mr_prepared_swap(&other, &ward.supervisor, &generation);
	assert_false(raised(&ward, MR_ALARM_SINK_FULL));
	assert_int_equal(ward.health.sinks.count, 1);
	assert_true(is_known(&ward.health.sources, 0, "mail"));
	mr_prepared_fini(&other);
	ward_close(&ward);
}

/* Its output is held back, and for long. */
static void intake_that_stands_still_is_told(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	assert_true(mr_supervisor_is_source(&ward.supervisor, 0));
	ward.supervisor.workers[0].watched.queued = 1;
	ward.supervisor.sums.at[MR_C_BYTES_COLLECTED] = 7;
	assert_false(raised(&ward, MR_ALARM_INTAKE_STOPPED));
	ward.health.taken_us -= 11 * SECOND;
	assert_true(raised(&ward, MR_ALARM_INTAKE_STOPPED));
	ward.supervisor.sums.at[MR_C_BYTES_COLLECTED] = 8;
	assert_false(raised(&ward, MR_ALARM_INTAKE_STOPPED));
	/* One that has nothing to read is not held back. */
	ward.supervisor.workers[0].watched.queued = 0;
	ward.health.taken_us -= 11 * SECOND;
	assert_false(raised(&ward, MR_ALARM_INTAKE_STOPPED));
	ward_close(&ward);
}

static enum mr_source_state state_after(struct ward *ward, uint32_t worker,
					enum mr_source_state said)
{
	uint32_t mail = ward->health.sources.items[0].number;
	struct mr_marks marks = {0};
	struct mr_buf bytes = {0};
	mr_marks_state(&marks, mail, said);
	mr_marks_encode(&marks, &bytes);
	uint64_t number = ++ward->supervisor.workers[worker].watched.pulse.asked;
	assert_int_equal(mr_health_pong(&ward->health, worker, number, 0,
					(struct mr_slice){bytes.data, bytes.len}, NULL),
			 MR_OK);
	mr_buf_fini(&bytes);
	mr_marks_fini(&marks);
	return mr_marks_at(&ward->health.marks, mail)->state;
}

/* After a restart the others take each source for ended, until a barrier comes. */
static void who_reads_a_source_says_whether_it_has_ended(void **state)
{
	(void)state;
	struct ward ward;
	ward_open(&ward);
	uint32_t last = ward.supervisor.worker_count - 1;
	assert_int_equal(state_after(&ward, 0, MR_SOURCE_ACTIVE), MR_SOURCE_ACTIVE);
	assert_int_equal(state_after(&ward, last, MR_SOURCE_ENDED), MR_SOURCE_ACTIVE);
	assert_int_equal(state_after(&ward, 0, MR_SOURCE_IDLE), MR_SOURCE_IDLE);
	assert_int_equal(state_after(&ward, 0, MR_SOURCE_ACTIVE), MR_SOURCE_ACTIVE);
	/* It has ended, and so has its source. */
	pid_t pid = ward.supervisor.workers[0].pid;
	ward.supervisor.workers[0].pid = 0;
	assert_int_equal(state_after(&ward, last, MR_SOURCE_ENDED), MR_SOURCE_ENDED);
	ward.supervisor.workers[0].pid = pid;
	ward_close(&ward);
}

static void wrong_words_are_a_breach(void **state)
{
	(void)state;
	struct ward ward;
	struct mr_error error = {0};
	struct mr_buf bytes = {0};
	ward_open(&ward);
	mr_marks_encode(&(struct mr_marks){0}, &bytes);
	struct mr_slice marks = {bytes.data, bytes.len};
	mr_health_turn(&ward.health);
	assert_int_equal(mr_health_pong(&ward.health, 0, 2, 0, marks, &error), MR_PROTOCOL);
	assert_int_equal(mr_health_pong(&ward.health, 0, 1, 0, MR_SLICE("x"), &error), MR_PROTOCOL);
	assert_int_equal(mr_health_pong(&ward.health, 0, 1, 0, marks, &error), MR_OK);
	assert_int_equal(mr_health_pong(&ward.health, 0, 1, 0, marks, &error), MR_PROTOCOL);
	assert_int_equal(mr_health_latency(&ward.health, 0, MR_L_ALERT, marks, &error),
			 MR_PROTOCOL);
	bytes.len = 0;
	mr_histogram_encode(&(struct mr_histogram){0}, &bytes);
	struct mr_slice histogram = {bytes.data, bytes.len};
	assert_int_equal(mr_health_latency(&ward.health, 0, MR_L_COUNT, histogram, &error),
			 MR_PROTOCOL);
	assert_int_equal(mr_health_latency(&ward.health, 0, MR_L_ALERT, histogram, &error), MR_OK);
	bytes.len = 0;
	mr_figures_encode(&(struct mr_figures){.kind = MR_PART_SINK,
					       .name = MR_SLICE("mail"),
					       .words = MR_SLICE("")},
			  &bytes);
	assert_int_equal(
	    mr_health_figures(&ward.health, 0, (struct mr_slice){bytes.data, bytes.len}, &error),
	    MR_PROTOCOL);
	mr_buf_fini(&bytes);
	ward_close(&ward);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_does_not_answer_is_killed),
	    cmocka_unit_test(who_gets_on_is_waited_for),
	    cmocka_unit_test(a_start_may_take_longer),
	    cmocka_unit_test(who_stood_still_himself_blames_nobody),
	    cmocka_unit_test(one_that_does_not_end_is_killed),
	    cmocka_unit_test(an_alarm_says_all_that_it_is_of_and_why),
	    cmocka_unit_test(a_source_that_alerts_wait_for_is_told),
	    cmocka_unit_test(late_events_are_counted_over_starts),
	    cmocka_unit_test(workers_that_die_again_and_again_are_told),
	    cmocka_unit_test(refused_alerts_are_told_for_a_while),
	    cmocka_unit_test(alarms_come_and_go),
	    cmocka_unit_test(what_is_not_judged_is_not_ready),
	    cmocka_unit_test(a_receiver_that_fails_for_long_is_told),
	    cmocka_unit_test(other_settings_have_other_figures),
	    cmocka_unit_test(intake_that_stands_still_is_told),
	    cmocka_unit_test(who_reads_a_source_says_whether_it_has_ended),
	    cmocka_unit_test(wrong_words_are_a_breach),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
