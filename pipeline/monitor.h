/* monitor.h - what becomes of a ZeroMQ socket's connections: the events that no message tells.
 *
 * Its events reach us before any message of the connection that they are about, because the same
 * I/O thread sends both. */
#ifndef MILLRACE_MONITOR_H
#define MILLRACE_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

/* What says that a connection has failed, or is gone. */
#define MR_MONITOR_LOSSES                                                                          \
	(ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                           \
	 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_CLOSED)

/* NULL with errno. Close it with mr_monitor_close, before the socket. */
void *mr_monitor_open(void *context, void *socket, int events);
struct mr_monitor_event {
	uint16_t what;  /* ZMQ_EVENT_... */
	uint32_t value; /* of a connection that was made its descriptor (zmq_socket_monitor(3)) */
};
/* The next event; false where there is none. Never blocks. */
bool mr_monitor_next(void *monitor, struct mr_monitor_event *event_out);
/* Accepts a NULL monitor, a NULL socket. */
void mr_monitor_close(void *monitor, void *socket);

#endif
