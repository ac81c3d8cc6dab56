/* harness.h - runs the parse stage over one record, for the tests of this room.
 *
 * The record lies in a heap buffer of exactly its length and the padding that the contract
 * promises, so that a sanitizer sees any read past it. Used by the fuzz target too: no test
 * framework here. */
#ifndef MILLRACE_TEST_PARSE_H
#define MILLRACE_TEST_PARSE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "millrace/json.h"
#include "closed.h"
#include "parse.h"
#include "pipeline/stage_io.h"

/* Not assert: tests are built with and without a test framework, and always check. */
static inline void harness_must(bool holds)
{
	if (!holds)
		abort();
}

struct harness {
	struct mr_fields *fields;
	struct mr_config config;
	struct mr_counters counters;
	struct mr_stage_env env;
	void *state;
	struct mr_events events;
	struct mr_writer writer;
	struct mr_reader reader;
	char *buffer;
	char reason[512]; /* of the newest rejected record, or empty */
};

/* mr_files of these tests: names nothing. */
struct mr_slice mr_files_name(const struct mr_files *files, uint32_t number)
{
	(void)files;
	(void)number;
	return MR_SLICE("input");
}

/* What the next harness_open says that rules ask for, 0 behind the last; nothing: everything. */
static mr_field harness_asked[8];

/* What the next harness_open says of the records, NULL: nothing; and of those of source 1 alone. */
static const char *harness_logsource;
static const char *harness_logsource_1;

/* Whose the next record is. */
static uint32_t harness_source;

static inline void harness_open(struct harness *h, const char *const *names, const char *tenant,
				const char *max_record_bytes)
{
	struct mr_error error = {0};
	*h = (struct harness){.fields = mr_fields_new()};
	for (; names != NULL && *names != NULL; names++)
		mr_fields_add(h->fields, mr_slice(*names));
	if (tenant != NULL)
		mr_config_add(&h->config, "tenant", tenant);
	if (harness_logsource != NULL)
		mr_config_add(&h->config, "logsource", harness_logsource);
	if (harness_logsource_1 != NULL) {
		struct mr_part *part = mr_config_part_add(&h->config, MR_PART_SOURCE, "one");
		part->number = 1;
		mr_config_add(&part->settings, "logsource", harness_logsource_1);
	}
	if (max_record_bytes != NULL)
		mr_config_add(&h->config, "max_record_bytes", max_record_bytes);
	struct mr_prepare prepare = {.config = &h->config, .fields = h->fields};
	harness_must(mr_stage_parse.prepare(&prepare, &error) == MR_OK);
	for (size_t i = 0; harness_asked[i] != 0; i++)
		mr_fields_ask(h->fields, harness_asked[i]);
	h->env = (struct mr_stage_env){
	    .config = &h->config, .fields = h->fields, .counters = &h->counters};
	h->state = mr_calloc(1, mr_stage_parse.state_size);
	harness_must(mr_stage_parse.open(h->state, &h->env, &error) == MR_OK);
	mr_events_init(&h->events, h->fields, 16);
	mr_writer_add_output(&h->writer, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
	mr_writer_set_events(&h->writer, &h->events);
}

static inline void harness_close(struct harness *h)
{
	mr_stage_parse.close(h->state);
	free(h->state);
	free(h->buffer);
	mr_reader_fini(&h->reader);
	mr_writer_fini(&h->writer);
	mr_events_fini(&h->events);
	mr_config_fini(&h->config);
	mr_fields_free(h->fields);
}

static inline void take_reasons(struct harness *h)
{
	struct mr_body body;
	h->reason[0] = '\0';
	while (mr_writer_take(&h->writer, MR_CONTENT_REJECTS, 0, &body)) {
		struct mr_reader rejects = {0};
		struct mr_reject reject;
		mr_reader_open_body(&rejects, MR_CONTENT_REJECTS, &body);
		while (mr_reader_reject(&rejects, &reject)) {
			size_t len = reject.reason.len < sizeof h->reason - 1
					 ? reject.reason.len
					 : sizeof h->reason - 1;
			memcpy(h->reason, reject.reason.at, len);
			h->reason[len] = '\0';
			mr_reader_advance(&rejects);
		}
		mr_reader_fini(&rejects);
		mr_body_fini(&body);
	}
}

/* What enrich takes for the address is the one that alerts show. */
static inline bool harness_v4_fits(const struct harness *h, const struct mr_event *event)
{
	char text[16];
	snprintf(text, sizeof text, "%u.%u.%u.%u", event->src_v4 >> 24, event->src_v4 >> 16 & 255,
		 event->src_v4 >> 8 & 255, event->src_v4 & 255);
	return !event->has_src_v4 ||
	       mr_slice_eq(mr_event_text(&h->events, event, MR_F_SRC_IP), mr_slice(text));
}

/* The event that one record becomes, or NULL with h->reason. Valid until the next call. */
static inline struct mr_event *harness_record(struct harness *h, struct mr_slice record)
{
	struct mr_error error = {0};
	char head[MR_FRAME_HEADER];
	struct mr_frame frame = {.length = (uint32_t)record.len, .offset = 0};
	struct mr_region region = {.source = harness_source,
				   .length = MR_FRAME_HEADER + record.len,
				   .form = MR_FORM_FRAMES,
				   .arrival_us = 77};
	mr_frame_encode(&frame, head);
	free(h->buffer);
	h->buffer = mr_malloc(MR_FRAME_HEADER + record.len + MR_JSON_PADDING);
	memcpy(h->buffer, head, sizeof head);
	memcpy(h->buffer + sizeof head, record.at, record.len);
	memset(h->buffer + sizeof head + record.len, ' ', MR_JSON_PADDING);
	mr_events_reset(&h->events);
	mr_reader_open_records(&h->reader, &region, (struct mr_slice){h->buffer, region.length});
	harness_must(mr_stage_parse.process(h->state, &h->reader, &h->writer, &error) == MR_OK);
	harness_must(mr_reader_finish(&h->reader, &error) == MR_OK);
	for (uint32_t i = 0; i < h->events.count; i++) {
		mr_stage_parse.identify(h->state, &h->events, &h->events.items[i]);
		mr_stage_parse.complete(h->state, &h->events, &h->events.items[i]);
		harness_must(closed_holds(&h->events, &h->events.items[i]));
		harness_must(harness_v4_fits(h, &h->events.items[i]));
	}
	take_reasons(h);
	return h->events.count == 0 ? NULL : &h->events.items[0];
}

static inline struct mr_event *harness_text(struct harness *h, const char *record)
{
	return harness_record(h, mr_slice(record));
}

/* All values of a field as "text|text", null as "(null)", what is not a string with its type's
 * letter before it: i5 u18446744073709551615 d1.0 btrue j{}. Missing is "-". */
static inline const char *shown(struct harness *h, const struct mr_event *event, const char *name)
{
	static char text[4096];
	static const char *const letters[] = {[MR_BOOL] = "b",   [MR_INT] = "i",   [MR_UINT] = "u",
					      [MR_DOUBLE] = "d", [MR_STRING] = "", [MR_JSON] = "j"};
	mr_field field = mr_fields_find(h->fields, mr_slice(name));
	harness_must(field != 0);
	const struct mr_value *value = mr_event_get(&h->events, event, field);
	if (value == NULL)
		return "-";
	size_t len = 0;
	for (; value != NULL; value = mr_value_next(&h->events, value)) {
		bool null = value->type == MR_NULL;
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s%.*s",
					len == 0 ? "" : "|", null ? "(null)" : letters[value->type],
					null ? 0 : (int)value->len, null ? "" : value->text);
		harness_must(len < sizeof text);
	}
	return text;
}

