/* geoip.c - the GeoIP enricher: country, city, network operator and anonymity of an address.
 *
 * Called by enrich.c. make turns the databases of setting "geoip" into the table "enrich.geoip",
 * or finds it in the folder of setting "cache"; apply looks all addresses of a set up at once. A
 * database that is missing or damaged ends make with MR_CONFIG and its name. */
#include "geoip.h"
#include "geoip_build.h"
#include "geoip_kept.h"
#include "millrace/own_file.h"
#include "mmdb.h"

#include <stdlib.h>

#define TABLE "enrich.geoip"
/* A table takes 72 MiB of disk, however little is in it: of small databases it is made about as
 * fast as it is read. */
#define KEPT_LEAST_BYTES (8u << 20)
#define AHEAD 8 /* events whose texts are on their way while fields are added to one */

static const mr_field read_fields[] = {MR_F_SRC_IP};

struct databases {
	const char **paths;
	size_t count;
};

static bool fits(void *context, struct mr_slice bytes)
{
	const struct databases *databases = context;

	return geoip_is_of(bytes, databases->paths, databases->count);
}

/* Of large databases, a table that an earlier scan has kept, or one for the next to find. */
static enum mr_err keep_table(const struct mr_config *config, struct databases *databases,
			      struct enrich_made *out, struct mr_error *error)
{
	struct geoip_kept kept = {.folder = mr_config_get(config, "cache", 0)};
	uint64_t bytes;
	bool large = geoip_origin(databases->paths, databases->count, &kept.origin, &bytes) &&
		     bytes >= KEPT_LEAST_BYTES;

	kept.program = mr_slice(mr_config_get(config, "program", 0));
	if (large && geoip_kept_find(&kept, &out->fd, &out->size))
		return MR_OK;
	enum mr_err err =
	    geoip_build(databases->paths, databases->count, &out->fd, &out->size, error);
	if (err == MR_OK && large)
		geoip_kept_put(&kept, out->fd, out->size);
	return err;
}

static enum mr_err make_table(const struct mr_prepare *prepare, struct databases *databases,
			      struct enrich_made *out, struct mr_error *error)
{
	*out = (struct enrich_made){.fd = -1};
	if (prepare->recall != NULL)
		out->hashed = prepare->recall(prepare->config, TABLE, fits, databases, &out->fd,
					      &out->size, &out->hash);
	if (out->hashed)
		return MR_OK;
	if (mr_config_get(prepare->config, "cache", 0) != NULL)
		return keep_table(prepare->config, databases, out, error);
	return geoip_build(databases->paths, databases->count, &out->fd, &out->size, error);
}

static enum mr_err make(const struct mr_prepare *prepare, struct enrich_made *out,
			struct mr_error *error)
{
	size_t count = mr_config_count(prepare->config, "geoip");
	const char **paths = mr_calloc(count, sizeof(*paths));
	enum mr_err err;

	for (size_t i = 0; i < count; i++)
		paths[i] = mr_config_get(prepare->config, "geoip", i);
	err = mr_own_files_check(prepare->config, paths, count, error);
	if (err == MR_OK)
		err = make_table(prepare, &(struct databases){paths, count}, out, error);
	free(paths);
	return err;
}

static enum mr_err open_geoip(void *opaque, const struct mr_stage_env *env, bool *active_out,
			      struct mr_error *error)
{
	struct geoip_table *table = opaque;
	struct mr_slice bytes;
	enum mr_err err = enrich_table(env, TABLE, active_out, &bytes, error);

	if (err != MR_OK || !*active_out)
		return err;
	return geoip_table_open(bytes, table, error);
}

/* Which parts of a place a pass adds fields of: what it leaves out is neither read nor fetched.
 * Rules mostly ask for the country alone: 80 instructions and seven cache lines an event (./run
 * cost). */
struct parts {
	bool country; /* stands in the location itself */
	bool point;   /* all else of a location */
	bool as;
	bool anonymity;
};

static struct parts parts_of(const struct enrich_pass *pass)
{
	static const mr_field point[] = {MR_F_SRC_CITY, MR_F_SRC_REGION, MR_F_SRC_LAT,
					 MR_F_SRC_LONG};
	static const mr_field as[] = {MR_F_SRC_ASN, MR_F_SRC_AS_NAME};
	static const mr_field anonymity[] = {MR_F_SRC_ANONYMOUS, MR_F_SRC_ANONYMITY};

	return (struct parts){
	    .country = pass->adds[MR_F_SRC_COUNTRY],
	    .point = enrich_pass_any(pass, point, sizeof(point) / sizeof(point[0])),
	    .as = enrich_pass_any(pass, as, sizeof(as) / sizeof(as[0])),
	    .anonymity = enrich_pass_any(pass, anonymity, sizeof(anonymity) / sizeof(anonymity[0])),
	};
}

static void add_point(const struct geoip_table *table, const struct enrich_pass *pass,
		      const struct geoip_location *location, struct mr_events *events,
		      struct mr_event *event)
{
	enrich_add_text(pass, events, event, MR_F_SRC_CITY,
			geoip_table_text(table, location->city));
	enrich_add_text(pass, events, event, MR_F_SRC_REGION,
			geoip_table_text(table, location->region));
	if (location->latitude_text != 0 && pass->adds[MR_F_SRC_LAT])
		mr_event_add_double(events, event, MR_F_SRC_LAT, location->latitude,
				    geoip_table_text(table, location->latitude_text));
	if (location->latitude_text != 0 && pass->adds[MR_F_SRC_LONG])
		mr_event_add_double(events, event, MR_F_SRC_LONG, location->longitude,
				    geoip_table_text(table, location->longitude_text));
}

