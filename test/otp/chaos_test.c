/* All of this area at once, while its processes are killed at random: nobody hangs, nothing is left. */
#include "support.h"

#include <anqa/agent.h>
#include <anqa/introspect.h>
#include <anqa/partition_supervisor.h>
#include <anqa/pg.h>
#include <anqa/registry.h>
#include <anqa/retry.h>
#include <anqa/table.h>
#include <anqa/task.h>

#include <stdatomic.h>
#include <string.h>

#define STEPS 1000
#define ROOMS 20
#define STUCK_MS 10000

static atomic_uint seed_now, steps_done;

static uint32_t roll(uint32_t below)
{
    uint32_t x = atomic_fetch_add(&seed_now, 0x9e3779b9u);

    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x % below;
}

/* ---------------------------------------------------------------- the town */

static anqa_next room_ask(void *state, anqa_msg *msg)
{
    switch (roll(40)) {
    case 0: return anqa_stop_with(anqa_error_reason("tired"));
    case 1: anqa_sleep(roll(20)); break;
    case 2: anqa_exit(anqa_error_reason("crash"));
    case 3: return anqa_stop_with(ANQA_NORMAL);
    default: break;
    }
    return anqa_reply(ANQA_JSON_TRUE);
}

static anqa_next room_gift(void *state, anqa_msg *msg)
{
    anqa_table_gift gift;

    if (anqa_table_transfer(msg, &gift) && roll(2) == 0)
        (void)anqa_table_free(gift.table);
    return anqa_noreply();
}

static anqa_json room_format(void *state)
{
    return anqa_jsonf("{'room': 1}");
}

static const anqa_gen_server room_server = {.name = NULL,
    .state_size = 8,
    .format_status = room_format,
    .handle_call = (const anqa_handler[]){{"ask", room_ask}, {0}},
    .handle_info = (const anqa_handler[]){{"ETS-TRANSFER", room_gift}, {0}}};
static const anqa_dynamic_supervisor rooms = {.name = "rooms",
    .max_restarts = 100000,
    .child = {.server = &room_server, .restart = ANQA_TRANSIENT, .shutdown_ms = 100}};
static const anqa_dynamic_supervisor jobs = {
    .name = "jobs", .max_children = 50, .child = ANQA_TASK_CHILD};
static const anqa_partition_supervisor shards = {
    .name = "shards", .partitions = 3, .max_restarts = 100000, .child = {.server = &room_server}};
static const anqa_gen_server pair_server = {
    .state_size = 8, .handle_call = (const anqa_handler[]){{"ask", room_ask}, {0}}};
static const anqa_supervisor brief = {.name = "brief",
    .strategy = ANQA_ONE_FOR_ALL,
    .max_restarts = 100000,
    .auto_shutdown = ANQA_ANY_SIGNIFICANT,
    .children = (const anqa_child_spec[]){
        {.id = "a", .server = &pair_server, .restart = ANQA_TRANSIENT, .significant = true},
        {.id = "b", .server = &pair_server, .restart = ANQA_TRANSIENT, .significant = true}, {0}}};
static const anqa_registry keys = {.name = "keys"};
static const anqa_registry many = {.name = "many", .keys = ANQA_KEYS_DUPLICATE};
static const anqa_pg groups = {.name = "groups"};
static const anqa_breaker fuse = {.name = "fuse", .failures = 2, .open_ms = 3, .window_ms = 50};

/* ---------------------------------------------------------------- what actors do */

static anqa_str room_name(void)
{
    return anqa_str_of(anqa_tmp_printf("room %u", roll(ROOMS)));
}

static anqa_pid some_room(void)
{
    anqa_pid pid = {0};

    if (anqa_ensure_child_pid(&rooms, room_name(), NULL, &pid, NULL) != ANQA_OK)
        return (anqa_pid){0};
    return pid;
}

static anqa_pid somebody(void)
{
    anqa_process_info *infos;
    size_t count;

    CHECK_STATUS(
        anqa_process_list(
            &(anqa_process_list_opts){.kind = roll(4) == 0 ? "run" : "gen_server", .limit = 200},
            &infos, &count),
        ANQA_OK);
    return count == 0 ? (anqa_pid){0} : infos[roll((uint32_t)count)].pid;
}

