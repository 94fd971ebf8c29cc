/* What a script may ask for, hold and wait for by fetch. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "site.h"

static anqa_js_script limited = ANQA_JS_SCRIPT(.name = "limited", .source = site_source,
    .apis = ANQA_JS_FETCH, .hosts = (const char *const[]){"127.0.0.1:*", NULL},
    .limits = {.net = {.requests = 3,
                   .head_ms = 600,
                   .idle_ms = 400,
                   .url_bytes = 100,
                   .body_bytes = 1000000}});

TEST(a_process_may_ask_so_much_and_wait_so_long)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    char *path = anqa_arena_alloc(anqa_tmp(), 200);
    const char *silent;
    anqa_pid pid;

    limited.limits.net.head_ms *= harness_slowness();
    limited.limits.net.idle_ms *= harness_slowness();
    pid = js_start(&limited);
    CHECK_STR(site_ask(pid, "outcomes", port, "/stall", ", 5"),
        "[2,\"fetch failed: more than 3 requests at once\"]");
    while (strstr(silent = site_get(pid, port, "/silent"), "at once") != NULL)
        anqa_sleep(5); /* until the others are given up */
    CHECK_STR(silent, "TypeError: fetch failed: there is no answer in time");
    CHECK_STR(site_ask(pid, "until", port, "/stall", ""),
        "[4,\"TypeError\",\"fetch failed: nothing more comes of the answer\"]");
    CHECK_STR(site_get(pid, port, "/fields"),
        "TypeError: fetch failed: the head of the answer has more than 65536 bytes");
    CHECK_STR(site_get(pid, port, "/big"),
        "TypeError: fetch failed: an answer of more than 1000000 bytes");
    snprintf(path, 200, "/%0120d", 1);
    CHECK_STR(site_get(pid, port, path), "TypeError: fetch failed: a URL of more than 100 bytes");
    js_end(rt);
}

/* {"method": METHOD, "headers": so many of them, with values of that length}, as what else is given. */
static const char *init_of(const char *method, unsigned fields, unsigned len)
{
    size_t size = 100 + (size_t)fields * (len + 30), at;
    char *text = anqa_arena_alloc(anqa_tmp(), size);

    at = (size_t)snprintf(text, size, ", {\"method\": \"%s\", \"headers\": {", method);
    for (unsigned i = 0; i < fields; i++)
        at += (size_t)snprintf(
            text + at, size - at, "%s\"x-%u\": \"%0*u\"", i == 0 ? "" : ", ", i, (int)len, 1u);
    snprintf(text + at, size - at, "}}");
    return text;
}

TEST(a_request_may_have_so_many_fields_and_so_long)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK_STR(site_ask(pid, "get", port, "/", init_of("GET", 200, 10)), "[200,\"hello\"]");
    CHECK_STR(site_ask(pid, "get", port, "/", init_of("GET", 300, 10)),
        "TypeError: fetch failed: more than 256 headers");
    CHECK_STR(site_ask(pid, "get", port, "/", init_of("GET", 1, 131072)),
        "TypeError: fetch failed: more than 131072 bytes for the network at once");
    CHECK_STR(
        site_ask(pid, "get", port, "/echo", init_of("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", 0, 0)),
        "[200,\"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF 0 \"]");
    CHECK_STR(
        site_ask(pid, "get", port, "/echo", init_of("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", 0, 0)),
        "TypeError: fetch failed: no such request can be made");
    js_end(rt);
}

