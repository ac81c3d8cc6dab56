/* json_gap.c - makes gaps and follows them. See json_gap.h.
 *
 * Called by json_shape.c for each document. What hangs on the processor is told apart at two places
 * alone: how bytes are compared, and how the end of a string is found. */
#include "json_gap.h"

#include <assert.h>
#include <endian.h>

#include "millrace/text.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

static_assert(sizeof(struct json_gap) == 64 &&
		  offsetof(struct json_gap, text) + JSON_PIECE == sizeof(struct json_gap),
	      "what is behind a gap goes on with its text");

/* From byte `at` of its text on, and of what goes on behind the structure: text, then offsets. */
static inline const char *text_from(const struct json_gap *gap, size_t at)
{
	return (const char *)gap + offsetof(struct json_gap, text) + at;
}

static inline const char *more_offsets(const struct json_gap *gap)
{
	return text_from(gap, (gap->more_pieces + 1) * JSON_PIECE);
}

/* ---- how bytes are looked at ---- */

/* Whether the document has the gap's text at `at`. */
typedef bool text_matcher(const struct json_gap *gap, const char *at);
/* Places of a group of tokens. */
typedef void group_lister(uint32_t *out, const void *offsets, uint32_t begin);
/* The first quote, backslash or control character from `at` on; a place behind `end` where none is.
 * *high as struct json_way says. */
typedef const char *stop_finder(const char *at, const char *end, uint64_t *high);

/* How a processor does the three. Known where they are used, so that nothing is called. */
struct looks {
	text_matcher *matches;
	group_lister *list;
	stop_finder *find;
};
#define INLINE inline __attribute__((always_inline))

static bool text_matches(const struct json_gap *gap, const char *at)
{
	return memcmp(at, text_from(gap, 0), gap->bytes) == 0;
}

static inline void list_group(uint32_t *out, const void *offsets, uint32_t begin)
{
	uint16_t from[JSON_GROUP];
	memcpy(from, offsets, sizeof from);
	for (uint32_t i = 0; i < JSON_GROUP; i++)
		out[i] = begin + from[i];
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* In the highest bit of a byte; of several, the lowest is sure. */
static inline uint64_t bytes_below(uint64_t eight, uint8_t limit)
{
	return (eight - EACH(limit)) & ~eight & EACH(0x80);
}

static inline const char *find_stop(const char *at, const char *end, uint64_t *high)
{
	for (; at <= end; at += sizeof(uint64_t)) {
		uint64_t eight;
		memcpy(&eight, at, sizeof eight);
		eight = le64toh(eight);
		uint64_t stops = bytes_below(eight, 0x20) | bytes_below(eight ^ EACH('"'), 1) |
				 bytes_below(eight ^ EACH('\\'), 1);
		*high |= eight & EACH(0x80);
		if (stops != 0)
			return at + __builtin_ctzll(stops) / 8;
	}
	return at;
}

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2"))) static inline

/* A bit for each byte that differs. */
AVX2 uint32_t piece_differs(const char *a, const char *b)
{
	__m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i_u *)a),
					 _mm256_loadu_si256((const __m256i_u *)b));
	return ~(uint32_t)_mm256_movemask_epi8(same);
}

AVX2 bool text_matches_avx2(const struct json_gap *gap, const char *at)
{
	const char *wanted = text_from(gap, 0);
	for (uint32_t left = gap->more_pieces; __builtin_expect(left > 0, 0); left--) {
		if (piece_differs(at, wanted) != 0)
			return false;
		at += JSON_PIECE;
		wanted += JSON_PIECE;
	}
	return piece_differs(at, wanted) << gap->past == 0;
}

AVX2 void list_group_avx2(uint32_t *out, const void *offsets, uint32_t begin)
{
	__m256i places = _mm256_cvtepu16_epi32(_mm_loadu_si128(offsets));
	_mm256_storeu_si256((__m256i_u *)out,
			    _mm256_add_epi32(places, _mm256_set1_epi32((int)begin)));
}

