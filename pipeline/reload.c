/* reload.c - from a signal to new rules, databases and networks in force.
 *
 * Called by service.c. Nothing of it can end the service: what fails is said, and the old set goes
 * on. */
#include "reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "millrace/log.h"
#include "service.h"
#include "spawn.h"

void mr_reload_init(struct mr_reload *reload, const char *topology)
{
	*reload = (struct mr_reload){.topology = topology};
	mr_control_init(&reload->control, -1);
}

/* Its status. One that has closed its socket ends by itself. */
static int end_process(struct mr_reload *reload, bool by_itself)
{
	int status = 0;
	if (reload->pid > 0) {
		if (!by_itself)
			kill(reload->pid, SIGKILL);
		while (waitpid(reload->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	reload->pid = 0;
	mr_control_fini(&reload->control);
	return status;
}

void mr_reload_fini(struct mr_reload *reload)
{
	end_process(reload, false);
	mr_prepared_fini(&reload->other);
}

void mr_reload_refuse(struct mr_reload *reload, const char *why)
{
	end_process(reload, false);
	mr_prepared_fini(&reload->other);
	reload->step = MR_RELOAD_NONE;
	snprintf(reload->failure, sizeof reload->failure, "%s", why);
	mr_log_event(MR_LOG_ERROR, MR_EVENT_RELOAD_REFUSED,
		     "reload refused, what was in force goes on: %s", why);
}

/* ---- the process ---- */

static void start(struct mr_reload *reload, const struct mr_service *service,
		  const struct mr_supervisor *supervisor)
{
	const uint64_t kept[] = {service->generation.id, service->checkpoint.last.generation,
				 service->checkpoint.last.made_by};
	struct mr_error error = {0};
	int control;
	reload->wanted = false;
	reload->done = false;
	if (reload->topology == NULL) {
		mr_reload_refuse(reload, "there is no topology file to read again");
		return;
	}
	if (supervisor->hosts != NULL) {
		mr_reload_refuse(reload, "a service over several hosts takes new rules, databases "
					 "and networks when all its hosts are started again");
		return;
	}
	mr_generation_tidy(&service->dir, kept, sizeof kept / sizeof *kept);
	const struct mr_spawn what = {.command = "reload",
				      .words = {reload->topology, service->dir.path},
				      .lock = service->dir.lock,
				      .standard = true};
	if (mr_spawn(&what, &reload->pid, &control, &error) != MR_OK) {
		mr_reload_refuse(reload, error.text);
		return;
	}
	mr_control_init(&reload->control, control);
	reload->other.tables = mr_tables_new();
	reload->step = MR_RELOAD_PREPARING;
	mr_log(MR_LOG_INFO, "reload: %s is read anew", reload->topology);
}

/* What is no blob, a stream or how far it was read, is the one that the workers have: it cannot be
 * made again. */
static enum mr_err keep_descriptor(const struct mr_supervisor *supervisor, const char *name,
				   struct mr_control_message *message, struct mr_error *error)
{
	int fd;
	size_t size;
	if (mr_generation_has(message->fd) || !mr_tables_find(supervisor->tables, name, &fd, &size))
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

static enum mr_err hear(void *context, struct mr_control_message *message, struct mr_error *error)
{
	const struct hearing *hearing = context;
	switch (message->kind) {
	case MR_CONTROL_LOG:
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
		return mr_error_set(error, MR_CONFIG, "%.*s", (int)message->bytes.len,
				    message->bytes.at);
	default:
		return mr_error_set(error, MR_PROTOCOL, "a word that no reload says");
	}
	return error->code;
}

/* ---- what came of it ---- */

/* It has said all. */
static void judge(struct mr_reload *reload, struct mr_service *service,
		  const struct mr_supervisor *supervisor)
{
	struct mr_prepared *new = &reload->other;
	struct mr_error error = {0};
	end_process(reload, false);
	enum mr_err err = mr_prepared_read_catalog(new, &error);
	if (err == MR_OK)
		err = mr_generation_of(new->tables, new->fields, &new->generation, &error);
	if (err == MR_OK)
		err = mr_service_number_sources(service, &new->config, &error);
	if (err == MR_OK)
		err = mr_reload_check(supervisor, new, &error);
	if (err != MR_OK) {
		mr_reload_refuse(reload, error.text);
		return;
	}
	if (!mr_reload_compare(supervisor, &service->generation, new, reload->changes,
			       sizeof reload->changes)) {
		mr_prepared_fini(new);
		reload->step = MR_RELOAD_NONE;
		reload->failure[0] = '\0';
		mr_log_event(MR_LOG_INFO, MR_EVENT_RELOADED, "reload: nothing has changed");
		return;
	}
	reload->step = MR_RELOAD_READY;
}

static void died(struct mr_reload *reload)
{
	char why[128];
	int status = end_process(reload, true);
	if (WIFSIGNALED(status))
		snprintf(why, sizeof why, "the process that prepared it was killed by signal %d",
			 WTERMSIG(status));
	else
		snprintf(why, sizeof why, "the process that prepared it ended with status %d",
			 WEXITSTATUS(status));
	mr_reload_refuse(reload, why);
}

void mr_reload_turn(struct mr_reload *reload, struct mr_service *service,
		    struct mr_supervisor *supervisor)
{
	struct hearing hearing = {reload, supervisor};
	struct mr_error error = {0};
	if (reload->step == MR_RELOAD_NONE && reload->wanted && !mr_service_ends(service))
		start(reload, service, supervisor);
	if (reload->step != MR_RELOAD_PREPARING)
		return;
	enum mr_err err = mr_control_listen(&reload->control, hear, &hearing, &error);
	if (reload->done)
		judge(reload, service, supervisor);
	else if (err == MR_END)
		died(reload);
	else if (err != MR_OK)
		mr_reload_refuse(reload, error.text);
}

void mr_reload_await(struct mr_reload *reload, struct mr_prepared *other)
{
	reload->other = *other;
	*other = (struct mr_prepared){0};
	reload->step = MR_RELOAD_READY;
	snprintf(reload->changes, sizeof reload->changes, "they had changed before the start");
}

/* ---- in force ---- */

static void swap(struct mr_reload *reload, struct mr_service *service,
		 struct mr_supervisor *supervisor)
{
	struct mr_generation generation = service->generation;
	service->generation = reload->other.generation;
	reload->other.generation = generation;
	mr_prepared_swap(&reload->other, supervisor);
	mr_progress_level(&supervisor->progress, &supervisor->setup.config);
	mr_service_adopt(service, &supervisor->setup.config);
}

void mr_reload_take_over(struct mr_reload *reload, struct mr_service *service,
			 struct mr_supervisor *supervisor)
{
	swap(reload, service, supervisor);
	reload->step = MR_RELOAD_TRIAL;
}

void mr_reload_take_back(struct mr_reload *reload, struct mr_service *service,
			 struct mr_supervisor *supervisor, const char *why)
{
	swap(reload, service, supervisor);
	mr_reload_refuse(reload, why);
}

void mr_reload_settle(struct mr_reload *reload, const struct mr_service *service)
{
	mr_prepared_fini(&reload->other);
	reload->step = MR_RELOAD_NONE;
	reload->failure[0] = '\0';
	mr_log_event(MR_LOG_INFO, MR_EVENT_RELOADED, "reloaded from checkpoint %llu on: %s",
		     (unsigned long long)service->checkpoint.last.number, reload->changes);
}
