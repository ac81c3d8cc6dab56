/* json_shape.c - learns shapes and finds them again. See json_shape.h.
 *
 * Called by json.cc for each document. Shapes that begin with the same gaps have them in common: a
 * tree, in which each branch is a row of gaps, and parts where they are no longer the same. A
 * document is followed from the root, branch by branch; where several go on from one, that which
 * was followed last is tried first. So what strangers write stands in nobody's way for long.
 *
 * Values that were the same whenever they were looked at, as a tenant's id is, are compared
 * together with the gaps around them, as one stretch (json_gap.h): half of the values of the
 * benchmark's records are such. A document with other ones goes along the gaps as ever. Where a
 * branch is parted, or grows together again once the other part is forgotten, its values are looked
 * at anew.
 *
 * All bounds are far above what records have (of the 4,796 real ones: 1,001 bytes of gaps, 49 in
 * one): they keep small what the documents of an attacker cost. 512 shapes take some 45 MB at the
 * most.
 */
#include "json_shape.h"

#include <stdlib.h>

#include "millrace/json.h"

#define TOKENS_MAX 1024u
#define TEXT_MAX (4u << 10) /* bytes of all gaps */
#define GAP_MAX 512u        /* of one */
/* A document tries the children of a branch in turn. */
#define CHILDREN_MAX 32u
/* So many documents that are no known one's like must come before another is learned, which costs
 * as much as reading several. */
#define PRICE 16u
#define CREDIT_MAX (128u * PRICE)
/* A branch's values are looked at so many times before what stayed the same becomes a part of
 * stretches; of a shape's documents first each is looked at, then more and more seldom, up to one
 * in so many. */
#define STUDIES 5u
#define STUDY_STEP_MAX 1024u

struct json_branch {
	struct json_branch *parent;
	struct json_branch *child; /* the first one; NULL: a leaf */
	struct json_branch *sibling;
	struct json_gap *gaps; /* before some of them stretches */
	struct json_gap *gaps_end;
	struct json_study *studies; /* one for each gap; NULL: none was looked at yet */
	uint32_t study_count;
	struct json_shape *shape; /* a leaf's */
};

/* The value behind a gap: what it was in the documents that were looked at. */
struct json_study {
	uint64_t hash;
	bool same;
};

struct json_shapes {
	json_gaps_follower *follow; /* for this processor */
	struct json_branch root;    /* it has no gaps */
	struct json_shape slots[MR_JSON_SHAPES];
	uint64_t number;
	uint64_t tick;
	uint32_t credit; /* what strange documents have saved up for learning */
	struct json_value_place escaped[TOKENS_MAX];
};

struct json_shapes *json_shapes_new(bool avx2)
{
	struct json_shapes *shapes = mr_calloc(1, sizeof *shapes);
	shapes->follow = json_gaps_follow;
#ifdef __x86_64__
	if (avx2)
		shapes->follow = json_gaps_follow_avx2;
#else
	(void)avx2;
#endif
	shapes->credit = CREDIT_MAX;
	return shapes;
}

uint32_t json_shapes_slot(const struct json_shapes *shapes, const struct json_shape *shape)
{
	return (uint32_t)(shape - shapes->slots);
}

/* ---- the tree ---- */

/* The gap where a stretch stands before it. */
static const struct json_gap *plain_gap(const struct json_gap *gap, const struct json_gap *end)
{
	return gap < end && gap->covers != 0 ? json_gap_next(gap) : gap;
}

static const struct json_gap *first_gap(const struct json_branch *branch)
{
	return plain_gap(branch->gaps, branch->gaps_end);
}

/* Behind the last it is the branch's end. */
static const struct json_gap *gap_behind(const struct json_branch *branch,
					 const struct json_gap *gap)
{
	return plain_gap(json_gap_next(gap), branch->gaps_end);
}

/* Without stretches. */
static void put_gaps(struct mr_buf *out, const struct json_gap *gap, const struct json_gap *end)
{
	for (; gap < end; gap = json_gap_next(gap))
		if (gap->covers == 0)
			mr_buf_add(out, gap, gap->size * sizeof *gap);
}

