/* settle.c - correlations whose condition can become false again: judged when their slot has
 * settled, and again when more comes (PROTOCOL.md 6.9).
 *
 * A slot is judged at the barrier at which W has passed its end by the settling time, or at which
 * nothing more can come, and then at each barrier since which an occurrence came to it or to the
 * one before. What came of it is told, as an alert or its withdrawal, only once the checkpoint that
 * holds the verdict is committed: a start from an earlier one may judge at other barriers, and what
 * it would not say again must not have been said. To outer correlations it goes at once, because
 * they lie behind the same barrier.
 *
 * A slot that may lack something, because memory was given up or because the slot before was
 * released, is judged by what is there. Then it withdraws nothing: what is gone may have been the
 * proof. And behind the lateness it fires only where more of it could not undo that.
 *
 * Called by correlate.c through struct corr_way and at barriers; nothing here fails. */
#include "measure.h"
#include "shed.h"

#include <stdlib.h>

/* ---- a slot's ---- */

struct corr_settled *corr_settled_get(struct corr *corr, struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	if (slot->settled == NULL) {
		slot->settled = mr_malloc(sizeof(*slot->settled));
		*slot->settled =
		    (struct corr_settled){.changed = {0, rule->span_us - 1}, .first = -1};
		corr_heap_add(corr, &corr->settling, slot,
			      corr_end_of(slot, 0, corr->settling_us + rule->delay_us));
	}
	return slot->settled;
}

void corr_settled_drop(struct corr *corr, struct corr_slot *slot)
{
	struct corr_settled *settled = slot->settled;
	if (settled == NULL)
		return;
	if (!settled->judged)
		corr_heap_remove(&corr->settling, slot);
	corr_untold_remove(corr, slot);
	corr_marks_fini(&settled->marks);
	corr_offers_fini(settled);
	free(settled);
	slot->settled = NULL;
}

size_t corr_settled_bytes(const struct corr_slot *slot)
{
	const struct corr_settled *settled = slot->settled;
	if (settled == NULL)
		return 0;
	return corr_taken(sizeof(*settled)) + corr_marks_bytes(&settled->marks) +
	       corr_offers_bytes(settled) +
	       (settled->asks == CORR_ASKS_NOTHING
		    ? 0
		    : corr_judge_bytes(slot, settled->asks == CORR_ASKS_VALUES));
}

/* ---- what is to be told ---- */

static enum mr_activity activity_of(const struct corr_slot *slot)
{
	bool open = slot->settled->world == CORR_OPEN;
	if (slot->fired && !open)
		return slot->settled->world == CORR_UNHEARD ? MR_ACTIVITY_CREATE
							    : MR_ACTIVITY_UPDATE;
	return slot->fired ? MR_ACTIVITY_UPDATE : MR_ACTIVITY_CLOSE;
}

bool corr_is_untold(const struct corr_slot *slot)
{
	return slot->settled != NULL && slot->settled->untold_at != 0;
}

void corr_untold_add(struct corr *corr, struct corr_slot *slot)
{
	if (corr_is_untold(slot))
		return;
	if (corr->untold_count == corr->untold_capacity) {
		uint32_t capacity =
		    (uint32_t)mr_grow(corr->untold_capacity, corr->untold_count + 1);
		corr->untold = mr_realloc(corr->untold, capacity * sizeof(*corr->untold));
		corr->bytes += (capacity - corr->untold_capacity) * sizeof(*corr->untold);
		corr->untold_capacity = capacity;
	}
	corr->untold[corr->untold_count++] = slot;
	slot->settled->untold_at = corr->untold_count;
}

void corr_untold_remove(struct corr *corr, struct corr_slot *slot)
{
	if (!corr_is_untold(slot))
		return;
	struct corr_slot *last = corr->untold[--corr->untold_count];
	corr->untold[slot->settled->untold_at - 1] = last;
	last->settled->untold_at = slot->settled->untold_at;
	slot->settled->untold_at = 0;
}

void corr_untold_fini(struct corr *corr)
{
	corr->bytes -= corr->untold_capacity * sizeof(*corr->untold);
	free(corr->untold);
	corr->untold = NULL;
	corr->untold_count = corr->untold_capacity = 0;
}

