/* secret.c - secrets from files and from systemd's credentials.
 *
 * Called by topology_file.c, and by the stages that need one. Fails before anything is sent. */
#include "millrace/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *credentials_directory(void)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	return directory == NULL || *directory == '\0' ? NULL : directory;
}

static bool is_name(const char *name)
{
	return *name != '\0' && *name != '.' && strchr(name, '/') == NULL;
}

/* The credential that a text names, or NULL. */
static const char *credential_of(const char *text)
{
	size_t len = strlen(MR_SECRET_CREDENTIAL);
	return strncmp(text, MR_SECRET_CREDENTIAL, len) == 0 ? text + len : NULL;
}

bool mr_secret_is_elsewhere(const char *text)
{
	const char *name = credential_of(text);
	return name != NULL && is_name(name) && credentials_directory() == NULL;
}

static enum mr_err credential_path(const char *name, char **path_out, struct mr_error *error)
{
	const char *directory = credentials_directory();
	if (!is_name(name))
		return mr_error_set(error, MR_CONFIG,
				    "\"" MR_SECRET_CREDENTIAL "%s\" is no credential's name", name);
	if (directory == NULL)
		return mr_error_set(error, MR_CONFIG,
				    "\"" MR_SECRET_CREDENTIAL
				    "%s\": systemd gave no credentials (LoadCredential=%s:FILE)",
				    name, name);
	*path_out = mr_asprintf("%s/%s", directory, name);
	return MR_OK;
}

enum mr_err mr_secret_path(const char *text, const char *directory, char **path_out,
			   struct mr_error *error)
{
	const char *credential = credential_of(text);
	*path_out = NULL;
	if (credential != NULL)
		return credential_path(credential, path_out, error);
	*path_out = *text == '/' ? mr_strdup(text) : mr_asprintf("%s/%s", directory, text);
	return MR_OK;
}

static enum mr_err check(const char *path, int fd, struct mr_error *error)
{
	struct stat about;
	if (fstat(fd, &about) != 0)
		return mr_error_errno(error, MR_IO, "%s", path);
	if (!S_ISREG(about.st_mode))
		return mr_error_set(error, MR_CONFIG, "%s: it is no regular file", path);
	if ((about.st_mode & (S_IROTH | S_IWOTH)) != 0)
		return mr_error_set(
		    error, MR_CONFIG,
		    "%s: everybody may read or write this secret (mode %04o); chmod "
		    "o= it",
		    path, (unsigned)about.st_mode & 07777);
	if (about.st_size > MR_SECRET_MAX)
		return mr_error_set(error, MR_CONFIG, "%s: larger than %d bytes", path,
				    MR_SECRET_MAX);
	return MR_OK;
}

static enum mr_err read_whole(const char *path, int fd, struct mr_buf *out, struct mr_error *error)
{
	char bytes[4096];
	size_t before = out->len;
	ssize_t got;
	while ((got = read(fd, bytes, sizeof bytes)) != 0 && out->len - before <= MR_SECRET_MAX) {
		if (got > 0)
			mr_buf_add(out, bytes, (size_t)got);
		else if (errno != EINTR)
			return mr_error_errno(error, MR_IO, "%s", path);
	}
	if (out->len - before > MR_SECRET_MAX)
		return mr_error_set(error, MR_CONFIG, "%s: larger than %d bytes", path,
				    MR_SECRET_MAX);
	if (out->len > before && out->data[out->len - 1] == '\n')
		out->len--;
	if (out->len > before && out->data[out->len - 1] == '\r')
		out->len--;
	return out->len > before ? MR_OK : mr_error_set(error, MR_CONFIG, "%s: it is empty", path);
}

enum mr_err mr_secret_read(const char *path, struct mr_buf *out, struct mr_error *error)
{
	size_t before = out->len;
	/* Not to hang where the name is a pipe's. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return mr_error_errno(error, errno == ENOENT ? MR_NOT_FOUND : MR_IO, "%s", path);
	enum mr_err err = check(path, fd, error);
	if (err == MR_OK)
		err = read_whole(path, fd, out, error);
	if (err != MR_OK)
		out->len = before;
	close(fd);
	return err;
}
