/* The control socket's operations on JavaScript processes. */
#include "peer.h"
#include "otp/support.h"

#include <string.h>

#include <anqa/js.h>

static const anqa_js_script room = ANQA_JS_SCRIPT(.name = "room.js",
    .source = "let posts = [];\n"
              "export function post(text) { posts.push(text); return posts.length; }\n"
              "export function spin() { for (;;) Math.sqrt(2); }\n"
              "globalThis['<&\\x1b;>'] = function () {};\n",
    .limits = {.turn_ms = 600000}, .server.name = "room");

static const anqa_control control = {.name = "shop"};
static const anqa_app shop = {.name = "shop",
    .children = (const anqa_child_spec[]){{.server = &room.server}, ANQA_CONTROL(&control), {0}},
    .max_restarts = 100000};

static anqa_rt *begin_shop(void)
{
    anqa_rt *rt;

    folder_begin();
    rt = begin();
    anqa_detach();
    CHECK_STATUS(anqa_app_start(rt, &shop, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    return rt;
}

static const char *about_room(struct peer *peer, const char *op)
{
    return ask(
        peer, anqa_tmp_printf("{\"id\":1,\"op\":\"%s\",\"args\":{\"process\":\"room\"}}", op));
}

static bool has(const char *answer, const char *text)
{
    return strstr(answer, text) != NULL;
}

TEST(a_javascript_process_is_looked_into_from_outside)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *answer;

    answer = ask(peer, "{\"id\":1,\"op\":\"js_processes\"}");
    CHECK(has(answer, "\"script\":\"room.js\",\"status\":\"idle\",\"memory\":"), "%s", answer);
    answer = about_room(peer, "js_variables");
    CHECK(
        has(answer, "{\"name\":\"posts\",\"scope\":\"module\",\"kind\":\"array\",\"text\":\"[]\"}"),
        "%s", answer);
    answer = about_room(peer, "js_stack");
    CHECK(has(answer, "\"stack\":[]"), "%s", answer);
    answer = about_room(peer, "js_report");
    CHECK(has(answer, "\"report\":{\"memory\":{\"size\":"), "%s", answer);
    CHECK(has(answer, "\"pending_calls\":0"), "%s", answer);
    anqa_cast(anqa_whereis("room"), "spin", (anqa_json){NULL, 0});
    CHECK(has(about_room(peer, "js_pause"), "\"ok\":{\"pid\":\"<"));
    answer = ask(peer, "{\"id\":1,\"op\":\"js_processes\",\"args\":{\"limit\":1}}");
    CHECK(has(answer, "\"status\":\"paused\""), "%s", answer);
    answer = about_room(peer, "js_variables");
    CHECK(has(answer, "\"scope\":\"global\",\"kind\":\"function\""), "%s", answer);
    CHECK(has(about_room(peer, "js_resume"), "\"ok\":{\"pid\":\"<"));
    answer = about_room(peer, "js_stack");
    CHECK(has(answer, "{\"function\":\"spin\",\"file\":\"room.js\",\"line\":3,"), "%s", answer);
    answer = ask(peer, "{\"id\":1,\"op\":\"js_profile\",\"args\":{\"script\":\"room.js\","
                       "\"time_ms\":50}}");
    CHECK(has(answer, "{\"folded\":\"spin (room.js:3)"), "%s", answer);
    peer_close(peer);
    end(rt);
}

static const struct {
    const char *request, *answer;
} refused[] = {
    {"{\"id\":1,\"op\":\"js_stack\"}", "{\"id\":1,\"error\":{\"code\":\"invalid\",\"message\":"
                                       "\"\\\"process\\\" is needed: a pid or a "
                                       "name\"}}"},
    {"{\"id\":1,\"op\":\"js_pause\",\"args\":{\"process\":\"nobody\"}}",
        "{\"id\":1,\"error\":{\"code\":\"not_found\",\"message\":\"there is no process "
        "'nobody'\"}}"},
    {"{\"id\":1,\"op\":\"js_profile\",\"args\":{\"time_ms\":600001}}",
        "{\"id\":1,\"error\":{\"code\":\"range\",\"message\":\"\\\"time_ms\\\" is a number from 0 "
        "to "
        "600000\"}}"},
    {"{\"id\":1,\"op\":\"js_profile\",\"args\":{\"process\":\"nobody\"}}",
        "{\"id\":1,\"error\":{\"code\":\"not_found\",\"message\":\"there is no process "
        "'nobody'\"}}"},
    {"{\"id\":1,\"op\":\"js_processes\",\"args\":{\"limit\":10001}}",
        "{\"id\":1,\"error\":{\"code\":\"range\",\"message\":\"\\\"limit\\\" is a number from 0 to "
        "10000\"}}"},
};

TEST(what_cannot_be_asked_of_scripts_is_refused_with_words)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    char text[ANQA_PID_TEXT];
    const char *answer;

    for (size_t i = 0; i < ANQA_COUNT(refused); i++)
        CHECK_STR(ask(peer, refused[i].request), refused[i].answer);
    answer = ask(
        peer, anqa_tmp_printf("{\"id\":1,\"op\":\"js_variables\",\"args\":{\"process\":\"%s\"}}",
                  anqa_pid_text(anqa_self(), text)));
    CHECK(has(answer, "\"code\":\"unsupported\""), "%s", answer);
    CHECK(has(answer, "is no JavaScript process"), "%s", answer);
    peer_close(peer);
    end(rt);
}

TEST(a_profile_ends_when_its_request_is_cancelled)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *answer;

    say(peer, "{\"id\":1,\"op\":\"js_profile\",\"args\":{\"time_ms\":600000}}\n");
    answer = ask(peer, "{\"id\":2,\"op\":\"ping\"}");
    CHECK(has(answer, "\"id\":2"), "%s", answer);
    answer = ask(peer, "{\"id\":1,\"op\":\"cancel\"}");
    CHECK_STR(answer, "{\"id\":1,\"ok\":{\"cancelled\":true}}");
    answer = ask(peer, "{\"id\":3,\"op\":\"js_profile\",\"args\":{\"time_ms\":1}}");
    CHECK_STR(answer, "{\"id\":3,\"ok\":{\"folded\":\"\",\"samples\":0,\"lost\":0}}");
    peer_close(peer);
    end(rt);
}
