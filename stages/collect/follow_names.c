/* follow_names.c - the names that records of followed files bear: registered as long as a segment
 * of the journal has such records, and dropped then.
 *
 * Called by follow.c. A name that no file bears any more is kept with the number of the segment
 * that is the last to have its records; in the head of a segment it stands among the files, as one
 * of device and inode 0 that was read to that number. */
#include "follow.h"

#include "lines.h"

#include "millrace/pack.h"

#include <stdlib.h>

static uint64_t hash_of(const char *title)
{
	return mr_hash64(title, strlen(title), 0);
}

static struct mr_left_name *find(const struct mr_left_names *left, const char *title)
{
	uint64_t hash = hash_of(title);

	for (size_t i = 0; i < left->count; i++)
		if (left->items[i].hash == hash && strcmp(left->items[i].title, title) == 0)
			return &left->items[i];
	return NULL;
}

static void forget(struct mr_left_names *left, struct mr_left_name *name)
{
	free(name->title);
	*name = left->items[--left->count];
}

struct mr_left_name *mr_left_names_add(struct mr_left_names *left, const char *title,
				       uint64_t segment)
{
	struct mr_left_name *name = find(left, title);

	if (!name) {
		if (left->count == left->capacity) {
			left->capacity = mr_grow(left->capacity, left->count + 1);
			left->items =
			    mr_realloc(left->items, left->capacity * sizeof(*left->items));
		}
		name = &left->items[left->count++];
		*name = (struct mr_left_name){.title = mr_strdup(title), .hash = hash_of(title)};
	}
	name->segment = segment;
	return name;
}

bool mr_left_names_take(struct mr_left_names *left, const char *title, uint32_t *name_out)
{
	struct mr_left_name *name = find(left, title);
	bool named = name && name->named;

	if (named)
		*name_out = name->name;
	if (name)
		forget(left, name);
	return named;
}

enum mr_err mr_left_names_register(struct mr_left_names *left, const struct mr_stage_env *env,
				   struct mr_error *error)
{
	enum mr_err err = MR_OK;

	for (size_t i = 0; err == MR_OK && i < left->count; i++) {
		if (left->items[i].named)
			continue;
		err = mr_lines_name(env, left->items[i].title, &left->items[i].name, error);
		left->items[i].named = err == MR_OK;
	}
	return err;
}

void mr_left_names_release(struct mr_left_names *left, const struct mr_journal *journal,
			   struct mr_files *files)
{
	for (size_t i = left->count; i-- > 0;) {
		if (left->items[i].segment >= journal->files[0].number)
			continue;
		mr_files_drop(files, left->items[i].name);
		forget(left, &left->items[i]);
	}
}

void mr_left_names_fini(struct mr_left_names *left)
{
	while (left->count > 0)
		forget(left, &left->items[left->count - 1]);
	free(left->items);
	*left = (struct mr_left_names){0};
}
