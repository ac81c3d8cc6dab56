/* GeoIP: several databases of both layouts over one event; the table against a naive look-up. */
#include "harness.h"

#include "geoip_build.h"
#include "mmdb.h"
#include "mmdb_writer.h"

static uint32_t city(struct mmdb_writer *db, const char *country, const char *name,
		     const char *region, double latitude)
{
	uint32_t at = (uint32_t)db->data.len;
	struct mr_buf *out = &db->data;
	put_map(out, 4);
	put_text(out, "city");
	put_map(out, 1);
	put_text(out, "names");
	put_map(out, 2);
	put_text(out, "de");
	put_text(out, "falsch");
	put_text(out, "en");
	put_text(out, name);
	put_text(out, "country");
	put_map(out, 1);
	put_text(out, "iso_code");
	put_text(out, country);
	put_text(out, "location");
	put_map(out, 2);
	put_text(out, "latitude");
	put_double(out, latitude);
	put_text(out, "longitude");
	put_double(out, -0.1234);
	put_text(out, "subdivisions");
	put_array(out, 2);
	put_map(out, 1);
	put_text(out, "iso_code");
	put_text(out, region);
	put_map(out, 1);
	put_text(out, "iso_code");
	put_text(out, "XX");
	return at;
}

static uint32_t flat(struct mmdb_writer *db, const char *country, const char *name, const char *asn,
		     const char *as_name)
{
	uint32_t at = (uint32_t)db->data.len;
	struct mr_buf *out = &db->data;
	put_map(out, 7);
	put_text(out, "country_code");
	put_text(out, country);
	put_text(out, "city");
	put_text(out, name);
	put_text(out, "asn");
	put_text(out, asn);
	put_text(out, "as_name");
	put_text(out, as_name);
	put_text(out, "region");
	put_text(out, "California");
	put_text(out, "latitude");
	put_text(out, "37.38605");
	put_text(out, "longitude");
	put_text(out, "-122.08385");
	return at;
}

static uint32_t anonymous(struct mmdb_writer *db, const char *kind, bool yes)
{
	uint32_t at = (uint32_t)db->data.len;
	put_map(&db->data, 1);
	put_text(&db->data, kind);
	put_bool(&db->data, yes);
	return at;
}

static char *write_db(const char *folder, const char *name, struct mmdb_writer *db)
{
	struct mr_buf bytes = {0};
	char *path;
	mmdb_writer_finish(db, &bytes);
	path = file_write(folder, name, (struct mr_slice){bytes.data, bytes.len});
	mr_buf_fini(&bytes);
	mmdb_writer_fini(db);
	return path;
}

#define V4(a, b, c, d)                                                                             \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static char *city_db(const char *folder)
{
	static const uint8_t documentation[16] = {0x20, 0x01, 0x0d, 0xb8};
	static const uint8_t six_to_four[16] = {0x20, 0x02};
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
	struct mmdb_writer db;
	mmdb_writer_init(&db, true, 28, "Some-City");
	mmdb_writer_insert_v4(&db, V4(81, 0, 0, 0), 8, city(&db, "GB", "London", "ENG", 51.5142));
	mmdb_writer_insert_v4(&db, V4(81, 2, 69, 128), 26, city(&db, "fr", "Paris", "FR-IDF", 48));
	mmdb_writer_insert_v4(&db, V4(81, 2, 69, 142), 32,
			      city(&db, "DE", "K\xc3\xb6ln", "NW", 1e-7));
	mmdb_writer_insert(&db, documentation, 32, city(&db, "JP", "Tokyo", "13", 35.5));
	mmdb_writer_alias(&db, six_to_four, 16);
	mmdb_writer_alias(&db, mapped, 96);
	return write_db(folder, "city.mmdb", &db);
}

static char *flat_db(const char *folder)
{
	struct mmdb_writer db;
	mmdb_writer_init(&db, false, 24, "lite");
	mmdb_writer_insert_v4(&db, V4(81, 2, 69, 0), 24,
			      flat(&db, "US", "Mountain View", "AS15169", "Google LLC"));
	mmdb_writer_insert_v4(&db, V4(8, 8, 8, 0), 24,
			      flat(&db, "US", "Mountain View", "AS15169", "Google LLC"));
	return write_db(folder, "flat.mmdb", &db);
}

