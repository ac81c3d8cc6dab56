/* chain.c - moves a batch through the stages of one worker.
 *
 * Called by worker.c, trial.c and retell.c. Fails with what a stage returns, under the stage's
 * name; MR_PROTOCOL where an item that came over a link did not decode. */
#include "chain.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"

#define CHAIN_MEASURED 16 /* of so many turns, one is measured */

static bool writes_events(const struct mr_writer *writer)
{
	for (uint32_t i = 0; i < writer->output_count; i++) {
		if (writer->outputs[i].content == MR_CONTENT_EVENTS)
			return true;
	}
	return false;
}

static void identify(void *context, struct mr_events *events, struct mr_event *event)
{
	struct mr_chain *chain = context;
	for (uint32_t i = 0; i < chain->count; i++)
		if (chain->items[i].ops->identify != NULL)
			chain->items[i].ops->identify(chain->items[i].state, events, event);
}

static void complete(void *context, struct mr_events *events, struct mr_event *event)
{
	struct mr_chain *chain = context;
	for (uint32_t i = 0; i < chain->count; i++)
		if (chain->items[i].ops->complete != NULL)
			chain->items[i].ops->complete(chain->items[i].state, events, event);
}

enum mr_err mr_chain_open(struct mr_chain *chain, const struct mr_group *group,
			  struct mr_writer *writer, const struct mr_stage_env *env,
			  struct mr_error *error)
{
	const struct mr_stage_ops *stages[MR_CHAIN_MAX + 1] = {NULL};
	for (uint32_t i = 0; i < mr_group_length(group); i++) {
		stages[i] = mr_stage_find(group->chain[i]);
		assert(stages[i] != NULL); /* the topology was checked */
	}
	return mr_chain_open_stages(chain, stages, writer, env, error);
}

enum mr_err mr_chain_open_stages(struct mr_chain *chain, const struct mr_stage_ops *const *stages,
				 struct mr_writer *writer, const struct mr_stage_env *env,
				 struct mr_error *error)
{
	*chain = (struct mr_chain){.writer = writer};
	while (stages[chain->count] != NULL) {
		const struct mr_stage_ops *ops = stages[chain->count];
		void *state = mr_calloc(1, ops->state_size > 0 ? ops->state_size : 1);
		enum mr_err err = ops->open == NULL ? MR_OK : ops->open(state, env, error);
		if (err != MR_OK) {
			free(state);
			mr_chain_close(chain);
			return err;
		}
		chain->items[chain->count++] = (struct mr_chain_item){.ops = ops, .state = state};
		chain->has_events |= ops->reads == MR_CONTENT_EVENTS;
	}
	chain->has_events |= writes_events(writer);
	if (chain->has_events) {
		mr_events_init(&chain->events, env->fields, MR_EVENTS_TOGETHER);
		chain->events.identifier = identify;
		chain->events.completer = complete;
		chain->events.holder = chain;
	}
	return MR_OK;
}

void mr_chain_watch(struct mr_chain *chain, const struct mr_watch *watch)
{
	chain->watch = watch;
	chain->in.watch = watch;
}

void mr_chain_close(struct mr_chain *chain)
{
	while (chain->count > 0) {
		struct mr_chain_item *item = &chain->items[--chain->count];
		if (item->ops->close != NULL)
			item->ops->close(item->state);
		free(item->state);
	}
	mr_reader_fini(&chain->in);
	mr_reader_fini(&chain->middle);
	if (chain->has_events)
		mr_events_fini(&chain->events);
	*chain = (struct mr_chain){0};
}

bool mr_chain_is_source(const struct mr_chain *chain)
{
	return chain->count > 0 && chain->items[0].ops->reads == MR_CONTENT_NONE;
}

/* ---- what each stage costs ---- */

static void begin_turn(struct mr_chain *chain)
{
	/* Every so many would meet the same turns of each batch. */
	uint32_t mixed = (uint32_t)chain->turns++ * UINT32_C(2654435769);
	chain->measuring = mixed < UINT32_MAX / CHAIN_MEASURED;
	chain->measured += chain->measuring;
}

static void mark(struct mr_chain *chain)
{
	if (chain->measuring)
		chain->mark_ns = mr_clock_cpu_ns();
}

