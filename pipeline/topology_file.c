/* topology_file.c - a topology file becomes settings.
 *
 * Called by cmd_check.c and cmd_run.c. Fails with MR_CONFIG once all is read, so that a person
 * mends all faults at once. */
#include "topology_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "millrace/log.h"
#include "millrace/secret.h"
#include "millrace/topology.h"
#include "millrace/yaml.h"

#define NAMES_MAX 128 /* of the settings of one scope */
#define SHOWN_MAX 80  /* bytes of a text in a message */

static const struct section {
	const char *key;
	const char *part; /* what one is called */
	enum mr_part_kind kind;
} sections[] = {{"sources", "source", MR_PART_SOURCE},
		{"sinks", "sink", MR_PART_SINK},
		{"hosts", "host", MR_PART_HOST}};
#define SECTIONS (sizeof sections / sizeof *sections)

struct reader {
	const char *path;
	const char *directory;
	const char *host; /* NULL: none was named */
	bool elsewhere;   /* the part in hand is another host's */
	bool checks;      /* it is not to be run, or not from here */
	struct mr_config *config;
	struct mr_arena arena;
	size_t faults;
};

/* A map in hand: the run's own, or a part's. */
struct place {
	enum mr_scope scope;
	const char *what; /* "the run", "a source" … */
	const char *type; /* of a part; NULL where it has none that is known */
	const struct mr_yaml *map;
	struct mr_config *config;
};

/* ---- saying what is wrong ---- */

#define WHERE "%s:%u:%u: "