enum mr_err corr_tell(struct corr *corr)
{
	while (corr->may_tell && corr->untold_count > 0) {
		struct corr_slot *slot = corr->untold[corr->untold_count - 1];
		if (!mr_writer_ready(corr->out))
			return MR_FULL;
		corr_alert_write(corr, slot, activity_of(slot), false);
		slot->revised |= slot->fired && slot->settled->world == CORR_OPEN;
		slot->settled->world = slot->fired ? CORR_OPEN : CORR_CLOSED;
		corr_untold_remove(corr, slot);
	}
	return MR_OK;
}

/* ---- judging ---- */

static bool is_none(struct corr_range range)
{
	return range.from > range.to;
}

/* Windows that end in the range see another occurrence, or one less. */
static void changed(struct corr_slot *slot, int64_t from, int64_t to)
{
	struct corr_settled *settled = slot == NULL ? NULL : slot->settled;
	if (settled == NULL)
		return;
	settled->changed.from = from < settled->changed.from ? from : settled->changed.from;
	settled->changed.to = to > settled->changed.to ? to : settled->changed.to;
	settled->things = 0;
}

/* What holds of the windows that are looked at. */
struct completing {
	int64_t first;  /* the earliest; -1: none */
	int64_t *asked; /* offsets that outer correlations see, sorted; NULL: there are none */
	uint32_t asked_count, at;
	uint32_t count; /* of those that hold, at the beginning of them */
};

static bool note(void *context, const struct corr_judged *judged)
{
	struct completing *completing = context;
	int64_t offset = judged->offset;
	if (!judged->holds)
		return true;
	if (completing->first < 0)
		completing->first = offset;
	while (completing->at < completing->asked_count &&
	       completing->asked[completing->at] < offset)
		completing->at++;
	if (completing->at == completing->asked_count)
		return false;
	if (completing->asked[completing->at] == offset)
		completing->asked[completing->count++] = completing->asked[completing->at++];
	return true;
}

static bool is_known(const struct corr_slot *slot)
{
	const struct corr_settled *settled = slot->settled;
	return settled->judged && is_none(settled->changed) && slot->fired == (settled->first >= 0);
}

/* What it takes meanwhile is counted as the slot's: others go for it, or some of the key's own. */
static void room_make(struct corr *corr, struct corr_slot *slot, enum corr_asks asks)
{
	slot->settled->asks = (uint8_t)asks;
	corr_slot_weigh(corr, slot);
	/* While slots are gone through, at the end or because state goes, all of them stay, and the
	 * one in use is another. */
	if (corr->bytes <= corr->shed_at || corr->finishing || corr->shedding)
		return;
	slot->key->recent = slot; /* it and those beside it stay */
	corr_shed(corr, slot->key);
}

void corr_settled_ask(struct corr *corr, struct corr_slot *slot)
{
	if (slot->settled != NULL)
		room_make(corr, slot, CORR_ASKS_VALUES);
}

void corr_settled_asked(struct corr *corr, struct corr_slot *slot)
{
	if (slot->settled == NULL)
		return;
	slot->settled->asks = CORR_ASKS_NOTHING;
	corr_slot_weigh(corr, slot);
}

/* All that could be counted is looked at first: most alerts are far from it. */
static bool has_doubled(struct corr_slot *slot)
{
	const struct corr_slot *before = slot->previous;
	uint64_t most = slot->settled->marks.count;
	if (before != NULL && before->settled != NULL)
		most += before->settled->marks.count;
	if (slot->told == 0 || most / 2 < slot->told || slot->settled->first < 0)
		return false;
	if (slot->settled->things == 0)
		slot->settled->things = corr_judge_count(slot, slot->settled->first);
	return slot->settled->things / 2 >= slot->told;
}

/* Whether people are to hear of it: it has come to hold, holds no more, or its count has doubled.
 */
static void compare_with_world(struct corr *corr, struct corr_slot *slot)
{
	bool open = slot->settled->world == CORR_OPEN;
	bool doubled = slot->fired && open && !slot->revised && has_doubled(slot);
	if (slot->fired != open || doubled)
		corr_untold_add(corr, slot);
	else
		corr_untold_remove(corr, slot);
}

/* Where the earliest window that held still does, later ones are looked at for outer correlations
 * alone; where it may not, all behind it are. */
