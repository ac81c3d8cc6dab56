/* geoip_build.c - many databases into one flat table.
 *
 * Called by geoip.c in the supervisor. Each database is walked once; IPv4 networks are laid over
 * the cells in place, whatever their sizes, IPv6 networks are gathered and merged at the end. The
 * same places come again and again, so everything is kept once. The table is written into the memfd
 * that it will stay in. Errors name the database; nothing is held after one. */
#include "geoip_build.h"

#include "intern.h"
#include "mmdb.h"
#include "sealed.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define HEADER_BYTES 4096u
#define CELLS_BYTES ((size_t)GEOIP_CELLS * sizeof(uint32_t))
#define BLOCK_BYTES (GEOIP_BLOCK * sizeof(uint32_t))
#define BLOCKS_MAX (UINT32_C(1) << 24)
#define RESERVED_BYTES (HEADER_BYTES + CELLS_BYTES + (size_t)BLOCKS_MAX * BLOCK_BYTES)

/* Pairs of places whose joined place is remembered: 256 KiB, which stay in the cache. Where a pair
 * comes again later, its place is made again: a place more costs 12 bytes, to know each of millions
 * costs a miss of the cache for every network. */
#define RECENT_PAIRS (UINT32_C(1) << 14)

__extension__ typedef unsigned __int128 wide;

/* An IPv6 network and the place that its data record alone would give. */
struct v6_network {
	uint64_t high;
	uint64_t low;
	uint32_t place;
	uint32_t prefix;
};
struct v6_list {
	struct v6_network *items;
	size_t count;
	size_t capacity;
	size_t at; /* the merge's */
};

struct builder {
	int fd;
	char *map; /* RESERVED_BYTES, sparse */
	uint32_t *cells;
	uint32_t *blocks;
	uint32_t block_count;
	struct text_pool texts;
	struct intern locations;
	struct intern as;
	struct intern places;
	struct number_map joined_locations; /* (location, location) to what joins both */
	struct number_map joined_as;        /* likewise */
	struct number_map records;          /* of the database in hand: data offset + 1 to place */
	struct v6_list *v6;                 /* one for each database */
	size_t v6_count;
	struct mmdb *db; /* in hand */
	struct {
		uint64_t pair;
		uint32_t joined;
	} recent[RECENT_PAIRS]; /* by a hash of the pair */
	uint32_t aliases;
	struct mr_buf starts;
	struct mr_buf start_places;
};

/* ---- places ---- */

/* The shortest text that is the number: four decimals or fewer in most databases. */
static struct mr_slice number_text(double number, char *out, size_t size)
{
	double scaled = nearbyint(number * 10000);
	int len;

	if (scaled / 10000 == number) {
		len = snprintf(out, size, "%.4f", number);
		while (len > 1 && out[len - 1] == '0')
			len--;
		if (out[len - 1] == '.')
			len--;
	} else {
		len = snprintf(out, size, "%.9g", number);
		if (strtod(out, NULL) != number)
			len = snprintf(out, size, "%.17g", number);
	}
	return (struct mr_slice){out, (size_t)len};
}

static uint32_t add_location(struct builder *builder, const struct geo_facts *facts)
{
	struct geoip_location location;
	char text[32];

	memset(&location, 0, sizeof(location));
	memcpy(location.country, facts->country, 2);
	location.city = text_pool_add(&builder->texts, facts->city);
	location.region = text_pool_add(&builder->texts, facts->region);
	if (facts->has_point) {
		location.latitude = facts->latitude + 0.0; /* no negative zero */
		location.longitude = facts->longitude + 0.0;
		location.latitude_text = text_pool_add(
		    &builder->texts, number_text(location.latitude, text, sizeof(text)));
		location.longitude_text = text_pool_add(
		    &builder->texts, number_text(location.longitude, text, sizeof(text)));
	}
	return intern_add(&builder->locations, &location);
}

static uint32_t add_as(struct builder *builder, const struct geo_facts *facts)
{
	struct geoip_as as = {.number = facts->asn};
	char text[16];

	as.name = text_pool_add(&builder->texts, facts->as_name);
	if (as.number != 0) {
		int len = snprintf(text, sizeof(text), "%u", as.number);

		as.number_text =
		    text_pool_add(&builder->texts, (struct mr_slice){text, (size_t)len});
	}
	return intern_add(&builder->as, &as);
}

