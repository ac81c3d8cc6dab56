/* ledger_rows.c - books, counters and latencies as rows of the ledger. Cannot fail: what a put
 * meets is told by mr_ledger_commit. */
#include "ledger_rows.h"

#include <stdio.h>

#define NUMBER_ROOM 32

/* The name, or the number in words, in `room`. */
static struct mr_slice named(const struct mr_ledger_names *names,
			     struct mr_slice (*find)(void *context, uint32_t number),
			     uint32_t number, char room[NUMBER_ROOM])
{
	struct mr_slice name = find(names->context, number);
	if (name.len > 0)
		return name;
	int len = snprintf(room, NUMBER_ROOM, "number %u", number);
	return (struct mr_slice){room, (size_t)len};
}

static void put_row(struct mr_ledger *ledger, struct mr_slice source, struct mr_slice group,
		    const struct mr_book_row *row)
{
	for (int i = 0; i < MR_B_COUNT; i++)
		mr_ledger_put_count(ledger, source, group, mr_slice(mr_book_name((enum mr_book)i)),
				    row->at[i]);
}

/* It is of no source: a rule has the place of one. */
static void put_shed(struct mr_ledger *ledger, struct mr_slice group,
		     const struct mr_book_shed *shed)
{
	struct mr_buf name = {0};
	if (shed->rule[0] == 0)
		mr_buf_add_text(&name, "(detections)");
	else
		mr_buf_printf(&name, "(rule %s)", shed->rule);
	mr_ledger_put_count(ledger, (struct mr_slice){name.data, name.len}, group,
			    mr_slice(mr_book_name(MR_B_STATE_SHED)), shed->slots);
	mr_buf_fini(&name);
}

void mr_ledger_put_books(struct mr_ledger *ledger, struct mr_slice group,
			 const struct mr_books *books, const struct mr_ledger_names *names)
{
	char rooms[3][NUMBER_ROOM];
	for (uint32_t source = 0; source < books->row_count; source++) {
		struct mr_slice name = source == MR_BOOKS_SOURCES_MAX
					   ? MR_SLICE("(none)")
					   : named(names, names->source, source, rooms[0]);
		put_row(ledger, name, group, &books->rows[source]);
	}
	for (uint32_t i = 0; i < books->shed_count; i++)
		put_shed(ledger, group, &books->sheds[i]);
	for (uint32_t i = 0; i < books->link_count; i++) {
		const struct mr_book_link *link = &books->links[i];
		mr_ledger_put_link(ledger, named(names, names->edge, link->edge, rooms[0]),
				   named(names, names->worker, link->from, rooms[1]),
				   named(names, names->worker, link->to, rooms[2]), link);
	}
	for (size_t i = 0; i < books->position_count; i++) {
		const struct mr_book_position *it = &books->positions[i];
		mr_ledger_put_position(ledger, named(names, names->source, it->source, rooms[0]),
				       mr_slice(it->partition), it->position);
	}
	for (size_t i = 0; i < books->output_count; i++)
		mr_ledger_put_output(ledger, &books->outputs[i]);
}

/* By name: the two tables have those of one meaning under one. */
static bool is_by_source(enum mr_counter counter)
{
	if (counter == MR_C_REJECTED)
		return true;
	for (int i = 0; i < MR_B_COUNT; i++)
		if (strcmp(mr_book_name((enum mr_book)i), mr_counter_name(counter)) == 0)
			return true;
	return false;
}

void mr_ledger_put_counters(struct mr_ledger *ledger, struct mr_slice group,
			    const struct mr_counters *now, const struct mr_counters *before)
{
	for (int i = 0; i < MR_C_COUNT; i++) {
		enum mr_counter counter = (enum mr_counter)i;
		if (now->at[i] > before->at[i] && !is_by_source(counter))
			mr_ledger_put_count(ledger, MR_SLICE(""), group,
					    mr_slice(mr_counter_name(counter)),
					    now->at[i] - before->at[i]);
	}
}

void mr_ledger_put_histogram(struct mr_ledger *ledger, struct mr_slice step,
			     const struct mr_histogram *since)
{
	uint64_t below = 0;
	for (unsigned power = 0; power < MR_HISTOGRAM_RANGE_BITS; power++) {
		uint64_t within = mr_histogram_within(since, power);
		mr_ledger_put_latency(ledger, step, UINT64_C(1) << power, within - below);
		below = within;
	}
	mr_ledger_put_latency(ledger, step, INT64_MAX, since->count - below);
}
