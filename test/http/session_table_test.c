#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http/site.h"
#include "http/visitor.h"

/* The query is what the session gets to know; what it knew is the answer. "-" drops it. */
static void remember(anqa_conn *conn, const void *opts)
{
    anqa_str known = anqa_session_get_str(conn, "known");

    if (anqa_str_is(conn->query_string, "-"))
        anqa_session_drop(conn);
    else if (anqa_str_is(conn->query_string, "+"))
        anqa_session_renew(conn);
    else if (conn->query_string.len != 0)
        anqa_session_put_str(conn, "known", conn->query_string);
    anqa_send_text(conn, 200, known);
}

static _Atomic(bool) loaded, gate;
static bool renews_late;

/* Has loaded its session before the gate opens, and writes it behind that. */
static void remember_slowly(anqa_conn *conn, const void *opts)
{
    anqa_str known;

    if (!anqa_str_is(conn->request_path, "/slow"))
        return;
    known = anqa_session_get_str(conn, "known");
    atomic_store(&loaded, true);
    while (!atomic_load(&gate))
        anqa_sleep(1);
    anqa_session_put_str(conn, "more", conn->query_string);
    if (renews_late)
        anqa_session_renew(conn);
    anqa_send_text(conn, 200, known);
    anqa_conn_halt(conn);
}

static const anqa_plug plugs[] = {{.call = remember_slowly}, {.call = remember}, {0}};

static const anqa_session_table large = {.name = "sessions"};
static const anqa_session_table small = {.name = "sessions", .max_sessions = 2};
static const anqa_session_table brief = {.name = "sessions", .max_idle_ms = 1};

#define SITE(table)                                                                          \
    {.session = &(anqa_session_opts){.store = &anqa_session_in_table, .store_arg = (table)}, \
        .plugs = plugs,                                                                      \
        .quiet = true}

static const anqa_endpoint large_site = SITE(&large), small_site = SITE(&small),
                           brief_site = SITE(&brief);

static const anqa_child_spec children[] = {
    ANQA_SESSION_TABLE(&large), ANQA_SESSION_TABLE(&small), ANQA_SESSION_TABLE(&brief), {0}};

static anqa_pid server;

static void begin(const anqa_endpoint *endpoint)
{
    const anqa_child_spec *child = children;
    anqa_error err;

    while (child->arg != endpoint->session->store_arg)
        child++;
    site_begin_endpoint(endpoint);
    CHECK_STATUS(anqa_gen_server_start(child->server, child->arg, NULL, &server, &err), ANQA_OK,
        "%s", err.text);
}

static void end(void)
{
    CHECK_STATUS(anqa_gen_server_stop(server, ANQA_SHUTDOWN, HARNESS_LONG_MS), ANQA_OK);
    site_end();
}

static uint64_t rows(void)
{
    anqa_table_info info;

    CHECK_STATUS(anqa_table_get_info(anqa_table_whereis("sessions"), &info), ANQA_OK);
    return info.rows;
}

TEST(a_session_in_a_table_is_known_by_a_random_cookie)
{
    struct visitor visitor = {0}, other = {0};

    begin(&large_site);
    (void)visit(&visitor, "/?a");
    (void)visit(&other, "/?b");
    CHECK_STR(body_of(visit(&visitor, "/")), "a");
    CHECK_STR(body_of(visit(&other, "/?c")), "b");
    CHECK_STR(body_of(visit(&other, "/")), "c");
    CHECK_EQ(strlen(visitor.cookies), strlen("_anqa_session=") + 43);
    CHECK_EQ(rows(), 2);
    end();
}

TEST(a_session_that_is_dropped_or_renewed_is_worth_nothing_under_its_old_name)
{
    struct visitor visitor = {0}, thief;

    begin(&large_site);
    (void)visit(&visitor, "/?a");
    thief = visitor;
    (void)visit(&visitor, "/?+");
    CHECK_STR(body_of(visit(&visitor, "/")), "a");
    CHECK_STR(body_of(visit(&thief, "/")), "");
    thief = visitor;
    (void)visit(&visitor, "/?-");
    CHECK_STR(body_of(visit(&thief, "/")), "");
    CHECK_EQ(rows(), 0);
    end();
}

