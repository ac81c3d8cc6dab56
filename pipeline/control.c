/* control.c - messages between the supervisor and a worker, one a packet.
 *
 * Called by supervisor*.c and worker*.c. A packet that is not what it should be is MR_PROTOCOL; the
 * supervisor then ends the incarnation, a worker ends itself. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "millrace/pack.h"

struct mr_control_queued {
	struct mr_control_queued *next;
	int fd;
	size_t len;
	char bytes[];
};

void mr_control_init(struct mr_control *control, int fd)
{
	control->fd = fd;
	control->closed = fd < 0;
	control->first = NULL;
	control->last = NULL;
	control->scratch = (struct mr_buf){0};
}

static void drop_first(struct mr_control *control)
{
	struct mr_control_queued *queued = control->first;
	control->first = queued->next;
	if (control->first == NULL)
		control->last = NULL;
	if (queued->fd >= 0)
		close(queued->fd);
	free(queued);
}

void mr_control_fini(struct mr_control *control)
{
	while (control->first != NULL)
		drop_first(control);
	if (control->fd >= 0)
		close(control->fd);
	control->fd = -1;
	control->closed = true;
	mr_buf_fini(&control->scratch);
}

/* ---- sending ---- */

/* MR_AGAIN where the socket is full; where the other end is gone the packet is dropped. */
static enum mr_err send_packet(struct mr_control *control, const char *bytes, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} ancillary = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd >= 0) {
		message.msg_control = ancillary.space;
		message.msg_controllen = sizeof ancillary.space;
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(head), &fd, sizeof fd);
	}
	for (;;) {
		if (sendmsg(control->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return MR_OK;
		if (errno == EINTR)
			continue;
		/* ETOOMANYREFS: too many descriptors are on their way; they arrive and make room.
		 */
		if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
			return MR_AGAIN;
		control->closed = true;
		return MR_OK;
	}
}

static void encode(struct mr_control *control, const struct mr_control_message *message)
{
	struct mr_slice bytes = message->bytes;
	size_t most =
	    message->kind == MR_CONTROL_PEER ? MR_CONTROL_PEER_BYTES_MAX : MR_CONTROL_BYTES_MAX;
	if (bytes.len > most)
		bytes.len = most;
	control->scratch.len = 0;
	mr_pack_array(&control->scratch, 4);
	mr_pack_uint(&control->scratch, message->kind);
	mr_pack_uint(&control->scratch, message->number);
	mr_pack_uint(&control->scratch, message->other);
	mr_pack_bytes(&control->scratch, bytes);
}

static void queue(struct mr_control *control, int fd)
{
	size_t len = control->scratch.len;
	struct mr_control_queued *queued = mr_malloc(sizeof *queued + len);
	queued->next = NULL;
	queued->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	queued->len = len;
	memcpy(queued->bytes, control->scratch.data, len);
	if (control->last == NULL)
		control->first = queued;
	else
		control->last->next = queued;
	control->last = queued;
}

void mr_control_send(struct mr_control *control, const struct mr_control_message *message)
{
	if (control->closed)
		return;
	mr_control_flush(control);
	encode(control, message);
	if (control->first != NULL || send_packet(control, control->scratch.data,
						  control->scratch.len, message->fd) == MR_AGAIN)
		queue(control, message->fd);
}

void mr_control_send_table(struct mr_control *control, const char *name, int fd, size_t size_bytes)
{
	mr_control_send(control, &(struct mr_control_message){.kind = MR_CONTROL_TABLE,
							      .number = size_bytes,
							      .bytes = mr_slice(name),
							      .fd = fd});
}

bool mr_control_try(struct mr_control *control, const struct mr_control_message *message)
{
	if (control->closed || control->first != NULL)
		return false;
	encode(control, message);
	return send_packet(control, control->scratch.data, control->scratch.len, message->fd) ==
	       MR_OK;
}

void mr_control_flush(struct mr_control *control)
{
	while (control->first != NULL && !control->closed) {
		struct mr_control_queued *queued = control->first;
		if (send_packet(control, queued->bytes, queued->len, queued->fd) == MR_AGAIN)
			return;
		drop_first(control);
	}
}

bool mr_control_waits(const struct mr_control *control)
{
	return control->first != NULL && !control->closed;
}

void mr_control_flush_all(struct mr_control *control)
{
	while (mr_control_waits(control)) {
		struct pollfd fd = {.fd = control->fd, .events = POLLOUT};
		if (poll(&fd, 1, -1) < 0 && errno != EINTR)
			return;
		mr_control_flush(control);
	}
}

void mr_control_hang_up(struct mr_control *control)
{
	while (control->first != NULL)
		drop_first(control);
	if (control->fd >= 0)
		shutdown(control->fd, SHUT_WR);
}

/* ---- receiving ---- */

/* The packet's descriptor, or -1; more than one is the other end's breach and closed here. */
static bool take_descriptor(struct msghdr *message, int *fd_out)
{
	bool right = true;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
	     head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
			if (*fd_out < 0) {
				*fd_out = fd;
			} else {
				close(fd);
				right = false;
			}
		}
	}
	return right;
}

