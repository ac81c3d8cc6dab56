/* tenant_places.c - the address plan: IPv4 space cut into some millions of networks, each in a
 * city.
 *
 * Nothing is stored: whether a network is cut in two, and whose it is, are functions of the seed
 * and of the network. */
#include <stdlib.h>

#include "tenant.h"

/* Co-ordinates to half a degree. */
const struct tenant_city tenant_cities[] = {
    {"DE", "Berlin", 52.5, 13.4, 90},
    {"DE", "Hamburg", 53.5, 10.0, 40},
    {"DE", "Munich", 48.1, 11.6, 60},
    {"DE", "Cologne", 50.9, 7.0, 30},
    {"DE", "Stuttgart", 48.8, 9.2, 50},
    {"FR", "Paris", 48.9, 2.3, 60},
    {"FR", "Lyon", 45.8, 4.8, 15},
    {"FR", "Toulouse", 43.6, 1.4, 10},
    {"GB", "London", 51.5, -0.1, 60},
    {"GB", "Manchester", 53.5, -2.2, 20},
    {"GB", "Edinburgh", 55.9, -3.2, 8},
    {"IE", "Dublin", 53.3, -6.3, 12},
    {"NL", "Amsterdam", 52.4, 4.9, 25},
    {"BE", "Brussels", 50.8, 4.4, 12},
    {"CH", "Zurich", 47.4, 8.5, 20},
    {"AT", "Vienna", 48.2, 16.4, 20},
    {"IT", "Milan", 45.5, 9.2, 25},
    {"IT", "Rome", 41.9, 12.5, 15},
    {"ES", "Madrid", 40.4, -3.7, 25},
    {"ES", "Barcelona", 41.4, 2.2, 15},
    {"PT", "Lisbon", 38.7, -9.1, 10},
    {"PL", "Warsaw", 52.2, 21.0, 25},
    {"PL", "Krakow", 50.1, 19.9, 15},
    {"CZ", "Prague", 50.1, 14.4, 15},
    {"HU", "Budapest", 47.5, 19.0, 12},
    {"RO", "Bucharest", 44.4, 26.1, 15},
    {"SE", "Stockholm", 59.3, 18.1, 15},
    {"NO", "Oslo", 59.9, 10.8, 8},
    {"DK", "Copenhagen", 55.7, 12.6, 10},
    {"FI", "Helsinki", 60.2, 24.9, 8},
    {"US", "New York", 40.7, -74.0, 60},
    {"US", "Chicago", 41.9, -87.6, 30},
    {"US", "Dallas", 32.8, -96.8, 30},
    {"US", "Seattle", 47.6, -122.3, 30},
    {"US", "San Jose", 37.3, -121.9, 30},
    {"US", "Atlanta", 33.7, -84.4, 20},
    {"US", "Ashburn", 39.0, -77.5, 5},
    {"CA", "Toronto", 43.7, -79.4, 25},
    {"CA", "Montreal", 45.5, -73.6, 10},
    {"MX", "Mexico City", 19.4, -99.1, 20},
    {"BR", "Sao Paulo", -23.6, -46.6, 35},
    {"BR", "Rio de Janeiro", -22.9, -43.2, 10},
    {"AR", "Buenos Aires", -34.6, -58.4, 10},
    {"CL", "Santiago", -33.4, -70.7, 6},
    {"CO", "Bogota", 4.7, -74.1, 6},
    {"IN", "Bengaluru", 13.0, 77.6, 80},
    {"IN", "Pune", 18.5, 73.9, 40},
    {"IN", "Hyderabad", 17.4, 78.5, 40},
    {"IN", "Mumbai", 19.1, 72.9, 30},
    {"CN", "Shanghai", 31.2, 121.5, 50},
    {"CN", "Beijing", 39.9, 116.4, 40},
    {"CN", "Shenzhen", 22.5, 114.1, 20},
    {"JP", "Tokyo", 35.7, 139.7, 30},
    {"JP", "Osaka", 34.7, 135.5, 12},
    {"KR", "Seoul", 37.6, 127.0, 15},
    {"SG", "Singapore", 1.4, 103.8, 15},
    {"MY", "Kuala Lumpur", 3.1, 101.7, 10},
    {"TH", "Bangkok", 13.8, 100.5, 8},
    {"VN", "Ho Chi Minh City", 10.8, 106.6, 8},
    {"ID", "Jakarta", -6.2, 106.8, 8},
    {"PH", "Manila", 14.6, 121.0, 12},
    {"AU", "Sydney", -33.9, 151.2, 15},
    {"AU", "Melbourne", -37.8, 145.0, 10},
    {"NZ", "Auckland", -36.8, 174.8, 4},
    {"ZA", "Johannesburg", -26.2, 28.0, 10},
    {"EG", "Cairo", 30.0, 31.2, 6},
    {"NG", "Lagos", 6.5, 3.4, 4},
    {"KE", "Nairobi", -1.3, 36.8, 4},
    {"TR", "Istanbul", 41.0, 29.0, 15},
    {"AE", "Dubai", 25.2, 55.3, 8},
    {"SA", "Riyadh", 24.7, 46.7, 5},
    {"IL", "Tel Aviv", 32.1, 34.8, 6},
};
const uint32_t tenant_city_count = sizeof tenant_cities / sizeof tenant_cities[0];

