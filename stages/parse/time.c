/* time.c - the forms of a time. See forms.h. */
#include "forms.h"

#include <endian.h>

#define SECOND 1000000

struct cursor {
	const char *at;
	const char *end;
};

struct moment {
	int64_t year;
	int month, day, hour, minute, second;
	int64_t fraction_us;
	int64_t offset_s;
};

static char peek(const struct cursor *in)
{
	return in->at < in->end ? *in->at : '\0';
}

static bool take(struct cursor *in, char c)
{
	if (peek(in) != c || c == '\0')
		return false;
	in->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* `least` to `most` digits, within 18. */
static bool digits(struct cursor *in, int least, int most, int64_t *out)
{
	int64_t value = 0;
	int count = 0;
	while (count < most && is_digit(peek(in))) {
		value = value * 10 + (*in->at++ - '0');
		count++;
	}
	*out = value;
	return count >= least;
}

static bool small(struct cursor *in, int least, int most, int low, int high, int *out)
{
	int64_t value;
	if (!digits(in, least, most, &value) || value < low || value > high)
		return false;
	*out = (int)value;
	return true;
}

static bool moment_us(const struct moment *moment, int64_t *out)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = moment->year % 4 == 0 && (moment->year % 100 != 0 || moment->year % 400 == 0);
	int length = lengths[moment->month - 1] + (moment->month == 2 && leap);
	if (moment->day > length)
		return false;
	int64_t days = mr_days_of_date(moment->year, moment->month, moment->day);
	int64_t seconds = days * 86400 + moment->hour * 3600 + moment->minute * 60 + moment->second;
	*out = (seconds - moment->offset_s) * SECOND + moment->fraction_us;
	return true;
}

/* Up to nine decimals behind a point; six are kept. */
static bool fraction(struct cursor *in, int64_t *out)
{
	const char *from = in->at;
	int64_t value;
	if (!digits(in, 1, 9, &value) || is_digit(peek(in)))
		return false;
	for (int64_t count = in->at - from; count < 6; count++)
		value *= 10;
	for (int64_t count = in->at - from; count > 6; count--)
		value /= 10;
	*out = value;
	return true;
}

/* Behind a second. */
static bool part_of_second(struct cursor *in, struct moment *out)
{
	return (!take(in, '.') && !take(in, ',')) || fraction(in, &out->fraction_us);
}

/* A leap second counts as the first second of the next minute. */
static bool clock_time(struct cursor *in, int least_hour, struct moment *out)
{
	if (!small(in, least_hour, 2, 0, 23, &out->hour) || !take(in, ':') ||
	    !small(in, 2, 2, 0, 59, &out->minute))
		return false;
	if (!take(in, ':'))
		return true;
	return small(in, 2, 2, 0, 60, &out->second) && part_of_second(in, out);
}

static bool zone(struct cursor *in, struct moment *out)
{
	if (in->at == in->end || take(in, 'Z') || take(in, 'z'))
		return true;
	int sign = take(in, '+') ? 1 : take(in, '-') ? -1 : 0;
	int hours;
	int minutes = 0;
	if (sign == 0 || !small(in, 2, 2, 0, 23, &hours))
		return false;
	if (take(in, ':') || in->at < in->end)
		if (!small(in, 2, 2, 0, 59, &minutes))
			return false;
	out->offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* ---- the form that nearly all have, eight bytes at a time ---- */

/* Eight bytes of the form, in which digits are written 0. */
struct form {
	uint64_t zeros; /* the form itself */
	uint64_t past;  /* for a digit 0x76, which 10 lifts past 0x7f, for a mark 0x7f */
};
#define BYTE(value, at) ((uint64_t)(value) << 8 * (at))
#define FORM(a, b, c, d, e, f, g, h)                                                               \
	{                                                                                          \
		BYTE(a, 0) | BYTE(b, 1) | BYTE(c, 2) | BYTE(d, 3) | BYTE(e, 4) | BYTE(f, 5) |      \
		    BYTE(g, 6) | BYTE(h, 7),                                                       \
		    BYTE(PAST(a), 0) | BYTE(PAST(b), 1) | BYTE(PAST(c), 2) | BYTE(PAST(d), 3) |    \
			BYTE(PAST(e), 4) | BYTE(PAST(f), 5) | BYTE(PAST(g), 6) | BYTE(PAST(h), 7)  \
	}
#define PAST(c) ((c) == '0' ? 0x76 : 0x7f)

/* Byte i of *pairs_out is the number of the digits i and i + 1; false where the text is of another
 * form. */
static bool read_form(const char *at, const struct form *form, uint64_t *pairs_out)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	word = le64toh(word) ^ form->zeros;
	*pairs_out = word * 10 + (word >> 8);
	return (((word + form->past) | word) & UINT64_C(0x8080808080808080)) == 0;
}

static int pair(uint64_t pairs, unsigned at)
{
	return (int)(pairs >> 8 * at & 0xff);
}