static void add_location(const struct geoip_table *table, const struct enrich_pass *pass,
			 const struct parts *parts, uint32_t number, struct mr_events *events,
			 struct mr_event *event)
{
	const struct geoip_location *location;

	if (number == 0 || number >= table->count[GEOIP_PART_LOCATIONS])
		return;
	location = &table->locations[number];
	if (parts->country && location->country[0] != 0)
		mr_event_add_text(events, event, MR_F_SRC_COUNTRY,
				  (struct mr_slice){location->country, 2});
	if (parts->point)
		add_point(table, pass, location, events, event);
}

static void add_as(const struct geoip_table *table, const struct enrich_pass *pass, uint32_t number,
		   struct mr_events *events, struct mr_event *event)
{
	const struct geoip_as *as;

	if (number == 0 || number >= table->count[GEOIP_PART_AS])
		return;
	as = &table->as[number];
	if (as->number != 0 && pass->adds[MR_F_SRC_ASN]) {
		struct mr_slice text = geoip_table_text(table, as->number_text);
		struct mr_value value = {.text = text.at,
					 .len = (uint32_t)text.len,
					 .num.i = as->number,
					 .type = MR_INT};

		if (text.len > 0)
			mr_event_add(events, event, MR_F_SRC_ASN, &value);
	}
	enrich_add_text(pass, events, event, MR_F_SRC_AS_NAME, geoip_table_text(table, as->name));
}

static void add_anonymity(uint32_t flags, const struct enrich_pass *pass, struct mr_events *events,
			  struct mr_event *event)
{
	static const struct {
		enum geo_flag flag;
		struct mr_slice name;
	} kinds[] = {
#define X(symbol, name) {GEO_##symbol, {name, sizeof name - 1}},
#include "millrace/proxy_type.def"
#undef X
	};

	if (flags == 0)
		return;
	if (flags & GEO_ANONYMOUS)
		enrich_add_bool(pass, events, event, MR_F_SRC_ANONYMOUS, true);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (flags & kinds[i].flag)
			enrich_add_text(pass, events, event, MR_F_SRC_ANONYMITY, kinds[i].name);
	}
}

static void add_place(const struct geoip_table *table, const struct enrich_pass *pass,
		      const struct parts *parts, uint32_t number, struct mr_events *events,
		      struct mr_event *event)
{
	const struct geoip_place *place = &table->places[number];

	if (parts->country || parts->point)
		add_location(table, pass, parts, place->location, events, event);
	if (parts->as)
		add_as(table, pass, place->as, events, event);
	if (parts->anonymity)
		add_anonymity(place->flags, pass, events, event);
}

/* Touch what add_location and add_as will read. */
static void prefetch_place(const struct geoip_table *table, const struct parts *parts,
			   const struct geoip_place *place)
{
	if ((parts->country || parts->point) &&
	    place->location < table->count[GEOIP_PART_LOCATIONS])
		__builtin_prefetch(&table->locations[place->location]);
	if (parts->as && place->as < table->count[GEOIP_PART_AS])
		__builtin_prefetch(&table->as[place->as]);
}

static void prefetch_text(const struct geoip_table *table, uint32_t offset)
{
	if (offset < table->count[GEOIP_PART_TEXTS])
		__builtin_prefetch(table->texts + offset);
}

static void prefetch_texts(const struct geoip_table *table, const struct parts *parts,
			   const struct geoip_place *place)
{
	if (parts->point && place->location < table->count[GEOIP_PART_LOCATIONS]) {
		const struct geoip_location *location = &table->locations[place->location];

		prefetch_text(table, location->city);
		prefetch_text(table, location->region);
		prefetch_text(table, location->latitude_text);
		prefetch_text(table, location->longitude_text);
	}
	if (parts->as && place->as < table->count[GEOIP_PART_AS]) {
		prefetch_text(table, table->as[place->as].number_text);
		prefetch_text(table, table->as[place->as].name);
	}
}

void geoip_apply(const struct geoip_table *table, const struct enrich_pass *pass,
		 struct enrich_set *set)
{
	struct parts parts = parts_of(pass);
	bool texts = parts.point || parts.as;
	bool adds = texts || parts.country || parts.anonymity;
	uint64_t hits = 0;

	geoip_table_find(table, set->addresses, set->count, set->found);
	for (uint32_t i = 0; adds && i < set->count; i++)
		prefetch_place(table, &parts, &table->places[set->found[i]]);
	for (uint32_t i = 0; i < set->count; i++) {
		hits += set->found[i] != 0;
		if (texts && i + AHEAD < set->count)
			prefetch_texts(table, &parts, &table->places[set->found[i + AHEAD]]);
		if (adds && set->found[i] != 0)
			add_place(table, pass, &parts, set->found[i], set->events,
				  enrich_event(set, i));
	}
	mr_count(set->counters, MR_C_GEO_HITS, hits);
}

static void apply(void *opaque, const struct enrich_pass *pass, struct enrich_set *set)
{
	geoip_apply(opaque, pass, set);
}

static void complete(void *opaque, const struct enrich_pass *pass, uint32_t found,
		     struct mr_events *events, struct mr_event *event)
{
	struct parts parts = parts_of(pass);

	if (found != 0)
		add_place(opaque, pass, &parts, found, events, event);
}

const struct mr_enricher mr_enricher_geoip = {
    .name = "geoip",
    .state_size = sizeof(struct geoip_table),
    .setting = "geoip",
    .table = TABLE,
    .reads = read_fields,
    .read_count = sizeof(read_fields) / sizeof(read_fields[0]),
    .make = make,
    .open = open_geoip,
    .apply = apply,
    .complete = complete,
};
