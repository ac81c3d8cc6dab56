/* hosts.c - what leader and followers have in common: who is where, the gate, the words.
 *
 * Called by supervisor*.c, service.c and cmd_run.c. A host that is lost is MR_PEER_LOST, like a
 * worker that died; a gate that fails says why. */
#include "hosts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "child.h"
#include "clock.h"
#include "gate.h"
#include "health.h"
#include "millrace/log.h"
#include "service.h"
#include "spawn.h"

#define GATE_END_US 1000000 /* how long a gate may take to send what was said */
#define GATE_END_MS 2
#define MEET_MS 200 /* from one look at the gate's pulse, and the watchdog, to the next */

static const struct mr_part *host_at(const struct mr_config *config, uint32_t host)
{
	return mr_config_part(config, MR_PART_HOST, host);
}

void mr_hosts_find(struct mr_hosts *hosts, const struct mr_config *config)
{
	const char *name = mr_config_get(config, "host", 0);
	*hosts = (struct mr_hosts){.count = (uint32_t)mr_config_parts(config, MR_PART_HOST)};
	hosts->dir = (struct mr_state_dir){.fd = -1, .lock = -1};
	mr_control_init(&hosts->gate.control, -1);
	mr_reload_init(&hosts->reload, NULL);
	while (strcmp(host_at(config, hosts->self)->name, name) != 0)
		hosts->self++;
}

enum mr_err mr_hosts_init(struct mr_hosts *hosts, const struct mr_config *config,
			  struct mr_error *error)
{
	mr_hosts_find(hosts, config);
	return mr_keys_read(host_at(config, hosts->self), &hosts->key, error);
}

void mr_hosts_fini(struct mr_hosts *hosts)
{
	mr_key_forget(&hosts->key);
	mr_buf_fini(&hosts->begin_bytes);
	mr_host_begin_fini(&hosts->begin);
	mr_reload_fini(&hosts->reload);
	mr_generation_fini(&hosts->generation);
	mr_state_dir_close(&hosts->dir);
}

/* ---- who is where ---- */

/* A group that was cut off goes with those before it, a layer with the first. */
void mr_hosts_place(const struct mr_config *config, struct mr_topology *topology)
{
	uint8_t host = 0;
	for (uint32_t i = 0; i < topology->group_count; i++) {
		struct mr_group *group = &topology->groups[i];
		const struct mr_part *part;
		for (size_t n = 0; (part = host_at(config, (uint32_t)n)) != NULL; n++) {
			const char *word;
			size_t at = 0;
			while ((word = mr_config_next(&part->settings, "groups", &at)) != NULL)
				if (strcmp(word, group->chain[0]) == 0)
					host = (uint8_t)n;
		}
		group->host = host;
	}
}

const char *mr_host_of_state(const struct mr_supervisor *supervisor, uint32_t group)
{
	uint8_t host = supervisor->setup.topology.groups[group].host;
	return host == 0 ? "" : host_at(&supervisor->setup.config, host)->name;
}

static uint32_t host_of(const struct mr_supervisor *supervisor, uint32_t worker)
{
	const struct mr_topology *topology = &supervisor->setup.topology;
	return topology->groups[mr_setup_group(topology, worker)].host;
}

bool mr_hosts_elsewhere(const struct mr_supervisor *supervisor, uint32_t worker)
{
	return supervisor->hosts != NULL && host_of(supervisor, worker) != supervisor->hosts->self;
}

bool mr_hosts_silent(const struct mr_supervisor *supervisor, uint32_t worker, int64_t now_us,
		     int64_t least_us)
{
	uint32_t host = host_of(supervisor, worker);
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		const struct mr_pulse *pulse = &supervisor->workers[i].watched.pulse;
		if (host_of(supervisor, i) == host && mr_pulse_silent_us(pulse, now_us) < least_us)
			return false;
	}
	return true;
}

