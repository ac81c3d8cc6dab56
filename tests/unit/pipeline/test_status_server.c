/* test_status_server.c - whoever asks at the status socket: in order, slowly, too many, hostile. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "status_server.h"

/* An address of a socket holds 107 bytes; this path is longer. */
#define LONG_PART "a-name-that-is-as-long-as-the-names-of-some-state-directories-may-well-be"

static char top[] = "/tmp/millrace-status-XXXXXX";
static int directory = -1;
static size_t answer_bytes;
static unsigned told;

static void tell(void *context, enum mr_status_form form, struct mr_buf *out)
{
	(void)context;
	told++;
	memset(mr_buf_reserve(out, answer_bytes + 1), 'x', answer_bytes);
	out->len += answer_bytes;
	mr_buf_add_text(out, form == MR_STATUS_FORM_JSON ? "json\n" : "text\n");
}

static struct mr_status_server *open_server(void)
{
	struct mr_status_server *server = NULL;
	struct mr_error error = {0};
	assert_int_equal(mr_status_server_open(directory, tell, NULL, &server, &error), MR_OK);
	told = 0;
	answer_bytes = 0;
	return server;
}

static int call(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/status.sock", directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static void ask(int fd, const char *words)
{
	assert_int_equal(send(fd, words, strlen(words), MSG_NOSIGNAL), strlen(words));
}

/* Turns as long as there is something to do at this time. */
static void turn(struct mr_status_server *server, int64_t now_us)
{
	struct pollfd ready = {.fd = mr_status_server_fd(server), .events = POLLIN};
	for (int i = 0; i < 100; i++) {
		mr_status_server_turn(server, now_us);
		if (poll(&ready, 1, 0) <= 0)
			return;
	}
}

/* The bytes that are there; `ended` says whether the server has closed. */
static size_t take(int fd, char *out, size_t size, bool *ended)
{
	size_t len = 0;
	*ended = false;
	while (len < size) {
		ssize_t now = recv(fd, out + len, size - len, MSG_DONTWAIT);
		if (now < 0 && errno == EAGAIN)
			break;
		if (now <= 0) {
			*ended = true;
			break;
		}
		len += (size_t)now;
	}
	return len;
}

static bool is_closed(int fd)
{
	char bytes[64];
	bool ended;
	return take(fd, bytes, sizeof bytes, &ended) == 0 && ended;
}

static void a_socket_that_was_removed_is_made_anew(void **state)
{
	(void)state;
	struct mr_status_server *server = open_server();
	turn(server, 5000000);
	assert_int_equal(unlinkat(directory, "status.sock", 0), 0);
	turn(server, 6000000);
	int fd = call();
	ask(fd, "text\n");
	turn(server, 6000000);
	assert_int_equal(told, 1);
	close(fd);
	mr_status_server_close(server);
}

static void an_answer_is_whole_and_ends(void **state)
{
	(void)state;
	struct mr_status_server *server = open_server();
	char bytes[64];
	bool ended;
	int fd = call();
	ask(fd, "js");
	turn(server, 0);
	assert_int_equal(told, 0);
	ask(fd, "on\n");
	turn(server, 0);
	assert_int_equal(take(fd, bytes, sizeof bytes, &ended), 5);
	assert_memory_equal(bytes, "json\n", 5);
	assert_true(is_closed(fd));
	close(fd);
	mr_status_server_close(server);
}

static void the_socket_is_ours_alone(void **state)
{
	(void)state;
	mode_t before = umask(0);
	struct mr_status_server *server = open_server();
	umask(before);
	struct stat is;
	assert_int_equal(fstatat(directory, MR_STATUS_SOCKET, &is, 0), 0);
	assert_int_equal(is.st_mode & 07777, 0600);
	mr_status_server_close(server);
	assert_int_not_equal(fstatat(directory, MR_STATUS_SOCKET, &is, 0), 0);
}

static void a_socket_of_an_older_life_is_replaced(void **state)
{
	(void)state;
	struct mr_status_server *old = open_server();
	struct mr_status_server *server = open_server();
	int fd = call();
	ask(fd, "text\n");
	turn(old, 0);
	assert_int_equal(told, 0);
	turn(server, 0);
	assert_int_equal(told, 1);
	close(fd);
	mr_status_server_close(server);
	mr_status_server_close(old);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	(void)state;
	struct mr_status_server *server;
	struct mr_error error = {0};
	int fd = openat(directory, MR_STATUS_SOCKET, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(mr_status_server_open(directory, tell, NULL, &server, &error), MR_IO);
	assert_int_equal(unlinkat(directory, MR_STATUS_SOCKET, 0), 0);
}

static void no_question_is_dropped(void **state)
{
	(void)state;
	struct mr_status_server *server = open_server();
	const char *words[] = {"\n", "jsom\n", "GET / HTTP/1.1\r\n", "textt", ""};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		int fd = call();
		if (*words[i] == 0)
			shutdown(fd, SHUT_WR);
		else
			ask(fd, words[i]);
		turn(server, 0);
		assert_true(is_closed(fd));
		close(fd);
	}
	assert_int_equal(told, 0);
	mr_status_server_close(server);
}

/* A reader that takes nothing holds nobody up, and goes when its time is over. */
static void a_slow_reader_has_its_time(void **state)
{
	(void)state;
	struct mr_status_server *server = open_server();
	char bytes[64];
	bool ended;
	answer_bytes = 8 << 20;
	int slow = call();
	ask(slow, "text\n");
	turn(server, 0);
	assert_int_equal(told, 1);
	answer_bytes = 0;
	int quick = call();
	ask(quick, "text\n");
	turn(server, MR_STATUS_CLIENT_US - 1);
	assert_int_equal(take(quick, bytes, sizeof bytes, &ended), 5);
	turn(server, MR_STATUS_CLIENT_US);
	static char all[9 << 20];
	size_t len = take(slow, all, sizeof all, &ended);
	assert_true(ended);
	assert_true(len > 0 && len < 8 << 20);
	close(slow);
	close(quick);
	mr_status_server_close(server);
}

static void a_long_answer_comes_in_parts(void **state)
{
	(void)state;
	struct mr_status_server *server = open_server();
	static char all[4 << 20];
	size_t len = 0;
	bool ended = false;
	answer_bytes = 3 << 20;
	int fd = call();
	ask(fd, "json\n");
	for (int i = 0; i < 10000 && !ended; i++) {
		mr_status_server_turn(server, 0);
		len += take(fd, all + len, sizeof all - len, &ended);
	}
	assert_int_equal(len, answer_bytes + 5);
	close(fd);
	mr_status_server_close(server);
}

static void of_too_many_the_oldest_goes(void **state)
{
	(void)state;
	enum { COUNT = MR_STATUS_CLIENTS_MAX + 5 };
	struct mr_status_server *server = open_server();
	int silent[COUNT];
	char bytes[8];
	bool ended;
	for (int i = 0; i < COUNT; i++) {
		silent[i] = call();
		turn(server, i);
	}
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(is_closed(silent[i]), i < 5);
	int fd = call();
	ask(fd, "text\n");
	turn(server, COUNT);
	assert_int_equal(take(fd, bytes, sizeof bytes, &ended), 5);
	close(fd);
	for (int i = 0; i < COUNT; i++)
		close(silent[i]);
	mr_status_server_close(server);
}

static void one_that_goes_in_the_middle_harms_nobody(void **state)
{
	(void)state;
	struct mr_status_server *server = open_server();
	answer_bytes = 8 << 20;
	int fd = call();
	ask(fd, "text\n");
	mr_status_server_turn(server, 0);
	mr_status_server_turn(server, 0);
	close(fd);
	turn(server, 0);
	fd = call();
	ask(fd, "te");
	mr_status_server_turn(server, 0);
	close(fd);
	turn(server, 0);
	mr_status_server_close(server);
}

/* ---- the asking side, with a server on a thread ---- */

struct service {
	struct mr_status_server *server;
	int stop[2];
};

static void *serve(void *context)
{
	struct service *service = context;
	struct pollfd fds[] = {{.fd = mr_status_server_fd(service->server), .events = POLLIN},
			       {.fd = service->stop[0], .events = POLLIN}};
	while (poll(fds, 2, -1) > 0 && fds[1].revents == 0)
		mr_status_server_turn(service->server, 0);
	return NULL;
}

static void who_asks_is_answered(void **state)
{
	(void)state;
	struct service service = {.server = open_server()};
	struct mr_buf out = {0};
	struct mr_error error = {0};
	pthread_t thread;
	answer_bytes = 2 << 20;
	assert_int_equal(pipe2(service.stop, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, &service), 0);
	assert_int_equal(mr_status_ask(directory, MR_STATUS_FORM_JSON, 10000, &out, &error), MR_OK);
	assert_int_equal(out.len, answer_bytes + 5);
	assert_memory_equal(out.data + answer_bytes, "json\n", 5);
	close(service.stop[1]);
	pthread_join(thread, NULL);
	close(service.stop[0]);
	mr_status_server_close(service.server);
	out.len = 0;
	assert_int_equal(mr_status_ask(directory, MR_STATUS_FORM_JSON, 10000, &out, &error),
			 MR_NOT_FOUND);
	assert_int_equal(out.len, 0);
	mr_buf_fini(&out);
}

static void one_who_does_not_answer_is_not_waited_for(void **state)
{
	(void)state;
	struct mr_status_server *server = open_server();
	struct mr_buf out = {0};
	struct mr_error error = {0};
	assert_int_equal(mr_status_ask(directory, MR_STATUS_FORM_TEXT, 1, &out, &error),
			 MR_NOT_FOUND);
	mr_buf_fini(&out);
	mr_status_server_close(server);
}

static int make_directory(void **state)
{
	(void)state;
	char path[256];
	if (mkdtemp(top) == NULL)
		return 1;
	snprintf(path, sizeof path, "%s/" LONG_PART LONG_PART, top);
	if (mkdir(path, 0700) != 0)
		return 1;
	directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return directory < 0;
}

static int remove_directory(void **state)
{
	(void)state;
	char path[256];
	snprintf(path, sizeof path, "%s/" LONG_PART LONG_PART, top);
	return close(directory) | rmdir(path) | rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_socket_that_was_removed_is_made_anew),
	    cmocka_unit_test(an_answer_is_whole_and_ends),
	    cmocka_unit_test(the_socket_is_ours_alone),
	    cmocka_unit_test(a_socket_of_an_older_life_is_replaced),
	    cmocka_unit_test(what_is_no_socket_is_left_alone),
	    cmocka_unit_test(no_question_is_dropped),
	    cmocka_unit_test(a_slow_reader_has_its_time),
	    cmocka_unit_test(a_long_answer_comes_in_parts),
	    cmocka_unit_test(of_too_many_the_oldest_goes),
	    cmocka_unit_test(one_that_goes_in_the_middle_harms_nobody),
	    cmocka_unit_test(who_asks_is_answered),
	    cmocka_unit_test(one_who_does_not_answer_is_not_waited_for),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
