/* once_barrier.c - barriers of a file of lines, and where its path leads: see once_file.h. */
#include "once_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "millrace/alive.h"
#include "millrace/os.h"

#define DRAIN_BYTES (8u << 20)

/* A line in a file that no longer stands under its name, or was cut under it, reaches nobody: it is
 * not taken for delivered. */
static enum mr_err is_in_place(const struct once_file *file, struct mr_error *error)
{
	struct stat held, named;
	uint64_t end;
	enum mr_err err = once_length(file, &end, error);
	if (err != MR_OK)
		return err;
	if (end < file->lines.bytes)
		return mr_error_set(
		    error, MR_BAD_INPUT,
		    "%s: %s has %llu bytes, and %llu were written to it: it was "
		    "made shorter; put it back, or give the sink another path or name",
		    file->name, file->path, (unsigned long long)end,
		    (unsigned long long)file->lines.bytes);
	if (fstat(file->fd, &held) == 0 && stat(file->path, &named) == 0 &&
	    held.st_dev == named.st_dev && held.st_ino == named.st_ino)
		return MR_OK;
	return mr_error_set(error, MR_BAD_INPUT,
			    "%s: %s is not the file that is written to: it was moved, removed or "
			    "replaced; put it back, or give the sink another path or name",
			    file->name, file->path);
}

/* What is much goes to the disk in pieces: a sync of all of it at once is silent for as long as it
 * takes. A failure here is no other call's to tell any more. */
static bool drain(struct once_file *file)
{
	const unsigned all =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	uint64_t end = file->out.at;
	if (file->synced > end) /* a torn line was cut off */
		file->synced = end;
	for (; end - file->synced > DRAIN_BYTES; file->synced += DRAIN_BYTES) {
		if (sync_file_range(file->fd, (off_t)file->synced, DRAIN_BYTES, all) != 0 &&
		    errno != EINVAL && errno != ESPIPE && errno != ENOSYS)
			return false;
		mr_alive();
	}
	return true;
}

enum mr_err once_file_barrier(struct once_file *file, struct mr_error *error)
{
	enum mr_err err = once_file_ready(file, error);
	if (err == MR_OK)
		err = once_file_flush(file, error);
	if (err != MR_OK)
		return err;
	if (file->out.buf.len > 0)
		return MR_FULL;
	if (!drain(file) || mr_os.fdatasync(file->fd) != 0)
		return mr_error_errno(error, mr_error_of_write(errno),
				      "%s: %s cannot be made durable", file->name, file->path);
	file->synced = file->out.at;
	return is_in_place(file, error);
}
