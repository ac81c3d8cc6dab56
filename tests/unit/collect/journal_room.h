/* journal_room.h - a journal in a folder of its own, opened and closed as by workers that die and
 * start again; what it hands on is read as parse reads it. */
#ifndef MILLRACE_TEST_COLLECT_JOURNAL_ROOM_H
#define MILLRACE_TEST_COLLECT_JOURNAL_ROOM_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "os_faults.h"
#include "spool.h"
#include "stage_harness.h"

struct room {
	struct stage stage; /* files, writer, what came */
	struct mr_outbox outbox;
	struct mr_spool spool;
	struct mr_journal journal;
	struct mr_now now;
	struct mr_error error;
	char cursor[64]; /* as the journal gave it back */
	uint32_t name;
};

static char room_folder[64];
static unsigned room_open_most = MR_SEGMENTS_OPEN_MAX; /* of the next life */

static inline void room_take(void *context, struct mr_slice bytes, bool whole)
{
	struct room *room = context;

	(void)whole;
	snprintf(room->cursor, sizeof(room->cursor), "%.*s", (int)bytes.len, bytes.at);
}
static inline void room_put(void *context, struct mr_buf *out)
{
	struct room *room = context;

	mr_buf_add_text(out, room->cursor);
}
static const struct mr_cursor_ops room_cursor = {room_take, room_put};

/* A life begins: settings are names and values, ended by NULL. */
static inline enum mr_err room_open(struct room *room, struct mr_journal_at from,
				    const char *const *settings)
{
	struct mr_part *part;
	char number[12];
	enum mr_err err;

	*room = (struct room){0};
	mr_config_add(&room->stage.config, "state", room_folder);
	snprintf(number, sizeof(number), "%u", room_open_most);
	mr_config_add(&room->stage.config, "open_segments", number);
	part = mr_config_part_add(&room->stage.config, MR_PART_SOURCE, "audit");
	for (; settings && *settings; settings += 2)
		mr_config_add(&part->settings, settings[0], settings[1]);
	room->now = (struct mr_now){.wall_us = 77, .steady_us = 77};
	room->stage.env = (struct mr_stage_env){.config = &room->stage.config,
						.now = &room->now,
						.files = &room->stage.files,
						.counters = &room->stage.counters};
	mr_writer_add_output(&room->stage.writer, MR_CONTENT_RECORDS, 0, MR_LINK_SPREAD, 1);
	mr_writer_add_output(&room->stage.writer, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
	mr_files_add(&room->stage.files, -1, MR_SLICE("original"), &room->name, NULL);
	mr_spool_init(&room->spool, &room->stage.env, &room->outbox);
	room->spool.max_record_bytes = 1 << 20;
	room->spool.region_bytes = 64 << 10;
	room->spool.journal = &room->journal;
	err = mr_journal_init(&room->journal, &room->stage.env, part, &room_cursor, room,
			      &room->error);
	stage_must(err == MR_OK);
	return mr_journal_open(&room->journal, from, 77, &room->error);
}

static inline void room_drain(struct room *room)
{
	while (mr_outbox_send(&room->outbox, &room->stage.env, &room->stage.writer) == MR_FULL)
		stage_drain(&room->stage);
	stage_drain(&room->stage);
}

static inline enum mr_err room_replay(struct room *room)
{
	enum mr_err err;

	do {
		err = mr_journal_replay(&room->journal, &room->outbox, &room->error);
		room_drain(room);
	} while (err == MR_OK);
	return err;
}

/* What waits becomes a block; `cursor` stands behind it. */
static inline enum mr_err room_commit(struct room *room, const char *cursor)
{
	enum mr_err err = mr_spool_commit(&room->spool, 77, mr_slice(cursor), &room->error);

	if (err != MR_OK)
		return err;
	snprintf(room->cursor, sizeof(room->cursor), "%s", cursor);
	room_drain(room);
	return MR_OK;
}

static inline void room_add(struct room *room, uint64_t offset, const char *text)
{
	mr_spool_begin(&room->spool, room->name, offset);
	mr_spool_add(&room->spool, text, strlen(text));
	mr_spool_end(&room->spool);
}

/* One record, one block. */
static inline enum mr_err room_put_record(struct room *room, unsigned number)
{
	char text[64];
	char cursor[32];

	snprintf(text, sizeof(text), "{\"n\":%u}", number);
	snprintf(cursor, sizeof(cursor), "c%u", number);
	room_add(room, number, text);
	return room_commit(room, cursor);
}

/* The process dies: nothing is synced. */
static inline void room_die(struct room *room)
{
	mr_journal_fini(&room->journal);
	mr_spool_fini(&room->spool);
	mr_outbox_fini(&room->outbox);
	stage_fini(&room->stage);
}

/* Records from..to, one a line, as they come. */
static inline bool room_has(struct room *room, unsigned from, unsigned to)
{
	struct mr_buf want = {0};
	bool same;

	for (unsigned i = from; i <= to; i++)
		mr_buf_printf(&want, "original %u {\"n\":%u}\n", i, i);
	same = want.len == room->stage.records.len &&
	       (want.len == 0 || memcmp(want.data, room->stage.records.data, want.len) == 0);
	if (!same)
		fprintf(stderr, "want %u to %u, got:\n%s\n", from, to,
			stage_text(&room->stage.records));
	mr_buf_fini(&want);
	return same;
}

/* ---- its files ---- */

static inline int room_clean(void **state)
{
	char *command;

	(void)state;
	os_faults_end();
	if (!room_folder[0])
		snprintf(room_folder, sizeof(room_folder), "/tmp/millrace-journal-%d", getpid());
	command = mr_asprintf("rm -rf '%s' && mkdir '%s'", room_folder, room_folder);
	stage_must(system(command) == 0);
	free(command);
	return 0;
}

static inline int room_remove(void **state)
{
	(void)state;
	room_clean(NULL);
	rmdir(room_folder);
	return 0;
}

static inline void room_path(unsigned segment, char *out, size_t size)
{
	snprintf(out, size, "%s/journal/audit/%020u.seg", room_folder, segment);
}

static inline int room_open_segment(unsigned segment)
{
	char path[256];

	room_path(segment, path, sizeof(path));
	return open(path, O_RDWR | O_CLOEXEC);
}

static inline uint64_t room_size(unsigned segment)
{
	char path[256];
	struct stat status;

	room_path(segment, path, sizeof(path));
	return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static inline void room_flip(unsigned segment, uint64_t at)
{
	int fd = room_open_segment(segment);
	char byte;

	stage_must(pread(fd, &byte, 1, (off_t)at) == 1);
	byte ^= 0x10;
	stage_must(pwrite(fd, &byte, 1, (off_t)at) == 1);
	close(fd);
}

static const struct mr_journal_at room_begin = {0};

#endif
