/* rule_test.c - from YAML to tests.
 *
 * Called by cmd_rules_test.c. A test with a fault is kept, with it; a document with a fault is
 * noted. Only a path that cannot be read is an error. */
#include "rule_test.h"

#include <stdio.h>

#include "millrace/batch.h"
#include "millrace/logsource.h"
#include "millrace/setting.h"
#include "sigma_file.h"

struct reader {
	struct rule_suites *suites;
	struct mr_arena *arena;
	struct mr_fault *fault;
};

#define AT(node) (node)->line, (node)->column
#define refuse(reader, line, ...) mr_fault_set((reader)->arena, (reader)->fault, line, __VA_ARGS__)

bool rule_document_is_tests(const struct mr_yaml *root)
{
	return mr_yaml_get(root, "tests") != NULL && mr_yaml_get(root, "detection") == NULL &&
	       mr_yaml_get(root, "correlation") == NULL && mr_yaml_get(root, "filter") == NULL;
}

/* ---- small parts ---- */

static bool check_keys(struct reader *reader, const struct mr_yaml *map, const char *const *known,
		       size_t count)
{
	for (uint32_t i = 0; i < map->count; i++) {
		struct mr_slice key = map->keys[i]->text;
		size_t k = 0;
		while (k < count && !mr_slice_eq(key, mr_slice(known[k])))
			k++;
		if (k < count)
			continue;
		const char *meant = mr_text_nearest(key, known, count);
		return refuse(reader, AT(map->keys[i]), "\"%.*s\" is no part of a test%s%s%s",
			      SIGMA_SHOW(key), meant == NULL ? "" : "; is \"",
			      meant == NULL ? "" : meant, meant == NULL ? "" : "\" meant?");
	}
	return true;
}

/* 0 where it is not there. */
static bool read_duration(struct reader *reader, const struct mr_yaml *node, int64_t *out)
{
	static const struct mr_setting_row row = {
	    .name = "time", .kind = MR_SETTING_DURATION, .most = RULE_TIME_MAX_DAYS * MR_DAY_US};
	char text[32];
	*out = 0;
	if (node == NULL)
		return true;
	if (node->kind == MR_YAML_SCALAR && node->text.len < sizeof text) {
		snprintf(text, sizeof text, "%.*s", (int)node->text.len, node->text.at);
		if (mr_setting_read(&row, text, out, NULL) == MR_OK)
			return true;
	}
	return refuse(reader, AT(node), "a time such as 0s, 500ms, 10s, 5m, 1h or 2d stands here");
}

static bool read_count(struct reader *reader, const struct mr_yaml *node, int64_t least,
		       int64_t most, uint32_t *out)
{
	int64_t number = least - 1;
	bool good = node->kind == MR_YAML_SCALAR && node->type == MR_YAML_NUMBER &&
		    mr_parse_int64(node->number, &number) && number >= least && number <= most;
	*out = (uint32_t)number;
	return good || refuse(reader, AT(node), "a whole number from %lld to %lld stands here",
			      (long long)least, (long long)most);
}

/* ---- records ---- */

/* A text is the record's own bytes. */
static bool read_json(struct reader *reader, const struct mr_yaml *node, struct mr_slice *out)
{
	struct mr_buf json = {0};
	bool good = true;
	if (node->kind == MR_YAML_MAP)
		good = rule_record_put(reader->arena, node, &json, reader->fault);
	else if (mr_yaml_is_string(node))
		mr_buf_add(&json, node->text.at, node->text.len);
	else
		good = refuse(reader, AT(node),
			      "%s where a record should stand: a map, or its JSON as a text",
			      mr_yaml_what(node));
	if (good && json.len > MR_ITEM_RECORD_MAX)
		good = refuse(reader, AT(node), "the record has %zu bytes; %zu are possible",
			      json.len, (size_t)MR_ITEM_RECORD_MAX);
	const struct mr_slice bytes =
	    mr_trim((struct mr_slice){json.len == 0 ? "" : json.data, json.len});
	*out = (struct mr_slice){mr_arena_copy(reader->arena, bytes.at, bytes.len), bytes.len};
	mr_buf_fini(&json);
	return good;
}

