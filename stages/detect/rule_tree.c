/* rule_tree.c - an explanation as lines for a person, and as JSON.
 *
 * Called by cmd_rules_explain.c and cmd_rules_test.c. Nothing here fails. */
#include "rule_explain.h"

#define CHILDREN_SHOWN 12
#define TEXT_SHOWN 160 /* bytes of a label */

#define GREEN "\033[32m"
#define RED "\033[31m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"

static const char *const label_names[] = {
    [SIGMA_LABEL_CONDITION] = "condition",
    [SIGMA_LABEL_IDENTIFIER] = "identifier",
    [SIGMA_LABEL_KEY] = "key",
    [SIGMA_LABEL_VALUE] = "value",
    [SIGMA_LABEL_EXPANDED] = "expanded",
    [SIGMA_LABEL_MAPPING] = "mapping",
    [SIGMA_LABEL_LOGSOURCE] = "logsource",
    [SIGMA_LABEL_FILTER] = "filter",
};

/* ---- text ---- */

struct lines {
	struct mr_buf *out;
	bool colours;
};

/* From here on to the end what was put is one line, fit to be shown; colours come behind. */
static void dim_from(struct lines *lines, size_t from)
{
	mr_buf_show(lines->out, from);
	if (!lines->colours)
		return;
	struct mr_buf copy = {0};
	mr_buf_add(&copy, lines->out->data + from, lines->out->len - from);
	lines->out->len = from;
	mr_buf_printf(lines->out, DIM "%.*s" PLAIN, (int)copy.len, copy.data);
	mr_buf_fini(&copy);
}

static void put_verdict(struct lines *lines, bool holds, unsigned depth)
{
	const char *word = holds ? "yes" : "no ";
	if (lines->colours)
		mr_buf_printf(lines->out, "%s%s" PLAIN, holds ? GREEN : RED, word);
	else
		mr_buf_add_text(lines->out, word);
	mr_buf_printf(lines->out, "%*s", (int)(2 + 2 * depth), "");
}

static void put_label(const struct sigma_label *label, struct mr_buf *out)
{
	struct mr_slice text = {label->text.at, mr_utf8_cut(label->text, TEXT_SHOWN)};
	const char *more = text.len < label->text.len ? "…" : "";
	switch (label->kind) {
	case SIGMA_LABEL_CONDITION:
	case SIGMA_LABEL_LOGSOURCE:
		mr_buf_printf(out, "%s ", label_names[label->kind]);
		break;
	case SIGMA_LABEL_FILTER:
	case SIGMA_LABEL_VALUE:
		mr_buf_printf(out, "%s\"%.*s%s\"",
			      label->kind == SIGMA_LABEL_FILTER ? "filter " : "", (int)text.len,
			      text.at, more);
		return;
	case SIGMA_LABEL_EXPANDED:
		mr_buf_printf(out, "stands for \"%.*s%s\"", (int)text.len, text.at, more);
		return;
	case SIGMA_LABEL_MAPPING:
		mr_buf_printf(out, "where these records have %.*s", (int)text.len, text.at);
		return;
	case SIGMA_LABEL_IDENTIFIER:
	case SIGMA_LABEL_KEY:
		break;
	}
	mr_buf_printf(out, "%.*s%s", (int)text.len, text.at, more);
}

/* Whether its labels say already what a leaf asks of which field. */
static bool says_all(const struct explain_node *leaf)
{
	if (leaf->label_count == 0)
		return false;
	enum sigma_label_kind last = leaf->labels[leaf->label_count - 1]->kind;
	return last == SIGMA_LABEL_VALUE || last == SIGMA_LABEL_EXPANDED;
}

