/* fuzz_ocsf.c - any alert that decodes gives one line of valid JSON, and a clean line for a
 * terminal. */
#include <stdlib.h>

#include "deliver/fake_files.h"
#include "message.h"
#include "millrace/log.h"
#include "ocsf.h"

#define LINE_MAX_BYTES (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mr_slice tags[] = {{"attack.t1110.003", 16}, {"attack.impact", 13}};
static uint32_t named[] = {0};
static struct mr_rule rules[2];
static struct mr_catalog catalog = {.rules = rules, .count = 2, .layers = 1};
static struct mr_declared declared;
static struct mr_files files;
static struct record_reader records;
static struct mr_json_reader *checker;
static struct ocsf ocsf;

static void set_up(void)
{
	rules[0] = (struct mr_rule){.id = MR_SLICE("d"), .title = MR_SLICE("D"), .tags = {tags, 2}};
	rules[1] = (struct mr_rule){.kind = MR_RULE_CORRELATION,
				    .id = MR_SLICE("c"),
				    .rules = named,
				    .rule_count = 1,
				    .timespan_us = 3600000000,
				    .level = MR_LEVEL_HIGH};
	record_reader_init(&records, &files, 1 << 20);
	checker = mr_json_reader_new(LINE_MAX_BYTES);
	ocsf_init(&ocsf, &catalog, mr_fields_new(), &records, &declared);
	mr_log_set_level(MR_LOG_ERROR);
}

/* The alert as deliver.c lets it through, its evidence hashed so that the record is shown. */
static void adapt(struct mr_alert *alert)
{
	alert->rule %= catalog.count;
	for (uint32_t i = 0; i < alert->evidence_count; i++) {
		struct mr_evidence *evidence = &alert->evidence[i];
		evidence->rule %= catalog.count;
		if (evidence->record.len > 0 && evidence->time_us % 8 != 0)
			evidence->origin.hash =
			    mr_hash64(evidence->record.at, evidence->record.len, 0);
	}
}

static void check_line(struct mr_buf *line)
{
	struct mr_json_node root;
	size_t len = line->len - 1;
	if (line->data[len] != '\n' || memchr(line->data, '\n', len) != NULL)
		abort();
	mr_buf_reserve(line, MR_JSON_PADDING);
	if (mr_json_read(checker, (struct mr_slice){line->data, len}, &root, NULL) != MR_OK)
		abort();
}

static void check_announcement(const struct mr_alert *alert)
{
	struct mr_buf line = {0};
	message_announce(&line, &catalog, alert);
	for (size_t i = 0; i < line.len; i++)
		if ((uint8_t)line.data[i] < 0x20)
			abort();
	if (!mr_utf8_valid(line.data, line.len))
		abort();
	mr_buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_slice bytes = {(const char *)data, size};
	struct mr_arena arena = {0};
	struct mr_alert alert;
	size_t at = 0;
	if (checker == NULL)
		set_up();
	while (at < size && mr_alert_decode(bytes, &at, &arena, &alert, NULL) == MR_OK) {
		struct mr_buf line = {0};
		adapt(&alert);
		ocsf_put_alert(&ocsf, &alert, &line);
		check_line(&line);
		check_announcement(&alert);
		mr_buf_fini(&line);
	}
	mr_arena_fini(&arena);
	return 0;
}
