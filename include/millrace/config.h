/* config.h - settings of a run and of its parts: names with one or more texts.
 *
 * Made by pipeline/ from the command line or a topology file, handed to prepare and open. Small:
 * looked up by a walk. setting.def holds each name with its scopes, kind, range, default and help:
 * to ask for another name, for one outside of its scopes or as of another kind, is our bug
 * (assert). Zeroed is a run without settings. */
#ifndef MILLRACE_CONFIG_H
#define MILLRACE_CONFIG_H

#include "millrace/setting.h"

struct mr_setting {
	char *name;
	char *value;
	uint32_t line; /* where it stands in the topology file; 0: nowhere there */
	uint32_t column;
};
struct mr_part;
struct mr_config {
	enum mr_scope scope; /* RUN, or a part's */
	struct mr_setting *items;
	size_t count;
	size_t capacity;
	struct mr_part *parts; /* in the order that they were given */
	size_t part_count;
	size_t part_capacity;
};

enum mr_part_kind {
	MR_PART_SOURCE = MR_SCOPE_SOURCE,
	MR_PART_SINK = MR_SCOPE_SINK,
	MR_PART_HOST = MR_SCOPE_HOST
};
struct mr_part {
	enum mr_part_kind kind;
	char *name;      /* one of its kind */
	uint32_t number; /* a source's is origin.source: the same for its name over restarts */
	struct mr_config settings;
};

void mr_config_fini(struct mr_config *config);
/* Append; a name may be given often. Copies both. */
void mr_config_add(struct mr_config *config, const char *name, const char *value);
/* Likewise; where it stands in the topology file. */
void mr_config_add_at(struct mr_config *config, const char *name, const char *value, uint32_t line,
		      uint32_t column);
/* Instead of whatever values it has. */
void mr_config_replace(struct mr_config *config, const char *name, const char *value);
/* Append a part without settings; its number is how many of its kind stand before it. Borrowed
 * until the next part. */
struct mr_part *mr_config_part_add(struct mr_config *config, enum mr_part_kind kind,
				   const char *name);
/* The n-th part of a kind, or NULL. Borrowed. */
const struct mr_part *mr_config_part(const struct mr_config *config, enum mr_part_kind kind,
				     size_t n);
size_t mr_config_parts(const struct mr_config *config, enum mr_part_kind kind);

/* The n-th value of a name, or NULL. Borrowed. */
const char *mr_config_get(const struct mr_config *config, const char *name, size_t n);
/* Whether a setting's path is one for glob(3). */
static inline bool mr_path_is_pattern(const char *path)
{
	return strpbrk(path, "*?[") != NULL;
}
/* The values of a name, one after the other: `*at` is 0 before the first; NULL behind the last. */
const char *mr_config_next(const struct mr_config *config, const char *name, size_t *at);
size_t mr_config_count(const struct mr_config *config, const char *name);
/* The default where it is not set. */
bool mr_config_flag(const struct mr_config *config, const char *name);
/* Whether a CHOICE is that word of its closed list, by the default where it is not set. A word that
 * is not in the list is our bug. */
bool mr_config_is(const struct mr_config *config, const char *name, const char *word);
/* A number, a duration in microseconds or a size in bytes, in the setting's range; MR_UNLIMITED
 * where it is that; the default where it is not set. MR_CONFIG where the text is none. */
enum mr_err mr_config_int(const struct mr_config *config, const char *name, int64_t *out,
			  struct mr_error *error);

/* Put before the text that `error` holds where the value, one of the run's or of its parts' and
 * borrowed from there, stands in the topology file: "FILE:LINE:COLUMN: ". Nothing where it stands
 * in none. A worker knows no places. Returns the error's code. */
enum mr_err mr_config_blame(const struct mr_config *config, const char *value,
			    struct mr_error *error);

void mr_config_encode(const struct mr_config *config, struct mr_buf *out);
enum mr_err mr_config_decode(struct mr_slice bytes, struct mr_config *config_out,
			     struct mr_error *error);

#endif
