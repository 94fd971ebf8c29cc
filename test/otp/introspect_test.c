/* Looking at processes and at the system from outside. */
#include "support.h"

#include <anqa/agent.h>
#include <anqa/gen_statem.h>
#include <anqa/introspect.h>
#include <anqa/memory.h>

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static anqa_process_info info_of(anqa_pid pid)
{
    anqa_process_info info = {.name_count = 0};

    CHECK_STATUS(anqa_process_info_get(pid, &info), ANQA_OK);
    return info;
}

static anqa_pid spawned(const anqa_spawn_opts *opts)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(opts, &pid, NULL), ANQA_OK);
    return pid;
}

/* What a process is to be seen as, and by whom. */
struct sight {
    anqa_pid pid;
    anqa_process_status status;
};

static bool is_seen(void *arg)
{
    const struct sight *sight = arg;
    anqa_process_info info;

    return anqa_process_info_get(sight->pid, &info) == ANQA_OK && info.status == sight->status;
}

static void wait_for_status(anqa_pid pid, anqa_process_status status)
{
    struct sight sight = {pid, status};

    CHECK(soon(is_seen, &sight), "status is not %s but %s", anqa_process_status_text(status),
        anqa_process_status_text(info_of(pid).status));
}

/* ---------------------------------------------------------------- one process */

static anqa_next shelf_put(void *state, anqa_msg *msg)
{
    return anqa_noreply();
}

static anqa_next shelf_ask(void *state, anqa_msg *msg)
{
    return anqa_reply_payload(anqa_nothing());
}

static anqa_next shelf_grow(void *state, anqa_msg *msg)
{
    memset(anqa_heap_alloc(100000), 1, 100000);
    return anqa_reply_payload(anqa_nothing());
}

static const anqa_gen_server shelf = {.name = "shelf",
    .label = "top shelf",
    .heap_quota = 1 << 20,
    .priority = ANQA_PRIORITY_HIGH,
    .handle_call = (const anqa_handler[]){{"ask", shelf_ask}, {"grow", shelf_grow}, {0}},
    .handle_cast = (const anqa_handler[]){{"put", shelf_put}, {0}}};

static anqa_pid shelf_start(void)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_gen_server_start_link(&shelf, NULL, NULL, &pid, NULL), ANQA_OK);
    return pid;
}

TEST(a_server_is_seen_with_its_names_kind_parent_and_settings)
{
    anqa_rt *rt = begin();
    anqa_pid pid = shelf_start();
    anqa_process_info info = info_of(pid);

    CHECK(anqa_pid_eq(info.pid, pid));
    CHECK(anqa_pid_eq(info.parent, anqa_self()));
    CHECK_STR(info.label, "top shelf");
    CHECK_EQ(info.name_count, 1);
    CHECK_STR(info.names[0], "shelf");
    CHECK_STR(info.kind, "gen_server");
    CHECK_STR(info.spec, "shelf");
    CHECK_EQ(info.priority, ANQA_PRIORITY_HIGH);
    CHECK_EQ(info.quota, 1 << 20);
    CHECK(info.scheduler >= 1 && info.scheduler <= 2);
    end(rt);
}

TEST(messages_handled_are_counted)
{
    anqa_rt *rt = begin();
    anqa_pid pid = shelf_start();

    for (int i = 0; i < 10; i++)
        anqa_cast(pid, "put", ANQA_JSON_NULL);
    anqa_call(pid, "ask", ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS);
    CHECK_EQ(info_of(pid).handled, 11);
    CHECK_EQ(info_of(pid).mailbox, 0);
    wait_for_status(pid, ANQA_PROCESS_IDLE);
    CHECK(info_of(pid).handling == NULL);
    end(rt);
}

TEST(memory_is_what_the_heap_has_taken)
{
    anqa_rt *rt = begin();
    anqa_pid pid = shelf_start();

    CHECK_EQ(info_of(pid).memory, 0);
    (void)anqa_call_payload(pid, "grow", anqa_nothing(), ANQA_CALL_TIMEOUT_MS);
    CHECK(info_of(pid).memory >= 100000 && info_of(pid).memory < 150000);
    end(rt);
}

static void run_receive(void *state)
{
    while (anqa_receive(ANQA_INFINITY) != NULL)
        ;
}

