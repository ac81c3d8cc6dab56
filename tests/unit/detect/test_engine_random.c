/* test_engine_random.c - the engine, in each way that it searches, against the naive reading of the
 * same trees, over random rules and random events. The seed is printed; MILLRACE_SEED sets it. */
#include "engine_harness.h"
#include "engine_naive.h"
#include "rule_explain.h"

#define SETS 150
#define RULES 40
#define EVENTS 150

static uint64_t random_state;

static uint32_t below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % limit);
}

#define PICK(array) (array)[below(sizeof(array) / sizeof((array)[0]))]

/* Few names and texts, so that rules and events meet. */
static const char *const names[] = {"alpha", "beta", "gamma", "delta", "epsilon"};
static const char *const pieces[] = {"",  "a",        "B",    "ab",      "Set-", "mailbox",
				     "x", "\xc3\xa4", "5",    "true",    "1.5",  "\xc3\x84",
				     "-", "\n",       "1.50", "\xce\xa3"};
static const char *const regexes[] = {"a",
				      "^set-",
				      "^[ab]+x?$",
				      "[^a]x",
				      "\\d",
				      "(a)\\1",
				      "a(?=b)",
				      "x*",
				      "^.$",
				      "(?:a|b)B",
				      "\\bx",
				      "\\s-",
				      "set-mail",
				      "(?i)MAIL(box)?x?",
				      "Set-(?:x|ab)|true",
				      "mailbox{0}",
				      "(?:Set-|1\\.5)+x",
				      "(?!set-)[a-z]+-mailbox$"};
static const char *const addresses[] = {"10.1.2.3", "10.2.0.0", "192.168.1.1", "2001:db8::1",
					"::ffff:10.1.0.1"};
static const char *const times[] = {"2021-05-18T21:13:33Z", "2020-12-31T23:59:59Z",
				    "1969-12-31T05:00:00Z", "2021-01-03T21:13:33Z"};
static const char *const numbers[] = {"5", "-3", "1.5", "0", "250", "1.25", "100"};

static struct mr_slice random_text(struct mr_arena *arena, bool fold)
{
	struct mr_buf text = {0};
	for (uint32_t i = below(4); i-- > 0;)
		mr_buf_add_text(&text, PICK(pieces));
	struct mr_slice copy = {mr_arena_copy(arena, text.data, text.len), text.len};
	mr_buf_fini(&text);
	return fold ? mr_fold_arena(arena, copy) : copy;
}

static void random_parts(struct mr_arena *arena, struct sigma_predicate *leaf)
{
	leaf->parts = mr_arena_alloc(arena, 6 * sizeof(*leaf->parts));
	enum sigma_part_kind last = SIGMA_ONE;
	uint32_t wanted = below(3) == 0 ? 1 + below(5) : 1 + 2 * below(2);
	for (uint32_t i = 0; i < wanted; i++) {
		enum sigma_part_kind kind = (enum sigma_part_kind)below(3);
		if (wanted == 3)
			kind = i == 1 ? SIGMA_LITERAL : SIGMA_ANY;
		struct mr_slice text = random_text(arena, !leaf->cased);
		if ((kind == last && kind != SIGMA_ONE) || (kind == SIGMA_LITERAL && text.len == 0))
			continue;
		leaf->parts[leaf->part_count++] = (struct sigma_part){kind, text};
		last = kind;
	}
	/* Leaving a literal out may have put two SIGMA_ANY side by side. */
	uint32_t kept = 0;
	for (uint32_t i = 0; i < leaf->part_count; i++)
		if (kept == 0 || leaf->parts[i].kind != SIGMA_ANY ||
		    leaf->parts[kept - 1].kind != SIGMA_ANY)
			leaf->parts[kept++] = leaf->parts[i];
	leaf->part_count = kept;
}

static void random_network(struct sigma_predicate *leaf)
{
	memset(leaf->network, 0, sizeof leaf->network);
	if (below(4) == 0) {
		inet_pton(AF_INET6, "2001:db8::", leaf->network);
		leaf->prefix = 32;
		return;
	}
	leaf->network[10] = leaf->network[11] = 0xff;
	inet_pton(AF_INET, "10.0.0.0", leaf->network + 12);
	leaf->prefix = (uint8_t)(96 + 7 + below(2));
	if (leaf->prefix == 103)
		leaf->network[12] = 10 & 0xfe;
}

