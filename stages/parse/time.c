/* time.c - the forms of a time. See forms.h. */
#include "forms.h"

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

/* A leap second counts as the first second of the next minute. */
static bool clock_time(struct cursor *in, int least_hour, struct moment *out)
{
	if (!small(in, least_hour, 2, 0, 23, &out->hour) || !take(in, ':') ||
	    !small(in, 2, 2, 0, 59, &out->minute))
		return false;
	if (!take(in, ':'))
		return true;
	if (!small(in, 2, 2, 0, 60, &out->second))
		return false;
	if (take(in, '.') || take(in, ','))
		return fraction(in, &out->fraction_us);
	return true;
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

static bool iso(struct cursor in, int64_t *out)
{
	struct moment moment = {0};
	if (!digits(&in, 4, 4, &moment.year) || !take(&in, '-') ||
	    !small(&in, 2, 2, 1, 12, &moment.month) || !take(&in, '-') ||
	    !small(&in, 2, 2, 1, 31, &moment.day))
		return false;
	if (in.at != in.end) {
		if (!take(&in, 'T') && !take(&in, 't') && !take(&in, ' '))
			return false;
		if (!clock_time(&in, 2, &moment) || !zone(&in, &moment))
			return false;
	}
	return in.at == in.end && moment_us(&moment, out);
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
