/* supervisor_words.c - what workers say to the supervisor, and what it does about each word.
 *
 * Called by supervisor.c. A word that makes no sense ends the run with MR_PROTOCOL: workers read
 * what attackers write, and are believed no more than that. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "health.h"
#include "hosts.h"
#include "millrace/pack.h"
#include "retell.h"
#include "sample.h"
#include "service.h"
#include "supervisor.h"

/* Of one worker at once. */
#define EXPECTED_MAX 1024
#define EXPECTED_BYTES_MAX ((size_t)4 << 20)

void mr_supervisor_tell(struct mr_supervisor *supervisor, uint32_t worker,
			enum mr_control_kind kind, uint64_t number, uint64_t other)
{
	mr_control_send(
	    &supervisor->workers[worker].control,
	    &(struct mr_control_message){.kind = kind, .number = number, .other = other, .fd = -1});
}

void mr_supervisor_tell_all(struct mr_supervisor *supervisor, enum mr_control_kind kind,
			    uint64_t number)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		mr_supervisor_tell(supervisor, i, kind, number, 0);
}

bool mr_supervisor_is_source(const struct mr_supervisor *supervisor, uint32_t worker)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint32_t group = mr_setup_group(topology, worker);
	return mr_stage_find(topology->groups[group].chain[0])->reads == MR_CONTENT_NONE;
}

bool mr_supervisor_is_sink(const struct mr_supervisor *supervisor, uint32_t worker)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint32_t group = mr_setup_group(topology, worker);
	for (uint32_t i = 0; i < topology->edge_count; i++) {
		if (topology->edges[i].from == group)
			return false;
	}
	return true;
}

void mr_supervisor_tell_sources(struct mr_supervisor *supervisor, enum mr_control_kind kind,
				uint64_t number)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		if (mr_supervisor_is_source(supervisor, i))
			mr_supervisor_tell(supervisor, i, kind, number, 0);
	}
}

void mr_supervisor_sample(struct mr_supervisor *supervisor)
{
	struct mr_memory memory = {0};
	mr_sample_memory(getpid(), &memory);
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		if (supervisor->workers[i].pid != 0)
			mr_sample_memory(supervisor->workers[i].pid, &memory);
	}
	if (supervisor->hosts != NULL && supervisor->hosts->gate.pid != 0)
		mr_sample_memory(supervisor->hosts->gate.pid, &memory);
	uint64_t sum = memory.own_bytes + memory.file_bytes + mr_tables_taken(supervisor->tables);
	supervisor->memory_bytes = sum;
	if (sum > supervisor->peak_memory_bytes)
		supervisor->peak_memory_bytes = sum;
}

/* ---- the start ---- */

static enum mr_err bound(struct mr_supervisor *supervisor, struct mr_supervised *worker)
{
	worker->bound = true;
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		if (!supervisor->workers[i].bound)
			return MR_OK;
	}
	mr_hosts_connect(supervisor->hosts);
	mr_supervisor_tell_all(supervisor, MR_CONTROL_CONNECT, 0);
	return MR_OK;
}

void mr_supervisor_show_workers(struct mr_supervisor *supervisor)
{
	char where[MR_WHERE_BYTES];
	struct mr_buf line = {0};
	mr_buf_printf(&line, "%u workers:", supervisor->worker_count);
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		mr_buf_printf(&line, " %s (%s)", supervisor->workers[i].name,
			      mr_hosts_where(supervisor, i, where));
	if (supervisor->health == NULL)
		mr_progress_line(&supervisor->progress, NULL, MR_LOG_INFO, 0, line.data, line.len);
	else
		mr_health_ready(supervisor->health, line.data);
	mr_buf_fini(&line);
}

/* All pairs have met: nobody else shall find their sockets. */
static enum mr_err ready(struct mr_supervisor *supervisor, struct mr_supervised *worker,
			 struct mr_error *error)
{
	worker->ready = true;
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		if (!supervisor->workers[i].ready)
			return MR_OK;
	}
	enum mr_err err = supervisor->service == NULL
			      ? MR_OK
			      : mr_checkpoint_keep_name(&supervisor->service->checkpoint, error);
	if (err != MR_OK)
		return err;
	mr_rundir_remove(&supervisor->rundir);
	mr_supervisor_sample(supervisor);
	supervisor->started = true;
	mr_supervisor_show_workers(supervisor);
	mr_supervisor_tell_all(supervisor, MR_CONTROL_START, 0);
	return MR_OK;
}

