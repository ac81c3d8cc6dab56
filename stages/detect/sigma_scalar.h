/* sigma_scalar.h - the type of a plain YAML scalar. */
#ifndef MILLRACE_DETECT_SIGMA_SCALAR_H
#define MILLRACE_DETECT_SIGMA_SCALAR_H

#include "sigma_yaml.h"

/* Sets type, truth, integer and number from `text` of a scalar without quotes. */
void sigma_scalar_type(struct mr_arena *arena, struct sigma_yaml *node);

#endif