static void fault(struct reader *reader, uint32_t line, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void fault(struct reader *reader, uint32_t line, uint32_t column, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (reader->faults++ < MR_TOPOLOGY_FAULTS_SHOWN)
		mr_log(MR_LOG_ERROR, WHERE "%s", reader->path, line, column, text);
}

#define SHOW(text) (int)mr_utf8_cut(text, SHOWN_MAX), (text).at

static const char *part_of(enum mr_scope scope)
{
	for (size_t i = 0; i < SECTIONS; i++) {
		if ((enum mr_scope)sections[i].kind == scope)
			return sections[i].part;
	}
	return "the run";
}

/* Where else a name stands, as "a source or a sink"; false where nowhere. */
static bool stands_elsewhere(struct mr_slice name, struct mr_buf *out)
{
	for (enum mr_scope scope = MR_SCOPE_RUN; scope <= MR_SCOPE_HOST; scope++) {
		const struct mr_setting_row *row = mr_setting_find(scope, name);
		if (row == NULL || !mr_setting_stands(row, scope))
			continue;
		mr_buf_printf(out, "%s%s%s", out->len > 0 ? " or " : "",
			      scope == MR_SCOPE_RUN ? "" : "a ", part_of(scope));
	}
	return out->len > 0;
}

static const char *nearest(enum mr_scope scope, struct mr_slice name)
{
	const char *names[NAMES_MAX];
	size_t count = 0;
	for (size_t i = 0; i < mr_settings_count && count < NAMES_MAX - SECTIONS; i++) {
		if (mr_setting_stands(&mr_settings[i], scope))
			names[count++] = mr_settings[i].name;
	}
	for (size_t i = 0; i < SECTIONS && scope == MR_SCOPE_RUN; i++)
		names[count++] = sections[i].key;
	return mr_text_nearest(name, names, count);
}

static void unknown(struct reader *reader, const struct place *place, const struct mr_yaml *key)
{
	struct mr_buf elsewhere = {0};
	const char *near = nearest(place->scope, key->text);
	if (stands_elsewhere(key->text, &elsewhere))
		fault(reader, key->line, key->column, "\"%.*s\" is a setting of %.*s, not of %s",
		      SHOW(key->text), (int)elsewhere.len, elsewhere.data, place->what);
	else if (near != NULL)
		fault(reader, key->line, key->column,
		      "%s has no setting \"%.*s\"; is \"%s\" meant?", place->what, SHOW(key->text),
		      near);
	else
		fault(reader, key->line, key->column,
		      "%s has no setting \"%.*s\" (millrace check --settings says all)",
		      place->what, SHOW(key->text));
	mr_buf_fini(&elsewhere);
}

/* ---- one value ---- */

/* A text of the topology file as a C string; false, with the fault said, where it cannot be one. */
static bool read_text(struct reader *reader, const struct mr_setting_row *row,
		      const struct mr_yaml *node, const char **out)
{
	bool flag = row->kind == MR_SETTING_FLAG;
	if (node->kind != MR_YAML_SCALAR)
		fault(reader, node->line, node->column, "%s is %s, and takes a single value%s",
		      row->name, mr_yaml_what(node),
		      mr_setting_often(row) ? ", or a list of them" : "");
	else if (node->type == MR_YAML_NULL || node->text.len == 0)
		fault(reader, node->line, node->column, "%s has no value; it takes %s", row->name,
		      *row->argument != '\0' ? row->argument : "true or false");
	else if (node->type == MR_YAML_BOOL && !flag)
		fault(reader, node->line, node->column,
		      "%s is true or false here; put a text in quotes", row->name);
	else if (flag && node->type != MR_YAML_BOOL)
		fault(reader, node->line, node->column, "%s: \"%.*s\" is not true or false",
		      row->name, SHOW(node->text));
	else if (node->text.len >= PATH_MAX)
		fault(reader, node->line, node->column, "%s: longer than %d bytes", row->name,
		      PATH_MAX - 1);
	else if (memchr(node->text.at, '\0', node->text.len) != NULL)
		fault(reader, node->line, node->column, "%s: a zero byte is in it", row->name);
	else {
		*out = flag ? node->truth ? "true" : "false"
			    : mr_arena_copy(&reader->arena, node->text.at, node->text.len);
		return true;
	}
	return false;
}

static bool read_secret(struct reader *reader, const char *text, char **path_out,
			struct mr_error *error)
{
	struct mr_buf bytes = {0};
	enum mr_err err = mr_secret_path(text, reader->directory, path_out, error);
	if (err == MR_OK)
		err = mr_secret_read(*path_out, &bytes, error);
	if (bytes.len > 0)
		explicit_bzero(bytes.data, bytes.len);
	mr_buf_fini(&bytes);
	return err == MR_OK;
}

/* Whether the setting names what none but the service sees. */
static bool is_out_of_sight(struct reader *reader, const struct mr_setting_row *row,
			    const struct mr_yaml *node, const char *text)
{
	if (row->kind != MR_SETTING_SECRET)
		return false;
	if (reader->elsewhere)
		return true; /* another host's is none of ours to look at */
	if (!reader->checks || !mr_secret_is_elsewhere(text))
		return false;
	mr_log(MR_LOG_WARNING,
	       WHERE "%s: %s is not looked at: systemd gives it to the service alone "
		     "(LoadCredential= in its unit), and without it the service does not run",
	       reader->path, node->line, node->column, row->name, text);
	return true;
}

static void read_value(struct reader *reader, const struct mr_setting_row *row,
		       const struct mr_yaml *node, struct mr_config *config)
{
	struct mr_error error = {0};
	const char *text;
	char *path = NULL;
	int64_t unused;
	if (!read_text(reader, row, node, &text))
		return;
	bool good = mr_setting_read(row, text, &unused, &error) == MR_OK;
	if (good && is_out_of_sight(reader, row, node, text)) {
		mr_config_add(reader->config, "unseen", row->name);
		return;
	}
	if (row->kind == MR_SETTING_SECRET)
		good = read_secret(reader, text, &path, &error);
	else if (row->kind == MR_SETTING_PATH || row->kind == MR_SETTING_PATHS ||
		 row->kind == MR_SETTING_CERTIFICATES)
		path =
		    *text == '/' ? mr_strdup(text) : mr_asprintf("%s/%s", reader->directory, text);
	if (good)
		mr_config_add_at(config, row->name, path != NULL ? path : text, node->line,
				 node->column);
	else
		fault(reader, node->line, node->column, "%s: %s", row->name, error.text);
	free(path);
}

static void read_setting(struct reader *reader, const struct mr_setting_row *row,
			 const struct mr_yaml *node, struct mr_config *config)
{
	if (!mr_setting_often(row) || node->kind != MR_YAML_LIST) {
		read_value(reader, row, node, config);
		return;
	}
	if (node->count == 0)
		fault(reader, node->line, node->column, "%s: the list is empty", row->name);
	if (node->count > MR_TOPOLOGY_VALUES_MAX)
		fault(reader, node->line, node->column, "%s: more than %d values", row->name,
		      MR_TOPOLOGY_VALUES_MAX);
	for (uint32_t i = 0; i < node->count && i < MR_TOPOLOGY_VALUES_MAX; i++)
		read_value(reader, row, node->items[i], config);
}

/* ---- a map of settings ---- */

/* A part without a type that is known has said so already. */
static bool typed(const struct place *place)
{
	return place->scope == MR_SCOPE_RUN || place->scope == MR_SCOPE_HOST || place->type != NULL;
}

static bool fits(struct reader *reader, const struct place *place, const struct mr_yaml *key,
		 const struct mr_setting_row *row)
{
	bool required;
	if (!typed(place) || mr_setting_fits(row, place->type, &required))
		return true;
	fault(reader, key->line, key->column, "%s of type %s has no setting \"%s\"", place->what,
	      place->type, row->name);
	return false;
}

static void check_required(struct reader *reader, const struct place *place)
{
	for (size_t i = 0; i < mr_settings_count; i++) {
		const struct mr_setting_row *row = &mr_settings[i];
		bool required;
		if (!mr_setting_stands(row, place->scope) ||
		    !mr_setting_fits(row, place->type, &required) || !required ||
		    mr_yaml_get(place->map, row->name) != NULL)
			continue;
		fault(reader, place->map->line, place->map->column, "%s%s%s needs \"%s\": %s",
		      place->what, place->type != NULL ? " of type " : "",
		      place->type != NULL ? place->type : "", row->name, row->prose);
	}
}

static const struct section *section_of(struct mr_slice key)
{
	for (size_t i = 0; i < SECTIONS; i++) {
		if (mr_slice_eq(key, mr_slice(sections[i].key)))
			return &sections[i];
	}
	return NULL;
}

static void read_map(struct reader *reader, const struct place *place)
{
	for (uint32_t i = 0; i < place->map->count; i++) {
		const struct mr_yaml *key = place->map->keys[i];
		const struct mr_setting_row *row = mr_setting_find(place->scope, key->text);
		if (place->scope == MR_SCOPE_RUN && section_of(key->text) != NULL)
			continue;
		if (row == NULL || !mr_setting_stands(row, place->scope))
			unknown(reader, place, key);
		else if (row->kind != MR_SETTING_NAME && fits(reader, place, key, row))
			read_setting(reader, row, place->map->items[i], place->config);
	}
	check_required(reader, place);
}

/* ---- parts ---- */

static const char *read_name(struct reader *reader, const struct section *section,
			     const struct mr_yaml *map)
{
	const struct mr_setting_row *row =
	    mr_setting_find((enum mr_scope)section->kind, MR_SLICE("name"));
	const struct mr_yaml *node = mr_yaml_get(map, "name");
	const struct mr_part *other;
	struct mr_error error = {0};
	const char *name;
	int64_t unused;
	if (node == NULL || !read_text(reader, row, node, &name))
		return "";
	if (mr_setting_read(row, name, &unused, &error) != MR_OK)
		fault(reader, node->line, node->column, "name: %s", error.text);
	for (size_t i = 0; (other = mr_config_part(reader->config, section->kind, i)) != NULL;
	     i++) {
		if (strcmp(other->name, name) == 0)
			fault(reader, node->line, node->column,
			      "another %s is called \"%s\"; each needs a name of its own",
			      section->part, name);
	}
	return name;
}

/* Its type, where it is one of the closed list. */
static const char *read_type(struct reader *reader, const struct section *section,
			     const struct mr_yaml *map)
{
	const struct mr_setting_row *row =
	    mr_setting_find((enum mr_scope)section->kind, MR_SLICE("type"));
	const struct mr_yaml *node = mr_yaml_get(map, "type");
	int64_t unused;
	if (row == NULL || node == NULL || node->kind != MR_YAML_SCALAR)
		return NULL;
	const char *type = mr_arena_copy(&reader->arena, node->text.at, node->text.len);
	return mr_setting_read(row, type, &unused, NULL) == MR_OK ? type : NULL;
}

/* Standard input and output are there once. */
static void check_stream(struct reader *reader, const struct section *section,
			 const struct mr_yaml *node, const char *type)
{
	const struct mr_part *other;
	size_t count = 0;
	for (size_t i = 0; (other = mr_config_part(reader->config, section->kind, i)) != NULL;
	     i++) {
		const char *its = mr_config_get(&other->settings, "type", 0);
		count += its != NULL && strcmp(its, type) == 0;
	}
	if (count > 1)
		fault(reader, node->line, node->column, "another %s is of type %s; there is one %s",
		      section->part, type, type);
}

/* unix(7): the path has to fit an address, with a zero behind it. */
static void check_socket(struct reader *reader, const struct mr_yaml *node,
			 const struct mr_config *settings)
{
	const char *path = mr_config_get(settings, "path", 0);
	const size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;
	if (path == NULL)
		return;
	if (mr_config_count(settings, "path") > 1)
		fault(reader, node->line, node->column, "a source of type socket has one path");
	else if (strlen(path) > most)
		fault(reader, node->line, node->column,
		      "path: a socket's has at most %zu bytes, and this one %zu: %s", most,
		      strlen(path), path);
}

static void check_part(struct reader *reader, const struct section *section,
		       const struct mr_yaml *node, const char *type, const struct mr_part *part)
{
	if (type == NULL)
		return;
	if (strcmp(type, "stdin") == 0 || strcmp(type, "stdout") == 0)
		check_stream(reader, section, node, type);
	else if (strcmp(type, "socket") == 0)
		check_socket(reader, node, &part->settings);
}

static void read_part(struct reader *reader, const struct section *section,
		      const struct mr_yaml *node)
{
	char what[16];
	snprintf(what, sizeof what, "a %s", section->part);
	if (node->kind != MR_YAML_MAP) {
		fault(reader, node->line, node->column, "%s is a map of settings, not %s", what,
		      mr_yaml_what(node));
		return;
	}
	const char *name = read_name(reader, section, node);
	const char *type = read_type(reader, section, node);
	struct mr_part *part = mr_config_part_add(reader->config, section->kind, name);
	reader->elsewhere = section->kind == MR_PART_HOST &&
			    (reader->host == NULL || strcmp(reader->host, name) != 0);
	read_map(reader, &(struct place){.scope = (enum mr_scope)section->kind,
					 .what = what,
					 .type = type,
					 .map = node,
					 .config = &part->settings});
	reader->elsewhere = false;
	check_part(reader, section, node, type, part);
}

/* ---- hosts ---- */

/* The host that says it runs the group, NULL where none does; told where two do. */
static const struct mr_part *host_of(struct reader *reader, const struct mr_yaml *key,
				     const char *group)
{
	const struct mr_part *found = NULL;
	const struct mr_part *host;
	for (size_t i = 0; (host = mr_config_part(reader->config, MR_PART_HOST, i)) != NULL; i++) {
		const char *word;
		size_t at = 0;
		while ((word = mr_config_next(&host->settings, "groups", &at)) != NULL) {
			if (strcmp(word, group) != 0)
				continue;
			if (found != NULL)
				fault(reader, key->line, key->column,
				      "hosts: %s and %s both have the group %s; one host runs it",
				      found->name, host->name, group);
			found = host;
		}
	}
	return found;
}

static void check_groups(struct reader *reader, const struct mr_yaml *key)
{
	const struct mr_setting_row *row = mr_setting_find(MR_SCOPE_HOST, MR_SLICE("groups"));
	struct mr_slice word;
	for (size_t i = 0; (word = mr_setting_word(row, i)).len > 0; i++) {
		const char *group = mr_arena_copy(&reader->arena, word.at, word.len);
		const struct mr_part *host = host_of(reader, key, group);
		if (host == NULL)
			fault(reader, key->line, key->column,
			      "hosts: no host has the group %s; one has to run it", group);
		else if (host->number > 0 &&
			 (strcmp(group, "collect") == 0 || strcmp(group, "deliver") == 0))
			fault(reader, key->line, key->column,
			      "hosts: %s has the group %s; that runs on the first host, %s, which "
			      "keeps the journal and the books",
			      host->name, group,
			      mr_config_part(reader->config, MR_PART_HOST, 0)->name);
	}
}

/* What the host has of its own stands for what is the run's. */
static void take_own(struct mr_config *config, const struct mr_part *self)
{
	static const char *const names[] = {"state", "metrics_port"};
	mr_config_add(config, "host", self->name);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *own = mr_config_get(&self->settings, names[i], 0);
		if (own != NULL)
			mr_config_replace(config, names[i], own);
	}
}

