/* test_snapshot.c - snapshots: what is written comes back, and nothing broken is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "millrace/checkpoint.h"

#include "codec.h"
#include "exact.h"

static enum mr_err decode_snapshot(struct mr_slice bytes)
{
	struct mr_snapshot snapshot;
	struct mr_section section;
	enum mr_err err = mr_snapshot_open(bytes, "correlate", &snapshot, NULL);
	while (mr_snapshot_next(&snapshot, &section)) {
		assert_true(section.name.at >= bytes.at && section.bytes.at >= section.name.at);
		assert_true(section.bytes.at + section.bytes.len <= bytes.at + bytes.len);
	}
	return err;
}

/* With a checksum that holds: what the checks behind it must see by themselves. */
static enum mr_err decode_sections(struct mr_slice sections)
{
	struct mr_buf out = {0};
	mr_snapshot_begin(&out, "correlate");
	mr_buf_add(&out, sections.at, sections.len);
	mr_snapshot_end(&out, 0);
	struct mr_slice bytes = exact(out.data, out.len);
	enum mr_err err = decode_snapshot(bytes);
	drop(bytes);
	mr_buf_fini(&out);
	return err;
}

static const struct mr_section sections[] = {
    {C(""), 0, C("zero")},          {C("m365/audit.exchange"), 0, C("2026-01-01")},
    {C(""), 200, C("two hundred")}, {C("m365/audit.sharepoint"), 0, C("")},
    {C(""), 255, C("last")},
};
#define SECTIONS (sizeof sections / sizeof *sections)

static void put_keyed(struct mr_buf *out, uint8_t key_group, struct mr_slice bytes)
{
	size_t begin = mr_snapshot_section_begin(out, key_group);
	mr_buf_add(out, bytes.at, bytes.len);
	mr_snapshot_section_end(out, begin);
}

static void put_section(struct mr_buf *out, const struct mr_section *section)
{
	if (section->name.len > 0)
		mr_snapshot_named(out, section->name, section->bytes);
	else
		put_keyed(out, section->key_group, section->bytes);
}

static void a_snapshot_gives_its_sections(void **state)
{
	(void)state;
	struct mr_buf out = {0};
	struct mr_snapshot snapshot;
	struct mr_section got;
	struct mr_error error = {0};
	mr_buf_add_text(&out, "before");
	mr_snapshot_begin(&out, "correlate");
	for (size_t i = 0; i < SECTIONS; i++)
		put_section(&out, &sections[i]);
	mr_snapshot_end(&out, 6);
	struct mr_buf whole = {.data = out.data + 6, .len = out.len - 6};
	struct mr_slice bytes = {whole.data, whole.len};
	assert_int_equal(mr_snapshot_open(bytes, "correlate", &snapshot, NULL), MR_OK);
	for (size_t i = 0; i < SECTIONS; i++) {
		assert_true(mr_snapshot_next(&snapshot, &got));
		assert_slice(got.name, sections[i].name);
		assert_int_equal(got.key_group, sections[i].key_group);
		assert_slice(got.bytes, sections[i].bytes);
	}
	assert_false(mr_snapshot_next(&snapshot, &got));
	assert_int_equal(mr_snapshot_open(bytes, "detect", &snapshot, &error), MR_BAD_INPUT);
	assert_string_equal(error.text, "the snapshot is of stage correlate, not of detect");
	assert_false(mr_snapshot_next(&snapshot, &got));
	trickle(&whole, decode_snapshot);
	mr_buf_fini(&out);
}

/* By their heads alone: the bytes of sections and the checksum are not looked at. */
static void its_sections_are_listed(void **state)
{
	(void)state;
	bool groups[MR_KEY_GROUPS], named;
	struct mr_buf out = {0};
	mr_snapshot_begin(&out, "correlate");
	size_t head = out.len;
	put_keyed(&out, 3, MR_SLICE("three"));
	size_t second = out.len;
	put_section(&out, &sections[2]);
	mr_snapshot_end(&out, 0);
	out.data[second - 1] ^= 1;
	assert_true(
	    mr_snapshot_list((struct mr_slice){out.data, out.len}, "correlate", groups, &named));
	assert_false(named);
	for (unsigned group = 0; group < MR_KEY_GROUPS; group++)
		assert_int_equal(groups[group], group == 3 || group == 200);
	assert_false(
	    mr_snapshot_list((struct mr_slice){out.data, out.len}, "detect", groups, &named));
	assert_false(mr_snapshot_list((struct mr_slice){out.data, out.len - 1}, "correlate", groups,
				      &named));
	assert_false(
	    mr_snapshot_list((struct mr_slice){out.data, head - 1}, "correlate", groups, &named));
	out.len = head;
	put_section(&out, &sections[1]);
	mr_snapshot_end(&out, 0);
	assert_true(
	    mr_snapshot_list((struct mr_slice){out.data, out.len}, "correlate", groups, &named));
	assert_true(named);
	mr_buf_fini(&out);
}

