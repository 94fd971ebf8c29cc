/* What a family of scripts has sent and nobody has received yet has a bound, wherever it waits. */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>

static _Atomic(bool) may_go;
static _Atomic(uint32_t) held;
static char noted[200];
static _Atomic(bool) is_noted;

/* Holds whoever calls until the test says. */
static anqa_status hold(const anqa_js_request *request, anqa_value_writer *result)
{
    atomic_fetch_add(&held, 1);
    while (!atomic_load(&may_go))
        anqa_sleep(1);
    atomic_fetch_sub(&held, 1);
    return ANQA_OK;
}

static anqa_status note(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_str text = anqa_value_str(anqa_value_at(request->args, 0));

    snprintf(noted, sizeof noted, "%.*s", ANQA_FMT(text));
    atomic_store(&is_noted, true);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"hold", hold}, {"note", note}, {0}};
static const char *const topics[] = {"news", NULL};
static const char refused[] =
    "RangeError: too much is sent and not received yet: more than limits.unread";

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "flood",
    .source =
        "globalThis.tried = (fn) => { try { fn(); return 'sent'; } catch (e) { return String(e); "
        "} };\n"
        "globalThis.until = (fn) => { let n = 0; const id = setInterval(() => { const said = "
        "tried(fn); if (said === 'sent' && ++n < 60) return; clearInterval(id); "
        "Beam.callSync('note', said); }, 1); };\n"
        "export function hold() { Beam.callSync('hold'); return 1; }\n"
        "export function f() {}",
    .handlers = handlers, .topics = topics, .apis = ANQA_JS_WORKER,
    .limits = {.memory = (size_t)64 << 20, .children = 3, .unread = (size_t)4 << 20});

static anqa_rt *begin(void)
{
    atomic_store(&may_go, false);
    atomic_store(&is_noted, false);
    return js_begin(2);
}

static const char *what_is_noted(void)
{
    for (uint32_t i = 0; i < LONG_MS && !atomic_load(&is_noted); i++)
        anqa_sleep(1);
    return atomic_load(&is_noted) ? noted : "nothing";
}

static void wait_held(uint32_t count)
{
    for (uint32_t i = 0; i < LONG_MS && atomic_load(&held) != count; i++)
        anqa_sleep(1);
    CHECK_EQ(atomic_load(&held), count);
}

static anqa_payload ask_hold(void *arg)
{
    CHECK_STR(js_call(*(anqa_pid *)arg, "hold", "[]"), "1");
    return anqa_nothing();
}

/* The script's process is busy until may_go. */
static anqa_task hold_up(anqa_pid pid)
{
    anqa_task task = anqa_task_async(ask_hold, &pid, sizeof pid);

    wait_held(1);
    return task;
}

static void let_go(anqa_task task)
{
    atomic_store(&may_go, true);
    (void)anqa_task_await(&task, LONG_MS);
}

TEST(a_script_that_answers_itself_with_more_is_refused)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "globalThis.n = 0; globalThis.most = 0; Beam.onMessage((m) => { n++; "
                           "most = Math.max(most, Beam.processInfo().messageQueue); if (n > 60) "
                           "return; for (let i = 0; i < 10; i++) { const said = tried(() => "
                           "Beam.send(Beam.self(), m)); if (said !== 'sent') globalThis.why = "
                           "said; } }); Beam.send(Beam.self(), 'x'.repeat(100 << 10)); 1"),
        "1");
    for (uint32_t i = 0;
        i < LONG_MS &&
        strcmp(js_eval(pid, "n > 60 && Beam.processInfo().messageQueue === 0"), "true") != 0;
        i++)
        anqa_sleep(1);
    CHECK_STR(js_eval(pid, "most < 45"), "true");
    CHECK_STR(js_eval(pid, "why"), anqa_tmp_printf("\"%s\"", refused));
    CHECK_STR(
        js_eval(pid, "tried(() => Beam.send(Beam.self(), 'x'.repeat(100 << 10)))"), "\"sent\"");
    js_end(rt);
}

