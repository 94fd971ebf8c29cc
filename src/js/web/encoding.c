/*
 * Text to bytes and back (Encoding Standard). Strings come from the engine as UTF-8 in which a lone surrogate is three
 * bytes, as another character would be: these are made U+FFFD, which is three bytes too.
 *
 * Bytes of buffers are read where they lie: nothing of the script runs meanwhile, also where the process is preempted.
 */
#include <anqa/memory.h>

#include "base/utf8.h"
#include "js/convert.h"
#include "js/preempt.h"
#include "js/turn.h"
#include "js/web/web.h"

enum {
    PIECE = 64 << 10, /* of bytes, between looks whether others want to run */
    FATAL = 1,        /* malformed bytes are an error */
    KEEP_BOM = 2,
    BIG_ENDIAN_UNITS = 4
};

/* ---------------------------------------------------------------- UTF-8 */

/* The length of the character that begins at `at`, or of the malformed bytes that are one U+FFFD, as a negative number. */
static int utf8_next(const uint8_t *at, size_t left)
{
    uint8_t first = at[0], low = 0x80, high = 0xbf;
    int need = first < 0x80   ? 0
               : first < 0xc2 ? -1
               : first < 0xe0 ? 1
               : first < 0xf0 ? 2
               : first < 0xf5 ? 3
                              : -1;

    if (need < 0)
        return -1;
    switch (first) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    for (int i = 1; i <= need; i++) {
        if ((size_t)i >= left || at[i] < low || at[i] > high)
            return -i;
        low = 0x80;
        high = 0xbf;
    }
    return need + 1;
}

/* How many bytes from `at` are ASCII, in steps of eight. */
static size_t ascii_run(const uint8_t *at, size_t len)
{
    size_t i = 0;

    for (uint64_t word; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        if ((word & 0x8080808080808080u) != 0)
            break;
    }
    return i;
}

static void look_around(struct js *js, size_t at, size_t *next)
{
    if (at < *next)
        return;
    *next = at + PIECE;
    preempt_point(js);
}

anqa_str web_well_formed(struct js *js, anqa_str text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t len = 0, next = PIECE;
    char *to;

    if (utf8_valid(text.ptr, text.len))
        return text;
    to = anqa_arena_alloc(web_scratch(js), text.len * 3);
    for (size_t i = 0; i < text.len;) {
        int n = utf8_next((const uint8_t *)text.ptr + i, text.len - i);
        memcpy(to + len, n > 0 ? text.ptr + i : replacement, n > 0 ? (size_t)n : 3);
        len += n > 0 ? (size_t)n : 3;
        i += (size_t)(n < 0 ? -n : n);
        look_around(js, i, &next);
    }
    return anqa_str_make(to, len);
}

/* What bytes come to. */
struct scan {
    uint32_t units; /* of UTF-16 */
    bool ascii, clean;
};

static struct scan scan_utf8(struct js *js, const uint8_t *from, size_t len)
{
    struct scan scan = {.ascii = true, .clean = true};
    size_t next = PIECE;

    for (size_t i = 0; i < len;) {
        size_t run = ascii_run(from + i, len - i < PIECE ? len - i : PIECE);
        if (run == 0) {
            int n = utf8_next(from + i, len - i);
            run = (size_t)(n < 0 ? -n : n);
            scan.units += n == 4 ? 2 : 1;
            scan.clean = scan.clean && n > 0;
            scan.ascii = scan.ascii && n == 1;
        } else {
            scan.units += (uint32_t)run;
        }
        i += run;
        look_around(js, i, &next);
    }
    return scan;
}

