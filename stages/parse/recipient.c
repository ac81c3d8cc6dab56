/* recipient.c - the addresses in a text that says where mail goes.
 *
 * Called by normalise.c. Never fails: any text is a list, if one without addresses. */
#include "forms.h"

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* "smtp:ann@example.com" and quotes around it become the address alone. */
static struct mr_slice bare_address(struct mr_slice word)
{
	while (word.len > 0 && *word.at == '\'')
		word = (struct mr_slice){word.at + 1, word.len - 1};
	while (word.len > 0 && word.at[word.len - 1] == '\'')
		word.len--;
	const char *colon = memrchr(word.at, ':', word.len - mr_recipient_domain(word).len);
	if (colon != NULL)
		word = (struct mr_slice){colon + 1, word.len - (size_t)(colon + 1 - word.at)};
	return word;
}

/* The words with an @ in one member of a list: all of them, or those that stand in brackets. Gives
 * how many there were. */
static size_t find_words(struct mr_slice part, bool bracketed, mr_recipient_found found,
			 void *context)
{
	size_t count = 0;
	bool inside = false;
	for (size_t at = 0; at < part.len; at++) {
		size_t from = at;
		while (at < part.len && !is_one_of(part.at[at], " \t\r\n\"<>[](){}"))
			at++;
		struct mr_slice word = {part.at + from, at - from};
		if ((inside || !bracketed) && memchr(word.at, '@', word.len) != NULL) {
			found(context, bare_address(word));
			count++;
		}
		if (at < part.len && is_one_of(part.at[at], "<["))
			inside = true;
		else if (at < part.len && is_one_of(part.at[at], ">]"))
			inside = false;
	}
	return count;
}

void mr_recipients_each(struct mr_slice text, mr_recipient_found found, void *context)
{
	while (text.len > 0) {
		size_t len = 0;
		while (len < text.len && !is_one_of(text.at[len], ";,"))
			len++;
		struct mr_slice part = {text.at, len};
		if (find_words(part, true, found, context) == 0)
			find_words(part, false, found, context);
		len += len < text.len;
		text = (struct mr_slice){text.at + len, text.len - len};
	}
}

struct mr_slice mr_recipient_domain(struct mr_slice address)
{
	const char *at = memrchr(address.at, '@', address.len);
	if (at == NULL)
		return (struct mr_slice){"", 0};
	return (struct mr_slice){at + 1, address.len - (size_t)(at + 1 - address.at)};
}
