/* fuzz_setup.c - any bytes as what a worker has to know: refused, or each number in it leads
 * somewhere and it goes to bytes and back unchanged. The first byte says whether the rest are the
 * bytes, or changes of a whole setup's (default_setup.h). */
#include <stdlib.h>

#include "pipeline/default_setup.h"
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

static void check(struct mr_slice bytes)
{
	struct mr_setup setup, again;
	struct mr_buf once = {0}, twice = {0};
	struct mr_error error = {0};
	if (mr_setup_decode(bytes, &setup, &error) != MR_OK) {
		must(error.text[0] != '\0');
		return;
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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_buf bytes = {0};
	struct mr_slice rest = {(const char *)data + 1, size - 1};
	if (size < 1)
		return 0;
	if (data[0] % 2 == 0)
		mr_buf_add(&bytes, rest.at, rest.len);
	else
		default_setup(rest, &bytes);
	char *exact = mr_malloc(bytes.len);
	if (bytes.len > 0)
		memcpy(exact, bytes.data, bytes.len);
	check((struct mr_slice){exact, bytes.len});
	free(exact);
	mr_buf_fini(&bytes);
	return 0;
}
