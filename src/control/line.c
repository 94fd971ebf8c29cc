#include "control/line.h"

char *control_input_room(struct control_input *input, size_t *ret_size)
{
    memmove(input->bytes, input->bytes + input->at, input->len - input->at);
    input->len -= input->at;
    input->at = 0;
    *ret_size = sizeof input->bytes - input->len;
    return input->bytes + input->len;
}

void control_input_add(struct control_input *input, size_t n)
{
    input->len += n;
}

anqa_status control_input_next(struct control_input *input, anqa_str *ret_line)
{
    const char *begin = input->bytes + input->at;
    size_t left = input->len - input->at;
    const char *end = memchr(begin, '\n', left);
    size_t len;

    if (end == NULL)
        return left < sizeof input->bytes ? ANQA_E_NOT_FOUND : ANQA_E_LIMIT;
    len = (size_t)(end - begin);
    input->at += len + 1;
    if (len > 0 && begin[len - 1] == '\r')
        len--;
    *ret_line = anqa_str_make(begin, len);
    return ANQA_OK;
}

bool control_op_valid(anqa_str name)
{
    if (name.len == 0 || name.len > CONTROL_OP_MAX || name.ptr[0] < 'a' || name.ptr[0] > 'z')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-')
            return false;
    }
    return true;
}

static anqa_status op_read(anqa_json line, char op[CONTROL_OP_MAX + 1], anqa_error *err)
{
    anqa_json name;
    anqa_str text;

    if (anqa_json_get(line, "op", &name) != ANQA_OK)
        return anqa_fail(err, ANQA_E_INVALID, "a request needs \"op\"");
    text = anqa_json_text(name);
    if (text.len >= 2 && text.ptr[0] == '"')
        text = anqa_str_make(text.ptr + 1, text.len - 2);
    if (anqa_json_type_of(name) != ANQA_JSON_IS_STRING || !control_op_valid(text))
        return anqa_fail(err, ANQA_E_INVALID, "\"op\" must be the name of an operation");
    memcpy(op, text.ptr, text.len);
    op[text.len] = '\0';
    return ANQA_OK;
}

anqa_status control_line_parse(
    anqa_str line, struct control_request_line *ret_request, anqa_error *err)
{
    anqa_json json;
    anqa_status status;

    *ret_request = (struct control_request_line){.args = ANQA_JSON_EMPTY_OBJECT};
    status = anqa_json_parse(line, NULL, &json, err);
    if (status != ANQA_OK)
        return ANQA_E_PARSE;
    if (anqa_json_type_of(json) != ANQA_JSON_IS_OBJECT)
        return anqa_fail(err, ANQA_E_INVALID, "a request is an object");
    if (anqa_json_get_uint(json, "id", &ret_request->id) != ANQA_OK)
        return anqa_fail(err, ANQA_E_INVALID, "a request needs \"id\", an integer from 0");
    ret_request->has_id = true;
    status = op_read(json, ret_request->op, err);
    if (status != ANQA_OK)
        return status;
    if (anqa_json_get(json, "args", &ret_request->args) == ANQA_OK &&
        anqa_json_type_of(ret_request->args) != ANQA_JSON_IS_OBJECT)
        return anqa_fail(err, ANQA_E_INVALID, "\"args\" must be an object");
    return ANQA_OK;
}
