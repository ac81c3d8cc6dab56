/* trial.c - the groups of a topology as chains in one process, handed from one to the next.
 *
 * Called by commands and by millrace-cost, through millrace/trial.h. What worker_links.c does with
 * links is done here with bodies in memory: one worker to a group, each body taken as soon as it is
 * there. Fails with what a stage fails with. */
#include "millrace/trial.h"

#include <poll.h>
#include <stdlib.h>

#include "chain.h"
#include "clock.h"
#include "files.h"
#include "millrace/json.h"
#include "retell.h"
#include "run_plan.h"
#include "supervisor.h"
#include "tables.h"
#include "waits.h"

#define COLLECT 0 /* groups of mr_topology_default */
#define JUDGE 1
#define WAIT_MS 100 /* for a source that has nothing to read now */

/* One group. */
struct side {
	struct mr_chain chain;
	struct mr_writer writer;
	struct mr_stage_env env;
};

struct mr_trial {
	struct mr_config config;
	struct mr_fields *fields;
	struct mr_tables *tables;
	struct mr_slice catalog_bytes;
	struct mr_catalog catalog;
	struct mr_topology topology;
	struct side *sides;          /* by group */
	bool delivers;               /* itself */
	struct mr_trial_taker taker; /* else */
	struct mr_reader reader;     /* in deliver's place */
	struct mr_files *files;
	uint32_t file_count;
	struct mr_buf region; /* the one in hand, or the record */
	struct mr_counters counters;
	struct mr_tally tally;
	struct mr_latencies latencies;
	struct mr_retell retell; /* where it delivers */
	struct mr_waits waits;
	struct mr_now now;
	int64_t start_us;
};

static enum mr_err go(struct mr_trial *trial, uint32_t group, struct mr_error *error);

static bool is_last(const struct mr_trial *trial, uint32_t group)
{
	return group + 1 == trial->topology.group_count;
}

static bool is_correlate(const struct mr_trial *trial, uint32_t group)
{
	return group > JUDGE && !is_last(trial, group);
}

/* ---- before the first run ---- */

static enum mr_err number_file(void *context, int fd, struct mr_slice name, uint32_t *number_out,
			       struct mr_error *error)
{
	struct mr_trial *trial = context;
	(void)fd;
	(void)name;
	(void)error;
	*number_out = trial->file_count++;
	return MR_OK;
}

enum mr_err mr_trial_prepare(struct mr_config *config, struct mr_trial **out,
			     struct mr_error *error)
{
	struct mr_trial *trial = mr_calloc(1, sizeof *trial);
	*out = trial;
	trial->config = *config;
	*config = (struct mr_config){0};
	trial->fields = mr_fields_new();
	trial->tables = mr_tables_new();
	trial->start_us = mr_clock_wall_us();
	const struct mr_prepare prepare = {
	    .config = &trial->config, .fields = trial->fields, .tables = trial->tables};
	bool reads = mr_config_count(&trial->config, "input") > 0;
	enum mr_err err = mr_plan_rules(&trial->config, error);
	if (err == MR_OK)
		err = mr_supervisor_prepare_stages(&prepare, reads, false, error);
	if (err == MR_OK)
		err = mr_tables_map(trial->tables, "catalog", &trial->catalog_bytes, error);
	if (err == MR_OK)
		err = mr_catalog_decode(trial->catalog_bytes, &trial->catalog, error);
	return err;
}

struct mr_fields *mr_trial_fields(struct mr_trial *trial)
{
	return trial->fields;
}

const struct mr_config *mr_trial_config(const struct mr_trial *trial)
{
	return &trial->config;
}

const struct mr_catalog *mr_trial_catalog(const struct mr_trial *trial)
{
	return &trial->catalog;
}

struct mr_tables *mr_trial_tables(struct mr_trial *trial)
{
	return trial->tables;
}

/* ---- opening and closing ---- */

static struct mr_stage_env env_of(struct mr_trial *trial, uint32_t group)
{
	return (struct mr_stage_env){
	    .config = &trial->config,
	    .fields = trial->fields,
	    .tables = trial->tables,
	    .files = trial->files,
	    .counters = &trial->counters,
	    .tally = &trial->tally,
	    .latencies = &trial->latencies,
	    .workers = 1,
	    .layer = trial->topology.groups[group].layer,
	    .finite = true,
	    .start_us = trial->start_us,
	    .now = &trial->now,
	    .waits = &trial->waits,
	    .costs = trial->taker.costs,
	    .missed = trial->taker.missed,
	    .missed_context = trial->taker.context,
	};
}