static bool is_ours(anqa_pid pid)
{
    anqa_process_info info;

    return anqa_process_info_get(pid, &info) == ANQA_OK &&
           (strncmp(info.label, "actor", 5) == 0 || info.spec == NULL || info.spec[0] == '\0') &&
           strcmp(info.kind, "thread") != 0;
}

static void kill_somebody(void)
{
    anqa_pid pid = roll(3) == 0 ? somebody() : anqa_child_pid(&rooms, room_name());

    if (anqa_pid_is_none(pid) || !is_ours(pid) || anqa_pid_eq(pid, anqa_parent()))
        return;
    anqa_exit_signal(pid, roll(2) == 0 ? ANQA_KILL : anqa_error_reason("chaos"));
}

static anqa_payload job(void *arg)
{
    switch (roll(5)) {
    case 0: anqa_sleep(roll(30)); break;
    case 1: anqa_exit(anqa_error_reason("job"));
    case 2: (void)some_room(); break;
    default: break;
    }
    return anqa_text(anqa_jsonf("1"));
}

static bool next_item(void *source, void *ret_arg)
{
    uint32_t *left = source;

    return (*left)-- > 0;
}

static void run_tasks(void)
{
    uint32_t items = roll(30);
    anqa_task_stream *stream;
    anqa_task_item item;
    anqa_task task;

    if (roll(2) == 0) {
        stream = anqa_task_stream_open(&(anqa_task_stream_opts){.run = job,
            .next = next_item,
            .source = &items,
            .supervisor = anqa_whereis("jobs"),
            .nolink = true});
        while (anqa_task_stream_next(stream, &item) && roll(20) != 0)
            ;
        anqa_task_stream_close(stream);
        return;
    }
    if (anqa_task_async_nolink(anqa_whereis("jobs"), job, NULL, 0, &task, NULL) != ANQA_OK)
        return;
    if (anqa_task_yield(&task, roll(5)) == NULL)
        (void)anqa_task_shutdown(&task, roll(3));
}

static void trace_somebody(void)
{
    anqa_pid pid = somebody();
    anqa_ref trace;
    uint32_t left = roll(50);

    if (anqa_trace(pid, &(anqa_trace_opts){.limit = 1 + roll(20), .body = 16}, &trace) != ANQA_OK)
        return;
    while (left-- > 0) {
        const anqa_msg *msg = anqa_receive_ref(trace, 1);
        if (msg == NULL || anqa_trace_event_of(msg)->kind == ANQA_TRACE_ENDED)
            break;
    }
    if (roll(2) == 0)
        (void)anqa_trace_stop(trace);
}

static void use_tables(void)
{
    anqa_table table;
    anqa_pid heir = some_room();

    if (anqa_table_new(&(anqa_table_spec){.name = "t", .row_size = 8}, &table) != ANQA_OK)
        return;
    for (uint64_t i = 0; i < 10; i++)
        CHECK_STATUS(anqa_table_insert(table, anqa_key_int((int64_t)i), &i), ANQA_OK);
    (void)!anqa_table_set_heir(table, heir, anqa_str_of("data"));
    switch (roll(4)) {
    case 0: (void)!anqa_table_give_away(table, some_room(), anqa_str_of("x")); break;
    case 1: anqa_exit_signal(heir, ANQA_KILL); break;
    case 2: (void)anqa_table_free(table); break;
    default: break;
    }
    if (roll(4) == 0) {
        if (roll(2) == 0)
            anqa_exit_signal(heir, ANQA_KILL);
        anqa_exit(anqa_error_reason("with a table"));
    }
}

static anqa_status try_something(void *arg, anqa_error *err)
{
    uint32_t what = roll(6);

    if (what == 0)
        anqa_exit(anqa_error_reason("in a breaker"));
    if (what == 1)
        anqa_sleep(roll(4));
    return what < 4 ? anqa_fail(err, ANQA_E_IO, "no") : ANQA_OK;
}

