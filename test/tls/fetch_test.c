/* fetch and WebSocket of scripts over TLS: who is trusted, and that all comes through. */
#include "tls/town.h"

#include <string.h>

enum { PARTS = 40000, PART = 50 };

static void serve(anqa_conn *conn, const void *opts)
{
    if (!anqa_str_is(conn->request_path, "/large")) {
        anqa_send_text(conn, 200, anqa_str_of(conn->scheme));
        return;
    }
    (void)anqa_send_chunked(conn, 200);
    for (int i = 0; i < PARTS; i++)
        anqa_chunk(conn, anqa_str_of("01234567890123456789012345678901234567890123456789"));
}

static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next room_echo(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_ok(payload);
}

static const anqa_channel room = {.topic = "room:*",
    .join = room_join,
    .handle_in = (const anqa_event[]){{"echo", room_echo}, {0}}};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&room, NULL}};
static const anqa_endpoint site = {.plugs = (const anqa_plug[]){{serve, NULL}, {0}},
    .sockets = (const anqa_socket_mount[]){{.path = "/socket", .user_socket = &user_socket}, {0}}};

/* ---------------------------------------------------------------- the script */

static const char source[] =
    "export async function length(url) { const r = await fetch(url); return (await "
    "r.text()).length; }\n"
    "export async function text(url) { try { return await (await fetch(url)).text(); } catch (e) "
    "{ return e.name; } }\n"
    "export function talk(url, n) { const s = new WebSocket(url), text = 'x'.repeat(n), heard = "
    "[];\n"
    "  s.onopen = () => s.send('[\"1\",\"1\",\"room:a\",\"phx_join\",{}]');\n"
    "  return new Promise((done) => { s.onerror = () => done('error');\n"
    "    s.onmessage = ({data}) => { heard.push(JSON.parse(data));\n"
    "      if (heard.length === 1) s.send(JSON.stringify(['1', '2', 'room:a', 'echo', {text}]));\n"
    "      else done(heard[1][4].response.text === text); }; }); }\n";

static const char *const hosts[] = {"localhost:*", "127.0.0.1:*", NULL};

static const char *ask(const anqa_js_script *script, const char *function, const char *args)
{
    anqa_json json = {NULL, 0};
    anqa_error err = {.text = ""};
    anqa_pid pid;

    CHECK_STATUS(anqa_js_start_link(script, NULL, NULL, &pid, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_js_call_json(pid, function, anqa_json_of(anqa_str_of(args)),
                     30000 * harness_slowness(), &json, NULL, &err),
        ANQA_OK, "%s", err.text);
    anqa_unlink(
        pid); /* with it go the connections that it keeps, for which a site that ends would wait */
    anqa_exit_signal(pid, ANQA_KILL);
    return anqa_tmp_printf("%.*s", ANQA_FMT(json));
}

static const char *url(const char *scheme, const char *host, const char *path)
{
    return anqa_tmp_printf("[\"%s://%s:%u%s\", 30000]", scheme, host, town_port(), path);
}

TEST(a_server_whose_certificate_is_trusted_is_asked)
{
    anqa_js_script script = ANQA_JS_SCRIPT(.name = "caller", .source = source,
        .apis = ANQA_JS_FETCH | ANQA_JS_WEBSOCKET, .hosts = hosts);

    town_begin(&site);
    script.ca_file = town_file("main.crt");
    CHECK_STR(ask(&script, "text", url("https", "localhost", "/")), "\"https\"");
    CHECK_STR(ask(&script, "length", url("https", "localhost", "/large")),
        anqa_tmp_printf("%d", PARTS * PART));
    CHECK_STR(ask(&script, "talk", url("wss", "localhost", "/socket/websocket?vsn=2.0.0")), "true");
    town_end();
}

TEST(a_server_that_nobody_vouches_for_or_of_another_name_is_not_asked)
{
    static const anqa_js_script strict = ANQA_JS_SCRIPT(.name = "strict", .source = source,
        .apis = ANQA_JS_FETCH | ANQA_JS_WEBSOCKET, .hosts = hosts);
    anqa_js_script script = ANQA_JS_SCRIPT(.name = "caller", .source = source,
        .apis = ANQA_JS_FETCH | ANQA_JS_WEBSOCKET, .hosts = hosts);

    town_begin(&site);
    script.ca_file = town_file("main.crt");
    CHECK_STR(ask(&strict, "text", url("https", "localhost", "/")), "\"TypeError\"");
    CHECK_STR(
        ask(&strict, "talk", url("wss", "localhost", "/socket/websocket?vsn=2.0.0")), "\"error\"");
    CHECK_STR(ask(&script, "text", url("https", "127.0.0.1", "/")), "\"TypeError\"");
    CHECK_STR(
        ask(&script, "talk", url("wss", "127.0.0.1", "/socket/websocket?vsn=2.0.0")), "\"error\"");
    town_end();
}
