#include "harness.h"

#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>

#include "http/cookie_read.h"
#include "http/site.h"

static const char secret_text[] =
    "0123456789012345678901234567890123456789012345678901234567890123";

static const char *get_with(const char *cookies)
{
    char request[9000];

    snprintf(request, sizeof request,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: %s\r\n\r\n", cookies);
    return site_ask(request);
}

/* The value of the cookie that an answer sets; static. */
static const char *set_value(const char *answer, const char *name)
{
    static char value[8192];
    char start[64];
    const char *at;

    snprintf(start, sizeof start, "set-cookie: %s=", name);
    at = strstr(answer, start);
    CHECK(at != NULL, "%s", answer);
    at += strlen(start);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, ";\r"), at);
    return value;
}

static void begin(void (*plug)(anqa_conn *conn, const void *opts))
{
    setenv("SECRET_KEY_BASE", secret_text, 1);
    site_begin(plug);
}

/* ---------------------------------------------------------------- the user's ten lines */

static void theme(anqa_conn *conn, const void *opts)
{
    anqa_str value = anqa_str_of("none");

    if (!anqa_conn_req_cookie(conn, "theme", &value))
        anqa_conn_put_resp_cookie(conn, "theme", anqa_str_of("dark"), NULL);
    anqa_send_text(conn, 200, value);
}

TEST(a_cookie_is_for_the_whole_site_and_for_no_script_unless_it_says_so)
{
    const char *answer;

    begin(theme);
    answer = site_get("/");
    CHECK(has(answer, "\r\nset-cookie: theme=dark; path=/; HttpOnly; SameSite=Lax\r\n"), "%s",
        answer);
    CHECK_STR(body_of(get_with("theme=light")), "light");
    site_end();
}

/* ---------------------------------------------------------------- reading */

static const struct {
    const char *field, *pairs; /* as "name=value|" */
} fields[] = {
    {"a=1", "a=1|"},
    {"a=1; b=2", "a=1|b=2|"},
    {"a=1;b=2;", "a=1|b=2|"},
    {" a = 1 ; b\t=2", "a=1|b=2|"},
    {"a=b=c", "a=b=c|"},
    {"a=", "a=|"},
    {"a=\"q\"", "a=\"q\"|"},
    {"a=x, b=2", "a=x, b=2|"},
    {"alone; =1; a=1", "a=1|"},
    {"", ""},
    {";;; ;", ""},
};

TEST(cookies_are_read_as_browsers_send_them)
{
    for (size_t i = 0; i < ANQA_COUNT(fields); i++) {
        anqa_str field = anqa_str_of(fields[i].field), name, value;
        char pairs[128] = "";
        size_t len = 0;
        while (cookie_next(&field, &name, &value))
            len += (size_t)snprintf(
                pairs + len, sizeof pairs - len, "%.*s=%.*s|", ANQA_FMT(name), ANQA_FMT(value));
        CHECK_STR(pairs, fields[i].pairs);
    }
}

TEST(of_several_cookies_of_one_name_the_first_counts_in_all_fields)
{
    begin(theme);
    CHECK_STR(body_of(get_with("x=1; theme=a; theme=b")), "a");
    CHECK_STR(body_of(get_with("x=1\r\nCookie: theme=c")), "c");
    CHECK_STR(body_of(get_with("THEME=a")), "none");
    site_end();
}

/* ---------------------------------------------------------------- setting */

static void set_many(anqa_conn *conn, const void *opts)
{
    anqa_conn_put_resp_cookie(conn, "a", anqa_str_of("1"),
        &(anqa_cookie_opts){.path = "/x",
            .domain = "example.org",
            .max_age_s = 60,
            .same_site = ANQA_SAME_SITE_STRICT,
            .secure = true,
            .script_access = true,
            .extra = "Partitioned"});
    anqa_conn_put_resp_cookie(conn, "b", anqa_str_of("old"), NULL);
    anqa_conn_put_resp_cookie(conn, "b", anqa_str_of("new"),
        &(anqa_cookie_opts){.same_site = ANQA_SAME_SITE_NONE, .secure = true});
    anqa_conn_delete_resp_cookie(conn, "c", &(anqa_cookie_opts){.path = "/x"});
    anqa_send_text(conn, 200, anqa_str_of(""));
}

