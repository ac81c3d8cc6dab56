/* books.c - what a worker says for the ledger: adding up, to bytes and back.
 *
 * Called by stages and workers to count, by the supervisor to add up. Only decoding can fail. */
#include "millrace/books.h"

#include <stdlib.h>

#include "codec.h"

#define NAME_MAX_BYTES 8192 /* of a partition, sink or file that a peer names */

static const char *const names[] = {
#define X(symbol, name, prose) name,
#include "millrace/book.def"
#undef X
#define X(symbol, name, prose) "rejected_" name,
#include "millrace/reject_kind.def"
#undef X
};

const char *mr_book_name(enum mr_book book)
{
	return names[book];
}

/* ---- adding up ---- */

struct mr_book_row *mr_books_row(struct mr_books *books, uint32_t source)
{
	if (source >= MR_BOOKS_SOURCES_MAX)
		source = MR_BOOKS_SOURCES_MAX;
	if (source >= books->row_count) {
		uint32_t count = source + 1;
		books->rows = mr_realloc(books->rows, count * sizeof *books->rows);
		memset(books->rows + books->row_count, 0,
		       (count - books->row_count) * sizeof *books->rows);
		books->row_count = count;
	}
	return &books->rows[source];
}

/* Room for one more behind `count` items: lists double, and their count alone says how long they
 * are. */
static void *room(void *items, size_t count, size_t item_size)
{
	if (count > 0 && count < mr_grow(0, count))
		return items;
	return mr_realloc(items, mr_grow(0, count + 1) * item_size);
}

void mr_books_link(struct mr_books *books, const struct mr_book_link *link)
{
	struct mr_book_link *own = NULL;
	for (uint32_t i = 0; i < books->link_count && own == NULL; i++) {
		struct mr_book_link *it = &books->links[i];
		if (it->edge == link->edge && it->from == link->from && it->to == link->to)
			own = it;
	}
	if (own == NULL) {
		books->links = room(books->links, books->link_count, sizeof *books->links);
		own = &books->links[books->link_count++];
		*own = (struct mr_book_link){link->edge, link->from, link->to, 0, 0, 0, 0};
	}
	own->sent_batches += link->sent_batches;
	own->sent_items += link->sent_items;
	own->received_batches += link->received_batches;
	own->received_items += link->received_items;
}

static char *copy(struct mr_slice text)
{
	char *own = mr_malloc(text.len + 1);
	if (text.len > 0)
		memcpy(own, text.at, text.len);
	own[text.len] = 0;
	return own;
}

static size_t position_bytes(const struct mr_book_position *position)
{
	return sizeof *position + strlen(position->partition) + 1;
}

/* Of one partition as they were said. */
static int by_partition(const void *left, const void *right)
{
	const struct mr_book_position *a = *(struct mr_book_position *const *)left;
	const struct mr_book_position *b = *(struct mr_book_position *const *)right;
	int order = (a->source > b->source) - (a->source < b->source);
	if (order == 0)
		order = strcmp(a->partition, b->partition);
	return order != 0 ? order : (a > b) - (a < b);
}

static bool is_same_partition(const struct mr_book_position *a, const struct mr_book_position *b)
{
	return a->source == b->source && strcmp(a->partition, b->partition) == 0;
}

/* Of each partition the last that was said stays. */
static void merge_positions(struct mr_books *books)
{
	size_t count = books->position_count, kept = 0;
	struct mr_book_position **sorted = mr_calloc(count, sizeof *sorted);
	struct mr_book_position *last = mr_calloc(count, sizeof *last);
	for (size_t i = 0; i < count; i++)
		sorted[i] = &books->positions[i];
	qsort(sorted, count, sizeof *sorted, by_partition);
	for (size_t i = 0; i < count; i++) {
		if (i + 1 == count || !is_same_partition(sorted[i], sorted[i + 1])) {
			last[kept++] = *sorted[i];
			continue;
		}
		books->position_bytes -= position_bytes(sorted[i]);
		free(sorted[i]->partition);
	}
	memcpy(books->positions, last, kept * sizeof *last);
	books->position_count = kept;
	free(sorted);
	free(last);
}