const char *mr_hosts_where(const struct mr_supervisor *supervisor, uint32_t worker,
			   char out[static MR_WHERE_BYTES])
{
	const struct mr_supervised *is = &supervisor->workers[worker];
	int pid = (int)(is->pid != 0 ? is->pid : is->reaped);
	bool elsewhere = mr_hosts_elsewhere(supervisor, worker);
	const char *name =
	    elsewhere ? host_at(&supervisor->setup.config, host_of(supervisor, worker))->name : "";
	if (pid == 0 && elsewhere)
		snprintf(out, MR_WHERE_BYTES, "on %s", name);
	else
		snprintf(out, MR_WHERE_BYTES, "process %d%s%s", pid, elsewhere ? " on " : "", name);
	return out;
}

uint64_t mr_hosts_set(const struct mr_generation *generation, const struct mr_fields *fields)
{
	return mr_generation_without(generation, fields, mr_supervisor_table_is_leaders);
}

/* ---- speaking ---- */

void mr_hosts_say(struct mr_hosts *hosts, uint32_t host, const struct mr_host_word *word)
{
	struct mr_buf bytes = {0};
	mr_host_word_encode(word, &bytes);
	mr_control_send(&hosts->gate.control,
			&(struct mr_control_message){.kind = MR_CONTROL_PEER,
						     .number = host,
						     .bytes = {bytes.data, bytes.len},
						     .fd = -1});
	mr_buf_fini(&bytes);
}

/* ---- listening ---- */

static enum mr_err peer_word(struct mr_supervisor *supervisor,
			     const struct mr_control_message *message, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_host_word word;
	uint32_t host = (uint32_t)message->number;
	if (message->number >= hosts->count || !mr_host_word_decode(message->bytes, &word) ||
	    (hosts->self > 0 && host != 0))
		return mr_error_set(error, MR_PROTOCOL, "host %u: a word that hosts do not say",
				    host);
	return hosts->self == 0 ? mr_host_lead_word(supervisor, host, &word, error)
				: mr_host_follow_word(supervisor, &word, error);
}

static enum mr_err gate_word(void *context, struct mr_control_message *message,
			     struct mr_error *error)
{
	struct mr_supervisor *supervisor = context;
	struct mr_hosts *hosts = supervisor->hosts;
	bool of_host = message->number < hosts->count;
	switch (message->kind) {
	case MR_CONTROL_BOUND:
		return MR_OK;
	case MR_CONTROL_MET:
		if (of_host)
			hosts->hosts[message->number].met = true;
		return MR_OK;
	case MR_CONTROL_LOST:
		if (of_host)
			hosts->hosts[message->number].lost = true;
		return MR_OK;
	case MR_CONTROL_PEER:
		return peer_word(supervisor, message, error);
	case MR_CONTROL_PONG:
		if (!mr_pulse_answer(&hosts->gate.watched.pulse, message->number))
			return mr_error_set(error, MR_PROTOCOL, "gate: an answer to no question");
		return MR_OK;
	case MR_CONTROL_LOG:
	case MR_CONTROL_COUNTERS:
	case MR_CONTROL_FAILED:
		return mr_supervisor_common_word(supervisor, &hosts->gate, message, error);
	default:
		return mr_error_set(error, MR_PROTOCOL, "gate: a word that gates do not say");
	}
}

/* The far end of a worker's socket: what the supervisor tells it. */
struct far_end {
	struct mr_hosts *hosts;
	uint32_t host;
	uint32_t worker;
};

static enum mr_err far_word(void *context, struct mr_control_message *message,
			    struct mr_error *error)
{
	const struct far_end *far = context;
	(void)error;
	mr_hosts_say(far->hosts, far->host,
		     &(struct mr_host_word){.worker = far->worker,
					    .kind = message->kind,
					    .number = message->number,
					    .other = message->other,
					    .bytes = message->bytes});
	return MR_OK;
}

static enum mr_err listen_far(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	for (uint32_t i = 0; i < hosts->far_count; i++) {
		struct far_end far = {hosts, host_of(supervisor, i), i};
		if (hosts->far[i].closed)
			continue;
		enum mr_err err = mr_control_listen(&hosts->far[i], far_word, &far, error);
		if (err != MR_OK && err != MR_END)
			return err;
	}
	return MR_OK;
}

