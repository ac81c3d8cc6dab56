/* engine_refer.c - one field against another (fieldref): does any value of the one stand in the
 * relation to any value of the other?
 *
 * Called by engine_match.c. A few values are compared pair by pair, without memory. How many there
 * are is up to who writes the record: of more, the values of one field are folded into a hash set
 * with a random seed, and those of the other folded once each. Equality looks them up there; the
 * other relations compare all pairs up to a bound of work. Nothing here fails. */
#include "engine_run.h"

#include <stdlib.h>

#define FEW 4
/* What one event may cost a predicate: bytes that are compared, and what a pair costs besides. */
#define WORK_MAX (128u << 20)
#define WORK_PAIR 64u

static bool is_number(const struct mr_value *value)
{
	return value->type == MR_INT || value->type == MR_UINT || value->type == MR_DOUBLE;
}

/* The value's text as the relation sees it. In equality a number is its shortest text: two have the
 * same where they are equal, and none has a boolean's. */
static struct mr_slice sight(struct mr_buf *room, char number_room[ENGINE_NUMBER_TEXT],
			     const struct image_predicate *predicate, const struct mr_value *value)
{
	if (predicate->ref == SIGMA_REF_EQUALS && is_number(value))
		return engine_equal_text(value, number_room);
	return predicate->cased ? (struct mr_slice){value->text, value->len}
				: engine_fold(room, value);
}

static bool related(const struct image_predicate *predicate, struct mr_slice text,
		    struct mr_slice part)
{
	if (part.len > text.len)
		return false;
	switch ((enum sigma_fieldref)predicate->ref) {
	case SIGMA_REF_EQUALS:
		return mr_slice_eq(text, part);
	case SIGMA_REF_CONTAINS:
		return part.len == 0 || memmem(text.at, text.len, part.at, part.len) != NULL;
	case SIGMA_REF_STARTSWITH:
		return mr_slice_eq((struct mr_slice){text.at, part.len}, part);
	case SIGMA_REF_ENDSWITH:
		return mr_slice_eq((struct mr_slice){text.at + text.len - part.len, part.len},
				   part);
	}
	return false;
}

/* ---- a few values ---- */

static bool pair_holds(struct engine *engine, const struct image_predicate *predicate,
		       const struct mr_value *a, const struct mr_value *b)
{
	struct engine_number left, right;
	char left_room[ENGINE_NUMBER_TEXT], right_room[ENGINE_NUMBER_TEXT];
	if (predicate->ref == SIGMA_REF_EQUALS && engine_number_of(a, &left) &&
	    engine_number_of(b, &right))
		return engine_number_compare(left, right) == 0;
	return related(predicate, sight(&engine->folded, left_room, predicate, a),
		       sight(&engine->folded_other, right_room, predicate, b));
}

static bool some_pair_holds(struct engine *engine, const struct image_predicate *predicate)
{
	struct run_values values = engine_values(engine, predicate->field);
	for (; values.at != NULL; engine_values_next(engine, &values)) {
		struct run_values others = engine_values(engine, predicate->other);
		for (; others.at != NULL; engine_values_next(engine, &others))
			if (values.at->type != MR_NULL && others.at->type != MR_NULL &&
			    pair_holds(engine, predicate, values.at, others.at))
				return true;
	}
	return false;
}

/* ---- many ---- */

static struct mr_slice kept_text(const struct run_kept *kept, uint32_t item)
{
	return (struct mr_slice){kept->text.data + kept->items[item].start, kept->items[item].len};
}

/* The slot that holds the text, or the free one where it belongs. */
static uint32_t *place_of(const struct run_kept *kept, struct mr_slice text, uint64_t hash)
{
	for (uint64_t i = hash;; i++) {
		uint32_t *slot = &kept->slots[i & kept->slot_mask];
		if (*slot == 0 || (kept->items[*slot - 1].hash == hash &&
				   mr_slice_eq(kept_text(kept, *slot - 1), text)))
			return slot;
	}
}

