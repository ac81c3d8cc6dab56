/* test_checkpoint.c - a worker speaks of a barrier in its turn, and is not believed beyond what can
 * be; too much behind a checkpoint stops the sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "exact.h"
#include "few_stages.h"
#include "os_faults.h"
#include "service.h"
#include "supervisor.h"

#define WORKERS 2
#define NUMBER 1

/* A service whose workers are two sources without state; they hear what they are told, no more. */
struct desk {
	char path[64];
	struct mr_service service;
	struct mr_supervisor supervisor;
	struct mr_group group;
	int ends[WORKERS];
};

static void desk_open(struct desk *desk)
{
	struct mr_error error = {0};
	*desk = (struct desk){.group = {.name = "collect", .chain = {"collect"}, .workers = 2}};
	snprintf(desk->path, sizeof desk->path, "/tmp/mr-checkpoint-XXXXXX");
	assert_non_null(mkdtemp(desk->path));
	if (mr_service_open(&desk->service, desk->path, NULL, 1, &error) != MR_OK)
		fail_msg("%s", error.text);
	struct mr_supervisor *supervisor = &desk->supervisor;
	*supervisor = (struct mr_supervisor){.service = &desk->service, .signals = -1};
	supervisor->setup.topology = (struct mr_topology){.groups = &desk->group, .group_count = 1};
	supervisor->workers = mr_calloc(WORKERS, sizeof *supervisor->workers);
	supervisor->worker_count = WORKERS;
	for (uint32_t i = 0; i < WORKERS; i++) {
		int ends[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
		mr_control_init(&supervisor->workers[i].control, ends[0]);
		mr_setup_worker_name(&supervisor->setup.topology, i, supervisor->workers[i].name);
		desk->ends[i] = ends[1];
	}
	assert_int_equal(mr_bookkeeper_begin(&desk->service.keeper, (const char *[]){"collect"}, 1,
					     0, desk->service.checkpoint.last.ledger_head, &error),
			 MR_OK);
}

static void desk_close(struct desk *desk)
{
	char command[100];
	for (uint32_t i = 0; i < WORKERS; i++) {
		mr_control_fini(&desk->supervisor.workers[i].control);
		close(desk->ends[i]);
	}
	free(desk->supervisor.workers);
	mr_warnings_fini(&desk->supervisor.warnings);
	mr_service_close(&desk->service);
	snprintf(command, sizeof command, "rm -rf %s", desk->path);
	assert_int_equal(system(command), 0);
}

static void snap_with(struct desk *desk, uint32_t worker, const struct mr_cut_report *report)
{
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	mr_cut_report_encode(report, &bytes);
	if (mr_checkpoint_snapped(&desk->service.checkpoint, &desk->supervisor, worker, NUMBER,
				  (struct mr_slice){bytes.data, bytes.len}, &error) != MR_OK)
		fail_msg("%s", error.text);
	mr_buf_fini(&bytes);
}

static void snap(struct desk *desk, uint32_t worker, uint64_t cpu_ns)
{
	snap_with(desk, worker, &(struct mr_cut_report){.cpu_ns = cpu_ns});
}

static enum mr_err say_books(struct desk *desk, uint32_t worker, uint64_t number,
			     struct mr_slice part, const char *words)
{
	struct mr_error error = {0};
	enum mr_err err = mr_checkpoint_books(&desk->service.checkpoint, &desk->supervisor, worker,
					      number, part, &error);
	if (err != MR_OK && strstr(error.text, words) == NULL)
		fail_msg("%s", error.text);
	return err;
}

static void books_come_in_their_turn(void **state)
{
	(void)state;
	static struct desk desk;
	struct mr_slice part = S("\x94\x02\x00\xa1x\x07"); /* source 0, x, at 7 */
	const char *words = "collect-1: books out of their turn";
	desk_open(&desk);
	assert_int_equal(say_books(&desk, 0, 0, part, words), MR_PROTOCOL);
	mr_checkpoint_begin(&desk.service.checkpoint, &desk.supervisor);
	assert_true(desk.service.checkpoint.under_way);
	assert_int_equal(say_books(&desk, 0, NUMBER + 1, part, words), MR_PROTOCOL);
	assert_int_equal(say_books(&desk, 0, NUMBER, part, ""), MR_OK);
	assert_int_equal(say_books(&desk, 0, NUMBER, S("\x00"), "collect-1: books that are none"),
			 MR_PROTOCOL);
	snap(&desk, 0, 0);
	assert_int_equal(say_books(&desk, 0, NUMBER, part, words), MR_PROTOCOL);
	assert_int_equal(say_books(&desk, 1, NUMBER, part, ""), MR_OK);
	snap(&desk, 1, 0);
	assert_int_equal(desk.service.checkpoint.last.number, NUMBER);
	assert_int_equal(say_books(&desk, 0, NUMBER, part, words), MR_PROTOCOL);
	desk_close(&desk);
}

/* The next one is not put off for longer than all processors could have worked. */
static void a_cost_that_cannot_be_is_not_believed(void **state)
{
	(void)state;
	static struct desk desk;
	struct mr_checkpoint *checkpoint = &desk.service.checkpoint;
	desk_open(&desk);
	mr_checkpoint_begin(checkpoint, &desk.supervisor);
	int64_t begun_us = checkpoint->begun_us;
	snap(&desk, 0, UINT64_MAX);
	snap(&desk, 1, UINT64_MAX / 3);
	assert_int_equal(checkpoint->last.number, NUMBER);
	int64_t wall_us = mr_clock_us() - begun_us;
	assert_true(checkpoint->due_us >= begun_us);
	assert_true(checkpoint->due_us - begun_us <=
		    40 * wall_us * (sysconf(_SC_NPROCESSORS_ONLN) + 1));
	desk_close(&desk);
}

static int unlink_nothing(int directory, const char *path, int flags)
{
	(void)directory, (void)path, (void)flags;
	errno = EROFS;
	return -1;
}

/* The last word of these (bits) that a worker was told; MR_CONTROL_KIND_END: none. */
static enum mr_control_kind told(const struct desk *desk, uint32_t worker, uint64_t kinds)
{
	static struct mr_control end;
	struct mr_control_message message;
	enum mr_control_kind kind = MR_CONTROL_KIND_END;
	mr_control_init(&end, dup(desk->ends[worker]));
	while (mr_control_receive(&end, &message, NULL) == MR_OK)
		if ((kinds >> message.kind & 1) != 0)
			kind = message.kind;
	mr_control_fini(&end);
	return kind;
}

/* Its manifest is renamed, the directory cannot be synced, and then all is read-only: what a start
 * finds is what this process goes on from, but no worker may count on it. */
static void one_that_stands_though_it_failed_is_gone_on_from(void **state)
{
	(void)state;
	static struct desk desk;
	struct mr_checkpoint *checkpoint = &desk.service.checkpoint;
	struct mr_bookkeeper *keeper = &desk.service.keeper;
	struct mr_manifest found;
	struct mr_error error = {0};
	for (int call = 0; call < 2; call++) {
		bool stands = call == 1;
		desk_open(&desk);
		mr_checkpoint_begin(checkpoint, &desk.supervisor);
		snap(&desk, 0, 0);
		/* Syncs of the checkpoint's directory and the one above, of the manifest, and of
		 * the directory that it was renamed in. */
		os_fault((struct os_fault){.call = OS_FSYNC, .nth = 4, .number = EIO});
		if (stands)
			mr_os.unlinkat = unlink_nothing;
		snap(&desk, 1, 0);
		assert_true(os_fault_met());
		os_faults_end();
		assert_int_equal(checkpoint->failures, 1);
		assert_int_equal(checkpoint->last.number, stands ? NUMBER : 0);
		assert_int_equal(keeper->settled.number, stands ? NUMBER : 0);
		assert_int_equal(mr_state_dir_recover(&desk.service.dir, &found, &error), MR_OK);
		assert_int_equal(found.number, checkpoint->last.number);
		/* A worker dies: the books go back to what is gone on from, and are whole. */
		assert_int_equal(mr_bookkeeper_begin(keeper, (const char *[]){"collect"}, 1,
						     found.number, found.ledger_head, &error),
				 MR_OK);
		assert_int_equal(told(&desk, 0, UINT64_C(1) << MR_CONTROL_COMMITTED),
				 MR_CONTROL_KIND_END);
		mr_manifest_fini(&found);
		desk_close(&desk);
	}
}

static void commit_owed(struct desk *desk, uint64_t number, uint64_t owed)
{
	struct mr_checkpoint *checkpoint = &desk->service.checkpoint;
	mr_checkpoint_begin(checkpoint, &desk->supervisor);
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct mr_buf bytes = {0};
		const struct mr_cut_report report = {.owed = owed, .held = 5, .waiting = 3};
		mr_cut_report_encode(&report, &bytes);
		assert_int_equal(mr_checkpoint_snapped(checkpoint, &desk->supervisor, i, number,
						       (struct mr_slice){bytes.data, bytes.len},
						       NULL),
				 MR_OK);
		mr_buf_fini(&bytes);
	}
	assert_int_equal(checkpoint->last.number, number);
	assert_int_equal(checkpoint->held, WORKERS * 5); /* of all, as they say it */
	assert_int_equal(checkpoint->waiting, WORKERS * 3);
}

