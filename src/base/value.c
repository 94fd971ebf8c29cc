/*
 * Values. The encoding: a byte for the kind, then
 *
 *     undefined, null, false, true   nothing
 *     int                            zigzag, seven bits a byte, least first
 *     double, date                   8 bytes
 *     bigint                         sign (1: negative), length, magnitude
 *     string, bytes                  length (as an int is written, unsigned), bytes
 *     array, map                     4 bytes: length of what follows; 4 bytes: count; elements, or keys (as strings
 *                                    without their kind) each before its value
 *     pid, ref                       8 bytes
 *
 * Fixed sizes are little-endian. The length of a container lets readers skip it.
 */
#include <anqa/value.h>

#include <endian.h>

#include "base/utf8.h"

/* enum: encoded; never renumbered */
enum {
    TAG_UNDEFINED,
    TAG_NULL,
    TAG_FALSE,
    TAG_TRUE,
    TAG_INT,
    TAG_DOUBLE,
    TAG_BIGINT,
    TAG_STRING,
    TAG_BYTES,
    TAG_ARRAY,
    TAG_MAP,
    TAG_DATE,
    TAG_PID,
    TAG_REF,
    TAG_COUNT
};

enum { HEAD = 9, DEFAULT_NODES = 1000000, VARINT_MAX = 10 };
#define DEFAULT_BYTES ((size_t)16 << 20)
#define TWO_63 9223372036854775808.0

static anqa_value_limits limits_of(const anqa_value_limits *given)
{
    anqa_value_limits limits = given == NULL ? (anqa_value_limits){0} : *given;

    if (limits.bytes == 0)
        limits.bytes = DEFAULT_BYTES;
    if (limits.bytes > UINT32_MAX)
        limits.bytes = UINT32_MAX;
    if (limits.depth == 0 || limits.depth > ANQA_VALUE_DEPTH_MAX)
        limits.depth = ANQA_VALUE_DEPTH_MAX;
    if (limits.nodes == 0)
        limits.nodes = DEFAULT_NODES;
    return limits;
}

/* ---------------------------------------------------------------- numbers */

static uint32_t read32(const char *at)
{
    uint32_t n;

    memcpy(&n, at, sizeof n);
    return le32toh(n);
}

static uint64_t read64(const char *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof n);
    return le64toh(n);
}

static double read_double(const char *at)
{
    uint64_t bits = read64(at);
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}

/* The place behind, NULL: malformed. Only the shortest form is one. */
static const char *read_varint(const char *at, const char *end, uint64_t *ret)
{
    uint64_t n = 0;

    for (unsigned shift = 0; shift < 64 && at < end; shift += 7) {
        uint64_t byte = (uint8_t)*at++;
        if (shift == 63 && byte > 1)
            return NULL;
        n |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (byte == 0 && shift > 0)
                return NULL;
            *ret = n;
            return at;
        }
    }
    return NULL;
}

static const char *read_run(const char *at, const char *end, anqa_str *ret)
{
    uint64_t len;

    at = read_varint(at, end, &len);
    if (at == NULL || len > (size_t)(end - at))
        return NULL;
    *ret = anqa_str_make(at, (size_t)len);
    return at + len;
}

/* ---------------------------------------------------------------- checking */

struct check {
    anqa_value_limits limits;
    uint32_t nodes;
    anqa_status status; /* why it stopped, when that is no E_PARSE */
};

static const char *check_any(struct check *c, const char *at, const char *end, uint32_t depth);

static const char *check_elements(
    struct check *c, const char *at, const char *end, bool map, uint32_t count, uint32_t depth)
{
    anqa_str key;

    for (uint32_t i = 0; i < count && at != NULL; i++) {
        if (map) {
            at = read_run(at, end, &key);
            if (at == NULL || !utf8_valid(key.ptr, key.len))
                return NULL;
        }
        at = check_any(c, at, end, depth);
    }
    return at == end ? at : NULL;
}

static const char *check_container(
    struct check *c, const char *at, const char *end, bool map, uint32_t depth)
{
    uint32_t len, count;

    if (depth == c->limits.depth) {
        c->status = ANQA_E_LIMIT;
        return NULL;
    }
    if (end - at < HEAD - 1)
        return NULL;
    len = read32(at);
    count = read32(at + 4);
    at += HEAD - 1;
    if (len > (size_t)(end - at))
        return NULL;
    return check_elements(c, at, at + len, map, count, depth + 1);
}

