/* fuzz_mapping.c - any test of any field, as each logsource of the mapping sees it: what is refused
 * says why, and what loads is whole, has no field that is not there, and judges the same twice.
 *
 * The first three bytes choose the logsource, the field among those that it maps, and the
 * modifiers; what follows are the values, one a line. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "known_leaks.h"
#include "sigma_mapping.h"
#include "twice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const chains[] = {"",
				     "|contains",
				     "|startswith",
				     "|endswith",
				     "|all",
				     "|cased",
				     "|re",
				     "|re|i",
				     "|cidr",
				     "|gt",
				     "|lte",
				     "|exists",
				     "|fieldref",
				     "|neq",
				     "|base64offset",
				     "|windash",
				     "|neq|all",
				     "|contains|all",
				     "|wide|base64",
				     "|fieldref|neq",
				     "|hour",
				     "|contains|windash|all"};

static const struct sigma_mapping *mapping_get(void)
{
	static struct mr_arena arena;
	static struct sigma_builder load = {.arena = &arena};
	return sigma_mapping_of(&load);
}

/* The nth of the fields that the view maps; Operation where it maps none. */
static struct mr_slice field_of(const struct sigma_view *view, unsigned nth)
{
	const struct mr_yaml *fields = view->fields;
	if (fields != NULL && fields->kind == MR_YAML_LIST)
		fields = fields->items[nth / 8 % fields->count];
	if (fields == NULL || fields->count == 0 || nth % 8 == 7)
		return MR_SLICE("Operation");
	return fields->keys[nth % fields->count]->text;
}

static void put_quoted(struct mr_buf *out, const uint8_t *text, size_t len)
{
	mr_buf_add(out, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		if (text[i] >= ' ' && text[i] < 0x7f && text[i] != '"' && text[i] != '\\')
			mr_buf_add(out, (const char *)&text[i], 1);
		else if (text[i] == '\\')
			mr_buf_add_text(out, "\\\\");
		else
			mr_buf_printf(out, "\\x%02x", text[i]);
	}
	mr_buf_add(out, "\"", 1);
}

/* A line of digits, and one of a word such as true and null, stands as it is. */
static void put_value(struct mr_buf *out, const uint8_t *text, size_t len)
{
	bool bare = len > 0 && len < 20;
	for (size_t i = 0; i < len; i++)
		bare &= (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'z');
	mr_buf_add_text(out, "   - ");
	if (bare)
		mr_buf_add(out, (const char *)text, len);
	else
		put_quoted(out, text, len);
	mr_buf_add(out, "\n", 1);
}

static void put_rule(const uint8_t *data, size_t size, struct mr_buf *out)
{
	const struct sigma_mapping *mapping = mapping_get();
	const struct sigma_view *view = &mapping->views[data[0] % mapping->count];
	struct mr_slice field = field_of(view, data[1]);
	mr_buf_add_text(out, "title: t\nid: x\nlogsource:\n");
	mr_buf_printf(out, " product: %.*s\n", (int)view->product.len, view->product.at);
	if (view->service.len > 0)
		mr_buf_printf(out, " service: %.*s\n", (int)view->service.len, view->service.at);
	if (view->category.len > 0)
		mr_buf_printf(out, " category: %.*s\n", (int)view->category.len, view->category.at);
	mr_buf_printf(out, "detection:\n condition: %ss\n s:\n  %.*s%s:\n",
		      data[2] >= 128 ? "not " : "", (int)field.len, field.at,
		      chains[data[2] % (sizeof chains / sizeof *chains)]);
	for (size_t at = 3; at <= size;) {
		const uint8_t *end = at == size ? NULL : memchr(data + at, '\n', size - at);
		size_t len = end == NULL ? size - at : (size_t)(end - data) - at;
		put_value(out, data + at, len);
		at += len + 1;
	}
}

static void look(const struct sigma_node *node, size_t fields)
{
	if (node->kind == SIGMA_LEAF)
		must(node->leaf->field < fields && node->leaf->other < fields);
	for (uint32_t i = 0; i < node->child_count; i++)
		look(node->children[i], fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_buf rule = {0};
	struct mr_fields *fields = mr_fields_new();
	struct mr_error error = {0};
	struct sigma_set set;
	char path[64];
	if (size < 3 || size > 2000) {
		mr_fields_free(fields);
		return 0;
	}
	const char *paths[] = {path};
	int fd = memfd_create("rule", MFD_CLOEXEC);
	put_rule(data, size, &rule);
	must(fd >= 0 && write(fd, rule.data, rule.len) == (ssize_t)rule.len);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	must(sigma_load(paths, 1, NULL, fields, &set, &error) == MR_OK);
	must(set.refused.count + set.catalog.count == 1);
	must(set.refused.count == 0 || set.refused.items[0].reason.len > 0);
	/* The mapping is for records: whatever is asked of a field of its, some kind is asked. */
	must(set.refused.count == 1 || set.catalog.inactive == 1 || set.rule_count > 0);
	for (uint32_t i = 0; i < set.rule_count; i++) {
		must(set.rules[i].kinds != 0);
		look(set.rules[i].condition, mr_fields_count(fields));
	}
	twice_judge(&set, fields);
	sigma_set_fini(&set);
	mr_buf_fini(&rule);
	close(fd);
	mr_fields_free(fields);
	return 0;
}
