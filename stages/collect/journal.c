/* journal.c - the write-ahead log of one source: opened, replayed, written, made durable.
 *
 * Called by sources.c. Files are journal_files.c's, their form segment.c's. What is damaged is
 * refused with file and offset; only an end that nothing proves to have been durable is cut off,
 * with a warning. */
#include "journal.h"

#include "journal_files.h"

#include "millrace/os.h"
#include "millrace/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define ASIDES_MAX (1 << 20) /* pieces set aside in one block */
#define OPEN_LEAST 2         /* the one that is written, and one that is read */
#define CACHED_BYTES (256 * MR_MIB)

/* Never 0. */
static int64_t steady(const struct mr_journal *journal)
{
	int64_t now_us = journal->env->now->steady_us;

	return now_us > 0 ? now_us : 1;
}

static struct mr_journal_file *last(struct mr_journal *journal)
{
	return &journal->files[journal->count - 1];
}

enum mr_err mr_journal_init(struct mr_journal *journal, const struct mr_stage_env *env,
			    const struct mr_part *part, const struct mr_cursor_ops *cursor,
			    void *context, struct mr_error *error)
{
	const struct mr_config *settings = &part->settings;
	enum mr_err err;

	*journal = (struct mr_journal){.env = env,
				       .cursor = cursor,
				       .cursor_context = context,
				       .source = part->number,
				       .cached_bytes = CACHED_BYTES,
				       .name = mr_strdup(part->name),
				       .directory = -1,
				       .fd = -1,
				       .walk = {.fd = -1}};
	err = mr_config_int(settings, "segment_bytes", &journal->segment_bytes, error);
	if (err == MR_OK)
		err = mr_config_int(settings, "journal_bytes", &journal->keep_bytes, error);
	if (err == MR_OK)
		err = mr_config_int(settings, "journal_age", &journal->keep_us, error);
	if (err == MR_OK)
		err = mr_config_int(settings, "sync_interval", &journal->sync_us, error);
	if (err == MR_OK)
		err = mr_config_int(settings, "sync_bytes", &journal->sync_bytes, error);
	if (err == MR_OK)
		err = mr_config_int(env->config, "open_segments", &journal->open_most, error);
	journal->open_most /= (int64_t)mr_config_parts(env->config, MR_PART_SOURCE);
	if (journal->open_most < OPEN_LEAST)
		journal->open_most = OPEN_LEAST;
	return err;
}

static void close_last(struct mr_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
}

void mr_journal_fini(struct mr_journal *journal)
{
	if (!journal->name)
		return;
	if (journal->directory >= 0)
		close(journal->directory);
	close_last(journal);
	if (journal->walk.fd >= 0)
		close(journal->walk.fd);
	mr_segment_walk_fini(&journal->walk);
	mr_buf_fini(&journal->front);
	free(journal->files);
	free(journal->name);
	*journal = (struct mr_journal){.directory = -1, .fd = -1};
}

/* ---- opening ---- */

/* Where no whole block begins: cut there, or refuse. */
static enum mr_err cut(struct mr_journal *journal, struct mr_segment_walk *walk,
		       struct mr_journal_at from, struct mr_error *error)
{
	struct mr_journal_file *file = last(journal);
	struct mr_error behind = {0};
	uint64_t found = 0;
	enum mr_err err = mr_segment_look_behind(walk, &found, &behind);

	if (err == MR_BAD_INPUT) {
		mr_error_prefix(error,
				"damaged: what was whole once is not; the block at offset "
				"%" PRIu64 " behind it is",
				found);
		return mr_journal_name_error(journal, file, error);
	}
	if (err != MR_OK) {
		*error = behind;
		return mr_journal_name_error(journal, file, error);
	}
	if (from.segment == file->number && from.offset > walk->at) {
		mr_error_prefix(error,
				"damaged: the checkpoint needs it whole up to offset %" PRIu64,
				from.offset);
		return mr_journal_name_error(journal, file, error);
	}
	mr_log(MR_LOG_WARNING,
	       "journal/%s: segment %" PRIu64 ": a torn end is cut off: %s; %" PRIu64
	       " bytes, of which nothing behind says that they were durable",
	       journal->name, file->number, error->text, walk->size - walk->at);
	*error = (struct mr_error){0};
	if (mr_os.ftruncate(walk->fd, (off_t)walk->at) != 0 || mr_os.fdatasync(walk->fd) != 0) {
		mr_error_errno(error, MR_IO, "cannot cut off its torn end");
		return mr_journal_name_error(journal, file, error);
	}
	file->size_bytes = walk->at;
	walk->size = walk->at;
	return MR_OK;
}

