/* The tree of supervisors as JSON, and of all applications. */
#include "support.h"

#include <anqa/application.h>
#include <anqa/introspect.h>
#include <anqa/memory.h>

#include <string.h>

#include "harness.h"

static anqa_next leaf_crash(void *state, anqa_msg *msg)
{
    anqa_exit(anqa_error_reason("the roof fell in"));
}

static const anqa_gen_server leaf = {.name = "leaf",
    .label = "a leaf",
    .handle_cast = (const anqa_handler[]){{"crash", leaf_crash}, {0}}};
static const anqa_gen_server bud = {
    .handle_cast = (const anqa_handler[]){{"crash", leaf_crash}, {0}}};
static const anqa_dynamic_supervisor buds = {.name = "buds", .child = {.server = &bud}};
static const anqa_supervisor branch = {
    .name = "branch", .children = (const anqa_child_spec[]){{.server = &leaf}, {0}}};
static const anqa_supervisor trunk = {.name = "trunk",
    .children = (const anqa_child_spec[]){
        {.supervisor = &branch, .restart = ANQA_TRANSIENT}, {.dynamic_supervisor = &buds}, {0}}};

static anqa_json tree_of(anqa_pid pid, const anqa_tree_opts *opts)
{
    anqa_json tree;

    CHECK_STATUS(anqa_tree_json(pid, opts, &tree), ANQA_OK);
    return tree;
}

static anqa_json get(anqa_json object, const char *key)
{
    anqa_json value;

    CHECK_STATUS(anqa_json_get(object, key, &value), ANQA_OK, "%s", key);
    return value;
}

static anqa_json child(anqa_json node, size_t index)
{
    anqa_json value;

    CHECK_STATUS(anqa_json_at(get(node, "children"), index, &value), ANQA_OK);
    return value;
}

static const char *text_of(anqa_str text)
{
    return anqa_tmp_copy(text.ptr, text.len);
}

static anqa_pid trunk_start(void)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_supervisor_start_link(&trunk, &pid, NULL), ANQA_OK);
    return pid;
}

/* Crashes who has the name, and waits for who comes after it. */
static bool is_back(void *arg)
{
    const anqa_pid *old = arg;
    anqa_pid pid = anqa_whereis("leaf");

    return !anqa_pid_is_none(pid) && !anqa_pid_eq(pid, *old);
}

TEST(the_tree_shows_kinds_states_and_processes_in_the_order_of_their_start)
{
    anqa_rt *rt = begin();
    anqa_json tree = tree_of(trunk_start(), NULL), first = child(tree, 0), second = child(tree, 1);
    char text[ANQA_PID_TEXT];

    CHECK_STR(anqa_json_str(tree, "kind"), "supervisor");
    CHECK_STR(anqa_json_str(tree, "spec"), "trunk");
    CHECK_STR(anqa_json_str(first, "id"), "branch");
    CHECK_STR(anqa_json_str(first, "type"), "supervisor");
    CHECK_STR(anqa_json_str(first, "state"), "running");
    CHECK_STR(anqa_json_str(first, "restart"), "transient");
    CHECK_STR(anqa_json_str(child(first, 0), "id"), "leaf");
    CHECK_STR(anqa_json_str(child(first, 0), "type"), "worker");
    CHECK_STR(anqa_json_str(get(child(first, 0), "process"), "label"), "a leaf");
    CHECK_STR(anqa_json_str(get(child(first, 0), "process"), "pid"),
        anqa_pid_text(anqa_whereis("leaf"), text));
    CHECK_STR(anqa_json_str(second, "id"), "buds");
    CHECK_STR(anqa_json_str(get(second, "process"), "kind"), "dynamic_supervisor");
    end(rt);
}

TEST(the_tree_says_why_a_child_ended_and_how_often)
{
    anqa_rt *rt = begin();
    anqa_pid top = trunk_start(), old = anqa_whereis("leaf");
    anqa_json leaf_now;

    anqa_cast(old, "crash", ANQA_JSON_NULL);
    CHECK(soon(is_back, &old));
    leaf_now = child(child(tree_of(top, NULL), 0), 0);
    CHECK_STR(anqa_json_str(leaf_now, "last_exit"), "error: the roof fell in");
    CHECK_EQ(anqa_json_int(leaf_now, "restarts", 0), 1);
    CHECK(strstr(text_of(anqa_tree_text(top)), "restarted 1 time  (error: the roof fell in)") !=
          NULL);
    end(rt);
}

static bool has_crashed(void *arg)
{
    anqa_child_info *children;
    size_t count;

    CHECK_STATUS(anqa_supervisor_which_children(anqa_whereis("buds"), &children, &count), ANQA_OK);
    return count == 1 && children[0].last_exit.len > 0 && children[0].state == ANQA_CHILD_RUNNING &&
           !anqa_pid_eq(children[0].pid, *(anqa_pid *)arg);
}

