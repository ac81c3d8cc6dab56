/* fuzz_engine_image.c - an image with bytes changed, its checksum made right again: it is refused
 * or it runs, within its bounds. The input is a list of changes, four bytes each: where (three,
 * from the end of the checksum on) and what to xor. */
#include <stddef.h>
#include <stdlib.h>

#include "engine_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELD MR_F_OPERATION

static struct sigma_part parts[] = {{SIGMA_ANY, {"", 0}},
				    {SIGMA_LITERAL, {"mail", 4}},
				    {SIGMA_ANY, {"", 0}},
				    {SIGMA_LITERAL, {"box", 3}},
				    {SIGMA_ONE, {"", 0}}};
static struct sigma_predicate leaves[] = {
    {.field = FIELD, .test = SIGMA_TEXT, .parts = parts + 1, .part_count = 1},
    {.field = FIELD, .test = SIGMA_TEXT, .parts = parts, .part_count = 3},
    {.field = FIELD, .test = SIGMA_TEXT, .parts = parts, .part_count = 5},
    {.field = FIELD, .test = SIGMA_TEXT, .parts = parts + 1, .part_count = 2},
    {.field = FIELD, .test = SIGMA_TEXT, .parts = parts, .part_count = 2},
    {.field = FIELD, .test = SIGMA_REGEX, .text = {"^mai", 4}},
    {.field = FIELD, .test = SIGMA_COMPARE, .text = {"5", 1}, .op = MR_GT},
    {.field = FIELD, .test = SIGMA_CIDR, .prefix = 100},
    {.field = FIELD, .test = SIGMA_FIELDREF, .other = MR_F_STATUS},
    {.field = FIELD, .test = SIGMA_EXISTS, .truth = true},
    {.field = FIELD, .test = SIGMA_TIMEPART, .part = SIGMA_HOUR, .part_value = 3},
};
#define LEAVES (sizeof leaves / sizeof leaves[0])

struct made {
	struct mr_fields *fields;
	struct mr_buf image;
	struct mr_events events;
};

static void make(struct made *made)
{
	static struct sigma_node nodes[LEAVES + 1];
	static struct sigma_node *children[LEAVES];
	for (size_t i = 0; i < LEAVES; i++) {
		nodes[i] = (struct sigma_node){.kind = SIGMA_LEAF, .leaf = &leaves[i]};
		children[i] = &nodes[i];
	}
	nodes[LEAVES] =
	    (struct sigma_node){.kind = SIGMA_OR, .children = children, .child_count = LEAVES};
	struct sigma_rule rules[] = {{.index = 0, .kinds = ~0u, .condition = &nodes[LEAVES]},
				     {.index = 1, .kinds = ~0u, .condition = &nodes[1]}};
	struct sigma_set set = {.rules = rules, .rule_count = 2};
	made->fields = mr_fields_new();
	if (engine_compile(&set, ENGINE_AT_ONCE, made->fields, &made->image, NULL) != MR_OK)
		abort();
	mr_events_init(&made->events, made->fields, 1);
	struct mr_event *event = mr_events_push(&made->events);
	event->kind = MR_KIND_UAL;
	event->json = MR_SLICE("{}");
	mr_event_add_text(&made->events, event, FIELD, MR_SLICE("Set-Mailboxes"));
	mr_event_add_int(&made->events, event, FIELD, 7);
	mr_event_add_text(&made->events, event, MR_F_STATUS, MR_SLICE("10.1.2.3"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct made made;
	if (made.fields == NULL)
		make(&made);
	size_t covered = offsetof(struct image_header, checksum) + sizeof(uint64_t);
	size_t len = made.image.len;
	char *image = mr_malloc(len);
	memcpy(image, made.image.data, len);
	for (size_t i = 0; i + 4 <= size; i += 4) {
		size_t at = (size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2];
		char *byte = &image[covered + at % (len - covered)];
		*byte = (char)(*byte ^ data[i + 3]);
	}
	uint64_t checksum = mr_hash64(image + covered, len - covered, 0);
	memcpy(image + offsetof(struct image_header, checksum), &checksum, sizeof checksum);
	struct engine *engine;
	const uint32_t *matched;
	if (engine_open((struct mr_slice){image, len}, made.fields, &engine, NULL) == MR_OK) {
		engine_match(engine, &made.events, &made.events.items[0], &matched);
		engine_close(engine);
	}
	free(image);
	return 0;
}
