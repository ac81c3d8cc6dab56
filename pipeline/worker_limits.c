/* worker_limits.c - how much an honest worker may come to need: of memory, of open files.
 *
 * Called by worker_lock.c, which makes it the process's limit, and by supervisor_limits.c. Does not
 * fail. */
#include "worker.h"

#include "sandbox.h"

/* Counted on libzmq 4.3.4, with a connection, its listener and both ends of the socket's monitor.
 */
#define RX_DESCRIPTORS 5
#define TX_DESCRIPTORS 4
/* The standard ones, control, ZeroMQ's own, an input, temporary files; a few that come and go. */
#define WORKER_DESCRIPTORS 32

#define PAIR_BYTES (UINT64_C(16) << 20) /* four messages, of 4 MiB at most */
#define RECORD_TIMES 64                 /* a record, repaired, parsed, flattened */
#define TABLE_TIMES 4                   /* of a table or a snapshot, what is made of it */
#define STATE_TIMES 3                   /* of counted state, with what the allocator takes */
#define BATCH_TIMES 16                  /* of a sink's batch: made, compressed, on its way */

static uint64_t stages_descriptors(const struct mr_setup *setup, uint32_t group)
{
	const struct mr_group *of = &setup->topology.groups[group];
	uint64_t sum = 0;
	for (uint32_t i = 0; i < mr_group_length(of); i++) {
		const struct mr_stage_ops *ops = mr_stage_find(of->chain[i]);
		if (ops->descriptors != NULL)
			sum += ops->descriptors(&setup->config);
	}
	return sum;
}

uint64_t mr_worker_descriptors(const struct mr_setup *setup, uint32_t group, size_t tables)
{
	uint32_t in, out;
	mr_topology_pairs(&setup->topology, group, &in, &out);
	return WORKER_DESCRIPTORS + tables + (uint64_t)in * RX_DESCRIPTORS +
	       (uint64_t)out * TX_DESCRIPTORS + stages_descriptors(setup, group);
}

static uint64_t setting(const struct mr_config *config, const char *name)
{
	struct mr_error error = {0};
	int64_t number;
	return mr_config_int(config, name, &number, &error) == MR_OK ? (uint64_t)number : 0;
}

static uint64_t pairs_of(const struct mr_worker *worker)
{
	uint32_t in, out;
	mr_topology_pairs(&worker->setup.topology, worker->group, &in, &out);
	return (uint64_t)in + out;
}

/* Of state the whole of a layer: keys may crowd in one worker. */
uint64_t mr_worker_memory(const struct mr_worker *worker)
{
	const struct mr_config *config = &worker->setup.config;
	const struct mr_part *sink;
	uint64_t bytes = MR_SANDBOX_MEMORY + pairs_of(worker) * PAIR_BYTES +
			 RECORD_TIMES * setting(config, "max_record_bytes");
	for (size_t i = 0; i < mr_tables_count(worker->tables); i++) {
		const char *name;
		int fd;
		size_t size;
		mr_tables_at(worker->tables, i, &name, &fd, &size);
		bytes += TABLE_TIMES * size;
	}
	if (mr_group_has_keyed_state(&worker->setup.topology.groups[worker->group]))
		bytes += STATE_TIMES * setting(config, "state_bytes");
	for (size_t i = 0; (sink = mr_config_part(config, MR_PART_SINK, i)) != NULL; i++)
		bytes += BATCH_TIMES * setting(&sink->settings, "batch_bytes");
	return bytes;
}

uint64_t mr_worker_files(const struct mr_worker *worker)
{
	const struct mr_setup *setup = &worker->setup;
	if ((worker->needs & (MR_NEEDS_FILES | MR_NEEDS_NETWORK)) != 0)
		return 0;
	return mr_worker_descriptors(setup, worker->group, mr_tables_count(worker->tables)) +
	       setting(&setup->config, "referenced_files") +
	       setting(&setup->config, "open_segments");
}
