/* hosts.h - a supervisor's share in a run over several hosts (PROTOCOL.md 1.7).
 *
 * The first host of the topology leads: its supervisor speaks with every worker, keeps manifest and
 * ledger, and takes the checkpoints. To it a worker that is elsewhere is a control socket like any
 * other, whose far end is kept here: what comes out of it goes through the gate to the supervisor
 * of that host, and back. That one, a follower, starts the workers of its groups and hands words
 * on; what goes with a descriptor (tables, setup, files of state) it gives them itself.
 *
 * The connection of two gates is the incarnation: each supervisor starts a gate, waits until the
 * others are there, and ends its incarnation when one is lost. So nothing has to be agreed on
 * after a loss, and nothing old can be left. Order in each incarnation: meet, adopt for each worker
 * that is elsewhere, begin; then listen while it is watched; end. */
#ifndef MILLRACE_HOSTS_H
#define MILLRACE_HOSTS_H

#include "host_word.h"
#include "keys.h"
#include "reload.h"
#include "state_dir.h"
#include "supervisor.h"

struct pollfd;

struct mr_host {
	bool met;   /* the gates are connected */
	bool hello; /* a follower that has what we have */
	bool lost;
	bool agrees; /* it has the new set prepared */
};

struct mr_hosts {
	uint32_t self;
	uint32_t count;
	struct mr_key key;
	uint64_t set; /* what judges in this incarnation */
	struct mr_supervised gate;
	struct mr_host hosts[MR_HOSTS_MAX];
	bool met;               /* in this incarnation all have been there */
	int64_t turned_us;      /* the gate was looked after */
	int64_t killed_us;      /* a worker elsewhere was to be killed; 0: none */
	bool lacks;             /* a follower has not its part of the last checkpoint */
	bool unread;            /* for its disk does not give it */
	bool ended;             /* a signal asked for the end before they were */
	uint64_t asked;         /* in this incarnation for this set; 0: for none */
	struct mr_error no;     /* what a follower has against it */
	struct mr_control *far; /* the leader's, by worker: the other ends of their sockets */
	uint32_t far_count;
	/* Of a follower. */
	struct mr_state_dir dir;
	struct mr_buf begin_bytes;
	struct mr_host_begin begin;
	bool begun;    /* the leader has said how */
	bool refused;  /* the leader will not have this host */
	bool outdated; /* only since its rules, databases or lists are not the leader's */
	uint64_t next; /* the set that the next incarnation is to begin with; 0: not known */
	struct mr_generation generation; /* in force */
	uint64_t before;                 /* what was in force before it; 0: nothing */
	struct mr_reload reload;
	uint32_t incarnations;  /* that have begun */
	uint64_t snapshot;      /* the checkpoint that files were last made for */
	uint32_t committed;     /* checkpoints of this incarnation */
	uint64_t failed_number; /* of a checkpoint whose file could not be made */
	uint64_t unread_number; /* of one that our disk does not give */
	struct mr_error failure;
};

/* Which of the hosts this is. `config` is a topology file's with hosts. */
void mr_hosts_find(struct mr_hosts *hosts, const struct mr_config *config);
/* Likewise, and reads the private key. `config` is a topology file's with hosts. Errors: see
 * mr_keys_read. */
enum mr_err mr_hosts_init(struct mr_hosts *hosts, const struct mr_config *config,
			  struct mr_error *error);
void mr_hosts_fini(struct mr_hosts *hosts);
/* Accepts NULL: there is one host, and it leads. */
static inline bool mr_hosts_lead(const struct mr_hosts *hosts)
{
	return hosts == NULL || hosts->self == 0;
}

/* On which host each group of the topology runs. */
void mr_hosts_place(const struct mr_config *config, struct mr_topology *topology);
/* In whose state directory the state of a group lies: empty for the leader's. */
const char *mr_host_of_state(const struct mr_supervisor *supervisor, uint32_t group);
/* Whether the worker is another host's. */
bool mr_hosts_elsewhere(const struct mr_supervisor *supervisor, uint32_t worker);
/* Whether all workers of its host have left a question unanswered for so long. */
bool mr_hosts_silent(const struct mr_supervisor *supervisor, uint32_t worker, int64_t now_us,
		     int64_t least_us);
/* "process 77", or "process 77 on b", or "on b" where its number is not known. Returns `out`. */
#define MR_WHERE_BYTES 96
const char *mr_hosts_where(const struct mr_supervisor *supervisor, uint32_t worker,
			   char out[static MR_WHERE_BYTES]);

