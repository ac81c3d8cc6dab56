/* identity_harness.h - imports made of texts, and what they said. */
#ifndef MILLRACE_TESTS_IDENTITY_HARNESS_H
#define MILLRACE_TESTS_IDENTITY_HARNESS_H

#include "harness.h"
#include "identity_import.h"

struct outcome {
	enum mr_err err;
	struct mr_error error;
	uint32_t taken;
	uint64_t refused;
	uint64_t conflicts;
	struct mr_buf log; /* lines of warnings */
};

static inline void outcome_line(void *context, enum mr_log_level level, const char *line,
				size_t len)
{
	struct outcome *outcome = context;
	(void)level;
	mr_buf_add(&outcome->log, line, len);
	mr_buf_add_text(&outcome->log, "\n");
}

/* Import a text as the file "in" of the store's folder; `outcome` is the caller's to fini. */
static inline void import_text(const char *store, struct mr_slice text, struct outcome *outcome)
{
	char *path = mr_asprintf("%s.in", store);
	FILE *file = fopen(path, "we");
	struct identity_import import;
	const char *files[] = {path};

	assert_non_null(file);
	assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
	assert_int_equal(fclose(file), 0);
	*outcome = (struct outcome){0};
	mr_log_set_sink(outcome_line, outcome);
	outcome->err = identity_import_init(&import, store, files, &outcome->error);
	if (outcome->err == MR_OK) {
		outcome->err = identity_read_file(&import, 0, &outcome->error);
		if (outcome->err == MR_OK)
			outcome->err =
			    identity_import_commit(&import, &outcome->taken, &outcome->error);
		outcome->refused = import.refused;
		outcome->conflicts = import.conflicts;
		identity_import_fini(&import);
	}
	mr_log_set_sink(NULL, NULL);
	mr_buf_add(&outcome->log, "", 1);
	free(path);
}

static inline void outcome_fini(struct outcome *outcome)
{
	mr_buf_fini(&outcome->log);
}

#endif
