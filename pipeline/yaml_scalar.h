/* yaml_scalar.h - the type of a plain YAML scalar. */
#ifndef MILLRACE_YAML_SCALAR_H
#define MILLRACE_YAML_SCALAR_H

#include "millrace/yaml.h"

/* Sets type, truth, integer and number from `text` of a scalar without quotes. */
void mr_yaml_scalar_type(struct mr_arena *arena, struct mr_yaml *node);

#endif
