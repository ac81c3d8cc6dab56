/* once_file.c - see once_file.h. Barriers are once_barrier.c. */
#include "once_inner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/alive.h"
#include "millrace/checkpoint.h"
#include "millrace/log.h"
#include "millrace/os.h"

#define FORM 2
#define ITEMS 13
#define ITEMS_OF_1 9 /* without the files' identities */
#define MARK "begin" /* a snapshot of one section, both of this name */
#define PIECE_BYTES (256u << 10)
#define TAIL_BYTES 4096 /* before the position: by them the file is known again */
#define WRITE_BACK_BYTES (1u << 20)
#define SNAPSHOT_MAX (256u << 20)

/* ---- its name ---- */

bool once_file_make(const char *path)
{
	/* A pipe that nobody reads is not waited for. */
	int fd = file_make(path, O_WRONLY | O_NONBLOCK);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* ---- what is there ---- */

/* Exactly so many bytes. */
static enum mr_err read_at(const struct once_file *file, uint64_t at, char *out, size_t len,
			   struct mr_error *error)
{
	switch (mr_os_read(file->fd, out, len, at, NULL)) {
	case MR_READ_WHOLE:
		return MR_OK;
	case MR_READ_SHORT:
		return mr_error_set(error, MR_BAD_INPUT,
				    "%s: %s became shorter while it was read; " ONCE_MEND,
				    file->name, file->path);
	case MR_READ_FAILED:
		break;
	}
	return mr_error_errno(error, MR_IO, "%s: %s cannot be read at byte %llu", file->name,
			      file->path, (unsigned long long)at);
}

static size_t tail_length(uint64_t position)
{
	return position < TAIL_BYTES ? (size_t)position : TAIL_BYTES;
}

enum mr_err once_tail_hash(const struct once_file *file, uint64_t position, uint64_t *hash_out,
			   struct mr_error *error)
{
	char tail[TAIL_BYTES];
	size_t len = tail_length(position);
	enum mr_err err = read_at(file, position - len, tail, len, error);
	if (err == MR_OK)
		*hash_out = mr_hash64(tail, len, 0);
	return err;
}

enum mr_err once_note_known(struct once_file *file, struct mr_error *error)
{
	uint64_t written = file->lines.bytes - file->out.buf.len;
	enum mr_err err = once_tail_hash(file, written, &file->known_hash, error);
	if (err == MR_OK)
		file->known = written;
	return err;
}

enum mr_err once_length(const struct once_file *file, uint64_t *out, struct mr_error *error)
{
	struct stat about;
	if (fstat(file->fd, &about) != 0)
		return mr_error_errno(error, MR_IO, "%s: %s", file->name, file->path);
	*out = (uint64_t)about.st_size;
	return MR_OK;
}

struct reading {
	bool remembers; /* lines behind a position, not those of before */
	uint64_t strange;
	uint64_t strange_at; /* the first */
	bool forgot;
};

static void take_line(struct once_file *file, struct reading *reading, struct mr_slice line)
{
	struct line_id id;
	if (reading->remembers && !line_id_read(line, &id)) {
		if (reading->strange++ == 0)
			reading->strange_at = file->lines.bytes;
	} else if (reading->remembers && !sent_add(&file->sent, &id)) {
		reading->forgot = true;
	}
	mr_line_hash_add(&file->lines, line);
}

/* From where `lines` ends to the end of the last whole line; what is behind it is left in `rest`.
 */
static enum mr_err read_lines(struct once_file *file, struct reading *reading, struct mr_buf *rest,
			      struct mr_error *error)
{
	uint64_t end, at = file->lines.bytes;
	enum mr_err err = once_length(file, &end, error);
	while (err == MR_OK && at < end) {
		size_t len = end - at < PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;
		err = read_at(file, at, mr_buf_reserve(rest, len), len, error);
		if (err != MR_OK)
			return err;
		size_t from = 0, scan = rest->len;
		rest->len += len;
		at += len;
		mr_alive();
		const char *stop;
		while ((stop = memchr(rest->data + scan, '\n', rest->len - scan)) != NULL) {
			size_t behind = (size_t)(stop - rest->data) + 1;
			struct mr_slice line = {rest->data + from, behind - from};
			take_line(file, reading, line);
			from = scan = behind;
		}
		memmove(rest->data, rest->data + from, rest->len - from);
		rest->len -= from;
	}
	return err;
}

static void say(const struct once_file *file, const struct reading *reading)
{
	if (reading->strange > 0)
		mr_log(MR_LOG_WARNING,
		       "%s: %s: %llu lines behind the last checkpoint are not of this program, the "
		       "first at byte %llu: they stay",
		       file->name, file->path, (unsigned long long)reading->strange,
		       (unsigned long long)reading->strange_at);
	if (reading->forgot)
		mr_log(MR_LOG_ERROR,
		       "%s: %s: more than %u lines stand behind the last checkpoint: those past "
		       "that may come to stand there twice",
		       file->name, file->path, SENT_MAX);
}

/* Where this program tore a line it is cut; what somebody else left open is ended. */
static enum mr_err mend_end(struct once_file *file, const struct mr_buf *rest, bool ours,
			    struct mr_error *error)
{
	uint64_t end = file->lines.bytes;
	if (rest->len == 0)
		return MR_OK;
	if (ours && mr_os.ftruncate(file->fd, (off_t)end) != 0)
		return mr_error_errno(error, MR_IO, "%s: %s: the line torn at byte %llu stays",
				      file->name, file->path, (unsigned long long)end);
	if (ours) {
		mr_log(MR_LOG_INFO, "%s: %s: a torn line of %zu bytes at byte %llu is cut",
		       file->name, file->path, rest->len, (unsigned long long)end);
		return MR_OK;
	}
	if (!mr_os_write_all(file->fd, MR_SLICE("\n")))
		return mr_error_errno(error, mr_error_of_write(errno), "%s: %s", file->name,
				      file->path);
	mr_line_hash_add(&file->lines, (struct mr_slice){rest->data, rest->len});
	return MR_OK;
}

/* Knows the rest of the file, and stands at its end. */
enum mr_err once_place(struct once_file *file, bool ours, struct mr_error *error)
{
	struct reading reading = {.remembers = ours};
	struct mr_buf rest = {0};
	uint64_t durable = file->lines.bytes;
	enum mr_err err = read_lines(file, &reading, &rest, error);
	if (err == MR_OK)
		err = mend_end(file, &rest, ours, error);
	mr_buf_fini(&rest);
	if (err == MR_OK && ours && !mr_os_rewrite(file->fd, durable, file->lines.bytes))
		err = mr_error_errno(error, mr_error_of_write(errno),
				     "%s: %s: what stands behind the last checkpoint", file->name,
				     file->path);
	if (err == MR_OK)
		err = once_note_known(file, error);
	if (err != MR_OK)
		return err;
	say(file, &reading);
	file->synced = durable;
	file->placed = true;
	return out_file_init(&file->out, file->fd, file->name, error);
}

/* ---- what stands at the path ---- */

/* What one may not do at a place another try may not do either. */
static enum mr_err error_of_open(int number)
{
	bool barred = number == EACCES || number == EPERM || number == EROFS;
	return barred ? MR_BAD_INPUT : mr_error_of_write(number);
}

/* The lock is the open file's: it goes when the worker has ended, whatever it died of. */
static enum mr_err lock(const struct once_file *file, int fd, struct mr_error *error)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_OFD_SETLK, &whole) != 0 && (errno == EAGAIN || errno == EACCES))
		return mr_error_set(error, MR_CONFIG, "%s: %s: another process is writing to it",
				    file->name, file->path);
	return MR_OK;
}

