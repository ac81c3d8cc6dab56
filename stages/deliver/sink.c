/* sink.c - the table of sinks. Called by deliver.c when it opens. */
#include "sink.h"

/* The first that serves an output gets it; the last serves any. */
static const struct sink_ops *const sinks[] = {&sink_file};

const struct sink_ops *sink_find(const char *output)
{
	size_t count = sizeof(sinks) / sizeof(sinks[0]);
	for (size_t i = 0; i + 1 < count; i++)
		if (sinks[i]->serves(output))
			return sinks[i];
	return sinks[count - 1];
}