TEST(a_worker_that_floods_its_parent_is_refused)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid,
                  "globalThis.w = new Worker('onmessage = () => { let n = 0; const id = "
                  "setInterval(() => { try { postMessage(\"x\".repeat(1e6)); if (++n < 60) return; "
                  "} catch (e) { Beam.callSync(\"note\", String(e)); } clearInterval(id); }, 1); "
                  "}'); w.onmessage = () => {}; 1"),
        "1");
    CHECK_STR(js_eval(pid, "w.postMessage(1); setTimeout(() => Beam.callSync('hold'), 0); 1"), "1");
    wait_held(1);
    CHECK_STR(what_is_noted(), anqa_tmp_printf("DataCloneError: %s", refused + 12));
    atomic_store(&may_go, true);
    CHECK_STR(js_eval(pid, "1"), "1");
    js_end(rt);
}

/* Sends a megabyte again and again to `to`, by a script's process, until it may not. */
static void flood(anqa_pid pid, const char *how)
{
    CHECK_STR(js_eval(pid, anqa_tmp_printf("until(() => %s); 1", how)), "1");
}

static void set_pid(anqa_pid pid, const char *name, anqa_pid value)
{
    anqa_value_writer writer;
    anqa_value out = {NULL, 0};

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_put_pid(&writer, value.bits);
    CHECK_STATUS(anqa_value_done(&writer, &out), ANQA_OK);
    CHECK_STATUS(anqa_js_set_global(pid, anqa_str_of(name), out, LONG_MS, NULL, NULL), ANQA_OK);
}

TEST(who_sends_pays_and_the_receiver_goes_on)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script), other = js_start(&script), third = js_start(&script);
    anqa_task task = hold_up(other);

    set_pid(pid, "to", other);
    set_pid(third, "to", other);
    flood(pid, "Beam.send(to, 'x'.repeat(1 << 20))");
    CHECK_STR(what_is_noted(), refused);
    CHECK_STR(js_eval(third, "tried(() => Beam.send(to, 1))"), "\"sent\"");
    let_go(task);
    CHECK_STR(js_eval(other, "1"), "1"); /* behind all that */
    CHECK_STR(js_eval(pid, "tried(() => Beam.send(to, 'x'.repeat(1 << 20)))"), "\"sent\"");
    js_end(rt);
}

static bool is_message(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, ANQA_JS_MESSAGE);
}

TEST(a_process_of_c_that_takes_its_time_is_not_flooded_either)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script);
    const anqa_msg *msg;
    anqa_value value;
    uint32_t count = 0;

    set_pid(pid, "to", anqa_self());
    flood(pid, "Beam.send(to, 'x'.repeat(1 << 20))");
    CHECK_STR(what_is_noted(), refused);
    while ((msg = anqa_receive_if(is_message, NULL, 0)) != NULL) {
        CHECK_STATUS(anqa_value_check(msg->body.ptr, msg->body.len, NULL, &value), ANQA_OK);
        CHECK_EQ(anqa_value_str(value).len, (size_t)1 << 20);
        anqa_msg_free(msg);
        count++;
    }
    CHECK_EQ(count, 3u);
    CHECK_STR(js_eval(pid, "tried(() => Beam.send(to, 1))"), "\"sent\"");
    js_end(rt);
}

TEST(what_waits_for_one_that_ends_is_paid_for_no_more)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script), other = js_start(&script);

    anqa_trap_exit(true);
    set_pid(pid, "to", other);
    CHECK_STR(js_eval(other, "setTimeout(() => Beam.callSync('hold'), 0); 1"), "1");
    wait_held(1);
    flood(pid, "Beam.send(to, 'x'.repeat(1 << 20))");
    CHECK_STR(what_is_noted(), refused);
    (void)js_kill(other);
    atomic_store(&held, 0); /* it was ended in there */
    CHECK_STR(js_eval(pid, "tried(() => Beam.send(Beam.self(), 'x'.repeat(3 << 20)))"), "\"sent\"");
    js_end(rt);
}

