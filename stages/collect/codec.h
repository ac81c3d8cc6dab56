/* codec.h - compression: gzip and zstd, told by content, member by member.
 *
 * input.c gives raw bytes in pieces of any size and gets plain ones. A stream that does not begin
 * with a known member is plain, all of it. Members may follow each other, of either kind; zero
 * bytes behind the last are padding. codec.c has the table; a new compression is one new file and
 * one line there. */
#ifndef MILLRACE_COLLECT_CODEC_H
#define MILLRACE_COLLECT_CODEC_H

#include "millrace/text.h"

#define MR_CODEC_MAGIC_MAX 4
#define MR_CODEC_COUNT 2

enum mr_codec_step {
	MR_CODEC_MORE,   /* took or gave something, or needs more input */
	MR_CODEC_MEMBER, /* the member has ended */
	MR_CODEC_BAD     /* the reason says why */
};

struct mr_codec_ops {
	const char *name;
	bool (*is_member)(const unsigned char *magic, size_t len);
	void *(*open)(void);
	/* Ready for another member: cheap, where open is not. */
	void (*reset)(void *state);
	/* Moves *in behind what it took; *out_len is what it gave, at most `room`. */
	enum mr_codec_step (*step)(void *state, struct mr_slice *in, char *out, size_t room,
				   size_t *out_len, const char **reason_out);
	void (*close)(void *state);
};

extern const struct mr_codec_ops mr_codec_gzip;
extern const struct mr_codec_ops mr_codec_zstd;

/* Zeroed is a stream that has not begun; fini accepts zeroed memory. */
struct mr_codec {
	const struct mr_codec_ops *ops; /* of the member in hand, or NULL */
	void *state;
	void *idle[MR_CODEC_COUNT]; /* states of members that have ended, for the next ones */
	bool plain;
	bool begun;
	bool padding;
	uint64_t taken; /* raw bytes */
	char reason[200];
};

/* Take from *in and give to out. MR_OK: something happened, or with *in empty more is needed; a few
 * bytes may stay in *in until more have come. MR_END: the stream has ended as it should (only with
 * `last`, which says that nothing follows *in). MR_BAD_INPUT: `reason` says what is wrong at raw
 * offset `taken`; *in is where it was met. */
enum mr_err mr_codec_step(struct mr_codec *codec, struct mr_slice *in, bool last, char *out,
			  size_t room, size_t *out_len);
/* Known to be neither compressed nor still unknown. */
static inline bool mr_codec_is_plain(const struct mr_codec *codec)
{
	return codec->plain;
}
void mr_codec_fini(struct mr_codec *codec);

#endif
