/* setup.c - what a worker has to know, to bytes and back, and the numbering of workers.
 *
 * Encoded once by supervisor_start.c into a sealed memfd, decoded by worker_control.c. A setup that
 * does not decode ends the worker: it then is of another version of the program. */
#include "setup.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "millrace/pack.h"
#include "millrace/stage.h"
#include "tables.h"

#define SETUP_VERSION 2
#define SETUP_ITEMS 10

static void encode_group(const struct mr_group *group, struct mr_buf *out)
{
	uint32_t length = mr_group_length(group);
	mr_pack_array(out, 5);
	mr_pack_bytes(out, mr_slice(group->name));
	mr_pack_uint(out, group->workers);
	mr_pack_uint(out, group->layer);
	mr_pack_uint(out, group->host);
	mr_pack_array(out, length);
	for (uint32_t i = 0; i < length; i++)
		mr_pack_bytes(out, mr_slice(group->chain[i]));
}

static void encode_edge(const struct mr_edge *edge, struct mr_buf *out)
{
	mr_pack_array(out, 5);
	mr_pack_uint(out, edge->from);
	mr_pack_uint(out, edge->to);
	mr_pack_uint(out, edge->mode);
	mr_pack_uint(out, edge->content);
	mr_pack_uint(out, edge->layer);
}

static struct mr_slice contents(const struct mr_buf *buf)
{
	return (struct mr_slice){buf->data, buf->len};
}

void mr_setup_encode(const struct mr_setup *setup, struct mr_buf *out)
{
	struct mr_buf part = {0};
	mr_pack_array(out, SETUP_ITEMS);
	mr_pack_uint(out, SETUP_VERSION);
	mr_pack_uint(out, setup->incarnation);
	mr_pack_bytes(out, (struct mr_slice){(const char *)setup->seed, sizeof setup->seed});
	mr_pack_int(out, setup->start_us);
	mr_pack_bool(out, setup->finite);
	mr_pack_bytes(out, mr_slice(setup->directory));
	mr_fields_encode(setup->fields, &part);
	mr_pack_bytes(out, contents(&part));
	part.len = 0;
	mr_config_encode(&setup->config, &part);
	mr_pack_bytes(out, contents(&part));
	mr_buf_fini(&part);
	mr_pack_array(out, setup->topology.group_count);
	for (uint32_t i = 0; i < setup->topology.group_count; i++)
		encode_group(&setup->topology.groups[i], out);
	mr_pack_array(out, setup->topology.edge_count);
	for (uint32_t i = 0; i < setup->topology.edge_count; i++)
		encode_edge(&setup->topology.edges[i], out);
}

/* ---- decoding ---- */

static void decode_group(struct mr_unpack *in, struct mr_group *out)
{
	mr_unpack_array_of(in, 5);
	struct mr_slice name = mr_unpack_bytes(in);
	snprintf(out->name, sizeof out->name, "%.*s", (int)name.len, name.at);
	out->workers = (uint32_t)mr_unpack_uint(in, MR_WORKERS_MAX);
	out->layer = (uint8_t)mr_unpack_uint(in, UINT8_MAX);
	out->host = (uint8_t)mr_unpack_uint(in, MR_HOSTS_MAX - 1);
	size_t length = mr_unpack_array(in, MR_CHAIN_MAX);
	for (size_t i = 0; i < length; i++) {
		struct mr_slice stage = mr_unpack_bytes(in);
		char text[32];
		snprintf(text, sizeof text, "%.*s", (int)stage.len, stage.at);
		const struct mr_stage_ops *ops = mr_stage_find(text);
		if (ops == NULL)
			in->bad = true;
		else
			out->chain[i] = ops->name;
	}
}

static void decode_edge(struct mr_unpack *in, struct mr_edge *out)
{
	mr_unpack_array_of(in, 5);
	out->from = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->to = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->mode = (enum mr_link_mode)mr_unpack_uint(in, MR_LINK_KEYED);
	out->content = (enum mr_content)mr_unpack_uint(in, MR_CONTENT_COUNT - 1);
	out->layer = (uint8_t)mr_unpack_uint(in, UINT8_MAX);
}

static void decode_topology(struct mr_unpack *in, struct mr_topology *out)
{
	out->group_count = (uint32_t)mr_unpack_array(in, MR_WORKERS_MAX);
	out->groups = mr_calloc(out->group_count, sizeof *out->groups);
	for (uint32_t i = 0; i < out->group_count; i++)
		decode_group(in, &out->groups[i]);
	out->edge_count = (uint32_t)mr_unpack_array(in, UINT16_MAX);
	out->edges = mr_calloc(out->edge_count, sizeof *out->edges);
	for (uint32_t i = 0; i < out->edge_count; i++)
		decode_edge(in, &out->edges[i]);
}

