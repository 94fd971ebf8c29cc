#include "js/beam_tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <anqa/introspect.h>
#include <anqa/memory.h>

#include "js/convert.h"
#include "js/preempt.h"
#include "js/spawn.h"
#include "js/turn.h"
#include "js/web/web.h"
#include "runtime/sched.h"

#define RANGE_MOST ((uint64_t)1 << 32)
#define UUID_COUNTER ((uint64_t)1 << 12) /* numbers within a millisecond */

/* ---------------------------------------------------------------- numbers that are there once */

uint64_t tools_unique(struct js *js, const uint64_t *args)
{
    /* references are unique; their highest bit is always set */
    return q_JS_NewBigInt64(
        &js->engine, js->image->ctx, anqa_make_ref().bits & ~((uint64_t)1 << 63));
}

uint64_t tools_make_ref(struct js *js, const uint64_t *args)
{
    return convert_ref_in(js, anqa_make_ref());
}

uint64_t tools_nanoseconds(struct js *js, const uint64_t *args)
{
    struct timespec now;
    uint64_t ns;

    clock_gettime(CLOCK_MONOTONIC, &now);
    ns = sched_self->deterministic
             ? anqa_now_ms() * 1000000u
             : (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec / 1000 * 1000;
    return q_JS_NewBigInt64(&js->engine, js->image->ctx, ns);
}

static uint64_t wall_ms(void)
{
    struct timespec now;

    if (sched_self->deterministic)
        return anqa_now_ms();
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* RFC 9562, 5.7 and 6.2 method 1: rand_a counts within a millisecond, from a random number below its half; when it is used
 * up, or the clock goes back, the time of the last one goes on. */
uint64_t tools_uuid(struct js *js, const uint64_t *args)
{
    uint64_t now = wall_ms() * UUID_COUNTER, random[2], a, b;
    char text[40];

    image_random(js, random, sizeof random);
    if (js->last_uuid / UUID_COUNTER < now / UUID_COUNTER)
        js->last_uuid = now + random[0] % (UUID_COUNTER / 2);
    else
        js->last_uuid++;
    a = (js->last_uuid / UUID_COUNTER) << 16 | 0x7000 | js->last_uuid % UUID_COUNTER;
    b = (random[1] & ((uint64_t)-1 >> 2)) | (uint64_t)2 << 62;
    snprintf(text, sizeof text,
        "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, a >> 32,
        a >> 16 & 0xffff, a & 0xffff, b >> 48, b & 0xffffffffffff);
    return convert_string(js, anqa_str_of(text));
}

/* ---------------------------------------------------------------- hashes */

static uint64_t mix(uint64_t hash, uint64_t x)
{
    hash = (hash ^ x) * 0xff51afd7ed558ccd;
    hash = (hash ^ hash >> 32) * 0xc4ceb9fe1a85ec53;
    return hash ^ hash >> 29;
}

static uint64_t hash_bytes(uint64_t hash, anqa_str bytes)
{
    uint64_t word;

    hash = mix(hash, bytes.len);
    for (size_t at = 0; at < bytes.len; at += sizeof word) {
        size_t len = bytes.len - at < sizeof word ? bytes.len - at : sizeof word;
        word = 0;
        memcpy(&word, bytes.ptr + at, len);
        hash = mix(hash, word);
    }
    return hash;
}

static uint64_t hash_value(uint64_t hash, anqa_value value);

/* In whatever order they are. */
static uint64_t hash_map(uint64_t hash, anqa_value value)
{
    anqa_value_each each = anqa_value_begin(value);
    uint64_t sum = 0;
    anqa_value member;
    anqa_str key;

    while (anqa_value_next(&each, &key, &member))
        sum += hash_value(hash_bytes(0, key), member);
    return mix(hash, sum);
}

static uint64_t hash_array(uint64_t hash, anqa_value value)
{
    anqa_value_each each = anqa_value_begin(value);
    anqa_value element;

    while (anqa_value_next(&each, NULL, &element))
        hash = hash_value(hash, element);
    return hash;
}

static uint64_t hash_double(uint64_t hash, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    return mix(hash, number == number ? bits : 0);
}

static uint64_t hash_bigint(uint64_t hash, anqa_value value)
{
    anqa_str magnitude = {NULL, 0};
    bool negative = false;

    (void)anqa_value_get_bigint(value, &negative, &magnitude);
    while (magnitude.len > 0 && magnitude.ptr[magnitude.len - 1] == 0)
        magnitude.len--;
    return hash_bytes(mix(hash, negative), magnitude);
}

/* The value was written by us, so it nests no deeper than ANQA_VALUE_DEPTH_MAX. */
static uint64_t hash_value(uint64_t hash, anqa_value value)
{
    anqa_value_kind kind = anqa_value_kind_of(value);
    double number = 0;
    uint64_t bits = 0;
    bool b = false;

    hash = mix(hash, (uint64_t)kind + 1);
    switch (kind) {
    case ANQA_VALUE_UNDEFINED:
    case ANQA_VALUE_NULL: return hash;
    case ANQA_VALUE_BOOL: (void)anqa_value_get_bool(value, &b); return mix(hash, b);
    case ANQA_VALUE_INT: return mix(hash, (uint64_t)anqa_value_int(value, 0));
    case ANQA_VALUE_DOUBLE:
        (void)anqa_value_get_double(value, &number);
        return hash_double(hash, number);
    case ANQA_VALUE_BIGINT: return hash_bigint(hash, value);
    case ANQA_VALUE_STRING:
    case ANQA_VALUE_BYTES: return hash_bytes(hash, anqa_value_str(value));
    case ANQA_VALUE_ARRAY: return mix(hash_array(hash, value), anqa_value_count(value));
    case ANQA_VALUE_MAP: return hash_map(hash, value);
    case ANQA_VALUE_DATE:
        (void)anqa_value_get_date(value, &number);
        return hash_double(hash, number);
    case ANQA_VALUE_PID:
    case ANQA_VALUE_REF: (void)anqa_value_get_bits(value, &bits); return mix(hash, bits);
    }
    return hash;
}

uint64_t tools_hash(struct js *js, const uint64_t *args)
{
    double range = 0;
    anqa_value_writer writer;
    anqa_value value;

    if (!convert_number(args[1], &range) || !(range >= 1 && range <= (double)RANGE_MOST) ||
        range != (double)(uint64_t)range)
        return turn_throw(js, "RangeError", "the range of a hash is a whole number from 1 to 2^32");
    anqa_value_writer_init(&writer, web_scratch(js), &js->script->limits.values);
    if (!convert_out(js, args[0], &writer))
        return JS_EXCEPTION;
    if (anqa_value_done(&writer, &value) != ANQA_OK)
        return turn_throw(js, "RangeError", "the value is larger than values may be");
    return convert_double((double)(hash_value(0, value) % (uint64_t)range));
}

/* ---------------------------------------------------------------- texts */

static const char *entity(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#x27;";
    default: return NULL;
    }
}

uint64_t tools_escape(struct js *js, const uint64_t *args)
{
    anqa_str text;
    size_t len = 0;
    char *out;

    if (!beam_text(js, args[0], &text))
        return JS_EXCEPTION;
    for (size_t i = 0; i < text.len; i++)
        len += entity(text.ptr[i]) == NULL ? 1 : strlen(entity(text.ptr[i]));
    if (len >= js->memory_limit)
        return turn_throw(js, "RangeError", "the text is longer than the memory of this process");
    if (!web_room(js, len))
        return JS_EXCEPTION;
    out = anqa_arena_alloc(web_scratch(js), len + 1);
    len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *escaped = entity(text.ptr[i]);
        size_t size = escaped == NULL ? 1 : strlen(escaped);
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): it has a length */
        memcpy(out + len, escaped == NULL ? &text.ptr[i] : escaped, size);
        len += size;
    }
    return convert_string(js, anqa_str_make(out, len));
}

