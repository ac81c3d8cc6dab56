/* sigma_correlation.c - correlation documents become catalog entries.
 *
 * Called by sigma_load.c: read when the document is met, link when all documents are known, finish
 * when catalog indices are. What is not supported is refused, never approximated. */
#include "sigma_mapping.h"

#include <stdio.h>

#include "millrace/number.h"

static struct mr_yaml *body_of(const struct sigma_source *source)
{
	return mr_yaml_get(source->root, "correlation");
}

/* ---- reading ---- */

/* Each behind ", ". */
static const char types[] =
#define X(symbol, name, counts, condition) ", " #name
#include "millrace/correlation.def"
#undef X
    ;

static bool read_type(struct sigma_scope *scope, struct sigma_source *source)
{
	struct mr_yaml *type = mr_yaml_get(body_of(source), "type");
	if (type == NULL)
		return sigma_refuse(scope, SIGMA_AT(body_of(source)),
				    "\"type\" is missing, one of %s", types + 2);
	for (uint32_t i = 0; i < MR_CORRELATION_COUNT; i++) {
		source->rule.type = (enum mr_correlation_type)i;
		if (type->kind == MR_YAML_SCALAR &&
		    mr_slice_eq(type->text, mr_correlation_name(source->rule.type)))
			return true;
	}
	return sigma_refuse(scope, SIGMA_AT(type),
			    "correlation type \"%.*s\" is not supported, only %s",
			    SIGMA_SHOW(type->text), types + 2);
}

static bool read_timespan(struct sigma_scope *scope, struct sigma_source *source)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1},      {'m', 60},      {'h', 3600},    {'d', 86400},
		     {'w', 604800}, {'M', 2592000}, {'y', 31536000}};
	struct mr_yaml *span = mr_yaml_get(body_of(source), "timespan");
	if (span == NULL)
		return sigma_refuse(scope, SIGMA_AT(body_of(source)),
				    "\"timespan\" is missing, such as `timespan: 1h`");
	int64_t number = 0;
	int64_t seconds = 0;
	struct mr_slice text = span->text;
	for (size_t i = 0; i < sizeof units / sizeof *units && text.len > 1; i++) {
		if (text.at[text.len - 1] == units[i].unit)
			seconds = units[i].seconds;
	}
	if (seconds == 0 || !mr_parse_int64((struct mr_slice){text.at, text.len - 1}, &number) ||
	    number < 1 || number > 1000000000 / seconds * 100)
		return sigma_refuse(scope, SIGMA_AT(span),
				    "\"%.*s\" is no timespan: a whole number from 1 on and one of "
				    "s m h d w M y",
				    SIGMA_SHOW(text));
	source->rule.timespan_us = number * seconds * 1000000;
	return true;
}

static bool read_texts(struct sigma_scope *scope, struct mr_yaml *node, const char *what,
		       uint32_t max, struct mr_texts *out)
{
	bool one = node->kind == MR_YAML_SCALAR && node->type != MR_YAML_NULL;
	if (!one && node->kind != MR_YAML_LIST)
		return sigma_refuse(scope, SIGMA_AT(node), "\"%s\" is %s, not a list", what,
				    mr_yaml_what(node));
	out->count = one ? 1 : node->count;
	if (out->count == 0 || out->count > max)
		return sigma_refuse(scope, SIGMA_AT(node), "\"%s\" takes 1 to %u members", what,
				    max);
	out->items = mr_arena_alloc(scope->arena, out->count * sizeof *out->items);
	for (uint32_t i = 0; i < out->count; i++) {
		struct mr_yaml *item = one ? node : node->items[i];
		if (item->kind != MR_YAML_SCALAR || item->type == MR_YAML_NULL ||
		    item->text.len == 0)
			return sigma_refuse(scope, SIGMA_AT(item), "%s where a text should stand",
					    mr_yaml_what(item));
		out->items[i] = item->text;
	}
	return true;
}