static const char *check_bigint(const char *at, const char *end)
{
    const char *sign = at;
    anqa_str magnitude;

    if (at == end || (uint8_t)*at > 1)
        return NULL;
    at = read_run(at + 1, end, &magnitude);
    /* the shortest form only, and there is no negative zero */
    if (at == NULL || (magnitude.len == 0 ? *sign == 1 : magnitude.ptr[magnitude.len - 1] == 0))
        return NULL;
    return at;
}

static const char *check_any(struct check *c, const char *at, const char *end, uint32_t depth)
{
    uint64_t number;
    anqa_str run;

    if (at >= end)
        return NULL;
    if (++c->nodes > c->limits.nodes) {
        c->status = ANQA_E_LIMIT;
        return NULL;
    }
    switch ((uint8_t)*at++) {
    case TAG_UNDEFINED:
    case TAG_NULL:
    case TAG_FALSE:
    case TAG_TRUE: return at;
    case TAG_INT: return read_varint(at, end, &number);
    case TAG_DOUBLE:
    case TAG_DATE:
    case TAG_PID:
    case TAG_REF: return end - at < 8 ? NULL : at + 8;
    case TAG_BIGINT: return check_bigint(at, end);
    case TAG_STRING:
        at = read_run(at, end, &run);
        return at != NULL && utf8_valid(run.ptr, run.len) ? at : NULL;
    case TAG_BYTES: return read_run(at, end, &run);
    case TAG_ARRAY: return check_container(c, at, end, false, depth);
    case TAG_MAP: return check_container(c, at, end, true, depth);
    default: return NULL;
    }
}

anqa_status anqa_value_check(
    const void *bytes, size_t len, const anqa_value_limits *limits, anqa_value *ret_value)
{
    struct check c = {.limits = limits_of(limits), .status = ANQA_E_PARSE};
    const char *at = bytes;

    if (len > c.limits.bytes)
        return ANQA_E_LIMIT;
    if (len == 0 || check_any(&c, at, at + len, 0) != at + len)
        return c.status;
    *ret_value = (anqa_value){at, len};
    return ANQA_OK;
}

/* ---------------------------------------------------------------- reading */

static uint8_t tag_of(anqa_value value)
{
    return value.len == 0 ? TAG_UNDEFINED : (uint8_t)value.ptr[0];
}

anqa_value_kind anqa_value_kind_of(anqa_value value)
{
    static const uint8_t kinds[TAG_COUNT] = {
        [TAG_UNDEFINED] = ANQA_VALUE_UNDEFINED,
        [TAG_NULL] = ANQA_VALUE_NULL,
        [TAG_FALSE] = ANQA_VALUE_BOOL,
        [TAG_TRUE] = ANQA_VALUE_BOOL,
        [TAG_INT] = ANQA_VALUE_INT,
        [TAG_DOUBLE] = ANQA_VALUE_DOUBLE,
        [TAG_BIGINT] = ANQA_VALUE_BIGINT,
        [TAG_STRING] = ANQA_VALUE_STRING,
        [TAG_BYTES] = ANQA_VALUE_BYTES,
        [TAG_ARRAY] = ANQA_VALUE_ARRAY,
        [TAG_MAP] = ANQA_VALUE_MAP,
        [TAG_DATE] = ANQA_VALUE_DATE,
        [TAG_PID] = ANQA_VALUE_PID,
        [TAG_REF] = ANQA_VALUE_REF,
    };

    return kinds[tag_of(value)];
}

const char *anqa_value_kind_name(anqa_value_kind kind)
{
    static const char *const names[] = {"undefined", "null", "boolean", "int", "double", "bigint",
        "string", "bytes", "array", "map", "date", "pid", "ref"};

    return kind < ANQA_COUNT(names) ? names[kind] : "unknown";
}

anqa_status anqa_value_get_bool(anqa_value value, bool *ret_bool)
{
    uint8_t tag = tag_of(value);

    if (tag != TAG_TRUE && tag != TAG_FALSE)
        return ANQA_E_TYPE;
    *ret_bool = tag == TAG_TRUE;
    return ANQA_OK;
}

static int64_t unzigzag(uint64_t n)
{
    return (int64_t)(n >> 1 ^ (0 - (n & 1)));
}

static int64_t int_of(anqa_value value)
{
    uint64_t n = 0;

    (void)read_varint(value.ptr + 1, value.ptr + value.len, &n);
    return unzigzag(n);
}

