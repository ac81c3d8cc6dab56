/* host_reload.c - a follower's part in a reload: its own set from its own files, in force when the
 * leader says so.
 *
 * Called by hosts.c and host_follow.c. The leader names what judges (a set, hosts.h), and nobody
 * takes part with another one. So a follower keeps what it has prepared, and what was in force
 * before it, in its state directory: whatever dies meanwhile, it comes back with what the leader
 * wants, though its files may have changed since. A follower's generation has no table that the
 * leader alone has: its id is that of the set. */
#include "hosts.h"
#include "millrace/log.h"

enum mr_err mr_host_reload_know(struct mr_supervisor *supervisor, struct mr_error *error)
{
	struct mr_hosts *hosts = supervisor->hosts;
	const struct mr_fields *fields = supervisor->setup.fields;
	mr_generation_fini(&hosts->generation);
	enum mr_err err = mr_generation_of(supervisor->tables, fields, &hosts->generation, error);
	return err == MR_OK ? mr_generation_keep(&hosts->dir, &hosts->generation,
						 supervisor->tables, fields, error)
			    : err;
}

/* ---- the question ---- */

static void answer(struct mr_hosts *hosts, const char *why_not)
{
	if (hosts->asked == 0)
		return; /* not in this incarnation */
	mr_hosts_say(hosts, 0,
		     &(struct mr_host_word){.worker = MR_HOST_NO_WORKER,
					    .kind = MR_HOST_RELOADED,
					    .number = hosts->asked,
					    .other = why_not == NULL,
					    .bytes = mr_slice(why_not == NULL ? "" : why_not)});
}

static void refuse(struct mr_hosts *hosts, const char *why)
{
	mr_log_event(MR_LOG_ERROR, MR_EVENT_RELOAD_REFUSED,
		     "reload refused, what was in force goes on: %s", why);
	mr_reload_drop(&hosts->reload);
	answer(hosts, why);
}

static bool has_prepared(const struct mr_hosts *hosts, uint64_t set)
{
	return hosts->reload.step != MR_RELOAD_PREPARING &&
	       hosts->reload.other.generation.id == set;
}

void mr_host_reload_ask(struct mr_supervisor *supervisor, uint64_t set)
{
	struct mr_hosts *hosts = supervisor->hosts;
	const uint64_t kept[] = {hosts->generation.id, hosts->before};
	struct mr_error error = {0};
	bool there = hosts->generation.id == set || has_prepared(hosts, set);
	hosts->asked = set;
	if (there)
		answer(hosts, NULL);
	else
		mr_reload_drop(&hosts->reload); /* it may have read its files too early */
	if (there || set == 0)
		return;
	mr_generation_tidy(&hosts->dir, kept, sizeof kept / sizeof *kept);
	if (mr_reload_start(&hosts->reload, &hosts->dir, supervisor, &error) != MR_OK)
		refuse(hosts, error.text);
}

void mr_host_reload_turn(struct mr_supervisor *supervisor)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_error error = {0};
	mr_children_tidy(&hosts->reload.left, 0);
	if (hosts->reload.step != MR_RELOAD_PREPARING)
		return;
	enum mr_err err = mr_reload_hear(&hosts->reload, supervisor, &error);
	if (err == MR_AGAIN)
		return;
	if (err == MR_OK)
		err = mr_reload_check(supervisor, &hosts->reload.other, &error);
	if (err == MR_OK && hosts->asked != 0 && hosts->reload.other.generation.id != hosts->asked)
		err = mr_error_set(&error, MR_CONFIG,
				   "its rules, databases or lists are not those of the first host");
	hosts->reload.step = MR_RELOAD_READY;
	if (err == MR_OK)
		answer(hosts, NULL);
	else
		refuse(hosts, error.text);
}

/* ---- in force ---- */

bool mr_host_reload_take(struct mr_supervisor *supervisor, uint64_t set)
{
	struct mr_hosts *hosts = supervisor->hosts;
	struct mr_reload *reload = &hosts->reload;
	struct mr_error error = {0};
	if (hosts->generation.id == set)
		return true;
	if (!has_prepared(hosts, set)) {
		struct mr_prepared kept;
		if (mr_prepared_recall(&hosts->dir, set, supervisor, &kept, &error) != MR_OK) {
			mr_log(MR_LOG_WARNING, "what judges on the first host is not kept here: %s",
			       error.text);
			mr_prepared_fini(&kept);
			return false;
		}
		mr_reload_drop(reload);
		reload->other = kept;
	}
	hosts->before = hosts->generation.id;
	mr_prepared_swap(&reload->other, supervisor, &hosts->generation);
	reload->step = MR_RELOAD_TRIAL; /* the leader may go back to the old one */
	mr_log_event(
	    MR_LOG_INFO, MR_EVENT_RELOADED,
	    "reloaded: here, too, the rules, databases and networks of the first host judge");
	return true;
}

void mr_host_reload_settle(struct mr_hosts *hosts)
{
	if (hosts->reload.step == MR_RELOAD_TRIAL)
		mr_reload_drop(&hosts->reload);
}
