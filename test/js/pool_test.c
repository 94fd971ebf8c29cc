/* Pools of JavaScript processes. */
#include "support.h"

static const anqa_js_script page = ANQA_JS_SCRIPT(.name = "page",
    .source = "let n = 0;\n"
              "export function count() { return ++n; }\n"
              "export function add(a, b) { return a + b; }\n"
              "export function fail() { throw new RangeError('no page'); }\n"
              "export function crash() { Beam.exit('crashed'); }\n"
              "export function never() { return new Promise(() => {}); }\n"
              "export function id() { return String(Beam.self()); }\n",
    .limits = {.turn_ms = 200});

static const anqa_registry names = {.name = "pool names"};
static const anqa_js_pool two = ANQA_JS_POOL("two", .script = &page, .size = 2, .waiting = 3);
static const anqa_js_pool one = ANQA_JS_POOL("one", .script = &page, .size = 1);
static const anqa_js_pool fresh = ANQA_JS_POOL("fresh", .script = &page, .size = 1, .fresh = true);
static const anqa_js_pool idle = ANQA_JS_POOL(NULL, .script = &page, .lazy = true);

static anqa_pid start(const anqa_js_pool *pool)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_pool_start_link(pool, NULL, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

static const char *run(anqa_pid pool, const char *function, const char *args, uint32_t timeout_ms)
{
    anqa_json json = {NULL, 0};
    anqa_js_error error = {0};
    anqa_error err = {.text = ""};
    anqa_status status = anqa_js_pool_run_json(
        pool, function, anqa_json_of(anqa_str_of(args)), timeout_ms, &json, &error, &err);

    if (status == ANQA_OK)
        return anqa_tmp_printf("%.*s", ANQA_FMT(json));
    if (status != ANQA_E_SCRIPT)
        return anqa_tmp_printf("%s", anqa_status_name(status));
    return anqa_tmp_printf("%.*s: %.*s", ANQA_FMT(error.name), ANQA_FMT(error.message));
}

static anqa_js_pool_info info_of(anqa_pid pool)
{
    anqa_js_pool_info info = {0};

    CHECK_STATUS(anqa_js_pool_get_info(pool, LONG_MS, &info, NULL), ANQA_OK);
    return info;
}

static anqa_pid borrow(anqa_pid pool)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_pool_checkout(pool, LONG_MS, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

TEST(a_pool_runs_functions_in_its_processes)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pool = start(&two);
    anqa_value value = {NULL, 0};

    CHECK_EQ(info_of(pool).idle, 2);
    CHECK_STR(run(anqa_whereis("two"), "add", "[1, 2]", LONG_MS), "3");
    CHECK_STR(run(pool, "fail", "[]", LONG_MS), "RangeError: no page");
    CHECK_STR(
        run(pool, "nothing", "[]", LONG_MS), "ReferenceError: no function 'nothing' is exported");
    CHECK_STATUS(anqa_js_pool_run(pool, "count", NULL, LONG_MS, &value, NULL, NULL), ANQA_OK);
    CHECK_STR(js_show(value), "1");
    CHECK_STR(run(pool, "count", "[]", LONG_MS), "2"); /* state stays */
    CHECK_EQ(info_of(pool).busy, 0);
    CHECK_EQ(info_of(pool).lent, 5);
    CHECK_EQ(info_of(pool).started, 2);
    js_end(rt);
}

TEST(a_lazy_pool_of_no_size_starts_up_to_ten_as_they_are_needed)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&idle), pids[10];

    CHECK_EQ(info_of(pool).size, 10);
    CHECK_EQ(info_of(pool).started, 0);
    for (int i = 0; i < 10; i++)
        pids[i] = borrow(pool);
    CHECK_EQ(info_of(pool).started, 10);
    CHECK_STATUS(anqa_js_pool_checkout(pool, 1, &pids[0], NULL), ANQA_E_TIMEOUT);
    anqa_js_pool_checkin(pool, pids[4]);
    CHECK(anqa_pid_eq(borrow(pool), pids[4]));
    CHECK_EQ(info_of(pool).started, 10);
    js_end(rt);
}

