/* file_numbers.h - the numbers of the files that records lie in: each stays with its name, over
 * incarnations, until the file is dropped, and may be another's then.
 *
 * Owned by the supervisor; a service writes down what is new before anybody knows it
 * (file_numbers_kept.c). */
#ifndef MILLRACE_FILE_NUMBERS_H
#define MILLRACE_FILE_NUMBERS_H

#include "state_dir.h"

#define MR_FILE_NUMBERS_MAX (1u << 20)
#define MR_FILE_NUMBERS_BYTES ((size_t)256 << 20) /* of all names: they are read back whole */
#define MR_NO_FILE_NUMBER UINT32_MAX

/* Its number is its place. */
struct mr_file_number {
	char *name;     /* empty: it is nobody's */
	bool given;     /* in this incarnation */
	bool expected;  /* likewise, and not given yet */
	uint32_t owner; /* the worker that it was given to, or that expects it */
	uint32_t next;  /* of those whose names have one hash */
};

/* Zeroed is empty. */
struct mr_file_numbers {
	struct mr_file_number *items;
	uint32_t count;
	size_t bytes; /* of all names */
	/* Private. */
	size_t capacity;
	uint32_t *buckets;
	uint32_t bucket_count;
	uint64_t seed;   /* of hashes: names are whoever's who writes files */
	uint32_t *spare; /* all that are nobody's, and some that are not any more */
	size_t spare_count;
	size_t spare_capacity;
	struct mr_buf news; /* number and name of each that has changed and is not written down */
	uint32_t news_count;
	uint32_t kept_count; /* so many are written down */
	uint64_t kept_bytes; /* of those that were, behind the list */
	uint64_t list_bytes;
};
void mr_file_numbers_fini(struct mr_file_numbers *numbers);

/* One that bears this name and is not given, or MR_NO_FILE_NUMBER. */
uint32_t mr_file_numbers_find(const struct mr_file_numbers *numbers, struct mr_slice name);
/* Gives one to the name: nobody's, unless it is barred, or the next. MR_NO_FILE_NUMBER where there
 * is none. */
uint32_t mr_file_numbers_add(struct mr_file_numbers *numbers, struct mr_slice name,
			     bool (*is_barred)(const void *context, uint32_t number),
			     const void *context);
/* It is nobody's from here on, unless another one bears the name too: which of the two it is may
 * change with the next incarnation. */
void mr_file_numbers_drop(struct mr_file_numbers *numbers, uint32_t number);
/* A new incarnation begins. What was expected and never given is dropped: nothing speaks of it. */
void mr_file_numbers_take_back(struct mr_file_numbers *numbers);
/* As it was written down. False where it is past all bounds. */
bool mr_file_numbers_put(struct mr_file_numbers *numbers, uint64_t number, struct mr_slice name);

/* ---- file_numbers_kept.c ---- */

/* What is new becomes durable: one write and one sync, whatever there was before. MR_IO,
 * MR_NO_SPACE. */
enum mr_err mr_file_numbers_keep(struct mr_file_numbers *numbers, const struct mr_state_dir *dir,
				 struct mr_error *error);
/* What was kept. MR_BAD_INPUT, MR_UNSUPPORTED, MR_NO_SPACE. */
enum mr_err mr_file_numbers_recall(struct mr_file_numbers *numbers, const struct mr_state_dir *dir,
				   struct mr_error *error);

#endif