TEST(a_connection_that_is_not_made_is_given_up)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[4];
    anqa_rt *rt = js_begin(2);
    anqa_js_script hasty = limited;
    const char *outcome;
    anqa_pid pid;

    hasty.limits.net.connect_ms = 200;
    hasty.limits.net.head_ms = LONG_MS;
    pid = js_start(&hasty);
    /* Who listens with a queue that is full lets others knock. */
    CHECK(bind(listener, (const struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 0) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    for (size_t i = 0; i < ANQA_COUNT(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(connect(fill[i], (const struct sockaddr *)&address, sizeof address) == 0 ||
              errno == EINPROGRESS);
    }
    outcome = site_get(pid, ntohs(address.sin_port), "/");
    CHECK(strstr(outcome, "TypeError: fetch failed: ") != NULL, "%s", outcome);
    CHECK(strstr(outcome, "Timeout was reached") != NULL, "%s", outcome);
    for (size_t i = 0; i < ANQA_COUNT(fill); i++)
        close(fill[i]);
    close(listener);
    js_end(rt);
}

TEST(what_cannot_be_asked_for_ends_no_other_request)
{
    anqa_rt *rt = js_begin(1);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK_STR(site_ask(pid, "crowd", port, "/", ", 300"),
        "[\"fetch failed: more than 131072 bytes for the network at once\",200]");
    js_end(rt);
}

TEST(what_waits_for_all_scripts_is_bounded)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK_STR(site_ask(pid, "hold", port, "/large", ", 5"),
        "[240,\"fetch failed: too many bytes of answers wait for their scripts\"]");
    CHECK_STR(site_ask(pid, "hold", port, "/large", ", 1"), "[60]"); /* there is room again */
    js_end(rt);
}

/* Bytes in the mailbox of the calling process. */
static bool count_bytes(const anqa_msg *msg, void *arg)
{
    *(size_t *)arg += msg->body.len;
    return false;
}

static anqa_status unheard(const anqa_js_request *request, anqa_value_writer *result)
{
    size_t bytes = 0;

    (void)anqa_receive_if(count_bytes, &bytes, 0);
    anqa_value_put_int(result, (int64_t)bytes);
    return ANQA_OK;
}

enum {
    LIAR_MOST = 8 * (384 << 10) + (1 << 20), /* of what may lie in both mailboxes: see net.c */
    LIAR_TRIES = 2000 /* milliseconds; more where it takes longer to fill them */
};

/* Both are one turn: nothing that comes is heard meanwhile. They return how many bytes wait when there is no room, or more
 * than `most`. */
static const char liar_source[] =
    "const unheard = () => Beam.callSync('unheard');\n"
    "export async function get(url) { const r = await fetch(url); return [r.status, await "
    "r.text()]; }\n"
    "const goOn = (from, ms, least, most) => { const spent = Date.now() - from, bytes = "
    "unheard();\n"
    "  return bytes < most && (spent < ms || (bytes < least && spent < 10 * ms)); };\n"
    "export function leave(url, ms, least, most) { const from = Date.now();\n"
    "  for (let wait = 20; goOn(from, ms, least, most); wait++) { const ac = new "
    "AbortController();\n"
    "    for (let i = 0; i < 6; i++) fetch(url, {signal: ac.signal}).catch(() => {});\n"
    "    const next = Date.now() + wait; while (Date.now() < next); ac.abort(); }\n"
    "  return unheard(); }\n"
    "export async function lie(url, ms, least, most) { const {push, shift} = Array.prototype; let "
    "parts;\n"
    "  Array.prototype.push = function (one) { if (one instanceof Uint8Array) parts = parts ?? "
    "this;\n"
    "    return Reflect.apply(push, this, arguments); };\n"
    "  Array.prototype.shift = function () { return this === parts ? new Uint8Array(65536) : "
    "Reflect.apply(shift, this, []); };\n"
    "  const ac = new AbortController(), reader = (await fetch(url, {signal: "
    "ac.signal})).body.getReader();\n"
    "  await reader.read(); const from = Date.now();\n"
    "  while (goOn(from, ms, least, most)) { await reader.read();\n"
    "    const next = Date.now() + 2; while (Date.now() < next); }\n"
    "  const bytes = unheard(); Object.assign(Array.prototype, {push, shift}); ac.abort(); return "
    "bytes; }\n";

/* What a script has put in place of methods is not called with what is not its. */
static const char replacing[] =
    "export async function get(url) { let seen = 0; const r = FinalizationRegistry.prototype;\n"
    "  r.register = r.unregister = () => { seen++; };\n"
    "  return [await (await fetch(url)).text(), seen]; }\n";

static const anqa_js_script replacer = ANQA_JS_SCRIPT(.name = "replacer", .source = replacing,
    .apis = ANQA_JS_FETCH, .hosts = (const char *const[]){"127.0.0.1:*", NULL});

TEST(a_script_that_replaces_methods_gets_no_transfer_into_its_hands)
{
    anqa_rt *rt = js_begin(1);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&replacer);

    CHECK_STR(site_ask(pid, "get", port, "/once", ""), "[\"hello\",0]");
    js_end(rt);
}

