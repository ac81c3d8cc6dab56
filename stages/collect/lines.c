/* lines.c - whole lines into the spool, and what is no lines. Called by follow.c and stream.c. */
#include "lines.h"

#include "codec.h"
#include "decode.h"

#include "millrace/utf16.h"

#include <stdio.h>

size_t mr_lines_take(struct mr_spool *spool, uint32_t name, uint64_t offset, struct mr_slice bytes)
{
	size_t at = 0;
	const char *end;

	while (at < bytes.len && (end = memchr(bytes.at + at, '\n', bytes.len - at)) != NULL) {
		size_t len = (size_t)(end - bytes.at) - at;

		mr_spool_begin(spool, name, offset + at);
		mr_spool_add(spool, bytes.at + at, len);
		mr_spool_end(spool);
		at += len + 1;
	}
	return at;
}

enum mr_err mr_lines_name(const struct mr_stage_env *env, const char *title, uint32_t *name_out,
			  struct mr_error *error)
{
	return mr_files_add(env->files, -1, mr_slice(title), name_out, error);
}

/* ---- what is no lines ---- */

static const char *packed_name(const unsigned char *magic, size_t len)
{
	if (mr_codec_gzip.is_member(magic, len))
		return mr_codec_gzip.name;
	return mr_codec_zstd.is_member(magic, len) ? mr_codec_zstd.name : NULL;
}

/* A stream that goes on where another reader left it may begin in the middle of a record, with what
 * looks like an array: then more than blanks stand behind it. */
static bool is_broken(struct mr_slice head)
{
	const char *newline = memchr(head.at, '\n', head.len);

	if (newline)
		head.len = (size_t)(newline - head.at) + 1;
	return mr_decode_json_breaks(head);
}

/* What plain text is that is no lines, "" where it is; NULL: a longer head is needed. */
static const char *text_name(struct mr_slice text, bool last)
{
	const struct mr_decoder_ops *decoder = mr_decoder_find(text, last);

	/* A short one may look as if it began a table. */
	if (!decoder && mr_decode_foreign_reason(text))
		decoder = &mr_decode_foreign;
	if (!decoder)
		return NULL;
	if (decoder == &mr_decode_lines || (decoder == &mr_decode_json && is_broken(text)))
		return "";
	return decoder->name;
}

bool mr_lines_known(struct mr_slice head, bool last, char why_out[MR_LINES_WHY], size_t *mark_out)
{
	struct mr_recode recode = {0};
	struct mr_buf recoded = {0};
	struct mr_slice text = {"", 0};
	const char *name;

	last |= head.len >= MR_LINES_HEAD;
	*why_out = 0;
	*mark_out = 0;
	if (head.len < MR_CODEC_MAGIC_MAX && !last && !memchr(head.at, '\n', head.len))
		return false;
	name = packed_name((const unsigned char *)head.at, head.len);
	if (!name)
		text = mr_recode_step(&recode, head, last, &recoded, mark_out);
	mr_buf_fini(&recoded);
	if (!name && recode.encoding == MR_ENCODING_UNKNOWN)
		return false;
	if (!name)
		name = recode.encoding == MR_ENCODING_UTF8 ? text_name(text, last) : "UTF-16";
	if (!name)
		return false;
	if (strcmp(name, mr_decode_foreign.name) == 0)
		snprintf(why_out, MR_LINES_WHY, "%s", mr_decode_foreign_reason(text));
	else if (*name)
		snprintf(why_out, MR_LINES_WHY,
			 "this is %s, not a record a line: millrace scan reads it, and so does a "
			 "source of files with follow: false",
			 name);
	return true;
}
