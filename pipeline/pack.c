/* pack.c - msgpack items out of and into memory.
 *
 * Called by every codec: headers, signals, alerts, events, the catalog, snapshots. Writing does not
 * fail. Reading never fails either: the first item that is not what was asked for makes the cursor
 * bad, and from then on each call gives zero or empty. */
#include "millrace/pack.h"

#include <assert.h>
#include <msgpack.h>

#include "codec.h"

/* ---- writing ---- */

static inline int write_bytes(void *data, const char *bytes, size_t len)
{
	struct mr_buf *out = data;
	char *room = mr_buf_reserve(out, len);
	memcpy(room, bytes, len);
	out->len += len;
	return 0;
}

static inline msgpack_packer packer_on(struct mr_buf *out)
{
	return (msgpack_packer){out, write_bytes};
}

void mr_pack_any_array(struct mr_buf *out, size_t count)
{
	assert(count <= UINT32_MAX);
	msgpack_packer packer = packer_on(out);
	msgpack_pack_array(&packer, count);
}

void mr_pack_any_uint(struct mr_buf *out, uint64_t number)
{
	msgpack_packer packer = packer_on(out);
	msgpack_pack_uint64(&packer, number);
}

void mr_pack_int(struct mr_buf *out, int64_t number)
{
	msgpack_packer packer = packer_on(out);
	msgpack_pack_int64(&packer, number);
}

void mr_pack_double(struct mr_buf *out, double number)
{
	msgpack_packer packer = packer_on(out);
	msgpack_pack_double(&packer, number);
}

char *mr_pack_any_room(struct mr_buf *out, size_t len)
{
	assert(len <= UINT32_MAX);
	msgpack_packer packer = packer_on(out);
	msgpack_pack_str(&packer, len);
	char *room = mr_buf_reserve(out, len);
	out->len += len;
	return room;
}

/* ---- reading ---- */

static size_t left(const struct mr_unpack *in)
{
	return (size_t)(in->end - in->at);
}

static uint64_t fail(struct mr_unpack *in)
{
	in->bad = true;
	in->at = in->end;
	return 0;
}

/* The type byte of the next item, or -1. */
static int take_type(struct mr_unpack *in)
{
	if (in->bad || in->at == in->end) {
		fail(in);
		return -1;
	}
	return (uint8_t)*in->at++;
}

/* A big-endian number of 1, 2, 4 or 8 bytes. */
static uint64_t take_be(struct mr_unpack *in, size_t width)
{
	if (left(in) < width)
		return fail(in);
	uint64_t number = 0;
	for (size_t i = 0; i < width; i++)
		number = number << 8 | (uint8_t)in->at[i];
	in->at += width;
	return number;
}

size_t mr_unpack_any_array(struct mr_unpack *in, size_t max)
{
	int type = take_type(in);
	uint64_t count = 0;
	if (type >= 0x90 && type <= 0x9f)
		count = (uint64_t)type & 0x0f;
	else if (type == 0xdc)
		count = take_be(in, 2);
	else if (type == 0xdd)
		count = take_be(in, 4);
	else
		fail(in);
	if (count > max || count > left(in))
		fail(in);
	return in->bad ? 0 : (size_t)count;
}

void mr_unpack_array_of(struct mr_unpack *in, size_t count)
{
	if (mr_unpack_array(in, count) != count)
		fail(in);
}

uint64_t mr_unpack_version(struct mr_unpack *in, uint64_t newest, size_t count)
{
	size_t items = mr_unpack_array(in, SIZE_MAX);
	uint64_t version = mr_unpack_uint(in, UINT64_MAX);
	if (version <= newest && items != count)
		fail(in);
	return mr_unpack_ok(in) ? version : 0;
}

/* An integer item in two's complement; *negative_out where it is below zero. */
static uint64_t take_integer(struct mr_unpack *in, bool *negative_out)
{
	int type = take_type(in);
	int64_t number = 0;
	*negative_out = false;
	switch (type) {
	case 0xcc:
		return take_be(in, 1);
	case 0xcd:
		return take_be(in, 2);
	case 0xce:
		return take_be(in, 4);
	case 0xcf:
		return take_be(in, 8);
	case 0xd0:
		number = (int64_t)(take_be(in, 1) ^ 0x80) - 0x80;
		break;
	case 0xd1:
		number = (int16_t)take_be(in, 2);
		break;
	case 0xd2:
		number = (int32_t)take_be(in, 4);
		break;
	case 0xd3:
		number = (int64_t)take_be(in, 8);
		break;
	default:
		if (type >= 0xe0)
			number = type - 0x100;
		else if (type >= 0 && type <= 0x7f)
			number = type;
		else
			return fail(in);
	}
	*negative_out = number < 0;
	return (uint64_t)number;
}

uint64_t mr_unpack_any_uint(struct mr_unpack *in, uint64_t max)
{
	bool negative;
	uint64_t number = take_integer(in, &negative);
	return negative || number > max ? fail(in) : number;
}

int64_t mr_unpack_int(struct mr_unpack *in)
{
	bool negative;
	uint64_t number = take_integer(in, &negative);
	if (!negative && number > INT64_MAX)
		fail(in);
	return in->bad ? 0 : (int64_t)number;
}

bool mr_unpack_any_bool(struct mr_unpack *in)
{
	int type = take_type(in);
	if (type != 0xc2 && type != 0xc3)
		fail(in);
	return type == 0xc3;
}

double mr_unpack_double(struct mr_unpack *in)
{
	if (take_type(in) != 0xcb)
		fail(in);
	uint64_t bits = take_be(in, in->bad ? 0 : 8);
	double number = 0;
	if (!in->bad)
		memcpy(&number, &bits, sizeof(number));
	return number;
}

struct mr_slice mr_unpack_any_bytes(struct mr_unpack *in)
{
	int type = take_type(in);
	uint64_t len = 0;
	if (type >= 0xa0 && type <= 0xbf)
		len = (uint64_t)type & 0x1f;
	else if (type == 0xd9 || type == 0xc4)
		len = take_be(in, 1);
	else if (type == 0xda || type == 0xc5)
		len = take_be(in, 2);
	else if (type == 0xdb || type == 0xc6)
		len = take_be(in, 4);
	else
		fail(in);
	if (len > left(in))
		fail(in);
	if (in->bad)
		return (struct mr_slice){"", 0};
	struct mr_slice bytes = {in->at, (size_t)len};
	in->at += len;
	return bytes;
}

enum mr_err mr_unpack_item_end(const struct mr_unpack *in, struct mr_slice bytes, size_t *at,
			       const char *what, struct mr_error *error)
{
	if (!mr_unpack_ok(in))
		return mr_error_set(error, MR_BAD_INPUT,
				    "the %s at byte %zu of %zu does not decode", what, *at,
				    bytes.len);
	*at = bytes.len - (size_t)(in->end - in->at);
	return MR_OK;
}