/* What it saw, which of several values it was, and why it does not hold. */
static void put_saw(const struct explain_node *leaf, struct mr_buf *out)
{
	bool saw = leaf->saw.len > 0;
	bool why = leaf->why.len > 0;
	if (leaf->member.first > 0) {
		if (leaf->field.len == 0)
			mr_buf_printf(out, "  (%.*s",
				      SIGMA_SHOW(leaf->member.path.len == 0 ? MR_SLICE("a value")
									    : leaf->member.path));
		else
			mr_buf_printf(out, "  (value %u of %u", leaf->member.first, leaf->values);
		mr_buf_printf(out, " is %.*s", (int)leaf->matched.len, leaf->matched.at);
		if (leaf->member.count > 1)
			mr_buf_printf(out, ", and %u more match", leaf->member.count - 1);
		mr_buf_add_text(out, ")");
		return;
	}
	if (!saw && !why)
		return;
	mr_buf_add_text(out, "  (");
	if (saw && leaf->values > 1 && !leaf->holds)
		mr_buf_printf(out, "none of %u values: ", leaf->values);
	else if (saw)
		mr_buf_add_text(out, "it is ");
	mr_buf_printf(out, "%.*s%s%.*s)", (int)leaf->saw.len, leaf->saw.at, saw && why ? "; " : "",
		      (int)leaf->why.len, leaf->why.at);
}

static void put_leaf(struct lines *lines, const struct explain_node *leaf)
{
	struct mr_buf *out = lines->out;
	if (!says_all(leaf))
		mr_buf_printf(out, "%s%.*s %.*s", leaf->label_count == 0 ? "" : ": ",
			      leaf->field.len == 0 ? 9 : (int)leaf->field.len,
			      leaf->field.len == 0 ? "any value" : leaf->field.at,
			      (int)leaf->asks.len, leaf->asks.at);
	size_t from = out->len;
	put_saw(leaf, out);
	dim_from(lines, from);
}

static void put_head(struct lines *lines, const struct explain_node *node)
{
	struct mr_buf *out = lines->out;
	size_t from = out->len;
	for (uint32_t i = 0; i < node->label_count; i++) {
		mr_buf_add_text(out, i == 0 ? "" : ": ");
		put_label(node->labels[i], out);
	}
	const char *colon = node->label_count == 0 ? "" : ": ";
	if (node->kind == SIGMA_NOT)
		mr_buf_printf(out, "%snot", colon);
	else if (node->kind != SIGMA_LEAF && node->child_count > 1)
		mr_buf_printf(out, "%s%s", colon, node->kind == SIGMA_AND ? "all of" : "any of");
	mr_buf_show(out, from);
	if (node->kind == SIGMA_LEAF)
		put_leaf(lines, node);
	mr_buf_add_text(out, "\n");
}

/* Of many children those that make the node what it is. */
static bool decides(const struct explain_node *node, const struct explain_node *child)
{
	bool any = node->kind == SIGMA_OR;
	return any == node->holds ? child->holds == node->holds : true;
}

static void put_node(struct lines *lines, const struct explain_node *node, unsigned depth)
{
	uint32_t shown = 0;
	put_verdict(lines, node->holds, depth);
	put_head(lines, node);
	for (uint32_t i = 0; i < node->child_count; i++) {
		const struct explain_node *child = &node->children[i];
		if (node->child_count > CHILDREN_SHOWN &&
		    (shown == CHILDREN_SHOWN || !decides(node, child)))
			continue;
		put_node(lines, child, depth + 1);
		shown++;
	}
	if (shown < node->child_count)
		mr_buf_printf(lines->out, "%*s… and %u more\n", (int)(7 + 2 * depth), "",
			      node->child_count - shown);
}

static void put_kinds(uint32_t kinds, struct mr_buf *out)
{
	const char *comma = "";
	for (uint32_t kind = 0; kind < MR_KIND_COUNT; kind++) {
		struct mr_slice name = mr_record_kind_name((enum mr_record_kind)kind);
		if ((kinds >> kind & 1) == 0)
			continue;
		mr_buf_printf(out, "%s%.*s", comma, (int)name.len, name.at);
		comma = ", ";
	}
	if (kinds == 0)
		mr_buf_add_text(out, "none");
}