TEST(attributes_are_written_and_the_last_one_set_of_a_name_counts)
{
    const char *answer;

    begin(set_many);
    answer = site_get("/");
    CHECK(has(answer, "\r\nset-cookie: a=1; path=/x; domain=example.org; max-age=60; secure; "
                      "SameSite=Strict; Partitioned\r\n"),
        "%s", answer);
    CHECK(has(answer, "\r\nset-cookie: b=new; path=/; secure; HttpOnly; SameSite=None\r\n"), "%s",
        answer);
    CHECK(has(answer, "\r\nset-cookie: c=; path=/x; max-age=0; expires=Thu, 01 Jan 1970 00:00:00 "
                      "GMT; HttpOnly; SameSite=Lax\r\n"),
        "%s", answer);
    CHECK_EQ(count(answer, "set-cookie"), 3);
    site_end();
}

static const struct wrong {
    const char *name, *value;
    anqa_cookie_opts opts;
} wrongs[] = {
    {"", "1", {0}},
    {"a b", "1", {0}},
    {"a=", "1", {0}},
    {"a", "1;2", {0}},
    {"a", "1,2", {0}},
    {"a", "1 2", {0}},
    {"a", "1\r\nset-cookie: b=2", {0}},
    {"a", "\"", {0}},
    {"a", "\\", {0}},
    {"a", "\xc3\xa9", {0}},
    {"a", "1", {.path = "/; domain=b"}},
    {"a", "1", {.domain = "b; path=/"}},
    {"a", "1", {.extra = "x\r\ny"}},
    {"a", "1", {.same_site = ANQA_SAME_SITE_NONE}},
};

static void set_wrong(anqa_conn *conn, const void *opts)
{
    const struct wrong *wrong = &wrongs[strtoul(conn->query_string.ptr, NULL, 10)];

    anqa_conn_put_resp_cookie(conn, wrong->name, anqa_str_of(wrong->value), &wrong->opts);
    anqa_send_text(conn, 200, anqa_str_of(""));
}

TEST(a_cookie_that_can_not_be_ends_the_process)
{
    begin(set_wrong);
    for (size_t i = 0; i < ANQA_COUNT(wrongs); i++) {
        char target[32];
        const char *answer;
        snprintf(target, sizeof target, "/?%zu", i);
        answer = site_get(target);
        CHECK_EQ(status_of(answer), 500, "%zu", i);
        CHECK(!has(answer, "set-cookie"), "%s", answer);
    }
    site_end();
}

static void set_long(anqa_conn *conn, const void *opts)
{
    static char value[4096];
    size_t len = strtoul(conn->query_string.ptr, NULL, 10);

    memset(value, 'x', sizeof value);
    anqa_conn_put_resp_cookie(conn, "long", anqa_str_make(value, len), NULL);
    anqa_send_text(conn, 200, anqa_str_of(""));
}

TEST(a_cookie_of_4096_bytes_is_set_and_a_longer_one_is_an_error)
{
    size_t rest = strlen("long=; path=/; HttpOnly; SameSite=Lax");
    char target[32];

    begin(set_long);
    snprintf(target, sizeof target, "/?%zu", 4096 - rest);
    CHECK_EQ(status_of(site_get(target)), 200);
    snprintf(target, sizeof target, "/?%zu", 4097 - rest);
    CHECK_EQ(status_of(site_get(target)), 500);
    site_end();
}

/* ---------------------------------------------------------------- signed and encrypted ones */

static void sealed(anqa_conn *conn, const void *opts)
{
    anqa_str value = anqa_str_of("none"), other = value;

    (void)anqa_conn_signed_cookie(conn, "s", &value);
    (void)anqa_conn_encrypted_cookie(conn, "e", &other);
    anqa_conn_put_resp_cookie(
        conn, "s", anqa_str_of("user 42; \"\xc3\xa9\""), &(anqa_cookie_opts){.sign = true});
    anqa_conn_put_resp_cookie(
        conn, "e", anqa_str_of("hidden"), &(anqa_cookie_opts){.encrypt = true, .max_age_s = 5});
    anqa_send_text(
        conn, 200, anqa_str_of(anqa_tmp_printf("%.*s, %.*s", ANQA_FMT(value), ANQA_FMT(other))));
}

/* A cookie with a value that somebody has made something of. */
static const char *sent(char name, const char *value)
{
    char cookie[8192];

    snprintf(cookie, sizeof cookie, "%c=%s", name, value);
    return body_of(get_with(cookie));
}

