/* once_inner.h - what once_file.c and once_barrier.c share of a file of lines. Nobody else calls
 * it. */
#ifndef MILLRACE_DELIVER_ONCE_INNER_H
#define MILLRACE_DELIVER_ONCE_INNER_H

#include "once_file.h"

#define ONCE_MEND "put it back, or name another file (a sink's `path`, or `dead_letter`)"

enum mr_err once_length(const struct once_file *file, uint64_t *out, struct mr_error *error);
/* Of the last bytes before the position. MR_BAD_INPUT where the file ends before; MR_IO, which says
 * nothing of what they are. */
enum mr_err once_tail_hash(const struct once_file *file, uint64_t position, uint64_t *hash_out,
			   struct mr_error *error);
/* All that was written stands under a name. MR_IO, MR_BAD_INPUT. */
enum mr_err once_note_known(struct once_file *file, struct mr_error *error);
/* Knows the rest of the file, and stands at its end. `ours`: what is behind `lines` is of an
 * earlier life, which will be judged again. */
enum mr_err once_place(struct once_file *file, bool ours, struct mr_error *error);
/* Opens and locks what stands at the path; it is made where nothing does. After an error too
 * `*fd_out` is the caller's to close, if it is none below 0. */
enum mr_err once_take_path(const struct once_file *file, int *fd_out, struct file_identity *is_out,
			   struct mr_error *error);
/* Whether what is written to stands at the path. */
bool once_leads_to_held(const struct once_file *file);
/* While its disk is full: where the file was removed, its room is let go of and a new one begins.
 */
enum mr_err once_leave_full(struct once_file *file, struct mr_error *error);
/* Lets go of the next file. */
void once_drop_next(struct once_file *file);

#endif
