/* sample.c - reads what the kernel says of processes from /proc (proc(5): status, stat).
 *
 * Called by supervisor.c a few times a second. A process that is gone counts nothing. */
#include "sample.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STATUS_BYTES (32u << 10) /* groups stand ahead of memory, and a user may have many */

/* Of a file of /proc/PID, as a text; empty where the process is gone. */
static void read_text(pid_t pid, const char *file, char *text, size_t room)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, room - 1);
	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = 0;
}

/* A line "NAME:  NUMBER kB"; 0 where there is none. */
static uint64_t bytes_of(const char *text, const char *name)
{
	const char *line = strstr(text, name);
	return line == NULL ? 0 : strtoull(line + strlen(name), NULL, 10) * 1024;
}

void mr_sample_memory(pid_t pid, struct mr_memory *memory)
{
	char text[STATUS_BYTES];
	read_text(pid, "status", text, sizeof text);
	uint64_t file = bytes_of(text, "\nRssFile:");
	memory->own_bytes += bytes_of(text, "\nRssAnon:");
	if (file > memory->file_bytes)
		memory->file_bytes = file;
}

/* Behind the name in its brackets, which may hold anything: the 12th and 13th field are CPU, the
 * 22nd is memory (proc(5), stat). */
bool mr_sample_process(pid_t pid, struct mr_sample *out)
{
	char text[1024];
	unsigned long user, kernel;
	long pages;
	read_text(pid, "stat", text, sizeof text);
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
