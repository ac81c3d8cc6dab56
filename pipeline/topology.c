/* topology.c - the default topology, and whether a topology can work.
 *
 * Called by supervisor.c before anything starts. A fault is MR_CONFIG with the names of the groups.
 */
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

bool mr_group_runs(const struct mr_group *group, const char *stage)
{
	for (uint32_t i = 0; i < MR_CHAIN_MAX && group->chain[i] != NULL; i++) {
		if (strcmp(group->chain[i], stage) == 0)
			return true;
	}
	return false;
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
	if (group->chain[0] == NULL)
		return mr_error_set(error, MR_CONFIG, "group %s: it has no stage", group->name);
	for (size_t i = 0; i < MR_CHAIN_MAX && group->chain[i] != NULL; i++) {
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
	if (edge->mode == MR_LINK_KEYED && edge->content != MR_CONTENT_SIGNALS)
		return mr_error_set(error, MR_CONFIG,
				    "link from %s to %s: only signals have a key; make it spread",
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
	return err == MR_OK ? check_cycles(topology, error) : err;
}
