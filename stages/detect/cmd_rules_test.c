/* cmd_rules_test.c - `millrace rules test`: what tests say of rules, by the stages of scan.
 *
 * Records go through parse, enrich, detect and correlate in this process (millrace/trial.h). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd_rules_test.h"

static const char test_usage[] =
    "usage: millrace rules test [OPTIONS] FILE|DIR...\n"
    "\n"
    "Runs the tests that stand in rules' files or beside them (NAME.test.yml beside NAME.yml):\n"
    "records in, matches or alerts out, by the stages that scan runs. README says how a test is\n"
    "written.\n"
    "\n";
static const char test_status[] =
    "\n"
    "Exit status: 0 all tests passed, 1 one did not or a rule was refused, 2 a path can't be\n"
    "read, or no test is there.\n";

enum { ALL, JSON, JUNIT };
static const struct mr_option test_options[] = {
    [ALL] = {"all", 'a', NULL, "name those that passed, too"},
    [JSON] = {"json", 0, NULL, "as one JSON object"},
    [JUNIT] = {"junit", 0, "FILE", "write the outcome there as JUnit's XML, besides"},
    RULES_DATABASES,
    MR_OPTION_HELP,
    {0},
};

struct wish {
	bool all, json;
	const char *junit;
	struct mr_config config;
	struct mr_buf refusals;
	const char **paths; /* those named, and what stands beside them */
	size_t path_count;
};

static void add_path(struct wish *wish, const char *path)
{
	wish->paths = mr_realloc(wish->paths, (wish->path_count + 1) * sizeof *wish->paths);
	wish->paths[wish->path_count++] = mr_strdup(path);
	mr_config_add(&wish->config, "rules", path);
}

/* Beside a file NAME.yml its tests NAME.test.yml, beside tests the rule. */
static void add_beside(struct wish *wish, const char *path)
{
	static const char *const endings[] = {".yml", ".yaml"};
	struct stat about;
	struct mr_slice base = mr_slice(path);
	bool tests = false;
	if (stat(path, &about) != 0 || !S_ISREG(about.st_mode))
		return;
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(endings[i]);
		if (base.len > len && strcmp(path + base.len - len, endings[i]) == 0)
			base.len -= len;
	}
	if (base.len > 5 && memcmp(base.at + base.len - 5, ".test", 5) == 0) {
		tests = true;
		base.len -= 5;
	}
	for (size_t i = 0; i < 2; i++) {
		char *other = mr_asprintf("%.*s%s%s", (int)base.len, base.at, tests ? "" : ".test",
					  endings[i]);
		if (access(other, F_OK) == 0)
			add_path(wish, other);
		free(other);
	}
}

/* What is refused is in the report, where there is one. */
static enum mr_err prepare(struct wish *wish, struct rules_testing *testing, struct mr_error *error)
{
	enum mr_err err = rule_suites_read(wish->paths, wish->path_count, &testing->suites, error);
	if (err == MR_OK &&
	    testing->suites.count + testing->suites.faults.count + testing->suites.unread == 0)
		return mr_error_set(error, MR_CONFIG, "%s: no test is there", wish->paths[0]);
	rules_hush(&wish->refusals);
	return err == MR_OK ? rules_testing_open(testing, &wish->config, error) : err;
}

static bool write_junit(const struct wish *wish, const struct rule_outcomes *outcomes)
{
	struct mr_buf out = {0};
	struct mr_error error = {0};
	FILE *file = fopen(wish->junit, "we");
	rule_report_junit(outcomes, &out);
	bool written = file != NULL && fwrite(out.data, 1, out.len, file) == out.len;
	written &= file != NULL && fclose(file) == 0;
	mr_buf_fini(&out);
	if (written)
		return true;
	mr_error_errno(&error, MR_IO, "%s: cannot be written", wish->junit);
	mr_log(MR_LOG_ERROR, "millrace rules test: %s", error.text);
	return false;
}

static int report(const struct wish *wish, const struct rule_outcomes *outcomes)
{
	struct mr_buf out = {0};
	if (wish->json)
		rule_report_json(outcomes, &out);
	else
		rule_report_text(outcomes, wish->all, &out);
	bool written = rules_write(&out);
	mr_buf_fini(&out);
	if (wish->junit != NULL)
		written &= write_junit(wish, outcomes);
	return written ? rule_outcomes_status(outcomes) : 1;
}

static int test(struct wish *wish)
{
	struct rules_testing testing = {0};
	struct mr_error error = {0};
	enum mr_err err = prepare(wish, &testing, &error);
	if (err == MR_OK)
		err = rules_testing_run(&testing, &error);
	int status = 2;
	if (err == MR_OK)
		status = report(wish, &testing.outcomes);
	else
		rules_failed("test", &wish->refusals, &error);
	rules_testing_fini(&testing);
	return status;
}

static int take_options(struct wish *wish, int argc, char **argv)
{
	int option;
	while ((option = mr_option_next(test_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == MR_OPTIONS_WRONG)
			return rules_misused("test");
		if (strcmp(test_options[option].name, "help") == 0)
			return mr_help(test_usage, test_options, test_status);
		wish->all |= option == ALL;
		wish->json |= option == JSON;
		if (option == JUNIT)
			wish->junit = optarg;
		else if (option > JUNIT)
			mr_option_add(&wish->config, &test_options[option], optarg);
	}
	if (optind >= argc)
		return rules_misused("test");
	for (int i = optind; i < argc; i++) {
		add_path(wish, argv[i]);
		add_beside(wish, argv[i]);
	}
	return -1;
}

static int test_main(int argc, char **argv)
{
	struct wish wish = {0};
	int status = take_options(&wish, argc, argv);
	if (status < 0)
		status = test(&wish);
	for (size_t i = 0; i < wish.path_count; i++)
		free((char *)(uintptr_t)wish.paths[i]);
	free(wish.paths);
	mr_buf_fini(&wish.refusals);
	mr_config_fini(&wish.config);
	return status;
}

const struct mr_command rules_command_test = {
    .name = "test",
    .summary = "run the tests of rules",
    .main = test_main,
    .options = test_options,
};
