/* mmdb.h - a MaxMind DB file, read with distrust.
 *
 * geoip_build.c opens each database in turn, walks its networks and asks for the facts of each data
 * record. Nothing here trusts the file: the search tree is checked node by node when it is opened,
 * a data record when its facts are asked for, and both within a bound on the work.
 * Format: MaxMind DB File Format Specification, version 2.0. */
#ifndef MILLRACE_ENRICH_MMDB_H
#define MILLRACE_ENRICH_MMDB_H

#include <maxminddb.h>

#include "millrace/text.h"

/* How an address hides. */
enum geo_flag {
	GEO_ANONYMOUS = 1,
	GEO_VPN = 2,
	GEO_TOR = 4,
	GEO_HOSTING = 8,
	GEO_PUBLIC_PROXY = 16,
	GEO_RESIDENTIAL_PROXY = 32
};

/* What one data record says, of the little that events get. Slices borrow the file or `region_text`
 * and are valid until the next call with the same struct. */
struct geo_facts {
	char country[2]; /* zeros where it is not known */
	bool has_point;
	uint8_t flags; /* enum geo_flag */
	struct mr_slice city;
	struct mr_slice region;
	double latitude;
	double longitude;
	uint32_t asn; /* 0 where it is not known */
	struct mr_slice as_name;
	char region_text[16];
};

struct mmdb {
	MMDB_s lib;
	const char *name; /* as the user calls it; borrowed */
	const uint8_t *bytes;
	size_t size_bytes;
	size_t marker; /* where the metadata's marker begins */
	uint32_t
	    data_bytes; /* of the data section, which ends where the metadata's marker begins */
	uint64_t item_budget; /* decoding steps left for the whole file */
	bool residential;     /* the type's name says that every entry is a residential proxy */
};

/* `fd` is a sealed memfd, which stays the caller's and open. The whole tree is checked. MR_CONFIG
 * names the file and what is wrong; nothing is held then. */
enum mr_err mmdb_open(struct mmdb *db, const char *name, int fd, struct mr_error *error);
void mmdb_close(struct mmdb *db);

/* The facts of the data record at `offset` in the data section; every item in it is decoded.
 * False in *any_out where it says nothing that events get. */
enum mr_err mmdb_facts(struct mmdb *db, uint32_t offset, struct geo_facts *facts, bool *any_out,
		       struct mr_error *error);

/* A network with data. Addresses are 128 bits, high half first; IPv4 is in the low 32 bits with
 * `prefix` counted from there (0 to 32). */
struct mmdb_network {
	uint64_t high;
	uint64_t low;
	uint8_t prefix;
	bool v4;
	uint32_t offset; /* of the data record */
};

/* Each network once, IPv4 first, in ascending order within a family. The copies of the IPv4 tree
 * that IPv6 databases have (::ffff:0:0/96, 2002::/16, 2001::/32) are skipped and reported
 * in *aliases_out. A visitor's error ends the walk. */
enum mmdb_alias { MMDB_ALIAS_6TO4 = 1, MMDB_ALIAS_TEREDO = 2 };
typedef enum mr_err (*mmdb_visitor)(void *context, const struct mmdb_network *network,
				    struct mr_error *error);
enum mr_err mmdb_walk(struct mmdb *db, mmdb_visitor visit, void *context, unsigned *aliases_out,
		      struct mr_error *error);

#endif
