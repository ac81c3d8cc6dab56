/* test_json_shape.c - documents known by what stands between their values: found where they are
 * alike, not where they are not, with simdjson's tokens, by each processor's way of looking. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>

#include <cmocka.h>

#include "json_shape.h"
#include "millrace/json.h"

#define DOC_MAX (1u << 16)
#define ROOM (DOC_MAX + MR_JSON_PADDING + 16)

/* Behind a document stand quotes: the worst that can. */
static char text[ROOM];
static struct mr_json_reader *reader;
static uint32_t tokens[ROOM], other_tokens[ROOM];

static struct mr_slice document(const char *bytes, size_t len)
{
	assert_true(len <= DOC_MAX);
	memmove(text, bytes, len);
	memset(text + len, '"', MR_JSON_PADDING);
	return (struct mr_slice){text, len};
}

static bool is_json(struct mr_slice doc)
{
	struct mr_json_node root;
	return mr_json_read(reader, doc, &root, NULL) == MR_OK;
}

static uint32_t token_count(size_t len)
{
	uint32_t count = 0;
	while (reader->positions[count] < len)
		count++;
	return count;
}

static const struct json_shape *learn(struct json_shapes *shapes, const char *bytes)
{
	struct mr_slice doc = document(bytes, strlen(bytes));
	assert_true(is_json(doc));
	return json_shapes_learn(shapes, doc.at, reader->positions, token_count(doc.len),
				 reader->tape);
}

static struct json_shape *find(struct json_shapes *shapes, const char *bytes,
			       struct json_seen *seen_out)
{
	return json_shapes_find(shapes, document(bytes, strlen(bytes)), tokens, seen_out);
}

static bool has_avx2(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx2");
#else
	return false;
#endif
}

static void tokens_are_simdjsons(size_t len)
{
	assert_true(is_json((struct mr_slice){text, len}));
	uint32_t count = token_count(len);
	for (uint32_t i = 0; i <= count; i++)
		assert_int_equal(tokens[i], reader->positions[i]);
}

/* ---- what is found ---- */

static const char *const ways_to_write[] = {
    "{\"a\":\"b\",\"n\":1,\"t\":true,\"z\":null,\"o\":{\"s\":\"t\"},\"l\":[]}",
    "{\"a\":\"b\",\"n\":1,\"t\":true,\"z\":null,\"o\":{\"s\":\"t\"},\"l\":[1]}",
    "{\"a\":\"b\",\"n\":1,\"t\":\"x\",\"z\":null}",
    "{\"a\":\"b\",\"n\":null}",
    "{ \"a\" : \"b\" , \"n\" : 1 , \"t\" : \"x\" }  ",
    "{\"eleven letters and many more, beyond a piece of text\":\"b\"}",
    "{\"a\":[[[[[[[{\"b\":[[]]}]]]]]]],\"c\":{},\"d\":[{},{},{},{}],\"e\":1}",
    "{}",
};

static const struct {
	const char *doc;
	int like;         /* index above; -1: none */
	uint32_t escaped; /* strings with a backslash */
} docs[] = {
    {"{\"a\":\"\",\"n\":12345678901,\"t\":false,\"z\":null,\"o\":{\"s\":\"longer than one piece of "
     "text is, by "
     "far, and longer\"},\"l\":[]}",
     0, 0},
    {"{\"a\":\"b\",\"n\":-1.5e3,\"t\":true,\"z\":null,\"o\":{\"s\":\"\\\"\\\\\"},\"l\":[0]}", 1, 1},
    {"{\"a\":\"b\",\"n\":1,\"t\":\"\",\"z\":null}", 2, 0},
    {"{\"a\":\"b\",\"n\":null}", 3, 0},
    {"  {\"a\":\"b\",\"n\":null}", 3, 0},
    {"{ \"a\" : \"c\" , \"n\" : 2 , \"t\" : \"y\" }  ", 4, 0},
    {"{\"eleven letters and many more, beyond a piece of text\":\"c\"}", 5, 0},
    {"{\"a\":[[[[[[[{\"b\":[[]]}]]]]]]],\"c\":{},\"d\":[{},{},{},{}],\"e\":12}", 6, 0},
    {"{}", 7, 0},
    /* One byte is another, is missing, or is too many. */
    {"{\"a\":\"b\",\"m\":null}", -1, 0},
    {"{\"a\":\"b\",\"n\":null} ", -1, 0},
    {"{\"a\":\"b\",\"n\":null", -1, 0},
    {"{\"a\":\"b\",\"n\":1}", -1, 0},
    {"{\"a\":\"b\",\"n\":1 ,\"t\":\"x\",\"z\":null}", -1, 0},
    {"{\"a\":\"b\",\"n\":1,\"t\":\"x\",\"z\":0}", -1, 0},
    {"{\"a\":\"b\x1f\",\"n\":null}", -1, 0},
    {"{\"a\":\"b", -1, 0},
    {"{\"a\":\"b\\", -1, 0},
    {"{\"eleven letters and many more, beyond a piece of text,\":\"c\"}", -1, 0},
    {"{\"eleven letters and many more, beyond a piece of texT\":\"c\"}", -1, 0},
    {"[]", -1, 0},
    {"", -1, 0},
};

