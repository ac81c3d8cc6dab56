/* correlate.c - the stage: signals in, alerts out, and signals for the next layer.
 *
 * One worker group for each layer of correlations, sharded by key group. The pipeline calls it
 * through mr_stage_correlate (millrace/stage.h). It fails to open where the catalog is missing or
 * holds a correlation that it can't judge, and ends the worker (MR_PROTOCOL) on a signal that no
 * rule of the catalog can have made. */
#include "shed.h"

#include <assert.h>
#include <stdlib.h>

#include "millrace/number.h"
#include "millrace/poison.h"

#define CROWD_LOOKS 4 /* ahead, between two looks at what was copied */

static const struct corr_kind *const kinds[] = {
#define X(symbol, name, counts, condition) [MR_CORRELATION_##symbol] = &corr_##name,
#include "millrace/correlation.def"
#undef X
};

/* ---- opening ---- */

/* Without a condition all rules of the list are wanted. How many distinct things a window has at
 * least where every part holds, and whether more can make one false. */
static void condition_read(struct corr_rule *own)
{
	const struct mr_rule *rule = own->rule;
	own->part_count = rule->condition_count == 0 ? 1 : rule->condition_count;
	own->parts = mr_calloc(own->part_count, sizeof(*own->parts));
	if (rule->condition_count == 0)
		own->parts[0] = (struct mr_condition_part){.op = MR_GTE, .count = own->step_count};
	else
		memcpy(own->parts, rule->condition, own->part_count * sizeof(*own->parts));
	own->threshold = 1;
	own->settles = mr_rule_settles(rule);
	own->grows = kinds[rule->type]->at_once != NULL || rule->type == MR_CORRELATION_VALUE_SUM;
	for (uint32_t i = 0; i < own->part_count; i++) {
		const struct mr_condition_part *part = &own->parts[i];
		bool is_floor = part->op == MR_GTE || part->op == MR_GT || part->op == MR_EQ;
		own->grows &= is_floor && part->op != MR_EQ;
		if (is_floor && rule->type == MR_CORRELATION_VALUE_SUM)
			own->bound = corr_numbers_about(part->number);
		int64_t least = part->count + (part->op == MR_GT);
		if (is_floor && least > own->threshold)
			own->threshold = (uint32_t)least;
	}
}

/* What settles further in can be withdrawn, and comes late: its slot must have settled. */
static void inners_read(struct corr *corr, struct corr_rule *own)
{
	for (uint32_t i = 0; i < own->rule->rule_count; i++) {
		const struct corr_rule *inner = &corr->rules[own->rule->rules[i]];
		if (!inner->settles)
			continue;
		int64_t delay_us = inner->delay_us + inner->span_us + corr->settling_us;
		own->settles = own->withdraws = true;
		own->delay_us = delay_us > own->delay_us ? delay_us : own->delay_us;
	}
}

static uint32_t position_of(const struct mr_rule *rule, uint32_t index)
{
	uint32_t position = 0;
	while (position < rule->rule_count && rule->rules[position] != index)
		position++;
	return position;
}

/* A rule that the list names twice is one rule with two places. */
static void steps_number(struct corr_rule *own)
{
	const struct mr_rule *rule = own->rule;
	own->step = mr_malloc(rule->rule_count * sizeof(*own->step));
	for (uint32_t i = 0; i < rule->rule_count; i++) {
		uint32_t earlier = position_of(rule, rule->rules[i]);
		own->step[i] = earlier < i ? own->step[earlier] : own->step_count++;
	}
}

static void outers_find(const struct mr_catalog *catalog, struct corr_rule *own)
{
	for (uint32_t i = 0; i < catalog->count; i++) {
		const struct mr_rule *outer = &catalog->rules[i];
		if (outer->kind != MR_RULE_CORRELATION || outer->inactive)
			continue;
		uint32_t position = position_of(outer, own->index);
		if (position == outer->rule_count)
			continue;
		own->outers =
		    mr_realloc(own->outers, (own->outer_count + 1) * sizeof(*own->outers));
		own->outers[own->outer_count++] = (struct corr_outer){i, position};
	}
}

