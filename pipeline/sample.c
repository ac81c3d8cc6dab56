/* sample.c - reads a process's proportional set size from /proc (proc(5), smaps_rollup).
 *
 * Called by supervisor.c a few times a second. A process that is gone counts nothing. */
#include "sample.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
