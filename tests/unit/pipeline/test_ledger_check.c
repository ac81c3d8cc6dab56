/* test_ledger_check.c - frauds on the books, each of which the check names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger_books.h"

/* Ten checkpoints, and the service has stopped. */
static void begin(struct desk *desk)
{
	desk_open(desk);
	for (int i = 0; i < 10; i++)
		desk_checkpoint(desk);
	desk_stop(desk);
	expect_sound(desk);
}

static void found_after(const char *sql, const char *words)
{
	struct desk desk;
	begin(&desk);
	forge(&desk, sql);
	expect_found(&desk, words);
	desk_close(&desk);
}

#define NAMED(text) "(SELECT id FROM name WHERE text = '" text "')"

static void changes_of_the_ledger_are_named(void **state)
{
	(void)state;
	found_after("DELETE FROM counter WHERE cut = 4 AND counter = " NAMED("parsed"),
		    "checkpoint 4: 11 rows of table counter, 12 were committed: a row was removed");
	found_after("UPDATE counter SET n = n + 1 WHERE cut = 4 AND counter = " NAMED("parsed"),
		    "checkpoint 4: a row of table counter was altered");
	found_after("INSERT INTO counter VALUES (4, " NAMED("mail") ", " NAMED("parse") ", " NAMED(
			"a/file") ", 3)",
		    "checkpoint 4: 13 rows of table counter, 12 were committed: a row was added");
	found_after("UPDATE position SET position = 1 WHERE cut = 7",
		    "checkpoint 7: a row of table position was altered");
	found_after("UPDATE name SET text = 'nail' WHERE text = 'mail'",
		    "checkpoint 1: a row of table counter was altered");
	found_after("UPDATE link SET received_items = 2 WHERE cut = 2",
		    "checkpoint 2: a row of table link was altered");
	found_after("UPDATE checkpoint SET time_us = time_us + 1 WHERE number = 5",
		    "checkpoint 5: its numbers, its proof or what came before it are not what was "
		    "committed");
	found_after("INSERT INTO latency VALUES (11, 1, 1, 1)",
		    "table latency has rows of checkpoint 11, which is not there");
}

/* With its rows and its proofs, so that what is left fits together. */
#define REMOVE(n)                                                                                  \
	"DELETE FROM counter WHERE cut = " n "; DELETE FROM position WHERE cut = " n               \
	"; DELETE FROM link WHERE cut = " n "; DELETE FROM output WHERE cut = " n                  \
	"; DELETE FROM latency WHERE cut = " n "; DELETE FROM proof WHERE cut = " n                \
	"; DELETE FROM checkpoint WHERE number = " n ";"

static void a_removed_checkpoint_is_named(void **state)
{
	(void)state;
	found_after(REMOVE("6"), "checkpoint 7 follows checkpoint 6, which is not there: a "
				 "checkpoint was removed");
	found_after(REMOVE("1"), "checkpoint 2 follows checkpoint 1, which is not there");
	found_after(REMOVE("10"), "the manifest names checkpoint 10, the ledger ends with 9: a "
				  "checkpoint was removed");
	found_after("DELETE FROM checkpoint WHERE number = 10",
		    "the manifest names checkpoint 10, the ledger ends with 9");
}

static void a_removed_manifest_is_named(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	desk_checkpoint(&desk);
	desk_stop(&desk);
	desk.number = 0; /* killed before the first was renamed */
	expect_sound(&desk);
	desk_close(&desk);
	begin(&desk);
	desk.number = 0;
	expect_found(&desk, "there is no manifest, and the ledger has 10 checkpoints");
	desk_close(&desk);
}

