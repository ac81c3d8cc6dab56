/* address.c - parses IP addresses. Called once for each event by enrich.c, for each entry by
 * network_list.c. Text that is no address gives ADDRESS_NONE. */
#include "address.h"

#include <arpa/inet.h>

#define V6_TEXT_MAX 45

/* Four decimal numbers without leading zeros, which inet_aton would take for octal. */
static bool parse_v4(const char *at, size_t len, uint32_t *out)
{
	const char *end = at + len;
	uint32_t address = 0;

	for (unsigned part = 0; part < 4; part++) {
		uint32_t number = 0;
		const char *start = at;

		while (at < end && *at >= '0' && *at <= '9' && at - start < 3)
			number = number * 10 + (uint32_t)(*at++ - '0');
		if (at == start || number > 255 || (at - start > 1 && *start == '0'))
			return false;
		address = address << 8 | number;
		if (part < 3 && (at == end || *at++ != '.'))
			return false;
	}
	*out = address;
	return at == end;
}

static uint64_t load_u64(const uint8_t *at)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

static struct address parse_v6(struct mr_slice text)
{
	struct address address = {0};
	char copy[V6_TEXT_MAX + 1];
	uint8_t bytes[16];

	if (text.len > V6_TEXT_MAX || memchr(text.at, 0, text.len) != NULL)
		return address;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET6, copy, bytes) != 1)
		return address;
	address.high = load_u64(bytes);
	address.low = load_u64(bytes + 8);
	address.family = ADDRESS_V6;
	if (address.high == 0 &&
	    (address.low >> 32 == 0xffff || (address.low >> 32 == 0 && address.low > 1))) {
		address.v4 = (uint32_t)address.low;
		address.low = 0;
		address.family = ADDRESS_V4;
	}
	return address;
}

struct address address_parse(struct mr_slice text)
{
	struct address address = {0};

	if (text.len < 2)
		return address;
	if (text.len <= 15 && parse_v4(text.at, text.len, &address.v4)) {
		address.family = ADDRESS_V4;
		return address;
	}
	if (memchr(text.at, ':', text.len) == NULL)
		return address;
	return parse_v6(text);
}