/* ---- two harnesses that must agree ---- */

static inline void harness_same_values(const struct mr_events *left_events,
				       const struct mr_value *left,
				       const struct mr_events *right_events,
				       const struct mr_value *right)
{
	while (left != NULL && right != NULL) {
		harness_must(left->type == right->type && left->len == right->len);
		if (left->type != MR_NULL)
			harness_must(left->len == 0 ||
				     memcmp(left->text, right->text, left->len) == 0);
		if (left->type == MR_BOOL || left->type == MR_INT || left->type == MR_UINT ||
		    left->type == MR_DOUBLE)
			harness_must(memcmp(&left->num, &right->num, sizeof left->num) == 0);
		left = mr_value_next(left_events, left);
		right = mr_value_next(right_events, right);
	}
	harness_must(left == NULL && right == NULL);
}

/* But for the fields. */
static inline void harness_same_event(const struct mr_event *a, const struct mr_event *b)
{
	harness_must(a->kind == b->kind && a->has_time == b->has_time &&
		     (!a->has_time || a->time_us == b->time_us));
	harness_must(mr_slice_eq(a->id, b->id) && mr_slice_eq(a->tenant, b->tenant) &&
		     mr_slice_eq(a->json, b->json));
}

/* Of one dictionary. Either may be NULL: then both are. */
static inline void harness_same(const struct harness *left, const struct mr_event *a,
				const struct harness *right, const struct mr_event *b)
{
	harness_must((a == NULL) == (b == NULL));
	if (a == NULL)
		return;
	harness_same_event(a, b);
	for (size_t id = 1; id < mr_fields_count(left->fields); id++)
		harness_same_values(&left->events, mr_event_get(&left->events, a, (mr_field)id),
				    &right->events, mr_event_get(&right->events, b, (mr_field)id));
}

#endif
