/* cmd_scan.c - `millrace scan`: the pipeline over files, once. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "millrace/own_file.h"
#include "run_plan.h"
#include "spawn.h"
#include "summary.h"
#include "target.h"

static const char help_head[] =
    "usage: millrace scan [OPTIONS] FILE|DIR|-...\n"
    "\n"
    "Runs the whole pipeline over audit records once and writes alerts as OCSF NDJSON. Input is "
    "told by\n"
    "its content: NDJSON, JSON arrays and envelopes, Purview CSV exports, plain, gzip or zstd.\n"
    "\n";
static const char help_tail[] =
    "\n"
    "Exit status: 0 done, 1 the work failed, 2 the options or the files they name are wrong.\n";

enum { TARGET_OUTPUT, TARGET_DEAD_LETTER, TARGET_SUMMARY, TARGETS };

struct scan {
	const char *summary;
	const char *output;
	const char *dead_letter;
	const char *progress;
	bool keeps_nothing;
	uint32_t workers; /* that parse, and that correlate */
	struct mr_target targets[TARGETS];
};

/* ---- options ---- */

enum { SUMMARY, DEAD_LETTER, OUTPUT, PROGRESS, NO_CACHE, HELP, SETTINGS };

static const struct mr_option scan_options[] = {
    [SUMMARY] = {"summary", 0, "FILE", "write counts and cost as one JSON object"},
    [DEAD_LETTER] = {"dead-letter", 0, "FILE",
		     "write records that could not be parsed, with the reason"},
    [OUTPUT] = {"output", 'o', "FILE", "write alerts there, not to standard output (-)"},
    [PROGRESS] = {"progress", 0, "auto|always|never", "auto: on a terminal"},
    [NO_CACHE] =
	{"no-cache", 0, NULL,
	 "keep no table of large GeoIP databases below ~/.cache/millrace for the next scan, "
	 "and take none from there"},
    [HELP] = MR_OPTION_HELP,
    [SETTINGS] = {"rules", 'r', NULL, NULL},
    MR_OPTION_SETTING("geoip"),
    MR_OPTION_SETTING("identity"),
    MR_OPTION_SETTING("networks"),
    MR_OPTION_SETTING("placeholders"),
    MR_OPTION_SETTING("logsource"),
    MR_OPTION_SETTING("tenant"),
    MR_OPTION_SETTING("strict"),
    MR_OPTION_SETTING("region-bytes"),
    MR_OPTION_SETTING("max-record-bytes"),
    MR_OPTION_SETTING("state-bytes"),
    MR_OPTION_SETTING("log-level"),
    MR_OPTION_SETTING("workers"),
    MR_OPTION_SETTING("cut"),
    {0},
};

/* Standard output is the alerts' alone: other lines among them would be taken for alerts. */
static int take_file(const char **path, const char *option)
{
	if (strcmp(optarg, "-") == 0) {
		fprintf(stderr,
			"millrace scan: %s: standard output is for alerts; name a file, not -\n",
			option);
		return 2;
	}
	*path = optarg;
	return -1;
}

/* Returns -1 to go on, else the exit status. */
static int take_option(struct scan *scan, struct mr_config *config, int option)
{
	switch (option) {
	case OUTPUT:
		scan->output = strcmp(optarg, "-") == 0 ? NULL : optarg;
		return -1;
	case SUMMARY:
		return take_file(&scan->summary, "--summary");
	case PROGRESS:
		scan->progress = optarg;
		return -1;
	case DEAD_LETTER:
		return take_file(&scan->dead_letter, "--dead-letter");
	case NO_CACHE:
		scan->keeps_nothing = true;
		return -1;
	case HELP:
		return mr_help(help_head, scan_options, help_tail);
	case MR_OPTIONS_WRONG:
		fputs("millrace scan --help says which options there are\n", stderr);
		return 2;
	default:
		mr_option_add(config, &scan_options[option], optarg);
		return -1;
	}
}

static int parse_options(struct scan *scan, struct mr_config *config, int argc, char **argv)
{
	int option;
	while ((option = mr_option_next(scan_options, argc, argv)) != MR_OPTIONS_END) {
		int status = take_option(scan, config, option);
		if (status >= 0)
			return status;
	}
	for (int i = optind; i < argc; i++)
		mr_config_add(config, "input", argv[i]);
	if (optind < argc)
		return -1;
	fputs("millrace scan: nothing to read: name files, directories, or - for standard input\n",
	      stderr);
	return 2;
}

/* ---- what is written ---- */

