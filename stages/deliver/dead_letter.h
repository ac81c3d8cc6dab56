/* dead_letter.h - records that could not be judged, whole, one NDJSON line each.
 *
 * A line: source, offset, length, reason, where not all of it was kept how much is `written`, and
 * the record: as "record" where it is UTF-8, else as
 * "record_base64". A record by reference is read and written piece by piece: it is never held
 * whole. */
#ifndef MILLRACE_DELIVER_DEAD_LETTER_H
#define MILLRACE_DELIVER_DEAD_LETTER_H

#include "millrace/alert.h"
#include "millrace/file.h"

#include "sink.h"

/* Fails only as the sink does. Where the record's file cannot be read any more the line says so. */
enum mr_err dead_letter_put(struct sink *sink, const struct mr_files *files,
			    const struct mr_reject *reject, struct mr_error *error);

#endif
