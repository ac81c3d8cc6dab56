/* cmd_run.c - `millrace run`: the service that a topology file describes. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "health.h"
#include "hosts.h"
#include "millrace/log.h"
#include "run_plan.h"
#include "service.h"
#include "supervisor.h"
#include "topology_file.h"

static const char help_text[] =
    "usage: millrace run [--host NAME] TOPOLOGY.yaml\n"
    "\n"
    "Runs the pipeline that the file describes, until all its sources have ended or SIGTERM asks\n"
    "for the end. Whatever dies meanwhile, it goes on from the last checkpoint; started again on\n"
    "the same state directory, likewise. `millrace check TOPOLOGY.yaml` reads the file without\n"
    "running.\n"
    "\n";
static const char help_status[] =
    "\nExit status: 0 done, 1 the work failed, 2 the file or what it names is wrong.\n";

enum { HOST, HELP };
static const struct mr_option run_options[] = {
    [HOST] = {"host", 0, "NAME",
	      "the host that this is, where the file has hosts: its share of the pipeline runs "
	      "here, once all hosts are there"},
    MR_OPTION_HELP,
    {0},
};

/* From here on what this process and its workers say is the service's log. */
static void open_log(struct mr_supervisor *supervisor, struct mr_log_out *log)
{
	struct mr_config *config = &supervisor->setup.config;
	struct mr_progress *progress = &supervisor->progress;
	progress->least = MR_LOG_INFO;
	mr_progress_level(progress, config);
	*log = (struct mr_log_out){.fd = STDERR_FILENO,
				   .format = mr_config_is(config, "log_format", "json")
						 ? MR_LOG_FORMAT_JSON
						 : MR_LOG_FORMAT_TEXT,
				   .least = progress->least,
				   .prefixed = mr_log_is_journal(STDERR_FILENO)};
	progress->log = log;
	mr_progress_hear(progress);
}

/* Watched from the moment that it is known to be right. */
static enum mr_err serve(struct mr_service *service, struct mr_supervisor *supervisor,
			 struct mr_error *error)
{
	struct mr_health health;
	uint32_t workers;
	enum mr_err err = mr_plan_run(supervisor, &workers, error);
	if (err == MR_OK)
		err = mr_health_open(&health, service, supervisor, error);
	if (err != MR_OK)
		return err;
	err = mr_service_run(service, supervisor, error);
	mr_health_close(&health);
	return err;
}

static enum mr_err lead(const char *path, struct mr_supervisor *supervisor, struct mr_error *error)
{
	const struct mr_config *config = &supervisor->setup.config;
	struct mr_service service;
	int64_t interval_us;
	enum mr_err err = mr_config_int(config, "checkpoint_interval", &interval_us, error);
	if (err == MR_OK)
		err = mr_service_open(&service, mr_config_get(config, "state", 0), path,
				      interval_us, error);
	if (err != MR_OK)
		return err;
	err = mr_service_number_sources(&service, &supervisor->setup.config, error);
	if (err == MR_OK)
		err = serve(&service, supervisor, error);
	mr_service_close(&service);
	return err;
}

static enum mr_err follow(const char *path, struct mr_supervisor *supervisor,
			  struct mr_error *error)
{
	uint32_t workers;
	enum mr_err err = mr_plan_run(supervisor, &workers, error);
	if (err == MR_OK)
		err = mr_host_follow_run(supervisor, path, error);
	/* A host that leaves loses nothing: the leader goes back to the last checkpoint. */
	bool asked = supervisor->interrupted == SIGTERM || supervisor->interrupted == SIGINT;
	if (!asked)
		return err;
	supervisor->interrupted = 0;
	*error = (struct mr_error){0};
	return MR_OK;
}

static enum mr_err run(const char *path, struct mr_supervisor *supervisor, const char *host,
		       const char **end_out, struct mr_error *error)
{
	struct mr_hosts hosts;
	*end_out = "all that was read is durable";
	if (host == NULL)
		return lead(path, supervisor, error);
	enum mr_err err = mr_hosts_init(&hosts, &supervisor->setup.config, error);
	if (err != MR_OK)
		return err;
	supervisor->hosts = &hosts;
	if (!mr_hosts_lead(&hosts))
		*end_out = "this host's share is done, or left to the next start";
	err =
	    mr_hosts_lead(&hosts) ? lead(path, supervisor, error) : follow(path, supervisor, error);
	mr_hosts_fini(&hosts);
	supervisor->hosts = NULL;
	return err;
}

static int run_main(int argc, char **argv)
{
	struct mr_supervisor supervisor;
	struct mr_error error = {0};
	const char *host = NULL;
	int option;
	while ((option = mr_option_next(run_options, argc, argv)) == HOST)
		host = optarg;
	if (option == HELP)
		return mr_help(help_text, run_options, help_status);
	if (option != MR_OPTIONS_END || optind + 1 != argc) {
		fputs("millrace run: name one topology file (millrace run --help says more)\n",
		      stderr);
		return 2;
	}
	mr_supervisor_hold_signals();
	mr_supervisor_init(&supervisor);
	struct mr_log_out log;
	const char *end = NULL;
	enum mr_err err =
	    mr_topology_file_read(argv[optind], host, &supervisor.setup.config, &error);
	if (err == MR_OK) {
		open_log(&supervisor, &log);
		err = run(argv[optind], &supervisor, host, &end, &error);
	}
	if (err == MR_OK)
		mr_log_event(MR_LOG_INFO, MR_EVENT_SERVICE_STOPPED, "%s", end);
	else
		mr_log_event(MR_LOG_ERROR, MR_EVENT_SERVICE_FAILED, "%s", error.text);
	mr_log_set_sink(NULL, NULL);
	int status = mr_supervisor_exit_status(&supervisor, err);
	mr_supervisor_fini(&supervisor);
	return status;
}

const struct mr_command mr_command_run = {
    .name = "run",
    .summary = "a pipeline as a topology file says, for as long as its sources last",
    .main = run_main,
    .options = run_options,
};
