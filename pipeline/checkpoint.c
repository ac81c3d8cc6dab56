/* checkpoint.c - takes checkpoints: files out, barrier in, reports, manifest.
 *
 * Called by service.c and supervisor_words.c. A checkpoint that fails is said, its files go, and
 * the pipeline goes on: the one before it stays the one to return to. */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "health.h"
#include "hosts.h"
#include "millrace/log.h"
#include "millrace/os.h"
#include "service.h"
#include "supervisor.h"

/* The least pause is this many times what the last one cost in CPU (PROTOCOL.md 4.4). */
#define CPU_SHARE 40
#define IDLE_INTERVALS 10 /* from one to the next while nothing comes */
/* Of the warning that one failed (log.h). */
#define FAILED_KIND ((UINT64_C(0xfa11) << 8) | MR_EVENT_CHECKPOINT_FAILED)

void mr_checkpoint_init(struct mr_checkpoint *checkpoint, const struct mr_state_dir *dir,
			struct mr_bookkeeper *keeper, struct mr_manifest *recovered,
			int64_t interval_us)
{
	*checkpoint = (struct mr_checkpoint){
	    .dir = dir,
	    .keeper = keeper,
	    .last = *recovered,
	    .before = recovered->number,
	    .number = recovered->number,
	    .interval_us = interval_us,
	};
	*recovered = (struct mr_manifest){0};
}

void mr_checkpoint_fini(struct mr_checkpoint *checkpoint)
{
	mr_checkpoint_abandon(checkpoint);
	mr_manifest_fini(&checkpoint->last);
}

void mr_checkpoint_return(struct mr_checkpoint *checkpoint, struct mr_manifest *recovered)
{
	mr_manifest_fini(&checkpoint->last);
	checkpoint->last = *recovered;
	checkpoint->renamed = false;
	checkpoint->before = recovered->number;
	checkpoint->number = recovered->number;
	*recovered = (struct mr_manifest){0};
}

static void remove_files(const struct mr_checkpoint *checkpoint)
{
	char name[MR_MANIFEST_NAME];
	mr_manifest_directory(checkpoint->number, name);
	mr_state_dir_remove(checkpoint->dir, name);
}

void mr_checkpoint_abandon(struct mr_checkpoint *checkpoint)
{
	/* Whatever its workers died of: many such could fill the disk. */
	if (checkpoint->under_way && checkpoint->last.number != checkpoint->number)
		remove_files(checkpoint);
	checkpoint->under_way = false;
	checkpoint->due_us = mr_clock_us() + checkpoint->interval_us;
	mr_manifest_fini(&checkpoint->next);
	free(checkpoint->reported);
	checkpoint->reported = NULL;
}

static void fail(struct mr_checkpoint *checkpoint, const char *why)
{
	if (checkpoint->failure[0] == '\0')
		snprintf(checkpoint->failure, sizeof checkpoint->failure, "%s", why);
}

uint64_t mr_checkpoint_lines(const struct mr_counters *counters)
{
	return counters->at[MR_C_DELIVERED] + counters->at[MR_C_UPDATES_WRITTEN] +
	       counters->at[MR_C_REJECTS_WRITTEN];
}

/* ---- the beginning ---- */

struct mr_manifest_file mr_checkpoint_file(const struct mr_supervisor *supervisor, uint32_t worker,
					   uint32_t stage)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint32_t number = mr_setup_group(topology, worker);
	struct mr_group *group = &topology->groups[number];
	const char *host = mr_host_of_state(supervisor, number);
	return (struct mr_manifest_file){.group = group->name,
					 .stage = (char *)(uintptr_t)group->chain[stage],
					 .host = (char *)(uintptr_t)host,
					 .worker = worker - mr_setup_first(topology, number)};
}

/* The stage's empty file, to the worker that fills it; one on another host gets it there. */
static bool send_file(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor,
		      uint32_t worker, uint32_t stage)
{
	const struct mr_manifest_file file = mr_checkpoint_file(supervisor, worker, stage);
	struct mr_error error;
	int fd = -1;
	if (*file.host == '\0' && mr_state_dir_make_file(checkpoint->dir, checkpoint->number, &file,
							 &fd, &error) != MR_OK) {
		fail(checkpoint, error.text);
		return false;
	}
	mr_control_send(&supervisor->workers[worker].control,
			&(struct mr_control_message){.kind = MR_CONTROL_SNAPSHOT,
						     .number = checkpoint->number,
						     .other = stage,
						     .fd = fd});
	if (fd >= 0)
		close(fd);
	return true;
}

