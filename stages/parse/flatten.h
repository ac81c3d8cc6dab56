/* flatten.h - from the walk of a record to an event's fields: only those that the dictionary names.
 *
 * What becomes of a record's structure:
 * - nested objects join with '.'; a key that itself holds dots and so reaches the same name through
 *   fewer keys wins over the nested one;
 * - an array of plain values makes a field of several values; inner arrays are flattened, null
 * members skipped; an array without any other member is one null;
 * - an object, and an array that holds objects, is for its own name one value: the record's own
 * bytes (MR_JSON); for the names below it each object's members count, and null among others is
 * skipped;
 * - in an array, an object with a Name (Key, DisplayName) and a Value is, besides, the member Name
 * of the array, with that value; with OldValue and NewValue it is Name.OldValue and Name.NewValue.
 * Two of one Name make several values;
 * - a string that holds JSON is opened where a name goes on below it, two levels at most, repaired
 * where it must be; its text stays a value;
 * - the members of a top-level object `properties` (a diagnostics envelope) answer to their names
 * alone as well, where the top level does not have them;
 * - in a record of kind MR_KIND_DECLARED, where the top level lacks the name, so do the parts of a
 * Windows event (event_log.h);
 * - of a key given twice in one object the last wins, also where the two differ in case. */
#ifndef MILLRACE_PARSE_FLATTEN_H
#define MILLRACE_PARSE_FLATTEN_H

#include "kind.h"
#include "names.h"
#include "read.h"

struct mr_flatten;

/* For documents up to `max_bytes`: mr_repair_max of the longest record, which a text opened in it
 * never passes, repaired or not. */
struct mr_flatten *mr_flatten_new(const struct mr_fields *fields, size_t max_bytes);
void mr_flatten_free(struct mr_flatten *flatten);

/* Add the fields of an object that `reader` has read; of the event only the kind is looked at, and
 * that only where it is MR_KIND_DECLARED. Texts borrow the document, or lie in the
 * events' arena. *odd gains what is odd about the record. */
void mr_flatten_record(struct mr_flatten *flatten, const struct mr_json_reader *reader,
		       struct mr_json_node root, struct mr_events *events, struct mr_event *event,
		       struct mr_odd *odd);
/* Of the shape of the record that was added last, NULL where it has none; valid until the next one
 * is. */
struct mr_known *mr_flatten_known(struct mr_flatten *flatten);

#endif
