/* follow_unread.c - folders that the scan in hand cannot read.
 *
 * Called by follow.c. What lies in them is not known to be gone: it stays as it was. */
#include "follow.h"

static bool has(const struct mr_buf *paths, const char *path)
{
	for (size_t at = 0; at < paths->len; at += strlen(paths->data + at) + 1)
		if (strcmp(paths->data + at, path) == 0)
			return true;
	return false;
}

void mr_unread_begin(struct mr_unread_folders *unread)
{
	struct mr_buf before = unread->before;

	unread->before = unread->now;
	unread->now = before;
	unread->now.len = 0;
	unread->count = 0;
}

void mr_unread_add(struct mr_unread_folders *unread, const char *path, const char *why)
{
	if (has(&unread->now, path))
		return;
	mr_buf_add(&unread->now, path, strlen(path) + 1);
	unread->count++;
	if (!has(&unread->before, path))
		mr_log(MR_LOG_WARNING, "%s; what lies there is not followed until it can be read",
		       why);
}

bool mr_unread_hides(const struct mr_unread_folders *unread, const char *path)
{
	for (size_t at = 0; at < unread->now.len;) {
		const char *folder = unread->now.data + at;
		size_t len = strlen(folder);

		at += len + 1;
		while (len > 0 && folder[len - 1] == '/')
			len--;
		if (strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == 0))
			return true;
	}
	return false;
}

void mr_unread_fini(struct mr_unread_folders *unread)
{
	mr_buf_fini(&unread->now);
	mr_buf_fini(&unread->before);
}
