/* sheds.h - state that was given up at the memory ceiling is an alert, by rule (PROTOCOL.md 6.7).
 *
 * Called by deliver.c. Correlate's workers say at each barrier what they gave up; all of them are
 * added up here. A rule makes an alert at once, then one an hour as long as more goes: so a flood
 * makes no flood. An alert is told once the checkpoint that holds it is committed: whoever begins
 * at an earlier one may give up at other moments, and would not say the same again. */
#ifndef MILLRACE_DELIVER_SHEDS_H
#define MILLRACE_DELIVER_SHEDS_H

#include "millrace/rule.h"

#include "outputs.h"

/* In snapshots: no sink can be called so. */
#define SHEDS_NAME "@state_shed"

/* Of one rule; with an empty id, of all records of detections. */
struct shed {
	struct mr_buf id, title;
	uint64_t slots; /* that no alert says yet */
	int64_t since_us;
	int64_t cut_us;        /* when the last alert was made; 0: none was */
	uint64_t ready;        /* slots that the alert in hand says; 0: there is none */
	int64_t ready_from_us; /* when the first of them had gone, at the latest */
};

struct sheds {
	struct shed *at;
	size_t count;
	bool may_tell; /* what is ready stands in a committed checkpoint, or there are none */
	struct mr_buf line;
};

/* `rule` NULL: records of detections. */
void sheds_add(struct sheds *sheds, const struct mr_rule *rule, uint64_t slots, int64_t now_us);
/* At a barrier: alerts that are due become ready; gives how many are. At the end all are due, and
 * no commitment is waited for. */
uint64_t sheds_cut(struct sheds *sheds, int64_t now_us, bool end);
void sheds_committed(struct sheds *sheds);
/* Hands on what is ready, as own_alert_put does. MR_FULL: call again. */
enum mr_err sheds_tell(struct sheds *sheds, struct outputs *outputs, struct mr_error *error);
void sheds_snapshot(const struct sheds *sheds, struct mr_buf *out);
/* Before anything is added. MR_BAD_INPUT, MR_UNSUPPORTED. */
enum mr_err sheds_restore(struct sheds *sheds, struct mr_slice bytes, struct mr_error *error);
/* Accepts zeroed memory. */
void sheds_fini(struct sheds *sheds);

#endif
