/* words.c - finds what the sentence of an alert calls a field. Called by message.c. Cannot fail.
 *
 * The whole names stand in the structured part of an alert. */
#include "words.h"

static const struct {
	struct mr_slice name, word;
} called[] = {
#define X(symbol, name, word, in_alert, filled_by, prose)                                          \
	{{name, sizeof(name) - 1}, {word, sizeof(word) - 1}},
#include "millrace/normalised.def"
#undef X
};

/* Ends of paths that say nothing without what is before them. */
static bool is_vague(struct mr_slice part)
{
	static const char *const vague[] = {"newValue", "oldValue",    "value",
					    "name",     "displayName", "id",
					    "appId",    "objectId",    "type"};
	for (size_t i = 0; i < sizeof(vague) / sizeof(vague[0]); i++)
		if (mr_fold_eq(part, mr_slice(vague[i])))
			return true;
	return false;
}

static struct mr_slice from(struct mr_slice name, size_t at)
{
	return (struct mr_slice){name.at + at, name.len - at};
}

/* Where the part begins that ends before `end`. */
static size_t part_begin(struct mr_slice name, size_t end)
{
	while (end > 0 && name.at[end - 1] != '.')
		end--;
	return end;
}

/* Whether another name is this text, or a path that ends with it. */
static bool ends_another(struct mr_slice text, struct mr_slice name, const struct mr_texts *among)
{
	for (uint32_t i = 0; among != NULL && i < among->count; i++) {
		struct mr_slice other = among->items[i];
		if (other.len < text.len || mr_fold_eq(other, name))
			continue;
		size_t at = other.len - text.len;
		if ((at == 0 || other.at[at - 1] == '.') && mr_fold_eq(from(other, at), text))
			return true;
	}
	return false;
}

/* In lists of changes each name has a value before and one after. */
static struct words without_age(struct mr_slice path)
{
	static const struct {
		const char *end, *before;
	} ages[] = {{".newValue", "new "}, {".oldValue", "old "}};
	for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
		struct mr_slice end = mr_slice(ages[i].end);
		if (path.len > end.len && mr_fold_eq(from(path, path.len - end.len), end))
			return (struct words){ages[i].before, {path.at, path.len - end.len}, false};
	}
	return (struct words){"", path, false};
}

static bool is_ascii(struct mr_slice text)
{
	bool ascii = true;
	for (size_t i = 0; i < text.len; i++)
		ascii &= (signed char)text.at[i] >= 0;
	return ascii;
}

struct words words_of_field(struct mr_slice name, const struct mr_texts *among)
{
	/* Folding changes the length of no ASCII text: so most of the names are told apart by
	 * theirs, for each field that each alert shows. */
	bool ascii = is_ascii(name);
	for (size_t i = 0; i < sizeof(called) / sizeof(called[0]); i++)
		if ((!ascii || name.len == called[i].name.len) && mr_fold_eq(name, called[i].name))
			return (struct words){"", called[i].word, true};
	if (name.len > WORDS_NAME_MAX)
		return (struct words){"", name, false};
	size_t at = part_begin(name, name.len);
	size_t end = name.len;
	while (at > 0 && (is_vague((struct mr_slice){name.at + at, end - at}) ||
			  ends_another(from(name, at), name, among))) {
		end = at - 1;
		at = part_begin(name, end);
	}
	return without_age(from(name, at));
}

const char *words_plural(struct mr_slice word, size_t *cut_out)
{
	char last = word.len > 0 ? word.at[word.len - 1] : ' ';
	*cut_out = last == 'y';
	return last == 'y' ? "ies" : last == 's' ? "es" : "s";
}
