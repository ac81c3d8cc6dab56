/* The identity store on disk: generations, damage to each of its files, no room. */
#include "identity_harness.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static void test_generations(void **unused)
{
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct outcome outcome;
	struct identity_table old, table;
	struct identity_import busy;
	struct mr_error error = {0};
	char *rubbish = mr_asprintf("%s/generation-3", store);
	char *file = mr_asprintf("%s/table", rubbish);
	(void)unused;
	import_good(store, "{\"id\":\"1\",\"upn\":\"a\"}\n", 1);
	open_store(store, &old);
	import_good(store, "{\"id\":\"2\",\"upn\":\"a\"}\n", 1);
	/* An import that died in the middle. */
	assert_int_equal(mkdir(rubbish, 0700), 0);
	int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	open_store(store, &table);
	assert_string_equal(who(&table, "a"), "2");
	/* One that finds nothing to take leaves all as it was. */
	import_text(store, MR_SLICE("no,head\n"), &outcome);
	assert_int_equal(outcome.err, MR_CONFIG);
	outcome_fini(&outcome);
	assert_int_equal(access(rubbish, F_OK), -1);
	/* Two at once. */
	const char *files[] = {"x"};
	assert_int_equal(identity_import_init(&busy, store, files, &error), MR_OK);
	import_text(store, MR_SLICE("id,upn\n1,2\n"), &outcome);
	assert_int_equal(outcome.err, MR_CONFIG);
	assert_non_null(strstr(outcome.error.text, "another import is under way"));
	outcome_fini(&outcome);
	identity_import_fini(&busy);
	/* Two generations are kept; who holds an older one keeps it. */
	import_good(store, "{\"id\":\"3\",\"upn\":\"a\"}\n", 1);
	open_store(store, &table);
	assert_string_equal(who(&table, "a"), "3");
	assert_string_equal(who(&old, "a"), "1");
	char *first = mr_asprintf("%s/generation-1", store);
	char *second = mr_asprintf("%s/generation-2", store);
	assert_int_equal(access(first, F_OK), -1);
	assert_int_equal(access(second, F_OK), 0);
	free(first);
	free(second);
	free(file);
	free(rubbish);
	free(store);
	folder_remove(folder);
}

static void test_missing_store(void **unused)
{
	struct stage stage;
	struct mr_error error = {0};
	char *folder = folder_make();
	char *generation = mr_asprintf("%s/current", folder);
	(void)unused;
	stage_init(&stage);
	mr_config_add(&stage.config, "identity", folder);
	assert_int_equal(stage_prepare(&stage, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "no identity store"));
	assert_int_equal(mkdir(generation, 0700), 0);
	free(file_write(generation, "table", MR_SLICE("")));
	assert_int_equal(stage_prepare(&stage, &error), MR_CONFIG);
	free(file_write(generation, "table", MR_SLICE("too short to be one")));
	assert_int_equal(stage_prepare(&stage, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "current/table"));
	stage_fini(&stage);
	free(generation);
	folder_remove(folder);
}

/* Each bit flipped: refused, or every look-up stays inside and ends. */
static void test_damaged_table(void **unused)
{
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct identity_table table;
	struct mr_error error = {0};
	(void)unused;
	import_good(store, people, 2);
	open_store(store, &table);
	size_t len = (size_t)(table.texts - (const char *)table.header) + table.texts_bytes;
	char *bytes = mr_malloc(len);
	for (size_t i = 0; i < len; i++) {
		memcpy(bytes, table.header, len);
		for (unsigned bit = 0; bit < 8; bit++) {
			struct identity_table damaged;
			bytes[i] ^= (char)(1 << bit);
			enum mr_err err =
			    identity_table_open((struct mr_slice){bytes, len}, &damaged, &error);
			assert_int_equal(err,
					 i < sizeof(struct identity_header) ? MR_CONFIG : MR_OK);
			if (err == MR_OK) {
				who(&damaged, "joey@contoso.example");
				who(&damaged, "10032001266c162c");
				who(&damaged, "nobody");
			}
			bytes[i] ^= (char)(1 << bit);
		}
		assert_int_equal(identity_table_open((struct mr_slice){bytes, i}, &table, &error),
				 MR_CONFIG);
		open_store(store, &table);
	}
	free(bytes);
	free(store);
	folder_remove(folder);
}

