#include "http/url.h"

#include "base/str.h"
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

/* ---------------------------------------------------------------- queries */

bool query_next(struct query_iter *it, struct query_pair *ret_pair)
{
    while (it->rest.len != 0) {
        anqa_str pair;

        (void)str_cut(&it->rest, "&", &pair);
        if (pair.len == 0)
            continue;
        if (it->count == QUERY_PAIRS_MAX) {
            it->refused = true;
            return false;
        }
        it->count++;
        (void)str_cut(&pair, "=", &ret_pair->key);
        ret_pair->value = pair;
        return true;
    }
    return false;
}
