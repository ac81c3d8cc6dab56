/* geoip_cells.c - ranges of IPv4 addresses into cells and blocks.
 *
 * Called by geoip_build.c in the supervisor. A range is given by its length, as the ranges come in
 * order and without gaps: nothing is written twice, nor read again. Pages of nothing stay holes in
 * the file. MR_NO_SPACE where the memory or the blocks end. */
#include "geoip_cells.h"

#include "sealed.h"

#define CELL_ADDRESSES 256u
#define BLOCKS_MAX (UINT32_C(1) << 24)

void geoip_cells_init(struct geoip_cells *cells, int fd)
{
	cells->fd = fd;
	cells->block_count = cells->place_count = 0;
	cells->cells.offset = GEOIP_CELLS_AT;
	cells->blocks.offset = GEOIP_BLOCKS_AT;
	cells->cells.count = cells->blocks.count = 0;
	cells->cells.any = cells->blocks.any = false;
}

static enum mr_err stream_flush(struct geoip_stream *stream, int fd, struct mr_error *error)
{
	size_t bytes = stream->count * sizeof(stream->numbers[0]);
	enum mr_err err = MR_OK;

	if (stream->any)
		err = sealed_write(fd, stream->numbers, bytes, stream->offset, error);
	stream->offset += bytes;
	stream->count = 0;
	stream->any = false;
	return err;
}

/* Most runs are short and of no foreseeable length: eight are set at once, the last of which may
 * lie behind the run. */
static void set_run(uint32_t *at, uint32_t count, uint32_t number)
{
	uint32_t step[GEOIP_STREAM_STEP];

	for (uint32_t i = 0; i < GEOIP_STREAM_STEP; i++)
		step[i] = number;
	for (uint32_t i = 0; i < count; i += GEOIP_STREAM_STEP)
		memcpy(at + i, step, sizeof(step));
}

static enum mr_err stream_put_many(struct geoip_stream *stream, int fd, uint64_t count,
				   uint32_t number, struct mr_error *error)
{
	enum mr_err err = MR_OK;

	while (count > 0 && err == MR_OK) {
		uint32_t room = GEOIP_STREAM_NUMBERS - stream->count;
		uint32_t now = count < room ? (uint32_t)count : room;

		set_run(stream->numbers + stream->count, now, number);
		stream->count += now;
		stream->any |= number != 0;
		count -= now;
		if (stream->count == GEOIP_STREAM_NUMBERS)
			err = stream_flush(stream, fd, error);
	}
	return err;
}

/* Most networks are a cell or a few: such a one takes 30 instructions, and 78 through the loop. */
static inline enum mr_err stream_put(struct geoip_stream *stream, int fd, uint64_t count,
				     uint32_t number, struct mr_error *error)
{
	if (count > GEOIP_STREAM_STEP || stream->count + count >= GEOIP_STREAM_NUMBERS)
		return stream_put_many(stream, fd, count, number, error);
	set_run(stream->numbers + stream->count, GEOIP_STREAM_STEP, number);
	stream->count += (uint32_t)count;
	stream->any |= count > 0 && number != 0;
	return MR_OK;
}

/* Sixteen numbers as one: the number that all of them are, or the block that holds them. */
static enum mr_err pack(struct geoip_cells *cells, const uint32_t *numbers, uint32_t *out,
			struct mr_error *error)
{
	enum mr_err err = MR_OK;

	*out = numbers[0];
	if (memcmp(numbers, numbers + 1, (GEOIP_BLOCK - 1) * sizeof(numbers[0])) == 0)
		return MR_OK;
	if (cells->block_count == BLOCKS_MAX)
		return mr_error_set(
		    error, MR_NO_SPACE,
		    "more small IPv4 networks than the GeoIP table can hold; leave a database out");
	for (unsigned i = 0; i < GEOIP_BLOCK && err == MR_OK; i++)
		err = stream_put(&cells->blocks, cells->fd, 1, numbers[i], error);
	*out = GEOIP_LINK | cells->block_count++;
	return err;
}

static enum mr_err put_mixed(struct geoip_cells *cells, struct mr_error *error)
{
	uint32_t packed[GEOIP_BLOCK];
	uint32_t cell;
	enum mr_err err = MR_OK;

	for (unsigned i = 0; i < GEOIP_BLOCK && err == MR_OK; i++)
		err = pack(cells, cells->places + (size_t)i * GEOIP_BLOCK, &packed[i], error);
	if (err == MR_OK)
		err = pack(cells, packed, &cell, error);
	cells->place_count = 0;
	return err == MR_OK ? stream_put(&cells->cells, cells->fd, 1, cell, error) : err;
}

/* Into the cell in hand as many as it takes. */
static enum mr_err put_part(struct geoip_cells *cells, uint64_t *count, uint32_t place,
			    struct mr_error *error)
{
	while (*count > 0 && cells->place_count < CELL_ADDRESSES) {
		cells->places[cells->place_count++] = place;
		--*count;
	}
	return cells->place_count == CELL_ADDRESSES ? put_mixed(cells, error) : MR_OK;
}

enum mr_err geoip_cells_put(struct geoip_cells *cells, uint64_t count, uint32_t place,
			    struct mr_error *error)
{
	enum mr_err err = MR_OK;

	if (cells->place_count > 0)
		err = put_part(cells, &count, place, error);
	if (err == MR_OK)
		err = stream_put(&cells->cells, cells->fd, count / CELL_ADDRESSES, place, error);
	count %= CELL_ADDRESSES;
	return err == MR_OK && count > 0 ? put_part(cells, &count, place, error) : err;
}

enum mr_err geoip_cells_finish(struct geoip_cells *cells, struct mr_error *error)
{
	enum mr_err err = stream_flush(&cells->cells, cells->fd, error);

	return err == MR_OK ? stream_flush(&cells->blocks, cells->fd, error) : err;
}
