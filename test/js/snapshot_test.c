/* Snapshots: a process as bytes, and back. */
#include <stdio.h>

#include <anqa/pubsub.h>

#include "base/sha256.h"
#include "support.h"

static anqa_status echo(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_value_put(result, request->args);
    return ANQA_OK;
}

static anqa_status never(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_sleep(ANQA_INFINITY);
    return ANQA_OK;
}

static anqa_status nap(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_sleep(200);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"echo", echo}, {"never", never}, {"nap", nap}, {0}};
static const char *const topics[] = {"news", NULL};

#define SOURCE                                                                                     \
    "let count = 0, channel, told = [], kept, self, ref;\n"                                        \
    "export function add(by) { return count += by; }\n"                                            \
    "export function init() { self = Beam.self(); }\n"                                             \
    "export function restored(arg) { told.push(['restored', arg]); }\n"                            \
    "export function said() { return told; }\n"                                                    \
    "export function later(ms, what) { setTimeout(() => told.push(what), ms); }\n"                 \
    "export function listen() { channel = new BroadcastChannel('news');\n"                         \
    "  channel.onmessage = (m) => told.push(m.data); }\n"                                          \
    "export function call(name) { Beam.call(name).then((v) => told.push(v), (e) => "               \
    "told.push(e.message)); }\n"                                                                   \
    "export function callSync(name) { Beam.callSync(name); return count += 1; }\n"                 \
    "export function watch(pid) { kept = pid; ref = Beam.monitor(pid, (p, why) => "                \
    "told.push([String(p) === String(pid), why])); }\n"                                            \
    "export function watchAgain() { Beam.monitor(kept, (p, why) => told.push([String(p), why])); " \
    "}\n"                                                                                          \
    "export function unwatch() { return Beam.demonitor(ref); }\n"                                  \
    "export function keepers() { return [Beam.self(), self, kept].map(String); }\n"                \
    "export function tell(what) { Beam.send(kept, what); }\n"                                      \
    "export function tellOld(what) { Beam.send(self, what); }\n"                                   \
    "export function wait() { return new Promise((r) => { told.push(r); }); }\n"                   \
    "export function settle(v) { told.pop()(v); }\n"                                               \
    "export function random() { return Math.random(); }\n"                                         \
    "const at = Date.now(), day = new Date(), drawn = Math.random();\n"                            \
    "export function born() { return [at, day, drawn]; }\n"                                        \
    "export function grow(n) { globalThis.held = new Uint8Array(n).fill(7); }\n"                   \
    "export function held_() { let sum = 0; for (let i = 0; i < held.length; i += 1000) sum += "   \
    "held[i]; return sum; }\n"                                                                     \
    "export function leave() { Beam.exit(); }\n"

static const anqa_js_script script =
    ANQA_JS_SCRIPT(.name = "counter.js", .source = SOURCE, .handlers = handlers, .topics = topics);

static anqa_str take(anqa_pid pid)
{
    anqa_str bytes = {NULL, 0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, &err), ANQA_OK, "%s", err.text);
    return bytes;
}

static anqa_pid restore(const anqa_js_script *of, anqa_str bytes)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_restore_link(of, bytes, NULL, NULL, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

/* Bytes that outlive their runtime. */
static anqa_buf keep(anqa_str bytes)
{
    anqa_buf kept;

    CHECK_STATUS(anqa_buf_copy(bytes.ptr, bytes.len, &kept), ANQA_OK);
    return kept;
}

static const char *json_of(anqa_pid pid, const char *function)
{
    return js_call(pid, function, "[]");
}

TEST(a_process_goes_on_from_its_snapshot_and_so_does_another)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script), twin;
    anqa_str bytes;

    CHECK_STR(js_call(pid, "add", "[3]"), "3");
    bytes = take(pid);
    CHECK(bytes.len < 16384, "%zu bytes", bytes.len);
    CHECK_STR(js_call(pid, "add", "[1]"), "4");
    pid = restore(&script, bytes);
    twin = restore(&script, bytes);
    CHECK_STR(js_call(pid, "add", "[10]"), "13");
    CHECK_STR(js_call(twin, "add", "[20]"), "23");
    CHECK_STR(js_call(pid, "add", "[0]"), "13");
    CHECK_STR(js_call(restore(&script, take(pid)), "add", "[0]"), "13");
    js_end(rt);
}

