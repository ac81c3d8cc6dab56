/* mmdb_data.c - decodes data records of MaxMind DB files and keeps what events get.
 *
 * Called by mmdb.c for the metadata (only to check it) and for each data record. The library's own
 * decoder makes a list of everything a record holds; pointers let a few bytes stand for more items
 * than fit in memory, so that a damaged or malicious file must be walked with a budget. This walk
 * allocates nothing, never leaves the section, and ends with words for what is wrong.
 *
 * Both layouts are told by content: MaxMind's nested one (country.iso_code, city.names.en) and the
 * flat one of others (country_code, city, asn, as_name). */
#include "mmdb_data.h"

#include <math.h>
#include <stdlib.h>

#define DEPTH_MAX 32

enum type {
	TYPE_POINTER = 1,
	TYPE_TEXT,
	TYPE_DOUBLE,
	TYPE_BYTES,
	TYPE_UINT16,
	TYPE_UINT32,
	TYPE_MAP,
	TYPE_INT32,
	TYPE_UINT64,
	TYPE_UINT128,
	TYPE_ARRAY,
	TYPE_CONTAINER,
	TYPE_END,
	TYPE_BOOL,
	TYPE_FLOAT
};

/* Where in a record the walk is: which names mean something here. */
enum place {
	IN_OTHER,
	IN_TOP,
	IN_COUNTRY,
	IN_CITY,
	IN_CITY_NAMES,
	IN_SUBDIVISIONS,
	IN_SUBDIVISION,
	IN_LOCATION,
	IN_TRAITS,
	IN_METADATA,
	IN_LANGUAGES,
	IN_LANGUAGE
};

enum slot {
	SLOT_NONE,
	SLOT_COUNTRY, /* MaxMind's country.iso_code */
	SLOT_COUNTRY_CODE,
	SLOT_COUNTRY_TEXT, /* taken where it is a code */
	SLOT_CITY,
	SLOT_SUBDIVISION,
	SLOT_REGION_CODE,
	SLOT_REGION,
	SLOT_LATITUDE,
	SLOT_LONGITUDE,
	SLOT_ASN,
	SLOT_AS_NAME,
	SLOT_ANONYMOUS,
	SLOT_VPN,
	SLOT_TOR,
	SLOT_HOSTING,
	SLOT_PUBLIC_PROXY,
	SLOT_RESIDENTIAL_PROXY,
	SLOT_CONFIDENCE,
	SLOT_COUNT
};

struct name_rule {
	enum place in;
	enum place next; /* for maps and arrays */
	enum slot slot;  /* for scalars */
	uint32_t len;
	const char *name;
};

#define RULE(in, next, slot, name)                                                                 \
	{                                                                                          \
		in, next, slot, sizeof(name) - 1, name                                             \
	}
