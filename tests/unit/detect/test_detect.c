/* test_detect.c - the stage as the pipeline runs it: rules from files, events in, signals out. */
#include "engine_harness.h"
#include "sigma_harness.h"

#include "detect.h"
#include "pipeline/stage_io.h"
#include "pipeline/tables.h"

extern const struct mr_stage_ops mr_stage_detect;

static struct {
	struct mr_config config;
	struct mr_tables *tables;
	struct mr_fields *fields;
	struct mr_counters counters;
	struct mr_tally tally;
	struct mr_stage_env env;
	struct mr_writer out;
	void *state;
	char path[64];
	char logged[8192];
	unsigned identified, completed; /* events */
	bool says_all;                  /* the records are on another host */
} world;

static void remember(void *context, enum mr_log_level level, uint64_t kind, const char *line,
		     size_t len)
{
	(void)kind;
	(void)context;
	size_t at = strlen(world.logged);
	snprintf(world.logged + at, sizeof world.logged - at, "%d %.*s\n", (int)level, (int)len,
		 line);
}

static enum mr_err prepare(const char *rules, const char *strict, struct mr_error *error)
{
	strcpy(world.path, "/tmp/millrace-detect-XXXXXX");
	int fd = mkstemp(world.path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, rules, strlen(rules)), (ssize_t)strlen(rules));
	close(fd);
	world.tables = mr_tables_new();
	world.fields = mr_fields_new();
	mr_log_set_sink(remember, NULL);
	mr_config_add(&world.config, "rules", world.path);
	if (strict != NULL)
		mr_config_add(&world.config, "strict", strict);
	struct mr_prepare wish = {
	    .config = &world.config, .fields = world.fields, .tables = world.tables};
	enum mr_err err = mr_stage_detect.prepare(&wish, error);
	unlink(world.path);
	return err;
}

static void start(const char *rules)
{
	struct mr_error error = {0};
	if (prepare(rules, NULL, &error) != MR_OK)
		fail_msg("%s", error.text);
	mr_fields_add(world.fields, MR_SLICE("a later stage's field"));
	world.env = (struct mr_stage_env){.config = &world.config,
					  .fields = world.fields,
					  .tables = world.tables,
					  .counters = &world.counters,
					  .tally = &world.tally,
					  .seed = {1, 2, 3},
					  .retells = !world.says_all};
	world.state = mr_calloc(1, mr_stage_detect.state_size);
	if (mr_stage_detect.open(world.state, &world.env, &error) != MR_OK)
		fail_msg("%s", error.text);
	for (uint8_t layer = 0; layer < 3; layer++)
		mr_writer_add_output(&world.out, MR_CONTENT_SIGNALS, layer, MR_LINK_KEYED, 1);
}

static int stop(void **state)
{
	(void)state;
	if (world.state != NULL)
		mr_stage_detect.close(world.state);
	free(world.state);
	mr_writer_fini(&world.out);
	mr_tables_free(world.tables);
	mr_fields_free(world.fields);
	mr_config_fini(&world.config);
	mr_tally_fini(&world.tally);
	mr_log_set_sink(NULL, NULL);
	memset(&world, 0, sizeof world);
	return 0;
}

static void put_texts(struct mr_buf *text, const struct mr_slice *items, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		mr_buf_printf(text, "%s%.*s", i == 0 ? "" : ",", (int)items[i].len, items[i].at);
}

/* By the consumer's own id: its place in the catalog changes with the rules around it. */
static uint8_t group_of(const struct mr_signal *signal)
{
	struct mr_slice bytes;
	struct mr_catalog catalog;
	assert_int_equal(mr_tables_map(world.tables, "catalog", &bytes, NULL), MR_OK);
	assert_int_equal(mr_catalog_decode(bytes, &catalog, NULL), MR_OK);
	uint8_t group = mr_key_group(world.env.seed, catalog.rules[signal->consumer].id,
				     signal->tenant, signal->key, signal->key_count);
	mr_catalog_fini(&catalog);
	return group;
}

static void put_signal(struct mr_buf *text, const struct mr_signal *signal)
{
	mr_buf_printf(text, "%u<%u key ", signal->consumer, signal->rule);
	put_texts(text, signal->key, signal->key_count);
	for (uint32_t i = 0; i < signal->value_count; i++) {
		mr_buf_add_text(text, " value ");
		put_texts(text, signal->values + (size_t)i * signal->value_width,
			  signal->value_width);
	}
	struct mr_packed_at at = mr_packed_begin(signal->packed.bytes);
	struct mr_signal_field field;
	while (mr_packed_next(&at, &field)) {
		struct mr_slice name = mr_fields_name(world.fields, field.field);
		mr_buf_printf(text, " %.*s=%.*s", (int)name.len, name.at, (int)field.text.len,
			      field.text.at);
	}
	mr_buf_add_text(text, "\n");
	assert_int_equal(signal->key_group, group_of(signal));
}

