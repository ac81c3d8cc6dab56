/* follow_missing.c - followed files that are closed, and that no path leads to: where they are now.
 *
 * Called by follow.c. One that is found is looked at there, at each scan; one that is not is lost
 * sight of, which is said: nobody knows what it has behind what was read. */
#include "follow.h"

#include "walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct search {
	struct mr_source *source;
	struct mr_follow_list *list;
	struct mr_openings *openings;
	const char *folder;
	bool unread; /* it cannot be */
};

/* Whether the file with its inode is the one; true where that cannot be told now. */
static bool is_the_one(struct search *search, struct mr_followed *file)
{
	enum mr_mark_found found = MR_MARK_HOLDS;

	file->awake = true;
	if (!mr_followed_open(search->openings, file, true))
		return true;
	found = mr_mark_look(&file->mark, file->fd);
	if (found == MR_MARK_UNREAD)
		mr_followed_bar(file, "read");
	if (found != MR_MARK_HOLDS)
		mr_followed_close(search->openings, file);
	file->met = found == MR_MARK_HOLDS;
	return found != MR_MARK_OTHER;
}

static enum mr_err look_at(void *context, const char *path, const struct stat *status,
			   struct mr_error *error)
{
	struct search *search = context;
	struct mr_followed *file =
	    mr_follow_list_find(search->list, status->st_dev, status->st_ino);

	(void)error;
	if (!file || !mr_followed_is_missing(file))
		return MR_OK;
	if (strcmp(file->path, path) != 0)
		file->met = false;
	mr_follow_list_path(search->list, file, path);
	if (!file->met && !is_the_one(search, file))
		return MR_OK;
	file->found = true;
	if (!file->barred)
		mr_followed_look(file, status);
	if (file->awake)
		file->finished = false;
	return MR_OK;
}

static void note_unread(void *context, const char *path, const char *why)
{
	struct search *search = context;

	(void)why;
	search->unread |= strcmp(path, search->folder) == 0;
}

static void search_folder(struct search *search, const char *folder)
{
	static const struct mr_walk_ops ops = {.file = look_at, .unread = note_unread};
	struct stat status;

	search->folder = folder;
	search->unread = false;
	if (stat(folder, &status) == 0 || (errno != ENOENT && errno != ENOTDIR))
		mr_walk(folder, &ops, search, NULL);
}

/* Where it was seen last, or else beside that, or in a folder there. */
void mr_missing_search(struct mr_source *source, struct mr_follow_list *list,
		       struct mr_openings *openings)
{
	struct search search = {.source = source, .list = list, .openings = openings};
	char *searched = NULL;

	for (size_t i = 0; i < list->count; i++) {
		struct mr_followed *file = list->files[i];
		struct stat status;
		char *parent;

		if (mr_followed_is_missing(file) && stat(file->path, &status) == 0)
			look_at(&search, file->path, &status, NULL);
		if (!mr_followed_is_missing(file))
			continue;
		parent = mr_followed_folder(file->path);
		if (!searched || strcmp(searched, parent) != 0)
			search_folder(&search, parent);
		free(searched);
		searched = parent;
		/* What cannot be looked for is not lost. */
		file->found |= search.unread;
	}
	free(searched);
}

void mr_missing_say(struct mr_source *source, struct mr_followed *file)
{
	unsigned long long at = file->mark.at;
	const char *cause = "if it was moved, follow where it is as well";
	char why[300];

	if (!file->gone && file->size >= 0 && (uint64_t)file->size <= file->mark.at) {
		mr_log(MR_LOG_INFO,
		       "%s: is not there any more: it was read to its end, offset %llu",
		       file->title, at);
		return;
	}
	if (file->size >= 0)
		cause = "it was closed, since there are more files than may be open at once: raise "
			"the limit (ulimit -n)";
	snprintf(why, sizeof(why),
		 "is not there any more, nor in its folder under another name: what it has behind "
		 "offset %llu is not read; %s",
		 at, cause);
	mr_source_unread(source, file->title, why);
	file->lost = true;
}
