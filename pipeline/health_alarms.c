/* health_alarms.c - which alarms there are, from what is known (alarm.def).
 *
 * Called by health.c, at each turn. Nothing here fails. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "health.h"
#include "hosts.h"
#include "service.h"
#include "supervisor.h"

#define QUIET_US 600000000     /* what has not come for so long is over */
#define STALLED_US 10000000    /* intake that stands still for so long has stopped */
#define FAILING_US 60000000    /* a receiver that fails for so long is no hiccup */
#define HOLDING_US 180000000   /* a source that others' alerts wait for is told after so long */
#define LATE_TIMES 3           /* a checkpoint is late after so many intervals, */
#define LATE_LEAST_US 30000000 /* and so long at least */

void mr_health_put(struct mr_health *health, enum mr_alarm alarm, bool there, const char *words)
{
	if (there)
		mr_alarm_raise(&health->alarms, alarm, mr_clock_wall_us(), words);
	else
		mr_alarm_clear(&health->alarms, alarm, mr_clock_wall_us());
}

/* ---- of the run ---- */

/* What the counters of this incarnation say; they begin at 0 with each. */
static void check_counters(struct mr_health *health, int64_t now_us)
{
	const struct mr_counters *sums = &health->supervisor->sums;
	uint64_t shed = sums->at[MR_C_STATE_SHED];
	if (shed > health->shed)
		health->shed_us = now_us;
	health->shed = shed;
	mr_health_put(health, MR_ALARM_STATE_SHED,
		      health->shed_us != 0 && now_us - health->shed_us < QUIET_US, NULL);
	uint64_t late = sums->at[MR_C_BEYOND_LATENESS];
	bool was_late = health->late_us != 0 && now_us - health->late_us < QUIET_US;
	if (late > health->late) {
		health->late_us = now_us;
		health->late_more = (was_late ? health->late_more : 0) + late - health->late;
	}
	health->late = late;
	char words[MR_ALARM_WORDS];
	snprintf(words, sizeof words, "beyond_lateness: %llu",
		 (unsigned long long)health->late_more);
	mr_health_put(health, MR_ALARM_EVENTS_LATE, was_late || health->late_us == now_us, words);
	uint64_t taken = sums->at[MR_C_BYTES_COLLECTED];
	bool held = false;
	for (uint32_t i = 0; i < health->supervisor->worker_count; i++)
		held |= mr_supervisor_is_source(health->supervisor, i) &&
			health->supervisor->workers[i].watched.queued > 0;
	if (!held || taken != health->bytes_taken)
		health->taken_us = now_us;
	health->bytes_taken = taken;
	mr_health_put(health, MR_ALARM_INTAKE_STOPPED,
		      held && now_us - health->taken_us >= STALLED_US, NULL);
}

/* One death is mended by the start after it. */
static void check_deaths(struct mr_health *health, int64_t now_us)
{
	uint64_t deaths = health->deaths;
	bool again = deaths >= MR_HEALTH_DEATHS &&
		     now_us - health->death_us[deaths % MR_HEALTH_DEATHS] < QUIET_US;
	mr_health_put(health, MR_ALARM_WORKERS_DYING, again, health->last_death);
}

static void check_checkpoints(struct mr_health *health, int64_t now_us)
{
	const struct mr_checkpoint *checkpoint = &health->service->checkpoint;
	char words[MR_ALARM_WORDS];
	mr_health_put(health, MR_ALARM_CHECKPOINT_FAILED, checkpoint->failures > 0,
		      checkpoint->last_failure);
	int64_t late_us = checkpoint->due_us + checkpoint->interval_us * (LATE_TIMES - 1);
	if (late_us < checkpoint->due_us + LATE_LEAST_US)
		late_us = checkpoint->due_us + LATE_LEAST_US;
	snprintf(words, sizeof words, "the last one is %llu",
		 (unsigned long long)checkpoint->last.number);
	mr_health_put(health, MR_ALARM_CHECKPOINT_LATE,
		      health->supervisor->started && now_us > late_us, words);
}

