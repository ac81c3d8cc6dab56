/* plain.c - alerts of detections: one for each record, however often it comes.
 *
 * A detection is an event_count >= 1 with the record id as its key and slot 0 (PROTOCOL.md 6.3).
 * What is remembered is an id of (rule, tenant, kind, record id) and the time at
 * which it may go. Called by correlate.c, expiry.c, shed.c and snapshot.c; never fails. */
#include "shed.h"

#include <stdlib.h>

static bool is_free(const struct corr_plain_entry *entry)
{
	static const struct corr_id zero;
	return corr_id_equal(&entry->id, &zero);
}

static struct corr_plain_entry *place_of(const struct corr_plain *plain, const struct corr_id *id)
{
	uint32_t at = (uint32_t)corr_id_keyed(id) & plain->mask;
	while (!is_free(&plain->entries[at]) && !corr_id_equal(&plain->entries[at].id, id))
		at = (at + 1) & plain->mask;
	return &plain->entries[at];
}

static size_t bytes_of(const struct corr_plain *plain)
{
	return plain->entries == NULL ? 0 : ((size_t)plain->mask + 1) * sizeof(*plain->entries);
}

/* The entries that are not before the limit, in a table of a fitting size. */
static void rebuild(struct corr *corr, struct corr_plain *plain, uint32_t count, int64_t limit_us)
{
	struct corr_plain wider = {.mask = 15};
	while (((uint64_t)wider.mask + 1) * 3 < (uint64_t)count * 4)
		wider.mask = wider.mask * 2 + 1;
	wider.entries = mr_calloc((size_t)wider.mask + 1, sizeof(*wider.entries));
	for (uint32_t i = 0; plain->entries != NULL && i <= plain->mask; i++) {
		const struct corr_plain_entry *entry = &plain->entries[i];
		if (is_free(entry) || entry->time_us < limit_us)
			continue;
		*place_of(&wider, &entry->id) = *entry;
		wider.count++;
	}
	corr_weigh(corr, corr->catalog.count, bytes_of(&wider), bytes_of(plain));
	free(plain->entries);
	*plain = wider;
}

bool corr_plain_add(struct corr *corr, struct corr_plain *plain, const struct corr_id *id,
		    int64_t time_us)
{
	if (plain->entries == NULL ||
	    ((uint64_t)plain->count + 1) * 4 > ((uint64_t)plain->mask + 1) * 3)
		rebuild(corr, plain, plain->count + plain->count / 2 + 1, INT64_MIN);
	struct corr_plain_entry *place = place_of(plain, id);
	if (!is_free(place)) {
		if (time_us > place->time_us)
			place->time_us = time_us;
		return false;
	}
	*place = (struct corr_plain_entry){*id, time_us};
	plain->count++;
	return true;
}

void corr_plain_release(struct corr *corr, struct corr_plain *plain, int64_t limit_us)
{
	uint32_t left = 0;
	for (uint32_t i = 0; plain->entries != NULL && i <= plain->mask; i++)
		left += !is_free(&plain->entries[i]) && plain->entries[i].time_us >= limit_us;
	if (left < plain->count)
		rebuild(corr, plain, left + 1, limit_us);
}

/* One time may be that of all of them: then the ids decide. */
static int by_time_and_id(const void *a, const void *b)
{
	const struct corr_plain_entry *x = a, *y = b;
	if (x->time_us != y->time_us)
		return x->time_us < y->time_us ? -1 : 1;
	return corr_id_compare(&x->id, &y->id);
}

static bool is_future(const struct corr *corr, const struct corr_plain_entry *entry)
{
	int64_t from;
	return corr_future_from(corr, &from) && entry->time_us > from;
}

/* The table is made anew without those of the future, or, where there are none, of the newer half.
 */
uint32_t corr_plain_halve(struct corr *corr, struct corr_plain *plain)
{
	if (plain->count < 2)
		return 0;
	struct corr_plain_entry *entries = mr_malloc(plain->count * sizeof(*entries));
	uint32_t found = 0;
	for (uint32_t i = 0; i <= plain->mask; i++)
		if (!is_free(&plain->entries[i]))
			entries[found++] = plain->entries[i];
	qsort(entries, found, sizeof(*entries), by_time_and_id);
	uint32_t present = found, from = 0;
	while (present > 0 && is_future(corr, &entries[present - 1]))
		present--;
	if (present == found)
		from = found / 2;
	corr_plain_fini(corr, plain);
	for (uint32_t i = from; i < present; i++)
		corr_plain_add(corr, plain, &entries[i].id, entries[i].time_us);
	free(entries);
	return found - (present - from);
}

void corr_plain_fini(struct corr *corr, struct corr_plain *plain)
{
	if (plain->entries != NULL)
		corr_weigh(corr, corr->catalog.count, 0, bytes_of(plain));
	free(plain->entries);
	*plain = (struct corr_plain){0};
}

static void alert_write(struct corr *corr, const struct mr_rule *rule,
			const struct mr_signal *signal)
{
	struct mr_alert alert = {
	    .activity = MR_ACTIVITY_CREATE,
	    .rule = signal->rule,
	    .arrival_us = signal->arrival_us,
	    .tenant = signal->tenant,
	    .key_count = 1,
	    .key = {signal->record_id},
	    .has_time = signal->has_time,
	    .first_time_us = signal->time_us,
	    .last_time_us = signal->time_us,
	    .event_count = 1,
	    .evidence_count = 1,
	};
	alert.evidence[0] = (struct mr_evidence){
	    .rule = signal->rule,
	    .kind = signal->kind,
	    .has_time = signal->has_time,
	    .time_us = signal->time_us,
	    .arrival_us = signal->arrival_us,
	    .record_id = signal->record_id,
	    .origin = signal->origin,
	    .record = signal->record,
	    .field_count = signal->field_count,
	    .packed = signal->packed,
	};
	mr_alert_id(signal->tenant, rule->id, mr_record_kind_name(signal->kind), alert.key, 1, 0,
		    alert.id);
	mr_writer_alert(corr->out, &alert);
	mr_count(corr->env->counters, MR_C_ALERTS, 1);
	mr_count_of(corr->env->counters, mr_alert_source(&alert), MR_B_ALERTS, 1);
}

void corr_plain_observe(struct corr *corr, const struct mr_signal *signal)
{
	const struct mr_rule *rule = &corr->catalog.rules[signal->consumer];
	corr_scratch_begin(corr, 'p');
	corr_scratch_text(corr, rule->id);
	corr_scratch_text(corr, signal->tenant);
	corr_scratch_text(corr, mr_record_kind_name(signal->kind));
	corr_scratch_text(corr, signal->record_id);
	struct corr_id id = corr_id_of_scratch(corr);
	int64_t time_us = signal->has_time ? signal->time_us : signal->arrival_us;
	corr_count_beyond(corr, time_us, 0);
	if (corr_plain_add(corr, &corr->groups[signal->key_group].plain, &id, time_us))
		alert_write(corr, rule, signal);
	else
		mr_count(corr->env->counters, MR_C_REPEATED, 1);
	if (corr->bytes > corr->shed_at)
		corr_shed(corr, NULL);
}
