/* files.c - the table of the files that records lie in: names for people, descriptors for pread.
 *
 * Called by collect (add), by the worker when the supervisor tells of a file (put), by the worker
 * and by deliver (read, name). Fails as file.h says. */
#include "files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "millrace/os.h"

/* More files than this in one run are refused: each takes a descriptor of every reader. */
#define FILES_MAX (1u << 20)

struct file {
	bool known;
	int fd;
	struct mr_slice name; /* owned */
};

struct mr_files {
	mr_files_register ask;
	void (*tell)(void *context, uint32_t number);
	void (*expect)(void *context, struct mr_slice name);
	bool keep; /* what is added */
	void *context;
	struct mr_slice names; /* of inputs that are only named */
	struct file *items;
	size_t count;
	size_t capacity;
};

struct mr_files *mr_files_new(mr_files_register ask, void *context)
{
	struct mr_files *files = mr_calloc(1, sizeof *files);
	files->ask = ask;
	files->context = context;
	return files;
}

void mr_files_free(struct mr_files *files)
{
	if (files == NULL)
		return;
	for (size_t i = 0; i < files->count; i++) {
		if (files->items[i].fd >= 0)
			close(files->items[i].fd);
		free((void *)(uintptr_t)files->items[i].name.at);
	}
	free(files->items);
	free(files);
}

void mr_files_set_names(struct mr_files *files, struct mr_slice table)
{
	files->names = table;
}

static void make_room(struct mr_files *files, uint32_t number)
{
	size_t need = (size_t)number + 1;
	if (need > files->capacity) {
		files->capacity = mr_grow(files->capacity, need);
		files->items = mr_realloc(files->items, files->capacity * sizeof *files->items);
	}
	for (; files->count < need; files->count++)
		files->items[files->count] = (struct file){.fd = -1};
}

enum mr_err mr_files_put(struct mr_files *files, uint32_t number, int fd, struct mr_slice name,
			 struct mr_error *error)
{
	if (number >= FILES_MAX || (number < files->count && files->items[number].known)) {
		if (fd >= 0)
			close(fd);
		return mr_error_set(error, MR_PROTOCOL, "file number %u: given twice, or past %u",
				    number, FILES_MAX);
	}
	make_room(files, number);
	char *copy = mr_malloc(name.len + 1);
	memcpy(copy, name.at, name.len);
	copy[name.len] = 0;
	files->items[number] =
	    (struct file){.known = true, .fd = fd, .name = {.at = copy, .len = name.len}};
	return MR_OK;
}

enum mr_err mr_files_add(struct mr_files *files, int fd, struct mr_slice name, uint32_t *number_out,
			 struct mr_error *error)
{
	enum mr_err err = files->ask(files->context, fd, name, number_out, error);
	if (err != MR_OK)
		return err;
	int own = files->keep && fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	if (files->keep && fd >= 0 && own < 0)
		return mr_error_errno(error, MR_IO, "no descriptor is left for a file");
	return mr_files_put(files, *number_out, own, name, error);
}

void mr_files_keep(struct mr_files *files)
{
	files->keep = true;
}

void mr_files_on_drop(struct mr_files *files, void (*tell)(void *context, uint32_t number))
{
	files->tell = tell;
}

void mr_files_on_expect(struct mr_files *files, void (*expect)(void *context, struct mr_slice name))
{
	files->expect = expect;
}

void mr_files_expect(struct mr_files *files, struct mr_slice name)
{
	if (files->expect != NULL)
		files->expect(files->context, name);
}

void mr_files_forget(struct mr_files *files, uint32_t number)
{
	if (number >= files->count || !files->items[number].known)
		return;
	struct file *file = &files->items[number];
	if (file->fd >= 0)
		close(file->fd);
	free((void *)(uintptr_t)file->name.at);
	*file = (struct file){.fd = -1};
}

void mr_files_drop(struct mr_files *files, uint32_t number)
{
	mr_files_forget(files, number);
	if (files->tell != NULL)
		files->tell(files->context, number);
}

static const struct file *find(const struct mr_files *files, uint32_t number)
{
	if (number >= files->count || !files->items[number].known)
		return NULL;
	return &files->items[number];
}

struct mr_slice mr_files_name(const struct mr_files *files, uint32_t number)
{
	if (number >= MR_FILES_NAMED)
		return mr_names_at(files->names, number - MR_FILES_NAMED);
	const struct file *file = find(files, number);
	return file == NULL ? (struct mr_slice){0} : file->name;
}

enum mr_err mr_files_read(const struct mr_files *files, uint32_t number, uint64_t position,
			  char *out, size_t len, struct mr_error *error)
{
	const struct file *file = find(files, number);
	if (file == NULL || file->fd < 0)
		return mr_error_set(error, MR_NOT_FOUND, "file number %u: no such file to read",
				    number);
	if (position > INT64_MAX || len > INT64_MAX - position)
		return mr_error_set(error, MR_BAD_INPUT, "%s: a position past the end of any file",
				    file->name.at);
	size_t done;
	enum mr_read read = mr_os_read(file->fd, out, len, position, &done);
	if (read == MR_READ_FAILED)
		return mr_error_errno(error, MR_IO, "%s: offset %llu: cannot read", file->name.at,
				      (unsigned long long)position + done);
	if (read == MR_READ_SHORT)
		return mr_error_set(error, MR_BAD_INPUT,
				    "%s: offset %llu: the file became shorter while it was read; "
				    "records reached to offset %llu; leave it alone while it is "
				    "scanned",
				    file->name.at, (unsigned long long)position + done,
				    (unsigned long long)position + len);
	return MR_OK;
}
