/* fuzz_snapshot.c - snapshots, as they are and with a checksum that holds. */
#include <stdlib.h>

#include "millrace/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find_all(struct mr_slice bytes)
{
	for (unsigned group = 0; group < MR_KEY_GROUPS; group += 51) {
		struct mr_slice section;
		enum mr_err err =
		    mr_snapshot_find(bytes, "correlate", (uint8_t)group, &section, NULL);
		if (err == MR_OK && section.len > bytes.len)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_buf out = {0};
	find_all((struct mr_slice){(const char *)data, size});
	mr_buf_add(&out, data, size);
	mr_snapshot_end(&out, 0);
	find_all((struct mr_slice){out.data, out.len});
	out.len = 0;
	mr_snapshot_begin(&out, "correlate");
	mr_buf_add(&out, data, size);
	mr_snapshot_end(&out, 0);
	find_all((struct mr_slice){out.data, out.len});
	mr_buf_fini(&out);
	return 0;
}
