/* ocsf_who.c - actor, address, device, operation and target of one record, as OCSF objects.
 *
 * Called by ocsf.c and ocsf_evidence.c. A part is left out where the schema's constraint for it (a
 * name or an id, say) cannot be met. */
#include <arpa/inet.h>
#include <strings.h>

#include "json_out.h"
#include "message.h"
#include "ocsf.h"

/* A word that the schema has a number for. */
struct word {
	const char *text;
	int id;
};
#define OTHER 99

static int word_id(const struct word *words, struct mr_slice text)
{
	for (; words->text != NULL; words++)
		if (text.len == strlen(words->text) &&
		    strncasecmp(text.at, words->text, text.len) == 0)
			return words->id;
	return OTHER;
}

/* key_id with the word's number, key with the text itself; nothing where the text is empty. */
static void put_word(struct mr_buf *out, const char *key, const char *key_id,
		     const struct word *words, struct mr_slice text)
{
	if (text.len == 0)
		return;
	json_int(out, key_id, word_id(words, text));
	json_text(out, key, text);
}

static struct mr_slice text_of(const struct mr_evidence *evidence, mr_field field)
{
	return evidence_text(evidence, field);
}

static bool says(const struct mr_evidence *evidence, mr_field field, const char *word)
{
	return mr_slice_eq(evidence_text(evidence, field), mr_slice(word));
}

/* ---- who ---- */

/* The schema's email_t: local part and domain of plain characters, a dot in the domain. */
static bool is_email(struct mr_slice text)
{
	static const char signs[] = "!#$%&'*+-/=?^_`{|}~.";
	const char *at = memchr(text.at, '@', text.len);
	if (at == NULL || at == text.at)
		return false;
	size_t local = (size_t)(at - text.at);
	bool dot = false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		bool plain =
		    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (i < local && !plain && memchr(signs, c, sizeof(signs) - 1) == NULL)
			return false;
		if (i > local && !plain && c != '-' && c != '.')
			return false;
		dot |= i > local + 1 && c == '.' && i + 1 < text.len;
	}
	return dot;
}

static void put_labels(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct json_part labels = json_begin(out, "labels", '[');
	if (says(evidence, MR_F_ACTOR_PRIVILEGED, "true"))
		json_text(out, NULL, MR_SLICE("privileged"));
	if (says(evidence, MR_F_ACTOR_ENABLED, "false"))
		json_text(out, NULL, MR_SLICE("account disabled"));
	if (says(evidence, MR_F_ACTOR_KNOWN, "false"))
		json_text(out, NULL, MR_SLICE("not in the identity store"));
	json_end_or_drop(out, labels);
}

static void put_person(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct mr_slice manager = text_of(evidence, MR_F_ACTOR_MANAGER);
	struct json_part person = json_begin(out, "ldap_person", '{');
	json_text_if(out, "job_title", text_of(evidence, MR_F_ACTOR_TITLE));
	put_labels(out, evidence);
	struct json_part location = json_begin(out, "location", '{');
	json_text_if(out, "country", text_of(evidence, MR_F_ACTOR_HOME_COUNTRY));
	json_end_or_drop(out, location);
	struct json_part boss = json_begin(out, "manager", '{');
	json_text_if(out, "name", manager);
	json_end_or_drop(out, boss);
	json_end_or_drop(out, person);
}

static void put_roles(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct json_part groups = json_begin(out, "groups", '[');
	for (uint32_t i = 0; i < evidence->field_count; i++) {
		if (evidence->fields[i].field != MR_F_ACTOR_ROLES ||
		    evidence->fields[i].text.len == 0)
			continue;
		struct json_part group = json_begin(out, NULL, '{');
		json_text(out, "name", evidence->fields[i].text);
		json_text(out, "type", MR_SLICE("role"));
		json_end(out, group);
	}
	json_end_or_drop(out, groups);
}

static void put_user(struct mr_buf *out, const struct mr_evidence *evidence, struct mr_slice tenant)
{
	static const struct word types[] = {{"User", 1}, {"Admin", 2}, {"System", 3}, {NULL, 0}};
	static const struct word risks[] = {{"none", 0}, {"info", 0},     {"low", 1}, {"medium", 2},
					    {"high", 3}, {"critical", 4}, {NULL, 0}};
	struct mr_slice name = text_of(evidence, MR_F_ACTOR_NAME);
	struct mr_slice uid = text_of(evidence, MR_F_ACTOR_UID);
	struct mr_slice email = text_of(evidence, MR_F_ACTOR_UPN);
	struct mr_slice department = text_of(evidence, MR_F_ACTOR_DEPARTMENT);
	if (name.len == 0 && uid.len == 0)
		return;
	struct json_part user = json_begin(out, "user", '{');
	json_text_if(out, "name", name);
	json_text_if(out, "uid", uid);
	json_text_if(out, "full_name", text_of(evidence, MR_F_ACTOR_FULL_NAME));
	if (is_email(email))
		json_text(out, "email_addr", email);
	put_word(out, "type", "type_id", types, text_of(evidence, MR_F_ACTOR_TYPE));
	put_word(out, "risk_level", "risk_level_id", risks, text_of(evidence, MR_F_ACTOR_RISK));
	put_roles(out, evidence);
	if (department.len > 0) { /* the schema knows a department as a unit of an organisation */
		struct json_part org = json_begin(out, "org", '{');
		json_text(out, "uid", tenant);
		json_text(out, "ou_name", department);
		json_end(out, org);
	}
	put_person(out, evidence);
	json_end(out, user);
}

