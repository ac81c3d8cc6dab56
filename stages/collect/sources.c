/* sources.c - the sources of `run`: each in turn is replayed, read, put into its journal, made
 * durable.
 *
 * Called by collect.c. A full disk stops the source that met it, with a warning, until there is
 * room; all else that fails ends the worker. */
#include "sources.h"

#include "loop.h"
#include "rest.h"

#include "millrace/pack.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define STEPS 16                       /* of one source, before the next has its turn */
#define RETRY_US (INT64_C(100) * 1000) /* a full disk is tried again */
#define CURSOR_BYTES MR_MIB            /* a block says no more of the cursor, or little */
#define POSITION_VERSION 2
#define JOURNAL_DESCRIPTORS 3 /* its directory, a segment to write, one that is replayed */

static const size_t position_items[POSITION_VERSION + 1] = {0, 5, 7};

static const struct mr_source_ops *const kinds[] = {
#define X(symbol) &mr_source_##symbol,
#include "source.def"
#undef X
};

static const struct mr_source_ops *kind_of(const struct mr_part *part)
{
	bool follows = mr_config_is(&part->settings, "type", "file") &&
		       mr_config_flag(&part->settings, "follow");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (mr_config_is(&part->settings, "type", kinds[i]->type) &&
		    kinds[i]->follows == follows)
			return kinds[i];
	return NULL;
}

enum mr_err mr_sources_prepare(const struct mr_prepare *prepare, struct mr_error *error)
{
	const struct mr_part *part;
	enum mr_err err = MR_OK;

	for (size_t i = 0;
	     err == MR_OK && (part = mr_config_part(prepare->config, MR_PART_SOURCE, i)) != NULL;
	     i++) {
		const struct mr_source_ops *ops = kind_of(part);
		const char *wrong = NULL;

		if (mr_config_is(&part->settings, "type", "file"))
			err = mr_loop_check(prepare->config, &part->settings, &wrong, error);
		if (err == MR_OK && ops->prepare)
			err = ops->prepare(part, prepare, error);
		if (err == MR_OK)
			continue;
		mr_error_prefix(error, "source %s", part->name);
		mr_config_blame(prepare->config, wrong, error);
	}
	return err;
}

uint64_t mr_sources_descriptors(const struct mr_config *config)
{
	const struct mr_part *part;
	uint64_t sum = 0;

	for (size_t i = 0; (part = mr_config_part(config, MR_PART_SOURCE, i)) != NULL; i++)
		sum += JOURNAL_DESCRIPTORS + kind_of(part)->descriptors;
	return sum;
}

/* ---- the cursor ---- */

static void take_cursor(void *context, struct mr_slice bytes, bool whole)
{
	struct mr_source *source = context;

	source->ops->take(source, bytes, whole);
}

static void put_cursor(void *context, struct mr_buf *out)
{
	struct mr_source *source = context;

	source->ops->put(source, true, out);
}

static const struct mr_cursor_ops cursor_ops = {.take = take_cursor, .put = put_cursor};

/* ---- open and close ---- */

static void close_source(struct mr_source *source)
{
	if (source->state)
		source->ops->close(source);
	free(source->state);
	mr_journal_fini(&source->journal);
	mr_spool_fini(&source->spool);
	mr_outbox_fini(&source->outbox);
}

static enum mr_err init_source(struct mr_source *source, const struct mr_stage_env *env,
			       const struct mr_part *part, struct mr_error *error)
{
	int64_t record_bytes;
	int64_t region_bytes;
	enum mr_err err;

	*source = (struct mr_source){.ops = kind_of(part),
				     .env = env,
				     .part = part,
				     .room_bytes = MR_REST_ROOM,
				     .room_record = MR_REST_RECORD};
	err = mr_config_int(env->config, "max_record_bytes", &record_bytes, error);
	if (err == MR_OK)
		err = mr_config_int(&part->settings, "idle_timeout", &source->idle_us, error);
	if (err == MR_OK)
		err = mr_config_int(env->config, "region_bytes", &region_bytes, error);
	if (err == MR_OK)
		err = mr_journal_init(&source->journal, env, part, &cursor_ops, source, error);
	if (err != MR_OK)
		return err;
	source->state = mr_calloc(1, source->ops->state_size);
	mr_spool_init(&source->spool, env, &source->outbox);
	source->spool.journal = &source->journal;
	source->spool.max_record_bytes = (uint64_t)record_bytes;
	source->spool.region_bytes = (uint64_t)region_bytes;
	return MR_OK;
}

