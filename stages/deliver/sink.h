/* sink.h - where finished lines go.
 *
 * deliver.c opens a sink on a descriptor that it does not own, puts bytes and flushes at the end of
 * each batch. A line is whole once its '\n' was put: in a regular file only whole lines stay,
 * whatever fails. Errors: MR_NO_SPACE (the disk is full), MR_IO (anything else, a closed pipe
 * included), with a sentence that names the output; after an error call only close. */
#ifndef MILLRACE_DELIVER_SINK_H
#define MILLRACE_DELIVER_SINK_H

#include "millrace/text.h"

struct sink;

/* One kind of sink. Adding one: a file, and a row in sink.def. */
struct sink_ops {
	const char *name;
	/* Whether this kind serves an output of this description (the setting's text). */
	bool (*serves)(const char *output);
	/* `output` names it in messages; borrowed until close. */
	enum mr_err (*open)(struct sink *sink, int fd, const char *output, struct mr_error *error);
	enum mr_err (*put)(struct sink *sink, struct mr_slice bytes, struct mr_error *error);
	enum mr_err (*flush)(struct sink *sink, struct mr_error *error);
	/* What was not flushed is gone. */
	void (*close)(struct sink *sink);
};

struct sink {
	const struct sink_ops *ops; /* NULL: not open */
	const char *output;
	int fd;
	bool cuts;         /* a regular file: a torn line is cut off again */
	struct mr_buf buf; /* not yet written */
	uint64_t at;       /* where in the file the buffer's first byte goes */
	uint64_t whole;    /* end of the last whole line in the file */
};

/* The kind that serves the output. */
const struct sink_ops *sink_find(const char *output);
#define X(name) extern const struct sink_ops sink_##name;
#include "sink.def"
#undef X

#endif
