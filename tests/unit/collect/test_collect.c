/* test_collect.c - the whole stage over files, folders and pipes: what is handed on, what is set
 * aside, and that the counts say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "packed.h"

static char folder[64];
static size_t logged_errors;
static char logged[2048];

static void note_log(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		     size_t len)
{
	(void)kind;
	(void)context;
	logged_errors += level == MR_LOG_ERROR;
	snprintf(logged, sizeof(logged), "%.*s", (int)len, line);
}

/* ---- files ---- */

static char *path_of(const char *name)
{
	return mr_asprintf("%s/%s", folder, name);
}

static void put_file(const char *name, const char *bytes, size_t len)
{
	char *path = path_of(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
	free(path);
}

static void add_input(struct stage *stage, const char *name)
{
	char *path = path_of(name);

	mr_config_add(&stage->config, "input", path);
	free(path);
}

/* Everything in the folder but the stage's own. */
static int clean(void **state)
{
	char *command = mr_asprintf("rm -rf '%s' && mkdir '%s'", folder, folder);

	(void)state;
	logged_errors = 0;
	logged[0] = 0;
	assert_int_equal(system(command), 0);
	free(command);
	return 0;
}

/* Records without the folder's name before each. */
static const char *bare(struct mr_buf *buf)
{
	struct mr_buf out = {0};
	const char *at = stage_text(buf);
	size_t skip = strlen(folder) + 1;

	while (*at) {
		const char *found = strstr(at, folder);

		if (!found)
			break;
		mr_buf_add(&out, at, (size_t)(found - at));
		at = found + skip;
	}
	mr_buf_add_text(&out, at);
	mr_buf_fini(buf);
	*buf = out;
	return stage_text(buf);
}

/* One file with these bytes gives these records, rejects and damaged inputs. */
static void check_file(const char *bytes, size_t len, const char *records, const char *rejects,
		       unsigned damaged)
{
	struct stage stage = {0};

	put_file("in", bytes, len);
	add_input(&stage, "in");
	assert_int_equal(stage_open(&stage), MR_OK);
	assert_int_equal(stage_poll(&stage), MR_END);
	assert_string_equal(bare(&stage.records), records);
	assert_string_equal(stage_text(&stage.rejects)[0] ? bare(&stage.rejects) : "", rejects);
	assert_int_equal(stage.counters.at[MR_C_INPUTS_DAMAGED], damaged);
	assert_int_equal(logged_errors > 0, damaged > 0);
	stage_balance(&stage);
	stage_fini(&stage);
	logged_errors = 0;
}

static void small_files_of_every_container(void **state)
{
	const char *two = "in 0 {\"a\":1}\nin 8 {\"b\":2}\n";
	struct mr_buf packed = {0};
	char garbage[200];

	(void)state;
#define TEXT(literal) (literal), sizeof(literal) - 1
	check_file(TEXT(""), "", "", 0);
	check_file(TEXT("{\"a\":1}\n{\"b\":2}\n"), two, "", 0);
	check_file(TEXT("\xef\xbb\xbf{\"a\":1}\n"), "in 3 {\"a\":1}\n", "", 0);
	check_file(TEXT("[{\"a\":1},{\"b\":2}]"), "in 1 {\"a\":1}\nin 9 {\"b\":2}\n", "", 0);
	check_file(TEXT("\xff\xfe{\0\"\0\xe9\0\"\0:\0\x3d\xd8\x00\xde}\0\n\0"),
		   "in 0 {\"\xc3\xa9\":\xf0\x9f\x98\x80}\n", "", 0);
	check_file(TEXT("\xef\xbb\xbf\"x\",\"AuditData\"\r\n\"1\",\"{\"\"a\"\":1}\"\r\n"),
		   "in 25 {\"a\":1}\n", "", 0);
	gzip_add(&packed, TEXT("{\"a\":1}\n"));
	zstd_add(&packed, TEXT("{\"b\""));
	mr_buf_add(&packed, "\0\0\0\0\0\0\0", 7); /* to the end of a block */
	gzip_add(&packed, TEXT(":2}\n"));
	check_file(packed.data, packed.len, two, "", 0);
	mr_buf_add(&packed, "\0\0\0\0\0", 5);
	check_file(packed.data, packed.len, two, "", 0);
	snprintf(garbage, sizeof(garbage),
		 "in %zu garbage (damaged at compressed offset %zu: text behind the last member; "
		 "no member behind it can be read)\n",
		 packed.len, packed.len);
	mr_buf_add(&packed, "garbage", 7);
	check_file(packed.data, packed.len, two, garbage, 1);
	mr_buf_fini(&packed);
}

/* A compressed file that is cut short anywhere: whole lines come out, and it is said. */
static void compressed_files_cut_everywhere(void **state)
{
	struct mr_buf packed = {0};
	struct mr_buf text = {0};
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 40; i++)
		mr_buf_printf(&text, "{\"n\":%d,\"x\":\"%08x\"}\n", i,
			      seed = seed * 1664525u + 1013904223u);
	for (int kind = 0; kind < 2; kind++) {
		packed.len = 0;
		if (kind == 0)
			gzip_add(&packed, text.data, text.len);
		else
			zstd_add(&packed, text.data, text.len);
		for (size_t len = 4; len < packed.len; len++) {
			struct stage stage = {0};

			put_file("in", packed.data, len);
			add_input(&stage, "in");
			assert_int_equal(stage_open(&stage), MR_OK);
			assert_int_equal(stage_poll(&stage), MR_END);
			assert_int_equal(stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
			assert_non_null(strstr(logged, "it ends in the middle"));
			assert_true(stage.record_count <= 40);
			assert_true(stage.reject_count <= 1);
			if (kind == 0 && len == packed.len - 1)
				assert_int_equal(stage.record_count, 40);
			stage_balance(&stage);
			stage_fini(&stage);
		}
	}
	mr_buf_fini(&packed);
	mr_buf_fini(&text);
}

/* Opens the stage over standard input, a pipe; gives the end to write to. */
static int open_piped(struct stage *stage)
{
	int ends[2];
	int standard_input = dup(0);

	assert_int_equal(pipe(ends), 0);
	dup2(ends[0], 0);
	mr_config_add(&stage->config, "input", "-");
	assert_int_equal(stage_open(stage), MR_OK);
	dup2(standard_input, 0);
	close(standard_input);
	close(ends[0]);
	return ends[1];
}

/* A block of zstd may hold more than is given at once: all of it comes before what is bad behind
 * it, whether that is there already or not. */
static void a_long_block_comes_out_before_a_bad_one(void **state)
{
	struct mr_buf text = {0}, packed = {0};
	ZSTD_CCtx *context = ZSTD_createCCtx();

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		mr_buf_printf(&text, "{\"a\":%06u}\n", 100000 + i);
	ZSTD_inBuffer from = {text.data, text.len, 0};
	ZSTD_outBuffer to = {mr_buf_reserve(&packed, text.len), text.len, 0};
	assert_true(text.len > 65536 && text.len <= 131072);
	assert_int_equal(ZSTD_compressStream2(context, &to, &from, ZSTD_e_flush), 0);
	packed.len = to.pos;
	mr_buf_add(&packed, "\xff\xff\xff no block", 12);
	for (size_t whole = 0; whole < 2; whole++) {
		struct stage stage = {0};
		int writer = open_piped(&stage);

		for (size_t at = 0; at < packed.len;) {
			size_t len = whole ? packed.len : 1 + at / 1000;
			len = len < packed.len - at ? len : packed.len - at;
			assert_int_equal(write(writer, packed.data + at, len), len);
			assert_int_equal(stage_poll(&stage), MR_AGAIN);
			at += len;
		}
		close(writer);
		assert_int_equal(stage_poll(&stage), MR_END);
		assert_non_null(strstr(stage_text(&stage.records), "{\"a\":109999}"));
		assert_int_equal(stage.counters.at[MR_C_RECORDS], 1); /* the bad block */
		stage_fini(&stage);
	}
	logged_errors = 0;
	ZSTD_freeCCtx(context);
	mr_buf_fini(&packed);
	mr_buf_fini(&text);
}

static void damage_does_not_stop_the_others(void **state)
{
	struct stage stage = {0};
	struct mr_buf packed = {0};

	(void)state;
	gzip_add(&packed, TEXT("{\"a\":1}\n{\"b\":2}\n"));
	packed.data[packed.len - 6] ^= 1;
	put_file("1.gz", packed.data, packed.len);
	put_file("2", TEXT("[{\"c\":3},"));
	put_file("3", TEXT("Identity,Date\n1,2\n"));
	put_file("4", TEXT("{\"d\":4}"));
	mr_config_add(&stage.config, "input", folder);
	assert_int_equal(stage_open(&stage), MR_OK);
	assert_int_equal(stage_poll(&stage), MR_END);
	assert_string_equal(bare(&stage.records),
			    "1.gz 0 {\"a\":1}\n1.gz 8 {\"b\":2}\n2 1 {\"c\":3}\n4 0 {\"d\":4}\n");
	assert_int_equal(stage.counters.at[MR_C_INPUTS_DAMAGED], 3);
	assert_int_equal(logged_errors, 3);
	stage_balance(&stage);
	stage_fini(&stage);
	mr_buf_fini(&packed);
}

/* ---- by reference ---- */

/* Lines "{"n":N,…}" of lengths that vary, until there are `bytes`. */
static size_t make_lines(struct mr_buf *out, size_t bytes, unsigned seed)
{
	size_t count = 0;

	while (out->len < bytes) {
		unsigned pad = (seed = seed * 1664525u + 1013904223u) >> 21;

		mr_buf_printf(out, "{\"n\":%zu,\"pad\":\"%0*d\"}\n", count++, (int)pad + 1, 0);
	}
	return count;
}

static void plain_lines_travel_by_reference(void **state)
{
	struct mr_buf text = {0};
	struct mr_buf packed = {0};
	size_t count = make_lines(&text, 1000000, 1);
	struct stage plain = {0};
	struct stage spooled = {0};

	(void)state;
	put_file("in", text.data, text.len - 1); /* the last line has no end */
	add_input(&plain, "in");
	mr_config_add(&plain.config, "region_bytes", "65536");
	assert_int_equal(stage_open(&plain), MR_OK);
	assert_int_equal(stage_poll(&plain), MR_END);
	assert_int_equal(plain.record_count, count);
	assert_int_equal(plain.frame_regions, 0);
	assert_in_range(plain.line_regions, 15, 17);
	assert_true(plain.longest_region <= 65536);
	assert_int_equal(plain.region_bytes, text.len - 1);
	stage_balance(&plain);

	gzip_add(&packed, text.data, text.len);
	put_file("in", packed.data, packed.len);
	add_input(&spooled, "in");
	mr_config_add(&spooled.config, "region_bytes", "65536");
	assert_int_equal(stage_open(&spooled), MR_OK);
	assert_int_equal(stage_poll(&spooled), MR_END);
	assert_int_equal(spooled.line_regions, 0);
	assert_in_range(spooled.frame_regions, 14, 17);
	assert_string_equal(stage_text(&spooled.records), stage_text(&plain.records));
	stage_balance(&spooled);
	stage_fini(&plain);
	stage_fini(&spooled);
	mr_buf_fini(&text);
	mr_buf_fini(&packed);
}

/* Lines as a file, whose regions travel by reference, or compressed, whose records are spooled. */
static void run_lines(struct stage *stage, const struct mr_buf *text, bool reference)
{
	struct mr_buf packed = {0};

	gzip_add(&packed, text->data, text->len);
	if (reference)
		put_file("in", text->data, text->len);
	else
		put_file("in", packed.data, packed.len);
	add_input(stage, "in");
	mr_config_add(&stage->config, "region_bytes", "65536");
	mr_config_add(&stage->config, "max_record_bytes", "131072");
	assert_int_equal(stage_open(stage), MR_OK);
	assert_int_equal(stage_poll(stage), MR_END);
	assert_int_equal(stage->line_regions > 0, reference);
	mr_buf_fini(&packed);
}

/* A line past the limit between two good ones, in each way of travel. */
static void lines_past_the_limit(void **state)
{
	static const size_t lengths[] = {70000, 131072, 200000, 131073};
	static const bool too_long[] = {false, false, true, true};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		size_t len = lengths[i / 2];
		bool reference = i % 2 == 0;
		struct mr_buf text = {0};
		struct stage stage = {0};
		char want[200];

		mr_buf_add_text(&text, "{\"a\":1}\n");
		memset(mr_buf_reserve(&text, len), 'x', len);
		text.len += len;
		mr_buf_add_text(&text, "\n{\"b\":2}\n");
		run_lines(&stage, &text, reference);
		assert_int_equal(stage.record_count, too_long[i / 2] ? 2 : 3);
		assert_int_equal(stage.reject_count, too_long[i / 2] ? 1 : 0);
		assert_non_null(strstr(stage_text(&stage.records), "{\"b\":2}"));
		snprintf(want, sizeof(want),
			 "x (the record has %zu bytes; max_record_bytes allows 131072)", len);
		if (too_long[i / 2]) {
			assert_non_null(strstr(bare(&stage.rejects), want));
			assert_int_equal(strncmp(stage.rejects.data, "in 8 xxxx", 9), 0);
			assert_int_equal(stage.rejects.len, len + strlen("in 8 ") + strlen(want));
		}
		assert_int_equal(stage.counters.at[MR_C_INPUTS_DAMAGED], 0);
		stage_balance(&stage);
		stage_fini(&stage);
		mr_buf_fini(&text);
	}
}

