/* fuzz_rules.c - any bytes as a rule file: loading ends, and what it makes is whole. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "known_leaks.h"
#include "sigma_sarif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static uint64_t walk(const struct sigma_node *node, size_t fields, uint64_t budget)
{
	if (budget == 0)
		return 0;
	budget--;
	if (node->kind == SIGMA_LEAF) {
		must(node->child_count == 0 && node->leaf->field < fields &&
		     node->leaf->other < fields);
		return budget;
	}
	must(node->child_count > 0 && (node->kind != SIGMA_NOT || node->child_count == 1));
	for (uint32_t i = 0; i < node->child_count; i++)
		budget = walk(node->children[i], fields, budget);
	return budget;
}

/* A refusal's place may be unknown, where libfyaml knows none. */
static void must_say(const struct sigma_notes *notes, uint32_t first)
{
	for (uint32_t i = 0; i < notes->count; i++)
		must(notes->items[i].reason.len > 0 && notes->items[i].file.len > 0 &&
		     notes->items[i].line >= first && notes->items[i].column >= first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_fields *fields = mr_fields_new();
	struct mr_error error = {0};
	struct sigma_set set;
	char path[64];
	int fd = memfd_create("rules", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	const char *paths[] = {path};
	/* As check and explain load them, or as scan does. */
	const struct sigma_wishes wishes = {.lints = size % 2 == 0, .labelled = size % 4 == 0};
	if (sigma_load_with(paths, 1, &wishes, fields, &set, &error) == MR_OK) {
		struct mr_buf bytes = {0};
		struct mr_catalog again;
		sigma_sarif_put(&set, &bytes);
		bytes.len = 0;
		for (uint32_t i = 0; i < set.rule_count; i++) {
			must(set.rules[i].index < set.catalog.count);
			walk(set.rules[i].condition, mr_fields_count(fields), 100000);
		}
		must_say(&set.refused, 0);
		must_say(&set.warnings, 1);
		mr_catalog_encode(&set.catalog, &bytes);
		must(mr_catalog_decode((struct mr_slice){bytes.data, bytes.len}, &again, &error) ==
		     MR_OK);
		mr_catalog_fini(&again);
		mr_buf_fini(&bytes);
		sigma_set_fini(&set);
	}
	close(fd);
	mr_fields_free(fields);
	return 0;
}
