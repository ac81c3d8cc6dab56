/* error.c - error codes, their classes and texts. Called everywhere; never fails. */
#include "millrace/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum mr_err_class mr_err_class(enum mr_err code)
{
	static const enum mr_err_class classes[] = {
#define X(name, class, text) MR_CLASS_##class,
#include "millrace/error.def"
#undef X
	};
	return classes[code];
}

const char *mr_err_text(enum mr_err code)
{
	static const char *const texts[] = {
#define X(name, class, text) text,
#include "millrace/error.def"
#undef X
	};
	return texts[code];
}

enum mr_err mr_error_set(struct mr_error *error, enum mr_err code, const char *format, ...)
{
	if (error == NULL)
		return code;
	va_list args;
	va_start(args, format);
	error->code = code;
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	return code;
}

/* What strerror says of a limit leaves open whose it is. */
static const char *reason_of(int number)
{
	struct rlimit file = {.rlim_cur = RLIM_INFINITY};
	struct rlimit memory = file;
	getrlimit(RLIMIT_FSIZE, &file);
	getrlimit(RLIMIT_AS, &memory);
	if (number == EFBIG && file.rlim_cur != RLIM_INFINITY)
		return "the file size limit (ulimit -f) is reached";
	if (number == ENOMEM && memory.rlim_cur != RLIM_INFINITY)
		return "the memory limit (ulimit -v) is reached";
	return strerror(number);
}

enum mr_err mr_error_errno(struct mr_error *error, enum mr_err code, const char *format, ...)
{
	int saved = errno;
	if (error == NULL)
		return code;
	va_list args;
	va_start(args, format);
	error->code = code;
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	size_t len = strlen(error->text);
	snprintf(error->text + len, sizeof error->text - len, ": %s", reason_of(saved));
	errno = saved;
	return code;
}

enum mr_err mr_error_of_write(int number)
{
	bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
	return full ? MR_NO_SPACE : MR_IO;
}

enum mr_err mr_error_prefix(struct mr_error *error, const char *format, ...)
{
	char old[sizeof error->text];
	memcpy(old, error->text, sizeof old);
	va_list args;
	va_start(args, format);
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	size_t len = strlen(error->text);
	snprintf(error->text + len, sizeof error->text - len, ": %s", old);
	return error->code;
}
