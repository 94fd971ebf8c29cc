/* What clone.js asks of objects, whatever their prototypes say. */
#include "js/convert.h"
#include "js/web/web.h"

enum { GPN_STRINGS = 1, GPN_ENUMERABLE = 16 };
#define INDEX_ATOM (1u << 31) /* in atoms that are indices */

/* The number of an object's class in the engine; 0: no object. clone.js compares them. */
static uint64_t op_class(struct js *js, const uint64_t *args)
{
    return convert_double(
        JS_TAG(args[0]) == JS_TAG_OBJECT ? q_JS_GetClassID(&js->engine, args[0]) : 0);
}

/* Whether the enumerable keys of an array are its indices, without a hole: what else Object.keys would say takes a string for
 * each. */
static uint64_t op_dense(struct js *js, const uint64_t *args)
{
    struct engine *e = &js->engine;
    uint32_t ctx = js->image->ctx, sp = e->sp, out = js_frame(js, 16), list, count;
    uint64_t length;
    bool dense;

    if (JS_TAG(args[0]) != JS_TAG_OBJECT || !q_JS_IsArray(e, args[0]) || q_JS_IsProxy(e, args[0]) ||
        q_JS_GetLength(e, ctx, args[0], out + 8) != 0 ||
        (int32_t)q_JS_GetOwnPropertyNames(
            e, ctx, out, out + 4, args[0], GPN_STRINGS | GPN_ENUMERABLE) < 0) {
        e->sp = sp;
        return q_JS_HasException(e, ctx) ? JS_EXCEPTION : JS_FALSE;
    }
    list = js_u32(js, out);
    count = js_u32(js, out + 4);
    length = js_u64(js, out + 8);
    e->sp = sp;
    /* indices come first, and rise */
    dense = count == length &&
            (count == 0 || js_u32(js, list + (count - 1) * 8 + 4) == (INDEX_ATOM | (count - 1)));
    q_JS_FreePropertyEnum(e, ctx, list, count);
    return dense ? JS_TRUE : JS_FALSE;
}

const struct js_op web_clone_ops[] = {{op_class, true}, {op_dense, true}, {0}};
