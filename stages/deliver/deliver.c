/* deliver.c - the last stage: alerts to the sinks, rejected records to the dead-letter file.
 *
 * Called by the pipeline as any stage. In scan the descriptors of both outputs are the tables
 * deliver.output and deliver.dead_letter, opened by the supervisor; without the second, rejected
 * records are only counted, and MR_NO_SPACE or MR_IO tells where an output cannot be written. In a
 * service the settings name the sinks, and one that can take no more makes process say MR_FULL, so
 * that nothing is read any more. Fails with MR_PROTOCOL where an alert names a rule that the
 * catalog does not have. */
#include "millrace/stage.h"

#include "message.h"
#include "needs.h"
#include "ocsf.h"
#include "outputs.h"
#include "record.h"
#include "refused.h"
#include "sheds.h"

#include <stdio.h>

struct deliver {
	const struct mr_stage_env *env;
	struct mr_catalog catalog;
	struct mr_declared declared;
	struct record_reader records;
	struct ocsf ocsf;
	struct outputs outputs;
	struct refused refused;
	struct sheds sheds;
	struct mr_buf line;
	bool line_waits;    /* of an alert that a sink had no room for */
	uint64_t unwritten; /* rejected records that no file was asked for */
	char example[300];  /* the first of them, and why */
};

static enum mr_err open_catalog(struct deliver *deliver, struct mr_error *error)
{
	struct mr_slice bytes;
	enum mr_err err = mr_tables_map(deliver->env->tables, "catalog", &bytes, error);
	if (err == MR_OK)
		err = mr_catalog_decode(bytes, &deliver->catalog, error);
	return err;
}

static void deliver_close(void *state)
{
	struct deliver *deliver = state;
	outputs_close(&deliver->outputs);
	ocsf_fini(&deliver->ocsf);
	record_reader_fini(&deliver->records);
	refused_fini(&deliver->refused);
	sheds_fini(&deliver->sheds);
	mr_buf_fini(&deliver->line);
	mr_catalog_fini(&deliver->catalog);
	mr_declared_fini(&deliver->declared);
}

static enum mr_err deliver_open(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct deliver *deliver = state;
	int64_t record_bytes;
	deliver->env = env;
	enum mr_err err = mr_config_int(env->config, "max_record_bytes", &record_bytes, error);
	if (err == MR_OK)
		err = open_catalog(deliver, error);
	if (err == MR_OK)
		err = mr_declared_read(env->config, &deliver->declared, error);
	if (err == MR_OK)
		err = outputs_open(&deliver->outputs, env, error);
	if (err != MR_OK) {
		deliver_close(deliver);
		return err;
	}
	record_reader_init(&deliver->records, env->files, (size_t)record_bytes);
	ocsf_init(&deliver->ocsf, &deliver->catalog, env->fields, &deliver->records,
		  &deliver->declared);
	refused_init(&deliver->refused, &deliver->catalog);
	return MR_OK;
}

/* ---- alerts ---- */

/* The highest index that the evidence names. */
static uint32_t highest_of(const struct mr_evidence *evidence)
{
	uint32_t highest = evidence->rule;
	for (uint32_t i = 0; i < evidence->matched_count; i++)
		highest = evidence->matched[i] > highest ? evidence->matched[i] : highest;
	return highest;
}

/* Whether the catalog has every rule that the alert names. */
static enum mr_err check_alert(const struct deliver *deliver, const struct mr_alert *alert,
			       struct mr_error *error)
{
	uint32_t count = deliver->catalog.count;
	uint32_t wrong = alert->rule;
	if (alert->shed > 0 && wrong == MR_ALERT_NO_RULE)
		return MR_OK;
	for (uint32_t i = 0; i < alert->evidence_count && wrong < count; i++)
		wrong = highest_of(&alert->evidence[i]);
	if (wrong < count)
		return MR_OK;
	return mr_error_set(error, MR_PROTOCOL, "an alert names rule %u of a catalog of %u", wrong,
			    count);
}

/* A person watches a scan; a service's log does not repeat what its sinks are given. */
static void announce(const struct deliver *deliver, const struct mr_alert *alert)
{
	struct mr_buf line = {0};
	enum mr_log_level level = deliver->env->finite ? MR_LOG_ALERT : MR_LOG_DEBUG;
	if (!mr_log_wants(level))
		return;
	message_announce(&line, &deliver->catalog, alert);
	mr_log_event(level, MR_EVENT_ALERT_FIRED, "%.*s", (int)line.len, line.data);
	mr_buf_fini(&line);
}

/* In a finite run a correlation's alert was announced when it fired, and is written at the end. */
static bool was_announced(const struct deliver *deliver, const struct mr_alert *alert)
{
	return deliver->env->finite &&
	       deliver->catalog.rules[alert->rule].kind == MR_RULE_CORRELATION;
}

