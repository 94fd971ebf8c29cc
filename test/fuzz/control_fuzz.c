/*
 * Any bytes from a client of the control socket. What must hold:
 *  - any split of the input gives the lines of the whole;
 *  - a line is only refused as too long when it is;
 *  - what is taken for a request has the name of an operation and an object with arguments, inside of the line.
 */
#include "control/line.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_request(anqa_str line)
{
    struct control_request_line request;
    anqa_error err = {0};
    anqa_status status = control_line_parse(line, &request, &err);

    require(anqa_json_type_of(request.args) != ANQA_JSON_IS_NOTHING);
    if (status != ANQA_OK) {
        require(status == ANQA_E_PARSE || status == ANQA_E_INVALID);
        require(err.text[0] != '\0');
        return;
    }
    require(request.has_id && control_op_valid(anqa_str_of(request.op)));
    require(anqa_json_type_of(request.args) == ANQA_JSON_IS_OBJECT);
    if (request.args.len > 2)
        require(request.args.ptr >= line.ptr &&
                request.args.ptr + request.args.len <= line.ptr + line.len);
}

/* Where the next line ends in `rest`; what a careful reader with all bytes at hand would say. */
static anqa_status line_of(anqa_str rest, anqa_str *ret_line, size_t *ret_taken)
{
    const char *end = memchr(rest.ptr, '\n', rest.len);
    size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);

    if (len >= CONTROL_LINE_MAX)
        return ANQA_E_LIMIT;
    if (end == NULL)
        return ANQA_E_NOT_FOUND;
    *ret_taken = len + 1;
    *ret_line = anqa_str_make(rest.ptr, len > 0 && rest.ptr[len - 1] == '\r' ? len - 1 : len);
    return ANQA_OK;
}

/* Takes lines out until there is none; false: the last word was that one is too long. */
static bool take_lines(struct control_input *input, anqa_str *rest)
{
    anqa_str line, expected;
    size_t taken;
    anqa_status status;

    while ((status = control_input_next(input, &line)) == ANQA_OK) {
        require(line_of(*rest, &expected, &taken) == ANQA_OK && anqa_str_eq(line, expected));
        check_request(line);
        *rest = anqa_str_make(rest->ptr + taken, rest->len - taken);
    }
    require(status == ANQA_E_NOT_FOUND || status == ANQA_E_LIMIT);
    if (status == ANQA_E_LIMIT)
        require(line_of(*rest, &expected, &taken) == ANQA_E_LIMIT);
    return status == ANQA_E_NOT_FOUND;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_input *input = calloc(1, sizeof *input);
    size_t piece = size == 0 ? 1 : data[0] + (size_t)1, at = 0, room;
    anqa_str rest = anqa_str_make((const char *)data, size);
    bool goes_on = true;

    require(input != NULL);
    while (goes_on && at < size) {
        char *to = control_input_room(input, &room);
        size_t n = piece < size - at ? piece : size - at;
        require(room > 0);
        n = n < room ? n : room;
        memcpy(to, data + at, n);
        control_input_add(input, n);
        at += n;
        goes_on = take_lines(input, &rest);
    }
    free(input);
    return 0;
}
