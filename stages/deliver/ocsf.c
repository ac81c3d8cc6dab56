/* ocsf.c - an alert as an OCSF Detection Finding.
 *
 * Called by deliver.c for each alert that is written. Cannot fail: what is not known is left out,
 * evidence that cannot be read says so. */
#include "ocsf.h"

#include <assert.h>
#include <stdlib.h>

#include "common.h"
#include "json_out.h"
#include "message.h"

#define SCHEMA_VERSION "1.3.0"
#define ANALYTIC_RULE 1

/* What all findings of an activity say alike, as it stands in them. */
#define CLASS(id, name, status_id, status)                                                         \
	MR_SLICE("\"activity_id\":" #id ",\"activity_name\":\"" name "\",\"category_uid\":2,"      \
		 "\"category_name\":\"Findings\",\"class_uid\":2004,"                              \
		 "\"class_name\":\"Detection Finding\",\"type_uid\":20040" #id                     \
		 ",\"type_name\":\"Detection Finding: " name "\",\"status_id\":" #status_id        \
		 ",\"status\":\"" status "\"")

static void put_class(struct mr_buf *out, enum mr_activity activity)
{
	assert(activity >= MR_ACTIVITY_CREATE && activity <= MR_ACTIVITY_CLOSE);
	if (activity == MR_ACTIVITY_CREATE)
		json_ready(out, CLASS(1, "Create", 1, "New"));
	else if (activity == MR_ACTIVITY_UPDATE)
		json_ready(out, CLASS(2, "Update", 1, "New"));
	else
		json_ready(out, CLASS(3, "Close", 3, "Suppressed")); /* a close withdraws */
}

/* Sigma's levels are the schema's: none is 0 (Unknown), critical 5. */
static void put_severity(struct mr_buf *out, enum mr_level level)
{
	json_int(out, "severity_id", level);
	json_text(out, "severity",
		  level == MR_LEVEL_NONE ? MR_SLICE("Unknown") : message_level(level));
}

static void put_texts(struct mr_buf *out, const char *key, const struct mr_texts *texts)
{
	struct json_part part = json_begin(out, key, '[');
	for (uint32_t i = 0; i < texts->count; i++)
		json_text(out, NULL, texts->items[i]);
	json_end_or_drop(out, part);
}

/* ---- what a rule says ---- */

static struct mr_slice ready(const struct mr_buf *members)
{
	return (struct mr_slice){members->data, members->len};
}

/* Who made the finding, as each of them says it. */
#define PRODUCT                                                                                    \
	"\"version\":\"" SCHEMA_VERSION "\",\"product\":{\"name\":\"Millrace\","                   \
	"\"vendor_name\":\"Millrace\",\"version\":\"" MILLRACE_VERSION "\"},"                      \
	"\"profiles\":[\"datetime\",\"host\"]"

/* `labels`: may be NULL. */
static void put_metadata(struct mr_buf *out, const struct mr_buf *labels, struct mr_slice tenant,
			 struct mr_slice id)
{
	struct json_part metadata = json_begin(out, "metadata", '{');
	json_ready(out, MR_SLICE(PRODUCT));
	json_text_if(out, "tenant_uid", tenant);
	json_text(out, "uid", id);
	if (labels != NULL)
		json_ready(out, ready(labels));
	json_end(out, metadata);
}

/* ---- finding_info ---- */

static void put_rule(struct mr_buf *out, const char *key, const struct mr_rule *rule)
{
	struct json_part analytic = json_begin(out, key, '{');
	json_text(out, "uid", rule->id);
	json_text_if(out, "name", rule->title);
	json_int(out, "type_id", ANALYTIC_RULE);
	json_text(out, "type", MR_SLICE("Rule"));
	if (rule->kind == MR_RULE_CORRELATION)
		json_text(out, "category", mr_correlation_name(rule->type));
	json_text_if(out, "version", rule->modified.len > 0 ? rule->modified : rule->date);
	json_end(out, analytic);
}

