/* decode_csv.c - the CSV export of the Purview audit search: the record is in the column AuditData.
 *
 * Used by input.c. RFC 4180 with what spreadsheets do to it: the columns in any order and their
 * heads in any case, comma, semicolon or tab between fields, line breaks and doubled quotes inside
 * quotes, CRLF or LF. A quote inside a field that does not start with one is text.
 *
 * A first line `#TYPE …` or `sep=;` is passed over.
 *
 * Every quoted field is given to the sink as if it were a record, and dropped where it was none: so
 * a quote that is never closed sets aside all that it swallowed. Where a quote at a line's start is
 * followed by text, it cannot have closed a field: the field before was cut short, and the line is
 * read as a new row.
 *
 * A row that has no record is set aside as it stands in the file, and so is a broken one, where it
 * is no longer than ROW_MAX; of longer ones the first so many bytes, or all from the broken field
 * on. What was fed is copied only where a row goes on in the next piece, or is set aside. */
#include "decode.h"

#include <stdio.h>
#include <strings.h>

#define HEAD_MAX (64 << 10) /* a longer first line is no head */
#define ROW_MAX (16 << 10)  /* of a row that is kept as it stands */
#define NAME_MAX_LEN 64     /* of a column's name that is looked at */
#define COLUMN "AuditData"

enum where {
	ROW,    /* a row may start */
	FIELD,  /* a field starts */
	PLAIN,  /* in a field without quotes */
	QUOTED, /* in a field with quotes */
	QUOTE,  /* behind a quote in it */
	LOST    /* looking for the next line */
};

struct csv {
	struct mr_decode_sink *sink;
	uint64_t offset; /* of the byte in hand */
	uint64_t line;   /* from 1 */
	uint64_t row_line;
	uint64_t row_offset;
	enum where where;
	bool head;     /* the first row has not ended */
	bool preamble; /* and this line is not that row */
	bool refused;  /* the head has no such column: all is set aside */
	bool begun;
	bool line_start; /* QUOTE: the quote stood at a line's start */
	bool has_text;   /* the field in hand is not blank */
	bool seen;       /* this row has had a record */
	char delimiter;
	char last;
	uint32_t column; /* from 0 */
	uint32_t wanted;
	bool found;
	uint32_t name_len;
	char name[NAME_MAX_LEN];
	char reason[320];
	const char *piece; /* that is being fed */
	uint64_t piece_offset;
	uint64_t kept_to; /* up to there the row has been kept, as far as it fits */
	size_t row_len;
	char row[ROW_MAX];
};

/* ---- the head ---- */

static bool is_wanted(const char *name, size_t len)
{
	struct mr_slice bare = mr_trim((struct mr_slice){name, len});
	return bare.len == sizeof(COLUMN) - 1 && strncasecmp(bare.at, COLUMN, bare.len) == 0;
}

static bool is_name_byte(char byte)
{
	unsigned char c = (unsigned char)byte;

	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c >= 0x80 || (c != 0 && strchr(" _-./()#", c) != NULL);
}

/* One field of a first line: behind it, or SIZE_MAX where it cannot be a column's name. */
static size_t skip_name(struct mr_slice line, size_t at, struct mr_slice *name_out)
{
	bool quoted = at < line.len && line.at[at] == '"';
	size_t start = quoted ? at + 1 : at;
	size_t end = start;

	while (end < line.len && is_name_byte(line.at[end]))
		end++;
	*name_out = (struct mr_slice){line.at + start, end - start};
	if (!quoted)
		return end;
	return end < line.len && line.at[end] == '"' ? end + 1 : SIZE_MAX;
}

static bool is_delimiter(char byte)
{
	return byte == ',' || byte == ';' || byte == '\t';
}

/* A line of names, at least two, or the one that is wanted. */
static bool is_head(struct mr_slice line)
{
	char delimiter = 0;
	size_t at = 0;
	size_t count = 0;

	while (line.len > 0 && (line.at[line.len - 1] == '\r' || line.at[line.len - 1] == ' '))
		line.len--;
	for (;;) {
		struct mr_slice name;

		at = skip_name(line, at, &name);
		if (at == SIZE_MAX || (count == 0 && name.len == 0))
			return false;
		count++;
		if (at == line.len)
			return count > 1 || is_wanted(name.at, name.len);
		if (delimiter == 0 && is_delimiter(line.at[at]))
			delimiter = line.at[at];
		if (line.at[at] != delimiter || delimiter == 0)
			return false;
		at++;
	}
}

