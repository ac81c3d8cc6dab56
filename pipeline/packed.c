/* packed.c - a signal's fields as one item: made, checked where it lies, and read one by one.
 *
 * It has a layout of its own: the count of fields, for each FIELD_HEAD bytes, and then all texts.
 * A signal carries five to forty, and taken item by item they were four in five of the
 * instructions of its encoding and of its decoding. A head is a number: from its lowest bits on the
 * field's id, the length of its text and its type. A text of TEXT_LONG bytes or more has its length
 * in front of it. The state of correlate is kept in that layout: another one is another version of
 * its sections, too.
 *
 * Called by signal.c, alert.c and retell.c, by detect, which makes them, and by correlate, which
 * keeps them. Never fails: bytes that are none make the cursor bad. */
#include "millrace/signal.h"

#include <assert.h>

#include "codec.h"

#define FIELD_HEAD 4
#define ID_BITS MR_HEAD_ID_BITS
#define LENGTH_BITS MR_HEAD_LENGTH_BITS
#define TEXT_LONG MR_HEAD_LONG
#define TYPE_BITS (32 - ID_BITS - LENGTH_BITS)
static_assert(MR_SIGNAL_FIELDS_MAX <= UINT16_MAX, "a count fits two bytes");
static_assert(MR_FIELDS_MAX < 1 << ID_BITS && MR_JSON < 1 << TYPE_BITS,
	      "an id, a length and a type fit a head");
static_assert(MR_SHOWN_TEXT_MAX < TEXT_LONG, "what is shown has no length of its own");

/* ---- made ---- */

/* Gives the place behind it. */
static inline char *text_put(char *at, struct mr_slice text)
{
	if (text.len >= TEXT_LONG) {
		mr_put_le(at, text.len, 4);
		at += 4;
	}
	if (text.len > 0)
		memcpy(at, text.at, text.len);
	return at + text.len;
}

void mr_packing_add_long(struct mr_packing *packing, struct mr_slice text)
{
	char *at = mr_buf_reserve(&packing->texts, text.len + 4);
	packing->texts.len += (size_t)(text_put(at, text) - at);
}

static inline mr_field id_of(uint32_t head)
{
	return (mr_field)(head & ((1u << ID_BITS) - 1));
}

bool mr_packing_has(const struct mr_packing *packing, mr_field field)
{
	for (uint32_t i = 0; i < packing->count; i++)
		if (id_of(packing->heads[i]) == field)
			return true;
	return false;
}

static_assert(MR_F_NORMALISED_END <= 64, "a normalised field is a bit of a word");

static uint64_t fields_that(bool (*is)(mr_field field))
{
	uint64_t fields = 0;
	for (int id = 1; id < MR_F_NORMALISED_END; id++)
		fields |= (uint64_t)is((mr_field)id) << id;
	return fields;
}

uint64_t mr_shown_in_alert(void)
{
	return fields_that(mr_field_in_alert);
}

uint64_t mr_shown_in_signal(void)
{
	return fields_that(mr_field_in_signal);
}

static bool add_values(struct mr_packing *packing, struct mr_arena *arena,
		       const struct mr_events *events, mr_field field, const struct mr_value *value)
{
	uint32_t most = packing->count + MR_PRODUCT_MAX;
	for (; value != NULL && packing->count < most; value = mr_value_next(events, value)) {
		struct mr_slice text = {value->text, value->len};
		if (value->type != MR_NULL &&
		    !mr_packing_add(packing, field, value->type, mr_signal_shown(arena, text)))
			return false;
	}
	return true;
}

void mr_packing_add_shown(struct mr_packing *packing, struct mr_arena *arena,
			  const struct mr_events *events, const struct mr_event *event,
			  uint64_t fields)
{
	for (uint64_t left = fields; left != 0; left &= left - 1) {
		mr_field field = (mr_field)__builtin_ctzll(left);
		if (event->first[field] != 0 &&
		    !add_values(packing, arena, events, field, mr_event_get(events, event, field)))
			return;
	}
}

struct mr_packed mr_packing_end(const struct mr_packing *packing, struct mr_arena *arena)
{
	struct mr_packed packed = {.count = packing->count};
	size_t heads = 2 + (size_t)packing->count * FIELD_HEAD;
	if (packing->count == 0)
		return packed;
	char *room = mr_arena_alloc(arena, heads + packing->texts.len);
	mr_put_le(room, packing->count, 2);
	for (size_t i = 0; i < packing->count; i++) {
		mr_put_le(room + 2 + i * FIELD_HEAD, packing->heads[i], FIELD_HEAD);
		if (id_of(packing->heads[i]) > packed.highest)
			packed.highest = id_of(packing->heads[i]);
	}
	if (packing->texts.len > 0)
		memcpy(room + heads, packing->texts.data, packing->texts.len);
	packed.bytes = (struct mr_slice){room, heads + packing->texts.len};
	return packed;
}

