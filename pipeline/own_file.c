/* own_file.c - "DEVICE:INODE NAME", a setting for each file that a run writes, and
 * "DEVICE:INODE BASE/NAME" for each place.
 *
 * Called by cmd_scan.c and run_paths.c, and by stages while they prepare. */
#include "millrace/own_file.h"

#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void mr_own_files_add(struct mr_config *config, dev_t device, ino_t inode, const char *name)
{
	char *text = mr_asprintf("%ju:%ju %s", (uintmax_t)device, (uintmax_t)inode, name);
	mr_config_add(config, "own_file", text);
	free(text);
}

void mr_own_files_init(struct mr_own_files *own, const struct mr_config *config)
{
	const char *text;
	size_t at = 0;
	*own = (struct mr_own_files){0};
	while (own->count < MR_OWN_FILES_MAX &&
	       (text = mr_config_next(config, "own_file", &at)) != NULL)
		own->texts[own->count++] = text;
}

/* What stands behind the file in a text that begins with it, or NULL. */
static const char *behind(const char *text, const struct stat *about)
{
	char start[64];
	int len = snprintf(start, sizeof start, "%ju:%ju ", (uintmax_t)about->st_dev,
			   (uintmax_t)about->st_ino);
	return strncmp(text, start, (size_t)len) == 0 ? text + len : NULL;
}

const char *mr_own_files_name(const struct mr_own_files *own, const struct stat *about)
{
	const char *name = NULL;
	for (size_t i = 0; i < own->count && name == NULL; i++)
		name = behind(own->texts[i], about);
	return name;
}

void mr_own_places_add(struct mr_config *config, const struct stat *folder, const char *base,
		       const char *name)
{
	char *text = mr_asprintf("%ju:%ju %s/%s", (uintmax_t)folder->st_dev,
				 (uintmax_t)folder->st_ino, base, name);
	mr_config_add(config, "own_place", text);
	free(text);
}

const char *mr_own_places_name(const struct mr_config *config, const struct stat *folder,
			       const char *pattern)
{
	const char *text;
	size_t at = 0;
	while ((text = mr_config_next(config, "own_place", &at)) != NULL) {
		const char *base = behind(text, folder);
		const char *slash = base == NULL ? NULL : strchr(base, '/');
		if (slash == NULL)
			continue;
		char *only = mr_asprintf("%.*s", (int)(slash - base), base);
		bool fits =
		    pattern == NULL ? *only != '.' : fnmatch(pattern, only, FNM_PERIOD) == 0;
		free(only);
		if (fits)
			return slash + 1;
	}
	return NULL;
}

enum mr_err mr_own_files_check(const struct mr_config *config, const char *const *paths,
			       size_t count, struct mr_error *error)
{
	struct mr_own_files own;
	mr_own_files_init(&own, config);
	for (size_t i = 0; i < count && own.count > 0; i++) {
		struct stat about;
		const char *name =
		    stat(paths[i], &about) == 0 ? mr_own_files_name(&own, &about) : NULL;
		if (name != NULL)
			return mr_error_set(error, MR_CONFIG,
					    "%s: it is %s, which this run reads; name another file",
					    name, paths[i]);
	}
	return MR_OK;
}
