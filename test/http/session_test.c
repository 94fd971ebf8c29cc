#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/site.h"
#include "http/visitor.h"

/* ---------------------------------------------------------------- the user's ten lines */

static void pages(anqa_conn *conn, const void *opts)
{
    if (anqa_str_is(conn->request_path, "/login")) {
        anqa_session_renew(conn);
        anqa_session_put_str(conn, "user_id", anqa_str_of("42"));
        anqa_flash_put(conn, "info", anqa_str_of("Welcome back!"));
        anqa_redirect(conn, anqa_str_of("/"));
        return;
    }
    anqa_send_text(conn, 200, anqa_session_get_str(conn, "user_id"));
}

static const anqa_endpoint pages_endpoint = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = pages}, {0}},
    .quiet = true};

TEST(a_visitor_who_logs_in_is_known_in_later_requests)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&pages_endpoint);
    CHECK_STR(body_of(visit(&visitor, "/")), "");
    CHECK_EQ(status_of(visit(&visitor, "/login")), 302);
    CHECK_STR(body_of(visit(&visitor, "/")), "42");
    CHECK_STR(body_of(visit(&(struct visitor){0}, "/")), "");
    site_end();
}

/* ---------------------------------------------------------------- what a request does */

/* Each command of the query in turn; what there is in the end is the answer. */
static void obey(anqa_conn *conn, const void *opts)
{
    anqa_str query = conn->query_string;

    for (size_t i = 0; i < query.len; i++) {
        switch (query.ptr[i]) {
        case 'p': anqa_session_put(conn, "n", anqa_jsonf("{'a': [%d]}", 1)); break;
        case 's': anqa_session_put_str(conn, "s", anqa_str_of("\"text\" \xc3\xa9")); break;
        case 'd': anqa_session_delete(conn, "n"); break;
        case 'c': anqa_session_clear(conn); break;
        case 'R': anqa_session_renew(conn); break;
        case 'D': anqa_session_drop(conn); break;
        case 'I': anqa_session_ignore(conn); break;
        case 'g': (void)anqa_session_get(conn, "n"); break;
        case 'L': {
            char *text = anqa_arena_alloc(anqa_tmp(), 3500);
            memset(text, 'x', 3500);
            anqa_session_put_str(conn, "long", anqa_str_make(text, 3500));
            break;
        }
        default: anqa_conn_put_status(conn, 400);
        }
    }
    anqa_send_text(conn, 0, anqa_json_text(anqa_session_all(conn)));
}

static const anqa_plug obeying[] = {{.call = obey}, {0}};

static const anqa_endpoint plain = {
    .session = &(anqa_session_opts){0}, .plugs = obeying, .quiet = true};

TEST(a_session_is_written_only_when_it_was_changed)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&plain);
    CHECK(!has(visit(&visitor, "/?g"), "set-cookie"));
    CHECK(!has(visit(&visitor, "/?dc"), "set-cookie"));
    CHECK(has(visit(&visitor, "/?p"), "set-cookie"));
    CHECK(!has(visit(&visitor, "/?g"), "set-cookie"));
    CHECK(has(visit(&visitor, "/?d"), "set-cookie"));
    site_end();
}

TEST(values_of_any_kind_come_back_as_they_were)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&plain);
    (void)visit(&visitor, "/?ps");
    CHECK_STR(body_of(visit(&visitor, "/")), "{\"n\":{\"a\":[1]},\"s\":\"\\\"text\\\" \xc3\xa9\"}");
    CHECK_STR(body_of(visit(&visitor, "/?d")), "{\"s\":\"\\\"text\\\" \xc3\xa9\"}");
    (void)visit(&visitor, "/?c");
    CHECK_STR(body_of(visit(&visitor, "/")), "{}");
    site_end();
}

TEST(a_dropped_session_is_gone_with_its_cookie)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&plain);
    (void)visit(&visitor, "/?p");
    CHECK(has(visit(&visitor, "/?sD"), "set-cookie: _anqa_session=; path=/; max-age=0"));
    CHECK_STR(body_of(visit(&visitor, "/")), "{}");
    site_end();
}

TEST(what_was_changed_is_forgotten_where_the_session_is_ignored)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&plain);
    (void)visit(&visitor, "/?s");
    CHECK(!has(visit(&visitor, "/?Ip"), "set-cookie"));
    CHECK(!has(visit(&visitor, "/?pI"), "set-cookie"));
    CHECK_STR(body_of(visit(&visitor, "/")), "{\"s\":\"\\\"text\\\" \xc3\xa9\"}");
    site_end();
}

