/* fuzz_host_word.c - any bytes as what another host's supervisor says: refused, or it says the same
 * again. The first byte says which of the forms it is. */
#include <stdlib.h>

#include "host_word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct mr_slice contents(const struct mr_buf *buf)
{
	return (struct mr_slice){buf->data, buf->len};
}

static void a_word(struct mr_slice bytes, struct mr_buf *again)
{
	struct mr_host_word word, same;
	if (!mr_host_word_decode(bytes, &word))
		return;
	mr_host_word_encode(&word, again);
	must(mr_host_word_decode(contents(again), &same) && same.worker == word.worker &&
	     same.kind == word.kind && same.number == word.number && same.other == word.other &&
	     mr_slice_eq(same.bytes, word.bytes));
}

static void a_hello(struct mr_slice bytes, struct mr_buf *again)
{
	struct mr_host_hello hello, same;
	if (!mr_host_hello_decode(bytes, &hello))
		return;
	mr_host_hello_encode(&hello, again);
	must(mr_host_hello_decode(contents(again), &same) && same.set == hello.set &&
	     mr_slice_eq(same.topology, hello.topology));
}

static void a_beginning(struct mr_slice bytes, struct mr_buf *again)
{
	struct mr_host_begin begin, same;
	struct mr_error error = {0};
	if (mr_host_begin_decode(bytes, &begin, &error) != MR_OK) {
		must(error.code == MR_PROTOCOL && begin.last.file_count == 0);
		return;
	}
	mr_host_begin_encode(&begin, again);
	must(mr_host_begin_decode(contents(again), &same, &error) == MR_OK &&
	     same.incarnation == begin.incarnation &&
	     same.last.file_count == begin.last.file_count &&
	     same.aside.place_count == begin.aside.place_count &&
	     mr_slice_eq(same.names, begin.names));
	mr_host_begin_fini(&same);
	mr_host_begin_fini(&begin);
}

static void a_death(struct mr_slice bytes, struct mr_buf *again)
{
	struct mr_host_death death, same;
	if (!mr_host_death_decode(bytes, &death))
		return;
	mr_host_death_encode(&death, again);
	must(mr_host_death_decode(contents(again), &same) && same.worker == death.worker &&
	     same.status == death.status &&
	     same.page.record.position == death.page.record.position);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const forms[])(struct mr_slice, struct mr_buf *) = {a_word, a_hello,
									  a_beginning, a_death};
	struct mr_buf again = {0};
	if (size > 0)
		forms[data[0] % 4]((struct mr_slice){(const char *)data + 1, size - 1}, &again);
	mr_buf_fini(&again);
	return 0;
}
