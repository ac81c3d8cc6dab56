/* files.h - the pipeline's side of the run's files (millrace/file.h).
 *
 * One table a worker. Registering asks the supervisor for a number; receiving one puts it here. */
#ifndef MILLRACE_FILES_H
#define MILLRACE_FILES_H

#include "millrace/file.h"

/* Have a file registered by whoever counts them, and wait until all readers have it. */
typedef enum mr_err (*mr_files_register)(void *context, int fd, struct mr_slice name,
					 uint32_t *number_out, struct mr_error *error);

struct mr_files *mr_files_new(mr_files_register ask, void *context);
/* The run's table of names, mapped as long as `files` live. */
void mr_files_set_names(struct mr_files *files, struct mr_slice table);
/* Takes the descriptor (-1: it can't be read here). A number comes once; MR_PROTOCOL otherwise, and
 * the descriptor is closed. */
enum mr_err mr_files_put(struct mr_files *files, uint32_t number, int fd, struct mr_slice name,
			 struct mr_error *error);
/* Whom mr_files_drop tells. */
void mr_files_on_drop(struct mr_files *files, void (*tell)(void *context, uint32_t number));
/* Likewise of mr_files_expect; nobody by default. */
void mr_files_on_expect(struct mr_files *files,
			void (*expect)(void *context, struct mr_slice name));
/* Closes and forgets it; the number may come again. */
void mr_files_forget(struct mr_files *files, uint32_t number);
void mr_files_free(struct mr_files *files);

/* From here on what is added can be read here, too. */
void mr_files_keep(struct mr_files *files);

#endif