static void put_related_rules(struct mr_buf *out, const struct mr_catalog *catalog,
			      const struct mr_rule *rule)
{
	struct json_part part = json_begin(out, "related_analytics", '[');
	for (uint32_t i = 0; i < rule->rule_count; i++)
		put_rule(out, NULL, &catalog->rules[rule->rules[i]]);
	json_end_or_drop(out, part);
}

static void put_finding(struct mr_buf *out, const struct mr_catalog *catalog,
			const struct mr_rule *rule)
{
	json_text(out, "title", rule->title.len > 0 ? rule->title : rule->id);
	json_text_if(out, "desc", rule->description);
	put_rule(out, "analytic", rule);
	put_related_rules(out, catalog, rule);
	ocsf_put_attacks(out, &rule->tags);
	if (rule->references.count > 0)
		json_text_if(out, "src_url", rule->references.items[0]);
}

/* As the rule says it: what is compared, and with what. */
static void put_condition(struct mr_buf *out, const struct mr_rule *rule)
{
	struct json_part part = json_begin(out, "condition", '{');
	put_texts(out, "field", &rule->fields);
	if (rule->percentile > 0)
		json_int(out, "percentile", rule->percentile);
	for (uint32_t i = 0; i < rule->condition_count; i++) {
		char room[MR_DECIMAL_ROOM];
		json_number(out, mr_compare_name(rule->condition[i].op),
			    mr_condition_number(&rule->condition[i], room));
	}
	json_end_or_drop(out, part);
}

static void put_provenance(struct mr_buf *out, const struct mr_rule *rule)
{
	put_texts(out, "group_by", &rule->group_by);
	if (rule->timespan_us > 0)
		json_int(out, "timespan_seconds", rule->timespan_us / 1000000);
	put_condition(out, rule);
	json_text(out, "rule_file", rule->file);
	json_uint(out, "rule_line", rule->line);
	json_text_if(out, "rule_status", rule->status);
	json_text_if(out, "rule_author", rule->author);
	put_texts(out, "references", &rule->references);
	put_texts(out, "false_positives", &rule->falsepositives);
}

const struct ocsf_rule *ocsf_rule_of(const struct ocsf *ocsf, uint32_t index)
{
	struct ocsf_rule *said = &ocsf->rules[index];
	const struct mr_rule *rule = &ocsf->catalog->rules[index];
	if (said->finding.len == 0) { /* never empty once it was put together */
		put_finding(&said->finding, ocsf->catalog, rule);
		put_provenance(&said->unmapped, rule);
		put_texts(&said->labels, "labels", &rule->tags);
		json_text(&said->matched, "rule", rule->id);
		json_text(&said->matched, "rule_title", rule->title);
	}
	return said;
}

void ocsf_init(struct ocsf *ocsf, const struct mr_catalog *catalog, const struct mr_fields *fields,
	       struct record_reader *records, const struct mr_declared *declared)
{
	*ocsf = (struct ocsf){.catalog = catalog,
			      .fields = fields,
			      .records = records,
			      .declared = declared,
			      .rules = mr_calloc(catalog->count, sizeof(*ocsf->rules)),
			      .names = mr_calloc(mr_fields_count(fields), sizeof(*ocsf->names))};
}

void ocsf_fini(struct ocsf *ocsf)
{
	for (uint32_t i = 0; ocsf->rules != NULL && i < ocsf->catalog->count; i++) {
		mr_buf_fini(&ocsf->rules[i].finding);
		mr_buf_fini(&ocsf->rules[i].unmapped);
		mr_buf_fini(&ocsf->rules[i].labels);
		mr_buf_fini(&ocsf->rules[i].matched);
		free(ocsf->rules[i].detections);
	}
	for (size_t i = 0; ocsf->names != NULL && i < mr_fields_count(ocsf->fields); i++)
		mr_buf_fini(&ocsf->names[i].key);
	free(ocsf->rules);
	free(ocsf->names);
	mr_buf_fini(&ocsf->scratch);
	mr_buf_fini(&ocsf->actor);
	mr_buf_fini(&ocsf->evidence);
	*ocsf = (struct ocsf){0};
}

