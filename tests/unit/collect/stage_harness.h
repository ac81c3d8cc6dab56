/* stage_harness.h - runs the whole collect stage over inputs, as a worker would, and reads what it
 * sends as parse would. Used by the fuzz target too: no test framework here. */
#ifndef MILLRACE_TEST_COLLECT_STAGE_H
#define MILLRACE_TEST_COLLECT_STAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collect.h"
#include "millrace/json.h"
#include "pipeline/stage_io.h"
#include "pipeline/tables.h"

static inline void stage_must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the run's files: numbers, names, descriptors ---- */

struct mr_files {
	struct {
		int fd;
		char *name;
		bool dropped;
	} * items;
	uint32_t count;
	struct mr_slice names; /* the table */
	bool none_left;        /* of the descriptors that it takes */
	bool no_room;          /* on the disk, for a name */
	uint32_t refused;      /* so many */
	uint32_t expected;     /* that were not added yet */
	uint32_t syncs; /* what a service's would be: one for what is expected, or comes alone */
};
void mr_files_expect(struct mr_files *files, struct mr_slice name)
{
	(void)name;
	files->syncs += files->expected++ == 0;
}
enum mr_err mr_files_add(struct mr_files *files, int fd, struct mr_slice name, uint32_t *number_out,
			 struct mr_error *error)
{
	if (files->none_left)
		return mr_error_set(error, MR_IO, "no descriptor is left");
	files->refused += files->no_room;
	if (files->no_room)
		return mr_error_set(error, MR_NO_SPACE, "no room for a name");
	files->syncs += files->expected == 0;
	files->expected -= files->expected > 0;
	files->items = mr_realloc(files->items, (files->count + 1) * sizeof(*files->items));
	files->items[files->count].fd = fd < 0 ? -1 : dup(fd);
	files->items[files->count].name = mr_asprintf("%.*s", (int)name.len, name.at);
	files->items[files->count].dropped = false;
	*number_out = files->count++;
	return MR_OK;
}
void mr_files_drop(struct mr_files *files, uint32_t number)
{
	stage_must(number < files->count && !files->items[number].dropped);
	if (files->items[number].fd >= 0)
		close(files->items[number].fd);
	files->items[number].fd = -1;
	files->items[number].dropped = true;
}
struct mr_slice mr_files_name(const struct mr_files *files, uint32_t number)
{
	if (number >= MR_FILES_NAMED)
		return mr_names_at(files->names, number - MR_FILES_NAMED);
	return number < files->count ? mr_slice(files->items[number].name) : (struct mr_slice){0};
}

/* ---- the stage ---- */

struct stage {
	struct mr_config config;
	struct mr_tables *tables;
	struct mr_files files;
	struct mr_counters counters;
	struct mr_stage_env env;
	struct mr_writer writer;
	void *state;
	struct mr_error error;
	/* What came: "NAME OFFSET bytes" a line; for rejects with the reason behind. */
	struct mr_buf records;
	struct mr_buf rejects;
	size_t record_count;
	size_t reject_count;
	size_t line_regions;
	size_t frame_regions;
	uint64_t region_bytes;
	uint64_t longest_region;
};