TEST(links_and_monitors_are_counted_on_both_sides)
{
    anqa_rt *rt = begin();
    anqa_pid pid = spawned(&(anqa_spawn_opts){.run = run_receive, .link = true, .monitor = true});
    anqa_process_info mine = info_of(anqa_self()), its = info_of(pid);
    anqa_ref ref;

    CHECK_EQ(its.links, 1);
    CHECK_EQ(its.monitored_by, 1);
    CHECK_EQ(its.monitors, 0);
    CHECK_EQ(mine.links, 1);
    CHECK_EQ(mine.monitors, 1);
    ref = anqa_monitor(pid);
    CHECK_EQ(info_of(anqa_self()).monitors, 2);
    anqa_demonitor(ref, true);
    anqa_unlink(pid);
    CHECK_EQ(info_of(anqa_self()).monitors, 1);
    CHECK_EQ(info_of(anqa_self()).links, 0);
    kill_and_wait(pid);
    CHECK(expect("DOWN") != NULL);
    CHECK_EQ(info_of(anqa_self()).monitors, 0);
    end(rt);
}

TEST(the_dead_are_no_process)
{
    anqa_rt *rt = begin();
    anqa_pid pid = spawned(&(anqa_spawn_opts){.run = run_receive});
    anqa_process_info info;

    kill_and_wait(pid);
    CHECK_STATUS(anqa_process_info_get(pid, &info), ANQA_E_NOPROC);
    CHECK_STATUS(anqa_process_info_get((anqa_pid){0}, &info), ANQA_E_NOPROC);
    CHECK_STATUS(anqa_process_info_get((anqa_pid){UINT64_MAX}, &info), ANQA_E_NOPROC);
    end(rt);
}

/* ---------------------------------------------------------------- what it waits for */

static void run_sleep(void *state)
{
    anqa_sleep(ANQA_INFINITY);
}

static void run_call(void *state)
{
    (void)anqa_call_payload(*(anqa_pid *)state, "question", anqa_nothing(), ANQA_INFINITY);
}

static void wait_for_pipe(void *job)
{
    char byte;

    CHECK_EQ(read(*(int *)job, &byte, 1), 1);
}

static void run_blocking(void *state)
{
    CHECK_STATUS(anqa_blocking(wait_for_pipe, state, sizeof(int)), ANQA_OK);
    anqa_sleep(ANQA_INFINITY);
}

static _Atomic(bool) spinning;

static void run_spin(void *state)
{
    while (atomic_load_explicit(&spinning, memory_order_relaxed))
        ;
}

TEST(what_a_process_waits_for_is_seen)
{
    anqa_rt *rt = begin();
    anqa_pid receiver = spawned(&(anqa_spawn_opts){.run = run_receive}),
             sleeper = spawned(&(anqa_spawn_opts){.run = run_sleep}),
             caller = spawned(&(anqa_spawn_opts){
                 .run = run_call, .arg = &receiver, .arg_size = sizeof receiver}),
             blocked;
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    blocked =
        spawned(&(anqa_spawn_opts){.run = run_blocking, .arg = &fds[0], .arg_size = sizeof fds[0]});
    wait_for_status(receiver, ANQA_PROCESS_RECEIVE);
    wait_for_status(sleeper, ANQA_PROCESS_SLEEP);
    wait_for_status(caller, ANQA_PROCESS_CALL);
    CHECK(anqa_pid_eq(info_of(caller).waits_for, receiver));
    CHECK_STR(info_of(caller).kind, "run");
    wait_for_status(blocked, ANQA_PROCESS_BLOCKING);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_for_status(blocked, ANQA_PROCESS_SLEEP);
    close(fds[0]);
    close(fds[1]);
    end(rt);
}

TEST(who_hangs_in_a_callback_is_seen_running_with_its_mail_and_who_is_behind_it_runnable)
{
    anqa_rt *rt = begin();
    anqa_pid hanging, behind;

    atomic_store(&spinning, true);
    hanging = spawned(&(anqa_spawn_opts){.run = run_spin, .scheduler = 1, .pinned = true});
    wait_for_status(hanging, ANQA_PROCESS_RUNNING);
    behind = spawned(&(anqa_spawn_opts){.run = run_receive, .scheduler = 1, .pinned = true});
    for (int i = 0; i < 1000; i++)
        CHECK_STATUS(anqa_send(hanging, "letter", anqa_nothing()), ANQA_OK);
    CHECK_EQ(info_of(hanging).mailbox, 1000);
    CHECK_EQ(info_of(behind).status, ANQA_PROCESS_RUNNABLE);
    CHECK_EQ(info_of(hanging).scheduler, 1);
    atomic_store(&spinning, false);
    wait_for_status(behind, ANQA_PROCESS_RECEIVE);
    end(rt);
}

