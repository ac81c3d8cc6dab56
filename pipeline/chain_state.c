/* chain_state.c - the state of a chain's stages: barriers, snapshots, and back.
 *
 * Called by worker.c at the start of an incarnation and by worker_barrier.c at each barrier.
 * Writing fails with MR_NO_SPACE or MR_IO, reading with MR_BAD_INPUT where a snapshot is not what
 * it should be; both name the stage. */
#include "chain_state.h"

#include <errno.h>
#include <stdlib.h>

#include "codec.h"
#include "millrace/alive.h"
#include "millrace/os.h"
#include "millrace/xxh3.h"

#define PIECE_BYTES (4u << 20)   /* what is written at once */
#define LARGE_BYTES (128u << 20) /* of state in memory */

bool mr_stage_has_state(const struct mr_stage_ops *ops)
{
	return ops->snapshot != NULL || ops->snapshot_named != NULL;
}

bool mr_group_has_keyed_state(const struct mr_group *group)
{
	for (uint32_t i = 0; i < mr_group_length(group); i++) {
		if (mr_stage_find(group->chain[i])->snapshot != NULL)
			return true;
	}
	return false;
}

enum mr_err mr_chain_barrier(struct mr_chain *chain, int64_t watermark_us, struct mr_error *error)
{
	while (chain->at_barrier < chain->count) {
		const struct mr_chain_item *item = &chain->items[chain->at_barrier];
		if (item->ops->barrier != NULL) {
			enum mr_err err =
			    item->ops->barrier(item->state, watermark_us, chain->writer, error);
			if (err != MR_OK)
				return mr_chain_named(item, err, error);
		}
		chain->at_barrier++;
	}
	chain->at_barrier = 0;
	return MR_OK;
}

void mr_chain_committed(struct mr_chain *chain)
{
	for (uint32_t i = 0; i < chain->count; i++) {
		if (chain->items[i].ops->committed != NULL)
			chain->items[i].ops->committed(chain->items[i].state);
	}
}

/* ---- writing ---- */

struct snapshot_file {
	int fd;
	bool past; /* the page cache */
	const struct mr_snapshot_watch *watch;
	struct mr_buf piece;
	XXH3_state_t *hash;
	struct mr_file_sum sum;
};

/* Where a piece begins, for it to go past the page cache. */
static void align_piece(struct mr_buf *piece)
{
	if ((uintptr_t)piece->data % MR_OS_PAGE_BYTES == 0)
		return;
	size_t capacity = piece->capacity + MR_OS_PAGE_BYTES - piece->capacity % MR_OS_PAGE_BYTES;
	char *data = mr_aligned_alloc(MR_OS_PAGE_BYTES, capacity);
	memcpy(data, piece->data, piece->len);
	free(piece->data);
	*piece = (struct mr_buf){data, piece->len, capacity};
}

/* The piece's first `len` bytes; what is behind them becomes its beginning. Through the page cache
 * they cost a copy, and the workers their own caches: checkpoints each second would cost 4 % of the
 * CPU in place of 2. But a recovery finds there what it need not fetch from the disk: 1 GiB of
 * state stands again in 1 s in place of 2. So a large state, which is seldom written
 * (PROTOCOL.md 4.4), goes through it from its first byte on (`./run bench service`). */
static enum mr_err write_piece(struct snapshot_file *file, size_t len, struct mr_error *error)
{
	struct mr_buf *piece = &file->piece;
	struct mr_slice bytes = {piece->data, len};
	if (!(file->past ? mr_os_write_past_cache : mr_os_write_all)(file->fd, bytes))
		return mr_error_errno(error, mr_error_of_write(errno), "cannot write a snapshot");
	XXH3_64bits_update(file->hash, piece->data, len);
	file->sum.size += len;
	piece->len -= len;
	memmove(piece->data, piece->data + len, piece->len);
	mr_alive();
	if (file->watch != NULL)
		file->watch->wrote(file->watch->context);
	return MR_OK;
}