/* A reload waits for no more lines than can be, and for fewer and fewer. */
static void owed_lines_that_cannot_be_are_not_believed(void **state)
{
	(void)state;
	static struct desk desk;
	struct mr_checkpoint *checkpoint = &desk.service.checkpoint;
	desk_open(&desk);
	commit_owed(&desk, 1, UINT64_MAX); /* of sources */
	assert_int_equal(checkpoint->owed, 0);
	desk_close(&desk);
	desk_open(&desk);
	desk.group = (struct mr_group){.name = "deliver", .chain = {"deliver"}, .workers = 2};
	commit_owed(&desk, 1, UINT64_MAX);
	assert_int_equal(checkpoint->owed, WORKERS * MR_LINES_BEHIND_MAX);
	commit_owed(&desk, 2, 7);
	assert_int_equal(checkpoint->owed, WORKERS * 7);
	commit_owed(&desk, 3, 8);
	assert_int_equal(checkpoint->owed, WORKERS * 7);
	desk_close(&desk);
}

static const uint64_t to_sources = UINT64_C(1) << MR_CONTROL_DRAIN |
				   UINT64_C(1) << MR_CONTROL_RESUME |
				   UINT64_C(1) << MR_CONTROL_FINISH;

static void turn(struct desk *desk, enum mr_control_kind wanted)
{
	mr_service_turn(&desk->service, &desk->supervisor, 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(told(desk, i, to_sources), wanted);
}

static void drained(struct desk *desk)
{
	for (uint32_t i = 0; i < WORKERS; i++) {
		desk->supervisor.workers[i].drained = true;
		mr_service_drained(&desk->service);
	}
}

/* Sources stop where more lines might be written than are known again after a death; the work is
 * not taken for done, and goes on once a checkpoint is made. */
static void lines_without_a_checkpoint_stop_the_sources(void **state)
{
	(void)state;
	static struct desk desk;
	desk_open(&desk);
	struct mr_checkpoint *checkpoint = &desk.service.checkpoint;
	struct mr_counters *counters = &desk.supervisor.workers[0].counters;
	checkpoint->due_us = INT64_MAX;
	checkpoint->failures = 1;
	counters->at[MR_C_DELIVERED] = MR_LINES_BEHIND_MAX / 2 - 2;
	counters->at[MR_C_UPDATES_WRITTEN] = 1;
	turn(&desk, MR_CONTROL_KIND_END);
	desk.supervisor.workers[1].counters.at[MR_C_REJECTS_WRITTEN] = 1;
	turn(&desk, MR_CONTROL_DRAIN);
	turn(&desk, MR_CONTROL_KIND_END);
	drained(&desk);
	turn(&desk, MR_CONTROL_KIND_END);
	assert_false(checkpoint->under_way);
	checkpoint->due_us = 0;
	turn(&desk, MR_CONTROL_KIND_END);
	assert_true(checkpoint->under_way);
	assert_int_equal(desk.service.last_number, 0);
	snap_with(&desk, 0, &(struct mr_cut_report){.counters = *counters});
	snap(&desk, 1, 0);
	assert_int_equal(checkpoint->last.number, NUMBER);
	turn(&desk, MR_CONTROL_RESUME);
	assert_int_equal(desk.service.drained, 0);
	/* The end of the service is not held up. */
	checkpoint->due_us = INT64_MAX;
	checkpoint->failures = 1;
	counters->at[MR_C_DELIVERED] *= 3;
	turn(&desk, MR_CONTROL_DRAIN);
	drained(&desk);
	mr_service_signal(&desk.service, SIGTERM);
	checkpoint->due_us = 0;
	turn(&desk, MR_CONTROL_KIND_END);
	assert_int_equal(desk.service.last_number, NUMBER + 1);
	desk_close(&desk);
	/* One that only was not due yet is made at once. */
	desk_open(&desk);
	checkpoint->due_us = INT64_MAX;
	counters = &desk.supervisor.workers[0].counters;
	counters->at[MR_C_DELIVERED] = MR_LINES_BEHIND_MAX / 2;
	turn(&desk, MR_CONTROL_DRAIN);
	assert_true(checkpoint->under_way);
	desk_close(&desk);
}

/* One that is wanted sooner is due from now on: nobody is late for it. */
static void who_hurries_is_not_late(void **state)
{
	(void)state;
	struct mr_checkpoint checkpoint = {.due_us = 5000000}; /* none has begun */
	mr_checkpoint_hurry(&checkpoint, 1000000, 250000);
	assert_int_equal(checkpoint.due_us, 1000000);
	mr_checkpoint_hurry(&checkpoint, 1100000, 250000);
	assert_int_equal(checkpoint.due_us, 1000000);
	checkpoint.begun_us = 1200000;
	checkpoint.due_us = 5000000;
	mr_checkpoint_hurry(&checkpoint, 1300000, 250000);
	assert_int_equal(checkpoint.due_us, 1450000);
}

/* When the next one is due, if it is asked whenever it is; nothing comes meanwhile. */
static int64_t next_us(struct desk *desk)
{
	struct mr_checkpoint *checkpoint = &desk->service.checkpoint;
	int64_t asked_us;
	checkpoint->begun_us = 1000000;
	checkpoint->interval_us = 1000000;
	checkpoint->due_us = 2000000;
	do {
		asked_us = checkpoint->due_us;
		mr_checkpoint_put_off(checkpoint, &desk->supervisor, asked_us - 1);
		assert_int_equal(checkpoint->due_us, asked_us); /* it was not due */
		mr_checkpoint_put_off(checkpoint, &desk->supervisor, asked_us);
	} while (checkpoint->due_us != asked_us);
	return asked_us;
}

/* What would say the same as the last one is put off; not what has something to say or to settle.
 */
static void one_that_has_nothing_to_say_is_put_off(void **state)
{
	(void)state;
	static struct desk desk;
	struct mr_checkpoint *checkpoint = &desk.service.checkpoint;
	desk_open(&desk);
	desk.supervisor.workers[0].counters.at[MR_C_RECORDS] = 7;
	assert_int_equal(next_us(&desk), 2000000); /* the first of its incarnation */
	commit_owed(&desk, 1, 0);
	assert_int_equal(next_us(&desk), 2000000); /* slots wait for a source to be idle */
	checkpoint->waiting = 0;
	assert_int_equal(next_us(&desk), 11000000);
	desk.supervisor.workers[1].counters.at[MR_C_RECORDS] = 1;
	assert_int_equal(next_us(&desk), 2000000);
	commit_owed(&desk, 2, 0);
	checkpoint->waiting = 0;
	assert_int_equal(next_us(&desk), 11000000);
	checkpoint->untold = true;
	assert_int_equal(next_us(&desk), 2000000);
	checkpoint->untold = false;
	desk.service.keeper.waiting = true;
	assert_int_equal(next_us(&desk), 2000000);
	desk.service.keeper.waiting = false;
	checkpoint->failures = 1;
	assert_int_equal(next_us(&desk), 2000000);
	checkpoint->failures = 0;
	/* One that is far apart for its cost comes no sooner. */
	checkpoint->due_us = 90000000;
	mr_checkpoint_put_off(checkpoint, &desk.supervisor, checkpoint->due_us);
	assert_int_equal(checkpoint->due_us, 90000000);
	desk_close(&desk);
}

/* What the settings leave out is as it is where they never had it. */
static void an_interval_that_is_taken_out_is_the_default(void **state)
{
	(void)state;
	static struct mr_service service;
	struct mr_config config = {0};
	struct mr_config none = {0};
	mr_config_add(&config, "checkpoint_interval", "1s");
	mr_service_adopt(&service, &config);
	assert_int_equal(service.interval_us, 1000000);
	mr_service_adopt(&service, &none);
	assert_int_equal(service.interval_us, 10000000);
	assert_int_equal(service.checkpoint.interval_us, 10000000);
	mr_config_fini(&config);
}

static void a_pause_has_an_end(void **state)
{
	(void)state;
	assert_int_equal(mr_service_pause_ms(1), 100);
	assert_int_equal(mr_service_pause_ms(2), 200);
	assert_int_equal(mr_service_pause_ms(7), 6400);
	assert_int_equal(mr_service_pause_ms(8), 10000);
	assert_int_equal(mr_service_pause_ms(UINT32_MAX), 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(books_come_in_their_turn),
	    cmocka_unit_test(one_that_stands_though_it_failed_is_gone_on_from),
	    cmocka_unit_test(owed_lines_that_cannot_be_are_not_believed),
	    cmocka_unit_test(lines_without_a_checkpoint_stop_the_sources),
	    cmocka_unit_test(a_cost_that_cannot_be_is_not_believed),
	    cmocka_unit_test(who_hurries_is_not_late),
	    cmocka_unit_test(one_that_has_nothing_to_say_is_put_off),
	    cmocka_unit_test(an_interval_that_is_taken_out_is_the_default),
	    cmocka_unit_test(a_pause_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
