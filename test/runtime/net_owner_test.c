/* Who owns a connection: handles that are closed, moved, handed round, or left at a stop. */
#include "net_fixture.h"

#include <fcntl.h>
#include <sys/socket.h>

static void use_after_close(void *arg)
{
    anqa_listener listener = listen_on("127.0.0.1:0");
    anqa_tcp a = connect_to(address_of(listener)), b = accept_from(listener);
    char byte, text[ANQA_ADDRESS_TEXT];
    size_t n = 1;
    int fd;

    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_E_INVALID);
    CHECK_STATUS(anqa_accept(listener, 0, &b, NULL), ANQA_E_INVALID);
    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_E_INVALID);
    CHECK_STR(text, "");
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_STATUS(anqa_close(a), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_reset(a), ANQA_E_INVALID);
    CHECK_STATUS(anqa_read(a, &byte, 1, 0, &n), ANQA_E_INVALID);
    CHECK_STATUS(anqa_read_full(a, &byte, 1, 0, &n), ANQA_E_INVALID);
    CHECK_EQ(n, 0);
    CHECK_STATUS(anqa_write(a, &byte, 1, 0, &n), ANQA_E_INVALID);
    CHECK_STATUS(anqa_shutdown(a, ANQA_SHUT_BOTH), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_wait(a, ANQA_READABLE, 0), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_peer(a, text), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_move(a, anqa_self(), "conn"), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_dup(a, &fd), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_blocking(a, NULL, NULL, 0), ANQA_E_INVALID);
    CHECK_EQ(anqa_tcp_fd(a), -1);
    CHECK_STATUS(anqa_close(b), ANQA_OK);
}

TEST(a_closed_handle_is_an_error_everywhere)
{
    anqa_rt *rt = rt_open(1);

    use_after_close(NULL);
    CHECK(rt_have(rt_puppet(NULL), use_after_close, NULL));
    rt_close(rt);
}

TEST(both_ends_have_addresses)
{
    anqa_rt *rt = rt_open(1);
    char local[ANQA_ADDRESS_TEXT], peer[ANQA_ADDRESS_TEXT];
    anqa_tcp a, b;
    int pair[2];

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_tcp_local(a, local), ANQA_OK);
    CHECK_STATUS(anqa_tcp_peer(b, peer), ANQA_OK);
    CHECK_STR(local, peer);
    CHECK(strncmp(local, "127.0.0.1:", 10) == 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_STATUS(anqa_tcp_adopt(pair[0], &a, NULL), ANQA_OK);
    CHECK_EQ(fcntl(pair[0], F_GETFD), FD_CLOEXEC);
    CHECK((fcntl(pair[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK_STATUS(anqa_tcp_peer(a, peer), ANQA_OK);
    CHECK_STR(peer, "unix:");
    close(pair[1]);
    rt_close(rt);
}

static void take_and_say(void *state)
{
    const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
    anqa_tcp conn, again;

    CHECK_STATUS(anqa_tcp_take(msg, &conn), ANQA_OK);
    CHECK_STATUS(anqa_tcp_take(msg, &again), ANQA_E_TYPE);
    must_write(conn, "mine", 4);
    must_read(conn, "end");
}

TEST(a_connection_goes_to_a_process_on_another_scheduler)
{
    anqa_rt *rt = rt_open(2);

    for (uint16_t i = 0; i < 20; i++) {
        anqa_spawn_opts opts = {
            .run = take_and_say, .monitor = true, .scheduler = (uint16_t)(1 + i % 2)};
        anqa_tcp a, b;
        anqa_pid pid;
        anqa_ref ref;
        CHECK_STATUS(anqa_spawn(&opts, &pid, &ref), ANQA_OK);
        tcp_pair(&a, &b);
        CHECK_STATUS(anqa_tcp_move(b, pid, "conn"), ANQA_OK);
        CHECK_STATUS(anqa_close(b), ANQA_E_INVALID);
        must_read(a, "mine");
        must_write(a, "end", 3);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
        must_end(a);
        CHECK_STATUS(anqa_close(a), ANQA_OK);
    }
    rt_close(rt);
}

/* From process to process and back, while bytes come in: the poller of the first may have events for it on the way. */
static void relay_run(void *state)
{
    anqa_pid *next = state;

    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        char byte;
        size_t n;
        anqa_tcp conn;
        if (anqa_tag_is(msg->tag, "next")) {
            memcpy(next, msg->body.ptr, sizeof *next);
            continue;
        }
        CHECK_STATUS(anqa_tcp_take(msg, &conn), ANQA_OK);
        CHECK_STATUS(anqa_read(conn, &byte, 1, RT_LONG_MS, &n), ANQA_OK);
        must_write(conn, &byte, 1);
        CHECK_STATUS(anqa_tcp_move(conn, byte == '.' ? anqa_parent() : *next, "conn"), ANQA_OK);
    }
}

TEST(a_connection_that_is_handed_round_keeps_its_bytes)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid relays[2];
    anqa_tcp a, b;
    char got[1001], sent[1001];

    for (uint16_t i = 0; i < 2; i++) {
        anqa_spawn_opts opts = {
            .run = relay_run, .state_size = sizeof(anqa_pid), .scheduler = (uint16_t)(i + 1)};
        CHECK_STATUS(anqa_spawn(&opts, &relays[i], NULL), ANQA_OK);
    }
    for (int i = 0; i < 2; i++)
        CHECK_STATUS(
            anqa_send(relays[i], "next", anqa_bytes(&relays[1 - i], sizeof relays[0])), ANQA_OK);
    memset(sent, 'x', sizeof sent);
    sent[sizeof sent - 1] = '.';
    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_tcp_move(b, relays[0], "conn"), ANQA_OK);
    for (size_t i = 0; i < sizeof sent; i += 7) {
        must_write(a, sent + i, sizeof sent - i < 7 ? sizeof sent - i : 7);
        rt_pause();
    }
    CHECK_STATUS(anqa_read_full(a, got, sizeof got, RT_LONG_MS, NULL), ANQA_OK);
    CHECK_EQ(memcmp(got, sent, sizeof sent), 0);
    CHECK_STATUS(anqa_tcp_take(rt_expect("conn"), &b), ANQA_OK);
    for (int i = 0; i < 2; i++)
        kill_and_wait(relays[i]);
    rt_close(rt);
}

static void ignore_one(void *state)
{
    (void)anqa_receive(ANQA_INFINITY);
}

TEST(a_connection_that_nobody_takes_is_closed)
{
    anqa_rt *rt = rt_open(2);
    anqa_tcp a, b;
    anqa_ref ref;
    anqa_pid pid;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_tcp_move(b, rt_dead(), "conn"), ANQA_E_NOPROC);
    must_end(a);
    CHECK_STATUS(anqa_close(b), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close(a), ANQA_OK);

    tcp_pair(&a, &b);
    pid = start(ignore_one, NULL, 0, &ref);
    CHECK_STATUS(anqa_tcp_move(b, pid, "conn"), ANQA_OK);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
    must_end(a);
    CHECK_STATUS(anqa_close(a), ANQA_OK);

    tcp_pair(&a, &b);
    pid = rt_puppet(NULL);
    CHECK_STATUS(anqa_tcp_move(b, pid, "conn"), ANQA_OK); /* stays in its mailbox */
    CHECK_STATUS(anqa_read(a, &(char){0}, 1, 20, &(size_t){0}), ANQA_E_TIMEOUT);
    kill_and_wait(pid);
    must_end(a);
    rt_close(rt);
}

