/* fuzz_address.c - any bytes as a client's address: taken or refused as a naive reader does with
 * inet_pton, and written the same. */
#include "parse/harness.h"
#include "forms.h"
#include "naive_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mr_slice trimmed(struct mr_slice text)
{
	while (text.len > 0 && (*text.at == ' ' || *text.at == '\t'))
		text = (struct mr_slice){text.at + 1, text.len - 1};
	while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
		text.len--;
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = mr_malloc(size);
	if (size > 0)
		memcpy(exact, data, size);
	struct mr_slice text = {exact, size};
	struct mr_address address;
	struct naive_address naive;
	bool good = mr_address_parse(text, &address);
	harness_must(good == naive_address(trimmed(text), &naive));
	if (good) {
		harness_must(mr_slice_eq(address.text, mr_slice(naive.text)));
		harness_must(address.has_port == (naive.port >= 0));
		harness_must(!address.has_port || address.port == naive.port);
	}
	free(exact);
	return 0;
}