static uint32_t join_locations_new(struct builder *builder, uint32_t first, uint32_t second)
{
	struct geoip_location a, b;

	memcpy(&a, intern_get(&builder->locations, first), sizeof(a));
	memcpy(&b, intern_get(&builder->locations, second), sizeof(b));
	if (a.country[0] == 0)
		memcpy(a.country, b.country, 2);
	if (a.city == 0)
		a.city = b.city;
	if (a.region == 0)
		a.region = b.region;
	if (a.latitude_text == 0) {
		a.latitude = b.latitude;
		a.longitude = b.longitude;
		a.latitude_text = b.latitude_text;
		a.longitude_text = b.longitude_text;
	}
	return intern_add(&builder->locations, &a);
}

static uint32_t join_as_new(struct builder *builder, uint32_t first, uint32_t second)
{
	struct geoip_as a, b;

	memcpy(&a, intern_get(&builder->as, first), sizeof(a));
	memcpy(&b, intern_get(&builder->as, second), sizeof(b));
	if (a.number == 0) {
		a.number = b.number;
		a.number_text = b.number_text;
	}
	if (a.name == 0)
		a.name = b.name;
	return intern_add(&builder->as, &a);
}

/* Most databases know one of the two: then there is nothing to join, nor to remember. */
static uint32_t join_parts(struct builder *builder, struct number_map *known, uint32_t first,
			   uint32_t second,
			   uint32_t (*join_new)(struct builder *, uint32_t, uint32_t))
{
	uint32_t *joined;
	bool found;

	if (first == second || second == 0)
		return first;
	if (first == 0)
		return second;
	joined = number_map_at(known, (uint64_t)first << 32 | second, &found);
	if (!found)
		*joined = join_new(builder, first, second);
	return *joined;
}

/* What two places say together. Flags are a union: each database knows other anonymisers. */
static uint32_t join(struct builder *builder, uint32_t first, uint32_t second)
{
	uint64_t pair = (uint64_t)first << 32 | second;
	uint32_t at = (uint32_t)((pair * UINT64_C(0x9e3779b97f4a7c15)) >> 50);
	struct geoip_place a, b;

	_Static_assert(RECENT_PAIRS == UINT32_C(1) << (64 - 50), "the hash's bits");
	if (first == 0)
		return second;
	if (builder->recent[at].pair == pair)
		return builder->recent[at].joined;
	memcpy(&a, intern_get(&builder->places, first), sizeof(a));
	memcpy(&b, intern_get(&builder->places, second), sizeof(b));
	a.location = join_parts(builder, &builder->joined_locations, a.location, b.location,
				join_locations_new);
	a.as = join_parts(builder, &builder->joined_as, a.as, b.as, join_as_new);
	a.flags |= b.flags;
	builder->recent[at].pair = pair;
	builder->recent[at].joined = intern_append(&builder->places, &a);
	return builder->recent[at].joined;
}

/* The place of a data record; 0 where it says nothing that events get. */
static enum mr_err record_place(struct builder *builder, uint32_t offset, uint32_t *out,
				struct mr_error *error)
{
	struct geoip_place place = {0};
	struct geo_facts facts;
	enum mr_err err;
	uint32_t *known;
	bool found, any;

	known = number_map_at(&builder->records, (uint64_t)offset + 1, &found);
	if (found) {
		*out = *known;
		return MR_OK;
	}
	err = mmdb_facts(builder->db, offset, &facts, &any, error);
	if (err != MR_OK)
		return err;
	if (any) {
		place.location = add_location(builder, &facts);
		place.as = add_as(builder, &facts);
		place.flags = facts.flags;
	}
	*known = *out = intern_add(&builder->places, &place);
	return MR_OK;
}

/* ---- IPv4: laid over the cells ---- */

static void overlay(struct builder *builder, uint32_t *cell, uint32_t place)
{
	uint32_t *block;

	if (!(*cell & GEOIP_LINK)) {
		*cell = join(builder, *cell, place);
		return;
	}
	block = builder->blocks + (size_t)(*cell & ~GEOIP_LINK) * GEOIP_BLOCK;
	for (unsigned i = 0; i < GEOIP_BLOCK; i++)
		overlay(builder, &block[i], place);
}

