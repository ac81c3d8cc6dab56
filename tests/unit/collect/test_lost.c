/* test_lost.c - behind damage in a compressed input: whole members are read, what lies between is
 * set aside, and bytes that only look like members cost no more than they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "codec.h"
#include "packed.h"

#define INPUT_FD 100
#define NAME "/proc/self/fd/100"
#define TEXT(literal) (literal), sizeof(literal) - 1
#define LINES 40

typedef void packer(struct mr_buf *out, const char *bytes, size_t len);
static packer *const packers[] = {gzip_add, zstd_add};

static void quiet(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		  size_t len)
{
	(void)context;
	(void)level;
	(void)kind;
	(void)line;
	(void)len;
}

static void begin(struct stage *stage, int fd)
{
	assert_int_equal(dup2(fd, INPUT_FD), INPUT_FD);
	close(fd);
	mr_config_add(&stage->config, "input", NAME);
	assert_int_equal(stage_open(stage), MR_OK);
	close(INPUT_FD);
}

static void run_file(struct stage *stage, const struct mr_buf *bytes)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes->data, bytes->len), bytes->len);
	begin(stage, fd);
	assert_int_equal(stage_poll(stage), MR_END);
	stage_balance(stage);
}

static void run_pipe(struct stage *stage, const struct mr_buf *bytes, size_t piece)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	begin(stage, ends[0]);
	for (size_t at = 0; at < bytes->len; at += piece) {
		size_t len = piece < bytes->len - at ? piece : bytes->len - at;

		assert_int_equal(write(ends[1], bytes->data + at, len), len);
		assert_int_equal(stage_poll(stage), MR_AGAIN);
	}
	close(ends[1]);
	assert_int_equal(stage_poll(stage), MR_END);
	stage_balance(stage);
}

/* Lines that are like no others: "WORD N" and some noise. */
static void make_lines(struct mr_buf *out, const char *word, unsigned count, unsigned seed)
{
	for (unsigned i = 0; i < count; i++)
		mr_buf_printf(out, "{\"%s\":%u,\"x\":\"%08x\"}\n", word, i,
			      seed = seed * 1664525u + 1013904223u);
}

/* How many lines hold the word, each in its turn. */
static unsigned lines_with(struct stage *stage, const char *word)
{
	const char *at = stage_text(&stage->records);
	unsigned count = 0;

	for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		char want[40];
		int len = snprintf(want, sizeof(want), "{\"%s\":%u,", word, count);
		const char *record = memchr(at, '{', (size_t)(end - at));

		count +=
		    record != NULL && end - record > len && memcmp(record, want, (size_t)len) == 0;
	}
	return count;
}

/* ---- what is found ---- */

/* A member that ends anywhere, then a whole one, of either kind: the second is read, whole. */
static void check_torn(packer *first, packer *second, size_t step)
{
	struct mr_buf a = {0}, b = {0}, text = {0}, bytes = {0};

	make_lines(&text, "a", LINES, 7);
	first(&a, text.data, text.len);
	text.len = 0;
	make_lines(&text, "b", LINES, 99);
	second(&b, text.data, text.len);
	for (size_t len = 4; len < a.len; len += step) {
		struct stage file = {0}, pipe = {0};

		bytes.len = 0;
		mr_buf_add(&bytes, a.data, len);
		mr_buf_add(&bytes, b.data, b.len);
		run_file(&file, &bytes);
		assert_int_equal(lines_with(&file, "b"), LINES);
		assert_true(lines_with(&file, "a") <= LINES);
		assert_int_equal(file.counters.at[MR_C_INPUTS_DAMAGED], 1);
		run_pipe(&pipe, &bytes, 1 + len % 97);
		assert_string_equal(stage_text(&pipe.records), stage_text(&file.records));
		assert_int_equal(pipe.counters.at[MR_C_INPUTS_DAMAGED], 1);
		stage_fini(&file);
		stage_fini(&pipe);
	}
	mr_buf_fini(&a);
	mr_buf_fini(&b);
	mr_buf_fini(&text);
	mr_buf_fini(&bytes);
}

static void a_whole_member_behind_a_torn_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		check_torn(packers[i / 2], packers[i % 2], 13);
}

