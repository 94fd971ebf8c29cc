/* fetch of scripts, against servers that do as they must and servers that do not. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <anqa/net.h>

#include "net_server.h"

static const char source[] =
    "const kept = [];\n"
    "const wait = (ms) => new Promise((done) => setTimeout(done, ms));\n"
    "export async function get(url, init) { const r = await fetch(url, init);\n"
    "  return [r.status, await r.text()]; }\n"
    "export async function seen(url) { const r = await fetch(url);\n"
    "  return [r.status, r.statusText, r.ok, r.headers.get('x-one'), r.headers.get('x-none'), "
    "r.headers.getSetCookie(), r.url, r.redirected, await r.text()]; }\n"
    "export async function where(url, init) { const r = await fetch(url, init);\n"
    "  const t = await r.text(); return [r.status, r.redirected, r.url.replace(/:\\d+/, ''), t]; "
    "}\n"
    "export async function keep(url) { const r = await fetch(url); kept.push(r); return r.status; "
    "}\n"
    "export async function rest() { let n = 0; const reader = kept.pop().body.getReader();\n"
    "  for (;;) { const {value, done} = await reader.read(); if (done) return n; n += "
    "value.length; } }\n"
    "export async function first() { const reader = kept.pop().body.getReader();\n"
    "  const {value} = await reader.read(); await reader.cancel(); return value.length; }\n"
    "export async function parts(url) { const r = await fetch(url), reader = r.body.getReader(), "
    "all = [];\n"
    "  for (;;) { const {value, done} = await reader.read(); if (done) return all;\n"
    "    all.push(String.fromCharCode(...value)); await fetch(url + '-next'); } }\n"
    "export async function until(url) { const r = await fetch(url), reader = r.body.getReader(); "
    "let n = 0;\n"
    "  try { for (;;) { const {value, done} = await reader.read(); if (done) return [n, 'done']; n "
    "+= value.length; } }\n"
    "  catch (e) { return [n, e.name, e.message]; } }\n"
    "export async function abortAfter(url, ms) { const c = new AbortController(); setTimeout(() => "
    "c.abort(), ms);\n"
    "  try { const r = await fetch(url, {signal: c.signal}); await r.text(); return 'done'; } "
    "catch (e) { return e.name; } }\n"
    "export async function timeout(url, ms) {\n"
    "  try { await fetch(url, {signal: AbortSignal.timeout(ms)}); return 'done'; } catch (e) { "
    "return e.name; } }\n"
    "export async function aborted(url) {\n"
    "  try { await fetch(url, {signal: AbortSignal.abort('why')}); return 'done'; } catch (e) { "
    "return e; } }\n"
    "let made = 0; export function madeSoFar() { return made; }\n"
    "export async function upload(url, n, size) { made = 0;\n"
    "  const body = new ReadableStream({ pull(c) { if (made === n) return c.close(); made++; "
    "c.enqueue(new Uint8Array(size).fill(made)); } }, {highWaterMark: 0});\n"
    "  const r = await fetch(url, {method: 'POST', body, duplex: 'half'}); return [r.status, await "
    "r.text()]; }\n"
    "export async function post(url, n) { const r = await fetch(url, {method: 'POST', body: new "
    "Uint8Array(n).fill(7)}); return [r.status, await r.text()]; }\n"
    "export async function many(url, n, at) { let ok = 0, left = n;\n"
    "  const one = async () => { while (left-- > 0) { const r = await fetch(url); if (await "
    "r.text() === 'hello') ok++; } };\n"
    "  await Promise.all(Array.from({length: at}, one)); return ok; }\n"
    "export async function outcomes(url, n) { const all = await "
    "Promise.allSettled(Array.from({length: n}, () => "
    "fetch(url)));\n"
    "  const failed = all.filter((a) => a.status === 'rejected'); return [failed.length, "
    "failed[0]?.reason.message]; }\n"
    "export async function unread(url, n) { let ok = 0;\n"
    "  for (let i = 0; i < n; i++) { const r = await fetch(url); if (r.status === 200) ok++; } "
    "return ok; }\n"
    "export async function lookAndLeave(n, port) { for (let i = 0; i < n; i++) { const c = new "
    "AbortController();\n"
    "  fetch(`http://a${i}.slow.test:${port}/`, {signal: c.signal}).catch(() => {}); await "
    "wait(2); "
    "c.abort(); await 0; } return n; }\n"
    "export async function crowd(url, n) { const all = Array.from({length: n}, () => fetch(url));\n"
    "  all.push(fetch(url, {headers: {x: '1'.repeat(131072)}})); const r = await "
    "Promise.allSettled(all);\n"
    "  return [r[n].reason.message, (await fetch(url)).status]; }\n"
    "export async function abortInCancel(url) { const c = new AbortController();\n"
    "  const body = new ReadableStream({ start(k) { k.enqueue(new Uint8Array(1)); }, cancel() { "
    "c.abort(); } });\n"
    "  try { const r = await fetch(url, {method: 'POST', body, duplex: 'half', signal: "
    "c.signal}); return r.status; } catch (e) { return e.name; } }\n"
    "export async function hold(url, n) { const failed = []; let bytes = 0;\n"
    "  for (let i = 0; i < n; i++) try { kept.push(await fetch(url)); } catch (e) { "
    "failed.push(e.message); }\n"
    "  while (kept.length > 0) try { bytes += await rest(); } catch (e) { failed.push(e.message); "
    "}\n"
    "  return [bytes >> 20, ...failed]; }\n"
    "export function start(url) { fetch(url).then((r) => kept.push(r), () => {}); }\n";

static const anqa_js_script member = ANQA_JS_SCRIPT(.name = "member", .source = source,
    .hosts = (const char *const[]){"127.0.0.1:*", NULL}, .apis = ANQA_JS_FETCH);

static const char *at(uint16_t port, const char *path)
{
    return anqa_tmp_printf("http://127.0.0.1:%u%s", port, path);
}

/* Calls a function with a URL and what else is given. */
static const char *ask(
    anqa_pid pid, const char *function, uint16_t port, const char *path, const char *more)
{
    return js_call(pid, function, anqa_tmp_printf("[\"%s\"%s]", at(port, path), more));
}