static enum mr_err take_head_cursor(struct mr_journal *journal, int fd, struct mr_error *error)
{
	struct mr_segment_head head;
	struct mr_buf bytes = {0};
	uint64_t start;
	enum mr_err err = mr_segment_head_read(fd, &bytes, &head, &start, error);

	if (err == MR_OK && head.cursor.len > 0)
		journal->cursor->take(journal->cursor_context, head.cursor, true);
	mr_buf_fini(&bytes);
	return err;
}

/* The last process may not have synced it; a seal least of all: the next segment's head, which is
 * durable at once, names it. */
static enum mr_err sync_what_was_found(struct mr_journal *journal, bool sealed,
				       struct mr_error *error)
{
	enum mr_err err;

	journal->unsynced_us = steady(journal);
	err = mr_journal_sync(journal, error);
	if (sealed || err != MR_OK)
		close_last(journal);
	return err;
}

/* All of the last segment: the cursor, the end, whether it is whole. */
static enum mr_err walk_last(struct mr_journal *journal, struct mr_journal_at from,
			     struct mr_error *error)
{
	struct mr_journal_file *file = last(journal);
	struct mr_segment_walk walk = {
	    .fd = mr_journal_open_file(journal, file, O_RDWR, error),
	    .size = file->size_bytes,
	    .at = file->start,
	    .seed = file->seed,
	    .chain = file->chain,
	    .number = file->first_block,
	};
	struct mr_block block = {.kind = MR_BLOCK_RECORDS};
	enum mr_err err;

	if (walk.fd < 0)
		return error->code;
	err = take_head_cursor(journal, walk.fd, error);
	while (err == MR_OK) {
		err = mr_segment_next(&walk, &block, error);
		if (err == MR_OK && block.cursor.len > 0)
			journal->cursor->take(journal->cursor_context, block.cursor, false);
	}
	if (err == MR_BAD_INPUT)
		err = cut(journal, &walk, from, error);
	if (err == MR_OK || err == MR_END) {
		journal->fd = walk.fd;
		journal->end = (struct mr_journal_at){file->number, walk.at, walk.number};
		journal->chain = walk.chain;
		journal->durable = file->start;
		file->size_bytes = walk.at;
		err = sync_what_was_found(journal, block.kind == MR_BLOCK_SEAL, error);
	} else {
		close(walk.fd);
	}
	mr_segment_walk_fini(&walk);
	return err;
}

/* The segment that `from` lies in, and that it may lie there. */
static enum mr_err begin_replay(struct mr_journal *journal, struct mr_journal_at from,
				struct mr_error *error)
{
	size_t at = 0;

	if (from.segment > 0) {
		while (at < journal->count && journal->files[at].number != from.segment)
			at++;
		if (at == journal->count || from.offset > journal->files[at].size_bytes + 7)
			return mr_error_set(error, MR_BAD_INPUT,
					    "journal/%s: the checkpoint goes on from segment "
					    "%" PRIu64 ", offset %" PRIu64
					    ", which is not there any more",
					    journal->name, from.segment, from.offset);
	}
	journal->replayed = at;
	journal->walk = (struct mr_segment_walk){.fd = -1};
	if (from.segment > 0 && from.offset > journal->files[at].start) {
		/* Its chain is what the block that stands there says: none is asked of the bytes
		 * before the position. */
		journal->walk.at = from.offset;
		journal->walk.number = from.block;
	}
	return MR_OK;
}

/* The newest, and whatever is to be replayed. */
static enum mr_err register_all(struct mr_journal *journal, struct mr_error *error)
{
	size_t most = (size_t)journal->open_most;
	enum mr_err err = MR_OK;

	journal->closed = journal->count > most ? journal->count - most : 0;
	if (journal->closed > journal->replayed)
		journal->closed = journal->replayed;
	for (size_t i = journal->closed; err == MR_OK && i < journal->count; i++)
		err = mr_journal_register(journal, &journal->files[i], error);
	return err;
}

