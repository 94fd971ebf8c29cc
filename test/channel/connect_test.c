/* Who may open a socket: statuses of the handshake, versions, origins, endpoints that cannot start. */
#include "channel/rooms.h"

#include <stdio.h>
#include <stdlib.h>

#include "channel/connect.h"
#include "channel/origin.h"

#define TARGET "/socket/websocket?vsn=2.0.0"

static const struct {
    const char *vsn;
    int version; /* 0: refused */
} versions[] = {{"2.0.0", 2}, {"2.0.5", 2}, {"2.0.10", 2}, {"2.1.0", 0}, {"2.0", 0}, {"2.0.", 0},
    {"2.0.x", 0}, {"2.0.01", 0}, {"1.0.0", 1}, {"1.0.7", 1}, {"1.1.0", 0}, {"3.0.0", 0}, {"", 0},
    {"2.0.0 ", 0}};

TEST(versions_1_0_x_and_2_0_x_are_spoken_and_no_others)
{
    const struct serializer *const serializers[] = {NULL, &serializer_v1, &serializer_v2};
    char target[100];

    for (size_t i = 0; i < ANQA_COUNT(versions); i++)
        CHECK(serializer_of(anqa_str_of(versions[i].vsn)) == serializers[versions[i].version], "%s",
            versions[i].vsn);
    server_begin(&rooms_endpoint);
    for (size_t i = 0; i + 1 < ANQA_COUNT(versions); i++) {
        snprintf(target, sizeof target, "/socket/websocket?vsn=%s", versions[i].vsn);
        CHECK_EQ(
            client_request(target, "", NULL), versions[i].version != 0 ? 101 : 403, "%s", target);
    }
    CHECK_EQ(client_request("/socket/websocket", "", NULL), 101);
    CHECK_EQ(client_request("/socket/websocket?vsn[]=2.0.0", "", NULL), 403);
    server_end();
}

TEST(connect_decides_and_may_wait)
{
    struct client client;

    server_begin(&rooms_endpoint);
    CHECK_EQ(client_request(TARGET "&name=mallory", "", NULL), 403);
    CHECK_EQ(client_request(TARGET "&name=%%zz", "", NULL), 400);
    CHECK_EQ(client_request(TARGET "&name=mallory&name=ann", "", NULL), 101);
    client = client_open_at(TARGET "&wait=yes&name=a%20n");
    client_join(client, "1", "room:a");
    client_send(client, "[\"1\",\"2\",\"room:a\",\"count_up\",{}]");
    client_expect(
        client, "[\"1\",\"2\",\"room:a\"," OK("{\"count\":1,\"seen\":1,\"name\":\"a n\"}"));
    client_close(client);
    server_end();
}

TEST(a_crash_in_connect_or_id_is_answered_with_500)
{
    static const char *const queries[] = {
        "name=crash", "wait=yes&name=crash", "name=fault", "name=crash+in+id"};

    server_begin(&rooms_endpoint);
    for (size_t i = 0; i < ANQA_COUNT(queries); i++) {
        char target[100];
        snprintf(target, sizeof target, TARGET "&%s", queries[i]);
        CHECK_EQ(client_request(target, "", NULL), 500, "%s", target);
    }
    CHECK_EQ(client_request(TARGET "&name=ann", "", NULL), 101);
    server_end();
}

TEST(a_thousand_parameters_are_taken_and_one_more_is_refused)
{
    char target[3000];

    server_begin(&rooms_endpoint);
    for (int count = 1000; count <= 1001; count++) {
        int len = snprintf(target, sizeof target, TARGET); /* one of them */
        for (int i = 1; i < count; i++)
            len += snprintf(target + len, sizeof target - (size_t)len, "&a");
        CHECK_EQ(client_request(target, "", NULL), count == 1000 ? 101 : 400);
    }
    server_end();
}

TEST(an_id_that_is_too_long_for_a_topic_refuses_the_client)
{
    server_begin(&rooms_endpoint);
    CHECK_EQ(client_request(TARGET "&name=long+id", "", NULL), 403);
    server_end();
}

