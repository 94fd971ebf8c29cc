/* How long a body may be: of an endpoint, and of some of its routes. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdio.h>
#include <unistd.h>

#include "http/site.h"

static void limit_to(anqa_conn *conn, const void *opts)
{
    anqa_conn_limit_body(conn, *(const uint64_t *)opts);
}

static void echo(anqa_conn *conn, const void *opts)
{
    anqa_str body;

    if (anqa_conn_read_body(conn, opts, &body, NULL) == ANQA_OK)
        anqa_send_text(conn, 200, body);
}

static void echo_parts(anqa_conn *conn, const void *opts)
{
    char all[64];
    size_t len = 0, n = 1;
    anqa_status status = ANQA_OK;

    while (status == ANQA_OK && n != 0) {
        status = anqa_conn_read_part(conn, all + len, 3, 0, &n);
        len += status == ANQA_OK ? n : 0;
    }
    if (status == ANQA_OK)
        anqa_send_text(conn, 200, anqa_str_make(all, len));
    else /* what has failed stays so */
        ANQA_REQUIRE(anqa_conn_read_part(conn, all, 3, 0, &n) == ANQA_E_LIMIT);
}

static void show_params(anqa_conn *conn, const void *opts)
{
    anqa_send_json(conn, 200, anqa_conn_params(conn));
}

static void ignore(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of("who cares"));
}

static const uint64_t twenty = 20, five = 5;
static const anqa_body_opts by_reader = {.length = 20};
static const anqa_parsers_opts long_ones = {
    .form_length = 20, .json_length = 20, .multipart_length = 200};

static const anqa_plug more[] = {{limit_to, &twenty}, {0}}, less[] = {{limit_to, &five}, {0}},
                       parsers[] = {{.call = anqa_parsers}, {0}},
                       long_parsers[] = {{anqa_parsers, &long_ones}, {0}};

static const anqa_router router = {
    .routes = (const anqa_route[]){ANQA_POST("/plain", echo), ANQA_POST("/plain/parts", echo_parts),
        ANQA_POST("/reader", echo, .opts = &by_reader), ANQA_POST("/ignored", ignore),
        ANQA_SCOPE("/more", more, ANQA_POST("/", echo), ANQA_POST("/parts", echo_parts)),
        ANQA_SCOPE("/less", less, ANQA_POST("/", echo), ANQA_POST("/parts", echo_parts)),
        ANQA_SCOPE("/parsed", parsers, ANQA_POST("/", show_params)),
        ANQA_SCOPE("/parsed/long", long_parsers, ANQA_POST("/", show_params)), {0}}};

static const anqa_endpoint ten = {.router = &router, .limits = {.body_bytes = 10}, .quiet = true};

static const struct {
    const char *path, *type;
    size_t most;
} bodies[] = {
    {"/plain", "text/plain", 10},
    {"/plain/parts", "text/plain", 10},
    {"/reader", "text/plain", 20},
    {"/more", "text/plain", 20},
    {"/more/parts", "text/plain", 20},
    {"/less", "text/plain", 5},
    {"/less/parts", "text/plain", 5},
    {"/parsed", "application/x-www-form-urlencoded", 10},
    {"/parsed", "application/json", 10},
    {"/parsed/long", "application/x-www-form-urlencoded", 20},
    {"/parsed/long", "application/json", 20},
};

/* A body of that length, announced or in two chunks. */
static const char *post(const char *path, const char *type, size_t len, bool in_chunks)
{
    char request[512], body[64];
    size_t half = len / 2;

    memset(body, '1', len); /* a number, a name, a text */
    if (in_chunks)
        snprintf(request, sizeof request,
            "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: %s\r\n"
            "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n%zx\r\n%.*s\r\n0\r\n\r\n",
            path, type, half, (int)half, body, len - half, (int)(len - half), body);
    else
        snprintf(request, sizeof request,
            "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: %s\r\n"
            "Content-Length: %zu\r\n\r\n%.*s",
            path, type, len, (int)len, body);
    return site_ask(request);
}

TEST(each_route_has_its_own_limit_which_is_reached_and_not_passed)
{
    site_begin_endpoint(&ten);
    for (size_t i = 0; i < ANQA_COUNT(bodies); i++)
        for (int in_chunks = 0; in_chunks < 2; in_chunks++) {
            const char *path = bodies[i].path, *type = bodies[i].type;
            CHECK_EQ(status_of(post(path, type, bodies[i].most, in_chunks)), 200, "%s", path);
            CHECK_EQ(status_of(post(path, type, bodies[i].most + 1, in_chunks)), 413, "%s", path);
        }
    site_end();
}

static const char *post_parts(const char *path, size_t padding)
{
    char request[1024], body[512];

    snprintf(body, sizeof body,
        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n%0*d\r\n--b--", (int)padding, 7);
    snprintf(request, sizeof request,
        "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: multipart/form-data; "
        "boundary=b\r\nContent-Length: %zu\r\n\r\n%s",
        path, strlen(body), body);
    return site_ask(request);
}

TEST(a_form_in_parts_has_the_limit_of_its_parsers)
{
    site_begin_endpoint(&ten);
    CHECK_EQ(status_of(post_parts("/parsed", 1)), 413);
    CHECK_EQ(status_of(post_parts("/parsed/long", 1)), 200);
    CHECK_EQ(status_of(post_parts("/parsed/long", 300)), 413);
    site_end();
}

TEST(who_asks_before_sending_what_is_too_long_is_told_at_once)
{
    const char *answer;

    site_begin_endpoint(&ten);
    answer = site_ask("POST /plain HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                      "Content-Length: 11\r\n\r\n");
    CHECK_EQ(status_of(answer), 413);
    CHECK(!has(answer, "100 Continue"), "%s", answer);
    answer =
        site_ask("POST /more HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n"
                 "Content-Length: 11\r\n\r\n12345678901");
    CHECK(has(answer, "12345678901"), "%s", answer);
    site_end();
}

TEST(a_body_that_nobody_reads_has_no_limit_but_is_not_kept)
{
    char buf[1024];
    int fd;

    site_begin_endpoint(&ten);
    CHECK(has(post("/ignored", "text/plain", 30, false), "who cares"));
    fd = site_dial();
    peer_say(
        fd, "POST /ignored HTTP/1.1\r\nHost: a\r\nContent-Length: 1152921504606846976\r\n\r\n");
    (void)peer_get(fd, "who cares", buf, sizeof buf);
    CHECK(has(buf, "connection: close"), "%s", buf);
    close(fd);
    CHECK_EQ(status_of(site_ask("POST /ignored HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 1152921504606846977\r\n\r\n")),
        413);
    site_end();
}
