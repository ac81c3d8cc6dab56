/* address.h - an IP address as the look-up tables want it. */
#ifndef MILLRACE_ENRICH_ADDRESS_H
#define MILLRACE_ENRICH_ADDRESS_H

#include "millrace/text.h"

enum address_family { ADDRESS_NONE, ADDRESS_V4, ADDRESS_V6 };

struct address {
	uint64_t high; /* IPv6 */
	uint64_t low;
	uint32_t v4;
	enum address_family family;
};

/* Dotted IPv4, or IPv6 in any of its spellings, without port, brackets or zone. IPv4 written as
 * IPv6 (::ffff:1.2.3.4 and the deprecated ::1.2.3.4) is IPv4; but :: and ::1 stay IPv6.
 * ADDRESS_NONE for anything else. */
struct address address_parse(struct mr_slice text);

#endif