/* Somebody who knows how the chain is made and writes it all anew has not the manifest. */
static void a_ledger_written_anew_is_named(void **state)
{
	(void)state;
	struct desk desk, other;
	begin(&desk);
	desk_open(&other);
	for (int i = 0; i < 10; i++) {
		desk_begin(&other);
		put(&other, "mail", "parse", "repaired", 1);
		assert_int_equal(mr_ledger_commit(other.books, other.head, NULL), MR_OK);
	}
	desk_stop(&other);
	expect_sound(&other);
	memcpy(other.head, desk.head, sizeof other.head);
	expect_found(&other, "checkpoint 10 is not the one that the manifest names");
	desk_close(&other);
	desk_close(&desk);
}

/* ---- files ---- */

static void shell(const struct desk *desk, const char *command)
{
	char line[400];
	snprintf(line, sizeof line, "cd %s && %s", desk->dir, command);
	assert_int_equal(system(line), 0);
}

static void found_in_files(const char *command, const char *words)
{
	struct desk desk;
	begin(&desk);
	shell(&desk, command);
	expect_found(&desk, words);
	desk_close(&desk);
}

static void changes_of_files_are_named(void **state)
{
	(void)state;
	found_in_files("sed -i 3d rejected.ndjson",
		       "rejected.ndjson: it has 9 lines, the books 10 at the last checkpoint; the "
		       "first that differs is one of 3 to 3 (checkpoint 3): lines were deleted");
	found_in_files("sed -i 10d alerts.ndjson", "alerts.ndjson: it has 9 lines, the books 10 at "
						   "the last checkpoint");
	found_in_files("sed -i 's/: 6/: 7/' alerts.ndjson",
		       "alerts.ndjson: one of the lines 7 to 7 is not what the books say at "
		       "checkpoint 7: a line was altered");
	found_in_files("head -c -4 alerts.ndjson > x && mv x alerts.ndjson",
		       "alerts.ndjson: it has 9 lines and a torn one, the books 10 at the last "
		       "checkpoint; the first that differs is one of 10 to 10 (checkpoint 10): it "
		       "was cut off");
	found_in_files("rm alerts.ndjson", "alerts.ndjson: it cannot be read: No such file");
	found_in_files("rm alerts.ndjson && mkfifo alerts.ndjson",
		       "alerts.ndjson: it cannot be read: it is no file");
}

static void sound_after(const char *command)
{
	struct desk desk;
	begin(&desk);
	shell(&desk, command);
	expect_sound(&desk);
	desk_close(&desk);
}

static void a_file_that_was_moved_away_is_sound(void **state)
{
	(void)state;
	sound_after("mv alerts.ndjson alerts.ndjson.1 && mv rejected.ndjson rejected-20261129");
	sound_after("mv alerts.ndjson alerts.ndjson.1 && touch alerts.ndjson");
	sound_after(
	    "mkdir log && mv alerts.ndjson log/1 && touch log/2 && ln -s log/2 alerts.ndjson");
	sound_after("mv alerts.ndjson a && echo '{\"line\": 11}' > alerts.ndjson && "
		    "echo '{\"line\": 10}' >> a && printf torn >> a");
	found_in_files("mv alerts.ndjson a && sed -i 3d a",
		       "alerts.ndjson: it cannot be read: No such file");
	found_in_files("mv alerts.ndjson a && touch alerts.ndjson && sed -i 3d a",
		       "alerts.ndjson: it has 0 lines, the books 10");
	/* A copy hides nothing, and no other sink's file does. */
	found_in_files("cp alerts.ndjson a && sed -i 3d alerts.ndjson",
		       "alerts.ndjson: it has 9 lines, the books 10");
	found_in_files("cp alerts.ndjson a && sed -i '1s/: 0/: 8/' alerts.ndjson",
		       "alerts.ndjson: one of the lines 1 to 1 is not");
	found_in_files("mv alerts.ndjson a && mkfifo alerts.ndjson",
		       "alerts.ndjson: it cannot be read: it is no file");
}

