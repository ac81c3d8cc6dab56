/* tenant.h - a synthetic tenant: people, places, a day's records, planted attacks.
 *
 * Used by the demo and the benchmark. Everything is a function of the seed: the same seed gives the
 * same bytes. Names say what they are (u0000123@tenant.example): nobody real is meant. */
#ifndef MILLRACE_TENANT_H
#define MILLRACE_TENANT_H

#include <stdio.h>

#include "millrace/memory.h"
#include "millrace/text.h"

#define TENANT_ID "7d1c3c4e-5a0b-4c1f-9d5e-2b6f0c9a1e11"
#define TENANT_DOMAIN "tenant.example"

/* ---- tenant_random.c: all choices ---- */

/* A mixing function: the same words give the same choice (splitmix64's finaliser). */
uint64_t tenant_mix(uint64_t a, uint64_t b);

struct tenant_random {
	uint64_t state;
};
uint64_t tenant_next(struct tenant_random *random);
/* 0 .. below - 1 */
uint32_t tenant_below(struct tenant_random *random, uint32_t below);
double tenant_unit(struct tenant_random *random); /* [0, 1) */

/* Zipf's law over 0 .. count - 1 with exponent `s` (not 1), by inversion of its integral. */
uint32_t tenant_zipf(struct tenant_random *random, uint32_t count, double s);

/* 36 characters and a zero byte from two words. */
void tenant_guid(uint64_t a, uint64_t b, char out[37]);

/* ---- tenant_places.c: which address is where ---- */

struct tenant_city {
	const char *country; /* ISO 3166-1 alpha-2 */
	const char *name;
	double lat;
	double lon;
	uint32_t weight; /* share of the company's people */
};
extern const struct tenant_city tenant_cities[];
extern const uint32_t tenant_city_count;

struct tenant_places {
	uint64_t seed;
	uint32_t **networks; /* for each city some first addresses of its networks */
	uint32_t *network_count;
};
void tenant_places_init(struct tenant_places *places, uint64_t seed);
void tenant_places_fini(struct tenant_places *places);

/* The network that holds an address: its first address, its length, and whose it is. */
struct tenant_network {
	uint32_t first;
	uint8_t prefix;
	uint32_t city;
	uint32_t variant; /* a part of the city: shifts its co-ordinates */
};
bool tenant_network_of(const struct tenant_places *places, uint32_t address,
		       struct tenant_network *out);
/* Calls `each` for every network, ascending. */
void tenant_each_network(const struct tenant_places *places,
			 void (*each)(void *context, const struct tenant_network *network),
			 void *context);
uint32_t tenant_as_of(const struct tenant_places *places, uint32_t address, uint32_t city);
/* Some address in a city. */
uint32_t tenant_address_in(const struct tenant_places *places, uint32_t city, uint64_t choice);
uint32_t tenant_city_abroad(uint32_t city, uint64_t choice);

/* ---- tenant_mmdb.c: the places as MaxMind-format databases ---- */

/* Both return false with errno where a file can't be written. */
bool tenant_write_city_db(const struct tenant_places *places, const char *path);
bool tenant_write_asn_db(const struct tenant_places *places, const char *path);

/* ---- tenant_people.c ---- */

struct tenant_person {
	uint32_t number;
	uint32_t city;
	char upn[40];
	char id[37]; /* object id */
	char puid[20];
};
void tenant_person(uint64_t seed, uint32_t number, struct tenant_person *out);
bool tenant_write_people(uint64_t seed, uint32_t count, const char *path);

/* ---- tenant_records.c: templates become records ---- */

/* What a template's placeholders stand for; see tenant_template.def. */
struct tenant_scene {
	struct tenant_random *random;
	const struct tenant_person *person;
	const struct tenant_person *other;
	int64_t time_us;
	uint32_t address;
	const char *agent; /* user agent */
	const char *app_id;
	const char *app_name;
	const char *word;   /* whatever the template needs besides */
	char record_id[37]; /* out: the record's id */
};
/* Appends the record and a line end. */
void tenant_render(const char *form, struct tenant_scene *scene, struct mr_buf *out);

struct tenant_template {
	uint32_t weight;
	bool at_home; /* even while the user travels */
	const char *form;
};
extern const struct tenant_template tenant_templates[];
extern const uint32_t tenant_template_count;

/* ---- tenant_attacks.c ---- */

struct tenant_planted {
	int64_t time_us;
	uint32_t attack;
	char record_id[37];
	struct mr_slice record; /* with its line end */
};
struct tenant_attacks {
	struct tenant_planted *items; /* by time */
	uint32_t count;
	uint32_t capacity;
	struct mr_arena arena;
};
void tenant_attacks_init(struct tenant_attacks *attacks, const struct tenant_places *places,
			 uint64_t seed, uint32_t people, int64_t day_us);
void tenant_attacks_fini(struct tenant_attacks *attacks);
/* What was planted, as JSON: for each attack its name, the rule that must find it, and the ids of
 * its records. */
bool tenant_write_truth(const struct tenant_attacks *attacks, const char *path);

#endif