static enum mr_err find_all(struct mr_journal *journal, struct mr_journal_at from, int64_t now_us,
			    struct mr_error *error)
{
	const char *state = mr_config_get(journal->env->config, "state", 0);
	enum mr_err err = mr_journal_directory(journal, state ? state : ".", error);

	if (err == MR_OK)
		err = mr_journal_list(journal, error);
	if (err != MR_OK)
		return err;
	if (journal->count == 0 && from.segment == 0) {
		journal->end = (struct mr_journal_at){.block = 1};
		return mr_journal_create(journal, now_us, error);
	}
	if (journal->count > 0)
		err = walk_last(journal, from, error);
	if (err == MR_OK)
		err = begin_replay(journal, from, error);
	return err;
}

enum mr_err mr_journal_open(struct mr_journal *journal, struct mr_journal_at from, int64_t now_us,
			    struct mr_error *error)
{
	enum mr_err err = journal->found ? MR_OK : find_all(journal, from, now_us, error);

	journal->found = err == MR_OK;
	/* The checkpoint that goes before this life's first. */
	journal->committed[0] = from;
	return err == MR_OK ? register_all(journal, error) : err;
}

/* ---- handing on ---- */

struct aside {
	uint64_t start;
	uint64_t kept;
	uint64_t length;
	uint64_t offset;
	uint32_t name;
	enum mr_reject_kind kind;
	struct mr_slice reason;
};

static struct aside unpack_aside(struct mr_unpack *in, uint64_t most)
{
	struct aside aside;

	mr_unpack_array_of(in, 7);
	aside.start = mr_unpack_uint(in, most);
	aside.kept = mr_unpack_uint(in, UINT32_MAX);
	aside.length = mr_unpack_uint(in, UINT64_MAX);
	aside.offset = mr_unpack_uint(in, UINT64_MAX);
	aside.name = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	aside.kind = (enum mr_reject_kind)mr_unpack_uint(in, MR_REJECT_COUNT - 1);
	aside.reason = mr_unpack_bytes(in);
	return aside;
}

static void hand_region(const struct mr_journal *journal, const struct mr_journal_file *file,
			const struct mr_block *block, uint64_t from, uint64_t to,
			struct mr_outbox *outbox)
{
	struct mr_region region = {.source = journal->source,
				   .partition = file->file,
				   .position = block->payload_at + from,
				   .length = to - from,
				   .form = MR_FORM_FRAMES,
				   .arrival_us = block->arrival_us};

	if (to > from)
		mr_outbox_region(outbox, &region);
}

/* A block whose place is known goes on: its records as regions, between what is set aside. */
static enum mr_err hand_on(const struct mr_journal *journal, const struct mr_journal_file *file,
			   const struct mr_block *block, struct mr_outbox *outbox,
			   struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(block->asides);
	size_t count = block->asides.len > 0 ? mr_unpack_array(&in, ASIDES_MAX) : 0;
	uint64_t at = 0;

	for (size_t i = 0; i < count; i++) {
		struct aside aside = unpack_aside(&in, block->payload.len);
		struct mr_reject reject = {
		    .origin = {.source = journal->source,
			       .partition = file->file,
			       .position = block->payload_at + aside.start + MR_FRAME_HEADER,
			       .length = (uint32_t)aside.kept},
		    .length = aside.length,
		    .offset = aside.offset,
		    .reason = aside.reason,
		    .kind = aside.kind};

		if (!mr_unpack_ok(&in) || aside.start < at ||
		    aside.start + MR_FRAME_HEADER + aside.kept > block->payload.len)
			break;
		hand_region(journal, file, block, at, aside.start, outbox);
		mr_outbox_reject(outbox, aside.name, &reject);
		at = aside.start + MR_FRAME_HEADER + aside.kept;
	}
	if (block->asides.len > 0 && !mr_unpack_done(&in))
		return mr_error_set(error, MR_BAD_INPUT,
				    "what block %" PRIu64 " sets aside is not what was written",
				    block->number);
	hand_region(journal, file, block, at, block->payload.len, outbox);
	return MR_OK;
}

/* ---- replay ---- */

static enum mr_err open_replayed(struct mr_journal *journal, struct mr_error *error)
{
	struct mr_journal_file *file = &journal->files[journal->replayed];
	struct mr_segment_walk *walk = &journal->walk;