/* In the place of those that it has, which are freed. */
static void set_gaps(struct json_branch *branch, struct mr_buf *gaps)
{
	free(branch->gaps);
	branch->gaps = mr_realloc(gaps->data, gaps->len);
	branch->gaps_end = branch->gaps + gaps->len / sizeof *branch->gaps;
	*gaps = (struct mr_buf){0};
}

static struct json_branch *branch_new(struct json_branch *parent, const struct json_gap *gaps,
				      const struct json_gap *gaps_end)
{
	struct json_branch *branch = mr_calloc(1, sizeof *branch);
	struct mr_buf own = {0};
	put_gaps(&own, gaps, gaps_end);
	set_gaps(branch, &own);
	branch->parent = parent;
	branch->sibling = parent->child;
	parent->child = branch;
	return branch;
}

static void branch_take_out(struct json_branch *branch)
{
	struct json_branch **place = &branch->parent->child;
	while (*place != branch)
		place = &(*place)->sibling;
	*place = branch->sibling;
	free(branch->gaps);
	free(branch->studies);
	free(branch);
}

/* The next branch of those below `top`, each before what is below it; NULL behind the last. */
static struct json_branch *next_below(struct json_branch *branch, const struct json_branch *top)
{
	if (branch->child != NULL)
		return branch->child;
	while (branch != top && branch->sibling == NULL)
		branch = branch->parent;
	return branch == top ? NULL : branch->sibling;
}

/* The gaps of a branch are others: what was seen of its values is forgotten, and their documents
 * are soon looked at again. */
static void study_anew(struct json_branch *top)
{
	free(top->studies);
	top->studies = NULL;
	top->study_count = 0;
	for (struct json_branch *at = top; at != NULL; at = next_below(at, top))
		if (at->shape != NULL)
			at->shape->study_in = at->shape->study_step = 1;
}

/* With the only one that goes on from it, which stays. */
static void branch_join(struct json_branch *branch)
{
	struct json_branch *rest = branch->child;
	struct mr_buf gaps = {0};
	put_gaps(&gaps, branch->gaps, branch->gaps_end);
	put_gaps(&gaps, rest->gaps, rest->gaps_end);
	set_gaps(rest, &gaps);
	rest->parent = branch->parent;
	rest->sibling = branch->sibling;
	branch->sibling = rest;
	branch_take_out(branch);
	study_anew(rest);
}

/* With the branches that lead to no other one. */
static void forget(struct json_shape *shape)
{
	struct json_branch *branch = shape->leaf;
	while (branch->parent != NULL && branch->child == NULL) {
		struct json_branch *parent = branch->parent;
		branch_take_out(branch);
		branch = parent;
	}
	if (branch->parent != NULL && branch->child->sibling == NULL)
		branch_join(branch);
	free(shape->tape); /* its parts are one allocation */
	*shape = (struct json_shape){0};
}

void json_shapes_free(struct json_shapes *shapes)
{
	if (shapes == NULL)
		return;
	for (uint32_t i = 0; i < MR_JSON_SHAPES; i++)
		if (shapes->slots[i].number != 0)
			forget(&shapes->slots[i]);
	free(shapes);
}

/* What both have up to `gap` is theirs in common: a branch of its own, the one behind it. */
static struct json_branch *branch_part(struct json_branch *branch, const struct json_gap *gap)
{
	struct json_branch *common = branch_new(branch->parent, branch->gaps, gap);
	struct json_branch *rest = branch_new(common, gap, branch->gaps_end);
	rest->child = branch->child;
	rest->shape = branch->shape;
	for (struct json_branch *child = rest->child; child != NULL; child = child->sibling)
		child->parent = rest;
	if (rest->shape != NULL)
		rest->shape->leaf = rest;
	branch_take_out(branch);
	study_anew(rest);
	return common;
}

