/* harness.h - the correlate stage driven in memory: any number of workers in each layer, batches of
 * any size, signals routed by key group as the links would, alerts collected as a sorted set. */
#ifndef MILLRACE_TEST_CORRELATE_HARNESS_H
#define MILLRACE_TEST_CORRELATE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "millrace/checkpoint.h"
#include "millrace/rule.h"
#include "pipeline/stage_io.h"
#include "pipeline/tables.h"

extern const struct mr_stage_ops mr_stage_correlate;

#define HOUSE_LAYERS 5
#define HOUSE_WORKERS 4

/* ---- random numbers ---- */

static uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(random_next(state) % limit);
}

static inline int64_t random_between(uint64_t *state, int64_t low, int64_t high)
{
	return low + (int64_t)(random_next(state) % (uint64_t)(high - low + 1));
}

/* ---- a catalog ---- */

static inline struct mr_rule *catalog_add(struct mr_catalog *catalog, enum mr_rule_kind kind)
{
	uint32_t count = catalog->count;
	if ((count & (count - 1)) == 0) { /* full: 0, 1, 2, 4 and so on */
		struct mr_rule *wider =
		    mr_arena_alloc(&catalog->arena, (2 * (size_t)count + 1) * sizeof(*wider));
		if (count > 0)
			memcpy(wider, catalog->rules, count * sizeof(*wider));
		catalog->rules = wider;
	}
	struct mr_rule *rule = &catalog->rules[count];
	char name[32];
	int len = snprintf(name, sizeof(name), "rule-%u", catalog->count);
	*rule = (struct mr_rule){.kind = kind, .alerts = true};
	rule->id.at = mr_arena_copy(&catalog->arena, name, (size_t)len);
	rule->id.len = (size_t)len;
	rule->title = rule->id;
	catalog->count++;
	if (catalog->layers == 0)
		catalog->layers = 1;
	return rule;
}

/* The same field for every rule of the list; 0 for none. */
static inline void rule_fields(struct mr_catalog *catalog, struct mr_rule *rule, mr_field field,
			       const char *name, struct mr_texts *texts, mr_field **fields)
{
	*texts = (struct mr_texts){NULL, 0};
	if (field == 0)
		return;
	texts->items = mr_arena_alloc(&catalog->arena, sizeof(*texts->items));
	texts->items[0] = mr_slice(name);
	texts->count = 1;
	*fields = mr_arena_alloc(&catalog->arena, rule->rule_count * sizeof(**fields));
	for (uint32_t i = 0; i < rule->rule_count; i++)
		(*fields)[i] = field;
}

/* So many or more, or numbers that come to so much; without a threshold there is no condition. */
static inline void rule_threshold(struct mr_catalog *catalog, struct mr_rule *rule,
				  int64_t threshold)
{
	char number[32];
	if (threshold == 0)
		return;
	rule->condition_count = 1;
	rule->condition = mr_arena_alloc(&catalog->arena, sizeof(*rule->condition));
	*rule->condition = (struct mr_condition_part){.op = MR_GTE, .count = threshold};
	if (mr_correlation_counts(rule->type) != MR_COUNTS_NUMBERS)
		return;
	int len = snprintf(number, sizeof(number), "%lld", (long long)threshold);
	rule->condition->count = 0;
	rule->condition->number =
	    (struct mr_slice){mr_arena_copy(&catalog->arena, number, (size_t)len), (size_t)len};
}

/* A correlation over `list`; threshold 0 is no condition. Gives its index. */
static inline uint32_t catalog_correlation(struct mr_catalog *catalog,
					   enum mr_correlation_type type, const uint32_t *list,
					   uint32_t count, int64_t span_us, int64_t threshold,
					   mr_field group, mr_field value)
{
	struct mr_rule *rule = catalog_add(catalog, MR_RULE_CORRELATION);
	rule->type = type;
	rule->rules = mr_arena_alloc(&catalog->arena, count * sizeof(*list));
	memcpy(rule->rules, list, count * sizeof(*list));
	rule->rule_count = count;
	rule->timespan_us = span_us;
	rule->meaning = catalog->count * UINT64_C(1000003);
	rule->percentile = type == MR_CORRELATION_VALUE_PERCENTILE ? 50 : 0;
	rule_threshold(catalog, rule, threshold);
	rule_fields(catalog, rule, group, "group", &rule->group_by, &rule->group_fields);
	rule_fields(catalog, rule, value, "value", &rule->fields, &rule->value_fields);
	for (uint32_t i = 0; i < count; i++) {
		struct mr_rule *named = &catalog->rules[list[i]];
		if (named->kind != MR_RULE_CORRELATION)
			continue;
		named->feeds = true;
		if (named->layer >= rule->layer)
			rule->layer = (uint8_t)(named->layer + 1);
	}
	if (rule->layer >= catalog->layers)
		catalog->layers = (uint8_t)(rule->layer + 1);
	return catalog->count - 1;
}

