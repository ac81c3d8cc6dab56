/* ids.c - what is counted or met once: keyed hashes, and sets of them.
 *
 * An id is an XXH3 and, behind it, a SipHash-2-4 under a key made of the run's seed. The texts are
 * an attacker's: two that gave one id would be counted as one, and those that meet in one place of
 * a table would make it slow; what he can't foresee keeps them apart. But where a set is full, the
 * order of ids decides what of one time it leaves out, and with it what an alert says: that is not
 * to hang on a key. Called by the other files of this folder. Nothing here fails. */
#include "state.h"

#include <stdlib.h>

/* ---- SipHash ---- */

static inline uint64_t turn(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = turn(v[1], 13) ^ v[0];
	v[0] = turn(v[0], 32);
	v[2] += v[3];
	v[3] = turn(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = turn(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = turn(v[1], 17) ^ v[2];
	v[2] = turn(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

/* Words are little-endian in the definition; where they are not, ids are others, and as good. */
uint64_t corr_siphash(const uint64_t key[2], const void *bytes, size_t len)
{
	uint64_t v[4] = {
	    key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
	    key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
	const char *at = bytes;
	uint64_t word, rest = (uint64_t)len << 56;
	for (; len >= sizeof(word); len -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sip_word(v, word);
	}
	for (size_t i = 0; i < len; i++)
		rest |= (uint64_t)(uint8_t)at[i] << (8 * i);
	sip_word(v, rest);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- ids ---- */

void corr_scratch_begin(struct corr *corr, char what)
{
	corr->scratch.len = 0;
	mr_buf_add(&corr->scratch, &what, 1);
}

void corr_scratch_number(struct corr *corr, uint64_t number)
{
	mr_buf_add(&corr->scratch, &number, sizeof(number));
}

void corr_scratch_text(struct corr *corr, struct mr_slice text)
{
	corr_scratch_number(corr, text.len);
	mr_buf_add(&corr->scratch, text.at, text.len);
}

static struct corr_id id_of(uint64_t plain, uint64_t keyed)
{
	struct corr_id id;
	memcpy(id.plain, &plain, sizeof(id.plain));
	memcpy(id.keyed, &keyed, sizeof(id.keyed));
	return id;
}

struct corr_id corr_id_of_scratch(struct corr *corr)
{
	const struct mr_buf *scratch = &corr->scratch;
	return id_of(mr_hash64(scratch->data, scratch->len, 0),
		     corr_siphash(corr->hash_key, scratch->data, scratch->len));
}

struct corr_id corr_id_of_step(uint32_t step)
{
	return id_of(0, step + UINT64_C(1)); /* an id of zeros is none */
}

uint32_t corr_step_of_id(const struct corr_id *id)
{
	return (uint32_t)corr_id_keyed(id) - 1;
}

struct corr_id corr_id_of_record(struct corr *corr, enum mr_record_kind kind,
				 struct mr_slice record_id)
{
	const char number = (char)kind;
	corr_scratch_begin(corr, 'r');
	mr_buf_add(&corr->scratch, &number, 1);
	mr_buf_add(&corr->scratch, record_id.at, record_id.len);
	return corr_id_of_scratch(corr);
}

/* ---- what was met ---- */

/* The place of the hash, or the free one where it would go. */
static uint64_t *seen_place(const struct corr_seen *seen, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & seen->mask;
	while (seen->hashes[at] != 0 && seen->hashes[at] != hash)
		at = (at + 1) & seen->mask;
	return &seen->hashes[at];
}

static void seen_grow(struct corr_seen *seen)
{
	struct corr_seen wider = {.count = seen->count, .mask = seen->mask * 2 + 1};
	if (wider.mask < 3)
		wider.mask = 3;
	wider.hashes = mr_calloc((size_t)wider.mask + 1, sizeof(*wider.hashes));
	for (uint32_t i = 0; seen->hashes != NULL && i <= seen->mask; i++) {
		if (seen->hashes[i] != 0)
			*seen_place(&wider, seen->hashes[i]) = seen->hashes[i];
	}
	free(seen->hashes);
	*seen = wider;
}

bool corr_seen_add(struct corr_seen *seen, uint64_t hash, uint32_t bound)
{
	hash += hash == 0; /* 0 marks a free place */
	if (seen->hashes == NULL || (seen->count + 1) * 4 > (seen->mask + 1) * 3)
		seen_grow(seen);
	uint64_t *place = seen_place(seen, hash);
	if (*place != 0)
		return false;
	if (seen->count < bound) {
		*place = hash;
		seen->count++;
	}
	return true;
}

bool corr_seen_has(const struct corr_seen *seen, uint64_t hash)
{
	return seen->count > 0 && *seen_place(seen, hash + (hash == 0)) != 0;
}

void corr_seen_fini(struct corr_seen *seen)
{
	free(seen->hashes);
	*seen = (struct corr_seen){0};
}

size_t corr_seen_bytes(const struct corr_seen *seen)
{
	return seen->hashes == NULL ? 0
				    : corr_taken(((size_t)seen->mask + 1) * sizeof(*seen->hashes));
}
