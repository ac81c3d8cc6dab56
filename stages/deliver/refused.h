/* refused.h - a rule that was refused is an alert, in a service (PROTOCOL.md 9.1).
 *
 * Called by deliver.c. Each refusal makes one line, once for a state directory: its id is made of
 * what was refused and why, and the ids that were handed to the sinks are part of the snapshot. */
#ifndef MILLRACE_DELIVER_REFUSED_H
#define MILLRACE_DELIVER_REFUSED_H

#include "millrace/rule.h"

#include "outputs.h"
#include "sent.h"

/* In snapshots: no sink can be called so. */
#define REFUSED_NAME "@refused_rules"

struct refused {
	const struct mr_catalog *catalog;
	uint32_t next; /* of the catalog's refusals; those before it are told */
	struct sent told;
	struct mr_buf line;
};

/* Borrows the catalog until fini. */
void refused_init(struct refused *refused, const struct mr_catalog *catalog);
/* Hands on what is not told yet, until a sink has no room: to be called again then. Counts each in
 * the books, as an alert of no source. Fails as a sink does. */
enum mr_err refused_tell(struct refused *refused, struct outputs *outputs, struct mr_error *error);
void refused_snapshot(const struct refused *refused, struct mr_buf *out);
/* Before the first is told. MR_BAD_INPUT. */
enum mr_err refused_restore(struct refused *refused, struct mr_slice bytes, struct mr_error *error);
/* Accepts zeroed memory. */
void refused_fini(struct refused *refused);

#endif
