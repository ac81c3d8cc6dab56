/* test_packed.c - fields as they travel and are kept: checked where they lie, and read one by one.
 *
 * Bytes are decoded from heap buffers of exactly their size, so that an over-read shows under the
 * address sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "pipeline/codec.h"

static bool takes_fields(struct mr_slice block)
{
	struct mr_buf out = {0};
	struct mr_arena arena = {0};
	uint32_t count;
	mr_pack_bytes(&out, block);
	struct mr_slice bytes = exact(out.data, out.len);
	struct mr_unpack in = mr_unpack(bytes);
	const struct mr_signal_field *got = mr_unpack_fields(&in, &arena, &count);
	bool good = mr_unpack_done(&in);
	assert_true(good == (got != NULL) || block.len == 0);
	assert_true(good || count == 0);
	drop(bytes);
	mr_arena_fini(&arena);
	mr_buf_fini(&out);
	return good;
}

/* A head: id, then length and type. */
#define HEAD_INT "\x06\0\x02\x40"  /* two bytes of text */
#define HEAD_LONG "\x05\0\xff\xbf" /* a text with a length of its own */

static void fields_are_checked_byte_by_byte(void **state)
{
	(void)state;
	assert_true(takes_fields(S("")));
	assert_true(takes_fields(S("\1\0" HEAD_INT "-7")));
	assert_true(takes_fields(S("\2\0" HEAD_LONG HEAD_INT "\3\0\0\0x y-7")));
	static const struct mr_slice bad[] = {
	    C("\1"),
	    C("\0\0"),
	    C("\1\0"),
	    C("\2\0" HEAD_INT "-7"),                 /* a head is missing */
	    C("\1\0" HEAD_INT "-"),                  /* a text is cut */
	    C("\1\0" HEAD_INT "-70"),                /* something is left */
	    C("\1\0\0\0\x02\x40-7"),                 /* no field has the id 0 */
	    C("\1\0\x06\0\x02\0-7"),                 /* null is never carried */
	    C("\1\0\x06\0\x02\xe0-7"),               /* no type has this number */
	    C("\1\0" HEAD_LONG "\1\0\0"),            /* a length is cut */
	    C("\1\0" HEAD_LONG "\3\0\0\0x "),        /* its text is */
	    C("\1\0" HEAD_LONG "\xff\xff\xff\xffx"), /* it is more than there can be */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(takes_fields(bad[i]));
}

/* Several heads are looked at side by side: the wrong one is found wherever it stands. */
static void one_wrong_head_among_many_is_found(void **state)
{
	(void)state;
	static const struct mr_slice wrong[] = {C("\0\0\x02\x40"), C("\x06\0\x02\0"),
						C("\x06\0\x02\xe0"), C("\x06\0\x03\x40"),
						C("\x06\0\x01\x40")};
	for (size_t count = 1; count <= 13; count++) {
		struct mr_buf block = {0};
		mr_buf_add(&block, (char[]){(char)count, 0}, 2);
		for (size_t i = 0; i < count; i++)
			mr_buf_add(&block, HEAD_INT, 4);
		for (size_t i = 0; i < count; i++)
			mr_buf_add(&block, "-7", 2);
		struct mr_slice bytes = {block.data, block.len};
		assert_true(takes_fields(bytes));
		for (size_t at = 0; at < count; at++) {
			for (size_t w = 0; w < sizeof(wrong) / sizeof(wrong[0]); w++) {
				memcpy(block.data + 2 + at * 4, wrong[w].at, 4);
				assert_false(takes_fields(bytes));
			}
			memcpy(block.data + 2 + at * 4, HEAD_INT, 4);
		}
		mr_buf_fini(&block);
	}
}

static void no_more_fields_than_a_signal_has(void **state)
{
	(void)state;
	struct mr_buf block = {0};
	size_t most = MR_SIGNAL_FIELDS_MAX;
	mr_buf_add(&block, (char[]){(char)most, (char)(most >> 8)}, 2);
	for (size_t i = 0; i < most; i++)
		mr_buf_add(&block, "\x05\0\0\xa0", 4);
	assert_true(takes_fields((struct mr_slice){block.data, block.len}));
	block.data[0]++;
	mr_buf_add(&block, "\x05\0\0\xa0", 4);
	assert_false(takes_fields((struct mr_slice){block.data, block.len}));
	mr_buf_fini(&block);
}

/* A text of 8,191 bytes is the first with a length of its own. */
static void fields_of_every_length(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 1, 255, 256, 8190, 8191, 8192, 65536};
	enum { COUNT = sizeof(lengths) / sizeof(lengths[0]) };
	struct mr_signal_field want[COUNT];
	char *text = calloc(1, 65536);
	for (size_t i = 0; i < COUNT; i++)
		want[i] = (struct mr_signal_field){(mr_field)(MR_FIELDS_MAX - i),
						   i % 2 == 0 ? MR_JSON : MR_BOOL,
						   {text, lengths[i]}};
	memset(text, 'x', 65536);
	struct mr_buf out = {0};
	struct mr_arena arena = {0};
	uint32_t count;
	mr_pack_fields(&out, want, COUNT, NULL);
	struct mr_slice bytes = exact(out.data, out.len);
	struct mr_unpack in = mr_unpack(bytes);
	const struct mr_signal_field *got = mr_unpack_fields(&in, &arena, &count);
	assert_true(mr_unpack_done(&in));
	assert_int_equal(count, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(got[i].field, want[i].field);
		assert_int_equal(got[i].type, want[i].type);
		assert_slice(got[i].text, want[i].text);
	}
	struct mr_packing packing = {0};
	for (size_t i = 0; i < COUNT; i++)
		assert_true(mr_packing_add(&packing, want[i].field, want[i].type, want[i].text));
	struct mr_packed made[] = {mr_fields_pack(&arena, want, COUNT),
				   mr_packing_end(&packing, &arena)};
	for (size_t i = 0; i < 2; i++) {
		struct mr_buf again = {0};
		mr_pack_fields(&again, NULL, COUNT, &made[i]);
		assert_int_equal(made[i].highest, MR_FIELDS_MAX);
		assert_int_equal(again.len, out.len);
		assert_memory_equal(again.data, out.data, out.len);
		mr_buf_fini(&again);
	}
	mr_packing_fini(&packing);
	drop(bytes);
	mr_arena_fini(&arena);
	mr_buf_fini(&out);
	free(text);
}

