/* BroadcastChannel: scripts, C and sockets on one topic. */
#include <anqa/pubsub.h>

#include "support.h"

static const char source[] =
    "let channel; const heard = [];\n"
    "export function init() { channel = new BroadcastChannel('room:1');\n"
    "  channel.onmessage = (m) => heard.push([m.event, m.data]); }\n"
    "export function say(value, event) { channel.postMessage(value, event); }\n"
    "export function listen() { return heard; }\n"
    "export function open(topic) { new BroadcastChannel(topic); }\n"
    "export function openMany(n) { for (let i = 0; i < n; i++) new BroadcastChannel('room:m' + i); "
    "}\n"
    "export function close() { channel.close(); channel.close(); }\n"
    "export function twice() { const other = new BroadcastChannel('room:1'); const got = [];\n"
    "  other.addEventListener('message', (m) => got.push('other ' + m.data));\n"
    "  channel.addEventListener('message', (m) => got.push('first ' + m.data), {once: true});\n"
    "  channel.onmessage = null; channel.postMessage(1); other.postMessage(2); "
    "other.postMessage(3);\n"
    "  return new Promise((done) => setTimeout(() => done(got), 5)); }\n";

static const anqa_js_script member = ANQA_JS_SCRIPT(.name = "member", .source = source,
    .topics = (const char *const[]){"room:*", "news", NULL});
static const anqa_js_script closed = ANQA_JS_SCRIPT(.name = "closed",
    .source =
        "export function open(topic) { new BroadcastChannel(topic); }\n"
        "export function early() { return earlyError; }\n"
        "let earlyError = 'none'; try { new BroadcastChannel('x'); } catch (e) { earlyError = "
        "e.name; }\n");

static void check_hears(anqa_pid pid, const char *want)
{
    for (int i = 0; i < 10000 && strcmp(js_call(pid, "listen", "[]"), want) != 0; i++)
        anqa_sleep(2);
    CHECK_STR(js_call(pid, "listen", "[]"), want);
}

TEST(a_message_reaches_all_others_of_the_topic_and_not_its_sender)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid one = js_start(&member), two = js_start(&member), three = js_start(&member);

    CHECK_STR(js_call(one, "say", "[{\"n\": 1}, \"posted\"]"), "null");
    check_hears(two, "[[\"posted\",{\"n\":1}]]");
    check_hears(three, "[[\"posted\",{\"n\":1}]]");
    CHECK_STR(js_call(one, "listen", "[]"), "[]");
    js_end(rt);
}

/* With the names of events, which only scripts and C know. */
TEST(where_events_are_a_channel_is_a_target_of_them)
{
    anqa_js_script script = member;
    anqa_rt *rt = js_begin(2);
    anqa_pid one = js_start(&member), two;

    script.apis = ANQA_JS_EVENTS;
    two = js_start(&script);
    CHECK_STR(js_eval(two, "new BroadcastChannel('news') instanceof EventTarget"), "true");
    CHECK_STR(js_call(two, "open", "[\"secret\"]"),
        "ReferenceError: no topic 'secret' is listed for this script");
    CHECK_STR(js_call(one, "say", "[{\"n\": 1}, \"posted\"]"), "null");
    check_hears(two, "[[\"posted\",{\"n\":1}]]");
    CHECK_STR(js_call(two, "say", "[[2], \"other\"]"), "null");
    check_hears(one, "[[\"other\",[2]]]");
    CHECK_STR(js_call(two, "twice", "[]"), "[\"other 1\",\"first 2\"]");
    js_end(rt);
}

TEST(what_is_no_object_arrives_all_the_same)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&member), two = js_start(&member);

    CHECK_STR(js_call(one, "say", "[[1, \"x\"]]"), "null");
    check_hears(two, "[[\"message\",[1,\"x\"]]]");
    js_end(rt);
}

TEST(broadcasts_of_c_are_heard)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&member);

    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:1"), "tick", anqa_jsonf("{'at': 7}")), ANQA_OK);
    check_hears(one, "[[\"tick\",{\"at\":7}]]");
    js_end(rt);
}

TEST(two_channels_of_one_process_hear_each_other_and_not_themselves)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&member);

    CHECK_STR(js_call(one, "twice", "[]"), "[\"other 1\",\"first 2\"]");
    js_end(rt);
}

TEST(a_topic_that_is_not_listed_is_refused)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&member), none = js_start(&closed);

    CHECK_STR(js_call(one, "open", "[\"news\"]"), "null");
    CHECK(strstr(js_call(one, "open", "[\"newspaper\"]"), "ReferenceError") != NULL);
    CHECK(strstr(js_call(one, "open", "[\"roo\"]"), "ReferenceError") != NULL);
    CHECK(strstr(js_call(none, "open", "[\"room:1\"]"), "ReferenceError") != NULL);
    CHECK_STR(js_call(none, "early", "[]"), "\"ReferenceError\""); /* there is no such class */
    js_end(rt);
}

TEST(a_process_may_have_so_many_topics)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&member);

    CHECK(strstr(js_call(one, "openMany", "[100]"), "RangeError: more than 100 topics") != NULL);
    js_end(rt);
}

TEST(a_closed_channel_neither_sends_nor_hears)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&member), two = js_start(&member);

    CHECK_STR(js_call(one, "close", "[]"), "null");
    CHECK(strstr(js_call(one, "say", "[1]"), "this BroadcastChannel is closed") != NULL);
    CHECK_STR(js_call(two, "say", "[1]"), "null");
    anqa_sleep(20);
    CHECK_STR(js_call(one, "listen", "[]"), "[]");
    js_end(rt);
}

