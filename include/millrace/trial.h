/* trial.h - the pipeline in this one process, for commands that try rules on records, and for what
 * counts its instructions.
 *
 * What scan does in processes is done here in one: the same stages, prepared alike, with the same
 * batches between them; in deliver's place the caller may take what arrives. Only
 * programs have it: pipeline/trial.c.
 *
 * Order: prepare, open, any number of runs (begin; record or inputs; end), free. Nothing of one
 * run is known in the next. */
#ifndef MILLRACE_TRIAL_H
#define MILLRACE_TRIAL_H

#include "millrace/rule.h"
#include "millrace/stage.h"

struct mr_trial;

/* Whoever is in deliver's place; what is shown is borrowed for the call. An announcement (alert.h)
 * is not shown. */
struct mr_trial_taker {
	void *context;
	void (*alert)(void *context, const struct mr_alert *alert);
	void (*reject)(void *context, const struct mr_reject *reject);
	/* What a slot of a correlation that did not fire would say; NULL: not asked for. */
	void (*missed)(void *context, const struct mr_alert *nearest);
	struct mr_costs *costs; /* of correlations; NULL: not asked for */
};

/* Settings of a run, moved; without `rules` those that scan would take. Inputs are looked at where
 * it has any. Errors as scan has them. Free it also then. */
enum mr_err mr_trial_prepare(struct mr_config *config, struct mr_trial **out,
			     struct mr_error *error);
/* Before open, fields may be added. */
struct mr_fields *mr_trial_fields(struct mr_trial *trial);
/* With the rules that were taken. */
const struct mr_config *mr_trial_config(const struct mr_trial *trial);
const struct mr_catalog *mr_trial_catalog(const struct mr_trial *trial);
/* Before open, tables may be added. */
struct mr_tables *mr_trial_tables(struct mr_trial *trial);

/* `judge` stands in the place of detect: it reads events, and writes signals or none; NULL: detect
 * itself. Without a taker deliver itself writes to the table deliver.output, as in scan. */
enum mr_err mr_trial_open(struct mr_trial *trial, const struct mr_stage_ops *judge,
			  const struct mr_trial_taker *taker, struct mr_error *error);
/* Its state. */
void *mr_trial_judge(struct mr_trial *trial);

enum mr_err mr_trial_begin(struct mr_trial *trial, struct mr_error *error);
/* One record of a source (its number; 0 where there are none), judged when it returns.
 * MR_BAD_INPUT: it is longer than a message. */
enum mr_err mr_trial_record(struct mr_trial *trial, uint32_t source, struct mr_slice bytes,
			    struct mr_error *error);
/* All records of the settings' inputs, as scan reads them; once. What of them cannot be read is
 * logged, and counted in `unread_out`. */
enum mr_err mr_trial_inputs(struct mr_trial *trial, uint64_t *unread_out, struct mr_error *error);
/* Correlations give what they have found. */
enum mr_err mr_trial_end(struct mr_trial *trial, struct mr_error *error);

/* Accepts NULL. */
void mr_trial_free(struct mr_trial *trial);

#endif
