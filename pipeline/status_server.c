/* status_server.c - the status socket: its server, and who asks there.
 *
 * Called by the supervisor and by cmd_status.c. A client that does something wrong is dropped, and
 * nothing else happens. */
#include "status_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define QUESTION_BYTES 8
#define ANSWER_MAX (64u << 20)
#define BACKLOG 16
#define LOOK_US 1000000

struct client {
	int fd; /* -1 is none */
	int64_t since_us;
	char question[QUESTION_BYTES];
	size_t asked;
	bool answered;
	struct mr_buf answer;
	size_t sent;
};

struct mr_status_server {
	int directory;
	int listener;
	int64_t looked_us; /* whether its path is there */
	int epoll;
	mr_status_teller tell;
	void *context;
	struct client clients[MR_STATUS_CLIENTS_MAX];
};

static const struct {
	const char *question;
	enum mr_status_form form;
} questions[] = {{"text\n", MR_STATUS_FORM_TEXT}, {"json\n", MR_STATUS_FORM_JSON}};

/* By way of the descriptor: the path of a state directory may be longer than an address holds. */
static struct sockaddr_un address(int directory)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/" MR_STATUS_SOCKET, directory);
	return at;
}

/* ---- clients ---- */

static void drop(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd); /* leaves the epoll set by itself */
	mr_buf_fini(&client->answer);
	*client = (struct client){.fd = -1};
}

static void watch(const struct mr_status_server *server, struct client *client, uint32_t events,
		  int how)
{
	struct epoll_event event = {.events = events, .data.ptr = client};
	if (epoll_ctl(server->epoll, how, client->fd, &event) != 0)
		drop(client);
}

static struct client *place(struct mr_status_server *server)
{
	struct client *oldest = &server->clients[0];
	for (size_t i = 0; i < MR_STATUS_CLIENTS_MAX; i++) {
		struct client *client = &server->clients[i];
		if (client->fd < 0)
			return client;
		if (client->since_us < oldest->since_us)
			oldest = client;
	}
	drop(oldest);
	return oldest;
}

static void accept_all(struct mr_status_server *server, int64_t now_us)
{
	/* As many as there is place for: the others have their turn next. */
	for (size_t i = 0; i < MR_STATUS_CLIENTS_MAX; i++) {
		int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct client *client = place(server);
		*client = (struct client){.fd = fd, .since_us = now_us};
		watch(server, client, EPOLLIN, EPOLL_CTL_ADD);
	}
}

/* False where what was asked is no question, nor the beginning of one. */
static bool understand(struct mr_status_server *server, struct client *client)
{
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
		const char *question = questions[i].question;
		size_t len = strlen(question);
		size_t same = client->asked < len ? client->asked : len;
		if (memcmp(client->question, question, same) != 0)
			continue;
		if (client->asked >= len) {
			client->answered = true;
			server->tell(server->context, questions[i].form, &client->answer);
		}
		return true;
	}
	return false;
}

