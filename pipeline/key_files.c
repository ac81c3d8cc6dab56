/* key_files.c - see key_files.h. Called by run_plan.c. Cannot fail: workers say what is wrong. */
#include "key_files.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define READ_MOST (16 * MR_MIB)

static uint64_t hash_file(const char *path, uint64_t seed)
{
	struct mr_buf bytes = {0};
	ssize_t got = 1;
	/* Not to hang where the name is a pipe's. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	while (fd >= 0 && got > 0 && bytes.len < READ_MOST) {
		got = read(fd, mr_buf_reserve(&bytes, 65536), 65536);
		bytes.len += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	uint64_t hash = mr_hash64(bytes.data == NULL ? "" : bytes.data, bytes.len, seed);
	if (bytes.data != NULL)
		explicit_bzero(bytes.data, bytes.capacity);
	mr_buf_fini(&bytes);
	return hash;
}

static uint64_t hash_part(const struct mr_config *settings, uint64_t hash)
{
	for (size_t i = 0; i < settings->count; i++) {
		const struct mr_setting_row *row =
		    mr_setting_find(MR_SCOPE_SINK, mr_slice(settings->items[i].name));
		if (row != NULL && mr_setting_is_read(row))
			hash = hash_file(settings->items[i].value, hash);
	}
	return hash;
}

uint64_t mr_key_files_hash(const struct mr_config *config)
{
	uint64_t hash = 0;
	const struct mr_part *sink;
	for (size_t i = 0; (sink = mr_config_part(config, MR_PART_SINK, i)) != NULL; i++)
		hash = hash_part(&sink->settings, hash);
	return hash;
}