static enum mr_err write_groups(const struct mr_chain_item *item, const struct mr_stage_env *env,
				struct snapshot_file *file, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t group = 0; group < MR_KEY_GROUPS && err == MR_OK; group++) {
		if (mr_key_group_owner((uint8_t)group, env->workers) != env->worker)
			continue;
		size_t begin = mr_snapshot_section_begin(&file->piece, (uint8_t)group);
		item->ops->snapshot(item->state, (uint8_t)group, &file->piece);
		mr_snapshot_section_end(&file->piece, begin);
		if (file->piece.len < PIECE_BYTES)
			continue;
		align_piece(&file->piece);
		err =
		    write_piece(file, file->piece.len - file->piece.len % MR_OS_PAGE_BYTES, error);
	}
	return err;
}

/* The checksum is over all before it, which has gone out in pieces. */
static enum mr_err write_trailer(struct snapshot_file *file, struct mr_error *error)
{
	mr_buf_add_le(&file->piece, MR_SNAPSHOT_END_MARK, 4);
	enum mr_err err = write_piece(file, file->piece.len, error);
	file->sum.hash = XXH3_64bits_digest(file->hash);
	mr_buf_add_le(&file->piece, file->sum.hash, 8);
	return err == MR_OK ? write_piece(file, file->piece.len, error) : err;
}

enum mr_err mr_chain_snapshot(const struct mr_chain *chain, uint32_t stage,
			      const struct mr_stage_env *env, int fd,
			      const struct mr_snapshot_watch *watch, struct mr_file_sum *sum_out,
			      struct mr_error *error)
{
	const struct mr_chain_item *item = &chain->items[stage];
	bool is_large = env->held != NULL && *env->held >= LARGE_BYTES;
	struct snapshot_file file = {
	    .fd = fd, .past = !is_large, .watch = watch, .hash = XXH3_createState()};
	XXH3_64bits_reset(file.hash);
	mr_snapshot_begin(&file.piece, item->ops->name);
	enum mr_err err = MR_OK;
	if (item->ops->snapshot != NULL)
		err = write_groups(item, env, &file, error);
	if (err == MR_OK && item->ops->snapshot_named != NULL)
		err = item->ops->snapshot_named(item->state, &file.piece, error);
	if (err == MR_OK)
		err = write_trailer(&file, error);
	*sum_out = file.sum;
	mr_buf_fini(&file.piece);
	XXH3_freeState(file.hash);
	return err == MR_OK ? MR_OK : mr_error_prefix(error, "%s", item->ops->name);
}

/* ---- reading ---- */

static enum mr_err restore_section(const struct mr_chain_item *item, const struct mr_stage_env *env,
				   const struct mr_section *section, struct mr_error *error)
{
	const struct mr_stage_ops *ops = item->ops;
	if (section->name.len > 0)
		return ops->restore_named == NULL
			   ? MR_OK
			   : ops->restore_named(item->state, section->name, section->bytes, error);
	if (ops->restore == NULL ||
	    mr_key_group_owner(section->key_group, env->workers) != env->worker)
		return MR_OK;
	return ops->restore(item->state, section->key_group, section->bytes, error);
}

enum mr_err mr_chain_restore(struct mr_chain *chain, uint32_t stage, const struct mr_stage_env *env,
			     struct mr_slice bytes, struct mr_error *error)
{
	const struct mr_chain_item *item = &chain->items[stage];
	struct mr_snapshot snapshot;
	struct mr_section section;
	enum mr_err err = mr_snapshot_open(bytes, item->ops->name, &snapshot, error);
	while (err == MR_OK && mr_snapshot_next(&snapshot, &section))
		err = restore_section(item, env, &section, error);
	if (err == MR_BAD_INPUT && snapshot.writer.len > 0)
		mr_error_prefix(error, "as millrace %.*s wrote it", (int)snapshot.writer.len,
				snapshot.writer.at);
	return err;
}
