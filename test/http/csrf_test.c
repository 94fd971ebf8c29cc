#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/site.h"
#include "http/visitor.h"

#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

/* ---------------------------------------------------------------- the user's ten lines */

static void pages(anqa_conn *conn, const void *opts)
{
    anqa_str path = conn->request_path;

    if (anqa_str_is(path, "/form"))
        anqa_send_text(conn, 200, anqa_csrf_token(conn));
    else if (anqa_str_is(path, "/for"))
        anqa_send_text(conn, 200, anqa_csrf_token_for(conn, conn->query_string));
    else
        anqa_send_text(conn, 200, anqa_str_of("done"));
}

static const anqa_endpoint site = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = anqa_protect_from_forgery},
        {.call = pages}, {0}},
    .quiet = true};

/* A token of a page; static. */
static const char *token_at(struct visitor *visitor, const char *target)
{
    static char token[1024];

    snprintf(token, sizeof token, "%s", body_of(visit(visitor, target)));
    return token;
}

static unsigned post_form(struct visitor *visitor, const char *token)
{
    char body[2048];

    snprintf(body, sizeof body, "a=1&_csrf_token=%s", token);
    return status_of(visit_with(visitor, "POST /", FORM, body));
}

static unsigned post_field(struct visitor *visitor, const char *token)
{
    char fields[2048];

    snprintf(fields, sizeof fields, "X-CSRF-Token: %s\r\n", token);
    return status_of(visit_with(visitor, "DELETE /", fields, ""));
}

TEST(a_form_is_taken_with_the_token_of_its_page_and_refused_without)
{
    struct visitor visitor = {0};
    const char *token;

    site_begin_endpoint(&site);
    token = token_at(&visitor, "/form");
    CHECK_EQ(strlen(token), 56);
    CHECK_EQ(post_form(&visitor, token), 200);
    CHECK_EQ(post_field(&visitor, token), 200);
    CHECK_EQ(status_of(visit_with(&visitor, "POST /", "", "")), 403);
    CHECK_EQ(post_form(&visitor, ""), 403);
    CHECK_EQ(post_field(&visitor, ""), 403);
    site_end();
}

TEST(a_token_looks_different_each_time_and_each_is_good)
{
    struct visitor visitor = {0};
    char first[1024];

    site_begin_endpoint(&site);
    snprintf(first, sizeof first, "%s", token_at(&visitor, "/form"));
    CHECK(strcmp(first, token_at(&visitor, "/form")) != 0);
    CHECK_EQ(post_form(&visitor, first), 200);
    CHECK_EQ(post_form(&visitor, token_at(&visitor, "/form")), 200);
    site_end();
}

TEST(a_token_with_any_character_changed_is_refused)
{
    struct visitor visitor = {0};
    char token[1024];

    site_begin_endpoint(&site);
    snprintf(token, sizeof token, "%s", token_at(&visitor, "/form"));
    for (size_t i = 0; i < strlen(token); i += 3) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        CHECK_EQ(post_form(&visitor, token), 403);
        token[i] = was;
    }
    token[55] = '\0';
    CHECK_EQ(post_form(&visitor, token), 403);
    site_end();
}

TEST(a_token_of_another_visit_is_refused)
{
    struct visitor visitor = {0}, other = {0};
    char token[1024];

    site_begin_endpoint(&site);
    snprintf(token, sizeof token, "%s", token_at(&other, "/form"));
    CHECK_EQ(post_form(&visitor, token), 403); /* who has none at all */
    (void)visit(&visitor, "/form");
    CHECK_EQ(post_form(&visitor, token), 403);
    site_end();
}

TEST(a_token_in_the_query_does_not_count)
{
    struct visitor visitor = {0};
    char line[2048];

    site_begin_endpoint(&site);
    snprintf(line, sizeof line, "POST /?_csrf_token=%s", token_at(&visitor, "/form"));
    CHECK_EQ(status_of(visit_with(&visitor, line, FORM, "")), 403);
    site_end();
}

