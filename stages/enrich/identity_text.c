/* identity_text.c - a file of people as a stream of UTF-8.
 *
 * Called by identity_read.c. What a spreadsheet or a shell wrote in UTF-16 is read as it comes,
 * with a mark or without. A file that cannot be read is the stream's error, with errno. */
#include "identity_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "millrace/utf16.h"

#define BLOCK_BYTES (64u << 10)

struct source {
	int fd;
	bool ended;
	struct mr_recode recode;
	struct mr_buf recoded;
	struct mr_slice text; /* not yet given: of the block, or of what was recoded */
	char block[BLOCK_BYTES];
};

/* Gives what there is, without waiting for as much as there is room for. */
static ssize_t source_read(void *cookie, char *out, size_t len)
{
	struct source *source = cookie;
	while (source->text.len == 0 && !source->ended) {
		size_t mark;
		ssize_t got = read(source->fd, source->block, BLOCK_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		source->ended = got == 0;
		source->text =
		    mr_recode_step(&source->recode, (struct mr_slice){source->block, (size_t)got},
				   source->ended, &source->recoded, &mark);
	}
	if (len > source->text.len)
		len = source->text.len;
	if (len == 0)
		return 0;
	memcpy(out, source->text.at, len);
	source->text.at += len;
	source->text.len -= len;
	return (ssize_t)len;
}

static int source_close(void *cookie)
{
	struct source *source = cookie;
	if (source->fd != STDIN_FILENO)
		close(source->fd);
	mr_buf_fini(&source->recoded);
	free(source);
	return 0;
}

FILE *identity_text_open(const char *name)
{
	static const cookie_io_functions_t functions = {.read = source_read, .close = source_close};
	int fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	struct source *source = mr_calloc(1, sizeof *source);
	source->fd = fd;
	FILE *stream = fopencookie(source, "r", functions);
	if (stream == NULL)
		source_close(source);
	return stream;
}
