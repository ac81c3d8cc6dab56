/* watch.c - one inotify instance, and which sources want to hear of which directory. Called by
 * sources.c and by sources that follow. A source that is told too much looks in vain once. */
#include "watch.h"

#include "source.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

void mr_watching_init(struct mr_watching *watch, struct mr_waits *waits)
{
	*watch = (struct mr_watching){.waits = waits, .fd = -1};
}

static void forget(struct mr_watching_entry **at)
{
	struct mr_watching_entry *entry = *at;

	*at = entry->next;
	free(entry);
}

void mr_watching_fini(struct mr_watching *watch)
{
	for (size_t i = 0; i < MR_WATCHING_HEADS; i++)
		while (watch->heads[i])
			forget(&watch->heads[i]);
	if (watch->tried && watch->fd >= 0) {
		mr_waits_drop(watch->waits, watch->fd);
		close(watch->fd);
	}
	*watch = (struct mr_watching){.fd = -1};
}

static void begin(struct mr_watching *watch)
{
	watch->tried = true;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd >= 0)
		mr_waits_set(watch->waits, watch->fd, POLLIN);
	else
		mr_log(MR_LOG_WARNING,
		       "followed directories are looked at each second alone, since inotify says "
		       "nothing: %s%s",
		       strerror(errno),
		       errno == EMFILE ? " (fs.inotify.max_user_instances, for all processes of "
					 "this user)"
				       : "");
}

static struct mr_watching_entry **head_of(struct mr_watching *watch, int number)
{
	return &watch->heads[(unsigned)number % MR_WATCHING_HEADS];
}

void mr_watching_directory(struct mr_watching *watch, struct mr_source *source, const char *path)
{
	struct mr_watching_entry **at;
	int number;

	if (!watch->tried)
		begin(watch);
	if (watch->fd < 0)
		return;
	number = inotify_add_watch(watch->fd, path,
				   IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
				       IN_DELETE_SELF | IN_ONLYDIR);
	if (number < 0)
		return;
	for (at = head_of(watch, number); *at; at = &(*at)->next)
		if ((*at)->number == number && (*at)->source == source)
			return;
	*at = mr_malloc(sizeof(**at));
	**at = (struct mr_watching_entry){.number = number, .source = source};
}

static void tell(const struct mr_watching_entry *entry, const struct inotify_event *event)
{
	const char *name = event->len > 0 ? event->name : NULL;

	entry->source->ops->notice(entry->source, name, event->mask == IN_MODIFY);
}

/* Some were lost: anything may have happened. */
static void tell_all(struct mr_watching *watch, const struct inotify_event *event)
{
	for (size_t i = 0; i < MR_WATCHING_HEADS; i++)
		for (struct mr_watching_entry *entry = watch->heads[i]; entry; entry = entry->next)
			tell(entry, event);
}

static void hand_on(struct mr_watching *watch, const struct inotify_event *event)
{
	struct mr_watching_entry **at;

	if (event->wd < 0) {
		tell_all(watch, event);
		return;
	}
	for (at = head_of(watch, event->wd); *at;) {
		bool own = (*at)->number == event->wd;

		if (own)
			tell(*at, event);
		if (own && (event->mask & IN_IGNORED) != 0)
			forget(at);
		else
			at = &(*at)->next;
	}
}

void mr_watching_read(struct mr_watching *watch)
{
	char bytes[16 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len;

	while (watch->fd >= 0 && (len = read(watch->fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *event =
			    (const struct inotify_event *)(bytes + at);

			hand_on(watch, event);
			at += (ssize_t)sizeof(*event) + (ssize_t)event->len;
		}
}
