/* ledger_db.c - opens the ledger's file, and turns what SQLite says into words.
 *
 * Whoever can write to the state directory can put any file here. So: no trust in its schema
 * (trusted_schema off, defensive, no triggers), no mapping of it (a file cut short is an error, no
 * SIGBUS), a schema that is this program's to the letter, a check of every page, and steps bounded
 * by the file's size. */
#include "ledger_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger_schema.h"
#include "millrace/os.h"

#define APPLICATION_ID 0x4d524c47 /* "MRLG" */
#define BUSY_MS 2000
#define TEXT_MAX_BYTES (1 << 20)
#define STEPS_FLOOR 100000000 /* of SQLite's machine; a sound file needs about one a byte */
#define STEPS_EACH_BYTE 64
#define STEPS_TOGETHER 100000

/* ---- words ---- */

static enum mr_err code_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return MR_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_MISMATCH:
	case SQLITE_CONSTRAINT:
	case SQLITE_ERROR:
	case SQLITE_INTERRUPT:
	case SQLITE_TOOBIG:
		return MR_BAD_INPUT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return MR_AGAIN;
	default:
		return MR_IO;
	}
}

enum mr_err mr_ledger_db_error(sqlite3 *db, const char *what, struct mr_error *error)
{
	const char *path = sqlite3_db_filename(db, "main");
	enum mr_err code = code_of(sqlite3_extended_errcode(db));
	const char *why = sqlite3_errmsg(db);
	if (code == MR_AGAIN)
		why = "somebody else writes to it";
	return mr_error_set(error, code, "%s: %s: %s", path == NULL ? "the ledger" : path, what,
			    why);
}

enum mr_err mr_ledger_db_exec(sqlite3 *db, const char *sql, struct mr_error *error)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return MR_OK;
	return mr_ledger_db_error(db, "the ledger cannot be used", error);
}

enum mr_err mr_ledger_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out,
				 struct mr_error *error)
{
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK)
		return MR_OK;
	return mr_ledger_db_error(db, "the ledger cannot be asked", error);
}

enum mr_err mr_ledger_db_step(sqlite3_stmt *stmt, struct mr_error *error)
{
	int code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		return MR_OK;
	enum mr_err err = MR_END;
	if (code != SQLITE_DONE)
		err =
		    mr_ledger_db_error(sqlite3_db_handle(stmt), "the ledger cannot be used", error);
	sqlite3_reset(stmt);
	return err;
}

enum mr_err mr_ledger_db_run(sqlite3_stmt *stmt, struct mr_error *error)
{
	enum mr_err err = mr_ledger_db_step(stmt, error);
	sqlite3_reset(stmt);
	return err == MR_END ? MR_OK : err;
}

void mr_ledger_db_bind(sqlite3_stmt *stmt, int at, struct mr_slice text)
{
	sqlite3_bind_text64(stmt, at, text.len == 0 ? "" : text.at, text.len, SQLITE_TRANSIENT,
			    SQLITE_UTF8);
}

struct mr_slice mr_ledger_db_text(sqlite3_stmt *stmt, int column)
{
	const char *at = (const char *)sqlite3_column_text(stmt, column);
	int len = sqlite3_column_bytes(stmt, column);
	return at == NULL || len <= 0 ? (struct mr_slice){"", 0}
				      : (struct mr_slice){at, (size_t)len};
}

uint64_t mr_ledger_db_count(sqlite3_stmt *stmt, int column)
{
	sqlite3_int64 number = sqlite3_column_int64(stmt, column);
	return number < 0 ? 0 : (uint64_t)number;
}

/* ---- opening ---- */

/* A hostile file could send a query round in circles. */
static int count_rounds(void *context)
{
	struct mr_ledger_db *db = context;
	if (db->rounds == 0)
		return 1;
	db->rounds--;
	return 0;
}

static void bound_work(struct mr_ledger_db *db, const char *path)
{
	struct stat about = {.st_size = 0};
	stat(path, &about);
	uint64_t steps = STEPS_FLOOR + STEPS_EACH_BYTE * (uint64_t)about.st_size;
	db->rounds = steps / STEPS_TOGETHER;
	sqlite3_progress_handler(db->db, STEPS_TOGETHER, count_rounds, db);
}