static void slow_init(void *state)
{
    anqa_sleep(ANQA_INFINITY);
}

static void handle_by_sleeping(void *state, const anqa_msg *msg)
{
    anqa_sleep(ANQA_INFINITY);
}

TEST(the_message_that_a_waiting_process_handles_is_named)
{
    static const anqa_behaviour slow = {.name = "slow", .handle = handle_by_sleeping};
    static const anqa_behaviour never = {.init = slow_init, .handle = handle_by_sleeping};
    anqa_rt *rt = begin();
    anqa_pid pid = spawned(&(anqa_spawn_opts){.behaviour = &slow}),
             beginner = spawned(&(anqa_spawn_opts){.behaviour = &never});

    CHECK_STR(info_of(pid).kind, "slow");
    CHECK_STATUS(anqa_send(pid, "heavy_work", anqa_nothing()), ANQA_OK);
    CHECK_STATUS(anqa_send(pid, "more_work", anqa_nothing()), ANQA_OK);
    wait_for_status(pid, ANQA_PROCESS_SLEEP);
    CHECK_STR(info_of(pid).handling, "heavy_work");
    CHECK_EQ(info_of(pid).mailbox, 1);
    wait_for_status(beginner, ANQA_PROCESS_SLEEP);
    CHECK_STR(info_of(beginner).handling, "init");
    end(rt);
}

TEST(an_attached_thread_is_a_thread)
{
    anqa_rt *rt = begin();
    anqa_process_info info = info_of(anqa_self());

    CHECK_STR(info.kind, "thread");
    CHECK_EQ(info.status, ANQA_PROCESS_RUNNING);
    CHECK_EQ(info.scheduler, 0);
    end(rt);
}

/* ---------------------------------------------------------------- kinds */

static const anqa_gen_server box = {.name = "box", ANQA_AGENT};
static anqa_step lamp_any(void *data, const anqa_statem_event *event)
{
    return anqa_keep_state();
}
static const anqa_gen_statem lamp = ANQA_GEN_STATEM(char, .server.name = "lamp", .initial = "off",
    .rows = (const anqa_statem_row[]){{.run = lamp_any}, {0}});
static const anqa_dynamic_supervisor lamps = {.name = "lamps", .child = {.server = &shelf}};
static const anqa_supervisor house = {.name = "house",
    .children = (const anqa_child_spec[]){
        {.server = &box}, {.server = &lamp.server}, {.dynamic_supervisor = &lamps}, {0}}};

TEST(each_kind_of_process_is_named)
{
    static const struct {
        const char *name, *kind;
    } rows[] = {{"box", "agent"}, {"lamp", "gen_statem"}, {"lamps", "dynamic_supervisor"},
        {"house", "supervisor"}};
    anqa_rt *rt = begin();
    anqa_process_info info;
    anqa_pid pid;

    CHECK_STATUS(anqa_supervisor_start_link(&house, NULL, NULL), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(rows); i++) {
        CHECK_STATUS(anqa_process_find(anqa_str_of(rows[i].name), &pid), ANQA_OK);
        info = info_of(pid);
        CHECK_STR(info.kind, rows[i].kind);
        CHECK_STR(info.spec, rows[i].name);
    }
    end(rt);
}