TEST(a_process_is_lent_to_one_at_a_time)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&two), a = borrow(pool), b = borrow(pool), c = {0};
    anqa_error err = {.text = ""};

    CHECK(!anqa_pid_eq(a, b));
    CHECK_STATUS(anqa_js_pool_checkout(pool, 20, &c, &err), ANQA_E_TIMEOUT);
    CHECK_STR(err.text, "all processes are out");
    CHECK_STATUS(anqa_js_pool_checkout(pool, 0, &c, &err), ANQA_E_TIMEOUT);
    CHECK_EQ(info_of(pool).waiting, 0);
    anqa_js_pool_checkin(pool, a);
    anqa_js_pool_checkin(pool, a); /* twice is once */
    CHECK(anqa_pid_eq(borrow(pool), a));
    CHECK_STATUS(anqa_js_pool_checkout(pool, 20, &c, &err), ANQA_E_TIMEOUT);
    js_end(rt);
}

struct waiting {
    anqa_pid pool, tester;
    uint32_t number, timeout_ms;
};

/* Borrows, says so, and gives back. */
static void wait_in_line(void *arg)
{
    const struct waiting *w = arg;
    anqa_pid pid = {0};
    anqa_status status = anqa_js_pool_checkout(w->pool, w->timeout_ms, &pid, NULL);
    uint32_t said[2] = {w->number, (uint32_t)status};

    (void)anqa_send(w->tester, "turn", anqa_bytes(said, sizeof said));
    if (status == ANQA_OK)
        anqa_js_pool_checkin(w->pool, pid);
}

static anqa_pid line_up(anqa_pid pool, uint32_t number, uint32_t timeout_ms)
{
    struct waiting w = {pool, anqa_self(), number, timeout_ms};
    anqa_pid pid = {0};
    uint32_t before = info_of(pool).waiting;

    CHECK_STATUS(
        anqa_spawn(
            &(anqa_spawn_opts){.run = wait_in_line, .arg = &w, .arg_size = sizeof w}, &pid, NULL),
        ANQA_OK);
    while (info_of(pool).waiting == before)
        anqa_sleep(1);
    return pid;
}

static bool is_turn(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "turn");
}

/* What the next one says. */
static const char *next_turn(void)
{
    const anqa_msg *msg = anqa_receive_if(is_turn, NULL, LONG_MS);
    uint32_t said[2];

    CHECK(msg != NULL && msg->body.len == sizeof said);
    memcpy(said, msg->body.ptr, sizeof said);
    return anqa_tmp_printf("%u %s", said[0], anqa_status_name((anqa_status)said[1]));
}

TEST(who_waits_is_served_in_order_and_as_many_wait_as_may)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&two), a = borrow(pool), c = {0};
    anqa_error err = {.text = ""};

    (void)borrow(pool);
    for (uint32_t i = 0; i < 3; i++)
        (void)line_up(pool, i, ANQA_INFINITY);
    CHECK_STATUS(anqa_js_pool_checkout(pool, LONG_MS, &c, &err), ANQA_E_FULL);
    CHECK_STR(err.text, "all processes are out, and 3 wait for one");
    anqa_js_pool_checkin(pool, a);
    for (int i = 0; i < 3; i++)
        CHECK_STR(next_turn(), anqa_tmp_printf("%d OK", i));
    CHECK_EQ(info_of(pool).waiting, 0);
    js_end(rt);
}

TEST(who_gives_up_or_ends_waits_no_more)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&one), a = borrow(pool), dies;

    dies = line_up(pool, 1, ANQA_INFINITY);
    (void)line_up(pool, 2, 30);
    (void)line_up(pool, 3, ANQA_INFINITY);
    (void)js_kill(dies);
    CHECK_STR(next_turn(), "2 E_TIMEOUT");
    CHECK_EQ(info_of(pool).waiting, 1);
    anqa_js_pool_checkin(pool, a);
    CHECK_STR(next_turn(), "3 OK");
    js_end(rt);
}

TEST(a_process_that_crashed_is_replaced)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&one), a;

    CHECK_STR(run(pool, "count", "[]", LONG_MS), "1");
    CHECK_STR(run(pool, "crash", "[]", LONG_MS), "E_DIED");
    CHECK_STR(run(pool, "count", "[]", LONG_MS), "1");
    CHECK_EQ(info_of(pool).started, 2);
    a = borrow(pool);
    (void)line_up(pool, 1, ANQA_INFINITY);
    (void)js_kill(a); /* while somebody waits */
    CHECK_STR(next_turn(), "1 OK");
    CHECK_EQ(info_of(pool).started, 3);
    js_end(rt);
}