void mr_packing_fini(struct mr_packing *packing)
{
	mr_buf_fini(&packing->texts);
}

static size_t fields_bytes(const struct mr_signal_field *fields, uint32_t count)
{
	size_t bytes = count == 0 ? 0 : 2 + count * FIELD_HEAD;
	for (uint32_t i = 0; i < count; i++)
		bytes += fields[i].text.len + (fields[i].text.len < TEXT_LONG ? 0 : 4);
	return bytes;
}

/* Into room for so many bytes as fields_bytes says. */
static void fields_put(char *head, const struct mr_signal_field *fields, uint32_t count)
{
	if (count == 0)
		return;
	mr_put_le(head, count, 2);
	head += 2;
	char *at = head + count * FIELD_HEAD;
	for (uint32_t i = 0; i < count; i++, head += FIELD_HEAD) {
		mr_put_le(head, mr_packed_head(fields[i].field, fields[i].type, fields[i].text.len),
			  FIELD_HEAD);
		at = text_put(at, fields[i].text);
	}
}

struct mr_packed mr_fields_pack(struct mr_arena *arena, const struct mr_signal_field *fields,
				uint32_t count)
{
	assert(count <= MR_SIGNAL_FIELDS_MAX);
	struct mr_packed packed = {.count = count};
	size_t bytes = fields_bytes(fields, count);
	if (count == 0)
		return packed;
	char *room = mr_arena_alloc(arena, bytes);
	fields_put(room, fields, count);
	packed.bytes = (struct mr_slice){room, bytes};
	for (uint32_t i = 0; i < count; i++)
		if (fields[i].field > packed.highest)
			packed.highest = fields[i].field;
	return packed;
}

void mr_pack_fields(struct mr_buf *out, const struct mr_signal_field *fields, uint32_t count,
		    const struct mr_packed *packed)
{
	assert(count <= MR_SIGNAL_FIELDS_MAX);
	if (fields == NULL) {
		assert(count == packed->count);
		mr_pack_bytes(out, packed->bytes);
		return;
	}
	fields_put(mr_pack_room(out, fields_bytes(fields, count)), fields, count);
}

/* ---- read ---- */

/* Reads the field whose head is next. False where it is none, or does not end before the end. */
static inline bool unpack_field(struct mr_packed_at *at, struct mr_signal_field *out)
{
	uint64_t typed = mr_get_le(at->head, FIELD_HEAD) >> ID_BITS;
	size_t len = typed & TEXT_LONG, room = (size_t)(at->end - at->text);
	if (len == TEXT_LONG) {
		if (room < 4)
			return false;
		len = mr_get_le(at->text, 4);
		at->text += 4;
		room -= 4;
	}
	out->field = (mr_field)mr_get_le(at->head, 2);
	out->type = (enum mr_type)(typed >> LENGTH_BITS);
	out->text = (struct mr_slice){at->text, len};
	if (out->field == 0 || out->type == MR_NULL || out->type > MR_JSON || len > room)
		return false;
	at->head += FIELD_HEAD;
	at->text += len;
	at->left--;
	return true;
}

struct mr_packed_at mr_packed_begin(struct mr_slice bytes)
{
	if (bytes.len == 0)
		return (struct mr_packed_at){0};
	uint32_t count = (uint32_t)mr_get_le(bytes.at, 2);
	const char *head = bytes.at + 2;
	return (struct mr_packed_at){head, head + (size_t)count * FIELD_HEAD, bytes.at + bytes.len,
				     count};
}

bool mr_packed_next(struct mr_packed_at *at, struct mr_signal_field *out)
{
	return at->left > 0 && unpack_field(at, out);
}

void mr_packed_gather(struct mr_slice bytes, uint64_t set[MR_FIELD_SET_WORDS])
{
	struct mr_packed_at at = mr_packed_begin(bytes);
	for (size_t i = 0; i < at.left; i++) {
		uint64_t id = mr_get_le(at.head + i * FIELD_HEAD, 2);
		set[id / 64] |= UINT64_C(1) << id % 64;
	}
}

