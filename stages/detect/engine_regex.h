/* engine_regex.h - PCRE2 as rules see it.
 *
 * Used by the compiler to check a pattern and by the matcher to try it. */
#ifndef MILLRACE_DETECT_ENGINE_REGEX_H
#define MILLRACE_DETECT_ENGINE_REGEX_H

#include "sigma.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct engine_regex;
/* NULL with PCRE2's code and the offset. */
struct engine_regex *engine_regex_compile(struct mr_slice pattern, uint32_t flags, int *code_out,
					  size_t *offset_out);
/* Accepts NULL. */
void engine_regex_free(struct engine_regex *regex);

enum engine_found {
	ENGINE_FOUND,
	ENGINE_ABSENT,
	ENGINE_GAVE_UP, /* the text needs too many steps */
	ENGINE_SPENT    /* the event has needed too many */
};
/* What all texts of an event may cost one regex: of a text of up to 16 KiB the steps that PCRE2 was
 * granted beyond its first look, which the length bounds; of a longer one the bytes looked at. */
#define ENGINE_REGEX_SPENT_MAX 200000000u

/* What matching needs besides the pattern; one for each engine. */
struct engine_regex_room {
	pcre2_match_context *context;
	pcre2_match_data *data;
	pcre2_jit_stack *stack;
	uint64_t left; /* bytes that the text in hand may still cost */
	size_t at;     /* where in it the last item was tried */
};
void engine_regex_room_init(struct engine_regex_room *room);
void engine_regex_room_fini(struct engine_regex_room *room);
/* Bounded: gives up where the pattern needs too many steps. NULL, which a damaged image may lead
 * to, is found nowhere. `*spent` is what the event's texts have
 * cost the pattern so far. */
enum engine_found engine_regex_find(struct engine_regex_room *room,
				    const struct engine_regex *regex, struct mr_slice text,
				    uint64_t *spent);

#endif
