/* line_id.h - what makes a line of an output that one and no other.
 *
 * deliver.c makes ids for what it puts; once_file.c reads them back out of lines of our own after a
 * restart. An alert is made once: its id is enough. A revision is one of many: its activity, its
 * severity and its count belong to it. A dead letter's id is made of where the record lies. */
#ifndef MILLRACE_DELIVER_LINE_ID_H
#define MILLRACE_DELIVER_LINE_ID_H

#include "millrace/alert.h"
#include "millrace/file.h"
#include "millrace/rule.h"

struct line_id {
	uint8_t id[MR_ALERT_ID_BYTES];
	uint64_t revision; /* 0: what is made once */
};

static inline bool line_id_eq(const struct line_id *a, const struct line_id *b)
{
	return a->revision == b->revision && memcmp(a->id, b->id, sizeof a->id) == 0;
}

struct line_id line_id_of_alert(const struct mr_alert *alert, enum mr_level level);
/* By the names of source and file, which outlive an incarnation, and the position. */
struct line_id line_id_of_reject(const struct mr_files *files, const struct mr_reject *reject);
/* Of a line that this program wrote, with or without its '\n': of ocsf.c or dead_letter.c. False
 * where it is none. Reads no further than to the id. */
bool line_id_read(struct mr_slice line, struct line_id *out);
/* How many of these lines are made once. */
uint64_t line_id_count(struct mr_slice lines);

#endif
