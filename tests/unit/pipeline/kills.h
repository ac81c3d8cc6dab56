/* kills.h - processes of a service killed at random moments. */
#ifndef MILLRACE_TEST_KILLS_H
#define MILLRACE_TEST_KILLS_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

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

/* Kill one of the family, or all with the supervisor, after a random pause. */
static void hit(pid_t service, uint32_t *seed)
{
	pid_t members[32];
	poll(NULL, 0, (int)(draw(seed) % 120));
	size_t count = family(service, members, sizeof members / sizeof members[0]);
	pid_t victim = members[draw(seed) % count];
	kill(victim, SIGKILL);
}

#endif
