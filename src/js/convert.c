#include "js/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <anqa/memory.h>

#include "js/turn.h"

enum {
    GPN_STRINGS = 1,
    GPN_ENUMERABLE = 16,
    PROPERTY_WRITABLE_ENUMERABLE = 7, /* configurable too */
    DESCRIPTOR = 32,                  /* bytes: flags, value, getter, setter */
    DIGITS_MAX = 1 << 20,             /* of a big integer */
    UINT8_ARRAY = 2 /* of typed arrays, the clamped one and signed bytes come first */
};

#define SAFE_INTEGER 9007199254740991.0

/* ---------------------------------------------------------------- numbers */

/* Doubles begin behind the tags: what is added keeps a NaN of the processor's own out of their range. */
#define DOUBLE_SHIFT ((uint64_t)(0x7ff80000 - JS_TAG_FIRST + 1) << 32)

static bool is_double(uint64_t value)
{
    return (uint32_t)(JS_TAG(value) - JS_TAG_FIRST) >= (uint32_t)(JS_TAG_FLOAT64 - JS_TAG_FIRST);
}

bool convert_number(uint64_t value, double *ret_number)
{
    uint64_t bits = value + DOUBLE_SHIFT;

    if (JS_TAG(value) == JS_TAG_INT) {
        *ret_number = (double)(int32_t)value;
        return true;
    }
    if (!is_double(value))
        return false;
    memcpy(ret_number, &bits, sizeof bits);
    return true;
}

uint64_t convert_double(double d)
{
    uint64_t bits;

    if (d != d)
        return 0x7ff8000000000000 - DOUBLE_SHIFT;
    if (d >= INT32_MIN && d <= INT32_MAX && d == (double)(int32_t)d && !(d == 0 && signbit(d)))
        return JS_MAKE(JS_TAG_INT, (int32_t)d);
    memcpy(&bits, &d, sizeof bits);
    return bits - DOUBLE_SHIFT;
}

static void put_number(anqa_value_writer *writer, double d)
{
    if (d >= -SAFE_INTEGER && d <= SAFE_INTEGER && d == (double)(int64_t)d &&
        !(d == 0 && signbit(d)))
        anqa_value_put_int(writer, (int64_t)d);
    else
        anqa_value_put_double(writer, d);
}

/* ---------------------------------------------------------------- pids and references */

/* An own property under a key that scripts cannot name: nothing of theirs runs. */
static bool private_number(struct js *js, uint64_t object, uint32_t atom, uint64_t *ret_number)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, at = js_frame(js, DESCRIPTOR + 16);
    bool found = (int32_t)q_JS_GetOwnProperty(e, js->image->ctx, at, object, atom) > 0;

    if (found) {
        uint64_t number = js_u64(js, at + 8);
        found = q_JS_ToBigInt64(e, js->image->ctx, at + DESCRIPTOR, number) == 0;
        *ret_number = js_u64(js, at + DESCRIPTOR);
        turn_free(js, number);
    }
    e->sp = sp;
    return found;
}

/* What an object of ours stands for. If it was made before the process came here as a snapshot, that is nobody. */
static bool private_bits(struct js *js, uint64_t value, uint32_t atom, uint64_t *ret_bits)
{
    uint64_t epoch = 0;

    if (JS_TAG(value) != JS_TAG_OBJECT || q_JS_IsProxy(&js->engine, value) ||
        !private_number(js, value, atom, ret_bits))
        return false;
    if (js->epoch != 0) {
        (void)private_number(js, value, js->image->epoch_atom, &epoch);
        if (epoch != js->epoch)
            *ret_bits = 0;
    }
    return true;
}

bool convert_pid(struct js *js, uint64_t value, anqa_pid *ret_pid)
{
    return private_bits(js, value, js->image->pid_atom, &ret_pid->bits);
}

bool convert_ref(struct js *js, uint64_t value, anqa_ref *ret_ref)
{
    return private_bits(js, value, js->image->ref_atom, &ret_ref->bits);
}

static bool define_private(struct js *js, uint64_t object, uint32_t atom, uint64_t number)
{
    return (int32_t)q_JS_DefinePropertyValue(&js->engine, js->image->ctx, object, atom,
               q_JS_NewBigInt64(&js->engine, js->image->ctx, number), 0) >= 0;
}

