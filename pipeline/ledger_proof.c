/* ledger_proof.c - hashes that prove the rows of the ledger, and chain them.
 *
 * The canonical text of a row is each of its columns in order: a number as its decimal digits and
 * ';', a text as its length, ':' and its bytes, a column without a value '-'; then a line end.
 * Names stand in full: an altered name alters every row that bears it. */
#include <stdio.h>

#include "ledger_db.h"

#define NAMED(column) " LEFT JOIN name AS n_" column " ON n_" column ".id = " column

static const struct {
	const char *name;
	const char *rows;
	const char *fold;
} parts[MR_PART_COUNT] = {
    [MR_PART_COUNTER] =
	{"counter",
	 "SELECT n_source.text, n_worker_group.text, n_counter.text, n FROM counter" NAMED("source")
	     NAMED("worker_group") NAMED("counter") " WHERE cut = ?1"
						    " ORDER BY source, worker_group, "
						    "counter",
	 "INSERT INTO counter SELECT ?1, source, worker_group, counter, sum(n) FROM counter"
	 " WHERE cut BETWEEN ?2 AND ?3 GROUP BY source, worker_group, counter"},
    [MR_PART_POSITION] = {"position",
			  "SELECT n_source.text, n_partition.text, position FROM position" NAMED(
			      "source")
			      NAMED("partition") " WHERE cut = ?1 ORDER BY source, partition",
			  "INSERT INTO position SELECT ?1, source, partition, position FROM"
			  " (SELECT source, partition, position, max(cut) FROM position"
			  " WHERE cut BETWEEN ?2 AND ?3 GROUP BY source, partition)"},
    [MR_PART_LINK] =
	{"link",
	 "SELECT n_edge.text, n_sender.text, n_receiver.text, sent_batches, sent_items,"
	 " received_batches, received_items FROM link" NAMED("edge") NAMED("sender")
	     NAMED("receiver") " WHERE cut = ?1 ORDER BY edge, sender, receiver",
	 "INSERT INTO link SELECT ?1, edge, sender, receiver, sum(sent_batches), sum(sent_items),"
	 " sum(received_batches), sum(received_items) FROM link WHERE cut BETWEEN ?2 AND ?3"
	 " GROUP BY edge, sender, receiver"},
    [MR_PART_OUTPUT] =
	{"output",
	 "SELECT n_sink.text, n_file.text, bytes, lines, chain, sum, taken, delivered, refused,"
	 " spooled FROM output" NAMED("sink") NAMED("file") " WHERE cut = ?1 ORDER BY sink",
	 "INSERT INTO output SELECT ?1, sink, file, bytes, lines, chain, sum, taken, delivered,"
	 " refused, spooled FROM (SELECT *, max(cut) FROM output"
	 " WHERE cut BETWEEN ?2 AND ?3 GROUP BY sink)"},
    [MR_PART_LATENCY] = {"latency",
			 "SELECT n_step.text, within_us, n FROM latency" NAMED(
			     "step") " WHERE cut = ?1 ORDER BY step, within_us",
			 "INSERT INTO latency SELECT ?1, step, within_us, sum(n) FROM latency"
			 " WHERE cut BETWEEN ?2 AND ?3 GROUP BY step, within_us"},
};

const char *mr_ledger_part_name(enum mr_ledger_part part)
{
	return parts[part].name;
}

const char *mr_ledger_part_fold(enum mr_ledger_part part)
{
	return parts[part].fold;
}

enum mr_err mr_ledger_prover_open(struct mr_ledger_prover *prover, sqlite3 *db,
				  struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (int i = 0; i < MR_PART_COUNT && err == MR_OK; i++)
		err = mr_ledger_db_prepare(db, parts[i].rows, &prover->rows[i], error);
	return err;
}

void mr_ledger_prover_close(struct mr_ledger_prover *prover)
{
	for (int i = 0; i < MR_PART_COUNT; i++)
		sqlite3_finalize(prover->rows[i]);
	mr_buf_fini(&prover->text);
	*prover = (struct mr_ledger_prover){0};
}

static void put_row(sqlite3_stmt *row, struct mr_buf *out)
{
	for (int column = 0; column < sqlite3_column_count(row); column++) {
		int type = sqlite3_column_type(row, column);
		struct mr_slice text = mr_ledger_db_text(row, column);
		if (type == SQLITE_INTEGER) {
			mr_buf_add(out, text.at, text.len);
			mr_buf_add(out, ";", 1);
		} else if (type == SQLITE_NULL) {
			mr_buf_add(out, "-", 1);
		} else {
			mr_buf_add_uint(out, text.len);
			mr_buf_add(out, ":", 1);
			mr_buf_add(out, text.at, text.len);
		}
	}
	mr_buf_add(out, "\n", 1);
}

static void hash_text(const struct mr_buf *text, struct mr_ledger_hash *out)
{
	mr_sha256(text->data, text->len, out->bytes);
	mr_hex(out->bytes, sizeof out->bytes, out->hex);
}

enum mr_err mr_ledger_prove(struct mr_ledger_prover *prover, enum mr_ledger_part part, int64_t cut,
			    struct mr_ledger_proof *out, struct mr_error *error)
{
	sqlite3_stmt *row = prover->rows[part];
	enum mr_err err;
	out->rows = 0;
	prover->text.len = 0;
	mr_buf_printf(&prover->text, "%s\n", parts[part].name);
	sqlite3_bind_int64(row, 1, cut);
	while ((err = mr_ledger_db_step(row, error)) == MR_OK) {
		put_row(row, &prover->text);
		out->rows++;
	}
	hash_text(&prover->text, &out->hash);
	return err == MR_END ? MR_OK : err;
}

void mr_ledger_link(const struct mr_ledger_head *head,
		    const struct mr_ledger_proof proofs[MR_PART_COUNT], struct mr_ledger_hash *out)
{
	struct mr_buf text = {0};
	mr_buf_printf(&text, "%s\n%s\n%s\n", head->kind, head->before, head->other);
	for (int i = 0; i < MR_LEDGER_HEAD_NUMBERS; i++)
		mr_buf_printf(&text, "%lld\n", (long long)head->numbers[i]);
	for (int i = 0; i < MR_PART_COUNT; i++)
		mr_buf_printf(&text, "%s %lld %s\n", parts[i].name, (long long)proofs[i].rows,
			      proofs[i].hash.hex);
	hash_text(&text, out);
	mr_buf_fini(&text);
}
