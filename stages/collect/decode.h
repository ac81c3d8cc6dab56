/* decode.h - containers: how records lie in a file, told by content.
 *
 * A decoder is fed the bytes of one input piece by piece, in pieces of any size, and tells a sink
 * where records begin and end. It holds no record: bytes go straight on to the sink. It cannot
 * fail: what is no record is refused with a reason, a broken container is reported as damage and
 * read on where that is safe. input.c feeds it. A new container is one new file and one row in
 * decoder.def. */
#ifndef MILLRACE_COLLECT_DECODE_H
#define MILLRACE_COLLECT_DECODE_H

#include "millrace/books.h"
#include "millrace/text.h"

/* Where decoded records go. Order: begin, add any number of times, skip at most once, then one of
 * end, drop, refuse. Whitespace around a record is the sink's to remove. */
struct mr_decode_sink;
struct mr_decode_sink_ops {
	/* A record begins at `offset` of the stream. */
	void (*begin)(struct mr_decode_sink *sink, uint64_t offset);
	/* Its next bytes, borrowed. */
	void (*add)(struct mr_decode_sink *sink, const char *bytes, size_t len);
	/* So many further bytes of it are not given: it will be refused. */
	void (*skip)(struct mr_decode_sink *sink, uint64_t len);
	/* It is whole. Nothing but whitespace is no record. */
	void (*end)(struct mr_decode_sink *sink);
	/* What began is no record after all. */
	void (*drop)(struct mr_decode_sink *sink);
	/* What began is set aside with a reason (borrowed). */
	void (*refuse)(struct mr_decode_sink *sink, enum mr_reject_kind kind, const char *reason);
	/* The container is broken at `offset`. */
	void (*damage)(struct mr_decode_sink *sink, uint64_t offset, const char *reason);
};
struct mr_decode_sink {
	const struct mr_decode_sink_ops *ops;
};

enum mr_probe {
	MR_PROBE_NO,
	MR_PROBE_YES,
	MR_PROBE_MORE /* a longer head is needed */
};

/* A head of this length must be enough for every probe: one that asks for more then means no. */
#define MR_PROBE_HEAD_MAX ((1 << 20) + (64 << 10))

struct mr_decoder_ops {
	const char *name;
	size_t state_size;
	/* Is this it? `whole` says that the stream ends with the head. */
	enum mr_probe (*probe)(struct mr_slice head, bool whole);
	/* `state` is zeroed; the first byte fed stands at `offset` of the stream. */
	void (*open)(void *state, struct mr_decode_sink *sink, uint64_t offset);
	void (*feed)(void *state, const char *bytes, size_t len);
	/* The stream has ended; where `cut` is not NULL not by itself, and `cut` says why. Ends,
	 * refuses or drops what has begun, and frees what the state holds. */
	void (*finish)(void *state, const char *cut);
	/* After finish: the stream goes on at `offset`, behind a part that is missing. False where
	 * what follows is to be probed as if it were another stream; NULL where it always is. */
	bool (*resume)(void *state, uint64_t offset);
};

#define X(name) extern const struct mr_decoder_ops mr_decode_##name;
#include "decoder.def"
#undef X

/* The decoder for a stream that begins with `head`. NULL where a longer head is needed, never where
 * `whole` is set or the head has MR_PROBE_HEAD_MAX bytes. */
const struct mr_decoder_ops *mr_decoder_find(struct mr_slice head, bool whole);
/* Likewise, for a head that grows, by as little as a byte a member: each look begins at its
 * beginning, so NULL also where it is too early for one more. `*looked` is 0 at first, then the
 * bytes that were looked at: at most MR_PROBE_TIMES those of the head, and MR_PROBE_LEAST. */
#define MR_PROBE_TIMES 8
#define MR_PROBE_LEAST (4 << 20)
const struct mr_decoder_ops *mr_decoder_look(uint64_t *looked, struct mr_slice head, bool whole);

/* What a stream is that mr_decode_foreign says yes to, and what to do about it; NULL for others. */
const char *mr_decode_foreign_reason(struct mr_slice head);
/* Whether what begins as JSON is broken before the head ends. */
bool mr_decode_json_breaks(struct mr_slice head);

#endif
