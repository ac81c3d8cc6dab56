/* sources.h - all sources of `run` that one worker owns: those whose place among the sources,
 * divided by the number of workers, leaves the worker's own. */
#ifndef MILLRACE_COLLECT_SOURCES_H
#define MILLRACE_COLLECT_SOURCES_H

#include "source.h"

/* Zeroed is empty. */
struct mr_sources {
	const struct mr_stage_env *env;
	struct mr_source *items;
	size_t count;
	size_t turn;
	struct mr_room room;
	struct mr_watching watch;
	int64_t dry_us;       /* when they last ran dry, having read something */
	uint64_t begun_bytes; /* of lines: source.h */
	int timer;            /* wakes the worker when something is due */
	struct mr_buf gone; /* the first worker's: snapshots of sources that the topology has not */
};

/* In the supervisor. MR_CONFIG. */
enum mr_err mr_sources_prepare(const struct mr_prepare *prepare, struct mr_error *error);
/* What all of them may have open but followed files. */
uint64_t mr_sources_descriptors(const struct mr_config *config);
/* As stage.h says of the stage. Each is opened by its first poll, once it is known whether a
 * checkpoint was restored. */
enum mr_err mr_sources_open(struct mr_sources *sources, const struct mr_stage_env *env,
			    struct mr_error *error);
enum mr_err mr_sources_poll(struct mr_sources *sources, struct mr_writer *out,
			    struct mr_error *error);
enum mr_err mr_sources_barrier(struct mr_sources *sources, struct mr_writer *out,
			       struct mr_error *error);
/* As mr_journal_in_place. */
enum mr_err mr_sources_snapshot(struct mr_sources *sources, struct mr_buf *out,
				struct mr_error *error);
enum mr_err mr_sources_restore(struct mr_sources *sources, struct mr_slice name,
			       struct mr_slice bytes, struct mr_error *error);
enum mr_err mr_sources_finish(struct mr_sources *sources, struct mr_error *error);
void mr_sources_show(const struct mr_sources *sources, mr_figures_taker take, void *context);
void mr_sources_committed(struct mr_sources *sources);
void mr_sources_fini(struct mr_sources *sources);

#endif
