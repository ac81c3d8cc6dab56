/* parse.c - the parse stage: records in, events out.
 *
 * Run by the pipeline through mr_stage_parse. Each record is validated whole by json.h, whatever
 * the rules ask for; what that refuses is repaired once and tried again (read.c); what is still no
 * JSON object is rejected with the reason. flatten.c then takes what the dictionary names, kind.c
 * tells the kind, normalise.c fills the normalised fields. Nothing here allocates for one record
 * but from the events' arena. A bad record is data, never an error of the stage. */
#include "millrace/logsource.h"
#include "millrace/poison.h"
#include "millrace/repair.h"
#include "millrace/stage.h"

#include <stdio.h>
#include <stdlib.h>

#include "flatten.h"
#include "kind.h"
#include "parse.h"
#include "read.h"

struct parse {
	const struct mr_stage_env *env;
	size_t max_bytes;
	struct mr_slice tenant;   /* the run's setting; empty: the record's own word */
	struct mr_slice *tenants; /* of sources, by number, where they have settings of their own */
	uint32_t tenant_count;
	struct mr_declared declared; /* the logsources that sources say */
	struct mr_json_reader *reader;
	struct mr_flatten *flatten;
	struct mr_normaliser *normaliser;
	struct {
		bool kind, uid, tenant;
	} asked; /* what rules read of these fields */
	/* Of the record in hand: */
	struct mr_slice came; /* its bytes as they came, out of its row where it lay in one */
	struct mr_odd odd;
	enum mr_reject_kind kind; /* why it is rejected, where it is */
};

static enum mr_err record_bytes(const struct mr_config *config, size_t *out, struct mr_error *error)
{
	int64_t bytes;
	enum mr_err err = mr_config_int(config, "max_record_bytes", &bytes, error);
	*out = err == MR_OK ? (size_t)bytes : 0;
	return err;
}

static enum mr_err parse_prepare(const struct mr_prepare *prepare, struct mr_error *error)
{
	size_t bytes;
	struct mr_declared declared;
	mr_normalise_prepare(prepare->fields);
	enum mr_err err = mr_declared_read(prepare->config, &declared, error);
	if (err == MR_OK) {
		mr_declared_fini(&declared);
		err = record_bytes(prepare->config, &bytes, error);
	}
	return err;
}

static struct mr_slice setting_of(const struct mr_config *config)
{
	const char *tenant = mr_config_get(config, "tenant", 0);
	return tenant == NULL ? MR_SLICE("") : mr_slice(tenant);
}

static void know_tenants(struct parse *parse, const struct mr_config *config)
{
	const struct mr_part *part;
	parse->tenant = setting_of(config);
	for (size_t i = 0; (part = mr_config_part(config, MR_PART_SOURCE, i)) != NULL; i++) {
		if (part->number >= parse->tenant_count) {
			size_t count = part->number + 1u;
			parse->tenants = mr_realloc(parse->tenants, count * sizeof *parse->tenants);
			while (parse->tenant_count < count)
				parse->tenants[parse->tenant_count++] = parse->tenant;
		}
		struct mr_slice own = setting_of(&part->settings);
		if (own.len > 0)
			parse->tenants[part->number] = own;
	}
}

static enum mr_err parse_open(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct parse *parse = state;
	enum mr_err err = record_bytes(env->config, &parse->max_bytes, error);
	if (err == MR_OK)
		err = mr_declared_read(env->config, &parse->declared, error);
	if (err != MR_OK)
		return err;
	parse->env = env;
	parse->asked.kind = mr_fields_asked(env->fields, MR_F_KIND);
	parse->asked.uid = mr_fields_asked(env->fields, MR_F_UID);
	parse->asked.tenant = mr_fields_asked(env->fields, MR_F_TENANT);
	know_tenants(parse, env->config);
	parse->reader = mr_json_reader_new(mr_repair_max(parse->max_bytes));
	mr_json_reader_learns(parse->reader);
	parse->flatten = mr_flatten_new(env->fields, mr_repair_max(parse->max_bytes));
	parse->normaliser = mr_normaliser_new(env->fields);
	return MR_OK;
}