/* Values, and what C and browsers see of them. */
static const struct {
    const char *code, *json;
} posts[] = {
    {"({a: 1})", "{\"a\":1}"},
    {"({})", "{}"},
    {"({data: 1})", "{\"data\":{\"data\":1}}"},
    {"({data: {data: [1]}})", "{\"data\":{\"data\":{\"data\":[1]}}}"},
    {"({data: 1, more: 2})", "{\"data\":1,\"more\":2}"},
    {"({data: undefined})", "{\"data\":{\"data\":{\"$\":\"undefined\"}}}"},
    {"({a: [{b: {c: 'd'}}, true, 1.5]})", "{\"a\":[{\"b\":{\"c\":\"d\"}},true,1.5]}"},
    {"1", "{\"data\":1}"},
    {"'x'", "{\"data\":\"x\"}"},
    {"null", "{\"data\":null}"},
    {"undefined", "{\"data\":{\"$\":\"undefined\"}}"},
    {"[undefined, 1]", "{\"data\":[{\"$\":\"undefined\"},1]}"},
    {"NaN", "{\"data\":{\"$\":\"number\",\"value\":\"NaN\"}}"},
    {"-0", "{\"data\":{\"$\":\"number\",\"value\":\"-0\"}}"},
    {"[-Infinity]", "{\"data\":[{\"$\":\"number\",\"value\":\"-Infinity\"}]}"},
    {"[-5n]", "{\"data\":[{\"$\":\"bigint\",\"value\":\"-5\"}]}"},
    {"new Uint8Array([0, 255])", "{\"data\":{\"$\":\"bytes\",\"value\":\"00ff\"}}"},
    {"new Uint8Array()", "{\"data\":{\"$\":\"bytes\",\"value\":\"\"}}"},
    {"({at: new Date(5)})", "{\"data\":{\"at\":{\"$\":\"date\",\"value\":5}}}"},
    {"({$: 'date', value: 5})",
        "{\"data\":{\"$\":\"object\",\"value\":{\"$\":\"date\",\"value\":5}}}"},
    {"({a: {$: {$: 1}}})", "{\"data\":{\"a\":{\"$\":\"object\",\"value\":{\"$\":"
                           "{\"$\":\"object\",\"value\":{\"$\":1}}}}}}"},
    {"JSON.parse('{\"__proto__\": {\"x\": 1}}')", "{\"__proto__\":{\"x\":1}}"},
};

static const anqa_js_script poster = ANQA_JS_SCRIPT(.name = "poster",
    .source =
        "export function init() { globalThis.room = new BroadcastChannel('room:1');\n"
        "  globalThis.heard = 0; room.onmessage = (m) => { heard++; globalThis.last = m.data; "
        "}; }\n",
    .topics = (const char *const[]){"room:*", NULL});

static void await_heard(anqa_pid pid, size_t count)
{
    const char *want = anqa_tmp_printf("%zu", count);

    for (int i = 0; i < 10000 && strcmp(js_eval(pid, "heard"), want) != 0; i++)
        anqa_sleep(2);
    CHECK_STR(js_eval(pid, "heard"), want);
}

TEST(every_value_arrives_as_it_was_posted)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&poster), two = js_start(&poster);

    for (size_t i = 0; i < ANQA_COUNT(posts); i++) {
        const char *code = posts[i].code;
        CHECK_STR(js_eval(one, anqa_tmp_printf("room.postMessage(%s); 1", code)), "1", "%s", code);
        await_heard(two, i + 1);
        CHECK_STR(js_eval(two, "last"), js_eval(one, code), "%s", code);
    }
    js_end(rt);
}

/* Hears what scripts post, in a process of its own: the test's thread cannot subscribe. */
static void listen_run(void *test)
{
    CHECK_STATUS(anqa_subscribe(anqa_str_of("room:1")), ANQA_OK);
    CHECK_STATUS(anqa_send(*(anqa_pid *)test, "listens", anqa_nothing()), ANQA_OK);
    for (;;) {
        anqa_broadcast_view view;
        if (anqa_broadcast_of(anqa_receive(ANQA_INFINITY), &view))
            CHECK_STATUS(anqa_send(*(anqa_pid *)test, "payload", anqa_text(view.payload)), ANQA_OK);
    }
}

TEST(others_hear_objects_as_they_are_and_other_values_as_data)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&poster), listener, test = anqa_self();
    const anqa_msg *msg;

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = listen_run, .arg = &test, .arg_size = sizeof test},
            &listener, NULL),
        ANQA_OK);
    CHECK(anqa_receive(LONG_MS) != NULL);
    for (size_t i = 0; i < ANQA_COUNT(posts); i++) {
        CHECK_STR(js_eval(one, anqa_tmp_printf("room.postMessage(%s); 1", posts[i].code)), "1");
        msg = anqa_receive(LONG_MS);
        CHECK(msg != NULL);
        CHECK_STR(anqa_json_text(msg->body), posts[i].json, "%s", posts[i].code);
    }
    (void)js_kill(listener);
    js_end(rt);
}

TEST(what_cannot_be_posted_is_refused_with_its_kind)
{
    static const struct {
        const char *code, *error;
    } refused[] = {
        {"() => 1", "TypeError: a function cannot be sent"},
        {"[Symbol('x')]", "TypeError: a symbol cannot be sent"},
        {"new Map()", "TypeError: a Map cannot be sent"},
        {"[new Float64Array(1)]", "TypeError: a Float64Array cannot be sent"},
        {"Promise.resolve()", "TypeError: a Promise cannot be sent"},
        {"(() => { const a = []; a.push(a); return a })()",
            "RangeError: a message has more than 64 levels"},
    };
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&poster);

    for (size_t i = 0; i < ANQA_COUNT(refused); i++)
        CHECK_STR(js_eval(one, anqa_tmp_printf("room.postMessage(%s)", refused[i].code)),
            refused[i].error);
    js_end(rt);
}
