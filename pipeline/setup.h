/* setup.h - all that a worker has to know, made by the supervisor: one for the whole incarnation.
 */
#ifndef MILLRACE_SETUP_H
#define MILLRACE_SETUP_H

#include "millrace/config.h"
#include "millrace/field.h"
#include "millrace/topology.h"

struct mr_setup {
	uint64_t incarnation;
	uint8_t seed[16];
	int64_t start_us;
	bool finite;
	char *directory; /* of the endpoints */
	struct mr_fields *fields;
	struct mr_config config;
	struct mr_topology topology;
};

void mr_setup_encode(const struct mr_setup *setup, struct mr_buf *out);
/* Survives any bytes: MR_BAD_INPUT, and `out` is empty. Stage names are those of mr_stages. */
enum mr_err mr_setup_decode(struct mr_slice bytes, struct mr_setup *out, struct mr_error *error);
/* Likewise from a sealed descriptor, which is taken. */
enum mr_err mr_setup_map(int fd, size_t size, struct mr_setup *out, struct mr_error *error);
/* Accepts zeroed memory. */
void mr_setup_fini(struct mr_setup *setup);

/* Workers are numbered over the groups in their order. The group of a worker, and which of it. */
uint32_t mr_setup_workers(const struct mr_topology *topology);
uint32_t mr_setup_first(const struct mr_topology *topology, uint32_t group);
uint32_t mr_setup_group(const struct mr_topology *topology, uint32_t worker);
/* "parse-2"; a group of one worker is called by its name alone. `out` has MR_WORKER_NAME bytes. */
#define MR_WORKER_NAME 48
void mr_setup_worker_name(const struct mr_topology *topology, uint32_t worker, char *out);

/* How many pairs a worker of this group has, upstream and downstream. */
void mr_topology_pairs(const struct mr_topology *topology, uint32_t group, uint32_t *in_out,
		       uint32_t *out_out);

/* The endpoint of a pair: edge, and the global numbers of its two workers. `out` has
 * MR_ENDPOINT_MAX bytes; the part behind the directory takes at most MR_ENDPOINT_NAME. */
#define MR_ENDPOINT_NAME 24
#define MR_ENDPOINT_MAX 160
#define MR_DIRECTORY_MAX (MR_ENDPOINT_MAX - MR_ENDPOINT_NAME - 8) /* "ipc://", "/" and a zero */
void mr_setup_endpoint(const struct mr_setup *setup, uint32_t edge, uint32_t from, uint32_t to,
		       char *out);

#endif
