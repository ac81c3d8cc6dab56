/* numbers.h - a service of four stages that adds up numbers, for tests that disturb it.
 *
 * The program is its own worker, its own service, and prepares its own reloads: each is this
 * program again. A source gives the numbers from 0 on, readers make a signal of each, keyed
 * counters add them up by key group. What the last checkpoint holds must be the sum of all numbers,
 * whatever was done meanwhile. The source registers a file, too, as those do that read some. The
 * rules are one number, the edition, which signals bear: the numbers of each edition must be the
 * next ones behind those of the edition before. */
#ifndef MILLRACE_TEST_NUMBERS_H
#define MILLRACE_TEST_NUMBERS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger_check.h"
#include "ledger_report.h"
#include "service.h"
#include "spawn.h"
#include "supervisor.h"
#include "worker.h"

#ifndef NUMBERS
#define NUMBERS 20000
#endif
#define AT_ONCE                                                                                    \
	100 /* of one poll; then the source waits a little, so that there is time to kill          \
	     */
#define INTERVAL_US 30000
#define STOP "MILLRACE_TEST_STOP"   /* where one is to stop at its end (test_service.c) */
#define HASTY "MILLRACE_TEST_HASTY" /* where nobody is waited for for long */
#define SOURCE 7
#define EDITIONS 64
#define EDITION_TABLE "edition"
#define EDITION_GATED 10 /* the source gives half of the numbers, and no more */
#define EDITION_SLOW 20  /* from this one on it takes its time: there is some for reloads, too */
#define SLOW_PER_MS 10

/* ---- the stages ---- */

static enum mr_err read_edition(const struct mr_stage_env *env, uint32_t *out,
				struct mr_error *error)
{
	struct mr_slice bytes;
	int64_t edition;
	enum mr_err err = mr_tables_map(env->tables, EDITION_TABLE, &bytes, error);
	if (err != MR_OK)
		return err;
	if (!mr_parse_int64(bytes, &edition) || edition < 0 || edition >= EDITIONS)
		return mr_error_set(error, MR_CONFIG, "no edition");
	*out = (uint32_t)edition;
	return MR_OK;
}

struct source {
	const struct mr_stage_env *env;
	uint64_t next;
	uint64_t begun; /* where this worker began, and when */
	int64_t begun_us;
	uint32_t edition;
	bool registered;
};

static enum mr_err open_source(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct source *source = state;
	enum mr_err err = read_edition(env, &source->edition, error);
	if (err != MR_OK)
		return err;
	source->env = env;
	source->begun = UINT64_MAX;
	mr_marks_state(env->marks, 7, MR_SOURCE_ACTIVE);
	return MR_OK;
}

static uint64_t most_now(struct source *source)
{
	int64_t now_us = source->env->now->wall_us;
	if (source->begun == UINT64_MAX) {
		source->begun = source->next;
		source->begun_us = now_us;
	}
	if (source->edition == EDITION_GATED)
		return NUMBERS / 2;
	if (source->edition < EDITION_SLOW)
		return NUMBERS;
	uint64_t most = source->begun + (uint64_t)(now_us - source->begun_us) * SLOW_PER_MS / 1000;
	return most < NUMBERS ? most : NUMBERS;
}

static enum mr_err register_file(struct source *source, struct mr_error *error)
{
	uint32_t number;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	enum mr_err err = mr_files_add(source->env->files, fd, MR_SLICE("numbers"), &number, error);
	close(fd);
	source->registered = err == MR_OK;
	return err;
}

static enum mr_err poll_source(void *state, struct mr_writer *out, struct mr_error *error)
{
	struct source *source = state;
	uint64_t most = most_now(source);
	if (!source->registered && register_file(source, error) != MR_OK)
		return error->code;
	for (int i = 0; i < AT_ONCE && source->next < most; i++) {
		char text[24];
		if (!mr_writer_ready(out))
			return MR_FULL;
		int len = snprintf(text, sizeof text, "%llu", (unsigned long long)source->next++);
		mr_writer_record(
		    out, &(struct mr_record){.bytes = {text, (size_t)len},
					     .origin = {.source = 7, .position = source->next}});
		mr_count(source->env->counters, MR_C_BYTES_COLLECTED, (uint64_t)len);
	}
	return source->next < NUMBERS ? MR_AGAIN : MR_END;
}