/* The books go on with a new file: what is done to that one is named, by its own lines. */
static void a_new_file_is_compared_from_its_beginning(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	for (int i = 0; i < 10; i++)
		desk_checkpoint(&desk);
	shell(&desk, "mv alerts.ndjson alerts.ndjson.1");
	desk_turn(&desk);
	for (int i = 0; i < 20; i++)
		desk_checkpoint(&desk);
	desk_stop(&desk);
	expect_sound(&desk);
	shell(&desk, "gzip alerts.ndjson.1");
	expect_sound(&desk);
	shell(&desk, "sed -i 3d alerts.ndjson");
	expect_found(&desk, "alerts.ndjson: it has 19 lines, the books 20 at the last checkpoint; "
			    "the first that differs is one of 3 to 3 (checkpoint 13)");
	desk_close(&desk);
}

/* Two lines of one checkpoint. */
static void lines_that_changed_places_are_named(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk);
	desk_checkpoint(&desk);
	desk_line(&desk, 0);
	desk_line(&desk, 0);
	desk_checkpoint(&desk);
	desk_stop(&desk);
	expect_sound(&desk);
	shell(&desk, "sed -i -n '2{h;n;p;x};p' alerts.ndjson");
	expect_found(&desk, "alerts.ndjson: lines 2 to 4 stand in another order than the books say "
			    "at checkpoint 2: lines changed places");
	desk_close(&desk);
}

/* A service that was killed: a checkpoint more than the manifest names, lines behind both. */
static void what_a_kill_leaves_is_sound(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	shell(&desk, "echo '{\"line\": 10}' >> alerts.ndjson; printf '{\"li' >> alerts.ndjson");
	expect_sound(&desk);
	assert_int_equal(mr_ledger_open(desk.ledger, false, &desk.books, NULL), MR_OK);
	desk_begin(&desk);
	uint8_t head[MR_LINE_HASH_BYTES];
	assert_int_equal(mr_ledger_commit(desk.books, head, NULL), MR_OK);
	desk_stop(&desk);
	desk.number--; /* the manifest was not renamed */
	expect_sound(&desk);
	desk_close(&desk);
}

/* ---- balance ---- */

static void unbalanced(const char *source, const char *counter, const char *words)
{
	struct desk desk;
	desk_open(&desk);
	desk_checkpoint(&desk);
	desk_begin(&desk);
	put(&desk, source, "other", counter, 1);
	assert_int_equal(mr_ledger_commit(desk.books, desk.head, NULL), MR_OK);
	desk_checkpoint(&desk);
	desk_stop(&desk);
	expect_found(&desk, words);
	desk_close(&desk);
}

static void holes_are_named(void **state)
{
	(void)state;
	unbalanced("mail", "bytes_collected",
		   "mail, checkpoint 2: bytes collected: 1001, bytes received by parse: 1000");
	unbalanced("mail", "records",
		   "mail, checkpoint 2: records met: 11, parsed and rejected: 10");
	unbalanced("mail", "rejected_damaged",
		   "mail, checkpoint 2: records met: 10, parsed and rejected: 11");
	unbalanced("web", "signals", "web, checkpoint 2: signals sent: 1, signals received");
	unbalanced("", "inner_signals", "checkpoint 2: occurrences sent to outer correlations: 1");
	unbalanced("mail", "alerts", "mail, checkpoint 2: alerts made: 2, alerts received");
	unbalanced("mail", "rejects_received", "mail, checkpoint 2: records rejected: 1, received");
	unbalanced("mail", "alerts_too_large", "mail, checkpoint 2: alerts made: 1, alerts");
}