AVX2 uint64_t bytes_set(__m256i bytes)
{
	return (uint32_t)_mm256_movemask_epi8(bytes);
}

/* Where the quote stands is the way to the next gap, and all waits for it. The others are looked
 * for beside that, and which one it is matters only where one stands before the quote. */
AVX2 const char *find_stop_avx2(const char *at, const char *end, uint64_t *high)
{
	for (; at <= end; at += JSON_PIECE) {
		__m256i own = _mm256_loadu_si256((const __m256i_u *)at);
		uint64_t quotes = bytes_set(_mm256_cmpeq_epi8(own, _mm256_set1_epi8('"')));
		uint64_t before = quotes - 1; /* all where there is none */
		__m256i backslash = _mm256_cmpeq_epi8(own, _mm256_set1_epi8('\\'));
		/* As signed bytes, those that are not ASCII are below a blank, too. */
		__m256i control = _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), own);
		uint64_t others = bytes_set(_mm256_or_si256(backslash, control)) & before;
		if (__builtin_expect(others != 0, 0)) {
			*high |= bytes_set(own);
			others &= ~bytes_set(own);
			if (others != 0)
				return at + __builtin_ctzll(others);
		}
		if (quotes != 0)
			return at + __builtin_ctzll(quotes);
	}
	return at;
}
#endif

/* ---- values ---- */

/* What a scalar may end at: a blank, or a token. */
static const bool is_end[256] = {
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, [','] = true,
    [':'] = true, ['['] = true,  [']'] = true,  ['{'] = true,  ['}'] = true};

static inline bool is_number(char first)
{
	return first == '-' || (first >= '0' && first <= '9');
}

/* Integers of up to eight digits, as most are, at once; the rest of others byte by byte. That it is
 * a number is seen where it is read. */
static inline const char *behind_number(const char *at, const char *end)
{
	uint64_t eight;
	memcpy(&eight, at, sizeof eight);
	eight = le64toh(eight) ^ EACH('0');
	uint64_t others = ((eight + EACH(0x76)) | eight) & EACH(0x80);
	at += others == 0 ? sizeof eight : (size_t)__builtin_ctzll(others) / 8;
	while (!is_end[(uint8_t)*at] && at < end)
		at++;
	return at;
}

/* From the first backslash on. What is escaped is seen where it is read. */
static const char *behind_escapes(struct json_way *way, const struct json_gap *gap, const char *at,
				  stop_finder *find)
{
	*way->escaped++ =
	    (struct json_value_place){(uint16_t)(way->tokens - way->tokens_begin - 1), gap->word};
	while (*at == '\\' && at < way->end)
		at = find(at + 2, way->end, &way->high);
	return *at == '"' ? at + 1 : way->end + 1;
}

static INLINE const char *behind_string(struct json_way *way, const struct json_gap *gap,
					const char *at, const struct looks *looks)
{
	at = looks->find(at, way->end, &way->high);
	if (__builtin_expect(*at == '"', 1))
		return at + 1;
	return behind_escapes(way, gap, at, looks->find);
}

/* The end of the value that begins at `at`; behind the document's where none of its kind does. */
static INLINE const char *behind_value(struct json_way *way, const struct json_gap *gap,
				       const char *at, const struct looks *looks)
{
	const char *none = way->end + 1;
	if (__builtin_expect(gap->behind == JSON_STRING, 1))
		return behind_string(way, gap, at, looks);
	switch (gap->behind) {
	case JSON_NUMBER:
		return is_number(*at) ? behind_number(at, way->end) : none;
	case JSON_BOOLEAN:
		return *at == 't' ? at + 4 : *at == 'f' ? at + 5 : none;
	case JSON_NOTHING:
		return *at == 'n' ? at + 4 : none;
	default:
		return at == way->end ? at : none;
	}
}

/* ---- following ---- */

