/* Hosts: domains, addresses of IPv4 and IPv6, and what other schemes have. See url_parse.h. */
#include "js/web/url_int.h"

#include <stdio.h>

#include "base/utf8.h"
#include "js/web/idna.h"

const uint8_t url_kinds[256] = {
    [0] = CONTROL | FORBIDDEN,
    [1 ... 8] = CONTROL,
    ['\t'] = CONTROL | FORBIDDEN,
    ['\n'] = CONTROL | FORBIDDEN,
    [0x0b ... 0x0c] = CONTROL,
    ['\r'] = CONTROL | FORBIDDEN,
    [0x0e ... 0x1f] = CONTROL,
    [' '] = OF_ALL | HOST_ENDS,
    ['"'] = OF_ALL,
    ['#'] = OF_QUERY | OF_SPECIAL_QUERY | OF_PATH | OF_USER | HOST_ENDS,
    ['%'] = FORBIDDEN_DOMAIN,
    ['\''] = OF_SPECIAL_QUERY,
    ['/'] = OF_USER | HOST_ENDS,
    [':'] = OF_USER | HOST_ENDS,
    [';'] = OF_USER,
    ['<'] = OF_ALL | HOST_ENDS,
    ['='] = OF_USER,
    ['>'] = OF_ALL | HOST_ENDS,
    ['?'] = OF_PATH | OF_USER | HOST_ENDS,
    ['@'] = OF_USER | HOST_ENDS,
    ['['] = OF_USER | HOST_ENDS,
    ['\\'] = OF_USER | HOST_ENDS,
    [']'] = OF_USER | HOST_ENDS,
    ['^'] = OF_PATH | OF_USER | HOST_ENDS,
    ['`'] = OF_FRAGMENT | OF_PATH | OF_USER,
    ['{'] = OF_PATH | OF_USER,
    ['|'] = OF_USER | HOST_ENDS,
    ['}'] = OF_PATH | OF_USER,
    [0x7f] = CONTROL,
    [0x80 ... 0xff] = OF_ALL | OF_OPAQUE,
};

/* The largest number is beyond all that is allowed; -1: it is none. */
static int64_t ipv4_number(const char *at, size_t len)
{
    int base = 10;
    int64_t n = 0;

    if (len == 0)
        return -1;
    if (len >= 2 && at[0] == '0' && lower(at[1]) == 'x') {
        base = 16;
        at += 2;
        len -= 2;
    } else if (len >= 2 && at[0] == '0') {
        base = 8;
        at++;
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0 || digit >= base)
            return -1;
        n = n * base + digit;
        if (n > (int64_t)1 << 32)
            n = (int64_t)1 << 32;
    }
    return n;
}

/* The last part of a name, an empty one not counted. */
static anqa_str last_part(anqa_str name)
{
    size_t end = name.len, start;

    if (end > 0 && name.ptr[end - 1] == '.')
        end--;
    start = end;
    while (start > 0 && name.ptr[start - 1] != '.')
        start--;
    return anqa_str_make(name.ptr + start, end - start);
}

static bool ends_in_number(anqa_str name)
{
    anqa_str last = last_part(name);
    size_t digits = 0;

    while (digits < last.len && is_digit(last.ptr[digits]))
        digits++;
    return last.len > 0 && (digits == last.len || ipv4_number(last.ptr, last.len) >= 0);
}

static bool parse_ipv4(anqa_arena *arena, anqa_str name, struct text *host)
{
    int64_t numbers[4];
    uint64_t address;
    size_t count = 0, at = 0;
    char written[16];

    if (name.ptr[name.len - 1] == '.')
        name.len--;
    for (; at <= name.len; count++) {
        size_t end = at;
        while (end < name.len && name.ptr[end] != '.')
            end++;
        if (count == ANQA_COUNT(numbers))
            return false;
        numbers[count] = ipv4_number(name.ptr + at, end - at);
        if (numbers[count] < 0)
            return false;
        at = end + 1;
    }
    for (size_t i = 0; i + 1 < count; i++)
        if (numbers[i] > 255)
            return false;
    if (numbers[count - 1] >= (int64_t)1 << 8 * (5 - count))
        return false;
    address = (uint64_t)numbers[count - 1];
    for (size_t i = 0; i + 1 < count; i++)
        address |= (uint64_t)numbers[i] << 8 * (3 - i);
    host->len = 0;
    text_put(arena, host, written,
        (size_t)snprintf(written, sizeof written, "%u.%u.%u.%u", (unsigned)(address >> 24 & 255),
            (unsigned)(address >> 16 & 255), (unsigned)(address >> 8 & 255),
            (unsigned)(address & 255)));
    return true;
}

