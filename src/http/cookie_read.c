#include "http/cookie_read.h"

#include "http/request.h"

bool cookie_next(anqa_str *field, anqa_str *ret_name, anqa_str *ret_value)
{
    while (field->len != 0) {
        anqa_str pair = *field;
        const char *end = memchr(pair.ptr, ';', pair.len), *equals;
        if (end != NULL)
            pair.len = (size_t)(end - pair.ptr);
        *field = end == NULL ? anqa_str_make(pair.ptr + pair.len, 0)
                             : anqa_str_make(end + 1, field->len - pair.len - 1);
        equals = pair.len == 0 ? NULL : memchr(pair.ptr, '=', pair.len);
        if (equals == NULL)
            continue;
        *ret_name = request_trim(anqa_str_make(pair.ptr, (size_t)(equals - pair.ptr)));
        *ret_value =
            request_trim(anqa_str_make(equals + 1, pair.len - (size_t)(equals - pair.ptr) - 1));
        if (ret_name->len != 0)
            return true;
    }
    return false;
}

bool cookie_is_value(anqa_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}