TEST(a_process_is_found_by_the_text_of_its_pid_or_by_its_name)
{
    anqa_rt *rt = begin();
    anqa_pid pid = shelf_start(), found;
    char text[ANQA_PID_TEXT];
    static const char *const wrong[] = {"", "<>", "<0.1>", "0.1.", "0..1", "<0.1.2", "0.1.2>",
        "256.1.2", "0.16777216.1", "0.1.4294967296", "0.1.99999999999999999999", "shelves"};

    anqa_pid_text(pid, text);
    CHECK_STATUS(anqa_process_find(anqa_str_of(text), &found), ANQA_OK);
    CHECK(anqa_pid_eq(found, pid));
    CHECK_STATUS(anqa_process_find(anqa_str_make(text + 1, strlen(text) - 2), &found), ANQA_OK);
    CHECK(anqa_pid_eq(found, pid));
    CHECK_STATUS(anqa_process_find(anqa_str_of("shelf"), &found), ANQA_OK);
    CHECK(anqa_pid_eq(found, pid));
    for (size_t i = 0; i < ANQA_COUNT(wrong); i++)
        CHECK_STATUS(
            anqa_process_find(anqa_str_of(wrong[i]), &found), ANQA_E_NOT_FOUND, "%s", wrong[i]);
    end(rt);
}

/* ---------------------------------------------------------------- lists */

static size_t list(const anqa_process_list_opts *opts, anqa_process_info **ret_infos)
{
    size_t count = 0;

    CHECK_STATUS(anqa_process_list(opts, ret_infos, &count), ANQA_OK);
    return count;
}

static const anqa_behaviour idler = {.name = "idler", .handle = handle_by_sleeping};

TEST(a_list_is_sorted_by_mailbox_with_the_largest_first_and_cut_to_its_limit)
{
    anqa_rt *rt = begin();
    anqa_process_info *infos;
    anqa_pid pids[20];

    atomic_store(&spinning, true);
    for (unsigned i = 0; i < ANQA_COUNT(pids); i++) {
        pids[i] = spawned(&(anqa_spawn_opts){.behaviour = &idler});
        for (unsigned j = 0; j < (i * 7) % ANQA_COUNT(pids); j++)
            (void)anqa_send(pids[i], "letter", anqa_nothing());
    }
    for (unsigned i = 0; i < ANQA_COUNT(pids); i++)
        if (i != 0)
            wait_for_status(pids[i], ANQA_PROCESS_SLEEP);
    CHECK_EQ(list(&(anqa_process_list_opts){.sort = ANQA_SORT_MAILBOX, .limit = 5}, &infos), 5);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(infos[i].mailbox, 18 - i); /* one is being handled */
    end(rt);
}

TEST(a_list_is_sorted_by_messages_handled)
{
    anqa_rt *rt = begin();
    anqa_process_info *infos;
    anqa_pid pid = shelf_start();

    for (int i = 0; i < 50; i++)
        anqa_cast(pid, "put", ANQA_JSON_NULL);
    anqa_call(pid, "ask", ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS);
    CHECK_EQ(list(&(anqa_process_list_opts){.sort = ANQA_SORT_HANDLED, .limit = 1}, &infos), 1);
    CHECK(anqa_pid_eq(infos[0].pid, pid));
    CHECK_STR(infos[0].names[0], "shelf");
    end(rt);
}

TEST(a_list_is_sorted_by_memory)
{
    anqa_rt *rt = begin();
    anqa_process_info *infos;
    anqa_pid pid = shelf_start();

    (void)anqa_call_payload(pid, "grow", anqa_nothing(), ANQA_CALL_TIMEOUT_MS);
    CHECK_EQ(list(&(anqa_process_list_opts){.sort = ANQA_SORT_MEMORY, .limit = 1}, &infos), 1);
    CHECK(anqa_pid_eq(infos[0].pid, pid));
    end(rt);
}

TEST(a_list_goes_on_behind_a_process_that_has_died)
{
    enum { ALL = 1000, PAGE = 64 };
    anqa_rt *rt = begin();
    anqa_process_list_opts opts = {.limit = PAGE, .kind = "idler"};
    anqa_process_info *infos;
    size_t seen = 0, count;

    for (unsigned i = 0; i < ALL; i++)
        (void)spawned(&(anqa_spawn_opts){.behaviour = &idler});
    while ((count = list(&opts, &infos)) > 0) {
        for (size_t i = 0; i < count; i++)
            CHECK(i == 0 || infos[i - 1].pid.bits < infos[i].pid.bits);
        seen += count;
        opts.after = infos[count - 1].pid;
        kill_and_wait(opts.after);
    }
    CHECK_EQ(seen, ALL);
    end(rt);
}