/* The part of an IPv6 address that is written as an IPv4 one; the number of 16-bit pieces that it has filled, or -1. */
static int parse_ipv4_in_ipv6(const char *at, size_t len, uint16_t *pieces)
{
    size_t i = 0;
    int seen = 0;

    while (i < len) {
        int value = -1;
        if (seen > 0) {
            if (at[i] != '.' || seen >= 4)
                return -1;
            i++;
        }
        if (i >= len || !is_digit(at[i]))
            return -1;
        for (; i < len && is_digit(at[i]); i++) {
            if (value == 0)
                return -1;
            value = value < 0 ? at[i] - '0' : value * 10 + at[i] - '0';
            if (value > 255)
                return -1;
        }
        pieces[seen / 2] = (uint16_t)(pieces[seen / 2] * 256 + value);
        seen++;
    }
    return seen == 4 ? 2 : -1;
}

/* An address of IPv6 that is being read. */
struct ipv6 {
    const char *at;
    size_t i, len;
    uint16_t *pieces;
    int count, compress; /* pieces so far; where zeros are left out, or -1 */
};

/* The next piece, or two in the form of IPv4, with the colon behind it. */
static bool read_piece(struct ipv6 *a)
{
    uint32_t value = 0;
    size_t digits = 0;

    for (; digits < 4 && a->i < a->len && hex_value(a->at[a->i]) >= 0; a->i++, digits++)
        value = value * 16 + (uint32_t)hex_value(a->at[a->i]);
    if (a->i < a->len && a->at[a->i] == '.') {
        if (digits == 0 || a->count > 6 ||
            parse_ipv4_in_ipv6(
                a->at + a->i - digits, a->len - a->i + digits, a->pieces + a->count) < 0)
            return false;
        a->count += 2;
        a->i = a->len;
        return true;
    }
    if (a->i < a->len) {
        if (a->at[a->i] != ':' || a->i + 1 == a->len) /* it does not end in one ":" */
            return false;
        a->i++;
    }
    a->pieces[a->count++] = (uint16_t)value;
    return true;
}

static bool read_pieces(struct ipv6 *a)
{
    while (a->i < a->len) {
        if (a->count == 8)
            return false;
        if (a->at[a->i] != ':') {
            if (!read_piece(a))
                return false;
            continue;
        }
        if (a->compress >= 0)
            return false;
        a->i++;
        a->compress = ++a->count;
    }
    return true;
}

static bool read_ipv6(const char *at, size_t len, uint16_t pieces[8])
{
    struct ipv6 a = {.at = at, .len = len, .pieces = pieces, .compress = -1};
    int count, compress;

    if (len > 0 && at[0] == ':') {
        if (len < 2 || at[1] != ':')
            return false;
        a.i = 2;
        a.compress = a.count = 1;
    }
    if (!read_pieces(&a))
        return false;
    count = a.count;
    compress = a.compress;
    if (compress < 0)
        return count == 8;
    for (int from = count - 1, to = 7; from >= compress && from != to; from--, to--) {
        pieces[to] = pieces[from];
        pieces[from] = 0;
    }
    return true;
}

