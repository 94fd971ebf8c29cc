/* Sockets as a process sees them: on loopback, against themselves and against plain system calls. */
#include "rt_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <anqa/memory.h>
#include <anqa/net.h>

#include "runtime/address.h"

/* ---------------------------------------------------------------- helpers */

/* Most tests act on the attached thread, whose waits block it, against processes, whose waits do not. */

static anqa_listener listen_on(const char *address)
{
    anqa_listener listener;
    anqa_error err;

    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = address}, &listener, &err), ANQA_OK,
        "%s", err.text);
    return listener;
}

static anqa_conn connect_to(const char *address)
{
    anqa_conn conn;
    anqa_error err;

    CHECK_STATUS(anqa_connect(address, RT_LONG_MS, &conn, &err), ANQA_OK, "%s", err.text);
    return conn;
}

static anqa_conn accept_from(anqa_listener listener)
{
    anqa_conn conn;
    anqa_error err;

    CHECK_STATUS(anqa_accept(listener, RT_LONG_MS, &conn, &err), ANQA_OK, "%s", err.text);
    return conn;
}

static const char *address_of(anqa_listener listener)
{
    static _Thread_local char text[ANQA_ADDRESS_TEXT];

    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    return text;
}

/* Both ends of a TCP connection, owned by the calling process. */
static void tcp_pair(anqa_conn *ret_a, anqa_conn *ret_b)
{
    anqa_listener listener = listen_on("127.0.0.1:0");
    *ret_a = connect_to(address_of(listener));
    *ret_b = accept_from(listener);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
}

static void must_write(anqa_conn conn, const void *buf, size_t len)
{
    CHECK_STATUS(anqa_write(conn, buf, len, RT_LONG_MS, NULL), ANQA_OK);
}

static void must_read(anqa_conn conn, const char *text)
{
    char buf[256];
    size_t got;

    CHECK(strlen(text) <= sizeof buf);
    CHECK_STATUS(anqa_read_full(conn, buf, strlen(text), RT_LONG_MS, &got), ANQA_OK);
    CHECK_STR(anqa_str_make(buf, got), text);
}

static void must_end(anqa_conn conn)
{
    char byte;
    size_t n;

    CHECK_STATUS(anqa_read(conn, &byte, 1, RT_LONG_MS, &n), ANQA_E_CLOSED);
}

static char folder[] = "/tmp/anqa-net-XXXXXX";

static const char *in_folder(const char *name)
{
    static _Thread_local char path[sizeof folder + 64];

    if (strchr(folder, 'X') != NULL)
        CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "unix:%s/%s", folder, name);
    return path;
}

static void folder_remove(void)
{
    CHECK_EQ(rmdir(folder), 0, "something is left in %s", folder);
}

static anqa_pid start(void (*run)(void *state), const void *arg, size_t size, anqa_ref *ret_ref)
{
    anqa_pid pid;
    anqa_spawn_opts opts = {.run = run, .arg = arg, .arg_size = size, .monitor = ret_ref != NULL};

    CHECK_STATUS(anqa_spawn(&opts, &pid, ret_ref), ANQA_OK);
    return pid;
}

/* ---------------------------------------------------------------- echo servers */

/* Takes its connection from the first message. */
static void echo_conn_run(void *state)
{
    char buf[4096];
    anqa_conn conn;
    size_t n;

    CHECK_STATUS(anqa_conn_take(anqa_receive(ANQA_INFINITY), &conn), ANQA_OK);
    while (anqa_read(conn, buf, sizeof buf, ANQA_INFINITY, &n) == ANQA_OK)
        if (anqa_write(conn, buf, n, RT_LONG_MS, NULL) != ANQA_OK)
            break;
}

static void echo_server_run(void *state)
{
    const char *address = state;
    anqa_listener listener = listen_on(address);
    char text[ANQA_ADDRESS_TEXT];
    anqa_conn conn;

    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    CHECK_STATUS(anqa_send(anqa_parent(), "address", anqa_bytes(text, sizeof text)), ANQA_OK);
    while (anqa_accept(listener, ANQA_INFINITY, &conn, NULL) == ANQA_OK) {
        anqa_pid pid = start(echo_conn_run, NULL, 0, NULL);
        CHECK_STATUS(anqa_conn_move(conn, pid, "conn"), ANQA_OK);
    }
}

static anqa_pid echo_server(const char *address, char text[ANQA_ADDRESS_TEXT])
{
    anqa_pid pid = start(echo_server_run, address, strlen(address) + 1, NULL);
    const anqa_msg *msg = rt_expect("address");

    memcpy(text, msg->body.ptr, ANQA_ADDRESS_TEXT);
    anqa_msg_free(msg);
    return pid;
}

static void echo_once(void *arg)
{
    anqa_conn conn = connect_to(arg);

    must_write(conn, "over and out", 12);
    must_read(conn, "over and out");
    CHECK_STATUS(anqa_shutdown(conn, ANQA_SHUT_WRITE), ANQA_OK);
    must_end(conn);
    CHECK_STATUS(anqa_close(conn), ANQA_OK);
}

