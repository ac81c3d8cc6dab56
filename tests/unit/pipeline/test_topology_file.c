/* Topology files: what they say becomes settings, and each fault is told with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "millrace/log.h"
#include "topology_file.h"

#define SINK                                                                                       \
	"sinks:\n"                                                                                 \
	"  - {name: alerts, type: file, path: alerts.ndjson}\n"
#define SOURCE                                                                                     \
	"sources:\n"                                                                               \
	"  - {name: all, type: file, path: in}\n"

static const char *this_host;
static char said[16384];
static size_t lines;
static enum mr_log_level level_told = MR_LOG_ERROR;

static void keep(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		 size_t len)
{
	(void)context;
	(void)kind;
	assert_int_equal(level, level_told);
	size_t used = strlen(said);
	snprintf(said + used, sizeof said - used, "%.*s\n", (int)len, line);
	lines++;
}

static enum mr_err parse(const char *text, struct mr_config *config, struct mr_error *error)
{
	/* Exact, so that an over-read shows. */
	size_t len = strlen(text);
	char *exact = mr_malloc(len + (len == 0));
	memcpy(exact, text, len);
	said[0] = '\0';
	lines = 0;
	*error = (struct mr_error){0};
	mr_log_set_sink(keep, NULL);
	enum mr_err err = mr_topology_file_parse((struct mr_slice){exact, len}, "t.yaml", "/etc/m",
						 this_host, config, error);
	mr_log_set_sink(NULL, NULL);
	free(exact);
	return err;
}

/* One fault, and these words for it. */
static void tells(const char *text, const char *words)
{
	struct mr_config config;
	struct mr_error error;
	assert_int_equal(parse(text, &config, &error), MR_CONFIG);
	assert_int_equal(config.count + config.part_count, 0);
	char line[1200];
	snprintf(line, sizeof line, "t.yaml:%s\n", words);
	assert_string_equal(said, line);
	assert_string_equal(error.text, "t.yaml: 1 fault");
}

/* These words, among others. */
static void says(const char *text, const char *words)
{
	struct mr_config config;
	struct mr_error error;
	char line[1200];
	assert_int_equal(parse(text, &config, &error), MR_CONFIG);
	snprintf(line, sizeof line, "t.yaml:%s\n", words);
	if (strstr(said, line) == NULL)
		assert_string_equal(said, line);
}

static void a_whole_one(void **state)
{
	static const char text[] = "state: /var/lib/m\n"
				   "tenant: contoso\n"
				   "workers: 4\n"
				   "cut: enrich\n"
				   "rules: [rules, /opt/rules]\n"
				   "strict: true\n"
				   "lateness: unlimited\n"
				   "state_bytes: 2GiB\n"
				   "sandbox: off\n"
				   "sources:\n"
				   "  - name: exports\n"
				   "    type: file\n"
				   "    path: [in/a, /b]\n"
				   "    follow: false\n"
				   "    tenant: fabrikam\n"
				   "  - name: forwarder\n"
				   "    type: socket\n"
				   "    path: /run/m/in.sock\n"
				   "    sync_interval: 5ms\n"
				   "sinks:\n"
				   "  - name: alerts\n"
				   "    type: file\n"
				   "    path: ../alerts.ndjson\n";
	struct mr_config config;
	struct mr_error error;
	int64_t number;
	(void)state;
	assert_int_equal(parse(text, &config, &error), MR_OK);
	assert_int_equal(lines, 0);
	assert_string_equal(mr_config_get(&config, "state", 0), "/var/lib/m");
	assert_string_equal(mr_config_get(&config, "rules", 0), "/etc/m/rules");
	assert_string_equal(mr_config_get(&config, "rules", 1), "/opt/rules");
	assert_string_equal(mr_config_get(&config, "cut", 0), "enrich");
	assert_string_equal(mr_config_get(&config, "dead_letter", 0),
			    "/var/lib/m/dead-letter.ndjson");
	assert_true(mr_config_flag(&config, "strict"));
	assert_true(mr_config_is(&config, "sandbox", "off"));
	assert_int_equal(mr_config_int(&config, "lateness", &number, &error), MR_OK);
	assert_true(number == MR_UNLIMITED);
	const struct mr_config *first = &mr_config_part(&config, MR_PART_SOURCE, 0)->settings;
	const struct mr_config *second = &mr_config_part(&config, MR_PART_SOURCE, 1)->settings;
	assert_string_equal(mr_config_part(&config, MR_PART_SOURCE, 1)->name, "forwarder");
	assert_string_equal(mr_config_get(first, "path", 0), "/etc/m/in/a");
	assert_string_equal(mr_config_get(first, "path", 1), "/b");
	/* Its own, and the run's where it has none. */
	assert_string_equal(mr_config_get(first, "tenant", 0), "fabrikam");
	assert_string_equal(mr_config_get(second, "tenant", 0), "contoso");
	assert_int_equal(mr_config_int(second, "sync_interval", &number, &error), MR_OK);
	assert_int_equal(number, 5000);
	assert_string_equal(
	    mr_config_get(&mr_config_part(&config, MR_PART_SINK, 0)->settings, "path", 0),
	    "/etc/m/../alerts.ndjson");
	mr_config_fini(&config);
}

