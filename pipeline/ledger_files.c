/* ledger_files.c - reads the files of sinks again and compares them with the books.
 *
 * The books hold, at each checkpoint, how many lines and bytes a file had, and a running hash of
 * them. So what is wrong is told between two checkpoints. Lines behind the last are no matter: a
 * service that was killed had written them, and finds them again when it starts. A line is held in
 * memory whole, up to LINE_MOST.
 *
 * A hash is over all lines from the file's first on, so the last one proves them all. The file that
 * it is of may have been moved away by a rotation of logs since: then one beside it has these
 * lines, and what stands at the path has none of them. Files of before are not asked for. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger_balance.h"
#include "millrace/books.h"
#include "millrace/folder.h"

#define READ_BYTES (256 << 10)
#define LINE_MOST (256u << 20)

struct file {
	int fd;
	bool ended;
	struct mr_buf buf;
	size_t at;
	struct mr_line_hash is; /* of all whole lines so far */
	struct mr_slice line;   /* the last of them */
	int failed;             /* errno */
};

/* False with errno; 0: it is no regular file. */
static bool open_file(struct file *file, const char *path)
{
	struct stat about;
	*file = (struct file){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
	if (file->fd < 0)
		return false;
	if (fstat(file->fd, &about) == 0 && S_ISREG(about.st_mode))
		return true;
	close(file->fd);
	errno = 0;
	return false;
}

static void close_file(struct file *file)
{
	mr_buf_fini(&file->buf);
	close(file->fd);
}

static void rewind_file(struct file *file)
{
	lseek(file->fd, 0, SEEK_SET);
	mr_buf_fini(&file->buf);
	*file = (struct file){.fd = file->fd};
}

/* More bytes behind those that are left. False at the end of the file. */
static bool fill(struct file *file)
{
	size_t left = file->buf.len - file->at;
	if (file->ended || left > LINE_MOST)
		return false;
	if (file->at > 0)
		memmove(file->buf.data, file->buf.data + file->at, left);
	file->at = 0;
	file->buf.len = left;
	char *room = mr_buf_reserve(&file->buf, READ_BYTES);
	ssize_t got;
	do
		got = read(file->fd, room, READ_BYTES);
	while (got < 0 && errno == EINTR);
	file->failed = got < 0 ? errno : 0;
	file->ended = got <= 0;
	file->buf.len += got > 0 ? (size_t)got : 0;
	return !file->ended;
}

/* One more whole line; false where there is none. */
static bool next_line(struct file *file)
{
	size_t seen = 0;
	for (;;) {
		size_t left = file->buf.len - file->at;
		const char *from = left == 0 ? NULL : file->buf.data + file->at;
		const char *end = seen < left ? memchr(from + seen, '\n', left - seen) : NULL;
		if (end != NULL) {
			size_t len = (size_t)(end - from) + 1;
			file->line = (struct mr_slice){from, len};
			mr_line_hash_add(&file->is, file->line);
			file->at += len;
			return true;
		}
		seen = left;
		if (!fill(file))
			return false;
	}
}

/* What the books have of a file at one cut. */
struct mark {
	int64_t cut;
	struct mr_line_hash was;
};

static bool read_hex(struct mr_slice text, uint8_t *out, size_t len)
{
	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char *digits = "0123456789abcdef";
		const char *digit = text.at[i] == 0 ? NULL : strchr(digits, text.at[i]);
		if (digit == NULL)
			return false;
		out[i / 2] = (uint8_t)(out[i / 2] << 4 | (digit - digits));
	}
	return true;
}

/* False where it is none: then the chain has told it already. */
static bool read_mark(sqlite3_stmt *row, struct mark *out)
{
	uint8_t sum[16] = {0};
	*out = (struct mark){.cut = sqlite3_column_int64(row, 0)};
	out->was.bytes = mr_ledger_db_count(row, 1);
	out->was.lines = mr_ledger_db_count(row, 2);
	if (!read_hex(mr_ledger_db_text(row, 3), out->was.chain, sizeof out->was.chain) ||
	    !read_hex(mr_ledger_db_text(row, 4), sum, sizeof sum))
		return false;
	for (int i = 0; i < 16; i++)
		out->was.sum[i / 8] = out->was.sum[i / 8] << 8 | sum[i];
	return true;
}

/* How many lines there are to the end. */
static uint64_t count_rest(struct file *file)
{
	while (next_line(file))
		;
	return file->is.lines;
}

