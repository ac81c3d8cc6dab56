/* test_geoip_kept.c - a GeoIP table that is kept: found whole and of its databases, or not at all.
 */
#include "harness.h"

#include "geoip_build.h"
#include "geoip_kept.h"
#include "geoip_table.h"
#include "mmdb_writer.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#include "os_faults.h"

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

/* What a scan keeps. */
static struct geoip_kept kept_in(const char *folder, uint64_t origin)
{
	return (struct geoip_kept){folder, MR_SLICE("this build"), origin};
}

static bool finds(const struct geoip_kept *kept)
{
	size_t size;
	int fd;
	bool found = geoip_kept_find(kept, &fd, &size);
	if (found)
		close(fd);
	return found;
}

static bool stands(const char *path)
{
	struct stat about;
	return lstat(path, &about) == 0;
}

/* The only name in the folder. */
static char *only_table(const char *folder)
{
	char *found = NULL;
	DIR *list = opendir(folder);
	assert_non_null(list);
	for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
		if (*entry->d_name == '.')
			continue;
		assert_null(found);
		found = mr_asprintf("%s/%s", folder, entry->d_name);
	}
	closedir(list);
	assert_non_null(found);
	return found;
}

/* A table that was made, and a folder for it. */
struct world {
	char *base;
	char *folder;
	uint64_t origin;
	size_t size;
	int fd;
};

static void world_init(struct world *world)
{
	world->base = folder_make();
	world->folder = mr_asprintf("%s/deep/down", world->base);
	build(world->base, &world->fd, &world->size, &world->origin);
}

static void world_fini(struct world *world)
{
	close(world->fd);
	free(world->folder);
	folder_remove(world->base);
}

/* The table comes back as it was, for these databases and this build. */
static void test_there_and_back(void **unused)
{
	struct world world;
	size_t size;
	int fd;
	(void)unused;
	world_init(&world);
	struct geoip_kept kept = kept_in(world.folder, world.origin);
	struct geoip_kept others[] = {kept, kept, kept};
	others[0].origin++;
	others[1].program = MR_SLICE("another build");
	others[2].folder = world.base;
	assert_false(finds(&kept));
	geoip_kept_put(&kept, world.fd, world.size);
	assert_true(geoip_kept_find(&kept, &fd, &size));
	assert_int_equal(size, world.size);
	const char *one = mr_os_map(world.fd, size), *other = mr_os_map(fd, size);
	assert_memory_equal(one, other, size);
	mr_os_unmap(one, size);
	mr_os_unmap(other, size);
	assert_int_equal(ftruncate(fd, 0), -1);
	close(fd);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_false(finds(&others[i]));
	/* Databases that were replaced since they were hashed: it is not theirs. */
	geoip_kept_put(&others[0], world.fd, world.size);
	char *path = only_table(world.folder);
	/* Nor is it another's under whose name it stands. */
	geoip_kept_put(&others[1], world.fd, world.size);
	assert_true(finds(&others[1]));
	assert_int_equal(unlink(path), 0);
	char *its = only_table(world.folder);
	assert_int_equal(rename(its, path), 0);
	assert_false(finds(&kept));
	assert_false(stands(path));
	free(its);
	free(path);
	world_fini(&world);
}

static void flip(const char *path, int64_t place)
{
	int file = open(path, O_RDWR | O_CLOEXEC);
	char byte;
	off_t at = lseek(file, place, place < 0 ? SEEK_END : SEEK_SET);
	assert_int_equal(pread(file, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(file, &byte, 1, at), 1);
	close(file);
}

/* Not found, gone, and kept anew. */
static void is_replaced(const struct world *world, const char *path)
{
	struct geoip_kept kept = kept_in(world->folder, world->origin);
	assert_false(finds(&kept));
	assert_false(stands(path));
	geoip_kept_put(&kept, world->fd, world->size);
	assert_true(finds(&kept));
}

static void test_damage(void **unused)
{
	static const int64_t places[] = {0, 40, 1 << 20, -9, -1};
	struct world world;
	(void)unused;
	world_init(&world);
	struct geoip_kept kept = kept_in(world.folder, world.origin);
	geoip_kept_put(&kept, world.fd, world.size);
	char *path = only_table(world.folder);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		flip(path, places[i]);
		is_replaced(&world, path);
	}
	static const off_t sizes[] = {0, 1, 8, 9, 1 << 20};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(truncate(path, sizes[i]), 0);
		is_replaced(&world, path);
	}
	assert_int_equal(truncate(path, (off_t)world.size + 9), 0);
	is_replaced(&world, path);
	free(path);
	world_fini(&world);
}

