/* test_journal.c - the write-ahead log: what comes back after a death, what is cut off, what is
 * refused, what goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>

#include "journal_room.h"
#include "logged.h"

static int begin(void **state)
{
	logged_begin();
	return room_clean(state);
}

/* So many records, a block and a sync each; the end of each block in `ends`, ends[0] of none. */
static void write_records(unsigned count, uint64_t *ends, bool sync)
{
	struct room room;

	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	ends[0] = room.journal.end.offset;
	for (unsigned i = 1; i <= count; i++) {
		assert_int_equal(room_put_record(&room, i), MR_OK);
		if (sync)
			assert_int_equal(mr_journal_sync(&room.journal, &room.error), MR_OK);
		ends[i] = room.journal.end.offset;
	}
	room_die(&room);
}

static void all_comes_back_from_any_position(void **state)
{
	struct mr_journal_at at[9];
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	at[0] = mr_journal_position(&room.journal);
	for (unsigned i = 1; i <= 8; i++) {
		assert_int_equal(room_put_record(&room, i), MR_OK);
		at[i] = mr_journal_position(&room.journal);
	}
	assert_true(room_has(&room, 1, 8));
	assert_int_equal(room.stage.frame_regions, 8);
	room_die(&room);
	for (unsigned i = 0; i <= 8; i++) {
		assert_int_equal(room_open(&room, at[i], NULL), MR_OK);
		assert_string_equal(room.cursor, "c8");
		assert_int_equal(room_replay(&room), MR_END);
		assert_true(room_has(&room, i + 1, 8));
		room_die(&room);
	}
}

