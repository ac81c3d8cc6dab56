/* health.c - the pulse of workers, alarms, and who asks or is told.
 *
 * Called by service.c, supervisor.c and supervisor_words.c. */
#include "health.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "hosts.h"
#include "metrics.h"
#include "sandbox.h"
#include "service.h"
#include "supervisor.h"

#define RATE_US 2000000        /* a rate is of so long */
#define REST_MS 100            /* how often it is looked around while nothing runs */
#define WARNINGS_US 3600000000 /* of each kind of warning ten are shown in so long */

/* ---- sources and sinks ---- */

/* NULL where there is no such one. */
static struct mr_health_part *find_part(const struct mr_health_parts *parts, struct mr_slice name)
{
	for (size_t i = 0; i < parts->count; i++) {
		if (mr_slice_eq(name, mr_slice(parts->items[i].name)))
			return &parts->items[i];
	}
	return NULL;
}

static void parts_fini(struct mr_health_parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		free(parts->items[i].name);
	free(parts->items);
	*parts = (struct mr_health_parts){0};
}

static void parts_adopt(struct mr_health_parts *parts, const struct mr_config *config,
			enum mr_part_kind kind)
{
	struct mr_health_parts old = *parts;
	parts->count = mr_config_parts(config, kind);
	parts->items = mr_calloc(parts->count + 1, sizeof *parts->items);
	for (size_t i = 0; i < parts->count; i++) {
		const struct mr_part *part = mr_config_part(config, kind, i);
		const struct mr_health_part *before = find_part(&old, mr_slice(part->name));
		if (before != NULL)
			parts->items[i] = *before;
		parts->items[i].name = mr_strdup(part->name);
		parts->items[i].number = part->number;
	}
	parts_fini(&old);
}

void mr_health_adopt(struct mr_health *health)
{
	if (health == NULL)
		return;
	const struct mr_config *config = &health->supervisor->setup.config;
	const char *lacks = mr_sandbox_lacks(config);
	parts_adopt(&health->sources, config, MR_PART_SOURCE);
	parts_adopt(&health->sinks, config, MR_PART_SINK);
	mr_health_put(health, MR_ALARM_SANDBOX_MISSING, lacks != NULL, lacks);
}

/* ---- open and close ---- */

static void tell(void *context, enum mr_status_form form, struct mr_buf *out)
{
	struct mr_status status;
	mr_health_fill(context, &status);
	if (form == MR_STATUS_FORM_METRICS)
		mr_metrics_write(&status, out);
	else if (form == MR_STATUS_FORM_JSON)
		mr_status_write_json(&status, out);
	else
		mr_status_write_text(&status, out);
	mr_status_fini(&status);
}

/* The first worker that has left a question unanswered for half of what it may; NULL: all answer.
 */
static const struct mr_supervised *unheard(const struct mr_health *health, int64_t now_us)
{
	const struct mr_supervisor *supervisor = health->supervisor;
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		const struct mr_supervised *worker = &supervisor->workers[i];
		if (mr_pulse_silent_us(&worker->watched.pulse, now_us) * 2 > health->limit_us)
			return worker;
	}
	return NULL;
}

static bool is_well(void *context, struct mr_buf *words)
{
	const struct mr_health *health = context;
	const struct mr_supervised *worker = unheard(health, mr_clock_us());
	if (worker != NULL)
		mr_buf_printf(words, "worker %s does not answer", worker->name);
	return worker == NULL;
}

static bool is_ready(void *context, struct mr_buf *words)
{
	static const char *const reasons[] = {"starting", "running", "restarting", "stopping"};
	const struct mr_health *health = context;
	if (health->state != MR_HEALTH_RUNNING)
		mr_buf_add_text(words, reasons[health->state]);
	for (enum mr_alarm i = 0; i < MR_ALARM_COUNT && words->len == 0; i++) {
		const struct mr_alarm_state *alarm = &health->alarms.at[i];
		if (alarm->raised && mr_alarm_row(i)->stops)
			mr_buf_printf(words, "%s%s%s", mr_alarm_row(i)->name,
				      alarm->words[0] == '\0' ? "" : ": ", alarm->words);
	}
	return words->len == 0;
}

