/* fuzz_csv.c - any bytes through the CSV reader: what comes out does not depend on how the bytes
 * came in, and no byte comes out twice. The first byte says how long the pieces are. */
#include <stdint.h>

#include "collect/decode_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_slice text;
	struct notes whole;
	struct notes pieces;
	char *exact;

	if (size < 1)
		return 0;
	exact = mr_malloc(size);
	memcpy(exact, data + 1, size - 1);
	text = (struct mr_slice){exact, size - 1};
	(void)mr_decode_csv.probe(text, (data[0] & 1) != 0);
	notes_run(&whole, &mr_decode_csv, text, 0, NULL);
	notes_run(&pieces, &mr_decode_csv, text, 1 + data[0] % 16, NULL);
	notes_must(whole.lines.len == pieces.lines.len);
	notes_must(memcmp(whole.lines.data, pieces.lines.data, whole.lines.len) == 0);
	/* A byte may stand in a record and in the broken row that the record is from. */
	notes_must(whole.bytes <= 2 * text.len);
	notes_fini(&whole);
	notes_fini(&pieces);
	notes_run(&pieces, &mr_decode_csv, text, 1 + data[0] % 16, "cut");
	notes_must(pieces.bytes <= 2 * text.len);
	notes_fini(&pieces);
	free(exact);
	return 0;
}