/* So merging costs little for each, however often they are said again. */
static void make_room(struct mr_books *books)
{
	if (books->position_count > 0)
		merge_positions(books);
	if (books->position_count < books->position_capacity / 2)
		return;
	books->position_capacity = mr_grow(books->position_capacity, books->position_capacity + 1);
	books->positions =
	    mr_realloc(books->positions, books->position_capacity * sizeof *books->positions);
}

void mr_books_position(struct mr_books *books, uint32_t source, struct mr_slice partition,
		       uint64_t position)
{
	if (books->position_count == books->position_capacity)
		make_room(books);
	struct mr_book_position *own = &books->positions[books->position_count++];
	*own = (struct mr_book_position){source, copy(partition), position};
	books->position_bytes += position_bytes(own);
}

static struct mr_book_shed *find_shed(struct mr_books *books, struct mr_slice rule)
{
	/* They are said in one order: the next one is mostly the one behind the last. */
	for (uint32_t i = 1; i <= books->shed_count; i++) {
		uint32_t at = (books->shed_at + i) % books->shed_count;
		if (!mr_slice_eq(mr_slice(books->sheds[at].rule), rule))
			continue;
		books->shed_at = at;
		return &books->sheds[at];
	}
	return NULL;
}

void mr_books_shed(struct mr_books *books, struct mr_slice rule, uint64_t slots)
{
	struct mr_book_shed *own = find_shed(books, rule);
	if (own == NULL) {
		books->sheds = room(books->sheds, books->shed_count, sizeof *books->sheds);
		own = &books->sheds[books->shed_count++];
		*own = (struct mr_book_shed){copy(rule), 0};
	}
	own->slots += slots;
}

#define SHEDS_APART 100

void mr_books_add_sheds(struct mr_books *books, const struct mr_books *more)
{
	for (uint32_t i = 0; i < more->shed_count; i++) {
		struct mr_slice rule = mr_slice(more->sheds[i].rule);
		bool apart = books->shed_count < SHEDS_APART || find_shed(books, rule) != NULL;
		mr_books_shed(books, apart ? rule : MR_SLICE("(others)"), more->sheds[i].slots);
	}
}

void mr_books_output(struct mr_books *books, const struct mr_book_output *output)
{
	struct mr_book_output *own = NULL;
	for (size_t i = 0; i < books->output_count && own == NULL; i++)
		if (strcmp(books->outputs[i].sink, output->sink) == 0)
			own = &books->outputs[i];
	if (own == NULL) {
		books->outputs = room(books->outputs, books->output_count, sizeof *books->outputs);
		own = &books->outputs[books->output_count++];
	} else {
		free(own->sink);
		free(own->file);
	}
	*own = *output;
	own->sink = mr_strdup(output->sink);
	own->file = mr_strdup(output->file);
}

void mr_books_add_rows(struct mr_books *books, const struct mr_books *more)
{
	for (uint32_t source = 0; source < more->row_count; source++) {
		struct mr_book_row *row = mr_books_row(books, source);
		for (size_t i = 0; i < MR_B_COUNT; i++)
			row->at[i] += more->rows[source].at[i];
	}
}

void mr_books_clear(struct mr_books *books)
{
	if (books->row_count > 0)
		memset(books->rows, 0, books->row_count * sizeof *books->rows);
	for (size_t i = 0; i < books->position_count; i++)
		free(books->positions[i].partition);
	for (size_t i = 0; i < books->output_count; i++) {
		free(books->outputs[i].sink);
		free(books->outputs[i].file);
	}
	for (uint32_t i = 0; i < books->shed_count; i++)
		free(books->sheds[i].rule);
	books->shed_count = 0;
	books->shed_at = 0;
	books->link_count = 0;
	books->position_count = 0;
	books->position_bytes = 0;
	books->output_count = 0;
}

void mr_books_fini(struct mr_books *books)
{
	mr_books_clear(books);
	free(books->rows);
	free(books->links);
	free(books->positions);
	free(books->outputs);
	free(books->sheds);
	*books = (struct mr_books){0};
}

/* ---- to bytes ---- */

/* An item is an array: its kind, then its numbers and texts. */
enum { ITEM_COUNT, ITEM_LINK, ITEM_POSITION, ITEM_OUTPUT, ITEM_SHED, ITEM_END };

