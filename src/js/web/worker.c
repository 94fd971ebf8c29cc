/* Workers: children that begin with the platform alone, and are told their source. See worker.js. */
#include <anqa/memory.h>

#include "js/convert.h"
#include "js/spawn.h"
#include "js/turn.h"
#include "js/web/web.h"

enum { TO_WORKER = 0, KIND_ERROR = 2 }; /* in worker.js */

/* Starts one that tells the function which web.source() knows as that number. */
static uint64_t op_start(struct js *js, const uint64_t *args)
{
    static const anqa_str no_text = {"", 0};
    double told = 0;
    anqa_pid pid;
    anqa_error err;

    if (!convert_number(args[0], &told) || told < 0 || told > UINT32_MAX)
        return turn_throw(js, "TypeError", "no number");
    if (spawn_child(js, SPAWN_WORKER, no_text, (anqa_value){NULL, 0}, (uint32_t)told, &pid, &err) !=
        ANQA_OK)
        return turn_throw(js, "Error", "%s", err.text);
    return convert_pid_in(js, pid);
}

/* One that has ended is no child any more: what it is told is lost, as with every process. */
static uint64_t op_tell(struct js *js, const uint64_t *args)
{
    anqa_value value;
    anqa_pid pid;

    if (!convert_pid(js, args[0], &pid))
        return turn_throw(js, "TypeError", "not a pid");
    if (!beam_parcel(js, args[1], &value))
        return JS_EXCEPTION;
    return spawn_is_child(js, pid) ? beam_posted(js, web_post(js, pid, TO_WORKER, value))
                                   : JS_UNDEFINED;
}

static uint64_t op_tell_parent(struct js *js, const uint64_t *args)
{
    anqa_value value;

    if (js->self == NULL || !js->self->worker)
        return turn_throw(js, "TypeError", "this process is no worker");
    if (!beam_parcel(js, args[0], &value))
        return JS_EXCEPTION;
    return beam_posted(js, web_post(js, js->self->parent, js->self->told, value));
}

void web_worker_failed(struct js *js, const anqa_js_error *error)
{
    anqa_str text = anqa_str_of(anqa_tmp_printf("%.*s%s%.*s", ANQA_FMT(error->name),
        error->name.len > 0 ? ": " : "", ANQA_FMT(error->message)));
    anqa_value_writer writer;
    anqa_value value;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_int(&writer, KIND_ERROR);
    anqa_value_put_str(&writer, text);
    anqa_value_end(&writer);
    if (anqa_value_done(&writer, &value) == ANQA_OK) /* or the text is not UTF-8 */
        if (web_post(js, js->self->parent, js->self->told, value) != ANQA_OK)
            return; /* the log has it */
}

static uint64_t op_end(struct js *js, const uint64_t *args)
{
    anqa_pid pid;

    if (!convert_pid(js, args[0], &pid))
        return turn_throw(js, "TypeError", "not a pid");
    spawn_kill_child(js, pid);
    return JS_UNDEFINED;
}

const struct js_op web_worker_ops[] = {
    {op_start, false}, {op_tell, false}, {op_tell_parent, false}, {op_end, false}, {0}};