	walk->fd = mr_journal_open_file(journal, file, O_RDONLY, error);
	if (walk->fd < 0)
		return error->code;
	walk->size = file->size_bytes;
	walk->seed = file->seed;
	if (walk->at == 0) {
		walk->at = file->start;
		walk->chain = file->chain;
		walk->number = file->first_block;
	} else if (mr_segment_take_chain(walk, error) != MR_OK) {
		return mr_journal_name_error(journal, file, error);
	}
	return MR_OK;
}

static void close_replayed(struct mr_journal *journal)
{
	close(journal->walk.fd);
	mr_segment_walk_fini(&journal->walk);
	journal->walk = (struct mr_segment_walk){.fd = -1};
	journal->replayed++;
}

enum mr_err mr_journal_replay(struct mr_journal *journal, struct mr_outbox *outbox,
			      struct mr_error *error)
{
	while (journal->replayed < journal->count) {
		const struct mr_journal_file *file = &journal->files[journal->replayed];
		struct mr_block block;
		enum mr_err err = MR_OK;

		if (journal->walk.fd < 0)
			err = open_replayed(journal, error);
		if (err != MR_OK)
			return err;
		err = mr_segment_next(&journal->walk, &block, error);
		if (err == MR_OK)
			err = hand_on(journal, file, &block, outbox, error);
		if (err == MR_OK)
			return MR_OK;
		if (err != MR_END)
			return mr_journal_name_error(journal, file, error);
		close_replayed(journal);
	}
	return MR_END;
}

/* ---- writing ---- */

/* The block at the end of the last segment. */
static enum mr_err write_block(struct mr_journal *journal, struct mr_block *block,
			       struct mr_error *error)
{
	struct mr_journal_file *file = last(journal);
	uint64_t at = journal->end.offset;

	block->chain = journal->chain;
	block->number = journal->end.block;
	block->durable = journal->durable;
	journal->front.len = 0;
	mr_block_encode(block, file->seed, &journal->front);
	/* The payload first: a head that stands there promises what is behind it. */
	if (!mr_os_pwrite_all(journal->fd, block->payload, at + block->payload_at) ||
	    !mr_os_pwrite_all(journal->fd,
			      (struct mr_slice){journal->front.data, journal->front.len}, at)) {
		mr_error_errno(error, mr_error_of_write(errno), "offset %" PRIu64 ": cannot write",
			       at);
		return mr_journal_name_error(journal, file, error);
	}
	block->payload_at += at;
	journal->end.offset = at + block->end;
	journal->end.block++;
	journal->chain = block->hash;
	file->size_bytes = journal->end.offset;
	if (journal->unsynced_us == 0)
		journal->unsynced_us = steady(journal);
	return MR_OK;
}

/* Room for one more that readers have open. */
static enum mr_err make_room(struct mr_journal *journal, struct mr_error *error)
{
	size_t most = (size_t)journal->open_most;

	while (journal->count - journal->closed >= most &&
	       journal->files[journal->closed].number < journal->committed[1].segment)
		mr_files_drop(journal->env->files, journal->files[journal->closed++].file);
	journal->crowded = journal->count - journal->closed >= most;
	if (!journal->crowded)
		return MR_OK;
	return mr_error_set(error, MR_NO_SPACE,
			    "journal/%s: %zu segments wait for a checkpoint, which is as many as "
			    "its readers can have open; larger ones (segment_bytes) hold more",
			    journal->name, journal->count - journal->closed);
}

/* The last segment is full: its seal, and then the next one. */
static enum mr_err rotate(struct mr_journal *journal, int64_t now_us, struct mr_error *error)
{
	enum mr_err room = make_room(journal, error);

	if (room != MR_OK)
		return room;
	if (journal->fd >= 0) {
		struct mr_block seal = {.kind = MR_BLOCK_SEAL, .arrival_us = now_us};
		enum mr_err err = write_block(journal, &seal, error);

		if (err == MR_OK)
			err = mr_journal_sync(journal, error);
		if (err != MR_OK)
			return err;
		close_last(journal);
		mr_journal_uncache(journal);
	}
	return mr_journal_create(journal, now_us, error);
}

enum mr_err mr_journal_append(struct mr_journal *journal, struct mr_block *block,
			      struct mr_outbox *outbox, struct mr_error *error)
{
	enum mr_err err = mr_block_check(block, error);
	bool was_replayed = journal->replayed == journal->count;

