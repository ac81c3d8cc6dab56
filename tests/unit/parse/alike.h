/* alike.h - from a record one that is written alike: the same tokens, other texts in values.
 *
 * What a plan does for the second must be what a walk over it does. */
#ifndef MILLRACE_TEST_ALIKE_H
#define MILLRACE_TEST_ALIKE_H

#include "parse/harness.h"

static inline char alike_turned(char c, unsigned turn)
{
	if (c >= 'a' && c <= 'z')
		return (char)('a' + ((unsigned)(c - 'a') + turn) % 26);
	if (c >= 'A' && c <= 'Z')
		return (char)('A' + ((unsigned)(c - 'A') + turn) % 26);
	if (c >= '1' && c <= '9')
		return (char)('1' + ((unsigned)(c - '1') + turn) % 9);
	return c;
}

/* Letters and digits turn in strings that stand behind a colon, with `digits` in numbers too; what
 * follows a backslash stays. */
static inline void alike_turn(char *text, size_t len, unsigned turn, bool digits)
{
	bool string = false, value = false;
	char before = '\0';
	for (size_t at = 0; at < len; at++) {
		char c = text[at];
		if (string && c == '\\')
			at++;
		else if (c == '"') {
			value = !string && before == ':';
			string = !string;
		} else if (string ? value : digits && c >= '1' && c <= '9')
			text[at] = alike_turned(c, turn);
		if (!string && c != ' ')
			before = c;
	}
}

static const char *const alike_names[] = {"a",
					  "a.b",
					  "a.b.c",
					  "Parameters",
					  "Parameters.Name",
					  "Parameters.ForwardTo",
					  "Parameters.a.b",
					  "ModifiedProperties",
					  "ModifiedProperties.X.NewValue",
					  "ModifiedProperties.X.OldValue.a",
					  "ModifiedProperties.Name",
					  "TargetResources.ModifiedProperties.NewValue",
					  "properties",
					  "properties.message",
					  "properties.a.b",
					  "Item.Attachments",
					  "Data.op",
					  "ExtendedProperties.additionalDetails.User-Agent",
					  "initiatedBy.user.id",
					  "Image",
					  "Details",
					  "Computer",
					  "Provider_Name",
					  NULL};

static inline void alike_check_of(struct mr_slice first, struct mr_slice second,
				  const char *logsource)
{
	struct harness seen, fresh;
	harness_logsource = logsource;
	harness_open(&seen, alike_names, NULL, "65536");
	harness_open(&fresh, alike_names, NULL, "65536");
	harness_logsource = NULL;
	harness_record(&seen, first);
	harness_record(&seen, first);
	const struct mr_event *a = harness_record(&seen, second);
	const struct mr_event *b = harness_record(&fresh, second);
	harness_same(&seen, a, &fresh, b);
	harness_must(strcmp(seen.reason, fresh.reason) == 0);
	harness_close(&seen);
	harness_close(&fresh);
}

/* `first`, twice, is what a stage has seen when `second` comes; another has seen nothing. Of any
 * source, and of one that says what its records are. */
static inline void alike_check(struct mr_slice first, struct mr_slice second)
{
	alike_check_of(first, second, NULL);
	alike_check_of(first, second, "product=windows");
}

#endif
