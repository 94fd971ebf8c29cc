#include "js/spawn.h"

#include <stdlib.h>

#include <anqa/memory.h>

#include "base/buf_meter.h"
#include "js/beam.h"
#include "js/preempt.h"
#include "otp/child.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

enum { TEXT_MAX = 4 << 20 };

/* The places of all that descend from one process. */
struct js_family {
    anqa_pid root;
    uint32_t alive;
    struct anqa_list members; /* struct js_child: so many */
    bool rootless;            /* freed by who leaves last */
};

const anqa_js_script spawn_spec = ANQA_JS_SCRIPT(.name = "child");

/* ---------------------------------------------------------------- records; the lock is held */

static void list_put(struct js_child **list, struct js_child *child)
{
    child->next = *list;
    child->link = list;
    if (child->next != NULL)
        child->next->link = &child->next;
    *list = child;
}

static void list_remove(struct js_child *child)
{
    if (child->link == NULL)
        return;
    *child->link = child->next;
    if (child->next != NULL)
        child->next->link = child->link;
    child->link = NULL;
}

static struct js_family *family_of(struct js *js)
{
    if (js->self != NULL)
        return js->self->family;
    if (js->family == NULL) {
        js->family = calloc(1, sizeof *js->family);
        if (js->family != NULL) {
            js->family->root = anqa_self();
            anqa_list_init(&js->family->members);
        }
    }
    return js->family;
}

static void family_leave(struct js_family *family)
{
    if (--family->alive == 0 && family->rootless)
        free(family);
}

static void record_free(struct js_child *child)
{
    if (child != NULL)
        buf_meter_unref(child->out);
    free(child);
}

static struct js_child *record_new(struct js *js, enum spawn_what what, anqa_error *err)
{
    struct js_child *child = calloc(1, sizeof *child);
    struct js_family *family = family_of(js);
    uint32_t most = js->script->limits.children;

    if (child != NULL && beam_out(js) != NULL)
        child->out = buf_meter_new_beside(js->out);
    if (child == NULL || family == NULL || child->out == NULL) {
        record_free(child);
        (void)anqa_fail(err, ANQA_E_NOMEM, "no memory for a child");
        return NULL;
    }
    if (family->alive >= most) {
        record_free(child);
        (void)anqa_fail(err, ANQA_E_LIMIT, "more than %u children", most);
        return NULL;
    }
    child->id = ++js->rt->last_child;
    child->script = js->script;
    child->family = family;
    child->parent = anqa_self();
    child->worker = what == SPAWN_WORKER;
    if (map_u64_put(&js->rt->children, child->id, child, NULL) != ANQA_OK) {
        record_free(child);
        (void)anqa_fail(err, ANQA_E_NOMEM, "no memory for a child");
        return NULL;
    }
    family->alive++;
    anqa_list_push(&family->members, &child->node);
    child->up = js->self;
    list_put(&js->children, child);
    return child;
}

static struct js_image *record_remove(struct js_rt *rt, struct js_child *child)
{
    struct js_image *image = child->image;

    (void)map_u64_remove(&rt->children, child->id);
    list_remove(child);
    anqa_list_remove(&child->node);
    for (struct anqa_list_node *node = anqa_list_first(&child->family->members); node != NULL;
        node = anqa_list_next(&child->family->members, node)) {
        struct js_child *other = ANQA_CONTAINER_OF(node, struct js_child, node);
        if (other->up == child)
            other->up = child->up;
    }
    family_leave(child->family);
    record_free(child);
    return image;
}

/* ---------------------------------------------------------------- the parent's side */