TEST(a_list_of_100_if_no_limit_is_said_and_none_that_is_over_the_limit)
{
    anqa_rt *rt = begin();
    anqa_process_info *infos;
    size_t count;

    for (unsigned i = 0; i < 150; i++)
        (void)spawned(&(anqa_spawn_opts){.behaviour = &idler});
    CHECK_EQ(list(NULL, &infos), 100);
    CHECK_STATUS(anqa_process_list(
                     &(anqa_process_list_opts){.limit = ANQA_PROCESS_LIST_MAX + 1}, &infos, &count),
        ANQA_E_RANGE);
    CHECK_STATUS(
        anqa_process_list(&(anqa_process_list_opts){.sort = ANQA_SORT_HANDLED + 1}, &infos, &count),
        ANQA_E_INVALID);
    CHECK_STATUS(
        anqa_process_list(&(anqa_process_list_opts){.sort = ANQA_SORT_MEMORY, .after = anqa_self()},
            &infos, &count),
        ANQA_E_INVALID);
    end(rt);
}

TEST(a_hundred_thousand_processes_are_listed_in_slices_between_which_others_run)
{
    enum { MANY = 100000 };
    anqa_rt *rt = begin();
    anqa_process_list_opts opts = {.limit = ANQA_PROCESS_LIST_MAX, .kind = "idler"};
    anqa_process_info *infos;
    size_t seen = 0, count;

    for (unsigned i = 0; i < MANY; i++)
        (void)spawned(&(anqa_spawn_opts){.behaviour = &idler});
    while ((count = list(&opts, &infos)) > 0) {
        seen += count;
        opts.after = infos[count - 1].pid;
        (void)anqa_receive(0); /* ends the event, and with it this part of the list */
    }
    CHECK_EQ(seen, MANY);
    end(rt);
}

/* Counts its turns in `state` while somebody else on the same scheduler makes a list. */
static void run_turns(void *state)
{
    _Atomic(uint32_t) *turns = *(_Atomic(uint32_t) **)state;

    for (;;) {
        atomic_fetch_add_explicit(turns, 1, memory_order_relaxed);
        anqa_yield();
    }
}

static void run_list(void *state)
{
    _Atomic(uint32_t) *turns = *(_Atomic(uint32_t) **)state;
    uint32_t before = atomic_load_explicit(turns, memory_order_relaxed);
    anqa_process_info *infos;

    CHECK_EQ(list(&(anqa_process_list_opts){.sort = ANQA_SORT_MAILBOX, .limit = 10}, &infos), 10);
    CHECK(atomic_load_explicit(turns, memory_order_relaxed) - before >= 50);
}

TEST(a_list_lets_others_on_its_scheduler_have_their_turns)
{
    static _Atomic(uint32_t) count;
    _Atomic(uint32_t) *turns = &count;
    anqa_rt *rt = begin();
    anqa_ref ref;

    for (unsigned i = 0; i < 10000; i++)
        (void)spawned(&(anqa_spawn_opts){.behaviour = &idler});
    (void)spawned(&(anqa_spawn_opts){
        .run = run_turns, .arg = &turns, .arg_size = sizeof turns, .scheduler = 1, .pinned = true});
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = run_list,
                                .arg = &turns,
                                .arg_size = sizeof turns,
                                .scheduler = 1,
                                .pinned = true,
                                .monitor = true},
                     NULL, &ref),
        ANQA_OK);
    CHECK_EQ(
        anqa_reason_get_kind(anqa_receive_ref(ref, ANQA_INFINITY)->u.reason), ANQA_REASON_NORMAL);
    end(rt);
}

/* ---------------------------------------------------------------- births */

/* Guests who have been seen, and whom a greeting has reached; how many come in all, once that is known. */
static _Atomic(uint32_t) met, greeted, guests = UINT32_MAX;

static void hear_greeting(void *state, const anqa_msg *msg)
{
    CHECK_STR(msg->tag, "welcome");
    atomic_fetch_add_explicit(&greeted, 1, memory_order_relaxed);
}

static const anqa_behaviour guest = {.name = "guest", .handle = hear_greeting};

/* Greets each guest as soon as it is seen. */
static void run_greeter(void *state)
{
    anqa_process_list_opts opts = {.limit = 1, .kind = "guest"};
    anqa_process_info *infos;

    while (atomic_load_explicit(&met, memory_order_relaxed) <
           atomic_load_explicit(&guests, memory_order_relaxed)) {
        if (list(&opts, &infos) == 1) {
            CHECK_STATUS(anqa_send(infos->pid, "welcome", anqa_nothing()), ANQA_OK);
            opts.after = infos->pid;
            atomic_fetch_add_explicit(&met, 1, memory_order_relaxed);
        }
        (void)anqa_receive(0); /* ends the event, and with it the list */
    }
}

