/* fuzz_csv.c - any bytes through the CSV reader: what comes out does not depend on how the bytes
 * came in, and no byte comes out twice. The first byte says how long the pieces are. */
#include <stdint.h>

#include "collect/decode_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A byte may stand in a record and in the broken row that the record is from. */
	notes_fuzz(&mr_decode_csv, data, size, 2);
	return 0;
}
