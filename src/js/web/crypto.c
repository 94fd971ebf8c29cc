/*
 * What crypto.js asks for: random bytes, text, and the jobs of subtle.h, in the turn or in a process of their own.
 *
 * Keys are bytes in the memory of the script's process, behind private fields (crypto.js), and come with each job. So
 * whatever keeps that memory keeps them.
 */
#include <stdio.h>

#include <anqa/memory.h>

#include "base/base64.h"
#include "js/convert.h"
#include "js/image.h"
#include "js/spawn.h"
#include "js/turn.h"
#include "js/web/subtle.h"
#include "js/web/web.h"
#include "js/work.h"

enum {
    FAILURE_MAX = 160,
    DEFAULT_MOST = 16 << 20, /* bytes of a long operation, as for values */
    UINT8_ARRAY = 2,         /* as in convert.c */
    TEXT_MAX = 4 << 20,      /* of keys as JSON, and the like */
    ANSWER_SECRET = 1 << 24  /* of the number that says what to do */
};

/* ---------------------------------------------------------------- values */

/* Bytes where they are: to be used before the engine runs again. Undefined: none. */
static bool bytes_arg(struct js *js, uint64_t value, anqa_str *ret_bytes)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, out, at, len;

    *ret_bytes = (anqa_str){NULL, 0};
    if (JS_TAG(value) == JS_TAG_UNDEFINED)
        return true;
    if (q_JS_GetTypedArrayType(e, value) != UINT8_ARRAY)
        return turn_throw(js, "TypeError", "no bytes"), false;
    out = js_frame(js, 16);
    at = q_JS_GetUint8Array(e, js->image->ctx, out, value);
    len = js_u32(js, out);
    e->sp = sp;
    if (at == 0)
        return !q_JS_HasException(e, js->image->ctx);
    *ret_bytes = anqa_str_make(js_at(js, at, len), len);
    return true;
}

static bool u32_arg(struct js *js, uint64_t value, uint32_t *ret_number)
{
    double number = 0;

    if (JS_TAG(value) != JS_TAG_UNDEFINED &&
        (!convert_number(value, &number) || !(number >= 0 && number <= UINT32_MAX)))
        return turn_throw(js, "TypeError", "no such number"), false;
    *ret_number = (uint32_t)number;
    return true;
}

/* ---------------------------------------------------------------- random bytes */

static uint64_t not_while_loading(struct js *js, const char *what)
{
    return turn_throw(js, "Error",
        "%s cannot be used in top-level code, which runs once for all processes: do that in an "
        "exported init()",
        what);
}

static uint64_t op_random(struct js *js, const uint64_t *args)
{
    anqa_str bytes;

    if (!bytes_arg(js, args[0], &bytes))
        return JS_EXCEPTION;
    if (js->loading)
        return not_while_loading(js, "crypto's random values");
    if (bytes.len > 65536)
        return turn_throw(js, "RangeError", "too many random bytes");
    image_random(js, (void *)(uintptr_t)bytes.ptr, bytes.len);
    return JS_UNDEFINED;
}

/* ---------------------------------------------------------------- jobs */

/* What a process is given; key, data, extra and more follow. */
struct long_job {
    struct subtle_job job; /* its pointers are of no use there */
    bool secret;           /* the answer goes as text, see crypto.js */
    anqa_pid asker, family;
    size_t len; /* of what follows */
};

/* A failed job as a string: "!" and the name of a DOMException, ":", words. */
static anqa_str failure(const struct subtle_job *job, char text[static FAILURE_MAX])
{
    int len = snprintf(text, FAILURE_MAX, "!%s:%s", job->error, job->why);

    return anqa_str_make(text, len < FAILURE_MAX ? (size_t)len : FAILURE_MAX - 1);
}

static uint64_t failed(struct js *js, const struct subtle_job *job)
{
    char text[FAILURE_MAX];

    return convert_string(js, failure(job, text));
}

static void run_on_worker(void *job)
{
    subtle_run(job);
}

/* "=" and hexadecimal digits: a promise of a script must not be settled with an object that holds a key. */
static void put_secret(anqa_value_writer *writer, const struct subtle_job *job)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 1 + 2 * job->len;
    char *text = anqa_arena_alloc(anqa_tmp(), len);

    text[0] = '=';
    for (size_t i = 0; i < job->len; i++) {
        text[1 + 2 * i] = digits[job->out[i] >> 4];
        text[2 + 2 * i] = digits[job->out[i] & 15];
    }
    anqa_value_put_str(writer, anqa_str_make(text, len));
    subtle_cleanse(text, len);
}

