#include "js/web/web.h"

#include <assert.h>

#include "base/buf_meter.h"
#include "js/convert.h"
#include "js/turn.h"
#include "js/web/modules.h"

/* ---------------------------------------------------------------- the modules */

#define WEB_MODULE_X(name, flag, needs, ops) \
    extern const char js_web_##name[], js_web_##name##_end[];
WEB_MODULE_MAP(WEB_MODULE_X)
#undef WEB_MODULE_X

extern const struct js_op web_clone_ops[], web_events_ops[], web_encoding_ops[], web_url_ops[],
    web_compression_ops[], web_net_ops[], web_crypto_ops[], web_worker_ops[];

static const struct {
    const char *name, *start, *end;
    uint32_t flag, needs;
    const struct js_op *ops; /* NULL, or up to one without a function */
} modules[] = {
#define WEB_MODULE_X(name, flag, needs, ops) \
    {#name, js_web_##name, js_web_##name##_end, flag, needs, ops},
    WEB_MODULE_MAP(WEB_MODULE_X)
#undef WEB_MODULE_X
};

/* NOLINTBEGIN(bugprone-macro-parentheses): terms of a sum */
#define WEB_ADDED(name, flag, needs, ops) +(uint64_t)(flag)
#define WEB_UNITED(name, flag, needs, ops) | (uint64_t)(flag)
static_assert((0 WEB_MODULE_MAP(WEB_ADDED)) == (0 WEB_MODULE_MAP(WEB_UNITED)),
    "two modules have the same flag");
/* NOLINTEND(bugprone-macro-parentheses) */

uint32_t web_closure(uint32_t apis)
{
    uint32_t all = 0;

    /* Those that are needed come before those that need them. */
    for (size_t i = ANQA_COUNT(modules); i > 0; i--)
        if (((apis | all) & modules[i - 1].flag) != 0)
            all |= modules[i - 1].flag | modules[i - 1].needs;
    return all;
}

static bool load(struct js *js, size_t i)
{
    struct engine *e = &js->engine;
    uint32_t ctx = js->image->ctx;
    uint64_t module =
        turn_eval(js, anqa_str_make(modules[i].start, (size_t)(modules[i].end - modules[i].start)),
            anqa_tmp_printf("anqa:%s", modules[i].name), 0);
    uint32_t name = turn_put(js, "default", 7);
    uint64_t install, result;

    if (turn_is_exception(module))
        return q_free(e, name), false;
    if (name == 0)
        return turn_free(js, module), (void)q_JS_ThrowOutOfMemory(e, ctx), false;
    install = q_JS_GetPropertyStr(e, ctx, module, name);
    q_free(e, name);
    turn_free(js, module);
    /* turn_call takes arguments over, and the object is needed again */
    result = turn_call(js, install,
        (uint64_t[]){q_JS_DupValue(e, ctx, js->image->parts[BOOT_WEB]),
            convert_double((double)((i + 1) * WEB_OP_SPAN))},
        2);
    turn_free(js, install);
    if (turn_is_exception(result))
        return false;
    turn_free(js, result);
    return true;
}

bool web_load(struct js *js)
{
    uint32_t apis = js->image->apis;
    size_t i = 0;

    while (i < ANQA_COUNT(modules) && ((apis & modules[i].flag) == 0 || load(js, i)))
        i++;
    return i == ANQA_COUNT(modules);
}

const struct js_op *web_op(const struct js *js, uint32_t number)
{
    uint32_t module = number / WEB_OP_SPAN - 1, row = number % WEB_OP_SPAN;
    const struct js_op *op;

    if (module >= ANQA_COUNT(modules) || (js->image->apis & modules[module].flag) == 0)
        return NULL;
    op = modules[module].ops;
    for (uint32_t i = 0; op != NULL && op->run != NULL && i < row; i++)
        op++;
    return op == NULL || op->run == NULL ? NULL : op;
}

/* ---------------------------------------------------------------- memory of operations */

/* All that operations take which have called each other, to the memory of the script: a text, what it is made into, and pieces
 * outgrown on the way. */
#define SCRATCH_TIMES 8u
#define VALUES_TIMES 4u
#define BLOCK_HEAD 64u                    /* what a piece may cost beside its bytes */
#define VALUES_DEFAULT ((size_t)16 << 20) /* as in anqa/value.h */

static void no_scratch(anqa_arena *arena, size_t wanted)
{
    anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT,
        "JavaScript: an operation has no memory for %zu bytes more", wanted));
}

anqa_arena *web_scratch(struct js *js)
{
    size_t values = js->script->limits.values.bytes,
           most = (size_t)js->memory_limit * SCRATCH_TIMES +
                  (values == 0 ? VALUES_DEFAULT : values) * VALUES_TIMES;

    js->scratch.limit = most > js->set_aside ? most - js->set_aside : 1;
    js->scratch.on_fail = no_scratch;
    return &js->scratch;
}

bool web_room(struct js *js, size_t len)
{
    const anqa_arena *scratch = web_scratch(js);

    if (scratch->held < scratch->limit && scratch->limit - scratch->held > BLOCK_HEAD &&
        len < scratch->limit - scratch->held - BLOCK_HEAD)
        return true;
    turn_throw(js, "RangeError", "more memory than this operation may use");
    return false;
}

/* ---------------------------------------------------------------- what processes tell */

enum { TOLD_COST = 128 }; /* of a message, beside its bytes */

static const char told_tag[] = "$js.told";

anqa_status web_tell(struct buf_meter *meter, anqa_pid script, uint32_t id, anqa_value value)
{
    anqa_buf bytes;
    char *at;
    anqa_status status = buf_new_metered(meter, sizeof id + value.len, TOLD_COST, &bytes, &at);

    if (status != ANQA_OK)
        return status;
    memcpy(at, &id, sizeof id);
    if (value.len > 0)
        memcpy(at + sizeof id, value.ptr, value.len);
    status = anqa_send(script, told_tag, anqa_shared(bytes));
    anqa_buf_unref(bytes);
    return status;
}

anqa_status web_post(struct js *js, anqa_pid script, uint32_t id, anqa_value value)
{
    return beam_post(js, script, told_tag, anqa_str_make((const char *)&id, sizeof id), value);
}

static bool is_told(const anqa_msg *msg, void *arg)
{
    return msg->tag == told_tag;
}

void web_reset(struct js *js)
{
    const anqa_msg *msg;

#if defined ANQA_ZLIB
    web_drop_codecs(js);
#endif
    while ((msg = anqa_receive_if(is_told, NULL, 0)) != NULL)
        anqa_msg_free(msg);
}

bool web_told(const anqa_msg *msg, uint32_t *ret_id, anqa_value *ret_value)
{
    /* who tells has bounds of its own */
    static const anqa_value_limits any = {.bytes = SIZE_MAX, .nodes = UINT32_MAX};

    /* by address: nobody but web_tell sends it */
    if (msg->tag != told_tag || msg->body.len < sizeof *ret_id)
        return false;
    memcpy(ret_id, msg->body.ptr, sizeof *ret_id);
    return anqa_value_check(msg->body.ptr + sizeof *ret_id, msg->body.len - sizeof *ret_id, &any,
               ret_value) == ANQA_OK;
}
