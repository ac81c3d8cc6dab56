/* dead_letter.h - records that could not be judged, whole, one NDJSON line each.
 *
 * A line: in a service its id, source, offset, length, reason, where not all of it was kept how
 * much is `written`, and the record: as "record" where it is UTF-8, else as "record_base64". So is
 * text whose escapes would make a bounded line longer than base64 can. A record by reference is
 * read and written piece by piece: it is never held whole. */
#ifndef MILLRACE_DELIVER_DEAD_LETTER_H
#define MILLRACE_DELIVER_DEAD_LETTER_H

#include "line_id.h"

/* Where the pieces of a line go, one after the other. */
struct dead_letter_out {
	enum mr_err (*put)(void *context, struct mr_slice piece, struct mr_error *error);
	void *context;
	uint64_t most; /* bytes of a record: where it has more `written` says so */
	bool whole;    /* or not at all, where the disk does not give the record */
};

/* With `id` (may be NULL) the line begins with it: then it can be found again. Fails as `put` does,
 * and with MR_IO where it is to be whole: what was put is then to be dropped. Else, and where the
 * record's file is gone or has become shorter, the line says what is wrong. */
enum mr_err dead_letter_put(const struct dead_letter_out *out, const struct line_id *id,
			    const struct mr_files *files, const struct mr_reject *reject,
			    struct mr_error *error);

#endif
