/* outputs.h - all that deliver writes to: the sinks, each of which gets every alert, and the
 * dead-letter file.
 *
 * Called by deliver.c. scan has one sink and no checkpoints; a service has those of its settings.
 */
#ifndef MILLRACE_DELIVER_OUTPUTS_H
#define MILLRACE_DELIVER_OUTPUTS_H

#include "letters.h"
#include "sink.h"

struct outputs {
	struct sink_env env;
	struct sink *sinks;
	size_t count;
	struct letters letters;
	struct mr_buf gone; /* states of sinks that the settings do not have */
};

/* In the supervisor, before any worker. */
enum mr_err outputs_prepare(const struct mr_prepare *prepare, struct mr_error *error);
/* After an error hold nothing. */
enum mr_err outputs_open(struct outputs *outputs, const struct mr_stage_env *env,
			 struct mr_error *error);
/* Whether each sink takes a line of so many bytes. */
bool outputs_have_room(struct outputs *outputs, size_t bytes);
enum mr_err outputs_put(struct outputs *outputs, const struct line_id *id, struct mr_slice line,
			struct mr_error *error);
enum mr_err outputs_flush(struct outputs *outputs, struct mr_error *error);
enum mr_err outputs_poll(struct outputs *outputs, struct mr_error *error);
/* MR_FULL: call again. */
enum mr_err outputs_barrier(struct outputs *outputs, struct mr_error *error);
void outputs_snapshot(struct outputs *outputs, struct mr_buf *out);
/* What is no sink's any more is kept for when it comes back, in each snapshot. */
enum mr_err outputs_restore(struct outputs *outputs, struct mr_slice name, struct mr_slice bytes,
			    struct mr_error *error);
void outputs_show(const struct outputs *outputs, mr_figures_taker take, void *context);
void outputs_committed(struct outputs *outputs);
/* Accepts zeroed memory. */
void outputs_close(struct outputs *outputs);

#endif