/* The checksum is no guard against whoever can write it: sections are whole, or all are refused. */
static void a_section_is_whole_or_refused(void **state)
{
	(void)state;
	struct mr_buf out = {0};
	size_t ends[SECTIONS + 1] = {0};
	for (size_t i = 0; i < SECTIONS; i++) {
		put_section(&out, &sections[i]);
		ends[i + 1] = out.len;
	}
	size_t between = 0;
	for (size_t len = 0; len <= out.len; len++) {
		bool whole = len == ends[between];
		between += whole;
		assert_int_equal(decode_sections((struct mr_slice){out.data, len}),
				 whole ? MR_OK : MR_BAD_INPUT);
	}
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
		decode_sections((struct mr_slice){out.data, out.len});
		out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
	}
	size_t whole = out.len;
	put_keyed(&out, 201, S(""));
	assert_int_equal(out.len, whole);
	put_keyed(&out, 200, S("again"));
	assert_int_equal(decode_sections((struct mr_slice){out.data, out.len}), MR_BAD_INPUT);
	mr_buf_fini(&out);
}

/* ---- versions ---- */

/* One section, in the layout of that version, with a checksum that holds. */
static struct mr_buf of_version(uint32_t version)
{
	static const char *const texts[] = {"detect", "0.1"};
	struct mr_buf out = {0};
	mr_buf_add_text(&out, "MRSNAP\r\n");
	mr_buf_add_le(&out, version, 4);
	for (uint32_t i = 0; i < version && i < 2; i++) {
		mr_buf_add_le(&out, strlen(texts[i]), 4);
		mr_buf_add_text(&out, texts[i]);
	}
	put_keyed(&out, 7, S("seven"));
	mr_snapshot_end(&out, 0);
	return out;
}

static void older_versions_are_read(void **state)
{
	(void)state;
	for (uint32_t version = 1; version <= MR_SNAPSHOT_VERSION; version++) {
		struct mr_buf out = of_version(version);
		struct mr_slice bytes = exact(out.data, out.len);
		struct mr_snapshot snapshot;
		struct mr_section section;
		assert_int_equal(mr_snapshot_open(bytes, "detect", &snapshot, NULL), MR_OK);
		assert_slice(snapshot.writer, version < 2 ? S("") : S("0.1"));
		assert_true(mr_snapshot_next(&snapshot, &section));
		assert_int_equal(section.key_group, 7);
		assert_slice(section.bytes, S("seven"));
		assert_false(mr_snapshot_next(&snapshot, &section));
		drop(bytes);
		mr_buf_fini(&out);
	}
}

static void a_newer_version_is_refused(void **state)
{
	(void)state;
	struct mr_buf out = of_version(MR_SNAPSHOT_VERSION + 1);
	struct mr_slice head = exact(out.data, MR_SNAPSHOT_HEAD);
	struct mr_snapshot snapshot;
	struct mr_error error = {0};
	assert_int_equal(mr_snapshot_check_version(head, &error), MR_UNSUPPORTED);
	assert_string_equal(error.text, "the snapshot is of version 3, written by a newer "
					"millrace; this one reads versions up to 2");
	assert_int_equal(
	    mr_snapshot_open((struct mr_slice){out.data, out.len}, "detect", &snapshot, &error),
	    MR_UNSUPPORTED);
	head.len--;
	assert_int_equal(mr_snapshot_check_version(head, NULL), MR_BAD_INPUT);
	drop(head);
	mr_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_snapshot_gives_its_sections),
	    cmocka_unit_test(its_sections_are_listed),
	    cmocka_unit_test(a_section_is_whole_or_refused),
	    cmocka_unit_test(older_versions_are_read),
	    cmocka_unit_test(a_newer_version_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