static bool read_count(struct sigma_scope *scope, const struct mr_yaml *value,
		       struct mr_condition_part *part)
{
	int least = part->op == MR_GTE ? 1 : 0;
	if (value->kind == MR_YAML_SCALAR && value->type == MR_YAML_NUMBER &&
	    mr_parse_int64(value->text, &part->count) && part->count >= least &&
	    part->count <= MR_CONDITION_COUNT_MAX)
		return true;
	return sigma_refuse(scope, SIGMA_AT(value),
			    "the condition takes a whole number from %d to %lld", least,
			    (long long)MR_CONDITION_COUNT_MAX);
}

static bool read_number(struct sigma_scope *scope, const struct mr_yaml *value,
			struct mr_condition_part *part)
{
	part->number = value->text;
	if (value->kind == MR_YAML_SCALAR && value->type == MR_YAML_NUMBER &&
	    mr_number_is(value->text, true))
		return true;
	return sigma_refuse(scope, SIGMA_AT(value),
			    "the condition takes a number in decimal form, of at most %d "
			    "characters, such as 100 or 2.5",
			    MR_NUMBER_TEXT_MAX);
}

/* Parts stand in the order of enum mr_compare, however they are written: one condition is one
 * meaning. */
static bool read_part(struct sigma_scope *scope, struct mr_rule *rule, const struct mr_yaml *key,
		      const struct mr_yaml *value)
{
	struct mr_condition_part part = {.op = MR_GTE};
	while (part.op <= MR_NEQ && !mr_yaml_is(key, mr_compare_name(part.op)))
		part.op++;
	if (part.op > MR_NEQ)
		return sigma_refuse(scope, SIGMA_AT(key),
				    "the condition has no key \"%.*s\"; gt, gte, lt, lte, eq, neq, "
				    "and where the type wants them field and percentile are known",
				    SIGMA_SHOW(key->text));
	if (mr_correlation_counts(rule->type) == MR_COUNTS_NUMBERS
		? !read_number(scope, value, &part)
		: !read_count(scope, value, &part))
		return false;
	uint32_t at = rule->condition_count++;
	for (; at > 0 && rule->condition[at - 1].op > part.op; at--)
		rule->condition[at] = rule->condition[at - 1];
	rule->condition[at] = part;
	return true;
}

static bool read_field(struct sigma_scope *scope, struct mr_rule *rule, const struct mr_yaml *key,
		       struct mr_yaml *value)
{
	bool one = mr_correlation_counts(rule->type) == MR_COUNTS_NUMBERS;
	if (!mr_correlation_has_field(rule->type))
		return sigma_refuse(scope, SIGMA_AT(key), "%.*s takes no field",
				    SIGMA_SHOW(mr_correlation_name(rule->type)));
	return read_texts(scope, value, "field", one ? 1 : MR_GROUP_BY_MAX, &rule->fields);
}

static bool read_percentile(struct sigma_scope *scope, struct mr_rule *rule,
			    const struct mr_yaml *key, const struct mr_yaml *value)
{
	int64_t percentile = 0;
	if (mr_correlation_condition(rule->type) != MR_CONDITION_PERCENTILE)
		return sigma_refuse(scope, SIGMA_AT(key), "%.*s takes no percentile",
				    SIGMA_SHOW(mr_correlation_name(rule->type)));
	if (value->kind != MR_YAML_SCALAR || value->type != MR_YAML_NUMBER ||
	    !mr_parse_int64(value->text, &percentile) || percentile < 1 || percentile > 99)
		return sigma_refuse(scope, SIGMA_AT(value),
				    "the percentile is a whole number from 1 to 99");
	rule->percentile = (uint8_t)percentile;
	return true;
}

