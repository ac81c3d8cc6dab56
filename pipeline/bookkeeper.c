/* bookkeeper.c - from what workers say at a barrier to a checkpoint of the ledger.
 *
 * Called by the supervisor's service and checkpoints. */
#include "bookkeeper.h"

#include <stdlib.h>

enum mr_err mr_bookkeeper_open(struct mr_bookkeeper *keeper, const char *path, uint64_t known,
			       struct mr_error *error)
{
	*keeper = (struct mr_bookkeeper){0};
	enum mr_err err = mr_ledger_open(path, known == 0, &keeper->ledger, error);
	if (err != MR_OK || known > 0)
		return err;
	uint64_t count;
	err = mr_ledger_count(keeper->ledger, &count, error);
	if (err == MR_OK && count > 1)
		err =
		    mr_error_set(error, MR_BAD_INPUT,
				 "%s: it has %llu checkpoints, and no manifest (MANIFEST-...) is "
				 "beside it: put one back, or begin with an empty directory: then "
				 "all is read from the beginning",
				 path, (unsigned long long)count);
	if (err != MR_OK)
		mr_bookkeeper_close(keeper);
	return err;
}

static void forget(struct mr_bookkeeper *keeper)
{
	for (uint32_t i = 0; i < keeper->group_count; i++) {
		free(keeper->groups[i].name);
		mr_books_fini(&keeper->groups[i].books);
	}
	free(keeper->groups);
	keeper->groups = NULL;
	keeper->group_count = 0;
	keeper->barrier = 0;
}

void mr_bookkeeper_close(struct mr_bookkeeper *keeper)
{
	forget(keeper);
	mr_books_fini(&keeper->sums);
	mr_ledger_close(keeper->ledger);
	*keeper = (struct mr_bookkeeper){0};
}

enum mr_err mr_bookkeeper_begin(struct mr_bookkeeper *keeper, const char *const *groups,
				uint32_t group_count, uint64_t number,
				const uint8_t head[MR_LINE_HASH_BYTES], struct mr_error *error)
{
	if (keeper->ledger == NULL)
		return MR_OK;
	forget(keeper);
	keeper->incarnation++;
	keeper->timed_before = (struct mr_latencies){0};
	keeper->settled.number = number;
	memcpy(keeper->settled.head, head, sizeof keeper->settled.head);
	keeper->open.number = 0;
	keeper->groups = mr_calloc(group_count, sizeof *keeper->groups);
	keeper->group_count = group_count;
	for (uint32_t i = 0; i < group_count; i++)
		keeper->groups[i].name = mr_strdup(groups[i]);
	return mr_ledger_rewind(keeper->ledger, number, head, error);
}

enum mr_err mr_bookkeeper_take(struct mr_bookkeeper *keeper, uint32_t group, struct mr_slice part,
			       struct mr_error *error)
{
	if (keeper->ledger == NULL || group >= keeper->group_count)
		return MR_OK;
	return mr_books_decode(part, &keeper->groups[group].books, error);
}

void mr_bookkeeper_count(struct mr_bookkeeper *keeper, uint32_t group, uint64_t number,
			 const struct mr_counters *counters)
{
	if (keeper->barrier != number) {
		for (uint32_t i = 0; i < keeper->group_count; i++)
			keeper->groups[i].now = (struct mr_counters){0};
		keeper->barrier = number;
	}
	if (group < keeper->group_count)
		mr_counters_add(&keeper->groups[group].now, counters);
}

void mr_bookkeeper_time(struct mr_bookkeeper *keeper, const struct mr_latencies *latencies)
{
	for (uint32_t i = 0; i < MR_L_COUNT; i++)
		mr_histogram_merge(&keeper->timed.at[i], &latencies->at[i]);
}

static void put_latencies(struct mr_bookkeeper *keeper)
{
	for (enum mr_latency i = 0; i < MR_L_COUNT; i++) {
		struct mr_histogram since;
		if (mr_histogram_since(&keeper->timed.at[i], &keeper->timed_before.at[i], &since))
			mr_ledger_put_histogram(keeper->ledger, mr_slice(mr_latency_name(i)),
						&since);
	}
}

static void put_groups(struct mr_bookkeeper *keeper, const struct mr_ledger_names *names)
{
	for (uint32_t i = 0; i < keeper->group_count; i++) {
		const struct mr_bookkeeper_group *group = &keeper->groups[i];
		mr_ledger_put_books(keeper->ledger, mr_slice(group->name), &group->books, names);
		mr_ledger_put_counters(keeper->ledger, mr_slice(group->name), &group->now,
				       &group->committed);
	}
}

static bool any_waits(const struct mr_bookkeeper *keeper)
{
	for (uint32_t i = 0; i < keeper->group_count; i++)
		for (size_t o = 0; o < keeper->groups[i].books.output_count; o++)
			if (keeper->groups[i].books.outputs[o].waits)
				return true;
	return false;
}

/* A commit whose manifest did not come: what it had is said again. */
static enum mr_err take_back(struct mr_bookkeeper *keeper, struct mr_error *error)
{
	const struct mr_ledger_cut *settled = &keeper->settled;
	if (keeper->open.number == 0)
		return MR_OK;
	enum mr_err err = mr_ledger_rewind(keeper->ledger, settled->number, settled->head, error);
	if (err == MR_OK)
		keeper->open.number = 0;
	return err;
}

static enum mr_err commit(struct mr_bookkeeper *keeper,
			  const struct mr_ledger_checkpoint *checkpoint,
			  const struct mr_ledger_names *names, uint8_t head_out[MR_LINE_HASH_BYTES],
			  struct mr_error *error)
{
	enum mr_err err = take_back(keeper, error);
	if (err == MR_OK)
		err = mr_ledger_begin(keeper->ledger, checkpoint, error);
	if (err != MR_OK)
		return err;
	put_groups(keeper, names);
	put_latencies(keeper);
	err = mr_ledger_commit(keeper->ledger, head_out, error);
	if (err != MR_OK)
		return err;
	keeper->open.number = checkpoint->number;
	memcpy(keeper->open.head, head_out, sizeof keeper->open.head);
	keeper->timed_open = keeper->timed;
	return MR_OK;
}

void mr_bookkeeper_settle(struct mr_bookkeeper *keeper, uint64_t number)
{
	if (keeper->open.number != number)
		return;
	keeper->settled = keeper->open;
	keeper->open.number = 0;
	keeper->waiting = any_waits(keeper);
	keeper->timed_before = keeper->timed_open;
	for (uint32_t i = 0; i < keeper->group_count; i++) {
		mr_books_add_rows(&keeper->sums, &keeper->groups[i].books);
		mr_books_add_sheds(&keeper->sums, &keeper->groups[i].books);
		mr_books_clear(&keeper->groups[i].books);
		keeper->groups[i].committed = keeper->groups[i].now;
	}
}

enum mr_err mr_bookkeeper_commit(struct mr_bookkeeper *keeper, uint64_t number, int64_t time_us,
				 int64_t duration_us, const struct mr_ledger_names *names,
				 uint8_t head_out[MR_LINE_HASH_BYTES], struct mr_error *error)
{
	const struct mr_ledger_checkpoint checkpoint = {.number = number,
							.time_us = time_us,
							.incarnation = keeper->incarnation,
							.duration_us = duration_us};
	memset(head_out, 0, MR_LINE_HASH_BYTES);
	enum mr_err err =
	    keeper->ledger == NULL ? MR_OK : commit(keeper, &checkpoint, names, head_out, error);
	keeper->timed = (struct mr_latencies){0};
	return err;
}
