/* Process groups: each rule by name. */
#include "support.h"

#include <stdio.h>

static const anqa_pg workers = {.name = "workers"}, others = {.name = "others"};

static anqa_str group(const char *name)
{
    return anqa_str_of(name);
}

static void wait_to_end(void *arg)
{
    (void)anqa_receive(ANQA_INFINITY);
}

static anqa_pid idler(void)
{
    anqa_pid pid = {0};

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = wait_to_end}, &pid, NULL), ANQA_OK);
    return pid;
}

static anqa_pid open_scope(const anqa_pg *scope)
{
    anqa_pid pid = {0};

    CHECK_STATUS(anqa_pg_start_link(scope, &pid, NULL), ANQA_OK);
    return pid;
}

/* How often a process is in a group. */
static size_t times(const anqa_pg *scope, const char *name, anqa_pid pid)
{
    size_t count, found = 0;
    anqa_pid *pids;

    anqa_pg_members(scope, group(name), &pids, &count);
    for (size_t i = 0; i < count; i++)
        found += anqa_pid_eq(pids[i], pid);
    return found;
}

static size_t size_of(const anqa_pg *scope, const char *name)
{
    size_t count;
    anqa_pid *pids;

    anqa_pg_members(scope, group(name), &pids, &count);
    return count;
}

/* ---------------------------------------------------------------- joining and leaving */

TEST(a_process_may_join_a_group_several_times_and_leaves_as_often)
{
    anqa_rt *rt = begin();
    anqa_pid one = idler(), two = idler();

    (void)open_scope(&workers);
    CHECK_STATUS(anqa_pg_join(&workers, group("resize"), one), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("resize"), two), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("resize"), one), ANQA_OK);
    CHECK_EQ(size_of(&workers, "resize"), 3);
    CHECK_EQ(times(&workers, "resize", one), 2);
    CHECK_STATUS(anqa_pg_leave(&workers, group("resize"), one), ANQA_OK);
    CHECK_EQ(times(&workers, "resize", one), 1);
    CHECK_STATUS(anqa_pg_leave(&workers, group("resize"), one), ANQA_OK);
    CHECK_STATUS(anqa_pg_leave(&workers, group("resize"), one), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_pg_leave(&workers, group("none"), two), ANQA_E_NOT_FOUND);
    CHECK_EQ(size_of(&workers, "resize"), 1);
    CHECK_EQ(times(&workers, "resize", two), 1);
    end(rt);
}

TEST(a_group_is_there_while_it_has_members)
{
    anqa_rt *rt = begin();
    anqa_str *groups;
    anqa_pid *pids;
    size_t count;

    anqa_pg_which_groups(&workers, &groups, &count);
    CHECK_EQ(count, 0, "of a scope that never was");
    (void)open_scope(&workers);
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(anqa_pg_join(&workers, group("a"), idler()), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("b"), anqa_self()), ANQA_OK);
    anqa_pg_which_groups(&workers, &groups, &count);
    CHECK_EQ(count, 2);
    CHECK(anqa_str_eq(groups[0], group("a")) != anqa_str_eq(groups[1], group("a")));
    CHECK(anqa_str_eq(groups[0], group("b")) != anqa_str_eq(groups[1], group("b")));
    anqa_pg_local_members(&workers, group("a"), &pids, &count);
    CHECK_EQ(count, 3, "all of them are of this node");
    CHECK_STATUS(anqa_pg_leave(&workers, group("b"), anqa_self()), ANQA_OK);
    anqa_pg_which_groups(&workers, &groups, &count);
    CHECK_EQ(count, 1);
    end(rt);
}

TEST(scopes_do_not_meet_and_a_scope_has_one_server)
{
    anqa_rt *rt = begin();

    (void)open_scope(&workers);
    (void)open_scope(&others);
    CHECK_STATUS(anqa_pg_start_link(&workers, &(anqa_pid){0}, NULL), ANQA_E_STOPPED);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), anqa_self()), ANQA_OK);
    CHECK_EQ(size_of(&others, "a"), 0);
    end(rt);
}

