/* setting.c - the rows of setting.def, and how their texts are read.
 *
 * Called by config.c, topology_file.c and the commands. Fails with MR_CONFIG, in words that name
 * the text and what would be right. */
#include "millrace/setting.h"

#include "millrace/file.h"
#include "millrace/logsource.h"

enum {
	RUN = 1 << MR_SCOPE_RUN,
	SOURCE = 1 << MR_SCOPE_SOURCE,
	SINK = 1 << MR_SCOPE_SINK,
	HOST = 1 << MR_SCOPE_HOST,
	OWN = 1 << MR_SCOPE_OWN
};

const struct mr_setting_row mr_settings[] = {
#define X(name, scopes, types, kind, argument, least, most, fallback, prose)                       \
	{name, scopes, types, MR_SETTING_##kind, argument, least, most, fallback, prose},
#include "millrace/setting.def"
#undef X
};
const size_t mr_settings_count = sizeof mr_settings / sizeof *mr_settings;

const struct mr_setting_row *mr_setting_find(enum mr_scope scope, struct mr_slice name)
{
	for (size_t i = 0; i < mr_settings_count; i++) {
		const struct mr_setting_row *row = &mr_settings[i];
		bool there = mr_setting_stands(row, scope) ||
			     (scope == MR_SCOPE_RUN && mr_setting_stands(row, MR_SCOPE_OWN));
		if (there && mr_slice_eq(name, mr_slice(row->name)))
			return row;
	}
	return NULL;
}

/* The n-th piece of a text that `part` parts. */
static struct mr_slice piece(const char *text, char part, size_t n)
{
	for (; n > 0 && text != NULL; n--) {
		text = strchr(text, part);
		text = text == NULL ? NULL : text + 1;
	}
	if (text == NULL)
		return (struct mr_slice){0};
	const char *end = strchr(text, part);
	return end == NULL ? mr_slice(text) : (struct mr_slice){text, (size_t)(end - text)};
}

struct mr_slice mr_setting_word(const struct mr_setting_row *row, size_t n)
{
	return piece(row->argument, '|', n);
}

bool mr_setting_fits(const struct mr_setting_row *row, const char *type, bool *required_out)
{
	struct mr_slice one;
	*required_out = strcmp(row->types, "!") == 0;
	if (*required_out || *row->types == '\0')
		return true;
	for (size_t i = 0; (one = piece(row->types, ' ', i)).len > 0; i++) {
		bool required = one.at[one.len - 1] == '!';
		one.len -= required;
		if (type == NULL || !mr_slice_eq(one, mr_slice(type)))
			continue;
		*required_out = required;
		return true;
	}
	return false;
}

bool mr_setting_counts(const struct mr_setting_row *row)
{
	return row->kind >= MR_SETTING_CHOICE && row->kind != MR_SETTING_CHOICES;
}

/* ---- numbers with a unit ---- */

struct unit {
	const char *name;
	int64_t value;
};
/* From the largest on. */
static const struct unit durations[] = {{"d", MR_DAY_US},    {"h", MR_HOUR_US}, {"m", MR_MINUTE_US},
					{"s", MR_SECOND_US}, {"ms", MR_MS_US},  {NULL, 0}};
static const struct unit sizes[] = {{"PiB", MR_PIB}, {"GiB", MR_GIB}, {"MiB", MR_MIB},
				    {"KiB", MR_KIB}, {"", 1},         {NULL, 0}};
static const struct unit plain[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(const struct mr_setting_row *row)
{
	return row->kind == MR_SETTING_DURATION ? durations
	       : row->kind == MR_SETTING_SIZE   ? sizes
						: plain;
}

/* Nothing of anything is zero, without a unit too. */
static bool read_amount(const struct unit *units, struct mr_slice text, int64_t *out)
{
	struct mr_slice digits = text;
	while (digits.len > 0 &&
	       (digits.at[digits.len - 1] < '0' || digits.at[digits.len - 1] > '9'))
		digits.len--;
	const struct mr_slice unit = {text.at + digits.len, text.len - digits.len};
	if (!mr_parse_int64(digits, out))
		return false;
	if (unit.len == 0 && *out == 0)
		return true;
	for (; units->name != NULL; units++) {
		if (mr_slice_eq(unit, mr_slice(units->name)))
			return !__builtin_mul_overflow(*out, units->value, out);
	}
	return false;
}

void mr_setting_show(const struct mr_setting_row *row, int64_t value, struct mr_buf *out)
{
	if (row->kind == MR_SETTING_FLAG) {
		mr_buf_printf(out, "%s", value != 0 ? "true" : "false");
	} else if (row->kind == MR_SETTING_CHOICE) {
		struct mr_slice word = mr_setting_word(row, (size_t)value);
		mr_buf_add(out, word.at, word.len);
	} else if (row->most == MR_UNLIMITED && value == MR_UNLIMITED) {
		mr_buf_printf(out, "unlimited");
	} else {
		const struct unit *unit = units_of(row);
		while (unit[1].name != NULL && (value == 0 || value % unit->value != 0))
			unit++;
		mr_buf_printf(out, "%lld%s", (long long)(value / unit->value),
			      value == 0 ? "" : unit->name);
	}
}

/* "a, b or c" */
static void list_words(const struct mr_setting_row *row, struct mr_buf *out)
{
	struct mr_slice word;
	for (size_t i = 0; (word = mr_setting_word(row, i)).len > 0; i++) {
		bool last = mr_setting_word(row, i + 1).len == 0;
		mr_buf_printf(out, "%s%.*s",
			      i == 0 ? ""
			      : last ? " or "
				     : ", ",
			      (int)word.len, word.at);
	}
}

/* "1 to 64", or "at least 1s" where there is no end. */
static void put_limits(const struct mr_setting_row *row, struct mr_buf *out)
{
	bool limit = row->most == MR_UNLIMITED;
	mr_buf_printf(out, limit ? "at least " : "");
	mr_setting_show(row, row->least, out);
	if (limit)
		return;
	mr_buf_printf(out, " to ");
	mr_setting_show(row, row->most, out);
}

void mr_setting_range(const struct mr_setting_row *row, struct mr_buf *out)
{
	if (row->kind == MR_SETTING_FLAG)
		mr_buf_printf(out, "true or false");
	else if (row->kind == MR_SETTING_CHOICE || row->kind == MR_SETTING_CHOICES)
		list_words(row, out);
	else if (mr_setting_counts(row))
		put_limits(row, out);
	if (mr_setting_counts(row) && row->most == MR_UNLIMITED)
		mr_buf_printf(out, ", or unlimited");
	if (mr_setting_counts(row) && row->fallback >= row->least && row->fallback <= row->most) {
		mr_buf_printf(out, "; default ");
		mr_setting_show(row, row->fallback, out);
	}
}

/* ---- one text ---- */

static const char *const what_it_is[] = {[MR_SETTING_NUMBER] = "a whole number",
					 [MR_SETTING_DURATION] =
					     "a time with its unit (ms, s, m, h, d)",
					 [MR_SETTING_SIZE] = "a size (64MiB)"};

static enum mr_err read_number(const struct mr_setting_row *row, const char *text, int64_t *out,
			       struct mr_error *error)
{
	bool limit = row->most == MR_UNLIMITED;
	if (limit && strcmp(text, "unlimited") == 0) {
		*out = MR_UNLIMITED;
		return MR_OK;
	}
	if (read_amount(units_of(row), mr_slice(text), out) && *out >= row->least &&
	    *out <= row->most)
		return MR_OK;
	struct mr_buf range = {0};
	mr_buf_printf(&range, limit ? "%s of " : "%s from ", what_it_is[row->kind]);
	put_limits(row, &range);
	enum mr_err err =
	    mr_error_set(error, MR_CONFIG, "\"%s\" is not %.*s%s", text, (int)range.len, range.data,
			 limit ? ", nor the word unlimited" : "");
	mr_buf_fini(&range);
	return err;
}

static enum mr_err read_word(const struct mr_setting_row *row, const char *text, int64_t *out,
			     struct mr_error *error)
{
	struct mr_slice word;
	for (size_t i = 0; (word = mr_setting_word(row, i)).len > 0; i++) {
		if (mr_slice_eq(word, mr_slice(text))) {
			*out = (int64_t)i;
			return MR_OK;
		}
	}
	struct mr_buf words = {0};
	list_words(row, &words);
	enum mr_err err =
	    mr_error_set(error, MR_CONFIG, "\"%s\" is not %.*s", text, (int)words.len, words.data);
	mr_buf_fini(&words);
	return err;
}

static enum mr_err read_flag(const char *text, int64_t *out, struct mr_error *error)
{
	*out = strcmp(text, "true") == 0;
	return *out != 0 || strcmp(text, "false") == 0
		   ? MR_OK
		   : mr_error_set(error, MR_CONFIG, "\"%s\" is not true or false", text);
}

/* It names folders, and stands in messages. */
static enum mr_err read_name(const char *text, struct mr_error *error)
{
	size_t len =
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
	if (len > 0 && len <= MR_NAME_MAX && text[len] == '\0' && strchr("-_.", text[0]) == NULL)
		return MR_OK;
	return mr_error_set(
	    error, MR_CONFIG,
	    "\"%s\" is not a name of 1 to %d letters, digits, -, _ and ., the first a "
	    "letter or a digit",
	    text, MR_NAME_MAX);
}

#define MR_ADDRESS_HEAD "tcp://"

static enum mr_err read_address(const char *text, struct mr_error *error)
{
	int64_t port;
	const char *colon = strrchr(text, ':');
	size_t head = sizeof MR_ADDRESS_HEAD - 1;
	if (strncmp(text, MR_ADDRESS_HEAD, head) == 0 && colon > text + head &&
	    strlen(text) < MR_ADDRESS_MAX && strpbrk(text + head, " /;@") == NULL &&
	    mr_parse_int64(mr_slice(colon + 1), &port) && port > 0 && port <= UINT16_MAX)
		return MR_OK;
	return mr_error_set(error, MR_CONFIG, "\"%s\" is not tcp://HOST:PORT", text);
}

/* rfc.zeromq.org/spec/32: Z85. */
static enum mr_err read_key(const char *text, struct mr_error *error)
{
	size_t len = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  ".-:+=^!/*?&<>()[]{}@%$#");
	if (len == MR_KEY_TEXT && text[len] == '\0')
		return MR_OK;
	return mr_error_set(
	    error, MR_CONFIG,
	    "\"%s\" is not a public key: %d signs of those that millrace keys gives", text,
	    MR_KEY_TEXT);
}

enum mr_err mr_setting_read(const struct mr_setting_row *row, const char *text, int64_t *out,
			    struct mr_error *error)
{
	*out = 0;
	switch (row->kind) {
	case MR_SETTING_NUMBER:
	case MR_SETTING_DURATION:
	case MR_SETTING_SIZE:
		return read_number(row, text, out, error);
	case MR_SETTING_CHOICE:
	case MR_SETTING_CHOICES:
		return read_word(row, text, out, error);
	case MR_SETTING_FLAG:
		return read_flag(text, out, error);
	case MR_SETTING_NAME:
		return read_name(text, error);
	case MR_SETTING_ADDRESS:
		return read_address(text, error);
	case MR_SETTING_KEY:
		return read_key(text, error);
	case MR_SETTING_LOGSOURCE:
		return mr_logsource_read(text, &(struct mr_logsource){0}, error);
	default:
		return MR_OK;
	}
}
