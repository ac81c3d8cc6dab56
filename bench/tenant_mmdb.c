/* tenant_mmdb.c - the address plan as MaxMind-format databases.
 *
 * Written from "MaxMind DB File Format Specification" 2.0: a binary search tree of 28-bit records,
 * a data section, a metadata section. IPv4 lies at ::/96 of an IPv6 tree, as in MaxMind's own
 * files. */
#include <errno.h>
#include <stdlib.h>

#include "tenant.h"

#define NO_NODE UINT32_MAX

struct mmdb {
	uint32_t (*nodes)[2]; /* a child: a node, NO_NODE for nothing, or DATA_BIT | offset */
	uint32_t node_count;
	uint32_t capacity;
	struct mr_buf data;
	uint32_t *known; /* offset + 1 of data already written, by key */
	size_t known_count;
	const struct tenant_places *places;
};
#define DATA_BIT 0x80000000u

static uint32_t new_node(struct mmdb *db)
{
	if (db->node_count == db->capacity) {
		db->capacity = (uint32_t)mr_grow(db->capacity, db->node_count + 1u);
		db->nodes = mr_realloc(db->nodes, db->capacity * sizeof *db->nodes);
	}
	db->nodes[db->node_count][0] = NO_NODE;
	db->nodes[db->node_count][1] = NO_NODE;
	return db->node_count++;
}

/* Walk `bits` bits of a path of up to 128, making nodes, and hang the data at its end. */
static void insert(struct mmdb *db, uint32_t from, uint32_t path, unsigned bits, uint32_t data)
{
	uint32_t node = from;
	for (unsigned bit = 0; bit + 1 < bits; bit++) {
		unsigned side = path >> (31 - bit) & 1;
		if (db->nodes[node][side] == NO_NODE) {
			uint32_t child = new_node(db);
			db->nodes[node][side] = child;
		}
		node = db->nodes[node][side];
	}
	db->nodes[node][path >> (31 - (bits - 1)) & 1] = DATA_BIT | data;
}

/* The node below 96 zero bits. */
static uint32_t start(struct mmdb *db, const struct tenant_places *places, size_t known_count)
{
	*db = (struct mmdb){.places = places, .known_count = known_count};
	db->known = mr_calloc(known_count, sizeof *db->known);
	uint32_t node = new_node(db);
	for (int bit = 0; bit < 96; bit++) {
		uint32_t child = new_node(db);
		db->nodes[node][0] = child;
		node = child;
	}
	return node;
}

/* ---- the data section ---- */

enum {
	TYPE_STRING = 2,
	TYPE_DOUBLE = 3,
	TYPE_U16 = 5,
	TYPE_U32 = 6,
	TYPE_MAP = 7,
	TYPE_U64 = 9,
	TYPE_ARRAY = 11
};

static void put_control(struct mr_buf *out, unsigned type, size_t size)
{
	uint8_t bytes[3];
	size_t len = 0;
	uint8_t short_size = (uint8_t)(size < 29 ? size : 29);
	bytes[len++] = (uint8_t)((type > 7 ? 0 : type << 5) | short_size);
	if (type > 7)
		bytes[len++] = (uint8_t)(type - 7);
	if (size >= 29)
		bytes[len++] = (uint8_t)(size - 29);
	mr_buf_add(out, bytes, len);
}

static void put_text(struct mr_buf *out, const char *text)
{
	put_control(out, TYPE_STRING, strlen(text));
	mr_buf_add_text(out, text);
}

static void put_number(struct mr_buf *out, unsigned type, uint64_t number)
{
	uint8_t bytes[8];
	size_t len = 0;
	for (int shift = 56; shift >= 0; shift -= 8) {
		if (len != 0 || number >> shift != 0)
			bytes[len++] = (uint8_t)(number >> shift);
	}
	put_control(out, type, len);
	mr_buf_add(out, bytes, len);
}

static void put_double(struct mr_buf *out, double number)
{
	uint64_t bits;
	memcpy(&bits, &number, sizeof bits);
	put_control(out, TYPE_DOUBLE, 8);
	for (int shift = 56; shift >= 0; shift -= 8)
		mr_buf_add(out, (uint8_t[]){(uint8_t)(bits >> shift)}, 1);
}

static uint32_t city_data(struct mmdb *db, const struct tenant_network *network)
{
	uint32_t *known = &db->known[network->city * 64 + network->variant];
	if (*known != 0)
		return *known - 1;
	*known = (uint32_t)db->data.len + 1;
	const struct tenant_city *city = &tenant_cities[network->city];
	struct mr_buf *out = &db->data;
	put_control(out, TYPE_MAP, 3);
	put_text(out, "city");
	put_control(out, TYPE_MAP, 1);
	put_text(out, "names");
	put_control(out, TYPE_MAP, 1);
	put_text(out, "en");
	put_text(out, city->name);
	put_text(out, "country");
	put_control(out, TYPE_MAP, 1);
	put_text(out, "iso_code");
	put_text(out, city->country);
	put_text(out, "location");
	put_control(out, TYPE_MAP, 3);
	put_text(out, "accuracy_radius");
	put_number(out, TYPE_U16, 20);
	put_text(out, "latitude");
	put_double(out, city->lat + 0.01 * (network->variant % 8));
	put_text(out, "longitude");
	put_double(out, city->lon + 0.01 * (network->variant / 8));
	return *known - 1;
}

