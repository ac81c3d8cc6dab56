/* flatten.c - walks a record once and keeps what the dictionary names. See flatten.h for the rules.
 *
 * Called by parse.c for each valid record. Which of its values are kept, in which order, hangs on
 * its shape (json.h) alone, but for what stands in strings: so what a walk decides is written down
 * as the shape's plan, and the next record of that shape is not walked but done by the plan. The
 * record of a new shape is walked once without looking back. One that turns out to give a key twice
 * is walked again from its start, carefully: each object is first searched for the last member of
 * each key. Depth is bounded by the JSON reader, and memory by the length of the record. Never
 * fails. */
#include "flatten.h"

#include "event_log.h"
#include "plan.h"

#include <assert.h>
#include <stdlib.h>

#define OPENED_LEVELS 2 /* JSON in a string, in a string */
#define ALIAS_RANK 1000 /* of `properties.x` under the name x: any other way to x wins */
#define RANK_MOST (UINT16_MAX - MR_JSON_DEPTH) /* what is below such a one has a rank, too */

struct key_ref {
	struct mr_slice key;
};

struct mr_flatten {
	struct mr_plan plans[2][MR_JSON_SHAPES]; /* of other records, and of declared ones */
	struct mr_names *names;
	struct mr_json_reader *inner[OPENED_LEVELS];
	size_t field_count;
	struct mr_standing *standings; /* by field: scratch for a plan */
	uint16_t *rank;                /* by field: through how many keys its values were reached */
	uint64_t object;               /* number of the newest object */
	uint64_t since;                /* number of the record's first */
	struct mr_odd odd;
	struct mr_known *known;         /* of the record's shape; NULL: it has none, or was odd */
	bool careful;                   /* this is the second walk */
	struct mr_json_node properties; /* the record's member of that name, index 0: has none */
	struct key_ref *keys;           /* scratch of the second walk */
	size_t key_capacity;
};

/* One document on its way: the record itself or what was in a string of it. */
struct walk {
	struct mr_flatten *flatten;
	const struct mr_json_reader *reader;
	struct mr_events *events;
	struct mr_event *event;
	unsigned level;       /* 0 is the record */
	struct mr_plan *plan; /* where the walk's decisions are noted; NULL: nowhere */
};

struct mr_flatten *mr_flatten_new(const struct mr_fields *fields, size_t max_bytes)
{
	struct mr_flatten *flatten = mr_calloc(1, sizeof *flatten);
	flatten->names = mr_names_new(fields);
	flatten->field_count = mr_fields_count(fields);
	flatten->rank = mr_calloc(flatten->field_count, sizeof *flatten->rank);
	flatten->standings = mr_calloc(flatten->field_count, sizeof *flatten->standings);
	for (size_t i = 0; i < OPENED_LEVELS; i++)
		flatten->inner[i] = mr_json_reader_new(max_bytes);
	return flatten;
}

void mr_flatten_free(struct mr_flatten *flatten)
{
	if (flatten == NULL)
		return;
	for (size_t i = 0; i < MR_JSON_SHAPES; i++) {
		mr_plan_fini(&flatten->plans[false][i]);
		mr_plan_fini(&flatten->plans[true][i]);
	}
	mr_names_free(flatten->names);
	free(flatten->rank);
	free(flatten->standings);
	for (size_t i = 0; i < OPENED_LEVELS; i++)
		mr_json_reader_free(flatten->inner[i]);
	free(flatten->keys);
	free(flatten);
}

/* ---- values ---- */

static void fill_raw(struct mr_slice raw, struct mr_value *value)
{
	value->text = raw.at;
	value->len = (uint32_t)raw.len;
	value->type = MR_JSON;
}

/* The reader's own buffer is another record's next; a slice of the document stays. */
static inline void fill_string(struct walk *walk, struct mr_json_node node, struct mr_value *value)
{
	struct mr_slice text = mr_json_string(walk->reader, node);
	if (mr_json_is_escaped(walk->reader, node))
		text.at = mr_arena_copy(&walk->events->arena, text.at, text.len);
	value->text = text.at;
	value->len = (uint32_t)text.len;
	value->type = MR_STRING;
}

