/* sigma_logsource.c - which records a rule or filter is for.
 *
 * Called by sigma_load.c and sigma_filter.c. A document without a logsource is refused. */
#include "sigma_mapping.h"

/* Without the part the rule would see more than it says. */
static bool read_part(struct sigma_scope *scope, const struct mr_yaml *map, const char *name,
		      struct mr_slice *out)
{
	const struct mr_yaml *part = mr_yaml_get(map, name);
	*out = (struct mr_slice){"", 0};
	if (part == NULL || (part->kind == MR_YAML_SCALAR && part->type == MR_YAML_NULL))
		return true;
	if (part->kind != MR_YAML_SCALAR)
		return sigma_refuse(scope, SIGMA_AT(part),
				    "\"%s\" is %s, not a text; write a rule for each", name,
				    mr_yaml_what(part));
	*out = part->text;
	for (size_t i = 0; i < part->text.len; i++) {
		char c = part->text.at[i];
		if ((c < 'A' || c > 'Z') && c != ' ')
			continue;
		sigma_warn(scope, SIGMA_LINT_METADATA, SIGMA_AT(part),
			   "\"%.*s\": the parts of a logsource are in lower case, with _ for a "
			   "blank",
			   SIGMA_SHOW(part->text));
		break;
	}
	return true;
}

bool sigma_logsource_read(struct sigma_scope *scope, struct mr_yaml *root,
			  struct sigma_logsource *out)
{
	struct mr_yaml *map = mr_yaml_get(root, "logsource");
	if (map == NULL)
		return sigma_refuse(
		    scope, root->line, root->column,
		    "\"logsource\" is missing, such as `logsource: {product: m365, service: "
		    "audit}`");
	if (map->kind != MR_YAML_MAP && !(map->kind == MR_YAML_SCALAR && map->type == MR_YAML_NULL))
		return sigma_refuse(scope, SIGMA_AT(map), "%s where a map should stand",
				    mr_yaml_what(map));
	for (uint32_t i = 0; i < map->count; i++) {
		const struct mr_yaml *key = map->keys[i];
		if (!mr_yaml_is(key, "product") && !mr_yaml_is(key, "service") &&
		    !mr_yaml_is(key, "category") && !mr_yaml_is(key, "definition"))
			sigma_warn(scope, SIGMA_LINT_IGNORED, SIGMA_AT(key),
				   "\"%.*s\" is left out of the logsource: product, category and "
				   "service select records",
				   SIGMA_SHOW(key->text));
	}
	out->at = map;
	return read_part(scope, map, "product", &out->product) &&
	       read_part(scope, map, "service", &out->service) &&
	       read_part(scope, map, "category", &out->category);
}

static void show_part(struct mr_buf *out, const char *name, struct mr_slice value)
{
	if (value.len != 0)
		mr_buf_printf(out, "%s%s: %.*s", out->len > 1 ? ", " : "", name, SIGMA_SHOW(value));
}

struct mr_slice sigma_logsource_show(struct mr_arena *arena, const struct sigma_logsource *from)
{
	struct mr_buf out = {0};
	mr_buf_add_text(&out, "{");
	show_part(&out, "product", from->product);
	show_part(&out, "category", from->category);
	show_part(&out, "service", from->service);
	mr_buf_add_text(&out, "}");
	struct mr_slice shown = {mr_arena_copy(arena, out.data, out.len), out.len};
	mr_buf_fini(&out);
	return shown;
}

bool sigma_logsource_same(const struct sigma_logsource *a, const struct sigma_logsource *b)
{
	return mr_fold_eq(a->product, b->product) && mr_fold_eq(a->service, b->service) &&
	       mr_fold_eq(a->category, b->category);
}

bool sigma_logsource_is_all(const struct sigma_logsource *logsource)
{
	return logsource->product.len + logsource->service.len + logsource->category.len == 0;
}

/* ---- what sources say of their records ---- */

static struct mr_logsource parts_of(const struct sigma_logsource *from)
{
	return (struct mr_logsource){from->product, from->category, from->service};
}

struct mr_slice sigma_logsource_setting(struct mr_arena *arena,
					const struct sigma_logsource *logsource)
{
	struct mr_logsource parts = parts_of(logsource);
	struct mr_buf out = {0};
	mr_buf_add_text(&out, "; a source feeds it that says `logsource: ");
	mr_logsource_show(&parts, &out);
	mr_buf_add_text(&out, "`");
	struct mr_slice text = {mr_arena_copy(arena, out.data, out.len), out.len};
	mr_buf_fini(&out);
	return text;
}