TEST(a_move_into_a_full_mailbox_changes_nothing)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.mailbox_limit = 1});
    anqa_tcp a, b;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_send(pid, "first", anqa_nothing()), ANQA_OK);
    CHECK_STATUS(anqa_tcp_move(b, pid, "conn"), ANQA_E_FULL);
    must_write(b, "still mine", 10);
    must_read(a, "still mine");
    CHECK_STATUS(anqa_close(b), ANQA_OK);
    kill_and_wait(pid);
    rt_close(rt);
}

static void hold_connection(void *state)
{
    anqa_tcp conn = connect_to(state);

    must_write(conn, "x", 1);
    (void)anqa_receive(ANQA_INFINITY);
}

TEST(a_stop_closes_all_sockets)
{
    anqa_rt *keeper = rt_open(1), *rt;
    anqa_listener listener = listen_on("127.0.0.1:0");
    char text[ANQA_ADDRESS_TEXT];
    anqa_spawn_opts opts = {.run = hold_connection, .arg = text, .arg_size = sizeof text};
    anqa_pid pid;
    anqa_tcp conn;

    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    CHECK_STATUS(
        anqa_start(NULL, &rt, NULL), ANQA_OK); /* two runtimes in one program share the numbers */
    CHECK_STATUS(anqa_rt_spawn(rt, &opts, &pid), ANQA_OK);
    conn = accept_from(listener);
    must_read(conn, "x");
    anqa_stop(rt);
    must_end(conn);
    rt_close(keeper);
}

TEST(a_deterministic_runtime_has_no_network)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_listener listener;
    anqa_tcp conn;
    anqa_error err;
    int pair[2];

    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = "127.0.0.1:0"}, &listener, &err),
        ANQA_E_UNSUPPORTED);
    CHECK_STATUS(anqa_connect("127.0.0.1:9", 1000, &conn, &err), ANQA_E_UNSUPPORTED);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_STATUS(anqa_tcp_adopt(pair[0], &conn, &err), ANQA_E_UNSUPPORTED);
    close(pair[0]);
    close(pair[1]);
    rt_close(rt);
}