/* What databases know of a record: fields of the stages' own that a setting fills. */
static bool read_given(struct reader *reader, const struct mr_yaml *given,
		       const struct mr_yaml **out)
{
	*out = given;
	if (given == NULL)
		return true;
	if (given->kind != MR_YAML_MAP)
		return refuse(reader, AT(given), "%s where {field: value} should stand",
			      mr_yaml_what(given));
	struct mr_fields *fields = mr_fields_new();
	bool good = true;
	for (uint32_t i = 0; i < given->count && good; i++) {
		const struct mr_yaml *value = given->items[i];
		mr_field field = mr_fields_find(fields, given->keys[i]->text);
		bool flat = value->kind != MR_YAML_MAP;
		for (uint32_t v = 0; v < value->count && value->kind == MR_YAML_LIST; v++)
			flat &= value->items[v]->kind == MR_YAML_SCALAR;
		if (field == 0 || mr_field_setting(field) == NULL)
			good = refuse(reader, AT(given->keys[i]),
				      "\"%.*s\" is no field that --geoip, --identity or "
				      "--networks fills",
				      SIGMA_SHOW(given->keys[i]->text));
		else if (!flat)
			good = refuse(reader, AT(value), "a value or a list of values stands here");
	}
	mr_fields_free(fields);
	return good;
}

/* Signs that JSON has in texts alone, so that a number may stand in their place. */
static bool read_number(struct reader *reader, const struct mr_yaml *node, struct rule_record *out)
{
	static const char signs[] = "#$%&@^~";
	if (node == NULL)
		return true;
	out->number = node->text;
	bool good = mr_yaml_is_string(node) && node->text.len > 0;
	for (size_t i = 0; i < node->text.len && good; i++)
		good = memchr(signs, node->text.at[i], sizeof signs - 1) != NULL;
	if (!good)
		return refuse(reader, AT(node),
			      "the sign stands here that the record has in place of the number of "
			      "its repetition, such as '#': of %s",
			      signs);
	return memmem(out->json.at, out->json.len, out->number.at, out->number.len) != NULL ||
	       refuse(reader, AT(node), "the record has no \"%.*s\"", SIGMA_SHOW(out->number));
}

static bool read_record(struct reader *reader, const struct mr_yaml *node, struct rule_record *out)
{
	static const char *const keys[] = {"at", "record", "repeat", "every", "number", "given"};
	*out = (struct rule_record){.repeat = 1};
	if (node->kind != MR_YAML_MAP)
		return refuse(reader, AT(node), "%s where {at: …, record: {…}} should stand",
			      mr_yaml_what(node));
	const struct mr_yaml *record = mr_yaml_get(node, "record");
	const struct mr_yaml *repeat = mr_yaml_get(node, "repeat");
	if (!check_keys(reader, node, keys, sizeof keys / sizeof *keys))
		return false;
	if (record == NULL)
		return refuse(reader, AT(node), "\"record\" is missing");
	out->has_at = mr_yaml_get(node, "at") != NULL;
	return read_duration(reader, mr_yaml_get(node, "at"), &out->at_us) &&
	       read_duration(reader, mr_yaml_get(node, "every"), &out->every_us) &&
	       (repeat == NULL || read_count(reader, repeat, 1, RULE_RECORDS_MAX, &out->repeat)) &&
	       read_given(reader, mr_yaml_get(node, "given"), &out->given) &&
	       read_json(reader, record, &out->json) &&
	       read_number(reader, mr_yaml_get(node, "number"), out);
}

static bool read_list(struct reader *reader, const struct mr_yaml *list, struct rule_test *test)
{
	uint64_t sum = 0;
	if (list->kind != MR_YAML_LIST || list->count == 0)
		return refuse(reader, AT(list), "%s where a list of records should stand",
			      list->kind == MR_YAML_LIST ? "nothing" : mr_yaml_what(list));
	test->records = mr_arena_alloc(reader->arena, list->count * sizeof *test->records);
	for (uint32_t i = 0; i < list->count; i++) {
		struct rule_record *record = &test->records[test->record_count++];
		if (!read_record(reader, list->items[i], record))
			return false;
		sum += record->repeat;
		if (sum > RULE_RECORDS_MAX)
			return refuse(reader, AT(list->items[i]),
				      "more than %d records in one test", RULE_RECORDS_MAX);
	}
	return true;
}

static bool read_records(struct reader *reader, const struct mr_yaml *node, struct rule_test *test)
{
	const struct mr_yaml *one = mr_yaml_get(node, "record");
	const struct mr_yaml *list = mr_yaml_get(node, "records");
	if ((one == NULL) == (list == NULL))
		return refuse(reader, AT(node),
			      "either \"record\" or \"records\" stands in a test");
	if (list != NULL)
		return read_list(reader, list, test);
	test->records = mr_arena_alloc(reader->arena, sizeof *test->records);
	test->records[0] = (struct rule_record){.repeat = 1};
	test->record_count = 1;
	return read_json(reader, one, &test->records[0].json);
}