/* A position taken in the middle of a replay is where the next one goes on. */
static void a_replay_that_dies_goes_on(void **state)
{
	uint64_t ends[10];
	struct mr_journal_at at;
	struct room room;

	(void)state;
	write_records(9, ends, true);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	for (int i = 0; i < 4; i++)
		assert_int_equal(mr_journal_replay(&room.journal, &room.outbox, &room.error),
				 MR_OK);
	at = mr_journal_position(&room.journal);
	assert_int_equal(at.offset, ends[4]);
	assert_int_equal(at.block, 5);
	room_die(&room);
	assert_int_equal(room_open(&room, at, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_true(room_has(&room, 5, 9));
	room_die(&room);
}

static void what_is_set_aside_comes_back_in_its_place(void **state)
{
	struct room room;
	const char *rejects = "original 20 broken (why)\noriginal 40 abc (torn; its first 3 bytes "
			      "are kept)\n";

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	room_add(&room, 1, "{\"n\":1}");
	mr_spool_begin(&room.spool, room.name, 20);
	mr_spool_add(&room.spool, "broken", 6);
	mr_spool_refuse(&room.spool, MR_REJECT_DAMAGED, "why");
	room_add(&room, 2, "  {\"n\":2}  ");
	mr_spool_begin(&room.spool, room.name, 40);
	mr_spool_add(&room.spool, "abc", 3);
	mr_spool_skip(&room.spool, 7);
	mr_spool_refuse(&room.spool, MR_REJECT_DAMAGED, "torn");
	mr_spool_begin(&room.spool, room.name, 3);
	mr_spool_add(&room.spool, "{\"n\"", 4);
	assert_int_equal(room.spool.count, 2);
	assert_int_equal(room_commit(&room, "c"), MR_OK);
	assert_string_equal(stage_text(&room.stage.records),
			    "original 1 {\"n\":1}\noriginal 4 {\"n\":2}\n");
	assert_string_equal(stage_text(&room.stage.rejects), rejects);
	mr_spool_add(&room.spool, ":3}", 3); /* it began before the block and ends behind it */
	mr_spool_end(&room.spool);
	assert_int_equal(room_commit(&room, "d"), MR_OK);
	room_die(&room);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_string_equal(stage_text(&room.stage.records),
			    "original 1 {\"n\":1}\noriginal 4 {\"n\":2}\noriginal 3 {\"n\":3}\n");
	assert_string_equal(stage_text(&room.stage.rejects), rejects);
	assert_string_equal(room.cursor, "d");
	stage_balance(&room.stage);
	room_die(&room);
}

/* Records that are in the journal already are known again by their count. */
static void what_is_there_already_is_skipped(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	room.spool.skip = 2;
	room_add(&room, 1, "{\"n\":1}");
	room_add(&room, 1, "   ");
	mr_spool_begin(&room.spool, room.name, 2);
	mr_spool_add(&room.spool, "x", 1);
	mr_spool_refuse(&room.spool, MR_REJECT_DAMAGED, "why");
	room_add(&room, 3, "{\"n\":3}");
	assert_int_equal(room.spool.units, 3);
	assert_int_equal(room_commit(&room, "c"), MR_OK);
	assert_true(room_has(&room, 3, 3));
	assert_int_equal(room.stage.reject_count, 0);
	room_die(&room);
}

/* The last block is cut short at each byte: it goes, with a word, and what comes next stands in its
 * place. */
static void a_torn_end_is_cut_off(void **state)
{
	uint64_t ends[4];
	struct room room;

	(void)state;
	write_records(3, ends, true);
	for (uint64_t len = ends[3] - 1; len > ends[2]; len--) {
		int fd = room_open_segment(1);

		assert_int_equal(ftruncate(fd, (off_t)len), 0);
		close(fd);
		logged[0] = 0;
		assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
		assert_int_equal(room_replay(&room), MR_END);
		if (room.stage.record_count == 3) { /* of its padding only */
			assert_true(ends[3] - len < 8);
			room_die(&room);
			continue;
		}
		assert_true(room_has(&room, 1, 2));
		assert_string_equal(room.cursor, "c2");
		assert_non_null(strstr(logged, "torn end is cut off"));
		assert_int_equal(room_size(1), ends[2]);
		assert_int_equal(room_put_record(&room, 3), MR_OK);
		assert_true(room_has(&room, 1, 3));
		room_die(&room);
		assert_true(room_size(1) >= len);
	}
}

/* The disk has the length but not the bytes, or others. */
static void a_torn_end_of_zeros_is_cut_off(void **state)
{
	uint64_t ends[4];
	struct room room;
	int fd;

	(void)state;
	write_records(3, ends, true);
	fd = room_open_segment(1);
	assert_int_equal(ftruncate(fd, (off_t)ends[2] + 20), 0);
	assert_int_equal(ftruncate(fd, (off_t)ends[2] + 5000), 0);
	close(fd);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_true(room_has(&room, 1, 2));
	room_die(&room);
}

static void check_refused(struct mr_journal_at from, const char *words)
{
	struct room room;

	assert_int_equal(room_open(&room, from, NULL), MR_BAD_INPUT);
	if (!strstr(room.error.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, room.error.text);
	room_die(&room);
}

/* Each byte of each block but the last: refused, and left as it is. */
static void a_flipped_byte_in_the_middle_is_refused(void **state)
{
	uint64_t ends[5];
	uint64_t size;

	(void)state;
	write_records(4, ends, true);
	size = room_size(1);
	for (unsigned block = 1; block <= 3; block++) {
		for (uint64_t at = ends[block - 1]; at < ends[block]; at++) {
			struct room room;
			char words[64];

			room_flip(1, at);
			snprintf(words, sizeof(words),
				 "journal/audit/00000000000000000001.seg: damaged");
			if (room_open(&room, room_begin, NULL) == MR_OK) {
				/* Padding: nothing stands there. */
				assert_true(ends[block] - at < 8);
			} else {
				assert_non_null(strstr(room.error.text, words));
				snprintf(words, sizeof(words), "offset %llu",
					 (unsigned long long)ends[block - 1]);
				assert_non_null(strstr(room.error.text, words));
			}
			room_die(&room);
			room_flip(1, at);
			assert_int_equal(room_size(1), size);
		}
	}
}

/* What was not synced may have reached the disk in any order: a hole in it is a torn end. But where
 * the checkpoint needs it, it was whole. */
static void a_hole_in_what_was_never_durable_is_cut_off(void **state)
{
	uint64_t ends[5];
	struct room room;
	struct mr_journal_at from = {.segment = 1, .block = 4};

	(void)state;
	write_records(4, ends, false);
	room_flip(1, ends[2] - 20);
	from.offset = ends[3];
	check_refused(from, "the checkpoint needs it whole up to offset");
	assert_true(room_size(1) > ends[3]);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_true(room_has(&room, 1, 1));
	assert_int_equal(room_size(1), ends[1]);
	room_die(&room);
}

static void a_flipped_header_is_refused(void **state)
{
	uint64_t ends[3];

	(void)state;
	write_records(2, ends, true);
	for (uint64_t at = 0; at + 8 < ends[0]; at++) {
		room_flip(1, at);
		check_refused(room_begin, "journal/audit/00000000000000000001.seg: offset ");
		room_flip(1, at);
	}
	check_refused((struct mr_journal_at){.segment = 2, .offset = 100, .block = 9},
		      "goes on from segment 2");
	check_refused((struct mr_journal_at){.segment = 1, .offset = ends[2] + 8, .block = 4},
		      "which is not there");
}

/* Its checksum holds. Nothing of it changes. */
static void a_newer_segment_is_refused(void **state)
{
	uint64_t ends[3];
	struct room room;
	char head[128];
	uint64_t len;
	uint64_t hash;
	uint64_t size;
	int fd;

	(void)state;
	write_records(2, ends, true);
	size = room_size(1);
	fd = room_open_segment(1);
	assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
	len = 64 + mr_le_get(head + 12, 4) + mr_le_get(head + 16, 4);
	assert_true(len + 8 <= sizeof(head));
	head[8] = MR_SEGMENT_VERSION + 1;
	hash = mr_hash64(head, len, 0);
	mr_le_put(head + len, hash, 8);
	assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
	close(fd);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_UNSUPPORTED);
	assert_string_equal(room.error.text,
			    "journal/audit/00000000000000000001.seg: the segment is of version 2, "
			    "written by a newer millrace; this one reads versions up to 1");
	room_die(&room);
	assert_int_equal(room_size(1), size);
}

/* Bytes of one block over those of another, of the same length; and one block left out. */
static void a_block_from_elsewhere_is_refused(void **state)
{
	uint64_t ends[6];
	char bytes[512];
	size_t len;
	int fd;

	(void)state;
	write_records(5, ends, true);
	len = ends[3] - ends[2];
	assert_true(len < sizeof(bytes) && len == ends[2] - ends[1]);
	fd = room_open_segment(1);
	assert_int_equal(pread(fd, bytes, len, (off_t)ends[2]), len);
	assert_int_equal(pwrite(fd, bytes, len, (off_t)ends[1]), len);
	check_refused(room_begin, "the block is number 3 of another place; here stands number 2");
	close(fd);
}

/* ---- segments ---- */

static const char *const small_segments[] = {
    "segment_bytes", "1MiB", "journal_bytes", "64MiB", "journal_age", "1h", NULL};

/* A record of a megabyte each: so many segments. */
static void put_segments(struct room *room, unsigned from, unsigned to)
{
	char *text = mr_malloc(1 << 20);

	memset(text, ' ', 1 << 20);
	for (unsigned i = from; i <= to; i++) {
		char cursor[32];
		int len = snprintf(text, 64, "{\"n\":%u,\"x\":\"", i);

		text[len] = ' ';
		memcpy(text + (1 << 20) - 3, "\"}", 3);
		room->spool.max_record_bytes = 2 << 20;
		room_add(room, i, text);
		snprintf(cursor, sizeof(cursor), "c%u", i);
		assert_int_equal(room_commit(room, cursor), MR_OK);
	}
	free(text);
}

static size_t count_segments(void)
{
	char path[256];
	DIR *directory;
	size_t count = 0;

	snprintf(path, sizeof(path), "%s/journal/audit", room_folder);
	directory = opendir(path);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] == '0';
	closedir(directory);
	return count;
}

static void segments_go_on_from_each_other(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, small_segments), MR_OK);
	put_segments(&room, 1, 4);
	assert_int_equal(count_segments(), 4);
	assert_int_equal(room.stage.record_count, 4);
	room_die(&room);
	assert_int_equal(room_open(&room, room_begin, small_segments), MR_OK);
	assert_string_equal(room.cursor, "c4");
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room.stage.record_count, 4);
	room_die(&room);
}

