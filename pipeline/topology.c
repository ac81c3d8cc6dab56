/* topology.c - the default topology, cuts in its chains, and whether a topology can work.
 *
 * Called by cmd_scan.c, which makes one, by supervisor.c and setup.c, which check it before
 * anything starts. A fault is MR_CONFIG with the names of the groups. */
#include "millrace/topology.h"

#include <stdio.h>
#include <stdlib.h>

#include "millrace/stage.h"

static struct mr_group *add_group(struct mr_topology *topology, const char *name, uint32_t workers)
{
	struct mr_group *group = &topology->groups[topology->group_count++];
	snprintf(group->name, sizeof group->name, "%s", name);
	group->workers = workers;
	return group;
}

static void add_edge(struct mr_topology *topology, struct mr_edge edge)
{
	topology->edges[topology->edge_count++] = edge;
}

static void link_correlations(struct mr_topology *topology, uint32_t parse, uint32_t deliver)
{
	for (uint32_t to = parse + 1; to < deliver; to++) {
		for (uint32_t from = parse; from < to; from++)
			add_edge(topology,
				 (struct mr_edge){from, to, MR_LINK_KEYED, MR_CONTENT_SIGNALS,
						  topology->groups[to].layer});
		add_edge(topology,
			 (struct mr_edge){to, deliver, MR_LINK_SPREAD, MR_CONTENT_ALERTS, 0});
	}
}

void mr_topology_default(uint32_t workers, uint8_t layers, struct mr_topology *out)
{
	size_t groups = (size_t)layers + 3;
	*out = (struct mr_topology){0};
	out->groups = mr_calloc(groups, sizeof *out->groups);
	out->edges = mr_calloc(groups * groups, sizeof *out->edges);

	struct mr_group *collect = add_group(out, "collect", 1);
	collect->chain[0] = "collect";
	struct mr_group *parse = add_group(out, "parse", workers);
	parse->chain[0] = "parse";
	parse->chain[1] = "enrich";
	parse->chain[2] = "detect";
	for (uint8_t layer = 0; layer < layers; layer++) {
		char name[32];
		snprintf(name, sizeof name, layer == 0 ? "correlate" : "correlate.%u", layer);
		struct mr_group *correlate = add_group(out, name, workers);
		correlate->chain[0] = "correlate";
		correlate->layer = layer;
	}
	uint32_t deliver = out->group_count;
	add_group(out, "deliver", 1)->chain[0] = "deliver";

	add_edge(out, (struct mr_edge){0, 1, MR_LINK_SPREAD, MR_CONTENT_RECORDS, 0});
	add_edge(out, (struct mr_edge){0, deliver, MR_LINK_SPREAD, MR_CONTENT_REJECTS, 0});
	add_edge(out, (struct mr_edge){1, deliver, MR_LINK_SPREAD, MR_CONTENT_REJECTS, 0});
	link_correlations(out, 1, deliver);
}

/* ---- a cut ---- */

/* A group behind `group`, with the chain from `position` on. */
static void split_group(struct mr_topology *topology, uint32_t group, uint32_t position)
{
	topology->groups =
	    mr_realloc(topology->groups, (topology->group_count + 1) * sizeof *topology->groups);
	struct mr_group *front = &topology->groups[group];
	memmove(front + 1, front, (topology->group_count - group) * sizeof *front);
	topology->group_count++;
	struct mr_group *back = front + 1;
	memset(back->chain, 0, sizeof back->chain);
	memcpy(back->chain, front->chain + position,
	       (MR_CHAIN_MAX - position) * sizeof *front->chain);
	memset(front->chain + position, 0, (MR_CHAIN_MAX - position) * sizeof *front->chain);
	snprintf(back->name, sizeof back->name, "%s", back->chain[0]);
}

/* What came in goes to the front, what went out comes from the back; either may reject. */
static void split_edges(struct mr_topology *topology, uint32_t front)
{
	uint32_t back = front + 1;
	uint32_t before = topology->edge_count;
	topology->edges =
	    mr_realloc(topology->edges, (2 * (size_t)before + 1) * sizeof *topology->edges);
	for (uint32_t i = 0; i < before; i++) {
		struct mr_edge *edge = &topology->edges[i];
		edge->to += edge->to > front;
		edge->from += edge->from >= front;
		struct mr_edge copy = *edge;
		copy.from = front;
		if (edge->from == back && edge->content == MR_CONTENT_REJECTS)
			add_edge(topology, copy);
	}
	add_edge(topology, (struct mr_edge){front, back, MR_LINK_SPREAD, MR_CONTENT_EVENTS, 0});
}

