/* sigma_place.c - where detections hold the fields that correlations name, and that alerts show.
 *
 * Called by sigma_correlation.c when the catalog's fields are known; nothing here fails. What a
 * mapping does to a test is in sigma_mapping.c; here is what it does to a value. */
#include <stdlib.h>

#include "sigma_mapping.h"

static struct mr_texts where_texts(struct sigma_builder *load, const struct mr_yaml *values)
{
	struct mr_texts texts = {0};
	bool list = values->kind == MR_YAML_LIST;
	texts.count = list ? values->count : 1;
	texts.items = mr_arena_alloc(load->arena, texts.count * sizeof *texts.items);
	for (uint32_t i = 0; i < texts.count; i++)
		texts.items[i] = list ? values->items[i]->text : values->text;
	return texts;
}

/* 0 where the dictionary is full: the record then lacks it. */
static mr_field add_name(struct sigma_builder *load, struct mr_slice name)
{
	return name.len == 0 ? 0 : mr_fields_add(load->fields, name);
}

struct places {
	mr_field *names; /* that correlations ask for, none twice */
	uint32_t name_count;
	uint32_t capacity;
};

static void add_place(struct sigma_builder *load, struct places *places, uint32_t rule,
		      const struct sigma_view *view, struct mr_slice name)
{
	struct sigma_mapped slots[SIGMA_SLOTS_MAX];
	struct sigma_set *set = load->set;
	struct sigma_place place = {
	    .rule = rule, .name = mr_fields_find(load->fields, name), .kinds = view->kinds};
	if (view->where != NULL && !view->declared) {
		place.where = add_name(load, view->where->keys[0]->text);
		place.texts = where_texts(load, view->where->items[0]);
	}
	uint32_t count = sigma_view_slots(load, view, name, slots);
	for (uint32_t i = 0; i < count; i++) {
		if (slots[i].derived)
			continue; /* other than the value that the rule means */
		place.slots[place.slot_count++] = (struct sigma_slot){
		    add_name(load, slots[i].field), add_name(load, slots[i].when), slots[i].text,
		    add_name(load, slots[i].otherwise)};
	}
	if (set->place_count == places->capacity) {
		places->capacity = (uint32_t)mr_grow(places->capacity, set->place_count + 1u);
		struct sigma_place *items =
		    mr_arena_alloc(load->arena, places->capacity * sizeof *items);
		if (set->place_count > 0)
			memcpy(items, set->places, set->place_count * sizeof *items);
		set->places = items;
	}
	set->places[set->place_count++] = place;
}

static void ask(struct places *places, bool *asked, const mr_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fields[i] == 0 || asked[fields[i]])
			continue;
		asked[fields[i]] = true;
		places->names[places->name_count++] = fields[i];
	}
}

/* What correlations ask for, and of which detections. */
static void find_asked(struct sigma_builder *load, const struct sigma_sources *correlations,
		       struct places *places)
{
	bool *asked = mr_calloc(MR_FIELDS_MAX + 1, sizeof *asked);
	places->names = mr_arena_alloc(load->arena, (MR_FIELDS_MAX + 1) * sizeof *places->names);
	for (uint32_t i = 0; i < correlations->count; i++) {
		const struct sigma_source *source = correlations->items[i];
		if (source->refused)
			continue;
		const struct mr_rule *rule = &load->set->catalog.rules[source->index];
		ask(places, asked, rule->group_fields,
		    (size_t)rule->rule_count * rule->group_by.count);
		ask(places, asked, rule->value_fields,
		    (size_t)rule->rule_count * rule->fields.count);
		for (uint32_t r = 0; r < rule->rule_count; r++)
			source->refers[r]->correlated = true;
	}
	free(asked);
}

static void add_places(struct sigma_builder *load, struct places *places,
		       const struct sigma_source *source, mr_field field)
{
	struct mr_slice name = mr_fields_name(load->fields, field);
	for (uint32_t v = 0; v < source->view_count; v++) {
		if (sigma_view_moves(load, source->views[v], name))
			add_place(load, places, source->index, source->views[v], name);
	}
}

static bool has_places(const struct sigma_builder *load, const struct sigma_source *source,
		       mr_field field)
{
	for (uint32_t i = source->first_place; i < load->set->place_count; i++) {
		if (load->set->places[i].name == field)
			return true;
	}
	return false;
}

/* Behind those that correlations ask for, which alone give state its meaning. */
static void add_shown(struct sigma_builder *load, struct places *places,
		      const struct sigma_source *source)
{
	struct mr_rule *rule = &load->set->catalog.rules[source->index];
	rule->shown_fields =
	    mr_arena_alloc(load->arena, (rule->shown.count + 1u) * sizeof *rule->shown_fields);
	for (uint32_t i = 0; i < rule->shown.count; i++) {
		mr_field field = add_name(load, rule->shown.items[i]);
		rule->shown_fields[i] = field;
		if (field != 0 && !has_places(load, source, field))
			add_places(load, places, source, field);
	}
}

void sigma_places_make(struct sigma_builder *load, const struct sigma_sources *detections,
		       const struct sigma_sources *correlations)
{
	struct places places = {0};
	find_asked(load, correlations, &places);
	for (uint32_t i = 0; i < detections->count; i++) {
		struct sigma_source *source = detections->items[i];
		if (source->refused)
			continue;
		source->first_place = load->set->place_count;
		for (uint32_t n = 0; n < places.name_count && source->correlated; n++)
			add_places(load, &places, source, places.names[n]);
		source->place_count = load->set->place_count - source->first_place;
		add_shown(load, &places, source);
	}
}
