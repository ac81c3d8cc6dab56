/* network_list.h - the company's own list of named networks.
 *
 * The file is text, one line an entry:
 *
 *     # egress of the head office
 *     203.0.113.0/24   "Head office"   egress
 *     2001:db8::/32    vpn-pool        vpn
 *     198.51.100.7     "Bob's proxy"
 *
 * a network (CIDR, or one address), its name, and optionally its kind; between them spaces or
 * tabs. A name with spaces or '#' stands in double quotes; inside them \" and \\ mean " and \. '#'
 * begins a comment. Where networks are nested the longest prefix wins. */
#ifndef MILLRACE_ENRICH_NETWORK_LIST_H
#define MILLRACE_ENRICH_NETWORK_LIST_H

#include "address.h"

/* The text as a table, appended to `out`: for network_table_open. `file` is for messages. MR_CONFIG
 * with file, line and column. Called in the supervisor. */
enum mr_err network_list_build(const char *file, struct mr_slice text, struct mr_buf *out,
			       struct mr_error *error);

/* Disjoint ranges, ascending; IPv4 as ::ffff:0:0/96. */
struct network_range {
	uint64_t high;
	uint64_t low;
	uint64_t entry; /* index + 1; 0: no network from here on */
};
struct network_entry {
	uint32_t name; /* offset into the texts */
	uint32_t name_len;
	uint32_t kind;
	uint32_t kind_len; /* 0: none */
};
struct network_header {
	uint64_t magic;
	uint64_t size_bytes;
	uint64_t range_count;
	uint64_t entry_count;
	uint64_t text_bytes;
	uint64_t checksum; /* XXH3 of all that follows the header */
};
struct network_table {
	const struct network_range *ranges;
	const struct network_entry *entries;
	const char *texts;
	uint64_t range_count;
};

/* Everything is checked: MR_BAD_INPUT. */
enum mr_err network_table_open(struct mr_slice bytes, struct network_table *out,
			       struct mr_error *error);
/* The entry that holds the address, or NULL. */
const struct network_entry *network_table_find(const struct network_table *table,
					       const struct address *address);

#endif