TEST(what_cannot_join_is_refused)
{
    static char name[65537];
    anqa_rt *rt = begin();
    anqa_pid elsewhere = {anqa_self().bits | (uint64_t)1 << 56};

    CHECK_STATUS(anqa_pg_join(&workers, group("a"), anqa_self()), ANQA_E_NOPROC);
    (void)open_scope(&workers);
    memset(name, 'x', sizeof name - 1);
    CHECK_STATUS(anqa_pg_join(&workers, anqa_str_make(name, 65535), anqa_self()), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, anqa_str_make(name, 65536), anqa_self()), ANQA_E_INVALID);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), (anqa_pid){0}), ANQA_E_INVALID);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), elsewhere), ANQA_E_INVALID);
    CHECK_STATUS(anqa_pg_monitor(&workers, anqa_str_make(name, 65536), &(anqa_ref){0}, NULL, NULL),
        ANQA_E_INVALID);
    CHECK_EQ(size_of(&workers, "a"), 0);
    end(rt);
}

static bool is_empty(void *arg)
{
    return size_of(&workers, arg) == 0;
}

TEST(who_dies_leaves_all_groups_also_when_it_was_dead_before)
{
    anqa_rt *rt = begin();
    anqa_pid pid = idler(), dead = idler();

    (void)open_scope(&workers);
    kill_and_wait(dead);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), pid), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), pid), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("b"), pid), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("b"), dead), ANQA_OK);
    kill_and_wait(pid);
    CHECK(soon(is_empty, (void *)"a"));
    CHECK(soon(is_empty, (void *)"b"));
    end(rt);
}

/* ---------------------------------------------------------------- monitors */

static void expect_change(const char *tag, anqa_ref ref, const char *name, anqa_pid pid)
{
    const anqa_msg *msg = expect(tag);
    anqa_pg_change change;

    CHECK_EQ(msg->ref.bits, ref.bits);
    CHECK_STATUS(anqa_pg_read(msg, &change), ANQA_OK);
    CHECK_STR(change.group, name);
    CHECK_EQ(change.pid.bits, pid.bits);
}

TEST(a_monitor_of_a_group_begins_with_its_members_and_tells_each_change)
{
    anqa_rt *rt = begin();
    anqa_pid pid = idler();
    anqa_pg_change *members;
    anqa_ref ref;
    size_t count;

    (void)open_scope(&workers);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), pid), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), pid), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("b"), pid), ANQA_OK);
    CHECK_STATUS(anqa_pg_monitor(&workers, group("a"), &ref, &members, &count), ANQA_OK);
    CHECK_EQ(count, 2);
    CHECK_STR(members[1].group, "a");
    CHECK_EQ(members[1].pid.bits, pid.bits);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), anqa_self()), ANQA_OK);
    expect_change("join", ref, "a", anqa_self());
    CHECK_STATUS(anqa_pg_join(&workers, group("b"), anqa_self()), ANQA_OK);
    CHECK_STATUS(anqa_pg_leave(&workers, group("a"), anqa_self()), ANQA_OK);
    expect_change("leave", ref, "a", anqa_self());
    CHECK(nothing_came("join"), "another group's are not told");
    kill_and_wait(pid);
    expect_change("leave", ref, "a", pid);
    expect_change("leave", ref, "a", pid);
    CHECK_STATUS(anqa_pg_leave(&workers, group("b"), anqa_self()), ANQA_OK);
    CHECK(nothing_came("leave"));
    end(rt);
}

