/* test_os.c - the table of calls: writing to the end over short writes, and each fault that a test
 * can set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os_faults.h"

static int memory(void)
{
	int fd = memfd_create("os", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void check_content(int fd, const char *want)
{
	char got[64] = {0};

	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), strlen(want));
	assert_string_equal(got, want);
}

static void short_writes_are_gone_on_with(void **state)
{
	int fd = memory();

	(void)state;
	os_fault((struct os_fault){.call = OS_WRITE, .nth = 1, .half = true});
	assert_true(mr_os_write_all(fd, MR_SLICE("0123456789")));
	assert_int_equal(os_counts[OS_WRITE], 2);
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .half = true});
	assert_true(mr_os_pwrite_all(fd, MR_SLICE("abcdef"), 4));
	assert_int_equal(os_counts[OS_PWRITE], 2);
	os_faults_end();
	check_content(fd, "0123abcdef");
	close(fd);
}

static ssize_t nothing(int fd, const void *bytes, size_t len)
{
	(void)fd;
	(void)bytes;
	(void)len;
	return 0;
}

static void a_full_disk_is_told_by_its_number(void **state)
{
	int fd = memory();

	(void)state;
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .number = ENOSPC});
	assert_false(mr_os_pwrite_all(fd, MR_SLICE("abc"), 0));
	assert_int_equal(errno, ENOSPC);
	os_fault((struct os_fault){.call = OS_WRITE, .nth = 1, .number = EIO});
	assert_false(mr_os_write_all(fd, MR_SLICE("abc")));
	assert_int_equal(errno, EIO);
	os_fault((struct os_fault){.call = OS_WRITE, .nth = 1, .number = EINTR});
	assert_true(mr_os_write_all(fd, MR_SLICE("abc")));
	os_faults_end();
	mr_os.write = nothing;
	assert_false(mr_os_write_all(fd, MR_SLICE("abc")));
	assert_int_equal(errno, ENOSPC);
	os_faults_end();
	check_content(fd, "abc");
	close(fd);
}

/* Runs one call of each kind; the number of those that failed. */
static unsigned all_calls(const char *folder)
{
	int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = mr_os.openat(directory, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unsigned failed = fd < 0;

	failed += !mr_os_write_all(fd, MR_SLICE("ab"));
	failed += !mr_os_pwrite_all(fd, MR_SLICE("b"), 1);
	failed += mr_os.fdatasync(fd) != 0;
	failed += mr_os.ftruncate(fd, 1) != 0;
	failed += mr_os.renameat(directory, "a", directory, "b") != 0;
	failed += !mr_os_sync_directory(directory);
	failed += mr_os.unlinkat(directory, "b", 0) != 0;
	failed += mr_os.mkdirat(directory, "c", 0700) != 0;
	unlinkat(directory, "a", 0);
	unlinkat(directory, "b", 0);
	unlinkat(directory, "c", AT_REMOVEDIR);
	close(directory);
	if (fd >= 0)
		close(fd);
	return failed;
}

static void each_call_can_fail(void **state)
{
	char folder[] = "/tmp/millrace-os-XXXXXX";
	unsigned n = 0;
	unsigned failed;

	(void)state;
	assert_non_null(mkdtemp(folder));
	do {
		os_fault((struct os_fault){.call = OS_ANY, .nth = ++n, .number = EIO});
		failed = all_calls(folder);
		assert_int_equal(failed > 0, os_fault_met());
	} while (os_fault_met());
	os_faults_end();
	assert_int_equal(n, OS_CALLS); /* one past the nine */
	assert_int_equal(rmdir(folder), 0);
}

static void all_is_read_or_less_at_the_end(void **state)
{
	int fd = memory();
	char got[16] = {0};
	size_t done = 99;

	(void)state;
	assert_true(mr_os_write_all(fd, MR_SLICE("0123456789")));
	assert_int_equal(mr_os_read(fd, got, 4, 3, &done), MR_READ_WHOLE);
	assert_int_equal(done, 4);
	assert_memory_equal(got, "3456\0", 5);
	assert_int_equal(mr_os_read(fd, got, 2, 8, NULL), MR_READ_WHOLE);
	assert_int_equal(mr_os_read(fd, got, sizeof got, 8, &done), MR_READ_SHORT);
	assert_int_equal(done, 2);
	assert_int_equal(mr_os_read(fd, got, 1, 10, &done), MR_READ_SHORT);
	assert_int_equal(done, 0);
	assert_int_equal(mr_os_read(-1, got, 0, 0, &done), MR_READ_WHOLE);
	assert_int_equal(mr_os_read(-1, got, 1, 0, &done), MR_READ_FAILED);
	assert_int_equal(errno, EBADF);
	assert_int_equal(done, 0);
	os_fault((struct os_fault){.call = OS_PREAD, .nth = 1, .number = EIO});
	assert_int_equal(mr_os_read(fd, got, 4, 3, &done), MR_READ_FAILED);
	assert_int_equal(errno, EIO);
	os_fault((struct os_fault){.call = OS_PREAD, .nth = 1, .number = EINTR});
	assert_int_equal(mr_os_read(fd, got, 4, 3, &done), MR_READ_WHOLE);
	os_faults_end();
	close(fd);
}

#define MANY ((8u << 20) + 3 * 4096 + 5)

/* `aside` bytes from a page's beginning. */
static void check_past_cache(const char *bytes, size_t aside, struct os_fault fault)
{
	char path[] = "/tmp/mr-os-XXXXXX", *got = malloc(MANY);
	size_t done;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_non_null(got);
	os_fault(fault);
	assert_true(mr_os_write_past_cache(fd, (struct mr_slice){bytes + aside, MANY - aside}));
	assert_true(fault.nth != 1 || os_fault_met());
	os_faults_end();
	assert_int_equal(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	assert_int_not_equal(mr_os_read(fd, got, MANY, 0, &done), MR_READ_FAILED);
	assert_int_equal(done, MANY - aside);
	assert_memory_equal(got, bytes + aside, done);
	free(got);
	close(fd);
	unlink(path);
}

static void many_bytes_go_past_the_cache(void **state)
{
	char *bytes = mmap(NULL, MANY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	(void)state;
	assert_ptr_not_equal(bytes, MAP_FAILED);
	for (size_t i = 0; i < MANY; i++)
		bytes[i] = (char)(i * 31 >> 7);
	check_past_cache(bytes, 0, (struct os_fault){0});
	check_past_cache(bytes, 1, (struct os_fault){0});
	for (unsigned nth = 1; nth <= 4; nth++) {
		check_past_cache(bytes, 0,
				 (struct os_fault){.call = OS_WRITE, .nth = nth, .half = true});
		check_past_cache(bytes, 0,
				 (struct os_fault){.call = OS_WRITE, .nth = nth, .number = EINTR});
	}
	check_past_cache(bytes, 0, (struct os_fault){.call = OS_WRITE, .nth = 2, .number = EINVAL});
	os_fault((struct os_fault){.call = OS_WRITE, .nth = 1, .number = ENOSPC, .lasting = true});
	fd = memory();
	assert_false(mr_os_write_past_cache(fd, (struct mr_slice){bytes, MANY}));
	assert_int_equal(errno, ENOSPC);
	os_faults_end();
	close(fd);
	munmap(bytes, MANY);
}

static void *unmap_later(void *page)
{
	usleep(30000);
	assert_int_equal(munmap(page, 4096), 0);
	return NULL;
}

/* The kernel says the same while it holds a page for itself. */
static void a_seal_waits_for_pages_in_hand(void **state)
{
	int fd = memfd_create("seal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	pthread_t thread;
	void *page;

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(pthread_create(&thread, NULL, unmap_later, page), 0);
	assert_true(mr_os_seal(fd));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_false(mr_os_seal(fd));
	assert_int_equal(errno, EPERM);
	close(fd);
}

/* Of the line of a mapping: "r--p" where it is for reading, and private. */
static void mapping_is(const char *at, const char *wanted)
{
	char line[512], start[24];
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;

	assert_non_null(maps);
	snprintf(start, sizeof start, "%lx-", (unsigned long)(uintptr_t)at);
	while (!found && fgets(line, sizeof line, maps) != NULL)
		found = strncmp(line, start, strlen(start)) == 0;
	fclose(maps);
	assert_true(found);
	assert_non_null(strstr(line, wanted));
}

/* Kernels before 6.7 map nothing as shared that is sealed. */
static void what_is_sealed_is_mapped_privately(void **state)
{
	int fd = memfd_create("map", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *at;

	(void)state;
	assert_true(mr_os_write_all(fd, (struct mr_slice){"bytes", 5}));
	assert_true(mr_os_seal(fd));
	at = mr_os_map(fd, 5);
	assert_non_null(at);
	assert_memory_equal(at, "bytes", 5);
	mapping_is(at, " r--p ");
	mr_os_unmap(at, 5);
	close(fd);
	assert_null(mr_os_map(-1, 5));
	assert_int_equal(errno, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_sealed_is_mapped_privately),
	    cmocka_unit_test(all_is_read_or_less_at_the_end),
	    cmocka_unit_test(short_writes_are_gone_on_with),
	    cmocka_unit_test(a_full_disk_is_told_by_its_number),
	    cmocka_unit_test(each_call_can_fail),
	    cmocka_unit_test(many_bytes_go_past_the_cache),
	    cmocka_unit_test(a_seal_waits_for_pages_in_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
