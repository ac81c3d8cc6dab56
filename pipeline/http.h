/* http.h - metrics and health over HTTP, on the loopback address only.
 *
 * GET /metrics is Prometheus' text; /healthz says whether the service answers and its workers do;
 * /readyz whether records are being judged: 200 with "ok", or 503 with what is wrong. Connections
 * are bounded in number, in the bytes of their headers, and in time. Who asks for another host than
 * this one (a name that somebody has pointed at 127.0.0.1 for a browser) is refused.
 *
 * Order: open, then turn whenever the descriptor can be read, and once a second; close. Never
 * blocks.
 */
#ifndef MILLRACE_HTTP_H
#define MILLRACE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "status_server.h"

#define MR_HTTP_CONNECTIONS_MAX 64
#define MR_HTTP_MEMORY_BYTES 16384 /* of one connection: what its request may have of headers */
#define MR_HTTP_TIMEOUT_S 1u

struct mr_http_pages {
	void *context;
	mr_status_teller tell; /* asked for MR_STATUS_FORM_METRICS */
	/* Whether all is well; if not, `words` get what is wrong, in one line. */
	bool (*well)(void *context, struct mr_buf *words);
	bool (*ready)(void *context, struct mr_buf *words);
};

struct mr_http;
/* On 127.0.0.1; port 0 is any that is free. Borrows the pages. MR_IO where the port is taken. */
enum mr_err mr_http_open(uint16_t port, const struct mr_http_pages *pages,
			 struct mr_http **http_out, struct mr_error *error);
int mr_http_fd(const struct mr_http *http);
uint16_t mr_http_port(const struct mr_http *http);
void mr_http_turn(struct mr_http *http);
/* Accepts NULL. */
void mr_http_close(struct mr_http *http);

#endif
