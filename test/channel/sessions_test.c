/* Sessions of long-poll clients and streams under whatever may happen to them. */
#include "channel/asker.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* All that comes back, as a text; nothing if the connection is lost. */
static const char *try_request(const char *method, const char *target, const char *body)
{
    static char answer[1 << 16];
    int fd = request_begin(method, target, "", anqa_str_of(body));
    size_t len = 0;
    ssize_t n;

    while ((n = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0)
        len += (size_t)n;
    answer[len] = '\0';
    close(fd);
    return answer;
}

static void take_token(const char *answer, char token[static 500])
{
    const char *at = strstr(answer, "\"token\":\"");

    if (at != NULL)
        snprintf(token, 500, "%.*s", (int)strcspn(at + 9, "\""), at + 9);
}

static const char *const life[] = {"[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":2}]",
    "[\"1\",\"2\",\"room:a\",\"shout\",{\"x\":1}]", "[\"1\",\"3\",\"room:a\",\"phx_leave\",{}]"};

static void try_a_life(void)
{
    char target[700], token[500] = "";

    take_token(try_request("GET", "/quick/longpoll?vsn=2.0.0", ""), token);
    snprintf(target, sizeof target, "/quick/longpoll?vsn=2.0.0&token=%s", token);
    for (size_t i = 0; i < ANQA_COUNT(life); i++)
        (void)try_request("POST", target, life[i]);
    (void)try_request("GET", target, "");
    (void)try_request("POST", target, "[]"); /* no message: the session ends */
}

TEST(an_allocation_that_fails_costs_at_most_a_session, .timeout_ms = 120000)
{
    struct asker asker;

    server_begin(&polled_endpoint);
    try_a_life();
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        try_a_life();
    }
    asker = asker_open("/socket", "vsn=2.0.0");
    asker_join(&asker, "1", "room:a");
    server_end();
}

/* ---------------------------------------------------------------- anything */

static const char *const anything[] = {"[\"1\",\"1\",\"room:a\",\"phx_join\",{}]",
    "[\"2\",\"2\",\"room:a\",\"phx_join\",{\"broadcasts\":3,\"wait_ms\":1}]",
    "[\"3\",\"3\",\"room:a\",\"phx_join\",{\"broadcasts\":1100,\"crash\":true}]",
    "[\"1\",\"1\",\"room:b\",\"phx_join\",{\"refuse\":true}]",
    "[null,\"2\",\"room:a\",\"phx_leave\",{}]", "[null,\"3\",\"room:a\",\"shout\",{\"x\":1}]",
    "[null,\"3\",\"room:a\",\"secret\",{}]", "[null,\"4\",\"room:a\",\"later\",{}]",
    "[null,\"5\",\"room:a\",\"kill_me\",{}]", "[null,\"7\",\"phoenix\",\"heartbeat\",{}]", "[1,2]"};

/* Some requests of one session, of which some are given up on the way. */
static void any_life(uint64_t random)
{
    char target[700], token[500] = "", byte;

    take_token(try_request("GET", "/quick/longpoll?vsn=2.0.0&name=ann", ""), token);
    snprintf(target, sizeof target, "/quick/longpoll?vsn=2.0.0&token=%s", token);
    for (int i = 0; i < 6; i++, random = random * 6364136223846793005u + 1) {
        const char *body = anything[(random >> 33) % ANQA_COUNT(anything)];
        bool asks = (random >> 40 & 3) == 0;
        int fd = request_begin(asks ? "GET" : "POST", target, "", anqa_str_of(asks ? "" : body));
        if ((random >> 43 & 7) != 0)
            (void)recv(fd, &byte, 1, 0);
        close(fd);
    }
    if (random >> 50 & 1)
        CHECK_STATUS(anqa_broadcast(anqa_str_of("users:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT),
            ANQA_OK);
}

static void any_stream(uint64_t random)
{
    int fd = request_begin("GET", "/quick/sse?vsn=2.0.0&topics[]=room:a&topics[]=room:b&name=ann",
        "", anqa_str_of(""));
    char byte;

    if (random >> 41 & 1)
        (void)recv(fd, &byte, 1, 0);
    close(fd);
}

static uint64_t processes(void)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(server_rt(), &stats);
    return stats.processes;
}

static bool anybody(const anqa_msg *msg, void *arg)
{
    return true;
}

TEST(whatever_clients_ask_and_however_they_go_no_session_is_left, .timeout_ms = 120000)
{
    struct asker asker;
    uint64_t before;

    server_begin(&polled_endpoint);
    try_a_life(); /* whatever serves all is there now */
    anqa_sleep(300);
    before = processes();
    for (int i = 0; i < 100; i++) {
        any_life(harness_random());
        any_stream(harness_random());
        while (anqa_receive_if(anybody, NULL, 0) != NULL)
            ; /* what channels tell */
    }
    for (int i = 0; i < 10000 && processes() > before; i++)
        anqa_sleep(10);
    CHECK(processes() <= before);
    asker = asker_open("/socket", "vsn=2.0.0");
    asker_join(&asker, "1", "room:a");
    server_end();
}