static bool parse_ipv6(anqa_arena *arena, const char *at, size_t len, struct text *host)
{
    uint16_t pieces[8] = {0};
    int zeros = -1, most = 1;
    char written[8];

    if (!read_ipv6(at, len, pieces))
        return false;
    for (int i = 0; i < 8; i++) {
        int run = 0;
        while (i + run < 8 && pieces[i + run] == 0)
            run++;
        if (run > most) {
            zeros = i;
            most = run;
        }
    }
    host->len = 0;
    text_char(arena, host, '[');
    for (int i = 0; i < 8; i++) {
        if (i == zeros) {
            text_put(arena, host, "::", i == 0 ? 2 : 1);
            i += most - 1;
            continue;
        }
        text_put(arena, host, written, (size_t)snprintf(written, sizeof written, "%x", pieces[i]));
        if (i < 7)
            text_char(arena, host, ':');
    }
    text_char(arena, host, ']');
    return true;
}

static bool parse_opaque_host(anqa_arena *arena, anqa_str input, struct text *host)
{
    for (size_t i = 0; i < input.len; i++)
        if ((kind_of((uint8_t)input.ptr[i]) & FORBIDDEN) != 0)
            return false;
    host->len = 0;
    for (size_t i = 0; i < input.len; i++)
        put_encoded(arena, host, (uint8_t)input.ptr[i], OF_OPAQUE);
    return true;
}

/* Percent-encoded bytes made bytes again. */
static anqa_str percent_decode(anqa_arena *arena, anqa_str input)
{
    char *to = anqa_arena_alloc(arena, input.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < input.len; i++) {
        bool encoded = input.ptr[i] == '%' && i + 2 < input.len;
        int high = encoded ? hex_value(input.ptr[i + 1]) : -1;
        int low = encoded ? hex_value(input.ptr[i + 2]) : -1;
        if (high < 0 || low < 0) {
            to[len++] = input.ptr[i];
            continue;
        }
        to[len++] = (char)(high * 16 + low);
        i += 2;
    }
    return anqa_str_make(to, len);
}

/* Whether a name is ASCII, and none of its labels encodes another. */
static bool is_plain(anqa_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((uint8_t)name.ptr[i] >= 0x80 ||
            (lower(name.ptr[i]) == 'x' && (i == 0 || name.ptr[i - 1] == '.') && name.len - i >= 4 &&
                lower(name.ptr[i + 1]) == 'n' && name.ptr[i + 2] == '-' && name.ptr[i + 3] == '-'))
            return false;
    return true;
}

static bool domain_to_ascii(const struct url_env *env, anqa_str name, struct text *host)
{
    anqa_arena *arena = env->arena;
    struct idna_name *names;
    anqa_str normal;
    char *written;
    size_t size = (size_t)IDNA_CHARACTERS_MAX * 8, len;

    host->len = 0;
    if (is_plain(name)) {
        for (size_t i = 0; i < name.len; i++)
            text_char(arena, host, lower(name.ptr[i]));
        return name.len > 0;
    }
    if (!utf8_valid(name.ptr, name.len))
        return false;
    names = anqa_arena_alloc(arena, 2 * sizeof *names);
    written = anqa_arena_alloc(arena, size);
    if (!idna_map(name, &names[0]))
        return false;
    normal = anqa_str_make(written, idna_write(&names[0], written));
    if (!env->normalize(env->ctx, normal, &normal) || !idna_read(normal, &names[0]) ||
        !idna_ascii(&names[0], &names[1], written, size, &len))
        return false;
    text_put(arena, host, written, len);
    return len > 0;
}

bool url_parse_host(const struct url_env *env, anqa_str input, bool special, struct text *host)
{
    if (input.len > 0 && input.ptr[0] == '[')
        return input.ptr[input.len - 1] == ']' &&
               parse_ipv6(env->arena, input.ptr + 1, input.len - 2, host);
    if (!special)
        return parse_opaque_host(env->arena, input, host);
    if (!domain_to_ascii(env, percent_decode(env->arena, input), host))
        return false;
    for (size_t i = 0; i < host->len; i++)
        if ((kind_of((uint8_t)host->at[i]) & FORBIDDEN_DOMAIN) != 0)
            return false;
    input = anqa_str_make(host->at, host->len);
    return !ends_in_number(input) ||
           parse_ipv4(env->arena,
               anqa_str_make(anqa_arena_copy(env->arena, input.ptr, input.len), input.len), host);
}
