/* WebSocket of scripts, against servers that do as they must and servers that do not. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <anqa/net.h>

#include "net_server.h"

static const char source[] =
    "let socket, events = [];\n"
    "const wait = (fn) => new Promise((done) => { const look = () => { const v = fn();\n"
    "  if (v) done(v); else setTimeout(look, 1); }; look(); });\n"
    "export function open(url, protocols) {\n"
    "  events = []; socket = new WebSocket(url, protocols); socket.binaryType = 'arraybuffer';\n"
    "  socket.onopen = () => events.push('open ' + socket.protocol);\n"
    "  socket.onmessage = ({data}) => events.push(typeof data === 'string' ? data : [...new "
    "Uint8Array(data)].join());\n"
    "  socket.onerror = (e) => events.push('error');\n"
    "  socket.onclose = (e) => events.push(`close ${e.code} ${e.reason} ${e.wasClean}`);\n"
    "  return wait(() => socket.readyState !== 0 && events.length > 0 && (socket.readyState === 1 "
    "|| socket.readyState === 3) && events); }\n"
    "export function send(text) { socket.send(text); }\n"
    "export function bytes(list) { socket.send(new Uint8Array(list)); }\n"
    "export function close(code, reason) { socket.close(code, reason); return ended(); }\n"
    "export function ended() { return wait(() => socket.readyState === 3 && events); }\n"
    "export function heard(n) { return wait(() => events.length >= n && events.slice(0, n)); }\n"
    "export function state() { return [socket.readyState, socket.bufferedAmount]; }\n"
    "export async function large(n) { const text = 'a\\u00e9\\u20ac\\u{1f600}'.repeat(n);\n"
    "  const had = events.length; socket.send(text); const buffered = socket.bufferedAmount;\n"
    "  await wait(() => events.length > had); return [buffered, events[had] === text, "
    "socket.bufferedAmount]; }\n"
    "export async function largeBytes(n) { const bytes = new Uint8Array(n).map((_, i) => i);\n"
    "  let got; socket.onmessage = ({data}) => { got = new Uint8Array(data); };\n"
    "  socket.send(bytes); await wait(() => got); return got.length === n && got.every((b, i) => b "
    "=== bytes[i]); }\n"
    "export async function many(n) { let got = 0; socket.onmessage = ({data}) => { if (data === "
    "String(got)) got++; };\n"
    "  for (let i = 0; i < n; i++) socket.send(String(i)); await wait(() => got === n); return "
    "socket.bufferedAmount; }\n"
    "export function still() { socket.send('go'); Beam.callSync('pause'); }\n"
    "export function busy(ms) { const end = Date.now() + ms; while (Date.now() < end); }\n"
    "let all = [];\n"
    "export async function openMany(url, n) { let open = 0, failed = 0;\n"
    "  for (let i = 0; i < n; i++) { const s = new WebSocket(url); all.push(s); s.onopen = () => "
    "open++; s.onerror = () => failed++; }\n"
    "  await wait(() => open + failed === n); return [open, failed]; }\n"
    "let lost = 0, came = 0;\n"
    "export function openParts(url, n) { for (let i = 0; i < n; i++) { const s = new "
    "WebSocket(url);\n"
    "  s.binaryType = 'arraybuffer'; all.push(s); s.onerror = () => lost++; s.onmessage = () => "
    "came++; } }\n"
    "export function failures() { return lost; }\n"
    "export async function whole(n) { await wait(() => came >= n); return [came, lost]; }\n";

static const char *const hosts[] = {"127.0.0.1:*", "localhost:*", NULL};

static const anqa_js_script member =
    ANQA_JS_SCRIPT(.name = "member", .source = source, .hosts = hosts, .apis = ANQA_JS_WEBSOCKET,
        .limits = {.turn_ms = 60000, .net = {.head_bytes = 4096, .message_bytes = 8 << 20}});

static const char *open_at(anqa_pid pid, uint16_t port, const char *path, const char *protocols)
{
    return js_call(
        pid, "open", anqa_tmp_printf("[\"ws://127.0.0.1:%u%s\", %s]", port, path, protocols));
}

/* ---------------------------------------------------------------- a server that does as it must */

static void echo(anqa_tcp tcp)
{
    const char *head = net_read_head(tcp);
    unsigned first = 0;
    size_t len;

    net_ws_accept(tcp, head,
        net_field(head, "sec-websocket-protocol: ") == NULL ? ""
                                                            : "Sec-WebSocket-Protocol: two\r\n");
    for (;;) {
        const char *bytes = net_ws_get(tcp, &first, &len);
        net_ws_put(tcp, first, bytes, len);
        if (first == 0x88)
            return;
    }
}

