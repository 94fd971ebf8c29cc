/* What clients of the control socket send: bytes, lines, requests. Nothing here trusts them. */
#ifndef CONTROL_LINE_H
#define CONTROL_LINE_H

#include <anqa/json.h>

#define CONTROL_LINE_MAX ((size_t)65536) /* with its newline */
#define CONTROL_OP_MAX 63u

/* Bytes as they come, cut into lines. Starts zeroed. */
struct control_input {
    size_t at, len; /* what is not given out yet */
    char bytes[CONTROL_LINE_MAX];
};

/* Where the next bytes go; never 0 after control_input_next has said E_NOT_FOUND. Ends the lines that were given out. */
char *control_input_room(struct control_input *input, size_t *ret_size);

/* So many bytes were put there. */
void control_input_add(struct control_input *input, size_t n);

/* The next line, without its newline and a '\r' before that. Fails: E_NOT_FOUND (no whole one yet), E_LIMIT (too long:
 * there will be no other). */
anqa_status control_input_next(struct control_input *input, anqa_str *ret_line) ANQA_MUST_CHECK;

/* One request. Borrows the line. */
struct control_request_line {
    bool has_id;
    uint64_t id;
    char op[CONTROL_OP_MAX + 1];
    anqa_json args; /* an object */
};

/* Reads a line. On failure ret_request has the id, if one could be found.
 * Fails: E_PARSE (no JSON), E_INVALID (no request). */
anqa_status control_line_parse(
    anqa_str line, struct control_request_line *ret_request, anqa_error *err) ANQA_MUST_CHECK;

/* Whether a text can name an operation. */
bool control_op_valid(anqa_str name);

#endif
