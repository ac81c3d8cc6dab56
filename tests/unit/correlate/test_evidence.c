/* Which records an alert shows, against the definition: crowded slots, a rule or a value that
 * drowns the others, copies of one record, records of two rules; any order, repeats, 1 to 4
 * workers, and through a snapshot half-way. And that what is shown proves the alert. */
#include "harness.h"
#include "naive.h"

#define RULES 4 /* detections */
#define STREAMS 6
#define LONGEST 260
#define RUNS 60
#define SIDE 10 /* PROTOCOL.md 6.10: what is shown, and so what is kept at either end of a slot */

/* ---- occurrences ---- */

struct occurrence {
	struct naive_occurrence one; /* its rule is a position in the list */
	uint64_t origin;
};

static int compare_place(const struct occurrence *a, const struct occurrence *b)
{
	if (a->one.time != b->one.time)
		return a->one.time < b->one.time ? -1 : 1;
	return a->one.id < b->one.id ? -1 : a->one.id > b->one.id;
}

/* Of copies the one that was written first, then the first rule's. */
static int compare_copy(const struct occurrence *a, const struct occurrence *b)
{
	if (a->origin != b->origin)
		return a->origin < b->origin ? -1 : 1;
	return a->one.rule < b->one.rule ? -1 : a->one.rule > b->one.rule;
}

static int by_place(const void *a, const void *b)
{
	int order = compare_place(a, b);
	return order != 0 ? order : compare_copy(a, b);
}

static int by_place_back(const void *a, const void *b)
{
	int order = compare_place(b, a);
	return order != 0 ? order : compare_copy(a, b);
}

struct stream {
	char key[16];
	struct naive_rule rule;
	struct occurrence all[LONGEST];
	uint32_t count;
};

/* A list of occurrences; `rules`: which positions each stands for. */
struct shown {
	struct occurrence items[2 * LONGEST];
	uint64_t rules[2 * LONGEST];
	bool chosen[2 * LONGEST];
	uint32_t count, chosen_count;
};

static void list_add(struct shown *list, const struct occurrence *item, uint64_t rules)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (by_place(&list->items[i], item) == 0) {
			list->rules[i] |= rules;
			return;
		}
	}
	list->rules[list->count] = rules;
	list->items[list->count++] = *item;
}

/* ---- what is kept of a slot, from its definition ---- */

/* The ten smallest and the ten largest by (time, id), each with the copy that stands for it. */
static void keep_ends(const struct occurrence *sorted, uint32_t count, struct shown *kept)
{
	uint32_t places = 0, place = 0;
	for (uint32_t i = 0; i < count; i++)
		places += i == 0 || compare_place(&sorted[i - 1], &sorted[i]) != 0;
	for (uint32_t i = 0, end; i < count; i = end, place++) {
		uint64_t rules = 0;
		for (end = i; end < count && compare_place(&sorted[i], &sorted[end]) == 0; end++)
			if (sorted[end].origin == sorted[i].origin)
				rules |= UINT64_C(1) << sorted[end].one.rule;
		if (place < SIDE || place + SIDE >= places)
			list_add(kept, &sorted[i], rules);
	}
}

static uint32_t facets_of(const struct naive_rule *rule, const struct occurrence *item,
			  uint32_t *out)
{
	if (rule->type == MR_CORRELATION_EVENT_COUNT)
		return 0;
	if (rule->type != MR_CORRELATION_VALUE_COUNT) {
		out[0] = item->one.rule;
		return 1;
	}
	memcpy(out, item->one.values, sizeof(item->one.values));
	return item->one.value_count;
}

/* Of a list that begins at one end of the slot: the first of each facet, up to ten facets. */
static void keep_facets(const struct naive_rule *rule, const struct occurrence *sorted,
			uint32_t count, struct shown *kept)
{
	bool met[256] = {false};
	uint32_t facets = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t own[NAIVE_VALUES], own_count = facets_of(rule, &sorted[i], own);
		for (uint32_t f = 0; f < own_count && facets < SIDE; f++) {
			facets += !met[own[f]];
			if (!met[own[f]])
				list_add(kept, &sorted[i], UINT64_C(1) << sorted[i].one.rule);
			met[own[f]] = true;
		}
	}
}

