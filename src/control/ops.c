/* What the control socket offers. Each runs in a process of its own and is free to wait. */
#include "control/ops.h"

#include <unistd.h>

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/tls.h>

/* ---------------------------------------------------------------- the program */

static anqa_status op_ping(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    const anqa_control *control = request->control;

    *ret_answer = anqa_jsonf("{'name': %s, 'version': %s, 'anqa': %s, 'pid': %ld}", control->name,
        control->version, anqa_version(), (long)getpid());
    return ANQA_OK;
}

static anqa_status op_stop(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    if (request->control->stop == NULL)
        return anqa_fail(err, ANQA_E_UNSUPPORTED, "this program cannot be stopped from here");
    request->control->stop();
    return ANQA_OK;
}

static anqa_status op_restart(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    if (request->control->restart == NULL)
        return anqa_fail(err, ANQA_E_UNSUPPORTED, "this program cannot be restarted from here");
    request->control->restart();
    return ANQA_OK;
}

static anqa_status op_reload(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    return anqa_tls_reload(err);
}

/* ---------------------------------------------------------------- the log */

static anqa_status level_of(anqa_str name, anqa_log_level *ret_level, anqa_error *err)
{
    for (int level = ANQA_LOG_NONE; level <= ANQA_DEBUG; level++) {
        if (anqa_str_is(name, anqa_log_level_name((anqa_log_level)level))) {
            *ret_level = (anqa_log_level)level;
            return ANQA_OK;
        }
    }
    return anqa_fail(err, ANQA_E_INVALID,
        "there is no level '%.*s'; there are none, emergency, alert, critical, error, warning, "
        "notice, info, debug",
        (int)(name.len < 40 ? name.len : 40), name.ptr);
}

static anqa_status op_log_level(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_str name = anqa_json_str(request->args, "level");
    anqa_log_level level = ANQA_LOG_NONE;

    if (name.len > 0) {
        anqa_status status = level_of(name, &level, err);
        if (status != ANQA_OK)
            return status;
        anqa_log_set_level(level);
    }
    *ret_answer = anqa_jsonf("{'level': %s}", anqa_log_level_name(anqa_log_get_level()));
    return ANQA_OK;
}

/* ---------------------------------------------------------------- the list */

static anqa_status op_operations(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err);

static const struct control_op ops[] = {
    {"ping", "who runs here", false, op_ping},
    {"operations", "what can be asked", false, op_operations},
    {"processes", "lists processes (sort: mailbox, memory, handled, none; limit)", false,
        control_process_list},
    {"info", "all that can be seen of a process (process: a pid or a name)", false, control_info},
    {"state", "the state of a server (process)", false, control_state},
    {"suspend", "has a server handle nothing, until it is resumed (process)", false,
        control_suspend},
    {"resume", "has a suspended server go on (process)", false, control_resume},
    {"trace", "what a process receives, sends and handles (process, body)", true, control_trace},
    {"kill", "kills a process (process)", false, control_kill},
    {"system", "schedulers, memory, counts", false, control_system},
    {"metrics", "everything that is measured, as Prometheus reads it", false, control_metrics},
    {"tree", "the supervision trees of all applications (depth, limit)", false, control_tree},
    {"js_processes", "lists JavaScript processes, the youngest first (limit)", false,
        control_js_processes},
    {"js_variables", "what the variables of a script's process hold (process)", false,
        control_js_variables},
    {"js_stack", "where its turn is, innermost first (process)", false, control_js_stack},
    {"js_report", "what its memory holds, and what it waits for (process)", false,
        control_js_report},
    {"js_pause", "has it take no turn, or stop in the midst of one (process)", false,
        control_js_pause},
    {"js_resume", "has a paused one go on (process)", false, control_js_resume},
    {"js_profile", "counts the stacks that compute (process or script, time_ms)", false,
        control_js_profile},
    {"js_coverage", "what has run of scripts that count it", false, control_js_coverage},
    {"log_level", "tells the log's level, or sets it (level)", false, op_log_level},
    {"stop", "stops the program in order", false, op_stop},
    {"restart", "has a successor take the program's place", false, op_restart},
    {"reload", "reads the certificates and keys of https again", false, op_reload},
};

static void put_op(anqa_json_writer *w, const char *name, const char *doc, bool is_built_in)
{
    anqa_json_format(w, "{'name': %s, 'doc': %s, 'built_in': %c}", name, doc, is_built_in);
}

static anqa_status op_operations(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    const anqa_control_op *own = request->control->ops;

    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_array(w);
    for (size_t i = 0; i < ANQA_COUNT(ops); i++)
        put_op(w, ops[i].name, ops[i].doc, true);
    for (; own != NULL && own->name != NULL; own++)
        put_op(w, own->name, own->doc, false);
    anqa_json_end_array(w);
    return anqa_json_writer_finish(w, ret_answer);
}

const struct control_op *control_op_find(const char *name)
{
    for (size_t i = 0; i < ANQA_COUNT(ops); i++)
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    return NULL;
}

const anqa_control_op *control_program_op_find(const anqa_control *control, const char *name)
{
    for (const anqa_control_op *op = control->ops; op != NULL && op->name != NULL; op++)
        if (strcmp(op->name, name) == 0)
            return op;
    return NULL;
}

anqa_status control_ops_check(const anqa_control_op *own, anqa_error *err)
{
    for (; own != NULL && own->name != NULL; own++) {
        if (!control_op_valid(anqa_str_of(own->name)) || own->run == NULL)
            return anqa_fail(err, ANQA_E_INVALID,
                "control operation '%s': needs .run, and a name of a-z, 0-9, _ and -", own->name);
        if (control_op_find(own->name) != NULL || strcmp(own->name, "cancel") == 0)
            return anqa_fail(
                err, ANQA_E_EXISTS, "control operation '%s': that one is built in", own->name);
    }
    return ANQA_OK;
}
