/* event_log.h - where a Windows event holds its fields, in the forms that its XML takes as JSON.
 *
 * Called by flatten.c for records whose source says what they are. Rules name the fields as Sigma's
 * specification says ("Field usage"): what stands in the body by its own name; an element of the
 * header by its name, an attribute of it as Element_Attribute. Knows
 *
 *     {"Event": {"System": …, "EventData": …, "UserData": …}}, and the same without "Event";
 *     attributes as members, below "#attributes", or with @ before them; a text as "#text";
 *     EventData as an object, and as Data elements, each with its Name;
 *     {"winlog": {"channel": …, "event_id": …, "event_data": …}}.
 *
 * Never fails: what is of another form has no such fields. */
#ifndef MILLRACE_PARSE_EVENT_LOG_H
#define MILLRACE_PARSE_EVENT_LOG_H

#include "millrace/json.h"

struct mr_event_log_sink {
	void *context;
	/* Each member of the object is a field. */
	void (*object)(void *context, struct mr_json_node object);
	/* One field, of a name that is made of keys. */
	void (*field)(void *context, struct mr_slice name, struct mr_json_node value);
	/* One field, whose name is what that string holds. */
	void (*named)(void *context, struct mr_json_node name, struct mr_json_node value);
};

/* Gives what counts most first: a name that was given stands. */
void mr_event_log_walk(const struct mr_json_reader *reader, struct mr_json_node root,
		       const struct mr_event_log_sink *sink);

#endif
