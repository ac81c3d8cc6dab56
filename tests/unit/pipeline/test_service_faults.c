/* test_service_faults.c - a service on a disk that is full or broken: whatever call of the
 * supervisor or of a worker fails, a later checkpoint is made, or it ends in good order; and what
 * it left is gone on from exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/syscall.h>

#include "os_faults.h"
#include "sandbox.h"

#define NUMBERS 3000
#include "numbers.h"

#define MET 32 /* in the exit status of a service: the call that was to fail was made */
#define FAULT "MILLRACE_TEST_FAULT"
#define WAIT_MS 20000

/* ---- SQLite's calls, which go past mr_os ---- */

enum { LEDGER = OS_CALLS }; /* a call on a file of the ledger */
static struct os_fault ledger_fault;
static unsigned ledger_calls;

static bool is_ledger(int fd)
{
	char link[40], name[256];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, name, sizeof name - 1);
	name[len > 0 ? len : 0] = 0;
	return strstr(name, "/ledger.sqlite") != NULL;
}

static bool ledger_fails(int fd)
{
	if (ledger_fault.nth == 0 || !is_ledger(fd))
		return false;
	ledger_calls++;
	errno = ledger_fault.number;
	return ledger_calls == ledger_fault.nth;
}

/* These stand before the C library's for all that is linked with this program. */
int fdatasync(int fd)
{
	return ledger_fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	return ledger_fails(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

/* ---- who is to meet what ---- */

/* `who` is the role of the process: service or worker. */
static void plan(const char *who, struct os_fault fault)
{
	char text[80];
	snprintf(text, sizeof text, "%s %d %u %d %d %d", who, fault.call, fault.nth, fault.number,
		 fault.lasting, fault.half);
	setenv(FAULT, text, 1);
}

static void arm(const char *who)
{
	char whose[16];
	int call, lasting, half;
	struct os_fault fault;
	const char *text = getenv(FAULT);
	if (text == NULL ||
	    sscanf(text, "%15s %d %u %d %d %d", whose, &call, &fault.nth, &fault.number, &lasting,
		   &half) != 6 ||
	    strcmp(whose, who) != 0)
		return;
	fault.call = call == LEDGER ? OS_ANY : (enum os_call)call;
	fault.lasting = lasting != 0;
	fault.half = half != 0;
	if (call == LEDGER)
		ledger_fault = fault;
	else
		os_fault(fault);
}

static bool was_met(void)
{
	return os_fault_met() || (ledger_fault.nth > 0 && ledger_calls >= ledger_fault.nth);
}

/* ---- the tests ---- */

/* So that the first calls are not those that make it. */
static void make_ledger(void)
{
	char path[100];
	struct mr_ledger *ledger;
	snprintf(path, sizeof path, "%s/ledger.sqlite", directory);
	assert_int_equal(mr_ledger_open(path, true, &ledger, NULL), MR_OK);
	mr_ledger_close(ledger);
}

/* A service that meets the fault; whether it did. Then one that meets none ends the work. */
static bool meets(struct os_fault fault, int call)
{
	fault.call = (enum os_call)call;
	make_directory();
	if (call == LEDGER)
		make_ledger();
	plan("service", fault);
	int status = wait_for(start_service(2));
	unsetenv(FAULT);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status) % MET, 0, 2);
	assert_int_equal(wait_for(start_service(1)), 0);
	expect_all();
	remove_directory();
	return WEXITSTATUS(status) >= MET;
}

static unsigned fail_each(int call, int number, bool half, unsigned most)
{
	unsigned nth = 1;
	while (nth <= most &&
	       meets((struct os_fault){.nth = nth, .number = number, .half = half}, call))
		nth++;
	return nth;
}

/* Two checkpoints and more: each call that there is. */
static void each_call_of_the_supervisor_fails(void **state)
{
	(void)state;
	assert_true(fail_each(OS_ANY, EIO, false, 45) > 35);
	assert_true(fail_each(OS_WRITE, ENOSPC, true, 3) > 3);
}

static void each_call_of_the_ledger_fails(void **state)
{
	(void)state;
	assert_true(fail_each(LEDGER, EIO, false, 25) > 20);
	assert_true(fail_each(LEDGER, ENOSPC, false, 12) > 12);
}

/* Until these words stand in what it says. */
static void wait_for_words(int pipe, const char *words)
{
	char said[16384] = "";
	size_t len = 0;
	struct pollfd news = {.fd = pipe, .events = POLLIN};
	while (strstr(said, words) == NULL) {
		assert_int_equal(poll(&news, 1, WAIT_MS), 1);
		ssize_t got = read(pipe, said + len, sizeof said - 1 - len);
		assert_true(got > 0);
		len += (size_t)got;
		said[len] = 0;
	}
}

/* It does not come to its end, says why, and is killed; the next one finds room. */
static void is_full_for_good(const char *who, enum os_call call, unsigned nth, int number,
			     const char *words)
{
	int ends[2], saved = dup(STDERR_FILENO);
	make_directory();
	/* On a fast machine the work would be done before the fault is met. */
	put_edition(EDITION_GATED);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	plan(who, (struct os_fault){.call = call,
				    .nth = nth,
				    .number = number,
				    .lasting = true,
				    .half = number == ENOSPC});
	dup2(ends[1], STDERR_FILENO);
	pid_t service = start_service(2);
	dup2(saved, STDERR_FILENO);
	close(ends[1]);
	close(saved);
	unsetenv(FAULT);
	wait_for_words(ends[0], words);
	kill(service, SIGKILL);
	wait_for(service);
	close(ends[0]);
	put_edition(EDITION_GATED + 1);
	assert_int_equal(wait_for(start_service(2)), 0);
	expect_all();
	remove_directory();
}

/* Behind the calls of the start. */
static void a_disk_that_stays_full_is_said(void **state)
{
	(void)state;
	is_full_for_good("service", OS_MKDIRAT, 3, ENOSPC, "failed, 3 in a row");
	is_full_for_good("service", OS_RENAMEAT, 5, ENOSPC, "rename it into place");
	is_full_for_good("service", OS_FSYNC, 16, EIO, "failed, 2 in a row");
	is_full_for_good("worker", OS_WRITE, 1, ENOSPC, "cannot write a snapshot: No space left");
	/* With a sanitizer no child writes it, and the supervisor alone syncs. */
	if (!mr_sandbox_sanitized())
		is_full_for_good("worker", OS_FDATASYNC, 1, EIO, "cannot sync a snapshot");
}

int main(int argc, char **argv)
{
	int status;
	if (argc >= 2)
		arm(argv[1]);
	if (is_other_process(argc, argv, &status))
		return status + (strcmp(argv[1], "service") == 0 && was_met() ? MET : 0);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_call_of_the_supervisor_fails),
	    cmocka_unit_test(each_call_of_the_ledger_fails),
	    cmocka_unit_test(a_disk_that_stays_full_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