static void names(void **state)
{
	(void)state;
	tells("state: s\nruels: a\n" SOURCE SINK,
	      "2:1: the run has no setting \"ruels\"; is \"rules\" meant?");
	tells("state: s\nsource: a\n" SOURCE SINK,
	      "2:1: the run has no setting \"source\"; is \"sources\" meant?");
	tells(
	    "state: s\nquite_something: a\n" SOURCE SINK,
	    "2:1: the run has no setting \"quite_something\" (millrace check --settings says all)");
	tells("state: s\nfollow: true\n" SOURCE SINK,
	      "2:1: \"follow\" is a setting of a source, not of the run");
	/* The program's own are nobody else's. */
	tells("state: s\nown_file: a\n" SOURCE SINK,
	      "2:1: the run has no setting \"own_file\" (millrace check --settings says all)");
	tells("state: s\n" SOURCE "    rules: a\n" SINK,
	      "4:5: not YAML: did not find expected '-' indicator");
}

static void parts(void **state)
{
	(void)state;
	tells("state: s\n" SINK "sources:\n  - name: a\n    type: stdin\n    rules: b\n",
	      "7:5: \"rules\" is a setting of the run, not of a source");
	tells("state: s\n" SINK "sources:\n  - name: a\n    type: stdin\n    follow: true\n",
	      "7:5: a source of type stdin has no setting \"follow\"");
	tells("state: s\n" SINK "sources:\n  - name: a\n    type: file\n",
	      "5:5: a source of type file needs \"path\": files and folders to read, and patterns "
	      "such as /var/log/app/*.log; or the socket");
	tells("state: s\n" SINK "sources:\n  - name: a\n",
	      "5:5: a source needs \"type\": files and folders; standard input; a Unix socket that "
	      "is listened on");
	tells(
	    "state: s\n" SINK "sources:\n  - type: stdin\n",
	    "5:5: a source of type stdin needs \"name\": what it is called, in the state directory "
	    "too: to change it is to begin anew");
	tells("state: s\n" SINK "sources:\n  - {name: a, type: pipe, path: b}\n",
	      "5:21: type: \"pipe\" is not file, stdin or socket");
	tells(
	    "state: s\n" SINK "sources:\n  - {name: a/b, type: stdin}\n",
	    "5:12: name: \"a/b\" is not a name of 1 to 64 letters, digits, -, _ and ., the first a "
	    "letter or a digit");
	tells("state: s\n" SINK "sources:\n  - {name: a, type: stdin}\n"
	      "  - {name: a, type: file, path: b}\n",
	      "6:12: another source is called \"a\"; each needs a name of its own");
	tells("state: s\n" SINK "sources:\n  - {name: a, type: stdin}\n"
	      "  - {name: b, type: stdin}\n",
	      "6:5: another source is of type stdin; there is one stdin");
	tells("state: s\n" SINK "sources:\n  - {name: a, type: socket, path: [b, c]}\n",
	      "5:5: a source of type socket has one path");
	tells("state: s\n" SINK "sources:\n  - 5\n", "5:5: a source is a map of settings, not a "
						     "number");
	tells("state: s\n" SINK "sources: []\n",
	      "4:1: sources is a list of at least one source, not an empty one");
	tells("state: s\n" SINK "sources: {name: a}\n",
	      "4:1: sources is a list of at least one source, not a map");
	tells("state: s\n" SOURCE, "1:1: the run needs sinks: a list of at least one");
}

/* ---- hosts ---- */

#define RUN "state: s\nworkers: 2\n"
#define KEY "'0123456789012345678901234567890123456789'"
#define HOST(name, groups)                                                                         \
	"  - {name: " name ", address: 'tcp://127.0.0.1:4000', public_key: " KEY ", "              \
	"key_file: /nowhere/" name ".key, groups: " groups "}\n"
