#include "harness.h"

#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/media_type.h"
#include "http/site.h"

/* ---------------------------------------------------------------- the user's ten lines */

static void greet(anqa_conn *conn, const void *opts)
{
    anqa_str name = anqa_json_str(anqa_conn_params(conn), "name");

    anqa_send_text(conn, 200, anqa_str_of(anqa_tmp_printf("hello %.*s", ANQA_FMT(name))));
}

static const anqa_endpoint greeting = {
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = greet}, {0}}, .quiet = true};

static const char *post(const char *type, const char *body)
{
    char rest[8192];

    snprintf(rest, sizeof rest, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", type,
        strlen(body), body);
    return site_post(rest);
}

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json"

TEST(a_name_is_taken_from_the_query_from_a_form_and_from_json)
{
    site_begin_endpoint(&greeting);
    CHECK_STR(body_of(site_get("/?name=Ada")), "hello Ada");
    CHECK_STR(body_of(post(FORM, "name=Ada+L.")), "hello Ada L.");
    CHECK_STR(body_of(post(JSON, "{\"name\": \"Ada\"}")), "hello Ada");
    CHECK_STR(body_of(site_get("/")), "hello ");
    site_end();
}

/* ---------------------------------------------------------------- nesting */

static void show_query(anqa_conn *conn, const void *opts)
{
    anqa_send_json(conn, 200, anqa_conn_query_params(conn));
}

static const struct {
    const char *query, *json;
} nested[] = {
    {"", "{}"},
    {"a=1", "{\"a\":\"1\"}"},
    {"a", "{\"a\":\"\"}"},
    {"a=1&a=2", "{\"a\":\"2\"}"},
    {"a=b=c&&d=%26", "{\"a\":\"b=c\",\"d\":\"&\"}"},
    {"a%5Bb%5D=1", "{\"a\":{\"b\":\"1\"}}"},
    {"a[b][c]=1&a[b][d]=2&a[e]=3", "{\"a\":{\"b\":{\"c\":\"1\",\"d\":\"2\"},\"e\":\"3\"}}"},
    {"a[]=1&a[]=2&a[]=1", "{\"a\":[\"1\",\"2\",\"1\"]}"},
    {"a[b][]=1&a[b][]=2", "{\"a\":{\"b\":[\"1\",\"2\"]}}"},
    {"a[][b]=1&a[][b]=2", "{\"a\":[{\"b\":\"1\"},{\"b\":\"2\"}]}"},
    {"a[b]=1&a[]=2", "{\"a\":[\"2\"]}"},
    {"a[]=1&a[b]=2", "{\"a\":{\"b\":\"2\"}}"},
    {"a=1&a[b]=2", "{\"a\":{\"b\":\"2\"}}"},
    {"a[b]=1&a=2", "{\"a\":\"2\"}"},
    {"a[b=1", "{\"a[b\":\"1\"}"},
    {"a]=1", "{\"a\":\"1\"}"},
    {"[a]=1", "{\"\":{\"a\":\"1\"}}"},
    {"[]=1", "{\"\":[\"1\"]}"},
    {"a[b]c=1", "{\"a[b]c\":\"1\"}"},
    {"a[b]c]=1", "{\"a\":{\"b]c\":\"1\"}}"},
    {"=1", "{\"\":\"1\"}"},
    {"a=%22%5C%00", "{\"a\":\"\\\"\\\\\\u0000\"}"},
    {"a=%C3%A9+%2B", "{\"a\":\"\xc3\xa9 +\"}"},
};

TEST(names_in_brackets_nest_and_the_last_value_counts)
{
    site_begin(show_query);
    for (size_t i = 0; i < ANQA_COUNT(nested); i++) {
        char target[256];
        snprintf(target, sizeof target, "/?%s", nested[i].query);
        CHECK_STR(body_of(site_get(target)), nested[i].json, "%s", nested[i].query);
    }
    site_end();
}

/* `count` times a text, as the body of a form; static. */
static const char *repeat(const char *text, size_t count, const char *end)
{
    static char all[8000];
    size_t len = strlen(text);

    CHECK(len * count + strlen(end) < sizeof all);
    for (size_t i = 0; i < count; i++)
        memcpy(all + i * len, text, len);
    strcpy(all + count * len, end);
    return all;
}