struct mr_slice ocsf_logsource(const struct ocsf *ocsf, const struct mr_evidence *evidence)
{
	uint16_t number = evidence->kind == MR_KIND_DECLARED
			      ? mr_declared_of(ocsf->declared, evidence->origin.source)
			      : 0;
	return mr_slice(number == 0 ? "" : ocsf->declared->texts[number - 1]);
}

/* Kinds of records; and what their sources say. */
static void put_data_sources(const struct ocsf *ocsf, const struct mr_alert *alert,
			     struct mr_buf *out)
{
	bool seen[MR_KIND_COUNT] = {false};
	struct json_part part = json_begin(out, "data_sources", '[');
	for (uint32_t i = 0; i < alert->evidence_count; i++) {
		enum mr_record_kind kind = alert->evidence[i].kind;
		struct mr_slice logsource = ocsf_logsource(ocsf, &alert->evidence[i]);
		bool said = logsource.len == 0;
		if (!seen[kind])
			json_text(out, NULL, mr_record_kind_name(kind));
		seen[kind] = true;
		for (uint32_t k = 0; k < i && !said; k++)
			said = mr_slice_eq(ocsf_logsource(ocsf, &alert->evidence[k]), logsource);
		if (!said)
			json_text(out, NULL, logsource);
	}
	json_end_or_drop(out, part);
}

static void put_finding_info(const struct ocsf *ocsf, const struct ocsf_rule *rule,
			     const struct mr_alert *alert, struct mr_slice id, struct mr_buf *out)
{
	struct json_part info = json_begin(out, "finding_info", '{');
	json_text(out, "uid", id);
	json_ready(out, ready(&rule->finding));
	put_data_sources(ocsf, alert, out);
	if (alert->has_time) {
		json_time(out, "first_seen_time", "first_seen_time_dt", alert->first_time_us);
		json_time(out, "last_seen_time", "last_seen_time_dt", alert->last_time_us);
	}
	json_end(out, info);
}

/* ---- what the evidence has in common ---- */

/* Of the one record that there is, what it says itself: put together once, and copied to its
 * evidence. Whose records are several has an actor of its own, and each record another. */
static void put_actor(struct ocsf *ocsf, const struct mr_alert *alert, struct mr_buf *out)
{
	const struct mr_rule *rule = &ocsf->catalog->rules[alert->rule];
	struct common common;
	ocsf->actor.len = 0;
	if (alert->evidence_count == 1 && common_is_whole(rule, alert)) {
		ocsf_put_actor(&ocsf->actor, &alert->evidence[0], alert->tenant);
		json_ready(out, ready(&ocsf->actor));
		return;
	}
	common_find(rule, alert, &common);
	ocsf_put_actor(out, &common.said, alert->tenant);
}

static bool seen_before(const struct mr_alert *alert, uint32_t at, mr_field field)
{
	struct mr_slice text =
	    at == 0 ? (struct mr_slice){"", 0} : evidence_text(&alert->evidence[at], field);
	for (uint32_t i = 0; i < at; i++)
		if (mr_slice_eq(evidence_text(&alert->evidence[i], field), text))
			return true;
	return false;
}

#define OBSERVABLE(name, type_id, type)                                                            \
	{                                                                                          \
		OBSERVABLE_TEXT(name, type_id, type),                                              \
		    sizeof(OBSERVABLE_TEXT(name, type_id, type)) - 1                               \
	}
#define OBSERVABLE_TEXT(name, type_id, type)                                                       \
	"\"name\":\"" name "\",\"type_id\":" type_id ",\"type\":\"" type "\""

