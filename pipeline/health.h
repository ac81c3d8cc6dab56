/* health.h - how a service is watched: the pulse of its workers, its status, metrics, alarms, log,
 * and what systemd is told.
 *
 * On a host that follows another one that one asks the workers, and raises alarms: here their
 * answers are overheard on their way.
 *
 * Owned by cmd_run.c and host_follow.c; told by service.c and supervisor*.c what happens. One
 * descriptor tells when somebody asks; turn is to be called then, and a few times a second, whether
 * workers run or not. Nothing here blocks, and nothing here ends the service: a worker that does
 * not answer is killed, and its death is then found as any other.
 *
 * Order: open, then turn and the words of events in any order, close. */
#ifndef MILLRACE_HEALTH_H
#define MILLRACE_HEALTH_H

#include "alarm.h"
#include "http.h"
#include "millrace/figures.h"
#include "millrace/watermark.h"
#include "notify.h"
#include "status.h"
#include "status_server.h"
#include "watched.h"

/* So many times longer may a start take than an answer: a worker restores a large state, a reload
 * reads large databases. */
#define MR_START_TIMES 6
/* Likewise, that a host is given whose workers are all silent while a checkpoint is under way. */
#define MR_DISK_TIMES 10

#define MR_HEALTH_DEATHS 3 /* within ten minutes: more than a hiccup */

struct mr_service;
struct mr_supervisor;

/* What was last said of a source or a sink. */
struct mr_health_part {
	char *name;
	uint32_t number; /* a source's */
	bool known;
	int64_t failing_us; /* since when its receiver fails, whoever works; 0: it does not */
	int64_t refused_us; /* when it was heard that a receiver had refused an alert */
	struct mr_figures figures; /* without its texts: */
	char words[MR_FIGURES_WORDS + 1];
	char input[MR_FIGURES_WORDS + 1];
};
/* Those of one kind, as the settings in force have them. */
struct mr_health_parts {
	struct mr_health_part *items;
	size_t count;
};

enum mr_health_state {
	MR_HEALTH_STARTING,
	MR_HEALTH_RUNNING,
	MR_HEALTH_RESTARTING,
	MR_HEALTH_STOPPING
};

struct mr_health {
	const struct mr_service *service; /* NULL: another host leads */
	struct mr_supervisor *supervisor;
	int64_t limit_us; /* what a worker may leave a question unanswered */
	int64_t started_us;
	int64_t turned_us; /* of a clock that never goes back */
	int64_t forget_warnings_us;
	enum mr_health_state state;
	bool reloads;     /* as systemd knows it */
	char *workers;    /* that are at work, in words; NULL: none were yet */
	uint64_t refusal; /* hash of why the last reload was refused, as systemd knows it */
	struct mr_alarms alarms;
	struct mr_notify notify;
	struct mr_status_server *status;
	struct mr_http *http;
	struct mr_http_pages pages;
	int epoll; /* of both */
	uint64_t deaths;
	int64_t death_us[MR_HEALTH_DEATHS]; /* of the last, the oldest at `deaths` */
	char last_death[MR_STATUS_WORD_BYTES];
	int64_t last_death_us;
	struct mr_health_parts sources;
	struct mr_health_parts sinks;
	struct mr_health_part dead_letter;
	struct mr_marks marks; /* by source, over all workers */
	/* Since when what should move stands still. */
	uint64_t late, late_more; /* since the alarm was raised, over all incarnations */
	int64_t late_us;
	uint64_t shed;
	int64_t shed_us;
	uint64_t bytes_taken;
	int64_t taken_us;
	int64_t waits_us;                /* for other hosts; 0: it does not */
	int64_t mark_us[MR_SOURCES_MAX]; /* when the mark of a source last moved, or was first heard
					    of */
	char held_up[80];                /* how many slots wait for one, in words */
};

/* Listens in the service's, or the host's, state directory and, where `metrics_port` is set, over
 * HTTP. The supervisor's lines have gone to a log before (mr_progress_log). MR_IO; after an error
 * hold nothing. */
enum mr_err mr_health_open(struct mr_health *health, const struct mr_service *service,
			   struct mr_supervisor *supervisor, struct mr_error *error);
void mr_health_close(struct mr_health *health);

/* From here on NULL is nobody who watches, and is told nothing. */
int mr_health_fd(const struct mr_health *health);
/* The supervisor has other settings now. What is known of a source or a sink stays with its name.
 */
void mr_health_adopt(struct mr_health *health);
/* A worker has said its last word, and is waited for since `from_us`. */
void mr_health_await(struct mr_health *health, uint32_t worker, int64_t from_us);
void mr_health_turn(struct mr_health *health);
/* Feeds systemd's watchdog, from within something long. Accepts NULL. */
void mr_health_feed(struct mr_health *health);
/* Turns for so long, or until this descriptor can be read. */
void mr_health_rest(struct mr_health *health, int until_fd, int64_t rest_us);

/* ---- what happens ---- */

/* Other hosts are waited for: a service that waits has started. */
void mr_health_waits(struct mr_health *health, const char *hosts);
/* All workers of an incarnation are ready: these. */
void mr_health_ready(struct mr_health *health, const char *workers);
void mr_health_died(struct mr_health *health, const char *words);
void mr_health_stopping(struct mr_health *health);
/* The workers' words. MR_PROTOCOL where it is none. */
enum mr_err mr_health_pong(struct mr_health *health, uint32_t worker, uint64_t number,
			   uint64_t queued, struct mr_slice bytes, struct mr_error *error);
/* It answers later: it is at work. */
void mr_health_alive(struct mr_health *health, uint32_t worker);
enum mr_err mr_health_latency(struct mr_health *health, uint32_t worker, uint64_t latency,
			      struct mr_slice bytes, struct mr_error *error);
enum mr_err mr_health_figures(struct mr_health *health, uint32_t worker, struct mr_slice bytes,
			      struct mr_error *error);

/* Whether the worker is there: one on another host is, as far as is known, once it has spoken. */
bool mr_health_sees(const struct mr_health *health, uint32_t worker);

/* Which set of workers this is, from 1 on. */
uint32_t mr_health_incarnation(const struct mr_health *health);

/* ---- health_alarms.c ---- */

/* Raises what there is, and clears what there is no more. */
void mr_health_check(struct mr_health *health, int64_t now_us);
/* Says that an alarm is there, or is not. */
void mr_health_put(struct mr_health *health, enum mr_alarm alarm, bool there, const char *words);
/* The names of the alarms that are raised for a source. */
void mr_health_source_alarms(const struct mr_health *health, const struct mr_health_part *source,
			     struct mr_buf *out);
/* The first sink that takes no more; NULL: all do. Here, too, NULL is nobody who watches. */
const char *mr_health_full_sink(const struct mr_health *health);
/* Whether the dead letter's disk is full. */
bool mr_health_full_letters(const struct mr_health *health);

/* ---- health_fill.c ---- */

/* All that is known now; the caller ends it. */
void mr_health_fill(const struct mr_health *health, struct mr_status *status);

#endif
