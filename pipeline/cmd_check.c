/* cmd_check.c - `millrace check`: all that `run` would read, without running. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cmd.h"
#include "hosts.h"
#include "millrace/log.h"
#include "reload.h"
#include "run_plan.h"
#include "state_dir.h"
#include "supervisor.h"
#include "topology_file.h"

static const char help_text[] =
    "usage: millrace check [--host NAME] TOPOLOGY.yaml\n"
    "       millrace check --settings\n"
    "\n"
    "Reads all that `millrace run TOPOLOGY.yaml` would read: the settings, rules, databases,\n"
    "identities, inputs, and the places that it would write to. Starts nothing, and changes\n"
    "nothing. A rule or a filter that is in force by the state directory, and would be lost,\n"
    "is wrong, as it is to a reload; one that is new, and refused, is a warning.\n"
    "\n";
static const char help_status[] = "\nExit status: 0 it can run, 2 something is wrong.\n";

enum { HOST, SETTINGS, HELP };
static const struct mr_option check_options[] = {
    [HOST] = {"host", 0, "NAME", "the host that this is, where the file has hosts"},
    [SETTINGS] = {"settings", 0, NULL, "say all settings of a topology file"},
    MR_OPTION_HELP,
    {0},
};

/* ---- the table ---- */

static void put_row(const struct mr_setting_row *row)
{
	struct mr_buf about = {0};
	bool needed = strcmp(row->types, "!") == 0;
	mr_setting_range(row, &about);
	if (mr_setting_often(row))
		mr_buf_printf(&about, "%sone, or a list", about.len > 0 ? "; " : "");
	if (needed)
		mr_buf_printf(&about, "%sneeded", about.len > 0 ? "; " : "");
	else if (*row->types != '\0')
		mr_buf_printf(&about, "%sof type %s", about.len > 0 ? "; " : "", row->types);
	bool words = row->kind == MR_SETTING_CHOICE || row->kind == MR_SETTING_CHOICES ||
		     row->kind == MR_SETTING_FLAG;
	printf("  %s:%s%s\n      %s\n", row->name, words ? "" : " ", words ? "" : row->argument,
	       row->prose);
	if (about.len > 0)
		printf("      (%.*s)\n", (int)about.len, about.data);
	mr_buf_fini(&about);
}

static int put_settings(void)
{
	static const char *const heads[] = {
	    [MR_SCOPE_RUN] = "The run, at the top of the file",
	    [MR_SCOPE_SOURCE] = "Each of its sources",
	    [MR_SCOPE_SINK] = "Each of its sinks",
	    [MR_SCOPE_HOST] = "Each of its hosts, where it runs on several",
	};
	for (enum mr_scope scope = MR_SCOPE_RUN; scope <= MR_SCOPE_HOST; scope++) {
		printf("%s%s:\n", scope == MR_SCOPE_RUN ? "" : "\n", heads[scope]);
		for (size_t i = 0; i < mr_settings_count; i++) {
			if (mr_setting_stands(&mr_settings[i], scope))
				put_row(&mr_settings[i]);
		}
	}
	puts("\nBehind a type, \"!\" says that the setting is needed there.");
	return fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
}

/* ---- the check ---- */

/* What is wrong and what is only to be looked at shall not look the same. */
static void put_line(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		     size_t len)
{
	char *clean = mr_asprintf("%.*s", (int)len, line);
	(void)context;
	(void)kind;
	mr_log_clean(clean, len);
	fprintf(stderr, "%s%s\n", level == MR_LOG_WARNING ? "warning: " : "", clean);
	free(clean);
}

static void put_parts(const struct mr_config *config, enum mr_part_kind kind, const char *what)
{
	const struct mr_part *part;
	printf("%-12s", what);
	for (size_t i = 0; (part = mr_config_part(config, kind, i)) != NULL; i++)
		printf("%s%s (%s)", i == 0 ? "" : ", ", part->name,
		       mr_config_get(&part->settings, "type", 0));
	putchar('\n');
}

static void put_databases(const struct mr_config *config)
{
	size_t count = mr_config_count(config, "geoip");
	const char *identity = mr_config_get(config, "identity", 0);
	const char *networks = mr_config_get(config, "networks", 0);
	printf("%-12s%zu of GeoIP, %s, %s\n", "databases", count,
	       identity != NULL ? "an identity store" : "no identity store",
	       networks != NULL ? "named networks" : "no named networks");
}

