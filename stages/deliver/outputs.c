/* outputs.c - see outputs.h. */
#include "outputs.h"

#include <stdlib.h>

static enum mr_err refuse(void *context, const char *sink, const struct line_id *id,
			  struct mr_slice line, const char *reason, struct mr_error *error)
{
	struct outputs *outputs = context;
	return letters_refuse(&outputs->letters, sink, id, line, reason, error);
}

enum mr_err outputs_prepare(const struct mr_prepare *prepare, struct mr_error *error)
{
	const struct mr_part *part;
	for (size_t i = 0; (part = mr_config_part(prepare->config, MR_PART_SINK, i)) != NULL; i++) {
		const char *type = mr_config_get(&part->settings, "type", 0);
		const struct sink_ops *ops = type == NULL ? NULL : sink_find(type);
		if (ops == NULL || ops->prepare == NULL)
			continue;
		enum mr_err err = ops->prepare(part, prepare, error);
		if (err != MR_OK)
			return err;
	}
	return MR_OK;
}

static enum mr_err open_given(struct outputs *outputs, struct mr_error *error)
{
	const char *output = mr_config_get(outputs->env.stage->config, "output", 0);
	if (output == NULL || strcmp(output, "-") == 0)
		output = "standard output";
	outputs->sinks = mr_calloc(1, sizeof *outputs->sinks);
	outputs->count = 1;
	return sink_open(&outputs->sinks[0], &sink_given, &outputs->env, output, NULL, error);
}

static enum mr_err open_sinks(struct outputs *outputs, size_t count, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	outputs->sinks = mr_calloc(count, sizeof *outputs->sinks);
	outputs->count = count;
	for (size_t i = 0; i < count && err == MR_OK; i++) {
		const struct mr_part *part =
		    mr_config_part(outputs->env.stage->config, MR_PART_SINK, i);
		const char *type = mr_config_get(&part->settings, "type", 0);
		const struct sink_ops *ops = type == NULL ? NULL : sink_find(type);
		if (ops == NULL)
			return mr_error_set(error, MR_CONFIG, "sink %s: there is no type %s",
					    part->name, type == NULL ? "" : type);
		err = sink_open(&outputs->sinks[i], ops, &outputs->env, part->name, &part->settings,
				error);
	}
	return err;
}

enum mr_err outputs_open(struct outputs *outputs, const struct mr_stage_env *env,
			 struct mr_error *error)
{
	size_t count = mr_config_parts(env->config, MR_PART_SINK);
	*outputs = (struct outputs){.env = {.stage = env, .refuse = refuse, .context = outputs}};
	if (count > 0)
		outputs->env.state = mr_config_get(env->config, "state", 0);
	enum mr_err err =
	    count == 0 ? open_given(outputs, error) : open_sinks(outputs, count, error);
	if (err == MR_OK)
		err = letters_open(&outputs->letters, &outputs->env, error);
	if (err != MR_OK)
		outputs_close(outputs);
	return err;
}

bool outputs_have_room(struct outputs *outputs, size_t bytes)
{
	bool room = true;
	for (size_t i = 0; i < outputs->count; i++)
		room = sink_has_room(&outputs->sinks[i], bytes) && room;
	return room;
}

enum mr_err outputs_put(struct outputs *outputs, const struct line_id *id, struct mr_slice line,
			struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (size_t i = 0; i < outputs->count && err == MR_OK; i++)
		err = outputs->sinks[i].ops->put(&outputs->sinks[i], id, line, error);
	return err;
}

enum mr_err outputs_flush(struct outputs *outputs, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (size_t i = 0; i < outputs->count && err == MR_OK; i++)
		err = outputs->sinks[i].ops->flush(&outputs->sinks[i], error);
	return err;
}

enum mr_err outputs_poll(struct outputs *outputs, struct mr_error *error)
{
	enum mr_err err = MR_OK;
	for (size_t i = 0; i < outputs->count && err == MR_OK; i++)
		err = sink_poll(&outputs->sinks[i], error);
	return err == MR_OK ? letters_flush(&outputs->letters, error) : err;
}

/* ---- checkpoints ---- */

/* The ledger wants the state of each, at the cut. */
static void book(struct outputs *outputs, const char *name, const struct sink_counts *counts)
{
	struct mr_book_output output = {
	    .sink = (char *)(uintptr_t)name,
	    .file = (char *)(uintptr_t)(counts->file == NULL ? "" : counts->file),
	    .taken = counts->taken,
	    .delivered = counts->delivered,
	    .refused = counts->refused,
	    .spooled = counts->spooled,
	    .waits = counts->waits};
	if (counts->lines != NULL)
		output.lines = *counts->lines;
	mr_books_output(outputs->env.stage->counters->books, &output);
}

