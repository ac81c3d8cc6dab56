/* notify.c - the datagrams of sd_notify(3). Called by the supervisor. Cannot fail. */
#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "millrace/text.h"

#define SAY_BYTES 512

static void say(const struct mr_notify *notify, const char *words)
{
	if (notify->fd >= 0)
		(void)!send(notify->fd, words, strlen(words), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof at.sun_path)
		return -1;
	memcpy(at.sun_path, path, len);
	if (path[0] == '@')
		at.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, size) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The half of it; 0 where the watchdog is for another process or none. */
static int64_t watchdog(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	const char *owner = getenv("WATCHDOG_PID");
	int64_t limit_us, pid;
	if (text == NULL || !mr_parse_int64(mr_slice(text), &limit_us) || limit_us < 2)
		return 0;
	if (owner != NULL && (!mr_parse_int64(mr_slice(owner), &pid) || pid != getpid()))
		return 0;
	return limit_us / 2;
}

void mr_notify_open(struct mr_notify *notify)
{
	const char *path = getenv("NOTIFY_SOCKET");
	*notify = (struct mr_notify){.fd = path == NULL ? -1 : connect_to(path)};
	notify->watchdog_us = watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void mr_notify_close(struct mr_notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

void mr_notify_ready(struct mr_notify *notify)
{
	say(notify, "READY=1");
}

void mr_notify_reloading(struct mr_notify *notify)
{
	char words[64];
	snprintf(words, sizeof words, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)mr_clock_us());
	say(notify, words);
}

void mr_notify_stopping(struct mr_notify *notify)
{
	say(notify, "STOPPING=1");
}

void mr_notify_status(struct mr_notify *notify, const char *words)
{
	char line[SAY_BYTES];
	struct mr_slice all = mr_slice(words);
	size_t most = sizeof line - sizeof "STATUS=";
	snprintf(line, sizeof line, "STATUS=%.*s", (int)mr_utf8_cut(all, most), words);
	for (char *at = line; *at != 0; at++)
		*at = *at == '\n' ? ' ' : *at;
	say(notify, line);
}

void mr_notify_turn(struct mr_notify *notify, int64_t now_us)
{
	if (notify->watchdog_us == 0 || now_us - notify->told_us < notify->watchdog_us)
		return;
	notify->told_us = now_us;
	say(notify, "WATCHDOG=1");
}
