/* Many connections, none left, busy ones, and deaths in the middle of it all. */
#include "net_fixture.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <anqa/memory.h>

#include "runtime/address.h"

/* ---------------------------------------------------------------- limits */

static void set_descriptors(rlim_t max)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Plain sockets, made before there are no descriptors left. */
static int plain_connect(const char *text)
{
    struct address_text parsed;
    int fd;

    CHECK_STATUS(address_parse(text, &parsed, NULL), ANQA_OK);
    fd = socket(parsed.address.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, &parsed.address.u.any, parsed.address.len), 0);
    return fd;
}

static void accept_when_full(void *arg)
{
    anqa_listener listener = listen_on("127.0.0.1:0"), other;
    anqa_tcp conn;
    anqa_error err;
    char byte;
    int clients[3], last;

    for (size_t i = 0; i < ANQA_COUNT(clients); i++)
        clients[i] = plain_connect(address_of(listener));
    last = dup(0);
    set_descriptors((rlim_t)last); /* no number below it is free */
    close(last);
    for (size_t i = 0; i < ANQA_COUNT(clients); i++) {
        CHECK_STATUS(anqa_accept(listener, RT_LONG_MS, &conn, &err), ANQA_E_LIMIT);
        CHECK(strstr(err.text, "RLIMIT_NOFILE") != NULL, "%s", err.text);
        CHECK_EQ(recv(clients[i], &byte, 1, 0), -1); /* shed: its peer knows */
        CHECK_EQ(errno, ECONNRESET);
    }
    CHECK_STATUS(anqa_accept(listener, 10, &conn, &err),
        ANQA_E_TIMEOUT); /* no connection is left to fail on: no spinning */
    CHECK_STATUS(
        anqa_listen(&(anqa_listen_spec){.address = "127.0.0.1:0"}, &other, &err), ANQA_E_LIMIT);
    CHECK(strstr(err.text, "RLIMIT_NOFILE") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_connect(address_of(listener), 10, &conn, &err), ANQA_E_LIMIT);
    CHECK(strstr(err.text, "RLIMIT_NOFILE") != NULL, "%s", err.text);
    set_descriptors(1024);
    for (size_t i = 0; i < ANQA_COUNT(clients); i++)
        close(clients[i]);
    clients[0] = plain_connect(address_of(listener));
    (void)accept_from(listener); /* as good as ever */
    close(clients[0]);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
}

TEST(without_descriptors_accept_sheds_and_says_which_limit)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), accept_when_full, NULL));
    accept_when_full(NULL);
    rt_close(rt);
}

#define MANY 1000

TEST(a_thousand_connections_at_once, .timeout_ms = 60000)
{
    anqa_rt *rt;
    struct rlimit limit;
    char text[ANQA_ADDRESS_TEXT];
    anqa_pid server;
    anqa_tcp *conns = calloc(MANY, sizeof *conns);

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < 2 * MANY + 100)
        SKIP("this program may not have %d files open", 2 * MANY + 100);
    set_descriptors(2 * MANY + 100);
    rt = rt_open(2);
    server = echo_server("127.0.0.1:0", text);
    for (int i = 0; i < MANY; i++)
        conns[i] = connect_to(text);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++)
            must_write(conns[i], &i, sizeof i);
        for (int i = 0, got; i < MANY; i++) {
            CHECK_STATUS(anqa_read_full(conns[i], &got, sizeof got, RT_LONG_MS, NULL), ANQA_OK);
            CHECK_EQ(got, i);
        }
    }
    kill_and_wait(server); /* its connections have owners of their own */
    for (int i = 0; i < MANY; i++)
        CHECK_STATUS(anqa_close(conns[i]), ANQA_OK);
    free(conns);
    rt_close(rt);
}

/* ---------------------------------------------------------------- fairness */

static void write_for_ever(void *state)
{
    char block[16384] = {0};
    anqa_tcp conn = connect_to(state);

    while (anqa_write(conn, block, sizeof block, RT_LONG_MS, NULL) == ANQA_OK) {
    }
}

static void read_for_ever(void *state)
{
    char block[64]; /* small: there is always more, and a read never has to wait */
    anqa_tcp conn;
    size_t n;

    CHECK_STATUS(anqa_tcp_take(anqa_receive(ANQA_INFINITY), &conn), ANQA_OK);
    CHECK_STATUS(anqa_send(anqa_parent(), "reads", anqa_nothing()), ANQA_OK);
    while (anqa_read(conn, block, sizeof block, RT_LONG_MS, &n) == ANQA_OK) {
    }
}

