/* letters.h - the dead-letter file: what was set aside, whole, with the reason.
 *
 * Called by deliver.c. In scan it is the table deliver.dead_letter, if that was asked for, and
 * records go there piece by piece. In a service it is a file in which each stands once, over a
 * crash too, and beside records it takes the alerts that a receiver refuses for good. */
#ifndef MILLRACE_DELIVER_LETTERS_H
#define MILLRACE_DELIVER_LETTERS_H

#include "once_file.h"
#include "out_file.h"
#include "sink.h"

/* In snapshots and books: no sink can be called so. */
#define LETTERS_NAME "@dead_letter"

struct letters {
	bool open;
	bool once; /* a service's */
	const struct mr_stage_env *env;
	struct out_file out;
	struct once_file file;
	int64_t unread_us;  /* since when the disk gives no record, 0: it does */
	int64_t most_bytes; /* a service's */
	bool past;          /* it holds as much, and this was said */
};

/* Of a service's; the caller's to free. */
char *letters_path(const struct mr_config *config);
enum mr_err letters_open(struct letters *letters, const struct sink_env *env,
			 struct mr_error *error);
/* Asked before each put. */
bool letters_have_room(struct letters *letters);
/* MR_FULL where the disk does not give a service's record: nothing was done, and the same is to be
 * put again. After some seconds of that what there is of it is written, with the reason. MR_END: it
 * holds as much as dead_letter_bytes allows, and the record is not written. */
enum mr_err letters_put(struct letters *letters, const struct mr_reject *reject,
			struct mr_error *error);
/* As sink_env's refuse. */
enum mr_err letters_refuse(struct letters *letters, const char *sink, const struct line_id *id,
			   struct mr_slice line, const char *reason, struct mr_error *error);
enum mr_err letters_flush(struct letters *letters, struct mr_error *error);
enum mr_err letters_barrier(struct letters *letters, struct mr_error *error);
void letters_counts(const struct letters *letters, struct sink_counts *out);
void letters_committed(struct letters *letters);
void letters_snapshot(struct letters *letters, struct mr_buf *out);
enum mr_err letters_restore(struct letters *letters, struct mr_slice bytes, struct mr_error *error);
/* Accepts zeroed memory. */
void letters_close(struct letters *letters);

#endif
