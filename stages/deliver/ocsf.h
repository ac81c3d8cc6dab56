/* ocsf.h - the alert format: OCSF 1.3.0, Detection Finding (class 2004), one JSON object a line.
 *
 * Source: github.com/ocsf/ocsf-schema, tag 1.3.0. Profiles used: datetime (each time also as text),
 * host (the actor at the top). What the schema has no place for stands under unmapped.millrace. */
#ifndef MILLRACE_DELIVER_OCSF_H
#define MILLRACE_DELIVER_OCSF_H

#include "millrace/alert.h"
#include "millrace/field.h"
#include "millrace/logsource.h"
#include "millrace/rule.h"

#include "record.h"

/* What a rule alone says of each of its alerts, put together for the first of them. */
struct ocsf_rule {
	struct mr_buf finding;  /* title to src_url, of finding_info */
	struct mr_buf unmapped; /* group_by to false_positives, of unmapped.millrace */
	struct mr_buf labels;   /* of metadata */
	struct mr_buf matched;  /* rule and rule_title, of evidence that matched it */
	uint32_t *detections; /* that a correlation is over, through any others; NULL: not asked */
	uint32_t detection_count;
};

/* A field's name, put together for the first value of it. */
struct ocsf_name {
	struct mr_buf key; /* with quotes and colon: a record's own key may be anybody's text */
	uint32_t values;   /* of one piece of evidence, not yet put: ocsf_evidence.c's */
};

struct ocsf {
	const struct mr_catalog *catalog;
	const struct mr_fields *fields;
	struct record_reader *records;
	const struct mr_declared *declared;
	struct ocsf_rule *rules; /* as many as the catalog has */
	struct ocsf_name *names; /* as many as the dictionary has */
	struct mr_buf scratch;   /* of one alert */
	struct mr_buf actor;     /* of the one record that there is; else empty */
	struct mr_buf evidence;
};

/* Borrows all until fini. Neither catalog nor dictionary may change. */
void ocsf_init(struct ocsf *ocsf, const struct mr_catalog *catalog, const struct mr_fields *fields,
	       struct record_reader *records, const struct mr_declared *declared);
const struct ocsf_rule *ocsf_rule_of(const struct ocsf *ocsf, uint32_t index);
/* What the record's source says its logsource is, as an option takes it; or empty. */
struct mr_slice ocsf_logsource(const struct ocsf *ocsf, const struct mr_evidence *evidence);
/* Accepts zeroed memory. */
void ocsf_fini(struct ocsf *ocsf);

/* Appends the line with its '\n'. Catalog indices in the alert have been checked. Reads the
 * evidence's records, so it may block on the disk. */
void ocsf_put_alert(struct ocsf *ocsf, const struct mr_alert *alert, struct mr_buf *out);

/* Likewise a rule that was refused, as a finding of its own: at the time `now_us`, of wall clock.
 */
void ocsf_put_refusal(const struct mr_refusal *refusal, const uint8_t id[MR_ALERT_ID_BYTES],
		      int64_t now_us, struct mr_buf *out);

/* Likewise state that was given up at the memory ceiling. */
struct ocsf_shed {
	struct mr_slice rule; /* its id; empty: records of detections */
	struct mr_slice title;
	uint64_t slots;
	int64_t from_us; /* when it began */
	int64_t now_us;
};
void ocsf_put_shed(const struct ocsf_shed *shed, const uint8_t id[MR_ALERT_ID_BYTES],
		   struct mr_buf *out);

/* ---- its parts, one file each ---- */

/* finding_info.attacks, from the tags of the rule. */
void ocsf_put_attacks(struct mr_buf *out, const struct mr_texts *tags);

/* What one record says of who acted, from where, on what. Each is left out where nothing is known.
 */
void ocsf_put_actor(struct mr_buf *out, const struct mr_evidence *evidence, struct mr_slice tenant);
void ocsf_put_source(struct mr_buf *out, const struct mr_evidence *evidence);
void ocsf_put_device(struct mr_buf *out, const struct mr_evidence *evidence);
void ocsf_put_api(struct mr_buf *out, const struct mr_evidence *evidence);
void ocsf_put_target(struct mr_buf *out, const struct mr_evidence *evidence);

/* `evidences` at the top, and its twin in unmapped.millrace with what the schema has no place for:
 * which record it is, where it lies, what matched it, all fields. The twin's items go to
 * `evidence_out`, which holds its opening bracket. */
void ocsf_put_evidences(const struct ocsf *ocsf, const struct mr_alert *alert, struct mr_buf *out,
			struct mr_buf *evidence_out);

#endif