/* Several are torn, and text stands between: all that is whole is read, all else is set aside. */
static void what_lies_between_is_set_aside_whole(void **state)
{
	struct mr_buf bytes = {0};
	struct stage stage = {0};

	(void)state;
	gzip_add(&bytes, TEXT("{\"a\":1}\n"));
	size_t first = bytes.len;
	mr_buf_add_text(&bytes, "garbage");
	size_t second = bytes.len;
	zstd_add(&bytes, TEXT("{\"b\":2}\n"));
	size_t third = bytes.len;
	mr_buf_add_text(&bytes, "\x1f\x8b\x08no member, \x28\xb5\x2f\xfdnor here");
	size_t fourth = bytes.len;
	gzip_add(&bytes, TEXT("[{\"c\":3}]"));
	size_t fifth = bytes.len;
	mr_buf_add_text(&bytes, "the end");
	run_file(&stage, &bytes);
	assert_string_equal(stage_text(&stage.records),
			    NAME " 0 {\"a\":1}\n" NAME " 8 {\"b\":2}\n" NAME " 17 {\"c\":3}\n");
	char *wanted = mr_asprintf(
	    NAME " %zu garbage (damaged at compressed offset %zu: text behind the last member; "
		 "reading goes on at compressed offset %zu)\n",
	    first, first, second);
	assert_int_equal(strncmp(stage_text(&stage.rejects), wanted, strlen(wanted)), 0);
	free(wanted);
	wanted = mr_asprintf("; reading goes on at compressed offset %zu)\n", fourth);
	assert_non_null(strstr(stage_text(&stage.rejects), wanted));
	assert_true(third < fourth);
	assert_non_null(strstr(stage_text(&stage.rejects), "no member, "));
	assert_non_null(strstr(stage_text(&stage.rejects), "nor here"));
	free(wanted);
	wanted = mr_asprintf(NAME " %zu the end (damaged at compressed offset %zu: text behind the "
				  "last member; no member behind it can be read)\n",
			     fifth, fifth);
	assert_non_null(strstr(stage_text(&stage.rejects), wanted));
	free(wanted);
	assert_int_equal(stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	stage_fini(&stage);
	mr_buf_fini(&bytes);
}

/* More than is tried, with blocks of the largest kind, behind a member that is longer than what is
 * looked at again. */
static void a_long_member_behind_a_long_torn_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct mr_buf text = {0}, bytes = {0};
		struct stage stage = {0};
		unsigned count = 60000;

		make_lines(&text, "a", count, 3);
		packers[i / 2](&bytes, text.data, text.len);
		assert_true(bytes.len > MR_CODEC_TRY);
		bytes.len -= 1000;
		text.len = 0;
		make_lines(&text, "b", count, 4);
		packers[i % 2](&bytes, text.data, text.len);
		run_file(&stage, &bytes);
		assert_int_equal(lines_with(&stage, "b"), count);
		assert_in_range(lines_with(&stage, "a"), count / 4, count - 1);
		stage_fini(&stage);
		mr_buf_fini(&text);
		mr_buf_fini(&bytes);
	}
}

/* A last member that ends in the middle is read as far as it goes, there too. */
static void a_torn_member_behind_a_torn_one(void **state)
{
	struct mr_buf text = {0}, bytes = {0};
	struct stage stage = {0};

	(void)state;
	make_lines(&text, "a", LINES, 7);
	gzip_add(&bytes, text.data, text.len);
	bytes.len -= 20;
	text.len = 0;
	make_lines(&text, "b", LINES, 8);
	gzip_add(&bytes, text.data, text.len);
	bytes.len -= 20;
	run_file(&stage, &bytes);
	assert_in_range(lines_with(&stage, "b"), LINES / 2, LINES - 1);
	stage_fini(&stage);
	mr_buf_fini(&text);
	mr_buf_fini(&bytes);
}

/* ---- how the text goes on ---- */

/* Each byte and a zero: UTF-16. */
static void widen(struct mr_buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		mr_buf_add(out, text, 1);
		mr_buf_add(out, "", 1);
	}
}

static void check_parts(const struct mr_buf *first, const struct mr_buf *second, const char *wanted)
{
	struct mr_buf bytes = {0};
	struct stage stage = {0};

	gzip_add(&bytes, first->data, first->len);
	bytes.data[bytes.len - 6] ^= 1; /* all of it is there, and its check says otherwise */
	gzip_add(&bytes, second->data, second->len);
	run_file(&stage, &bytes);
	assert_string_equal(stage_text(&stage.records), wanted);
	stage_fini(&stage);
	mr_buf_fini(&bytes);
}

