/* Sections of a snapshot, and signals on top of whatever they made: no bytes crash the stage, read
 * past the end or leak. What the stage has then, it writes; what it writes, it takes, and has the
 * same again.
 *
 * The first byte says how many of the rest, in sixteenths, are the section; what follows are
 * encoded signals. Its upper bits say whether the run is finite and the memory ceiling low. The
 * section's seed mark is the one of a seed of zeros. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "state.h"

#include "pipeline/stage_io.h"
#include "pipeline/tables.h"

extern const struct mr_stage_ops mr_stage_correlate;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DETECTIONS 2
#define FALLING (DETECTIONS + MR_CORRELATION_COUNT) /* whose condition becomes false */
#define OUTER (FALLING + 1)
#define RULES (OUTER + 1)
#define GROUP 3 /* the only one that is restored and written */
#define UNLIMITED (SIZE_MAX / 2)

static struct mr_rule rules[RULES];
static struct mr_fields *fields;
static struct mr_tables *tables;

static void condition_make(struct mr_rule *rule, bool falls)
{
	static struct mr_condition_part two = {.op = MR_GTE, .count = 2};
	static struct mr_condition_part few = {.op = MR_LT, .count = 3};
	static struct mr_condition_part number = {.op = MR_GT, .number = {"2.5", 3}};
	bool adds_up = mr_correlation_counts(rule->type) == MR_COUNTS_NUMBERS;
	rule->condition = adds_up ? &number : falls ? &few : &two;
	rule->condition_count = rule->type != MR_CORRELATION_TEMPORAL_ORDERED;
	rule->percentile = rule->type == MR_CORRELATION_VALUE_PERCENTILE ? 50 : 0;
}

/* Two detections, one correlation of each kind over both, an event_count of few, and one over all
 * of those. */
static void catalog_make(void)
{
	static char ids[RULES][2];
	static uint32_t pair[] = {0, 1}, inner[OUTER - DETECTIONS];
	static mr_field group[OUTER], value[OUTER];
	static struct mr_slice group_name = {"group", 5}, value_name = {"value", 5};
	struct mr_buf bytes = {0};
	fields = mr_fields_new();
	for (uint32_t i = 0; i < OUTER; i++) {
		group[i] = mr_fields_add(fields, group_name);
		value[i] = mr_fields_add(fields, value_name);
	}
	for (uint32_t i = DETECTIONS; i < OUTER; i++)
		inner[i - DETECTIONS] = i;
	for (uint32_t i = 0; i < RULES; i++) {
		struct mr_rule *rule = &rules[i];
		ids[i][0] = (char)('a' + i);
		*rule = (struct mr_rule){.id = mr_slice(ids[i]), .alerts = true};
		if (i < DETECTIONS)
			continue;
		rule->kind = MR_RULE_CORRELATION;
		rule->type = i < FALLING ? (enum mr_correlation_type)(i - DETECTIONS)
					 : MR_CORRELATION_EVENT_COUNT;
		rule->rules = i == OUTER ? inner : pair;
		rule->rule_count = i == OUTER ? OUTER - DETECTIONS : 2;
		rule->layer = i == OUTER;
		rule->feeds = i < OUTER;
		rule->timespan_us = 100;
		rule->group_by = (struct mr_texts){&group_name, 1};
		rule->group_fields = group;
		rule->meaning = 1;
		condition_make(rule, i == FALLING);
		if (mr_correlation_has_field(rule->type)) {
			rule->fields = (struct mr_texts){&value_name, 1};
			rule->value_fields = value;
		}
	}
	struct mr_catalog catalog = {.rules = rules, .count = RULES, .layers = 2};
	mr_catalog_encode(&catalog, &bytes);
	tables = mr_tables_new();
	if (mr_tables_add_bytes(tables, "catalog", (struct mr_slice){bytes.data, bytes.len}, NULL))
		abort();
	mr_buf_fini(&bytes);
}

static void drop_log(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		     size_t len)
{
	(void)kind;
	(void)context;
	(void)level;
	(void)line;
	(void)len;
}