static anqa_status reserve(struct js *js, enum spawn_what what, anqa_str text, uint32_t told,
    uint64_t *ret_id, anqa_error *err)
{
    struct js_image *image = NULL;
    struct js_child *child;
    anqa_status status = ANQA_OK;

    if (what == SPAWN_SAME && js->self != NULL && js->self->image != NULL)
        image = image_share(js->rt, js->self->image);
    else if (what != SPAWN_SAME)
        image = image_of_text(js->rt, js->script, text, what == SPAWN_WORKER);
    if (image == NULL && what != SPAWN_SAME)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for a script");
    pthread_mutex_lock(&js->rt->lock);
    child = record_new(js, what, err);
    if (child == NULL)
        status = err->status;
    else {
        child->image = image;
        child->told = told;
        *ret_id = child->id;
    }
    pthread_mutex_unlock(&js->rt->lock);
    if (child == NULL && image != NULL)
        image_release(js->rt, image);
    return status;
}

/* A start that failed, and was not claimed. */
static void take_back(struct js *js, uint64_t id)
{
    struct js_image *image = NULL;
    struct js_child *child;

    pthread_mutex_lock(&js->rt->lock);
    child = map_u64_get(&js->rt->children, id);
    if (child != NULL && anqa_pid_is_none(child->pid))
        image = record_remove(js->rt, child);
    pthread_mutex_unlock(&js->rt->lock);
    if (image != NULL)
        image_release(js->rt, image);
}

anqa_status spawn_child(struct js *js, enum spawn_what what, anqa_str text, anqa_value arg,
    uint32_t told, anqa_pid *ret_pid, anqa_error *err)
{
    struct child_start start = {.kind = CHILD_SERVER, .spec = &spawn_spec.server};
    anqa_status status;
    uint64_t id = 0;
    char *bytes;

    if (js->script->limits.children == 0)
        return anqa_fail(
            err, ANQA_E_PERMISSION, "this script may start no others: its limits.children is 0");
    if (text.len > TEXT_MAX)
        return anqa_fail(
            err, ANQA_E_LIMIT, "the text of a script has more than %d bytes", TEXT_MAX);
    js->has_spawned = true;
    status = reserve(js, what, text, told, &id, err);
    if (status != ANQA_OK)
        return status;
    bytes = anqa_arena_alloc(anqa_tmp(), sizeof id + arg.len);
    memcpy(bytes, &id, sizeof id);
    if (arg.len > 0)
        memcpy(bytes + sizeof id, arg.ptr, arg.len);
    start.arg = bytes;
    start.arg_size = sizeof id + arg.len;
    start.id = anqa_str_of(js->script->name);
    preempt_leave();
    status = child_start(&start, ret_pid, err);
    if (status != ANQA_OK)
        take_back(js, id);
    preempt_enter(js);
    return status;
}

/* One that is to be told (nobody: its place was only reserved). False: there are none. */
static bool next_child(struct js *js, anqa_pid *ret_pid)
{
    struct js_image *image = NULL;
    struct js_child *child;

    pthread_mutex_lock(&js->rt->lock);
    child = js->children;
    if (child != NULL) {
        js->children = child->next;
        if (child->next != NULL)
            child->next->link = &js->children;
        child->link = NULL;
        *ret_pid = child->pid;
        if (anqa_pid_is_none(child->pid))
            image = record_remove(js->rt, child);
    }
    pthread_mutex_unlock(&js->rt->lock);
    if (image != NULL)
        image_release(js->rt, image);
    return child != NULL;
}

void spawn_end_children(struct js *js, anqa_pid self)
{
    anqa_pid pid = {0};

    while (js->has_spawned && next_child(js, &pid))
        if (!anqa_pid_is_none(pid))
            proc_exit_signal(sched_self, self, pid, ANQA_SHUTDOWN);
}

static void end_and_wait(anqa_pid pid, anqa_reason reason)
{
    anqa_ref ref = anqa_monitor(pid);

    child_unlink(pid);
    anqa_exit_signal(pid, reason);
    (void)anqa_receive_ref(ref, ANQA_INFINITY);
}

static bool descends(const struct js_child *child, const struct js_child *from)
{
    while (child != from && child != NULL)
        child = child->up;
    return child == from;
}