/* Of all layers: those further out hang on them. */
static enum mr_err rule_read(struct corr *corr, struct corr_rule *own, struct mr_error *error)
{
	const struct mr_rule *rule = own->rule;
	if (rule->timespan_us > INT64_MAX / 4 || rule->group_by.count > MR_GROUP_BY_MAX ||
	    rule->fields.count > MR_GROUP_BY_MAX)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "correlation %.*s: a timespan of more than 70,000 years, or "
				    "more than %d fields in group-by or condition",
				    (int)rule->id.len, rule->id.at, MR_GROUP_BY_MAX);
	own->span_us = rule->timespan_us;
	steps_number(own);
	condition_read(own);
	inners_read(corr, own);
	return MR_OK;
}

static void rule_open(const struct mr_catalog *catalog, struct corr_rule *own)
{
	own->kind = kinds[own->rule->type];
	own->way = own->settles ? &corr_settled_way : own->kind->at_once;
	own->keep = own->threshold > CORR_KEEP_LEAST ? own->threshold : CORR_KEEP_LEAST;
	outers_find(catalog, own);
	own->feeds = own->outer_count > 0 || own->withdraws;
}

static enum mr_err layer_open(struct corr *corr, uint8_t layer, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < corr->catalog.count && err == MR_OK; i++) {
		struct corr_rule *own = &corr->rules[i];
		if (own->rule->kind != MR_RULE_CORRELATION || own->rule->layer != layer)
			continue;
		err = rule_read(corr, own, error);
		if (err == MR_OK && layer == corr->env->layer && !own->rule->inactive)
			rule_open(&corr->catalog, own);
	}
	return err;
}

static enum mr_err lateness_read(struct corr *corr, struct mr_error *error)
{
	corr->lateness_us = CORR_UNLIMITED;
	if (corr->env->finite)
		return MR_OK;
	enum mr_err err = mr_config_int(corr->env->config, "lateness", &corr->lateness_us, error);
	if (err == MR_OK)
		err = mr_config_int(corr->env->config, "settling", &corr->settling_us, error);
	return err;
}

/* A wrong ceiling is told before any worker starts. */
static enum mr_err stage_prepare(const struct mr_prepare *prepare, struct mr_error *error)
{
	int64_t unused;
	return mr_config_int(prepare->config, "state_bytes", &unused, error);
}

static enum mr_err ceiling_read(struct corr *corr, struct mr_error *error)
{
	int64_t bytes;
	enum mr_err err = mr_config_int(corr->env->config, "state_bytes", &bytes, error);
	corr->ceiling_whole = (size_t)bytes;
	corr->ceiling = corr->ceiling_whole / (corr->env->workers == 0 ? 1 : corr->env->workers);
	corr->shed_at = corr_shed_from(corr);
	return err;
}

static void give_back(struct corr *corr)
{
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		corr_group_fini(corr, &corr->groups[g]);
	corr_heap_fini(corr, &corr->dues);
	corr_heap_fini(corr, &corr->settling);
	corr_untold_fini(corr);
	corr_touched_fini(corr);
	corr_told_fini(corr);
	for (uint32_t i = 0; corr->rules != NULL && i < corr->catalog.count; i++)
		corr_husks_drop(corr, &corr->rules[i]);
	assert(corr->bytes == 0); /* all that was counted was given back */
	for (uint32_t i = 0; corr->rules != NULL && i < corr->catalog.count; i++) {
		free(corr->rules[i].step);
		free(corr->rules[i].parts);
		free(corr->rules[i].outers);
		free(corr->rules[i].ranks);
		free(corr->rules[i].shed.lost);
	}
	free(corr->rules);
	free(corr->by_id);
	for (uint32_t i = 0; i < corr->gone_count; i++)
		free(corr->gone[i]);
	free(corr->gone);
	free(corr->fired);
	free(corr->spare);
	mr_buf_fini(&corr->scratch);
	mr_buf_fini(&corr->value);
	mr_arena_fini(&corr->arena);
	mr_arena_fini(&corr->ahead.arena);
	mr_catalog_fini(&corr->catalog);
}

