/* geoip_table.c - looks addresses up in the flat GeoIP table.
 *
 * Called by geoip.c for each set of events. Works in passes: each touches the memory that the
 * next one needs, for all addresses of the batch, so that cache misses overlap. A table that is not
 * whole is MR_BAD_INPUT when it is opened; later nothing fails. */
#include "geoip_table.h"

#include "mmdb.h"

size_t geoip_part_item_bytes(enum geoip_part part)
{
	static const size_t bytes[GEOIP_PART_COUNT] = {
	    [GEOIP_PART_CELLS] = sizeof(uint32_t),
	    [GEOIP_PART_BLOCKS] = GEOIP_BLOCK * sizeof(uint32_t),
	    [GEOIP_PART_PLACES] = sizeof(struct geoip_place),
	    [GEOIP_PART_LOCATIONS] = sizeof(struct geoip_location),
	    [GEOIP_PART_AS] = sizeof(struct geoip_as),
	    [GEOIP_PART_TEXTS] = 1,
	    [GEOIP_PART_STARTS] = sizeof(struct geoip_start),
	    [GEOIP_PART_START_PLACES] = sizeof(uint32_t),
	    [GEOIP_PART_BUCKETS] = sizeof(uint32_t),
	};

	return bytes[part];
}

static bool part_fits(const struct geoip_header *header, enum geoip_part part)
{
	const struct geoip_section *section = &header->parts[part];

	return section->offset % 64 == 0 && section->offset <= header->size_bytes &&
	       section->count <=
		   (header->size_bytes - section->offset) / geoip_part_item_bytes(part);
}

static bool header_fits(const struct geoip_header *header, size_t size_bytes)
{
	if (header->magic != GEOIP_MAGIC || header->version != GEOIP_VERSION ||
	    header->size_bytes != size_bytes ||
	    header->checksum != mr_hash64(header, offsetof(struct geoip_header, checksum), 0))
		return false;
	for (unsigned part = 0; part < GEOIP_PART_COUNT; part++) {
		if (!part_fits(header, part))
			return false;
	}
	return header->parts[GEOIP_PART_CELLS].count == GEOIP_CELLS &&
	       header->parts[GEOIP_PART_PLACES].count >= 1 &&
	       header->parts[GEOIP_PART_LOCATIONS].count >= 1 &&
	       header->parts[GEOIP_PART_AS].count >= 1 &&
	       header->parts[GEOIP_PART_STARTS].count >= 1 &&
	       header->parts[GEOIP_PART_STARTS].count <= UINT32_MAX &&
	       header->parts[GEOIP_PART_START_PLACES].count ==
		   header->parts[GEOIP_PART_STARTS].count &&
	       header->parts[GEOIP_PART_BUCKETS].count == GEOIP_BUCKETS + 1;
}

enum mr_err geoip_table_open(struct mr_slice bytes, struct geoip_table *out, struct mr_error *error)
{
	const struct geoip_header *header = (const void *)bytes.at;
	const void *at[GEOIP_PART_COUNT];

	if (bytes.len < sizeof(*header) || (uintptr_t)bytes.at % 64 != 0 ||
	    !header_fits(header, bytes.len))
		return mr_error_set(error, MR_BAD_INPUT, "the GeoIP table is not whole");
	*out = (struct geoip_table){.header = header};
	for (unsigned part = 0; part < GEOIP_PART_COUNT; part++) {
		at[part] = bytes.at + header->parts[part].offset;
		out->count[part] = header->parts[part].count;
	}
	out->cells = at[GEOIP_PART_CELLS];
	out->blocks = at[GEOIP_PART_BLOCKS];
	out->places = at[GEOIP_PART_PLACES];
	out->locations = at[GEOIP_PART_LOCATIONS];
	out->as = at[GEOIP_PART_AS];
	out->texts = at[GEOIP_PART_TEXTS];
	out->starts = at[GEOIP_PART_STARTS];
	out->start_places = at[GEOIP_PART_START_PLACES];
	out->buckets = at[GEOIP_PART_BUCKETS];
	return MR_OK;
}

/* ---- IPv6 ---- */

static bool start_is_after(const struct geoip_start *start, uint64_t high, uint64_t low)
{
	return start->high > high || (start->high == high && start->low > low);
}