TEST(what_is_sent_comes_back)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(echo);
    anqa_pid pid = js_start(&member);

    CHECK_STR(open_at(pid, port, "/", "[]"), "[\"open \"]");
    CHECK_STR(js_call(pid, "send", "[\"h\\u00e9 \\ud83d\\ude00\"]"), "null");
    CHECK_STR(js_call(pid, "send", "[\"\"]"), "null");
    CHECK_STR(js_call(pid, "bytes", "[[0, 255, 1]]"), "null");
    CHECK_STR(js_call(pid, "heard", "[4]"),
        "[\"open \",\"h\xc3\xa9 \xf0\x9f\x98\x80\",\"\",\"0,255,1\"]");
    CHECK_STR(js_call(pid, "close", "[3000, \"b\\u00fcrger\"]"),
        "[\"open \",\"h\xc3\xa9 \xf0\x9f\x98\x80\",\"\",\"0,255,1\",\"close 3000 b\xc3\xbcrger "
        "true\"]");
    CHECK_STR(js_call(pid, "state", "[]"), "[3,0]");
    js_end(rt);
}

TEST(sockets_of_a_snapshot_are_closed_and_new_ones_open)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(echo);
    anqa_pid pid = js_start(&member), twin = {0};
    anqa_str bytes;

    CHECK_STR(open_at(pid, port, "/", "[]"), "[\"open \"]");
    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_restore_link(&member, bytes, NULL, NULL, &twin, NULL), ANQA_OK);
    CHECK_STR(js_call(twin, "ended", "[]"), "[\"open \",\"error\",\"close 1006  false\"]");
    CHECK_STR(open_at(twin, port, "/", "[]"), "[\"open \"]");
    CHECK_STR(js_call(pid, "send", "[\"still here\"]"), "null");
    CHECK_STR(js_call(pid, "heard", "[2]"), "[\"open \",\"still here\"]");
    js_end(rt);
}

TEST(long_messages_go_in_parts_and_come_back_whole)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(echo);
    anqa_pid pid = js_start(&member);

    CHECK_STR(open_at(pid, port, "/", "[]"), "[\"open \"]");
    CHECK_STR(js_call(pid, "large", "[100000]"), "[1000000,true,0]");
    CHECK_STR(js_call(pid, "largeBytes", "[3000001]"), "true");
    js_end(rt);
}

TEST(many_messages_at_once_wait_for_their_turn)
{
    anqa_rt *rt = js_begin(1);
    uint16_t port = net_serve(echo);
    anqa_pid pid = js_start(&member);

    CHECK_STR(open_at(pid, port, "/", "[]"), "[\"open \"]");
    CHECK_STR(js_call(pid, "many", anqa_tmp_printf("[%u]", 5000 / harness_slowness())), "0");
    js_end(rt);
}

TEST(a_subprotocol_is_agreed_on)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(echo);
    anqa_pid pid = js_start(&member);
    char longest[1021] = "";

    CHECK_STR(open_at(pid, port, "/", "[\"one\", \"two\"]"), "[\"open two\"]");
    CHECK_STR(open_at(pid, port, "/", "\"one\""), "[\"error\",\"close 1006  false\"]");
    memset(longest, 'x', sizeof longest - 1);
    CHECK_STR(open_at(pid, port, "/", anqa_tmp_printf("[\"two\", \"%s\"]", longest)),
        "[\"error\",\"close 1006  false\"]");
    CHECK_EQ(net_accepted(), 2); /* more than 1,024 bytes of them are not even asked for */
    js_end(rt);
}

/* ---------------------------------------------------------------- servers that do otherwise, by path */

static _Atomic(unsigned) seen_close;
static _Atomic(size_t) flooded;

static void wait_for_close(anqa_tcp tcp)
{
    unsigned first = 0;
    size_t len;

    for (;;) {
        const char *bytes = net_ws_get(tcp, &first, &len);
        if (first == 0x88) {
            atomic_store(
                &seen_close, len < 2 ? 1 : (unsigned)((uint8_t)bytes[0] << 8 | (uint8_t)bytes[1]));
            return;
        }
    }
}