static const char *get(anqa_pid pid, uint16_t port, const char *path)
{
    return ask(pid, "get", port, path, "");
}

/* ---------------------------------------------------------------- a server, by path */

enum { BIG = 64 << 20 };

static _Atomic(size_t) written, read_back;
static _Atomic(bool) go_on;
static _Atomic(unsigned) bodies;

/* So many bytes of a body, counted and thrown away; into `first` the first 99 of all. */
static void take_bytes(anqa_tcp tcp, size_t left, size_t *all, char *first)
{
    char bytes[4096];

    while (left > 0) {
        size_t n = left < sizeof bytes ? left : sizeof bytes;
        net_get(tcp, bytes, n);
        if (*all == 0)
            snprintf(first, 100, "%.*s", n > 99 ? 99 : (int)n, bytes);
        *all += n;
        left -= n;
        atomic_fetch_add(&read_back, n);
    }
}

/* The size of the next chunk, from the line before it. */
static size_t chunk_size(anqa_tcp tcp)
{
    char line[64] = "";

    for (size_t len = 0; len + 1 < sizeof line; len++) {
        net_get(tcp, line + len, 1);
        if (line[len] == '\n')
            break;
    }
    return strtoul(line, NULL, 16);
}

static size_t take_body(anqa_tcp tcp, const char *head, char *first)
{
    const char *length = net_field(head, "content-length: ");
    size_t all = 0, size = 1;
    char end[2];

    first[0] = '\0';
    if (length != NULL)
        take_bytes(tcp, strtoul(length, NULL, 10), &all, first);
    else if (net_field(head, "transfer-encoding: chunked") != NULL)
        while (size > 0) {
            size = chunk_size(tcp);
            take_bytes(tcp, size, &all, first);
            net_get(tcp, end, sizeof end);
        }
    return all;
}

static void put_big(anqa_tcp tcp)
{
    static const char bytes[64 << 10];

    net_say(tcp, anqa_tmp_printf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BIG));
    for (size_t n = 0; n < BIG; n += sizeof bytes) {
        net_put(tcp, bytes, sizeof bytes);
        atomic_fetch_add(&written, sizeof bytes);
    }
}

/* A chunk after each request for more of them. */
static void put_parts(anqa_tcp tcp)
{
    net_say(tcp, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < 3; i++) {
        unsigned before = atomic_load(&bodies);
        net_say(tcp, anqa_tmp_printf("5\r\npart%u\r\n", i));
        while (atomic_load(&bodies) == before)
            anqa_sleep(1);
    }
    net_say(tcp, "0\r\nTrailer: x\r\n\r\n");
}

/* "hello", and 256 MiB of zeros. */
static const unsigned char gzipped[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86, 0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00};
static const unsigned char brotlied[] = {
    0x21, 0x10, 0x00, 0x04, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x03};
static const unsigned char bomb[] = {0xcf, 0xff, 0xff, 0x7f, 0xf8, 0x27, 0x00, 0xe2, 0xb1, 0x40,
    0x20, 0xf7, 0xfe, 0x9f, 0xff, 0xff, 0xff, 0xf0, 0x4f, 0x00, 0xc4, 0x61, 0x01, 0x80, 0xee, 0xfd,
    0x3f, 0xff, 0xff, 0xff, 0xe1, 0x9f, 0x00, 0x88, 0xc3, 0x22, 0x00, 0xdd, 0xfb, 0x7f, 0xfe, 0xff,
    0xff, 0xc3, 0x3f, 0x01, 0x10, 0x87, 0x05, 0x00, 0xba, 0xf7, 0xff, 0xfc, 0xff, 0xff, 0x87, 0x7f,
    0x02, 0x20, 0x0e, 0x0b, 0x00, 0x74, 0xef, 0xff, 0xf9, 0xff, 0xff, 0x0f, 0xff, 0x04, 0x40, 0x1c,
    0x16, 0x00, 0xe8, 0xde, 0xff, 0xf3, 0xff, 0xff, 0x1f, 0xfe, 0x09, 0x80, 0x38, 0x2c, 0x00, 0xd0,
    0xbd, 0xff, 0xe7, 0xff, 0xff, 0x3f, 0xfc, 0x13, 0x00, 0x71, 0x58, 0x00, 0xa0, 0x7b, 0xff, 0xcf,
    0xff, 0xff, 0x7f, 0xf8, 0x27, 0x00, 0xe2, 0xb0, 0x00, 0x40, 0xf7, 0xfe, 0x9f, 0xff, 0xff, 0xff,
    0xf0, 0x4f, 0x00, 0xc4, 0x61, 0x01, 0x80, 0xee, 0xfd, 0x3f, 0xff, 0xff, 0xff, 0xe1, 0x9f, 0x00,
    0x88, 0xc3, 0x02, 0x00, 0xdd, 0xfb, 0x7f, 0xfe, 0xff, 0xff, 0xc3, 0x3f, 0x01, 0x10, 0x87, 0x05,
    0x00, 0xba, 0xf7, 0xff, 0xfc, 0xff, 0xff, 0x87, 0x7f, 0x02, 0x20, 0x0e, 0x0b, 0x00, 0x74, 0xef,
    0xff, 0xf9, 0xff, 0xff, 0x0f, 0xff, 0x04, 0x40, 0x1c, 0x16, 0x00, 0xe8, 0xde, 0xff, 0xf3, 0xff,
    0xff, 0x1f, 0xfe, 0x09, 0x80, 0x38, 0x2c, 0x00, 0xd0, 0xbd, 0xff, 0xe7, 0xff, 0xff, 0x3f, 0xfc,
    0x13, 0x00, 0x71, 0x58, 0x00, 0xa0, 0x7b, 0xff, 0x3f};

