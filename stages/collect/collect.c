/* collect.c - the stage that reads records: in scan from inputs, in `run` from sources.
 *
 * A run whose settings have sources is a service's: sources.c. All else here is scan's.
 *
 * A source: pipeline/worker.c calls poll until it says MR_END. One input is read at a time, in the
 * order they were named; with several workers each takes its share of the inputs. Plain files of
 * lines travel by reference (regions.c), everything else through a temporary file (spool.c).
 *
 * A damaged input is logged, counted (inputs_damaged) and does not stop the others nor the run:
 * what was read well still has to become alerts. The count makes the command fail at its very end,
 * so that nobody takes half a log for a whole one. A full disk (MR_NO_SPACE) ends the run at once.
 */
#include "collect.h"

#include "input.h"
#include "listing.h"
#include "sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define STEPS 16 /* of one poll, so that the worker's loop gets its turn */

struct collect {
	const struct mr_stage_env *env;
	bool serves; /* there are sources */
	struct mr_sources sources;
	struct mr_listing listing;
	size_t next; /* in listing */
	struct mr_outbox outbox;
	struct mr_spool spool;
	bool reading;
	struct mr_input input;
	int64_t referenced;
	int64_t referenced_max;
};

static enum mr_err read_settings(const struct mr_config *config, int64_t *record_out,
				 int64_t *region_out, struct mr_error *error)
{
	enum mr_err err = mr_config_int(config, "max_record_bytes", record_out, error);

	if (err != MR_OK)
		return err;
	return mr_config_int(config, "region_bytes", region_out, error);
}

static enum mr_err prepare(const struct mr_prepare *prepare, struct mr_error *error)
{
	struct mr_listing listing = {0};
	const char *named;
	size_t at = 0;
	int64_t unused;
	enum mr_err err = read_settings(prepare->config, &unused, &unused, error);

	if (err == MR_OK && mr_config_part(prepare->config, MR_PART_SOURCE, 0) != NULL)
		return mr_sources_prepare(prepare, error);
	mr_listing_init(&listing, prepare->config);
	if (err == MR_OK && mr_config_get(prepare->config, "input", 0) == NULL &&
	    mr_config_part(prepare->config, MR_PART_SOURCE, 0) == NULL)
		err = mr_error_set(error, MR_CONFIG,
				   "no input: name files, directories or - for standard input");
	while (err == MR_OK && (named = mr_config_next(prepare->config, "input", &at)) != NULL)
		err = mr_listing_add(&listing, named, error);
	if (err == MR_OK)
		err = mr_listing_publish(&listing, prepare->tables, error);
	mr_listing_fini(&listing);
	return err;
}

static void close_stage(void *state)
{
	struct collect *collect = state;

	mr_sources_fini(&collect->sources);
	mr_input_fini(&collect->input);
	mr_spool_fini(&collect->spool);
	mr_outbox_fini(&collect->outbox);
	mr_listing_fini(&collect->listing);
}

static enum mr_err open_stage(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct collect *collect = state;
	int64_t record_bytes;
	int64_t region_bytes;
	enum mr_err err = read_settings(env->config, &record_bytes, &region_bytes, error);

	if (err == MR_OK)
		err =
		    mr_config_int(env->config, "referenced_files", &collect->referenced_max, error);
	if (err != MR_OK)
		return err;
	collect->env = env;
	collect->serves = mr_config_part(env->config, MR_PART_SOURCE, 0) != NULL;
	if (collect->serves)
		return mr_sources_open(&collect->sources, env, error);
	mr_spool_init(&collect->spool, env, &collect->outbox);
	collect->spool.max_record_bytes = (uint64_t)record_bytes;
	collect->spool.region_bytes = (uint64_t)region_bytes;
	err = mr_listing_load(&collect->listing, env->tables, error);
	if (err != MR_OK)
		close_stage(collect);
	return err;
}

/* An input that was there when the run began. */
static int open_descriptor(const struct collect *collect, size_t number, struct mr_error *error)
{
	const struct mr_listing_item *item = &collect->listing.items[number];
	char name[64];
	size_t size;
	int fd;

	snprintf(name, sizeof(name), MR_LISTING_STREAM, (unsigned)number);
	if (!item->stream)
		fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	else if (mr_tables_find(collect->env->tables, name, &fd, &size))
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	else
		fd = -1;
	if (fd < 0)
		mr_error_errno(error, MR_IO, "%s: cannot open the input any more", item->path);
	return fd;
}