static void kill_and_wait(anqa_pid pid)
{
    anqa_ref ref = anqa_monitor(pid);

    anqa_exit_signal(pid, ANQA_KILL);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED);
}

static void check_echo(const char *address)
{
    anqa_rt *rt = rt_open(2);
    char text[ANQA_ADDRESS_TEXT];
    anqa_pid server = echo_server(address, text);

    for (int i = 0; i < 10; i++) {
        echo_once(text);                                              /* a thread */
        CHECK(rt_have(rt_puppet(NULL), echo_once, text), "%s", text); /* a process */
    }
    kill_and_wait(server);
    rt_close(rt);
}

TEST(echo_over_tcp)
{
    check_echo("127.0.0.1:0");
}

TEST(echo_over_ip6)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool have = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0;

    if (fd >= 0)
        close(fd);
    if (!have)
        SKIP("this machine has no ::1");
    check_echo("[::1]:0");
}

TEST(echo_over_a_socket_file)
{
    check_echo(in_folder("echo"));
    folder_remove(); /* the listener's file is gone */
}

TEST(echo_over_an_abstract_socket)
{
    char name[64];

    snprintf(name, sizeof name, "unix:@anqa-net-test-%d", (int)getpid());
    check_echo(name);
}

TEST(a_name_is_looked_up)
{
    anqa_rt *rt = rt_open(1);
    char text[ANQA_ADDRESS_TEXT], by_name[64];
    anqa_pid server = echo_server("127.0.0.1:0", text);

    snprintf(by_name, sizeof by_name, "localhost%s", strrchr(text, ':'));
    CHECK(rt_have(rt_puppet(NULL), echo_once, by_name)); /* [::1] may be tried first, and refused */
    echo_once(by_name);
    kill_and_wait(server);
    rt_close(rt);
}

TEST(a_star_listens_on_all_addresses)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listener = listen_on("*:0"), second;
    anqa_error err;
    char text[64];
    anqa_conn conn;

    snprintf(text, sizeof text, "127.0.0.1%s", strrchr(address_of(listener), ':'));
    conn = connect_to(text);
    CHECK_STATUS(anqa_close(accept_from(listener)), ANQA_OK);
    must_end(conn);
    snprintf(text, sizeof text, "*%s", strrchr(address_of(listener), ':'));
    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = text}, &second, &err), ANQA_E_IN_USE);
    CHECK(strstr(err.text, text) != NULL, "%s", err.text);
    rt_close(rt);
}

/* ---------------------------------------------------------------- addresses */

static const struct {
    const char *text, *words; /* words: NULL when it is good, and then the text comes back */
} addresses[] = {
    {"127.0.0.1:4000", NULL},
    {"0.0.0.0:0", NULL},
    {"255.255.255.255:65535", NULL},
    {"[::1]:80", NULL},
    {"[::]:0", NULL},
    {"[2001:db8::ff]:443", NULL},
    {"[fe80::1%7]:443", NULL},
    {"unix:/run/app.sock", NULL},
    {"unix:relative", NULL},
    {"unix:/a:b", NULL},
    {"unix:@name", NULL},
    {NULL, "no address is given"},
    {"", "the port is missing"},
    {"127.0.0.1", "the port is missing"},
    {"localhost", "the port is missing"},
    {":80", "the host has 0 bytes"},
    {"127.0.0.1:", "a number from 0 to 65535"},
    {"127.0.0.1:65536", "a number from 0 to 65535"},
    {"127.0.0.1:99999999999999999999", "a number from 0 to 65535"},
    {"127.0.0.1:-1", "a number from 0 to 65535"},
    {"127.0.0.1:+80", "a number from 0 to 65535"},
    {"127.0.0.1: 80", "a number from 0 to 65535"},
    {"127.0.0.1:80 ", "a number from 0 to 65535"},
    {"127.0.0.1:http", "a number from 0 to 65535"},
    {"256.0.0.1:80", "neither an IPv4 address nor a name"},
    {"127.1:80", "neither an IPv4 address nor a name"},
    {"1.2.3:80", "neither an IPv4 address nor a name"},
    {"host name:80", "neither an IPv4 address nor a name"},
    {"-host:80", "neither an IPv4 address nor a name"},
    {"http://host:80", "written in brackets"},
    {"::1:80", "written in brackets"},
    {"[::1:80", "a bracket is not closed"},
    {"[]:80", "the host has 0 bytes"},
    {"[127.0.0.1]:80", "is not an IPv6 address"},
    {"[::1%no-such-interface]:80", "no interface"},
    {"[::1%0]:80", "no interface"},
    {"unix:", "the name is missing"},
    {"unix:@", "the name is missing"},
    {"unix:"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890123456789",
        "has 109 bytes, there is room for 107"},
};

