#include "js/web/url_parse.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "js/web/idna.h"

/* ---------------------------------------------------------------- texts that grow */

struct text {
    char *at;
    size_t len, size;
};

static void text_put(anqa_arena *arena, struct text *text, const char *bytes, size_t len)
{
    if (len > text->size - text->len) {
        size_t size = (text->len + len) * 2 + 64;
        char *at = anqa_arena_alloc(arena, size);
        if (text->len > 0)
            memcpy(at, text->at, text->len);
        text->at = at;
        text->size = size;
    }
    if (len > 0)
        memcpy(text->at + text->len, bytes, len);
    text->len += len;
}

static void text_char(anqa_arena *arena, struct text *text, int c)
{
    char byte = (char)c;

    text_put(arena, text, &byte, 1);
}

static bool text_is(const struct text *text, const char *other)
{
    return text->len == strlen(other) && memcmp(text->at, other, text->len) == 0;
}

/* ---------------------------------------------------------------- characters */

enum {
    OF_FRAGMENT = 1, /* is percent-encoded there */
    OF_QUERY = 2,
    OF_SPECIAL_QUERY = 4,
    OF_PATH = 8,
    OF_USER = 16,
    OF_OPAQUE = 32,        /* C0 controls and what is not ASCII */
    FORBIDDEN = 64,        /* in hosts */
    FORBIDDEN_DOMAIN = 128 /* and in domains */
};

#define OF_ALL (OF_FRAGMENT | OF_QUERY | OF_SPECIAL_QUERY | OF_PATH | OF_USER)
#define CONTROL (OF_ALL | OF_OPAQUE | FORBIDDEN_DOMAIN)
#define HOST_ENDS (FORBIDDEN | FORBIDDEN_DOMAIN)