TEST(a_session_whose_cookie_would_be_longer_than_4096_bytes_is_an_error)
{
    struct visitor visitor = {0};
    const char *answer;

    site_begin_endpoint(&plain);
    answer = visit(&visitor, "/?L");
    CHECK_EQ(status_of(answer), 500);
    CHECK(!has(answer, "set-cookie"));
    site_end();
}

TEST(a_session_that_was_tampered_with_is_empty)
{
    struct visitor visitor = {0};
    size_t len;

    site_begin_endpoint(&plain);
    (void)visit(&visitor, "/?p");
    len = strlen(visitor.cookies);
    for (size_t i = strlen("_anqa_session="); i < len; i += 5) {
        struct visitor forger = visitor;
        forger.cookies[i] = forger.cookies[i] == 'A' ? 'B' : 'A';
        CHECK_STR(body_of(visit(&forger, "/")), "{}");
    }
    site_end();
}

static const anqa_endpoint hidden = {
    .session = &(anqa_session_opts){.key = "app", .cookie = {.encrypt = true, .max_age_s = 60}},
    .plugs = obeying,
    .quiet = true};

TEST(an_encrypted_session_comes_back_and_its_cookie_has_an_age)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&hidden);
    CHECK(has(visit(&visitor, "/?p"), "; max-age=60; "));
    CHECK(has(visitor.cookies, "app=XCP."), "%s", visitor.cookies);
    CHECK_STR(body_of(visit(&visitor, "/")), "{\"n\":{\"a\":[1]}}");
    site_end();
}

TEST(a_signed_session_is_not_taken_for_an_encrypted_one)
{
    struct visitor visitor = {0};
    char cookie[sizeof visitor.cookies];

    site_begin_endpoint(&plain);
    (void)visit(&visitor, "/?p");
    site_end();
    snprintf(cookie, sizeof cookie, "app=%s", strchr(visitor.cookies, '=') + 1);
    memcpy(visitor.cookies, cookie, sizeof cookie);
    site_begin_endpoint(&hidden);
    CHECK_STR(body_of(visit(&visitor, "/")), "{}");
    site_end();
}

static void without(anqa_conn *conn, const void *opts)
{
    anqa_session_put_str(conn, "a", anqa_str_of("b"));
    anqa_send_text(conn, 200, anqa_str_of(""));
}

TEST(who_asks_for_a_session_where_there_is_none_ends)
{
    site_begin(without);
    CHECK_EQ(status_of(site_get("/")), 500);
    site_end();
}

static atomic_bool begun, went_on;

static void put_late(anqa_conn *conn, const void *opts)
{
    begun = anqa_send_chunked(conn, 200) == ANQA_OK &&
            anqa_session_get_str(conn, "s").len == 0; /* to read it is fine */
    anqa_session_put_str(conn, "a", anqa_str_of("b"));
    went_on = true;
}

static const anqa_endpoint endpoint = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = put_late}, {0}},
    .quiet = true};

TEST(to_change_a_session_behind_the_head_ends_the_process)
{
    const char *answer;

    site_begin_endpoint(&endpoint);
    answer = site_get("/");
    CHECK(!ends_with(answer, "0\r\n\r\n"), "%s", answer);
    CHECK(begun && !went_on);
    site_end();
}

/* ---------------------------------------------------------------- a store of one's own */

/* One session, number `id`; what was asked of the store. */
static struct {
    char data[256];
    unsigned id, dropped;
} shelf;

static bool shelf_get(
    anqa_conn *conn, const void *arg, anqa_str cookie, anqa_str *ret_id, anqa_json *ret_data)
{
    if (shelf.id == 0 || !anqa_str_is(cookie, anqa_tmp_printf("no%u", shelf.id)))
        return false;
    *ret_id = cookie;
    *ret_data = anqa_json_of(anqa_str_of(shelf.data));
    return true;
}

static anqa_str shelf_put(anqa_conn *conn, const void *arg, anqa_str id, anqa_json data)
{
    snprintf(shelf.data, sizeof shelf.data, "%.*s", ANQA_FMT(data));
    if (id.len == 0)
        shelf.id++;
    return anqa_str_of(anqa_tmp_printf("no%u", shelf.id));
}

static bool shelf_drop(anqa_conn *conn, const void *arg, anqa_str id)
{
    shelf.dropped++;
    return true;
}

