/* sample.c - reads a process's proportional set size from /proc (proc(5), smaps_rollup).
 *
 * Called by supervisor.c a few times a second. A process that is gone counts nothing. */
#include "sample.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

uint64_t mr_sample_pss(pid_t pid)
{
	char path[64];
	char text[4096];
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t len = read(fd, text, sizeof text - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = 0;
	const char *line = strstr(text, "\nPss:");
	return line == NULL ? 0 : strtoull(line + 5, NULL, 10) * 1024;
}

/* Behind the name in its brackets, which may hold anything: the 12th and 13th field are CPU, the
 * 22nd is memory (proc(5), stat). */
bool mr_sample_process(pid_t pid, struct mr_sample *out)
{
	char path[64];
	char text[1024];
	unsigned long user, kernel;
	long pages;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t len = read(fd, text, sizeof text - 1);
	close(fd);
	text[len > 0 ? len : 0] = 0;
	const char *behind = strrchr(text, ')');
	if (behind == NULL ||
	    sscanf(behind + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d "
		   "%*u %*u %ld",
		   &user, &kernel, &pages) != 3)
		return false;
	*out =
	    (struct mr_sample){.cpu_us = (int64_t)(user + kernel) * 1000000 / sysconf(_SC_CLK_TCK),
			       .rss_bytes = pages * sysconf(_SC_PAGESIZE)};
	return true;
}

uint64_t mr_sample_faults(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) != 0 ? 0 : (uint64_t)usage.ru_minflt;
}