/* 60 MiB of zeros. */
static const unsigned char large[] = {0xcb, 0xff, 0xff, 0x3f, 0xf8, 0x27, 0x00, 0xe2, 0xb1, 0x40,
    0x20, 0xf7, 0xfe, 0x8f, 0xff, 0xff, 0x7f, 0xf0, 0x4f, 0x00, 0xc4, 0x61, 0x11, 0x80, 0xee, 0xfd,
    0x1f, 0xff, 0xff, 0xff, 0xe0, 0x9f, 0x00, 0x88, 0xc3, 0x02, 0x00, 0xdd, 0xfb, 0x3f, 0xfe, 0xff,
    0xff, 0xc1, 0x3f, 0x01, 0x10, 0x87, 0x05, 0x00, 0xba, 0xf7, 0x7f, 0xfc, 0xff, 0xff, 0x83, 0x7f,
    0x02, 0x20, 0x0e, 0x0b, 0x00, 0x74, 0xef, 0xff, 0xf8, 0xff, 0xff, 0x07, 0xff, 0x04, 0x40, 0x1c,
    0x16, 0x00, 0xe8, 0xde, 0xff, 0xf1, 0xff, 0xff, 0x0f, 0xfe, 0x09, 0x80, 0x38, 0x2c, 0x00, 0xd0,
    0xbd, 0xff, 0xcb, 0xff, 0xff, 0x1f, 0xfc, 0x13, 0x00, 0x71, 0x58, 0x00, 0xa0, 0x7b, 0xff, 0x03};

static void put_coded(anqa_tcp tcp, const char *coding, const unsigned char *bytes, size_t len)
{
    net_say(tcp,
        anqa_tmp_printf(
            "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", coding, len));
    net_put(tcp, bytes, len);
}

static void redirect(anqa_tcp tcp, const char *status, const char *to)
{
    net_say(tcp, anqa_tmp_printf(
                     "HTTP/1.1 %s\r\nLocation: %s\r\nContent-Length: 4\r\n\r\ngone", status, to));
}

static void hello(anqa_tcp tcp)
{
    net_answer(tcp, "X-One: a\r\n", "hello");
}

static void said_much(anqa_tcp tcp)
{
    net_say(tcp, "HTTP/1.1 103 Early Hints\r\nX-One: early\r\n\r\n"
                 "HTTP/1.1 404 Not so\xe9\r\nX-One: a \r\nx-ONE:b\r\nSet-Cookie: a=1\r\n"
                 "Set-Cookie: b=2\r\nContent-Length: 2\r\n\r\nno");
}

static void once(anqa_tcp tcp)
{
    hello(tcp);
    anqa_exit(ANQA_NORMAL); /* and says nothing of that */
}

static void next_part(anqa_tcp tcp)
{
    atomic_fetch_add(&bodies, 1);
    net_answer(tcp, "", "");
}

static void silent(anqa_tcp tcp)
{
    anqa_sleep(ANQA_INFINITY);
}

static void half(anqa_tcp tcp)
{
    net_say(tcp, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
}

static void stall(anqa_tcp tcp)
{
    half(tcp);
    anqa_sleep(ANQA_INFINITY);
}

static void cut_short(anqa_tcp tcp)
{
    half(tcp);
    anqa_exit(ANQA_NORMAL);
}

static void reset(anqa_tcp tcp)
{
    half(tcp);
    anqa_sleep(50);
    (void)anqa_tcp_reset(tcp);
    anqa_exit(ANQA_NORMAL);
}

static void garbage(anqa_tcp tcp)
{
    net_say(tcp, "220 mail.example.org ESMTP\r\n");
    anqa_exit(ANQA_NORMAL);
}

static void many_fields(anqa_tcp tcp)
{
    net_say(tcp, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 2000; i++)
        net_say(tcp, anqa_tmp_printf("X-%d: 0123456789012345678901234567890\r\n", i));
    net_say(tcp, "\r\n");
    anqa_exit(ANQA_NORMAL);
}

static void loop(anqa_tcp tcp)
{
    redirect(tcp, "302 Found", "/loop");
}

static void twenty_fields(anqa_tcp tcp)
{
    net_answer(tcp,
        "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\nG: 1\r\nH: 1\r\nI: 1\r\nJ: 1\r\n"
        "K: 1\r\nL: 1\r\nM: 1\r\nN: 1\r\nO: 1\r\nP: 1\r\nQ: 1\r\nR: 1\r\nS: 1\r\nT: 1\r\n",
        "hello");
}

static void gzip_hello(anqa_tcp tcp)
{
    put_coded(tcp, "gzip", gzipped, sizeof gzipped);
}

static void brotli_hello(anqa_tcp tcp)
{
    put_coded(tcp, "br", brotlied, sizeof brotlied);
}

static void brotli_bomb(anqa_tcp tcp)
{
    put_coded(tcp, "br", bomb, sizeof bomb);
}

static void brotli_large(anqa_tcp tcp)
{
    put_coded(tcp, "br", large, sizeof large);
}

static const struct {
    const char *path;
    void (*serve)(anqa_tcp tcp);
} places[] = {
    {"/seen", said_much},
    {"/once", once},
    {"/big", put_big},
    {"/parts", put_parts},
    {"/parts-next", next_part},
    {"/silent", silent},
    {"/stall", stall},
    {"/short", cut_short},
    {"/reset", reset},
    {"/garbage", garbage},
    {"/fields", many_fields},
    {"/loop", loop},
    {"/twenty", twenty_fields},
    {"/gzip", gzip_hello},
    {"/br", brotli_hello},
    {"/bomb", brotli_bomb},
    {"/large", brotli_large},
};

static void serve_place(anqa_tcp tcp, const char *path)
{
    for (size_t i = 0; i < ANQA_COUNT(places); i++)
        if (strcmp(path, places[i].path) == 0) {
            places[i].serve(tcp);
            return;
        }
    hello(tcp);
}

static void serve_one(anqa_tcp tcp, const char *head)
{
    char first[100], path[1024] = "";
    size_t len;

    if (net_asks(head, "POST /early ")) { /* before the body is here */
        redirect(tcp, "303 See Other", "/");
        return;
    }
    while (net_asks(head, "POST /hold ") && !atomic_load(&go_on))
        anqa_sleep(1);
    len = take_body(tcp, head, first);
    (void)sscanf(head, "%*s %1023s", path);
    if (strncmp(path, "/echo", 5) == 0 || strcmp(path, "/hold") == 0)
        net_answer(
            tcp, "", anqa_tmp_printf("%.*s %zu %s", (int)strcspn(head, " "), head, len, first));
    else if (strcmp(path, "/head") == 0)
        net_answer(tcp, "", head);
    else if (strncmp(path, "/302?", 5) == 0)
        redirect(tcp, "302 Found", path + 5);
    else if (strncmp(path, "/303?", 5) == 0)
        redirect(tcp, "303 See Other", path + 5);
    else if (strncmp(path, "/307?", 5) == 0)
        redirect(tcp, "307 Temporary Redirect", path + 5);
    else
        serve_place(tcp, path);
}

static void site(anqa_tcp tcp)
{
    for (;;)
        serve_one(tcp, net_read_head(tcp));
}

/* ---------------------------------------------------------------- answers and requests */

TEST(an_answer_is_what_the_server_has_said)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK_STR(get(pid, port, "/"), "[200,\"hello\"]");
    CHECK_STR(ask(pid, "seen", port, "/seen", ""),
        anqa_tmp_printf(
            "[404,\"Not so\xc3\xa9\",false,\"a, b\",null,[\"a=1\",\"b=2\"],\"%s\",false,\"no\"]",
            at(port, "/seen")));
    js_end(rt);
}

