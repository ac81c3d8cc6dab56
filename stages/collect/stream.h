/* stream.h - one stream of lines that comes over a descriptor: standard input, a peer of a socket.
 */
#ifndef MILLRACE_COLLECT_STREAM_H
#define MILLRACE_COLLECT_STREAM_H

#include <sys/types.h>

#include "source.h"

/* Zeroed and with `fd` set it is ready. */
struct mr_stream {
	int fd;
	uint32_t name;
	uint64_t offset;    /* of the first byte held */
	struct mr_buf held; /* the beginning of a line; or of the stream, until that is known */
	uint64_t passed;    /* bytes of that line that are not held */
};

#define MR_STREAM_ROOM (64 << 10)
/* One read. MR_OK, MR_AGAIN, MR_END; what cannot be read is an end, with a warning. MR_UNSUPPORTED:
 * it is no lines; nothing of it was taken, nor is it to be asked for more. */
enum mr_err mr_stream_step(struct mr_source *source, struct mr_stream *stream, char *room,
			   struct mr_error *error);
/* What a read of the stream that gave `got`, and errno, comes to: as above. */
enum mr_err mr_stream_outcome(const struct mr_source *source, ssize_t got);
/* Bytes that came some other way; `last` says that no more will. MR_OK, MR_UNSUPPORTED. */
enum mr_err mr_stream_take(struct mr_source *source, struct mr_stream *stream,
			   struct mr_slice bytes, bool last, struct mr_error *error);
/* The line that has begun ends here: `cut` NULL, it is a record; else it is set aside for that. */
void mr_stream_end(struct mr_source *source, struct mr_stream *stream, const char *cut);
void mr_stream_fini(struct mr_stream *stream);

#endif