/* What the type needs of its condition, once that is read. */
static bool check_condition(struct sigma_scope *scope, const struct mr_rule *rule,
			    const struct mr_yaml *map)
{
	struct mr_slice type = mr_correlation_name(rule->type);
	if (mr_correlation_has_field(rule->type) && rule->fields.count == 0)
		return sigma_refuse(scope, SIGMA_AT(map), "%.*s needs \"field\"", SIGMA_SHOW(type));
	if (mr_correlation_condition(rule->type) == MR_CONDITION_PERCENTILE &&
	    rule->percentile == 0)
		return sigma_refuse(scope, SIGMA_AT(map),
				    "%.*s needs \"percentile\", a whole number from 1 to 99: which "
				    "one of its values is compared",
				    SIGMA_SHOW(type));
	if (rule->condition_count == 0)
		return sigma_refuse(scope, SIGMA_AT(map), "the condition compares with nothing");
	return true;
}

static bool read_condition(struct sigma_scope *scope, struct sigma_source *source)
{
	struct mr_rule *rule = &source->rule;
	struct mr_yaml *map = mr_yaml_get(body_of(source), "condition");
	enum mr_correlation_condition wanted = mr_correlation_condition(rule->type);
	if (map == NULL && (wanted == MR_CONDITION_OPTIONAL || wanted == MR_CONDITION_NONE))
		return true;
	if (map == NULL)
		return sigma_refuse(scope, SIGMA_AT(body_of(source)),
				    "\"condition\" is missing, such as `condition: {gte: 5}`");
	if (wanted == MR_CONDITION_NONE)
		return sigma_refuse(scope, SIGMA_AT(map), "%.*s takes no condition",
				    SIGMA_SHOW(mr_correlation_name(rule->type)));
	if (map->kind != MR_YAML_MAP)
		return sigma_refuse(scope, SIGMA_AT(map),
				    "%s where a map such as `gte: 5` should stand",
				    mr_yaml_what(map));
	rule->condition = mr_arena_alloc(scope->arena, (map->count + 1u) * sizeof *rule->condition);
	for (uint32_t i = 0; i < map->count; i++) {
		const struct mr_yaml *key = map->keys[i];
		bool good = mr_yaml_is(key, "field") ? read_field(scope, rule, key, map->items[i])
			    : mr_yaml_is(key, "percentile")
				? read_percentile(scope, rule, key, map->items[i])
				: read_part(scope, rule, key, map->items[i]);
		if (!good)
			return false;
	}
	return check_condition(scope, rule, map);
}

/* `generate` stands in one of two places in rules that people wrote. */
static bool read_generate(struct sigma_scope *scope, const struct mr_yaml *map,
			  struct sigma_source *source)
{
	const struct mr_yaml *node = mr_yaml_get(map, "generate");
	if (node == NULL)
		return true;
	if (node->kind != MR_YAML_SCALAR || node->type != MR_YAML_BOOL)
		return sigma_refuse(scope, SIGMA_AT(node),
				    "generate wants true or false without quotes, not %s",
				    mr_yaml_what(node));
	source->generate |= node->truth;
	return true;
}

/* A key that nobody knows may be a slip, and the rule would mean something else without it. */
static bool check_keys(struct sigma_scope *scope, const struct mr_yaml *body)
{
	static const char *const known[] = {"type",      "rules",   "group-by", "timespan",
					    "condition", "aliases", "generate"};
	for (uint32_t i = 0; i < body->count; i++) {
		size_t k = 0;
		while (k < sizeof known / sizeof *known &&
		       !mr_slice_eq(body->keys[i]->text, mr_slice(known[k])))
			k++;
		if (k == sizeof known / sizeof *known)
			return sigma_refuse(
			    scope, SIGMA_AT(body->keys[i]),
			    "a correlation has no key \"%.*s\"; type, rules, group-by, "
			    "timespan, condition, aliases and generate are known",
			    SIGMA_SHOW(body->keys[i]->text));
	}
	return true;
}