TEST(a_process_that_has_ended_while_idle_is_not_lent)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&one), a = borrow(pool);

    CHECK_STR(js_eval(a, "setTimeout(Beam.exit, 5); 1"), "1");
    anqa_js_pool_checkin(pool, a);
    while (anqa_is_alive(a))
        anqa_sleep(1);
    CHECK_STR(run(pool, "count", "[]", LONG_MS), "1");
    a = borrow(pool);
    (void)js_kill(a);
    anqa_js_pool_checkin(pool, a);
    CHECK_STR(run(pool, "count", "[]", LONG_MS), "1");
    CHECK_EQ(info_of(pool).started, 3);
    js_end(rt);
}

TEST(a_process_whose_time_is_over_is_killed)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&one), a;
    anqa_ref ref;

    a = borrow(pool);
    ref = anqa_monitor(a);
    anqa_js_pool_checkin(pool, a);
    CHECK_STR(run(pool, "never", "[]", 20), "E_TIMEOUT");
    CHECK_STR(js_ended(ref), "killed");
    CHECK_STR(run(pool, "count", "[]", LONG_MS), "1");
    js_end(rt);
}

TEST(the_time_of_a_run_counts_the_wait_for_a_process)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&one), a = borrow(pool);
    uint64_t begun = anqa_now_ms();

    CHECK_STR(run(pool, "count", "[]", 30), "E_TIMEOUT");
    CHECK(anqa_now_ms() - begun >= 30);
    CHECK(anqa_is_alive(a)); /* it was another's */
    anqa_js_pool_checkin(pool, a);
    CHECK_STR(run(pool, "count", "[]", LONG_MS), "1");
    js_end(rt);
}

static void borrow_and_end(void *arg)
{
    (void)borrow(*(anqa_pid *)arg);
}

TEST(a_process_whose_borrower_has_ended_is_killed)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&one), borrower, a;
    anqa_ref ref, gone;

    a = borrow(pool);
    gone = anqa_monitor(a);
    anqa_js_pool_checkin(pool, a);
    CHECK_STATUS(
        anqa_spawn(
            &(anqa_spawn_opts){
                .run = borrow_and_end, .arg = &pool, .arg_size = sizeof pool, .monitor = true},
            &borrower, &ref),
        ANQA_OK);
    CHECK_STR(js_ended(ref), "normal");
    CHECK_STR(js_ended(gone), "killed");
    CHECK(!anqa_pid_eq(borrow(pool), a));
    js_end(rt);
}

static void give_back_what_is_not_mine(void *arg)
{
    const anqa_pid *pids = arg;

    anqa_js_pool_checkin(pids[0], pids[1]);
    anqa_js_pool_discard(pids[0], pids[1]);
}

TEST(only_the_borrower_gives_back)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pids[2] = {start(&one)}, other;
    anqa_ref ref;

    pids[1] = borrow(pids[0]);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = give_back_what_is_not_mine,
                                .arg = pids,
                                .arg_size = sizeof pids,
                                .monitor = true},
                     &other, &ref),
        ANQA_OK);
    CHECK_STR(js_ended(ref), "normal");
    CHECK_EQ(info_of(pids[0]).busy, 1);
    CHECK(anqa_is_alive(pids[1]));
    js_end(rt);
}

TEST(a_discarded_process_is_killed_and_replaced)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&one), a = borrow(pool);
    anqa_ref ref = anqa_monitor(a);

    anqa_js_pool_discard(pool, a);
    CHECK_STR(js_ended(ref), "killed");
    CHECK(!anqa_pid_eq(borrow(pool), a));
    js_end(rt);
}

TEST(a_fresh_pool_lends_processes_as_after_their_start)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&fresh), a;
    anqa_ref ref;

    for (int i = 0; i < 3; i++)
        CHECK_STR(run(pool, "count", "[]", LONG_MS), "1");
    a = borrow(pool);
    ref = anqa_monitor(a);
    CHECK_STR(js_call(a, "count", "[]"), "1");
    CHECK_STR(js_call(a, "count", "[]"), "2");
    CHECK_STATUS(anqa_js_reset(a, LONG_MS, NULL), ANQA_OK); /* in between, by the borrower */
    CHECK_STR(js_call(a, "count", "[]"), "1");
    anqa_js_pool_checkin(pool, a);
    CHECK_STR(js_ended(ref), "killed");
    CHECK_STR(run(pool, "count", "[]", LONG_MS), "1");
    js_end(rt);
}

