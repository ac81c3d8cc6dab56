/* sigma_build.h - what the parts of the Sigma loader share.
 *
 * Order, all within sigma_load: placeholders are read, then every file's documents
 * (sigma_load.c), then filters (sigma_filter.c), detections (sigma_detection.c and what it calls)
 * and correlations (sigma_correlation.c). A function that finds a fault keeps it in its scope and
 * returns NULL or false; the document is then refused with it. */
#ifndef MILLRACE_DETECT_SIGMA_BUILD_H
#define MILLRACE_DETECT_SIGMA_BUILD_H

#include "sigma.h"
#include "sigma_index.h"
#include "millrace/yaml.h"

#define SIGMA_VALUES_MAX 10000  /* values that one field's list expands to */
#define SIGMA_NODES_MAX 100000  /* nodes of one rule, shared ones counted each time */
#define SIGMA_TESTS_MAX 2000000 /* tests of all rules, those of a filter counted for each rule */
#define SIGMA_NESTING_MAX 100   /* parentheses in a condition */

struct sigma_placeholders {
	struct mr_yaml *map; /* name: [values]; NULL where none are configured */
	struct mr_slice file;
	bool *used;       /* of each name: a rule asks for it */
	uint64_t *hashes; /* of its values, once it is used */
};

struct sigma_reached;
struct sigma_view; /* how one set of record kinds sees a rule: sigma_mapping.h */

/* One load. */
struct sigma_builder {
	struct sigma_set *set;
	struct mr_arena *arena; /* the set's */
	struct mr_fields *fields;
	struct sigma_placeholders placeholders;
	struct sigma_mapping *mapping;      /* once a rule with a logsource asks for it */
	const struct mr_declared *declared; /* what sources say of their records */
	const struct mr_logsource *asked;   /* as in the wishes */
	struct sigma_taxonomy *taxonomy;    /* once a rule asks for it */
	struct sigma_index ids, names;      /* struct sigma_source: detections and correlations */
	uint32_t tests;                     /* made so far, of SIGMA_TESTS_MAX */
	bool labelled;                      /* trees have labels */
	bool lints;                         /* a rule's author wants to know more */
};

/* One document in hand. */
struct sigma_scope {
	struct sigma_builder *load;
	struct mr_arena *arena;
	struct mr_slice file, id;
	struct mr_fault fault;
	const struct sigma_view *view; /* NULL: fields as written */
	uint32_t kinds;                /* of records that the logsource sees; 0: all, or unknown */
	bool again;                    /* compiled once already for another view: warn no more */
	uint32_t tests;                /* made so far, of SIGMA_NODES_MAX */
	struct sigma_reached *reached; /* a rule's and its identifiers': sigma_reach.c */
	struct mr_slice missing;       /* the first placeholder without a value */
	struct mr_fault missing_at;
	uint64_t made; /* as in struct mr_rule */
};

#define SIGMA_AT(node) (node)->line, (node)->column

/* ---- notes and small helpers: sigma_note.c ---- */