/* ---- files ---- */

/* Who reads records by reference: those that are sent records, those that are sent what is to be
 * shown with its records, and those that tell records again. */
static bool reads_files(const struct mr_supervisor *supervisor, uint32_t worker)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	uint32_t group = mr_setup_group(topology, worker);
	if (mr_retell_is_done(topology) && mr_retell_is_for(&topology->groups[group]))
		return true;
	for (uint32_t i = 0; i < topology->edge_count; i++) {
		enum mr_content content = topology->edges[i].content;
		if (topology->edges[i].to == group &&
		    (content == MR_CONTENT_RECORDS || content == MR_CONTENT_ALERTS ||
		     content == MR_CONTENT_REJECTS))
			return true;
	}
	return false;
}

static void tell_file_number(struct mr_supervisor *supervisor)
{
	supervisor->registration.open = false;
	mr_supervisor_tell(supervisor, supervisor->registration.worker, MR_CONTROL_FILE_NUMBER,
			   supervisor->registration.number, 0);
}

/* A record that is set aside is known by its file's number, for ever. */
static bool is_aside(const void *context, uint32_t number)
{
	const struct mr_supervisor *supervisor = context;
	const struct mr_service *service = supervisor->service;
	const struct mr_aside *aside = service == NULL ? NULL : &service->suspects.aside;
	for (uint32_t i = 0; aside != NULL && i < aside->place_count; i++) {
		if (aside->places[i].partition == number)
			return true;
	}
	return false;
}

/* The number that it had in an earlier incarnation, or another. */
static uint32_t number_for(struct mr_supervisor *supervisor, struct mr_slice name)
{
	uint32_t number = mr_file_numbers_find(&supervisor->numbers, name);
	if (number != MR_NO_FILE_NUMBER)
		return number;
	return mr_file_numbers_add(&supervisor->numbers, name, is_aside, supervisor);
}

/* It is expected from here on, or not any more. */
static void set_expected(struct mr_supervisor *supervisor, uint32_t number, bool expected)
{
	struct mr_file_number *item = &supervisor->numbers.items[number];
	struct mr_supervised *worker = &supervisor->workers[item->owner];
	size_t bytes = strlen(item->name);
	if (item->expected == expected)
		return;
	item->expected = expected;
	worker->expected += expected ? 1 : -1u;
	worker->expected_bytes += expected ? bytes : -bytes;
}

/* A service writes what is new down before anybody knows it: what was made of it may outlive the
 * next checkpoint that does not come. */
static enum mr_err number_of(struct mr_supervisor *supervisor, uint32_t from, struct mr_slice name,
			     uint32_t *number_out, struct mr_error *error)
{
	struct mr_file_numbers *numbers = &supervisor->numbers;
	uint32_t number = number_for(supervisor, name);
	enum mr_err err = MR_OK;
	if (number == MR_NO_FILE_NUMBER)
		return mr_error_set(error, MR_CONFIG,
				    "the journals hold records of %u files, whose paths are %zu "
				    "bytes, and more (%u, %zu) cannot be told apart: a lower "
				    "journal_age or journal_bytes has them go sooner",
				    numbers->count, numbers->bytes, MR_FILE_NUMBERS_MAX,
				    MR_FILE_NUMBERS_BYTES);
	if (supervisor->service != NULL && numbers->news_count > 0)
		err = mr_file_numbers_keep(numbers, &supervisor->service->dir, error);
	if (err != MR_OK)
		return err;
	set_expected(supervisor, number, false);
	numbers->items[number].given = true;
	numbers->items[number].owner = from;
	*number_out = number;
	return MR_OK;
}

/* Its source waits until the disk has room, and asks again. */
static void refuse_file(struct mr_supervisor *supervisor, uint32_t from, struct mr_error *why)
{
	mr_control_send(&supervisor->workers[from].control,
			&(struct mr_control_message){.kind = MR_CONTROL_FILE_REFUSED,
						     .bytes = mr_slice(why->text),
						     .fd = -1});
	*why = (struct mr_error){0};
}

