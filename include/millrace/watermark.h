/* watermark.h - how far event time has come, source by source.
 *
 * Each worker has one set of marks. Collect names its sources and says which have ended or are
 * silent; parse tells the time of each event; a barrier carries the marks to the next workers,
 * which merge what all upstream workers send. The watermark W is the lowest mark of the sources
 * that are still to be waited for; it never goes back, and stays when none is left
 * (PROTOCOL.md 6.6). */
#ifndef MILLRACE_WATERMARK_H
#define MILLRACE_WATERMARK_H

#include "millrace/pack.h"

#define MR_NO_TIME INT64_MIN
/* An event time further past its arrival is a wrong clock's, and moves no mark. */
#define MR_MARK_AHEAD_US (INT64_C(10) * 60 * 1000000)
#define MR_SOURCES_MAX 1024 /* sources of one service */

enum mr_source_state { MR_SOURCE_ACTIVE, MR_SOURCE_IDLE, MR_SOURCE_ENDED };

struct mr_source_mark {
	uint32_t source;
	enum mr_source_state state;
	int64_t highest_us; /* MR_NO_TIME: no event yet */
};
/* Zeroed is valid and empty, with mr_marks_fini at the end; `watermark_us` counts once
 * `has_watermark` is set. */
struct mr_marks {
	struct mr_source_mark *items;
	uint32_t count;
	uint32_t last; /* the item asked for last */
	bool has_watermark;
	int64_t watermark_us;
};
void mr_marks_fini(struct mr_marks *marks);

/* The source's mark; a new one is active and has no time. Valid until the next new one. */
struct mr_source_mark *mr_marks_at(struct mr_marks *marks, uint32_t source);
/* An event of this time was parsed. */
static inline void mr_marks_event(struct mr_marks *marks, uint32_t source, int64_t time_us,
				  int64_t arrival_us)
{
	if (time_us > arrival_us && time_us - arrival_us > MR_MARK_AHEAD_US)
		return;
	struct mr_source_mark *mark =
	    marks->last < marks->count ? &marks->items[marks->last] : NULL;
	if (mark == NULL || mark->source != source)
		mark = mr_marks_at(marks, source);
	if (time_us > mark->highest_us)
		mark->highest_us = time_us;
}
static inline void mr_marks_state(struct mr_marks *marks, uint32_t source,
				  enum mr_source_state state)
{
	mr_marks_at(marks, source)->state = state;
}

/* What another worker says of the same barrier: the highest times, its states, its watermark. */
void mr_marks_merge(struct mr_marks *marks, const struct mr_marks *more);
/* Moves the watermark on to where the marks are. */
void mr_marks_advance(struct mr_marks *marks);

/* To and from msgpack. Decoding survives any bytes: what is wrong sets `in->bad`; `out` is zeroed
 * before, and the caller's to end. */
void mr_marks_encode(const struct mr_marks *marks, struct mr_buf *out);
void mr_marks_decode(struct mr_unpack *in, struct mr_marks *out);

#endif
