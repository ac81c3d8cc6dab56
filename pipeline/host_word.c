/* host_word.c - the words between supervisors, to bytes and back.
 *
 * Called by host_lead.c and host_follow.c. */
#include "host_word.h"

#include "millrace/batch.h"

#include "codec.h"

static void pack_slice(struct mr_buf *out, const struct mr_buf *part)
{
	mr_pack_bytes(out, (struct mr_slice){part->data, part->len});
}

void mr_host_word_encode(const struct mr_host_word *word, struct mr_buf *out)
{
	mr_pack_array(out, 5);
	mr_pack_uint(out, word->worker);
	mr_pack_uint(out, word->kind);
	mr_pack_uint(out, word->number);
	mr_pack_uint(out, word->other);
	mr_pack_bytes(out, word->bytes);
}

bool mr_host_word_decode(struct mr_slice bytes, struct mr_host_word *out)
{
	struct mr_unpack in = mr_unpack(bytes);
	mr_unpack_array_of(&in, 5);
	out->worker = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	out->kind = (uint32_t)mr_unpack_uint(&in, MR_CONTROL_KIND_END - 1);
	out->number = mr_unpack_uint(&in, UINT64_MAX);
	out->other = mr_unpack_uint(&in, UINT64_MAX);
	out->bytes = mr_unpack_bytes(&in);
	return mr_unpack_done(&in) && out->bytes.len <= MR_CONTROL_BYTES_MAX;
}

void mr_host_hello_encode(const struct mr_host_hello *hello, struct mr_buf *out)
{
	mr_pack_array(out, 4);
	mr_pack_uint(out, MR_HOST_WORD_VERSION);
	mr_pack_uint(out, MR_BATCH_VERSION);
	mr_pack_bytes(out, hello->topology);
	mr_pack_uint(out, hello->set);
}

bool mr_host_hello_decode(struct mr_slice bytes, struct mr_host_hello *out)
{
	struct mr_unpack in = mr_unpack(bytes);
	mr_unpack_array_of(&in, 4);
	if (mr_unpack_uint(&in, UINT32_MAX) != MR_HOST_WORD_VERSION ||
	    mr_unpack_uint(&in, UINT32_MAX) != MR_BATCH_VERSION)
		mr_unpack_spoil(&in);
	out->topology = mr_unpack_bytes(&in);
	out->set = mr_unpack_uint(&in, UINT64_MAX);
	return mr_unpack_done(&in);
}

/* ---- the beginning ---- */

void mr_host_begin_encode(const struct mr_host_begin *begin, struct mr_buf *out)
{
	struct mr_buf part = {0};
	mr_pack_array(out, 6);
	mr_pack_uint(out, begin->incarnation);
	mr_pack_bytes(out, (struct mr_slice){(const char *)begin->seed, sizeof begin->seed});
	mr_pack_int(out, begin->start_us);
	mr_manifest_encode(&begin->last, &part);
	pack_slice(out, &part);
	part.len = 0;
	mr_aside_encode(&begin->aside, &part);
	pack_slice(out, &part);
	mr_pack_bytes(out, begin->names);
	mr_buf_fini(&part);
}

enum mr_err mr_host_begin_decode(struct mr_slice bytes, struct mr_host_begin *out,
				 struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	*out = (struct mr_host_begin){0};
	mr_unpack_array_of(&in, 6);
	out->incarnation = mr_unpack_uint(&in, UINT64_MAX);
	struct mr_slice seed = mr_unpack_bytes(&in);
	if (seed.len == sizeof out->seed)
		memcpy(out->seed, seed.at, sizeof out->seed);
	else
		mr_unpack_spoil(&in);
	out->start_us = mr_unpack_int(&in);
	struct mr_slice last = mr_unpack_bytes(&in);
	struct mr_slice aside = mr_unpack_bytes(&in);
	out->names = mr_unpack_bytes(&in);
	if (mr_unpack_done(&in) && mr_manifest_decode(last, &out->last, NULL) == MR_OK &&
	    mr_aside_decode(aside, &out->aside, NULL) == MR_OK)
		return MR_OK;
	mr_host_begin_fini(out);
	return mr_error_set(error, MR_PROTOCOL, "a beginning that is none");
}

void mr_host_begin_fini(struct mr_host_begin *begin)
{
	mr_manifest_fini(&begin->last);
	mr_aside_fini(&begin->aside);
	*begin = (struct mr_host_begin){0};
}

/* ---- a death ---- */

static void pack_place(struct mr_buf *out, const struct mr_place *place)
{
	mr_pack_uint(out, place->source);
	mr_pack_uint(out, place->partition);
	mr_pack_uint(out, place->position);
	mr_pack_uint(out, place->length);
}

static void unpack_place(struct mr_unpack *in, struct mr_place *out)
{
	out->source = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->partition = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
	out->position = mr_unpack_uint(in, UINT64_MAX);
	out->length = mr_unpack_uint(in, UINT64_MAX);
}

#define DEATH_ITEMS (8 + 3 * 4)

void mr_host_death_encode(const struct mr_host_death *death, struct mr_buf *out)
{
	const struct mr_inhand *page = &death->page;
	mr_pack_array(out, DEATH_ITEMS);
	mr_pack_uint(out, death->worker);
	mr_pack_int(out, death->pid);
	mr_pack_int(out, death->status);
	mr_pack_uint(out, page->what);
	mr_pack_int(out, page->last_call);
	mr_pack_uint(out, page->offset);
	mr_pack_uint(out, page->name);
	mr_pack_uint(out, page->count);
	pack_place(out, &page->record);
	pack_place(out, &page->first);
	pack_place(out, &page->last);
}

bool mr_host_death_decode(struct mr_slice bytes, struct mr_host_death *out)
{
	struct mr_unpack in = mr_unpack(bytes);
	struct mr_inhand *page = &out->page;
	mr_unpack_array_of(&in, DEATH_ITEMS);
	out->worker = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	out->pid = mr_unpack_int(&in);
	out->status = mr_unpack_int(&in);
	page->what = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	page->last_call = (int32_t)mr_unpack_int(&in);
	page->offset = mr_unpack_uint(&in, UINT64_MAX);
	page->name = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	page->count = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	unpack_place(&in, &page->record);
	unpack_place(&in, &page->first);
	unpack_place(&in, &page->last);
	return mr_unpack_done(&in);
}
