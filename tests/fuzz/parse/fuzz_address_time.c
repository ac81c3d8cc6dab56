/* fuzz_address_time.c - any bytes as a time and as an address; an address, once read, reads as
 * itself. */
#include "parse/harness.h"
#include "forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = mr_malloc(size + (size == 0));
	if (size > 0)
		memcpy(exact, data, size);
	struct mr_slice text = {exact, size};
	struct mr_address address;
	struct mr_address again;
	int64_t time_us;
	if (mr_time_parse(text, &time_us)) {
		char iso[MR_TIME_TEXT];
		int64_t same;
		struct mr_slice written = {iso, mr_time_text(time_us, iso)};
		harness_must(mr_time_parse(written, &same) && same == time_us);
	}
	if (mr_address_parse(text, &address)) {
		harness_must(mr_address_parse(address.text, &again));
		harness_must(mr_slice_eq(address.text, again.text));
	}
	free(exact);
	return 0;
}