static void fill_scalar(struct walk *walk, struct mr_json_node node, struct mr_value *value)
{
	struct mr_value scalar = mr_json_value(walk->reader, node);
	scalar.next = value->next;
	*value = scalar;
}

/* Whether a value that was reached through `rank` keys may join the field's values. */
static bool field_admits(struct walk *walk, mr_field field, unsigned rank, bool null)
{
	uint16_t *held = &walk->flatten->rank[field];
	uint32_t *first = &walk->event->first[field];
	bool anew = *first == 0;
	if (!anew && !mr_plan_admits(*held, walk->events->values[*first - 1].type == MR_NULL, rank,
				     null, &anew))
		return false;
	if (anew) {
		*first = 0;
		*held = (uint16_t)rank;
	}
	return true;
}

static void add_null(struct walk *walk, mr_field field, unsigned rank)
{
	if (field_admits(walk, field, rank, true))
		mr_event_add(walk->events, walk->event, field, &(struct mr_value){.type = MR_NULL});
}

static void add_raw(struct walk *walk, mr_field field, unsigned rank, struct mr_slice raw)
{
	if (field_admits(walk, field, rank, false))
		fill_raw(raw, mr_event_new(walk->events, walk->event, field));
}

static void add_string(struct walk *walk, mr_field field, unsigned rank, struct mr_json_node node)
{
	if (field_admits(walk, field, rank, false))
		fill_string(walk, node, mr_event_new(walk->events, walk->event, field));
}

static void add_scalar(struct walk *walk, mr_field field, unsigned rank, struct mr_json_node node)
{
	if (field_admits(walk, field, rank, false))
		fill_scalar(walk, node, mr_event_new(walk->events, walk->event, field));
}

/* ---- structure ---- */

static struct mr_json_node put(struct walk *walk, const struct mr_name_entry *entry, unsigned rank,
			       struct mr_json_node node);
static struct mr_json_node put_object(struct walk *walk, uint32_t names, unsigned rank,
				      struct mr_json_node node, struct mr_named *named);
static struct mr_json_node put_array(struct walk *walk, const struct mr_name_entry *entry,
				     unsigned rank, struct mr_json_node node);
static void act(struct walk *walk, struct mr_deed *deed);

/* Notes a decision, and does it. */
static void decide(struct walk *walk, struct mr_deed *deed)
{
	if (walk->plan != NULL)
		mr_plan_note(walk->plan, deed);
	act(walk, deed);
}

static void decide_value(struct walk *walk, const struct mr_name_entry *entry, unsigned rank,
			 struct mr_json_node node)
{
	char type = mr_json_type(walk->reader, node);
	bool string = type == '"';
	if (string && entry->child != 0)
		decide(walk, &(struct mr_deed){.what = MR_DEED_OPENED,
					       .rank = (uint16_t)rank,
					       .names = entry->child,
					       .node = node});
	if (entry->field != 0)
		decide(walk, &(struct mr_deed){.what = string        ? MR_DEED_STRING
						       : type == 'n' ? MR_DEED_NULL
								     : MR_DEED_SCALAR,
					       .rank = (uint16_t)rank,
					       .field = entry->field,
					       .node = node});
}

static void decide_raw(struct walk *walk, mr_field field, unsigned rank, struct mr_json_node node,
		       struct mr_json_node behind)
{
	decide(walk, &(struct mr_deed){.what = MR_DEED_RAW,
				       .rank = (uint16_t)rank,
				       .field = field,
				       .node = node,
				       .behind = behind});
}

/* A string that looks like JSON, for the names below it. */
static void put_opened(struct walk *walk, uint32_t names, unsigned rank, struct mr_json_node node)
{
	struct mr_slice text = mr_json_string(walk->reader, node);
	size_t at = 0;
	while (at < text.len && mr_is_blank(text.at[at]))
		at++;
	if (walk->level == OPENED_LEVELS || at == text.len ||
	    (text.at[at] != '{' && text.at[at] != '['))
		return;
	struct walk inner = *walk;
	inner.plan = NULL;
	inner.reader = walk->flatten->inner[walk->level];
	text = mr_read_copy(&walk->events->arena, text);
	inner.level = walk->level + 1;
	struct mr_json_node root;
	if (mr_read(walk->flatten->inner[walk->level], &walk->events->arena, &text, &root,
		    &walk->flatten->odd, NULL) == MR_OK)
		put(&inner, &(struct mr_name_entry){.child = names}, rank, root);
}