TEST(a_request_is_what_the_script_has_said)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);
    const char *head;

    CHECK_STR(ask(pid, "get", port, "/echo", ", {\"method\": \"POST\", \"body\": \"h\\u00e9\"}"),
        "[200,\"POST 3 h\xc3\xa9\"]");
    CHECK_STR(ask(pid, "get", port, "/echo", ", {\"method\": \"PUT\", \"body\": \"\"}"),
        "[200,\"PUT 0 \"]");
    CHECK_STR(ask(pid, "get", port, "/echo", ", {\"method\": \"POST\"}"), "[200,\"POST 0 \"]");
    CHECK_STR(ask(pid, "get", port, "/echo", ", {\"method\": \"DELETE\"}"), "[200,\"DELETE 0 \"]");
    CHECK_STR(ask(pid, "get", port, "/echo", ", {\"method\": \"QUERY\", \"body\": \"q\"}"),
        "[200,\"QUERY 1 q\"]");
    CHECK(strstr(ask(pid, "post", port, "/echo", ", 3000000"), "POST 3000000 \\u0007") != NULL);
    head = ask(pid, "get", port, "/head",
        ", {\"method\": \"POST\", \"body\": \"x\", \"headers\": {\"X-A\": \"b\", "
        "\"X-Empty\": \"\"}}");
    CHECK(strcasestr(head, "\\r\\nX-Empty:") != NULL, "%s", head);
    CHECK(strcasestr(head, "\\r\\nContent-Length: 1\\r\\n") != NULL, "%s", head);
    CHECK(
        strcasestr(head, "\\r\\nContent-Type: text/plain;charset=UTF-8\\r\\n") != NULL, "%s", head);
    CHECK(strcasestr(head, "\\r\\nExpect:") == NULL, "%s", head);
    CHECK(strcasestr(head, "\\r\\nAccept-Encoding: gzip, deflate, br\\r\\n") != NULL, "%s", head);
    js_end(rt);
}

TEST(a_script_says_neither_who_is_asked_nor_where_a_message_ends)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);
    const char *head = ask(pid, "get", port, "/head",
        ", {\"headers\": {\"Host\": \"evil\", \"Connection\": \"close\", \"Transfer-Encoding\": "
        "\"chunked\", \"Content-Length\": \"5\", \"Upgrade\": \"x\", \"Expect\": "
        "\"100-continue\"}}");

    CHECK(strstr(head, "evil") == NULL && strcasestr(head, "\\r\\nConnection") == NULL &&
              strcasestr(head, "chunked") == NULL && strcasestr(head, "Content-Length") == NULL &&
              strcasestr(head, "Upgrade") == NULL && strcasestr(head, "Expect") == NULL,
        "%s", head);
    CHECK(
        strstr(head, anqa_tmp_printf("\\r\\nHost: 127.0.0.1:%u\\r\\n", port)) != NULL, "%s", head);
    CHECK(strstr(ask(pid, "get", port, "/head", ", {\"headers\": {\"X\": \"a\\r\\nY: b\"}}"),
              "TypeError") != NULL);
    CHECK(strstr(ask(pid, "get", port, "/head", ", {\"headers\": {\"X\\r\\nY\": \"b\"}}"),
              "TypeError") != NULL);
    CHECK(strstr(ask(pid, "get", port, "/head", ", {\"method\": \"GET /x HTTP/1.1\\r\\nY: b\"}"),
              "TypeError") != NULL);
    CHECK(
        strstr(ask(pid, "get", port, "/head", ", {\"method\": \"CONNECT\"}"), "TypeError") != NULL);
    js_end(rt);
}

TEST(connections_are_kept_alive)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    for (int i = 0; i < 3; i++)
        CHECK_STR(get(pid, port, "/"), "[200,\"hello\"]");
    CHECK_EQ(net_accepted(), 1);
    js_end(rt);
}

TEST(a_connection_that_has_gone_is_noticed_and_made_anew)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    for (int i = 0; i < 3; i++) {
        CHECK_STR(get(pid, port, "/once"), "[200,\"hello\"]");
        CHECK_STR(ask(pid, "get", port, "/echo", ", {\"method\": \"POST\", \"body\": \"abc\"}"),
            "[200,\"POST 3 abc\"]");
    }
    js_end(rt);
}

TEST(an_answer_is_read_while_it_comes)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK_STR(ask(pid, "parts", port, "/parts", ""), "[\"part0\",\"part1\",\"part2\"]");
    js_end(rt);
}

