/* follow.h - between follow.c (which files there are), follow_unread.c (where none are seen),
 * follow_open.c (which are open), follow_names.c (what records call them) and follow_file.c (what
 * is read of one). */
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
	int fd;        /* -1: it is closed */
	size_t place;  /* among those that are open */
	uint64_t used; /* when it was read last, as they count */
	dev_t device;
	ino_t inode;
	struct mr_mark mark;
	struct mr_mark safe;      /* what the journal knows */
	bool dirty;               /* the two differ */
	uint64_t booked;          /* how far it was read, as the books have it */
	uint64_t searched;        /* up to here the line at mark.at has no end */
	struct timespec modified; /* with its size: when it was looked at */
	off_t size;               /* -1: it was not, in this life */
	bool awake;               /* there may be something to read */
	bool seen;                /* by the scan in hand */
	bool found;               /* likewise, under a name that no path asks for */
	bool met;                 /* it is known to be the one that the mark speaks of */
	bool gone;                /* its path leads elsewhere, or nowhere */
	bool foreign;             /* no lines: left alone */
	bool barred;              /* it cannot be opened: tried again by each scan */
	bool lines;               /* it begins with some, and nothing was read of it */
	int64_t gone_us;
};

/* Those that are open. Zeroed is empty. */
struct mr_openings {
	struct mr_followed **files;
	size_t count;
	size_t capacity;
	size_t most;
	uint64_t clock;
	uint64_t refused; /* since when one waits to be open; 0: none does */
};
enum mr_err mr_openings_init(struct mr_openings *openings, const struct mr_config *config,
			     struct mr_error *error);
void mr_openings_fini(struct mr_openings *openings);
/* At its path. False where it is not there any more, or there is no room: those that are gone stay
 * open, and, unless this one is `needed` or none comes to its end for long, those that have
 * something to read. */
bool mr_followed_open(struct mr_openings *openings, struct mr_followed *file, bool needed);
void mr_followed_close(struct mr_openings *openings, struct mr_followed *file);

/* Names that no file bears any more. Zeroed is empty. */
struct mr_left_names {
	struct mr_left_name {
		char *title;
		uint64_t hash; /* of it */
		uint32_t name;
		bool named;
		uint64_t segment; /* the last that may have records of this name */
	} * items;
	size_t count;
	size_t capacity;
};
/* One more, or later records of one. */
struct mr_left_name *mr_left_names_add(struct mr_left_names *left, const char *title,
				       uint64_t segment);
/* A file bears it again; true where it has a number. */
bool mr_left_names_take(struct mr_left_names *left, const char *title, uint32_t *name_out);
/* Those that the cursor told of get their numbers. As mr_lines_name. */
enum mr_err mr_left_names_register(struct mr_left_names *left, const struct mr_stage_env *env,
				   struct mr_error *error);
/* Those whose segments are gone, go. All have numbers. */
void mr_left_names_release(struct mr_left_names *left, const struct mr_journal *journal,
			   struct mr_files *files);
void mr_left_names_fini(struct mr_left_names *left);

/* Its records get the number of its name. MR_PEER_LOST, MR_NO_SPACE. */
enum mr_err mr_followed_name(struct mr_source *source, struct mr_followed *file,
			     struct mr_error *error);
/* Folders that cannot be read. Zeroed is empty. */
struct mr_unread_folders {
	size_t count;
	struct mr_buf now; /* each with a zero behind it */
	struct mr_buf before;
};
/* A scan begins. */
void mr_unread_begin(struct mr_unread_folders *unread);
/* One that it cannot read: said where the scan before could. */
void mr_unread_add(struct mr_unread_folders *unread, const char *path, const char *why);
/* Whether what has this path lies in one of them. */
bool mr_unread_hides(const struct mr_unread_folders *unread, const char *path);
void mr_unread_fini(struct mr_unread_folders *unread);
/* Before anything runs: warns of what lies at a path, if that is a folder, and cannot be read. */
void mr_unread_foresee(const char *source, const char *path);

/* One step of reading; of one that has no name, to see whether it is lines. MR_OK: call again;
 * MR_AGAIN: at its end; MR_IO is said and counted here, and leaves it alone. */
enum mr_err mr_followed_read(struct mr_source *source, struct mr_followed *file, char *room,
			     struct mr_error *error);
/* It will not grow any more: a last line without an end is a record. */
enum mr_err mr_followed_finish(struct mr_source *source, struct mr_followed *file, char *room,
			       struct mr_error *error);
/* Whether the file under this descriptor begins as the mark says, and reaches as far. */
bool mr_mark_holds(const struct mr_mark *mark, int fd);
#define MR_FOLLOW_ROOM (256 << 10)
#define MR_FOLLOW_ENTRY 50 /* bytes of the cursor for each, at most, besides the title */

#endif
