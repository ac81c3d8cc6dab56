/* geoip_build.c - many databases into one flat table.
 *
 * Called by geoip.c in the supervisor. All databases are walked together, in the order of the
 * addresses, first through IPv4, then through IPv6: each piece of the address space is written
 * once, with what all of them say of it. The same places come again and again, so everything is
 * kept once. The table is written into the memfd that it will stay in. Errors name the database
 * that is at fault; nothing is held after one. */
#include "geoip_build.h"

#include "geoip_cells.h"
#include "intern.h"
#include "mmdb.h"
#include "sealed.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many pieces of the address space are remembered, by what data records they have: as many as
 * stay in the processor's own cache, 768 KiB for two databases. Where the same records meet again
 * later, their place is made again, which costs 12 bytes in the table. */
#define RECENT_BITS 16
/* Pieces that wait for what is remembered of them together. */
#define TOGETHER 64

/* A database at work; its tree stands beside those of the others. */
struct source {
	struct mmdb db;
	int fd;
	struct number_map records; /* data offset + 1 to place */
};

/* Of the address space. */
struct piece {
	mmdb_wide first, last;
	uint32_t *recent; /* where it is remembered */
};

struct builder {
	int fd;
	struct source *sources;
	struct mmdb_tree *trees; /* one for each source */
	size_t source_count;
	struct geoip_cells cells;
	struct text_pool texts;
	struct intern locations;
	struct intern as;
	struct intern places;
	struct number_map joined_locations; /* (location, location) to what joins both */
	struct number_map joined_as;        /* likewise */
	uint32_t *recent; /* by a hash: the data record in each tree, and the place */
	uint32_t aliases;
	struct mr_buf starts;
	struct mr_buf start_places;
	/* The pieces in hand, and one after the other the data records that the trees have for
	 * them. */
	struct piece pieces[TOGETHER];
	uint32_t *data;
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

/* Adds to the first what it does not know. Flags are a union: each database knows other
 * anonymisers. */
static void join(struct builder *builder, struct geoip_place *first,
		 const struct geoip_place *second)
{
	first->location = join_parts(builder, &builder->joined_locations, first->location,
				     second->location, join_locations_new);
	first->as = join_parts(builder, &builder->joined_as, first->as, second->as, join_as_new);
	first->flags |= second->flags;
}

/* The place of a data record; 0 where there is none or it says nothing that events get. */
static enum mr_err record_place(struct builder *builder, struct source *source, uint32_t data,
				uint32_t *out, struct mr_error *error)
{
	struct geoip_place place = {0};
	struct geo_facts facts;
	enum mr_err err;
	uint32_t *known;
	bool found, any;

	*out = 0;
	if (data == 0)
		return MR_OK;
	known = number_map_at(&source->records, data, &found);
	if (found) {
		*out = *known;
		return MR_OK;
	}
	err = mmdb_facts(&source->db, data - 1, &facts, &any, error);
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

/* What all databases together say of a piece. */
static enum mr_err joined_place(struct builder *builder, const uint32_t *data, uint32_t *out,
				struct mr_error *error)
{
	struct geoip_place joined = {0};
	unsigned said = 0;

	*out = 0;
	for (size_t i = 0; i < builder->source_count; i++) {
		uint32_t place;
		enum mr_err err =
		    record_place(builder, &builder->sources[i], data[i], &place, error);

		if (err != MR_OK)
			return err;
		if (place == 0)
			continue;
		*out = place;
		join(builder, &joined, intern_get(&builder->places, place));
		said++;
	}
	if (said > 1)
		*out = intern_append(&builder->places, &joined);
	return MR_OK;
}

static uint32_t *recent_of(const struct builder *builder, const uint32_t *data)
{
	size_t count = builder->source_count;
	uint64_t hash = 0;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ data[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return builder->recent + (hash >> (64 - RECENT_BITS)) * (count + 1);
}

/* The place of a piece: it is the last that came by there, or is that from now on. */
static enum mr_err place_of(struct builder *builder, uint32_t *recent, const uint32_t *data,
			    uint32_t *out, struct mr_error *error)
{
	uint32_t *place = &recent[builder->source_count];
	enum mr_err err = MR_OK;
	uint32_t differs = 0;

	/* Of a few numbers, millions of times: a call of memcmp would take as long again. */
	for (size_t i = 0; i < builder->source_count; i++)
		differs |= recent[i] ^ data[i];
	if (differs != 0) {
		memcpy(recent, data, builder->source_count * sizeof(*data));
		err = joined_place(builder, data, place, error);
	}
	*out = *place;
	return err;
}

/* ---- the address space ---- */

static void put_v6(struct builder *builder, mmdb_wide first, uint32_t place)
{
	struct geoip_start start = {(uint64_t)(first >> 64), (uint64_t)first};
	const uint32_t *places = (const void *)builder->start_places.data;
	size_t count = builder->start_places.len / sizeof(place);

	if (count > 0 && places[count - 1] == place)
		return;
	mr_buf_add(&builder->starts, &start, sizeof(start));
	mr_buf_add(&builder->start_places, &place, sizeof(place));
}

/* The next pieces, as many as there are, and as many as are in hand together. */
static enum mr_err take_pieces(struct builder *builder, struct mmdb_walk *walk, size_t *count_out,
			       struct mr_error *error)
{
	uint32_t *data = builder->data;
	size_t count = 0;
	enum mr_err err;

	do {
		struct piece *piece = &builder->pieces[count];

		err = mmdb_walk_next(walk, error);
		if (err != MR_OK)
			break;
		for (size_t i = 0; i < builder->source_count; i++)
			data[i] = builder->trees[i].data;
		*piece = (struct piece){walk->first, walk->last, recent_of(builder, data)};
		__builtin_prefetch(piece->recent, 1);
		data += builder->source_count;
	} while (++count < TOGETHER && !mmdb_walk_ended(walk));
	*count_out = count;
	return err;
}

static enum mr_err put_piece(struct builder *builder, const struct piece *piece,
			     const uint32_t *data, bool v4, struct mr_error *error)
{
	uint32_t place;
	enum mr_err err = place_of(builder, piece->recent, data, &place, error);

	if (err == MR_OK && v4)
		err = geoip_cells_put(&builder->cells, (uint64_t)(piece->last - piece->first) + 1,
				      place, error);
	else if (err == MR_OK)
		put_v6(builder, piece->first, place);
	return err;
}

static enum mr_err add_family(struct builder *builder, bool v4, struct mr_error *error)
{
	struct mmdb_walk walk;
	enum mr_err err;

	mmdb_walk_init(&walk, builder->trees, builder->source_count, v4);
	do {
		size_t count;

		err = take_pieces(builder, &walk, &count, error);
		for (size_t i = 0; i < count && err == MR_OK; i++)
			err = put_piece(builder, &builder->pieces[i],
					builder->data + i * builder->source_count, v4, error);
	} while (err == MR_OK && !mmdb_walk_ended(&walk));
	builder->aliases |= walk.aliases;
	return err;
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

/* ---- the databases ---- */

static enum mr_err open_source(struct builder *builder, const char *path, struct mr_error *error)
{
	struct source *source = &builder->sources[builder->source_count];
	size_t size;
	enum mr_err err = sealed_copy(path, &source->fd, &size, error);

	if (err != MR_OK)
		return err;
	err = mmdb_open(&source->db, path, source->fd, error);
	if (err != MR_OK) {
		close(source->fd);
		return err;
	}
	number_map_init(&source->records, builder->texts.seed);
	builder->trees[builder->source_count].db = &source->db;
	builder->source_count++;
	return MR_OK;
}

static void close_sources(struct builder *builder)
{
	for (size_t i = 0; i < builder->source_count; i++) {
		struct source *source = &builder->sources[i];

		number_map_fini(&source->records);
		mmdb_close(&source->db);
		close(source->fd);
	}
	free(builder->sources);
	free(builder->trees);
}

/* ---- the table ---- */

struct part_bytes {
	const void *at;
	size_t len;
};

static enum mr_err write_parts(struct builder *builder, const struct part_bytes *parts,
			       struct geoip_header *header, struct mr_error *error)
{
	uint64_t end =
	    GEOIP_BLOCKS_AT + builder->cells.block_count * geoip_part_item_bytes(GEOIP_PART_BLOCKS);

	for (unsigned part = GEOIP_PART_PLACES; part < GEOIP_PART_COUNT; part++) {
		uint64_t offset = (end + 63) / 64 * 64;
		enum mr_err err =
		    sealed_write(builder->fd, parts[part].at, parts[part].len, offset, error);

		if (err != MR_OK)
			return err;
		header->parts[part].offset = offset;
		header->parts[part].count = parts[part].len / geoip_part_item_bytes(part);
		end = offset + parts[part].len;
	}
	header->size_bytes = end;
	return MR_OK;
}

/* What tells databases from all others: their bytes, one after the other. */
static uint64_t add_origin(uint64_t origin, uint64_t bytes, uint64_t hash)
{
	const uint64_t all[] = {origin, bytes, hash};

	return mr_hash64(all, sizeof(all), 0);
}

static uint64_t origin_of(const struct builder *builder)
{
	uint64_t origin = 0;

	for (size_t i = 0; i < builder->source_count; i++) {
		const struct mmdb *db = &builder->sources[i].db;

		origin =
		    add_origin(origin, db->size_bytes, mr_hash64(db->bytes, db->size_bytes, 0));
	}
	return origin;
}

bool geoip_origin(const char *const *paths, size_t path_count, uint64_t *origin_out,
		  uint64_t *bytes_out)
{
	*origin_out = *bytes_out = 0;
	for (size_t i = 0; i < path_count; i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		uint64_t bytes, hash;
		struct stat about;
		/* A device may have no end. */
		bool known = fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
			     sealed_measure(fd, &bytes, &hash);

		if (fd >= 0)
			close(fd);
		if (!known)
			return false;
		*origin_out = add_origin(*origin_out, bytes, hash);
		*bytes_out += bytes;
	}
	return true;
}

bool geoip_is_of(struct mr_slice table, const char *const *paths, size_t path_count)
{
	struct geoip_table open;
	uint64_t origin, bytes;

	return geoip_table_open(table, &open, NULL) == MR_OK &&
	       geoip_origin(paths, path_count, &origin, &bytes) && open.header->origin == origin;
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
	    .magic = GEOIP_MAGIC,
	    .version = GEOIP_VERSION,
	    .aliases = builder->aliases,
	    .origin = origin_of(builder),
	};
	enum mr_err err;

	header.parts[GEOIP_PART_CELLS] = (struct geoip_section){GEOIP_CELLS_AT, GEOIP_CELLS};
	header.parts[GEOIP_PART_BLOCKS] =
	    (struct geoip_section){GEOIP_BLOCKS_AT, builder->cells.block_count};
	err = write_parts(builder, parts, &header, error);
	if (err != MR_OK)
		return err;
	header.checksum = mr_hash64(&header, offsetof(struct geoip_header, checksum), 0);
	*size_out = (size_t)header.size_bytes;
	return sealed_write(builder->fd, &header, sizeof(header), 0, error);
}

static enum mr_err fill(struct builder *builder, size_t *size_out, struct mr_error *error)
{
	uint32_t *buckets;
	enum mr_err err = add_family(builder, true, error);

	if (err == MR_OK)
		err = geoip_cells_finish(&builder->cells, error);
	if (err == MR_OK)
		err = add_family(builder, false, error);
	if (err != MR_OK)
		return err;
	buckets = bucket_index(builder);
	err = write_table(builder, buckets, size_out, error);
	free(buckets);
	return err == MR_OK ? sealed_seal(builder->fd, error) : err;
}

static enum mr_err builder_init(struct builder *builder, size_t databases, struct mr_error *error)
{
	uint64_t seed = 0;

	*builder = (struct builder){0};
	builder->fd = memfd_create("millrace-geoip", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (builder->fd < 0)
		return mr_error_errno(error, MR_IO, "no memory for the GeoIP table");
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (uintptr_t)builder;
	builder->sources = mr_calloc(databases + 1, sizeof(builder->sources[0]));
	builder->trees = mr_calloc(databases + 1, sizeof(builder->trees[0]));
	builder->recent = mr_calloc((databases + 1) << RECENT_BITS, sizeof(builder->recent[0]));
	builder->data = mr_calloc(databases * TOGETHER + 1, sizeof(builder->data[0]));
	geoip_cells_init(&builder->cells, builder->fd);
	text_pool_init(&builder->texts, seed);
	intern_init(&builder->locations, sizeof(struct geoip_location), seed);
	intern_init(&builder->as, sizeof(struct geoip_as), seed);
	intern_init(&builder->places, sizeof(struct geoip_place), seed);
	number_map_init(&builder->joined_locations, seed);
	number_map_init(&builder->joined_as, seed);
	return MR_OK;
}

static void builder_fini(struct builder *builder)
{
	close_sources(builder);
	free(builder->recent);
	free(builder->data);
	number_map_fini(&builder->joined_as);
	number_map_fini(&builder->joined_locations);
	intern_fini(&builder->places);
	intern_fini(&builder->as);
	intern_fini(&builder->locations);
	text_pool_fini(&builder->texts);
	mr_buf_fini(&builder->starts);
	mr_buf_fini(&builder->start_places);
}

enum mr_err geoip_build(const char *const *paths, size_t path_count, int *fd_out, size_t *size_out,
			struct mr_error *error)
{
	struct builder builder;
	enum mr_err err = builder_init(&builder, path_count, error);

	if (err != MR_OK)
		return err;
	for (size_t i = 0; i < path_count && err == MR_OK; i++)
		err = open_source(&builder, paths[i], error);
	if (err == MR_OK)
		err = fill(&builder, size_out, error);
	builder_fini(&builder);
	if (err != MR_OK)
		close(builder.fd);
	else
		*fd_out = builder.fd;
	return err;
}
