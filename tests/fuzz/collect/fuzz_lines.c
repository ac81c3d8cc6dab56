/* fuzz_lines.c - any bytes as the beginning of a stream: in the end it is known what they are, and
 * what is refused says why. */
#include "collect/stage_harness.h"
#include "lines.h"

static bool known(const char *bytes, size_t len, bool last)
{
	char why[MR_LINES_WHY];
	char *exact = mr_malloc(len + (len == 0));
	size_t mark;

	if (len > 0)
		memcpy(exact, bytes, len);
	bool is = mr_lines_known((struct mr_slice){exact, len}, last, why, &mark);
	stage_must(mark <= len && memchr(why, 0, sizeof(why)) != NULL);
	stage_must(is || *why == 0);
	free(exact);
	return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;

	for (size_t len = size / 2; len < size; len += 1 + size / 8)
		known(bytes, len, false);
	stage_must(known(bytes, size, true));
	stage_must(size < MR_LINES_HEAD || known(bytes, size, false));
	return 0;
}