/* The cell's block, made of what the cell says where it has none; NULL at the bound. */
static uint32_t *block_of(struct builder *builder, uint32_t *cell)
{
	uint32_t *block;

	if (*cell & GEOIP_LINK)
		return builder->blocks + (size_t)(*cell & ~GEOIP_LINK) * GEOIP_BLOCK;
	if (builder->block_count == BLOCKS_MAX)
		return NULL;
	block = builder->blocks + (size_t)builder->block_count * GEOIP_BLOCK;
	for (unsigned i = 0; i < GEOIP_BLOCK; i++)
		block[i] = *cell;
	*cell = GEOIP_LINK | builder->block_count++;
	return block;
}

static void overlay_range(struct builder *builder, uint32_t *cells, uint32_t count, uint32_t place)
{
	for (uint32_t i = 0; i < count; i++)
		overlay(builder, &cells[i], place);
}

static enum mr_err lay_v4(struct builder *builder, const struct mmdb_network *network,
			  uint32_t place, struct mr_error *error)
{
	uint32_t address = (uint32_t)network->low;
	uint32_t *cell = &builder->cells[address >> 8];
	uint32_t *block;

	if (network->prefix <= 24) {
		overlay_range(builder, cell, UINT32_C(1) << (24 - network->prefix), place);
		return MR_OK;
	}
	block = block_of(builder, cell);
	if (block != NULL && network->prefix <= 28) {
		overlay_range(builder, &block[address >> 4 & 15],
			      UINT32_C(1) << (28 - network->prefix), place);
		return MR_OK;
	}
	if (block != NULL)
		block = block_of(builder, &block[address >> 4 & 15]);
	if (block == NULL)
		return mr_error_set(
		    error, MR_NO_SPACE,
		    "%s: more small IPv4 networks than the table can hold; leave a database out",
		    builder->db->name);
	overlay_range(builder, &block[address & 15], UINT32_C(1) << (32 - network->prefix), place);
	return MR_OK;
}

/* ---- IPv6: gathered, then merged ---- */

static void gather_v6(struct v6_list *list, const struct mmdb_network *network, uint32_t place)
{
	if (list->count == list->capacity) {
		list->capacity = mr_grow(list->capacity, list->count + 1);
		list->items = mr_realloc(list->items, list->capacity * sizeof(list->items[0]));
	}
	list->items[list->count++] =
	    (struct v6_network){network->high, network->low, place, network->prefix};
}

static wide first_of(const struct v6_network *network)
{
	return (wide)network->high << 64 | network->low;
}
static wide last_of(const struct v6_network *network)
{
	wide rest = network->prefix == 0 ? ~(wide)0 : ((wide)1 << (128 - network->prefix)) - 1;

	return first_of(network) | rest;
}

static void emit_start(struct builder *builder, wide at, uint32_t place)
{
	struct geoip_start start = {(uint64_t)(at >> 64), (uint64_t)at};

	mr_buf_add(&builder->starts, &start, sizeof(start));
	mr_buf_add(&builder->start_places, &place, sizeof(place));
}

/* The place at `at`, and in *next_out where the next change may be; false at the end of all. */
static bool merge_step(struct builder *builder, wide at, uint32_t *place_out, wide *next_out)
{
	bool more = false;

	*place_out = 0;
	for (size_t i = 0; i < builder->v6_count; i++) {
		struct v6_list *list = &builder->v6[i];
		wide change;

		while (list->at < list->count && last_of(&list->items[list->at]) < at)
			list->at++;
		if (list->at == list->count)
			continue;
		change = first_of(&list->items[list->at]);
		if (change <= at) {
			*place_out = join(builder, *place_out, list->items[list->at].place);
			change = last_of(&list->items[list->at]) + 1; /* 0 past the last address */
		}
		if (change != 0 && (!more || change < *next_out)) {
			*next_out = change;
			more = true;
		}
	}
	return more;
}

