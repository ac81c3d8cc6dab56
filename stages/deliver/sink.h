/* sink.h - where finished lines go: what a sink provides, and what deliver.c promises it.
 *
 * Order: open, restore or not, then room, put, flush and poll in any order, at a barrier barrier,
 * then snapshot, later committed; close last. A sink owns no clock: it reads env->now, and waits
 * for time by a timerfd among its descriptors. Nothing but open, restore and barrier may block, and
 * those only as long as a disk does. tests/unit/deliver/test_sinks.c is what each has to pass.
 *
 * Errors: MR_CONFIG and MR_BAD_INPUT while it opens; afterwards MR_IO, where going on would lose a
 * line, ends the incarnation; MR_READER_GONE, where no later one would do better, the service. A
 * full disk and a receiver that takes nothing are no errors: the sink has no room until it is over,
 * and where that lasts both is said once. */
#ifndef MILLRACE_DELIVER_SINK_H
#define MILLRACE_DELIVER_SINK_H

#include "millrace/stage.h"

#include "line_id.h"

enum sink_promise {
	SINK_ONCE,         /* each line stands there once, over any crash */
	SINK_AT_LEAST_ONCE /* after a crash some come again, with the same ids */
};

struct sink_env {
	const struct mr_stage_env *stage;
	const char *state; /* the state directory; NULL in scan */
	/* A line that its receiver refuses for good, with the reason: MR_FULL where it has to be
	 * said again later. */
	enum mr_err (*refuse)(void *context, const char *sink, const struct line_id *id,
			      struct mr_slice line, const char *reason, struct mr_error *error);
	void *context;
};

/* For the ledger, at a barrier. Lines that are made once, none of revisions; from the first on,
 * over restarts. */
struct sink_counts {
	const char
	    *file; /* that can be read again, and the proof of it; NULL where there is none */
	const struct mr_line_hash *lines;
	uint64_t taken;
	uint64_t delivered;
	uint64_t refused; /* taken = delivered + refused + spooled */
	uint64_t spooled;
	bool waits;    /* anything at all, revisions too, is still to be taken by the receiver */
	uint64_t owed; /* lines that stand there since before a restart, and have not come again */
	/* For the status alone. */
	uint64_t spool_bytes;
	const char *trouble; /* what its receiver fails with; NULL or "" is none */
	int64_t trouble_us;  /* when that was, of wall clock */
	int64_t next_us;     /* when it is tried again, of wall clock; 0: it is not waited for */
	int64_t refused_us;  /* when it last refused one, of wall clock, since it was opened */
	int64_t failing_us;  /* for so long it has taken nothing that it was sent */
	bool untried; /* since it was opened it has answered nothing, and something may wait */
};

struct sink;

/* One kind of sink. Adding one: a file, and a row in sink.def. */
struct sink_ops {
	const char *name; /* a word of the setting `type`, or the program's own */
	enum sink_promise promise;
	size_t state_size;  /* sink.c zeroes and owns `state` */
	size_t state_items; /* of the array that its snapshot is, as no other type's; 0: a number */

	/* In the supervisor, once, before any worker: what is wrong with the settings is told, and
	 * what only the supervisor has is handed over. May be NULL. */
	enum mr_err (*prepare)(const struct mr_part *part, const struct mr_prepare *prepare,
			       struct mr_error *error);
	/* After an error hold nothing: close is not called. */
	enum mr_err (*open)(struct sink *sink, struct mr_error *error);
	/* Its position from a snapshot. Survives any bytes. */
	enum mr_err (*restore)(struct sink *sink, struct mr_slice bytes, struct mr_error *error);
	/* Before each put: whether it takes a line of so many bytes. */
	bool (*room)(struct sink *sink, size_t bytes);
	/* A whole line with its '\n', copied; to a sink that has room. */
	enum mr_err (*put)(struct sink *sink, const struct line_id *id, struct mr_slice line,
			   struct mr_error *error);
	/* The end of a batch: what was put goes out, as far as that is possible now. */
	enum mr_err (*flush)(struct sink *sink, struct mr_error *error);
	/* A descriptor has news, or about a second has passed. */
	enum mr_err (*poll)(struct sink *sink, struct mr_error *error);
	/* What was put is safe: it stands there, or is durable on this side. MR_FULL: call again.
	 */
	enum mr_err (*barrier)(struct sink *sink, struct mr_error *error);
	/* The position at the last barrier; nothing put since. */
	void (*snapshot)(struct sink *sink, struct mr_buf *out);
	/* The checkpoint of the last snapshot is durable. May be NULL. */
	void (*committed)(struct sink *sink);
	void (*counts)(const struct sink *sink, struct sink_counts *out);
	/* What is not safe is gone, as in a crash. */
	void (*close)(struct sink *sink);
};

struct sink {
	const struct sink_ops *ops; /* NULL: not open */
	const struct sink_env *env;
	const char *name;                 /* of the part, or what a person calls the output */
	const struct mr_config *settings; /* the part's; NULL in scan */
	void *state;
	int64_t full_us; /* since when it has had no room; 0: it has */
	bool said_full;
};

/* Of that `type`; NULL where there is none. */
const struct sink_ops *sink_find(const char *type);
/* Takes the ops, name and settings, and opens it. */
enum mr_err sink_open(struct sink *sink, const struct sink_ops *ops, const struct sink_env *env,
		      const char *name, const struct mr_config *settings, struct mr_error *error);
/* ops->room. */
bool sink_has_room(struct sink *sink, size_t bytes);
/* ops->barrier; while it cannot be passed nothing is read either. */
enum mr_err sink_barrier(struct sink *sink, struct mr_error *error);
/* ops->poll; says that a sink has had no room for a while. */
enum mr_err sink_poll(struct sink *sink, struct mr_error *error);
/* Accepts one that is not open. */
void sink_close(struct sink *sink);
/* "DIR/spool/NAME", and the directory above it made. The caller's to free; NULL with the error. */
char *sink_place(const struct sink_env *env, const char *name, struct mr_error *error);

/* A descriptor of the table deliver.output: scan's output, and standard output in a service. */
extern const struct sink_ops sink_given;
#define X(name) extern const struct sink_ops sink_##name;
#include "sink.def"
#undef X

#endif
