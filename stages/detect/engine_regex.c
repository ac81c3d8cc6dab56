/* engine_regex.c - PCRE2 in UTF mode, JIT where the machine has one, bounded in steps and memory.
 *
 * Called by engine_compile.c (patterns) and engine_match.c (texts). Text that is no UTF-8 matches
 * nowhere inside its ill-formed bytes and is no error. */
#include "engine_regex.h"

#include <stdlib.h>

/* Steps that one text may cost over all its starting points, and the least for one of them. PCRE2
 * counts anew at each starting point, so a long text gets less for each. */
#define STEP_BUDGET 50000000u
#define STEPS_MIN 500u
#define STEPS_MAX 100000u
/* How many steps a match took PCRE2 does not tell. So the first look gets few, which next to all
 * texts are content with, and each further look STEPS_TIMES as many. */
#define STEPS_FIRST 100u
#define STEPS_TIMES 8u
/* A run over a class is one step, however long: a text of so many bytes is looked through so often
 * at the worst. Of a longer one the bytes are counted, at seven times the cost. */
#define LONG_TEXT (16u << 10)
#define HEAP_KIB 4096u
#define JIT_STACK_MIN (32u << 10)
#define JIT_STACK_MAX (1u << 20)

struct engine_regex {
	pcre2_code *code;
	pcre2_code *counting; /* calls count_bytes before each item */
};

static pcre2_code *compile(struct mr_slice pattern, uint32_t options, int *code_out,
			   size_t *offset_out)
{
	pcre2_code *code =
	    pcre2_compile((PCRE2_SPTR)pattern.at, pattern.len, options, code_out, offset_out, NULL);
	if (code != NULL) /* without JIT it is only slower */
		(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

struct engine_regex *engine_regex_compile(struct mr_slice pattern, uint32_t flags, int *code_out,
					  size_t *offset_out)
{
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
			   (flags & SIGMA_RE_I ? PCRE2_CASELESS : 0) |
			   (flags & SIGMA_RE_M ? PCRE2_MULTILINE : 0) |
			   (flags & SIGMA_RE_S ? PCRE2_DOTALL : 0);
	struct engine_regex *regex = mr_calloc(1, sizeof(*regex));
	regex->code = compile(pattern, options, code_out, offset_out);
	if (regex->code != NULL)
		regex->counting =
		    compile(pattern, options | PCRE2_AUTO_CALLOUT, code_out, offset_out);
	if (regex->counting != NULL)
		return regex;
	engine_regex_free(regex);
	return NULL;
}

void engine_regex_free(struct engine_regex *regex)
{
	if (regex == NULL)
		return;
	pcre2_code_free(regex->code);
	pcre2_code_free(regex->counting);
	free(regex);
}

/* Before each item: what lies between it and the last one was looked at. */
static int count_bytes(pcre2_callout_block *item, void *context)
{
	struct engine_regex_room *room = context;
	size_t at = item->current_position;
	size_t bytes = at > room->at ? at - room->at : room->at - at;
	room->at = at;
	if (bytes >= room->left) {
		room->left = 0;
		return PCRE2_ERROR_CALLOUT;
	}
	room->left -= bytes + 1;
	return 0;
}

void engine_regex_room_init(struct engine_regex_room *room)
{
	room->context = pcre2_match_context_create(NULL);
	room->data = pcre2_match_data_create(1, NULL);
	room->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	pcre2_set_heap_limit(room->context, HEAP_KIB);
	pcre2_jit_stack_assign(room->context, NULL, room->stack);
	pcre2_set_callout(room->context, count_bytes, room);
}

void engine_regex_room_fini(struct engine_regex_room *room)
{
	pcre2_jit_stack_free(room->stack);
	pcre2_match_data_free(room->data);
	pcre2_match_context_free(room->context);
}

static int look(struct engine_regex_room *room, const pcre2_code *code, struct mr_slice text,
		uint64_t steps)
{
	pcre2_set_match_limit(room->context, (uint32_t)steps);
	pcre2_set_depth_limit(room->context, (uint32_t)steps);
	return pcre2_match(code, (PCRE2_SPTR)text.at, text.len, 0, 0, room->data, room->context);
}

/* With more and more steps, until one look is content with them. */
static int look_on(struct engine_regex_room *room, const pcre2_code *code, struct mr_slice text,
		   uint64_t *spent)
{
	uint64_t most = STEP_BUDGET / (text.len + 1);
	most = most < STEPS_MIN ? STEPS_MIN : most > STEPS_MAX ? STEPS_MAX : most;
	uint64_t steps = STEPS_FIRST;
	int found = look(room, code, text, steps);
	while ((found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_DEPTHLIMIT) &&
	       steps < most) {
		if (*spent >= ENGINE_REGEX_SPENT_MAX)
			return PCRE2_ERROR_CALLOUT;
		steps = steps * STEPS_TIMES < most ? steps * STEPS_TIMES : most;
		*spent += steps * (text.len + 1);
		found = look(room, code, text, steps);
	}
	return found;
}

/* Steps need no bound of their own here: each is counted as a byte at least. */
static int look_long(struct engine_regex_room *room, const pcre2_code *code, struct mr_slice text,
		     uint64_t *spent)
{
	if (*spent >= ENGINE_REGEX_SPENT_MAX)
		return PCRE2_ERROR_CALLOUT;
	room->at = 0;
	room->left = ENGINE_REGEX_SPENT_MAX - *spent;
	int found = look(room, code, text, UINT32_MAX);
	*spent = ENGINE_REGEX_SPENT_MAX - room->left;
	return found;
}

enum engine_found engine_regex_find(struct engine_regex_room *room,
				    const struct engine_regex *regex, struct mr_slice text,
				    uint64_t *spent)
{
	if (regex == NULL)
		return ENGINE_ABSENT;
	int found = text.len <= LONG_TEXT ? look_on(room, regex->code, text, spent)
					  : look_long(room, regex->counting, text, spent);
	if (found >= 0)
		return ENGINE_FOUND;
	if (found == PCRE2_ERROR_CALLOUT)
		return ENGINE_SPENT;
	return found == PCRE2_ERROR_NOMATCH ? ENGINE_ABSENT : ENGINE_GAVE_UP;
}
