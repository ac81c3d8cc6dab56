/* engine.h - the matching engine: a set of rules compiled once, shared by all workers.
 *
 * Compiled in the supervisor into an image (bytes without pointers, the table "detect.image"),
 * opened in each worker over the mapped bytes. */
#ifndef MILLRACE_DETECT_ENGINE_H
#define MILLRACE_DETECT_ENGINE_H

#include "sigma.h"

/* How regexes are looked for that need no text. Both say the same of every event. */
enum engine_search {
	ENGINE_AT_ONCE,    /* one scan of libhs for all */
	ENGINE_ONE_BY_ONE, /* each by itself: where libhs cannot be trusted */
};

/* Whether libhs finds texts that are known to be there. Takes some milliseconds. */
bool engine_scan_is_sound(void);
/* Which libhs that is, in its own words. */
const char *engine_scan_version(void);

/* Compile. MR_UNSUPPORTED names the rule whose pattern cannot be compiled. The image is appended.
 */
enum mr_err engine_compile(const struct sigma_set *set, enum engine_search search,
			   struct mr_fields *fields, struct mr_buf *image, struct mr_error *error);

struct engine;
/* `image` stays mapped as long as the engine lives. Survives any bytes. */
enum mr_err engine_open(struct mr_slice image, const struct mr_fields *fields, struct engine **out,
			struct mr_error *error);
void engine_close(struct engine *engine);

/* Judge one event. Gives the catalog indices of the rules that match, ascending; valid until the
 * next call. */
size_t engine_match(struct engine *engine, const struct mr_events *events,
		    const struct mr_event *event, const uint32_t **rules_out);
/* Whether a rule sees such records at all, by its catalog index: what it asks of them is another
 * matter. */
bool engine_rule_sees(const struct engine *engine, const struct mr_event *event, uint32_t rule);
/* How often a match was given up at its bound of work since the last call: PCRE2's limit, or that
 * on comparing two fields. */
uint64_t engine_limits(struct engine *engine);
/* The next test that was given up for the first time: the catalog index of a rule that has it, and
 * its regex, or NULL and 0 where it compares two fields. False where there is none. */
bool engine_given_up(struct engine *engine, uint32_t *rule_out, struct mr_slice *regex_out);

#endif
