/* line_hash.c - the running proof of a file's lines. Cannot fail. */
#include "millrace/line_hash.h"

void mr_line_hash_add(struct mr_line_hash *hash, struct mr_slice line)
{
	uint8_t both[2 * MR_LINE_HASH_BYTES];
	uint8_t *own = both + MR_LINE_HASH_BYTES;
	uint64_t parts[2];
	if (line.len > 0 && line.at[line.len - 1] == '\n')
		line.len--;
	memcpy(both, hash->chain, MR_LINE_HASH_BYTES);
	mr_sha256(line.at, line.len, own);
	mr_sha256(both, sizeof both, hash->chain);
	memcpy(parts, own, sizeof parts);
	hash->sum[0] += parts[0];
	hash->sum[1] += parts[1];
	hash->bytes += line.len + 1;
	hash->lines++;
}

bool mr_line_hash_equal(const struct mr_line_hash *a, const struct mr_line_hash *b)
{
	return a->bytes == b->bytes && a->lines == b->lines && a->sum[0] == b->sum[0] &&
	       a->sum[1] == b->sum[1] && memcmp(a->chain, b->chain, sizeof a->chain) == 0;
}