TEST(what_has_run_nothing_is_small_and_begins_without_init)
{
    static const anqa_js_script plain = ANQA_JS_SCRIPT(.name = "plain",
        .source = "export const one = 1; export function f() { return one; }");
    anqa_rt *rt = js_begin(1);
    anqa_str bytes = take(js_start(&plain));

    CHECK(bytes.len < 1024, "%zu bytes", bytes.len);
    CHECK_STR(js_call(restore(&plain, bytes), "f", "[]"), "1");
    js_end(rt);
}

TEST(restored_is_called_with_the_argument_of_the_start)
{
    anqa_rt *rt = js_begin(1);
    anqa_str bytes = take(js_start(&script));
    anqa_start_opts opts = {.name = "again"};
    anqa_value_writer writer;
    anqa_value arg;
    anqa_pid pid;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_put_str(&writer, anqa_str_of("given"));
    CHECK_STATUS(anqa_value_done(&writer, &arg), ANQA_OK);
    CHECK_STATUS(anqa_js_restore_link(&script, bytes, &arg, &opts, &pid, NULL), ANQA_OK);
    CHECK_STR(json_of(pid, "said"), "[[\"restored\",\"given\"]]");
    CHECK_STR(js_eval(pid, "Beam.id()"), "\"again\"");
    CHECK(anqa_pid_eq(anqa_whereis("again"), pid));
    js_end(rt);
}

TEST(top_level_code_sees_no_time_and_the_same_random_numbers_everywhere)
{
    char born[2][200];

    for (int i = 0; i < 2; i++) {
        anqa_rt *rt = js_begin(1);
        snprintf(born[i], sizeof born[i], "%s", json_of(js_start(&script), "born"));
        js_end(rt);
    }
    CHECK_STR(born[0], born[1]);
    CHECK(strncmp(born[0], "[0,\"1970-01-01T00:00:00.000Z\",0.", 31) == 0, "%s", born[0]);
}

TEST(the_web_platform_sees_no_time_in_top_level_code_either)
{
    static const anqa_js_script timed = ANQA_JS_SCRIPT(.name = "timed",
        .source = "const e = new Event('x'), mark = performance.mark('m');\n"
                  "const times = [e.timeStamp, mark.startTime, performance.now(), "
                  "performance.timeOrigin];\n"
                  "export function get() { return times; }\n",
        .apis = ANQA_JS_EVENTS | ANQA_JS_PERFORMANCE);
    anqa_rt *rt = js_begin(1);
    anqa_buf bytes;

    anqa_sleep(3);
    bytes = keep(take(js_start(&timed)));
    js_end(rt);
    rt = js_begin(1);
    anqa_sleep(7);
    CHECK_STR(js_call(restore(&timed, anqa_buf_str(bytes)), "get", "[]"), "[0,0,0,0]");
    anqa_buf_unref(bytes);
    js_end(rt);
}

TEST(processes_of_one_snapshot_differ_in_their_random_numbers)
{
    anqa_rt *rt = js_begin(1);
    anqa_str bytes = take(js_start(&script));
    const char *one = json_of(restore(&script, bytes), "random");
    const char *other = json_of(restore(&script, bytes), "random");

    CHECK(strcmp(one, other) != 0, "%s", one);
    js_end(rt);
}

static bool is_news(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, ANQA_JS_MESSAGE);
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

static anqa_rt *fake_clock(void)
{
    const anqa_options options = {.deterministic = true, .seed = 1};
    anqa_rt *rt = NULL;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    return rt;
}

TEST(timers_go_on_with_the_time_that_they_had_left)
{
    anqa_rt *rt = fake_clock();
    anqa_pid pid = js_start(&script);
    anqa_buf bytes;

    (void)js_call(pid, "later", "[100, \"a\"]");
    (void)js_call(pid, "later", "[300, \"b\"]");
    anqa_sleep(60);
    bytes = keep(take(pid));
    anqa_sleep(5000);
    pid = restore(&script, anqa_buf_str(bytes));
    CHECK_STR(json_of(pid, "said"), "[[\"restored\",null]]");
    anqa_sleep(39);
    CHECK_STR(json_of(pid, "said"), "[[\"restored\",null]]");
    anqa_sleep(2);
    CHECK_STR(json_of(pid, "said"), "[[\"restored\",null],\"a\"]");
    anqa_sleep(197);
    CHECK_STR(json_of(pid, "said"), "[[\"restored\",null],\"a\"]");
    anqa_sleep(4);
    CHECK_STR(json_of(pid, "said"), "[[\"restored\",null],\"a\",\"b\"]");
    js_end(rt);
    rt = fake_clock(); /* whose clock shows less than the snapshot says */
    pid = restore(&script, anqa_buf_str(bytes));
    anqa_sleep(39);
    CHECK_STR(json_of(pid, "said"), "[[\"restored\",null]]");
    anqa_sleep(2);
    CHECK_STR(json_of(pid, "said"), "[[\"restored\",null],\"a\"]");
    anqa_buf_unref(bytes);
    js_end(rt);
}