/* All signals written so far, layer by layer. */
static char *signals(void)
{
	struct mr_buf text = {0};
	struct mr_body body;
	struct mr_signal signal;
	for (uint8_t layer = 0; layer < 3; layer++) {
		while (mr_writer_take(&world.out, MR_CONTENT_SIGNALS, layer, &body)) {
			struct mr_reader in = {0};
			mr_reader_open_body(&in, MR_CONTENT_SIGNALS, &body);
			while (mr_reader_signal(&in, &signal)) {
				assert_int_equal(signal.layer, layer);
				put_signal(&text, &signal);
				mr_reader_advance(&in);
			}
			mr_reader_fini(&in);
			mr_body_fini(&body);
		}
	}
	mr_buf_add(&text, "", 1);
	return text.data;
}

static void count_identified(void *context, struct mr_events *events, struct mr_event *event)
{
	(void)context;
	(void)events;
	(void)event;
	world.identified++;
}

static void count_completed(void *context, struct mr_events *events, struct mr_event *event)
{
	(void)context;
	(void)events;
	(void)event;
	world.completed++;
}

/* One event with a time (unless negative) through the stage. */
static void feed(const char *json, int64_t time_us)
{
	struct bench bench;
	struct mr_error error = {0};
	struct mr_reader in = {0};
	bench_init(&bench, world.fields);
	struct mr_event *event = bench_event(&bench, json);
	event->has_time = time_us >= 0;
	event->time_us = time_us;
	bench.events.identifier = count_identified;
	bench.events.completer = count_completed;
	mr_reader_open_events(&in, &bench.events);
	assert_int_equal(mr_stage_detect.process(world.state, &in, &world.out, &error), MR_OK);
	mr_reader_fini(&in);
	bench_fini(&bench);
}

#define SIGNALS(expected)                                                                          \
	do {                                                                                       \
		char *got = signals();                                                             \
		assert_string_equal(got, expected);                                                \
		free(got);                                                                         \
	} while (0)
#define COUNTED(counter, n) assert_int_equal(world.counters.at[MR_C_##counter], n)

#define DETECTION(name, test)                                                                      \
	"title: " name "\nid: " name "\nname: " name                                               \
	"\nlogsource: {}\ndetection:\n  s:\n    " test "\n  condition: s\n"
#define CORRELATION(name, body)                                                                    \
	"---\ntitle: " name "\nid: " name "\nname: " name "\ncorrelation:\n  timespan: 1h\n" body

static void a_match_fires_by_its_record(void **state)
{
	(void)state;
	struct mr_books books = {0};
	start(DETECTION("d0", "a: x") "---\n" DETECTION("d1", "a|startswith: x"));
	world.counters.books = &books;
	feed("{\"a\":\"X\",\"api.operation\":\"Op\",\"actor.user.groups\":\"hidden\"}", 5);
	SIGNALS("0<0 key id-1 api.operation=Op\n"
		"1<1 key id-1 api.operation=Op\n");
	feed("{\"a\":\"xy\"}", -1); /* no time: the detection still fires */
	SIGNALS("1<1 key id-1\n");
	feed("{\"a\":\"y\"}", 5);
	SIGNALS("");
	COUNTED(MATCHES, 3);
	COUNTED(SIGNALS, 3);
	COUNTED(NOT_CORRELATED, 0);
	assert_int_equal(books.rows[0].at[MR_B_MATCHED], 2);
	assert_int_equal(books.rows[0].at[MR_B_SIGNALS], 3);
	mr_books_fini(&books);
}