static void keep_slot(const struct stream *stream, int64_t slot, struct shown *kept)
{
	struct occurrence *sorted = mr_malloc(LONGEST * sizeof(*sorted));
	uint32_t count = 0;
	for (uint32_t i = 0; i < stream->count; i++)
		if (naive_slot(&stream->rule, stream->all[i].one.time) == slot)
			sorted[count++] = stream->all[i];
	qsort(sorted, count, sizeof(*sorted), by_place);
	keep_ends(sorted, count, kept);
	keep_facets(&stream->rule, sorted, count, kept);
	qsort(sorted, count, sizeof(*sorted), by_place_back);
	keep_facets(&stream->rule, sorted, count, kept);
	free(sorted);
}

/* ---- what is shown of it ---- */

/* Of a record nothing more than is shown of it already, but other copies that prove something. */
static void choose(struct shown *shown, uint32_t at, bool proves)
{
	for (uint32_t i = 0; i < shown->count; i++)
		if (shown->chosen[i] && shown->items[i].one.id == shown->items[at].one.id &&
		    (!proves || shown->items[i].origin == shown->items[at].origin))
			return;
	if (shown->chosen_count == SIDE)
		return;
	shown->chosen[at] = true;
	shown->chosen_count++;
}

/* The first that bears each rule or value. */
static void choose_facets(const struct naive_rule *rule, struct shown *shown)
{
	bool met[256] = {false};
	for (uint32_t i = 0; i < shown->count; i++) {
		uint32_t own[64], own_count = facets_of(rule, &shown->items[i], own);
		bool is_new = false;
		if (rule->type != MR_CORRELATION_VALUE_COUNT) {
			own_count = 0;
			for (uint32_t p = 0; p < 64; p++)
				if ((shown->rules[i] >> p & 1) != 0)
					own[own_count++] = p;
		}
		for (uint32_t f = 0; f < own_count; f++) {
			is_new |= !met[own[f]];
			met[own[f]] = true;
		}
		if (is_new)
			choose(shown, i, true);
	}
}

/* The chain that starts there, of each next rule the first that is not before. */
static bool chain_at(const struct naive_rule *rule, const struct shown *shown, uint32_t start,
		     uint32_t *chain)
{
	int64_t time = shown->items[start].one.time;
	for (uint32_t p = 0; p < rule->list_count; p++) {
		uint32_t i = p == 0 ? start : 0, limit = p == 0 ? start + 1 : shown->count;
		uint32_t position =
		    0; /* of a rule that stands there twice, its signals name the first */
		while (rule->list[position] != rule->list[p])
			position++;
		while (i < limit &&
		       ((shown->rules[i] >> position & 1) == 0 || shown->items[i].one.time < time))
			i++;
		if (i == limit)
			return false;
		chain[p] = i;
		time = shown->items[i].one.time;
	}
	return time - shown->items[start].one.time <= rule->span;
}

static bool choose_chain(const struct naive_rule *rule, struct shown *shown)
{
	uint32_t chain[4];
	for (uint32_t start = 0; start < shown->count; start++) {
		if (!chain_at(rule, shown, start, chain))
			continue;
		for (uint32_t p = 0; p < rule->list_count; p++)
			choose(shown, chain[p], true);
		return true;
	}
	return false;
}