void mr_sources_fini(struct mr_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		close_source(&sources->items[i]);
	mr_watching_fini(&sources->watch);
	if (sources->env && sources->timer >= 0) {
		mr_waits_drop(sources->env->waits, sources->timer);
		close(sources->timer);
	}
	free(sources->items);
	free(sources->room.journals);
	mr_buf_fini(&sources->gone);
	*sources = (struct mr_sources){0};
}

enum mr_err mr_sources_open(struct mr_sources *sources, const struct mr_stage_env *env,
			    struct mr_error *error)
{
	size_t parts = mr_config_parts(env->config, MR_PART_SOURCE);
	const struct mr_part *part;
	enum mr_err err = MR_OK;

	*sources = (struct mr_sources){.env = env};
	sources->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (sources->timer < 0)
		return mr_error_errno(error, MR_IO, "cannot make a timer");
	mr_waits_set(env->waits, sources->timer, POLLIN);
	mr_watching_init(&sources->watch, env->waits);
	/* In place from the start: each journal and spool knows its source. */
	sources->items = mr_calloc(parts, sizeof(*sources->items));
	sources->room = (struct mr_room){.journals = mr_calloc(parts, sizeof(struct mr_journal *)),
					 .counters = env->counters};
	for (size_t i = 0;
	     err == MR_OK && (part = mr_config_part(env->config, MR_PART_SOURCE, i)) != NULL; i++) {
		if (i % env->workers != env->worker)
			continue;
		struct mr_source *source = &sources->items[sources->count++];

		err = init_source(source, env, part, error);
		source->room = &sources->room;
		source->watch = &sources->watch;
		source->begun_bytes = &sources->begun_bytes;
		sources->room.journals[sources->room.count++] = &source->journal;
		if (err == MR_OK && source->ops->listen)
			err = source->ops->listen(source, error);
		mr_marks_state(env->marks, part->number, MR_SOURCE_ACTIVE);
	}
	if (err != MR_OK) {
		mr_sources_fini(sources);
		return err;
	}
	return MR_OK;
}

/* Said once for each time that there is none. The reserve is no help where others fill the disk, or
 * a quota ends sooner: what can go goes then. */
static void lacks_room(struct mr_source *source, const char *why)
{
	if (!source->full)
		mr_log(MR_LOG_WARNING, "source %s: reading stops until there is room: %s",
		       source->part->name, why);
	source->full = true;
	if (!source->journal.crowded)
		mr_room_give(source->room);
	mr_source_wake(source, mr_source_steady(source) + RETRY_US);
}

static void has_room(struct mr_source *source)
{
	if (source->full)
		mr_log(MR_LOG_WARNING, "source %s: there is room again: reading goes on",
		       source->part->name);
	source->full = false;
}

/* MR_NO_SPACE: it is to be begun again. */
static enum mr_err begin_source(struct mr_source *source, struct mr_error *error)
{
	struct mr_error own = {0};
	enum mr_err err =
	    mr_journal_open(&source->journal, source->from, mr_source_now(source), &own);

	if (err == MR_OK)
		err = source->ops->open(source, &own);
	if (err == MR_NO_SPACE) {
		lacks_room(source, own.text);
		return err;
	}
	if (err != MR_OK) {
		*error = own;
		return err;
	}
	has_room(source);
	source->begun = true;
	source->heard_us = mr_source_steady(source);
	return MR_OK;
}

/* ---- silence ---- */

static void is_heard(struct mr_source *source)
{
	source->heard_us = mr_source_steady(source);
	if (source->idle)
		mr_marks_state(source->env->marks, source->part->number, MR_SOURCE_ACTIVE);
	source->idle = false;
}

static void is_silent(struct mr_source *source)
{
	if (source->idle_us == MR_UNLIMITED || source->idle)
		return;
	if (mr_source_steady(source) - source->heard_us < source->idle_us) {
		mr_source_wake(source, source->heard_us + source->idle_us);
		return;
	}
	source->idle = true;
	mr_marks_state(source->env->marks, source->part->number, MR_SOURCE_IDLE);
}

