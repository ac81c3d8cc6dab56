/* fuzz_json.c - any bytes as a document: what is taken must read as a naive reader reads it, what
 * is refused must be refused by the reader that says where and why. */
#include "pipeline/naive_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mr_json_reader *reader;
	if (reader == NULL)
		reader = mr_json_reader_new(1 << 20);
	char *exact = mr_malloc(size + MR_JSON_PADDING);
	if (size > 0)
		memcpy(exact, data, size);
	memset(exact + size, '"', MR_JSON_PADDING);
	struct mr_slice doc = {exact, size};
	struct mr_json_node root;
	struct mr_error error = {0};
	if (mr_json_read(reader, doc, &root, &error) == MR_OK)
		naive_check(reader, doc, root);
	else if (size <= 1 << 20 && strstr(error.text, " at offset ") == NULL)
		abort();
	free(exact);
	return 0;
}
