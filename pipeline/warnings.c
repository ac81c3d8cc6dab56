/* warnings.c - bounds what workers warn of. Called by the supervisor. Cannot fail. */
#include "warnings.h"

#include <stdlib.h>

#include "millrace/memory.h"

#define EXAMPLE_BYTES 160

struct mr_warning_kind {
	uint64_t kind;
	uint64_t *texts; /* hashes of the different lines */
	uint32_t text_count;
	uint64_t more; /* lines that were not shown and are not known to be repeats */
	char example[EXAMPLE_BYTES + 1]; /* the first of them */
};

static struct mr_warning_kind *kind_of(struct mr_warnings *warnings, uint64_t kind)
{
	for (uint32_t i = 0; i < warnings->count; i++)
		if (warnings->kinds[i].kind == kind)
			return &warnings->kinds[i];
	if (warnings->count == MR_WARNINGS_KINDS)
		return &warnings->kinds[warnings->count - 1];
	if (warnings->kinds == NULL)
		warnings->kinds = mr_calloc(MR_WARNINGS_KINDS, sizeof(*warnings->kinds));
	struct mr_warning_kind *added = &warnings->kinds[warnings->count++];
	added->kind = kind;
	added->texts = mr_calloc(MR_WARNINGS_TEXTS, sizeof(*added->texts));
	return added;
}

enum mr_log_level mr_warnings_take(struct mr_warnings *warnings, uint64_t kind,
				   struct mr_slice line)
{
	struct mr_warning_kind *is = kind_of(warnings, kind);
	uint64_t text = mr_hash64(line.at, line.len, 0);
	for (uint32_t i = 0; i < is->text_count; i++)
		if (is->texts[i] == text)
			return MR_LOG_DEBUG;
	if (is->text_count < MR_WARNINGS_TEXTS)
		is->texts[is->text_count++] = text;
	if (is->text_count <= MR_WARNINGS_SHOWN)
		return MR_LOG_WARNING;
	if (is->more++ == 0)
		memcpy(is->example, line.at, mr_utf8_cut(line, EXAMPLE_BYTES));
	return MR_LOG_DEBUG;
}

void mr_warnings_tell(struct mr_warnings *warnings, struct mr_progress *progress)
{
	for (uint32_t i = 0; i < warnings->count; i++) {
		struct mr_warning_kind *kind = &warnings->kinds[i];
		struct mr_buf line = {0};
		if (kind->more == 0)
			continue;
		mr_buf_printf(&line, "and %llu more like this (log level debug shows each): %s",
			      (unsigned long long)kind->more, kind->example);
		mr_progress_line(progress, NULL, MR_LOG_WARNING, kind->kind, line.data, line.len);
		mr_buf_fini(&line);
		kind->more = 0;
	}
}

void mr_warnings_fini(struct mr_warnings *warnings)
{
	for (uint32_t i = 0; i < warnings->count; i++)
		free(warnings->kinds[i].texts);
	free(warnings->kinds);
	*warnings = (struct mr_warnings){0};
}
