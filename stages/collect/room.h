/* room.h - how much of its disk the journals of a worker may take: all but a reserve, in which
 * checkpoints, manifest and books find room. Else a journal would fill the disk, no checkpoint
 * could come, and without one none of its segments could go.
 *
 * Owned by sources.c, for all its sources together. Where the disk is nearly full the oldest
 * segments that no checkpoint needs go before their time, whichever journal they are of: each is
 * counted, and the log says so. */
#ifndef MILLRACE_COLLECT_ROOM_H
#define MILLRACE_COLLECT_ROOM_H

#include "journal.h"

/* Set the first three; the journals stay where they are. */
struct mr_room {
	struct mr_journal **journals;
	size_t count;
	struct mr_counters *counters;
	uint64_t unlooked; /* bytes that were written since it was looked */
	uint64_t reserve;  /* as last looked, 0: not known */
	bool lacking;      /* likewise: only the reserve is left */
	unsigned begun;    /* checkpoints, since the last one that was committed */
};

/* So many bytes are to be written. MR_NO_SPACE with a word where only the reserve is left, and
 * nothing can go. Does not look each time. */
enum mr_err mr_room_ask(struct mr_room *room, uint64_t bytes, struct mr_error *error);
/* A write found no room all the same, as under a quota: what can go goes, a little of it. */
void mr_room_give(struct mr_room *room);
/* A checkpoint begins. Where those before it came to nothing they may have wanted more than the
 * reserve: up to a quarter of the disk is made free, more each time. */
void mr_room_begin(struct mr_room *room);
void mr_room_committed(struct mr_room *room);

#endif