static const struct {
    const char *request_line;
    unsigned status;
} methods[] = {
    {"GET /", 200},
    {"HEAD /", 200},
    {"OPTIONS /", 200},
    {"POST /", 403},
    {"PUT /", 403},
    {"PATCH /", 403},
    {"DELETE /", 403},
    {"PROPFIND /", 403},
};

TEST(only_methods_that_change_nothing_need_no_token)
{
    site_begin_endpoint(&site);
    for (size_t i = 0; i < ANQA_COUNT(methods); i++)
        CHECK_EQ(status_of(visit_with(&(struct visitor){0}, methods[i].request_line, "", "")),
            methods[i].status, "%s", methods[i].request_line);
    site_end();
}

/* ---------------------------------------------------------------- a token for one host */

static const struct {
    const char *url;
    unsigned status; /* of a form with its token that comes to example.org */
    bool plain;
} urls[] = {
    {"/path", 200, true},
    {"/path//x", 200, true},
    {"path", 200, true},
    {"", 200, true},
    {"https://example.org/x", 200, false},
    {"https://user@EXAMPLE.org:8443?x", 200, false},
    {"//example.org", 200, false},
    {"https://example.com/x", 403, false},
    {"//example.com/example.org", 403, false},
    {"https://example.org@example.com", 403, false},
    {"https://example.org.example.com/", 403, false},
    {"https://[::1]:80/", 403, false},
};

TEST(a_token_for_a_url_is_good_at_its_host_only)
{
    site_begin_endpoint(&site);
    for (size_t i = 0; i < ANQA_COUNT(urls); i++) {
        struct visitor visitor = {0};
        char target[2048];
        const char *token;
        snprintf(target, sizeof target, "/for?%s", urls[i].url);
        token = token_at(&visitor, target);
        CHECK_EQ(strlen(token) == 56, urls[i].plain, "%s", urls[i].url);
        CHECK_EQ(post_form(&visitor, token), urls[i].status, "%s", urls[i].url);
        CHECK_EQ(post_form(&(struct visitor){0}, token), 403);
    }
    CHECK_EQ(status_of(visit(&(struct visitor){0}, "/for?/\\example.com")), 500);
    site_end();
}

/* ---------------------------------------------------------------- logins */

static void log_in(anqa_conn *conn, const void *how)
{
    if (!anqa_str_is(conn->request_path, "/login"))
        return;
    if (*(const char *)how == 'r')
        anqa_session_renew(conn);
    else
        anqa_csrf_delete(conn);
}

static const anqa_endpoint renewing = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = anqa_protect_from_forgery},
        {log_in, "r"}, {.call = pages}, {0}},
    .quiet = true};
static const anqa_endpoint deleting = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = anqa_protect_from_forgery},
        {log_in, "d"}, {.call = pages}, {0}},
    .quiet = true};

TEST(behind_a_login_the_token_is_a_new_one)
{
    static const anqa_endpoint *const endpoints[] = {&renewing, &deleting};

    for (size_t i = 0; i < ANQA_COUNT(endpoints); i++) {
        struct visitor visitor = {0};
        char old[1024];
        site_begin_endpoint(endpoints[i]);
        snprintf(old, sizeof old, "%s", token_at(&visitor, "/form"));
        (void)visit(&visitor, "/login");
        (void)visit(&visitor, "/form");
        CHECK_EQ(post_form(&visitor, old), 403);
        CHECK_EQ(post_form(&visitor, token_at(&visitor, "/form")), 200);
        site_end();
    }
}

/* ---------------------------------------------------------------- other ways */

static void show_session(anqa_conn *conn, const void *opts)
{
    if (anqa_str_is(conn->request_path, "/in"))
        anqa_session_put_str(conn, "user_id", anqa_str_of("42"));
    anqa_send_json(conn, 200, anqa_session_all(conn));
}