/* A line that Windows PowerShell's Export-Csv or Excel puts before the head, by its first field. */
static bool is_preamble(struct mr_slice text)
{
	static const char type[] = "#TYPE ", separator[] = "sep=";

	return (text.len >= sizeof(type) - 1 &&
		strncasecmp(text.at, type, sizeof(type) - 1) == 0) ||
	       (text.len >= sizeof(separator) - 1 &&
		strncasecmp(text.at, separator, sizeof(separator) - 1) == 0);
}

static enum mr_probe probe(struct mr_slice head, bool whole)
{
	size_t start = 0;
	const char *newline;

	if (is_preamble(head) && (newline = memchr(head.at, '\n', head.len)) != NULL)
		start = (size_t)(newline - head.at);
	while (start < head.len && (head.at[start] == '\n' || head.at[start] == '\r'))
		start++;
	head.at += start;
	head.len -= start;
	if (head.len == 0)
		return whole ? MR_PROBE_NO : MR_PROBE_MORE;
	if (head.at[0] != '"' && !is_name_byte(head.at[0]))
		return MR_PROBE_NO;
	newline = memchr(head.at, '\n', head.len);
	if (!newline && !whole)
		return head.len < HEAD_MAX ? MR_PROBE_MORE : MR_PROBE_NO;
	if (newline)
		head.len = (size_t)(newline - head.at);
	return is_head(head) ? MR_PROBE_YES : MR_PROBE_NO;
}

/* ---- reading ---- */

static void begin(struct csv *csv, uint64_t offset)
{
	csv->sink->ops->begin(csv->sink, offset);
	csv->begun = true;
}

static void refuse(struct csv *csv, const char *reason)
{
	if (csv->begun)
		csv->sink->ops->refuse(csv->sink, MR_REJECT_BROKEN_ROW, reason);
	csv->begun = false;
}

/* The row's bytes before `end`, none of which is needed in the piece any more. */
static void keep_row(struct csv *csv, uint64_t end)
{
	if (end <= csv->kept_to)
		return;
	size_t room = ROW_MAX - csv->row_len;
	uint64_t len = end - csv->kept_to;
	size_t take = len < room ? (size_t)len : room;

	memcpy(csv->row + csv->row_len, csv->piece + (csv->kept_to - csv->piece_offset), take);
	csv->row_len += take;
	csv->kept_to = end;
}

/* The row up to `end`, as it stands, in place of what has begun. */
static void refuse_row(struct csv *csv, uint64_t end, const char *reason)
{
	uint64_t len = end - csv->row_offset;

	keep_row(csv, end);
	if (csv->begun)
		csv->sink->ops->drop(csv->sink);
	begin(csv, csv->row_offset);
	csv->sink->ops->add(csv->sink, csv->row, len < csv->row_len ? len : csv->row_len);
	if (len > csv->row_len)
		csv->sink->ops->skip(csv->sink, len - csv->row_len);
	refuse(csv, reason);
}

/* What a broken quote has swallowed may be far longer than a row, and all of it has begun. */
static void refuse_broken(struct csv *csv, uint64_t end, const char *reason)
{
	if (csv->begun && end - csv->row_offset <= ROW_MAX)
		refuse_row(csv, end, reason);
	else
		refuse(csv, reason);
}

static bool is_record_field(const struct csv *csv)
{
	return !csv->head && csv->found && csv->column == csv->wanted;
}

/* Text of the field in hand. */
static void text(struct csv *csv, const char *bytes, size_t len)
{
	csv->has_text = csv->has_text || mr_trim((struct mr_slice){bytes, len}).len > 0;
	if (csv->begun)
		csv->sink->ops->add(csv->sink, bytes, len);
	if (csv->head) {
		size_t room = NAME_MAX_LEN - csv->name_len;
		size_t take = len < room ? len : room;

		memcpy(csv->name + csv->name_len, bytes, take);
		csv->name_len += (uint32_t)take;
	}
}

