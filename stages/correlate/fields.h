/* fields.h - the fields of the items of a snapshot's section: snapshot.c puts and gets them through
 * fields.c, which says in what form. */
#ifndef MILLRACE_CORRELATE_FIELDS_H
#define MILLRACE_CORRELATE_FIELDS_H

#include "state.h"

/* The section in hand: corr.section, during all calls. */
#define CORR_NAMES_SINCE 10 /* version; before, each field stood with its name */
struct corr_section {
	uint64_t version;
	uint64_t fields[MR_FIELD_SET_WORDS]; /* that items have, or may have */
	/* Of what is read: whether its ids are this run's; else which ones are, by the section's;
	 * 0: this run does not know the name. */
	bool same;
	mr_field *now;
};

void corr_fields_put(struct corr *corr, const struct corr_item *item, struct mr_buf *out);
/* Those whose name this run does not know are left out. May use the arena. */
void corr_fields_get(struct corr *corr, struct mr_unpack *in, struct mr_signal *signal);
/* What is put behind what this gives, are keys; then the names of their fields. */
size_t corr_names_begin(struct mr_buf *out);
void corr_names_put(struct corr *corr, size_t from, struct mr_buf *out);
/* The names, which lie behind the keys: `in` ends then where they begin. What is in the section is
 * the caller's, whether they are good or not. */
void corr_names_get(struct corr *corr, struct mr_unpack *in);

#endif
