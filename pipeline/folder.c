/* folder.c - lists a folder. Called by whoever looks what is there. */
#include "millrace/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "millrace/os.h"

static bool is_itself_or_above(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* 0, or why it broke off. */
static int list_all(DIR *list, mr_folder_take *take, void *context)
{
	const struct dirent *entry;
	while (errno = 0, (entry = mr_os.readdir(list)) != NULL) {
		if (!is_itself_or_above(entry->d_name) &&
		    !take(context, dirfd(list), entry->d_name))
			return 0;
	}
	return errno;
}

/* A duplicate serves a worker that may open nothing any more. */
bool mr_folder_list(int folder, mr_folder_take *take, void *context)
{
	int own = fcntl(folder, F_DUPFD_CLOEXEC, 3);
	DIR *list = own < 0 ? NULL : fdopendir(own);
	int reason = errno;
	if (list != NULL) {
		rewinddir(list);
		reason = list_all(list, take, context);
		closedir(list);
	} else if (own >= 0) {
		close(own);
	}
	errno = reason;
	return reason == 0;
}

bool mr_folder_list_path(const char *path, mr_folder_take *take, void *context)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = folder >= 0 && mr_folder_list(folder, take, context);
	int reason = errno;
	if (folder >= 0)
		close(folder);
	errno = reason;
	return done;
}