TEST(a_broadcast_is_paid_for_until_the_last_has_received_it)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script), other = js_start(&script), quick = js_start(&script);
    anqa_task task;

    CHECK_STR(js_eval(other, "globalThis.b = new BroadcastChannel('news'); 1"), "1");
    CHECK_STR(js_eval(quick, "globalThis.b = new BroadcastChannel('news'); 1"), "1");
    CHECK_STR(js_eval(pid, "globalThis.b = new BroadcastChannel('news'); 1"), "1");
    task = hold_up(other);
    flood(pid, "b.postMessage('x'.repeat(1 << 20))");
    CHECK_STR(what_is_noted(), refused);
    let_go(task);
    CHECK_STR(js_eval(other, "1"), "1");
    for (uint32_t i = 0;
        i < LONG_MS &&
        strcmp(js_eval(pid, "tried(() => b.postMessage('x'.repeat(3 << 20)))"), "\"sent\"") != 0;
        i++)
        anqa_sleep(1);
    CHECK_STR(js_eval(quick, "1"), "1");
    js_end(rt);
}

TEST(arguments_of_calls_that_run_are_paid_for_by_the_family)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script);

    flood(pid,
        "{ Beam.call('hold', 'x'.repeat(1 << 20)).catch((e) => { globalThis.why = String(e); "
        "}); if (globalThis.why) throw why; }");
    for (uint32_t i = 0; i < LONG_MS && strcmp(js_eval(pid, "typeof why"), "\"string\"") != 0; i++)
        anqa_sleep(1);
    CHECK_STR(js_eval(pid, "why"), anqa_tmp_printf("\"%s\"", refused));
    wait_held(3);
    /* 3 MiB of 8 are taken: of the rest a child may have what it leaves free */
    CHECK_STR(js_eval(pid, "new Promise((r) => { const w = new Worker('onmessage = () => { "
                           "Beam.call(\"hold\", \"x\".repeat(2 << 20)).catch(() => {}); "
                           "Beam.call(\"hold\", \"x\".repeat(3 << 19)).catch((e) => "
                           "postMessage(String(e))); }'); w.onmessage = (e) => r(e.data); "
                           "w.postMessage(1); })"),
        anqa_tmp_printf("\"%s\"", refused));
    atomic_store(&may_go, true);
    wait_held(0);
    for (uint32_t i = 0;
        i < LONG_MS &&
        strcmp(js_eval(pid, "Beam.call('hold', 'x'.repeat(3 << 20)).then(() => 1, String)"), "1") !=
            0;
        i++)
        anqa_sleep(1); /* the last of them is just ending */
    js_end(rt);
}

TEST(calls_of_children_that_have_ended_are_paid_for_while_they_run)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "globalThis.text = 'export function init() { try { Beam.call(\"hold\", "
                           "\"x\".repeat(3 << 20)).catch(() => {}); } finally { "
                           "Beam.exit(\"normal\"); } }'; for (let i = 0; i < 2; i++) try { "
                           "Beam.spawn(text) } catch (e) { 'ended' }"),
        "\"ended\"");
    wait_held(2);
    CHECK_STR(js_eval(pid, "Beam.call('hold', 'x'.repeat(2 << 20))"), refused);
    atomic_store(&may_go, true);
    wait_held(0);
    js_end(rt);
}

TEST(a_child_that_keeps_all_it_may_keeps_nobody_else_from_sending)
{
    anqa_rt *rt = begin();
    anqa_pid pid = js_start(&script), other = js_start(&script);
    anqa_task task = hold_up(other);

    /* Its messages lie with one that does not receive. */
    set_pid(pid, "to", other);
    CHECK_STR(js_eval(pid,
                  "globalThis.hog = Beam.spawn('export function init(to) { try { for (;;) "
                  "Beam.send(to, \"x\".repeat(1000)); } catch {} Beam.callSync(\"note\", "
                  "\"full\"); Beam.onMessage((m, from) => Beam.send(from, \"still\")); }', to); 1"),
        "1");
    CHECK_STR(what_is_noted(), "full");
    CHECK_STR(js_eval(pid, "tried(() => Beam.send(to, 'x'.repeat(1 << 20)))"), "\"sent\"");
    CHECK_STR(js_eval(pid, "new Promise((r) => { const w = new Worker('onmessage = () => "
                           "postMessage(\"x\".repeat(1 << 20).length)'); w.onmessage = (e) => "
                           "r(e.data); w.postMessage(1); })"),
        "1048576");
    let_go(task);
    js_end(rt);
}