static unsigned entries_of(const char *path)
{
	DIR *folder = opendir(path);
	unsigned count = 0;
	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* Prepares with an identity store and one other setting; the error's text. It leaves neither a
 * thread nor, but for the tables, a descriptor behind. */
static const char *prepared(const char *store, const char *setting, const char *value,
			    enum mr_err want, size_t tables)
{
	static struct mr_error error;
	struct stage stage;
	unsigned descriptors = entries_of("/proc/self/fd");
	unsigned threads = entries_of("/proc/self/task");
	stage_init(&stage);
	mr_config_add(&stage.config, "identity", store);
	mr_config_add(&stage.config, setting, value);
	error = (struct mr_error){0};
	assert_int_equal(stage_prepare(&stage, &error), want);
	assert_int_equal(mr_tables_count(stage.tables), tables);
	assert_int_equal(entries_of("/proc/self/fd"), descriptors + tables);
	assert_int_equal(entries_of("/proc/self/task"), threads);
	stage_fini(&stage);
	return error.text;
}

/* The table is made beside what others prepare. What goes wrong is told in their order. */
static void test_beside_others(void **unused)
{
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	char *networks = file_write(folder, "networks", MR_SLICE("10.0.0.0/8 office\n"));
	pthread_attr_t few, many;
	(void)unused;
	assert_non_null(
	    strstr(prepared(store, "networks", networks, MR_CONFIG, 1), "no identity store"));
	assert_non_null(
	    strstr(prepared(store, "geoip", "/no/database", MR_CONFIG, 0), "/no/database"));
	import_good(store, people, 2);
	assert_non_null(
	    strstr(prepared(store, "geoip", "/no/database", MR_CONFIG, 0), "/no/database"));
	assert_string_equal(prepared(store, "networks", networks, MR_OK, 2), "");
	/* Where no thread is to be had: none has room for such a stack. */
	assert_int_equal(pthread_getattr_default_np(&few), 0);
	assert_int_equal(pthread_attr_init(&many), 0);
	assert_int_equal(pthread_attr_setstacksize(&many, (size_t)1 << 50), 0);
	assert_int_equal(pthread_setattr_default_np(&many), 0);
	assert_string_equal(prepared(store, "networks", networks, MR_OK, 2), "");
	assert_int_equal(pthread_setattr_default_np(&few), 0);
	pthread_attr_destroy(&many);
	pthread_attr_destroy(&few);
	free(networks);
	free(store);
	folder_remove(folder);
}

/* What is found on the way is what reading the copy again would give. */
static void test_hashed(void **unused)
{
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct identity_table table;
	struct mr_error error = {0};
	uint64_t hash;
	size_t size;
	int fd;
	(void)unused;
	import_good(store, people, 2);
	open_store(store, &table);
	char *generation = identity_store_current(store);
	assert_int_equal(identity_store_open(generation, &fd, &size, &hash, NULL, &error), MR_OK);
	assert_int_equal(hash, mr_hash64(table.header, size, 0));
	close(fd);
	free(generation);
	free(store);
	folder_remove(folder);
}

static enum mr_err load_bytes(const char *generation, struct mr_slice bytes)
{
	struct mr_error error = {0};
	free(file_write(generation, "table", bytes));
	enum mr_err err = identity_store_open(generation, NULL, NULL, NULL, NULL, &error);
	if (err != MR_OK && strstr(error.text, "import again") == NULL &&
	    strstr(error.text, "cut short") == NULL)
		fail_msg("\"%s\" does not say what to do", error.text);
	return err;
}

/* A store with any byte changed, or of any other length, is refused when it is loaded. */
static void test_damaged_store(void **unused)
{
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct identity_table table;
	(void)unused;
	import_good(store, people, 2);
	open_store(store, &table);
	char *generation = identity_store_current(store);
	size_t len = (size_t)(table.texts - (const char *)table.header) + table.texts_bytes;
	struct mr_buf bytes = {0};
	mr_buf_add(&bytes, (const char *)table.header, len);
	mr_buf_add(&bytes, "", 1);
	for (size_t i = 0; i < len; i++) {
		bytes.data[i] ^= 0x10;
		assert_int_equal(load_bytes(generation, (struct mr_slice){bytes.data, len}),
				 MR_CONFIG);
		bytes.data[i] ^= 0x10;
		assert_int_equal(load_bytes(generation, (struct mr_slice){bytes.data, i}),
				 MR_CONFIG);
	}
	assert_int_equal(load_bytes(generation, (struct mr_slice){bytes.data, len + 1}), MR_CONFIG);
	assert_int_equal(load_bytes(generation, (struct mr_slice){bytes.data, len}), MR_OK);
	mr_buf_fini(&bytes);
	free(generation);
	free(store);
	folder_remove(folder);
}

static void check_entries(const char *generation, const struct identity_table *table,
			  struct mr_slice bytes, const char *words)
{
	struct mr_buf entry = {0};
	struct mr_error error = {0};
	free(file_write(generation, "data.mdb", bytes));
	enum mr_err err = identity_store_entry(generation, table, 0, &entry, &error);
	assert_int_equal(err, words == NULL ? MR_OK : MR_CONFIG);
	assert_int_equal(entry.len == 0, words != NULL);
	if (words != NULL &&
	    (strstr(error.text, "/data.mdb: the entries ") == NULL ||
	     strstr(error.text, words) == NULL || strstr(error.text, ": import again") == NULL))
		fail_msg("\"%s\" does not say what is wrong and what to do", error.text);
	mr_buf_fini(&entry);
}

static void read_entries(const char *generation, struct mr_buf *out)
{
	char *path = mr_asprintf("%s/data.mdb", generation);
	FILE *file = fopen(path, "re");
	size_t got;
	assert_non_null(file);
	while ((got = fread(mr_buf_reserve(out, 4096), 1, 4096, file)) > 0)
		out->len += got;
	fclose(file);
	free(path);
}

/* Entries with any byte changed, or of any other length, are refused before they are mapped. */
static void test_damaged_entries(void **unused)
{
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct identity_table table;
	struct mr_buf bytes = {0};
	(void)unused;
	import_good(store, people, 2);
	open_store(store, &table);
	char *generation = identity_store_current(store);
	read_entries(generation, &bytes);
	for (size_t i = 0; i < bytes.len; i += 499) {
		bytes.data[i] ^= 0x10;
		check_entries(generation, &table, (struct mr_slice){bytes.data, bytes.len},
			      "damaged");
		bytes.data[i] ^= 0x10;
		check_entries(generation, &table, (struct mr_slice){bytes.data, i}, "take up");
	}
	check_entries(generation, &table, (struct mr_slice){bytes.data, bytes.len}, NULL);
	mr_buf_add(&bytes, "", 1);
	check_entries(generation, &table, (struct mr_slice){bytes.data, bytes.len}, "take up");
	mr_buf_fini(&bytes);
	free(generation);
	free(store);
	folder_remove(folder);
}

/* What is done to the file after the load is nobody's harm. */
static void test_store_cut_in_place(void **unused)
{
	struct identity_table table;
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	import_good(store, people, 2);
	open_store(store, &table);
	char *generation = identity_store_current(store);
	char *path = mr_asprintf("%s/table", generation);
	assert_int_equal(truncate(path, 0), 0);
	assert_string_equal(who(&table, "joey@contoso.example"),
			    "9d8001cb-a159-4252-a3a1-c00000000001");
	free(path);
	free(generation);
	free(store);
	folder_remove(folder);
}

/* A disk is not all that can be full. */
static void test_no_room(void **unused)
{
	struct identity_generation generation;
	struct rlimit before;
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	enum mr_err err = identity_generation_begin(store, &generation, NULL);
	identity_generation_end(&generation);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err, MR_NO_SPACE);
	free(store);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_generations),     cmocka_unit_test(test_missing_store),
	    cmocka_unit_test(test_hashed),          cmocka_unit_test(test_damaged_store),
	    cmocka_unit_test(test_damaged_entries), cmocka_unit_test(test_store_cut_in_place),
	    cmocka_unit_test(test_damaged_table),   cmocka_unit_test(test_no_room),
	    cmocka_unit_test(test_beside_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
