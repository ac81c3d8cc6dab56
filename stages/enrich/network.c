/* network.c - the named-network enricher: what the company itself calls an address.
 *
 * Called by enrich.c. make reads the file of setting "networks" (network_list.h says its form)
 * into the table "enrich.networks"; an entry that is wrong ends it with file, line and column. */
#include "enricher.h"
#include "millrace/own_file.h"
#include "millrace/os.h"
#include "network_list.h"

#include "sealed.h"

#include <sys/mman.h>
#include <unistd.h>

#define TABLE "enrich.networks"
#define FILE_MAX_BYTES (256u << 20)

static const mr_field read_fields[] = {MR_F_SRC_IP};

struct network_state {
	struct network_table table;
};

static enum mr_err build(const char *path, int fd, size_t size, struct mr_buf *table,
			 struct mr_error *error)
{
	const char *text;
	enum mr_err err;

	if (size > FILE_MAX_BYTES)
		return mr_error_set(error, MR_CONFIG, "%s: longer than 256 MiB", path);
	if (size == 0)
		return network_list_build(path, (struct mr_slice){"", 0}, table, error);
	text = mr_os_map(fd, size);
	if (text == NULL)
		return mr_error_errno(error, MR_IO, "%s", path);
	err = network_list_build(path, (struct mr_slice){text, size}, table, error);
	mr_os_unmap(text, size);
	return err;
}

static enum mr_err seal(struct mr_slice table, struct enrich_made *out, struct mr_error *error)
{
	enum mr_err err;

	*out = (struct enrich_made){.fd = memfd_create(TABLE, MFD_CLOEXEC | MFD_ALLOW_SEALING),
				    .size = table.len};
	if (out->fd < 0)
		return mr_error_errno(error, MR_IO, "no memory for the table of networks");
	err = sealed_write(out->fd, table.at, table.len, 0, error);
	if (err == MR_OK)
		err = sealed_seal(out->fd, error);
	if (err != MR_OK)
		close(out->fd);
	return err;
}

static enum mr_err make(const struct mr_prepare *prepare, struct enrich_made *out,
			struct mr_error *error)
{
	const char *path = mr_config_get(prepare->config, "networks", 0);
	struct mr_buf table = {0};
	size_t size;
	int fd;
	enum mr_err err = mr_own_files_check(prepare->config, &path, 1, error);

	if (err == MR_OK)
		err = sealed_copy(path, &fd, &size, error);
	if (err != MR_OK)
		return err;
	err = build(path, fd, size, &table, error);
	close(fd);
	if (err == MR_OK)
		err = seal((struct mr_slice){table.data, table.len}, out, error);
	mr_buf_fini(&table);
	return err;
}

static enum mr_err open_network(void *opaque, const struct mr_stage_env *env, bool *active_out,
				struct mr_error *error)
{
	struct network_state *state = opaque;
	struct mr_slice bytes;
	enum mr_err err = enrich_table(env, TABLE, active_out, &bytes, error);

	if (err != MR_OK || !*active_out)
		return err;
	return network_table_open(bytes, &state->table, error);
}

static void apply(void *opaque, const struct enrich_pass *pass, struct enrich_set *set)
{
	const struct network_state *state = opaque;
	const struct network_table *table = &state->table;
	uint64_t hits = 0;

	(void)pass; /* few addresses are in a named network: what there is is added at once */
	for (uint32_t i = 0; i < set->count; i++) {
		const struct network_entry *entry = network_table_find(table, &set->addresses[i]);
		struct mr_event *event = enrich_event(set, i);

		if (entry == NULL)
			continue;
		hits++;
		mr_event_add_text(set->events, event, MR_F_SRC_NETWORK,
				  (struct mr_slice){table->texts + entry->name, entry->name_len});
		if (entry->kind_len > 0)
			mr_event_add_text(
			    set->events, event, MR_F_SRC_NETWORK_KIND,
			    (struct mr_slice){table->texts + entry->kind, entry->kind_len});
	}
	mr_count(set->counters, MR_C_NETWORK_HITS, hits);
}

const struct mr_enricher mr_enricher_network = {
    .name = "network",
    .state_size = sizeof(struct network_state),
    .setting = "networks",
    .table = TABLE,
    .reads = read_fields,
    .read_count = sizeof(read_fields) / sizeof(read_fields[0]),
    .make = make,
    .open = open_network,
    .apply = apply,
};