static void parse_close(void *state)
{
	struct parse *parse = state;
	mr_json_reader_free(parse->reader);
	mr_flatten_free(parse->flatten);
	mr_normaliser_free(parse->normaliser);
	free(parse->tenants);
	mr_declared_fini(&parse->declared);
}

/* ---- reading a record ---- */

/* The object in *doc, which becomes the text that was parsed. */
static enum mr_err read_object(struct parse *parse, struct mr_events *events, struct mr_slice *doc,
			       struct mr_json_node *root_out, struct mr_error *error)
{
	static const char *const kinds[] = {
	    [MR_JSON_NULL] = "null",       [MR_JSON_BOOL] = "a boolean",
	    [MR_JSON_INT] = "a number",    [MR_JSON_UINT] = "a number",
	    [MR_JSON_DOUBLE] = "a number", [MR_JSON_STRING] = "a string",
	    [MR_JSON_ARRAY] = "an array",  [MR_JSON_OBJECT] = "an object",
	};
	parse->kind = MR_REJECT_NOT_JSON;
	if (mr_read(parse->reader, &events->arena, doc, root_out, &parse->odd, error) != MR_OK)
		return MR_BAD_INPUT;
	enum mr_json_kind kind = mr_json_kind(parse->reader, *root_out);
	if (kind == MR_JSON_OBJECT)
		return MR_OK;
	parse->kind = MR_REJECT_NOT_RECORD;
	return mr_error_set(error, MR_UNSUPPORTED, "not a record: %s where an object should be",
			    kinds[kind]);
}

/* The document that parses, in *doc: the record itself or its repaired text. A byte order mark
 * counts only where a source begins. */
static enum mr_err read_record(struct parse *parse, struct mr_events *events,
			       const struct mr_record *record, struct mr_slice *doc,
			       struct mr_json_node *root_out, struct mr_error *error)
{
	*doc = record->bytes;
	parse->kind = MR_REJECT_TOO_LONG;
	if (doc->len > parse->max_bytes)
		return mr_error_set(error, MR_BAD_INPUT,
				    "%zu bytes long, the longest record taken has %zu", doc->len,
				    parse->max_bytes);
	if (record->offset == 0 && doc->len >= 3 && memcmp(doc->at, "\xef\xbb\xbf", 3) == 0)
		*doc = (struct mr_slice){doc->at + 3, doc->len - 3};
	return read_object(parse, events, doc, root_out, error);
}

/* ---- what names an event ---- */

static struct mr_slice first_text(const struct mr_view *view, enum mr_mark mark)
{
	const struct mr_value *value = mr_view_get(view, mark);
	if (mr_value_is_missing(value) || value->type == MR_JSON)
		return MR_SLICE("");
	return (struct mr_slice){value->text, value->len};
}

static struct mr_slice hash_name(struct mr_arena *arena, struct mr_slice bytes)
{
	uint8_t hash[32];
	char *hex = mr_arena_alloc(arena, 2 * sizeof hash + 1);
	mr_sha256(bytes.at, bytes.len, hash);
	mr_hex(hash, sizeof hash, hex);
	return (struct mr_slice){hex, 2 * sizeof hash};
}

/* Of a declared record nobody knows what its `Id` or `tenantId` tells. */
static bool is_told(const struct mr_event *event)
{
	return event->kind != MR_KIND_DECLARED;
}

/* A row of Log Analytics has its workspace in TenantId, and the tenant beside it. */
static struct mr_slice own_tenant(const struct mr_view *view)
{
	static const enum mr_mark marks[] = {MR_MARK_ORGANIZATION_ID, MR_MARK_AAD_TENANT_ID,
					     MR_MARK_TENANT_ID};
	struct mr_slice tenant = {"", 0};
	for (size_t i = 0; i < sizeof marks / sizeof marks[0] && tenant.len == 0; i++)
		tenant = first_text(view, marks[i]);
	return tenant;
}