static void odd(anqa_tcp tcp)
{
    const char *head = net_read_head(tcp);
    static const char zeros[1 << 16];
    unsigned first = 0;
    size_t len;

    if (net_asks(head, "GET /silent "))
        anqa_sleep(LONG_MS);
    if (net_asks(head, "GET /gone "))
        return;
    if (net_asks(head, "GET /page ")) {
        net_answer(tcp, "", "a page");
        return;
    }
    if (net_asks(head, "GET /liar "))
        net_say(tcp, "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    if (net_asks(head, "GET /endless "))
        for (;;)
            net_say(tcp, "X: y\r\n");
    if (net_asks(head, "GET /extension "))
        net_ws_accept(tcp, head, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    net_ws_accept(tcp, head, "");
    if (net_asks(head, "GET /early ")) /* behind the head, at once */
        net_ws_put(tcp, 0x81, "early", 5);
    if (net_asks(head, "GET /masked "))
        net_put(tcp, "\x81\x81\1\2\3\4x", 7);
    if (net_asks(head, "GET /reserved "))
        net_put(tcp, "\xf1\x01x", 3);
    if (net_asks(head, "GET /latin "))
        net_ws_put(tcp, 0x81, "\xe9", 1);
    if (net_asks(head, "GET /huge "))
        net_put(tcp, "\x82\x7f\0\0\0\0\0\x80\0\1", 10);
    if (net_asks(head, "GET /giant ")) /* a byte more than a gigabyte */
        net_put(tcp, "\x82\x7f\0\0\0\0\x40\0\0\1", 10);
    if (net_asks(head, "GET /bye "))
        net_ws_put(tcp, 0x88, "\x0f\xa0why", 5);
    if (net_asks(head, "GET /restart "))
        net_ws_put(tcp, 0x88, "\x03\xf4", 2);
    if (net_asks(head, "GET /ping ")) {
        net_ws_put(tcp, 0x89, "are you", 7);
        if (strcmp(net_ws_get(tcp, &first, &len), "are you") == 0 && first == 0x8a)
            net_ws_put(tcp, 0x81, "you are", 7);
    }
    if (net_asks(head, "GET /parts ")) {
        net_ws_put(tcp, 0x01, "one ", 4);
        net_ws_put(tcp, 0x89, "", 0);
        net_ws_put(tcp, 0x80, "message", 7);
    }
    if (net_asks(head, "GET /cut ")) {
        net_put(tcp, "\x81\x05he", 4);
        return;
    }
    if (net_asks(head, "GET /flood "))
        for (;;) {
            net_ws_put(tcp, 0x82, zeros, sizeof zeros);
            atomic_fetch_add(&flooded, sizeof zeros);
        }
    if (net_asks(head, "GET /swept ")) {
        (void)net_ws_get(tcp, &first, &len);
        for (size_t sent = 0; sent < (size_t)512 << 10; sent += sizeof zeros)
            net_ws_put(tcp, 0x82, zeros, sizeof zeros);
        anqa_sleep(50);
        (void)anqa_tcp_reset(tcp);
        anqa_exit(ANQA_NORMAL);
    }
    if (net_asks(head, "GET /stubborn "))
        anqa_sleep(LONG_MS);
    wait_for_close(tcp);
    if (net_asks(head, "GET /early "))
        net_ws_put(tcp, 0x88, "", 0);
}

static const struct {
    const char *path, *events;
    unsigned code; /* what the server is told in the end; 0: nothing */
} oddities[] = {
    {"/silent", "[\"error\",\"close 1006  false\"]", 0},
    {"/gone", "[\"error\",\"close 1006  false\"]", 0},
    {"/page", "[\"error\",\"close 1006  false\"]", 0},
    {"/liar", "[\"error\",\"close 1006  false\"]", 0},
    {"/endless", "[\"error\",\"close 1006  false\"]", 0},
    {"/extension", "[\"error\",\"close 1006  false\"]", 0},
    {"/masked", "[\"open \",\"error\",\"close 1006  false\"]", 1002},
    {"/reserved", "[\"open \",\"error\",\"close 1006  false\"]", 1002},
    {"/latin", "[\"open \",\"error\",\"close 1006  false\"]", 1007},
    {"/huge", "[\"open \",\"error\",\"close 1006  false\"]", 1009},
    {"/cut", "[\"open \",\"error\",\"close 1006  false\"]", 0},
    {"/bye", "[\"open \",\"close 4000 why true\"]", 4000},
    {"/restart", "[\"open \",\"close 1012  true\"]", 1012},
};

TEST(a_server_that_breaks_the_protocol_is_left)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(odd);
    static anqa_js_script impatient;
    anqa_pid pid;

    impatient = member;
    impatient.limits.net.head_ms = 1000 * harness_slowness();
    pid = js_start(&impatient);
    for (size_t i = 0; i < ANQA_COUNT(oddities); i++) {
        atomic_store(&seen_close, 0);
        (void)open_at(pid, port, oddities[i].path, "[]");
        CHECK_STR(js_call(pid, "ended", "[]"), oddities[i].events, "%s", oddities[i].path);
        for (int j = 0; j < 10000 && atomic_load(&seen_close) != oddities[i].code; j++)
            anqa_sleep(2);
        CHECK_EQ(atomic_load(&seen_close), oddities[i].code, "%s", oddities[i].path);
    }
    js_end(rt);
}

TEST(a_message_has_a_gigabyte_at_most_whatever_the_limits_say)
{
    static const anqa_js_script greedy =
        ANQA_JS_SCRIPT(.name = "greedy", .source = source, .hosts = hosts,
            .apis = ANQA_JS_WEBSOCKET, .limits = {.net = {.message_bytes = UINT32_MAX}});
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(odd);
    anqa_pid pid = js_start(&greedy);

    atomic_store(&seen_close, 0);
    (void)open_at(pid, port, "/giant", "[]");
    CHECK_STR(js_call(pid, "ended", "[]"), "[\"open \",\"error\",\"close 1006  false\"]");
    for (uint32_t i = 0; i < LONG_MS && atomic_load(&seen_close) == 0; i++)
        anqa_sleep(1);
    CHECK_EQ(atomic_load(&seen_close), 1009u);
    js_end(rt);
}

TEST(pings_are_answered_and_parts_put_together)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(odd);
    anqa_pid pid = js_start(&member);

    (void)open_at(pid, port, "/ping", "[]");
    CHECK_STR(js_call(pid, "heard", "[2]"), "[\"open \",\"you are\"]");
    (void)open_at(pid, port, "/parts", "[]");
    CHECK_STR(js_call(pid, "heard", "[2]"), "[\"open \",\"one message\"]");
    (void)open_at(pid, port, "/early", "[]");
    CHECK_STR(js_call(pid, "heard", "[2]"), "[\"open \",\"early\"]");
    CHECK_STR(js_call(pid, "close", "[]"), "[\"open \",\"early\",\"close 1005  true\"]");
    js_end(rt);
}