TEST(an_answer_that_is_compressed_is_read_as_it_was)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK_STR(get(pid, port, "/gzip"), "[200,\"hello\"]");
    CHECK_STR(get(pid, port, "/br"), "[200,\"hello\"]");
    CHECK(strstr(get(pid, port, "/bomb"), "TypeError: fetch failed: ") != NULL);
    js_end(rt);
}

/* Until it stands still. */
static size_t settled(_Atomic(size_t) *count)
{
    size_t before;

    do {
        before = atomic_load(count);
        anqa_sleep(150);
    } while (atomic_load(count) != before);
    return before;
}

TEST(a_script_that_does_not_read_stops_the_server)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);
    anqa_js_info info;
    anqa_error err;

    CHECK_STR(ask(pid, "keep", port, "/big", ""), "200");
    CHECK(settled(&written) < (size_t)BIG / 2, "%zu bytes", atomic_load(&written));
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, &err), ANQA_OK);
    CHECK(info.memory < (size_t)8 << 20, "%zu bytes", info.memory);
    CHECK_STR(js_call(pid, "rest", "[]"), anqa_tmp_printf("%d", BIG));
    CHECK_STR(ask(pid, "keep", port, "/big", ""), "200"); /* one that is not read to its end */
    CHECK(strcmp(js_call(pid, "first", "[]"), "0") != 0);
    for (int i = 0; i < 10000 && net_served_now() > 0; i++)
        anqa_sleep(2);
    CHECK_EQ(net_served_now(), 0);
    js_end(rt);
}

TEST(a_server_that_does_not_read_stops_the_script)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);
    anqa_value args = {NULL, 0};
    anqa_value_writer writer;
    unsigned made = 0, before;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_str(&writer, anqa_str_of(at(port, "/hold")));
    anqa_value_put_int(&writer, 1024);
    anqa_value_put_int(&writer, 64 << 10);
    anqa_value_end(&writer);
    CHECK_STATUS(anqa_value_done(&writer, &args), ANQA_OK);
    CHECK_STATUS(anqa_js_call(pid, "upload", &args, 1, NULL, NULL, NULL), ANQA_E_TIMEOUT);
    do {
        before = made;
        anqa_sleep(150);
        made = (unsigned)strtoul(js_call(pid, "madeSoFar", "[]"), NULL, 10);
    } while (made != before || made == 0);
    CHECK(made < 512, "%u of 1,024 parts", made);
    atomic_store(&go_on, true);
    for (int i = 0; i < 10000 && atomic_load(&read_back) < (size_t)64 << 20; i++)
        anqa_sleep(2);
    CHECK_EQ(atomic_load(&read_back), (size_t)64 << 20);
    js_end(rt);
}

/* ---------------------------------------------------------------- redirects */

TEST(redirects_are_followed_as_the_request_says)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);
    const char *other = anqa_tmp_printf("/302?%s", at(net_serve(site), "/head")), *head;

    CHECK_STR(ask(pid, "where", port, "/302?/echo", ""),
        "[200,true,\"http://127.0.0.1/echo\",\"GET 0 \"]");
    CHECK_STR(ask(pid, "where", port, "/302?/echo", ", {\"method\": \"POST\", \"body\": \"abc\"}"),
        "[200,true,\"http://127.0.0.1/echo\",\"GET 0 \"]");
    CHECK_STR(ask(pid, "where", port, "/302?/echo", ", {\"method\": \"PUT\", \"body\": \"abc\"}"),
        "[200,true,\"http://127.0.0.1/echo\",\"PUT 3 abc\"]");
    CHECK_STR(ask(pid, "where", port, "/303?/echo", ", {\"method\": \"PUT\", \"body\": \"abc\"}"),
        "[200,true,\"http://127.0.0.1/echo\",\"GET 0 \"]");
    CHECK_STR(ask(pid, "where", port, "/307?/echo", ", {\"method\": \"POST\", \"body\": \"abc\"}"),
        "[200,true,\"http://127.0.0.1/echo\",\"POST 3 abc\"]");
    CHECK_STR(ask(pid, "where", port, "/302?/echo", ", {\"redirect\": \"manual\"}"),
        "[302,false,\"http://127.0.0.1/302?/echo\",\"gone\"]");
    CHECK_STR(ask(pid, "where", port, "/302?/echo", ", {\"redirect\": \"error\"}"),
        "TypeError: fetch failed: a redirect, which the request forbids");
    CHECK_STR(
        ask(pid, "where", port, "/loop", ""), "TypeError: fetch failed: more than 20 redirects");
    CHECK_STR(ask(pid, "upload", port, "/307?/echo", ", 1, 10"),
        "TypeError: fetch failed: a body that was a stream cannot be sent once more");
    head = ask(pid, "get", port, "/302?/head", ", {\"headers\": {\"authorization\": \"secret\"}}");
    CHECK(strstr(head, "secret") != NULL, "%s", head);
    head = ask(pid, "get", port, other,
        ", {\"headers\": {\"authorization\": \"secret\", \"cookie\": \"secret\", \"x\": \"y\"}}");
    CHECK(strstr(head, "secret") == NULL && strstr(head, "x: y") != NULL, "%s", head);
    js_end(rt);
}

static const char *const open_hosts[] = {"*:*", "127.0.0.1:*", NULL};
static const anqa_js_script everywhere = ANQA_JS_SCRIPT(.name = "everywhere", .source = source,
    .apis = ANQA_JS_FETCH, .hosts = open_hosts);
static const anqa_js_script nowhere =
    ANQA_JS_SCRIPT(.name = "nowhere", .source = source, .apis = ANQA_JS_FETCH);

