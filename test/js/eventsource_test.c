/* EventSource of scripts, against servers that do as they must and servers that do not. */
#include <stdatomic.h>

#include <anqa/net.h>

#include "net_server.h"

static const char source[] =
    "let source, events = [];\n"
    "const wait = (fn) => new Promise((done) => { const look = () => { const v = fn();\n"
    "  if (v) done(v); else setTimeout(look, 1); }; look(); });\n"
    "export function open(url) { events = []; source = new EventSource(url);\n"
    "  source.onopen = () => events.push('open');\n"
    "  source.onmessage = (e) => events.push([e.data, e.lastEventId, e.origin.replace(/:\\d+/, "
    "'')].join('|'));\n"
    "  source.addEventListener('news', (e) => events.push('news ' + e.data));\n"
    "  source.onerror = () => events.push('error ' + source.readyState); }\n"
    "export function heard(n) { return wait(() => events.length >= n && events.slice(0, n)); }\n"
    "export function close() { source.close(); return source.readyState; }\n"
    "export function all() { return events; }\n"
    "export function bad() { try { new EventSource('no url'); } catch (e) { return e.name; } }\n";

static const anqa_js_script member = ANQA_JS_SCRIPT(.name = "member", .source = source,
    .hosts = (const char *const[]){"127.0.0.1:*", NULL}, .apis = ANQA_JS_EVENTSOURCE,
    .limits = {.net = {.idle_ms = 50}});

static _Atomic(unsigned) asked;
static _Atomic(bool) go_on;

static void stream(anqa_tcp tcp, const char *text)
{
    net_say(tcp, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                 "Connection: close\r\n\r\n");
    net_say(tcp, text);
}

static void site(anqa_tcp tcp)
{
    const char *head = net_read_head(tcp), *last = net_field(head, "last-event-id: ");

    atomic_fetch_add(&asked, 1);
    if (strcmp(net_field(head, "accept: "), "text/event-stream") != 0)
        return;
    if (net_asks(head, "GET /texts ")) {
        stream(tcp, "\xef\xbb\xbf:comment\n\ndata: one\n\ndata:two\rdata\rdata:  three\r\r"
                    "event: news\r\ndata: \xc3\xbc\r\n\r\nid: 7\ndata\n\nid: a");
        net_put(tcp, "\0b\ndata: x\n\nunknown: y\ndata: lo", 31);
        net_say(tcp, "ng\n\nevent: news\n\ndata: not ended\n");
        anqa_sleep(ANQA_INFINITY);
    }
    if (net_asks(head, "GET /again "))
        stream(tcp, last == NULL ? "retry: 1\nid: 5\ndata: first\n\n"
                                 : anqa_tmp_printf("data: after %s\n\n", last));
    if (net_asks(head, "GET /quiet ")) {
        stream(tcp, "");
        anqa_sleep(300);
        net_say(tcp, "data: late\n\n");
        anqa_sleep(ANQA_INFINITY);
    }
    if (net_asks(head, "GET /later ")) {
        stream(tcp, "");
        while (!atomic_load(&go_on))
            anqa_sleep(1);
        net_say(tcp, "data: at last\n\n");
        anqa_sleep(ANQA_INFINITY);
    }
    if (net_asks(head, "GET /empty "))
        net_say(tcp, "HTTP/1.1 204 No Content\r\n\r\n");
    if (net_asks(head, "GET /page "))
        net_answer(tcp, "Content-Type: text/html\r\n", "data: x\n\n");
    if (net_asks(head, "GET /gone "))
        net_say(tcp, "HTTP/1.1 410 Gone\r\nContent-Type: text/event-stream\r\nContent-Length: "
                     "0\r\n\r\n");
    if (net_asks(head, "GET /moved "))
        net_say(tcp, "HTTP/1.1 307 There\r\nLocation: /texts\r\nContent-Length: 0\r\n\r\n");
    if (net_asks(head, "GET /long ")) {
        stream(tcp, "data: ");
        for (int i = 0; i < 100000; i++)
            net_say(tcp, "0123456789012345678901234567890123456789012345678901234567890123");
    }
}

