/* service.h - runs a pipeline that survives its workers: incarnation after incarnation, each from
 * the last checkpoint (PROTOCOL.md 1).
 *
 * Order: open, run, close; between them only supervisor.c and supervisor_words.c call the rest. The
 * work is done when all sources have ended and no alert waits in a spool, or a signal asks for the
 * end, and the last checkpoint is committed. */
#ifndef MILLRACE_SERVICE_H
#define MILLRACE_SERVICE_H

#include "checkpoint.h"
#include "owed.h"
#include "reload.h"
#include "suspects.h"

struct mr_service {
	struct mr_state_dir dir;
	struct mr_bookkeeper keeper;
	struct mr_checkpoint checkpoint;
	struct mr_suspects suspects; /* records that workers died of */
	int64_t interval_us;
	uint32_t incarnations;
	bool stopping;        /* a signal asked for the end */
	int64_t stop_us;      /* when */
	bool stop_now;        /* and another one asked again */
	bool said_stop;       /* what the end waits for */
	bool left;            /* it is waited for no more */
	bool told_drain;      /* the sources know */
	bool held;            /* only until a checkpoint is made: too much stands behind the last */
	uint32_t drained;     /* source workers that read no more */
	uint64_t last_number; /* of a checkpoint behind the last record; 0: none is begun */
	int64_t pause_us;     /* behind the last record, between checkpoints: spools become empty */
	bool said_waits;
	bool finishing;  /* it is committed, and the sources are told to end */
	uint32_t deaths; /* of incarnations that did not live long, one after the other */
	struct mr_generation generation; /* in force */
	struct mr_reload reload;
	struct mr_owed owed; /* that a reload waits for */
};

/* Takes the state directory and reads the last checkpoint. `topology` is read again at a reload;
 * borrowed; NULL: there is none. MR_CONFIG, MR_BAD_INPUT, MR_UNSUPPORTED,
 * MR_IO; after an error hold nothing. */
enum mr_err mr_service_open(struct mr_service *service, const char *path, const char *topology,
			    int64_t interval_us, struct mr_error *error);
/* Before the settings are prepared: each source gets the number that it had, by its name, or one
 * that none has had. MR_CONFIG where there were too many. */
enum mr_err mr_service_number_sources(const struct mr_service *service, struct mr_config *config,
				      struct mr_error *error);
/* Blocks until the work is done, or can't be. */
enum mr_err mr_service_run(struct mr_service *service, struct mr_supervisor *supervisor,
			   struct mr_error *error);
/* Before the next incarnation, where so many died young one after the other. */
int mr_service_pause_ms(uint32_t deaths);
/* Whether no other start would help: the command line or a file of it is wrong, bytes on the disk
 * are not what they should be, a pipe has no reader. */
bool mr_service_stays(enum mr_err err);
/* Accepts zeroed memory. */
void mr_service_close(struct mr_service *service);

/* ---- called while an incarnation is watched ---- */

/* All workers are ready: what is due now. */
void mr_service_turn(struct mr_service *service, struct mr_supervisor *supervisor, int64_t now_us);
/* How long until it is wanted again, at most. */
int mr_service_wait_ms(const struct mr_service *service, int64_t now_us, int most_ms);
/* A source worker reads no more. */
void mr_service_drained(struct mr_service *service);

/* ---- service_stop.c ---- */

/* A signal came. */
void mr_service_signal(struct mr_service *service, uint32_t signal);
/* Whether the end that a signal asked for has been waited for long enough: MR_IO, with words on
 * what did not come. Says that once before. */
enum mr_err mr_service_late(struct mr_service *service, const struct mr_supervisor *supervisor,
			    int64_t now_us, struct mr_error *error);
/* The first source worker that has not said that all which its sockets were sent is kept; NULL
 * where there is none, or nothing to keep. */
const char *mr_service_owing(const struct mr_supervisor *supervisor);
/* Where a signal asked for the end, and the next incarnation would only begin after a pause: MR_IO,
 * with what the last one died of. */
enum mr_err mr_service_leave(struct mr_service *service, const char *death, struct mr_error *error);

/* ---- for reload.c ---- */

/* Nothing new is begun any more. */
bool mr_service_ends(const struct mr_service *service);
/* Of settings that are about to be in force: what the service itself goes by. */
void mr_service_adopt(struct mr_service *service, const struct mr_config *config);

/* ---- service_generation.c ---- */

/* Before the first incarnation: by what it starts with. Who judges from here on stands in the last
 * manifest before anything is read, because others would judge it again after a death; but not
 * before its workers have restored: a start that fails on new rules leaves the old ones their
 * checkpoint. MR_IO, MR_NO_SPACE. */
enum mr_err mr_service_choose(struct mr_service *service, struct mr_supervisor *supervisor,
			      struct mr_error *error);
/* Removes what earlier generations have left in the state directory: all that neither judges nor is
 * named by a checkpoint that stands. Not while a reload prepares, or has prepared, another one. */
void mr_service_tidy_generations(const struct mr_service *service);
/* Before each incarnation. On the disk at once where the last checkpoint is its own, or none; else
 * mr_checkpoint_keep_name does that once all workers are ready. MR_IO, MR_NO_SPACE. */
enum mr_err mr_service_name_last(struct mr_service *service, struct mr_error *error);
/* The last checkpoint is an earlier one now: what was read behind it is judged by what judged it
 * first, and what is in force waits for a checkpoint, as at a start. */
void mr_service_go_back(struct mr_service *service, struct mr_supervisor *supervisor);
/* What a checkpoint that is about to be committed says of generations, and of the sources that come
 * with a new one. */
void mr_service_name_generation(const struct mr_service *service, struct mr_manifest *out);

#endif