static struct corr_range to_judge(const struct corr_slot *slot)
{
	const struct corr_settled *settled = slot->settled;
	const struct corr_rule *rule = slot->key->rule;
	struct corr_range range = settled->changed;
	if (!slot->fired)
		return range;
	if (settled->first < 0)
		return (struct corr_range){0, rule->span_us - 1};
	if (settled->first < range.from)
		return rule->outer_count > 0 ? range : CORR_NO_RANGE;
	if (settled->first <= range.to)
		range.to = rule->span_us - 1;
	return range;
}

/* Gives whether the slot fires. */
static bool judge(struct corr *corr, struct corr_slot *slot)
{
	struct corr_settled *settled = slot->settled;
	struct corr_range range = to_judge(slot);
	struct completing completing = {.first = -1};
	bool feeds = slot->key->rule->outer_count > 0;
	if (feeds)
		completing.asked_count = corr_offers_offsets(slot, range, &completing.asked);
	corr_judge(slot, range, note, &completing);
	if (!slot->key->rule->grows && corr_may_miss_previous(corr, slot)) {
		completing.first = -1;
		completing.count = 0;
	}
	if (feeds)
		corr_offers_settle(corr, slot, range, completing.asked, completing.count);
	free(completing.asked);
	bool stays = settled->first >= 0 &&
		     (slot->lossy || settled->first < range.from || settled->first > range.to);
	if (!stays || (completing.first >= 0 && completing.first < settled->first))
		settled->first = completing.first;
	settled->changed = CORR_NO_RANGE;
	return settled->first >= 0 || (slot->fired && slot->lossy);
}

void corr_settle_slot(struct corr *corr, struct corr_slot *slot)
{
	const struct corr_rule *rule = slot->key->rule;
	struct corr_settled *settled = corr_settled_get(corr, slot);
	room_make(corr, slot, CORR_ASKS_VERDICT);
	slot->fired = judge(corr, slot);
	if (!settled->judged)
		corr_heap_remove(&corr->settling, slot);
	settled->judged = true;
	if (rule->rule->alerts && corr->env->finite && slot->fired) {
		settled->things = corr_judge_count(slot, settled->first);
		corr_fire(corr, slot);
	} else if (rule->rule->alerts && !corr->env->finite) {
		compare_with_world(corr, slot);
	}
	corr_settled_asked(corr, slot);
}

/* Of all sources that there are none has more to say. */
static bool have_ended(const struct mr_marks *marks)
{
	bool ended = marks != NULL && marks->count > 0;
	for (uint32_t i = 0; ended && i < marks->count; i++)
		ended = marks->items[i].state == MR_SOURCE_ENDED;
	return ended;
}

enum mr_err corr_settle_due(struct corr *corr, int64_t watermark_us)
{
	if (have_ended(corr->env->marks))
		watermark_us = INT64_MAX;
	while (corr->settling.count > 0 && corr->settling.dues[0].at_us <= watermark_us) {
		if (!mr_writer_ready(corr->out))
			return MR_FULL;
		struct corr_slot *slot = corr->settling.dues[0].slot;
		uint32_t rule = slot->key->rule->index;
		uint64_t from = mr_cost_begin(corr->env->costs);
		corr_settle_slot(corr, slot);
		mr_cost_end(corr->env->costs, rule, from);
	}
	return MR_OK;
}

static uint64_t count_due(const struct corr_heap *heap, uint64_t at, int64_t until_us)
{
	if (at >= heap->count || heap->dues[at].at_us > until_us)
		return 0;
	return 1 + count_due(heap, 2 * at + 1, until_us) + count_due(heap, 2 * at + 2, until_us);
}

uint64_t corr_settle_waiting(const struct corr *corr)
{
	const struct mr_marks *marks = corr->env->marks;
	int64_t foremost_us = MR_NO_TIME;
	for (uint32_t i = 0; marks != NULL && i < marks->count; i++) {
		if (marks->items[i].highest_us > foremost_us)
			foremost_us = marks->items[i].highest_us;
	}
	return count_due(&corr->settling, 0, foremost_us);
}

/* ---- the way ---- */

