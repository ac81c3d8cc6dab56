/* line_id.c - ids of lines, made and read back. Called by deliver.c and once_file.c; cannot fail.
 */
#include "line_id.h"

#include <limits.h>

#define ACTIVITY_SHIFT 56
#define SEVERITY_SHIFT 48
#define SHOWN_COUNT_MAX ((uint64_t)INT32_MAX) /* ocsf.c's: an integer_t */

static uint64_t revision(uint64_t activity, uint64_t severity, uint64_t count)
{
	if (activity == MR_ACTIVITY_CREATE)
		return 0;
	if (count > SHOWN_COUNT_MAX)
		count = SHOWN_COUNT_MAX;
	return activity << ACTIVITY_SHIFT | severity << SEVERITY_SHIFT | count;
}

struct line_id line_id_of_alert(const struct mr_alert *alert, enum mr_level level)
{
	struct line_id id = {.revision =
				 revision(alert->activity, (uint64_t)level, alert->event_count)};
	memcpy(id.id, alert->id, sizeof id.id);
	return id;
}

struct line_id line_id_of_reject(const struct mr_files *files, const struct mr_reject *reject)
{
	struct mr_slice file = files == NULL ? (struct mr_slice){"", 0}
					     : mr_files_name(files, reject->origin.partition);
	struct mr_buf text = {0};
	struct line_id id = {0};
	uint8_t hash[32];
	mr_buf_printf(&text, "%u\n%llu\n%llu\n", reject->origin.source,
		      (unsigned long long)reject->origin.position,
		      (unsigned long long)reject->offset);
	/* The original of what lies in a journal may be unknown after a restart. */
	struct mr_slice name = file.len > 0 ? (struct mr_slice){"", 0} : reject->name;
	mr_buf_add(&text, name.at, name.len);
	mr_buf_add_text(&text, "\n");
	mr_buf_add(&text, file.at, file.len);
	mr_sha256(text.data, text.len, hash);
	memcpy(id.id, hash, sizeof id.id);
	mr_buf_fini(&text);
	return id;
}

/* ---- reading back ---- */

struct cursor {
	const char *at;
	const char *end;
	bool bad;
};

static bool take(struct cursor *in, char byte)
{
	if (in->bad || in->at == in->end || *in->at != byte)
		return false;
	in->at++;
	return true;
}

static void need(struct cursor *in, char byte)
{
	if (!take(in, byte))
		in->bad = true;
}

/* The text between the quotes, as it stands. */
static struct mr_slice string(struct cursor *in)
{
	need(in, '"');
	const char *from = in->at;
	while (!in->bad && in->at < in->end && *in->at != '"')
		in->at += *in->at == '\\' && in->end - in->at > 1 ? 2 : 1;
	struct mr_slice text = {from, (size_t)(in->at - from)};
	need(in, '"');
	return text;
}

static uint64_t number(struct cursor *in)
{
	const char *from = in->at;
	uint64_t value = 0;
	take(in, '-');
	for (; !in->bad && in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++)
		value = value * 10 + (uint64_t)(*in->at - '0');
	if (in->at == from || in->at - from > 19)
		in->bad = true;
	return value;
}

static int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool hex(struct mr_slice text, uint8_t *out)
{
	if (text.len != (size_t)2 * MR_ALERT_ID_BYTES)
		return false;
	for (size_t i = 0; i < text.len; i += 2) {
		int high = hex_digit(text.at[i]), low = hex_digit(text.at[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The first member of the object that begins here is the id: "id" of a dead letter, "uid" of
 * finding_info. */
static bool id_member(struct cursor *in, const char *name, uint8_t *out)
{
	need(in, '{');
	struct mr_slice key = string(in);
	need(in, ':');
	return mr_slice_eq(key, mr_slice(name)) && hex(string(in), out) && !in->bad;
}

/* Members before finding_info are texts and whole numbers: ocsf.c's order. */
bool line_id_read(struct mr_slice line, struct line_id *out)
{
	struct cursor in = {line.at, line.at + line.len, false};
	uint64_t activity = 0, severity = 0, count = 0;
	*out = (struct line_id){0};
	struct cursor letter = in;
	if (id_member(&letter, "id", out->id))
		return true;
	need(&in, '{');
	while (!in.bad) {
		struct mr_slice key = string(&in);
		need(&in, ':');
		if (in.at < in.end && *in.at == '{') {
			if (!mr_slice_eq(key, MR_SLICE("finding_info")) ||
			    !id_member(&in, "uid", out->id))
				return false;
			out->revision = revision(activity, severity, count);
			return activity >= MR_ACTIVITY_CREATE && activity <= MR_ACTIVITY_CLOSE;
		}
		if (in.at < in.end && *in.at == '"') {
			string(&in);
		} else {
			uint64_t value = number(&in);
			activity = mr_slice_eq(key, MR_SLICE("activity_id")) ? value : activity;
			severity = mr_slice_eq(key, MR_SLICE("severity_id")) ? value : severity;
			count = mr_slice_eq(key, MR_SLICE("count")) ? value : count;
		}
		need(&in, ',');
	}
	return false;
}

uint64_t line_id_count(struct mr_slice lines)
{
	uint64_t count = 0;
	while (lines.len > 0) {
		const char *end = memchr(lines.at, '\n', lines.len);
		size_t len = end == NULL ? lines.len : (size_t)(end - lines.at) + 1;
		struct line_id id;
		count += line_id_read((struct mr_slice){lines.at, len}, &id) && id.revision == 0;
		lines = (struct mr_slice){lines.at + len, lines.len - len};
	}
	return count;
}