static void documents_are_found_by_their_gaps(bool avx2)
{
	struct json_shapes *shapes = json_shapes_new(avx2);
	const struct json_shape *known[sizeof ways_to_write / sizeof *ways_to_write];
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		known[i] = learn(shapes, ways_to_write[i]);
		assert_non_null(known[i]);
		assert_null(learn(shapes, ways_to_write[i]));
	}
	for (size_t i = 0; i < sizeof docs / sizeof *docs; i++) {
		struct json_seen seen;
		const struct json_shape *shape = find(shapes, docs[i].doc, &seen);
		assert_ptr_equal(shape, docs[i].like < 0 ? NULL : known[docs[i].like]);
		if (shape == NULL)
			continue;
		assert_int_equal(seen.escaped_count, docs[i].escaped);
		tokens_are_simdjsons(strlen(docs[i].doc));
	}
	json_shapes_free(shapes);
}

static void documents_are_found_with_avx2(void **state)
{
	(void)state;
	if (!has_avx2())
		skip();
	documents_are_found_by_their_gaps(true);
}

static void documents_are_found_without_avx2(void **state)
{
	(void)state;
	documents_are_found_by_their_gaps(false);
}

static void what_is_not_ascii_is_seen(void **state)
{
	(void)state;
	for (int avx2 = 0; avx2 <= has_avx2(); avx2++) {
		struct json_shapes *shapes = json_shapes_new(avx2);
		struct json_seen seen;
		assert_non_null(learn(shapes, "{\"a\":\"b\"}"));
		assert_non_null(find(shapes, "{\"a\":\"bcdefghijklmnopqrstuvwxyz\"}", &seen));
		assert_false(seen.high);
		assert_non_null(find(shapes, "{\"a\":\"\xc3\xa9\"}", &seen));
		assert_true(seen.high);
		json_shapes_free(shapes);
	}
}

/* ---- values that stay the same ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 33) % limit);
}

#define OFTEN 64 /* more documents than it takes for their values to be known as such */
#define STEADY                                                                                     \
	"{\"id\":\"%u\",\"tenant\":\"%s\",\"version\":%s,\"managed\":%s,\"none\":null,\"user\":"   \
	"\"%u\",\"agent\":\"%s\"}"

static const struct {
	const char *tenant, *version, *managed, *agent;
	bool found;
	bool high;
	uint32_t escaped;
} steady_docs[] = {
    {"tenant", "1", "true", "a browser of a name that is longer than one piece", true, false, 0},
    {"tenanT", "1", "true", "a browser of a name that is longer than one piece", true, false, 0},
    {"", "1", "true", "", true, false, 0},
    {"tenant", "12345678901", "true", "another", true, false, 0},
    {"tenant", "1", "false", "a browser of a name that is longer than one piece", true, false, 0},
    {"tenant", "1", "true", "a browser\\\\of a name that is longer than one piece", true, false, 1},
    {"t\xc3\xa9nant", "1", "true", "a browser of a name that is longer than one piece", true, true,
     0},
    {"tenant", "1", "true", "a browser of a name that is longer than one piec\x1f", false, false,
     0},
    {"tenant", "x", "true", "a browser of a name that is longer than one piece", false, false, 0},
    {"tenant\",\"", "1", "true", "a browser of a name that is longer than one piece", false, false,
     0},
};

static struct json_shape *find_steady(struct json_shapes *shapes, size_t i, uint32_t id,
				      struct json_seen *seen_out)
{
	char doc[512];
	snprintf(doc, sizeof doc, STEADY, id, steady_docs[i].tenant, steady_docs[i].version,
		 steady_docs[i].managed, 7 * id, steady_docs[i].agent);
	return find(shapes, doc, seen_out);
}

/* Behind the last token stands the document's length, twice. */
static size_t tokens_end(void)
{
	size_t i = 0;
	while (tokens[i] != tokens[i + 1])
		i++;
	return tokens[i];
}