/* What was used since the mark is this stage's. */
static uint64_t since_mark(struct mr_chain *chain)
{
	uint64_t from_ns = chain->mark_ns;
	chain->mark_ns = mr_clock_cpu_ns();
	return chain->mark_ns - from_ns;
}

static void charge(struct mr_chain *chain, uint32_t item)
{
	if (chain->measuring)
		chain->items[item].turns_ns += since_mark(chain);
}

uint64_t mr_chain_cpu_ns(const struct mr_chain *chain, uint32_t item)
{
	const struct mr_chain_item *of = &chain->items[item];
	double scale = chain->measured == 0 ? 0 : (double)chain->turns / (double)chain->measured;
	return of->other_ns + (uint64_t)((double)of->turns_ns * scale);
}

enum mr_err mr_chain_named(const struct mr_chain_item *item, enum mr_err err,
			   struct mr_error *error)
{
	bool failed = err != MR_OK && err != MR_FULL && err != MR_AGAIN && err != MR_END;
	if (failed && error->code == MR_OK) /* a stage that says no words */
		mr_error_set(error, err, "%s: %s", item->ops->name, mr_err_text(err));
	return err;
}

/* ---- events in memory ---- */

static const struct mr_chain_item *judge(const struct mr_chain *chain)
{
	const struct mr_chain_item *last = &chain->items[chain->count - 1];
	return last->ops->reads == MR_CONTENT_EVENTS && last->ops->process != NULL ? last : NULL;
}

/* What works on all events at once does not say which one it is at. */
static void show_set(const struct mr_chain *chain)
{
	const struct mr_events *events = &chain->events;
	if (chain->watch != NULL)
		mr_inhand_set(chain->watch->page, &events->items[0].origin,
			      &events->items[events->count - 1].origin, events->count);
}

static void show_nothing(const struct mr_chain *chain)
{
	if (chain->watch != NULL)
		mr_inhand_nothing(chain->watch->page);
}

static enum mr_err apply_all(struct mr_chain *chain, struct mr_error *error)
{
	for (uint32_t i = 0; i < chain->count; i++) {
		const struct mr_chain_item *item = &chain->items[i];
		if (item->ops->apply == NULL)
			continue;
		enum mr_err err = item->ops->apply(item->state, &chain->events, error);
		charge(chain, i);
		if (err != MR_OK)
			return mr_chain_named(item, err, error);
	}
	return MR_OK;
}

/* What the first stage made goes on: through those that add to it, to the one that judges or, where
 * the chain is cut, into bodies. */
static enum mr_err pass_events(struct mr_chain *chain, struct mr_error *error)
{
	show_set(chain);
	enum mr_err err = apply_all(chain, error);
	if (err != MR_OK)
		return err;
	if (judge(chain) != NULL) {
		mr_reader_open_events(&chain->middle, &chain->events);
		chain->middle_open = true;
	} else {
		mr_writer_encode_events(chain->writer, &chain->events);
		mr_events_reset(&chain->events);
	}
	return MR_OK;
}

static enum mr_err go_middle(struct mr_chain *chain, struct mr_error *error)
{
	const struct mr_chain_item *item = judge(chain);
	/* Only the first stage fills the events: while the last one writes, their room is no
	 * matter. */
	mr_writer_set_events(chain->writer, NULL);
	show_set(chain);
	enum mr_err err = item->ops->process(item->state, &chain->middle, chain->writer, error);
	charge(chain, chain->count - 1);
	if (err == MR_OK)
		err = mr_reader_finish(&chain->middle, error);
	if (err != MR_OK)
		return mr_chain_named(item, err, error);
	show_nothing(chain);
	mr_events_reset(&chain->events);
	mr_writer_set_events(chain->writer, &chain->events);
	chain->middle_open = false;
	return MR_OK;
}

/* ---- batches ---- */

/* The events have room for MR_EVENTS_TOGETHER. */
static void take_together(struct mr_chain *chain, bool one_by_one)
{
	if (chain->has_events)
		chain->events.capacity = one_by_one ? 1 : MR_EVENTS_TOGETHER;
}

void mr_chain_begin_records(struct mr_chain *chain, const struct mr_region *region,
			    struct mr_slice body)
{
	bool careful = chain->watch != NULL && mr_aside_suspects(&chain->watch->aside, region);
	mr_reader_open_records(&chain->in, region, body);
	take_together(chain, careful);
	chain->in_open = true;
}