static enum mr_err save_source(void *state, struct mr_buf *out, struct mr_error *error)
{
	(void)error;
	const struct source *source = state;
	char bytes[24];
	int len = snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)source->next);
	mr_snapshot_named(out, MR_SLICE("numbers"), (struct mr_slice){bytes, (size_t)len});
	return MR_OK;
}

static enum mr_err load_source(void *state, struct mr_slice name, struct mr_slice bytes,
			       struct mr_error *error)
{
	int64_t next;
	if (!mr_slice_eq(name, MR_SLICE("numbers")) || !mr_parse_int64(bytes, &next))
		return mr_error_set(error, MR_BAD_INPUT, "no numbers");
	((struct source *)state)->next = (uint64_t)next;
	return MR_OK;
}

struct reader {
	const struct mr_stage_env *env;
	uint32_t edition;
};

static enum mr_err open_reader(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct reader *reader = state;
	reader->env = env;
	return read_edition(env, &reader->edition, error);
}

static enum mr_err read_numbers(void *state, struct mr_reader *in, struct mr_writer *out,
				struct mr_error *error)
{
	const struct reader *reader = state;
	const struct mr_stage_env *env = reader->env;
	struct mr_record record;
	for (; mr_reader_record(in, &record); mr_reader_advance(in)) {
		int64_t number;
		if (!mr_writer_ready(out))
			return MR_FULL;
		if (!mr_parse_int64(record.bytes, &number))
			return mr_error_set(error, MR_PROTOCOL, "no number");
		mr_marks_event(env->marks, record.origin.source, number, number);
		mr_writer_signal(out, &(struct mr_signal){.key_group = (uint8_t)number,
							  .rule = reader->edition,
							  .has_time = true,
							  .time_us = number,
							  .record_id = record.bytes});
		mr_count(env->counters, MR_C_RECORDS, 1);
		mr_count(env->counters, MR_C_PARSED, 1);
		mr_count(env->counters, MR_C_SIGNALS, 1);
		mr_count_of(env->counters, SOURCE, MR_B_RECORDS, 1);
		mr_count_of(env->counters, SOURCE, MR_B_PARSED, 1);
		mr_count_of(env->counters, SOURCE, MR_B_SIGNALS, 1);
	}
	return MR_OK;
}

struct counts {
	const struct mr_stage_env *env;
	int64_t watermark_us;
	struct sums {
		uint64_t count[EDITIONS];
		uint64_t sum[EDITIONS];
	} of[MR_KEY_GROUPS];
};

static enum mr_err open_counts(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct counts *counts = state;
	(void)error;
	counts->env = env;
	counts->watermark_us = env->marks->has_watermark ? env->marks->watermark_us : MR_NO_TIME;
	return MR_OK;
}

static enum mr_err count_signals(void *state, struct mr_reader *in, struct mr_writer *out,
				 struct mr_error *error)
{
	struct counts *counts = state;
	struct mr_signal signal;
	(void)out, (void)error;
	for (; mr_reader_signal(in, &signal); mr_reader_advance(in)) {
		counts->of[signal.key_group].count[signal.rule % EDITIONS]++;
		counts->of[signal.key_group].sum[signal.rule % EDITIONS] +=
		    (uint64_t)signal.time_us;
		mr_count(counts->env->counters, MR_C_SIGNALS_RECEIVED, 1);
		mr_count_of(counts->env->counters, SOURCE, MR_B_SIGNALS_RECEIVED, 1);
	}
	return MR_OK;
}

static enum mr_err count_barrier(void *state, int64_t watermark_us, struct mr_writer *out,
				 struct mr_error *error)
{
	struct counts *counts = state;
	(void)out;
	if (watermark_us < counts->watermark_us)
		return mr_error_set(error, MR_PROTOCOL, "the watermark goes back");
	counts->watermark_us = watermark_us;
	*counts->env->held = UINT64_C(1) << 30; /* so that a child writes it */
	return MR_OK;
}

