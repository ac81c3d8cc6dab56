/* monitor.c - reads the events of a ZeroMQ socket.
 *
 * Called by link.c and gate_peers.c. */
#include "monitor.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

void *mr_monitor_open(void *context, void *socket, int events)
{
	static unsigned opened;
	char name[64];
	int none = 0;
	snprintf(name, sizeof name, "inproc://monitor-%u", ++opened);
	if (zmq_socket_monitor(socket, name, events) != 0)
		return NULL;
	void *monitor = zmq_socket(context, ZMQ_PAIR);
	if (monitor != NULL && zmq_setsockopt(monitor, ZMQ_LINGER, &none, sizeof none) == 0 &&
	    zmq_connect(monitor, name) == 0)
		return monitor;
	mr_monitor_close(monitor, socket);
	return NULL;
}

void mr_monitor_close(void *monitor, void *socket)
{
	if (socket != NULL)
		zmq_socket_monitor(socket, NULL, 0);
	if (monitor != NULL)
		zmq_close(monitor);
}

/* Each event is two frames, of which the first says what happened: two bytes and four. */
bool mr_monitor_next(void *monitor, struct mr_monitor_event *event_out)
{
	const size_t what = sizeof event_out->what;
	zmq_msg_t frame;
	bool first = true;
	bool found = false;
	bool more = true;
	zmq_msg_init(&frame);
	while (more && zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) >= 0) {
		if (first && zmq_msg_size(&frame) >= what + sizeof event_out->value) {
			const char *at = zmq_msg_data(&frame);
			memcpy(&event_out->what, at, what);
			memcpy(&event_out->value, at + what, sizeof event_out->value);
			found = true;
		}
		first = false;
		more = zmq_msg_more(&frame) != 0;
	}
	zmq_msg_close(&frame);
	return found;
}
