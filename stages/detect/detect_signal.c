/* detect_signal.c - from "this event matched this rule" to signals: one for each consumer and group
 * key.
 *
 * Called by detect.c for each match. Never fails: what is missing or too much is counted
 * (PROTOCOL.md 6.4). */
#include "detect.h"

#define SHOWN_EACH_MAX 8 /* values of one of a rule's own shown fields */

/* ---- who consumes ---- */

/* What correlations further out than one take from the records that complete it. */
struct wanted_field {
	mr_field field;
	bool adds; /* one of them adds it up */
};
struct wanted {
	struct wanted_field *fields;
	uint32_t count, capacity;
};

static void want(struct wanted *wanted, struct mr_arena *arena, mr_field field, bool adds)
{
	if (field == 0)
		return;
	for (uint32_t i = 0; i < wanted->count; i++) {
		if (wanted->fields[i].field == field) {
			wanted->fields[i].adds |= adds;
			return;
		}
	}
	if (wanted->count == wanted->capacity) {
		wanted->capacity = (uint32_t)mr_grow(wanted->capacity, wanted->count + 1u);
		struct wanted_field *grown =
		    mr_arena_alloc(arena, wanted->capacity * sizeof *grown);
		if (wanted->count != 0)
			memcpy(grown, wanted->fields, wanted->count * sizeof *grown);
		wanted->fields = grown;
	}
	wanted->fields[wanted->count++] = (struct wanted_field){field, adds};
}

/* What an outer correlation and those beyond it want becomes what each correlation that it names is
 * to carry. */
static void pass_inwards(const struct mr_catalog *catalog, uint32_t outer, struct wanted *wanted,
			 struct mr_arena *arena)
{
	const struct mr_rule *rule = &catalog->rules[outer];
	bool adds = mr_correlation_counts(rule->type) == MR_COUNTS_NUMBERS;
	for (uint32_t r = 0; r < rule->rule_count; r++) {
		uint32_t inner = rule->rules[r];
		if (catalog->rules[inner].kind != MR_RULE_CORRELATION)
			continue;
		for (uint32_t g = 0; g < rule->group_by.count; g++)
			want(&wanted[inner], arena, mr_rule_group_fields(rule, r)[g], false);
		for (uint32_t f = 0; f < rule->fields.count; f++)
			want(&wanted[inner], arena, mr_rule_value_fields(rule, r)[f], adds);
		for (uint32_t i = 0; i < wanted[outer].count; i++)
			want(&wanted[inner], arena, wanted[outer].fields[i].field,
			     wanted[outer].fields[i].adds);
	}
}

/* For each catalog index; layers rise outwards, so the outermost go first. */
static struct wanted *find_wanted(const struct mr_catalog *catalog, struct mr_arena *arena)
{
	struct wanted *wanted = mr_arena_alloc(arena, (catalog->count + 1) * sizeof *wanted);
	memset(wanted, 0, (catalog->count + 1) * sizeof *wanted);
	for (uint32_t layer = catalog->layers; layer-- > 1;) {
		for (uint32_t i = 0; i < catalog->count; i++) {
			if (catalog->rules[i].kind == MR_RULE_CORRELATION &&
			    catalog->rules[i].layer == layer)
				pass_inwards(catalog, i, wanted, arena);
		}
	}
	return wanted;
}

static struct detect_field *fields_of(const struct detect_places *places, uint32_t rule,
				      const mr_field *names, uint32_t count, struct mr_arena *arena)
{
	struct detect_field *fields = mr_arena_alloc(arena, (count + 1) * sizeof *fields);
	for (uint32_t i = 0; i < count; i++)
		fields[i] = detect_field_of(places, rule, names[i]);
	return fields;
}

static struct detect_field *carried_of(const struct detect_places *places, uint32_t rule,
				       const struct wanted *wanted, struct mr_arena *arena)
{
	struct detect_field *fields = mr_arena_alloc(arena, (wanted->count + 1) * sizeof *fields);
	for (uint32_t i = 0; i < wanted->count; i++) {
		fields[i] = detect_field_of(places, rule, wanted->fields[i].field);
		fields[i].adds = wanted->fields[i].adds;
	}
	return fields;
}

static void add_consumer(struct detect_consumers *list, struct mr_arena *arena,
			 struct detect_consumer consumer)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity == 0 ? 1 : list->capacity * 2;
		struct detect_consumer *grown =
		    mr_arena_alloc(arena, list->capacity * sizeof *grown);
		if (list->count != 0)
			memcpy(grown, list->items, list->count * sizeof *grown);
		list->items = grown;
	}
	list->items[list->count++] = consumer;
}

