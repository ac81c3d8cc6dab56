/* fuzz_geoip_table.c - a GeoIP table with bytes changed, its checksum made right again: it is
 * refused, or looking up in it stays inside it and gives events only what may be read.
 *
 * The input is a list of changes, four bytes each: which part of the table (the header is one
 * more), where in what the look-ups below read of that part (two), and what to xor. */
#include "geoip.h"
#include "geoip_build.h"

#include "enrich/mmdb_writer.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHANGE 4
#define CHANGES_MAX 64

static const char *const texts[] = {"81.2.69.142",     "81.2.69.1",   "8.8.8.8", "255.255.255.255",
				    "2001:db8::1",     "2001:db8::2", "::",      "::1",
				    "2002:5102:458e::"};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static struct {
	char *bytes; /* of the table, in private memory */
	size_t size;
	struct geoip_header header; /* as it was built */
	struct mr_fields *fields;
	struct mr_events events;
	struct mr_counters counters;
	struct enrich_set set;
	struct enrich_pass pass; /* adds every field */
	uint32_t found[TEXTS];
	uint64_t sum; /* so that every byte of a text is read */
} world;

/* ---- the table ---- */

static uint32_t put_place(struct mmdb_writer *db, const char *country, const char *city)
{
	uint32_t at = (uint32_t)db->data.len;
	struct mr_buf *out = &db->data;

	put_map(out, 8);
	put_text(out, "country_code");
	put_text(out, country);
	put_text(out, "city");
	put_text(out, city);
	put_text(out, "asn");
	put_text(out, "AS64500");
	put_text(out, "as_name");
	put_text(out, city);
	put_text(out, "region");
	put_text(out, "North");
	put_text(out, "latitude");
	put_text(out, "37.5");
	put_text(out, "longitude");
	put_text(out, "-122.25");
	put_text(out, "vpn");
	put_bool(out, true);
	return at;
}

static int write_database(void)
{
	static const uint8_t documentation[16] = {0x20, 0x01, 0x0d, 0xb8};
	static const uint8_t six_to_four[16] = {0x20, 0x02};
	int fd = memfd_create("database", MFD_CLOEXEC);
	struct mr_buf bytes = {0};
	struct mmdb_writer db;

	mmdb_writer_init(&db, true, 28, "Some-City");
	mmdb_writer_insert_v4(&db, 0x51000000, 8, put_place(&db, "GB", "London"));
	mmdb_writer_insert_v4(&db, 0x5102458e, 32, put_place(&db, "DE", "Bonn"));
	mmdb_writer_insert_v4(&db, 0x08080800, 25, put_place(&db, "US", "Reno"));
	mmdb_writer_insert(&db, documentation, 127, put_place(&db, "JP", "Nara"));
	mmdb_writer_alias(&db, six_to_four, 16);
	mmdb_writer_finish(&db, &bytes);
	assert(fd >= 0 && write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
	mr_buf_fini(&bytes);
	mmdb_writer_fini(&db);
	return fd;
}

static void make_table(void)
{
	char path[32];
	const char *paths[] = {path};
	int fd = write_database();
	int table_fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	enum mr_err err = geoip_build(paths, 1, &table_fd, &world.size, NULL);
	assert(err == MR_OK);
	world.bytes = mmap(NULL, world.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, table_fd, 0);
	assert(world.bytes != MAP_FAILED);
	memcpy(&world.header, world.bytes, sizeof(world.header));
	close(table_fd);
	close(fd);
	world.fields = mr_fields_new();
	mr_events_init(&world.events, world.fields, TEXTS);
	world.set.counters = &world.counters;
	for (unsigned i = 0; i < TEXTS; i++)
		world.set.addresses[i] = address_parse(mr_slice(texts[i]));
}

/* ---- the changes ---- */

/* Of the big parts only the items that the look-ups come by: which byte of those is meant. */
static uint64_t byte_of(enum geoip_part part, uint32_t at, uint64_t size)
{
	const struct address *address = &world.set.addresses[at / 8 % TEXTS];

	if (part == GEOIP_PART_CELLS)
		return (uint64_t)(address->v4 >> 8) * 4 + at % 4;
	if (part == GEOIP_PART_BUCKETS)
		return (address->high >> 40 & (GEOIP_BUCKETS - 1)) * 4 + at % 8;
	return size == 0 ? 0 : at % size;
}

static char *changed(const uint8_t *change)
{
	unsigned part = change[0] % (GEOIP_PART_COUNT + 1);
	uint32_t at = (uint32_t)(change[1] << 8 | change[2]);

	if (part == GEOIP_PART_COUNT)
		return world.bytes + at % offsetof(struct geoip_header, checksum);
	uint64_t size = world.header.parts[part].count * geoip_part_item_bytes(part);
	return world.bytes + world.header.parts[part].offset + byte_of(part, at, size);
}

/* Doing it twice undoes it. */
static void change_all(const uint8_t *data, size_t count)
{
	struct geoip_header *header = (void *)world.bytes;

	for (size_t i = 0; i < count; i++) {
		char *byte = changed(data + CHANGE * i);

		*byte = (char)(*byte ^ data[CHANGE * i + 3]);
	}
	header->checksum = mr_hash64(header, offsetof(struct geoip_header, checksum), 0);
}

/* ---- the look-ups ---- */

static void touch(const struct mr_value *value)
{
	for (; value != NULL; value = mr_value_next(&world.events, value)) {
		assert(value->text != NULL);
		world.sum += mr_hash64(value->text, value->len, 0);
	}
}

static void look_up(const struct geoip_table *table)
{
	mr_events_reset(&world.events);
	for (unsigned i = 0; i < TEXTS; i++)
		mr_events_push(&world.events);
	world.set.events = &world.events;
	world.set.count = TEXTS;
	world.set.found = world.found;
	memset(&world.pass, 1, sizeof(world.pass));
	geoip_apply(table, &world.pass, &world.set);
	for (unsigned i = 0; i < TEXTS; i++) {
		for (mr_field field = 1; field < MR_F_NORMALISED_END; field++)
			touch(mr_event_get(&world.events, &world.events.items[i], field));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t count = size / CHANGE;
	struct geoip_table table;
	struct mr_error error = {0};

	if (count > CHANGES_MAX)
		return 0;
	if (world.bytes == NULL)
		make_table();
	change_all(data, count);
	if (geoip_table_open((struct mr_slice){world.bytes, world.size}, &table, &error) == MR_OK)
		look_up(&table);
	else
		assert(error.text[0] != 0);
	change_all(data, count);
	assert(memcmp(world.bytes, &world.header, sizeof(world.header)) == 0);
	return 0;
}