TEST(what_a_borrower_has_sent_or_linked_reaches_no_other_of_a_fresh_pool)
{
    static const char *const topics[] = {"news", NULL};
    static const anqa_js_script stained = ANQA_JS_SCRIPT(.name = "stained",
        .source = "let got = 0; const c = () => { new BroadcastChannel('news').onmessage = () => { "
                  "got++; }; };\n"
                  "export function init() { c(); Beam.onMessage(() => { got++; }); }\n"
                  "export function stain(n) { for (let i = 0; i < n; i++) Beam.send(Beam.self(), "
                  "i); Beam.link(Beam.spawn('setTimeout(() => Beam.exit(\"broken\"), 20)')); }\n"
                  "export async function seen() { await Beam.sleep(50); return got; }",
        .topics = topics, .limits = {.children = 1});
    static const anqa_js_pool clean =
        ANQA_JS_POOL(NULL, .script = &stained, .size = 1, .fresh = true);
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&clean);

    CHECK_STR(run(pool, "stain", "[100]", LONG_MS), "null");
    CHECK_STR(run(pool, "seen", "[]", LONG_MS), "0");
    js_end(rt);
}

static const anqa_js_script stuck = ANQA_JS_SCRIPT(.name = "stuck",
    .source = "export function init() { while (Beam.whereis('stuck')) ; }\n"
              "export function work() { return 1; }",
    .registry = &names, .limits = {.turn_ms = 60000});

TEST(an_init_that_hangs_holds_up_neither_the_pool_nor_who_waits)
{
    static const anqa_js_pool hanging = ANQA_JS_POOL(NULL, .script = &stuck, .size = 2);
    anqa_rt *rt = js_begin(2);
    anqa_pid pool = start(&hanging), a = borrow(pool), b = borrow(pool), c = {0};
    anqa_error err = {.text = ""};
    uint64_t begun;

    CHECK_STATUS(anqa_registry_register(stuck.registry, anqa_str_of("stuck"), ANQA_JSON_NULL, NULL),
        ANQA_OK);
    anqa_js_pool_discard(pool, a);
    begun = anqa_now_ms();
    CHECK_STR(run(pool, "work", "[]", 50), "E_TIMEOUT");
    CHECK(anqa_now_ms() - begun < 20000);
    CHECK_STATUS(anqa_js_pool_checkout(pool, 10, &c, &err), ANQA_E_TIMEOUT);
    CHECK_STR(err.text, "all processes are out or have not started yet");
    anqa_js_pool_checkin(pool, b); /* that of another serves on */
    CHECK_STR(run(pool, "work", "[]", LONG_MS), "1");
    js_end(rt);
}

TEST(an_init_that_takes_too_long_is_killed_and_an_error_of_who_waits)
{
    static const anqa_js_pool hanging =
        ANQA_JS_POOL(NULL, .script = &stuck, .size = 1, .lazy = true, .start_ms = 50);
    static const anqa_js_pool eager = ANQA_JS_POOL(NULL, .script = &stuck, .start_ms = 50);
    anqa_rt *rt = js_begin(2);
    anqa_pid pool = start(&hanging), c = {0};
    anqa_error err = {.text = ""};

    anqa_trap_exit(true);
    CHECK_STATUS(anqa_registry_register(stuck.registry, anqa_str_of("stuck"), ANQA_JSON_NULL, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_js_pool_checkout(pool, LONG_MS, &c, &err), ANQA_E_TIMEOUT);
    CHECK_STR(err.text, "init took longer than 50 ms and was killed");
    CHECK_STATUS(anqa_js_pool_start_link(&eager, NULL, &c, &err), ANQA_E_STOPPED);
    CHECK_STATUS(anqa_registry_unregister(stuck.registry, anqa_str_of("stuck")), ANQA_OK);
    CHECK_STR(run(pool, "work", "[]", LONG_MS), "1");
    CHECK_EQ(info_of(pool).started, 1);
    js_end(rt);
}

TEST(who_waits_for_a_start_takes_no_place_of_those_who_wait_for_others)
{
    static const anqa_js_pool lazy =
        ANQA_JS_POOL(NULL, .script = &page, .size = 4, .lazy = true, .waiting = 1);
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&lazy);

    for (uint32_t i = 0; i < 4; i++) {
        struct waiting w = {pool, anqa_self(), i, LONG_MS};
        anqa_pid pid;
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = wait_in_line, .arg = &w, .arg_size = sizeof w},
                &pid, NULL),
            ANQA_OK);
    }
    for (int i = 0; i < 4; i++)
        CHECK_STR(strchr(next_turn(), ' '), " OK");
    js_end(rt);
}