#define ENDS HOST("a", "[collect, deliver]")
#define MIDDLE HOST("b", "[parse, correlate]")

static void hosts_faults(void **state)
{
	(void)state;
	tells(RUN SOURCE SINK "hosts:\n" ENDS MIDDLE,
	      "7:1: hosts: this is a run over a, b: name the one that this is, with --host");
	this_host = "c";
	tells(RUN SOURCE SINK "hosts:\n" ENDS MIDDLE,
	      "7:1: hosts: they are a, b, and none is called \"c\"");
	tells(RUN SOURCE SINK, "1:1: --host c: this is no run over several hosts: it has no hosts");
	this_host = "b";
	/* The private key of the host that this is, is looked at; no other's. */
	tells(RUN SOURCE SINK "hosts:\n" ENDS MIDDLE,
	      "9:114: key_file: /nowhere/b.key: No such file or directory");
	says("state: s\n" SOURCE SINK "hosts:\n" ENDS HOST("c", "[parse, correlate]"),
	     "6:1: hosts: a run over several hosts needs the run's \"workers\"");
	this_host = NULL;
}

static void groups_faults(void **state)
{
	(void)state;
	this_host = "z";
	says(RUN SOURCE SINK "hosts:\n" ENDS HOST("c", "parse"),
	     "7:1: hosts: no host has the group correlate; one has to run it");
	says(RUN SOURCE SINK "hosts:\n" ENDS HOST("c", "[parse, correlate, parse]"),
	     "7:1: hosts: c and c both have the group parse; one host runs it");
	says(RUN SOURCE SINK "hosts:\n" MIDDLE HOST("c", "[collect, deliver]"),
	     "7:1: hosts: c has the group deliver; that runs on the first host, b, which keeps "
	     "the journal and the books");
	says(RUN SOURCE SINK "hosts:\n" HOST("a", "[collect, parse, correlate, deliver]"),
	     "7:1: hosts: a run over one host has no need of it; leave it out");
}

static void long_socket(void **state)
{
	char text[512];
	char words[512];
	char path[109];
	(void)state;
	memset(path, 'x', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	snprintf(text, sizeof text,
		 "state: s\n" SINK "sources:\n  - {name: a, type: socket, path: %s}\n", path);
	snprintf(words, sizeof words,
		 "5:5: path: a socket's has at most 107 bytes, and this one 108: %s", path);
	tells(text, words);
}

static void values(void **state)
{
	(void)state;
	tells("state: s\nworkers: 65\n" SOURCE SINK,
	      "2:10: workers: \"65\" is not a whole number from 1 to 64");
	tells("state: s\nworkers: two\n" SOURCE SINK,
	      "2:10: workers: \"two\" is not a whole number from 1 to 64");
	tells("state: s\nworkers: [2]\n" SOURCE SINK,
	      "2:10: workers is a list, and takes a single value");
	tells("state: s\nrules: {a: b}\n" SOURCE SINK,
	      "2:8: rules is a map, and takes a single value, or a list of them");
	tells("state: s\nrules: []\n" SOURCE SINK, "2:8: rules: the list is empty");
	tells("state: s\nrules: [a, [b]]\n" SOURCE SINK,
	      "2:12: rules is a list, and takes a single value, or a list of them");
	tells("state: s\nstrict: 1\n" SOURCE SINK, "2:9: strict: \"1\" is not true or false");
	tells("state: s\nstrict: \"true\"\n" SOURCE SINK,
	      "2:9: strict: \"true\" is not true or false");
	tells("state: s\ntenant: true\n" SOURCE SINK,
	      "2:9: tenant is true or false here; put a text in quotes");
	tells("state: s\ntenant: ''\n" SOURCE SINK, "2:9: tenant has no value; it takes ID");
	tells("state: s\ntenant: \"a\\0b\"\n" SOURCE SINK, "2:9: tenant: a zero byte is in it");
	tells("state: s\ncut: [enrich, parse]\n" SOURCE SINK,
	      "2:15: cut: \"parse\" is not enrich or detect");
	tells("state: s\nstate_bytes: 64MB\n" SOURCE SINK,
	      "2:14: state_bytes: \"64MB\" is not a size (64MiB) from 1MiB to 1PiB");
}

/* What YAML itself says, and our bounds on it. */
static void files(void **state)
{
	(void)state;
	tells("", "1:1: nothing stands in it; a topology is a map of settings");
	tells("# nothing\n", "1:1: nothing stands in it; a topology is a map of settings");
	tells("- a\n", "1:1: a topology is a map of settings, not a list");
	tells("state: s\nstate: t\n" SOURCE SINK,
	      "2:1: the key state stands twice in one map; the first is on line 1");
	tells("state: s\n" SOURCE SINK "---\nstate: s\n",
	      "7:1: a second document; a topology is one");
	tells("state: \xff\n", "1:8: byte 0xff is not UTF-8, which YAML is");
	struct mr_buf deep = {0};
	for (int i = 0; i < 61; i++)
		mr_buf_add_text(&deep, "[");
	mr_buf_add(&deep, "", 1);
	tells(deep.data, "1:61: nested too deeply; 60 levels are allowed");
	mr_buf_fini(&deep);
}

/* Ten are shown, all are counted. */
static void many(void **state)
{
	struct mr_buf text = {0};
	struct mr_config config;
	struct mr_error error;
	(void)state;
	mr_buf_add_text(&text, "state: s\n" SOURCE SINK);
	for (int i = 0; i < 13; i++)
		mr_buf_printf(&text, "unknown%d: 1\n", i);
	mr_buf_add(&text, "", 1);
	assert_int_equal(parse(text.data, &config, &error), MR_CONFIG);
	assert_int_equal(lines, 10);
	assert_string_equal(error.text, "t.yaml: 13 faults, the first ten are shown");
	mr_buf_fini(&text);
}

/* ---- from a file ---- */

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *out = fopen(path, "w");
	fputs(text, out);
	fclose(out);
	assert_int_equal(chmod(path, mode), 0);
}

