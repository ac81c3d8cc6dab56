/* fuzz_pushdown.c - any bytes as a record, with a dictionary of many names and with one of few: the
 * verdict is the same, and so is all that the few names ask for. The first byte says which few. */
#include "parse/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAMES 24
#define SUBSETS 16

static const char *const names[NAMES + 1] = {"a",
					     "a.b",
					     "a.b.c",
					     "a.b.c.d",
					     "b",
					     "b.a",
					     "x",
					     "Parameters",
					     "Parameters.Name",
					     "Parameters.Value",
					     "Parameters.ForwardTo",
					     "Parameters.a.b",
					     "ModifiedProperties",
					     "ModifiedProperties.X.NewValue",
					     "ModifiedProperties.X.OldValue.a",
					     "ModifiedProperties.Name",
					     "TargetResources.ModifiedProperties.NewValue",
					     "properties",
					     "properties.message",
					     "properties.a.b",
					     "native.time",
					     "ExtendedProperties.additionalDetails.User-Agent",
					     "initiatedBy.user.id",
					     "Id.a"};

static struct harness many;
static struct harness few[SUBSETS];

/* Name n is in subset s where a bit of a hash says so: none in the first. */
static void open_all(void)
{
	harness_open(&many, names, NULL, NULL);
	for (uint64_t s = 0; s < SUBSETS; s++) {
		const char *list[NAMES + 1];
		size_t count = 0;
		for (uint64_t n = 0; n < NAMES; n++)
			if (s > 0 && mr_hash64(&n, sizeof n, s) % 3 == 0)
				list[count++] = names[n];
		list[count] = NULL;
		harness_open(&few[s], list, NULL, NULL);
	}
}

static void compare(struct harness *wanted, const struct mr_event *a, const struct mr_event *b)
{
	harness_same_event(a, b);
	for (size_t id = 1; id < mr_fields_count(wanted->fields); id++) {
		mr_field other =
		    mr_fields_find(many.fields, mr_fields_name(wanted->fields, (mr_field)id));
		harness_must(other != 0);
		harness_same_values(&wanted->events, mr_event_get(&wanted->events, a, (mr_field)id),
				    &many.events, mr_event_get(&many.events, b, other));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (many.fields == NULL)
		open_all();
	struct harness *wanted = &few[data[0] % SUBSETS];
	struct mr_slice record = {(const char *)data + 1, size - 1};
	struct mr_event *a = harness_record(wanted, record);
	struct mr_event *b = harness_record(&many, record);
	harness_must((a == NULL) == (b == NULL));
	harness_must(strcmp(wanted->reason, many.reason) == 0);
	if (a != NULL)
		compare(wanted, a, b);
	return 0;
}