TEST(addresses_are_read_and_written)
{
    for (size_t i = 0; i < ANQA_COUNT(addresses); i++) {
        const char *text = addresses[i].text, *words = addresses[i].words;
        struct address_text parsed;
        char back[ANQA_ADDRESS_TEXT];
        anqa_error err = {0};
        anqa_status status = address_parse(text, &parsed, &err);
        CHECK_STATUS(status, words == NULL ? ANQA_OK : ANQA_E_INVALID, "%s: %s", text, err.text);
        if (words != NULL) {
            CHECK(strstr(err.text, words) != NULL, "%s: %s", text, err.text);
            continue;
        }
        CHECK_EQ(parsed.kind, ADDRESS_READY, "%s", text);
        address_format(&parsed.address, back);
        CHECK_STR(back, text);
    }
}

TEST(names_and_stars_are_told_from_addresses)
{
    struct address_text parsed;

    CHECK_STATUS(address_parse("a-1.b_2.example:65535", &parsed, NULL), ANQA_OK);
    CHECK_EQ(parsed.kind, ADDRESS_NAME);
    CHECK_STR(parsed.host, "a-1.b_2.example");
    CHECK_EQ(parsed.port, 65535);
    CHECK_STATUS(address_parse("*:80", &parsed, NULL), ANQA_OK);
    CHECK_EQ(parsed.kind, ADDRESS_ANY);
}

TEST(random_texts_are_refused_or_come_back)
{
    static const char alphabet[] = "0123456789abcf.:[]%@*unix/-";

    for (int i = 0; i < 100000; i++) {
        struct address_text parsed;
        char text[40], back[ANQA_ADDRESS_TEXT], again[ANQA_ADDRESS_TEXT];
        size_t len = harness_random() % (sizeof text - 6), head = harness_random() % 4 == 0 ? 5 : 0;
        memcpy(text, "unix:", head);
        for (size_t c = 0; c < len; c++)
            text[head + c] = alphabet[harness_random() % (sizeof alphabet - 1)];
        text[head + len] = '\0';
        if (address_parse(text, &parsed, NULL) != ANQA_OK || parsed.kind != ADDRESS_READY)
            continue;
        address_format(&parsed.address, back);
        CHECK_STATUS(address_parse(back, &parsed, NULL), ANQA_OK, "%s", back);
        address_format(&parsed.address, again);
        CHECK_STR(back, again);
    }
}

/* ---------------------------------------------------------------- reading */

static void check_deadlines(void *arg)
{
    anqa_conn a, b;
    char buf[8];
    size_t n = 77, got;
    uint64_t start_us;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_read(a, buf, sizeof buf, 0, &n), ANQA_E_TIMEOUT);
    start_us = rt_clock_us();
    CHECK_STATUS(anqa_read(a, buf, sizeof buf, 30, &n), ANQA_E_TIMEOUT);
    CHECK(rt_clock_us() - start_us >= 25000);
    CHECK_EQ(n, 77, "written on success only");
    must_write(b, "ab", 2);
    CHECK_STATUS(anqa_read_full(a, buf, 3, 20, &got), ANQA_E_TIMEOUT);
    CHECK_EQ(got, 2);
    must_write(b, "c", 1);
    CHECK_STATUS(anqa_read(a, buf, sizeof buf, RT_LONG_MS, &n), ANQA_OK);
    CHECK_EQ(n, 1);
    CHECK_EQ(buf[0], 'c');
    CHECK_STATUS(anqa_read(a, buf, 0, 0, &n), ANQA_OK);
    CHECK_EQ(n, 0);
    CHECK_STATUS(anqa_close(b), ANQA_OK);
    CHECK_STATUS(anqa_read_full(a, buf, 1, RT_LONG_MS, &got), ANQA_E_CLOSED);
    CHECK_EQ(got, 0);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
}

TEST(a_read_ends_with_its_deadline_and_can_be_made_again)
{
    anqa_rt *rt = rt_open(1);

    check_deadlines(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_deadlines, NULL));
    rt_close(rt);
}

static void check_half_close(void *arg)
{
    anqa_conn a, b;

    tcp_pair(&a, &b);
    must_write(a, "question", 8);
    CHECK_STATUS(anqa_shutdown(a, ANQA_SHUT_WRITE), ANQA_OK);
    CHECK_STATUS(anqa_write(a, "x", 1, 0, NULL), ANQA_E_CLOSED);
    must_read(b, "question");
    must_end(b);
    must_write(b, "answer", 6); /* the other direction is open */
    must_read(a, "answer");
    CHECK_STATUS(anqa_shutdown(b, ANQA_SHUT_READ), ANQA_OK);
    must_end(b);
    CHECK_STATUS(anqa_shutdown(b, (anqa_direction)7), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_STATUS(anqa_close(b), ANQA_OK);
}

TEST(one_direction_can_be_ended)
{
    anqa_rt *rt = rt_open(1);

    check_half_close(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_half_close, NULL));
    rt_close(rt);
}

