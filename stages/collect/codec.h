/* codec.h - compression: gzip and zstd, told by content, member by member.
 *
 * input.c gives raw bytes in pieces of any size and gets plain ones. A stream that does not begin
 * with a known member is plain, all of it. Members may follow each other, of either kind; zero
 * bytes behind one are padding. Behind damage input_lost.c looks for the next member that can
 * be read: seek, try, go on. codec.c has the table; a new compression is one new file and one line
 * there. */
#ifndef MILLRACE_COLLECT_CODEC_H
#define MILLRACE_COLLECT_CODEC_H

#include "millrace/text.h"

#define MR_CODEC_MAGIC_MAX 4
#define MR_CODEC_COUNT 2
#define MR_CODEC_TRY (256 << 10)   /* raw bytes by which a member is believed: more than a block */
#define MR_CODEC_TRY_OUT (1 << 20) /* plain bytes likewise */
#define MR_CODEC_TRY_MOST (32 << 20) /* plain bytes of one try, whatever it is to reach */

enum mr_codec_step {
	MR_CODEC_MORE,   /* took or gave something, or needs more input */
	MR_CODEC_MEMBER, /* the member has ended */
	MR_CODEC_BAD     /* the reason says why */
};

struct mr_codec_ops {
	const char *name;
	bool (*is_member)(const unsigned char *magic, size_t len);
	/* Whether MR_CODEC_MAGIC_MAX bytes may begin a member that holds data. */
	bool (*may_hold)(const unsigned char *magic);
	void *(*open)(void);
	/* Ready for another member: cheap, where open is not. */
	void (*reset)(void *state);
	/* Moves *in behind what it took; *out_len is what it gave, at most `room`. Takes bytes of
	 * no more than one block: what gave plain bytes ends with the last call that did. */
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
	uint64_t taken;     /* raw bytes */
	uint64_t member_at; /* where the member in hand begins */
	uint64_t given_to;  /* raw bytes of it that stand before this one gave its plain ones */
	char reason[200];
};

/* Take from *in and give to out. MR_OK: something happened, or with *in empty more is needed; a few
 * bytes may stay in *in until more have come. MR_END: the stream has ended as it should (only with
 * `last`, which says that nothing follows *in). MR_BAD_INPUT: `reason` says what is wrong at raw
 * offset `taken`; *in is where it was met. */
enum mr_err mr_codec_step(struct mr_codec *codec, struct mr_slice *in, bool last, char *out,
			  size_t room, size_t *out_len);
/* Where in `raw` the next member may begin; where none does, what stands before that can begin
 * none. */
size_t mr_codec_seek(struct mr_slice raw, bool last);
/* Whether a member that may begin with `raw` does: it is whole, or MR_CODEC_TRY bytes of it can be
 * read, or all that there are, or as many as give MR_CODEC_TRY_OUT plain ones and reach `least` raw
 * bytes. `*work` is what that took, in bytes. After damage only. */
bool mr_codec_try(struct mr_codec *codec, struct mr_slice raw, size_t least, uint64_t *work);
/* Between two members, or where only rubbish can follow the last. */
static inline bool mr_codec_is_between(const struct mr_codec *codec)
{
	return codec->begun && !codec->ops && !codec->plain;
}
/* After damage: the raw byte at `offset` is the next one that is given. */
void mr_codec_go_on(struct mr_codec *codec, uint64_t offset);
/* Known to be neither compressed nor still unknown. */
static inline bool mr_codec_is_plain(const struct mr_codec *codec)
{
	return codec->plain;
}
void mr_codec_fini(struct mr_codec *codec);

#endif
