/* identity_table.c - the look-up of people in a mapped table.
 *
 * Called by identity.c for each set of events, by identity_command.c once. Any bytes survive:
 * what does not fit is not found. */
#include "identity_table.h"

#define MAGIC "MRPEOPLE"
#define VERSION 4

void identity_header_seal(struct identity_header *header)
{
	header->version = VERSION;
	memcpy(header->magic, MAGIC, sizeof header->magic);
	header->check = mr_hash64(header, offsetof(struct identity_header, check), 0);
}

static bool is_sized(const struct identity_header *header, size_t size)
{
	return header->slots > 0 && header->slots <= IDENTITY_SLOTS_MAX &&
	       header->slots % IDENTITY_SLOTS_STEP == 0 && header->people <= IDENTITY_PEOPLE_MAX &&
	       header->people_bytes <= IDENTITY_PEOPLE_BYTES_MAX &&
	       header->people_bytes % IDENTITY_PLACE_BYTES == 0 &&
	       header->texts_bytes <= UINT32_MAX &&
	       size == sizeof *header + UINT64_C(4) * header->slots + header->people_bytes +
			   (uint64_t)header->profiles * sizeof(struct identity_profile) +
			   header->texts_bytes;
}

/* What the header says, against what there is. */
enum mr_err identity_table_check(struct mr_slice head, size_t size, struct mr_error *error)
{
	struct identity_header header;
	if (head.len < sizeof header)
		return mr_error_set(error, MR_CONFIG, "the identity table is cut short");
	memcpy(&header, head.at, sizeof header);
	if (memcmp(header.magic, MAGIC, sizeof header.magic) != 0 || header.version != VERSION ||
	    header.check != mr_hash64(&header, offsetof(struct identity_header, check), 0))
		return mr_error_set(error, MR_CONFIG,
				    "this is no identity table of version %d, or a damaged one: "
				    "import again",
				    VERSION);
	if (!is_sized(&header, size))
		return mr_error_set(error, MR_CONFIG,
				    "the identity table is not as long as it says: import again");
	return MR_OK;
}

uint32_t identity_place_mask(uint64_t people_bytes)
{
	uint32_t places = (uint32_t)(people_bytes / IDENTITY_PLACE_BYTES);
	return UINT32_MAX >> __builtin_clz(places | 1);
}

enum mr_err identity_table_open(struct mr_slice bytes, struct identity_table *out,
				struct mr_error *error)
{
	const struct identity_header *header = (const void *)bytes.at;
	enum mr_err err = identity_table_check(bytes, bytes.len, error);
	if (err != MR_OK)
		return err;
	*out = (struct identity_table){.header = header,
				       .slots = (const void *)(header + 1),
				       .people_bytes = header->people_bytes,
				       .texts_bytes = header->texts_bytes,
				       .slot_count = header->slots,
				       .place_mask = identity_place_mask(header->people_bytes)};
	out->people = (const char *)(out->slots + header->slots);
	out->profiles = (const void *)(out->people + header->people_bytes);
	out->texts = (const char *)(out->profiles + header->profiles);
	return MR_OK;
}

/* ---- what is known of a person ---- */

const struct identity_person *identity_person_at(const struct identity_table *table, uint32_t place)
{
	uint64_t at = (uint64_t)place * IDENTITY_PLACE_BYTES;
	if (place == 0 || at + sizeof(struct identity_person) > table->people_bytes)
		return NULL;
	const struct identity_person *person = (const void *)(table->people + at);
	struct mr_slice last = identity_own(person, IDENTITY_OWN_COUNT - 1);
	uint64_t end = (uint64_t)(last.at - table->people) + last.len;
	return end <= table->people_bytes ? person : NULL;
}

/* A GUID as text: its bytes as 8, 4, 4, 4 and 12 digits. Digits are made and compared eight at a
 * time, in registers: a look-up waits for no store. */

static uint64_t load(const char *at, size_t len)
{
	uint64_t out = 0;
	memcpy(&out, at, len);
	return out;
}

/* The lower-case digits of four bytes, the first in the lowest byte. */
static uint64_t digits_of(const char *bytes)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t all = load(bytes, 4);
	all = (all | all << 16) & UINT64_C(0x0000ffff0000ffff);
	all = (all | all << 8) & UINT64_C(0x00ff00ff00ff00ff);
	all = (all >> 4 | all << 8) & (ones * 15);
	uint64_t letters = (all + ones * 6) >> 4 & ones;
	return all + ones * '0' + letters * ('a' - '0' - 10);
}

static void guid_write(const char *bytes, char *out)
{
	uint64_t digits[4];
	for (size_t i = 0; i < 4; i++)
		digits[i] = digits_of(bytes + 4 * i);
	memcpy(out, "........-....-....-....-............", IDENTITY_GUID_CHARS);
	memcpy(out, digits, 8);
	memcpy(out + 9, &digits[1], 4);
	memcpy(out + 14, (const char *)&digits[1] + 4, 4);
	memcpy(out + 19, &digits[2], 4);
	memcpy(out + 24, (const char *)&digits[2] + 4, 4);
	memcpy(out + 28, &digits[3], 8);
}

static bool guid_is(const char *bytes, struct mr_slice text)
{
	const char *at = text.at;
	return text.len == IDENTITY_GUID_CHARS && load(at, 8) == digits_of(bytes) &&
	       (load(at + 9, 4) | load(at + 14, 4) << 32) == digits_of(bytes + 4) &&
	       (load(at + 19, 4) | load(at + 24, 4) << 32) == digits_of(bytes + 8) &&
	       load(at + 28, 8) == digits_of(bytes + 12) && at[8] == '-' && at[13] == '-' &&
	       at[18] == '-' && at[23] == '-';
}

