/* Any bytes as a list of named networks: an error with its place, or a table that answers; and any
 * bytes as such a table. */
#include "network_list.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct network_table *table)
{
	static const char *const addresses[] = {"0.0.0.0", "10.1.2.3", "255.255.255.255", "::1",
						"2001:db8::1"};

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct address address = address_parse(mr_slice(addresses[i]));
		const struct network_entry *entry = network_table_find(table, &address);

		if (entry != NULL) {
			mr_hash64(table->texts + entry->name, entry->name_len, 0);
			mr_hash64(table->texts + entry->kind, entry->kind_len, 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	struct network_table table;
	struct mr_slice text = {(const char *)data, size};

	address_parse(text);
	if (network_list_build("fuzz", text, &bytes, &error) == MR_OK) {
		enum mr_err err =
		    network_table_open((struct mr_slice){bytes.data, bytes.len}, &table, &error);
		assert(err == MR_OK);
		ask(&table);
	} else {
		assert(strncmp(error.text, "fuzz:", 5) == 0);
	}
	mr_buf_fini(&bytes);

	void *aligned = mr_malloc(size + 1); /* as a mapping is */
	memcpy(aligned, data, size);
	if (network_table_open((struct mr_slice){aligned, size}, &table, &error) == MR_OK)
		ask(&table);
	free(aligned);
	return 0;
}