anqa_status anqa_value_get_int(anqa_value value, int64_t *ret_int)
{
    double d;

    switch (tag_of(value)) {
    case TAG_INT: *ret_int = int_of(value); return ANQA_OK;
    case TAG_DOUBLE:
        d = read_double(value.ptr + 1);
        if (!(d >= -TWO_63 && d < TWO_63) || (double)(int64_t)d != d)
            return ANQA_E_RANGE;
        *ret_int = (int64_t)d;
        return ANQA_OK;
    default: return ANQA_E_TYPE;
    }
}

anqa_status anqa_value_get_double(anqa_value value, double *ret_double)
{
    switch (tag_of(value)) {
    case TAG_INT: *ret_double = (double)int_of(value); return ANQA_OK;
    case TAG_DOUBLE: *ret_double = read_double(value.ptr + 1); return ANQA_OK;
    default: return ANQA_E_TYPE;
    }
}

anqa_status anqa_value_get_str(anqa_value value, anqa_str *ret_str)
{
    uint8_t tag = tag_of(value);

    if (tag != TAG_STRING && tag != TAG_BYTES)
        return ANQA_E_TYPE;
    (void)read_run(value.ptr + 1, value.ptr + value.len, ret_str);
    return ANQA_OK;
}

anqa_status anqa_value_get_date(anqa_value value, double *ret_ms)
{
    if (tag_of(value) != TAG_DATE)
        return ANQA_E_TYPE;
    *ret_ms = read_double(value.ptr + 1);
    return ANQA_OK;
}

anqa_status anqa_value_get_bits(anqa_value value, uint64_t *ret_bits)
{
    if (tag_of(value) != TAG_PID && tag_of(value) != TAG_REF)
        return ANQA_E_TYPE;
    *ret_bits = read64(value.ptr + 1);
    return ANQA_OK;
}

anqa_status anqa_value_get_bigint(anqa_value value, bool *ret_negative, anqa_str *ret_magnitude)
{
    if (tag_of(value) != TAG_BIGINT)
        return ANQA_E_TYPE;
    *ret_negative = value.ptr[1] == 1;
    (void)read_run(value.ptr + 2, value.ptr + value.len, ret_magnitude);
    return ANQA_OK;
}

int64_t anqa_value_int(anqa_value value, int64_t otherwise)
{
    int64_t n;

    return anqa_value_get_int(value, &n) == ANQA_OK ? n : otherwise;
}

anqa_str anqa_value_str(anqa_value value)
{
    anqa_str s;

    return anqa_value_get_str(value, &s) == ANQA_OK ? s : (anqa_str){NULL, 0};
}

static bool is_container(anqa_value value)
{
    return tag_of(value) == TAG_ARRAY || tag_of(value) == TAG_MAP;
}

size_t anqa_value_count(anqa_value value)
{
    return is_container(value) ? read32(value.ptr + 5) : 0;
}

/* Bytes of the checked value at `at`. */
static size_t size_of(const char *at, const char *end)
{
    anqa_str run;
    uint64_t n;

    switch ((uint8_t)*at) {
    case TAG_INT: return (size_t)(read_varint(at + 1, end, &n) - at);
    case TAG_DOUBLE:
    case TAG_DATE:
    case TAG_PID:
    case TAG_REF: return 9;
    case TAG_BIGINT: return (size_t)(read_run(at + 2, end, &run) - at);
    case TAG_STRING:
    case TAG_BYTES: return (size_t)(read_run(at + 1, end, &run) - at);
    case TAG_ARRAY:
    case TAG_MAP: return HEAD + (size_t)read32(at + 1);
    default: return 1;
    }
}

anqa_value_each anqa_value_begin(anqa_value container)
{
    if (!is_container(container))
        return (anqa_value_each){NULL, NULL, false};
    return (anqa_value_each){
        container.ptr + HEAD, container.ptr + container.len, tag_of(container) == TAG_MAP};
}

bool anqa_value_next(anqa_value_each *each, anqa_str *ret_key, anqa_value *ret_value)
{
    anqa_str key = {NULL, 0};

    if (each->at_ == each->end_)
        return false;
    if (each->map_) {
        each->at_ = read_run(each->at_, each->end_, &key);
        if (ret_key != NULL)
            *ret_key = key;
    }
    *ret_value = (anqa_value){each->at_, size_of(each->at_, each->end_)};
    each->at_ += ret_value->len;
    return true;
}

anqa_value anqa_value_at(anqa_value array, size_t index)
{
    anqa_value_each each = anqa_value_begin(array);
    anqa_value value;

    while (!each.map_ && anqa_value_next(&each, NULL, &value))
        if (index-- == 0)
            return value;
    return (anqa_value){NULL, 0};
}