static void add_blanks(struct mr_buf *text, size_t count)
{
	memset(mr_buf_reserve(text, count), ' ', count);
	text->len += count;
}

/* Blanks around a record are no part of it, however many there are and however it travels. */
static void blanks_past_the_limit(void **state)
{
	static const size_t counts[] = {131073, 65536 * 3, 400000};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct mr_buf text = {0};
		struct stage stage = {0};
		char want[100];

		mr_buf_add_text(&text, "{\"a\":1}\n");
		add_blanks(&text, counts[i / 2]);
		mr_buf_add_text(&text, "\n");
		add_blanks(&text, counts[i / 2]);
		snprintf(want, sizeof(want), "in 0 {\"a\":1}\nin %zu {\"b\":2}\nin ", text.len);
		mr_buf_add_text(&text, "{\"b\":2}");
		add_blanks(&text, counts[i / 2]);
		mr_buf_add_text(&text, "\r\n{\"c\":3}\n");
		add_blanks(&text, counts[i / 2]);
		run_lines(&stage, &text, i % 2 == 0);
		assert_int_equal(stage.record_count, 3);
		assert_int_equal(stage.reject_count, 0);
		assert_int_equal(strncmp(bare(&stage.records), want, strlen(want)), 0);
		stage_balance(&stage);
		stage_fini(&stage);
		mr_buf_fini(&text);
	}
}