/* A group is listed whole: what is behind its last token, the next gap's overwrite. */
static INLINE void list_tokens(struct json_way *way, const struct json_gap *gap,
			       const struct looks *looks)
{
	uint32_t begin = (uint32_t)(way->at - way->begin);
	looks->list(way->tokens, gap->offsets, begin);
	if (__builtin_expect(gap->more_groups > 0, 0)) {
		const char *more = more_offsets(gap);
		for (uint32_t i = 1; i <= gap->more_groups; i++, more += sizeof gap->offsets)
			looks->list(way->tokens + i * JSON_GROUP, more, begin);
	}
	way->tokens += gap->token_count;
}

static INLINE bool follow(const struct json_gap *gap, const struct json_gap *gaps_end,
			  struct json_way *way, const struct looks *looks)
{
	struct json_way own = *way;
	do {
		const struct json_gap *next = json_gap_next(gap);
		if (own.end - own.at >= (ptrdiff_t)gap->bytes && looks->matches(gap, own.at)) {
			list_tokens(&own, gap, looks);
			own.at = behind_value(&own, gap, own.at + gap->bytes, looks);
			next += gap->covers;
		} else if (gap->covers == 0) {
			return false;
		}
		gap = next;
	} while (gap < gaps_end);
	if (own.at > own.end)
		return false;
	*way = own;
	return true;
}

bool json_gaps_follow(const struct json_gap *gaps, const struct json_gap *gaps_end,
		      struct json_way *way)
{
	static const struct looks looks = {text_matches, list_group, find_stop};
	return follow(gaps, gaps_end, way, &looks);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) bool json_gaps_follow_avx2(const struct json_gap *gaps,
							   const struct json_gap *gaps_end,
							   struct json_way *way)
{
	static const struct looks looks = {text_matches_avx2, list_group_avx2, find_stop_avx2};
	return follow(gaps, gaps_end, way, &looks);
}
#endif

/* ---- making ---- */

static uint32_t more_pieces(size_t bytes)
{
	return (uint32_t)((bytes - 1) / JSON_PIECE);
}

static uint32_t more_groups(size_t token_count)
{
	return token_count == 0 ? 0 : (uint32_t)((token_count - 1) / JSON_GROUP);
}

size_t json_gap_size(size_t bytes, size_t token_count)
{
	size_t size = sizeof(struct json_gap) + more_pieces(bytes) * JSON_PIECE +
		      more_groups(token_count) * JSON_GROUP * sizeof(uint16_t);
	return (size + sizeof(struct json_gap) - 1) / sizeof(struct json_gap) *
	       sizeof(struct json_gap);
}

void json_gap_make(struct json_gap *gap, const char *text, uint32_t begin, uint32_t bytes,
		   const uint32_t *tokens, uint32_t token_count, enum json_behind behind,
		   uint32_t word)
{
	size_t size = json_gap_size(bytes, token_count);
	assert(bytes > 0 && bytes <= JSON_GAP_BYTES_MAX && word <= UINT16_MAX &&
	       token_count <= UINT16_MAX);
	memset(gap, 0, size);
	gap->bytes = (uint16_t)bytes;
	gap->token_count = (uint16_t)token_count;
	gap->size = (uint16_t)(size / sizeof *gap);
	gap->more_pieces = (uint16_t)more_pieces(bytes);
	gap->more_groups = (uint16_t)more_groups(token_count);
	gap->past = (uint8_t)((gap->more_pieces + 1) * JSON_PIECE - bytes);
	gap->behind = (uint8_t)behind;
	gap->word = (uint16_t)word;
	memcpy((char *)gap + offsetof(struct json_gap, text), text + begin, bytes);
	char *more = (char *)(gap + 1) + gap->more_pieces * JSON_PIECE;
	for (uint32_t i = 0; i < token_count; i++) {
		uint16_t offset = (uint16_t)(tokens[i] - begin);
		if (i < JSON_GROUP)
			gap->offsets[i] = offset;
		else
			memcpy(more + (i - JSON_GROUP) * sizeof offset, &offset, sizeof offset);
	}
}

bool json_gap_eq(const struct json_gap *a, const struct json_gap *b)
{
	return a->size == b->size && memcmp(a, b, a->size * sizeof *a) == 0;
}
