/* deliver.c - the last stage: alerts to the sink, rejected records to the dead-letter file.
 *
 * Called by the pipeline as any stage. The descriptors of both outputs are the tables
 * deliver.output and deliver.dead_letter, opened by the supervisor; without the second, rejected
 * records are only counted. Fails with MR_NO_SPACE or MR_IO where an output cannot be written, with
 * MR_PROTOCOL where an alert names a rule that the catalog does not have. */
#include "millrace/stage.h"

#include "dead_letter.h"
#include "message.h"
#include "ocsf.h"
#include "record.h"
#include "sink.h"

#include <stdio.h>

struct deliver {
	const struct mr_stage_env *env;
	struct mr_catalog catalog;
	struct record_reader records;
	struct ocsf ocsf;
	struct sink output;
	struct sink dead_letter; /* ops NULL: none was asked for */
	struct mr_buf line;
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

/* MR_NOT_FOUND where the supervisor opened no such output. */
static enum mr_err open_sink(struct deliver *deliver, const char *table, const char *setting,
			     struct sink *sink, struct mr_error *error)
{
	int fd;
	size_t size;
	const char *output = mr_config_get(deliver->env->config, setting, 0);
	if (!mr_tables_find(deliver->env->tables, table, &fd, &size))
		return mr_error_set(error, MR_NOT_FOUND, "there is no table %s", table);
	if (output == NULL || strcmp(output, "-") == 0)
		output = "standard output";
	return sink_find(output)->open(sink, fd, output, error);
}

static enum mr_err open_outputs(struct deliver *deliver, struct mr_error *error)
{
	enum mr_err err = open_sink(deliver, "deliver.output", "output", &deliver->output, error);
	if (err != MR_OK)
		return err;
	err =
	    open_sink(deliver, "deliver.dead_letter", "dead_letter", &deliver->dead_letter, error);
	if (err != MR_NOT_FOUND)
		return err;
	*error = (struct mr_error){0};
	return MR_OK;
}

static void deliver_close(void *state)
{
	struct deliver *deliver = state;
	if (deliver->output.ops != NULL)
		deliver->output.ops->close(&deliver->output);
	if (deliver->dead_letter.ops != NULL)
		deliver->dead_letter.ops->close(&deliver->dead_letter);
	ocsf_fini(&deliver->ocsf);
	record_reader_fini(&deliver->records);
	mr_buf_fini(&deliver->line);
	mr_catalog_fini(&deliver->catalog);
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
		err = open_outputs(deliver, error);
	if (err != MR_OK) {
		deliver_close(deliver);
		return err;
	}
	record_reader_init(&deliver->records, env->files, (size_t)record_bytes);
	ocsf_init(&deliver->ocsf, &deliver->catalog, env->fields, &deliver->records);
	return MR_OK;
}

/* ---- alerts ---- */

/* Whether the catalog has every rule that the alert names. */
static enum mr_err check_alert(const struct deliver *deliver, const struct mr_alert *alert,
			       struct mr_error *error)
{
	uint32_t count = deliver->catalog.count;
	uint32_t wrong = alert->rule;
	for (uint32_t i = 0; i < alert->evidence_count && wrong < count; i++)
		wrong = alert->evidence[i].rule;
	if (wrong < count)
		return MR_OK;
	return mr_error_set(error, MR_PROTOCOL, "an alert names rule %u of a catalog of %u", wrong,
			    count);
}

static void announce(const struct deliver *deliver, const struct mr_alert *alert)
{
	struct mr_buf line = {0};
	if (!mr_log_wants(MR_LOG_ALERT))
		return;
	message_announce(&line, &deliver->catalog, alert);
	mr_log(MR_LOG_ALERT, "%.*s", (int)line.len, line.data);
	mr_buf_fini(&line);
}

static enum mr_err write_alert(struct deliver *deliver, const struct mr_alert *alert,
			       struct mr_error *error)
{
	/* Revisions of an alert are lines too, but the books count alerts. */
	bool first = alert->activity == MR_ACTIVITY_CREATE;
	uint32_t source = mr_alert_source(alert);
	mr_count(deliver->env->counters, MR_C_ALERTS_RECEIVED, first);
	mr_count_of(deliver->env->counters, source, MR_B_ALERTS_RECEIVED, first);
	deliver->line.len = 0;
	ocsf_put_alert(&deliver->ocsf, alert, &deliver->line);
	struct mr_slice line = {deliver->line.data, deliver->line.len};
	enum mr_err err = deliver->output.ops->put(&deliver->output, line, error);
	if (err != MR_OK)
		return err;
	mr_count(deliver->env->counters, MR_C_DELIVERED, first);
	mr_count_of(deliver->env->counters, source, MR_B_DELIVERED, first);
	return MR_OK;
}

/* In a finite run a correlation's alert was announced when it fired, and is written at the end. */
static bool was_announced(const struct deliver *deliver, const struct mr_alert *alert)
{
	return deliver->env->finite &&
	       deliver->catalog.rules[alert->rule].kind == MR_RULE_CORRELATION;
}

static enum mr_err take_alerts(struct deliver *deliver, struct mr_reader *in,
			       struct mr_error *error)
{
	struct mr_alert alert;
	for (; mr_reader_alert(in, &alert); mr_reader_advance(in)) {
		enum mr_err err = check_alert(deliver, &alert, error);
		if (err != MR_OK)
			return err;
		if (alert.announcement || !was_announced(deliver, &alert))
			announce(deliver, &alert);
		if (!alert.announcement)
			err = write_alert(deliver, &alert, error);
		if (err != MR_OK)
			return err;
	}
	return deliver->output.ops->flush(&deliver->output, error);
}

/* ---- rejected records ---- */

static void leave_unwritten(struct deliver *deliver, const struct mr_reject *reject)
{
	if (deliver->unwritten++ == 0)
		snprintf(deliver->example, sizeof deliver->example, "%.*s, offset %llu: %.*s",
			 (int)reject->name.len, reject->name.at, (unsigned long long)reject->offset,
			 (int)reject->reason.len, reject->reason.at);
	mr_count(deliver->env->counters, MR_C_REJECTS_UNWRITTEN, 1);
	mr_count_of(deliver->env->counters, reject->origin.source, MR_B_REJECTS_UNWRITTEN, 1);
}

static enum mr_err take_rejects(struct deliver *deliver, struct mr_reader *in,
				struct mr_error *error)
{
	struct mr_reject reject;
	struct sink *sink = &deliver->dead_letter;
	for (; mr_reader_reject(in, &reject); mr_reader_advance(in)) {
		mr_count(deliver->env->counters, MR_C_REJECTS_RECEIVED, 1);
		mr_count_of(deliver->env->counters, reject.origin.source, MR_B_REJECTS_RECEIVED, 1);
		if (sink->ops == NULL) {
			leave_unwritten(deliver, &reject);
			continue;
		}
		enum mr_err err = dead_letter_put(sink, deliver->env->files, &reject, error);
		if (err != MR_OK)
			return err;
		mr_count(deliver->env->counters, MR_C_REJECTS_WRITTEN, 1);
		mr_count_of(deliver->env->counters, reject.origin.source, MR_B_REJECTS_WRITTEN, 1);
	}
	return sink->ops == NULL ? MR_OK : sink->ops->flush(sink, error);
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

static enum mr_err deliver_finish(void *state, struct mr_writer *out, struct mr_error *error)
{
	struct deliver *deliver = state;
	(void)out;
	(void)error;
	if (deliver->unwritten > 0)
		mr_log(MR_LOG_WARNING,
		       "%llu record%s could not be parsed and %s counted only; --dead-letter FILE "
		       "keeps them; such as %s",
		       (unsigned long long)deliver->unwritten, deliver->unwritten == 1 ? "" : "s",
		       deliver->unwritten == 1 ? "was" : "were", deliver->example);
	deliver->unwritten = 0;
	return MR_OK;
}

const struct mr_stage_ops mr_stage_deliver = {
    .name = "deliver",
    .state_size = sizeof(struct deliver),
    .reads = MR_CONTENT_ALERTS,
    .open = deliver_open,
    .process = deliver_process,
    .finish = deliver_finish,
    .close = deliver_close,
};
