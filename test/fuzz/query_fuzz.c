/*
 * Any bytes as a query and as a path. What must hold:
 *  - what decodes is UTF-8, is no longer than it was, and lies where it should;
 *  - room that is too small is not overrun;
 *  - pairs lie in the query, in order.
 */
#include "http/url.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_decode(anqa_str raw, unsigned flags)
{
    char *out = malloc(raw.len + 1);
    anqa_str text = {0}, again;
    anqa_status status;

    require(out != NULL);
    status = url_decode(raw, flags, out, raw.len, &text);
    require(status == ANQA_OK || status == ANQA_E_PARSE);
    if (status == ANQA_OK) {
        require(text.len <= raw.len && utf8_valid(text.ptr, text.len));
        require(text.ptr == out || text.ptr == raw.ptr);
        require((flags & URL_NO_NUL) == 0 || text.ptr == raw.ptr || text.len == raw.len ||
                memchr(raw.ptr, '\0', raw.len) != NULL || memchr(text.ptr, '\0', text.len) == NULL);
        if (text.ptr == out && text.len != 0) {
            char *tight = malloc(text.len);
            require(tight != NULL);
            require(url_decode(raw, flags, tight, text.len, &again) == ANQA_OK);
            require(anqa_str_eq(text, again));
            require(url_decode(raw, flags, tight, text.len - 1, &again) == ANQA_E_LIMIT);
            free(tight);
        }
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str query = anqa_str_make((const char *)data, size);
    struct query_iter it = query_each(query);
    struct query_pair pair;
    const char *at = query.ptr;

    check_decode(query, 0);
    check_decode(query, URL_PLUS);
    check_decode(query, URL_SEGMENT);
    check_decode(query, URL_PATH);
    while (query_next(&it, &pair)) {
        require(pair.key.ptr >= at && pair.value.ptr >= pair.key.ptr + pair.key.len);
        at = pair.value.ptr + pair.value.len;
        require(at <= query.ptr + query.len);
    }
    require(it.count <= QUERY_PAIRS_MAX);
    require(!it.refused || it.count == QUERY_PAIRS_MAX);
    return 0;
}
