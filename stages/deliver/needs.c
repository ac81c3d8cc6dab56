/* needs.c - what deliver opens once its worker is locked in: its sinks' files and spools, and for a
 * receiver the network.
 *
 * Called by the pipeline through mr_stage_deliver, before open. A run of scan has its outputs by
 * descriptor and needs nothing. */
#include "needs.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "letters.h"

/* How names are looked up, and TLS's own settings: these files are replaced, so it is their
 * folders. */
static const char *const of_network[] = {"/etc", "/usr/share", "/usr/lib/ssl",
					 "/run/systemd/resolve"};

/* After a rotation a new file is made at the path, and the old one is looked for beside it: so the
 * folder, that of the file itself where the path is a link. Not one that the state directory lies
 * in: whoever may write the books could forge them. There it is the file alone, which has to be
 * there when the fence is put up. Whoever opens it says what is wrong with it. */
static void need_once_file(const char *path, const char *state, struct mr_needs *needs)
{
	(void)once_file_make(path);
	char *real = file_real_path(path);
	if (file_rotates(real, state))
		mr_needs_beside(needs, real, MR_ACCESS_MAKE);
	else
		mr_needs_path(needs, real, MR_ACCESS_WRITE);
	free(real);
}

static void need_sink(const struct mr_config *sink, const char *state, struct mr_needs *needs)
{
	if (mr_config_is(sink, "type", "file"))
		need_once_file(mr_config_get(sink, "path", 0), state, needs);
	if (!mr_config_is(sink, "type", "webhook"))
		return;
	needs->flags |= MR_NEEDS_NETWORK;
	for (size_t i = 0; i < sizeof of_network / sizeof *of_network; i++)
		mr_needs_path(needs, of_network[i], MR_ACCESS_READ);
}

void deliver_needs(const struct mr_config *config, const struct mr_tables *tables,
		   struct mr_needs *needs)
{
	const char *state = mr_config_get(config, "state", 0);
	const struct mr_part *sink;
	(void)tables;
	if (state == NULL)
		return;
	needs->flags |= MR_NEEDS_FILES;
	char *spool = mr_asprintf("%s/spool", state);
	(void)mkdir(spool, 0700);
	mr_needs_path(needs, spool, MR_ACCESS_WRITE);
	free(spool);
	char *dead_letter = letters_path(config);
	need_once_file(dead_letter, state, needs);
	free(dead_letter);
	for (size_t i = 0; (sink = mr_config_part(config, MR_PART_SINK, i)) != NULL; i++)
		need_sink(&sink->settings, state, needs);
}