/* MR_FULL where a sink has no room: nothing was done. */
static enum mr_err write_alert(struct deliver *deliver, const struct mr_alert *alert,
			       struct mr_error *error)
{
	/* Revisions of an alert are lines too, but the books count alerts. */
	bool first = alert->activity == MR_ACTIVITY_CREATE;
	struct line_id id = line_id_of_alert(alert, deliver->catalog.rules[alert->rule].level);
	deliver->line.len = 0;
	ocsf_put_alert(&deliver->ocsf, alert, &deliver->line);
	struct mr_slice line = {deliver->line.data, deliver->line.len};
	deliver->line_waits = !outputs_have_room(&deliver->outputs, line.len);
	if (deliver->line_waits)
		return MR_FULL;
	if (!was_announced(deliver, alert))
		announce(deliver, alert);
	uint32_t source = mr_alert_source(alert);
	mr_count(deliver->env->counters, MR_C_ALERTS_RECEIVED, first);
	mr_count_of(deliver->env->counters, source, MR_B_ALERTS_RECEIVED, first);
	enum mr_err err = outputs_put(&deliver->outputs, &id, line, error);
	if (err != MR_OK)
		return err;
	if (alert->arrival_us != 0)
		mr_histogram_add(&deliver->env->latencies->at[MR_L_ALERT],
				 deliver->env->now->wall_us - alert->arrival_us);
	mr_count(deliver->env->counters, first ? MR_C_DELIVERED : MR_C_UPDATES_WRITTEN, 1);
	mr_count_of(deliver->env->counters, source, MR_B_DELIVERED, first);
	return MR_OK;
}

static void take_shed(struct deliver *deliver, const struct mr_alert *word)
{
	const struct mr_rule *rule =
	    word->rule == MR_ALERT_NO_RULE ? NULL : &deliver->catalog.rules[word->rule];
	sheds_add(&deliver->sheds, rule, word->shed, deliver->env->now->wall_us);
}

/* To the last one, or to the first that a sink has no room for. That one is not read again before
 * there is some: each reading takes memory of the batch's. */
static enum mr_err put_alerts(struct deliver *deliver, struct mr_reader *in, struct mr_error *error)
{
	struct mr_alert alert;
	enum mr_err err = MR_OK;
	if (deliver->line_waits && !outputs_have_room(&deliver->outputs, deliver->line.len))
		return MR_FULL;
	for (; mr_reader_alert(in, &alert); mr_reader_advance(in)) {
		err = check_alert(deliver, &alert, error);
		if (err == MR_OK && alert.shed > 0)
			take_shed(deliver, &alert);
		else if (err == MR_OK && alert.announcement)
			announce(deliver, &alert);
		else if (err == MR_OK)
			err = write_alert(deliver, &alert, error);
		if (err != MR_OK)
			break;
	}
	return err;
}

/* What a flush makes room for is taken at once: nothing else would wake the worker. */
static enum mr_err take_alerts(struct deliver *deliver, struct mr_reader *in,
			       struct mr_error *error)
{
	for (;;) {
		enum mr_err err = put_alerts(deliver, in, error);
		if (err != MR_OK && err != MR_FULL)
			return err;
		enum mr_err flushed = outputs_flush(&deliver->outputs, error);
		if (flushed != MR_OK)
			return flushed;
		if (err == MR_OK || !outputs_have_room(&deliver->outputs, deliver->line.len))
			return err;
	}
}

/* ---- rejected records ---- */

static void count_unwritten(struct deliver *deliver, const struct mr_reject *reject)
{
	mr_count(deliver->env->counters, MR_C_REJECTS_UNWRITTEN, 1);
	mr_count_of(deliver->env->counters, reject->origin.source, MR_B_REJECTS_UNWRITTEN, 1);
}

static void leave_unwritten(struct deliver *deliver, const struct mr_reject *reject)
{
	if (deliver->unwritten++ == 0)
		snprintf(deliver->example, sizeof deliver->example, "%.*s, offset %llu: %.*s",
			 (int)reject->name.len, reject->name.at, (unsigned long long)reject->offset,
			 (int)reject->reason.len, reject->reason.at);
	count_unwritten(deliver, reject);
}

static enum mr_err take_rejects(struct deliver *deliver, struct mr_reader *in,
				struct mr_error *error)
{
	struct mr_reject reject;
	struct letters *letters = &deliver->outputs.letters;
	for (; mr_reader_reject(in, &reject); mr_reader_advance(in)) {
		if (!letters_have_room(letters))
			return MR_FULL;
		enum mr_err err = letters->open ? letters_put(letters, &reject, error) : MR_OK;
		if (err != MR_OK && err != MR_END)
			return err;
		mr_count(deliver->env->counters, MR_C_REJECTS_RECEIVED, 1);
		mr_count_of(deliver->env->counters, reject.origin.source, MR_B_REJECTS_RECEIVED, 1);
		if (!letters->open) {
			leave_unwritten(deliver, &reject);
			continue;
		}
		if (err == MR_END) {
			count_unwritten(deliver, &reject);
			continue;
		}
		mr_count(deliver->env->counters, MR_C_REJECTS_WRITTEN, 1);
		mr_count_of(deliver->env->counters, reject.origin.source, MR_B_REJECTS_WRITTEN, 1);
	}
	return letters_flush(letters, error);
}

