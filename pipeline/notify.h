/* notify.h - what a service tells systemd, or whoever started it, of its state: sd_notify(3).
 *
 * A datagram to the socket that the environment names; a name that begins with '@' is an abstract
 * one. Nothing here blocks or fails: who does not listen is not told. */
#ifndef MILLRACE_NOTIFY_H
#define MILLRACE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct mr_notify {
	int fd;              /* -1: nobody wants to be told */
	int64_t watchdog_us; /* half of what the watchdog waits; 0 is none */
	int64_t told_us;     /* when it was last told that all is well */
};

/* From $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, which are then taken out of the
 * environment: they are not for our children. */
void mr_notify_open(struct mr_notify *notify);
void mr_notify_close(struct mr_notify *notify);

void mr_notify_ready(struct mr_notify *notify);
/* With the time that systemd wants beside it; behind it comes ready again. */
void mr_notify_reloading(struct mr_notify *notify);
void mr_notify_stopping(struct mr_notify *notify);
/* One line for a person; line ends in it become blanks. */
void mr_notify_status(struct mr_notify *notify, const char *words);
/* Call it often: where half of the watchdog's time is over, it is fed. */
void mr_notify_turn(struct mr_notify *notify, int64_t now_us);

#endif
