/* fuzz_topology_file.c - any bytes as a topology file: refused with a word, or settings of which
 * each can be asked for, and which go to a worker and back unchanged. */
#include <stdlib.h>

#include "known_leaks.h"
#include "millrace/log.h"
#include "topology_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t lines;

static void count(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		  size_t len)
{
	(void)context;
	(void)level;
	(void)kind;
	(void)line;
	(void)len;
	lines++;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* What was read is as its row says. */
static void ask(const struct mr_config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		const struct mr_setting *item = &config->items[i];
		const struct mr_setting_row *row =
		    mr_setting_find(config->scope, mr_slice(item->name));
		int64_t number;
		must(row != NULL && mr_setting_stands(row, config->scope));
		must(mr_config_get(config, item->name, 0) != NULL);
		if (mr_setting_counts(row))
			must(mr_config_int(config, item->name, &number, NULL) == MR_OK);
		if (row->kind == MR_SETTING_PATH || row->kind == MR_SETTING_PATHS ||
		    row->kind == MR_SETTING_CERTIFICATES)
			must(item->value[0] == '/');
		must(mr_setting_often(row) || mr_config_get(config, item->name, 1) == NULL);
	}
}

static void travel(const struct mr_config *config)
{
	struct mr_buf once = {0}, twice = {0};
	struct mr_config back = {0};
	mr_config_encode(config, &once);
	must(mr_config_decode((struct mr_slice){once.data, once.len}, &back, NULL) == MR_OK);
	mr_config_encode(&back, &twice);
	must(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	mr_config_fini(&back);
	mr_buf_fini(&once);
	mr_buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_config config;
	struct mr_error error = {0};
	mr_log_set_sink(count, NULL);
	lines = 0;
	enum mr_err err = mr_topology_file_parse((struct mr_slice){(const char *)data, size}, "t",
						 "/nowhere", "a", &config, &error);
	if (err != MR_OK) {
		must(err == MR_CONFIG && error.text[0] != '\0' && lines > 0 && lines <= 10);
		must(config.count == 0 && config.part_count == 0);
		return 0;
	}
	must(lines == 0);
	ask(&config);
	for (size_t i = 0; i < config.part_count; i++)
		ask(&config.parts[i].settings);
	travel(&config);
	mr_config_fini(&config);
	return 0;
}
