/* cmd_demo.c - `millrace demo`: a synthetic tenant, planted attacks, every stage, and a verdict.
 *
 * Makes the tenant (millrace-tenant), imports its people, scans its records with everything on
 * while the terminal shows alerts as they come, and compares what was found with the generator's
 * own list. The verdict knows no rule and no stage: an alert belongs to an attack if it shows one
 * of the records that were planted for it. Exit 0 if all were found and nothing else, 1 otherwise,
 * 2 wrong options. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "millrace/json.h"

#define ATTACKS_MAX 64
#define ID_LENGTH 36
#define TENANT_FORM 4 /* one more whenever what lies in the folder is of another form */

extern char **environ;

struct demo {
	const char *dir;
	char *made_dir; /* to be removed at the end, where no --dir was given */
	const char *seed, *users, *events, *workers;
	char self[PATH_MAX];
	char generator[PATH_MAX];
};

static const char *in_dir(const struct demo *demo, const char *name, char path[PATH_MAX])
{
	if ((size_t)snprintf(path, PATH_MAX, "%s/%s", demo->dir, name) >= PATH_MAX)
		path[PATH_MAX - 1] = '\0';
	return path;
}

/* ---- running the parts ---- */

static int run(const char *program, const char *const *argv)
{
	pid_t pid;
	int failed =
	    posix_spawn(&pid, program, NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (failed != 0) {
		fprintf(stderr, "millrace demo: %s: %s\n", program, strerror(failed));
		return 1;
	}
	int status;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool find_programs(struct demo *demo)
{
	ssize_t len = readlink("/proc/self/exe", demo->self, sizeof demo->self - 1);
	if (len <= 0)
		return false;
	demo->self[len] = '\0';
	char *slash = strrchr(demo->self, '/');
	int folder = (int)(slash - demo->self);
	snprintf(demo->generator, sizeof demo->generator, "%.*s/millrace-tenant", folder,
		 demo->self);
	return access(demo->generator, X_OK) == 0;
}

/* ---- the tenant ---- */

static char *read_file(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return NULL;
	struct mr_buf bytes = {0};
	size_t got;
	while ((got = fread(mr_buf_reserve(&bytes, 65536), 1, 65536, file)) > 0)
		bytes.len += got;
	fclose(file);
	memset(mr_buf_reserve(&bytes, MR_JSON_PADDING), 0, MR_JSON_PADDING);
	*len_out = bytes.len;
	return bytes.data;
}

/* What the folder holds is said by its stamp, which is written last. */
static char *stamp_text(const struct demo *demo)
{
	struct stat status;
	long long made = stat(demo->generator, &status) == 0 ? status.st_mtim.tv_sec : 0;
	return mr_asprintf("form %d seed %s users %s events %s generator %lld\n", TENANT_FORM,
			   demo->seed, demo->users, demo->events, made);
}

static bool stamp_fits(const struct demo *demo)
{
	char path[PATH_MAX];
	size_t len;
	char *found = read_file(in_dir(demo, "stamp", path), &len);
	char *wanted = stamp_text(demo);
	bool fits = found != NULL && len == strlen(wanted) && memcmp(found, wanted, len) == 0;
	free(found);
	free(wanted);
	return fits;
}

static bool write_stamp(const struct demo *demo)
{
	char path[PATH_MAX];
	FILE *file = fopen(in_dir(demo, "stamp", path), "we");
	char *text = stamp_text(demo);
	bool good = file != NULL && fputs(text, file) >= 0;
	good = file != NULL && fclose(file) == 0 && good;
	free(text);
	return good;
}

static int make_tenant(const struct demo *demo)
{
	char path[PATH_MAX];
	if (stamp_fits(demo)) {
		fprintf(stderr, "demo: the tenant in %s is there already\n", demo->dir);
		return 0;
	}
	unlink(in_dir(demo, "stamp", path));
	fprintf(stderr, "demo: making a tenant of %s users with %s events of one day in %s\n",
		demo->users, demo->events, demo->dir);
	int status =
	    run(demo->generator,
		(const char *const[]){demo->generator, "--seed", demo->seed, "--users", demo->users,
				      "--events", demo->events, "--out", demo->dir, NULL});
	if (status != 0)
		return status;
	char people[PATH_MAX];
	char store[PATH_MAX];
	in_dir(demo, "people.ndjson", people);
	in_dir(demo, "identity", store);
	status = run(demo->self, (const char *const[]){demo->self, "identity", "import", "--store",
						       store, people, NULL});
	unlink(people);
	if (status != 0)
		return status;
	if (!write_stamp(demo)) {
		fprintf(stderr, "millrace demo: %s: %s\n", demo->dir, strerror(errno));
		return 1;
	}
	return 0;
}

static int scan(const struct demo *demo)
{
	char store[PATH_MAX];
	char city[PATH_MAX];
	char asn[PATH_MAX];
	char networks[PATH_MAX];
	char records[PATH_MAX];
	char alerts[PATH_MAX];
	char summary[PATH_MAX];
	const char *argv[32] = {demo->self, "scan", "--progress", "always", "--no-cache"};
	size_t count = 5;
	const char *const fixed[] = {
	    "--geoip",    in_dir(demo, "city.mmdb", city),
	    "--geoip",    in_dir(demo, "asn.mmdb", asn),
	    "--identity", in_dir(demo, "identity", store),
	    "--networks", in_dir(demo, "networks.txt", networks),
	    "--summary",  in_dir(demo, "summary.json", summary),
	    "-o",         in_dir(demo, "alerts.ndjson", alerts),
	};
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		argv[count++] = fixed[i];
	if (demo->workers != NULL) {
		argv[count++] = "--workers";
		argv[count++] = demo->workers;
	}
	argv[count++] = in_dir(demo, "records.ndjson", records);
	argv[count] = NULL;
	return run(demo->self, argv);
}

/* ---- the verdict ---- */

struct planted {
	struct mr_slice id;
	uint32_t attack;
};

struct truth {
	uint32_t attack_count;
	struct mr_slice names[ATTACKS_MAX];
	struct mr_slice rules[ATTACKS_MAX];
	bool found[ATTACKS_MAX];
	struct planted *planted; /* by id */
	size_t planted_count;
	struct mr_arena arena;
};

static int by_id(const void *a, const void *b)
{
	return mr_slice_cmp(((const struct planted *)a)->id, ((const struct planted *)b)->id);
}

static struct mr_slice keep(struct truth *truth, struct mr_slice text)
{
	return (struct mr_slice){mr_arena_copy(&truth->arena, text.at, text.len), text.len};
}

static void read_attack(struct truth *truth, const struct mr_json_reader *reader,
			struct mr_json_node node)
{
	uint32_t attack = truth->attack_count++;
	struct mr_json_walk walk = mr_json_enter(reader, node);
	while (mr_json_step(reader, &walk)) {
		if (mr_slice_eq(walk.key, MR_SLICE("name")))
			truth->names[attack] = keep(truth, mr_json_string(reader, walk.value));
		if (mr_slice_eq(walk.key, MR_SLICE("rule")))
			truth->rules[attack] = keep(truth, mr_json_string(reader, walk.value));
		if (!mr_slice_eq(walk.key, MR_SLICE("records")))
			continue;
		struct mr_json_walk ids = mr_json_enter(reader, walk.value);
		while (mr_json_step(reader, &ids)) {
			truth->planted = mr_realloc(truth->planted, (truth->planted_count + 1) *
									sizeof *truth->planted);
			truth->planted[truth->planted_count++] = (struct planted){
			    keep(truth, mr_json_string(reader, ids.value)), attack};
		}
	}
}

static bool read_truth(const struct demo *demo, struct truth *truth)
{
	char path[PATH_MAX];
	size_t len = 0;
	char *bytes = read_file(in_dir(demo, "truth.json", path), &len);
	struct mr_json_reader *reader = mr_json_reader_new(len + 1);
	struct mr_json_node root;
	struct mr_error error = {0};
	bool good = bytes != NULL &&
		    mr_json_read(reader, (struct mr_slice){bytes, len}, &root, &error) == MR_OK;
	if (good) {
		struct mr_json_walk top = mr_json_enter(reader, root);
		good = mr_json_step(reader, &top);
		struct mr_json_walk attacks = mr_json_enter(reader, top.value);
		while (good && truth->attack_count < ATTACKS_MAX && mr_json_step(reader, &attacks))
			read_attack(truth, reader, attacks.value);
		qsort(truth->planted, truth->planted_count, sizeof *truth->planted, by_id);
	}
	mr_json_reader_free(reader);
	free(bytes);
	return good && truth->attack_count > 0;
}

/* The text of the first "name":"…" in a line, however deep. */
static struct mr_slice text_behind(struct mr_slice line, const char *name)
{
	const char *at = memmem(line.at, line.len, name, strlen(name));
	if (at == NULL)
		return (struct mr_slice){"", 0};
	at += strlen(name);
	const char *end = memchr(at, '"', (size_t)(line.at + line.len - at));
	return (struct mr_slice){at, end == NULL ? 0 : (size_t)(end - at)};
}

/* Which attacks' records stand in the alert's line: a bit for each. */
static uint64_t attacks_in(const struct truth *truth, struct mr_slice line)
{
	uint64_t attacks = 0;
	for (size_t at = 0; at + ID_LENGTH + 2 <= line.len; at++) {
		if (line.at[at] != '"' || line.at[at + ID_LENGTH + 1] != '"')
			continue;
		struct planted key = {.id = {line.at + at + 1, ID_LENGTH}};
		const struct planted *hit =
		    bsearch(&key, truth->planted, truth->planted_count, sizeof key, by_id);
		if (hit != NULL)
			attacks |= UINT64_C(1) << hit->attack;
	}
	return attacks;
}

/* Returns the number of alerts that show no planted record. */
static uint32_t judge_alerts(struct truth *truth, char *bytes, size_t len)
{
	uint32_t false_alerts = 0;
	for (size_t at = 0; at < len;) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t length = end == NULL ? len - at : (size_t)(end - (bytes + at));
		struct mr_slice line = {bytes + at, length};
		at += length + 1;
		uint64_t attacks = attacks_in(truth, line);
		false_alerts += attacks == 0;
		struct mr_slice analytic = text_behind(line, "\"analytic\":{");
		struct mr_slice rest = {analytic.at, (size_t)(line.at + line.len - analytic.at)};
		struct mr_slice rule = text_behind(rest, "\"uid\":\"");
		for (uint32_t i = 0; i < truth->attack_count; i++) {
			if (attacks >> i & 1 && mr_slice_eq(rule, truth->rules[i]))
				truth->found[i] = true;
		}
	}
	return false_alerts;
}

static int verdict(const struct demo *demo)
{
	struct truth truth = {0};
	char path[PATH_MAX];
	size_t len = 0;
	char *bytes = read_file(in_dir(demo, "alerts.ndjson", path), &len);
	if (bytes == NULL || !read_truth(demo, &truth)) {
		fprintf(stderr, "millrace demo: %s: alerts or truth can't be read\n", demo->dir);
		free(bytes);
		return 1;
	}
	uint32_t false_alerts = judge_alerts(&truth, bytes, len);
	uint32_t found = 0;
	printf("\nplanted attacks:\n");
	for (uint32_t i = 0; i < truth.attack_count; i++) {
		found += truth.found[i];
		printf("  %s  %.*s\n", truth.found[i] ? "found " : "MISSED",
		       (int)truth.names[i].len, truth.names[i].at);
	}
	printf("%u of %u planted attacks found, %u false\n", found, truth.attack_count,
	       false_alerts);
	int status = found == truth.attack_count && false_alerts == 0 ? 0 : 1;
	free(bytes);
	free(truth.planted);
	mr_arena_fini(&truth.arena);
	return status;
}

/* ---- main ---- */

static const char demo_help[] =
    "usage: millrace demo [OPTIONS]\n"
    "\n"
    "A synthetic tenant with planted attacks goes through every stage; at the end stands what was\n"
    "found. Needs neither network nor licence key.\n"
    "\n";
static const char demo_status[] =
    "\nExit status: 0 all attacks were found and nothing else, 1 not, 2 the options are wrong.\n";

enum { DIRECTORY, USERS, EVENTS, SEED, WORKERS, HELP };
static const struct mr_option demo_options[] = {
    [DIRECTORY] = {"dir", 0, "DIR", "keep the tenant there for the next time"},
    [USERS] = {"users", 0, "N", "100000 to 100000000, default 1500000"},
    [EVENTS] = {"events", 0, "N", "1 to 10000000000, default 1000000"},
    [SEED] = {"seed", 0, "N", "another seed makes another tenant; default 1"},
    [WORKERS] = {"workers", 0, "N", "1 to 64, default: cores"},
    MR_OPTION_HELP,
    {0},
};

static int parse_options(struct demo *demo, int argc, char **argv)
{
	const char **const texts[] = {[DIRECTORY] = &demo->dir,
				      [USERS] = &demo->users,
				      [EVENTS] = &demo->events,
				      [SEED] = &demo->seed,
				      [WORKERS] = &demo->workers};
	int option;
	while ((option = mr_option_next(demo_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(demo_help, demo_options, demo_status) == 0 ? -1 : 1;
		if (option == MR_OPTIONS_WRONG) {
			fputs("millrace demo --help says which options there are\n", stderr);
			return 2;
		}
		*texts[option] = optarg;
	}
	if (optind < argc) {
		fprintf(stderr, "millrace demo: \"%s\" is not expected; see --help\n",
			argv[optind]);
		return 2;
	}
	return 0;
}

static bool make_dir(struct demo *demo)
{
	if (demo->dir != NULL)
		return mkdir(demo->dir, 0700) == 0 || errno == EEXIST;
	const char *tmp = getenv("TMPDIR");
	demo->made_dir = mr_asprintf("%s/millrace-demo.XXXXXX", tmp != NULL ? tmp : "/tmp");
	demo->dir = mkdtemp(demo->made_dir);
	return demo->dir != NULL;
}

static int demo_main(int argc, char **argv)
{
	struct demo demo = {.seed = "1", .users = "1500000", .events = "1000000"};
	int status = parse_options(&demo, argc, argv);
	if (status != 0)
		return status < 0 ? 0 : status;
	if (!find_programs(&demo)) {
		fprintf(stderr,
			"millrace demo: the generator %s is not there: build or install it "
			"beside this program\n",
			demo.generator);
		return 2;
	}
	if (!make_dir(&demo)) {
		fprintf(stderr, "millrace demo: %s: %s\n", demo.dir != NULL ? demo.dir : "TMPDIR",
			strerror(errno));
		return 2;
	}
	status = make_tenant(&demo);
	if (status == 0)
		status = scan(&demo);
	if (status == 0)
		status = verdict(&demo);
	if (demo.made_dir != NULL) {
		run("/bin/rm", (const char *const[]){"rm", "-rf", "--", demo.made_dir, NULL});
		free(demo.made_dir);
	}
	return status;
}

const struct mr_command mr_command_demo = {
    .name = "demo",
    .summary = "a synthetic tenant, planted attacks, every stage, alerts on the screen",
    .main = demo_main,
    .options = demo_options,
};
