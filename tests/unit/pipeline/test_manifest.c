/* test_manifest.c - manifests: what is written comes back, older ones are read, nothing broken is
 * taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include <stdlib.h>

#include "codec.h"
#include "exact.h"
#include "manifest.h"

static void fill(struct mr_manifest *manifest)
{
	struct mr_manifest_file file = {.group = (char *)(uintptr_t) "parse",
					.stage = (char *)(uintptr_t) "detect",
					.host = (char *)(uintptr_t) "b",
					.worker = 3,
					.sum = {.size = 70, .hash = UINT64_MAX}};
	*manifest = (struct mr_manifest){.number = 12,
					 .at_us = -5,
					 .cpu_ns = 7,
					 .has_seed = true,
					 .numbers = 9,
					 .generation = UINT64_MAX,
					 .made_by = 5,
					 .drained = true};
	mr_marks_event(&manifest->marks, 1, 1000, 1000);
	mr_manifest_add_file(manifest, &file);
	mr_manifest_add_name(&manifest->sources, &manifest->source_count, 4, "audit");
	mr_manifest_add_name(&manifest->names, &manifest->name_count, 0, "");
	memset(manifest->ledger_head, 'h', sizeof manifest->ledger_head);
	memset(manifest->seed, 's', sizeof manifest->seed);
}

static void check(const struct mr_manifest *got)
{
	assert_true(got->number == 12 && got->at_us == -5 && got->cpu_ns == 7);
	assert_int_equal(got->marks.count, 1);
	assert_int_equal(got->file_count, 1);
	assert_string_equal(got->files[0].stage, "detect");
	assert_true(got->files[0].worker == 3 && got->files[0].sum.hash == UINT64_MAX);
	assert_int_equal(got->source_count, 1);
	assert_true(got->sources[0].number == 4 && strcmp(got->sources[0].name, "audit") == 0);
	assert_int_equal(got->name_count, 1);
	assert_int_equal(got->ledger_head[MR_LEDGER_HEAD - 1], 'h');
}

static enum mr_err decode(struct mr_slice bytes)
{
	struct mr_manifest manifest;
	enum mr_err err = mr_manifest_decode(bytes, &manifest, NULL);
	mr_manifest_fini(&manifest);
	return err;
}

static void a_manifest_comes_back(void **state)
{
	struct mr_manifest manifest, got;
	struct mr_buf out = {0};
	(void)state;
	fill(&manifest);
	mr_manifest_encode(&manifest, &out);
	assert_int_equal(mr_manifest_decode((struct mr_slice){out.data, out.len}, &got, NULL),
			 MR_OK);
	check(&got);
	assert_true(got.has_seed && got.seed[MR_SEED_BYTES - 1] == 's' && got.numbers == 9);
	assert_string_equal(got.files[0].host, "b");
	assert_true(got.generation == UINT64_MAX && got.made_by == 5 && got.drained);
	mr_manifest_fini(&got);
	trickle(&out, decode);
	mr_manifest_fini(&manifest);
	mr_buf_fini(&out);
}

/* Another version in its place, and what makes the checksum right again. */
static void set_version(struct mr_buf *out, char version, size_t shorter)
{
	out->len -= 8 + shorter;
	out->data[8] = version;
	out->data[12] = (char)(out->data[12] - (char)shorter);
	mr_buf_add_le(out, mr_hash64(out->data, out->len, 0), 8);
}

#define ADDED_BY_2 (1 + MR_SEED_BYTES + 1) /* the seed with its head, and a small number */
#define ADDED_BY_3 (1 + 1 + 1)             /* an array of one text of one letter */
#define ADDED_BY_4 (9 + 1 + 1)             /* two generations, and a flag */

/* As that version would have written it, of so many items. */
static void read_older(char version, char items, size_t shorter, struct mr_manifest *got)
{
	struct mr_manifest manifest;
	struct mr_buf out = {0};
	fill(&manifest);
	mr_manifest_encode(&manifest, &out);
	assert_int_equal(out.data[20], (char)0x9f); /* an array of fifteen */
	out.data[20] = (char)(0x90 | items);
	set_version(&out, version, shorter);
	assert_int_equal(mr_manifest_decode((struct mr_slice){out.data, out.len}, got, NULL),
			 MR_OK);
	check(got);
	assert_true(got->generation == 0 && got->made_by == 0 && !got->drained);
	mr_manifest_fini(&manifest);
	mr_buf_fini(&out);
}