static void put_observables(struct mr_buf *out, const struct mr_alert *alert)
{
	static const struct {
		mr_field field;
		struct mr_slice said; /* of each one, but for its value */
	} kinds[] = {
	    {MR_F_ACTOR_NAME, OBSERVABLE("evidences.actor.user.name", "4", "User Name")},
	    {MR_F_SRC_IP, OBSERVABLE("evidences.src_endpoint.ip", "2", "IP Address")},
	    {MR_F_APP_UID, OBSERVABLE("evidences.actor.app_uid", "10", "Resource UID")},
	    {MR_F_USER_AGENT,
	     OBSERVABLE("unmapped.millrace.evidence.fields", "16", "HTTP User-Agent")},
	};
	struct json_part part = json_begin(out, "observables", '[');
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (uint32_t i = 0; i < alert->evidence_count; i++) {
			struct mr_slice text = evidence_text(&alert->evidence[i], kinds[k].field);
			if (text.len == 0 || seen_before(alert, i, kinds[k].field))
				continue;
			struct json_part item = json_begin(out, NULL, '{');
			json_ready(out, kinds[k].said);
			json_text(out, "value", text);
			json_end(out, item);
		}
	}
	json_end_or_drop(out, part);
}

/* Whether evidence before `at`, or a field before `end` of that evidence, names the resource. */
static bool named_before(const struct mr_alert *alert, uint32_t at, uint32_t end,
			 struct mr_slice name)
{
	for (uint32_t i = 0; i <= at; i++) {
		const struct mr_evidence *evidence = &alert->evidence[i];
		uint32_t count = i < at ? evidence->field_count : end;
		for (uint32_t f = 0; f < count; f++)
			if (evidence->fields[f].field == MR_F_RESOURCE_NAME &&
			    mr_slice_eq(evidence->fields[f].text, name))
				return true;
	}
	return false;
}

static void put_resource(struct mr_buf *out, struct mr_slice name, struct mr_slice uid)
{
	struct json_part item = json_begin(out, NULL, '{');
	json_text_if(out, "name", name);
	json_text_if(out, "uid", uid);
	json_end_or_drop(out, item);
}

/* The first name goes with the first id. */
static void put_resources(struct mr_buf *out, const struct mr_alert *alert)
{
	struct json_part part = json_begin(out, "resources", '[');
	for (uint32_t i = 0; i < alert->evidence_count; i++) {
		const struct mr_evidence *evidence = &alert->evidence[i];
		struct mr_slice first = evidence_text(evidence, MR_F_RESOURCE_NAME);
		if (!seen_before(alert, i, MR_F_RESOURCE_NAME) ||
		    !seen_before(alert, i, MR_F_RESOURCE_UID))
			put_resource(out, first, evidence_text(evidence, MR_F_RESOURCE_UID));
		for (uint32_t f = 0; f < evidence->field_count; f++)
			if (evidence->fields[f].field == MR_F_RESOURCE_NAME &&
			    evidence->fields[f].text.at != first.at &&
			    !named_before(alert, i, f, evidence->fields[f].text))
				put_resource(out, evidence->fields[f].text, MR_SLICE(""));
	}
	json_end_or_drop(out, part);
}

/* ---- the rest ---- */

/* The schema requires a time. Where no record says one it is when the record was read, and
 * unmapped.millrace.time_unknown and the message say so. */
static void put_times(struct mr_buf *out, const struct mr_alert *alert)
{
	int64_t time_us = alert->last_time_us;
	if (!alert->has_time)
		time_us = alert->evidence_count > 0 ? alert->evidence[0].arrival_us : 0;
	json_time(out, "time", "time_dt", time_us);
	if (!alert->has_time)
		return;
	json_time(out, "start_time", "start_time_dt", alert->first_time_us);
	json_time(out, "end_time", "end_time_dt", alert->last_time_us);
}