/* A record that takes more work than a test may cost is counted, and the rule named once. */
static void what_is_given_up_is_counted_and_told(void **state)
{
	(void)state;
	struct mr_buf json = {0};
	start(DETECTION("d0", "a|fieldref|contains: b") "---\n" DETECTION("d1", "c: x"));
	mr_buf_add_text(&json, "{\"c\":\"x\"");
	for (int field = 0; field < 2; field++) {
		mr_buf_printf(&json, ",\"%c\":[null", "ab"[field]);
		for (int i = 0; i < 10000; i++)
			mr_buf_printf(&json, ",\"%c%d\"", "xy"[field], i);
		mr_buf_add_text(&json, "]");
	}
	mr_buf_add(&json, "}", 2);
	world.logged[0] = '\0';
	feed(json.data, 5);
	feed(json.data, 5);
	SIGNALS("1<1 key id-1\n1<1 key id-1\n");
	COUNTED(MATCH_LIMIT, 2);
	const char *told = strstr(world.logged, "\"d0\": a record takes a fieldref of it past");
	assert_non_null(told);
	assert_null(strstr(told + 1, "\"d0\": a record"));
	mr_buf_fini(&json);
}

static void keys_are_products_folded_and_distinct(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x")
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u, v]\n"
				    "  condition: {gte: 2}\n"));
	feed("{\"a\":\"x\",\"u\":[\"A\",\"a\",\"B\",null],\"v\":[\"Q\",7]}", 5);
	SIGNALS("1<0 key a,q\n1<0 key a,7\n1<0 key b,q\n1<0 key b,7\n");
	feed("{\"a\":\"x\",\"u\":\"A\",\"v\":\"<null>\"}", 5);
	feed("{\"a\":\"x\",\"u\":\"A\",\"v\":[\"<NULL>\",\"<Null>\"]}", 5);
	feed("{\"a\":\"x\",\"u\":\"\",\"v\":\"q\"}", 5);
	feed("{\"a\":\"x\",\"v\":\"q\"}", 5);
	SIGNALS("");
	COUNTED(NO_GROUP_KEY, 4);
	feed("{\"a\":\"x\",\"u\":\"A\",\"v\":\"q\"}", -1);
	SIGNALS("");
	COUNTED(NOT_CORRELATED, 1);
	COUNTED(MATCHES, 6);
	COUNTED(SIGNALS, 4);
}

static void values_are_tuples(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x")
		  CORRELATION("c1", "  type: value_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  condition: {gte: 2, field: [p, q]}\n"));
	feed("{\"a\":\"x\",\"u\":\"A\",\"p\":[\"One\",\"two\"],\"q\":\"Z\"}", 5);
	SIGNALS("1<0 key a value one,z value two,z\n");
	feed("{\"a\":\"x\",\"u\":\"A\",\"p\":\"one\"}", 5); /* a part is missing: no occurrence */
	SIGNALS("");
	COUNTED(MATCHES, 2);
	COUNTED(SIGNALS, 1);
}

static void too_many_keys_are_left_out(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x")
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  condition: {gte: 2}\n"));
	struct mr_buf json = {0};
	mr_buf_add_text(&json, "{\"a\":\"x\",\"u\":[0");
	for (int i = 1; i < 100; i++)
		mr_buf_printf(&json, ",%d", i);
	mr_buf_add(&json, "]}", 3);
	feed(json.data, 5);
	mr_buf_fini(&json);
	COUNTED(SIGNALS, MR_PRODUCT_MAX);
	COUNTED(KEYS_CAPPED, 1);
}

/* Nothing is left out of a product that is nothing, and no key is wanted of what is no occurrence.
 */
static void what_is_missing_is_counted_as_that(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x")
		  CORRELATION("c1", "  type: value_count\n  rules: [d0]\n  group-by: [u, v]\n"
				    "  condition: {gte: 2, field: p}\n"));
	feed("{\"a\":\"x\"}", 5);
	COUNTED(NO_GROUP_KEY, 0);
	struct mr_buf json = {0};
	mr_buf_add_text(&json, "{\"a\":\"x\",\"p\":1,\"u\":[0");
	for (int i = 1; i < 100; i++)
		mr_buf_printf(&json, ",%d", i);
	mr_buf_add(&json, "]}", 3);
	feed(json.data, 5);
	mr_buf_fini(&json);
	COUNTED(NO_GROUP_KEY, 1);
	COUNTED(KEYS_CAPPED, 0);
	COUNTED(SIGNALS, 0);
}

/* The outer correlation groups by a field that the inner one does not: the signal carries it. */
static void outer_correlations_get_their_fields(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x") "---\n" DETECTION("d1", "a: y")
		  CORRELATION("c2", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  condition: {gte: 2}\n")
		      CORRELATION("c3", "  type: temporal\n  rules: [c2, d1]\n  group-by: [w]\n"));
	feed("{\"a\":\"x\",\"u\":\"A\",\"w\":\"Far\"}", 5);
	SIGNALS("2<0 key a w=Far\n");
	feed("{\"a\":\"y\",\"u\":\"A\",\"w\":\"Far\"}", 5);
	SIGNALS("3<1 key far\n");
}

