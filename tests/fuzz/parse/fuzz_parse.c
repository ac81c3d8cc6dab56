/* fuzz_parse.c - any bytes as one record, through the whole stage, with a dictionary of usual
 * names. */
#include "parse/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every value must lie in memory that is still there; texts are UTF-8. */
static void touch(struct harness *h, const struct mr_event *event)
{
	for (size_t id = 1; id < mr_fields_count(h->fields); id++) {
		const struct mr_value *value = mr_event_get(&h->events, event, (mr_field)id);
		for (; value != NULL; value = mr_value_next(&h->events, value)) {
			if (value->type == MR_NULL)
				continue;
			harness_must(mr_utf8_valid(value->text, value->len));
		}
	}
	harness_must(event->id.len > 0 && event->tenant.len > 0);
	harness_must(mr_utf8_valid(event->json.at, event->json.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct harness h;
	static const char *const names[] = {"a",
					    "a.b",
					    "a.b.c",
					    "Parameters",
					    "Parameters.Name",
					    "Parameters.ForwardTo",
					    "ModifiedProperties",
					    "ModifiedProperties.X.NewValue",
					    "ModifiedProperties.Name",
					    "TargetResources.ModifiedProperties.NewValue",
					    "properties.message",
					    "properties.a.b",
					    "Item.Attachments",
					    "Data.op",
					    "ExtendedProperties.additionalDetails.User-Agent",
					    "initiatedBy",
					    NULL};
	if (h.fields == NULL)
		harness_open(&h, names, NULL, NULL);
	uint64_t records = h.counters.at[MR_C_RECORDS];
	struct mr_event *event = harness_record(&h, (struct mr_slice){(const char *)data, size});
	if (event != NULL)
		touch(&h, event);
	else
		harness_must(h.reason[0] != '\0' || h.counters.at[MR_C_RECORDS] == records);
	return 0;
}
