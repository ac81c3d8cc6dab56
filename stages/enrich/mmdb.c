/* mmdb.c - opens a MaxMind DB, checks its search tree, walks its networks.
 *
 * Called by geoip_build.c in the supervisor, once for each database. libmaxminddb finds the
 * metadata and reads the nodes; before it sees the file, the metadata is walked with a budget,
 * since the library lists whatever it holds. A damaged file gives MR_CONFIG with its name, the
 * offset and the fault. */
#include "mmdb_data.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* What stands before the metadata, in the last 128 KiB of the file. */
static const char marker[] = "\xab\xcd\xefMaxMind.com";
#define MARKER_LEN (sizeof(marker) - 1)
#define METADATA_MAX (128u << 10)
/* Zero bytes between the search tree and the data section; what a record of the tree counts from.
 */
#define SEPARATOR 16u

static enum mr_err corrupt(const struct mmdb *db, struct mr_error *error, const char *where,
			   uint64_t at, const char *wrong)
{
	return mr_error_set(error, MR_CONFIG,
			    "%s: %s %llu: %s; give a whole database in MaxMind's format", db->name,
			    where, (unsigned long long)at, wrong);
}

static enum mr_err check_metadata(struct mmdb *db, struct mr_error *error)
{
	size_t from = db->size_bytes > METADATA_MAX ? db->size_bytes - METADATA_MAX : 0;
	const uint8_t *last = NULL;
	const uint8_t *at = db->bytes + from;
	const uint8_t *end = db->bytes + db->size_bytes;
	struct mmdb_section section = {.budget = &db->item_budget};
	const char *wrong;
	uint32_t bad = 0;

	while ((at = memmem(at, (size_t)(end - at), marker, MARKER_LEN)) != NULL) {
		last = at + MARKER_LEN;
		at = last;
	}
	if (last == NULL)
		return mr_error_set(error, MR_CONFIG, "%s: not a database in MaxMind's format",
				    db->name);
	db->marker = (size_t)(last - db->bytes) - MARKER_LEN;
	section.at = last;
	section.size = (uint32_t)(end - last);
	wrong = mmdb_data_read(&section, 0, NULL, NULL, &bad);
	if (wrong != NULL)
		return corrupt(db, error, "metadata, offset", (uint64_t)(last - db->bytes) + bad,
			       wrong);
	return MR_OK;
}

/* A record's meaning, by itself: MMDB_read_node computes offsets that may wrap. */
static bool is_node(const struct mmdb *db, uint64_t record)
{
	return record < db->lib.metadata.node_count;
}
static bool is_empty(const struct mmdb *db, uint64_t record)
{
	return record == db->lib.metadata.node_count;
}
static uint64_t data_offset(const struct mmdb *db, uint64_t record)
{
	return record - db->lib.metadata.node_count - SEPARATOR;
}
static bool is_sound(const struct mmdb *db, uint64_t record)
{
	return is_node(db, record) || is_empty(db, record) ||
	       (record - db->lib.metadata.node_count >= SEPARATOR &&
		data_offset(db, record) < db->data_bytes);
}

static enum mr_err check_layout(struct mmdb *db, struct mr_error *error)
{
	const MMDB_metadata_s *metadata = &db->lib.metadata;
	uint64_t tree = (uint64_t)metadata->node_count * metadata->record_size / 4;

	if (metadata->ip_version != 4 && metadata->ip_version != 6)
		return corrupt(db, error, "metadata, ip_version", metadata->ip_version,
			       "neither 4 nor 6");
	if (metadata->record_size != 24 && metadata->record_size != 28 &&
	    metadata->record_size != 32)
		return corrupt(db, error, "metadata, record_size", metadata->record_size,
			       "neither 24 nor 28 nor 32");
	if (metadata->node_count == 0 || tree + SEPARATOR > db->marker ||
	    (const uint8_t *)db->lib.data_section != db->lib.file_content + tree + SEPARATOR)
		return corrupt(db, error, "metadata, node_count", metadata->node_count,
			       "the search tree does not fit the file");
	db->data_bytes = (uint32_t)(db->marker - tree - SEPARATOR);
	return MR_OK;
}