static enum mr_err deliver_process(void *state, struct mr_reader *in, struct mr_writer *out,
				   struct mr_error *error)
{
	struct deliver *deliver = state;
	(void)out; /* nothing comes behind */
	if (mr_reader_content(in) == MR_CONTENT_REJECTS)
		return take_rejects(deliver, in, error);
	return take_alerts(deliver, in, error);
}

/* Of a scan, whose whole input has been judged. */
static enum mr_err finish_sheds(struct deliver *deliver, struct mr_error *error)
{
	sheds_cut(&deliver->sheds, deliver->env->now->wall_us, true);
	enum mr_err err = sheds_tell(&deliver->sheds, &deliver->outputs, error);
	enum mr_err flushed = outputs_flush(&deliver->outputs, error);
	return flushed == MR_OK ? err : flushed;
}

static enum mr_err deliver_finish(void *state, struct mr_writer *out, struct mr_error *error)
{
	struct deliver *deliver = state;
	(void)out;
	if (deliver->unwritten > 0)
		mr_log_event(
		    MR_LOG_WARNING, MR_EVENT_RECORD_UNWRITTEN,
		    "%llu record%s could not be parsed and %s counted only; --dead-letter FILE "
		    "keeps them; such as %s",
		    (unsigned long long)deliver->unwritten, deliver->unwritten == 1 ? "" : "s",
		    deliver->unwritten == 1 ? "was" : "were", deliver->example);
	deliver->unwritten = 0;
	return deliver->env->finite ? finish_sheds(deliver, error) : MR_OK;
}

/* ---- time and checkpoints ---- */

/* Of itself; a person who watches a scan has read of rules that were refused. */
static enum mr_err tell_own(struct deliver *deliver, struct mr_error *error)
{
	if (deliver->env->finite)
		return MR_OK;
	enum mr_err err = refused_tell(&deliver->refused, &deliver->outputs, error);
	if (err == MR_OK)
		err = sheds_tell(&deliver->sheds, &deliver->outputs, error);
	return err == MR_FULL ? MR_OK : err; /* the next tick goes on */
}

static enum mr_err deliver_tick(void *state, int64_t now_us, struct mr_writer *out,
				struct mr_error *error)
{
	struct deliver *deliver = state;
	(void)now_us;
	(void)out;
	enum mr_err err = tell_own(deliver, error);
	return err == MR_OK ? outputs_poll(&deliver->outputs, error) : err;
}

static enum mr_err deliver_barrier(void *state, int64_t watermark_us, struct mr_writer *out,
				   struct mr_error *error)
{
	struct deliver *deliver = state;
	(void)watermark_us;
	(void)out;
	enum mr_err err = tell_own(deliver, error);
	if (err != MR_OK)
		return err;
	uint64_t ready = sheds_cut(&deliver->sheds, deliver->env->now->wall_us, false);
	if (deliver->env->untold != NULL)
		*deliver->env->untold = ready;
	return outputs_barrier(&deliver->outputs, error);
}

static enum mr_err deliver_snapshot(void *state, struct mr_buf *out, struct mr_error *error)
{
	(void)error;
	struct deliver *deliver = state;
	struct mr_buf told = {0}, shed = {0};
	outputs_snapshot(&deliver->outputs, out);
	refused_snapshot(&deliver->refused, &told);
	mr_snapshot_named(out, MR_SLICE(REFUSED_NAME), (struct mr_slice){told.data, told.len});
	sheds_snapshot(&deliver->sheds, &shed);
	mr_snapshot_named(out, MR_SLICE(SHEDS_NAME), (struct mr_slice){shed.data, shed.len});
	mr_buf_fini(&told);
	mr_buf_fini(&shed);
	return MR_OK;
}

static enum mr_err deliver_restore(void *state, struct mr_slice name, struct mr_slice bytes,
				   struct mr_error *error)
{
	struct deliver *deliver = state;
	if (mr_slice_eq(name, MR_SLICE(REFUSED_NAME)))
		return refused_restore(&deliver->refused, bytes, error);
	if (mr_slice_eq(name, MR_SLICE(SHEDS_NAME)))
		return sheds_restore(&deliver->sheds, bytes, error);
	return outputs_restore(&deliver->outputs, name, bytes, error);
}

static void deliver_committed(void *state)
{
	struct deliver *deliver = state;
	outputs_committed(&deliver->outputs);
	sheds_committed(&deliver->sheds);
}

static void deliver_show(const void *state, mr_figures_taker take, void *context)
{
	const struct deliver *deliver = state;
	outputs_show(&deliver->outputs, take, context);
}

const struct mr_stage_ops mr_stage_deliver = {
    .name = "deliver",
    .state_size = sizeof(struct deliver),
    .reads = MR_CONTENT_ALERTS,
    .prepare = outputs_prepare,
    .needs = deliver_needs,
    .open = deliver_open,
    .process = deliver_process,
    .tick = deliver_tick,
    .finish = deliver_finish,
    .barrier = deliver_barrier,
    .snapshot_named = deliver_snapshot,
    .restore_named = deliver_restore,
    .committed = deliver_committed,
    .show = deliver_show,
    .close = deliver_close,
};