static char *anonymous_db(const char *folder)
{
	struct mmdb_writer db;
	mmdb_writer_init(&db, true, 32, "Anonymous");
	mmdb_writer_insert_v4(&db, V4(8, 8, 8, 8), 31, anonymous(&db, "is_anonymous_vpn", true));
	mmdb_writer_insert_v4(&db, V4(9, 9, 9, 9), 32, anonymous(&db, "is_hosting_provider", true));
	mmdb_writer_insert_v4(&db, V4(9, 9, 9, 8), 32, anonymous(&db, "is_anonymous", false));
	return write_db(folder, "anonymous.mmdb", &db);
}

/* Three databases, in this order. */
static void several_open(struct stage *stage, char *folder)
{
	char *paths[] = {city_db(folder), flat_db(folder), anonymous_db(folder)};

	stage_init(stage);
	for (size_t i = 0; i < 3; i++) {
		mr_config_add(&stage->config, "geoip", paths[i]);
		free(paths[i]);
	}
	stage_open(stage);
}

static void test_nested_layout(void **unused)
{
	struct stage stage;
	char *folder = folder_make();
	struct mr_event *event;

	(void)unused;
	several_open(&stage, folder);
	event = stage_event(&stage, MR_F_SRC_IP, "81.255.255.255", 0);
	stage_apply(&stage);
	assert_field(&stage, event, MR_F_SRC_COUNTRY, "GB");
	assert_field(&stage, event, MR_F_SRC_CITY, "London");
	assert_field(&stage, event, MR_F_SRC_REGION, "GB-ENG");
	assert_field(&stage, event, MR_F_SRC_LAT, "51.5142");
	assert_field(&stage, event, MR_F_SRC_LONG, "-0.1234");
	assert_field(&stage, event, MR_F_SRC_ASN, "-");
	assert_field(&stage, event, MR_F_SRC_ANONYMOUS, "-");
	assert_int_equal(mr_event_get(&stage.events, event, MR_F_SRC_LAT)->type, MR_DOUBLE);
	assert_int_equal(stage.counters.at[MR_C_GEO_HITS], 1);
	stage_close(&stage);
	stage_fini(&stage);
	folder_remove(folder);
}

static void test_several_databases(void **unused)
{
	struct stage stage;
	char *folder = folder_make();
	struct mr_event *event;

	(void)unused;
	several_open(&stage, folder);
	/* The first given wins, the second adds. */
	stage_event(&stage, MR_F_SRC_IP, "81.2.69.142", 0);
	/* Flat layout alone, and another database's flags. */
	stage_event(&stage, MR_F_SRC_IP, "8.8.8.9", 0);
	stage_event(&stage, MR_F_SRC_IP, "9.9.9.9", 0);
	stage_event(&stage, MR_F_SRC_IP, "9.9.9.8", 0); /* known for nothing */
	stage_event(&stage, MR_F_SRC_IP, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 0);
	stage_event(&stage, MR_F_SRC_IP, "2001:db9::", 0);
	stage_event(&stage, MR_F_SRC_IP, "::ffff:81.2.69.190", 0);
	stage_event(&stage, MR_F_SRC_IP, "2002:5102:45be::1", 0); /* 81.2.69.190 by 6to4 */
	stage_event(&stage, MR_F_SRC_IP, "not an address", 0);
	stage_event(&stage, 0);
	stage_apply(&stage);
	event = &stage.events.items[0];
	assert_field(&stage, event, MR_F_SRC_COUNTRY, "DE");
	assert_field(&stage, event, MR_F_SRC_CITY, "K\xc3\xb6ln");
	assert_field(&stage, event, MR_F_SRC_LAT, "1e-07");
	assert_field(&stage, event, MR_F_SRC_ASN, "15169");
	assert_field(&stage, event, MR_F_SRC_AS_NAME, "Google LLC");
	assert_int_equal(mr_event_get(&stage.events, event, MR_F_SRC_ASN)->num.i, 15169);
	event++;
	assert_field(&stage, event, MR_F_SRC_COUNTRY, "US");
	assert_field(&stage, event, MR_F_SRC_REGION, "California");
	assert_field(&stage, event, MR_F_SRC_LAT, "37.38605");
	assert_field(&stage, event, MR_F_SRC_ANONYMOUS, "true");
	assert_field(&stage, event, MR_F_SRC_ANONYMITY, "vpn");
	event++;
	assert_field(&stage, event, MR_F_SRC_ANONYMOUS, "-");
	assert_field(&stage, event, MR_F_SRC_ANONYMITY, "hosting");
	event++;
	assert_field(&stage, event, MR_F_SRC_ANONYMOUS, "-");
	event++;
	assert_field(&stage, event, MR_F_SRC_COUNTRY, "JP");
	assert_field(&stage, event, MR_F_SRC_REGION, "JP-13");
	event++;
	assert_field(&stage, event, MR_F_SRC_COUNTRY, "-");
	for (int i = 0; i < 2; i++) {
		event++;
		assert_field(&stage, event, MR_F_SRC_COUNTRY, "FR");
		assert_field(&stage, event, MR_F_SRC_REGION, "FR-IDF");
		assert_field(&stage, event, MR_F_SRC_LAT, "48");
	}
	assert_int_equal(stage.counters.at[MR_C_GEO_HITS], 6);
	stage_close(&stage);
	stage_fini(&stage);
	folder_remove(folder);
}

