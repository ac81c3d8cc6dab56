/* engine_time.c - dates for the time-part modifiers: UTC, ISO weeks.
 *
 * Called by engine_match.c. What is no date gives false. */
#include "engine_value.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)

/* Exactly `count` digits at text[*at]. */
static bool read_digits(struct mr_slice text, size_t *at, int count, int64_t *out)
{
	int64_t sum = 0;
	for (int i = 0; i < count; i++, (*at)++) {
		if (*at >= text.len || text.at[*at] < '0' || text.at[*at] > '9')
			return false;
		sum = sum * 10 + (text.at[*at] - '0');
	}
	*out = sum;
	return true;
}

static bool read_char(struct mr_slice text, size_t *at, char c)
{
	if (*at >= text.len || text.at[*at] != c)
		return false;
	(*at)++;
	return true;
}

static bool read_date(struct mr_slice text, size_t *at, int64_t *days)
{
	int64_t year, month, day, got_year, got_month, got_day;
	if (!read_digits(text, at, 4, &year) || !read_char(text, at, '-') ||
	    !read_digits(text, at, 2, &month) || !read_char(text, at, '-') ||
	    !read_digits(text, at, 2, &day) || month < 1 || month > 12 || day < 1)
		return false;
	*days = mr_days_of_date(year, month, day);
	mr_date_of_days(*days, &got_year, &got_month, &got_day);
	return got_month == month && got_day == day;
}

/* hh:mm[:ss[.fraction]] as microseconds. */
static bool read_clock(struct mr_slice text, size_t *at, int64_t *clock_us)
{
	int64_t hour, minute, second = 0, fraction = 0;
	if (!read_digits(text, at, 2, &hour) || !read_char(text, at, ':') ||
	    !read_digits(text, at, 2, &minute) || hour > 23 || minute > 59)
		return false;
	if (read_char(text, at, ':')) {
		if (!read_digits(text, at, 2, &second) || second > 60)
			return false;
		if (read_char(text, at, '.')) {
			size_t start = *at;
			int64_t unit = SECOND_US / 10;
			for (; *at < text.len && text.at[*at] >= '0' && text.at[*at] <= '9';
			     (*at)++, unit /= 10)
				fraction += (text.at[*at] - '0') * unit;
			if (*at == start)
				return false;
		}
	}
	*clock_us = ((hour * 60 + minute) * 60 + second) * SECOND_US + fraction;
	return true;
}

/* Z, +hh, +hhmm, +hh:mm or nothing. */
static bool read_zone(struct mr_slice text, size_t *at, int64_t *offset_us)
{
	*offset_us = 0;
	if (*at == text.len || read_char(text, at, 'Z') || read_char(text, at, 'z'))
		return true;
	bool west = read_char(text, at, '-');
	int64_t hours, minutes = 0;
	if ((!west && !read_char(text, at, '+')) || !read_digits(text, at, 2, &hours))
		return false;
	bool colon = read_char(text, at, ':');
	if ((colon || *at < text.len) && !read_digits(text, at, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*offset_us = (hours * 60 + minutes) * 60 * SECOND_US * (west ? -1 : 1);
	return true;
}

bool engine_time_read(struct mr_slice text, int64_t *time_us_out)
{
	size_t at = 0;
	int64_t days, clock_us = 0, offset_us = 0;
	if (!read_date(text, &at, &days))
		return false;
	if (at < text.len) {
		if (!read_char(text, &at, 'T') && !read_char(text, &at, 't') &&
		    !read_char(text, &at, ' '))
			return false;
		if (!read_clock(text, &at, &clock_us) || !read_zone(text, &at, &offset_us))
			return false;
	}
	*time_us_out = days * DAY_US + clock_us - offset_us;
	return at == text.len && mr_time_is_rfc3339(*time_us_out);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* The week that holds the year's first Thursday is week 1; weeks start on Monday. */
static int64_t iso_week(int64_t days)
{
	int64_t weekday = (days + 3) - floor_div(days + 3, 7) * 7; /* Monday is 0 */
	int64_t thursday = days - weekday + 3;
	int64_t year, month, day;
	mr_date_of_days(thursday, &year, &month, &day);
	return (thursday - mr_days_of_date(year, 1, 1)) / 7 + 1;
}

int64_t engine_time_part(int64_t time_us, enum sigma_timepart part)
{
	int64_t days = floor_div(time_us, DAY_US);
	int64_t minutes = (time_us - days * DAY_US) / (60 * SECOND_US);
	int64_t year, month, day;
	mr_date_of_days(days, &year, &month, &day);
	switch (part) {
	case SIGMA_MINUTE:
		return minutes % 60;
	case SIGMA_HOUR:
		return minutes / 60;
	case SIGMA_DAY:
		return day;
	case SIGMA_WEEK:
		return iso_week(days);
	case SIGMA_MONTH:
		return month;
	case SIGMA_YEAR:
		return year;
	}
	return -1;
}
