/* shed.h - the memory ceiling: which keys stand first to go (rank.c), what one key gives up
 * (trim.c), what stays of it (husk.c), which slots may lack something since (lost.c), and what goes
 * of all (shed.c). Called by correlate.c, plain.c, state.c and snapshot.c.
 */
#ifndef MILLRACE_CORRELATE_SHED_H
#define MILLRACE_CORRELATE_SHED_H

#include "state.h"

/* ---- rank.c ---- */

/* Keys by what goes first at the memory ceiling (rank.c), from 0 on, each with its oldest first. */
#define CORR_RANKS 276
#define CORR_RANK_FUTURE 0
#define CORR_RANK_OVER 1
#define CORR_RANK_WHOLE (CORR_RANKS - 1) /* an alert was made */
#define CORR_UNRANKED UINT16_MAX
struct corr_rank {
	struct corr_key *oldest, *newest;
};

/* A time that is no clock's: past it is what goes first. False before any is known. */
bool corr_future_from(const struct corr *corr, int64_t *time_us_out);
/* Of a slot, whether it begins past that. */
bool corr_is_future(const struct corr *corr, const struct corr_slot *slot);
/* A record of that time came then. */
void corr_time_see(struct corr *corr, const struct mr_signal *signal);
uint16_t corr_rank_of_slot(const struct corr *corr, const struct corr_slot *slot);
uint16_t corr_rank_of(const struct corr *corr, const struct corr_key *key);
/* The newest of that rank, and of no other. */
void corr_key_rank(struct corr *corr, struct corr_key *key, uint16_t rank);
/* Its key, with what the slot holds, once: the newest then. */
void corr_slot_rank(struct corr *corr, struct corr_slot *slot);
void corr_key_unrank(struct corr_key *key);
/* All keys, those whose slots go first as the oldest: what a snapshot gave has no order, and what
 * came before W was known may lie past it. */
void corr_ranks_renew(struct corr *corr);

/* ---- trim.c ---- */

size_t corr_key_bytes(const struct corr_key *key);
/* About an eighth of what the key holds, or as much as can go; `hard`: also of what its condition
 * needs. Gives how many slots lost something that counts. */
uint64_t corr_key_trim(struct corr *corr, struct corr_key *key, bool hard);
/* Its slots of the future alone, but those in use. */
uint64_t corr_key_trim_future(struct corr *corr, struct corr_key *key);

/* ---- lost.c ---- */

/* The slot is given up, or part of it. */
void corr_slot_lost(struct corr *corr, const struct corr_slot *slot);
void corr_lost_add(struct corr *corr, const struct corr_rule *rule, uint8_t group,
		   struct corr_lost lost);
bool corr_has_lost(const struct corr_rule *rule, uint8_t group);
/* W has moved on: forget what no slot from `limit_us` on can lack. */
void corr_lost_release(struct corr *corr, int64_t limit_us);
/* Whether a new slot of that number may lack something. */
bool corr_may_lack(const struct corr_key *key, int64_t number);

/* ---- plain.c ---- */

/* Forget those of the future, or else the older half; gives how many. */
uint32_t corr_plain_halve(struct corr *corr, struct corr_plain *plain);

/* ---- fire.c ---- */

/* A slot is given up: a finite run makes its alert now, if there is one, and once. */
void corr_fire_early(struct corr *corr, struct corr_slot *slot);
/* Whether that was done. */
bool corr_was_told(const struct corr *corr, const struct corr_key *key, int64_t number);
void corr_told_fini(struct corr *corr);

/* ---- husk.c ---- */

/* The slot is given up: what it counted stays, where that is worth it. */
void corr_husk_put(struct corr *corr, const struct corr_slot *slot);
/* Whether something of it stayed; and that goes into a new slot. */
bool corr_husk_is(const struct corr *corr, const struct corr_key *key, int64_t number);
void corr_husk_take(const struct corr *corr, struct corr_slot *slot);
/* True where there was something. */
bool corr_husks_drop(struct corr *corr, struct corr_rule *rule);
/* Of slots that no occurrence from that time on can touch. */
void corr_husks_release(struct corr *corr, int64_t limit_us);

/* ---- shed.c ---- */

/* The slot is given up: its alert is made, and what hangs on it says that it may lack something. */
void corr_slot_leave(struct corr *corr, struct corr_slot *slot);
/* The bytes of state at which the memory that holds them comes to its ceiling. */
size_t corr_shed_from(const struct corr *corr);
/* Where the state has come to its ceiling: give up what PROTOCOL.md 6.7 says. The key in hand
 * (NULL: of a detection) loses no more than trim.c takes, its latest slot last. */
void corr_shed(struct corr *corr, struct corr_key *in_hand);
/* Tell the books and deliver what was given up of which rule. MR_FULL: call again. */
enum mr_err corr_shed_tell(struct corr *corr);

#endif