static void end_field(struct csv *csv)
{
	if (csv->head && csv->column == 0)
		csv->preamble = is_preamble((struct mr_slice){csv->name, csv->name_len});
	if (csv->head && !csv->found && is_wanted(csv->name, csv->name_len)) {
		csv->found = true;
		csv->wanted = csv->column;
	}
	csv->name_len = 0;
	if (is_record_field(csv))
		csv->seen = csv->has_text;
	csv->has_text = false;
	if (csv->begun && is_record_field(csv))
		csv->sink->ops->end(csv->sink);
	else if (csv->begun)
		csv->sink->ops->drop(csv->sink);
	csv->begun = false;
	csv->column++;
}

/* All that follows the head is set aside: nothing says where the records are. */
static void refuse_file(struct csv *csv)
{
	snprintf(
	    csv->reason, sizeof(csv->reason),
	    "line %llu, column 1: the head of this CSV file names %u columns and none is " COLUMN
	    "; the audit search's export has Identity, CreationDate, RecordType, Operations, "
	    "UserIds and " COLUMN,
	    (unsigned long long)csv->row_line, csv->column);
	csv->sink->ops->damage(csv->sink, csv->row_offset, csv->reason);
	begin(csv, csv->offset + 1);
	csv->refused = true;
}

static void refuse_without_record(struct csv *csv)
{
	snprintf(csv->reason, sizeof(csv->reason), "line %llu: the row has no " COLUMN " field",
		 (unsigned long long)csv->row_line);
	refuse_row(csv, csv->offset, csv->reason);
}

static void end_row(struct csv *csv)
{
	end_field(csv);
	csv->where = ROW;
	if (csv->preamble) {
		csv->preamble = csv->found = false;
		csv->delimiter = 0;
	} else if (csv->head) {
		csv->head = false;
		if (!csv->found)
			refuse_file(csv);
	} else if (!csv->seen) {
		refuse_without_record(csv);
	}
}

static void begin_row(struct csv *csv, uint64_t offset)
{
	csv->row_line = csv->line;
	csv->row_offset = offset;
	csv->kept_to = offset;
	csv->row_len = 0;
	csv->column = 0;
	csv->seen = false;
	csv->where = FIELD;
}

static void step_field(struct csv *csv, char byte, const char *at)
{
	if (csv->delimiter == 0 && is_delimiter(byte))
		csv->delimiter = byte;
	if (byte == '\n') {
		end_row(csv);
	} else if (csv->delimiter != 0 && byte == csv->delimiter) {
		end_field(csv);
		csv->where = FIELD;
	} else if (csv->where == FIELD && byte == '"') {
		begin(csv, csv->offset + 1);
		csv->where = QUOTED;
	} else {
		if (csv->where == FIELD && is_record_field(csv))
			begin(csv, csv->offset);
		csv->where = PLAIN;
		text(csv, at, 1);
	}
}

/* A quote, then text. */
static void step_broken_quote(struct csv *csv, const char *at)
{
	snprintf(csv->reason, sizeof(csv->reason),
		 csv->line_start ? "line %llu: a quoted field that starts before this line has no "
				   "closing quote"
				 : "line %llu: text behind the closing quote of a field",
		 (unsigned long long)csv->line);
	csv->sink->ops->damage(csv->sink, csv->offset, csv->reason);
	if (csv->line_start) {
		refuse_broken(csv, csv->offset - 1, csv->reason);
		begin_row(csv, csv->offset - 1);
		/* The quote may stand at the end of the piece before. */
		csv->row[csv->row_len++] = '"';
		csv->kept_to = csv->offset;
		begin(csv, csv->offset);
		csv->where = QUOTED;
	} else {
		csv->where = LOST;
	}
	text(csv, at, 1);
}