static anqa_payload answer_of(const struct subtle_job *job, bool secret)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};
    anqa_payload payload;
    char text[FAILURE_MAX];

    anqa_value_writer_init(
        &writer, anqa_tmp(), &(anqa_value_limits){.bytes = SUBTLE_BYTES_MAX + 65536});
    if (job->error != NULL)
        anqa_value_put_str(&writer, failure(job, text));
    else if (secret)
        put_secret(&writer, job);
    else
        anqa_value_put_bytes(&writer, anqa_str_make((const char *)job->out, job->len));
    if (anqa_value_done(&writer, &value) != ANQA_OK)
        return beam_answer(false, "no memory", 9);
    payload = beam_answer(true, value.ptr, value.len);
    subtle_cleanse((void *)(uintptr_t)value.ptr, value.len);
    return payload;
}

static anqa_str take(const char **at, size_t len)
{
    anqa_str bytes = anqa_str_make(*at, len);

    *at += len;
    return bytes;
}

static void forget(void *arg)
{
    struct long_job *given = arg;

    subtle_cleanse(given + 1, given->len);
    subtle_cleanse(given->job.out, given->job.size);
}

static anqa_payload run_long(void *arg)
{
    struct long_job *given = arg;
    struct subtle_job *job = &given->job;
    const char *at = (const char *)(given + 1);
    anqa_deferred mark = anqa_defer_mark();
    anqa_payload payload;
    anqa_status status;

    job->key = take(&at, job->key.len);
    job->data = take(&at, job->data.len);
    job->extra = take(&at, job->extra.len);
    job->more = take(&at, job->more.len);
    job->size = 0;
    anqa_defer(forget, given);
    job->out = anqa_heap_alloc(subtle_room(job));
    job->size = subtle_room(job);
    /* lent: should this process be killed, all of it stays until the worker is done */
    status =
        work_blocking(&js_rt_get()->gates.work, given->asker, given->family, run_on_worker, job);
    if (status != ANQA_OK) {
        job->error = "OperationError";
        job->why = anqa_status_text(status);
    }
    payload = answer_of(job, given->secret);
    anqa_defer_run_to(mark);
    return payload;
}

static uint64_t start_long(struct js *js, const struct subtle_job *job, uint32_t id, bool secret)
{
    const anqa_str pieces[] = {job->key, job->data, job->extra, job->more};
    size_t size = sizeof(struct long_job);
    struct long_job *given;
    char *at;
    uint64_t result;

    for (size_t i = 0; i < ANQA_COUNT(pieces); i++)
        size += pieces[i].len;
    given = anqa_heap_alloc(size);
    *given = (struct long_job){.job = *job,
        .secret = secret,
        .asker = anqa_self(),
        .family = spawn_root(js),
        .len = size - sizeof *given};
    at = (char *)(given + 1);
    for (size_t i = 0; i < ANQA_COUNT(pieces); i++) {
        if (pieces[i].len > 0)
            memcpy(at, pieces[i].ptr, pieces[i].len);
        at += pieces[i].len;
    }
    result = beam_start(js, "crypto", run_long, given, size, id);
    subtle_cleanse(given, size);
    anqa_heap_free(given);
    return result;
}

/* On the heap, not in memory of the event: a turn may ask for very much, one after the other. */
static uint64_t run_in_turn(struct js *js, struct subtle_job *job)
{
    uint64_t result;

    job->size = subtle_room(job);
    job->out = anqa_heap_alloc(job->size);
    anqa_section_begin();
    subtle_run(job);
    anqa_section_end();
    result = job->error == NULL ? convert_bytes(js, anqa_str_make((const char *)job->out, job->len))
                                : failed(js, job);
    subtle_cleanse(job->out, job->size);
    anqa_heap_free(job->out);
    return result;
}

/* What a run of top-level code, which all processes share, must not be given once for all. */
static bool is_random(const struct subtle_job *job)
{
    return job->kind == SUBTLE_GENERATE || job->kind == SUBTLE_OAEP_ENCRYPT ||
           (job->kind == SUBTLE_SIGN && job->family != SUBTLE_RSA && job->family != SUBTLE_ED25519);
}

/* What is given to a process is copied, so it is bounded as all that crosses. */
static bool is_too_much(const struct js *js, struct subtle_job *job)
{
    size_t most = js->script->limits.values.bytes;

    if (job->key.len + job->data.len + job->extra.len + job->more.len <=
        (most == 0 ? DEFAULT_MOST : most))
        return false;
    job->error = "OperationError";
    job->why = "more bytes than the limit for values of this script";
    return true;
}

static bool job_arg(
    struct js *js, const uint64_t *args, uint32_t *ret_flags, struct subtle_job *job)
{
    uint32_t what;