bool mr_packed_within(struct mr_slice bytes, const uint64_t set[MR_FIELD_SET_WORDS])
{
	struct mr_packed_at at = mr_packed_begin(bytes);
	uint64_t all = 1;
	for (size_t i = 0; i < at.left; i++) {
		uint64_t id = mr_get_le(at.head + i * FIELD_HEAD, 2);
		all &= set[id / 64] >> id % 64;
	}
	return all == 1;
}

/* Whether there is a count, and as many heads. */
static bool heads_fit(struct mr_slice bytes)
{
	uint64_t count = bytes.len < 2 ? 0 : mr_get_le(bytes.at, 2);
	return count != 0 && count <= MR_SIGNAL_FIELDS_MAX && (bytes.len - 2) / FIELD_HEAD >= count;
}

/* What the heads say together. Most texts are short: then four heads are looked at side by side. */
#define ABREAST 4
typedef int32_t heads __attribute__((vector_size(ABREAST * sizeof(int32_t))));
struct said {
	heads texts; /* bytes, where none is long */
	heads highest;
	heads wrong;
	heads lengthy;
};

static inline heads heads_at(const char *head)
{
	heads got;
	for (size_t i = 0; i < ABREAST; i++)
		got[i] = (int32_t)mr_get_le(head + i * FIELD_HEAD, FIELD_HEAD);
	return got;
}

static inline void heads_read(struct said *said, heads got)
{
	heads id = got & ((1 << ID_BITS) - 1);
	heads length = got >> ID_BITS & (int32_t)TEXT_LONG;
	heads type = got >> (ID_BITS + LENGTH_BITS) & ((1 << TYPE_BITS) - 1);
	heads higher = id > said->highest;
	said->texts += length;
	said->highest = (id & higher) | (said->highest & ~higher);
	said->wrong |= (id == 0) | (type == MR_NULL) | (type > MR_JSON);
	said->lengthy |= length == (int32_t)TEXT_LONG;
}

static bool any(heads mask)
{
	return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
}

static int32_t sum(heads of)
{
	return of[0] + of[1] + of[2] + of[3];
}

static int32_t highest_of(heads of)
{
	int32_t highest = of[0];
	for (size_t i = 1; i < ABREAST; i++)
		highest = of[i] > highest ? of[i] : highest;
	return highest;
}

static struct said heads_read_all(const char *head, uint32_t count)
{
	char rest[ABREAST * FIELD_HEAD];
	struct said said = {.wrong = {0}};
	for (; count >= ABREAST; count -= ABREAST, head += sizeof(rest))
		heads_read(&said, heads_at(head));
	for (size_t i = 0; i < ABREAST; i++) /* filled up with what changes nothing */
		mr_put_le(rest + i * FIELD_HEAD, 1 | (uint32_t)MR_BOOL << (ID_BITS + LENGTH_BITS),
			  FIELD_HEAD);
	memcpy(rest, head, count * FIELD_HEAD);
	heads_read(&said, heads_at(rest));
	return said;
}

/* One by one, those behind a long text, too. */
static bool fields_fit(struct mr_packed_at at)
{
	struct mr_signal_field field;
	while (at.left > 0 && unpack_field(&at, &field))
		;
	return at.left == 0 && at.text == at.end;
}

struct mr_packed mr_unpack_packed(struct mr_unpack *in)
{
	struct mr_packed packed = {.bytes = mr_unpack_bytes(in)};
	if (packed.bytes.len == 0)
		return packed;
	if (heads_fit(packed.bytes)) {
		struct mr_packed_at at = mr_packed_begin(packed.bytes);
		struct said said = heads_read_all(at.head, at.left);
		packed.count = at.left;
		packed.highest = (mr_field)highest_of(said.highest);
		if (!any(said.wrong) &&
		    (any(said.lengthy) ? fields_fit(at) : sum(said.texts) == at.end - at.text))
			return packed;
	}
	mr_unpack_spoil(in);
	return (struct mr_packed){0};
}

const struct mr_signal_field *mr_unpack_fields(struct mr_unpack *in, struct mr_arena *arena,
					       uint32_t *count_out)
{
	struct mr_packed packed = mr_unpack_packed(in);
	*count_out = packed.count;
	if (packed.count == 0)
		return NULL;
	struct mr_signal_field *fields = mr_arena_alloc(arena, packed.count * sizeof(*fields));
	struct mr_packed_at at = mr_packed_begin(packed.bytes);
	for (uint32_t i = 0; i < packed.count; i++)
		unpack_field(&at, &fields[i]);
	return fields;
}