static void put_count(struct mr_buf *out, uint64_t count)
{
	json_uint(out, "count", count < INT32_MAX ? count : INT32_MAX); /* integer_t */
}

static void put_unmapped(struct mr_buf *out, const struct ocsf_rule *rule, bool counts_alerts,
			 const struct mr_alert *alert, const struct mr_buf *evidence)
{
	struct json_part unmapped = json_begin(out, "unmapped", '{');
	struct json_part own = json_begin(out, "millrace", '{');
	json_text(out, "tenant", alert->tenant);
	struct json_part key = json_begin(out, "key", '[');
	for (uint32_t i = 0; i < alert->key_count; i++)
		json_text(out, NULL, alert->key[i]);
	json_end(out, key);
	json_int(out, "slot", alert->slot);
	json_uint(out, counts_alerts ? "alerts" : "records", alert->event_count);
	if (alert->value_count > 0)
		json_uint(out, "values", alert->value_count);
	json_bool(out, "lower_bound", alert->lower_bound);
	if (alert->value.len > 0) {
		json_number(out, "value", alert->value);
		json_time(out, "value_time", "value_time_dt", alert->value_time_us);
	}
	if (!alert->has_time)
		json_bool(out, "time_unknown", true);
	json_ready(out, ready(&rule->unmapped));
	json_key(out, "evidence");
	mr_buf_add(out, evidence->data, evidence->len);
	mr_buf_add_text(out, "]");
	json_end(out, own);
	json_end(out, unmapped);
}

static void put_message(struct ocsf *ocsf, const struct mr_alert *alert, struct mr_buf *out)
{
	struct mr_buf *text = &ocsf->scratch;
	text->len = 0;
	message_put(text, ocsf->catalog, alert);
	json_text(out, "message", (struct mr_slice){text->data, text->len});
}

void ocsf_put_alert(struct ocsf *ocsf, const struct mr_alert *alert, struct mr_buf *out)
{
	const struct ocsf_rule *rule = ocsf_rule_of(ocsf, alert->rule);
	char hex[2 * MR_ALERT_ID_BYTES + 1];
	mr_hex(alert->id, MR_ALERT_ID_BYTES, hex);
	struct mr_slice id = mr_slice(hex);
	struct json_part line = json_begin(out, NULL, '{');
	put_message(ocsf, alert, out);
	put_times(out, alert);
	put_severity(out, ocsf->catalog->rules[alert->rule].level);
	put_class(out, alert->activity);
	put_count(out, alert->event_count);
	put_finding_info(ocsf, rule, alert, id, out);
	put_actor(ocsf, alert, out);
	put_observables(out, alert);
	put_resources(out, alert);
	ocsf->evidence.len = 0;
	mr_buf_add_text(&ocsf->evidence, "[");
	ocsf_put_evidences(ocsf, alert, out, &ocsf->evidence);
	put_metadata(out, &rule->labels, alert->tenant, id);
	put_unmapped(out, rule, common_counts_alerts(&ocsf->catalog->rules[alert->rule]), alert,
		     &ocsf->evidence);
	json_end(out, line);
	mr_buf_add_text(out, "\n");
}

/* ---- of Millrace itself ---- */

/* A finding that no record proves. */
struct own {
	struct mr_slice message, title, desc;
	struct mr_slice rule, rule_name;
	enum mr_level level;
	int64_t now_us;
	struct mr_buf unmapped; /* members of unmapped.millrace; freed with the line */
};

static void put_own_info(struct mr_buf *out, const struct own *own, struct mr_slice id)
{
	struct json_part info = json_begin(out, "finding_info", '{');
	json_text(out, "uid", id);
	json_text(out, "title", own->title);
	json_text(out, "desc", own->desc);
	struct json_part analytic = json_begin(out, "analytic", '{');
	json_text(out, "uid", own->rule);
	json_text_if(out, "name", own->rule_name);
	json_int(out, "type_id", ANALYTIC_RULE);
	json_text(out, "type", MR_SLICE("Rule"));
	json_end(out, analytic);
	json_end(out, info);
}