static const struct name_rule name_rules[] = {
    RULE(IN_TOP, IN_COUNTRY, SLOT_COUNTRY_TEXT, "country"),
    RULE(IN_TOP, IN_CITY, SLOT_CITY, "city"),
    RULE(IN_TOP, IN_SUBDIVISIONS, SLOT_NONE, "subdivisions"),
    RULE(IN_TOP, IN_LOCATION, SLOT_NONE, "location"),
    RULE(IN_TOP, IN_TRAITS, SLOT_NONE, "traits"),
    RULE(IN_TOP, IN_TRAITS, SLOT_NONE, "anonymizer"),
    RULE(IN_TOP, IN_OTHER, SLOT_COUNTRY_CODE, "country_code"),
    RULE(IN_TOP, IN_OTHER, SLOT_COUNTRY_CODE, "country_iso_code"),
    RULE(IN_TOP, IN_OTHER, SLOT_CITY, "city_name"),
    RULE(IN_TOP, IN_OTHER, SLOT_REGION_CODE, "region_code"),
    RULE(IN_TOP, IN_OTHER, SLOT_REGION, "region"),
    RULE(IN_TOP, IN_OTHER, SLOT_REGION, "region_name"),
    RULE(IN_TOP, IN_OTHER, SLOT_REGION, "state1"),
    RULE(IN_TOP, IN_OTHER, SLOT_LATITUDE, "latitude"),
    RULE(IN_TOP, IN_OTHER, SLOT_LATITUDE, "lat"),
    RULE(IN_TOP, IN_OTHER, SLOT_LONGITUDE, "longitude"),
    RULE(IN_TOP, IN_OTHER, SLOT_LONGITUDE, "lng"),
    RULE(IN_TOP, IN_OTHER, SLOT_LONGITUDE, "lon"),
    RULE(IN_TOP, IN_OTHER, SLOT_ASN, "asn"),
    RULE(IN_TOP, IN_OTHER, SLOT_ASN, "as_number"),
    RULE(IN_TOP, IN_OTHER, SLOT_AS_NAME, "as_name"),
    RULE(IN_TOP, IN_OTHER, SLOT_AS_NAME, "as_org"),
    RULE(IN_TOP, IN_OTHER, SLOT_AS_NAME, "as_organization"),
    RULE(IN_TOP, IN_OTHER, SLOT_ANONYMOUS, "anonymous"),
    RULE(IN_TOP, IN_OTHER, SLOT_VPN, "vpn"),
    RULE(IN_TOP, IN_OTHER, SLOT_VPN, "is_vpn"),
    RULE(IN_TOP, IN_OTHER, SLOT_TOR, "tor"),
    RULE(IN_TOP, IN_OTHER, SLOT_TOR, "is_tor"),
    RULE(IN_TOP, IN_OTHER, SLOT_HOSTING, "hosting"),
    RULE(IN_TOP, IN_OTHER, SLOT_HOSTING, "is_hosting"),
    RULE(IN_TOP, IN_OTHER, SLOT_PUBLIC_PROXY, "proxy"),
    RULE(IN_TOP, IN_OTHER, SLOT_PUBLIC_PROXY, "is_proxy"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_ASN, "autonomous_system_number"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_AS_NAME, "autonomous_system_organization"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_ANONYMOUS, "is_anonymous"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_PUBLIC_PROXY, "is_anonymous_proxy"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_VPN, "is_anonymous_vpn"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_HOSTING, "is_hosting_provider"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_PUBLIC_PROXY, "is_public_proxy"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_RESIDENTIAL_PROXY, "is_residential_proxy"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_TOR, "is_tor_exit_node"),
    RULE(IN_TRAITS, IN_OTHER, SLOT_CONFIDENCE, "anonymizer_confidence"),
    RULE(IN_COUNTRY, IN_OTHER, SLOT_COUNTRY, "iso_code"),
    RULE(IN_CITY, IN_CITY_NAMES, SLOT_NONE, "names"),
    RULE(IN_CITY_NAMES, IN_OTHER, SLOT_CITY, "en"),
    RULE(IN_SUBDIVISION, IN_OTHER, SLOT_SUBDIVISION, "iso_code"),
    RULE(IN_LOCATION, IN_OTHER, SLOT_LATITUDE, "latitude"),
    RULE(IN_LOCATION, IN_OTHER, SLOT_LONGITUDE, "longitude"),
    RULE(IN_METADATA, IN_LANGUAGES, SLOT_NONE, "languages"),
};
#undef RULE

struct scalar {
	enum type type; /* 0 is not given */
	struct mr_slice text;
	double number;
	uint64_t integer;
};

struct walk {
	const struct mmdb_section *section;
	struct scalar slots[SLOT_COUNT];
	const char *wrong;
	uint32_t bad;
};

struct item {
	enum type type;
	uint32_t size;  /* bytes, elements, pairs, or the value of a bool */
	uint32_t start; /* of the content */
	uint32_t end;   /* behind the content; for maps and arrays where it starts */
};

static bool fail(struct walk *walk, uint32_t offset, const char *wrong)
{
	if (walk->wrong == NULL) {
		walk->wrong = wrong;
		walk->bad = offset;
	}
	return false;
}

static uint64_t big_endian(const uint8_t *at, uint32_t count)
{
	uint64_t number = 0;

	for (uint32_t i = 0; i < count; i++)
		number = number << 8 | at[i];
	return number;
}

/* The size behind a control byte that says "more bytes follow". */
static bool long_size(struct walk *walk, uint32_t *at, uint32_t *size)
{
	static const uint32_t base[3] = {29, 285, 65821};
	uint32_t more = *size - 28;

	if (walk->section->size - *at < more)
		return fail(walk, *at, "an item's size lies past the end");
	*size = base[more - 1] + (uint32_t)big_endian(walk->section->at + *at, more);
	*at += more;
	return true;
}

/* Where a pointer points; *at moves behind it. */
static bool pointer(struct walk *walk, uint8_t control, uint32_t *at, uint32_t *target)
{
	static const uint32_t base[4] = {0, 2048, 526336, 0};
	uint32_t more = (uint32_t)(control >> 3 & 3) + 1;
	uint64_t value = more == 4 ? 0 : control & 7;

	if (walk->section->size - *at < more)
		return fail(walk, *at, "a pointer lies past the end");
	value = value << (8 * more) | big_endian(walk->section->at + *at, more);
	value += base[more - 1];
	*at += more;
	if (value >= walk->section->size)
		return fail(walk, *at, "a pointer leads past the end");
	*target = (uint32_t)value;
	return true;
}