#define MAPPED_DETECTION(name, logsource)                                                          \
	"title: " name "\nid: " name "\nname: " name "\nlogsource: " logsource                     \
	"\ndetection:\n  s:\n    a: x\n  condition: s\n"
#define EXCHANGE "{product: m365, service: audit}"

/* What a rule may call a field, a correlation over it may. */
static void correlations_see_mapped_fields(void **state)
{
	(void)state;
	start(MAPPED_DETECTION("d0", EXCHANGE)
		  CORRELATION("c1", "  type: value_count\n  rules: [d0]\n"
				    "  group-by: [eventSource, who]\n"
				    "  aliases: {who: {d0: UserAgent}}\n"
				    "  condition: {gte: 2, field: [eventName, status]}\n"));
	/* The mapped field; the record's own where it has one; a field that is replaced. */
	feed("{\"a\":\"x\",\"Workload\":\"W\",\"ExtendedProperties.UserAgent\":\"U\","
	     "\"Operation\":\"Op\",\"Name\":\"N\",\"ResultStatus\":\"Ok\",\"status\":\"Success\"}",
	     5);
	feed("{\"a\":\"x\",\"eventSource\":\"E\",\"Workload\":\"W\",\"UserAgent\":\"V\","
	     "\"eventName\":\"Own\",\"ResultStatus\":\"Ok\"}",
	     5);
	SIGNALS("1<0 key w,u value op,ok status=Success\n"
		"1<0 key e,v value own,ok\n");
	/* Alerts have their name elsewhere; an own field that is null is no key, and hides the
	 * other. */
	feed("{\"a\":\"x\",\"Workload\":\"W\",\"UserAgent\":\"V\",\"Operation\":\"alertTriggered\","
	     "\"Name\":\"N\",\"ResultStatus\":\"Ok\"}",
	     5);
	feed("{\"a\":\"x\",\"eventSource\":null,\"Workload\":\"W\",\"UserAgent\":\"V\","
	     "\"eventName\":\"Own\",\"ResultStatus\":\"Ok\"}",
	     5);
	SIGNALS("1<0 key w,v value n,ok\n");
	COUNTED(NO_GROUP_KEY, 1);
}

/* Two detections whose records have it in different places; and a view that asks more of them. */
static void each_rule_has_its_own_places(void **state)
{
	(void)state;
	start(MAPPED_DETECTION("d0", EXCHANGE) "---\n" MAPPED_DETECTION(
	    "d1", "{product: azure, service: signinlogs}") "---\n" DETECTION("d2", "a: x")
		  CORRELATION("c3", "  type: temporal\n  rules: [d0, d1, d2]\n"
				    "  group-by: [UserAgent, AppId]\n"));
	feed("{\"a\":\"x\",\"RecordType\":15,\"AppId\":\"A\",\"ApplicationId\":\"B\","
	     "\"ExtendedProperties.UserAgent\":\"U\"}",
	     5);
	SIGNALS("3<0 key u,a\n3<1 key u,a\n");
	feed("{\"a\":\"x\",\"RecordType\":15,\"ApplicationId\":\"B\",\"UserAgent\":\"V\"}", 5);
	SIGNALS("3<1 key v,b\n");
	feed("{\"a\":\"x\",\"RecordType\":1,\"ApplicationId\":\"B\",\"UserAgent\":\"V\"}", 5);
	SIGNALS("");
}

/* What only tells of a field is not its value: an envelope's operation begins with the provider. */
static void a_hint_is_no_value(void **state)
{
	(void)state;
	start(MAPPED_DETECTION("d0", EXCHANGE)
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [Payload]\n"
				    "  condition: {gte: 2}\n"));
	feed("{\"a\":\"x\",\"Payload\":\"p\"}", 5);
	SIGNALS("");
	COUNTED(NO_GROUP_KEY, 1);
}