static inline enum mr_err stage_open(struct stage *stage)
{
	struct mr_prepare prepare = {.config = &stage->config};
	enum mr_err err;

	stage->tables = mr_tables_new();
	prepare.tables = stage->tables;
	stage->env = (struct mr_stage_env){.config = &stage->config,
					   .tables = stage->tables,
					   .files = &stage->files,
					   .counters = &stage->counters,
					   .workers = 1,
					   .finite = true,
					   .start_us = 77};
	mr_writer_add_output(&stage->writer, MR_CONTENT_RECORDS, 0, MR_LINK_SPREAD, 1);
	mr_writer_add_output(&stage->writer, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
	err = mr_stage_collect.prepare(&prepare, &stage->error);
	if (err != MR_OK)
		return err;
	err = mr_tables_map(stage->tables, MR_NAMES_TABLE, &stage->files.names, &stage->error);
	stage_must(err == MR_OK);
	stage->state = mr_calloc(1, mr_stage_collect.state_size);
	err = mr_stage_collect.open(stage->state, &stage->env, &stage->error);
	stage_must(err == MR_OK);
	return MR_OK;
}

static inline void stage_region(struct stage *stage, const struct mr_region *region)
{
	char *bytes = mr_calloc(1, region->length + MR_JSON_PADDING);
	struct mr_reader reader = {0};
	struct mr_record record;
	ssize_t len;

	stage_must(region->partition < stage->files.count);
	stage_must(region->arrival_us >= 77);
	len = pread(stage->files.items[region->partition].fd, bytes, region->length,
		    (off_t)region->position);
	stage_must(len == (ssize_t)region->length);
	stage->line_regions += region->form == MR_FORM_LINES;
	stage->frame_regions += region->form == MR_FORM_FRAMES;
	stage->region_bytes += region->length;
	if (region->length > stage->longest_region)
		stage->longest_region = region->length;
	mr_reader_open_records(&reader, region, (struct mr_slice){bytes, (size_t)region->length});
	while (mr_reader_record(&reader, &record)) {
		struct mr_slice name = mr_files_name(&stage->files, record.name);

		stage_must(record.bytes.len > 0);
		mr_buf_printf(&stage->records, "%.*s %llu ", (int)name.len, name.at,
			      (unsigned long long)record.offset);
		mr_buf_add(&stage->records, record.bytes.at, record.bytes.len);
		mr_buf_add(&stage->records, "\n", 1);
		stage->record_count++;
		mr_reader_advance(&reader);
	}
	stage_must(mr_reader_finish(&reader, &stage->error) == MR_OK);
	mr_reader_fini(&reader);
	free(bytes);
}

static inline void stage_reject(struct stage *stage, const struct mr_reject *reject)
{
	mr_buf_printf(&stage->rejects, "%.*s %llu ", (int)reject->name.len, reject->name.at,
		      (unsigned long long)reject->offset);
	if (reject->bytes.len > 0) {
		mr_buf_add(&stage->rejects, reject->bytes.at, reject->bytes.len);
	} else if (reject->origin.length > 0) {
		char *bytes = mr_malloc(reject->origin.length);
		int fd = stage->files.items[reject->origin.partition].fd;
		ssize_t len =
		    pread(fd, bytes, reject->origin.length, (off_t)reject->origin.position);

		stage_must(len == (ssize_t)reject->origin.length);
		mr_buf_add(&stage->rejects, bytes, reject->origin.length);
		free(bytes);
	}
	mr_buf_printf(&stage->rejects, " (%.*s)\n", (int)reject->reason.len, reject->reason.at);
	stage->reject_count++;
}

static inline void stage_drain(struct stage *stage)
{
	struct mr_region region;
	struct mr_body body;

	while (mr_writer_take_region(&stage->writer, &region))
		stage_region(stage, &region);
	while (mr_writer_take(&stage->writer, MR_CONTENT_REJECTS, 0, &body)) {
		struct mr_reader reader = {0};
		struct mr_reject reject;

		mr_reader_open_body(&reader, MR_CONTENT_REJECTS, &body);
		while (mr_reader_reject(&reader, &reject)) {
			stage_reject(stage, &reject);
			mr_reader_advance(&reader);
		}
		stage_must(mr_reader_finish(&reader, &stage->error) == MR_OK);
		mr_reader_fini(&reader);
		mr_body_fini(&body);
	}
}

/* Poll until there is nothing to do now (MR_AGAIN), the end or an error. */
static inline enum mr_err stage_poll(struct stage *stage)
{
	enum mr_err err;

	do {
		err = mr_stage_collect.poll(stage->state, &stage->writer, &stage->error);
		stage_drain(stage);
	} while (err == MR_OK || err == MR_FULL);
	return err;
}

/* The books: what was handed on and set aside is what was counted. */
static inline void stage_balance(const struct stage *stage)
{
	const uint64_t *at = stage->counters.at;

	stage_must(at[MR_C_BYTES_COLLECTED] == stage->region_bytes);
	stage_must(at[MR_C_RECORDS] == stage->reject_count);
	stage_must(at[MR_C_REJECTED] == stage->reject_count);
}

static inline void stage_fini(struct stage *stage)
{
	if (stage->state)
		mr_stage_collect.close(stage->state);
	free(stage->state);
	for (uint32_t i = 0; i < stage->files.count; i++) {
		if (stage->files.items[i].fd >= 0)
			close(stage->files.items[i].fd);
		free(stage->files.items[i].name);
	}
	free(stage->files.items);
	mr_writer_fini(&stage->writer);
	mr_tables_unmap(stage->files.names);
	mr_tables_free(stage->tables);
	mr_config_fini(&stage->config);
	mr_buf_fini(&stage->records);
	mr_buf_fini(&stage->rejects);
	*stage = (struct stage){0};
}

/* Text of a buffer, ended by a zero byte. */
static inline const char *stage_text(struct mr_buf *buf)
{
	*mr_buf_reserve(buf, 1) = 0;
	return buf->data;
}

#endif
