/* tenant_people.c - who works there: numbered people with a place, a department, a manager. */
#include "tenant.h"

static const char *const departments[] = {"Research",   "Production", "Sales", "Service",
					  "Purchasing", "Finance",    "Legal", "Human Resources",
					  "Logistics",  "Quality",    "IT",    "Communications"};
static const char *const titles[] = {"Engineer",  "Specialist", "Analyst",    "Manager",
				     "Assistant", "Technician", "Consultant", "Team Lead"};

static uint32_t city_of(uint64_t choice)
{
	static uint32_t total;
	if (total == 0) {
		for (uint32_t city = 0; city < tenant_city_count; city++)
			total += tenant_cities[city].weight;
	}
	uint32_t left = (uint32_t)(choice % total);
	uint32_t city = 0;
	while (left >= tenant_cities[city].weight)
		left -= tenant_cities[city++].weight;
	return city;
}

void tenant_person(uint64_t seed, uint32_t number, struct tenant_person *out)
{
	out->number = number;
	out->city = city_of(tenant_mix(seed + 11, number));
	snprintf(out->upn, sizeof out->upn, "u%07u@" TENANT_DOMAIN, number);
	tenant_guid(seed + 12, number, out->id);
	snprintf(out->puid, sizeof out->puid, "10032000%08X", number);
}

static void write_person(FILE *file, uint64_t seed, uint32_t number)
{
	struct tenant_person person;
	tenant_person(seed, number, &person);
	uint64_t choice = tenant_mix(seed + 13, number);
	const char *department = departments[choice % (sizeof departments / sizeof *departments)];
	const char *title = titles[(choice >> 8) % (sizeof titles / sizeof *titles)];
	bool admin = number % 10000 == 7;
	fprintf(file,
		"{\"id\":\"%s\",\"upn\":\"%s\",\"aliases\":[\"person%u@" TENANT_DOMAIN "\"],"
		"\"puid\":\"%s\",\"display_name\":\"Person %u\",\"department\":\"%s\","
		"\"title\":\"%s\",\"manager\":\"u%07u@" TENANT_DOMAIN "\",\"groups\":[\"All\","
		"\"%s %s\"],\"roles\":[%s],\"privileged\":%s,\"risk\":\"%s\","
		"\"home_country\":\"%s\",\"enabled\":true,\"last_changed\":\"2026-01-%02uT00:00:"
		"00Z\"}\n",
		person.id, person.upn, number, person.puid, number, department, title, number / 12,
		department, tenant_cities[person.city].country,
		admin ? "\"Helpdesk Administrator\"" : "", admin ? "true" : "false",
		choice >> 56 == 0 ? "medium" : "none", tenant_cities[person.city].country,
		1 + number % 28);
}

bool tenant_write_people(uint64_t seed, uint32_t count, const char *path)
{
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return false;
	for (uint32_t number = 0; number < count; number++)
		write_person(file, seed, number);
	bool good = !ferror(file);
	return fclose(file) == 0 && good;
}
