/* folder.h - the names in a folder, all of them or an error.
 *
 * Whoever lists a folder decides by what is not in it: that a journal is empty, that a rule went.
 * So a listing that breaks off never looks like one that has come to its end. */
#ifndef MILLRACE_FOLDER_H
#define MILLRACE_FOLDER_H

#include <stdbool.h>

/* One name, never "." or "..", in no order; `folder` is where it stands, borrowed. It may remove
 * that name. False: no further one is wanted. */
typedef bool mr_folder_take(void *context, int folder, const char *name);

/* Gives each name to `take`. The descriptor stays the caller's, its place is lost. May block for
 * the disk. False with errno where not all were seen, though some may have been given. */
bool mr_folder_list(int folder, mr_folder_take *take, void *context);
/* Likewise the folder of this path. */
bool mr_folder_list_path(const char *path, mr_folder_take *take, void *context);

#endif