/* Another condition than `threshold`: borrowed. */
static inline void catalog_condition(struct mr_catalog *catalog, uint32_t index,
				     const struct mr_condition_part *parts, uint32_t count,
				     uint8_t percentile)
{
	struct mr_rule *rule = &catalog->rules[index];
	rule->condition = mr_arena_alloc(&catalog->arena, (count + 1) * sizeof(*parts));
	memcpy(rule->condition, parts, count * sizeof(*parts));
	rule->condition_count = count;
	rule->percentile = percentile;
}

/* ---- what fired ---- */

struct fired {
	uint32_t rule;
	char key[64];
	int64_t slot;
};
struct fired_list {
	struct fired *items;
	size_t count, capacity;
};

static inline void fired_add(struct fired_list *list, uint32_t rule, struct mr_slice key,
			     int64_t slot)
{
	if (list->count == list->capacity) {
		list->capacity = mr_grow(list->capacity, list->count + 1);
		list->items = mr_realloc(list->items, list->capacity * sizeof(*list->items));
	}
	struct fired *one = &list->items[list->count++];
	memset(one, 0, sizeof(*one));
	assert_true(key.len < sizeof(one->key));
	one->rule = rule;
	if (key.len > 0)
		memcpy(one->key, key.at, key.len);
	one->slot = slot;
}

static int fired_compare(const void *a, const void *b)
{
	const struct fired *x = a, *y = b;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	int order = strcmp(x->key, y->key);
	return order != 0 ? order : (x->slot > y->slot) - (x->slot < y->slot);
}

static inline void fired_sort(struct fired_list *list)
{
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), fired_compare);
}

static inline void fired_unique(struct fired_list *list)
{
	size_t count = 0;
	fired_sort(list);
	for (size_t i = 0; i < list->count; i++) {
		if (count == 0 || fired_compare(&list->items[count - 1], &list->items[i]) != 0)
			list->items[count++] = list->items[i];
	}
	list->count = count;
}

/* Each is there once. */
static inline void fired_set(struct fired_list *list, uint32_t rule, struct mr_slice key,
			     int64_t slot, bool is_there)
{
	fired_add(list, rule, key, slot);
	size_t last = list->count - 1, at = 0;
	while (fired_compare(&list->items[at], &list->items[last]) != 0)
		at++;
	if (at < last)
		list->count--;
	if (!is_there)
		list->items[at] = list->items[--list->count];
}

static inline void fired_fini(struct fired_list *list)
{
	free(list->items);
	*list = (struct fired_list){0};
}

/* Both sorted; what is in only one of them is printed. */
static inline void fired_assert_equal(const struct fired_list *got, const struct fired_list *wanted,
				      const char *what, uint64_t seed)
{
	size_t g = 0, w = 0, wrong = 0;
	while (g < got->count || w < wanted->count) {
		int order = g == got->count      ? 1
			    : w == wanted->count ? -1
						 : fired_compare(&got->items[g], &wanted->items[w]);
		const struct fired *odd = order < 0 ? &got->items[g] : &wanted->items[w];
		if (order != 0 && wrong++ < 10)
			print_error("%s, seed %llu: rule %u key %s slot %lld is %s\n", what,
				    (unsigned long long)seed, odd->rule, odd->key,
				    (long long)odd->slot, order < 0 ? "too much" : "missing");
		g += order <= 0;
		w += order >= 0;
	}
	assert_int_equal(wrong, 0);
}

/* ---- workers ---- */

static uint8_t house_seed = 1; /* a run's seed begins with it: another one, another run */