bool sigma_logsource_declared(const struct sigma_builder *load,
			      const struct sigma_logsource *logsource,
			      uint32_t bits_out[SIGMA_DECLARED_WORDS])
{
	struct mr_logsource wanted = parts_of(logsource);
	bool any = false;
	for (uint32_t i = 0; i < load->declared->count; i++) {
		if (!mr_logsource_holds(&wanted, &load->declared->items[i]))
			continue;
		bits_out[i / 32] |= 1u << i % 32;
		any = true;
	}
	return any;
}

/* ---- what is asked of rules ---- */

static uint32_t find_told(struct sigma_builder *load, const struct mr_logsource *logsource,
			  const struct sigma_view *out[SIGMA_VIEWS_MAX])
{
	const struct sigma_logsource parts = {.product = logsource->product,
					      .service = logsource->service,
					      .category = logsource->category};
	return sigma_mapping_find(sigma_mapping_of(load), &parts, out);
}

bool sigma_logsource_is_told(const struct mr_logsource *logsource)
{
	const struct sigma_view *views[SIGMA_VIEWS_MAX];
	struct mr_arena arena = {0};
	struct sigma_builder load = {.arena = &arena};
	bool told = find_told(&load, logsource, views) > 0;
	mr_arena_fini(&arena);
	return told;
}

/* Two parts of one kind's records are taken for apart. */
static bool overlap(const struct sigma_view *a, const struct sigma_view *b)
{
	return (a->kinds & b->kinds) != 0 &&
	       (a->where == NULL || b->where == NULL || a->where == b->where);
}

bool sigma_logsource_asked(struct sigma_builder *load, const struct sigma_rule *rule,
			   const struct sigma_view *view)
{
	const struct sigma_view *told[SIGMA_VIEWS_MAX];
	uint16_t number;
	if (load->asked == NULL)
		return true;
	number = mr_declared_find(load->declared, load->asked);
	if (number > 0)
		return (rule->declared[(number - 1) / 32] >> (number - 1) % 32 & 1) != 0;
	uint32_t count = find_told(load, load->asked, told);
	for (uint32_t i = 0; i < count; i++) {
		if (view == NULL || overlap(view, told[i]))
			return true;
	}
	return false;
}

/* ---- what is meant by one that nothing feeds ---- */

#define FAR 100u   /* more than all near parts together */
#define PART_MIN 4 /* bytes of a name that says something where it is only a part of another */

static bool is_part(struct mr_slice part, struct mr_slice whole)
{
	return part.len >= PART_MIN && memmem(whole.at, whole.len, part.at, part.len) != NULL;
}

/* How far a name is from one that is fed, which is in lower case: a slip or two, a part of it, or
 * it with something around it. */
static unsigned distance(struct mr_arena *arena, struct mr_slice name, struct mr_slice fed)
{
	struct mr_slice folded = mr_fold_arena(arena, name);
	unsigned slips = mr_text_distance(folded, fed, MR_SLIPS_MAX);
	if (slips <= MR_SLIPS_MAX && 2 * slips < fed.len)
		return slips;
	return is_part(folded, fed) || is_part(fed, folded) ? MR_SLIPS_MAX + 1 : FAR;
}

/* The nearest that is fed, as far as `from` names its parts; a category may stand where the service
 * should. False where none is near. */
static bool nearest(struct sigma_builder *load, const struct sigma_logsource *from,
		    struct sigma_logsource *out)
{
	const struct sigma_mapping *mapping = sigma_mapping_of(load);
	struct mr_slice service = from->service.len != 0 ? from->service : from->category;
	unsigned least = FAR;
	for (uint32_t i = 0; i < mapping->count; i++) {
		const struct sigma_view *view = &mapping->views[i];
		unsigned found = 0;
		if (from->product.len != 0)
			found += distance(load->arena, from->product, view->product);
		if (service.len != 0)
			found += distance(load->arena, service, view->service);
		if (found >= least)
			continue;
		least = found;
		*out = (struct sigma_logsource){.product = view->product};
		if (service.len != 0)
			out->service = view->service;
	}
	return least < FAR;
}

/* Whether an earlier view has the same logsource. */
static bool seen_before(const struct sigma_mapping *mapping, uint32_t at)
{
	const struct sigma_view *view = &mapping->views[at];
	for (uint32_t i = 0; i < at; i++) {
		if (mr_slice_eq(mapping->views[i].product, view->product) &&
		    mr_slice_eq(mapping->views[i].service, view->service))
			return true;
	}
	return false;
}

