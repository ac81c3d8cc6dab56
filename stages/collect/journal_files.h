/* journal_files.h - the segments of a journal as files of a directory: between journal.c and
 * journal_files.c. */
#ifndef MILLRACE_COLLECT_JOURNAL_FILES_H
#define MILLRACE_COLLECT_JOURNAL_FILES_H

#include "journal.h"

/* Makes the place of all journals in the state directory, durably; its path, the caller's. NULL
 * with errno. */
char *mr_journal_make(const char *state);
/* Opens the directory, made where it is not there. MR_NO_SPACE, MR_IO. */
enum mr_err mr_journal_directory(struct mr_journal *journal, const char *state,
				 struct mr_error *error);
/* Finds the segments, checks their heads and that each goes on from the one before, and removes
 * what was never finished. MR_BAD_INPUT with the file's name, MR_IO. */
enum mr_err mr_journal_list(struct mr_journal *journal, struct mr_error *error);
/* Makes the next one, durable with its name. MR_NO_SPACE, MR_IO; MR_CONFIG where the cursor is too
 * long. */
enum mr_err mr_journal_create(struct mr_journal *journal, int64_t now_us, struct mr_error *error);
/* So that readers can follow references into it, unless they can already: until then nothing is
 * written there. As mr_files_add. */
enum mr_err mr_journal_register(struct mr_journal *journal, struct mr_journal_file *file,
				struct mr_error *error);
/* A descriptor of it, or -1 with words. */
int mr_journal_open_file(const struct mr_journal *journal, const struct mr_journal_file *file,
			 int flags, struct mr_error *error);
/* Sealed segments farther than `cached_bytes` behind the end leave the page cache: their readers
 * are done but for evidence, and what is written next takes these pages again, which costs less
 * than others. */
void mr_journal_uncache(struct mr_journal *journal);
/* The oldest one goes. False, with a warning, where it cannot. */
bool mr_journal_remove_oldest(struct mr_journal *journal);

/* Puts the file's name before the words. */
enum mr_err mr_journal_name_error(const struct mr_journal *journal,
				  const struct mr_journal_file *file, struct mr_error *error);

#endif
