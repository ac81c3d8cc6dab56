/* status_server.h - who asks for a service's status at the socket in its state directory.
 *
 * A client sends "text\n" or "json\n" and reads the answer to its end. Nothing here blocks: clients
 * are few at a time, the oldest goes for a newer one, and none stays longer than its time, however
 * slowly it reads; what it asks is read no further than the longest question. The socket is mode
 * 0600: who may not read the state directory's files may not ask.
 *
 * Order: open, then turn whenever the descriptor can be read, and once a second; close. */
#ifndef MILLRACE_STATUS_SERVER_H
#define MILLRACE_STATUS_SERVER_H

#include "millrace/error.h"
#include "millrace/memory.h"

#define MR_STATUS_SOCKET "status.sock"
#define MR_STATUS_CLIENTS_MAX 16
#define MR_STATUS_CLIENT_US 5000000

enum mr_status_form { MR_STATUS_FORM_TEXT, MR_STATUS_FORM_JSON, MR_STATUS_FORM_METRICS };
/* Appends the status as it is now. */
typedef void (*mr_status_teller)(void *context, enum mr_status_form form, struct mr_buf *out);

struct mr_status_server;
/* `directory` is open on the state directory, and borrowed; a socket of an older life is replaced,
 * and one that is removed while it serves is made anew by a turn within a second.
 * MR_IO. */
enum mr_err mr_status_server_open(int directory, mr_status_teller tell, void *context,
				  struct mr_status_server **server_out, struct mr_error *error);
/* Readable when there is something to do. */
int mr_status_server_fd(const struct mr_status_server *server);
/* `now_us` is of a clock that never goes back. */
void mr_status_server_turn(struct mr_status_server *server, int64_t now_us);
/* Accepts NULL. */
void mr_status_server_close(struct mr_status_server *server);

/* ---- the other side: `millrace status` ---- */

/* Ask at the socket in this directory and append the answer. Waits `timeout_ms` at most for each
 * part. MR_NOT_FOUND: nobody answers there; MR_IO: the answer breaks off. */
enum mr_err mr_status_ask(int directory, enum mr_status_form form, int timeout_ms,
			  struct mr_buf *out, struct mr_error *error);

#endif