static void save_counts(void *state, uint8_t group, struct mr_buf *out)
{
	const struct counts *counts = state;
	for (uint32_t i = 0; i < EDITIONS; i++) {
		mr_pack_uint(out, counts->of[group].count[i]);
		mr_pack_uint(out, counts->of[group].sum[i]);
	}
}

/* Adds to what is there. */
static bool unpack_counts(struct mr_slice bytes, struct sums *out)
{
	struct mr_unpack in = mr_unpack(bytes);
	for (uint32_t i = 0; i < EDITIONS; i++) {
		out->count[i] += mr_unpack_uint(&in, UINT64_MAX);
		out->sum[i] += mr_unpack_uint(&in, UINT64_MAX);
	}
	return mr_unpack_done(&in);
}

static enum mr_err load_counts(void *state, uint8_t group, struct mr_slice bytes,
			       struct mr_error *error)
{
	struct counts *counts = state;
	if (!unpack_counts(bytes, &counts->of[group]))
		return mr_error_set(error, MR_BAD_INPUT, "no counts");
	return MR_OK;
}

static const struct mr_stage_ops source_ops = {.name = "source",
					       .state_size = sizeof(struct source),
					       .reads = MR_CONTENT_NONE,
					       .open = open_source,
					       .poll = poll_source,
					       .snapshot_named = save_source,
					       .restore_named = load_source};
static const struct mr_stage_ops reader_ops = {.name = "reader",
					       .state_size = sizeof(struct reader),
					       .reads = MR_CONTENT_RECORDS,
					       .open = open_reader,
					       .process = read_numbers};
static const struct mr_stage_ops counts_ops = {.name = "counts",
					       .state_size = sizeof(struct counts),
					       .reads = MR_CONTENT_SIGNALS,
					       .open = open_counts,
					       .process = count_signals,
					       .barrier = count_barrier,
					       .snapshot = save_counts,
					       .restore = load_counts};
/* Topologies want one for rejected records; none comes. */
static const struct mr_stage_ops sink_ops = {.name = "sink", .reads = MR_CONTENT_ALERTS};
const struct mr_stage_ops *const mr_stages[] = {&source_ops, &reader_ops, &counts_ops, &sink_ops,
						NULL};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++) {
		if (strcmp((*stage)->name, name) == 0)
			return *stage;
	}
	return NULL;
}

/* ---- the service ---- */

static void make_topology(struct mr_topology *topology, uint32_t workers)
{
	static const struct mr_edge edges[] = {{0, 1, MR_LINK_SPREAD, MR_CONTENT_RECORDS, 0},
					       {1, 2, MR_LINK_KEYED, MR_CONTENT_SIGNALS, 0},
					       {0, 3, MR_LINK_SPREAD, MR_CONTENT_REJECTS, 0},
					       {1, 3, MR_LINK_SPREAD, MR_CONTENT_REJECTS, 0}};
	static const char *const names[] = {"source", "reader", "counts", "sink"};
	topology->group_count = 4;
	topology->groups = mr_calloc(4, sizeof *topology->groups);
	for (size_t i = 0; i < 4; i++) {
		snprintf(topology->groups[i].name, sizeof topology->groups[i].name, "%s", names[i]);
		topology->groups[i].chain[0] = names[i];
		topology->groups[i].workers = i % 3 == 0 ? 1 : workers;
	}
	topology->edge_count = 4;
	topology->edges = mr_calloc(4, sizeof edges[0]);
	memcpy(topology->edges, edges, sizeof edges);
}

/* The edition stands in the file beside the state directory. */
static enum mr_err prepare(struct mr_supervisor *supervisor, const char *state, uint32_t workers,
			   struct mr_error *error)
{
	char path[100], text[24] = "";
	snprintf(path, sizeof path, "%s.edition", state);
	FILE *file = fopen(path, "r");
	if (file == NULL || fgets(text, sizeof text, file) == NULL)
		mr_error_errno(error, MR_CONFIG, "%s", path);
	if (file != NULL)
		fclose(file);
	supervisor->progress.least = MR_LOG_INFO;
	mr_progress_level(&supervisor->progress, &supervisor->setup.config);
	supervisor->setup.fields = mr_fields_new();
	mr_config_add(&supervisor->setup.config, "checkpoint_interval", "100ms");
	if (getenv(HASTY) != NULL)
		mr_config_add(&supervisor->setup.config, "health_timeout", "1s");
	while (strcmp(text, "still") == 0)
		pause();
	make_topology(&supervisor->setup.topology, workers);
	return error->code == MR_OK
		   ? mr_tables_add_bytes(supervisor->tables, EDITION_TABLE, mr_slice(text), error)
		   : error->code;
}

