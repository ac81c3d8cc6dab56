/* snapshot.c - the form of a snapshot: sections under one checksum.
 *
 * Written when a worker's state is cut at a barrier, read when the next incarnation restores it.
 * Reading fails with MR_BAD_INPUT where the snapshot is not whole or is another stage's, with
 * MR_UNSUPPORTED where it is newer than this program; it never looks past the bytes it was given.
 *
 * Layout, numbers little-endian: "MRSNAP\r\n", u32 version, u32 length of the stage's name, the
 * name; since version 2 u32 length of the writer's version, that version; then the sections; then
 * u32 0xffffffff and a u64 XXH3 over everything before it. A section is u32 key group, or 256 where
 * it has a name, u32 length of the name, u64 length of the bytes, the name, the bytes. */
#include "millrace/checkpoint.h"

#include <assert.h>

#include "codec.h"

#define MAGIC "MRSNAP\r\n"
#define MAGIC_LEN (MR_SNAPSHOT_HEAD - 4)
#define SECTION_HEAD 16
#define NAMED MR_KEY_GROUPS /* in the key group's place */
#define TRAILER (4 + 8)

void mr_snapshot_begin(struct mr_buf *out, const char *stage)
{
	mr_buf_add(out, MAGIC, MAGIC_LEN);
	mr_buf_add_le(out, MR_SNAPSHOT_VERSION, 4);
	mr_buf_add_le(out, strlen(stage), 4);
	mr_buf_add_text(out, stage);
	mr_buf_add_le(out, strlen(MILLRACE_VERSION), 4);
	mr_buf_add_text(out, MILLRACE_VERSION);
}

static void put_head(struct mr_buf *out, uint32_t key_group, size_t name_len, size_t len)
{
	mr_buf_add_le(out, key_group, 4);
	mr_buf_add_le(out, name_len, 4);
	mr_buf_add_le(out, len, 8);
}

size_t mr_snapshot_section_begin(struct mr_buf *out, uint8_t key_group)
{
	size_t begin = out->len;
	put_head(out, key_group, 0, 0);
	return begin;
}

void mr_snapshot_section_end(struct mr_buf *out, size_t begin)
{
	size_t len = out->len - begin - SECTION_HEAD;
	if (len == 0)
		out->len = begin;
	else
		mr_put_le(out->data + begin + SECTION_HEAD - 8, len, 8);
}

void mr_snapshot_named(struct mr_buf *out, struct mr_slice name, struct mr_slice bytes)
{
	assert(name.len > 0 && name.len <= UINT32_MAX);
	put_head(out, NAMED, name.len, bytes.len);
	mr_buf_add(out, name.at, name.len);
	if (bytes.len > 0)
		mr_buf_add(out, bytes.at, bytes.len);
}

void mr_snapshot_end(struct mr_buf *out, size_t begin)
{
	assert(begin <= out->len);
	mr_buf_add_le(out, MR_SNAPSHOT_END_MARK, 4);
	mr_buf_add_le(out, mr_hash64(out->data + begin, out->len - begin, 0), 8);
}

/* The checksum and the mark before it: the bytes end where they were meant to. */
static enum mr_err check_sum(struct mr_slice bytes, struct mr_error *error)
{
	if (bytes.len < TRAILER)
		return mr_error_set(error, MR_BAD_INPUT, "this is no snapshot: it has %zu bytes",
				    bytes.len);
	size_t sum_at = bytes.len - 8;
	if (mr_get_le(bytes.at + sum_at, 8) != mr_hash64(bytes.at, sum_at, 0) ||
	    mr_get_le(bytes.at + sum_at - 4, 4) != MR_SNAPSHOT_END_MARK)
		return mr_error_set(error, MR_BAD_INPUT,
				    "the snapshot is not whole: its checksum differs");
	return MR_OK;
}

enum mr_err mr_snapshot_check_version(struct mr_slice head, struct mr_error *error)
{
	if (head.len < MR_SNAPSHOT_HEAD || memcmp(head.at, MAGIC, MAGIC_LEN) != 0)
		return mr_error_set(error, MR_BAD_INPUT,
				    "this is no snapshot: it does not begin as one");
	uint64_t version = mr_get_le(head.at + MAGIC_LEN, 4);
	if (version > MR_SNAPSHOT_VERSION)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "the snapshot is of version %llu, written by a newer millrace; "
				    "this one reads versions up to %d",
				    (unsigned long long)version, MR_SNAPSHOT_VERSION);
	return MR_OK;
}

/* A u32 length and a text of so many bytes; `in` moves behind it. False where it is cut short. */
static bool take_text(struct mr_slice *in, struct mr_slice *out)
{
	uint64_t len = in->len < 4 ? UINT64_MAX : mr_get_le(in->at, 4);
	if (len > in->len - 4)
		return false;
	*out = (struct mr_slice){in->at + 4, (size_t)len};
	in->at += 4 + len;
	in->len -= 4 + (size_t)len;
	return true;
}

/* What stands between the stage's name and the sections, version by version: the row that is read
 * is the last whose version is not above the snapshot's. */