/* The value of a name, and what names go on below it. Gives what is behind the value. */
static struct mr_json_node put(struct walk *walk, const struct mr_name_entry *entry, unsigned rank,
			       struct mr_json_node node)
{
	struct mr_json_node behind;
	switch (mr_json_type(walk->reader, node)) {
	case '{':
		behind = entry->child == 0 ? mr_json_behind_container(walk->reader, node)
					   : put_object(walk, entry->child, rank + 1, node, NULL);
		if (entry->field != 0)
			decide_raw(walk, entry->field, rank, node, behind);
		return behind;
	case '[':
		return put_array(walk, entry, rank, node);
	default:
		decide_value(walk, entry, rank, node);
	}
	return mr_json_behind(walk->reader, node);
}

/* ---- objects ---- */

static bool key_is(struct mr_slice key, const char *folded)
{
	for (size_t i = 0; i < key.len; i++)
		if ((key.at[i] | 0x20) != folded[i])
			return false;
	return true;
}

static void named_note(struct mr_named *named, struct mr_slice key, struct mr_json_node value)
{
	switch (key.len) {
	case 3:
		if (key_is(key, "key"))
			named->name = value;
		break;
	case 4:
		if (key_is(key, "name"))
			named->name = value;
		break;
	case 5:
		if (key_is(key, "value"))
			named->value = value;
		break;
	case 8:
		if (key_is(key, "newvalue"))
			named->new_value = value;
		else if (key_is(key, "oldvalue"))
			named->old_value = value;
		break;
	case 11:
		if (key_is(key, "displayname") && named->name.index == 0)
			named->name = value;
		break;
	default:
		break;
	}
}

static void put_below(struct walk *walk, uint32_t names, struct mr_slice key, unsigned rank,
		      struct mr_json_node value)
{
	struct mr_name_entry *entry =
	    mr_names_find(walk->flatten->names, names, key, walk->flatten->since);
	if (entry != NULL && value.index != 0)
		put(walk, entry, rank, value);
}

static void put_named(struct walk *walk, uint32_t names, unsigned rank,
		      const struct mr_named *named, uint32_t *guess)
{
	struct mr_slice name = mr_json_string(walk->reader, named->name);
	struct mr_name_entry *entry =
	    mr_names_find_again(walk->flatten->names, guess, names, name, walk->flatten->since);
	if (entry == NULL)
		return;
	if (named->value.index != 0)
		put(walk, entry, rank, named->value);
	if (entry->child != 0) {
		put_below(walk, entry->child, MR_SLICE("oldvalue"), rank + 1, named->old_value);
		put_below(walk, entry->child, MR_SLICE("newvalue"), rank + 1, named->new_value);
	}
}

static int key_order(const void *a, const void *b)
{
	return mr_slice_cmp(((const struct key_ref *)a)->key, ((const struct key_ref *)b)->key);
}

/* Before a careful walk of an object: note each key's last member, and whether one is there twice.
 */
static void find_last(struct walk *walk, uint32_t names, struct mr_json_node node)
{
	struct mr_flatten *flatten = walk->flatten;
	struct mr_json_walk members = mr_json_enter(walk->reader, node);
	uint32_t count = 0;
	while (mr_json_step(walk->reader, &members)) {
		if (count == flatten->key_capacity) {
			flatten->key_capacity = mr_grow(flatten->key_capacity, count + 1);
			flatten->keys = mr_realloc(flatten->keys,
						   flatten->key_capacity * sizeof *flatten->keys);
		}
		flatten->keys[count++].key = members.key;
		struct mr_name_entry *entry =
		    mr_names_find(flatten->names, names, members.key, flatten->since);
		if (entry != NULL)
			entry->last = count;
	}
	qsort(flatten->keys, count, sizeof *flatten->keys, key_order);
	for (uint32_t i = 1; i < count; i++)
		if (mr_slice_eq(flatten->keys[i - 1].key, flatten->keys[i].key))
			flatten->odd.twice = true;
}