/* ---- reading ---- */

void mr_source_count_unread(struct mr_source *source, const char *input)
{
	struct mr_slice name = mr_slice(input);

	if (source->unread++ == 0)
		snprintf(source->unread_first, sizeof(source->unread_first), "%.*s",
			 (int)mr_utf8_cut(name, MR_FIGURES_WORDS), input);
}

void mr_source_unread(struct mr_source *source, const char *input, const char *why)
{
	mr_log_event(MR_LOG_ERROR, MR_EVENT_INPUT_DAMAGED, "source %s: %s: %s", source->part->name,
		     input, why);
	mr_count(source->env->counters, MR_C_INPUTS_DAMAGED, 1);
}

/* What waits becomes a block. On a full disk it waits on. */
static enum mr_err commit_block(struct mr_source *source, struct mr_error *error)
{
	struct mr_buf cursor = {0};
	struct mr_error full = {0};
	uint64_t waiting = mr_spool_waiting(&source->spool);
	uint64_t records = source->spool.count;
	enum mr_err err;

	if (waiting == 0 && !source->dirty)
		return MR_OK;
	if (waiting > 0)
		is_heard(source);
	source->ops->put(source, false, &cursor);
	err = mr_room_ask(source->room, waiting + cursor.len, &full);
	if (err == MR_OK)
		err = mr_spool_commit(&source->spool, mr_source_now(source),
				      (struct mr_slice){cursor.data, cursor.len}, &full);
	mr_buf_fini(&cursor);
	if (err == MR_OK) {
		source->dirty = false;
		source->cursor_bytes = 0;
		source->ops->moved(source);
		source->came_bytes += waiting + records * source->room_record;
	} else if (err == MR_NO_SPACE) {
		lacks_room(source, full.text);
	} else {
		*error = full;
	}
	return err;
}

static enum mr_err replay(struct mr_source *source, struct mr_error *error)
{
	enum mr_err err = mr_journal_replay(&source->journal, &source->outbox, error);

	if (err != MR_END)
		return err;
	source->replayed = true;
	return MR_OK;
}

/* MR_OK: there may be more at once; MR_AGAIN; MR_END; MR_NO_SPACE: the disk is full. */
static enum mr_err read_source(struct mr_source *source, struct mr_error *error)
{
	struct mr_error own = {0};
	enum mr_err step;
	enum mr_err err = MR_OK;

	if (!source->replayed)
		return replay(source, error);
	if (source->full)
		err = commit_block(source, error);
	if (err != MR_OK)
		return err;
	step = source->ops->step(source, &own);
	if (step == MR_NO_SPACE) {
		lacks_room(source, own.text);
		return step;
	}
	if (step != MR_OK && step != MR_AGAIN && step != MR_END) {
		*error = own;
		return step;
	}
	has_room(source);
	if (source->spool.error.code != MR_OK) {
		*error = source->spool.error;
		return error->code;
	}
	if (step != MR_OK || source->cursor_bytes >= CURSOR_BYTES ||
	    mr_spool_waiting(&source->spool) >= source->spool.region_bytes)
		err = commit_block(source, error);
	if (err != MR_OK)
		return err;
	if (step == MR_END) {
		source->ended = true;
		mr_marks_state(source->env->marks, source->part->number, MR_SOURCE_ENDED);
		return mr_journal_sync(&source->journal, error);
	}
	return step;
}

/* MR_FULL: the writer takes no more. MR_AGAIN: nothing to do now; MR_END: nor ever. */
static enum mr_err run_source(struct mr_source *source, struct mr_writer *out,
			      struct mr_error *error)
{
	enum mr_err err = source->begun ? MR_OK : begin_source(source, error);