#define FIRST_BLOCK 0x0100u /* 1.0.0.0/16 */
#define LAST_BLOCK 0xdfffu  /* 223.255.0.0/16 */
#define NETWORKS_OF_CITY 4096

/* Private, loopback, link-local, shared and documentation space stays empty. */
static bool block_is_public(uint32_t block)
{
	uint32_t top = block >> 8;
	uint32_t low = block & 0xff;
	if (block < FIRST_BLOCK || block > LAST_BLOCK || top == 10 || top == 127)
		return false;
	if ((top == 172 && low >= 16 && low < 32) || (top == 100 && low >= 64 && low < 128))
		return false;
	return !(top == 169 && low == 254) && !(top == 192 && (low == 168 || low == 0)) &&
	       !(top == 198 && (low == 18 || low == 19 || low == 51)) && !(top == 203 && low == 0);
}

/* A network of 16 to 23 bits is cut in two with these odds in 256: 45 networks a /16 in the mean.
 */
static bool is_cut(const struct tenant_places *places, uint32_t first, uint8_t prefix)
{
	static const uint8_t odds[] = {255, 250, 245, 235, 220, 190, 150, 90};
	return prefix < 24 && (tenant_mix(places->seed ^ first, prefix) & 0xff) < odds[prefix - 16];
}

/* Neighbouring blocks belong to one country more often than not: pick by /12, then by network. */
static void own(const struct tenant_places *places, struct tenant_network *network)
{
	uint64_t wide = tenant_mix(places->seed + 1, network->first >> 20);
	uint64_t near = tenant_mix(places->seed + 2, network->first);
	uint64_t choice = (near & 7) < 5 ? wide : near >> 8;
	network->city = (uint32_t)(choice % tenant_city_count);
	network->variant = (uint32_t)(near >> 40) & 63;
}

bool tenant_network_of(const struct tenant_places *places, uint32_t address,
		       struct tenant_network *out)
{
	if (!block_is_public(address >> 16))
		return false;
	uint8_t prefix = 16;
	uint32_t first = address & 0xffff0000u;
	while (is_cut(places, first, prefix)) {
		prefix++;
		first = address & ~(0xffffffffu >> prefix);
	}
	*out = (struct tenant_network){.first = first, .prefix = prefix};
	own(places, out);
	return true;
}

void tenant_each_network(const struct tenant_places *places,
			 void (*each)(void *context, const struct tenant_network *network),
			 void *context)
{
	for (uint32_t block = FIRST_BLOCK; block <= LAST_BLOCK; block++) {
		if (!block_is_public(block))
			continue;
		struct tenant_network network;
		for (uint32_t offset = 0; offset < 0x10000; offset += 1u << (32 - network.prefix)) {
			tenant_network_of(places, block << 16 | offset, &network);
			each(context, &network);
		}
	}
}

/* Eight networks a city; the first are the large ones. */
uint32_t tenant_as_of(const struct tenant_places *places, uint32_t address, uint32_t city)
{
	uint64_t choice = tenant_mix(places->seed + 3, address >> 14);
	return 64512 + city * 8 + (uint32_t)((choice & 7) & (choice >> 8));
}

static void remember(void *context, const struct tenant_network *network)
{
	struct tenant_places *places = context;
	uint32_t *count = &places->network_count[network->city];
	/* A sample, so that the choice is not all of the lowest addresses. */
	if (*count < NETWORKS_OF_CITY && (tenant_mix(network->first, 4) & 7) == 0)
		places->networks[network->city][(*count)++] = network->first;
}

void tenant_places_init(struct tenant_places *places, uint64_t seed)
{
	places->seed = seed;
	places->networks = mr_calloc(tenant_city_count, sizeof *places->networks);
	places->network_count = mr_calloc(tenant_city_count, sizeof *places->network_count);
	for (uint32_t city = 0; city < tenant_city_count; city++)
		places->networks[city] = mr_malloc(NETWORKS_OF_CITY * sizeof(uint32_t));
	tenant_each_network(places, remember, places);
}

void tenant_places_fini(struct tenant_places *places)
{
	for (uint32_t city = 0; city < tenant_city_count; city++)
		free(places->networks[city]);
	free(places->networks);
	free(places->network_count);
}

uint32_t tenant_address_in(const struct tenant_places *places, uint32_t city, uint64_t choice)
{
	uint32_t network = places->networks[city][choice % places->network_count[city]];
	return network + 1 + (uint32_t)(choice >> 32) % 254;
}

uint32_t tenant_city_abroad(uint32_t city, uint64_t choice)
{
	for (;;) {
		uint32_t other = (uint32_t)(choice % tenant_city_count);
		if (strcmp(tenant_cities[other].country, tenant_cities[city].country) != 0)
			return other;
		choice = tenant_mix(choice, 5);
	}
}
