/* follow_gone.c - followed files that were moved away or removed while they were open.
 *
 * Called by follow.c. Their writer may have them open still, for as long as it is not told. Once
 * one was quiet for LINGER_US a last line without an end is a record. One that a path leads to
 * stays until it was quiet for MR_FOLLOW_QUIET_US; where others need its descriptor
 * (follow_open.c), as long as it is found (follow_missing.c). One that was removed takes room on
 * the disk as long as it is open, and goes with its last line. */
#include "follow.h"

#include <stdio.h>

#define LINGER_US (INT64_C(5000) * 1000)

void mr_gone_look(const struct mr_source *source, const struct mr_openings *openings)
{
	for (size_t i = 0; i < openings->count; i++) {
		struct mr_followed *file = openings->files[i];
		off_t size = file->size;
		struct stat status;

		if (!file->gone || fstat(file->fd, &status) != 0)
			continue;
		mr_followed_look(file, &status);
		file->unlinked = status.st_nlink == 0;
		if (size == file->size || file->barred)
			continue;
		file->since_us = mr_source_steady(source);
		file->finished = false;
	}
}

static enum mr_err give_up(struct mr_source *source, const struct mr_followed *file)
{
	char why[100];

	snprintf(why, sizeof(why),
		 "it was moved away and cannot be read: what it has behind offset %llu is lost",
		 (unsigned long long)file->mark.at);
	mr_source_unread(source, file->title, why);
	return MR_OK;
}

enum mr_err mr_gone_end(struct mr_source *source, struct mr_followed *file, char *room,
			struct mr_error *error)
{
	int64_t quiet_us = mr_source_steady(source) - file->since_us;
	enum mr_err err = MR_OK;

	if (quiet_us < LINGER_US) {
		mr_source_wake(source, file->since_us + LINGER_US);
		return MR_AGAIN;
	}
	if (file->awake && !file->foreign)
		return MR_AGAIN;
	if (!file->finished)
		err = file->fd < 0 ? MR_AGAIN : mr_followed_finish(source, file, room, error);
	if (err == MR_AGAIN && quiet_us >= MR_FOLLOW_QUIET_US)
		return give_up(source, file);
	if (err != MR_OK)
		return err;
	file->finished = true;
	if (file->dirty || (!file->unlinked && !file->foreign && quiet_us < MR_FOLLOW_QUIET_US))
		return MR_AGAIN;
	if (!file->unlinked && !file->foreign)
		mr_log(MR_LOG_INFO,
		       "what was read as %s and was moved away is not followed any more: nothing "
		       "came for minutes; it was read to offset %llu",
		       file->title, (unsigned long long)file->mark.at);
	return MR_OK;
}