/* ---- what is expected ---- */

static bool check_by(struct reader *reader, const struct mr_yaml *map)
{
	if (map->kind != MR_YAML_MAP)
		return refuse(reader, AT(map), "%s where {field: value} should stand",
			      mr_yaml_what(map));
	for (uint32_t i = 0; i < map->count; i++) {
		if (map->items[i]->kind != MR_YAML_SCALAR)
			return refuse(reader, AT(map->items[i]), "%s where a value should stand",
				      mr_yaml_what(map->items[i]));
	}
	return true;
}

static bool read_by(struct reader *reader, const struct mr_yaml *by, struct rule_test *test)
{
	test->by = by;
	if (by == NULL || by->kind != MR_YAML_LIST)
		return by == NULL || check_by(reader, by);
	if (by->count != test->alerts)
		return refuse(reader, AT(by), "a list for \"by\" has one member for each alert");
	for (uint32_t i = 0; i < by->count; i++) {
		if (!check_by(reader, by->items[i]))
			return false;
	}
	return true;
}

static bool read_wish(struct reader *reader, const struct mr_yaml *node, struct rule_test *test)
{
	const struct mr_yaml *matches = mr_yaml_get(node, "matches");
	const struct mr_yaml *alerts = mr_yaml_get(node, "alerts");
	const struct mr_yaml *by = mr_yaml_get(node, "by");
	if ((matches == NULL) == (alerts == NULL))
		return refuse(reader, AT(node),
			      "either \"matches\" or \"alerts\" says what a test expects");
	if (by != NULL && alerts == NULL)
		return refuse(reader, AT(by), "\"by\" is of alerts; \"alerts\" is missing");
	test->counts = alerts != NULL;
	if (alerts != NULL)
		return read_count(reader, alerts, 0, RULE_RECORDS_MAX, &test->alerts) &&
		       read_by(reader, by, test);
	if (matches->kind != MR_YAML_SCALAR || matches->type != MR_YAML_BOOL)
		return refuse(reader, AT(matches), "true or false stands here");
	test->matches = matches->truth;
	return true;
}

/* ---- documents ---- */

static bool read_name(struct reader *reader, const struct mr_yaml *node, struct rule_test *test)
{
	const struct mr_yaml *name = mr_yaml_get(node, "name");
	if (name == NULL || name->kind != MR_YAML_SCALAR || name->text.len == 0)
		return refuse(reader, AT(name == NULL ? node : name),
			      "a test has a \"name\", a sentence that says what it shows");
	test->name = name->text;
	return true;
}

static void read_test(struct rule_suites *suites, const struct mr_yaml *node,
		      struct rule_test *test)
{
	static const char *const keys[] = {"name",    "record", "records", "given",
					   "matches", "alerts", "by"};
	struct reader reader = {suites, &suites->arena, &test->fault};
	*test =
	    (struct rule_test){.name = MR_SLICE("?"), .line = node->line, .column = node->column};
	if (node->kind != MR_YAML_MAP)
		refuse(&reader, AT(node), "%s where a test, a map, should stand",
		       mr_yaml_what(node));
	else if (read_name(&reader, node, test) &&
		 check_keys(&reader, node, keys, sizeof keys / sizeof *keys) &&
		 read_records(&reader, node, test) &&
		 read_given(&reader, mr_yaml_get(node, "given"), &test->given))
		read_wish(&reader, node, test);
}

/* As the setting of a source says it. */
static bool read_logsource(struct reader *reader, const struct mr_yaml *map, struct mr_slice *out)
{
	static const char *const parts[] = {"product", "category", "service"};
	struct mr_logsource unused;
	struct mr_error error = {0};
	struct mr_buf text = {0};
	*out = (struct mr_slice){"", 0};
	if (map == NULL)
		return true;
	if (map->kind != MR_YAML_MAP)
		return refuse(reader, AT(map), "%s where a logsource should stand",
			      mr_yaml_what(map));
	if (!check_keys(reader, map, parts, sizeof parts / sizeof *parts))
		return false;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		const struct mr_yaml *part = mr_yaml_get(map, parts[i]);
		if (part != NULL && part->kind == MR_YAML_SCALAR && part->type != MR_YAML_NULL)
			mr_buf_printf(&text, "%s%s=%.*s", text.len == 0 ? "" : ",", parts[i],
				      (int)part->text.len, part->text.at);
	}
	*out = (struct mr_slice){
	    mr_arena_copy(reader->arena, text.len == 0 ? "" : text.data, text.len), text.len};
	mr_buf_fini(&text);
	return mr_logsource_read(out->at, &unused, &error) == MR_OK ||
	       refuse(reader, AT(map), "%s", error.text);
}

