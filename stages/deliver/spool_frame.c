/* spool_frame.c - see spool_frame.h. */
#include "spool_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/os.h"

#define SEGMENT_MAGIC UINT32_C(0x4c53524d) /* MRSL */
#define FRAME_MAGIC UINT32_C(0x4653524d)   /* MRSF */
#define VERSION 1
#define ID_AT 16

void spool_segment_name(uint64_t at, char out[SPOOL_NAME])
{
	snprintf(out, SPOOL_NAME, "%016llx.spool", (unsigned long long)at);
}

void spool_segment_head(const struct spool_place *begin, char out[SPOOL_SEGMENT_HEAD])
{
	const uint32_t start[] = {SEGMENT_MAGIC, VERSION};
	memcpy(out, start, 8);
	memcpy(out + 8, &begin->at, 8);
	memcpy(out + 16, &begin->lines, 8);
	uint64_t hash = mr_hash64(out, 24, 0);
	memcpy(out + 24, &hash, 8);
}

/* Magic, version, and the hash at the end stay where they are in every version. */
static bool is_newer(const char head[SPOOL_SEGMENT_HEAD])
{
	uint32_t start[2];
	uint64_t hash;
	memcpy(start, head, sizeof start);
	memcpy(&hash, head + 24, 8);
	return start[0] == SEGMENT_MAGIC && start[1] > VERSION && hash == mr_hash64(head, 24, 0);
}

enum spool_head spool_segment_look(const struct spool *spool, struct spool_segment *segment)
{
	char name[SPOOL_NAME], got[SPOOL_SEGMENT_HEAD], want[SPOOL_SEGMENT_HEAD];
	struct stat about;
	spool_segment_name(segment->begin.at, name);
	int fd = openat(spool->directory, name, O_RDONLY | O_CLOEXEC);
	enum mr_read read = MR_READ_FAILED;
	if (fd >= 0 && fstat(fd, &about) == 0)
		read = mr_os_read(fd, got, sizeof got, 0, NULL);
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	if (read == MR_READ_FAILED)
		return SPOOL_HEAD_UNREADABLE;
	if (read == MR_READ_SHORT)
		return SPOOL_HEAD_NONE;
	segment->end = segment->begin.at + (uint64_t)about.st_size - SPOOL_SEGMENT_HEAD;
	memcpy(&segment->begin.lines, got + 16, 8);
	spool_segment_head(&segment->begin, want);
	if (memcmp(got, want, sizeof want) == 0)
		return SPOOL_HEAD_WHOLE;
	segment->begin.lines = 0;
	if (is_newer(got))
		return SPOOL_HEAD_NEWER;
	return segment->end > segment->begin.at ? SPOOL_HEAD_DAMAGED : SPOOL_HEAD_NONE;
}

static uint64_t hash_of(uint64_t at, const char *id, uint32_t length)
{
	return mr_hash64(id, SPOOL_HEAD - ID_AT + length, at ^ length);
}

void spool_frame_put(struct mr_buf *out, uint64_t at, const struct line_id *id,
		     struct mr_slice line)
{
	uint32_t start[] = {FRAME_MAGIC, (uint32_t)line.len};
	char *frame = mr_buf_reserve(out, SPOOL_HEAD + line.len);
	memcpy(frame, start, 8);
	memcpy(frame + ID_AT, id->id, sizeof id->id);
	memcpy(frame + ID_AT + sizeof id->id, &id->revision, 8);
	memcpy(frame + SPOOL_HEAD, line.at, line.len);
	uint64_t hash = hash_of(at, frame + ID_AT, start[1]);
	memcpy(frame + 8, &hash, 8);
	out->len += SPOOL_HEAD + line.len;
}

uint32_t spool_frame_length(const char head[SPOOL_HEAD])
{
	uint32_t start[2];
	memcpy(start, head, sizeof start);
	return start[0] == FRAME_MAGIC && start[1] <= SPOOL_LINE_MAX ? start[1] : 0;
}

bool spool_frame_read(uint64_t at, const char *frame, uint32_t length, struct line_id *id_out)
{
	uint64_t hash;
	memcpy(&hash, frame + 8, 8);
	memcpy(id_out->id, frame + ID_AT, sizeof id_out->id);
	memcpy(&id_out->revision, frame + ID_AT + sizeof id_out->id, 8);
	return hash == hash_of(at, frame + ID_AT, length);
}

uint64_t spool_frames_once(const char *frames, size_t len)
{
	uint64_t count = 0;
	for (size_t at = 0; at < len;) {
		uint64_t revision;
		memcpy(&revision, frames + at + SPOOL_HEAD - 8, 8);
		count += revision == 0;
		at += SPOOL_HEAD + spool_frame_length(frames + at);
	}
	return count;
}
