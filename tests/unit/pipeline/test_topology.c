/* test_topology.c - the default topology fits, and what can't work is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "few_stages.h"
#include "setup.h"

static void expect_refused(struct mr_topology *topology, const char *words)
{
	struct mr_error error = {0};
	assert_int_equal(mr_topology_check(topology, &error), MR_CONFIG);
	if (strstr(error.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
	mr_topology_fini(topology);
}

static void default_fits(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 64; workers *= 4) {
		for (uint8_t layers = 1; layers <= 5; layers++) {
			struct mr_topology topology;
			struct mr_error error = {0};
			mr_topology_default(workers, layers, &topology);
			assert_int_equal(mr_topology_check(&topology, &error), MR_OK);
			assert_int_equal(topology.group_count, layers + 3);
			assert_int_equal(mr_setup_workers(&topology), 2 + workers * (layers + 1u));
			/* Each layer gets signals of detect and of each layer before it. */
			for (uint8_t layer = 0; layer < layers; layer++) {
				uint32_t feeding = 0;
				for (uint32_t e = 0; e < topology.edge_count; e++)
					feeding += topology.edges[e].to == layer + 2u;
				assert_int_equal(feeding, layer + 1);
			}
			mr_topology_fini(&topology);
		}
	}
}

static uint32_t count_edges(const struct mr_topology *topology, const char *from, const char *to,
			    enum mr_content content)
{
	uint32_t count = 0;
	for (uint32_t e = 0; e < topology->edge_count; e++) {
		const struct mr_edge *edge = &topology->edges[e];
		count += edge->content == content &&
			 strcmp(topology->groups[edge->from].name, from) == 0 &&
			 strcmp(topology->groups[edge->to].name, to) == 0;
	}
	return count;
}

static void chains_can_be_cut(void **state)
{
	(void)state;
	struct mr_topology topology;
	struct mr_error error = {0};
	mr_topology_default(3, 2, &topology);
	uint32_t workers = mr_setup_workers(&topology);
	assert_int_equal(mr_topology_cut(&topology, "detect", &error), MR_OK);
	assert_int_equal(mr_topology_cut(&topology, "enrich", &error), MR_OK);
	assert_int_equal(mr_topology_check(&topology, &error), MR_OK);
	assert_int_equal(mr_setup_workers(&topology), workers + 6);
	assert_int_equal(count_edges(&topology, "collect", "parse", MR_CONTENT_RECORDS), 1);
	assert_int_equal(count_edges(&topology, "parse", "enrich", MR_CONTENT_EVENTS), 1);
	assert_int_equal(count_edges(&topology, "enrich", "detect", MR_CONTENT_EVENTS), 1);
	assert_int_equal(count_edges(&topology, "detect", "correlate", MR_CONTENT_SIGNALS), 1);
	assert_int_equal(count_edges(&topology, "detect", "correlate.1", MR_CONTENT_SIGNALS), 1);
	assert_int_equal(count_edges(&topology, "parse", "correlate", MR_CONTENT_SIGNALS), 0);
	const char *const rejecting[] = {"collect", "parse", "enrich", "detect"};
	for (size_t i = 0; i < sizeof rejecting / sizeof *rejecting; i++)
		assert_int_equal(
		    count_edges(&topology, rejecting[i], "deliver", MR_CONTENT_REJECTS), 1);
	const char *const impossible[] = {"detect", "parse", "deliver", "detekt"};
	for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++)
		assert_int_equal(mr_topology_cut(&topology, impossible[i], &error), MR_CONFIG);
	mr_topology_fini(&topology);
}

static void worker_names(void **state)
{
	(void)state;
	struct mr_topology topology;
	char name[MR_WORKER_NAME];
	mr_topology_default(3, 2, &topology);
	const char *const names[] = {"collect",       "parse-1",       "parse-2",
				     "parse-3",       "correlate-1",   "correlate-2",
				     "correlate-3",   "correlate.1-1", "correlate.1-2",
				     "correlate.1-3", "deliver"};
	assert_int_equal(mr_setup_workers(&topology), sizeof names / sizeof *names);
	for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
		mr_setup_worker_name(&topology, i, name);
		assert_string_equal(name, names[i]);
	}
	mr_topology_fini(&topology);
}

static void cycle_is_refused(void **state)
{
	(void)state;
	struct mr_topology topology;
	mr_topology_default(2, 2, &topology);
	/* The second layer feeds the first: correlate -> correlate.1 -> correlate. */
	for (uint32_t e = 0; e < topology.edge_count; e++) {
		if (topology.edges[e].from == 1 && topology.edges[e].to == 2)
			topology.edges[e].from = 3;
	}
	expect_refused(&topology, "cycle");
}

static void unknown_stage_is_refused(void **state)
{
	(void)state;
	struct mr_topology topology;
	mr_topology_default(1, 1, &topology);
	topology.groups[1].chain[1] = "enrych";
	expect_refused(&topology, "\"enrych\"");
}

static void wrong_content_is_refused(void **state)
{
	(void)state;
	struct mr_topology topology;
	mr_topology_default(1, 1, &topology);
	topology.edges[0].content = MR_CONTENT_SIGNALS;
	expect_refused(&topology, "reads records");
	mr_topology_default(1, 1, &topology);
	topology.edges[0].mode = MR_LINK_KEYED;
	expect_refused(&topology, "only signals and alerts have a key");
	mr_topology_default(1, 1, &topology);
	topology.groups[1].chain[3] = "correlate";
	expect_refused(&topology, "cut the chain");
	mr_topology_default(1, 1, &topology);
	topology.groups[1].chain[1] = "detect";
	topology.groups[1].chain[2] = "enrich";
	expect_refused(&topology, "move it before");
	mr_topology_default(1, 1, &topology);
	for (uint32_t e = 0; e < topology.edge_count; e++) {
		if (topology.edges[e].content == MR_CONTENT_REJECTS && topology.edges[e].from == 1)
			topology.edges[e] = topology.edges[--topology.edge_count];
	}
	expect_refused(&topology, "group parse: no link takes the records that it rejects");
}