static void check_self(struct reader *reader, const struct mr_yaml *key)
{
	const struct mr_part *host;
	struct mr_buf names = {0};
	const struct mr_part *self = NULL;
	for (size_t i = 0; (host = mr_config_part(reader->config, MR_PART_HOST, i)) != NULL; i++) {
		mr_buf_printf(&names, "%s%s", i == 0 ? "" : ", ", host->name);
		if (reader->host == NULL || strcmp(reader->host, host->name) != 0)
			continue;
		self = host;
	}
	if (self == NULL)
		fault(
		    reader, key->line, key->column,
		    reader->host == NULL
			? "hosts: this is a run over %.*s: name the one that this is, with --host%s"
			: "hosts: they are %.*s, and none is called \"%s\"",
		    SHOW(((struct mr_slice){names.data, names.len})),
		    reader->host == NULL ? "" : reader->host);
	else
		take_own(reader->config, self);
	mr_buf_fini(&names);
}

/* As many on each host, whatever it is made of. */
static void check_hosts(struct reader *reader, const struct mr_yaml *key)
{
	if (mr_config_parts(reader->config, MR_PART_HOST) > MR_HOSTS_MAX)
		fault(reader, key->line, key->column, "hosts: more than %d", MR_HOSTS_MAX);
	if (mr_config_parts(reader->config, MR_PART_HOST) < 2)
		fault(reader, key->line, key->column,
		      "hosts: a run over one host has no need of it; leave it out");
	if (mr_config_get(reader->config, "workers", 0) == NULL)
		fault(reader, key->line, key->column,
		      "hosts: a run over several hosts needs the run's \"workers\"");
	check_groups(reader, key);
	check_self(reader, key);
}