static void put_services(struct mr_buf *out, const struct sigma_mapping *mapping,
			 struct mr_slice product)
{
	const char *before = "; the services of this product that are fed: ";
	for (uint32_t i = 0; i < mapping->count; i++) {
		const struct sigma_view *view = &mapping->views[i];
		if (!mr_fold_eq(view->product, product) || seen_before(mapping, i))
			continue;
		mr_buf_printf(out, "%s%.*s", before, SIGMA_SHOW(view->service));
		before = ", ";
	}
}

struct mr_slice sigma_logsource_hint(struct sigma_builder *load,
				     const struct sigma_logsource *logsource)
{
	const struct sigma_mapping *mapping = sigma_mapping_of(load);
	const struct sigma_view *views[SIGMA_VIEWS_MAX];
	struct sigma_logsource meant;
	struct mr_buf out = {0};
	if (sigma_mapping_find(mapping, logsource, views) > 0)
		return (struct mr_slice){"", 0};
	if (nearest(load, logsource, &meant)) {
		struct mr_slice shown = sigma_logsource_show(load->arena, &meant);
		mr_buf_printf(&out, "; is %.*s meant?", (int)shown.len, shown.at);
	} else {
		put_services(&out, mapping, logsource->product);
	}
	struct mr_slice hint = {mr_arena_copy(load->arena, out.len > 0 ? out.data : "", out.len),
				out.len};
	mr_buf_fini(&out);
	return hint;
}

/* How far a part of a rule's logsource is from what a source says; both may be empty. Of a long
 * name another ending is near: process_create, process_creation. */
static unsigned part_distance(struct mr_slice rule, struct mr_slice said)
{
	if (rule.len == 0 || said.len == 0)
		return rule.len == said.len ? 0 : FAR;
	unsigned most = rule.len / 4 > MR_SLIPS_MAX ? (unsigned)(rule.len / 4) : MR_SLIPS_MAX;
	unsigned slips = mr_text_distance(rule, said, most);
	return slips <= most ? slips : FAR;
}

static bool part_is(struct mr_slice rule, struct mr_slice said)
{
	return said.len == 0 || mr_fold_eq(rule, said);
}

/* Whether each part that a source says is in some rule's logsource. */
static bool is_named(const struct sigma_sources *detections, const struct mr_logsource *said)
{
	bool product = false, category = false, service = false;
	for (uint32_t i = 0; i < detections->count; i++) {
		struct mr_logsource rule = parts_of(&detections->items[i]->logsource);
		product |= part_is(rule.product, said->product);
		category |= part_is(rule.category, said->category);
		service |= part_is(rule.service, said->service);
	}
	return product && category && service;
}

static struct mr_slice nearest_rule(struct sigma_builder *load,
				    const struct sigma_sources *detections,
				    const struct mr_logsource *said)
{
	struct mr_logsource best = {0};
	unsigned least = FAR;
	for (uint32_t i = 0; i < detections->count; i++) {
		struct mr_logsource rule = parts_of(&detections->items[i]->logsource);
		unsigned far = part_distance(rule.product, said->product) +
			       part_distance(rule.category, said->category) +
			       part_distance(rule.service, said->service);
		if (far >= least)
			continue;
		least = far;
		best = rule;
	}
	struct mr_buf text = {0};
	mr_logsource_show(&best, &text);
	struct mr_slice shown = {
	    text.len == 0 ? "" : mr_arena_copy(load->arena, text.data, text.len), text.len};
	mr_buf_fini(&text);
	return shown;
}

void sigma_logsources_feed(struct sigma_builder *load, const struct sigma_sources *detections)
{
	struct sigma_set *set = load->set;
	set->declared_count = load->declared->count;
	set->declared =
	    mr_arena_alloc(load->arena, (set->declared_count + 1u) * sizeof *set->declared);
	for (uint32_t at = 0; at < set->declared_count; at++) {
		struct sigma_fed *fed = &set->declared[at];
		*fed = (struct sigma_fed){0};
		for (uint32_t i = 0; i < detections->count; i++) {
			const struct sigma_source *source = detections->items[i];
			fed->fed |= source->fed[at];
		}
		fed->named = is_named(detections, &load->declared->items[at]);
		if (!fed->fed || !fed->named)
			fed->meant = nearest_rule(load, detections, &load->declared->items[at]);
	}
}
