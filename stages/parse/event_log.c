/* event_log.c - the forms of a Windows event. See event_log.h. */
#include "event_log.h"

#define NAME_MAX_BYTES 256 /* of Element_Attribute; a longer one is no name of Windows' */

struct log {
	const struct mr_json_reader *reader;
	const struct mr_event_log_sink *sink;
};

/* The last member of that name, in any case; index 0: none. */
static struct mr_json_node member(const struct log *log, struct mr_json_node object,
				  const char *name)
{
	struct mr_json_node found = {0};
	if (object.index == 0 || mr_json_kind(log->reader, object) != MR_JSON_OBJECT)
		return found;
	struct mr_json_walk walk = mr_json_enter(log->reader, object);
	while (mr_json_step(log->reader, &walk))
		if (mr_fold_eq(walk.key, mr_slice(name)))
			found = walk.value;
	return found;
}

static bool is_object(const struct log *log, struct mr_json_node node)
{
	return node.index != 0 && mr_json_kind(log->reader, node) == MR_JSON_OBJECT;
}

static void put(const struct log *log, struct mr_slice name, struct mr_json_node value)
{
	if (value.index != 0 && name.len > 0)
		log->sink->field(log->sink->context, name, value);
}

static void put_object(const struct log *log, struct mr_json_node object)
{
	if (is_object(log, object))
		log->sink->object(log->sink->context, object);
}

/* What an element says: its text, however that is called. */
static struct mr_json_node text_of(const struct log *log, struct mr_json_node element)
{
	static const char *const names[] = {"#text", "Value"};
	struct mr_json_node found = {0};
	for (size_t i = 0; i < sizeof names / sizeof names[0] && found.index == 0; i++)
		found = member(log, element, names[i]);
	return found;
}

/* ---- the header ---- */

static void put_attribute(const struct log *log, struct mr_slice element, struct mr_slice key,
			  struct mr_json_node value)
{
	char name[NAME_MAX_BYTES];
	struct mr_slice own = key;
	if (own.len > 0 && own.at[0] == '@')
		own = (struct mr_slice){own.at + 1, own.len - 1};
	size_t len = element.len + 1 + own.len;
	if (own.len == 0 || own.at[0] == '#' || len > sizeof name)
		return;
	memcpy(name, element.at, element.len);
	name[element.len] = '_';
	memcpy(name + element.len + 1, own.at, own.len);
	put(log, (struct mr_slice){name, len}, value);
}

static void put_attributes(const struct log *log, struct mr_slice element,
			   struct mr_json_node object)
{
	struct mr_json_walk walk = mr_json_enter(log->reader, object);
	while (mr_json_step(log->reader, &walk))
		put_attribute(log, element, walk.key, walk.value);
}

static void put_header(const struct log *log, struct mr_json_node system)
{
	if (!is_object(log, system))
		return;
	struct mr_json_walk walk = mr_json_enter(log->reader, system);
	while (mr_json_step(log->reader, &walk)) {
		if (!is_object(log, walk.value)) {
			put(log, walk.key, walk.value);
			continue;
		}
		struct mr_json_node below = member(log, walk.value, "#attributes");
		put(log, walk.key, text_of(log, walk.value));
		put_attributes(log, walk.key, walk.value);
		if (is_object(log, below))
			put_attributes(log, walk.key, below);
	}
}

/* ---- the body ---- */

/* One Data element: its Name, and what it says. */
static void put_data(const struct log *log, struct mr_json_node data)
{
	struct mr_json_node name = member(log, data, "Name");
	if (name.index == 0)
		name = member(log, data, "@Name");
	if (name.index == 0)
		name = member(log, member(log, data, "#attributes"), "Name");
	struct mr_json_node text = text_of(log, data);
	if (name.index != 0 && text.index != 0 && mr_json_kind(log->reader, name) == MR_JSON_STRING)
		log->sink->named(log->sink->context, name, text);
}

static void put_body(const struct log *log, struct mr_json_node body)
{
	struct mr_json_node data = member(log, body, "Data");
	if (data.index != 0 && mr_json_kind(log->reader, data) == MR_JSON_ARRAY) {
		struct mr_json_walk walk = mr_json_enter(log->reader, data);
		while (mr_json_step(log->reader, &walk))
			put_data(log, walk.value);
	} else if (data.index != 0) {
		put_data(log, data);
	}
	put_object(log, body);
}

/* UserData holds one element of the provider's own, whose members are the fields. */
static void put_user_data(const struct log *log, struct mr_json_node user_data)
{
	if (!is_object(log, user_data))
		return;
	struct mr_json_walk walk = mr_json_enter(log->reader, user_data);
	while (mr_json_step(log->reader, &walk))
		put_object(log, walk.value);
}

/* ---- a forwarder's own names ---- */

static void put_winlog(const struct log *log, struct mr_json_node winlog)
{
	static const struct {
		const char *own, *name;
	} names[] = {{"channel", "Channel"},
		     {"event_id", "EventID"},
		     {"computer_name", "Computer"},
		     {"provider_name", "Provider_Name"},
		     {"record_id", "EventRecordID"}};
	if (!is_object(log, winlog))
		return;
	put_object(log, member(log, winlog, "event_data"));
	put_user_data(log, member(log, winlog, "user_data"));
	put_object(log, member(log, winlog, "user_data"));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		put(log, mr_slice(names[i].name), member(log, winlog, names[i].own));
}

void mr_event_log_walk(const struct mr_json_reader *reader, struct mr_json_node root,
		       const struct mr_event_log_sink *sink)
{
	struct log log = {reader, sink};
	struct mr_json_node event = member(&log, root, "Event");
	if (!is_object(&log, event))
		event = root;
	put_body(&log, member(&log, event, "EventData"));
	put_user_data(&log, member(&log, event, "UserData"));
	put_header(&log, member(&log, event, "System"));
	put_winlog(&log, member(&log, root, "winlog"));
}
