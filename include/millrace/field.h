/* field.h - the field dictionary.
 *
 * Computed in the supervisor while the stages prepare: every field name that a rule, an enricher, a
 * correlation or an output asks for. What nobody asks for is never flattened (projection pushdown).
 * Names are case-folded and without blanks, as Sigma's specification has rules write what a log
 * calls "New Value"; a path joins nested names with '.'. Ids are dense and small; 0 is no
 * field; the normalised fields hold the same ids in every dictionary. A dictionary only grows, so
 * an id, once given, stays. Every worker of an incarnation has the same one; its hash stands in
 * each batch header. */
#ifndef MILLRACE_FIELD_H
#define MILLRACE_FIELD_H

#include "millrace/text.h"

typedef uint16_t mr_field; /* an id: 1 .. count - 1, 0 is none */

enum mr_normalised {
	MR_F_NONE,
#define X(symbol, name, word, in_alert, filled_by, prose) MR_F_##symbol,
#include "millrace/normalised.def"
#undef X
	MR_F_NORMALISED_END /* ids from here on are native names */
};

#define MR_FIELDS_MAX 65535 /* ids */

struct mr_fields;

/* Holds the normalised fields from the start. */
struct mr_fields *mr_fields_new(void);
void mr_fields_free(struct mr_fields *fields);

/* A name, or a key of one, as the dictionary has it: `out` has room for mr_fold_max, and what it
 * holds is given. One of blanks alone keeps them. */
size_t mr_field_fold(struct mr_slice name, char *out);
/* The id of a name, added if it is new; 0 where the dictionary is full. The name is copied. */
mr_field mr_fields_add(struct mr_fields *fields, struct mr_slice name);
/* The id of a name in any case, with or without blanks, or 0. */
mr_field mr_fields_find(const struct mr_fields *fields, struct mr_slice name);
/* The folded name; borrowed, lives as long as the dictionary. */
struct mr_slice mr_fields_name(const struct mr_fields *fields, mr_field field);
/* Ids run from 1 to count - 1. */
size_t mr_fields_count(const struct mr_fields *fields);
/* A rule reads the field, a stage before the judging one, or whoever makes a signal: it has to be
 * in an event by then. What nobody asked for may come later, with mr_event_complete. */
void mr_fields_ask(struct mr_fields *fields, mr_field field);
/* True for all fields where nobody has asked for any. */
bool mr_fields_asked(const struct mr_fields *fields, mr_field field);
/* Whether an alert shows the field, and whether each signal carries it for that. */
bool mr_field_in_alert(mr_field field);
bool mr_field_in_signal(mr_field field);
/* The setting without which nobody fills the field; NULL where records fill it. */
const char *mr_field_setting(mr_field field);
/* All values that a normalised field can have, where they are a closed set of the stages' own
 * words; booleans are "true" and "false". 0, and NULL, for any other field: it holds what records,
 * databases or lists say. Those of MR_F_KIND lie at their numbers. */
size_t mr_field_values(mr_field field, const char *const **values_out);
/* The same for equal dictionaries in any process. */
uint64_t mr_fields_hash(const struct mr_fields *fields);

/* To and from bytes (msgpack: an array of names from id 1 on, one of the ids asked for). Decoding
 * survives any bytes: MR_BAD_INPUT. */
void mr_fields_encode(const struct mr_fields *fields, struct mr_buf *out);
enum mr_err mr_fields_decode(struct mr_slice bytes, struct mr_fields **fields_out,
			     struct mr_error *error);

#endif
