/* fuzz_alike.c - any bytes as a record, behind one that is written alike: the event is the one that
 * the record gives alone. The first byte says how the two differ. */
#include "parse/alike.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct mr_slice second = {(const char *)data + 1, size - 1};
	char *first = mr_malloc(second.len);
	memcpy(first, second.at, second.len);
	alike_turn(first, second.len, data[0] >> 1, (data[0] & 1) != 0);
	alike_check((struct mr_slice){first, second.len}, second);
	free(first);
	return 0;
}
