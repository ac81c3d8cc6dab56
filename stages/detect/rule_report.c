/* rule_report.c - outcomes of tests as text, JSON and JUnit's XML.
 *
 * Called by cmd_rules_test.c. Nothing here fails. */
#include "rule_report.h"

static const char *const words[] = {
    [RULE_PASSED] = "passed", [RULE_FAILED] = "failed", [RULE_BROKEN] = "error"};

int rule_outcomes_status(const struct rule_outcomes *outcomes)
{
	bool good = outcomes->sums[RULE_FAILED] == 0 && outcomes->sums[RULE_BROKEN] == 0 &&
		    outcomes->suites->faults.count == 0 && outcomes->catalog->refused == 0;
	return good ? 0 : 1;
}

static struct mr_slice title_of(const struct rule_outcome *outcome)
{
	return outcome->rule != NULL ? outcome->rule->title : outcome->suite->rule;
}

static struct mr_slice id_of(const struct rule_outcome *outcome)
{
	return outcome->rule != NULL ? outcome->rule->id : outcome->suite->rule;
}

static uint32_t untested(const struct rule_outcomes *outcomes)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < outcomes->catalog->count; i++)
		count += !outcomes->tested[i];
	return count;
}

/* ---- text ---- */

/* What was put there is one line, fit to be shown. */
static void end_line(struct mr_buf *out, size_t from)
{
	mr_buf_show(out, from);
	mr_buf_add_text(out, "\n");
}

static void put_indented(struct mr_slice text, struct mr_buf *out)
{
	while (text.len > 0) {
		size_t from = out->len;
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.at);
		mr_buf_printf(out, "    %.*s", (int)len, text.at);
		end_line(out, from);
		len += end != NULL;
		text = (struct mr_slice){text.at + len, text.len - len};
	}
}

static void put_outcome(const struct rule_outcome *outcome, struct mr_buf *out)
{
	struct mr_slice title = title_of(outcome);
	size_t from = out->len;
	mr_buf_printf(out, "%.*s:%u:%u: %s: \"%.*s\": %.*s", (int)outcome->suite->file.len,
		      outcome->suite->file.at, outcome->test->line, outcome->test->column,
		      words[outcome->verdict], SIGMA_SHOW(title), (int)outcome->test->name.len,
		      outcome->test->name.at);
	end_line(out, from);
	put_indented(outcome->reason, out);
}

static void put_faults(const struct rule_outcomes *outcomes, struct mr_buf *out)
{
	const struct mr_catalog *catalog = outcomes->catalog;
	for (uint32_t i = 0; i < catalog->refused; i++) {
		const struct mr_refusal *refusal = &catalog->refusals[i];
		size_t from = out->len;
		mr_buf_printf(out, "%.*s:%u: refused: %.*s", (int)refusal->file.len,
			      refusal->file.at, refusal->line, (int)refusal->reason.len,
			      refusal->reason.at);
		end_line(out, from);
	}
	for (uint32_t i = 0; i < outcomes->suites->faults.count; i++) {
		const struct sigma_note *note = &outcomes->suites->faults.items[i];
		size_t from = out->len;
		mr_buf_printf(out, "%.*s:%u:%u: error: %.*s", (int)note->file.len, note->file.at,
			      note->line, note->column, (int)note->reason.len, note->reason.at);
		end_line(out, from);
	}
}

void rule_report_text(const struct rule_outcomes *outcomes, bool all, struct mr_buf *out)
{
	put_faults(outcomes, out);
	for (uint32_t i = 0; i < outcomes->count; i++) {
		if (all || outcomes->items[i].verdict != RULE_PASSED)
			put_outcome(&outcomes->items[i], out);
	}
	mr_buf_printf(out, "%u tests: %u passed, %u failed, %u errors; %u of %u rules have none\n",
		      outcomes->count, outcomes->sums[RULE_PASSED], outcomes->sums[RULE_FAILED],
		      outcomes->sums[RULE_BROKEN] + outcomes->suites->faults.count +
			  outcomes->catalog->refused,
		      untested(outcomes), outcomes->catalog->count);
}

/* ---- JSON ---- */