static struct sigma_predicate *random_leaf(struct mr_arena *arena, const struct mr_fields *fields)
{
	struct sigma_predicate *leaf = mr_arena_alloc(arena, sizeof(*leaf));
	memset(leaf, 0, sizeof(*leaf));
	leaf->field = mr_fields_find(fields, mr_slice(PICK(names)));
	leaf->test = below(2) == 0 ? SIGMA_TEXT : (enum sigma_test)below(SIGMA_TIMEPART + 1);
	leaf->cased = below(4) == 0;
	leaf->truth = below(2) == 0;
	leaf->op = (enum mr_compare)below(MR_EQ);
	leaf->other = mr_fields_find(fields, mr_slice(PICK(names)));
	leaf->ref = (enum sigma_fieldref)below(SIGMA_REF_ENDSWITH + 1);
	leaf->part = (enum sigma_timepart)below(SIGMA_YEAR + 1);
	leaf->part_value = (const int64_t[]){13, 21, 18, 53, 12, 2021}[leaf->part];
	leaf->regex_flags = below(8);
	if (below(12) == 0) { /* a keyword */
		leaf->field = 0;
		leaf->test = below(4) == 0 ? SIGMA_REGEX : SIGMA_TEXT;
	}
	if (leaf->test == SIGMA_TEXT)
		random_parts(arena, leaf);
	else if (leaf->test == SIGMA_REGEX)
		leaf->text = mr_slice(PICK(regexes));
	else if (leaf->test == SIGMA_NUMBER || leaf->test == SIGMA_COMPARE)
		leaf->text = mr_slice(PICK(numbers));
	else if (leaf->test == SIGMA_CIDR)
		random_network(leaf);
	return leaf;
}

static struct sigma_node *random_tree(struct mr_arena *arena, const struct mr_fields *fields,
				      uint32_t depth)
{
	struct sigma_node *node = mr_arena_alloc(arena, sizeof(*node));
	*node = (struct sigma_node){.kind = (enum sigma_node_kind)below(4)};
	if (depth == 0)
		node->kind = SIGMA_LEAF;
	if (node->kind == SIGMA_LEAF) {
		node->leaf = random_leaf(arena, fields);
		return node;
	}
	node->child_count = node->kind == SIGMA_NOT ? 1 : 1 + below(4);
	node->children = mr_arena_alloc(arena, node->child_count * sizeof(*node->children));
	for (uint32_t i = 0; i < node->child_count; i++)
		node->children[i] = random_tree(arena, fields, depth - 1);
	return node;
}

static void random_set(struct sigma_set *set, const struct mr_fields *fields)
{
	*set = (struct sigma_set){.rule_count = RULES, .declared_count = below(3) * 20};
	set->rules = mr_arena_alloc(&set->arena, RULES * sizeof(*set->rules));
	/* Not in order, with gaps, as a catalog that holds inactive rules, and now and then two
	 * for one index, as where records of two kinds are read in two ways. */
	for (uint32_t i = 0; i < RULES; i++)
		set->rules[i] = (struct sigma_rule){
		    .index = 2 * ((i * 7) % (RULES - 3)),
		    .kinds = below(3) == 0 ? 1u << MR_KIND_UAL : below(8),
		    .declared = {1u << below(20), below(256)},
		    .condition = random_tree(&set->arena, fields, below(4)),
		};
}

static void put_value(struct mr_buf *json, struct mr_arena *arena, bool nested)
{
	switch (below(nested ? 9 : 10)) {
	case 0:
		mr_buf_add_text(json, "null");
		break;
	case 1:
		mr_buf_add_text(json, below(2) ? "true" : "false");
		break;
	case 2:
		mr_buf_add_text(json, below(4) ? PICK(numbers) : "1.50");
		break;
	case 3:
		mr_json_put_string(json, mr_slice(PICK(addresses)));
		break;
	case 4:
		mr_json_put_string(json, mr_slice(PICK(times)));
		break;
	case 5:
		mr_json_put_string(json, mr_slice(below(4) ? PICK(numbers) : "1.50"));
		break;
	case 9:
		mr_buf_add_text(json, "[");
		for (uint32_t i = below(8) ? below(4) : below(20); i > 0; i--) {
			put_value(json, arena, true);
			mr_buf_add_text(json, i > 1 ? "," : "");
		}
		mr_buf_add_text(json, "]");
		break;
	default:
		mr_json_put_string(json, random_text(arena, false));
	}
}

static char *random_event(void)
{
	struct mr_buf json = {0};
	struct mr_arena arena = {0};
	const char *comma = "{";
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (below(4) == 0)
			continue;
		mr_buf_printf(&json, "%s\"%s\":", comma, names[i]);
		put_value(&json, &arena, false);
		comma = ",";
	}
	mr_buf_add_text(&json, comma[0] == '{' ? "{}" : "}");
	mr_buf_add(&json, "", 1);
	mr_arena_fini(&arena);
	return json.data;
}

