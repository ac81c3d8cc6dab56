/* fuzz_books.c - books that a worker says: what was read says the same again. */
#include <stdlib.h>
#include <string.h>

#include "millrace/books.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_part(void *context, struct mr_slice part)
{
	if (mr_books_decode(part, context, NULL) != MR_OK)
		abort();
}

/* Of one partition the last that is said counts; the others go when there is no room. */
static const struct mr_book_position *last_of(const struct mr_books *books,
					      const struct mr_book_position *wanted)
{
	const struct mr_book_position *last = NULL;
	for (size_t i = 0; i < books->position_count; i++) {
		const struct mr_book_position *it = &books->positions[i];
		if (it->source == wanted->source && strcmp(it->partition, wanted->partition) == 0)
			last = it;
	}
	return last;
}

/* Each partition of `books` is in `others`, and as far. */
static bool are_in(const struct mr_books *books, const struct mr_books *others)
{
	for (size_t i = 0; i < books->position_count; i++) {
		const struct mr_book_position *own = last_of(books, &books->positions[i]);
		const struct mr_book_position *other = last_of(others, own);
		if (other == NULL || other->position != own->position)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_books books = {0}, again = {0};
	mr_books_decode((struct mr_slice){(const char *)data, size}, &books, NULL);
	mr_books_encode(&books, 1000, take_part, &again);
	if (again.link_count != books.link_count || again.output_count != books.output_count ||
	    !are_in(&books, &again) || !are_in(&again, &books))
		abort();
	mr_books_fini(&again);
	mr_books_fini(&books);
	return 0;
}
