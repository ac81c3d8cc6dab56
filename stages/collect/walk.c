/* walk.c - the files of a directory, and of those in it.
 *
 * Called by listing.c, loop.c and follow.c. Fails where a directory cannot be read and nobody is
 * told of it, or as whoever is told says.
 */
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 64

/* Directories that were read, sorted by device and inode. */
struct visited {
	struct place {
		dev_t device;
		ino_t inode;
	} * places;
	size_t count;
	size_t capacity;
};

struct walk {
	const struct mr_walk_ops *ops;
	void *context;
	struct visited visited;
};

static int compare_places(const struct place *a, const struct place *b)
{
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return 0;
}

/* False where it was there before. */
static bool visit(struct visited *visited, const struct stat *status)
{
	struct place place = {status->st_dev, status->st_ino};
	size_t low = 0;
	size_t high = visited->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_places(&place, &visited->places[middle]);

		if (order == 0)
			return false;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	if (visited->count == visited->capacity) {
		visited->capacity = mr_grow(visited->capacity, visited->count + 1);
		visited->places = mr_realloc(visited->places, visited->capacity * sizeof(place));
	}
	memmove(visited->places + low + 1, visited->places + low,
		(visited->count - low) * sizeof(place));
	visited->places[low] = place;
	visited->count++;
	return true;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum mr_err walk_directory(struct walk *walk, const char *path, unsigned depth,
				  struct mr_error *error);

static enum mr_err walk_entry(struct walk *walk, const char *path, unsigned depth,
			      struct mr_error *error)
{
	const char *left_out = "it is no file";
	struct stat status;

	if (stat(path, &status) != 0)
		left_out = "the link leads nowhere";
	else if (S_ISREG(status.st_mode))
		return walk->ops->file(walk->context, path, &status, error);
	else if (S_ISDIR(status.st_mode))
		return visit(&walk->visited, &status) ? walk_directory(walk, path, depth + 1, error)
						      : MR_OK;
	if (walk->ops->left_out)
		walk->ops->left_out(walk->context, path, left_out);
	return MR_OK;
}

static enum mr_err leave_unread(struct walk *walk, const char *path, const struct mr_error *why,
				struct mr_error *error)
{
	if (!walk->ops->unread)
		return mr_error_set(error, why->code, "%s", why->text);
	walk->ops->unread(walk->context, path, why->text);
	return MR_OK;
}

static enum mr_err walk_directory(struct walk *walk, const char *path, unsigned depth,
				  struct mr_error *error)
{
	struct dirent **entries;
	struct mr_error unread = {0};
	enum mr_err err = MR_OK;
	size_t path_len = strlen(path);
	const char *slash = path_len > 0 && path[path_len - 1] == '/' ? "" : "/";
	int count;

	if (depth > DEPTH_MAX) {
		mr_error_set(&unread, MR_CONFIG, "%s: directories are nested deeper than %d", path,
			     DEPTH_MAX);
		return leave_unread(walk, path, &unread, error);
	}
	if (walk->ops->directory)
		walk->ops->directory(walk->context, path);
	count = scandir(path, &entries, is_visible, compare_names);
	if (count < 0) {
		mr_error_errno(&unread, MR_CONFIG, "%s: cannot read the directory", path);
		return leave_unread(walk, path, &unread, error);
	}
	for (int i = 0; i < count; i++) {
		char *child = mr_asprintf("%s%s%s", path, slash, entries[i]->d_name);

		if (err == MR_OK)
			err = walk_entry(walk, child, depth, error);
		free(child);
		free(entries[i]);
	}
	free(entries);
	return err;
}

enum mr_err mr_walk(const char *path, const struct mr_walk_ops *ops, void *context,
		    struct mr_error *error)
{
	struct walk walk = {.ops = ops, .context = context};
	struct stat status;
	enum mr_err err;

	if (stat(path, &status) == 0)
		visit(&walk.visited, &status);
	err = walk_directory(&walk, path, 0, error);
	free(walk.visited.places);
	return err;
}
