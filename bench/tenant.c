/* tenant.c - the generator's main: one synthetic day of a large tenant, written to a folder.
 *
 *     millrace-tenant [--seed N] [--users N] [--events N] [--profile realistic|hostile] --out DIR
 *
 * writes records.ndjson, people.ndjson (for `millrace identity import`), city.mmdb, asn.mmdb,
 * networks.txt and truth.json. Exit status 0 done, 1 a file can't be written, 2 wrong options. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

#include "tenant.h"

#define DAY_US 86400000000LL
#define DAY_BEGINS_US 1772409600000000LL /* Monday, 2026-03-02T00:00:00Z */

struct options {
	uint64_t seed;
	uint32_t users;
	uint64_t events;
	bool hostile;
	const char *out;
};

static const char *const agents[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36 Edg/124.0.2478.51",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.4.1 Mobile/15E148 Safari/604.1",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17425; Pro)",
    "Outlook-Android/2.0",
    "OneDriveMpc-Transform_Thumbnail/1.0",
};
static const struct {
	const char *id;
	const char *name;
} apps[] = {
    {"d3590ed6-52b3-4102-aeff-aad2292ab01c", "Microsoft Office"},
    {"1fec8e78-bce4-4aaf-ab1b-5451cc387264", "Microsoft Teams"},
    {"9199bf20-a13f-4107-85dc-02114787ef48", "One Outlook Web"},
    {"27922004-5251-4030-b22d-91ecd9a37ea4", "Outlook Mobile"},
    {"ab9b8c07-8f02-4f72-87fa-80105867a763", "OneDrive Sync Engine"},
    {"08e18876-6177-487e-b8b5-cf950c1e598c", "SharePoint Online Web Client"},
};

/* Of 1000 events, so many fall into each hour (UTC): a working day of many time zones. */
static const uint32_t rhythm[24] = {18, 20, 22, 28, 34, 40, 52, 66, 72, 70, 66, 58,
				    60, 64, 62, 56, 48, 40, 32, 26, 20, 16, 14, 16};

static int64_t time_of_day(double share)
{
	double left = share * 1000;
	uint32_t hour = 0;
	while (hour < 23 && left >= rhythm[hour])
		left -= rhythm[hour++];
	double within = left / rhythm[hour];
	return (int64_t)(((double)hour + (within < 1 ? within : 0.999999)) * 3600e6);
}

/* At home or in the office mostly; one in 200 travels that day. */
static uint32_t address_of(const struct tenant_places *places, const struct tenant_person *person,
			   bool at_home, struct tenant_random *random)
{
	uint64_t choice = tenant_mix(places->seed + 41, person->number);
	if (person->number >= 1000 && choice % 200 == 0 && !at_home) {
		uint32_t city = tenant_city_abroad(person->city, choice >> 8);
		return tenant_address_in(places, city, choice);
	}
	uint32_t which = tenant_below(random, 4);
	return tenant_address_in(places, person->city, tenant_mix(choice, which));
}

struct day {
	const struct options *options;
	const struct tenant_places *places;
	const struct tenant_attacks *attacks;
	uint32_t planted; /* the next to go out */
	struct tenant_random random;
	struct mr_buf out;
	FILE *file;
};

static void flush(struct day *day)
{
	fwrite(day->out.data, 1, day->out.len, day->file);
	day->out.len = 0;
}

/* The template that a choice falls on. */
static const struct tenant_template *template_of(uint64_t choice)
{
	static uint32_t total;
	if (total == 0) {
		for (uint32_t i = 0; i < tenant_template_count; i++)
			total += tenant_templates[i].weight;
	}
	uint32_t left = (uint32_t)(choice % total);
	uint32_t at = 0;
	while (left >= tenant_templates[at].weight)
		left -= tenant_templates[at++].weight;
	return &tenant_templates[at];
}

static void one_event(struct day *day, int64_t time_us)
{
	struct tenant_random *random = &day->random;
	struct tenant_person person;
	struct tenant_person other;
	uint32_t number = day->options->hostile ? tenant_below(random, day->options->users)
						: tenant_zipf(random, day->options->users, 0.6);
	tenant_person(day->options->seed, number, &person);
	tenant_person(day->options->seed, (number * 7919u + 13) % day->options->users, &other);
	uint32_t app = tenant_below(random, sizeof apps / sizeof apps[0]);
	const struct tenant_template *template = template_of(tenant_next(random));
	struct tenant_scene scene = {
	    .random = random,
	    .person = &person,
	    .other = &other,
	    .time_us = time_us,
	    .address = address_of(day->places, &person, template->at_home, random),
	    .agent = agents[tenant_mix(number, app) % (sizeof agents / sizeof agents[0])],
	    .app_id = apps[app].id,
	    .app_name = apps[app].name,
	    .word = "",
	};
	if (day->options->hostile) {
		/* A name that nobody had before and an address from anywhere; the person's other
		 * ids are one of all, each as likely. */
		snprintf(person.upn, sizeof person.upn, "x%016llx@" TENANT_DOMAIN,
			 (unsigned long long)tenant_next(random));
		scene.address = (uint32_t)tenant_next(random);
	}
	tenant_render(template->form, &scene, &day->out);
	if (day->out.len > 1 << 20)
		flush(day);
}