static enum mr_err file_add(struct mr_supervisor *supervisor, uint32_t from,
			    const struct mr_control_message *message, struct mr_error *error)
{
	struct mr_registration *registration = &supervisor->registration;
	if (registration->open)
		return mr_error_set(error, MR_PROTOCOL,
				    "%s: registers a file before the last one is known",
				    supervisor->workers[from].name);
	uint32_t number = MR_NO_FILE_NUMBER;
	enum mr_err err = number_of(supervisor, from, message->bytes, &number, error);
	if (err == MR_NO_SPACE) {
		refuse_file(supervisor, from, error);
		return MR_OK;
	}
	if (err != MR_OK)
		return err;
	*registration = (struct mr_registration){.open = true, .worker = from, .number = number};
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		if (!reads_files(supervisor, i))
			continue;
		registration->missing++;
		supervisor->workers[i].owes_file = true;
		mr_control_send(&supervisor->workers[i].control,
				&(struct mr_control_message){.kind = MR_CONTROL_FILE,
							     .number = registration->number,
							     .bytes = message->bytes,
							     .fd = message->fd});
	}
	if (registration->missing == 0)
		tell_file_number(supervisor);
	return MR_OK;
}

/* A segment of the journal that no checkpoint needs, or a name that no segment bears. */
static enum mr_err file_drop(struct mr_supervisor *supervisor, uint32_t from, uint64_t number,
			     struct mr_error *error)
{
	struct mr_file_numbers *numbers = &supervisor->numbers;
	if (number >= numbers->count || !numbers->items[number].given ||
	    numbers->items[number].owner != from)
		return mr_error_set(error, MR_PROTOCOL, "%s: drops a file that is not its own",
				    supervisor->workers[from].name);
	mr_file_numbers_drop(numbers, (uint32_t)number);
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		if (i != from && reads_files(supervisor, i))
			mr_supervisor_tell(supervisor, i, MR_CONTROL_FILE_GONE, number, 0);
	return MR_OK;
}

static enum mr_err file_ack(struct mr_supervisor *supervisor, uint32_t from,
			    const struct mr_control_message *message, struct mr_error *error)
{
	struct mr_registration *registration = &supervisor->registration;
	struct mr_supervised *worker = &supervisor->workers[from];
	if (!registration->open || message->number != registration->number || !worker->owes_file)
		return mr_error_set(error, MR_PROTOCOL, "%s: acknowledges a file nobody gave it",
				    worker->name);
	worker->owes_file = false;
	if (--registration->missing == 0)
		tell_file_number(supervisor);
	return MR_OK;
}

/* Past the bound, as for who says nothing, each file is written down when it is added. */
static void file_expect(struct mr_supervisor *supervisor, uint32_t from, struct mr_slice name)
{
	const struct mr_supervised *worker = &supervisor->workers[from];
	if (worker->expected >= EXPECTED_MAX ||
	    name.len > EXPECTED_BYTES_MAX - worker->expected_bytes ||
	    mr_file_numbers_find(&supervisor->numbers, name) != MR_NO_FILE_NUMBER)
		return;
	uint32_t number = number_for(supervisor, name);
	if (number == MR_NO_FILE_NUMBER)
		return;
	supervisor->numbers.items[number].owner = from;
	set_expected(supervisor, number, true);
}

static enum mr_err file_word(struct mr_supervisor *supervisor, uint32_t from,
			     const struct mr_control_message *message, struct mr_error *error)
{
	if (message->kind == MR_CONTROL_FILE_ACK)
		return file_ack(supervisor, from, message, error);
	/* Whoever could, could put bytes of its own into the place of others' records. */
	if (!mr_supervisor_is_source(supervisor, from))
		return mr_error_set(error, MR_PROTOCOL, "%s: has files, and is no source",
				    supervisor->workers[from].name);
	if (message->kind == MR_CONTROL_FILE_ADD)
		return file_add(supervisor, from, message, error);
	if (message->kind == MR_CONTROL_FILE_EXPECT) {
		file_expect(supervisor, from, message->bytes);
		return MR_OK;
	}
	return file_drop(supervisor, from, message->number, error);
}

