#include "otp/text.h"

#include <string.h>

#include <anqa/memory.h>

void text_put(struct text *text, const char *bytes, size_t len)
{
    if (text->len + len > text->size) {
        size_t size = (text->len + len) * 2 + 256;
        char *grown = anqa_arena_alloc(anqa_tmp(), size);
        if (text->len > 0)
            memcpy(grown, text->bytes, text->len);
        text->bytes = grown;
        text->size = size;
    }
    if (len > 0)
        memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

void text_puts(struct text *text, const char *s)
{
    text_put(text, s, strlen(s));
}
