/* What `connect` is shown of a request, tokens beside the URL, subprotocols, paths with variables. */
#include "channel/rooms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/conn.h"

/* Tells the test what it sees. */
static anqa_status show_connect(anqa_socket *socket, anqa_json params)
{
    const anqa_connect_info *info = anqa_socket_connect_info(socket);
    anqa_json all = anqa_jsonf(
        "{'params': %p, 'peer': %.*s, 'scheme': %.*s, 'host': %.*s, 'port': %u, 'path': %.*s, "
        "'query': %.*s, 'agent': %.*s, 'x': %p, 'trace': %p, 'ws': %p, 'session': %p, 'token': "
        "%s}",
        (const void *)&params, ANQA_FMT(info->peer), ANQA_FMT(info->scheme), ANQA_FMT(info->host),
        (unsigned)info->port, ANQA_FMT(info->path), ANQA_FMT(info->query),
        ANQA_FMT(info->user_agent), (const void *)&info->x_headers,
        (const void *)&info->trace_context_headers, (const void *)&info->sec_websocket_headers,
        (const void *)&info->session,
        info->has_auth_token ? anqa_tmp_printf("%.*s", ANQA_FMT(info->auth_token)) : NULL);
    anqa_str text = anqa_json_text(all), refuse = anqa_json_str(params, "refuse");

    server_tell("info", anqa_tmp_printf("%.*s", ANQA_FMT(text)));
    return anqa_str_is(refuse, "plainly") ? ANQA_E_PERMISSION
           : refuse.len > 0               ? ANQA_E_EXPIRED
                                          : ANQA_OK;
}

static const anqa_user_socket show_socket = {.connect = show_connect};

static void refused(anqa_conn *conn, anqa_status status)
{
    (void)anqa_send_text(conn, 401, anqa_str_of(anqa_status_name(status)));
}

/* Gives a session with a token, which the body of the answer is. */
static void log_in(anqa_conn *conn, const void *opts)
{
    anqa_str token = anqa_csrf_token(conn);

    anqa_session_put_str(conn, "user", anqa_str_of("ann"));
    (void)anqa_send_text(conn, 200, token);
}

static const anqa_endpoint endpoint = {
    .sockets = (const anqa_socket_mount[]){{.path = "/all",
                                               .user_socket = &show_socket,
                                               .connect_info = 127,
                                               .auth_token = true,
                                               .refused = refused},
        {.path = "/none", .user_socket = &show_socket},
        {.path = "/unchecked",
            .user_socket = &show_socket,
            .connect_info = ANQA_CONNECT_SESSION_UNCHECKED},
        {.path = "/rooms/:room/of/:user_id",
            .user_socket = &show_socket,
            .websocket = {.path = "/ws/:kind"}},
        {.path = "/spoken",
            .user_socket = &show_socket,
            .websocket = {.subprotocols = (const char *const[]){"chat.v2", "chat.v1", NULL}}},
        {.path = "/off", .user_socket = &show_socket, .websocket = {.off = true}}, {0}},
    .plugs = (const anqa_plug[]){{log_in, NULL}, {0}},
    .session = &(anqa_session_opts){.key = "_s"},
    .quiet = true,
};

static anqa_json told(void)
{
    return anqa_json_of(anqa_str_of(server_told("info")));
}

static anqa_json told_field(const char *name)
{
    anqa_json value;

    CHECK_STATUS(anqa_json_get(told(), name, &value), ANQA_OK);
    return value;
}

/* ---------------------------------------------------------------- connect_info */

TEST(connect_sees_what_its_mount_wants_of_the_request)
{
    anqa_json all;
    anqa_str text;

    server_begin(&endpoint);
    CHECK_EQ(client_request("/all/websocket?vsn=2.0.0&a[b]=c",
                 "User-Agent: test\r\nX-One: 1\r\nx-two: 2\r\nX-ONE: 3\r\nTraceparent: 00-ab\r\n"
                 "Tracestate: s\r\nTraceother: no\r\nX-Bad: \xff\r\n",
                 NULL),
        101);
    all = told();
    CHECK(strncmp(anqa_json_str(all, "peer").ptr, "127.0.0.1:", 10) == 0);
    CHECK_STR(anqa_json_str(all, "scheme"), "http");
    CHECK_STR(anqa_json_str(all, "host"), "localhost");
    CHECK_EQ(anqa_json_int(all, "port", 0), server_port());
    CHECK_STR(anqa_json_str(all, "path"), "/all/websocket");
    CHECK_STR(anqa_json_str(all, "query"), "vsn=2.0.0&a[b]=c");
    CHECK_STR(anqa_json_str(all, "agent"), "test");
    text = anqa_json_text(all);
    CHECK(memmem(text.ptr, text.len, "\"x\":{\"x-one\":\"1, 3\",\"x-two\":\"2\"}", 32) != NULL,
        "%.*s", ANQA_FMT(text));
    CHECK(strstr(text.ptr, "\"trace\":{\"traceparent\":\"00-ab\",\"tracestate\":\"s\"}") != NULL,
        "%.*s", ANQA_FMT(text));
    CHECK(strstr(text.ptr, "\"sec-websocket-version\":\"13\"") != NULL, "%.*s", ANQA_FMT(text));
    CHECK(strstr(text.ptr, "\"a\":{\"b\":\"c\"}") != NULL, "%.*s", ANQA_FMT(text));
    server_end();
}

