/* retell.c - evidence, record by record through the stages that make events.
 *
 * Called by worker.c and trial.c, and by correlate through its environment. Never fails: a record
 * that cannot be read, is not the one that was judged, is set aside, or is not taken by parse any
 * more keeps what its signal said; of the first two deliver, which reads them too, says why. */
#include "retell.h"

#include <assert.h>

#include "millrace/alive.h"
#include "millrace/json.h"
#include "tables.h"

/* ---- the last stage ---- */

/* Adds what an alert shows of the event to what the signal said of it. */
struct adder {
	struct mr_retell *retell;
	struct mr_evidence *evidence;
};

/* What the signal said stands: an outer correlation judges by it. */
static uint64_t keep_said(struct mr_packing *packing, struct mr_slice bytes)
{
	struct mr_packed_at at = mr_packed_begin(bytes);
	struct mr_signal_field field;
	uint64_t said = 0;
	while (mr_packed_next(&at, &field)) {
		if (field.field < MR_F_NORMALISED_END)
			said |= UINT64_C(1) << field.field;
		mr_packing_add(packing, field.field, field.type, field.text);
	}
	return said;
}

static void add(const struct adder *adder, const struct mr_events *events,
		const struct mr_event *event)
{
	struct mr_retell *retell = adder->retell;
	struct mr_evidence *evidence = adder->evidence;
	mr_packing_begin(&retell->packing);
	uint64_t said = keep_said(&retell->packing, evidence->packed.bytes);
	mr_packing_add_shown(&retell->packing, &retell->arena, events, event,
			     retell->shown & ~said);
	evidence->packed = mr_packing_end(&retell->packing, &retell->arena);
	evidence->field_count = evidence->packed.count;
}

static enum mr_err adder_process(void *state, struct mr_reader *in, struct mr_writer *out,
				 struct mr_error *error)
{
	const struct adder *adder = state;
	struct mr_events *events = mr_reader_events(in);
	(void)out;
	(void)error;
	for (uint32_t i = 0; events != NULL && i < events->count; i++) {
		mr_event_complete(events, &events->items[i]);
		add(adder, events, &events->items[i]);
	}
	if (events != NULL)
		mr_reader_advance(in);
	return MR_OK;
}

static const struct mr_stage_ops adder_ops = {
    .name = "retell",
    .state_size = sizeof(struct adder),
    .reads = MR_CONTENT_EVENTS,
    .process = adder_process,
};

/* ---- the chain ---- */

static bool makes_events(const struct mr_stage_ops *stage)
{
	return stage->reads == MR_CONTENT_RECORDS || stage->apply != NULL;
}

bool mr_retell_is_for(const struct mr_group *group)
{
	for (uint32_t i = 0; i < mr_group_length(group); i++)
		if (mr_stage_find(group->chain[i])->reads == MR_CONTENT_SIGNALS)
			return true;
	return false;
}

bool mr_retell_is_done(const struct mr_topology *topology)
{
	for (uint32_t i = 0; i < topology->group_count; i++)
		if (mr_retell_is_for(&topology->groups[i]) && topology->groups[i].host != 0)
			return false;
	return true;
}

bool mr_retell_reads(const char *table)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++)
		if (makes_events(*stage) && mr_table_belongs_to(table, (*stage)->name))
			return true;
	return false;
}

enum mr_err mr_retell_open(struct mr_retell *retell, const struct mr_stage_env *env,
			   struct mr_error *error)
{
	const struct mr_stage_ops *stages[MR_CHAIN_MAX + 1] = {NULL};
	uint32_t count = 0;
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++)
		if (makes_events(*stage))
			stages[count++] = *stage;
	stages[count] = &adder_ops;
	*retell = (struct mr_retell){.env = *env, .shown = mr_shown_in_alert()};
	retell->env.counters = &retell->counters;
	retell->env.marks = NULL;
	/* What parse refuses goes no further than here. */
	mr_writer_add_output(&retell->writer, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
	enum mr_err err =
	    mr_chain_open_stages(&retell->chain, stages, &retell->writer, &retell->env, error);
	if (err != MR_OK)
		mr_writer_fini(&retell->writer);
	return err;
}