TEST(a_name_has_at_most_32_parts)
{
    char target[512];

    site_begin_endpoint(&greeting);
    snprintf(target, sizeof target, "/?name=x&a%s", repeat("[b]", 31, "=1"));
    CHECK_STR(body_of(site_get(target)), "hello x");
    snprintf(target, sizeof target, "/?name=x&a%s", repeat("[b]", 32, "=1"));
    CHECK_EQ(status_of(site_get(target)), 400);
    site_end();
}

TEST(a_form_has_at_most_1000_pairs)
{
    site_begin_endpoint(&greeting);
    CHECK_STR(body_of(post(FORM, repeat("a=1&", 999, "name=x"))), "hello x");
    CHECK_EQ(status_of(post(FORM, repeat("a=1&", 1000, "name=x"))), 400);
    site_end();
}

/* ---------------------------------------------------------------- what is refused */

/* A POST whose body is `len` times the letter 'a', behind "name=". */
static unsigned post_long(size_t len)
{
    static char buf[4096];
    int fd = site_dial();
    size_t sent = 5;

    snprintf(buf, sizeof buf,
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: " FORM
        "\r\nContent-Length: %zu\r\n\r\nname=",
        len);
    peer_say(fd, buf);
    memset(buf, 'a', sizeof buf);
    while (sent < len) {
        size_t n = len - sent < sizeof buf ? len - sent : sizeof buf;
        peer_put(fd, buf, n);
        sent += n;
    }
    (void)peer_get(fd, "\r\n\r\n", buf, sizeof buf);
    close(fd);
    return status_of(buf);
}

TEST(a_form_of_a_million_bytes_is_read_and_a_longer_one_refused)
{
    site_begin_endpoint(&greeting);
    CHECK_EQ(post_long(1000000), 200);
    CHECK_EQ(post_long(1000001), 413);
    site_end();
}

static const anqa_endpoint small = {
    .plugs = (const anqa_plug[]){{anqa_parsers,
                                     &(const anqa_parsers_opts){.form_length = 6,
                                         .json_length = 12,
                                         .pass = (const char *const[]){"text/*", "a/b", NULL}}},
        {.call = greet}, {0}},
    .quiet = true};

TEST(limits_of_forms_and_of_json_can_be_set)
{
    site_begin_endpoint(&small);
    CHECK_EQ(status_of(post(FORM, "name=1")), 200);
    CHECK_EQ(status_of(post(FORM, "name=12")), 413);
    CHECK_EQ(status_of(post(JSON, "{\"name\":\"1\"}")), 200);
    CHECK_EQ(status_of(post(JSON, "{\"name\":\"12\"}")), 413);
    site_end();
}

static const struct {
    const char *type, *body;
    unsigned status;
} bodies[] = {
    {FORM, "name=%zz", 400},
    {FORM, "name=%ff", 400},
    {FORM, "%e2%82=1", 400},
    {JSON, "{\"name\": }", 400},
    {JSON, "{\"name\": \"\xff\"}", 400},
    {JSON, "{} {}", 400},
    {"text/plain", "name=1", 415},
    {"multipart/mixed; boundary=a", "", 415},
    {"nonsense", "name=1", 415},
    {"", "name=1", 415},
    {"APPLICATION/X-WWW-Form-URLencoded ; charset=utf-8", "name=%zz", 400},
    {"Application/Vnd.Api+JSON", "{", 400},
    {"application/+json", "{}", 415},
    {"text/json", "{}", 415},
};

TEST(a_body_that_can_not_be_read_is_refused_and_no_further_plug_called)
{
    site_begin_endpoint(&greeting);
    for (size_t i = 0; i < ANQA_COUNT(bodies); i++) {
        const char *answer = post(bodies[i].type, bodies[i].body);
        CHECK_EQ(status_of(answer), bodies[i].status, "%s: %s", bodies[i].type, bodies[i].body);
        CHECK(!has(answer, "hello"));
    }
    site_end();
}

TEST(a_query_that_can_not_be_read_is_refused_or_has_no_parameters)
{
    site_begin_endpoint(&greeting);
    CHECK_EQ(status_of(site_get("/?name=%zz")), 400);
    CHECK_EQ(status_of(site_get("/?name=%ff")), 400);
    site_end();
    site_begin(show_query);
    CHECK_STR(body_of(site_get("/?name=%zz")), "{}");
    site_end();
}

static const anqa_endpoint long_lines = {
    .limits = {.request_line_bytes = 1 << 21, .header_bytes = 1 << 21},
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = greet}, {0}},
    .quiet = true};

