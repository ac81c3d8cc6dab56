/* rule.c - the catalog to and from bytes.
 *
 * Encoded once by detect's prepare, decoded in each worker by correlate and deliver, and in the
 * supervisor for its summary. Decoding fails with MR_BAD_INPUT on anything that encode does not
 * make: every index points into the catalog, every table has the size that its counts say, and no
 * correlation names one of its own layer or above, so that no walk over the catalog can run in a
 * circle. */
#include "millrace/rule.h"

#include <assert.h>

#include "codec.h"
#include "millrace/number.h"

#define CATALOG_VERSION 5
#define CATALOG_ITEMS 9
#define RULE_ITEMS 34
#define REFUSAL_ITEMS 5
#define RULES_MAX (1u << 20)
#define CONDITION_MAX 64

struct mr_slice mr_correlation_name(enum mr_correlation_type type)
{
	static const char *const names[] = {
#define X(symbol, name, counts, condition) #name,
#include "millrace/correlation.def"
#undef X
	};
	assert((unsigned)type < MR_CORRELATION_COUNT);
	return mr_slice(names[type]);
}

enum mr_correlation_counts mr_correlation_counts(enum mr_correlation_type type)
{
	static const enum mr_correlation_counts all[] = {
#define X(symbol, name, counts, condition) MR_COUNTS_##counts,
#include "millrace/correlation.def"
#undef X
	};
	assert((unsigned)type < MR_CORRELATION_COUNT);
	return all[type];
}

enum mr_correlation_condition mr_correlation_condition(enum mr_correlation_type type)
{
	static const enum mr_correlation_condition all[] = {
#define X(symbol, name, counts, condition) MR_CONDITION_##condition,
#include "millrace/correlation.def"
#undef X
	};
	assert((unsigned)type < MR_CORRELATION_COUNT);
	return all[type];
}

bool mr_rule_settles(const struct mr_rule *rule)
{
	bool settles = mr_correlation_counts(rule->type) == MR_COUNTS_NUMBERS;
	for (uint32_t i = 0; i < rule->condition_count; i++)
		settles |= rule->condition[i].op != MR_GTE && rule->condition[i].op != MR_GT;
	return settles;
}

const char *mr_compare_name(enum mr_compare op)
{
	static const char *const names[] = {"gte", "gt", "lte", "lt", "eq", "neq"};
	assert((unsigned)op < sizeof(names) / sizeof(names[0]));
	return names[op];
}

struct mr_slice mr_condition_number(const struct mr_condition_part *part,
				    char room[MR_DECIMAL_ROOM])
{
	return part->number.len > 0 ? part->number : mr_decimal_int(part->count, room);
}

static void show_part(const struct mr_condition_part *part, struct mr_buf *out)
{
	static const char *const before[] = {"",           "more than ", "",
					     "less than ", "exactly ",   "other than "};
	static const char *const behind[] = {" or more", "", " or less", "", "", ""};
	char room[MR_DECIMAL_ROOM];
	mr_buf_add_text(out, before[part->op]);
	mr_decimal_show(mr_condition_number(part, room), out);
	mr_buf_add_text(out, behind[part->op]);
}

static void show_span(int64_t span_us, struct mr_buf *out)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
	int64_t seconds = span_us / 1000000;
	size_t i = 0;
	while (units[i].seconds > 1 && (seconds == 0 || seconds % units[i].seconds != 0))
		i++;
	mr_buf_printf(out, "%lld%s", (long long)(seconds / units[i].seconds), units[i].name);
}

void mr_rule_show_condition(const struct mr_rule *rule, struct mr_buf *out)
{
	for (uint32_t i = 0; i < rule->condition_count; i++) {
		mr_buf_add_text(out, i == 0 ? "" : " and ");
		show_part(&rule->condition[i], out);
	}
	if (rule->condition_count == 0)
		return;
	mr_buf_add_text(out, " within ");
	show_span(rule->timespan_us, out);
}

void mr_catalog_fini(struct mr_catalog *catalog)
{
	mr_arena_fini(&catalog->arena);
	*catalog = (struct mr_catalog){0};
}

/* ---- encode ---- */

static void pack_texts(struct mr_buf *out, const struct mr_texts *texts)
{
	mr_pack_slices(out, texts->items, texts->count);
}

static void pack_fields(struct mr_buf *out, const mr_field *fields, size_t count)
{
	mr_pack_array(out, count);
	for (size_t i = 0; i < count; i++)
		mr_pack_uint(out, fields[i]);
}