static void put_found(const char *path, const struct mr_supervisor *supervisor, uint32_t workers)
{
	const struct mr_config *config = &supervisor->setup.config;
	const struct mr_catalog *catalog = &supervisor->catalog;
	const struct mr_topology *topology = &supervisor->setup.topology;
	printf("%s can run\n", path);
	printf("%-12s%s\n", "state", mr_config_get(config, "state", 0));
	put_parts(config, MR_PART_SOURCE, "sources");
	put_parts(config, MR_PART_SINK, "sinks");
	printf("%-12s%u, %u of them correlations in %u layer%s; %u refused, %u inactive, %u "
	       "filters\n",
	       "rules", catalog->detections + catalog->correlations, catalog->correlations,
	       catalog->layers, catalog->layers == 1 ? "" : "s", catalog->refused,
	       catalog->inactive, catalog->filter_count);
	put_databases(config);
	printf("%-12s%u in %u groups, %u to a group that shares its work\n", "processes",
	       mr_setup_workers(topology), topology->group_count, workers);
}

/* As far as whoever asks may read them, and this build can. */
static enum mr_err compare_rules(const struct mr_state_dir *dir, const struct mr_manifest *last,
				 const struct mr_catalog *catalog, struct mr_error *error)
{
	struct mr_prepared old = {.tables = mr_tables_new()};
	enum mr_err err = MR_OK;
	if (last->generation != 0 &&
	    mr_generation_find(dir, last->generation, old.tables, &old.fields, NULL) == MR_OK &&
	    mr_prepared_read_catalog(&old, NULL) == MR_OK)
		err = mr_reload_check_lost(&old.catalog, catalog, error);
	mr_prepared_fini(&old);
	return err;
}

/* As a run on its state directory would, or a reload. */
static enum mr_err look_at_state(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_config *config = &supervisor->setup.config;
	const char *path = mr_config_get(config, "state", 0);
	struct mr_state_dir dir = {.path = mr_strdup(path), .lock = -1};
	struct mr_manifest last = {0};
	dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir.fd >= 0)
		mr_state_dir_look(&dir, &last);
	enum mr_err err = mr_manifest_number_sources(&last, path, config, error);
	if (err == MR_OK)
		err = compare_rules(&dir, &last, &supervisor->catalog, error);
	mr_manifest_fini(&last);
	mr_state_dir_close(&dir);
	return err;
}