TEST(no_redirect_leads_to_where_the_script_may_not_go)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site), hidden = net_serve(site);
    anqa_pid pid = js_start(&member), open = js_start(&everywhere);
    const char *to_name = anqa_tmp_printf("/302?http://localhost:%u/", hidden);

    CHECK_STR(get(pid, port, to_name),
        anqa_tmp_printf(
            "TypeError: fetch failed: localhost:%u is not among the hosts of this script", hidden));
    CHECK_STR(get(open, port, to_name),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_STR(get(open, port, "/302?http://169.254.169.254/latest/"),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_STR(get(open, port, anqa_tmp_printf("/302?http://[::1]:%u/", hidden)),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_STR(get(open, port, anqa_tmp_printf("/302?http://[::ffff:7f00:1]:%u/", hidden)),
        "[200,\"hello\"]"); /* which is 127.0.0.1, that is listed */
    CHECK_STR(get(open, port, "/302?file:///etc/passwd"),
        "TypeError: fetch failed: a redirect to what is neither http nor https");
    CHECK_STR(get(open, port, "/302?http://a:b@127.0.0.1/"),
        "TypeError: fetch failed: a redirect with a password");
    js_end(rt);
}

TEST(what_is_not_listed_is_not_asked)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid none = js_start(&nowhere), open = js_start(&everywhere);

    CHECK_STR(get(none, port, "/"),
        anqa_tmp_printf(
            "TypeError: fetch failed: 127.0.0.1:%u is not among the hosts of this script", port));
    CHECK_STR(js_call(open, "get", anqa_tmp_printf("[\"http://localhost:%u/\"]", port)),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_STR(js_call(open, "get", anqa_tmp_printf("[\"http://0.0.0.0:%u/\"]", port)),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_EQ(net_accepted(), 0);
    js_end(rt);
}

/* ---------------------------------------------------------------- ends */

TEST(a_request_is_aborted)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK_STR(ask(pid, "aborted", port, "/", ""), "\"why\"");
    CHECK_EQ(net_accepted(), 0);
    CHECK_STR(ask(pid, "abortAfter", port, "/silent", ", 20"), "\"AbortError\"");
    CHECK_STR(ask(pid, "abortAfter", port, "/stall", ", 50"), "\"AbortError\"");
    CHECK_STR(ask(pid, "timeout", port, "/silent", ", 20"), "\"TimeoutError\"");
    CHECK_STR(ask(pid, "abortAfter", port, "/", ", 5000"), "\"done\"");
    CHECK_STR(ask(pid, "abortInCancel", port, "/early", ""), "\"AbortError\"");
    js_end(rt);
}

TEST(a_server_that_breaks_off_is_an_error_behind_what_it_has_sent)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK(strncmp(ask(pid, "until", port, "/short", ""), "[4,\"TypeError\",", 15) == 0);
    CHECK(strncmp(ask(pid, "until", port, "/reset", ""), "[4,\"TypeError\",", 15) == 0);
    CHECK(strstr(get(pid, port, "/garbage"), "TypeError: fetch failed: ") != NULL);
    CHECK(strstr(get(pid, 1, "/"), "TypeError: fetch failed: ") != NULL); /* nobody listens */
    js_end(rt);
}

TEST(the_end_of_the_process_is_the_end_of_its_requests)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid first = js_start(&member), pid; /* the image stays */
    unsigned before;
    bool gone = false;

    anqa_unlink(first);
    (void)js_kill(first);
    before = net_open_files();
    pid = js_start(&member);
    anqa_unlink(pid);
    for (int i = 0; i < 30; i++)
        (void)ask(pid, "start", port, i % 3 == 0 ? "/big" : i % 3 == 1 ? "/silent" : "/stall", "");
    for (int i = 0; i < 10000 && net_accepted() < 30; i++)
        anqa_sleep(2);
    CHECK(net_open_files() >= before + 60);
    (void)js_kill(pid);
    for (int i = 0; i < 10000 && !gone; i++) {
        gone = net_open_files() <= before + net_served_now();
        anqa_sleep(2);
    }
    CHECK(gone, "%u files, %u before", net_open_files(), before);
    js_end(rt);
}

/* Those that work for scripts. */
static size_t networks(anqa_pid *ret_first)
{
    anqa_process_info *infos = NULL;
    size_t count = 0, found = 0;

    CHECK_STATUS(anqa_process_list(NULL, &infos, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i].label, "network of a script") == 0 && found++ == 0)
            *ret_first = infos[i].pid;
    return found;
}

TEST(the_end_of_the_process_that_works_for_a_script_is_an_error_of_what_is_under_way)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member), worker = {0};

    CHECK_EQ(networks(&worker), 0);
    CHECK_STR(ask(pid, "keep", port, "/stall", ""), "200");
    CHECK_EQ(networks(&worker), 1);
    (void)js_kill(worker);
    CHECK_STR(js_call(pid, "rest", "[]"), "TypeError: fetch failed: the network process has ended");
    CHECK_STR(get(pid, port, "/"), "[200,\"hello\"]");
    js_end(rt);
}

TEST(answers_under_way_are_errors_in_what_was_restored_from_a_snapshot)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member), twin = {0};
    anqa_str bytes;

    CHECK_STR(ask(pid, "keep", port, "/big", ""), "200");
    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_restore_link(&member, bytes, NULL, NULL, &twin, NULL), ANQA_OK);
    CHECK(strstr(js_call(twin, "rest", "[]"), "TypeError: fetch failed: ") != NULL);
    CHECK_STR(get(twin, port, "/"), "[200,\"hello\"]");
    CHECK_STR(js_call(pid, "rest", "[]"), anqa_tmp_printf("%d", BIG));
    js_end(rt);
}

TEST(answers_that_nobody_reads_any_more_hold_nothing)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK_STR(ask(pid, "unread", port, "/big", ", 150"), "150");
    js_end(rt);
}

TEST(a_process_makes_a_thousand_requests_in_turn)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);
    unsigned before = net_open_files();

    CHECK_STR(ask(pid, "many", port, "/", ", 1000, 20"), "1000");
    CHECK(net_accepted() <= 40, "%u connections", net_accepted());
    CHECK(net_open_files() <= before + 80); /* both ends of each */
    js_end(rt);
}

