/* fuzz_setup.c - any bytes as what a worker has to know: refused, or each number in it leads
 * somewhere and it goes to bytes and back unchanged. */
#include <stdlib.h>

#include "pipeline/few_stages.h"
#include "setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void number_workers(const struct mr_setup *setup)
{
	const struct mr_topology *topology = &setup->topology;
	char name[MR_WORKER_NAME];
	char endpoint[MR_ENDPOINT_MAX];
	uint32_t count = mr_setup_workers(topology);
	must(count > 0);
	for (uint32_t i = 0; i < count; i += 1 + count / 8) {
		uint32_t group = mr_setup_group(topology, i);
		uint32_t first = mr_setup_first(topology, group);
		must(group < topology->group_count);
		must(first <= i && i - first < topology->groups[group].workers);
		mr_setup_worker_name(topology, i, name);
	}
	mr_setup_endpoint(setup, topology->edge_count, count, count, endpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_setup setup, again;
	struct mr_buf once = {0}, twice = {0};
	struct mr_error error = {0};
	char *exact = mr_malloc(size);
	memcpy(exact, data, size);
	enum mr_err err = mr_setup_decode((struct mr_slice){exact, size}, &setup, &error);
	free(exact);
	if (err != MR_OK) {
		must(error.text[0] != '\0');
		return 0;
	}
	number_workers(&setup);
	mr_setup_encode(&setup, &once);
	must(mr_setup_decode((struct mr_slice){once.data, once.len}, &again, NULL) == MR_OK);
	mr_setup_encode(&again, &twice);
	must(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	mr_setup_fini(&setup);
	mr_setup_fini(&again);
	mr_buf_fini(&once);
	mr_buf_fini(&twice);
	return 0;
}
