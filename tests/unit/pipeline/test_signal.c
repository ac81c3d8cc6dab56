/* test_signal.c - what is done to texts before a signal takes them, and what they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "millrace/signal.h"

/* Characters of one to four bytes, the cut at each of their bytes. */
static void a_long_shown_text_is_cut_between_characters(void **state)
{
	(void)state;
	static const char mark[] = "…";
	static const char *const characters[] = {"x", "é", "…", "\xf0\x9f\x98\x80"};
	struct mr_arena arena = {0};
	struct mr_buf text = {0};
	for (size_t c = 0; c < 4; c++) {
		for (int shift = 0; shift < 4; shift++) {
			text.len = 0;
			mr_buf_add(&text, "abcd", (size_t)shift);
			while (text.len <= MR_SHOWN_TEXT_MAX)
				mr_buf_add_text(&text, characters[c]);
			struct mr_slice whole = {text.data, text.len};
			struct mr_slice shown = mr_signal_shown(&arena, whole);
			size_t kept = shown.len - strlen(mark);
			assert_in_range(shown.len, MR_SHOWN_TEXT_MAX - 3, MR_SHOWN_TEXT_MAX);
			assert_memory_equal(shown.at, text.data, kept);
			assert_memory_equal(shown.at + kept, mark, strlen(mark));
			assert_true(mr_utf8_valid(shown.at, shown.len));
			whole.len = MR_SHOWN_TEXT_MAX;
			assert_ptr_equal(mr_signal_shown(&arena, whole).at, text.data);
			assert_int_equal(mr_signal_shown(&arena, whole).len, MR_SHOWN_TEXT_MAX);
		}
	}
	mr_buf_fini(&text);
	mr_arena_fini(&arena);
}

static void a_long_value_is_a_digest_that_no_text_is(void **state)
{
	(void)state;
	struct mr_arena arena = {0};
	char text[MR_VALUE_TEXT_MAX + 1], other[1000];
	memset(text, 'a', sizeof text);
	memset(other, 'a', sizeof other);
	struct mr_slice value = mr_signal_value(&arena, (struct mr_slice){text, MR_VALUE_TEXT_MAX});
	assert_ptr_equal(value.at, text);
	assert_int_equal(value.len, MR_VALUE_TEXT_MAX);
	value = mr_signal_value(&arena, (struct mr_slice){text, sizeof text});
	assert_int_equal(value.len, MR_VALUE_TEXT_MAX + 1);
	assert_memory_equal(value.at,
			    "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb", 64);
	assert_true(
	    mr_slice_eq(value, mr_signal_value(&arena, (struct mr_slice){other, sizeof text})));
	assert_false(
	    mr_slice_eq(value, mr_signal_value(&arena, (struct mr_slice){other, sizeof other})));
	/* The digest as a text of its own is another value. */
	assert_false(mr_slice_eq(value, mr_signal_value(&arena, value)));
	mr_arena_fini(&arena);
}

static struct mr_column texts_of(struct mr_arena *arena, uint32_t count)
{
	struct mr_column texts = {.count = 0};
	for (uint32_t i = 0; i < count; i++) {
		char digits[16];
		size_t len = (size_t)snprintf(digits, sizeof digits, "%u", i);
		struct mr_slice text = {mr_arena_copy(arena, digits, len), len};
		assert_int_equal(mr_column_add(&texts, arena, MR_STRING, text), i < MR_PRODUCT_MAX);
		assert_false(mr_column_add(&texts, arena, MR_STRING, text));
	}
	assert_int_equal(texts.capped, count > MR_PRODUCT_MAX);
	return texts;
}

static void texts_are_distinct_folded_and_there(void **state)
{
	(void)state;
	struct mr_arena arena = {0};
	struct mr_column texts = {.count = 0};
	assert_true(mr_column_add(&texts, &arena, MR_STRING, MR_SLICE("A")));
	assert_false(mr_column_add(&texts, &arena, MR_STRING, MR_SLICE("a")));
	assert_false(mr_column_add(&texts, &arena, MR_NULL, MR_SLICE("b")));
	assert_false(mr_column_add(&texts, &arena, MR_STRING, MR_SLICE("")));
	assert_false(mr_column_add(&texts, &arena, MR_STRING, MR_SLICE("<Null>")));
	assert_true(mr_column_add(&texts, &arena, MR_STRING, MR_SLICE("null")));
	assert_int_equal(texts.count, 2);
	assert_true(mr_slice_eq(texts.at[0], MR_SLICE("a")));
	mr_arena_fini(&arena);
}

