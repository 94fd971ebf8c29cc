/*
 * What is asked of a JavaScript process, by anqa_js_call and its like.
 *
 * A call, an eval and a tool's question have one of the tags below and a payload: a byte for the form of the
 * answer, a byte for the length of the function's name, the time when nobody waits any more (8 bytes; that of anqa_now_ms), the name,
 * the arguments. The answer is a byte, then a value or
 * JSON text; or FORM_ERROR and a value: an array of name, message, stack. The answer to a snapshot is its bytes; or FORM_REFUSED,
 * a status and why. Answers to the other tags are structs of anqa/js.h.
 */
#ifndef JS_ASK_H
#define JS_ASK_H

extern const char js_call_tag[], js_eval_tag[];
extern const char js_tool_tag[]; /* the name is one of boot.js's `tools`, the arguments an array */
extern const char js_info_tag[], js_memory_tag[], js_reset_tag[], js_snapshot_tag[];

enum { ASK_HEAD = 10 }; /* bytes before the name */

/* enum: forms of answers; BARE is never sent */
enum { FORM_BARE, FORM_VALUE = 'v', FORM_JSON = 'j', FORM_ERROR = 'e', FORM_REFUSED = 'r' };

#endif