struct parts {
	struct mr_buf out;
	size_t most;
	mr_books_take take;
	void *context;
};

static void hand_on(struct parts *parts)
{
	if (parts->out.len > 0)
		parts->take(parts->context, (struct mr_slice){parts->out.data, parts->out.len});
	parts->out.len = 0;
}

static void begin_item(struct parts *parts, uint64_t kind, size_t members)
{
	if (parts->out.len >= parts->most)
		hand_on(parts);
	mr_pack_array(&parts->out, members + 1);
	mr_pack_uint(&parts->out, kind);
}

static void put_numbers(struct parts *parts, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mr_pack_uint(&parts->out, numbers[i]);
}

static void put_rows(struct parts *parts, const struct mr_books *books)
{
	for (uint32_t source = 0; source < books->row_count; source++) {
		for (uint64_t book = 0; book < MR_B_COUNT; book++) {
			uint64_t n = books->rows[source].at[book];
			if (n == 0)
				continue;
			begin_item(parts, ITEM_COUNT, 3);
			put_numbers(parts, (const uint64_t[]){source, book, n}, 3);
		}
	}
}

static void put_output(struct parts *parts, const struct mr_book_output *it)
{
	const struct mr_line_hash *lines = &it->lines;
	begin_item(parts, ITEM_OUTPUT, 12);
	mr_pack_bytes(&parts->out, mr_slice(it->sink));
	mr_pack_bytes(&parts->out, mr_slice(it->file));
	mr_pack_bytes(&parts->out,
		      (struct mr_slice){(const char *)lines->chain, sizeof lines->chain});
	put_numbers(parts,
		    (const uint64_t[]){lines->bytes, lines->lines, lines->sum[0], lines->sum[1],
				       it->taken, it->delivered, it->refused, it->spooled,
				       it->waits},
		    9);
}

void mr_books_encode(const struct mr_books *books, size_t most, mr_books_take take, void *context)
{
	struct parts parts = {.most = most, .take = take, .context = context};
	put_rows(&parts, books);
	for (uint32_t i = 0; i < books->link_count; i++) {
		const struct mr_book_link *it = &books->links[i];
		begin_item(&parts, ITEM_LINK, 7);
		put_numbers(&parts,
			    (const uint64_t[]){it->edge, it->from, it->to, it->sent_batches,
					       it->sent_items, it->received_batches,
					       it->received_items},
			    7);
	}
	for (size_t i = 0; i < books->position_count; i++) {
		const struct mr_book_position *it = &books->positions[i];
		begin_item(&parts, ITEM_POSITION, 3);
		mr_pack_uint(&parts.out, it->source);
		mr_pack_bytes(&parts.out, mr_slice(it->partition));
		mr_pack_uint(&parts.out, it->position);
	}
	for (size_t i = 0; i < books->output_count; i++)
		put_output(&parts, &books->outputs[i]);
	for (uint32_t i = 0; i < books->shed_count; i++) {
		begin_item(&parts, ITEM_SHED, 2);
		mr_pack_bytes(&parts.out, mr_slice(books->sheds[i].rule));
		mr_pack_uint(&parts.out, books->sheds[i].slots);
	}
	hand_on(&parts);
	mr_buf_fini(&parts.out);
}

/* ---- and back ---- */

/* A text that a person may be shown and a file may be named by: without a zero byte. */
static struct mr_slice take_text(struct mr_unpack *in)
{
	struct mr_slice text = mr_unpack_bytes(in);
	if (text.len > NAME_MAX_BYTES || memchr(text.at, 0, text.len) != NULL)
		mr_unpack_spoil(in);
	return in->bad ? (struct mr_slice){"", 0} : text;
}

static void take_count(struct mr_unpack *in, struct mr_books *books)
{
	uint32_t source = (uint32_t)mr_unpack_uint(in, MR_BOOKS_SOURCES_MAX);
	uint64_t book = mr_unpack_uint(in, MR_B_COUNT - 1);
	uint64_t n = mr_unpack_uint(in, UINT64_MAX);
	if (!in->bad)
		mr_book(books, source, (enum mr_book)book, n);
}