static void drain(struct mr_writer *out)
{
	struct mr_body body;
	while (mr_writer_take(out, MR_CONTENT_ALERTS, 0, &body))
		mr_body_fini(&body);
	while (mr_writer_take(out, MR_CONTENT_SIGNALS, 1, &body))
		mr_body_fini(&body);
}

static void signals_take(void *state, const char *bytes, size_t len, struct mr_writer *out)
{
	struct mr_reader in = {0};
	enum mr_err err;
	mr_reader_open_items(&in, MR_CONTENT_SIGNALS, UINT32_MAX, (struct mr_slice){bytes, len});
	do {
		err = mr_stage_correlate.process(state, &in, out, NULL);
		drain(out);
	} while (err == MR_FULL);
	mr_reader_fini(&in);
}

/* The stage stays open over all inputs, because a table stays mapped until the process ends. */
static struct mr_counters counters;
static struct mr_tally tally;
static struct mr_config config;
static struct mr_stage_env env = {.config = &config, .counters = &counters, .tally = &tally};

static struct corr *stage_get(void)
{
	static struct corr *corr;
	if (corr != NULL)
		return corr;
	mr_log_set_sink(drop_log, NULL);
	catalog_make();
	env.fields = fields;
	env.tables = tables;
	corr = mr_calloc(1, sizeof(*corr));
	if (mr_stage_correlate.open(corr, &env, NULL) != MR_OK)
		abort();
	return corr;
}

static void stage_empty(struct corr *corr)
{
	for (uint32_t g = 0; g < MR_KEY_GROUPS; g++)
		corr_group_fini(corr, &corr->groups[g]);
	free(corr->fired);
	corr->fired = NULL;
	corr->fired_count = corr->fired_at = 0;
	corr->finishing = false;
	corr->watermark_us = CORR_NEVER;
	corr->may_tell = true;
}

/* Keys and hashes stand in the order of their tables, so the bytes are the same in any order. */
static void must_be_alike(const struct mr_buf *one, const struct mr_buf *other)
{
	int64_t more[256] = {0};
	for (size_t i = 0; i < one->len; i++)
		more[(unsigned char)one->data[i]]++;
	for (size_t i = 0; i < other->len; i++)
		more[(unsigned char)other->data[i]]--;
	for (size_t i = 0; i < 256; i++) {
		if (more[i] != 0)
			abort();
	}
}

/* From the state in hand to bytes, to the state that these make, and to bytes again. */
static void there_and_back(struct corr *corr)
{
	struct mr_buf first = {0}, second = {0};
	mr_stage_correlate.snapshot(corr, GROUP, &first);
	stage_empty(corr);
	if (mr_stage_correlate.restore(corr, GROUP, (struct mr_slice){first.data, first.len},
				       NULL) != MR_OK)
		abort();
	mr_stage_correlate.snapshot(corr, GROUP, &second);
	if (corr->ceiling == UNLIMITED)
		must_be_alike(&first, &second);
	mr_buf_fini(&first);
	mr_buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corr *corr = stage_get();
	if (size == 0)
		return 0;
	size_t section = (size - 1) * (data[0] % 17) / 16;
	struct mr_writer out = {0};
	env.finite = data[0] >= 128;
	corr->ceiling = corr->shed_at = (data[0] & 64) != 0 ? 2048 : UNLIMITED;
	mr_writer_add_output(&out, MR_CONTENT_ALERTS, 0, MR_LINK_SPREAD, 1);
	mr_writer_add_output(&out, MR_CONTENT_SIGNALS, 1, MR_LINK_KEYED, 1);
	char *exact = mr_malloc(size);
	memcpy(exact, data + 1, size - 1);
	(void)mr_stage_correlate.restore(corr, GROUP, (struct mr_slice){exact, section}, NULL);
	signals_take(corr, exact + section, size - 1 - section, &out);
	there_and_back(corr);
	for (int turn = 0; turn < 2; turn++) {
		while (mr_stage_correlate.barrier(corr, INT64_MAX, &out, NULL) == MR_FULL)
			drain(&out);
		mr_stage_correlate.committed(corr);
	}
	while (mr_stage_correlate.finish(corr, &out, NULL) == MR_FULL)
		drain(&out);
	stage_empty(corr);
	free(exact);
	mr_writer_fini(&out);
	return 0;
}