bool once_leads_to_held(const struct once_file *file)
{
	struct stat named, held;
	return stat(file->path, &named) == 0 && fstat(file->fd, &held) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* What stands at the path; it is made where nothing does. */
enum mr_err once_take_path(const struct once_file *file, int *fd_out, struct file_identity *is_out,
			   struct mr_error *error)
{
	struct stat about;
	const int flags = O_RDWR | O_APPEND | O_CLOEXEC;
	int fd = mr_os.openat(AT_FDCWD, file->path, flags, 0);
	if (fd < 0 && errno == ENOENT)
		fd = file_make(file->path, flags);
	*fd_out = fd;
	if (fd < 0 || fstat(fd, &about) != 0 || !file_identity_of(fd, is_out))
		return mr_error_errno(error, error_of_open(errno), "%s: %s cannot be opened",
				      file->name, file->path);
	if (!S_ISREG(about.st_mode))
		return mr_error_set(error, MR_CONFIG,
				    "%s: %s is no regular file: nothing written there could be "
				    "kept from standing there twice",
				    file->name, file->path);
	return lock(file, fd, error);
}

/* ---- positions ---- */

void once_file_snapshot(const struct once_file *file, struct mr_buf *out)
{
	const struct mr_line_hash *lines = &file->lines;
	assert(file->known == lines->bytes);
	mr_pack_array(out, ITEMS);
	mr_pack_uint(out, FORM);
	mr_pack_bytes(out, mr_slice(file->path));
	mr_pack_uint(out, lines->bytes);
	mr_pack_uint(out, lines->lines);
	mr_pack_bytes(out, (struct mr_slice){(const char *)lines->chain, sizeof lines->chain});
	mr_pack_uint(out, lines->sum[0]);
	mr_pack_uint(out, lines->sum[1]);
	mr_pack_uint(out, file->known_hash);
	mr_pack_uint(out, file->is.inode);
	mr_pack_uint(out, file->is.born_ns);
	mr_pack_uint(out, file->next.inode);
	mr_pack_uint(out, file->next.born_ns);
	sent_pack(&file->sent, out);
}

struct position {
	struct mr_slice path;
	struct mr_line_hash lines;
	uint64_t tail_hash;
	struct file_identity is, next;
	struct mr_unpack sent;
};

static void unpack_identity(struct mr_unpack *in, struct file_identity *out)
{
	out->inode = mr_unpack_uint(in, UINT64_MAX);
	out->born_ns = mr_unpack_uint(in, UINT64_MAX);
}

static uint64_t unpack_form(struct mr_unpack *in)
{
	struct mr_unpack old = *in;
	uint64_t form = mr_unpack_version(in, FORM, ITEMS);
	if (form != 0)
		return form;
	*in = old;
	return mr_unpack_version(in, 1, ITEMS_OF_1);
}

static enum mr_err decode(const struct once_file *file, struct mr_slice bytes, struct position *out,
			  struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	*out = (struct position){0};
	uint64_t form = unpack_form(&in);
	if (form > FORM)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "%s: a position of form %llu: this program knows %d",
				    file->name, (unsigned long long)form, FORM);
	out->path = mr_unpack_bytes(&in);
	out->lines.bytes = mr_unpack_uint(&in, INT64_MAX);
	out->lines.lines = mr_unpack_uint(&in, UINT64_MAX);
	struct mr_slice chain = mr_unpack_bytes(&in);
	out->lines.sum[0] = mr_unpack_uint(&in, UINT64_MAX);
	out->lines.sum[1] = mr_unpack_uint(&in, UINT64_MAX);
	out->tail_hash = mr_unpack_uint(&in, UINT64_MAX);
	if (form == FORM) {
		unpack_identity(&in, &out->is);
		unpack_identity(&in, &out->next);
	}
	out->sent = in;
	struct sent sent = {0};
	sent_unpack(&sent, &in);
	sent_fini(&sent);
	if (!mr_unpack_done(&in) || chain.len != sizeof out->lines.chain)
		return mr_error_set(error, MR_BAD_INPUT, "%s: its position is no position",
				    file->name);
	memcpy(out->lines.chain, chain.at, chain.len);
	return MR_OK;
}

