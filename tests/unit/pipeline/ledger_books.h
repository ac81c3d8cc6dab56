/* ledger_books.h - a small honest ledger with the files that it speaks of, for tests that then
 * change something. */
#ifndef MILLRACE_TEST_LEDGER_BOOKS_H
#define MILLRACE_TEST_LEDGER_BOOKS_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger_check.h"
#include "ledger_db.h"
#include "ledger_store.h"

#include "exact.h"

#define HOUR_US (INT64_C(3600) * 1000000)
#define BEGIN_US (INT64_C(1772445600) * 1000000) /* 2026-03-02T10:00:00Z */

struct desk {
	char dir[64];
	char ledger[96];
	char alerts[96];
	char rejected[96];
	struct mr_ledger *books;
	struct mr_book_output sinks[2];
	uint64_t number;
	int64_t now_us;
	uint8_t head[MR_LINE_HASH_BYTES]; /* of `number` */
};

static inline void desk_open(struct desk *desk)
{
	struct mr_error error = {0};
	*desk = (struct desk){.dir = "/tmp/mr-ledger-XXXXXX", .now_us = BEGIN_US};
	assert_non_null(mkdtemp(desk->dir));
	snprintf(desk->ledger, sizeof desk->ledger, "%s/ledger.sqlite", desk->dir);
	snprintf(desk->alerts, sizeof desk->alerts, "%s/alerts.ndjson", desk->dir);
	snprintf(desk->rejected, sizeof desk->rejected, "%s/rejected.ndjson", desk->dir);
	desk->sinks[0] =
	    (struct mr_book_output){.sink = (char *)(uintptr_t) "alerts", .file = desk->alerts};
	desk->sinks[1] = (struct mr_book_output){.sink = (char *)(uintptr_t) "dead_letter",
						 .file = desk->rejected};
	if (mr_ledger_open(desk->ledger, true, &desk->books, &error) != MR_OK)
		fail_msg("%s", error.text);
}

static inline void desk_close(struct desk *desk)
{
	char command[120];
	mr_ledger_close(desk->books);
	snprintf(command, sizeof command, "rm -rf %s", desk->dir);
	assert_int_equal(system(command), 0);
}

/* The service stops: the ledger is one file. */
static inline void desk_stop(struct desk *desk)
{
	mr_ledger_close(desk->books);
	desk->books = NULL;
}

/* One line into a sink's file, and into its state. */
static inline void desk_line(struct desk *desk, int sink)
{
	char line[80];
	struct mr_book_output *output = &desk->sinks[sink];
	FILE *file = fopen(output->file, "a");
	assert_non_null(file);
	snprintf(line, sizeof line, "{\"line\": %llu}\n", (unsigned long long)output->taken);
	assert_true(fputs(line, file) >= 0);
	assert_int_equal(fclose(file), 0);
	mr_line_hash_add(&output->lines, mr_slice(line));
	output->taken++;
	output->delivered++;
}

/* The file of alerts was moved away: a new one begins. */
static inline void desk_turn(struct desk *desk)
{
	desk->sinks[0].lines = (struct mr_line_hash){0};
}

static inline void put(struct desk *desk, const char *source, const char *group,
		       const char *counter, uint64_t n)
{
	mr_ledger_put_count(desk->books, mr_slice(source), mr_slice(group), mr_slice(counter), n);
}

/* What `records` records make where one is rejected and one makes an alert. */
static inline void desk_count(struct desk *desk, const char *source, uint64_t records)
{
	const struct mr_book_link link = {
	    .sent_batches = 1, .sent_items = 1, .received_batches = 1, .received_items = 1};
	put(desk, source, "collect", "bytes_collected", 100 * records);
	put(desk, source, "parse", "bytes_received", 100 * records);
	put(desk, source, "parse", "records", records);
	put(desk, source, "parse", "parsed", records - 1);
	put(desk, source, "parse", "rejected_not_json", 1);
	put(desk, source, "parse", "signals", 1);
	put(desk, source, "correlate", "signals_received", 1);
	put(desk, source, "correlate", "alerts", 1);
	put(desk, source, "deliver", "alerts_received", 1);
	put(desk, source, "deliver", "delivered", 1);
	put(desk, source, "deliver", "rejects_received", 1);
	put(desk, source, "deliver", "rejects_written", 1);
	mr_ledger_put_link(desk->books, S("signals"), S("parse-0"), S("correlate-0"), &link);
	mr_ledger_put_position(desk->books, mr_slice(source), S("a/file"), 100 * desk->number);
	mr_ledger_put_latency(desk->books, S("deliver"), 1024, 1);
}

/* A checkpoint a second later: begun and filled, not yet committed. */
static inline void desk_begin(struct desk *desk)
{
	struct mr_error error = {0};
	const struct mr_ledger_checkpoint checkpoint = {.number = ++desk->number,
							.time_us = desk->now_us += 1000000,
							.incarnation = 1,
							.duration_us = 5000};
	if (mr_ledger_begin(desk->books, &checkpoint, &error) != MR_OK)
		fail_msg("%s", error.text);
	desk_count(desk, "mail", 10);
	desk_line(desk, 0);
	desk_line(desk, 1);
	mr_ledger_put_output(desk->books, &desk->sinks[0]);
	mr_ledger_put_output(desk->books, &desk->sinks[1]);
}

static inline void desk_checkpoint(struct desk *desk)
{
	struct mr_error error = {0};
	desk_begin(desk);
	if (mr_ledger_commit(desk->books, desk->head, &error) != MR_OK)
		fail_msg("%s", error.text);
}

/* SQL of somebody who changes the books. */
static inline void forge(const struct desk *desk, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(desk->ledger, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static inline int64_t ask(const struct desk *desk, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	assert_int_equal(sqlite3_open(desk->ledger, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return number;
}

/* The check, against a manifest that names the last checkpoint. */
static inline void desk_check(const struct desk *desk, struct mr_findings *findings)
{
	struct mr_error error = {0};
	struct mr_ledger_state state;
	struct mr_ledger_expected expected = {.known = true, .number = desk->number};
	memcpy(expected.head, desk->head, sizeof expected.head);
	*findings = (struct mr_findings){0};
	if (mr_ledger_check(desk->ledger, &expected, findings, &state, &error) != MR_OK)
		fail_msg("%s", error.text);
	mr_buf_add(&findings->lines, "", 1);
}

static inline void expect_sound(const struct desk *desk)
{
	struct mr_findings findings;
	desk_check(desk, &findings);
	if (findings.count > 0)
		fail_msg("%s", findings.lines.data);
	mr_findings_fini(&findings);
}

/* That the check's first finding holds `words`. */
static inline void expect_found(const struct desk *desk, const char *words)
{
	struct mr_findings findings;
	desk_check(desk, &findings);
	char *end = strchr(findings.lines.data, '\n');
	if (end != NULL)
		*end = 0;
	if (strstr(findings.lines.data, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, findings.lines.data);
	mr_findings_fini(&findings);
}

#endif