/* 2026-01-02T03:04:05, with a T. False where it is not that or out of range: `in` has not moved. */
static bool to_the_second(struct cursor *in, struct moment *out)
{
	static const struct form date = FORM('0', '0', '0', '0', '-', '0', '0', '-');
	static const struct form day = FORM('-', '0', '0', '-', '0', '0', 'T', '0');
	static const struct form clock = FORM('0', '0', ':', '0', '0', ':', '0', '0');
	uint64_t years, days, clocks;
	if (in->end - in->at < 19 || !read_form(in->at, &date, &years) ||
	    !read_form(in->at + 4, &day, &days) || !read_form(in->at + 11, &clock, &clocks))
		return false;
	out->year = pair(years, 0) * 100 + pair(years, 2);
	out->month = pair(years, 5);
	out->day = pair(days, 4);
	out->hour = pair(clocks, 0);
	out->minute = pair(clocks, 3);
	out->second = pair(clocks, 6);
	if (out->month < 1 || out->month > 12 || out->day < 1 || out->day > 31 || out->hour > 23 ||
	    out->minute > 59 || out->second > 60)
		return false;
	in->at += 19;
	return true;
}

/* ---- all forms ---- */

static bool date_and_time(struct cursor *in, struct moment *out)
{
	*out = (struct moment){0};
	if (!digits(in, 4, 4, &out->year) || !take(in, '-') ||
	    !small(in, 2, 2, 1, 12, &out->month) || !take(in, '-') ||
	    !small(in, 2, 2, 1, 31, &out->day))
		return false;
	if (in->at == in->end)
		return true;
	if (!take(in, 'T') && !take(in, 't') && !take(in, ' '))
		return false;
	return clock_time(in, 2, out) && zone(in, out);
}

static bool iso(struct cursor in, int64_t *out)
{
	struct moment moment = {0};
	bool good = to_the_second(&in, &moment) ? part_of_second(&in, &moment) && zone(&in, &moment)
						: date_and_time(&in, &moment);
	return good && in.at == in.end && moment_us(&moment, out);
}

/* 12 AM is midnight, 12 PM is noon. */
static bool half_day(struct cursor *in, struct moment *out)
{
	char letter = (char)(peek(in) | 0x20);
	if (in->end - in->at != 2 || (letter != 'a' && letter != 'p') ||
	    (in->at[1] | 0x20) != 'm' || out->hour < 1 || out->hour > 12)
		return false;
	out->hour = out->hour % 12 + (letter == 'p' ? 12 : 0);
	in->at += 2;
	return true;
}

static bool american(struct cursor in, int64_t *out)
{
	struct moment moment = {0};
	if (!small(&in, 1, 2, 1, 12, &moment.month) || !take(&in, '/') ||
	    !small(&in, 1, 2, 1, 31, &moment.day) || !take(&in, '/') ||
	    !digits(&in, 4, 4, &moment.year))
		return false;
	if (in.at != in.end) {
		if (!take(&in, ' ') || !clock_time(&in, 1, &moment))
			return false;
		if (take(&in, ' ') && !half_day(&in, &moment))
			return false;
	}
	return in.at == in.end && moment_us(&moment, out);
}

/* The unit by size: below 10^11 seconds (the year 5138), then milliseconds, microseconds,
 * nanoseconds. */
static bool epoch(struct cursor in, int64_t *out)
{
	bool negative = take(&in, '-');
	int64_t value;
	if (!is_digit(peek(&in)) || !digits(&in, 1, 18, &value))
		return false;
	if (is_digit(peek(&in))) { /* a nineteenth: nanoseconds */
		if (value > INT64_MAX / 10 - 1)
			return false;
		value = value * 10 + (*in.at++ - '0');
	}
	int64_t unit = value < 100000000000         ? SECOND
		       : value < 100000000000000    ? 1000
		       : value < 100000000000000000 ? 1
						    : 0;
	int64_t part = 0;
	if (take(&in, '.') && !fraction(&in, &part))
		return false;
	if (in.at != in.end)
		return false;
	int64_t us = unit == 0 ? value / 1000 : value * unit + part * unit / SECOND;
	*out = negative ? -us : us;
	return true;
}

static bool wrapped(struct cursor in, int64_t *out)
{
	if (in.end - in.at < 9 || memcmp(in.at, "/Date(", 6) != 0 || in.end[-1] != '/' ||
	    in.end[-2] != ')')
		return false;
	in = (struct cursor){in.at + 6, in.end - 2};
	bool negative = take(&in, '-');
	int64_t value;
	if (!digits(&in, 1, 15, &value))
		return false;
	if (in.at != in.end) { /* an offset: how the writer's wall clock stood */
		int64_t offset;
		if ((!take(&in, '+') && !take(&in, '-')) || !digits(&in, 4, 4, &offset) ||
		    in.at != in.end)
			return false;
	}
	*out = (negative ? -value : value) * 1000;
	return true;
}

bool mr_time_parse(struct mr_slice text, int64_t *time_us_out)
{
	struct cursor in = {text.at, text.at + text.len};
	while (in.at < in.end && *in.at == ' ')
		in.at++;
	while (in.at < in.end && in.end[-1] == ' ')
		in.end--;
	int64_t time_us;
	if ((!iso(in, &time_us) && !american(in, &time_us) && !epoch(in, &time_us) &&
	     !wrapped(in, &time_us)) ||
	    !mr_time_is_rfc3339(time_us))
		return false;
	*time_us_out = time_us;
	return true;
}