static uint64_t handle_in(struct js *js, enum boot_part prototype, uint32_t atom, uint64_t bits)
{
    uint64_t object = q_JS_NewObjectProto(&js->engine, js->image->ctx, js->image->parts[prototype]);

    if (turn_is_exception(object))
        return object;
    if (!define_private(js, object, atom, bits) ||
        (js->epoch != 0 && !define_private(js, object, js->image->epoch_atom, js->epoch))) {
        turn_free(js, object);
        return JS_EXCEPTION;
    }
    return object;
}

uint64_t convert_pid_in(struct js *js, anqa_pid pid)
{
    return handle_in(js, BOOT_PID_PROTOTYPE, js->image->pid_atom, pid.bits);
}

uint64_t convert_ref_in(struct js *js, anqa_ref ref)
{
    return handle_in(js, BOOT_REF_PROTOTYPE, js->image->ref_atom, ref.bits);
}

/* ---------------------------------------------------------------- out */

static bool refuse(struct js *js, const char *what)
{
    turn_throw(js, "TypeError", "%s cannot be sent", what);
    return false;
}

static bool put_string(struct js *js, uint64_t value, anqa_value_writer *writer)
{
    anqa_str text;
    uint32_t at = turn_text_begin(js, value, &text);

    if (at == 0) {
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
        turn_throw(js, "RangeError", "a string is too long to be sent");
        return false;
    }
    anqa_value_put_str(writer, text);
    turn_text_done(js, at);
    return true;
}

/* -1: it is none. */
static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool put_bigint(struct js *js, uint64_t value, anqa_value_writer *writer)
{
    uint64_t hex = turn_call(js, js->image->parts[BOOT_BIG_TO_HEX],
        (uint64_t[]){q_JS_DupValue(&js->engine, js->image->ctx, value)}, 1);
    anqa_str text;
    bool negative, ok;
    char *bytes;

    if (turn_is_exception(hex))
        return false;
    ok = turn_text_in(js, hex, writer->arena, &text);
    turn_free(js, hex);
    if (!ok || text.len == 0 || text.len > DIGITS_MAX) {
        turn_throw(js, "RangeError", "a BigInt is too large to be sent");
        return false;
    }
    negative = text.ptr[0] == '-';
    if (negative) {
        text.ptr++;
        text.len--;
    }
    bytes = anqa_arena_calloc(writer->arena, text.len / 2 + 1, 1);
    ok = text.len > 0;
    for (size_t i = 0; i < text.len && ok; i++) {
        int digit = hex_digit(text.ptr[text.len - 1 - i]);

        ok = digit >= 0;
        if (ok)
            bytes[i / 2] = (char)((uint8_t)bytes[i / 2] | digit << (i % 2 * 4));
    }
    if (!ok) {
        turn_throw(js, "TypeError", "a BigInt without digits cannot be sent");
        return false;
    }
    anqa_value_put_bigint(writer, negative, anqa_str_make(bytes, text.len / 2 + text.len % 2));
    return true;
}

static bool put_any(struct js *js, uint64_t value, anqa_value_writer *writer, unsigned depth);

static bool put_array(struct js *js, uint64_t value, anqa_value_writer *writer, unsigned depth)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, out = js_frame(js, 16);
    bool ok = q_JS_GetLength(e, js->image->ctx, value, out) == 0;
    uint64_t length = js_u64(js, out);

    e->sp = sp;
    if (!ok)
        return false;
    anqa_value_array_begin(writer);
    for (uint64_t i = 0; i < length && ok && writer->status == ANQA_OK; i++) {
        uint64_t element = q_JS_GetPropertyInt64(e, js->image->ctx, value, i);
        ok = !turn_is_exception(element) && put_any(js, element, writer, depth + 1);
        turn_free(js, element);
    }
    anqa_value_end(writer);
    return ok;
}

static bool put_key(struct js *js, uint32_t atom, anqa_value_writer *writer)
{
    uint64_t name = q_JS_AtomToValue(&js->engine, js->image->ctx, atom);
    anqa_str text;
    uint32_t at = turn_text_begin(js, name, &text);

    turn_free(js, name);
    if (at == 0) {
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
        return refuse(js, "a key");
    }
    anqa_value_key(writer, text);
    turn_text_done(js, at);
    return true;
}

