/* worker_lock.c - what a worker locks itself into, and where it says what it has in hand.
 *
 * Called by worker.c: fence before ZeroMQ starts its threads, watch once the chain is open, lock
 * once all is ready. Fails with MR_IO where the kernel refuses, MR_PROTOCOL where the supervisor
 * gave no page. */
#include "worker.h"

#include <unistd.h>

#include "millrace/log.h"
#include "chain_state.h"
#include "sandbox.h"

static bool is_off(const struct mr_worker *worker)
{
	return mr_sandbox_is_off(&worker->setup.config);
}

/* What the stages of the chain need together, and a snapshot of theirs. */
static void find_needs(const struct mr_worker *worker, struct mr_needs *out)
{
	const struct mr_group *group = &worker->setup.topology.groups[worker->group];
	for (uint32_t i = 0; i < MR_CHAIN_MAX && group->chain[i] != NULL; i++) {
		const struct mr_stage_ops *ops = mr_stage_find(group->chain[i]);
		if (ops->needs != NULL)
			ops->needs(&worker->setup.config, worker->tables, out);
	}
	if (mr_group_has_keyed_state(group))
		out->flags |= MR_NEEDS_CHILD;
}

enum mr_err mr_worker_fence(struct mr_worker *worker, struct mr_error *error)
{
	struct mr_needs needs = {0};
	enum mr_err err = MR_OK;
	if (is_off(worker))
		return MR_OK;
	find_needs(worker, &needs);
	worker->needs = needs.flags;
	/* Its end of the links: sockets that are made, and removed once all pairs have met. */
	mr_needs_path(&needs, worker->setup.directory, MR_ACCESS_WRITE);
	if ((needs.flags & MR_NEEDS_FILES) != 0)
		err = mr_sandbox_fence(&needs, error);
	mr_needs_fini(&needs);
	return err;
}

enum mr_err mr_worker_lock(struct mr_worker *worker, struct mr_error *error)
{
	const struct mr_sandbox_policy policy = {.needs = worker->needs,
						 .last_call = &worker->watch.page->last_call,
						 .memory_bytes = mr_worker_memory(worker),
						 .files = mr_worker_files(worker)};
	return is_off(worker) ? MR_OK : mr_sandbox_lock(&policy, error);
}

/* ---- the record in hand ---- */

/* Whole and unread, with the reason (PROTOCOL.md 1.5). */
static void set_aside(void *context, const struct mr_record *record)
{
	struct mr_worker *worker = context;
	struct mr_reject reject = {
	    .origin = record->origin,
	    .length = record->bytes.len,
	    .name = mr_files_name(worker->files, record->name),
	    .offset = record->offset,
	    .reason = MR_SLICE("killed_worker: two workers died with this record in hand"),
	    .bytes = record->bytes,
	};
	reject.origin.hash = mr_hash64(record->bytes.at, record->bytes.len, 0);
	mr_writer_reject(&worker->writer, &reject);
	mr_count(&worker->counters, MR_C_RECORDS, 1);
	mr_count(&worker->counters, MR_C_REJECTED, 1);
	mr_count(&worker->counters, MR_C_KILLED_WORKER, 1);
	mr_book(&worker->books, record->origin.source, MR_B_RECORDS, 1);
	mr_book(&worker->books, record->origin.source, MR_B_REJECTED + MR_REJECT_KILLED_WORKER, 1);
}

/* Without a table nothing was ever set aside. */
static enum mr_err take_aside(struct mr_worker *worker, struct mr_error *error)
{
	int fd;
	size_t size;
	struct mr_slice bytes;
	if (!mr_tables_find(worker->tables, MR_ASIDE_TABLE, &fd, &size))
		return MR_OK;
	enum mr_err err = mr_tables_map(worker->tables, MR_ASIDE_TABLE, &bytes, error);
	if (err == MR_OK)
		err = mr_aside_decode(bytes, &worker->watch.aside, error);
	mr_tables_unmap(bytes);
	return err;
}

enum mr_err mr_worker_watch(struct mr_worker *worker, struct mr_error *error)
{
	int fd;
	size_t size;
	if (!mr_tables_find(worker->tables, MR_INHAND_TABLE, &fd, &size))
		return mr_error_set(error, MR_PROTOCOL, "control: no page came before the setup");
	enum mr_err err = mr_inhand_map(fd, size, &worker->watch.page, error);
	if (err == MR_OK)
		err = take_aside(worker, error);
	worker->watch.take = set_aside;
	worker->watch.context = worker;
	return err;
}

void mr_worker_unwatch(struct mr_worker *worker)
{
	mr_inhand_unmap(worker->watch.page);
	mr_aside_fini(&worker->watch.aside);
}
