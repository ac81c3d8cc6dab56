/* ledger_balance.c - double entry over the ledger: what one step says that it passed on, the next
 * must say that it got.
 *
 * A barrier cuts all workers at one place of the stream, so each checkpoint balances by itself, and
 * so does each hour. Of one hole that goes through many cuts the first is told. */
#include "ledger_balance.h"

#include <stdio.h>

#include "millrace/books.h"

/* A name that ends in '*' is all that begin so. */
struct entry {
	const char *given_words;
	const char *given[2];
	const char *got_words;
	const char *got[2];
};

static const struct entry entries[] = {
    {"bytes collected", {"bytes_collected"}, "bytes received by parse", {"bytes_received"}},
    {"records met", {"records"}, "parsed and rejected", {"parsed", "rejected*"}},
    {"records rejected", {"rejected*"}, "received by deliver", {"rejects_received"}},
    {"rejected records received by deliver",
     {"rejects_received"},
     "dead-letter lines written and not asked for",
     {"rejects_written", "rejects_unwritten"}},
    {"signals sent",
     {"signals"},
     "signals received by correlate and too large",
     {"signals_received", "signals_too_large"}},
    {"occurrences sent to outer correlations",
     {"inner_signals"},
     "received by them and too large",
     {"inner_signals_received", "inner_signals_too_large"}},
    {"alerts made",
     {"alerts"},
     "alerts received by deliver and too large",
     {"alerts_received", "alerts_too_large"}},
    {"alerts received by deliver", {"alerts_received"}, "taken over by all sinks", {"delivered"}},
};
#define ENTRIES (sizeof entries / sizeof *entries)

static bool is_of(const char *const names[2], struct mr_slice name)
{
	for (int i = 0; i < 2 && names[i] != NULL; i++) {
		size_t len = strlen(names[i]);
		bool begins = names[i][len - 1] == '*';
		if (begins ? name.len >= len - 1 && memcmp(name.at, names[i], len - 1) == 0
			   : mr_slice_eq(name, mr_slice(names[i])))
			return true;
	}
	return false;
}

/* Of one cut and source. */
struct page {
	int64_t cut;
	char source[300];
	uint64_t given[ENTRIES];
	uint64_t got[ENTRIES];
};

static void judge(sqlite3 *db, const struct page *page, bool told[ENTRIES],
		  struct mr_findings *findings)
{
	char name[MR_CUT_TEXT];
	for (size_t i = 0; i < ENTRIES; i++) {
		if (page->given[i] == page->got[i] || told[i])
			continue;
		told[i] = true;
		mr_ledger_cut_text(db, page->cut, name);
		mr_find(findings, "%s%s%s: %s: %llu, %s: %llu: the books do not balance",
			page->source, page->source[0] == 0 ? "" : ", ", name,
			entries[i].given_words, (unsigned long long)page->given[i],
			entries[i].got_words, (unsigned long long)page->got[i]);
	}
}

static void post(struct page *page, struct mr_slice counter, uint64_t n)
{
	for (size_t i = 0; i < ENTRIES; i++) {
		page->given[i] += is_of(entries[i].given, counter) ? n : 0;
		page->got[i] += is_of(entries[i].got, counter) ? n : 0;
	}
}

/* Each cut that counts: hours, and checkpoints behind them. */
#define CUTS " (cut < 0 OR cut > (SELECT coalesce(max(last), 0) FROM hour)) "

static enum mr_err check_counters(sqlite3 *db, struct mr_findings *findings, struct mr_error *error)
{
	sqlite3_stmt *row = NULL;
	struct page page = {.cut = 0};
	bool told[ENTRIES] = {false};
	enum mr_err err = mr_ledger_db_prepare(
	    db,
	    "SELECT cut, s.text, c.text, sum(n) FROM counter JOIN name s ON s.id = source"
	    " JOIN name c ON c.id = counter WHERE" CUTS "GROUP BY source, cut, counter",
	    &row, error);
	while (err == MR_OK && (err = mr_ledger_db_step(row, error)) == MR_OK) {
		int64_t cut = sqlite3_column_int64(row, 0);
		struct mr_slice source = mr_ledger_db_text(row, 1);
		size_t shown = mr_utf8_cut(source, sizeof page.source - 1);
		bool same_source =
		    mr_slice_eq(mr_slice(page.source), (struct mr_slice){source.at, shown});
		if (cut != page.cut || !same_source) {
			judge(db, &page, told, findings);
			page = (struct page){.cut = cut};
			snprintf(page.source, sizeof page.source, "%.*s", (int)shown, source.at);
		}
		if (!same_source)
			memset(told, 0, sizeof told);
		post(&page, mr_ledger_db_text(row, 2), mr_ledger_db_count(row, 3));
	}
	sqlite3_finalize(row);
	if (err != MR_END)
		return err;
	judge(db, &page, told, findings);
	return MR_OK;
}