bool sigma_correlation_read(struct sigma_scope *scope, struct sigma_source *source)
{
	struct mr_yaml *body = body_of(source);
	struct mr_texts named;
	source->rule.kind = MR_RULE_CORRELATION;
	if (body->kind != MR_YAML_MAP)
		return sigma_refuse(scope, SIGMA_AT(body), "%s where a map should stand",
				    mr_yaml_what(body));
	struct mr_yaml *rules = mr_yaml_get(body, "rules");
	if (!check_keys(scope, body))
		return false;
	if (rules == NULL)
		return sigma_refuse(scope, SIGMA_AT(body),
				    "\"rules\" is missing: a list of ids or names of rules");
	struct mr_yaml *group = mr_yaml_get(body, "group-by");
	if (!read_type(scope, source) || !read_timespan(scope, source) ||
	    !read_texts(scope, rules, "rules", 64, &named) ||
	    (group != NULL &&
	     !read_texts(scope, group, "group-by", MR_GROUP_BY_MAX, &source->rule.group_by)) ||
	    !read_condition(scope, source) || !sigma_aliases_read(scope, body) ||
	    !read_generate(scope, body, source) || !read_generate(scope, source->root, source))
		return false;
	source->rule.rule_count = named.count;
	source->refers = mr_arena_alloc(scope->arena, named.count * sizeof *source->refers);
	return true;
}

/* ---- linking ---- */

/* Correlations over correlations. Each layer is a group of processes, linked to all further out:
 * 64 with two workers each are 128 processes and start in some 20 s, and twice as many in four
 * times that. */
#define LAYERS_MAX 64

/* By id, else by name; `count` says how many have the name. */
static struct sigma_source *find_rule(const struct sigma_builder *load, struct mr_slice name,
				      uint32_t *count)
{
	const struct sigma_entry *entry = sigma_index_find(&load->ids, name);
	struct sigma_source *found = entry == NULL ? NULL : entry->thing;
	*count = found != NULL;
	if (found != NULL)
		return found;
	for (entry = sigma_index_find(&load->names, name); entry != NULL;
	     entry = sigma_index_next(entry)) {
		found = entry->thing;
		++*count;
	}
	return found;
}

static void refuse_for(struct sigma_builder *load, struct sigma_source *source, uint32_t line,
		       uint32_t column, struct mr_slice reason)
{
	source->refused = true;
	sigma_note_add(load, &load->set->refused,
		       (struct sigma_note){source->file, source->id, reason, line, column,
					   SIGMA_LINT_REFUSED, false});
}

/* `other`, where it is not NULL, is named with its place. */
static void refuse(struct sigma_builder *load, struct sigma_source *source,
		   const struct mr_yaml *at, const char *format, const struct sigma_source *other)
{
	char text[600];
	int len = snprintf(text, sizeof text, format, SIGMA_SHOW(at->text));
	if (other != NULL)
		len += snprintf(text + len, sizeof text - (size_t)len, " (%.*s:%u)",
				SIGMA_SHOW_END(other->file), other->root->line);
	refuse_for(load, source, at->line, at->column,
		   (struct mr_slice){mr_arena_copy(load->arena, text, (size_t)len), (size_t)len});
}

/* What one member of `rules` is, or NULL with the correlation refused. */
static struct sigma_source *resolve(struct sigma_builder *load, struct sigma_source *source,
				    const struct mr_yaml *at)
{
	uint32_t count;
	struct sigma_source *named = find_rule(load, at->text, &count);
	if (named == NULL)
		refuse(load, source, at,
		       "no rule has the id or name \"%.*s\"; load the file that has it too", NULL);
	else if (count > 1)
		refuse(load, source, at, "several rules have the name \"%.*s\"; use an id", NULL);
	return count == 1 ? named : NULL;
}

/* How a value stands to a part's: the value is `of`'s, or next to it below (-1) or above (1). */
static int stands(const struct mr_condition_part *part, const struct mr_condition_part *of,
		  int next)
{
	if (part->number.len == 0)
		return (of->count + next > part->count) - (of->count + next < part->count);
	int order = mr_number_compare(of->number, part->number);
	return order != 0 ? order : next;
}

/* The condition holds for some value if it holds for one that it names, or one beside it. What is
 * counted is 1 at least, and `most`. */
