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

struct record {
	struct mr_slice came;   /* its bytes as they came; empty where it cannot be shown */
	struct mr_slice bytes;  /* what is shown of it; likewise */
	bool json;              /* one valid JSON object that is not nested too deep to embed: the
				 * record itself or, where that is none, its repaired text */
	struct mr_slice source; /* name of the original, for a person */
	uint64_t offset;        /* in it */
	char problem[512];      /* why it cannot be shown; empty where it can */
};

/* A record that was read for the alert in hand. */
struct record_kept {
	struct mr_origin origin;
	const char *record; /* where it came with the evidence */
	struct record is;
	struct mr_buf buf;
	struct mr_buf repaired;
};

struct record_reader {
	const struct mr_files *files;
	struct mr_json_reader *json;
	struct record_shape *shapes; /* by slot */
	size_t max_json_bytes;
	struct record_kept kept[MR_EVIDENCE_MAX];
	uint32_t kept_count;
};

void record_reader_init(struct record_reader *reader, const struct mr_files *files,
			size_t max_json_bytes);
void record_reader_fini(struct record_reader *reader);
/* Reads, compares the hash, validates: once, until it is forgotten. What is wrong is said in
 * `problem` and logged. Borrowed until then; at most MR_EVIDENCE_MAX records are kept. */
const struct record *record_fetch(struct record_reader *reader, const struct mr_evidence *evidence);
/* The alert in hand is done. */
void record_forget(struct record_reader *reader);

#endif
