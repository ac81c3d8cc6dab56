/* mmdb_writer.h - writes small databases in MaxMind's format, for tests and fuzz targets.
 *
 * mmdb_writer_init, then data with the put functions and networks with mmdb_writer_insert (shorter
 * prefixes first), then mmdb_writer_finish. */
#ifndef MILLRACE_TESTS_MMDB_WRITER_H
#define MILLRACE_TESTS_MMDB_WRITER_H

#include <stdlib.h>

#include "millrace/text.h"

#define WRITER_EMPTY UINT32_MAX
#define WRITER_DATA (UINT32_C(1) << 31) /* the rest is an offset in the data section */

struct mmdb_writer {
	struct mr_buf data;
	uint32_t (*nodes)[2];
	uint32_t count;
	uint32_t capacity;
	bool v6;
	uint32_t record_size; /* 24, 28, 32 */
	const char *type;
};

static inline uint32_t mmdb_writer_node(struct mmdb_writer *db)
{
	if (db->count == db->capacity) {
		db->capacity = (uint32_t)mr_grow(db->capacity, db->count + 1);
		db->nodes = mr_realloc(db->nodes, db->capacity * sizeof(db->nodes[0]));
	}
	db->nodes[db->count][0] = db->nodes[db->count][1] = WRITER_EMPTY;
	return db->count++;
}

static inline void mmdb_writer_init(struct mmdb_writer *db, bool v6, uint32_t record_size,
				    const char *type)
{
	*db = (struct mmdb_writer){.v6 = v6, .record_size = record_size, .type = type};
	mmdb_writer_node(db);
}

static inline void mmdb_writer_fini(struct mmdb_writer *db)
{
	mr_buf_fini(&db->data);
	free(db->nodes);
}

/* ---- data ---- */

static inline void put_head(struct mr_buf *out, unsigned type, size_t size)
{
	uint8_t head[5];
	size_t len = 1;
	unsigned shown = size < 29 ? (unsigned)size : 29;
	head[0] = (uint8_t)((type > 7 ? 0 : type) << 5 | shown);
	if (type > 7)
		head[len++] = (uint8_t)(type - 7);
	if (size >= 29)
		head[len++] = (uint8_t)(size - 29); /* up to 284 */
	mr_buf_add(out, head, len);
}
static inline void put_map(struct mr_buf *out, size_t pairs)
{
	put_head(out, 7, pairs);
}
static inline void put_array(struct mr_buf *out, size_t count)
{
	put_head(out, 11, count);
}
static inline void put_text(struct mr_buf *out, const char *text)
{
	put_head(out, 2, strlen(text));
	mr_buf_add_text(out, text);
}
static inline void put_big_endian(struct mr_buf *out, uint64_t number, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;) {
		uint8_t byte = (uint8_t)(number >> (8 * i));
		mr_buf_add(out, &byte, 1);
	}
}
static inline void put_uint32(struct mr_buf *out, uint32_t number)
{
	put_head(out, 6, 4);
	put_big_endian(out, number, 4);
}
static inline void put_uint16(struct mr_buf *out, uint32_t number)
{
	put_head(out, 5, 2);
	put_big_endian(out, number, 2);
}
static inline void put_uint64(struct mr_buf *out, uint64_t number)
{
	put_head(out, 9, 8);
	put_big_endian(out, number, 8);
}
static inline void put_double(struct mr_buf *out, double number)
{
	uint64_t bits;
	memcpy(&bits, &number, sizeof(bits));
	put_head(out, 3, 8);
	put_big_endian(out, bits, 8);
}
static inline void put_bool(struct mr_buf *out, bool yes)
{
	put_head(out, 14, yes);
}

/* ---- networks ---- */

static inline unsigned writer_bit(const uint8_t *address, unsigned at)
{
	return address[at / 8] >> (7 - at % 8) & 1;
}

/* `address` has 16 bytes in an IPv6 database (IPv4 under ::/96), else 4. What is inserted later
 * covers what was there. */