/* Data and the end of the stream arrive together, before and after the reader waits: a short read may not hide
 * the end. */
static void check_last_words(void *arg)
{
    for (int i = 0; i < 20; i++) {
        anqa_conn a, b;
        char buf[64];
        size_t n;
        tcp_pair(&a, &b);
        CHECK_STATUS(anqa_read(a, buf, sizeof buf, i % 4 == 0 ? 0 : 1, &n),
            ANQA_E_TIMEOUT); /* watched from now on */
        must_write(b, "last", 4);
        if (i % 2 == 0)
            CHECK_STATUS(anqa_close(b), ANQA_OK);
        CHECK_STATUS(anqa_read(a, buf, sizeof buf, RT_LONG_MS, &n), ANQA_OK);
        CHECK_EQ(n, 4);
        if (i % 2 != 0)
            CHECK_STATUS(anqa_close(b), ANQA_OK);
        if (i % 3 == 0)
            anqa_yield();
        must_end(a);
        must_end(a); /* and again */
        CHECK_STATUS(anqa_close(a), ANQA_OK);
    }
}

TEST(the_end_behind_a_short_read_is_seen)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), check_last_words, NULL));
    rt_close(rt);
}

/* Urgent data breaks the stream in two: a read ends before it although there is more. */
static void check_urgent(void *arg)
{
    for (int i = 0; i < 20; i++) {
        anqa_conn a, b;
        char buf[64];
        size_t n;
        tcp_pair(&a, &b);
        CHECK_STATUS(anqa_read(a, buf, sizeof buf, 1, &n), ANQA_E_TIMEOUT);
        must_write(b, "before", 6);
        CHECK_EQ(send(anqa_conn_fd(b), "!", 1, MSG_OOB), 1);
        must_write(b, "after", 5);
        CHECK_STATUS(anqa_read(a, buf, sizeof buf, RT_LONG_MS, &n), ANQA_OK); /* up to the mark */
        if (n == 6)
            must_read(a, "after");
        CHECK(n == 6 || n == 11, "%zu", n);
        CHECK_STATUS(anqa_close(a), ANQA_OK);
        CHECK_STATUS(anqa_close(b), ANQA_OK);
    }
}

TEST(urgent_data_does_not_stall_a_reader)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), check_urgent, NULL));
    rt_close(rt);
}

static void check_reset(void *arg)
{
    anqa_conn a, b;
    char byte, text[ANQA_ADDRESS_TEXT];
    size_t n;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_read(a, &byte, 1, 1, &n), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_conn_reset(b), ANQA_OK);
    CHECK_STATUS(anqa_read(a, &byte, 1, RT_LONG_MS, &n), ANQA_E_IO); /* not the end of the stream */
    CHECK_STATUS(anqa_write(a, "x", 1, RT_LONG_MS, NULL), ANQA_E_CLOSED); /* and no SIGPIPE */
    CHECK_STATUS(anqa_conn_peer(a, text), ANQA_E_CLOSED);
    CHECK_STR(text, "");
    CHECK_STATUS(anqa_close(a), ANQA_OK);
}

TEST(a_reset_is_told_from_an_end)
{
    anqa_rt *rt = rt_open(1);

    check_reset(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_reset, NULL));
    rt_close(rt);
}

/* ---------------------------------------------------------------- writing */

#define BIG ((size_t)8 << 20)

static char byte_at(size_t i)
{
    return (char)(i * 2654435761u >> 13);
}

static char *big_block(void)
{
    char *block = anqa_heap_alloc(BIG);

    for (size_t i = 0; i < BIG; i++)
        block[i] = byte_at(i);
    return block;
}

/* Reads until the end, checks every byte, and tells how many there were. */
static void count_run(void *state)
{
    char buf[20000];
    anqa_conn conn;
    size_t n, total = 0;

    CHECK_STATUS(anqa_conn_take(anqa_receive(ANQA_INFINITY), &conn), ANQA_OK);
    while (anqa_read(conn, buf, 1 + total % sizeof buf, RT_LONG_MS, &n) == ANQA_OK) {
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(buf[i], byte_at(total + i));
        total += n;
    }
    CHECK_STATUS(rt_send_number(anqa_parent(), "total", total), ANQA_OK);
}

static void check_slow_reader(void *arg)
{
    char *block = big_block();
    anqa_conn a, b;
    anqa_pid counter = start(count_run, NULL, 0, NULL);
    size_t sent = 0;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_write(a, block, BIG, 30, &sent), ANQA_E_TIMEOUT); /* nobody reads */
    CHECK(sent > 0 && sent < BIG);
    CHECK_STATUS(anqa_conn_move(b, counter, "conn"), ANQA_OK);
    CHECK_STATUS(anqa_write(a, block + sent, BIG - sent, RT_LONG_MS, &sent),
        ANQA_OK); /* from where it stopped */
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_EQ(rt_expect_number("total"), BIG);
    anqa_heap_free(block);
}