/* One that has other values is found nonetheless, with its own tokens. */
static void other_values_are_seen(bool avx2, size_t usual)
{
	struct json_shapes *shapes = json_shapes_new(avx2);
	struct json_seen seen;
	char doc[512];
	snprintf(doc, sizeof doc, STEADY, 0u, "x", "0", "true", 0u, "");
	const struct json_shape *shape = learn(shapes, doc);
	for (uint32_t id = 0; id < OFTEN; id++)
		assert_ptr_equal(find_steady(shapes, usual, id, &seen), shape);
	for (size_t i = 0; i < sizeof steady_docs / sizeof *steady_docs; i++) {
		const struct json_shape *found = find_steady(shapes, i, 1000 + (uint32_t)i, &seen);
		assert_ptr_equal(found, steady_docs[i].found ? shape : NULL);
		if (found == NULL)
			continue;
		assert_int_equal(seen.high, steady_docs[i].high);
		assert_int_equal(seen.escaped_count, steady_docs[i].escaped);
		tokens_are_simdjsons(tokens_end());
	}
	json_shapes_free(shapes);
}

static void values_may_stay_the_same(void **state)
{
	(void)state;
	for (int avx2 = 0; avx2 <= has_avx2(); avx2++)
		for (size_t usual = 0; usual < 7; usual++)
			other_values_are_seen(avx2, usual);
}

static uint32_t stretches_of(const struct json_shape *shape)
{
	uint32_t longest;
	uint32_t count = json_shape_stretches(shape, &longest);
	assert_true(longest <= 512);
	return count;
}

/* As often as they are looked at they must have been the same. */
static void stretches_are_of_what_stays_the_same(void **state)
{
	(void)state;
	struct json_shapes *shapes = json_shapes_new(has_avx2());
	struct json_seen seen;
	char doc[512];
	const char *format =
	    "{\"a\":\"%u\",\"b\":\"same\",\"c\":1,\"d\":\"%u\",\"e\":true,\"f\":\"%s\"}";
	snprintf(doc, sizeof doc, format, 0u, 0u, "");
	const struct json_shape *shape = learn(shapes, doc);
	assert_int_equal(stretches_of(shape), 0);
	for (uint32_t id = 0; id < OFTEN; id++) {
		snprintf(doc, sizeof doc, format, id, id / 2, "");
		assert_ptr_equal(find(shapes, doc, &seen), shape);
	}
	assert_int_equal(stretches_of(shape), 2); /* from a to d, and behind d */
	/* What changes after all stays out of them at the next look. */
	for (uint32_t id = 0; id < 8 * 1024; id++) {
		snprintf(doc, sizeof doc, format, id, id, id % 2 ? "x" : "y\\n");
		assert_ptr_equal(find(shapes, doc, &seen), shape);
	}
	assert_int_equal(stretches_of(shape), 2);
	json_shapes_free(shapes);
}

/* 512 bytes of a stretch, and 4 KiB of all of them. */
static void stretches_are_bounded(void **state)
{
	(void)state;
	struct json_shapes *shapes = json_shapes_new(has_avx2());
	struct json_seen seen;
	static char doc[DOC_MAX];
	size_t len = (size_t)snprintf(doc, sizeof doc, "{\"k\":[\"\"");
	for (int i = 0; i < 150; i++)
		len += (size_t)snprintf(doc + len, sizeof doc - len, ",\"%0*d\"", i % 3 ? 120 : 600,
					7);
	snprintf(doc + len, sizeof doc - len, "]}");
	const struct json_shape *shape = learn(shapes, doc);
	for (int i = 0; i < OFTEN; i++)
		assert_ptr_equal(find(shapes, doc, &seen), shape);
	assert_in_range(stretches_of(shape), 10, 4096 / 240);
	tokens_are_simdjsons(strlen(doc));
	json_shapes_free(shapes);
}

