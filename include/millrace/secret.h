/* secret.h - secrets: a key, a password, a token, each in a file of its own.
 *
 * A setting of the kind SECRET names the file; the topology file holds no secret itself. It is
 * found, checked and read before anything starts, by the stage that needs it, while it prepares. */
#ifndef MILLRACE_SECRET_H
#define MILLRACE_SECRET_H

#include "millrace/error.h"
#include "millrace/memory.h"

#define MR_SECRET_MAX 65536
/* Before a name: the file is that of systemd's LoadCredential= in $CREDENTIALS_DIRECTORY. */
#define MR_SECRET_CREDENTIAL "credential:"
/* A table whose name begins so lives in memory alone: it is kept over deaths as all tables are, and
 * never written to the disk. Behind it is the name of a sink. */
#define MR_SECRETS_PREFIX "deliver.secrets."
#define MR_SECRETS_NAME_MAX (sizeof MR_SECRETS_PREFIX + 64)

/* The path that a setting's text stands for, the caller's to free; a relative one begins in
 * `directory`. MR_CONFIG: it names a credential, and there is none. */
enum mr_err mr_secret_path(const char *text, const char *directory, char **path_out,
			   struct mr_error *error);
/* Whether the text names a credential, and systemd has given this process none. */
bool mr_secret_is_elsewhere(const char *text);
/* The whole file without a line end at its end, appended. MR_CONFIG where it is not a regular file,
 * empty, larger than MR_SECRET_MAX, or where others than its owner and group may read or write it;
 * MR_NOT_FOUND, MR_IO. `out` then is as it was. */
enum mr_err mr_secret_read(const char *path, struct mr_buf *out, struct mr_error *error);

#endif