static unsigned value_of(char digit)
{
	return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10) & 15;
}

bool identity_guid_parse(struct mr_slice text, char *out)
{
	static const uint8_t places[IDENTITY_GUID_BYTES] = {0,  2,  4,  6,  9,  11, 14, 16,
							    19, 21, 24, 26, 28, 30, 32, 34};
	if (text.len != IDENTITY_GUID_CHARS)
		return false;
	for (size_t i = 0; i < IDENTITY_GUID_BYTES; i++) {
		const char *at = text.at + places[i];
		out[i] = (char)(value_of(at[0]) << 4 | value_of(at[1]));
	}
	return guid_is(out, text);
}

static bool is_guid(const struct identity_person *person)
{
	return (person->flags & IDENTITY_GUID) != 0 &&
	       person->lens[IDENTITY_ID] == IDENTITY_GUID_BYTES;
}

struct mr_slice identity_id(const struct identity_person *person, char *guid)
{
	struct mr_slice id = identity_own(person, IDENTITY_ID);
	if (!is_guid(person))
		return id;
	guid_write(id.at, guid);
	return (struct mr_slice){guid, IDENTITY_GUID_CHARS};
}

bool identity_has_id(const struct identity_person *person, struct mr_slice key)
{
	struct mr_slice id = identity_own(person, IDENTITY_ID);
	return is_guid(person) ? guid_is(id.at, key) : mr_slice_eq(id, key);
}

struct mr_slice identity_shown_upn(const struct identity_person *person)
{
	struct mr_slice shown = identity_own(person, IDENTITY_SHOWN_UPN);
	return shown.len != 0 ? shown : identity_own(person, IDENTITY_UPN);
}

const struct identity_profile *identity_profile(const struct identity_table *table,
						const struct identity_person *person)
{
	static const struct identity_profile none;
	return person->profile < table->header->profiles ? &table->profiles[person->profile]
							 : &none;
}

struct mr_slice identity_text(const struct identity_table *table, uint32_t offset)
{
	uint16_t len;
	if (offset == 0 || (uint64_t)offset + sizeof len > table->texts_bytes)
		return (struct mr_slice){"", 0};
	memcpy(&len, table->texts + offset, sizeof len);
	if ((uint64_t)offset + sizeof len + len > table->texts_bytes)
		return (struct mr_slice){"", 0};
	return (struct mr_slice){table->texts + offset + sizeof len, len};
}

bool identity_list_next(struct mr_slice *list, struct mr_slice *member_out)
{
	if (list->len == 0)
		return false;
	const char *end = memchr(list->at, '\n', list->len);
	size_t len = end == NULL ? list->len : (size_t)(end - list->at);
	*member_out = (struct mr_slice){list->at, len};
	len += end != NULL;
	*list = (struct mr_slice){list->at + len, list->len - len};
	return true;
}

static bool list_holds(struct mr_slice list, struct mr_slice key)
{
	struct mr_slice member;
	while (identity_list_next(&list, &member)) {
		if (mr_slice_eq(member, key))
			return true;
	}
	return false;
}

bool identity_has_key(const struct identity_person *person, struct mr_slice key)
{
	return identity_has_id(person, key) ||
	       mr_slice_eq(identity_own(person, IDENTITY_UPN), key) ||
	       mr_slice_eq(identity_own(person, IDENTITY_PUID), key) ||
	       mr_slice_eq(identity_own(person, IDENTITY_APP_ID), key) ||
	       list_holds(identity_own(person, IDENTITY_ALIASES), key);
}

/* ---- the look-up ---- */

uint64_t identity_hash(const struct identity_table *table, struct mr_slice key)
{
	return mr_hash64(key.at, key.len, table->header->seed);
}

void identity_fetch(const struct identity_table *table, const uint64_t *hashes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		__builtin_prefetch(&table->slots[identity_slot(table, hashes[i])]);
}

/* The first person along the probe whose tag is the key's is all but certainly the one. The keys
 * and most of what rules ask for lie in these lines. */
void identity_near(const struct identity_table *table, uint64_t hash)
{
	uint32_t at = identity_slot(table, hash);
	uint32_t tag = identity_tag(table, hash);
	for (unsigned tries = 0; tries < 8; tries++) {
		uint32_t slot = table->slots[at];
		uint64_t person = (uint64_t)(slot & table->place_mask) * IDENTITY_PLACE_BYTES;
		if (person == 0 || person + 128 > table->people_bytes)
			return;
		if ((slot & ~table->place_mask) == tag) {
			__builtin_prefetch(table->people + person);
			__builtin_prefetch(table->people + person + 64);
			return;
		}
		at = identity_next_slot(table, at);
	}
}

const struct identity_person *identity_find(const struct identity_table *table, struct mr_slice key,
					    uint64_t hash)
{
	if (key.len == 0)
		return NULL;
	uint32_t at = identity_slot(table, hash);
	uint32_t tag = identity_tag(table, hash);
	for (uint32_t tries = 0; tries < table->slot_count; tries++) {
		uint32_t slot = table->slots[at];
		if ((slot & table->place_mask) == 0)
			return NULL;
		if ((slot & ~table->place_mask) == tag) {
			const struct identity_person *person =
			    identity_person_at(table, slot & table->place_mask);
			if (person != NULL && identity_has_key(person, key))
				return person;
		}
		at = identity_next_slot(table, at);
	}
	return NULL;
}
