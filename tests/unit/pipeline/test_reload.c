/* test_reload.c - a service whose rules change while it runs: each record is judged once, by those
 * in force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/ptrace.h>

#include "clock.h"
#include "kills.h"
#include "millrace/os.h"
#include "numbers.h"

#define FULL "MILLRACE_TEST_FULL" /* where no manifest takes another one's place at first */
#define FULL_TIMES 2

/* ---- a disk without room ---- */

static int (*real_renameat)(int, const char *, int, const char *);

static int full_renameat(int from, const char *old, int to, const char *new)
{
	static int failed;
	if (strncmp(new, MR_MANIFEST_PREFIX, strlen(MR_MANIFEST_PREFIX)) == 0 &&
	    failed < FULL_TIMES && faccessat(to, new, F_OK, 0) == 0) {
		failed++;
		errno = ENOSPC;
		return -1;
	}
	return real_renameat(from, old, to, new);
}

static void arm(const char *who)
{
	if (strcmp(who, "service") != 0 || getenv(FULL) == NULL)
		return;
	real_renameat = mr_os.renameat;
	mr_os.renameat = full_renameat;
}

/* ---- the tests ---- */

/* What the service says goes to a file, and is waited for there. */
static pid_t start_heard(void)
{
	char path[100];
	snprintf(path, sizeof path, "%s.said", directory);
	FILE *said = fopen(path, "w");
	assert_non_null(said);
	int kept = dup(STDERR_FILENO);
	dup2(fileno(said), STDERR_FILENO);
	pid_t pid = start_service(2);
	dup2(kept, STDERR_FILENO);
	close(kept);
	fclose(said);
	return pid;
}

static bool was_said(const char *words, uint32_t times)
{
	static char text[1 << 16];
	char path[100];
	snprintf(path, sizeof path, "%s.said", directory);
	FILE *said = fopen(path, "r");
	assert_non_null(said);
	text[fread(text, 1, sizeof text - 1, said)] = '\0';
	fclose(said);
	uint32_t count = 0;
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count >= times;
}

static void await_words(const char *words, uint32_t times)
{
	int64_t until_us = mr_clock_us() + LIFE_LIMIT_US;
	while (!was_said(words, times)) {
		assert_true(mr_clock_us() < until_us);
		poll(NULL, 0, 5);
	}
}

/* Behind the one that names what it starts with. */
static bool has_checkpoint(void)
{
	DIR *list = opendir(directory);
	const struct dirent *entry;
	bool has = false;
	while (list != NULL && (entry = readdir(list)) != NULL) {
		const char *name = entry->d_name;
		size_t len = strlen(MR_MANIFEST_PREFIX);
		has |= strncmp(name, MR_MANIFEST_PREFIX, len) == 0 &&
		       strspn(name + len, "0") < strlen(name + len) && strchr(name, '.') == NULL;
	}
	if (list != NULL)
		closedir(list);
	return has;
}

static void await_checkpoint(void)
{
	int64_t until_us = mr_clock_us() + LIFE_LIMIT_US;
	while (!has_checkpoint()) {
		assert_true(mr_clock_us() < until_us);
		poll(NULL, 0, 1);
	}
}

static void end_reloads(pid_t service, uint32_t editions)
{
	assert_int_equal(wait_for(service), 0);
	assert_int_equal(expect_all(), editions);
	char path[100];
	snprintf(path, sizeof path, "%s.said", directory);
	unlink(path);
	remove_directory();
}

static void a_reload_goes_on_from_its_checkpoint(void **state)
{
	struct sums sums;
	(void)state;
	make_directory();
	put_edition(EDITION_GATED);
	pid_t service = start_heard();
	await_checkpoint();
	put_edition(EDITION_GATED + 1);
	kill(service, SIGHUP);
	assert_int_equal(wait_for(service), 0);
	add_up_editions(&sums);
	assert_true(sums.count[EDITION_GATED + 1] >= NUMBERS / 2);
	assert_true(was_said("reloaded from checkpoint", 1));
	/* Another start finds nothing to do, with other rules again. */
	put_edition(EDITION_GATED + 2);
	end_reloads(start_service(1), sums.count[EDITION_GATED] > 0 ? 2 : 1);
}

/* What cannot be prepared, what workers cannot open, what has not changed. */
static void a_refused_reload_leaves_the_old_in_force(void **state)
{
	(void)state;
	make_directory();
	put_edition(EDITION_GATED);
	pid_t service = start_heard();
	await_checkpoint();
	write_edition("");
	kill(service, SIGHUP);
	await_words("reload refused, what was in force goes on: ", 1);
	write_edition("nonsense");
	kill(service, SIGHUP);
	await_words("no edition", 1);
	await_words("reload refused, what was in force goes on: ", 2);
	put_edition(EDITION_GATED);
	kill(service, SIGHUP);
	await_words("nothing has changed", 1);
	put_edition(EDITION_GATED + 1);
	kill(service, SIGHUP);
	end_reloads(service, 2);
}

/* The last manifest names the new set, its workers cannot begin, and there is no room to name the
 * old one again: nothing is read until there is. */