	for (int i = 0; err == MR_OK && i < STEPS; i++) {
		if (mr_outbox_send(&source->outbox, source->env, out) != MR_OK ||
		    !mr_writer_ready(out))
			return MR_FULL;
		if (source->ended)
			return MR_END;
		err = read_source(source, error);
	}
	if (err == MR_NO_SPACE && source->full)
		err = MR_AGAIN;
	if (err != MR_OK && err != MR_AGAIN)
		return err;
	if (err == MR_AGAIN && source->replayed && !source->full)
		is_silent(source);
	if (mr_journal_due_us(&source->journal) <= mr_source_steady(source)) {
		enum mr_err sync = mr_journal_sync(&source->journal, error);

		if (sync != MR_OK)
			return sync;
	}
	return mr_outbox_send(&source->outbox, source->env, out) == MR_OK ? err : MR_FULL;
}

/* When something is due first; sources say it anew each time that they are asked. */
static int64_t first_due_us(struct mr_sources *sources)
{
	int64_t due_us = INT64_MAX;

	for (size_t i = 0; i < sources->count; i++) {
		struct mr_source *source = &sources->items[i];
		int64_t sync_us = mr_journal_due_us(&source->journal);

		if (source->due_us != 0 && source->due_us < due_us)
			due_us = source->due_us;
		if (sync_us < due_us)
			due_us = sync_us;
		source->due_us = 0;
	}
	return due_us;
}

static void set_timer(struct mr_sources *sources, int64_t due_us)
{
	int64_t now_us = sources->env->now->steady_us;
	int64_t left_us;
	struct itimerspec spec = {0};
	uint64_t rung;

	if (read(sources->timer, &rung, sizeof(rung)) < 0)
		rung = 0;
	if (due_us != INT64_MAX) {
		left_us = due_us > now_us ? due_us - now_us : 1;
		spec.it_value.tv_sec = left_us / 1000000;
		spec.it_value.tv_nsec = left_us % 1000000 * 1000;
	}
	timerfd_settime(sources->timer, 0, &spec, NULL);
}

/* All have run dry. What is due waits for no rest: a journal is made durable in time. */
static void rest(struct mr_sources *sources, int64_t due_us)
{
	int64_t now_us = sources->env->now->steady_us;
	int64_t rest_us = MR_REST_MOST_US;
	bool came = false;

	for (size_t i = 0; i < sources->count; i++) {
		struct mr_source *source = &sources->items[i];
		int64_t own_us;

		if (source->came_bytes == 0)
			continue;
		own_us =
		    mr_rest_us(source->came_bytes, now_us - sources->dry_us, source->room_bytes);
		rest_us = own_us < rest_us ? own_us : rest_us;
		source->came_bytes = 0;
		came = true;
	}
	if (!came)
		return;
	sources->dry_us = now_us;
	mr_waits_rest(sources->env->waits, due_us < now_us + rest_us ? due_us : now_us + rest_us);
}

enum mr_err mr_sources_poll(struct mr_sources *sources, struct mr_writer *out,
			    struct mr_error *error)
{
	bool again = false;
	size_t ended = 0;
	int64_t due_us;

	mr_watching_read(&sources->watch);
	for (size_t i = 0; i < sources->count; i++) {
		size_t turn = (sources->turn + i) % sources->count;
		enum mr_err err = run_source(&sources->items[turn], out, error);

		if (err == MR_FULL) {
			sources->turn = turn;
			return MR_FULL;
		}
		if (err == MR_OK)
			again = true;
		else if (err == MR_END)
			ended++;
		else if (err != MR_AGAIN)
			return err;
	}
	sources->turn++;
	if (again)
		return MR_OK;
	due_us = first_due_us(sources);
	rest(sources, due_us);
	set_timer(sources, due_us);
	return ended == sources->count ? MR_END : MR_AGAIN;
}

/* ---- the end ---- */

/* Once: that worker may be killed before there is room. */
static void say_left(struct mr_source *source)
{
	uint64_t bytes;

	source->ops->hang_up(source, &bytes);
	if (!source->said_left)
		mr_log(MR_LOG_ERROR,
		       "source %s: %llu bytes that it was sent do not stand in its journal yet: "
		       "they are lost if it ends before",
		       source->part->name,
		       (unsigned long long)bytes + mr_spool_waiting(&source->spool));
	source->said_left = true;
}

static enum mr_err drain(struct mr_source *source, struct mr_error *error)
{
	enum mr_err err = source->begun ? MR_OK : begin_source(source, error);
	uint64_t left = UINT64_MAX, before;

