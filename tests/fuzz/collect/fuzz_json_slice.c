/* fuzz_json_slice.c - any bytes through the JSON slicer: what comes out does not depend on how the
 * bytes came in, and no byte comes out twice. The first byte says how long the pieces are. */
#include <stdint.h>

#include "collect/decode_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	notes_fuzz(&mr_decode_json, data, size, 1);
	return 0;
}
