/* sigma_sarif.h - what `rules check` found, as SARIF 2.1.0 (OASIS), which GitHub's code scanning
 * and editors read. */
#ifndef MILLRACE_DETECT_SIGMA_SARIF_H
#define MILLRACE_DETECT_SIGMA_SARIF_H

#include "sigma.h"

void sigma_sarif_put(const struct sigma_set *set, struct mr_buf *out);

#endif
