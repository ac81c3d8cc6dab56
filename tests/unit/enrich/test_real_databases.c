/* The table against libmaxminddb over the public test databases, for random and border addresses.
 */
#include "harness.h"

#include <arpa/inet.h>

#include "geoip_build.h"
#include "mmdb.h"

static const char *const names[] = {
    "GeoIP2-City-Test.mmdb",          "GeoLite2-City-Test.mmdb",
    "GeoLite2-ASN-Test.mmdb",         "GeoIP2-Anonymous-IP-Test.mmdb",
    "GeoIP-Anonymous-Plus-Test.mmdb", "GeoIP-Residential-Proxy-Test.mmdb"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static char *path_of(const char *name)
{
	return mr_asprintf("%s/data/mmdb/%s", getenv("MILLRACE_SHARED"), name);
}

/* ---- what the library says ---- */

static const char *lib_text(MMDB_entry_s *entry, const char *const *path, uint32_t *len)
{
	MMDB_entry_data_s data;
	if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
	    data.type != MMDB_DATA_TYPE_UTF8_STRING)
		return NULL;
	*len = data.data_size;
	return data.utf8_string;
}

static bool lib_true(MMDB_entry_s *entry, const char *name)
{
	MMDB_entry_data_s data;
	const char *path[] = {name, NULL};
	return MMDB_aget_value(entry, &data, path) == MMDB_SUCCESS && data.has_data &&
	       data.type == MMDB_DATA_TYPE_BOOLEAN && data.boolean;
}

static bool lib_double(MMDB_entry_s *entry, const char *name, double *out)
{
	MMDB_entry_data_s data;
	const char *path[] = {"location", name, NULL};
	if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
	    data.type != MMDB_DATA_TYPE_DOUBLE)
		return false;
	*out = data.double_value;
	return true;
}

static uint32_t lib_flags(MMDB_entry_s *entry, bool residential)
{
	static const char *const confidence[] = {"anonymizer_confidence", NULL};
	MMDB_entry_data_s data;
	uint32_t flags = 0;
	if (lib_true(entry, "is_anonymous"))
		flags |= GEO_ANONYMOUS;
	if (lib_true(entry, "is_anonymous_vpn"))
		flags |= GEO_VPN | GEO_ANONYMOUS;
	if (lib_true(entry, "is_tor_exit_node"))
		flags |= GEO_TOR | GEO_ANONYMOUS;
	if (lib_true(entry, "is_hosting_provider"))
		flags |= GEO_HOSTING;
	if (lib_true(entry, "is_public_proxy"))
		flags |= GEO_PUBLIC_PROXY | GEO_ANONYMOUS;
	if (lib_true(entry, "is_residential_proxy"))
		flags |= GEO_RESIDENTIAL_PROXY | GEO_ANONYMOUS;
	if (MMDB_aget_value(entry, &data, confidence) == MMDB_SUCCESS && data.has_data)
		flags |= GEO_ANONYMOUS | (residential ? GEO_RESIDENTIAL_PROXY : 0u);
	return flags;
}

static uint32_t lib_asn(MMDB_entry_s *entry)
{
	static const char *const path[] = {"autonomous_system_number", NULL};
	MMDB_entry_data_s data;
	if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data)
		return 0;
	return data.uint32;
}

static void same_text(MMDB_entry_s *entry, const char *const *path, struct mr_slice text)
{
	uint32_t len = 0;
	const char *expected = lib_text(entry, path, &len);
	assert_int_equal(text.len, expected == NULL ? 0 : len);
	if (len > 0)
		assert_memory_equal(text.at, expected, len);
}

static void same_point(MMDB_entry_s *entry, const struct geoip_table *table,
		       const struct geoip_location *location)
{
	double latitude, longitude;
	if (!lib_double(entry, "latitude", &latitude) ||
	    !lib_double(entry, "longitude", &longitude)) {
		assert_int_equal(location->latitude_text, 0);
		return;
	}
	struct mr_slice text = geoip_table_text(table, location->latitude_text);
	char copy[64] = {0};
	memcpy(copy, text.at, text.len);
	assert_true(strtod(copy, NULL) == latitude && location->latitude == latitude);
	text = geoip_table_text(table, location->longitude_text);
	memset(copy, 0, sizeof(copy));
	memcpy(copy, text.at, text.len);
	assert_true(strtod(copy, NULL) == longitude && location->longitude == longitude);
}

static void compare(MMDB_entry_s *entry, const struct geoip_table *table, uint32_t number,
		    bool residential)
{
	static const char *const country[] = {"country", "iso_code", NULL};
	static const char *const city[] = {"city", "names", "en", NULL};
	static const char *const as_name[] = {"autonomous_system_organization", NULL};
	const struct geoip_place *place = &table->places[number];
	const struct geoip_location *location = &table->locations[place->location];
	same_text(entry, country,
		  (struct mr_slice){location->country, location->country[0] == 0 ? 0 : 2});
	same_text(entry, city, geoip_table_text(table, location->city));
	same_text(entry, as_name, geoip_table_text(table, table->as[place->as].name));
	same_point(entry, table, location);
	assert_int_equal(table->as[place->as].number, lib_asn(entry));
	assert_int_equal(place->flags, lib_flags(entry, residential));
}

struct check {
	MMDB_s *lib;
	const struct geoip_table *table;
	bool residential;
	size_t checked;
	size_t found;
};