static enum mr_err listen_on(struct mr_health *health, struct mr_error *error)
{
	const struct mr_config *config = &health->supervisor->setup.config;
	struct epoll_event event = {.events = EPOLLIN};
	int directory =
	    health->service != NULL ? health->service->dir.fd : health->supervisor->hosts->dir.fd;
	enum mr_err err = mr_status_server_open(directory, tell, health, &health->status, error);
	if (err == MR_OK && mr_config_get(config, "metrics_port", 0) != NULL) {
		int64_t port;
		err = mr_config_int(config, "metrics_port", &port, error);
		if (err == MR_OK)
			err = mr_http_open((uint16_t)port, &health->pages, &health->http, error);
	}
	if (err != MR_OK)
		return err;
	health->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (health->epoll < 0 ||
	    epoll_ctl(health->epoll, EPOLL_CTL_ADD, mr_status_server_fd(health->status), &event) !=
		0 ||
	    (health->http != NULL &&
	     epoll_ctl(health->epoll, EPOLL_CTL_ADD, mr_http_fd(health->http), &event) != 0))
		return mr_error_errno(error, MR_IO, "cannot wait for who asks for the status");
	return MR_OK;
}

enum mr_err mr_health_open(struct mr_health *health, const struct mr_service *service,
			   struct mr_supervisor *supervisor, struct mr_error *error)
{
	const struct mr_config *config = &supervisor->setup.config;
	*health = (struct mr_health){.service = service,
				     .supervisor = supervisor,
				     .started_us = mr_clock_wall_us(),
				     .turned_us = mr_clock_us(),
				     .epoll = -1};
	health->pages = (struct mr_http_pages){
	    .context = health, .tell = tell, .well = is_well, .ready = is_ready};
	health->refusal = mr_hash64("", 0, 0);
	mr_notify_open(&health->notify);
	enum mr_err err = mr_config_int(config, "health_timeout", &health->limit_us, error);
	if (err == MR_OK)
		err = listen_on(health, error);
	if (err != MR_OK) {
		mr_health_close(health);
		return err;
	}
	supervisor->health = health;
	mr_health_adopt(health);
	mr_log_event(MR_LOG_INFO, MR_EVENT_SERVICE_STARTED, "process %d", (int)getpid());
	return MR_OK;
}

void mr_health_close(struct mr_health *health)
{
	if (health->supervisor == NULL)
		return;
	health->supervisor->health = NULL;
	mr_status_server_close(health->status);
	mr_http_close(health->http);
	if (health->epoll >= 0)
		close(health->epoll);
	mr_notify_close(&health->notify);
	mr_marks_fini(&health->marks);
	parts_fini(&health->sources);
	parts_fini(&health->sinks);
	free(health->workers);
	*health = (struct mr_health){.epoll = -1};
}

int mr_health_fd(const struct mr_health *health)
{
	return health == NULL ? -1 : health->epoll;
}

/* ---- the pulse ---- */

static void kill_silent(struct mr_health *health, uint32_t number, const char *what,
			int64_t limit_us)
{
	struct mr_supervised *worker = &health->supervisor->workers[number];
	char where[MR_WHERE_BYTES];
	if (worker->hung)
		return;
	worker->hung = true;
	mr_log_event(MR_LOG_ERROR, MR_EVENT_WORKER_SILENT,
		     "worker %s (%s) %s for %lld ms: it is killed", worker->name,
		     mr_hosts_where(health->supervisor, number, where), what,
		     (long long)(limit_us / 1000));
	if (mr_hosts_elsewhere(health->supervisor, number))
		mr_hosts_kill(health->supervisor, number);
	else
		kill(worker->pid, SIGKILL);
}

bool mr_health_sees(const struct mr_health *health, uint32_t worker)
{
	const struct mr_supervised *is = &health->supervisor->workers[worker];
	bool elsewhere = mr_hosts_elsewhere(health->supervisor, worker);
	return (is->pid != 0 || (elsewhere && is->bound && is->reaped == 0)) && !is->done;
}

/* A follower makes state durable in its own loop, through which its workers' answers go: while a
 * checkpoint is under way a whole host may be waiting for its disk. */
static bool waits_for_disk(const struct mr_health *health, uint32_t number, int64_t now_us)
{
	return health->service != NULL && health->service->checkpoint.under_way &&
	       mr_hosts_elsewhere(health->supervisor, number) &&
	       mr_hosts_silent(health->supervisor, number, now_us, health->limit_us / 2);
}

/* Once it goes on, its workers' answers come one after the other. */
static void note_waiting(struct mr_health *health, uint32_t number, int64_t now_us)
{
	struct mr_watched *watched = &health->supervisor->workers[number].watched;
	bool waits = waits_for_disk(health, number, now_us);
	if (watched->waits && !waits)
		mr_pulse_forgive(&watched->pulse, now_us);
	watched->waits = waits;
}

