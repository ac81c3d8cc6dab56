/* tenant_random.c - every choice of the synthetic tenant, from its seed. */
#include <math.h>

#include "tenant.h"

uint64_t tenant_mix(uint64_t a, uint64_t b)
{
	uint64_t z = a + 0x9e3779b97f4a7c15u * (b + 1);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t tenant_next(struct tenant_random *random)
{
	return tenant_mix(random->state++, 0x6d696c6c72616365u);
}

uint32_t tenant_below(struct tenant_random *random, uint32_t below)
{
	return (uint32_t)((tenant_next(random) >> 32) * below >> 32);
}

double tenant_unit(struct tenant_random *random)
{
	return (double)(tenant_next(random) >> 11) * 0x1p-53;
}

uint32_t tenant_zipf(struct tenant_random *random, uint32_t count, double s)
{
	double power = 1 - s;
	double top = pow((double)count + 1, power) - 1;
	double x = pow(1 + tenant_unit(random) * top, 1 / power) - 1;
	uint32_t rank = (uint32_t)x;
	return rank < count ? rank : count - 1;
}

void tenant_guid(uint64_t a, uint64_t b, char out[37])
{
	uint64_t words[2] = {tenant_mix(a, b), tenant_mix(b, a + 1)};
	char hex[33];
	mr_hex((const uint8_t *)words, sizeof words, hex);
	snprintf(out, 37, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 13, hex + 17,
		 hex + 20);
}
