/* decode_tar.c - a tar archive: told by its magic (POSIX.1-2017, pax, ustar), and refused.
 *
 * Used by input.c. Its files would pass for lines of rubbish; which of them are records is known to
 * whoever unpacks it. */
#include "decode.h"

#define MAGIC_AT 257
static const char magic[] = "ustar";

static enum mr_probe probe(struct mr_slice head, bool whole)
{
	if (head.len >= MAGIC_AT + sizeof(magic) - 1)
		return memcmp(head.at + MAGIC_AT, magic, sizeof(magic) - 1) == 0 ? MR_PROBE_YES
										 : MR_PROBE_NO;
	/* Whole lines must not wait for those behind them. */
	return whole || memchr(head.at, '\n', head.len) ? MR_PROBE_NO : MR_PROBE_MORE;
}

static void open(void *state, struct mr_decode_sink *sink, uint64_t offset)
{
	(void)state;
	sink->ops->damage(
	    sink, offset,
	    "this is a tar archive: unpack it and name the folder it was unpacked to");
}

static void feed(void *state, const char *bytes, size_t len)
{
	(void)state;
	(void)bytes;
	(void)len;
}

static void finish(void *state, const char *cut)
{
	(void)state;
	(void)cut;
}

const struct mr_decoder_ops mr_decode_tar = {
    .name = "tar",
    .state_size = 1, /* none is needed */
    .probe = probe,
    .open = open,
    .feed = feed,
    .finish = finish,
};
