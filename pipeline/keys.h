/* keys.h - the CURVE keys of hosts, as texts of Z85 (rfc.zeromq.org/spec/32).
 *
 * `millrace keys` makes a pair: the private key in a file of its own, the public one to share. What
 * is private is in no log and no message; whoever holds one forgets it with mr_key_forget. */
#ifndef MILLRACE_KEYS_H
#define MILLRACE_KEYS_H

#include "millrace/config.h"

struct mr_key {
	char text[MR_KEY_TEXT + 1];
};

/* A new pair. MR_UNSUPPORTED where ZeroMQ was built without CURVE. */
enum mr_err mr_keys_make(struct mr_key *private_out, struct mr_key *public_out,
			 struct mr_error *error);
/* A host's private key from its file, proved to belong to its public one. MR_CONFIG, and as
 * mr_secret_read; MR_NOT_FOUND also where the settings have none. */
enum mr_err mr_keys_read(const struct mr_part *host, struct mr_key *private_out,
			 struct mr_error *error);
void mr_key_forget(struct mr_key *key);

/* Makes NAME.key (mode 0600) and NAME.pub in the directory, neither of which may be there: durable,
 * or none of them is left. MR_CONFIG, MR_IO, MR_NO_SPACE, MR_UNSUPPORTED. */
enum mr_err mr_keys_write(const char *directory, const char *name, struct mr_key *public_out,
			  struct mr_error *error);

#endif