TEST(a_write_to_who_does_not_read_times_out_and_can_go_on)
{
    anqa_rt *rt = rt_open(2);

    check_slow_reader(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_slow_reader, NULL));
    rt_close(rt);
}

static void check_pieces(void *arg)
{
    char *block = big_block();
    anqa_str pieces[700];
    anqa_conn a, b;
    anqa_pid counter = start(count_run, NULL, 0, NULL);
    size_t at = 0, sent;

    for (size_t i = 0; i < ANQA_COUNT(pieces);
        i++) { /* every third is empty, the last takes the rest */
        size_t len = i + 1 == ANQA_COUNT(pieces) ? BIG - at : i % 3 == 0 ? 0 : i * 7 % 9000;
        pieces[i] = anqa_str_make(len == 0 ? NULL : block + at, len);
        at += len;
    }
    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_conn_move(b, counter, "conn"), ANQA_OK);
    CHECK_STATUS(anqa_writev(a, pieces, 0, RT_LONG_MS, &sent), ANQA_OK);
    CHECK_EQ(sent, 0);
    CHECK_STATUS(anqa_writev(a, pieces, ANQA_COUNT(pieces), RT_LONG_MS, &sent), ANQA_OK);
    CHECK_EQ(sent, BIG);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_EQ(rt_expect_number("total"), BIG);
    anqa_heap_free(block);
}

TEST(many_pieces_are_written_in_order)
{
    anqa_rt *rt = rt_open(2);

    check_pieces(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_pieces, NULL));
    rt_close(rt);
}

/* A library's view: system calls on the descriptor, and a wait in between. */
static void check_wait(void *arg)
{
    anqa_conn a, b;
    char buf[8];

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_conn_wait(a, 0, 0), ANQA_E_INVALID);
    CHECK_STATUS(anqa_conn_wait(a, ANQA_READABLE, 0), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_conn_wait(a, ANQA_READABLE, 10), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_conn_wait(a, ANQA_READABLE | ANQA_WRITABLE, 0), ANQA_OK);
    must_write(b, "xy", 2);
    for (int i = 0; i < 2; i++) { /* ready as long as something is left, edge or no edge */
        CHECK_STATUS(anqa_conn_wait(a, ANQA_READABLE, RT_LONG_MS), ANQA_OK);
        CHECK_EQ(recv(anqa_conn_fd(a), buf, 1, 0), 1);
    }
    CHECK_STATUS(anqa_conn_wait(a, ANQA_READABLE, 5), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_close(b), ANQA_OK);
    CHECK_STATUS(anqa_conn_wait(a, ANQA_READABLE, RT_LONG_MS), ANQA_OK);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
}

TEST(a_library_can_wait_for_the_descriptor)
{
    anqa_rt *rt = rt_open(1);

    check_wait(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_wait, NULL));
    rt_close(rt);
}

/* ---------------------------------------------------------------- who owns it */

