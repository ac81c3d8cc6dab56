/* naive_address.h - the forms of an address, read the slow way with inet_pton: what the readers of
 * several rooms are compared with. No test framework here: fuzz targets use it. */
#ifndef MILLRACE_TEST_NAIVE_ADDRESS_H
#define MILLRACE_TEST_NAIVE_ADDRESS_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "millrace/text.h"

struct naive_address {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	bool v4;           /* or written as IPv6 that holds IPv4 */
	bool dotted;       /* written as IPv4 */
	long port;         /* -1: none */
	char text[INET6_ADDRSTRLEN];
};

static inline bool naive_has_zero(struct mr_slice text)
{
	return text.len > 0 && memchr(text.at, 0, text.len) != NULL;
}

/* A whole address without port and brackets. */
static inline bool naive_host(struct mr_slice text, bool zone, struct naive_address *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char *copy = mr_asprintf("%.*s", (int)text.len, text.at);
	char *percent = strchr(copy, '%');
	memcpy(out->bytes, mapped, sizeof mapped);
	out->dotted = inet_pton(AF_INET, copy, out->bytes + 12) == 1;
	if (zone && percent != NULL)
		*percent = 0;
	bool good = out->dotted || inet_pton(AF_INET6, copy, out->bytes) == 1;
	out->v4 = good && memcmp(out->bytes, mapped, sizeof mapped) == 0;
	if (out->v4)
		inet_ntop(AF_INET, out->bytes + 12, out->text, sizeof out->text);
	else
		inet_ntop(AF_INET6, out->bytes, out->text, sizeof out->text);
	free(copy);
	return good;
}

/* "" or ":PORT". */
static inline bool naive_port(struct mr_slice text, long *out)
{
	char canonical[16];
	*out = -1;
	if (text.len == 0)
		return true;
	if (text.at[0] != ':' || text.len < 2 || text.len > 6)
		return false;
	char *copy = mr_asprintf("%.*s", (int)text.len - 1, text.at + 1);
	*out = atol(copy);
	snprintf(canonical, sizeof canonical, "%ld", *out);
	bool good = strcmp(canonical, copy) == 0 && *out >= 0 && *out <= 65535;
	free(copy);
	return good;
}

/* 1.2.3.4, 1.2.3.4:443, 2001:db8::1, 2001:db8::1%eth0, [2001:db8::1], [2001:db8::1]:443. */
static inline bool naive_address(struct mr_slice text, struct naive_address *out)
{
	if (text.len == 0 || naive_has_zero(text))
		return false;
	if (text.at[0] == '[') {
		const char *close = memchr(text.at, ']', text.len);
		if (close == NULL)
			return false;
		size_t inside = (size_t)(close - text.at) - 1;
		struct mr_slice port = {close + 1, text.len - inside - 2};
		return naive_host((struct mr_slice){text.at + 1, inside}, true, out) &&
		       naive_port(port, &out->port);
	}
	const char *colon = memchr(text.at, ':', text.len);
	size_t before = colon == NULL ? text.len : (size_t)(colon - text.at);
	if (naive_host((struct mr_slice){text.at, before}, true, out) && out->dotted)
		return naive_port((struct mr_slice){text.at + before, text.len - before},
				  &out->port);
	out->port = -1;
	return naive_host(text, true, out);
}

#endif
