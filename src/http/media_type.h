/* The type of a content (RFC 9110, 8.3.1), as "text/plain; charset=utf-8". Any thread; never waits; allocates nothing. */
#ifndef HTTP_MEDIA_TYPE_H
#define HTTP_MEDIA_TYPE_H

#include <anqa/base.h>

/* Type and subtype of a field's value, without parameters and blanks. False: it is none. */
bool media_type_of(anqa_str value, anqa_str *ret_type, anqa_str *ret_subtype);

/* Whether a pattern is for that type; case does not matter. In a pattern each of both may be a word ("text", "plain"), "*" for all, or a '*' and an ending:
 * "*+json". */
bool media_type_fits(const char *pattern, anqa_str type, anqa_str subtype);

#endif