static const anqa_js_handler liar_handlers[] = {{"unheard", unheard}, {0}};
static const anqa_js_script liar = ANQA_JS_SCRIPT(.name = "liar", .source = liar_source,
    .apis = ANQA_JS_FETCH, .hosts = (const char *const[]){"127.0.0.1:*", NULL},
    .handlers = liar_handlers, .limits = {.turn_ms = 60000, .net = {.requests = 6, .sockets = 2}});

static void check_liar(const char *function)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&liar);
    size_t bytes =
        strtoul(site_ask(pid, function, port, "/big",
                    anqa_tmp_printf(", %d, %d, %d", LIAR_TRIES, LIAR_MOST / 2, 4 * LIAR_MOST)),
            NULL, 10);

    CHECK(bytes >= LIAR_MOST / 2, "%zu bytes", bytes); /* there is a limit to reach */
    CHECK(bytes <= LIAR_MOST, "%zu bytes", bytes);
    CHECK_STR(site_ask(pid, "get", port, "/once", ""), "[200,\"hello\"]");
    js_end(rt);
}

TEST(what_aborted_requests_leave_in_the_mailbox_is_bounded)
{
    check_liar("leave");
}

TEST(a_script_that_lies_about_what_it_took_is_told_no_more)
{
    check_liar("lie");
}

static const anqa_js_script frugal =
    ANQA_JS_SCRIPT(.name = "frugal", .source = site_source, .apis = ANQA_JS_FETCH,
        .hosts = (const char *const[]){"127.0.0.1:*", NULL}, .limits = {.values = {.nodes = 20}});

TEST(an_answer_has_as_many_fields_as_it_has_whatever_may_cross)
{
    anqa_rt *rt = js_begin(1);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&frugal);

    CHECK_STR(site_get(pid, port, "/twenty"), "[200,\"hello\"]");
    js_end(rt);
}

static const anqa_js_script cramped =
    ANQA_JS_SCRIPT(.name = "cramped", .source = site_source, .apis = ANQA_JS_FETCH,
        .hosts = (const char *const[]){"127.0.0.1:*", NULL}, .limits = {.values = {.bytes = 1000}});

TEST(who_takes_no_large_values_has_no_network)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&cramped);

    CHECK(strstr(site_get(pid, 1, "/"), "limits.values.bytes is below 262144") != NULL, "%s",
        site_get(pid, 1, "/"));
    js_end(rt);
}

/* Takes all of an answer, and keeps it as long as there is memory. */
static const anqa_js_script narrow = ANQA_JS_SCRIPT(.name = "narrow",
    .source =
        "export async function whole(url, init) { const all = [];\n"
        "  try { const r = await fetch(url, init);\n"
        "    for await (const part of r.body) all.push(part);\n"
        "    return all.length; }\n"
        "  catch (e) { all.length = 0; return e.name === 'TypeError' ? e.message : e.name; } }\n"
        "export async function get(url, init) { const r = await fetch(url, init);\n"
        "  return [r.status, await r.text()]; }\n",
    .apis = ANQA_JS_FETCH, .hosts = (const char *const[]){"127.0.0.1:*", NULL},
    .limits = {.memory = (size_t)8 << 20, .turn_ms = 10000, .values = {.bytes = 1000000}});

TEST(the_integrity_of_an_answer_larger_than_values_may_be_is_not_waited_for)
{
    anqa_rt *rt = js_begin(1);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&narrow);

    for (int i = 0; i < 3; i++)
        CHECK_STR(js_call(pid, "whole",
                      anqa_tmp_printf(
                          "[\"%s\", {\"integrity\": \"sha256-AAAA\"}]", site_at(port, "/big"))),
            "\"fetch failed: the integrity of more than 1000000 bytes cannot be seen\"");
    CHECK_STR(site_get(pid, port, "/once"), "[200,\"hello\"]");
    js_end(rt);
}

TEST(an_answer_that_finds_no_memory_fails)
{
    anqa_rt *rt = js_begin(1);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&narrow);

    for (int i = 0; i < 3; i++) {
        const char *end = js_call(pid, "whole", anqa_tmp_printf("[\"%s\"]", site_at(port, "/big")));
        CHECK(strcmp(end, "\"fetch failed: there was no memory for what came\"") == 0 ||
                  strcmp(end, "\"InternalError\"") == 0,
            "%s", end);
    }
    CHECK_STR(site_get(pid, port, "/once"), "[200,\"hello\"]");
    js_end(rt);
}
