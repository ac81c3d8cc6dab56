/* detect_logsource.c - which declared logsource each source's records are of.
 *
 * Checked and encoded by detect.c in the supervisor as the table "detect.logsources", decoded in
 * each worker. The table goes with the rules that were compiled for it: a source whose setting is
 * another by now has none of them. */
#include "detect.h"

#include "millrace/pack.h"

/* Whether rules of no logsource are there, which see all records. */
static bool all_are_seen(const struct sigma_set *set)
{
	for (uint32_t i = 0; i < set->rule_count; i++)
		if (set->rules[i].kinds == (1u << MR_KIND_COUNT) - 1)
			return true;
	return false;
}

static struct mr_slice show(const struct mr_logsource *logsource, struct mr_buf *room)
{
	room->len = 0;
	mr_logsource_show(logsource, room);
	return (struct mr_slice){room->data, room->len};
}

/* What is odd about it. */
static void put_words(struct mr_buf *out, struct mr_slice text, const struct sigma_fed *fed)
{
	out->len = 0;
	mr_buf_printf(out, "logsource %.*s: %s", SIGMA_SHOW(text),
		      fed->fed
			  ? "rules that name less see its records, but a part of it is no rule's"
			  : "no rule is for it");
	if (fed->meant.len > 0)
		mr_buf_printf(out, "; is %.*s meant?", SIGMA_SHOW(fed->meant));
}

enum mr_err detect_logsources_check(const struct mr_config *config,
				    const struct mr_declared *declared, const struct sigma_set *set,
				    struct mr_error *error)
{
	struct mr_buf room = {0}, words = {0};
	enum mr_err err = MR_OK;
	bool all = all_are_seen(set);
	for (uint32_t i = 0; i < declared->count && err == MR_OK; i++) {
		const struct sigma_fed *fed = &set->declared[i];
		if (fed->fed && fed->named)
			continue;
		put_words(&words, show(&declared->items[i], &room), fed);
		if (fed->fed || all) {
			mr_log(MR_LOG_WARNING, "%.*s", (int)words.len, words.data);
			continue;
		}
		mr_error_set(error, MR_CONFIG, "%.*s", (int)words.len, words.data);
		err = mr_config_blame(config, declared->texts[i], error);
	}
	mr_buf_fini(&words);
	mr_buf_fini(&room);
	return err;
}

void detect_logsources_encode(const struct mr_declared *declared, struct mr_buf *out)
{
	struct mr_buf room = {0};
	mr_pack_array(out, declared->count);
	for (uint32_t i = 0; i < declared->count; i++)
		mr_pack_bytes(out, show(&declared->items[i], &room));
	mr_buf_fini(&room);
}

/* The table as what it was made of; false where it is none. The texts live in the arena. */
static bool read_table(struct mr_slice bytes, struct mr_arena *arena, struct mr_declared *out)
{
	struct mr_unpack in = mr_unpack(bytes);
	out->count = (uint32_t)mr_unpack_array(&in, MR_DECLARED_MAX);
	out->items = mr_arena_alloc(arena, (out->count + 1u) * sizeof *out->items);
	for (uint32_t i = 0; i < out->count; i++) {
		struct mr_slice text = mr_unpack_bytes(&in);
		char *copy = mr_arena_alloc(arena, text.len + 1);
		memcpy(copy, text.at, text.len);
		copy[text.len] = '\0';
		if (mr_logsource_read(copy, &out->items[i], NULL) != MR_OK)
			return false;
	}
	return mr_unpack_done(&in);
}

static uint16_t place_of(const struct mr_declared *table, const struct mr_declared *own,
			 uint16_t number)
{
	return number == 0 ? 0 : mr_declared_find(table, &own->items[number - 1]);
}

enum mr_err detect_logsources_decode(struct mr_slice bytes, const struct mr_config *config,
				     struct mr_arena *arena, struct detect_logsources *out,
				     struct mr_error *error)
{
	struct mr_declared table = {0};
	struct mr_declared own;
	if (!read_table(bytes, arena, &table))
		return mr_error_set(
		    error, MR_BAD_INPUT,
		    "logsources of sources: not a table that this version of the program makes");
	enum mr_err err = mr_declared_read(config, &own, error);
	if (err != MR_OK)
		return err;
	*out = (struct detect_logsources){
	    .numbers = mr_arena_alloc(arena, (own.source_count + 1u) * sizeof *out->numbers),
	    .source_count = own.source_count,
	    .otherwise = place_of(&table, &own, own.otherwise)};
	for (uint32_t i = 0; i < own.source_count; i++)
		out->numbers[i] = place_of(&table, &own, own.numbers[i]);
	mr_declared_fini(&own);
	return MR_OK;
}
