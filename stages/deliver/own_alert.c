/* own_alert.c - see own_alert.h. */
#include "own_alert.h"

static void count(struct mr_counters *counters)
{
	static const struct {
		enum mr_counter counter;
		enum mr_book book;
	} steps[] = {{MR_C_ALERTS, MR_B_ALERTS},
		     {MR_C_ALERTS_RECEIVED, MR_B_ALERTS_RECEIVED},
		     {MR_C_DELIVERED, MR_B_DELIVERED}};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		mr_count(counters, steps[i].counter, 1);
		mr_count_of(counters, MR_BOOKS_SOURCES_MAX, steps[i].book, 1);
	}
}

enum mr_err own_alert_put(struct outputs *outputs, const struct line_id *id, struct mr_slice line,
			  struct mr_error *error)
{
	if (!outputs_have_room(outputs, line.len))
		return MR_FULL;
	enum mr_err err = outputs_put(outputs, id, line, error);
	if (err == MR_OK)
		count(outputs->env.stage->counters);
	return err;
}