static void check_hosts(struct mr_health *health, int64_t now_us)
{
	struct mr_buf missing = {0};
	if (health->waits_us != 0 && now_us - health->waits_us >= STALLED_US)
		mr_hosts_missing(health->supervisor, &missing);
	bool there = missing.len > 0;
	mr_buf_add(&missing, "", 1);
	mr_health_put(health, MR_ALARM_HOST_MISSING, there, missing.data);
	mr_buf_fini(&missing);
}

/* ---- of sources and sinks ---- */

/* Which one it is, and what is known of it. */
struct part_alarm {
	enum mr_alarm alarm;
	bool (*is_raised)(const struct mr_health *health, const struct mr_health_part *part,
			  int64_t now_us);
	const char *(*words)(const struct mr_health_part *part); /* NULL: none */
	const char *(*all)(struct mr_health *health);            /* of all, likewise */
};

/* Whose they are stands before them. */
static const char *words_of(const struct mr_health_part *part)
{
	char own[MR_NAME_MAX + 8];
	int len = snprintf(own, sizeof own, "sink %s: ", part->name);
	return strncmp(part->words, own, (size_t)len) == 0 ? part->words + len : part->words;
}

static const char *input_of(const struct mr_health_part *part)
{
	return part->input;
}

/* Raised for all that it is true of. */
static void check_parts(struct mr_health *health, const struct mr_health_parts *parts,
			const struct part_alarm *alarm, int64_t now_us)
{
	struct mr_buf names = {0};
	for (size_t i = 0; i < parts->count; i++) {
		const struct mr_health_part *part = &parts->items[i];
		if (!alarm->is_raised(health, part, now_us))
			continue;
		const char *words = alarm->words == NULL ? "" : alarm->words(part);
		mr_buf_printf(&names, "%s%s%s%s", names.len > 0 ? ", " : "", part->name,
			      words[0] == '\0' ? "" : ": ", words);
	}
	bool there = names.len > 0;
	if (there && alarm->all != NULL)
		mr_buf_printf(&names, "%s", alarm->all(health));
	mr_buf_add(&names, "", 1);
	mr_health_put(health, alarm->alarm, there, names.data);
	mr_buf_fini(&names);
}

static bool is_full(const struct mr_health *health, const struct mr_health_part *part,
		    int64_t now_us)
{
	(void)health;
	(void)now_us;
	return part->known && part->figures.full;
}

static bool has_unread(const struct mr_health *health, const struct mr_health_part *source,
		       int64_t now_us)
{
	(void)health;
	(void)now_us;
	return source->known && source->figures.unread > 0;
}

static uint64_t waiting_slots(const struct mr_health *health)
{
	return health->service == NULL ? 0 : health->service->checkpoint.waiting;
}

/* Others have come further. */
static bool is_behind(const struct mr_health *health, const struct mr_source_mark *mark)
{
	bool behind = false;
	for (uint32_t i = 0; i < health->marks.count; i++)
		behind |= health->marks.items[i].highest_us > mark->highest_us;
	return behind;
}

/* Its records are read, and its event time does not move; that of one which never had a record is
 * of interest where others wait for it. */
static bool is_stuck(const struct mr_health *health, const struct mr_health_part *source,
		     int64_t now_us)
{
	for (uint32_t k = 0; k < health->marks.count; k++) {
		const struct mr_source_mark *mark = &health->marks.items[k];
		if (mark->source != source->number || mark->state != MR_SOURCE_ACTIVE ||
		    mark->source >= MR_SOURCES_MAX || health->mark_us[mark->source] == 0)
			continue;
		int64_t stands_us = now_us - health->mark_us[mark->source];
		if (waiting_slots(health) > 0 && is_behind(health, mark))
			return stands_us >= HOLDING_US;
		return mark->highest_us != MR_NO_TIME && stands_us >= QUIET_US;
	}
	return false;
}

static const char *held_up(struct mr_health *health)
{
	uint64_t slots = waiting_slots(health);
	health->held_up[0] = '\0';
	if (slots > 0)
		snprintf(health->held_up, sizeof health->held_up,
			 "; %llu slot%s of correlations that settle wait%s to be judged",
			 (unsigned long long)slots, slots == 1 ? "" : "s", slots == 1 ? "s" : "");
	return health->held_up;
}

