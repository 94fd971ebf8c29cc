#include "site.h"

#include <stdio.h>
#include <stdlib.h>

const char site_source[] =
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

const anqa_js_script site_member = ANQA_JS_SCRIPT(.name = "member", .source = site_source,
    .hosts = (const char *const[]){"127.0.0.1:*", NULL}, .apis = ANQA_JS_FETCH);

const char *site_at(uint16_t port, const char *path)
{
    return anqa_tmp_printf("http://127.0.0.1:%u%s", port, path);
}

const char *site_ask(
    anqa_pid pid, const char *function, uint16_t port, const char *path, const char *more)
{
    return js_call(pid, function, anqa_tmp_printf("[\"%s\"%s]", site_at(port, path), more));
}

const char *site_get(anqa_pid pid, uint16_t port, const char *path)
{
    return site_ask(pid, "get", port, path, "");
}

/* ---------------------------------------------------------------- a server, by path */

_Atomic(size_t) site_written, site_read;
_Atomic(bool) site_go_on;
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
        atomic_fetch_add(&site_read, n);
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

    net_say(tcp, anqa_tmp_printf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SITE_BIG));
    for (size_t n = 0; n < SITE_BIG; n += sizeof bytes) {
        net_put(tcp, bytes, sizeof bytes);
        atomic_fetch_add(&site_written, sizeof bytes);
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
    while (net_asks(head, "POST /hold ") && !atomic_load(&site_go_on))
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

void site_serve(anqa_tcp tcp)
{
    for (;;)
        serve_one(tcp, net_read_head(tcp));
}