static bool check_size(struct walk *walk, const struct item *item, uint32_t offset)
{
	static const uint8_t exact[16] = {[TYPE_DOUBLE] = 8, [TYPE_FLOAT] = 4};
	static const uint8_t most[16] = {[TYPE_UINT16] = 2, [TYPE_UINT32] = 4,   [TYPE_INT32] = 4,
					 [TYPE_UINT64] = 8, [TYPE_UINT128] = 16, [TYPE_BOOL] = 1};

	if (exact[item->type] != 0 && item->size != exact[item->type])
		return fail(walk, offset, "a floating point number has a wrong size");
	if (most[item->type] != 0 && item->size > most[item->type])
		return fail(walk, offset, "a number is larger than its type");
	return true;
}

/* The head of the item at `at`, which is no pointer. */
static bool item_head(struct walk *walk, uint32_t offset, struct item *item)
{
	const struct mmdb_section *section = walk->section;
	uint32_t at = offset;
	uint8_t control;
	unsigned type;

	if (at >= section->size)
		return fail(walk, offset, "an item lies past the end");
	control = section->at[at++];
	type = control >> 5;
	if (type == 0) {
		if (at >= section->size)
			return fail(walk, offset, "an item's type lies past the end");
		type = 7u + section->at[at++];
	}
	if (type < TYPE_TEXT || type > TYPE_FLOAT || type == TYPE_CONTAINER || type == TYPE_END)
		return fail(walk, offset, "an item of no known type");
	item->type = (enum type)type;
	item->size = control & 31;
	if (item->size > 28 && !long_size(walk, &at, &item->size))
		return false;
	item->start = item->end = at;
	if (!check_size(walk, item, offset))
		return false;
	if (type == TYPE_BOOL || type == TYPE_MAP || type == TYPE_ARRAY)
		return true;
	if (section->size - at < item->size)
		return fail(walk, offset, "an item's bytes lie past the end");
	item->end = at + item->size;
	return true;
}

/* The item at *at, through one pointer if it is one; *at moves behind what stands there, but for a
 * map's or an array's content that is not behind a pointer: then *inline_out. */
static bool item_next(struct walk *walk, uint32_t *at, struct item *item, bool *inline_out)
{
	uint32_t target;

	if (*walk->section->budget == 0)
		return fail(walk, *at, "it holds more items than a file of its size can mean");
	--*walk->section->budget;
	if (*at >= walk->section->size)
		return fail(walk, *at, "an item lies past the end");
	*inline_out = walk->section->at[*at] >> 5 != TYPE_POINTER;
	if (*inline_out) {
		if (!item_head(walk, *at, item))
			return false;
		*at = item->end;
		return true;
	}
	uint8_t control = walk->section->at[(*at)++];
	return pointer(walk, control, at, &target) && item_head(walk, target, item);
}

static const struct name_rule *find_rule(enum place in, const uint8_t *name, uint32_t len)
{
	if (in == IN_OTHER)
		return NULL;
	for (size_t i = 0; i < sizeof(name_rules) / sizeof(name_rules[0]); i++) {
		const struct name_rule *rule = &name_rules[i];

		/* MaxMind's flat databases (ASN, Anonymous IP) have at the top what others have in
		 * traits. */
		if ((rule->in == in || (in == IN_TOP && rule->in == IN_TRAITS)) &&
		    rule->len == len && memcmp(rule->name, name, len) == 0)
			return rule;
	}
	return NULL;
}

static double real(const uint8_t *at, enum type type)
{
	uint64_t bits = big_endian(at, type == TYPE_DOUBLE ? 8 : 4);
	uint32_t half = (uint32_t)bits;
	double number;
	float single;

	if (type == TYPE_DOUBLE) {
		memcpy(&number, &bits, sizeof(number));
		return number;
	}
	memcpy(&single, &half, sizeof(single));
	return (double)single;
}

static bool keep_scalar(struct walk *walk, enum slot slot, const struct item *item)
{
	const uint8_t *at = walk->section->at + item->start;
	struct scalar *scalar = &walk->slots[slot];

	if (slot == SLOT_NONE || scalar->type != 0)
		return true;
	scalar->type = item->type;
	switch (item->type) {
	case TYPE_TEXT:
		scalar->text = (struct mr_slice){(const char *)at, item->size};
		if (!mr_utf8_valid(scalar->text.at, scalar->text.len))
			return fail(walk, item->start, "a text is not UTF-8");
		break;
	case TYPE_DOUBLE:
	case TYPE_FLOAT:
		scalar->number = real(at, item->type);
		break;
	case TYPE_UINT16:
	case TYPE_UINT32:
	case TYPE_UINT64:
		scalar->integer = big_endian(at, item->size);
		break;
	case TYPE_BOOL:
		scalar->integer = item->size;
		break;
	default:
		scalar->type = 0;
	}
	return true;
}

