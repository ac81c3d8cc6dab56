/* Any bytes as an identity table: refused, or look-ups stay inside it. The header's checksum is
 * made right first, or nothing would pass. */
#include "identity_table.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_text(struct mr_slice text)
{
	mr_hash64(text.at, text.len, 0);
}

static void ask(const struct identity_table *table, struct mr_slice key)
{
	uint64_t hash = identity_hash(table, key);

	identity_near(table, hash);
	const struct identity_person *person = identity_find(table, key, hash);
	if (person == NULL)
		return;
	assert(identity_has_key(person, key));
	assert(identity_person_at(table, identity_place(table, person)) == person);
	char guid[IDENTITY_GUID_CHARS];
	read_text(identity_id(person, guid));
	read_text(identity_shown_upn(person));
	for (enum identity_own which = 0; which < IDENTITY_OWN_COUNT; which++)
		read_text(identity_own(person, which));
	read_text(identity_text(table, person->groups));
	read_text(identity_text(table, identity_profile(table, person)->home_country));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_error error = {0};
	struct identity_table table;
	struct identity_header header;
	char *bytes = mr_malloc(size + 1);

	memcpy(bytes, data, size);
	if (size >= sizeof(header)) {
		memcpy(&header, bytes, sizeof(header));
		header.check = mr_hash64(&header, offsetof(struct identity_header, check), 0);
		memcpy(bytes, &header, sizeof(header));
	}
	if (identity_table_open((struct mr_slice){bytes, size}, &table, &error) == MR_OK) {
		ask(&table, MR_SLICE("a"));
		ask(&table, MR_SLICE("9d8001cb-a159-4252-a3a1-c00000000001"));
		ask(&table, (struct mr_slice){bytes, size < 8 ? size : 8});
		ask(&table, (struct mr_slice){"", 0});
	} else {
		assert(error.text[0] != 0);
	}
	free(bytes);
	return 0;
}