static void put_own(struct own *own, const uint8_t id[MR_ALERT_ID_BYTES], struct mr_buf *out)
{
	char hex[2 * MR_ALERT_ID_BYTES + 1];
	mr_hex(id, MR_ALERT_ID_BYTES, hex);
	struct json_part line = json_begin(out, NULL, '{');
	json_text(out, "message", own->message);
	json_time(out, "time", "time_dt", own->now_us);
	put_severity(out, own->level);
	put_class(out, MR_ACTIVITY_CREATE);
	put_count(out, 1);
	put_own_info(out, own, mr_slice(hex));
	put_metadata(out, NULL, MR_SLICE(""), mr_slice(hex));
	struct json_part unmapped = json_begin(out, "unmapped", '{');
	struct json_part millrace = json_begin(out, "millrace", '{');
	mr_buf_add(out, own->unmapped.data, own->unmapped.len);
	json_end(out, millrace);
	json_end(out, unmapped);
	json_end(out, line);
	mr_buf_add_text(out, "\n");
	mr_buf_fini(&own->unmapped);
}

void ocsf_put_refusal(const struct mr_refusal *refusal, const uint8_t id[MR_ALERT_ID_BYTES],
		      int64_t now_us, struct mr_buf *out)
{
	struct mr_buf message = {0};
	mr_buf_printf(&message, "%.*s:%u: this %s: %.*s", (int)refusal->file.len, refusal->file.at,
		      refusal->line,
		      refusal->filter ? "filter is refused, and what it would leave out is alerted"
				      : "rule is refused, and what it looks for is not looked for",
		      (int)refusal->reason.len, refusal->reason.at);
	struct own own = {.message = {message.data, message.len},
			  .title = refusal->filter ? MR_SLICE("A filter was refused")
						   : MR_SLICE("A rule was refused"),
			  .desc = refusal->reason,
			  .rule = refusal->id.len > 0 ? refusal->id : refusal->file,
			  .level = MR_LEVEL_MEDIUM,
			  .now_us = now_us};
	json_text(&own.unmapped, "refused", refusal->reason);
	json_text(&own.unmapped, "rule_file", refusal->file);
	json_uint(&own.unmapped, "rule_line", refusal->line);
	put_own(&own, id, out);
	mr_buf_fini(&message);
}

void ocsf_put_shed(const struct ocsf_shed *shed, const uint8_t id[MR_ALERT_ID_BYTES],
		   struct mr_buf *out)
{
	char from[MR_TIME_TEXT];
	struct mr_buf message = {0};
	bool plain = shed->rule.len == 0;
	mr_time_text(shed->from_us, from);
	mr_buf_printf(&message, "%.*s: %llu %s given up at the memory ceiling since %s: %s",
		      (int)shed->title.len, shed->title.at, (unsigned long long)shed->slots,
		      plain ? "were" : "slots of its state were", from,
		      plain ? "such a record that comes again makes its alert again"
			    : "its alerts are no longer promised to be exact, some may be missing");
	struct own own = {
	    .message = {message.data, message.len},
	    .title = MR_SLICE("State was given up at the memory ceiling"),
	    .desc = MR_SLICE("More was to be remembered than state_bytes allows, as when somebody "
			     "invents keys: what was least able to complete was forgotten."),
	    .rule = plain ? MR_SLICE("detections") : shed->rule,
	    .rule_name = shed->title,
	    .level = MR_LEVEL_HIGH,
	    .now_us = shed->now_us};
	json_uint(&own.unmapped, "state_shed", shed->slots);
	json_text(&own.unmapped, "since", mr_slice(from));
	put_own(&own, id, out);
	mr_buf_fini(&message);
}