/* A diagnostics envelope: its properties answer to their names alone as well. */
static void note_properties(struct walk *walk, const struct mr_name_entry *entry, unsigned rank,
			    struct mr_json_node value)
{
	if (entry->child == MR_NAMES_PROPERTIES && rank == 1 && walk->level == 0)
		walk->flatten->properties = value;
}

static struct mr_json_node put_object_carefully(struct walk *walk, uint32_t names, unsigned rank,
						struct mr_json_node node, struct mr_named *named)
{
	find_last(walk, names, node);
	struct mr_json_node at = mr_json_inside(node);
	uint32_t end = mr_json_end(walk->reader, node);
	uint32_t count = 0;
	while (at.index < end) {
		struct mr_slice key = mr_json_string(walk->reader, at);
		struct mr_json_node value = mr_json_member(at);
		struct mr_json_node behind;
		struct mr_name_entry *entry =
		    mr_names_find(walk->flatten->names, names, key, walk->flatten->since);
		count++;
		if (named != NULL)
			named_note(named, key, value);
		if (entry != NULL && entry->last == count) {
			note_properties(walk, entry, rank, value);
			behind = put(walk, entry, rank, value);
		} else {
			behind = mr_json_behind(walk->reader, value);
		}
		at = mr_json_next(behind);
	}
	return mr_json_leave(node, at, end);
}

/* Two members of one object may ask for one entry, by keys that differ in case. */
static void note_met(struct mr_flatten *flatten, uint64_t *seen, uint64_t object)
{
	flatten->odd.twice |= *seen == object;
	*seen = object;
}

/* A member that something is asked for under. `alias`: the object is an envelope's properties. */
static struct mr_json_node put_member(struct walk *walk, const struct mr_name_slot *slot,
				      unsigned rank, struct mr_json_node value, uint64_t object,
				      bool alias)
{
	struct mr_flatten *flatten = walk->flatten;
	struct mr_json_node behind = value;
	if (slot->entry != 0) {
		struct mr_name_entry *entry = mr_names_entry(flatten->names, slot->entry);
		note_met(flatten, &entry->seen, object);
		note_properties(walk, entry, rank, value);
		behind = put(walk, entry, rank, value);
	}
	if (alias && slot->alias != 0) {
		/* The root object, which has entries of its own to note, is still open. */
		struct mr_name_entry *entry = mr_names_entry(flatten->names, slot->alias);
		note_met(flatten, &entry->seen_alias, object);
		behind = put(walk, entry, ALIAS_RANK + 1, value);
	}
	return behind.index != value.index ? behind : mr_json_behind(walk->reader, value);
}

/* Every member that a name asks for. Gives what is behind the object. */
static struct mr_json_node put_object(struct walk *walk, uint32_t names, unsigned rank,
				      struct mr_json_node node, struct mr_named *named)
{
	struct mr_flatten *flatten = walk->flatten;
	const struct mr_json_reader *reader = walk->reader;
	if (flatten->careful)
		return put_object_carefully(walk, names, rank, node, named);
	uint64_t object = ++flatten->object;
	uint32_t *guess = flatten->names->first[names];
	bool alias = walk->level == 0 && node.index == flatten->properties.index;
	struct mr_json_node at = mr_json_inside(node);
	uint32_t end = mr_json_end(reader, node);
	while (at.index < end) {
		struct mr_slice key = mr_json_string(reader, at);
		struct mr_json_node value = mr_json_member(at);
		struct mr_name_slot *slot = mr_names_member(
		    flatten->names, guess, names, key, object, flatten->since, &flatten->odd.twice);
		guess = slot->next;
		if (named != NULL)
			named_note(named, key, value);
		if ((slot->entry | slot->alias) == 0)
			at = mr_json_next(mr_json_behind(reader, value));
		else
			at = mr_json_next(put_member(walk, slot, rank, value, object, alias));
	}
	return mr_json_leave(node, at, end);
}

/* ---- arrays ---- */

/* What an array, with the arrays in it, was seen to hold. */
struct contents {
	bool objects;
	bool scalars;
};

static bool is_named(const struct walk *walk, const struct mr_named *named)
{
	return named->name.index != 0 &&
	       (named->value.index | named->old_value.index | named->new_value.index) != 0 &&
	       mr_json_kind(walk->reader, named->name) == MR_JSON_STRING;
}

