/* reread.c - a chain of its own in a worker that reads alerts: one record in, one event out.
 *
 * Called by worker.c and trial.c, and by deliver through its environment. A record that parse does
 * not take any more is no event, and no error. */
#include "reread.h"

#include <assert.h>

#include "millrace/json.h"
#include "tables.h"

/* ---- the last stage ---- */

/* Gives each event away, whole. */
struct hand {
	mr_event_taker *take;
	void *context;
	bool gave;
};

static enum mr_err hand_process(void *state, struct mr_reader *in, struct mr_writer *out,
				struct mr_error *error)
{
	struct hand *hand = state;
	struct mr_events *events = mr_reader_events(in);
	(void)out;
	(void)error;
	for (uint32_t i = 0; events != NULL && i < events->count; i++) {
		mr_event_complete(events, &events->items[i]);
		hand->take(hand->context, events, &events->items[i]);
		hand->gave = true;
	}
	if (events != NULL)
		mr_reader_advance(in);
	return MR_OK;
}

static const struct mr_stage_ops hand_over = {
    .name = "reread",
    .state_size = sizeof(struct hand),
    .reads = MR_CONTENT_EVENTS,
    .process = hand_process,
};

/* ---- the chain ---- */

static bool makes_events(const struct mr_stage_ops *stage)
{
	return stage->reads == MR_CONTENT_RECORDS || stage->apply != NULL;
}

bool mr_reread_is_for(const struct mr_group *group)
{
	for (uint32_t i = 0; i < mr_group_length(group); i++)
		if (mr_stage_find(group->chain[i])->reads == MR_CONTENT_ALERTS)
			return true;
	return false;
}

bool mr_reread_reads(const char *table)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++)
		if (makes_events(*stage) && mr_table_belongs_to(table, (*stage)->name))
			return true;
	return false;
}

enum mr_err mr_reread_open(struct mr_reread *reread, const struct mr_stage_env *env,
			   struct mr_error *error)
{
	const struct mr_stage_ops *stages[MR_CHAIN_MAX + 1] = {NULL};
	uint32_t count = 0;
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++)
		if (makes_events(*stage))
			stages[count++] = *stage;
	stages[count] = &hand_over;
	*reread = (struct mr_reread){.env = *env};
	reread->env.counters = &reread->counters;
	reread->env.marks = NULL;
	/* What parse refuses goes no further than here. */
	mr_writer_add_output(&reread->writer, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
	enum mr_err err =
	    mr_chain_open_stages(&reread->chain, stages, &reread->writer, &reread->env, error);
	if (err != MR_OK)
		mr_writer_fini(&reread->writer);
	return err;
}

static void drop_rejects(struct mr_writer *writer)
{
	struct mr_body body;
	while (mr_output_take(writer, 0, 0, true, &body))
		mr_body_fini(&body);
}

bool mr_reread_record(void *opaque, const struct mr_record *record, mr_event_taker *take,
		      void *context)
{
	struct mr_reread *reread = opaque;
	struct hand *hand = reread->chain.items[reread->chain.count - 1].state;
	const struct mr_batch_header header = {
	    .content = MR_CONTENT_RECORDS, .form = MR_FORM_ITEMS, .count = 1};
	struct mr_error error = {0};
	if (record->bytes.len > MR_ITEM_RECORD_MAX)
		return false;
	*hand = (struct hand){.take = take, .context = context};
	reread->item.len = 0;
	mr_record_encode(record, &reread->item);
	memset(mr_buf_reserve(&reread->item, MR_JSON_PADDING), 0, MR_JSON_PADDING);
	mr_chain_begin_items(&reread->chain, &header,
			     (struct mr_slice){reread->item.data, reread->item.len});
	enum mr_err err;
	while ((err = mr_chain_go(&reread->chain, &error)) == MR_FULL)
		drop_rejects(&reread->writer);
	assert(err == MR_OK); /* an item that was just encoded, and stages that never fail */
	drop_rejects(&reread->writer);
	return hand->gave;
}

void mr_reread_close(struct mr_reread *reread)
{
	mr_chain_close(&reread->chain);
	mr_writer_fini(&reread->writer);
	mr_buf_fini(&reread->item);
	*reread = (struct mr_reread){0};
}