static void tell_difference(sqlite3 *db, const char *path, struct file *file,
			    const struct mark *before, const struct mark *mark, uint64_t all,
			    struct mr_findings *findings)
{
	char cut[MR_CUT_TEXT];
	const struct mr_line_hash *is = &file->is, *was = &mark->was;
	bool moved = is->lines == was->lines && is->bytes == was->bytes &&
		     is->sum[0] == was->sum[0] && is->sum[1] == was->sum[1];
	unsigned long long first = before->was.lines + 1, last = was->lines;
	mr_ledger_cut_text(db, mark->cut, cut);
	if (moved) {
		mr_find(findings,
			"%s: lines %llu to %llu stand in another order than the books say at %s: "
			"lines changed places",
			path, first, last, cut);
		return;
	}
	uint64_t lines = count_rest(file);
	bool torn = file->buf.len > file->at;
	if (lines < all)
		mr_find(findings,
			"%s: it has %llu lines%s, the books %llu at the last checkpoint; the first "
			"that differs is one of %llu to %llu (%s): %s",
			path, (unsigned long long)lines, torn ? " and a torn one" : "",
			(unsigned long long)all, first, last, cut,
			torn ? "it was cut off" : "lines were deleted");
	else
		mr_find(findings,
			"%s: one of the lines %llu to %llu is not what the books say at %s: a line "
			"was altered%s",
			path, first, last, cut, lines > all ? ", deleted or put in" : "");
}

static void read_to(struct file *file, const struct mark *mark)
{
	while (file->is.lines < mark->was.lines && next_line(file))
		;
}

/* The cuts in the order of the stream: hours, then checkpoints. Fewer lines than before: a new file
 * began, and it is the last one that stands here. */
static enum mr_err compare(sqlite3 *db, sqlite3_stmt *row, const char *path, struct file *file,
			   uint64_t all, struct mr_findings *findings, struct mr_error *error)
{
	struct mark before = {.cut = 0}, mark, wrong;
	bool differs = false;
	uint64_t lines = 0;
	enum mr_err err;
	while ((err = mr_ledger_db_step(row, error)) == MR_OK) {
		if (!read_mark(row, &mark))
			continue;
		if (mark.was.lines < lines) {
			rewind_file(file);
			before = (struct mark){.cut = 0};
			differs = false;
		}
		lines = mark.was.lines;
		if (differs)
			continue;
		read_to(file, &mark);
		differs = !mr_line_hash_equal(&file->is, &mark.was);
		*(differs ? &wrong : &before) = mark;
	}
	if (err == MR_END && differs)
		tell_difference(db, path, file, &before, &wrong, all, findings);
	return err == MR_END ? MR_OK : err;
}

/* ---- files that were moved away ---- */

static bool begins_with(struct file *file, const struct mark *mark)
{
	char end = 0;
	if (mark->was.bytes > 0 &&
	    (pread(file->fd, &end, 1, (off_t)mark->was.bytes - 1) != 1 || end != '\n'))
		return false;
	read_to(file, mark);
	return mr_line_hash_equal(&file->is, &mark->was);
}

static int by_number(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return a < b ? -1 : a > b;
}

/* Whether any line of the one stands in the other as well: then it is no file that was begun after
 * it, but a copy that somebody may have altered. */
static bool share_a_line(struct file *moved, struct file *here)
{
	uint64_t *hashes = NULL;
	size_t count = 0, capacity = 0;
	bool shared = false;
	rewind_file(moved);
	while (next_line(moved)) {
		if (count == capacity) {
			capacity = mr_grow(capacity, count + 1);
			hashes = mr_realloc(hashes, capacity * sizeof *hashes);
		}
		hashes[count++] = mr_hash64(moved->line.at, moved->line.len, 0);
	}
	if (count > 0)
		qsort(hashes, count, sizeof *hashes, by_number);
	while (count > 0 && !shared && next_line(here)) {
		uint64_t hash = mr_hash64(here->line.at, here->line.len, 0);
		shared = bsearch(&hash, hashes, count, sizeof hash, by_number) != NULL;
	}
	free(hashes);
	return shared;
}

/* Another output's file may have the same lines. */
static bool is_an_output(sqlite3 *db, const char *path)
{
	const char *sql = "SELECT DISTINCT f.text FROM output JOIN name f ON f.id = file";
	sqlite3_stmt *row = NULL;
	struct stat about, output;
	bool is = false;
	if (stat(path, &about) != 0 || mr_ledger_db_prepare(db, sql, &row, NULL) != MR_OK)
		return false;
	while (!is && mr_ledger_db_step(row, NULL) == MR_OK) {
		struct mr_slice text = mr_ledger_db_text(row, 0);
		char *name = mr_asprintf("%.*s", (int)text.len, text.at);
		is = stat(name, &output) == 0 && output.st_dev == about.st_dev &&
		     output.st_ino == about.st_ino;
		free(name);
	}
	sqlite3_finalize(row);
	return is;
}