/* An outer correlation finds the mapped value under the name that it uses. */
static void mapped_fields_are_carried_outwards(void **state)
{
	(void)state;
	start(MAPPED_DETECTION("d0", EXCHANGE)
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  condition: {gte: 2}\n")
		      CORRELATION("c2", "  type: event_count\n  rules: [c1]\n"
					"  group-by: [eventName]\n  condition: {gte: 2}\n")
			  CORRELATION("c3", "  type: event_count\n  rules: [c2]\n"
					    "  group-by: [RequestType]\n  condition: {gte: 2}\n"));
	feed("{\"a\":\"x\",\"u\":\"A\",\"Operation\":\"Op\","
	     "\"ExtendedProperties.RequestType\":[\"P\",\"Q\"]}",
	     5);
	SIGNALS("1<0 key a eventname=Op requesttype=P requesttype=Q\n");
}

#define SHOWING(fields) "fields: " fields "\n"

/* A rule's own fields are shown under the names that it gives them, a few values of each. */
static void a_rules_fields_are_shown(void **state)
{
	(void)state;
	start(MAPPED_DETECTION("d0", EXCHANGE)
		  SHOWING("[eventName, b, B, api.operation, c]") "---\n" DETECTION("d1", "a: x")
		      CORRELATION("c2", "  type: event_count\n  rules: [d0]\n  group-by: [b]\n"
					"  generate: true\n  condition: {gte: 2}\n"));
	feed("{\"a\":\"x\",\"Operation\":\"Op\",\"api.operation\":\"Op\","
	     "\"b\":[\"1\",\"2\",null,\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}",
	     -1);
	SIGNALS("0<0 key id-1 eventname=Op b=1 b=2 b=3 b=4 b=5 b=6 b=7 b=8 api.operation=Op\n"
		"1<1 key id-1 api.operation=Op\n");
	feed("{\"a\":\"x\",\"b\":\"1\"}", 5);
	SIGNALS("0<0 key id-1 b=1\n2<0 key 1 b=1\n1<1 key id-1\n");
}

#define SAID                                                                                       \
	"\"a\":\"x\",\"api.operation\":\"Op\",\"status\":\"Success\",\"src_endpoint.ip\":\"1.2.3." \
	"4\""

/* What a correlation's alert shows of a record is found where it is shown. */
static void a_correlation_is_told_who_what_and_where(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x")
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  condition: {gte: 2}\n"));
	feed("{" SAID ",\"u\":\"A\"}", 5);
	SIGNALS("1<0 key a api.operation=Op src_endpoint.ip=1.2.3.4\n");
	assert_int_equal(world.identified, 1);
	assert_int_equal(world.completed, 0);
	feed("{\"a\":\"y\"}", 5);
	assert_int_equal(world.identified, 1);
}

static void a_detections_own_alert_is_told_all(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x")
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  generate: true\n  condition: {gte: 2}\n"));
	feed("{" SAID ",\"u\":\"A\"}", 5);
	SIGNALS("0<0 key id-1 api.operation=Op status=Success src_endpoint.ip=1.2.3.4\n"
		"1<0 key a api.operation=Op src_endpoint.ip=1.2.3.4\n");
	assert_int_equal(world.identified, 1);
	assert_int_equal(world.completed, 1);
}

/* Parse may hold back what no rule tests (mr_fields_asked): keys, values and what outer
 * correlations take are no tests. */
static void what_a_correlation_takes_is_waited_for(void **state)
{
	static const char *const rules[] = {
	    DETECTION("d0", "a: x")
		CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u, status]\n"
				  "  condition: {gte: 2}\n"),
	    DETECTION("d0", "a: x")
		CORRELATION("c1", "  type: value_count\n  rules: [d0]\n  group-by: [u]\n"
				  "  condition: {gte: 2, field: status}\n"),
	    DETECTION("d0", "a: x")
		CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				  "  condition: {gte: 2}\n")
		    CORRELATION("c2", "  type: event_count\n  rules: [c1]\n  group-by: [status]\n"
				      "  condition: {gte: 2}\n"),
	    MAPPED_DETECTION("d0", EXCHANGE) SHOWING("[metadata.tenant_uid]")
		CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				  "  condition: {gte: 2}\n"),
	};
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		start(rules[i]);
		feed("{" SAID ",\"u\":\"A\",\"metadata.tenant_uid\":\"t\"}", 5);
		assert_int_equal(world.completed, 1);
		stop(state);
	}
	/* What the rule wants shown is said, whoever shows it. */
	start(MAPPED_DETECTION("d0", EXCHANGE) SHOWING("[status]")
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  condition: {gte: 2}\n"));
	feed("{" SAID ",\"u\":\"A\"}", 5);
	SIGNALS("1<0 key a api.operation=Op status=Success src_endpoint.ip=1.2.3.4\n");
	assert_int_equal(world.completed, 1);
}