static bool send_files(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	for (uint32_t worker = 0; worker < supervisor->worker_count; worker++) {
		const struct mr_group *group = &topology->groups[mr_setup_group(topology, worker)];
		for (uint32_t i = 0; i < mr_group_length(group); i++) {
			if (mr_stage_has_state(mr_stage_find(group->chain[i])) &&
			    !send_file(checkpoint, supervisor, worker, i))
				return false;
		}
	}
	return true;
}

static bool make_directory(struct mr_checkpoint *checkpoint)
{
	struct mr_error error;
	if (mr_state_dir_make(checkpoint->dir, checkpoint->number, &error) == MR_OK)
		return true;
	fail(checkpoint, error.text);
	return false;
}

static void say_failed(const struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor)
{
	struct mr_buf line = {0};
	mr_buf_printf(&line, "checkpoint %llu failed, %u in a row: %s",
		      (unsigned long long)checkpoint->number, checkpoint->failures,
		      checkpoint->failure);
	mr_supervisor_warn(supervisor, NULL, FAILED_KIND, (struct mr_slice){line.data, line.len});
	mr_buf_fini(&line);
}

/* While the workers live none comes to them. */
static void settle_owed(struct mr_checkpoint *checkpoint)
{
	if (checkpoint->here == 0 || checkpoint->owed_next < checkpoint->owed)
		checkpoint->owed = checkpoint->owed_next;
}

/* Its manifest is there: a start, and the next incarnation, go on from it. */
static void adopt(struct mr_checkpoint *checkpoint)
{
	mr_bookkeeper_settle(checkpoint->keeper, checkpoint->number);
	checkpoint->before = checkpoint->last.number;
	mr_manifest_fini(&checkpoint->last);
	checkpoint->last = checkpoint->next;
	checkpoint->next = (struct mr_manifest){0};
	settle_owed(checkpoint);
	checkpoint->untold = checkpoint->untold_next;
	checkpoint->held = checkpoint->held_next;
	checkpoint->waiting = checkpoint->waiting_next;
	checkpoint->here++;
	checkpoint->lines = checkpoint->lines_next;
}

/* No manifest of the one that failed is there any more. */
static bool is_away(const struct mr_checkpoint *checkpoint)
{
	char name[MR_MANIFEST_NAME];
	struct stat about;
	mr_manifest_path(checkpoint->number, name);
	return mr_os.unlinkat(checkpoint->dir->fd, name, 0) == 0 || !checkpoint->put ||
	       (fstatat(checkpoint->dir->fd, name, &about, 0) != 0 && errno == ENOENT);
}

/* When the next is due, by what one has cost. */
static int64_t due_after(const struct mr_checkpoint *checkpoint, uint64_t cost_ns,
			 int64_t interval_us)
{
	int64_t cost_us = (int64_t)(cost_ns / 1000) * CPU_SHARE;
	return checkpoint->begun_us + (cost_us > interval_us ? cost_us : interval_us);
}

static void give_up(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor)
{
	uint64_t cost_ns = checkpoint->next.cpu_ns;
	checkpoint->failures++;
	checkpoint->failed++;
	memcpy(checkpoint->last_failure, checkpoint->failure, sizeof checkpoint->failure);
	say_failed(checkpoint, supervisor);
	/* One that stands there all the same is no promise to the workers: it may not last. But it
	 * is what any start would find. */
	if (is_away(checkpoint))
		remove_files(checkpoint);
	else
		adopt(checkpoint);
	mr_checkpoint_abandon(checkpoint);
	/* What fails costs as much as what does not. */
	int64_t due_us = due_after(checkpoint, cost_ns, checkpoint->interval_us);
	if (due_us > checkpoint->due_us)
		checkpoint->due_us = due_us;
}