TEST(a_query_of_a_million_bytes_is_read_and_a_longer_one_refused)
{
    static char request[1100000];

    site_begin_endpoint(&long_lines);
    for (size_t over = 0; over < 2; over++) {
        char *at = stpcpy(request, "GET /?name=x&a=");
        size_t rest = 1000000 - strlen("name=x&a=") + over;
        memset(at, 'b', rest);
        strcpy(at + rest, " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        CHECK_EQ(status_of(site_ask(request)), over == 0 ? 200 : 414);
    }
    site_end();
}

TEST(types_that_are_passed_are_left_unread_for_others)
{
    site_begin_endpoint(&small);
    CHECK_STR(body_of(post("TEXT/csv", "name=1")), "hello ");
    CHECK_STR(body_of(post("a/b;c=d", "name=1")), "hello ");
    CHECK_EQ(status_of(post("a/c", "name=1")), 415);
    site_end();
}

TEST(a_compressed_body_is_refused_and_one_that_is_passed_is_left)
{
    const char *answer;

    site_begin_endpoint(&small);
    answer = post("application/json\r\nContent-Encoding: gzip", "{}");
    CHECK_EQ(status_of(answer), 415);
    CHECK(has(answer, "\r\naccept-encoding: identity\r\n"), "%s", answer);
    CHECK(has(body_of(answer), "content-encoding"), "%s", answer);
    CHECK_EQ(status_of(post("application/json\r\nContent-Encoding: identity", "{}")), 200);
    CHECK_EQ(status_of(post("text/csv\r\nContent-Encoding: gzip", "x")), 200);
    site_end();
}

TEST(a_body_without_a_type_or_of_a_method_that_has_none_is_left_unread)
{
    site_begin_endpoint(&greeting);
    CHECK_STR(body_of(site_post("Content-Length: 6\r\n\r\nname=1")), "hello ");
    CHECK_STR(body_of(site_ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: "
                               "a/b\r\nContent-Length: 6\r\n\r\nname=1")),
        "hello ");
    site_end();
}

TEST(a_type_is_told_whatever_its_case_and_parameters)
{
    anqa_str type, subtype;

    CHECK(media_type_of(anqa_str_of(" Text/HTML ; charset=x"), &type, &subtype));
    CHECK(media_type_fits("text/html", type, subtype));
    CHECK(media_type_fits("text/*", type, subtype));
    CHECK(media_type_fits("*/*", type, subtype));
    CHECK(!media_type_fits("text/plain", type, subtype));
    CHECK(!media_type_fits("*/plain", type, subtype));
    CHECK(!media_type_fits("text/*+html", type, subtype) &&
          !media_type_fits("text/*html", type, subtype));
    CHECK(media_type_of(anqa_str_of("application/vnd.api+JSON"), &type, &subtype));
    CHECK(media_type_fits("application/*+json", type, subtype));
    CHECK(!media_type_fits("application/json", type, subtype));
    CHECK(!media_type_of(anqa_str_of("text"), &type, &subtype));
    CHECK(!media_type_of(anqa_str_of("text/"), &type, &subtype));
    CHECK(!media_type_of(anqa_str_of("/html"), &type, &subtype));
    CHECK(!media_type_of(anqa_str_of("te xt/html"), &type, &subtype));
}

/* ---------------------------------------------------------------- together */

static void before_routing(anqa_conn *conn, const void *opts)
{
    CHECK_STR(anqa_json_text(anqa_conn_path_params(conn)), "{}");
    (void)anqa_conn_params(conn); /* what is found later counts all the same */
}

static void show_all(anqa_conn *conn, const void *opts)
{
    anqa_json all = anqa_conn_params(conn), body = anqa_conn_body_params(conn);

    anqa_send_json(conn, 200, anqa_jsonf("[%p,%p]", &all, &body));
}

static const anqa_router router = {.routes = (const anqa_route[]){ANQA_PUT("/:id", show_all), {0}}};
static const anqa_endpoint routed = {
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = before_routing}, {0}},
    .router = &router,
    .quiet = true};
static const anqa_endpoint unrouted = {
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = show_all}, {0}}, .quiet = true};

static const char *post_to(const char *target, const char *body)
{
    char request[1024];

    snprintf(request, sizeof request,
        "PUT %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: " JSON
        "\r\nContent-Length: %zu\r\n\r\n%s",
        target, strlen(body), body);
    return body_of(site_ask(request));
}

TEST(the_path_counts_before_the_body_and_that_before_the_query)
{
    site_begin_endpoint(&routed);
    CHECK_STR(post_to("/path?id=query&a=query&b=query", "{\"id\": 1, \"\\u0061\": 2}"),
        "[{\"id\":\"path\",\"\\u0061\": 2,\"b\":\"query\"},{\"id\": 1, \"\\u0061\": 2}]");
    CHECK_STR(post_to("/path", ""), "[{\"id\":\"path\"},{}]");
    site_end();
}