/* Where nobody can tell a record again, all is said. */
static void signals_say_all_where_records_are_far(void **state)
{
	(void)state;
	world.says_all = true;
	start(DETECTION("d0", "a: x")
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  condition: {gte: 2}\n"));
	feed("{" SAID ",\"u\":\"A\"}", 5);
	SIGNALS("1<0 key a api.operation=Op status=Success src_endpoint.ip=1.2.3.4\n");
	assert_int_equal(world.completed, 1);
}

/* What is carried outwards is there once, and whole. */
static void shown_fields_do_not_hide_carried_ones(void **state)
{
	(void)state;
	start(MAPPED_DETECTION("d0", EXCHANGE) SHOWING("[eventName]")
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  group-by: [u]\n"
				    "  condition: {gte: 2}\n")
		      CORRELATION("c2", "  type: event_count\n  rules: [c1]\n"
					"  group-by: [eventName]\n  condition: {gte: 2}\n"));
	feed("{\"a\":\"x\",\"u\":\"A\",\"Operation\":\"Op\"}", 5);
	SIGNALS("1<0 key a eventname=Op\n");
}

/* Layers of correlations that all name all of the layer below: paths are many, fields are few. */
static void dense_layers_open_at_once(void **state)
{
	(void)state;
	struct mr_buf text = {0};
	mr_buf_add_text(&text, DETECTION("d0", "a: x"));
	for (int layer = 0; layer < 16; layer++) {
		for (int i = 0; i < 8; i++) {
			mr_buf_printf(&text,
				      "---\ntitle: t\nid: c%d-%d\ncorrelation:\n  timespan: 1h\n"
				      "  type: temporal\n  group-by: [g%d]\n  rules: [",
				      layer, i, layer);
			for (int k = 0; k < 8; k++)
				mr_buf_printf(&text, k == 0 ? "c%d-%d" : ", c%d-%d", layer - 1, k);
			if (layer == 0) {
				text.len = (size_t)((char *)memrchr(text.data, '[', text.len) -
						    text.data) +
					   1;
				mr_buf_add_text(&text, "d0");
			}
			mr_buf_add_text(&text, "]\n");
		}
	}
	mr_buf_add(&text, "", 1);
	start(text.data);
	mr_buf_fini(&text);
	feed("{\"a\":\"x\",\"g0\":\"k\",\"g15\":\"far\"}", 5);
	COUNTED(SIGNALS, 8);
	char *got = signals();
	assert_non_null(strstr(got, "key k g15=far\n"));
	free(got);
}

static void places_survive_any_bytes(void **state)
{
	(void)state;
	struct mr_slice good;
	struct mr_error error = {0};
	struct detect_places places;
	start(MAPPED_DETECTION("d0", EXCHANGE)
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n"
				    "  group-by: [eventName, UserAgent]\n  condition: {gte: 2}\n"));
	assert_int_equal(mr_tables_map(world.tables, "detect.places", &good, &error), MR_OK);
	for (size_t len = 0; len <= good.len; len++) {
		struct mr_arena arena = {0};
		char *cut = mr_malloc(len + 1);
		memcpy(cut, good.at, len);
		enum mr_err err = detect_places_decode((struct mr_slice){cut, len}, world.fields,
						       &arena, &places, &error);
		assert_int_equal(err, len == good.len ? MR_OK : MR_BAD_INPUT);
		assert_int_equal(places.count, len == good.len ? 2 : 0);
		free(cut);
		mr_arena_fini(&arena);
	}
	for (size_t at = 0; at < good.len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct mr_arena arena = {0};
			char *bent = mr_malloc(good.len);
			memcpy(bent, good.at, good.len);
			bent[at] = (char)(bent[at] ^ 1 << bit);
			detect_places_decode((struct mr_slice){bent, good.len}, world.fields,
					     &arena, &places, &error);
			for (uint32_t i = 0; i < places.count; i++)
				assert_true(places.items[i].name < mr_fields_count(world.fields) &&
					    places.items[i].slot_count <= SIGMA_SLOTS_MAX);
			free(bent);
			mr_arena_fini(&arena);
		}
	}
}

static void without_group_by_there_is_one_group(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x")
		  CORRELATION("c1", "  type: event_count\n  rules: [d0]\n  generate: true\n"
				    "  condition: {gte: 2}\n"));
	feed("{\"a\":\"x\"}", 5);
	SIGNALS("0<0 key id-1\n1<0 key \n");
}

