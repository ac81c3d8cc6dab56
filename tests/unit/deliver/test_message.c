/* test_message.c - a rule's own fields in the sentence of its alert. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "message.h"

#define S(text) MR_SLICE(text)
#define OWN_FIELD MR_F_NORMALISED_END

static void says(const struct mr_rule *rule, const struct mr_signal_field *fields, uint32_t count,
		 const char *wanted)
{
	struct mr_rule copy = *rule;
	struct mr_catalog catalog = {.rules = &copy, .count = 1, .layers = 1};
	struct mr_alert alert = {.has_time = true, .event_count = 1, .evidence_count = 1};
	struct mr_buf out = {0};
	alert.evidence[0] = (struct mr_evidence){.field_count = count, .fields = fields};
	message_put(&out, &catalog, &alert);
	mr_buf_add(&out, "", 1);
	assert_string_equal(out.data, wanted);
	mr_buf_fini(&out);
}

static void a_detection_says_its_own_fields(void **state)
{
	(void)state;
	struct mr_slice names[] = {S("ClientAppUsed"), S("none"), S("actor.user.roles")};
	mr_field ids[] = {OWN_FIELD, 0, MR_F_ACTOR_ROLES};
	const struct mr_signal_field fields[] = {
	    {MR_F_OPERATION, MR_STRING, S("Op")},  {OWN_FIELD, MR_STRING, S("IMAP4\r\n(old)")},
	    {MR_F_ACTOR_ROLES, MR_STRING, S("a")}, {MR_F_ACTOR_ROLES, MR_STRING, S("b")},
	    {MR_F_ACTOR_ROLES, MR_STRING, S("c")}, {MR_F_ACTOR_ROLES, MR_STRING, S("d")},
	    {MR_F_ACTOR_ROLES, MR_STRING, S("e")}};
	struct mr_rule rule = {.title = S("T"), .shown = {names, 3}, .shown_fields = ids};
	says(&rule, fields, sizeof fields / sizeof fields[0],
	     "T: somebody did Op at 1970-01-01T00:00:00Z; ClientAppUsed: IMAP4  (old); "
	     "actor.user.roles: a, b, c, …");
	rule.kind = MR_RULE_CORRELATION;
	says(&rule, fields, 2, "T: 1 record at 1970-01-01T00:00:00Z");
}

/* Whatever a rule names and a record holds, the sentence ends. */
static void the_sentence_is_bounded(void **state)
{
	(void)state;
	static char long_text[5000];
	struct mr_slice names[MR_RULE_SHOWN_MAX];
	mr_field ids[MR_RULE_SHOWN_MAX];
	struct mr_signal_field fields[MR_RULE_SHOWN_MAX];
	memset(long_text, 'x', sizeof long_text);
	for (uint16_t i = 0; i < MR_RULE_SHOWN_MAX; i++) {
		names[i] = (struct mr_slice){long_text, sizeof long_text};
		ids[i] = (mr_field)(OWN_FIELD + i);
		fields[i] = (struct mr_signal_field){ids[i], MR_STRING, names[i]};
	}
	struct mr_rule rule = {
	    .title = S("T"), .shown = {names, MR_RULE_SHOWN_MAX}, .shown_fields = ids};
	struct mr_catalog catalog = {.rules = &rule, .count = 1, .layers = 1};
	struct mr_alert alert = {.has_time = true, .event_count = 1, .evidence_count = 1};
	struct mr_buf out = {0};
	alert.evidence[0] =
	    (struct mr_evidence){.field_count = MR_RULE_SHOWN_MAX, .fields = fields};
	message_put(&out, &catalog, &alert);
	assert_in_range(out.len, 8 * 2 * 160, 4000);
	mr_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_detection_says_its_own_fields),
	    cmocka_unit_test(the_sentence_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
