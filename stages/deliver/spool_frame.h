/* spool_frame.h - the form of the spool's files, for spool*.c alone.
 *
 * A segment: magic, version, the place and the lines before its first frame, a checksum; then
 * frames. A frame: magic, length of the line, XXH3 over the frame's place, id and line, the id, the
 * line. Numbers are the host's: a spool does not leave it. */
#ifndef MILLRACE_DELIVER_SPOOL_FRAME_H
#define MILLRACE_DELIVER_SPOOL_FRAME_H

#include "spool.h"

#define SPOOL_NAME 32
#define SPOOL_SEGMENT_HEAD 32
#define SPOOL_HEAD 40
#define SPOOL_BUFFER (256u << 10)
#define SPOOL_LINE_MAX (256u << 20)

void spool_segment_name(uint64_t at, char out[SPOOL_NAME]);
void spool_segment_head(const struct spool_place *begin, char out[SPOOL_SEGMENT_HEAD]);
enum spool_head {
	SPOOL_HEAD_WHOLE,
	SPOOL_HEAD_NONE,    /* it was never finished, and no frame is behind it */
	SPOOL_HEAD_DAMAGED, /* frames are behind it */
	SPOOL_HEAD_NEWER,
	SPOOL_HEAD_UNREADABLE /* errno says why */
};
/* Fills in what the file says of itself. */
enum spool_head spool_segment_look(const struct spool *spool, struct spool_segment *segment);

void spool_frame_put(struct mr_buf *out, uint64_t at, const struct line_id *id,
		     struct mr_slice line);
/* Length of the line that a head tells, or 0 where it is none. */
uint32_t spool_frame_length(const char head[SPOOL_HEAD]);
/* Whether the frame, head and line, is what was written at that place. */
bool spool_frame_read(uint64_t at, const char *frame, uint32_t length, struct line_id *id_out);
/* Lines that are made once among whole frames. */
uint64_t spool_frames_once(const char *frames, size_t len);

#endif
