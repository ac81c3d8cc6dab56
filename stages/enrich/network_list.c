/* network_list.c - reads named networks and turns them into disjoint ranges.
 *
 * network_list_build is called by network.c in the supervisor and says where the file is wrong;
 * network_table_find is called for each event and cannot fail. Nested networks are cut
 * into ranges beforehand, so that a look-up is one binary search whatever the prefixes. */
#include "network_list.h"

#include <assert.h>
#include <stdlib.h>

#define MAGIC UINT64_C(0x315354454e52524d) /* "MRRNETS1" */
#define ENTRIES_MAX 1000000u
#define NAME_MAX_BYTES 1024u

struct network {
	uint64_t high;
	uint64_t low;
	uint32_t prefix; /* of 128 bits */
	uint32_t line;
	struct network_entry entry;
};

struct list {
	const char *file;
	struct network *items;
	size_t count;
	size_t capacity;
	struct mr_buf texts;
	struct mr_error *error;
};

/* ---- reading the text ---- */

struct line {
	struct mr_slice text;
	uint32_t number;
	size_t at;
};

static enum mr_err wrong(const struct list *list, const struct line *line, size_t at,
			 const char *what)
{
	return mr_error_set(list->error, MR_CONFIG, "%s:%u:%zu: %s", list->file, line->number,
			    at + 1, what);
}

/* To the next word; false at the line's end or a comment. */
static bool skip_blanks(struct line *line)
{
	while (line->at < line->text.len && mr_is_blank(line->text.at[line->at]))
		line->at++;
	return line->at < line->text.len && line->text.at[line->at] != '#';
}

static struct mr_slice bare_word(struct line *line)
{
	size_t start = line->at;

	while (line->at < line->text.len && !mr_is_blank(line->text.at[line->at]) &&
	       line->text.at[line->at] != '#')
		line->at++;
	return (struct mr_slice){line->text.at + start, line->at - start};
}

