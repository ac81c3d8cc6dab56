/* http.c - metrics and health over HTTP, by libmicrohttpd polled from outside.
 *
 * Called by the supervisor. A request that is not what it should be gets its answer and harms
 * nobody else. */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "metrics.h"

struct mr_http {
	const struct mr_http_pages *pages;
	struct MHD_Daemon *daemon;
	int epoll;
	uint16_t port;
};

/* ---- requests ---- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
			      struct mr_slice body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_MUST_COPY);
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *words)
{
	return answer(connection, status, "text/plain; charset=utf-8", mr_slice(words));
}

struct hosts {
	unsigned count;
	const char *value;
};

static enum MHD_Result note_host(void *context, enum MHD_ValueKind kind, const char *key,
				 const char *value)
{
	struct hosts *hosts = context;
	(void)kind;
	if (mr_fold_eq(mr_slice(key), MR_SLICE("host"))) {
		hosts->count++;
		hosts->value = value;
	}
	return MHD_YES;
}

/* One of this machine's own names for itself, with a port or without. */
static bool is_own(const char *value)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
	struct mr_slice host = mr_slice(value);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t len = strlen(names[i]);
		if (host.len < len ||
		    !mr_fold_eq((struct mr_slice){host.at, len}, mr_slice(names[i])))
			continue;
		const char *behind = host.at + len;
		return *behind == 0 ||
		       (*behind == ':' && behind[1 + strspn(behind + 1, "0123456789")] == 0);
	}
	return false;
}

static enum MHD_Result page(const struct mr_http_pages *pages, struct MHD_Connection *connection,
			    const char *path)
{
	struct mr_buf body = {0};
	const char *type = "text/plain; charset=utf-8";
	unsigned status = MHD_HTTP_OK;
	bool (*check)(void *, struct mr_buf *) = strcmp(path, "/healthz") == 0  ? pages->well
						 : strcmp(path, "/readyz") == 0 ? pages->ready
										: NULL;
	if (check != NULL) {
		if (check(pages->context, &body))
			mr_buf_add_text(&body, "ok");
		else
			status = MHD_HTTP_SERVICE_UNAVAILABLE;
		mr_buf_show(&body, 0);
		mr_buf_add_text(&body, "\n");
	} else if (strcmp(path, "/metrics") == 0) {
		type = MR_METRICS_TYPE;
		pages->tell(pages->context, MR_STATUS_FORM_METRICS, &body);
	} else {
		status = MHD_HTTP_NOT_FOUND;
		mr_buf_add_text(&body, "there are /metrics, /healthz and /readyz\n");
	}
	enum MHD_Result result =
	    answer(connection, status, type, (struct mr_slice){body.data, body.len});
	mr_buf_fini(&body);
	return result;
}

/* Answers as soon as the headers are read: a body is never taken. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_bytes, void **request)
{
	const struct mr_http *http = context;
	struct hosts hosts = {0};
	(void)version, (void)upload, (void)upload_bytes, (void)request;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, note_host, &hosts);
	if (hosts.count != 1 || hosts.value == NULL)
		return refuse(connection, MHD_HTTP_BAD_REQUEST, "one Host is wanted\n");
	if (!is_own(hosts.value))
		return refuse(connection, MHD_HTTP_FORBIDDEN, "that is not this host\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	return page(http->pages, connection, path);
}

/* ---- the server ---- */

static void say_nothing(void *context, const char *format, va_list args)
{
	(void)context, (void)format, (void)args;
}

static enum mr_err learn(struct mr_http *http, struct mr_error *error)
{
	const union MHD_DaemonInfo *epoll =
	    MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	const union MHD_DaemonInfo *port =
	    MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
	if (epoll == NULL || port == NULL)
		return mr_error_set(error, MR_IO, "metrics: libmicrohttpd lacks epoll");
	http->epoll = epoll->epoll_fd;
	http->port = port->port;
	return MR_OK;
}

enum mr_err mr_http_open(uint16_t port, const struct mr_http_pages *pages,
			 struct mr_http **http_out, struct mr_error *error)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct mr_http *http = mr_calloc(1, sizeof *http);
	http->pages = pages;
	errno = 0;
	http->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_ERROR_LOG, port, NULL, NULL, handle, http,
	    MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL, MHD_OPTION_SOCK_ADDR,
	    (struct sockaddr *)&at, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MR_HTTP_CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MR_HTTP_MEMORY_BYTES,
	    MHD_OPTION_CONNECTION_TIMEOUT, MR_HTTP_TIMEOUT_S, MHD_OPTION_END);
	enum mr_err err =
	    http->daemon == NULL
		? mr_error_errno(error, MR_IO, "metrics: cannot listen on 127.0.0.1:%u",
				 (unsigned)port)
		: learn(http, error);
	if (err == MR_OK)
		*http_out = http;
	else
		mr_http_close(http);
	return err;
}

int mr_http_fd(const struct mr_http *http)
{
	return http->epoll;
}

uint16_t mr_http_port(const struct mr_http *http)
{
	return http->port;
}

void mr_http_turn(struct mr_http *http)
{
	MHD_run(http->daemon);
}

void mr_http_close(struct mr_http *http)
{
	if (http != NULL && http->daemon != NULL)
		MHD_stop_daemon(http->daemon);
	free(http);
}
