/* chain.h - the stages of one worker, run one behind the other in one process.
 *
 * Between the stage that parses and the one that judges, events stay in memory: stages that add to
 * them (apply) see them in place. Where the chain is cut before or behind, events come from or go
 * to a link. Order: open, then begin / go until MR_OK for each batch (or poll for a source), tick
 * at any time between, finish until MR_OK, close. */
#ifndef MILLRACE_CHAIN_H
#define MILLRACE_CHAIN_H

#include "stage_io.h"

struct mr_chain_item {
	const struct mr_stage_ops *ops;
	void *state;
	uint64_t turns_ns; /* what its calls have cost in the turns that were measured */
	uint64_t other_ns; /* and in tick and finish */
};

struct mr_chain {
	struct mr_chain_item items[MR_CHAIN_MAX];
	uint32_t count;
	uint32_t finished;       /* stages whose finish is done */
	uint32_t at_barrier;     /* stages that have done what is due at the barrier in hand */
	struct mr_reader in;     /* the incoming batch */
	struct mr_reader middle; /* events on their way to the last stage */
	bool in_open;
	bool middle_open;
	bool has_events;
	struct mr_events events;
	struct mr_writer *writer;
	const struct mr_watch *watch; /* NULL: nobody sees what is in hand */
	/* A turn takes one batch, or one chunk of its events, from the first stage to the last.
	 * The clock of a thread's CPU is a system call: one turn in CHAIN_MEASURED is measured. */
	uint64_t turns;
	uint64_t measured;
	bool measuring;   /* this turn is */
	uint64_t mark_ns; /* the thread's CPU time when the last call began or ended */
};

/* Borrows writer and env until close. After an error hold nothing. */
enum mr_err mr_chain_open(struct mr_chain *chain, const struct mr_group *group,
			  struct mr_writer *writer, const struct mr_stage_env *env,
			  struct mr_error *error);
/* Likewise these stages, NULL behind the last. */
enum mr_err mr_chain_open_stages(struct mr_chain *chain, const struct mr_stage_ops *const *stages,
				 struct mr_writer *writer, const struct mr_stage_env *env,
				 struct mr_error *error);
/* From here on what is in hand is published there, records that are set aside are passed over, and
 * near a set of events that was deadly records are taken one by one. Borrowed. */
void mr_chain_watch(struct mr_chain *chain, const struct mr_watch *watch);
/* Accepts zeroed memory. */
void mr_chain_close(struct mr_chain *chain);

/* Nanoseconds of CPU that the calls of stage `item` have cost, as far as the measured turns tell.
 */
uint64_t mr_chain_cpu_ns(const struct mr_chain *chain, uint32_t item);

/* No, as long as it is not open. */
bool mr_chain_is_source(const struct mr_chain *chain);
/* Whether the batch before is done, so that the next may begin. */
static inline bool mr_chain_is_idle(const struct mr_chain *chain)
{
	return !chain->in_open && !chain->middle_open;
}

/* A batch whose bytes stay until go has said MR_OK. */
void mr_chain_begin_records(struct mr_chain *chain, const struct mr_region *region,
			    struct mr_slice body);
void mr_chain_begin_items(struct mr_chain *chain, const struct mr_batch_header *header,
			  struct mr_slice body);
/* MR_OK: the batch is done. MR_FULL: the outputs must be sent first. */
enum mr_err mr_chain_go(struct mr_chain *chain, struct mr_error *error);
/* Sources: as stage.h says of poll. */
enum mr_err mr_chain_poll(struct mr_chain *chain, struct mr_error *error);
enum mr_err mr_chain_tick(struct mr_chain *chain, int64_t now_us, struct mr_error *error);
/* MR_OK: every stage has written what it held back. MR_FULL as above. */
enum mr_err mr_chain_finish(struct mr_chain *chain, struct mr_error *error);

/* The figures of all that the stages own. */
void mr_chain_show(const struct mr_chain *chain, mr_figures_taker take, void *context);

/* The stage's result; where it said no words of a failure, with words that name it. */
enum mr_err mr_chain_named(const struct mr_chain_item *item, enum mr_err err,
			   struct mr_error *error);

#endif
