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
#include "input.h"
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

static size_t count_of(const struct mr_buf *in, const char *word)
{
	const char *at = in->len > 0 ? in->data : "", *end = at + in->len;
	size_t count = 0;

	while ((at = memmem(at, (size_t)(end - at), word, strlen(word))) != NULL) {
		at++;
		count++;
	}
	return count;
}

static const char bare_header[] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

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
	mr_buf_add_text(&bytes, "\tgarbage");
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
	    NAME " %zu \tgarbage (damaged at compressed offset %zu: text behind the last member; "
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

/* Writers that die again and again: what each had packed is read as far as it goes, and none of it
 * counts as tried in vain. */
static void a_whole_member_behind_many_torn_ones(void **state)
{
	struct mr_buf text = {0}, member = {0}, bytes = {0};
	struct stage stage = {0};
	size_t many = 100, blanks = 1200 << 10;

	(void)state;
	make_lines(&text, "a", 1, 3);
	memset(mr_buf_reserve(&text, blanks), ' ', blanks);
	text.len += blanks;
	mr_buf_add(&member, bare_header, sizeof(bare_header));
	gzip_add_blocks(&member, text.data, text.len);
	for (size_t i = 0; i < many; i++)
		mr_buf_add(&bytes, member.data, member.len);
	text.len = 0;
	make_lines(&text, "b", LINES, 5);
	gzip_add(&bytes, text.data, text.len);
	run_file(&stage, &bytes);
	assert_int_equal(lines_with(&stage, "b"), LINES);
	assert_int_equal(count_of(&stage.records, "{\"a\":0,"), many);
	stage_fini(&stage);
	mr_buf_fini(&text);
	mr_buf_fini(&member);
	mr_buf_fini(&bytes);
}

/* ---- all bytes are somewhere ---- */

/* How much text the first member gives before it ends or fails. */
static size_t gzip_gives(const char *bytes, size_t len, char *out, size_t room)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes,
			   .avail_in = (unsigned)len,
			   .next_out = (Bytef *)out,
			   .avail_out = (unsigned)room};

	inflateInit2(&stream, 15 + 16);
	while (inflate(&stream, Z_NO_FLUSH) == Z_OK && stream.avail_in > 0)
		continue;
	inflateEnd(&stream);
	return room - stream.avail_out;
}

static size_t zstd_gives(const char *bytes, size_t len, char *out, size_t room)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_outBuffer to = {out, room, 0};
	size_t result = 1;

	for (ZSTD_inBuffer from = {bytes, 1, 0}; from.size <= len; from.size++) {
		result = ZSTD_decompressStream(context, &to, &from);
		if (result == 0 || ZSTD_isError(result))
			break;
	}
	ZSTD_freeDCtx(context);
	return to.pos;
}

typedef size_t giver(const char *bytes, size_t len, char *out, size_t room);

/* Of the first `len` bytes, how many give all the text that these give. */
static size_t gives_to(const char *bytes, size_t len, giver *gives, char *out, size_t room,
		       size_t *text_out)
{
	size_t low = 0;

	*text_out = gives(bytes, len, out, room);
	while (low < len) {
		size_t middle = low + (len - low) / 2;

		if (gives(bytes, middle, out, room) == *text_out)
			len = middle;
		else
			low = middle + 1;
	}
	return low;
}

static packer *const block_packers[] = {gzip_blocks, zstd_blocks};
static giver *const givers[] = {gzip_gives, zstd_gives};

/* One piece is set aside: from where nothing gave text any more, to `end`. Of gzip a last byte or
 * some may have begun what gives text. */
static void check_aside(struct stage *stage, const struct mr_buf *bytes, size_t from, size_t end,
			const char *then)
{
	struct mr_buf wanted = {0};
	bool found = false;

	for (size_t at = from; at < end && at < from + 8 && !found; at++) {
		wanted.len = 0;
		mr_buf_printf(&wanted, NAME " %zu ", at);
		mr_buf_add(&wanted, bytes->data + at, end - at);
		mr_buf_add_text(&wanted, " (");
		found = memmem(stage->rejects.data, stage->rejects.len, wanted.data, wanted.len);
	}
	assert_true(found || end < from + 8);
	assert_int_equal(count_of(&stage->rejects, then), found);
	mr_buf_fini(&wanted);
}

