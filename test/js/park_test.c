/* More processes than are mapped: the others are kept as what differs from their image. */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <anqa/telemetry.h>

static anqa_status slow(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_sleep(anqa_value_int(anqa_value_at(request->args, 0), 0) < 0
                   ? ANQA_INFINITY
                   : (uint32_t)anqa_value_int(anqa_value_at(request->args, 0), 0));
    anqa_value_put_str(result, anqa_str_of("slow"));
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"slow", slow}, {0}};
static const char *const topics[] = {"park:*", NULL};

#define SOURCE                                                                                   \
    "const kept = [];\n"                                                                         \
    "let big, ended = 'nobody', heard = [];\n"                                                   \
    "export function add(x) { kept.push(x); return kept.length; }\n"                             \
    "export function add_soon(ms, x) { setTimeout(() => kept.push(x), ms); }\n"                  \
    "export function sum() { return kept.reduce((a, b) => a + b, 0); }\n"                        \
    "export function sync(ms) { return Beam.callSync('slow', ms); }\n"                           \
    "export async function later(ms) { return await Beam.call('slow', ms); }\n"                  \
    "export async function nap(ms) { const n = kept.length; await Beam.sleep(ms); return n; }\n" \
    "let open; export function wait() { return new Promise((r) => { open = r; }); }\n"           \
    "export function release(x) { open(x); }\n"                                                  \
    "export function watch(pid) { Beam.monitor(pid, (p, why) => { ended = why; }); }\n"          \
    "export function who_ended() { return ended; }\n"                                            \
    "export function listen() { const c = new BroadcastChannel('park:1'); c.onmessage = (e) => " \
    "heard.push(e.data); }\n"                                                                    \
    "export function tell(x) { new BroadcastChannel('park:1').postMessage(x); }\n"               \
    "export function got() { return heard; }\n"                                                  \
    "export function grow(mb, seed) { big = new Uint32Array(mb << 18); for (let i = 0; i < "     \
    "big.length; i += 97) big[i] = i * seed; return big.length; }\n"                             \
    "export function check(seed) { for (let i = 0; i < big.length; i++) if (big[i] !== (i % 97 " \
    "=== 0 ? (i * seed) >>> 0 : 0)) return i; return 'same'; }\n"                                \
    "export function sample(seed) { for (let i = 0; i < big.length; i += 9409) if (big[i] !== "  \
    "(i * seed) >>> 0) return i; return 'same'; }\n"                                             \
    "export function spin(ms) { const end = Date.now() + ms; while (Date.now() < end); return "  \
    "'spun'; }\n"                                                                                \
    "export function random() { return Math.random(); }\n"

static const anqa_js_script script =
    ANQA_JS_SCRIPT(.name = "parked", .source = SOURCE, .handlers = handlers, .topics = topics);
static const anqa_js_script staying =
    ANQA_JS_SCRIPT(.name = "staying", .source = SOURCE, .handlers = handlers, .stays_mapped = true);

static anqa_rt *begin(uint16_t schedulers, uint32_t mapped)
{
    return js_begin_with(&(anqa_options){
        .schedulers = schedulers, .js_mapped = mapped, .watchdog_ms = ANQA_INFINITY});
}

static anqa_js_info info_of(anqa_pid pid)
{
    anqa_js_info info;

    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    return info;
}

static anqa_js_counts counts(void)
{
    anqa_js_counts now;

    anqa_js_get_counts(&now);
    return now;
}

/* Uses others until it is parked. */
static void push_out(anqa_pid pid)
{
    static anqa_pid others[4];

    for (int i = 0; i < 4; i++)
        if (!anqa_is_alive(others[i]))
            others[i] = js_start(&script);
    for (int i = 0; i < 100 && !info_of(pid).parked; i++)
        (void)js_call(others[i % 4], "add", "[0]");
    CHECK(info_of(pid).parked);
}

