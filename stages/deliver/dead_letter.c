/* dead_letter.c - writes rejected records down. Called by deliver.c; fails as where its pieces go.
 */
#include "dead_letter.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "json_out.h"
#include "millrace/alive.h"
#include "millrace/log.h"

#define PIECE_BYTES (48u << 10) /* a multiple of three, for base64 */
#define CHAR_BYTES 4            /* of one character in UTF-8, at most */
#define ESCAPE_BYTES 6          /* of one byte in JSON, at most: \u0001 */

/* The record's bytes, one piece after the other. */
struct pieces {
	const struct mr_files *files;
	uint64_t most;
	const struct mr_reject *reject;
	uint64_t at;
	char *buffer;
	struct mr_error error; /* the file could not be read any further */
};

/* How many of the record's bytes there are: whoever could not keep them all says less in the
 * origin, whose length ends with 32 bits. */
static uint64_t there(const struct mr_reject *reject)
{
	if (reject->bytes.len > 0)
		return reject->bytes.len;
	if (reject->origin.length == UINT32_MAX || reject->origin.length > reject->length)
		return reject->length;
	return reject->origin.length;
}

/* How many of them are written. */
static uint64_t kept(const struct pieces *pieces)
{
	uint64_t all = there(pieces->reject);
	return all < pieces->most ? all : pieces->most;
}

/* Up to `max` more bytes; empty at the end, or where the file could not be read. */
static struct mr_slice next_piece(struct pieces *pieces, size_t max)
{
	const struct mr_reject *reject = pieces->reject;
	mr_alive();
	uint64_t left = kept(pieces) - pieces->at;
	size_t len = left < max ? (size_t)left : max;
	if (reject->bytes.len > 0) {
		struct mr_slice piece = {reject->bytes.at + pieces->at, len};
		pieces->at += len;
		return piece;
	}
	if (len == 0 || pieces->error.code != MR_OK)
		return (struct mr_slice){"", 0};
	if (mr_files_read(pieces->files, reject->origin.partition,
			  reject->origin.position + pieces->at, pieces->buffer, len,
			  &pieces->error) != MR_OK)
		return (struct mr_slice){"", 0};
	pieces->at += len;
	return (struct mr_slice){pieces->buffer, len};
}

/* How many bytes at the end of a piece begin a character that the piece does not end. */
static size_t open_end(struct mr_slice piece)
{
	for (size_t back = 1; back < CHAR_BYTES && back <= piece.len; back++) {
		uint8_t byte = (uint8_t)piece.at[piece.len - back];
		if ((byte & 0xc0) == 0x80)
			continue;
		size_t need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
		return need > back ? back : 0;
	}
	return 0;
}

/* The next piece, cut between two characters. */
static struct mr_slice next_text(struct pieces *pieces)
{
	struct mr_slice piece = next_piece(pieces, PIECE_BYTES);
	size_t open = open_end(piece);
	bool goes_on = piece.len == PIECE_BYTES || kept(pieces) < pieces->reject->length;
	if (goes_on) {
		piece.len -= open;
		pieces->at -= open;
	}
	return piece;
}

static bool is_utf8(struct pieces *pieces)
{
	for (;;) {
		struct mr_slice piece = next_text(pieces);
		if (piece.len == 0)
			return true;
		if (!mr_utf8_valid(piece.at, piece.len))
			return false;
	}
}

/* Whether it is no longer than the most that may be written is in base64. */
static bool fits_escaped(struct pieces *pieces)
{
	if (kept(pieces) <= pieces->most / ESCAPE_BYTES)
		return true;
	struct mr_buf text = {0};
	uint64_t len = 0, room = pieces->most / 3 * 4;
	for (struct mr_slice piece; len <= room && (piece = next_text(pieces)).len > 0;) {
		text.len = 0;
		mr_json_put_string(&text, piece);
		len += text.len - 2;
	}
	mr_buf_fini(&text);
	return len <= room;
}

/* Whether all of it can stand as text. What the disk did not give was not looked at. */
static bool can_be_text(struct pieces pieces, struct mr_error *unread_out)
{
	struct pieces again = pieces;
	bool text = is_utf8(&pieces) && fits_escaped(&again);
	*unread_out = pieces.error.code == MR_IO ? pieces.error : again.error;
	return text && unread_out->code != MR_IO;
}