TEST(calls_that_had_no_answer_are_rejected)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    (void)js_call(pid, "call", "[\"never\"]");
    CHECK_STR(json_of(restore(&script, take(pid)), "said"),
        "[\"the process was restored from a snapshot: what became of the call is not known\","
        "[\"restored\",null]]");
    CHECK_STR(json_of(pid, "said"), "[]");
    js_end(rt);
}

/* Who has replaced what the language gives learns nothing, and stands in nobody's way. */
TEST(a_script_that_has_replaced_the_language_hears_all_the_same)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    (void)js_call(pid, "call", "[\"never\"]");
    watch(pid, pid);
    (void)json_of(pid, "listen");
    (void)js_eval(pid,
        "globalThis.seen = []; for (const p of [Map.prototype, Set.prototype, Array.prototype])\n"
        "  for (const k of ['values', 'keys', 'entries', 'forEach', 'clear', 'get', "
        "Symbol.iterator])\n"
        "    if (k in p) p[k] = function () { seen.push(String(k)); throw new Error('not yours'); "
        "}; 0");
    pid = restore(&script, take(pid));
    CHECK_STR(js_eval(pid, "seen.length"), "0");
    CHECK_STR(json_of(pid, "said"), "[[true,\"restored\"],\"the process was restored from a "
                                    "snapshot: what became of the call is "
                                    "not known\",[\"restored\",null]]");
    js_end(rt);
}

TEST(a_call_from_outside_is_answered_by_whom_it_was_made_to)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), twin;
    anqa_ref ref = anqa_request(pid, "wait", anqa_text(ANQA_JSON_NULL)), other;
    const anqa_msg *msg;

    twin = restore(&script, take(pid));
    (void)js_eval(twin, "0");
    /* the first to wait there: its number is not that of the one who waits elsewhere */
    other = anqa_request(twin, "wait", anqa_text(ANQA_JSON_NULL));
    (void)js_eval(twin, "0");
    CHECK_STR(js_call(twin, "settle", "[\"of the twin\"]"), "null");
    msg = anqa_receive_ref(other, LONG_MS);
    CHECK(msg != NULL);
    CHECK_STR(anqa_json_text(msg->body), "\"of the twin\"");
    CHECK_STR(js_eval(pid, "0"), "0");
    CHECK(anqa_receive_ref(ref, 0) == NULL);
    CHECK_STR(js_call(pid, "settle", "[\"of the first\"]"), "null");
    msg = anqa_receive_ref(ref, LONG_MS);
    CHECK(msg != NULL);
    CHECK_STR(anqa_json_text(msg->body), "\"of the first\"");
    js_end(rt);
}

TEST(a_snapshot_waits_for_the_turn_and_for_callSync)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);
    anqa_str bytes;

    anqa_cast(pid, "callSync", anqa_json_of(anqa_str_of("\"nap\"")));
    CHECK_STATUS(anqa_js_snapshot(pid, 20, &bytes, NULL), ANQA_E_TIMEOUT);
    CHECK_STR(js_call(restore(&script, take(pid)), "add", "[0]"), "1");
    js_end(rt);
}

TEST(monitors_end_as_restored)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), twin;

    watch(pid, js_start(&script));
    twin = restore(&script, take(pid));
    CHECK_STR(json_of(twin, "said"), "[[true,\"restored\"],[\"restored\",null]]");
    CHECK_STR(json_of(twin, "unwatch"), "false");
    CHECK_STR(json_of(pid, "unwatch"), "true");
    js_end(rt);
}

