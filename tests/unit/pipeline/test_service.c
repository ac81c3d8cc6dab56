/* test_service.c - a service whose processes are killed at random: every record is counted once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/syscall.h>

#include "clock.h"
#include "kills.h"
#include "numbers.h"
#include "sandbox.h"

/* So a child of a worker's ends, once it has said all: the one that can make this folder is stopped
 * there. Before the C library's for all that is linked with this program. */
static const char *stop; /* in a worker */

void _exit(int status)
{
	if (stop != NULL && mkdir(stop, 0700) == 0)
		raise(SIGSTOP);
	for (;;)
		syscall(SYS_exit_group, status);
}

static void all_is_counted_once(void **state)
{
	(void)state;
	make_directory();
	assert_int_equal(wait_for(start_service(2)), 0);
	expect_all();
	/* Again: there is nothing left to do, with other numbers of workers too. */
	assert_int_equal(wait_for(start_service(3)), 0);
	expect_all();
	remove_directory();
}

static void killed_processes_lose_nothing(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t seed = (uint32_t)mr_clock_us() + round;
		uint32_t kills = 1 + draw(&seed) % 5;
		int64_t until_us = mr_clock_us() + LIFE_LIMIT_US;
		print_message("seed %u, %u kills\n", seed, kills);
		make_directory();
		pid_t service = start_service(1 + draw(&seed) % 3);
		int status = -1;
		while (waitpid(service, &status, WNOHANG) == 0 || status != 0) {
			assert_true(mr_clock_us() < until_us);
			if (status != -1 && status != 0) { /* the supervisor was hit */
				assert_true(WIFSIGNALED(status));
				status = -1;
				service = start_service(1 + draw(&seed) % 3);
			}
			if (kills > 0) {
				hit(service, &seed);
				kills--;
			} else {
				poll(NULL, 0, 5);
			}
		}
		expect_all();
		remove_directory();
	}
}

static bool holds(unsigned long long signals, int which)
{
	return (signals >> (which - 1) & 1) != 0;
}

/* Before that a signal ends it as any program (proc(5), SigBlk). For a moment each one is held, by
 * fork and by ThreadSanitizer's start: those that end it are only when another is not. */
static void wait_until_signals_are_held(pid_t pid)
{
	char path[64], line[256];
	unsigned long long held = 0;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	while (!holds(held, SIGTERM) || holds(held, SIGQUIT)) {
		FILE *file = fopen(path, "r");
		assert_non_null(file);
		while (fgets(line, sizeof line, file) != NULL)
			sscanf(line, "SigBlk: %llx", &held);
		fclose(file);
	}
}

/* SIGTERM: what was read is committed, and the next start goes on behind it. */
static void a_signal_ends_behind_a_checkpoint(void **state)
{
	(void)state;
	make_directory();
	for (int status = -1; status != 0;) {
		uint64_t before, after, sum;
		add_up(&before, &sum);
		pid_t service = start_service(2);
		wait_until_signals_are_held(service);
		poll(NULL, 0, 300);
		kill(service, SIGTERM);
		status = wait_for(service);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		add_up(&after, &sum);
		assert_int_equal(sum, after == 0 ? 0 : after * (after - 1) / 2);
		status = after < NUMBERS;
	}
	expect_all();
	remove_directory();
}

static void a_second_service_is_refused(void **state)
{
	struct mr_state_dir dir;
	struct mr_error error = {0};
	(void)state;
	make_directory();
	assert_int_equal(mr_state_dir_open(directory, &dir, &error), MR_OK);
	assert_int_equal(WEXITSTATUS(wait_for(start_service(1))), 2);
	mr_state_dir_close(&dir);
	remove_directory();
}

/* What the ledger has seen is not begun anew by itself. */
static void lost_manifests_are_told(void **state)
{
	char command[256];
	(void)state;
	make_directory();
	/* Two lives: on a fast machine each has but its last checkpoint. */
	assert_int_equal(wait_for(start_service(1)), 0);
	assert_int_equal(wait_for(start_service(1)), 0);
	snprintf(command, sizeof command, "mkdir %s/aside && mv %s/MANIFEST-* %s/aside", directory,
		 directory, directory);
	assert_int_equal(system(command), 0);
	assert_int_equal(WEXITSTATUS(wait_for(start_service(1))), 2);
	snprintf(command, sizeof command, "mv %s/aside/MANIFEST-* %s", directory, directory);
	assert_int_equal(system(command), 0);
	expect_all();
	remove_directory();
}

/* It is left to itself after a while: it holds up neither its worker nor a checkpoint. */
static void a_child_that_is_stopped_behind_its_report(void **state)
{
	char place[100];
	(void)state;
	if (mr_sandbox_sanitized()) /* then there is none */
		skip();
	make_directory();
	snprintf(place, sizeof place, "%s/stopped", directory);
	setenv(STOP, place, 1);
	assert_int_equal(wait_for(start_service(1)), 0);
	unsetenv(STOP);
	assert_int_equal(rmdir(place), 0);
	expect_all();
	remove_directory();
}

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "worker") == 0)
		stop = getenv(STOP);
	int status;
	if (is_other_process(argc, argv, &status))
		return status;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_is_counted_once),
	    cmocka_unit_test(killed_processes_lose_nothing),
	    cmocka_unit_test(a_signal_ends_behind_a_checkpoint),
	    cmocka_unit_test(a_child_that_is_stopped_behind_its_report),
	    cmocka_unit_test(a_second_service_is_refused),
	    cmocka_unit_test(lost_manifests_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