/* A correlation may name a rule twice: its signal is one all the same. */
static bool is_named_before(const struct mr_rule *rule, uint32_t position)
{
	for (uint32_t i = 0; i < position; i++) {
		if (rule->rules[i] == rule->rules[position])
			return true;
	}
	return false;
}

static bool one_waits(const struct mr_fields *fields, const struct detect_field *list,
		      uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (detect_field_waits(fields, &list[i]))
			return true;
	return false;
}

/* Of the normalised fields that stand in the list those that alerts show. */
static uint64_t shown_of_list(const struct detect_field *list, uint32_t count)
{
	uint64_t shown = 0;
	for (uint32_t i = 0; i < count; i++)
		if (mr_field_in_alert(list[i].name))
			shown |= UINT64_C(1) << list[i].name;
	return shown;
}

/* What its signals say of a record, should nobody be able to read it again: who, what and where,
 * what the correlation groups and counts by, and what the rule wants shown. */
static uint64_t shown_to(const struct mr_catalog *catalog, const struct mr_stage_env *env,
			 const struct detect_consumers *list,
			 const struct detect_consumer *consumer)
{
	const struct mr_rule *rule = &catalog->rules[consumer->rule];
	if (consumer->plain || !env->retells)
		return mr_shown_in_alert();
	return mr_shown_in_signal() | shown_of_list(list->shown, list->shown_count) |
	       shown_of_list(consumer->group, rule->group_by.count) |
	       shown_of_list(consumer->values, rule->fields.count);
}

/* Whether the signals of a detection's matches need all fields of an event. */
static bool need_all(const struct mr_catalog *catalog, const struct mr_stage_env *env,
		     const struct detect_consumers *list)
{
	const struct mr_fields *fields = env->fields;
	bool all = one_waits(fields, list->shown, list->shown_count);
	for (uint32_t i = 0; i < list->count && !all; i++) {
		const struct detect_consumer *consumer = &list->items[i];
		const struct mr_rule *rule = &catalog->rules[consumer->rule];
		all = consumer->plain || !env->retells ||
		      one_waits(fields, consumer->group, rule->group_by.count) ||
		      one_waits(fields, consumer->values, rule->fields.count) ||
		      one_waits(fields, consumer->carried, consumer->carried_count);
	}
	return all;
}

struct detect_consumers *detect_consumers_find(const struct mr_catalog *catalog,
					       const struct detect_places *places,
					       const struct mr_stage_env *env,
					       struct mr_arena *arena)
{
	struct detect_consumers *all = mr_arena_alloc(arena, (catalog->count + 1) * sizeof *all);
	struct wanted *wanted = find_wanted(catalog, arena);
	memset(all, 0, (catalog->count + 1) * sizeof *all);
	for (uint32_t i = 0; i < catalog->count; i++) {
		const struct mr_rule *rule = &catalog->rules[i];
		if (rule->kind == MR_RULE_DETECTION && rule->alerts)
			add_consumer(&all[i], arena,
				     (struct detect_consumer){.rule = i, .plain = true});
		all[i].shown = fields_of(places, i, rule->shown_fields, rule->shown.count, arena);
		all[i].shown_count = rule->shown.count;
		for (uint32_t r = 0; r < rule->rule_count && !rule->inactive; r++) {
			uint32_t named = rule->rules[r];
			if (catalog->rules[named].kind != MR_RULE_DETECTION ||
			    is_named_before(rule, r))
				continue;
			struct detect_consumer consumer = {
			    .rule = i, .feeds = rule->feeds, .layer = rule->layer};
			all[named].feeds |= rule->feeds;
			consumer.group = fields_of(places, named, mr_rule_group_fields(rule, r),
						   rule->group_by.count, arena);
			consumer.values = fields_of(places, named, mr_rule_value_fields(rule, r),
						    rule->fields.count, arena);
			consumer.carried = carried_of(places, named, &wanted[i], arena);
			consumer.carried_count = wanted[i].count;
			add_consumer(&all[named], arena, consumer);
		}
	}
	for (uint32_t i = 0; i < catalog->count; i++) {
		for (uint32_t c = 0; c < all[i].count; c++)
			all[i].items[c].shown = shown_to(catalog, env, &all[i], &all[i].items[c]);
		all[i].complete = need_all(catalog, env, &all[i]);
	}
	return all;
}

/* ---- keys and values ---- */