static void put_place(struct mr_buf *out, struct mr_slice file, uint32_t line, uint32_t column)
{
	mr_buf_add_text(out, "{\"file\": ");
	mr_json_put_string(out, file);
	mr_buf_printf(out, ", \"line\": %u, \"column\": %u", line, column);
}

static void put_member(struct mr_buf *out, const char *name, struct mr_slice text)
{
	mr_buf_printf(out, ", \"%s\": ", name);
	mr_json_put_string(out, text);
}

static void put_json_outcome(const struct rule_outcome *outcome, struct mr_buf *out)
{
	put_place(out, outcome->suite->file, outcome->test->line, outcome->test->column);
	put_member(out, "rule", id_of(outcome));
	put_member(out, "title", title_of(outcome));
	put_member(out, "name", outcome->test->name);
	put_member(out, "outcome", mr_slice(words[outcome->verdict]));
	if (outcome->verdict != RULE_PASSED)
		put_member(out, "reason", outcome->reason);
	mr_buf_printf(out, ", \"seconds\": %.6f}", outcome->seconds);
}

static void put_json_faults(const struct rule_outcomes *outcomes, struct mr_buf *out)
{
	const struct mr_catalog *catalog = outcomes->catalog;
	const char *comma = "";
	mr_buf_add_text(out, ", \"refused\": [");
	for (uint32_t i = 0; i < catalog->refused; i++) {
		const struct mr_refusal *refusal = &catalog->refusals[i];
		mr_buf_add_text(out, comma);
		put_place(out, refusal->file, refusal->line, 0);
		put_member(out, "id", refusal->id);
		put_member(out, "reason", refusal->reason);
		mr_buf_add_text(out, "}");
		comma = ", ";
	}
	mr_buf_add_text(out, "], \"faults\": [");
	comma = "";
	for (uint32_t i = 0; i < outcomes->suites->faults.count; i++) {
		const struct sigma_note *note = &outcomes->suites->faults.items[i];
		mr_buf_add_text(out, comma);
		put_place(out, note->file, note->line, note->column);
		put_member(out, "reason", note->reason);
		mr_buf_add_text(out, "}");
		comma = ", ";
	}
	mr_buf_add_text(out, "]");
}

void rule_report_json(const struct rule_outcomes *outcomes, struct mr_buf *out)
{
	const char *comma = "";
	mr_buf_printf(out, "{\"tests\": %u, \"passed\": %u, \"failed\": %u, \"errors\": %u",
		      outcomes->count, outcomes->sums[RULE_PASSED], outcomes->sums[RULE_FAILED],
		      outcomes->sums[RULE_BROKEN]);
	mr_buf_printf(out, ", \"rules\": %u, \"untested\": [", outcomes->catalog->count);
	for (uint32_t i = 0; i < outcomes->catalog->count; i++) {
		if (outcomes->tested[i])
			continue;
		mr_buf_add_text(out, comma);
		mr_json_put_string(out, outcomes->catalog->rules[i].id);
		comma = ", ";
	}
	mr_buf_add_text(out, "]");
	put_json_faults(outcomes, out);
	mr_buf_add_text(out, ", \"results\": [");
	for (uint32_t i = 0; i < outcomes->count; i++) {
		mr_buf_add_text(out, i == 0 ? "" : ", ");
		put_json_outcome(&outcomes->items[i], out);
	}
	mr_buf_add_text(out, "]}\n");
}

/* ---- JUnit ---- */

/* XML 1.0 has no other control characters, however they are written. */
static void put_xml(struct mr_buf *out, struct mr_slice text)
{
	size_t at = 0;
	while (at < text.len) {
		char bytes[4];
		size_t from = at;
		bool bad = false;
		uint32_t c = mr_utf8_next(text.at, text.len, &at, &bad);
		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\n' || c == '\t')
			mr_buf_printf(out, "&#%u;", c);
		else if (bad || c < 0x20 || c == 0x7f || c == 0xfffe || c == 0xffff)
			mr_buf_add(out, bytes, mr_utf8_put(0xfffd, bytes));
		else
			mr_buf_add(out, text.at + from, at - from);
	}
}

static void put_attribute(struct mr_buf *out, const char *name, struct mr_slice text)
{
	mr_buf_printf(out, " %s=\"", name);
	put_xml(out, text);
	mr_buf_add_text(out, "\"");
}

