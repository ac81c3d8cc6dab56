/* manifest.h - what one checkpoint consists of.
 *
 * A checkpoint is whole once its manifest stands under its name in the state directory: the rename
 * is the commitment (PROTOCOL.md 4.4). The two newest are kept. */
#ifndef MILLRACE_MANIFEST_H
#define MILLRACE_MANIFEST_H

#include "chain_state.h"
#include "inhand.h"
#include "millrace/config.h"

#define MR_MANIFEST_VERSION 4
#define MR_MANIFEST_MAX (64 << 20)
#define MR_LEDGER_HEAD 32
#define MR_SEED_BYTES 16

/* A file of state, and who wrote it. */
struct mr_manifest_file {
	char *group;
	char *stage;
	uint32_t worker; /* which of the group */
	char *host;      /* in whose state directory it lies; empty: in the manifest's own */
	struct mr_file_sum sum;
};
/* A number that stays with its name for as long as the state directory lives. */
struct mr_manifest_name {
	uint32_t number;
	char *name;
};

struct mr_manifest {
	uint64_t number; /* of the barrier */
	int64_t at_us;   /* wall clock */
	uint64_t cpu_ns; /* that the workers spent on it */
	struct mr_marks marks;
	struct mr_manifest_file *files;
	uint32_t file_count;
	struct mr_manifest_name *sources; /* all that there ever were */
	uint32_t source_count;
	struct mr_manifest_name *names; /* of files that records lie in (file.h); in a
					    manifest of names alone (file_numbers_kept.c) */
	uint32_t name_count;
	uint8_t ledger_head[MR_LEDGER_HEAD];
	struct mr_aside aside; /* records that workers died of; no stretches */
	/* Since version 2. */
	bool has_seed;
	uint8_t seed[MR_SEED_BYTES]; /* the state directory's: state holds hashes under it */
	uint32_t numbers;            /* of files, that state may speak of */
	/* Since version 4. */
	uint64_t generation; /* of rules and databases (generation.h) that judges what comes
				behind it; 0: not known */
	uint64_t made_by;    /* the one that judged what is before it */
	bool drained;        /* the service ended with it, and none has begun since */
};
/* Accepts zeroed memory. */
void mr_manifest_fini(struct mr_manifest *manifest);
/* Copies what it is given. */
void mr_manifest_add_file(struct mr_manifest *manifest, const struct mr_manifest_file *file);
void mr_manifest_add_name(struct mr_manifest_name **names, uint32_t *count, uint32_t number,
			  const char *name);
/* Gives each source of the settings the number that it had, by its name, or the next. MR_CONFIG
 * where the state directory of this path would have had too many. The manifest stays as it is
 * until the settings come in force: */
enum mr_err mr_manifest_number_sources(const struct mr_manifest *manifest, const char *state,
				       struct mr_config *config, struct mr_error *error);
/* Adds those that it does not know to the sources that there ever were. */
void mr_manifest_name_sources(struct mr_manifest *manifest, const struct mr_config *config);
/* All but the first so many: what names the others has not come in force. */
void mr_manifest_forget_sources(struct mr_manifest *manifest, uint32_t count);
/* What one checkpoint hands down to the next: sources and seed. */
void mr_manifest_inherit(struct mr_manifest *manifest, const struct mr_manifest *last);

void mr_manifest_encode(const struct mr_manifest *manifest, struct mr_buf *out);
/* Survives any bytes: MR_BAD_INPUT, and `out` is empty; MR_UNSUPPORTED where a newer program wrote
 * it. */
enum mr_err mr_manifest_decode(struct mr_slice bytes, struct mr_manifest *out,
			       struct mr_error *error);

/* The name of the manifest, or of its directory of state files, under the state directory. `out`
 * has MR_MANIFEST_NAME bytes. */
#define MR_MANIFEST_NAME 48
#define MR_MANIFEST_PREFIX "MANIFEST-"
void mr_manifest_path(uint64_t number, char *out);
void mr_manifest_directory(uint64_t number, char *out);
void mr_manifest_file_path(uint64_t number, const struct mr_manifest_file *file, char *out,
			   size_t size);

#endif
