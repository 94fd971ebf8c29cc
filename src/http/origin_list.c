#include "http/origin_list.h"

#define STR(literal) anqa_str_make((literal), sizeof(literal) - 1)

static anqa_str rest(anqa_str s, size_t from)
{
    return anqa_str_make(s.ptr + from, s.len - from);
}

static size_t find(anqa_str s, char c)
{
    const char *at = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);

    return at == NULL ? s.len : (size_t)(at - s.ptr);
}

void origin_authority(anqa_str text, struct origin *origin)
{
    size_t len = text.len > 0 && text.ptr[0] == '[' ? find(text, ']') + 1 : find(text, ':');

    if (len > text.len)
        len = text.len;
    origin->host = anqa_str_make(text.ptr, len);
    if (len < text.len && text.ptr[len] == ':')
        origin->port = rest(text, len + 1);
}

anqa_str origin_default_port(anqa_str scheme)
{
    if (anqa_str_is(scheme, "http") || anqa_str_is(scheme, "ws"))
        return STR("80");
    if (anqa_str_is(scheme, "https") || anqa_str_is(scheme, "wss"))
        return STR("443");
    return (anqa_str){NULL, 0};
}

struct origin origin_parse(anqa_str text)
{
    struct origin origin = {0};
    size_t slashes = find(text, '/');

    if (slashes > 0 && slashes < text.len && text.ptr[slashes - 1] == ':')
        origin.scheme = anqa_str_make(text.ptr, slashes - 1);
    else if (slashes != 0)
        return origin; /* no host */
    text = rest(text, slashes);
    if (!anqa_str_starts(text, STR("//")))
        return (struct origin){0};
    text = rest(text, 2);
    text.len = find(text, '/');
    origin_authority(text, &origin);
    if (origin.port.len == 0)
        origin.port = origin_default_port(origin.scheme);
    return origin;
}

static bool host_fits(anqa_str pattern, anqa_str host)
{
    anqa_str domain;

    if (!anqa_str_starts(pattern, STR("*.")))
        return anqa_str_eq(pattern, host);
    domain = rest(pattern, 2);
    if (anqa_str_eq(domain, host))
        return true;
    return host.len > domain.len && host.ptr[host.len - domain.len - 1] == '.' &&
           anqa_str_eq(rest(host, host.len - domain.len), domain);
}

static bool fits(const struct origin *pattern, const struct origin *origin)
{
    return (pattern->scheme.len == 0 || anqa_str_eq(pattern->scheme, origin->scheme)) &&
           (pattern->port.len == 0 || anqa_str_eq(pattern->port, origin->port)) &&
           host_fits(pattern->host, origin->host);
}

bool origin_listed(const char *const *list, const struct origin *origin)
{
    for (; list != NULL && *list != NULL; list++) {
        struct origin pattern = origin_parse(anqa_str_of(*list));
        if (fits(&pattern, origin))
            return true;
    }
    return false;
}
