/* spool.c - the temporary file of records.
 *
 * Called by input.c and the sources. Fails with MR_NO_SPACE where the disk is full, MR_IO where it
 * refuses otherwise; the error is kept in the spool. */
#include "spool.h"

#include "decode.h"

#include "millrace/os.h"
#include "millrace/pack.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REASON_MAX 512
#define WRITE_BYTES (1 << 20) /* what is held before it is written */

void mr_spool_init(struct mr_spool *spool, const struct mr_stage_env *env, struct mr_outbox *outbox)
{
	*spool = (struct mr_spool){
	    .env = env, .outbox = outbox, .fd = -1, .file_max_bytes = MR_SPOOL_FILE_MAX};
}

void mr_spool_fini(struct mr_spool *spool)
{
	if (spool->env && spool->fd >= 0)
		close(spool->fd);
	mr_buf_fini(&spool->buf);
	mr_buf_fini(&spool->aside);
	*spool = (struct mr_spool){.fd = -1};
}

/* ---- the file ---- */

const char *mr_spool_directory(void)
{
	const char *path = getenv("TMPDIR");

	return path && *path ? path : "/tmp";
}

static void fail(struct mr_spool *spool, const char *what)
{
	if (mr_error_of_write(errno) == MR_NO_SPACE)
		mr_error_errno(&spool->error, MR_NO_SPACE,
			       "%s: no room for the temporary file of records; free some, or set "
			       "TMPDIR to a directory that has it",
			       mr_spool_directory());
	else
		mr_error_errno(&spool->error, MR_IO, "%s: cannot %s the temporary file of records",
			       mr_spool_directory(), what);
}

