/* fuzz_snapshot.c - snapshots, as they are and with a checksum that holds. */
#include <stdlib.h>

#include "millrace/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct mr_slice bytes)
{
	struct mr_snapshot snapshot;
	struct mr_section section;
	const char *end = bytes.at + bytes.len;
	enum mr_err err = mr_snapshot_open(bytes, "correlate", &snapshot, NULL);
	while (mr_snapshot_next(&snapshot, &section)) {
		if (err != MR_OK || section.name.at < bytes.at ||
		    section.name.at + section.name.len != section.bytes.at ||
		    section.bytes.len > (size_t)(end - section.bytes.at))
			abort();
	}
	if (snapshot.sections.len != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_buf out = {0};
	walk((struct mr_slice){(const char *)data, size});
	mr_buf_add(&out, data, size);
	mr_snapshot_end(&out, 0);
	walk((struct mr_slice){out.data, out.len});
	out.len = 0;
	mr_snapshot_begin(&out, "correlate");
	mr_buf_add(&out, data, size);
	mr_snapshot_end(&out, 0);
	walk((struct mr_slice){out.data, out.len});
	mr_buf_fini(&out);
	return 0;
}