TEST(the_least_recently_used_is_parked_and_the_next_call_wakes_it)
{
    anqa_rt *rt = begin(1, 2);
    anqa_pid a = js_start(&script), b = js_start(&script), c;

    CHECK_STR(js_call(a, "add", "[1]"), "1");
    CHECK_STR(js_call(b, "add", "[1]"), "1");
    CHECK_STR(js_call(a, "add", "[2]"), "2");
    CHECK_EQ(counts().parked, 0);
    c = js_start(&script);
    CHECK(info_of(b).parked && !info_of(a).parked && !info_of(c).parked);
    CHECK(info_of(b).parked_bytes > 0 && info_of(b).parked_bytes < 20000);
    CHECK_EQ(counts().parked_bytes, info_of(b).parked_bytes);
    CHECK(info_of(b).memory > 65536);
    CHECK_STR(js_call(c, "add", "[1]"), "1");
    CHECK_STR(js_call(b, "sum", "[]"), "1");
    CHECK(info_of(a).parked && !info_of(b).parked && !info_of(c).parked);
    CHECK_EQ(info_of(b).parked_bytes, 0);
    CHECK_STR(js_call(a, "sum", "[]"), "3");
    CHECK_EQ(counts().mapped, 2);
    CHECK_EQ(counts().mapped_limit, 2);
    CHECK_EQ(counts().parks, 3);
    CHECK_EQ(counts().wakes, 2);
    js_end(rt);
}

TEST(to_be_asked_about_does_not_wake_and_is_no_use)
{
    anqa_rt *rt = begin(1, 2);
    anqa_pid a = js_start(&script), b = js_start(&script), c = js_start(&script);

    CHECK(info_of(a).parked);
    for (int i = 0; i < 5; i++)
        (void)info_of(b);
    CHECK(info_of(a).parked);
    CHECK_STR(js_call(c, "add", "[1]"), "1");
    CHECK_STR(js_call(a, "add", "[1]"), "1");
    CHECK(info_of(b).parked);
    js_end(rt);
}

TEST(one_that_has_not_run_yet_takes_nothing_while_it_is_parked)
{
    static const anqa_js_script plain = ANQA_JS_SCRIPT(.name = "plain",
        .source = "export function random() { return Math.random(); }");
    anqa_rt *rt = begin(1, 1);
    anqa_pid pids[5];

    for (int i = 0; i < 5; i++)
        pids[i] = js_start(&plain);
    CHECK_EQ(counts().parked, 4);
    CHECK_EQ(counts().parked_bytes, 0);
    for (int i = 1; i < 5; i++)
        CHECK(strcmp(js_call(pids[i], "random", "[]"), js_call(pids[i - 1], "random", "[]")) != 0);
    js_end(rt);
}

static anqa_ref ask(anqa_pid pid, const char *function, const char *arg)
{
    return anqa_request(pid, function, anqa_text(anqa_json_of(anqa_str_of(arg))));
}

static const char *answer_of(anqa_ref ref)
{
    const anqa_msg *msg = anqa_receive_ref(ref, LONG_MS);

    CHECK(msg != NULL, "no answer");
    CHECK_EQ(msg->kind, ANQA_MSG_REPLY);
    return anqa_tmp_printf("%.*s", ANQA_FMT(msg->body));
}

TEST(promises_timers_and_calls_go_on_when_their_time_comes)
{
    anqa_rt *rt = begin(2, 2);
    anqa_pid a = js_start(&script);
    anqa_ref waits = ask(a, "wait", "null"), naps = ask(a, "nap", "300"),
             calls = ask(a, "later", "300");

    while (info_of(a).waiting_calls < 3)
        anqa_sleep(1);
    push_out(a);
    CHECK_EQ(info_of(a).pending_calls, 1);
    CHECK_STR(answer_of(naps), "0");
    CHECK_STR(answer_of(calls), "\"slow\"");
    push_out(a);
    anqa_cast(a, "release", anqa_jsonf("'through'"));
    CHECK_STR(answer_of(waits), "\"through\"");
    js_end(rt);
}

static void watch(anqa_pid pid, anqa_pid whom)
{
    anqa_value_writer writer;
    anqa_value args;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_pid(&writer, whom.bits);
    anqa_value_end(&writer);
    CHECK_STATUS(anqa_value_done(&writer, &args), ANQA_OK);
    CHECK_STATUS(anqa_js_call(pid, "watch", &args, LONG_MS, NULL, NULL, NULL), ANQA_OK);
}