/* What others could have written is not read; the folder is ours, so it goes. */
static void test_whom_to_trust(void **unused)
{
	struct world world;
	(void)unused;
	world_init(&world);
	struct geoip_kept kept = kept_in(world.folder, world.origin);
	char *aside = mr_asprintf("%s/aside", world.base);
	geoip_kept_put(&kept, world.fd, world.size);
	char *path = only_table(world.folder);
	assert_int_equal(chmod(path, 0666), 0);
	is_replaced(&world, path);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	is_replaced(&world, path);
	assert_true(stands(aside));
	/* A folder that others may write in is none. In it one can be made that is ours alone. */
	char *below = mr_asprintf("%s/below", world.folder);
	struct geoip_kept in_it = kept_in(below, world.origin);
	assert_int_equal(chmod(world.folder, 0777), 0);
	assert_false(finds(&kept));
	assert_true(stands(path));
	geoip_kept_put(&in_it, world.fd, world.size);
	assert_true(finds(&in_it));
	/* A link leads wherever its owner wants; above it may. */
	char *link = mr_asprintf("%s/link", world.base), *through = mr_asprintf("%s/below", link);
	struct geoip_kept linked = kept_in(link, world.origin);
	struct geoip_kept led = kept_in(through, world.origin);
	assert_int_equal(chmod(world.folder, 0700), 0);
	assert_true(finds(&kept));
	assert_int_equal(symlink(world.folder, link), 0);
	assert_false(finds(&linked));
	assert_true(finds(&led));
	free(through);
	free(link);
	free(below);
	free(path);
	free(aside);
	world_fini(&world);
}

/* Two folders are made, no more: of a home that is not there nothing is made up. */
static void test_where(void **unused)
{
	static const char *const paths[] = {"/a/b/c", "/a/b/c/d"};
	struct world world;
	(void)unused;
	world_init(&world);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		char *folder = mr_asprintf("%s%s", world.base, paths[i]);
		struct geoip_kept kept = kept_in(folder, world.origin);
		geoip_kept_put(&kept, world.fd, world.size);
		assert_false(stands(folder));
		free(folder);
	}
	static const char *const none[] = {"/dev/null", "/dev/null/below",
					   "relative/nowhere/at/all", "/"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		struct geoip_kept kept = kept_in(none[i], world.origin);
		if (strcmp(none[i], "/") != 0)
			geoip_kept_put(&kept, world.fd, world.size);
		assert_false(finds(&kept));
	}
	world_fini(&world);
}

/* The three that were used last, and nothing that is no table is touched. */
static void test_how_many(void **unused)
{
	static const char *const olds[] = {"geoip-0000000000000001.table",
					   "geoip-0000000000000002.table",
					   "geoip-0000000000000003.table", "geoip-1.table.old"};
	struct world world;
	char *paths[4];
	(void)unused;
	world_init(&world);
	struct geoip_kept kept = kept_in(world.base, world.origin);
	for (int i = 0; i < 4; i++) {
		/* The clock was set back since. */
		const time_t then = 4102444800 - i;
		const struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then}};
		paths[i] = file_write(world.base, olds[i], MR_SLICE("old"));
		assert_int_equal(utimensat(AT_FDCWD, paths[i], times, 0), 0);
	}
	geoip_kept_put(&kept, world.fd, world.size);
	assert_true(finds(&kept));
	assert_true(stands(paths[0]) && stands(paths[1]) && stands(paths[3]));
	assert_false(stands(paths[2]));
	for (int i = 0; i < 4; i++)
		free(paths[i]);
	world_fini(&world);
}

