/* file_numbers.c - the numbers of files, by name and by number.
 *
 * Called by supervisor_words.c, and by file_numbers_kept.c. Fails nowhere. */
#include "file_numbers.h"

#include <stdlib.h>
#include <sys/random.h>

#include "millrace/pack.h"

#define BUCKETS_FIRST 64u

void mr_file_numbers_fini(struct mr_file_numbers *numbers)
{
	for (uint32_t i = 0; i < numbers->count; i++)
		free(numbers->items[i].name);
	free(numbers->items);
	free(numbers->buckets);
	free(numbers->spare);
	mr_buf_fini(&numbers->news);
	*numbers = (struct mr_file_numbers){0};
}

static uint32_t *bucket_of(const struct mr_file_numbers *numbers, struct mr_slice name)
{
	uint64_t hash = mr_hash64(name.at, name.len, numbers->seed);
	return &numbers->buckets[hash & (numbers->bucket_count - 1)];
}

static void link_in(struct mr_file_numbers *numbers, uint32_t number)
{
	struct mr_file_number *item = &numbers->items[number];
	uint32_t *bucket = bucket_of(numbers, mr_slice(item->name));
	item->next = *bucket;
	*bucket = number;
}

static void link_out(struct mr_file_numbers *numbers, uint32_t number)
{
	uint32_t *at = bucket_of(numbers, mr_slice(numbers->items[number].name));
	while (*at != number)
		at = &numbers->items[*at].next;
	*at = numbers->items[number].next;
}

/* As many buckets as numbers, at least. */
static void grow_buckets(struct mr_file_numbers *numbers)
{
	if (numbers->count < numbers->bucket_count)
		return;
	if (numbers->bucket_count == 0 &&
	    getrandom(&numbers->seed, sizeof numbers->seed, 0) != sizeof numbers->seed)
		numbers->seed = (uintptr_t)numbers;
	numbers->bucket_count =
	    numbers->bucket_count == 0 ? BUCKETS_FIRST : 2 * numbers->bucket_count;
	size_t size = numbers->bucket_count * sizeof *numbers->buckets;
	numbers->buckets = mr_realloc(numbers->buckets, size);
	memset(numbers->buckets, 0xff, size);
	for (uint32_t i = 0; i < numbers->count; i++) {
		if (*numbers->items[i].name != '\0')
			link_in(numbers, i);
	}
}

static void set_spare(struct mr_file_numbers *numbers, uint32_t number)
{
	if (numbers->spare_count == numbers->spare_capacity) {
		numbers->spare_capacity =
		    mr_grow(numbers->spare_capacity, numbers->spare_count + 1);
		numbers->spare =
		    mr_realloc(numbers->spare, numbers->spare_capacity * sizeof *numbers->spare);
	}
	numbers->spare[numbers->spare_count++] = number;
}

/* The next one, nobody's. */
static void append(struct mr_file_numbers *numbers)
{
	grow_buckets(numbers);
	if (numbers->count == numbers->capacity) {
		numbers->capacity = mr_grow(numbers->capacity, numbers->count + 1u);
		numbers->items =
		    mr_realloc(numbers->items, numbers->capacity * sizeof *numbers->items);
	}
	numbers->items[numbers->count++] = (struct mr_file_number){.name = mr_strdup("")};
}

static void rename_to(struct mr_file_numbers *numbers, uint32_t number, struct mr_slice name)
{
	struct mr_file_number *item = &numbers->items[number];
	if (*item->name != '\0')
		link_out(numbers, number);
	numbers->bytes -= strlen(item->name);
	free(item->name);
	item->name = mr_asprintf("%.*s", (int)name.len, name.at);
	numbers->bytes += strlen(item->name);
	item->given = item->expected = false;
	if (*item->name != '\0')
		link_in(numbers, number);
	else
		set_spare(numbers, number);
}

bool mr_file_numbers_put(struct mr_file_numbers *numbers, uint64_t number, struct mr_slice name)
{
	if (number >= MR_FILE_NUMBERS_MAX || name.len > MR_FILE_NUMBERS_BYTES - numbers->bytes)
		return false;
	while (numbers->count <= number) {
		append(numbers);
		set_spare(numbers, numbers->count - 1);
	}
	rename_to(numbers, (uint32_t)number, name);
	return true;
}

static void note(struct mr_file_numbers *numbers, uint32_t number)
{
	mr_pack_uint(&numbers->news, number);
	mr_pack_bytes(&numbers->news, mr_slice(numbers->items[number].name));
	numbers->news_count++;
}

static uint32_t find(const struct mr_file_numbers *numbers, struct mr_slice name, uint32_t but,
		     bool given)
{
	uint32_t at = numbers->bucket_count == 0 ? MR_NO_FILE_NUMBER : *bucket_of(numbers, name);
	while (at != MR_NO_FILE_NUMBER && (at == but || (!given && numbers->items[at].given) ||
					   !mr_slice_eq(name, mr_slice(numbers->items[at].name))))
		at = numbers->items[at].next;
	return at;
}

uint32_t mr_file_numbers_find(const struct mr_file_numbers *numbers, struct mr_slice name)
{
	return find(numbers, name, MR_NO_FILE_NUMBER, false);
}

uint32_t mr_file_numbers_add(struct mr_file_numbers *numbers, struct mr_slice name,
			     bool (*is_barred)(const void *context, uint32_t number),
			     const void *context)
{
	uint32_t number = MR_NO_FILE_NUMBER;
	if (name.len > MR_FILE_NUMBERS_BYTES - numbers->bytes)
		return number;
	for (size_t i = numbers->spare_count; i-- > 0 && number == MR_NO_FILE_NUMBER;) {
		uint32_t spare = numbers->spare[i];
		bool named = *numbers->items[spare].name != '\0';
		if (!named && is_barred(context, spare))
			continue;
		numbers->spare[i] = numbers->spare[--numbers->spare_count];
		if (!named)
			number = spare;
	}
	if (number == MR_NO_FILE_NUMBER && numbers->count < MR_FILE_NUMBERS_MAX) {
		append(numbers);
		number = numbers->count - 1;
	}
	if (number == MR_NO_FILE_NUMBER)
		return number;
	rename_to(numbers, number, name);
	note(numbers, number);
	return number;
}

void mr_file_numbers_drop(struct mr_file_numbers *numbers, uint32_t number)
{
	struct mr_file_number *item = &numbers->items[number];
	item->given = false;
	if (find(numbers, mr_slice(item->name), number, true) != MR_NO_FILE_NUMBER)
		return;
	rename_to(numbers, number, (struct mr_slice){"", 0});
	note(numbers, number);
}

void mr_file_numbers_take_back(struct mr_file_numbers *numbers)
{
	for (uint32_t i = 0; i < numbers->count; i++) {
		numbers->items[i].given = false;
		if (numbers->items[i].expected)
			mr_file_numbers_drop(numbers, i);
	}
}