static int64_t limit_of(const struct mr_health *health, uint32_t number)
{
	if (!health->supervisor->started)
		return health->limit_us * MR_START_TIMES;
	bool waits = health->supervisor->workers[number].watched.waits;
	return health->limit_us * (waits ? MR_DISK_TIMES : 1);
}

static void check_worker(struct mr_health *health, uint32_t number, int64_t now_us)
{
	struct mr_supervised *worker = &health->supervisor->workers[number];
	struct mr_pulse *pulse = &worker->watched.pulse;
	int64_t limit_us = limit_of(health, number);
	if (!mr_health_sees(health, number) || worker->hung)
		return;
	if (mr_pulse_silent_us(pulse, now_us) >= limit_us) {
		kill_silent(health, number, "has not answered", limit_us);
		return;
	}
	if (mr_pulse_ask(pulse, now_us, limit_us))
		mr_supervisor_tell(health->supervisor, number, MR_CONTROL_PING, pulse->asked, 0);
}

static void check_workers(struct mr_health *health, int64_t now_us)
{
	struct mr_supervisor *supervisor = health->supervisor;
	/* One that stood still itself has heard nobody. */
	bool slept = now_us - health->turned_us > health->limit_us / 2;
	if (supervisor->over)
		return;
	for (uint32_t i = 0; i < supervisor->worker_count; i++)
		note_waiting(health, i, now_us);
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		if (slept)
			mr_pulse_forgive(&supervisor->workers[i].watched.pulse, now_us);
		check_worker(health, i, now_us);
	}
}

void mr_health_await(struct mr_health *health, uint32_t worker, int64_t from_us)
{
	mr_health_turn(health);
	if (health != NULL && mr_clock_us() - from_us >= health->limit_us)
		kill_silent(health, worker, "has not ended", health->limit_us);
}

/* Of the state of sources the workers that read them know, the first group, while one of them
 * lives. The others hear of it at barriers, and until the first one take all for ended
 * (worker_restore.c). */
static bool knows_states(const struct mr_supervisor *supervisor, uint32_t worker)
{
	uint32_t first = supervisor->setup.topology.groups[0].workers;
	bool gone = true;
	for (uint32_t i = 0; i < first; i++)
		gone &= supervisor->workers[i].pid == 0;
	return worker < first || gone;
}

static void note_marks(struct mr_health *health, uint32_t worker, const struct mr_marks *marks)
{
	int64_t now_us = mr_clock_us();
	bool knows = knows_states(health->supervisor, worker);
	for (uint32_t i = 0; i < marks->count; i++) {
		const struct mr_source_mark *is = &marks->items[i];
		if (is->source >= MR_SOURCES_MAX)
			continue;
		struct mr_source_mark *known = mr_marks_at(&health->marks, is->source);
		if (is->highest_us > known->highest_us || health->mark_us[is->source] == 0) {
			known->highest_us = is->highest_us;
			health->mark_us[is->source] = now_us;
		}
		if (knows)
			known->state = is->state;
	}
}

enum mr_err mr_health_pong(struct mr_health *health, uint32_t worker, uint64_t number,
			   uint64_t queued, struct mr_slice bytes, struct mr_error *error)
{
	if (health == NULL)
		return MR_OK;
	struct mr_supervised *is = &health->supervisor->workers[worker];
	struct mr_unpack in = mr_unpack(bytes);
	struct mr_marks marks;
	mr_marks_decode(&in, &marks);
	if (health->service == NULL)
		is->watched.pulse.asked = number; /* by the host that leads */
	bool whole = mr_unpack_done(&in) && mr_pulse_answer(&is->watched.pulse, number);
	if (whole) {
		is->watched.queued = queued;
		is->watched.event_us = MR_NO_TIME;
		for (uint32_t i = 0; i < marks.count; i++) {
			if (marks.items[i].highest_us > is->watched.event_us)
				is->watched.event_us = marks.items[i].highest_us;
		}
		note_marks(health, worker, &marks);
	}
	mr_marks_fini(&marks);
	return whole ? MR_OK
		     : mr_error_set(error, MR_PROTOCOL, "%s: an answer to no question", is->name);
}

void mr_health_alive(struct mr_health *health, uint32_t worker)
{
	if (health != NULL)
		mr_pulse_forgive(&health->supervisor->workers[worker].watched.pulse, mr_clock_us());
}

