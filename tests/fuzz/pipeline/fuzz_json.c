/* fuzz_json.c - any bytes as a document: what is taken must read as simdjson's DOM and a naive
 * reader read it, what is refused must be refused by the DOM and by the reader that says where and
 * why. */
#include "pipeline/naive_json.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* So often that values which stay the same are known as such (json_shape.h); one letter or digit
 * does not stay. */
#define TIMES 40

static void become_known(struct mr_json_reader *reader, struct mr_slice doc, char *varies)
{
	struct mr_json_node root;
	char was = *varies;
	for (int i = 0; i < TIMES; i++) {
		if (isalnum((unsigned char)was))
			*varies = (char)(was ^ (i & 1));
		mr_json_read(reader, doc, &root, NULL);
	}
	*varies = was;
}

/* Read again, it may be known by its shape. */
static void judge(struct mr_json_reader *reader, struct mr_slice doc)
{
	struct mr_json_node root;
	struct mr_error error = {0};
	bool taken = mr_json_read(reader, doc, &root, &error) == MR_OK;
	if (doc.len <= 1 << 20 && !mr_json_as_dom(reader, doc, taken))
		abort();
	if (taken)
		naive_check(reader, doc, root);
	else if (doc.len <= 1 << 20 && strstr(error.text, " at offset ") == NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_json_reader *reader = mr_json_reader_new(size);
	mr_json_reader_learns(reader);
	char *exact = mr_malloc(size + MR_JSON_PADDING);
	if (size > 0)
		memcpy(exact, data, size);
	memset(exact + size, '"', MR_JSON_PADDING);
	struct mr_slice doc = {exact, size};
	judge(reader, doc);
	judge(reader, doc);
	become_known(reader, doc, exact + (size > 0 ? (size_t)data[0] * size / 256 : 0));
	judge(reader, doc);
	/* Almost like one that is known. */
	for (size_t i = 0; i < 4 && size > 4; i++) {
		size_t at = (size_t)data[i] * size / 256;
		exact[at] = (char)data[size - 1 - i];
		judge(reader, doc);
		exact[at] = (char)data[at];
	}
	free(exact);
	mr_json_reader_free(reader);
	return 0;
}