static struct mr_json_node put_elements(struct walk *walk, const struct mr_name_entry *entry,
					unsigned rank, struct mr_json_node array,
					struct contents *contents)
{
	struct mr_json_node at = mr_json_inside(array);
	uint32_t end = mr_json_end(walk->reader, array);
	while (at.index < end) {
		struct mr_json_node behind;
		struct mr_named named = {0};
		switch (mr_json_type(walk->reader, at)) {
		case 'n':
			behind = mr_json_behind(walk->reader, at);
			break;
		case '[':
			behind = put_elements(walk, entry, rank, at, contents);
			break;
		case '{':
			contents->objects = true;
			if (entry->child == 0) {
				behind = mr_json_behind_container(walk->reader, at);
				break;
			}
			behind = put_object(walk, entry->child, rank + 1, at, &named);
			if (is_named(walk, &named))
				decide(walk, &(struct mr_deed){.what = MR_DEED_NAMED,
							       .rank = (uint16_t)(rank + 1),
							       .names = entry->child,
							       .named = named});
			break;
		default:
			contents->scalars = true;
			behind = put(walk, entry, rank, at);
		}
		at = mr_json_next(behind);
	}
	return mr_json_leave(array, at, end);
}

/* Gives what is behind the array. */
static struct mr_json_node put_array(struct walk *walk, const struct mr_name_entry *entry,
				     unsigned rank, struct mr_json_node node)
{
	struct contents contents = {0};
	struct mr_json_node behind = put_elements(walk, entry, rank, node, &contents);
	if (entry->field != 0 && contents.objects)
		decide_raw(walk, entry->field, rank, node, behind);
	else if (entry->field != 0 && !contents.scalars)
		decide(walk, &(struct mr_deed){.what = MR_DEED_NULL,
					       .rank = (uint16_t)rank,
					       .field = entry->field});
	return behind;
}

/* ---- a Windows event ---- */

/* What answers to a name of the body or the header as well. */
struct answers {
	struct walk *walk;
	unsigned rank; /* of what comes next: who came before wins */
};

static unsigned next_rank(struct answers *answers)
{
	return answers->rank < RANK_MOST ? answers->rank++ : RANK_MOST;
}

static void answer_object(void *context, struct mr_json_node object)
{
	struct answers *answers = context;
	put_object(answers->walk, MR_NAMES_ROOT, next_rank(answers), object, NULL);
}

static void answer_field(void *context, struct mr_slice name, struct mr_json_node value)
{
	struct answers *answers = context;
	put_below(answers->walk, MR_NAMES_ROOT, name, next_rank(answers), value);
}

static void answer_named(void *context, struct mr_json_node name, struct mr_json_node value)
{
	struct answers *answers = context;
	decide(answers->walk, &(struct mr_deed){.what = MR_DEED_BELOW,
						.rank = (uint16_t)next_rank(answers),
						.names = MR_NAMES_ROOT,
						.named = {.name = name, .value = value}});
}

static void put_event(struct walk *walk, struct mr_json_node root)
{
	struct answers answers = {walk, ALIAS_RANK + 1};
	const struct mr_event_log_sink sink = {&answers, answer_object, answer_field, answer_named};
	mr_event_log_walk(walk->reader, root, &sink);
}

/* ---- the plan of a shape ---- */

static void act(struct walk *walk, struct mr_deed *deed)
{
	switch (deed->what) {
	case MR_DEED_STRING:
		add_string(walk, deed->field, deed->rank, deed->node);
		break;
	case MR_DEED_SCALAR:
		add_scalar(walk, deed->field, deed->rank, deed->node);
		break;
	case MR_DEED_NULL:
		add_null(walk, deed->field, deed->rank);
		break;
	case MR_DEED_RAW:
		add_raw(walk, deed->field, deed->rank,
			mr_json_between(walk->reader, deed->node, deed->behind));
		break;
	case MR_DEED_OPENED:
		put_opened(walk, deed->names, deed->rank, deed->node);
		break;
	case MR_DEED_NAMED: {
		struct walk own = *walk;
		own.plan = NULL;
		put_named(&own, deed->names, deed->rank, &deed->named, &deed->guess);
		break;
	}
	case MR_DEED_BELOW: {
		struct walk own = *walk;
		own.plan = NULL;
		put_below(&own, deed->names, mr_json_string(walk->reader, deed->named.name),
			  deed->rank, deed->named.value);
	}
	}
}