static void read_section(struct reader *reader, const struct section *section,
			 const struct mr_yaml *map)
{
	const struct mr_yaml *key = mr_yaml_key(map, section->key);
	const struct mr_yaml *node = mr_yaml_get(map, section->key);
	if (node == NULL) {
		if (section->kind != MR_PART_HOST)
			fault(reader, map->line, map->column,
			      "the run needs %s: a list of at least one", section->key);
		return;
	}
	if (node->kind != MR_YAML_LIST || node->count == 0) {
		fault(reader, key->line, key->column, "%s is a list of at least one %s, not %s",
		      section->key, section->part,
		      node->kind == MR_YAML_LIST ? "an empty one" : mr_yaml_what(node));
		return;
	}
	if (node->count > MR_TOPOLOGY_PARTS_MAX)
		fault(reader, node->line, node->column, "%s: more than %d", section->key,
		      MR_TOPOLOGY_PARTS_MAX);
	size_t before = reader->faults;
	for (uint32_t i = 0; i < node->count && i < MR_TOPOLOGY_PARTS_MAX; i++)
		read_part(reader, section, node->items[i]);
	if (section->kind == MR_PART_HOST && reader->faults == before)
		check_hosts(reader, key);
}

/* ---- the file ---- */

/* What the run says holds for each source that does not say it itself. */
static void inherit(struct mr_config *config)
{
	for (size_t i = 0; i < mr_settings_count; i++) {
		const char *name = mr_settings[i].name;
		const char *value = mr_setting_stands(&mr_settings[i], MR_SCOPE_RUN) &&
					    mr_setting_stands(&mr_settings[i], MR_SCOPE_SOURCE)
					? mr_config_get(config, name, 0)
					: NULL;
		for (size_t j = 0; j < config->part_count && value != NULL; j++) {
			struct mr_part *part = &config->parts[j];
			if (part->kind == MR_PART_SOURCE &&
			    mr_config_get(&part->settings, name, 0) == NULL)
				mr_config_add(&part->settings, name, value);
		}
	}
}

