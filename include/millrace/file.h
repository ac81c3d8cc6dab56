/* file.h - the files that records lie in: how references are made and followed.
 *
 * Collect registers each file that it will refer to; the pipeline gives the descriptor to all
 * workers that read records (parse, deliver) before collect's call returns, so that a reader has
 * the descriptor before it gets a reference. Numbers (`partition`) count from 0 over the run.
 * Reading is pread into the caller's buffer, never a mapping: a file cut short is an error value.
 *
 * Inputs that are not referred to, because their records are copied into a temporary file, need a
 * name only: there may be hundreds of thousands of them. Their names are one table that all workers
 * share, and their numbers begin at MR_FILES_NAMED. */
#ifndef MILLRACE_FILE_H
#define MILLRACE_FILE_H

#include "millrace/event.h"

/* Files that may be referred to: a descriptor of each in every worker that reads records. */
#define MR_FILES_REFERENCED_MAX 256
/* Likewise segments of journals, over all sources. */
#define MR_SEGMENTS_OPEN_MAX 4096
/* Files that are followed, over all sources of a worker: those beyond are closed meanwhile. */
#define MR_FILES_FOLLOWED_MAX 65536

struct mr_files;

/* Under a name that ends in a slash, which no path of a file does, stand files of frames (batch.h),
 * which hold records of other originals: the frame before such a record tells its original and
 * where in it the record stood. They are scan's temporary files and, in run, the segments of the
 * journal: "journal/SOURCE/SEGMENT/". */
#define MR_FRAMES_FILE_NAME "temporary file/"
static inline bool mr_files_has_frames(struct mr_slice name)
{
	return name.len > 0 && name.at[name.len - 1] == '/';
}

/* Register a file. `fd` is duplicated as needed and stays the caller's. `name` is what a person
 * calls it. May block until all readers have it. MR_PEER_LOST; MR_IO where no descriptor is left;
 * MR_NO_SPACE where the disk has no room for the name: it can be asked again. */
enum mr_err mr_files_add(struct mr_files *files, int fd, struct mr_slice name, uint32_t *number_out,
			 struct mr_error *error);
/* Several are to be added, and this is the name of one: what is to be durable of them is made so at
 * once, by the first mr_files_add behind. Does not block. */
void mr_files_expect(struct mr_files *files, struct mr_slice name);
/* No reference to it is read any more: all readers close it, and its number may be another's. */
void mr_files_drop(struct mr_files *files, uint32_t number);
/* The name, or an empty slice where the number is unknown. */
struct mr_slice mr_files_name(const struct mr_files *files, uint32_t number);
/* Exactly `len` bytes from `position` on. MR_BAD_INPUT where the file has become shorter,
 * MR_NOT_FOUND where the number is unknown or only a name, MR_IO. */
enum mr_err mr_files_read(const struct mr_files *files, uint32_t number, uint64_t position,
			  char *out, size_t len, struct mr_error *error);

/* Number MR_FILES_NAMED + i is the i-th name of the table MR_NAMES_TABLE. */
#define MR_FILES_NAMED (UINT32_C(1) << 31)
#define MR_NAMES_TABLE "files.names"
void mr_names_encode(const char *const *names, size_t count, struct mr_buf *out);
/* Empty where there is none. Survives any bytes. */
struct mr_slice mr_names_at(struct mr_slice table, uint64_t index);

#endif
