/* outbox.c - regions and rejected records on their way to the writer.
 *
 * Filled by spool.c and input.c, emptied by collect.c. Cannot fail. */
#include "outbox.h"

#include <stdlib.h>

static struct mr_outbox_item *push(struct mr_outbox *outbox)
{
	if (outbox->count == outbox->capacity) {
		outbox->capacity = mr_grow(outbox->capacity, outbox->count + 1);
		outbox->items =
		    mr_realloc(outbox->items, outbox->capacity * sizeof(*outbox->items));
	}
	outbox->items[outbox->count] = (struct mr_outbox_item){0};
	return &outbox->items[outbox->count++];
}

void mr_outbox_region(struct mr_outbox *outbox, const struct mr_region *region)
{
	struct mr_outbox_item *item = push(outbox);

	item->is_region = true;
	item->region = *region;
}

void mr_outbox_reject(struct mr_outbox *outbox, uint32_t name, const struct mr_reject *reject)
{
	struct mr_outbox_item *item = push(outbox);

	item->reject = *reject;
	item->name = name;
	item->reason = mr_malloc(reject->reason.len + 1);
	memcpy(item->reason, reject->reason.at, reject->reason.len);
	item->reject.reason.at = item->reason;
	if (reject->bytes.len > 0) {
		item->bytes = mr_malloc(reject->bytes.len);
		memcpy(item->bytes, reject->bytes.at, reject->bytes.len);
		item->reject.bytes.at = item->bytes;
	}
}

static void send(struct mr_outbox_item *item, const struct mr_stage_env *env, struct mr_writer *out)
{
	if (item->is_region) {
		mr_writer_region(out, &item->region);
		mr_count(env->counters, MR_C_BYTES_COLLECTED, item->region.length);
		mr_count_of(env->counters, item->region.source, MR_B_BYTES_COLLECTED,
			    item->region.length);
		return;
	}
	item->reject.name = mr_files_name(env->files, item->name);
	mr_writer_reject(out, &item->reject);
	mr_count_reject(env->counters, item->reject.origin.source, item->reject.kind);
}

enum mr_err mr_outbox_send(struct mr_outbox *outbox, const struct mr_stage_env *env,
			   struct mr_writer *out)
{
	while (outbox->first < outbox->count) {
		struct mr_outbox_item *item = &outbox->items[outbox->first];

		if (!mr_writer_ready(out))
			return MR_FULL;
		send(item, env, out);
		free(item->reason);
		free(item->bytes);
		outbox->first++;
	}
	outbox->first = 0;
	outbox->count = 0;
	return MR_OK;
}

void mr_outbox_fini(struct mr_outbox *outbox)
{
	for (size_t i = outbox->first; i < outbox->count; i++) {
		free(outbox->items[i].reason);
		free(outbox->items[i].bytes);
	}
	free(outbox->items);
	*outbox = (struct mr_outbox){0};
}