void sigma_note_add(struct sigma_builder *load, struct sigma_notes *notes, struct sigma_note note);
void sigma_warn(struct sigma_scope *scope, enum sigma_lint lint, uint32_t line, uint32_t column,
		const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The last warning says why its document, of a filter or not, is without effect. */
void sigma_note_idle(struct sigma_builder *load, bool filter);
/* Sets the scope's fault; false. */
#define sigma_refuse(scope, line, ...)                                                             \
	mr_fault_set((scope)->arena, &(scope)->fault, line, __VA_ARGS__)
/* Warns of a name that is nearly a normalised field's: sigma_name.c. */
void sigma_name_lint(struct sigma_scope *scope, uint32_t line, uint32_t column,
		     struct mr_slice name);
/* Books more tests; false, with a fault there, where the rule or all rules have too many. */
bool sigma_tests_add(struct sigma_scope *scope, uint32_t line, uint32_t column, uint32_t count);
/* At most the last 200 bytes of a path: ("%.*s", SIGMA_SHOW_END(slice)). */
#define SIGMA_SHOW_END(slice) sigma_end_len(slice), (slice).at + (slice).len - sigma_end_len(slice)
int sigma_end_len(struct mr_slice text);

/* ---- trees of predicates: sigma_node.c ---- */

struct sigma_nodes {
	struct sigma_node **items;
	uint32_t count, capacity;
};
void sigma_nodes_add(struct mr_arena *arena, struct sigma_nodes *nodes, struct sigma_node *node);
/* AND or OR of one or more; one is itself; the same kind below is flattened, but for labels. */
struct sigma_node *sigma_node_join(struct mr_arena *arena, enum sigma_node_kind kind,
				   const struct sigma_nodes *nodes);
struct sigma_node *sigma_node_pair(struct mr_arena *arena, enum sigma_node_kind kind,
				   struct sigma_node *left, struct sigma_node *right);
/* NOT of NOT is what stands below. */
struct sigma_node *sigma_node_not(struct mr_arena *arena, struct sigma_node *node);
struct sigma_node *sigma_node_leaf(struct mr_arena *arena, const struct sigma_predicate *predicate);
/* The node, which may be NULL, with a label where trees have them. */
struct sigma_node *sigma_node_label(struct sigma_scope *scope, enum sigma_label_kind kind,
				    struct mr_slice text, const struct mr_yaml *at,
				    struct sigma_node *node);
/* Counts nodes, shared ones each time, labels never; stops above `limit`. */
uint64_t sigma_node_size(const struct sigma_node *node, uint64_t limit);

/* ---- text patterns: sigma_pattern.c ---- */

struct sigma_pattern {
	struct sigma_part *parts; /* literals as written, not folded */
	uint32_t count;
};
/* Sigma's wildcards and escapes; appends to `pattern`. */
void sigma_pattern_add(struct mr_arena *arena, struct sigma_pattern *pattern, struct mr_slice text);
void sigma_pattern_add_literal(struct mr_arena *arena, struct sigma_pattern *pattern,
			       struct mr_slice text);
void sigma_pattern_add_any(struct mr_arena *arena, struct sigma_pattern *pattern);
/* As contains, startswith or endswith asks: wildcards at the ends. */
struct sigma_pattern sigma_pattern_wrap(struct mr_arena *arena, const struct sigma_pattern *pattern,
					bool before, bool after);
bool sigma_pattern_has_wildcard(const struct sigma_pattern *pattern);
/* The literal of a pattern without wildcards. */
struct mr_slice sigma_pattern_literal(const struct sigma_pattern *pattern);
/* As a regular expression, anchored nowhere. */
void sigma_pattern_to_regex(const struct sigma_pattern *pattern, struct mr_buf *out);
/* A SIGMA_TEXT predicate without field. */
struct sigma_predicate sigma_pattern_predicate(struct mr_arena *arena,
					       const struct sigma_pattern *pattern, bool cased);

/* ---- a field and its values: sigma_modifier.c, sigma_value.c ---- */

enum sigma_modifier {
#define X(symbol, name, group) SIGMA_MOD_##symbol,
#include "sigma_modifier.def"
#undef X
	SIGMA_MOD_COUNT
};
#define SIGMA_BIT(symbol) (1ull << SIGMA_MOD_##symbol)

struct sigma_chain {           /* a key such as `Field|contains|all` */
	struct mr_slice field; /* empty: keywords */
	uint64_t modifiers;    /* SIGMA_BIT */
	struct mr_yaml *key;
};
/* Splits and checks a key. */
bool sigma_chain_parse(struct sigma_scope *scope, struct mr_yaml *key, struct sigma_chain *out);
static inline bool sigma_chain_has(const struct sigma_chain *chain, uint64_t bits)
{
	return (chain->modifiers & bits) != 0;
}
/* The tree of a key with its value or list of values. */
struct sigma_node *sigma_chain_compile(struct sigma_scope *scope, const struct sigma_chain *chain,
				       struct mr_yaml *value);

/* The text that the whole value has to be; false where the test asks for something else:
 * sigma_closed.c. */
bool sigma_whole_text(const struct sigma_predicate *predicate, struct mr_slice *out);
/* Warns of a test of a whole value that its field never has: likewise. */
void sigma_closed_lint(struct sigma_scope *scope, const struct sigma_chain *chain,
		       const struct mr_yaml *at, const struct sigma_predicate *predicate);

/* One value with its placeholders filled in: sigma_placeholder.c. Pieces lie one after the other;
 * those `from_list` are Sigma strings of their own. */
struct sigma_piece {
	struct mr_slice text;
	bool from_list;
};
struct sigma_filled {
	struct sigma_piece *pieces;
	uint32_t count;
};
/* All combinations; none where a placeholder has no value (the scope's `missing` says which). */
bool sigma_placeholders_fill(struct sigma_scope *scope, const struct mr_yaml *value,
			     struct sigma_filled **out, uint32_t *count_out);
/* Warns of a text without `expand` that is nothing but a placeholder. */
void sigma_placeholder_lint(struct sigma_scope *scope, const struct sigma_chain *chain,
			    const struct mr_yaml *value);
/* Reads the file. MR_CONFIG, MR_IO. */
enum mr_err sigma_placeholders_read(struct sigma_builder *load, const char *path,
				    struct mr_error *error);
/* When all rules are compiled: warns of names that none of them uses. */
void sigma_placeholders_lint(struct sigma_builder *load);

/* Encodings: sigma_encode.c. */
enum sigma_utf16 { SIGMA_UTF8, SIGMA_UTF16LE, SIGMA_UTF16BE, SIGMA_UTF16BOM };
struct mr_slice sigma_encode_utf16(struct mr_arena *arena, struct mr_slice text,
				   enum sigma_utf16 form);
struct mr_slice sigma_encode_base64(struct mr_arena *arena, struct mr_slice bytes);
/* What is the same whatever stands around the bytes, at one of the three offsets. */
struct mr_slice sigma_encode_base64_offset(struct mr_arena *arena, struct mr_slice bytes,
					   unsigned offset);
/* Every choice for the dashes of a pattern; false where there are more than `max`. */
bool sigma_encode_windash(struct mr_arena *arena, const struct sigma_pattern *pattern, uint32_t max,
			  struct sigma_pattern **out, uint32_t *count_out);

/* ---- a detection and its condition: sigma_detection.c, sigma_condition.c ---- */

struct sigma_name { /* an identifier of a detection */
	struct mr_yaml *key;
	struct sigma_node *node;
	bool used;
};
struct sigma_names {
	struct sigma_name *items;
	uint32_t count;
};
/* The tree of a condition (a text or a list of texts). */
struct sigma_node *sigma_condition_compile(struct sigma_scope *scope, struct mr_yaml *condition,
					   struct sigma_names *names);
/* The tree of a map, a list or a scalar that stands under an identifier. */
struct sigma_node *sigma_search_compile(struct sigma_scope *scope, struct mr_yaml *search);
/* The tree of a `detection` or `filter` map for the scope's view. `skip` is a key that is neither
 * an identifier nor a condition, or NULL. */
struct sigma_node *sigma_detection_compile(struct sigma_scope *scope, struct mr_yaml *map,
					   const char *skip);

/* ---- documents: sigma_meta.c ---- */

/* A rule document while the set is being made. */
struct sigma_source {
	struct mr_yaml *root;
	struct mr_slice file, id, name;
	struct sigma_logsource {
		const struct mr_yaml *at;
		struct mr_slice product, service, category; /* empty: not given */
	} logsource;
	struct mr_rule rule;
	struct sigma_node *condition;
	uint32_t kinds; /* as in the scope */
	bool refused;
	uint32_t index; /* in the catalog, once it stands there */
	/* Detections. */
	const struct sigma_view **views; /* that it was compiled for; NULL: fields as written */
	uint32_t view_count;
	uint32_t declared[SIGMA_DECLARED_WORDS]; /* by what sources say it sees all their records */
	bool fed[MR_DECLARED_MAX];               /* and whether it sees any */
	bool correlated;                         /* a correlation names it */
	uint32_t first_place, place_count;       /* of the set's */
	/* Correlations. */
	struct sigma_source **refers;
	uint8_t state;              /* of the walk that looks for cycles */
	struct sigma_source *outer; /* from which the walk came, and how many of refers it knows */
	uint32_t known;
	/* It, or one that it names; and one that it names (rule.h). */
	bool settles, withdraws;
	bool generate;
};
struct sigma_sources {
	struct sigma_source **items;
	uint32_t count, capacity;
};
void sigma_sources_add(struct mr_arena *arena, struct sigma_sources *sources,
		       struct sigma_source *source);

/* Title, id, level and the rest into source->rule. */
bool sigma_meta_read(struct sigma_scope *scope, struct sigma_source *source);
/* A text of the document's map, empty where it is missing; what is no text is warned of. */
struct mr_slice sigma_meta_text(struct sigma_scope *scope, const struct mr_yaml *root,
				const char *key);

/* ---- metadata that is surely wrong: sigma_lint.c ---- */

/* When it is read. */
void sigma_meta_lint(struct sigma_scope *scope, const struct sigma_source *source);
/* When a detection is compiled, where lints are wanted: warns of what its tree says of every
 * record, of none, or of one without its fields. */
void sigma_tree_lint(struct sigma_scope *scope, const struct sigma_source *source);
/* Likewise of a regular expression that is dear: sigma_regex_lint.c. */
void sigma_regex_lint(struct sigma_scope *scope, const struct mr_yaml *at,
		      const struct sigma_predicate *predicate);
/* When correlations are linked: warns of alerts without severity, and of a severity without alerts;
 * where lints are wanted, of a rule without a tag of ATT&CK's. */
void sigma_level_lint(struct sigma_builder *load, const struct sigma_source *source);

/* ---- logsources: sigma_logsource.c ---- */

bool sigma_logsource_read(struct sigma_scope *scope, struct mr_yaml *root,
			  struct sigma_logsource *out);
/* As it may be written in a rule: "{product: m365, service: audit}". */
struct mr_slice sigma_logsource_show(struct mr_arena *arena, const struct sigma_logsource *from);
bool sigma_logsource_same(const struct sigma_logsource *a, const struct sigma_logsource *b);
/* An empty one, which sees all records. */
bool sigma_logsource_is_all(const struct sigma_logsource *logsource);
/* What stands behind a message of one that only a source's setting can feed. */
struct mr_slice sigma_logsource_setting(struct mr_arena *arena,
					const struct sigma_logsource *logsource);
/* Sets the bits of the logsources that sources say and that this one sees; whether there are any.
 */
bool sigma_logsource_declared(const struct sigma_builder *load,
			      const struct sigma_logsource *logsource,
			      uint32_t bits_out[SIGMA_DECLARED_WORDS]);
/* Which of those some detection is for: into the set. */
void sigma_logsources_feed(struct sigma_builder *load, const struct sigma_sources *detections);
/* Whether a rule, as one view of its logsource has it (NULL: any record), sees records of the
 * logsource that was asked for. */
bool sigma_logsource_asked(struct sigma_builder *load, const struct sigma_rule *rule,
			   const struct sigma_view *view);
/* Of one that nothing feeds: what stands behind a message, such as "; is {…} meant?", where one
 * that is fed is near. Empty where none is, and where it is fed itself. */
struct mr_slice sigma_logsource_hint(struct sigma_builder *load,
				     const struct sigma_logsource *logsource);

/* ---- filters: sigma_filter.c ---- */

/* A filter as one view of a logsource sees it; compiled once for all rules. */
struct sigma_filtered {
	const struct sigma_view *view;
	struct sigma_node *node;
	struct mr_slice missing; /* as in the scope */
	struct mr_fault missing_at;
	struct sigma_filtered *next;
};
struct sigma_filter {
	struct sigma_source *source;
	struct mr_yaml *body;
	bool any;
	bool used;                 /* a rule has it */
	uint32_t room;             /* of its rules, for so many */
	struct sigma_filter_name { /* what stands under `rules` */
		const struct mr_yaml *at;
		struct sigma_filter *filter;
	} * names;
	uint32_t name_count;
	struct sigma_filtered *filtered;
};
struct sigma_filters {
	struct sigma_filter *items;
	uint32_t count, capacity;
	struct sigma_index named; /* struct sigma_filter_name, by its text */
	struct sigma_index any;   /* struct sigma_filter, by the folded logsource */
};
/* Reads and checks a filter, and adds it. */
void sigma_filter_add(struct sigma_scope *scope, struct sigma_source *source,
		      struct sigma_filters *filters);
/* When all documents are known: filters that name a correlation are refused. */
void sigma_filters_link(struct sigma_builder *load, struct sigma_filters *filters);
/* Joins to a detection's tree, for the scope's view, what the filters that apply to it ask. */
bool sigma_filters_join(struct sigma_scope *scope, struct sigma_filters *filters,
			struct sigma_source *rule, struct sigma_node **node);
/* When a detection stands in the catalog: each of its filters knows it, and it is made by them. */
void sigma_filters_know(struct sigma_builder *load, struct sigma_filters *filters,
			struct sigma_source *rule);
/* When all detections do: into the catalog. */
void sigma_filters_finish(struct sigma_builder *load, const struct sigma_filters *filters);
/* When all detections are compiled: warns of filters that do nothing, and says why. */
void sigma_filters_lint(struct sigma_builder *load, const struct sigma_filters *filters);
void sigma_filters_fini(struct sigma_filters *filters);

/* ---- what a correlation's rules call its fields: sigma_alias.c ---- */

/* Of the map `correlation`: whether aliases are maps of rules to fields. */
bool sigma_aliases_read(struct sigma_scope *scope, const struct mr_yaml *correlation);
/* When its rules are known: each alias is for some of them. */
bool sigma_aliases_link(struct sigma_scope *scope, const struct sigma_source *source);
/* Where the rule's name for a field stands; NULL: it has no alias. False, with a warning: there is
 * one, for other rules. */
bool sigma_alias_find(struct sigma_scope *scope, const struct sigma_source *source,
		      const struct sigma_source *rule, struct mr_slice name,
		      const struct mr_yaml **at_out);
/* Warns of those that are used nowhere. */
void sigma_aliases_lint(struct sigma_builder *load, const struct sigma_source *source);

/* ---- correlations: sigma_correlation.c ---- */

/* Everything of a correlation that stands in its own document. */
bool sigma_correlation_read(struct sigma_scope *scope, struct sigma_source *source);
/* Then, when all documents are known: names become rules, cycles and what hangs on refused rules
 * are refused, layers counted. Notes go straight to the set. */
void sigma_correlations_link(struct sigma_builder *load, struct sigma_sources *correlations);
/* When catalog indices are known: rules, fields, places, flags and meaning. */
void sigma_correlations_finish(struct sigma_builder *load, const struct sigma_sources *detections,
			       struct sigma_sources *correlations);

/* ---- sigma_tree.c ---- */

/* `over` with what it lacks from `under`, maps within maps likewise; both stay as they are. */
struct mr_yaml *sigma_tree_merge(struct mr_arena *arena, struct mr_yaml *under,
				 struct mr_yaml *over);
/* 128 bits of SHA-256 over the tree's meaning, in hexadecimal. */
struct mr_slice sigma_tree_hash(struct mr_arena *arena, const struct mr_yaml *root);
/* 64 bits of that. */
uint64_t sigma_tree_content(struct mr_arena *arena, const struct mr_yaml *root);

#endif
