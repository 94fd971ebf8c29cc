/* URLs for scripts: the parser's parts as offsets, and forms of queries. */
#include <anqa/memory.h>

#include "js/convert.h"
#include "js/preempt.h"
#include "js/turn.h"
#include "js/web/url_parse.h"
#include "js/web/web.h"

enum { PARTS = 12, FORM_MAX = 16 << 20 /* bytes of a query */ };

/* ---------------------------------------------------------------- URLs */

struct normalizing {
    struct js *js;
    uint64_t fn;
};

/* The engine's String.prototype.normalize, which url.js gives as a function. */
static bool normalize(void *ctx, anqa_str text, anqa_str *ret_text)
{
    const struct normalizing *n = ctx;
    struct js *js = n->js;
    uint64_t result = turn_call(js, n->fn, (uint64_t[]){convert_string(js, text)}, 1);
    bool ok = !turn_is_exception(result) && web_text(js, result, ret_text);

    turn_free(js, result);
    if (!ok)
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
    return ok;
}

/* The text of a URL, with where its parts begin in `places`, a Uint8Array of PARTS numbers of 32 bits. */
static uint64_t give_parts(struct js *js, const struct url_parts *parts, uint64_t places)
{
    uint32_t numbers[PARTS] = {parts->scheme_end, parts->user, parts->user_end, parts->password,
        parts->password_end, parts->host, parts->host_end, parts->port, parts->path, parts->query,
        parts->fragment, (parts->opaque ? 1u : 0) | (parts->has_host ? 2u : 0)};
    uint32_t at, len;

    if (!web_bytes(js, places, &at, &len) || len != sizeof numbers)
        return turn_throw(js, "TypeError", "no place for the parts of a URL");
    memcpy(js_at(js, at, len), numbers, sizeof numbers);
    return convert_string(js, parts->href);
}

static struct url_env env_of(struct normalizing *n)
{
    return (struct url_env){.arena = web_scratch(n->js), .normalize = normalize, .ctx = n};
}

/* (text, base or undefined, normalize, places): its text, or null. */
static uint64_t op_parse(struct js *js, const uint64_t *args)
{
    struct normalizing n = {js, args[2]};
    struct url_env env = env_of(&n);
    anqa_str text, base;
    struct url_parts parts;
    bool has_base = JS_TAG(args[1]) != JS_TAG_UNDEFINED;

    if (!web_text(js, args[0], &text) || (has_base && !web_text(js, args[1], &base)))
        return JS_EXCEPTION;
    if (!url_parse(&env, text, has_base ? &base : NULL, &parts))
        return JS_NULL;
    preempt_point(js);
    return give_parts(js, &parts, args[3]);
}

/* (text of a URL, which, value, normalize, places): likewise. */
static uint64_t op_set(struct js *js, const uint64_t *args)
{
    struct normalizing n = {js, args[3]};
    struct url_env env = env_of(&n);
    anqa_str href, value;
    struct url_parts parts;
    double which = -1;

    if (!web_text(js, args[0], &href) || !web_text(js, args[2], &value))
        return JS_EXCEPTION;
    if (!convert_number(args[1], &which) || !(which >= 0 && which < URL_SETTER_COUNT) ||
        !url_set(&env, href, (enum url_setter)which, value, &parts))
        return JS_NULL;
    preempt_point(js);
    return give_parts(js, &parts, args[4]);
}

/* ---------------------------------------------------------------- application/x-www-form-urlencoded */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint64_t decoded(struct js *js, const char *at, size_t len)
{
    char *to = anqa_arena_alloc(web_scratch(js), len + 1);
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        bool encoded = at[i] == '%' && i + 2 < len;
        int high = encoded ? hex_value(at[i + 1]) : -1, low = encoded ? hex_value(at[i + 2]) : -1;
        if (high < 0 || low < 0) {
            to[out++] = (char)(at[i] == '+' ? ' ' : at[i]);
            continue;
        }
        to[out++] = (char)(high * 16 + low);
        i += 2;
    }
    return convert_string(js, web_well_formed(js, anqa_str_make(to, out)));
}

/* Takes `value` over. */
static bool append(struct js *js, uint64_t list, uint32_t *count, uint64_t value)
{
    return !turn_is_exception(value) && (int32_t)q_JS_DefinePropertyValueUint32(&js->engine,
                                            js->image->ctx, list, (*count)++, value, 7) >= 0;
}

