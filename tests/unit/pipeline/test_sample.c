/* test_sample.c - what the kernel says of a process: its memory and time, and the pages it copies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sample.h"

#define PAGES 512

static void a_process_is_sampled(void **state)
{
	(void)state;
	struct mr_sample sample;
	assert_true(mr_sample_process(getpid(), &sample));
	assert_true(sample.rss_bytes > 0 && sample.cpu_us >= 0);
	assert_true(mr_sample_pss(getpid()) > 0);
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(mr_sample_process(child, &sample));
	assert_int_equal(mr_sample_pss(child), 0);
}

/* As a worker does while another process writes its snapshot. */
static void copied_pages_are_counted(void **state)
{
	(void)state;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages =
	    mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	madvise(pages, PAGES * page, MADV_NOHUGEPAGE);
	memset(pages, 1, PAGES * page);
	uint64_t before = mr_sample_faults();
	memset(pages, 2, PAGES * page);
	assert_true(mr_sample_faults() - before < PAGES / 2); /* they are our own */
	pid_t child = fork();
	if (child == 0)
		for (;;)
			pause();
	before = mr_sample_faults();
	memset(pages, 3, PAGES * page);
	uint64_t copied = mr_sample_faults() - before;
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	munmap(pages, PAGES * page);
	assert_true(copied >= PAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_process_is_sampled),
	    cmocka_unit_test(copied_pages_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