static void a_rule_named_twice_gives_one_signal(void **state)
{
	(void)state;
	start(DETECTION("d0", "a: x") CORRELATION("c1", "  type: event_count\n  rules: [d0, d0]\n"
							"  condition: {gte: 2}\n"));
	feed("{\"a\":\"x\"}", 5);
	SIGNALS("1<0 key \n");
}

/* Nothing is lost or judged twice where the writer fills up in the middle of a chunk. */
static void a_full_writer_stops_before_the_event(void **state)
{
	(void)state;
	enum { EVENTS = 3000 };
	start(DETECTION("d0", "a: x"));
	struct mr_events events;
	struct mr_error error = {0};
	struct mr_reader in = {0};
	struct mr_body body;
	static char long_name[800];
	memset(long_name, 'n', sizeof long_name);
	mr_events_init(&events, world.fields, EVENTS);
	for (int i = 0; i < EVENTS; i++) {
		struct mr_event *event = mr_events_push(&events);
		event->id = event->tenant = MR_SLICE("t");
		event->json = MR_SLICE("{}");
		mr_event_add_text(&events, event, mr_fields_find(world.fields, MR_SLICE("a")),
				  MR_SLICE("x"));
		mr_event_add_text(&events, event, MR_F_OPERATION,
				  (struct mr_slice){long_name, sizeof long_name});
	}
	mr_reader_open_events(&in, &events);
	int calls = 0;
	uint32_t got = 0;
	enum mr_err err;
	do {
		err = mr_stage_detect.process(world.state, &in, &world.out, &error);
		calls++;
		while (mr_writer_take(&world.out, MR_CONTENT_SIGNALS, 0, &body)) {
			got += body.count;
			mr_body_fini(&body);
		}
	} while (err == MR_FULL);
	assert_int_equal(err, MR_OK);
	assert_true(calls > 3);
	assert_int_equal(got, EVENTS);
	COUNTED(MATCHES, EVENTS);
	COUNTED(SIGNALS, EVENTS);
	mr_reader_fini(&in);
	mr_events_fini(&events);
}

static void refused_rules_are_named_and_strict_is_strict(void **state)
{
	(void)state;
	struct mr_error error = {0};
	start(DETECTION("d0", "a: x") "---\n" DETECTION("d1", "a|nonsense: x"));
	assert_non_null(strstr(world.logged, "refused: "));
	assert_non_null(strstr(world.logged, world.path));
	feed("{\"a\":\"x\"}", 5);
	SIGNALS("0<0 key id-1\n");
	stop(NULL);
	assert_int_equal(prepare(DETECTION("d0", "a: x") "---\n" DETECTION("d1", "a|nonsense: x"),
				 "true", &error),
			 MR_CONFIG);
}

/* What was said at that level. */
static unsigned lines_with(enum mr_log_level level, const char *text)
{
	unsigned count = 0;
	for (const char *line = world.logged; *line != '\0'; line = strchr(line, '\n') + 1) {
		const char *at = strstr(line, text);
		count += *line == '0' + (char)level && at != NULL && at < strchr(line, '\n');
	}
	return count;
}

/* A collection for other logs: who asks for it sees each. */
static void warnings_of_one_finding_are_few(void **state)
{
	(void)state;
	struct mr_error error = {0};
	struct mr_buf rules = {0};
	mr_buf_add_text(&rules, DETECTION("d0", "a: x"));
	for (int i = 0; i < 5; i++)
		mr_buf_printf(&rules,
			      "---\ntitle: w\nid: w%d\nlogsource: {product: windows}\n"
			      "detection: {s: {a: x}, condition: s}\n",
			      i);
	mr_buf_add(&rules, "", 1);
	mr_log_set_level(MR_LOG_DEBUG);
	assert_int_equal(prepare(rules.data, NULL, &error), MR_OK);
	mr_log_set_level(MR_LOG_INFO);
	assert_int_equal(lines_with(MR_LOG_WARNING, "the rule sees nothing"), 3);
	assert_int_equal(lines_with(MR_LOG_DEBUG, "the rule sees nothing"), 2);
	assert_int_equal(lines_with(MR_LOG_WARNING, "and 2 more [unfed-logsource]: "), 1);
	mr_buf_fini(&rules);
}

