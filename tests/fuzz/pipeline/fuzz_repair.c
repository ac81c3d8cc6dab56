/* fuzz_repair.c - any bytes to be repaired: within its bound, and once is enough. */
#include <stdlib.h>
#include <string.h>

#include "millrace/memory.h"
#include "millrace/repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = mr_malloc(size + (size == 0));
	if (size > 0)
		memcpy(exact, data, size);
	char *once = mr_malloc(mr_repair_max(size));
	size_t len = mr_repair((struct mr_slice){exact, size}, once);
	must(len <= mr_repair_max(size));
	char *twice = mr_malloc(mr_repair_max(len));
	must(mr_repair((struct mr_slice){once, len}, twice) == 0);
	free(exact);
	free(once);
	free(twice);
	return 0;
}