static inline void mmdb_writer_insert(struct mmdb_writer *db, const uint8_t *address,
				      unsigned prefix, uint32_t data)
{
	uint32_t node = 0;
	for (unsigned depth = 0; depth + 1 < prefix; depth++) {
		unsigned bit = writer_bit(address, depth);
		uint32_t next = db->nodes[node][bit];
		if (next == WRITER_EMPTY || (next & WRITER_DATA)) {
			uint32_t fresh = mmdb_writer_node(db);
			db->nodes[fresh][0] = db->nodes[fresh][1] = next;
			db->nodes[node][bit] = fresh;
			next = fresh;
		}
		node = next;
	}
	db->nodes[node][writer_bit(address, prefix - 1)] = WRITER_DATA | data;
}

static inline void mmdb_writer_insert_v4(struct mmdb_writer *db, uint32_t v4, unsigned prefix,
					 uint32_t data)
{
	uint8_t address[16] = {0};
	for (unsigned i = 0; i < 4; i++)
		address[(db->v6 ? 12 : 0) + i] = (uint8_t)(v4 >> (24 - 8 * i));
	mmdb_writer_insert(db, address, prefix + (db->v6 ? 96 : 0), data);
}

/* What leads to the IPv4 part also under another prefix, as ::ffff:0:0/96. */
static inline void mmdb_writer_alias(struct mmdb_writer *db, const uint8_t *address,
				     unsigned prefix)
{
	uint32_t root = 0;
	uint32_t node;
	for (unsigned depth = 0; depth < 96; depth++)
		root = db->nodes[root][0];
	mmdb_writer_insert(db, address, prefix, 0);
	node = 0;
	for (unsigned depth = 0; depth + 1 < prefix; depth++)
		node = db->nodes[node][writer_bit(address, depth)];
	db->nodes[node][writer_bit(address, prefix - 1)] = root;
}

/* ---- the file ---- */

static inline uint64_t writer_record(const struct mmdb_writer *db, uint32_t record)
{
	if (record == WRITER_EMPTY)
		return db->count;
	if (record & WRITER_DATA)
		return (uint64_t)db->count + 16 + (record & ~WRITER_DATA);
	return record;
}

static inline void put_nodes(const struct mmdb_writer *db, struct mr_buf *out)
{
	for (uint32_t i = 0; i < db->count; i++) {
		uint64_t left = writer_record(db, db->nodes[i][0]);
		uint64_t right = writer_record(db, db->nodes[i][1]);
		if (db->record_size == 28) {
			put_big_endian(out, left & 0xffffff, 3);
			put_big_endian(out, (left >> 24) << 4 | (right >> 24), 1);
			put_big_endian(out, right & 0xffffff, 3);
		} else {
			put_big_endian(out, left, db->record_size / 8);
			put_big_endian(out, right, db->record_size / 8);
		}
	}
}

static inline void mmdb_writer_finish(const struct mmdb_writer *db, struct mr_buf *out)
{
	put_nodes(db, out);
	mr_buf_add(out, (char[16]){0}, 16);
	mr_buf_add(out, db->data.data, db->data.len);
	mr_buf_add(out, "\xab\xcd\xefMaxMind.com", 14);
	put_map(out, 9);
	put_text(out, "binary_format_major_version");
	put_uint16(out, 2);
	put_text(out, "binary_format_minor_version");
	put_uint16(out, 0);
	put_text(out, "build_epoch");
	put_uint64(out, 1700000000);
	put_text(out, "database_type");
	put_text(out, db->type);
	put_text(out, "description");
	put_map(out, 1);
	put_text(out, "en");
	put_text(out, "test");
	put_text(out, "ip_version");
	put_uint16(out, db->v6 ? 6 : 4);
	put_text(out, "languages");
	put_array(out, 0);
	put_text(out, "node_count");
	put_uint32(out, db->count);
	put_text(out, "record_size");
	put_uint16(out, db->record_size);
}

#endif