/* "file:" and the path, with what an URI gives a meaning escaped. */
static void put_uri(struct mr_buf *out, const char *path, const char *query)
{
	mr_buf_add_text(out, "file:");
	for (const char *at = path; *at != 0; at++) {
		if (strchr("%?#", *at) != NULL)
			mr_buf_printf(out, "%%%02x", (unsigned)*at);
		else
			mr_buf_add(out, at, 1);
	}
	mr_buf_add(out, query, strlen(query) + 1);
}

/* Where nobody writes, and the directory may not be written to, SQLite could not make the files
 * that readers and a writer share: then none are needed. */
static const char *query_of(const char *path, enum mr_ledger_access access)
{
	struct stat about;
	if (access != MR_LEDGER_READ)
		return "?mode=rw";
	char *wal = mr_asprintf("%s-wal", path);
	bool idle = stat(wal, &about) != 0 || about.st_size == 0;
	char *slash = strrchr(wal, '/');
	if (slash != NULL)
		slash[slash == wal] = 0;
	bool closed = eaccess(slash == NULL ? "." : wal, W_OK) != 0;
	free(wal);
	return idle && closed ? "?mode=ro&immutable=1" : "?mode=ro";
}

/* Made by us, so that SQLite, whose files have the mode of this one, leaves none to others. */
static enum mr_err make_file(const char *path, struct mr_error *error)
{
	int fd = mr_os.openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return mr_error_errno(error, mr_error_of_write(errno),
				      "%s: the ledger cannot be made", path);
	close(fd);
	return MR_OK;
}

static enum mr_err open_file(const char *path, enum mr_ledger_access access,
			     struct mr_ledger_db *out, struct mr_error *error)
{
	struct mr_buf uri = {0};
	struct stat about;
	int flags = SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
	if (access == MR_LEDGER_READ)
		flags |= SQLITE_OPEN_READONLY;
	else
		flags |= SQLITE_OPEN_READWRITE;
	if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
		return mr_error_set(error, MR_BAD_INPUT, "%s: it is no file", path);
	enum mr_err made = access == MR_LEDGER_CREATE ? make_file(path, error) : MR_OK;
	if (made != MR_OK)
		return made;
	if (access != MR_LEDGER_CREATE && eaccess(path, F_OK) != 0 &&
	    (errno == ENOENT || errno == ENOTDIR))
		return mr_error_set(error, MR_NOT_FOUND, "%s: there is no ledger", path);
	if (access == MR_LEDGER_READ && eaccess(path, R_OK) != 0 && errno == EACCES)
		return mr_error_errno(error, MR_CONFIG, "%s", path);
	put_uri(&uri, path, query_of(path, access));
	int code = sqlite3_open_v2(uri.data, &out->db, flags, NULL);
	mr_buf_fini(&uri);
	if (code != SQLITE_OK)
		return mr_error_set(error, code_of(code), "%s: the ledger cannot be opened: %s",
				    path, sqlite3_errmsg(out->db));
	return MR_OK;
}

