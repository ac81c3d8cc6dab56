/* sigma_test.h - the tests other than plain text, one function a kind.
 *
 * Called by sigma_value.c. Each gives a leaf (with the mapping of the view applied), or NULL with
 * the scope's fault set. */
#ifndef MILLRACE_DETECT_SIGMA_TEST_H
#define MILLRACE_DETECT_SIGMA_TEST_H

#include "sigma_build.h"

/* A leaf on the chain's field. */
struct sigma_node *sigma_test_leaf(struct sigma_scope *scope, const struct sigma_chain *chain,
				   struct sigma_predicate *predicate);
/* The modifier that a message should name. */
const char *sigma_test_name(const struct sigma_chain *chain);

struct sigma_node *sigma_test_regex(struct sigma_scope *scope, const struct sigma_chain *chain,
				    const struct mr_yaml *value, struct mr_slice pattern);
struct sigma_node *sigma_test_cidr(struct sigma_scope *scope, const struct sigma_chain *chain,
				   const struct mr_yaml *value, struct mr_slice network);
/* re or cidr with placeholders filled in. */
struct sigma_node *sigma_test_filled(struct sigma_scope *scope, const struct sigma_chain *chain,
				     const struct mr_yaml *value,
				     const struct sigma_filled *filled);
struct sigma_node *sigma_test_compare(struct sigma_scope *scope, const struct sigma_chain *chain,
				      const struct mr_yaml *value);
struct sigma_node *sigma_test_time(struct sigma_scope *scope, const struct sigma_chain *chain,
				   const struct mr_yaml *value);
struct sigma_node *sigma_test_exists(struct sigma_scope *scope, const struct sigma_chain *chain,
				     const struct mr_yaml *value);
struct sigma_node *sigma_test_fieldref(struct sigma_scope *scope, const struct sigma_chain *chain,
				       const struct mr_yaml *value);

#endif
