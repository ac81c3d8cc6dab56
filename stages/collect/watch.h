/* watch.h - what inotify says of the directories that sources follow.
 *
 * Owned by sources.c: one for all sources of a worker, since the system gives a user few instances.
 * Where none is left, or a directory cannot be watched, whoever follows looks by himself. */
#ifndef MILLRACE_COLLECT_WATCH_H
#define MILLRACE_COLLECT_WATCH_H

#include "millrace/stage.h"

#define MR_WATCHING_HEADS 256

struct mr_source;

/* Who watches what; of several there may be several. */
struct mr_watching_entry {
	int number; /* inotify's, of the directory */
	struct mr_source *source;
	struct mr_watching_entry *next;
};

struct mr_watching {
	struct mr_waits *waits;
	bool tried;
	int fd; /* -1: none */
	struct mr_watching_entry *heads[MR_WATCHING_HEADS];
};

void mr_watching_init(struct mr_watching *watch, struct mr_waits *waits);
void mr_watching_fini(struct mr_watching *watch);
/* From here on the source's `notice` hears of this directory; asked again it stays so. */
void mr_watching_directory(struct mr_watching *watch, struct mr_source *source, const char *path);
/* Hands on what has happened. Does not block. */
void mr_watching_read(struct mr_watching *watch);

#endif
