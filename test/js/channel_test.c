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
    for (int i = 0; i < 500 && strcmp(js_call(pid, "listen", "[]"), want) != 0; i++)
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

TEST(what_is_no_object_goes_as_data)
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