    if (!u32_arg(js, args[0], &what) || !u32_arg(js, args[1], &job->n) ||
        !u32_arg(js, args[2], &job->m) || !bytes_arg(js, args[3], &job->key) ||
        !bytes_arg(js, args[4], &job->data) || !bytes_arg(js, args[5], &job->extra) ||
        !bytes_arg(js, args[6], &job->more))
        return false;
    job->kind = what & 255;
    job->hash = what >> 8 & 255;
    job->family = what >> 16 & 255;
    *ret_flags = what;
    return true;
}

uint64_t web_run_job(struct js *js, const uint64_t *args)
{
    struct subtle_job job = {.seconds = SUBTLE_RSA_SECONDS};
    unsigned char seed[SUBTLE_SEED];
    uint32_t id, flags;
    uint64_t result;
    bool is_long;

    if (!u32_arg(js, args[0], &id) || !job_arg(js, args + 1, &flags, &job))
        return JS_EXCEPTION;
    if (!subtle_check(&job))
        return failed(js, &job);
    is_long = subtle_is_long(&job);
    if (js->loading && (is_long || is_random(&job)))
        return not_while_loading(
            js, is_long ? "long operations of crypto" : "random values of crypto");
    if (is_long && is_too_much(js, &job))
        return failed(js, &job);
    if (is_long && id == 0)
        return JS_NULL;
    if (id != 0)
        return start_long(js, &job, id, (flags & ANSWER_SECRET) != 0);
    if (job.kind == SUBTLE_GENERATE) {
        image_random(js, seed, sizeof seed);
        job.extra = anqa_str_make((const char *)seed, sizeof seed);
    }
    result = run_in_turn(js, &job);
    subtle_cleanse(seed, sizeof seed);
    return result;
}

/* ---------------------------------------------------------------- text */

static uint64_t op_text(struct js *js, const uint64_t *args)
{
    anqa_str bytes;

    if (!bytes_arg(js, args[0], &bytes))
        return JS_EXCEPTION;
    return bytes.len > TEXT_MAX ? JS_NULL : convert_string(js, bytes);
}

static bool is_string(uint64_t value)
{
    return JS_TAG(value) == JS_TAG_STRING || JS_TAG(value) == JS_TAG_STRING_ROPE;
}

/* As turn_text_begin. */
static uint32_t text_arg(struct js *js, uint64_t value, anqa_str *ret_text)
{
    if (is_string(value))
        return turn_text_begin(js, value, ret_text);
    turn_throw(js, "TypeError", "no text");
    return 0;
}

static uint64_t op_bytes(struct js *js, const uint64_t *args)
{
    anqa_str text;
    uint32_t borrowed = text_arg(js, args[0], &text);
    uint64_t result;

    if (borrowed == 0)
        return JS_EXCEPTION;
    result = convert_bytes(js, text);
    turn_text_done(js, borrowed);
    return result;
}

static uint64_t op_base64(struct js *js, const uint64_t *args)
{
    anqa_str bytes;
    char *text;
    size_t len;
    uint64_t result;

    if (!bytes_arg(js, args[0], &bytes))
        return JS_EXCEPTION;
    if (bytes.len > TEXT_MAX)
        return JS_NULL;
    text = anqa_heap_alloc(base64_encoded_len(bytes.len) + 1);
    len = base64_encode(bytes.ptr, bytes.len, BASE64_URL | BASE64_NO_PAD, text);
    result = convert_string(js, anqa_str_make(text, len));
    subtle_cleanse(text, len);
    anqa_heap_free(text);
    return result;
}

/* Null: that is none. */
static uint64_t unbase64(struct js *js, anqa_str text)
{
    char *bytes = anqa_heap_alloc(base64_decoded_len(text.len));
    size_t len = 0;
    uint64_t result = JS_NULL;

    if (base64_decode(text, BASE64_URL | BASE64_NO_PAD, bytes, &len) == ANQA_OK)
        result = convert_bytes(js, anqa_str_make(bytes, len));
    subtle_cleanse(bytes, len);
    anqa_heap_free(bytes);
    return result;
}

static uint64_t op_unbase64(struct js *js, const uint64_t *args)
{
    anqa_str text;
    uint32_t borrowed = text_arg(js, args[0], &text);
    uint64_t result;

    if (borrowed == 0)
        return JS_EXCEPTION;
    result = text.len > TEXT_MAX ? JS_NULL : unbase64(js, text);
    turn_text_done(js, borrowed);
    return result;
}

const struct js_op web_crypto_ops[] = {
    {op_random, true},
    {web_run_job, true},
    {op_text, true},
    {op_bytes, true},
    {op_base64, true},
    {op_unbase64, true},
    {0},
};