static void take_checkpoint(struct room *room)
{
	mr_journal_position(&room->journal);
	mr_journal_commit(&room->journal, 77);
}

/* Readers have three open at most: older ones are closed once no checkpoint needs them, and until
 * then there is no room. All stay on the disk, and what a checkpoint needs is read again. */
static void readers_have_a_bounded_number_open(void **state)
{
	struct room room;
	struct mr_journal_at from;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, small_segments), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	room.journal.open_most = 3;
	put_segments(&room, 1, 3);
	room_add(&room, 4, "{\"n\":4}");
	assert_int_equal(room_commit(&room, "c4"), MR_NO_SPACE);
	assert_non_null(strstr(room.error.text, "journal/audit: 3 segments wait for a checkpoint"));
	assert_string_equal(room.cursor, "c3");
	take_checkpoint(&room);
	assert_int_equal(room_commit(&room, "c4"), MR_NO_SPACE); /* the one before needs them */
	take_checkpoint(&room);
	assert_int_equal(room_commit(&room, "c4"), MR_OK);
	assert_int_equal(room.journal.closed, 1);
	from = mr_journal_position(&room.journal);
	put_segments(&room, 5, 5);
	assert_int_equal(room.journal.closed, 1); /* that one went into the fourth */
	assert_int_equal(count_segments(), 4);
	room.journal.keep_bytes = 0;
	take_checkpoint(&room);
	take_checkpoint(&room);
	assert_int_equal(count_segments(), 1);
	assert_int_equal(room.journal.closed, 0);
	room_die(&room);
	assert_int_equal(room_open(&room, from, small_segments), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room.stage.record_count, 1);
	room_die(&room);
}

