/* What an alert says is a function of the set of occurrences: byte for byte the same under other
 * seeds, in another order, with repeats, 1 to 4 workers, and through a snapshot half-way. The
 * streams are full of ties: few times, many values and records at each; and of records and values
 * that come again at other times. */
#include "harness.h"

#define KEYS 2
#define MOST 400
#define VALUES_MOST 20
#define SPAN 1000
#define STREAMS 25 /* of each kind */
#define RUNS 6     /* of each stream */

/* ---- a stream ---- */

struct bench {
	struct mr_fields *fields;
	mr_field group, value;
	struct mr_catalog catalog;
	struct mr_arena arena;
	uint32_t distinct; /* records, and values */
	uint32_t tick;     /* between two times */
	const char *value_form;
	struct mr_signal signals[MOST + MOST / 4];
	size_t count;
};

static struct mr_slice text(struct bench *bench, const char *form, uint32_t number)
{
	char bytes[32];
	int len = snprintf(bytes, sizeof(bytes), form, number);
	return (struct mr_slice){mr_arena_copy(&bench->arena, bytes, (size_t)len), (size_t)len};
}

/* A record comes again at other times, and there with other values. */
static void signal_make(struct bench *bench, uint32_t rule, bool has_values, uint32_t number,
			uint64_t *random)
{
	struct mr_slice *values = mr_arena_alloc(&bench->arena, VALUES_MOST * sizeof(*values));
	struct mr_signal_field *field = mr_arena_alloc(&bench->arena, sizeof(*field));
	struct mr_signal *signal = &bench->signals[bench->count++];
	*signal = (struct mr_signal){
	    .consumer = rule,
	    .rule = random_below(random, 3),
	    .kind = MR_KIND_UAL,
	    .has_time = true,
	    .time_us = (int64_t)random_below(random, 3 * SPAN / bench->tick) * bench->tick,
	    .tenant = MR_SLICE("tenant"),
	    .record_id = text(bench, "record-%u", random_below(random, bench->distinct)),
	    .origin = {.position = number, .length = 1},
	    .key_count = 1,
	    .key = {text(bench, "key%u", random_below(random, KEYS))},
	    .field_count = 1,
	    .fields = field};
	*field = (struct mr_signal_field){bench->group, MR_STRING, signal->key[0]};
	uint32_t count = 1 + random_below(random, random_below(random, 4) == 0 ? VALUES_MOST : 2);
	for (uint32_t i = 0; i < count && has_values; i++)
		values[i] = text(bench, bench->value_form, random_below(random, bench->distinct));
	signal->values = values;
	signal->value_count = has_values ? count : 0;
	signal->value_width = has_values;
}

static void bench_make(struct bench *bench, enum mr_correlation_type type, uint64_t *random)
{
	static const uint32_t list[3] = {0, 1, 2};
	bool has_values = mr_correlation_has_field(type);
	bool adds_up = mr_correlation_counts(type) == MR_COUNTS_NUMBERS;
	bool has_threshold = type != MR_CORRELATION_TEMPORAL_ORDERED;
	uint32_t most = type == MR_CORRELATION_TEMPORAL ? 3 : 12;
	*bench = (struct bench){.fields = mr_fields_new(),
				.distinct = 8 + random_below(random, 120),
				.value_form = adds_up ? "%u" : "value-%u"};
	bench->tick = random_below(random, 2) == 0 ? SPAN / 4 : SPAN / 100;
	bench->group = mr_fields_add(bench->fields, MR_SLICE("group"));
	bench->value = mr_fields_add(bench->fields, MR_SLICE("value"));
	for (uint32_t i = 0; i < 3; i++)
		catalog_add(&bench->catalog, MR_RULE_DETECTION);
	uint32_t inner = catalog_correlation(&bench->catalog, type, list, 3, SPAN,
					     has_threshold ? 1 + random_below(random, most) : 0,
					     bench->group, has_values ? bench->value : 0);
	catalog_correlation(&bench->catalog, MR_CORRELATION_EVENT_COUNT, &inner, 1, 4 * SPAN, 2, 0,
			    0);
	uint32_t count = 1 + random_below(random, MOST);
	for (uint32_t i = 0; i < count; i++)
		signal_make(bench, inner, has_values, i, random);
	for (uint32_t i = 0; i < count; i++)
		if (random_below(random, 4) == 0 && bench->count < MOST + MOST / 4)
			bench->signals[bench->count++] = bench->signals[i];
}

static void bench_fini(struct bench *bench)
{
	mr_arena_fini(&bench->arena);
	mr_catalog_fini(&bench->catalog);
	mr_fields_free(bench->fields);
}

/* ---- what is said ---- */

struct said {
	struct mr_buf alerts[MOST];
	uint32_t count;
};

static void hear(void *context, const struct mr_alert *alert)
{
	struct said *said = context;
	assert_true(said->count < MOST);
	mr_alert_encode(alert, &said->alerts[said->count++]);
}

static int by_bytes(const void *a, const void *b)
{
	const struct mr_buf *x = a, *y = b;
	return mr_slice_cmp((struct mr_slice){x->data, x->len}, (struct mr_slice){y->data, y->len});
}

static void said_fini(struct said *said)
{
	for (uint32_t i = 0; i < said->count; i++)
		mr_buf_fini(&said->alerts[i]);
}

static void run(struct bench *bench, struct said *said, uint64_t *random)
{
	struct house half, house;
	size_t count = bench->count, cut = random_below(random, (uint32_t)count);
	signals_shuffle(bench->signals, count, random);
	*said = (struct said){.count = 0};
	house_seed++;
	house_open(&half, &bench->catalog, bench->fields, 1 + random_below(random, HOUSE_WORKERS),
		   true);
	house_open(&house, &bench->catalog, bench->fields, 1 + random_below(random, HOUSE_WORKERS),
		   true);
	house.batch = 1 + random_below(random, 50);
	house.watch = hear;
	house.context = said;
	house_feed_over(&half, &house, bench->signals, count, cut);
	qsort(said->alerts, said->count, sizeof(said->alerts[0]), by_bytes);
}

static void assert_alike(const struct said *said, const struct said *other, uint64_t stream)
{
	assert_int_equal(said->count, other->count);
	for (uint32_t i = 0; i < said->count; i++)
		if (by_bytes(&said->alerts[i], &other->alerts[i]) != 0)
			fail_msg("stream %llu: alert %u says other things in another run",
				 (unsigned long long)stream, i);
}

static void kind(void **state)
{
	enum mr_correlation_type type = (enum mr_correlation_type)(uintptr_t)*state;
	struct bench *bench = mr_malloc(sizeof(*bench));
	struct said first, other;
	uint32_t alerts = 0;
	for (uint64_t stream = 1; stream <= STREAMS; stream++) {
		uint64_t random = stream * 1000 + (uint64_t)type;
		bench_make(bench, type, &random);
		run(bench, &first, &random);
		for (uint32_t i = 1; i < RUNS; i++) {
			run(bench, &other, &random);
			assert_alike(&first, &other, stream);
			said_fini(&other);
		}
		alerts += first.count;
		said_fini(&first);
		bench_fini(bench);
	}
	free(bench);
	assert_true(alerts > STREAMS);
	print_message("%u streams: %u alerts\n", STREAMS, alerts);
}

int main(void)
{
	return run_each_kind(kind);
}
