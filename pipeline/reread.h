/* reread.h - what a record says, found once more by the stages that found it: for deliver, which
 * shows the records that prove an alert (stage.h).
 *
 * It holds the stages that make events, from the one that reads records to the last that adds to
 * them, in the worker that asks. What they count here is in no books. */
#ifndef MILLRACE_REREAD_H
#define MILLRACE_REREAD_H

#include "chain.h"

struct mr_reread {
	struct mr_chain chain;
	struct mr_writer writer;
	struct mr_stage_env env;
	struct mr_counters counters;
	struct mr_buf item; /* the record in hand */
};

/* Whether a stage of the group asks for it: it then needs the tables of those stages, too. */
bool mr_reread_is_for(const struct mr_group *group);
/* Whether a table is one of these. */
bool mr_reread_reads(const char *table);
/* `env` is copied but for what it counts by; what it borrows is borrowed until close. After an
 * error it holds nothing. */
enum mr_err mr_reread_open(struct mr_reread *reread, const struct mr_stage_env *env,
			   struct mr_error *error);
/* As struct mr_stage_env has it; `reread` is a struct mr_reread. */
bool mr_reread_record(void *reread, const struct mr_record *record, mr_event_taker *take,
		      void *context);
/* Accepts zeroed memory. */
void mr_reread_close(struct mr_reread *reread);

#endif