/* To give back the 600,000 keys of the hostile profile takes 0.3 s of CPU (6.1 s in all): a process
 * that ends leaves them to the kernel. */
static void stage_close(void *state)
{
	struct corr *corr = state;
	if (!corr->env->ends)
		give_back(corr);
}

static int by_id(const void *a, const void *b)
{
	const struct corr_rule *const *x = a, *const *y = b;
	return mr_slice_cmp((*x)->rule->id, (*y)->rule->id);
}

static void rules_order(struct corr *corr)
{
	corr->by_id = mr_calloc((size_t)corr->catalog.count + 1, sizeof(*corr->by_id));
	for (uint32_t i = 0; i < corr->catalog.count; i++)
		corr->by_id[i] = &corr->rules[i];
	if (corr->catalog.count > 1)
		qsort(corr->by_id, corr->catalog.count, sizeof(*corr->by_id), by_id);
}

static enum mr_err catalog_open(struct corr *corr, struct mr_error *error)
{
	struct mr_slice bytes;
	enum mr_err err = mr_tables_map(corr->env->tables, "catalog", &bytes, error);
	if (err == MR_OK)
		err = mr_catalog_decode(bytes, &corr->catalog, error);
	if (err != MR_OK)
		return err;
	corr->rules = mr_calloc((size_t)corr->catalog.count + 1, sizeof(*corr->rules));
	for (uint32_t i = 0; i < corr->catalog.count; i++) {
		corr->rules[i].rule = &corr->catalog.rules[i];
		corr->rules[i].index = i;
	}
	rules_order(corr);
	for (uint8_t layer = 0; layer < corr->catalog.layers && err == MR_OK; layer++)
		err = layer_open(corr, layer, error);
	return err;
}

/* Hashes and priorities are not to be foreseen, and not to give the seed away. */
static void secrets_make(struct corr *corr)
{
	static const char purpose[16] = "correlate: ids";
	char bytes[sizeof(purpose) + sizeof(corr->env->seed)];
	uint8_t digest[32];
	memcpy(bytes, purpose, sizeof(purpose));
	memcpy(bytes + sizeof(purpose), corr->env->seed, sizeof(corr->env->seed));
	mr_sha256(bytes, sizeof(bytes), digest);
	memcpy(corr->hash_key, digest, sizeof(corr->hash_key));
	memcpy(&corr->random, digest + sizeof(corr->hash_key), sizeof(corr->random));
	memcpy(&corr->hash_seed, digest + sizeof(corr->hash_key) + sizeof(corr->random),
	       sizeof(corr->hash_seed));
	corr->random |= 1; /* 0 would stay 0 */
}

static enum mr_err stage_open(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct corr *corr = state;
	corr->env = env;
	corr->watermark_us = corr->newest_us = CORR_NEVER;
	corr->may_tell = true; /* what is restored stands in a committed checkpoint */
	corr_heaps_init(corr);
	secrets_make(corr);
	enum mr_err err = lateness_read(corr, error);
	if (err == MR_OK)
		err = ceiling_read(corr, error);
	if (err == MR_OK)
		err = catalog_open(corr, error);
	if (err != MR_OK)
		give_back(corr);
	return err;
}

/* ---- signals ---- */

/* A finite run has made its alert, to make room, and no other correlation is to hear of it. */
static bool is_over(struct corr *corr, struct corr_key *key, int64_t number)
{
	if (key->rule->outer_count > 0 || !corr_was_told(corr, key, number))
		return false;
	if (key->slots == NULL)
		corr_key_drop(corr, key);
	return true;
}