static bool can_hold(const struct mr_rule *rule, int64_t most)
{
	for (uint32_t i = 0; i < 3 * rule->condition_count; i++) {
		const struct mr_condition_part *of = &rule->condition[i / 3];
		int next = (int)(i % 3) - 1;
		bool holds =
		    of->number.len > 0 || (of->count + next >= 1 && of->count + next <= most);
		for (uint32_t p = 0; p < rule->condition_count && holds; p++)
			holds = mr_compare_holds(rule->condition[p].op,
						 stands(&rule->condition[p], of, next));
		if (holds)
			return true;
	}
	return rule->condition_count == 0;
}

/* Where the condition's first comparison stands. */
static const struct mr_yaml *compared_at(const struct sigma_source *source)
{
	const struct mr_yaml *map = mr_yaml_get(body_of(source), "condition");
	uint32_t first = 0;
	while (mr_yaml_is(map->keys[first], "field") || mr_yaml_is(map->keys[first], "percentile"))
		first++;
	return map->items[first];
}

/* Whether what is counted meets the condition with 1, as it is in a first occurrence's window.
 * `gte: 1` alone means that: an alert for each key and slot. */
static bool first_meets(const struct mr_rule *rule)
{
	bool bounded = false;
	for (uint32_t i = 0; i < rule->condition_count; i++) {
		const struct mr_condition_part *part = &rule->condition[i];
		if (part->number.len > 0 ||
		    !mr_compare_holds(part->op, (1 > part->count) - (1 < part->count)))
			return false;
		bounded |= part->op != MR_GTE && part->op != MR_GT;
	}
	return bounded;
}

static void lint_reach(struct sigma_builder *load, const struct sigma_source *source,
		       int64_t distinct)
{
	struct sigma_scope scope = {
	    .load = load, .arena = load->arena, .file = source->file, .id = source->id};
	const struct mr_rule *rule = &source->rule;
	bool ordered = rule->type == MR_CORRELATION_TEMPORAL_ORDERED && rule->rule_count == 1;
	if (ordered || (rule->type == MR_CORRELATION_TEMPORAL && distinct == 1))
		sigma_warn(&scope, SIGMA_LINT_ALWAYS_TRUE,
			   SIGMA_AT(mr_yaml_get(body_of(source), "rules")),
			   "%s over one rule: each of its matches completes it; event_count counts "
			   "them",
			   ordered ? "temporal_ordered" : "temporal");
	else if (first_meets(&source->rule))
		sigma_warn(&scope, SIGMA_LINT_ALWAYS_TRUE, SIGMA_AT(compared_at(source)),
			   "each first occurrence meets the condition: a window ends at each, and "
			   "what is counted in that one is 1");
}

/* A condition that nothing can meet is refused. */
static void check_reach(struct sigma_builder *load, struct sigma_source *source)
{
	const struct mr_rule *rule = &source->rule;
	bool counts_rules = mr_correlation_counts(rule->type) == MR_COUNTS_RULES;
	int64_t distinct = 0;
	for (uint32_t i = 0; i < rule->rule_count; i++) {
		uint32_t earlier = 0;
		while (source->refers[earlier] != source->refers[i])
			earlier++;
		distinct += earlier == i;
	}
	if (load->lints)
		lint_reach(load, source, distinct);
	if (can_hold(rule, counts_rules ? distinct : MR_CONDITION_COUNT_MAX + 1))
		return;
	bool by_rules = can_hold(rule, MR_CONDITION_COUNT_MAX + 1);
	refuse(load, source, compared_at(source),
	       by_rules ? "\"%.*s\" can never hold: fewer different rules are named"
			: "\"%.*s\" can never hold: no number meets all of the condition (what is "
			  "counted is 1 at least, because an occurrence is in its own window)",
	       NULL);
}

static const struct mr_yaml *named_at(const struct sigma_source *source, uint32_t i)
{
	const struct mr_yaml *rules = mr_yaml_get(body_of(source), "rules");
	return rules->kind == MR_YAML_LIST ? rules->items[i] : rules;
}

