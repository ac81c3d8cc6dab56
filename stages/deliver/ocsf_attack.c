/* ocsf_attack.c - Sigma's tags as OCSF attacks: techniques and tactics of MITRE ATT&CK.
 *
 * Called by ocsf.c. A tag does not say which technique serves which tactic, so each stands alone.
 * Tags of other name spaces, and broken ones, are left out here; metadata.labels has them all. */
#include <stdio.h>
#include <strings.h>

#include "millrace/attack.h"

#include "json_out.h"
#include "ocsf.h"

#define SITE "https://attack.mitre.org/"

static const struct {
	const char *uid;
	const char *name;
} techniques[] = {
#define X(uid, name) {uid, name},
#include "technique.def"
#undef X
};

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

static void put_tactic(struct mr_buf *out, const struct mr_tactic *tactic)
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
	char uid[MR_TECHNIQUE_UID];
	size_t len = mr_technique_uid(tag, uid);
	if (len > 0) {
		struct json_part attack = json_begin(out, NULL, '{');
		put_technique(out, "technique", (struct mr_slice){uid, 5});
		if (len > 5)
			put_technique(out, "sub_technique", (struct mr_slice){uid, len});
		json_end(out, attack);
		return;
	}
	const struct mr_tactic *tactic = mr_tactic_find(tag);
	if (tactic != NULL)
		put_tactic(out, tactic);
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
