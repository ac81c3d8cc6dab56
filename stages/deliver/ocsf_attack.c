/* ocsf_attack.c - Sigma's tags as OCSF attacks: techniques and tactics of MITRE ATT&CK.
 *
 * Called by ocsf.c. A tag does not say which technique serves which tactic, so each stands alone.
 * Tags of other name spaces, and broken ones, are left out here; metadata.labels has them all. */
#include <stdio.h>
#include <strings.h>

#include "json_out.h"
#include "ocsf.h"

#define SITE "https://attack.mitre.org/"

struct name {
	const char *tag; /* a tactic's; NULL for a technique */
	const char *uid;
	const char *name;
};

static const struct name tactics[] = {
#define X(tag, uid, name) {tag, uid, name},
#include "tactic.def"
#undef X
};
static const struct name techniques[] = {
#define X(uid, name) {NULL, uid, name},
#include "technique.def"
#undef X
};

static bool is_digits(struct mr_slice text, size_t from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text.at[from + i] < '0' || text.at[from + i] > '9')
			return false;
	return true;
}

/* t1110 or t1110.003, with the t as T in `uid`; gives its length, 0 where it is no technique. */
static size_t technique_uid(struct mr_slice tag, char uid[9])
{
	bool whole = tag.len == 5 || (tag.len == 9 && tag.at[5] == '.' && is_digits(tag, 6, 3));
	if (!whole || (tag.at[0] != 't' && tag.at[0] != 'T') || !is_digits(tag, 1, 4))
		return 0;
	memcpy(uid, tag.at, tag.len);
	uid[0] = 'T';
	return tag.len;
}

static void put_technique(struct mr_buf *out, const char *key, struct mr_slice uid)
{
	char url[sizeof(SITE "techniques/T0000/000/")];
	struct json_part part = json_begin(out, key, '{');
	for (size_t i = 0; i < sizeof(techniques) / sizeof(techniques[0]); i++)
		if (mr_slice_eq(uid, mr_slice(techniques[i].uid)))
			json_text(out, "name", mr_slice(techniques[i].name));
	json_text(out, "uid", uid);
	bool sub = uid.len > 5;
	snprintf(url, sizeof(url), SITE "techniques/%.5s/%.3s%s", uid.at, sub ? uid.at + 6 : "",
		 sub ? "/" : "");
	json_text(out, "src_url", mr_slice(url));
	json_end(out, part);
}

/* Sigma writes attack.initial-access, and once wrote attack.initial_access. */
static bool is_tactic(struct mr_slice tag, const char *name)
{
	size_t len = strlen(name);
	if (tag.len != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = tag.at[i] == '_' ? '-' : tag.at[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c != name[i])
			return false;
	}
	return true;
}

static void put_tactic(struct mr_buf *out, const struct name *tactic)
{
	char url[sizeof(SITE "tactics/TA0000/")];
	struct json_part attack = json_begin(out, NULL, '{');
	struct json_part part = json_begin(out, "tactic", '{');
	json_text(out, "name", mr_slice(tactic->name));
	json_text(out, "uid", mr_slice(tactic->uid));
	snprintf(url, sizeof(url), SITE "tactics/%s/", tactic->uid);
	json_text(out, "src_url", mr_slice(url));
	json_end(out, part);
	json_end(out, attack);
}

static void put_attack(struct mr_buf *out, struct mr_slice tag)
{
	char uid[9];
	size_t len = technique_uid(tag, uid);
	if (len > 0) {
		struct json_part attack = json_begin(out, NULL, '{');
		put_technique(out, "technique", (struct mr_slice){uid, 5});
		if (len > 5)
			put_technique(out, "sub_technique", (struct mr_slice){uid, len});
		json_end(out, attack);
		return;
	}
	for (size_t i = 0; i < sizeof(tactics) / sizeof(tactics[0]); i++)
		if (is_tactic(tag, tactics[i].tag))
			put_tactic(out, &tactics[i]);
}

void ocsf_put_attacks(struct mr_buf *out, const struct mr_texts *tags)
{
	struct json_part part = json_begin(out, "attacks", '[');
	for (uint32_t i = 0; i < tags->count; i++) {
		struct mr_slice tag = tags->items[i];
		if (tag.len > 7 && strncasecmp(tag.at, "attack.", 7) == 0)
			put_attack(out, (struct mr_slice){tag.at + 7, tag.len - 7});
	}
	json_end_or_drop(out, part);
}
