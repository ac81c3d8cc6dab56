/* letters.c - see letters.h. */
#include "letters.h"

#include <stdlib.h>

#include "dead_letter.h"
#include "millrace/log.h"

/* Of a record: its line is held whole, in the file's buffer. */
#define LETTER_BYTES_MAX (64u << 20)
#define UNREAD_US 5000000 /* so long a record that the disk does not give is tried again */

static enum mr_err open_given(struct letters *letters, struct mr_error *error)
{
	int fd;
	size_t size;
	const char *name = mr_config_get(letters->env->config, "dead_letter", 0);
	if (!mr_tables_find(letters->env->tables, "deliver.dead_letter", &fd, &size))
		return MR_OK;
	enum mr_err err =
	    out_file_init(&letters->out, fd, name == NULL ? "the dead letter" : name, error);
	letters->open = err == MR_OK;
	return err;
}

char *letters_path(const struct mr_config *config)
{
	const char *set = mr_config_get(config, "dead_letter", 0);
	return set != NULL
		   ? mr_strdup(set)
		   : mr_asprintf("%s/dead-letter.ndjson", mr_config_get(config, "state", 0));
}

static enum mr_err open_once(struct letters *letters, const struct sink_env *env,
			     struct mr_error *error)
{
	char *path = letters_path(letters->env->config);
	char *place = sink_place(env, LETTERS_NAME, error);
	enum mr_err err = place == NULL ? MR_IO
					: mr_config_int(letters->env->config, "dead_letter_bytes",
							&letters->most_bytes, error);
	if (err == MR_OK) {
		uint64_t seed;
		char *mark = mr_asprintf("%s.begin", place);
		memcpy(&seed, letters->env->seed, sizeof seed);
		err = once_file_open(&letters->file, "the dead letter", path, mark, seed, error);
		free(mark);
		if (err == MR_OK) {
			letters->file.counters = letters->env->counters;
			letters->file.rotates = file_rotates(path, env->state);
		}
	}
	free(place);
	free(path);
	letters->open = letters->once = err == MR_OK;
	return err;
}

enum mr_err letters_open(struct letters *letters, const struct sink_env *env,
			 struct mr_error *error)
{
	*letters = (struct letters){.env = env->stage};
	return env->state == NULL ? open_given(letters, error) : open_once(letters, env, error);
}

bool letters_have_room(struct letters *letters)
{
	return !letters->once || once_file_has_room(&letters->file);
}

/* ---- lines ---- */

static enum mr_err to_file(void *context, struct mr_slice piece, struct mr_error *error)
{
	return out_file_put(context, piece, error);
}

static enum mr_err to_buffer(void *context, struct mr_slice piece, struct mr_error *error)
{
	(void)error;
	mr_buf_add(context, piece.at, piece.len);
	return MR_OK;
}

/* Whether the disk has had its time. */
static bool give_up(struct letters *letters, const char *why)
{
	int64_t now_us = letters->env->now->steady_us;
	if (letters->unread_us == 0) {
		letters->unread_us = now_us;
		mr_log(MR_LOG_WARNING, "a rejected record: %s; it is tried again", why);
	}
	return now_us - letters->unread_us >= UNREAD_US;
}

/* Into the file's buffer. MR_FULL: it is not there. */
static enum mr_err put_line(struct letters *letters, const struct line_id *id,
			    const struct mr_reject *reject)
{
	const struct mr_files *files = letters->env->files;
	struct dead_letter_out out = {.put = to_buffer, .most = LETTER_BYTES_MAX, .whole = true};
	struct mr_error unread = {0};
	out.context = once_file_begin_line(&letters->file);
	enum mr_err err = dead_letter_put(&out, id, files, reject, &unread);
	if (err == MR_OK && reject->bytes.len == 0)
		letters->unread_us = 0;
	if (err == MR_OK)
		return MR_OK;
	once_file_drop_line(&letters->file);
	if (!give_up(letters, unread.text))
		return MR_FULL;
	out.whole = false;
	return dead_letter_put(&out, id, files, reject, NULL);
}

/* Whoever may send to a source may fill a disk with what is none of its records, and a full one
 * stops all. */
