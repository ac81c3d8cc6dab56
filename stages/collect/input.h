/* input.h - one input from its first byte to its last.
 *
 * collect.c opens one at a time and steps it until MR_END. A step reads or decodes at most one
 * piece, so that it takes milliseconds; what it made lies in the spool and the outbox. A damaged
 * input is not an error of the step: it is logged and counted, and the run goes on. */
#ifndef MILLRACE_COLLECT_INPUT_H
#define MILLRACE_COLLECT_INPUT_H

#include "codec.h"
#include "decode.h"
#include "regions.h"
#include "spool.h"
#include "millrace/utf16.h"

#define MR_INPUT_BY_REFERENCE_MIN                                                                  \
	(64 << 10)                  /* a smaller file is not worth a descriptor everywhere */
#define MR_INPUT_UNNAMED UINT32_MAX /* it gets a number when one is needed */
#define MR_INPUT_DAMAGE_LOGGED 3    /* of one input */
/* Bytes of a damaged member that are looked at again: where a member was cut, its decoder takes
 * what follows for its own, up to a block of either format. */
#define MR_INPUT_BACK (256 << 10)

/* Compressed bytes that cannot be read are being set aside, up to the next member that can. */
struct mr_lost {
	bool now;
	bool joined;         /* the text before has not ended: a member may follow here */
	bool gave_up;        /* too much was tried in vain */
	uint64_t at;         /* raw offset of the byte in hand */
	uint64_t aside_from; /* what is before gave plain bytes, as a part of a damaged member */
	uint64_t failed_at;  /* what is before was taken for parts of members that failed */
	uint64_t work;       /* of this input: bytes that were tried in vain */
	char reason[300];
};

struct mr_input {
	struct mr_decode_sink sink; /* first: decoders know no more of us */
	struct mr_spool *spool;
	const char *title; /* what a person calls it; borrowed */
	uint32_t name;     /* mr_files number: of the name, or of the file that is referred to */
	bool allow_reference;
	bool by_reference;  /* it turned out to be: the regions of the file itself travel */
	int64_t arrival_us; /* of such regions; the run's start, or set behind open */

	int fd;
	bool regular;
	uint64_t size; /* at open */
	uint64_t taken;
	char *raw;
	size_t raw_at;
	size_t raw_len;
	bool raw_end;
	bool starved; /* nothing can be done before more is read */
	struct mr_lost lost;

	struct mr_codec codec;
	struct mr_recode recode;
	char *plain;
	struct mr_buf text;
	struct mr_buf head;
	uint64_t looked; /* as mr_decoder_look has it */
	uint64_t offset; /* of the first byte of head, later of what is fed */
	const struct mr_decoder_ops *decoder;
	void *decoder_state;
	struct mr_regions regions;

	uint32_t damage_count;
};

/* Takes `fd`, also on failure. A descriptor that may block is asked with poll(2) before each read.
 * MR_IO, and then nothing is held. */
enum mr_err mr_input_open(struct mr_input *input, int fd, const char *title, uint32_t name,
			  bool allow_reference, struct mr_spool *spool, struct mr_error *error);
/* Goes on, behind open, with a file that was read by reference up to `at` when it had `size` bytes.
 * As mr_files_add. */
enum mr_err mr_input_go_on(struct mr_input *input, uint64_t at, uint64_t size,
			   struct mr_error *error);
/* MR_OK: call again; MR_AGAIN: nothing to read now; MR_END. Errors are the spool's and
 * mr_files_add's. */
enum mr_err mr_input_step(struct mr_input *input, struct mr_error *error);
void mr_input_fini(struct mr_input *input);

/* Something is wrong with it: log and count. */
void mr_input_damage(struct mr_input *input, uint64_t offset, const char *reason);

/* ---- between input.c and input_lost.c ---- */

/* MR_OK: something came, or the end; MR_AGAIN; MR_BAD_INPUT, MR_IO with the words in `error`. */
enum mr_err mr_input_read(struct mr_input *input, struct mr_error *error);
/* No more text comes from here, or none before `mr_input_resume`; `cut` is NULL where that is as it
 * should be. MR_END, or MR_OK where it turned out to be read by reference. */
enum mr_err mr_input_finish(struct mr_input *input, const char *cut, struct mr_error *error);
/* The text that comes next is another part. */
void mr_input_resume(struct mr_input *input);

/* What comes next cannot be read, and `reason` (borrowed) says why. */
enum mr_err mr_input_lose(struct mr_input *input, const char *reason, struct mr_error *error);
/* A member has ended: what follows may have to be tried. */
void mr_input_follow(struct mr_input *input);
/* While input->lost.now; as mr_input_step. */
enum mr_err mr_input_step_lost(struct mr_input *input, struct mr_error *error);

#endif