	journal->crowded = false;
	if (err != MR_OK)
		return mr_error_prefix(error, "journal/%s", journal->name);
	if (journal->fd < 0 || journal->end.offset >= (uint64_t)journal->segment_bytes)
		err = rotate(journal, block->arrival_us, error);
	if (was_replayed)
		journal->replayed = journal->count;
	if (err == MR_OK)
		err = mr_journal_register(journal, last(journal), error);
	if (err == MR_OK)
		err = write_block(journal, block, error);
	if (err == MR_OK)
		err = hand_on(journal, last(journal), block, outbox, error);
	if (err == MR_OK && journal->end.offset - journal->durable >= (uint64_t)journal->sync_bytes)
		err = mr_journal_sync(journal, error);
	return err;
}

int64_t mr_journal_due_us(const struct mr_journal *journal)
{
	return journal->unsynced_us == 0 ? INT64_MAX : journal->unsynced_us + journal->sync_us;
}

enum mr_err mr_journal_sync(struct mr_journal *journal, struct mr_error *error)
{
	if (journal->unsynced_us == 0)
		return MR_OK;
	if (mr_os.fdatasync(journal->fd) != 0) {
		mr_error_errno(error, MR_IO, "cannot make it durable");
		/* The kernel takes the pages for written now: the next who opens it is to see what
		 * the disk has. */
		posix_fadvise(journal->fd, 0, 0, POSIX_FADV_DONTNEED);
		return mr_journal_name_error(journal, last(journal), error);
	}
	journal->unsynced_us = 0;
	journal->durable = journal->end.offset;
	return MR_OK;
}

/* ---- checkpoints ---- */

struct mr_journal_at mr_journal_position(struct mr_journal *journal)
{
	const struct mr_segment_walk *walk = &journal->walk;

	journal->snapped = journal->end;
	if (journal->replayed < journal->count) {
		const struct mr_journal_file *file = &journal->files[journal->replayed];
		bool begun = walk->at > 0;

		journal->snapped =
		    (struct mr_journal_at){file->number, begun ? walk->at : file->start,
					   begun ? walk->number : file->first_block};
	}
	return journal->snapped;
}

static uint64_t total_bytes(const struct mr_journal *journal)
{
	uint64_t total = 0;

	for (size_t i = 0; i < journal->count; i++)
		total += journal->files[i].size_bytes;
	return total;
}

void mr_journal_trim(struct mr_journal *journal, int64_t now_us)
{
	uint64_t needed = journal->committed[1].segment;

	/* The second is when it was ended. */
	while (journal->count > 1 && journal->files[0].number < needed &&
	       ((journal->keep_bytes != MR_UNLIMITED &&
		 total_bytes(journal) > (uint64_t)journal->keep_bytes) ||
		(journal->keep_us != MR_UNLIMITED &&
		 now_us - journal->files[1].created_us > journal->keep_us)))
		if (!mr_journal_remove_oldest(journal))
			return;
}

void mr_journal_commit(struct mr_journal *journal, int64_t now_us)
{
	journal->committed[1] = journal->committed[0];
	journal->committed[0] = journal->snapped;
	mr_journal_trim(journal, now_us);
}

/* The first segment that one needs. */
static uint64_t needed_from(const struct mr_journal *journal)
{
	uint64_t second = journal->committed[1].segment;

	return second != 0 ? second : journal->committed[0].segment;
}

bool mr_journal_may_give(const struct mr_journal *journal)
{
	return journal->count > 1 && journal->files[0].number < needed_from(journal);
}

uint64_t mr_journal_needed_bytes(const struct mr_journal *journal)
{
	uint64_t from = needed_from(journal);
	uint64_t needed = 0;

	for (size_t i = journal->count; i-- > 0 && journal->files[i].number >= from;)
		needed += journal->files[i].size_bytes;
	return needed;
}

uint64_t mr_journal_give(struct mr_journal *journal)
{
	struct mr_journal_file file = journal->files[0];

	if (!mr_journal_remove_oldest(journal))
		return 0;
	mr_log(MR_LOG_WARNING,
	       "journal/%s: segment %" PRIu64
	       " goes before journal_age and journal_bytes: its disk "
	       "is full",
	       journal->name, file.number);
	return file.size_bytes;
}