/* What windows may lack that an occurrence behind the lateness changes. */
static void mark_lossy(const struct corr *corr, const struct corr_near *near)
{
	struct corr_slot *slots[] = {near->current, near->next};
	for (int i = 0; i < 2; i++)
		if (slots[i] != NULL)
			slots[i]->lossy |= corr_may_miss_previous(corr, slots[i]);
}

static void observe(struct corr *corr, const struct corr_rule *rule, const struct mr_signal *signal,
		    const struct corr_name *name, uint32_t position)
{
	int64_t number = corr_slot_number(signal->time_us, rule->span_us);
	bool beyond = corr_count_beyond(corr, signal->time_us, rule->delay_us);
	struct corr_key *key = corr_key_get(corr, signal->key_group, rule, name);
	if (is_over(corr, key, number))
		return;
	struct corr_slot *slot = corr_slot_get(corr, key, number);
	struct corr_near near = {slot->previous, slot, slot->next};
	if (beyond)
		mark_lossy(corr, &near);
	struct corr_id values[MR_PRODUCT_MAX];
	struct corr_occurrence occurrence = {
	    .signal = signal,
	    .position = position,
	    .offset = corr_slot_offset(signal->time_us, rule->span_us),
	    .record = corr_id_of_record(corr, signal->kind, signal->record_id),
	    .values = values};
	if (rule->kind->values != NULL)
		occurrence.value_count = rule->kind->values(corr, signal, values);
	rule->kind->things(corr, rule, &occurrence);
	if (corr_evidence_add(corr, slot, &occurrence) &&
	    corr->catalog.rules[signal->rule].kind == MR_RULE_DETECTION)
		mr_count(corr->env->counters, MR_C_REPEATED, 1);
	rule->way->add(corr, rule, &near, &occurrence);
	if (rule->feeds)
		occurrence.is_first = rule->way->feed(corr, slot, &occurrence);
	rule->way->settle(corr, rule, &near, &occurrence);
	corr_feed_bound(corr, slot, occurrence.offset);
	corr_slot_touch(corr, slot);
	corr_slot_weigh(corr, slot);
	corr_slot_rank(corr, slot);
	if (near.next != NULL) {
		corr_slot_touch(corr, near.next);
		corr_slot_weigh(corr, near.next);
	}
	if (corr->bytes > corr->shed_at)
		corr_shed(corr, key);
}

static void observe_counted(struct corr *corr, const struct corr_rule *rule,
			    const struct mr_signal *signal, const struct corr_name *name,
			    uint32_t position)
{
	uint64_t from = mr_cost_begin(corr->env->costs);
	observe(corr, rule, signal, name, position);
	mr_cost_end(corr->env->costs, rule->index, from);
	mr_cost_asked(corr->env->costs, rule->index);
}

static bool fields_exist(const struct corr *corr, const struct mr_signal *signal)
{
	return signal->packed.highest < mr_fields_count(corr->env->fields);
}

static bool rules_exist(const struct corr *corr, const struct mr_signal *signal)
{
	for (uint32_t i = 0; i < signal->matched_count; i++) {
		if (signal->matched[i] >= corr->catalog.count)
			return false;
	}
	return true;
}

static bool values_fit(const struct mr_rule *rule, const struct mr_signal *signal)
{
	bool numbers = mr_correlation_counts(rule->type) == MR_COUNTS_NUMBERS;
	if (signal->value_count != 0 && signal->value_width != rule->fields.count)
		return false;
	for (uint32_t i = 0; numbers && i < signal->value_count; i++)
		if (!mr_number_is(signal->values[i], true))
			return false;
	return true;
}