static void put_case(const struct rule_outcome *outcome, struct mr_buf *out)
{
	static const char *const tags[] = {[RULE_FAILED] = "failure", [RULE_BROKEN] = "error"};
	mr_buf_add_text(out, "    <testcase");
	put_attribute(out, "classname", id_of(outcome));
	put_attribute(out, "name", outcome->test->name);
	put_attribute(out, "file", outcome->suite->file);
	mr_buf_printf(out, " line=\"%u\" time=\"%.6f\"", outcome->test->line, outcome->seconds);
	if (outcome->verdict == RULE_PASSED) {
		mr_buf_add_text(out, "/>\n");
		return;
	}
	mr_buf_printf(out, ">\n      <%s", tags[outcome->verdict]);
	put_attribute(out, "message", outcome->reason);
	mr_buf_add_text(out, "/>\n    </testcase>\n");
}

/* Outcomes of one suite stand side by side. */
static uint32_t put_suite(const struct rule_outcomes *outcomes, uint32_t from, struct mr_buf *out)
{
	const struct rule_outcome *first = &outcomes->items[from];
	uint32_t end = from;
	uint32_t sums[3] = {0};
	double seconds = 0;
	for (; end < outcomes->count && outcomes->items[end].suite == first->suite; end++) {
		sums[outcomes->items[end].verdict]++;
		seconds += outcomes->items[end].seconds;
	}
	mr_buf_add_text(out, "  <testsuite");
	put_attribute(out, "name", title_of(first));
	put_attribute(out, "file", first->suite->file);
	mr_buf_printf(out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" time=\"%.6f\">\n",
		      end - from, sums[RULE_FAILED], sums[RULE_BROKEN], seconds);
	for (uint32_t i = from; i < end; i++)
		put_case(&outcomes->items[i], out);
	mr_buf_add_text(out, "  </testsuite>\n");
	return end;
}

static void put_fault(struct mr_buf *out, struct mr_slice id, struct mr_slice file, uint32_t line,
		      struct mr_slice reason)
{
	mr_buf_add_text(out, "    <testcase");
	put_attribute(out, "classname", id);
	put_attribute(out, "name", MR_SLICE("it loads"));
	put_attribute(out, "file", file);
	mr_buf_printf(out, " line=\"%u\">\n      <error", line);
	put_attribute(out, "message", reason);
	mr_buf_add_text(out, "/>\n    </testcase>\n");
}

/* What is no test, or no rule, as a test that could not be run. */
static void put_loading(const struct rule_outcomes *outcomes, struct mr_buf *out)
{
	const struct sigma_notes *faults = &outcomes->suites->faults;
	const struct mr_catalog *catalog = outcomes->catalog;
	uint32_t count = faults->count + catalog->refused;
	if (count == 0)
		return;
	mr_buf_printf(out,
		      "  <testsuite name=\"loading\" tests=\"%u\" failures=\"0\" errors=\"%u\">\n",
		      count, count);
	for (uint32_t i = 0; i < catalog->refused; i++) {
		const struct mr_refusal *refusal = &catalog->refusals[i];
		put_fault(out, refusal->id, refusal->file, refusal->line, refusal->reason);
	}
	for (uint32_t i = 0; i < faults->count; i++) {
		const struct sigma_note *note = &faults->items[i];
		put_fault(out, note->id, note->file, note->line, note->reason);
	}
	mr_buf_add_text(out, "  </testsuite>\n");
}

void rule_report_junit(const struct rule_outcomes *outcomes, struct mr_buf *out)
{
	uint32_t broken = outcomes->suites->faults.count + outcomes->catalog->refused;
	mr_buf_printf(out,
		      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<testsuites name=\"millrace rules test\" tests=\"%u\" failures=\"%u\" "
		      "errors=\"%u\">\n",
		      outcomes->count + broken, outcomes->sums[RULE_FAILED],
		      outcomes->sums[RULE_BROKEN] + broken);
	put_loading(outcomes, out);
	for (uint32_t at = 0; at < outcomes->count;)
		at = put_suite(outcomes, at, out);
	mr_buf_add_text(out, "</testsuites>\n");
}
