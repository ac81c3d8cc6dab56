/* needs.c - what collect opens once its worker is locked in: the inputs, its temporary files.
 *
 * Called by the pipeline through mr_stage_collect, before open. A list that does not load grants
 * nothing: open then says what is wrong. */
#include "collect.h"

#include "journal_files.h"
#include "listing.h"
#include "spool.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each folder once, and what links lead to: an input may be a link to a file elsewhere. */
static void need_inputs(const struct mr_tables *tables, struct mr_needs *needs)
{
	struct mr_listing listing = {0};
	const char *folder = "";
	size_t folder_len = 0;

	if (mr_listing_load(&listing, tables, NULL) != MR_OK)
		return;
	for (size_t i = 0; i < listing.count; i++) {
		const char *path = listing.items[i].path;
		const char *slash = strrchr(path, '/');
		size_t len = slash == NULL ? 0 : (size_t)(slash - path);
		struct stat status;

		if (listing.items[i].stream)
			continue;
		if (lstat(path, &status) == 0 && S_ISLNK(status.st_mode))
			mr_needs_path(needs, path, MR_ACCESS_READ);
		if (i > 0 && len == folder_len && memcmp(path, folder, len) == 0)
			continue;
		folder = path;
		folder_len = len;
		mr_needs_beside(needs, path, MR_ACCESS_READ);
	}
	mr_listing_fini(&listing);
}

/* The folder that all lies in that fits it; what that will lie in, where it is not there yet. */
static void need_pattern(const char *pattern, struct mr_needs *needs)
{
	char *folder = mr_asprintf("%.*s", (int)strcspn(pattern, "*?["), pattern);
	char *slash = strrchr(folder, '/');

	mr_needs_beside(needs, folder, MR_ACCESS_READ);
	if (slash && slash != folder) {
		*slash = 0;
		if (access(folder, F_OK) != 0)
			mr_needs_beside(needs, folder, MR_ACCESS_READ);
	}
	free(folder);
}

/* Of a followed file its folder: after a rotation another one has its name. */
static void need_source(const struct mr_config *source, struct mr_needs *needs)
{
	bool socket = mr_config_is(source, "type", "socket");
	const char *path;
	size_t at = 0;

	while ((path = mr_config_next(source, "path", &at)) != NULL) {
		if (mr_path_is_pattern(path)) {
			need_pattern(path, needs);
			continue;
		}
		mr_needs_path(needs, path, MR_ACCESS_READ);
		mr_needs_beside(needs, path, socket ? MR_ACCESS_WRITE : MR_ACCESS_READ);
	}
	if (socket)
		needs->flags |= MR_NEEDS_ACCEPT;
}

void mr_collect_needs(const struct mr_config *config, const struct mr_tables *tables,
		      struct mr_needs *needs)
{
	const char *state = mr_config_get(config, "state", 0);
	const struct mr_part *source;

	needs->flags |= MR_NEEDS_READ_FILES | MR_NEEDS_WRITE_FILES;
	mr_needs_path(needs, mr_spool_directory(), MR_ACCESS_WRITE);
	need_inputs(tables, needs);
	for (size_t i = 0; (source = mr_config_part(config, MR_PART_SOURCE, i)) != NULL; i++)
		need_source(&source->settings, needs);
	if (state != NULL) {
		/* It has to be there when the fence is put up. */
		char *journal = mr_journal_make(state);

		/* Where it is not, who opens a journal says why. */
		if (journal != NULL)
			mr_needs_path(needs, journal, MR_ACCESS_WRITE);
		free(journal);
	}
}
