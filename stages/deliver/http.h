/* http.h - one HTTPS request at a time, without ever holding up the worker.
 *
 * Called by sink_webhook.c. libcurl's sockets and its timer (a timerfd) are waited for by the
 * worker; names are looked up in a thread of libcurl's. Certificates are verified, and nothing
 * turns that off; redirects are not followed; TLS 1.2 is the least. */
#ifndef MILLRACE_DELIVER_HTTP_H
#define MILLRACE_DELIVER_HTTP_H

#include <curl/curl.h>

#include "millrace/stage.h"

#define HTTP_SOCKETS_MAX 16
#define HTTP_REASON 320

struct http {
	struct mr_waits *waits;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers; /* of the request under way */
	int timer_fd;
	struct http_socket {
		int fd;
		short events;
	} sockets[HTTP_SOCKETS_MAX];
	size_t socket_count;
	bool busy;
	bool lost_socket; /* there were too many */
	char words[CURL_ERROR_SIZE];
	char answer[160]; /* its beginning */
	size_t answer_bytes;
};

struct http_result {
	long status;                 /* 0: there was no whole answer */
	int64_t retry_after_seconds; /* 0: it did not say */
	char reason[HTTP_REASON];    /* for people */
};

/* Who opens it. All borrowed. */
struct http_sink {
	const char *name;
	const struct mr_config *settings;
	const struct mr_tables *tables; /* with its keys and certificates (key_files.h) */
};

/* Whether url and proxy are addresses of the right kind: MR_CONFIG, and the value that is wrong,
 * one of the settings'. */
enum mr_err http_check(const struct mr_config *settings, const char **wrong_out,
		       struct mr_error *error);
/* Settings: url, proxy, timeout. MR_CONFIG, MR_NOT_FOUND, MR_UNSUPPORTED; after an error hold
 * nothing. */
enum mr_err http_open(struct http *http, const struct http_sink *sink, struct mr_waits *waits,
		      struct mr_error *error);
/* Begins a POST. Borrows the body until it is done; takes the headers. */
void http_post(struct http *http, struct mr_slice body, struct curl_slist *headers);
/* Goes on as far as it can at once. True where the request is done: once for each. */
bool http_step(struct http *http, struct http_result *out);
/* Accepts zeroed memory. */
void http_close(struct http *http);

#endif