/* Before anything of the file is believed. */
static enum mr_err distrust(struct mr_ledger_db *db, enum mr_ledger_access access,
			    struct mr_error *error)
{
	sqlite3_busy_timeout(db->db, BUSY_MS);
	sqlite3_limit(db->db, SQLITE_LIMIT_LENGTH, TEXT_MAX_BYTES);
	sqlite3_limit(db->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	enum mr_err err =
	    mr_ledger_db_exec(db->db, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0", error);
	if (err == MR_OK && access == MR_LEDGER_READ)
		err = mr_ledger_db_exec(db->db, "PRAGMA query_only = ON", error);
	return err;
}

/* ---- what is in it ---- */

static enum mr_err ask_number(sqlite3 *db, const char *sql, int64_t *out, struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	enum mr_err err = mr_ledger_db_prepare(db, sql, &stmt, error);
	if (err == MR_OK)
		err = mr_ledger_db_step(stmt, error);
	if (err == MR_OK)
		*out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return err == MR_END ? MR_OK : err;
}

/* Every table, index and view of the file, as one text. */
static enum mr_err put_schema(sqlite3 *db, struct mr_buf *out, struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	enum mr_err err = mr_ledger_db_prepare(
	    db,
	    "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '')"
	    " FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY 1",
	    &stmt, error);
	while (err == MR_OK && (err = mr_ledger_db_step(stmt, error)) == MR_OK) {
		struct mr_slice text = mr_ledger_db_text(stmt, 0);
		mr_buf_add(out, text.at, text.len);
		mr_buf_add_text(out, "\n");
	}
	sqlite3_finalize(stmt);
	return err == MR_END ? MR_OK : err;
}

/* From `version` on to ours. */
static enum mr_err migrate(sqlite3 *db, int64_t version, struct mr_error *error)
{
	char numbers[120];
	enum mr_err err = mr_ledger_db_exec(db, "BEGIN IMMEDIATE", error);
	for (int64_t i = version; i < MR_LEDGER_VERSION && err == MR_OK; i++)
		err = mr_ledger_db_exec(db, mr_ledger_schema[i], error);
	snprintf(numbers, sizeof numbers, "PRAGMA user_version = %d; PRAGMA application_id = %d",
		 MR_LEDGER_VERSION, APPLICATION_ID);
	if (err == MR_OK)
		err = mr_ledger_db_exec(db, numbers, error);
	if (err == MR_OK)
		err = mr_ledger_db_exec(db, "COMMIT", error);
	if (err != MR_OK)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

static enum mr_err compare_schema(sqlite3 *db, const char *path, struct mr_error *error)
{
	sqlite3 *model = NULL;
	struct mr_buf is = {0}, should = {0};
	enum mr_err err = MR_OK;
	if (sqlite3_open(":memory:", &model) != SQLITE_OK)
		err = mr_ledger_db_error(model, "the ledger cannot be opened", error);
	for (int i = 0; i < MR_LEDGER_VERSION && err == MR_OK; i++)
		err = mr_ledger_db_exec(model, mr_ledger_schema[i], error);
	if (err == MR_OK)
		err = put_schema(model, &should, error);
	if (err == MR_OK)
		err = put_schema(db, &is, error);
	if (err == MR_OK && (is.len != should.len || memcmp(is.data, should.data, is.len) != 0))
		err = mr_error_set(error, MR_BAD_INPUT,
				   "%s: its tables are not those of a ledger of version %d", path,
				   MR_LEDGER_VERSION);
	sqlite3_close(model);
	mr_buf_fini(&is);
	mr_buf_fini(&should);
	return err;
}

static enum mr_err check_version(sqlite3 *db, const char *path, enum mr_ledger_access access,
				 struct mr_error *error)
{
	int64_t version = 0, application = 0, tables = 0;
	enum mr_err err = ask_number(db, "PRAGMA user_version", &version, error);
	if (err == MR_OK)
		err = ask_number(db, "PRAGMA application_id", &application, error);
	if (err == MR_OK)
		err = ask_number(db, "SELECT count(*) FROM sqlite_schema", &tables, error);
	if (err != MR_OK)
		return err;
	bool empty = version == 0 && application == 0 && tables == 0;
	if (empty && access != MR_LEDGER_CREATE)
		return mr_error_set(error, MR_BAD_INPUT,
				    "%s: there is no ledger in it: it is empty", path);
	if (!empty && application != APPLICATION_ID)
		return mr_error_set(error, MR_BAD_INPUT, "%s: this is no ledger of Millrace", path);
	if (version > MR_LEDGER_VERSION)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "%s: the ledger is of version %lld, this program knows up to "
				    "%d: a newer Millrace wrote it",
				    path, (long long)version, MR_LEDGER_VERSION);
	if (version == MR_LEDGER_VERSION)
		return MR_OK;
	if (access == MR_LEDGER_READ || version < 0)
		return mr_error_set(error, MR_BAD_INPUT,
				    "%s: the ledger is of version %lld, this program reads %d; "
				    "`millrace run` brings an older one up to date",
				    path, (long long)version, MR_LEDGER_VERSION);
	return migrate(db, version, error);
}

/* Every page and every row's form. */
static enum mr_err check_pages(sqlite3 *db, const char *path, struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	enum mr_err err = mr_ledger_db_prepare(db, "PRAGMA integrity_check(1)", &stmt, error);
	if (err == MR_OK)
		err = mr_ledger_db_step(stmt, error);
	if (err == MR_OK && !mr_slice_eq(mr_ledger_db_text(stmt, 0), MR_SLICE("ok"))) {
		struct mr_slice why = mr_ledger_db_text(stmt, 0);
		err = mr_error_set(error, MR_BAD_INPUT, "%s: the ledger is damaged: %.*s", path,
				   (int)mr_utf8_cut(why, 300), why.at);
	}
	sqlite3_finalize(stmt);
	return err == MR_END ? MR_OK : err;
}

/* Write-ahead: a commit is one sync, and somebody who reads the books meanwhile holds nobody up.
 * FULL: that sync is done before a commit returns. */
static enum mr_err set_journal(sqlite3 *db, const char *path, struct mr_error *error)
{
	sqlite3_stmt *stmt = NULL;
	enum mr_err err = mr_ledger_db_prepare(db, "PRAGMA journal_mode = WAL", &stmt, error);
	if (err == MR_OK)
		err = mr_ledger_db_step(stmt, error);
	if (err == MR_OK && !mr_slice_eq(mr_ledger_db_text(stmt, 0), MR_SLICE("wal")))
		err = mr_error_set(error, MR_UNSUPPORTED,
				   "%s: this file system keeps no write-ahead log of SQLite: the "
				   "state directory must be on a local disk",
				   path);
	sqlite3_finalize(stmt);
	if (err == MR_OK)
		err = mr_ledger_db_exec(
		    db, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 8388608", error);
	return err;
}

static const char *const endings[] = {"", "-wal"};

/* False where the file is not the one that was seen first. */
static bool is_seen(struct mr_ledger_db *db, int which)
{
	struct stat about = {.st_ino = 0};
	char *path = mr_asprintf("%s%s", sqlite3_db_filename(db->db, "main"), endings[which]);
	bool there = stat(path, &about) == 0;
	free(path);
	if (db->files[which].inode == 0) {
		db->files[which].device = about.st_dev;
		db->files[which].inode = about.st_ino;
	}
	return there && about.st_ino == db->files[which].inode &&
	       about.st_dev == db->files[which].device;
}

enum mr_err mr_ledger_db_open(const char *path, enum mr_ledger_access access,
			      struct mr_ledger_db *out, struct mr_error *error)
{
	*out = (struct mr_ledger_db){0};
	enum mr_err err = open_file(path, access, out, error);
	if (err == MR_OK)
		err = distrust(out, access, error);
	if (err == MR_OK && access == MR_LEDGER_READ)
		bound_work(out, path);
	if (err == MR_OK)
		err = check_version(out->db, path, access, error);
	if (err == MR_OK)
		err = compare_schema(out->db, path, error);
	if (err == MR_OK)
		err = check_pages(out->db, path, error);
	if (err == MR_OK && access != MR_LEDGER_READ)
		err = set_journal(out->db, path, error);
	if (err == MR_OK)
		is_seen(out, 0);
	if (err != MR_OK)
		mr_ledger_db_close(out);
	return err;
}

void mr_ledger_db_close(struct mr_ledger_db *db)
{
	sqlite3_close(db->db);
	db->db = NULL;
}

enum mr_err mr_ledger_db_in_place(struct mr_ledger_db *db, struct mr_error *error)
{
	for (int i = 0; i < 2; i++)
		if (!is_seen(db, i))
			return mr_error_set(error, MR_BAD_INPUT,
					    "%s%s was removed, moved or replaced while it is in "
					    "use: put it back; without it no checkpoint is made",
					    sqlite3_db_filename(db->db, "main"), endings[i]);
	return MR_OK;
}
