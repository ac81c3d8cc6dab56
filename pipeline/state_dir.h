/* state_dir.h - the directory in which a service keeps all that it must not lose.
 *
 * One service at a time: the descriptor of its lock is inherited by every worker, so that whoever
 * gets the lock knows that no writer of an older life is alive (PROTOCOL.md 1.3). Holds: lock, the
 * two newest manifests, checkpoints/, generations/ (generation.h); and `seed`, where the manifests
 * were of version 1. */
#ifndef MILLRACE_STATE_DIR_H
#define MILLRACE_STATE_DIR_H

#include <sys/stat.h>

#include "manifest.h"

struct mr_state_dir {
	char *path;
	int fd;
	int lock;            /* for workers to inherit */
	int64_t patience_us; /* for how long what cannot be read is tried again */
};

/* What stands in it is believed. So it, all that lies in it, and the link that `path` may be belong
 * to this process's user or to root, and nobody else may write there: MR_CONFIG where that is not
 * so. Changes nothing. */
enum mr_err mr_state_dir_trust(int fd, const char *path, struct mr_error *error);

/* The process that holds the lock of the directory under this descriptor, as far as we are shown; 0
 * where none does. The lock is looked up in /proc/locks, never taken. */
long mr_state_dir_holder(int directory);

/* Makes it (mode 0700) where it is not there. Waits up to some seconds for the workers of a service
 * that has died. MR_CONFIG: another service has it, or it is not to be used; MR_IO, MR_NO_SPACE.
 * After an error hold nothing. */
enum mr_err mr_state_dir_open(const char *path, struct mr_state_dir *out, struct mr_error *error);
/* Accepts zeroed memory with path NULL. */
void mr_state_dir_close(struct mr_state_dir *dir);

/* These bytes under this name, durable, or what stood there before: written beside it, synced,
 * renamed. */
enum mr_err mr_state_dir_put(const struct mr_state_dir *dir, const char *name,
			     struct mr_slice bytes, struct mr_error *error);
/* Opened for reading; the descriptor is the caller's. MR_NOT_FOUND; MR_BAD_INPUT where it is no
 * file: of a FIFO, which would be waited for, it says so; MR_IO. */
enum mr_err mr_state_dir_open_file(const struct mr_state_dir *dir, const char *name, int *fd_out,
				   struct stat *about_out, struct mr_error *error);
/* MR_NOT_FOUND; MR_NO_SPACE where it has more than `most` bytes; MR_IO. */
enum mr_err mr_state_dir_get(const struct mr_state_dir *dir, const char *name, size_t most,
			     struct mr_buf *out, struct mr_error *error);
/* Whether the file of this name has these bytes, as their number and XXH3 tell; false, too, where
 * it cannot be read. Reads it in pieces. */
bool mr_state_dir_holds(const struct mr_state_dir *dir, const char *name, uint64_t size,
			uint64_t hash);
/* Removes a directory of files, if it is there. */
void mr_state_dir_remove(const struct mr_state_dir *dir, const char *name);

/* The newest manifest that can be read, for who only looks: says nothing, and changes nothing; an
 * empty one where there is none. */
void mr_state_dir_look(const struct mr_state_dir *dir, struct mr_manifest *out);
/* The newest manifest that is whole, with all its files; `manifest` is empty but for a new seed,
 * and MR_OK, where there has been no checkpoint. A newer one that is not whole is named in the log
 * and removed. MR_BAD_INPUT where there is none that is whole: nothing is then started on empty
 * state; MR_UNSUPPORTED where a newer program wrote it. What cannot be read is tried again for some
 * seconds: it may be whole. Where the disk still does not give it, it is as if damaged, but it
 * stays under another name, which the log says; where something else is in the way, MR_IO, and
 * nothing has changed. */
enum mr_err mr_state_dir_recover(const struct mr_state_dir *dir, struct mr_manifest *manifest,
				 struct mr_error *error);
/* Likewise the newest below this number, where those from it on are not whole on another host, or
 * its disk does not give them (`unread`): they are removed, or set aside, once it is found, and an
 * empty manifest says that none is. */
enum mr_err mr_state_dir_recover_below(const struct mr_state_dir *dir, uint64_t below, bool unread,
				       struct mr_manifest *manifest, struct mr_error *error);
/* Whether the files of a checkpoint that lie in the directory of `host` (empty: of the manifest's
 * own) are those that the manifest names. MR_BAD_INPUT, MR_IO. */
enum mr_err mr_state_dir_check_files(const struct mr_state_dir *dir,
				     const struct mr_manifest *manifest, const char *host,
				     struct mr_error *error);
/* Likewise, but what cannot be read is tried again for some seconds. `unread_out`: the disk does
 * not give it; else MR_IO is of something that is in the way. */
enum mr_err mr_state_dir_await_files(const struct mr_state_dir *dir,
				     const struct mr_manifest *manifest, const char *host,
				     bool *unread_out, struct mr_error *error);
/* What there is of a checkpoint that the disk does not give, under other names, which the log says:
 * its number will be given again. MR_IO. */
enum mr_err mr_state_dir_set_aside(const struct mr_state_dir *dir, uint64_t number,
				   struct mr_error *error);
/* The directory of a checkpoint's files, if it is not there. MR_IO, MR_NO_SPACE. */
enum mr_err mr_state_dir_make(const struct mr_state_dir *dir, uint64_t number,
			      struct mr_error *error);
/* An empty file in it; the descriptor is the caller's. MR_IO, MR_NO_SPACE. */
enum mr_err mr_state_dir_make_file(const struct mr_state_dir *dir, uint64_t number,
				   const struct mr_manifest_file *file, int *fd_out,
				   struct mr_error *error);
/* What `host` has of the manifest's files becomes durable, and so do their directories. MR_IO,
 * MR_NO_SPACE. */
enum mr_err mr_state_dir_sync(const struct mr_state_dir *dir, uint64_t number,
			      const struct mr_manifest *manifest, const char *host,
			      struct mr_error *error);
/* Removes every manifest and directory of state files but those of these two. */
void mr_state_dir_tidy(const struct mr_state_dir *dir, uint64_t newest, uint64_t second);
/* Removes the directories of state files of those behind `above` and before `below`, but of `kept`.
 */
void mr_state_dir_tidy_between(const struct mr_state_dir *dir, uint64_t above, uint64_t below,
			       uint64_t kept);

#endif