/* A host whose workers are all done may go. */
static bool is_missed(const struct mr_supervisor *supervisor, uint32_t host)
{
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		bool counts = supervisor->hosts->self > 0 || host_of(supervisor, i) == host;
		if (counts && !supervisor->workers[i].done)
			return true;
	}
	return supervisor->worker_count == 0;
}

static enum mr_err find_lost(const struct mr_supervisor *supervisor, struct mr_error *error)
{
	for (uint32_t i = 0; i < supervisor->hosts->count; i++)
		if (supervisor->hosts->hosts[i].lost && is_missed(supervisor, i))
			return mr_error_set(error, MR_PEER_LOST, "host %s: the connection was lost",
					    host_at(&supervisor->setup.config, i)->name);
	return MR_OK;
}

static enum mr_err gate_ended(struct mr_hosts *hosts, struct mr_error *error)
{
	hosts->gate.fell = true;
	return mr_error_set(error, MR_PEER_LOST, "the gate (process %d) has ended",
			    (int)hosts->gate.pid);
}

/* ---- the gate's pulse ---- */

static void kill_gate(struct mr_supervised *gate, const char *why)
{
	if (gate->hung)
		return;
	gate->hung = true;
	mr_log_event(MR_LOG_ERROR, MR_EVENT_WORKER_SILENT, "the gate (process %d) is killed: %s",
		     (int)gate->pid, why);
	kill(gate->pid, SIGKILL);
}

/* A gate that stands still is found like a worker that does; so is a host that was told to kill
 * one, and has not. */
static void watch_gate(struct mr_supervisor *supervisor)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_pulse *pulse = &hosts->gate.watched.pulse;
	int64_t now_us = mr_clock_us();
	int64_t limit_us = 0;
	if (hosts->gate.pid == 0)
		return;
	mr_config_int(&supervisor->setup.config, "health_timeout", &limit_us, NULL);
	/* Who stood still himself has heard nobody. */
	if (now_us - hosts->turned_us > limit_us / 2)
		mr_pulse_forgive(pulse, now_us);
	hosts->turned_us = now_us;
	if (mr_pulse_silent_us(pulse, now_us) >= limit_us)
		kill_gate(&hosts->gate, "it does not answer");
	else if (hosts->killed_us != 0 && now_us - hosts->killed_us >= limit_us)
		kill_gate(&hosts->gate, "another host does not answer");
	else if (mr_pulse_ask(pulse, now_us, limit_us))
		mr_control_send(&hosts->gate.control,
				&(struct mr_control_message){
				    .kind = MR_CONTROL_PING, .number = pulse->asked, .fd = -1});
}

void mr_hosts_kill(struct mr_supervisor *supervisor, uint32_t worker)
{
	struct mr_hosts *hosts = supervisor->hosts;
	hosts->killed_us = mr_clock_us();
	mr_hosts_say(hosts, host_of(supervisor, worker),
		     &(struct mr_host_word){
			 .worker = MR_HOST_NO_WORKER, .kind = MR_HOST_KILL, .number = worker});
}

enum mr_err mr_hosts_listen(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	watch_gate(supervisor);
	enum mr_err err = mr_control_listen(&hosts->gate.control, gate_word, supervisor, error);
	if (err == MR_END)
		return gate_ended(hosts, error);
	if (err == MR_OK)
		err = listen_far(supervisor, error);
	if (hosts->self > 0)
		mr_host_reload_turn(supervisor);
	return err == MR_OK ? find_lost(supervisor, error) : err;
}

bool mr_hosts_lost(const struct mr_hosts *hosts)
{
	bool lost = hosts != NULL && hosts->gate.fell;
	for (uint32_t i = 0; hosts != NULL && i < hosts->count; i++)
		lost |= hosts->hosts[i].lost;
	return lost;
}

static struct pollfd wait_for(const struct mr_control *control)
{
	struct pollfd fd = {.fd = control->closed ? -1 : control->fd, .events = POLLIN};
	if (mr_control_waits(control))
		fd.events |= POLLOUT;
	return fd;
}

uint32_t mr_hosts_fds(const struct mr_hosts *hosts)
{
	return hosts == NULL ? 0 : hosts->far_count + 2;
}