/* A service that runs has its own port; whoever else has it may be gone when one begins. */
static void look_at_port(const struct mr_config *config)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int on = 1;
	int64_t port;
	if (mr_config_get(config, "metrics_port", 0) == NULL ||
	    mr_config_int(config, "metrics_port", &port, NULL) != MR_OK)
		return;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	at.sin_port = htons((uint16_t)port);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof at) != 0)
		mr_log(MR_LOG_WARNING,
		       "metrics_port: 127.0.0.1:%u cannot be had: %s; as long as that is so a run "
		       "ends at once, with status 1",
		       (unsigned)port, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Whether a service runs with this state directory. */
static bool is_running(const struct mr_config *config)
{
	int state = open(mr_config_get(config, "state", 0), O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool runs = state >= 0 && mr_state_dir_holder(state) != 0;
	if (state >= 0)
		close(state);
	return runs;
}

static void look_at_writer(const char *name, const char *path)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
		mr_log(MR_LOG_WARNING,
		       "%s: %s: another process is writing to it; as long as that is so a run ends "
		       "at once, with status 1",
		       name, path);
	if (fd >= 0)
		close(fd);
}

/* Whoever writes to them may be gone when one begins. */
static void look_at_writers(const struct mr_config *config)
{
	const struct mr_part *sink;
	look_at_writer("dead_letter", mr_config_get(config, "dead_letter", 0));
	for (size_t i = 0; (sink = mr_config_part(config, MR_PART_SINK, i)) != NULL; i++) {
		char *name = mr_asprintf("sink %s", sink->name);
		look_at_writer(name, mr_config_get(&sink->settings, "path", 0));
		free(name);
	}
}

/* Of the one that a path is on, or would be. 0: it does not say. */
static uint64_t disk_bytes(const char *path)
{
	char *at = mr_strdup(path);
	struct statfs about;
	int status;
	while ((status = statfs(at, &about)) != 0 && errno == ENOENT && strcmp(at, "/") != 0 &&
	       strcmp(at, ".") != 0)
		memmove(at, dirname(at), strlen(dirname(at)) + 1);
	free(at);
	return status == 0 ? (uint64_t)about.f_blocks * (uint64_t)about.f_bsize : 0;
}

/* A file that is not followed can be read again, and one that is written to has no spool. */
static bool is_kept(const struct mr_part *part)
{
	return !mr_config_is(&part->settings, "type", "file") ||
	       (part->kind == MR_PART_SOURCE && mr_config_flag(&part->settings, "follow"));
}

static uint64_t bounds_of(const struct mr_config *config, enum mr_part_kind kind, const char *name)
{
	const struct mr_part *part;
	uint64_t sum = 0;
	for (size_t i = 0; (part = mr_config_part(config, kind, i)) != NULL; i++) {
		int64_t bytes;
		if (is_kept(part) && mr_config_int(&part->settings, name, &bytes, NULL) == MR_OK)
			sum += (uint64_t)(bytes < MR_PIB ? bytes : MR_PIB);
	}
	return sum;
}

/* A journal that is left to fill the disk leaves nothing to others there. */
static void look_at_disk(const struct mr_config *config)
{
	uint64_t disk = disk_bytes(mr_config_get(config, "state", 0));
	uint64_t bounds = bounds_of(config, MR_PART_SOURCE, "journal_bytes") +
			  bounds_of(config, MR_PART_SINK, "spool_bytes");
	if (disk > 0 && bounds > disk)
		mr_log(MR_LOG_WARNING,
		       "state: its disk has %llu MiB, and journals and spools may grow past that "
		       "(journal_bytes, spool_bytes): with smaller bounds others find room there, "
		       "and no segment goes before its time",
		       (unsigned long long)(disk >> 20));
}

/* The service may have others than whoever asks. */
static void look_at_limits(struct mr_supervisor *supervisor)
{
	struct mr_error error = {0};
	if (mr_supervisor_limits(supervisor, &error) != MR_OK)
		mr_log(MR_LOG_WARNING, "%s; with the limit of this shell a run ends at once",
		       error.text);
}

/* A private key that is out of sight has been warned of. */
static enum mr_err know_hosts(struct mr_supervisor *supervisor, struct mr_hosts *hosts,
			      struct mr_error *error)
{
	enum mr_err err = mr_hosts_init(hosts, &supervisor->setup.config, error);
	supervisor->hosts = hosts;
	return err == MR_NOT_FOUND ? MR_OK : err;
}

static int check(const char *path, const char *host)
{
	struct mr_supervisor supervisor;
	struct mr_hosts hosts = {0};
	struct mr_error error = {0};
	uint32_t workers = 0;
	mr_log_set_sink(put_line, NULL);
	mr_supervisor_init(&supervisor);
	enum mr_err err = mr_topology_file_check(path, host, &supervisor.setup.config, &error);
	if (err == MR_OK && host != NULL)
		err = know_hosts(&supervisor, &hosts, &error);
	if (err == MR_OK)
		err = mr_plan_run(&supervisor, &workers, &error);
	if (err == MR_OK)
		err = look_at_state(&supervisor, &error);
	if (err == MR_OK)
		look_at_limits(&supervisor);
	if (err == MR_OK)
		look_at_disk(&supervisor.setup.config);
	if (err == MR_OK && !is_running(&supervisor.setup.config)) {
		look_at_port(&supervisor.setup.config);
		look_at_writers(&supervisor.setup.config);
	}
	if (err == MR_OK)
		put_found(path, &supervisor, workers);
	else
		mr_log(MR_LOG_ERROR, "%s", error.text);
	mr_supervisor_fini(&supervisor);
	if (host != NULL)
		mr_hosts_fini(&hosts);
	if (err != MR_OK)
		return 2;
	return fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
}

static int check_main(int argc, char **argv)
{
	const char *host = NULL;
	int option;
	while ((option = mr_option_next(check_options, argc, argv)) == HOST)
		host = optarg;
	if (option == SETTINGS && optind == argc)
		return put_settings();
	if (option == HELP)
		return mr_help(help_text, check_options, help_status);
	if (option == MR_OPTIONS_END && optind + 1 == argc)
		return check(argv[optind], host);
	fputs("millrace check: name one topology file (millrace check --help says more)\n", stderr);
	return 2;
}

const struct mr_command mr_command_check = {
    .name = "check",
    .summary = "what a run of a topology file would read, without running",
    .main = check_main,
    .options = check_options,
};
