/* reload_process.c - a supervisor's end of the process that prepares a reload (reload_prepare.c).
 *
 * Called by reload.c, and on a host that follows by host_reload.c. What comes of it is a whole set
 * or words on why there is none. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "health.h"
#include "millrace/log.h"
#include "millrace/text.h"
#include "reload.h"
#include "spawn.h"

#define END_US 200000 /* of one that has said its last */

/* One that is not done is killed and left to itself: the kernel may hold it, as it does who reads
 * rules from a mount that does not answer, and nobody waits for that. */
static void end_process(struct mr_reload *reload)
{
	if (reload->pid > 0)
		mr_child_leave(&reload->left, reload->pid);
	reload->pid = 0;
	mr_control_fini(&reload->control);
	mr_children_tidy(&reload->left, 0);
}

void mr_reload_drop(struct mr_reload *reload)
{
	end_process(reload);
	mr_prepared_fini(&reload->other);
	reload->step = MR_RELOAD_NONE;
}

void mr_reload_fini(struct mr_reload *reload)
{
	mr_reload_drop(reload);
	mr_children_tidy(&reload->left, MR_CHILD_GONE_US);
}

enum mr_err mr_reload_start(struct mr_reload *reload, const struct mr_state_dir *dir,
			    const struct mr_supervisor *supervisor, struct mr_error *error)
{
	int control;
	const char *host = mr_config_get(&supervisor->setup.config, "host", 0);
	const struct mr_spawn what = {.command = "reload",
				      .words = {reload->topology, dir->path, host},
				      .lock = dir->lock,
				      .standard = true};
	enum mr_err err =
	    mr_config_int(&supervisor->setup.config, "health_timeout", &reload->limit_us, error);
	mr_children_tidy(&reload->left, 0);
	if (err == MR_OK && reload->left.count == MR_CHILDREN_LEFT)
		err = mr_error_set(error, MR_NO_SPACE,
				   "%d processes that prepared earlier ones were killed and have "
				   "not ended: what they read does not answer",
				   MR_CHILDREN_LEFT);
	if (err == MR_OK)
		err = mr_spawn(&what, &reload->pid, &control, error);
	if (err != MR_OK)
		return err;
	reload->limit_us *= MR_START_TIMES;
	reload->until_us = mr_clock_us() + reload->limit_us;
	reload->done = false;
	reload->fault[0] = '\0';
	mr_control_init(&reload->control, control);
	reload->other.tables = mr_tables_new();
	reload->step = MR_RELOAD_PREPARING;
	mr_log_event(MR_LOG_INFO, MR_EVENT_RELOAD_BEGUN, "reload: %s is read anew",
		     reload->topology);
	return MR_OK;
}

/* ---- its words ---- */

/* What is no blob, a stream or how far it was read, is the one that the workers have: it cannot be
 * made again. */
static enum mr_err keep_descriptor(const struct mr_supervisor *supervisor, const char *name,
				   struct mr_control_message *message, struct mr_error *error)
{
	int fd;
	size_t size;
	if (mr_tables_sealed(message->fd) || !mr_tables_find(supervisor->tables, name, &fd, &size))
		return MR_OK;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return mr_error_errno(error, MR_NO_SPACE, "table %s", name);
	close(message->fd);
	message->fd = fd;
	return MR_OK;
}

static void take_table(struct mr_reload *reload, const struct mr_supervisor *supervisor,
		       struct mr_control_message *message, struct mr_error *error)
{
	char name[MR_TABLE_NAME_MAX];
	int fd;
	size_t size;
	snprintf(name, sizeof name, "%.*s", (int)message->bytes.len, message->bytes.at);
	if (message->fd < 0 || mr_tables_find(reload->other.tables, name, &fd, &size)) {
		mr_error_set(error, MR_PROTOCOL, "a table that is none");
		return;
	}
	if (keep_descriptor(supervisor, name, message, error) != MR_OK)
		return;
	mr_tables_add(reload->other.tables, name, message->fd, message->number);
	message->fd = -1;
}