void rule_tree_text(const struct explained *explained, bool colours, struct mr_buf *out)
{
	struct lines lines = {out, colours};
	struct mr_slice kind = mr_record_kind_name(explained->kind);
	size_t from = out->len;
	mr_buf_printf(
	    out, MR_RULE_NAMED " %s, a record of kind %.*s", MR_RULE_NAMES(explained->rule),
	    explained_holds(explained) ? "matches" : "does not match", (int)kind.len, kind.at);
	if (explained->root == NULL) {
		mr_buf_add_text(out, ": the kinds of record that it sees: ");
		put_kinds(explained->kinds, out);
		if (explained->kinds == 0)
			mr_buf_add_text(out, " (--logsource says what a record is)");
	}
	mr_buf_show(out, from);
	mr_buf_add_text(out, "\n");
	if (explained->root != NULL)
		put_node(&lines, explained->root, 0);
}

/* ---- JSON ---- */

static void put_member(struct mr_buf *out, const char *name, struct mr_slice text)
{
	mr_buf_printf(out, ", \"%s\": ", name);
	mr_json_put_string(out, text);
}

static void put_labels(const struct explain_node *node, struct mr_buf *out)
{
	mr_buf_add_text(out, ", \"labels\": [");
	for (uint32_t i = 0; i < node->label_count; i++) {
		const struct sigma_label *label = node->labels[i];
		mr_buf_printf(out, "%s{\"kind\": \"%s\"", i == 0 ? "" : ", ",
			      label_names[label->kind]);
		put_member(out, "text", label->text);
		mr_buf_printf(out, ", \"line\": %u, \"column\": %u}", label->line, label->column);
	}
	mr_buf_add_text(out, "]");
}

static void put_json(const struct explain_node *node, struct mr_buf *out)
{
	static const char *const kinds[] = {
	    [SIGMA_LEAF] = "test", [SIGMA_AND] = "all", [SIGMA_OR] = "any", [SIGMA_NOT] = "not"};
	mr_buf_printf(out, "{\"kind\": \"%s\", \"holds\": %s", kinds[node->kind],
		      node->holds ? "true" : "false");
	put_labels(node, out);
	if (node->kind == SIGMA_LEAF) {
		put_member(out, "field", node->field);
		put_member(out, "asks", node->asks);
		put_member(out, "saw", node->saw);
		put_member(out, "matched", node->matched);
		put_member(out, "matched_in", node->member.path);
		mr_buf_printf(out, ", \"values\": %u, \"matched_at\": %u, \"matching\": %u",
			      node->values, node->member.first, node->member.count);
		put_member(out, "why", node->why);
		mr_buf_add_text(out, "}");
		return;
	}
	mr_buf_add_text(out, ", \"children\": [");
	for (uint32_t i = 0; i < node->child_count; i++) {
		mr_buf_add_text(out, i == 0 ? "" : ", ");
		put_json(&node->children[i], out);
	}
	mr_buf_add_text(out, "]}");
}

void rule_tree_json(const struct explained *explained, struct mr_buf *out)
{
	const struct mr_rule *rule = explained->rule;
	mr_buf_add_text(out, "{\"id\": ");
	mr_json_put_string(out, rule->id);
	put_member(out, "title", rule->title);
	put_member(out, "file", rule->file);
	mr_buf_printf(out, ", \"line\": %u, \"matches\": %s", rule->line,
		      explained_holds(explained) ? "true" : "false");
	put_member(out, "record_kind", mr_record_kind_name(explained->kind));
	mr_buf_add_text(out, ", \"sees\": \"");
	put_kinds(explained->kinds, out);
	mr_buf_add_text(out, "\", \"tree\": ");
	if (explained->root == NULL)
		mr_buf_add_text(out, "null");
	else
		put_json(explained->root, out);
	mr_buf_add_text(out, "}");
}