static void fields_are_added_one_by_one(void **state)
{
	(void)state;
	struct mr_arena arena = {0};
	struct mr_packing packing = {0};
	assert_int_equal(mr_packing_end(&packing, &arena).bytes.len, 0);
	assert_true(mr_packing_add(&packing, 5, MR_STRING, S("x y")));
	assert_true(mr_packing_has(&packing, 5));
	assert_false(mr_packing_has(&packing, 6));
	while (mr_packing_add(&packing, 6, MR_INT, S("-7")))
		;
	struct mr_packed packed = mr_packing_end(&packing, &arena);
	assert_int_equal(packed.count, MR_SIGNAL_FIELDS_MAX);
	assert_int_equal(packed.highest, 6);
	assert_true(takes_fields(packed.bytes));
	mr_packing_begin(&packing);
	assert_false(mr_packing_has(&packing, 6));
	assert_int_equal(mr_packing_end(&packing, &arena).count, 0);
	mr_packing_fini(&packing);
	mr_arena_fini(&arena);
}

static void a_set_has_what_was_gathered(void **state)
{
	(void)state;
	struct mr_arena arena = {0};
	struct mr_signal_field fields[] = {
	    {1, MR_INT, {"1", 1}}, {64, MR_STRING, {"", 0}}, {MR_FIELDS_MAX, MR_BOOL, {"true", 4}}};
	uint64_t set[MR_FIELD_SET_WORDS] = {0};
	struct mr_packed all = mr_fields_pack(&arena, fields, 3);
	struct mr_packed some = mr_fields_pack(&arena, fields, 2);
	struct mr_packed none = {0};
	assert_true(mr_packed_within(none.bytes, set));
	assert_false(mr_packed_within(some.bytes, set));
	mr_packed_gather(none.bytes, set);
	mr_packed_gather(some.bytes, set);
	assert_true(mr_packed_within(some.bytes, set));
	assert_false(mr_packed_within(all.bytes, set));
	mr_packed_gather(all.bytes, set);
	assert_true(mr_packed_within(all.bytes, set));
	int bits = 0;
	for (size_t i = 0; i < MR_FIELD_SET_WORDS; i++)
		bits += __builtin_popcountll(set[i]);
	assert_int_equal(bits, 3);
	mr_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_are_checked_byte_by_byte),
	    cmocka_unit_test(one_wrong_head_among_many_is_found),
	    cmocka_unit_test(fields_are_added_one_by_one),
	    cmocka_unit_test(a_set_has_what_was_gathered),
	    cmocka_unit_test(no_more_fields_than_a_signal_has),
	    cmocka_unit_test(fields_of_every_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
