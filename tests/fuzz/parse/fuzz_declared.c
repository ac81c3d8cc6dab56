/* fuzz_declared.c - any bytes as one record of a source that says what it holds: the forms of
 * Windows events. Twice each, since what is written alike is known the second time. */
#include "parse/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All values of all fields, as one text. */
static void put_all(struct harness *h, const struct mr_event *event, struct mr_buf *out)
{
	out->len = 0;
	for (size_t id = 1; id < mr_fields_count(h->fields); id++) {
		const struct mr_value *value = mr_event_get(&h->events, event, (mr_field)id);
		for (; value != NULL; value = mr_value_next(&h->events, value)) {
			mr_buf_printf(out, "%zu %d ", id, (int)value->type);
			if (value->type == MR_NULL)
				continue;
			harness_must(mr_utf8_valid(value->text, value->len));
			mr_buf_add(out, value->text, value->len);
		}
	}
	harness_must(event->id.len == 64 && event->kind == MR_KIND_DECLARED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct harness h;
	static struct mr_buf first, second;
	static const char *const names[] = {"Provider_Name",
					    "EventID",
					    "EventID_Qualifiers",
					    "Channel",
					    "Computer",
					    "Image",
					    "Data",
					    "a",
					    "a b",
					    "a.b",
					    "Event.EventData.a",
					    NULL};
	if (h.fields == NULL) {
		harness_logsource = "product=windows";
		harness_open(&h, names, NULL, NULL);
	}
	struct mr_event *event = harness_record(&h, (struct mr_slice){(const char *)data, size});
	if (event == NULL)
		return 0;
	put_all(&h, event, &first);
	event = harness_record(&h, (struct mr_slice){(const char *)data, size});
	harness_must(event != NULL);
	put_all(&h, event, &second);
	harness_must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	return 0;
}
