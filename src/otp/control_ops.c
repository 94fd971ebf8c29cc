/* What the control socket offers. Each runs in a process of its own and is free to wait. */
#include "otp/control_ops.h"

#include <unistd.h>

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/registry.h>

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

/* ---------------------------------------------------------------- the tree */

static const char *const child_states[] = {[ANQA_CHILD_ENDED] = "ended",
    [ANQA_CHILD_RUNNING] = "running",
    [ANQA_CHILD_STARTING] = "starting",
    [ANQA_CHILD_RESTARTING] = "restarting"};

#define TREE_DEPTH 32u
#define TREE_CHILDREN 500u

static void put_children(anqa_json_writer *w, anqa_pid supervisor, unsigned depth);

static void put_child(anqa_json_writer *w, const anqa_child_info *child, unsigned depth)
{
    bool is_supervisor = child->kind == ANQA_CHILD_SUPERVISOR;
    char pid[ANQA_PID_TEXT];

    anqa_json_begin_object(w);
    anqa_json_key(w, "id");
    anqa_json_put_str(w, child->id);
    if (!anqa_pid_is_none(child->pid)) {
        anqa_json_key(w, "pid");
        anqa_json_put_str(w, anqa_str_of(anqa_pid_text(child->pid, pid)));
    }
    anqa_json_key(w, "kind");
    anqa_json_put_str(w, anqa_str_of(is_supervisor ? "supervisor" : "worker"));
    anqa_json_key(w, "state");
    anqa_json_put_str(w, anqa_str_of(child_states[child->state]));
    anqa_json_key(w, "restarts");
    anqa_json_put_uint(w, child->restarts);
    if (is_supervisor && !anqa_pid_is_none(child->pid) && depth < TREE_DEPTH)
        put_children(w, child->pid, depth + 1);
    anqa_json_end_object(w);
}

/* The oldest first, as they were started. */
static void put_children(anqa_json_writer *w, anqa_pid supervisor, unsigned depth)
{
    anqa_child_info *children;
    size_t count, shown;

    if (anqa_supervisor_which_children(supervisor, &children, &count) != ANQA_OK)
        return; /* it is just ending */
    shown = count < TREE_CHILDREN ? count : TREE_CHILDREN;
    anqa_json_key(w, "more");
    anqa_json_put_uint(w, count - shown);
    anqa_json_key(w, "children");
    anqa_json_begin_array(w);
    for (size_t i = 0; i < shown; i++)
        put_child(w, &children[count - 1 - i], depth);
    anqa_json_end_array(w);
}

static anqa_status op_tree(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_json_writer *w = control_writer();
    anqa_child_info top = {.id = anqa_str_of(request->control->name),
        .pid = anqa_whereis(request->control->name),
        .kind = ANQA_CHILD_SUPERVISOR,
        .state = ANQA_CHILD_RUNNING};

    if (anqa_pid_is_none(top.pid))
        return anqa_fail(err, ANQA_E_NOT_FOUND, "the application does not run");
    anqa_json_begin_array(w);
    put_child(w, &top, 0);
    anqa_json_end_array(w);
    return anqa_json_writer_finish(w, ret_answer);
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
    {"kill", "kills a process (process)", false, control_kill},
    {"system", "schedulers, memory, counts", false, control_system},
    {"tree", "the supervision tree", false, op_tree},
    {"log_level", "tells the log's level, or sets it (level)", false, op_log_level},
    {"stop", "stops the program in order", false, op_stop},
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
