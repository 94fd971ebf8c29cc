/*
 * Heads of HTTP messages on the way between scripts and libcurl. In a script a field is text of which each character stands for
 * one byte; on the wire it is those bytes.
 */
#ifndef JS_WEB_NET_HEAD_H
#define JS_WEB_NET_HEAD_H

#include <anqa/value.h>

/* Whether it is one of RFC 9110, as methods and names of fields are. */
bool net_head_is_token(anqa_str text);
/* Whether it is one of those words, which NULL ends; case does not count. */
bool net_head_is_one_of(anqa_str name, const char *const *words);
/* Whether the field is the client's own: it says where a message ends, who is asked, or goes no further than the next. */
bool net_head_is_ours(anqa_str name);

/* The bytes of a field's text (UTF-8), written to `out`, which has room for so many as the text; false: it has characters that are
 * no bytes, or that end a line. */
bool net_head_bytes(anqa_str text, char *out, size_t *ret_len);

/* Writes the lines of an answer's head as two values: the text of the status line behind the status, and an array of names, in
 * lower case, each with its text behind it. Lines that are no fields are left out. */
void net_head_write(anqa_value_writer *writer, anqa_str head);

#endif
