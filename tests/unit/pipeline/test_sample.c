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
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(mr_sample_process(child, &sample));
	struct mr_memory memory = {0};
	mr_sample_memory(child, &memory);
	assert_int_equal(memory.own_bytes + memory.file_bytes, 0);
}

static struct mr_memory memory_of(pid_t pid)
{
	struct mr_memory memory = {0};
	mr_sample_memory(pid, &memory);
	return memory;
}

/* The kernel's sums may be behind by a few dozen pages (proc(5)). */
static void pages_count_once(void **state)
{
	(void)state;
	size_t bytes = PAGES * (size_t)sysconf(_SC_PAGESIZE);
	struct mr_memory before = memory_of(getpid());
	char *own = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	assert_ptr_not_equal(own, MAP_FAILED);
	struct mr_memory with_own = memory_of(getpid());
	assert_in_range(with_own.own_bytes - before.own_bytes, bytes / 4 * 3, bytes / 4 * 5);

	int fd = memfd_create("shared", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	char *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	struct mr_memory with_shared = memory_of(getpid());
	assert_true(with_shared.own_bytes < with_own.own_bytes + bytes / 4);
	assert_true(with_shared.file_bytes < with_own.file_bytes + bytes / 4);
	munmap(shared, bytes);
	close(fd);
	munmap(own, bytes);
}

/* Each process has its own pages, and all have one program. */
static void files_count_once(void **state)
{
	(void)state;
	struct mr_memory once = memory_of(getpid());
	struct mr_memory twice = once;
	mr_sample_memory(getpid(), &twice);
	assert_true(once.own_bytes > 0 && once.file_bytes > 0);
	assert_true(twice.own_bytes > once.own_bytes / 2 * 3);
	assert_true(twice.file_bytes < once.file_bytes / 2 * 3);
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
	    cmocka_unit_test(pages_count_once),
	    cmocka_unit_test(files_count_once),
	    cmocka_unit_test(copied_pages_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
