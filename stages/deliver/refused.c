/* refused.c - see refused.h. */
#include "refused.h"

#include "ocsf.h"
#include "own_alert.h"

#define FORM 1
#define KIND "refused rule" /* in the id: no record is of such a kind */

void refused_init(struct refused *refused, const struct mr_catalog *catalog)
{
	*refused = (struct refused){.catalog = catalog};
}

/* A document without an id is known by its line. */
static struct line_id id_of(const struct mr_refusal *refusal)
{
	const struct mr_slice key[] = {refusal->file, refusal->reason};
	struct line_id id = {.revision = 0};
	mr_alert_id(MR_SLICE(""), refusal->id, MR_SLICE(KIND), key, 2,
		    refusal->id.len > 0 ? 0 : refusal->line, id.id);
	return id;
}

static bool is_told(struct refused *refused, const struct line_id *id)
{
	return sent_take(&refused->told, id) && sent_add(&refused->told, id);
}

enum mr_err refused_tell(struct refused *refused, struct outputs *outputs, struct mr_error *error)
{
	const struct mr_stage_env *env = outputs->env.stage;
	for (; refused->next < refused->catalog->refused; refused->next++) {
		const struct mr_refusal *refusal = &refused->catalog->refusals[refused->next];
		struct line_id id = id_of(refusal);
		if (is_told(refused, &id))
			continue;
		refused->line.len = 0;
		ocsf_put_refusal(refusal, id.id, env->now->wall_us, &refused->line);
		struct mr_slice line = {refused->line.data, refused->line.len};
		enum mr_err err = own_alert_put(outputs, &id, line, error);
		if (err != MR_OK)
			return err == MR_FULL ? MR_OK : err;
		sent_add(&refused->told, &id);
	}
	return MR_OK;
}

void refused_snapshot(const struct refused *refused, struct mr_buf *out)
{
	mr_pack_array(out, 2);
	mr_pack_uint(out, FORM);
	sent_pack(&refused->told, out);
}

enum mr_err refused_restore(struct refused *refused, struct mr_slice bytes, struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(bytes);
	uint64_t form = mr_unpack_version(&in, FORM, 2);
	if (form > FORM)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "the rules that were refused: form %llu: this program knows %d",
				    (unsigned long long)form, FORM);
	sent_unpack(&refused->told, &in);
	if (mr_unpack_done(&in))
		return MR_OK;
	return mr_error_set(error, MR_BAD_INPUT, "the rules that were refused do not decode");
}

void refused_fini(struct refused *refused)
{
	sent_fini(&refused->told);
	mr_buf_fini(&refused->line);
	*refused = (struct refused){0};
}
