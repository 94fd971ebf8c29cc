#include "js/web/url_int.h"

#include <stdio.h>

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

    if (!url_parse_host(p->env, anqa_str_make(p->buffer.at, p->buffer.len), special(p), &host))
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