static void name_tenant(const struct parse *parse, const struct mr_view *view)
{
	struct mr_event *event = view->event;
	uint32_t source = event->origin.source;
	struct mr_slice tenant =
	    source < parse->tenant_count ? parse->tenants[source] : parse->tenant;
	if (tenant.len == 0 && is_told(event))
		tenant = own_tenant(view);
	event->tenant =
	    tenant.len == 0 ? MR_SLICE("unknown") : mr_fold_arena(&view->events->arena, tenant);
}

/* `came` is the record as it came. */
static void name_record(const struct mr_view *view, struct mr_slice came)
{
	struct mr_event *event = view->event;
	struct mr_slice id = first_text(view, MR_MARK_ID);
	if (id.len == 0)
		id = first_text(view, MR_MARK_OFFICE_ID);
	if (id.len > 0 && is_told(event) && !mr_kind_of(event->kind)->id_names_a_thing)
		event->id = mr_fold_arena(&view->events->arena, id);
	else
		event->id = hash_name(&view->events->arena, came);
}

/* What no rule asks for waits until the event is identified, but for a name that hangs on bytes
 * which are only here. */
static void name_event(const struct parse *parse, const struct mr_view *view)
{
	if (parse->asked.tenant)
		name_tenant(parse, view);
	if (parse->asked.uid || parse->came.at != view->event->raw.at)
		name_record(view, parse->came);
}

/* A declared record is the product's that its source says, where it names none itself. */
static void fill_product(const struct parse *parse, enum mr_pass pass, const struct mr_view *view)
{
	struct mr_event *event = view->event;
	uint16_t number = mr_declared_of(&parse->declared, event->origin.source);
	if (number == 0 || event->first[MR_F_PRODUCT] != 0 ||
	    mr_fields_asked(parse->env->fields, MR_F_PRODUCT) != (pass == MR_PASS_FIRST))
		return;
	struct mr_slice product = parse->declared.items[number - 1].product;
	if (product.len > 0)
		mr_event_add_text(view->events, event, MR_F_PRODUCT, product);
}

/* The fields of one pass. `known` as for mr_normalise. */
static void fill_fields(const struct parse *parse, enum mr_pass pass, const struct mr_view *view,
			struct mr_known *known)
{
	struct mr_event *event = view->event;
	bool first = pass == MR_PASS_FIRST;
	if (parse->asked.kind == first)
		mr_event_add_text(view->events, event, MR_F_KIND, mr_record_kind_name(event->kind));
	if (parse->asked.uid == first)
		mr_event_add_text(view->events, event, MR_F_UID, event->id);
	if (parse->asked.tenant == first)
		mr_event_add_text(view->events, event, MR_F_TENANT, event->tenant);
	mr_normalise(parse->normaliser, pass, view, known);
	fill_product(parse, pass, view);
}

static void fill_event(struct parse *parse, struct mr_events *events, struct mr_event *event)
{
	struct mr_counters *counters = parse->env->counters;
	struct mr_view view = {events, event, mr_normaliser_marks(parse->normaliser)};
	name_event(parse, &view);
	fill_fields(parse, MR_PASS_FIRST, &view, mr_flatten_known(parse->flatten));
	mr_count(counters, MR_C_UNKNOWN_KIND, event->kind == MR_KIND_UNKNOWN);
	mr_count(counters, MR_C_NO_TIME, !event->has_time);
	if (event->has_time && parse->env->marks != NULL)
		mr_marks_event(parse->env->marks, event->origin.source, event->time_us,
			       event->arrival_us);
	mr_count(counters, MR_C_REPAIRED, parse->odd.repaired);
	if (parse->odd.repaired)
		mr_count_of(counters, event->origin.source, MR_B_REPAIRED, 1);
	mr_count(counters, MR_C_DUPLICATE_KEYS, parse->odd.twice);
}