/* Others that go on from the middle part the stretch; once they are forgotten it grows together. */
static void strangers_take_nothing_away_for_good(void **state)
{
	(void)state;
	struct json_shapes *shapes = json_shapes_new(has_avx2());
	struct json_seen seen;
	const char *honest = "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\",\"e\":\"5\"}";
	char doc[128];
	const struct json_shape *shape = learn(shapes, honest);
	for (int i = 0; i < OFTEN; i++)
		assert_ptr_equal(find(shapes, honest, &seen), shape);
	assert_int_equal(stretches_of(shape), 1);
	for (uint32_t stranger = 0; stranger < MR_JSON_SHAPES + 2; stranger++) {
		for (uint32_t strange = 0; strange < 16; strange++)
			assert_null(find(shapes, "[]", &seen)); /* which saves up for learning */
		snprintf(doc, sizeof doc,
			 stranger < 2 ? "{\"a\":\"1\",\"b\":\"2\",\"x%u\":\"3\"}"
				      : "{\"k%u\":\"%u\"}",
			 stranger, stranger % 32);
		assert_non_null(learn(shapes, doc));
		for (int i = 0; stranger < 2 && i < OFTEN; i++)
			assert_ptr_equal(find(shapes, honest, &seen), shape);
		if (stranger == 1)
			assert_int_equal(stretches_of(shape), 2);
		assert_ptr_equal(find(shapes, honest, &seen), shape);
	}
	for (int i = 0; i < OFTEN; i++)
		assert_ptr_equal(find(shapes, honest, &seen), shape);
	assert_int_equal(stretches_of(shape), 1);
	json_shapes_free(shapes);
}

/* Whatever stands behind one, and in its place, is read as the DOM reads it. */
static void what_varies_is_read_beside_what_does_not(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "same", "same",       "same", "same",        "same",  "samE", "same and more",
	    "",     "s\\u00e9me", "\\\\", "s\xc3\xa9me", "s\xc3", "s\\x", "\x1f"};
	static const char *const scalars[] = {"1",      "1",           "1",  "1",   "true", "null",
					      "-1.5e3", "12345678901", "01", "tru", "1 "};
	struct mr_json_reader *learning = mr_json_reader_new(DOC_MAX);
	mr_json_reader_learns(learning);
	char bytes[512];
	uint32_t taken = 0;
	for (uint32_t i = 0; i < 40000; i++) {
		const char *string[3], *scalar[2];
		struct mr_json_node root;
		bool odd = i > OFTEN && i % 4 == 0;
		for (int k = 0; k < 3; k++)
			string[k] = texts[odd ? random_below(sizeof texts / sizeof *texts) : 0];
		for (int k = 0; k < 2; k++)
			scalar[k] =
			    scalars[odd ? random_below(sizeof scalars / sizeof *scalars) : 0];
		snprintf(bytes, sizeof bytes,
			 "{\"id\":\"%u\",\"a\":\"%s\",\"b\":%s,\"c\":{\"d\":\"%s\",\"e\":[%s,\"%"
			 "s\"]},\"f\":\"%u\"}",
			 i, string[0], scalar[0], string[1], scalar[1], string[2], i);
		struct mr_slice doc = document(bytes, strlen(bytes));
		bool is_taken = mr_json_read(learning, doc, &root, NULL) == MR_OK;
		assert_true(mr_json_as_dom(learning, doc, is_taken));
		taken += is_taken;
	}
	assert_in_range(taken, 20000, 39000);
	mr_json_reader_free(learning);
}

/* Numbers and words that are not read again where their bytes are the last document's. */
static void scalars_change(void **state)
{
	(void)state;
	static const char *const numbers[] = {
	    "1",   "1", "12", "1", "-1", "1.5", "1234567", "12345678", "123456789012345678",
	    "1e2", "1", "01", "1"};
	struct mr_json_reader *learning = mr_json_reader_new(DOC_MAX);
	mr_json_reader_learns(learning);
	char bytes[128];
	for (size_t i = 0; i < 40 * sizeof numbers / sizeof *numbers; i++) {
		size_t n = random_below(sizeof numbers / sizeof *numbers);
		struct mr_json_node root;
		snprintf(bytes, sizeof bytes, "{\"a\":%s,\"b\":%s,\"c\":\"%zu\"}", numbers[n],
			 i % 3 == 0   ? "false"
			 : i % 3 == 1 ? "true"
				      : "true ",
			 i);
		struct mr_slice doc = document(bytes, strlen(bytes));
		bool taken = mr_json_read(learning, doc, &root, NULL) == MR_OK;
		assert_int_equal(taken, strcmp(numbers[n], "01") != 0);
		assert_true(mr_json_as_dom(learning, doc, taken));
	}
	mr_json_reader_free(learning);
}

/* ---- both ways of looking ---- */

/* One of the documents above, with some bytes changed, inserted or cut off. */
static struct mr_slice damaged(void)
{
	static const char bytes[] = "\"\\,:{}[] 019-.tfn\x01\xc3";
	const char *whole = docs[random_below(sizeof docs / sizeof *docs)].doc;
	char changed[512];
	size_t len = strlen(whole);
	memcpy(changed, whole, len);
	for (uint32_t left = random_below(4); left > 0 && len > 0; left--) {
		uint32_t at = random_below((uint32_t)len);
		char byte = bytes[random_below(sizeof bytes - 1)];
		switch (random_below(3)) {
		case 0:
			changed[at] = byte;
			break;
		case 1:
			memmove(changed + at + 1, changed + at, len - at);
			changed[at] = byte;
			len++;
			break;
		default:
			memmove(changed + at, changed + at + 1, len - at - 1);
			len--;
		}
	}
	return document(changed, len);
}