static bool put_object(struct js *js, uint64_t value, anqa_value_writer *writer, unsigned depth)
{
    struct engine *e = &js->engine;
    uint32_t ctx = js->image->ctx, sp = e->sp, out = js_frame(js, 16), list, count;
    bool ok = (int32_t)q_JS_GetOwnPropertyNames(
                  e, ctx, out, out + 4, value, GPN_STRINGS | GPN_ENUMERABLE) >= 0;

    list = js_u32(js, out);
    count = js_u32(js, out + 4);
    e->sp = sp;
    if (!ok)
        return false;
    anqa_value_map_begin(writer);
    for (uint32_t i = 0; i < count && ok && writer->status == ANQA_OK; i++) {
        uint32_t atom = js_u32(js, list + i * 8 + 4);
        uint64_t field = q_JS_GetProperty(e, ctx, value, atom);
        ok = !turn_is_exception(field) && put_key(js, atom, writer) &&
             put_any(js, field, writer, depth + 1);
        turn_free(js, field);
    }
    anqa_value_end(writer);
    q_JS_FreePropertyEnum(e, ctx, list, count);
    return ok;
}

static bool put_date(struct js *js, uint64_t value, anqa_value_writer *writer)
{
    uint32_t sp = js->engine.sp, out = js_frame(js, 16);
    bool ok = q_JS_ToFloat64(&js->engine, js->image->ctx, out, value) == 0;
    uint64_t bits = js_u64(js, out);
    double ms;

    js->engine.sp = sp;
    memcpy(&ms, &bits, sizeof ms);
    if (ok)
        anqa_value_put_date(writer, ms);
    return ok;
}

/* Bytes as they are now. */
static bool put_buffer(struct js *js, uint64_t value, anqa_value_writer *writer, bool whole)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, out = js_frame(js, 16);
    uint32_t at = whole ? q_JS_GetArrayBuffer(e, js->image->ctx, out, value)
                        : q_JS_GetUint8Array(e, js->image->ctx, out, value);
    uint32_t len = js_u32(js, out);

    e->sp = sp;
    if (at == 0 && q_JS_HasException(e, js->image->ctx))
        return false;
    anqa_value_put_bytes(
        writer, anqa_str_make(js_at(js, at, at == 0 ? 0 : len), at == 0 ? 0 : len));
    return true;
}

static bool put_error(struct js *js, uint64_t value, anqa_value_writer *writer)
{
    anqa_js_error error = turn_error_of(js, value);

    anqa_value_map_begin(writer);
    anqa_value_key(writer, anqa_str_of("name"));
    anqa_value_put_str(writer, error.name);
    anqa_value_key(writer, anqa_str_of("message"));
    anqa_value_put_str(writer, error.message);
    anqa_value_key(writer, anqa_str_of("stack"));
    anqa_value_put_str(writer, error.stack);
    anqa_value_end(writer);
    return true;
}

static bool put_special(struct js *js, uint64_t value, anqa_value_writer *writer, unsigned depth)
{
    struct engine *e = &js->engine;
    uint32_t type;
    uint64_t bits;

    if (private_bits(js, value, js->image->pid_atom, &bits)) {
        anqa_value_put_pid(writer, bits);
        return true;
    }
    if (private_bits(js, value, js->image->ref_atom, &bits)) {
        anqa_value_put_ref(writer, bits);
        return true;
    }
    if (q_JS_IsDate(e, value))
        return put_date(js, value, writer);
    if (q_JS_IsArrayBuffer(e, value))
        return put_buffer(js, value, writer, true);
    type = q_JS_GetTypedArrayType(e, value);
    if (type == UINT8_ARRAY)
        return put_buffer(js, value, writer, false);
    if ((int32_t)type >= 0)
        return refuse(js, "a typed array other than Uint8Array");
    if (q_JS_IsError(e, value))
        return put_error(js, value, writer);
    if (q_JS_IsFunction(e, js->image->ctx, value))
        return refuse(js, "a function");
    if (q_JS_IsPromise(e, value))
        return refuse(js, "a promise");
    if (q_JS_IsMap(e, value) || q_JS_IsSet(e, value))
        return refuse(js, "a Map or Set");
    return put_object(js, value, writer, depth);
}

static bool put_any(struct js *js, uint64_t value, anqa_value_writer *writer, unsigned depth)
{
    double number;

    if (writer->status != ANQA_OK)
        return true; /* it says so at the end */
    switch (JS_TAG(value)) {
    case JS_TAG_UNDEFINED: anqa_value_put_undefined(writer); return true;
    case JS_TAG_NULL: anqa_value_put_null(writer); return true;
    case JS_TAG_BOOL: anqa_value_put_bool(writer, (uint32_t)value != 0); return true;
    case JS_TAG_INT: anqa_value_put_int(writer, (int32_t)value); return true;
    case JS_TAG_STRING:
    case JS_TAG_STRING_ROPE: return put_string(js, value, writer);
    case JS_TAG_BIG_INT:
    case JS_TAG_SHORT_BIG_INT: return put_bigint(js, value, writer);
    case JS_TAG_OBJECT:
        if (depth > writer->limits.depth) { /* before it is looked into */
            writer->status = ANQA_E_LIMIT;
            return true;
        }
        return q_JS_IsArray(&js->engine, value) ? put_array(js, value, writer, depth)
                                                : put_special(js, value, writer, depth);
    case JS_TAG_SYMBOL: return refuse(js, "a symbol");
    default:
        if (!convert_number(value, &number))
            return refuse(js, "something internal");
        put_number(writer, number);
        return true;
    }
}