void mr_retell_watch(struct mr_retell *retell, const struct mr_watch *watch)
{
	retell->watch = watch;
}

void mr_retell_close(struct mr_retell *retell)
{
	mr_chain_close(&retell->chain);
	mr_writer_fini(&retell->writer);
	mr_buf_fini(&retell->region);
	mr_arena_fini(&retell->arena);
	mr_packing_fini(&retell->packing);
	*retell = (struct mr_retell){0};
}

/* ---- a record ---- */

/* The record as a region of one frame, which may be as long as a record: with its bytes in `region`
 * behind the frame's header. False where it cannot be read as it was. */
static bool take_record(struct mr_retell *retell, const struct mr_evidence *evidence)
{
	const struct mr_origin *origin = &evidence->origin;
	struct mr_buf *region = &retell->region;
	size_t len = evidence->record.len > 0 ? evidence->record.len : origin->length;
	struct mr_error unread = {0};
	if (len > MR_BATCH_REGION_MAX || len > UINT32_MAX)
		return false;
	region->len = 0;
	char *at = mr_buf_reserve(region, MR_FRAME_HEADER + len + MR_JSON_PADDING);
	/* Its place in the original is told to nobody but parse, to which a first record may begin
	 * with a mark. */
	mr_frame_encode(&(struct mr_frame){.length = (uint32_t)len, .name = origin->partition}, at);
	at += MR_FRAME_HEADER;
	if (evidence->record.len > 0)
		memcpy(at, evidence->record.at, len);
	else if (mr_files_read(retell->env.files, origin->partition, origin->position, at, len,
			       &unread) != MR_OK)
		return false;
	memset(at + len, 0, MR_JSON_PADDING);
	region->len = MR_FRAME_HEADER + len;
	return mr_hash64(at, len, 0) == origin->hash;
}

static void drop_rejects(struct mr_writer *writer)
{
	struct mr_body body;
	while (mr_output_take(writer, 0, 0, true, &body))
		mr_body_fini(&body);
}

static void go(struct mr_retell *retell, struct mr_evidence *evidence)
{
	struct adder *adder = retell->chain.items[retell->chain.count - 1].state;
	const struct mr_buf *bytes = &retell->region;
	const struct mr_region region = {.source = evidence->origin.source,
					 .partition = evidence->origin.partition,
					 .position = evidence->origin.position,
					 .length = bytes->len,
					 .form = MR_FORM_FRAMES,
					 .arrival_us = evidence->arrival_us};
	struct mr_error error = {0};
	enum mr_err err;
	*adder = (struct adder){retell, evidence};
	mr_chain_begin_records(&retell->chain, &region, (struct mr_slice){bytes->data, bytes->len});
	while ((err = mr_chain_go(&retell->chain, &error)) == MR_FULL)
		drop_rejects(&retell->writer);
	assert(err == MR_OK); /* a region that was just made, and stages that never fail */
	drop_rejects(&retell->writer);
}

static bool is_aside(const struct mr_retell *retell, const struct mr_evidence *evidence)
{
	return retell->watch != NULL && mr_aside_has(&retell->watch->aside, &evidence->origin);
}

/* A disk that keeps the worker waiting is no record's fault, and one record more is a sign of life.
 */
static void tell(struct mr_retell *retell, struct mr_evidence *evidence)
{
	mr_alive();
	if (is_aside(retell, evidence) || !take_record(retell, evidence))
		return;
	if (retell->watch != NULL)
		mr_inhand_record(retell->watch->page, &evidence->origin, evidence->origin.partition,
				 evidence->origin.position);
	go(retell, evidence);
	if (retell->watch != NULL)
		mr_inhand_nothing(retell->watch->page);
}

void mr_retell_alert(void *opaque, struct mr_alert *alert)
{
	struct mr_retell *retell = opaque;
	struct mr_inhand had = {0};
	mr_arena_reset(&retell->arena);
	if (retell->watch != NULL) {
		had = *retell->watch->page;
		mr_inhand_nothing(retell->watch->page);
	}
	for (uint32_t i = 0; i < alert->evidence_count; i++)
		tell(retell, &alert->evidence[i]);
	if (retell->watch != NULL)
		mr_inhand_back(retell->watch->page, &had);
}
