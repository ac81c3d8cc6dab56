/* sigma_encode.c - the encodings that Sigma's modifiers ask for.
 *
 * Called by sigma_value.c; only the number of dash variants can be too large. */
#include "sigma_build.h"

struct mr_slice sigma_encode_utf16(struct mr_arena *arena, struct mr_slice text,
				   enum sigma_utf16 form)
{
	unsigned char *out;
	size_t len = 0;

	if (form == SIGMA_UTF8)
		return text;
	out = mr_arena_alloc(arena, text.len * 2 + 4);
	if (form == SIGMA_UTF16BOM) {
		out[len++] = 0xff;
		out[len++] = 0xfe;
	}
	for (size_t at = 0; at < text.len;) {
		uint32_t c = mr_utf8_next(text.at, text.len, &at, NULL);
		uint16_t units[2] = {(uint16_t)c, 0};
		size_t count = 1;
		if (c > 0xffff) {
			units[0] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
			units[1] = (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff));
			count = 2;
		}
		for (size_t i = 0; i < count; i++) {
			bool big = form == SIGMA_UTF16BE;
			out[len++] = (unsigned char)(big ? units[i] >> 8 : units[i] & 0xff);
			out[len++] = (unsigned char)(big ? units[i] & 0xff : units[i] >> 8);
		}
	}
	return (struct mr_slice){(char *)out, len};
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct mr_slice sigma_encode_base64(struct mr_arena *arena, struct mr_slice bytes)
{
	char *out = mr_arena_alloc(arena, (bytes.len + 2) / 3 * 4 + 1);
	size_t len = 0;

	for (size_t at = 0; at < bytes.len; at += 3) {
		size_t left = bytes.len - at;
		uint32_t word = (uint32_t)(unsigned char)bytes.at[at] << 16;
		if (left > 1)
			word |= (uint32_t)(unsigned char)bytes.at[at + 1] << 8;
		if (left > 2)
			word |= (unsigned char)bytes.at[at + 2];
		out[len++] = alphabet[word >> 18];
		out[len++] = alphabet[(word >> 12) & 63];
		out[len++] = left > 1 ? alphabet[(word >> 6) & 63] : '=';
		out[len++] = left > 2 ? alphabet[word & 63] : '=';
	}
	return (struct mr_slice){out, len};
}

/* `offset` bytes of the neighbour stand before; the characters that mix with neighbours go. */
struct mr_slice sigma_encode_base64_offset(struct mr_arena *arena, struct mr_slice bytes,
					   unsigned offset)
{
	static const size_t before[3] = {0, 2, 3}, behind[3] = {0, 3, 2};
	char *shifted = mr_arena_alloc(arena, bytes.len + offset + 1);

	memset(shifted, ' ', offset);
	if (bytes.len > 0)
		memcpy(shifted + offset, bytes.at, bytes.len);
	struct mr_slice code =
	    sigma_encode_base64(arena, (struct mr_slice){shifted, bytes.len + offset});
	size_t cut = before[offset] + behind[(bytes.len + offset) % 3];
	if (cut >= code.len)
		return (struct mr_slice){"", 0};
	return (struct mr_slice){code.at + before[offset], code.len - cut};
}

static const char *const dashes[] = {"-", "/", "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x80\x95"};
#define DASHES 5

/* The length of the dash at `at`, or 0. */
static size_t dash_at(struct mr_slice text, size_t at)
{
	for (size_t i = 0; i < DASHES; i++) {
		size_t len = strlen(dashes[i]);
		if (text.len - at >= len && memcmp(text.at + at, dashes[i], len) == 0)
			return len;
	}
	return 0;
}

/* The variant of a literal that `choice` stands for; what is left of `choice` is for the next. */
static struct mr_slice with_dashes(struct mr_arena *arena, struct mr_slice text, uint32_t *choice)
{
	char *out = mr_arena_alloc(arena, text.len * 3 + 1);
	size_t len = 0;

	for (size_t at = 0; at < text.len;) {
		size_t skip = dash_at(text, at);
		if (skip == 0) {
			out[len++] = text.at[at++];
			continue;
		}
		const char *dash = dashes[*choice % DASHES];
		*choice /= DASHES;
		memcpy(out + len, dash, strlen(dash));
		len += strlen(dash);
		at += skip;
	}
	return (struct mr_slice){out, len};
}

static uint32_t count_variants(const struct sigma_pattern *pattern, uint32_t max)
{
	uint32_t count = 1;

	for (uint32_t part = 0; part < pattern->count; part++) {
		struct mr_slice text = pattern->parts[part].text;
		for (size_t at = 0; at < text.len && count <= max;) {
			size_t skip = dash_at(text, at);
			at += skip == 0 ? 1 : skip;
			count *= skip > 0 ? DASHES : 1;
		}
	}
	return count;
}

bool sigma_encode_windash(struct mr_arena *arena, const struct sigma_pattern *pattern, uint32_t max,
			  struct sigma_pattern **out, uint32_t *count_out)
{
	uint32_t count = count_variants(pattern, max);

	if (count > max)
		return false;
	*out = mr_arena_alloc(arena, count * sizeof(**out));
	for (uint32_t variant = 0; variant < count; variant++) {
		struct sigma_pattern *made = &(*out)[variant];
		uint32_t choice = variant;
		made->count = pattern->count;
		made->parts = mr_arena_alloc(arena, (pattern->count + 1) * sizeof(*made->parts));
		for (uint32_t part = 0; part < pattern->count; part++) {
			made->parts[part] = pattern->parts[part];
			if (pattern->parts[part].kind == SIGMA_LITERAL)
				made->parts[part].text =
				    with_dashes(arena, pattern->parts[part].text, &choice);
		}
	}
	*count_out = count;
	return true;
}
