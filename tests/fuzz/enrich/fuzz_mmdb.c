/* Any bytes as a GeoIP database: refused with its name, or each network answers as libmaxminddb
 * does. */
#include "geoip_build.h"
#include "mmdb.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(struct mmdb *db, mmdb_wide first, uint32_t offset)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	int status = 0;

	for (unsigned i = 0; i < 16; i++)
		address.sin6_addr.s6_addr[i] = (uint8_t)(first >> (120 - 8 * i));
	MMDB_lookup_result_s result =
	    MMDB_lookup_sockaddr(&db->lib, (struct sockaddr *)&address, &status);
	assert(status == MMDB_SUCCESS && result.found_entry && result.entry.offset == offset);
}

static enum mr_err walk_family(struct mmdb *db, bool v4, struct mr_error *error)
{
	struct mmdb_tree tree = {.db = db};
	struct mmdb_walk walk;
	enum mr_err err;

	mmdb_walk_init(&walk, &tree, 1, v4);
	do {
		struct geo_facts facts;
		bool any;

		err = mmdb_walk_next(&walk, error);
		if (err != MR_OK || tree.data == 0)
			continue;
		err = mmdb_facts(db, tree.data - 1, &facts, &any, error);
		if (err == MR_OK && db->lib.metadata.ip_version == 6)
			look_up(db, walk.first, tree.data - 1);
	} while (err == MR_OK && !mmdb_walk_ended(&walk));
	return err;
}

/* The whole way, which costs more: for few inputs. */
static void build(int fd)
{
	char path[32];
	const char *paths[] = {path, path};
	struct mr_error error = {0};
	struct geoip_table table;
	size_t size;
	int table_fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (geoip_build(paths, 2, &table_fd, &size, &error) != MR_OK) {
		assert(error.text[0] != 0);
		return;
	}
	void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, table_fd, 0);
	assert(bytes != MAP_FAILED);
	close(table_fd);
	enum mr_err err = geoip_table_open((struct mr_slice){bytes, size}, &table, &error);
	assert(err == MR_OK);
	munmap(bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_error error = {0};
	struct mmdb db;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (mmdb_open(&db, "fuzz", fd, &error) == MR_OK) {
		if (walk_family(&db, true, &error) != MR_OK ||
		    walk_family(&db, false, &error) != MR_OK)
			assert(strstr(error.text, "fuzz") != NULL);
		mmdb_close(&db);
		if (mr_hash64(data, size, 0) % 256 == 0)
			build(fd);
	} else {
		assert(strstr(error.text, "fuzz") != NULL);
	}
	close(fd);
	return 0;
}
