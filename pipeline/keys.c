/* keys.c - makes, writes, reads and forgets the CURVE keys of hosts.
 *
 * Called by cmd_keys.c and hosts.c. Fails before anything is left behind: half a pair is of no
 * use to anybody. */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "millrace/os.h"
#include "millrace/secret.h"

void mr_key_forget(struct mr_key *key)
{
	explicit_bzero(key, sizeof *key);
}

static enum mr_err no_curve(struct mr_error *error)
{
	return mr_error_set(error, MR_UNSUPPORTED,
			    "ZeroMQ has no CURVE here, and links between hosts need it");
}

enum mr_err mr_keys_make(struct mr_key *private_out, struct mr_key *public_out,
			 struct mr_error *error)
{
	if (zmq_has("curve") == 0 || zmq_curve_keypair(public_out->text, private_out->text) != 0)
		return no_curve(error);
	return MR_OK;
}

/* ---- reading ---- */

static enum mr_err prove(const struct mr_part *host, const char *path, const struct mr_key *key,
			 struct mr_error *error)
{
	struct mr_key public;
	if (zmq_has("curve") == 0)
		return no_curve(error);
	if (strlen(key->text) != MR_KEY_TEXT || zmq_curve_public(public.text, key->text) != 0)
		return mr_error_set(error, MR_CONFIG,
				    "%s: it holds no private key of millrace keys", path);
	if (strcmp(public.text, mr_config_get(&host->settings, "public_key", 0)) != 0)
		return mr_error_set(error, MR_CONFIG,
				    "%s: it is not the private key of host %s's public_key", path,
				    host->name);
	return MR_OK;
}

enum mr_err mr_keys_read(const struct mr_part *host, struct mr_key *private_out,
			 struct mr_error *error)
{
	const char *path = mr_config_get(&host->settings, "key_file", 0);
	struct mr_buf bytes = {0};
	if (path == NULL)
		return mr_error_set(error, MR_NOT_FOUND, "host %s: no key_file", host->name);
	enum mr_err err = mr_secret_read(path, &bytes, error);
	if (err == MR_OK) {
		snprintf(private_out->text, sizeof private_out->text, "%.*s",
			 (int)(bytes.len <= MR_KEY_TEXT ? bytes.len : 0), bytes.data);
		err = prove(host, path, private_out, error);
	}
	if (err != MR_OK)
		mr_key_forget(private_out);
	if (bytes.len > 0)
		explicit_bzero(bytes.data, bytes.len);
	mr_buf_fini(&bytes);
	return err;
}

/* ---- writing ---- */

/* A file that was not there before, with one line. */
static enum mr_err write_line(const char *path, const char *text, mode_t mode,
			      struct mr_error *error)
{
	char line[MR_KEY_TEXT + 2];
	size_t len = (size_t)snprintf(line, sizeof line, "%s\n", text);
	int fd = mr_os.openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			      mode);
	if (fd < 0 && errno == EEXIST)
		return mr_error_set(error, MR_CONFIG,
				    "%s is there already; a key is never overwritten", path);
	if (fd < 0)
		return mr_error_errno(error, MR_CONFIG, "%s", path);
	/* Whatever the umask says. */
	bool good = fchmod(fd, mode) == 0 && mr_os_write_all(fd, (struct mr_slice){line, len}) &&
		    mr_os.fsync(fd) == 0;
	enum mr_err err =
	    good ? MR_OK : mr_error_errno(error, mr_error_of_write(errno), "%s", path);
	close(fd);
	explicit_bzero(line, sizeof line);
	if (!good)
		unlink(path);
	return err;
}

static enum mr_err write_pair(const char *directory, const char *private_path,
			      const char *public_path, struct mr_key *public_out,
			      struct mr_error *error)
{
	struct mr_key private;
	enum mr_err err = mr_keys_make(&private, public_out, error);
	if (err == MR_OK)
		err = write_line(private_path, private.text, 0600, error);
	mr_key_forget(&private);
	if (err != MR_OK)
		return err;
	err = write_line(public_path, public_out->text, 0644, error);
	if (err != MR_OK) {
		unlink(private_path);
		return err;
	}
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || !mr_os_sync_directory(fd)) {
		err = mr_error_errno(error, MR_IO, "%s", directory);
		unlink(private_path);
		unlink(public_path);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

enum mr_err mr_keys_write(const char *directory, const char *name, struct mr_key *public_out,
			  struct mr_error *error)
{
	const struct mr_setting_row *row = mr_setting_find(MR_SCOPE_HOST, MR_SLICE("name"));
	int64_t unused;
	enum mr_err err = mr_setting_read(row, name, &unused, error);
	if (err != MR_OK)
		return err;
	char *private_path = mr_asprintf("%s/%s.key", directory, name);
	char *public_path = mr_asprintf("%s/%s.pub", directory, name);
	/* Neither is made where the other cannot be. */
	if (access(public_path, F_OK) == 0)
		err = mr_error_set(error, MR_CONFIG,
				   "%s is there already; a key is never overwritten", public_path);
	else
		err = write_pair(directory, private_path, public_path, public_out, error);
	free(private_path);
	free(public_path);
	return err;
}
