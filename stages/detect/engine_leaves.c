/* engine_leaves.c - every leaf value of a record, for keywords.
 *
 * Called by engine_group.c and engine_match.c, only for records that a rule with keywords still can
 * match. A record that does not parse (it did once, in parse) has no leaves. */
#include "engine_run.h"

#include <stdlib.h>

#define READER_BYTES (1u << 20)

static void add_leaf(struct run_leaves *leaves, const struct mr_value *value)
{
	if (leaves->count == leaves->capacity) {
		leaves->capacity = (uint32_t)mr_grow(leaves->capacity, (size_t)leaves->count + 1);
		leaves->values =
		    mr_realloc(leaves->values, leaves->capacity * sizeof(*leaves->values));
	}
	leaves->values[leaves->count++] = *value;
}

/* As deep as MR_JSON_DEPTH. */
static void walk_node(struct run_leaves *leaves, struct mr_json_node node)
{
	enum mr_json_kind kind = mr_json_kind(leaves->reader, node);
	if (kind == MR_JSON_NULL)
		return;
	if (kind != MR_JSON_OBJECT && kind != MR_JSON_ARRAY) {
		struct mr_value value = mr_json_value(leaves->reader, node);
		add_leaf(leaves, &value);
		return;
	}
	struct mr_json_walk walk = mr_json_enter(leaves->reader, node);
	while (mr_json_step(leaves->reader, &walk))
		walk_node(leaves, walk.value);
}

void engine_leaves_read(struct engine *engine)
{
	struct run_leaves *leaves = &engine->leaves;
	if (leaves->epoch == engine->epoch)
		return;
	leaves->epoch = engine->epoch;
	leaves->count = 0;
	struct mr_slice json = engine->event->json;
	if (leaves->reader == NULL || json.len > leaves->reader_bytes) {
		mr_json_reader_free(leaves->reader);
		/* A repaired record is three times as long as it came: the longest leaves no
		 * room to grow ahead. */
		leaves->reader_bytes = json.len > READER_BYTES ? json.len * 2 : READER_BYTES;
		if (leaves->reader_bytes > MR_JSON_BYTES_MAX)
			leaves->reader_bytes = MR_JSON_BYTES_MAX;
		leaves->reader = mr_json_reader_new(leaves->reader_bytes);
	}
	struct mr_json_node root;
	if (mr_json_read(leaves->reader, json, &root, NULL) == MR_OK)
		walk_node(leaves, root);
}

void engine_leaves_join(struct engine *engine, bool folded)
{
	struct run_leaves *leaves = &engine->leaves;
	engine_leaves_read(engine);
	if (leaves->ends_capacity < leaves->count) {
		leaves->ends_capacity = (uint32_t)mr_grow(leaves->ends_capacity, leaves->count);
		leaves->ends =
		    mr_realloc(leaves->ends, leaves->ends_capacity * sizeof(*leaves->ends));
	}
	struct mr_buf *joined = &leaves->joined;
	joined->len = 0;
	for (uint32_t i = 0; i < leaves->count; i++) {
		const struct mr_value *value = &leaves->values[i];
		char *room = mr_buf_reserve(joined, mr_fold_max(value->len) + 1);
		size_t len = value->len;
		if (folded)
			len = mr_fold(value->text, value->len, room);
		else if (len > 0)
			memcpy(room, value->text, len);
		room[len] = (char)0xff;
		leaves->ends[i] = (uint32_t)(joined->len + len);
		joined->len += len + 1;
	}
}

void engine_leaves_fini(struct run_leaves *leaves)
{
	if (leaves->reader != NULL)
		mr_json_reader_free(leaves->reader);
	free(leaves->values);
	free(leaves->ends);
	mr_buf_fini(&leaves->joined);
}
