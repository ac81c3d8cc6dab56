/* recovery.c - the state of a checkpoint becomes tables for the workers to come.
 *
 * Called by service.c and, on a host that follows, host_follow.c. Fails with MR_IO where a file
 * that was there is not any more. */
#include "recovery.h"

#include <fcntl.h>

static enum mr_err add_state_file(const struct mr_state_dir *dir, uint64_t number,
				  const struct mr_manifest_file *file, const char *group,
				  uint32_t index, struct mr_tables *out, struct mr_error *error)
{
	char path[160];
	char name[MR_TABLE_NAME_MAX];
	mr_manifest_file_path(number, file, path, sizeof path);
	int fd = openat(dir->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return mr_error_errno(error, MR_IO, "%s/%s: cannot open it", dir->path, path);
	mr_snapshot_table(group, file->stage, index, name);
	mr_tables_add(out, name, fd, file->sum.size);
	return MR_OK;
}

struct recovery {
	const struct mr_state_dir *dir;
	const struct mr_manifest *last;
	const char *host;
	struct mr_tables *out;
};

/* What one stage of a group is given: what that group wrote. Where other rules are in force than
 * those that it was written under, a correlation may be in another layer now: then all groups get
 * all that the stage wrote, and take what is theirs. */
static enum mr_err add_stage(const struct recovery *recovery, const char *group, const char *stage,
			     struct mr_error *error)
{
	const struct mr_manifest *last = recovery->last;
	bool moved = last->generation != last->made_by;
	uint32_t index = 0;
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < last->file_count && err == MR_OK; i++) {
		const struct mr_manifest_file *file = &last->files[i];
		if (strcmp(file->host, recovery->host) == 0 && strcmp(file->stage, stage) == 0 &&
		    (moved || strcmp(file->group, group) == 0))
			err = add_state_file(recovery->dir, last->number, file, group, index++,
					     recovery->out, error);
	}
	return err;
}

static enum mr_err add_group(const struct recovery *recovery, const struct mr_group *group,
			     struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < mr_group_length(group) && err == MR_OK; i++)
		err = add_stage(recovery, group->name, group->chain[i], error);
	return err;
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
			     const struct mr_aside *aside, const char *host,
			     const struct mr_topology *topology, struct mr_tables *out,
			     struct mr_error *error)
{
	const struct recovery recovery = {dir, last, host, out};
	struct mr_buf marks = {0};
	enum mr_err err = add_aside(aside, out, error);
	if (err != MR_OK || last->number == 0)
		return err;
	mr_marks_encode(&last->marks, &marks);
	err = mr_tables_add_bytes(out, MR_MARKS_TABLE, (struct mr_slice){marks.data, marks.len},
				  error);
	mr_buf_fini(&marks);
	for (uint32_t i = 0; i < topology->group_count && err == MR_OK; i++)
		err = add_group(&recovery, &topology->groups[i], error);
	return err;
}