static void look_around(void)
{
    anqa_pid pid = some_room();
    anqa_json json;

    switch (roll(6)) {
    case 0: (void)anqa_tree_text(anqa_whereis("town")); break;
    case 1: (void)!anqa_sys_get_state(pid, 20, &json, NULL); break;
    case 2:
        if (anqa_sys_suspend(pid, 20, NULL) == ANQA_OK) {
            anqa_sleep(roll(3));
            (void)!anqa_sys_resume(pid, 20, NULL);
        }
        break;
    case 3: (void)!anqa_sys_log(pid, roll(10), 20, NULL); break;
    case 4: (void)!anqa_sys_count(pid, roll(2) == 0, 20, NULL); break;
    default: (void)!anqa_tree_json(anqa_whereis("town"), NULL, &json); break;
    }
}

static void use_names(void)
{
    anqa_json text = anqa_jsonf("{'n': %u}", roll(100));
    anqa_str key = room_name();
    anqa_pid *pids;
    size_t count;

    (void)!anqa_registry_register(&keys, key, text, NULL);
    (void)!anqa_registry_register(&many, key, text, NULL);
    (void)!anqa_pg_join(&groups, key, roll(2) == 0 ? anqa_self() : some_room());
    anqa_pg_members(&groups, key, &pids, &count);
    (void)anqa_registry_unregister(&keys, room_name());
    (void)anqa_registry_unregister(&many, room_name());
    (void)anqa_pg_leave(&groups, room_name(), anqa_self());
}

static void ask_somebody(void)
{
    anqa_pid pid = roll(3) == 0 ? anqa_partition_pid_int(&shards, roll(10)) : some_room();
    anqa_json answer;
    anqa_pid brief_pid;

    if (roll(10) == 0 && anqa_supervisor_start_link(&brief, &brief_pid, NULL) == ANQA_OK)
        anqa_exit_signal(brief_pid, roll(2) == 0 ? ANQA_KILL : ANQA_SHUTDOWN);
    (void)!anqa_try_call(pid, "ask", ANQA_JSON_NULL, 1 + roll(30), &answer, NULL);
}

static void act(void *arg)
{
    anqa_trap_exit(roll(2) == 0);
    for (;;) {
        uint32_t what = roll(9);
        atomic_fetch_add(&steps_done, 1);
        switch (what) {
        case 0: kill_somebody(); break;
        case 1: run_tasks(); break;
        case 2: trace_somebody(); break;
        case 3: use_tables(); break;
        case 4: (void)!anqa_breaker_call(&fuse, try_something, NULL, NULL); break;
        case 5: look_around(); break;
        case 6: use_names(); break;
        default: ask_somebody(); break;
        }
        (void)anqa_receive(0); /* ends the event */
        while (anqa_receive(0) != NULL)
            ;
    }
}

static void fail_with_tree(anqa_pid top)
{
    anqa_str text = anqa_tree_text(top);

    CHECK(false, "nothing goes on:\n%.*s", ANQA_FMT(text));
}

#define ACTOR(n) {.id = "actor" #n, .run = act, .restart = ANQA_PERMANENT, .shutdown_ms = 500}

static const anqa_supervisor town = {.name = "town",
    .max_restarts = 1000000,
    .max_seconds = 1,
    .children = (const anqa_child_spec[]){{.dynamic_supervisor = &rooms},
        {.dynamic_supervisor = &jobs}, {.partition_supervisor = &shards}, ANQA_PG(&groups),
        ACTOR(1), ACTOR(2), ACTOR(3), ACTOR(4), ACTOR(5), ACTOR(6), {0}}};

TEST(whatever_is_killed_at_whatever_moment_nobody_hangs_and_nothing_is_left, .timeout_ms = 120000)
{
    anqa_rt *rt = begin();
    uint64_t moved_ms = anqa_now_ms();
    unsigned before = 0, now;
    anqa_pid pid;

    atomic_store(&seed_now, (unsigned)harness_random());
    CHECK_STATUS(anqa_supervisor_start_link(&town, &pid, NULL), ANQA_OK);
    while ((now = atomic_load(&steps_done)) < STEPS) {
        CHECK(anqa_is_alive(pid));
        anqa_sleep(20);
        if (now != before)
            moved_ms = anqa_now_ms();
        else if (anqa_now_ms() - moved_ms > STUCK_MS * harness_slowness())
            fail_with_tree(pid);
        before = now;
    }
    CHECK_STATUS(anqa_supervisor_stop(pid, ANQA_NORMAL, 60000), ANQA_OK);
    end(rt);
}
