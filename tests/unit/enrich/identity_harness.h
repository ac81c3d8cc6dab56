/* identity_harness.h - imports made of texts, what they said, and who is found then. */
#ifndef MILLRACE_TESTS_IDENTITY_HARNESS_H
#define MILLRACE_TESTS_IDENTITY_HARNESS_H

#include "harness.h"
#include "identity_import.h"
#include "identity_store.h"

struct outcome {
	enum mr_err err;
	struct mr_error error;
	uint32_t taken;
	uint64_t refused;
	uint64_t conflicts;
	struct mr_buf log; /* lines of warnings */
};

static inline void outcome_line(void *context, enum mr_log_level level, uint64_t kind,
				const char *line, size_t len)
{
	(void)kind;
	struct outcome *outcome = context;
	(void)level;
	mr_buf_add(&outcome->log, line, len);
	mr_log_clean(outcome->log.data + outcome->log.len - len, len);
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

static inline void import_good(const char *store, const char *text, uint32_t taken)
{
	struct outcome outcome;
	import_text(store, mr_slice(text), &outcome);
	if (outcome.err != MR_OK)
		fail_msg("%s", outcome.error.text);
	assert_string_equal(outcome.log.data, "");
	assert_int_equal(outcome.taken, taken);
	outcome_fini(&outcome);
}

static inline void open_store(const char *store, struct identity_table *table)
{
	struct mr_error error = {0};
	char *generation = identity_store_current(store);
	if (identity_store_open(generation, NULL, NULL, NULL, table, &error) != MR_OK)
		fail_msg("%s", error.text);
	free(generation);
}

static inline const struct identity_person *find(const struct identity_table *table,
						 const char *key)
{
	return identity_find(table, mr_slice(key), identity_hash(table, mr_slice(key)));
}

/* The id of whom a folded key finds, or "-". */
static inline const char *who(const struct identity_table *table, const char *key)
{
	static char out[64];
	char guid[IDENTITY_GUID_CHARS];
	const struct identity_person *person = find(table, key);
	if (person == NULL)
		return "-";
	struct mr_slice id = identity_id(person, guid);
	snprintf(out, sizeof(out), "%.*s", (int)id.len, id.at);
	return out;
}

static const char people[] =
    "{\"id\":\"9D8001CB-A159-4252-A3A1-C00000000001\",\"upn\":\"Joey@Contoso.example\",\"aliases\":"
    "[\"J@contoso.example\",\"STRA\xc3\x9f"
    "E@contoso.example\"],\"puid\":\"10032001266C162C\",\"display_name\":\"Joey \\\"J\\\" Doe\","
    "\"department\":\"Finance\",\"title\":\"Clerk\",\"manager\":\"boss@contoso.example\","
    "\"groups\":[\"All\",\"Finance EU\"],\"roles\":[\"Global Administrator\"],\"privileged\":true,"
    "\"risk\":\"high\",\"home_country\":\"DE\",\"enabled\":false,"
    "\"last_changed\":\"2026-01-01T00:00:00Z\"}\n"
    "\n"
    "{\"id\":\"app-object-1\",\"upn\":\"backup-app\",\"app_id\":\"51E09C12-1410-42E8-B964-"
    "000000000001\","
    "\"privileged\":null}\n";

#endif