/* Both records of a node: as the library's MMDB_read_node, which is called millions of times over,
 * but without its checks, which check_layout has made for all. */
struct node {
	uint32_t left, right;
};

static struct node node_at(const struct mmdb *db, uint64_t number)
{
	unsigned bytes = db->lib.metadata.record_size / 4u;
	const uint8_t *at = db->lib.file_content + number * bytes;
	uint32_t left = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
	const uint8_t *second = at + bytes - 3;
	uint32_t right = (uint32_t)second[0] << 16 | (uint32_t)second[1] << 8 | second[2];

	if (bytes == 7) {
		left |= (uint32_t)(at[3] >> 4) << 24;
		right |= (uint32_t)(at[3] & 15) << 24;
	} else if (bytes == 8) {
		left = left << 8 | at[3];
		right |= (uint32_t)at[4] << 24;
	}
	return (struct node){left, right};
}

/* With the file mapped, so that the metadata can be walked before the library sees it. */
static enum mr_err open_library(struct mmdb *db, int fd, struct mr_error *error)
{
	char path[32];
	int status;
	enum mr_err err = check_metadata(db, error);

	if (err != MR_OK)
		return err;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	status = MMDB_open(path, MMDB_MODE_MMAP, &db->lib);
	if (status != MMDB_SUCCESS)
		return mr_error_set(error, MR_CONFIG,
				    "%s: %s; give a whole database in MaxMind's format", db->name,
				    MMDB_strerror(status));
	err = check_layout(db, error);
	if (err != MR_OK)
		MMDB_close(&db->lib);
	return err;
}

enum mr_err mmdb_open(struct mmdb *db, const char *name, int fd, struct mr_error *error)
{
	struct stat stat;
	enum mr_err err;
	void *bytes;

	*db = (struct mmdb){.name = name};
	if (fstat(fd, &stat) != 0)
		return mr_error_errno(error, MR_IO, "%s", name);
	db->size_bytes = (size_t)stat.st_size;
	if (db->size_bytes <= MARKER_LEN || (uint64_t)stat.st_size > UINT32_MAX)
		return mr_error_set(error, MR_CONFIG, "%s: not a database in MaxMind's format",
				    name);
	bytes = mmap(NULL, db->size_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return mr_error_errno(error, MR_IO, "%s", name);
	db->bytes = bytes;
	/* Shared names and keys let a file mean more items than it has bytes, but not many times
	 * more. */
	db->item_budget = 16 * (uint64_t)db->size_bytes + (1u << 20);
	err = open_library(db, fd, error);
	if (err != MR_OK) {
		munmap(bytes, db->size_bytes);
		return err;
	}
	db->residential = strcasestr(db->lib.metadata.database_type, "residential-proxy") != NULL;
	return MR_OK;
}

void mmdb_close(struct mmdb *db)
{
	MMDB_close(&db->lib);
	munmap((void *)(uintptr_t)db->bytes, db->size_bytes);
}

enum mr_err mmdb_facts(struct mmdb *db, uint32_t offset, struct geo_facts *facts, bool *any_out,
		       struct mr_error *error)
{
	struct mmdb_section section = {
	    .at = db->lib.data_section, .size = db->data_bytes, .budget = &db->item_budget};
	uint32_t bad = 0;
	const char *wrong = mmdb_data_read(&section, offset, facts, any_out, &bad);

