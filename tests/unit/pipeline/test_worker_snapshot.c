/* test_worker_snapshot.c - the state of a worker, written by a forked child, without a supervisor.
 * No other thread runs here: so a child is possible with a sanitizer, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "millrace/alive.h"
#include "worker.h"

#define WAIT_US 30000000
#define BIG (3u << 20) /* a state of several pieces */

/* ---- a stage with a state by key, which writes it as it is told ---- */

enum mood { WRITES, DIES, HANGS, STOPS };
static enum mood mood;
static unsigned value; /* the state: as it is at the cut */

static void snapshot(void *state, uint8_t key_group, struct mr_buf *out)
{
	(void)state;
	if (mood == DIES && key_group == 1)
		raise(SIGKILL);
	if (mood == STOPS && key_group == 1)
		raise(SIGSTOP);
	while (mood == HANGS && key_group == 1)
		pause();
	if (key_group < 3)
		memset(mr_buf_reserve(out, BIG), (int)value, BIG);
	out->len += key_group < 3 ? BIG : 0;
}

static const struct mr_stage_ops keeper = {
    .name = "keeper", .reads = MR_CONTENT_RECORDS, .snapshot = snapshot};
const struct mr_stage_ops *const mr_stages[] = {&keeper, NULL};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	return strcmp(name, keeper.name) == 0 ? &keeper : NULL;
}

/* ---- a worker whose supervisor is this test ---- */

static struct mr_worker worker;
static struct mr_control supervisor;

static void begin(void)
{
	int ends[2];
	static struct mr_upstream none;
	memset(&worker, 0, sizeof worker);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	mr_control_init(&worker.control, ends[0]);
	mr_control_init(&supervisor, ends[1]);
	mr_barrier_init(&worker.barrier);
	worker.upstream = &none;
	worker.chain.count = 1;
	worker.chain.items[0].ops = &keeper;
	worker.env.workers = 1;
	worker.barrier.forks = true;
	worker.held = MR_SNAPSHOT_FORK_BYTES;
	worker.barrier.patience_us = MR_SECOND_US;
}

static void end(void)
{
	mr_barrier_fini(&worker.barrier);
	mr_waits_fini(&worker.waits);
	mr_books_fini(&worker.books);
	mr_control_fini(&worker.control);
	mr_control_fini(&supervisor);
}

