/* Heads of requests of HTTP/2, out of the fields that nghttp2 gives one by one. See h2_int.h. */
#include "http/h2_int.h"

#include <stdlib.h>
#include <string.h>

#define FIRST 1024u
#define FAR \
    4u /* times the limits: what a few bytes of HPACK can make of them is not for us to count for ever */
#define CRUMB_GAP 2u /* "; " */

struct slice {
    uint32_t at, len; /* len 0, at 0: none */
};

/* Text in the making. */
struct text {
    char *bytes;
    uint32_t len, cap;
};

/* owner: struct h2 */
struct h2_head {
    int32_t stream;
    bool trailers;
    bool twice;    /* Host and :authority do not agree, or there are several */
    bool has_host; /* the field */
    bool dropped;  /* fields beyond the limits were counted only */
    bool has_cookie;
    uint32_t size;   /* as HTTP/1 would have written the fields */
    uint32_t count;  /* of fields, also of those that are too many */
    uint32_t cookie; /* the place of that field, if there is one */
    struct slice method, path, authority, protocol;
    struct text text;   /* names and values, but for */
    struct text crumbs; /* the value of the cookie: its pieces are joined as they come */
    struct {
        struct slice name, value;
    } fields[REQUEST_HEADERS_MAX];
};

struct h2_head *h2_head_new(int32_t stream, bool trailers)
{
    struct h2_head *head = malloc(sizeof *head);

    if (head == NULL)
        return NULL;
    memset(head, 0, offsetof(struct h2_head, fields));
    head->stream = stream;
    head->trailers = trailers;
    return head;
}

void h2_head_free(struct h2_head *head)
{
    if (head != NULL) {
        free(head->text.bytes);
        free(head->crumbs.bytes);
    }
    free(head);
}

int32_t h2_head_stream(const struct h2_head *head)
{
    return head->stream;
}

/* ---------------------------------------------------------------- fields, one by one */

static bool reserve(struct text *text, size_t more)
{
    size_t cap = text->cap == 0 ? FIRST : text->cap;
    char *larger;

    if (text->len + more <= text->cap)
        return true;
    while (cap < text->len + more)
        cap *= 2;
    larger = realloc(text->bytes, cap);
    if (larger == NULL)
        return false;
    text->bytes = larger;
    text->cap = (uint32_t)cap;
    return true;
}

/* There is room. */
static struct slice put(struct text *text, anqa_str piece)
{
    struct slice slice = {text->len, (uint32_t)piece.len};

    if (piece.len != 0)
        memcpy(text->bytes + text->len, piece.ptr, piece.len);
    text->len += (uint32_t)piece.len;
    return slice;
}

static anqa_str get(const struct h2_head *head, struct slice slice)
{
    return anqa_str_make(head->text.bytes + slice.at, slice.len);
}

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
    return given == 0 ? otherwise : given;
}

static uint32_t most_bytes(const struct request_limits *limits)
{
    return or_default(limits->head_bytes, request_default_limits.head_bytes);
}

static uint32_t most_fields(const struct request_limits *limits)
{
    uint32_t given = or_default(limits->headers, request_default_limits.headers);

    return given < REQUEST_HEADERS_MAX ? given : REQUEST_HEADERS_MAX;
}

/* :authority is shown as Host. */
static uint32_t field_count(const struct h2_head *head)
{
    return head->count + (!head->has_host && head->authority.len != 0);
}

static bool is_over(const struct h2_head *head, const struct request_limits *limits)
{
    return head->size > most_bytes(limits) || field_count(head) > most_fields(limits);
}

static void note_pseudo(struct h2_head *head, anqa_str name, struct slice value)
{
    if (anqa_str_is(name, ":method"))
        head->method = value;
    else if (anqa_str_is(name, ":path"))
        head->path = value;
    else if (anqa_str_is(name, ":authority"))
        head->authority = value;
    else if (anqa_str_is(name, ":protocol"))
        head->protocol = value;
}

static void note_field(
    struct h2_head *head, anqa_str name, struct slice name_at, struct slice value)
{
    if (anqa_str_is(name, "host")) {
        head->twice |=
            head->has_host || (head->authority.len != 0 &&
                                  !request_same_word(get(head, head->authority), get(head, value)));
        head->has_host = true;
    }
    head->fields[head->count - 1].name = name_at;
    head->fields[head->count - 1].value = value;
}

static void note_size(struct h2_head *head, anqa_str name, anqa_str value, bool more_cookie)
{
    bool pseudo = name.len != 0 && name.ptr[0] == ':';

    if (more_cookie) {
        head->size += (uint32_t)value.len + CRUMB_GAP;
        return;
    }
    head->size += (uint32_t)(name.len + value.len + 4); /* ": " and CR LF */
    head->count += !pseudo;
}