uint32_t mr_hosts_poll_set(const struct mr_hosts *hosts, struct pollfd *out)
{
	uint32_t count = 0;
	if (hosts == NULL)
		return 0;
	out[count++] = wait_for(&hosts->gate.control);
	out[count++] = wait_for(&hosts->reload.control);
	for (uint32_t i = 0; i < hosts->far_count; i++)
		out[count++] = wait_for(&hosts->far[i]);
	return count;
}

/* ---- the gate ---- */

static enum mr_err send_gate_tables(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_tables *tables = mr_tables_new();
	struct mr_buf setup = {0};
	const char *name;
	int key, fd;
	size_t size;
	mr_setup_encode(&supervisor->setup, &setup);
	enum mr_err err =
	    mr_tables_add_bytes(tables, MR_GATE_KEY_TABLE,
				(struct mr_slice){hosts->key.text, sizeof hosts->key.text}, error);
	if (err == MR_OK)
		err = mr_tables_add_bytes(tables, "setup", (struct mr_slice){setup.data, setup.len},
					  error);
	mr_buf_fini(&setup);
	if (err == MR_OK) {
		mr_tables_at(tables, 0, &name, &key, &size);
		mr_control_send_table(&hosts->gate.control, name, key, size);
		mr_tables_at(tables, 1, &name, &fd, &size);
		mr_control_send(
		    &hosts->gate.control,
		    &(struct mr_control_message){
			.kind = MR_CONTROL_SETUP, .number = hosts->self, .other = size, .fd = fd});
	}
	mr_tables_free(tables);
	return err;
}

static void forget(struct mr_hosts *hosts)
{
	memset(hosts->hosts, 0, sizeof hosts->hosts);
	hosts->begin_bytes.len = 0;
	mr_host_begin_fini(&hosts->begin);
	hosts->begun = false;
	hosts->met = false;
	hosts->killed_us = 0;
	hosts->lacks = hosts->unread = false;
	hosts->turned_us = mr_clock_us();
	hosts->failure = (struct mr_error){0};
	hosts->asked = 0;
	hosts->no = (struct mr_error){0};
}

static enum mr_err start_gate(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	int control;
	int lock = supervisor->service != NULL ? supervisor->service->dir.lock : hosts->dir.lock;
	const struct mr_generation *generation =
	    hosts->self > 0 ? &hosts->generation : &supervisor->service->generation;
	forget(hosts);
	hosts->set = mr_hosts_set(generation, supervisor->setup.fields);
	hosts->gate = (struct mr_supervised){.name = "gate"};
	mr_control_init(&hosts->gate.control, -1);
	enum mr_err err = mr_spawn(&(struct mr_spawn){.command = "gate", .lock = lock},
				   &hosts->gate.pid, &control, error);
	if (err != MR_OK)
		return err;
	mr_control_init(&hosts->gate.control, control);
	return send_gate_tables(supervisor, error);
}

static void free_far(struct mr_hosts *hosts)
{
	for (uint32_t i = 0; i < hosts->far_count; i++)
		mr_control_fini(&hosts->far[i]);
	free(hosts->far);
	hosts->far = NULL;
	hosts->far_count = 0;
}

void mr_hosts_end(struct mr_supervisor *supervisor)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_supervised *gate = &hosts->gate;
	free_far(hosts);
	if (gate->pid == 0)
		return;
	if (hosts->self > 0)
		mr_host_follow_deaths(supervisor);
	int64_t until_us = mr_clock_us() + GATE_END_US;
	bool told = false;
	while (!mr_child_has_ended(gate->pid) && mr_clock_us() < until_us) {
		mr_control_flush(&gate->control);
		if (!told && !mr_control_waits(&gate->control)) {
			mr_control_hang_up(&gate->control);
			told = true;
		}
		poll(NULL, 0, GATE_END_MS);
	}
	kill(gate->pid, SIGKILL);
	if (!mr_child_reap(gate->pid, MR_CHILD_GONE_US, &gate->status))
		mr_log(MR_LOG_ERROR, "the gate (process %d) was killed and has not ended",
		       (int)gate->pid);
	gate->pid = 0;
	mr_control_fini(&gate->control);
}