TEST(pids_stay_what_they_are_while_the_server_lives_and_are_nobodys_in_the_next)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), me = anqa_self();
    char self[ANQA_PID_TEXT];
    anqa_buf bytes, again;

    watch(pid, me);
    bytes = keep(take(pid));
    pid = restore(&script, anqa_buf_str(bytes));
    CHECK_STR(
        js_eval(pid, "String(Beam.self())"), anqa_tmp_printf("\"%s\"", anqa_pid_text(pid, self)));
    (void)js_call(pid, "tell", "[\"hello\"]");
    CHECK(anqa_receive_if(is_news, NULL, LONG_MS) != NULL);
    js_end(rt);

    rt = js_begin(1); /* where this thread is the same number again */
    CHECK(anqa_pid_eq(anqa_self(), me));
    pid = restore(&script, anqa_buf_str(bytes));
    (void)js_call(pid, "tell", "[\"hello\"]");
    (void)js_call(pid, "tellOld", "[\"hello\"]");
    CHECK(anqa_receive_if(is_news, NULL, 20) == NULL);
    (void)js_call(pid, "watchAgain", "[]");
    CHECK_STR(
        json_of(pid, "said"), "[[true,\"restored\"],[\"restored\",null],[\"<0.0.0>\",\"noproc\"]]");
    CHECK_STR(json_of(pid, "unwatch"), "false");
    watch(pid, me); /* a new one is somebody again, in snapshots of this server too */
    again = keep(take(pid));
    pid = restore(&script, anqa_buf_str(again));
    (void)js_call(pid, "tell", "[\"hello\"]");
    CHECK(anqa_receive_if(is_news, NULL, LONG_MS) != NULL);
    (void)js_call(pid, "tellOld", "[\"hello\"]"); /* which is of the first one */
    CHECK_STR(js_eval(pid, "0"), "0");
    js_end(rt);
    anqa_buf_unref(bytes);
    anqa_buf_unref(again);
}

static void check_said(anqa_pid pid, const char *want)
{
    for (int i = 0; i < 10000 && strcmp(json_of(pid, "said"), want) != 0; i++)
        anqa_sleep(2);
    CHECK_STR(json_of(pid, "said"), want);
}

TEST(a_channel_is_open_again)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), twin;

    (void)json_of(pid, "listen");
    twin = restore(&script, take(pid));
    CHECK_STATUS(anqa_broadcast(anqa_str_of("news"), "message", anqa_jsonf("{'n': 1}")), ANQA_OK);
    check_said(twin, "[[\"restored\",null],{\"n\":1}]");
    check_said(pid, "[{\"n\":1}]");
    js_end(rt);
}

TEST(memory_that_was_added_comes_back_and_more_than_the_limit_does_not)
{
    static const anqa_js_script small = ANQA_JS_SCRIPT(.name = "counter.js", .source = SOURCE,
        .handlers = handlers, .topics = topics, .limits.memory = 8 << 20);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_error err = {.text = ""};
    anqa_str bytes;

    (void)anqa_trap_exit(true);
    (void)js_call(pid, "grow", "[20000000]");
    bytes = take(pid);
    CHECK_STR(json_of(restore(&script, bytes), "held_"), "140000");
    CHECK_STATUS(
        anqa_js_restore_link(&small, bytes, NULL, NULL, &pid, &err), ANQA_E_LIMIT, "%s", err.text);
    CHECK(strstr(err.text, "limits.memory") != NULL, "%s", err.text);
    js_end(rt);
}

TEST(who_was_restored_can_be_reset)
{
    static const anqa_js_script ticking = ANQA_JS_SCRIPT(.name = "ticking",
        .source = "let n = 0; setTimeout(() => { n += 100; }, 50);\n"
                  "export function add(by) { return n += by; }\n");
    anqa_rt *rt = fake_clock();
    anqa_pid pid = js_start(&ticking);

    CHECK_STR(js_call(pid, "add", "[1]"), "1");
    anqa_sleep(20);
    pid = restore(&ticking, take(pid));
    anqa_sleep(29);
    CHECK_STR(js_call(pid, "add", "[1]"), "2");
    anqa_sleep(2);
    CHECK_STR(js_call(pid, "add", "[1]"), "103");
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
    CHECK_STR(js_call(pid, "add", "[1]"), "1");
    anqa_sleep(49);
    CHECK_STR(js_call(pid, "add", "[1]"), "2");
    anqa_sleep(2);
    CHECK_STR(js_call(pid, "add", "[1]"), "103");
    js_end(rt);
}

