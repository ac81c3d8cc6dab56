/* record.h - the record behind a piece of evidence, read again and proved to be the same. */
#ifndef MILLRACE_DELIVER_RECORD_H
#define MILLRACE_DELIVER_RECORD_H

#include "millrace/alert.h"
#include "millrace/file.h"
#include "millrace/json.h"

/* Of documents of one shape (json.h) each can be embedded, or none. */
struct record_shape {
	uint64_t number; /* 0: none */
	bool fits;
};

struct record_reader {
	const struct mr_files *files;
	struct mr_json_reader *json;
	struct record_shape *shapes; /* by slot */
	size_t max_json_bytes;
	struct mr_buf buf;
	struct mr_buf repaired;
};

struct record {
	struct mr_slice bytes;  /* empty where it cannot be shown; until the next fetch */
	bool json;              /* one valid JSON object that is not nested too deep to embed: the
				 * record itself or, where that is none, its repaired text */
	struct mr_slice source; /* name of the original, for a person */
	uint64_t offset;        /* in it */
	char problem[512];      /* why it cannot be shown; empty where it can */
};

void record_reader_init(struct record_reader *reader, const struct mr_files *files,
			size_t max_json_bytes);
void record_reader_fini(struct record_reader *reader);
/* Reads, compares the hash, validates. What is wrong is said in `problem` and logged. */
void record_fetch(struct record_reader *reader, const struct mr_evidence *evidence,
		  struct record *out);

#endif