TEST(monitors_and_channels_reach_the_parked)
{
    anqa_rt *rt = begin(2, 2);
    anqa_pid a = js_start(&script), other = js_start(&script);

    anqa_trap_exit(true);
    watch(a, other);
    CHECK_STR(js_call(a, "listen", "[]"), "null");
    push_out(a);
    CHECK_STR(js_kill(other), "killed");
    for (int i = 0; i < 10000 && info_of(a).parked; i++)
        anqa_sleep(2);
    CHECK_STR(js_call(a, "who_ended", "[]"), "\"killed\"");
    push_out(a);
    CHECK_STR(js_call(js_start(&script), "tell", "[{\"n\": [1, 2]}]"), "null");
    for (int i = 0; i < 10000 && info_of(a).parked; i++)
        anqa_sleep(2);
    CHECK_STR(js_call(a, "got", "[]"), "[{\"n\":[1,2]}]");
    js_end(rt);
}

TEST(memory_that_has_grown_is_there_again)
{
    anqa_rt *rt = begin(1, 2);
    anqa_pid a = js_start(&script), b = js_start(&script);

    CHECK_STR(js_call(a, "grow", "[5, 2654435761]"), anqa_tmp_printf("%d", 5 << 18));
    push_out(a);
    CHECK(info_of(a).parked_bytes > 50000);
    CHECK_STR(js_call(b, "grow", "[9, 40503]"), anqa_tmp_printf("%d", 9 << 18));
    push_out(b);
    CHECK_STR(js_call(a, "check", "[2654435761]"), "\"same\"");
    CHECK_STR(js_call(b, "check", "[40503]"), "\"same\"");
    CHECK_STR(js_call(a, "grow", "[1, 7]"), anqa_tmp_printf("%d", 1 << 18));
    push_out(a);
    CHECK_STR(js_call(a, "check", "[7]"), "\"same\"");
    js_end(rt);
}

TEST(who_stays_mapped_is_never_parked)
{
    anqa_rt *rt = begin(1, 3);
    anqa_pid stays = js_start(&staying), others[10];

    CHECK_STR(js_call(stays, "add", "[7]"), "1");
    for (int i = 0; i < 10; i++) {
        others[i] = js_start(&script);
        CHECK_STR(js_call(others[i], "add", "[1]"), "1");
        CHECK(!info_of(stays).parked);
    }
    CHECK_EQ(counts().parked, 8);
    CHECK_STR(js_call(stays, "sum", "[]"), "7");
    js_end(rt);
}