static uint64_t too_long(struct js *js)
{
    return turn_throw(js, "RangeError", "a query of more than %d bytes", FORM_MAX);
}

/* (text): an array of names and values by turns. */
static uint64_t op_form_decode(struct js *js, const uint64_t *args)
{
    anqa_str text;
    uint64_t list;
    uint32_t count = 0;
    bool ok = true;

    if (!web_text(js, args[0], &text))
        return JS_EXCEPTION;
    if (text.len > FORM_MAX)
        return too_long(js);
    list = q_JS_NewArray(&js->engine, js->image->ctx);
    ok = !turn_is_exception(list);
    for (size_t at = 0; ok && at < text.len;) {
        const char *start = text.ptr + at, *end = memchr(start, '&', text.len - at);
        size_t len = end == NULL ? text.len - at : (size_t)(end - start);
        const char *equals = memchr(start, '=', len);
        size_t name = equals == NULL ? len : (size_t)(equals - start);
        if (len > 0)
            ok = append(js, list, &count, decoded(js, start, name)) &&
                 append(js, list, &count,
                     decoded(js, start + name + 1, name < len ? len - name - 1 : 0));
        at += len + 1;
        preempt_point(js);
    }
    if (ok)
        return list;
    turn_free(js, list);
    return JS_EXCEPTION;
}

static bool stays(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*' ||
           c == '-' || c == '.' || c == '_' || c == ' ';
}

static size_t encoded_len(anqa_str text)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++)
        len += stays((uint8_t)text.ptr[i]) ? 1 : 3;
    return len;
}

static void encode(char *to, anqa_str text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (stays(c)) {
            *to++ = (char)(c == ' ' ? '+' : c);
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
}

struct form {
    char *at; /* NULL: it is only measured */
    size_t len, size;
};

/* before: NUL for none. False: an exception is set. */
static bool form_put(struct js *js, struct form *form, char before, anqa_str text)
{
    size_t more = before != '\0', len = more + encoded_len(text);

    if (len > FORM_MAX - form->len)
        return (void)too_long(js), false;
    if (form->at != NULL && len > form->size - form->len)
        return (void)turn_throw(js, "TypeError", "a list that changes while it is read"), false;
    if (form->at != NULL && more > 0)
        form->at[form->len] = before;
    if (form->at != NULL)
        encode(form->at + form->len + more, text);
    form->len += len;
    return true;
}

/* All elements; the copy of each ends with it. */
static bool form_put_all(struct js *js, struct form *form, uint64_t list, uint64_t length)
{
    bool ok = true;

    form->len = 0;
    for (uint64_t i = 0; ok && i < length; i++) {
        uint64_t element = q_JS_GetPropertyInt64(&js->engine, js->image->ctx, list, i);
        anqa_str text;
        turn_memory_begin(js);
        ok = !turn_is_exception(element) && web_text(js, element, &text) &&
             form_put(js, form, (char)(i == 0 ? '\0' : "&="[i % 2]), text);
        turn_memory_end(js);
        turn_free(js, element);
        preempt_point(js);
    }
    return ok;
}

/* (array of names and values by turns): a text. */
static uint64_t op_form_encode(struct js *js, const uint64_t *args)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, out;
    struct form form = {0};
    uint64_t length;

    if (JS_TAG(args[0]) != JS_TAG_OBJECT)
        return turn_throw(js, "TypeError", "no list");
    out = js_frame(js, 16);
    if (q_JS_GetLength(e, js->image->ctx, args[0], out) != 0) {
        e->sp = sp;
        return JS_EXCEPTION;
    }
    length = js_u64(js, out);
    e->sp = sp;
    if (!form_put_all(js, &form, args[0], length) || !web_room(js, form.len))
        return JS_EXCEPTION;
    form.size = form.len;
    form.at = anqa_arena_alloc(web_scratch(js), form.size + 1);
    if (!form_put_all(js, &form, args[0], length))
        return JS_EXCEPTION;
    return convert_string(js, anqa_str_make(form.at, form.len));
}

const struct js_op web_url_ops[] = {
    {op_parse, true}, {op_set, true}, {op_form_decode, true}, {op_form_encode, true}, {0}};
