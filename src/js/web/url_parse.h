/*
 * URLs as the URL Standard parses and writes them. No JavaScript in here, but for one thing that only the engine can do:
 * Unicode's normal form, for domain names beyond ASCII.
 *
 * Texts are UTF-8; what a URL consists of in the end is ASCII. Everything lives in the arena that the parser is given.
 */
#ifndef JS_WEB_URL_PARSE_H
#define JS_WEB_URL_PARSE_H

#include <anqa/arena.h>
#include <anqa/base.h>

#define URL_MAX ((size_t)1 << 20) /* bytes of a text that is parsed, and of a URL */

/* Where the parts of a URL lie in its text. A part ends where the next begins, but for delimiters:
 *   scheme ":" ["//" [user [":" password] "@"] host [":" port]] path ["?" query] ["#" fragment] */
struct url_parts {
    anqa_str href;
    uint32_t scheme_end; /* behind the ":" */
    uint32_t user, user_end, password, password_end, host, host_end;
    uint32_t port, path;      /* port: of its digits, or path */
    uint32_t query, fragment; /* of "?" and "#"; at the end when there are none */
    bool opaque;              /* the path is no list */
    bool has_host;
};

/* What a setter of a URL is for. */
enum url_setter {
    URL_SET_PROTOCOL,
    URL_SET_USERNAME,
    URL_SET_PASSWORD,
    URL_SET_HOST,
    URL_SET_HOSTNAME,
    URL_SET_PORT,
    URL_SET_PATHNAME,
    URL_SET_SEARCH,
    URL_SET_HASH,
    URL_SETTER_COUNT
};

struct url_env {
    anqa_arena *arena;
    /* The text in normal form C, in the same arena; false: it cannot be had. */
    bool (*normalize)(void *ctx, anqa_str text, anqa_str *ret_text);
    void *ctx;
};

/* base: text of a URL that was parsed before, or of any; NULL: none. False: it is none. */
bool url_parse(
    const struct url_env *env, anqa_str text, const anqa_str *base, struct url_parts *ret_parts);
/* Changes one part of a URL that was parsed before, as far as it takes the value. False: it would be too long. */
bool url_set(const struct url_env *env, anqa_str href, enum url_setter which, anqa_str value,
    struct url_parts *ret_parts);

#endif