static bool is_running(anqa_pid pid)
{
    anqa_js_process *all;
    size_t count;

    CHECK_STATUS(anqa_js_processes(0, &all, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        if (anqa_pid_eq(all[i].pid, pid))
            return all[i].status == ANQA_JS_RUNNING;
    return false;
}

TEST(who_is_in_a_turn_or_waits_in_it_is_not_parked)
{
    anqa_rt *rt = begin(2, 2);
    anqa_pid a = js_start(&script), b = js_start(&script), c, d;
    anqa_ref spins;

    (void)ask(a, "sync", "-1"); /* it cannot be asked any more */
    spins = ask(b, "spin", "200");
    while (!is_running(b))
        anqa_sleep(1);
    c = js_start(&script); /* when b is through */
    CHECK_STR(answer_of(spins), "\"spun\"");
    CHECK(info_of(b).parked);
    CHECK_STR(js_call(c, "add", "[1]"), "1");
    d = js_start(&script);
    CHECK_STR(js_call(d, "add", "[1]"), "1");
    CHECK(info_of(b).parked && info_of(c).parked);
    CHECK_EQ(counts().parked, 2);
    CHECK_STR(js_call(b, "add", "[1]"), "1");
    js_end(rt);
}

static int place_of(const anqa_ref *refs, int count, anqa_ref ref)
{
    int i = 0;

    while (i < count && !anqa_ref_eq(refs[i], ref))
        i++;
    CHECK(i < count);
    return i;
}

/* All have a mailbox full of work in which they wait in the middle of turns. */
TEST(of_many_that_are_busy_each_has_its_part)
{
    enum { COUNT = 12, ROUNDS = 10, TOTAL = COUNT * ROUNDS };
    anqa_rt *rt = begin(2, 2);
    int had[COUNT] = {0};
    anqa_pid pids[COUNT];
    anqa_ref refs[TOTAL];

    for (int i = 0; i < COUNT; i++)
        pids[i] = js_start(&script);
    for (int i = 0; i < TOTAL; i++)
        refs[i] = ask(pids[i % COUNT], "sync", "2");
    for (int i = 0; i < TOTAL; i++) {
        const anqa_msg *msg = anqa_receive(LONG_MS);
        int who;
        CHECK(msg != NULL && msg->kind == ANQA_MSG_REPLY);
        who = place_of(refs, TOTAL, msg->ref) % COUNT;
        had[who]++;
        for (int j = 0; j < COUNT; j++)
            CHECK(had[j] >= had[who] - 3, "%d has had %d, %d %d", who, had[who], j, had[j]);
    }
    CHECK_EQ(counts().waiting, 0);
    CHECK_EQ(counts().mapped, 2);
    js_end(rt);
}

/* Bytes of addresses that the program has. */
static uint64_t addresses(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

TEST(where_addresses_end_the_limit_is_what_there_is)
{
    enum { COUNT = 20 };
    anqa_rt *rt = begin(1, 0);
    anqa_pid pids[COUNT];
    struct rlimit limit;

    pids[0] = js_start(&script);
    CHECK_STR(js_call(pids[0], "add", "[1]"), "1"); /* all else is there */
    CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = addresses() + ((rlim_t)26 << 30); /* for six windows */
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    for (int i = 1; i < COUNT; i++) {
        pids[i] = js_start(&script);
        CHECK_STR(js_call(pids[i], "add", "[1]"), "1");
    }
    CHECK(counts().mapped_limit >= 2 && counts().mapped_limit <= 7, "%u", counts().mapped_limit);
    CHECK_EQ(counts().mapped + counts().parked, COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK_STR(js_call(pids[i], "sum", "[]"), "1");
    js_end(rt);
}

TEST(who_waits_too_long_gives_up_and_says_why)
{
    anqa_rt *rt = js_begin_with(&(anqa_options){.deterministic = true, .seed = 1, .js_mapped = 2});
    anqa_pid parked, a, b, pid;
    anqa_error err = {.text = ""};
    const anqa_msg *down;
    uint64_t before;
    char text[500];
    anqa_ref ref;

    anqa_trap_exit(true);
    parked = js_start(&script);
    CHECK_STR(js_call(parked, "add", "[1]"), "1");
    a = js_start(&script);
    b = js_start(&script);
    CHECK(info_of(parked).parked);
    (void)ask(a, "sync", "-1");
    (void)ask(b, "sync", "-1");
    anqa_sleep(1);
    before = anqa_now_ms();
    CHECK_STATUS(
        anqa_js_start_link(&script, NULL, &(anqa_start_opts){.timeout_ms = 100000}, &pid, &err),
        ANQA_E_STOPPED);
    CHECK(strstr(err.text, "js_mapped") != NULL, "%s", err.text);
    CHECK_EQ(anqa_now_ms() - before, 5000);
    before = anqa_now_ms();
    ref = anqa_monitor(parked);
    anqa_cast(parked, "add", anqa_jsonf("1"));
    down = anqa_receive_ref(ref, 100000);
    CHECK(down != NULL);
    CHECK(strstr(anqa_reason_format(down->u.reason, text, sizeof text), "cannot be woken") != NULL);
    CHECK_EQ(anqa_now_ms() - before, 60000);
    CHECK_EQ(counts().parked, 0);
    CHECK_EQ(counts().waiting, 0);
    CHECK_STR(js_kill(a), "killed"); /* which leaves its place */
    CHECK_STR(js_call(js_start(&script), "add", "[1]"), "1");
    js_end(rt);
}

TEST(the_end_of_a_parked_or_waiting_process_leaves_nothing)
{
    anqa_rt *rt = begin(1, 2);
    anqa_pid a = js_start(&script), b, c, d;

    anqa_trap_exit(true);
    CHECK_STR(js_call(a, "add", "[1]"), "1");
    b = js_start(&script);
    c = js_start(&script);
    CHECK(counts().parked_bytes > 0);
    (void)ask(b, "sync", "-1");
    (void)ask(c, "sync", "-1");
    (void)ask(a, "sum", "null");
    while (counts().waiting < 1)
        anqa_sleep(1);
    CHECK_STR(js_kill(a), "killed");
    CHECK_EQ(counts().waiting, 0);
    CHECK_EQ(counts().parked, 0);
    CHECK_EQ(counts().parked_bytes, 0);
    CHECK_EQ(counts().mapped, 2);
    CHECK_STR(js_kill(b), "killed");
    CHECK_EQ(counts().mapped, 1);
    d = js_start(&script);
    CHECK_STR(js_call(d, "add", "[1]"), "1");
    js_end(rt);
}

/* ---------------------------------------------------------------- under load */

enum { PROCESSES = 40, DRIVERS = 4, OWN = PROCESSES / DRIVERS };

struct traffic {
    uint64_t seed;
    uint32_t steps;
    anqa_pid pids[PROCESSES];
};

static uint32_t roll(uint64_t *seed, uint32_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}

/* What a process should hold. */
struct model {
    uint64_t count, sum;
    uint32_t grown;
};

static void step(uint64_t *seed, anqa_pid pid, struct model *model)
{
    uint32_t n = roll(seed, 1000);

    switch (roll(seed, 32)) {
    case 0:
        model->grown = n + 1;
        (void)js_call(pid, "grow", anqa_tmp_printf("[1, %u]", model->grown));
        return;
    case 1:
        if (model->grown != 0)
            CHECK_STR(js_call(pid, "check", anqa_tmp_printf("[%u]", model->grown)), "\"same\"");
        return;
    case 2: CHECK_STR(js_call(pid, "nap", "[1]"), anqa_tmp_printf("%d", (int)model->count)); return;
    case 3: CHECK_STR(js_call(pid, "sync", "[1]"), "\"slow\""); return;
    case 4: CHECK_STR(js_call(pid, "later", "[1]"), "\"slow\""); return;
    case 5:
    case 6:
    case 7: CHECK_STR(js_call(pid, "sum", "[]"), anqa_tmp_printf("%d", (int)model->sum)); return;
    default:
        model->count++;
        model->sum += n;
        CHECK_STR(js_call(pid, "add", anqa_tmp_printf("[%u]", n)),
            anqa_tmp_printf("%d", (int)model->count));
    }
}

static void drive(void *state)
{
    struct traffic *traffic = state;
    struct model models[OWN] = {0};

    for (uint32_t i = 0; i < traffic->steps; i++) {
        uint32_t which = roll(&traffic->seed, OWN);
        step(&traffic->seed, traffic->pids[which], &models[which]);
        (void)anqa_receive(0);
    }
}

static void start_driver(struct traffic *traffic, uint16_t scheduler, anqa_ref *ret_ref)
{
    anqa_spawn_opts opts = {.run = drive,
        .arg = traffic,
        .arg_size = sizeof *traffic,
        .pinned = true,
        .scheduler = scheduler,
        .monitor = true};

    CHECK_STATUS(anqa_spawn(&opts, NULL, ret_ref), ANQA_OK);
}

TEST(random_traffic_from_several_schedulers_equals_a_model, .timeout_ms = 120000)
{
    anqa_rt *rt = begin(3, 4);
    struct traffic traffic = {.steps = 400 / harness_slowness()};
    anqa_ref refs[DRIVERS];

    for (int i = 0; i < DRIVERS; i++) {
        traffic.seed = harness_random();
        for (int j = 0; j < OWN; j++)
            traffic.pids[j] = js_start(&script);
        start_driver(&traffic, (uint16_t)(i % 3 + 1), &refs[i]);
    }
    for (int i = 0; i < DRIVERS; i++)
        CHECK_STR(js_ended(refs[i]), "normal");
    CHECK_EQ(counts().mapped + counts().parked, PROCESSES);
    CHECK(counts().mapped <= 4);
    CHECK(counts().wakes > 100 / harness_slowness());
    js_end(rt);
}

static void kill_some(void *state)
{
    struct traffic *traffic = state;

    for (uint32_t i = 0; i < traffic->steps; i++) {
        uint32_t which = roll(&traffic->seed, PROCESSES);
        anqa_cast(
            traffic->pids[which], roll(&traffic->seed, 4) == 0 ? "sync" : "add", anqa_jsonf("1"));
        if (roll(&traffic->seed, 3) == 0) {
            anqa_exit_signal(traffic->pids[which], ANQA_KILL);
            traffic->pids[which] = js_start(&script);
        }
        (void)anqa_receive(0);
    }
    for (uint32_t i = 0; i < PROCESSES; i++) {
        CHECK(strcmp(js_call(traffic->pids[i], "sum", "[]"), "") != 0);
        (void)js_kill(traffic->pids[i]);
    }
}

TEST(who_is_killed_at_any_moment_leaves_its_place_and_its_memory, .timeout_ms = 120000)
{
    anqa_rt *rt = begin(3, 4);
    anqa_ref refs[3];

    for (uint16_t i = 0; i < 3; i++) {
        struct traffic traffic = {.seed = harness_random(), .steps = 1000 / harness_slowness()};
        anqa_spawn_opts opts = {.run = kill_some,
            .arg = &traffic,
            .arg_size = sizeof traffic,
            .pinned = true,
            .scheduler = (uint16_t)(i + 1),
            .monitor = true,
            .trap_exit = true};
        for (int j = 0; j < PROCESSES; j++)
            traffic.pids[j] = js_start(&script);
        CHECK_STATUS(anqa_spawn(&opts, NULL, &refs[i]), ANQA_OK);
    }
    for (int i = 0; i < 3; i++)
        CHECK_STR(js_ended(refs[i]), "normal");
    for (int i = 0; i < 10000 && counts().mapped + counts().parked > 0; i++)
        anqa_sleep(2);
    CHECK_EQ(counts().mapped, 0);
    CHECK_EQ(counts().parked, 0);
    CHECK_EQ(counts().parked_bytes, 0);
    CHECK_EQ(counts().waiting, 0);
    js_end(rt);
}

/* ---------------------------------------------------------------- without memory */

enum { KEPT = 3 };

/* What was told of each process, and what it may hold if an answer was lost with who asked. */
struct told {
    anqa_pid pids[KEPT];
    int64_t least[KEPT], most[KEPT];
};

static bool revive(struct told *told, int i)
{
    if (anqa_is_alive(told->pids[i]))
        return true;
    told->least[i] = told->most[i] = 0;
    if (anqa_js_start_link(&script, NULL, NULL, &told->pids[i], NULL) != ANQA_OK)
        return false;
    anqa_unlink(told->pids[i]);
    return true;
}

static void add_to_each(void *state)
{
    struct told *told = *(struct told **)state;

    for (int i = 0; i < KEPT; i++) {
        const anqa_msg *msg;
        int64_t count = -1;
        if (!revive(told, i))
            continue;
        told->most[i]++;
        msg = anqa_receive_ref(ask(told->pids[i], "add", "1"), LONG_MS);
        CHECK(msg != NULL);
        if (msg->kind != ANQA_MSG_REPLY)
            continue;
        CHECK_STATUS(anqa_json_to_int(msg->body, &count), ANQA_OK);
        CHECK(count > told->least[i] && count <= told->most[i]);
        told->least[i] = told->most[i] = count;
    }
}

TEST(without_memory_nothing_is_lost_that_is_not_told, .timeout_ms = 120000)
{
    anqa_rt *rt = begin(1, 1);
    struct told told = {0}, *at = &told;
    anqa_spawn_opts opts = {
        .run = add_to_each, .arg = &at, .arg_size = sizeof at, .monitor = true, .trap_exit = true};
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&opts, NULL, &ref), ANQA_OK);
    CHECK_STR(js_ended(ref), "normal");
    CHECK_EQ(told.least[2], 1);
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        if (anqa_spawn(&opts, NULL, &ref) == ANQA_OK)
            CHECK(anqa_receive_ref(ref, LONG_MS) != NULL);
    }
    CHECK(counts().parks > 3);
    CHECK(counts().mapped == 1 && counts().parked <= 2);
    js_end(rt);
}

TEST(who_cannot_be_parked_for_want_of_memory_stays_and_who_needs_his_place_ends)
{
    anqa_rt *rt = begin(1, 1);
    anqa_pid a = js_start(&script), b;
    anqa_ref ref;

    anqa_trap_exit(true);
    CHECK_STR(js_call(a, "add", "[1]"), "1");
    CHECK_STR(js_call(a, "add_soon", "[100, 2]"), "null");
    b = js_start(&script);
    CHECK_STR(js_call(b, "add", "[5]"), "1");
    CHECK(info_of(a).parked);
    ref = anqa_monitor(a);
    harness_out_of_memory(true);
    anqa_sleep(200);
    harness_out_of_memory(false);
    CHECK_STR(js_ended(ref), "system_limit"); /* there was no memory for words either */
    CHECK(!info_of(b).parked);
    CHECK_STR(js_call(b, "sum", "[]"), "5");
    CHECK_EQ(counts().mapped, 1);
    js_end(rt);
}

/* ---------------------------------------------------------------- who listens */

static atomic_uint told_parks, told_wakes;
static atomic_ullong told_bytes;

static void on_event(void *ctx, const anqa_telemetry_event *event)
{
    bool parks = strcmp(event->name, "anqa.js.park") == 0;

    atomic_fetch_add(parks ? &told_parks : &told_wakes, 1);
    if (parks)
        for (const anqa_field *field = event->measurements; field->type != ANQA_FIELD_END; field++)
            if (strcmp(field->name, "bytes") == 0)
                atomic_store(&told_bytes, field->as.u);
}

TEST(listeners_are_told_of_each_park_and_wake)
{
    anqa_rt *rt = begin(1, 1);
    anqa_telemetry_handler handler = {.id = "park", .pattern = "anqa.js.*", .run = on_event};
    anqa_pid a = js_start(&script), b;

    CHECK_STATUS(anqa_telemetry_attach(&handler), ANQA_OK);
    CHECK_STR(js_call(a, "add", "[1]"), "1");
    b = js_start(&script);
    CHECK_EQ(atomic_load(&told_bytes), info_of(a).parked_bytes);
    CHECK_STR(js_call(a, "add", "[1]"), "2");
    CHECK_STR(js_call(b, "add", "[1]"), "1");
    CHECK_EQ(atomic_load(&told_parks), 3);
    CHECK_EQ(atomic_load(&told_wakes), 2);
    CHECK_STATUS(anqa_telemetry_detach("park"), ANQA_OK);
    js_end(rt);
}

/* ---------------------------------------------------------------- others have their turn meanwhile */

static _Atomic(uint32_t) rounds, kill_at;

/* Counts how often it has its turn, and kills the given one when that is kill_at. */
static void count_rounds(void *state)
{
    const anqa_pid *victim = state;

    for (;;) {
        if (atomic_fetch_add(&rounds, 1) + 1 == atomic_load(&kill_at))
            anqa_exit_signal(*victim, ANQA_KILL);
        anqa_yield();
    }
}

static anqa_pid start_ticker(anqa_pid victim)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = count_rounds,
                                .arg = &victim,
                                .arg_size = sizeof victim,
                                .state_size = sizeof victim},
                     &pid, NULL),
        ANQA_OK);
    return pid;
}

