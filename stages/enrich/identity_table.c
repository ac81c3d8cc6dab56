/* identity_table.c - the look-up of people in a mapped table.
 *
 * Called by identity.c for each chunk of events, by identity_command.c once. Any bytes survive:
 * what does not fit is not found. */
#include "identity_table.h"

#define MAGIC "MRPEOPLE"
#define VERSION 2

void identity_header_make(struct identity_header *header, uint32_t slot_bits, uint64_t seed,
			  uint64_t people, uint64_t texts_bytes, uint64_t body)
{
	*header = (struct identity_header){.version = VERSION,
					   .slot_bits = slot_bits,
					   .seed = seed,
					   .people = people,
					   .texts_bytes = texts_bytes,
					   .body = body};
	memcpy(header->magic, MAGIC, sizeof header->magic);
	header->check = mr_hash64(header, offsetof(struct identity_header, check), 0);
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
	if (header.slot_bits > IDENTITY_SLOT_BITS_MAX || header.people > IDENTITY_PEOPLE_MAX ||
	    header.texts_bytes > UINT32_MAX ||
	    size != sizeof header + (UINT64_C(4) << header.slot_bits) +
			header.people * sizeof(struct identity_person) + header.texts_bytes)
		return mr_error_set(error, MR_CONFIG,
				    "the identity table is not as long as it says: import again");
	return MR_OK;
}

enum mr_err identity_table_open(struct mr_slice bytes, struct identity_table *out,
				struct mr_error *error)
{
	const struct identity_header *header = (const void *)bytes.at;
	enum mr_err err = identity_table_check(bytes, bytes.len, error);
	if (err != MR_OK)
		return err;
	const char *at = bytes.at + sizeof *header;
	*out = (struct identity_table){.header = header,
				       .slots = (const void *)at,
				       .slot_mask = (1u << header->slot_bits) - 1,
				       .texts_bytes = header->texts_bytes};
	at += UINT64_C(4) << header->slot_bits;
	out->people = (const void *)at;
	out->texts = at + header->people * sizeof(struct identity_person);
	return MR_OK;
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

uint64_t identity_hash(const struct identity_table *table, struct mr_slice key)
{
	uint64_t hash = mr_hash64(key.at, key.len, table->header->seed);
	__builtin_prefetch(&table->slots[identity_slot(hash, table->slot_mask)]);
	return hash;
}

/* The first person along the probe whose tag is the key's: all but certainly the one. */
static const struct identity_person *likely(const struct identity_table *table, uint64_t hash)
{
	uint32_t at = identity_slot(hash, table->slot_mask);
	for (unsigned tries = 0; tries < 8; tries++) {
		uint32_t slot = table->slots[at];
		uint32_t number = slot & 0xffffff;
		if (number == 0 || number > table->header->people)
			return NULL;
		if ((slot & 0xff000000) == identity_tag(hash))
			return &table->people[number - 1];
		at = (at + 1) & table->slot_mask;
	}
	return NULL;
}

void identity_near(const struct identity_table *table, uint64_t hash)
{
	const struct identity_person *person = likely(table, hash);
	if (person != NULL)
		__builtin_prefetch(person);
}

/* A person's texts were added one after the other: most lie in these lines. */
void identity_nearer(const struct identity_table *table, uint64_t hash)
{
	const struct identity_person *person = likely(table, hash);
	if (person == NULL || (uint64_t)person->id + 192 > table->texts_bytes)
		return;
	for (uint32_t at = 0; at < 192; at += 64)
		__builtin_prefetch(table->texts + person->id + at);
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

bool identity_has_key(const struct identity_table *table, const struct identity_person *person,
		      struct mr_slice key)
{
	return mr_slice_eq(identity_text(table, person->id), key) ||
	       mr_slice_eq(identity_text(table, person->upn), key) ||
	       mr_slice_eq(identity_text(table, person->puid), key) ||
	       mr_slice_eq(identity_text(table, person->app_id), key) ||
	       list_holds(identity_text(table, person->aliases), key);
}

const struct identity_person *identity_find(const struct identity_table *table, struct mr_slice key,
					    uint64_t hash)
{
	if (key.len == 0)
		return NULL;
	uint32_t at = identity_slot(hash, table->slot_mask);
	for (uint32_t tries = 0; tries <= table->slot_mask; tries++) {
		uint32_t slot = table->slots[at];
		uint32_t number = slot & 0xffffff;
		if (number == 0)
			return NULL;
		if ((slot & 0xff000000) == identity_tag(hash) && number <= table->header->people &&
		    identity_has_key(table, &table->people[number - 1], key))
			return &table->people[number - 1];
		at = (at + 1) & table->slot_mask;
	}
	return NULL;
}