TEST(signed_and_encrypted_cookies_come_back_whatever_bytes_they_have)
{
    char signed_value[1024], encrypted[1024], cookies[4096];
    const char *answer;

    begin(sealed);
    answer = site_get("/");
    snprintf(signed_value, sizeof signed_value, "%s", set_value(answer, "s"));
    snprintf(encrypted, sizeof encrypted, "%s", set_value(answer, "e"));
    snprintf(cookies, sizeof cookies, "s=%s; e=%s", signed_value, encrypted);
    CHECK_STR(body_of(get_with(cookies)), "user 42; \"\xc3\xa9\", hidden");
    CHECK(!has(encrypted, "hidden"));
    site_end();
}

TEST(a_cookie_with_any_character_changed_is_read_as_absent)
{
    char good[1024], bad[1024];
    const char *kinds[] = {"s", "e"};

    begin(sealed);
    for (size_t kind = 0; kind < ANQA_COUNT(kinds); kind++) {
        size_t len;
        snprintf(good, sizeof good, "%s", set_value(site_get("/"), kinds[kind]));
        len = strlen(good);
        for (size_t i = 0; i < len; i += 7) {
            snprintf(bad, sizeof bad, "%s", good);
            bad[i] = bad[i] == 'A' ? 'B' : 'A';
            CHECK_STR(sent(*kinds[kind], bad), "none, none");
        }
        snprintf(bad, sizeof bad, "%.*s", (int)len - 1, good);
        CHECK_STR(sent(*kinds[kind], bad), "none, none");
        CHECK_STR(sent(kind == 0 ? 'e' : 's', good), "none, none"); /* under another name */
        CHECK_STR(sent(*kinds[kind], ""), "none, none");
    }
    site_end();
}

TEST(a_cookie_made_with_another_secret_is_read_as_absent)
{
    char good[1024];

    begin(sealed);
    snprintf(good, sizeof good, "%s", set_value(site_get("/"), "s"));
    site_end();
    setenv(
        "SECRET_KEY_BASE", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl", 1);
    site_begin(sealed);
    CHECK_STR(sent('s', good), "none, none");
    site_end();
}

/* ---------------------------------------------------------------- the secret */

/* Of the start of an endpoint; the error's text is static. */
static anqa_status start(const anqa_endpoint *endpoint, const char *env, const char *secret)
{
    anqa_rt *rt;
    anqa_pid pid;
    anqa_error err;
    anqa_status status;

    setenv("PORT", "0", 1);
    setenv("ANQA_ENV", env, 1);
    setenv("SECRET_KEY_BASE", secret, 1);
    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &rt, &err), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK);
    status = anqa_gen_server_start(&anqa_endpoint_server, endpoint, NULL, &pid, &err);
    if (status == ANQA_OK)
        CHECK_STATUS(anqa_gen_server_stop(pid, ANQA_SHUTDOWN, HARNESS_LONG_MS), ANQA_OK);
    anqa_detach();
    anqa_stop(rt);
    return status;
}

static const anqa_endpoint with = {.session = &(anqa_session_opts){0}, .quiet = true};
static const anqa_endpoint weak = {.secret_key_base = "weak", .quiet = true};
static const anqa_endpoint without = {.quiet = true};

TEST(an_endpoint_with_sessions_starts_in_prod_with_a_strong_secret_only)
{
    CHECK(start(&with, "prod", "") != ANQA_OK);
    CHECK(start(&with, "prod", "too short") != ANQA_OK);
    CHECK(start(&with, "dev", "too short") != ANQA_OK);
    CHECK(start(&weak, "dev", "") != ANQA_OK);
    CHECK_STATUS(
        start(&with, "prod", "Zb3cS0wQ9/7kPqLxR2vNfYhT6uGjMa1dEiO+5nVr8CtXyWzKBlAsHpUeDgFm4oJI"),
        ANQA_OK);
    CHECK_STATUS(start(&without, "prod", ""), ANQA_OK);
    CHECK_STATUS(start(&with, "test", ""), ANQA_OK);
}

TEST(without_a_secret_what_needs_one_ends_the_process_in_prod)
{
    setenv("ANQA_ENV", "prod", 1);
    unsetenv("SECRET_KEY_BASE");
    site_begin(sealed);
    CHECK_EQ(status_of(site_get("/")), 500);
    site_end();
}

TEST(else_a_secret_is_made_that_lives_as_long_as_the_program)
{
    char good[1024];

    unsetenv("SECRET_KEY_BASE");
    site_begin(sealed);
    snprintf(good, sizeof good, "%s", set_value(site_get("/"), "s"));
    site_end();
    site_begin(sealed);
    CHECK_STR(sent('s', good), "user 42; \"\xc3\xa9\", none");
    site_end();
}
