/* ledger_report.c - the books by source and hour, as a table for people, JSON or CSV.
 *
 * Called by cmd_ledger.c. The columns are the counts of book.def and the kinds of rejection; the
 * table for people shows those that tell the story. */
#include "ledger_report.h"

#include <stdio.h>

#include "ledger_db.h"
#include "millrace/books.h"

struct line {
	char hour[MR_TIME_TEXT];
	struct mr_slice source; /* borrowed from `name` */
	char name[512];
	uint64_t at[MR_B_COUNT];
};

static uint64_t rejected_of(const struct line *line)
{
	uint64_t sum = 0;
	for (int i = MR_B_REJECTED; i < MR_B_COUNT; i++)
		sum += line->at[i];
	return sum;
}

/* ---- the three forms ---- */

static const struct {
	const char *title;
	int book; /* MR_B_COUNT: all that was rejected */
} shown[] = {
    {"records", MR_B_RECORDS},   {"parsed", MR_B_PARSED},       {"rejected", MR_B_COUNT},
    {"repaired", MR_B_REPAIRED}, {"matched", MR_B_MATCHED},     {"signals", MR_B_SIGNALS},
    {"alerts", MR_B_ALERTS},     {"delivered", MR_B_DELIVERED}, {"shed", MR_B_STATE_SHED},
};
#define SHOWN (sizeof shown / sizeof *shown)

static void head_text(struct mr_buf *out)
{
	mr_buf_printf(out, "%-20s  %-20s", "hour", "source");
	for (size_t i = 0; i < SHOWN; i++)
		mr_buf_printf(out, " %10s", shown[i].title);
	mr_buf_add_text(out, "\n");
}

static void line_text(const struct line *line, struct mr_buf *out)
{
	size_t from = out->len;
	mr_buf_printf(out, "%-20s  %-20.*s", line->hour, (int)line->source.len, line->source.at);
	for (size_t i = 0; i < SHOWN; i++)
		mr_buf_printf(out, " %10llu",
			      (unsigned long long)(shown[i].book == MR_B_COUNT
						       ? rejected_of(line)
						       : line->at[shown[i].book]));
	mr_buf_show(out, from);
	mr_buf_add_text(out, "\n");
}

static void line_json(const struct line *line, struct mr_buf *out)
{
	mr_buf_printf(out, "{\"hour\": \"%s\", \"source\": ", line->hour);
	mr_json_put_string(out, line->source);
	for (int i = 0; i < MR_B_COUNT; i++)
		mr_buf_printf(out, ", \"%s\": %llu", mr_book_name((enum mr_book)i),
			      (unsigned long long)line->at[i]);
	mr_buf_printf(out, ", \"rejected\": %llu}\n", (unsigned long long)rejected_of(line));
}

static void head_csv(struct mr_buf *out)
{
	mr_buf_add_text(out, "hour,source");
	for (int i = 0; i < MR_B_COUNT; i++)
		mr_buf_printf(out, ",%s", mr_book_name((enum mr_book)i));
	mr_buf_add_text(out, ",rejected\r\n");
}

static void line_csv(const struct line *line, struct mr_buf *out)
{
	mr_buf_printf(out, "%s,\"", line->hour);
	for (size_t i = 0; i < line->source.len; i++) {
		mr_buf_add(out, line->source.at + i, 1);
		if (line->source.at[i] == '"')
			mr_buf_add_text(out, "\"");
	}
	mr_buf_add_text(out, "\"");
	for (int i = 0; i < MR_B_COUNT; i++)
		mr_buf_printf(out, ",%llu", (unsigned long long)line->at[i]);
	mr_buf_printf(out, ",%llu\r\n", (unsigned long long)rejected_of(line));
}

static const struct {
	void (*head)(struct mr_buf *out);
	void (*line)(const struct line *line, struct mr_buf *out);
} forms[] = {
    [MR_REPORT_TEXT] = {head_text, line_text},
    [MR_REPORT_JSON] = {NULL, line_json},
    [MR_REPORT_CSV] = {head_csv, line_csv},
};

/* ---- reading ---- */

static void take_count(struct line *line, struct mr_slice counter, uint64_t n)
{
	for (int i = 0; i < MR_B_COUNT; i++)
		if (mr_slice_eq(counter, mr_slice(mr_book_name((enum mr_book)i))))
			line->at[i] += n;
}

static void begin_line(struct line *line, int64_t hour_us, struct mr_slice source)
{
	*line = (struct line){.source = {line->name, mr_utf8_cut(source, sizeof line->name)}};
	mr_time_text(hour_us, line->hour);
	memcpy(line->name, source.at, line->source.len);
}

static enum mr_err put_lines(sqlite3_stmt *row, enum mr_report_form form, struct mr_buf *out,
			     struct mr_error *error)
{
	struct line line = {.at = {0}};
	int64_t hour_us = 0, source = INT64_MIN;
	enum mr_err err;
	while ((err = mr_ledger_db_step(row, error)) == MR_OK) {
		int64_t its_hour_us = sqlite3_column_int64(row, 0);
		int64_t its_source = sqlite3_column_int64(row, 1);
		if (its_hour_us != hour_us || its_source != source) {
			if (source != INT64_MIN)
				forms[form].line(&line, out);
			begin_line(&line, its_hour_us, mr_ledger_db_text(row, 2));
			hour_us = its_hour_us;
			source = its_source;
		}
		take_count(&line, mr_ledger_db_text(row, 3), mr_ledger_db_count(row, 4));
	}
	if (err == MR_END && source != INT64_MIN)
		forms[form].line(&line, out);
	return err == MR_END ? MR_OK : err;
}

enum mr_err mr_ledger_report(const char *path, enum mr_report_form form, struct mr_buf *out,
			     struct mr_error *error)
{
	struct mr_ledger_db db;
	sqlite3_stmt *row = NULL;
	enum mr_err err = mr_ledger_db_open(path, MR_LEDGER_READ, &db, error);
	if (err == MR_OK)
		err = mr_ledger_db_prepare(
		    db.db,
		    "WITH cuts AS (SELECT number AS cut, time_us FROM checkpoint"
		    " WHERE number > (SELECT coalesce(max(last), 0) FROM hour)"
		    " UNION ALL SELECT cut, start_us FROM hour)"
		    " SELECT time_us - (time_us % 3600000000 + 3600000000) % 3600000000 AS hour_us,"
		    " source, s.text, c.text, sum(n) FROM counter JOIN cuts USING (cut)"
		    " JOIN name s ON s.id = source JOIN name c ON c.id = counter"
		    " WHERE s.text <> '' GROUP BY hour_us, source, counter",
		    &row, error);
	if (err == MR_OK && forms[form].head != NULL)
		forms[form].head(out);
	if (err == MR_OK)
		err = put_lines(row, form, out, error);
	sqlite3_finalize(row);
	mr_ledger_db_close(&db);
	return err;
}
