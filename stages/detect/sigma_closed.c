/* sigma_closed.c - values that a normalised field can never have.
 *
 * Called by sigma_value.c for each test of a whole value. Where parse and enrich let a field have
 * only words of their own, or only texts of one form, any other value is a slip: the test is never
 * true, and a warning is all that tells. Never fails. */
#include <arpa/inet.h>

#include "engine_value.h"
#include "sigma_mapping.h"

/* As parse writes it, with nothing around it. */
static bool is_address(struct mr_slice text)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char shown[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	if (!engine_address_read(text, bytes))
		return false;
	if (memcmp(bytes, mapped, sizeof mapped) == 0)
		inet_ntop(AF_INET, bytes + 12, shown, sizeof shown);
	else
		inet_ntop(AF_INET6, bytes, shown, sizeof shown);
	return mr_fold_eq(text, mr_slice(shown));
}

static bool is_country(struct mr_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((text.at[i] | 0x20) < 'a' || (text.at[i] | 0x20) > 'z')
			return false;
	}
	return text.len == 2;
}

static bool is_number(struct mr_slice text)
{
	struct engine_number number;
	char room[ENGINE_NUMBER_TEXT];
	return engine_number_read(text, true, &number) &&
	       mr_slice_eq(text, engine_number_text(number, room));
}

static bool is_whole(struct mr_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	}
	return is_number(text);
}

static const struct form {
	mr_field field;
	bool (*fits)(struct mr_slice text);
	const char *what;
} forms[] = {
    {MR_F_SRC_IP, is_address,
     "an address in its shortest form, such as 192.0.2.1 or 2001:db8::1; `|cidr` asks for "
     "networks"},
    {MR_F_SRC_PORT, is_whole, "a whole number, such as 443"},
    {MR_F_SRC_COUNTRY, is_country, "a code of two letters, such as NL"},
    {MR_F_SRC_LAT, is_number, "a number in its shortest form, such as 52.37"},
    {MR_F_SRC_LONG, is_number, "a number in its shortest form, such as 4.89"},
    {MR_F_SRC_ASN, is_whole, "a whole number, such as 64496"},
    {MR_F_ACTOR_HOME_COUNTRY, is_country, "a code of two letters, such as NL"},
};

static const struct form *form_of(mr_field field)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if (forms[i].field == field)
			return &forms[i];
	}
	return NULL;
}

bool sigma_whole_text(const struct sigma_predicate *predicate, struct mr_slice *out)
{
	static const struct mr_slice empty = {"", 0};
	switch (predicate->test) {
	case SIGMA_TEXT:
		if (predicate->part_count > 1 ||
		    (predicate->part_count == 1 && predicate->parts[0].kind != SIGMA_LITERAL))
			return false;
		*out = predicate->part_count == 0 ? empty : predicate->parts[0].text;
		return true;
	case SIGMA_NUMBER:
		*out = predicate->text;
		return true;
	case SIGMA_BOOL:
		*out = predicate->truth ? MR_SLICE("true") : MR_SLICE("false");
		return true;
	default:
		return false;
	}
}

/* A rule meets only the kinds of records that its logsource sees. */
static bool is_met(const struct sigma_scope *scope, mr_field field, size_t value)
{
	return field != MR_F_KIND || scope->kinds == 0 || (scope->kinds >> value & 1) != 0;
}

static bool is_among(const struct sigma_scope *scope, mr_field field, struct mr_slice text,
		     bool cased)
{
	const char *const *values;
	size_t count = mr_field_values(field, &values);
	for (size_t i = 0; i < count; i++) {
		struct mr_slice value = mr_slice(values[i]);
		if (is_met(scope, field, i) &&
		    (cased ? mr_slice_eq(text, value) : mr_fold_eq(text, value)))
			return true;
	}
	return count == 0;
}

/* What the field is instead. */
static void put_values(const struct sigma_scope *scope, mr_field field, struct mr_buf *out)
{
	const char *const *values;
	size_t count = mr_field_values(field, &values);
	size_t met = 0;
	for (size_t i = 0; i < count; i++)
		met += is_met(scope, field, i);
	const char *before = met == 1 ? "only " : "one of ";
	for (size_t i = 0; i < count; i++) {
		if (!is_met(scope, field, i))
			continue;
		mr_buf_printf(out, "%s%s", before, values[i]);
		before = ", ";
	}
}

void sigma_closed_lint(struct sigma_scope *scope, const struct sigma_chain *chain,
		       const struct mr_yaml *at, const struct sigma_predicate *predicate)
{
	mr_field field = mr_fields_find(scope->load->fields, chain->field);
	const struct form *form = form_of(field);
	struct mr_slice text;
	struct mr_buf is = {0};
	if (scope->again || field == 0 || field >= MR_F_NORMALISED_END ||
	    !sigma_whole_text(predicate, &text) ||
	    sigma_view_moves(scope->load, scope->view, chain->field) ||
	    (form != NULL ? form->fits(text) : is_among(scope, field, text, predicate->cased)))
		return;
	if (!sigma_chain_has(chain, SIGMA_BIT(EXPAND)))
		text = at->text; /* as it is written */
	if (form != NULL)
		mr_buf_add_text(&is, form->what);
	else
		put_values(scope, field, &is);
	sigma_warn(scope, SIGMA_LINT_IMPOSSIBLE_VALUE, SIGMA_AT(at),
		   "the field \"%.*s\" is never \"%.*s\": it is %.*s", SIGMA_SHOW(chain->field),
		   SIGMA_SHOW(text), (int)is.len, is.data);
	mr_buf_fini(&is);
}
