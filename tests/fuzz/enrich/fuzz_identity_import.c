/* Any bytes as NDJSON or CSV of people: entries are taken or refused, and each that was taken is
 * found in the table that comes of it. */
#include "identity_import.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "millrace/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char store[64];

static void forget(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", store);
	if (system(command) != 0)
		perror(command);
}

static void silence(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		    size_t len)
{
	(void)kind;
	(void)context;
	(void)level;
	(void)line;
	(void)len;
}

static void set_up(void)
{
	snprintf(store, sizeof(store), "%s/millrace-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert(mkdtemp(store) != NULL);
	atexit(forget);
	mr_log_set_sink(silence, NULL);
}

static void check(uint32_t taken)
{
	struct mr_error error = {0};
	struct identity_table table;
	char *generation = identity_store_current(store);
	size_t size;
	enum mr_err err = identity_store_open(generation, NULL, &size, NULL, &table, &error);

	assert(err == MR_OK && table.header->people == taken);
	bool *seen = mr_calloc(table.people_bytes / IDENTITY_PLACE_BYTES, sizeof(*seen));
	uint32_t people = 0;
	for (uint32_t i = 0; i < table.slot_count; i++) {
		uint32_t place = table.slots[i] & table.place_mask;
		const struct identity_person *person = identity_person_at(&table, place);
		char guid[IDENTITY_GUID_CHARS];

		if (place == 0 || seen[place])
			continue;
		seen[place] = true;
		people++;
		struct mr_slice id = identity_id(person, guid);
		struct mr_slice upn = identity_own(person, IDENTITY_UPN);
		assert(identity_find(&table, id, identity_hash(&table, id)) == person);
		assert(upn.len == 0 ||
		       identity_find(&table, upn, identity_hash(&table, upn)) == person);
		assert(identity_shown_upn(person).len != 0);
	}
	assert(people == taken);
	free(seen);
	munmap((void *)(uintptr_t)table.header, size);
	free(generation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity_import import;
	struct mr_error error = {0};
	char path[32];
	const char *files[] = {path};
	uint32_t taken = 0;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (store[0] == 0)
		set_up();
	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	enum mr_err err = identity_import_init(&import, store, files, &error);
	assert(err == MR_OK);
	import.force = true; /* what looks like a broken export is the point here */
	err = identity_read_file(&import, 0, &error);
	if (err == MR_OK && import.count > 0) {
		err = identity_import_commit(&import, &taken, &error);
		assert(err == MR_OK);
		check(taken);
	} else if (err != MR_OK) {
		assert(strstr(error.text, path) != NULL);
	}
	identity_import_fini(&import);
	close(fd);
	return 0;
}
