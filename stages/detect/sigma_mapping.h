/* sigma_mapping.h - how the real records see a rule: logsources to record kinds, fields to fields.
 *
 * Data, in rules/mappings, compiled into the program. A logsource sees one or more
 * views: record kinds, what else it asks of a record, and where its fields really stand. */
#ifndef MILLRACE_DETECT_SIGMA_MAPPING_H
#define MILLRACE_DETECT_SIGMA_MAPPING_H

#include "sigma_build.h"

#define SIGMA_VIEWS_MAX 64
#define SIGMA_TAXONOMY_MAX 128

struct sigma_view {
	struct mr_slice product, service, category; /* of the logsources that it belongs to */
	uint32_t kinds;
	struct mr_yaml *where;  /* what else it asks of a record: a field and its values, or NULL
				 */
	struct mr_yaml *fields; /* rule's field: where it stands, or NULL */
	struct mr_yaml *known;  /* what all its records have, as far as it is known, or NULL */
	bool declared;          /* records whose source says what they are: fields as they stand */
	uint32_t said[SIGMA_DECLARED_WORDS]; /* of a view with `where`: by what sources say it */
};
struct sigma_mapping {
	struct sigma_view views[SIGMA_VIEWS_MAX];
	uint32_t count;
};

/* The mapping, read when it is first asked for. Our own bug where the text is not in its form:
 * asserted, and tested. */
const struct sigma_mapping *sigma_mapping_of(struct sigma_builder *load);
/* The views of a logsource, none twice; `out` has room for SIGMA_VIEWS_MAX. */
uint32_t sigma_mapping_find(const struct sigma_mapping *mapping,
			    const struct sigma_logsource *logsource, const struct sigma_view **out);
/* Views of the taxonomy: what rules see of sources that say less than they ask, besides the sources
 * in `seen`. `out` has room for SIGMA_TAXONOMY_MAX. */
uint32_t sigma_taxonomy_find(struct sigma_builder *load, const struct sigma_logsource *logsource,
			     const uint32_t seen[SIGMA_DECLARED_WORDS],
			     const struct sigma_view **out);
/* What a view asks of a record besides its kind, as a tree; NULL where the dictionary is full. */
struct sigma_node *sigma_view_where(struct sigma_scope *scope, const struct sigma_view *view);
/* A test of a rule's field as the scope's view sees it. A record's own field wins over a mapping,
 * unless the mapping says that it replaces it. So does the other side of a fieldref. NULL where the
 * dictionary is full or the mapping's value can't be compiled. */
struct sigma_node *sigma_view_leaf(struct sigma_scope *scope, struct mr_slice field,
				   const struct sigma_predicate *predicate);
/* Whether the view looks for a field elsewhere than where its name says. */
bool sigma_view_moves(const struct sigma_builder *load, const struct sigma_view *view,
		      struct mr_slice field);
/* One place where a rule's field is looked for. */
struct sigma_mapped {
	struct mr_slice field;
	struct mr_slice when, text, otherwise; /* `when` not empty: `field` where it has the text */
	const struct mr_yaml *options;         /* NULL where the name is all */
	bool record;                           /* the whole record's text */
	bool derived; /* what stands there is not the value itself, only tells of it */
};
/* Where the view looks for a field, in the order in which a record is asked, one or more. */
uint32_t sigma_view_slots(const struct sigma_builder *load, const struct sigma_view *view,
			  struct mr_slice own, struct sigma_mapped out[SIGMA_SLOTS_MAX]);
/* Where the detections that correlations name hold the fields that correlations name. When the
 * catalog's fields are known. */
void sigma_places_make(struct sigma_builder *load, const struct sigma_sources *detections,
		       const struct sigma_sources *correlations);
/* The one text that a test asks for, be it the whole value or a part; empty where it asks for
 * something else. */
struct mr_slice sigma_asked_text(const struct sigma_predicate *predicate);

/* Why no record of a view can satisfy a rule. */
enum sigma_why_kind { SIGMA_WHY_NOT, SIGMA_WHY_FIELD, SIGMA_WHY_VALUE, SIGMA_WHY_APART };
struct sigma_why {
	enum sigma_why_kind kind;
	struct mr_slice field, text;  /* folded */
	const struct mr_yaml *values; /* what it is instead */
};
struct sigma_reached {
	const struct mr_yaml *key; /* the identifier; NULL: the whole rule */
	bool reached;              /* some record of some view may satisfy it */
	struct sigma_why why;      /* none of the first view does */
};
/* Before the first view of a rule is compiled. */
void sigma_reach_begin(struct sigma_scope *scope, const struct mr_yaml *detection);
/* Of the scope's view: the rule's tree, and that of each identifier. */
void sigma_reach_rule(struct sigma_scope *scope, const struct sigma_node *tree);
void sigma_reach_names(struct sigma_scope *scope, const struct sigma_names *names);
/* Why no record of the scope's view satisfies the tree, in words; empty where one may. */
struct mr_slice sigma_reach_why(const struct sigma_scope *scope, const struct sigma_node *tree,
				const struct mr_yaml *detection);
/* Warns of a rule that no record of any view satisfies, else of such identifiers. */
void sigma_reach_tell(struct sigma_scope *scope, const struct mr_yaml *detection);
bool sigma_document_is_mapping(const struct mr_yaml *root);

#endif
