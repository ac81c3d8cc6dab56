/* engine_sound.c - whether the installed libhs finds what is there.
 *
 * Called by detect.c, once at start. Vectorscan 5.4.9, Debian 12's, overlooks some literals in
 * texts of up to 150 bytes, where a database has fewer than a dozen of them (seen on x86-64 with
 * AVX-512; Intel's Hyperscan 5.4.0 finds all). A matcher that overlooks is worse than a slow one:
 * each set below is compiled and looked for where it is known to be, and one text overlooked is
 * enough. */
#include "engine.h"

#include <hs.h>
#include <string.h>

#define LITERALS_MAX 7
#define TEXT_MAX 160
#define ALIGNMENTS 64

/* The last literal of each set stands in the text; vectorscan 5.4.9 overlooks each one. */
static const struct {
	const char *literals[LITERALS_MAX];
	const char *text;
} cases[] = {
    {{"1.5true", "1.50true\xc3\xa4", "5"},
     "2021-01-03t21:13:33z\xff"
     "2001:db8::1\xff"
     "2021-01-03t21:13:33z\xff\xc3\xa4\xff"
     "1969-12-31t05:00:00z\xff"},
    {{"aebe", "eceefcfadd", "dbbcc", "ae", "faacb", "dfbbfeee", "fa"},
     "fgg00ibichc0bhg0c0f0bfgbi0g0fhfa"},
    {{"eebfff", "ccdfdcc", "fe"}, "ghg00idfafi0ddc00bfie0ibefe"},
    {{"aqpngktjtqi", "gfoesnqj", "oshfcoldscgj"},
     "ddtqwtmnrjmh0000orp00if0000kqkemnur0ol0bjdjvw0r0ju00ecoshfcoldscgj0r00vnpre0"},
    {{"ohrhqgnnstqrkqd", "ftanmqocsdqa"},
     "s0q00hu0aj0mcqmvrqtspqp0gag0ufu0p0hnjfe0lg0aag0gd0v0aeuimvftanmqocsdqasocn0fn"},
    {{"gtmqktgmnqg", "tbfdjkma"},
     "kmp0qc0nuheklgp0ahcas00oj0bumjk0up0gv0ghpeo00clc0epj0lgsf0vgudkd0nr0gahn0i0j00ac0k0detbfdjkm"
     "ag0l0tuf"},
};

static int on_hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		  void *context)
{
	(void)from;
	(void)to;
	(void)flags;
	*(unsigned *)context |= 1u << id;
	return 0;
}

/* At each place in a cache line: where a vector begins decides what it sees. */
static bool found_everywhere(const hs_database_t *database, hs_scratch_t *scratch, const char *text,
			     unsigned wanted)
{
	_Alignas(ALIGNMENTS) char room[ALIGNMENTS + TEXT_MAX];
	size_t len = strlen(text);
	for (size_t at = 0; at < ALIGNMENTS; at++) {
		unsigned found = 0;
		memcpy(room + at, text, len);
		if (hs_scan(database, room + at, (unsigned)len, 0, scratch, on_hit, &found) !=
			HS_SUCCESS ||
		    !(found >> wanted & 1))
			return false;
	}
	return true;
}

static bool case_is_found(const char *const literals[], const char *text)
{
	unsigned ids[LITERALS_MAX], flags[LITERALS_MAX], count = 0;
	size_t lens[LITERALS_MAX];
	for (; count < LITERALS_MAX && literals[count] != NULL; count++) {
		ids[count] = count;
		flags[count] = HS_FLAG_SINGLEMATCH;
		lens[count] = strlen(literals[count]);
	}
	hs_database_t *database = NULL;
	hs_compile_error_t *wrong = NULL;
	hs_scratch_t *scratch = NULL;
	bool found = hs_compile_lit_multi(literals, flags, ids, lens, count, HS_MODE_BLOCK, NULL,
					  &database, &wrong) == HS_SUCCESS &&
		     hs_alloc_scratch(database, &scratch) == HS_SUCCESS &&
		     found_everywhere(database, scratch, text, count - 1);
	hs_free_compile_error(wrong);
	hs_free_scratch(scratch);
	hs_free_database(database);
	return found;
}

bool engine_scan_is_sound(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!case_is_found(cases[i].literals, cases[i].text))
			return false;
	return true;
}

const char *engine_scan_version(void)
{
	return hs_version();
}