/* Of two children of a branch none begins with the other's first gap. NULL: none does with this. */
static struct json_branch *child_like(const struct json_branch *parent, const struct json_gap *gap)
{
	struct json_branch *child = parent->child;
	while (child != NULL && !json_gap_eq(first_gap(child), gap))
		child = child->sibling;
	return child;
}

static uint32_t child_count(const struct json_branch *branch)
{
	uint32_t count = 0;
	for (const struct json_branch *child = branch->child; child != NULL; child = child->sibling)
		count++;
	return count;
}

/* Which of those below `top` has not come for the longest time. */
static struct json_shape *oldest_below(struct json_branch *top)
{
	struct json_shape *oldest = NULL;
	for (struct json_branch *at = top; at != NULL; at = next_below(at, top))
		if (at->shape != NULL && (oldest == NULL || at->shape->used < oldest->used))
			oldest = at->shape;
	return oldest;
}

static struct json_shape *free_slot(struct json_shapes *shapes)
{
	struct json_shape *slot = shapes->slots;
	for (uint32_t i = 1; i < MR_JSON_SHAPES; i++)
		if (shapes->slots[i].used < slot->used)
			slot = &shapes->slots[i];
	if (slot->number != 0)
		forget(slot);
	return slot;
}

/* A leaf at the end of these gaps; NULL where there is one. */
static struct json_branch *grow(struct json_shapes *shapes, const struct json_gap *gap,
				const struct json_gap *gaps_end)
{
	struct json_branch *branch = &shapes->root;
	for (;;) {
		struct json_branch *child = child_like(branch, gap);
		if (child == NULL)
			break;
		const struct json_gap *own = first_gap(child);
		while (own < child->gaps_end && gap < gaps_end && json_gap_eq(own, gap)) {
			own = gap_behind(child, own);
			gap = json_gap_next(gap);
		}
		/* Only a document's last gap has its end behind it: neither goes on where the other
		 * ends. */
		if (gap == gaps_end)
			return NULL;
		branch = own == child->gaps_end ? child : branch_part(child, own);
	}
	while (child_count(branch) >= CHILDREN_MAX)
		forget(oldest_below(branch));
	return branch_new(branch, gap, gaps_end);
}

/* ---- what stays the same ---- */

static uint32_t gap_begin(const struct json_gap *gap, const uint32_t *tokens)
{
	return *tokens - gap->offsets[0];
}

/* Between a gap, whose first token is the first of `tokens`, and the next one. */
static struct mr_slice value_between(const struct json_gap *gap, const struct json_gap *next,
				     const char *text, const uint32_t *tokens)
{
	uint32_t begin = gap_begin(gap, tokens) + gap->bytes;
	uint32_t end = gap_begin(next, tokens + gap->token_count);
	return (struct mr_slice){text + begin, end - begin};
}

/* A stretch's bytes are looked at for nothing but that they are the same, and the document in hand
 * has not been judged yet: what may be no UTF-8, or is escaped, is no part of one. */
static bool is_plain(struct mr_slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((uint8_t)value.at[i] >= 0x80 || value.at[i] == '\\')
			return false;
	return true;
}

static void study_value(struct json_study *study, struct mr_slice value, bool first)
{
	if (value.len > GAP_MAX || (!first && !study->same)) {
		study->same = false;
		return;
	}
	uint64_t hash = mr_hash64(value.at, value.len, 0);
	study->same = is_plain(value) && (first || study->hash == hash);
	study->hash = hash;
}

/* From a gap on, as long as the values between do not change. */
struct run {
	const struct json_gap *last;
	uint32_t count;
	uint32_t size;  /* of the gaps, in 64 bytes */
	uint32_t bytes; /* of all their text, the values' as well */
	uint32_t token_count;
};

static struct run run_from(const struct json_branch *branch, const struct json_gap *gap,
			   const struct json_study *study, const uint32_t *tokens)
{
	struct run run = {gap, 1, gap->size, gap->bytes, gap->token_count};
	for (;; study++) {
		const struct json_gap *next = gap_behind(branch, run.last);
		if (next == branch->gaps_end || !study->same)
			return run;
		uint32_t end = gap_begin(next, tokens + run.token_count) + next->bytes;
		uint32_t bytes = end - gap_begin(gap, tokens);
		if (bytes > GAP_MAX)
			return run;
		run = (struct run){next, run.count + 1, run.size + next->size, bytes,
				   run.token_count + next->token_count};
	}
}

