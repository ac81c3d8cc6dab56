/* generation.c - the rules and databases that judge: their name, their way to disk and back.
 *
 * Called by service.c, and in the process that prepares a reload by reload_prepare.c. A set's
 * layout: "MRGENER\n", u32 version, u64 hash of the program, u64 length of the body, the body in
 * msgpack, u64 XXH3 over all before it; numbers little-endian. */
#include "generation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"
#include "millrace/folder.h"
#include "millrace/os.h"
#include "millrace/xxh3.h"
#include "spawn.h"

#define DIRECTORY "generations"
#define MAGIC "MRGENER\n"
#define MAGIC_LEN 8
#define VERSION 1
#define HEAD (MAGIC_LEN + 4 + 8 + 8)
#define SET_MAX (64 << 20)
#define TABLE_MAX (SIZE_MAX / 2)
#define TABLES_MAX 1024
#define PIECE_BYTES (256 << 10)
#define NAME_MAX_BYTES 32

void mr_generation_fini(struct mr_generation *generation)
{
	free(generation->tables);
	*generation = (struct mr_generation){0};
}

/* ---- what it consists of ---- */

bool mr_generation_has(const char *name, int fd)
{
	return mr_tables_sealed(fd) && !mr_tables_secret(name);
}

static enum mr_err add_table(const struct mr_tables *tables, size_t index,
			     struct mr_generation *out, struct mr_error *error)
{
	const char *name;
	int fd;
	size_t size;
	uint64_t hash;
	mr_tables_at(tables, index, &name, &fd, &size);
	if (!mr_generation_has(name, fd))
		return MR_OK;
	enum mr_err err = mr_tables_hash(tables, index, &hash, error);
	if (err != MR_OK)
		return err;
	out->tables = mr_realloc(out->tables, (out->count + 1) * sizeof *out->tables);
	struct mr_generation_table *table = &out->tables[out->count++];
	*table = (struct mr_generation_table){.size = size, .hash = hash};
	snprintf(table->name, sizeof table->name, "%s", name);
	return MR_OK;
}

static void pack_body(const struct mr_generation *generation, const struct mr_fields *fields,
		      struct mr_buf *out)
{
	struct mr_buf names = {0};
	mr_fields_encode(fields, &names);
	mr_pack_array(out, 2);
	mr_pack_bytes(out, (struct mr_slice){names.data, names.len});
	mr_pack_array(out, generation->count * 3);
	for (size_t i = 0; i < generation->count; i++) {
		mr_pack_bytes(out, mr_slice(generation->tables[i].name));
		mr_pack_uint(out, generation->tables[i].size);
		mr_pack_uint(out, generation->tables[i].hash);
	}
	mr_buf_fini(&names);
}

static uint64_t id_of(const struct mr_buf *body)
{
	uint64_t id = mr_hash64(body->data, body->len, 0);
	return id == 0 ? 1 : id;
}

enum mr_err mr_generation_of(const struct mr_tables *tables, const struct mr_fields *fields,
			     struct mr_generation *out, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	*out = (struct mr_generation){0};
	for (size_t i = 0; i < mr_tables_count(tables) && err == MR_OK; i++)
		err = add_table(tables, i, out, error);
	if (err != MR_OK) {
		mr_generation_fini(out);
		return err;
	}
	struct mr_buf body = {0};
	pack_body(out, fields, &body);
	out->id = id_of(&body);
	mr_buf_fini(&body);
	return MR_OK;
}

uint64_t mr_generation_without(const struct mr_generation *generation,
			       const struct mr_fields *fields, bool (*left_out)(const char *name))
{
	struct mr_generation part = {
	    .tables = mr_calloc(generation->count + 1, sizeof *generation->tables)};
	struct mr_buf body = {0};
	for (size_t i = 0; i < generation->count; i++)
		if (!left_out(generation->tables[i].name))
			part.tables[part.count++] = generation->tables[i];
	pack_body(&part, fields, &body);
	uint64_t id = id_of(&body);
	mr_buf_fini(&body);
	mr_generation_fini(&part);
	return id;
}

/* ---- to disk ---- */

static void set_name(uint64_t id, char out[NAME_MAX_BYTES])
{
	snprintf(out, NAME_MAX_BYTES, "%016llx.set", (unsigned long long)id);
}

