/* sigma_taxonomy.c - which logsource each event of a broad one is of.
 *
 * Called by sigma_load.c for each detection. A source may say less of its records than rules ask:
 * of `product=windows` the records are of `category: process_creation` where channel and number of
 * the event say so. What they have to say stands in rules/mappings/windows.yml:
 *
 *     logsources:
 *         - logsource: {product: windows, category: process_creation}
 *           where: {Channel: Microsoft-Windows-Sysmon/Operational, EventID: 1}
 */
#include "sigma_mapping.h"

#include <assert.h>

__asm__(".pushsection .rodata\n"
	".global sigma_taxonomy_text\n"
	"sigma_taxonomy_text:\n"
	".incbin \"" SIGMA_TAXONOMY_FILE "\"\n"
	".global sigma_taxonomy_text_end\n"
	"sigma_taxonomy_text_end:\n"
	".byte 0\n"
	".popsection\n");
extern const char sigma_taxonomy_text[];
extern const char sigma_taxonomy_text_end[];

struct sigma_taxonomy {
	struct sigma_view views[SIGMA_TAXONOMY_MAX];
	uint32_t count;
};

static struct mr_logsource parts_of(const struct sigma_view *view)
{
	return (struct mr_logsource){view->product, view->category, view->service};
}

static struct mr_slice text_of(const struct mr_yaml *map, const char *key)
{
	const struct mr_yaml *node = mr_yaml_get(map, key);
	return node == NULL ? MR_SLICE("") : node->text;
}

/* Its events are among those of the sources that say a part of its logsource. */
static void add_view(struct sigma_taxonomy *taxonomy, const struct mr_declared *declared,
		     const struct mr_yaml *entry)
{
	const struct mr_yaml *logsource = mr_yaml_get(entry, "logsource");
	assert(logsource != NULL && taxonomy->count < SIGMA_TAXONOMY_MAX);
	struct sigma_view *view = &taxonomy->views[taxonomy->count++];
	*view = (struct sigma_view){.product = text_of(logsource, "product"),
				    .category = text_of(logsource, "category"),
				    .service = text_of(logsource, "service"),
				    .kinds = 1u << MR_KIND_DECLARED,
				    .declared = true,
				    .where = mr_yaml_get(entry, "where")};
	struct mr_logsource own = parts_of(view);
	assert(view->where != NULL);
	for (uint32_t i = 0; i < declared->count; i++)
		if (mr_logsource_holds(&declared->items[i], &own))
			view->said[i / 32] |= 1u << i % 32;
}

static struct sigma_taxonomy *taxonomy_read(struct mr_arena *arena,
					    const struct mr_declared *declared)
{
	struct sigma_taxonomy *taxonomy = mr_arena_alloc(arena, sizeof *taxonomy);
	struct mr_yaml_documents documents = {0};
	struct mr_slice text = {sigma_taxonomy_text,
				(size_t)(sigma_taxonomy_text_end - sigma_taxonomy_text)};
	taxonomy->count = 0;
	mr_yaml_parse(arena, text, &documents);
	assert(documents.count == 1 && documents.items[0].root != NULL);
	const struct mr_yaml *list = mr_yaml_get(documents.items[0].root, "logsources");
	assert(list != NULL && list->kind == MR_YAML_LIST);
	for (uint32_t i = 0; i < list->count; i++)
		add_view(taxonomy, declared, list->items[i]);
	return taxonomy;
}

/* Whether it brings the rule records that `seen` lacks. */
static bool brings(const struct sigma_view *view, const uint32_t seen[SIGMA_DECLARED_WORDS])
{
	for (uint32_t i = 0; i < SIGMA_DECLARED_WORDS; i++)
		if (view->said[i] & ~seen[i])
			return true;
	return false;
}

uint32_t sigma_taxonomy_find(struct sigma_builder *load, const struct sigma_logsource *logsource,
			     const uint32_t seen[SIGMA_DECLARED_WORDS],
			     const struct sigma_view **out)
{
	const struct mr_logsource wanted = {logsource->product, logsource->category,
					    logsource->service};
	uint32_t count = 0;
	if (load->declared->count == 0)
		return 0;
	if (load->taxonomy == NULL)
		load->taxonomy = taxonomy_read(load->arena, load->declared);
	for (uint32_t i = 0; i < load->taxonomy->count; i++) {
		const struct sigma_view *view = &load->taxonomy->views[i];
		struct mr_logsource own = parts_of(view);
		if (mr_logsource_holds(&wanted, &own) && brings(view, seen))
			out[count++] = view;
	}
	return count;
}
