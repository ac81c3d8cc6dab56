/* identity_date.c - the dates of entries: which of two entries is the later.
 *
 * Called by identity_import.c. False for what is no date; nothing is written then. */
#include "identity_import.h"

struct cursor {
	const char *at;
	const char *end;
	bool bad;
};

static int64_t digits(struct cursor *in, unsigned count)
{
	int64_t number = 0;
	for (unsigned i = 0; i < count; i++) {
		if (in->at == in->end || *in->at < '0' || *in->at > '9') {
			in->bad = true;
			return 0;
		}
		number = number * 10 + (*in->at++ - '0');
	}
	return number;
}

static bool take(struct cursor *in, char byte)
{
	if (in->at == in->end || *in->at != byte)
		return false;
	in->at++;
	return true;
}

static void expect(struct cursor *in, char byte)
{
	if (!take(in, byte))
		in->bad = true;
}

/* Six decimals count, the rest is passed over. */
static int64_t fraction_us(struct cursor *in)
{
	int64_t us = 0;
	int64_t unit = 100000;
	if (in->at == in->end || *in->at < '0' || *in->at > '9')
		in->bad = true;
	for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
		us += (*in->at - '0') * unit;
		unit /= 10;
	}
	return us;
}

static int64_t offset_minutes(struct cursor *in)
{
	int64_t sign = 1;
	if (in->at == in->end || take(in, 'Z') || take(in, 'z'))
		return 0;
	if (!take(in, '+')) {
		expect(in, '-');
		sign = -1;
	}
	int64_t hours = digits(in, 2);
	take(in, ':');
	int64_t minutes = digits(in, 2);
	in->bad = in->bad || hours > 23 || minutes > 59;
	return sign * (hours * 60 + minutes);
}

bool identity_date_parse(struct mr_slice text, int64_t *time_us_out)
{
	if (text.len == 0)
		return false;
	struct cursor in = {text.at, text.at + text.len, false};
	int64_t seconds = 0;
	int64_t us = 0;
	int64_t year = digits(&in, 4);
	expect(&in, '-');
	int64_t month = digits(&in, 2);
	expect(&in, '-');
	int64_t day = digits(&in, 2);
	if (in.bad || month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	if (in.at < in.end) {
		if (!take(&in, 'T') && !take(&in, 't'))
			expect(&in, ' ');
		int64_t hour = digits(&in, 2);
		expect(&in, ':');
		int64_t minute = digits(&in, 2);
		int64_t second = take(&in, ':') ? digits(&in, 2) : 0;
		if (take(&in, '.'))
			us = fraction_us(&in);
		seconds = hour * 3600 + (minute - offset_minutes(&in)) * 60 + second;
		in.bad = in.bad || hour > 23 || minute > 59 || second > 60;
	}
	if (in.bad || in.at != in.end)
		return false;
	us += (mr_days_of_date(year, month, day) * 86400 + seconds) * 1000000;
	if (!mr_time_is_rfc3339(us))
		return false;
	*time_us_out = us;
	return true;
}