/* False where the slot does not fire. */
static bool shown_find(const struct stream *stream, int64_t slot, struct shown *shown)
{
	const struct naive_rule *rule = &stream->rule;
	int64_t from = INT64_MAX;
	struct shown *kept = mr_calloc(1, sizeof(*kept));
	memset(shown, 0, sizeof(*shown));
	for (uint32_t i = 0; i < stream->count; i++) {
		const struct naive_occurrence *one = &stream->all[i].one;
		if (one->completes && naive_slot(rule, one->time) == slot && one->time < from)
			from = one->time;
	}
	keep_slot(stream, slot - 1, kept);
	keep_slot(stream, slot, kept);
	for (uint32_t i = 0; i < kept->count; i++) {
		uint32_t at = shown->count;
		if (from == INT64_MAX || kept->items[i].one.time < from - rule->span)
			continue;
		shown->count++;
		for (; at > 0 && by_place(&kept->items[i], &shown->items[at - 1]) < 0; at--) {
			shown->items[at] = shown->items[at - 1];
			shown->rules[at] = shown->rules[at - 1];
		}
		shown->items[at] = kept->items[i];
		shown->rules[at] = kept->rules[i];
	}
	free(kept);
	if (rule->type != MR_CORRELATION_EVENT_COUNT &&
	    (rule->type != MR_CORRELATION_TEMPORAL_ORDERED || !choose_chain(rule, shown)))
		choose_facets(rule, shown);
	for (uint32_t i = 0; i < shown->count; i++)
		choose(shown, i, false);
	return from != INT64_MAX;
}

/* ---- whether it proves the alert ---- */

/* The shown copies of records with all that they are in the stream; gives how many. */
static size_t testimony(const struct stream *stream, int64_t slot, const struct shown *shown,
			struct naive_occurrence *out)
{
	size_t count = 0;
	for (uint32_t i = 0; i < stream->count; i++) {
		int64_t own = naive_slot(&stream->rule, stream->all[i].one.time);
		for (uint32_t k = 0; k < shown->count; k++) {
			if (!shown->chosen[k] || own < slot - 1 || own > slot ||
			    shown->items[k].one.id != stream->all[i].one.id ||
			    shown->items[k].origin != stream->all[i].origin)
				continue;
			out[count] = stream->all[i].one;
			out[count++].rule = stream->rule.list[stream->all[i].one.rule];
			break;
		}
	}
	return count;
}

/* Of two rules: what completes does so by the slot before alone, whose own alert shows it. */
static void assert_no_chain_ends(const struct stream *stream, int64_t slot)
{
	static struct naive_occurrence own[LONGEST];
	size_t count = 0;
	for (uint32_t i = 0; i < stream->count; i++) {
		const struct naive_occurrence *one = &stream->all[i].one;
		int64_t number = naive_slot(&stream->rule, one->time);
		if (number != slot && (number != slot - 1 || one->rule != 0))
			continue;
		own[count] = *one;
		own[count++].rule = stream->rule.list[one->rule];
	}
	naive_judge(&stream->rule, own, count);
	for (size_t i = 0; i < count; i++)
		assert_false(own[i].completes && naive_slot(&stream->rule, own[i].time) == slot);
}

static void assert_proves(const struct stream *stream, int64_t slot, const struct shown *shown)
{
	static struct naive_occurrence all[LONGEST];
	size_t count = testimony(stream, slot, shown, all);
	struct naive_rule rule = stream->rule;
	bool proves = false;
	if (rule.type == MR_CORRELATION_TEMPORAL_ORDERED && rule.list_count > 2)
		return; /* what would lie between two others may be left out */
	if (rule.threshold > SIDE)
		rule.threshold = SIDE;
	naive_judge(&rule, all, count);
	for (size_t i = 0; i < count; i++)
		proves |= all[i].completes;
	if (rule.type == MR_CORRELATION_TEMPORAL_ORDERED && !proves)
		assert_no_chain_ends(stream, slot);
	else
		assert_true(proves);
}

/* ---- streams ---- */

static void occurrence_make(const struct stream *stream, uint32_t number, uint32_t noise,
			    struct occurrence *out, uint64_t *random)
{
	const struct naive_rule *rule = &stream->rule;
	*out = (struct occurrence){.origin = number};
	bool is_noise = random_below(random, 100) < noise;
	out->one.rule = is_noise ? 0 : random_below(random, rule->list_count);
	for (uint32_t p = 0; p < out->one.rule; p++)
		if (rule->list[p] == rule->list[out->one.rule])
			out->one.rule = p;
	out->one.id = number;
	out->one.time = random_between(random, -rule->span, 2 * rule->span - 1);
	if (rule->type != MR_CORRELATION_VALUE_COUNT)
		return;
	out->one.value_count = is_noise ? 1 : 1 + random_below(random, NAIVE_VALUES);
	for (uint32_t v = 0; v < out->one.value_count; v++)
		out->one.values[v] = is_noise ? 0 : random_below(random, 30);
}

