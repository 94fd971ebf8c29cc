/* The plug of anqa/compress.h: a callback before the answer that looks at it, and compresses it or has its chunks compressed. */
#include <anqa/compress.h>

#include <anqa/memory.h>

#include "http/encoding.h"
#include "http/exchange.h"
#include "http/gzip.h"
#include "http/media_type.h"
#include "http/vary.h"

#define MIN_BYTES 1024u
#define LEVEL 4
#define ROOM_FIRST 4096u

static const char *const text_types[] = {"text/*", "application/json", "application/*+json",
    "application/javascript", "application/xml", "application/*+xml", "image/svg+xml",
    "application/x-ndjson", "application/wasm", "application/vnd.ms-fontobject", "font/ttf",
    "font/otf", "image/x-icon", "image/bmp", NULL};

/* ---------------------------------------------------------------- whether it is worth it */

static bool has_field(const anqa_conn *conn, const char *name)
{
    anqa_str value;

    return anqa_conn_resp_header(conn, name, &value);
}

static bool may_be_changed(const anqa_conn *conn)
{
    static const char *const refused[] = {
        "content-encoding", "content-range", "content-digest", "repr-digest", "digest"};

    if (conn->status == 204 || conn->status == 206 || conn->status == 304)
        return false;
    for (size_t i = 0; i < ANQA_COUNT(refused); i++)
        if (has_field(conn, refused[i]))
            return false;
    for (const struct resp_field *at = exchange_of(conn)->fields; at != NULL; at = at->next) {
        anqa_str list = at->value, directive;
        if (!request_same_word(anqa_str_of(at->name), anqa_str_of("cache-control")))
            continue;
        while (request_next_token(&list, &directive))
            if (request_same_word(directive, anqa_str_of("no-transform")))
                return false;
    }
    return true;
}

static bool is_of_type(const anqa_conn *conn, const char *const *types)
{
    anqa_str value, type, subtype;

    if (!anqa_conn_resp_header(conn, "content-type", &value) ||
        !media_type_of(value, &type, &subtype))
        return false;
    for (; *types != NULL; types++)
        if (media_type_fits(*types, type, subtype))
            return true;
    return false;
}

static bool is_long_enough(const anqa_conn *conn, const anqa_compress_opts *opts)
{
    switch (exchange_of(conn)->answer) {
    case ANSWER_WHOLE:
        return conn->resp_body.len >= (opts->min_bytes == 0 ? MIN_BYTES : opts->min_bytes);
    case ANSWER_STREAM: return !opts->no_streams;
    default: return false;
    }
}

static bool client_takes_it(const anqa_conn *conn)
{
    struct encoding_taste taste = encoding_taste_of(exchange_of(conn)->request);

    return encoding_choose(&taste, 1u << ENCODING_GZIP) == ENCODING_GZIP;
}

/* ---------------------------------------------------------------- the head */

static void weaken_tag(anqa_conn *conn)
{
    anqa_str tag;

    if (!anqa_conn_resp_header(conn, "etag", &tag) || anqa_str_starts(tag, anqa_str_of("W/")))
        return;
    anqa_conn_put_resp_header(conn, "etag", anqa_str_of(anqa_tmp_printf("W/%.*s", ANQA_FMT(tag))));
}

static void write_fields(anqa_conn *conn)
{
    anqa_conn_put_resp_header(conn, "content-encoding", anqa_str_of(encoding_name(ENCODING_GZIP)));
    anqa_conn_delete_resp_header(conn, "accept-ranges"); /* there are none of what is sent */
    weaken_tag(conn);
}

/* ---------------------------------------------------------------- whole bodies */

/* What comes out. On the heap. */
struct gathered {
    char *bytes;
    size_t len, size, most;
};

/* Fails: E_LIMIT: it is not shorter than what came. */
static anqa_status gather(void *arg, anqa_str piece)
{
    struct gathered *out = arg;

    if (piece.len > out->most - out->len)
        return ANQA_E_LIMIT;
    if (piece.len > out->size - out->len) {
        out->size = out->size == 0 ? ROOM_FIRST : out->size;
        while (piece.len > out->size - out->len)
            out->size *= 2;
        out->bytes = anqa_heap_realloc(out->bytes, out->size);
    }
    memcpy(out->bytes + out->len, piece.ptr, piece.len);
    out->len += piece.len;
    return ANQA_OK;
}

static void compress_whole(anqa_conn *conn, int level)
{
    struct gathered out = {.most = conn->resp_body.len - 1};
    struct gzip *gzip = gzip_new(level, false);
    anqa_status status = gzip_write(gzip, conn->resp_body, GZIP_END, gather, &out);

    gzip_free(gzip);
    if (status != ANQA_OK) {
        anqa_heap_free(out.bytes);
        return;
    }
    anqa_defer(anqa_heap_free, out.bytes);
    conn->resp_body = anqa_str_make(out.bytes, out.len);
    write_fields(conn);
}

/* ---------------------------------------------------------------- the plug */

/* Of an answer to HEAD nothing is sent. */
static bool has_content(const anqa_conn *conn)
{
    return exchange_of(conn)->request->method != REQUEST_HEAD;
}

static void compress_stream(anqa_conn *conn, int level)
{
    anqa_str type, subtype, value;
    bool events = anqa_conn_resp_header(conn, "content-type", &value) &&
                  media_type_of(value, &type, &subtype) &&
                  media_type_fits("text/event-stream", type, subtype);

    if (has_content(conn))
        exchange_of(conn)->gzip = gzip_new(level, events);
    write_fields(conn);
}

static void look_at_answer(anqa_conn *conn, void *arg)
{
    const anqa_compress_opts *opts = arg;
    int level = opts->level == 0 ? LEVEL : opts->level;

    if (!is_long_enough(conn, opts) || !may_be_changed(conn) ||
        !is_of_type(conn, opts->types == NULL ? text_types : opts->types))
        return;
    vary_add(conn, "accept-encoding");
    if (!client_takes_it(conn))
        return;
    if (exchange_of(conn)->answer == ANSWER_STREAM)
        compress_stream(conn, level);
    else
        compress_whole(conn, level);
}

void anqa_compress(anqa_conn *conn, const void *given)
{
    static const anqa_compress_opts defaults = {0};
    const anqa_compress_opts *opts = given == NULL ? &defaults : given;

    ANQA_REQUIRE(opts->level >= 0 && opts->level <= 9);
    if (gzip_available)
        anqa_conn_register_before_send(conn, look_at_answer, (void *)(uintptr_t)opts);
}