/* ---- a record in a record ---- */

static void flatten(struct parse *parse, struct mr_events *events, struct mr_event *event,
		    struct mr_json_node root)
{
	struct mr_view view = {events, event, mr_normaliser_marks(parse->normaliser)};
	mr_flatten_record(parse->flatten, parse->reader, root, events, event, &parse->odd);
	if (event->kind != MR_KIND_DECLARED)
		event->kind = mr_kind_tell(&view);
}

/* What the member AuditData holds, as a document; false where there is none. */
static bool audit_data(const struct parse *parse, struct mr_events *events,
		       struct mr_json_node root, struct mr_slice *out)
{
	struct mr_json_walk walk = mr_json_enter(parse->reader, root);
	while (mr_json_step(parse->reader, &walk)) {
		enum mr_json_kind kind = mr_json_kind(parse->reader, walk.value);
		if (!mr_fold_eq(walk.key, MR_SLICE("auditdata")) ||
		    (kind != MR_JSON_STRING && kind != MR_JSON_OBJECT))
			continue;
		*out = mr_read_copy(&events->arena, kind == MR_JSON_STRING
							? mr_json_string(parse->reader, walk.value)
							: mr_json_raw(parse->reader, walk.value));
		return true;
	}
	return false;
}

/* A row of Search-UnifiedAuditLog as JSON: the record itself is a text in its member AuditData, as
 * it is a cell of the audit search's CSV. Graph's auditLogRecord has it there as an object. */
static void open_row(struct parse *parse, struct mr_events *events, struct mr_event *event,
		     struct mr_json_node root)
{
	uint32_t value_count = events->value_count;
	const struct mr_odd odd = parse->odd;
	struct mr_slice text;
	if (!audit_data(parse, events, root, &text))
		return;
	struct mr_slice row = event->json;
	parse->came = text;
	event->json = text;
	if (read_object(parse, events, &event->json, &root, NULL) == MR_OK) {
		memset(event->first, 0, events->stride * sizeof *event->first);
		flatten(parse, events, event, root);
		if (event->kind != MR_KIND_UNKNOWN)
			return;
	}
	/* A text of that name, and no record: the row is what there is. */
	memset(event->first, 0, events->stride * sizeof *event->first);
	events->value_count = value_count;
	event->json = row;
	parse->came = event->raw;
	parse->odd = odd;
	if (read_object(parse, events, &event->json, &root, NULL) == MR_OK)
		flatten(parse, events, event, root);
}

/* ---- records among records ---- */

static bool holds_objects(const struct mr_json_reader *reader, struct mr_json_node value)
{
	if (mr_json_kind(reader, value) != MR_JSON_ARRAY)
		return false;
	struct mr_json_walk walk = mr_json_enter(reader, value);
	return mr_json_step(reader, &walk) && mr_json_kind(reader, walk.value) == MR_JSON_OBJECT;
}

/* What a stream is, its beginning tells (decode_json.c): an envelope that comes later is a line
 * like others, and no rule would see the records in it. */
static bool is_envelope(const struct mr_json_reader *reader, struct mr_json_node root)
{
	struct mr_json_walk walk = mr_json_enter(reader, root);
	while (mr_json_step(reader, &walk)) {
		if (mr_fold_eq(walk.key, MR_SLICE("id")))
			return false;
		if ((mr_slice_eq(walk.key, MR_SLICE("value")) ||
		     mr_slice_eq(walk.key, MR_SLICE("records"))) &&
		    holds_objects(reader, walk.value))
			return true;
	}
	return false;
}

/* ---- the stage ---- */

