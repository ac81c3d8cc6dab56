/* test_geoip_kept.c - a GeoIP table that is kept: found whole and of its databases, or not at all.
 */
#include "harness.h"

#include "geoip_build.h"
#include "geoip_kept.h"
#include "geoip_table.h"
#include "mmdb_writer.h"

#include "millrace/os.h"

#define ORIGIN UINT64_C(0x00c0ffee)
#define NAME "geoip-0000000000c0ffee.table"

static char *database(const char *folder)
{
	struct mmdb_writer db;
	mmdb_writer_init(&db, false, 24, "lite");
	uint32_t at = (uint32_t)db.data.len;
	put_map(&db.data, 1);
	put_text(&db.data, "country_code");
	put_text(&db.data, "CH");
	mmdb_writer_insert_v4(&db, UINT32_C(0x08080800), 24, at);
	struct mr_buf bytes = {0};
	mmdb_writer_finish(&db, &bytes);
	char *path = file_write(folder, "flat.mmdb", (struct mr_slice){bytes.data, bytes.len});
	mr_buf_fini(&bytes);
	mmdb_writer_fini(&db);
	return path;
}

static void build(const char *folder, int *fd, size_t *size, uint64_t *origin)
{
	char *path = database(folder);
	const char *paths[] = {path};
	struct mr_error error = {0};
	uint64_t bytes;
	if (geoip_build(paths, 1, fd, size, &error) != MR_OK)
		fail_msg("%s", error.text);
	assert_true(geoip_origin(paths, 1, origin, &bytes));
	assert_true(bytes > 0);
	free(path);
}

static struct mr_slice mapped(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	return (struct mr_slice){at, size};
}

static bool finds(const char *folder, uint64_t origin)
{
	size_t size;
	int fd;
	bool found = geoip_kept_find(folder, origin, &fd, &size);
	if (found)
		close(fd);
	return found;
}

static bool stands(const char *folder, const char *name)
{
	char *path = mr_asprintf("%s/%s", folder, name);
	bool is = access(path, F_OK) == 0;
	free(path);
	return is;
}

/* The table comes back as it was; one byte of it changed, and it is none, and gone. */
static void test_there_and_back(void **unused)
{
	static const int64_t places[] = {0, 40, 1 << 20, -9, -1};
	char *base = folder_make();
	char *folder = mr_asprintf("%s/deep/down", base);
	uint64_t origin;
	size_t size, back_size;
	int fd, back;
	(void)unused;
	build(base, &fd, &size, &origin);
	assert_false(finds(folder, origin));
	geoip_kept_put(folder, origin, fd, size);
	assert_true(geoip_kept_find(folder, origin, &back, &back_size));
	assert_int_equal(back_size, size);
	struct mr_slice one = mapped(fd, size), other = mapped(back, back_size);
	assert_memory_equal(one.at, other.at, size);
	munmap((void *)(uintptr_t)one.at, size);
	munmap((void *)(uintptr_t)other.at, size);
	assert_int_equal(ftruncate(back, 0), -1);
	close(back);
	assert_false(finds(folder, origin + 1));

	char *name = mr_asprintf("geoip-%016llx.table", (unsigned long long)origin);
	char *path = mr_asprintf("%s/%s", folder, name);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		int file = open(path, O_RDWR | O_CLOEXEC);
		char byte;
		off_t at = lseek(file, places[i], places[i] < 0 ? SEEK_END : SEEK_SET);
		assert_int_equal(pread(file, &byte, 1, at), 1);
		byte ^= 1;
		assert_int_equal(pwrite(file, &byte, 1, at), 1);
		close(file);
		assert_false(finds(folder, origin));
		assert_false(stands(folder, name));
		geoip_kept_put(folder, origin, fd, size);
		assert_true(finds(folder, origin));
	}
	/* Cut, or longer, or another's under this name. */
	assert_int_equal(truncate(path, (off_t)size), 0);
	assert_false(finds(folder, origin));
	free(file_write(folder, name, (struct mr_slice){"", 0}));
	assert_false(finds(folder, origin));
	geoip_kept_put(folder, origin + 1, fd, size);
	assert_false(finds(folder, origin + 1));
	close(fd);
	free(path);
	free(name);
	free(folder);
	folder_remove(base);
}

static void put_small(const char *folder, uint64_t origin)
{
	int fd = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(mr_os_write_all(fd, (struct mr_slice){"table", 5}));
	geoip_kept_put(folder, origin, fd, 5);
	close(fd);
}

static void use_at(const char *folder, uint64_t origin, time_t seconds)
{
	const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
	char *path = mr_asprintf("%s/geoip-%016llx.table", folder, (unsigned long long)origin);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	free(path);
}

/* The three that were used last, and nothing that is not a table is touched. */
static void test_how_many(void **unused)
{
	char *folder = folder_make();
	(void)unused;
	free(file_write(folder, "geoip-1.table.old", (struct mr_slice){"mine", 4}));
	for (uint64_t i = 1; i <= 3; i++) {
		put_small(folder, i);
		use_at(folder, i, (time_t)(100 - 10 * i));
	}
	put_small(folder, 4);
	assert_false(stands(folder, "geoip-0000000000000003.table"));
	assert_true(stands(folder, "geoip-0000000000000001.table"));
	assert_true(stands(folder, "geoip-0000000000000002.table"));
	assert_true(stands(folder, "geoip-0000000000000004.table"));
	assert_true(stands(folder, "geoip-1.table.old"));
	folder_remove(folder);
}

/* What others could have written is not read, and where nothing can be kept nothing is. */
static void test_whom_to_trust(void **unused)
{
	char *folder = folder_make();
	char *path = mr_asprintf("%s/" NAME, folder);
	char *aside = mr_asprintf("%s/aside", folder);
	(void)unused;
	assert_int_equal(chmod(folder, 0777), 0);
	put_small(folder, ORIGIN);
	assert_false(stands(folder, NAME));
	assert_int_equal(chmod(folder, 0700), 0);
	put_small(folder, ORIGIN);
	assert_true(stands(folder, NAME));
	/* It is looked at, and is no table: it goes. One of others is not looked at: it stays. */
	assert_int_equal(chmod(path, 0666), 0);
	assert_false(finds(folder, ORIGIN));
	assert_true(stands(folder, NAME));
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	assert_false(finds(folder, ORIGIN));
	assert_true(stands(folder, NAME));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(chmod(aside, 0600), 0);
	assert_int_equal(rename(aside, path), 0);
	assert_false(finds(folder, ORIGIN));
	assert_false(stands(folder, NAME));

	put_small("/dev/null", ORIGIN);
	put_small("/dev/null/below", ORIGIN);
	assert_false(finds("/dev/null", ORIGIN));
	free(aside);
	free(path);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_how_many),
	    cmocka_unit_test(test_whom_to_trust),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
