#include "channel/poll_lines.h"

#include "base/base64.h"
#include "base/str.h"

bool poll_next_line(anqa_str *rest, anqa_str *ret_line)
{
    while (rest->len > 0) {
        (void)str_cut(rest, "\n", ret_line);
        if (ret_line->len > 0 && ret_line->ptr[ret_line->len - 1] == '\r')
            ret_line->len--;
        if (ret_line->len > 0)
            return true;
    }
    return false;
}

anqa_status poll_line_frame(anqa_arena *arena, anqa_str line, bool *ret_binary, anqa_str *ret_frame)
{
    anqa_status status;
    char *bytes;
    size_t len;

    *ret_binary = line.ptr[0] != '[';
    *ret_frame = line;
    if (!*ret_binary)
        return ANQA_OK;
    bytes = anqa_arena_alloc(arena, base64_decoded_len(line.len));
    if (bytes == NULL)
        return ANQA_E_NOMEM;
    status = base64_decode(line, 0, bytes, &len);
    if (status == ANQA_OK)
        *ret_frame = anqa_str_make(bytes, len);
    return status;
}

bool poll_lines_fit(anqa_str body)
{
    anqa_str line, frame;
    bool fits = true, binary;

    for (unsigned i = 0; fits && i < POLL_LINES_MAX && poll_next_line(&body, &line); i++) {
        anqa_arena arena = {0};
        fits = poll_line_frame(&arena, line, &binary, &frame) == ANQA_OK;
        anqa_arena_done(&arena);
    }
    return fits;
}
