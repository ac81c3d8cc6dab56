/* sigma_file.h - finding and reading rule files. */
#ifndef MILLRACE_DETECT_SIGMA_FILE_H
#define MILLRACE_DETECT_SIGMA_FILE_H

#include "sigma_index.h"

/* The whole file, at most max + 1 bytes of it. MR_CONFIG where it cannot be opened, MR_IO. */
enum mr_err sigma_file_read(const char *path, size_t max, struct mr_buf *out,
			    struct mr_error *error);

struct sigma_files {
	char **items; /* paths */
	size_t count, capacity;
	struct sigma_index seen; /* by device and inode */
	struct mr_arena arena;
};
/* A file as it is; of a folder all *.yml and *.yaml below it, in sorted order. Names that start
 * with a dot and links to folders are passed over. A file that is there already is not added again.
 * MR_CONFIG, MR_IO: `files` holds what was found so far. */
enum mr_err sigma_files_find(struct sigma_files *files, const char *path, struct mr_error *error);
void sigma_files_fini(struct sigma_files *files);

#endif
