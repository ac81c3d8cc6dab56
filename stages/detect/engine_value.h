/* engine_value.h - what one test says of one value: numbers, patterns, addresses, times.
 *
 * Pure functions over borrowed bytes, for the compiler and the matcher. SIGMA.md's "Values" is
 * followed to the letter here and nowhere else. */
#ifndef MILLRACE_DETECT_ENGINE_VALUE_H
#define MILLRACE_DETECT_ENGINE_VALUE_H

#include "sigma.h"

struct engine_number {
	enum mr_type type; /* MR_INT, MR_UINT, MR_DOUBLE */
	union {
		int64_t i;
		uint64_t u;
		double d;
	} num;
	struct mr_slice text; /* its digits as they are written */
};

/* A decimal number as a whole text, JSON's grammar; an exponent only where it is allowed. */
bool engine_number_read(struct mr_slice text, bool exponent, struct engine_number *out);
/* The number of a value that is one. */
bool engine_number_of(const struct mr_value *value, struct engine_number *out);
/* -1, 0, 1 by exact value; doubles that are no number compare as unequal (2). */
int engine_number_compare(struct engine_number a, struct engine_number b);

/* The shortest decimal form: integers without fraction or exponent below 2^64, else the fewest
 * digits that give the same double again; what no double is so near to keeps its own digits. In
 * `room` or in the number's text. */
#define ENGINE_NUMBER_TEXT 48
struct mr_slice engine_number_text(struct engine_number number, char room[ENGINE_NUMBER_TEXT]);
/* What equality compares: a value's text; for a number its shortest form, perhaps in `room`. */
struct mr_slice engine_equal_text(const struct mr_value *value, char room[ENGINE_NUMBER_TEXT]);

/* A pattern part by its index; how the image and a tree give them differs. */
struct engine_part {
	enum sigma_part_kind kind;
	struct mr_slice text;
};
bool engine_pattern_match(const struct engine_part *parts, size_t count, struct mr_slice text);

/* An address as 16 bytes, IPv4 as ::ffff:a.b.c.d; port, brackets and zone are dropped. */
bool engine_address_read(struct mr_slice text, uint8_t out[16]);
bool engine_address_within(const uint8_t address[16], const uint8_t network[16], uint8_t prefix);

/* Microseconds since the epoch from ISO 8601, UTC where no zone is given. */
bool engine_time_read(struct mr_slice text, int64_t *time_us_out);
int64_t engine_time_part(int64_t time_us, enum sigma_timepart part);

#endif
