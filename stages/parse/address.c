/* address.c - the forms of a client's address. See forms.h. */
#include "forms.h"

#include <arpa/inet.h>

static struct mr_slice trim(struct mr_slice text)
{
	while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
		text = (struct mr_slice){text.at + 1, text.len - 1};
	while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* A decimal number up to `max` without leading zeros; how many bytes, or 0. */
static size_t decimal(struct mr_slice text, size_t from, unsigned max, unsigned *out)
{
	unsigned value = 0;
	size_t at = from;
	while (at < text.len && at - from < 5 && text.at[at] >= '0' && text.at[at] <= '9')
		value = value * 10 + (unsigned)(text.at[at++] - '0');
	if (at == from || value > max || (text.at[from] == '0' && at - from > 1))
		return 0;
	*out = value;
	return at - from;
}

/* How many bytes the dotted address at the beginning has, or 0. Each record has one. */
static size_t dotted(struct mr_slice text)
{
	const char *at = text.at, *end = text.at + text.len;
	for (int part = 0; part < 4; part++) {
		if (part > 0 && (at == end || *at++ != '.'))
			return 0;
		const char *from = at;
		unsigned value = 0;
		for (; at < end && *at >= '0' && *at <= '9' && value < 256; at++)
			value = value * 10 + (unsigned)(*at - '0');
		if (at == from || value > 255 || (*from == '0' && at - from > 1))
			return 0;
	}
	return (size_t)(at - text.at);
}

/* Nothing, or a colon and a port. */
static bool port(struct mr_slice text, size_t at, struct mr_address *out)
{
	unsigned value;
	if (at == text.len)
		return true;
	if (text.at[at] != ':')
		return false;
	size_t len = decimal(text, at + 1, 65535, &value);
	if (len == 0 || at + 1 + len != text.len)
		return false;
	out->port = (uint16_t)value;
	out->has_port = true;
	return true;
}

static bool version6(struct mr_slice text, struct mr_address *out)
{
	const char *zone = memchr(text.at, '%', text.len);
	if (zone != NULL)
		text.len = (size_t)(zone - text.at);
	unsigned char bytes[16];
	if (text.len >= sizeof out->room)
		return false;
	memcpy(out->room, text.at, text.len);
	out->room[text.len] = '\0';
	if (inet_pton(AF_INET6, out->room, bytes) != 1)
		return false;
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	if (memcmp(bytes, mapped, sizeof mapped) == 0)
		inet_ntop(AF_INET, bytes + 12, out->room, sizeof out->room);
	else
		inet_ntop(AF_INET6, bytes, out->room, sizeof out->room);
	out->text = mr_slice(out->room);
	return true;
}

bool mr_address_parse(struct mr_slice text, struct mr_address *out)
{
	text = trim(text);
	out->has_port = false;
	out->port = 0;
	if (text.len == 0)
		return false;
	size_t len = dotted(text);
	if (len > 0) {
		out->text = (struct mr_slice){text.at, len};
		return port(text, len, out);
	}
	if (memchr(text.at, '\0', text.len) != NULL)
		return false;
	if (text.at[0] != '[')
		return version6(text, out);
	const char *close = memchr(text.at, ']', text.len);
	if (close == NULL)
		return false;
	struct mr_slice inside = {text.at + 1, (size_t)(close - text.at) - 1};
	if (!port(text, (size_t)(close - text.at) + 1, out))
		return false;
	len = dotted(inside);
	out->text = inside;
	return len > 0 ? len == inside.len : version6(inside, out);
}