/* The temporal kinds need each of their rules; counts go on over the others. */
static void find_inactive(struct sigma_builder *load, struct sigma_source *source)
{
	struct mr_rule *rule = &source->rule;
	struct sigma_scope scope = {
	    .load = load, .arena = load->arena, .file = source->file, .id = source->id};
	if (mr_correlation_counts(rule->type) != MR_COUNTS_RULES)
		return;
	for (uint32_t i = 0; i < rule->rule_count && !rule->inactive; i++) {
		const struct mr_yaml *at = named_at(source, i);
		rule->inactive = source->refers[i]->rule.inactive;
		if (!rule->inactive)
			continue;
		sigma_warn(&scope, SIGMA_LINT_INACTIVE, SIGMA_AT(at),
			   "inactive: it needs the rule \"%.*s\", which is inactive",
			   SIGMA_SHOW(at->text));
		sigma_note_idle(load, false);
	}
}

static void link_member(struct sigma_builder *load, struct sigma_source *source,
			const struct mr_yaml *at, struct sigma_source *named)
{
	bool correlation = named->rule.kind == MR_RULE_CORRELATION;
	if (named->refused)
		refuse(load, source, at, "it needs the rule \"%.*s\", which was refused", named);
	else if (correlation && named->state == 1)
		refuse(load, source, at, "\"%.*s\" leads back to this correlation: a cycle", named);
	else if (correlation && named->rule.layer + 1 >= LAYERS_MAX)
		refuse(load, source, at,
		       "\"%.*s\" stands on too many layers of correlations, each a group of "
		       "processes; 64 are possible",
		       named);
	if (source->refused)
		return;
	source->refers[source->known++] = named;
	source->withdraws |= correlation && named->settles;
	if (correlation && source->rule.layer <= named->rule.layer)
		source->rule.layer = (uint8_t)(named->rule.layer + 1);
}

/* The next correlation that it names and nobody has looked at, or NULL: then all is known. */
static struct sigma_source *link_members(struct sigma_builder *load, struct sigma_source *source)
{
	while (source->known < source->rule.rule_count && !source->refused) {
		const struct mr_yaml *at = named_at(source, source->known);
		struct sigma_source *named = resolve(load, source, at);
		if (named == NULL)
			break;
		if (named->rule.kind == MR_RULE_CORRELATION && !named->refused && named->state == 0)
			return named;
		link_member(load, source, at, named);
	}
	return NULL;
}

static void link_begin(struct sigma_source *source, struct sigma_source *outer)
{
	source->state = 1;
	source->outer = outer;
	source->settles = mr_rule_settles(&source->rule);
}

/* An alias for a rule that is not there would leave out what its author counts on. */
static void check_aliases(struct sigma_builder *load, struct sigma_source *source)
{
	struct sigma_scope scope = {
	    .load = load, .arena = load->arena, .file = source->file, .id = source->id};
	if (!sigma_aliases_link(&scope, source))
		refuse_for(load, source, scope.fault.line, scope.fault.column, scope.fault.reason);
}

static void link_end(struct sigma_builder *load, struct sigma_source *source)
{
	source->settles |= source->withdraws;
	if (!source->refused)
		check_aliases(load, source);
	if (!source->refused)
		check_reach(load, source);
	if (!source->refused)
		find_inactive(load, source);
	source->state = 2;
}

/* Depth first: 0 not seen, 1 under way (meeting it again is a cycle), 2 done. Without recursion,
 * because a chain is as deep as somebody writes it; where the walk begins is no matter. */
static void link_from(struct sigma_builder *load, struct sigma_source *source)
{
	link_begin(source, NULL);
	while (source != NULL) {
		struct sigma_source *inner = link_members(load, source);
		if (inner != NULL)
			link_begin(inner, source);
		else
			link_end(load, source);
		source = inner != NULL ? inner : source->outer;
	}
}