TEST(a_dynamic_supervisor_says_why_a_child_ended_too)
{
    anqa_rt *rt = begin();
    anqa_pid pid;

    (void)trunk_start();
    CHECK_STATUS(anqa_start_child(&buds, NULL, &pid, NULL), ANQA_OK);
    anqa_cast(pid, "crash", ANQA_JSON_NULL);
    CHECK(soon(has_crashed, &pid));
    CHECK_STR(anqa_json_str(child(tree_of(anqa_whereis("buds"), NULL), 0), "last_exit"),
        "error: the roof fell in");
    end(rt);
}

TEST(depth_and_limit_cut_the_tree)
{
    anqa_rt *rt = begin();
    anqa_pid top = trunk_start();
    anqa_json tree, value;

    for (int i = 0; i < 10; i++)
        CHECK_STATUS(anqa_start_child(&buds, NULL, NULL, NULL), ANQA_OK);
    tree = tree_of(top, &(anqa_tree_opts){.depth = 1});
    CHECK_STATUS(anqa_json_get(child(tree, 0), "children", &value), ANQA_E_NOT_FOUND);
    tree = tree_of(top, &(anqa_tree_opts){.limit = 3});
    CHECK_STR(anqa_json_str(child(child(tree, 1), 2), "type"), "worker");
    CHECK_STATUS(anqa_json_at(get(child(tree, 1), "children"), 3, &value), ANQA_E_NOT_FOUND);
    CHECK_EQ(anqa_json_int(child(tree, 1), "more", 0), 7);
    CHECK_STATUS(anqa_tree_json(top, &(anqa_tree_opts){.depth = 65}, &value), ANQA_E_RANGE);
    end(rt);
}

TEST(a_dead_supervisor_has_no_tree)
{
    anqa_rt *rt = begin();
    anqa_pid top = trunk_start();
    anqa_json tree;

    CHECK_STATUS(anqa_supervisor_stop(top, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    CHECK_STATUS(anqa_tree_json(top, NULL, &tree), ANQA_E_NOPROC);
    end(rt);
}

TEST(a_supervisor_that_does_not_answer_is_shown_with_the_error)
{
    anqa_rt *rt = begin_deterministic(); /* whose five seconds take no time */
    anqa_pid top = trunk_start();

    CHECK_STATUS(anqa_sys_suspend(anqa_whereis("branch"), 0, NULL), ANQA_OK);
    CHECK_STR(anqa_json_str(child(tree_of(top, NULL), 0), "error"), "timed out");
    end(rt);
}

TEST(bytes_that_are_no_text_do_not_break_the_tree)
{
    anqa_rt *rt = begin();
    anqa_process_info info;
    anqa_json_writer w;
    anqa_json json;

    anqa_set_label("caf\xc3");
    CHECK_STATUS(anqa_register("na\xffme"), ANQA_OK);
    CHECK_STATUS(anqa_process_info_get(anqa_self(), &info), ANQA_OK);
    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_process_info_put(&w, &info);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_STR(anqa_json_str(json, "label"), "caf?");
    CHECK_STATUS(anqa_json_at(get(json, "names"), 0, &json), ANQA_OK);
    CHECK_STR(anqa_json_text(json), "\"na?me\"");
    end(rt);
}

/* ---------------------------------------------------------------- all applications */

static const anqa_app zoo = {
    .name = "zoo", .children = (const anqa_child_spec[]){{.server = &leaf}, {0}}};
static const anqa_app ark = {.name = "ark"};

TEST(all_applications_of_the_runtime_are_shown_by_name)
{
    anqa_rt *rt = begin();
    anqa_json tree, app;
    const char *text;

    anqa_detach();
    CHECK_STATUS(anqa_app_start(rt, &zoo, NULL), ANQA_OK);
    CHECK_STATUS(anqa_app_start(rt, &ark, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    tree = get(tree_of((anqa_pid){0}, NULL), "applications");
    CHECK_STATUS(anqa_json_at(tree, 0, &app), ANQA_OK);
    CHECK_STR(anqa_json_str(app, "application"), "ark");
    CHECK_STATUS(anqa_json_at(tree, 1, &app), ANQA_OK);
    CHECK_STR(anqa_json_str(app, "application"), "zoo");
    CHECK_STR(anqa_json_str(child(app, 0), "id"), "leaf");
    text = text_of(anqa_tree_text_all());
    CHECK(strncmp(text, "ark  <0.", 8) == 0);
    CHECK(strstr(text, "\nzoo  <0.") != NULL);
    anqa_detach();
    CHECK_STATUS(anqa_app_stop(rt, &ark, ANQA_INFINITY), ANQA_OK);
    CHECK_STATUS(anqa_app_stop(rt, &zoo, ANQA_INFINITY), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    CHECK_EQ(anqa_tree_text_all().len, 0);
    end(rt);
}
