/* retell.h - what the records that prove a correlation's alert say (PROTOCOL.md 3.4).
 *
 * A signal to a correlation carries what that correlation needs and little besides: correlate keeps
 * it as long as a window lasts, and hardly any of what it keeps is ever shown. So what an alert
 * shows of a record is found in it when the alert is made, as it was found for the rules: by the
 * stages that make events, in a chain of its own, in the worker that makes the alert. That worker
 * has no network and reaches no file but those that records lie in, as the ones that parse.
 *
 * Where records lie on another host nothing can be told again, and signals say all. */
#ifndef MILLRACE_RETELL_H
#define MILLRACE_RETELL_H

#include "chain.h"

struct mr_retell {
	struct mr_chain chain;
	struct mr_writer writer;
	struct mr_stage_env env;
	struct mr_counters counters; /* in no books */
	const struct mr_watch *watch;
	struct mr_buf region;  /* the record in hand */
	struct mr_arena arena; /* of the alert in hand */
	struct mr_packing packing;
	uint64_t shown; /* the fields that alerts show, a bit each */
};

/* Whether it is done in this pipeline: all that correlate is on the host that has the records. */
bool mr_retell_is_done(const struct mr_topology *topology);
/* Whether the workers of this group do it, where it is done. */
bool mr_retell_is_for(const struct mr_group *group);
/* Whether they need this table for it. */
bool mr_retell_reads(const char *table);

/* `env` is copied; what it borrows, and `watch`, is borrowed until close. After an error it holds
 * nothing. */
enum mr_err mr_retell_open(struct mr_retell *retell, const struct mr_stage_env *env,
			   struct mr_error *error);
/* What is in hand is published there, and a record that is set aside is not told again. NULL: no
 * one looks. */
void mr_retell_watch(struct mr_retell *retell, const struct mr_watch *watch);
/* As struct mr_stage_env has it; `retell` is a struct mr_retell. Reads the records, so it may block
 * on the disk. */
void mr_retell_alert(void *retell, struct mr_alert *alert);
/* Accepts zeroed memory. */
void mr_retell_close(struct mr_retell *retell);

#endif