static void file_that_becomes_shorter(void **state)
{
	struct mr_buf text = {0};
	struct stage stage = {0};
	char *path = path_of("in");
	enum mr_err err;

	(void)state;
	make_lines(&text, 12000000, 2);
	put_file("in", text.data, text.len);
	add_input(&stage, "in");
	assert_int_equal(stage_open(&stage), MR_OK);
	err = mr_stage_collect.poll(stage.state, &stage.writer, &stage.error);
	assert_int_equal(err, MR_FULL);
	stage_drain(&stage);
	assert_int_equal(truncate(path, 5000000), 0);
	err = mr_stage_collect.poll(stage.state, &stage.writer, &stage.error);
	for (struct mr_region region; mr_writer_take_region(&stage.writer, &region);)
		continue;
	while (err == MR_FULL || err == MR_OK)
		err = mr_stage_collect.poll(stage.state, &stage.writer, &stage.error);
	assert_int_equal(err, MR_END);
	assert_int_equal(stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	assert_non_null(strstr(logged, "became shorter"));
	stage_fini(&stage);
	mr_buf_fini(&text);
	free(path);
}

/* ---- pipes ---- */

static void fifo_in_pieces(void **state)
{
	static const char text[] = "{\"a\":1}\n{\"b\":2}\n{\"c\":3}";
	char *path = path_of("fifo");
	struct stage stage = {0};
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	add_input(&stage, "fifo");
	assert_int_equal(stage_open(&stage), MR_OK);
	assert_int_equal(stage_poll(&stage), MR_AGAIN);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(stage_poll(&stage), MR_AGAIN);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(write(fd, text + i, 1), 1);
		assert_int_equal(stage_poll(&stage), MR_AGAIN);
		/* What has come leaves before more does. */
		if (i > 8)
			assert_int_equal(stage.record_count, i < 15 ? 1 : 2);
	}
	close(fd);
	assert_int_equal(stage_poll(&stage), MR_END);
	assert_string_equal(bare(&stage.records),
			    "fifo 0 {\"a\":1}\nfifo 8 {\"b\":2}\nfifo 16 {\"c\":3}\n");
	stage_balance(&stage);
	stage_fini(&stage);
	free(path);
}