static void step_quote(struct csv *csv, char byte, const char *at)
{
	if (byte == '"') {
		text(csv, at, 1);
		csv->where = QUOTED;
	} else if (byte == '\n' || (csv->delimiter != 0 && byte == csv->delimiter) ||
		   (csv->delimiter == 0 && is_delimiter(byte))) {
		step_field(csv, byte, at);
	} else if (byte != '\r' && byte != ' ') {
		step_broken_quote(csv, at);
	}
}

static void step(struct csv *csv, const char *at)
{
	char byte = *at;

	switch (csv->where) {
	case ROW:
		if (byte == '\r' || byte == '\n')
			break;
		begin_row(csv, csv->offset);
		step_field(csv, byte, at);
		break;
	case FIELD:
	case PLAIN:
		step_field(csv, byte, at);
		break;
	case QUOTED:
		if (byte == '"') {
			csv->line_start = csv->last == '\n';
			csv->where = QUOTE;
		} else {
			text(csv, at, 1);
		}
		break;
	case QUOTE:
		step_quote(csv, byte, at);
		break;
	case LOST:
		text(csv, at, 1);
		if (byte == '\n') {
			refuse_broken(csv, csv->offset, csv->reason);
			csv->where = ROW;
		}
		break;
	}
	csv->last = byte;
	csv->line += byte == '\n';
	csv->offset++;
}

/* Text of a quoted field up to a line's end, its closing quote or the end of the piece. Gives how
 * many bytes were passed; a doubled quote counts where both lie in the piece. */
static size_t pass_quoted(struct csv *csv, const char *bytes, size_t len)
{
	size_t n = 0;
	size_t run = 0;

	for (;;) {
		while (n < len && bytes[n] != '"' && bytes[n] != '\n')
			n++;
		if (n + 1 >= len || bytes[n] != '"' || bytes[n + 1] != '"')
			break;
		text(csv, bytes + run, n + 1 - run);
		n += 2;
		run = n;
	}
	if (n > run)
		text(csv, bytes + run, n - run);
	return n;
}

static void open(void *state, struct mr_decode_sink *sink, uint64_t offset)
{
	struct csv *csv = state;

	csv->sink = sink;
	csv->offset = offset;
	csv->line = 1;
	csv->head = true;
}

static void feed(void *state, const char *bytes, size_t len)
{
	struct csv *csv = state;

	csv->piece = bytes;
	csv->piece_offset = csv->offset;
	for (size_t i = 0; i < len;) {
		size_t skip = 0;

		if (csv->refused) {
			text(csv, bytes + i, len - i);
			csv->offset += len - i;
			return;
		}
		if (csv->where == QUOTED)
			skip = pass_quoted(csv, bytes + i, len - i);
		if (skip > 0) {
			csv->last = bytes[i + skip - 1];
			csv->offset += skip;
			i += skip;
		} else {
			step(csv, bytes + i);
			i++;
		}
	}
	if (csv->where != ROW)
		keep_row(csv, csv->offset);
}

static void finish(void *state, const char *cut)
{
	struct csv *csv = state;

	if (csv->refused) {
		refuse(csv, csv->reason);
	} else if (csv->where == QUOTED || csv->where == LOST) {
		if (csv->where == QUOTED && !cut) {
			snprintf(csv->reason, sizeof(csv->reason),
				 "line %llu: a quoted field of the row that starts here has no "
				 "closing quote",
				 (unsigned long long)csv->row_line);
			csv->sink->ops->damage(csv->sink, csv->offset, csv->reason);
		}
		refuse_broken(csv, csv->offset, cut && csv->where == QUOTED ? cut : csv->reason);
	} else if (csv->where != ROW && cut) {
		refuse_broken(csv, csv->offset, cut);
	} else if (csv->where != ROW) {
		end_row(csv);
		refuse(csv, csv->reason);
	}
}

/* The head stands in the first part alone. */
static bool resume(void *state, uint64_t offset)
{
	struct csv *csv = state;

	csv->offset = offset;
	csv->where = ROW;
	csv->has_text = false;
	return !csv->head && !csv->refused;
}

const struct mr_decoder_ops mr_decode_csv = {
    .name = "CSV",
    .state_size = sizeof(struct csv),
    .probe = probe,
    .open = open,
    .feed = feed,
    .finish = finish,
    .resume = resume,
};