static void table_name(uint64_t hash, char out[NAME_MAX_BYTES])
{
	snprintf(out, NAME_MAX_BYTES, "%016llx.table", (unsigned long long)hash);
}

/* The directory of generations as one that files are put into. */
static enum mr_err open_made(const struct mr_state_dir *dir, struct mr_state_dir *out,
			     struct mr_error *error)
{
	*out = (struct mr_state_dir){.fd = -1, .lock = -1};
	int fd = openat(dir->fd, DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return mr_error_errno(error, MR_IO, "%s/" DIRECTORY ": cannot open it", dir->path);
	*out = (struct mr_state_dir){
	    .path = mr_asprintf("%s/" DIRECTORY, dir->path), .fd = fd, .lock = -1};
	return MR_OK;
}

/* Likewise, made where it is not there. */
static enum mr_err open_directory(const struct mr_state_dir *dir, struct mr_state_dir *out,
				  struct mr_error *error)
{
	*out = (struct mr_state_dir){.fd = -1, .lock = -1};
	if (mr_os.mkdirat(dir->fd, DIRECTORY, 0700) != 0 && errno != EEXIST)
		return mr_error_errno(error, mr_error_of_write(errno),
				      "%s/" DIRECTORY ": cannot make it", dir->path);
	return open_made(dir, out, error);
}

static enum mr_err not_the_table(const struct mr_state_dir *own, const char *name,
				 struct mr_error *error)
{
	return mr_error_set(error, MR_BAD_INPUT, "%s/%s: it is not the table of its name",
			    own->path, name);
}

/* Piece by piece through a buffer that stays in the processor's cache: a table that lies once more
 * in memory of ours costs a page for each of its own. */
static enum mr_err copy_pieces(int from, int to, uint64_t size, uint64_t *hash_out,
			       struct mr_error *error)
{
	XXH3_state_t *state = XXH3_createState();
	char *piece = mr_malloc(PIECE_BYTES);
	enum mr_err err = MR_OK;
	assert(state != NULL);
	XXH3_64bits_reset(state);
	for (uint64_t done = 0; err == MR_OK && done < size;) {
		uint64_t left = size - done;
		size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		size_t got;
		if (mr_os_read(from, piece, want, done, &got) == MR_READ_FAILED)
			err = mr_error_errno(error, MR_IO, "cannot read it");
		else if (!mr_os_write_all(to, (struct mr_slice){piece, got}))
			err = mr_error_errno(error, mr_error_of_write(errno),
					     "no memory for its copy");
		else
			XXH3_64bits_update(state, piece, got);
		done += want;
	}
	*hash_out = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	free(piece);
	return err;
}

/* A sealed copy of an open file that should be the table. */
static enum mr_err seal_copy(const struct mr_state_dir *own, const char *name,
			     const struct mr_generation_table *table, int from, int *fd_out,
			     struct mr_error *error)
{
	uint64_t hash;
	int fd = memfd_create(table->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return mr_error_errno(error, MR_IO, "table %s: cannot make a memory file",
				      table->name);
	enum mr_err err = copy_pieces(from, fd, table->size, &hash, error);
	if (err != MR_OK)
		mr_error_prefix(error, "%s/%s", own->path, name);
	else if (hash != table->hash)
		err = not_the_table(own, name, error);
	else if (!mr_os_seal(fd))
		err = mr_error_errno(error, MR_IO, "table %s: cannot seal the memory file",
				     table->name);
	if (err == MR_OK)
		*fd_out = fd;
	else
		close(fd);
	return err;
}

/* What was kept, whole, in memory that cannot change. */
static enum mr_err read_table(const struct mr_state_dir *own,
			      const struct mr_generation_table *table, int *fd_out,
			      struct mr_error *error)
{
	char name[NAME_MAX_BYTES];
	struct stat about;
	int from;
	table_name(table->hash, name);
	enum mr_err err = mr_state_dir_open_file(own, name, &from, &about, error);
	if (err != MR_OK)
		return err;
	if ((uint64_t)about.st_size != table->size)
		err = not_the_table(own, name, error);
	else
		err = seal_copy(own, name, table, from, fd_out, error);
	close(from);
	return err;
}

static enum mr_err put_table(const struct mr_state_dir *own, const struct mr_tables *tables,
			     const struct mr_generation_table *table, struct mr_error *error)
{
	char name[NAME_MAX_BYTES];
	table_name(table->hash, name);
	if (mr_state_dir_holds(own, name, table->size, table->hash))
		return MR_OK;
	struct mr_slice bytes;
	enum mr_err err = mr_tables_map(tables, table->name, &bytes, error);
	if (err != MR_OK)
		return err;
	err = mr_state_dir_put(own, name, bytes, error);
	mr_tables_unmap(bytes);
	return err;
}

static enum mr_err put_set(const struct mr_state_dir *own, uint64_t id, const struct mr_buf *body,
			   struct mr_error *error)
{
	char name[NAME_MAX_BYTES];
	struct mr_buf bytes = {0};
	uint64_t program;
	enum mr_err err = mr_spawn_program_hash(&program, error);
	if (err != MR_OK)
		return err;
	mr_buf_add(&bytes, MAGIC, MAGIC_LEN);
	mr_buf_add_le(&bytes, VERSION, 4);
	mr_buf_add_le(&bytes, program, 8);
	mr_buf_add_le(&bytes, body->len, 8);
	mr_buf_add(&bytes, body->data, body->len);
	mr_buf_add_le(&bytes, mr_hash64(bytes.data, bytes.len, 0), 8);
	set_name(id, name);
	err = mr_state_dir_put(own, name, (struct mr_slice){bytes.data, bytes.len}, error);
	mr_buf_fini(&bytes);
	return err;
}

enum mr_err mr_generation_keep(const struct mr_state_dir *dir,
			       const struct mr_generation *generation,
			       const struct mr_tables *tables, const struct mr_fields *fields,
			       struct mr_error *error)
{
	struct mr_state_dir own;
	struct mr_buf body = {0};
	enum mr_err err = open_directory(dir, &own, error);
	if (err != MR_OK)
		return err;
	pack_body(generation, fields, &body);
	for (size_t i = 0; i < generation->count && err == MR_OK; i++)
		err = put_table(&own, tables, &generation->tables[i], error);
	if (err == MR_OK)
		err = put_set(&own, generation->id, &body, error);
	if (err == MR_OK && !mr_os_sync_directory(dir->fd))
		err = mr_error_errno(error, mr_error_of_write(errno), "%s: cannot sync it",
				     dir->path);
	mr_buf_fini(&body);
	mr_state_dir_close(&own);
	return err;
}

/* ---- and back ---- */

static enum mr_err unpack_body(struct mr_slice body, struct mr_generation *out,
			       struct mr_fields **fields_out, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(body);
	mr_unpack_array_of(&in, 2);
	struct mr_slice names = mr_unpack_bytes(&in);
	size_t items = mr_unpack_array(&in, (size_t)TABLES_MAX * 3);
	if (items % 3 != 0)
		mr_unpack_spoil(&in);
	out->tables = mr_calloc(items / 3 + 1, sizeof *out->tables);
	for (; out->count < items / 3 && mr_unpack_ok(&in); out->count++) {
		struct mr_generation_table *table = &out->tables[out->count];
		struct mr_slice name = mr_unpack_bytes(&in);
		if (name.len >= sizeof table->name)
			mr_unpack_spoil(&in);
		else
			memcpy(table->name, name.at, name.len);
		table->size = mr_unpack_uint(&in, TABLE_MAX);
		table->hash = mr_unpack_uint(&in, UINT64_MAX);
	}
	if (!mr_unpack_done(&in))
		return mr_error_set(error, MR_BAD_INPUT, "what it holds does not decode");
	return fields_out == NULL ? MR_OK : mr_fields_decode(names, fields_out, error);
}

static enum mr_err decode_set(struct mr_slice bytes, struct mr_generation *out,
			      struct mr_fields **fields_out, struct mr_error *error)
{
	uint64_t program;
	if (bytes.len < HEAD + 8 || memcmp(bytes.at, MAGIC, MAGIC_LEN) != 0 ||
	    mr_get_le(bytes.at + bytes.len - 8, 8) != mr_hash64(bytes.at, bytes.len - 8, 0))
		return mr_error_set(error, MR_BAD_INPUT, "it is not whole");
	enum mr_err err = mr_spawn_program_hash(&program, error);
	if (err != MR_OK)
		return err;
	if (fields_out != NULL && (mr_get_le(bytes.at + MAGIC_LEN, 4) != VERSION ||
				   mr_get_le(bytes.at + MAGIC_LEN + 4, 8) != program))
		return mr_error_set(error, MR_UNSUPPORTED, "another build of millrace made it");
	if (mr_get_le(bytes.at + MAGIC_LEN + 12, 8) != bytes.len - HEAD - 8)
		return mr_error_set(error, MR_BAD_INPUT, "it is not whole");
	return unpack_body((struct mr_slice){bytes.at + HEAD, bytes.len - HEAD - 8}, out,
			   fields_out, error);
}

/* `fields_out` NULL: its tables alone, of whatever build. */
static enum mr_err read_set(const struct mr_state_dir *own, uint64_t id, struct mr_generation *out,
			    struct mr_fields **fields_out, struct mr_error *error)
{
	char name[NAME_MAX_BYTES];
	struct mr_buf bytes = {0};
	*out = (struct mr_generation){.id = id};
	set_name(id, name);
	enum mr_err err = mr_state_dir_get(own, name, SET_MAX, &bytes, error);
	if (err == MR_OK) {
		err = decode_set((struct mr_slice){bytes.data, bytes.len}, out, fields_out, error);
		if (err != MR_OK)
			mr_error_prefix(error, "%s/%s", own->path, name);
	}
	mr_buf_fini(&bytes);
	return err;
}

static enum mr_err load_table(const struct mr_state_dir *own,
			      const struct mr_generation_table *table, struct mr_tables *tables,
			      struct mr_error *error)
{
	int fd;
	enum mr_err err = read_table(own, table, &fd, error);
	if (err == MR_OK)
		mr_tables_add_hashed(tables, table->name, fd, table->size, table->hash);
	return err;
}

enum mr_err mr_generation_find(const struct mr_state_dir *dir, uint64_t id,
			       struct mr_tables *tables, struct mr_fields **fields_out,
			       struct mr_error *error)
{
	struct mr_state_dir own;
	struct mr_generation generation;
	enum mr_err err = open_directory(dir, &own, error);
	if (err != MR_OK)
		return err;
	*fields_out = NULL;
	err = read_set(&own, id, &generation, fields_out, error);
	for (size_t i = 0; i < generation.count && err == MR_OK; i++)
		err = load_table(&own, &generation.tables[i], tables, error);
	if (err != MR_OK) {
		mr_fields_free(*fields_out);
		*fields_out = NULL;
	}
	mr_generation_fini(&generation);
	mr_state_dir_close(&own);
	return err;
}

bool mr_generation_stands(const struct mr_state_dir *dir, uint64_t id)
{
	struct mr_state_dir own;
	struct mr_generation generation;
	struct mr_fields *fields = NULL;
	struct mr_error unread = {0};
	if (open_directory(dir, &own, &unread) != MR_OK)
		return false;
	bool stands = read_set(&own, id, &generation, &fields, &unread) == MR_OK;
	for (size_t i = 0; i < generation.count && stands; i++) {
		char name[NAME_MAX_BYTES];
		struct stat about;
		table_name(generation.tables[i].hash, name);
		stands = fstatat(own.fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
			 S_ISREG(about.st_mode) &&
			 (uint64_t)about.st_size == generation.tables[i].size;
	}
	mr_fields_free(fields);
	mr_generation_fini(&generation);
	mr_state_dir_close(&own);
	return stands;
}

/* ---- one table of any that were kept ---- */

struct recall {
	const struct mr_state_dir *own;
	const char *name;
	mr_table_fits *fits;
	void *context;
	uint64_t tried; /* the last table that was looked at */
	bool found;     /* then it is that one, */
	int fd;         /* here, */
	size_t size;    /* of so many bytes */
};

static bool fits_there(const struct recall *recall, int fd, size_t size)
{
	if (size == 0)
		return recall->fits(recall->context, (struct mr_slice){"", 0});
	const char *bytes = mr_os_map(fd, size);
	if (bytes == NULL)
		return false;
	bool fits = recall->fits(recall->context, (struct mr_slice){bytes, size});
	mr_os_unmap(bytes, size);
	return fits;
}

static bool try_table(struct recall *recall, const struct mr_generation_table *table)
{
	struct mr_error unread = {0};
	if (strcmp(table->name, recall->name) != 0 || table->hash == recall->tried)
		return false;
	recall->tried = table->hash;
	recall->size = table->size;
	if (read_table(recall->own, table, &recall->fd, &unread) != MR_OK)
		return false;
	bool fits = fits_there(recall, recall->fd, recall->size);
	if (!fits)
		close(recall->fd);
	return fits;
}

/* Those of other builds are passed over. */
static bool try_set(void *context, int folder, const char *name)
{
	struct recall *recall = context;
	struct mr_generation generation;
	struct mr_fields *fields = NULL;
	struct mr_error unread = {0};
	char own[NAME_MAX_BYTES];
	uint64_t id = strtoull(name, NULL, 16);
	(void)folder;
	set_name(id, own);
	if (strcmp(name, own) != 0)
		return true;
	if (read_set(recall->own, id, &generation, &fields, &unread) == MR_OK)
		for (size_t i = 0; i < generation.count && !recall->found; i++)
			recall->found = try_table(recall, &generation.tables[i]);
	mr_fields_free(fields);
	mr_generation_fini(&generation);
	return !recall->found;
}

bool mr_generation_recall(const struct mr_config *config, const char *name, mr_table_fits *fits,
			  void *context, int *fd_out, size_t *size_bytes_out, uint64_t *hash_out)
{
	const char *state = mr_config_get(config, "state", 0);
	struct mr_error distrust = {0};
	if (state == NULL)
		return false;
	struct mr_state_dir own = {.path = mr_asprintf("%s/" DIRECTORY, state), .lock = -1};
	own.fd = open(own.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct recall recall = {.own = &own, .name = name, .fits = fits, .context = context};
	if (own.fd >= 0 && mr_state_dir_trust(own.fd, own.path, &distrust) == MR_OK)
		mr_folder_list(own.fd, try_set, &recall);
	mr_state_dir_close(&own);
	if (!recall.found)
		return false;
	*fd_out = recall.fd;
	*size_bytes_out = recall.size;
	*hash_out = recall.tried;
	return true;
}

/* ---- what is no longer wanted ---- */

struct wanted {
	const struct mr_generation *kept;
	size_t count;
};

static bool is_wanted(const char *name, const struct wanted *wanted)
{
	char own[NAME_MAX_BYTES];
	for (size_t i = 0; i < wanted->count; i++) {
		const struct mr_generation *kept = &wanted->kept[i];
		set_name(kept->id, own);
		if (strcmp(name, own) == 0)
			return true;
		for (size_t t = 0; t < kept->count; t++) {
			table_name(kept->tables[t].hash, own);
			if (strcmp(name, own) == 0)
				return true;
		}
	}
	return false;
}

static bool remove_unwanted(void *context, int folder, const char *name)
{
	if (!is_wanted(name, context))
		mr_os.unlinkat(folder, name, 0);
	return true;
}

/* A set that is there and cannot be read may name any table: then nothing is removed this time. */
void mr_generation_tidy(const struct mr_state_dir *dir, const uint64_t *ids, size_t count)
{
	struct mr_state_dir own;
	struct mr_error unread = {0};
	struct mr_generation *kept = mr_calloc(count + 1, sizeof *kept);
	struct wanted wanted = {.kept = kept, .count = count};
	enum mr_err err = open_made(dir, &own, &unread);
	if (err == MR_OK) {
		for (size_t i = 0; err == MR_OK && i < count; i++) {
			err = read_set(&own, ids[i], &kept[i], NULL, &unread);
			err = err == MR_NOT_FOUND ? MR_OK : err;
		}
		if (err == MR_OK)
			mr_folder_list(own.fd, remove_unwanted, &wanted);
		mr_state_dir_close(&own);
	}
	for (size_t i = 0; i < count; i++)
		mr_generation_fini(&kept[i]);
	free(kept);
}