/* Whether a rule of the catalog can have made the signal. */
static bool is_possible(const struct corr *corr, const struct mr_signal *signal,
			uint32_t *position_out)
{
	if (signal->consumer >= corr->catalog.count || signal->rule >= corr->catalog.count)
		return false;
	const struct mr_rule *rule = &corr->catalog.rules[signal->consumer];
	if (rule->kind == MR_RULE_DETECTION)
		return corr->env->layer == 0 && signal->rule == signal->consumer &&
		       fields_exist(corr, signal);
	*position_out = position_of(rule, signal->rule);
	if (signal->withdrawn && !corr->rules[signal->consumer].withdraws)
		return false;
	return rule->layer == corr->env->layer && *position_out < rule->rule_count &&
	       signal->key_count == rule->group_by.count && values_fit(rule, signal) &&
	       fields_exist(corr, signal) && rules_exist(corr, signal);
}

static enum mr_err take(struct corr *corr, const struct mr_signal *signal,
			const struct corr_name *name, struct mr_error *error)
{
	uint32_t position = 0;
	MR_POISON("correlate", signal->record_id);
	if (!is_possible(corr, signal, &position))
		return mr_error_set(error, MR_PROTOCOL,
				    "a signal of rule %u for rule %u in layer %u: the catalog has "
				    "no such pair of this shape",
				    signal->rule, signal->consumer, corr->env->layer);
	bool inner = corr->catalog.rules[signal->rule].kind == MR_RULE_CORRELATION;
	mr_count(corr->env->counters, inner ? MR_C_INNER_SIGNALS_RECEIVED : MR_C_SIGNALS_RECEIVED,
		 1);
	if (!inner)
		mr_count_of(corr->env->counters, signal->origin.source, MR_B_SIGNALS_RECEIVED, 1);
	const struct corr_rule *rule = &corr->rules[signal->consumer];
	corr_time_see(corr, signal);
	if (rule->rule->kind == MR_RULE_DETECTION)
		corr_plain_observe(corr, signal);
	else if (!signal->has_time)
		mr_count(corr->env->counters, MR_C_NOT_CORRELATED, 1);
	else if (rule->kind != NULL && (rule->kind->takes == NULL || rule->kind->takes(signal)))
		observe_counted(corr, rule, signal, name, position);
	return MR_OK;
}

/* What a snapshot under way makes us copy is memory, too. Rather than give up state for it, we wait
 * until the snapshot is done. A signal may write to a dozen pages. */
static bool is_crowded(const struct corr *corr)
{
	uint64_t copied =
	    corr->env->copied_bytes == NULL ? 0 : corr->env->copied_bytes(corr->env->copier);
	if (copied > corr->cut_bytes)
		copied = corr->cut_bytes;
	return copied > 0 && corr->bytes + copied > corr->ceiling - corr->ceiling / 16 * 3;
}

/* Whether it is for a correlation of this layer, as far as its name needs: take looks at the rest.
 */
static const struct corr_rule *names_key(const struct corr *corr, const struct mr_signal *signal)
{
	const struct corr_rule *rule =
	    signal->consumer < corr->catalog.count ? &corr->rules[signal->consumer] : NULL;
	return rule != NULL && rule->kind != NULL ? rule : NULL;
}

static void look_ahead(struct corr *corr, uint32_t count)
{
	struct corr_ahead *ahead = &corr->ahead;
	mr_arena_reset(&ahead->arena);
	for (uint32_t i = 0; i < count; i++) {
		const struct mr_signal *signal = &ahead->signals[i];
		const struct corr_rule *rule = names_key(corr, signal);
		if (rule == NULL)
			continue;
		ahead->names[i] = corr_key_name(corr, rule, signal->tenant, signal->key,
						signal->key_count, &ahead->arena);
		corr_key_near(corr, signal->key_group, &ahead->names[i]);
	}
	for (uint32_t i = 0; i < count; i++)
		if (names_key(corr, &ahead->signals[i]) != NULL)
			corr_key_nearer(corr, ahead->signals[i].key_group, &ahead->names[i]);
}