static bool all_are_greeted(void *arg)
{
    return atomic_load_explicit(&greeted, memory_order_relaxed) == atomic_load(&guests);
}

TEST(a_process_that_is_being_spawned_is_not_seen_until_messages_reach_it)
{
    enum { MANY = 50000, SEARCH_MS = 1000 };
    anqa_rt *rt = begin();
    anqa_pid greeter = spawned(&(anqa_spawn_opts){.run = run_greeter});
    uint64_t end_ms = anqa_now_ms() + SEARCH_MS;
    uint32_t count = 0;

    while (count < MANY && anqa_now_ms() < end_ms && anqa_is_alive(greeter)) {
        if (atomic_load_explicit(&met, memory_order_relaxed) < count)
            continue; /* it shall look for the next one, whose slot nobody has had before */
        (void)spawned(&(anqa_spawn_opts){.behaviour = &guest});
        count++;
    }
    atomic_store(&guests, count);
    (void)end_of(greeter);
    CHECK_EQ(atomic_load(&met), count);
    CHECK(soon(all_are_greeted, NULL), "%u of %u", atomic_load(&greeted), count);
    end(rt);
}

/* ---------------------------------------------------------------- storms */

static void run_briefly(void *state)
{
    anqa_set_label("brief");
    if (anqa_register(anqa_tmp_printf("brief %llu", (unsigned long long)anqa_self().bits)) ==
        ANQA_OK)
        memset(anqa_heap_alloc(100), 0, 100);
}

static void run_spawner(void *state)
{
    static const anqa_gen_server brief = {.name = NULL, .label = "brief server"};
    anqa_pid pid;

    for (;;) {
        (void)spawned(&(anqa_spawn_opts){.run = run_briefly, .link = true});
        CHECK_STATUS(anqa_gen_server_start(&brief, NULL, NULL, &pid, NULL), ANQA_OK);
        anqa_exit_signal(pid, ANQA_KILL);
        anqa_yield();
    }
}

/* What was seen is of one life of one process. */
static void check_sane(const anqa_process_info *info)
{
    bool is_server = strcmp(info->kind, "gen_server") == 0;

    if (strcmp(info->label, "brief server") == 0)
        CHECK(is_server);
    if (strcmp(info->label, "brief") == 0)
        CHECK_STR(info->kind, "run");
    CHECK(info->status < ANQA_PROCESS_STATUS_COUNT_);
    CHECK(info->priority <= ANQA_PRIORITY_MAX);
    CHECK(info->mailbox < 10000, "%u", info->mailbox);
    CHECK(info->links < 100000, "%u", info->links);
    for (size_t i = 0; i < info->name_count; i++)
        CHECK_STR(anqa_str_make(info->names[i].ptr, 5), "brief");
}

TEST(processes_that_die_while_they_are_listed_are_seen_whole_or_not_at_all)
{
    anqa_rt *rt = begin();
    anqa_pid spawners[4];
    anqa_process_info *infos;

    for (size_t i = 0; i < ANQA_COUNT(spawners); i++)
        spawners[i] = spawned(&(anqa_spawn_opts){.run = run_spawner});
    for (int i = 0; i < 300; i++) {
        size_t count = list(&(anqa_process_list_opts){.limit = 1000,
                                .sort = (anqa_process_sort)(i % (ANQA_SORT_HANDLED + 1))},
            &infos);
        for (size_t j = 0; j < count; j++)
            check_sane(&infos[j]);
        (void)anqa_receive(0);
    }
    for (size_t i = 0; i < ANQA_COUNT(spawners); i++)
        kill_and_wait(spawners[i]);
    end(rt);
}

/* ---------------------------------------------------------------- the system */

