/* reload.h - new rules, databases and networks for a service that runs (PROTOCOL.md 1.4, 4.6, 9.3).
 *
 * A signal wants it; a process of its own then prepares the new set, checks it whole and keeps its
 * generation, while the old one works on. What is wrong with it ends the reload with words. Else
 * the sources stop, a checkpoint that names the new generation is committed, and the next
 * incarnation starts with it from there. Over several hosts each prepares its own from its own
 * files, before the sources stop (host_reload.c): one that cannot, or has other files, ends the
 * reload. One reload at a time; a signal that comes meanwhile wants another one behind it. */
#ifndef MILLRACE_PIPELINE_RELOAD_H
#define MILLRACE_PIPELINE_RELOAD_H

#include "child.h"
#include "prepared.h"

enum mr_reload_step {
	MR_RELOAD_NONE,
	MR_RELOAD_PREPARING, /* by a process */
	MR_RELOAD_ASKING,    /* whether the other hosts have it prepared */
	MR_RELOAD_READY,     /* waits for its checkpoint */
	MR_RELOAD_TRIAL      /* it is in force; the old one is kept until its workers are ready */
};

struct mr_reload {
	const char *topology; /* the file; borrowed; NULL: there is none to read again */
	bool wanted;
	enum mr_reload_step step;
	pid_t pid;
	struct mr_children left; /* of earlier ones */
	int64_t limit_us;        /* how long it may take, and until when */
	int64_t until_us;
	bool done;          /* the process has said all */
	char fault[512];    /* the first error that the process said */
	char failure[1024]; /* why the last one was refused; empty where it was not */
	struct mr_control control;
	struct mr_prepared other; /* the new set, and in a trial the old one */
	uint32_t source_count;    /* that the last manifest names without it */
	char changes[256];
};

struct mr_service;

void mr_reload_init(struct mr_reload *reload, const char *topology);
/* While an incarnation runs: begins what is wanted, hears the process. */
void mr_reload_turn(struct mr_reload *reload, struct mr_service *service,
		    struct mr_supervisor *supervisor);
/* It will not be: the old set goes on. */
void mr_reload_refuse(struct mr_reload *reload, const char *why);
/* At the start: what is in force is an older generation, and this one waits for a checkpoint. */
void mr_reload_await(struct mr_reload *reload, const struct mr_service *service,
		     const struct mr_supervisor *supervisor, struct mr_prepared *other);
/* Another incarnation begins: the other hosts are asked again. */
void mr_reload_again(struct mr_reload *reload, const struct mr_supervisor *supervisor);
/* Between two incarnations: puts in force what a checkpoint names. */
void mr_reload_take_over(struct mr_reload *reload, struct mr_service *service,
			 struct mr_supervisor *supervisor);
/* Its workers cannot even begin: back to the old one. */
void mr_reload_take_back(struct mr_reload *reload, struct mr_service *service,
			 struct mr_supervisor *supervisor, const char *why);
/* Its workers are ready. */
void mr_reload_settle(struct mr_reload *reload, const struct mr_service *service);

/* ---- reload_process.c ---- */

/* Starts the process, for the service or the host whose state directory this is. MR_NO_SPACE,
 * MR_CONFIG. */
enum mr_err mr_reload_start(struct mr_reload *reload, const struct mr_state_dir *dir,
			    const struct mr_supervisor *supervisor, struct mr_error *error);
/* MR_AGAIN until it has said all; MR_OK: the other set is whole, and kept; else why there is none:
 * also where it takes too long. Then drop it. */
enum mr_err mr_reload_hear(struct mr_reload *reload, struct mr_supervisor *supervisor,
			   struct mr_error *error);
/* No process, and no other set. Waits for nobody. */
void mr_reload_drop(struct mr_reload *reload);
/* Drops it, and waits a little for processes that were killed. */
void mr_reload_fini(struct mr_reload *reload);

/* ---- reload_changes.c ---- */

/* Whether the service may go over from what the supervisor has to this: MR_CONFIG, with reasons,
 * where a setting changed that cannot change, or where what is in force would be lost. */
enum mr_err mr_reload_check(const struct mr_supervisor *old, const struct mr_prepared *new,
			    struct mr_error *error);
/* Whether a rule or filter that is in force would be lost though its document was not taken away:
 * it is refused, or stands there without effect. MR_CONFIG, with words. */
enum mr_err mr_reload_check_lost(const struct mr_catalog *old, const struct mr_catalog *new,
				 struct mr_error *error);
/* A start cannot stay with what was: says each that was in force and is lost. */
void mr_reload_say_lost(const struct mr_catalog *old, const struct mr_catalog *new);
/* Likewise what has changed meanwhile: a log line of each rule and filter, or of the first ones. */
void mr_reload_say_changes(const struct mr_catalog *old, const struct mr_catalog *new);
/* What the new set brings, in words, and in log lines of each rule and filter; false where it is
 * the same. */
bool mr_reload_compare(const struct mr_supervisor *old, const struct mr_generation *old_generation,
		       const struct mr_prepared *new, char *words, size_t size);

/* ---- reload_prepare.c: the process ---- */

/* `millrace reload PARENT TOPOLOGY STATE [HOST]`. */
int mr_reload_main(int argc, char **argv);
/* Keeps the generation of what the supervisor has and sends it all; then the last word, when all
 * has gone. For a process of a test, too. */
enum mr_err mr_reload_send(const struct mr_supervisor *supervisor, const char *state,
			   struct mr_control *control, struct mr_error *error);
void mr_reload_end(struct mr_control *control, enum mr_err err, const struct mr_error *error);

#endif