bool convert_out(struct js *js, uint64_t value, anqa_value_writer *writer)
{
    if (!put_any(js, value, writer, 0))
        return false;
    switch (writer->status) {
    case ANQA_OK: return true;
    case ANQA_E_LIMIT:
        turn_throw(js, "RangeError", "a value has more than %zu bytes, %u values or %u levels",
            writer->limits.bytes, writer->limits.nodes, writer->limits.depth);
        return false;
    case ANQA_E_PARSE:
        turn_throw(js, "TypeError", "a string with half of a surrogate pair cannot be sent");
        return false;
    default:
        turn_throw(
            js, "InternalError", "a value cannot be sent: %s", anqa_status_text(writer->status));
        return false;
    }
}

bool convert_out_whole(struct js *js, uint64_t value, anqa_value *ret_value)
{
    anqa_value_writer writer;

    anqa_value_writer_init(&writer, anqa_tmp(), &js->script->limits.values);
    return convert_out(js, value, &writer) && anqa_value_done(&writer, ret_value) == ANQA_OK;
}

bool convert_out_json(struct js *js, uint64_t value, anqa_json *ret_json)
{
    uint64_t text =
        q_JS_JSONStringify(&js->engine, js->image->ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    anqa_str json = {"null", 4}; /* of undefined and functions */
    bool ok = true;

    if (turn_is_exception(text))
        return false;
    if (JS_TAG(text) != JS_TAG_UNDEFINED)
        ok = turn_text(js, text, &json);
    turn_free(js, text);
    if (!ok)
        turn_throw(js, "RangeError", "the JSON text of an answer is too long");
    *ret_json = anqa_json_of(json);
    return ok;
}

/* ---------------------------------------------------------------- in */

static uint64_t out_of_memory(struct js *js)
{
    return q_JS_ThrowOutOfMemory(&js->engine, js->image->ctx);
}

/* Short ones from the C stack of the window: no allocation but the string's own. */
uint64_t convert_string(struct js *js, anqa_str text)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, at;
    uint64_t value;

    if (text.len <= 1024) {
        at = js_frame(js, (uint32_t)text.len + 1);
        if (text.len > 0)
            memcpy(js_at(js, at, (uint32_t)text.len), text.ptr, text.len);
        value = q_JS_NewStringLen(e, js->image->ctx, at, (uint32_t)text.len);
        e->sp = sp;
        return value;
    }
    at = turn_put(js, text.ptr, text.len);
    if (at == 0)
        return out_of_memory(js);
    value = q_JS_NewStringLen(e, js->image->ctx, at, (uint32_t)text.len);
    q_free(e, at);
    return value;
}

uint64_t convert_in_json(struct js *js, anqa_json json)
{
    struct engine *e = &js->engine;
    uint32_t at = turn_put(js, json.ptr, json.len), name, sp = e->sp;
    uint64_t value;

    if (at == 0)
        return out_of_memory(js);
    name = js_frame(js, 16);
    memcpy(js_at(js, name, 5), "json", 5);
    value = q_JS_ParseJSON(e, js->image->ctx, at, (uint32_t)json.len, name);
    e->sp = sp;
    q_free(e, at);
    return value;
}

uint64_t convert_bytes(struct js *js, anqa_str bytes)
{
    uint32_t at = turn_put(js, bytes.ptr, bytes.len);
    uint64_t value;

    if (at == 0)
        return out_of_memory(js);
    value = q_JS_NewUint8ArrayCopy(&js->engine, js->image->ctx, at, (uint32_t)bytes.len);
    q_free(&js->engine, at);
    return value;
}

