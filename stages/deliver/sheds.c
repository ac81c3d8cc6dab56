/* sheds.c - see sheds.h. */
#include "sheds.h"

#include <stdlib.h>

#include "ocsf.h"
#include "own_alert.h"

#define FORM 1
#define FORM_PARTS 2
#define SHED_PARTS 7
#define KIND "state shed" /* in the id: no record is of such a kind */
#define HOUR_US INT64_C(3600000000)

/* ---- by rule ---- */

static struct mr_slice text_of(const struct mr_buf *buf)
{
	return (struct mr_slice){buf->len == 0 ? "" : buf->data, buf->len};
}

static struct shed *find(struct sheds *sheds, struct mr_slice id)
{
	for (size_t i = 0; i < sheds->count; i++)
		if (mr_slice_eq(text_of(&sheds->at[i].id), id))
			return &sheds->at[i];
	return NULL;
}

static struct shed *add(struct sheds *sheds, struct mr_slice id, struct mr_slice title)
{
	sheds->at = mr_realloc(sheds->at, (sheds->count + 1) * sizeof *sheds->at);
	struct shed *shed = &sheds->at[sheds->count++];
	*shed = (struct shed){.slots = 0};
	mr_buf_add(&shed->id, id.at, id.len);
	mr_buf_add(&shed->title, title.at, title.len);
	return shed;
}

static void shed_fini(struct shed *shed)
{
	mr_buf_fini(&shed->id);
	mr_buf_fini(&shed->title);
}

void sheds_add(struct sheds *sheds, const struct mr_rule *rule, uint64_t slots, int64_t now_us)
{
	struct mr_slice id = rule == NULL ? MR_SLICE("") : rule->id;
	struct shed *shed = find(sheds, id);
	if (shed == NULL)
		shed = add(sheds, id,
			   rule == NULL          ? MR_SLICE("Records of detections")
			   : rule->title.len > 0 ? rule->title
						 : rule->id);
	if (shed->slots == 0)
		shed->since_us = now_us;
	shed->slots += slots;
}

/* ---- the alerts ---- */

static bool is_due(const struct shed *shed, int64_t now_us)
{
	return shed->cut_us == 0 || now_us - shed->cut_us >= HOUR_US || now_us < shed->cut_us;
}

uint64_t sheds_cut(struct sheds *sheds, int64_t now_us, bool end)
{
	uint64_t ready = 0;
	for (size_t i = 0; i < sheds->count; i++) {
		struct shed *shed = &sheds->at[i];
		if (shed->ready == 0 && shed->slots > 0 && (end || is_due(shed, now_us))) {
			shed->ready = shed->slots;
			shed->ready_from_us = shed->since_us;
			shed->cut_us = now_us;
			shed->slots = 0;
		}
		ready += shed->ready > 0;
		if (shed->ready == 0 && shed->slots == 0 && is_due(shed, now_us)) {
			shed_fini(shed);
			*shed = sheds->at[--sheds->count];
			i--;
		}
	}
	sheds->may_tell = end;
	return ready;
}

void sheds_committed(struct sheds *sheds)
{
	sheds->may_tell = true;
}

enum mr_err sheds_tell(struct sheds *sheds, struct outputs *outputs, struct mr_error *error)
{
	for (size_t i = 0; i < sheds->count && sheds->may_tell; i++) {
		struct shed *shed = &sheds->at[i];
		if (shed->ready == 0)
			continue;
		struct line_id id = {.revision = 0};
		struct ocsf_shed said = {text_of(&shed->id), text_of(&shed->title), shed->ready,
					 shed->ready_from_us, shed->cut_us};
		mr_alert_id(MR_SLICE(""), said.rule, MR_SLICE(KIND), NULL, 0, said.from_us, id.id);
		sheds->line.len = 0;
		ocsf_put_shed(&said, id.id, &sheds->line);
		enum mr_err err = own_alert_put(outputs, &id, text_of(&sheds->line), error);
		if (err != MR_OK)
			return err;
		shed->ready = 0;
	}
	return MR_OK;
}

/* ---- bytes ---- */

void sheds_snapshot(const struct sheds *sheds, struct mr_buf *out)
{
	mr_pack_array(out, FORM_PARTS);
	mr_pack_uint(out, FORM);
	mr_pack_array(out, SHED_PARTS * sheds->count);
	for (size_t i = 0; i < sheds->count; i++) {
		const struct shed *shed = &sheds->at[i];
		mr_pack_bytes(out, text_of(&shed->id));
		mr_pack_bytes(out, text_of(&shed->title));
		mr_pack_uint(out, shed->slots);
		mr_pack_int(out, shed->since_us);
		mr_pack_int(out, shed->cut_us);
		mr_pack_uint(out, shed->ready);
		mr_pack_int(out, shed->ready_from_us);
	}
}

static void take(struct sheds *sheds, struct mr_unpack *in)
{
	struct mr_slice id = mr_unpack_bytes(in), title = mr_unpack_bytes(in);
	struct shed said = {.slots = mr_unpack_uint(in, UINT64_MAX)};
	said.since_us = mr_unpack_int(in);
	said.cut_us = mr_unpack_int(in);
	said.ready = mr_unpack_uint(in, UINT64_MAX);
	said.ready_from_us = mr_unpack_int(in);
	if (!mr_unpack_ok(in))
		return;
	struct shed *shed = add(sheds, id, title);
	said.id = shed->id;
	said.title = shed->title;
	*shed = said;
}

enum mr_err sheds_restore(struct sheds *sheds, struct mr_slice bytes, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	uint64_t form = mr_unpack_version(&in, FORM, FORM_PARTS);
	if (form > FORM)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "what was given up of state: form %llu: this program knows %d",
				    (unsigned long long)form, FORM);
	size_t parts = mr_unpack_array(&in, SIZE_MAX);
	in.bad |= parts % SHED_PARTS != 0;
	for (size_t i = 0; i < parts / SHED_PARTS && mr_unpack_ok(&in); i++)
		take(sheds, &in);
	sheds->may_tell = true;
	if (mr_unpack_done(&in))
		return MR_OK;
	return mr_error_set(error, MR_BAD_INPUT, "what was given up of state does not decode");
}

void sheds_fini(struct sheds *sheds)
{
	for (size_t i = 0; i < sheds->count; i++)
		shed_fini(&sheds->at[i]);
	free(sheds->at);
	mr_buf_fini(&sheds->line);
	*sheds = (struct sheds){0};
}