anqa_value anqa_value_get(anqa_value map, const char *key)
{
    anqa_value_each each = anqa_value_begin(map);
    anqa_value value, found = {NULL, 0};
    anqa_str name = {NULL, 0};

    while (each.map_ && anqa_value_next(&each, &name, &value))
        if (anqa_str_eq(name, anqa_str_of(key)))
            found = value;
    return found;
}

/* ---------------------------------------------------------------- writing */

void anqa_value_writer_init(
    anqa_value_writer *writer, anqa_arena *arena, const anqa_value_limits *limits)
{
    writer->arena = arena;
    writer->limits = limits_of(limits);
    writer->status = ANQA_OK;
    writer->bytes = NULL;
    writer->len = writer->capacity = 0;
    writer->depth = writer->nodes = 0;
}

static void fail(anqa_value_writer *w, anqa_status status)
{
    if (w->status == ANQA_OK)
        w->status = status;
}

/* Room for `more` bytes; NULL: there is none, and the writer has failed. */
static char *room(anqa_value_writer *w, size_t more)
{
    size_t capacity = w->capacity == 0 ? 112 : w->capacity;
    char *bytes;

    if (w->status != ANQA_OK)
        return NULL;
    if (more > w->limits.bytes || w->len > w->limits.bytes - more) {
        fail(w, ANQA_E_LIMIT);
        return NULL;
    }
    if (w->capacity - w->len >= more)
        return w->bytes + w->len;
    while (capacity - w->len < more)
        capacity *= 2;
    bytes = anqa_arena_alloc(w->arena, capacity);
    if (bytes == NULL) {
        fail(w, ANQA_E_NOMEM);
        return NULL;
    }
    if (w->len > 0)
        memcpy(bytes, w->bytes, w->len);
    w->bytes = bytes;
    w->capacity = capacity;
    return bytes + w->len;
}

/* Before each value: is there a place for one? */
static bool begin_value(anqa_value_writer *w)
{
    if (w->status != ANQA_OK)
        return false;
    if (++w->nodes > w->limits.nodes) {
        fail(w, ANQA_E_LIMIT);
        return false;
    }
    if (w->depth == 0) {
        if (w->len > 0)
            fail(w, ANQA_E_CONTEXT);
        return w->len == 0;
    }
    if (w->open[w->depth - 1].map && !w->open[w->depth - 1].has_key) {
        fail(w, ANQA_E_CONTEXT);
        return false;
    }
    w->open[w->depth - 1].has_key = false;
    w->open[w->depth - 1].count++;
    return true;
}

static char *write_varint(char *at, uint64_t n)
{
    while (n >= 0x80) {
        *at++ = (char)(n | 0x80);
        n >>= 7;
    }
    *at++ = (char)n;
    return at;
}

static void put_tag(anqa_value_writer *w, char tag)
{
    char *at = begin_value(w) ? room(w, 1) : NULL;

    if (at == NULL)
        return;
    *at = tag;
    w->len++;
}

static void put_64(anqa_value_writer *w, char tag, uint64_t bits)
{
    char *at = begin_value(w) ? room(w, 9) : NULL;

    if (at == NULL)
        return;
    *at = tag;
    bits = htole64(bits);
    memcpy(at + 1, &bits, sizeof bits);
    w->len += 9;
}

/* `head`: bytes that go before the length. */
static void put_run(anqa_value_writer *w, const char *head, size_t head_len, anqa_str run)
{
    char *at = room(w, head_len + VARINT_MAX), *end;

    if (at == NULL)
        return;
    memcpy(at, head, head_len);
    end = write_varint(at + head_len, run.len);
    w->len += (size_t)(end - at);
    at = room(w, run.len);
    if (at == NULL)
        return;
    if (run.len > 0)
        memcpy(at, run.ptr, run.len);
    w->len += run.len;
}

void anqa_value_put_undefined(anqa_value_writer *writer)
{
    put_tag(writer, TAG_UNDEFINED);
}

void anqa_value_put_null(anqa_value_writer *writer)
{
    put_tag(writer, TAG_NULL);
}

void anqa_value_put_bool(anqa_value_writer *writer, bool value)
{
    put_tag(writer, value ? TAG_TRUE : TAG_FALSE);
}

void anqa_value_put_int(anqa_value_writer *writer, int64_t value)
{
    char *at = begin_value(writer) ? room(writer, 1 + VARINT_MAX) : NULL;

    if (at == NULL)
        return;
    *at = TAG_INT;
    writer->len +=
        (size_t)(write_varint(at + 1, (uint64_t)value << 1 ^ (uint64_t)(value >> 63)) - at);
}

