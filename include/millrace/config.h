/* config.h - settings of a run: names with one or more texts.
 *
 * Made by pipeline/ from the command line or a topology file, handed to prepare and open. Small:
 * looked up by a walk. setting.def holds each name with its kind, range, default and help: to ask
 * for another name, or for one as of another kind, is our bug (assert). */
#ifndef MILLRACE_CONFIG_H
#define MILLRACE_CONFIG_H

#include "millrace/text.h"

enum mr_setting_kind {
	MR_SETTING_TEXT,
	MR_SETTING_TEXTS,
	MR_SETTING_FLAG,
	MR_SETTING_NUMBER,
	MR_SETTING_LIMIT
};
#define MR_UNLIMITED INT64_MAX
/* One row of setting.def. */
struct mr_setting_row {
	const char *name;
	enum mr_setting_kind kind;
	const char *argument;
	int64_t least;
	int64_t most;
	int64_t fallback;
	const char *prose;
};
/* NULL where there is no such setting. */
const struct mr_setting_row *mr_setting_find(struct mr_slice name);

struct mr_setting {
	char *name;
	char *value;
};
struct mr_config {
	struct mr_setting *items;
	size_t count;
	size_t capacity;
};

void mr_config_fini(struct mr_config *config);
/* Append; a name may be given often. Copies both. */
void mr_config_add(struct mr_config *config, const char *name, const char *value);
/* The n-th value of a name, or NULL. Borrowed. */
const char *mr_config_get(const struct mr_config *config, const char *name, size_t n);
/* The values of a name, one after the other: `*at` is 0 before the first; NULL behind the last. */
const char *mr_config_next(const struct mr_config *config, const char *name, size_t *at);
size_t mr_config_count(const struct mr_config *config, const char *name);
bool mr_config_flag(const struct mr_config *config, const char *name);
/* A whole number in the setting's range, MR_UNLIMITED where a limit is that, the default where it
 * is not set; MR_CONFIG where the text is neither. */
enum mr_err mr_config_int(const struct mr_config *config, const char *name, int64_t *out,
			  struct mr_error *error);

void mr_config_encode(const struct mr_config *config, struct mr_buf *out);
enum mr_err mr_config_decode(struct mr_slice bytes, struct mr_config *config_out,
			     struct mr_error *error);

#endif