static void take_setup(struct mr_reload *reload, struct mr_control_message *message,
		       struct mr_error *error)
{
	struct mr_tables *sealed = mr_tables_new();
	struct mr_setup setup;
	struct mr_slice bytes;
	if (message->fd < 0) {
		mr_error_set(error, MR_PROTOCOL, "a setup that is none");
	} else {
		mr_tables_add(sealed, "setup", message->fd, message->other);
		message->fd = -1;
		if (mr_tables_map(sealed, "setup", &bytes, error) == MR_OK) {
			if (mr_setup_decode(bytes, &setup, error) == MR_OK) {
				reload->other.config = setup.config;
				reload->other.fields = setup.fields;
				reload->other.topology = setup.topology;
				free(setup.directory);
			}
			mr_tables_unmap(bytes);
		}
	}
	mr_tables_free(sealed);
}

/* Whose words they are, and who shows them. */
struct hearing {
	struct mr_reload *reload;
	struct mr_supervisor *supervisor;
};

static void show_line(struct mr_supervisor *supervisor, const struct mr_control_message *message)
{
	enum mr_log_level level = (enum mr_log_level)message->number;
	if (level == MR_LOG_WARNING)
		mr_supervisor_warn(supervisor, "reload", message->other, message->bytes);
	else
		mr_progress_line(&supervisor->progress, "reload", level, message->other,
				 message->bytes.at, message->bytes.len);
}

/* What is told at the end says how many faults there were. */
static void note_fault(struct mr_reload *reload, const struct mr_control_message *message)
{
	if (message->number == MR_LOG_ERROR && reload->fault[0] == '\0')
		snprintf(reload->fault, sizeof reload->fault, "%.*s",
			 (int)mr_utf8_cut(message->bytes, sizeof reload->fault - 1),
			 message->bytes.at);
}

static enum mr_err refuse(const struct mr_reload *reload, struct mr_slice why,
			  struct mr_error *error)
{
	return mr_error_set(error, MR_CONFIG, "%.*s%s%s", (int)why.len, why.at,
			    reload->fault[0] == '\0' ? "" : ": ", reload->fault);
}

static enum mr_err hear(void *context, struct mr_control_message *message, struct mr_error *error)
{
	const struct hearing *hearing = context;
	switch (message->kind) {
	case MR_CONTROL_LOG:
		note_fault(hearing->reload, message);
		if (message->number <= MR_LOG_ERROR)
			show_line(hearing->supervisor, message);
		break;
	case MR_CONTROL_TABLE:
		take_table(hearing->reload, hearing->supervisor, message, error);
		break;
	case MR_CONTROL_SETUP:
		take_setup(hearing->reload, message, error);
		break;
	case MR_CONTROL_DONE:
		hearing->reload->done = hearing->reload->other.fields != NULL;
		break;
	case MR_CONTROL_FAILED:
		return refuse(hearing->reload, message->bytes, error);
	default:
		return mr_error_set(error, MR_PROTOCOL, "a word that no reload says");
	}
	return error->code;
}

/* ---- what came of it ---- */

/* It has closed its socket, and ends by itself. */
static enum mr_err died(struct mr_reload *reload, struct mr_error *error)
{
	int status;
	if (!mr_child_reap(reload->pid, END_US, &status))
		return mr_error_set(error, MR_CONFIG,
				    "the process that prepared it closed its control socket and "
				    "lived on");
	reload->pid = 0;
	bool killed = WIFSIGNALED(status);
	return mr_error_set(error, MR_CONFIG, "the process that prepared it %s %d",
			    killed ? "was killed by signal" : "ended with status",
			    killed ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* One that stands still would keep all further reloads out. */
static enum mr_err wait_on(const struct mr_reload *reload, struct mr_error *error)
{
	if (mr_clock_us() < reload->until_us)
		return MR_AGAIN;
	return mr_error_set(error, MR_CONFIG,
			    "the process that prepared it was not done after %lld ms, six times "
			    "`health_timeout`: it is killed",
			    (long long)(reload->limit_us / 1000));
}

enum mr_err mr_reload_hear(struct mr_reload *reload, struct mr_supervisor *supervisor,
			   struct mr_error *error)
{
	struct hearing hearing = {reload, supervisor};
	struct mr_prepared *new = &reload->other;
	enum mr_err err = mr_control_listen(&reload->control, hear, &hearing, error);
	if (!reload->done && err == MR_OK)
		return wait_on(reload, error);
	if (!reload->done)
		return err == MR_END ? died(reload, error) : err;
	end_process(reload);
	*error = (struct mr_error){0};
	err = mr_prepared_read_catalog(new, error);
	return err == MR_OK ? mr_generation_of(new->tables, new->fields, &new->generation, error)
			    : err;
}