static void old_segments_are_not_opened_by_readers(void **state)
{
	static const char *const few[] = {"segment_bytes", "1MiB", NULL};
	struct room room;
	struct mr_journal_at from;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, few), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	put_segments(&room, 1, 5);
	from = mr_journal_position(&room.journal);
	put_segments(&room, 6, 8);
	room_die(&room);
	room_open_most = 2;
	assert_int_equal(room_open(&room, from, few), MR_OK);
	room_open_most = MR_SEGMENTS_OPEN_MAX;
	assert_int_equal(room.journal.count, 8);
	assert_int_equal(room.journal.closed, 4); /* the fifth is gone on from */
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room.stage.record_count, 3);
	room_die(&room);
}

/* One is missing; ends early; has another's name; is from another source. */
static void segments_that_do_not_join_are_refused(void **state)
{
	struct room room;
	char path[256];
	char other[256];
	int fd;
	uint64_t size;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, small_segments), MR_OK);
	put_segments(&room, 1, 4);
	room_die(&room);
	room_path(2, path, sizeof(path));
	room_path(9, other, sizeof(other));
	assert_int_equal(rename(path, other), 0);
	check_refused(room_begin, "journal/audit: segment 2 is missing: 3 follows 1");
	assert_int_equal(rename(other, path), 0);
	size = room_size(2);
	fd = room_open_segment(2);
	assert_int_equal(ftruncate(fd, (off_t)size - 8), 0);
	check_refused(room_begin, "00000000000000000002.seg: offset ");
	assert_int_equal(ftruncate(fd, 200), 0);
	check_refused(room_begin, "00000000000000000002.seg: offset ");
	close(fd);
	room_path(3, other, sizeof(other));
	assert_int_equal(rename(other, path), 0);
	check_refused(room_begin, "the header is that of segment 3");
}

static void a_flipped_byte_is_found_while_replaying(void **state)
{
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, small_segments), MR_OK);
	put_segments(&room, 1, 3);
	room_die(&room);
	room_flip(1, 5000);
	assert_int_equal(room_open(&room, room_begin, small_segments), MR_OK);
	assert_int_equal(room_replay(&room), MR_BAD_INPUT);
	assert_non_null(strstr(room.error.text, "journal/audit/00000000000000000001.seg: offset "));
	assert_non_null(strstr(room.error.text, "the block's checksum differs"));
	assert_int_equal(room.stage.record_count, 0);
	room_die(&room);
}