/* More cookies than one are one in pieces: RFC 9113, 8.2.3 */
static bool add_crumb(struct h2_head *head, anqa_str value)
{
    if (!reserve(&head->crumbs, CRUMB_GAP + value.len))
        return false;
    if (head->has_cookie)
        put(&head->crumbs, anqa_str_of("; "));
    put(&head->crumbs, value);
    return true;
}

static bool add_field(struct h2_head *head, anqa_str name, anqa_str value)
{
    struct slice name_at;

    if (!reserve(&head->text, name.len + value.len))
        return false;
    if (name.len != 0 && name.ptr[0] == ':') {
        note_pseudo(head, name, put(&head->text, value));
        return true;
    }
    name_at = put(&head->text, name);
    note_field(head, name, name_at, put(&head->text, value));
    return true;
}

static bool add_cookie(struct h2_head *head, anqa_str name, anqa_str value)
{
    if (!add_crumb(head, value) ||
        (!head->has_cookie && !add_field(head, name, anqa_str_make(NULL, 0))))
        return false;
    if (!head->has_cookie)
        head->cookie = head->count - 1;
    head->has_cookie = true;
    return true;
}

anqa_status h2_head_add(
    struct h2_head *head, anqa_str name, anqa_str value, const struct request_limits *limits)
{
    bool cookie = !head->trailers && anqa_str_is(name, "cookie"), added;

    note_size(head, name, value, cookie && head->has_cookie);
    if (head->size > FAR * most_bytes(limits) || head->count > FAR * most_fields(limits))
        return ANQA_E_LIMIT;
    head->dropped = head->dropped || is_over(head, limits);
    if (head->dropped)
        return ANQA_OK;
    added = cookie ? add_cookie(head, name, value) : add_field(head, name, value);
    return added ? ANQA_OK : ANQA_E_NOMEM;
}

/* ---------------------------------------------------------------- the whole */

static bool place_cookie(struct h2_head *head)
{
    if (!head->has_cookie)
        return true;
    if (!reserve(&head->text, head->crumbs.len))
        return false;
    head->fields[head->cookie].value =
        put(&head->text, anqa_str_make(head->crumbs.bytes, head->crumbs.len));
    return true;
}

static void show_field(struct request *request, anqa_str name, anqa_str value)
{
    request->headers[request->header_count++] = (struct request_header){name, value};
}

static enum h2_head_result refuse(struct request *request, uint16_t status, const char *why)
{
    request->status = status;
    request->why = why;
    return H2_HEAD_REFUSED;
}

/* Who speaks WebSocket sees the GET that it would have been in HTTP/1.1. */
static bool take_tunnel(struct h2_head *head, struct request *request)
{
    if (!anqa_str_is(get(head, head->protocol), "websocket"))
        return false;
    request->method_name = anqa_str_of("GET");
    request->tunnel = true;
    return true;
}

enum h2_head_result h2_head_request(struct h2_head *head, bool has_body,
    const struct request_limits *limits, struct request *request, const char **ret_bytes)
{
    bool tunnel = head->protocol.len != 0;
    enum request_result result;

    memset(request, 0, offsetof(struct request, headers));
    if (head->twice)
        return H2_HEAD_MALFORMED;
    if (head->dropped)
        return refuse(request, 431, "too many header fields, or too long ones\n");
    if (!place_cookie(head))
        return refuse(request, 503, "");
    *ret_bytes = head->text.bytes;
    request->head_bytes = head->text.len;
    request->method_name = get(head, head->method);
    if (!head->has_host && head->authority.len != 0)
        show_field(request, anqa_str_of("host"), get(head, head->authority));
    for (uint32_t i = 0; i < head->count; i++)
        show_field(request, get(head, head->fields[i].name), get(head, head->fields[i].value));
    if (tunnel && !take_tunnel(head, request))
        return refuse(request, 501, "a protocol other than websocket\n");
    result = request_of_parts(request, get(head, head->path), has_body && !tunnel, limits);
    return result == REQUEST_DONE ? H2_HEAD_DONE : H2_HEAD_REFUSED;
}

char *h2_head_trailers(const struct h2_head *head, uint16_t *ret_len)
{
    size_t size = 0, len = 0;
    char *text;

    if (head->dropped)
        return NULL;
    for (uint32_t i = 0; i < head->count && i < REQUEST_HEADERS_MAX; i++)
        size += head->fields[i].name.len + head->fields[i].value.len + 2;
    if (size == 0 || head->count > REQUEST_HEADERS_MAX || head->size > BODY_EXTRA_MAX)
        return NULL;
    text = malloc(size);
    for (uint32_t i = 0; text != NULL && i < head->count; i++) {
        anqa_str name = get(head, head->fields[i].name), value = get(head, head->fields[i].value);
        memcpy(text + len, name.ptr, name.len);
        len += name.len;
        text[len++] = ':';
        if (value.len != 0)
            memcpy(text + len, value.ptr, value.len);
        len += value.len;
        text[len++] = '\n';
    }
    *ret_len = (uint16_t)len;
    return text;
}
