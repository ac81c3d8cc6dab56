/* fuzz_signal.c - signals, one behind the other. */
#include <stdlib.h>

#include "millrace/signal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_slice bytes = {(const char *)data, size};
	struct mr_arena arena = {0};
	struct mr_signal signal;
	size_t at = 0;
	while (at < size && mr_signal_decode(bytes, &at, &arena, &signal, NULL) == MR_OK) {
		struct mr_buf out = {0};
		struct mr_signal again;
		size_t again_at = 0;
		mr_signal_encode(&signal, &out);
		if (mr_signal_decode((struct mr_slice){out.data, out.len}, &again_at, &arena,
				     &again, NULL) != MR_OK ||
		    again_at != out.len || again.field_count != signal.field_count)
			abort();
		mr_buf_fini(&out);
	}
	mr_arena_fini(&arena);
	return 0;
}