static void both_ways_of_looking_see_the_same(void **state)
{
	(void)state;
	if (!has_avx2())
		skip();
	struct json_shapes *shapes = json_shapes_new(false), *other = json_shapes_new(true);
	for (size_t i = 0; i < sizeof ways_to_write / sizeof *ways_to_write; i++) {
		learn(shapes, ways_to_write[i]);
		learn(other, ways_to_write[i]);
	}
	random_state = 20261130;
	printf("seed %llu\n", (unsigned long long)random_state);
	uint32_t found = 0;
	for (uint32_t i = 0; i < 200000; i++) {
		struct mr_slice doc = damaged();
		struct json_seen seen, other_seen;
		struct json_shape *shape = json_shapes_find(shapes, doc, tokens, &seen);
		struct json_shape *same = json_shapes_find(other, doc, other_tokens, &other_seen);
		assert_int_equal(shape == NULL, same == NULL);
		if (shape == NULL)
			continue;
		found++;
		assert_int_equal(json_shapes_slot(shapes, shape), json_shapes_slot(other, same));
		assert_int_equal(seen.escaped_count, other_seen.escaped_count);
		for (uint32_t token = 0; tokens[token] < doc.len; token++)
			assert_int_equal(tokens[token], other_tokens[token]);
		if (is_json(doc))
			tokens_are_simdjsons(doc.len);
	}
	assert_true(found > 10000);
	json_shapes_free(shapes);
	json_shapes_free(other);
}

/* ---- bounds ---- */

static void known_in_turn(const char *format, uint32_t most)
{
	struct json_shapes *shapes = json_shapes_new(has_avx2());
	struct json_seen seen;
	char doc[64];
	uint32_t known = 0;
	for (uint32_t i = 0; i < 4 * MR_JSON_SHAPES; i++) {
		for (uint32_t strange = 0; strange < 16; strange++)
			assert_null(find(shapes, "[]", &seen)); /* which saves up for learning */
		snprintf(doc, sizeof doc, format, i / 32, i % 32);
		const struct json_shape *shape = learn(shapes, doc);
		assert_non_null(shape);
		assert_ptr_equal(find(shapes, doc, &seen), shape);
	}
	for (uint32_t i = 0; i < 4 * MR_JSON_SHAPES; i++) {
		snprintf(doc, sizeof doc, format, i / 32, i % 32);
		known += find(shapes, doc, &seen) != NULL;
	}
	assert_int_equal(known, most);
	json_shapes_free(shapes);
}

static void those_that_come_no_more_make_room(void **state)
{
	(void)state;
	known_in_turn("{\"a\":\"b\",\"k%u\":1,\"l%u\":2}", MR_JSON_SHAPES);
}

static void so_many_go_on_from_one_place(void **state)
{
	(void)state;
	known_in_turn("{\"a\":\"b\",\"k%ul%u\":1}", 32);
}

static void learning_has_its_price(void **state)
{
	(void)state;
	struct json_shapes *shapes = json_shapes_new(has_avx2());
	char doc[64];
	uint32_t learned = 0;
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(doc, sizeof doc, "{\"k%u\":1}", i);
		learned += learn(shapes, doc) != NULL;
	}
	assert_int_equal(learned, 128);
	json_shapes_free(shapes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(documents_are_found_with_avx2),
	    cmocka_unit_test(documents_are_found_without_avx2),
	    cmocka_unit_test(what_is_not_ascii_is_seen),
	    cmocka_unit_test(values_may_stay_the_same),
	    cmocka_unit_test(stretches_are_of_what_stays_the_same),
	    cmocka_unit_test(stretches_are_bounded),
	    cmocka_unit_test(strangers_take_nothing_away_for_good),
	    cmocka_unit_test(what_varies_is_read_beside_what_does_not),
	    cmocka_unit_test(scalars_change),
	    cmocka_unit_test(both_ways_of_looking_see_the_same),
	    cmocka_unit_test(those_that_come_no_more_make_room),
	    cmocka_unit_test(so_many_go_on_from_one_place),
	    cmocka_unit_test(learning_has_its_price),
	};
	reader = mr_json_reader_new(DOC_MAX);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	mr_json_reader_free(reader);
	return failed;
}
