/* fuzz_rules.c - any bytes as a rule file: loading ends, what it makes is whole, the same when it
 * is loaded again, and judges the same twice. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "known_leaks.h"
#include "sigma_sarif.h"
#include "twice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static void put_notes(const struct sigma_notes *notes, struct mr_buf *out)
{
	for (uint32_t i = 0; i < notes->count; i++)
		mr_buf_printf(out, "%u:%u %.*s\n", notes->items[i].line, notes->items[i].column,
			      (int)notes->items[i].reason.len, notes->items[i].reason.at);
}

/* What became of the file, as bytes. */
static void put_set(const struct sigma_set *set, const struct mr_fields *fields, struct mr_buf *out)
{
	struct mr_catalog again;
	struct mr_error error = {0};
	mr_catalog_encode(&set->catalog, out);
	must(mr_catalog_decode((struct mr_slice){out->data, out->len}, &again, &error) == MR_OK);
	mr_catalog_fini(&again);
	mr_fields_encode(fields, out);
	put_notes(&set->refused, out);
	put_notes(&set->warnings, out);
}

static void look(const struct sigma_set *set, struct mr_fields *fields)
{
	struct mr_buf sarif = {0};
	sigma_sarif_put(set, &sarif);
	mr_buf_fini(&sarif);
	for (uint32_t i = 0; i < set->rule_count; i++) {
		must(set->rules[i].index < set->catalog.count);
		walk(set->rules[i].condition, mr_fields_count(fields), 100000);
	}
	must_say(&set->refused, 0);
	must_say(&set->warnings, 1);
}

/* As check and explain load them, or as scan does. False where there is no set. */
static bool load_once(const char *path, size_t size, bool judge, struct mr_buf *out)
{
	struct mr_fields *fields = mr_fields_new();
	struct mr_error error = {0};
	struct sigma_set set;
	const char *paths[] = {path};
	const struct sigma_wishes wishes = {.lints = size % 2 == 0, .labelled = size % 4 == 0};
	bool loaded = sigma_load_with(paths, 1, &wishes, fields, &set, &error) == MR_OK;
	if (loaded) {
		look(&set, fields);
		put_set(&set, fields, out);
		if (judge)
			twice_judge(&set, fields);
		sigma_set_fini(&set);
	}
	mr_fields_free(fields);
	return loaded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_buf first = {0}, second = {0};
	char path[64];
	int fd = memfd_create("rules", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	bool loaded = load_once(path, size, true, &first);
	must(load_once(path, size, false, &second) == loaded);
	must(first.len == second.len &&
	     (first.len == 0 || memcmp(first.data, second.data, first.len) == 0));
	mr_buf_fini(&first);
	mr_buf_fini(&second);
	close(fd);
	return 0;
}
