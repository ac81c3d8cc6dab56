/* fuzz_alert.c - alerts and rejected records. */
#include <stdlib.h>

#include "millrace/alert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rejects(struct mr_slice bytes)
{
	struct mr_reject reject;
	size_t at = 0;
	while (at < bytes.len && mr_reject_decode(bytes, &at, &reject, NULL) == MR_OK) {
		struct mr_buf out = {0};
		mr_reject_encode(&reject, &out);
		mr_buf_fini(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_slice bytes = {(const char *)data, size};
	struct mr_arena arena = {0};
	struct mr_alert alert;
	size_t at = 0;
	rejects(bytes);
	while (at < size && mr_alert_decode(bytes, &at, &arena, &alert, NULL) == MR_OK) {
		struct mr_buf out = {0};
		struct mr_alert again;
		size_t again_at = 0;
		mr_alert_encode(&alert, &out);
		if (mr_alert_decode((struct mr_slice){out.data, out.len}, &again_at, &arena, &again,
				    NULL) != MR_OK ||
		    again_at != out.len || again.evidence_count != alert.evidence_count)
			abort();
		mr_buf_fini(&out);
	}
	mr_arena_fini(&arena);
	return 0;
}
