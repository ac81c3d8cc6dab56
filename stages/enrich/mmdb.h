/* mmdb.h - a MaxMind DB file, read with distrust.
 *
 * geoip_build.c opens the databases, walks their networks together and asks for the facts of each
 * data record. Nothing here trusts the file: the search tree is checked node by node as it is
 * walked, a data record when its facts are asked for, and both within a bound on the work.
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

/* `fd` is a sealed memfd, which stays the caller's and open. MR_CONFIG names the file and what is
 * wrong; nothing is held then. */
enum mr_err mmdb_open(struct mmdb *db, const char *name, int fd, struct mr_error *error);
void mmdb_close(struct mmdb *db);

/* The facts of the data record at `offset` in the data section; every item in it is decoded.
 * False in *any_out where it says nothing that events get. */
enum mr_err mmdb_facts(struct mmdb *db, uint32_t offset, struct geo_facts *facts, bool *any_out,
		       struct mr_error *error);

/* ---- the walk ---- */

__extension__ typedef unsigned __int128 mmdb_wide;

enum mmdb_alias { MMDB_ALIAS_6TO4 = 1, MMDB_ALIAS_TEREDO = 2 };

/* One of the databases that are walked together. */
struct mmdb_tree {
	const struct mmdb *db; /* the caller's, as the tree is */
	uint32_t data;         /* out: 1 + the offset of the data record; 0 where there is none */
	uint32_t record;       /* in hand */
	uint32_t node_count;   /* of the database, at hand */
	uint32_t v4_copy;      /* the node that IPv6 does not go into */
	uint64_t budget;       /* nodes left to visit: a damaged tree may lead in circles */
	uint32_t pending[129]; /* by depth: the record to the right of the path */
};

struct mmdb_walk {
	struct mmdb_tree *trees;
	size_t count;
	bool v4;
	unsigned depth;   /* of the records in hand */
	unsigned aliases; /* out: enum mmdb_alias, those that were come by */
	mmdb_wide first;  /* out: the piece of the address space */
	mmdb_wide last;
};

/* The address space of one family in pieces, in each of which every database says the same of all
 * addresses: ascending, without gaps. IPv4 addresses are the low 32 bits. The IPv4 part and its
 * copies that IPv6 databases have (::ffff:0:0/96, 2002::/16, 2001::/32) have no data where IPv6 is
 * walked. The trees need their `db`, and stay where they are. Next gives the first piece, too; it
 * is called until mmdb_walk_ended. MR_CONFIG as mmdb_open. */
void mmdb_walk_init(struct mmdb_walk *walk, struct mmdb_tree *trees, size_t count, bool v4);
enum mr_err mmdb_walk_next(struct mmdb_walk *walk, struct mr_error *error);
bool mmdb_walk_ended(const struct mmdb_walk *walk);

#endif
