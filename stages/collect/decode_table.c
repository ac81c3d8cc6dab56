/* decode_table.c - which container a stream is.
 *
 * input.c asks with the first bytes of a stream. Lines say yes to everything, so something is
 * always found: what is no container at all becomes lines, which parse sets aside one by one. */
#include "decode.h"

static const struct mr_decoder_ops *const decoders[] = {
#define X(name) &mr_decode_##name,
#include "decoder.def"
#undef X
};

const struct mr_decoder_ops *mr_decoder_find(struct mr_slice head, bool whole)
{
	bool last_word = whole || head.len >= MR_PROBE_HEAD_MAX;

	for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++) {
		enum mr_probe answer = decoders[i]->probe(head, whole);

		if (answer == MR_PROBE_YES)
			return decoders[i];
		if (answer == MR_PROBE_MORE && !last_word)
			return NULL;
	}
	return &mr_decode_lines;
}

const struct mr_decoder_ops *mr_decoder_look(uint64_t *looked, struct mr_slice head, bool whole)
{
	bool early = *looked + head.len > MR_PROBE_LEAST + MR_PROBE_TIMES * (uint64_t)head.len;
	const struct mr_decoder_ops *found;

	if (early && !whole && head.len < MR_PROBE_HEAD_MAX)
		return NULL;
	found = mr_decoder_find(head, whole);
	*looked = found ? 0 : *looked + head.len;
	return found;
}