static void pack_condition(struct mr_buf *out, const struct mr_rule *rule)
{
	mr_pack_array(out, (size_t)rule->condition_count * 3);
	for (uint32_t i = 0; i < rule->condition_count; i++) {
		mr_pack_uint(out, rule->condition[i].op);
		mr_pack_uint(out, (uint64_t)rule->condition[i].count);
		mr_pack_bytes(out, rule->condition[i].number);
	}
	mr_pack_uint(out, rule->percentile);
}

static void pack_correlation(struct mr_buf *out, const struct mr_rule *rule)
{
	mr_pack_uint(out, rule->type);
	mr_pack_array(out, rule->rule_count);
	for (uint32_t i = 0; i < rule->rule_count; i++)
		mr_pack_uint(out, rule->rules[i]);
	mr_pack_int(out, rule->timespan_us);
	pack_condition(out, rule);
	pack_texts(out, &rule->group_by);
	pack_texts(out, &rule->fields);
	pack_fields(out, rule->group_fields, (size_t)rule->rule_count * rule->group_by.count);
	pack_fields(out, rule->value_fields, (size_t)rule->rule_count * rule->fields.count);
	mr_pack_bool(out, rule->feeds);
	mr_pack_uint(out, rule->layer);
	mr_pack_uint(out, rule->meaning);
}

static void pack_rule(struct mr_buf *out, const struct mr_rule *rule)
{
	const struct mr_slice texts[] = {
	    rule->id,     rule->name, rule->title,    rule->description, rule->author,
	    rule->status, rule->date, rule->modified, rule->license,     rule->file};
	mr_pack_array(out, RULE_ITEMS);
	mr_pack_uint(out, rule->kind);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		mr_pack_bytes(out, texts[i]);
	mr_pack_uint(out, rule->line);
	mr_pack_uint(out, rule->level);
	pack_texts(out, &rule->tags);
	pack_texts(out, &rule->references);
	pack_texts(out, &rule->falsepositives);
	mr_pack_bool(out, rule->inactive);
	mr_pack_bool(out, rule->alerts);
	pack_texts(out, &rule->shown);
	pack_fields(out, rule->shown_fields, rule->shown.count);
	pack_correlation(out, rule);
	mr_pack_uint(out, rule->content);
	mr_pack_uint(out, rule->made);
}

static void pack_rules(struct mr_buf *out, const struct mr_rule *rules, uint32_t count)
{
	mr_pack_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		pack_rule(out, &rules[i]);
}

static void pack_refusals(struct mr_buf *out, const struct mr_refusal *refusals, uint32_t count)
{
	mr_pack_array(out, count);
	for (uint32_t i = 0; i < count; i++) {
		mr_pack_array(out, REFUSAL_ITEMS);
		mr_pack_bytes(out, refusals[i].file);
		mr_pack_bytes(out, refusals[i].id);
		mr_pack_bytes(out, refusals[i].reason);
		mr_pack_uint(out, refusals[i].line);
		mr_pack_bool(out, refusals[i].filter);
	}
}

void mr_catalog_encode(const struct mr_catalog *catalog, struct mr_buf *out)
{
	mr_pack_array(out, CATALOG_ITEMS);
	mr_pack_uint(out, CATALOG_VERSION);
	mr_pack_uint(out, catalog->layers);
	mr_pack_uint(out, catalog->detections);
	mr_pack_uint(out, catalog->correlations);
	pack_refusals(out, catalog->refusals, catalog->refused);
	pack_refusals(out, catalog->idle, catalog->idle_count);
	mr_pack_uint(out, catalog->inactive);
	pack_rules(out, catalog->rules, catalog->count);
	pack_rules(out, catalog->filters, catalog->filter_count);
}

/* ---- decode ---- */

static void unpack_texts(struct mr_unpack *in, struct mr_arena *arena, struct mr_texts *out)
{
	out->count = (uint32_t)mr_unpack_array(in, MR_RULE_TEXTS_MAX);
	out->items = NULL;
	if (out->count == 0)
		return;
	out->items = mr_arena_alloc(arena, out->count * sizeof(*out->items));
	for (uint32_t i = 0; i < out->count; i++)
		out->items[i] = mr_unpack_bytes(in);
}

/* Exactly `count` field ids; NULL where count is 0. */
static mr_field *unpack_fields(struct mr_unpack *in, struct mr_arena *arena, size_t count)
{
	mr_unpack_array_of(in, count);
	if (count == 0 || !mr_unpack_ok(in))
		return NULL;
	mr_field *fields = mr_arena_alloc(arena, count * sizeof(*fields));
	for (size_t i = 0; i < count; i++)
		fields[i] = (mr_field)mr_unpack_uint(in, MR_FIELDS_MAX);
	return fields;
}

