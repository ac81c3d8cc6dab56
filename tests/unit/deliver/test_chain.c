/* An alert of correlations that are over each other many deep, each by several ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_files.h"
#include "ocsf.h"

#define DEEP 60

/* Two detections, of which the second is no part of it; then two correlations a layer, each over
 * both of the one before. */
static void catalog_make(struct mr_catalog *catalog, struct mr_rule *rules,
			 uint32_t named[DEEP + 1][2])
{
	*catalog = (struct mr_catalog){.rules = rules, .count = 2 + 2 * DEEP, .layers = DEEP};
	for (uint32_t i = 0; i < 2; i++)
		rules[i] = (struct mr_rule){.id = i == 0 ? MR_SLICE("in") : MR_SLICE("out"),
					    .title = MR_SLICE("D")};
	for (uint32_t i = 0; i < 2 * DEEP; i++) {
		uint32_t layer = i / 2;
		named[layer][0] = layer == 0 ? 0 : 2 * layer;
		named[layer][1] = layer == 0 ? 0 : 2 * layer + 1;
		rules[2 + i] = (struct mr_rule){.kind = MR_RULE_CORRELATION,
						.id = MR_SLICE("c"),
						.title = MR_SLICE("C"),
						.rules = named[layer],
						.rule_count = 2,
						.timespan_us = 10,
						.layer = (uint8_t)layer};
	}
}

static void each_way_is_gone_once(void **state)
{
	static struct mr_rule rules[2 + 2 * DEEP];
	static uint32_t named[DEEP + 1][2];
	static const uint32_t matched[] = {0, 1};
	struct mr_catalog catalog;
	struct mr_declared declared = {0};
	struct mr_files files = {0};
	struct record_reader records;
	struct mr_fields *fields = mr_fields_new();
	struct ocsf ocsf;
	struct mr_buf line = {0};
	(void)state;
	catalog_make(&catalog, rules, named);
	record_reader_init(&records, &files, 1 << 20);
	ocsf_init(&ocsf, &catalog, fields, &records, &declared);
	struct mr_alert alert = {.activity = MR_ACTIVITY_CREATE,
				 .rule = 2 * DEEP + 1,
				 .tenant = MR_SLICE("t"),
				 .has_time = true,
				 .event_count = 1,
				 .evidence_count = 1};
	alert.evidence[0] = (struct mr_evidence){.rule = 2 * DEEP - 1,
						 .has_time = true,
						 .time_us = -1,
						 .record_id = MR_SLICE("r"),
						 .inner_id = MR_SLICE("0123456789abcdef"),
						 .matched_count = 2,
						 .matched = matched};
	ocsf_put_alert(&ocsf, &alert, &line);
	mr_buf_add(&line, "", 1);
	assert_non_null(strstr(line.data, "\"rule_alert\":{\"uid\":\"303132333435363738396162636465"
					  "66\",\"slot\":-1},"
					  "\"detections\":[{\"uid\":\"in\",\"title\":\"D\"}]"));
	mr_buf_fini(&line);
	ocsf_fini(&ocsf);
	record_reader_fini(&records);
	mr_fields_free(fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_way_is_gone_once)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
