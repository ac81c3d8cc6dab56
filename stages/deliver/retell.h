/* retell.h - what the records that prove a correlation's alert say.
 *
 * A signal to a correlation carries what the correlation needs and little besides (PROTOCOL.md
 * 3.4): correlate keeps it for as long as a window lasts, and few of what is kept is ever shown.
 * So what an alert shows of a record is found where it is shown, as it was found for the rules. */
#ifndef MILLRACE_DELIVER_RETELL_H
#define MILLRACE_DELIVER_RETELL_H

#include "millrace/stage.h"

#include "record.h"

struct retell {
	const struct mr_stage_env *env;
	struct record_reader *records;
	struct mr_arena arena; /* of the alert in hand */
	struct mr_packing packing;
};

void retell_init(struct retell *retell, const struct mr_stage_env *env,
		 struct record_reader *records);
/* Accepts zeroed memory. */
void retell_fini(struct retell *retell);

/* Gives each piece of evidence the fields of its record: all that an alert shows, behind those that
 * only the signal had. One whose record cannot be read or parsed any more keeps the signal's. They
 * are borrowed until the next alert. Reads the records, so it may block on the disk. */
void retell_alert(struct retell *retell, struct mr_alert *alert);

#endif
