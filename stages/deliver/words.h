/* words.h - what the sentence of an alert calls a field. Called by message.c. Cannot fail. */
#ifndef MILLRACE_DELIVER_WORDS_H
#define MILLRACE_DELIVER_WORDS_H

#include "millrace/rule.h"

struct words {
	const char *before;   /* "new ", "old " or "" */
	struct mr_slice text; /* borrowed from the name, or static */
	bool is_word;         /* has a plural; else it is a part of a record's own path */
};

/* A normalised field by its word in normalised.def; a record's own by the end of its path, as much
 * of it as says something and as no other name of `among` (may be NULL) ends with. One longer than
 * WORDS_NAME_MAX stays whole: it would be compared with all others, part by part, for each alert.
 */
#define WORDS_NAME_MAX 256
struct words words_of_field(struct mr_slice name, const struct mr_texts *among);

/* What makes the plural of a word: it stands in place of the last `*cut_out` bytes. */
const char *words_plural(struct mr_slice word, size_t *cut_out);

#endif
