/* fuzz_match.c - any value under any pattern. The input's first byte says what to test, its lines
 * are the rule's text, the value and the value of the field referred to. Judged twice: from the
 * cache it must be the same. */
#include <stdlib.h>

#include "engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELD MR_F_OPERATION

static struct mr_slice take_line(struct mr_slice *rest)
{
	const char *end = memchr(rest->at, '\n', rest->len);
	struct mr_slice line = {rest->at, end == NULL ? rest->len : (size_t)(end - rest->at)};
	size_t used = line.len + (end != NULL);
	*rest = (struct mr_slice){rest->at + used, rest->len - used};
	return line;
}

/* '*' and '?' as in a rule; folded, as the loader does it. */
static uint32_t make_parts(struct mr_arena *arena, struct mr_slice text, struct sigma_part *parts)
{
	uint32_t count = 0;
	for (size_t i = 0; i < text.len;) {
		size_t start = i;
		while (i < text.len && text.at[i] != '*' && text.at[i] != '?')
			i++;
		if (i > start) {
			parts[count++] = (struct sigma_part){
			    SIGMA_LITERAL,
			    mr_fold_arena(arena, (struct mr_slice){text.at + start, i - start})};
			continue;
		}
		enum sigma_part_kind kind = text.at[i++] == '*' ? SIGMA_ANY : SIGMA_ONE;
		if (kind == SIGMA_ONE || count == 0 || parts[count - 1].kind != SIGMA_ANY)
			parts[count++] = (struct sigma_part){.kind = kind, .text = {"", 0}};
	}
	return count;
}

/* The same test often enough that one database is made for all. */
static void judge(const struct sigma_predicate *leaf, struct mr_slice value, struct mr_slice other)
{
	struct sigma_predicate copies[4];
	struct sigma_node nodes[5], *children[4];
	static const mr_field fields[] = {FIELD, FIELD, MR_F_STATUS, FIELD};
	for (int i = 0; i < 4; i++) {
		copies[i] = *leaf;
		copies[i].field = fields[i];
		copies[i].cased ^= i == 3;
		nodes[i] = (struct sigma_node){.kind = SIGMA_LEAF, .leaf = &copies[i]};
		children[i] = &nodes[i];
	}
	nodes[4] = (struct sigma_node){.kind = SIGMA_OR, .children = children, .child_count = 4};
	struct mr_rule named = {.id = MR_SLICE("r")};
	struct sigma_rule rule = {.kinds = ~0u, .condition = &nodes[4]};
	struct sigma_set set = {
	    .rules = &rule, .rule_count = 1, .catalog = {.rules = &named, .count = 1}};
	struct mr_fields *dictionary = mr_fields_new();
	struct mr_buf image = {0};
	struct engine *engine;
	if (engine_compile(&set, ENGINE_AT_ONCE, dictionary, &image, NULL) == MR_OK) {
		if (engine_open((struct mr_slice){image.data, image.len}, dictionary, &engine,
				NULL) != MR_OK)
			abort();
		struct mr_events events;
		const uint32_t *matched;
		mr_events_init(&events, dictionary, 1);
		struct mr_event *event = mr_events_push(&events);
		event->kind = MR_KIND_UAL;
		event->json = MR_SLICE("{}");
		mr_event_add_text(&events, event, FIELD, value);
		mr_event_add_text(&events, event, MR_F_STATUS, other);
		size_t first = engine_match(engine, &events, event, &matched);
		if (engine_match(engine, &events, event, &matched) != first)
			abort();
		engine_close(engine);
		mr_events_fini(&events);
	}
	mr_buf_fini(&image);
	mr_fields_free(dictionary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 4096)
		return 0;
	struct mr_slice rest = {(const char *)data + 1, size - 1};
	struct mr_slice text = take_line(&rest);
	struct mr_slice value = take_line(&rest);
	struct mr_arena arena = {0};
	struct sigma_predicate leaf = {
	    .test = (enum sigma_test)(data[0] % (SIGMA_TIMEPART + 1)),
	    .text = text,
	    .regex_flags = data[0] >> 4 & 7,
	    .op = (enum mr_compare)(data[0] >> 4 & 3),
	    .ref = (enum sigma_fieldref)(data[0] >> 4 & 3),
	    .part = (enum sigma_timepart)(data[0] % (SIGMA_YEAR + 1)),
	    .other = MR_F_STATUS,
	    .prefix = (uint8_t)(data[0] & 127),
	    .parts = mr_arena_alloc(&arena, (text.len + 1) * sizeof(struct sigma_part)),
	};
	leaf.part_count = make_parts(&arena, text, leaf.parts);
	judge(&leaf, value, rest);
	mr_arena_fini(&arena);
	return 0;
}
