/* follow_unread.c - folders that the scan in hand cannot read, and what a run will not.
 *
 * Called by follow.c. What lies in them is not known to be gone: it stays as it was. */
#include "follow.h"

#include "walk.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FORESEEN_MOST 10 /* are named */

static bool has(const struct mr_buf *paths, const char *path)
{
	for (size_t at = 0; at < paths->len; at += strlen(paths->data + at) + 1)
		if (strcmp(paths->data + at, path) == 0)
			return true;
	return false;
}

void mr_unread_begin(struct mr_unread_folders *unread)
{
	struct mr_buf before = unread->before;

	unread->before = unread->now;
	unread->now = before;
	unread->now.len = 0;
	unread->count = 0;
}

void mr_unread_add(struct mr_unread_folders *unread, const char *path, const char *why)
{
	if (has(&unread->now, path))
		return;
	mr_buf_add(&unread->now, path, strlen(path) + 1);
	unread->count++;
	if (!has(&unread->before, path))
		mr_log(MR_LOG_WARNING, "%s; what lies there is not followed until it can be read",
		       why);
}

bool mr_unread_hides(const struct mr_unread_folders *unread, const char *path)
{
	for (size_t at = 0; at < unread->now.len;) {
		const char *folder = unread->now.data + at;
		size_t len = strlen(folder);

		at += len + 1;
		while (len > 0 && folder[len - 1] == '/')
			len--;
		if (strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == 0))
			return true;
	}
	return false;
}

/* glob(3) hands no context on. */
static struct mr_unread_folders *expanded;

static int note_folder(const char *path, int number)
{
	struct mr_error error = {0};

	if (number == ENOENT || number == ENOTDIR)
		return 0;
	errno = number;
	mr_error_errno(&error, MR_IO, "%s: cannot read the directory", path);
	mr_unread_add(expanded, path, error.text);
	return 0;
}

bool mr_unread_glob(struct mr_unread_folders *unread, const char *pattern, glob_t *found_out)
{
	expanded = unread;
	return glob(pattern, 0, note_folder, found_out) == 0;
}

void mr_unread_fini(struct mr_unread_folders *unread)
{
	mr_buf_fini(&unread->now);
	mr_buf_fini(&unread->before);
}

/* ---- folders that are there no more ---- */

static struct mr_named_folder *find(const struct mr_named_folders *folders, const char *path)
{
	for (size_t i = 0; i < folders->count; i++)
		if (strcmp(folders->items[i].path, path) == 0)
			return &folders->items[i];
	return NULL;
}

static void know(struct mr_named_folders *folders, const char *path)
{
	if (folders->count == folders->capacity) {
		folders->capacity = mr_grow(folders->capacity, folders->count + 1);
		folders->items =
		    mr_realloc(folders->items, folders->capacity * sizeof(*folders->items));
	}
	folders->items[folders->count++] = (struct mr_named_folder){.path = mr_strdup(path)};
}

size_t mr_named_look(struct mr_named_folders *folders, const char *source, const char *path)
{
	struct mr_named_folder *known = find(folders, path);
	struct stat status;
	bool there = stat(path, &status) == 0;
	bool lost = !there && (errno == ENOENT || errno == ENOTDIR);

	if (!known && there && S_ISDIR(status.st_mode))
		know(folders, path);
	if (!known)
		return 0;
	if (lost && !known->lost)
		mr_log(MR_LOG_WARNING,
		       "source %s: %s: the folder is not there any more; what comes there is read "
		       "once it is",
		       source, path);
	known->lost = lost;
	return lost;
}

void mr_named_fini(struct mr_named_folders *folders)
{
	for (size_t i = 0; i < folders->count; i++)
		free(folders->items[i].path);
	free(folders->items);
	*folders = (struct mr_named_folders){0};
}

/* ---- before anything runs ---- */

struct foreseen {
	const char *source;
	unsigned long long count;
};

static void foresee(void *context, const char *path, const char *why)
{
	struct foreseen *foreseen = context;

	(void)path;
	if (foreseen->count++ < FORESEEN_MOST)
		mr_log(MR_LOG_WARNING, "source %s: %s; it is not read until it can be",
		       foreseen->source, why);
}

static enum mr_err look_at_file(void *context, const char *path, const struct stat *status,
				struct mr_error *error)
{
	struct mr_error why = {0};

	(void)status;
	(void)error;
	if (access(path, R_OK) != 0) {
		mr_error_errno(&why, MR_IO, "%s", path);
		foresee(context, path, why.text);
	}
	return MR_OK;
}

static void look_at(struct foreseen *foreseen, const char *path, bool file_too)
{
	static const struct mr_walk_ops ops = {.file = look_at_file, .unread = foresee};
	struct stat status;

	if (stat(path, &status) != 0)
		return;
	if (S_ISDIR(status.st_mode))
		mr_walk(path, &ops, foreseen, NULL);
	else if (file_too)
		look_at_file(foreseen, path, &status, NULL);
}

void mr_unread_foresee(const char *source, const char *path)
{
	struct foreseen foreseen = {.source = source};
	struct mr_unread_folders folders = {0};
	glob_t found;

	if (!mr_path_is_pattern(path)) {
		look_at(&foreseen, path, false);
	} else if (mr_unread_glob(&folders, path, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			look_at(&foreseen, found.gl_pathv[i], true);
		globfree(&found);
	}
	mr_unread_fini(&folders);
	if (foreseen.count > FORESEEN_MOST)
		mr_log(MR_LOG_WARNING, "source %s: %llu more cannot be read", source,
		       foreseen.count - FORESEEN_MOST);
}