/* Of `bytes` the first `len` are those of a torn member, the rest of a whole one or none. */
static void check_sum(const struct mr_buf *bytes, size_t len, giver *gives)
{
	static char out[1 << 16];
	struct stage file = {0}, pipe = {0};
	size_t text, lines = 0;
	size_t from = gives_to(bytes->data, bytes->len, gives, out, sizeof(out), &text);
	bool alone = bytes->len == len;
	const char *then = alone ? "no member behind it" : "reading goes on at";

	for (size_t i = 0; i < text; i++)
		lines += out[i] == '\n';
	run_file(&file, bytes);
	run_pipe(&pipe, bytes, 1 + len % 97);
	check_aside(&file, bytes, from, len, then);
	check_aside(&pipe, bytes, from, len, then);
	assert_in_range(lines_with(&file, "a"), alone ? lines : 0, lines);
	assert_int_equal(lines_with(&file, "b"), alone ? 0 : LINES);
	assert_string_equal(stage_text(&pipe.records), stage_text(&file.records));
	stage_fini(&file);
	stage_fini(&pipe);
}

static void what_is_read_and_what_is_set_aside_add_up(void **state)
{
	struct mr_buf text = {0}, a = {0}, b = {0}, bytes = {0};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		a.len = b.len = text.len = 0;
		make_lines(&text, "a", LINES * 2, 7);
		block_packers[i % 2](&a, text.data, text.len);
		text.len = 0;
		make_lines(&text, "b", LINES, 99);
		if (i >= 2)
			block_packers[i / 4](&b, text.data, text.len);
		for (size_t len = 4; len < a.len; len += i < 2 ? 1 : 5) {
			bytes.len = 0;
			mr_buf_add(&bytes, a.data, len);
			if (b.len > 0)
				mr_buf_add(&bytes, b.data, b.len);
			check_sum(&bytes, len, givers[i % 2]);
		}
	}
	mr_buf_fini(&text);
	mr_buf_fini(&a);
	mr_buf_fini(&b);
	mr_buf_fini(&bytes);
}

/* A block that is there and wrong gives nothing, and neither does a wrong sum at the end. */
static void what_is_wrong_is_set_aside_with_what_follows(void **state)
{
	struct mr_buf bytes = {0};
	struct stage stage = {0};

	(void)state;
	gzip_add(&bytes, TEXT("{\"a\":1}\n"));
	size_t sum = bytes.len - 8;
	bytes.data[sum] ^= 1;
	mr_buf_add_text(&bytes, "\n \n");
	run_file(&stage, &bytes);
	check_aside(&stage, &bytes, sum, bytes.len, "no member behind it");
	stage_fini(&stage);
	bytes.len = 0;
	zstd_add(&bytes, TEXT("{\"a\":1}\n"));
	bytes.data[6] |= 6; /* of an unknown kind */
	stage = (struct stage){0};
	run_file(&stage, &bytes);
	check_aside(&stage, &bytes, 0, bytes.len, "no member behind it");
	stage_fini(&stage);
	mr_buf_fini(&bytes);
}