/* ---------------------------------------------------------------- promises */

/* Its state, as the engine counts them (-1: it is no promise); or what it has become. */
uint64_t tools_peek(struct js *js, const uint64_t *args)
{
    struct engine *e = &js->engine;
    bool is = JS_TAG(args[0]) == JS_TAG_OBJECT && q_JS_IsPromise(e, args[0]);
    int state = is ? (int)q_JS_PromiseState(e, js->image->ctx, args[0]) : -1;

    if (args[1] == JS_TRUE)
        return state > 0 ? q_JS_PromiseResult(e, js->image->ctx, args[0]) : JS_UNDEFINED;
    return convert_double(state);
}

/* ---------------------------------------------------------------- this process, and its runtime */

static void put_number(anqa_value_writer *writer, const char *key, uint64_t number)
{
    anqa_value_key(writer, anqa_str_of(key));
    anqa_value_put_int(writer, (int64_t)number);
}

static uint64_t written(struct js *js, anqa_value_writer *writer)
{
    anqa_value value;

    anqa_value_end(writer);
    if (anqa_value_done(writer, &value) != ANQA_OK)
        return turn_throw(js, "Error", "no memory");
    return convert_in(js, value);
}

uint64_t tools_process_info(struct js *js, const uint64_t *args)
{
    anqa_value_writer writer;

    anqa_value_writer_init(&writer, web_scratch(js), NULL);
    anqa_value_map_begin(&writer);
    anqa_value_key(&writer, anqa_str_of("pid"));
    anqa_value_put_pid(&writer, anqa_self().bits);
    put_number(&writer, "memory", js->engine.memory.size);
    put_number(&writer, "memoryLimit", js->memory_limit);
    put_number(&writer, "turns", js->face.turns);
    put_number(&writer, "preemptions", js->face.preemptions);
    put_number(&writer, "timeMs", js->face.ticks / TICKS_PER_MS);
    put_number(&writer, "messageQueue", anqa_mailbox_length());
    put_number(&writer, "pendingCalls", js->task_count);
    put_number(&writer, "waitingCalls", beam_waiting(js));
    put_number(&writer, "names", js->name_count);
    put_number(&writer, "children", spawn_children(js));
    return written(js, &writer);
}

uint64_t tools_system_info(struct js *js, const uint64_t *args)
{
    anqa_value_writer writer;
    anqa_system_info *info = anqa_arena_alloc(web_scratch(js), sizeof *info); /* large */

    anqa_system_info_get(info);
    anqa_value_writer_init(&writer, web_scratch(js), NULL);
    anqa_value_map_begin(&writer);
    put_number(&writer, "schedulers", info->scheduler_count);
    put_number(&writer, "processes", info->processes);
    put_number(&writer, "uptimeMs", info->uptime_ns / 1000000);
    anqa_value_key(&writer, anqa_str_of("version"));
    anqa_value_put_str(&writer, anqa_str_of(anqa_version()));
    return written(js, &writer);
}
