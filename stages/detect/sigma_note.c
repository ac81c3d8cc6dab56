/* sigma_note.c - what the loader has to say of a document.
 *
 * Called by all sigma_*.c; nothing here fails. */
#include <stdarg.h>
#include <stdio.h>

#include "sigma_build.h"

static const struct {
	const char *name, *prose;
} lints[] = {
#define X(symbol, name, prose) {name, prose},
#include "sigma_lint.def"
#undef X
};

const char *sigma_lint_name(enum sigma_lint lint)
{
	return lints[lint].name;
}

const char *sigma_lint_prose(enum sigma_lint lint)
{
	return lints[lint].prose;
}

void sigma_note_put(struct mr_arena *arena, struct sigma_notes *notes, struct sigma_note note)
{
	if (notes->count == notes->capacity) {
		uint32_t capacity = (uint32_t)mr_grow(notes->capacity, notes->count + 1);
		struct sigma_note *items = mr_arena_alloc(arena, capacity * sizeof(*items));
		if (notes->count > 0)
			memcpy(items, notes->items, notes->count * sizeof(*items));
		notes->items = items;
		notes->capacity = capacity;
	}
	notes->items[notes->count++] = note;
}

void sigma_note_add(struct sigma_builder *load, struct sigma_notes *notes, struct sigma_note note)
{
	sigma_note_put(load->arena, notes, note);
}

void sigma_warn(struct sigma_scope *scope, enum sigma_lint lint, uint32_t line, uint32_t column,
		const char *format, ...)
{
	char text[600];
	va_list args;

	if (scope->again)
		return;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	struct mr_slice reason = {mr_arena_copy(scope->arena, text, (size_t)len), (size_t)len};
	sigma_note_add(
	    scope->load, &scope->load->set->warnings,
	    (struct sigma_note){scope->file, scope->id, reason, line, column, lint, false});
}

void sigma_note_idle(struct sigma_builder *load, bool filter)
{
	struct sigma_note note = load->set->warnings.items[load->set->warnings.count - 1];
	note.filter = filter;
	sigma_note_add(load, &load->set->idle, note);
}

bool sigma_tests_add(struct sigma_scope *scope, uint32_t line, uint32_t column, uint32_t count)
{
	if (count > SIGMA_NODES_MAX - scope->tests)
		return sigma_refuse(scope, line, column, "the rule is larger than %d tests",
				    SIGMA_NODES_MAX);
	if (count > SIGMA_TESTS_MAX - scope->load->tests)
		return sigma_refuse(scope, line, column,
				    "the rules are larger than %d tests together; load fewer",
				    SIGMA_TESTS_MAX);
	scope->tests += count;
	scope->load->tests += count;
	return true;
}

int sigma_show_len(struct mr_slice text)
{
	return (int)mr_utf8_cut(text, 80);
}

int sigma_end_len(struct mr_slice text)
{
	size_t len = text.len;

	if (len > 200) {
		len = 200;
		while (len > 0 && ((unsigned char)text.at[text.len - len] & 0xc0) == 0x80)
			len--;
	}
	return (int)len;
}
