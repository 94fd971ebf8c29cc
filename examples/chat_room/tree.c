/* The supervision tree, for the page: looked at twice a second, told when it has changed. */
#include "chat.h"

#define LOOK_MS 500
#define NODES_MAX 200

struct tree {
    const anqa_app *app;
    char *last; /* its text when it was told */
};

static const char *const states[] = {"ended", "running", "starting", "restarting"};

struct walk {
    anqa_json_writer *w;
    unsigned nodes;
};

static void put_node(
    struct walk *walk, const anqa_child_info *info, const char *path, unsigned depth)
{
    char pid[ANQA_PID_TEXT];
    bool is_supervisor = info->kind == ANQA_CHILD_SUPERVISOR;

    anqa_json_format(walk->w,
        "{'id': %s, 'pid': %s, 'label': %.*s, 'kind': %s, 'depth': %u, 'state': %s}", path,
        anqa_pid_is_none(info->pid) ? "" : anqa_pid_text(info->pid, pid), ANQA_FMT(info->id),
        is_supervisor ? "supervisor" : "worker", depth, states[info->state]);
    walk->nodes++;
}

static void put_below(struct walk *walk, anqa_pid supervisor, const char *path, unsigned depth)
{
    anqa_child_info *children;
    size_t count;

    if (anqa_supervisor_which_children(supervisor, &children, &count) != ANQA_OK)
        return;                                      /* it is just ending */
    while (count-- > 0 && walk->nodes < NODES_MAX) { /* oldest first */
        const anqa_child_info *info = &children[count];
        const char *id = anqa_tmp_printf("%s/%.*s", path, ANQA_FMT(info->id));
        put_node(walk, info, id, depth);
        if (info->kind == ANQA_CHILD_SUPERVISOR && !anqa_pid_is_none(info->pid))
            put_below(walk, info->pid, id, depth + 1);
    }
}

anqa_json tree_now(const anqa_app *app)
{
    struct walk walk = {.w = anqa_arena_alloc(anqa_tmp(), sizeof *walk.w)};
    anqa_pid top = anqa_app_supervisor(app);
    anqa_child_info info = {.id = anqa_str_of(app->name),
        .pid = top,
        .kind = ANQA_CHILD_SUPERVISOR,
        .state = ANQA_CHILD_RUNNING};
    anqa_json tree;

    anqa_json_writer_init(walk.w, anqa_tmp(), 0);
    anqa_json_begin_object(walk.w);
    anqa_json_key(walk.w, "nodes");
    anqa_json_begin_array(walk.w);
    put_node(&walk, &info, app->name, 0);
    put_below(&walk, top, app->name, 1);
    anqa_json_end_array(walk.w);
    anqa_json_key(walk.w, "text");
    anqa_json_put_str(walk.w, anqa_tree_text(top));
    anqa_json_end_object(walk.w);
    ANQA_REQUIRE(anqa_json_writer_finish(walk.w, &tree) == ANQA_OK);
    return tree;
}

static anqa_next look(void *state, anqa_msg *msg)
{
    struct tree *tree = state;
    anqa_json now = tree_now(tree->app);
    anqa_str text = anqa_json_text(now);

    if (tree->last == NULL || !anqa_str_is(text, tree->last)) {
        anqa_heap_free(tree->last);
        tree->last = anqa_heap_alloc(text.len + 1);
        memcpy(tree->last, text.ptr, text.len);
        tree->last[text.len] = '\0';
        anqa_broadcast(anqa_str_of("tree"), "tree", now);
    }
    return anqa_noreply();
}

static anqa_next begin(void *state, const void *arg)
{
    struct tree *tree = state;

    tree->app = arg;
    anqa_send_every(anqa_self(), "look", LOOK_MS);
    return anqa_noreply();
}

const anqa_gen_server tree_server = {
    .name = "tree",
    .state_size = sizeof(struct tree),
    .init = begin,
    .handle_info = (const anqa_handler[]){{"look", look}, {0}},
};
