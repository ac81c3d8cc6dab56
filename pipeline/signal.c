/* signal.c - signals to and from bytes, and which key group one belongs to.
 *
 * Encoded by detect and correlate through the writer, decoded by correlate through the reader; the
 * fields alone also stand in correlate's state and in alerts. Decoding fails with MR_BAD_INPUT on
 * anything that encode does not make, and checks every count, length and enumeration. Field ids and
 * catalog indices are only known to fit their types: whoever looks them up checks the bound. */
#include "millrace/signal.h"

#include <assert.h>

#include "codec.h"
#include "millrace/number.h"
#include "millrace/batch.h"

#define SIGNAL_ITEMS 19

uint8_t mr_key_group(const uint8_t seed[16], struct mr_slice rule_id, struct mr_slice tenant,
		     const struct mr_slice *key, size_t key_count)
{
	/* Each part is hashed with the state so far as its seed. XXH3 takes a part's length into
	 * its hash, so parts cannot run into each other. */
	uint64_t state = mr_hash64(seed, 16, 0);
	state = mr_hash64(rule_id.at, rule_id.len, state);
	state = mr_hash64(tenant.at, tenant.len, state);
	for (size_t i = 0; i < key_count; i++)
		state = mr_hash64(key[i].at, key[i].len, state);
	return (uint8_t)(state >> 56);
}

/* ---- texts ---- */

static_assert(MR_SIGNAL_FIELDS_MAX * MR_SHOWN_TEXT_MAX <= MR_BATCH_BODY_MAX / 8,
	      "what is shown leaves a message's room to what is needed");

struct mr_slice mr_signal_cut(struct mr_arena *arena, struct mr_slice text)
{
	static const char mark[] = "…";
	size_t len = mr_utf8_cut(text, MR_SHOWN_TEXT_MAX - (sizeof(mark) - 1));
	char *cut = mr_arena_alloc(arena, MR_SHOWN_TEXT_MAX);
	memcpy(cut, text.at, len);
	memcpy(cut + len, mark, sizeof(mark) - 1);
	return (struct mr_slice){cut, len + sizeof(mark) - 1};
}

struct mr_slice mr_signal_value(struct mr_arena *arena, struct mr_slice folded)
{
	uint8_t digest[(MR_VALUE_TEXT_MAX + 1) / 2];
	if (folded.len <= MR_VALUE_TEXT_MAX)
		return folded;
	char *text = mr_arena_alloc(arena, MR_VALUE_TEXT_MAX + 2);
	mr_sha256(folded.at, folded.len, digest);
	mr_hex(digest, sizeof(digest), text);
	return (struct mr_slice){text, MR_VALUE_TEXT_MAX + 1};
}

/* ---- keys and values ---- */

/* A text is a number in decimal form alone: one with an exponent is a text that looks like one. */
static bool is_number(enum mr_type type, struct mr_slice text)
{
	bool number = type == MR_INT || type == MR_UINT || type == MR_DOUBLE;
	return (number || type == MR_STRING) && mr_number_is(text, number);
}

bool mr_column_add(struct mr_column *column, struct mr_arena *arena, enum mr_type type,
		   struct mr_slice text)
{
	if (type == MR_NULL || mr_text_is_missing(text) ||
	    (column->numbers && !is_number(type, text)))
		return false;
	struct mr_slice folded = mr_fold_arena(arena, text);
	for (uint32_t i = 0; i < column->count && !column->repeats; i++) {
		if (mr_slice_eq(column->at[i], folded))
			return false;
	}
	column->capped = column->count == MR_PRODUCT_MAX;
	if (!column->capped)
		column->at[column->count++] = folded;
	return !column->capped;
}

/* All combinations of the fields' texts, the last field's changing fastest. */
struct product {
	struct mr_slice *at;
	uint32_t count;
	bool capped;
};

