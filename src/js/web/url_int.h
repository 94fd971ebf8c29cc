/*
 * What the files of the URL parser share: texts that grow, kinds of characters, hosts. See url_parse.h.
 */
#ifndef JS_WEB_URL_INT_H
#define JS_WEB_URL_INT_H

/* IWYU pragma: begin_exports */
#include <stdint.h>
#include <string.h>

#include "js/web/url_parse.h"
/* IWYU pragma: end_exports */

/* ---------------------------------------------------------------- texts that grow */

struct text {
    char *at;
    size_t len, size;
};

static inline void text_put(anqa_arena *arena, struct text *text, const char *bytes, size_t len)
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

static inline void text_char(anqa_arena *arena, struct text *text, int c)
{
    char byte = (char)c;

    text_put(arena, text, &byte, 1);
}

static inline bool text_is(const struct text *text, const char *other)
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

extern const uint8_t url_kinds[256];

static inline uint8_t kind_of(int c)
{
    return url_kinds[(uint8_t)c];
}

static inline bool is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static inline int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static inline int hex_value(int c)
{
    c = lower(c);
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline void put_encoded(anqa_arena *arena, struct text *text, int c, uint8_t set)
{
    static const char digits[] = "0123456789ABCDEF";
    char triple[] = {'%', digits[c >> 4 & 15], digits[c & 15]};

    if ((kind_of(c) & set) != 0)
        text_put(arena, text, triple, sizeof triple);
    else
        text_char(arena, text, c);
}

/* ---------------------------------------------------------------- hosts (url_host.c) */

/* Appends a host as the standard writes it. special: of a scheme that has domains. False: it is none. */
bool url_parse_host(const struct url_env *env, anqa_str input, bool special, struct text *host);

#endif
