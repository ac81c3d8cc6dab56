/* supervisor_tally.c - correlations that no record could make fire.
 *
 * Called by supervisor_words.c for each word of a worker's tally, by checkpoint.c once all have
 * said theirs, and by supervisor.c at the end of a run that did its work. */
#include "millrace/pack.h"
#include "supervisor.h"

#define DEAF_KIND UINT64_C(0xdeaf) /* of these warnings: log.h */
#define SHOWN_BYTES 80
#define SERVICE_MATCHES 10 /* a service tells of these and more */

/* How many fields a correlation asks for: those of group-by, then those that it counts. */
static uint32_t fields_of(const struct mr_rule *rule)
{
	uint32_t values = mr_correlation_has_field(rule->type) ? rule->fields.count : 0;
	return rule->group_by.count + values;
}

enum mr_err mr_supervisor_tally(struct mr_supervisor *supervisor, uint32_t from,
				const struct mr_control_message *message, struct mr_error *error)
{
	const struct mr_catalog *catalog = &supervisor->catalog;
	struct mr_unpack in = mr_unpack(message->bytes);
	struct mr_tally_row row = {.matches = message->other};
	mr_unpack_array_of(&in, 2);
	row.had = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	row.whole = mr_unpack_bool(&in);
	if (!mr_unpack_done(&in) || message->number >= catalog->count ||
	    catalog->rules[message->number].kind != MR_RULE_CORRELATION)
		return mr_error_set(error, MR_PROTOCOL, "%s: a tally that is none",
				    supervisor->workers[from].name);
	mr_tally_add(&supervisor->tally, (uint32_t)message->number, &row);
	return MR_OK;
}

/* ---- what is said ---- */

static struct mr_slice field_name(const struct mr_rule *rule, uint32_t field)
{
	uint32_t groups = rule->group_by.count;
	return field < groups ? rule->group_by.items[field] : rule->fields.items[field - groups];
}

/* That nobody fills it without a setting is told before the run. */
static bool waits_for_setting(const struct mr_supervisor *supervisor, const struct mr_rule *rule,
			      uint32_t field)
{
	uint32_t groups = rule->group_by.count;
	for (uint32_t r = 0; r < rule->rule_count; r++) {
		mr_field is = field < groups ? mr_rule_group_fields(rule, r)[field]
					     : mr_rule_value_fields(rule, r)[field - groups];
		const char *setting = mr_field_setting(is);
		if (setting != NULL && mr_config_get(&supervisor->setup.config, setting, 0) == NULL)
			return true;
	}
	return false;
}

/* The fields that no record had, or all where each was there but never with all others. False
 * where it is told already. */
static bool put_lacks(const struct mr_supervisor *supervisor, const struct mr_rule *rule,
		      uint32_t had, struct mr_buf *out)
{
	uint32_t count = fields_of(rule);
	uint32_t all = (uint32_t)((UINT64_C(1) << count) - 1);
	bool each = (had & all) == all;
	const char *before = each ? "all of " : "";
	for (uint32_t f = 0; f < count; f++) {
		struct mr_slice name = field_name(rule, f);
		if (!each && (had >> f & 1) != 0)
			continue;
		if (waits_for_setting(supervisor, rule, f))
			return false;
		mr_buf_printf(out, "%s%s \"%.*s\"", before,
			      f < rule->group_by.count ? "group-by" : "the counted field",
			      (int)mr_utf8_cut(name, SHOWN_BYTES), name.at);
		before = ", ";
	}
	return true;
}

static void tell_of(struct mr_supervisor *supervisor, const struct mr_rule *rule,
		    const struct mr_tally_row *row)
{
	struct mr_buf lacks = {0}, line = {0};
	if (put_lacks(supervisor, rule, row->had, &lacks)) {
		mr_buf_printf(&line,
			      MR_RULE_NAMED
			      ": none of %llu match%s had a value for %.*s: it could not fire",
			      MR_RULE_NAMES(rule), (unsigned long long)row->matches,
			      row->matches == 1 ? "" : "es", (int)lacks.len, lacks.data);
		mr_supervisor_warn(supervisor, NULL, DEAF_KIND,
				   (struct mr_slice){line.data, line.len});
	}
	mr_buf_fini(&lacks);
	mr_buf_fini(&line);
}

void mr_supervisor_tell_deaf(struct mr_supervisor *supervisor)
{
	uint64_t least = supervisor->service != NULL ? SERVICE_MATCHES : 1;
	for (uint32_t i = 0; i < supervisor->tally.count; i++) {
		struct mr_tally_row *row = &supervisor->tally.rows[i];
		if (row->matches < least || row->whole || row->told)
			continue;
		row->told = true;
		tell_of(supervisor, &supervisor->catalog.rules[i], row);
	}
}