enum large_work { SNAPSHOT, RESTORE, WAKE };

struct asked {
    enum large_work what;
    anqa_pid large;
};

/* Asks from the same scheduler, so that the rounds are those between question and answer, as numbers. */
static anqa_payload ask_large(void *arg)
{
    const struct asked *asked = arg;
    uint32_t *took = anqa_arena_alloc(anqa_tmp(), sizeof *took), before = atomic_load(&rounds);
    anqa_str bytes = {NULL, 0};
    anqa_pid pid = {0};

    if (asked->what == WAKE)
        CHECK_STR(js_call(asked->large, "add", "[1]"), "1");
    else
        CHECK_STATUS(anqa_js_snapshot(asked->large, LONG_MS, &bytes, NULL), ANQA_OK);
    if (asked->what == RESTORE) {
        before = atomic_load(&rounds);
        CHECK_STATUS(anqa_js_restore_link(&script, bytes, NULL, NULL, &pid, NULL), ANQA_OK);
    }
    *took = atomic_load(&rounds) - before;
    CHECK_STR(js_call(asked->what == RESTORE ? pid : asked->large, "sample", "[3]"), "\"same\"");
    return anqa_bytes(took, sizeof *took);
}

/* Every page and each sixth line of 48 MB differ: pieces of a megabyte, or of 4096 lines. */
static uint32_t rounds_of(enum large_work what)
{
    anqa_rt *rt = begin(1, 2);
    struct asked asked = {what, js_start(&script)};
    anqa_task task;
    anqa_pid ticker;
    uint32_t took;

    CHECK_STR(js_call(asked.large, "grow", "[48, 3]"), "12582912");
    if (what == WAKE)
        push_out(asked.large);
    ticker = start_ticker(asked.large);
    task = anqa_task_async(ask_large, &asked, sizeof asked);
    memcpy(&took, anqa_task_await(&task, LONG_MS)->body.ptr, sizeof took);
    (void)js_kill(ticker);
    js_end(rt);
    return took;
}