static const anqa_endpoint clearing = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = anqa_parsers},
        {anqa_protect_from_forgery, &(const anqa_csrf_opts){.clear_session = true}},
        {.call = show_session}, {0}},
    .quiet = true};

TEST(a_request_without_a_token_may_go_on_as_a_stranger_s)
{
    struct visitor visitor = {0};
    const char *answer;

    site_begin_endpoint(&clearing);
    (void)visit(&visitor, "/in");
    answer = visit_with(&visitor, "POST /", FORM, "a=1");
    CHECK_STR(body_of(answer), "{}");
    CHECK(!has(answer, "set-cookie"), "%s", answer);
    CHECK_STR(body_of(visit(&visitor, "/")), "{\"user_id\":\"42\"}");
    site_end();
}

static void skip(anqa_conn *conn, const void *opts)
{
    anqa_csrf_skip(conn);
}

static const anqa_endpoint skipping = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = skip}, {.call = anqa_protect_from_forgery},
        {.call = pages}, {0}},
    .quiet = true};

TEST(a_request_that_is_let_off_needs_no_token)
{
    site_begin_endpoint(&skipping);
    CHECK_EQ(status_of(visit_with(&(struct visitor){0}, "POST /", "", "")), 200);
    site_end();
}

static void check_socket(anqa_conn *conn, const void *opts)
{
    anqa_str token = anqa_json_str(anqa_conn_query_params(conn), "_csrf_token");
    bool valid = anqa_csrf_valid(anqa_session_all(conn), token);

    anqa_send_text(conn, 200, valid ? anqa_str_of("valid") : anqa_csrf_token(conn));
}

static const anqa_endpoint socket_site = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = check_socket}, {0}},
    .quiet = true};

TEST(a_socket_s_token_is_checked_with_the_session_it_is_opened_with)
{
    struct visitor visitor = {0};
    char target[2048];

    site_begin_endpoint(&socket_site);
    snprintf(target, sizeof target, "/?_csrf_token=%s", token_at(&visitor, "/"));
    CHECK_STR(body_of(visit(&visitor, target)), "valid");
    CHECK(strcmp(body_of(visit(&(struct visitor){0}, target)), "valid") != 0);
    site_end();
}

/* ---------------------------------------------------------------- scripts */

static char script_path[] = "/tmp/anqa-csrf-XXXXXX.js";
static _Atomic(int) chunk_status = -1;

/* What is put here must not be seen: as long as it takes to be compressed. */
static anqa_str secret(void)
{
    char *text = anqa_arena_alloc(anqa_tmp(), 4096);

    memset(text, ' ', 4096);
    memcpy(text, "secret()", 8);
    return anqa_str_make(text, 4096);
}

static void script(anqa_conn *conn, const void *opts)
{
    anqa_conn_put_resp_header(conn, "content-type", conn->query_string);
    anqa_conn_put_resp_header(conn, "cache-control", anqa_str_of("public, max-age=3600"));
    anqa_conn_put_resp_header(conn, "content-digest", anqa_str_of("sha-256=:c2VjcmV0:"));
    anqa_conn_put_resp_header(conn, "Repr-Digest", anqa_str_of("sha-256=:c2VjcmV0:"));
    anqa_conn_put_resp_header(conn, "digest", anqa_str_of("sha-256=c2VjcmV0"));
    if (anqa_str_is(conn->request_path, "/parts")) {
        (void)anqa_send_chunked(conn, 200);
        atomic_store(&chunk_status, (int)anqa_chunk(conn, secret()));
    } else if (anqa_str_is(conn->request_path, "/file")) {
        CHECK_STATUS(anqa_send_file(conn, 200, script_path, 0, 0), ANQA_OK);
    } else if (anqa_str_is(conn->request_path, "/empty")) {
        anqa_send_resp(conn, 200, anqa_str_of(""));
    } else if (anqa_str_is(conn->request_path, "/same")) {
        anqa_send_resp(conn, 304, anqa_str_of(""));
    } else {
        anqa_send_resp(conn, 200, secret());
    }
}

