#include <anqa/json.h>

/* JSON Pointer, RFC 6901: "/a/0", where a token writes ~1 for a slash and ~0 for a tilde. */

#define TOKEN_MAX 256 /* of tokens with tildes, which are rare and must be put somewhere */

/* The bytes a token stands for: its own, or decoded into `room`. */
static anqa_status token_bytes(anqa_str token, char room[static TOKEN_MAX], anqa_str *ret_bytes)
{
    size_t len = 0;

    *ret_bytes = token;
    if (memchr(token.ptr, '~', token.len) == NULL)
        return ANQA_OK;
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        if (len == TOKEN_MAX)
            return ANQA_E_LIMIT;
        if (c == '~') {
            i++;
            if (i == token.len || (token.ptr[i] != '0' && token.ptr[i] != '1'))
                return ANQA_E_INVALID;
            c = token.ptr[i] == '0' ? '~' : '/';
        }
        room[len++] = c;
    }
    *ret_bytes = anqa_str_make(room, len);
    return ANQA_OK;
}

/* An index is 0 or digits without a leading zero; "-", the element behind the last, is never there. */
static anqa_status token_index(anqa_str token, size_t *ret_index)
{
    int64_t index;
    anqa_json number = {token.ptr, token.len};

    if (anqa_str_is(token, "-"))
        return ANQA_E_NOT_FOUND;
    for (size_t i = 0; i < token.len; i++)
        if (token.ptr[i] < '0' || token.ptr[i] > '9')
            return ANQA_E_NOT_FOUND;
    if (anqa_json_to_int(number, &index) != ANQA_OK)
        return ANQA_E_NOT_FOUND;
    *ret_index = (size_t)index;
    return ANQA_OK;
}

static anqa_status step(anqa_json json, anqa_str token, anqa_json *ret_value)
{
    char room[TOKEN_MAX];
    anqa_str bytes;
    size_t index;
    anqa_status s = token_bytes(token, room, &bytes);

    if (s != ANQA_OK)
        return s;
    if (anqa_json_type_of(json) != ANQA_JSON_IS_ARRAY)
        return anqa_json_get_named(json, bytes, ret_value);
    s = token_index(bytes, &index);
    return s == ANQA_OK ? anqa_json_at(json, index, ret_value) : s;
}

anqa_status anqa_json_find(anqa_json json, const char *pointer, anqa_json *ret_value)
{
    while (*pointer != '\0') {
        size_t len;
        anqa_status s;

        if (*pointer++ != '/')
            return ANQA_E_INVALID;
        len = strcspn(pointer, "/");
        s = step(json, anqa_str_make(pointer, len), &json);
        if (s != ANQA_OK)
            return s;
        pointer += len;
    }
    *ret_value = json;
    return ANQA_OK;
}