static bool read_content(struct walk *walk, const struct item *item, enum place in, uint32_t *at,
			 unsigned depth);

/* One value: a scalar is kept in `slot`, a map or an array is gone through as `in`. */
static bool read_value(struct walk *walk, uint32_t *at, enum place in, enum slot slot,
		       unsigned depth)
{
	struct item item;
	bool stands_here;
	uint32_t from = *at;
	uint32_t inner;

	if (depth > DEPTH_MAX)
		return fail(walk, *at, "items are nested too deeply");
	if (!item_next(walk, at, &item, &stands_here))
		return false;
	/* libmaxminddb 1.7.1 refuses it too, but forgets the list of them. */
	if (in == IN_LANGUAGE && item.type != TYPE_TEXT)
		return fail(walk, from, "a language is no text");
	if (item.type != TYPE_MAP && item.type != TYPE_ARRAY)
		return keep_scalar(walk, slot, &item);
	inner = item.start;
	return read_content(walk, &item, in, stands_here ? at : &inner, depth);
}

static bool read_map(struct walk *walk, const struct item *map, enum place in, uint32_t *at,
		     unsigned depth)
{
	for (uint32_t i = 0; i < map->size; i++) {
		const struct name_rule *rule;
		struct item key;
		bool stands_here;

		if (!item_next(walk, at, &key, &stands_here))
			return false;
		if (key.type != TYPE_TEXT)
			return fail(walk, *at, "a map's key is no text");
		rule = find_rule(in, walk->section->at + key.start, key.size);
		if (!read_value(walk, at, rule == NULL ? IN_OTHER : rule->next,
				rule == NULL ? SLOT_NONE : rule->slot, depth + 1))
			return false;
	}
	return true;
}

static bool read_content(struct walk *walk, const struct item *item, enum place in, uint32_t *at,
			 unsigned depth)
{
	if (item->type == TYPE_MAP)
		return read_map(walk, item, in, at, depth);
	for (uint32_t i = 0; i < item->size; i++) {
		enum place next = IN_OTHER;

		if (in == IN_SUBDIVISIONS && i == 0)
			next = IN_SUBDIVISION;
		if (in == IN_LANGUAGES)
			next = IN_LANGUAGE;
		if (!read_value(walk, at, next, SLOT_NONE, depth + 1))
			return false;
	}
	return true;
}

