/* ocsf_evidence.c - the records that prove an alert, each with what it says and its own bytes.
 *
 * Called by ocsf.c. Reads each record again through record.c; one that cannot be shown says why. */
#include <stdlib.h>

#include "json_out.h"
#include "message.h"
#include "ocsf.h"

/* Line ends stand in a valid document only between its tokens, where a blank does as well. */
static void put_on_one_line(struct mr_buf *out, struct mr_slice json)
{
	char *from = mr_buf_reserve(out, json.len);
	char *end = from + json.len;
	memcpy(from, json.at, json.len);
	for (char *at = from; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		*at = ' ';
	for (char *at = from; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++)
		*at = ' ';
	out->len += json.len;
}

static void put_record(struct mr_buf *out, const struct record *record)
{
	json_key(out, "data");
	if (record->problem[0] != '\0') {
		struct mr_buf text = {0};
		mr_buf_printf(&text, "the record cannot be shown: %s", record->problem);
		mr_json_put_string(out, (struct mr_slice){text.data, text.len});
		mr_buf_fini(&text);
	} else if (record->json) {
		put_on_one_line(out, record->bytes);
	} else {
		mr_json_put_string(out, record->bytes);
	}
}

static void put_value(struct mr_buf *out, const struct mr_signal_field *field)
{
	bool number = field->type == MR_INT || field->type == MR_UINT || field->type == MR_DOUBLE;
	json_key(out, NULL);
	if (number && json_is_number(field->text))
		mr_buf_add(out, field->text.at, field->text.len);
	else if (field->type == MR_BOOL)
		mr_buf_add_text(out, mr_slice_eq(field->text, MR_SLICE("true")) ? "true" : "false");
	else
		mr_json_put_string(out, field->text);
}

static struct mr_slice key_of(const struct ocsf *ocsf, mr_field field)
{
	struct mr_buf *key = &ocsf->names[field].key;
	if (key->len == 0) { /* never empty once it was put together */
		mr_json_put_string(key, mr_fields_name(ocsf->fields, field));
		mr_buf_add_text(key, ":");
	}
	return (struct mr_slice){key->data, key->len};
}

/* All values of the field that stands first at `at`, an array where there are several. */
static void put_field(const struct ocsf *ocsf, const struct mr_evidence *evidence, uint32_t at,
		      uint32_t values, struct mr_buf *out)
{
	mr_field field = evidence->fields[at].field;
	json_ready(out, key_of(ocsf, field));
	if (values == 1) {
		put_value(out, &evidence->fields[at]);
		return;
	}
	struct json_part part = json_begin(out, NULL, '[');
	for (uint32_t i = at; i < evidence->field_count; i++)
		if (evidence->fields[i].field == field)
			put_value(out, &evidence->fields[i]);
	json_end(out, part);
}

/* Each field once, where its first value stands. Its values are counted before: to look among all
 * fields for each one was a tenth of what an alert costs. */
static void put_fields(const struct ocsf *ocsf, const struct mr_evidence *evidence,
		       struct mr_buf *out)
{
	size_t known = mr_fields_count(ocsf->fields);
	struct json_part part = json_begin(out, "fields", '{');
	for (uint32_t i = 0; i < evidence->field_count; i++)
		if (evidence->fields[i].field < known)
			ocsf->names[evidence->fields[i].field].values++;
	for (uint32_t i = 0; i < evidence->field_count; i++) {
		mr_field field = evidence->fields[i].field;
		uint32_t values = field < known ? ocsf->names[field].values : 0;
		if (values == 0)
			continue;
		put_field(ocsf, evidence, i, values, out);
		ocsf->names[field].values = 0;
	}
	json_end_or_drop(out, part);
}

/* Each once, whatever number of ways leads there. */
static void add_detections(const struct mr_catalog *catalog, uint32_t index, bool *seen,
			   struct ocsf_rule *said)
{
	const struct mr_rule *rule = &catalog->rules[index];
	if (seen[index])
		return;
	seen[index] = true;
	if (rule->kind == MR_RULE_DETECTION)
		said->detections[said->detection_count++] = index;
	for (uint32_t i = 0; i < rule->rule_count; i++)
		add_detections(catalog, rule->rules[i], seen, said);
}

/* Whether the correlation is over the detection, or over one that is. */
static bool is_over(const struct ocsf *ocsf, uint32_t outer, uint32_t detection)
{
	struct ocsf_rule *said = &ocsf->rules[outer];
	bool found = false;
	if (said->detections == NULL) {
		uint32_t count = ocsf->catalog->count;
		bool *seen = mr_calloc(count, sizeof(*seen));
		said->detections = mr_malloc(count * sizeof(*said->detections));
		add_detections(ocsf->catalog, outer, seen, said);
		said->detections =
		    mr_realloc(said->detections,
			       (said->detection_count + (size_t)1) * sizeof(*said->detections));
		free(seen);
	}
	for (uint32_t i = 0; i < said->detection_count && !found; i++)
		found = said->detections[i] == detection;
	return found;
}

/* Of a record that an inner correlation gave: that one's alert, whether it was written or not, and
 * the detections that the record matched. */
static void put_inner(const struct ocsf *ocsf, const struct mr_evidence *evidence,
		      struct mr_buf *out)
{
	const struct mr_rule *rule = &ocsf->catalog->rules[evidence->rule];
	char uid[2 * MR_ALERT_ID_BYTES + 1];
	if (evidence->inner_id.len == 0)
		return;
	mr_hex((const uint8_t *)evidence->inner_id.at, MR_ALERT_ID_BYTES, uid);
	struct json_part alert = json_begin(out, "rule_alert", '{');
	json_text(out, "uid", mr_slice(uid));
	json_int(out, "slot",
		 evidence->time_us / rule->timespan_us -
		     (evidence->time_us % rule->timespan_us < 0));
	json_end(out, alert);
	struct json_part list = json_begin(out, "detections", '[');
	for (uint32_t i = 0; i < evidence->matched_count; i++) {
		if (!is_over(ocsf, evidence->rule, evidence->matched[i]))
			continue;
		const struct mr_rule *matched = &ocsf->catalog->rules[evidence->matched[i]];
		struct json_part detection = json_begin(out, NULL, '{');
		json_text(out, "uid", matched->id);
		json_text(out, "title", matched->title);
		json_end(out, detection);
	}
	json_end_or_drop(out, list);
}

static void put_hash(struct mr_buf *out, uint64_t hash)
{
	uint8_t bytes[sizeof hash]; /* the highest first */
	char hex[2 * sizeof bytes + 1];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(hash >> 8 * (sizeof bytes - 1 - i));
	mr_hex(bytes, sizeof bytes, hex);
	json_key(out, "hash");
	mr_buf_add_text(out, "\"xxh3:");
	mr_buf_add(out, hex, 2 * sizeof bytes);
	mr_buf_add_text(out, "\"");
}

static void put_twin(const struct ocsf *ocsf, const struct mr_evidence *evidence,
		     const struct record *record, struct mr_buf *out)
{
	const struct mr_rule *rule = &ocsf->catalog->rules[evidence->rule];
	const struct mr_buf *matched = &ocsf_rule_of(ocsf, evidence->rule)->matched;
	struct json_part twin = json_begin(out, NULL, '{');
	if (evidence->has_time)
		json_time(out, "time", "time_dt", evidence->time_us);
	json_text(out, "record_id", evidence->record_id);
	json_text(out, "kind", mr_record_kind_name(evidence->kind));
	json_text_if(out, "logsource", ocsf_logsource(ocsf, evidence));
	json_ready(out, (struct mr_slice){matched->data, matched->len});
	if (rule->kind == MR_RULE_CORRELATION)
		put_inner(ocsf, evidence, out);
	json_text(out, "source", record->source);
	json_uint(out, "offset", record->offset);
	json_uint(out, "length", evidence->origin.length);
	put_hash(out, evidence->origin.hash);
	json_bool(out, "intact", record->problem[0] == '\0');
	json_text_if(out, "problem", mr_slice(record->problem));
	put_fields(ocsf, evidence, out);
	json_end(out, twin);
}

void ocsf_put_evidences(const struct ocsf *ocsf, const struct mr_alert *alert, struct mr_buf *out,
			struct mr_buf *evidence_out)
{
	struct json_part list = json_begin(out, "evidences", '[');
	for (uint32_t i = 0; i < alert->evidence_count; i++) {
		const struct mr_evidence *evidence = &alert->evidence[i];
		struct record record;
		record_fetch(ocsf->records, evidence, &record);
		struct json_part part = json_begin(out, NULL, '{');
		if (ocsf->actor.len > 0) /* the only evidence, whose actor is the alert's */
			json_ready(out, (struct mr_slice){ocsf->actor.data, ocsf->actor.len});
		else
			ocsf_put_actor(out, evidence, alert->tenant);
		ocsf_put_api(out, evidence);
		ocsf_put_source(out, evidence);
		ocsf_put_device(out, evidence);
		ocsf_put_target(out, evidence);
		put_record(out, &record);
		json_end(out, part);
		put_twin(ocsf, evidence, &record, evidence_out);
	}
	json_end_or_drop(out, list);
}
