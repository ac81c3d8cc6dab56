/* test_service.c - a service whose processes are killed at random: every record is counted once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clock.h"
#include "numbers.h"

#define ROUNDS 6
#define LIFE_LIMIT_US 60000000 /* of one round */

/* The children of a process, and itself last. */
static size_t family(pid_t pid, pid_t *out, size_t most)
{
	char path[64];
	size_t count = 0;
	int child;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	FILE *list = fopen(path, "r");
	while (list != NULL && count + 1 < most && fscanf(list, "%d", &child) == 1)
		out[count++] = child;
	if (list != NULL)
		fclose(list);
	out[count++] = pid;
	return count;
}

static uint32_t draw(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
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

/* Kill one of the family, or all with the supervisor, after a random pause. */
static void hit(pid_t service, uint32_t *seed)
{
	pid_t members[32];
	poll(NULL, 0, (int)(draw(seed) % 120));
	size_t count = family(service, members, sizeof members / sizeof members[0]);
	pid_t victim = members[draw(seed) % count];
	kill(victim, SIGKILL);
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

/* Before that a signal ends it as any program (proc(5), SigBlk). */
static void wait_until_signals_are_held(pid_t pid)
{
	char path[64], line[256];
	unsigned long long held = 0;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	while ((held >> (SIGTERM - 1) & 1) == 0) {
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

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "worker") == 0)
		return mr_worker_main(argc - 1, argv + 1);
	if (argc == 4 && strcmp(argv[1], "service") == 0)
		return service_main(argv);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_is_counted_once),
	    cmocka_unit_test(killed_processes_lose_nothing),
	    cmocka_unit_test(a_signal_ends_behind_a_checkpoint),
	    cmocka_unit_test(a_second_service_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
