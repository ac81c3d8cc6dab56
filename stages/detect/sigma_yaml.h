/* sigma_yaml.h - YAML documents as trees in an arena, with the place of every node.
 *
 * Called by sigma_load.c for rule files, mapping files and placeholder files. libfyaml reads the
 * events; the trees, the types (YAML 1.2 core schema) and the bounds are ours, so that no file can
 * make a tree that is deeper or, with its aliases followed, larger than the limits below. */
#ifndef MILLRACE_DETECT_SIGMA_YAML_H
#define MILLRACE_DETECT_SIGMA_YAML_H

#include "millrace/text.h"

#define SIGMA_YAML_FILE_MAX ((size_t)16 << 20)    /* bytes of a file */
#define SIGMA_YAML_BRACKETS_MAX ((size_t)1 << 20) /* bytes of a document with brackets in it */
#define SIGMA_YAML_DEPTH_MAX 60                   /* containers within containers */
#define SIGMA_YAML_LEVELS_MAX 1000                /* where the rest of the file is not read */
#define SIGMA_YAML_COST_MAX ((uint64_t)32 << 20)  /* bytes of a document, aliases followed */
#define SIGMA_YAML_ANCHORS_MAX 1000
#define SIGMA_YAML_KEYS_MAX 1000       /* keys of a map */
#define SIGMA_YAML_DOCUMENTS_MAX 10000 /* documents of a file */

enum sigma_yaml_kind { SIGMA_YAML_SCALAR, SIGMA_YAML_LIST, SIGMA_YAML_MAP };
enum sigma_yaml_type { SIGMA_YAML_STRING, SIGMA_YAML_NULL, SIGMA_YAML_BOOL, SIGMA_YAML_NUMBER };

struct sigma_yaml {
	enum sigma_yaml_kind kind;
	enum sigma_yaml_type type; /* scalars */
	bool truth;                /* booleans */
	bool integer;              /* numbers */
	uint8_t indent;         /* from `column` to the first character, where `text` is on one line
				   as written; UINT8_MAX where it is not */
	uint32_t line, column;  /* from 1 */
	struct mr_slice text;   /* scalars, as read */
	struct mr_slice number; /* numbers: shortest decimal form; empty where there is none */
	uint32_t count;
	struct sigma_yaml **keys;  /* maps; always scalars, no two of equal text */
	struct sigma_yaml **items; /* members, or a map's values */
	uint64_t cost;             /* bytes, aliases followed */
};

/* The first thing wrong with a document, and where. */
struct sigma_fault {
	struct mr_slice reason; /* empty: nothing is wrong */
	uint32_t line, column;
};
/* Keeps the first; returns false, so that `return sigma_fault_set(...)` reads well. */
bool sigma_fault_set(struct mr_arena *arena, struct sigma_fault *fault, uint32_t line,
		     uint32_t column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static inline bool sigma_fault_is(const struct sigma_fault *fault)
{
	return fault->reason.len > 0;
}

struct sigma_document {
	struct sigma_yaml *root; /* NULL where `fault` is set */
	struct sigma_fault fault;
};
struct sigma_documents {
	struct sigma_document *items;
	uint32_t count, capacity;
};

/* All documents of a file; empty ones are left out. A document that breaks one of our rules has a
 * fault and the next follows; text that is no YAML ends the list with a faulty document. Survives
 * any bytes and prints nothing. `text` is borrowed for the call only. */
void sigma_yaml_parse(struct mr_arena *arena, struct mr_slice text, struct sigma_documents *out);

/* A map's value, or NULL where the key is missing or `map` is no map. */
struct sigma_yaml *sigma_yaml_get(const struct sigma_yaml *map, const char *key);
/* The key's own node, for its place. */
struct sigma_yaml *sigma_yaml_key(const struct sigma_yaml *map, const char *key);
bool sigma_yaml_is(const struct sigma_yaml *scalar, const char *text);
static inline bool sigma_yaml_is_string(const struct sigma_yaml *node)
{
	return node->kind == SIGMA_YAML_SCALAR && node->type == SIGMA_YAML_STRING;
}
/* "a map", "a list", "a text", "a number", …: for messages. */
const char *sigma_yaml_what(const struct sigma_yaml *node);
/* `over` with what it lacks from `under`, maps within maps likewise; both stay as they are. */
struct sigma_yaml *sigma_yaml_merge(struct mr_arena *arena, struct sigma_yaml *under,
				    struct sigma_yaml *over);
/* 128 bits of SHA-256 over the tree's meaning, in hexadecimal. */
struct mr_slice sigma_yaml_hash(struct mr_arena *arena, const struct sigma_yaml *root);

#endif
