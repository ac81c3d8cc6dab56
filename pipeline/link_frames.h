/* link_frames.h - whole messages of a link, unread: what the gate hands on between hosts. */
#ifndef MILLRACE_LINK_FRAMES_H
#define MILLRACE_LINK_FRAMES_H

#include <zmq.h>

#include "millrace/link.h"

struct mr_frames {
	zmq_msg_t header;
	zmq_msg_t body;
};

/* Never blocks. MR_OK: both frames are the caller's, and nothing was checked but that they are two.
 * MR_AGAIN, MR_PEER_LOST, MR_PROTOCOL, MR_IO. */
enum mr_err mr_link_take(struct mr_link_rx *rx, struct mr_frames *out, struct mr_error *error);
/* Never blocks. The frames are moved on success. MR_AGAIN: the pair is full, nothing was taken. */
enum mr_err mr_link_give(struct mr_link_tx *tx, struct mr_frames *frames, struct mr_error *error);
void mr_frames_fini(struct mr_frames *frames);

#endif
