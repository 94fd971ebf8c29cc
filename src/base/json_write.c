#include "base/json_scan.h"
#include "base/json_write_int.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>

#define FIRST_CAP ((size_t)256)

/* ---------------------------------------------------------------- memory */

/* Not by assignment of a whole struct: most of it are the kinds, which need not be set. */
static void init(anqa_json_writer *w, size_t limit)
{
    w->ptr = NULL;
    w->len = w->cap = 0;
    w->limit = limit != 0 ? limit : SIZE_MAX;
    w->arena = NULL;
    w->status = ANQA_OK;
    w->fixed = w->html = w->comma = w->keyed = false;
    w->depth = 0;
}

void anqa_json_writer_init(anqa_json_writer *w, anqa_arena *arena, size_t limit)
{
    init(w, limit);
    w->arena = arena;
}

void anqa_json_writer_init_heap(anqa_json_writer *w, size_t limit)
{
    init(w, limit);
}

void anqa_json_writer_init_fixed(anqa_json_writer *w, char *bytes, size_t cap)
{
    init(w, 0);
    w->ptr = bytes;
    w->cap = cap;
    w->limit = cap;
    w->fixed = true;
}

void anqa_json_writer_reset(anqa_json_writer *w)
{
    if (w->arena != NULL) {
        w->ptr = NULL;
        w->cap = 0;
    }
    w->len = 0;
    w->status = ANQA_OK;
    w->comma = w->keyed = false;
    w->depth = 0;
}

void anqa_json_writer_done(anqa_json_writer *w)
{
    if (w == NULL || w->arena != NULL || w->fixed)
        return;
    free(w->ptr);
    w->ptr = NULL;
    w->len = w->cap = 0;
}

void anqa_json_writer_html(anqa_json_writer *w)
{
    w->html = true;
}

void json_write_fail(anqa_json_writer *w, anqa_status status)
{
    if (w->status == ANQA_OK)
        w->status = status;
}