static uint64_t bits_of(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return bits;
}

void anqa_value_put_double(anqa_value_writer *writer, double value)
{
    put_64(writer, TAG_DOUBLE, bits_of(value));
}

void anqa_value_put_date(anqa_value_writer *writer, double ms)
{
    put_64(writer, TAG_DATE, bits_of(ms));
}

void anqa_value_put_pid(anqa_value_writer *writer, uint64_t bits)
{
    put_64(writer, TAG_PID, bits);
}

void anqa_value_put_ref(anqa_value_writer *writer, uint64_t bits)
{
    put_64(writer, TAG_REF, bits);
}

void anqa_value_put_bigint(anqa_value_writer *writer, bool negative, anqa_str magnitude)
{
    char head[2] = {TAG_BIGINT, negative ? 1 : 0};

    while (magnitude.len > 0 && magnitude.ptr[magnitude.len - 1] == 0)
        magnitude.len--;
    if (magnitude.len == 0)
        head[1] = 0;
    if (begin_value(writer))
        put_run(writer, head, sizeof head, magnitude);
}

void anqa_value_put_str(anqa_value_writer *writer, anqa_str text)
{
    char head = TAG_STRING;

    if (!utf8_valid(text.ptr, text.len))
        fail(writer, ANQA_E_PARSE);
    if (begin_value(writer))
        put_run(writer, &head, 1, text);
}

void anqa_value_put_bytes(anqa_value_writer *writer, anqa_str bytes)
{
    char head = TAG_BYTES;

    if (begin_value(writer))
        put_run(writer, &head, 1, bytes);
}

void anqa_value_put(anqa_value_writer *writer, anqa_value value)
{
    char *at;

    if (value.len == 0) {
        anqa_value_put_undefined(writer);
        return;
    }
    at = begin_value(writer) ? room(writer, value.len) : NULL;
    if (at == NULL)
        return;
    memcpy(at, value.ptr, value.len);
    writer->len += value.len;
}

static void container_begin(anqa_value_writer *w, char tag)
{
    char *at;

    if (w->status == ANQA_OK && w->depth == w->limits.depth)
        fail(w, ANQA_E_LIMIT);
    at = begin_value(w) ? room(w, HEAD) : NULL;
    if (at == NULL)
        return;
    *at = tag;
    w->open[w->depth].at = (uint32_t)w->len;
    w->open[w->depth].count = 0;
    w->open[w->depth].map = tag == TAG_MAP;
    w->open[w->depth].has_key = false;
    w->depth++;
    w->len += HEAD;
}

void anqa_value_array_begin(anqa_value_writer *writer)
{
    container_begin(writer, TAG_ARRAY);
}

void anqa_value_map_begin(anqa_value_writer *writer)
{
    container_begin(writer, TAG_MAP);
}

void anqa_value_key(anqa_value_writer *writer, anqa_str key)
{
    if (writer->status != ANQA_OK)
        return;
    if (!utf8_valid(key.ptr, key.len)) {
        fail(writer, ANQA_E_PARSE);
        return;
    }
    if (writer->depth == 0 || !writer->open[writer->depth - 1].map ||
        writer->open[writer->depth - 1].has_key) {
        fail(writer, ANQA_E_CONTEXT);
        return;
    }
    put_run(writer, "", 0, key);
    writer->open[writer->depth - 1].has_key = true;
}

void anqa_value_end(anqa_value_writer *writer)
{
    uint32_t head, len, count;

    if (writer->status != ANQA_OK)
        return;
    if (writer->depth == 0 || writer->open[writer->depth - 1].has_key) {
        fail(writer, ANQA_E_CONTEXT);
        return;
    }
    writer->depth--;
    head = writer->open[writer->depth].at;
    len = htole32((uint32_t)(writer->len - head - HEAD));
    count = htole32(writer->open[writer->depth].count);
    memcpy(writer->bytes + head + 1, &len, sizeof len);
    memcpy(writer->bytes + head + 5, &count, sizeof count);
}

anqa_status anqa_value_done(anqa_value_writer *writer, anqa_value *ret_value)
{
    if (writer->status == ANQA_OK && (writer->depth > 0 || writer->len == 0))
        fail(writer, ANQA_E_CONTEXT);
    if (writer->status != ANQA_OK)
        return writer->status;
    *ret_value = (anqa_value){writer->bytes, writer->len};
    return ANQA_OK;
}
