/* HTTP/2: what a request is answered with whose process is killed by a fault. */
#include "harness.h"

#include <anqa/anqa.h>

#include "http/h2_peer.h"
#include "http/site.h"

#define END_BOTH (NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM)

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define FAULTS 1
static __attribute__((noinline)) int read_nothing(const int *volatile nothing)
{
    return *nothing + 1;
}

static void fall(void)
{
    if (read_nothing(NULL) == 0)
        anqa_yield();
}
#else /* the sanitizers want faults for themselves: likewise no code of the process runs any more when it is killed */
#define FAULTS 0
static void fall(void)
{
    anqa_exit_signal(anqa_self(), ANQA_KILL);
    anqa_sleep(ANQA_INFINITY);
}
#endif

static void plug(anqa_conn *conn, const void *opts)
{
    if (anqa_str_is(conn->request_path, "/late")) {
        anqa_send_chunked(conn, 200);
        anqa_chunk(conn, anqa_str_of("half"));
    }
    if (!anqa_str_is(conn->request_path, "/"))
        fall();
    anqa_send_text(conn, 200, anqa_str_of("fine"));
}

static const anqa_plug plugs[] = {{.call = plug}, {0}};
static const anqa_endpoint plain = {
    .plugs = plugs, .debug_errors = ANQA_DEBUG_ERRORS_OFF, .quiet = true};
static const anqa_endpoint debug = {
    .plugs = plugs, .debug_errors = ANQA_DEBUG_ERRORS_ON, .quiet = true};

static const struct h2_answer *ask(
    struct h2_peer *peer, uint32_t stream, const char *method, const char *accept)
{
    h2_put_headers(peer, stream, END_BOTH,
        (const char *const[]){":method", method, ":scheme", "http", ":path", "/fault", ":authority",
            "a", "accept", accept, NULL});
    return h2_read(peer, stream);
}

static struct h2_peer begin(const anqa_endpoint *endpoint)
{
    site_begin_endpoint(endpoint);
    return h2_dial(site_port());
}

static void end(struct h2_peer *peer, uint32_t stream)
{
    h2_get(peer, stream, "/"); /* other streams do not notice */
    CHECK_STR(h2_read(peer, stream)->body, "fine");
    h2_hang_up(peer);
    site_end();
}

TEST(a_fault_is_answered_in_words_and_in_json_as_over_http_1)
{
    struct h2_peer peer = begin(&plain);
    const struct h2_answer *answer = ask(&peer, 1, "GET", "*/*");

    CHECK_EQ(answer->status, 500);
    CHECK_STR(answer->body, "Internal Server Error");
    CHECK(has(answer->head, "content-type: text/plain; charset=utf-8\n"), "%s", answer->head);
    CHECK(has(answer->head, "content-length: 21\n"), "%s", answer->head);
    answer = ask(&peer, 3, "GET", "application/json");
    CHECK_EQ(answer->status, 500);
    CHECK_STR(answer->body, "{\"errors\":{\"detail\":\"Internal Server Error\"}}");
    answer = ask(&peer, 5, "HEAD", "*/*");
    CHECK_EQ(answer->status, 500);
    CHECK(!answer->reset && answer->len == 0);
    end(&peer, 7);
}

TEST(who_develops_is_shown_the_fault)
{
    struct h2_peer peer = begin(&debug);
    const struct h2_answer *answer = ask(&peer, 1, "GET", "text/html");

    CHECK_EQ(answer->status, 500);
    CHECK(has(answer->head, "content-type: text/html"), "%s", answer->head);
    CHECK(has(answer->body, FAULTS ? "SIGSEGV at 0x0" : "killed"), "%s", answer->body);
    end(&peer, 3);
}

/* The process is gone by then. */
TEST(the_page_of_a_fault_waits_for_the_client_s_window)
{
    struct h2_peer peer = begin(&plain);
    struct h2_got got;

    h2_setting(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 8);
    h2_get(&peer, 1, "/fault");
    h2_wait(&peer, NGHTTP2_DATA, 1, &got);
    CHECK_STR(got.text, "Internal");
    CHECK(h2_is_alive(&peer));
    h2_open_window(&peer, 1, 100);
    h2_wait(&peer, NGHTTP2_DATA, 1, &got);
    CHECK_STR(got.text, " Server Error");
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    end(&peer, 3);
}

/* Pages whose ends the client leaves no window for. */
static void leave_pages(struct h2_peer *peer)
{
    struct h2_got got;

    h2_setting(peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 8);
    for (uint32_t stream = 1; stream < 200; stream += 2) {
        h2_get(peer, stream, "/fault");
        h2_wait(peer, NGHTTP2_DATA, stream, &got);
        if (stream > 100)
            h2_reset(peer, stream, NGHTTP2_CANCEL);
    }
}

TEST(pages_that_the_client_does_not_take_go_with_their_streams_and_with_the_connection)
{
    struct h2_peer peer = begin(&plain);

    leave_pages(&peer);
    end(&peer, 201);
}

TEST(pages_that_the_client_does_not_take_hold_up_no_drain)
{
    struct h2_peer peer = begin(&plain);

    leave_pages(&peer);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = site_stop}, NULL, NULL), ANQA_OK);
    CHECK_EQ(h2_read_end(&peer), NGHTTP2_NO_ERROR);
    h2_hang_up(&peer);
    site_end();
}

static const anqa_endpoint quick_idle = {
    .plugs = plugs, .quiet = true, .limits = {.idle_timeout_ms = 1000}};

TEST(pages_that_the_client_does_not_take_keep_no_connection_beyond_its_idle_time)
{
    struct h2_peer peer = begin(&quick_idle);

    leave_pages(&peer);
    CHECK_EQ(h2_read_end(&peer), NGHTTP2_NO_ERROR);
    h2_hang_up(&peer);
    site_end();
}

TEST(behind_the_page_of_a_fault_the_rest_of_the_body_is_not_wanted)
{
    struct h2_peer peer = begin(&plain);
    struct h2_got got;

    h2_post(&peer, 1, "/fault");
    CHECK_STR(h2_read(&peer, 1)->body, "Internal Server Error");
    h2_wait(&peer, NGHTTP2_RST_STREAM, 1, &got);
    CHECK_EQ(got.error, NGHTTP2_NO_ERROR);
    end(&peer, 3);
}

TEST(an_answer_that_has_begun_is_cut_off_by_a_fault_and_nothing_put_behind_it)
{
    struct h2_peer peer = begin(&debug);
    const struct h2_answer *answer;

    h2_get(&peer, 1, "/late");
    answer = h2_read(&peer, 1);
    CHECK(answer->reset && answer->error == NGHTTP2_INTERNAL_ERROR);
    CHECK(!has(answer->body, "SIGSEGV"), "%s", answer->body);
    end(&peer, 3);
}
