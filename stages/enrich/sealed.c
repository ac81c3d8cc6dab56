/* sealed.c - copies files into sealed memfds. Called while the stage prepares; an error names the
 * file. */
#include "sealed.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <unistd.h>

#include "millrace/os.h"
#include "millrace/xxh3.h"

#define COPY_BYTES (256u << 10)

enum mr_err sealed_seal(int fd, struct mr_error *error)
{
	if (!mr_os_seal(fd))
		return mr_error_errno(error, MR_IO, "a table in memory cannot be sealed");
	return MR_OK;
}

enum mr_err sealed_write(int fd, const void *bytes, size_t len, uint64_t offset,
			 struct mr_error *error)
{
	if (!mr_os_pwrite_all(fd, (struct mr_slice){bytes, len}, offset))
		return mr_error_errno(error, MR_NO_SPACE, "no memory for a table");
	return MR_OK;
}

static void watch_nothing(void *context, const char *bytes, size_t len)
{
	(void)context;
	(void)bytes;
	(void)len;
}

static enum mr_err copy_bytes(int from, int to, const char *path, sealed_watch watch, void *context,
			      size_t *size_out, struct mr_error *error)
{
	char *chunk = mr_malloc(COPY_BYTES);
	enum mr_err err = MR_OK;
	ssize_t got = 1;

	*size_out = 0;
	while (err == MR_OK && got != 0) {
		got = read(from, chunk, COPY_BYTES);
		if (got < 0 && errno != EINTR)
			err = mr_error_errno(error, MR_CONFIG, "%s", path);
		if (got > 0 && !mr_os_write_all(to, (struct mr_slice){chunk, (size_t)got}))
			err =
			    mr_error_errno(error, MR_NO_SPACE, "%s: no memory for its copy", path);
		if (got <= 0)
			continue;
		watch(context, chunk, (size_t)got);
		*size_out += (size_t)got;
	}
	free(chunk);
	return err;
}

bool sealed_measure(int fd, uint64_t *bytes_out, uint64_t *hash_out)
{
	char *chunk = mr_malloc(COPY_BYTES);
	XXH3_state_t *state = XXH3_createState();
	ssize_t got;

	assert(state != NULL);
	XXH3_64bits_reset(state);
	*bytes_out = 0;
	do {
		got = pread(fd, chunk, COPY_BYTES, (off_t)*bytes_out);
		if (got > 0) {
			XXH3_64bits_update(state, chunk, (size_t)got);
			*bytes_out += (uint64_t)got;
		}
	} while (got > 0 || (got < 0 && errno == EINTR));
	*hash_out = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	free(chunk);
	return got == 0;
}

enum mr_err sealed_copy(const char *path, int *fd_out, size_t *size_out, struct mr_error *error)
{
	return sealed_copy_watched(path, watch_nothing, NULL, fd_out, size_out, error);
}

enum mr_err sealed_copy_watched(const char *path, sealed_watch watch, void *context, int *fd_out,
				size_t *size_out, struct mr_error *error)
{
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat stat;
	enum mr_err err;

	if (from < 0)
		return mr_error_errno(error, MR_CONFIG, "%s", path);
	if (fstat(from, &stat) != 0 || !S_ISREG(stat.st_mode)) {
		close(from);
		return mr_error_set(error, MR_CONFIG, "%s: not a regular file", path);
	}
	*fd_out = memfd_create("millrace-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd_out < 0) {
		close(from);
		return mr_error_errno(error, MR_IO, "%s: no memory for its copy", path);
	}
	err = copy_bytes(from, *fd_out, path, watch, context, size_out, error);
	if (err == MR_OK)
		err = sealed_seal(*fd_out, error);
	close(from);
	if (err != MR_OK)
		close(*fd_out);
	return err;
}