static void stream_make(struct stream *stream, uint32_t number, const struct naive_rule *rule,
			uint64_t *random)
{
	uint32_t noise = random_below(random, 2) * 97;
	snprintf(stream->key, sizeof(stream->key), "key%u", number);
	stream->rule = *rule;
	stream->count = 1 + random_below(random, random_below(random, 3) == 0 ? 20 : LONGEST);
	for (uint32_t i = 0; i < stream->count; i++) {
		struct occurrence *one = &stream->all[i];
		occurrence_make(stream, i, noise, one, random);
		if (i == 0 || random_below(random, 5) > 0)
			continue;
		/* A copy: another rule's match of the record, another text of it, another time. */
		const struct occurrence *other = &stream->all[random_below(random, i)];
		uint32_t how = random_below(random, 8);
		one->one.id = other->one.id;
		if (how > 0)
			one->one.time = other->one.time;
		if (how > 2)
			one->origin = other->origin;
		if (one->origin == other->origin) { /* one text has one set of values */
			one->one.value_count = other->one.value_count;
			memcpy(one->one.values, other->one.values, sizeof(one->one.values));
		}
	}
	struct naive_occurrence all[LONGEST];
	for (uint32_t i = 0; i < stream->count; i++) {
		all[i] = stream->all[i].one;
		all[i].rule = rule->list[all[i].rule];
	}
	naive_judge(rule, all, stream->count);
	for (uint32_t i = 0; i < stream->count; i++)
		stream->all[i].one.completes = all[i].completes;
}

/* ---- the stage ---- */

struct bench {
	struct mr_fields *fields;
	mr_field group, value;
	struct mr_catalog catalog;
	uint32_t index;
	struct naive_rule rule;
	struct stream streams[STREAMS];
	struct mr_signal signals[2 * STREAMS * LONGEST];
	size_t signal_count;
	struct mr_arena arena;
	uint64_t seed;
	size_t compared;
};

static struct mr_slice text(struct bench *bench, const char *form, uint32_t number)
{
	char bytes[32];
	int len = snprintf(bytes, sizeof(bytes), form, number);
	return (struct mr_slice){mr_arena_copy(&bench->arena, bytes, (size_t)len), (size_t)len};
}

static struct mr_signal signal_of(struct bench *bench, const struct stream *stream,
				  const struct occurrence *from)
{
	struct mr_signal signal = {.consumer = bench->index,
				   .rule = bench->rule.list[from->one.rule],
				   .kind = MR_KIND_UAL,
				   .has_time = true,
				   .time_us = from->one.time,
				   .tenant = MR_SLICE("tenant"),
				   .record_id = text(bench, "record-%03u", from->one.id),
				   .origin = {.position = from->origin, .length = 1},
				   .key_count = 1};
	signal.key[0] = mr_slice(stream->key);
	struct mr_slice *values = mr_arena_alloc(&bench->arena, NAIVE_VALUES * sizeof(*values));
	for (uint32_t v = 0; v < from->one.value_count; v++)
		values[v] = text(bench, "value-%u", from->one.values[v]);
	signal.values = values;
	signal.value_count = from->one.value_count;
	signal.value_width = from->one.value_count > 0;
	return signal;
}