/* Whether the file is still what it was up to the position. */
static enum mr_err recognise(const struct once_file *file, const struct position *position,
			     struct mr_error *error)
{
	uint64_t end, was = position->lines.bytes;
	enum mr_err err = once_length(file, &end, error);
	if (err != MR_OK)
		return err;
	if (end < was)
		return mr_error_set(
		    error, MR_BAD_INPUT,
		    "%s: %s has %llu bytes, and had %llu at the last checkpoint: it "
		    "was made shorter or replaced; " ONCE_MEND,
		    file->name, file->path, (unsigned long long)end, (unsigned long long)was);
	uint64_t hash = 0;
	err = once_tail_hash(file, was, &hash, error);
	if (err != MR_OK || hash == position->tail_hash)
		return err;
	return mr_error_set(error, MR_BAD_INPUT,
			    "%s: %s is not the file of the last checkpoint: its %zu bytes before "
			    "byte %llu have the hash %016llx, and had %016llx; " ONCE_MEND,
			    file->name, file->path, tail_length(was), (unsigned long long)was,
			    (unsigned long long)hash, (unsigned long long)position->tail_hash);
}

/* What the snapshot names becomes the file that is held. MR_NOT_FOUND: it is not in the folder. */
static enum mr_err hold(struct once_file *file, const struct file_identity *wanted,
			struct mr_error *error)
{
	if (wanted->inode == 0 || file_identity_eq(&file->is, wanted))
		return MR_OK;
	if (!file->rotates)
		return mr_error_set(error, MR_BAD_INPUT,
				    "%s: %s is not the file of the last checkpoint; " ONCE_MEND,
				    file->name, file->path);
	int fd = file_identity_find(file->path, wanted);
	if (fd < 0 && errno == ENOENT)
		return MR_NOT_FOUND;
	if (fd < 0)
		return mr_error_errno(error, error_of_open(errno),
				      "%s: the file that was moved away from %s cannot be opened "
				      "again; " ONCE_MEND,
				      file->name, file->path);
	enum mr_err err = lock(file, fd, error);
	if (err != MR_OK) {
		close(fd);
		return err;
	}
	mr_log(MR_LOG_INFO, "%s: the file of the last checkpoint was moved away from %s, and found",
	       file->name, file->path);
	close(file->fd);
	file->fd = fd;
	file->is = *wanted;
	return MR_OK;
}

