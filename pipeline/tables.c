/* tables.c - blobs that all workers share: named descriptors, mostly sealed memfds.
 *
 * Filled by the stages' prepare in the supervisor, carried to each worker by the supervisor, mapped
 * by the stages' open. A sealed memfd can neither change nor shrink, so a mapping of it cannot
 * fault. */
#include "tables.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/os.h"
#include "millrace/secret.h"

#define STAT_BLOCK_BYTES 512 /* of st_blocks, whatever the file's own are (inode(7)) */

struct table {
	char name[MR_TABLE_NAME_MAX];
	int fd;
	size_t size_bytes;
	bool hashed;
	uint64_t hash; /* of its bytes, where it is known */
};
struct mr_tables {
	struct table *items;
	size_t count;
	size_t capacity;
};

struct mr_tables *mr_tables_new(void)
{
	return mr_calloc(1, sizeof(struct mr_tables));
}

void mr_tables_free(struct mr_tables *tables)
{
	if (tables == NULL)
		return;
	for (size_t i = 0; i < tables->count; i++)
		close(tables->items[i].fd);
	free(tables->items);
	free(tables);
}

static const struct table *find(const struct mr_tables *tables, const char *name)
{
	for (size_t i = 0; i < tables->count; i++)
		if (strcmp(tables->items[i].name, name) == 0)
			return &tables->items[i];
	return NULL;
}

static struct table *add(struct mr_tables *tables, const char *name, int fd, size_t size_bytes)
{
	assert(fd >= 0 && strlen(name) < MR_TABLE_NAME_MAX && find(tables, name) == NULL);
	if (tables->count == tables->capacity) {
		tables->capacity = mr_grow(tables->capacity, tables->count + 1);
		tables->items =
		    mr_realloc(tables->items, tables->capacity * sizeof(*tables->items));
	}
	struct table *table = &tables->items[tables->count++];
	memcpy(table->name, name, strlen(name) + 1);
	table->fd = fd;
	table->size_bytes = size_bytes;
	table->hashed = false;
	table->hash = 0;
	return table;
}

void mr_tables_add(struct mr_tables *tables, const char *name, int fd, size_t size_bytes)
{
	add(tables, name, fd, size_bytes);
}

void mr_tables_add_hashed(struct mr_tables *tables, const char *name, int fd, size_t size_bytes,
			  uint64_t hash)
{
	struct table *table = add(tables, name, fd, size_bytes);
	table->hashed = true;
	table->hash = hash;
}

enum mr_err mr_tables_add_bytes(struct mr_tables *tables, const char *name, struct mr_slice bytes,
				struct mr_error *error)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return mr_error_errno(error, MR_IO, "table %s: cannot make a memory file", name);
	enum mr_err err = MR_OK;
	if (!mr_os_write_all(fd, bytes))
		err =
		    mr_error_errno(error, mr_error_of_write(errno),
				   "table %s: cannot write %zu bytes into memory", name, bytes.len);
	if (err == MR_OK && !mr_os_seal(fd))
		err = mr_error_errno(error, MR_IO, "table %s: cannot seal the memory file", name);
	if (err != MR_OK) {
		close(fd);
		return err;
	}
	mr_tables_add(tables, name, fd, bytes.len);
	return MR_OK;
}

bool mr_tables_find(const struct mr_tables *tables, const char *name, int *fd_out,
		    size_t *size_bytes_out)
{
	const struct table *table = find(tables, name);
	if (table == NULL)
		return false;
	*fd_out = table->fd;
	*size_bytes_out = table->size_bytes;
	return true;
}

/* A mapping past a file's end would fault later, in the middle of a look-up. */
static enum mr_err check_size(const struct table *table, struct mr_error *error)
{
	struct stat about;
	if (fstat(table->fd, &about) != 0)
		return mr_error_errno(error, MR_IO, "table %s: cannot ask for its size",
				      table->name);
	if (about.st_size < 0 || (uint64_t)about.st_size < table->size_bytes)
		return mr_error_set(error, MR_IO, "table %s: it has %lld bytes, %zu were promised",
				    table->name, (long long)about.st_size, table->size_bytes);
	return MR_OK;
}

static enum mr_err map(const struct table *table, struct mr_slice *bytes_out,
		       struct mr_error *error)
{
	*bytes_out = (struct mr_slice){"", 0};
	if (table->size_bytes == 0)
		return MR_OK;
	enum mr_err err = check_size(table, error);
	if (err != MR_OK)
		return err;
	const char *at = mr_os_map(table->fd, table->size_bytes);
	if (at == NULL)
		return mr_error_errno(error, MR_IO, "table %s: cannot map %zu bytes", table->name,
				      table->size_bytes);
	*bytes_out = (struct mr_slice){at, table->size_bytes};
	return MR_OK;
}

enum mr_err mr_tables_map(const struct mr_tables *tables, const char *name,
			  struct mr_slice *bytes_out, struct mr_error *error)
{
	const struct table *table = find(tables, name);
	*bytes_out = (struct mr_slice){"", 0};
	if (table == NULL)
		return mr_error_set(error, MR_NOT_FOUND, "there is no table %s", name);
	return map(table, bytes_out, error);
}

void mr_tables_unmap(struct mr_slice bytes)
{
	if (bytes.len > 0)
		mr_os_unmap(bytes.at, bytes.len);
}

bool mr_tables_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & F_SEAL_WRITE) != 0;
}

bool mr_tables_secret(const char *name)
{
	return strncmp(name, MR_SECRETS_PREFIX, strlen(MR_SECRETS_PREFIX)) == 0;
}

/* Seals are for files in memory only (fcntl(2)), and one without a name is nobody else's. */
static bool is_memory(int fd, const struct stat *about)
{
	return about->st_nlink == 0 && fcntl(fd, F_GET_SEALS) >= 0;
}

uint64_t mr_tables_taken(const struct mr_tables *tables)
{
	uint64_t taken = 0;
	for (size_t i = 0; i < tables->count; i++) {
		struct stat about;
		int fd = tables->items[i].fd;
		if (fstat(fd, &about) == 0 && is_memory(fd, &about))
			taken += (uint64_t)about.st_blocks * STAT_BLOCK_BYTES;
	}
	return taken;
}

bool mr_table_belongs_to(const char *name, const char *owner)
{
	size_t len = strlen(owner);
	return strncmp(name, owner, len) == 0 && name[len] == '.';
}

size_t mr_tables_count(const struct mr_tables *tables)
{
	return tables->count;
}

void mr_tables_at(const struct mr_tables *tables, size_t index, const char **name_out, int *fd_out,
		  size_t *size_bytes_out)
{
	assert(index < tables->count);
	*name_out = tables->items[index].name;
	*fd_out = tables->items[index].fd;
	*size_bytes_out = tables->items[index].size_bytes;
}

enum mr_err mr_tables_hash(const struct mr_tables *tables, size_t index, uint64_t *hash_out,
			   struct mr_error *error)
{
	assert(index < tables->count);
	const struct table *table = &tables->items[index];
	struct mr_slice bytes;
	*hash_out = table->hash;
	if (table->hashed)
		return MR_OK;
	enum mr_err err = map(table, &bytes, error);
	if (err != MR_OK)
		return err;
	*hash_out = mr_hash64(bytes.at, bytes.len, 0);
	mr_tables_unmap(bytes);
	return MR_OK;
}
