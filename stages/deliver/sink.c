/* sink.c - which sink serves an output. Called by deliver.c when it opens. */
#include "sink.h"

static const struct sink_ops *const sinks[] = {
#define X(name) &sink_##name,
#include "sink.def"
#undef X
};

const struct sink_ops *sink_find(const char *output)
{
	size_t count = sizeof(sinks) / sizeof(sinks[0]);
	for (size_t i = 0; i + 1 < count; i++)
		if (sinks[i]->serves(output))
			return sinks[i];
	return sinks[count - 1];
}
