/* follow.c - files, directories and patterns that are followed for as long as the service lives.
 *
 * A source (source.h). A file is known by device, inode and the bytes it begins with, wherever it
 * is moved: one that was renamed away, or removed, is read to its end (follow_gone.c), then what
 * has its place. inotify says when something happens; each second all is looked at anyway
 * (follow_pace.c), since not every file system tells. What is closed (follow_open.c) is looked at
 * by its path.
 *
 * The cursor is a list of files, each with device, inode, mark, title and when it was settled: all
 * of them in the head of a segment, with the names that were left (follow_names.c), in a block
 * those that were met or read on, behind those that were removed, which stand at GONE_AT. What is
 * not there any more, and may come again, as a folder does that is mounted late, is known as long
 * as the journal has the segment that was written when it was settled. */
#include "follow.h"

#include "lines.h"
#include "walk.h"

#include "millrace/own_file.h"
#include "millrace/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILES_MAX (MR_SEGMENT_CURSOR_MAX / 8) /* more have no room in a cursor */
#define NAMES_AT_ONCE 1024
#define GONE_AT INT64_MAX
#define ENTRY_ITEMS 7
#define ENTRY_ITEMS_BEFORE 6 /* without `settled` */
#define ABSENT_MOST (64 << 10)
#define GONE_BYTES                                                                                 \
	(64 << 10) /* of those that are gone, in a block; more are known at the next start */

struct follow {
	struct mr_follow_list list;
	size_t turn;
	struct mr_pace pace;
	struct mr_openings openings;
	struct mr_left_names left;
	struct mr_buf gone; /* entries of files that the journal takes for followed still */
	size_t gone_count;
	struct mr_unread_folders unread;
	struct mr_named_folders named;
	size_t lost; /* of those that are named */
	const char *lost_first;
	struct mr_own_files own;
	char *room;
};

static struct follow *of(const struct mr_source *source)
{
	return source->state;
}

/* ---- the list ---- */

static void drop(struct follow *follow, struct mr_followed *file)
{
	mr_followed_close(&follow->openings, file);
	mr_follow_list_drop(&follow->list, file);
}

static struct mr_followed *find(const struct follow *follow, dev_t device, ino_t inode)
{
	return mr_follow_list_find(&follow->list, device, inode);
}

/* Its number, where another file has this title, or had it before. */
static void take_number(struct follow *follow, struct mr_followed *file)
{
	const struct mr_followed *other;

	if (file->named)
		return;
	file->named = mr_left_names_take(&follow->left, file->title, &file->name);
	other = file->named ? NULL : mr_follow_list_namesake(&follow->list, file);
	if (!other)
		return;
	file->name = other->name;
	file->named = true;
}

/* Records that wait for the next block may come into it. */
static uint64_t next_segment(const struct mr_journal *journal)
{
	return journal->count > 0 ? journal->files[journal->count - 1].number + 1 : 1;
}

/* It is not called so any more. */
static void leave_name(struct mr_source *source, const struct mr_followed *file)
{
	struct follow *follow = of(source);
	struct mr_left_name *left;

	if (!file->named || mr_follow_list_namesake(&follow->list, file))
		return;
	left = mr_left_names_add(&follow->left, file->title, next_segment(&source->journal));
	left->name = file->name;
	left->named = true;
}

static void put_file(const struct mr_followed *file, const struct mr_mark *mark, struct mr_buf *out)
{
	mr_pack_array(out, ENTRY_ITEMS);
	mr_pack_uint(out, file->device);
	mr_pack_uint(out, file->inode);
	mr_pack_uint(out, mark->at);
	mr_pack_uint(out, mark->print_len);
	mr_pack_uint(out, mark->print);
	mr_pack_bytes(out, mr_slice(file->title));
	mr_pack_uint(out, file->settled);
}

/* The next block says so, that no start looks for it. */
static void leave(struct mr_source *source, struct mr_followed *file)
{
	struct follow *follow = of(source);
	struct mr_mark mark = {.at = GONE_AT};

	leave_name(source, file);
	if (follow->gone.len < GONE_BYTES) {
		put_file(file, &mark, &follow->gone);
		follow->gone_count++;
		source->cursor_bytes += MR_FOLLOW_ENTRY + strlen(file->title);
		source->dirty = true;
	}
	drop(follow, file);
}