/* Moves the end of the arena's newest piece, if that is ours. */
#ifdef ANQA_ARENA_ASAN_
static bool resize_last_piece(anqa_json_writer *w, size_t cap)
{
    return false; /* here every piece is a block of its own */
}
#else
static size_t piece_size(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static bool resize_last_piece(anqa_json_writer *w, size_t cap)
{
    anqa_arena *arena = w->arena;

    if (w->ptr == NULL || w->ptr + piece_size(w->cap) != arena->at ||
        piece_size(cap) > (size_t)(arena->end - w->ptr))
        return false;
    arena->at = w->ptr + piece_size(cap);
    w->cap = cap;
    return true;
}
#endif

static void grow_in_arena(anqa_json_writer *w, size_t cap)
{
    char *piece;

    if (resize_last_piece(w, cap))
        return;
    piece = anqa_arena_alloc(w->arena, cap);
    if (piece == NULL) {
        json_write_fail(w, ANQA_E_NOMEM);
        return;
    }
    if (w->len != 0)
        memcpy(piece, w->ptr, w->len);
    w->ptr = piece;
    w->cap = cap;
}

static void grow_on_heap(anqa_json_writer *w, size_t cap)
{
    char *bytes = realloc(w->ptr, cap);

    if (bytes == NULL) {
        json_write_fail(w, ANQA_E_NOMEM);
        return;
    }
    w->ptr = bytes;
    w->cap = cap;
}

static __attribute__((noinline)) bool make_room(anqa_json_writer *w, size_t more)
{
    size_t cap = w->cap < FIRST_CAP / 2 ? FIRST_CAP : w->cap * 2;

    if (more > w->limit - w->len) {
        json_write_fail(w, ANQA_E_LIMIT);
        return false;
    }
    if (cap < w->len + more)
        cap = w->len + more;
    if (cap > w->limit)
        cap = w->limit;
    if (w->arena != NULL)
        grow_in_arena(w, cap);
    else
        grow_on_heap(w, cap);
    return w->status == ANQA_OK;
}

/* Room for `more` bytes at ptr + len. */
static inline bool room(anqa_json_writer *w, size_t more)
{
    return more <= w->cap - w->len || make_room(w, more);
}

static inline void write_char(anqa_json_writer *w, char c)
{
    if (w->status == ANQA_OK && room(w, 1))
        w->ptr[w->len++] = c;
}

void json_write_bytes(anqa_json_writer *w, const char *bytes, size_t len)
{
    if (len == 0 || w->status != ANQA_OK || !room(w, len))
        return;
    memcpy(w->ptr + w->len, bytes, len);
    w->len += len;
}

/* ---------------------------------------------------------------- what may stand where */

bool json_write_begin_value(anqa_json_writer *w)
{
    if (w->status != ANQA_OK)
        return false;
    if (w->depth == 0 ? w->comma : json_write_in_object(w) && !w->keyed) {
        json_write_fail(w, ANQA_E_INVALID);
        return false;
    }
    if (w->comma && !w->keyed)
        write_char(w, ',');
    w->keyed = false;
    w->comma = true;
    return w->status == ANQA_OK;
}

bool json_write_begin_key(anqa_json_writer *w)
{
    if (w->status != ANQA_OK)
        return false;
    if (w->depth == 0 || !json_write_in_object(w) || w->keyed) {
        json_write_fail(w, ANQA_E_INVALID);
        return false;
    }
    if (w->comma)
        write_char(w, ',');
    return w->status == ANQA_OK;
}

void json_write_end_key(anqa_json_writer *w)
{
    write_char(w, ':');
    w->keyed = true;
}

static void begin(anqa_json_writer *w, bool object)
{
    uint64_t bit = (uint64_t)1 << w->depth % 64, *kinds = &w->kinds[w->depth / 64];

    if (!json_write_begin_value(w))
        return;
    if (w->depth == ANQA_JSON_MAX_DEPTH) {
        json_write_fail(w, ANQA_E_LIMIT);
        return;
    }
    write_char(w, object ? '{' : '[');
    if (w->depth % 64 == 0)
        *kinds = 0; /* never set yet, or left over */
    *kinds = object ? *kinds | bit : *kinds & ~bit;
    w->depth++;
    w->comma = false;
}

static void end(anqa_json_writer *w, bool object)
{
    if (w->status != ANQA_OK)
        return;
    if (w->depth == 0 || json_write_in_object(w) != object || w->keyed) {
        json_write_fail(w, ANQA_E_INVALID);
        return;
    }
    write_char(w, object ? '}' : ']');
    w->depth--;
    w->comma = true;
}

void anqa_json_begin_object(anqa_json_writer *w)
{
    begin(w, true);
}

void anqa_json_end_object(anqa_json_writer *w)
{
    end(w, true);
}

void anqa_json_begin_array(anqa_json_writer *w)
{
    begin(w, false);
}

void anqa_json_end_array(anqa_json_writer *w)
{
    end(w, false);
}

anqa_status anqa_json_writer_finish(anqa_json_writer *w, anqa_json *ret_json)
{
    if (w->status == ANQA_OK && (w->depth != 0 || !w->comma))
        json_write_fail(w, ANQA_E_INVALID);
    if (w->status != ANQA_OK)
        return w->status;
    if (w->arena != NULL)
        resize_last_piece(w, w->len); /* what is left goes back */
    *ret_json = (anqa_json){w->ptr, w->len};
    return ANQA_OK;
}

/* ---------------------------------------------------------------- strings */

static void write_unicode_escape(anqa_json_writer *w, uint32_t point)
{
    static const char hex[] = "0123456789abcdef";
    const char escape[6] = {
        '\\', 'u', hex[point >> 12], hex[point >> 8 & 15], hex[point >> 4 & 15], hex[point & 15]};

    json_write_bytes(w, escape, sizeof escape);
}

/* A quote, a backslash or a control character. */
static void write_escape(anqa_json_writer *w, char c)
{
    char pair[2] = {'\\', c};

    switch (c) {
    case '"':
    case '\\': break;
    case '\b': pair[1] = 'b'; break;
    case '\f': pair[1] = 'f'; break;
    case '\n': pair[1] = 'n'; break;
    case '\r': pair[1] = 'r'; break;
    case '\t': pair[1] = 't'; break;
    default: write_unicode_escape(w, (unsigned char)c); return;
    }
    json_write_bytes(w, pair, sizeof pair);
}

/* Where a run that can be copied ends: before an escape, at the end, or where it is no UTF-8. */
static const char *run_end(const char *at, const char *end)
{
    for (;;) {
        size_t len;

        at = json_find_strict_stop(at, end);
        if (at == end || (signed char)*at >= 0)
            return at;
        len = utf8_char_len(at, end);
        if (len == 0)
            return at;
        at += len;
    }
}

static void write_plain(anqa_json_writer *w, const char *at, const char *end)
{
    while (at < end && w->status == ANQA_OK) {
        const char *stop = run_end(at, end);

        json_write_bytes(w, at, (size_t)(stop - at));
        if (stop == end)
            return;
        if ((signed char)*stop < 0)
            json_write_fail(w, ANQA_E_INVALID);
        else
            write_escape(w, *stop);
        at = stop + 1;
    }
}

/* The character at `at` if it must not stand in a script, else 0. U+2028 and U+2029 end a line in old JavaScript. */
static uint32_t html_danger(const char *at, const char *end)
{
    if (*at == '<' || *at == '>' || *at == '&')
        return (unsigned char)*at;
    if (end - at >= 3 && at[0] == '\xe2' && at[1] == '\x80' && (at[2] == '\xa8' || at[2] == '\xa9'))
        return 0x2000u | (at[2] & 0x3fu);
    return 0;
}

static void write_for_html(anqa_json_writer *w, const char *at, const char *end)
{
    const char *from = at;

    while (at < end) {
        uint32_t danger = html_danger(at, end);
        if (danger == 0) {
            at++;
            continue;
        }
        write_plain(w, from, at);
        write_unicode_escape(w, danger);
        at += danger < 0x80 ? 1 : 3;
        from = at;
    }
    write_plain(w, from, end);
}

void json_write_escaped(anqa_json_writer *w, anqa_str part)
{
    if (part.len == 0)
        return;
    if (w->html)
        write_for_html(w, part.ptr, part.ptr + part.len);
    else
        write_plain(w, part.ptr, part.ptr + part.len);
}

static void write_quoted(anqa_json_writer *w, anqa_str value)
{
    write_char(w, '"');
    json_write_escaped(w, value);
    write_char(w, '"');
}

void anqa_json_key_str(anqa_json_writer *w, anqa_str key)
{
    if (!json_write_begin_key(w))
        return;
    write_quoted(w, key);
    json_write_end_key(w);
}

void anqa_json_key(anqa_json_writer *w, const char *key)
{
    anqa_json_key_str(w, anqa_str_of(key));
}

void anqa_json_put_str(anqa_json_writer *w, anqa_str value)
{
    if (json_write_begin_value(w))
        write_quoted(w, value);
}

/* ---------------------------------------------------------------- other values */

static void put_text(anqa_json_writer *w, const char *text, size_t len)
{
    if (json_write_begin_value(w))
        json_write_bytes(w, text, len);
}

void anqa_json_put_null(anqa_json_writer *w)
{
    put_text(w, "null", 4);
}

void anqa_json_put_bool(anqa_json_writer *w, bool value)
{
    put_text(w, value ? "true" : "false", value ? 4 : 5);
}

void anqa_json_put_int(anqa_json_writer *w, int64_t value)
{
    char text[21];
    size_t sign = value < 0;

    text[0] = '-';
    put_text(w, text + 1 - sign,
        sign + json_uint_text(value < 0 ? -(uint64_t)value : (uint64_t)value, text + 1));
}

void anqa_json_put_uint(anqa_json_writer *w, uint64_t value)
{
    char text[20];

    put_text(w, text, json_uint_text(value, text));
}

void anqa_json_put_double(anqa_json_writer *w, double value)
{
    char text[32];

    if (!isfinite(value))
        json_write_fail(w, ANQA_E_INVALID);
    else
        put_text(w, text, json_double_text(value, text));
}

static bool is_json(anqa_json value)
{
#ifndef NDEBUG
    static const anqa_json_limits widest = {
        .max_bytes = SIZE_MAX, .max_depth = ANQA_JSON_MAX_DEPTH};

    return anqa_json_check(anqa_json_text(value), &widest, NULL) == ANQA_OK;
#else
    return true;
#endif
}

void anqa_json_put_raw(anqa_json_writer *w, anqa_json value)
{
    if (value.len == 0)
        anqa_json_put_null(w);
    else if (!is_json(value))
        json_write_fail(w, ANQA_E_INVALID);
    else
        put_text(w, value.ptr, value.len);
}
