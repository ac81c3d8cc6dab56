/* inhand.c - the page of the record in hand, and the records that are passed over.
 *
 * Called by supervisor_start.c and suspects.c, by worker.c, and by stage_io.c for each record.
 * Fails with MR_NO_SPACE where there is no memory for a page, MR_PROTOCOL where a table is no page.
 */
#include "inhand.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct mr_inhand) <= MR_INHAND_BYTES, "one page");

static volatile struct mr_inhand *map(int fd)
{
	void *at = mmap(NULL, MR_INHAND_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

enum mr_err mr_inhand_make(volatile struct mr_inhand **page_out, int *fd_out,
			   struct mr_error *error)
{
	int fd = memfd_create(MR_INHAND_TABLE, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, MR_INHAND_BYTES) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
	    (*page_out = map(fd)) == NULL) {
		mr_error_errno(error, MR_NO_SPACE, "cannot make a page for a worker");
		if (fd >= 0)
			close(fd);
		return MR_NO_SPACE;
	}
	(*page_out)->last_call = -1;
	*fd_out = fd;
	return MR_OK;
}

enum mr_err mr_inhand_map(int fd, size_t size_bytes, volatile struct mr_inhand **page_out,
			  struct mr_error *error)
{
	struct stat about;
	if (size_bytes != MR_INHAND_BYTES || fstat(fd, &about) != 0 ||
	    about.st_size != MR_INHAND_BYTES)
		return mr_error_set(error, MR_PROTOCOL, "control: a page that is not one");
	*page_out = map(fd);
	return *page_out != NULL ? MR_OK
				 : mr_error_errno(error, MR_NO_SPACE,
						  "cannot map the page of the record in hand");
}

void mr_inhand_unmap(volatile struct mr_inhand *page)
{
	if (page != NULL)
		munmap((void *)(uintptr_t)page, MR_INHAND_BYTES);
}

/* ---- places ---- */

void mr_aside_fini(struct mr_aside *aside)
{
	free(aside->places);
	free(aside->stretches);
	*aside = (struct mr_aside){0};
}

int mr_place_compare(const struct mr_place *a, const struct mr_place *b)
{
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	if (a->position != b->position)
		return a->position < b->position ? -1 : 1;
	return 0;
}

/* How many places stand before this one. */
static uint32_t rank(const struct mr_aside *aside, const struct mr_place *place)
{
	uint32_t low = 0, high = aside->place_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (mr_place_compare(&aside->places[middle], place) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool stands_at(const struct mr_aside *aside, uint32_t at, const struct mr_place *place)
{
	return at < aside->place_count && mr_place_compare(&aside->places[at], place) == 0;
}

void mr_aside_add(struct mr_aside *aside, const struct mr_place *place)
{
	uint32_t at = rank(aside, place);
	if (stands_at(aside, at, place))
		return;
	aside->places =
	    mr_realloc(aside->places, (aside->place_count + 1u) * sizeof *aside->places);
	memmove(&aside->places[at + 1], &aside->places[at],
		(aside->place_count - at) * sizeof *aside->places);
	aside->places[at] = *place;
	aside->place_count++;
}

void mr_aside_copy(struct mr_aside *to, const struct mr_aside *from)
{
	for (uint32_t i = 0; i < from->place_count; i++)
		mr_aside_add(to, &from->places[i]);
}

bool mr_aside_has(const struct mr_aside *aside, const struct mr_origin *origin)
{
	const struct mr_place place = {
	    .source = origin->source, .partition = origin->partition, .position = origin->position};
	return stands_at(aside, rank(aside, &place), &place);
}

static bool overlaps(const struct mr_stretch *stretch, const struct mr_region *region)
{
	if (stretch->first.source != stretch->last.source ||
	    stretch->first.partition != stretch->last.partition)
		return true;
	return stretch->first.source == region->source &&
	       stretch->first.partition == region->partition &&
	       stretch->first.position < region->position + region->length &&
	       stretch->last.position >= region->position;
}

bool mr_aside_suspects(const struct mr_aside *aside, const struct mr_region *region)
{
	for (uint32_t i = 0; i < aside->stretch_count; i++) {
		if (overlaps(&aside->stretches[i], region))
			return true;
	}
	return false;
}

/* ---- to bytes and back ---- */

static void encode_place(const struct mr_place *place, struct mr_buf *out)
{
	mr_pack_array(out, 4);
	mr_pack_uint(out, place->source);
	mr_pack_uint(out, place->partition);
	mr_pack_uint(out, place->position);
	mr_pack_uint(out, place->length);
}

static struct mr_place decode_place(struct mr_unpack *in)
{
	struct mr_place place = {0};
	mr_unpack_array_of(in, 4);
	place.source = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	place.partition = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	place.position = mr_unpack_uint(in, UINT64_MAX);
	place.length = mr_unpack_uint(in, UINT64_MAX);
	return place;
}

void mr_aside_encode(const struct mr_aside *aside, struct mr_buf *out)
{
	mr_pack_array(out, 2);
	mr_pack_array(out, aside->place_count);
	for (uint32_t i = 0; i < aside->place_count; i++)
		encode_place(&aside->places[i], out);
	mr_pack_array(out, aside->stretch_count);
	for (uint32_t i = 0; i < aside->stretch_count; i++) {
		mr_pack_array(out, 2);
		encode_place(&aside->stretches[i].first, out);
		encode_place(&aside->stretches[i].last, out);
	}
}

enum mr_err mr_aside_decode(struct mr_slice bytes, struct mr_aside *out, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	*out = (struct mr_aside){0};
	mr_unpack_array_of(&in, 2);
	size_t places = mr_unpack_array(&in, UINT32_MAX);
	for (size_t i = 0; i < places && !in.bad; i++) {
		struct mr_place place = decode_place(&in);
		mr_aside_add(out, &place);
	}
	size_t stretches = mr_unpack_array(&in, UINT32_MAX);
	out->stretches = mr_calloc(stretches, sizeof *out->stretches);
	for (; out->stretch_count < stretches && !in.bad; out->stretch_count++) {
		struct mr_stretch *stretch = &out->stretches[out->stretch_count];
		mr_unpack_array_of(&in, 2);
		stretch->first = decode_place(&in);
		stretch->last = decode_place(&in);
	}
	if (mr_unpack_done(&in))
		return MR_OK;
	mr_aside_fini(out);
	return mr_error_set(error, MR_BAD_INPUT,
			    "the list of records that are set aside is broken");
}