TEST(who_does_not_close_is_not_waited_for_for_ever)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(odd);
    anqa_pid pid = js_start(&member);

    (void)open_at(pid, port, "/stubborn", "[]");
    CHECK_STR(js_call(pid, "close", "[1000]"), "[\"open \",\"error\",\"close 1006  false\"]");
    js_end(rt);
}

TEST(a_script_that_does_not_read_slows_the_server_down)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(odd);
    anqa_pid pid = js_start(&member);
    size_t first;

    (void)open_at(pid, port, "/flood", "[]");
    for (int i = 0; i < 2; i++) { /* what it has taken meanwhile is behind it in the second */
        first = atomic_load(&flooded);
        (void)js_call(pid, "busy", "[400]");
    }
    CHECK(atomic_load(&flooded) - first < (size_t)16 << 20, "%zu bytes",
        atomic_load(&flooded) - first);
    CHECK(first > 0);
    js_end(rt);
}

static unsigned cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (unsigned)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static _Atomic(unsigned) spent_ms;

static anqa_status pause_script(const anqa_js_request *request, anqa_value_writer *result)
{
    unsigned before;

    anqa_sleep(250);
    before = cpu_ms();
    anqa_sleep(400);
    atomic_store(&spent_ms, cpu_ms() - before);
    return ANQA_OK;
}

static const anqa_js_script pausing =
    ANQA_JS_SCRIPT(.name = "pausing", .source = source, .hosts = hosts, .apis = ANQA_JS_WEBSOCKET,
        .handlers = (const anqa_js_handler[]){{"pause", pause_script}, {0}});

TEST(a_connection_that_is_reset_while_nobody_reads_costs_nothing)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(odd);
    anqa_pid pid = js_start(&pausing);

    (void)open_at(pid, port, "/swept", "[]");
    CHECK_STR(js_call(pid, "still", "[]"), "null");
    CHECK(atomic_load(&spent_ms) < 200, "%u ms", atomic_load(&spent_ms));
    CHECK(strstr(js_call(pid, "ended", "[]"), "close 1006  false") != NULL);
    js_end(rt);
}

/* ---------------------------------------------------------------- where it may go */