struct house {
	const struct mr_fields *fields;
	struct mr_config config;
	struct mr_tables *tables;
	struct mr_counters counters;
	struct mr_tally tally;
	uint32_t workers;
	uint32_t layers;
	uint32_t batch; /* signals in one */
	bool finite;
	bool withdraws; /* all that an alert was about may be withdrawn before it is written */
	struct mr_stage_env envs[HOUSE_LAYERS][HOUSE_WORKERS];
	void *states[HOUSE_LAYERS][HOUSE_WORKERS];
	struct mr_writer writers[HOUSE_LAYERS][HOUSE_WORKERS];
	struct fired_list made; /* activity 1, no announcement */
	struct fired_list announced;
	struct fired_list revised;
	struct fired_list open; /* made, and not withdrawn since, where the test asks for it */
	bool asks_open;
	struct mr_alert last; /* the newest of any: its texts are gone */
	uint64_t shed;        /* slots and records that were said to be given up */
	uint32_t shed_words;  /* in how many words */
	/* Called for each of made, or NULL. */
	void (*watch)(void *context, const struct mr_alert *alert);
	void *context;
	uint32_t last_evidence_origin[MR_EVIDENCE_MAX];
	uint64_t last_evidence_record[MR_EVIDENCE_MAX]; /* hashes of the bytes */
	uint64_t last_evidence_id[MR_EVIDENCE_MAX];     /* and of the record ids */
	uint64_t last_evidence_fields[MR_EVIDENCE_MAX]; /* and of the fields' texts */
};

/* With a setting. */
static inline void house_open_set(struct house *house, const struct mr_catalog *catalog,
				  const struct mr_fields *fields, uint32_t workers, bool finite,
				  const char *setting, const char *value)
{
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	*house = (struct house){.fields = fields,
				.workers = workers,
				.layers = catalog->layers,
				.batch = 7,
				.finite = finite};
	house->tables = mr_tables_new();
	if (setting != NULL)
		mr_config_add(&house->config, setting, value);
	mr_catalog_encode(catalog, &bytes);
	assert_int_equal(mr_tables_add_bytes(house->tables, "catalog",
					     (struct mr_slice){bytes.data, bytes.len}, &error),
			 MR_OK);
	mr_buf_fini(&bytes);
	for (uint32_t l = 0; l < house->layers; l++) {
		for (uint32_t w = 0; w < workers; w++) {
			struct mr_stage_env *env = &house->envs[l][w];
			*env = (struct mr_stage_env){.config = &house->config,
						     .fields = fields,
						     .tables = house->tables,
						     .counters = &house->counters,
						     .tally = &house->tally,
						     .seed = {house_seed, 2, 3, 4, 5, 6, 7, 8, 9},
						     .worker = w,
						     .workers = workers,
						     .layer = (uint8_t)l,
						     .finite = finite};
			house->states[l][w] = mr_calloc(1, mr_stage_correlate.state_size);
			if (mr_stage_correlate.open(house->states[l][w], env, &error) != MR_OK)
				fail_msg("%s", error.text);
			mr_writer_add_output(&house->writers[l][w], MR_CONTENT_ALERTS, 0,
					     MR_LINK_SPREAD, 1);
			for (uint32_t outer = l + 1; outer < house->layers; outer++)
				mr_writer_add_output(&house->writers[l][w], MR_CONTENT_SIGNALS,
						     (uint8_t)outer, MR_LINK_KEYED, workers);
		}
	}
}

static inline void house_open(struct house *house, const struct mr_catalog *catalog,
			      const struct mr_fields *fields, uint32_t workers, bool finite)
{
	house_open_set(house, catalog, fields, workers, finite, NULL, NULL);
}

static inline void house_close(struct house *house)
{
	for (uint32_t l = 0; l < house->layers; l++) {
		for (uint32_t w = 0; w < house->workers; w++) {
			mr_stage_correlate.close(house->states[l][w]);
			free(house->states[l][w]);
			mr_writer_fini(&house->writers[l][w]);
		}
	}
	mr_tally_fini(&house->tally);
	mr_tables_free(house->tables);
	mr_config_fini(&house->config);
	fired_fini(&house->made);
	fired_fini(&house->announced);
	fired_fini(&house->revised);
	fired_fini(&house->open);
}