static const anqa_endpoint scripts = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = anqa_protect_from_forgery}, {.call = anqa_compress},
        {.call = script}, {0}},
    .quiet = true};

static void begin_scripts(anqa_str content)
{
    int fd = mkstemps(script_path, 3);

    CHECK(fd >= 0 && write(fd, content.ptr, content.len) == (ssize_t)content.len);
    close(fd);
    site_begin_endpoint(&scripts);
}

static void end_scripts(void)
{
    site_end();
    CHECK(unlink(script_path) == 0);
}

#define XHR "X-Requested-With: XMLHttpRequest\r\n"
#define GZIP "Accept-Encoding: gzip\r\n"

static const struct {
    const char *request_line, *fields;
    unsigned status;
} asked[] = {
    {"GET /?text/javascript", "", 403},
    {"GET /?Application/JavaScript;charset=utf-8", "", 403},
    {"GET /?text/javascript", XHR, 200},
    {"GET /?text/plain", "", 200},
    {"GET /?application/json", "", 200},
    {"HEAD /?text/javascript", "", 200},
    {"GET /?text/javascript", GZIP, 403},
    {"GET /parts?text/javascript", "", 403},
    {"GET /parts?text/javascript", GZIP, 403},
    {"GET /parts?text/javascript", XHR, 200},
    {"GET /file?text/javascript", "", 403},
    {"GET /file?text/javascript", "Range: bytes=0-3\r\n", 403},
    {"GET /file?text/javascript", "Range: bytes=0-1,4-5\r\n", 403},
    {"GET /file?text/javascript", XHR, 200},
    {"GET /file?text/javascript", "If-None-Match: *\r\n", 304},
    {"GET /same?text/javascript", "", 304},
    {"GET /empty?text/javascript", "", 200},
};

TEST(a_script_is_not_given_to_pages_of_other_sites)
{
    static const char words[] = "this script is for pages of this site only\n";
    static const char *const fields[] = {"content-encoding", "transfer-encoding", "content-range",
        "etag", "last-modified", "content-digest", "Repr-Digest", "digest"};

    begin_scripts(anqa_str_of("secret()"));
    for (size_t i = 0; i < ANQA_COUNT(asked); i++) {
        const char *answer =
            visit_with(&(struct visitor){0}, asked[i].request_line, asked[i].fields, "");
        CHECK_EQ(status_of(answer), asked[i].status, "%s %s", asked[i].request_line, answer);
        if (asked[i].status != 403)
            continue;
        CHECK_STR(body_of(answer), words, "%s", asked[i].request_line);
        CHECK(has(answer, "content-type: text/plain"), "%s", answer);
        CHECK(has(answer, "cache-control: no-store"), "%s", answer);
        for (size_t j = 0; j < ANQA_COUNT(fields); j++)
            CHECK(!has(answer, fields[j]), "%s", answer);
    }
    end_scripts();
}

TEST(an_empty_script_has_nothing_to_be_kept_from_anybody)
{
    const char *answer;

    begin_scripts(anqa_str_of(""));
    answer = visit_with(&(struct visitor){0}, "GET /file?text/javascript", "", "");
    CHECK_EQ(status_of(answer), 200);
    CHECK(has(answer, "content-length: 0"), "%s", answer);
    end_scripts();
}

TEST(who_sends_a_refused_script_in_chunks_is_told_to_stop_and_the_connection_goes_on)
{
    const char *both;

    begin_scripts(anqa_str_of("secret()"));
    both = site_ask("GET /parts?text/javascript HTTP/1.1\r\nHost: a\r\n\r\n"
                    "GET /?text/plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK_EQ(count(both, "HTTP/1.1 403 "), 1, "%s", both);
    CHECK_EQ(count(both, "HTTP/1.1 200 "), 1, "%s", both);
    CHECK_EQ(atomic_load(&chunk_status), ANQA_E_CLOSED);
    end_scripts();
}
