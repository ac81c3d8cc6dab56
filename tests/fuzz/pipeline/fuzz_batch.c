/* fuzz_batch.c - batch headers, frames and the record reader over any bytes. */
#include <stdlib.h>

#include "millrace/json.h"
#include "stage_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_records(struct mr_slice body, enum mr_form form)
{
	struct mr_region region = {.form = form, .length = body.len};
	struct mr_reader in = {0};
	struct mr_record record;
	const char *before = body.at;
	if (form == MR_FORM_ITEMS)
		mr_reader_open_items(&in, MR_CONTENT_RECORDS, 2, body);
	else
		mr_reader_open_records(&in, &region, body);
	for (; mr_reader_record(&in, &record); mr_reader_advance(&in)) {
		bool inside = record.bytes.at >= before && record.bytes.at <= body.at + body.len &&
			      record.bytes.len <= (size_t)(body.at + body.len - record.bytes.at);
		if (!inside || (form == MR_FORM_LINES && record.bytes.len == 0))
			abort();
		before = record.bytes.at + record.bytes.len;
	}
	mr_reader_finish(&in, NULL);
	mr_reader_fini(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_slice bytes = {(const char *)data, size};
	struct mr_batch_header header, again;
	struct mr_buf out = {0};
	read_records(bytes, MR_FORM_LINES);
	read_records(bytes, MR_FORM_FRAMES);
	read_records(bytes, MR_FORM_ITEMS);
	if (mr_batch_header_decode(bytes, &header, NULL) != MR_OK)
		return 0;
	/* What decodes encodes to something that decodes to the same. */
	mr_batch_header_encode(&header, &out);
	if (mr_batch_header_decode((struct mr_slice){out.data, out.len}, &again, NULL) != MR_OK ||
	    again.sequence != header.sequence || again.next_position != header.next_position)
		abort();
	mr_buf_fini(&out);
	return 0;
}