static void hear(struct mr_status_server *server, struct client *client)
{
	ssize_t len = recv(client->fd, client->question + client->asked,
			   sizeof client->question - client->asked, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	client->asked += len > 0 ? (size_t)len : 0;
	if (len <= 0 || !understand(server, client))
		drop(client);
	else if (client->answered)
		watch(server, client, EPOLLOUT, EPOLL_CTL_MOD);
}

static void speak(struct client *client)
{
	size_t left = client->answer.len - client->sent;
	ssize_t len =
	    send(client->fd, client->answer.data + client->sent, left, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len < 0 || (size_t)len == left)
		drop(client);
	else
		client->sent += (size_t)len;
}

static void serve(struct mr_status_server *server, struct client *client)
{
	if (client->fd < 0)
		return;
	if (client->answered)
		speak(client);
	else
		hear(server, client);
}

/* ---- the server ---- */

/* Set before bind: that makes the mode of the file. */
static enum mr_err bind_private(struct mr_status_server *server, struct mr_error *error)
{
	struct sockaddr_un at = address(server->directory);
	struct stat is;
	if (fstatat(server->directory, MR_STATUS_SOCKET, &is, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(is.st_mode))
		unlinkat(server->directory, MR_STATUS_SOCKET, 0);
	struct epoll_event event = {.events = EPOLLIN};
	if (fchmod(server->listener, 0600) != 0 ||
	    bind(server->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
	    listen(server->listener, BACKLOG) != 0 ||
	    epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event) != 0)
		return mr_error_errno(error, MR_IO, "cannot listen at %s in the state directory",
				      MR_STATUS_SOCKET);
	return MR_OK;
}

static enum mr_err make_listener(struct mr_status_server *server, struct mr_error *error)
{
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listener < 0)
		return mr_error_errno(error, MR_IO, "cannot make the status socket");
	return bind_private(server, error);
}

/* One that somebody removed is made anew: nobody could ask any more. Tried again where it fails. */
static void keep_path(struct mr_status_server *server, int64_t now_us)
{
	struct mr_error error = {0};
	struct stat is;
	if (now_us - server->looked_us < LOOK_US)
		return;
	server->looked_us = now_us;
	if (fstatat(server->directory, MR_STATUS_SOCKET, &is, AT_SYMLINK_NOFOLLOW) == 0 ||
	    errno != ENOENT)
		return;
	if (server->listener >= 0)
		close(server->listener); /* leaves the epoll set by itself */
	make_listener(server, &error);
}

enum mr_err mr_status_server_open(int directory, mr_status_teller tell, void *context,
				  struct mr_status_server **server_out, struct mr_error *error)
{
	struct mr_status_server *server = mr_calloc(1, sizeof *server);
	*server = (struct mr_status_server){
	    .directory = directory, .tell = tell, .context = context, .listener = -1};
	for (size_t i = 0; i < MR_STATUS_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	enum mr_err err = server->epoll < 0
			      ? mr_error_errno(error, MR_IO, "cannot make the status socket")
			      : make_listener(server, error);
	if (err == MR_OK) {
		*server_out = server;
		return MR_OK;
	}
	server->directory = -1;
	mr_status_server_close(server);
	return err;
}

int mr_status_server_fd(const struct mr_status_server *server)
{
	return server->epoll;
}

void mr_status_server_turn(struct mr_status_server *server, int64_t now_us)
{
	struct epoll_event events[MR_STATUS_CLIENTS_MAX + 1];
	int count = epoll_wait(server->epoll, events, MR_STATUS_CLIENTS_MAX + 1, 0);
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr != NULL)
			serve(server, events[i].data.ptr);
	}
	/* Behind the others: whoever comes may take the place of one that was just told of. */
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr == NULL)
			accept_all(server, now_us);
	}
	for (size_t i = 0; i < MR_STATUS_CLIENTS_MAX; i++) {
		struct client *client = &server->clients[i];
		if (client->fd >= 0 && now_us - client->since_us >= MR_STATUS_CLIENT_US)
			drop(client);
	}
	keep_path(server, now_us);
}

void mr_status_server_close(struct mr_status_server *server)
{
	if (server == NULL)
		return;
	for (size_t i = 0; i < MR_STATUS_CLIENTS_MAX; i++)
		drop(&server->clients[i]);
	if (server->directory >= 0)
		unlinkat(server->directory, MR_STATUS_SOCKET, 0);
	if (server->listener >= 0)
		close(server->listener);
	if (server->epoll >= 0)
		close(server->epoll);
	free(server);
}

/* ---- asking ---- */

static enum mr_err read_answer(int fd, int timeout_ms, struct mr_buf *out, struct mr_error *error)
{
	size_t start = out->len;
	while (out->len - start < ANSWER_MAX) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		if (poll(&readable, 1, timeout_ms) <= 0)
			break;
		ssize_t len = recv(fd, mr_buf_reserve(out, 65536), 65536, 0);
		if (len == 0 && out->len > start && out->data[out->len - 1] == '\n')
			return MR_OK;
		if (len <= 0)
			break;
		out->len += (size_t)len;
	}
	return mr_error_set(error, out->len == start ? MR_NOT_FOUND : MR_IO,
			    out->len == start ? "nobody answers at its status socket"
					      : "the answer breaks off");
}

enum mr_err mr_status_ask(int directory, enum mr_status_form form, int timeout_ms,
			  struct mr_buf *out, struct mr_error *error)
{
	struct sockaddr_un at = address(directory);
	const char *question = questions[0].question;
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		question = questions[i].form == form ? questions[i].question : question;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return mr_error_errno(error, MR_IO, "cannot make a socket");
	enum mr_err err;
	if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
	    send(fd, question, strlen(question), MSG_NOSIGNAL) < 0)
		err =
		    errno == EACCES || errno == EPERM
			? mr_error_errno(error, MR_CONFIG, "its status socket is not ours to ask")
			: mr_error_set(error, MR_NOT_FOUND, "nobody answers at its status socket");
	else
		err = read_answer(fd, timeout_ms, out, error);
	close(fd);
	return err;
}
