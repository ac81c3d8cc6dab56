/* decode_lines.c - NDJSON: each line that is not blank is a record.
 *
 * Used by input.c for lines that cannot travel by reference. A broken line is parse's business. */
#include "decode.h"

struct lines {
	struct mr_decode_sink *sink;
	uint64_t offset;
	bool begun;
};

static enum mr_probe probe(struct mr_slice head, bool whole)
{
	(void)head;
	(void)whole;
	return MR_PROBE_YES;
}

static void open(void *state, struct mr_decode_sink *sink, uint64_t offset)
{
	struct lines *lines = state;

	lines->sink = sink;
	lines->offset = offset;
}

static void feed(void *state, const char *bytes, size_t len)
{
	struct lines *lines = state;
	struct mr_decode_sink *sink = lines->sink;

	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		size_t take = newline ? (size_t)(newline - bytes) : len;

		if (!lines->begun)
			sink->ops->begin(sink, lines->offset);
		lines->begun = newline == NULL;
		sink->ops->add(sink, bytes, take);
		if (newline) {
			sink->ops->end(sink);
			take++;
		}
		bytes += take;
		len -= take;
		lines->offset += take;
	}
}

static void finish(void *state, const char *cut)
{
	struct lines *lines = state;
	struct mr_decode_sink *sink = lines->sink;

	if (!lines->begun)
		return;
	if (cut)
		sink->ops->refuse(sink, MR_REJECT_DAMAGED, cut);
	else
		sink->ops->end(sink);
	lines->begun = false;
}

const struct mr_decoder_ops mr_decode_lines = {
    .name = "NDJSON",
    .state_size = sizeof(struct lines),
    .probe = probe,
    .open = open,
    .feed = feed,
    .finish = finish,
};