void mr_checkpoint_begin(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor)
{
	checkpoint->number++;
	checkpoint->begun_us = mr_clock_us();
	checkpoint->failure[0] = '\0';
	checkpoint->put = false;
	checkpoint->owed_next = 0;
	checkpoint->untold_next = false;
	checkpoint->held_next = checkpoint->waiting_next = 0;
	checkpoint->lines_next = 0;
	checkpoint->seen = mr_supervisor_sum(supervisor);
	if (!make_directory(checkpoint) || !send_files(checkpoint, supervisor)) {
		give_up(checkpoint, supervisor);
		return;
	}
	checkpoint->under_way = true;
	checkpoint->missing = supervisor->worker_count;
	checkpoint->reported = mr_calloc(supervisor->worker_count, sizeof *checkpoint->reported);
	mr_supervisor_tell_sources(supervisor, MR_CONTROL_BARRIER, checkpoint->number);
}

/* ---- the commitment ---- */

static enum mr_err put_manifest(const struct mr_checkpoint *checkpoint,
				const struct mr_manifest *manifest, struct mr_error *error)
{
	char name[MR_MANIFEST_NAME];
	struct mr_buf bytes = {0};
	mr_manifest_path(manifest->number, name);
	mr_manifest_encode(manifest, &bytes);
	enum mr_err err = mr_state_dir_put(checkpoint->dir, name,
					   (struct mr_slice){bytes.data, bytes.len}, error);
	mr_buf_fini(&bytes);
	return err;
}

void mr_checkpoint_rename(struct mr_checkpoint *checkpoint, const struct mr_service *service)
{
	checkpoint->last.generation = service->generation.id;
	checkpoint->last.drained = false;
	checkpoint->renamed = true;
}

enum mr_err mr_checkpoint_keep_name(struct mr_checkpoint *checkpoint, struct mr_error *error)
{
	if (!checkpoint->renamed)
		return MR_OK;
	enum mr_err err = put_manifest(checkpoint, &checkpoint->last, error);
	checkpoint->renamed = err != MR_OK;
	return err;
}

/* ---- the ledger ---- */

/* Whose names the rows of a checkpoint bear. */
struct namer {
	const struct mr_supervisor *supervisor;
	const struct mr_manifest *next;
	char edge[80];
};

static struct mr_slice name_source(void *context, uint32_t number)
{
	const struct mr_manifest *next = ((struct namer *)context)->next;
	for (uint32_t i = 0; i < next->source_count; i++)
		if (next->sources[i].number == number)
			return mr_slice(next->sources[i].name);
	return MR_SLICE("");
}

static struct mr_slice name_edge(void *context, uint32_t number)
{
	struct namer *namer = context;
	const struct mr_topology *topology = &namer->supervisor->setup.topology;
	if (number >= topology->edge_count)
		return MR_SLICE("");
	const struct mr_edge *edge = &topology->edges[number];
	int len =
	    snprintf(namer->edge, sizeof namer->edge, "%s>%s#%u", topology->groups[edge->from].name,
		     topology->groups[edge->to].name, number);
	return (struct mr_slice){namer->edge, (size_t)len};
}

static struct mr_slice name_worker(void *context, uint32_t number)
{
	const struct mr_supervisor *supervisor = ((struct namer *)context)->supervisor;
	return number < supervisor->worker_count ? mr_slice(supervisor->workers[number].name)
						 : MR_SLICE("");
}

static enum mr_err commit_books(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor,
				struct mr_error *error)
{
	struct mr_manifest *next = &checkpoint->next;
	struct namer namer = {.supervisor = supervisor, .next = next};
	const struct mr_ledger_names names = {&namer, name_source, name_edge, name_worker};
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		mr_bookkeeper_time(checkpoint->keeper, &supervisor->workers[i].watched.latencies);
	return mr_bookkeeper_commit(checkpoint->keeper, checkpoint->number, next->at_us,
				    mr_clock_us() - checkpoint->begun_us, &names, next->ledger_head,
				    error);
}

/* Whether it is this worker's turn to speak of this barrier. */
static bool owes_report(const struct mr_checkpoint *checkpoint, uint32_t worker, uint64_t number)
{
	return checkpoint->under_way && number == checkpoint->number &&
	       !checkpoint->reported[worker];
}