	while (err == MR_OK) {
		err = read_source(source, error);
		mr_outbox_fini(&source->outbox);
		/* What waited for room has some, now that a block is written. */
		before = left;
		if (err == MR_AGAIN && source->ops->hang_up(source, &left) && left < before)
			err = MR_OK;
	}
	return err == MR_AGAIN ? mr_journal_sync(&source->journal, error) : err;
}

/* What it was sent and has not read goes into the journal, where it stands behind the last
 * checkpoint: whoever comes next replays it, as after a death. MR_NO_SPACE: call again. */
static enum mr_err finish_source(struct mr_source *source, struct mr_error *error)
{
	uint64_t before = source->journal.end.block;
	uint64_t bytes;

	if (!source->ops->hang_up ||
	    (!source->ops->hang_up(source, &bytes) && mr_spool_waiting(&source->spool) == 0))
		return MR_OK;
	source->replayed = true; /* nothing is handed on any more */
	enum mr_err err = drain(source, error);
	if (err != MR_OK)
		say_left(source);
	else if (source->journal.end.block > before)
		mr_log(MR_LOG_INFO,
		       "source %s: what came behind the last checkpoint is in the journal, and is "
		       "judged when this source runs next",
		       source->part->name);
	return err;
}

enum mr_err mr_sources_finish(struct mr_sources *sources, struct mr_error *error)
{
	for (size_t i = 0; i < sources->count; i++) {
		struct mr_source *source = &sources->items[i];
		enum mr_err err = finish_source(source, error);

		if (err == MR_NO_SPACE && source->full)
			return MR_FULL;
		if (err != MR_OK)
			return err;
	}
	return MR_OK;
}

/* ---- checkpoints ---- */

enum mr_err mr_sources_barrier(struct mr_sources *sources, struct mr_writer *out,
			       struct mr_error *error)
{
	for (size_t i = 0; i < sources->count; i++) {
		struct mr_source *source = &sources->items[i];
		enum mr_err err = source->begun ? MR_OK : begin_source(source, error);

		/* On a full disk the checkpoint is of what stands in the journal. */
		if (err == MR_OK && source->replayed)
			err = commit_block(source, error);
		if (err == MR_OK || err == MR_NO_SPACE)
			err = mr_journal_sync(&source->journal, error);
		if (err != MR_OK)
			return err;
		if (mr_outbox_send(&source->outbox, source->env, out) != MR_OK)
			return MR_FULL;
	}
	for (size_t i = 0; i < sources->count && sources->env->counters->books; i++)
		if (sources->items[i].ops->book)
			sources->items[i].ops->book(&sources->items[i]);
	return MR_OK;
}

enum mr_err mr_sources_snapshot(struct mr_sources *sources, struct mr_buf *out,
				struct mr_error *error)
{
	struct mr_buf bytes = {0};
	enum mr_err err = MR_OK;

	for (size_t i = 0; i < sources->count && err == MR_OK; i++)
		err = mr_journal_in_place(&sources->items[i].journal, error);
	if (err != MR_OK)
		return err;
	mr_room_begin(&sources->room);
	for (size_t i = 0; i < sources->count; i++) {
		struct mr_source *source = &sources->items[i];
		struct mr_journal_at at = mr_journal_position(&source->journal);
		struct mr_buf own = {0};

		if (source->ops->snapshot)
			source->ops->snapshot(source, &own);
		bytes.len = 0;
		mr_pack_array(&bytes, position_items[POSITION_VERSION]);
		mr_pack_uint(&bytes, POSITION_VERSION);
		mr_pack_uint(&bytes, at.segment);
		mr_pack_uint(&bytes, at.offset);
		mr_pack_uint(&bytes, at.block);
		mr_pack_bytes(&bytes, (struct mr_slice){own.data ? own.data : "", own.len});
		mr_pack_bytes(&bytes, mr_slice(source->ops->type));
		mr_pack_bool(&bytes, source->ops->follows);
		mr_snapshot_named(out, mr_slice(source->part->name),
				  (struct mr_slice){bytes.data, bytes.len});
		mr_buf_fini(&own);
		/* Not only once it is committed: a bound that was made smaller may be why it can
		 * be. */
		mr_journal_trim(&source->journal, sources->env->now->wall_us);
	}
	if (sources->gone.len > 0)
		mr_buf_add(out, sources->gone.data, sources->gone.len);
	mr_buf_fini(&bytes);
	return MR_OK;
}