static uint64_t bigint_in(struct js *js, anqa_value value)
{
    static const char digits[] = "0123456789abcdef";
    anqa_str magnitude = {NULL, 0};
    bool negative = false;
    char *hex;
    size_t len = 0;

    (void)anqa_value_get_bigint(value, &negative, &magnitude);
    hex = anqa_arena_alloc(anqa_tmp(), magnitude.len * 2 + 3);
    if (negative)
        hex[len++] = '-';
    if (magnitude.len == 0)
        hex[len++] = '0';
    for (size_t i = magnitude.len; i-- > 0;) {
        hex[len++] = digits[(uint8_t)magnitude.ptr[i] >> 4];
        hex[len++] = digits[magnitude.ptr[i] & 15];
    }
    return turn_call(js, js->image->parts[BOOT_HEX_TO_BIG],
        (uint64_t[]){convert_string(js, anqa_str_make(hex, len))}, 1);
}

static uint64_t int_in(struct js *js, int64_t n)
{
    if (n >= -(int64_t)SAFE_INTEGER && n <= (int64_t)SAFE_INTEGER)
        return convert_double((double)n);
    return q_JS_NewBigInt64(&js->engine, js->image->ctx, (uint64_t)n);
}

static uint64_t array_in(struct js *js, anqa_value value)
{
    struct engine *e = &js->engine;
    anqa_value_each each = anqa_value_begin(value);
    uint64_t array = q_JS_NewArray(e, js->image->ctx);
    anqa_value element;

    for (uint32_t i = 0; !turn_is_exception(array) && anqa_value_next(&each, NULL, &element); i++) {
        uint64_t in = convert_in(js, element);
        if (turn_is_exception(in) || (int32_t)q_JS_DefinePropertyValueUint32(e, js->image->ctx,
                                         array, i, in, PROPERTY_WRITABLE_ENUMERABLE) < 0) {
            turn_free(js, array);
            return JS_EXCEPTION;
        }
    }
    return array;
}

static bool define(struct js *js, uint64_t object, anqa_str key, uint64_t value)
{
    struct engine *e = &js->engine;
    uint64_t name = turn_is_exception(value) ? JS_EXCEPTION : convert_string(js, key);
    uint32_t atom = turn_is_exception(name) ? 0 : q_JS_ValueToAtom(e, js->image->ctx, name);
    bool ok;

    turn_free(js, name);
    if (atom == 0) {
        turn_free(js, value);
        return false;
    }
    ok = (int32_t)q_JS_DefinePropertyValue(
             e, js->image->ctx, object, atom, value, PROPERTY_WRITABLE_ENUMERABLE) >= 0;
    q_JS_FreeAtom(e, js->image->ctx, atom);
    return ok;
}

static uint64_t map_in(struct js *js, anqa_value value)
{
    anqa_value_each each = anqa_value_begin(value);
    uint64_t object = q_JS_NewObject(&js->engine, js->image->ctx);
    anqa_value field;
    anqa_str key;

    while (!turn_is_exception(object) && anqa_value_next(&each, &key, &field))
        if (!define(js, object, key, convert_in(js, field))) {
            turn_free(js, object);
            return JS_EXCEPTION;
        }
    return object;
}

uint64_t convert_in(struct js *js, anqa_value value)
{
    struct engine *e = &js->engine;
    bool b = false;
    int64_t n = 0;
    double d = 0;
    uint64_t bits = 0;

    switch (anqa_value_kind_of(value)) {
    case ANQA_VALUE_UNDEFINED: return JS_UNDEFINED;
    case ANQA_VALUE_NULL: return JS_NULL;
    case ANQA_VALUE_BOOL: (void)anqa_value_get_bool(value, &b); return b ? JS_TRUE : JS_FALSE;
    case ANQA_VALUE_INT: (void)anqa_value_get_int(value, &n); return int_in(js, n);
    case ANQA_VALUE_DOUBLE: (void)anqa_value_get_double(value, &d); return convert_double(d);
    case ANQA_VALUE_BIGINT: return bigint_in(js, value);
    case ANQA_VALUE_STRING: return convert_string(js, anqa_value_str(value));
    case ANQA_VALUE_BYTES: return convert_bytes(js, anqa_value_str(value));
    case ANQA_VALUE_ARRAY: return array_in(js, value);
    case ANQA_VALUE_MAP: return map_in(js, value);
    case ANQA_VALUE_DATE:
        (void)anqa_value_get_date(value, &d);
        return q_JS_NewDate(e, js->image->ctx, d);
    case ANQA_VALUE_PID:
        (void)anqa_value_get_bits(value, &bits);
        return convert_pid_in(js, (anqa_pid){bits});
    case ANQA_VALUE_REF:
        (void)anqa_value_get_bits(value, &bits);
        return convert_ref_in(js, (anqa_ref){bits});
    }
    return JS_UNDEFINED;
}