static void book_all(struct outputs *outputs)
{
	struct sink_counts counts;
	uint64_t owed = 0;
	if (outputs->env.stage->counters->books == NULL)
		return;
	for (size_t i = 0; i < outputs->count; i++) {
		outputs->sinks[i].ops->counts(&outputs->sinks[i], &counts);
		book(outputs, outputs->sinks[i].name, &counts);
		owed += counts.owed;
	}
	if (outputs->letters.once) {
		letters_counts(&outputs->letters, &counts);
		book(outputs, LETTERS_NAME, &counts);
		owed += counts.owed;
	}
	if (outputs->env.stage->owed != NULL)
		*outputs->env.stage->owed = owed;
}

enum mr_err outputs_barrier(struct outputs *outputs, struct mr_error *error)
{
	bool full = false;
	for (size_t i = 0; i < outputs->count; i++) {
		enum mr_err err = sink_barrier(&outputs->sinks[i], error);
		if (err != MR_OK && err != MR_FULL)
			return err;
		full = full || err == MR_FULL;
	}
	enum mr_err err = letters_barrier(&outputs->letters, error);
	if (err == MR_OK && full)
		return MR_FULL;
	if (err == MR_OK)
		book_all(outputs);
	return err;
}

void outputs_snapshot(struct outputs *outputs, struct mr_buf *out)
{
	struct mr_buf bytes = {0};
	for (size_t i = 0; i < outputs->count; i++) {
		struct sink *sink = &outputs->sinks[i];
		bytes.len = 0;
		sink->ops->snapshot(sink, &bytes);
		mr_snapshot_named(out, mr_slice(sink->name),
				  (struct mr_slice){bytes.data, bytes.len});
	}
	if (outputs->letters.once) {
		bytes.len = 0;
		letters_snapshot(&outputs->letters, &bytes);
		mr_snapshot_named(out, MR_SLICE(LETTERS_NAME),
				  (struct mr_slice){bytes.data, bytes.len});
	}
	if (outputs->gone.len > 0)
		mr_buf_add(out, outputs->gone.data, outputs->gone.len);
	mr_buf_fini(&bytes);
}

/* A sink of that name may have been of another type, whose state is of another form. */
static bool is_state_of(const struct sink *sink, struct mr_slice name, struct mr_slice bytes)
{
	struct mr_unpack in = mr_unpack(bytes);
	return mr_slice_eq(name, mr_slice(sink->name)) &&
	       mr_unpack_array(&in, SIZE_MAX) == sink->ops->state_items;
}

enum mr_err outputs_restore(struct outputs *outputs, struct mr_slice name, struct mr_slice bytes,
			    struct mr_error *error)
{
	if (outputs->letters.once && mr_slice_eq(name, MR_SLICE(LETTERS_NAME)))
		return letters_restore(&outputs->letters, bytes, error);
	for (size_t i = 0; i < outputs->count; i++) {
		struct sink *sink = &outputs->sinks[i];
		if (is_state_of(sink, name, bytes))
			return sink->ops->restore(sink, bytes, error);
	}
	mr_snapshot_named(&outputs->gone, name, bytes);
	return MR_OK;
}

void outputs_show(const struct outputs *outputs, mr_figures_taker take, void *context)
{
	for (size_t i = 0; i < outputs->count; i++) {
		const struct sink *sink = &outputs->sinks[i];
		struct sink_counts counts;
		sink->ops->counts(sink, &counts);
		take(context, &(struct mr_figures){
				  .kind = MR_PART_SINK,
				  .name = mr_slice(sink->name),
				  .words = mr_slice(counts.trouble == NULL ? "" : counts.trouble),
				  .full = sink->said_full,
				  .bytes = counts.spool_bytes,
				  .delivered = counts.delivered,
				  .spooled = counts.spooled,
				  .refused = counts.refused,
				  .trouble_us = (uint64_t)counts.trouble_us,
				  .next_us = (uint64_t)counts.next_us,
				  .refused_us = (uint64_t)counts.refused_us,
				  .failing_us = (uint64_t)counts.failing_us,
				  .untried = counts.untried});
	}
	if (outputs->letters.once)
		take(context, &(struct mr_figures){.kind = MR_PART_SINK,
						   .name = MR_SLICE(""),
						   .words = MR_SLICE(""),
						   .full = outputs->letters.file.out.stalled});
}

void outputs_committed(struct outputs *outputs)
{
	for (size_t i = 0; i < outputs->count; i++)
		if (outputs->sinks[i].ops->committed != NULL)
			outputs->sinks[i].ops->committed(&outputs->sinks[i]);
	letters_committed(&outputs->letters);
}

void outputs_close(struct outputs *outputs)
{
	for (size_t i = 0; i < outputs->count; i++)
		sink_close(&outputs->sinks[i]);
	free(outputs->sinks);
	letters_close(&outputs->letters);
	mr_buf_fini(&outputs->gone);
	*outputs = (struct outputs){0};
}