static void segments_go_once_no_checkpoint_needs_them(void **state)
{
	static const char *const none_kept[] = {
	    "segment_bytes", "1MiB", "journal_bytes", "unlimited", "journal_age", "1m", NULL};
	const int64_t later = 77 + 61 * MR_SECOND_US;
	struct mr_journal_at at;
	struct room room;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, none_kept), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	put_segments(&room, 1, 3);
	mr_journal_position(&room.journal);
	mr_journal_commit(&room.journal, later);
	assert_int_equal(count_segments(), 3); /* the checkpoint before needs them */
	put_segments(&room, 4, 5);
	mr_journal_commit(&room.journal, 78);
	assert_int_equal(count_segments(), 5); /* they are not old */
	at = mr_journal_position(&room.journal);
	mr_journal_commit(&room.journal, later);
	assert_int_equal(count_segments(), 3);
	room_die(&room);
	assert_int_equal(room_open(&room, at, none_kept), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room.stage.record_count, 0);
	assert_string_equal(room.cursor, "c5");
	room_die(&room);
	check_refused((struct mr_journal_at){1, 100, 1}, "goes on from segment 1");
}

/* The checkpoint that a life goes on from is the one before its first: deaths let nothing pile up.
 */
static void segments_go_though_each_life_is_short(void **state)
{
	static const char *const none_kept[] = {
	    "segment_bytes", "1MiB", "journal_bytes", "unlimited", "journal_age", "1m", NULL};
	const int64_t later = 77 + 61 * MR_SECOND_US;
	struct mr_journal_at at = room_begin;

	(void)state;
	for (unsigned life = 0; life < 5; life++) {
		struct room room;

		assert_int_equal(room_open(&room, at, none_kept), MR_OK);
		assert_int_equal(room_replay(&room), MR_END);
		put_segments(&room, 3 * life + 1, 3 * life + 3);
		at = mr_journal_position(&room.journal);
		mr_journal_commit(&room.journal, later);
		room_die(&room);
	}
	/* Those that the checkpoint before the last needs. */
	assert_int_equal(count_segments(), 4);
}

/* Pages of a segment that are in memory. */
static size_t count_cached(unsigned segment)
{
	int fd = room_open_segment(segment);
	size_t pages = (1 << 20) / (size_t)sysconf(_SC_PAGESIZE); /* but for its end */
	void *at = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char *there = mr_malloc(pages);
	size_t count = 0;

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mincore(at, 1 << 20, there), 0);
	for (size_t i = 0; i < pages; i++)
		count += there[i] & 1;
	free(there);
	munmap(at, 1 << 20);
	close(fd);
	return count;
}

static void moves_and_is_missed(const struct room *room, const char *path)
{
	char aside[300];
	struct mr_error error = {0};

	snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(mr_journal_in_place(&room->journal, &error), MR_OK);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(mr_journal_in_place(&room->journal, &error), MR_BAD_INPUT);
	assert_non_null(strstr(error.text, path));
	assert_non_null(strstr(error.text, " was removed, moved or replaced"));
	assert_int_equal(rename(aside, path), 0);
	assert_int_equal(mr_journal_in_place(&room->journal, &error), MR_OK);
}

/* Between two segments, too. */
static void what_is_moved_is_missed(void **state)
{
	struct room room;
	struct mr_error error = {0};
	char folder[200];
	char segment[256];
	int fd;

	(void)state;
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room_put_record(&room, 1), MR_OK);
	snprintf(folder, sizeof(folder), "%s/journal/audit", room_folder);
	room_path(1, segment, sizeof(segment));
	moves_and_is_missed(&room, segment);
	moves_and_is_missed(&room, folder);
	fd = room.journal.fd;
	room.journal.fd = -1;
	moves_and_is_missed(&room, folder);
	room.journal.fd = fd;
	assert_int_equal(unlink(segment), 0);
	assert_int_equal(mr_journal_in_place(&room.journal, &error), MR_BAD_INPUT);
	room_die(&room);
}

static void put_too_long(void *context, struct mr_buf *out)
{
	const size_t *len = context;

	memset(mr_buf_reserve(out, *len), 'c', *len);
	out->len += *len;
}