#define NO_FIELD UINT32_MAX

/* Texts of two group-by fields and two value fields; what becomes of them. */
static const struct {
	uint32_t group[2], value[2];
	uint32_t keys, tuples, no_group_key, keys_capped;
} products[] = {
    {{NO_FIELD, NO_FIELD}, {NO_FIELD, NO_FIELD}, 1, 0, 0, 0},
    {{3, NO_FIELD}, {NO_FIELD, NO_FIELD}, 3, 0, 0, 0},
    {{3, 2}, {NO_FIELD, NO_FIELD}, 6, 0, 0, 0},
    {{8, 8}, {8, 8}, 64, 64, 0, 0},
    {{9, 8}, {NO_FIELD, NO_FIELD}, 64, 0, 0, 1},
    {{65, NO_FIELD}, {NO_FIELD, NO_FIELD}, 64, 0, 0, 1},
    {{2, NO_FIELD}, {65, 2}, 2, 64, 0, 1},
    {{65, NO_FIELD}, {65, NO_FIELD}, 64, 64, 0, 1},
    {{NO_FIELD, NO_FIELD}, {3, 2}, 1, 6, 0, 0},
    /* What is missing leaves nothing to cap. */
    {{0, NO_FIELD}, {NO_FIELD, NO_FIELD}, 0, 0, 1, 0},
    {{65, 0}, {NO_FIELD, NO_FIELD}, 0, 0, 1, 0},
    {{0, 65}, {65, NO_FIELD}, 0, 64, 1, 0},
    /* Without the value it is no occurrence that could miss its key. */
    {{0, NO_FIELD}, {0, NO_FIELD}, 0, 0, 0, 0},
    {{65, NO_FIELD}, {0, 65}, 0, 0, 0, 0},
    {{3, NO_FIELD}, {65, 0}, 0, 0, 0, 0},
};

static void a_product_is_capped_and_counted_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
		struct mr_arena arena = {0};
		struct mr_counters counters = {0};
		struct mr_tally tally = {0};
		struct mr_signal signal = {.consumer = 2};
		struct mr_column fields[4];
		for (int f = 0; f < 2 && products[i].group[f] != NO_FIELD; f++)
			fields[signal.key_count++] = texts_of(&arena, products[i].group[f]);
		for (int f = 0; f < 2 && products[i].value[f] != NO_FIELD; f++)
			fields[signal.key_count + signal.value_width++] =
			    texts_of(&arena, products[i].value[f]);
		struct mr_keys keys =
		    mr_signal_multiply(&signal, fields, &arena, &counters, &tally);
		assert_int_equal(keys.count, products[i].keys);
		assert_int_equal(signal.value_count, products[i].tuples);
		assert_int_equal(counters.at[MR_C_NO_GROUP_KEY], products[i].no_group_key);
		assert_int_equal(counters.at[MR_C_KEYS_CAPPED], products[i].keys_capped);
		assert_int_equal(tally.count, 3);
		assert_int_equal(tally.rows[0].matches, 0);
		assert_int_equal(tally.rows[2].matches, 1);
		assert_int_equal(tally.rows[2].whole, products[i].keys != 0);
		for (uint32_t f = 0; f < signal.key_count + signal.value_width; f++)
			assert_int_equal(tally.rows[2].had >> f & 1, fields[f].count != 0);
		mr_tally_fini(&tally);
		mr_arena_fini(&arena);
	}
}

static void a_product_holds_each_combination(void **state)
{
	(void)state;
	struct mr_arena arena = {0};
	struct mr_counters counters = {0};
	struct mr_signal signal = {.key_count = 2};
	struct mr_column fields[] = {texts_of(&arena, 2), texts_of(&arena, 3)};
	struct mr_tally tally = {0};
	struct mr_keys keys = mr_signal_multiply(&signal, fields, &arena, &counters, &tally);
	mr_tally_fini(&tally);
	assert_int_equal(keys.count, 6);
	for (uint32_t i = 0; i < 6; i++) {
		assert_true(mr_slice_eq(keys.at[2 * i], fields[0].at[i / 3]));
		assert_true(mr_slice_eq(keys.at[2 * i + 1], fields[1].at[i % 3]));
	}
	mr_arena_fini(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_long_shown_text_is_cut_between_characters),
	    cmocka_unit_test(a_long_value_is_a_digest_that_no_text_is),
	    cmocka_unit_test(texts_are_distinct_folded_and_there),
	    cmocka_unit_test(a_product_is_capped_and_counted_once),
	    cmocka_unit_test(a_product_holds_each_combination),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
