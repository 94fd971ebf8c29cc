/*
 * Children: JavaScript processes that scripts start.
 *
 * A child runs its parent's script (that is: its handlers, topics, limits, modules), with the parent's text or another one.
 * So it can never have more than its parent. All that descend from a process that C has started count together against
 * the script's limits.children; a child ends with its parent, whatever that one's reason and whatever links there are.
 *
 * What a child is started with is a *record*, which the child claims by its number when it begins to run. The record
 * holds the image of a text, and the child's place among those that may live. It belongs to the parent until it is claimed, then
 * to the child: its exit hook runs in any case, so nothing is left behind whoever dies when.
 *
 * Owner: struct js_rt; guarded by its lock.
 */
#ifndef JS_SPAWN_H
#define JS_SPAWN_H

#include "js/js.h" // IWYU pragma: export

/* What a child runs. */
enum spawn_what {
    SPAWN_SAME,  /* what the parent runs */
    SPAWN_TEXT,  /* a module */
    SPAWN_WORKER /* nothing yet: see web/worker.c */
};

struct js_child {
    struct js_child *next, **link; /* of its parent */
    uint64_t id;
    const anqa_js_script *script;
    struct js_image *image; /* counted; NULL: the script's own */
    struct js_family *family;
    struct anqa_list_node node; /* of the family's */
    struct js_child
        *up; /* the nearest that lives of those it descends from; NULL: the first of the family */
    struct buf_meter *out; /* its own, counted, until it is claimed */
    anqa_pid parent;
    anqa_pid pid; /* nobody: not claimed yet */
    bool worker;
    uint32_t told; /* of a worker: what its parent knows it by, see web_tell */
};

/* Starts one and waits until its init is through; then it is linked to the caller, unless it is a worker. arg: an encoded value.
 * Fails: E_PERMISSION (limits.children is 0), E_LIMIT, E_NOMEM, else as a start. Context: a turn, in the host; waits. */
anqa_status spawn_child(struct js *js, enum spawn_what what, anqa_str text, anqa_value arg,
    uint32_t told, anqa_pid *ret_pid, anqa_error *err);

/* The spec that children are started with. */
extern const anqa_js_script spawn_spec;
/* In a child: takes over what `arg` (the gen_server's argument) names, and the value that follows it. False: its parent
 * has ended. */
bool spawn_claim(struct js *js, const void *arg, size_t size, anqa_value *ret_arg);
/* In a child whose start has succeeded: not before, as a start that fails is an error of the parent and not its end; and not by the
 * parent, which might find that it has ended already. */
void spawn_link(const struct js *js);
/* Ends the children of a process. Context: `self`, also in its exit hook. */
void spawn_end_children(struct js *js, anqa_pid self);
/* Ends them, waits until they and all that descend from them have ended, so that their places are free; their ends are no
 * news to the process. Context: between two turns; waits. */
void spawn_stop_children(struct js *js);
/* Kills one, if it is a child, and waits until its place is free. Context: a turn, in the host; waits. */
void spawn_kill_child(struct js *js, anqa_pid pid);
/* In the exit hook, when the window has been given back. */
void spawn_leave(struct js *js);
/* Living children of the process and of all that began with the same. */
uint32_t spawn_children(const struct js *js);
/* The first of the family: what tells families apart. */
anqa_pid spawn_root(const struct js *js);
/* Whether it is a child of the calling process. */
bool spawn_is_child(struct js *js, anqa_pid pid);
/* Whether it is the script's process that has started the calling one. */
bool spawn_is_parent(const struct js *js, anqa_pid pid);

#endif
