/* follow.h - between follow.c (which files there are), follow_list.c (the list of them),
 * follow_pace.c (when they are looked for), follow_unread.c (where none are seen), follow_open.c
 * (which are open), follow_gone.c (which were moved away), follow_missing.c (where those are that
 * are closed), follow_names.c (what records call them) and follow_file.c (what is read of one). */
#ifndef MILLRACE_COLLECT_FOLLOW_H
#define MILLRACE_COLLECT_FOLLOW_H

#include "source.h"

#include <glob.h>
#include <sys/stat.h>

#define MR_PRINT_MAX 1024 /* bytes by which a file is known again */
/* One that was moved away and was not added to for so long is not written to any more. */
#define MR_FOLLOW_QUIET_US (INT64_C(300) * 1000 * 1000)

/* How far a file was read, and what it begins with. */
struct mr_mark {
	uint64_t at;
	uint32_t print_len; /* min(at, MR_PRINT_MAX) */
	uint64_t print;     /* XXH3 of so many first bytes */
};

enum mr_follow_key { MR_BY_INODE, MR_BY_TITLE, MR_BY_BASE, MR_FOLLOW_KEYS };
/* In a chain of those that have one key, and perhaps of others. */
struct mr_follow_link {
	struct mr_followed *before;
	struct mr_followed *next;
	uint64_t hash;
};

struct mr_followed {
	struct mr_follow_link links[MR_FOLLOW_KEYS];
	uint64_t serial; /* those that were met before have a lower one */
	size_t slot;     /* in the list */
	char *path;      /* where it was seen last */
	char *title;     /* what its records name: where it was seen first */
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
	bool gone;                /* no path asks for it; it is followed where it is */
	bool foreign;             /* no lines: left alone, as long as it begins as it did */
	struct mr_mark refused;   /* how that is */
	bool barred;              /* it cannot be opened or read: tried again by each scan */
	bool lines;               /* it begins with some, and nothing was read of it */
	bool unlinked;            /* and no other path leads to it */
	bool finished;            /* it is gone, and its last line was taken */
	bool lost;                /* it was not found, and may have more */
	int64_t since_us;         /* it is gone, or nothing came of it */
	uint64_t settled; /* nobody adds to it any more: the first segment of the journal that
			   * has no record of it; 0: it is written to */
};

/* The last part of its path. */
const char *mr_followed_base(const struct mr_followed *file);
/* What a path lies in. The caller frees it. */
char *mr_followed_folder(const char *path);
/* Nothing leads to it: neither a path nor a descriptor. */
static inline bool mr_followed_is_missing(const struct mr_followed *file)
{
	return !file->seen && !file->found && file->fd < 0 && !file->foreign && !file->settled;
}

/* Zeroed is empty. */
struct mr_follow_list {
	struct mr_followed **files;
	size_t count;
	size_t capacity;
	size_t holes; /* where those stood that were dropped */
	uint64_t serial;
	struct mr_followed **heads[MR_FOLLOW_KEYS]; /* of chains */
	size_t head_count;                          /* for each key: a power of two */
};
/* Takes over path and title. */
struct mr_followed *mr_follow_list_add(struct mr_follow_list *list, const struct mr_followed *file);
/* One that is closed. It leaves a hole: mr_follow_list_close_holes before anybody else walks along
 * the list. */
void mr_follow_list_drop(struct mr_follow_list *list, struct mr_followed *file);
void mr_follow_list_close_holes(struct mr_follow_list *list);
void mr_follow_list_title(struct mr_follow_list *list, struct mr_followed *file, const char *title);
void mr_follow_list_path(struct mr_follow_list *list, struct mr_followed *file, const char *path);
/* The chain of all that have this title or base, and perhaps of others. */
struct mr_followed *mr_follow_list_first(const struct mr_follow_list *list, enum mr_follow_key key,
					 const char *text);
/* NULL where none has this inode. */
struct mr_followed *mr_follow_list_find(const struct mr_follow_list *list, dev_t device,
					ino_t inode);
/* Another one with its title that has a number; NULL where there is none. */
const struct mr_followed *mr_follow_list_namesake(const struct mr_follow_list *list,
						  const struct mr_followed *file);