/* A result that is written over an input, or over another result, would eat it. */
static enum mr_err check_clash(const struct scan *scan, size_t number,
			       const struct mr_config *config, struct mr_error *error)
{
	const struct mr_target *target = &scan->targets[number];
	const char *option = mr_target_option(target);
	for (size_t i = 0; i < number; i++) {
		if (mr_target_is(&scan->targets[i], target->device, target->inode))
			return mr_error_set(error, MR_CONFIG,
					    "%s %s: another option writes that file too", option,
					    target->name);
	}
	size_t at = 0;
	const char *input;
	while ((input = mr_config_next(config, "input", &at)) != NULL) {
		struct stat about;
		int failed =
		    strcmp(input, "-") == 0 ? fstat(STDIN_FILENO, &about) : stat(input, &about);
		if (failed == 0 && mr_target_is(target, about.st_dev, about.st_ino))
			return mr_error_set(error, MR_CONFIG,
					    "%s %s: it is an input; name another file", option,
					    target->name);
	}
	return MR_OK;
}

/* Whoever prepares looks for them among what it reads. */
static void add_own_file(const struct mr_target *target, struct mr_config *config)
{
	if (!target->regular)
		return;
	char *name = mr_asprintf("%s %s", mr_target_option(target), target->name);
	mr_own_files_add(config, target->device, target->inode, name);
	free(name);
}

/* A run that dies can say no more: a new summary says from the start that it is not complete. */
static enum mr_err begin_summary(struct scan *scan, const struct mr_supervisor *supervisor,
				 struct mr_error *error)
{
	if (scan->summary == NULL)
		return MR_OK;
	struct mr_buf text = {0};
	mr_summary_write(supervisor, false, &text);
	enum mr_err err = mr_target_begin(&scan->targets[TARGET_SUMMARY],
					  (struct mr_slice){text.data, text.len}, error);
	mr_buf_fini(&text);
	return err;
}

/* Opened before any work, so that a wrong path is known, and emptied only when all else is right.
 */
static enum mr_err open_targets(struct scan *scan, struct mr_supervisor *supervisor,
				struct mr_error *error)
{
	struct mr_config *config = &supervisor->setup.config;
	const char *const paths[TARGETS] = {scan->output, scan->dead_letter, scan->summary};
	static const char *const options[TARGETS] = {"-o", "--dead-letter", "--summary"};
	for (size_t i = 0; i < TARGETS; i++) {
		if (paths[i] == NULL && i != TARGET_OUTPUT)
			continue;
		enum mr_err err = mr_target_open(
		    &scan->targets[i], paths[i] != NULL ? options[i] : NULL, paths[i], error);
		if (err == MR_OK)
			err = check_clash(scan, i, config, error);
		if (err == MR_OK)
			err = mr_target_lock(&scan->targets[i], error);
		if (err != MR_OK)
			return err;
		add_own_file(&scan->targets[i], config);
	}
	return begin_summary(scan, supervisor, error);
}