static const anqa_session_store shelf_store = {shelf_get, shelf_put, shelf_drop};

static const anqa_endpoint shelved = {
    .session = &(anqa_session_opts){.store = &shelf_store}, .plugs = obeying, .quiet = true};

TEST(a_store_keeps_the_data_and_the_cookie_has_its_name_for_it)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&shelved);
    (void)visit(&visitor, "/?p");
    CHECK_STR(visitor.cookies, "_anqa_session=no1");
    CHECK_STR(body_of(visit(&visitor, "/")), "{\"n\":{\"a\":[1]}}");
    (void)visit(&visitor, "/?d");
    CHECK_STR(visitor.cookies, "_anqa_session=no1");
    CHECK_STR(shelf.data, "{}");
    site_end();
}

TEST(a_renewed_session_has_a_new_name_and_the_old_one_is_dropped)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&shelved);
    (void)visit(&visitor, "/?p");
    (void)visit(&visitor, "/?R");
    CHECK_STR(visitor.cookies, "_anqa_session=no2");
    CHECK_STR(shelf.data, "{\"n\":{\"a\":[1]}}");
    CHECK_EQ(shelf.dropped, 1);
    (void)visit(&visitor, "/?D");
    CHECK_EQ(shelf.dropped, 2);
    site_end();
}

TEST(nobody_can_lay_a_session_of_his_choice_for_a_visitor)
{
    struct visitor visitor = {.cookies = "_anqa_session=no7"};

    site_begin_endpoint(&shelved);
    (void)visit(&visitor, "/?p");
    CHECK_STR(visitor.cookies, "_anqa_session=no1");
    site_end();
}

/* ---------------------------------------------------------------- flash */

static void tell(anqa_conn *conn, const void *opts)
{
    if (anqa_str_is(conn->request_path, "/save")) {
        anqa_flash_put(conn, "info", anqa_str_of("Saved."));
        anqa_redirect(conn, anqa_str_of("/"));
    } else if (anqa_str_is(conn->request_path, "/on")) {
        (void)anqa_flash_get(conn, "info");
        anqa_redirect(conn, anqa_str_of("/"));
    } else if (anqa_str_is(conn->request_path, "/here")) {
        anqa_flash_put(conn, "error", anqa_str_of("Not saved."));
        anqa_send_text(conn, 200, anqa_flash_get(conn, "error"));
    } else if (anqa_str_is(conn->request_path, "/clear")) {
        anqa_flash_clear(conn);
        anqa_send_text(conn, 200, anqa_flash_get(conn, "info"));
    } else if (anqa_str_is(conn->request_path, "/blind")) {
        anqa_send_text(conn, 200, anqa_str_of(""));
    } else {
        anqa_send_text(conn, 200, anqa_flash_get(conn, "info"));
    }
}

static const anqa_endpoint telling = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = tell}, {0}},
    .quiet = true};

TEST(a_flash_survives_a_redirect_and_ends_with_the_page_behind_it)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&telling);
    CHECK_STR(body_of(visit(&visitor, "/")), "");
    (void)visit(&visitor, "/save");
    (void)visit(&visitor, "/on");
    CHECK_STR(body_of(visit(&visitor, "/")), "Saved.");
    CHECK_STR(body_of(visit(&visitor, "/")), "");
    site_end();
}

TEST(a_flash_of_an_answer_that_is_no_redirect_is_for_that_answer_only)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&telling);
    CHECK_STR(body_of(visit(&visitor, "/here")), "Not saved.");
    CHECK_STR(visitor.cookies, "");
    (void)visit(&visitor, "/save");
    CHECK_STR(body_of(visit(&visitor, "/clear")), "");
    CHECK_STR(body_of(visit(&visitor, "/")), "");
    site_end();
}

static const anqa_endpoint fetching = {.session = &(anqa_session_opts){0},
    .plugs = (const anqa_plug[]){{.call = anqa_fetch_flash}, {.call = tell}, {0}},
    .quiet = true};

TEST(a_flash_that_nobody_looks_at_stays_unless_it_is_fetched)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&telling);
    (void)visit(&visitor, "/save");
    (void)visit(&visitor, "/blind");
    CHECK_STR(body_of(visit(&visitor, "/")), "Saved.");
    site_end();
    site_begin_endpoint(&fetching);
    (void)visit(&visitor, "/save");
    (void)visit(&visitor, "/blind");
    CHECK_STR(body_of(visit(&visitor, "/")), "");
    site_end();
}