static bool is_letter(char byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static bool set_country(struct geo_facts *facts, const struct scalar *scalar)
{
	if (scalar->type != TYPE_TEXT || scalar->text.len != 2 || !is_letter(scalar->text.at[0]) ||
	    !is_letter(scalar->text.at[1]))
		return false;
	facts->country[0] = (char)(scalar->text.at[0] & ~0x20);
	facts->country[1] = (char)(scalar->text.at[1] & ~0x20);
	return true;
}

/* ISO 3166-2 where the database gives the parts of it, else the region as it calls it. */
static void set_region(struct geo_facts *facts, const struct scalar *slots)
{
	const struct scalar *code = &slots[SLOT_SUBDIVISION];

	if (code->type != TYPE_TEXT)
		code = &slots[SLOT_REGION_CODE];
	if (code->type == TYPE_TEXT && code->text.len > 0 && code->text.len <= 8) {
		bool whole =
		    facts->country[0] == 0 || memchr(code->text.at, '-', code->text.len) != NULL;
		size_t at = 0;

		if (!whole) {
			memcpy(facts->region_text, facts->country, 2);
			facts->region_text[2] = '-';
			at = 3;
		}
		memcpy(facts->region_text + at, code->text.at, code->text.len);
		facts->region = (struct mr_slice){facts->region_text, at + code->text.len};
	} else if (slots[SLOT_REGION].type == TYPE_TEXT) {
		facts->region = slots[SLOT_REGION].text;
	}
}

/* Some publishers write numbers as text. */
static bool coordinate(const struct scalar *scalar, double limit, double *out)
{
	char text[32];
	char *end;

	if (scalar->type == TYPE_DOUBLE || scalar->type == TYPE_FLOAT) {
		*out = scalar->number;
	} else if (scalar->type == TYPE_TEXT && scalar->text.len > 0 &&
		   scalar->text.len < sizeof(text)) {
		memcpy(text, scalar->text.at, scalar->text.len);
		text[scalar->text.len] = 0;
		*out = strtod(text, &end);
		if (end != text + scalar->text.len)
			return false;
	} else {
		return false;
	}
	return isfinite(*out) && fabs(*out) <= limit;
}

static uint32_t as_number(const struct scalar *scalar)
{
	struct mr_slice text = scalar->text;
	int64_t number;

	if (scalar->type == TYPE_UINT16 || scalar->type == TYPE_UINT32 ||
	    scalar->type == TYPE_UINT64)
		return scalar->integer <= UINT32_MAX ? (uint32_t)scalar->integer : 0;
	if (scalar->type != TYPE_TEXT)
		return 0;
	if (text.len > 2 && (text.at[0] | 0x20) == 'a' && (text.at[1] | 0x20) == 's') {
		text.at += 2;
		text.len -= 2;
	}
	return mr_parse_int64(text, &number) && number > 0 && number <= UINT32_MAX
		   ? (uint32_t)number
		   : 0;
}

static bool is_true(const struct scalar *scalar)
{
	if (scalar->type == TYPE_TEXT)
		return mr_slice_eq(scalar->text, MR_SLICE("true")) ||
		       mr_slice_eq(scalar->text, MR_SLICE("1"));
	return scalar->type == TYPE_BOOL && scalar->integer != 0;
}

static uint8_t anonymity(const struct scalar *slots)
{
	static const struct {
		enum slot slot;
		uint8_t flags;
	} meaning[] = {
	    {SLOT_ANONYMOUS, GEO_ANONYMOUS},
	    {SLOT_VPN, GEO_VPN | GEO_ANONYMOUS},
	    {SLOT_TOR, GEO_TOR | GEO_ANONYMOUS},
	    {SLOT_HOSTING, GEO_HOSTING}, /* alone, a data centre hides nobody */
	    {SLOT_PUBLIC_PROXY, GEO_PUBLIC_PROXY | GEO_ANONYMOUS},
	    {SLOT_RESIDENTIAL_PROXY, GEO_RESIDENTIAL_PROXY | GEO_ANONYMOUS},
	};
	unsigned flags = 0;

	for (size_t i = 0; i < sizeof(meaning) / sizeof(meaning[0]); i++) {
		if (is_true(&slots[meaning[i].slot]))
			flags |= meaning[i].flags;
	}
	if (slots[SLOT_CONFIDENCE].type != 0)
		flags |= GEO_ANONYMOUS;
	return (uint8_t)flags;
}

/* Texts past this say nothing to a person; the table's pool counts lengths in two bytes. */
static struct mr_slice bounded_text(const struct scalar *scalar)
{
	bool usable = scalar->type == TYPE_TEXT && scalar->text.len <= 1024;

	return usable ? scalar->text : (struct mr_slice){NULL, 0};
}

static bool gather(const struct scalar *slots, struct geo_facts *facts)
{
	*facts = (struct geo_facts){0};
	if (!set_country(facts, &slots[SLOT_COUNTRY]) &&
	    !set_country(facts, &slots[SLOT_COUNTRY_CODE]))
		set_country(facts, &slots[SLOT_COUNTRY_TEXT]);
	facts->city = bounded_text(&slots[SLOT_CITY]);
	set_region(facts, slots);
	if (facts->region.len > 1024)
		facts->region.len = 0;
	facts->has_point = coordinate(&slots[SLOT_LATITUDE], 90, &facts->latitude) &&
			   coordinate(&slots[SLOT_LONGITUDE], 180, &facts->longitude);
	facts->asn = as_number(&slots[SLOT_ASN]);
	facts->as_name = bounded_text(&slots[SLOT_AS_NAME]);
	facts->flags = anonymity(slots);
	return facts->country[0] != 0 || facts->city.len > 0 || facts->region.len > 0 ||
	       facts->has_point || facts->asn != 0 || facts->as_name.len > 0 || facts->flags != 0;
}

const char *mmdb_data_read(const struct mmdb_section *section, uint32_t offset,
			   struct geo_facts *facts, bool *any_out, uint32_t *bad_out)
{
	struct walk walk = {.section = section};
	uint32_t at = offset;
	bool any = false;

	if (!read_value(&walk, &at, facts == NULL ? IN_METADATA : IN_TOP, SLOT_NONE, 0)) {
		*bad_out = walk.bad;
		return walk.wrong;
	}
	if (facts != NULL)
		any = gather(walk.slots, facts);
	if (any_out != NULL)
		*any_out = any;
	return NULL;
}