static void gzip_through_a_pipe_in_pieces(void **state)
{
	struct mr_buf packed = {0};
	struct stage stage = {0};
	int writer;

	(void)state;
	gzip_add(&packed, TEXT("[{\"a\":1},{\"b\":2}]"));
	mr_buf_add(&packed, "\0\0\0", 3);
	zstd_add(&packed, TEXT("[{\"c\":3}]"));
	mr_buf_add(&packed, "\0", 1);
	writer = open_piped(&stage);
	for (size_t i = 0; i < packed.len; i++) {
		assert_int_equal(write(writer, packed.data + i, 1), 1);
		assert_int_equal(stage_poll(&stage), MR_AGAIN);
	}
	close(writer);
	assert_int_equal(stage_poll(&stage), MR_END);
	assert_string_equal(stage_text(&stage.records),
			    "standard input 1 {\"a\":1}\nstandard input 9 {\"b\":2}\n"
			    "standard input 18 {\"c\":3}\n");
	assert_int_equal(stage.counters.at[MR_C_INPUTS_DAMAGED], 0);
	stage_balance(&stage);
	stage_fini(&stage);
	mr_buf_fini(&packed);
}

static void full_temporary_disk(void **state)
{
	struct stage stage = {0};
	char *old = getenv("TMPDIR") ? mr_strdup(getenv("TMPDIR")) : NULL;

	(void)state;
	put_file("in", TEXT("{\"a\":1}\n"));
	add_input(&stage, "in");
	assert_int_equal(stage_open(&stage), MR_OK);
	setenv("TMPDIR", "/no/such/folder", 1);
	assert_int_equal(stage_poll(&stage), MR_IO);
	assert_non_null(
	    strstr(stage.error.text, "/no/such/folder: cannot make the temporary file"));
	if (old)
		setenv("TMPDIR", old, 1);
	else
		unsetenv("TMPDIR");
	free(old);
	stage_fini(&stage);
}

