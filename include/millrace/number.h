/* number.h - numbers as records write them, added up and compared without rounding.
 *
 * A number is a text in JSON's grammar, of at most MR_NUMBER_TEXT_MAX bytes, all of whose digits
 * other than 0 stand between 10^-MR_NUMBER_DIGITS and 10^MR_NUMBER_DIGITS: every finite double, and
 * all that fits a value (signal.h). Order knows no such bounds. Used by the loader of rules, by
 * detections, by signals and by correlate.
 * Nothing here allocates. */
#ifndef MILLRACE_NUMBER_H
#define MILLRACE_NUMBER_H

#include "millrace/text.h"

#define MR_NUMBER_TEXT_MAX 63
#define MR_NUMBER_DIGITS 450

/* `exponent`: 1e3 is one, too. */
bool mr_number_is(struct mr_slice text, bool exponent);
/* JSON's grammar alone, of any length; `*integer_out`: neither fraction nor exponent. */
bool mr_number_written(struct mr_slice text, bool exponent, bool *integer_out);
/* -1, 0 or 1, exactly; both are so written, else 0. */
int mr_number_compare(struct mr_slice a, struct mr_slice b);

/* A sum, exact whatever was added in whatever order. Zeroed is 0. Up to 2^32 numbers, each times a
 * factor counting as often. */
#define MR_SUM_LIMB_DIGITS 9
#define MR_SUM_LIMBS (2 * MR_NUMBER_DIGITS / MR_SUM_LIMB_DIGITS)
struct mr_sum {
	int64_t limbs[MR_SUM_LIMBS]; /* the least first; each may be negative or too large */
	uint16_t least, above;       /* limbs below the one, or from the other on, are 0 */
};
/* Adds `times` such numbers; negative takes them away. */
void mr_sum_add(struct mr_sum *sum, struct mr_slice number, int64_t times);
/* -1, 0 or 1. */
int mr_sum_sign(const struct mr_sum *sum);
/* In decimal, without exponent, in its shortest form. */
void mr_sum_text(const struct mr_sum *sum, struct mr_buf *out);
/* What that wrote, divided by 1 to 2^32: exactly, or toward 0 with six places more than it had. */
void mr_decimal_divide(struct mr_slice decimal, uint64_t by, struct mr_buf *out);
/* For a person: 1,234,567.5; as it is where it has an exponent. */
void mr_decimal_show(struct mr_slice decimal, struct mr_buf *out);

#endif
