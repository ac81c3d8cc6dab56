/* lines.c - whole lines into the spool. Called by follow.c and stream.c. */
#include "lines.h"

#include "codec.h"
#include "decode.h"

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

const char *mr_lines_foreign(struct mr_slice head)
{
	const unsigned char *magic = (const unsigned char *)head.at;
	const struct mr_decoder_ops *decoder;

	if (mr_codec_gzip.is_member(magic, head.len))
		return mr_codec_gzip.name;
	if (mr_codec_zstd.is_member(magic, head.len))
		return mr_codec_zstd.name;
	if (head.len >= 2 &&
	    ((magic[0] == 0xff && magic[1] == 0xfe) || (magic[0] == 0xfe && magic[1] == 0xff)))
		return "UTF-16";
	decoder = mr_decoder_find(head, true);
	return decoder == &mr_decode_lines ? NULL : decoder->name;
}
