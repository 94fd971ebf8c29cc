/*
 * Any bytes as a query and as a path. What must hold:
 *  - what decodes is UTF-8, is no longer than it was, and lies where it should;
 *  - url_valid and url_is agree with url_decode; room that is too small is not overrun;
 *  - pairs lie in the query, in order, and each key is found again, with the value of its last pair.
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
    require(url_valid(raw, flags) == (status == ANQA_OK));
    if (status == ANQA_OK) {
        require(text.len <= raw.len && utf8_valid(text.ptr, text.len));
        require(text.ptr == out || text.ptr == raw.ptr);
        require(url_is(raw, flags, text));
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

/* The value of the last pair with the key of `pair`, looked for by hand. */
static anqa_str last_value(anqa_str query, anqa_str key)
{
    struct query_iter it = query_each(query);
    struct query_pair pair;
    anqa_str value = {0};

    while (query_next(&it, &pair)) {
        if (url_is(pair.key, URL_PLUS, key))
            value = pair.value;
    }
    return value;
}

static void check_pair(anqa_str query, const struct query_pair *pair)
{
    char name[64], out[256], out2[256];
    anqa_str key, value, expected;

    if (url_decode(pair->key, URL_PLUS, name, sizeof name - 1, &key) != ANQA_OK ||
        key.len >= sizeof name || (key.len != 0 && memchr(key.ptr, '\0', key.len) != NULL))
        return;
    if (key.len != 0)
        memmove(name, key.ptr, key.len);
    name[key.len] = '\0';
    key.ptr = name;
    if (query_get(query, name, out, sizeof out, &value) == ANQA_OK) {
        require(
            url_decode(last_value(query, key), URL_PLUS, out2, sizeof out2, &expected) == ANQA_OK);
        require(anqa_str_eq(value, expected));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str query = anqa_str_make((const char *)data, size);
    struct query_iter it = query_each(query);
    struct query_pair pair;
    const char *at = query.ptr;
    bool good = true;

    check_decode(query, 0);
    check_decode(query, URL_PLUS);
    check_decode(query, URL_SEGMENT);
    check_decode(query, URL_PATH);
    while (query_next(&it, &pair)) {
        require(pair.key.ptr >= at && pair.value.ptr >= pair.key.ptr + pair.key.len);
        at = pair.value.ptr + pair.value.len;
        require(at <= query.ptr + query.len);
        good &= url_valid(pair.key, URL_PLUS) && url_valid(pair.value, URL_PLUS);
        if (it.count <= 8)
            check_pair(query, &pair);
    }
    require(it.count <= QUERY_PAIRS_MAX);
    require((query_check(query) == ANQA_OK) == (good && !it.refused));
    return 0;
}
