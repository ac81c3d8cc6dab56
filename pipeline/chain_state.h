/* chain_state.h - the state of a chain's stages: barriers, snapshots, and back.
 *
 * Order at a barrier: mr_chain_barrier until MR_OK, with what it wrote sent between; then
 * mr_chain_snapshot for each stage that has state. A new chain is restored before its first batch,
 * from every file that any worker wrote for the stage. */
#ifndef MILLRACE_CHAIN_STATE_H
#define MILLRACE_CHAIN_STATE_H

#include "chain.h"

struct mr_file_sum {
	uint64_t size;
	uint64_t hash; /* XXH3 of all but the last eight bytes, which hold it */
};

bool mr_stage_has_state(const struct mr_stage_ops *ops);
/* State by key, which may be large: a snapshot of it forks. */
bool mr_group_has_keyed_state(const struct mr_group *group);

/* MR_FULL: the outputs must be sent first; call again. */
enum mr_err mr_chain_barrier(struct mr_chain *chain, int64_t watermark_us, struct mr_error *error);
/* Who is told of each piece of a snapshot that is written. */
struct mr_snapshot_watch {
	void (*wrote)(void *context);
	void *context;
};
/* To where the descriptor stands, in pieces; blocks for the disk. `watch` may be NULL. MR_NO_SPACE,
 * MR_IO. */
enum mr_err mr_chain_snapshot(const struct mr_chain *chain, uint32_t stage,
			      const struct mr_stage_env *env, int fd,
			      const struct mr_snapshot_watch *watch, struct mr_file_sum *sum_out,
			      struct mr_error *error);
/* One snapshot file. The worker takes the key groups that it owns, and offers each name. */
enum mr_err mr_chain_restore(struct mr_chain *chain, uint32_t stage, const struct mr_stage_env *env,
			     struct mr_slice bytes, struct mr_error *error);
void mr_chain_committed(struct mr_chain *chain);

#endif
