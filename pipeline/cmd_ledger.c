/* cmd_ledger.c - `millrace ledger report|check`: the books of a state directory. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "ledger_check.h"
#include "ledger_report.h"
#include "manifest.h"
#include "millrace/folder.h"

static const char help_text[] =
    "usage: millrace ledger report [--json|--csv] STATE_DIR\n"
    "       millrace ledger check [--json] STATE_DIR\n"
    "\n"
    "report says for each source and hour what came in and what became of it. check reads the\n"
    "books, the manifest and the files that sinks wrote, and says whether the books balance and\n"
    "whether anything was changed since it was committed, a line each. Both only read, also while\n"
    "a service runs. README.md describes the ledger's tables.\n"
    "\n";
static const char help_status[] =
    "\n"
    "Exit status: 0 it balances, 1 it does not or is damaged, 2 there is no ledger, or none that\n"
    "this user may read.\n";

enum { JSON, CSV, HELP };
static const struct mr_option ledger_options[] = {
    [JSON] = {"json", 0, NULL, "as JSON"},
    [CSV] = {"csv", 0, NULL, "report: as CSV"},
    MR_OPTION_HELP,
    {0},
};
static const struct mr_option check_options[] = {
    {"json", 0, NULL, "as JSON"},
    MR_OPTION_HELP,
    {0},
};
static const struct mr_command report_command = {
    .name = "report", .summary = "by source and hour", .options = ledger_options};
static const struct mr_command check_command = {
    .name = "check", .summary = "whether the books balance", .options = check_options};
static const struct mr_command *const ledger_commands[] = {&check_command, &report_command, NULL};

struct wish {
	bool check;
	bool json;
	bool csv;
	const char *state;
};

static int wrong(const char *what, const char *text)
{
	fprintf(stderr, "millrace ledger: %s%s%s%s; see --help\n", what, text[0] == 0 ? "" : " \"",
		text, text[0] == 0 ? "" : "\"");
	return 2;
}

/* -1: go on. */
static int parse(int argc, char **argv, struct wish *wish)
{
	int option;
	while ((option = mr_option_next(ledger_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(help_text, ledger_options, help_status);
		if (option == MR_OPTIONS_WRONG)
			return 2;
		wish->json |= option == JSON;
		wish->csv |= option == CSV;
	}
	const char *verb = optind < argc ? argv[optind] : "";
	wish->check = strcmp(verb, "check") == 0;
	if (!wish->check && strcmp(verb, "report") != 0)
		return wrong(*verb != '\0' ? "report or check is wanted, not"
					   : "report or check is wanted",
			     verb);
	if (argc - optind != 2)
		return wrong("one state directory is wanted", "");
	if (wish->csv && (wish->check || wish->json))
		return wrong("--csv is a form of report alone", "");
	wish->state = argv[optind + 1];
	return -1;
}

static int print(const struct mr_buf *out)
{
	bool written = fwrite(out->data, 1, out->len, stdout) == out->len && fflush(stdout) == 0;
	if (!written)
		perror("millrace ledger: standard output");
	return written ? 0 : 1;
}

static int failed(const struct mr_error *error)
{
	fprintf(stderr, "millrace ledger: %s\n", error->text);
	return mr_err_class(error->code) == MR_CLASS_USAGE ? 2 : 1;
}

/* ---- report ---- */

static int report(const struct wish *wish, const char *path)
{
	struct mr_buf out = {0};
	struct mr_error error = {0};
	enum mr_report_form form = wish->json  ? MR_REPORT_JSON
				   : wish->csv ? MR_REPORT_CSV
					       : MR_REPORT_TEXT;
	enum mr_err err = mr_ledger_report(path, form, &out, &error);
	int status = err == MR_OK ? print(&out) : failed(&error);
	mr_buf_fini(&out);
	return status;
}

/* ---- check ---- */

static void put_json(struct mr_buf *out, const struct mr_findings *findings,
		     const struct mr_ledger_state *state)
{
	mr_buf_printf(out,
		      "{\"balanced\": %s, \"checkpoint\": %llu, \"checkpoints\": %llu, \"hours\": "
		      "%llu, \"findings\": [",
		      findings->count == 0 ? "true" : "false",
		      (unsigned long long)state->checkpoint, (unsigned long long)state->checkpoints,
		      (unsigned long long)state->hours);
	const char *at = findings->lines.data;
	for (size_t left = findings->lines.len; left > 0;) {
		const char *end = memchr(at, '\n', left);
		size_t len = (size_t)(end - at);
		mr_buf_add_text(out, at == findings->lines.data ? "" : ", ");
		mr_json_put_string(out, (struct mr_slice){at, len});
		at = end + 1;
		left -= len + 1;
	}
	mr_buf_add_text(out, "]}\n");
}

static void put_text(struct mr_buf *out, const struct mr_findings *findings,
		     const struct mr_ledger_state *state)
{
	mr_buf_add(out, findings->lines.data, findings->lines.len);
	if (findings->count > MR_FINDINGS_MAX)
		mr_buf_printf(out, "and %llu more\n",
			      (unsigned long long)(findings->count - MR_FINDINGS_MAX));
	mr_buf_printf(out,
		      "%s: checkpoint %llu, %llu checkpoints and %llu hours read, %llu faults\n",
		      findings->count == 0 ? "the books balance" : "the books do not balance",
		      (unsigned long long)state->checkpoint, (unsigned long long)state->checkpoints,
		      (unsigned long long)state->hours, (unsigned long long)findings->count);
}

/* A manifest whole in memory; false where it is none. */
static bool read_manifest(const char *state, uint64_t number, struct mr_manifest *out)
{
	char name[MR_MANIFEST_NAME];
	struct mr_buf bytes = {0};
	mr_manifest_path(number, name);
	char *path = mr_asprintf("%s/%s", state, name);
	FILE *file = fopen(path, "re");
	size_t got = 1;
	while (file != NULL && got > 0 && bytes.len <= MR_MANIFEST_MAX) {
		got = fread(mr_buf_reserve(&bytes, 65536), 1, 65536, file);
		bytes.len += got;
	}
	bool whole = file != NULL && mr_manifest_decode((struct mr_slice){bytes.data, bytes.len},
							out, NULL) == MR_OK;
	if (file != NULL)
		fclose(file);
	free(path);
	mr_buf_fini(&bytes);
	return whole;
}

struct highest {
	uint64_t below;
	uint64_t number; /* 0: there is none */
};

static bool take_manifest(void *context, int folder, const char *name)
{
	struct highest *highest = context;
	const size_t prefix = sizeof MR_MANIFEST_PREFIX - 1;
	char *end;
	(void)folder;
	if (strncmp(name, MR_MANIFEST_PREFIX, prefix) != 0)
		return true;
	uint64_t number = strtoull(name + prefix, &end, 10);
	if (*end == 0 && number > highest->number && number < highest->below)
		highest->number = number;
	return true;
}

/* What the newest whole manifest says; nothing is known where they cannot be listed. */
static struct mr_ledger_expected expect(const char *state, struct mr_findings *findings)
{
	struct mr_ledger_expected expected = {.known = false};
	struct mr_manifest manifest;
	for (uint64_t below = UINT64_MAX;;) {
		struct highest highest = {.below = below};
		if (!mr_folder_list_path(state, take_manifest, &highest)) {
			mr_find(findings, "%s: its manifests cannot be listed: %s", state,
				strerror(errno));
			return expected;
		}
		if (highest.number == 0)
			break;
		below = highest.number;
		if (!read_manifest(state, below, &manifest)) {
			mr_find(findings, "the manifest of checkpoint %llu is not whole",
				(unsigned long long)below);
			continue;
		}
		expected.known = true;
		expected.number = manifest.number;
		memcpy(expected.head, manifest.ledger_head, sizeof expected.head);
		mr_manifest_fini(&manifest);
		return expected;
	}
	expected.known = true; /* before the first checkpoint */
	return expected;
}

static int check(const struct wish *wish, const char *path)
{
	struct mr_findings findings = {0};
	struct mr_ledger_state state;
	struct mr_error error = {0};
	struct mr_buf out = {0};
	const struct mr_ledger_expected expected = expect(wish->state, &findings);
	int status = 1;
	if (mr_ledger_check(path, &expected, &findings, &state, &error) != MR_OK) {
		status = failed(&error);
	} else {
		(wish->json ? put_json : put_text)(&out, &findings, &state);
		status = print(&out) != 0 || findings.count > 0;
	}
	mr_findings_fini(&findings);
	mr_buf_fini(&out);
	return status;
}

static int ledger_main(int argc, char **argv)
{
	struct wish wish = {0};
	int status = parse(argc, argv, &wish);
	if (status >= 0)
		return status;
	char *path = mr_asprintf("%s/ledger.sqlite", wish.state);
	status = (wish.check ? check : report)(&wish, path);
	free(path);
	return status;
}

const struct mr_command mr_command_ledger = {
    .name = "ledger",
    .summary = "the books of a service: what came in, what became of it, whether it balances",
    .main = ledger_main,
    .commands = ledger_commands,
};
