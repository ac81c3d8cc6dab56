/* test_sigma_many.c - many rules, and few bytes that would become many: time and memory are those
 * of what was read. */
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "detect/sigma_harness.h"

/* A folder of `count` files, each with a rule, and each tenth with a correlation over it and a
 * filter for it. */
static void make_files(const char *folder, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char *path = mr_asprintf("%s/%05u.yml", folder, i);
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		fprintf(file,
			"title: t\nid: i%u\nname: n%u\nlogsource: {product: m365, service: audit}\n"
			"detection: {s: {Operation: o%u}, condition: s}\nlevel: low\n",
			i, i, i);
		if (i % 10 == 0)
			fprintf(file,
				"---\ntitle: t\nid: c%u\nlevel: low\ncorrelation: {type: "
				"event_count, rules: "
				"[n%u], timespan: 1h, condition: {gte: 2}}\n---\ntitle: t\nid: "
				"f%u\nlogsource: {product: m365, service: audit}\nfilter: {rules: "
				"[n%u], s: {a: b}, condition: not s}\n",
				i, i, i, i);
		assert_int_equal(fclose(file), 0);
		free(path);
	}
}

static void remove_files(const char *folder, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char *path = mr_asprintf("%s/%05u.yml", folder, i);
		unlink(path);
		free(path);
	}
	rmdir(folder);
}

/* CPU seconds to load a folder of so many files. */
static double seconds_for(unsigned count)
{
	char folder[] = "/tmp/millrace-many-XXXXXX";
	assert_non_null(mkdtemp(folder));
	make_files(folder, count);
	const char *paths[] = {folder};
	struct rules rules = {.fields = mr_fields_new()};
	clock_t start = clock();
	assert_int_equal(sigma_load(paths, 1, NULL, rules.fields, &rules.set, &rules.error), MR_OK);
	double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
	assert_int_equal(rules.set.refused.count, 0);
	assert_int_equal(rules_warnings(&rules), 0);
	assert_int_equal(rules.set.catalog.detections, count);
	assert_int_equal(rules.set.catalog.correlations, count / 10);
	assert_int_equal(rules.set.catalog.filter_count, count / 10);
	rules_fini(&rules);
	remove_files(folder, count);
	return seconds;
}

/* Sixteen times the files cost about sixteen times the time; the square would be 256. */
static void time_is_linear(void **state)
{
	(void)state;
	double few = seconds_for(1000);
	double many = seconds_for(16000);
	print_message("1,000 files: %.3f s, 16,000 files: %.3f s\n", few, many);
	assert_true(many < 64 * (few < 0.01 ? 0.01 : few));
}

/* Loads one text; gives what was refused first, or nothing. */
static struct mr_slice refusal(struct rules *rules, struct mr_buf *text)
{
	mr_buf_add(text, "", 1);
	const char *only = text->data;
	rules_load(rules, &only, 1, NULL);
	if (rules->err != MR_OK)
		fail_msg("%s", rules->error.text);
	return rules->set.refused.count == 0 ? MR_SLICE("") : rules->set.refused.items[0].reason;
}

/* A global document of 8,000 values, given to 2,000 rules: 16 million values from 200 KB. */
static void global_documents(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	struct rules rules;
	mr_buf_add_text(&text, "action: global\ntitle: t\nlogsource: {}\ndetection:\n s:\n  F:\n");
	for (int i = 0; i < 8000; i++)
		mr_buf_printf(&text, "  - v%d\n", i);
	mr_buf_add_text(&text, " condition: s\n");
	for (int i = 0; i < 2000; i++)
		mr_buf_printf(&text, "---\nid: i%d\n", i);
	struct mr_slice reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "more than a hundredfold", 23));
	assert_true(rules.set.catalog.count > 0 && rules.set.catalog.count < 100);
	assert_int_equal(rules.set.catalog.count + rules.set.refused.count, 2000);
	assert_int_equal(rules.set.refused.items[0].line, 8008 + 2 * rules.set.catalog.count + 1);
	assert_true(rules.set.arena.used_bytes < (size_t)1 << 30);
	rules_fini(&rules);
	text.len = 0;
	/* What people write: common metadata, some hundred rules. */
	mr_buf_add_text(&text, "action: global\ntitle: t\nlogsource: {}\ntags: [a, b, c]\n");
	for (int i = 0; i < 1000; i++)
		mr_buf_printf(&text, "---\nid: i%d\ndetection: {s: {F: v%d}, condition: s}\n", i,
			      i);
	assert_int_equal(refusal(&rules, &text).len, 0);
	assert_int_equal(rules.set.catalog.count, 1000);
	rules_fini(&rules);
	mr_buf_fini(&text);
}

/* Documents that aliases blow up, each just below the limit of one. */
static void aliases(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	struct rules rules;
	for (int i = 0; i < 400; i++) {
		mr_buf_printf(&text, "---\na0: &a0 [%d, x, x, x, x, x, x, x, x, x]\n", i);
		for (int k = 1; k < 5; k++)
			mr_buf_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", k,
				      k, k - 1, k - 1, k - 1, k - 1, k - 1, k - 1);
	}
	struct mr_slice reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "neither", 7));
	assert_int_equal(rules.set.refused.count, 400);
	const struct sigma_note *last = &rules.set.refused.items[399];
	assert_non_null(memmem(last->reason.at, last->reason.len, "more than a hundredfold", 23));
	rules_fini(&rules);
	mr_buf_fini(&text);
}