static void use_after_close(void *arg)
{
    anqa_listener listener = listen_on("127.0.0.1:0");
    anqa_conn a = connect_to(address_of(listener)), b = accept_from(listener);
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
    CHECK_STATUS(anqa_conn_reset(a), ANQA_E_INVALID);
    CHECK_STATUS(anqa_read(a, &byte, 1, 0, &n), ANQA_E_INVALID);
    CHECK_STATUS(anqa_read_full(a, &byte, 1, 0, &n), ANQA_E_INVALID);
    CHECK_EQ(n, 0);
    CHECK_STATUS(anqa_write(a, &byte, 1, 0, &n), ANQA_E_INVALID);
    CHECK_STATUS(anqa_shutdown(a, ANQA_SHUT_BOTH), ANQA_E_INVALID);
    CHECK_STATUS(anqa_conn_wait(a, ANQA_READABLE, 0), ANQA_E_INVALID);
    CHECK_STATUS(anqa_conn_peer(a, text), ANQA_E_INVALID);
    CHECK_STATUS(anqa_conn_move(a, anqa_self(), "conn"), ANQA_E_INVALID);
    CHECK_STATUS(anqa_conn_dup(a, &fd), ANQA_E_INVALID);
    CHECK_STATUS(anqa_conn_blocking(a, NULL, NULL, 0), ANQA_E_INVALID);
    CHECK_EQ(anqa_conn_fd(a), -1);
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
    anqa_conn a, b;
    int pair[2];

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_conn_local(a, local), ANQA_OK);
    CHECK_STATUS(anqa_conn_peer(b, peer), ANQA_OK);
    CHECK_STR(local, peer);
    CHECK(strncmp(local, "127.0.0.1:", 10) == 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_STATUS(anqa_conn_adopt(pair[0], &a, NULL), ANQA_OK);
    CHECK_EQ(fcntl(pair[0], F_GETFD), FD_CLOEXEC);
    CHECK((fcntl(pair[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK_STATUS(anqa_conn_peer(a, peer), ANQA_OK);
    CHECK_STR(peer, "unix:");
    close(pair[1]);
    rt_close(rt);
}

static void take_and_say(void *state)
{
    const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
    anqa_conn conn, again;

    CHECK_STATUS(anqa_conn_take(msg, &conn), ANQA_OK);
    CHECK_STATUS(anqa_conn_take(msg, &again), ANQA_E_TYPE);
    must_write(conn, "mine", 4);
    must_read(conn, "end");
}

TEST(a_connection_goes_to_a_process_on_another_scheduler)
{
    anqa_rt *rt = rt_open(2);

    for (uint16_t i = 0; i < 20; i++) {
        anqa_spawn_opts opts = {
            .run = take_and_say, .monitor = true, .scheduler = (uint16_t)(1 + i % 2)};
        anqa_conn a, b;
        anqa_pid pid;
        anqa_ref ref;
        CHECK_STATUS(anqa_spawn(&opts, &pid, &ref), ANQA_OK);
        tcp_pair(&a, &b);
        CHECK_STATUS(anqa_conn_move(b, pid, "conn"), ANQA_OK);
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
        anqa_conn conn;
        if (anqa_tag_is(msg->tag, "next")) {
            memcpy(next, msg->body.ptr, sizeof *next);
            continue;
        }
        CHECK_STATUS(anqa_conn_take(msg, &conn), ANQA_OK);
        CHECK_STATUS(anqa_read(conn, &byte, 1, RT_LONG_MS, &n), ANQA_OK);
        must_write(conn, &byte, 1);
        CHECK_STATUS(anqa_conn_move(conn, byte == '.' ? anqa_parent() : *next, "conn"), ANQA_OK);
    }
}

TEST(a_connection_that_is_handed_round_keeps_its_bytes)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid relays[2];
    anqa_conn a, b;
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
    CHECK_STATUS(anqa_conn_move(b, relays[0], "conn"), ANQA_OK);
    for (size_t i = 0; i < sizeof sent; i += 7) {
        must_write(a, sent + i, sizeof sent - i < 7 ? sizeof sent - i : 7);
        rt_pause();
    }
    CHECK_STATUS(anqa_read_full(a, got, sizeof got, RT_LONG_MS, NULL), ANQA_OK);
    CHECK_EQ(memcmp(got, sent, sizeof sent), 0);
    CHECK_STATUS(anqa_conn_take(rt_expect("conn"), &b), ANQA_OK);
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
    anqa_conn a, b;
    anqa_ref ref;
    anqa_pid pid;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_conn_move(b, rt_dead(), "conn"), ANQA_E_NOPROC);
    must_end(a);
    CHECK_STATUS(anqa_close(b), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close(a), ANQA_OK);

    tcp_pair(&a, &b);
    pid = start(ignore_one, NULL, 0, &ref);
    CHECK_STATUS(anqa_conn_move(b, pid, "conn"), ANQA_OK);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
    must_end(a);
    CHECK_STATUS(anqa_close(a), ANQA_OK);

    tcp_pair(&a, &b);
    pid = rt_puppet(NULL);
    CHECK_STATUS(anqa_conn_move(b, pid, "conn"), ANQA_OK); /* stays in its mailbox */
    CHECK_STATUS(anqa_read(a, &(char){0}, 1, 20, &(size_t){0}), ANQA_E_TIMEOUT);
    kill_and_wait(pid);
    must_end(a);
    rt_close(rt);
}

TEST(a_move_into_a_full_mailbox_changes_nothing)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.mailbox_limit = 1});
    anqa_conn a, b;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_send(pid, "first", anqa_nothing()), ANQA_OK);
    CHECK_STATUS(anqa_conn_move(b, pid, "conn"), ANQA_E_FULL);
    must_write(b, "still mine", 10);
    must_read(a, "still mine");
    CHECK_STATUS(anqa_close(b), ANQA_OK);
    kill_and_wait(pid);
    rt_close(rt);
}

static void hold_connection(void *state)
{
    anqa_conn conn = connect_to(state);

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
    anqa_conn conn;

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
    anqa_conn conn;
    anqa_error err;
    int pair[2];

    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = "127.0.0.1:0"}, &listener, &err),
        ANQA_E_UNSUPPORTED);
    CHECK_STATUS(anqa_connect("127.0.0.1:9", 1000, &conn, &err), ANQA_E_UNSUPPORTED);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_STATUS(anqa_conn_adopt(pair[0], &conn, &err), ANQA_E_UNSUPPORTED);
    close(pair[0]);
    close(pair[1]);
    rt_close(rt);
}

/* ---------------------------------------------------------------- listening */