/* ---- random databases against a walk over their networks ---- */

struct truth {
	uint32_t first;
	uint32_t last;
	char country[3];
};

static char *random_db(const char *folder, const char *name, uint64_t *random, struct truth *truths,
		       size_t count)
{
	struct mmdb_writer db;
	mmdb_writer_init(&db, true, 32, "random");
	for (size_t i = 0; i < count; i++) {
		/* Longer prefixes later: they cover what was there. Crowded, so that they nest. */
		unsigned prefix = 8 + (unsigned)(i * 25 / count);
		uint32_t address = V4(10, 0, 0, 0) | (uint32_t)(random_next(random) & 0x0001ffff);
		uint32_t mask = UINT32_MAX << (32 - prefix);
		struct truth *truth = &truths[i];
		if (random_next(random) % 4 == 0)
			address = (uint32_t)random_next(random);
		truth->first = address & mask;
		truth->last = truth->first | ~mask;
		truth->country[0] = (char)('A' + random_next(random) % 26);
		truth->country[1] = (char)('A' + random_next(random) % 26);
		truth->country[2] = 0;
		uint32_t at = (uint32_t)db.data.len;
		put_map(&db.data, 1);
		put_text(&db.data, "country_code");
		put_text(&db.data, truth->country);
		mmdb_writer_insert_v4(&db, truth->first, prefix, at);
	}
	return write_db(folder, name, &db);
}

static const char *truth_of(const struct truth *truths, size_t count, uint32_t address)
{
	for (size_t i = count; i-- > 0;) {
		if (address >= truths[i].first && address <= truths[i].last)
			return truths[i].country;
	}
	return NULL;
}

static const char *expected_country(struct truth truths[2][300], uint32_t address)
{
	const char *first = truth_of(truths[0], 300, address);
	const char *second = truth_of(truths[1], 300, address);
	return first != NULL ? first : second != NULL ? second : "";
}

static void check_address(const struct geoip_table *table, struct truth truths[2][300], uint32_t v4)
{
	struct address address = {.v4 = v4, .family = ADDRESS_V4};
	uint32_t place;
	char country[3] = {0};
	geoip_table_find(table, &address, 1, &place);
	memcpy(country, table->locations[table->places[place].location].country, 2);
	assert_string_equal(country, expected_country(truths, v4));
}

static void open_table(const char *const *paths, size_t count, struct mr_slice *bytes,
		       struct geoip_table *table)
{
	struct mr_error error = {0};
	size_t size;
	int fd;
	if (geoip_build(paths, count, &fd, &size, &error) != MR_OK)
		fail_msg("%s", error.text);
	*bytes = (struct mr_slice){mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0), size};
	assert_ptr_not_equal(bytes->at, MAP_FAILED);
	/* Nobody can change the table, nor cut it short. */
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	close(fd);
	assert_int_equal(geoip_table_open(*bytes, table, &error), MR_OK);
}

