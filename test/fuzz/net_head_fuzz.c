/*
 * Any bytes as the head of an answer, and as the text of a field of a request. What must hold:
 *  - of a head come values that are read back: names in lower case, texts without the end of a line;
 *  - a field's text becomes no more bytes than it has, none of which ends a line; what is read back from those is the text.
 */
#include "js/web/net_head.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_head(anqa_arena *arena, anqa_str head)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0}, element;
    anqa_value_each each;
    bool name = true;

    anqa_value_writer_init(&writer, arena, NULL);
    anqa_value_array_begin(&writer);
    net_head_write(&writer, head);
    anqa_value_end(&writer);
    require(anqa_value_done(&writer, &value) == ANQA_OK);
    require(anqa_value_check(value.ptr, value.len, NULL, &value) == ANQA_OK);
    require(anqa_value_count(value) == 2);
    for (each = anqa_value_begin(anqa_value_at(value, 1)); anqa_value_next(&each, NULL, &element);
        name = !name) {
        anqa_str text = anqa_value_str(element);
        require(!name || net_head_is_token(text));
        for (size_t i = 0; i < text.len; i++) {
            require(text.ptr[i] != '\r' && text.ptr[i] != '\n' && text.ptr[i] != '\0');
            require(!name || text.ptr[i] < 'A' || text.ptr[i] > 'Z');
        }
    }
    require(name);
}

static void check_field(anqa_arena *arena, anqa_str text)
{
    char *bytes = anqa_arena_alloc(arena, text.len + 16), *line;
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};
    anqa_str back;
    size_t len = 0;

    if (!utf8_valid(text.ptr, text.len) || !net_head_bytes(text, bytes, &len))
        return;
    require(
        len <= text.len && memchr(bytes, '\r', len) == NULL && memchr(bytes, '\n', len) == NULL);
    line = anqa_arena_alloc(arena, len + 32);
    memcpy(line, "HTTP/1.1 200\nX: ", 16);
    memcpy(line + 16, bytes, len);
    anqa_value_writer_init(&writer, arena, NULL);
    anqa_value_array_begin(&writer);
    net_head_write(&writer, anqa_str_make(line, 16 + len));
    anqa_value_end(&writer);
    require(anqa_value_done(&writer, &value) == ANQA_OK);
    back = anqa_value_str(anqa_value_at(anqa_value_at(value, 1), 1));
    if (len > 0 && bytes[0] > ' ' && bytes[len - 1] > ' ')
        require(back.len == text.len && memcmp(back.ptr, text.ptr, back.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_arena arena = {0};
    char *bytes = malloc(size + 1); /* a copy, so that what is behind it is noticed */

    require(bytes != NULL);
    memcpy(bytes, data, size);
    check_head(&arena, anqa_str_make(bytes, size));
    check_field(&arena, anqa_str_make(bytes, size));
    free(bytes);
    anqa_arena_done(&arena);
    return 0;
}