TEST(a_process_of_a_fresh_pool_that_does_not_start_again_is_an_error_of_who_needs_it)
{
    static const anqa_js_script second = ANQA_JS_SCRIPT(.name = "second",
        .source =
            "export function init() { if (!Beam.whereis('ran')) return; throw new Error('twice'); }"
            "export function work() { return 1; }",
        .registry = &names);
    static const anqa_js_pool seconds =
        ANQA_JS_POOL(NULL, .script = &second, .size = 1, .fresh = true);
    anqa_rt *rt = js_begin(1);
    anqa_pid pool = start(&seconds), a = borrow(pool);
    anqa_ref ref = anqa_monitor(a);

    CHECK_STATUS(
        anqa_registry_register(second.registry, anqa_str_of("ran"), ANQA_JSON_NULL, NULL), ANQA_OK);
    anqa_js_pool_checkin(pool, a);
    CHECK_STR(js_ended(ref), "killed");
    CHECK_STR(run(pool, "work", "[]", LONG_MS), "E_STOPPED");
    CHECK_STATUS(anqa_registry_unregister(second.registry, anqa_str_of("ran")), ANQA_OK);
    CHECK_STR(run(pool, "work", "[]", LONG_MS), "1");
    js_end(rt);
}

TEST(a_pool_whose_script_does_not_load_does_not_start_unless_it_is_lazy)
{
    static const anqa_js_script bad = ANQA_JS_SCRIPT(.name = "bad", .source = "let x = ;");
    static const anqa_js_pool eager = ANQA_JS_POOL(NULL, .script = &bad),
                              lazy = ANQA_JS_POOL(NULL, .script = &bad, .lazy = true),
                              none = ANQA_JS_POOL(NULL, .size = 1),
                              huge = ANQA_JS_POOL(NULL, .script = &page, .size = 1001);
    anqa_rt *rt = js_begin(1);
    anqa_error err = {.text = ""};
    anqa_pid pool;

    anqa_trap_exit(true);
    CHECK_STATUS(anqa_js_pool_start_link(&eager, NULL, &pool, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "SyntaxError") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_js_pool_start_link(&none, NULL, &pool, &err), ANQA_E_STOPPED);
    CHECK_STATUS(anqa_js_pool_start_link(&huge, NULL, &pool, &err), ANQA_E_STOPPED);
    CHECK_STR(err.text, "error: a pool has a script and up to 1000 processes");
    pool = start(&lazy);
    CHECK_STATUS(anqa_js_pool_checkout(pool, LONG_MS, &pool, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "SyntaxError") != NULL, "%s", err.text);
    js_end(rt);
}

TEST(processes_end_with_their_pool_whatever_its_reason)
{
    anqa_rt *rt = js_begin(1);
    anqa_reason reasons[] = {ANQA_NORMAL, ANQA_SHUTDOWN};

    anqa_trap_exit(true);
    for (size_t i = 0; i <= ANQA_COUNT(reasons); i++) {
        anqa_pid pool = start(&two);
        anqa_ref a = anqa_monitor(borrow(pool)), b = anqa_monitor(borrow(pool));
        if (i < ANQA_COUNT(reasons))
            CHECK_STATUS(anqa_gen_server_stop(pool, reasons[i], LONG_MS), ANQA_OK);
        else
            (void)js_kill(pool);
        CHECK_STR(js_ended(a), i < ANQA_COUNT(reasons) ? "shutdown" : "killed");
        CHECK_STR(js_ended(b), i < ANQA_COUNT(reasons) ? "shutdown" : "killed");
    }
    js_end(rt);
}

static const anqa_child_spec pools[] = {{.server = &two.server}, {.server = &one.server}, {0}};
static const anqa_supervisor site = {.children = pools};

TEST(a_pool_is_a_child_of_a_supervisor_as_any_other)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid supervisor, pool;
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_supervisor_start_link(&site, &supervisor, &err), ANQA_OK, "%s", err.text);
    pool = anqa_whereis("two");
    CHECK_STR(run(pool, "add", "[2, 2]", LONG_MS), "4");
    (void)js_kill(pool);
    while (anqa_pid_is_none(anqa_whereis("two")) || anqa_pid_eq(anqa_whereis("two"), pool))
        anqa_sleep(1);
    CHECK_STR(run(anqa_whereis("two"), "add", "[2, 3]", LONG_MS), "5");
    CHECK_STATUS(anqa_supervisor_stop(supervisor, ANQA_NORMAL, LONG_MS), ANQA_OK);
    CHECK_STATUS(anqa_js_pool_checkout(pool, 10, &pool, &err), ANQA_E_NOPROC);
    js_end(rt);
}