void sigma_correlations_link(struct sigma_builder *load, struct sigma_sources *correlations)
{
	for (uint32_t i = 0; i < correlations->count; i++) {
		struct sigma_source *source = correlations->items[i];
		if (source->state == 0 && !source->refused)
			link_from(load, source);
	}
	/* A rule that a correlation names makes no alert of its own, unless one of them says so. */
	for (uint32_t i = 0; i < correlations->count; i++) {
		struct sigma_source *source = correlations->items[i];
		for (uint32_t r = 0; r < source->rule.rule_count && !source->refused; r++) {
			source->refers[r]->rule.alerts = false;
			source->refers[r]->rule.feeds =
			    source->refers[r]->rule.kind == MR_RULE_CORRELATION;
		}
	}
	for (uint32_t i = 0; i < correlations->count; i++) {
		struct sigma_source *source = correlations->items[i];
		for (uint32_t r = 0;
		     r < source->rule.rule_count && !source->refused && source->generate; r++)
			source->refers[r]->rule.alerts = true;
	}
}

/* ---- finishing ---- */

static mr_field add_field(struct sigma_scope *scope, const struct sigma_source *source,
			  struct mr_slice name)
{
	mr_field field = mr_fields_add(scope->load->fields, name);
	if (field == 0)
		sigma_warn(scope, SIGMA_LINT_TOO_MANY_FIELDS, SIGMA_AT(body_of(source)),
			   "too many different fields in all rules: \"%.*s\" is never there",
			   SIGMA_SHOW(name));
	return field;
}

/* What a rule calls a field of the correlation: its alias, else the field itself. */
static mr_field field_of(struct sigma_builder *load, const struct sigma_source *source,
			 const struct sigma_source *rule, struct mr_slice name)
{
	struct sigma_scope scope = {
	    .load = load, .arena = load->arena, .file = source->file, .id = source->id};
	const struct mr_yaml *at;
	if (!sigma_alias_find(&scope, source, rule, name, &at))
		return 0;
	struct mr_slice called = at == NULL ? name : at->text;
	if (at != NULL || rule == source->refers[0]) /* of the field itself once is enough */
		sigma_name_lint(&scope, SIGMA_AT(at == NULL ? body_of(source) : at), called);
	return add_field(&scope, source, called);
}

static void hash_text(uint64_t *hash, struct mr_slice text)
{
	*hash = mr_hash64(text.at, text.len, *hash ^ text.len);
}

static void hash_field(uint64_t *hash, const struct mr_fields *fields, mr_field field)
{
	hash_text(hash, field == 0 ? (struct mr_slice){"", 0} : mr_fields_name(fields, field));
}

/* Of what follows: no text is like it. */
static void hash_count(uint64_t *hash, uint32_t count)
{
	*hash = mr_hash64(&count, sizeof count, ~*hash);
}

static void hash_place(uint64_t *hash, const struct mr_fields *fields,
		       const struct sigma_place *place)
{
	hash_count(hash, place->kinds);
	hash_field(hash, fields, place->where);
	hash_count(hash, place->texts.count);
	for (uint32_t t = 0; t < place->texts.count; t++)
		hash_text(hash, place->texts.items[t]);
	hash_count(hash, place->slot_count);
	for (uint32_t s = 0; s < place->slot_count; s++) {
		hash_field(hash, fields, place->slots[s].field);
		hash_field(hash, fields, place->slots[s].when);
		hash_text(hash, place->slots[s].text);
		hash_field(hash, fields, place->slots[s].otherwise);
	}
}

/* What the correlation calls a field, and where the rule's records have it. */
static void hash_names(uint64_t *hash, const struct sigma_builder *load,
		       const struct sigma_source *source, const mr_field *names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		hash_field(hash, load->fields, names[i]);
		for (uint32_t p = 0; p < source->place_count; p++) {
			const struct sigma_place *place =
			    &load->set->places[source->first_place + p];
			if (place->name == names[i])
				hash_place(hash, load->fields, place);
		}
	}
}