static inline void house_alerts(struct house *house, const struct mr_body *body)
{
	struct mr_reader in = {0};
	struct mr_error error = {0};
	mr_reader_open_body(&in, MR_CONTENT_ALERTS, body);
	for (; mr_reader_alert(&in, &house->last); mr_reader_advance(&in)) {
		const struct mr_alert *alert = &house->last;
		house->shed += alert->shed;
		house->shed_words += alert->shed > 0;
		if (alert->shed > 0)
			continue;
		struct fired_list *list = alert->announcement ? &house->announced
					  : alert->activity == MR_ACTIVITY_CREATE ? &house->made
										  : &house->revised;
		fired_add(list, alert->rule, alert->key_count > 0 ? alert->key[0] : MR_SLICE(""),
			  alert->slot);
		if (house->asks_open && !alert->announcement)
			fired_set(&house->open, alert->rule,
				  alert->key_count > 0 ? alert->key[0] : MR_SLICE(""), alert->slot,
				  alert->activity != MR_ACTIVITY_CLOSE);
		assert_true(alert->evidence_count > 0 || house->withdraws);
		if (house->watch != NULL && list == &house->made)
			house->watch(house->context, alert);
		for (uint32_t i = 0; i < alert->evidence_count; i++) {
			const struct mr_evidence *evidence = &alert->evidence[i];
			house->last_evidence_origin[i] = (uint32_t)evidence->origin.position;
			house->last_evidence_record[i] =
			    mr_hash64(evidence->record.at, evidence->record.len, 0);
			house->last_evidence_id[i] =
			    mr_hash64(evidence->record_id.at, evidence->record_id.len, 0);
			house->last_evidence_fields[i] = 0;
			for (uint32_t f = 0; f < evidence->field_count; f++)
				house->last_evidence_fields[i] = mr_hash64(
				    evidence->fields[f].text.at, evidence->fields[f].text.len,
				    house->last_evidence_fields[i]);
		}
	}
	assert_int_equal(mr_reader_finish(&in, &error), MR_OK);
	mr_reader_fini(&in);
}

static inline void house_process(struct house *house, uint32_t layer, uint32_t worker,
				 const struct mr_body *body);

/* What a worker has written goes where the links would bring it. */
static inline void house_drain(struct house *house, uint32_t layer, uint32_t worker)
{
	struct mr_writer *writer = &house->writers[layer][worker];
	struct mr_body body;
	while (mr_output_take(writer, 0, 0, true, &body)) {
		house_alerts(house, &body);
		mr_body_fini(&body);
	}
	for (uint32_t o = 1; o < writer->output_count; o++) {
		for (uint32_t w = 0; w < house->workers; w++) {
			while (mr_output_take(writer, o, w, true, &body)) {
				house_process(house, layer + o, w, &body);
				mr_body_fini(&body);
			}
		}
	}
}

static inline void house_process(struct house *house, uint32_t layer, uint32_t worker,
				 const struct mr_body *body)
{
	struct mr_reader in = {0};
	struct mr_error error = {0};
	enum mr_err err;
	mr_reader_open_body(&in, MR_CONTENT_SIGNALS, body);
	do {
		err = mr_stage_correlate.process(house->states[layer][worker], &in,
						 &house->writers[layer][worker], &error);
		if (err != MR_OK && err != MR_FULL)
			fail_msg("%s", error.text);
		house_drain(house, layer, worker);
	} while (err == MR_FULL);
	assert_int_equal(mr_reader_finish(&in, &error), MR_OK);
	mr_reader_fini(&in);
}

static inline void house_flush(struct house *house, uint32_t layer, uint32_t worker,
			       struct mr_body *body)
{
	/* A reader may look MR_JSON_PADDING bytes past the end. */
	memset(mr_buf_reserve(&body->bytes, 64), 0, 64);
	house_process(house, layer, worker, body);
	body->bytes.len = 0;
	body->count = 0;
}

static inline void house_feed(struct house *house, const struct mr_signal *signals, size_t count)
{
	struct mr_body bodies[HOUSE_LAYERS][HOUSE_WORKERS] = {0};
	for (size_t i = 0; i < count; i++) {
		struct mr_signal signal = signals[i];
		signal.key_group = mr_key_group(house->envs[0][0].seed, MR_SLICE("a rule"),
						signal.tenant, signal.key, signal.key_count);
		uint32_t worker = mr_key_group_owner(signal.key_group, house->workers);
		struct mr_body *body = &bodies[signal.layer][worker];
		mr_signal_encode(&signal, &body->bytes);
		if (++body->count >= house->batch)
			house_flush(house, signal.layer, worker, body);
	}
	for (uint32_t l = 0; l < house->layers; l++) {
		for (uint32_t w = 0; w < house->workers; w++) {
			if (bodies[l][w].count > 0)
				house_flush(house, l, w, &bodies[l][w]);
			mr_body_fini(&bodies[l][w]);
		}
	}
}

