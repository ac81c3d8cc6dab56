/* closed.h - that events hold what mr_field_values says and nothing else, for the harnesses of the
 * stages that fill fields: `rules check` calls any other value impossible. */
#ifndef MILLRACE_TEST_CLOSED_H
#define MILLRACE_TEST_CLOSED_H

#include "millrace/event.h"

static inline bool closed_has(const char *const *values, size_t count, const struct mr_value *value)
{
	for (size_t i = 0; i < count; i++)
		if (value->type != MR_NULL &&
		    mr_slice_eq(mr_slice(values[i]), (struct mr_slice){value->text, value->len}))
			return true;
	return false;
}

static inline bool closed_holds(const struct mr_events *events, const struct mr_event *event)
{
	const char *const *values;
	for (int field = 1; field < MR_F_NORMALISED_END; field++) {
		size_t count = mr_field_values((mr_field)field, &values);
		const struct mr_value *value = mr_event_get(events, event, (mr_field)field);
		for (; count > 0 && value != NULL; value = mr_value_next(events, value))
			if (!closed_has(values, count, value))
				return false;
	}
	return true;
}

#endif