/* Deliver gets a descriptor of its own of each. */
static enum mr_err hand_over(const struct mr_target *target, const char *setting, const char *table,
			     struct mr_supervisor *supervisor, struct mr_error *error)
{
	if (target->name == NULL)
		return MR_OK;
	int fd = fcntl(target->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return mr_error_errno(error, MR_NO_SPACE, "%s: no further descriptor of it",
				      target->name);
	mr_tables_add(supervisor->tables, table, fd, 0);
	mr_config_add(&supervisor->setup.config, setting, target->name);
	return MR_OK;
}

static enum mr_err empty_targets(struct scan *scan, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (size_t i = 0; i < TARGETS && err == MR_OK; i++) {
		if (scan->targets[i].name != NULL && i != TARGET_SUMMARY)
			err = mr_target_empty(&scan->targets[i], error);
	}
	return err;
}

/* Whoever wrote them may have been killed within a line. */
static void cut_targets(struct scan *scan)
{
	for (size_t i = 0; i < TARGETS; i++) {
		struct mr_target *target = &scan->targets[i];
		if (target->name != NULL && i != TARGET_SUMMARY && !mr_target_cut(target))
			mr_log(MR_LOG_ERROR, "%s: its last line may be torn", target->name);
	}
}

static void close_targets(struct scan *scan)
{
	for (size_t i = 0; i < TARGETS; i++)
		mr_target_close(&scan->targets[i]);
}

static enum mr_err choose_progress(const struct scan *scan, struct mr_supervisor *supervisor,
				   struct mr_error *error)
{
	struct mr_progress *progress = &supervisor->progress;
	if (scan->progress == NULL || strcmp(scan->progress, "auto") == 0)
		return MR_OK;
	bool always = strcmp(scan->progress, "always") == 0;
	if (!always && strcmp(scan->progress, "never") != 0)
		return mr_error_set(error, MR_CONFIG,
				    "--progress: \"%s\" is not auto, always or never",
				    scan->progress);
	progress->terminal &= always;
	mr_progress_want(progress, always);
	return MR_OK;
}

static enum mr_err choose_log_level(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_config *config = &supervisor->setup.config;
	if (mr_progress_level(&supervisor->progress, config))
		return MR_OK;
	return mr_error_set(error, MR_CONFIG,
			    "--log-level: \"%s\" is not debug, info, alert, warning or error",
			    mr_config_get(config, "log_level", 0));
}

/* Where programs of this user keep what can be made again (XDG Base Directory Specification). */
static void choose_cache(const struct scan *scan, struct mr_config *config)
{
	const char *base = getenv("XDG_CACHE_HOME");
	const char *below = "";
	if (base == NULL || *base != '/') {
		base = getenv("HOME");
		below = "/.cache";
	}
	uint64_t program;
	struct mr_error unknown;
	if (scan->keeps_nothing || base == NULL || *base != '/' ||
	    mr_spawn_program_hash(&program, &unknown) != MR_OK)
		return;
	int len = (int)strlen(base);
	while (len > 1 && base[len - 1] == '/')
		len--;
	char *folder = mr_asprintf("%.*s%s/millrace", len, base, below);
	char *hash = mr_asprintf("%016llx", (unsigned long long)program);
	mr_config_add(config, "cache", folder);
	mr_config_add(config, "program", hash);
	free(hash);
	free(folder);
}

/* ---- the run ---- */

/* Also of a run that failed, where it had begun: its outputs are new, and so are its counts. */
static enum mr_err write_summary(struct scan *scan, const struct mr_supervisor *supervisor,
				 enum mr_err end, struct mr_error *error)
{
	if (scan->summary == NULL || supervisor->worker_count == 0)
		return end;
	struct mr_buf text = {0};
	struct mr_error own = {0};
	mr_summary_write(supervisor, end == MR_OK, &text);
	enum mr_err err = mr_target_replace(&scan->targets[TARGET_SUMMARY],
					    (struct mr_slice){text.data, text.len}, &own);
	mr_buf_fini(&text);
	if (end == MR_OK)
		*error = own;
	else if (err != MR_OK)
		mr_log(MR_LOG_ERROR, "%s", own.text);
	return end == MR_OK ? err : end;
}

static void tell_losses(const struct mr_counters *sums, struct mr_buf *out)
{
	static const struct {
		enum mr_counter counter;
		const char *one;
		const char *many;
	} losses[] = {
	    {MR_C_INPUTS_DAMAGED, "input could not be read whole",
	     "inputs could not be read whole"},
	    {MR_C_REGIONS_REJECTED, "region of a file changed before it was read",
	     "regions of files changed before they were read"},
	    {MR_C_EVENTS_TOO_LARGE, "event was too large", "events were too large"},
	    {MR_C_SIGNALS_TOO_LARGE, "signal was too large", "signals were too large"},
	    {MR_C_INNER_SIGNALS_TOO_LARGE, "occurrence was too large",
	     "occurrences were too large"},
	    {MR_C_ALERTS_TOO_LARGE, "alert was too large", "alerts were too large"},
	    {MR_C_EVIDENCE_TOO_LARGE, "record was too large to be shown",
	     "records were too large to be shown"},
	};
	for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
		uint64_t count = sums->at[losses[i].counter];
		if (count > 0)
			mr_buf_printf(out, "%llu %s; ", (unsigned long long)count,
				      count == 1 ? losses[i].one : losses[i].many);
	}
}

static bool none_parsed(const struct mr_counters *sums)
{
	return sums->at[MR_C_REJECTED] > 0 && sums->at[MR_C_REJECTED] == sums->at[MR_C_RECORDS];
}

/* The work is done, but not on all that there was: nobody shall take it for the whole. */
static enum mr_err check_losses(const struct mr_counters *sums, struct mr_error *error)
{
	struct mr_buf text = {0};
	tell_losses(sums, &text);
	enum mr_err err = MR_OK;
	if (none_parsed(sums))
		err = mr_error_set(error, MR_BAD_INPUT,
				   "%.*snone of %llu records could be parsed, nothing was judged: "
				   "is this the right input?",
				   (int)text.len, text.data,
				   (unsigned long long)sums->at[MR_C_RECORDS]);
	else if (text.len > 0)
		err = mr_error_set(error, MR_BAD_INPUT, "%.*sall else was judged", (int)text.len,
				   text.data);
	mr_buf_fini(&text);
	return err;
}

