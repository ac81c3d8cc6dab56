/* default_setup.h - a setup as a supervisor encodes it, with bytes changed: what a fuzzer would not
 * find by itself, because a dictionary lists all normalised fields. */
#ifndef MILLRACE_TEST_DEFAULT_SETUP_H
#define MILLRACE_TEST_DEFAULT_SETUP_H

#include "setup.h"

/* `changes` are three bytes each: where (two) and what to xor. */
static inline void default_setup(struct mr_slice changes, struct mr_buf *out)
{
	struct mr_setup setup = {.incarnation = 7, .start_us = 1700000000000000, .finite = true};
	setup.directory = mr_strdup("/tmp/millrace-a");
	setup.fields = mr_fields_new();
	mr_fields_add(setup.fields, MR_SLICE("Parameters.ForwardTo"));
	mr_config_add(&setup.config, "input", "a.ndjson");
	struct mr_part *part = mr_config_part_add(&setup.config, MR_PART_SOURCE, "a");
	mr_config_add(&part->settings, "path", "b");
	mr_topology_default(2, 2, &setup.topology);
	mr_setup_encode(&setup, out);
	mr_setup_fini(&setup);
	const uint8_t *change = (const uint8_t *)changes.at;
	for (size_t i = 0; i + 3 <= changes.len; i += 3, change += 3) {
		char *byte = &out->data[(size_t)(change[0] << 8 | change[1]) % out->len];
		*byte = (char)(*byte ^ change[2]);
	}
}

#endif
