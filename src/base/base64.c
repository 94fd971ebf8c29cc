#include "base/base64.h"

static const char standard_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_encode(const void *bytes, size_t len, unsigned flags, char *out)
{
    const char *digits = flags & BASE64_URL ? url_digits : standard_digits;
    const unsigned char *in = bytes;
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t group = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (have > 2 ? in[i + 2] : 0);
        for (size_t d = 0; d <= have; d++)
            out[n++] = digits[group >> (18 - 6 * d) & 63];
        for (size_t d = have; d < 3 && !(flags & BASE64_NO_PAD); d++)
            out[n++] = '=';
    }
    return n;
}

static int digit_value(char c, unsigned flags)
{
    bool url = flags & BASE64_URL;

    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

/* Cuts the padding off; false if it is not as it must be. */
static bool unpad(anqa_str *text, unsigned flags)
{
    if (flags & BASE64_NO_PAD)
        return true;
    if (text->len % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text->len > 0 && text->ptr[text->len - 1] == '='; i++)
        text->len--;
    return true;
}

anqa_status base64_decode(anqa_str text, unsigned flags, void *out, size_t *ret_len)
{
    unsigned char *bytes = out;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    if (!unpad(&text, flags) || text.len % 4 == 1)
        return ANQA_E_PARSE;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_value(text.ptr[i], flags);
        if (digit < 0)
            return ANQA_E_PARSE;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[n++] = (unsigned char)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    if (bits != 0)
        return ANQA_E_PARSE;
    *ret_len = n;
    return ANQA_OK;
}
