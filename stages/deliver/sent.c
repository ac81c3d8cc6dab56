/* sent.c - a set of line ids. Called by once_file.c and spool.c; cannot fail. */
#include "sent.h"

#include <stdlib.h>

#define ID_BYTES (MR_ALERT_ID_BYTES + 8) /* in a snapshot */

void sent_fini(struct sent *sent)
{
	free(sent->ids);
	free(sent->used);
	*sent = (struct sent){0};
}

static uint32_t home(const struct sent *sent, const struct line_id *id)
{
	uint64_t hash = mr_hash64(id->id, sizeof id->id, sent->seed ^ id->revision);
	return (uint32_t)hash & (sent->buckets - 1);
}

/* Where it stands, or where it would. */
static uint32_t find(const struct sent *sent, const struct line_id *id)
{
	uint32_t at = home(sent, id);
	while (sent->used[at] && !line_id_eq(&sent->ids[at], id))
		at = (at + 1) & (sent->buckets - 1);
	return at;
}

static void grow(struct sent *sent)
{
	struct sent old = *sent;
	sent->buckets = old.buckets == 0 ? 64 : old.buckets * 2;
	sent->ids = mr_calloc(sent->buckets, sizeof *sent->ids);
	sent->used = mr_calloc(sent->buckets, 1);
	for (uint32_t i = 0; i < old.buckets; i++) {
		if (!old.used[i])
			continue;
		uint32_t at = find(sent, &old.ids[i]);
		sent->ids[at] = old.ids[i];
		sent->used[at] = 1;
	}
	free(old.ids);
	free(old.used);
}

bool sent_add(struct sent *sent, const struct line_id *id)
{
	if (sent->count >= SENT_MAX)
		return false;
	if (sent->count + 1 > sent->buckets / 4 * 3)
		grow(sent);
	uint32_t at = find(sent, id);
	sent->count += !sent->used[at];
	sent->ids[at] = *id;
	sent->used[at] = 1;
	return true;
}

bool sent_take(struct sent *sent, const struct line_id *id)
{
	if (sent->count == 0)
		return false;
	uint32_t hole = find(sent, id), mask = sent->buckets - 1;
	if (!sent->used[hole])
		return false;
	/* What was pushed on by the one that goes moves back, so that none is cut off. */
	for (uint32_t at = (hole + 1) & mask; sent->used[at]; at = (at + 1) & mask) {
		uint32_t from = home(sent, &sent->ids[at]);
		if (((at - from) & mask) < ((at - hole) & mask))
			continue;
		sent->ids[hole] = sent->ids[at];
		hole = at;
	}
	sent->used[hole] = 0;
	sent->count--;
	return true;
}

void sent_pack(const struct sent *sent, struct mr_buf *out)
{
	struct mr_buf ids = {0};
	for (uint32_t i = 0; i < sent->buckets; i++) {
		if (!sent->used[i])
			continue;
		mr_buf_add(&ids, sent->ids[i].id, MR_ALERT_ID_BYTES);
		mr_buf_add(&ids, &sent->ids[i].revision, 8);
	}
	mr_pack_bytes(out, (struct mr_slice){ids.data == NULL ? "" : ids.data, ids.len});
	mr_buf_fini(&ids);
}

void sent_unpack(struct sent *sent, struct mr_unpack *in)
{
	struct mr_slice ids = mr_unpack_bytes(in);
	if (ids.len % ID_BYTES != 0)
		in->bad = true;
	for (size_t at = 0; !in->bad && at < ids.len; at += ID_BYTES) {
		struct line_id id;
		memcpy(id.id, ids.at + at, MR_ALERT_ID_BYTES);
		memcpy(&id.revision, ids.at + at + MR_ALERT_ID_BYTES, 8);
		sent_add(sent, &id);
	}
}