TEST(a_request_that_is_no_upgrade_runs_connect_and_is_400)
{
    server_begin(&rooms_endpoint);
    CHECK_EQ(client_raw_request("GET " TARGET " HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    CHECK_EQ(client_raw_request("GET " TARGET "&name=mallory HTTP/1.1\r\nHost: x\r\n\r\n"), 403);
    CHECK_EQ(client_raw_request("OPTIONS " TARGET " HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    CHECK_EQ(client_request("/socket/other?vsn=2.0.0", "", NULL), 404);
    CHECK_EQ(client_request("/socket?vsn=2.0.0", "", NULL), 404);
    server_end();
}

TEST(pages_of_other_hosts_are_refused)
{
    server_begin(&rooms_endpoint);
    CHECK_EQ(client_request(TARGET, "Origin: https://localhost:1\r\n", NULL), 101);
    CHECK_EQ(client_request(TARGET, "Origin: http://example.org\r\n", NULL), 403);
    CHECK_EQ(client_request(TARGET, "Origin: null\r\n", NULL), 403);
    CHECK_EQ(client_request(TARGET, "Origin:\r\n", NULL), 403);
    CHECK_EQ(
        client_request("/listed/websocket?vsn=2.0.0", "Origin: http://a.example.org\r\n", NULL),
        101);
    CHECK_EQ(
        client_request("/listed/websocket?vsn=2.0.0", "Origin: http://localhost\r\n", NULL), 403);
    server_end();
}

TEST(the_environment_says_of_which_host_pages_are)
{
    setenv("ANQA_HOST", "example.org", 1);
    server_begin(&rooms_endpoint);
    CHECK_EQ(client_request(TARGET, "Origin: https://example.org\r\n", NULL), 101);
    CHECK_EQ(client_request(TARGET, "Origin: https://localhost:1\r\n", NULL), 403);
    server_end();
}

static const struct {
    anqa_check_origin rule;
    const char *entry, *host, *origin;
    bool good;
} origins[] = {
    {ANQA_ORIGIN_HOST, NULL, "example.org", "http://example.org:99", true},
    {ANQA_ORIGIN_HOST, NULL, "example.org", "http://Example.org", false},
    {ANQA_ORIGIN_HOST, NULL, "example.org", "http://example.org.evil.org", false},
    {ANQA_ORIGIN_HOST, NULL, "example.org", "", false},
    {ANQA_ORIGIN_HOST, NULL, NULL, "http://me", true},
    {ANQA_ORIGIN_HOST, NULL, NULL, "http://you", false},
    {ANQA_ORIGIN_ANY, NULL, NULL, "null", true},
    {ANQA_ORIGIN_REQUEST, NULL, NULL, "http://me:4000", true},
    {ANQA_ORIGIN_REQUEST, NULL, NULL, "https://me:4000", false},
    {ANQA_ORIGIN_REQUEST, NULL, NULL, "http://me", false},
    {ANQA_ORIGIN_LIST, "https://h.org", NULL, "https://h.org", true},
    {ANQA_ORIGIN_LIST, "https://h.org", NULL, "https://h.org:443", true},
    {ANQA_ORIGIN_LIST, "https://h.org", NULL, "https://h.org:444", false},
    {ANQA_ORIGIN_LIST, "https://h.org", NULL, "http://h.org", false},
    {ANQA_ORIGIN_LIST, "//h.org", NULL, "http://h.org:99", true},
    {ANQA_ORIGIN_LIST, "//h.org:99", NULL, "https://h.org:99", true},
    {ANQA_ORIGIN_LIST, "//h.org:99", NULL, "https://h.org", false},
    {ANQA_ORIGIN_LIST, "//*.h.org", NULL, "https://h.org", true},
    {ANQA_ORIGIN_LIST, "//*.h.org", NULL, "https://a.b.h.org", true},
    {ANQA_ORIGIN_LIST, "//*.h.org", NULL, "https://ah.org", false},
    {ANQA_ORIGIN_LIST, "//*.h.org", NULL, "https://h.org.evil.org", false},
    {ANQA_ORIGIN_LIST, "//[::1]:80", NULL, "http://[::1]", true},
    {ANQA_ORIGIN_LIST, NULL, NULL, "http://me", false},
};

TEST(an_origin_is_compared_as_its_rule_says)
{
    for (size_t i = 0; i < ANQA_COUNT(origins); i++) {
        const char *list[] = {origins[i].entry, NULL};
        anqa_socket_mount mount = {.check_origin = origins[i].rule, .origins = list};
        CHECK_EQ(origin_allowed(&mount, origins[i].host, anqa_str_of(origins[i].origin), "http",
                     anqa_str_of("me:4000")),
            origins[i].good, "%zu: %s", i, origins[i].origin);
    }
}

static bool is_ours(anqa_str scheme, anqa_str host, anqa_str port)
{
    return anqa_str_is(scheme, "https") && anqa_str_is(host, "h.org") && anqa_str_is(port, "443");
}

static bool is_nothing(anqa_str scheme, anqa_str host, anqa_str port)
{
    return scheme.len + host.len + port.len == 0;
}

static bool asked(bool (*is_allowed)(anqa_str, anqa_str, anqa_str), const char *origin)
{
    anqa_socket_mount mount = {.check_origin = ANQA_ORIGIN_ASK, .origin_allowed = is_allowed};

    return origin_allowed(&mount, NULL, anqa_str_of(origin), "http", anqa_str_of("me:4000"));
}

TEST(a_program_may_decide_about_origins_itself)
{
    anqa_socket_mount request = {.check_origin = ANQA_ORIGIN_REQUEST};

    CHECK(asked(is_ours, "https://h.org"));
    CHECK(!asked(is_ours, "https://h.org:444"));
    CHECK(!asked(is_ours, "null"));
    CHECK(asked(is_nothing, "null"));
    CHECK(!asked(NULL, "https://h.org"));
    CHECK(origin_allowed(&request, NULL, anqa_str_of("https://me"), "https", anqa_str_of("me")));
    CHECK(!origin_allowed(&request, NULL, anqa_str_of("https://me"), "http", anqa_str_of("me")));
}

TEST(a_client_that_is_heard_of_is_not_idle)
{
    struct client client;

    server_begin(&rooms_endpoint);
    client = client_open_at("/short/websocket?vsn=2.0.0"); /* four seconds */
    for (int i = 0; i < 10; i++) {
        client_expect_nothing(client); /* by a heartbeat */
        anqa_sleep(500);
    }
    client_close(client);
    server_end();
}

TEST(an_idle_client_is_closed_with_1002)
{
    struct client client;

    server_begin(&rooms_endpoint);
    client = client_open_at("/short/websocket?vsn=2.0.0");
    client_expect_close(client, 1002);
    client_close(client);
    server_end();
}

/* ---------------------------------------------------------------- endpoints */

static void start_fails(const anqa_endpoint *endpoint, const char *words)
{
    anqa_error err;
    anqa_pid pid;

    CHECK_STATUS(
        anqa_gen_server_start(&anqa_endpoint_server, endpoint, NULL, &pid, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, words) != NULL, "%s", err.text);
}

TEST(an_endpoint_that_cannot_start_says_why)
{
    anqa_endpoint taken = {.quiet = true}, no_folder = {.quiet = true}, no_socket = {.quiet = true};
    char port[8];

    server_begin(&rooms_endpoint);
    taken.port = server_port();
    snprintf(port, sizeof port, ":%u", server_port());
    start_fails(&taken, port);
    no_folder.statics = (const anqa_static_files[]){{.url = "/", .dir = "/nowhere/at/all"}, {0}};
    start_fails(&no_folder, "/nowhere/at/all");
    no_socket.sockets = (const anqa_socket_mount[]){{.path = "socket"}, {0}};
    start_fails(&no_socket, "'socket'");
    setenv("PORT", "70000", 1);
    start_fails(&(anqa_endpoint){.quiet = true}, "PORT");
    setenv("PORT", "0", 1);
    setenv("ANQA_HOST", "https://example.org", 1);
    start_fails(&(anqa_endpoint){.quiet = true}, "ANQA_HOST");
    start_fails(NULL, "ANQA_ENDPOINT");
    server_end();
}

TEST(two_endpoints_run_side_by_side)
{
    char address[ANQA_ADDRESS_TEXT];
    struct client client = rooms_begin_joined();
    anqa_pid second;

    CHECK_STATUS(anqa_gen_server_start(&anqa_endpoint_server, &rooms_endpoint, NULL, &second, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_endpoint_address(second, address), ANQA_OK);
    CHECK(strtoul(strrchr(address, ':') + 1, NULL, 10) != server_port());
    CHECK_STATUS(anqa_gen_server_stop(second, ANQA_SHUTDOWN, HARNESS_LONG_MS), ANQA_OK);
    CHECK_EQ(client_request(TARGET, "", NULL), 101);
    client_expect_nothing(client); /* the end of the other one is none of its */
    rooms_end(client);
}