/* Empty, with room for `most` texts. */
static void kept_clear(struct run_kept *kept, uint32_t most)
{
	uint32_t slots = 16;
	while (slots / 2 < most)
		slots *= 2;
	if (kept->slot_capacity < slots) {
		free(kept->slots);
		kept->slots = mr_malloc(slots * sizeof(*kept->slots));
		kept->slot_capacity = slots;
	}
	if (kept->item_capacity < most) {
		kept->item_capacity = (uint32_t)mr_grow(kept->item_capacity, most);
		kept->items = mr_realloc(kept->items, kept->item_capacity * sizeof(*kept->items));
	}
	memset(kept->slots, 0, slots * sizeof(*kept->slots));
	kept->slot_mask = slots - 1;
	kept->count = 0;
	kept->text.len = 0;
	mr_buf_reserve(&kept->text, 1); /* an empty text has a place too */
}

/* The distinct values of a field that has `most` values at most. */
static void keep(struct engine *engine, const struct image_predicate *predicate, uint32_t field,
		 uint32_t most)
{
	struct run_kept *kept = &engine->kept;
	char room[ENGINE_NUMBER_TEXT];
	kept_clear(kept, most);
	struct run_values values = engine_values(engine, field);
	for (; values.at != NULL; engine_values_next(engine, &values)) {
		if (values.at->type == MR_NULL)
			continue;
		struct mr_slice text = sight(&engine->folded, room, predicate, values.at);
		uint64_t hash = mr_hash64(text.at, text.len, engine->seed);
		uint32_t *slot = place_of(kept, text, hash);
		if (*slot != 0)
			continue;
		kept->items[kept->count] = (struct kept_item){hash, kept->text.len, text.len};
		*slot = ++kept->count;
		mr_buf_add(&kept->text, text.at, text.len);
	}
}

/* Is a value of the field among the kept ones? */
static bool meets(struct engine *engine, const struct image_predicate *predicate, uint32_t field)
{
	char room[ENGINE_NUMBER_TEXT];
	struct run_values values = engine_values(engine, field);
	for (; values.at != NULL; engine_values_next(engine, &values)) {
		if (values.at->type == MR_NULL)
			continue;
		struct mr_slice text = sight(&engine->folded, room, predicate, values.at);
		if (*place_of(&engine->kept, text, mr_hash64(text.at, text.len, engine->seed)) != 0)
			return true;
	}
	return false;
}

/* Does one of the field's values hold a kept one, at the place that the relation says? */
static bool holds_kept(struct engine *engine, uint32_t number)
{
	const struct image_predicate *predicate = &engine->predicates[number];
	const struct run_kept *kept = &engine->kept;
	char room[ENGINE_NUMBER_TEXT];
	size_t work = 0;
	struct run_values values = engine_values(engine, predicate->field);
	for (; values.at != NULL; engine_values_next(engine, &values)) {
		if (values.at->type == MR_NULL)
			continue;
		struct mr_slice text = sight(&engine->folded, room, predicate, values.at);
		for (uint32_t i = 0; i < kept->count; i++) {
			struct mr_slice part = kept_text(kept, i);
			if (work > WORK_MAX) {
				engine_give_up(engine, number);
				return false;
			}
			work += WORK_PAIR +
				(predicate->ref == SIGMA_REF_CONTAINS ? text.len : part.len);
			if (related(predicate, text, part))
				return true;
		}
	}
	return false;
}

static uint32_t count_values(struct engine *engine, uint32_t field)
{
	uint32_t count = 0;
	struct run_values values = engine_values(engine, field);
	for (; values.at != NULL; engine_values_next(engine, &values))
		count++;
	return count;
}

bool engine_refer_holds(struct engine *engine, uint32_t number)
{
	const struct image_predicate *predicate = &engine->predicates[number];
	uint32_t values = count_values(engine, predicate->field);
	uint32_t others = count_values(engine, predicate->other);
	if (values == 0 || others == 0)
		return false;
	if (values <= FEW && others <= FEW)
		return some_pair_holds(engine, predicate);
	if (predicate->ref == SIGMA_REF_EQUALS && values < others) {
		keep(engine, predicate, predicate->field, values);
		return meets(engine, predicate, predicate->other);
	}
	keep(engine, predicate, predicate->other, others);
	return predicate->ref == SIGMA_REF_EQUALS ? meets(engine, predicate, predicate->field)
						  : holds_kept(engine, number);
}

void engine_refer_fini(struct run_kept *kept)
{
	free(kept->items);
	free(kept->slots);
	mr_buf_fini(&kept->text);
}
