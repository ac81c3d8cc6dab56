/* test_intake.c - standard input's intake: whatever part of a read a kill falls into, the next
 * reader goes on where the stream is. MILLRACE_SEED chooses the kills. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "intake.h"
#include "millrace/os.h"
#include "pipeline/tables.h"

#define STREAM_BYTES (48u << 20)
#define ROUNDS 300

/* The byte at a place of the stream: without a period, so that bytes that are lost or come twice
 * are seen, however many. */
static char byte_at(uint64_t at)
{
	uint64_t word = (at / 8) * 0x9e3779b97f4a7c15u;

	word = (word ^ word >> 29) * 0xbf58476d1ce4e5b9u;
	return (char)((word ^ word >> 32) >> (8 * (at % 8)));
}

/* Like fork; it ends with the test. */
static pid_t begin_child(void)
{
	pid_t parent = getpid(), child = fork();

	assert_true(child >= 0);
	if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent))
		_exit(2);
	return child;
}

static pid_t start_writer(int fd)
{
	pid_t child = begin_child();
	char bytes[8192];

	if (child != 0)
		return child;
	for (uint64_t at = 0; at < STREAM_BYTES;) {
		size_t len = 1 + (size_t)((at * 40503u) % sizeof(bytes));
		for (size_t i = 0; i < len; i++)
			bytes[i] = byte_at(at + i);
		if (at + len > STREAM_BYTES)
			len = STREAM_BYTES - at;
		if (!mr_os_write_all(fd, (struct mr_slice){bytes, len}))
			_exit(1);
		at += len;
	}
	_exit(0);
}

static void open_intake(struct intake *intake, const struct mr_tables *tables)
{
	struct mr_error error = {0};

	if (intake_open(intake, "in", tables, &error) != MR_OK)
		fail_msg("%s", error.text);
}

/* Reads on and on, and looks at all that came, until it is killed or the stream ends. `checked` is
 * how far all was looked at. */
static void read_on(const struct mr_tables *tables, volatile uint64_t *checked)
{
	struct intake intake = {0};
	ssize_t got = 1;

	open_intake(&intake, tables);
	while (got != 0) {
		uint64_t written = intake_written(&intake);
		for (; *checked < written; ++*checked)
			if (intake.ring[*checked % INTAKE_RING_BYTES] != byte_at(*checked))
				_exit(3);
		struct pollfd wait = {.fd = intake.stream, .events = POLLIN};
		got = intake_fill(&intake, 1 + (size_t)(written % 200000));
		if (got < 0 && errno == EAGAIN)
			poll(&wait, 1, -1);
		else if (got < 0)
			_exit(4);
	}
	_exit(*checked == STREAM_BYTES ? 0 : 5);
}

static void readers_that_are_killed(void **state)
{
	const char *told = getenv("MILLRACE_SEED");
	unsigned seed = told != NULL ? (unsigned)strtoul(told, NULL, 10) : (unsigned)time(NULL);
	struct mr_tables *tables = mr_tables_new();
	volatile uint64_t *checked =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ends[2], status, kills = 0;
	struct mr_error error = {0};
	pid_t writer, reader = 0;

	(void)state;
	print_message("MILLRACE_SEED=%u\n", seed);
	assert_ptr_not_equal(checked, MAP_FAILED);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	writer = start_writer(ends[1]);
	close(ends[1]);
	assert_int_equal(intake_prepare("in", ends[0], tables, &error), MR_OK);
	for (;;) {
		reader = begin_child();
		if (reader == 0)
			read_on(tables, checked);
		struct timespec wait = {0, rand_r(&seed) % 2000000};
		if (kills < ROUNDS) {
			nanosleep(&wait, NULL);
			kill(reader, SIGKILL);
		}
		assert_int_equal(waitpid(reader, &status, 0), reader);
		if (!WIFSIGNALED(status))
			break;
		kills++;
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(status, 0);
	print_message("%d readers were killed\n", kills);
	munmap((void *)(uintptr_t)checked, 4096);
	mr_tables_free(tables);
}

/* What is no pipe has no queue; a place in it is kept all the same. */
static void a_terminal_or_device(void **state)
{
	struct mr_tables *tables = mr_tables_new();
	struct intake intake = {0};
	struct mr_error error = {0};

	(void)state;
	assert_int_equal(
	    intake_prepare("in", open("/dev/zero", O_RDONLY | O_CLOEXEC), tables, &error), MR_OK);
	for (int i = 1; i <= 3; i++) {
		open_intake(&intake, tables);
		assert_int_equal(intake_fill(&intake, 1000), 1000);
		assert_int_equal(intake_written(&intake), i * 1000);
		intake_close(&intake);
	}
	mr_tables_free(tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(readers_that_are_killed),
	    cmocka_unit_test(a_terminal_or_device),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
