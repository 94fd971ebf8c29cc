#include "http/media_type.h"

#include "http/request.h"

static bool split(anqa_str text, anqa_str *ret_type, anqa_str *ret_subtype)
{
    const char *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);

    if (slash == NULL)
        return false;
    *ret_type = anqa_str_make(text.ptr, (size_t)(slash - text.ptr));
    *ret_subtype = anqa_str_make(slash + 1, text.len - ret_type->len - 1);
    return true;
}

/* RFC 9110, 5.6.2. */
static bool is_token(anqa_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return text.len != 0;
}

bool media_type_of(anqa_str value, anqa_str *ret_type, anqa_str *ret_subtype)
{
    const char *end = value.len == 0 ? NULL : memchr(value.ptr, ';', value.len);

    if (end != NULL)
        value.len = (size_t)(end - value.ptr);
    return split(request_trim(value), ret_type, ret_subtype) && is_token(*ret_type) &&
           is_token(*ret_subtype);
}

static bool fits(anqa_str pattern, anqa_str text)
{
    if (pattern.len == 0 || *pattern.ptr != '*')
        return request_same_word(pattern, text);
    pattern = anqa_str_make(pattern.ptr + 1, pattern.len - 1);
    if (pattern.len == 0)
        return true;
    return text.len > pattern.len &&
           request_same_word(
               anqa_str_make(text.ptr + text.len - pattern.len, pattern.len), pattern);
}

bool media_type_fits(const char *pattern, anqa_str type, anqa_str subtype)
{
    anqa_str wanted, wanted_sub;

    return split(anqa_str_of(pattern), &wanted, &wanted_sub) && fits(wanted, type) &&
           fits(wanted_sub, subtype);
}
