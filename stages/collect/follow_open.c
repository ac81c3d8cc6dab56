/* follow_open.c - which followed files are open: no more at once than the descriptors allow for.
 *
 * Called by follow.c. One that was read to its end is closed for another's sake, the longest unread
 * first, and opened again when it has grown. One whose path is gone stays open as long as
 * others can be closed, since nothing finds it again. */
#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_LEAST 4
#define CLOSE_SHARE 8 /* one in so many is closed at once */
#define EASE_READ 3

enum mr_err mr_openings_init(struct mr_openings *openings, const struct mr_config *config,
			     struct mr_error *error)
{
	int64_t most;
	enum mr_err err = mr_config_int(config, "followed_files", &most, error);

	if (err != MR_OK)
		return err;
	most /= (int64_t)mr_config_parts(config, MR_PART_SOURCE);
	*openings =
	    (struct mr_openings){.most = most < OPEN_LEAST ? OPEN_LEAST : (size_t)most, .clock = 1};
	return MR_OK;
}

void mr_openings_fini(struct mr_openings *openings)
{
	free(openings->files);
	*openings = (struct mr_openings){0};
}

void mr_followed_close(struct mr_openings *openings, struct mr_followed *file)
{
	struct mr_followed *other;

	if (file->fd < 0)
		return;
	close(file->fd);
	file->fd = -1;
	other = openings->files[--openings->count];
	openings->files[file->place] = other;
	other->place = file->place;
}

/* All that are open were read since one was refused, and none of them to its end. */
static bool is_due(const struct mr_openings *openings)
{
	return openings->refused != 0 && openings->clock - openings->refused > 2 * openings->count;
}

/* How little is risked by closing it; 0: it stays. */
static int ease(const struct mr_followed *file, bool needed)
{
	if (file->gone)
		return needed && file->finished && !file->awake ? 2 : 0;
	if (!file->awake && (uint64_t)file->size <= file->mark.at)
		return EASE_READ;
	return !needed ? 0 : file->awake ? 1 : 2;
}

static int compare_used(const void *a, const void *b)
{
	uint64_t x = (*(struct mr_followed *const *)a)->used;
	uint64_t y = (*(struct mr_followed *const *)b)->used;

	return x < y ? -1 : x > y;
}

/* Those that are closed most easily, the longest unread first. */
static size_t weigh(struct mr_openings *openings, bool needed, int *ease_out,
		    struct mr_followed **found)
{
	size_t count = 0;

	*ease_out = needed ? 1 : EASE_READ;
	for (size_t i = 0; i < openings->count; i++) {
		int own = ease(openings->files[i], needed);

		if (own > *ease_out)
			count = 0;
		if (own >= *ease_out) {
			*ease_out = own;
			found[count++] = openings->files[i];
		}
	}
	openings->weighed += openings->count;
	qsort(found, count, sizeof(struct mr_followed *), compare_used);
	return count;
}

/* Looking at all that are open for each that waits would take longer than reading them: of those
 * that were read to their end many are closed at once, and where there are none, nobody looks
 * again before some were read. */
static bool make_room(struct mr_openings *openings, bool needed)
{
	size_t share = openings->most / CLOSE_SHARE;
	struct mr_followed **found;
	size_t count;
	int best;

	if (openings->count < openings->most)
		return true;
	if (!needed && openings->clock < openings->again)
		return false;
	found = mr_malloc(openings->count * sizeof(struct mr_followed *));
	count = weigh(openings, needed, &best, found);
	for (size_t i = 0; i < count && (i == 0 || (best == EASE_READ && i < share)); i++)
		mr_followed_close(openings, found[i]);
	free(found);
	openings->again = count > 0 ? 0 : openings->clock + share;
	return count > 0;
}

static void open_file(struct mr_openings *openings, struct mr_followed *file)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	/* It may have been replaced since it was looked at. */
	if (fd >= 0 && fstat(fd, &status) == 0 && status.st_dev == file->device &&
	    status.st_ino == file->inode) {
		if (openings->count == openings->capacity) {
			openings->capacity = mr_grow(openings->capacity, openings->count + 1);
			openings->files = mr_realloc(
			    openings->files, openings->capacity * sizeof(struct mr_followed *));
		}
		file->fd = fd;
		file->place = openings->count;
		file->used = ++openings->clock;
		openings->refused = 0;
		openings->files[openings->count++] = file;
		return;
	}
	if (fd < 0 && errno != ENOENT)
		mr_followed_bar(file, "open");
	if (fd >= 0)
		close(fd);
	file->awake = false;
	file->size = -1; /* the next scan tries again */
}

bool mr_followed_open(struct mr_openings *openings, struct mr_followed *file, bool needed)
{
	if (file->fd >= 0)
		return true;
	if (make_room(openings, needed || is_due(openings)))
		open_file(openings, file);
	else if (openings->refused == 0)
		openings->refused = openings->clock;
	return file->fd >= 0;
}