static void put_stretch(struct mr_buf *out, const struct json_gap *gap, const struct run *run,
			const char *text, const uint32_t *tokens)
{
	size_t size = json_gap_size(run->bytes, run->token_count);
	struct json_gap *stretch = (void *)mr_buf_reserve(out, size);
	json_gap_make(stretch, text, gap_begin(gap, tokens), run->bytes, tokens, run->token_count,
		      (enum json_behind)run->last->behind, run->last->word);
	stretch->covers = (uint16_t)run->size;
	out->len += size;
}

/* Before gaps with values between them that stay the same, they and the values as one. */
static void put_stretches(struct json_branch *branch, const char *text, const uint32_t *tokens)
{
	const struct json_study *study = branch->studies;
	const struct json_gap *gap = first_gap(branch);
	struct mr_buf gaps = {0};
	uint32_t text_left = TEXT_MAX;
	while (gap < branch->gaps_end) {
		struct run run = run_from(branch, gap, study, tokens);
		if (run.count > 1 && run.bytes <= text_left) {
			put_stretch(&gaps, gap, &run, text, tokens);
			text_left -= run.bytes;
		}
		put_gaps(&gaps, gap, json_gap_next(run.last));
		gap = gap_behind(branch, run.last);
		study += run.count;
		tokens += run.token_count;
	}
	set_gaps(branch, &gaps);
}

static size_t gap_count(const struct json_branch *branch)
{
	size_t count = 0;
	for (const struct json_gap *gap = first_gap(branch); gap < branch->gaps_end;
	     gap = gap_behind(branch, gap))
		count++;
	return count;
}

/* A document that went along the branch, and its tokens from there on. Gives those behind it. Of
 * the last value it is not known here where it ends. */
static const uint32_t *study_branch(struct json_branch *branch, const char *text,
				    const uint32_t *tokens)
{
	const uint32_t *at = tokens;
	if (branch->studies == NULL)
		branch->studies = mr_calloc(gap_count(branch), sizeof *branch->studies);
	struct json_study *study = branch->studies;
	const struct json_gap *next;
	for (const struct json_gap *gap = first_gap(branch); gap < branch->gaps_end; gap = next) {
		next = gap_behind(branch, gap);
		if (next < branch->gaps_end)
			study_value(study++, value_between(gap, next, text, at),
				    branch->study_count == 0);
		at += gap->token_count;
	}
	if (++branch->study_count == STUDIES) {
		put_stretches(branch, text, tokens);
		branch->study_count = 0;
	}
	return at;
}

/* No deeper than a document has gaps. */
static const uint32_t *study_path(struct json_branch *branch, const char *text,
				  const uint32_t *tokens)
{
	if (branch->parent == NULL)
		return tokens;
	return study_branch(branch, text, study_path(branch->parent, text, tokens));
}

/* Not inlined: of a thousand documents of a shape it is one. */
__attribute__((noinline)) static void study(struct json_shape *shape, const char *text,
					    const uint32_t *tokens)
{
	study_path(shape->leaf, text, tokens);
	if (shape->study_step < STUDY_STEP_MAX)
		shape->study_step *= 2;
	shape->study_in = shape->study_step;
}

uint32_t json_shape_stretches(const struct json_shape *shape, uint32_t *longest_out)
{
	uint32_t count = 0;
	*longest_out = 0;
	for (const struct json_branch *branch = shape->leaf; branch != NULL;
	     branch = branch->parent)
		for (const struct json_gap *gap = branch->gaps; gap < branch->gaps_end;
		     gap = json_gap_next(gap))
			if (gap->covers != 0) {
				count++;
				*longest_out =
				    gap->bytes > *longest_out ? gap->bytes : *longest_out;
			}
	return count;
}