	if (wrong != NULL)
		return corrupt(db, error, "data section, offset", bad, wrong);
	/* Such a database says who and how sure, but not that it is one: its type's name does. */
	if (db->residential && facts->flags != 0)
		facts->flags |= GEO_RESIDENTIAL_PROXY | GEO_ANONYMOUS;
	return MR_OK;
}

/* ---- the walk ---- */

struct tree_walk {
	struct mmdb *db;
	mmdb_visitor visit;
	void *context;
	struct mr_error *error;
	unsigned *aliases;
	uint64_t v4_root; /* a record: where ::/96 leads */
	uint64_t budget;  /* nodes left to visit: a damaged tree may lead in circles */
	bool v4;          /* the IPv4 part is being walked: depth counts from its root */
};

static enum mr_err walk_record(struct tree_walk *walk, uint64_t record, uint64_t high, uint64_t low,
			       unsigned depth);

static enum mr_err visit_leaf(struct tree_walk *walk, uint64_t record, uint64_t high, uint64_t low,
			      unsigned depth)
{
	struct mmdb_network network = {.high = high,
				       .low = low,
				       .prefix = (uint8_t)depth,
				       .v4 = walk->v4,
				       .offset = (uint32_t)data_offset(walk->db, record)};

	return walk->visit(walk->context, &network, walk->error);
}

static void note_alias(struct tree_walk *walk, uint64_t high, unsigned depth)
{
	if (depth == 16 && high >> 48 == 0x2002)
		*walk->aliases |= MMDB_ALIAS_6TO4;
	if (depth == 32 && high >> 32 == 0x20010000)
		*walk->aliases |= MMDB_ALIAS_TEREDO;
}

static enum mr_err walk_node(struct tree_walk *walk, uint64_t number, uint64_t high, uint64_t low,
			     unsigned depth)
{
	unsigned most = walk->v4 ? 32 : 128;
	struct node node = node_at(walk->db, number);
	enum mr_err err;

	if (depth >= most || walk->budget == 0)
		return corrupt(walk->db, walk->error, "search tree, node", number,
			       "the tree is deeper than an address, or leads in circles");
	walk->budget--;
	if (!is_sound(walk->db, node.left) || !is_sound(walk->db, node.right))
		return corrupt(walk->db, walk->error, "search tree, node", number,
			       "a record leads out of the file");
	err = walk_record(walk, node.left, high, low, depth + 1);
	if (err != MR_OK)
		return err;
	if (walk->v4)
		low |= UINT64_C(1) << (31 - depth);
	else if (depth < 64)
		high |= UINT64_C(1) << (63 - depth);
	else
		low |= UINT64_C(1) << (127 - depth);
	return walk_record(walk, node.right, high, low, depth + 1);
}

static enum mr_err walk_record(struct tree_walk *walk, uint64_t record, uint64_t high, uint64_t low,
			       unsigned depth)
{
	if (is_empty(walk->db, record))
		return MR_OK;
	if (!walk->v4 && depth > 0 && record == walk->v4_root && is_node(walk->db, record)) {
		note_alias(walk, high, depth);
		return MR_OK;
	}
	if (is_node(walk->db, record))
		return walk_node(walk, record, high, low, depth);
	return visit_leaf(walk, record, high, low, depth);
}

/* Follow 96 zero bits; a leaf on the way holds all of IPv4. */
static enum mr_err find_v4_root(struct tree_walk *walk)
{
	uint64_t at = 0;

	walk->v4_root = 0;
	if (walk->db->lib.metadata.ip_version == 4)
		return MR_OK;
	for (unsigned depth = 0; depth < 96 && is_node(walk->db, walk->v4_root); depth++) {
		at = walk->v4_root;
		walk->v4_root = node_at(walk->db, at).left;
	}
	if (!is_sound(walk->db, walk->v4_root))
		return corrupt(walk->db, walk->error, "search tree, node", at,
			       "a record leads out of the file");
	return MR_OK;
}

enum mr_err mmdb_walk(struct mmdb *db, mmdb_visitor visit, void *context, unsigned *aliases_out,
		      struct mr_error *error)
{
	struct tree_walk walk = {.db = db,
				 .visit = visit,
				 .context = context,
				 .error = error,
				 .aliases = aliases_out,
				 .budget = 2 * (uint64_t)db->lib.metadata.node_count + 256,
				 .v4 = true};
	enum mr_err err = find_v4_root(&walk);

	*aliases_out = 0;
	if (err == MR_OK)
		err = walk_record(&walk, walk.v4_root, 0, 0, 0);
	if (err != MR_OK || db->lib.metadata.ip_version == 4)
		return err;
	walk.v4 = false;
	return walk_record(&walk, 0, 0, 0, 0);
}