static const struct mr_value *first_of(const struct mr_events *events, const struct mr_event *event,
				       const struct detect_field *wanted)
{
	mr_field field = detect_field_find(events, event, wanted);
	return field == 0 ? NULL : mr_event_get(events, event, field);
}

static void read_texts(struct detect_signals *signals, const struct mr_events *events,
		       const struct mr_event *event, const struct detect_field *wanted,
		       bool numbers, struct mr_column *out)
{
	const struct mr_value *value = first_of(events, event, wanted);
	out->repeats = out->numbers = numbers;
	out->count = 0;
	out->capped = false;
	for (; value != NULL && !out->capped; value = mr_value_next(events, value))
		mr_column_add(out, &signals->arena, value->type,
			      (struct mr_slice){value->text, value->len});
}

/* ---- fields ---- */

/* Most signals of an event say the same. */
static struct mr_packed shown_of(struct detect_signals *signals, uint64_t fields,
				 const struct mr_events *events, const struct mr_event *event)
{
	if (signals->shown_fields != fields) {
		mr_packing_begin(&signals->packing);
		mr_packing_add_shown(&signals->packing, &signals->arena, events, event, fields);
		signals->shown = mr_packing_end(&signals->packing, &signals->arena);
		signals->shown_fields = fields;
	}
	return signals->shown;
}

/* What an outer correlation takes of a field: what it would see in the record itself, so each text
 * once in any case (what is added up as often as it stands there), none that is missing, at most
 * MR_PRODUCT_MAX. False where there were more. */
static bool carry(struct detect_signals *signals, const struct mr_events *events,
		  const struct mr_event *event, const struct detect_field *wanted)
{
	const struct mr_value *value = first_of(events, event, wanted);
	struct mr_column texts;
	texts.count = 0;
	texts.capped = false;
	texts.repeats = wanted->adds;
	texts.numbers = false;
	for (; value != NULL && !texts.capped; value = mr_value_next(events, value)) {
		struct mr_slice text = {value->text, value->len};
		if (mr_column_add(&texts, &signals->arena, value->type, text) &&
		    !mr_packing_add(&signals->packing, wanted->name, value->type, text))
			return false;
	}
	return !texts.capped;
}

static bool is_carried(const struct detect_consumer *consumer, mr_field field)
{
	for (uint32_t i = 0; i < consumer->carried_count; i++)
		if (consumer->carried[i].name == field)
			return true;
	return false;
}

/* The values of one field that the rule has its alerts show, under the name that it calls them. */
static void show(struct detect_signals *signals, const struct mr_events *events,
		 const struct mr_event *event, const struct detect_field *wanted)
{
	const struct mr_value *value = first_of(events, event, wanted);
	for (uint32_t n = 0; value != NULL && n < SHOWN_EACH_MAX;
	     value = mr_value_next(events, value)) {
		struct mr_slice text = {value->text, value->len};
		if (mr_value_is_missing(value))
			continue;
		if (!mr_packing_add(&signals->packing, wanted->name, value->type,
				    mr_signal_shown(&signals->arena, text)))
			return;
		n++;
	}
}

/* What every alert shows goes behind what was added for this signal. */
static void add_all_shown(struct detect_signals *signals, const struct detect_consumer *consumer,
			  struct mr_slice shown)
{
	struct mr_packed_at at = mr_packed_begin(shown);
	struct mr_signal_field field;
	while (mr_packed_next(&at, &field))
		if (!is_carried(consumer, field.field) &&
		    !mr_packing_add(&signals->packing, field.field, field.type, field.text))
			return;
}

static void set_fields(struct detect_signals *signals, const struct mr_events *events,
		       const struct mr_event *event, const struct detect_consumers *list,
		       const struct detect_consumer *consumer, struct mr_signal *signal)
{
	struct mr_packed shown = shown_of(signals, consumer->shown, events, event);
	mr_packing_begin(&signals->packing);
	/* First, so that nothing else takes their place: keys depend on them. */
	bool whole = true;
	for (uint32_t i = 0; i < consumer->carried_count; i++)
		whole &= carry(signals, events, event, &consumer->carried[i]);
	mr_count(signals->counters, MR_C_KEYS_CAPPED, !whole);
	for (uint32_t i = 0; i < list->shown_count; i++) {
		mr_field name = list->shown[i].name;
		if (name != 0 && !mr_field_in_alert(name) && !is_carried(consumer, name) &&
		    !mr_packing_has(&signals->packing, name))
			show(signals, events, event, &list->shown[i]);
	}
	signal->packed = shown;
	if (signals->packing.count + consumer->carried_count > 0) {
		add_all_shown(signals, consumer, shown.bytes);
		signal->packed = mr_packing_end(&signals->packing, &signals->arena);
	}
	signal->field_count = signal->packed.count;
}