/* A process that descends from the calling one. Of those that nobody has claimed it is their starters that count. */
static bool find_descendant(struct js *js, anqa_pid *ret_pid)
{
    struct js_family *family = js->self != NULL ? js->self->family : js->family;
    struct anqa_list_node *node;
    struct js_child *child = NULL;

    pthread_mutex_lock(&js->rt->lock);
    for (node = family == NULL ? NULL : anqa_list_first(&family->members); node != NULL;
        node = anqa_list_next(&family->members, node)) {
        child = ANQA_CONTAINER_OF(node, struct js_child, node);
        if (child != js->self && !anqa_pid_is_none(child->pid) && descends(child, js->self))
            break;
    }
    if (node != NULL)
        *ret_pid = child->pid;
    pthread_mutex_unlock(&js->rt->lock);
    return node != NULL;
}

void spawn_stop_children(struct js *js)
{
    anqa_pid pid = {0};

    while (js->has_spawned && next_child(js, &pid))
        if (!anqa_pid_is_none(pid))
            end_and_wait(pid, ANQA_SHUTDOWN);
    /* Each has told its own, when it ended. */
    while (js->has_spawned && find_descendant(js, &pid))
        end_and_wait(pid, ANQA_SHUTDOWN);
}

void spawn_kill_child(struct js *js, anqa_pid pid)
{
    if (!spawn_is_child(js, pid))
        return;
    preempt_leave();
    end_and_wait(pid, ANQA_KILL);
    preempt_enter(js);
}

uint32_t spawn_children(const struct js *js)
{
    const struct js_family *family = js->self != NULL ? js->self->family : js->family;
    uint32_t alive;

    if (family == NULL)
        return 0;
    pthread_mutex_lock(&js->rt->lock);
    alive = family->alive;
    pthread_mutex_unlock(&js->rt->lock);
    return alive;
}

anqa_pid spawn_root(const struct js *js)
{
    return js->self != NULL ? js->self->family->root : anqa_self();
}

bool spawn_is_child(struct js *js, anqa_pid pid)
{
    const struct js_child *child;

    pthread_mutex_lock(&js->rt->lock);
    child = js->children;
    while (child != NULL && !anqa_pid_eq(child->pid, pid))
        child = child->next;
    pthread_mutex_unlock(&js->rt->lock);
    return child != NULL;
}

/* ---------------------------------------------------------------- the child's side */

bool spawn_is_parent(const struct js *js, anqa_pid pid)
{
    return js->self != NULL && anqa_pid_eq(js->self->parent, pid);
}

bool spawn_claim(struct js *js, const void *arg, size_t size, anqa_value *ret_arg)
{
    struct js_child *child;
    uint64_t id;

    ANQA_REQUIRE(size >= sizeof id);
    memcpy(&id, arg, sizeof id);
    pthread_mutex_lock(&js->rt->lock);
    child = map_u64_get(&js->rt->children, id);
    if (child != NULL && anqa_pid_is_none(child->pid)) {
        child->pid = anqa_self();
        js->self = child;
        js->out = child->out;
        child->out = NULL;
        js->script = child->script;
    }
    pthread_mutex_unlock(&js->rt->lock);
    *ret_arg = (anqa_value){(const char *)arg + sizeof id, size - sizeof id};
    return js->self != NULL;
}

void spawn_link(const struct js *js)
{
    if (js->self != NULL && !js->self->worker)
        (void)anqa_link(js->self->parent);
}

void spawn_leave(struct js *js)
{
    struct js_image *image = NULL;

    pthread_mutex_lock(&js->rt->lock);
    if (js->self != NULL)
        image = record_remove(js->rt, js->self);
    if (js->family != NULL) {
        js->family->rootless = true;
        if (js->family->alive == 0)
            free(js->family);
    }
    js->self = NULL;
    js->family = NULL;
    buf_meter_unref(js->out);
    js->out = NULL;
    anqa_buf_unref(js->net_pass);
    js->net_pass = (anqa_buf){0};
    pthread_mutex_unlock(&js->rt->lock);
    if (image != NULL)
        image_release(js->rt, image);
}