static void check_text(struct check *check, const char *text)
{
	struct address address = address_parse(mr_slice(text));
	int gai, status;
	uint32_t place;
	MMDB_lookup_result_s result = MMDB_lookup_string(check->lib, text, &gai, &status);
	assert_int_equal(gai, 0);
	assert_int_equal(status, MMDB_SUCCESS);
	geoip_table_find(check->table, &address, 1, &place);
	check->checked++;
	if (result.found_entry) {
		check->found++;
		compare(&result.entry, check->table, place, check->residential);
	} else {
		assert_int_equal(place, 0);
	}
}

static void check_v4(struct check *check, uint32_t v4)
{
	char text[16];
	snprintf(text, sizeof(text), "%u.%u.%u.%u", v4 >> 24, v4 >> 16 & 255, v4 >> 8 & 255,
		 v4 & 255);
	check_text(check, text);
}

static void check_v6(struct check *check, uint64_t high, uint64_t low)
{
	uint8_t bytes[16];
	char text[INET6_ADDRSTRLEN];
	for (unsigned i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)(high >> (56 - 8 * i));
		bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
	}
	check_text(check, inet_ntop(AF_INET6, bytes, text, sizeof(text)));
}

/* First, last, one before, one behind. */
static void check_borders(struct check *check, mmdb_wide first, mmdb_wide last, bool v4)
{
	mmdb_wide addresses[] = {first, last, first - 1, last + 1};
	for (size_t i = 0; i < 4; i++) {
		if (v4)
			check_v4(check, (uint32_t)addresses[i]);
		else
			check_v6(check, (uint64_t)(addresses[i] >> 64), (uint64_t)addresses[i]);
	}
}

static void check_networks(struct check *check, struct mmdb *db, bool v4)
{
	struct mmdb_tree tree = {.db = db};
	struct mmdb_walk walk;
	struct mr_error error = {0};
	mmdb_walk_init(&walk, &tree, 1, v4);
	do {
		assert_int_equal(mmdb_walk_next(&walk, &error), MR_OK);
		if (tree.data != 0)
			check_borders(check, walk.first, walk.last, v4);
	} while (!mmdb_walk_ended(&walk));
}

static void check_random(struct check *check)
{
	uint64_t random = 42;
	for (int i = 0; i < 5000; i++) {
		uint64_t number = random_next(&random);
		check_v4(check, (uint32_t)number);
		check_v6(check, number, random_next(&random));
		/* Where the test data is: 2001::/16 with its aliases, 2002::/16, 2a00::/8. */
		check_v6(check, UINT64_C(0x2001) << 48 | number >> 16, number);
		check_v6(check, UINT64_C(0x2002) << 48 | number >> 16, number);
		check_v6(check, UINT64_C(0x2a) << 56 | number >> 8, number);
	}
}

static void check_database(const char *name)
{
	char *path = path_of(name);
	const char *paths[] = {path};
	struct check check = {.residential = strstr(name, "Residential") != NULL};
	struct geoip_table table;
	struct mr_error error = {0};
	struct mmdb db;
	size_t size;
	int fd;
	assert_int_equal(geoip_build(paths, 1, &fd, &size, &error), MR_OK);
	void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	close(fd);
	assert_int_equal(geoip_table_open((struct mr_slice){bytes, size}, &table, &error), MR_OK);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(mmdb_open(&db, path, fd, &error), MR_OK);
	check.lib = &db.lib;
	check.table = &table;
	check_random(&check);
	check_networks(&check, &db, true);
	check_networks(&check, &db, false);
	print_message("%s: %zu addresses, %zu found\n", name, check.checked, check.found);
	assert_true(check.found > 50);
	mmdb_close(&db);
	close(fd);
	munmap(bytes, size);
	free(path);
}

static void test_against_library(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < NAMES; i++)
		check_database(names[i]);
}

/* All of them together: what each says alone is in the whole. */
static void test_together(void **unused)
{
	struct stage stage;
	struct mr_event *event;
	(void)unused;
	stage_init(&stage);
	for (size_t i = 0; i < NAMES; i++) {
		char *path = path_of(names[i]);
		mr_config_add(&stage.config, "geoip", path);
		free(path);
	}
	stage_open(&stage);
	event = stage_event(&stage, MR_F_SRC_IP, "81.2.69.142", 0);
	stage_apply(&stage);
	assert_field(&stage, event, MR_F_SRC_COUNTRY, "GB");
	assert_field(&stage, event, MR_F_SRC_CITY, "London");
	assert_field(&stage, event, MR_F_SRC_REGION, "GB-ENG");
	assert_field(&stage, event, MR_F_SRC_LAT, "51.5142");
	mr_events_reset(&stage.events);
	event = stage_event(&stage, MR_F_SRC_IP, "1.128.0.0", 0);
	stage_apply(&stage);
	assert_field(&stage, event, MR_F_SRC_ASN, "1221");
	assert_field(&stage, event, MR_F_SRC_AS_NAME, "Telstra Pty Ltd");
	mr_events_reset(&stage.events);
	event = stage_event(&stage, MR_F_SRC_IP, "1.2.0.1", 0);
	stage_apply(&stage);
	assert_field(&stage, event, MR_F_SRC_ANONYMOUS, "true");
	assert_field(&stage, event, MR_F_SRC_ANONYMITY, "vpn");
	stage_close(&stage);
	stage_fini(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_library),
	    cmocka_unit_test(test_together),
	};
	char *path = getenv("MILLRACE_SHARED") == NULL ? NULL : path_of(names[0]);
	bool there = path != NULL && access(path, R_OK) == 0;
	free(path);
	if (!there) {
		puts("skipped: the test databases are not there (MILLRACE_SHARED)");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
