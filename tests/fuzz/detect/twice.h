/* twice.h - what was loaded is judged twice over, and by both ways of search: the same comes out.
 *
 * The events are made of the rules' own texts, so that some match. */
#ifndef MILLRACE_FUZZ_TWICE_H
#define MILLRACE_FUZZ_TWICE_H

#include <stdlib.h>

#include "engine.h"

#define TWICE_RULES 64
#define TWICE_LEAVES 500
#define TWICE_TEXT 2000
#define TWICE_EVENTS 3

struct twice {
	const struct sigma_predicate *leaves[TWICE_LEAVES];
	uint32_t count;
	bool whole; /* all of them have room */
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void twice_collect(struct twice *twice, const struct sigma_node *node)
{
	if (node->kind == SIGMA_LEAF) {
		twice->whole &= twice->count < TWICE_LEAVES && node->leaf->text.len <= TWICE_TEXT;
		if (twice->whole)
			twice->leaves[twice->count++] = node->leaf;
		return;
	}
	for (uint32_t i = 0; i < node->child_count && twice->whole; i++)
		twice_collect(twice, node->children[i]);
}

/* A text that the pattern fits, where it is one, or one that it looks like. */
static struct mr_slice twice_text(const struct sigma_predicate *leaf, struct mr_arena *arena)
{
	struct mr_buf text = {0};
	if (leaf->test != SIGMA_TEXT && leaf->text.len > 0)
		return leaf->text;
	for (uint32_t i = 0; i < leaf->part_count && text.len < TWICE_TEXT; i++) {
		if (leaf->parts[i].kind == SIGMA_LITERAL)
			mr_buf_add(&text, leaf->parts[i].text.at, leaf->parts[i].text.len);
		else if (leaf->parts[i].kind == SIGMA_ONE)
			mr_buf_add(&text, "x", 1);
	}
	struct mr_slice copy = MR_SLICE(""); /* a value's text is somewhere, empty or not */
	if (text.len > 0)
		copy = (struct mr_slice){mr_arena_copy(arena, text.data, text.len), text.len};
	mr_buf_fini(&text);
	return copy;
}

/* The nth has the texts of each nth test, after the first. */
static struct mr_event *twice_event(const struct twice *twice, struct mr_events *events,
				    unsigned nth, enum mr_record_kind kind)
{
	struct mr_event *event = mr_events_push(events);
	event->kind = kind;
	event->json = MR_SLICE("{\"a\": [\"b\", 1, {\"c\": null}]}");
	for (uint32_t i = 0; nth > 0 && i < twice->count; i += nth) {
		struct mr_slice text = twice_text(twice->leaves[i], &events->arena);
		if (twice->leaves[i]->field != 0)
			mr_event_add_text(events, event, twice->leaves[i]->field, text);
		if (twice->leaves[i]->test == SIGMA_FIELDREF && twice->leaves[i]->other != 0)
			mr_event_add_text(events, event, twice->leaves[i]->other, text);
	}
	return event;
}

static struct engine *twice_engine(const struct sigma_set *set, enum engine_search search,
				   struct mr_fields *fields, struct mr_buf *image)
{
	struct mr_error error = {0};
	struct engine *engine = NULL;
	enum mr_err err = engine_compile(set, search, fields, image, &error);
	/* What the loader takes, the engine takes. */
	must(err == MR_OK);
	must(engine_open((struct mr_slice){image->data, image->len}, fields, &engine, &error) ==
	     MR_OK);
	return engine;
}

static void twice_compare(struct engine *one, struct engine *other, const struct mr_events *events,
			  const struct mr_event *event)
{
	const uint32_t *found, *again;
	uint32_t kept[2 * TWICE_RULES];
	size_t count = engine_match(one, events, event, &found);
	must(count <= 2 * TWICE_RULES);
	memcpy(kept, found, count * sizeof *kept);
	for (size_t i = 0; i < count; i++)
		must(engine_rule_sees(one, event, kept[i]) && (i == 0 || kept[i] > kept[i - 1]));
	must(engine_match(one, events, event, &again) == count);
	must(count == 0 || memcmp(kept, again, count * sizeof *kept) == 0);
	must(engine_match(other, events, event, &again) == count);
	must(count == 0 || memcmp(kept, again, count * sizeof *kept) == 0);
}

static void twice_judge(const struct sigma_set *set, struct mr_fields *fields)
{
	struct twice twice = {.whole = set->rule_count <= TWICE_RULES};
	struct mr_buf images[2] = {{0}, {0}};
	for (uint32_t i = 0; i < set->rule_count && twice.whole; i++)
		twice_collect(&twice, set->rules[i].condition);
	if (!twice.whole || set->rule_count == 0)
		return;
	struct engine *one = twice_engine(set, ENGINE_AT_ONCE, fields, &images[0]);
	struct engine *other = twice_engine(set, ENGINE_ONE_BY_ONE, fields, &images[1]);
	for (unsigned nth = 0; nth < TWICE_EVENTS; nth++) {
		for (uint32_t kind = 0; kind < MR_KIND_COUNT; kind++) {
			struct mr_events events;
			mr_events_init(&events, fields, 1);
			struct mr_event *event =
			    twice_event(&twice, &events, nth, (enum mr_record_kind)kind);
			twice_compare(one, other, &events, event);
			mr_events_fini(&events);
		}
	}
	engine_close(one);
	engine_close(other);
	mr_buf_fini(&images[0]);
	mr_buf_fini(&images[1]);
}

#endif
