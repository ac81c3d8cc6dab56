/* read.c - reads a text as JSON; else repairs it and reads that. See read.h. A text costs at most
 * two reads and one repair, each linear in its length. */
#include "read.h"

#include "millrace/repair.h"

enum mr_err mr_read(struct mr_json_reader *reader, struct mr_arena *arena, struct mr_slice *doc,
		    struct mr_json_node *root_out, struct mr_odd *odd, struct mr_error *error)
{
	enum mr_err err = mr_json_read(reader, *doc, root_out, error);
	if (err == MR_OK)
		return MR_OK;
	char *repaired = mr_arena_alloc(arena, mr_repair_max(doc->len) + MR_JSON_PADDING);
	size_t len = mr_repair(*doc, repaired);
	memset(repaired + len, 0, MR_JSON_PADDING);
	struct mr_slice text = {repaired, len};
	if (len == 0 || mr_json_read(reader, text, root_out, NULL) != MR_OK)
		return err;
	*doc = text;
	odd->repaired = true;
	return MR_OK;
}

struct mr_slice mr_read_copy(struct mr_arena *arena, struct mr_slice text)
{
	char *copy = mr_arena_alloc(arena, text.len + MR_JSON_PADDING);
	memcpy(copy, text.at, text.len);
	memset(copy + text.len, 0, MR_JSON_PADDING);
	return (struct mr_slice){copy, text.len};
}
