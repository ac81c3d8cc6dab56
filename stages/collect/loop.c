/* loop.c - see loop.h. Folders are told by device and inode, so that no link hides one. */
#include "loop.h"

#include "walk.h"

#include "millrace/own_file.h"

#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct loop {
	const struct mr_config *config;
	struct mr_own_files files;
	struct mr_error *error;
	enum mr_err err;
};

static void refuse(struct loop *loop, const char *path, const char *name)
{
	if (name != NULL && loop->err == MR_OK)
		loop->err = mr_error_set(loop->error, MR_CONFIG,
					 "%s: what %s gets would be read again, for ever; let this "
					 "run write elsewhere",
					 path, name);
}

/* A file that is there, or may come. */
static void look_at_name(struct loop *loop, const char *path)
{
	char *folder = mr_strdup(path), *base = mr_strdup(path);
	struct stat status;

	if (stat(dirname(folder), &status) == 0)
		refuse(loop, path, mr_own_places_name(loop->config, &status, basename(base)));
	free(folder);
	free(base);
}

static enum mr_err look_at_file(void *context, const char *path, const struct stat *status,
				struct mr_error *error)
{
	struct loop *loop = context;

	(void)error;
	refuse(loop, path, mr_own_files_name(&loop->files, status));
	return loop->err;
}

static void look_at_folder(void *context, const char *path)
{
	struct loop *loop = context;
	struct stat status;

	if (stat(path, &status) == 0)
		refuse(loop, path, mr_own_places_name(loop->config, &status, NULL));
}

/* It may lead to a file that is yet to be made. */
static void look_at_link(void *context, const char *path, const char *why)
{
	struct loop *loop = context;
	char target[4096];
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	char *folder = mr_strdup(path);

	(void)why;
	if (len > 0) {
		char *led = target[0] == '/'
				? mr_asprintf("%.*s", (int)len, target)
				: mr_asprintf("%s/%.*s", dirname(folder), (int)len, target);

		look_at_name(loop, led);
		free(led);
	}
	free(folder);
}

static const struct mr_walk_ops walk_ops = {
    .file = look_at_file, .directory = look_at_folder, .left_out = look_at_link};

/* What lies in the state directory is this run's, however deep. */
static void look_above(struct loop *loop, const char *path)
{
	char *real = realpath(path, NULL);
	struct stat status;

	for (char *above = real; above != NULL && strlen(above) > 1 && loop->err == MR_OK;) {
		above = dirname(above);
		if (stat(above, &status) == 0)
			refuse(loop, path, mr_own_places_name(loop->config, &status, ""));
	}
	free(real);
}

static void look_at(struct loop *loop, const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0) {
		look_at_name(loop, path);
		look_at_link(loop, path, NULL);
		return;
	}
	look_above(loop, path);
	if (S_ISDIR(status.st_mode))
		mr_walk(path, &walk_ops, loop, NULL); /* whoever reads it says what it cannot */
	else
		look_at_file(loop, path, &status, NULL);
}

enum mr_err mr_loop_check(const struct mr_config *config, const struct mr_config *source,
			  const char **wrong_out, struct mr_error *error)
{
	struct loop loop = {.config = config, .error = error};
	const char *named;
	size_t at = 0;

	mr_own_files_init(&loop.files, config);
	while (loop.err == MR_OK && (named = mr_config_next(source, "path", &at)) != NULL) {
		glob_t found;

		*wrong_out = named;
		if (!mr_path_is_pattern(named)) {
			look_at(&loop, named);
			continue;
		}
		look_at_name(&loop, named);
		if (glob(named, 0, NULL, &found) != 0)
			continue;
		for (size_t i = 0; i < found.gl_pathc; i++)
			look_at(&loop, found.gl_pathv[i]);
		globfree(&found);
	}
	return loop.err;
}