/* ---- the rest ---- */

static enum mr_err counters(struct mr_supervised *worker, struct mr_slice bytes,
			    struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	mr_unpack_array_of(&in, MR_C_COUNT);
	struct mr_counters read;
	for (size_t i = 0; i < MR_C_COUNT; i++)
		read.at[i] = mr_unpack_uint(&in, UINT64_MAX);
	uint64_t cpu_ns[MR_CHAIN_MAX] = {0};
	size_t stages = mr_unpack_array(&in, MR_CHAIN_MAX);
	for (size_t i = 0; i < stages; i++)
		cpu_ns[i] = mr_unpack_uint(&in, UINT64_MAX);
	if (!mr_unpack_done(&in))
		return mr_error_set(error, MR_PROTOCOL, "%s: counters that are none", worker->name);
	worker->counters = read;
	memcpy(worker->stage_cpu_ns, cpu_ns, sizeof cpu_ns);
	return MR_OK;
}

void mr_supervisor_warn(struct mr_supervisor *supervisor, const char *who, uint64_t kind,
			struct mr_slice line)
{
	enum mr_log_level level = mr_warnings_take(&supervisor->warnings, kind, line);
	mr_progress_line(&supervisor->progress, who, level, kind, line.at, line.len);
}

static void show_line(struct mr_supervisor *supervisor, const char *who,
		      const struct mr_control_message *message)
{
	enum mr_log_level level = (enum mr_log_level)message->number;
	if (level == MR_LOG_WARNING)
		mr_supervisor_warn(supervisor, who, message->other, message->bytes);
	else
		mr_progress_line(&supervisor->progress, who, level, message->other,
				 message->bytes.at, message->bytes.len);
}

/* Words that only the workers of a service say. */
static enum mr_err service_word(struct mr_supervisor *supervisor, uint32_t from,
				const struct mr_control_message *message, struct mr_error *error)
{
	struct mr_supervised *worker = &supervisor->workers[from];
	switch (message->kind) {
	case MR_CONTROL_SNAPPED:
		return mr_checkpoint_snapped(&supervisor->service->checkpoint, supervisor, from,
					     message->number, message->bytes, error);
	case MR_CONTROL_BOOKS:
		return mr_checkpoint_books(&supervisor->service->checkpoint, supervisor, from,
					   message->number, message->bytes, error);
	case MR_CONTROL_PONG:
		return mr_health_pong(supervisor->health, from, message->number, message->other,
				      message->bytes, error);
	case MR_CONTROL_ALIVE:
		mr_health_alive(supervisor->health, from);
		return MR_OK;
	case MR_CONTROL_LATENCY:
		return mr_health_latency(supervisor->health, from, message->number, message->bytes,
					 error);
	case MR_CONTROL_FIGURES:
		return mr_health_figures(supervisor->health, from, message->bytes, error);
	default:
		break;
	}
	if (!mr_supervisor_is_source(supervisor, from) || worker->drained)
		return mr_error_set(error, MR_PROTOCOL,
				    "%s: says twice that it is drained, or is "
				    "no source",
				    worker->name);
	worker->drained = true;
	worker->ended = message->number != 0;
	mr_service_drained(supervisor->service);
	return MR_OK;
}

static enum mr_err done(struct mr_supervisor *supervisor, struct mr_supervised *worker)
{
	if (!supervisor->ending)
		mr_supervisor_sample(supervisor); /* all are still there */
	supervisor->ending = true;
	worker->done = true;
	return MR_OK;
}

/* Whose word it is. */
struct speaker {
	struct mr_supervisor *supervisor;
	uint32_t worker;
};

enum mr_err mr_supervisor_quote(const struct mr_supervised *from, enum mr_err code,
				struct mr_slice words, struct mr_error *error)
{
	size_t len = strlen(from->name);
	bool named =
	    words.len > len && memcmp(words.at, from->name, len) == 0 && words.at[len] == ':';
	return mr_error_set(error, code, "%s%s%.*s", named ? "" : from->name, named ? "" : ": ",
			    (int)words.len, words.at);
}

/* Whether it may say that no other start would help. Whoever has met records may say what an
 * attacker wants: then only those that read the state directory and write to the world. */
