/* mmdb.c - opens a MaxMind DB, walks and checks its search tree, beside those of others.
 *
 * Called by geoip_build.c in the supervisor, for all databases at once. libmaxminddb finds and
 * reads the metadata; before it sees the file, the metadata is walked with a budget, since the
 * library lists whatever it holds. A damaged file gives MR_CONFIG with its name, the offset and the
 * fault.
 */
#include "mmdb_data.h"
#include "millrace/os.h"

#include <endian.h>
#include <errno.h>
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

/* The library reads no more than the metadata there, and has many names for what can be wrong with
 * it; its own words stand behind ours. */
static enum mr_err not_opened(const struct mmdb *db, int status, struct mr_error *error)
{
	const char *wrong =
	    "a field of its metadata is missing, or of another type than it should be";

	if (status == MMDB_FILE_OPEN_ERROR || status == MMDB_IO_ERROR ||
	    status == MMDB_OUT_OF_MEMORY_ERROR)
		wrong = "the file cannot be read";
	else if (status == MMDB_UNKNOWN_DATABASE_FORMAT_ERROR)
		wrong = "its metadata names a version of the format other than 2";
	return mr_error_set(error, MR_CONFIG,
			    "%s: %s; give a whole database in MaxMind's format (libmaxminddb: %s)",
			    db->name, wrong, MMDB_strerror(status));
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
		return not_opened(db, status, error);
	err = check_layout(db, error);
	if (err != MR_OK)
		MMDB_close(&db->lib);
	return err;
}

enum mr_err mmdb_open(struct mmdb *db, const char *name, int fd, struct mr_error *error)
{
	struct stat stat;
	enum mr_err err;
	const char *bytes;

	*db = (struct mmdb){.name = name};
	if (fstat(fd, &stat) != 0)
		return mr_error_errno(error, MR_IO, "%s", name);
	db->size_bytes = (size_t)stat.st_size;
	if (db->size_bytes <= MARKER_LEN || (uint64_t)stat.st_size > UINT32_MAX)
		return mr_error_set(error, MR_CONFIG, "%s: not a database in MaxMind's format",
				    name);
	bytes = mr_os_map(fd, db->size_bytes);
	if (bytes == NULL)
		return mr_error_errno(error, MR_IO, "%s", name);
	db->bytes = (const uint8_t *)bytes;
	/* Shared names and keys let a file mean more items than it has bytes, but not many times
	 * more. */
	db->item_budget = 16 * (uint64_t)db->size_bytes + (1u << 20);
	err = open_library(db, fd, error);
	if (err != MR_OK) {
		mr_os_unmap(bytes, db->size_bytes);
		return err;
	}
	db->residential = strcasestr(db->lib.metadata.database_type, "residential-proxy") != NULL;
	return MR_OK;
}