/* Nobody is expected to add to it any more: no start that does not find it says so. */
static void settle(struct mr_source *source, struct mr_followed *file)
{
	file->settled = next_segment(&source->journal);
	mr_followed_dirty(source, file);
}

/* It is not followed any more, until a path leads to it again. */
static void part(struct mr_source *source, struct mr_followed *file)
{
	mr_followed_close(&of(source)->openings, file);
	file->gone = false;
	file->awake = false;
	file->barred = false;
	file->finished = true;
	file->size = -1;
	settle(source, file);
}

static void put(struct mr_source *source, bool whole, struct mr_buf *out)
{
	const struct follow *follow = of(source);
	size_t count = whole ? follow->left.count : follow->gone_count;

	for (size_t i = 0; i < follow->list.count; i++)
		count += whole || follow->list.files[i]->dirty;
	mr_pack_array(out, count);
	if (!whole)
		mr_buf_add(out, follow->gone.data, follow->gone.len);
	for (size_t i = 0; i < follow->list.count; i++) {
		const struct mr_followed *file = follow->list.files[i];

		if (whole || file->dirty)
			put_file(file, whole ? &file->safe : &file->mark, out);
	}
	for (size_t i = 0; whole && i < follow->left.count; i++) {
		struct mr_followed none = {.title = follow->left.items[i].title};
		struct mr_mark mark = {.at = follow->left.items[i].segment};

		put_file(&none, &mark, out);
	}
}

static void moved(struct mr_source *source)
{
	struct follow *follow = of(source);

	for (size_t i = 0; i < follow->list.count; i++) {
		follow->list.files[i]->safe = follow->list.files[i]->mark;
		follow->list.files[i]->dirty = false;
	}
	follow->gone.len = 0;
	follow->gone_count = 0;
}

/* Its records bear its name as long as they are kept. */
static void take_gone(struct mr_source *source, const struct mr_followed *file)
{
	struct follow *follow = of(source);
	struct mr_followed *known = find(follow, file->device, file->inode);

	if (!known)
		return;
	mr_left_names_add(&follow->left, known->title, next_segment(&source->journal));
	drop(follow, known);
}

/* The cursor says more of it. */
static void take_known(struct mr_source *source, struct mr_followed *known,
		       struct mr_followed *later)
{
	struct follow *follow = of(source);

	if (strcmp(known->title, later->title) != 0)
		mr_left_names_add(&follow->left, known->title, next_segment(&source->journal));
	mr_follow_list_title(&follow->list, known, later->title);
	mr_follow_list_path(&follow->list, known, later->path);
	known->mark = later->mark;
	known->safe = later->safe;
	known->searched = later->searched;
	known->settled = later->settled;
	free(later->title);
	free(later->path);
}

/* False where there is none. It borrows nothing. */
static bool unpack_file(struct mr_unpack *in, struct mr_followed *file)
{
	size_t items = mr_unpack_array(in, ENTRY_ITEMS);
	struct mr_slice title;

	*file = (struct mr_followed){.fd = -1, .size = -1};
	file->device = (dev_t)mr_unpack_uint(in, UINT64_MAX);
	file->inode = (ino_t)mr_unpack_uint(in, UINT64_MAX);
	file->mark.at = mr_unpack_uint(in, INT64_MAX);
	file->mark.print_len = (uint32_t)mr_unpack_uint(in, MR_PRINT_MAX);
	file->mark.print = mr_unpack_uint(in, UINT64_MAX);
	title = mr_unpack_bytes(in);
	file->settled = items == ENTRY_ITEMS ? mr_unpack_uint(in, UINT64_MAX) : 0;
	if (!mr_unpack_ok(in) || items < ENTRY_ITEMS_BEFORE)
		return false;
	file->title = mr_asprintf("%.*s", (int)title.len, title.at);
	return true;
}

/* Takes over its title. */
static void take_file(struct mr_source *source, struct mr_followed *file)
{
	struct follow *follow = of(source);
	bool is_name = file->device == 0 && file->inode == 0;
	struct mr_followed *known;

	if (is_name)
		mr_left_names_add(&follow->left, file->title, file->mark.at);
	else if (file->mark.at == GONE_AT)
		take_gone(source, file);
	if (is_name || file->mark.at == GONE_AT) {
		free(file->title);
		return;
	}
	file->path = mr_strdup(file->title);
	file->safe = file->mark;
	file->searched = file->mark.at;
	file->finished = file->settled != 0;
	known = find(follow, file->device, file->inode);
	if (known)
		take_known(source, known, file);
	else
		mr_follow_list_add(&follow->list, file);
}