static void numbers_out_of_bounds_are_refused(void **state)
{
	(void)state;
	struct mr_topology topology;
	mr_topology_default(0, 1, &topology);
	expect_refused(&topology, "0 workers");
	mr_topology_default(MR_WORKERS_MAX + 1, 1, &topology);
	expect_refused(&topology, "257 workers");
	mr_topology_default(1, 1, &topology);
	topology.edges[0].to = 99;
	expect_refused(&topology, "does not exist");
	mr_topology_default(1, 1, &topology);
	topology.edge_count = 0;
	expect_refused(&topology, "no link leads to it");
}

static void each_key_group_has_one_owner(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= MR_WORKERS_MAX; workers++) {
		uint32_t least = MR_KEY_GROUPS, most = 0, before = 0, owned = 0;
		for (uint32_t group = 0; group < MR_KEY_GROUPS; group++) {
			uint32_t owner = mr_key_group_owner((uint8_t)group, workers);
			assert_true(owner < workers);
			assert_true(owner == before || owner == before + 1);
			if (owner != before) {
				least = owned < least ? owned : least;
				most = owned > most ? owned : most;
				owned = 0;
			}
			before = owner;
			owned++;
		}
		least = owned < least ? owned : least;
		most = owned > most ? owned : most;
		assert_int_equal(before, workers - 1);
		assert_true(most - least <= 1);
	}
}

static struct mr_setup make_setup(void)
{
	struct mr_setup setup = {.incarnation = 42, .start_us = -7, .finite = true};
	memset(setup.seed, 3, sizeof setup.seed);
	setup.directory = strdup("/run/some-where");
	setup.fields = mr_fields_new();
	mr_fields_add(setup.fields, MR_SLICE("clientip"));
	mr_config_add(&setup.config, "input", "-");
	mr_topology_default(4, 2, &setup.topology);
	setup.topology.groups[1].host = 2;
	return setup;
}

/* Collect and deliver on the first, parse on the second, the layers on the third host. */
static void hosts_speak_where_links_lead(void **state)
{
	struct mr_topology topology;
	(void)state;
	mr_topology_default(2, 2, &topology);
	topology.groups[1].host = 1;
	topology.groups[2].host = topology.groups[3].host = 2;
	assert_true(mr_edge_leaves(&topology, &topology.edges[0]));
	assert_false(mr_edge_leaves(&topology, &topology.edges[1])); /* rejects of collect */
	assert_true(mr_topology_speak(&topology, 1, 2) && mr_topology_speak(&topology, 2, 1));
	assert_true(mr_topology_speak(&topology, 0, 2) && !mr_topology_speak(&topology, 2, 2));
	/* Nothing leads from the second to a fourth; the first speaks with all. */
	assert_false(mr_topology_speak(&topology, 1, 3));
	assert_true(mr_topology_speak(&topology, 0, 3) && mr_topology_speak(&topology, 3, 0));
	mr_topology_fini(&topology);
}

static void setup_survives_its_journey(void **state)
{
	(void)state;
	struct mr_setup setup = make_setup();
	struct mr_setup back;
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	mr_setup_encode(&setup, &bytes);
	assert_int_equal(mr_setup_decode((struct mr_slice){bytes.data, bytes.len}, &back, &error),
			 MR_OK);
	assert_int_equal(back.incarnation, 42);
	assert_int_equal(back.start_us, -7);
	assert_memory_equal(back.seed, setup.seed, sizeof setup.seed);
	assert_string_equal(back.directory, setup.directory);
	assert_true(mr_fields_hash(back.fields) == mr_fields_hash(setup.fields));
	assert_string_equal(mr_config_get(&back.config, "input", 0), "-");
	assert_int_equal(back.topology.edge_count, setup.topology.edge_count);
	assert_string_equal(back.topology.groups[1].chain[2], "detect");
	assert_int_equal(back.topology.groups[1].host, 2);
	mr_setup_fini(&back);
	/* Cut anywhere, in a buffer of exactly that size, it is refused. */
	for (size_t len = 0; len < bytes.len; len++) {
		char *cut = malloc(len + 1);
		char *exact = realloc(cut, len > 0 ? len : 1);
		memcpy(exact, bytes.data, len);
		assert_int_not_equal(mr_setup_decode((struct mr_slice){exact, len}, &back, &error),
				     MR_OK);
		free(exact);
	}
	mr_buf_fini(&bytes);
	mr_setup_fini(&setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(default_fits),
	    cmocka_unit_test(chains_can_be_cut),
	    cmocka_unit_test(worker_names),
	    cmocka_unit_test(cycle_is_refused),
	    cmocka_unit_test(unknown_stage_is_refused),
	    cmocka_unit_test(wrong_content_is_refused),
	    cmocka_unit_test(numbers_out_of_bounds_are_refused),
	    cmocka_unit_test(each_key_group_has_one_owner),
	    cmocka_unit_test(hosts_speak_where_links_lead),
	    cmocka_unit_test(setup_survives_its_journey),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
