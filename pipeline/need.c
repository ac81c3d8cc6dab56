/* need.c - the places that a stage opens files at. Called by stages and the sandbox; never fails.
 */
#include "millrace/need.h"

#include <stdlib.h>
#include <string.h>

#include "millrace/text.h"

void mr_needs_path(struct mr_needs *needs, const char *path, enum mr_access access)
{
	if (needs->count == needs->capacity) {
		needs->capacity = mr_grow(needs->capacity, needs->count + 1);
		needs->paths = mr_realloc(needs->paths, needs->capacity * sizeof *needs->paths);
	}
	needs->paths[needs->count++] = (struct mr_needs_path){mr_strdup(path), access};
}

void mr_needs_beside(struct mr_needs *needs, const char *path, enum mr_access access)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash == NULL   ? mr_strdup(".")
			  : slash == path ? mr_strdup("/")
					  : mr_asprintf("%.*s", (int)(slash - path), path);
	mr_needs_path(needs, directory, access);
	free(directory);
}

void mr_needs_fini(struct mr_needs *needs)
{
	for (size_t i = 0; i < needs->count; i++)
		free(needs->paths[i].path);
	free(needs->paths);
	*needs = (struct mr_needs){0};
}
