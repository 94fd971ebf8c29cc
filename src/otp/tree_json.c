/* The tree of supervisors as JSON. */
#include <anqa/supervisor.h>

#include <anqa/memory.h>

#include "otp/application.h"
#include "otp/introspect.h"

#define DEPTH_STANDARD 16u
#define DEPTH_MAX 64u
#define LIMIT_STANDARD 1000u
#define SLICE 32u /* children that are written in one go: some 30 us */

struct tree {
    anqa_json_writer *w;
    uint32_t depth, limit;
};

static void put_children(const struct tree *tree, anqa_pid supervisor, uint32_t level);

static const char *state_text(anqa_child_state state)
{
    static const char *const texts[] = {[ANQA_CHILD_ENDED] = "ended",
        [ANQA_CHILD_RUNNING] = "running",
        [ANQA_CHILD_STARTING] = "starting",
        [ANQA_CHILD_RESTARTING] = "restarting"};

    return texts[state];
}

static const char *restart_text(anqa_restart restart)
{
    static const char *const texts[] = {[ANQA_PERMANENT] = "permanent",
        [ANQA_TRANSIENT] = "transient",
        [ANQA_TEMPORARY] = "temporary"};

    return texts[restart];
}

static void put_child(const struct tree *tree, const anqa_child_info *child, uint32_t level)
{
    bool is_supervisor = child->kind == ANQA_CHILD_SUPERVISOR;
    anqa_json_writer *w = tree->w;
    anqa_process_info info;

    anqa_json_begin_object(w);
    introspect_put_str(w, "id", child->id);
    introspect_put_text(w, "type", is_supervisor ? "supervisor" : "worker");
    introspect_put_text(w, "state", state_text(child->state));
    introspect_put_text(w, "restart", restart_text(child->restart));
    introspect_put_number(w, "restarts", child->restarts);
    introspect_put_str(w, "last_exit", child->last_exit);
    if (introspect_glance(child->pid, &info)) {
        anqa_json_key(w, "process");
        anqa_process_info_put(w, &info);
        if (is_supervisor)
            put_children(tree, child->pid, level + 1);
    }
    anqa_json_end_object(w);
}

/* The oldest first, as they were started: the list comes the other way round. */
static void put_children(const struct tree *tree, anqa_pid supervisor, uint32_t level)
{
    anqa_json_writer *w = tree->w;
    anqa_child_info *children;
    size_t count, shown;
    anqa_status status;

    if (level >= tree->depth)
        return;
    status = anqa_supervisor_which_children(supervisor, &children, &count);
    if (status != ANQA_OK) {
        introspect_put_text(w, "error", anqa_status_text(status));
        return;
    }
    shown = count < tree->limit ? count : tree->limit;
    anqa_json_key(w, "children");
    anqa_json_begin_array(w);
    for (size_t i = 0; i < shown; i++) {
        put_child(tree, &children[count - 1 - i], level);
        if (i % SLICE == SLICE - 1)
            anqa_yield();
    }
    anqa_json_end_array(w);
    if (shown < count)
        introspect_put_number(w, "more", count - shown);
}

static anqa_status put_top(const struct tree *tree, anqa_pid supervisor)
{
    anqa_process_info info;
    anqa_status status = anqa_process_info_get(supervisor, &info);

    if (status != ANQA_OK)
        return status;
    anqa_json_begin_object(tree->w);
    introspect_put_members(tree->w, &info);
    put_children(tree, supervisor, 0);
    anqa_json_end_object(tree->w);
    return ANQA_OK;
}

/* One that starts or ends has no supervisor, and is named all the same. */
static void put_application(const struct tree *tree, const char *name)
{
    anqa_pid top = anqa_whereis(name);

    anqa_json_begin_object(tree->w);
    introspect_put_text(tree->w, "application", name);
    if (anqa_is_alive(top)) {
        introspect_put_pid(tree->w, "supervisor", top);
        put_children(tree, top, 0);
    }
    anqa_json_end_object(tree->w);
}

static void put_all(const struct tree *tree)
{
    anqa_registry_entry *apps;
    size_t count;

    application_list(&apps, &count);
    anqa_json_begin_object(tree->w);
    anqa_json_key(tree->w, "applications");
    anqa_json_begin_array(tree->w);
    for (size_t i = 0; i < count; i++)
        put_application(tree, apps[i].key.ptr);
    anqa_json_end_array(tree->w);
    anqa_json_end_object(tree->w);
}

anqa_status anqa_tree_put(anqa_json_writer *w, anqa_pid supervisor, const anqa_tree_opts *opts)
{
    struct tree tree = {.w = w, .depth = DEPTH_STANDARD, .limit = LIMIT_STANDARD};

    if (opts != NULL && opts->depth > DEPTH_MAX)
        return ANQA_E_RANGE;
    if (opts != NULL && opts->depth != 0)
        tree.depth = opts->depth;
    if (opts != NULL && opts->limit != 0)
        tree.limit = opts->limit;
    if (!anqa_pid_is_none(supervisor))
        return put_top(&tree, supervisor);
    put_all(&tree);
    return ANQA_OK;
}

anqa_status anqa_tree_json(anqa_pid supervisor, const anqa_tree_opts *opts, anqa_json *ret_tree)
{
    anqa_json_writer w;
    anqa_status status;

    anqa_json_writer_init(&w, anqa_tmp(), 0);
    status = anqa_tree_put(&w, supervisor, opts);
    return status == ANQA_OK ? anqa_json_writer_finish(&w, ret_tree) : status;
}