static void say_lost(struct once_file *file, const struct file_identity *lost, uint64_t bytes)
{
	mr_log(MR_LOG_WARNING,
	       "%s: the file that stood at %s (number %llu, %llu bytes at the last checkpoint) is "
	       "not in its folder any more: which lines it got after that cannot be known, so they "
	       "come again, in the file that is there now",
	       file->name, file->path, (unsigned long long)lost->inode, (unsigned long long)bytes);
	if (file->counters != NULL)
		mr_count(file->counters, MR_C_FILES_LOST, 1);
}

static enum mr_err restore_current(struct once_file *file, const struct position *position,
				   struct mr_error *error)
{
	struct mr_error why = {0};
	enum mr_err err = hold(file, &position->is, &why);
	/* The same bytes in a file of its own: it was put back from a copy. Where nobody may look
	 * for another one it has to be. */
	bool copied = err == MR_BAD_INPUT || (err == MR_NOT_FOUND && position->lines.bytes > 0);
	if (err == MR_OK || copied) {
		struct mr_error other = {0};
		enum mr_err same = recognise(file, position, &other);
		why = err == MR_OK || same != MR_BAD_INPUT ? other : why;
		err = err == MR_OK || same != MR_BAD_INPUT ? same : err;
	}
	if (err != MR_OK && err != MR_NOT_FOUND && error != NULL)
		*error = why;
	if (err != MR_OK)
		return err;
	file->lines = position->lines;
	return once_place(file, true, error);
}