/* By its kind, or by what its source says; what the rules do not know is nothing. */
static bool is_seen(const struct sigma_set *set, const struct sigma_rule *rule,
		    const struct mr_event *event)
{
	uint32_t bit = event->logsource - 1u;
	if (event->logsource == 0 || event->logsource > set->declared_count)
		return (rule->kinds >> event->kind & 1) != 0;
	return (rule->declared[bit / 32] >> bit % 32 & 1) != 0;
}

static uint64_t judge_one(struct engine *engine, const struct sigma_set *set, struct naive *naive,
			  const char *json)
{
	const struct mr_event *event = naive->event;
	const uint32_t *matched;
	uint64_t hits = 0;
	size_t count = engine_match(engine, naive->events, event, &matched);
	for (size_t i = 1; i < count; i++)
		assert_true(matched[i - 1] < matched[i]);
	for (uint32_t index = 0; index < 2 * RULES; index++) {
		bool wanted = false, got = false;
		for (uint32_t r = 0; r < set->rule_count; r++)
			wanted |= set->rules[r].index == index &&
				  is_seen(set, &set->rules[r], event) &&
				  naive_holds(naive, set->rules[r].condition);
		for (size_t i = 0; i < count; i++)
			got |= matched[i] == index;
		if (got != wanted)
			fail_msg("rule %u of %s: the engine says %d", index, json, got);
		hits += got;
	}
	return hits;
}

/* What a person is told of one rule: the tree, the words, and that both can be put. */
static void explain_one(const struct sigma_set *set, struct mr_fields *fields, struct naive *naive,
			uint32_t index)
{
	struct mr_rule named[2 * RULES] = {{0}};
	struct sigma_set called = *set;
	struct mr_arena arena = {0};
	struct mr_buf out = {0};
	struct explained explained;
	struct mr_error error = {0};
	bool wanted = false;
	called.catalog = (struct mr_catalog){.rules = named, .count = 2 * RULES};
	for (uint32_t r = 0; r < set->rule_count; r++)
		wanted |= set->rules[r].index == index &&
			  is_seen(set, &set->rules[r], naive->event) &&
			  naive_holds(naive, set->rules[r].condition);
	if (rule_explain(&called, index, naive->events, naive->event, fields, &arena, &explained,
			 &error) != MR_OK)
		fail_msg("%s", error.text);
	assert_int_equal(explained_holds(&explained), wanted);
	rule_tree_text(&explained, true, &out);
	rule_tree_json(&explained, &out);
	mr_buf_fini(&out);
	mr_arena_fini(&arena);
}

/* The same rules, looked for in every way that this machine's libhs allows. */
static uint64_t judge_set(const struct sigma_set *set, struct mr_fields *fields,
			  struct bench *bench, struct naive *naive)
{
	struct engine *engines[2];
	struct mr_buf images[2] = {{0}};
	uint64_t hits = 0;
	size_t ways = 0;
	engines[ways] = engine_by(ENGINE_ONE_BY_ONE, set, fields, &images[ways]);
	ways++;
	if (engine_search() == ENGINE_AT_ONCE) {
		engines[ways] = engine_by(ENGINE_AT_ONCE, set, fields, &images[ways]);
		ways++;
	}
	for (int e = 0; e < EVENTS; e++) {
		char *json = random_event();
		struct mr_event *event = bench_event(bench, json);
		event->kind = (enum mr_record_kind)below(3);
		event->logsource = (uint16_t)(below(2) * below(45));
		naive->events = &bench->events;
		naive->event = event;
		for (size_t way = 0; way < ways; way++)
			hits += judge_one(engines[way], set, naive, json);
		if (e < 2)
			explain_one(set, fields, naive, below(2 * RULES));
		free(json);
	}
	for (size_t way = 0; way < ways; way++) {
		engine_close(engines[way]);
		mr_buf_fini(&images[way]);
	}
	return hits;
}

static void the_engine_says_what_the_trees_say(void **state)
{
	(void)state;
	const char *text = getenv("MILLRACE_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
	print_message("MILLRACE_SEED=%llu\n", (unsigned long long)seed);
	random_state = seed;
	struct mr_fields *fields = mr_fields_new();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		mr_fields_add(fields, mr_slice(names[i]));
	struct bench bench;
	struct naive naive = {.reader = mr_json_reader_new(1u << 16)};
	uint64_t hits = 0;
	bench_init(&bench, fields);
	for (int s = 0; s < SETS; s++) {
		struct sigma_set set;
		random_set(&set, fields);
		hits += judge_set(&set, fields, &bench, &naive);
		mr_arena_fini(&set.arena);
	}
	print_message("%llu matches\n", (unsigned long long)hits);
	assert_true(hits > SETS * EVENTS); /* more than one an event: the test bites */
	mr_json_reader_free(naive.reader);
	bench_fini(&bench);
	mr_fields_free(fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_engine_says_what_the_trees_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
