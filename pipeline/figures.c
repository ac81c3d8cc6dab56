/* figures.c - figures of a part as a word of control. Called by workers and by health.c. */
#include "millrace/figures.h"

#include "millrace/text.h"

#define ITEMS 16

static void pack_words(struct mr_slice words, struct mr_buf *out)
{
	if (words.len > MR_FIGURES_WORDS)
		words.len = mr_utf8_cut(words, MR_FIGURES_WORDS);
	mr_pack_bytes(out, words);
}

void mr_figures_encode(const struct mr_figures *figures, struct mr_buf *out)
{
	mr_pack_array(out, ITEMS);
	mr_pack_uint(out, figures->kind);
	mr_pack_bytes(out, figures->name);
	pack_words(figures->words, out);
	mr_pack_bool(out, figures->full);
	mr_pack_uint(out, figures->bytes);
	mr_pack_uint(out, figures->segments);
	mr_pack_uint(out, figures->unread);
	pack_words(figures->input, out);
	mr_pack_uint(out, figures->delivered);
	mr_pack_uint(out, figures->spooled);
	mr_pack_uint(out, figures->refused);
	mr_pack_uint(out, figures->trouble_us);
	mr_pack_uint(out, figures->next_us);
	mr_pack_uint(out, figures->refused_us);
	mr_pack_uint(out, figures->failing_us);
	mr_pack_bool(out, figures->untried);
}

/* Numbers become int64_t of the status. */
bool mr_figures_decode(struct mr_slice bytes, struct mr_figures *out)
{
	struct mr_unpack in = mr_unpack(bytes);
	mr_unpack_array_of(&in, ITEMS);
	*out = (struct mr_figures){
	    .kind = (enum mr_part_kind)mr_unpack_uint(&in, MR_PART_HOST),
	};
	out->name = mr_unpack_bytes(&in);
	out->words = mr_unpack_bytes(&in);
	out->full = mr_unpack_bool(&in);
	out->bytes = mr_unpack_uint(&in, INT64_MAX);
	out->segments = mr_unpack_uint(&in, INT64_MAX);
	out->unread = mr_unpack_uint(&in, INT64_MAX);
	out->input = mr_unpack_bytes(&in);
	out->delivered = mr_unpack_uint(&in, INT64_MAX);
	out->spooled = mr_unpack_uint(&in, INT64_MAX);
	out->refused = mr_unpack_uint(&in, INT64_MAX);
	out->trouble_us = mr_unpack_uint(&in, INT64_MAX);
	out->next_us = mr_unpack_uint(&in, INT64_MAX);
	out->refused_us = mr_unpack_uint(&in, INT64_MAX);
	out->failing_us = mr_unpack_uint(&in, INT64_MAX);
	out->untried = mr_unpack_bool(&in);
	return mr_unpack_done(&in) && out->words.len <= MR_FIGURES_WORDS &&
	       out->input.len <= MR_FIGURES_WORDS;
}