/* What was in hand when the file turned out to be shorter is set aside, too. */
static void what_a_shorter_file_leaves_is_set_aside(void **state)
{
	static char out[2 << 20];
	struct mr_buf text = {0};

	(void)state;
	make_lines(&text, "a", 40000, 7);
	for (size_t i = 0; i < 2; i++) {
		struct mr_buf bytes = {0};
		struct stage stage = {0};
		int fd = memfd_create("input", MFD_CLOEXEC), kept = dup(fd);

		block_packers[i](&bytes, text.data, text.len);
		assert_int_equal(write(fd, bytes.data, bytes.len), bytes.len);
		begin(&stage, fd);
		mr_stage_collect.poll(stage.state, &stage.writer, &stage.error);
		stage_drain(&stage);
		bytes.len -= 12; /* in the last block and behind it */
		assert_int_equal(ftruncate(kept, (off_t)bytes.len), 0);
		close(kept);
		assert_int_equal(stage_poll(&stage), MR_END);
		stage_balance(&stage);
		size_t gave;
		size_t from = gives_to(bytes.data, bytes.len, givers[i], out, sizeof(out), &gave);
		check_aside(&stage, &bytes, from, bytes.len, "no member behind it");
		assert_int_equal(stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
		assert_true(count_of(&stage.rejects, "(the file became shorter") > 0);
		stage_fini(&stage);
		mr_buf_fini(&bytes);
	}
	mr_buf_fini(&text);
}

/* A block that gave no text may begin before an earlier failure: it is set aside from its start. */
static void a_block_across_an_earlier_failure_is_set_aside(void **state)
{
	static char out[2 << 20];
	struct mr_buf text = {0}, inner = {0}, bytes = {0};
	struct stage stage = {0};
	size_t gave, from;

	(void)state;
	memset(mr_buf_reserve(&text, 9 << 17), ' ', 9 << 17);
	text.len = 9 << 17; /* whole blocks */
	make_lines(&text, "a", 2000, 5);
	zstd_add(&inner, text.data, text.len);
	inner.len -= 1000;
	from = gives_to(inner.data, inner.len, zstd_gives, out, sizeof(out), &gave);
	size_t block = (from + 100) << 3 | 2 << 1;
	mr_buf_add(&bytes, "\x28\xb5\x2f\xfd\0\x58", 6);
	mr_buf_add(&bytes, (char[]){(char)block, (char)(block >> 8), (char)(block >> 16)}, 3);
	from += bytes.len;
	mr_buf_add(&bytes, inner.data, inner.len);
	run_pipe(&stage, &bytes, 50);
	check_aside(&stage, &bytes, from, bytes.len, "no member behind it");
	assert_true(from + 100 < bytes.len);
	stage_fini(&stage);
	mr_buf_fini(&text);
	mr_buf_fini(&inner);
	mr_buf_fini(&bytes);
}

/* A header may be longer than what is kept: then its beginning has its place named. */
static void what_is_gone_has_its_place_named(void **state)
{
	size_t name = 1 << 20;
	struct mr_buf bytes = {0};
	struct stage stage = {0};

	(void)state;
	mr_buf_add(&bytes, "\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10);
	memset(mr_buf_reserve(&bytes, name), 'n', name);
	bytes.len += name;
	run_file(&stage, &bytes);
	size_t gone = bytes.len - MR_INPUT_BACK;
	char *wanted =
	    mr_asprintf(NAME " 0  (gzip stream damaged at compressed offset %zu: it ends in the "
			     "middle; its first 0 bytes are kept)\n" NAME " %zu nnn",
			bytes.len, gone);
	assert_int_equal(strncmp(stage_text(&stage.rejects), wanted, strlen(wanted)), 0);
	check_aside(&stage, &bytes, gone, bytes.len, "no member behind it");
	assert_int_equal(stage.reject_count, 2);
	free(wanted);
	stage_fini(&stage);
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

/* Members that a torn one's decoder took for its block: a record may begin in one and end in the
 * next. */
static void the_text_goes_on_inside_what_was_taken(void **state)
{
	struct mr_buf noise = {0}, bytes = {0};
	struct stage stage = {0};

	(void)state;
	make_lines(&noise, "noise", 4000, 1);
	noise.len = 100000; /* one block */
	zstd_add(&bytes, noise.data, noise.len);
	bytes.len -= 1000;
	gzip_add(&bytes, TEXT("{\"b\":1}\n{\"c\""));
	gzip_add(&bytes, TEXT(":2}\n{\"d\""));
	mr_buf_add_text(&bytes, "between");
	gzip_add(&bytes, TEXT(":3}\n{\"e\":4}\n"));
	run_file(&stage, &bytes);
	assert_string_equal(stage_text(&stage.records),
			    NAME " 0 {\"b\":1}\n" NAME " 8 {\"c\":2}\n" NAME " 20 :3}\n" NAME
				 " 24 {\"e\":4}\n");
	assert_int_equal(count_of(&stage.rejects, " 16 {\"d\" ("), 1);
	assert_int_equal(count_of(&stage.rejects, " between ("), 1);
	assert_int_equal(stage.reject_count, 3);
	stage_fini(&stage);
	mr_buf_fini(&noise);
	mr_buf_fini(&bytes);
}

/* ---- what it may cost ---- */

#define DEPTH 40

/* Members in each other, behind a whole one each: a block of the outer is the inner as it stands.
 * `common` follows, as the end of all. */
static void nest(struct mr_buf *out, const struct mr_buf *whole, const struct mr_buf *common)
{
	struct mr_buf inner = {0};

	for (int i = 0; i < DEPTH; i++) {
		out->len = 0;
		if (whole->len > 0)
			mr_buf_add(out, whole->data, whole->len);
		mr_buf_add(out, bare_header, sizeof(bare_header));
		gzip_add_stored(out, inner.len);
		if (inner.len > 0)
			mr_buf_add(out, inner.data, inner.len);
		inner.len = 0;
		mr_buf_add(&inner, out->data, out->len);
	}
	mr_buf_add(out, common->data, common->len);
	mr_buf_fini(&inner);
}

/* All end in one body that is wrong at its end, and long enough to be believed before: its records
 * are read once, also where a whole one leads to each. */
static void members_in_each_other_are_read_once(void **state)
{
	(void)state;
	for (int with = 0; with < 2; with++) {
		struct mr_buf text = {0}, body = {0}, whole = {0}, bytes = {0};
		struct stage stage = {0};

		memset(mr_buf_reserve(&text, MR_CODEC_TRY_OUT), '\n', MR_CODEC_TRY_OUT);
		text.len = MR_CODEC_TRY_OUT;
		make_lines(&text, "a", LINES, 3);
		gzip_add_blocks(&body, text.data, text.len);
		mr_buf_add(&body, "\3\0wrong sum", 11);
		if (with > 0)
			gzip_add(&whole, TEXT("{\"w\":0}\n"));
		nest(&bytes, &whole, &body);
		run_file(&stage, &bytes);
		assert_int_equal(count_of(&stage.records, "{\"a\":"), LINES);
		assert_int_equal(count_of(&stage.records, " {\"w\":0}\n"), with ? DEPTH : 0);
		stage_fini(&stage);
		mr_buf_fini(&text);
		mr_buf_fini(&body);
		mr_buf_fini(&whole);
		mr_buf_fini(&bytes);
	}
}

/* Each is believed for a megabyte of blanks, and goes a byte further than the one before. */
static void members_that_go_ever_further_are_read_twice_at_most(void **state)
{
	struct mr_buf text = {0}, blanks = {0}, bytes = {0};
	struct stage stage = {0};
	size_t starts[DEPTH], end;

	(void)state;
	memset(mr_buf_reserve(&text, 1100 << 10), ' ', 1100 << 10);
	text.len = 1100 << 10;
	gzip_add_blocks(&blanks, text.data, text.len);
	for (int i = 0; i < DEPTH; i++) {
		mr_buf_add(&bytes, bare_header, sizeof(bare_header));
		mr_buf_add(&bytes, blanks.data, blanks.len);
		starts[i] = bytes.len;
		gzip_add_stored(&bytes, 0);
	}
	mr_buf_add_text(&bytes, "\n");
	make_lines(&bytes, "a", LINES, 3);
	end = bytes.len;
	memset(mr_buf_reserve(&bytes, DEPTH), 7, DEPTH); /* no kind of block */
	bytes.len += DEPTH;
	for (int i = 0; i < DEPTH; i++) {
		struct mr_buf head = {0};

		gzip_add_stored(&head, end + (size_t)i - starts[i] - 5);
		memcpy(bytes.data + starts[i], head.data, head.len);
		mr_buf_fini(&head);
	}
	run_file(&stage, &bytes);
	assert_int_equal(count_of(&stage.records, "{\"a\":7,"), 2);
	stage_fini(&stage);
	mr_buf_fini(&text);
	mr_buf_fini(&blanks);
	mr_buf_fini(&bytes);
}

/* Each has to be read through a body that is long unpacked, to see that it fails there, too. */
static void members_that_fail_late_are_bounded(void **state)
{
	struct mr_buf text = {0}, body = {0}, bytes = {0};
	struct stage stage = {0};

	(void)state;
	memset(mr_buf_reserve(&text, 40 << 20), ' ', 40 << 20);
	text.len = 40 << 20;
	gzip_add_blocks(&body, text.data, text.len);
	mr_buf_add(&body, "\3\0wrong sum", 11);
	nest(&bytes, &(struct mr_buf){0}, &body);
	run_file(&stage, &bytes);
	assert_int_equal(count_of(&stage.rejects, "is not searched"), 1);
	stage_fini(&stage);
	mr_buf_fini(&text);
	mr_buf_fini(&body);
	mr_buf_fini(&bytes);
}

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

/* Nothing is known of the text before the first that holds more than a blank line. */
static void members_of_blank_lines(void **state)
{
	struct mr_buf blank = {0}, bytes = {0};
	struct stage stage = {0};

	(void)state;
	gzip_add(&blank, TEXT("\n"));
	for (int i = 0; i < 200000; i++)
		mr_buf_add(&bytes, blank.data, blank.len);
	gzip_add(&bytes, TEXT("{\"a\":1}\n"));
	run_file(&stage, &bytes);
	assert_int_equal(stage.record_count, 1);
	assert_non_null(strstr(stage_text(&stage.records), "{\"a\":1}"));
	stage_fini(&stage);
	mr_buf_fini(&blank);
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
		assert_true(
		    mr_codec_try(&codec, (struct mr_slice){bytes.data, bytes.len}, 0, &work));
		assert_in_range(work, MR_CODEC_TRY_OUT, 2 * MR_CODEC_TRY_OUT);
		assert_false(mr_codec_try(&codec, (struct mr_slice){bytes.data, bytes.len},
					  bytes.len, &work));
		assert_in_range(work, MR_CODEC_TRY_MOST, MR_CODEC_TRY_MOST + MR_CODEC_TRY_OUT);
		assert_false(mr_codec_try(&codec, (struct mr_slice){bytes.data, 5}, 0, &work));
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
	    cmocka_unit_test(a_whole_member_behind_many_torn_ones),
	    cmocka_unit_test(what_is_read_and_what_is_set_aside_add_up),
	    cmocka_unit_test(what_is_wrong_is_set_aside_with_what_follows),
	    cmocka_unit_test(what_a_shorter_file_leaves_is_set_aside),
	    cmocka_unit_test(a_block_across_an_earlier_failure_is_set_aside),
	    cmocka_unit_test(what_is_gone_has_its_place_named),
	    cmocka_unit_test(the_text_goes_on_as_it_was),
	    cmocka_unit_test(the_text_goes_on_inside_what_was_taken),
	    cmocka_unit_test(members_in_each_other_are_read_once),
	    cmocka_unit_test(members_that_go_ever_further_are_read_twice_at_most),
	    cmocka_unit_test(members_that_fail_late_are_bounded),
	    cmocka_unit_test(bytes_that_look_like_members_are_bounded),
	    cmocka_unit_test(members_of_blank_lines),
	    cmocka_unit_test(a_try_says_what_it_took),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
