/* fuzz_lookup_address.c - any bytes as an address to look up: the bits that inet_pton gives, with
 * IPv4 written as IPv6 turned back. */
#include "address.h"
#include "naive_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static uint64_t big_endian(const uint8_t *at)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

/* The deprecated ::a.b.c.d, which is IPv4 too, save :: and ::1. */
static bool is_compatible(const uint8_t *bytes)
{
	static const uint8_t zeros[12];

	return memcmp(bytes, zeros, sizeof(zeros)) == 0 && big_endian(bytes + 8) > 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = mr_malloc(size);
	struct mr_slice text = {exact, size};
	struct naive_address naive;

	if (size > 0)
		memcpy(exact, data, size);
	bool good = !naive_has_zero(text) && naive_host(text, false, &naive);
	struct address address = address_parse(text);
	free(exact);
	must(good == (address.family != ADDRESS_NONE));
	if (!good)
		return 0;
	bool v4 = naive.v4 || (!naive.dotted && is_compatible(naive.bytes));
	must(v4 == (address.family == ADDRESS_V4));
	if (v4)
		must(address.v4 == (uint32_t)big_endian(naive.bytes + 8));
	else
		must(address.high == big_endian(naive.bytes) &&
		     address.low == big_endian(naive.bytes + 8));
	return 0;
}
