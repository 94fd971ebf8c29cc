/*
 * Any bytes as a field of cookies. What must hold: pairs lie in the field, one behind the other, without blanks around them and
 * without ';'; written as a browser would, they are read as the same.
 */
#include "http/cookie_read.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool has_blank_end(anqa_str text)
{
    return text.len != 0 && (*text.ptr == ' ' || *text.ptr == '\t' ||
                                text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t');
}

static void append(char *out, size_t *len, anqa_str text)
{
    if (text.len != 0)
        memcpy(out + *len, text.ptr, text.len);
    *len += text.len;
}

static void check_again(anqa_str field, char *text, size_t len)
{
    anqa_str again = anqa_str_make(text, len), name, value, other_name, other_value;

    while (cookie_next(&field, &name, &value)) {
        require(cookie_next(&again, &other_name, &other_value));
        require(anqa_str_eq(name, other_name) && anqa_str_eq(value, other_value));
    }
    require(!cookie_next(&again, &other_name, &other_value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str field = anqa_str_make((const char *)data, size), rest = field, name, value;
    const char *at = field.ptr;
    char *text = malloc(2 * size + 2); /* "; " behind each, of at least "a=" */
    size_t len = 0;

    require(text != NULL);
    while (cookie_next(&rest, &name, &value)) {
        require(name.len != 0 && name.ptr >= at && value.ptr >= name.ptr + name.len + 1);
        at = value.ptr + value.len;
        require(at <= field.ptr + field.len && !has_blank_end(name) && !has_blank_end(value));
        require(memchr(name.ptr, ';', (size_t)(at - name.ptr)) == NULL);
        require(!cookie_is_value(value) || memchr(value.ptr, ' ', value.len) == NULL);
        append(text, &len, name);
        append(text, &len, anqa_str_of("="));
        append(text, &len, value);
        append(text, &len, anqa_str_of("; "));
    }
    check_again(field, text, len);
    free(text);
    return 0;
}