static const anqa_js_script nowhere =
    ANQA_JS_SCRIPT(.name = "nowhere", .source = source, .apis = ANQA_JS_WEBSOCKET);
static const anqa_js_script everywhere = ANQA_JS_SCRIPT(.name = "everywhere", .source = source,
    .apis = ANQA_JS_WEBSOCKET, .hosts = (const char *const[]){"*:*", NULL});

TEST(hosts_that_are_not_listed_and_private_addresses_are_not_reached)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(echo);
    anqa_pid pids[] = {js_start(&nowhere), js_start(&everywhere)};

    for (size_t i = 0; i < ANQA_COUNT(pids); i++) {
        CHECK_STR(open_at(pids[i], port, "/", "[]"), "[\"error\",\"close 1006  false\"]");
        CHECK_STR(js_call(pids[i], "open", anqa_tmp_printf("[\"ws://localhost:%u/\", []]", port)),
            "[\"error\",\"close 1006  false\"]");
    }
    CHECK_EQ(net_accepted(), 0);
    js_end(rt);
}

TEST(localhost_is_reached_when_it_is_listed)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(echo);
    anqa_pid pid = js_start(&member);

    CHECK_STR(
        js_call(pid, "open", anqa_tmp_printf("[\"ws://localhost:%u/\", []]", port)), "[\"open \"]");
    js_end(rt);
}

TEST(a_process_may_have_so_many_sockets)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(echo);
    anqa_pid pid = js_start(&member);

    CHECK_STR(
        js_call(pid, "openMany", anqa_tmp_printf("[\"ws://127.0.0.1:%u/\", 22]", port)), "[20,2]");
    js_end(rt);
}

/* Most of a message: the rest, which is little, comes when `rest` is set. */
#define PART ((size_t)7 << 20)
static atomic_bool rest;

static void put_part(anqa_tcp tcp)
{
    static const char zeros[64 << 10];
    const char head[] = {(char)0x82, 127, 0, 0, 0, 0, 0, 0x70, 0, 1};

    net_ws_accept(tcp, net_read_head(tcp), "");
    net_put(tcp, head, sizeof head);
    for (size_t at = 0; at < PART; at += sizeof zeros)
        net_put(tcp, zeros, sizeof zeros);
    while (!atomic_load(&rest))
        anqa_sleep(1);
    net_put(tcp, zeros, 1);
    (void)net_read_head(tcp); /* until it is closed */
}

static const anqa_js_script holder = ANQA_JS_SCRIPT(.name = "holder", .source = source,
    .hosts = hosts, .apis = ANQA_JS_WEBSOCKET,
    .limits = {.memory = (size_t)512 << 20, .turn_ms = 60000, .net = {.message_bytes = 8 << 20}});

/* Failed sockets of all. */
static int64_t failed_of(const anqa_pid *pids, size_t count)
{
    int64_t failed = 0;

    for (size_t i = 0; i < count; i++)
        failed += strtol(js_call(pids[i], "failures", "[]"), NULL, 10);
    return failed;
}

static void wait_for_failed(const anqa_pid *pids, size_t count, int64_t least, int64_t most)
{
    for (unsigned i = 0; i < LONG_MS && failed_of(pids, count) < least; i += 10)
        anqa_sleep(10);
    CHECK(failed_of(pids, count) >= least);
    CHECK(failed_of(pids, count) <= most);
}

TEST(what_sockets_of_a_process_hold_of_messages_is_bounded, .timeout_ms = 120000)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(put_part);
    anqa_pid pid = js_start(&holder);

    atomic_store(&rest, false);
    CHECK_STR(
        js_call(pid, "openParts", anqa_tmp_printf("[\"ws://127.0.0.1:%u/\", 20]", port)), "null");
    wait_for_failed(&pid, 1, 11, 11); /* nine of 7 MB fit into 64 */
    atomic_store(&rest, true);
    CHECK_STR(js_call(pid, "whole", "[9]"), "[9,11]");
    js_end(rt);
}