void mr_chain_begin_items(struct mr_chain *chain, const struct mr_batch_header *header,
			  struct mr_slice body)
{
	/* Each item says itself where it lies: while anything is suspected all are. */
	bool careful = chain->watch != NULL && chain->watch->aside.stretch_count > 0;
	mr_reader_open_items(&chain->in, header->content, header->count, body);
	take_together(chain, careful);
	chain->in_open = true;
}

/* Let the first stage read on, or take events that came encoded. */
static enum mr_err go_first(struct mr_chain *chain, struct mr_error *error)
{
	const struct mr_chain_item *item = &chain->items[0];
	if (chain->has_events && judge(chain) == NULL && !mr_writer_ready(chain->writer))
		return MR_FULL;
	enum mr_err err;
	if (item->ops->reads == MR_CONTENT_EVENTS) {
		err = mr_reader_take_events(&chain->in, &chain->events, error);
	} else {
		/* For this stage alone: to the one that reads the events, room for more of them is
		 * no part of the writer being ready. */
		mr_writer_set_events(chain->writer, chain->has_events ? &chain->events : NULL);
		err = item->ops->process(item->state, &chain->in, chain->writer, error);
		mr_writer_set_events(chain->writer, NULL);
	}
	charge(chain, 0);
	if (err == MR_OK)
		err = mr_reader_finish(&chain->in, error);
	if (err == MR_OK)
		chain->in_open = false;
	return mr_chain_named(item, err, error);
}

static enum mr_err go(struct mr_chain *chain, struct mr_error *error)
{
	mark(chain);
	for (;;) {
		if (chain->middle_open) {
			enum mr_err err = go_middle(chain, error);
			if (err != MR_OK)
				return err;
		}
		if (!chain->in_open)
			return MR_OK;
		begin_turn(chain);
		mark(chain);
		enum mr_err err = go_first(chain, error);
		if (err != MR_OK && err != MR_FULL)
			return err;
		if (!chain->has_events || chain->events.count == 0) {
			/* Full without a new event: the outputs are, not the room for events. */
			if (err == MR_FULL)
				return MR_FULL;
			continue;
		}
		err = pass_events(chain, error);
		if (err != MR_OK)
			return err;
	}
}

/* Whoever waits for others has nothing in hand. */
enum mr_err mr_chain_go(struct mr_chain *chain, struct mr_error *error)
{
	enum mr_err err = go(chain, error);
	show_nothing(chain);
	return err;
}

enum mr_err mr_chain_poll(struct mr_chain *chain, struct mr_error *error)
{
	const struct mr_chain_item *item = &chain->items[0];
	begin_turn(chain);
	mark(chain);
	enum mr_err err = item->ops->poll(item->state, chain->writer, error);
	charge(chain, 0);
	return mr_chain_named(item, err, error);
}

enum mr_err mr_chain_tick(struct mr_chain *chain, int64_t now_us, struct mr_error *error)
{
	for (uint32_t i = 0; i < chain->count; i++) {
		struct mr_chain_item *item = &chain->items[i];
		if (item->ops->tick == NULL)
			continue;
		chain->mark_ns = mr_clock_cpu_ns();
		enum mr_err err = item->ops->tick(item->state, now_us, chain->writer, error);
		item->other_ns += since_mark(chain);
		if (err != MR_OK)
			return mr_chain_named(item, err, error);
	}
	return MR_OK;
}

enum mr_err mr_chain_finish(struct mr_chain *chain, struct mr_error *error)
{
	while (chain->finished < chain->count) {
		enum mr_err err = mr_chain_go(chain, error);
		if (err != MR_OK)
			return err;
		struct mr_chain_item *item = &chain->items[chain->finished];
		chain->mark_ns = mr_clock_cpu_ns();
		if (item->ops->finish != NULL)
			err = item->ops->finish(item->state, chain->writer, error);
		item->other_ns += since_mark(chain);
		if (err != MR_OK)
			return mr_chain_named(item, err, error);
		chain->finished++;
	}
	return MR_OK;
}

void mr_chain_show(const struct mr_chain *chain, mr_figures_taker take, void *context)
{
	for (uint32_t i = 0; i < chain->count; i++)
		if (chain->items[i].ops->show != NULL)
			chain->items[i].ops->show(chain->items[i].state, take, context);
}