/* What would be refused when it is read back is not written. */
static void a_cursor_past_its_bound_is_not_written(void **state)
{
	static const struct mr_cursor_ops ops = {.take = room_take, .put = put_too_long};
	size_t len = MR_SEGMENT_CURSOR_MAX + (size_t)1;
	char *cursor = mr_malloc(len);
	struct room room;
	uint64_t before;

	(void)state;
	memset(cursor, 'c', len);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room_put_record(&room, 1), MR_OK);
	before = room_size(1);
	room_add(&room, 2, "{\"n\":2}");
	assert_int_equal(
	    mr_spool_commit(&room.spool, 77, (struct mr_slice){cursor, len}, &room.error),
	    MR_CONFIG);
	assert_non_null(strstr(room.error.text, "67108865 bytes, and a journal has room for "
						"67108864"));
	assert_int_equal(room_size(1), before);
	/* Nor into the head of the next segment. */
	room.journal.cursor = &ops;
	room.journal.cursor_context = &len;
	room.journal.segment_bytes = 1;
	assert_int_equal(room_commit(&room, "c2"), MR_CONFIG);
	assert_int_equal(room_size(2), 0);
	room_die(&room);
	assert_int_equal(room_open(&room, room_begin, NULL), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_true(room_has(&room, 1, 1));
	room_die(&room);
	free(cursor);
}

static void old_segments_leave_the_page_cache(void **state)
{
	struct statfs kind;
	struct room room;

	(void)state;
	assert_int_equal(statfs(room_folder, &kind), 0);
	if (kind.f_type == TMPFS_MAGIC)
		skip();
	assert_int_equal(room_open(&room, room_begin, small_segments), MR_OK);
	room.journal.cached_bytes = 2 << 20;
	put_segments(&room, 1, 6);
	assert_int_equal(count_cached(1), 0);
	assert_int_equal(count_cached(3), 0);
	assert_true(count_cached(5) > 0);
	assert_true(count_cached(6) > 0);
	room_die(&room);
	assert_int_equal(room_open(&room, room_begin, small_segments), MR_OK);
	assert_int_equal(room_replay(&room), MR_END);
	assert_int_equal(room.stage.record_count, 6);
	room_die(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(all_comes_back_from_any_position, begin),
	    cmocka_unit_test_setup(a_replay_that_dies_goes_on, begin),
	    cmocka_unit_test_setup(what_is_set_aside_comes_back_in_its_place, begin),
	    cmocka_unit_test_setup(what_is_there_already_is_skipped, begin),
	    cmocka_unit_test_setup(a_torn_end_is_cut_off, begin),
	    cmocka_unit_test_setup(a_torn_end_of_zeros_is_cut_off, begin),
	    cmocka_unit_test_setup(a_flipped_byte_in_the_middle_is_refused, begin),
	    cmocka_unit_test_setup(a_hole_in_what_was_never_durable_is_cut_off, begin),
	    cmocka_unit_test_setup(a_newer_segment_is_refused, room_clean),
	    cmocka_unit_test_setup(a_flipped_header_is_refused, begin),
	    cmocka_unit_test_setup(a_block_from_elsewhere_is_refused, begin),
	    cmocka_unit_test_setup(segments_go_on_from_each_other, begin),
	    cmocka_unit_test_setup(readers_have_a_bounded_number_open, room_clean),
	    cmocka_unit_test_setup(old_segments_are_not_opened_by_readers, room_clean),
	    cmocka_unit_test_setup(segments_that_do_not_join_are_refused, begin),
	    cmocka_unit_test_setup(a_flipped_byte_is_found_while_replaying, begin),
	    cmocka_unit_test_setup(segments_go_once_no_checkpoint_needs_them, begin),
	    cmocka_unit_test_setup(segments_go_though_each_life_is_short, begin),
	    cmocka_unit_test_setup(old_segments_leave_the_page_cache, begin),
	    cmocka_unit_test_setup(what_is_moved_is_missed, room_clean),
	    cmocka_unit_test_setup(a_cursor_past_its_bound_is_not_written, begin),
	};

	return cmocka_run_group_tests(tests, NULL, room_remove);
}