/* Whether that one is the file of the books, and what stands at the path one that began behind it.
 */
static bool is_moved(const char *moved_path, const char *path, const struct mark *last)
{
	struct file moved, here;
	if (!open_file(&moved, moved_path))
		return false;
	bool is = begins_with(&moved, last);
	if (is && open_file(&here, path)) {
		is = !share_a_line(&moved, &here);
		close_file(&here);
	} else if (is) {
		is = errno == ENOENT;
	}
	close_file(&moved);
	return is;
}

struct search {
	sqlite3 *db;
	const char *path;
	const char *above;
	const struct mark *last;
	bool found;
};

static bool look_beside(void *context, int folder, const char *name)
{
	struct search *search = context;
	char *beside = mr_asprintf("%s/%s", search->above, name);
	(void)folder;
	search->found =
	    is_moved(beside, search->path, search->last) && !is_an_output(search->db, beside);
	free(beside);
	return !search->found;
}

static bool was_moved(sqlite3 *db, const char *path, const struct mark *last,
		      struct mr_findings *findings)
{
	char *real = realpath(path, NULL);
	char *copy = real == NULL ? mr_strdup(path) : real;
	struct search search = {.db = db, .path = path, .above = dirname(copy), .last = last};
	if (!mr_folder_list_path(search.above, look_beside, &search) && errno != ENOENT)
		mr_find(findings, "%s: it cannot be listed, and may hold what was moved: %s",
			search.above, strerror(errno));
	free(copy);
	return search.found;
}

/* ---- all ---- */

/* At the path, or beside it. */
static bool is_there(sqlite3 *db, const char *path, const struct mark *last,
		     struct mr_findings *findings)
{
	struct file file;
	bool there = false;
	if (open_file(&file, path)) {
		there = begins_with(&file, last);
		close_file(&file);
	}
	return there || was_moved(db, path, last, findings);
}

/* What is wrong with one sink's file, as it stands at the last checkpoint. */
static enum mr_err tell_file(sqlite3 *db, int64_t sink, int64_t name, const struct mark *last,
			     const char *path, struct mr_findings *findings, struct mr_error *error)
{
	sqlite3_stmt *row = NULL;
	struct file file;
	uint64_t all = last->was.lines;
	if (!open_file(&file, path)) {
		mr_find(findings, "%s: it cannot be read: %s; the books have %llu lines of it",
			path, errno != 0 ? strerror(errno) : "it is no file",
			(unsigned long long)all);
		return MR_OK;
	}
	enum mr_err err = mr_ledger_db_prepare(
	    db,
	    "SELECT cut, bytes, lines, chain, sum FROM output WHERE sink = ?1 AND file = ?2 AND"
	    " cut <= ?3 AND (cut < 0 OR cut > (SELECT coalesce(max(last), 0) FROM hour))"
	    " ORDER BY cut > 0, abs(cut)",
	    &row, error);
	if (err == MR_OK) {
		sqlite3_bind_int64(row, 1, sink);
		sqlite3_bind_int64(row, 2, name);
		sqlite3_bind_int64(row, 3, last->cut > 0 ? last->cut : 0);
		err = compare(db, row, path, &file, all, findings, error);
	}
	if (file.failed != 0)
		mr_find(findings, "%s: it cannot be read to its end: %s", path,
			strerror(file.failed));
	sqlite3_finalize(row);
	close_file(&file);
	return err;
}

enum mr_err mr_ledger_check_files(sqlite3 *db, int64_t last, struct mr_findings *findings,
				  struct mr_error *error)
{
	sqlite3_stmt *row = NULL;
	struct mark mark;
	enum mr_err err = mr_ledger_db_prepare(
	    db,
	    "SELECT cut, bytes, lines, chain, sum, sink, file, f.text,"
	    " max(CASE WHEN cut < 0 THEN 1.0 / cut ELSE cut END)"
	    " FROM output JOIN name f ON f.id = file WHERE cut <= ?1 GROUP BY sink",
	    &row, error);
	if (err == MR_OK)
		sqlite3_bind_int64(row, 1, last);
	while (err == MR_OK && (err = mr_ledger_db_step(row, error)) == MR_OK) {
		struct mr_slice file = mr_ledger_db_text(row, 7);
		if (file.len == 0 || !read_mark(row, &mark))
			continue;
		char *path = mr_asprintf("%.*s", (int)file.len, file.at);
		if (mark.was.lines > 0 && !is_there(db, path, &mark, findings))
			err = tell_file(db, sqlite3_column_int64(row, 5),
					sqlite3_column_int64(row, 6), &mark, path, findings, error);
		free(path);
	}
	sqlite3_finalize(row);
	return err == MR_END ? MR_OK : err;
}