static enum mr_err take_ahead(struct corr *corr, struct mr_reader *in, uint32_t count,
			      struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < count && err == MR_OK; i++) {
		if (!mr_writer_ready(corr->out))
			return MR_FULL;
		corr->arrival_us = corr->ahead.signals[i].arrival_us;
		err = take(corr, &corr->ahead.signals[i], &corr->ahead.names[i], error);
		corr->arrival_us = 0;
		if (err == MR_OK)
			mr_reader_advance(in);
	}
	return err;
}

static enum mr_err stage_process(void *state, struct mr_reader *in, struct mr_writer *out,
				 struct mr_error *error)
{
	struct corr *corr = state;
	corr->out = out;
	for (uint32_t looks = 0;; looks++) {
		uint32_t count = mr_reader_signals(in, corr->ahead.signals, MR_SIGNALS_AHEAD);
		if (count == 0)
			return MR_OK;
		if (!mr_writer_ready(out) || (looks % CROWD_LOOKS == 0 && is_crowded(corr)))
			return MR_FULL;
		look_ahead(corr, count);
		enum mr_err err = take_ahead(corr, in, count, error);
		if (err != MR_OK)
			return err;
	}
}

/* ---- the rest of the stage's life ---- */

static enum mr_err stage_finish(void *state, struct mr_writer *out, struct mr_error *error)
{
	struct corr *corr = state;
	(void)error;
	corr->out = out;
	enum mr_err err = corr->env->finite ? corr_fire_all(corr) : MR_OK;
	return err == MR_OK ? corr_shed_tell(corr) : err;
}

/* Revisions come first: they may be about state that goes. */
static enum mr_err stage_barrier(void *state, int64_t watermark_us, struct mr_writer *out,
				 struct mr_error *error)
{
	struct corr *corr = state;
	(void)error;
	corr->out = out;
	enum mr_err err = corr->judging ? MR_OK : corr_tell(corr);
	corr->judging = err == MR_OK;
	if (err == MR_OK)
		err = corr_revise(corr);
	if (err == MR_OK)
		err = corr_settle_due(corr, watermark_us);
	if (err == MR_OK)
		err = corr_shed_tell(corr);
	if (err != MR_OK)
		return err;
	corr->judging = corr->may_tell = false;
	corr_release(corr, watermark_us);
	/* It writes to every key: under a snapshot all of their pages would be copied. */
	if (corr->ranks_stale && corr->bytes > corr->ceiling / 2)
		corr_ranks_renew(corr);
	corr->cut_bytes = corr->bytes;
	if (corr->env->held != NULL)
		*corr->env->held = corr->bytes;
	if (corr->env->waiting != NULL)
		*corr->env->waiting = corr_settle_waiting(corr);
	if (corr->env->untold != NULL)
		*corr->env->untold = corr->untold_count;
	return MR_OK;
}

static void stage_committed(void *state)
{
	struct corr *corr = state;
	corr->may_tell = true;
}

static void stage_snapshot(void *state, uint8_t key_group, struct mr_buf *out)
{
	corr_snapshot(state, key_group, out);
}

static enum mr_err stage_restore(void *state, uint8_t key_group, struct mr_slice bytes,
				 struct mr_error *error)
{
	return corr_restore(state, key_group, bytes, error);
}

extern const struct mr_stage_ops mr_stage_correlate;
const struct mr_stage_ops mr_stage_correlate = {
    .name = "correlate",
    .state_size = sizeof(struct corr),
    .reads = MR_CONTENT_SIGNALS,
    .prepare = stage_prepare,
    .open = stage_open,
    .process = stage_process,
    .finish = stage_finish,
    .barrier = stage_barrier,
    .snapshot = stage_snapshot,
    .restore = stage_restore,
    .committed = stage_committed,
    .close = stage_close,
};