static inline void fill_kept(struct walk *walk, const struct mr_kept *kept, struct mr_value *value)
{
	if (__builtin_expect(kept->what == MR_DEED_STRING, 1)) {
		fill_string(walk, kept->node, value);
		return;
	}
	switch (kept->what) {
	case MR_DEED_SCALAR:
		fill_scalar(walk, kept->node, value);
		break;
	case MR_DEED_NULL:
		*value = (struct mr_value){.type = MR_NULL};
		break;
	default:
		fill_raw(mr_json_between_tokens(walk->reader, kept->node.token, kept->node.index),
			 value);
	}
}

/* The event has no value yet. */
static void put_kept(struct walk *walk, const struct mr_plan *plan)
{
	struct mr_events *events = walk->events;
	struct mr_value *value = mr_event_room(events, plan->kept_count);
	uint32_t *restrict first = walk->event->first;
	uint32_t *restrict last = walk->event->last;
	uint32_t number = events->value_count;
	const struct mr_kept *end = plan->kept + plan->kept_count;
	for (const struct mr_kept *kept = plan->kept; kept < end; kept++, value++) {
		number++;
		first[kept->field] = number - kept->before;
		last[kept->field] = number;
		fill_kept(walk, kept, value);
		value->next = kept->more ? number + 1 : 0;
	}
	events->value_count = number;
}

/* ---- the record ---- */

static void put_record(struct walk *walk, struct mr_json_node root)
{
	struct mr_flatten *flatten = walk->flatten;
	flatten->since = flatten->object + 1;
	flatten->properties = (struct mr_json_node){0};
	put_object(walk, MR_NAMES_ROOT, 1, root, NULL);
	/* Properties that are no object, or were walked with care, have not answered yet. */
	struct mr_json_node properties = flatten->properties;
	flatten->properties = (struct mr_json_node){0};
	if (properties.index != 0 &&
	    (flatten->careful || mr_json_type(walk->reader, properties) != '{'))
		put(walk, &(struct mr_name_entry){.child = MR_NAMES_ROOT}, ALIAS_RANK, properties);
	if (walk->event->kind == MR_KIND_DECLARED)
		put_event(walk, root);
}

/* By the shape's plan, which is made where there is none yet. */
static void put_by_plan(struct walk *walk, struct mr_json_node root)
{
	struct mr_flatten *flatten = walk->flatten;
	bool declared = walk->event->kind == MR_KIND_DECLARED;
	struct mr_plan *plan = &flatten->plans[declared][walk->reader->shape_slot];
	if (walk->reader->shape == 0) {
		put_record(walk, root);
	} else if (plan->shape == walk->reader->shape) {
		flatten->since = ++flatten->object;
		put_kept(walk, plan);
		for (uint32_t i = 0; i < plan->count; i++)
			act(walk, &plan->deeds[i]);
		flatten->known = &plan->known;
	} else {
		plan->count = 0;
		walk->plan = plan;
		put_record(walk, root);
		mr_plan_settle(plan, flatten->names, flatten->standings, flatten->field_count);
		plan->shape = flatten->odd.twice ? 0 : walk->reader->shape;
		walk->plan = NULL;
	}
}

void mr_flatten_record(struct mr_flatten *flatten, const struct mr_json_reader *reader,
		       struct mr_json_node root, struct mr_events *events, struct mr_event *event,
		       struct mr_odd *odd)
{
	struct walk walk = {flatten, reader, events, event, 0, NULL};
	uint32_t value_count = events->value_count;
	flatten->odd = (struct mr_odd){0};
	flatten->careful = false;
	flatten->known = NULL;
	put_by_plan(&walk, root);
	if (flatten->odd.twice) {
		flatten->known = NULL;
		memset(event->first, 0, events->stride * sizeof *event->first);
		events->value_count = value_count;
		flatten->odd = (struct mr_odd){0};
		flatten->careful = true;
		put_record(&walk, root);
	}
	odd->repaired |= flatten->odd.repaired;
	odd->twice |= flatten->odd.twice;
}

struct mr_known *mr_flatten_known(struct mr_flatten *flatten)
{
	return flatten->known;
}