static bool read_suite(struct reader *reader, const struct mr_yaml *root, struct rule_suite *suite)
{
	static const char *const keys[] = {"rule", "logsource", "tests"};
	const struct mr_yaml *rule = mr_yaml_get(root, "rule");
	const struct mr_yaml *tests = mr_yaml_get(root, "tests");
	if (rule == NULL || rule->kind != MR_YAML_SCALAR || rule->text.len == 0)
		return refuse(reader, AT(rule == NULL ? root : rule),
			      "\"rule\" says whose tests these are, by its id or name");
	if (tests->kind != MR_YAML_LIST || tests->count == 0)
		return refuse(reader, AT(tests), "%s where a list of tests should stand",
			      tests->kind == MR_YAML_LIST ? "nothing" : mr_yaml_what(tests));
	if (!read_logsource(reader, mr_yaml_get(root, "logsource"), &suite->logsource))
		return false;
	suite->rule = rule->text;
	suite->test_count = tests->count;
	suite->tests = mr_arena_alloc(reader->arena, tests->count * sizeof *suite->tests);
	for (uint32_t i = 0; i < tests->count; i++)
		read_test(reader->suites, tests->items[i], &suite->tests[i]);
	return check_keys(reader, root, keys, sizeof keys / sizeof *keys);
}

static void add_suite(struct rule_suites *suites, const struct rule_suite *suite)
{
	if (suites->count == suites->capacity) {
		suites->capacity = (uint32_t)mr_grow(suites->capacity, suites->count + 1u);
		struct rule_suite *items =
		    mr_arena_alloc(&suites->arena, suites->capacity * sizeof *items);
		if (suites->count > 0)
			memcpy(items, suites->items, suites->count * sizeof *items);
		suites->items = items;
	}
	suites->items[suites->count++] = *suite;
}

/* A rule may not hold its tests itself: they would be left out in silence. */
static bool check_place(struct reader *reader, const struct mr_yaml *root)
{
	const struct mr_yaml *tests = mr_yaml_key(root, "tests");
	return tests == NULL ||
	       refuse(reader, AT(tests),
		      "tests are a document of their own, behind `---`, with `rule:` and the "
		      "rule's id");
}

void rule_suites_parse(struct rule_suites *suites, struct mr_slice file, struct mr_slice bytes)
{
	struct mr_yaml_documents documents = {0};
	mr_yaml_parse(&suites->arena, bytes, &documents);
	for (uint32_t i = 0; i < documents.count; i++) {
		const struct mr_yaml *root = documents.items[i].root;
		struct mr_fault fault = {0};
		struct reader reader = {suites, &suites->arena, &fault};
		suites->unread += root == NULL;
		if (root == NULL || root->kind != MR_YAML_MAP)
			continue;
		struct rule_suite suite = {
		    .file = file, .line = root->line, .column = root->column};
		if (!rule_document_is_tests(root))
			check_place(&reader, root);
		else if (read_suite(&reader, root, &suite))
			add_suite(suites, &suite);
		if (mr_fault_is(&fault))
			sigma_note_put(&suites->arena, &suites->faults,
				       (struct sigma_note){file, suite.rule, fault.reason,
							   fault.line, fault.column,
							   SIGMA_LINT_REFUSED, false});
	}
}

enum mr_err rule_suites_read(const char *const *paths, size_t count, struct rule_suites *out,
			     struct mr_error *error)
{
	struct sigma_files files = {0};
	enum mr_err err = MR_OK;
	*out = (struct rule_suites){0};
	for (size_t i = 0; i < count && err == MR_OK; i++)
		err = sigma_files_find(&files, paths[i], error);
	for (size_t i = 0; i < files.count && err == MR_OK; i++) {
		struct mr_buf bytes = {0};
		size_t len = strlen(files.items[i]);
		struct mr_slice file = {mr_arena_copy(&out->arena, files.items[i], len), len};
		err = sigma_file_read(files.items[i], MR_YAML_FILE_MAX, &bytes, error);
		if (err == MR_OK && bytes.len <= MR_YAML_FILE_MAX) /* longer: the loader refuses */
			rule_suites_parse(out, file, (struct mr_slice){bytes.data, bytes.len});
		mr_buf_fini(&bytes);
	}
	sigma_files_fini(&files);
	return err;
}

void rule_suites_fini(struct rule_suites *suites)
{
	mr_arena_fini(&suites->arena);
	*suites = (struct rule_suites){0};
}
