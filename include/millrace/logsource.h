/* logsource.h - what a run says of its sources' records: their Sigma logsource.
 *
 * Called by parse, which then asks no record for its kind, by detect, whose rules for that
 * logsource see the records, and by setting.c. Records of a source of which nothing is said are
 * told by their content. */
#ifndef MILLRACE_LOGSOURCE_H
#define MILLRACE_LOGSOURCE_H

#include "millrace/config.h"
#include "millrace/text.h"

struct mr_logsource {
	struct mr_slice product, category, service; /* empty: not said */
};

/* Reads `product=windows,category=process_creation`: each part once, at least one. Borrows the
 * text. MR_CONFIG: what it is not, in words that begin with the text in quotes. */
enum mr_err mr_logsource_read(const char *text, struct mr_logsource *out, struct mr_error *error);
/* As it is read; appended. */
void mr_logsource_show(const struct mr_logsource *logsource, struct mr_buf *out);
/* Whether records of `has` are of `wanted` too: each part that it names is the same, in any case.
 */
bool mr_logsource_holds(const struct mr_logsource *wanted, const struct mr_logsource *has);

#define MR_DECLARED_MAX 256 /* logsources of one run that differ */

struct mr_declared {
	struct mr_logsource *items; /* none twice, in the order in which they were said */
	const char **texts;         /* of each where it was said first: the setting's value */
	uint32_t count;
	uint16_t *numbers; /* of each source: its place in items, from 1; 0: nothing is said */
	uint32_t source_count;
	uint16_t otherwise; /* of any other source */
};

/* What the settings say. Borrows them. MR_CONFIG; then hold nothing. */
enum mr_err mr_declared_read(const struct mr_config *config, struct mr_declared *out,
			     struct mr_error *error);
void mr_declared_fini(struct mr_declared *declared);
/* The place of a logsource in `items`, from 1, or 0. */
uint16_t mr_declared_find(const struct mr_declared *declared, const struct mr_logsource *logsource);
static inline uint16_t mr_declared_of(const struct mr_declared *declared, uint32_t source)
{
	return source < declared->source_count ? declared->numbers[source] : declared->otherwise;
}

#endif