static inline void house_finish(struct house *house)
{
	struct mr_error error = {0};
	for (uint32_t l = 0; l < house->layers; l++) {
		for (uint32_t w = 0; w < house->workers; w++) {
			enum mr_err err;
			do {
				err = mr_stage_correlate.finish(house->states[l][w],
								&house->writers[l][w], &error);
				house_drain(house, l, w);
			} while (err == MR_FULL);
			assert_int_equal(err, MR_OK);
		}
	}
	fired_sort(&house->made);
	fired_sort(&house->announced);
	fired_sort(&house->revised);
}

static inline void house_barrier(struct house *house, int64_t watermark_us)
{
	struct mr_error error = {0};
	for (uint32_t l = 0; l < house->layers; l++) {
		for (uint32_t w = 0; w < house->workers; w++) {
			enum mr_err err;
			do {
				err = mr_stage_correlate.barrier(house->states[l][w], watermark_us,
								 &house->writers[l][w], &error);
				house_drain(house, l, w);
			} while (err == MR_FULL);
			assert_int_equal(err, MR_OK);
		}
	}
}

/* The last barrier's checkpoint is whole. */
static inline void house_commit(struct house *house)
{
	for (uint32_t l = 0; l < house->layers; l++)
		for (uint32_t w = 0; w < house->workers; w++)
			mr_stage_correlate.committed(house->states[l][w]);
}

/* Everything that `from` remembers goes to `to` by way of bytes. */
static inline void house_move(struct house *from, struct house *to)
{
	struct mr_error error = {0};
	for (uint32_t l = 0; l < from->layers; l++) {
		for (uint32_t g = 0; g < MR_KEY_GROUPS; g++) {
			struct mr_buf bytes = {0};
			uint32_t out = mr_key_group_owner((uint8_t)g, from->workers);
			uint32_t in = mr_key_group_owner((uint8_t)g, to->workers);
			mr_stage_correlate.snapshot(from->states[l][out], (uint8_t)g, &bytes);
			/* An exact copy on the heap, so that a read past the end shows. */
			char *exact = mr_malloc(bytes.len);
			memcpy(exact, bytes.data, bytes.len);
			if (mr_stage_correlate.restore(to->states[l][in], (uint8_t)g,
						       (struct mr_slice){exact, bytes.len},
						       &error) != MR_OK)
				fail_msg("%s", error.text);
			free(exact);
			mr_buf_fini(&bytes);
		}
	}
}

/* One test for each of the kinds; it finds its type in *state. And for those alone that may be
 * judged at once. */
#define KIND(type)                                                                                 \
	{                                                                                          \
#type, test, NULL, NULL, (void *)(uintptr_t)MR_CORRELATION_##type                  \
	}
static inline int run_each_at_once(CMUnitTestFunction test)
{
	const struct CMUnitTest tests[] = {KIND(EVENT_COUNT), KIND(VALUE_COUNT), KIND(TEMPORAL),
					   KIND(TEMPORAL_ORDERED)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
static inline int run_each_kind(CMUnitTestFunction test)
{
	const struct CMUnitTest tests[] = {
	    KIND(EVENT_COUNT), KIND(VALUE_COUNT), KIND(TEMPORAL),         KIND(TEMPORAL_ORDERED),
	    KIND(VALUE_SUM),   KIND(VALUE_AVG),   KIND(VALUE_PERCENTILE), KIND(VALUE_MEDIAN)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

static inline void signals_shuffle(struct mr_signal *signals, size_t count, uint64_t *random)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = random_below(random, (uint32_t)i);
		struct mr_signal kept = signals[i - 1];
		signals[i - 1] = signals[other];
		signals[other] = kept;
	}
}

/* To the end: `half` has the first `cut` of them, `house` takes over what it remembers, and goes
 * on. Closes both. */
static inline void house_feed_over(struct house *half, struct house *house,
				   const struct mr_signal *signals, size_t count, size_t cut)
{
	house_feed(half, signals, cut);
	house_move(half, house);
	house_feed(house, signals + cut, count - cut);
	house_finish(house);
	house_close(half);
	house_close(house);
}

#endif