TEST(json_that_is_no_object_is_under_a_name_of_its_own)
{
    site_begin_endpoint(&unrouted);
    CHECK_STR(post_to("/?a=1", "[1, 2]"), "[{\"_json\":[1, 2],\"a\":\"1\"},{\"_json\":[1, 2]}]");
    CHECK_STR(post_to("/", "null"), "[{\"_json\":null},{\"_json\":null}]");
    CHECK_STR(post_to("/?a=1", "{}"), "[{\"a\":\"1\"},{}]");
    site_end();
}

/* Of three sources, by name. */
static const struct {
    const char *target, *body, *all;
} merges[] = {
    {"/p?a=q", "{}", "{\"id\":\"p\",\"a\":\"q\"}"},
    {"/p?a=q", "{\"a\":1}", "{\"id\":\"p\",\"a\":1}"},
    {"/p?id=q", "{\"id\":1,\"id\":2}", "{\"id\":\"p\"}"},
    {"/p", "{\"x\":1,\"id\":2,\"y\":{\"id\":3}}", "{\"id\":\"p\",\"x\":1,\"y\":{\"id\":3}}"},
    {"/p?x=q&z=q", "{\"id\":1,\"x\":2}", "{\"id\":\"p\",\"x\":2,\"z\":\"q\"}"},
    {"/p?x=q", "{\"\\u0078\":1}", "{\"id\":\"p\",\"\\u0078\":1}"},
    {"/p?xx=q", "{\"x\":1}", "{\"id\":\"p\",\"x\":1,\"xx\":\"q\"}"},
    {"/p?a[b]=q", "{\"a\":{\"c\":1}}", "{\"id\":\"p\",\"a\":{\"c\":1}}"},
    {"/p?a=q", "[1]", "{\"id\":\"p\",\"_json\":[1],\"a\":\"q\"}"},
    {"/p?_json=q", "[1]", "{\"id\":\"p\",\"_json\":[1]}"},
};

static void show_merged(anqa_conn *conn, const void *opts)
{
    anqa_send_json(conn, 200, anqa_conn_params(conn));
}

static const anqa_router merging = {
    .routes = (const anqa_route[]){ANQA_PUT("/:id", show_merged), {0}}};
static const anqa_endpoint merged = {
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {0}}, .router = &merging, .quiet = true};

TEST(each_name_is_there_once_from_where_it_counts)
{
    site_begin_endpoint(&merged);
    for (size_t i = 0; i < ANQA_COUNT(merges); i++)
        CHECK_STR(post_to(merges[i].target, merges[i].body), merges[i].all, "case %zu", i);
    site_end();
}

/* So many members that a look at all of them for each would take minutes. */
ANQA_TEST(a_body_with_very_many_names_is_merged_with_a_query_in_one_pass)
{
    static char body[8000000], query[16000];
    static const anqa_header json[] = {{"content-type", "application/json"}, {0}};
    size_t len = 0, query_len = 0;
    anqa_conn *conn;
    anqa_json all;
    size_t count;

    body[len++] = '{';
    for (unsigned i = 0; i < 500000; i++)
        len += (size_t)sprintf(body + len, "\"k%u\":%u,", i, i & 7);
    len += (size_t)sprintf(body + len, "\"last\":1}");
    for (unsigned i = 0; i < 900; i++)
        query_len += (size_t)sprintf(query + query_len, "&k%u=q", 499500 + i);
    query[query_len] = '\0';
    conn = anqa_test_conn("PUT", "/", .body = anqa_str_make(body, len), .headers = json);
    conn->query_string = anqa_str_make(query + 1, query_len - 1);
    anqa_parsers(conn, NULL);
    ANQA_ASSERT(!conn->halted, "%s", anqa_test_resp_body(conn));
    all = anqa_conn_params(conn);
    ANQA_ASSERT_STATUS(anqa_json_len(all, &count), ANQA_OK);
    ANQA_ASSERT_EQ(count, 500001 + 400);
    ANQA_ASSERT_STATUS(anqa_json_get(all, "k499999", &all), ANQA_OK);
    ANQA_ASSERT_STR(anqa_json_text(all), "7");
    ANQA_ASSERT_STR(anqa_json_str(anqa_conn_params(conn), "k500001"), "q");
}