static void close_table(struct mr_slice bytes)
{
	munmap((void *)(uintptr_t)bytes.at, bytes.len);
}

/* A kept table stands for these databases as they are, in their order, and for none else. */
static void test_whose_a_table_is(void **unused)
{
	char *folder = folder_make();
	char *paths[] = {city_db(folder), flat_db(folder)};
	const char *given[] = {paths[0], paths[1]}, *turned[] = {paths[1], paths[0]};
	const char *missing[] = {paths[0], "/nowhere"};
	struct mr_slice bytes;
	struct geoip_table table;
	(void)unused;
	open_table(given, 2, &bytes, &table);
	assert_true(geoip_is_of(bytes, given, 2));
	assert_false(geoip_is_of(bytes, turned, 2));
	assert_false(geoip_is_of(bytes, given, 1));
	assert_false(geoip_is_of(bytes, missing, 2));
	assert_false(geoip_is_of((struct mr_slice){bytes.at, bytes.len - 1}, given, 2));
	int fd = open(paths[1], O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_false(geoip_is_of(bytes, given, 2));
	close_table(bytes);
	free(paths[0]);
	free(paths[1]);
	folder_remove(folder);
}

/* What was kept, as the pipeline shows it. */
static struct {
	int fd; /* -1: nothing */
	size_t size;
	unsigned asked;
} kept;

static bool recall(const struct mr_config *config, const char *name, mr_table_fits *fits,
		   void *context, int *fd_out, size_t *size_bytes_out, uint64_t *hash_out)
{
	struct mr_slice bytes = {NULL, kept.size};
	assert_non_null(config);
	assert_string_equal(name, "enrich.geoip");
	kept.asked++;
	if (kept.fd < 0)
		return false;
	bytes.at = mmap(NULL, kept.size, PROT_READ, MAP_PRIVATE, kept.fd, 0);
	assert_ptr_not_equal(bytes.at, MAP_FAILED);
	bool fit = fits(context, bytes);
	close_table(bytes);
	*fd_out = fit ? dup(kept.fd) : -1;
	*size_bytes_out = kept.size;
	*hash_out = 7;
	return fit;
}

/* Whether the table that is prepared with this database is the kept one. */
static bool is_recalled(const char *database)
{
	struct stage stage;
	struct mr_error error = {0};
	uint64_t hash;
	unsigned asked = kept.asked;
	stage_init(&stage);
	mr_config_add(&stage.config, "geoip", database);
	const struct mr_prepare prepare = {.config = &stage.config,
					   .fields = stage.fields,
					   .tables = stage.tables,
					   .recall = recall};
	assert_int_equal(prepare_whole(&prepare, &error), MR_OK);
	assert_int_equal(kept.asked, asked + 1);
	assert_int_equal(mr_tables_count(stage.tables), 1);
	assert_int_equal(mr_tables_hash(stage.tables, 0, &hash, &error), MR_OK);
	stage_fini(&stage);
	return hash == 7;
}

/* A kept table is taken where it fits, with the hash that is known of it; else one is made. */
static void test_a_kept_table(void **unused)
{
	char *folder = folder_make();
	char *paths[] = {city_db(folder), flat_db(folder)};
	const char *first[] = {paths[0]};
	struct mr_error error = {0};
	(void)unused;
	kept.fd = -1;
	assert_false(is_recalled(paths[0]));
	assert_int_equal(geoip_build(first, 1, &kept.fd, &kept.size, &error), MR_OK);
	assert_true(is_recalled(paths[0]));
	assert_false(is_recalled(paths[1]));
	close(kept.fd);
	free(paths[0]);
	free(paths[1]);
	folder_remove(folder);
}

static void test_random_networks(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		static struct truth truths[2][300];
		char *folder = folder_make();
		uint64_t random = seed;
		char *first = random_db(folder, "1.mmdb", &random, truths[0], 300);
		char *second = random_db(folder, "2.mmdb", &random, truths[1], 300);
		const char *paths[] = {first, second};
		struct geoip_table table;
		struct mr_slice bytes;
		print_message("seed %llu\n", (unsigned long long)seed);
		open_table(paths, 2, &bytes, &table);
		for (size_t i = 0; i < 600; i++) {
			const struct truth *truth = &truths[i / 300][i % 300];
			check_address(&table, truths, truth->first);
			check_address(&table, truths, truth->last);
			check_address(&table, truths, truth->first - 1);
			check_address(&table, truths, truth->last + 1);
		}
		for (int i = 0; i < 20000; i++)
			check_address(&table, truths,
				      i % 2 == 0 ? (uint32_t)random_next(&random)
						 : V4(10, 0, 0, 0) |
						       (uint32_t)(random_next(&random) & 0x1ffff));
		close_table(bytes);
		free(first);
		free(second);
		folder_remove(folder);
	}
}