static void bench_make(struct bench *bench, enum mr_correlation_type type, uint64_t seed,
		       uint64_t *random)
{
	bool ordered = type == MR_CORRELATION_TEMPORAL_ORDERED;
	struct naive_rule *rule = &bench->rule;
	*bench = (struct bench){.fields = mr_fields_new(), .seed = seed};
	bench->group = mr_fields_add(bench->fields, MR_SLICE("group"));
	bench->value = mr_fields_add(bench->fields, MR_SLICE("value"));
	for (uint32_t i = 0; i < RULES; i++)
		catalog_add(&bench->catalog, MR_RULE_DETECTION);
	*rule = (struct naive_rule){.type = type, .span = 40 + random_below(random, 400)};
	rule->list_count = 2 + random_below(random, 3);
	for (uint32_t i = 0; i < rule->list_count; i++)
		rule->list[i] = ordered ? random_below(random, RULES) : i;
	rule->threshold = 1 + random_below(random, 14);
	if (type == MR_CORRELATION_TEMPORAL)
		rule->threshold = 2 + random_below(random, rule->list_count - 1);
	bench->index = catalog_correlation(&bench->catalog, type, rule->list, rule->list_count,
					   rule->span, ordered ? 0 : rule->threshold, bench->group,
					   type == MR_CORRELATION_VALUE_COUNT ? bench->value : 0);
	for (uint32_t s = 0; s < STREAMS; s++) {
		stream_make(&bench->streams[s], s, rule, random);
		for (uint32_t i = 0; i < bench->streams[s].count; i++)
			bench->signals[bench->signal_count++] =
			    signal_of(bench, &bench->streams[s], &bench->streams[s].all[i]);
	}
	for (size_t i = bench->signal_count; i-- > 0;) /* some come again */
		if (random_below(random, 4) == 0)
			bench->signals[bench->signal_count++] = bench->signals[i];
}

static void compare(void *context, const struct mr_alert *alert)
{
	static struct shown wanted;
	struct bench *bench = context;
	uint32_t s = (uint32_t)(alert->key[0].at[3] - '0'), shown = 0;
	const struct stream *stream = &bench->streams[s];
	assert_true(shown_find(stream, alert->slot, &wanted));
	assert_int_equal(alert->evidence_count, wanted.chosen_count);
	for (uint32_t i = 0; i < wanted.count; i++) {
		if (!wanted.chosen[i])
			continue;
		const struct mr_evidence *evidence = &alert->evidence[shown++];
		if (evidence->origin.position != wanted.items[i].origin ||
		    evidence->time_us != wanted.items[i].one.time ||
		    evidence->rule != stream->rule.list[wanted.items[i].one.rule])
			fail_msg("seed %llu, key %u, slot %lld, evidence %u: origin %llu, rule %u "
				 "where %llu, %u is wanted",
				 (unsigned long long)bench->seed, s, (long long)alert->slot, shown,
				 (unsigned long long)evidence->origin.position, evidence->rule,
				 (unsigned long long)wanted.items[i].origin,
				 stream->rule.list[wanted.items[i].one.rule]);
	}
	assert_true(alert->first_time_us <= alert->evidence[0].time_us);
	assert_proves(stream, alert->slot, &wanted);
	bench->compared++;
}

static void run(struct bench *bench, uint32_t workers, uint64_t *random)
{
	struct house half, house;
	size_t count = bench->signal_count, cut = random_below(random, (uint32_t)count);
	signals_shuffle(bench->signals, count, random);
	house_open(&half, &bench->catalog, bench->fields, 1 + workers % HOUSE_WORKERS, true);
	house_open(&house, &bench->catalog, bench->fields, workers, true);
	house.batch = 1 + random_below(random, 50);
	house.watch = compare;
	house.context = bench;
	house_feed_over(&half, &house, bench->signals, count, cut);
}

static void kind(void **state)
{
	enum mr_correlation_type type = (enum mr_correlation_type)(uintptr_t)*state;
	struct bench *bench = mr_malloc(sizeof(*bench));
	size_t compared = 0;
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		uint64_t random = seed * 1000 + (uint64_t)type;
		bench_make(bench, type, seed, &random);
		for (uint32_t workers = 1; workers <= HOUSE_WORKERS; workers++)
			run(bench, workers, &random);
		compared += bench->compared;
		mr_arena_fini(&bench->arena);
		mr_catalog_fini(&bench->catalog);
		mr_fields_free(bench->fields);
	}
	free(bench);
	assert_true(compared > RUNS);
	print_message("seeds 1 to %u: %zu alerts\n", RUNS, compared);
}

int main(void)
{
	return run_each_at_once(kind);
}