/* All workers have bound: the gate stands at the sending ends of pairs from elsewhere. Told once.
 */
void mr_hosts_connect(struct mr_hosts *hosts)
{
	if (hosts == NULL || hosts->gate.ready)
		return;
	hosts->gate.ready = true;
	mr_control_send(&hosts->gate.control,
			&(struct mr_control_message){.kind = MR_CONTROL_CONNECT, .fd = -1});
}

/* ---- meeting ---- */

static void say_hello(struct mr_supervisor *supervisor)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_buf bytes = {0};
	mr_host_hello_encode(&(struct mr_host_hello){.topology = mr_slice(mr_config_get(
							 &supervisor->setup.config, "topology", 0)),
						     .set = hosts->set},
			     &bytes);
	mr_hosts_say(hosts, 0,
		     &(struct mr_host_word){.worker = MR_HOST_NO_WORKER,
					    .kind = MR_HOST_HELLO,
					    .bytes = {bytes.data, bytes.len}});
	mr_buf_fini(&bytes);
}

static bool is_missing(const struct mr_supervisor *supervisor, uint32_t host)
{
	const struct mr_hosts *hosts = supervisor->hosts;
	const struct mr_host *is = &hosts->hosts[host];
	return mr_topology_speak(&supervisor->setup.topology, hosts->self, host) &&
	       !(hosts->self == 0 ? is->hello : is->met);
}

void mr_hosts_missing(const struct mr_supervisor *supervisor, struct mr_buf *out)
{
	const struct mr_hosts *hosts = supervisor->hosts;
	for (uint32_t i = 0; hosts != NULL && i < hosts->count; i++) {
		const struct mr_part *host = host_at(&supervisor->setup.config, i);
		if (is_missing(supervisor, i))
			mr_buf_printf(out, "%s%s (%s)", out->len > 0 ? ", " : "", host->name,
				      mr_config_get(&host->settings, "address", 0));
	}
}

/* A follower says what it has once it speaks with all that it will have to speak with. */
static bool all_there(struct mr_supervisor *supervisor)
{
	struct mr_hosts *hosts = supervisor->hosts;
	bool all = true;
	for (uint32_t i = 0; i < hosts->count; i++)
		all &= !is_missing(supervisor, i);
	if (!all || hosts->self == 0)
		return all;
	if (!hosts->met)
		say_hello(supervisor);
	hosts->met = true;
	return hosts->begun;
}

static void say_waiting(struct mr_supervisor *supervisor)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_buf names = {0};
	mr_hosts_missing(supervisor, &names);
	mr_buf_add(&names, "", 1);
	mr_log(MR_LOG_INFO, "host %s waits for %s",
	       host_at(&supervisor->setup.config, hosts->self)->name, names.data);
	mr_health_waits(supervisor->health, names.data);
	mr_buf_fini(&names);
}

enum mr_err mr_hosts_meet(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	enum mr_err err = start_gate(supervisor, error);
	if (err == MR_OK)
		say_waiting(supervisor);
	while (err == MR_OK && !all_there(supervisor)) {
		struct pollfd fds[3] = {wait_for(&hosts->gate.control),
					{.fd = supervisor->signals, .events = POLLIN},
					{.fd = mr_health_fd(supervisor->health), .events = POLLIN}};
		if (poll(fds, 3, MEET_MS) < 0 && errno != EINTR)
			return mr_error_errno(error, MR_IO, "cannot wait for other hosts");
		mr_health_turn(supervisor->health);
		err = mr_hosts_listen(supervisor, error);
		if (err == MR_OK && fds[1].revents != 0)
			err = mr_supervisor_interrupted(supervisor, error);
		hosts->ended = supervisor->service != NULL && supervisor->service->stopping;
		if (err == MR_OK && hosts->ended)
			err = mr_error_set(error, MR_END, "ended while it waited for other hosts");
	}
	hosts->met = err == MR_OK;
	return err;
}

void mr_hosts_begin(struct mr_supervisor *supervisor)
{
	if (supervisor->hosts->self == 0)
		mr_host_lead_begin(supervisor);
}