enum mr_err mr_health_latency(struct mr_health *health, uint32_t worker, uint64_t latency,
			      struct mr_slice bytes, struct mr_error *error)
{
	if (health == NULL)
		return MR_OK;
	struct mr_supervised *is = &health->supervisor->workers[worker];
	struct mr_unpack in = mr_unpack(bytes);
	struct mr_histogram histogram;
	mr_histogram_decode(&in, &histogram);
	if (latency >= MR_L_COUNT || !mr_unpack_done(&in))
		return mr_error_set(error, MR_PROTOCOL, "%s: a latency that is none", is->name);
	is->watched.latencies.at[latency] = histogram;
	return MR_OK;
}

/* NULL where there is no such part. */
static struct mr_health_part *part_named(struct mr_health *health, enum mr_part_kind kind,
					 struct mr_slice name)
{
	if (kind == MR_PART_HOST)
		return NULL;
	if (kind == MR_PART_SINK && name.len == 0)
		return &health->dead_letter;
	return find_part(kind == MR_PART_SOURCE ? &health->sources : &health->sinks, name);
}

/* A worker that starts anew knows of no failure before: not over until the receiver answers it. */
static void note_failing(struct mr_health_part *part, const struct mr_figures *figures)
{
	int64_t from_us = mr_clock_us() - (int64_t)figures->failing_us;
	if (figures->failing_us == 0 && !figures->untried)
		part->failing_us = 0;
	else if (figures->failing_us > 0 && (part->failing_us == 0 || from_us < part->failing_us))
		part->failing_us = from_us;
}

enum mr_err mr_health_figures(struct mr_health *health, uint32_t worker, struct mr_slice bytes,
			      struct mr_error *error)
{
	struct mr_figures figures;
	if (health == NULL)
		return MR_OK;
	bool whole = mr_figures_decode(bytes, &figures);
	struct mr_health_part *part = whole ? part_named(health, figures.kind, figures.name) : NULL;
	if (part == NULL)
		return mr_error_set(error, MR_PROTOCOL, "%s: figures of nothing that is there",
				    health->supervisor->workers[worker].name);
	note_failing(part, &figures);
	if (figures.refused_us != 0 && figures.refused_us != part->figures.refused_us)
		part->refused_us = mr_clock_us();
	part->known = true;
	part->figures = figures;
	part->figures.name = part->figures.words = part->figures.input = (struct mr_slice){0};
	snprintf(part->words, sizeof part->words, "%.*s", (int)figures.words.len, figures.words.at);
	snprintf(part->input, sizeof part->input, "%.*s", (int)figures.input.len, figures.input.at);
	return MR_OK;
}

/* ---- turning ---- */

/* Of a source bytes: what records they are is parse's to say. */
static uint64_t taken_in(const struct mr_counters *counters)
{
	if (counters->at[MR_C_BYTES_COLLECTED] > 0)
		return counters->at[MR_C_BYTES_COLLECTED];
	return counters->at[MR_C_RECORDS] + counters->at[MR_C_SIGNALS_RECEIVED] +
	       counters->at[MR_C_INNER_SIGNALS_RECEIVED] + counters->at[MR_C_ALERTS_RECEIVED] +
	       counters->at[MR_C_REJECTS_RECEIVED];
}

static void rate_worker(struct mr_supervised *worker, int64_t now_us)
{
	struct mr_watched *is = &worker->watched;
	uint64_t count = taken_in(&worker->counters);
	if (is->rate_us != 0 && now_us - is->rate_us < RATE_US)
		return;
	if (is->rate_us != 0)
		is->rate = (int64_t)((double)(count - is->rate_count) * 1e6 /
				     (double)(now_us - is->rate_us));
	else
		is->rate = MR_STATUS_UNKNOWN;
	is->rate_us = now_us;
	is->rate_count = count;
}

static void forget_warnings(struct mr_health *health, int64_t now_us)
{
	struct mr_supervisor *supervisor = health->supervisor;
	if (now_us - health->forget_warnings_us < WARNINGS_US)
		return;
	health->forget_warnings_us = now_us;
	mr_warnings_tell(&supervisor->warnings, &supervisor->progress);
	mr_warnings_fini(&supervisor->warnings);
}

/* Who works, and what was refused, as long as that lasts. */
static void tell_work(struct mr_health *health)
{
	const char *failure = health->service == NULL ? "" : health->service->reload.failure;
	struct mr_buf words = {0};
	if (failure[0] != '\0')
		mr_buf_printf(&words, "reload refused: %.*s; ",
			      (int)mr_utf8_cut(mr_slice(failure), 300), failure);
	mr_buf_printf(&words, "%s", health->workers);
	mr_buf_add(&words, "", 1);
	mr_notify_status(&health->notify, words.data);
	mr_buf_fini(&words);
}