/* The text without the quotes that mr_json_put_string puts around it. */
static enum mr_err put_text_piece(const struct dead_letter_out *out, struct mr_slice piece,
				  struct mr_error *error)
{
	struct mr_buf text = {0};
	mr_json_put_string(&text, piece);
	struct mr_slice inner = {text.data + 1, text.len - 2};
	enum mr_err err = out->put(out->context, inner, error);
	mr_buf_fini(&text);
	return err;
}

static enum mr_err put_base64_piece(const struct dead_letter_out *out, struct mr_slice piece,
				    struct mr_error *error)
{
	static unsigned char text[(PIECE_BYTES / 3) * 4 + 4 + 1];
	int len = EVP_EncodeBlock(text, (const unsigned char *)piece.at, (int)piece.len);
	struct mr_slice encoded = {(const char *)text, (size_t)len};
	return out->put(out->context, encoded, error);
}

static enum mr_err put_record(const struct dead_letter_out *out, struct pieces *pieces, bool text,
			      struct mr_error *error)
{
	for (;;) {
		struct mr_slice piece = text ? next_text(pieces) : next_piece(pieces, PIECE_BYTES);
		if (piece.len == 0)
			return MR_OK;
		enum mr_err err =
		    text ? put_text_piece(out, piece, error) : put_base64_piece(out, piece, error);
		if (err != MR_OK)
			return err;
	}
}

static enum mr_err put_head(const struct dead_letter_out *out, const struct line_id *id,
			    const struct mr_reject *reject, bool text, struct mr_error *error)
{
	struct mr_buf head = {0};
	char hex[2 * MR_ALERT_ID_BYTES + 1];
	json_begin(&head, NULL, '{');
	if (id != NULL) {
		mr_hex(id->id, MR_ALERT_ID_BYTES, hex);
		json_text(&head, "id", mr_slice(hex));
	}
	json_text(&head, "source", reject->name);
	json_uint(&head, "offset", reject->offset);
	json_uint(&head, "length", reject->length);
	json_text(&head, "reason", reject->reason);
	json_key(&head, text ? "record" : "record_base64");
	mr_buf_add_text(&head, "\"");
	enum mr_err err = out->put(out->context, (struct mr_slice){head.data, head.len}, error);
	mr_buf_fini(&head);
	return err;
}

/* The end of the record, and what kept it from being whole. */
static enum mr_err put_tail(const struct dead_letter_out *out, const struct pieces *pieces,
			    struct mr_error *error)
{
	struct mr_buf tail = {0};
	mr_buf_add_text(&tail, "\"");
	if (pieces->error.code != MR_OK) {
		json_text(&tail, "problem", mr_slice(pieces->error.text));
		mr_log_event(MR_LOG_WARNING, MR_EVENT_RECORD_UNWRITTEN,
			     "a rejected record cannot be written whole: %s", pieces->error.text);
	}
	if (pieces->at < pieces->reject->length)
		json_uint(&tail, "written", pieces->at);
	mr_buf_add_text(&tail, "}\n");
	enum mr_err err = out->put(out->context, (struct mr_slice){tail.data, tail.len}, error);
	mr_buf_fini(&tail);
	return err;
}

static enum mr_err must_be_whole(const struct dead_letter_out *out, const struct mr_error *unread,
				 struct mr_error *error)
{
	if (!out->whole || unread->code != MR_IO)
		return MR_OK;
	return mr_error_set(error, MR_IO, "%s", unread->text);
}

enum mr_err dead_letter_put(const struct dead_letter_out *out, const struct line_id *id,
			    const struct mr_files *files, const struct mr_reject *reject,
			    struct mr_error *error)
{
	struct pieces pieces = {.files = files, .reject = reject, .most = out->most};
	pieces.buffer = mr_malloc(PIECE_BYTES);
	struct mr_error unread = {0};
	bool text = can_be_text(pieces, &unread);
	enum mr_err err = must_be_whole(out, &unread, error);
	if (err == MR_OK)
		err = put_head(out, id, reject, text, error);
	if (err == MR_OK)
		err = put_record(out, &pieces, text, error);
	if (err == MR_OK)
		err = must_be_whole(out, &pieces.error, error);
	if (err == MR_OK)
		err = put_tail(out, &pieces, error);
	free(pieces.buffer);
	return err;
}
