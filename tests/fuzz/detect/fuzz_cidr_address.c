/* fuzz_cidr_address.c - any bytes as an address that a CIDR is asked about: each form that a naive
 * reader takes is taken and has its bits. */
#include "engine_value.h"
#include "naive_address.h"

#define ADDRESS_MAX 128 /* with zone, brackets and port: what is longer is no address */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = mr_malloc(size);
	struct mr_slice text = {exact, size};
	struct naive_address naive;
	uint8_t bytes[16];
	if (size > 0)
		memcpy(exact, data, size);
	bool good = engine_address_read(text, bytes);
	if (size <= ADDRESS_MAX && naive_address(text, &naive) &&
	    (!good || memcmp(bytes, naive.bytes, 16) != 0))
		abort();
	if (size > ADDRESS_MAX && good)
		abort();
	if (good && !engine_address_within(bytes, bytes, 128))
		abort();
	free(exact);
	return 0;
}