TEST(a_busy_connection_leaves_time_for_others)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listener = listen_on("127.0.0.1:0");
    const char *text = address_of(listener);
    anqa_pid writer = start(write_for_ever, text, strlen(text) + 1, NULL),
             reader = start(read_for_ever, NULL, 0, NULL);
    anqa_pid other = rt_puppet(NULL);

    CHECK_STATUS(anqa_tcp_move(accept_from(listener), reader, "conn"), ANQA_OK);
    anqa_msg_free(rt_expect("reads"));
    for (int i = 0; i < 20; i++)
        CHECK(rt_have(other, rt_do_nothing, NULL));
    kill_and_wait(reader);
    (void)rt_ended(anqa_monitor(writer)); /* its peer is gone: it ends by itself */
    rt_close(rt);
}

/* ---------------------------------------------------------------- deaths */

struct victim {
    int what; /* 0: accept, 1: read, 2: write, 3: connect */
    char text[ANQA_ADDRESS_TEXT];
};

static void victim_run(void *state)
{
    struct victim *victim = state;
    char *block = anqa_heap_calloc(1, BIG);
    anqa_listener listener;
    anqa_tcp conn;
    size_t n;

    switch (victim->what) {
    case 0:
        listener = listen_on("127.0.0.1:0");
        CHECK_STATUS(anqa_send(anqa_parent(), "waits", anqa_nothing()), ANQA_OK);
        (void)!anqa_accept(listener, ANQA_INFINITY, &conn, NULL);
        return;
    case 1:
        conn = connect_to(victim->text);
        CHECK_STATUS(anqa_send(anqa_parent(), "waits", anqa_nothing()), ANQA_OK);
        (void)!anqa_read(conn, block, 1, ANQA_INFINITY, &n);
        return;
    case 2:
        conn = connect_to(victim->text);
        CHECK_STATUS(anqa_send(anqa_parent(), "waits", anqa_nothing()), ANQA_OK);
        (void)!anqa_write(conn, block, BIG, ANQA_INFINITY, NULL);
        return;
    default:
        CHECK_STATUS(anqa_send(anqa_parent(), "waits", anqa_nothing()), ANQA_OK);
        (void)!anqa_connect(victim->text, ANQA_INFINITY, &conn, NULL);
    }
}

/* Dies while it waits; a byte for it may be on the way, and its number belongs to the next one at once. */
static void kill_one(int what, const char *text, anqa_listener listener)
{
    struct victim victim = {.what = what};
    anqa_tcp peer = {0};
    anqa_ref ref;
    anqa_pid pid;

    snprintf(victim.text, sizeof victim.text, "%s", text);
    pid = start(victim_run, &victim, sizeof victim, &ref);
    if (what == 1 || what == 2)
        peer = accept_from(listener);
    anqa_msg_free(rt_expect("waits"));
    if (harness_random() % 2 == 0)
        anqa_sleep(1); /* it waits for sure */
    if (what == 1 && harness_random() % 2 == 0)
        must_write(peer, "x", 1);
    anqa_exit_signal(pid, ANQA_KILL);
    CHECK(rt_ended(ref) <= ANQA_REASON_KILLED);
    if (peer.bits != 0)
        CHECK_STATUS(anqa_close(peer), ANQA_OK);
}

TEST(deaths_in_the_middle_of_every_wait_leave_nothing, .timeout_ms = 60000)
{
    anqa_rt *rt = rt_open(2);
    anqa_listener listener = listen_on("127.0.0.1:0"), full;
    char text[ANQA_ADDRESS_TEXT], full_text[ANQA_ADDRESS_TEXT];
    anqa_pid echo;
    char echo_text[ANQA_ADDRESS_TEXT];

    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    CHECK_STATUS(
        anqa_listen(&(anqa_listen_spec){.address = "127.0.0.1:0", .backlog = 1}, &full, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_listener_address(full, full_text), ANQA_OK);
    fill_queue(full_text);
    echo = echo_server("127.0.0.1:0", echo_text);
    for (int i = 0; i < 400; i++) {
        kill_one(i % 4, i % 4 == 3 ? full_text : text, listener);
        if (i % 20 == 0)
            echo_once(echo_text); /* the living are not disturbed */
    }
    kill_and_wait(echo);
    rt_close(rt);
}
