/* decode_harness.h - runs one decoder over bytes that come in pieces, and writes down what it says.
 *
 * The notes are text, one line each: "record OFFSET bytes", "refused OFFSET bytes", "damage". Each
 * piece lies in a heap buffer of exactly its length, so that a sanitizer sees any read past it.
 * Used by fuzz targets too: no test framework here. */
#ifndef MILLRACE_TEST_COLLECT_DECODE_H
#define MILLRACE_TEST_COLLECT_DECODE_H

#include <stdio.h>
#include <stdlib.h>

#include "decode.h"

struct notes {
	struct mr_decode_sink sink;
	struct mr_buf lines;
	struct mr_buf record;
	uint64_t offset;
	bool open;
	size_t records;
	size_t refused;
	size_t damages;
	size_t bytes;     /* of all records and refused pieces */
	char reason[512]; /* the newest */
};

static inline void notes_must(bool holds)
{
	if (!holds)
		abort();
}
static inline struct notes *notes_of(struct mr_decode_sink *sink)
{
	return (struct notes *)sink;
}
static inline void notes_begin(struct mr_decode_sink *sink, uint64_t offset)
{
	struct notes *notes = notes_of(sink);

	notes_must(!notes->open);
	notes->open = true;
	notes->offset = offset;
	notes->record.len = 0;
}
static inline void notes_add(struct mr_decode_sink *sink, const char *bytes, size_t len)
{
	notes_must(notes_of(sink)->open);
	mr_buf_add(&notes_of(sink)->record, bytes, len);
}
/* Told by its length. */
static inline void notes_skip(struct mr_decode_sink *sink, uint64_t len)
{
	notes_must(notes_of(sink)->open && len > 0);
	mr_buf_printf(&notes_of(sink)->record, "+%llu", (unsigned long long)len);
}
static inline void notes_line(struct notes *notes, const char *what)
{
	mr_buf_printf(&notes->lines, "%s %llu ", what, (unsigned long long)notes->offset);
	mr_buf_add(&notes->lines, notes->record.data, notes->record.len);
	mr_buf_add(&notes->lines, "\n", 1);
	notes->bytes += notes->record.len;
	notes->open = false;
}
static inline void notes_end(struct mr_decode_sink *sink)
{
	struct notes *notes = notes_of(sink);
	char *at = notes->record.data;
	size_t len = notes->record.len;

	notes_must(notes->open);
	while (len > 0 && mr_is_blank(at[len - 1]))
		len--;
	while (len > 0 && mr_is_blank(*at)) {
		at++;
		len--;
		notes->offset++;
	}
	notes->open = false;
	if (len == 0)
		return;
	memmove(notes->record.data, at, len);
	notes->record.len = len;
	notes->records++;
	notes_line(notes, "record");
}
static inline void notes_drop(struct mr_decode_sink *sink)
{
	notes_must(notes_of(sink)->open);
	notes_of(sink)->open = false;
}
static inline void notes_refuse(struct mr_decode_sink *sink, enum mr_reject_kind kind,
				const char *reason)
{
	(void)kind;
	struct notes *notes = notes_of(sink);

	notes_must(notes->open && *reason);
	snprintf(notes->reason, sizeof(notes->reason), "%s", reason);
	notes->refused++;
	notes_line(notes, "refused");
}
static inline void notes_damage(struct mr_decode_sink *sink, uint64_t offset, const char *reason)
{
	struct notes *notes = notes_of(sink);

	(void)offset;
	notes_must(*reason != 0);
	snprintf(notes->reason, sizeof(notes->reason), "%s", reason);
	notes->damages++;
	mr_buf_add_text(&notes->lines, "damage\n");
}
static const struct mr_decode_sink_ops notes_ops = {
    .begin = notes_begin,
    .add = notes_add,
    .skip = notes_skip,
    .end = notes_end,
    .drop = notes_drop,
    .refuse = notes_refuse,
    .damage = notes_damage,
};

/* Feed `text` in pieces of `piece` bytes (0: all at once). The notes end in a zero byte. */
static inline void notes_run(struct notes *notes, const struct mr_decoder_ops *ops,
			     struct mr_slice text, size_t piece, const char *cut)
{
	void *state = mr_calloc(1, ops->state_size);

	*notes = (struct notes){.sink = {&notes_ops}};
	ops->open(state, &notes->sink, 0);
	for (size_t at = 0; at < text.len;) {
		size_t len = piece == 0 || piece > text.len - at ? text.len - at : piece;
		char *exact = mr_malloc(len);

		memcpy(exact, text.at + at, len);
		ops->feed(state, exact, len);
		free(exact);
		at += len;
	}
	ops->finish(state, cut);
	notes_must(!notes->open);
	mr_buf_add(&notes->lines, "", 1);
	free(state);
}
static inline void notes_fini(struct notes *notes)
{
	mr_buf_fini(&notes->lines);
	mr_buf_fini(&notes->record);
}

/* Any bytes, the first of which says how long the pieces are: what comes out does not depend on
 * them, and no byte comes out more than so many times. */
static inline void notes_fuzz(const struct mr_decoder_ops *ops, const uint8_t *data, size_t size,
			      uint64_t times)
{
	struct notes whole;
	struct notes pieces;

	if (size < 1)
		return;
	char *exact = mr_malloc(size);
	struct mr_slice text = {exact, size - 1};
	memcpy(exact, data + 1, size - 1);
	(void)ops->probe(text, (data[0] & 1) != 0);
	notes_run(&whole, ops, text, 0, NULL);
	notes_run(&pieces, ops, text, 1 + data[0] % 16, NULL);
	notes_must(whole.lines.len == pieces.lines.len);
	notes_must(memcmp(whole.lines.data, pieces.lines.data, whole.lines.len) == 0);
	notes_must(whole.bytes <= times * text.len);
	notes_fini(&whole);
	notes_fini(&pieces);
	notes_run(&pieces, ops, text, 1 + data[0] % 16, "cut");
	notes_must(pieces.bytes <= times * text.len);
	notes_fini(&pieces);
	free(exact);
}

#endif
