/* message.h - an alert in a sentence, for a person on call: what, who, from where, when, how often.
 */
#ifndef MILLRACE_DELIVER_MESSAGE_H
#define MILLRACE_DELIVER_MESSAGE_H

#include "millrace/alert.h"
#include "millrace/rule.h"

struct mr_slice evidence_look(const struct mr_evidence *evidence, mr_field field);
/* The text of the first value of a field that the evidence carries, or empty. */
static inline struct mr_slice evidence_text(const struct mr_evidence *evidence, mr_field field)
{
	if (evidence->first == NULL || field >= MR_F_NORMALISED_END)
		return evidence_look(evidence, field);
	uint32_t at = evidence->first[field];
	return at == 0 ? (struct mr_slice){"", 0} : evidence->fields[at - 1].text;
}

/* "None", "Informational" … "Critical". */
struct mr_slice message_level(enum mr_level level);

/* Catalog indices in the alert have been checked. Both sentences hold an attacker's words and are
 * read by people: what misleads them there is taken out (mr_buf_show). */
void message_put(struct mr_buf *out, const struct mr_catalog *catalog,
		 const struct mr_alert *alert);
/* One line for a terminal: time, level, title, who, from where, id. */
void message_announce(struct mr_buf *out, const struct mr_catalog *catalog,
		      const struct mr_alert *alert);

#endif