static struct mr_slice text_of(struct corr *corr, const struct mr_signal *signal)
{
	struct mr_buf *text = &corr->scratch;
	text->len = 0;
	for (uint32_t i = 0; i < signal->value_count; i++) {
		if (i > 0)
			mr_buf_add(text, " ", 1);
		mr_buf_add(text, signal->values[i].at, signal->values[i].len);
	}
	return (struct mr_slice){text->data, text->len};
}

static void add(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		struct corr_occurrence *occurrence)
{
	struct corr_settled *settled = corr_settled_get(corr, near->current);
	struct corr_mark mark = {.offset = occurrence->offset,
				 .source = corr_source_of(corr, rule, occurrence),
				 .gone = occurrence->signal->withdrawn};
	struct mr_slice text = {NULL, 0};
	if (rule->kind->adds_up)
		text = text_of(corr, occurrence->signal);
	for (uint32_t i = 0; i < occurrence->thing_count; i++) {
		mark.id = occurrence->things[i];
		corr_marks_add(&settled->marks, &mark, text);
	}
	changed(near->current, mark.offset, rule->span_us - 1);
	changed(near->next, 0, mark.offset);
}

/* All is done at barriers. */
static void settle(struct corr *corr, const struct corr_rule *rule, const struct corr_near *near,
		   const struct corr_occurrence *occurrence)
{
	(void)corr;
	(void)rule;
	(void)near;
	(void)occurrence;
}

static bool first(const struct corr_rule *rule, const struct corr_slot *slot, int64_t *offset_out)
{
	struct completing completing = {.first = -1};
	if (slot->settled != NULL && is_known(slot))
		completing.first = slot->settled->first;
	else
		corr_judge(slot, (struct corr_range){0, rule->span_us - 1}, note, &completing);
	if (completing.first >= 0)
		*offset_out = completing.first;
	return completing.first >= 0;
}

static bool next(const struct corr_rule *rule, const struct corr_slot *slot, int64_t from,
		 int64_t *offset_out)
{
	(void)rule;
	if (slot->settled == NULL)
		return false;
	struct corr_marks *marks = &slot->settled->marks;
	corr_marks_sort(marks);
	uint32_t at = corr_marks_from(marks, from);
	if (at < marks->count)
		*offset_out = marks->at[at].offset;
	return at < marks->count;
}

static uint64_t count(const struct corr_slot *slot, int64_t from, bool *lower_bound)
{
	(void)lower_bound;
	if (slot->settled != NULL && is_known(slot) && slot->settled->things > 0)
		return slot->settled->things;
	uint64_t things = corr_judge_count(slot, from);
	if (slot->settled != NULL && is_known(slot))
		slot->settled->things = things;
	return things;
}

/* The furthest of what windows come to: the least where the condition has upper bounds alone. */
struct furthest {
	struct mr_buf *best;
	struct mr_buf now;
	int64_t offset;
	bool least;
	bool all; /* also where the condition is not met */
};

static bool compare_with_best(void *context, const struct corr_judged *judged)
{
	struct furthest *furthest = context;
	struct mr_buf *best = furthest->best, *now = &furthest->now;
	if (!judged->holds && !furthest->all)
		return true;
	now->len = 0;
	judged->window->rule->kind->measure->say(judged->window, now);
	int order = mr_number_compare((struct mr_slice){now->data, now->len},
				      (struct mr_slice){best->data, best->len});
	if (now->len == 0 || (best->len > 0 && (furthest->least ? order >= 0 : order <= 0)))
		return true;
	best->len = 0;
	mr_buf_add(best, now->data, now->len);
	furthest->offset = judged->offset;
	return true;
}

static void reached(const struct corr_rule *rule, const struct corr_slot *slot, bool all,
		    struct mr_buf *out, int64_t *offset_out)
{
	struct furthest furthest = {.best = out, .least = true, .all = all};
	if (rule->kind->measure->say == NULL)
		return;
	for (uint32_t i = 0; i < rule->part_count; i++)
		furthest.least &= rule->parts[i].op == MR_LT || rule->parts[i].op == MR_LTE;
	corr_judge(slot, (struct corr_range){0, rule->span_us - 1}, compare_with_best, &furthest);
	*offset_out = furthest.offset;
	mr_buf_fini(&furthest.now);
}

const struct corr_way corr_settled_way = {
    .add = add,
    .feed = corr_offer_add,
    .settle = settle,
    .first = first,
    .next = next,
    .count = count,
    .reached = reached,
};
