/* worker_restore.c - a new worker takes over the state of the last checkpoint.
 *
 * Called by worker.c behind the open of the stages. The files are tables that the supervisor sent
 * (recovery.h); each is read once. Fails with MR_BAD_INPUT where one is not what it should be. */
#include <stdio.h>
#include <stdlib.h>

#include "millrace/alive.h"
#include "millrace/os.h"
#include "recovery.h"
#include "worker.h"

#define FETCH_BYTES (4u << 20)

enum mr_err mr_worker_restore_marks(struct mr_worker *worker, struct mr_error *error)
{
	struct mr_slice bytes;
	if (mr_tables_map(worker->tables, MR_MARKS_TABLE, &bytes, NULL) != MR_OK)
		return MR_OK;
	struct mr_unpack in = mr_unpack(bytes);
	mr_marks_decode(&in, &worker->marks);
	/* Whether a source is still there, collect will say. */
	for (uint32_t i = 0; i < worker->marks.count; i++)
		worker->marks.items[i].state = MR_SOURCE_ENDED;
	if (mr_unpack_done(&in))
		return MR_OK;
	return mr_error_set(error, MR_BAD_INPUT, "the marks of the checkpoint do not decode");
}

/* A snapshot lies on the disk, in part there alone (chain_state.c). Faults of its mapping would
 * fetch it in pieces of a few pages: 1 GiB took a second, and takes a third of one where it is read
 * in long ones first. What cannot be read, the mapping will tell. */
static void fetch(const struct mr_worker *worker, const char *name)
{
	char *room = mr_malloc(FETCH_BYTES);
	size_t size = 0, done = FETCH_BYTES;
	int fd;
	if (mr_tables_find(worker->tables, name, &fd, &size))
		for (uint64_t at = 0; at < size && done == FETCH_BYTES; at += done) {
			(void)mr_os_read(fd, room, FETCH_BYTES, at, &done);
			mr_alive();
		}
	free(room);
}

/* What another worker of the group wrote for itself: it is not read here. */
static bool is_others(const struct mr_worker *worker, const struct mr_stage_ops *ops,
		      struct mr_slice bytes)
{
	bool groups[MR_KEY_GROUPS], named, own = false;
	if (!mr_snapshot_list(bytes, ops->name, groups, &named))
		return false;
	for (uint32_t group = 0; group < MR_KEY_GROUPS; group++)
		own |= groups[group] && mr_key_group_owner((uint8_t)group, worker->env.workers) ==
					    worker->env.worker;
	return !own && !(named && ops->restore_named != NULL);
}

static enum mr_err restore_stage(struct mr_worker *worker, uint32_t stage, struct mr_error *error)
{
	const char *group = worker->setup.topology.groups[worker->group].name;
	for (uint32_t i = 0;; i++) {
		char name[MR_TABLE_NAME_MAX];
		struct mr_slice bytes;
		mr_snapshot_table(group, worker->chain.items[stage].ops->name, i, name);
		enum mr_err err = mr_tables_map(worker->tables, name, &bytes, error);
		if (err == MR_NOT_FOUND) {
			*error = (struct mr_error){0};
			return MR_OK;
		}
		if (err == MR_OK && is_others(worker, worker->chain.items[stage].ops, bytes)) {
			mr_tables_unmap(bytes);
			continue;
		}
		if (err == MR_OK) {
			fetch(worker, name);
			err = mr_chain_restore(&worker->chain, stage, &worker->env, bytes, error);
		}
		if (err != MR_OK)
			return mr_error_prefix(error, "%s", name);
		mr_tables_unmap(bytes);
	}
}

enum mr_err mr_worker_restore(struct mr_worker *worker, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < worker->chain.count && err == MR_OK; i++) {
		if (mr_stage_has_state(worker->chain.items[i].ops))
			err = restore_stage(worker, i, error);
	}
	return err;
}