/* ---- signals ---- */

static void send(struct detect_signals *signals, struct mr_signal *signal, struct mr_writer *out)
{
	struct mr_slice rule_id = signals->catalog->rules[signal->consumer].id;
	signal->key_group =
	    mr_key_group(signals->seed, rule_id, signal->tenant, signal->key, signal->key_count);
	mr_writer_signal(out, signal);
	mr_count(signals->counters, MR_C_SIGNALS, 1);
	mr_count_of(signals->counters, signal->origin.source, MR_B_SIGNALS, 1);
}

static void correlate(struct detect_signals *signals, const struct mr_events *events,
		      const struct mr_event *event, const struct detect_consumer *consumer,
		      struct mr_signal *signal, struct mr_writer *out)
{
	const struct mr_rule *rule = &signals->catalog->rules[consumer->rule];
	if (!event->has_time) {
		mr_count(signals->counters, MR_C_NOT_CORRELATED, 1);
		return;
	}
	uint32_t width = rule->group_by.count;
	bool numbers = mr_correlation_counts(rule->type) == MR_COUNTS_NUMBERS;
	signal->key_count = width;
	signal->value_width = mr_correlation_has_field(rule->type) ? rule->fields.count : 0;
	struct mr_column *fields =
	    mr_arena_alloc(&signals->arena, (width + signal->value_width) * sizeof *fields);
	for (uint32_t f = 0; f < width; f++)
		read_texts(signals, events, event, &consumer->group[f], false, &fields[f]);
	for (uint32_t f = 0; f < signal->value_width; f++)
		read_texts(signals, events, event, &consumer->values[f], numbers,
			   &fields[width + f]);
	struct mr_keys keys =
	    mr_signal_multiply(signal, fields, &signals->arena, signals->counters, signals->tally);
	for (uint32_t k = 0; k < keys.count; k++) {
		for (uint32_t f = 0; f < width; f++)
			signal->key[f] = keys.at[k * width + f];
		send(signals, signal, out);
	}
}

/* Of all that the event matches, whoever the signal is for. */
static void set_matched(struct detect_signals *signals, struct mr_signal *signal)
{
	for (size_t i = 0; i < signals->rule_count && !signals->has_matched &&
			   signals->matched_count < MR_MATCHED_MAX;
	     i++)
		if (signals->consumers[signals->rules[i]].feeds)
			signals->matched[signals->matched_count++] = signals->rules[i];
	signals->has_matched = true;
	signal->matched = signals->matched;
	signal->matched_count = signals->matched_count;
}

void detect_signals_begin(struct detect_signals *signals, const uint32_t *rules, size_t count)
{
	signals->rules = rules;
	signals->rule_count = count;
	signals->matched_count = 0;
	signals->has_matched = false;
	signals->shown_fields = 0;
	mr_arena_reset(&signals->arena);
}

bool detect_signals_complete(const struct detect_signals *signals)
{
	for (size_t i = 0; i < signals->rule_count; i++)
		if (signals->consumers[signals->rules[i]].complete)
			return true;
	return false;
}

void detect_signals_emit(struct detect_signals *signals, const struct mr_events *events,
			 const struct mr_event *event, uint32_t rule, struct mr_writer *out)
{
	const struct detect_consumers *list = &signals->consumers[rule];
	for (uint32_t i = 0; i < list->count; i++) {
		const struct detect_consumer *consumer = &list->items[i];
		struct mr_signal signal = {
		    .consumer = consumer->rule,
		    .rule = rule,
		    .layer = consumer->layer,
		    .kind = event->kind,
		    .has_time = event->has_time,
		    .time_us = event->time_us,
		    .arrival_us = event->arrival_us,
		    .tenant = event->tenant,
		    .record_id = event->id,
		    .origin = event->origin,
		};
		set_fields(signals, events, event, list, consumer, &signal);
		if (consumer->feeds)
			set_matched(signals, &signal);
		if (consumer->plain) {
			signal.key_count = 1;
			signal.key[0] = event->id;
			send(signals, &signal, out);
		} else {
			correlate(signals, events, event, consumer, &signal, out);
		}
	}
}

void detect_signals_fini(struct detect_signals *signals)
{
	mr_packing_fini(&signals->packing);
	mr_arena_fini(&signals->arena);
}