struct truth_v6 {
	mmdb_wide first;
	mmdb_wide last;
	char country[3];
};

/* Around two addresses, so that networks of all lengths nest, within a database and across. */
static char *random_v6_db(const char *folder, const char *name, uint64_t *random,
			  struct truth_v6 *truths, size_t count)
{
	struct mmdb_writer db;
	mmdb_writer_init(&db, true, 28, "random");
	for (size_t i = 0; i < count; i++) {
		unsigned prefix = 4 + (unsigned)(i * 125 / count);
		mmdb_wide mask = ~(mmdb_wide)0 << (128 - prefix);
		mmdb_wide address = (mmdb_wide)0x2001 << 112 | random_next(random) % 4;
		struct truth_v6 *truth = &truths[i];
		uint32_t at = (uint32_t)db.data.len;
		uint8_t bytes[16];
		if (random_next(random) % 2 == 0)
			address ^= (mmdb_wide)1 << random_next(random) % 124;
		truth->first = address & mask;
		truth->last = truth->first | ~mask;
		truth->country[0] = (char)('A' + random_next(random) % 26);
		truth->country[1] = (char)('A' + random_next(random) % 26);
		truth->country[2] = 0;
		for (unsigned k = 0; k < 16; k++)
			bytes[k] = (uint8_t)(truth->first >> (120 - 8 * k));
		put_map(&db.data, 1);
		put_text(&db.data, "country_code");
		put_text(&db.data, truth->country);
		mmdb_writer_insert(&db, bytes, prefix, at);
	}
	return write_db(folder, name, &db);
}

static void check_v6(const struct geoip_table *table, struct truth_v6 truths[2][200], mmdb_wide at)
{
	struct address address = {
	    .high = (uint64_t)(at >> 64), .low = (uint64_t)at, .family = ADDRESS_V6};
	const char *expected = "";
	char country[3] = {0};
	uint32_t place;
	for (size_t i = 0; i < 400 && *expected == 0; i++) {
		const struct truth_v6 *truth = &truths[i / 200][199 - i % 200];
		if (at >= truth->first && at <= truth->last)
			expected = truth->country;
	}
	geoip_table_find(table, &address, 1, &place);
	memcpy(country, table->locations[table->places[place].location].country, 2);
	assert_string_equal(country, expected);
}

static void test_random_v6_networks(void **unused)
{
	static struct truth_v6 truths[2][200];
	char *folder = folder_make();
	uint64_t random = 7;
	char *first = random_v6_db(folder, "1.mmdb", &random, truths[0], 200);
	char *second = random_v6_db(folder, "2.mmdb", &random, truths[1], 200);
	const char *paths[] = {first, second};
	struct geoip_table table;
	struct mr_slice bytes;
	(void)unused;
	open_table(paths, 2, &bytes, &table);
	for (size_t i = 0; i < 400; i++) {
		const struct truth_v6 *truth = &truths[i / 200][i % 200];
		check_v6(&table, truths, truth->first);
		check_v6(&table, truths, truth->last);
		check_v6(&table, truths, truth->first - 1);
		check_v6(&table, truths, truth->last + 1);
	}
	close_table(bytes);
	free(first);
	free(second);
	folder_remove(folder);
}

/* ---- wrong files ---- */

