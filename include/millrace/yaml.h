/* yaml.h - YAML documents as trees in an arena, with the place of every node.
 *
 * Called by detect for rule files, mapping files and placeholder files, by pipeline/ for topology
 * files. libfyaml reads the events; the trees, the types (YAML 1.2 core schema) and the bounds are
 * ours, so that no file can make a tree that is deeper or, with its aliases followed, larger than
 * the limits below. */
#ifndef MILLRACE_YAML_H
#define MILLRACE_YAML_H

#include "millrace/text.h"

#define MR_YAML_FILE_MAX ((size_t)16 << 20)    /* bytes of a file */
#define MR_YAML_BRACKETS_MAX ((size_t)1 << 20) /* bytes of a document with brackets in it */
#define MR_YAML_DEPTH_MAX 60                   /* containers within containers */
#define MR_YAML_LEVELS_MAX 1000                /* where the rest of the file is not read */
#define MR_YAML_COST_MAX ((uint64_t)32 << 20)  /* bytes of a document, aliases followed */
#define MR_YAML_ANCHORS_MAX 1000
#define MR_YAML_KEYS_MAX 1000       /* keys of a map */
#define MR_YAML_DOCUMENTS_MAX 10000 /* documents of a file */

enum mr_yaml_kind { MR_YAML_SCALAR, MR_YAML_LIST, MR_YAML_MAP };
enum mr_yaml_type { MR_YAML_STRING, MR_YAML_NULL, MR_YAML_BOOL, MR_YAML_NUMBER };

struct mr_yaml {
	enum mr_yaml_kind kind;
	enum mr_yaml_type type; /* scalars */
	bool truth;             /* booleans */
	bool integer;           /* numbers */
	uint8_t indent;         /* from `column` to the first character, where `text` is on one line
				   as written; UINT8_MAX where it is not */
	uint32_t line, column;  /* from 1 */
	struct mr_slice text;   /* scalars, as read */
	struct mr_slice number; /* numbers: shortest decimal form; empty where there is none */
	uint32_t count;
	struct mr_yaml **keys;  /* maps; always scalars, no two of equal text */
	struct mr_yaml **items; /* members, or a map's values */
	uint64_t cost;          /* bytes, aliases followed */
};

/* The first thing wrong with a document, and where. */
struct mr_fault {
	struct mr_slice reason; /* empty: nothing is wrong */
	uint32_t line, column;
};
/* Keeps the first; returns false, so that `return mr_fault_set(...)` reads well. */
bool mr_fault_set(struct mr_arena *arena, struct mr_fault *fault, uint32_t line, uint32_t column,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
static inline bool mr_fault_is(const struct mr_fault *fault)
{
	return fault->reason.len > 0;
}

struct mr_yaml_document {
	struct mr_yaml *root; /* NULL where `fault` is set */
	struct mr_fault fault;
};
struct mr_yaml_documents {
	struct mr_yaml_document *items;
	uint32_t count, capacity;
};

/* All documents of a file; empty ones are left out. A document that breaks one of our rules has a
 * fault and the next follows; text that is no YAML ends the list with a faulty document. Survives
 * any bytes and prints nothing. `text` is borrowed for the call only. */
void mr_yaml_parse(struct mr_arena *arena, struct mr_slice text, struct mr_yaml_documents *out);

/* The place of a key in a map; UINT32_MAX where it is missing or `map` is no map. */
uint32_t mr_yaml_find(const struct mr_yaml *map, struct mr_slice key);
/* A map's value, or NULL where the key is missing or `map` is no map. */
struct mr_yaml *mr_yaml_get(const struct mr_yaml *map, const char *key);
/* The key's own node, for its place. */
struct mr_yaml *mr_yaml_key(const struct mr_yaml *map, const char *key);
bool mr_yaml_is(const struct mr_yaml *scalar, const char *text);
static inline bool mr_yaml_is_string(const struct mr_yaml *node)
{
	return node->kind == MR_YAML_SCALAR && node->type == MR_YAML_STRING;
}
/* "a map", "a list", "a text", "a number", …: for messages. */
const char *mr_yaml_what(const struct mr_yaml *node);

#endif