/* ---- finding ---- */

/* The first of the branches that go on from `parent` that the document goes along. */
static struct json_branch *follow(const struct json_shapes *shapes, struct json_branch *parent,
				  struct json_way *way)
{
	struct json_branch **place = &parent->child;
	while (*place != NULL && !shapes->follow((*place)->gaps, (*place)->gaps_end, way))
		place = &(*place)->sibling;
	struct json_branch *found = *place;
	if (found != NULL && found != parent->child) {
		*place = found->sibling;
		found->sibling = parent->child;
		parent->child = found;
	}
	return found;
}

struct json_shape *json_shapes_find(struct json_shapes *shapes, struct mr_slice doc,
				    uint32_t *tokens_out, struct json_seen *seen_out)
{
	struct json_way way = {.at = doc.at,
			       .end = doc.at + doc.len,
			       .begin = doc.at,
			       .tokens = tokens_out,
			       .tokens_begin = tokens_out,
			       .escaped = shapes->escaped};
	struct json_branch *branch = &shapes->root;
	while (way.at < way.end && mr_is_blank(*way.at))
		way.at++;
	do {
		branch = follow(shapes, branch, &way);
		if (branch == NULL) {
			shapes->credit += shapes->credit < CREDIT_MAX;
			return NULL;
		}
	} while (branch->shape == NULL);
	way.tokens[0] = way.tokens[1] = (uint32_t)doc.len;
	*seen_out = (struct json_seen){.escaped = shapes->escaped,
				       .escaped_count = (uint32_t)(way.escaped - shapes->escaped),
				       .high = way.high != 0};
	struct json_shape *shape = branch->shape;
	shape->used = ++shapes->tick;
	if (--shape->study_in == 0)
		study(shape, doc.at, tokens_out);
	return shape;
}

/* ---- learning ---- */

/* A walk along tape and tokens; the first time to count, the second to write down. */
struct walk {
	struct json_shape *shape;
	const char *text;
	const uint32_t *tokens;
	const uint64_t *tape;
	uint32_t token;
	uint32_t word;
	uint32_t gap_token; /* the first one of the open gap */
	uint32_t gap_begin; /* in the text */
	size_t gap_bytes;   /* of all gaps so far, as they are kept */
	size_t text_bytes;  /* likewise, as they stand in the document */
	struct json_gap *gaps;
	bool write;
	bool odd; /* it has a key that cannot be known again, or a gap that is too long */
};

static char type_at(const struct walk *walk)
{
	return (char)(walk->tape[walk->word] >> 56);
}

/* The gap up to the token in hand, `more` bytes of that, and that itself where a value begins. */
static void take_gap(struct walk *walk, uint32_t more, enum json_behind behind)
{
	uint32_t bytes = walk->tokens[walk->token] + more - walk->gap_begin;
	uint32_t tokens = walk->token - walk->gap_token + (behind != JSON_END);
	if (walk->write)
		json_gap_make(walk->gaps + walk->gap_bytes / sizeof *walk->gaps, walk->text,
			      walk->gap_begin, bytes, walk->tokens + walk->gap_token, tokens,
			      behind, walk->word);
	walk->gap_bytes += json_gap_size(bytes, tokens);
	walk->text_bytes += bytes;
	walk->odd |= bytes > GAP_MAX;
}

static void go_on(struct walk *walk, uint32_t words)
{
	walk->word += words;
	walk->gap_token = ++walk->token;
	walk->gap_begin = walk->tokens[walk->token];
	while (mr_is_blank(walk->text[walk->gap_begin - 1]))
		walk->gap_begin--;
}

/* One with escapes is as if it came with the last document. */
static void take_string(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	if (walk->write && (walk->tape[walk->word] & MR_JSON_ESCAPED) != 0)
		shape->escaped[shape->escaped_count++] =
		    (struct json_value_place){(uint16_t)walk->token, (uint16_t)walk->word};
	shape->string_count++;
	go_on(walk, 1);
}

