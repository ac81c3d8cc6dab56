/* option.c - getopt_long and help from one table.
 *
 * Called by commands. A table holds at most OPTIONS_MAX. */
#include "millrace/option.h"

#include <assert.h>
#include <getopt.h>

#define OPTIONS_MAX 40
#define FIRST 1000     /* what getopt gives for the first of the table */
#define HELP_COLUMN 28 /* where what an option does begins */
#define HELP_WIDTH 100

static const struct mr_setting_row *setting_of(const struct mr_option *option)
{
	char name[32];
	if (option->prose != NULL)
		return NULL;
	snprintf(name, sizeof name, "%s", option->name);
	for (char *at = name; *at != '\0'; at++)
		*at = *at == '-' ? '_' : *at;
	const struct mr_setting_row *row = mr_setting_find(MR_SCOPE_RUN, mr_slice(name));
	assert(row != NULL);
	return row;
}

struct mr_option mr_option_whole(const struct mr_option *option)
{
	const struct mr_setting_row *row = setting_of(option);
	struct mr_option whole = *option;
	if (row != NULL) {
		whole.argument = row->kind == MR_SETTING_FLAG ? NULL : row->argument;
		whole.prose = row->prose;
	}
	return whole;
}

void mr_option_add(struct mr_config *config, const struct mr_option *option, const char *value)
{
	const struct mr_setting_row *row = setting_of(option);
	assert(row != NULL);
	mr_config_add(config, row->name, row->kind == MR_SETTING_FLAG ? "true" : value);
}

int mr_option_next(const struct mr_option *options, int argc, char **argv)
{
	struct option table[OPTIONS_MAX + 1] = {{0}};
	char letters[2 * OPTIONS_MAX + 1] = "";
	size_t count = 0;
	char *at = letters;
	for (; options[count].name != NULL; count++) {
		assert(count < OPTIONS_MAX);
		bool has = mr_option_whole(&options[count]).argument != NULL;
		table[count] =
		    (struct option){options[count].name, has ? required_argument : no_argument,
				    NULL, FIRST + (int)count};
		if (options[count].letter == 0)
			continue;
		*at++ = options[count].letter;
		if (has)
			*at++ = ':';
	}
	int got = getopt_long(argc, argv, letters, table, NULL);
	if (got == -1)
		return MR_OPTIONS_END;
	for (size_t i = 0; i < count; i++) {
		if (got == FIRST + (int)i || (got == options[i].letter && got != 0))
			return (int)i;
	}
	return MR_OPTIONS_WRONG;
}

/* What it does; of numbers and sizes, what they may be, too. */
static void put_prose(const struct mr_option *option, struct mr_buf *out)
{
	const struct mr_setting_row *row = setting_of(option);
	mr_buf_add_text(out, mr_option_whole(option).prose);
	if (row == NULL || (row->kind != MR_SETTING_SIZE && row->kind != MR_SETTING_NUMBER))
		return;
	mr_buf_add_text(out, ", ");
	mr_setting_range(row, out);
}

/* From HELP_COLUMN on, no line longer than HELP_WIDTH but for a word that is. */
static void put_wrapped(struct mr_slice text, FILE *out)
{
	int column = HELP_COLUMN;
	while (text.len > 0) {
		const char *blank = memchr(text.at, ' ', text.len);
		size_t len = blank == NULL ? text.len : (size_t)(blank - text.at);
		if (column > HELP_COLUMN && column + 1 + (int)len > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		}
		column +=
		    fprintf(out, "%s%.*s", column > HELP_COLUMN ? " " : "", (int)len, text.at);
		len += blank != NULL;
		text = (struct mr_slice){text.at + len, text.len - len};
	}
	fputc('\n', out);
}

void mr_options_help(const struct mr_option *options, FILE *out)
{
	for (; options->name != NULL; options++) {
		const struct mr_option whole = mr_option_whole(options);
		struct mr_buf prose = {0};
		char letter[8] = "   ";
		if (options->letter != 0)
			snprintf(letter, sizeof letter, "-%c,", options->letter);
		int width = fprintf(out, "  %s --%s%s%s", letter, options->name,
				    whole.argument == NULL ? "" : " ",
				    whole.argument == NULL ? "" : whole.argument);
		if (width >= HELP_COLUMN)
			fputc('\n', out);
		fprintf(out, "%*s", width < HELP_COLUMN ? HELP_COLUMN - width : HELP_COLUMN, "");
		put_prose(options, &prose);
		put_wrapped((struct mr_slice){prose.data, prose.len}, out);
		mr_buf_fini(&prose);
	}
}

int mr_help(const char *usage, const struct mr_option *options, const char *behind)
{
	fputs(usage, stdout);
	mr_options_help(options, stdout);
	fputs(behind, stdout);
	return fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
}