/* All of them are closed. */
void mr_follow_list_fini(struct mr_follow_list *list);

/* When they are scanned. Zeroed: at once. */
struct mr_pace {
	bool begun;       /* there was a scan */
	bool asked;       /* inotify wants one at once */
	bool slow;        /* the last one was */
	bool idle;        /* all was read since */
	size_t steps;     /* of reading, since */
	int64_t due_us;   /* though nobody asks */
	int64_t spent_us; /* of the processor, before it */
};
bool mr_pace_due(const struct mr_pace *pace, size_t files, int64_t now_us);
void mr_pace_begin(struct mr_pace *pace);
void mr_pace_end(struct mr_pace *pace, int64_t now_us);
/* Something was read. */
void mr_pace_step(struct mr_pace *pace);

/* Those that are open. Zeroed is empty. */
struct mr_openings {
	struct mr_followed **files;
	size_t count;
	size_t capacity;
	size_t most;
	uint64_t clock;
	uint64_t refused; /* since when one waits to be open; 0: none does */
	uint64_t again;   /* none can be closed before the clock is there */
	uint64_t weighed; /* so many were looked at, to find those that can be closed */
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
/* As glob(3); folders that it cannot read are added. False: nothing was found. */
bool mr_unread_glob(struct mr_unread_folders *unread, const char *pattern, glob_t *found_out);
void mr_unread_fini(struct mr_unread_folders *unread);
/* Folders that a setting names, as they were seen last. Zeroed is empty. */
struct mr_named_folders {
	struct mr_named_folder {
		char *path;
		bool lost; /* it was there, and is no more */
	} * items;
	size_t count;
	size_t capacity;
};
/* Says it where one that was there is there no more. 1 while it is lost, else 0. */
size_t mr_named_look(struct mr_named_folders *folders, const char *source, const char *path);
void mr_named_fini(struct mr_named_folders *folders);
/* Before anything runs: warns of what cannot be read of what lies in a folder or fits a pattern. */
void mr_unread_foresee(const char *source, const char *path);

/* One step of reading; of one that has no name, to see whether it is lines. MR_OK: call again;
 * MR_AGAIN: at its end, or it is barred. */
enum mr_err mr_followed_read(struct mr_source *source, struct mr_followed *file, char *room);
/* errno says why. Said once, until it was read. */
void mr_followed_bar(struct mr_followed *file, const char *what);
/* It will not grow any more: a last line without an end is a record. MR_AGAIN: it is barred. As
 * mr_followed_name. */
enum mr_err mr_followed_finish(struct mr_source *source, struct mr_followed *file, char *room,
			       struct mr_error *error);
/* The next block has its entry. */
void mr_followed_dirty(struct mr_source *source, struct mr_followed *file);
/* What has changed without a word from inotify. */
void mr_followed_look(struct mr_followed *file, const struct stat *status);
/* Those that are gone: whether they grew, and whether a path leads to them. */
void mr_gone_look(const struct mr_source *source, const struct mr_openings *openings);
/* MR_OK: one that is gone has had its time; MR_AGAIN: it stays. As mr_followed_finish. */
enum mr_err mr_gone_end(struct mr_source *source, struct mr_followed *file, char *room,
			struct mr_error *error);
/* Sets `found` of those that are missing and are still somewhere. */
void mr_missing_search(struct mr_source *source, struct mr_follow_list *list,
		       struct mr_openings *openings);
/* One that is not: an error where there may be more in it than was read. */
void mr_missing_say(struct mr_source *source, struct mr_followed *file);
/* Whether the file under this descriptor begins as the mark says, and reaches as far;
 * MR_MARK_UNREAD with errno. */
enum mr_mark_found { MR_MARK_HOLDS, MR_MARK_OTHER, MR_MARK_UNREAD };
enum mr_mark_found mr_mark_look(const struct mr_mark *mark, int fd);
#define MR_FOLLOW_ROOM (256 << 10)
#define MR_FOLLOW_ENTRY 60 /* bytes of the cursor for each, at most, besides the title */

#endif