TEST(who_asks_for_nothing_any_more_keeps_no_connections)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);
    unsigned before = net_open_files();

    CHECK_STR(get(pid, port, "/"), "[200,\"hello\"]");
    for (int i = 0; i < 10000 && net_open_files() > before; i++)
        anqa_sleep(5);
    CHECK(net_open_files() <= before, "%u files, %u before", net_open_files(), before);
    CHECK_STR(get(pid, port, "/"), "[200,\"hello\"]"); /* and begins again */
    js_end(rt);
}

/* ---------------------------------------------------------------- limits */

static anqa_js_script limited = ANQA_JS_SCRIPT(.name = "limited", .source = source,
    .apis = ANQA_JS_FETCH, .hosts = (const char *const[]){"127.0.0.1:*", NULL},
    .limits = {.net = {.requests = 3,
                   .head_ms = 600,
                   .idle_ms = 400,
                   .url_bytes = 100,
                   .body_bytes = 1000000}});

TEST(a_process_may_ask_so_much_and_wait_so_long)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    char *path = anqa_arena_alloc(anqa_tmp(), 200);
    const char *silent;
    anqa_pid pid;

    limited.limits.net.head_ms *= harness_slowness();
    limited.limits.net.idle_ms *= harness_slowness();
    pid = js_start(&limited);
    CHECK_STR(ask(pid, "outcomes", port, "/stall", ", 5"),
        "[2,\"fetch failed: more than 3 requests at once\"]");
    while (strstr(silent = get(pid, port, "/silent"), "at once") != NULL)
        anqa_sleep(5); /* until the others are given up */
    CHECK_STR(silent, "TypeError: fetch failed: there is no answer in time");
    CHECK_STR(ask(pid, "until", port, "/stall", ""),
        "[4,\"TypeError\",\"fetch failed: nothing more comes of the answer\"]");
    CHECK_STR(get(pid, port, "/fields"),
        "TypeError: fetch failed: the head of the answer has more than 65536 bytes");
    CHECK_STR(
        get(pid, port, "/big"), "TypeError: fetch failed: an answer of more than 1000000 bytes");
    snprintf(path, 200, "/%0120d", 1);
    CHECK_STR(get(pid, port, path), "TypeError: fetch failed: a URL of more than 100 bytes");
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
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK_STR(ask(pid, "get", port, "/", init_of("GET", 200, 10)), "[200,\"hello\"]");
    CHECK_STR(ask(pid, "get", port, "/", init_of("GET", 300, 10)),
        "TypeError: fetch failed: more than 256 headers");
    CHECK_STR(ask(pid, "get", port, "/", init_of("GET", 1, 131072)),
        "TypeError: fetch failed: more than 131072 bytes for the network at once");
    CHECK_STR(ask(pid, "get", port, "/echo", init_of("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", 0, 0)),
        "[200,\"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF 0 \"]");
    CHECK_STR(ask(pid, "get", port, "/echo", init_of("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", 0, 0)),
        "TypeError: fetch failed: no such request can be made");
    js_end(rt);
}

/* What everybody in this program calls: names of .slow.test take long and are not there, .name.test is this machine. */
static atomic_uint looked, looking, looking_most;

/* Those of .stuck.test are not answered for until the test says. */
static atomic_uint stuck;
static atomic_bool let_go;
static atomic_uint waits; /* seconds for each server of names, in the last look-up of a slow one */
static atomic_uint
    asked; /* the server of names that the last look-up of one of .asked.test would ask */

int getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict ret_list)
{
    size_t len = name == NULL ? 0 : strlen(name);
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    unsigned now;

    memcpy(&real, &symbol, sizeof real);
    if (len > 10 && strcmp(name + len - 10, ".name.test") == 0) {
        atomic_fetch_add(&looked, 1);
        return real("127.0.0.1", service, hints, ret_list);
    }
    if (len > 11 && strcmp(name + len - 11, ".stuck.test") == 0) {
        atomic_fetch_add(&stuck, 1);
        while (!atomic_load(&let_go))
            usleep(1000);
        atomic_fetch_sub(&stuck, 1);
        return EAI_NONAME;
    }
    if (len > 11 && strcmp(name + len - 11, ".asked.test") == 0) {
        atomic_store(&asked, ntohl(_res.nsaddr_list[0].sin_addr.s_addr));
        return EAI_NONAME;
    }
    if (len <= 10 || strcmp(name + len - 10, ".slow.test") != 0)
        return real(name, service, hints, ret_list);
    now = atomic_fetch_add(&looking, 1) + 1;
    if (now > atomic_load(&looking_most))
        atomic_store(&looking_most, now);
    atomic_store(&waits, (unsigned)(_res.retrans * _res.retry));
    usleep(200000);
    atomic_fetch_sub(&looking, 1);
    return EAI_NONAME;
}

static const anqa_js_script named = ANQA_JS_SCRIPT(.name = "named", .source = source,
    .apis = ANQA_JS_FETCH, .hosts = (const char *const[]){"private:*:*", NULL});

TEST(few_names_are_looked_up_at_once_even_when_nobody_waits_for_them)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pids[] = {js_start(&named), js_start(&named), js_start(&named)};

    for (size_t i = 0; i < ANQA_COUNT(pids); i++) {
        CHECK_STR(js_call(pids[i], "lookAndLeave", "[30, 80]"), "30");
        anqa_unlink(pids[i]);
        (void)js_kill(pids[i]);
    }
    CHECK(atomic_load(&looking_most) > 0 && atomic_load(&looking_most) <= 6, "%u look-ups at once",
        atomic_load(&looking_most));
    pids[0] = js_start(&named);
    CHECK(strstr(js_call(pids[0], "get", "[\"http://b.slow.test/\"]"),
              "Could not resolve host: b.slow.test") != NULL);
    for (int i = 0; i < 3; i++) /* who is known is not looked up again */
        CHECK_STR(js_call(pids[0], "get", anqa_tmp_printf("[\"http://My.name.test:%u/\"]", port)),
            "[200,\"hello\"]");
    CHECK_EQ(atomic_load(&looked), 1);
    js_end(rt);
}