/* No fault, but whoever scans the wrong files would take silence for peace. */
static void tell_unseen(size_t inputs, const struct mr_counters *sums)
{
	unsigned long long records = sums->at[MR_C_RECORDS];
	unsigned long long unknown = sums->at[MR_C_UNKNOWN_KIND];
	unsigned long long rejected = sums->at[MR_C_REJECTED];
	if (records == 0)
		mr_log(MR_LOG_WARNING, "no record was read from %zu input%s", inputs,
		       inputs == 1 ? "" : "s");
	if (unknown > 0)
		mr_log(MR_LOG_WARNING,
		       "%llu of %llu records are of no known kind: rules for a product see nothing "
		       "in them, unless --logsource says what they are",
		       unknown, records);
	if (!none_parsed(sums) && rejected > 0 && rejected >= records - rejected)
		mr_log(MR_LOG_WARNING,
		       "%llu of %llu records could not be parsed, half of them or more: is this "
		       "the right input?",
		       rejected, records);
}

/* Of interest to whoever watched. */
static void tell_done(const struct scan *scan, const struct mr_supervisor *supervisor)
{
	const struct mr_counters *sums = &supervisor->sums;
	mr_log(MR_LOG_INFO, "%llu records, %llu rejected, %llu alerts in %s, %.1f seconds",
	       (unsigned long long)sums->at[MR_C_RECORDS],
	       (unsigned long long)sums->at[MR_C_REJECTED],
	       (unsigned long long)sums->at[MR_C_ALERTS], scan->targets[TARGET_OUTPUT].name,
	       supervisor->wall_seconds);
}

/* Where the input's size is known, so is the time left. */
static void know_total(struct mr_supervisor *supervisor)
{
	struct mr_slice text;
	int64_t total;
	if (mr_tables_map(supervisor->tables, "collect.total", &text, NULL) == MR_OK &&
	    mr_parse_int64(text, &total))
		supervisor->progress.total_bytes = (uint64_t)total;
}

static enum mr_err run_pipeline(struct scan *scan, struct mr_supervisor *supervisor,
				struct mr_error *error)
{
	enum mr_err err = mr_supervisor_prepare(supervisor, error);
	if (err == MR_OK)
		err = mr_plan_topology(&supervisor->setup.config, scan->workers,
				       supervisor->catalog.layers, &supervisor->setup.topology,
				       error);
	if (err == MR_OK)
		err = empty_targets(scan, error);
	if (err != MR_OK)
		return err;
	know_total(supervisor);
	err = mr_supervisor_run(supervisor, error);
	if (err != MR_OK)
		cut_targets(scan);
	return err;
}

static enum mr_err run(struct scan *scan, struct mr_supervisor *supervisor, struct mr_error *error)
{
	enum mr_err err = choose_progress(scan, supervisor, error);
	if (err == MR_OK)
		err = choose_log_level(supervisor, error);
	if (err == MR_OK)
		choose_cache(scan, &supervisor->setup.config);
	if (err == MR_OK)
		err = mr_plan_workers(&supervisor->setup.config, &scan->workers, error);
	if (err == MR_OK)
		err = mr_plan_rules(&supervisor->setup.config, error);
	if (err == MR_OK)
		err = open_targets(scan, supervisor, error);
	if (err == MR_OK)
		err = hand_over(&scan->targets[TARGET_OUTPUT], "output", "deliver.output",
				supervisor, error);
	if (err == MR_OK)
		err = hand_over(&scan->targets[TARGET_DEAD_LETTER], "dead_letter",
				"deliver.dead_letter", supervisor, error);
	if (err == MR_OK)
		err = run_pipeline(scan, supervisor, error);
	if (err == MR_OK) {
		tell_unseen(mr_config_count(&supervisor->setup.config, "input"), &supervisor->sums);
		tell_done(scan, supervisor);
		err = check_losses(&supervisor->sums, error);
	}
	err = write_summary(scan, supervisor, err, error);
	close_targets(scan);
	return err;
}

static int scan_main(int argc, char **argv)
{
	struct scan scan = {0};
	struct mr_supervisor supervisor;
	struct mr_error error = {0};
	if (mr_supervisor_memory(&error) != MR_OK) {
		mr_log(MR_LOG_ERROR, "millrace: error: %s", error.text);
		return 1;
	}
	mr_supervisor_init(&supervisor);
	supervisor.setup.finite = true;
	int status = parse_options(&scan, &supervisor.setup.config, argc, argv);
	if (status < 0) {
		mr_progress_hear(&supervisor.progress);
		enum mr_err err = run(&scan, &supervisor, &error);
		if (err != MR_OK)
			mr_log(MR_LOG_ERROR, "%s", error.text);
		mr_log_set_sink(NULL, NULL);
		status = mr_supervisor_exit_status(&supervisor, err);
	}
	mr_supervisor_fini(&supervisor);
	return status;
}

const struct mr_command mr_command_scan = {
    .name = "scan",
    .summary = "the pipeline over files, once; alerts as NDJSON on standard output",
    .main = scan_main,
    .options = scan_options,
};