/* ---- what is named ---- */

static void folders_in_order(void **state)
{
	struct stage stage = {0};
	char *loop = path_of("b/loop");
	char *nowhere = path_of("b/nowhere");
	char *a = path_of("a");
	char *b = path_of("b");
	char *fifo = path_of("b/fifo");
	int fd;
	size_t size;
	char total[16] = {0};

	(void)state;
	mkdir(a, 0700);
	mkdir(b, 0700);
	put_file("b/2", TEXT("{\"n\":2}"));
	put_file("a/1", TEXT("{\"n\":1}"));
	put_file("c", TEXT("{\"n\":3}"));
	put_file("b/.hidden", TEXT("{\"n\":4}"));
	assert_int_equal(symlink("..", loop), 0);
	assert_int_equal(symlink("x", nowhere), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	mr_config_add(&stage.config, "input", folder);
	assert_int_equal(stage_open(&stage), MR_OK);
	assert_int_equal(stage_poll(&stage), MR_END);
	assert_string_equal(bare(&stage.records),
			    "a/1 0 {\"n\":1}\nb/2 0 {\"n\":2}\nc 0 {\"n\":3}\n");
	assert_true(mr_tables_find(stage.tables, "collect.total", &fd, &size));
	assert_int_equal(pread(fd, total, sizeof(total), 0), 2);
	assert_string_equal(total, "21");
	stage_fini(&stage);
	free(loop);
	free(nowhere);
	free(a);
	free(b);
	free(fifo);
}

static void check_refused(const char *input, enum mr_err err, const char *words)
{
	struct stage stage = {0};

	if (input)
		mr_config_add(&stage.config, "input", input);
	assert_int_equal(stage_open(&stage), err);
	if (!strstr(stage.error.text, words))
		fail_msg("'%s' does not say '%s'", stage.error.text, words);
	stage_fini(&stage);
}

static void what_cannot_be_read_is_said_before_the_start(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	check_refused(NULL, MR_CONFIG, "no input");
	check_refused("/no/such/file", MR_NOT_FOUND, "/no/such/file: cannot open");
	check_refused("/dev/zero", MR_CONFIG, "/dev/zero: is a device");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	check_refused(address.sun_path, MR_CONFIG, "is a socket");
	close(fd);
}

/* Each worker has its share; together they read everything once. */
static void inputs_are_shared_among_workers(void **state)
{
	size_t records = 0;

	(void)state;
	for (int i = 0; i < 7; i++) {
		char name[2] = {(char)('a' + i), 0};

		put_file(name, TEXT("{\"a\":1}\n"));
	}
	for (uint32_t worker = 0; worker < 3; worker++) {
		struct stage stage = {0};

		mr_config_add(&stage.config, "input", folder);
		assert_int_equal(stage_open(&stage), MR_OK);
		stage.env.workers = 3;
		stage.env.worker = worker;
		assert_int_equal(stage_poll(&stage), MR_END);
		records += stage.record_count;
		stage_fini(&stage);
	}
	assert_int_equal(records, 7);
}

static int begin(void **state)
{
	(void)state;
	mr_log_set_sink(note_log, NULL);
	snprintf(folder, sizeof(folder), "/tmp/millrace-collect-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
	char *command = mr_asprintf("rm -rf '%s'", folder);
	int failed = system(command);

	(void)state;
	free(command);
	return failed;
}

/* Of what was collected, and of what was not, by the kind of fault. */
static void check_books(const char *bytes, size_t len, uint64_t collected, enum mr_reject_kind kind)
{
	struct stage stage = {0};
	struct mr_books books = {0};

	stage.counters.books = &books;
	mr_config_add(&stage.config, "max_record_bytes", "40");
	put_file("in", bytes, len);
	add_input(&stage, "in");
	assert_int_equal(stage_open(&stage), MR_OK);
	assert_int_equal(stage_poll(&stage), MR_END);
	assert_int_equal(books.rows[0].at[MR_B_BYTES_COLLECTED], collected);
	assert_int_equal(books.rows[0].at[MR_B_REJECTED + (int)kind], 1);
	assert_int_equal(books.rows[0].at[MR_B_RECORDS], 1);
	stage_fini(&stage);
	mr_books_fini(&books);
}

static void the_ledger_gets_its_counts_by_source(void **state)
{
	(void)state;
	check_books(TEXT("{\"a\":1}\n{\"b\":\"123456789 123456789 123456789 1234\"}\n"),
		    MR_FRAME_HEADER + 7, MR_REJECT_TOO_LONG);
	check_books(TEXT("[{\"a\":1},{\"b\""), MR_FRAME_HEADER + 7, MR_REJECT_DAMAGED);
	check_books(TEXT("x,AuditData\n1,\"{\"\"a\"\":1}\"\n1\n"), MR_FRAME_HEADER + 7,
		    MR_REJECT_BROKEN_ROW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(small_files_of_every_container, clean),
	    cmocka_unit_test_setup(the_ledger_gets_its_counts_by_source, clean),
	    cmocka_unit_test_setup(compressed_files_cut_everywhere, clean),
	    cmocka_unit_test_setup(a_long_block_comes_out_before_a_bad_one, clean),
	    cmocka_unit_test_setup(damage_does_not_stop_the_others, clean),
	    cmocka_unit_test_setup(plain_lines_travel_by_reference, clean),
	    cmocka_unit_test_setup(lines_past_the_limit, clean),
	    cmocka_unit_test_setup(blanks_past_the_limit, clean),
	    cmocka_unit_test_setup(file_that_becomes_shorter, clean),
	    cmocka_unit_test_setup(fifo_in_pieces, clean),
	    cmocka_unit_test_setup(gzip_through_a_pipe_in_pieces, clean),
	    cmocka_unit_test_setup(full_temporary_disk, clean),
	    cmocka_unit_test_setup(folders_in_order, clean),
	    cmocka_unit_test_setup(what_cannot_be_read_is_said_before_the_start, clean),
	    cmocka_unit_test_setup(inputs_are_shared_among_workers, clean),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
