/* rule_record.c - a record that a person wrote in YAML, as the JSON that its vendor sends.
 *
 * Called by rule_test.c. Fails at a number that JSON has not. */
#include "engine_value.h"
#include "rule_test.h"

/* The digits stay as they are where JSON has them so: text tests see them. */
static bool put_number(struct mr_arena *arena, const struct mr_yaml *node, struct mr_buf *out,
		       struct mr_fault *fault)
{
	struct engine_number unused;
	bool same = engine_number_read(node->text, true, &unused);
	struct mr_slice digits = same ? node->text : node->number;
	if (digits.len == 0)
		return mr_fault_set(arena, fault, node->line, node->column,
				    "%.*s is no number of JSON; a text stands in quotes",
				    SIGMA_SHOW(node->text));
	mr_buf_add(out, digits.at, digits.len);
	return true;
}

static bool put_scalar(struct mr_arena *arena, const struct mr_yaml *node, struct mr_buf *out,
		       struct mr_fault *fault)
{
	switch (node->type) {
	case MR_YAML_NULL:
		mr_buf_add_text(out, "null");
		return true;
	case MR_YAML_BOOL:
		mr_buf_add_text(out, node->truth ? "true" : "false");
		return true;
	case MR_YAML_NUMBER:
		return put_number(arena, node, out, fault);
	case MR_YAML_STRING:
		break;
	}
	mr_json_put_string(out, node->text);
	return true;
}

bool rule_record_put(struct mr_arena *arena, const struct mr_yaml *node, struct mr_buf *out,
		     struct mr_fault *fault)
{
	bool map = node->kind == MR_YAML_MAP;
	bool good = true;
	if (node->kind == MR_YAML_SCALAR)
		return put_scalar(arena, node, out, fault);
	mr_buf_add_text(out, map ? "{" : "[");
	for (uint32_t i = 0; i < node->count && good; i++) {
		mr_buf_add_text(out, i == 0 ? "" : ",");
		if (map) {
			mr_json_put_string(out, node->keys[i]->text);
			mr_buf_add_text(out, ":");
		}
		good = rule_record_put(arena, node->items[i], out, fault);
	}
	mr_buf_add_text(out, map ? "}" : "]");
	return good;
}
