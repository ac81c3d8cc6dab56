/* config.h - settings of one stage or one run: names with one or more texts.
 *
 * Made by pipeline/ from the command line or a topology file, handed to prepare and open. Small:
 * looked up by a walk. */
#ifndef MILLRACE_CONFIG_H
#define MILLRACE_CONFIG_H

#include "millrace/text.h"

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
/* A whole number from min to max, `fallback` where it is not set; MR_CONFIG names it otherwise. */
enum mr_err mr_config_int(const struct mr_config *config, const char *name, int64_t min,
			  int64_t max, int64_t fallback, int64_t *out, struct mr_error *error);

void mr_config_encode(const struct mr_config *config, struct mr_buf *out);
enum mr_err mr_config_decode(struct mr_slice bytes, struct mr_config *config_out,
			     struct mr_error *error);

#endif