/* All that is there comes behind the position. */
static enum mr_err restore_whole(struct once_file *file, struct mr_error *error)
{
	out_file_fini(&file->out);
	file->lines = (struct mr_line_hash){0};
	return once_place(file, true, error);
}

/* Before another file is held. */
static enum mr_err leave_durable(const struct once_file *file, struct mr_error *error)
{
	if (!file->placed || mr_os.fdatasync(file->fd) == 0)
		return MR_OK;
	return mr_error_errno(error, mr_error_of_write(errno), "%s: %s cannot be made durable",
			      file->name, file->path);
}

static enum mr_err restore_next(struct once_file *file, const struct position *position,
				struct mr_error *error)
{
	enum mr_err err = leave_durable(file, error);
	if (err == MR_OK)
		err = hold(file, &position->next, error);
	return err == MR_OK ? restore_whole(file, error) : err;
}

/* Whether any of its lines has an id. */
static enum mr_err has_lines(const struct once_file *file, int fd, bool *has_out,
			     struct mr_error *error)
{
	struct once_file other = {.name = file->name, .path = file->path, .fd = fd};
	struct reading reading = {.remembers = true};
	struct mr_buf rest = {0};
	enum mr_err err = read_lines(&other, &reading, &rest, error);
	*has_out = other.sent.count > 0;
	sent_fini(&other.sent);
	mr_buf_fini(&rest);
	return err;
}

/* The last checkpoint may have been damaged, and this be the one before: then the file at the path
 * has lines too, though this one does not name it. */
static enum mr_err restore_path(struct once_file *file, struct mr_error *error)
{
	struct file_identity is;
	bool has = false;
	int fd;
	if (!file->placed)
		return restore_whole(file, error);
	if (once_leads_to_held(file))
		return MR_OK;
	enum mr_err err = once_take_path(file, &fd, &is, error);
	if (err == MR_OK)
		err = has_lines(file, fd, &has, error);
	if (err == MR_OK && has)
		err = leave_durable(file, error);
	if (err != MR_OK || !has) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	close(file->fd);
	file->fd = fd;
	file->is = is;
	return restore_whole(file, error);
}

enum mr_err once_file_restore(struct once_file *file, struct mr_slice bytes, struct mr_error *error)
{
	struct position position;
	enum mr_err err = decode(file, bytes, &position, error);
	if (err != MR_OK || !mr_slice_eq(position.path, mr_slice(file->path)))
		return err;
	uint64_t seed = file->sent.seed;
	sent_fini(&file->sent);
	file->sent.seed = seed;
	sent_unpack(&file->sent, &position.sent);
	err = restore_current(file, &position, error);
	if (err == MR_NOT_FOUND)
		say_lost(file, &position.is, position.lines.bytes);
	if (err != MR_OK && err != MR_NOT_FOUND)
		return err;
	if (position.next.inode != 0) {
		err = restore_next(file, &position, error);
		if (err == MR_NOT_FOUND)
			say_lost(file, &position.next, 0);
		if (err != MR_OK && err != MR_NOT_FOUND)
			return err;
	}
	return restore_path(file, error);
}

void once_file_save(const struct once_file *file, struct mr_buf *out)
{
	struct mr_buf position = {0};
	once_file_snapshot(file, &position);
	mr_pack_array(out, 2);
	mr_pack_uint(out, file->taken);
	mr_pack_bytes(out, (struct mr_slice){position.data, position.len});
	mr_buf_fini(&position);
}

enum mr_err once_file_load(struct once_file *file, struct mr_slice bytes, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	mr_unpack_array_of(&in, 2);
	uint64_t taken = mr_unpack_uint(&in, UINT64_MAX);
	struct mr_slice position = mr_unpack_bytes(&in);
	if (!mr_unpack_done(&in))
		return mr_error_set(error, MR_BAD_INPUT, "%s: its state is no state of a file",
				    file->name);
	file->taken = taken;
	return once_file_restore(file, position, error);
}

