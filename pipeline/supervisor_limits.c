/* supervisor_limits.c - whether the processes of a run can have as many open files as they need,
 * and room to begin.
 *
 * Called by cmd_scan.c and supervisor.c before anything starts: libzmq aborts a process that runs
 * out of descriptors at the wrong moment, and jemalloc crashes in one that is out of addresses
 * early. Fails with MR_NO_SPACE and says what to raise or to lower. */
#include <stdio.h>
#include <sys/resource.h>

#include "supervisor.h"
#include "worker.h"

/* Signals, sockets' directory, outputs, the setup; a few that come and go. */
#define SUPERVISOR_DESCRIPTORS 20

/* Of addresses: a worker with a few rules and no database takes so many. */
#define ADDRESS_KIB (UINT64_C(128) << 10)

/* UINT64_MAX: there is no limit. */
static uint64_t address_limit_kib(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur >> 10;
}

enum mr_err mr_supervisor_memory(struct mr_error *error)
{
	uint64_t limit = address_limit_kib();
	if (limit >= ADDRESS_KIB)
		return MR_OK;
	return mr_error_set(
	    error, MR_NO_SPACE,
	    "a process may have %llu KiB of memory, and needs %llu: raise the limit "
	    "(ulimit -v)",
	    (unsigned long long)limit, (unsigned long long)ADDRESS_KIB);
}

enum mr_err mr_supervisor_blame_memory(struct mr_error *error)
{
	uint64_t limit = address_limit_kib();
	size_t len = strlen(error->text);
	if (limit != UINT64_MAX)
		snprintf(error->text + len, sizeof error->text - len,
			 "; a process may have %llu KiB of memory (ulimit -v)",
			 (unsigned long long)limit);
	return error->code;
}

/* Workers inherit the limit. */
static uint64_t raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return UINT64_MAX;
	if (limit.rlim_cur < limit.rlim_max) {
		struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			return raised.rlim_cur;
	}
	return limit.rlim_cur;
}

static enum mr_err too_low(uint64_t limit, const char *who, uint64_t needs, struct mr_error *error)
{
	return mr_error_set(
	    error, MR_NO_SPACE,
	    "a process may have %llu files open, and %s needs up to %llu: raise the "
	    "limit (ulimit -n) or take fewer workers (--workers)",
	    (unsigned long long)limit, who, (unsigned long long)needs);
}

/* Once: later incarnations have the same. */
static void set_number(struct mr_supervisor *supervisor, const char *name, uint64_t number)
{
	char text[24];
	snprintf(text, sizeof text, "%u", (unsigned)number);
	if (mr_config_get(&supervisor->setup.config, name, 0) == NULL)
		mr_config_add(&supervisor->setup.config, name, text);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Each file or segment that records are referred to in takes a descriptor of each reader, and of a
 * reader of sources that sends to another host; each that is followed one of its reader. */
static void share_out(struct mr_supervisor *supervisor, uint64_t spare)
{
	bool service = supervisor->service != NULL;
	uint64_t files = least(service ? spare / 3 : spare, MR_FILES_REFERENCED_MAX);
	uint64_t segments = least((spare - files) / 2, MR_SEGMENTS_OPEN_MAX);
	set_number(supervisor, "referenced_files", files);
	set_number(supervisor, "open_segments", segments);
	set_number(supervisor, "followed_files",
		   least(spare - files - segments, MR_FILES_FOLLOWED_MAX));
}

enum mr_err mr_supervisor_limits(struct mr_supervisor *supervisor, struct mr_error *error)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint64_t limit = raise_limit();
	uint64_t spare = MR_FILES_REFERENCED_MAX + MR_SEGMENTS_OPEN_MAX + MR_FILES_FOLLOWED_MAX;
	for (uint32_t i = 0; i < topology->group_count; i++) {
		uint64_t needs = mr_worker_descriptors(&supervisor->setup, i,
						       mr_tables_count(supervisor->tables));
		if (needs > limit)
			return too_low(limit, topology->groups[i].name, needs, error);
		spare = limit - needs < spare ? limit - needs : spare;
	}
	/* One control socket for each, and a descriptor that may have to wait in its queue. */
	uint64_t needs = SUPERVISOR_DESCRIPTORS + mr_tables_count(supervisor->tables) +
			 2 * (uint64_t)mr_setup_workers(topology);
	if (needs > limit)
		return too_low(limit, "the supervisor", needs, error);
	share_out(supervisor, spare);
	return MR_OK;
}