#define WEBHOOK                                                                                    \
	"state: s\n" SOURCE "sinks:\n"                                                             \
	"  - {name: alerts, type: webhook, url: 'https://a', hmac_key_file: %s}\n"

/* As a file in a folder of its own; what was said is in `said`. */
static enum mr_err reads(const char *folder, const char *key, struct mr_config *config,
			 struct mr_error *error)
{
	char text[512];
	char path[64];
	snprintf(text, sizeof text, WEBHOOK, key);
	snprintf(path, sizeof path, "%s/t.yaml", folder);
	write_file(path, text, 0644);
	said[0] = '\0';
	mr_log_set_sink(keep, NULL);
	enum mr_err err = mr_topology_file_read(path, NULL, config, error);
	mr_log_set_sink(NULL, NULL);
	return err;
}

/* For whoever does not run it, a credential that only the service sees is no fault. */
static void a_credential_that_is_checked(void **state)
{
	char folder[] = "/tmp/millrace-topology-XXXXXX";
	char path[64];
	struct mr_config config;
	struct mr_error error;
	(void)state;
	assert_non_null(mkdtemp(folder));
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(reads(folder, "credential:key", &config, &error), MR_CONFIG);
	snprintf(path, sizeof path, "%s/t.yaml", folder);
	said[0] = '\0';
	level_told = MR_LOG_WARNING;
	mr_log_set_sink(keep, NULL);
	assert_int_equal(mr_topology_file_check(path, NULL, &config, &error), MR_OK);
	assert_non_null(strstr(said, ":5:68: hmac_key_file: credential:key is not looked at"));
	const struct mr_part *sink = mr_config_part(&config, MR_PART_SINK, 0);
	assert_null(mr_config_get(&sink->settings, "hmac_key_file", 0));
	mr_config_fini(&config);
	level_told = MR_LOG_ERROR;
	assert_int_equal(reads(folder, "credential:../key", &config, &error), MR_CONFIG);
	mr_log_set_sink(keep, NULL);
	assert_int_equal(mr_topology_file_check(path, NULL, &config, &error), MR_CONFIG);
	mr_log_set_sink(NULL, NULL);
	assert_non_null(strstr(said, "is no credential's name"));
	unlink(path);
	rmdir(folder);
}