static void refuse(const char *path, const char *reason)
{
	struct mr_error error = {0};
	size_t size;
	int fd;
	assert_int_equal(geoip_build(&path, 1, &fd, &size, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, path));
	if (strstr(error.text, reason) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", error.text, reason);
}

/* A sound database but for the metadata, where the text `from` has become `to`, which is as long.
 */
static void refuse_metadata(const char *folder, struct mr_slice from, const char *to,
			    const char *reason)
{
	struct mmdb_writer db;
	struct mr_buf bytes = {0};
	mmdb_writer_init(&db, false, 24, "metadata");
	mmdb_writer_insert_v4(&db, V4(1, 0, 0, 0), 8, flat(&db, "US", "a", "1", "x"));
	mmdb_writer_finish(&db, &bytes);
	memcpy(memmem(bytes.data, bytes.len, from.at, from.len), to, from.len);
	char *path = file_write(folder, "metadata.mmdb", (struct mr_slice){bytes.data, bytes.len});
	refuse(path, reason);
	refuse(path, "give a whole database in MaxMind's format (libmaxminddb: The ");
	free(path);
	mr_buf_fini(&bytes);
	mmdb_writer_fini(&db);
}

static void test_wrong_metadata(void **unused)
{
	char *folder = folder_make();
	(void)unused;
	refuse_metadata(folder, MR_SLICE("node_count"), "node_cound",
			"a field of its metadata is missing, or of another type");
	refuse_metadata(folder, MR_SLICE("major_version\xa2\x00\x02"), "major_version\xa2\x00\x03",
			"its metadata names a version of the format other than 2");
	folder_remove(folder);
}

static void test_wrong_files(void **unused)
{
	char *folder = folder_make();
	char *path = file_write(folder, "text", MR_SLICE("this is no database"));
	struct mmdb_writer db;
	(void)unused;
	refuse(path, "not a database");
	free(path);
	path = file_write(folder, "empty", MR_SLICE(""));
	refuse(path, "not a database");
	free(path);
	refuse(folder, "not a regular file");
	refuse("/nowhere/at.all", "No such file");

	/* A record that says more than the file can hold. */
	mmdb_writer_init(&db, false, 24, "bomb");
	for (uint32_t i = 0; i < 20;
	     i++) { /* each array holds sixteen pointers to the one before */
		uint32_t before = i == 0 ? 0 : (uint32_t)db.data.len - 2 - (i > 1 ? 32 : 0);
		put_array(&db.data, i == 0 ? 0 : 16);
		for (int n = 0; n < 16 && i > 0; n++)
			put_big_endian(&db.data, 0x2000 | before, 2);
	}
	mmdb_writer_insert_v4(&db, V4(1, 0, 0, 0), 8, (uint32_t)db.data.len - 34);
	path = write_db(folder, "bomb.mmdb", &db);
	refuse(path, "more items than a file of its size can mean");
	free(path);

	/* A name that is not UTF-8. */
	mmdb_writer_init(&db, false, 24, "bad text");
	mmdb_writer_insert_v4(&db, V4(1, 0, 0, 0), 8, flat(&db, "US", "\xff", "1", "x"));
	path = write_db(folder, "bad.mmdb", &db);
	refuse(path, "not UTF-8");
	free(path);

	/* A tree that leads in a circle. */
	mmdb_writer_init(&db, true, 24, "circle");
	mmdb_writer_insert_v4(&db, V4(1, 0, 0, 0), 8, flat(&db, "US", "a", "1", "x"));
	db.nodes[5][1] = 3;
	path = write_db(folder, "circle.mmdb", &db);
	refuse(path, "leads in circles");
	free(path);
	folder_remove(folder);
}

/* ---- damage: refused, or all answers equal the library's ---- */

static void same_answer(struct mmdb *db, mmdb_wide first, uint32_t offset)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	int status = 0;
	for (unsigned i = 0; i < 16; i++)
		address.sin6_addr.s6_addr[i] = (uint8_t)(first >> (120 - 8 * i));
	MMDB_lookup_result_s result =
	    MMDB_lookup_sockaddr(&db->lib, (struct sockaddr *)&address, &status);
	assert_int_equal(status, MMDB_SUCCESS);
	assert_true(result.found_entry);
	assert_int_equal(result.entry.offset, offset);
}

