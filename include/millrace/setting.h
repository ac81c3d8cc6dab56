/* setting.h - what settings there are: the rows of setting.def, and how their texts are read.
 *
 * Called by config.c for those who ask, and by whoever takes settings from a person. */
#ifndef MILLRACE_SETTING_H
#define MILLRACE_SETTING_H

#include "millrace/error.h"
#include "millrace/text.h"

/* Where a setting stands: in the run, or in one of its parts. OWN ones are the run's, too, but no
 * person sets them. */
enum mr_scope { MR_SCOPE_RUN, MR_SCOPE_SOURCE, MR_SCOPE_SINK, MR_SCOPE_HOST, MR_SCOPE_OWN };
#define MR_SCOPE_COUNT 5

/* Units of the ranges. */
#define MR_MS_US INT64_C(1000)
#define MR_SECOND_US (1000 * MR_MS_US)
#define MR_MINUTE_US (60 * MR_SECOND_US)
#define MR_HOUR_US (60 * MR_MINUTE_US)
#define MR_DAY_US (24 * MR_HOUR_US)
#define MR_KIB INT64_C(1024)
#define MR_MIB (1024 * MR_KIB)
#define MR_GIB (1024 * MR_MIB)
#define MR_PIB (1024 * 1024 * MR_GIB)
#define MR_UNLIMITED INT64_MAX

#define MR_NAME_MAX 64
#define MR_ADDRESS_MAX 300 /* bytes, the zero byte included */
#define MR_KEY_TEXT 40     /* bytes of a key's text, without the zero byte */

enum mr_setting_kind {
	MR_SETTING_TEXT,
	MR_SETTING_TEXTS,     /* may be given often */
	MR_SETTING_NAME,      /* of a part: it names files */
	MR_SETTING_ADDRESS,   /* tcp://HOST:PORT */
	MR_SETTING_KEY,       /* a public CURVE key: 40 signs of Z85 */
	MR_SETTING_LOGSOURCE, /* of records: product=,category=,service= */
	MR_SETTING_PATH,
	MR_SETTING_PATHS,        /* likewise, often */
	MR_SETTING_SECRET,       /* a file that holds it, never the secret itself */
	MR_SETTING_CERTIFICATES, /* a file of them */
	MR_SETTING_CHOICE,       /* a word of a closed list; as a number its place there */
	MR_SETTING_CHOICES,      /* likewise, often */
	MR_SETTING_FLAG,         /* true or false; as a number 1 or 0 */
	MR_SETTING_NUMBER,       /* a whole one */
	MR_SETTING_DURATION,     /* 20ms, 10s, 5m, 24h, 30d; as a number microseconds */
	MR_SETTING_SIZE          /* 512, 64KiB, 64MiB, 1GiB; as a number bytes */
};

/* One row of setting.def. */
struct mr_setting_row {
	const char *name;
	unsigned scopes; /* a bit for each enum mr_scope */
	const char *types;
	enum mr_setting_kind kind;
	const char *argument;
	int64_t least;
	int64_t most;
	int64_t fallback;
	const char *prose;
};

extern const struct mr_setting_row mr_settings[];
extern const size_t mr_settings_count;

/* NULL where there is no such setting there. What stands in OWN is found in RUN, too. */
const struct mr_setting_row *mr_setting_find(enum mr_scope scope, struct mr_slice name);
static inline bool mr_setting_stands(const struct mr_setting_row *row, enum mr_scope scope)
{
	return (row->scopes >> scope & 1) != 0;
}
/* Whether it stands with that `type`, and whether it has to. */
bool mr_setting_fits(const struct mr_setting_row *row, const char *type, bool *required_out);
static inline bool mr_setting_often(const struct mr_setting_row *row)
{
	return row->kind == MR_SETTING_TEXTS || row->kind == MR_SETTING_PATHS ||
	       row->kind == MR_SETTING_CHOICES;
}
/* Kinds of files whose bytes a sink is given (deliver's key_files.h). */
static inline bool mr_setting_is_read(const struct mr_setting_row *row)
{
	return row->kind == MR_SETTING_SECRET || row->kind == MR_SETTING_CERTIFICATES;
}
/* Kinds that have a value as a number. */
bool mr_setting_counts(const struct mr_setting_row *row);

/* Whether a text is one of this setting's, and its value as a number, 0 where it has none.
 * MR_CONFIG: what it is not, in words that begin with the text in quotes. */
enum mr_err mr_setting_read(const struct mr_setting_row *row, const char *text, int64_t *out,
			    struct mr_error *error);
/* A value as a person writes it, such as 64MiB: appended. */
void mr_setting_show(const struct mr_setting_row *row, int64_t value, struct mr_buf *out);
/* What it may be, and what it is without a text: "1 to 64", "at least 1s, or unlimited; default
 * 1d", "auto, require or off; default auto". Appended; empty for texts. */
void mr_setting_range(const struct mr_setting_row *row, struct mr_buf *out);
/* The n-th word of a closed list; empty behind the last. */
struct mr_slice mr_setting_word(const struct mr_setting_row *row, size_t n);

#endif