static void follow_refusal(struct mr_health *health)
{
	const char *failure = health->service->reload.failure;
	uint64_t refusal = mr_hash64(failure, strlen(failure), 0);
	if (health->workers == NULL || refusal == health->refusal)
		return;
	health->refusal = refusal;
	tell_work(health);
}

/* From a wish for new rules to their first workers, or to their refusal. */
static void follow_reload(struct mr_health *health)
{
	bool reloads = health->service->reload.step != MR_RELOAD_NONE;
	if (reloads && !health->reloads)
		mr_notify_reloading(&health->notify);
	if (!reloads && health->reloads)
		mr_notify_ready(&health->notify);
	health->reloads = reloads;
}

static void judge(struct mr_health *health, int64_t now_us)
{
	check_workers(health, now_us);
	mr_health_check(health, now_us);
	follow_reload(health);
	follow_refusal(health);
}

uint32_t mr_health_incarnation(const struct mr_health *health)
{
	return health->service != NULL ? health->service->incarnations
				       : health->supervisor->hosts->incarnations;
}

void mr_health_turn(struct mr_health *health)
{
	if (health == NULL)
		return;
	int64_t now_us = mr_clock_us();
	for (uint32_t i = 0; i < health->supervisor->worker_count; i++)
		rate_worker(&health->supervisor->workers[i], now_us);
	if (health->service != NULL)
		judge(health, now_us);
	forget_warnings(health, now_us);
	mr_status_server_turn(health->status, now_us);
	if (health->http != NULL)
		mr_http_turn(health->http);
	mr_notify_turn(&health->notify, now_us);
	health->supervisor->progress.log->incarnation = mr_health_incarnation(health);
	health->turned_us = now_us;
}

void mr_health_feed(struct mr_health *health)
{
	if (health != NULL)
		mr_notify_turn(&health->notify, mr_clock_us());
}

void mr_health_rest(struct mr_health *health, int until_fd, int64_t rest_us)
{
	int64_t until_us = mr_clock_us() + rest_us;
	int64_t left_us;
	struct pollfd fds[] = {{.fd = until_fd, .events = POLLIN},
			       {.fd = mr_health_fd(health), .events = POLLIN}};
	while ((left_us = until_us - mr_clock_us()) > 0 && fds[0].revents == 0) {
		mr_health_turn(health);
		poll(fds, 2,
		     left_us < REST_MS * INT64_C(1000) ? (int)(left_us / 1000) + 1 : REST_MS);
	}
}

/* ---- what happens ---- */

void mr_health_waits(struct mr_health *health, const char *hosts)
{
	if (health == NULL)
		return;
	struct mr_buf words = {0};
	mr_buf_printf(&words, "waits for %s", hosts);
	mr_buf_add(&words, "", 1);
	if (health->waits_us == 0)
		health->waits_us = mr_clock_us();
	mr_notify_ready(&health->notify);
	mr_notify_status(&health->notify, words.data);
	mr_buf_fini(&words);
}

void mr_health_ready(struct mr_health *health, const char *workers)
{
	bool first = health->state == MR_HEALTH_STARTING;
	health->waits_us = 0;
	/* What a start may take ends here: nobody is late for what was asked meanwhile. */
	for (uint32_t i = 0; i < health->supervisor->worker_count; i++)
		mr_pulse_forgive(&health->supervisor->workers[i].watched.pulse, mr_clock_us());
	mr_log_event(MR_LOG_INFO, first ? MR_EVENT_SERVICE_READY : MR_EVENT_WORKERS_STARTED, "%s",
		     workers);
	if (health->state != MR_HEALTH_STOPPING)
		health->state = MR_HEALTH_RUNNING;
	if (first)
		mr_notify_ready(&health->notify);
	free(health->workers);
	health->workers = mr_strdup(workers);
	tell_work(health);
}

void mr_health_died(struct mr_health *health, const char *words)
{
	if (health == NULL)
		return;
	health->death_us[health->deaths++ % MR_HEALTH_DEATHS] = mr_clock_us();
	health->last_death_us = mr_clock_wall_us();
	mr_status_word(health->last_death, words);
	if (health->state == MR_HEALTH_RUNNING)
		health->state = MR_HEALTH_RESTARTING;
	mr_notify_status(&health->notify, words);
}

void mr_health_stopping(struct mr_health *health)
{
	if (health == NULL || health->state == MR_HEALTH_STOPPING)
		return;
	health->state = MR_HEALTH_STOPPING;
	mr_log_event(MR_LOG_INFO, MR_EVENT_SERVICE_STOPPING,
		     "what is read is judged, and a last checkpoint made");
	mr_notify_stopping(&health->notify);
}