static void next_input(struct collect *collect)
{
	size_t number = collect->next++;
	struct mr_listing_item *item = &collect->listing.items[number];
	struct mr_error error = {0};
	int fd;

	if (number % collect->env->workers != collect->env->worker)
		return;
	fd = open_descriptor(collect, number, &error);
	if (fd < 0 || mr_input_open(&collect->input, fd, mr_listing_title(item),
				    MR_FILES_NAMED + (uint32_t)number,
				    !item->stream && collect->referenced < collect->referenced_max,
				    &collect->spool, &error) != MR_OK) {
		mr_log_event(MR_LOG_ERROR, MR_EVENT_INPUT_DAMAGED, "%s", error.text);
		mr_count(collect->env->counters, MR_C_INPUTS_DAMAGED, 1);
		return;
	}
	collect->reading = true;
}

static void end_input(struct collect *collect)
{
	if (collect->input.by_reference)
		collect->referenced++;
	if (collect->input.damage_count > 0)
		mr_count(collect->env->counters, MR_C_INPUTS_DAMAGED, 1);
	mr_input_fini(&collect->input);
	collect->reading = false;
}

/* One step of work. MR_END: nothing is left but what is in the outbox. */
static enum mr_err step(struct collect *collect, struct mr_error *error)
{
	enum mr_err err;

	if (!collect->reading) {
		if (collect->next < collect->listing.count) {
			next_input(collect);
			return MR_OK;
		}
		mr_spool_seal(&collect->spool);
		err = MR_END;
	} else {
		err = mr_input_step(&collect->input, error);
		if (err == MR_AGAIN)
			mr_spool_seal(&collect->spool);
		if (err == MR_END) {
			end_input(collect);
			err = MR_OK;
		}
	}
	if (collect->spool.error.code != MR_OK) {
		*error = collect->spool.error;
		return error->code;
	}
	return err;
}

static enum mr_err poll_stage(void *state, struct mr_writer *out, struct mr_error *error)
{
	struct collect *collect = state;

	if (collect->serves)
		return mr_sources_poll(&collect->sources, out, error);
	for (int i = 0; i < STEPS; i++) {
		enum mr_err err;
		enum mr_err sent = mr_outbox_send(&collect->outbox, collect->env, out);

		if (sent != MR_OK || !mr_writer_ready(out))
			return MR_FULL;
		err = step(collect, error);
		if (err == MR_OK)
			continue;
		if (err != MR_AGAIN && err != MR_END)
			return err;
		if (mr_outbox_send(&collect->outbox, collect->env, out) != MR_OK)
			return MR_FULL;
		return err;
	}
	return MR_OK;
}

static enum mr_err barrier(void *state, int64_t watermark_us, struct mr_writer *out,
			   struct mr_error *error)
{
	struct collect *collect = state;

	(void)watermark_us;
	return mr_sources_barrier(&collect->sources, out, error);
}

static enum mr_err finish(void *state, struct mr_writer *out, struct mr_error *error)
{
	struct collect *collect = state;

	(void)out;
	return mr_sources_finish(&collect->sources, error);
}

static enum mr_err snapshot_named(void *state, struct mr_buf *out, struct mr_error *error)
{
	struct collect *collect = state;

	return mr_sources_snapshot(&collect->sources, out, error);
}

static enum mr_err restore_named(void *state, struct mr_slice name, struct mr_slice bytes,
				 struct mr_error *error)
{
	struct collect *collect = state;

	return mr_sources_restore(&collect->sources, name, bytes, error);
}

static void committed(void *state)
{
	struct collect *collect = state;

	mr_sources_committed(&collect->sources);
}

static void show(const void *state, mr_figures_taker take, void *context)
{
	const struct collect *collect = state;

	mr_sources_show(&collect->sources, take, context);
}

const struct mr_stage_ops mr_stage_collect = {
    .name = "collect",
    .state_size = sizeof(struct collect),
    .reads = MR_CONTENT_NONE,
    .prepare = prepare,
    .needs = mr_collect_needs,
    .descriptors = mr_sources_descriptors,
    .open = open_stage,
    .poll = poll_stage,
    .finish = finish,
    .barrier = barrier,
    .snapshot_named = snapshot_named,
    .restore_named = restore_named,
    .committed = committed,
    .show = show,
    .close = close_stage,
};
