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

static unsigned digit(char c)
{
	return (unsigned char)c - (unsigned)'0';
}

/* A number up to 255 without leading zeros, of three digits at most; how many bytes, or 0. */
static size_t octet(const char *at, unsigned *out)
{
	unsigned value = digit(at[0]);
	if (value > 9)
		return 0;
	*out = value;
	if (digit(at[1]) > 9)
		return 1;
	*out = value * 10 + digit(at[1]);
	if (value == 0 || digit(at[2]) > 9)
		return value == 0 ? 0 : 2;
	*out = *out * 10 + digit(at[2]);
	return *out > 255 ? 0 : 3;
}

/* How many bytes the dotted address at the beginning has, or 0. Each record has one, so it is read
 * where zeros stand behind the text: no byte is asked whether it is the text's. */
static size_t dotted(struct mr_slice text, uint32_t *out)
{
	char room[20] = {0}; /* the longest address has 15 bytes */
	const char *at = room;
	uint32_t address = 0;
	memcpy(room, text.at, text.len < sizeof room ? text.len : sizeof room - 1);
	for (int part = 0; part < 4; part++) {
		unsigned value = 0;
		if (part > 0 && *at++ != '.')
			return 0;
		size_t len = octet(at, &value);
		if (len == 0)
			return 0;
		at += len;
		address = address << 8 | value;
	}
	*out = address;
	return digit(*at) > 9 ? (size_t)(at - room) : 0;
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
	out->is_v4 = false;
	out->port = 0;
	if (text.len == 0)
		return false;
	size_t len = dotted(text, &out->v4);
	if (len > 0) {
		out->is_v4 = true;
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
	len = dotted(inside, &out->v4);
	out->is_v4 = len > 0;
	out->text = inside;
	return len > 0 ? len == inside.len : version6(inside, out);
}