enum mr_err mr_setup_decode(struct mr_slice bytes, struct mr_setup *out, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	*out = (struct mr_setup){0};
	mr_unpack_array_of(&in, SETUP_ITEMS);
	if (mr_unpack_uint(&in, UINT32_MAX) != SETUP_VERSION)
		in.bad = true;
	out->incarnation = mr_unpack_uint(&in, UINT64_MAX);
	struct mr_slice seed = mr_unpack_bytes(&in);
	if (seed.len == sizeof out->seed)
		memcpy(out->seed, seed.at, sizeof out->seed);
	else
		in.bad = true;
	out->start_us = mr_unpack_int(&in);
	out->finite = mr_unpack_bool(&in);
	struct mr_slice directory = mr_unpack_bytes(&in);
	if (directory.len > MR_DIRECTORY_MAX)
		in.bad = true;
	out->directory = mr_asprintf("%.*s", (int)directory.len, directory.at);
	struct mr_slice fields = mr_unpack_bytes(&in);
	struct mr_slice config = mr_unpack_bytes(&in);
	decode_topology(&in, &out->topology);
	enum mr_err err = MR_OK;
	if (!mr_unpack_done(&in))
		err = mr_error_set(error, MR_BAD_INPUT, "the setup is not in this version's form");
	if (err == MR_OK)
		err = mr_fields_decode(fields, &out->fields, error);
	if (err == MR_OK)
		err = mr_config_decode(config, &out->config, error);
	if (err == MR_OK)
		err = mr_topology_check(&out->topology, error);
	if (err != MR_OK)
		mr_setup_fini(out);
	return err;
}

enum mr_err mr_setup_map(int fd, size_t size, struct mr_setup *out, struct mr_error *error)
{
	struct mr_slice bytes = {0};
	struct mr_tables *mapped = mr_tables_new();
	mr_tables_add(mapped, "setup", fd, size);
	enum mr_err err = mr_tables_map(mapped, "setup", &bytes, error);
	if (err == MR_OK)
		err = mr_setup_decode(bytes, out, error);
	mr_tables_unmap(bytes);
	mr_tables_free(mapped);
	return err;
}

void mr_setup_fini(struct mr_setup *setup)
{
	free(setup->directory);
	mr_fields_free(setup->fields);
	mr_config_fini(&setup->config);
	mr_topology_fini(&setup->topology);
	*setup = (struct mr_setup){0};
}

/* ---- numbers and names ---- */

uint32_t mr_setup_first(const struct mr_topology *topology, uint32_t group)
{
	uint32_t first = 0;
	for (uint32_t i = 0; i < group; i++)
		first += topology->groups[i].workers;
	return first;
}

uint32_t mr_setup_workers(const struct mr_topology *topology)
{
	return mr_setup_first(topology, topology->group_count);
}

uint32_t mr_setup_group(const struct mr_topology *topology, uint32_t worker)
{
	uint32_t group = 0;
	while (worker >= topology->groups[group].workers)
		worker -= topology->groups[group++].workers;
	return group;
}

void mr_setup_worker_name(const struct mr_topology *topology, uint32_t worker, char *out)
{
	uint32_t group = mr_setup_group(topology, worker);
	const struct mr_group *of = &topology->groups[group];
	if (of->workers == 1)
		snprintf(out, MR_WORKER_NAME, "%s", of->name);
	else
		snprintf(out, MR_WORKER_NAME, "%s-%u", of->name,
			 worker - mr_setup_first(topology, group) + 1);
}

void mr_topology_pairs(const struct mr_topology *topology, uint32_t group, uint32_t *in_out,
		       uint32_t *out_out)
{
	*in_out = 0;
	*out_out = 0;
	for (uint32_t i = 0; i < topology->edge_count; i++) {
		const struct mr_edge *edge = &topology->edges[i];
		if (edge->to == group)
			*in_out += topology->groups[edge->from].workers;
		if (edge->from == group)
			*out_out += topology->groups[edge->to].workers;
	}
}

void mr_setup_endpoint(const struct mr_setup *setup, uint32_t edge, uint32_t from, uint32_t to,
		       char *out)
{
	int len =
	    snprintf(out, MR_ENDPOINT_MAX, "ipc://%s/%u.%u.%u", setup->directory, edge, from, to);
	assert(len > 0 && len < MR_ENDPOINT_MAX);
}
