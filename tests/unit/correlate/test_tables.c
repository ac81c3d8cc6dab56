/* The tables of keys and slots: what is found while others come and go. */
#include "harness.h"
#include "key.h"
#include "state.h"

#define KEYS 3000
#define SLOTS 40
#define HOUR INT64_C(3600000000)

struct tables {
	struct mr_fields *fields;
	struct mr_catalog catalog;
	struct house house;
	struct corr *corr;
	const struct corr_rule *rule;
};

static void tables_open(struct tables *tables)
{
	static const uint32_t list[] = {0};
	*tables = (struct tables){.fields = mr_fields_new()};
	mr_field group = mr_fields_add(tables->fields, MR_SLICE("group"));
	catalog_add(&tables->catalog, MR_RULE_DETECTION);
	uint32_t index = catalog_correlation(&tables->catalog, MR_CORRELATION_EVENT_COUNT, list, 1,
					     HOUR, 1000, group, 0);
	house_open(&tables->house, &tables->catalog, tables->fields, 1, false);
	tables->corr = tables->house.states[0][0];
	tables->rule = &tables->corr->rules[index];
}

/* Closing asserts that all bytes that were counted were given back. */
static void tables_close(struct tables *tables)
{
	house_close(&tables->house);
	mr_catalog_fini(&tables->catalog);
	mr_fields_free(tables->fields);
}

/* All in one key group, so that they stand in each other's way. */
static struct corr_key *key_of(struct tables *tables, uint32_t number)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", number);
	struct mr_slice key = mr_slice(text);
	return key_get(tables->corr, 7, tables->rule, "tenant", key);
}

static void keys_are_found_while_others_go(void **state)
{
	static struct corr_key *keys[KEYS];
	struct tables tables;
	(void)state;
	tables_open(&tables);
	const struct corr_group *group = &tables.corr->groups[7];
	for (uint32_t i = 0; i < KEYS; i++) {
		keys[i] = key_of(&tables, i);
		corr_slot_get(tables.corr, keys[i], 1);
	}
	for (uint32_t step = 2; step <= 7; step++) {
		for (uint32_t i = 0; i < KEYS; i += step) {
			if (keys[i] != NULL)
				corr_key_drop(tables.corr, keys[i]);
			keys[i] = NULL;
		}
		uint32_t left = 0;
		for (uint32_t i = 0; i < KEYS; i++) {
			assert_true(keys[i] == NULL || key_of(&tables, i) == keys[i]);
			left += keys[i] != NULL;
		}
		assert_int_equal(group->key_count, left);
	}
	tables_close(&tables);
}

static bool is_odd(const struct corr *corr, const struct corr_slot *slot)
{
	(void)corr;
	return slot->number % 2 != 0;
}

static bool is_even(const struct corr *corr, const struct corr_slot *slot)
{
	return !is_odd(corr, slot);
}

static bool is_before_last(const struct corr *corr, const struct corr_slot *slot)
{
	(void)corr;
	return slot->number < SLOTS - 2;
}

/* One slot lies in its key and in no table; the second one takes both there. */
static void slots_are_found_as_they_come_and_go(void **state)
{
	struct tables tables;
	(void)state;
	tables_open(&tables);
	struct corr_key *key = key_of(&tables, 0);
	const struct corr_group *group = &tables.corr->groups[7];
	assert_ptr_equal(corr_slot_get(tables.corr, key, 1), &key->own);
	assert_int_equal(group->slot_count, 0);
	assert_null(corr_slot_find(tables.corr, key, 2));
	for (int64_t number = 0; number < SLOTS; number++)
		assert_int_equal(corr_slot_get(tables.corr, key, number)->number, number);
	assert_int_equal(group->slot_count, SLOTS);
	assert_true(corr_key_sweep(tables.corr, key, is_odd));
	for (int64_t number = 0; number < SLOTS; number++) {
		const struct corr_slot *slot = corr_slot_find(tables.corr, key, number);
		assert_int_equal(slot != NULL, number % 2 == 0);
	}
	/* The key's own place is free again, and is taken first. */
	struct corr_slot *next = corr_slot_get(tables.corr, key, SLOTS + 1);
	assert_ptr_equal(next, &key->own);
	assert_ptr_equal(corr_slot_find(tables.corr, key, SLOTS + 1), next);
	assert_true(corr_key_sweep(tables.corr, key, is_before_last));
	assert_int_equal(group->slot_count, 2);
	assert_ptr_equal(corr_slot_get(tables.corr, key, SLOTS)->next, next);
	assert_ptr_equal(next->previous, corr_slot_find(tables.corr, key, SLOTS));
	tables_close(&tables);
}