TEST(a_second_server_on_a_port_is_an_error_that_names_it)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener first = listen_on("127.0.0.1:0"), second;
    char text[ANQA_ADDRESS_TEXT];
    anqa_error err;

    CHECK_STATUS(anqa_listener_address(first, text), ANQA_OK);
    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = text}, &second, &err), ANQA_E_IN_USE);
    CHECK(strstr(err.text, text) != NULL && strstr(err.text, "in use") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = text, .shared = true}, &second, &err),
        ANQA_E_IN_USE);
    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = text, .join = true}, &second, &err),
        ANQA_E_IN_USE);
    CHECK_STATUS(anqa_listener_close(first), ANQA_OK);
    first = listen_on(text); /* free again at once */
    rt_close(rt);
}

TEST(listeners_that_share_a_port_share_its_connections)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listeners[3];
    anqa_conn conn;
    char text[ANQA_ADDRESS_TEXT];
    anqa_error err;
    size_t counts[3] = {0};

    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = "127.0.0.1:0", .shared = true},
                     &listeners[0], &err),
        ANQA_OK);
    CHECK_STATUS(anqa_listener_address(listeners[0], text), ANQA_OK);
    for (size_t i = 1; i < 3; i++)
        CHECK_STATUS(
            anqa_listen(&(anqa_listen_spec){.address = text, .join = true}, &listeners[i], &err),
            ANQA_OK);
    CHECK_STATUS(
        anqa_listen(&(anqa_listen_spec){.address = text, .shared = true}, &listeners[2], &err),
        ANQA_E_IN_USE);
    for (size_t i = 0; i < 60; i++)
        (void)connect_to(text);
    for (size_t i = 0; i < 3; i++)
        while (anqa_accept(listeners[i], 0, &conn, NULL) == ANQA_OK)
            counts[i]++;
    CHECK_EQ(counts[0] + counts[1] + counts[2], 60);
    CHECK(counts[0] > 0 && counts[1] > 0 && counts[2] > 0, "%zu %zu %zu", counts[0], counts[1],
        counts[2]);
    rt_close(rt);
}

static const struct {
    anqa_listen_spec spec;
    const char *words;
} bad_specs[] = {
    {{0}, "no address is given"},
    {{.address = "unix:@anqa", .shared = true}, "can not be shared"},
    {{.address = "unix:@anqa", .join = true}, "can not be shared"},
    {{.address = "127.0.0.1:0", .unix_mode = 0600}, "is for Unix sockets"},
    {{.address = "unix:/x", .unix_mode = 01777}, "more than permissions"},
};

TEST(options_that_make_no_sense_are_refused_with_words)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listener;
    anqa_conn conn;
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(bad_specs); i++) {
        CHECK_STATUS(anqa_listen(&bad_specs[i].spec, &listener, &err), ANQA_E_INVALID, "%s",
            bad_specs[i].words);
        CHECK(strstr(err.text, bad_specs[i].words) != NULL, "%s", err.text);
    }
    CHECK_STATUS(anqa_connect("*:80", 0, &conn, &err), ANQA_E_INVALID);
    CHECK_STATUS(anqa_connect("nonsense", 0, &conn, &err), ANQA_E_INVALID);
    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = "192.0.2.1:0"}, &listener, &err),
        ANQA_E_IO); /* not ours */
    CHECK_STATUS(
        anqa_listen(&(anqa_listen_spec){.address = "unix:/no/such/folder/s"}, &listener, &err),
        ANQA_E_NOT_FOUND);
    rt_close(rt);
}

TEST(a_socket_file_is_private_replaced_when_dead_and_removed)
{
    anqa_rt *rt = rt_open(1);
    const char *text = in_folder("server"), *path = text + strlen("unix:");
    anqa_listener listener = listen_on(text), second;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    anqa_error err;
    int fd;

    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0600);
    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = text}, &second, &err), ANQA_E_IN_USE);
    CHECK(strstr(err.text, path) != NULL && strstr(err.text, "in use") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
    CHECK_EQ(stat(path, &st), -1);

    /* A server that died leaves its file. */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    CHECK_EQ(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    close(fd);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_STATUS(
        anqa_listen(&(anqa_listen_spec){.address = text, .unix_mode = 0666}, &listener, &err),
        ANQA_OK, "%s", err.text);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0666);

    /* A successor's file is not ours to remove. */
    CHECK_EQ(unlink(path), 0);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
    CHECK_EQ(stat(path, &st), 0);

    /* And a file that is no socket is never touched. */
    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = text}, &listener, &err), ANQA_E_EXISTS);
    CHECK(strstr(err.text, "no socket") != NULL, "%s", err.text);
    CHECK_EQ(unlink(path), 0);
    folder_remove();
    rt_close(rt);
}

TEST(a_listener_that_finds_no_memory_leaves_nothing)
{
    anqa_rt *rt = rt_open(1);

    EACH_ALLOC_FAILURE {
        anqa_listener listener;
        anqa_error err;
        anqa_status status =
            anqa_listen(&(anqa_listen_spec){.address = "127.0.0.1:0"}, &listener, &err);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM, "%s", err.text);
        if (status == ANQA_OK)
            CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
    }
    rt_close(rt);
}