void mmdb_close(struct mmdb *db)
{
	MMDB_close(&db->lib);
	mr_os_unmap((const char *)db->bytes, db->size_bytes);
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

/* Both records of a node: as the library's MMDB_read_node, which is called millions of times over,
 * but without its checks, which check_layout has made for all. The separator behind the tree makes
 * eight bytes of the last node, too. */
struct node {
	uint32_t left, right;
};

static struct node node_at(const struct mmdb *db, uint32_t number)
{
	unsigned bits = db->lib.metadata.record_size;
	uint64_t both;

	memcpy(&both, db->bytes + (size_t)number * (bits / 4u), sizeof(both));
	both = be64toh(both);
	if (bits == 28)
		return (struct node){(uint32_t)(both >> 40 | (both >> 36 & 15) << 24),
				     (uint32_t)(both >> 8) & 0xfffffff};
	if (bits == 24)
		return (struct node){(uint32_t)(both >> 40), (uint32_t)(both >> 16) & 0xffffff};
	return (struct node){(uint32_t)(both >> 32), (uint32_t)both};
}

/* Follow 96 zero bits; a leaf on the way holds all of IPv4. */
static uint32_t find_v4_root(const struct mmdb *db)
{
	uint32_t record = 0;

	if (db->lib.metadata.ip_version == 4)
		return 0;
	for (unsigned depth = 0; depth < 96 && record < db->lib.metadata.node_count; depth++)
		record = node_at(db, record).left;
	return record;
}

/* Of an address but 0: how many of its last bits are zero. */
static unsigned trailing_zeros(mmdb_wide address)
{
	if ((uint64_t)address != 0)
		return (unsigned)__builtin_ctzll((uint64_t)address);
	return 64 + (unsigned)__builtin_ctzll((uint64_t)(address >> 64));
}

static void note_alias(struct mmdb_walk *walk)
{
	if (walk->depth == 16 && walk->first >> 112 == 0x2002)
		walk->aliases |= MMDB_ALIAS_6TO4;
	if (walk->depth == 32 && walk->first >> 96 == 0x20010000)
		walk->aliases |= MMDB_ALIAS_TEREDO;
}

/* A record is a node's number; or node_count, for nothing; or leads to data. */
static bool is_node(const struct mmdb_tree *tree)
{
	return tree->record < tree->node_count;
}

/* Takes a record in hand; true where the tree goes deeper from there. */
static bool take(struct mmdb_walk *walk, struct mmdb_tree *tree, uint32_t record)
{
	tree->record = record;
	if (!is_node(tree) || record != tree->v4_copy || walk->depth == 0)
		return is_node(tree);
	note_alias(walk);
	tree->record = tree->node_count;
	return false;
}

/* To the left; where a tree has no node, both ways lead to what is here. */
static enum mr_err go_left(struct mmdb_walk *walk, struct mmdb_tree *tree, bool *deeper,
			   struct mr_error *error)
{
	struct node node = {tree->record, tree->record};

	if (is_node(tree)) {
		if (walk->depth > 128 || tree->budget == 0)
			return corrupt(tree->db, error, "search tree, node", tree->record,
				       "the tree is deeper than an address, or leads in circles");
		tree->budget--;
		node = node_at(tree->db, tree->record);
	}
	tree->pending[walk->depth] = node.right;
	*deeper |= take(walk, tree, node.left);
	return MR_OK;
}

static enum mr_err descend(struct mmdb_walk *walk, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	bool deeper = false;

	for (size_t i = 0; i < walk->count; i++)
		deeper |= take(walk, &walk->trees[i], walk->trees[i].pending[walk->depth]);
	while (deeper) {
		deeper = false;
		walk->depth++;
		for (size_t i = 0; i < walk->count && err == MR_OK; i++)
			err = go_left(walk, &walk->trees[i], &deeper, error);
		if (err != MR_OK)
			return err;
	}
	return MR_OK;
}

static enum mr_err find_data(struct mmdb_tree *tree, struct mr_error *error)
{
	uint64_t offset = (uint64_t)tree->record - tree->node_count - SEPARATOR; /* or it wraps */

	tree->data = 0;
	if (tree->record == tree->node_count)
		return MR_OK;
	if (offset >= tree->db->data_bytes)
		return corrupt(tree->db, error, "search tree, record", tree->record,
			       "it leads out of the file");
	tree->data = (uint32_t)offset + 1;
	return MR_OK;
}

void mmdb_walk_init(struct mmdb_walk *walk, struct mmdb_tree *trees, size_t count, bool v4)
{
	*walk = (struct mmdb_walk){
	    .trees = trees, .count = count, .v4 = v4, .depth = v4 ? 96 : 0, .last = ~(mmdb_wide)0};
	for (size_t i = 0; i < count; i++) {
		struct mmdb_tree *tree = &trees[i];
		bool has_v6 = tree->db->lib.metadata.ip_version == 6;
		uint32_t v4_root = find_v4_root(tree->db);

		tree->node_count = tree->db->lib.metadata.node_count;
		tree->budget = 2 * (uint64_t)tree->node_count + 256;
		tree->v4_copy = !v4 && v4_root < tree->node_count ? v4_root : tree->node_count;
		tree->pending[walk->depth] = v4 ? v4_root : has_v6 ? 0 : tree->node_count;
	}
}

enum mr_err mmdb_walk_next(struct mmdb_walk *walk, struct mr_error *error)
{
	enum mr_err err;

	walk->first = walk->last + 1;
	/* What comes next hangs where the path's last turn to the left was. */
	if (walk->first != 0)
		walk->depth = 128 - trailing_zeros(walk->first);
	err = descend(walk, error);
	for (size_t i = 0; i < walk->count && err == MR_OK; i++)
		err = find_data(&walk->trees[i], error);
	if (err != MR_OK)
		return err;
	walk->last = ~(mmdb_wide)0;
	if (walk->depth > 0)
		walk->last = walk->first | (((mmdb_wide)1 << (128 - walk->depth)) - 1);
	return MR_OK;
}

bool mmdb_walk_ended(const struct mmdb_walk *walk)
{
	return walk->last == (walk->v4 ? UINT32_MAX : ~(mmdb_wide)0);
}