TEST(a_parked_process_has_its_snapshot_and_sleeps_on)
{
    anqa_rt *rt = js_begin_with(
        &(anqa_options){.schedulers = 1, .js_mapped = 1, .watchdog_ms = ANQA_INFINITY});
    anqa_pid pid = js_start(&script);
    anqa_js_info info;
    anqa_buf bytes;

    CHECK_STR(js_call(pid, "add", "[7]"), "7");
    CHECK_STR(js_eval(js_start(&script), "1"), "1");
    bytes = keep(take(pid));
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK(info.parked);
    CHECK_STR(js_call(restore(&script, anqa_buf_str(bytes)), "add", "[1]"), "8");
    CHECK_STR(js_call(pid, "add", "[2]"), "9");
    CHECK_STR(js_call(restore(&script, anqa_buf_str(bytes)), "add", "[2]"), "9");
    anqa_buf_unref(bytes);
    js_end(rt);
}

/* What a turn leaves to be done is a message to itself, behind the one that asks for the snapshot. */
TEST(tasks_that_wait_in_the_mailbox_are_done_all_the_same)
{
    static const anqa_js_script posting = ANQA_JS_SCRIPT(.name = "posting",
        .source = "const told = [];\n"
                  "export function post() { const c = new MessageChannel();\n"
                  "  c.port1.onmessage = (e) => told.push(e.data);\n"
                  "  Beam.callSync('nap'); c.port2.postMessage(1); c.port2.postMessage(2); }\n"
                  "export function said() { return told; }\n",
        .handlers = handlers, .apis = ANQA_JS_EVENTS);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&posting);

    anqa_cast(pid, "post", ANQA_JSON_NULL);
    anqa_sleep(20);
    check_said(restore(&posting, take(pid)), "[1,2]");
    check_said(pid, "[1,2]");
    js_end(rt);
}

TEST(workers_of_a_snapshot_have_failed_and_new_ones_work)
{
    static const anqa_js_script working = ANQA_JS_SCRIPT(.name = "working",
        .source = "const told = [];\n"
                  "export function work() { const w = new Worker('onmessage = (e) => "
                  "postMessage(e.data + 1)');\n"
                  "  w.onmessage = (e) => told.push(e.data);\n"
                  "  w.onerror = (e) => { e.preventDefault(); told.push(e.message); };\n"
                  "  w.postMessage(1); }\n"
                  "export function said() { return told; }\n",
        .apis = ANQA_JS_WORKER, .limits.children = 4);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&working), twin;

    (void)json_of(pid, "work");
    check_said(pid, "[2]");
    twin = restore(&working, take(pid));
    CHECK_STR(json_of(twin, "said"), "[2,\"restored\"]");
    (void)json_of(twin, "work");
    check_said(twin, "[2,\"restored\",2]");
    check_said(pid, "[2]");
    js_end(rt);
}

TEST(children_have_snapshots_of_what_they_run)
{
    static const anqa_js_script parent = ANQA_JS_SCRIPT(.name = "parent",
        .source = "let n = 0;\n"
                  "export function spawn(source) { return Beam.spawn(source); }\n"
                  "export function add(by) { return n += by; }\n",
        .limits.children = 2);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&parent), same = {0}, other = {0}, bad;
    anqa_value got;
    anqa_error err = {.text = ""};

    (void)anqa_trap_exit(true);
    CHECK_STATUS(
        anqa_js_eval(pid, anqa_str_of("Beam.spawn(null)"), LONG_MS, &got, NULL, NULL), ANQA_OK);
    CHECK_STATUS(anqa_value_get_bits(got, &same.bits), ANQA_OK);
    CHECK_STATUS(anqa_js_eval(pid, anqa_str_of("Beam.spawn('export function f() {}')"), LONG_MS,
                     &got, NULL, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_value_get_bits(got, &other.bits), ANQA_OK);
    CHECK_STR(js_call(same, "add", "[3]"), "3");
    CHECK_STR(js_call(restore(&parent, take(same)), "add", "[1]"), "4");
    CHECK_STATUS(
        anqa_js_restore_link(&parent, take(other), NULL, NULL, &bad, &err), ANQA_E_VERSION);
    CHECK(strstr(err.text, "source was another") != NULL, "%s", err.text);
    js_end(rt);
}

