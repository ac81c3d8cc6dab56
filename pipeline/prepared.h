/* prepared.h - all that prepare makes of a topology file and of what it names: what an incarnation
 * is started from.
 *
 * It lives in struct mr_supervisor while it is in force, and here while another one is. */
#ifndef MILLRACE_PIPELINE_PREPARED_H
#define MILLRACE_PIPELINE_PREPARED_H

#include "generation.h"
#include "supervisor.h"

struct mr_prepared {
	struct mr_config config;
	struct mr_fields *fields;
	struct mr_topology topology;
	struct mr_tables *tables;
	struct mr_catalog catalog;
	struct mr_generation generation;
};
/* Accepts zeroed memory. */
void mr_prepared_fini(struct mr_prepared *prepared);

/* Moves what is in force out of the supervisor, and something else in; likewise its generation. */
void mr_prepared_swap(struct mr_prepared *prepared, struct mr_supervisor *supervisor,
		      struct mr_generation *generation);
/* A generation that was kept in a state directory (generation.h), with the settings of now and as
 * many layers as its rules need. Errors: see mr_generation_find. Fini it also then. */
enum mr_err mr_prepared_recall(const struct mr_state_dir *dir, uint64_t id,
			       const struct mr_supervisor *supervisor, struct mr_prepared *out,
			       struct mr_error *error);
/* The catalog is one of the tables; pipelines of tests have none. MR_BAD_INPUT. */
enum mr_err mr_prepared_read_catalog(struct mr_prepared *prepared, struct mr_error *error);

#endif