static bool is_of_a_third(const struct corr *corr, const struct corr_slot *slot)
{
	(void)corr;
	return slot->key->hash % 3 == 0;
}

/* A key that goes lets another one into its place, which is looked at, too. */
static void none_is_passed_over(void **state)
{
	struct tables tables;
	(void)state;
	tables_open(&tables);
	struct corr_group *group = &tables.corr->groups[7];
	for (uint32_t i = 0; i < KEYS; i++)
		corr_slot_get(tables.corr, key_of(&tables, i), 1);
	corr_group_sweep(tables.corr, group, is_of_a_third);
	uint32_t left = 0;
	for (uint32_t i = 0; i < group->key_places; i++) {
		const struct corr_key *key = group->keys[i].key;
		assert_true(key == NULL || key->hash % 3 != 0);
		left += key != NULL;
	}
	assert_int_equal(group->key_count, left);
	assert_in_range(left, KEYS / 2, KEYS - KEYS / 4);
	tables_close(&tables);
}

/* As a snapshot does. */
static void reserved_places_hold_what_comes(void **state)
{
	struct tables tables;
	(void)state;
	tables_open(&tables);
	struct corr_group *group = &tables.corr->groups[7];
	corr_group_reserve(tables.corr, group, KEYS);
	uint32_t places = group->key_places;
	const struct corr_key_place *keys = group->keys;
	assert_true((uint64_t)places * 3 >= KEYS * UINT64_C(4));
	for (uint32_t i = 0; i < KEYS; i++)
		corr_slot_get(tables.corr, key_of(&tables, i), 1);
	assert_int_equal(group->key_places, places);
	assert_ptr_equal(group->keys, keys);
	corr_group_reserve(tables.corr, group, 0);
	assert_ptr_equal(group->keys, keys);
	tables_close(&tables);
}

/* A slot that lies in its key takes no memory of its own, and frees none. */
static void a_slot_in_its_key_frees_nothing(void **state)
{
	struct tables tables;
	(void)state;
	tables_open(&tables);
	struct corr_key *key = key_of(&tables, 0);
	struct corr_slot *own = corr_slot_get(tables.corr, key, 1);
	struct corr_slot *other = corr_slot_get(tables.corr, key, 2);
	assert_ptr_equal(own, &key->own);
	assert_int_equal(corr_slot_frees(own), 0);
	size_t before = tables.corr->bytes, frees = corr_slot_frees(other);
	assert_true(frees >= sizeof(*other));
	assert_true(corr_key_sweep(tables.corr, key, is_even));
	assert_int_equal(tables.corr->bytes, before - frees);
	tables_close(&tables);
}

/* What it holds is looked at no more; the second close gives it back. */
static void what_ends_with_the_process_is_left(void **state)
{
	struct tables tables;
	(void)state;
	tables_open(&tables);
	struct corr_key *key = key_of(&tables, 0);
	struct corr_slot *slot = corr_slot_get(tables.corr, key, 1);
	tables.house.envs[0][0].ends = true;
	mr_stage_correlate.close(tables.corr);
	assert_ptr_equal(key_of(&tables, 0), key);
	assert_ptr_equal(corr_slot_find(tables.corr, key, 1), slot);
	tables.house.envs[0][0].ends = false;
	tables_close(&tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_are_found_while_others_go),
	    cmocka_unit_test(slots_are_found_as_they_come_and_go),
	    cmocka_unit_test(none_is_passed_over),
	    cmocka_unit_test(reserved_places_hold_what_comes),
	    cmocka_unit_test(a_slot_in_its_key_frees_nothing),
	    cmocka_unit_test(what_ends_with_the_process_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
