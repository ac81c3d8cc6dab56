/* sandbox_parts.h - what the files of the sandbox share. */
#ifndef MILLRACE_SANDBOX_PARTS_H
#define MILLRACE_SANDBOX_PARTS_H

#include "sandbox.h"

/* The last fence, at the lock: what needs no file opens none, nobody signals others or binds. */
enum mr_err mr_sandbox_close(unsigned needs, struct mr_error *error);

/* ---- sandbox_sanitizer.c: what builds with a sanitizer need besides ---- */

/* Whether a deadly call is one of those. */
bool mr_sandbox_sanitizer_needs(int call);
/* What it has to open at its end. */
void mr_sandbox_sanitizer_paths(struct mr_needs *needs);
/* `filter` is libseccomp's. */
void mr_sandbox_sanitizer_rules(void *filter);

#endif