static void listen_in_folder(void *arg)
{
    CHECK_STATUS(anqa_listener_close(listen_on(arg)), ANQA_OK);
    CHECK_STATUS(anqa_send(anqa_parent(), "listened", anqa_nothing()), ANQA_OK);
}

TEST(servers_that_start_in_one_folder_wait_for_each_other)
{
    anqa_rt *rt = rt_open(1);
    char text[ANQA_ADDRESS_TEXT];
    anqa_pid puppet = rt_puppet(NULL);
    int fd;

    snprintf(text, sizeof text, "%s", in_folder("server"));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    rt_tell(puppet, listen_in_folder, text);
    CHECK(anqa_receive_if(rt_has_tag, (void *)(uintptr_t)"listened", 30) ==
          NULL); /* not while we start */
    close(fd);
    anqa_msg_free(rt_expect("listened"));
    folder_remove();
    rt_close(rt);
}

static void accept_in_vain(void *arg)
{
    anqa_listener listener = listen_on("127.0.0.1:0");
    anqa_conn conn;
    anqa_error err;
    uint64_t begin = rt_clock_us();

    CHECK_STATUS(anqa_accept(listener, 0, &conn, &err), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_accept(listener, 20, &conn, &err), ANQA_E_TIMEOUT);
    CHECK(rt_clock_us() - begin >= 18000);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
}

TEST(an_accept_ends_with_its_deadline)
{
    anqa_rt *rt = rt_open(1);

    accept_in_vain(NULL);
    CHECK(rt_have(rt_puppet(NULL), accept_in_vain, NULL));
    rt_close(rt);
}

/* ---------------------------------------------------------------- connecting */

static void connect_in_vain(void *arg)
{
    anqa_listener listener = listen_on("127.0.0.1:0");
    char text[ANQA_ADDRESS_TEXT];
    anqa_conn conn;
    anqa_error err;

    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
    CHECK_STATUS(anqa_connect(text, RT_LONG_MS, &conn, &err), ANQA_E_REFUSED);
    CHECK(strstr(err.text, text) != NULL && strstr(err.text, "refused") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_connect("unix:/no/such/socket", RT_LONG_MS, &conn, &err), ANQA_E_NOT_FOUND);
    CHECK_STATUS(
        anqa_connect("unix:@anqa-nobody-listens-here", RT_LONG_MS, &conn, &err), ANQA_E_REFUSED);
}

TEST(a_connection_is_refused_with_words)
{
    anqa_rt *rt = rt_open(1);

    connect_in_vain(NULL);
    CHECK(rt_have(rt_puppet(NULL), connect_in_vain, NULL));
    rt_close(rt);
}

/* A listener whose queue is full: TCP drops what asks, a Unix socket says EAGAIN. */
static void fill_queue(const char *text)
{
    anqa_conn conn;

    for (int i = 0; i < 8; i++)
        if (anqa_connect(text, 20, &conn, NULL) == ANQA_E_TIMEOUT)
            return;
    CHECK(false, "the queue of %s does not get full", text);
}

static void connect_to_full(void *arg)
{
    const char *text = arg;
    anqa_conn conn;
    anqa_error err;
    uint64_t begin = rt_clock_us();

    CHECK_STATUS(anqa_connect(text, 60, &conn, &err), ANQA_E_TIMEOUT);
    CHECK(rt_clock_us() - begin >= 50000, "%" PRIu64, rt_clock_us() - begin);
}

static void check_full_queue(const char *address)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listener;
    anqa_conn conn;
    char text[ANQA_ADDRESS_TEXT];

    CHECK_STATUS(
        anqa_listen(&(anqa_listen_spec){.address = address, .backlog = 1}, &listener, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    fill_queue(text);
    connect_to_full(text);
    CHECK(rt_have(rt_puppet(NULL), connect_to_full, text));
    conn = accept_from(listener);
    CHECK_STATUS(anqa_close(conn), ANQA_OK);
    rt_close(rt);
}

TEST(a_connect_ends_with_its_deadline)
{
    check_full_queue("127.0.0.1:0");
}

TEST(a_connect_to_a_busy_unix_listener_ends_with_its_deadline)
{
    check_full_queue("unix:@anqa-net-test-busy");
}

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
    anqa_conn conn;
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
    anqa_conn *conns = calloc(MANY, sizeof *conns);

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
    anqa_conn conn = connect_to(state);

    while (anqa_write(conn, block, sizeof block, RT_LONG_MS, NULL) == ANQA_OK) {
    }
}

static void read_for_ever(void *state)
{
    char block[64]; /* small: there is always more, and a read never has to wait */
    anqa_conn conn;
    size_t n;

    CHECK_STATUS(anqa_conn_take(anqa_receive(ANQA_INFINITY), &conn), ANQA_OK);
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

    CHECK_STATUS(anqa_conn_move(accept_from(listener), reader, "conn"), ANQA_OK);
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
    anqa_conn conn;
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
    anqa_conn peer = {0};
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
