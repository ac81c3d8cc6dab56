/* snapshot.c - the form of a snapshot: sections by key group under one checksum.
 *
 * Written when a worker's state is cut at a barrier, read when the next incarnation restores it.
 * Reading fails with MR_BAD_INPUT where the snapshot is not whole, is another stage's, or is newer
 * than this program; it never looks past the bytes it was given.
 *
 * Layout, numbers little-endian: "MRSNAP\r\n", u32 version, u32 length of the stage's name, the
 * name; then for each section u32 key group, u64 length, the bytes; then u32 0xffffffff and a u64
 * XXH3 over everything before it. */
#include "millrace/checkpoint.h"

#include <assert.h>

#define MAGIC "MRSNAP\r\n"
#define MAGIC_LEN 8
#define SECTION_HEAD 12
#define END_MARK UINT32_MAX
#define TRAILER (4 + 8)

static void put(struct mr_buf *out, uint64_t number, size_t width)
{
	char bytes[8];
	for (size_t i = 0; i < width; i++)
		bytes[i] = (char)(number >> (8 * i));
	mr_buf_add(out, bytes, width);
}

static uint64_t get(const char *at, size_t width)
{
	uint64_t number = 0;
	for (size_t i = width; i-- > 0;)
		number = number << 8 | (uint8_t)at[i];
	return number;
}

void mr_snapshot_begin(struct mr_buf *out, const char *stage)
{
	mr_buf_add(out, MAGIC, MAGIC_LEN);
	put(out, MR_SNAPSHOT_VERSION, 4);
	put(out, strlen(stage), 4);
	mr_buf_add_text(out, stage);
}

void mr_snapshot_section(struct mr_buf *out, uint8_t key_group, struct mr_slice bytes)
{
	put(out, key_group, 4);
	put(out, bytes.len, 8);
	if (bytes.len > 0)
		mr_buf_add(out, bytes.at, bytes.len);
}

void mr_snapshot_end(struct mr_buf *out, size_t begin)
{
	assert(begin <= out->len);
	put(out, END_MARK, 4);
	put(out, mr_hash64(out->data + begin, out->len - begin, 0), 8);
}

/* The head: magic, version, stage. *at moves behind it. */
static enum mr_err check_head(struct mr_slice snapshot, const char *stage, size_t *at,
			      struct mr_error *error)
{
	size_t len = snapshot.len - TRAILER;
	if (len < MAGIC_LEN + 8 || memcmp(snapshot.at, MAGIC, MAGIC_LEN) != 0)
		return mr_error_set(error, MR_BAD_INPUT,
				    "this is no snapshot: it does not begin as one");
	uint64_t version = get(snapshot.at + MAGIC_LEN, 4);
	if (version != MR_SNAPSHOT_VERSION)
		return mr_error_set(
		    error, MR_BAD_INPUT,
		    "the snapshot is of version %llu, this program reads version %d",
		    (unsigned long long)version, MR_SNAPSHOT_VERSION);
	struct mr_slice name = {snapshot.at + MAGIC_LEN + 8, get(snapshot.at + MAGIC_LEN + 4, 4)};
	if (name.len > len - MAGIC_LEN - 8)
		return mr_error_set(error, MR_BAD_INPUT, "the snapshot's stage name is cut short");
	if (!mr_slice_eq(name, mr_slice(stage)))
		return mr_error_set(error, MR_BAD_INPUT, "the snapshot is of stage %.*s, not of %s",
				    (int)(name.len < 64 ? name.len : 64), name.at, stage);
	*at = MAGIC_LEN + 8 + name.len;
	return MR_OK;
}

static enum mr_err find_section(struct mr_slice snapshot, size_t at, uint8_t key_group,
				struct mr_slice *section_out, struct mr_error *error)
{
	size_t end = snapshot.len - TRAILER; /* where the end mark must stand */
	while (at < end) {
		if (end - at < SECTION_HEAD)
			break;
		uint64_t group = get(snapshot.at + at, 4);
		uint64_t len = get(snapshot.at + at + 4, 8);
		at += SECTION_HEAD;
		if (group >= MR_KEY_GROUPS || len > end - at)
			break;
		if (group == key_group && section_out->len == 0)
			*section_out = (struct mr_slice){snapshot.at + at, len};
		at += len;
	}
	if (at == end)
		return MR_OK;
	*section_out = (struct mr_slice){"", 0};
	return mr_error_set(error, MR_BAD_INPUT, "a section of the snapshot is broken at byte %zu",
			    at);
}

enum mr_err mr_snapshot_find(struct mr_slice snapshot, const char *stage, uint8_t key_group,
			     struct mr_slice *section_out, struct mr_error *error)
{
	size_t at = 0;
	*section_out = (struct mr_slice){"", 0};
	if (snapshot.len < TRAILER)
		return mr_error_set(error, MR_BAD_INPUT, "this is no snapshot: it has %zu bytes",
				    snapshot.len);
	size_t sum_at = snapshot.len - 8;
	if (get(snapshot.at + sum_at, 8) != mr_hash64(snapshot.at, sum_at, 0) ||
	    get(snapshot.at + sum_at - 4, 4) != END_MARK)
		return mr_error_set(error, MR_BAD_INPUT,
				    "the snapshot is not whole: its checksum differs");
	enum mr_err err = check_head(snapshot, stage, &at, error);
	if (err != MR_OK)
		return err;
	return find_section(snapshot, at, key_group, section_out, error);
}