static struct product multiply(struct mr_column *fields, uint32_t width, struct mr_arena *arena)
{
	struct product product = {.count = 1};
	if (width == 1)
		return (struct product){fields->at, fields->count, fields->capped};
	for (uint32_t f = 0; f < width; f++) {
		product.count *= fields[f].count;
		product.capped |= fields[f].capped || product.count > MR_PRODUCT_MAX;
		if (product.count > MR_PRODUCT_MAX)
			product.count = MR_PRODUCT_MAX;
	}
	product.at = mr_arena_alloc(arena, (size_t)product.count * width * sizeof(*product.at));
	for (uint32_t i = 0; i < product.count; i++) {
		uint32_t rest = i;
		for (uint32_t f = width; f-- > 0; rest /= fields[f].count)
			product.at[i * width + f] = fields[f].at[rest % fields[f].count];
	}
	return product;
}

static_assert(2 * MR_GROUP_BY_MAX <= 32, "a tally has a bit for each field");

static void take_stock(const struct mr_signal *signal, const struct mr_column *fields,
		       struct mr_tally *tally)
{
	struct mr_tally_row row = {.matches = 1, .whole = true};
	for (uint32_t f = 0; f < signal->key_count + signal->value_width; f++) {
		row.had |= (uint32_t)(fields[f].count != 0) << f;
		row.whole &= fields[f].count != 0;
	}
	mr_tally_add(tally, signal->consumer, &row);
}

struct mr_keys mr_signal_multiply(struct mr_signal *signal, struct mr_column *fields,
				  struct mr_arena *arena, struct mr_counters *counters,
				  struct mr_tally *tally)
{
	struct mr_column *values = fields + signal->key_count;
	struct product tuples = {0};
	take_stock(signal, fields, tally);
	signal->value_count = 0;
	signal->values = NULL;
	if (signal->value_width != 0) {
		for (uint32_t f = 0; f < signal->value_width; f++)
			for (uint32_t i = 0; i < values[f].count; i++)
				values[f].at[i] = mr_signal_value(arena, values[f].at[i]);
		tuples = multiply(values, signal->value_width, arena);
		if (tuples.count == 0)
			return (struct mr_keys){0}; /* without the value it is no occurrence */
		signal->value_count = tuples.count;
		signal->values = tuples.at;
	}
	struct product keys = multiply(fields, signal->key_count, arena);
	if (keys.count == 0)
		mr_count(counters, MR_C_NO_GROUP_KEY, 1);
	else if (keys.capped || tuples.capped)
		mr_count(counters, MR_C_KEYS_CAPPED, 1);
	return (struct mr_keys){keys.at, keys.count};
}

/* ---- parts that signals and alerts share ---- */

void mr_pack_origin(struct mr_buf *out, const struct mr_origin *origin)
{
	mr_pack_array(out, 5);
	mr_pack_uint(out, origin->source);
	mr_pack_uint(out, origin->partition);
	mr_pack_uint(out, origin->position);
	mr_pack_uint(out, origin->length);
	mr_pack_uint(out, origin->hash);
}

void mr_unpack_origin(struct mr_unpack *in, struct mr_origin *out)
{
	mr_unpack_array_of(in, 5);
	out->source = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->partition = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->position = mr_unpack_uint(in, UINT64_MAX);
	out->length = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->hash = mr_unpack_uint(in, UINT64_MAX);
}

void mr_pack_slices(struct mr_buf *out, const struct mr_slice *slices, size_t count)
{
	mr_pack_array(out, count);
	for (size_t i = 0; i < count; i++)
		mr_pack_bytes(out, slices[i]);
}

uint32_t mr_unpack_keys(struct mr_unpack *in, struct mr_slice key[MR_GROUP_BY_MAX])
{
	uint32_t count = (uint32_t)mr_unpack_array(in, MR_GROUP_BY_MAX);
	for (uint32_t i = 0; i < count; i++)
		key[i] = mr_unpack_bytes(in);
	for (uint32_t i = count; i < MR_GROUP_BY_MAX; i++)
		key[i] = (struct mr_slice){NULL, 0};
	return count;
}

void mr_pack_matched(struct mr_buf *out, const uint32_t *matched, uint32_t count)
{
	assert(count <= MR_MATCHED_MAX);
	mr_pack_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		mr_pack_uint(out, matched[i]);
}

