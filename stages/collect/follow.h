/* follow.h - between follow.c (which files there are) and follow_file.c (what is read of one). */
#ifndef MILLRACE_COLLECT_FOLLOW_H
#define MILLRACE_COLLECT_FOLLOW_H

#include "source.h"

#include <sys/stat.h>

#define MR_PRINT_MAX 1024 /* bytes by which a file is known again */

/* How far a file was read, and what it begins with. */
struct mr_mark {
	uint64_t at;
	uint32_t print_len; /* min(at, MR_PRINT_MAX) */
	uint64_t print;     /* XXH3 of so many first bytes */
};

struct mr_followed {
	char *path;  /* where it was seen last */
	char *title; /* what its records name: where it was seen first */
	uint32_t name;
	bool named;
	int fd; /* -1: only its mark is known, from the cursor */
	dev_t device;
	ino_t inode;
	struct mr_mark mark;
	struct mr_mark safe; /* what the journal knows */
	bool dirty;          /* the two differ */
	uint64_t booked;     /* how far it was read, as the books have it */
	uint64_t searched;   /* up to here the line at mark.at has no end */
	struct timespec modified;
	off_t size;
	bool awake;   /* there may be something to read */
	bool seen;    /* by the scan in hand */
	bool gone;    /* its path leads elsewhere, or nowhere */
	bool foreign; /* no lines: left alone */
	int64_t gone_us;
};

/* One step of reading. MR_OK: call again; MR_AGAIN: at its end; MR_IO is said and counted here, and
 * leaves it alone. */
enum mr_err mr_followed_read(struct mr_source *source, struct mr_followed *file, char *room,
			     struct mr_error *error);
/* It will not grow any more: a last line without an end is a record. */
enum mr_err mr_followed_finish(struct mr_source *source, struct mr_followed *file, char *room,
			       struct mr_error *error);
/* Whether the file under this descriptor begins as the mark says, and reaches as far. */
bool mr_mark_holds(const struct mr_mark *mark, int fd);
#define MR_FOLLOW_ROOM (256 << 10)

#endif