static enum mr_err decode(struct mr_slice packet, struct mr_control_message *out)
{
	struct mr_unpack in = mr_unpack(packet);
	mr_unpack_array_of(&in, 4);
	out->kind = (enum mr_control_kind)mr_unpack_uint(&in, MR_CONTROL_KIND_END - 1);
	out->number = mr_unpack_uint(&in, UINT64_MAX);
	out->other = mr_unpack_uint(&in, UINT64_MAX);
	out->bytes = mr_unpack_bytes(&in);
	return mr_unpack_done(&in) ? MR_OK : MR_PROTOCOL;
}

enum mr_err mr_control_receive(struct mr_control *control, struct mr_control_message *out,
			       struct mr_error *error)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} ancillary;
	struct iovec part = {.iov_base = control->received, .iov_len = sizeof control->received};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = ancillary.space,
				 .msg_controllen = sizeof ancillary.space};
	*out = (struct mr_control_message){.fd = -1};
	if (control->fd < 0)
		return MR_END;
	ssize_t len;
	/* The other end has closed with words of ours unread: that is said once, and before what it
	 * had said itself (unix(7), ECONNRESET). */
	do {
		len = recvmsg(control->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (len < 0 && (errno == EINTR || errno == ECONNRESET));
	if (len < 0 && errno == EAGAIN)
		return MR_AGAIN;
	if (len <= 0) {
		control->closed = true;
		return MR_END;
	}
	bool whole = take_descriptor(&message, &out->fd) &&
		     (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
	if ((message.msg_flags & MSG_CTRUNC) != 0 && out->fd < 0)
		return mr_error_set(error, MR_NO_SPACE,
				    "no descriptor is left for a file or a table: raise the limit "
				    "of open files (ulimit -n)");
	if (whole && decode((struct mr_slice){control->received, (size_t)len}, out) == MR_OK)
		return MR_OK;
	if (out->fd >= 0)
		close(out->fd);
	out->fd = -1;
	return mr_error_set(error, MR_PROTOCOL, "control: a message that is not one");
}

/* More messages than a socket holds: all that was there is heard, and one who never stops speaking
 * does not keep us from everyone else. */
#define LISTEN_MAX 4096

enum mr_err mr_control_listen(struct mr_control *control, mr_control_handler handle, void *context,
			      struct mr_error *error)
{
	mr_control_flush(control);
	for (int heard = 0; heard < LISTEN_MAX; heard++) {
		struct mr_control_message message;
		enum mr_err err = mr_control_receive(control, &message, error);
		if (err == MR_OK)
			err = handle(context, &message, error);
		if (message.fd >= 0)
			close(message.fd);
		if (err != MR_OK)
			return err == MR_AGAIN ? MR_OK : err;
	}
	return MR_OK;
}
