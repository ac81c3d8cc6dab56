/* test_http.c - metrics and health over HTTP: pages, hosts, bounds. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"

static bool is_well = true;
static size_t metrics_bytes;

static void tell(void *context, enum mr_status_form form, struct mr_buf *out)
{
	(void)context;
	assert_int_equal(form, MR_STATUS_FORM_METRICS);
	memset(mr_buf_reserve(out, metrics_bytes + 1), 'x', metrics_bytes);
	out->len += metrics_bytes;
	mr_buf_add_text(out, "millrace_up 1\n");
}

static bool well(void *context, struct mr_buf *words)
{
	(void)context;
	if (!is_well)
		mr_buf_add_text(words, "parse-0 \x1b is silent");
	return is_well;
}

static bool never(void *context, struct mr_buf *words)
{
	(void)context;
	mr_buf_add_text(words, "starting");
	return false;
}

static const struct mr_http_pages pages = {.tell = tell, .well = well, .ready = never};

static struct mr_http *open_http(void)
{
	struct mr_http *http = NULL;
	struct mr_error error = {0};
	assert_int_equal(mr_http_open(0, &pages, &http, &error), MR_OK);
	metrics_bytes = 0;
	is_well = true;
	return http;
}

static int call(const struct mr_http *http)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(mr_http_port(http)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static void turn(struct mr_http *http)
{
	struct pollfd ready = {.fd = mr_http_fd(http), .events = POLLIN};
	poll(&ready, 1, 20);
	mr_http_turn(http);
}

/* The answer, up to where the server closes; the caller frees. */
static char *hear(struct mr_http *http, int fd)
{
	struct mr_buf all = {0};
	for (int i = 0; i < 500; i++) {
		ssize_t len = recv(fd, mr_buf_reserve(&all, 65536), 65536, MSG_DONTWAIT);
		if (len > 0)
			all.len += (size_t)len;
		else if (len == 0 || errno == ECONNRESET)
			break;
		else
			turn(http);
	}
	close(fd);
	mr_buf_add(&all, "", 1);
	return all.data;
}

static char *ask(struct mr_http *http, const char *request)
{
	int fd = call(http);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return hear(http, fd);
}

static void is_answered(struct mr_http *http, const char *request, const char *status,
			const char *body)
{
	char *text = ask(http, request);
	if (strncmp(text, status, strlen(status)) != 0 || strstr(text, body) == NULL)
		fail_msg("to %s: %s", request, text);
	free(text);
}

#define HOST "Host: 127.0.0.1:9\r\nConnection: close\r\n\r\n"