static const uint8_t kinds[256] = {
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

static uint8_t kind_of(int c)
{
    return kinds[(uint8_t)c];
}

static bool is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static int hex_value(int c)
{
    c = lower(c);
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_encoded(anqa_arena *arena, struct text *text, int c, uint8_t set)
{
    static const char digits[] = "0123456789ABCDEF";
    char triple[] = {'%', digits[c >> 4 & 15], digits[c & 15]};

    if ((kind_of(c) & set) != 0)
        text_put(arena, text, triple, sizeof triple);
    else
        text_char(arena, text, c);
}

/* ---------------------------------------------------------------- schemes */

static const struct {
    const char *name;
    int port;
} specials[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}, {"ftp", 21}, {"file", -1}};

static int special_index(const struct text *scheme)
{
    for (size_t i = 0; i < ANQA_COUNT(specials); i++)
        if (text_is(scheme, specials[i].name))
            return (int)i;
    return -1;
}

static bool is_special(const struct text *scheme)
{
    return special_index(scheme) >= 0;
}

static int default_port(const struct text *scheme)
{
    int i = special_index(scheme);

    return i < 0 ? -1 : specials[i].port;
}

/* ---------------------------------------------------------------- a URL */

struct url {
    struct text scheme, user, password, host;
    struct text path; /* a list: each of its parts behind a "/" */
    struct text query, fragment;
    int port; /* -1: none, or the scheme's own */
    bool has_host, has_query, has_fragment, opaque;
};

static bool is_file(const struct url *url)
{
    return text_is(&url->scheme, "file");
}

static bool has_credentials(const struct url *url)
{
    return url->user.len > 0 || url->password.len > 0;
}

static bool is_drive(const char *at, size_t len, bool normalized)
{
    return len == 2 && is_alpha(at[0]) && (at[1] == ':' || (!normalized && at[1] == '|'));
}

static bool starts_with_drive(const char *at, size_t len)
{
    return len >= 2 && is_drive(at, 2, false) &&
           (len == 2 || at[2] == '/' || at[2] == '\\' || at[2] == '?' || at[2] == '#');
}

static void shorten(struct url *url)
{
    struct text *path = &url->path;

    if (is_file(url) && path->len == 3 && is_drive(path->at + 1, 2, true))
        return;
    while (path->len > 0 && path->at[path->len - 1] != '/')
        path->len--;
    if (path->len > 0)
        path->len--;
}

/* ---------------------------------------------------------------- hosts */

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

static bool parse_host(const struct url_env *env, anqa_str input, bool special, struct text *host)
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

/* ---------------------------------------------------------------- the parser: states of the standard */

enum state {
    NO_STATE,
    SCHEME_START,
    SCHEME,
    NO_SCHEME,
    SPECIAL_RELATIVE_OR_AUTHORITY,
    PATH_OR_AUTHORITY,
    RELATIVE,
    RELATIVE_SLASH,
    SPECIAL_AUTHORITY_SLASHES,
    SPECIAL_AUTHORITY_IGNORE_SLASHES,
    AUTHORITY,
    HOST,
    HOSTNAME,
    PORT,
    FILE_BEGIN,
    FILE_SLASH,
    FILE_HOST,
    PATH_START,
    PATH,
    OPAQUE_PATH,
    QUERY,
    FRAGMENT
};

struct parser {
    const struct url_env *env;
    struct url *url;
    const struct url *base; /* or NULL */
    const char *in;
    size_t len, at; /* at: of the current character */
    enum state state, override;
    struct text buffer;
    bool at_seen, in_brackets, password_seen;
};

enum verdict { GO_ON, DONE, FAILED };

static bool special(const struct parser *p)
{
    return is_special(&p->url->scheme);
}

/* `c` or what stands for "/" too, in URLs of schemes that know it. */
static bool is_slash(const struct parser *p, int c)
{
    return c == '/' || (c == '\\' && special(p));
}

static bool follows(const struct parser *p, const char *text)
{
    size_t len = strlen(text);

    return p->len - p->at > len && memcmp(p->in + p->at + 1, text, len) == 0;
}

/* Shares its memory: a base is not read any more when what was taken of it changes. */
static void copy_text(struct text *to, const struct text *from)
{
    *to = (struct text){from->at, from->len, from->len};
}

static void copy_authority(struct parser *p)
{
    copy_text(&p->url->user, &p->base->user);
    copy_text(&p->url->password, &p->base->password);
    copy_text(&p->url->host, &p->base->host);
    p->url->has_host = p->base->has_host;
    p->url->port = p->base->port;
}

static void copy_path_and_query(struct parser *p)
{
    copy_text(&p->url->path, &p->base->path);
    copy_text(&p->url->query, &p->base->query);
    p->url->has_query = p->base->has_query;
}

static void begin_query(struct parser *p)
{
    p->url->has_query = true;
    p->url->query = (struct text){0};
    p->state = QUERY;
}

static void begin_fragment(struct parser *p)
{
    p->url->has_fragment = true;
    p->url->fragment = (struct text){0};
    p->state = FRAGMENT;
}

/* The current character, and with it all that follow and mean nothing in any state. */
static void put_run(struct parser *p, struct text *text, int c, uint8_t set)
{
    size_t end = p->at;

    while (end < p->len && (kind_of(p->in[end]) & (set | OF_PATH | OF_USER)) == 0)
        end++;
    if (end == p->at) {
        put_encoded(p->env->arena, text, c, set);
        return;
    }
    text_put(p->env->arena, text, p->in + p->at, end - p->at);
    p->at = end - 1;
}

/* The same character again, in another state. */
static enum verdict again(struct parser *p, enum state state)
{
    p->state = state;
    p->at--;
    return GO_ON;
}

static enum verdict scheme_ends(struct parser *p)
{
    struct url *url = p->url;

    if (p->override != NO_STATE) {
        if (is_special(&url->scheme) != is_special(&p->buffer) ||
            ((has_credentials(url) || url->port >= 0) && text_is(&p->buffer, "file")) ||
            (is_file(url) && url->host.len == 0))
            return DONE;
        url->scheme = p->buffer;
        if (url->port == default_port(&url->scheme))
            url->port = -1;
        return DONE;
    }
    url->scheme = p->buffer;
    p->buffer = (struct text){0};
    if (is_file(url)) {
        p->state = FILE_BEGIN;
    } else if (special(p) && p->base != NULL && p->base->scheme.len == url->scheme.len &&
               memcmp(p->base->scheme.at, url->scheme.at, url->scheme.len) == 0) {
        p->state = SPECIAL_RELATIVE_OR_AUTHORITY;
    } else if (special(p)) {
        p->state = SPECIAL_AUTHORITY_SLASHES;
    } else if (follows(p, "/")) {
        p->state = PATH_OR_AUTHORITY;
        p->at++;
    } else {
        url->opaque = true;
        p->state = OPAQUE_PATH;
    }
    return GO_ON;
}

static enum verdict on_scheme(struct parser *p, int c)
{
    bool starts = p->state == SCHEME_START;

    if (is_alpha(c) || (!starts && (is_digit(c) || c == '+' || c == '-' || c == '.'))) {
        text_char(p->env->arena, &p->buffer, lower(c));
        p->state = SCHEME;
        return GO_ON;
    }
    if (!starts && c == ':')
        return scheme_ends(p);
    if (p->override != NO_STATE)
        return FAILED;
    p->buffer.len = 0;
    p->at = (size_t)-1; /* from the start */
    p->state = NO_SCHEME;
    return GO_ON;
}

static enum verdict on_no_scheme(struct parser *p, int c)
{
    if (p->base == NULL || (p->base->opaque && c != '#'))
        return FAILED;
    if (!p->base->opaque)
        return again(p, is_file(p->base) ? FILE_BEGIN : RELATIVE);
    copy_text(&p->url->scheme, &p->base->scheme);
    copy_path_and_query(p);
    p->url->opaque = true;
    begin_fragment(p);
    return GO_ON;
}

static enum verdict on_relative(struct parser *p, int c)
{
    copy_text(&p->url->scheme, &p->base->scheme);
    if (is_slash(p, c)) {
        p->state = RELATIVE_SLASH;
        return GO_ON;
    }
    copy_authority(p);
    copy_path_and_query(p);
    if (c == '?') {
        begin_query(p);
    } else if (c == '#') {
        begin_fragment(p);
    } else if (c >= 0) {
        p->url->has_query = false;
        p->url->query = (struct text){0};
        shorten(p->url);
        return again(p, PATH);
    }
    return GO_ON;
}

static enum verdict on_relative_slash(struct parser *p, int c)
{
    if (special(p) && is_slash(p, c)) {
        p->state = SPECIAL_AUTHORITY_IGNORE_SLASHES;
        return GO_ON;
    }
    if (c == '/') {
        p->state = AUTHORITY;
        return GO_ON;
    }
    copy_authority(p);
    return again(p, PATH);
}

static bool ends_authority(const struct parser *p, int c)
{
    return c < 0 || c == '?' || c == '#' || is_slash(p, c);
}

static enum verdict on_authority(struct parser *p, int c)
{
    anqa_arena *arena = p->env->arena;

    if (c == '@') {
        struct text buffer = p->buffer;
        if (p->at_seen)
            text_put(arena, p->password_seen ? &p->url->password : &p->url->user, "%40", 3);
        p->at_seen = true;
        for (size_t i = 0; i < buffer.len; i++) {
            if (buffer.at[i] == ':' && !p->password_seen)
                p->password_seen = true;
            else
                put_encoded(arena, p->password_seen ? &p->url->password : &p->url->user,
                    (uint8_t)buffer.at[i], OF_USER);
        }
        p->buffer.len = 0;
    } else if (ends_authority(p, c)) {
        if (p->at_seen && p->buffer.len == 0)
            return FAILED;
        p->at -= p->buffer.len + 1;
        p->buffer.len = 0;
        p->state = HOST;
    } else {
        text_char(arena, &p->buffer, c);
    }
    return GO_ON;
}

static bool take_host(struct parser *p)
{
    struct text host = {0};

    if (!parse_host(p->env, anqa_str_make(p->buffer.at, p->buffer.len), special(p), &host))
        return false;
    p->url->host = host;
    p->url->has_host = true;
    p->buffer.len = 0;
    return true;
}

static enum verdict on_host(struct parser *p, int c)
{
    struct url *url = p->url;

    if (p->override != NO_STATE && is_file(url))
        return again(p, FILE_HOST);
    if (c == ':' && !p->in_brackets) {
        if (p->buffer.len == 0 || p->override == HOSTNAME || !take_host(p))
            return FAILED;
        p->state = PORT;
        return GO_ON;
    }
    if (ends_authority(p, c)) {
        if (p->buffer.len == 0 &&
            (special(p) || (p->override != NO_STATE && (has_credentials(url) || url->port >= 0))))
            return FAILED;
        if (!take_host(p))
            return FAILED;
        if (p->override != NO_STATE)
            return DONE;
        return again(p, PATH_START);
    }
    p->in_brackets = c == '[' || (p->in_brackets && c != ']');
    text_char(p->env->arena, &p->buffer, c);
    return GO_ON;
}

static enum verdict on_port(struct parser *p, int c)
{
    int port = 0;

    if (is_digit(c)) {
        text_char(p->env->arena, &p->buffer, c);
        return GO_ON;
    }
    if (!ends_authority(p, c) && p->override == NO_STATE)
        return FAILED;
    if (p->buffer.len > 0) {
        for (size_t i = 0; i < p->buffer.len && port <= 65535; i++)
            port = port * 10 + p->buffer.at[i] - '0';
        if (port > 65535)
            return FAILED;
        p->url->port = port == default_port(&p->url->scheme) ? -1 : port;
        p->buffer.len = 0;
        if (p->override != NO_STATE)
            return DONE;
    }
    if (p->override != NO_STATE)
        return FAILED;
    return again(p, PATH_START);
}

static enum verdict on_file(struct parser *p, int c)
{
    struct url *url = p->url;

    url->scheme = (struct text){0};
    text_put(p->env->arena, &url->scheme, "file", 4);
    url->has_host = true;
    url->host = (struct text){0};
    if (c == '/' || c == '\\') {
        p->state = FILE_SLASH;
        return GO_ON;
    }
    if (p->base == NULL || !is_file(p->base))
        return again(p, PATH);
    copy_text(&url->host, &p->base->host);
    copy_path_and_query(p);
    if (c == '?') {
        begin_query(p);
    } else if (c == '#') {
        begin_fragment(p);
    } else if (c >= 0) {
        url->has_query = false;
        url->query = (struct text){0};
        if (!starts_with_drive(p->in + p->at, p->len - p->at))
            shorten(url);
        else
            url->path = (struct text){0};
        return again(p, PATH);
    }
    return GO_ON;
}

static enum verdict on_file_slash(struct parser *p, int c)
{
    const struct url *base = p->base;

    if (c == '/' || c == '\\') {
        p->state = FILE_HOST;
        return GO_ON;
    }
    if (base != NULL && is_file(base)) {
        copy_text(&p->url->host, &base->host);
        if (!starts_with_drive(p->in + p->at, p->len - p->at) && base->path.len >= 3 &&
            is_drive(base->path.at + 1, 2, true) &&
            (base->path.len == 3 || base->path.at[3] == '/'))
            text_put(p->env->arena, &p->url->path, base->path.at, 3);
    }
    return again(p, PATH);
}

static enum verdict on_file_host(struct parser *p, int c)
{
    if (c >= 0 && c != '/' && c != '\\' && c != '?' && c != '#') {
        text_char(p->env->arena, &p->buffer, c);
        return GO_ON;
    }
    if (p->override == NO_STATE && is_drive(p->buffer.at, p->buffer.len, false))
        return again(p, PATH); /* which begins with what the buffer holds */
    if (p->buffer.len == 0) {
        p->url->has_host = true;
        p->url->host = (struct text){0};
    } else {
        if (!take_host(p))
            return FAILED;
        if (text_is(&p->url->host, "localhost"))
            p->url->host.len = 0;
    }
    if (p->override != NO_STATE)
        return DONE;
    return again(p, PATH_START);
}

static enum verdict on_path_start(struct parser *p, int c)
{
    if (special(p)) {
        p->state = PATH;
        if (c != '/' && c != '\\')
            p->at--;
    } else if (p->override == NO_STATE && c == '?') {
        begin_query(p);
    } else if (p->override == NO_STATE && c == '#') {
        begin_fragment(p);
    } else if (c >= 0) {
        p->state = PATH;
        if (c != '/')
            p->at--;
    } else if (p->override != NO_STATE && !p->url->has_host) {
        text_char(p->env->arena, &p->url->path, '/');
    }
    return GO_ON;
}

/* How many dots a part of a path is, some of which may be percent-encoded; 0: it is another one. */
static int dots(const struct text *part)
{
    int count = 0;

    for (size_t i = 0; i < part->len; count++) {
        if (part->at[i] == '.')
            i++;
        else if (part->len - i >= 3 && part->at[i] == '%' && part->at[i + 1] == '2' &&
                 lower(part->at[i + 2]) == 'e')
            i += 3;
        else
            return 0;
    }
    return count;
}

static enum verdict on_path(struct parser *p, int c)
{
    anqa_arena *arena = p->env->arena;
    struct url *url = p->url;
    int count;

    if (c >= 0 && !is_slash(p, c) && (p->override != NO_STATE || (c != '?' && c != '#'))) {
        put_run(p, &p->buffer, c, OF_PATH);
        return GO_ON;
    }
    count = dots(&p->buffer);
    if (count == 2)
        shorten(url);
    if (count == 1 || count == 2) {
        if (!is_slash(p, c))
            text_char(arena, &url->path, '/');
    } else {
        if (is_file(url) && url->path.len == 0 && is_drive(p->buffer.at, p->buffer.len, false))
            p->buffer.at[1] = ':';
        text_char(arena, &url->path, '/');
        text_put(arena, &url->path, p->buffer.at, p->buffer.len);
    }
    p->buffer.len = 0;
    if (c == '?')
        begin_query(p);
    else if (c == '#')
        begin_fragment(p);
    return GO_ON;
}

static enum verdict on_opaque_path(struct parser *p, int c)
{
    if (c == '?')
        begin_query(p);
    else if (c == '#')
        begin_fragment(p);
    else if (c == ' ' && (follows(p, "?") || follows(p, "#")))
        text_put(p->env->arena, &p->url->path, "%20", 3);
    else if (c >= 0)
        put_encoded(p->env->arena, &p->url->path, c, OF_OPAQUE);
    return GO_ON;
}

static enum verdict on_query(struct parser *p, int c)
{
    if (c == '#' && p->override == NO_STATE)
        begin_fragment(p);
    else if (c >= 0)
        put_run(p, &p->url->query, c, special(p) ? OF_SPECIAL_QUERY : OF_QUERY);
    return GO_ON;
}

static enum verdict step(struct parser *p, int c)
{
    switch (p->state) {
    case SCHEME_START:
    case SCHEME: return on_scheme(p, c);
    case NO_SCHEME: return on_no_scheme(p, c);
    case SPECIAL_RELATIVE_OR_AUTHORITY:
        if (c != '/' || !follows(p, "/"))
            return again(p, RELATIVE);
        p->state = SPECIAL_AUTHORITY_IGNORE_SLASHES;
        p->at++;
        return GO_ON;
    case PATH_OR_AUTHORITY:
        if (c != '/')
            return again(p, PATH);
        p->state = AUTHORITY;
        return GO_ON;
    case RELATIVE: return on_relative(p, c);
    case RELATIVE_SLASH: return on_relative_slash(p, c);
    case SPECIAL_AUTHORITY_SLASHES:
        if (c != '/' || !follows(p, "/"))
            return again(p, SPECIAL_AUTHORITY_IGNORE_SLASHES);
        p->state = SPECIAL_AUTHORITY_IGNORE_SLASHES;
        p->at++;
        return GO_ON;
    case SPECIAL_AUTHORITY_IGNORE_SLASHES:
        return c == '/' || c == '\\' ? GO_ON : again(p, AUTHORITY);
    case AUTHORITY: return on_authority(p, c);
    case HOST:
    case HOSTNAME: return on_host(p, c);
    case PORT: return on_port(p, c);
    case FILE_BEGIN: return on_file(p, c);
    case FILE_SLASH: return on_file_slash(p, c);
    case FILE_HOST: return on_file_host(p, c);
    case PATH_START: return on_path_start(p, c);
    case PATH: return on_path(p, c);
    case OPAQUE_PATH: return on_opaque_path(p, c);
    case QUERY: return on_query(p, c);
    case FRAGMENT:
        if (c >= 0)
            put_run(p, &p->url->fragment, c, OF_FRAGMENT);
        return GO_ON;
    case NO_STATE: break;
    }
    return FAILED;
}

/* The input without the bytes that never count. */
static anqa_str without_breaks(anqa_arena *arena, anqa_str text)
{
    char *to = anqa_arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\t' && text.ptr[i] != '\n' && text.ptr[i] != '\r')
            to[len++] = text.ptr[i];
    return anqa_str_make(to, len);
}

static bool run(const struct url_env *env, anqa_str text, const struct url *base, struct url *url,
    enum state override)
{
    struct parser p = {.env = env,
        .url = url,
        .base = base,
        .state = override == NO_STATE ? SCHEME_START : override,
        .override = override};
    enum verdict verdict = GO_ON;

    if (override == NO_STATE) {
        url->port = -1;
        while (text.len > 0 && (uint8_t)text.ptr[0] <= ' ') {
            text.ptr++;
            text.len--;
        }
        while (text.len > 0 && (uint8_t)text.ptr[text.len - 1] <= ' ')
            text.len--;
    }
    text = without_breaks(env->arena, text);
    p.in = text.ptr;
    p.len = text.len;
    for (bool ended = false; verdict == GO_ON && !ended; p.at++) {
        int c = p.at < p.len ? (uint8_t)p.in[p.at] : -1;
        size_t was = p.at;
        verdict = step(&p, c);
        ended = c < 0 && p.at == was;
    }
    return verdict != FAILED;
}

/* ---------------------------------------------------------------- writing */

static uint32_t put_text(anqa_arena *arena, struct text *to, const struct text *from)
{
    text_put(arena, to, from->at, from->len);
    return (uint32_t)to->len;
}

static void write_authority(
    anqa_arena *arena, const struct url *url, struct text *to, struct url_parts *parts)
{
    char port[8];

    text_put(arena, to, "//", 2);
    parts->user = parts->user_end = parts->password = parts->password_end = (uint32_t)to->len;
    if (has_credentials(url)) {
        parts->user_end = parts->password = parts->password_end = put_text(arena, to, &url->user);
        if (url->password.len > 0) {
            text_char(arena, to, ':');
            parts->password = (uint32_t)to->len;
            parts->password_end = put_text(arena, to, &url->password);
        }
        text_char(arena, to, '@');
    }
    parts->host = (uint32_t)to->len;
    parts->host_end = parts->port = put_text(arena, to, &url->host);
    if (url->port >= 0) {
        text_char(arena, to, ':');
        parts->port = (uint32_t)to->len;
        text_put(arena, to, port, (size_t)snprintf(port, sizeof port, "%d", url->port));
    }
}

static void write_url(anqa_arena *arena, const struct url *url, struct url_parts *parts)
{
    struct text to = {0};

    *parts = (struct url_parts){.opaque = url->opaque, .has_host = url->has_host};
    put_text(arena, &to, &url->scheme);
    text_char(arena, &to, ':');
    parts->scheme_end = (uint32_t)to.len;
    parts->user = parts->user_end = parts->password = parts->password_end = parts->host =
        parts->host_end = parts->port = parts->scheme_end;
    if (url->has_host)
        write_authority(arena, url, &to, parts);
    else if (!url->opaque && url->path.len >= 2 && url->path.at[1] == '/')
        text_put(arena, &to, "/.", 2); /* or its first part would be read as a host */
    parts->path = (uint32_t)to.len;
    if (url->port < 0)
        parts->port = parts->path;
    parts->query = put_text(arena, &to, &url->path);
    if (url->has_query) {
        text_char(arena, &to, '?');
        put_text(arena, &to, &url->query);
    }
    parts->fragment = (uint32_t)to.len;
    if (url->has_fragment) {
        text_char(arena, &to, '#');
        put_text(arena, &to, &url->fragment);
    }
    parts->href = anqa_str_make(to.at, to.len);
}

bool url_parse(
    const struct url_env *env, anqa_str text, const anqa_str *base, struct url_parts *ret_parts)
{
    struct url url = {0}, base_url = {0};

    if (text.len > URL_MAX ||
        (base != NULL && (base->len > URL_MAX || !run(env, *base, NULL, &base_url, NO_STATE))))
        return false;
    if (!run(env, text, base == NULL ? NULL : &base_url, &url, NO_STATE))
        return false;
    write_url(env->arena, &url, ret_parts);
    return ret_parts->href.len <= URL_MAX;
}

/* ---------------------------------------------------------------- setters */

static bool takes_no_port(const struct url *url)
{
    return url->host.len == 0 || is_file(url);
}

static void set_user(const struct url_env *env, struct text *to, anqa_str value)
{
    *to = (struct text){0};
    for (size_t i = 0; i < value.len; i++)
        put_encoded(env->arena, to, (uint8_t)value.ptr[i], OF_USER);
}

static anqa_str without_first(anqa_str value, char c)
{
    return value.len > 0 && value.ptr[0] == c ? anqa_str_make(value.ptr + 1, value.len - 1) : value;
}

/* What fails leaves the URL with what had changed before, as the standard has it. */
static void change(
    const struct url_env *env, struct url *url, enum url_setter which, anqa_str value)
{
    char *text;

    switch (which) {
    case URL_SET_PROTOCOL:
        text = anqa_arena_alloc(env->arena, value.len + 1);
        if (value.len > 0)
            memcpy(text, value.ptr, value.len);
        text[value.len] = ':';
        (void)run(env, anqa_str_make(text, value.len + 1), NULL, url, SCHEME_START);
        break;
    case URL_SET_USERNAME:
    case URL_SET_PASSWORD:
        if (!takes_no_port(url))
            set_user(env, which == URL_SET_USERNAME ? &url->user : &url->password, value);
        break;
    case URL_SET_HOST:
    case URL_SET_HOSTNAME:
        if (!url->opaque)
            (void)run(env, value, NULL, url, which == URL_SET_HOST ? HOST : HOSTNAME);
        break;
    case URL_SET_PORT:
        if (!takes_no_port(url) && value.len > 0)
            (void)run(env, value, NULL, url, PORT);
        else if (!takes_no_port(url))
            url->port = -1;
        break;
    case URL_SET_PATHNAME:
        if (url->opaque)
            break;
        url->path = (struct text){0};
        (void)run(env, value, NULL, url, PATH_START);
        break;
    case URL_SET_SEARCH:
        url->has_query = value.len > 0;
        url->query = (struct text){0};
        if (url->has_query)
            (void)run(env, without_first(value, '?'), NULL, url, QUERY);
        break;
    case URL_SET_HASH:
        url->has_fragment = value.len > 0;
        url->fragment = (struct text){0};
        if (url->has_fragment)
            (void)run(env, without_first(value, '#'), NULL, url, FRAGMENT);
        break;
    case URL_SETTER_COUNT: break;
    }
}

bool url_set(const struct url_env *env, anqa_str href, enum url_setter which, anqa_str value,
    struct url_parts *ret_parts)
{
    struct url url = {0};

    if (href.len > URL_MAX || value.len > URL_MAX || !run(env, href, NULL, &url, NO_STATE))
        return false;
    change(env, &url, which, value);
    write_url(env->arena, &url, ret_parts);
    return ret_parts->href.len <= URL_MAX;
}
