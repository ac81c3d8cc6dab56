/* sigma_sarif.c - refusals as errors and warnings as warnings, each with its lint's name.
 *
 * Called by cmd_rules_check.c. Nothing here fails. */
#include "sigma_sarif.h"

static bool is_error(enum sigma_lint lint)
{
	return lint == SIGMA_LINT_REFUSED || lint == SIGMA_LINT_DUPLICATE_ID;
}

static void put_text(struct mr_buf *out, const char *before, struct mr_slice text)
{
	mr_buf_add_text(out, before);
	mr_json_put_string(out, text);
}

/* RFC 3986: what is not unreserved is escaped, but for what parts a path. */
static void put_uri(struct mr_buf *out, struct mr_slice path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~/";
	mr_buf_add_text(out, "\"");
	if (path.len > 0 && path.at[0] == '/')
		mr_buf_add_text(out, "file://");
	for (size_t i = 0; i < path.len; i++) {
		if (memchr(plain, path.at[i], sizeof plain - 1) != NULL)
			mr_buf_add(out, &path.at[i], 1);
		else
			mr_buf_printf(out, "%%%02X", (unsigned char)path.at[i]);
	}
	mr_buf_add_text(out, "\"");
}

static void put_lints(struct mr_buf *out)
{
	for (int i = 0; i < SIGMA_LINT_COUNT; i++) {
		put_text(out, i == 0 ? "{\"id\": " : ", {\"id\": ",
			 mr_slice(sigma_lint_name((enum sigma_lint)i)));
		put_text(out, ", \"shortDescription\": {\"text\": ",
			 mr_slice(sigma_lint_prose((enum sigma_lint)i)));
		mr_buf_printf(out, "}, \"defaultConfiguration\": {\"level\": \"%s\"}}",
			      is_error((enum sigma_lint)i) ? "error" : "warning");
	}
}

static void put_notes(const struct sigma_notes *notes, const char **comma, struct mr_buf *out)
{
	for (uint32_t i = 0; i < notes->count; i++) {
		const struct sigma_note *note = &notes->items[i];
		mr_buf_printf(out, "%s{\"ruleId\": \"%s\", \"ruleIndex\": %d, \"level\": \"%s\"",
			      *comma, sigma_lint_name(note->lint), (int)note->lint,
			      is_error(note->lint) ? "error" : "warning");
		put_text(out, ", \"message\": {\"text\": ", note->reason);
		mr_buf_add_text(
		    out,
		    "}, \"locations\": [{\"physicalLocation\": {\"artifactLocation\": {\"uri\": ");
		put_uri(out, note->file);
		mr_buf_add_text(out, "}");
		if (note->line > 0)
			mr_buf_printf(out, ", \"region\": {\"startLine\": %u", note->line);
		if (note->line > 0 && note->column > 0)
			mr_buf_printf(out, ", \"startColumn\": %u", note->column);
		mr_buf_add_text(out, note->line > 0 ? "}}}]" : "}}]");
		put_text(out, ", \"properties\": {\"rule\": ", note->id);
		mr_buf_add_text(out, "}}");
		*comma = ", ";
	}
}

void sigma_sarif_put(const struct sigma_set *set, struct mr_buf *out)
{
	const char *comma = "";
	mr_buf_add_text(out, "{\"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\", "
			     "\"version\": \"2.1.0\", \"runs\": [{\"tool\": {\"driver\": "
			     "{\"name\": \"millrace rules check\", \"rules\": [");
	put_lints(out);
	mr_buf_add_text(out, "]}}, \"columnKind\": \"unicodeCodePoints\", \"results\": [");
	put_notes(&set->refused, &comma, out);
	put_notes(&set->warnings, &comma, out);
	mr_buf_add_text(out, "]}]}\n");
}