TEST(names_that_nobody_answers_for_keep_others_from_no_look_up)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pids[] = {js_start(&named), js_start(&named)}, third = js_start(&named);

    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        CHECK_STR(js_eval(pids[i],
                      anqa_tmp_printf("for (let i = 0; i < 8; i++) "
                                      "fetch(`http://a%zu${i}.stuck.test/`).catch(() => {}); 1",
                          i)),
            "1");
    for (uint32_t i = 0; i < LONG_MS && atomic_load(&stuck) < 4; i++)
        anqa_sleep(1);
    anqa_sleep(100);                   /* were there more, they would come now */
    CHECK_EQ(atomic_load(&stuck), 4u); /* two of each */
    CHECK_STR(js_call(third, "get", anqa_tmp_printf("[\"http://other.name.test:%u/\"]", port)),
        "[200,\"hello\"]");
    CHECK_EQ(atomic_load(&stuck), 4u);
    atomic_store(&let_go, true);
    js_end(rt);
}

TEST(each_server_of_names_is_waited_for_two_seconds)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&named);

    (void)js_call(pid, "get", "[\"http://b.slow.test/\"]");
    CHECK_EQ(atomic_load(&waits), 2u);
    js_end(rt);
}

/* From now on this process, and no other, sees a file of ours as the one that names servers of names. */
static int own_resolv_conf(void)
{
    char path[] = "/tmp/anqa-resolv-XXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(path, _PATH_RESCONF, NULL, MS_BIND, NULL) != 0) {
        unlink(path);
        SKIP("what is mounted can not be changed: %s", strerror(errno));
    }
    unlink(path);
    return fd;
}

TEST(a_server_of_names_that_is_configured_later_is_asked)
{
    int fd = own_resolv_conf();
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&named);

    for (unsigned i = 2; i < 10;
        i++) { /* more than there are workers that may have read it before */
        const char *line = anqa_tmp_printf("nameserver 127.0.0.%u\n", i);
        CHECK_EQ(pwrite(fd, line, strlen(line), 0), (ssize_t)strlen(line));
        (void)js_call(pid, "get", anqa_tmp_printf("[\"http://n%u.asked.test/\"]", i));
        CHECK_EQ(atomic_load(&asked), 0x7f000000 + i);
    }
    js_end(rt);
    close(fd);
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
    outcome = get(pid, ntohs(address.sin_port), "/");
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
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK_STR(ask(pid, "crowd", port, "/", ", 300"),
        "[\"fetch failed: more than 131072 bytes for the network at once\",200]");
    js_end(rt);
}

TEST(what_waits_for_all_scripts_is_bounded)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&member);

    CHECK_STR(ask(pid, "hold", port, "/large", ", 5"),
        "[240,\"fetch failed: too many bytes of answers wait for their scripts\"]");
    CHECK_STR(ask(pid, "hold", port, "/large", ", 1"), "[60]"); /* there is room again */
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
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&replacer);

    CHECK_STR(ask(pid, "get", port, "/once", ""), "[\"hello\",0]");
    js_end(rt);
}

static const anqa_js_handler liar_handlers[] = {{"unheard", unheard}, {0}};
static const anqa_js_script liar = ANQA_JS_SCRIPT(.name = "liar", .source = liar_source,
    .apis = ANQA_JS_FETCH, .hosts = (const char *const[]){"127.0.0.1:*", NULL},
    .handlers = liar_handlers, .limits = {.turn_ms = 60000, .net = {.requests = 6, .sockets = 2}});

static void check_liar(const char *function)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&liar);
    size_t bytes =
        strtoul(ask(pid, function, port, "/big",
                    anqa_tmp_printf(", %d, %d, %d", LIAR_TRIES, LIAR_MOST / 2, 4 * LIAR_MOST)),
            NULL, 10);

    CHECK(bytes >= LIAR_MOST / 2, "%zu bytes", bytes); /* there is a limit to reach */
    CHECK(bytes <= LIAR_MOST, "%zu bytes", bytes);
    CHECK_STR(ask(pid, "get", port, "/once", ""), "[200,\"hello\"]");
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
    ANQA_JS_SCRIPT(.name = "frugal", .source = source, .apis = ANQA_JS_FETCH,
        .hosts = (const char *const[]){"127.0.0.1:*", NULL}, .limits = {.values = {.nodes = 20}});

TEST(an_answer_has_as_many_fields_as_it_has_whatever_may_cross)
{
    anqa_rt *rt = js_begin(1);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&frugal);

    CHECK_STR(get(pid, port, "/twenty"), "[200,\"hello\"]");
    js_end(rt);
}

static const anqa_js_script cramped =
    ANQA_JS_SCRIPT(.name = "cramped", .source = source, .apis = ANQA_JS_FETCH,
        .hosts = (const char *const[]){"127.0.0.1:*", NULL}, .limits = {.values = {.bytes = 1000}});

TEST(who_takes_no_large_values_has_no_network)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&cramped);

    CHECK(strstr(get(pid, 1, "/"), "limits.values.bytes is below 262144") != NULL, "%s",
        get(pid, 1, "/"));
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
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&narrow);

    for (int i = 0; i < 3; i++)
        CHECK_STR(
            js_call(pid, "whole",
                anqa_tmp_printf("[\"%s\", {\"integrity\": \"sha256-AAAA\"}]", at(port, "/big"))),
            "\"fetch failed: the integrity of more than 1000000 bytes cannot be seen\"");
    CHECK_STR(get(pid, port, "/once"), "[200,\"hello\"]");
    js_end(rt);
}

TEST(an_answer_that_finds_no_memory_fails)
{
    anqa_rt *rt = js_begin(1);
    uint16_t port = net_serve(site);
    anqa_pid pid = js_start(&narrow);

    for (int i = 0; i < 3; i++) {
        const char *end = js_call(pid, "whole", anqa_tmp_printf("[\"%s\"]", at(port, "/big")));
        CHECK(strcmp(end, "\"fetch failed: there was no memory for what came\"") == 0 ||
                  strcmp(end, "\"InternalError\"") == 0,
            "%s", end);
    }
    CHECK_STR(get(pid, port, "/once"), "[200,\"hello\"]");
    js_end(rt);
}