enum mr_err mr_topology_cut(struct mr_topology *topology, const char *stage, struct mr_error *error)
{
	for (uint32_t group = 0; group < topology->group_count; group++) {
		uint32_t length = mr_group_length(&topology->groups[group]);
		for (uint32_t i = 1; i < length; i++) {
			if (strcmp(topology->groups[group].chain[i], stage) != 0)
				continue;
			split_group(topology, group, i);
			split_edges(topology, group);
			return MR_OK;
		}
	}
	return mr_error_set(
	    error, MR_CONFIG,
	    "\"%s\" is no stage that follows another in a chain: no cut can be made "
	    "before it",
	    stage);
}

bool mr_topology_speak(const struct mr_topology *topology, uint32_t a, uint32_t b)
{
	bool speak = a == 0 || b == 0;
	for (uint32_t i = 0; i < topology->edge_count && !speak; i++) {
		uint32_t from = topology->groups[topology->edges[i].from].host;
		uint32_t to = topology->groups[topology->edges[i].to].host;
		speak = (from == a && to == b) || (from == b && to == a);
	}
	return speak && a != b;
}

void mr_topology_fini(struct mr_topology *topology)
{
	free(topology->groups);
	free(topology->edges);
	*topology = (struct mr_topology){0};
}

/* ---- the check ---- */

static const char *const content_names[MR_CONTENT_COUNT] = {
    [MR_CONTENT_NONE] = "nothing",  [MR_CONTENT_RECORDS] = "records",
    [MR_CONTENT_EVENTS] = "events", [MR_CONTENT_SIGNALS] = "signals",
    [MR_CONTENT_ALERTS] = "alerts", [MR_CONTENT_REJECTS] = "rejects",
};

static enum mr_err check_chain(const struct mr_group *group, struct mr_error *error)
{
	uint32_t length = mr_group_length(group);
	if (length == 0)
		return mr_error_set(error, MR_CONFIG, "group %s: it has no stage", group->name);
	for (uint32_t i = 0; i < length; i++) {
		const struct mr_stage_ops *ops = mr_stage_find(group->chain[i]);
		if (ops == NULL)
			return mr_error_set(error, MR_CONFIG, "group %s: there is no stage \"%s\"",
					    group->name, group->chain[i]);
		if (i > 0 && ops->reads != MR_CONTENT_EVENTS)
			return mr_error_set(error, MR_CONFIG,
					    "group %s: %s reads %s, which only a link brings: cut "
					    "the chain before it",
					    group->name, ops->name, content_names[ops->reads]);
		const struct mr_stage_ops *before =
		    i == 0 ? NULL : mr_stage_find(group->chain[i - 1]);
		if (before != NULL && before->reads == MR_CONTENT_EVENTS && before->apply == NULL)
			return mr_error_set(
			    error, MR_CONFIG,
			    "group %s: %s follows %s, which leaves no events: move it before",
			    group->name, ops->name, before->name);
	}
	return MR_OK;
}

static enum mr_err check_group(const struct mr_group *group, struct mr_error *error)
{
	if (group->workers < 1 || group->workers > MR_WORKERS_MAX)
		return mr_error_set(error, MR_CONFIG, "group %s: %u workers; 1 to %d are possible",
				    group->name, group->workers, MR_WORKERS_MAX);
	return check_chain(group, error);
}

static enum mr_content reads(const struct mr_topology *topology, uint32_t group)
{
	return mr_stage_find(topology->groups[group].chain[0])->reads;
}