/* With one output for each edge that begins there, in their order. */
static enum mr_err open_side(struct mr_trial *trial, uint32_t group,
			     const struct mr_stage_ops *judge, struct mr_error *error)
{
	const struct mr_stage_ops *stages[MR_CHAIN_MAX + 1] = {NULL};
	const struct mr_topology *topology = &trial->topology;
	const struct mr_group *from = &topology->groups[group];
	struct side *side = &trial->sides[group];
	for (uint32_t i = 0; i < topology->edge_count; i++) {
		const struct mr_edge *edge = &topology->edges[i];
		if (edge->from == group)
			mr_writer_add_output(&side->writer, edge->content, edge->layer, edge->mode,
					     1);
	}
	for (uint32_t i = 0; i < mr_group_length(from); i++)
		stages[i] = mr_stage_find(from->chain[i]);
	if (judge != NULL)
		stages[mr_group_length(from) - 1] = judge;
	side->writer.counters = &trial->counters;
	side->env = env_of(trial, group);
	/* Whoever tries rules is shown no fields. */
	side->env.retells = trial->delivers;
	if (trial->delivers && mr_retell_is_for(from)) {
		side->env.retell = mr_retell_alert;
		side->env.retell_context = &trial->retell;
	}
	return mr_chain_open_stages(&side->chain, stages, &side->writer, &side->env, error);
}

static void close_side(struct side *side)
{
	mr_chain_close(&side->chain);
	mr_writer_fini(&side->writer);
	*side = (struct side){0};
}

enum mr_err mr_trial_open(struct mr_trial *trial, const struct mr_stage_ops *judge,
			  const struct mr_trial_taker *taker, struct mr_error *error)
{
	struct mr_slice names;
	trial->delivers = taker == NULL;
	if (taker != NULL)
		trial->taker = *taker;
	trial->files = mr_files_new(number_file, trial);
	mr_files_keep(trial->files);
	if (mr_tables_map(trial->tables, MR_NAMES_TABLE, &names, NULL) == MR_OK)
		mr_files_set_names(trial->files, names);
	mr_topology_default(1, trial->catalog.layers, &trial->topology);
	trial->sides = mr_calloc(trial->topology.group_count, sizeof *trial->sides);
	enum mr_err err = open_side(trial, JUDGE, judge, error);
	if (err == MR_OK && trial->delivers)
		err = mr_retell_open(&trial->retell, &trial->sides[JUDGE].env, error);
	if (err == MR_OK && trial->delivers)
		err = open_side(trial, trial->topology.group_count - 1, NULL, error);
	return err;
}

void *mr_trial_judge(struct mr_trial *trial)
{
	const struct mr_chain *chain = &trial->sides[JUDGE].chain;
	return chain->items[chain->count - 1].state;
}

void mr_trial_free(struct mr_trial *trial)
{
	if (trial == NULL)
		return;
	for (uint32_t i = 0; trial->sides != NULL && i < trial->topology.group_count; i++)
		close_side(&trial->sides[i]);
	mr_retell_close(&trial->retell);
	free(trial->sides);
	mr_topology_fini(&trial->topology);
	mr_reader_fini(&trial->reader);
	mr_files_free(trial->files);
	mr_buf_fini(&trial->region);
	mr_waits_fini(&trial->waits);
	mr_tally_fini(&trial->tally);
	mr_catalog_fini(&trial->catalog);
	mr_tables_free(trial->tables);
	mr_fields_free(trial->fields);
	mr_config_fini(&trial->config);
	free(trial);
}

/* ---- from one group to the next ---- */

static enum mr_err take_alerts(struct mr_trial *trial, struct mr_error *error)
{
	struct mr_alert alert;
	struct mr_reject reject;
	while (mr_reader_alert(&trial->reader, &alert)) {
		if (!alert.announcement && alert.shed == 0 && trial->taker.alert != NULL)
			trial->taker.alert(trial->taker.context, &alert);
		mr_reader_advance(&trial->reader);
	}
	while (mr_reader_reject(&trial->reader, &reject)) {
		if (trial->taker.reject != NULL)
			trial->taker.reject(trial->taker.context, &reject);
		mr_reader_advance(&trial->reader);
	}
	return mr_reader_finish(&trial->reader, error);
}

static enum mr_err hand_body(struct mr_trial *trial, const struct mr_edge *edge,
			     const struct mr_output *output, const struct mr_body *body,
			     struct mr_error *error)
{
	struct mr_batch_header header = {0};
	if (is_last(trial, edge->to) && !trial->delivers) {
		mr_reader_open_body(&trial->reader, edge->content, body);
		return take_alerts(trial, error);
	}
	mr_body_header(output, body, &header);
	mr_chain_begin_items(&trial->sides[edge->to].chain, &header,
			     (struct mr_slice){body->bytes.data, body->bytes.len});
	return go(trial, edge->to, error);
}