static uint64_t ones(unsigned count) /* of the low bits */
{
	return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

/* The bits of an address behind its prefix. */
static void host_bits(uint32_t prefix, uint64_t *high, uint64_t *low)
{
	*high = prefix >= 64 ? 0 : ones(64 - prefix);
	*low = prefix <= 64 ? UINT64_MAX : ones(128 - prefix);
}

static enum mr_err parse_network(struct list *list, struct line *line, struct network *network)
{
	size_t start = line->at;
	struct mr_slice word = bare_word(line);
	const char *slash = memchr(word.at, '/', word.len);
	size_t address_len = slash == NULL ? word.len : (size_t)(slash - word.at);
	struct mr_slice bits = {"", 0};
	struct address address = address_parse((struct mr_slice){word.at, address_len});
	bool v4 = address.family == ADDRESS_V4;
	bool mapped = v4 && memchr(word.at, ':', address_len) != NULL;
	int64_t prefix = v4 ? 32 : 128;
	uint64_t high, low;

	if (slash != NULL)
		bits = (struct mr_slice){slash + 1, word.len - address_len - 1};
	if (address.family == ADDRESS_NONE)
		return wrong(
		    list, line, start,
		    "not a network; write an address and a prefix length, as 203.0.113.0/24");
	if (mapped && slash != NULL)
		return wrong(list, line, start, "IPv4 written as IPv6; write it as IPv4");
	if (slash != NULL && (bits.len == 0 || bits.len > 3 || bits.at[0] == '+' ||
			      bits.at[0] == '-' || (bits.len > 1 && bits.at[0] == '0') ||
			      !mr_parse_int64(bits, &prefix) || prefix > (v4 ? 32 : 128)))
		return wrong(list, line, start + address_len + 1,
			     v4 ? "not a prefix length; write 0 to 32"
				: "not a prefix length; write 0 to 128");
	*network = (struct network){.high = address.high, .low = address.low, .line = line->number};
	if (v4)
		network->low = UINT64_C(0xffff00000000) | address.v4;
	network->prefix = (uint32_t)prefix + (v4 ? 96 : 0);
	host_bits(network->prefix, &high, &low);
	if (network->high & high || network->low & low)
		return wrong(list, line, start,
			     "bits are set behind the prefix; clear them, or give a longer prefix");
	return MR_OK;
}

static enum mr_err quoted_text(struct list *list, struct line *line, size_t start)
{
	size_t open = line->at++;

	for (;;) {
		char byte;

		if (line->at == line->text.len)
			return wrong(list, line, open, "the closing quote is missing");
		byte = line->text.at[line->at++];
		if (byte == '"')
			break;
		if (byte == '\\') {
			if (line->at == line->text.len ||
			    (line->text.at[line->at] != '"' && line->text.at[line->at] != '\\'))
				return wrong(list, line, line->at - 1,
					     "only \\\" and \\\\ are known after a backslash");
			byte = line->text.at[line->at++];
		}
		mr_buf_add(&list->texts, &byte, 1);
	}
	if (line->at < line->text.len && !mr_is_blank(line->text.at[line->at]) &&
	    line->text.at[line->at] != '#')
		return wrong(list, line, line->at, "a space is missing behind the closing quote");
	if (list->texts.len == start)
		return wrong(list, line, open, "the text is empty");
	return MR_OK;
}

/* A bare or quoted text, kept in the list's texts. */
static enum mr_err parse_text(struct list *list, struct line *line, uint32_t *offset_out,
			      uint32_t *len_out)
{
	size_t column = line->at;
	size_t start = list->texts.len;
	struct mr_slice kept;

	if (line->text.at[line->at] == '"') {
		enum mr_err err = quoted_text(list, line, start);

		if (err != MR_OK)
			return err;
	} else {
		struct mr_slice word = bare_word(line);

		if (memchr(word.at, '"', word.len) != NULL)
			return wrong(list, line, column,
				     "a quote inside a word; put the whole text in quotes");
		mr_buf_add(&list->texts, word.at, word.len);
	}
	kept = (struct mr_slice){list->texts.data + start, list->texts.len - start};
	if (kept.len > NAME_MAX_BYTES)
		return wrong(list, line, column, "longer than 1,024 bytes");
	if (!mr_utf8_valid(kept.at, kept.len))
		return wrong(list, line, column, "not UTF-8");
	*offset_out = (uint32_t)start;
	*len_out = (uint32_t)kept.len;
	return MR_OK;
}

static enum mr_err parse_entry(struct list *list, struct line *line, struct network *network)
{
	enum mr_err err = parse_network(list, line, network);
	struct network_entry *entry = &network->entry;

	if (err != MR_OK)
		return err;
	if (!skip_blanks(line))
		return wrong(list, line, line->at, "the network's name is missing");
	err = parse_text(list, line, &entry->name, &entry->name_len);
	if (err == MR_OK && skip_blanks(line))
		err = parse_text(list, line, &entry->kind, &entry->kind_len);
	if (err == MR_OK && skip_blanks(line))
		return wrong(list, line, line->at,
			     "too many words; an entry is network, name and kind; put a name with "
			     "spaces in quotes");
	return err;
}

static enum mr_err parse_line(struct list *list, struct line *line)
{
	struct network network;
	enum mr_err err;

	if (!skip_blanks(line))
		return MR_OK;
	err = parse_entry(list, line, &network);
	if (err != MR_OK)
		return err;
	if (list->count == ENTRIES_MAX || list->texts.len > UINT32_MAX / 2)
		return wrong(list, line, 0, "more than 1,000,000 networks");
	if (list->count == list->capacity) {
		list->capacity = mr_grow(list->capacity, list->count + 1);
		list->items = mr_realloc(list->items, list->capacity * sizeof(list->items[0]));
	}
	list->items[list->count++] = network;
	return MR_OK;
}

static enum mr_err parse_list(struct list *list, struct mr_slice text)
{
	struct line line = {.number = 0};
	size_t at = 0;

	if (text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	while (at < text.len) {
		const char *end = memchr(text.at + at, '\n', text.len - at);
		size_t len = end == NULL ? text.len - at : (size_t)(end - text.at) - at;
		enum mr_err err;

		line = (struct line){{text.at + at, len}, line.number + 1, 0};
		err = parse_line(list, &line);
		if (err != MR_OK)
			return err;
		at += len + 1;
	}
	return MR_OK;
}

/* ---- cutting nested networks into ranges ---- */

/* Ascending, a network before those inside it; entries of one network in the file's order. */
static int compare_networks(const void *left, const void *right)
{
	const struct network *a = left, *b = right;

	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static enum mr_err check_duplicates(const struct list *list)
{
	for (size_t i = 1; i < list->count; i++) {
		const struct network *a = &list->items[i - 1], *b = &list->items[i];

		if (a->high == b->high && a->low == b->low && a->prefix == b->prefix)
			return mr_error_set(list->error, MR_CONFIG,
					    "%s:%u:1: the same network as in line %u; remove one",
					    list->file, b->line, a->line);
	}
	return MR_OK;
}

static void put_range(struct mr_buf *ranges, uint64_t high, uint64_t low, uint64_t entry)
{
	struct network_range range = {high, low, entry};
	struct network_range last;

	if (ranges->len > 0) {
		memcpy(&last, ranges->data + ranges->len - sizeof(last), sizeof(last));
		if (last.high == high && last.low == low)
			ranges->len -=
			    sizeof(last); /* the inner network begins where the outer one does */
	}
	mr_buf_add(ranges, &range, sizeof(range));
}

/* One past a network's last address; false at the end of all addresses. */
static bool network_end(const struct network *network, uint64_t *high, uint64_t *low)
{
	uint64_t host_high, host_low;

	host_bits(network->prefix, &host_high, &host_low);
	*low = (network->low | host_low) + 1;
	*high = (network->high | host_high) + (*low == 0);
	return *high != 0 || *low != 0;
}

static bool is_within(const struct network *inner, const struct network *outer)
{
	uint64_t high, low;

	host_bits(outer->prefix, &high, &low);
	return (inner->high & ~high) == outer->high && (inner->low & ~low) == outer->low;
}

/* `open` holds the networks that the walk is inside of, outermost first. */
static void close_network(const struct list *list, const size_t *open, size_t depth,
			  struct mr_buf *ranges)
{
	uint64_t high, low;

	if (network_end(&list->items[open[depth - 1]], &high, &low))
		put_range(ranges, high, low, depth > 1 ? open[depth - 2] + 1 : 0);
}

static void cut_ranges(const struct list *list, struct mr_buf *ranges)
{
	size_t open[129];
	size_t depth = 0;

	for (size_t i = 0; i < list->count; i++) {
		while (depth > 0 && !is_within(&list->items[i], &list->items[open[depth - 1]])) {
			close_network(list, open, depth, ranges);
			depth--;
		}
		assert(depth < sizeof(open) / sizeof(open[0])); /* nested prefixes differ */
		put_range(ranges, list->items[i].high, list->items[i].low, i + 1);
		open[depth++] = i;
	}
	while (depth > 0) {
		close_network(list, open, depth, ranges);
		depth--;
	}
}

static void write_table(const struct list *list, const struct mr_buf *ranges, struct mr_buf *out)
{
	struct network_header header = {.magic = MAGIC,
					.range_count = ranges->len / sizeof(struct network_range),
					.entry_count = list->count,
					.text_bytes = list->texts.len};
	size_t start = out->len;

	mr_buf_add(out, &header, sizeof(header));
	mr_buf_add(out, ranges->data, ranges->len);
	for (size_t i = 0; i < list->count; i++)
		mr_buf_add(out, &list->items[i].entry, sizeof(struct network_entry));
	mr_buf_add(out, list->texts.data, list->texts.len);
	header.size_bytes = out->len - start;
	header.checksum = mr_hash64(out->data + start + sizeof(header),
				    (size_t)header.size_bytes - sizeof(header), 0);
	memcpy(out->data + start, &header, sizeof(header));
}

enum mr_err network_list_build(const char *file, struct mr_slice text, struct mr_buf *out,
			       struct mr_error *error)
{
	struct list list = {.file = file, .error = error};
	struct mr_buf ranges = {0};
	enum mr_err err = parse_list(&list, text);

	if (err == MR_OK && list.count > 0)
		qsort(list.items, list.count, sizeof(list.items[0]), compare_networks);
	if (err == MR_OK)
		err = check_duplicates(&list);
	if (err == MR_OK) {
		cut_ranges(&list, &ranges);
		write_table(&list, &ranges, out);
	}
	mr_buf_fini(&ranges);
	mr_buf_fini(&list.texts);
	free(list.items);
	return err;
}

/* ---- the table ---- */

static bool contents_fit(const struct network_header *header, const struct network_table *table)
{
	for (uint64_t i = 0; i < header->range_count; i++) {
		if (table->ranges[i].entry > header->entry_count)
			return false;
	}
	for (uint64_t i = 0; i < header->entry_count; i++) {
		const struct network_entry *entry = &table->entries[i];

		if (entry->name > header->text_bytes ||
		    entry->name_len > header->text_bytes - entry->name ||
		    entry->kind > header->text_bytes ||
		    entry->kind_len > header->text_bytes - entry->kind)
			return false;
	}
	return true;
}

enum mr_err network_table_open(struct mr_slice bytes, struct network_table *out,
			       struct mr_error *error)
{
	const struct network_header *header = (const void *)bytes.at;
	size_t rest = bytes.len - sizeof(*header);

	if (bytes.len < sizeof(*header) || (uintptr_t)bytes.at % 8 != 0 || header->magic != MAGIC ||
	    header->size_bytes != bytes.len ||
	    header->range_count > rest / sizeof(struct network_range) ||
	    header->entry_count > rest / sizeof(struct network_entry) ||
	    header->text_bytes > rest ||
	    header->range_count * sizeof(struct network_range) +
		    header->entry_count * sizeof(struct network_entry) + header->text_bytes !=
		rest ||
	    header->checksum != mr_hash64(bytes.at + sizeof(*header), rest, 0))
		return mr_error_set(error, MR_BAD_INPUT,
				    "the table of named networks is not whole");
	out->ranges = (const void *)(bytes.at + sizeof(*header));
	out->range_count = header->range_count;
	out->entries = (const void *)(out->ranges + header->range_count);
	out->texts = (const char *)(out->entries + header->entry_count);
	if (!contents_fit(header, out))
		return mr_error_set(error, MR_BAD_INPUT,
				    "the table of named networks is not whole");
	return MR_OK;
}

const struct network_entry *network_table_find(const struct network_table *table,
					       const struct address *address)
{
	uint64_t high = address->high, low = address->low;
	uint64_t from = 0, to = table->range_count; /* before from: at or before the address */

	if (address->family == ADDRESS_NONE)
		return NULL;
	if (address->family == ADDRESS_V4) {
		high = 0;
		low = UINT64_C(0xffff00000000) | address->v4;
	}
	while (from < to) {
		uint64_t middle = from + (to - from) / 2;
		const struct network_range *range = &table->ranges[middle];

		if (range->high > high || (range->high == high && range->low > low))
			to = middle;
		else
			from = middle + 1;
	}
	if (from == 0 || table->ranges[from - 1].entry == 0)
		return NULL;
	return &table->entries[table->ranges[from - 1].entry - 1];
}