static int temporary(void)
{
	char path[] = "/tmp/millrace-snap-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* The barrier has come from everywhere, and all that was written before it is sent. */
static void cut(uint64_t number, int file)
{
	worker.barrier.number = number;
	worker.barrier.step = MR_BARRIER_FLUSH;
	assert_int_equal(mr_worker_snapshot_file(&worker, number, 0, dup(file), NULL), MR_OK);
	assert_int_equal(mr_worker_barrier(&worker, NULL), MR_OK);
	assert_int_equal(mr_worker_barrier(&worker, NULL), MR_OK);
	assert_int_equal(worker.barrier.step, MR_BARRIER_NONE);
}

/* As the worker's loop, until the report comes. */
static void hear(uint64_t number, struct mr_cut_report *out)
{
	int64_t until_us = mr_clock_us() + WAIT_US;
	struct mr_control_message message;
	enum mr_err err = MR_AGAIN;
	do {
		assert_true(mr_clock_us() < until_us);
		struct pollfd news = {.fd = worker.barrier.child_fd, .events = POLLIN};
		poll(&news, 1, 10);
		mr_worker_barrier_reap(&worker);
		err = mr_control_receive(&supervisor, &message, NULL);
	} while (err == MR_AGAIN || message.kind != MR_CONTROL_SNAPPED);
	assert_int_equal(err, MR_OK);
	assert_int_equal(message.number, number);
	assert_true(mr_cut_report_decode(message.bytes, out));
	while (worker.barrier.child_fd >= 0)
		mr_worker_barrier_reap(&worker);
}

static void expect_written(uint64_t number, bool by_child)
{
	struct mr_cut_report report;
	int file = temporary();
	char byte;
	value = (unsigned)number;
	cut(number, file);
	assert_true((worker.barrier.child_fd >= 0) == by_child);
	value = 99; /* the child has what was there at the cut */
	hear(number, &report);
	assert_string_equal(report.failure, "");
	assert_int_equal(report.file_count, 1);
	assert_int_equal(report.files[0].sum.size, lseek(file, 0, SEEK_END));
	assert_true(report.files[0].sum.size > 3 * (uint64_t)BIG);
	assert_int_equal(pread(file, &byte, 1, BIG), 1);
	assert_int_equal(byte, number);
	mr_cut_report_fini(&report);
	close(file);
}

static void expect_failed(uint64_t number, enum mood how, const char *words)
{
	struct mr_cut_report report;
	int file = temporary();
	mood = how;
	cut(number, file);
	mood = WRITES;
	hear(number, &report);
	assert_string_equal(report.failure, words);
	mr_cut_report_fini(&report);
	close(file);
}

static void a_child_writes_what_was_there_at_the_cut(void **state)
{
	(void)state;
	begin();
	expect_written(1, true);
	expect_written(2, true);
	end();
}

static void small_state_is_written_without_a_child(void **state)
{
	(void)state;
	begin();
	worker.held = MR_SNAPSHOT_FORK_BYTES - 1;
	expect_written(1, false);
	worker.held++;
	expect_written(2, true);
	pid_t last = worker.barrier.child;
	worker.held--; /* nor is that one left, which has ended */
	expect_written(3, false);
	assert_int_equal(waitpid(last, NULL, WNOHANG), -1);
	end();
}

static void one_that_dies_fails_its_checkpoint_alone(void **state)
{
	(void)state;
	begin();
	expect_failed(1, DIES, "the process that wrote the snapshot died");
	expect_written(2, true);
	end();
}

static void one_that_hangs_is_ended_and_fails_its_checkpoint_alone(void **state)
{
	(void)state;
	begin();
	worker.barrier.patience_us = MR_SECOND_US / 10;
	expect_failed(1, HANGS,
		      "the process that wrote the snapshot hung, and was ended: it wrote nothing "
		      "for 1 s");
	worker.barrier.patience_us = MR_SECOND_US;
	expect_written(2, true);
	end();
}

static void count_sign(void *context)
{
	++*(unsigned *)context;
}

/* The worker does without it meanwhile, and says that it gets on. */
static void one_that_is_stopped_fails_its_checkpoint_alone(void **state)
{
	unsigned signs = 0;
	char words[200];
	(void)state;
	begin();
	worker.barrier.patience_us = MR_SECOND_US / 10;
	struct mr_cut_report report;
	int file = temporary();
	mood = STOPS;
	cut(1, file);
	mood = WRITES;
	pid_t child = worker.barrier.child;
	hear(1, &report);
	snprintf(words, sizeof words,
		 "the process that writes the snapshot (%d) was stopped, and has not gone on for "
		 "100 ms",
		 (int)child);
	assert_string_equal(report.failure, words);
	mr_cut_report_fini(&report);
	close(file);
	mr_alive_listen(count_sign, &signs);
	expect_written(2, false);
	mr_alive_listen(NULL, NULL);
	assert_true(signs >= 3);
	assert_int_equal(kill(child, SIGCONT), 0);
	for (int64_t until_us = mr_clock_us() + WAIT_US; worker.barrier.child_left;) {
		assert_true(mr_clock_us() < until_us);
		poll(NULL, 0, 10);
		mr_worker_barrier_reap(&worker);
	}
	worker.barrier.patience_us = MR_SECOND_US;
	expect_written(3, true);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_child_writes_what_was_there_at_the_cut),
	    cmocka_unit_test(small_state_is_written_without_a_child),
	    cmocka_unit_test(one_that_dies_fails_its_checkpoint_alone),
	    cmocka_unit_test(one_that_hangs_is_ended_and_fails_its_checkpoint_alone),
	    cmocka_unit_test(one_that_is_stopped_fails_its_checkpoint_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
