/* fuzz_control.c - any bytes as a packet on the control socket: refused, or a message that goes
 * over a socket again unchanged; and no descriptor that came with it stays open. The first byte
 * says how many descriptors come. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FDS_MAX 6

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void send_raw(int socket, const uint8_t *bytes, size_t len, size_t fd_count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} ancillary = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int fds[FDS_MAX];
	for (size_t i = 0; i < fd_count; i++)
		fds[i] = socket;
	if (fd_count > 0) {
		message.msg_control = ancillary.space;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	must(sendmsg(socket, &message, MSG_DONTWAIT) == (ssize_t)len);
}

/* The lowest descriptor that is free: the same before and after, where none was forgotten. */
static int lowest_free(void)
{
	int fd = fcntl(0, F_DUPFD, 0);
	must(fd >= 0);
	close(fd);
	return fd;
}

static void send_again(const struct mr_control_message *message)
{
	static struct mr_control from, to;
	struct mr_control_message again;
	int ends[2];
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	mr_control_init(&from, ends[0]);
	mr_control_init(&to, ends[1]);
	mr_control_send(&from, message);
	must(mr_control_receive(&to, &again, NULL) == MR_OK);
	must(again.kind == message->kind && again.number == message->number &&
	     again.other == message->other && mr_slice_eq(again.bytes, message->bytes) &&
	     (again.fd < 0) == (message->fd < 0));
	if (again.fd >= 0)
		close(again.fd);
	mr_control_fini(&from);
	mr_control_fini(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mr_control control;
	struct mr_control_message message;
	struct mr_error error = {0};
	int ends[2];
	if (size < 2 || size > MR_CONTROL_BYTES_MAX)
		return 0;
	int before = lowest_free();
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	mr_control_init(&control, ends[0]);
	send_raw(ends[1], data + 1, size - 1, data[0] % (FDS_MAX + 1));
	enum mr_err err = mr_control_receive(&control, &message, &error);
	must(err == MR_OK || (err == MR_PROTOCOL && message.fd < 0 && error.text[0] != '\0'));
	if (err == MR_OK)
		send_again(&message);
	if (message.fd >= 0)
		close(message.fd);
	must(mr_control_receive(&control, &message, &error) == MR_AGAIN);
	/* Not by close(): another process that looks at our descriptors (/proc/PID/fd) may hold the
	 * socket open for a moment more. */
	must(shutdown(ends[1], SHUT_RDWR) == 0);
	must(mr_control_receive(&control, &message, &error) == MR_END);
	close(ends[1]);
	mr_control_fini(&control);
	must(lowest_free() == before);
	return 0;
}