/* One request of a visitor has loaded the session, the other ends it, then the first one writes. Returns the first one's answer. */
static const char *write_late(struct visitor *visitor, const char *ending)
{
    static char answer[4096];
    char request[9000];
    int fd = site_dial();

    atomic_store(&loaded, false);
    atomic_store(&gate, false);
    snprintf(request, sizeof request,
        "GET /slow?late HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: %s\r\n\r\n",
        visitor->cookies);
    peer_say(fd, request);
    while (!atomic_load(&loaded))
        usleep(1000);
    CHECK_EQ(status_of(visit(visitor, ending)), 200);
    atomic_store(&gate, true);
    (void)peer_get(fd, NULL, answer, sizeof answer);
    close(fd);
    CHECK_STR(body_of(answer), "a");
    return answer;
}

TEST(a_request_that_is_under_way_does_not_revive_a_session_that_was_dropped)
{
    struct visitor visitor = {0}, thief;

    begin(&large_site);
    (void)visit(&visitor, "/?a");
    thief = visitor;
    CHECK(!has(write_late(&visitor, "/?-"), "set-cookie"));
    CHECK_EQ(rows(), 0);
    CHECK_STR(body_of(visit(&thief, "/")), "");
    end();
}

TEST(a_request_that_renews_a_session_does_not_revive_one_that_was_dropped_meanwhile)
{
    struct visitor visitor = {0}, thief;

    begin(&large_site);
    (void)visit(&visitor, "/?a");
    thief = visitor;
    renews_late = true;
    CHECK(!has(write_late(&visitor, "/?-"), "set-cookie"));
    CHECK_EQ(rows(), 0);
    CHECK_STR(body_of(visit(&thief, "/")), "");
    end();
}

TEST(a_request_that_is_under_way_does_not_bring_the_old_name_of_a_session_back)
{
    struct visitor visitor = {0}, thief;

    begin(&large_site);
    (void)visit(&visitor, "/?a");
    thief = visitor;
    CHECK(!has(write_late(&visitor, "/?+"), "set-cookie"));
    CHECK_EQ(rows(), 1);
    CHECK_STR(body_of(visit(&thief, "/")), "");
    CHECK_STR(body_of(visit(&visitor, "/")), "a");
    end();
}

TEST(a_cookie_that_names_no_session_is_not_taken_over)
{
    struct visitor visitor = {
        .cookies = "_anqa_session=0123456789012345678901234567890123456789012"};
    char chosen[sizeof visitor.cookies];

    begin(&large_site);
    memcpy(chosen, visitor.cookies, sizeof chosen);
    (void)visit(&visitor, "/?a");
    CHECK(strcmp(visitor.cookies, chosen) != 0);
    CHECK_STR(body_of(visit(&visitor, "/")), "a");
    end();
}

TEST(there_are_no_more_sessions_than_the_table_may_have)
{
    begin(&small_site);
    for (unsigned i = 0; i < 10; i++) {
        struct visitor visitor = {0};
        CHECK_EQ(status_of(visit(&visitor, "/?a")), 200);
        CHECK_STR(body_of(visit(&visitor, "/")), "a");
        CHECK_EQ(rows(), i == 0 ? 1 : 2);
    }
    end();
}

TEST(a_session_that_nobody_asks_for_ends_and_is_swept_out)
{
    struct visitor visitor = {0};

    begin(&brief_site);
    (void)visit(&visitor, "/?a");
    while (rows() != 0) /* by the server */
        (void)anqa_receive(1);
    CHECK_STR(body_of(visit(&visitor, "/")), "");
    end();
}

/* Of the only session: when it was last asked for. */
static uint64_t used_ms(void)
{
    anqa_table_entry entry;
    uint64_t ms;

    CHECK_STATUS(anqa_table_first(anqa_table_whereis("sessions"), &entry), ANQA_OK);
    memcpy(&ms, entry.row.ptr, sizeof ms);
    return ms;
}

TEST(a_session_is_as_old_as_the_last_request_that_has_asked_for_it)
{
    uint64_t before_ms, put_ms, asked_ms;
    struct visitor visitor = {0};

    begin(&large_site);
    before_ms = anqa_now_ms();
    (void)visit(&visitor, "/?a");
    put_ms = used_ms();
    CHECK(put_ms >= before_ms && put_ms <= anqa_now_ms());
    (void)anqa_receive(2);
    CHECK_STR(body_of(visit(&visitor, "/")), "a");
    asked_ms = used_ms();
    CHECK(asked_ms > put_ms && asked_ms <= anqa_now_ms());
    end();
}

TEST(without_its_table_a_session_is_empty_and_can_not_be_written)
{
    struct visitor visitor = {0};

    site_begin_endpoint(&large_site);
    CHECK_STR(body_of(visit(&visitor, "/")), "");
    CHECK_EQ(status_of(visit(&visitor, "/?a")), 500);
    site_end();
}
