/* recovery.c - the state of a checkpoint becomes tables for the workers to come.
 *
 * Called by service.c and, on a host that follows, host_follow.c. Fails with MR_IO where a file
 * that was there is not any more. */
#include "recovery.h"

#include <fcntl.h>

static enum mr_err add_state_file(const struct mr_state_dir *dir, uint64_t number,
				  const struct mr_manifest_file *file, uint32_t index,
				  struct mr_tables *out, struct mr_error *error)
{
	char path[160];
	char name[MR_TABLE_NAME_MAX];
	mr_manifest_file_path(number, file, path, sizeof path);
	int fd = openat(dir->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return mr_error_errno(error, MR_IO, "%s/%s: cannot open it", dir->path, path);
	mr_snapshot_table(file->group, file->stage, index, name);
	mr_tables_add(out, name, fd, file->sum.size);
	return MR_OK;
}

/* Which of its group's and stage's files it is. */
static uint32_t index_of(const struct mr_manifest *manifest, uint32_t file)
{
	uint32_t index = 0;
	for (uint32_t i = 0; i < file; i++)
		index += strcmp(manifest->files[i].group, manifest->files[file].group) == 0 &&
			 strcmp(manifest->files[i].stage, manifest->files[file].stage) == 0;
	return index;
}

static enum mr_err add_aside(const struct mr_aside *aside, struct mr_tables *out,
			     struct mr_error *error)
{
	struct mr_buf bytes = {0};
	mr_aside_encode(aside, &bytes);
	enum mr_err err = mr_tables_add_bytes(out, MR_ASIDE_TABLE,
					      (struct mr_slice){bytes.data, bytes.len}, error);
	mr_buf_fini(&bytes);
	return err;
}

enum mr_err mr_recovery_open(const struct mr_state_dir *dir, const struct mr_manifest *last,
			     const struct mr_aside *aside, const char *host, struct mr_tables *out,
			     struct mr_error *error)
{
	struct mr_buf marks = {0};
	enum mr_err err = add_aside(aside, out, error);
	if (err != MR_OK || last->number == 0)
		return err;
	mr_marks_encode(&last->marks, &marks);
	err = mr_tables_add_bytes(out, MR_MARKS_TABLE, (struct mr_slice){marks.data, marks.len},
				  error);
	mr_buf_fini(&marks);
	for (uint32_t i = 0; i < last->file_count && err == MR_OK; i++)
		if (strcmp(last->files[i].host, host) == 0)
			err = add_state_file(dir, last->number, &last->files[i], index_of(last, i),
					     out, error);
	return err;
}