static void older_versions_are_read(void **state)
{
	struct mr_manifest got;
	(void)state;
	read_older(1, 9, ADDED_BY_2 + ADDED_BY_3 + ADDED_BY_4, &got);
	assert_true(!got.has_seed && got.numbers == 0);
	mr_manifest_fini(&got);
	read_older(2, 11, ADDED_BY_3 + ADDED_BY_4, &got);
	assert_true(got.has_seed && got.numbers == 9);
	assert_string_equal(got.files[0].host, "");
	mr_manifest_fini(&got);
	read_older(3, 12, ADDED_BY_4, &got);
	assert_string_equal(got.files[0].host, "b");
	mr_manifest_fini(&got);
}

/* One that is not whole is no newer one, whatever its version has become. */
static void a_newer_version_is_refused(void **state)
{
	struct mr_manifest manifest, got;
	struct mr_buf out = {0};
	struct mr_error error = {0};
	(void)state;
	fill(&manifest);
	mr_manifest_encode(&manifest, &out);
	out.data[8] = MR_MANIFEST_VERSION + 1;
	assert_int_equal(mr_manifest_decode((struct mr_slice){out.data, out.len}, &got, &error),
			 MR_BAD_INPUT);
	assert_string_equal(error.text, "it is not whole: its checksum differs");
	set_version(&out, MR_MANIFEST_VERSION + 1, 0);
	assert_int_equal(mr_manifest_decode((struct mr_slice){out.data, out.len}, &got, &error),
			 MR_UNSUPPORTED);
	assert_string_equal(error.text, "it is of version 5, written by a newer millrace; this one "
					"reads versions up to 4");
	mr_manifest_fini(&manifest);
	mr_buf_fini(&out);
}

/* The number of the n-th source, once all have got theirs. */
static uint32_t numbered(struct mr_manifest *manifest, const char *const *names, size_t n)
{
	struct mr_config config = {0};
	mr_config_part_add(&config, MR_PART_SINK, "a");
	for (; *names != NULL; names++)
		mr_config_part_add(&config, MR_PART_SOURCE, *names);
	assert_int_equal(mr_manifest_number_sources(manifest, "state", &config, NULL), MR_OK);
	uint32_t number = mr_config_part(&config, MR_PART_SOURCE, n)->number;
	mr_manifest_name_sources(manifest, &config);
	mr_config_fini(&config);
	return number;
}

static void a_source_keeps_its_number(void **state)
{
	static const char *const before[] = {"a", "b", NULL}, *const after[] = {"c", "b", NULL};
	struct mr_manifest manifest = {0}, next = {0};
	(void)state;
	assert_int_equal(numbered(&manifest, before, 0), 0);
	assert_int_equal(numbered(&manifest, before, 1), 1);
	memset(manifest.seed, 's', sizeof manifest.seed);
	mr_manifest_inherit(&next, &manifest);
	assert_int_equal(numbered(&next, after, 0), 2);
	assert_int_equal(numbered(&next, after, 1), 1);
	assert_int_equal(numbered(&next, before, 0), 0);
	assert_int_equal(next.source_count, 3);
	assert_int_equal(next.seed[0], 's');
	mr_manifest_forget_sources(&next, 2);
	assert_int_equal(numbered(&next, after, 1), 1);
	assert_int_equal(next.source_count, 3);
	mr_manifest_fini(&manifest);
	mr_manifest_fini(&next);
}

/* Whoever asks whether there is room has not had any. */
static void sources_that_are_too_many(void **state)
{
	struct mr_manifest manifest = {0};
	struct mr_config config = {0};
	struct mr_error error = {0};
	char name[16];
	(void)state;
	mr_manifest_add_name(&manifest.sources, &manifest.source_count, 0, "before");
	for (int i = 1; i < MR_SOURCES_MAX; i++) {
		snprintf(name, sizeof name, "s%d", i);
		mr_config_part_add(&config, MR_PART_SOURCE, name);
	}
	assert_int_equal(mr_manifest_number_sources(&manifest, "st", &config, &error), MR_OK);
	assert_int_equal(config.parts[config.part_count - 1].number, MR_SOURCES_MAX - 1);
	mr_config_part_add(&config, MR_PART_SOURCE, "more");
	assert_int_equal(mr_manifest_number_sources(&manifest, "st", &config, &error), MR_CONFIG);
	assert_string_equal(error.text, "st: this state directory has had 1025 sources, those of "
					"this file included; at most 1024");
	assert_int_equal(manifest.source_count, 1);
	mr_config_fini(&config);
	mr_manifest_fini(&manifest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_manifest_comes_back),
	    cmocka_unit_test(older_versions_are_read),
	    cmocka_unit_test(a_newer_version_is_refused),
	    cmocka_unit_test(a_source_keeps_its_number),
	    cmocka_unit_test(sources_that_are_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