const uint32_t *mr_unpack_matched(struct mr_unpack *in, struct mr_arena *arena, uint32_t *count_out)
{
	*count_out = (uint32_t)mr_unpack_array(in, MR_MATCHED_MAX);
	if (*count_out == 0)
		return NULL;
	uint32_t *matched = mr_arena_alloc(arena, *count_out * sizeof(*matched));
	for (uint32_t i = 0; i < *count_out; i++)
		matched[i] = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	return matched;
}

/* ---- a whole signal ---- */

void mr_signal_encode(const struct mr_signal *signal, struct mr_buf *out)
{
	assert(signal->key_count <= MR_GROUP_BY_MAX && signal->value_count <= MR_PRODUCT_MAX &&
	       signal->value_width <= MR_GROUP_BY_MAX);
	mr_pack_array(out, SIGNAL_ITEMS);
	mr_pack_uint(out, signal->consumer);
	mr_pack_uint(out, signal->rule);
	mr_pack_uint(out, signal->key_group);
	mr_pack_uint(out, signal->layer);
	mr_pack_uint(out, signal->kind);
	mr_pack_bool(out, signal->withdrawn);
	mr_pack_bool(out, signal->has_time);
	mr_pack_int(out, signal->time_us);
	mr_pack_int(out, signal->arrival_us);
	mr_pack_bytes(out, signal->tenant);
	mr_pack_bytes(out, signal->record_id);
	mr_pack_bytes(out, signal->counted_id);
	mr_pack_origin(out, &signal->origin);
	mr_pack_bytes(out, signal->record);
	mr_pack_slices(out, signal->key, signal->key_count);
	mr_pack_uint(out, signal->value_width);
	mr_pack_slices(out, signal->values, (size_t)signal->value_count * signal->value_width);
	mr_pack_fields(out, signal->fields, signal->field_count, &signal->packed);
	mr_pack_matched(out, signal->matched, signal->matched_count);
}

static void unpack_values(struct mr_unpack *in, struct mr_arena *arena, struct mr_signal *out)
{
	out->value_width = (uint32_t)mr_unpack_uint(in, MR_GROUP_BY_MAX);
	size_t count = mr_unpack_array(in, (size_t)MR_PRODUCT_MAX * out->value_width);
	out->value_count = 0;
	out->values = NULL;
	if (count == 0)
		return;
	/* count > 0 passed a bound that is a multiple of the width, so the width is not 0. */
	if (count % out->value_width != 0)
		mr_unpack_spoil(in);
	struct mr_slice *values = mr_arena_alloc(arena, count * sizeof(*values));
	for (size_t i = 0; i < count; i++)
		values[i] = mr_unpack_bytes(in);
	out->value_count = (uint32_t)(count / out->value_width);
	out->values = values;
}

enum mr_err mr_signal_decode(struct mr_slice bytes, size_t *at, struct mr_arena *arena,
			     struct mr_signal *out, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack_from(bytes, *at);
	mr_unpack_array_of(&in, SIGNAL_ITEMS);
	out->consumer = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	out->rule = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	out->key_group = (uint8_t)mr_unpack_uint(&in, MR_KEY_GROUPS - 1);
	out->layer = (uint8_t)mr_unpack_uint(&in, UINT8_MAX);
	out->kind = (enum mr_record_kind)mr_unpack_uint(&in, MR_KIND_COUNT - 1);
	out->withdrawn = mr_unpack_bool(&in);
	out->has_time = mr_unpack_bool(&in);
	out->time_us = mr_unpack_int(&in);
	out->arrival_us = mr_unpack_int(&in);
	out->tenant = mr_unpack_bytes(&in);
	out->record_id = mr_unpack_bytes(&in);
	out->counted_id = mr_unpack_bytes(&in);
	if (out->counted_id.len != 0 && out->counted_id.len != MR_ALERT_ID_BYTES)
		mr_unpack_spoil(&in);
	mr_unpack_origin(&in, &out->origin);
	out->record = mr_unpack_bytes(&in);
	out->key_count = mr_unpack_keys(&in, out->key);
	unpack_values(&in, arena, out);
	out->packed = mr_unpack_packed(&in);
	out->field_count = out->packed.count;
	out->fields = NULL;
	out->matched = mr_unpack_matched(&in, arena, &out->matched_count);
	return mr_unpack_item_end(&in, bytes, at, "signal", error);
}