static void reject(struct parse *parse, const struct mr_record *record, struct mr_writer *out,
		   const struct mr_error *why)
{
	struct mr_reject set_aside = {
	    .origin = record->origin,
	    .length = record->bytes.len,
	    .name = mr_files_name(parse->env->files, record->name),
	    .offset = record->offset,
	    .reason = mr_slice(why->text),
	    .bytes = record->bytes,
	};
	set_aside.origin.hash = mr_hash64(record->bytes.at, record->bytes.len, 0);
	mr_writer_reject(out, &set_aside);
	mr_count_reject(parse->env->counters, record->origin.source, parse->kind);
}

/* The event that the pushed one becomes, or false with the reason. */
static bool parse_record(struct parse *parse, struct mr_events *events, struct mr_event *event,
			 const struct mr_record *record, struct mr_error *why)
{
	struct mr_slice doc;
	struct mr_json_node root;
	MR_POISON("parse", record->bytes);
	parse->came = record->bytes;
	parse->odd = (struct mr_odd){0};
	if (read_record(parse, events, record, &doc, &root, why) != MR_OK)
		return false;
	event->raw = record->bytes;
	event->json = doc;
	event->origin = record->origin;
	event->arrival_us = record->arrival_us;
	if (mr_declared_of(&parse->declared, record->origin.source) != 0)
		event->kind = MR_KIND_DECLARED;
	flatten(parse, events, event, root);
	if (event->kind == MR_KIND_UNKNOWN)
		open_row(parse, events, event, root);
	if (event->kind == MR_KIND_UNKNOWN && is_envelope(parse->reader, root)) {
		parse->kind = MR_REJECT_NOT_RECORD;
		mr_error_set(why, MR_UNSUPPORTED,
			     "not a record: an envelope of records behind single records; give it "
			     "in a file of its own");
		return false;
	}
	fill_event(parse, events, event);
	return true;
}

static enum mr_err parse_process(void *state, struct mr_reader *in, struct mr_writer *out,
				 struct mr_error *error)
{
	(void)error;
	struct parse *parse = state;
	struct mr_counters *counters = parse->env->counters;
	struct mr_events *events = mr_writer_events(out);
	struct mr_record record;
	while (mr_reader_record(in, &record)) {
		struct mr_event *event = mr_writer_ready(out) ? mr_events_push(events) : NULL;
		if (event == NULL)
			return MR_FULL;
		struct mr_error why; /* a kilobyte, written only where there is a reason */
		if (parse_record(parse, events, event, &record, &why)) {
			mr_count(counters, MR_C_RECORDS, 1);
			mr_count(counters, MR_C_PARSED, 1);
			mr_count(counters, MR_C_BYTES, record.bytes.len);
			mr_count_of(counters, record.origin.source, MR_B_RECORDS, 1);
			mr_count_of(counters, record.origin.source, MR_B_PARSED, 1);
		} else {
			mr_events_pop(events);
			reject(parse, &record, out, &why);
		}
		mr_reader_advance(in);
	}
	return MR_OK;
}

static void parse_identify(void *state, struct mr_events *events, struct mr_event *event)
{
	struct parse *parse = state;
	struct mr_view view = {events, event, mr_normaliser_marks(parse->normaliser)};
	event->origin.hash = mr_hash64(event->raw.at, event->raw.len, 0);
	if (event->tenant.len == 0)
		name_tenant(parse, &view);
	if (event->id.len == 0)
		name_record(&view, event->raw);
}

static void parse_complete(void *state, struct mr_events *events, struct mr_event *event)
{
	struct parse *parse = state;
	struct mr_view view = {events, event, mr_normaliser_marks(parse->normaliser)};
	MR_POISON("complete", event->raw);
	fill_fields(parse, MR_PASS_LATER, &view, NULL);
}

const struct mr_stage_ops mr_stage_parse = {
    .name = "parse",
    .state_size = sizeof(struct parse),
    .reads = MR_CONTENT_RECORDS,
    .prepare = parse_prepare,
    .open = parse_open,
    .process = parse_process,
    .identify = parse_identify,
    .complete = parse_complete,
    .close = parse_close,
};