TEST(what_all_sockets_hold_of_messages_is_bounded, .timeout_ms = 120000)
{
    enum { PROCESSES = 5 };
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(put_part), other = net_serve(echo);
    anqa_pid pids[PROCESSES], quiet = js_start(&member);

    atomic_store(&rest, false);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = js_start(&holder);
        CHECK_STR(
            js_call(pids[i], "openParts", anqa_tmp_printf("[\"ws://127.0.0.1:%u/\", 9]", port)),
            "null");
    }
    wait_for_failed(
        pids, PROCESSES, 9, 20); /* 36 of 7 MB fit into 256, unless two find it full at once */
    /* who holds little goes on, and what ended holds nothing */
    CHECK_STR(open_at(quiet, other, "/", "[]"), "[\"open \"]");
    CHECK_STR(js_call(quiet, "large", "[1000]"), "[10000,true,0]");
    for (int i = 0; i < PROCESSES; i++) {
        anqa_unlink(pids[i]);
        (void)js_kill(pids[i]);
    }
    atomic_store(&rest, true);
    for (unsigned i = 0; i < LONG_MS && net_served_now() > 1; i += 2)
        anqa_sleep(2);
    CHECK_STR(js_call(quiet, "largeBytes", "[6000000]"), "true");
    js_end(rt);
}

/* Children that open nine sockets each, and tell it of each that fails. */
static const anqa_js_script family = ANQA_JS_SCRIPT(.name = "family",
    .source =
        "let lost = 0; const all = [];\n"
        "export function init(arg) { if (arg === undefined) return Beam.onMessage(() => lost++);\n"
        "  for (let i = 0; i < 9; i++) { const s = new WebSocket(arg.url); all.push(s);\n"
        "    s.binaryType = 'arraybuffer'; s.onerror = () => Beam.send(arg.to, 1); } }\n"
        "export function begin(url, n) { const to = Beam.self();\n"
        "  for (let i = 0; i < n; i++) Beam.spawn(null, {url, to}); }\n"
        "export function failures() { return lost; }\n",
    .hosts = hosts, .apis = ANQA_JS_WEBSOCKET,
    .limits = {.memory = (size_t)64 << 20,
        .turn_ms = 60000,
        .children = 4,
        .net = {.message_bytes = 8 << 20}});

TEST(what_sockets_of_a_family_hold_of_messages_is_bounded, .timeout_ms = 120000)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(put_part), other = net_serve(echo);
    anqa_pid pid = js_start(&family), quiet = js_start(&member);

    atomic_store(&rest, false);
    CHECK_STR(js_call(pid, "begin", anqa_tmp_printf("[\"ws://127.0.0.1:%u/\", 4]", port)), "null");
    wait_for_failed(
        &pid, 1, 27, 36); /* nine of 7 MB fit into 64, unless some find it full at once */
    CHECK_STR(open_at(quiet, other, "/", "[]"), "[\"open \"]");
    CHECK_STR(js_call(quiet, "largeBytes", "[6000000]"), "true");
    atomic_store(&rest, true);
    js_end(rt);
}

TEST(the_end_of_the_process_is_the_end_of_its_sockets)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(echo);
    anqa_pid first = js_start(&member), pid; /* the image stays */
    unsigned before;

    anqa_unlink(first);
    (void)js_kill(first);
    before = net_open_files();
    pid = js_start(&member);

    CHECK_STR(
        js_call(pid, "openMany", anqa_tmp_printf("[\"ws://127.0.0.1:%u/\", 20]", port)), "[20,0]");
    CHECK(net_open_files() >= before + 40);
    anqa_unlink(pid);
    (void)js_kill(pid);
    for (int i = 0; i < 10000 && net_served_now() > 0; i++)
        anqa_sleep(2);
    CHECK_EQ(net_served_now(), 0);
    for (int i = 0; i < 10000 && net_open_files() > before; i++)
        anqa_sleep(2);
    CHECK(net_open_files() <= before, "%u files, %u before", net_open_files(), before);
    js_end(rt);
}

static void talk(anqa_tcp tcp)
{
    net_ws_accept(tcp, net_read_head(tcp), "");
    for (;;) {
        net_ws_put(tcp, 0x81, "news", 4);
        anqa_sleep(1);
    }
}

TEST(a_reset_process_hears_nothing_of_its_sockets)
{
    anqa_rt *rt = js_begin(2);
    uint16_t chatty = net_serve(talk), quiet = net_serve(echo);
    anqa_pid pid = js_start(&member);

    for (int i = 0; i < 3; i++) {
        CHECK(strncmp(open_at(pid, chatty, "/", "[]"), "[\"open \"", 8) == 0);
        CHECK_STR(js_call(pid, "heard", "[3]"), "[\"open \",\"news\",\"news\"]");
        CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
        CHECK_STR(open_at(pid, quiet, "/", "[]"), "[\"open \"]");
        CHECK_STR(js_call(pid, "send", "[\"mine\"]"), "null");
        CHECK_STR(js_call(pid, "heard", "[2]"), "[\"open \",\"mine\"]");
    }
    js_end(rt);
}