static void put_session(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct json_part session = json_begin(out, "session", '{');
	json_text_if(out, "uid", text_of(evidence, MR_F_SESSION));
	if (says(evidence, MR_F_MFA, "true") || says(evidence, MR_F_MFA, "false"))
		json_bool(out, "is_mfa", says(evidence, MR_F_MFA, "true"));
	json_end_or_drop(out, session);
}

void ocsf_put_actor(struct mr_buf *out, const struct mr_evidence *evidence, struct mr_slice tenant)
{
	struct json_part actor = json_begin(out, "actor", '{');
	put_user(out, evidence, tenant);
	json_text_if(out, "app_name", text_of(evidence, MR_F_APP_NAME));
	json_text_if(out, "app_uid", text_of(evidence, MR_F_APP_UID));
	put_session(out, evidence);
	json_end_or_drop(out, actor);
}

void ocsf_put_target(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct json_part user = json_begin(out, "user", '{');
	json_text_if(out, "name", text_of(evidence, MR_F_TARGET_NAME));
	json_text_if(out, "uid", text_of(evidence, MR_F_TARGET_UID));
	json_end_or_drop(out, user);
}

/* ---- from where ---- */

static bool is_ip(struct mr_slice text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr address;
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.at, '\0', text.len) != NULL)
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	return inet_pton(AF_INET, copy, &address) == 1 || inet_pton(AF_INET6, copy, &address) == 1;
}

static void put_number(struct mr_buf *out, const char *key, struct mr_slice text)
{
	if (!json_is_number(text))
		return;
	json_key(out, key);
	mr_buf_add(out, text.at, text.len);
}

static void put_whole_number(struct mr_buf *out, const char *key, struct mr_slice text, int64_t max)
{
	int64_t number;
	if (mr_parse_int64(text, &number) && number >= 0 && number <= max)
		json_int(out, key, number);
}

static void put_location(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct mr_slice city = text_of(evidence, MR_F_SRC_CITY);
	struct mr_slice country = text_of(evidence, MR_F_SRC_COUNTRY);
	struct mr_slice region = text_of(evidence, MR_F_SRC_REGION);
	if (city.len + country.len + region.len == 0)
		return;
	struct json_part location = json_begin(out, "location", '{');
	json_text_if(out, "city", city);
	json_text_if(out, "country", country);
	json_text_if(out, "region", region);
	put_number(out, "lat", text_of(evidence, MR_F_SRC_LAT));
	put_number(out, "long", text_of(evidence, MR_F_SRC_LONG));
	json_end(out, location);
}

void ocsf_put_source(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct mr_slice ip = text_of(evidence, MR_F_SRC_IP);
	if (!is_ip(ip))
		return;
	struct json_part source = json_begin(out, "src_endpoint", '{');
	json_text(out, "ip", ip);
	put_whole_number(out, "port", text_of(evidence, MR_F_SRC_PORT), 65535);
	put_location(out, evidence);
	struct json_part system = json_begin(out, "autonomous_system", '{');
	put_whole_number(out, "number", text_of(evidence, MR_F_SRC_ASN), UINT32_MAX);
	json_text_if(out, "name", text_of(evidence, MR_F_SRC_AS_NAME));
	json_end_or_drop(out, system);
	json_text_if(out, "zone", text_of(evidence, MR_F_SRC_NETWORK));
	json_end(out, source);
}

static bool contains(struct mr_slice text, const char *word)
{
	size_t len = strlen(word);
	for (size_t i = 0; i + len <= text.len; i++)
		if (strncasecmp(text.at + i, word, len) == 0)
			return true;
	return false;
}

static int os_type(struct mr_slice name)
{
	static const struct word systems[] = {
	    {"windows", 100}, {"windesktop", 100}, {"android", 201},
	    {"linux", 200},   {"ipados", 302},     {"ios", 301},
	    {"macos", 300},   {"mac os", 300},     {NULL, 0}};
	for (const struct word *system = systems; system->text != NULL; system++)
		if (contains(name, system->text))
			return system->id;
	return OTHER;
}

void ocsf_put_device(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct mr_slice name = text_of(evidence, MR_F_DEVICE_NAME);
	struct mr_slice system = text_of(evidence, MR_F_DEVICE_OS);
	if (name.len == 0)
		return;
	struct json_part device = json_begin(out, "device", '{');
	json_text(out, "name", name);
	json_int(out, "type_id", 0);
	if (system.len > 0) {
		struct json_part os = json_begin(out, "os", '{');
		json_text(out, "name", system);
		json_int(out, "type_id", os_type(system));
		if (os_type(system) == OTHER)
			json_text(out, "type", system);
		json_end(out, os);
	}
	json_end(out, device);
}

/* ---- what ---- */

void ocsf_put_api(struct mr_buf *out, const struct mr_evidence *evidence)
{
	struct mr_slice operation = text_of(evidence, MR_F_OPERATION);
	if (operation.len == 0)
		return;
	struct json_part api = json_begin(out, "api", '{');
	json_text(out, "operation", operation);
	struct json_part service = json_begin(out, "service", '{');
	json_text_if(out, "name", text_of(evidence, MR_F_PRODUCT));
	json_end_or_drop(out, service);
	struct json_part response = json_begin(out, "response", '{');
	json_text_if(out, "message", text_of(evidence, MR_F_STATUS));
	if (!mr_slice_eq(text_of(evidence, MR_F_STATUS), MR_SLICE("Success")))
		json_text_if(out, "error", text_of(evidence, MR_F_STATUS_CODE));
	json_text_if(out, "error_message", text_of(evidence, MR_F_STATUS_DETAIL));
	json_end_or_drop(out, response);
	json_end(out, api);
}
