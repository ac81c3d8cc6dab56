/* known_leaks.h - what a library loses and nobody outside of it can give back: for fuzz targets
 * that read YAML. */
#ifndef MILLRACE_TEST_KNOWN_LEAKS_H
#define MILLRACE_TEST_KNOWN_LEAKS_H

/* libfyaml 0.7 loses its buffer of a quoted text in which many escapes stand side by side
 * (fy_atom_format_text). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml\n";
}

#endif