static void take(struct mr_source *source, struct mr_slice bytes, bool whole)
{
	struct mr_unpack in = mr_unpack(bytes);
	size_t count = mr_unpack_array(&in, FILES_MAX);
	struct mr_followed file;

	(void)whole;
	for (size_t i = 0; i < count && unpack_file(&in, &file); i++)
		take_file(source, &file);
	mr_follow_list_close_holes(&of(source)->list);
}

/* ---- which files there are ---- */

/* The inode was used again for another file. */
static void take_another(struct mr_source *source, struct mr_followed *file)
{
	struct follow *follow = of(source);

	mr_log(MR_LOG_INFO, "%s: is another file than the one that was read as %s", file->path,
	       file->title);
	leave_name(source, file);
	mr_follow_list_title(&follow->list, file, file->path);
	file->named = false;
	take_number(follow, file);
	file->mark = (struct mr_mark){.print = mr_hash64("", 0, 0)};
	file->searched = 0;
	file->lines = false;
	file->settled = 0;
	mr_followed_dirty(source, file);
}

/* It has a descriptor, and is the file that its mark speaks of. */
static bool look_into(struct mr_source *source, struct mr_followed *file, bool needed)
{
	struct follow *follow = of(source);
	bool known = file->met && strcmp(file->path, file->title) == 0;
	enum mr_mark_found found;

	if (file->fd >= 0)
		return true;
	if (!mr_followed_open(&follow->openings, file, needed))
		return false;
	file->awake = true;
	found = known ? MR_MARK_HOLDS : mr_mark_look(&file->mark, file->fd);
	if (found == MR_MARK_UNREAD) {
		mr_followed_bar(file, "read");
		mr_followed_close(&follow->openings, file);
		return false;
	}
	if (found == MR_MARK_OTHER && !file->seen) {
		/* No path asks for that one. */
		file->met = false;
		file->awake = false;
		mr_followed_close(&follow->openings, file);
		return false;
	}
	file->met = true;
	take_number(follow, file);
	if (found == MR_MARK_OTHER)
		take_another(source, file);
	return true;
}

static enum mr_err see_file(void *context, const char *path, const struct stat *status,
			    struct mr_error *error)
{
	struct mr_source *source = context;
	struct follow *follow = of(source);
	struct mr_followed *known = find(follow, status->st_dev, status->st_ino);
	struct mr_followed file = {.fd = -1,
				   .size = -1,
				   .device = status->st_dev,
				   .inode = status->st_ino,
				   .mark = {.print = mr_hash64("", 0, 0)}};

	(void)error;
	if (mr_own_files_name(&follow->own, status) != NULL)
		return MR_OK;
	if (!known) {
		file.safe = file.mark;
		file.path = mr_strdup(path);
		file.title = mr_strdup(path);
		known = mr_follow_list_add(&follow->list, &file);
		mr_followed_dirty(source, known);
	} else if (known->seen) {
		return MR_OK; /* another link to it */
	}
	known->seen = true;
	known->gone = false;
	known->finished = false;
	known->lost = false;
	known->unlinked = false;
	if (known->size < 0)
		known->since_us = mr_source_steady(source);
	mr_follow_list_path(&follow->list, known, path);
	mr_followed_look(known, status);
	if (known->barred) /* a descriptor may be stale for good */
		mr_followed_close(&follow->openings, known);
	if (known->awake && !known->foreign)
		look_into(source, known, false);
	return MR_OK;
}

static void watch(void *context, const char *path)
{
	struct mr_source *source = context;

	mr_watching_directory(source->watch, source, path);
}

static void watch_parent(struct mr_source *source, const char *path)
{
	char *parent = mr_followed_folder(path);

	watch(source, parent);
	free(parent);
}

static void leave_unread(void *context, const char *path, const char *why)
{
	mr_unread_add(&of(context)->unread, path, why);
}

static const struct mr_walk_ops walk_ops = {
    .file = see_file, .directory = watch, .unread = leave_unread};