static void pages_are_there(void **state)
{
	(void)state;
	struct mr_http *http = open_http();
	is_answered(http, "GET /metrics HTTP/1.1\r\n" HOST, "HTTP/1.1 200 ",
		    "\r\n\r\nmillrace_up 1\n");
	is_answered(http, "GET /metrics HTTP/1.1\r\n" HOST, "HTTP/1.1 200 ",
		    "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	is_answered(http, "GET /metrics?x=1 HTTP/1.1\r\n" HOST, "HTTP/1.1 200 ", "millrace_up");
	is_answered(http, "GET /healthz HTTP/1.1\r\n" HOST, "HTTP/1.1 200 ", "\r\n\r\nok\n");
	is_answered(http, "GET /readyz HTTP/1.1\r\n" HOST, "HTTP/1.1 503 ", "\r\n\r\nstarting\n");
	is_well = false;
	is_answered(http, "GET /healthz HTTP/1.1\r\n" HOST, "HTTP/1.1 503 ",
		    "\r\n\r\nparse-0 \xef\xbf\xbd is silent\n");
	is_answered(http, "GET / HTTP/1.1\r\n" HOST, "HTTP/1.1 404 ", "/readyz");
	char *head = ask(http, "HEAD /metrics HTTP/1.1\r\n" HOST);
	assert_non_null(strstr(head, "HTTP/1.1 200 "));
	assert_null(strstr(head, "millrace_up"));
	free(head);
	mr_http_close(http);
}

static void only_gets_are_taken(void **state)
{
	(void)state;
	struct mr_http *http = open_http();
	is_answered(http, "POST /metrics HTTP/1.1\r\nContent-Length: 1000000000\r\n" HOST,
		    "HTTP/1.1 405 ", "Allow: GET, HEAD");
	is_answered(http, "DELETE /metrics HTTP/1.1\r\n" HOST, "HTTP/1.1 405 ", "");
	mr_http_close(http);
}

/* A page in a browser may have its own name lead to 127.0.0.1: it still says that name. */
static void another_host_is_refused(void **state)
{
	(void)state;
	struct mr_http *http = open_http();
	const char *own[] = {"127.0.0.1", "localhost", "LocalHost:9464", "[::1]:1", "127.0.0.1:"};
	const char *others[] = {"evil.example",  "127.0.0.1.evil.example", "localhost.",
				"127.0.0.1:80x", "127.0.0.1@evil",         "0.0.0.0"};
	char request[200];
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		snprintf(request, sizeof request,
			 "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", own[i]);
		is_answered(http, request, "HTTP/1.1 200 ", "ok");
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		snprintf(request, sizeof request,
			 "GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
			 others[i]);
		is_answered(http, request, "HTTP/1.1 403 ", "not this host");
	}
	is_answered(http, "GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.", " 400 ");
	is_answered(http, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n" HOST, "HTTP/1.1 400 ", "");
	mr_http_close(http);
}

static void headers_are_bounded(void **state)
{
	(void)state;
	struct mr_http *http = open_http();
	static char request[4 * MR_HTTP_MEMORY_BYTES];
	int used = snprintf(request, sizeof request, "GET /metrics HTTP/1.1\r\nX: ");
	memset(request + used, 'x', sizeof request - (size_t)used - 1);
	int fd = call(http);
	(void)!send(fd, request, sizeof request - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	char *text = hear(http, fd);
	assert_null(strstr(text, " 200 "));
	assert_null(strstr(text, "millrace_up"));
	free(text);
	is_answered(http, "GET /metrics HTTP/1.1\r\n" HOST, "HTTP/1.1 200 ", "millrace_up");
	mr_http_close(http);
}

/* So many that say nothing take all the places: no more are let in until one goes. */
static void connections_are_bounded(void **state)
{
	(void)state;
	struct mr_http *http = open_http();
	int silent[MR_HTTP_CONNECTIONS_MAX];
	for (int i = 0; i < MR_HTTP_CONNECTIONS_MAX; i++) {
		silent[i] = call(http);
		turn(http);
	}
	for (int i = 0; i < 3; i++)
		turn(http);
	const char *request = "GET /metrics HTTP/1.1\r\n" HOST;
	int fd = call(http);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	for (int i = 0; i < 5; i++)
		turn(http);
	char byte;
	assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
	close(fd);
	for (int i = 0; i < MR_HTTP_CONNECTIONS_MAX; i++)
		close(silent[i]);
	for (int i = 0; i < 5; i++)
		turn(http);
	is_answered(http, request, "HTTP/1.1 200 ", "millrace_up");
	mr_http_close(http);
}

static void a_long_page_comes_whole(void **state)
{
	(void)state;
	struct mr_http *http = open_http();
	metrics_bytes = 5 << 20;
	char *text = ask(http, "GET /metrics HTTP/1.1\r\n" HOST);
	char *body = strstr(text, "\r\n\r\n");
	assert_non_null(body);
	assert_int_equal(strlen(body + 4), metrics_bytes + 14);
	free(text);
	mr_http_close(http);
}

static void a_port_that_is_taken_is_named(void **state)
{
	(void)state;
	struct mr_http *http = open_http(), *second;
	struct mr_error error = {0};
	assert_int_equal(mr_http_open(mr_http_port(http), &pages, &second, &error), MR_IO);
	assert_non_null(strstr(error.text, "metrics: cannot listen on 127.0.0.1:"));
	mr_http_close(http);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pages_are_there),
	    cmocka_unit_test(only_gets_are_taken),
	    cmocka_unit_test(another_host_is_refused),
	    cmocka_unit_test(headers_are_bounded),
	    cmocka_unit_test(connections_are_bounded),
	    cmocka_unit_test(a_long_page_comes_whole),
	    cmocka_unit_test(a_port_that_is_taken_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