/* ---- the mark of the first start ---- */

/* MR_NOT_FOUND where there is none. */
static enum mr_err read_mark(const struct once_file *file, struct mr_buf *out,
			     struct mr_error *error)
{
	int fd = open(file->mark, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return MR_NOT_FOUND;
	ssize_t got = 1;
	while (fd >= 0 && got > 0 && out->len < SNAPSHOT_MAX) {
		got = read(fd, mr_buf_reserve(out, 4096), 4096);
		out->len += got > 0 ? (size_t)got : 0;
	}
	if (fd < 0 || got < 0)
		mr_error_errno(error, MR_IO, "%s", file->mark);
	if (fd >= 0)
		close(fd);
	return fd < 0 || got < 0 ? MR_IO : MR_OK;
}

/* Durable before the first line is written. */
static enum mr_err write_mark(struct once_file *file, struct mr_error *error)
{
	struct mr_buf position = {0}, bytes = {0};
	char *made = mr_asprintf("%s.new", file->mark);
	once_file_snapshot(file, &position);
	mr_snapshot_begin(&bytes, MARK);
	mr_snapshot_named(&bytes, MR_SLICE(MARK), (struct mr_slice){position.data, position.len});
	mr_snapshot_end(&bytes, 0);
	mr_buf_fini(&position);
	int fd = mr_os.openat(AT_FDCWD, made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool done = fd >= 0 && mr_os_write_all(fd, (struct mr_slice){bytes.data, bytes.len}) &&
		    mr_os.fsync(fd) == 0 &&
		    mr_os.renameat(AT_FDCWD, made, AT_FDCWD, file->mark) == 0 &&
		    mr_os_sync_parent(file->mark);
	enum mr_err err =
	    done ? MR_OK : mr_error_errno(error, mr_error_of_write(errno), "%s", file->mark);
	file->unmarked = !done;
	if (fd >= 0)
		close(fd);
	free(made);
	mr_buf_fini(&bytes);
	return err;
}

/* The position that it holds. It was renamed only when it was whole and durable. */
static enum mr_err open_mark(const struct once_file *file, struct mr_slice bytes,
			     struct mr_slice *position_out, struct position *decoded,
			     struct mr_error *error)
{
	struct mr_snapshot snapshot;
	struct mr_section section;
	enum mr_err err = mr_snapshot_open(bytes, MARK, &snapshot, error);
	*position_out = bytes; /* of a millrace that had no checksum there yet */
	if (err == MR_OK && mr_snapshot_next(&snapshot, &section))
		*position_out = section.bytes;
	if (err == MR_OK)
		err = decode(file, *position_out, decoded, error);
	else if (err == MR_BAD_INPUT)
		err = decode(file, bytes, decoded, NULL);
	if (err != MR_OK)
		return mr_error_prefix(error, "%s: %s, which tells where its lines begin",
				       file->name, file->mark);
	*error = (struct mr_error){0};
	return MR_OK;
}

/* Behind all that is there. */
static enum mr_err begin_anew(struct once_file *file, struct mr_error *error)
{
	file->lines = (struct mr_line_hash){0};
	file->unmarked = true;
	enum mr_err err = once_place(file, false, error);
	return err == MR_OK ? write_mark(file, error) : err;
}

static enum mr_err find_place(struct once_file *file, struct mr_error *error)
{
	struct mr_buf mark = {0};
	struct mr_slice bytes;
	struct position position;
	enum mr_err err = read_mark(file, &mark, error);
	bool none = err == MR_NOT_FOUND;
	if (err == MR_OK)
		err = open_mark(file, (struct mr_slice){mark.data, mark.len}, &bytes, &position,
				error);
	if (err == MR_OK)
		none = !mr_slice_eq(position.path, mr_slice(file->path));
	if (none)
		err = begin_anew(file, error);
	else if (err == MR_OK)
		err = once_file_restore(file, bytes, error);
	mr_buf_fini(&mark);
	return err;
}

static bool is_ready(const struct once_file *file)
{
	return file->placed && !file->unmarked;
}

enum mr_err once_file_ready(struct once_file *file, struct mr_error *error)
{
	struct mr_error own = {0};
	if (is_ready(file))
		return MR_OK;
	error = error == NULL ? &own : error;
	enum mr_err err = file->placed ? write_mark(file, error) : find_place(file, error);
	enum mr_err waited = out_file_wait(&file->out, err, error);
	return err == MR_NO_SPACE ? MR_FULL : waited;
}

/* ---- open ---- */

enum mr_err once_file_open(struct once_file *file, const char *name, const char *path,
			   const char *mark, uint64_t seed, struct mr_error *error)
{
	*file = (struct once_file){.name = mr_strdup(name),
				   .path = mr_strdup(path),
				   .mark = mr_strdup(mark),
				   .fd = -1,
				   .next_fd = -1,
				   .sent = {.seed = seed}};
	enum mr_err err = once_take_path(file, &file->fd, &file->is, error);
	if (err != MR_OK)
		once_file_close(file);
	return err;
}

void once_file_close(struct once_file *file)
{
	if (file->name != NULL && file->fd >= 0)
		close(file->fd);
	if (file->name != NULL)
		once_drop_next(file);
	out_file_fini(&file->out);
	sent_fini(&file->sent);
	free(file->name);
	free(file->path);
	free(file->mark);
	*file = (struct once_file){0};
}

/* ---- lines ---- */

bool once_file_has_room(struct once_file *file)
{
	struct mr_error unset = {0}; /* of put, which fails likewise */
	if (once_file_ready(file, &unset) == MR_FULL)
		return false;
	return !file->out.stalled || file->out.buf.len < OUT_FILE_BUFFER_BYTES;
}

bool once_file_wants(struct once_file *file, const struct line_id *id)
{
	return !sent_take(&file->sent, id);
}

/* What was written goes on to the disk at once, so that a barrier waits for the last of it only. */
static void begin_write_back(struct once_file *file)
{
	uint64_t end = file->out.at; /* less than before where a torn line was cut off */
	if (end >= file->begun && end - file->begun < WRITE_BACK_BYTES)
		return;
	if (end > file->begun) {
		/* It asks for no outcome: that is fdatasync's. */
		int asked = sync_file_range(file->fd, (off_t)file->begun,
					    (off_t)(end - file->begun), SYNC_FILE_RANGE_WRITE);
		(void)asked;
	}
	file->begun = end;
}

static enum mr_err put_out(struct once_file *file, struct mr_slice bytes, struct mr_error *error)
{
	enum mr_err err = out_file_wait(&file->out, out_file_put(&file->out, bytes, error), error);
	begin_write_back(file);
	return err;
}

enum mr_err once_file_put(struct once_file *file, struct mr_slice line, struct mr_error *error)
{
	mr_line_hash_add(&file->lines, line);
	return put_out(file, line, error);
}

struct mr_buf *once_file_begin_line(struct once_file *file)
{
	file->line = file->out.buf.len;
	return &file->out.buf;
}

enum mr_err once_file_end_line(struct once_file *file, struct mr_error *error)
{
	const struct mr_buf *buf = &file->out.buf;
	mr_line_hash_add(&file->lines,
			 (struct mr_slice){buf->data + file->line, buf->len - file->line});
	return put_out(file, (struct mr_slice){"", 0}, error);
}

void once_file_drop_line(struct once_file *file)
{
	file->out.buf.len = file->line;
}

enum mr_err once_file_flush(struct once_file *file, struct mr_error *error)
{
	if (!is_ready(file)) /* nothing was put */
		return MR_OK;
	enum mr_err err = file->out.stalled ? once_leave_full(file, error) : MR_OK;
	if (err != MR_OK)
		return err;
	return out_file_wait(&file->out, out_file_flush(&file->out, error), error);
}
