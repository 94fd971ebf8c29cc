#include "http/media_type.h"

#include "http/request.h"
#include "http/response.h"

static bool split(anqa_str text, anqa_str *ret_type, anqa_str *ret_subtype)
{
    const char *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);

    if (slash == NULL)
        return false;
    *ret_type = anqa_str_make(text.ptr, (size_t)(slash - text.ptr));
    *ret_subtype = anqa_str_make(slash + 1, text.len - ret_type->len - 1);
    return true;
}

bool media_type_of(anqa_str value, anqa_str *ret_type, anqa_str *ret_subtype)
{
    const char *end = value.len == 0 ? NULL : memchr(value.ptr, ';', value.len);

    if (end != NULL)
        value.len = (size_t)(end - value.ptr);
    return split(request_trim(value), ret_type, ret_subtype) && response_is_name(*ret_type) &&
           response_is_name(*ret_subtype);
}

static bool fits(anqa_str pattern, anqa_str text)
{
    return anqa_str_is(pattern, "*") || request_same_word(pattern, text);
}

bool media_type_fits(const char *pattern, anqa_str type, anqa_str subtype)
{
    anqa_str wanted, wanted_sub;

    return split(anqa_str_of(pattern), &wanted, &wanted_sub) && fits(wanted, type) &&
           fits(wanted_sub, subtype);
}