static enum mr_err check_links(sqlite3 *db, struct mr_findings *findings, struct mr_error *error)
{
	sqlite3_stmt *row = NULL;
	char name[MR_CUT_TEXT];
	enum mr_err err = mr_ledger_db_prepare(
	    db,
	    "SELECT max(cut), e.text, f.text, t.text, sum(sent_batches), sum(sent_items),"
	    " sum(received_batches), sum(received_items) FROM link"
	    " JOIN name e ON e.id = edge JOIN name f ON f.id = sender JOIN name t ON t.id = "
	    "receiver"
	    " WHERE (sent_items <> received_items OR sent_batches <> received_batches) AND" CUTS
	    "GROUP BY edge, sender, receiver",
	    &row, error);
	while (err == MR_OK && (err = mr_ledger_db_step(row, error)) == MR_OK) {
		struct mr_slice edge = mr_ledger_db_text(row, 1);
		struct mr_slice from = mr_ledger_db_text(row, 2);
		struct mr_slice to = mr_ledger_db_text(row, 3);
		mr_ledger_cut_text(db, sqlite3_column_int64(row, 0), name);
		mr_find(findings,
			"link %.*s from %.*s to %.*s, up to %s: %llu batches and %llu items sent, "
			"%llu and %llu received: the books do not balance",
			(int)edge.len, edge.at, (int)from.len, from.at, (int)to.len, to.at, name,
			(unsigned long long)mr_ledger_db_count(row, 4),
			(unsigned long long)mr_ledger_db_count(row, 5),
			(unsigned long long)mr_ledger_db_count(row, 6),
			(unsigned long long)mr_ledger_db_count(row, 7));
	}
	sqlite3_finalize(row);
	return err == MR_END ? MR_OK : err;
}

/* What a sink took over is delivered, refused, or still waits. */
static enum mr_err check_sinks(sqlite3 *db, struct mr_findings *findings, struct mr_error *error)
{
	sqlite3_stmt *row = NULL;
	char name[MR_CUT_TEXT];
	enum mr_err err = mr_ledger_db_prepare(
	    db,
	    "SELECT max(cut), s.text, taken, delivered, spooled, refused FROM output"
	    " JOIN name s ON s.id = sink WHERE taken <> delivered + spooled + refused AND" CUTS
	    "GROUP BY sink",
	    &row, error);
	while (err == MR_OK && (err = mr_ledger_db_step(row, error)) == MR_OK) {
		struct mr_slice sink = mr_ledger_db_text(row, 1);
		mr_ledger_cut_text(db, sqlite3_column_int64(row, 0), name);
		mr_find(findings,
			"sink %.*s, %s: %llu taken over, %llu delivered, %llu in the spool, %llu "
			"refused: the books do not balance",
			(int)sink.len, sink.at, name,
			(unsigned long long)mr_ledger_db_count(row, 2),
			(unsigned long long)mr_ledger_db_count(row, 3),
			(unsigned long long)mr_ledger_db_count(row, 4),
			(unsigned long long)mr_ledger_db_count(row, 5));
	}
	sqlite3_finalize(row);
	return err == MR_END ? MR_OK : err;
}

enum mr_err mr_ledger_check_balance(sqlite3 *db, struct mr_findings *findings,
				    struct mr_error *error)
{
	enum mr_err err = check_counters(db, findings, error);
	if (err == MR_OK)
		err = check_links(db, findings, error);
	if (err == MR_OK)
		err = check_sinks(db, findings, error);
	return err;
}