enum mr_err mr_checkpoint_books(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor,
				uint32_t worker, uint64_t number, struct mr_slice part,
				struct mr_error *error)
{
	struct mr_error own = {0};
	const char *name = supervisor->workers[worker].name;
	uint32_t group = mr_setup_group(&supervisor->setup.topology, worker);
	if (!owes_report(checkpoint, worker, number))
		return mr_error_set(error, MR_PROTOCOL, "%s: books out of their turn", name);
	if (mr_bookkeeper_take(checkpoint->keeper, group, part, &own) == MR_OK)
		return MR_OK;
	return mr_error_set(error, MR_PROTOCOL, "%s: %s", name, own.text);
}

/* PROTOCOL.md 4.4: the order of these is the whole point. */
static enum mr_err commit(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor,
			  struct mr_error *error)
{
	struct mr_manifest *next = &checkpoint->next;
	next->number = checkpoint->number;
	next->at_us = mr_clock_wall_us();
	mr_marks_advance(&next->marks);
	next->numbers = supervisor->numbers.kept_count;
	mr_manifest_inherit(next, &checkpoint->last);
	mr_aside_copy(&next->aside, &supervisor->service->suspects.aside);
	mr_service_name_generation(supervisor->service, next);
	/* Each of these may wait for a disk; who waits is alive. */
	enum mr_err err = mr_state_dir_sync(checkpoint->dir, checkpoint->number, next, "", error);
	mr_health_feed(supervisor->health);
	if (err == MR_OK)
		err = commit_books(checkpoint, supervisor, error);
	mr_health_feed(supervisor->health);
	checkpoint->put = err == MR_OK;
	if (err == MR_OK)
		err = put_manifest(checkpoint, next, error);
	if (err != MR_OK)
		return err;
	adopt(checkpoint);
	checkpoint->failures = 0;
	mr_supervisor_tell_all(supervisor, MR_CONTROL_COMMITTED, checkpoint->number);
	mr_supervisor_tell_deaf(supervisor);
	mr_state_dir_tidy(checkpoint->dir, checkpoint->number, checkpoint->before);
	/* From the second on, both checkpoints that are kept mostly name what judges now. */
	if (checkpoint->here == 2 && supervisor->service->reload.step == MR_RELOAD_NONE)
		mr_service_tidy_generations(supervisor->service);
	return MR_OK;
}

void mr_checkpoint_hurry(struct mr_checkpoint *checkpoint, int64_t now_us, int64_t interval_us)
{
	int64_t due_us = due_after(checkpoint, checkpoint->cost_ns, interval_us);
	due_us = due_us < now_us ? now_us : due_us;
	if (checkpoint->failures == 0 && due_us < checkpoint->due_us)
		checkpoint->due_us = due_us;
}

static bool says_the_same(const struct mr_checkpoint *checkpoint,
			  const struct mr_supervisor *supervisor)
{
	struct mr_counters sums = mr_supervisor_sum(supervisor);
	return checkpoint->here > 0 && checkpoint->failures == 0 && !checkpoint->untold &&
	       checkpoint->waiting == 0 && !checkpoint->keeper->waiting &&
	       memcmp(sums.at, checkpoint->seen.at, sizeof sums.at) == 0;
}

void mr_checkpoint_put_off(struct mr_checkpoint *checkpoint, const struct mr_supervisor *supervisor,
			   int64_t now_us)
{
	int64_t most_us = checkpoint->begun_us + IDLE_INTERVALS * checkpoint->interval_us;
	if (now_us < checkpoint->due_us || checkpoint->due_us >= most_us ||
	    !says_the_same(checkpoint, supervisor))
		return;
	int64_t next_us = checkpoint->due_us + checkpoint->interval_us;
	checkpoint->due_us = next_us < most_us ? next_us : most_us;
}

static void finish(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor)
{
	struct mr_error error = {0};
	uint64_t from_ns = mr_clock_cpu_ns();
	if (checkpoint->failure[0] == '\0' && commit(checkpoint, supervisor, &error) != MR_OK)
		fail(checkpoint, error.text);
	if (checkpoint->failure[0] != '\0') {
		give_up(checkpoint, supervisor);
		return;
	}
	checkpoint->cost_ns = checkpoint->last.cpu_ns + mr_clock_cpu_ns() - from_ns;
	checkpoint->took_us = mr_clock_us() - checkpoint->begun_us;
	mr_log_event(MR_LOG_DEBUG, MR_EVENT_CHECKPOINT_COMMITTED, "checkpoint %llu, in %lld ms",
		     (unsigned long long)checkpoint->number,
		     (long long)(checkpoint->took_us / 1000));
	mr_checkpoint_abandon(checkpoint);
	checkpoint->due_us = due_after(checkpoint, checkpoint->cost_ns, checkpoint->interval_us);
}