static void take_link(struct mr_unpack *in, struct mr_books *books)
{
	struct mr_book_link link = {
	    .edge = (uint32_t)mr_unpack_uint(in, UINT32_MAX),
	    .from = (uint32_t)mr_unpack_uint(in, UINT32_MAX),
	    .to = (uint32_t)mr_unpack_uint(in, UINT32_MAX),
	    .sent_batches = mr_unpack_uint(in, UINT64_MAX),
	    .sent_items = mr_unpack_uint(in, UINT64_MAX),
	    .received_batches = mr_unpack_uint(in, UINT64_MAX),
	    .received_items = mr_unpack_uint(in, UINT64_MAX),
	};
	if (!in->bad)
		mr_books_link(books, &link);
}

static void take_position(struct mr_unpack *in, struct mr_books *books)
{
	uint32_t source = (uint32_t)mr_unpack_uint(in, MR_BOOKS_SOURCES_MAX);
	struct mr_slice partition = take_text(in);
	uint64_t position = mr_unpack_uint(in, UINT64_MAX);
	if (!in->bad)
		mr_books_position(books, source, partition, position);
}

static void take_shed(struct mr_unpack *in, struct mr_books *books)
{
	struct mr_slice rule = take_text(in);
	uint64_t slots = mr_unpack_uint(in, UINT64_MAX);
	if (!in->bad)
		mr_books_shed(books, rule, slots);
}

static void take_output(struct mr_unpack *in, struct mr_books *books)
{
	struct mr_slice sink = take_text(in);
	struct mr_slice file = take_text(in);
	struct mr_slice chain = mr_unpack_bytes(in);
	struct mr_book_output output = {
	    .lines = {.bytes = mr_unpack_uint(in, UINT64_MAX),
		      .lines = mr_unpack_uint(in, UINT64_MAX)},
	};
	output.lines.sum[0] = mr_unpack_uint(in, UINT64_MAX);
	output.lines.sum[1] = mr_unpack_uint(in, UINT64_MAX);
	output.taken = mr_unpack_uint(in, UINT64_MAX);
	output.delivered = mr_unpack_uint(in, UINT64_MAX);
	output.refused = mr_unpack_uint(in, UINT64_MAX);
	output.spooled = mr_unpack_uint(in, UINT64_MAX);
	output.waits = mr_unpack_uint(in, 1) == 1;
	if (chain.len != sizeof output.lines.chain)
		mr_unpack_spoil(in);
	if (in->bad)
		return;
	memcpy(output.lines.chain, chain.at, chain.len);
	output.sink = copy(sink);
	output.file = copy(file);
	mr_books_output(books, &output);
	free(output.sink);
	free(output.file);
}

static bool is_too_much(const struct mr_books *books)
{
	return books->link_count > MR_BOOKS_LINKS_MAX ||
	       books->output_count > MR_BOOKS_OUTPUTS_MAX ||
	       books->shed_count > MR_BOOKS_SHEDS_MAX ||
	       books->position_bytes > MR_BOOKS_POSITION_BYTES_MAX;
}

enum mr_err mr_books_decode(struct mr_slice part, struct mr_books *books, struct mr_error *error)
{
	static const struct {
		size_t members;
		void (*take)(struct mr_unpack *in, struct mr_books *books);
	} items[ITEM_END] = {
	    [ITEM_COUNT] = {3, take_count},       [ITEM_LINK] = {7, take_link},
	    [ITEM_POSITION] = {3, take_position}, [ITEM_OUTPUT] = {12, take_output},
	    [ITEM_SHED] = {2, take_shed},
	};
	struct mr_unpack in = mr_unpack(part);
	while (!in.bad && in.at < in.end) {
		size_t members = mr_unpack_array(&in, 13);
		uint64_t kind = mr_unpack_uint(&in, ITEM_END - 1);
		if (members != items[kind].members + 1)
			mr_unpack_spoil(&in);
		if (!in.bad)
			items[kind].take(&in, books);
		if (is_too_much(books))
			return mr_error_set(error, MR_NO_SPACE, "books without end");
	}
	if (mr_unpack_done(&in))
		return MR_OK;
	return mr_error_set(error, MR_BAD_INPUT, "books that are none");
}
