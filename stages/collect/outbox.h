/* outbox.h - regions and rejected records that wait until the writer takes them.
 *
 * One step of decoding makes any number of both; they leave in the order they were made. */
#ifndef MILLRACE_COLLECT_OUTBOX_H
#define MILLRACE_COLLECT_OUTBOX_H

#include "millrace/stage.h"

struct mr_outbox_item {
	bool is_region;
	struct mr_region region;
	struct mr_reject reject; /* `name` is looked up when it leaves */
	uint32_t name;           /* mr_files number */
	char *reason;
	char *bytes;
};

/* Zeroed is empty; fini accepts zeroed memory. */
struct mr_outbox {
	struct mr_outbox_item *items;
	size_t first;
	size_t count; /* behind the last, counted from items[0] */
	size_t capacity;
};

void mr_outbox_region(struct mr_outbox *outbox, const struct mr_region *region);
/* Copies reason and bytes. */
void mr_outbox_reject(struct mr_outbox *outbox, uint32_t name, const struct mr_reject *reject);
/* Hand on and count. MR_OK: it is empty; MR_FULL: the writer takes no more now. */
enum mr_err mr_outbox_send(struct mr_outbox *outbox, const struct mr_stage_env *env,
			   struct mr_writer *out);
void mr_outbox_fini(struct mr_outbox *outbox);

#endif
