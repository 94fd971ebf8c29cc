/*
 * Any bytes as what a long-poll client posts. What must hold:
 *  - nothing is read outside of the bytes (AddressSanitizer watches);
 *  - lines lie in the body, one behind the other, and none is empty or has a line break;
 *  - a body fits exactly if each of its first lines is a frame; what stands behind them does not matter;
 *  - Base64 of a frame is the line again.
 */
#include "channel/poll_lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool is_frame(anqa_str line)
{
    anqa_arena arena = {0};
    bool binary, fits;
    anqa_str frame;

    fits = poll_line_frame(&arena, line, &binary, &frame) == ANQA_OK;
    require(binary == (line.ptr[0] != '['));
    require(fits || binary);
    if (fits && !binary) {
        require(frame.ptr == line.ptr && frame.len == line.len);
    } else if (fits) {
        char *again = malloc(base64_encoded_len(frame.len) + 1);
        require(again != NULL);
        require(
            anqa_str_eq(anqa_str_make(again, base64_encode(frame.ptr, frame.len, 0, again)), line));
        free(again);
    }
    anqa_arena_done(&arena);
    return fits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str body = anqa_str_make((const char *)data, size), rest = body, line;
    const char *end = body.ptr;
    bool fits = true;

    for (unsigned i = 0; poll_next_line(&rest, &line); i++) {
        require(line.len > 0 && line.ptr >= end && line.ptr + line.len <= body.ptr + body.len);
        require(memchr(line.ptr, '\n', line.len) == NULL);
        end = line.ptr + line.len;
        if (i < POLL_LINES_MAX)
            fits &= is_frame(line);
    }
    require(rest.len == 0);
    require(poll_lines_fit(body) == fits);
    return 0;
}