static enum mr_err check_edge(const struct mr_topology *topology, const struct mr_edge *edge,
			      struct mr_error *error)
{
	if (edge->from >= topology->group_count || edge->to >= topology->group_count)
		return mr_error_set(error, MR_CONFIG, "a link names a group that does not exist");
	const struct mr_group *from = &topology->groups[edge->from];
	const struct mr_group *to = &topology->groups[edge->to];
	enum mr_content wanted = reads(topology, edge->to);
	/* A sink takes what was set aside as well as what was found. */
	bool fits = edge->content == wanted ||
		    (edge->content == MR_CONTENT_REJECTS && wanted == MR_CONTENT_ALERTS);
	if (edge->content == MR_CONTENT_NONE || edge->content >= MR_CONTENT_COUNT || !fits)
		return mr_error_set(error, MR_CONFIG, "link from %s to %s: %s reads %s, not this",
				    from->name, to->name, to->name, content_names[wanted]);
	if (edge->mode == MR_LINK_KEYED && edge->content != MR_CONTENT_SIGNALS &&
	    edge->content != MR_CONTENT_ALERTS)
		return mr_error_set(error, MR_CONFIG,
				    "link from %s to %s: only signals and alerts have a key; make "
				    "it spread",
				    from->name, to->name);
	if (edge->content == MR_CONTENT_SIGNALS &&
	    (edge->mode != MR_LINK_KEYED || edge->layer != to->layer))
		return mr_error_set(error, MR_CONFIG,
				    "link from %s to %s: signals need a keyed link of the "
				    "receiver's layer %u",
				    from->name, to->name, to->layer);
	return MR_OK;
}

/* Take away groups that nothing feeds until none is left: what stays is a cycle. */
static enum mr_err check_cycles(const struct mr_topology *topology, struct mr_error *error)
{
	bool *gone = mr_calloc(topology->group_count, sizeof *gone);
	enum mr_err err = MR_OK;
	for (uint32_t left = topology->group_count; left > 0; left--) {
		uint32_t source = 0;
		for (bool fed = true; source < topology->group_count; source++) {
			fed = gone[source];
			for (uint32_t e = 0; e < topology->edge_count && !fed; e++)
				fed = topology->edges[e].to == source &&
				      !gone[topology->edges[e].from];
			if (!fed)
				break;
		}
		if (source < topology->group_count) {
			gone[source] = true;
			continue;
		}
		for (source = 0; gone[source]; source++)
			;
		err = mr_error_set(error, MR_CONFIG,
				   "group %s: its links lead back to it; links must form no cycle",
				   topology->groups[source].name);
		break;
	}
	free(gone);
	return err;
}

/* A group that reads and is not fed would never end; one that is fed and reads nothing never takes.
 */
static enum mr_err check_fed(const struct mr_topology *topology, uint32_t group,
			     struct mr_error *error)
{
	bool fed = false;
	for (uint32_t e = 0; e < topology->edge_count; e++)
		fed |= topology->edges[e].to == group;
	if (fed != (reads(topology, group) != MR_CONTENT_NONE))
		return mr_error_set(error, MR_CONFIG,
				    "group %s: it reads %s and %s link leads to it",
				    topology->groups[group].name,
				    content_names[reads(topology, group)], fed ? "a" : "no");
	return MR_OK;
}

/* Whoever meets records sets some aside: a worker also those that it cannot read. */
static enum mr_err check_rejects(const struct mr_topology *topology, uint32_t group,
				 struct mr_error *error)
{
	enum mr_content from = reads(topology, group);
	bool met = from == MR_CONTENT_NONE || from == MR_CONTENT_RECORDS;
	for (uint32_t e = 0; e < topology->edge_count && met; e++) {
		if (topology->edges[e].from == group &&
		    topology->edges[e].content == MR_CONTENT_REJECTS)
			return MR_OK;
	}
	if (!met)
		return MR_OK;
	return mr_error_set(error, MR_CONFIG,
			    "group %s: no link takes the records that it rejects; add one of "
			    "rejects",
			    topology->groups[group].name);
}

enum mr_err mr_topology_check(const struct mr_topology *topology, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	if (topology->group_count == 0)
		return mr_error_set(error, MR_CONFIG, "the topology has no group");
	for (uint32_t i = 0; i < topology->group_count && err == MR_OK; i++)
		err = check_group(&topology->groups[i], error);
	for (uint32_t i = 0; i < topology->edge_count && err == MR_OK; i++)
		err = check_edge(topology, &topology->edges[i], error);
	for (uint32_t i = 0; i < topology->group_count && err == MR_OK; i++)
		err = check_fed(topology, i, error);
	for (uint32_t i = 0; i < topology->group_count && err == MR_OK; i++)
		err = check_rejects(topology, i, error);
	return err == MR_OK ? check_cycles(topology, error) : err;
}