/* The names of one list may not pass for those of the other. One value is the rule of the types
 * that have any, and what is kept of them was named without a count. */
static void hash_lists(uint64_t *hash, const struct sigma_builder *load,
		       const struct sigma_source *source, const struct mr_rule *rule, uint32_t i)
{
	hash_names(hash, load, source, mr_rule_group_fields(rule, i), rule->group_by.count);
	if (rule->fields.count > 1)
		hash_count(hash, rule->fields.count);
	hash_names(hash, load, source, mr_rule_value_fields(rule, i), rule->fields.count);
}

/* Names, not ids: those depend on what else is loaded. */
static uint64_t meaning_of(const struct sigma_builder *load, const struct sigma_source *source,
			   const struct mr_rule *rule)
{
	uint64_t hash = 1;
	hash_text(&hash, mr_correlation_name(rule->type));
	for (uint32_t i = 0; i < rule->rule_count; i++) {
		hash_text(&hash, source->refers[i]->id);
		/* An id may pass from a detection to a correlation: its alerts are no records. */
		if (load->set->catalog.rules[rule->rules[i]].kind == MR_RULE_CORRELATION)
			hash_count(&hash, MR_RULE_CORRELATION);
		hash_lists(&hash, load, source->refers[i], rule, i);
	}
	hash = mr_hash64(&rule->timespan_us, sizeof rule->timespan_us, hash);
	for (uint32_t i = 0; i < rule->condition_count; i++) {
		hash = mr_hash64(&rule->condition[i].op, sizeof rule->condition[i].op, hash);
		hash = mr_hash64(&rule->condition[i].count, sizeof rule->condition[i].count, hash);
		if (rule->condition[i].number.len > 0)
			hash_text(&hash, rule->condition[i].number);
	}
	/* What is kept of it is another thing then. */
	if (source->settles)
		hash_text(&hash, source->withdraws ? MR_SLICE("withdraws") : MR_SLICE("settles"));
	if (rule->percentile != 0)
		hash = mr_hash64(&rule->percentile, sizeof rule->percentile, hash);
	return hash;
}

static void find_fields(struct sigma_builder *load, struct sigma_source *source,
			struct mr_rule *rule)
{
	uint32_t groups = rule->group_by.count;
	uint32_t values = rule->fields.count;
	rule->rules = mr_arena_alloc(load->arena, rule->rule_count * sizeof *rule->rules);
	rule->group_fields =
	    mr_arena_alloc(load->arena, (rule->rule_count * groups + 1u) * sizeof(mr_field));
	rule->value_fields =
	    mr_arena_alloc(load->arena, (rule->rule_count * values + 1u) * sizeof(mr_field));
	for (uint32_t r = 0; r < rule->rule_count; r++) {
		rule->rules[r] = source->refers[r]->index;
		for (uint32_t g = 0; g < groups; g++)
			rule->group_fields[r * groups + g] =
			    field_of(load, source, source->refers[r], rule->group_by.items[g]);
		for (uint32_t f = 0; f < values; f++)
			rule->value_fields[r * values + f] =
			    field_of(load, source, source->refers[r], rule->fields.items[f]);
	}
}

void sigma_correlations_finish(struct sigma_builder *load, const struct sigma_sources *detections,
			       struct sigma_sources *correlations)
{
	struct mr_rule *rules = load->set->catalog.rules;
	for (uint32_t i = 0; i < correlations->count; i++) {
		struct sigma_source *source = correlations->items[i];
		if (source->refused)
			continue;
		find_fields(load, source, &rules[source->index]);
		sigma_aliases_lint(load, source);
	}
	sigma_places_make(load, detections, correlations);
	for (uint32_t i = 0; i < correlations->count; i++) {
		struct sigma_source *source = correlations->items[i];
		if (!source->refused)
			rules[source->index].meaning =
			    meaning_of(load, source, &rules[source->index]);
	}
}
