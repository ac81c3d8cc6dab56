/* topology.h - which workers there are, how many, linked how. Data, not code.
 *
 * A group is a number of workers that run the same chain of stages. A link joins two groups and
 * carries one content. Links form an acyclic graph. */
#ifndef MILLRACE_TOPOLOGY_H
#define MILLRACE_TOPOLOGY_H

#include "millrace/batch.h"

#define MR_CHAIN_MAX 8
#define MR_WORKERS_MAX 256
#define MR_HOSTS_MAX 16

enum mr_link_mode {
	MR_LINK_SPREAD, /* to any worker: the next that accepts */
	MR_LINK_KEYED   /* to the worker that owns the key's group */
};

struct mr_group {
	char name[32];
	const char *chain[MR_CHAIN_MAX]; /* stage names, NULL behind the last */
	uint32_t workers;
	uint8_t layer; /* correlate */
	uint8_t host;  /* that it runs on; 0 is the first, or the only one */
};

struct mr_edge {
	uint32_t from; /* group numbers */
	uint32_t to;
	enum mr_link_mode mode;
	enum mr_content content;
	uint8_t layer; /* signals: the consumer's layer */
};

struct mr_topology {
	struct mr_group *groups;
	uint32_t group_count;
	struct mr_edge *edges;
	uint32_t edge_count;
};

/* The default: collect; parse·enrich·detect × workers; a layer of correlate × workers for each
 * layer of correlations; deliver. */
void mr_topology_default(uint32_t workers, uint8_t layers, struct mr_topology *out);
/* Cut the chain before a stage: it and those behind it get a group of their own, of as many workers
 * as the chain had, and events go there over a spread link. MR_CONFIG where the stage follows no
 * other. */
enum mr_err mr_topology_cut(struct mr_topology *topology, const char *stage,
			    struct mr_error *error);
/* Stages exist, contents fit, no cycle, numbers in bounds: MR_CONFIG says what is wrong. */
enum mr_err mr_topology_check(const struct mr_topology *topology, struct mr_error *error);
/* Whether these hosts speak with each other: the first one does with all, others where a link leads
 * from one to the other. */
bool mr_topology_speak(const struct mr_topology *topology, uint32_t a, uint32_t b);
void mr_topology_fini(struct mr_topology *topology);

/* Whether its two groups run on different hosts. */
static inline bool mr_edge_leaves(const struct mr_topology *topology, const struct mr_edge *edge)
{
	return topology->groups[edge->from].host != topology->groups[edge->to].host;
}

/* Stages in the group's chain. */
static inline uint32_t mr_group_length(const struct mr_group *group)
{
	uint32_t length = 0;
	while (length < MR_CHAIN_MAX && group->chain[length] != NULL)
		length++;
	return length;
}

/* The worker of `workers` that owns a key group: ranges as equal as can be. */
static inline uint32_t mr_key_group_owner(uint8_t key_group, uint32_t workers)
{
	return (uint32_t)key_group * workers / MR_KEY_GROUPS;
}

#endif