/* ---------------------------------------------------------------- what is refused */

enum { AT_VERSION = 8, AT_ENGINE = 16, AT_IMAGE = 80, AT_PAGES = 116, AT_ID = 120, AT_TIME = 136 };

/* Makes the checksum right again. */
static anqa_str sealed(char *bytes, size_t len)
{
    sha256_of(bytes, len - 64, (unsigned char *)bytes + len - 64);
    return anqa_str_make(bytes, len);
}

static void check_refused(
    const anqa_js_script *of, anqa_str bytes, anqa_status status, const char *says)
{
    anqa_error err = {.text = ""};
    anqa_pid pid;

    CHECK_STATUS(
        anqa_js_restore_link(of, bytes, NULL, NULL, &pid, &err), status, "%s: %s", says, err.text);
    CHECK(strstr(err.text, says) != NULL, "%s", err.text);
}

TEST(what_is_of_something_else_is_refused_by_name)
{
    static const anqa_js_script renamed = ANQA_JS_SCRIPT(.name = "other.js", .source = SOURCE,
        .handlers = handlers, .topics = topics);
    static const anqa_js_script changed = ANQA_JS_SCRIPT(.name = "counter.js",
        .source = SOURCE "//", .handlers = handlers, .topics = topics);
    static const anqa_js_script more = ANQA_JS_SCRIPT(.name = "counter.js", .source = SOURCE,
        .handlers = handlers, .topics = topics, .apis = ANQA_JS_EVENTS);
    static const anqa_js_script limited = ANQA_JS_SCRIPT(.name = "counter.js", .source = SOURCE,
        .handlers = handlers, .topics = topics, .limits.timers = 9);
    static const struct {
        const anqa_js_script *script;
        size_t change; /* this byte; 0: none */
        anqa_status status;
        const char *says;
    } rows[] = {
        {&renamed, 0, ANQA_E_INVALID, "is one of script 'counter.js', not 'other.js'"},
        {&changed, 0, ANQA_E_VERSION, "when its source was another"},
        {&more, 0, ANQA_E_VERSION, "with other .apis"},
        {&limited, 0, ANQA_E_VERSION, "from another image"},
        {&script, AT_IMAGE, ANQA_E_VERSION, "from another image"},
        {&script, AT_ENGINE, ANQA_E_VERSION, "another build of the JavaScript engine"},
        {&script, AT_VERSION, ANQA_E_VERSION, "has the format"},
        {&script, AT_PAGES + 2, ANQA_E_LIMIT, "more than limits.memory allows"},
        {&script, AT_ID + 3, ANQA_E_PARSE, "a number is out of range"},
        {&script, AT_ID + 4, ANQA_E_PARSE, "a number is out of range"},
        {&script, AT_TIME + 7, ANQA_E_PARSE, "a number is out of range"},
        {&script, 1, ANQA_E_PARSE, "no snapshot"},
    };
    anqa_rt *rt = js_begin(1);
    anqa_str bytes = take(js_start(&script));

    (void)anqa_trap_exit(true);
    for (size_t i = 0; i < ANQA_COUNT(rows); i++) {
        char *copy = anqa_tmp_copy(bytes.ptr, bytes.len);
        if (rows[i].change != 0)
            copy[rows[i].change] ^= (char)0xff;
        check_refused(rows[i].script, sealed(copy, bytes.len), rows[i].status, rows[i].says);
    }
    CHECK_STR(js_call(restore(&script, bytes), "add", "[1]"), "1"); /* unchanged it is fine */
    js_end(rt);
}

TEST(one_that_has_fewer_pages_than_the_image_is_refused)
{
    anqa_rt *rt = js_begin(1);
    anqa_str bytes = take(js_start(&script));
    char *copy = anqa_tmp_copy(bytes.ptr, bytes.len);

    (void)anqa_trap_exit(true);
    copy[AT_PAGES] = 1;
    copy[AT_PAGES + 1] = 0;
    check_refused(&script, sealed(copy, bytes.len), ANQA_E_PARSE, "a number is out of range");
    js_end(rt);
}

