/* watermark.c - marks of event time by source, and the watermark made of them.
 *
 * Called by worker_barrier.c, by the stages that collect and parse, and by the supervisor, which
 * keeps the marks of a checkpoint. Decoding fails by `in->bad` alone. */
#include "millrace/watermark.h"

#include <stdlib.h>

#include "codec.h"

void mr_marks_fini(struct mr_marks *marks)
{
	free(marks->items);
	*marks = (struct mr_marks){0};
}

struct mr_source_mark *mr_marks_at(struct mr_marks *marks, uint32_t source)
{
	for (uint32_t i = 0; i < marks->count; i++) {
		if (marks->items[i].source == source) {
			marks->last = i;
			return &marks->items[i];
		}
	}
	marks->items = mr_realloc(marks->items, (marks->count + 1) * sizeof *marks->items);
	marks->last = marks->count++;
	marks->items[marks->last] =
	    (struct mr_source_mark){.source = source, .highest_us = MR_NO_TIME};
	return &marks->items[marks->last];
}

void mr_marks_merge(struct mr_marks *marks, const struct mr_marks *more)
{
	for (uint32_t i = 0; i < more->count; i++) {
		struct mr_source_mark *mark = mr_marks_at(marks, more->items[i].source);
		mark->state = more->items[i].state;
		if (more->items[i].highest_us > mark->highest_us)
			mark->highest_us = more->items[i].highest_us;
	}
	if (more->has_watermark &&
	    (!marks->has_watermark || more->watermark_us > marks->watermark_us)) {
		marks->has_watermark = true;
		marks->watermark_us = more->watermark_us;
	}
}

void mr_marks_advance(struct mr_marks *marks)
{
	bool waits = false;
	int64_t lowest_us = INT64_MAX;
	for (uint32_t i = 0; i < marks->count; i++) {
		const struct mr_source_mark *mark = &marks->items[i];
		if (mark->state != MR_SOURCE_ACTIVE)
			continue;
		waits = true;
		if (mark->highest_us < lowest_us)
			lowest_us = mark->highest_us;
	}
	if (!waits || lowest_us == MR_NO_TIME)
		return;
	if (!marks->has_watermark || lowest_us > marks->watermark_us)
		marks->watermark_us = lowest_us;
	marks->has_watermark = true;
}

void mr_marks_encode(const struct mr_marks *marks, struct mr_buf *out)
{
	mr_pack_array(out, 3);
	mr_pack_bool(out, marks->has_watermark);
	mr_pack_int(out, marks->watermark_us);
	mr_pack_array(out, (size_t)marks->count * 3);
	for (uint32_t i = 0; i < marks->count; i++) {
		mr_pack_uint(out, marks->items[i].source);
		mr_pack_uint(out, marks->items[i].state);
		mr_pack_int(out, marks->items[i].highest_us);
	}
}

void mr_marks_decode(struct mr_unpack *in, struct mr_marks *out)
{
	*out = (struct mr_marks){0};
	mr_unpack_array_of(in, 3);
	out->has_watermark = mr_unpack_bool(in);
	out->watermark_us = mr_unpack_int(in);
	size_t items = mr_unpack_array(in, (size_t)MR_SOURCES_MAX * 3);
	if (items % 3 != 0)
		mr_unpack_spoil(in);
	for (size_t i = 0; i < items / 3 && mr_unpack_ok(in); i++) {
		uint32_t source = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
		uint64_t state = mr_unpack_uint(in, MR_SOURCE_ENDED);
		int64_t highest_us = mr_unpack_int(in);
		uint32_t before = out->count;
		struct mr_source_mark *mark = mr_marks_at(out, source);
		if (out->count == before)
			mr_unpack_spoil(in); /* one source twice */
		mark->state = (enum mr_source_state)state;
		mark->highest_us = highest_us;
	}
	if (!mr_unpack_ok(in))
		mr_marks_fini(out);
}