static void default_dead_letter(struct mr_config *config)
{
	const char *state = mr_config_get(config, "state", 0);
	if (state == NULL || mr_config_get(config, "dead_letter", 0) != NULL)
		return;
	char *path = mr_asprintf("%s/dead-letter.ndjson", state);
	mr_config_add(config, "dead_letter", path);
	free(path);
}

static void read_run(struct reader *reader, const struct mr_yaml *root)
{
	if (root->kind != MR_YAML_MAP) {
		fault(reader, root->line, root->column, "a topology is a map of settings, not %s",
		      mr_yaml_what(root));
		return;
	}
	read_map(reader, &(struct place){.scope = MR_SCOPE_RUN,
					 .what = "the run",
					 .map = root,
					 .config = reader->config});
	for (size_t i = 0; i < SECTIONS; i++)
		read_section(reader, &sections[i], root);
	const struct mr_yaml *hosts = mr_yaml_get(root, "hosts");
	if (hosts == NULL && reader->host != NULL)
		fault(reader, root->line, root->column,
		      "--host %s: this is no run over several hosts: it has no hosts",
		      reader->host);
	inherit(reader->config);
	default_dead_letter(reader->config);
}

static void read_documents(struct reader *reader, const struct mr_yaml_documents *documents)
{
	if (documents->count == 0)
		fault(reader, 1, 1, "nothing stands in it; a topology is a map of settings");
	for (uint32_t i = 0; i < documents->count; i++) {
		const struct mr_yaml_document *document = &documents->items[i];
		const struct mr_fault *bad = &document->fault;
		if (mr_fault_is(bad))
			fault(reader, bad->line, bad->column, "%.*s", (int)bad->reason.len,
			      bad->reason.at);
		else if (i > 0)
			fault(reader, document->root->line, document->root->column,
			      "a second document; a topology is one");
		else
			read_run(reader, document->root);
	}
}