/* The last start at or before the address, between the bounds that the bucket index gives. */
static uint32_t find_v6(const struct geoip_table *table, uint64_t high, uint64_t low)
{
	uint64_t count = table->count[GEOIP_PART_STARTS];
	uint64_t from = 0;   /* every start before it is at or before the address */
	uint64_t to = count; /* every start from it on is after the address */

	if (high >> 61 == 1) {
		uint32_t bucket = (uint32_t)(high >> 40) & (GEOIP_BUCKETS - 1);

		from = table->buckets[bucket];
		to = table->buckets[bucket + 1];
		if (from > to || to > count)
			return 0;
	}
	while (from < to) {
		uint64_t middle = from + (to - from) / 2;

		if (start_is_after(&table->starts[middle], high, low))
			to = middle;
		else
			from = middle + 1;
	}
	return from == 0 ? 0 : table->start_places[from - 1];
}

/* ---- batches ---- */

/* The IPv4 address inside, where a database has that part of IPv6 as a copy of IPv4. */
static bool as_v4(const struct geoip_table *table, const struct address *address, uint32_t *v4)
{
	if (address->family == ADDRESS_V4) {
		*v4 = address->v4;
		return true;
	}
	if (table->header->aliases & MMDB_ALIAS_6TO4 && address->high >> 48 == 0x2002) {
		*v4 = (uint32_t)(address->high >> 16);
		return true;
	}
	if (table->header->aliases & MMDB_ALIAS_TEREDO && address->high >> 32 == 0x20010000) {
		*v4 = (uint32_t)address->high;
		return true;
	}
	return false;
}

struct probe {
	uint32_t v4[GEOIP_BATCH];
	uint32_t item[GEOIP_BATCH]; /* which of the batch */
	uint32_t count;
};

static void prefetch_block(const struct geoip_table *table, uint32_t cell)
{
	uint32_t block = cell & ~GEOIP_LINK;

	if (cell & GEOIP_LINK && block < table->count[GEOIP_PART_BLOCKS])
		__builtin_prefetch(table->blocks + (size_t)block * GEOIP_BLOCK);
}

static uint32_t follow(const struct geoip_table *table, uint32_t cell, uint32_t nibble)
{
	uint32_t block = cell & ~GEOIP_LINK;

	if (!(cell & GEOIP_LINK))
		return cell;
	if (block >= table->count[GEOIP_PART_BLOCKS])
		return 0;
	return table->blocks[(size_t)block * GEOIP_BLOCK + (nibble & 15)];
}

static void find_v4(const struct geoip_table *table, const struct probe *probe, uint32_t *places)
{
	for (uint32_t i = 0; i < probe->count; i++) {
		uint32_t cell = table->cells[probe->v4[i] >> 8];

		prefetch_block(table, cell);
		places[probe->item[i]] = cell;
	}
	for (uint32_t i = 0; i < probe->count; i++) {
		uint32_t cell = follow(table, places[probe->item[i]], probe->v4[i] >> 4);

		prefetch_block(table, cell);
		places[probe->item[i]] = cell;
	}
	for (uint32_t i = 0; i < probe->count; i++) {
		uint32_t *place = &places[probe->item[i]];

		*place = follow(table, *place, probe->v4[i]);
	}
}

void geoip_table_find(const struct geoip_table *table, const struct address *addresses,
		      uint32_t count, uint32_t *places_out)
{
	struct probe probe;

	probe.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t v4;

		places_out[i] = 0;
		if (addresses[i].family == ADDRESS_NONE)
			continue;
		if (as_v4(table, &addresses[i], &v4)) {
			__builtin_prefetch(&table->cells[v4 >> 8]);
			probe.v4[probe.count] = v4;
			probe.item[probe.count++] = i;
		} else {
			places_out[i] = find_v6(table, addresses[i].high, addresses[i].low);
		}
	}
	find_v4(table, &probe, places_out);
	for (uint32_t i = 0; i < count; i++) {
		if (places_out[i] >= table->count[GEOIP_PART_PLACES])
			places_out[i] = 0;
		__builtin_prefetch(&table->places[places_out[i]]);
	}
}