TEST(the_system_is_seen_with_its_schedulers_processes_and_memory)
{
    anqa_rt *rt = begin();
    anqa_system_info info, later;

    (void)shelf_start();
    anqa_system_info_get(&info);
    CHECK_EQ(info.scheduler_count, 2);
    CHECK_EQ(info.processes, 2);
    CHECK_EQ(info.process_limit, 1048576);
    CHECK_EQ(info.names, 1);
    CHECK(info.tables >= 1);
    CHECK(info.resident_bytes > 0 && info.uptime_ns > 0);
    CHECK(!info.tainted);
    (void)spawned(&(anqa_spawn_opts){.run = run_sleep});
    anqa_system_info_get(&later);
    CHECK_EQ(later.spawned, info.spawned + 1);
    CHECK(later.uptime_ns >= info.uptime_ns);
    CHECK(strstr(anqa_system_text().ptr, "schedulers=2") != NULL);
    end(rt);
}

TEST(what_is_seen_is_written_as_json)
{
    anqa_rt *rt = begin();
    anqa_pid pid = shelf_start();
    anqa_process_info seen;
    anqa_system_info system;
    anqa_json json, schedulers;
    anqa_json_writer w;
    char text[ANQA_PID_TEXT];

    wait_for_status(pid, ANQA_PROCESS_IDLE);
    seen = info_of(pid);
    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_process_info_put(&w, &seen);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_STR(anqa_json_str(json, "pid"), anqa_pid_text(pid, text));
    CHECK_STR(anqa_json_str(json, "priority"), "high");
    CHECK_STR(anqa_json_str(json, "status"), "idle");
    CHECK_EQ(anqa_json_int(json, "quota", 0), 1 << 20);
    anqa_system_info_get(&system);
    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_system_info_put(&w, NULL, &system);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_EQ(anqa_json_int(json, "processes", 0), 2);
    CHECK_EQ(anqa_json_int(json, "process_limit", 0), 1048576);
    CHECK(!anqa_json_bool(json, "tainted", true));
    CHECK_STATUS(anqa_json_get(json, "schedulers", &schedulers), ANQA_OK);
    CHECK_STATUS(anqa_json_at(schedulers, 1, &json), ANQA_OK);
    CHECK_EQ(anqa_json_int(json, "scheduler", 0), 2);
    end(rt);
}

TEST(a_scheduler_that_works_is_busy_and_one_that_has_nothing_to_do_is_not)
{
    anqa_rt *rt = begin();
    anqa_system_info before, now;
    anqa_pid pid;

    atomic_store(&spinning, true);
    pid = spawned(&(anqa_spawn_opts){.run = run_spin, .scheduler = 1, .pinned = true});
    wait_for_status(pid, ANQA_PROCESS_RUNNING);
    anqa_system_info_get(&before);
    anqa_sleep(50);
    anqa_system_info_get(&now);
    CHECK(anqa_system_busy(&before, &now, 0) > 0.9);
    CHECK(anqa_system_busy(&before, &now, 1) < 0.5);
    CHECK(anqa_pid_eq(now.schedulers[0].current, pid));
    atomic_store(&spinning, false);
    end(rt);
}

/* Spawns seven on its own scheduler and then holds it. */
static void run_spawn_and_spin(void *state)
{
    for (int i = 0; i < 7; i++)
        (void)spawned(&(anqa_spawn_opts){.run = run_receive, .pinned = true, .scheduler = 1});
    anqa_set_label("spawned");
    run_spin(NULL);
}

static bool is_labelled(void *arg)
{
    return strcmp(info_of(*(anqa_pid *)arg).label, "spawned") == 0;
}

TEST(those_who_wait_for_their_turn_are_counted_in_the_run_queue)
{
    anqa_rt *rt = begin();
    anqa_system_info info;
    anqa_pid pid;

    atomic_store(&spinning, true);
    pid = spawned(&(anqa_spawn_opts){.run = run_spawn_and_spin, .scheduler = 1, .pinned = true});
    CHECK(soon(is_labelled, &pid));
    anqa_system_info_get(&info);
    CHECK_EQ(info.schedulers[0].run_queue, 7);
    atomic_store(&spinning, false);
    end(rt);
}

static void look_without_memory(void *arg)
{
    anqa_process_info *infos, info;
    size_t count;

    CHECK_STATUS(anqa_process_list(NULL, &infos, &count), ANQA_OK);
    CHECK_EQ(count, 1);
    CHECK_STATUS(anqa_process_info_get(anqa_self(), &info), ANQA_OK);
}

TEST(without_memory_who_looks_ends_and_nothing_is_left)
{
    live_without_memory(look_without_memory);
}
