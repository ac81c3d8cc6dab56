/* decode_foreign.c - well-known files that hold records in no form that is read here: told by their
 * magic, and refused with what to do.
 *
 * Used by input.c. They would pass for lines of rubbish. What in an archive is a record is known to
 * whoever unpacks it. */
#include "decode.h"

#define FOLDER "unpack it and name the folder it was unpacked to"
#define PACK "decompress it first; plain, gzip and zstd are read"
#define ROWS "its records are to be written as NDJSON first"
#define UTF32 "this is text in UTF-32: save it as UTF-8 first; UTF-8 and UTF-16 are read"

struct magic {
	size_t at; /* no line end stands before it */
	struct mr_slice bytes;
	const char *reason;
};

#define MAGIC(at, bytes, reason)                                                                   \
	{                                                                                          \
		at, {bytes, sizeof(bytes) - 1}, reason                                             \
	}
/* What text could hold too has a byte more that text never holds, where the format has one: a
 * record of somebody's choice must not hide those behind it. */
static const struct magic magics[] = {
    MAGIC(0, "PK\x03\x04",
	  "this is a zip archive, as .xlsx files are: unzip it and name the folder, or save the "
	  "sheet as CSV"),
    MAGIC(0, "PK\x05\x06", "this is a zip archive with nothing in it"),
    MAGIC(0, "7z\xbc\xaf\x27\x1c", "this is a 7z archive: " FOLDER),
    MAGIC(0, "BZh", "this is compressed by bzip2: " PACK),
    MAGIC(0, "\xfd\x37zXZ\0", "this is compressed by xz: " PACK),
    MAGIC(0, "PAR1", "this is a Parquet file: " ROWS),
    MAGIC(
	0, "ElfFile\0",
	"this is a Windows event log (EVTX): write its events out as JSON, one on a line, such as "
	"with evtx_dump -o jsonl"),
    MAGIC(0, "Obj\x01", "this is an Avro file: " ROWS),
    MAGIC(0, "\xff\xfe\0\0", UTF32),
    MAGIC(0, "\0\0\xfe\xff", UTF32),
    MAGIC(257, "ustar\0", "this is a tar archive: " FOLDER),   /* POSIX.1-2017, pax, ustar */
    MAGIC(257, "ustar  \0", "this is a tar archive: " FOLDER), /* GNU tar */
};

#define HEAD_MAX (257 + 8) /* the end of the last */

static enum mr_probe probe_for(const struct magic *magic, struct mr_slice head, bool whole)
{
	size_t before = head.len < magic->at ? head.len : magic->at;
	size_t len = head.len - before < magic->bytes.len ? head.len - before : magic->bytes.len;

	if (memchr(head.at, '\n', before) != NULL ||
	    memcmp(head.at + before, magic->bytes.at, len) != 0)
		return MR_PROBE_NO;
	if (len == magic->bytes.len)
		return MR_PROBE_YES;
	return whole ? MR_PROBE_NO : MR_PROBE_MORE;
}

/* The magic that the head has, or NULL. */
static const struct magic *find(struct mr_slice head, bool whole, bool *more_out)
{
	*more_out = false;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		enum mr_probe answer = probe_for(&magics[i], head, whole);

		if (answer == MR_PROBE_YES)
			return &magics[i];
		*more_out |= answer == MR_PROBE_MORE;
	}
	return NULL;
}

static enum mr_probe probe(struct mr_slice head, bool whole)
{
	bool more;

	if (find(head, whole, &more) != NULL)
		return MR_PROBE_YES;
	return more ? MR_PROBE_MORE : MR_PROBE_NO;
}

const char *mr_decode_foreign_reason(struct mr_slice head)
{
	bool more;
	const struct magic *magic = find(head, true, &more);

	return magic ? magic->reason : NULL;
}

struct foreign {
	struct mr_decode_sink *sink;
	uint64_t offset;
	char head[HEAD_MAX];
	size_t len;
	bool told;
};

static void open(void *state, struct mr_decode_sink *sink, uint64_t offset)
{
	struct foreign *foreign = state;

	foreign->sink = sink;
	foreign->offset = offset;
}

static void feed(void *state, const char *bytes, size_t len)
{
	struct foreign *foreign = state;
	size_t room = HEAD_MAX - foreign->len;
	const struct magic *magic;
	bool more;

	if (foreign->told)
		return;
	if (len > room)
		len = room;
	memcpy(foreign->head + foreign->len, bytes, len);
	foreign->len += len;
	magic = find((struct mr_slice){foreign->head, foreign->len}, false, &more);
	if (magic == NULL)
		return;
	foreign->sink->ops->damage(foreign->sink, foreign->offset, magic->reason);
	foreign->told = true;
}

static void finish(void *state, const char *cut)
{
	(void)state;
	(void)cut;
}

const struct mr_decoder_ops mr_decode_foreign = {
    .name = "foreign",
    .state_size = sizeof(struct foreign),
    .probe = probe,
    .open = open,
    .feed = feed,
    .finish = finish,
};