static void the_old_set_waits_for_its_name(void **state)
{
	(void)state;
	make_directory();
	put_edition(EDITION_GATED);
	setenv(FULL, "", 1);
	pid_t service = start_heard();
	unsetenv(FULL);
	await_checkpoint();
	write_edition("nonsense");
	kill(service, SIGHUP);
	await_words("reload refused, what was in force goes on: ", 1);
	await_words("rename it into place", FULL_TIMES);
	put_edition(EDITION_GATED + 1);
	kill(service, SIGHUP);
	end_reloads(service, 2);
}

/* The process that prepares a reload; 0: there is none. */
static pid_t find_reload(pid_t service)
{
	pid_t members[32];
	size_t count = family(service, members, sizeof members / sizeof members[0]);
	for (size_t i = 0; i + 1 < count; i++) {
		char path[64], words[64] = "";
		snprintf(path, sizeof path, "/proc/%d/cmdline", (int)members[i]);
		FILE *file = fopen(path, "r");
		size_t len = file == NULL ? 0 : fread(words, 1, sizeof words - 1, file);
		if (file != NULL)
			fclose(file);
		size_t program = strlen(words) + 1;
		if (program < len && strcmp(words + program, "reload") == 0)
			return members[i];
	}
	return 0;
}

/* Once killed, it does not end for its parent before its tracer does: as if the kernel had it wait
 * for a mount. 0 where processes cannot be traced here. */
static pid_t hold(pid_t pid)
{
	int ends[2];
	char word = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t tracer = fork();
	if (tracer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		word = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
		(void)!write(ends[1], &word, 1);
		for (;;)
			pause();
	}
	assert_true(tracer > 0);
	assert_int_equal(read(ends[0], &word, 1), 1);
	close(ends[0]);
	close(ends[1]);
	if (word != 0)
		return tracer;
	kill(tracer, SIGKILL);
	wait_for(tracer);
	return 0;
}

/* Whatever holds its process: the service waits for nobody, and the next one may come. */
static void a_reload_that_stands_still_is_refused(void **state)
{
	static const char late[] = "was not done after 6000 ms";
	pid_t still = 0;
	(void)state;
	make_directory();
	put_edition(EDITION_GATED);
	setenv(HASTY, "", 1);
	pid_t service = start_heard();
	unsetenv(HASTY);
	await_checkpoint();
	write_edition("still");
	kill(service, SIGHUP);
	/* On a busy machine it may be ended before it is found. */
	while (still == 0 && !was_said(late, 1))
		still = find_reload(service);
	pid_t tracer = still == 0 ? 0 : hold(still);
	await_words(late, 1);
	put_edition(EDITION_GATED + 1);
	kill(service, SIGHUP);
	end_reloads(service, 2);
	if (tracer == 0)
		return;
	kill(tracer, SIGKILL);
	wait_for(tracer);
}

/* Its checkpoint cannot be made: the sources, which had stopped for it, read on. */
static void a_reload_without_its_checkpoint_is_called_off(void **state)
{
	char there[100], away[100];
	(void)state;
	make_directory();
	put_edition(EDITION_SLOW);
	snprintf(there, sizeof there, "%s/checkpoints", directory);
	snprintf(away, sizeof away, "%s/elsewhere", directory);
	pid_t service = start_heard();
	await_checkpoint();
	put_edition(EDITION_SLOW + 1);
	assert_int_equal(rename(there, away), 0);
	kill(service, SIGHUP);
	await_words("reload refused, what was in force goes on: its checkpoint failed", 1);
	assert_int_equal(rename(away, there), 0);
	end_reloads(service, 1);
}

/* At any moment, killed and started anew meanwhile: no number is lost, none is judged twice, and
 * none by an edition that was not in force. */
static void reloads_and_kills_lose_nothing(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t seed = (uint32_t)mr_clock_us() + round;
		uint32_t deeds = 3 + draw(&seed) % 8, edition = EDITION_SLOW;
		int64_t until_us = mr_clock_us() + LIFE_LIMIT_US;
		print_message("seed %u, %u deeds\n", seed, deeds);
		make_directory();
		put_edition(edition);
		pid_t service = start_service(1 + draw(&seed) % 3);
		int status = -1;
		while (waitpid(service, &status, WNOHANG) == 0 || status != 0) {
			assert_true(mr_clock_us() < until_us);
			if (status != -1 && status != 0) {
				assert_true(WIFSIGNALED(status));
				status = -1;
				service = start_service(1 + draw(&seed) % 3);
			}
			if (deeds == 0) {
				poll(NULL, 0, 5);
				continue;
			}
			deeds--;
			if (draw(&seed) % 2 == 0) {
				hit(service, &seed);
			} else {
				poll(NULL, 0, (int)(draw(&seed) % 250));
				put_edition(++edition);
				kill(service, SIGHUP);
				if (draw(&seed) % 4 == 0)
					kill(service, SIGHUP);
			}
		}
		expect_all();
		remove_directory();
	}
}

int main(int argc, char **argv)
{
	int status;
	if (argc >= 2)
		arm(argv[1]);
	if (is_other_process(argc, argv, &status))
		return status;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_reload_goes_on_from_its_checkpoint),
	    cmocka_unit_test(a_refused_reload_leaves_the_old_in_force),
	    cmocka_unit_test(the_old_set_waits_for_its_name),
	    cmocka_unit_test(a_reload_that_stands_still_is_refused),
	    cmocka_unit_test(a_reload_without_its_checkpoint_is_called_off),
	    cmocka_unit_test(reloads_and_kills_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
