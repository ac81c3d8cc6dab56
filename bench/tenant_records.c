/* tenant_records.c - templates become records: one walk over the form, quotes and placeholders
 * replaced. */
#include <time.h>

#include "tenant.h"

const struct tenant_template tenant_templates[] = {
#define X(weight, form) {weight, false, form},
#define H(weight, form) {weight, true, form},
#include "tenant_template.def"
#undef X
#undef H
};
const uint32_t tenant_template_count = sizeof tenant_templates / sizeof tenant_templates[0];

static const char *const sites[] = {"engineering",  "sales-emea", "finance", "legal", "hr",
				    "supply-chain", "quality",    "board",   "it",    "marketing"};
static const char *const folders[] = {"General",      "2026",      "Reports", "Drafts",
				      "Archive/2025", "Contracts", "Plans",   "Minutes"};
static const char *const names[] = {"Budget",  "Forecast",  "Offer",     "Specification", "Minutes",
				    "Roadmap", "Inventory", "Checklist", "Report",        "Plan"};

static void put_time(struct mr_buf *out, int64_t time_us, bool decimals)
{
	char text[MR_TIME_TEXT];
	size_t len = mr_time_text(time_us, text);
	mr_buf_add(out, text, 19);
	if (decimals)
		mr_buf_printf(out, ".%07uZ", (unsigned)(time_us % 1000000) * 10);
	(void)len;
}

static void put_address(struct mr_buf *out, uint32_t address)
{
	mr_buf_printf(out, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
		      address & 255);
}

static void put_guid(struct mr_buf *out, uint64_t a, uint64_t b)
{
	char text[37];
	tenant_guid(a, b, text);
	mr_buf_add(out, text, 36);
}

/* Like an Exchange item id: base64 text that begins alike in one mailbox. */
static void put_item(struct mr_buf *out, const struct tenant_scene *scene)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char text[72] = "RgAAAAC";
	uint64_t same = tenant_mix(scene->person->number, 21);
	for (size_t i = 7; i < sizeof text; i++) {
		uint64_t word = i < 48 ? tenant_mix(same, i) : tenant_next(scene->random);
		text[i] = digits[word & 63];
	}
	mr_buf_add(out, text, sizeof text);
}

static const char *pick(struct tenant_scene *scene, const char *const *list, size_t count)
{
	return list[tenant_below(scene->random, (uint32_t)count)];
}
#define PICK(scene, list) pick(scene, list, sizeof list / sizeof list[0])

/* What does not hang on the person. */
static void put_thing(char code, struct tenant_scene *scene, struct mr_buf *out)
{
	struct tenant_random *random = scene->random;
	switch (code) {
	case 'g':
		put_guid(out, tenant_next(random), 22);
		break;
	case 'r':
		mr_buf_add(out, scene->record_id, 36);
		break;
	case 'h':
		mr_buf_printf(out, "%016llx", (unsigned long long)tenant_next(random));
		break;
	case 'N':
		mr_buf_printf(out, "%u", 1 + tenant_below(random, 999));
		break;
	case 'b':
		mr_buf_printf(out, "%u", 1 + tenant_below(random, 254));
		break;
	case 'm':
		put_item(out, scene);
		break;
	case 'f':
		mr_buf_printf(out, "%s %u.xlsx", PICK(scene, names), tenant_below(random, 100000));
		break;
	case 'S':
		mr_buf_add_text(out, PICK(scene, sites));
		break;
	case 'l':
		mr_buf_add_text(out, PICK(scene, folders));
		break;
	default:
		mr_buf_printf(out, "$%c", code);
	}
}

static void put_person(char code, struct tenant_scene *scene, struct mr_buf *out)
{
	const struct tenant_person *person = scene->person;
	uint64_t day = (uint64_t)(scene->time_us / 86400000000);
	switch (code) {
	case 'u':
		mr_buf_add_text(out, person->upn);
		break;
	case 'U':
		mr_buf_add_text(out, person->id);
		break;
	case 'k':
		mr_buf_add_text(out, person->puid);
		break;
	case 'q':
		mr_buf_add_text(out, scene->other->upn);
		break;
	case 'Q':
		mr_buf_add_text(out, scene->other->id);
		break;
	case 'c':
		mr_buf_add_text(out, tenant_cities[person->city].country);
		break;
	case 'y':
		mr_buf_add_text(out, tenant_cities[person->city].name);
		break;
	case 's':
		put_guid(out, tenant_mix(person->number, day), 23);
		break;
	case 'd':
		put_guid(out, person->number, 24);
		break;
	default:
		put_thing(code, scene, out);
	}
}

static void put_scene(char code, struct tenant_scene *scene, struct mr_buf *out)
{
	switch (code) {
	case 't':
	case 'z':
		put_time(out, scene->time_us, code == 'z');
		break;
	case 'o':
		mr_buf_add_text(out, TENANT_ID);
		break;
	case 'i':
		put_address(out, scene->address);
		break;
	case 'p':
		put_address(out, scene->address);
		mr_buf_printf(out, ":%u", 1024 + tenant_below(scene->random, 60000));
		break;
	case 'A':
		mr_buf_add_text(out, scene->agent);
		break;
	case 'a':
		mr_buf_add_text(out, scene->app_id);
		break;
	case 'n':
		mr_buf_add_text(out, scene->app_name);
		break;
	case 'w':
		mr_buf_add_text(out, scene->word);
		break;
	default:
		put_person(code, scene, out);
	}
}

void tenant_render(const char *form, struct tenant_scene *scene, struct mr_buf *out)
{
	tenant_guid(tenant_next(scene->random), 25, scene->record_id);
	while (*form != '\0') {
		size_t run = strcspn(form, "'$\\");
		mr_buf_add(out, form, run);
		form += run;
		if (*form == '$' && form[1] != '\0') {
			put_scene(form[1], scene, out);
			form += 2;
		} else if (*form == '\'') {
			mr_buf_add(out, "\"", 1);
			form++;
		} else if (*form == '\\' && form[1] != '\0') {
			mr_buf_add(out, form[1] == '\'' ? "\\\"" : "\\\\", 2);
			form += 2;
		}
	}
	mr_buf_add(out, "\n", 1);
}