static bool read_nothing(struct mr_slice *in, struct mr_snapshot *out)
{
	(void)in, (void)out;
	return true;
}
static bool read_writer(struct mr_slice *in, struct mr_snapshot *out)
{
	return take_text(in, &out->writer);
}
static const struct form {
	uint64_t since;
	bool (*read)(struct mr_slice *in, struct mr_snapshot *out);
} forms[] = {{0, read_nothing}, {2, read_writer}};

static bool read_form(uint64_t version, struct mr_slice *in, struct mr_snapshot *out)
{
	size_t at = sizeof forms / sizeof *forms - 1;
	while (forms[at].since > version)
		at--;
	return forms[at].read(in, out);
}

/* The head; what is left of it are the sections. */
static enum mr_err read_head(struct mr_slice snapshot, const char *stage, struct mr_snapshot *out,
			     struct mr_error *error)
{
	struct mr_slice in = {snapshot.at, snapshot.len - TRAILER};
	struct mr_slice name;
	enum mr_err err = mr_snapshot_check_version(in, error);
	if (err != MR_OK)
		return err;
	uint64_t version = mr_get_le(in.at + MAGIC_LEN, 4);
	in.at += MR_SNAPSHOT_HEAD;
	in.len -= MR_SNAPSHOT_HEAD;
	if (!take_text(&in, &name))
		return mr_error_set(error, MR_BAD_INPUT, "the snapshot's stage name is cut short");
	if (!mr_slice_eq(name, mr_slice(stage)))
		return mr_error_set(error, MR_BAD_INPUT, "the snapshot is of stage %.*s, not of %s",
				    (int)(name.len < 64 ? name.len : 64), name.at, stage);
	if (!read_form(version, &in, out))
		return mr_error_set(error, MR_BAD_INPUT, "the snapshot's head is cut short");
	out->sections = in;
	return MR_OK;
}

/* The section that `left` begins with; `left` moves behind it. False where it is broken. */
static bool take_section(struct mr_slice *left, struct mr_section *out)
{
	if (left->len < SECTION_HEAD)
		return false;
	uint64_t group = mr_get_le(left->at, 4);
	uint64_t name_len = mr_get_le(left->at + 4, 4);
	uint64_t len = mr_get_le(left->at + 8, 8);
	uint64_t room = left->len - SECTION_HEAD;
	if (group > NAMED || (group == NAMED) != (name_len > 0) || name_len > room ||
	    len > room - name_len)
		return false;
	const char *name = left->at + SECTION_HEAD;
	*out = (struct mr_section){.name = {name, name_len},
				   .key_group = group == NAMED ? 0 : (uint8_t)group,
				   .bytes = {name + name_len, len}};
	left->at = name + name_len + len;
	left->len = room - name_len - len;
	return true;
}

/* So that whoever walks them has nothing left to check. */
static enum mr_err check_sections(struct mr_slice sections, struct mr_error *error)
{
	bool seen[MR_KEY_GROUPS] = {false};
	while (sections.len > 0) {
		struct mr_section section;
		if (!take_section(&sections, &section))
			return mr_error_set(error, MR_BAD_INPUT,
					    "a section of the snapshot is broken, %zu bytes before "
					    "its end",
					    sections.len);
		if (section.name.len > 0)
			continue;
		if (seen[section.key_group])
			return mr_error_set(error, MR_BAD_INPUT,
					    "the snapshot has key group %u twice",
					    section.key_group);
		seen[section.key_group] = true;
	}
	return MR_OK;
}

enum mr_err mr_snapshot_open(struct mr_slice bytes, const char *stage, struct mr_snapshot *out,
			     struct mr_error *error)
{
	struct mr_snapshot snapshot = {{"", 0}, {"", 0}};
	*out = snapshot;
	enum mr_err err = check_sum(bytes, error);
	if (err == MR_OK)
		err = read_head(bytes, stage, &snapshot, error);
	if (err == MR_OK)
		err = check_sections(snapshot.sections, error);
	if (err == MR_OK)
		*out = snapshot;
	return err;
}

bool mr_snapshot_list(struct mr_slice bytes, const char *stage, bool groups_out[MR_KEY_GROUPS],
		      bool *named_out)
{
	struct mr_snapshot snapshot = {{"", 0}, {"", 0}};
	struct mr_section section;
	memset(groups_out, 0, MR_KEY_GROUPS * sizeof *groups_out);
	*named_out = false;
	if (bytes.len < TRAILER || read_head(bytes, stage, &snapshot, NULL) != MR_OK)
		return false;
	while (snapshot.sections.len > 0) {
		if (!take_section(&snapshot.sections, &section))
			return false;
		*named_out |= section.name.len > 0;
		if (section.name.len == 0)
			groups_out[section.key_group] = true;
	}
	return true;
}

bool mr_snapshot_next(struct mr_snapshot *snapshot, struct mr_section *out)
{
	return snapshot->sections.len > 0 && take_section(&snapshot->sections, out);
}
