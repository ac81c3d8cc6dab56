/* source.h - a source of `run`: where records come from, for as long as the service lives.
 *
 * sources.c owns journal, spool and outbox of each, and calls: init, listen, restore where a
 * checkpoint knows the source, take for each piece of the cursor that the journal holds, open, then
 * step again and again, close last. A kind of source is one file and one row of source.def.
 *
 * A step reads a little and puts whole records into the spool; between two steps what waits there
 * becomes a block, with what `put` says of the cursor. Once that block stands in the journal
 * `moved` is called: until then the cursor is where it was, and a restart begins there again. */
#ifndef MILLRACE_COLLECT_SOURCE_H
#define MILLRACE_COLLECT_SOURCE_H

#include "millrace/figures.h"

#include "journal.h"
#include "room.h"
#include "spool.h"
#include "watch.h"

struct mr_source {
	const struct mr_source_ops *ops;
	void *state;
	const struct mr_stage_env *env;
	const struct mr_part *part;
	struct mr_outbox outbox;
	struct mr_spool spool;
	struct mr_journal journal;
	struct mr_room *room;      /* of all sources' */
	struct mr_watching *watch; /* likewise */
	uint64_t *begun_bytes;     /* likewise: that long lines take which peers have begun */
	struct mr_journal_at from; /* where the checkpoint goes on */
	bool begun;                /* journal and source are open */
	bool replayed;
	bool dirty;            /* the cursor has moved, also without records: set by the source */
	uint64_t cursor_bytes; /* about so many `put` would say now of what changed; may stay 0 */
	uint64_t came_bytes;   /* into the journal, since sources last ran dry */
	uint64_t room_bytes;   /* that may come unread and hold no sender up; `open` or `moved` may
				  set it */
	uint64_t room_record;  /* what a record takes of it, and counts, besides */
	bool full;             /* the disk is: nothing is read */
	bool ended;
	int64_t due_us;   /* when it is to be asked again, though no descriptor has news */
	int64_t idle_us;  /* silent so long, it holds nobody up (PROTOCOL.md 6.6) */
	int64_t heard_us; /* when it last had a record */
	bool idle;
	bool said_left;  /* that what it was sent may be lost */
	uint64_t unread; /* inputs that are there and are not read, or were not to their end */
	char unread_first[MR_FIGURES_WORDS + 1];
};

struct mr_source_ops {
	const char *type;
	bool follows; /* of type file: the setting `follow` */
	size_t state_size;
	unsigned descriptors; /* that it may have open, but followed files */
	/* In the supervisor: is it as it should be? May be NULL. */
	enum mr_err (*prepare)(const struct mr_part *part, const struct mr_prepare *prepare,
			       struct mr_error *error);
	/* Before the worker is locked in: what it may not do any more then. May be NULL. */
	enum mr_err (*listen)(struct mr_source *source, struct mr_error *error);
	/* MR_NO_SPACE: a name has none on the disk; call again, likewise below. */
	enum mr_err (*open)(struct mr_source *source, struct mr_error *error);
	/* MR_OK: call again; MR_AGAIN: nothing to read now; MR_END; MR_NO_SPACE; other errors end
	 * the worker. */
	enum mr_err (*step)(struct mr_source *source, struct mr_error *error);
	/* Something happened in a directory that it watches (watch.h), to what has this name, if it
	 * is not NULL; `grew`: its bytes changed, and no more. May be NULL: it watches none. */
	void (*notice)(struct mr_source *source, const char *name, bool grew);
	/* The last checkpoint is made: nobody can send it anything any more, and what was sent is
	 * read by steps, to MR_AGAIN. False: there is nothing. Called again it says that again, and
	 * how many bytes are known to be left. May be NULL: what is left can be read by the next
	 * worker. */
	bool (*hang_up)(struct mr_source *source, uint64_t *bytes_out);
	/* The cursor: what changed since the last `moved`; or `whole`, as of the last `moved`. */
	void (*put)(struct mr_source *source, bool whole, struct mr_buf *out);
	void (*moved)(struct mr_source *source);
	void (*take)(struct mr_source *source, struct mr_slice bytes, bool whole);
	/* What else a checkpoint keeps of it; may be NULL, both. Survives any bytes. */
	void (*snapshot)(struct mr_source *source, struct mr_buf *out);
	enum mr_err (*restore)(struct mr_source *source, struct mr_slice bytes,
			       struct mr_error *error);
	/* Behind all that a barrier asks for, with books: how far each of its inputs was read that
	 * has moved. May be NULL. */
	void (*book)(struct mr_source *source);
	/* Also of a source that was not opened. */
	void (*close)(struct mr_source *source);
};

#define X(symbol) extern const struct mr_source_ops mr_source_##symbol;
#include "source.def"
#undef X

/* How far an input was read, for the ledger. */
static inline void mr_source_position(const struct mr_source *source, const char *input,
				      uint64_t position)
{
	mr_books_position(source->env->counters->books, source->part->number, mr_slice(input),
			  position);
}

/* Counts one that is not read. */
void mr_source_count_unread(struct mr_source *source, const char *input);
/* An input is not read, or not on: said, and counted. */
void mr_source_unread(struct mr_source *source, const char *input, const char *why);

/* One that follows wants to be looked at again at that time, as mr_source_steady counts. */
static inline void mr_source_wake(struct mr_source *source, int64_t at_us)
{
	if (source->due_us == 0 || at_us < source->due_us)
		source->due_us = at_us;
}
static inline int64_t mr_source_now(const struct mr_source *source)
{
	return source->env->now->wall_us;
}
static inline int64_t mr_source_steady(const struct mr_source *source)
{
	return source->env->now->steady_us;
}

#endif