static const struct part_alarm source_alarms[] = {
    {MR_ALARM_JOURNAL_FULL, is_full, NULL, NULL},
    {MR_ALARM_INPUT_UNREAD, has_unread, input_of, NULL},
    {MR_ALARM_WATERMARK_STUCK, is_stuck, NULL, held_up},
};
#define SOURCE_ALARMS (sizeof source_alarms / sizeof *source_alarms)

void mr_health_source_alarms(const struct mr_health *health, const struct mr_health_part *source,
			     struct mr_buf *out)
{
	for (size_t k = 0; k < SOURCE_ALARMS; k++) {
		if (source_alarms[k].is_raised(health, source, mr_clock_us()))
			mr_buf_printf(out, "%s%s", out->len > 0 ? ", " : "",
				      mr_alarm_row(source_alarms[k].alarm)->name);
	}
}

const char *mr_health_full_sink(const struct mr_health *health)
{
	for (size_t i = 0; health != NULL && i < health->sinks.count; i++) {
		const struct mr_health_part *sink = &health->sinks.items[i];
		if (sink->known && sink->figures.full)
			return sink->name;
	}
	return NULL;
}

bool mr_health_full_letters(const struct mr_health *health)
{
	return health != NULL && health->dead_letter.known && health->dead_letter.figures.full;
}

static bool fails_for_long(const struct mr_health *health, const struct mr_health_part *sink,
			   int64_t now_us)
{
	(void)health;
	return sink->failing_us != 0 && now_us - sink->failing_us >= FAILING_US;
}

static bool has_refused(const struct mr_health *health, const struct mr_health_part *sink,
			int64_t now_us)
{
	(void)health;
	return sink->refused_us != 0 && now_us - sink->refused_us < QUIET_US;
}

static const struct part_alarm sink_alarms[] = {
    {MR_ALARM_SINK_FULL, is_full, words_of, NULL},
    {MR_ALARM_RECEIVER_FAILING, fails_for_long, words_of, NULL},
    {MR_ALARM_ALERTS_REFUSED, has_refused, NULL, NULL},
};
#define SINK_ALARMS (sizeof sink_alarms / sizeof *sink_alarms)

static void check_all_parts(struct mr_health *health, int64_t now_us)
{
	for (size_t k = 0; k < SOURCE_ALARMS; k++)
		check_parts(health, &health->sources, &source_alarms[k], now_us);
	for (size_t k = 0; k < SINK_ALARMS; k++)
		check_parts(health, &health->sinks, &sink_alarms[k], now_us);
	mr_health_put(health, MR_ALARM_DEAD_LETTER_FULL, mr_health_full_letters(health), NULL);
}

/* ---- of rules ---- */

static void check_rules(struct mr_health *health)
{
	char words[MR_ALARM_WORDS];
	const struct mr_catalog *catalog = &health->supervisor->catalog;
	uint32_t filters = 0;
	for (uint32_t i = 0; i < catalog->refused; i++)
		filters += catalog->refusals[i].filter;
	uint32_t rules = catalog->refused - filters;
	char of_rules[32] = "", of_filters[32] = "";
	if (rules > 0)
		snprintf(of_rules, sizeof of_rules, "%u rule%s", rules, rules == 1 ? "" : "s");
	if (filters > 0)
		snprintf(of_filters, sizeof of_filters, "%s%u filter%s", rules > 0 ? ", " : "",
			 filters, filters == 1 ? "" : "s");
	snprintf(words, sizeof words, "%s%s", of_rules, of_filters);
	mr_health_put(health, MR_ALARM_RULES_REFUSED, catalog->refused > 0, words);
	const char *failure = health->service->reload.failure;
	mr_health_put(health, MR_ALARM_RELOAD_REFUSED, failure[0] != '\0', failure);
}

void mr_health_check(struct mr_health *health, int64_t now_us)
{
	check_counters(health, now_us);
	check_deaths(health, now_us);
	check_checkpoints(health, now_us);
	check_hosts(health, now_us);
	check_all_parts(health, now_us);
	check_rules(health);
}