static bool is_past_bound(struct letters *letters)
{
	bool past = letters->most_bytes != MR_UNLIMITED &&
		    letters->file.lines.bytes >= (uint64_t)letters->most_bytes;
	if (past && !letters->past)
		mr_log_event(
		    MR_LOG_WARNING, MR_EVENT_RECORD_UNWRITTEN,
		    "the dead letter %s has %llu MiB (dead_letter_bytes): rejected records "
		    "are only counted until it is moved away",
		    letters->file.path, (unsigned long long)letters->file.lines.bytes >> 20);
	letters->past = past;
	return past;
}

static enum mr_err put_once(struct letters *letters, const struct line_id *id,
			    const struct mr_reject *reject, bool bounded, struct mr_error *error)
{
	enum mr_err err = once_file_ready(&letters->file, error);
	if (err != MR_OK)
		return err;
	bool wanted = once_file_wants(&letters->file, id);
	if (wanted && bounded && is_past_bound(letters))
		return MR_END;
	if (wanted)
		err = put_line(letters, id, reject);
	if (err != MR_OK)
		return err;
	letters->file.taken++;
	return wanted ? once_file_end_line(&letters->file, error) : MR_OK;
}

enum mr_err letters_put(struct letters *letters, const struct mr_reject *reject,
			struct mr_error *error)
{
	if (!letters->once) {
		const struct dead_letter_out out = {
		    .put = to_file, .context = &letters->out, .most = UINT64_MAX};
		return dead_letter_put(&out, NULL, letters->env->files, reject, error);
	}
	struct line_id id = line_id_of_reject(letters->env->files, reject);
	return put_once(letters, &id, reject, true, error);
}

enum mr_err letters_refuse(struct letters *letters, const char *sink, const struct line_id *id,
			   struct mr_slice line, const char *reason, struct mr_error *error)
{
	if (!letters_have_room(letters))
		return MR_FULL;
	struct mr_buf text = {0};
	uint8_t hash[32];
	struct line_id own = {0};
	mr_buf_printf(&text, "sink %s", sink);
	struct mr_slice name = {text.data, text.len};
	struct mr_reject reject = {.name = name,
				   .length = line.len - 1,
				   .reason = mr_slice(reason),
				   .bytes = {line.at, line.len - 1}};
	struct mr_buf key = {0};
	mr_buf_printf(&key, "%s\n%llu\n", sink, (unsigned long long)id->revision);
	mr_buf_add(&key, id->id, sizeof id->id);
	mr_sha256(key.data, key.len, hash);
	memcpy(own.id, hash, sizeof own.id);
	enum mr_err err = put_once(letters, &own, &reject, false, error);
	mr_buf_fini(&key);
	mr_buf_fini(&text);
	return err;
}

enum mr_err letters_flush(struct letters *letters, struct mr_error *error)
{
	if (!letters->open)
		return MR_OK;
	return letters->once ? once_file_flush(&letters->file, error)
			     : out_file_flush(&letters->out, error);
}

/* ---- checkpoints ---- */

enum mr_err letters_barrier(struct letters *letters, struct mr_error *error)
{
	return letters->once ? once_file_barrier(&letters->file, error)
			     : letters_flush(letters, error);
}

void letters_counts(const struct letters *letters, struct sink_counts *out)
{
	*out = (struct sink_counts){.file = letters->file.path,
				    .lines = &letters->file.lines,
				    .taken = letters->file.taken,
				    .delivered = letters->file.taken,
				    .owed = letters->file.sent.count};
}

void letters_committed(struct letters *letters)
{
	if (letters->once)
		once_file_committed(&letters->file);
}

void letters_snapshot(struct letters *letters, struct mr_buf *out)
{
	once_file_save(&letters->file, out);
}

enum mr_err letters_restore(struct letters *letters, struct mr_slice bytes, struct mr_error *error)
{
	return once_file_load(&letters->file, bytes, error);
}

void letters_close(struct letters *letters)
{
	if (letters->once)
		once_file_close(&letters->file);
	out_file_fini(&letters->out);
	*letters = (struct letters){0};
}