static void unpack_part(struct mr_unpack *in, bool of_numbers, struct mr_condition_part *out)
{
	out->op = (enum mr_compare)mr_unpack_uint(in, MR_NEQ);
	out->count = (int64_t)mr_unpack_uint(in, of_numbers ? 0 : MR_CONDITION_COUNT_MAX);
	out->number = mr_unpack_bytes(in);
	if (of_numbers ? !mr_number_is(out->number, true) : out->number.len > 0)
		mr_unpack_spoil(in);
}

static void unpack_condition(struct mr_unpack *in, struct mr_arena *arena, struct mr_rule *out)
{
	size_t items = mr_unpack_array(in, CONDITION_MAX * 3);
	bool of_numbers = mr_correlation_counts(out->type) == MR_COUNTS_NUMBERS;
	if (items % 3 != 0)
		mr_unpack_spoil(in);
	if (items > 0 && mr_unpack_ok(in)) {
		out->condition_count = (uint32_t)(items / 3);
		out->condition =
		    mr_arena_alloc(arena, out->condition_count * sizeof(*out->condition));
	}
	for (uint32_t i = 0; i < out->condition_count; i++)
		unpack_part(in, of_numbers, &out->condition[i]);
	bool has = mr_correlation_condition(out->type) == MR_CONDITION_PERCENTILE;
	out->percentile = (uint8_t)mr_unpack_uint(in, has ? 99 : 0);
	if (has && out->percentile == 0)
		mr_unpack_spoil(in);
}

static void unpack_indices(struct mr_unpack *in, struct mr_catalog *catalog, struct mr_rule *out)
{
	out->rule_count = (uint32_t)mr_unpack_array(in, catalog->count > 0 ? RULES_MAX : 0);
	if (out->rule_count > 0)
		out->rules = mr_arena_alloc(&catalog->arena, out->rule_count * sizeof(*out->rules));
	for (uint32_t i = 0; i < out->rule_count; i++)
		out->rules[i] = (uint32_t)mr_unpack_uint(in, catalog->count - 1);
}

static void unpack_correlation(struct mr_unpack *in, struct mr_catalog *catalog,
			       struct mr_rule *out)
{
	struct mr_arena *arena = &catalog->arena;
	out->type = (enum mr_correlation_type)mr_unpack_uint(in, MR_CORRELATION_COUNT - 1);
	unpack_indices(in, catalog, out);
	out->timespan_us = mr_unpack_int(in);
	unpack_condition(in, arena, out);
	unpack_texts(in, arena, &out->group_by);
	unpack_texts(in, arena, &out->fields);
	if (out->group_by.count > MR_GROUP_BY_MAX || out->fields.count > MR_GROUP_BY_MAX)
		mr_unpack_spoil(in);
	out->group_fields = unpack_fields(in, arena, (size_t)out->rule_count * out->group_by.count);
	out->value_fields = unpack_fields(in, arena, (size_t)out->rule_count * out->fields.count);
	out->feeds = mr_unpack_bool(in);
	out->layer = (uint8_t)mr_unpack_uint(in, UINT8_MAX);
	out->meaning = mr_unpack_uint(in, UINT64_MAX);
}

static void unpack_rule(struct mr_unpack *in, struct mr_catalog *catalog, struct mr_rule *out)
{
	struct mr_slice *const texts[] = {
	    &out->id,     &out->name, &out->title,    &out->description, &out->author,
	    &out->status, &out->date, &out->modified, &out->license,     &out->file};
	mr_unpack_array_of(in, RULE_ITEMS);
	out->kind = (enum mr_rule_kind)mr_unpack_uint(in, MR_RULE_FILTER);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = mr_unpack_bytes(in);
	out->line = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->level = (enum mr_level)mr_unpack_uint(in, MR_LEVEL_CRITICAL);
	unpack_texts(in, &catalog->arena, &out->tags);
	unpack_texts(in, &catalog->arena, &out->references);
	unpack_texts(in, &catalog->arena, &out->falsepositives);
	out->inactive = mr_unpack_bool(in);
	out->alerts = mr_unpack_bool(in);
	unpack_texts(in, &catalog->arena, &out->shown);
	if (out->shown.count > MR_RULE_SHOWN_MAX)
		mr_unpack_spoil(in);
	out->shown_fields = unpack_fields(in, &catalog->arena, out->shown.count);
	unpack_correlation(in, catalog, out);
	out->content = mr_unpack_uint(in, UINT64_MAX);
	out->made = mr_unpack_uint(in, UINT64_MAX);
	bool correlation = out->kind == MR_RULE_CORRELATION;
	if (!correlation && (out->condition_count > 0 || out->layer > 0))
		mr_unpack_spoil(in);
	if (out->kind == MR_RULE_DETECTION && out->rule_count > 0)
		mr_unpack_spoil(in);
	if (correlation && (out->rule_count == 0 || out->timespan_us <= 0))
		mr_unpack_spoil(in);
}