static enum mr_err hand_region(struct mr_trial *trial, const struct mr_edge *edge,
			       const struct mr_region *region, struct mr_error *error)
{
	size_t len = (size_t)region->length;
	trial->region.len = 0;
	char *at = mr_buf_reserve(&trial->region, len + MR_JSON_PADDING);
	enum mr_err err =
	    mr_files_read(trial->files, region->partition, region->position, at, len, error);
	if (err == MR_BAD_INPUT || err == MR_IO) {
		mr_log_event(MR_LOG_ERROR, MR_EVENT_INPUT_DAMAGED, "%s", error->text);
		mr_count(&trial->counters, MR_C_REGIONS_REJECTED, 1);
		return MR_OK;
	}
	if (err != MR_OK)
		return err;
	memset(at + len, 0, MR_JSON_PADDING);
	mr_chain_begin_records(&trial->sides[edge->to].chain, region, (struct mr_slice){at, len});
	return go(trial, edge->to, error);
}

/* All that waits on one edge. */
static enum mr_err drain_edge(struct mr_trial *trial, const struct mr_edge *edge, uint32_t number,
			      struct mr_error *error)
{
	struct mr_writer *writer = &trial->sides[edge->from].writer;
	struct mr_region region;
	struct mr_body body;
	enum mr_err err = MR_OK;
	while (err == MR_OK && mr_output_take_region(writer, number, &region))
		err = hand_region(trial, edge, &region, error);
	while (err == MR_OK && mr_output_take(writer, number, 0, true, &body)) {
		err = hand_body(trial, edge, &writer->outputs[number], &body, error);
		mr_body_fini(&body);
	}
	return err;
}

static enum mr_err drain(struct mr_trial *trial, uint32_t group, struct mr_error *error)
{
	const struct mr_topology *topology = &trial->topology;
	enum mr_err err = MR_OK;
	uint32_t number = 0;
	for (uint32_t i = 0; i < topology->edge_count && err == MR_OK; i++) {
		if (topology->edges[i].from == group)
			err = drain_edge(trial, &topology->edges[i], number++, error);
	}
	return err;
}

/* What the group has in hand, to its end. */
static enum mr_err go(struct mr_trial *trial, uint32_t group, struct mr_error *error)
{
	for (;;) {
		enum mr_err err = mr_chain_go(&trial->sides[group].chain, error);
		if (err != MR_OK && err != MR_FULL)
			return err;
		enum mr_err handed = drain(trial, group, error);
		if (handed != MR_OK || err == MR_OK)
			return handed;
	}
}

/* ---- a run ---- */

enum mr_err mr_trial_begin(struct mr_trial *trial, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < trial->topology.group_count && err == MR_OK; i++) {
		if (!is_correlate(trial, i))
			continue;
		close_side(&trial->sides[i]);
		err = open_side(trial, i, NULL, error);
	}
	return err;
}

enum mr_err mr_trial_record(struct mr_trial *trial, uint32_t source, struct mr_slice bytes,
			    struct mr_error *error)
{
	const struct mr_record record = {
	    .bytes = bytes,
	    .origin = {.source = source, .length = (uint32_t)bytes.len},
	    .name = MR_FILES_NAMED,
	    .arrival_us = trial->start_us,
	};
	const struct mr_batch_header header = {
	    .content = MR_CONTENT_RECORDS, .form = MR_FORM_ITEMS, .count = 1};
	if (bytes.len > MR_ITEM_RECORD_MAX)
		return mr_error_set(error, MR_BAD_INPUT,
				    "a record of %zu bytes; %zu are possible here", bytes.len,
				    (size_t)MR_ITEM_RECORD_MAX);
	trial->region.len = 0;
	mr_record_encode(&record, &trial->region);
	memset(mr_buf_reserve(&trial->region, MR_JSON_PADDING), 0, MR_JSON_PADDING);
	mr_chain_begin_items(&trial->sides[JUDGE].chain, &header,
			     (struct mr_slice){trial->region.data, trial->region.len});
	return go(trial, JUDGE, error);
}

enum mr_err mr_trial_inputs(struct mr_trial *trial, uint64_t *unread_out, struct mr_error *error)
{
	enum mr_err err = open_side(trial, COLLECT, NULL, error);
	while (err == MR_OK || err == MR_FULL || err == MR_AGAIN) {
		if (err == MR_AGAIN)
			poll(trial->waits.fds, trial->waits.count, WAIT_MS);
		trial->now = (struct mr_now){mr_clock_wall_us(), mr_clock_us()};
		err = mr_chain_poll(&trial->sides[COLLECT].chain, error);
		enum mr_err handed = drain(trial, COLLECT, error);
		if (handed != MR_OK)
			err = handed;
	}
	*unread_out =
	    trial->counters.at[MR_C_INPUTS_DAMAGED] + trial->counters.at[MR_C_REGIONS_REJECTED];
	return err == MR_END ? MR_OK : err;
}

enum mr_err mr_trial_end(struct mr_trial *trial, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (uint32_t i = 0; i < trial->topology.group_count && err == MR_OK; i++) {
		if (!is_correlate(trial, i) && !(is_last(trial, i) && trial->delivers))
			continue;
		do {
			err = mr_chain_finish(&trial->sides[i].chain, error);
			enum mr_err handed = drain(trial, i, error);
			if (handed != MR_OK)
				return handed;
		} while (err == MR_FULL);
	}
	return err;
}