/* How far files were read is told in another way where they are followed: what the one has read the
 * other would read again, and its dead letters and books would have it twice. */
static enum mr_err check_kind(const struct mr_source *source, struct mr_unpack *in,
			      struct mr_error *error)
{
	struct mr_slice type = mr_unpack_bytes(in);
	bool follows = mr_unpack_bool(in);

	if (!mr_unpack_ok(in) || !mr_slice_eq(type, mr_slice(source->ops->type)) ||
	    follows == source->ops->follows)
		return MR_OK;
	return mr_error_set(error, MR_CONFIG,
			    "source %s: it was read with `follow: %s` until now, and what was read "
			    "would be read again: leave that as it was, or give it another name",
			    source->part->name, follows ? "true" : "false");
}

static enum mr_err restore_source(struct mr_source *source, struct mr_slice bytes,
				  struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	size_t items = mr_unpack_array(&in, SIZE_MAX);
	uint64_t version = mr_unpack_uint(&in, UINT64_MAX);
	struct mr_slice own;
	enum mr_err err = MR_OK;

	if (mr_unpack_ok(&in) && version > POSITION_VERSION)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "source %s: its position in the checkpoint is of version "
				    "%" PRIu64 ", written by a newer millrace",
				    source->part->name, version);
	source->from.segment = mr_unpack_uint(&in, UINT64_MAX);
	source->from.offset = mr_unpack_uint(&in, INT64_MAX);
	source->from.block = mr_unpack_uint(&in, UINT64_MAX);
	own = mr_unpack_bytes(&in);
	if (version > 1)
		err = check_kind(source, &in, error);
	if (err != MR_OK)
		return err;
	if (!mr_unpack_done(&in) || items != position_items[version])
		return mr_error_set(error, MR_BAD_INPUT,
				    "source %s: its position in the checkpoint is no position",
				    source->part->name);
	if (own.len == 0 || !source->ops->restore)
		return MR_OK;
	return source->ops->restore(source, own, error);
}

static bool is_named(const struct mr_config *config, struct mr_slice name)
{
	const struct mr_part *part;

	for (size_t i = 0; (part = mr_config_part(config, MR_PART_SOURCE, i)) != NULL; i++)
		if (mr_slice_eq(name, mr_slice(part->name)))
			return true;
	return false;
}

enum mr_err mr_sources_restore(struct mr_sources *sources, struct mr_slice name,
			       struct mr_slice bytes, struct mr_error *error)
{
	for (size_t i = 0; i < sources->count; i++)
		if (mr_slice_eq(name, mr_slice(sources->items[i].part->name)))
			return restore_source(&sources->items[i], bytes, error);
	if (sources->env->worker == 0 && !is_named(sources->env->config, name))
		mr_snapshot_named(&sources->gone, name, bytes);
	return MR_OK;
}

void mr_sources_committed(struct mr_sources *sources)
{
	mr_room_committed(&sources->room);
	for (size_t i = 0; i < sources->count; i++)
		mr_journal_commit(&sources->items[i].journal, sources->env->now->wall_us);
}

void mr_sources_show(const struct mr_sources *sources, mr_figures_taker take, void *context)
{
	for (size_t i = 0; i < sources->count; i++) {
		const struct mr_source *source = &sources->items[i];
		const struct mr_journal *journal = &source->journal;
		char words[64];
		struct mr_figures figures = {.kind = MR_PART_SOURCE,
					     .name = mr_slice(source->part->name),
					     .words = {words, 0},
					     .full = source->full,
					     .segments = journal->count,
					     .unread = source->unread};

		if (source->unread > 0)
			figures.input = mr_slice(source->unread_first);

		for (size_t k = 0; k < journal->count; k++)
			figures.bytes += journal->files[k].size_bytes;
		figures.words.len =
		    (size_t)snprintf(words, sizeof(words), "segment %" PRIu64 ", offset %" PRIu64,
				     journal->end.segment, journal->end.offset);
		take(context, &figures);
	}
}
