/* fuzz_catalog.c - the rule catalog: what decodes can be walked and encoded again. */
#include <stdlib.h>

#include "millrace/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_catalog catalog, again;
	struct mr_buf out = {0};
	if (mr_catalog_decode((struct mr_slice){(const char *)data, size}, &catalog, NULL) != MR_OK)
		return 0;
	for (uint32_t i = 0; i < catalog.count; i++) {
		const struct mr_rule *rule = &catalog.rules[i];
		for (uint32_t r = 0; r < rule->rule_count; r++)
			if (catalog.rules[rule->rules[r]].layer > rule->layer)
				abort();
	}
	for (uint32_t i = 0; i < catalog.filter_count; i++) {
		const struct mr_rule *filter = &catalog.filters[i];
		for (uint32_t r = 0; r < filter->rule_count; r++)
			if (catalog.rules[filter->rules[r]].kind == MR_RULE_FILTER)
				abort();
	}
	mr_catalog_encode(&catalog, &out);
	if (mr_catalog_decode((struct mr_slice){out.data, out.len}, &again, NULL) != MR_OK ||
	    again.count != catalog.count || again.filter_count != catalog.filter_count)
		abort();
	mr_catalog_fini(&again);
	mr_catalog_fini(&catalog);
	mr_buf_fini(&out);
	return 0;
}