static void merge_v6(struct builder *builder)
{
	uint32_t last = 0, place;
	wide at = 0, next = 0;
	bool more;

	emit_start(builder, 0, 0);
	do {
		more = merge_step(builder, at, &place, &next);
		if (place != last)
			emit_start(builder, at, place);
		last = place;
		at = next;
	} while (more);
}

static uint32_t *bucket_index(const struct builder *builder)
{
	const struct geoip_start *starts = (const void *)builder->starts.data;
	size_t count = builder->starts.len / sizeof(starts[0]);
	uint32_t *buckets = mr_malloc((GEOIP_BUCKETS + 1) * sizeof(uint32_t));
	size_t at = 0;

	for (uint64_t bucket = 0; bucket <= GEOIP_BUCKETS; bucket++) {
		uint64_t high = (UINT64_C(1) << 61) + (bucket << 40);

		while (at < count && starts[at].high < high)
			at++;
		buckets[bucket] = (uint32_t)at;
	}
	return buckets;
}

/* ---- one database ---- */

static enum mr_err visit(void *context, const struct mmdb_network *network, struct mr_error *error)
{
	struct builder *builder = context;
	uint32_t place;
	enum mr_err err = record_place(builder, network->offset, &place, error);

	if (err != MR_OK || place == 0)
		return err;
	if (network->v4)
		return lay_v4(builder, network, place, error);
	gather_v6(&builder->v6[builder->v6_count], network, place);
	return MR_OK;
}

static enum mr_err add_database(struct builder *builder, const char *path, struct mr_error *error)
{
	struct mmdb db;
	unsigned aliases = 0;
	size_t size;
	enum mr_err err;
	int fd;

	err = sealed_copy(path, &fd, &size, error);
	if (err != MR_OK)
		return err;
	err = mmdb_open(&db, path, fd, error);
	if (err == MR_OK) {
		builder->db = &db;
		number_map_init(&builder->records, (uintptr_t)&db);
		err = mmdb_walk(&db, visit, builder, &aliases, error);
		number_map_fini(&builder->records);
		builder->aliases |= aliases;
		builder->v6_count++;
		mmdb_close(&db);
	}
	close(fd);
	return err;
}

/* ---- the table ---- */

struct part_bytes {
	const void *at;
	size_t len;
};

static enum mr_err write_part(struct builder *builder, struct part_bytes bytes, uint64_t offset,
			      struct mr_error *error)
{
	size_t done = 0;

	while (done < bytes.len) {
		ssize_t written = pwrite(builder->fd, (const char *)bytes.at + done,
					 bytes.len - done, (off_t)(offset + done));

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return mr_error_errno(error, MR_NO_SPACE, "no memory for the GeoIP table");
		done += (size_t)written;
	}
	return MR_OK;
}

static enum mr_err write_parts(struct builder *builder, const struct part_bytes *parts,
			       struct geoip_header *header, struct mr_error *error)
{
	uint64_t end = HEADER_BYTES + CELLS_BYTES + (uint64_t)builder->block_count * BLOCK_BYTES;

	for (unsigned part = GEOIP_PART_PLACES; part < GEOIP_PART_COUNT; part++) {
		uint64_t offset = (end + 63) / 64 * 64;
		enum mr_err err = write_part(builder, parts[part], offset, error);

		if (err != MR_OK)
			return err;
		header->parts[part].offset = offset;
		header->parts[part].count = parts[part].len / geoip_part_item_bytes(part);
		end = offset + parts[part].len;
	}
	header->size_bytes = end;
	return MR_OK;
}

static enum mr_err write_table(struct builder *builder, const uint32_t *buckets, size_t *size_out,
			       struct mr_error *error)
{
	const struct part_bytes parts[GEOIP_PART_COUNT] = {
	    [GEOIP_PART_PLACES] = {builder->places.items.data, builder->places.items.len},
	    [GEOIP_PART_LOCATIONS] = {builder->locations.items.data, builder->locations.items.len},
	    [GEOIP_PART_AS] = {builder->as.items.data, builder->as.items.len},
	    [GEOIP_PART_TEXTS] = {builder->texts.bytes.data, builder->texts.bytes.len},
	    [GEOIP_PART_STARTS] = {builder->starts.data, builder->starts.len},
	    [GEOIP_PART_START_PLACES] = {builder->start_places.data, builder->start_places.len},
	    [GEOIP_PART_BUCKETS] = {buckets, (GEOIP_BUCKETS + 1) * sizeof(uint32_t)},
	};
	struct geoip_header header = {
	    .magic = GEOIP_MAGIC, .version = GEOIP_VERSION, .aliases = builder->aliases};
	enum mr_err err;

