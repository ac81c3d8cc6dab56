/* sigma_file.c - finding and reading rule files.
 *
 * Called by sigma_load.c and sigma_placeholder.c. Fails where a path cannot be read. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/folder.h"
#include "sigma_file.h"

#define FOLDERS_MAX 32 /* folders within folders */
#define FILES_MAX 100000

enum mr_err sigma_file_read(const char *path, size_t max, struct mr_buf *out,
			    struct mr_error *error)
{
	/* A pipe may be given, too; one that nobody writes to is at its end. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return mr_error_errno(error, MR_CONFIG, "%s", path);
	while (out->len <= max) {
		size_t want = max + 1 - out->len < 65536 ? max + 1 - out->len : 65536;
		ssize_t got = read(fd, mr_buf_reserve(out, want), want);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
			continue;
		}
		if (got < 0) {
			int code = errno;
			close(fd);
			errno = code;
			return mr_error_errno(error, MR_CONFIG, "%s", path);
		}
		if (got == 0)
			break;
		out->len += (size_t)got;
	}
	close(fd);
	return MR_OK;
}

/* Whether the file was met before, by whatever path; from now on it was. */
static bool is_known(struct sigma_files *files, const struct stat *info)
{
	uint64_t key[] = {info->st_dev, info->st_ino};

	if (sigma_index_find(&files->seen, (struct mr_slice){(char *)key, sizeof(key)}) != NULL)
		return true;
	struct mr_slice own = {mr_arena_copy(&files->arena, (char *)key, sizeof(key)), sizeof(key)};
	sigma_index_add(&files->seen, &files->arena, own, files);
	return false;
}

static enum mr_err add_file(struct sigma_files *files, const char *path, const struct stat *info,
			    struct mr_error *error)
{
	if (is_known(files, info))
		return MR_OK;
	if (files->count == FILES_MAX)
		return mr_error_set(error, MR_CONFIG, "%s: more than 100,000 rule files", path);
	if (files->count == files->capacity) {
		files->capacity = mr_grow(files->capacity, files->count + 1);
		files->items = mr_realloc(files->items, files->capacity * sizeof(*files->items));
	}
	files->items[files->count++] = mr_strdup(path);
	return MR_OK;
}

static bool is_yaml(const char *name)
{
	size_t len = strlen(name);

	return (len > 4 && strcmp(name + len - 4, ".yml") == 0) ||
	       (len > 5 && strcmp(name + len - 5, ".yaml") == 0);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

struct names {
	char **items;
	size_t count;
	size_t capacity;
};

static bool take_name(void *context, int folder, const char *name)
{
	struct names *names = context;

	(void)folder;
	if (name[0] == '.')
		return true;
	if (names->count == names->capacity) {
		names->capacity = mr_grow(names->capacity, names->count + 1);
		names->items = mr_realloc(names->items, names->capacity * sizeof(char *));
	}
	names->items[names->count++] = mr_strdup(name);
	return true;
}

/* The names in a folder, sorted; also where it fails they are the caller's. */
static enum mr_err list_folder(const char *path, struct names *out, struct mr_error *error)
{
	if (!mr_folder_list_path(path, take_name, out))
		return mr_error_errno(error, MR_CONFIG, "%s", path);
	if (out->count > 0)
		qsort(out->items, out->count, sizeof(char *), compare_names);
	return MR_OK;
}

static enum mr_err add_folder(struct sigma_files *files, const char *path, unsigned depth,
			      struct mr_error *error);

static enum mr_err add_entry(struct sigma_files *files, const char *path, const char *name,
			     unsigned depth, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	struct stat own, info;

	if (lstat(path, &own) < 0 || (S_ISLNK(own.st_mode) && stat(path, &info) < 0))
		return is_yaml(name) ? mr_error_errno(error, MR_CONFIG, "%s", path) : MR_OK;
	if (!S_ISLNK(own.st_mode))
		info = own;
	if (S_ISDIR(own.st_mode))
		err = add_folder(files, path, depth + 1, error);
	else if (S_ISREG(info.st_mode) && is_yaml(name))
		err = add_file(files, path, &info, error);
	return err;
}

static enum mr_err add_folder(struct sigma_files *files, const char *path, unsigned depth,
			      struct mr_error *error)
{
	struct names names = {0};
	enum mr_err err;

	if (depth > FOLDERS_MAX)
		return mr_error_set(error, MR_CONFIG, "%s: more than 32 folders within folders",
				    path);
	err = list_folder(path, &names, error);
	for (size_t at = 0; at < names.count; at++) {
		size_t len = strlen(path);
		bool slash = len > 0 && path[len - 1] == '/';
		char *whole = mr_asprintf("%s%s%s", path, slash ? "" : "/", names.items[at]);
		if (err == MR_OK)
			err = add_entry(files, whole, names.items[at], depth, error);
		free(whole);
		free(names.items[at]);
	}
	free(names.items);
	return err;
}

enum mr_err sigma_files_find(struct sigma_files *files, const char *path, struct mr_error *error)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return mr_error_errno(error, MR_CONFIG, "%s", path);
	if (S_ISDIR(info.st_mode))
		return add_folder(files, path, 0, error);
	return add_file(files, path, &info, error);
}

void sigma_files_fini(struct sigma_files *files)
{
	for (size_t at = 0; at < files->count; at++)
		free(files->items[at]);
	free(files->items);
	sigma_index_fini(&files->seen);
	mr_arena_fini(&files->arena);
	*files = (struct sigma_files){0};
}