/* What can only be judged once all rules are there. */
static void check_layers(struct mr_unpack *in, const struct mr_catalog *catalog)
{
	if (catalog->layers == 0)
		mr_unpack_spoil(in);
	for (uint32_t i = 0; i < catalog->count && mr_unpack_ok(in); i++) {
		const struct mr_rule *rule = &catalog->rules[i];
		if (rule->layer >= catalog->layers)
			mr_unpack_spoil(in);
		for (uint32_t r = 0; r < rule->rule_count; r++) {
			const struct mr_rule *named = &catalog->rules[rule->rules[r]];
			if (named->kind == MR_RULE_CORRELATION && named->layer >= rule->layer)
				mr_unpack_spoil(in);
		}
	}
}

static struct mr_refusal *unpack_refusals(struct mr_unpack *in, struct mr_arena *arena,
					  uint32_t *count_out)
{
	*count_out = (uint32_t)mr_unpack_array(in, RULES_MAX);
	if (*count_out == 0)
		return NULL;
	size_t size = *count_out * sizeof(struct mr_refusal);
	struct mr_refusal *refusals = memset(mr_arena_alloc(arena, size), 0, size);
	for (uint32_t i = 0; i < *count_out && mr_unpack_ok(in); i++) {
		struct mr_refusal *refusal = &refusals[i];
		mr_unpack_array_of(in, REFUSAL_ITEMS);
		refusal->file = mr_unpack_bytes(in);
		refusal->id = mr_unpack_bytes(in);
		refusal->reason = mr_unpack_bytes(in);
		refusal->line = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
		refusal->filter = mr_unpack_bool(in);
	}
	return refusals;
}

/* Of one kind or the other; the count stands before the first, which may point at the others. */
static void unpack_rules(struct mr_unpack *in, struct mr_catalog *catalog, bool filters,
			 struct mr_rule **out, uint32_t *count_out)
{
	*count_out = (uint32_t)mr_unpack_array(in, RULES_MAX);
	if (*count_out == 0)
		return;
	size_t size = *count_out * sizeof(**out);
	*out = memset(mr_arena_alloc(&catalog->arena, size), 0, size);
	for (uint32_t i = 0; i < *count_out && mr_unpack_ok(in); i++) {
		unpack_rule(in, catalog, &(*out)[i]);
		if (((*out)[i].kind == MR_RULE_FILTER) != filters)
			mr_unpack_spoil(in);
	}
}

static void unpack_catalog(struct mr_unpack *in, struct mr_catalog *out)
{
	mr_unpack_array_of(in, CATALOG_ITEMS);
	if (mr_unpack_uint(in, UINT32_MAX) != CATALOG_VERSION)
		mr_unpack_spoil(in);
	out->layers = (uint8_t)mr_unpack_uint(in, UINT8_MAX);
	out->detections = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->correlations = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->refusals = unpack_refusals(in, &out->arena, &out->refused);
	out->idle = unpack_refusals(in, &out->arena, &out->idle_count);
	out->inactive = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	unpack_rules(in, out, false, &out->rules, &out->count);
	check_layers(in, out);
	unpack_rules(in, out, true, &out->filters, &out->filter_count);
}

enum mr_err mr_catalog_decode(struct mr_slice bytes, struct mr_catalog *out, struct mr_error *error)
{
	*out = (struct mr_catalog){0};
	/* All texts are slices of this one copy. */
	struct mr_slice copy = {mr_arena_copy(&out->arena, bytes.at, bytes.len), bytes.len};
	struct mr_unpack in = mr_unpack(copy);
	unpack_catalog(&in, out);
	if (mr_unpack_done(&in))
		return MR_OK;
	mr_catalog_fini(out);
	return mr_error_set(error, MR_BAD_INPUT, "%zu bytes do not decode as a rule catalog",
			    bytes.len);
}
