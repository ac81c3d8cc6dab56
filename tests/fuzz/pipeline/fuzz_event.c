/* fuzz_event.c - events over a link. */
#include <stdlib.h>

#include "millrace/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mr_fields *fields;
	static struct mr_events events;
	struct mr_slice bytes = {(const char *)data, size};
	size_t at = 0;
	if (fields == NULL) {
		fields = mr_fields_new();
		mr_events_init(&events, fields, 8);
	}
	mr_events_reset(&events);
	while (at < size && mr_event_decode(bytes, &at, &events, NULL) == MR_OK)
		continue;
	struct mr_buf out = {0};
	for (uint32_t i = 0; i < events.count; i++)
		mr_event_encode(&events, &events.items[i], &out);
	uint32_t count = events.count;
	mr_events_reset(&events);
	at = 0;
	while (at < out.len &&
	       mr_event_decode((struct mr_slice){out.data, out.len}, &at, &events, NULL) == MR_OK)
		continue;
	if (events.count != count || at != out.len)
		abort();
	mr_buf_fini(&out);
	return 0;
}