TEST(others_run_while_a_large_memory_is_made_a_snapshot)
{
    uint32_t took = rounds_of(SNAPSHOT);

    CHECK(took > 48, "%u", took);
}

TEST(others_run_while_a_snapshot_of_a_large_memory_is_restored)
{
    uint32_t took = rounds_of(RESTORE);

    CHECK(took > 48, "%u", took);
}

TEST(others_run_while_a_large_memory_is_woken)
{
    uint32_t took = rounds_of(WAKE);

    CHECK(took > 24, "%u", took);
}

static anqa_payload ask_dying(void *arg)
{
    const struct asked *asked = arg;
    anqa_str bytes;

    atomic_store(&kill_at, atomic_load(&rounds) + 8);
    if (asked->what == WAKE)
        CHECK(strncmp(js_call(asked->large, "add", "[1]"), "E_DIED", 6) == 0);
    else
        CHECK_STATUS(anqa_js_snapshot(asked->large, LONG_MS, &bytes, NULL), ANQA_E_DIED);
    return anqa_nothing();
}

TEST(who_is_killed_while_its_large_memory_is_woken_or_made_a_snapshot_leaves_nothing)
{
    static const enum large_work works[] = {SNAPSHOT, WAKE};

    for (size_t i = 0; i < ANQA_COUNT(works); i++) {
        anqa_rt *rt = begin(1, 2);
        struct asked asked = {works[i], {0}};
        anqa_task task;
        anqa_pid ticker, last;

        (void)anqa_trap_exit(true);
        asked.large = js_start(&script);
        CHECK_STR(js_call(asked.large, "grow", "[48, 3]"), "12582912");
        if (works[i] == WAKE)
            push_out(asked.large);
        ticker = start_ticker(asked.large);
        task = anqa_task_async(ask_dying, &asked, sizeof asked);
        (void)anqa_task_await(&task, LONG_MS);
        (void)js_kill(ticker);
        atomic_store(&kill_at, 0);
        last = js_start(&script);
        CHECK_STR(js_call(last, "add", "[1]"), "1");
        if (works[i] == SNAPSHOT)
            CHECK_EQ(counts().mapped, 1);
        CHECK(counts().parked_bytes < 100000, "%llu", (unsigned long long)counts().parked_bytes);
        js_end(rt);
    }
}