/* Nesting costs memory in the YAML library already. */
static void nesting(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	struct rules rules;
	for (int i = 0; i < 8000000; i++)
		mr_buf_add_text(&text, "? ");
	struct mr_slice reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "nested too deeply", 17));
	assert_int_equal(rules.set.refused.count, 1);
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	assert_true(usage.ru_maxrss < 1000000); /* KiB */
	rules_fini(&rules);
	mr_buf_fini(&text);
}

/* 10,000 values of four dashes each have 625 forms. */
static void forms(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	struct rules rules;
	mr_buf_add_text(&text, HEAD " s:\n");
	for (int key = 0; key < 20; key++) {
		mr_buf_printf(&text, "  F%d|windash:\n", key);
		for (int i = 0; i < 2000; i++)
			mr_buf_printf(&text, "  - '%d -a -b -c -d'\n", i);
	}
	mr_buf_add_text(&text, " condition: s\n");
	struct mr_slice reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "larger than 100000 tests", 24));
	assert_true(rules.set.arena.used_bytes < (size_t)200 << 20);
	rules_fini(&rules);
	mr_buf_fini(&text);
}

/* The same, spread over many rules; and a filter of many values for many rules. */
static void all_together(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	struct rules rules;
	for (int rule = 0; rule < 300; rule++) {
		mr_buf_printf(
		    &text, "---\ntitle: t\nid: i%d\nlogsource: {}\ndetection:\n s:\n  F|windash:\n",
		    rule);
		for (int i = 0; i < 20; i++)
			mr_buf_printf(&text, "  - '%d -a -b -c -d'\n", i);
		mr_buf_add_text(&text, " condition: s\n");
	}
	struct mr_slice reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "2000000 tests together", 22));
	assert_int_equal(rules.set.catalog.count, 2000000 / (20 * 625));
	rules_fini(&rules);
	text.len = 0;
	mr_buf_add_text(&text, "title: t\nlogsource: {}\nfilter:\n rules: any\n s:\n  F:\n");
	for (int i = 0; i < 9000; i++)
		mr_buf_printf(&text, "  - v%d\n", i);
	mr_buf_add_text(&text, " condition: not s\n");
	for (int i = 0; i < 2000; i++)
		mr_buf_printf(&text,
			      "---\ntitle: t\nid: i%d\nlogsource: {}\ndetection: {s: {F: v%d}, "
			      "condition: s}\n",
			      i, i);
	reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "2000000 tests together", 22));
	assert_true(rules.set.catalog.count > 200 && rules.set.catalog.count < 250);
	rules_fini(&rules);
	mr_buf_fini(&text);
}

/* Identifiers that conditions name again and again, in one rule and in many. */
static void conditions(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	struct rules rules;
	for (int rule = 0; rule < 200; rule++) {
		mr_buf_printf(&text, "---\ntitle: t\nid: i%d\nlogsource: {}\ndetection:\n", rule);
		for (int i = 0; i < 100; i++)
			mr_buf_printf(&text, " s%d: {F: v}\n", i);
		mr_buf_add_text(&text, " condition: 1 of *");
		for (int i = 1; i < 900; i++)
			mr_buf_add_text(&text, " or 1 of *");
		mr_buf_add_text(&text, "\n");
	}
	struct mr_slice reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "2000000 tests together", 22));
	assert_int_equal(rules.set.catalog.count, 2000000 / (100 * 900));
	assert_true(rules.set.arena.used_bytes < (size_t)200 << 20);
	rules_fini(&rules);
	text.len = 0;
	mr_buf_add_text(&text, HEAD);
	for (int i = 0; i < 300; i++)
		mr_buf_printf(&text, " s%d: {F: v}\n", i);
	mr_buf_add_text(&text, " condition: 2 of *");
	for (int i = 1; i < 1000; i++)
		mr_buf_add_text(&text, " or 2 of *");
	mr_buf_add_text(&text, "\n");
	reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "larger than 100000 tests", 24));
	assert_true(rules.set.arena.used_bytes < (size_t)20 << 20);
	rules_fini(&rules);
	mr_buf_fini(&text);
}

/* 60 patterns over 900 identifiers that begin alike, each of a thousand bytes. */
static void patterns_of_identifiers(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	struct rules rules;
	char alike[997];
	memset(alike, 'a', sizeof alike - 1);
	alike[sizeof alike - 1] = '\0';
	mr_buf_add_text(&text, "title: t\nid: x\nlogsource:\n product: m365\ndetection:\n");
	for (int i = 0; i < 900; i++)
		mr_buf_printf(&text, " %s%04d:\n  F: v\n", alike, i);
	mr_buf_add_text(&text, " condition: 1 of *");
	for (int i = 0; i < 60; i++)
		mr_buf_printf(&text, " or 1 of *%s%04d*", alike + 500, i);
	mr_buf_add_text(&text, "\n");
	clock_t start = clock();
	assert_int_equal(refusal(&rules, &text).len, 0);
	assert_true(clock() - start < 3 * CLOCKS_PER_SEC);
	rules_fini(&rules);
	text.len = 0;
	mr_buf_printf(&text, HEAD " %saaaaa: {F: v}\n condition: 1 of *\n", alike);
	struct mr_slice reason = refusal(&rules, &text);
	assert_non_null(memmem(reason.at, reason.len, "more than 1000 bytes", 20));
	rules_fini(&rules);
	mr_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_is_linear), cmocka_unit_test(global_documents),
	    cmocka_unit_test(aliases),        cmocka_unit_test(nesting),
	    cmocka_unit_test(forms),          cmocka_unit_test(all_together),
	    cmocka_unit_test(conditions),     cmocka_unit_test(patterns_of_identifiers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