static void the_text_goes_on_as_it_was(void **state)
{
	struct mr_buf first = {0}, second = {0};

	(void)state;
	/* The head of a CSV export stands in the first part alone. */
	mr_buf_add_text(&first, "Id,AuditData\n1,\"{\"\"a\"\":1}\"\n2,\"{\"\"a");
	mr_buf_add_text(&second, "3,\"{\"\"b\"\":2}\"\n");
	check_parts(&first, &second, NAME " 16 {\"a\":1}\n" NAME " 37 {\"b\":2}\n");
	/* A head that is not whole is none: the next part is told by its own content. */
	first.len = 0;
	mr_buf_add_text(&first, "Id,AuditDa");
	second.len = 0;
	mr_buf_add_text(&second, "[{\"b\":2},\n {\"c\":3}]");
	check_parts(&first, &second, NAME " 11 {\"b\":2}\n" NAME " 21 {\"c\":3}\n");
	/* UTF-16 stays what it is, in whole units; a mark of UTF-8 may come again. */
	first.len = 0;
	mr_buf_add(&first, "\xff\xfe", 2);
	widen(&first, "{\"a\":1}\n{");
	mr_buf_add(&first, "\"", 1);
	second.len = 0;
	mr_buf_add(&second, "\xe9\0", 2);
	widen(&second, "\n{\"b\":2}\n");
	check_parts(&first, &second,
		    NAME " 0 {\"a\":1}\n" NAME " 12 \xc3\xa9\n" NAME " 15 {\"b\":2}\n");
	first.len = 0;
	mr_buf_add_text(&first, "\xef\xbb\xbf{\"a\":1}\n");
	check_parts(&first, &first, NAME " 3 {\"a\":1}\n" NAME " 14 {\"a\":1}\n");
	mr_buf_fini(&first);
	mr_buf_fini(&second);
}

/* ---- what it may cost ---- */

/* Each of these looks like a member and is read for 64 KiB before it proves to be none. */
static void bytes_that_look_like_members_are_bounded(void **state)
{
	static const char fake[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\0\xff\xff\0\0";
	struct mr_buf bytes = {0};
	struct stage stage = {0};

	(void)state;
	gzip_add(&bytes, TEXT("{\"a\":1}\n"));
	for (int i = 0; i < 20000; i++)
		mr_buf_add(&bytes, fake, sizeof(fake) - 1);
	memset(mr_buf_reserve(&bytes, 200000), 0xff, 200000);
	bytes.len += 200000;
	gzip_add(&bytes, TEXT("{\"b\":2}\n"));
	run_file(&stage, &bytes);
	assert_non_null(strstr(stage_text(&stage.records), "{\"a\":1}"));
	assert_null(strstr(stage_text(&stage.records), "{\"b\":2}"));
	assert_non_null(memmem(stage.rejects.data, stage.rejects.len, TEXT("is not searched")));
	stage_fini(&stage);
	mr_buf_fini(&bytes);
}

/* The books of one try: what it read and made, at most so much. */
static void a_try_says_what_it_took(void **state)
{
	struct mr_buf text = {0}, bytes = {0};

	(void)state;
	memset(mr_buf_reserve(&text, 64 << 20), 'x', 64 << 20);
	text.len = 64 << 20;
	for (size_t i = 0; i < 2; i++) {
		struct mr_codec codec = {0};
		uint64_t work = 0;

		bytes.len = 0;
		packers[i](&bytes, text.data, text.len);
		assert_true(mr_codec_try(&codec, (struct mr_slice){bytes.data, bytes.len}, &work));
		assert_in_range(work, MR_CODEC_TRY_OUT, 2 * MR_CODEC_TRY_OUT);
		assert_false(mr_codec_try(&codec, (struct mr_slice){bytes.data, 5}, &work));
		mr_codec_fini(&codec);
	}
	mr_buf_fini(&text);
	mr_buf_fini(&bytes);
}

static int set_up(void **state)
{
	(void)state;
	mr_log_set_sink(quiet, NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_whole_member_behind_a_torn_one),
	    cmocka_unit_test(what_lies_between_is_set_aside_whole),
	    cmocka_unit_test(a_long_member_behind_a_long_torn_one),
	    cmocka_unit_test(a_torn_member_behind_a_torn_one),
	    cmocka_unit_test(the_text_goes_on_as_it_was),
	    cmocka_unit_test(bytes_that_look_like_members_are_bounded),
	    cmocka_unit_test(a_try_says_what_it_took),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
