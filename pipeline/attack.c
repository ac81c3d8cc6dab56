/* attack.c - which tactic or technique a tag names. See attack.h. Nothing here fails. */
#include "millrace/attack.h"

static const struct mr_tactic tactics[] = {
#define X(tag, uid, name) {tag, uid, name},
#include "millrace/tactic.def"
#undef X
};

static bool is_tag_of(struct mr_slice tag, const char *name)
{
	if (tag.len != strlen(name))
		return false;
	for (size_t i = 0; i < tag.len; i++) {
		char c = tag.at[i] == '_' ? '-' : tag.at[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c != name[i])
			return false;
	}
	return true;
}

const struct mr_tactic *mr_tactic_find(struct mr_slice tag)
{
	for (size_t i = 0; i < sizeof tactics / sizeof tactics[0]; i++)
		if (is_tag_of(tag, tactics[i].tag) || mr_fold_eq(tag, mr_slice(tactics[i].uid)))
			return &tactics[i];
	return NULL;
}

static bool is_digits(struct mr_slice text, size_t from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text.at[from + i] < '0' || text.at[from + i] > '9')
			return false;
	return true;
}

size_t mr_technique_uid(struct mr_slice tag, char uid[MR_TECHNIQUE_UID])
{
	bool whole = tag.len == 5 || (tag.len == 9 && tag.at[5] == '.' && is_digits(tag, 6, 3));
	if (!whole || (tag.at[0] != 't' && tag.at[0] != 'T') || !is_digits(tag, 1, 4))
		return 0;
	memcpy(uid, tag.at, tag.len);
	uid[0] = 'T';
	return tag.len;
}