TEST(a_snapshot_that_is_cut_anywhere_is_refused)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), cut;
    anqa_str bytes;

    (void)js_call(pid, "add", "[3]");
    bytes = take(pid);
    for (size_t len = 0; len < bytes.len; len++) {
        anqa_str part = anqa_str_make(anqa_tmp_copy(bytes.ptr, len), len);
        CHECK_STATUS(
            anqa_js_restore_link(&script, part, NULL, NULL, &cut, NULL), ANQA_E_PARSE, "%zu", len);
        if (len % 64 == 0)
            (void)anqa_receive(0); /* the event's memory ends */
        if (len % 64 == 0)
            bytes = take(pid);
    }
    js_end(rt);
}

TEST(a_bit_that_has_fallen_over_is_found)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), bad;
    anqa_str bytes = take(pid);
    char *copy = anqa_tmp_copy(bytes.ptr, bytes.len);

    for (size_t bit = 0; bit < (bytes.len - 32) * 8; bit += bit < 1600 ? 1 : 61) {
        anqa_status status;
        copy[bit / 8] ^= (char)(1 << bit % 8);
        status =
            anqa_js_restore_link(&script, anqa_str_make(copy, bytes.len), NULL, NULL, &bad, NULL);
        CHECK(status == ANQA_E_PARSE || (status == ANQA_E_VERSION && bit / 8 / 4 == AT_VERSION / 4),
            "%zu: %s", bit, anqa_status_name(status));
        copy[bit / 8] ^= (char)(1 << bit % 8);
    }
    js_end(rt);
}

/* The last 32 bytes say only whether this server has made it: without them it is one of another server. */
TEST(without_its_witness_a_snapshot_is_one_of_another_server)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_str bytes;
    char *copy;

    watch(pid, anqa_self());
    bytes = take(pid);
    copy = anqa_tmp_copy(bytes.ptr, bytes.len);
    copy[bytes.len - 1] ^= 1;
    pid = restore(&script, anqa_str_make(copy, bytes.len));
    (void)js_call(pid, "tell", "[\"hello\"]");
    CHECK_STR(js_eval(pid, "0"), "0");
    CHECK(anqa_receive_if(is_news, NULL, 0) == NULL);
    js_end(rt);
}

TEST(memory_that_was_forged_ends_its_process_only)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), forged;
    anqa_str bytes;

    (void)anqa_trap_exit(true);
    (void)js_call(pid, "listen", "[]");
    (void)js_call(pid, "later", "[1, \"a\"]");
    bytes = take(pid);
    for (unsigned i = 0; i < 200; i++) {
        char *copy = anqa_tmp_copy(bytes.ptr, bytes.len);
        for (unsigned n = 0; n < 4; n++) {
            size_t from = AT_TIME + 16 + strlen(script.name);
            copy[from + harness_random() % (bytes.len - 64 - from)] = (char)harness_random();
        }
        if (anqa_js_restore_link(&script, sealed(copy, bytes.len), NULL, NULL, &forged, NULL) !=
            ANQA_OK)
            continue;
        (void)js_call(forged, "add", "[1]");
        (void)json_of(forged, "said");
        (void)js_kill(forged);
    }
    CHECK_STR(js_call(pid, "add", "[1]"), "1");
    js_end(rt);
}

TEST(a_script_with_too_long_a_name_has_no_snapshots)
{
    static char name[257];
    static anqa_js_script long_name =
        ANQA_JS_SCRIPT(.name = name, .source = "export function f() { return 1; }");
    anqa_rt *rt = js_begin(1);
    anqa_error err = {.text = ""};
    anqa_str bytes;

    memset(name, 'n', 255);
    CHECK_STR(js_call(restore(&long_name, take(js_start(&long_name))), "f", "[]"), "1");
    js_end(rt);
    name[255] = 'n';
    rt = js_begin(1);
    CHECK_STATUS(anqa_js_snapshot(js_start(&long_name), LONG_MS, &bytes, &err), ANQA_E_LIMIT);
    CHECK(strstr(err.text, "more than 255 bytes") != NULL, "%s", err.text);
    js_end(rt);
}

TEST(what_is_no_script_has_no_snapshot)
{
    static const anqa_gen_server server = {.label = "no script"};
    anqa_rt *rt = js_begin(1);
    anqa_pid pid;
    anqa_str bytes;

    (void)anqa_trap_exit(true);
    CHECK_STATUS(anqa_gen_server_start_link(&server, NULL, NULL, &pid, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, NULL), ANQA_E_DIED);
    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, NULL), ANQA_E_NOPROC);
    js_end(rt);
}