/* `service DIR WORKERS` */
static int service_main(char **argv)
{
	static struct mr_supervisor supervisor;
	static struct mr_service service;
	struct mr_error error = {0};
	mr_supervisor_hold_signals();
	if (mr_service_open(&service, argv[2], argv[3], INTERVAL_US, &error) != MR_OK) {
		fprintf(stderr, "service: %s\n", error.text);
		return 2;
	}
	mr_supervisor_init(&supervisor);
	if (getenv(STOP) != NULL) { /* in a sandbox nobody stops himself */
		mr_config_add(&supervisor.setup.config, "sandbox", "off");
		mr_config_add(&supervisor.setup.config, "health_timeout", "1s");
	}
	enum mr_err err = prepare(&supervisor, argv[2], (uint32_t)atoi(argv[3]), &error);
	if (err == MR_OK)
		err = mr_service_run(&service, &supervisor, &error);
	if (err != MR_OK)
		fprintf(stderr, "service: %s\n", error.text);
	mr_supervisor_fini(&supervisor);
	mr_service_close(&service);
	return err == MR_OK ? 0 : 1;
}

/* `reload PARENT WORKERS DIR`, as the service starts it. */
static int reload_main(char **argv)
{
	static struct mr_supervisor supervisor;
	static struct mr_control control;
	struct mr_error error = {0};
	if (!mr_spawned_by(argv[2]))
		return 1;
	mr_control_init(&control, MR_WORKER_CONTROL_FD);
	mr_supervisor_init(&supervisor);
	enum mr_err err = prepare(&supervisor, argv[4], (uint32_t)atoi(argv[3]), &error);
	if (err == MR_OK)
		err = mr_reload_send(&supervisor, argv[4], &control, &error);
	mr_reload_end(&control, err, &error);
	mr_supervisor_fini(&supervisor);
	mr_control_fini(&control);
	return 0;
}

/* ---- its directory ---- */

static char directory[64];

/* Whole at every moment. */
static void write_edition(const char *text)
{
	char path[100], beside[110];
	snprintf(path, sizeof path, "%s.edition", directory);
	snprintf(beside, sizeof beside, "%s.new", path);
	FILE *file = fopen(beside, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(beside, path), 0);
}

static void put_edition(uint32_t edition)
{
	char text[12];
	snprintf(text, sizeof text, "%u", edition);
	write_edition(text);
}

static void make_directory(void)
{
	snprintf(directory, sizeof directory, "/tmp/mr-service-XXXXXX");
	assert_non_null(mkdtemp(directory));
	put_edition(0);
}

static void remove_directory(void)
{
	char command[200];
	snprintf(command, sizeof command, "rm -rf %s %s.edition", directory, directory);
	assert_int_equal(system(command), 0);
}

