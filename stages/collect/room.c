/* room.c - looks how much is free on the journals' disk, and lets old segments go. Called by
 * sources.c. A disk that does not say how large it is has no reserve. */
#include "room.h"

#include "millrace/os.h"

#define RESERVE_MOST (64 * MR_MIB)
#define RESERVE_PART 16 /* of the disk */
#define FREE_PART 4     /* of the disk, at most, for checkpoints that fail */
#define LOOKS 4         /* at least so often while the reserve's size is written */

struct disk {
	uint64_t size;
	uint64_t free; /* to this user */
};

static bool look(const struct mr_room *room, struct disk *out)
{
	struct statfs status;

	for (size_t i = 0; i < room->count; i++)
		if (room->journals[i]->directory >= 0) {
			if (mr_os.fstatfs(room->journals[i]->directory, &status) != 0)
				return false;
			*out = (struct disk){(uint64_t)status.f_blocks * (uint64_t)status.f_bsize,
					     (uint64_t)status.f_bavail * (uint64_t)status.f_bsize};
			return out->size > 0;
		}
	return false;
}

/* The oldest segment that may go does. Its size, 0 where there is none. */
static uint64_t give_oldest(struct mr_room *room)
{
	struct mr_journal *oldest = NULL;
	uint64_t bytes;

	for (size_t i = 0; i < room->count; i++) {
		struct mr_journal *journal = room->journals[i];

		if (mr_journal_may_give(journal) &&
		    (!oldest || journal->files[0].created_us < oldest->files[0].created_us))
			oldest = journal;
	}
	bytes = oldest ? mr_journal_give(oldest) : 0;
	if (bytes > 0)
		mr_count(room->counters, MR_C_SEGMENTS_DROPPED, 1);
	return bytes;
}

/* What goes is free at the latest when its readers have closed it: so it is reckoned, not looked
 * for. */
static void make_free(struct mr_room *room, struct disk *disk, uint64_t wanted)
{
	uint64_t given = 1;

	while (disk->free < wanted && given > 0) {
		given = give_oldest(room);
		disk->free += given;
	}
}

static uint64_t least_of(const struct disk *disk)
{
	uint64_t part = disk->size / RESERVE_PART;

	return part < RESERVE_MOST ? part : RESERVE_MOST;
}

/* What checkpoints that came to nothing may have wanted: more each time. */
static uint64_t grown_of(const struct mr_room *room, const struct disk *disk)
{
	uint64_t most = disk->size / FREE_PART;
	uint64_t grown = room->begun < 16 ? least_of(disk) << room->begun : most;

	return grown < most ? grown : most;
}

/* Where all that is needed of the journals is much, the next checkpoint may want much, too: what
 * was taken by then would be missing for good, for nothing of it can go before one is committed. */
static uint64_t reserve_of(const struct mr_room *room, const struct disk *disk)
{
	uint64_t needed = 0;

	for (size_t i = 0; i < room->count; i++)
		needed += mr_journal_needed_bytes(room->journals[i]);
	if (needed > disk->size / FREE_PART)
		return disk->size / FREE_PART;
	return room->begun > 1 ? grown_of(room, disk) : least_of(disk);
}

enum mr_err mr_room_ask(struct mr_room *room, uint64_t bytes, struct mr_error *error)
{
	struct disk disk;

	room->unlooked += bytes;
	if (room->unlooked < room->reserve / LOOKS && !room->lacking)
		return MR_OK;
	room->lacking = false;
	if (!look(room, &disk))
		return MR_OK;
	room->unlooked = 0;
	room->reserve = reserve_of(room, &disk);
	make_free(room, &disk, room->reserve + room->reserve / LOOKS + bytes);
	if (disk.free >= room->reserve)
		return MR_OK;
	room->lacking = true;
	return mr_error_set(error, MR_NO_SPACE,
			    "of the disk with the journal %llu KiB are free, and the last %llu are "
			    "kept for checkpoints",
			    (unsigned long long)(disk.free / MR_KIB),
			    (unsigned long long)(room->reserve / MR_KIB));
}

void mr_room_give(struct mr_room *room)
{
	uint64_t most = room->reserve / LOOKS;
	uint64_t given = 1;

	for (uint64_t sum = 0; given > 0 && sum <= most; sum += given)
		given = give_oldest(room);
}

void mr_room_begin(struct mr_room *room)
{
	struct disk disk;

	if (room->begun++ == 0 || !look(room, &disk))
		return;
	make_free(room, &disk, grown_of(room, &disk));
}

void mr_room_committed(struct mr_room *room)
{
	room->begun = 0;
}