/* Of every row of normalised.def: a rule that asks for the field hears of the setting. */
static void what_only_a_setting_fills_is_told(void **state)
{
	for (mr_field field = 1; field < MR_F_NORMALISED_END; field++) {
		struct mr_error error = {0};
		struct mr_fields *fields = mr_fields_new();
		const char *setting = mr_field_setting(field);
		struct mr_slice name = mr_fields_name(fields, field);
		char *rule = mr_asprintf(DETECTION("d0", "%.*s: x"), (int)name.len, name.at);
		assert_int_equal(prepare(rule, NULL, &error), MR_OK);
		char *told = mr_asprintf("no \"%s\" is given", setting == NULL ? "" : setting);
		assert_int_equal(strstr(world.logged, told) != NULL, setting != NULL);
		assert_int_equal(strstr(world.logged, "is given") != NULL, setting != NULL);
		free(told);
		free(rule);
		mr_fields_free(fields);
		stop(state);
	}
}

/* The tables come from another process: a damaged one is an error of open, which holds nothing. */
static void a_missing_or_broken_table_fails_open(void **state)
{
	(void)state;
	struct mr_error error = {0};
	start(DETECTION("d0", "a: x"));
	void *other = mr_calloc(1, mr_stage_detect.state_size);
	struct mr_tables *tables = mr_tables_new();
	struct mr_stage_env env = world.env;
	env.tables = tables;
	assert_int_equal(mr_stage_detect.open(other, &env, &error), MR_NOT_FOUND);
	assert_int_equal(mr_tables_add_bytes(tables, "detect.image", MR_SLICE("junk"), &error),
			 MR_OK);
	assert_int_not_equal(mr_stage_detect.open(other, &env, &error), MR_OK);
	struct mr_slice catalog;
	assert_int_equal(mr_tables_add_bytes(tables, "detect.places", MR_SLICE("\x90"), &error),
			 MR_OK);
	assert_int_equal(mr_stage_detect.open(other, &env, &error), MR_NOT_FOUND);
	assert_int_equal(mr_tables_add_bytes(tables, "detect.logsources", MR_SLICE("\x90"), &error),
			 MR_OK);
	assert_int_equal(mr_tables_map(world.tables, "catalog", &catalog, &error), MR_OK);
	assert_int_equal(mr_tables_add_bytes(tables, "catalog", catalog, &error), MR_OK);
	assert_int_equal(mr_stage_detect.open(other, &env, &error), MR_BAD_INPUT);
	mr_tables_free(tables);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_match_fires_by_its_record, stop),
	    cmocka_unit_test_teardown(what_is_given_up_is_counted_and_told, stop),
	    cmocka_unit_test_teardown(warnings_of_one_finding_are_few, stop),
	    cmocka_unit_test_teardown(keys_are_products_folded_and_distinct, stop),
	    cmocka_unit_test_teardown(values_are_tuples, stop),
	    cmocka_unit_test_teardown(too_many_keys_are_left_out, stop),
	    cmocka_unit_test_teardown(what_is_missing_is_counted_as_that, stop),
	    cmocka_unit_test_teardown(outer_correlations_get_their_fields, stop),
	    cmocka_unit_test_teardown(correlations_see_mapped_fields, stop),
	    cmocka_unit_test_teardown(each_rule_has_its_own_places, stop),
	    cmocka_unit_test_teardown(a_hint_is_no_value, stop),
	    cmocka_unit_test_teardown(mapped_fields_are_carried_outwards, stop),
	    cmocka_unit_test_teardown(a_rules_fields_are_shown, stop),
	    cmocka_unit_test_teardown(a_correlation_is_told_who_what_and_where, stop),
	    cmocka_unit_test_teardown(a_detections_own_alert_is_told_all, stop),
	    cmocka_unit_test_teardown(what_a_correlation_takes_is_waited_for, stop),
	    cmocka_unit_test_teardown(signals_say_all_where_records_are_far, stop),
	    cmocka_unit_test_teardown(shown_fields_do_not_hide_carried_ones, stop),
	    cmocka_unit_test_teardown(dense_layers_open_at_once, stop),
	    cmocka_unit_test_teardown(places_survive_any_bytes, stop),
	    cmocka_unit_test_teardown(without_group_by_there_is_one_group, stop),
	    cmocka_unit_test_teardown(a_rule_named_twice_gives_one_signal, stop),
	    cmocka_unit_test_teardown(a_full_writer_stops_before_the_event, stop),
	    cmocka_unit_test_teardown(refused_rules_are_named_and_strict_is_strict, stop),
	    cmocka_unit_test_teardown(what_only_a_setting_fills_is_told, stop),
	    cmocka_unit_test_teardown(a_missing_or_broken_table_fails_open, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
