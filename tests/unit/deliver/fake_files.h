/* fake_files.h - the run's files in memory: what record.c and dead_letter.c read from. */
#ifndef MILLRACE_TEST_FAKE_FILES_H
#define MILLRACE_TEST_FAKE_FILES_H

#include "millrace/file.h"

#define FAKE_FILES 4

struct mr_files {
	struct mr_slice names[FAKE_FILES];
	struct mr_slice bytes[FAKE_FILES]; /* `at` NULL: a name only */
};

static unsigned fake_reads;
static unsigned fake_unread; /* the read of this number fails as a broken disk does, from 1 */
static bool fake_unread_lasts;

struct mr_slice mr_files_name(const struct mr_files *files, uint32_t number)
{
	return number < FAKE_FILES ? files->names[number] : (struct mr_slice){"", 0};
}

enum mr_err mr_files_read(const struct mr_files *files, uint32_t number, uint64_t position,
			  char *out, size_t len, struct mr_error *error)
{
	if (number >= FAKE_FILES || files->bytes[number].at == NULL)
		return mr_error_set(error, MR_NOT_FOUND, "there is no file %u", number);
	fake_reads++;
	if (fake_unread != 0 &&
	    (fake_reads == fake_unread || (fake_unread_lasts && fake_reads > fake_unread)))
		return mr_error_set(error, MR_IO, "%.*s: cannot read: Input/output error",
				    (int)files->names[number].len, files->names[number].at);
	struct mr_slice bytes = files->bytes[number];
	if (position > bytes.len || len > bytes.len - position)
		return mr_error_set(error, MR_BAD_INPUT, "%.*s: has become shorter",
				    (int)files->names[number].len, files->names[number].at);
	memcpy(out, bytes.at + position, len);
	return MR_OK;
}

#endif