static void scan_path(struct mr_source *source, const char *path)
{
	struct mr_error error = {0};
	struct stat status;

	watch_parent(source, path);
	if (stat(path, &status) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return; /* it may come */
		mr_error_errno(&error, MR_IO, "%s: cannot look at it", path);
		leave_unread(source, path, error.text);
	} else if (S_ISDIR(status.st_mode)) {
		mr_walk(path, &walk_ops, source, &error); /* goes on past all */
	} else if (S_ISREG(status.st_mode)) {
		see_file(source, path, &status, &error);
	}
}

static void scan_pattern(struct mr_source *source, const char *pattern)
{
	glob_t found;

	if (!mr_unread_glob(&of(source)->unread, pattern, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		scan_path(source, found.gl_pathv[i]);
	globfree(&found);
}

/* One that no path asks for is followed where it is, if that is known. */
static void note_gone(struct mr_source *source)
{
	struct follow *follow = of(source);

	mr_missing_search(source, &follow->list, &follow->openings);
	for (size_t i = follow->list.count; i-- > 0;) {
		struct mr_followed *file = follow->list.files[i];

		if (file->seen || (file->dirty && file->fd < 0))
			continue;
		if (file->foreign || (file->unlinked && file->fd < 0)) {
			leave(source, file);
		} else if (mr_followed_is_missing(file)) {
			mr_missing_say(source, file);
			part(source, file);
		} else if (!file->gone && (file->fd >= 0 || !file->settled)) {
			file->gone = true;
			file->since_us = mr_source_steady(source);
			file->awake = file->fd >= 0 || file->awake;
		}
	}
	mr_follow_list_close_holes(&follow->list);
}

/* One that stands where it was first is written to; one that has another name, and was quiet for
 * long, was left behind by a rotation. */
static void settle_quiet(struct mr_source *source)
{
	struct follow *follow = of(source);
	int64_t now_us = mr_source_steady(source);

	for (size_t i = 0; i < follow->list.count; i++) {
		struct mr_followed *file = follow->list.files[i];
		bool moved = strcmp(file->path, file->title) != 0;

		if (!file->seen || file->foreign)
			continue;
		if (file->settled && !moved) {
			file->settled = 0;
			mr_followed_dirty(source, file);
		} else if (!file->settled && moved && !file->awake &&
			   now_us - file->since_us >= MR_FOLLOW_QUIET_US) {
			settle(source, file);
		}
	}
}

/* Those that are not there, the oldest first. */
static void forget_absent(struct mr_source *source)
{
	struct follow *follow = of(source);
	size_t count = 0;

	for (size_t i = follow->list.count; i-- > 0;) {
		struct mr_followed *file = follow->list.files[i];

		if (file->seen || !file->settled || file->fd >= 0 || file->dirty)
			continue;
		if (file->settled < source->journal.files[0].number || count++ >= ABSENT_MOST)
			leave(source, file);
	}
	mr_follow_list_close_holes(&follow->list);
}

static void note_lost(struct mr_source *source, const char *named)
{
	struct follow *follow = of(source);

	if (mr_named_look(&follow->named, source->part->name, named) && follow->lost++ == 0)
		follow->lost_first = named;
}

static void count_unread(struct mr_source *source)
{
	const struct follow *follow = of(source);

	source->unread = 0;
	for (size_t at = 0; at < follow->unread.now.len;
	     at += strlen(follow->unread.now.data + at) + 1)
		mr_source_count_unread(source, follow->unread.now.data + at);
	if (follow->lost > 0) {
		mr_source_count_unread(source, follow->lost_first);
		source->unread += follow->lost - 1;
	}
	for (size_t i = 0; i < follow->list.count; i++) {
		const struct mr_followed *file = follow->list.files[i];

		if (file->foreign || file->barred || file->lost)
			mr_source_count_unread(source, file->path);
	}
}

static void scan(struct mr_source *source)
{
	struct follow *follow = of(source);
	const char *named;
	size_t at = 0;

	mr_pace_begin(&follow->pace);
	mr_unread_begin(&follow->unread);
	follow->lost = 0;
	for (size_t i = 0; i < follow->list.count; i++) {
		follow->list.files[i]->seen = false;
		follow->list.files[i]->found = false;
	}
	while ((named = mr_config_next(&source->part->settings, "path", &at)) != NULL) {
		watch_parent(source, named);
		if (!mr_path_is_pattern(named)) {
			note_lost(source, named);
			scan_path(source, named);
		} else {
			scan_pattern(source, named);
		}
	}
	for (size_t i = 0; i < follow->list.count; i++)
		follow->list.files[i]->seen |=
		    mr_unread_hides(&follow->unread, follow->list.files[i]->path);
	note_gone(source);
	mr_gone_look(source, &follow->openings);
	settle_quiet(source);
	forget_absent(source);
	count_unread(source);
	mr_left_names_release(&follow->left, &source->journal, source->env->files);
	mr_pace_end(&follow->pace, mr_source_steady(source));
}

static bool scan_is_due(const struct mr_source *source)
{
	const struct follow *follow = of(source);

	return mr_pace_due(&follow->pace, follow->list.count, mr_source_steady(source));
}

/* ---- waiting ---- */

static void wake(struct follow *follow, const char *base)
{
	struct mr_followed *file = mr_follow_list_first(&follow->list, MR_BY_BASE, base);

	for (; file; file = file->links[MR_BY_BASE].next)
		if (!file->finished && strcmp(mr_followed_base(file), base) == 0)
			file->awake = true;
}

/* A file whose name inotify gives is awake; what is no change of bytes asks for a scan. */
static void notice(struct mr_source *source, const char *name, bool grew)
{
	if (!grew || !name)
		of(source)->pace.asked = true;
	if (name)
		wake(of(source), name);
}

/* What stood in its place before is read to its end first. */
static bool has_its_turn(const struct follow *follow, const struct mr_followed *file)
{
	const struct mr_followed *other;

	if (!file->awake || file->foreign)
		return false;
	other = mr_follow_list_first(&follow->list, MR_BY_TITLE, file->title);
	for (; other; other = other->links[MR_BY_TITLE].next)
		if (other->serial < file->serial && other->awake && !other->foreign &&
		    strcmp(other->title, file->title) == 0)
			return false;
	return true;
}

/* Those that are gone and have had their time. */
static enum mr_err end_gone(struct mr_source *source, struct mr_error *error)
{
	struct follow *follow = of(source);
	enum mr_err err = MR_OK;

	for (size_t i = follow->list.count; i-- > 0 && (err == MR_OK || err == MR_AGAIN);) {
		struct mr_followed *file = follow->list.files[i];

		if (!file->gone)
			continue;
		err = mr_gone_end(source, file, follow->room, error);
		if (err != MR_OK)
			continue;
		if (file->unlinked)
			leave(source, file);
		else
			part(source, file);
	}
	mr_follow_list_close_holes(&follow->list);
	return err == MR_AGAIN ? MR_OK : err;
}

/* ---- the source ---- */

static enum mr_err prepare(const struct mr_part *part, const struct mr_prepare *settings,
			   struct mr_error *error)
{
	const char *named;
	size_t at = 0;

	(void)settings;
	while ((named = mr_config_next(&part->settings, "path", &at)) != NULL) {
		struct stat status;

		if (stat(named, &status) == 0 && !S_ISREG(status.st_mode) &&
		    !S_ISDIR(status.st_mode))
			return mr_error_set(error, MR_CONFIG,
					    "%s: is neither a file nor a directory: it cannot be "
					    "followed",
					    named);
		mr_unread_foresee(part->name, named);
	}
	return MR_OK;
}

/* Of all that the journal may have records of, before they are replayed. */
static enum mr_err know_names(struct mr_source *source, struct mr_error *error)
{
	struct follow *follow = of(source);
	enum mr_err err = MR_OK;

	for (size_t i = 0; i < follow->list.count; i++)
		if (!follow->list.files[i]->named)
			mr_files_expect(source->env->files, mr_slice(follow->list.files[i]->title));
	for (size_t i = 0; err == MR_OK && i < follow->list.count; i++) {
		struct mr_followed *file = follow->list.files[i];

		take_number(follow, file);
		err = mr_followed_name(source, file, error);
	}
	return err == MR_OK ? mr_left_names_register(&follow->left, source->env, error) : err;
}

static enum mr_err begin(struct mr_source *source, struct mr_error *error)
{
	struct follow *follow = of(source);

	enum mr_err err = mr_openings_init(&follow->openings, source->env->config, error);

	if (err != MR_OK)
		return err;
	follow->room = mr_malloc(MR_FOLLOW_ROOM);
	source->room_bytes = source->spool.region_bytes; /* a file takes whatever is written */
	source->room_record = 0;
	mr_own_files_init(&follow->own, source->env->config);
	return MR_OK;
}

static enum mr_err open_source(struct mr_source *source, struct mr_error *error)
{
	enum mr_err err = of(source)->room ? MR_OK : begin(source, error);

	return err == MR_OK ? know_names(source, error) : err;
}

static bool waits_for_name(struct follow *follow, struct mr_followed *file)
{
	if (file->lines)
		take_number(follow, file);
	return file->lines && !file->named;
}

/* A new name costs a sync, and so do many at once: those that were met one after the other get
 * theirs when the first of them has its turn again. */
static enum mr_err name_all(struct mr_source *source, struct mr_error *error)
{
	struct follow *follow = of(source);
	size_t count = 0;
	size_t end = 0;
	enum mr_err err = MR_OK;

	for (; end < follow->list.count && count < NAMES_AT_ONCE; end++)
		if (waits_for_name(follow, follow->list.files[end])) {
			mr_files_expect(source->env->files,
					mr_slice(follow->list.files[end]->title));
			count++;
		}
	for (size_t i = 0; i < end && err == MR_OK; i++)
		if (waits_for_name(follow, follow->list.files[i]))
			err = mr_followed_name(source, follow->list.files[i], error);
	return err;
}

static enum mr_err read_one(struct mr_source *source, size_t at, struct mr_error *error)
{
	struct follow *follow = of(source);
	struct mr_followed *file = follow->list.files[at];
	enum mr_err err;

	file->used = ++follow->openings.clock;
	take_number(follow, file);
	err = waits_for_name(follow, file) ? name_all(source, error) : MR_OK;
	if (err == MR_OK)
		err = mr_followed_read(source, file, follow->room);
	if (err == MR_AGAIN)
		file->awake = false;
	else if (err != MR_OK)
		return err;
	if (file->foreign)
		mr_followed_close(&follow->openings, file);
	follow->turn = at + 1;
	mr_pace_step(&follow->pace);
	return MR_OK;
}

static enum mr_err step(struct mr_source *source, struct mr_error *error)
{
	struct follow *follow = of(source);
	size_t waits = SIZE_MAX; /* one that is closed, and has something to read */
	enum mr_err err;

	if (scan_is_due(source))
		scan(source);
	for (size_t i = 0; i < follow->list.count; i++) {
		size_t turn = (follow->turn + i) % follow->list.count;

		if (!has_its_turn(follow, follow->list.files[turn]))
			continue;
		if (look_into(source, follow->list.files[turn], false))
			return read_one(source, turn, error);
		if (waits == SIZE_MAX && follow->list.files[turn]->awake)
			waits = turn;
	}
	if (waits != SIZE_MAX && look_into(source, follow->list.files[waits], true))
		return read_one(source, waits, error);
	err = end_gone(source, error);
	follow->pace.idle = true;
	mr_source_wake(source, follow->pace.due_us);
	if (err != MR_OK)
		return err;
	return scan_is_due(source) ? MR_OK : MR_AGAIN;
}

static void close_source(struct mr_source *source)
{
	struct follow *follow = of(source);

	for (size_t i = 0; i < follow->list.count; i++)
		mr_followed_close(&follow->openings, follow->list.files[i]);
	mr_follow_list_fini(&follow->list);
	mr_openings_fini(&follow->openings);
	mr_left_names_fini(&follow->left);
	mr_buf_fini(&follow->gone);
	mr_unread_fini(&follow->unread);
	mr_named_fini(&follow->named);
	free(follow->room);
}

static void book(struct mr_source *source)
{
	struct follow *follow = of(source);

	for (size_t i = 0; i < follow->list.count; i++) {
		struct mr_followed *file = follow->list.files[i];

		if (file->safe.at != file->booked)
			mr_source_position(source, file->path, file->safe.at);
		file->booked = file->safe.at;
	}
}

const struct mr_source_ops mr_source_follow = {
    .type = "file",
    .follows = true,
    .state_size = sizeof(struct follow),
    .prepare = prepare,
    .open = open_source,
    .step = step,
    .notice = notice,
    .put = put,
    .moved = moved,
    .take = take,
    .book = book,
    .close = close_source,
};
