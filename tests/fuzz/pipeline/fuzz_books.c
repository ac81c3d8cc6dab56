/* fuzz_books.c - books that a worker says: what was read says the same again. */
#include <stdlib.h>

#include "millrace/books.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_part(void *context, struct mr_slice part)
{
	if (mr_books_decode(part, context, NULL) != MR_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_books books = {0}, again = {0};
	mr_books_decode((struct mr_slice){(const char *)data, size}, &books, NULL);
	mr_books_encode(&books, 1000, take_part, &again);
	if (again.link_count != books.link_count || again.position_count != books.position_count ||
	    again.output_count != books.output_count)
		abort();
	mr_books_fini(&again);
	mr_books_fini(&books);
	return 0;
}