TEST(a_monitor_of_a_scope_tells_of_all_groups_until_it_is_taken_back)
{
    anqa_rt *rt = begin();
    anqa_pg_change *members, change;
    anqa_ref ref;
    size_t count;

    (void)open_scope(&workers);
    CHECK_STATUS(anqa_pg_monitor_scope(&workers, &ref, &members, &count), ANQA_OK);
    CHECK_EQ(count, 0);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), anqa_self()), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("b"), anqa_self()), ANQA_OK);
    expect_change("join", ref, "a", anqa_self());
    expect_change("join", ref, "b", anqa_self());
    CHECK_STATUS(anqa_pg_leave(&workers, group("a"), anqa_self()), ANQA_OK);
    CHECK_STATUS(anqa_pg_demonitor(&workers, ref), ANQA_OK);
    CHECK(nothing_came("leave"), "what was told is taken back too");
    CHECK_STATUS(anqa_pg_leave(&workers, group("b"), anqa_self()), ANQA_OK);
    CHECK(nothing_came("leave"));
    CHECK_STATUS(anqa_pg_demonitor(&workers, ref), ANQA_E_NOT_FOUND);
    report(anqa_self(), "join", "no change");
    CHECK_STATUS(anqa_pg_read(expect("join"), &change), ANQA_E_TYPE);
    end(rt);
}

static void watch_and_wait(void *observer)
{
    anqa_ref ref;

    CHECK_STATUS(anqa_pg_monitor_scope(&workers, &ref, NULL, NULL), ANQA_OK);
    (void)anqa_send_ref(*(const anqa_pid *)observer, "watching", ref, anqa_nothing());
    (void)anqa_receive(ANQA_INFINITY);
}

TEST(only_the_watcher_itself_takes_its_monitor_back)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self(), watcher = {0};
    anqa_ref ref;

    (void)open_scope(&workers);
    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = watch_and_wait, .arg = &self, .arg_size = sizeof self},
            &watcher, NULL),
        ANQA_OK);
    ref = expect("watching")->ref;
    CHECK_STATUS(anqa_pg_demonitor(&workers, ref), ANQA_E_NOT_FOUND);
    kill_and_wait(watcher);
    CHECK_STATUS(anqa_pg_demonitor(&workers, ref), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), self), ANQA_OK);
    CHECK_EQ(size_of(&workers, "a"), 1);
    end(rt);
}

/* ---------------------------------------------------------------- the server */

static const anqa_supervisor tree = {.name = "tree",
    .children = (const anqa_child_spec[]){ANQA_PG(&workers), ANQA_PG(&others), {0}}};

static bool has_new_server(void *old)
{
    anqa_pid pid = anqa_whereis("workers");

    return !anqa_pid_is_none(pid) && !anqa_pid_eq(pid, *(anqa_pid *)old);
}

TEST(a_server_that_is_killed_leaves_empty_groups_and_its_successor_begins_anew)
{
    anqa_rt *rt = begin();
    anqa_pid supervisor = {0}, server;

    CHECK_STATUS(anqa_supervisor_start_link(&tree, &supervisor, NULL), ANQA_OK);
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), anqa_self()), ANQA_OK);
    CHECK_STATUS(anqa_pg_monitor(&workers, group("a"), &(anqa_ref){0}, NULL, NULL), ANQA_OK);
    server = anqa_whereis("workers");
    kill_and_wait(server);
    CHECK_EQ(size_of(&workers, "a"), 0);
    CHECK(soon(has_new_server, &server));
    CHECK_STATUS(anqa_pg_join(&workers, group("a"), anqa_self()), ANQA_OK);
    CHECK_EQ(times(&workers, "a", anqa_self()), 1);
    CHECK_STATUS(anqa_supervisor_stop(supervisor, ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
    end(rt);
}

static void join_without_memory(void *arg)
{
    anqa_ref ref;
    anqa_pid server;
    char name[16];

    if (anqa_pg_start_link(&workers, &server, NULL) != ANQA_OK)
        return;
    (void)!anqa_pg_monitor_scope(&workers, &ref, NULL, NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%d", i % 10);
        if (anqa_pg_join(&workers, group(name), anqa_self()) == ANQA_OK)
            CHECK(times(&workers, name, anqa_self()) > 0);
    }
    anqa_exit(ANQA_SHUTDOWN);
}

TEST(without_memory_groups_hold_whom_they_said_and_nothing_is_left)
{
    live_without_memory(join_without_memory);
}