static void take_scalar(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	char type = type_at(walk);
	enum json_behind behind = type == 't' || type == 'f' ? JSON_BOOLEAN
				  : type == 'n'              ? JSON_NOTHING
							     : JSON_NUMBER;
	take_gap(walk, 0, behind);
	if (walk->write)
		shape->scalars[shape->scalar_count] = (struct json_scalar_place){
		    .token = (uint16_t)walk->token, .word = (uint16_t)walk->word};
	shape->scalar_count++;
	go_on(walk, behind == JSON_NUMBER ? 2 : 1);
}

/* The whole document, which is an object: brackets, commas, keys and colons go by, up to a value.
 */
static void take_all(struct walk *walk)
{
	bool key = false; /* the string in hand is one */
	bool objects[MR_JSON_DEPTH];
	uint32_t depth = 0;
	do {
		char c = walk->text[walk->tokens[walk->token]];
		switch (c) {
		case '{':
		case '[':
			objects[depth++] = c == '{';
			key = c == '{';
			walk->word++;
			walk->token++;
			break;
		case '}':
		case ']':
			depth--;
			walk->word++;
			walk->token++;
			break;
		case ',':
			key = objects[depth - 1];
			walk->token++;
			break;
		case '"':
			if (key) {
				walk->odd |= (walk->tape[walk->word] & MR_JSON_ESCAPED) != 0;
				walk->word++;
				walk->token += 2;
				key = false;
				break;
			}
			take_gap(walk, 1, JSON_STRING);
			take_string(walk);
			break;
		default:
			take_scalar(walk);
		}
	} while (depth > 0);
	take_gap(walk, 0, JSON_END);
}

static void count_all(struct walk *walk)
{
	take_all(walk);
	walk->shape->word_count = walk->word;
	walk->odd |= walk->text_bytes > TEXT_MAX;
}

/* The counts are known; they rise again from 0 as the parts are written. */
static void write_all(struct walk *walk)
{
	struct json_shape *shape = walk->shape;
	size_t words = shape->word_count + 1; /* behind the last, the tape's end */
	char *room =
	    mr_malloc(words * sizeof(uint64_t) + shape->scalar_count * sizeof *shape->scalars +
		      shape->string_count * sizeof *shape->escaped);
	shape->tape = (uint64_t *)(void *)room;
	shape->scalars = (struct json_scalar_place *)(void *)(shape->tape + words);
	shape->escaped = (struct json_value_place *)(void *)(shape->scalars + shape->scalar_count);
	memcpy(shape->tape, walk->tape, words * sizeof *shape->tape);
	shape->string_count = shape->scalar_count = 0;
	*walk = (struct walk){.shape = shape,
			      .text = walk->text,
			      .tokens = walk->tokens,
			      .tape = walk->tape,
			      .word = 1,
			      .gap_begin = walk->tokens[0],
			      .gaps = mr_malloc(walk->gap_bytes),
			      .write = true};
	take_all(walk);
}

const struct json_shape *json_shapes_learn(struct json_shapes *shapes, const char *text,
					   const uint32_t *tokens, uint32_t token_count,
					   const uint64_t *tape)
{
	struct json_shape shape = {0};
	struct walk walk = {.shape = &shape,
			    .text = text,
			    .tokens = tokens,
			    .tape = tape,
			    .word = 1,
			    .gap_begin = tokens[0]};
	if (token_count > TOKENS_MAX || shapes->credit < PRICE || type_at(&walk) != '{')
		return NULL;
	shapes->credit -= PRICE;
	count_all(&walk);
	if (walk.odd)
		return NULL;
	write_all(&walk);
	shape.leaf = grow(shapes, walk.gaps, walk.gaps + walk.gap_bytes / sizeof *walk.gaps);
	free(walk.gaps);
	if (shape.leaf == NULL) {
		free(shape.tape);
		return NULL;
	}
	struct json_shape *slot = free_slot(shapes);
	shape.number = ++shapes->number;
	shape.used = ++shapes->tick;
	shape.study_in = shape.study_step = 1;
	*slot = shape;
	slot->leaf->shape = slot;
	return slot;
}