/* How many tables stand in the folder, each of them whole. */
static unsigned whole_tables(const struct world *world)
{
	unsigned count = 0;
	struct stat about;
	DIR *list = opendir(world->folder);
	for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
		if (*entry->d_name == '.')
			continue;
		assert_int_equal(fstatat(dirfd(list), entry->d_name, &about, 0), 0);
		assert_int_equal(about.st_size, world->size + 8);
		count++;
	}
	if (list != NULL)
		closedir(list);
	return count;
}

static void forget(const struct world *world)
{
	char *command = mr_asprintf("rm -rf '%s/deep'", world->base);
	assert_int_equal(system(command), 0);
	free(command);
}

/* Whatever fails, there is a whole table or none, and the next time all is well. */
static void test_faults(void **unused)
{
	static const struct os_fault faults[] = {
	    {.call = OS_OPENAT, .number = EOPNOTSUPP},
	    {.call = OS_WRITE, .number = ENOSPC, .half = true},
	    {.call = OS_MKDIRAT, .number = EROFS},
	    {.call = OS_LINKAT, .number = EPERM},
	    {.call = OS_READDIR, .number = EIO},
	};
	struct world world;
	(void)unused;
	world_init(&world);
	struct geoip_kept kept = kept_in(world.folder, world.origin);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		unsigned nth = 0;
		bool met;
		do {
			struct os_fault fault = faults[i];
			forget(&world);
			fault.nth = ++nth;
			os_fault(fault);
			geoip_kept_put(&kept, world.fd, world.size);
			met = os_fault_met();
			os_faults_end();
			assert_int_equal(whole_tables(&world), finds(&kept));
		} while (met);
		assert_true(nth > 1);
		assert_true(finds(&kept));
	}
	/* One that stands there already and cannot go stays. */
	os_fault((struct os_fault){.call = OS_UNLINKAT, .nth = 1, .number = EIO});
	geoip_kept_put(&kept, world.fd, world.size);
	assert_true(os_fault_met());
	os_faults_end();
	assert_int_equal(whole_tables(&world), 1);
	assert_true(finds(&kept));
	world_fini(&world);
}

/* A file that cannot be read now may be read later. */
static void test_unread(void **unused)
{
	struct world world;
	struct rlimit before, little;
	(void)unused;
	world_init(&world);
	struct geoip_kept kept = kept_in(world.folder, world.origin);
	geoip_kept_put(&kept, world.fd, world.size);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little = before;
	little.rlim_cur = 1 << 20;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_false(finds(&kept));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(finds(&kept));
	world_fini(&world);
}

/* A disk that has little room is left alone. */
static int little_room(int fd, struct statfs *out)
{
	int done = os_real.fstatfs(fd, out);
	out->f_bavail = (100u << 20) / (unsigned long)out->f_frsize;
	return done;
}

/* As a file system of somebody's own may say. */
static int no_unit(int fd, struct statfs *out)
{
	int done = os_real.fstatfs(fd, out);
	out->f_bsize = out->f_frsize = 0;
	return done;
}

static int no_word(int fd, struct statfs *out)
{
	(void)fd;
	(void)out;
	errno = ENOSYS;
	return -1;
}

static void test_room(void **unused)
{
	struct world world;
	(void)unused;
	world_init(&world);
	struct geoip_kept kept = kept_in(world.folder, world.origin);
	static int (*const said[])(int, struct statfs *) = {little_room, no_unit, no_word};
	os_real = mr_os;
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		mr_os.fstatfs = said[i];
		geoip_kept_put(&kept, world.fd, world.size);
		mr_os = os_real;
		assert_false(finds(&kept));
	}
	geoip_kept_put(&kept, world.fd, world.size);
	assert_true(finds(&kept));
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_whom_to_trust),  cmocka_unit_test(test_where),
	    cmocka_unit_test(test_how_many),       cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_unread),         cmocka_unit_test(test_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
