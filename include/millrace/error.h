/* error.h - error codes and the caller's error text.
 *
 * Three kinds of failure are kept apart. Our own bug: assert(), in release builds too. The
 * environment (disk, memory, peers, configuration): an enum mr_err, with the words in a struct
 * mr_error that the caller owns. Bad input: counted and set aside with a reason, never an error of
 * the stage that met it. Memory that cannot be had aborts the process: the incarnation ends and
 * the work starts again from its last consistent point. */
#ifndef MILLRACE_ERROR_H
#define MILLRACE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

enum mr_err {
#define X(name, class, text) MR_##name,
#include "millrace/error.def"
#undef X
};

enum mr_err_class { MR_CLASS_FINE, MR_CLASS_RETRIABLE, MR_CLASS_FATAL, MR_CLASS_USAGE };

/* `text` is one whole sentence fragment without a final stop: where, what is wrong, what would be
 * right. Zeroed is "no error". */
struct mr_error {
	enum mr_err code;
	char text[1024];
};

enum mr_err_class mr_err_class(enum mr_err code);
const char *mr_err_text(enum mr_err code);

/* Set code and text, and return the code, so that `return mr_error_set(...)` reads well.
 * `error` may be NULL. */
enum mr_err mr_error_set(struct mr_error *error, enum mr_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As mr_error_set, with ": " and the text of errno at its end. */
enum mr_err mr_error_errno(struct mr_error *error, enum mr_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* MR_NO_SPACE where this errno says that a disk, a quota or the largest file is full, else MR_IO.
 */
enum mr_err mr_error_of_write(int number);

/* Put "format: " before the text that `error` already holds. Returns its code. */
enum mr_err mr_error_prefix(struct mr_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
