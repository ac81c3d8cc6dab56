/* host_word.h - what the supervisors of two hosts say to each other, by way of their gates.
 *
 * Most words are those between a supervisor and a worker that is elsewhere (control.h), with the
 * worker's number; the rest are of the supervisors themselves. */
#ifndef MILLRACE_HOST_WORD_H
#define MILLRACE_HOST_WORD_H

#include "control.h"
#include "inhand.h"
#include "manifest.h"

#define MR_HOST_WORD_VERSION 3
/* In place of a worker's number: the word is a supervisor's own. */
#define MR_HOST_NO_WORKER UINT32_MAX

enum mr_host_word_kind {
	MR_HOST_HELLO = 1, /* follower: what it has, a struct mr_host_hello */
	MR_HOST_REFUSED,   /* leader: why the follower may not take part; number is 1 where it may
			      once set `other` judges there */
	MR_HOST_BEGIN,     /* leader: a part of a struct mr_host_begin; number is 1 in the last */
	MR_HOST_KILL,      /* leader: worker `number` does not answer */
	MR_HOST_DIED,      /* follower: a worker died, a struct mr_host_death */
	MR_HOST_LACKS,     /* follower: it has not the state that it should begin with; number is an
			      enum mr_host_lack */
	MR_HOST_RELOAD,    /* leader: have set `number` prepared; 0: none is wanted any more */
	MR_HOST_RELOADED,  /* follower: whether it has, `other` is 1, or 0, and bytes say why not */
	MR_HOST_OVER       /* leader: the next incarnation begins with set `number` */
};

enum mr_host_lack {
	MR_LACK_DAMAGED,
	MR_LACK_NEWER, /* a newer program wrote it */
	MR_LACK_UNREAD /* the disk does not give it */
};

struct mr_host_word {
	uint32_t worker;
	uint32_t kind; /* enum mr_control_kind, or enum mr_host_word_kind */
	uint64_t number;
	uint64_t other;
	struct mr_slice bytes;
};
void mr_host_word_encode(const struct mr_host_word *word, struct mr_buf *out);
/* Survives any bytes: false. Borrows them. */
bool mr_host_word_decode(struct mr_slice bytes, struct mr_host_word *out);

/* What has to be the same on all hosts; beside it the versions of these words and of the batches
 * that their workers send each other, which are not put in. */
struct mr_host_hello {
	struct mr_slice topology; /* the hash of the file */
	uint64_t set;             /* what judges there: mr_hosts_set */
};
void mr_host_hello_encode(const struct mr_host_hello *hello, struct mr_buf *out);
/* Survives any bytes: false. Borrows them. */
bool mr_host_hello_decode(struct mr_slice bytes, struct mr_host_hello *out);

/* What a follower has to know of an incarnation. */
struct mr_host_begin {
	uint64_t incarnation;
	uint8_t seed[16];
	int64_t start_us;
	struct mr_manifest
	    last; /* the checkpoint that is returned to, with the follower's files alone */
	struct mr_aside aside;
	struct mr_slice names; /* of files that are only named (file.h) */
};
void mr_host_begin_encode(const struct mr_host_begin *begin, struct mr_buf *out);
/* Survives any bytes: MR_PROTOCOL, and `out` is empty. Its names borrow the bytes. */
enum mr_err mr_host_begin_decode(struct mr_slice bytes, struct mr_host_begin *out,
				 struct mr_error *error);
/* Accepts zeroed memory. */
void mr_host_begin_fini(struct mr_host_begin *begin);

struct mr_host_death {
	uint32_t worker;
	int64_t pid;
	int64_t status; /* as of wait(2) */
	struct mr_inhand page;
};
void mr_host_death_encode(const struct mr_host_death *death, struct mr_buf *out);
/* Survives any bytes: false. */
bool mr_host_death_decode(struct mr_slice bytes, struct mr_host_death *out);

#endif