static uint32_t asn_data(struct mmdb *db, uint32_t number)
{
	uint32_t *known = &db->known[number - 64512];
	if (*known != 0)
		return *known - 1;
	*known = (uint32_t)db->data.len + 1;
	char name[64];
	snprintf(name, sizeof name, "Network %u %s", number % 8,
		 tenant_cities[(number - 64512) / 8].name);
	put_control(&db->data, TYPE_MAP, 2);
	put_text(&db->data, "autonomous_system_number");
	put_number(&db->data, TYPE_U32, number);
	put_text(&db->data, "autonomous_system_organization");
	put_text(&db->data, name);
	return *known - 1;
}

/* ---- the file ---- */

static void put_metadata(struct mr_buf *out, const struct mmdb *db, const char *type)
{
	mr_buf_add(out, "\xab\xcd\xefMaxMind.com", 14);
	put_control(out, TYPE_MAP, 9);
	put_text(out, "binary_format_major_version");
	put_number(out, TYPE_U16, 2);
	put_text(out, "binary_format_minor_version");
	put_number(out, TYPE_U16, 0);
	put_text(out, "build_epoch");
	put_number(out, TYPE_U64, 1767225600);
	put_text(out, "database_type");
	put_text(out, type);
	put_text(out, "description");
	put_control(out, TYPE_MAP, 1);
	put_text(out, "en");
	put_text(out, "Synthetic networks for demonstration and benchmark");
	put_text(out, "ip_version");
	put_number(out, TYPE_U16, 6);
	put_text(out, "languages");
	put_control(out, TYPE_ARRAY, 1);
	put_text(out, "en");
	put_text(out, "node_count");
	put_number(out, TYPE_U32, db->node_count);
	put_text(out, "record_size");
	put_number(out, TYPE_U16, 28);
}

/* A record of the tree: below node_count a node, node_count itself nothing, above it data, whose
 * offset counts from the end of the tree's 16-byte separator. */
static uint32_t record_of(const struct mmdb *db, uint32_t child)
{
	if (child == NO_NODE)
		return db->node_count;
	return child & DATA_BIT ? db->node_count + 16 + (child & ~DATA_BIT) : child;
}

static bool write_out(struct mmdb *db, const char *path, const char *type)
{
	struct mr_buf out = {0};
	uint8_t *at = (uint8_t *)mr_buf_reserve(&out, 7u * (size_t)db->node_count);
	for (uint32_t node = 0; node < db->node_count; node++, at += 7) {
		uint32_t left = record_of(db, db->nodes[node][0]);
		uint32_t right = record_of(db, db->nodes[node][1]);
		at[0] = (uint8_t)(left >> 16);
		at[1] = (uint8_t)(left >> 8);
		at[2] = (uint8_t)left;
		at[3] = (uint8_t)((left >> 24) << 4 | (right >> 24 & 15));
		at[4] = (uint8_t)(right >> 16);
		at[5] = (uint8_t)(right >> 8);
		at[6] = (uint8_t)right;
	}
	out.len = 7u * (size_t)db->node_count;
	mr_buf_add(&out, (char[16]){0}, 16);
	mr_buf_add(&out, db->data.data, db->data.len);
	put_metadata(&out, db, type);

	FILE *file = fopen(path, "we");
	bool good = file != NULL && fwrite(out.data, 1, out.len, file) == out.len;
	good = file != NULL && fclose(file) == 0 && good;
	mr_buf_fini(&out);
	mr_buf_fini(&db->data);
	free(db->nodes);
	free(db->known);
	return good;
}

struct insertion {
	struct mmdb *db;
	uint32_t root4;
};

static void insert_city(void *context, const struct tenant_network *network)
{
	struct insertion *in = context;
	insert(in->db, in->root4, network->first, network->prefix, city_data(in->db, network));
}

static void insert_asn(void *context, const struct tenant_network *network)
{
	struct insertion *in = context;
	uint32_t as = tenant_as_of(in->db->places, network->first, network->city);
	insert(in->db, in->root4, network->first, network->prefix, asn_data(in->db, as));
}

bool tenant_write_city_db(const struct tenant_places *places, const char *path)
{
	struct mmdb db;
	struct insertion in = {&db, start(&db, places, tenant_city_count * 64)};
	tenant_each_network(places, insert_city, &in);
	return write_out(&db, path, "Tenant-City");
}

bool tenant_write_asn_db(const struct tenant_places *places, const char *path)
{
	struct mmdb db;
	struct insertion in = {&db, start(&db, places, tenant_city_count * 8)};
	tenant_each_network(places, insert_asn, &in);
	return write_out(&db, path, "Tenant-ASN");
}
