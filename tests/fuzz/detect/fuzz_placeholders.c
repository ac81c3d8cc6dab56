/* fuzz_placeholders.c - any bytes as the file of placeholders' values: an error that names it, or
 * a rule that uses them is active, inactive or refused with a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "known_leaks.h"
#include "sigma.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rule[] = "title: t\n"
			   "id: x\n"
			   "logsource: {}\n"
			   "detection:\n"
			   "  a:\n"
			   "    Operation|expand: '%admins%'\n"
			   "    UserId|expand|contains: 'a%users%b%users%'\n"
			   "  condition: a\n";

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int write_file(const void *bytes, size_t len, char path[64])
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_fields *fields = mr_fields_new();
	struct mr_error error = {0};
	struct sigma_set set;
	char rule_path[64], path[64];
	const char *paths[] = {rule_path};
	int rule_fd = write_file(rule, sizeof rule - 1, rule_path);
	int fd = write_file(data, size, path);
	if (sigma_load(paths, 1, path, fields, &set, &error) == MR_OK) {
		must(set.refused.count + set.catalog.count == 1);
		must(set.refused.count == 0 || set.refused.items[0].reason.len > 0);
		must(set.refused.count == 1 ||
		     set.catalog.rules[0].inactive == (set.rule_count == 0));
		sigma_set_fini(&set);
	} else {
		must(strstr(error.text, path) != NULL);
	}
	close(fd);
	close(rule_fd);
	mr_fields_free(fields);
	return 0;
}