TEST(a_mount_that_wants_nothing_shows_nothing)
{
    server_begin(&endpoint);
    CHECK_EQ(client_request("/none/websocket?a=b", "User-Agent: test\r\nX-One: 1\r\n", NULL), 101);
    CHECK_STR(server_told("info"),
        "{\"params\":{\"a\":\"b\"},\"peer\":\"\",\"scheme\":\"\",\"host\":\"\",\"port\":0,\"path\":"
        "\"\",\"query\":\"\",\"agent\":\"\",\"x\":null,\"trace\":null,\"ws\":null,\"session\":null,"
        "\"token\":null}");
    server_end();
}

/* ---------------------------------------------------------------- sessions */

/* A visitor with a session: the cookie to be sent along, and its token. */
static void log_in_as_visitor(char cookie[static 1000], char token[static 100])
{
    char answer[4096], *at;
    int fd = client_dial();
    size_t len = 0;
    ssize_t n;

    CHECK(send(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 46, 0) == 46);
    while ((n = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0)
        len += (size_t)n;
    answer[len] = '\0';
    close(fd);
    at = strstr(answer, "set-cookie: ");
    CHECK(at != NULL, "%s", answer);
    snprintf(cookie, 1000, "Cookie: %.*s\r\n", (int)strcspn(at + 12, ";"), at + 12);
    snprintf(token, 100, "%s", strstr(answer, "\r\n\r\n") + 4);
}

TEST(a_session_is_shown_to_who_shows_its_token_and_to_nobody_else)
{
    char cookie[1000], token[100], target[300];

    server_begin(&endpoint);
    log_in_as_visitor(cookie, token);
    snprintf(target, sizeof target, "/all/websocket?_csrf_token=%s", token);
    CHECK_EQ(client_request(target, cookie, NULL), 101);
    CHECK_STR(anqa_json_str(told_field("session"), "user"), "ann");
    CHECK_EQ(client_request(target, "", NULL), 101);
    CHECK_STR(anqa_json_text(told_field("session")), "null");
    CHECK_EQ(client_request("/all/websocket", cookie, NULL), 101);
    CHECK_STR(anqa_json_text(told_field("session")), "null");
    target[strlen(target) - 1] ^= 1;
    CHECK_EQ(client_request(target, cookie, NULL), 101);
    CHECK_STR(anqa_json_text(told_field("session")), "null");
    CHECK_EQ(client_request("/unchecked/websocket", cookie, NULL), 101);
    CHECK_STR(anqa_json_str(told_field("session"), "user"), "ann");
    server_end();
}

/* ---------------------------------------------------------------- tokens and subprotocols */

static const struct {
    const char *target, *offered, *token, *spoken;
    int status;
} offers[] = {
    {"/all", "phoenix, base64url.bearer.phx.c2VjcmV0", "\"secret\"", "phoenix", 101},
    {"/all", "base64url.bearer.phx.Pj4+Pz8/, phoenix", "\">>>???\"", "phoenix", 101},
    {"/all", "base64url.bearer.phx.c2VjcmV0", "\"secret\"", NULL, 101},
    {"/all", "phoenix", "null", "phoenix", 101},
    {"/all", NULL, "null", NULL, 101},
    {"/all", "phoenix, base64url.bearer.phx.", "\"\"", "phoenix", 101},
    {"/all", "phoenix, base64url.bearer.phx.YQ, base64url.bearer.phx.YQ", "null", "phoenix", 101},
    {"/all", "other", NULL, NULL, 403},
    {"/all", "phoenix, base64url.bearer.phx.???", NULL, NULL, 403},
    {"/none", "other", "null", NULL, 101},
    {"/spoken", "other, chat.v1, chat.v2", "null", "chat.v1", 101},
    {"/spoken", "phoenix", NULL, NULL, 403},
    {"/spoken", NULL, "null", NULL, 101},
};

TEST(a_token_comes_in_the_list_of_subprotocols_of_which_one_that_is_spoken_is_chosen)
{
    server_begin(&endpoint);
    for (size_t i = 0; i < ANQA_COUNT(offers); i++) {
        char request[1000], answer[2000], wanted[100];
        int fd = client_dial();
        size_t len = 0;
        snprintf(request, sizeof request,
            "GET %s/websocket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: "
            "websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
            "dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n",
            offers[i].target, offers[i].offered == NULL ? "" : "Sec-WebSocket-Protocol: ",
            offers[i].offered == NULL ? "" : offers[i].offered,
            offers[i].offered == NULL ? "" : "\r\n");
        CHECK(send(fd, request, strlen(request), 0) == (ssize_t)strlen(request));
        do {
            ssize_t n = recv(fd, answer + len, sizeof answer - 1 - len, 0);
            CHECK(n > 0);
            len += (size_t)n;
            answer[len] = '\0';
        } while (strstr(answer, "\r\n\r\n") == NULL);
        close(fd);
        CHECK_EQ(strtol(answer + 9, NULL, 10), offers[i].status, "%zu: %s", i, answer);
        if (offers[i].token != NULL)
            CHECK_STR(anqa_json_text(told_field("token")), offers[i].token, "%zu", i);
        snprintf(wanted, sizeof wanted, "sec-websocket-protocol: %s\r\n",
            offers[i].spoken == NULL ? "" : offers[i].spoken);
        CHECK_EQ(strstr(answer, wanted) != NULL, offers[i].spoken != NULL, "%zu: %s", i, answer);
    }
    server_end();
}

/* ---------------------------------------------------------------- refusals, paths */

TEST(a_mount_may_answer_who_connect_has_refused)
{
    server_begin(&endpoint);
    CHECK_EQ(client_request("/all/websocket?refuse=late", "", NULL), 401);
    CHECK_EQ(client_request("/all/websocket?refuse=plainly", "", NULL), 403);
    CHECK_EQ(client_request("/none/websocket?refuse=late", "", NULL), 403);
    server_end();
}

TEST(variables_of_a_path_are_parameters_and_count_more_than_the_query)
{
    server_begin(&endpoint);
    CHECK_EQ(client_request("/rooms/blue%20one/of/7/ws/v?user_id=9&a=b&vsn=2.0.0", "", NULL), 101);
    CHECK_STR(anqa_json_text(told_field("params")),
        "{\"room\":\"blue one\",\"user_id\":\"7\",\"kind\":\"v\",\"a\":\"b\",\"vsn\":\"2.0.0\"}");
    CHECK_EQ(client_request("/rooms/%zz/of/7/ws/v", "", NULL), 400);
    CHECK_EQ(client_request("/off/websocket", "", NULL), 200); /* that of the plug */
    server_end();
}

static const struct {
    const char *pattern, *path;
    bool fits;
} paths[] = {{"/a/b", "/a/b", true}, {"/a/b", "/a/b/", false}, {"/a/b", "/a", false},
    {"/:x/b", "/a/b", true}, {"/:x/b", "//b", false}, {"/:x/b", "/a/c", false},
    {"/:x/b", "/a/b/c", false}, {"/:x/b", "/a", false}, {"/a/:x", "/a/", false},
    {"/a/:x", "/a/b", true}, {"/a/:", "/a/b", false}, {"/a/:", "/a/:", true}, {"/:x", "*", false}};

TEST(a_path_fits_a_pattern_segment_by_segment)
{
    for (size_t i = 0; i < ANQA_COUNT(paths); i++)
        CHECK_EQ(mount_fits(anqa_str_of(paths[i].pattern), anqa_str_of(paths[i].path)),
            paths[i].fits, "%s %s", paths[i].pattern, paths[i].path);
}

TEST(an_endpoint_without_sessions_does_not_start_with_a_socket_that_wants_one)
{
    const anqa_socket_mount mounts[] = {
        {.path = "/s", .user_socket = &show_socket, .connect_info = ANQA_CONNECT_SESSION}, {0}};
    const anqa_endpoint without = {.sockets = mounts, .quiet = true};
    anqa_error err;
    anqa_pid pid;

    server_begin(&endpoint);
    CHECK_STATUS(
        anqa_gen_server_start(&anqa_endpoint_server, &without, NULL, &pid, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "session") != NULL, "%s", err.text);
    server_end();
}