/* ---- reports ---- */

/* No more than all processors can have worked since the barrier began, whatever a worker says. */
static void add_cost(struct mr_checkpoint *checkpoint, const struct mr_supervisor *supervisor,
		     uint64_t cpu_ns)
{
	const struct mr_hosts *hosts = supervisor->hosts;
	uint64_t processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t wall_us = (uint64_t)(mr_clock_us() - checkpoint->begun_us);
	uint64_t most_ns = wall_us * 1000 * processors * (hosts == NULL ? 1 : hosts->count);
	uint64_t left_ns = most_ns - checkpoint->next.cpu_ns;
	checkpoint->next.cpu_ns += cpu_ns < left_ns ? cpu_ns : left_ns;
}

/* Lines that its outputs wait for to be made again: of who has outputs alone, and no more than are
 * known again there. */
static void add_owed(struct mr_checkpoint *checkpoint, const struct mr_supervisor *supervisor,
		     const struct mr_group *group, uint64_t owed)
{
	bool has_outputs =
	    mr_stage_find(group->chain[mr_group_length(group) - 1])->reads == MR_CONTENT_ALERTS;
	uint64_t outputs = mr_config_parts(&supervisor->setup.config, MR_PART_SINK) + 1;
	uint64_t most = has_outputs ? outputs * MR_LINES_BEHIND_MAX : 0;
	checkpoint->owed_next += owed < most ? owed : most;
}

static enum mr_err book(struct mr_checkpoint *checkpoint, struct mr_supervisor *supervisor,
			uint32_t worker, const struct mr_cut_report *report, struct mr_error *error)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint32_t number = mr_setup_group(topology, worker);
	for (uint32_t i = 0; i < report->file_count; i++) {
		uint32_t stage = report->files[i].stage;
		if (stage >= mr_group_length(&topology->groups[number]))
			return mr_error_set(error, MR_PROTOCOL,
					    "%s: reports a snapshot of a stage that it has not",
					    supervisor->workers[worker].name);
		struct mr_manifest_file file = mr_checkpoint_file(supervisor, worker, stage);
		file.sum = report->files[i].sum;
		mr_manifest_add_file(&checkpoint->next, &file);
	}
	mr_marks_merge(&checkpoint->next.marks, &report->marks);
	add_cost(checkpoint, supervisor, report->cpu_ns);
	add_owed(checkpoint, supervisor, &topology->groups[number], report->owed);
	checkpoint->untold_next |= report->untold > 0;
	checkpoint->held_next += report->held;
	checkpoint->waiting_next += report->waiting;
	checkpoint->lines_next += mr_checkpoint_lines(&report->counters);
	mr_bookkeeper_count(checkpoint->keeper, number, checkpoint->number, &report->counters);
	if (report->failure[0] != '\0') {
		struct mr_error why;
		mr_supervisor_quote(&supervisor->workers[worker], MR_IO, mr_slice(report->failure),
				    &why);
		fail(checkpoint, why.text);
	}
	return MR_OK;
}

enum mr_err mr_checkpoint_snapped(struct mr_checkpoint *checkpoint,
				  struct mr_supervisor *supervisor, uint32_t worker,
				  uint64_t number, struct mr_slice bytes, struct mr_error *error)
{
	struct mr_cut_report report;
	if (!owes_report(checkpoint, worker, number))
		return mr_error_set(error, MR_PROTOCOL, "%s: reports a barrier out of its turn",
				    supervisor->workers[worker].name);
	if (!mr_cut_report_decode(bytes, &report))
		return mr_error_set(error, MR_PROTOCOL, "%s: a report that is none",
				    supervisor->workers[worker].name);
	checkpoint->reported[worker] = true;
	enum mr_err err = book(checkpoint, supervisor, worker, &report, error);
	mr_cut_report_fini(&report);
	if (err == MR_OK && --checkpoint->missing == 0)
		finish(checkpoint, supervisor);
	return err;
}