static int open_unlinked(void)
{
	char path[4096];
	int fd = open(mr_spool_directory(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (snprintf(path, sizeof(path), "%s/millrace-XXXXXX", mr_spool_directory()) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static void open_file(struct mr_spool *spool)
{
	spool->fd = open_unlinked();
	if (spool->fd < 0) {
		fail(spool, "make");
		return;
	}
	spool->base = 0;
	spool->region_start = 0;
	spool->region_end = 0;
	mr_files_add(spool->env->files, spool->fd, MR_SLICE(MR_FRAMES_FILE_NAME), &spool->number,
		     &spool->error);
}

static void write_at(struct mr_spool *spool, const char *bytes, size_t len, uint64_t position)
{
	if (spool->error.code == MR_OK &&
	    !mr_os_pwrite_all(spool->fd, (struct mr_slice){bytes, len}, position))
		fail(spool, "write");
}

static void flush(struct mr_spool *spool)
{
	write_at(spool, spool->buf.data, spool->buf.len, spool->base);
	spool->base += spool->buf.len;
	spool->buf.len = 0;
}

static uint64_t end_position(const struct mr_spool *spool)
{
	return spool->base + spool->buf.len;
}

/* Forget all from `position` on, written or not. */
static void truncate_to(struct mr_spool *spool, uint64_t position)
{
	if (position >= spool->base) {
		spool->buf.len = (size_t)(position - spool->base);
		return;
	}
	spool->base = position;
	spool->buf.len = 0;
}

void mr_spool_seal(struct mr_spool *spool)
{
	struct mr_region region;

	if (spool->error.code != MR_OK || spool->region_end == spool->region_start ||
	    spool->journal)
		return;
	flush(spool);
	region = (struct mr_region){
	    .partition = spool->number,
	    .position = spool->region_start,
	    .length = spool->region_end - spool->region_start,
	    .form = MR_FORM_FRAMES,
	    .arrival_us = spool->env->start_us,
	};
	spool->region_start = spool->region_end;
	if (spool->error.code == MR_OK)
		mr_outbox_region(spool->outbox, &region);
}

/* ---- records ---- */

void mr_spool_begin(struct mr_spool *spool, uint32_t name, uint64_t offset)
{
	assert(!spool->open);
	if (spool->fd >= 0 && end_position(spool) >= spool->file_max_bytes) {
		mr_spool_seal(spool);
		flush(spool);
		close(spool->fd);
		spool->fd = -1;
	}
	if (spool->fd < 0 && spool->error.code == MR_OK && !spool->journal)
		open_file(spool);
	spool->open = true;
	spool->packed = false;
	spool->name = name;
	spool->offset = offset;
	spool->start = end_position(spool);
	spool->len = 0;
	spool->blanks = 0;
	memset(mr_buf_reserve(&spool->buf, MR_FRAME_HEADER), 0, MR_FRAME_HEADER);
	spool->buf.len += MR_FRAME_HEADER;
}

void mr_spool_begin_packed(struct mr_spool *spool, uint32_t name, uint64_t offset)
{
	mr_spool_begin(spool, name, offset);
	spool->packed = true;
}

/* Blanks at the end of the record so far. */
static void count_blanks(struct mr_spool *spool, const char *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && mr_is_blank(bytes[len - 1 - n]))
		n++;
	spool->blanks = n == len ? spool->blanks + n : n;
}

void mr_spool_add(struct mr_spool *spool, const char *bytes, size_t len)
{
	size_t keep;

	if (spool->error.code != MR_OK)
		return;
	while (!spool->packed && spool->len == 0 && len > 0 && mr_is_blank(*bytes)) {
		bytes++;
		len--;
		spool->offset++;
	}
	if (len == 0)
		return;
	count_blanks(spool, bytes, len);
	keep = len;
	if (spool->len >= MR_SPOOL_ASIDE_MAX)
		keep = 0;
	else if (keep > MR_SPOOL_ASIDE_MAX - spool->len)
		keep = (size_t)(MR_SPOOL_ASIDE_MAX - spool->len);
	mr_buf_add(&spool->buf, bytes, keep);
	spool->len += len;
	if (spool->buf.len >= WRITE_BYTES && !spool->journal)
		flush(spool);
}

void mr_spool_skip(struct mr_spool *spool, uint64_t len)
{
	spool->len += len;
}

void mr_spool_drop(struct mr_spool *spool)
{
	spool->open = false;
	if (spool->error.code == MR_OK)
		truncate_to(spool, spool->start);
}

static void put_header(struct mr_spool *spool)
{
	uint32_t len = spool->len > UINT32_MAX ? UINT32_MAX : (uint32_t)spool->len;
	struct mr_frame frame = {len, spool->name, spool->offset};
	char header[MR_FRAME_HEADER];

	mr_frame_encode(&frame, header);
	if (spool->start >= spool->base)
		memcpy(spool->buf.data + (spool->start - spool->base), header, sizeof(header));
	else
		write_at(spool, header, sizeof(header), spool->start);
}

static void refuse_too_long(struct mr_spool *spool)
{
	char reason[160];

	snprintf(reason, sizeof(reason),
		 "the record has %" PRIu64 " bytes; max_record_bytes allows %" PRIu64, spool->len,
		 spool->max_record_bytes);
	mr_spool_refuse(spool, MR_REJECT_TOO_LONG, reason);
}

/* Whether the one that ends now is in the journal already, from before a restart. */
static bool is_known(struct mr_spool *spool)
{
	spool->units++;
	if (spool->skip == 0)
		return false;
	spool->skip--;
	mr_spool_drop(spool);
	return true;
}

void mr_spool_end(struct mr_spool *spool)
{
	if (spool->len - spool->blanks > spool->max_record_bytes && spool->error.code == MR_OK) {
		refuse_too_long(spool);
		return;
	}
	if (spool->len == spool->blanks || spool->error.code != MR_OK) {
		mr_spool_drop(spool);
		return;
	}
	if (is_known(spool))
		return;
	spool->open = false;
	spool->count++;
	truncate_to(spool, end_position(spool) - spool->blanks);
	spool->len -= spool->blanks;
	put_header(spool);
	spool->region_end = end_position(spool);
	if (spool->region_end - spool->region_start >= spool->region_bytes)
		mr_spool_seal(spool);
}

/* What is said of a piece, where not all of it is kept. */
static struct mr_slice reason_of(const struct mr_spool *spool, struct mr_slice reason,
				 uint64_t kept, char *room, size_t size)
{
	if (kept == spool->len)
		return reason;
	snprintf(room, size, "%.*s; its first %" PRIu64 " bytes are kept", (int)reason.len,
		 reason.at, kept);
	return mr_slice(room);
}

/* It stays where it is, between the records, and a row says so. */
static void refuse_in_journal(struct mr_spool *spool, struct mr_reject reject, uint64_t kept)
{
	char room[REASON_MAX];
	struct mr_slice reason = reason_of(spool, reject.reason, kept, room, sizeof(room));

	put_header(spool);
	mr_pack_array(&spool->aside, 7);
	mr_pack_uint(&spool->aside, spool->start);
	mr_pack_uint(&spool->aside, kept);
	mr_pack_uint(&spool->aside, reject.length);
	mr_pack_uint(&spool->aside, reject.offset);
	mr_pack_uint(&spool->aside, spool->name);
	mr_pack_uint(&spool->aside, reject.kind);
	mr_pack_bytes(&spool->aside, reason);
	spool->aside_count++;
}

/* By reference: the bytes stay where they are, and the next region starts behind them. */
static void refuse_by_reference(struct mr_spool *spool, struct mr_reject reject, uint64_t kept)
{
	char room[REASON_MAX];

	put_header(spool);
	mr_spool_seal(spool);
	flush(spool);
	spool->region_start = end_position(spool);
	spool->region_end = spool->region_start;
	reject.origin.partition = spool->number;
	reject.origin.position = spool->start + MR_FRAME_HEADER;
	reject.origin.length = (uint32_t)kept;
	reject.reason = reason_of(spool, reject.reason, kept, room, sizeof(room));
	if (spool->error.code == MR_OK)
		mr_outbox_reject(spool->outbox, spool->name, &reject);
}

void mr_spool_refuse(struct mr_spool *spool, enum mr_reject_kind kind, const char *reason)
{
	struct mr_reject reject = {.length = spool->len,
				   .offset = spool->offset,
				   .reason = mr_slice(reason),
				   .kind = kind};
	uint64_t kept = end_position(spool) - spool->start - MR_FRAME_HEADER;

	if (is_known(spool))
		return;
	spool->open = false;
	if (spool->error.code != MR_OK)
		return;
	if (spool->journal) {
		refuse_in_journal(spool, reject, kept);
		return;
	}
	if (kept < spool->len || kept > MR_SPOOL_INLINE_MAX || spool->start < spool->base) {
		refuse_by_reference(spool, reject, kept);
		return;
	}
	reject.origin.partition = spool->name;
	reject.origin.position = spool->offset;
	reject.bytes = (struct mr_slice){
	    spool->buf.data + (spool->start - spool->base) + MR_FRAME_HEADER, (size_t)kept};
	mr_outbox_reject(spool->outbox, spool->name, &reject);
	truncate_to(spool, spool->start);
}

enum mr_err mr_spool_commit(struct mr_spool *spool, int64_t now_us, struct mr_slice cursor,
			    struct mr_error *error)
{
	size_t len = (size_t)mr_spool_waiting(spool);
	struct mr_buf asides = {0};
	struct mr_block block = {
	    .kind = MR_BLOCK_RECORDS,
	    .arrival_us = now_us,
	    .count = spool->count,
	    .cursor = cursor,
	    .payload = {spool->buf.len > 0 ? spool->buf.data : "", len},
	};
	enum mr_err err;

	if (spool->aside_count > 0) {
		mr_pack_array(&asides, spool->aside_count);
		mr_buf_add(&asides, spool->aside.data, spool->aside.len);
		block.asides = (struct mr_slice){asides.data, asides.len};
	}
	err = mr_journal_append(spool->journal, &block, spool->outbox, error);
	mr_buf_fini(&asides);
	if (err != MR_OK)
		return err;
	spool->buf.len -= len;
	if (spool->buf.len > 0)
		memmove(spool->buf.data, spool->buf.data + len, spool->buf.len);
	spool->start -= spool->open ? len : spool->start;
	spool->region_start = 0;
	spool->region_end = 0;
	spool->count = 0;
	spool->aside.len = 0;
	spool->aside_count = 0;
	return MR_OK;
}