static void links_and_sinks_balance(void **state)
{
	(void)state;
	struct desk desk;
	struct mr_findings findings;
	const struct mr_book_link lost = {
	    .sent_batches = 1, .sent_items = 5, .received_batches = 1};
	desk_open(&desk);
	desk_begin(&desk);
	mr_ledger_put_link(desk.books, S("alerts"), S("correlate-0"), S("deliver-0"), &lost);
	desk.sinks[1].taken += 2;
	desk.sinks[1].spooled = 1;
	mr_ledger_put_output(desk.books, &desk.sinks[1]);
	assert_int_equal(mr_ledger_commit(desk.books, desk.head, NULL), MR_OK);
	desk_stop(&desk);
	desk_check(&desk, &findings);
	assert_int_equal(findings.count, 2);
	assert_non_null(strstr(findings.lines.data,
			       "link alerts from correlate-0 to deliver-0, up to checkpoint 1: 1 "
			       "batches and 5 items sent, 1 and 0 received"));
	assert_non_null(strstr(findings.lines.data,
			       "sink dead_letter, checkpoint 1: 3 taken over, 1 delivered, 1 in "
			       "the spool, 0 refused"));
	mr_findings_fini(&findings);
	desk_close(&desk);
}

/* ---- a file that is no ledger ---- */

static enum mr_err check_quietly(const struct desk *desk, struct mr_error *error)
{
	struct mr_findings findings = {0};
	struct mr_ledger_state state;
	const struct mr_ledger_expected expected = {.known = false};
	enum mr_err err = mr_ledger_check(desk->ledger, &expected, &findings, &state, error);
	err = err == MR_OK && findings.count > 0 ? MR_PROTOCOL : err;
	mr_findings_fini(&findings);
	return err;
}

static void expect_refused(const struct desk *desk, const char *words)
{
	struct mr_error error = {0};
	assert_int_equal(check_quietly(desk, &error), MR_BAD_INPUT);
	if (strstr(error.text, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, error.text);
}

static void strange_files_are_refused(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	forge(&desk, "CREATE TRIGGER more AFTER INSERT ON checkpoint BEGIN SELECT 1; END");
	expect_refused(&desk, "its tables are not those of a ledger of version 1");
	forge(&desk, "DROP TRIGGER more; DROP VIEW hours");
	expect_refused(&desk, "its tables are not those of a ledger");
	forge(&desk, "PRAGMA application_id = 7");
	expect_refused(&desk, "this is no ledger of Millrace");
	shell(&desk, "head -c 5000 ledger.sqlite > x && mv x ledger.sqlite");
	expect_refused(&desk, "ledger.sqlite: ");
	shell(&desk, "echo nothing of the kind > ledger.sqlite");
	expect_refused(&desk, "file is not a database");
	shell(&desk, ": > ledger.sqlite");
	expect_refused(&desk, "it is empty");
	desk_close(&desk);
}

/* Whatever byte is turned over: survived, and never a sound ledger with other rows. */
static void any_flipped_byte_is_survived(void **state)
{
	(void)state;
	struct desk desk;
	struct stat about;
	unsigned refused = 0;
	begin(&desk);
	assert_int_equal(stat(desk.ledger, &about), 0);
	int fd = open(desk.ledger, O_RDWR);
	for (off_t at = 0; at < about.st_size; at += at < 120 ? 1 : 97) {
		unsigned char byte, other;
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		other = byte ^ 0x55;
		assert_int_equal(pwrite(fd, &other, 1, at), 1);
		refused += check_quietly(&desk, NULL) != MR_OK;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
	assert_in_range(refused, 100, 100000);
	expect_sound(&desk);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes_of_the_ledger_are_named),
	    cmocka_unit_test(a_removed_checkpoint_is_named),
	    cmocka_unit_test(a_removed_manifest_is_named),
	    cmocka_unit_test(a_ledger_written_anew_is_named),
	    cmocka_unit_test(changes_of_files_are_named),
	    cmocka_unit_test(a_file_that_was_moved_away_is_sound),
	    cmocka_unit_test(a_new_file_is_compared_from_its_beginning),
	    cmocka_unit_test(lines_that_changed_places_are_named),
	    cmocka_unit_test(what_a_kill_leaves_is_sound),
	    cmocka_unit_test(holes_are_named),
	    cmocka_unit_test(links_and_sinks_balance),
	    cmocka_unit_test(strange_files_are_refused),
	    cmocka_unit_test(any_flipped_byte_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
