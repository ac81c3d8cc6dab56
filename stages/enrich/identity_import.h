/* identity_import.h - people from NDJSON and CSV files into a new generation of the store. */
#ifndef MILLRACE_ENRICH_IDENTITY_IMPORT_H
#define MILLRACE_ENRICH_IDENTITY_IMPORT_H

#include <stdio.h>

#include "identity_store.h"
#include "intern.h"

/* Columns and members of an entry, in any case. X(SYMBOL, NAME) */
#define IDENTITY_COLUMNS(X)                                                                        \
	X(ID, "id")                                                                                \
	X(UPN, "upn")                                                                              \
	X(ALIASES, "aliases")                                                                      \
	X(PUID, "puid")                                                                            \
	X(APP_ID, "app_id")                                                                        \
	X(DISPLAY_NAME, "display_name")                                                            \
	X(DEPARTMENT, "department")                                                                \
	X(TITLE, "title")                                                                          \
	X(MANAGER, "manager")                                                                      \
	X(GROUPS, "groups")                                                                        \
	X(ROLES, "roles")                                                                          \
	X(PRIVILEGED, "privileged")                                                                \
	X(RISK, "risk")                                                                            \
	X(HOME_COUNTRY, "home_country")                                                            \
	X(ENABLED, "enabled")                                                                      \
	X(LAST_CHANGED, "last_changed")
enum identity_column {
#define X(symbol, name) COLUMN_##symbol,
	IDENTITY_COLUMNS(X)
#undef X
	    COLUMN_COUNT
};
extern const char *const identity_column_names[COLUMN_COUNT];
static inline bool identity_column_is_list(int column)
{
	return column == COLUMN_ALIASES || column == COLUMN_GROUPS || column == COLUMN_ROLES;
}

/* Of refusals, of conflicts, of unknown names: more are only counted, or said to be there. */
#define IDENTITY_NAMED_MAX 10

/* One entry as a file gave it; lists are joined by line ends; empty is not given. */
struct identity_entry {
	struct mr_slice texts[COLUMN_COUNT];
};

/* What an entry needs until all are known. */
struct identity_claim {
	int64_t last_changed_us; /* INT64_MIN where it is not given */
	uint32_t line;
	uint32_t file;
	uint32_t place; /* of its person */
	bool dead;      /* another entry of the same id is newer, or was first */
};

struct identity_import {
	struct identity_generation generation;
	enum mr_err failed;      /* the store refused an entry: nothing more is taken */
	struct mr_error failure; /* its words */
	struct mr_buf people;    /* as in the table */
	struct intern profiles;
	struct text_pool texts;
	struct identity_claim *claims; /* of each entry, by its number */
	uint32_t count;
	uint32_t capacity;
	struct mr_buf scratch;    /* one entry as JSON, or one folded text */
	const char *const *files; /* names, for messages */
	uint64_t refused;
	uint64_t conflicts;
	uint64_t unknown[IDENTITY_NAMED_MAX]; /* hashes of those named */
	uint32_t unknown_count;
	bool more_unknown;
	bool force; /* the caller's wish: commit also what looks like a broken export */
};

/* A file, or standard input for "-", as UTF-8; it may be in UTF-16. NULL with errno.
 * identity_text.c.
 */
FILE *identity_text_open(const char *name);

/* Read a file. A refused entry is named in the log and counted; MR_CONFIG: the file can't be read
 * or is no such file. identity_read.c. */
enum mr_err identity_read_file(struct identity_import *import, uint32_t file,
			       struct mr_error *error);

/* identity_import.c. Begins a generation, so that each entry goes to LMDB as it is read. MR_CONFIG
 * where the store can't be written or another import is under way; nothing is held then. */
enum mr_err identity_import_init(struct identity_import *import, const char *store,
				 const char *const *files, struct mr_error *error);
/* Take one entry, or refuse it. */
void identity_import_add(struct identity_import *import, uint32_t file, uint32_t line,
			 const struct identity_entry *entry);
void identity_import_refuse(struct identity_import *import, uint32_t file, uint32_t line,
			    const char *reason);
/* Name a member or column that nobody reads, once. */
void identity_import_unknown(struct identity_import *import, uint32_t file, uint32_t line,
			     struct mr_slice name);
/* Build the index, make the generation current. `taken_out`: people in it. MR_BAD_INPUT, unless
 * `force` is set: half of the entries or more were refused, and fewer than half of the people that
 * the store holds would be left. */
enum mr_err identity_import_commit(struct identity_import *import, uint32_t *taken_out,
				   struct mr_error *error);
/* How many refusals and conflicts there were past those that the log names, and whether there were
 * more unknown names. */
void identity_import_tell_rest(const struct identity_import *import);
/* Gives up what was not committed. */
void identity_import_fini(struct identity_import *import);

/* ISO 8601 (a date, or date and time, with Z, an offset, or neither, which is UTC).
 * identity_date.c. */
bool identity_date_parse(struct mr_slice text, int64_t *time_us_out);

#endif
