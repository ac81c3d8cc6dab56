/* forms.h - the forms in which records write times, addresses and recipients of mail.
 *
 * Called by normalise.c with a value's text. Text that is none of the forms gives false, and
 * nothing is written. time.c, address.c, recipient.c. */
#ifndef MILLRACE_PARSE_FORMS_H
#define MILLRACE_PARSE_FORMS_H

#include "millrace/text.h"

/* Microseconds UTC since the epoch. Takes
 *     2021-05-18T21:13:33   also with a blank for T, without seconds, with 1 to 9 decimals (what is
 *                           finer than a microsecond is cut off), with Z or an offset; UTC without;
 *     2021-05-18            the day's first microsecond;
 *     5/18/2021 9:13:33 PM  month first, as .NET writes it in the United States; UTC;
 *     1621372413            an epoch, in seconds, milli-, micro- or nanoseconds by its size, also
 * with decimals; /Date(1621372413000)/ milliseconds, also with an offset, which changes nothing. In
 * UTC it lies in the years 0000 to 9999. */
bool mr_time_parse(struct mr_slice text, int64_t *time_us_out);

#define MR_ADDRESS_TEXT 46 /* an IPv6 address with its zero byte */

struct mr_address {
	struct mr_slice
	    text;    /* canonical: dotted decimal, or RFC 5952; borrows the input or `room` */
	uint32_t v4; /* where is_v4: the record itself has it as dotted decimal */
	uint16_t port;
	bool is_v4;
	bool has_port;
	char room[MR_ADDRESS_TEXT];
};

/* 1.2.3.4, 1.2.3.4:443, 2001:db8::1, 2001:db8::1%eth0, [2001:db8::1], [2001:db8::1]:443, blanks
 * around; ::ffff:1.2.3.4 is 1.2.3.4. */
bool mr_address_parse(struct mr_slice text, struct mr_address *out);

/* Calls `found` with each address of a list that a mail rule or setting sends to. Members are
 * parted by ';' or ','; each is ann@example.com, also with a prefix such as smtp: and in quotes;
 * several, parted by blanks; or Ann <ann@example.com>, "Ann" [SMTP:ann@example.com], where only the
 * brackets count. A member without an @, such as a display name, is none. Addresses borrow the
 * text. */
typedef void (*mr_recipient_found)(void *context, struct mr_slice address);
void mr_recipients_each(struct mr_slice text, mr_recipient_found found, void *context);
/* What stands behind the last @. */
struct mr_slice mr_recipient_domain(struct mr_slice address);

#endif