/* Of what all hosts must have alike: their generation without the tables that the leader alone has.
 */
uint64_t mr_hosts_set(const struct mr_generation *generation, const struct mr_fields *fields);

/* ---- an incarnation ---- */

/* Blocks until all hosts are there, and, on a follower, until the leader has said what to begin
 * with; a signal ends that. Starts the gate. MR_PEER_LOST, MR_CONFIG where this host is refused;
 * MR_END where a signal asked for the end. */
enum mr_err mr_hosts_meet(struct mr_supervisor *supervisor, struct mr_error *error);
/* The hosts that it waits for, in words; nothing where all are there. Accepts no hosts at all. */
void mr_hosts_missing(const struct mr_supervisor *supervisor, struct mr_buf *out);
/* In place of starting a worker. */
enum mr_err mr_hosts_adopt(struct mr_supervisor *supervisor, uint32_t worker,
			   struct mr_error *error);
/* All are started or adopted: the leader tells the others. */
void mr_hosts_begin(struct mr_supervisor *supervisor);
/* All workers have bound. Accepts NULL. */
void mr_hosts_connect(struct mr_hosts *hosts);
/* Whether any host is lost, or the gate. Accepts NULL. */
bool mr_hosts_lost(const struct mr_hosts *hosts);
/* Room for mr_hosts_fds. */
uint32_t mr_hosts_fds(const struct mr_hosts *hosts);
uint32_t mr_hosts_poll_set(const struct mr_hosts *hosts, struct pollfd *out);
/* Acts on all that gate and far ends have to say. MR_OK, or why the incarnation ends. */
enum mr_err mr_hosts_listen(struct mr_supervisor *supervisor, struct mr_error *error);
/* A worker that is elsewhere does not answer: it is killed there, or, where that is not done
 * either, its host is given up. */
void mr_hosts_kill(struct mr_supervisor *supervisor, uint32_t worker);
/* Kills and reaps the gate, once what was said has gone out. */
void mr_hosts_end(struct mr_supervisor *supervisor);

/* ---- hosts.c to its two sides ---- */

void mr_hosts_say(struct mr_hosts *hosts, uint32_t host, const struct mr_host_word *word);
/* A word of another supervisor. */
enum mr_err mr_host_lead_word(struct mr_supervisor *supervisor, uint32_t host,
			      const struct mr_host_word *word, struct mr_error *error);
enum mr_err mr_host_follow_word(struct mr_supervisor *supervisor, const struct mr_host_word *word,
				struct mr_error *error);

/* ---- host_follow.c ---- */

/* A worker's word on a follower. */
enum mr_err mr_host_follow_relay(struct mr_supervisor *supervisor, uint32_t worker,
				 struct mr_control_message *message, struct mr_error *error);
/* Tells the leader of workers that fell. */
void mr_host_follow_deaths(struct mr_supervisor *supervisor);
/* In place of mr_service_run: incarnation after incarnation as the leader says. `topology` is the
 * file, read again at a reload; borrowed. */
enum mr_err mr_host_follow_run(struct mr_supervisor *supervisor, const char *topology,
			       struct mr_error *error);

/* ---- host_reload.c ---- */

/* What judges from here on has come from files: its generation is named and kept. MR_IO,
 * MR_NO_SPACE. */
enum mr_err mr_host_reload_know(struct mr_supervisor *supervisor, struct mr_error *error);
/* The leader wants to know whether this set is prepared here, or, of 0, wants none. */
void mr_host_reload_ask(struct mr_supervisor *supervisor, uint64_t set);
/* Hears the process that prepares one. */
void mr_host_reload_turn(struct mr_supervisor *supervisor);
/* Between two incarnations: puts this set in force, where it is prepared or kept here. */
bool mr_host_reload_take(struct mr_supervisor *supervisor, uint64_t set);
/* All workers are ready: what was in force before goes. */
void mr_host_reload_settle(struct mr_hosts *hosts);

/* ---- host_lead.c ---- */

/* The beginning, to each follower. */
void mr_host_lead_begin(struct mr_supervisor *supervisor);
/* Whether each follower has this set prepared; asks those that were not asked. MR_AGAIN; MR_CONFIG
 * with one's reason, and then none is asked any more. */
enum mr_err mr_host_lead_ask(struct mr_supervisor *supervisor, uint64_t set,
			     struct mr_error *error);
/* The next incarnation begins with the set that they were asked for. Nothing where there is one
 * host. */
void mr_host_lead_over(struct mr_supervisor *supervisor);

#endif