static bool may_end_all(const struct mr_supervisor *supervisor, const struct mr_supervised *from)
{
	const struct mr_hosts *hosts = supervisor->hosts;
	if (supervisor->setup.finite)
		return true;
	if (hosts != NULL && from == &hosts->gate)
		return !hosts->met;
	uint32_t worker = (uint32_t)(from - supervisor->workers);
	return !from->ready || mr_supervisor_is_source(supervisor, worker) ||
	       mr_supervisor_is_sink(supervisor, worker);
}

/* What it failed with; a failure is none of the results that are no errors. */
static enum mr_err code_of(const struct mr_supervisor *supervisor, const struct mr_supervised *from,
			   uint64_t number)
{
	enum mr_err code = number <= MR_NOT_FOUND ? (enum mr_err)number : MR_PROTOCOL;
	enum mr_err_class class = mr_err_class(code);
	if (class == MR_CLASS_FINE || class == MR_CLASS_RETRIABLE)
		return MR_PROTOCOL;
	return mr_service_stays(code) && !may_end_all(supervisor, from) ? MR_PROTOCOL : code;
}

enum mr_err mr_supervisor_common_word(struct mr_supervisor *supervisor, struct mr_supervised *from,
				      const struct mr_control_message *message,
				      struct mr_error *error)
{
	if (message->kind == MR_CONTROL_COUNTERS)
		return counters(from, message->bytes, error);
	if (message->kind == MR_CONTROL_LOG) {
		if (message->number > MR_LOG_ERROR)
			return mr_error_set(error, MR_PROTOCOL, "%s: a line of no level",
					    from->name);
		show_line(supervisor, from->name, message);
		return MR_OK;
	}
	from->failed = true;
	return mr_supervisor_quote(from, code_of(supervisor, from, message->number), message->bytes,
				   error);
}

static enum mr_err handle(void *context, struct mr_control_message *message, struct mr_error *error)
{
	const struct speaker *speaker = context;
	struct mr_supervisor *supervisor = speaker->supervisor;
	uint32_t from = speaker->worker;
	struct mr_supervised *worker = &supervisor->workers[from];
	if (!mr_hosts_lead(supervisor->hosts))
		return mr_host_follow_relay(supervisor, from, message, error);
	switch (message->kind) {
	case MR_CONTROL_BOUND:
		if (worker->bound)
			break;
		return bound(supervisor, worker);
	case MR_CONTROL_READY:
		if (!worker->bound || worker->ready)
			break;
		return ready(supervisor, worker, error);
	case MR_CONTROL_FILE_ADD:
	case MR_CONTROL_FILE_EXPECT:
	case MR_CONTROL_FILE_DROP:
	case MR_CONTROL_FILE_ACK:
		return file_word(supervisor, from, message, error);
	case MR_CONTROL_ENDED:
		if (message->number >= supervisor->worker_count)
			break;
		mr_supervisor_tell(supervisor, (uint32_t)message->number, MR_CONTROL_END_ACK, from,
				   message->other);
		return MR_OK;
	case MR_CONTROL_COUNTERS:
	case MR_CONTROL_LOG:
	case MR_CONTROL_FAILED:
		return mr_supervisor_common_word(supervisor, worker, message, error);
	case MR_CONTROL_TALLY:
		return mr_supervisor_tally(supervisor, from, message, error);
	case MR_CONTROL_DRAINED:
	case MR_CONTROL_BOOKS:
	case MR_CONTROL_SNAPPED:
	case MR_CONTROL_PONG:
	case MR_CONTROL_ALIVE:
	case MR_CONTROL_LATENCY:
	case MR_CONTROL_FIGURES:
		if (supervisor->service == NULL)
			break;
		return service_word(supervisor, from, message, error);
	case MR_CONTROL_DONE:
		return done(supervisor, worker);
	default:
		break;
	}
	return mr_error_set(error, MR_PROTOCOL, "%s: a word that workers do not say", worker->name);
}

enum mr_err mr_supervisor_listen(struct mr_supervisor *supervisor, uint32_t worker,
				 struct mr_error *error)
{
	struct speaker speaker = {supervisor, worker};
	return mr_control_listen(&supervisor->workers[worker].control, handle, &speaker, error);
}