static pid_t start_service(uint32_t workers)
{
	char count[12];
	snprintf(count, sizeof count, "%u", workers);
	pid_t pid = fork();
	if (pid == 0) {
		/* Nothing stays where the test fails. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		char *const arguments[] = {"test", "service", directory, count, NULL};
		execv("/proc/self/exe", arguments);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

/* The books balance, and have each number once. */
static void check_books(const struct mr_manifest *manifest)
{
	static const char wanted[] = "\"parsed\": ";
	char path[100];
	struct mr_error error = {0};
	struct mr_findings findings = {0};
	struct mr_ledger_state books;
	struct mr_buf report = {0};
	struct mr_ledger_expected expected = {.known = true, .number = manifest->number};
	memcpy(expected.head, manifest->ledger_head, sizeof expected.head);
	snprintf(path, sizeof path, "%s/ledger.sqlite", directory);
	if (mr_ledger_check(path, &expected, &findings, &books, &error) != MR_OK)
		fail_msg("%s", error.text);
	if (findings.count > 0)
		fail_msg("%.*s", (int)findings.lines.len, findings.lines.data);
	assert_int_equal(books.checkpoint, manifest->number);
	/* All of it may be in two hours. */
	assert_int_equal(mr_ledger_report(path, MR_REPORT_JSON, &report, &error), MR_OK);
	mr_buf_add(&report, "", 1);
	uint64_t parsed = 0;
	for (const char *at = report.data; (at = strstr(at, wanted)) != NULL; at++)
		parsed += strtoull(at + strlen(wanted), NULL, 10);
	assert_int_equal(parsed, NUMBERS);
	mr_findings_fini(&findings);
	mr_buf_fini(&report);
}

/* The sums of each edition that the last checkpoint holds. */
static void add_up_editions(struct sums *out)
{
	struct mr_state_dir dir;
	struct mr_manifest manifest;
	struct mr_error error = {0};
	*out = (struct sums){0};
	assert_int_equal(mr_state_dir_open(directory, &dir, &error), MR_OK);
	assert_int_equal(mr_state_dir_recover(&dir, &manifest, &error), MR_OK);
	for (uint32_t i = 0; i < manifest.file_count; i++) {
		struct mr_buf bytes = {0};
		struct mr_snapshot snapshot;
		struct mr_section section;
		char path[160];
		if (strcmp(manifest.files[i].stage, "counts") != 0)
			continue;
		mr_manifest_file_path(manifest.number, &manifest.files[i], path, sizeof path);
		assert_int_equal(mr_state_dir_get(&dir, path, 1 << 20, &bytes, &error), MR_OK);
		assert_int_equal(mr_snapshot_open((struct mr_slice){bytes.data, bytes.len},
						  "counts", &snapshot, &error),
				 MR_OK);
		while (mr_snapshot_next(&snapshot, &section))
			assert_true(unpack_counts(section.bytes, out));
		mr_buf_fini(&bytes);
	}
	mr_manifest_fini(&manifest);
	mr_state_dir_close(&dir);
}

static void add_up(uint64_t *count_out, uint64_t *sum_out)
{
	struct sums sums;
	add_up_editions(&sums);
	*count_out = *sum_out = 0;
	for (uint32_t i = 0; i < EDITIONS; i++) {
		*count_out += sums.count[i];
		*sum_out += sums.sum[i];
	}
}

/* The numbers of each edition are the next ones, and how many have any is returned. */
static uint32_t expect_editions(void)
{
	struct sums sums;
	uint64_t from = 0;
	uint32_t seen = 0;
	add_up_editions(&sums);
	for (uint32_t i = 0; i < EDITIONS; i++) {
		uint64_t to = from + sums.count[i];
		seen += sums.count[i] > 0;
		if (sums.count[i] > 0)
			print_message("edition %u: %llu\n", i, (unsigned long long)sums.count[i]);
		assert_int_equal(sums.sum[i],
				 sums.count[i] == 0 ? 0 : (from + to - 1) * sums.count[i] / 2);
		from = to;
	}
	return seen;
}

/* How many editions there were. */
static uint32_t expect_all(void)
{
	uint64_t count, sum;
	add_up(&count, &sum);
	assert_int_equal(count, NUMBERS);
	assert_int_equal(sum, (uint64_t)NUMBERS * (NUMBERS - 1) / 2);
	struct mr_state_dir dir;
	struct mr_manifest manifest;
	struct mr_error error = {0};
	assert_int_equal(mr_state_dir_open(directory, &dir, &error), MR_OK);
	assert_int_equal(mr_state_dir_recover(&dir, &manifest, &error), MR_OK);
	check_books(&manifest);
	mr_manifest_fini(&manifest);
	mr_state_dir_close(&dir);
	return expect_editions();
}

static int wait_for(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* What the program is started as, where that is none of the test itself. */
static bool is_other_process(int argc, char **argv, int *status_out)
{
	if (argc >= 2 && strcmp(argv[1], "worker") == 0)
		*status_out = mr_worker_main(argc - 1, argv + 1);
	else if (argc == 4 && strcmp(argv[1], "service") == 0)
		*status_out = service_main(argv);
	else if (argc == 5 && strcmp(argv[1], "reload") == 0)
		*status_out = reload_main(argv);
	else
		return false;
	return true;
}

#endif