/* Every record is decoded, every network compared. */
static bool family_is_good(struct mmdb *db, bool v4, struct mr_error *error)
{
	struct mmdb_tree tree = {.db = db};
	struct mmdb_walk walk;
	mmdb_walk_init(&walk, &tree, 1, v4);
	do {
		struct geo_facts facts;
		bool any;
		if (mmdb_walk_next(&walk, error) != MR_OK)
			return false;
		if (tree.data == 0)
			continue;
		if (mmdb_facts(db, tree.data - 1, &facts, &any, error) != MR_OK)
			return false;
		if (db->lib.metadata.ip_version == 6)
			same_answer(db, walk.first, tree.data - 1);
	} while (!mmdb_walk_ended(&walk));
	return true;
}

static bool survives(struct mr_slice bytes)
{
	struct mr_error error = {0};
	struct mmdb db;
	int fd = memfd_create("damaged", MFD_CLOEXEC);
	assert_int_equal(write(fd, bytes.at, bytes.len), bytes.len);
	bool good = mmdb_open(&db, "damaged", fd, &error) == MR_OK;
	if (good) {
		good = family_is_good(&db, true, &error) && family_is_good(&db, false, &error);
		mmdb_close(&db);
	}
	if (!good)
		assert_non_null(strstr(error.text, "damaged"));
	close(fd);
	return good;
}

static void test_damage(void **unused)
{
	char *folder = folder_make();
	char *path = city_db(folder);
	struct mr_buf bytes = {0};
	size_t good = 0;
	FILE *file = fopen(path, "re");
	(void)unused;
	mr_buf_reserve(&bytes, 1 << 16);
	bytes.len = fread(bytes.data, 1, 1 << 16, file);
	fclose(file);
	assert_true(survives((struct mr_slice){bytes.data, bytes.len}));
	for (size_t i = 0; i < bytes.len; i++) {
		for (unsigned bit = 0; bit < 9; bit++) {
			char was = bytes.data[i];
			bytes.data[i] = (char)(was ^ (bit == 8 ? 0xff : 1 << bit));
			good += survives((struct mr_slice){bytes.data, bytes.len});
			bytes.data[i] = was;
		}
	}
	print_message("%zu of %zu flips left a sound database\n", good, 9 * bytes.len);
	for (size_t len = 0; len < bytes.len; len++)
		survives((struct mr_slice){bytes.data, len});
	mr_buf_fini(&bytes);
	free(path);
	folder_remove(folder);
}

/* A table that is not whole is refused, one with a wrong inside is never left. */
static void test_damaged_table(void **unused)
{
	char *folder = folder_make();
	char *path = city_db(folder);
	const char *paths[] = {path};
	struct mr_error error = {0};
	struct geoip_table table;
	struct mr_slice bytes;
	(void)unused;
	open_table(paths, 1, &bytes, &table);
	char *header = mr_malloc(4096 + 64);
	char *aligned = header + (64 - (uintptr_t)header % 64) % 64;
	memcpy(aligned, bytes.at, 4096);
	for (size_t i = 0; i < sizeof(struct geoip_header); i++) {
		aligned[i] ^= 0x10;
		assert_int_equal(
		    geoip_table_open((struct mr_slice){aligned, bytes.len}, &table, &error),
		    MR_BAD_INPUT);
		aligned[i] ^= 0x10;
	}
	assert_int_equal(geoip_table_open((struct mr_slice){aligned, 100}, &table, &error),
			 MR_BAD_INPUT);
	free(header);
	close_table(bytes);
	free(path);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nested_layout),    cmocka_unit_test(test_several_databases),
	    cmocka_unit_test(test_whose_a_table_is), cmocka_unit_test(test_a_kept_table),
	    cmocka_unit_test(test_random_networks),  cmocka_unit_test(test_random_v6_networks),
	    cmocka_unit_test(test_wrong_files),      cmocka_unit_test(test_wrong_metadata),
	    cmocka_unit_test(test_damage),           cmocka_unit_test(test_damaged_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
