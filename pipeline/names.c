/* names.c - the table of the names of a run's inputs: made once, looked up in place by workers.
 *
 * Filled by collect's prepare, read by files.c. Any bytes survive: what is no name is empty. */
#include "millrace/file.h"

/* u64 count, then for each name the u64 end of its text, then the texts; in the machine's order:
 * the table never leaves it. */
static uint64_t number_at(struct mr_slice table, size_t index)
{
	uint64_t number;
	memcpy(&number, table.at + index * sizeof number, sizeof number);
	return number;
}

void mr_names_encode(const char *const *names, size_t count, struct mr_buf *out)
{
	uint64_t end = count;
	mr_buf_add(out, (const char *)&end, sizeof end);
	end = 0;
	for (size_t i = 0; i < count; i++) {
		end += strlen(names[i]);
		mr_buf_add(out, (const char *)&end, sizeof end);
	}
	for (size_t i = 0; i < count; i++)
		mr_buf_add_text(out, names[i]);
}

struct mr_slice mr_names_at(struct mr_slice table, uint64_t index)
{
	size_t words = table.len / sizeof(uint64_t);
	if (words == 0 || index >= number_at(table, 0) || number_at(table, 0) > words - 1)
		return (struct mr_slice){0};
	size_t texts = (1 + (size_t)number_at(table, 0)) * sizeof(uint64_t);
	uint64_t start = index == 0 ? 0 : number_at(table, index);
	uint64_t end = number_at(table, index + 1);
	if (start > end || end > table.len - texts)
		return (struct mr_slice){0};
	return (struct mr_slice){table.at + texts + start, (size_t)(end - start)};
}
