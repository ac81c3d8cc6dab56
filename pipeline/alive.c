/* alive.c - see alive.h. Called by the worker, and by all that takes long. Cannot fail. */
#include "millrace/alive.h"

#include <stddef.h>

static struct {
	mr_alive_listener tell;
	void *context;
} listener;

void mr_alive(void)
{
	if (listener.tell != NULL)
		listener.tell(listener.context);
}

void mr_alive_listen(mr_alive_listener tell, void *context)
{
	listener.tell = tell;
	listener.context = context;
}
