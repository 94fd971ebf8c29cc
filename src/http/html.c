#include "http/html.h"

#include <anqa/memory.h>

static char *put_text(char *out, anqa_str text)
{
    memcpy(out, text.ptr, text.len);
    return out + text.len;
}

anqa_str html_escape_in(anqa_arena *arena, anqa_str text)
{
    char *escaped = anqa_arena_alloc(arena, text.len * strlen("&quot;")), *out = escaped;

    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '&': out = put_text(out, anqa_str_of("&amp;")); break;
        case '<': out = put_text(out, anqa_str_of("&lt;")); break;
        case '>': out = put_text(out, anqa_str_of("&gt;")); break;
        case '"': out = put_text(out, anqa_str_of("&quot;")); break;
        default: *out++ = text.ptr[i];
        }
    }
    return anqa_str_make(escaped, (size_t)(out - escaped));
}

anqa_str html_escape(anqa_str text)
{
    return html_escape_in(anqa_tmp(), text);
}
