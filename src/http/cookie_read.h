/* The pairs of a Cookie field (RFC 6265, 5.4), as they stand. Any thread; never waits; allocates nothing. */
#ifndef HTTP_COOKIE_READ_H
#define HTTP_COOKIE_READ_H

#include <anqa/base.h>

/* Takes the next pair from the front of `*field`, without blanks around name and value; what has no '=' or no name is skipped.
 * False at the end. */
bool cookie_next(anqa_str *field, anqa_str *ret_name, anqa_str *ret_value);

/* Whether it can stand behind "name=": a cookie-octet each (RFC 6265, 4.1.1). */
bool cookie_is_value(anqa_str value);

#endif