static void secrets(void **state)
{
	char folder[] = "/tmp/millrace-topology-XXXXXX";
	char path[64], wanted[256];
	struct mr_config config;
	struct mr_error error;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/key", folder);
	write_file(path, "hush\n", 0600);
	assert_int_equal(reads(folder, "key", &config, &error), MR_OK);
	const struct mr_part *sink = mr_config_part(&config, MR_PART_SINK, 0);
	assert_string_equal(mr_config_get(&sink->settings, "hmac_key_file", 0), path);
	mr_config_fini(&config);
	/* Everybody's: refused, with the place. */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(reads(folder, "key", &config, &error), MR_CONFIG);
	snprintf(wanted, sizeof wanted,
		 "%s/t.yaml:5:68: hmac_key_file: %s: everybody may read or write", folder, path);
	assert_memory_equal(said, wanted, strlen(wanted));
	/* systemd's. */
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(reads(folder, "credential:key", &config, &error), MR_CONFIG);
	assert_non_null(strstr(said, "systemd gave no credentials (LoadCredential=key:FILE)"));
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	assert_int_equal(chmod(path, 0440), 0);
	assert_int_equal(reads(folder, "'credential:../key'", &config, &error), MR_CONFIG);
	assert_int_equal(reads(folder, "'credential:key'", &config, &error), MR_OK);
	mr_config_fini(&config);
	unsetenv("CREDENTIALS_DIRECTORY");
	unlink(path);
	assert_int_equal(reads(folder, "key", &config, &error), MR_CONFIG);
	assert_non_null(strstr(said, "No such file or directory"));
	snprintf(path, sizeof path, "%s/t.yaml", folder);
	assert_int_equal(truncate(path, MR_TOPOLOGY_FILE_MAX + 1), 0);
	assert_int_equal(mr_topology_file_read(path, NULL, &config, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "larger than 1 MiB"));
	unlink(path);
	assert_int_equal(mr_topology_file_read(path, NULL, &config, &error), MR_NOT_FOUND);
	assert_int_equal(mr_topology_file_read(folder, NULL, &config, &error), MR_CONFIG);
	rmdir(folder);
}

static void hosts_values(void **state)
{
	static const char *const addresses[] = {"127.0.0.1:4000", "tcp://a",       "tcp://:4000",
						"tcp://a:0",      "tcp://a:70000", "ipc://a:4000",
						"tcp://a:b",      "tcp://a b:4000"};
	(void)state;
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		char text[400], words[200];
		snprintf(text, sizeof text,
			 RUN SOURCE SINK "hosts:\n  - {name: a, public_key: " KEY
					 ", key_file: k, groups: parse, address: '%s'}\n",
			 addresses[i]);
		snprintf(words, sizeof words, "8:108: address: \"%s\" is not tcp://HOST:PORT",
			 addresses[i]);
		says(text, words);
	}
	says(RUN SOURCE SINK "hosts:\n  - {name: a, public_key: 'abc', key_file: k, groups: parse, "
			     "address: 'tcp://a:1'}\n",
	     "8:27: public_key: \"abc\" is not a public key: 40 signs of those that millrace keys "
	     "gives");
}

/* The host's own state directory is the run's, and so is what lies there. */
static void hosts_whole(void **state)
{
	char folder[] = "/tmp/millrace-topology-XXXXXX";
	char path[64], key[64], text[1024], dead[64];
	struct mr_config config;
	struct mr_error error = {0};
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/t.yaml", folder);
	snprintf(key, sizeof key, "%s/b.key", folder);
	write_file(key, "hush\n", 0600);
	snprintf(text, sizeof text,
		 RUN SOURCE SINK "hosts:\n" ENDS
				 "  - {name: b, address: 'tcp://b:1', public_key: " KEY
				 ", key_file: b.key, groups: [parse, correlate], state: own}\n");
	write_file(path, text, 0644);
	assert_int_equal(mr_topology_file_read(path, "b", &config, &error), MR_OK);
	snprintf(dead, sizeof dead, "%s/own", folder);
	assert_string_equal(mr_config_get(&config, "state", 0), dead);
	snprintf(dead, sizeof dead, "%s/own/dead-letter.ndjson", folder);
	assert_string_equal(mr_config_get(&config, "dead_letter", 0), dead);
	assert_string_equal(mr_config_get(&config, "host", 0), "b");
	assert_int_equal(strlen(mr_config_get(&config, "topology", 0)), 64);
	const struct mr_part *other = mr_config_part(&config, MR_PART_HOST, 0);
	assert_null(mr_config_get(&other->settings, "key_file", 0));
	const struct mr_part *own = mr_config_part(&config, MR_PART_HOST, 1);
	assert_string_equal(mr_config_get(&own->settings, "key_file", 0), key);
	mr_config_fini(&config);
	unlink(key);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_whole_one),
	    cmocka_unit_test(names),
	    cmocka_unit_test(parts),
	    cmocka_unit_test(long_socket),
	    cmocka_unit_test(values),
	    cmocka_unit_test(files),
	    cmocka_unit_test(many),
	    cmocka_unit_test(secrets),
	    cmocka_unit_test(a_credential_that_is_checked),
	    cmocka_unit_test(hosts_values),
	    cmocka_unit_test(hosts_faults),
	    cmocka_unit_test(groups_faults),
	    cmocka_unit_test(hosts_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