static uint32_t character(const uint8_t *at, int n)
{
    switch (n) {
    case 1: return at[0];
    case 2: return (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
    case 3: return (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
    case 4:
        return (at[0] & 0x07u) << 18 | (at[1] & 0x3fu) << 12 | (at[2] & 0x3fu) << 6 |
               (at[3] & 0x3fu);
    default: return 0xfffd;
    }
}

static void utf8_to_units(
    struct js *js, const uint8_t *from, size_t len, uint16_t *to, const uint16_t *end)
{
    size_t next = PIECE;

    for (size_t i = 0; i < len && to < end;) {
        int n = utf8_next(from + i, len - i);
        uint32_t c = character(from + i, n);
        i += (size_t)(n < 0 ? -n : n);
        if (c < 0x10000) {
            *to++ = (uint16_t)c;
        } else if (end - to >= 2) {
            *to++ = (uint16_t)(0xd7c0 + (c >> 10));
            *to++ = (uint16_t)(0xdc00 | (c & 0x3ff));
        }
        look_around(js, i, &next);
    }
}

static uint64_t no_memory(struct js *js)
{
    return q_JS_ThrowOutOfMemory(&js->engine, js->image->ctx);
}

/* Memory for that many units; 0: an exception is set. */
static uint32_t new_units(struct js *js, uint32_t count)
{
    uint32_t at = count >= js->memory_limit / 2 ? 0 : q_malloc(&js->engine, count * 2 + 2);

    if (at == 0)
        (void)no_memory(js);
    return at;
}

/* Frees them. */
static uint64_t string_of_units(struct js *js, uint32_t units, uint32_t count)
{
    uint64_t text = q_JS_NewStringUTF16(&js->engine, js->image->ctx, units, count);

    q_free(&js->engine, units);
    return text;
}

static uint64_t decode_utf8(struct js *js, uint32_t at, uint32_t len, uint32_t flags)
{
    struct scan scan;
    uint32_t units;
    uint16_t *to;

    if (len >= 3 && (flags & KEEP_BOM) == 0 && memcmp(js_at(js, at, 3), "\xef\xbb\xbf", 3) == 0) {
        at += 3;
        len -= 3;
    }
    scan = scan_utf8(js, js_at(js, at, len), len);
    if (scan.ascii)
        return q_JS_NewStringLen(&js->engine, js->image->ctx, at, len);
    if (!scan.clean && (flags & FATAL) != 0)
        return JS_NULL;
    units = new_units(js, scan.units);
    if (units == 0)
        return JS_EXCEPTION;
    to = js_at(js, units, scan.units * 2);
    utf8_to_units(js, js_at(js, at, len), len, to, to + scan.units);
    return string_of_units(js, units, scan.units);
}

/* ---------------------------------------------------------------- two bytes, one byte */

static uint16_t unit_at(const uint8_t *bytes, uint32_t i, bool big)
{
    const uint8_t *unit = bytes + (size_t)i * 2;

    return (uint16_t)(big ? unit[0] << 8 | unit[1] : unit[0] | unit[1] << 8);
}

static bool is_high(uint16_t unit)
{
    return (unit & 0xfc00) == 0xd800;
}

static bool is_low(uint16_t unit)
{
    return (unit & 0xfc00) == 0xdc00;
}

/* Units without a lone surrogate; false: there was one. */
static bool read_units(struct js *js, const uint8_t *bytes, uint32_t count, bool big, uint16_t *to)
{
    bool clean = true;
    size_t next = PIECE;

    for (uint32_t i = 0; i < count; i++) {
        uint16_t unit = unit_at(bytes, i, big);
        bool pair = is_high(unit) && i + 1 < count && is_low(unit_at(bytes, i + 1, big));
        to[i] = pair || (!is_high(unit) && !is_low(unit)) ? unit : 0xfffd;
        clean = clean && to[i] == unit;
        if (pair) {
            i++;
            to[i] = unit_at(bytes, i, big);
        }
        look_around(js, i, &next);
    }
    return clean;
}

static uint64_t decode_utf16(struct js *js, uint32_t at, uint32_t len, uint32_t flags)
{
    bool big = (flags & BIG_ENDIAN_UNITS) != 0, clean;
    uint32_t units, count;

    if (len >= 2 && (flags & KEEP_BOM) == 0 && unit_at(js_at(js, at, 2), 0, big) == 0xfeff) {
        at += 2;
        len -= 2;
    }
    count = len / 2;
    units = new_units(js, count + 1);
    if (units == 0)
        return JS_EXCEPTION;
    clean = read_units(js, js_at(js, at, len), count, big, js_at(js, units, count * 2));
    if (len % 2 != 0 && (count == 0 || !is_high(unit_at(js_at(js, at, len), count - 1, big)))) {
        /* a high surrogate and half of what may have been a low one are one mistake */
        memcpy(js_at(js, units + count * 2, 2), &(uint16_t){0xfffd}, 2);
        count++;
    }
    clean = clean && len % 2 == 0;
    if (clean || (flags & FATAL) == 0)
        return string_of_units(js, units, count);
    q_free(&js->engine, units);
    return JS_NULL;
}

static uint64_t decode_windows_1252(struct js *js, uint32_t at, uint32_t len)
{
    static const uint16_t upper[32] = {0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021,
        0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c,
        0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178};
    const uint8_t *bytes;
    uint32_t units = new_units(js, len);
    uint16_t *to;
    size_t next = PIECE;

    if (units == 0)
        return JS_EXCEPTION;
    bytes = js_at(js, at, len);
    to = js_at(js, units, len * 2);
    for (uint32_t i = 0; i < len; i++) {
        to[i] = bytes[i] >= 0x80 && bytes[i] < 0xa0 ? upper[bytes[i] - 0x80] : bytes[i];
        look_around(js, i, &next);
    }
    return string_of_units(js, units, len);
}

/* ---------------------------------------------------------------- the operations */

bool web_bytes(struct js *js, uint64_t value, uint32_t *ret_at, uint32_t *ret_len)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, out;

    if (JS_TAG(value) != JS_TAG_OBJECT || (int32_t)q_JS_GetTypedArrayType(e, value) < 0)
        return false;
    out = js_frame(js, 16);
    *ret_at = q_JS_GetUint8Array(e, js->image->ctx, out, value);
    *ret_len = js_u32(js, out);
    e->sp = sp;
    if (*ret_at == 0 && q_JS_HasException(e, js->image->ctx))
        turn_free(js, q_JS_GetException(e, js->image->ctx));
    if (*ret_at == 0)
        *ret_len = 0;
    return *ret_at != 0;
}

/* (bytes, encoding, flags): a string; null: it is malformed, with FATAL; undefined: that is no Uint8Array. */
static uint64_t op_decode(struct js *js, const uint64_t *args)
{
    uint32_t at, len;
    double encoding = 0, flags = 0;

    if (!web_bytes(js, args[0], &at, &len))
        return JS_UNDEFINED;
    (void)convert_number(args[1], &encoding);
    (void)convert_number(args[2], &flags);
    if (!(flags >= 0 && flags <= 7))
        flags = 0;
    if (encoding == 1)
        return decode_utf16(js, at, len, (uint32_t)flags);
    return encoding == 2 ? decode_windows_1252(js, at, len)
                         : decode_utf8(js, at, len, (uint32_t)flags);
}

static bool is_string(uint64_t value)
{
    return JS_TAG(value) == JS_TAG_STRING || JS_TAG(value) == JS_TAG_STRING_ROPE;
}

/* The text of a string, to be freed; 0: an exception is set. */
static uint32_t text_of(struct js *js, uint64_t value, uint32_t *ret_len)
{
    uint32_t sp = js->engine.sp, out, text;

    if (!is_string(value))
        return turn_throw(js, "TypeError", "no text"), 0;
    out = js_frame(js, 16);
    text = q_JS_ToCStringLen2(&js->engine, js->image->ctx, out, value, 0);
    *ret_len = js_u32(js, out);
    js->engine.sp = sp;
    return text;
}

/* Surrogates are three bytes, of which the first is ED and the second at least A0. What has none is not written to: it may be
 * the string itself. */
static void replace_surrogates(struct js *js, uint8_t *bytes, size_t len)
{
    uint8_t *end = bytes + len, *at = bytes;
    size_t next = PIECE;

    while (at < end) {
        size_t piece = (size_t)(end - at) < PIECE ? (size_t)(end - at) : PIECE;
        uint8_t *found = memchr(at, 0xed, piece);
        at = found == NULL ? at + piece : found;
        if (found != NULL && end - at >= 3 && at[1] >= 0xa0) {
            memcpy(at, (const uint8_t[]){0xef, 0xbf, 0xbd}, 3);
            at += 3;
        } else if (found != NULL) {
            at++;
        }
        look_around(js, (size_t)(at - bytes), &next);
    }
}

bool web_text(struct js *js, uint64_t value, anqa_str *ret_text)
{
    uint32_t len = 0, text = text_of(js, value, &len);
    char *copy;

    if (text == 0)
        return false;
    if (!web_room(js, len)) {
        q_JS_FreeCString(&js->engine, js->image->ctx, text);
        return false;
    }
    copy = anqa_arena_copy(web_scratch(js), js_at(js, text, len), len);
    q_JS_FreeCString(&js->engine, js->image->ctx, text);
    replace_surrogates(js, (uint8_t *)copy, len);
    *ret_text = anqa_str_make(copy, len);
    return true;
}

/* (string): its bytes as a Uint8Array. */
static uint64_t op_encode(struct js *js, const uint64_t *args)
{
    struct engine *e = &js->engine;
    uint32_t len = 0, text = text_of(js, args[0], &len);
    uint64_t bytes;

    if (text == 0)
        return JS_EXCEPTION;
    bytes = q_JS_NewUint8ArrayCopy(e, js->image->ctx, text, len);
    q_JS_FreeCString(e, js->image->ctx, text);
    if (!turn_is_exception(bytes)) {
        uint32_t at;
        if (web_bytes(js, bytes, &at, &len))
            replace_surrogates(js, js_at(js, at, len), len);
    }
    return bytes;
}

/* (string, Uint8Array): as many characters as there is room for. An array: units read, bytes written; undefined: that is no
 * Uint8Array. */
static uint64_t op_encode_into(struct js *js, const uint64_t *args)
{
    struct engine *e = &js->engine;
    uint32_t at = 0, room = 0, len = 0, text, written = 0, units = 0;
    const uint8_t *from;
    uint8_t *to;
    size_t next = PIECE;
    uint64_t result;

    if (!web_bytes(js, args[1], &at, &room) &&
        (JS_TAG(args[1]) != JS_TAG_OBJECT || (int32_t)q_JS_GetTypedArrayType(e, args[1]) < 0))
        return JS_UNDEFINED;
    text = text_of(js, args[0], &len);
    if (text == 0)
        return JS_EXCEPTION;
    from = js_at(js, text, len);
    to = js_at(js, at, room);
    while (written < len) {
        uint8_t first = from[written];
        uint32_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        if (n > len - written || n > room - written)
            break;
        memcpy(to + written, from + written, n);
        written += n;
        units += n == 4 ? 2 : 1;
        look_around(js, written, &next);
    }
    replace_surrogates(js, to, written);
    q_JS_FreeCString(e, js->image->ctx, text);
    result = q_JS_NewArray(e, js->image->ctx);
    if (!turn_is_exception(result) && ((int32_t)q_JS_DefinePropertyValueUint32(e, js->image->ctx,
                                           result, 0, convert_double(units), 7) < 0 ||
                                          (int32_t)q_JS_DefinePropertyValueUint32(e, js->image->ctx,
                                              result, 1, convert_double(written), 7) < 0)) {
        turn_free(js, result);
        return JS_EXCEPTION;
    }
    return result;
}

const struct js_op web_encoding_ops[] = {
    {op_decode, true}, {op_encode, true}, {op_encode_into, true}, {0}};