	header.parts[GEOIP_PART_CELLS] = (struct geoip_section){HEADER_BYTES, GEOIP_CELLS};
	header.parts[GEOIP_PART_BLOCKS] =
	    (struct geoip_section){HEADER_BYTES + CELLS_BYTES, builder->block_count};
	err = write_parts(builder, parts, &header, error);
	if (err != MR_OK)
		return err;
	header.checksum = mr_hash64(&header, offsetof(struct geoip_header, checksum), 0);
	memcpy(builder->map, &header, sizeof(header));
	*size_out = (size_t)header.size_bytes;
	return MR_OK;
}

static enum mr_err finish(struct builder *builder, size_t *size_out, struct mr_error *error)
{
	uint32_t *buckets;
	enum mr_err err;

	merge_v6(builder);
	buckets = bucket_index(builder);
	err = write_table(builder, buckets, size_out, error);
	free(buckets);
	if (err != MR_OK)
		return err;
	munmap(builder->map, RESERVED_BYTES);
	builder->map = MAP_FAILED;
	if (ftruncate(builder->fd, (off_t)*size_out) != 0)
		return mr_error_errno(error, MR_IO, "the GeoIP table cannot be cut to its size");
	return sealed_seal(builder->fd, error);
}

static enum mr_err builder_init(struct builder *builder, size_t databases, struct mr_error *error)
{
	uint64_t seed = 0;

	*builder = (struct builder){.map = MAP_FAILED};
	builder->fd = memfd_create("millrace-geoip", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (builder->fd < 0)
		return mr_error_errno(error, MR_IO, "no memory for the GeoIP table");
	if (ftruncate(builder->fd, (off_t)RESERVED_BYTES) == 0)
		builder->map =
		    mmap(NULL, RESERVED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, builder->fd, 0);
	if (builder->map == MAP_FAILED) {
		close(builder->fd);
		return mr_error_errno(error, MR_NO_SPACE, "no memory for the GeoIP table");
	}
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (uintptr_t)builder->map;
	builder->cells = (void *)(builder->map + HEADER_BYTES);
	builder->blocks = (void *)(builder->map + HEADER_BYTES + CELLS_BYTES);
	text_pool_init(&builder->texts, seed);
	intern_init(&builder->locations, sizeof(struct geoip_location), seed);
	intern_init(&builder->as, sizeof(struct geoip_as), seed);
	intern_init(&builder->places, sizeof(struct geoip_place), seed);
	number_map_init(&builder->joined_locations, seed);
	number_map_init(&builder->joined_as, seed);
	builder->v6 = mr_calloc(databases + 1, sizeof(builder->v6[0]));
	return MR_OK;
}

static void builder_fini(struct builder *builder, size_t databases)
{
	for (size_t i = 0; i < databases; i++)
		free(builder->v6[i].items);
	free(builder->v6);
	number_map_fini(&builder->joined_as);
	number_map_fini(&builder->joined_locations);
	intern_fini(&builder->places);
	intern_fini(&builder->as);
	intern_fini(&builder->locations);
	text_pool_fini(&builder->texts);
	mr_buf_fini(&builder->starts);
	mr_buf_fini(&builder->start_places);
	if (builder->map != MAP_FAILED)
		munmap(builder->map, RESERVED_BYTES);
}

enum mr_err geoip_build(const char *const *paths, size_t path_count, int *fd_out, size_t *size_out,
			struct mr_error *error)
{
	struct builder builder;
	enum mr_err err = builder_init(&builder, path_count, error);

	if (err != MR_OK)
		return err;
	for (size_t i = 0; i < path_count && err == MR_OK; i++)
		err = add_database(&builder, paths[i], error);
	if (err == MR_OK)
		err = finish(&builder, size_out, error);
	builder_fini(&builder, path_count);
	if (err != MR_OK)
		close(builder.fd);
	else
		*fd_out = builder.fd;
	return err;
}
