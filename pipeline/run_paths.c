/* run_paths.c - whether what a run reads is there, and what it writes can be made.
 *
 * Called ahead of prepare. Looks only: another process may change all of it the moment after, and
 * whoever opens says what he meets. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/log.h"
#include "millrace/own_file.h"
#include "run_plan.h"
#include "state_dir.h"

/* Where a file lies, or will, all links followed. */
struct place {
	bool known;
	struct stat folder;
	char base[NAME_MAX + 1];
	char rest[PATH_MAX]; /* below it, where it is a folder that is not there */
};
/* A path of which the run makes something. */
struct claim {
	const char *path; /* borrowed */
	char *name;       /* for messages */
	const char *what; /* is done there */
	struct place place;
};
struct paths {
	struct mr_config *config;
	struct claim *claims;
	size_t count;
	size_t faults;
};

static void fault(struct paths *paths, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where the path stands in the topology file is told, too. */
static void fault(struct paths *paths, const char *path, const char *format, ...)
{
	char text[1024];
	struct mr_error error;
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	mr_error_set(&error, MR_CONFIG, "%s", text);
	mr_config_blame(paths->config, path, &error);
	mr_log(MR_LOG_ERROR, "%s", error.text);
	paths->faults++;
}

/* ---- what is written ---- */

/* The folder that a path's last part lies in; the caller's to free. */
static char *folder_of(const char *path)
{
	const char *end = path + strlen(path);
	while (end > path + 1 && end[-1] == '/')
		end--;
	while (end > path && end[-1] != '/')
		end--;
	while (end > path + 1 && end[-1] == '/')
		end--;
	return mr_asprintf("%.*s", (int)(end - path), path);
}

static bool check_folder(struct paths *paths, const char *name, const char *path)
{
	char *folder = folder_of(path);
	bool good = access(folder, W_OK | X_OK) == 0;
	if (!good)
		fault(paths, path, "%s %s: nothing can be made in %s: %s", name, path, folder,
		      strerror(errno));
	free(folder);
	return good;
}

/* What stands behind the first folder that is not there, however it is spelt. */
static void find_rest(const char *path, struct place *out)
{
	struct stat about;
	const char *at = strchr(path + 1, '/');
	for (bool there = true; there && at != NULL;) {
		char *folder = mr_asprintf("%.*s", (int)(at - path), path);
		there = stat(folder, &about) == 0;
		at = there ? strchr(at + 1, '/') : at;
		free(folder);
	}
	while (at != NULL) {
		const char *name = at + strspn(at, "/");
		size_t len = strcspn(name, "/"), used = strlen(out->rest);
		if (len > 0 && strncmp(name, "./", len + 1) != 0)
			snprintf(out->rest + used, sizeof out->rest - used, "/%.*s", (int)len,
				 name);
		at = name[len] == '/' ? name + len : NULL;
	}
}

/* Of what is not there yet glibc leaves the path that is lacking, with all links followed. */
static void find_place(const char *path, struct place *out)
{
	char real[PATH_MAX];
	*out = (struct place){0};
	if (realpath(path, real) == NULL && errno != ENOENT)
		return;
	char *folder = folder_of(real);
	out->known = stat(folder, &out->folder) == 0;
	snprintf(out->base, sizeof out->base, "%s", strrchr(real, '/') + 1);
	find_rest(path, out);
	free(folder);
}

/* For collect, which must not read it again. */
static void note_place(struct paths *paths, const struct place *place, const char *name)
{
	if (place->known)
		mr_own_places_add(paths->config, &place->folder, place->base, name);
}

static void check_trust(struct paths *paths, const char *path)
{
	struct mr_error error = {0};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fault(paths, path, "state %s: %s", path, strerror(errno));
	else if (mr_state_dir_trust(fd, path, &error) != MR_OK)
		fault(paths, path, "state %s", error.text);
	if (fd >= 0)
		close(fd);
}

static void check_state(struct paths *paths, const char *path)
{
	struct place place;
	struct stat about;
	find_place(path, &place);
	note_place(paths, &place, "the state directory");
	if (stat(path, &about) == 0)
		mr_own_places_add(paths->config, &about, "", "the state directory");
	if (stat(path, &about) != 0) {
		if (errno == ENOENT)
			check_folder(paths, "state", path);
		else
			fault(paths, path, "state %s: %s", path, strerror(errno));
	} else if (!S_ISDIR(about.st_mode)) {
		fault(paths, path, "state %s: it is no directory", path);
	} else if (access(path, R_OK | W_OK | X_OK) != 0) {
		fault(paths, path, "state %s: %s", path, strerror(errno));
	} else {
		check_trust(paths, path);
	}
}

static bool same_file(const struct claim *a, const struct claim *b)
{
	struct stat first, second;
	if (a->place.known && b->place.known && a->place.folder.st_dev == b->place.folder.st_dev &&
	    a->place.folder.st_ino == b->place.folder.st_ino &&
	    strcmp(a->place.base, b->place.base) == 0 && strcmp(a->place.rest, b->place.rest) == 0)
		return true;
	return stat(a->path, &first) == 0 && stat(b->path, &second) == 0 &&
	       S_ISREG(first.st_mode) && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

/* Nobody else shall make something there. Takes the name. */
static const struct claim *claim(struct paths *paths, char *name, const char *path,
				 const char *what)
{
	struct claim *own = &paths->claims[paths->count];
	*own = (struct claim){.path = path, .name = name, .what = what};
	find_place(path, &own->place);
	for (size_t i = 0; i < paths->count; i++) {
		const struct claim *other = &paths->claims[i];
		if (same_file(own, other))
			fault(paths, path, "%s %s: %s %s too", name, path, other->name,
			      other->what);
	}
	paths->count++;
	return own;
}

/* Takes the name. */
static void add_written(struct paths *paths, char *name, const char *path)
{
	const struct claim *own = claim(paths, name, path, "writes that file");
	struct stat about;
	note_place(paths, &own->place, name);
	if (stat(path, &about) != 0) {
		if (errno != ENOENT)
			fault(paths, path, "%s %s: %s", name, path, strerror(errno));
		else
			check_folder(paths, name, path);
	} else if (S_ISDIR(about.st_mode)) {
		fault(paths, path, "%s %s: it is a directory; name a file", name, path);
	} else if (!S_ISREG(about.st_mode)) {
		fault(paths, path,
		      "%s %s: it is no regular file: nothing written there could be kept from "
		      "standing there twice",
		      name, path);
	} else if (access(path, W_OK) != 0) {
		fault(paths, path, "%s %s: %s", name, path, strerror(errno));
	} else {
		char *told = mr_asprintf("%s %s", name, path);
		mr_own_files_add(paths->config, about.st_dev, about.st_ino, told);
		free(told);
	}
}

/* Of the dead letter the state directory may be the folder, and that may not be there yet. */
static void check_dead_letter(struct paths *paths, const char *state, const char *path)
{
	char *folder = folder_of(path);
	bool with_state = strcmp(folder, state) == 0 && access(state, F_OK) != 0;
	free(folder);
	if (!with_state)
		add_written(paths, mr_strdup("dead_letter"), path);
}

/* In a state directory that no run has been in. Who means to go on has named another one, or its
 * disk is not mounted. */
static void warn_of_before(const char *state, const struct mr_part *sink, const char *path)
{
	struct stat about;
	char *spool = mr_asprintf("%s/spool", state);
	bool is_new = access(spool, F_OK) != 0 && errno == ENOENT;
	free(spool);
	if (is_new && stat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0)
		mr_log(MR_LOG_WARNING,
		       "state %s: no run has been there yet: all that its sources have is read "
		       "from its beginning, and what alerts sink %s has from before (%s, %lld "
		       "bytes) may come to stand there again",
		       state, sink->name, path, (long long)about.st_size);
}

static void check_written(struct paths *paths)
{
	const char *state = mr_config_get(paths->config, "state", 0);
	const char *dead_letter = mr_config_get(paths->config, "dead_letter", 0);
	const struct mr_part *sink;
	if (dead_letter != NULL)
		check_dead_letter(paths, state, dead_letter);
	for (size_t i = 0; (sink = mr_config_part(paths->config, MR_PART_SINK, i)) != NULL; i++) {
		const char *path = mr_config_get(&sink->settings, "path", 0);
		if (path == NULL)
			continue;
		add_written(paths, mr_asprintf("sink %s", sink->name), path);
		warn_of_before(state, sink, path);
	}
}

/* ---- what is read ---- */

static void check_read(struct paths *paths, const char *name, const char *path)
{
	if (access(path, R_OK) != 0)
		fault(paths, path, "%s %s: %s", name, path, strerror(errno));
}

/* True where all is there that the tables are made from. */
static bool check_tables(struct paths *paths)
{
	static const char *const often[] = {"rules", "geoip"};
	static const char *const once[] = {"identity", "networks", "placeholders"};
	size_t before = paths->faults;
	for (size_t i = 0; i < sizeof often / sizeof *often; i++) {
		const char *path;
		size_t at = 0;
		while ((path = mr_config_next(paths->config, often[i], &at)) != NULL)
			check_read(paths, often[i], path);
	}
	for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
		const char *path = mr_config_get(paths->config, once[i], 0);
		if (path != NULL)
			check_read(paths, once[i], path);
	}
	return paths->faults == before;
}

/* Followed logs may begin later, and so may their folder. */
static void say_absent(struct paths *paths, const struct mr_part *source, const char *path,
		       int number)
{
	if (number == ENOENT && mr_config_flag(&source->settings, "follow"))
		mr_log(MR_LOG_WARNING, "source %s: %s is not there yet; it is waited for",
		       source->name, path);
	else
		fault(paths, path, "source %s %s: %s", source->name, path, strerror(number));
}

/* Whoever reads what fits it says what cannot be read. */
static void check_pattern(struct paths *paths, const struct mr_part *source, const char *path)
{
	glob_t found;
	if (glob(path, 0, NULL, &found) == 0)
		globfree(&found);
	else
		say_absent(paths, source, path, ENOENT);
}

static void check_input(struct paths *paths, const struct mr_part *source, const char *path)
{
	struct stat about;
	if (mr_path_is_pattern(path)) {
		check_pattern(paths, source, path);
	} else if (stat(path, &about) != 0) {
		say_absent(paths, source, path, errno);
	} else if (access(path, S_ISDIR(about.st_mode) ? R_OK | X_OK : R_OK) != 0) {
		fault(paths, path, "source %s %s: %s", source->name, path, strerror(errno));
	}
}

static void check_socket(struct paths *paths, const struct mr_part *source, const char *path)
{
	struct stat about;
	char *name = mr_asprintf("source %s", source->name);
	claim(paths, name, path, "listens there");
	if (stat(path, &about) != 0)
		check_folder(paths, name, path);
	else if (!S_ISSOCK(about.st_mode))
		fault(paths, path, "%s %s: something that is no socket is there", name, path);
}

static void check_sources(struct paths *paths)
{
	const struct mr_part *source;
	for (size_t i = 0; (source = mr_config_part(paths->config, MR_PART_SOURCE, i)) != NULL;
	     i++) {
		const char *path;
		size_t at = 0;
		while ((path = mr_config_next(&source->settings, "path", &at)) != NULL) {
			if (mr_config_is(&source->settings, "type", "socket"))
				check_socket(paths, source, path);
			else
				check_input(paths, source, path);
		}
	}
}

enum mr_err mr_plan_paths(struct mr_config *config, bool all, bool *tables_out,
			  struct mr_error *error)
{
	struct paths paths = {.config = config};
	*tables_out = check_tables(&paths);
	paths.claims = mr_calloc(config->part_count + 1, sizeof *paths.claims);
	check_state(&paths, mr_config_get(config, "state", 0));
	if (all) {
		check_written(&paths);
		check_sources(&paths);
	}
	for (size_t i = 0; i < paths.count; i++)
		free(paths.claims[i].name);
	free(paths.claims);
	if (paths.faults == 0)
		return MR_OK;
	return mr_error_set(error, MR_CONFIG, "%zu path%s not as the run needs", paths.faults,
			    paths.faults == 1 ? " is" : "s are");
}
