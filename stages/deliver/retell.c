/* retell.c - a record's fields, by parsing and enriching it again (stage.h, reread).
 *
 * Called by deliver.c. Never fails. */
#include "retell.h"

void retell_init(struct retell *retell, const struct mr_stage_env *env,
		 struct record_reader *records)
{
	*retell = (struct retell){.env = env, .records = records};
}

void retell_fini(struct retell *retell)
{
	mr_packing_fini(&retell->packing);
	mr_arena_fini(&retell->arena);
	*retell = (struct retell){0};
}

/* One piece of evidence and what is to become of it. */
struct telling {
	struct retell *retell;
	struct mr_evidence *evidence;
};

static bool is_told(const struct mr_event *event, mr_field field)
{
	return mr_field_in_alert(field) && event->first[field] != 0;
}

/* The signal's own fields, then the event's. */
static void take(void *context, const struct mr_events *events, const struct mr_event *event)
{
	struct telling *telling = context;
	struct retell *retell = telling->retell;
	struct mr_evidence *evidence = telling->evidence;
	struct mr_signal_field *fields;
	uint32_t count = 0;

	mr_packing_begin(&retell->packing);
	mr_packing_add_shown(&retell->packing, &retell->arena, events, event, mr_shown_in_alert());
	struct mr_packed told = mr_packing_end(&retell->packing, &retell->arena);
	fields = mr_arena_alloc(&retell->arena,
				(evidence->field_count + told.count + (size_t)1) * sizeof *fields);
	for (uint32_t i = 0; i < evidence->field_count; i++)
		if (!is_told(event, evidence->fields[i].field))
			fields[count++] = evidence->fields[i];
	struct mr_packed_at at = mr_packed_begin(told.bytes);
	while (mr_packed_next(&at, &fields[count]))
		count++;
	evidence->fields = fields;
	evidence->field_count = count;
	mr_evidence_look(evidence, &retell->arena);
}

void retell_alert(struct retell *retell, struct mr_alert *alert)
{
	const struct mr_stage_env *env = retell->env;

	mr_arena_reset(&retell->arena);
	for (uint32_t i = 0; i < alert->evidence_count && env->reread != NULL; i++) {
		struct mr_evidence *evidence = &alert->evidence[i];
		const struct record *record = record_fetch(retell->records, evidence);
		/* Wherever the record began: one that was judged may begin as only a source may. */
		const struct mr_record again = {.bytes = record->came,
						.origin = evidence->origin,
						.name = evidence->origin.partition,
						.arrival_us = evidence->arrival_us};
		if (record->came.len > 0)
			env->reread(env->reread_context, &again, take,
				    &(struct telling){retell, evidence});
	}
}
