#include "http/url.h"

#include "base/utf8.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte behind an escape; -1 if it is none, or one that a flag refuses. */
static int escaped_byte(const char *at, const char *end, unsigned flags)
{
    int high, low, byte;

    if (end - at < 3)
        return -1;
    high = hex_digit(at[1]);
    low = hex_digit(at[2]);
    if (high < 0 || low < 0)
        return -1;
    byte = high << 4 | low;
    if ((byte == 0 && (flags & URL_NO_NUL) != 0) || (byte == '/' && (flags & URL_NO_SLASH) != 0))
        return -1;
    return byte;
}

/* Takes the next byte of decoded text; -1 when there is an escape that cannot be. */
static int next_byte(const char **at, const char *end, unsigned flags)
{
    int byte = (unsigned char)**at;

    if (byte == '%') {
        byte = escaped_byte(*at, end, flags);
        *at += 3;
        return byte;
    }
    (*at)++;
    return byte == '+' && (flags & URL_PLUS) != 0 ? ' ' : byte;
}

static bool is_plain(anqa_str raw, unsigned flags)
{
    if (raw.len == 0)
        return true;
    return memchr(raw.ptr, '%', raw.len) == NULL &&
           ((flags & URL_PLUS) == 0 || memchr(raw.ptr, '+', raw.len) == NULL);
}

anqa_status url_decode(anqa_str raw, unsigned flags, char *out, size_t size, anqa_str *ret_text)
{
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    anqa_str text = raw;

    if (!is_plain(raw, flags)) {
        size_t len = 0;
        while (at < end) {
            int byte = next_byte(&at, end, flags);
            if (byte < 0)
                return ANQA_E_PARSE;
            if (len == size)
                return ANQA_E_LIMIT;
            out[len++] = (char)byte;
        }
        text = anqa_str_make(out, len);
    }
    if (!utf8_valid(text.ptr, text.len))
        return ANQA_E_PARSE;
    *ret_text = text;
    return ANQA_OK;
}

bool url_valid(anqa_str raw, unsigned flags)
{
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    struct utf8 utf8 = {0};

    if (is_plain(raw, flags))
        return utf8_valid(raw.ptr, raw.len);
    while (at < end) {
        int byte = next_byte(&at, end, flags);
        unsigned char c = (unsigned char)byte;
        if (byte < 0 || !utf8_feed(&utf8, &c, 1))
            return false;
    }
    return utf8_may_end(&utf8);
}

bool url_is(anqa_str raw, unsigned flags, anqa_str text)
{
    const char *at = raw.ptr, *end = raw.ptr + raw.len;

    if (is_plain(raw, flags))
        return anqa_str_eq(raw, text);
    for (size_t i = 0; i < text.len; i++) {
        if (at >= end || next_byte(&at, end, flags) != (unsigned char)text.ptr[i])
            return false;
    }
    return at == end;
}

/* ---------------------------------------------------------------- queries */

/* Cuts `*rest` at the first `c`, which goes. */
static anqa_str cut(anqa_str *rest, char c)
{
    const char *at = memchr(rest->ptr, c, rest->len);
    anqa_str head = *rest;

    if (at == NULL) {
        *rest = anqa_str_make(rest->ptr + rest->len, 0);
        return head;
    }
    head.len = (size_t)(at - head.ptr);
    *rest = anqa_str_make(at + 1, rest->len - head.len - 1);
    return head;
}

bool query_next(struct query_iter *it, struct query_pair *ret_pair)
{
    while (it->rest.len != 0) {
        anqa_str pair = cut(&it->rest, '&');
        if (pair.len == 0)
            continue;
        if (it->count == QUERY_PAIRS_MAX) {
            it->refused = true;
            return false;
        }
        it->count++;
        ret_pair->key = cut(&pair, '=');
        ret_pair->value = pair;
        return true;
    }
    return false;
}

anqa_status query_get(anqa_str query, const char *name, char *out, size_t size, anqa_str *ret_value)
{
    struct query_iter it = query_each(query);
    anqa_str wanted = anqa_str_of(name), value = {0};
    struct query_pair pair;
    bool found = false;

    while (query_next(&it, &pair)) {
        if (!url_is(pair.key, URL_PLUS, wanted))
            continue;
        value = pair.value;
        found = true;
    }
    if (it.refused)
        return ANQA_E_LIMIT;
    return found ? url_decode(value, URL_PLUS, out, size, ret_value) : ANQA_E_NOT_FOUND;
}

anqa_status query_check(anqa_str query)
{
    struct query_iter it = query_each(query);
    struct query_pair pair;

    while (query_next(&it, &pair)) {
        if (!url_valid(pair.key, URL_PLUS) || !url_valid(pair.value, URL_PLUS))
            return ANQA_E_PARSE;
    }
    return it.refused ? ANQA_E_LIMIT : ANQA_OK;
}