/* Records arrive a little out of order: each up to five minutes behind its time. */
static bool write_records(struct day *day, const char *path)
{
	day->file = fopen(path, "we");
	if (day->file == NULL)
		return false;
	for (uint64_t i = 0; i < day->options->events; i++) {
		int64_t now = DAY_BEGINS_US + time_of_day((double)i / (double)day->options->events);
		while (day->planted < day->attacks->count &&
		       day->attacks->items[day->planted].time_us <= now) {
			struct mr_slice record = day->attacks->items[day->planted++].record;
			mr_buf_add(&day->out, record.at, record.len);
		}
		one_event(day, now - (int64_t)tenant_below(&day->random, 300) * 1000000);
	}
	while (day->planted < day->attacks->count) {
		struct mr_slice record = day->attacks->items[day->planted++].record;
		mr_buf_add(&day->out, record.at, record.len);
	}
	flush(day);
	bool good = !ferror(day->file);
	return fclose(day->file) == 0 && good;
}

static bool write_networks(const char *path)
{
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return false;
	fputs("# the company's own networks: CIDR, name, kind\n"
	      "198.51.100.0/24 \"Data centre\" egress\n"
	      "203.0.113.0/24 \"Remote access\" vpn\n",
	      file);
	return fclose(file) == 0;
}

static uint64_t number_of(const char *option, const char *text, uint64_t min, uint64_t max)
{
	int64_t number;
	if (!mr_parse_int64(mr_slice(text), &number) || number < (int64_t)min ||
	    (uint64_t)number > max) {
		fprintf(stderr,
			"millrace-tenant: --%s: \"%s\" is not a whole number from %llu to %llu\n",
			option, text, (unsigned long long)min, (unsigned long long)max);
		exit(2);
	}
	return (uint64_t)number;
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option known[] = {
	    {"seed", required_argument, NULL, 's'},    {"users", required_argument, NULL, 'u'},
	    {"events", required_argument, NULL, 'e'},  {"out", required_argument, NULL, 'o'},
	    {"profile", required_argument, NULL, 'p'}, {0},
	};
	struct options options = {.seed = 1, .users = 1500000, .events = 1000000};
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 's')
			options.seed = number_of("seed", optarg, 0, UINT32_MAX);
		else if (option == 'u')
			options.users = (uint32_t)number_of("users", optarg, 100000, 100000000);
		else if (option == 'e')
			options.events = number_of("events", optarg, 1, 10000000000);
		else if (option == 'o')
			options.out = optarg;
		else if (option == 'p' &&
			 (strcmp(optarg, "hostile") == 0 || strcmp(optarg, "realistic") == 0))
			options.hostile = optarg[0] == 'h';
		else {
			fprintf(stderr,
				"millrace-tenant: wrong option; see the top of bench/tenant.c\n");
			exit(2);
		}
	}
	if (options.out == NULL || optind != argc) {
		fprintf(stderr, "millrace-tenant: --out DIR is needed, and nothing besides\n");
		exit(2);
	}
	return options;
}

static void must(bool good, const char *path)
{
	if (good)
		return;
	fprintf(stderr, "millrace-tenant: %s: %s\n", path, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	struct tenant_places places;
	tenant_places_init(&places, options.seed);
	struct tenant_attacks attacks;
	tenant_attacks_init(&attacks, &places, options.seed, options.users, DAY_BEGINS_US);
	struct day day = {.options = &options,
			  .places = &places,
			  .attacks = &attacks,
			  .random = {tenant_mix(options.seed, 51)}};

	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/people.ndjson", options.out);
	must(tenant_write_people(options.seed, options.users, path), path);
	snprintf(path, sizeof path, "%s/city.mmdb", options.out);
	must(tenant_write_city_db(&places, path), path);
	snprintf(path, sizeof path, "%s/asn.mmdb", options.out);
	must(tenant_write_asn_db(&places, path), path);
	snprintf(path, sizeof path, "%s/networks.txt", options.out);
	must(write_networks(path), path);
	snprintf(path, sizeof path, "%s/records.ndjson", options.out);
	must(write_records(&day, path), path);
	snprintf(path, sizeof path, "%s/truth.json", options.out);
	must(tenant_write_truth(&attacks, path), path);

	mr_buf_fini(&day.out);
	tenant_attacks_fini(&attacks);
	tenant_places_fini(&places);
	return 0;
}