/* So that hosts know whether they have the same. */
static void add_hash(struct reader *reader, struct mr_slice text)
{
	uint8_t hash[32];
	char shown[2 * sizeof hash + 1];
	mr_sha256(text.at, text.len, hash);
	for (size_t i = 0; i < sizeof hash; i++)
		snprintf(shown + 2 * i, 3, "%02x", hash[i]);
	mr_config_add(reader->config, "topology", shown);
}

static enum mr_err parse(struct reader *reader, struct mr_slice text, struct mr_error *error)
{
	struct mr_yaml_documents documents;
	*reader->config = (struct mr_config){0};
	mr_config_add(reader->config, "topology_file", reader->path);
	mr_yaml_parse(&reader->arena, text, &documents);
	read_documents(reader, &documents);
	if (mr_config_parts(reader->config, MR_PART_HOST) > 0)
		add_hash(reader, text);
	mr_arena_fini(&reader->arena);
	if (reader->faults == 0)
		return MR_OK;
	mr_config_fini(reader->config);
	return mr_error_set(error, MR_CONFIG, "%s: %zu fault%s%s", reader->path, reader->faults,
			    reader->faults == 1 ? "" : "s",
			    reader->faults > MR_TOPOLOGY_FAULTS_SHOWN ? ", the first ten are shown"
								      : "");
}

enum mr_err mr_topology_file_parse(struct mr_slice text, const char *path, const char *directory,
				   const char *host, struct mr_config *config_out,
				   struct mr_error *error)
{
	struct reader reader = {
	    .path = path, .directory = directory, .host = host, .config = config_out};
	return parse(&reader, text, error);
}

static enum mr_err load(const char *path, struct mr_buf *out, struct mr_error *error)
{
	char bytes[16384];
	ssize_t got = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return mr_error_errno(error, errno == ENOENT ? MR_NOT_FOUND : MR_CONFIG, "%s",
				      path);
	while (got != 0 && out->len <= MR_TOPOLOGY_FILE_MAX) {
		got = read(fd, bytes, sizeof bytes);
		if (got > 0)
			mr_buf_add(out, bytes, (size_t)got);
		else if (got < 0 && errno != EINTR)
			break;
	}
	enum mr_err err = MR_OK;
	if (got < 0)
		err = mr_error_errno(error, MR_CONFIG, "%s", path);
	else if (out->len > MR_TOPOLOGY_FILE_MAX)
		err = mr_error_set(error, MR_CONFIG, "%s: larger than 1 MiB", path);
	close(fd);
	return err;
}

/* Absolute: a worker may stand elsewhere, and so may whoever reads a message later. */
static enum mr_err directory_of(const char *path, char **out, struct mr_error *error)
{
	char *real = realpath(path, NULL);
	if (real == NULL)
		return mr_error_errno(error, MR_CONFIG, "%s", path);
	char *slash = strrchr(real, '/');
	slash[slash == real] = '\0';
	*out = real;
	return MR_OK;
}

static enum mr_err read_file(struct reader *reader, struct mr_error *error)
{
	struct mr_buf text = {0};
	char *directory = NULL;
	*reader->config = (struct mr_config){0};
	enum mr_err err = load(reader->path, &text, error);
	if (err == MR_OK)
		err = directory_of(reader->path, &directory, error);
	reader->directory = directory;
	if (err == MR_OK)
		err = parse(reader, (struct mr_slice){text.data, text.len}, error);
	free(directory);
	mr_buf_fini(&text);
	return err;
}

enum mr_err mr_topology_file_read(const char *path, const char *host, struct mr_config *config_out,
				  struct mr_error *error)
{
	struct reader reader = {.path = path, .host = host, .config = config_out};
	return read_file(&reader, error);
}

enum mr_err mr_topology_file_check(const char *path, const char *host, struct mr_config *config_out,
				   struct mr_error *error)
{
	struct reader reader = {.path = path, .host = host, .config = config_out, .checks = true};
	return read_file(&reader, error);
}