static void open_at(anqa_pid pid, uint16_t port, const char *path)
{
    CHECK_STR(
        js_call(pid, "open", anqa_tmp_printf("[\"http://127.0.0.1:%u%s\"]", port, path)), "null");
}

TEST(events_are_what_the_lines_say)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    open_at(pid, port, "/texts");
    CHECK_STR(js_call(pid, "heard", "[7]"),
        "[\"open\",\"one||http://127.0.0.1\",\"two\\n\\n three||http://127.0.0.1\",\"news "
        "\xc3\xbc\","
        "\"|7|http://127.0.0.1\",\"x|7|http://127.0.0.1\",\"long|7|http://127.0.0.1\"]");
    CHECK_STR(js_call(pid, "close", "[]"), "2");
    for (int i = 0; i < 20; i++)
        anqa_sleep(5);
    CHECK_STR(js_call(pid, "heard", "[7]"), js_call(pid, "all", "[]")); /* and nothing else */
    js_end(rt);
}

TEST(a_stream_that_ends_is_asked_for_again_with_the_last_id)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    open_at(pid, port, "/again");
    CHECK_STR(js_call(pid, "heard", "[6]"), "[\"open\",\"first|5|http://127.0.0.1\",\"error "
                                            "0\",\"open\",\"after 5|5|http://127.0.0.1\","
                                            "\"error 0\"]");
    js_end(rt);
}

TEST(a_quiet_stream_is_waited_for)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member); /* whose limits.net.idle_ms is 50 */

    open_at(pid, port, "/quiet");
    CHECK_STR(js_call(pid, "heard", "[2]"), "[\"open\",\"late||http://127.0.0.1\"]");
    js_end(rt);
}

static anqa_js_info info_of(anqa_pid pid)
{
    anqa_js_info info;

    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    return info;
}

TEST(an_event_wakes_a_process_that_is_parked)
{
    anqa_rt *rt = js_begin_with(
        &(anqa_options){.schedulers = 2, .js_mapped = 1, .watchdog_ms = ANQA_INFINITY});
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);
    uint64_t turns;

    open_at(pid, port, "/later");
    CHECK_STR(js_call(pid, "heard", "[1]"), "[\"open\"]");
    (void)js_start(&member); /* takes its place */
    CHECK(info_of(pid).parked);
    turns = info_of(pid).turns;
    atomic_store(&go_on, true);
    for (int i = 0; i < 10000 && info_of(pid).turns == turns; i++)
        anqa_sleep(2);
    CHECK(info_of(pid).turns > turns);
    CHECK_STR(js_call(pid, "all", "[]"), "[\"open\",\"at last||http://127.0.0.1\"]");
    js_end(rt);
}

TEST(a_redirect_is_followed)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    open_at(pid, port, "/moved");
    CHECK_STR(js_call(pid, "heard", "[2]"), "[\"open\",\"one||http://127.0.0.1\"]");
    js_end(rt);
}

TEST(an_answer_that_is_no_stream_of_events_ends_it)
{
    static const char *const paths[] = {"/empty", "/page", "/gone"};
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    for (size_t i = 0; i < ANQA_COUNT(paths); i++) {
        open_at(pid, port, paths[i]);
        CHECK_STR(js_call(pid, "heard", "[1]"), "[\"error 2\"]", "%s", paths[i]);
    }
    CHECK_EQ(atomic_load(&asked), 3);
    js_end(rt);
}

TEST(what_may_not_be_reached_is_not_tried_again)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&member);

    CHECK_STR(js_call(pid, "open", "[\"http://localhost/\"]"), "null");
    CHECK_STR(js_call(pid, "heard", "[1]"), "[\"error 2\"]");
    CHECK_STR(js_call(pid, "bad", "[]"), "\"SyntaxError\"");
    js_end(rt);
}

TEST(an_event_may_be_so_long)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    open_at(pid, port, "/long");
    CHECK_STR(js_call(pid, "heard", "[2]"), "[\"open\",\"error 2\"]");
    js_end(rt);
}
