/* The poller's promises: wake-ups, one registration for the life of a descriptor, entries that nobody mistakes. */
#include "rt_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <anqa/net.h>

#include "runtime/poller.h"
#include "runtime/sched.h"

/* ---------------------------------------------------------------- wake-ups */

static struct sched *bare_sched(void)
{
    struct sched *s = aligned_alloc(64, sizeof *s);
    anqa_error err;

    CHECK(s != NULL);
    memset(s, 0, sizeof *s);
    CHECK_STATUS(poller_open(s, &err), ANQA_OK, "%s", err.text);
    return s;
}

static uint64_t wait_us(struct sched *s, int timeout_ms)
{
    uint64_t start = rt_clock_us();

    poller_wait(s, timeout_ms);
    return rt_clock_us() - start;
}

TEST(a_wake_up_ends_one_wait_and_is_never_read)
{
    struct sched *s = bare_sched();
    uint64_t one = 1;

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(write(s->wake_fd, &one, sizeof one), sizeof one);
        CHECK_EQ(write(s->wake_fd, &one, sizeof one), sizeof one);
        poller_wait(s, -1); /* comes back at once */
        CHECK(wait_us(s, 20) >= 19000, "round %d: nothing is left of it", i);
    }
    poller_close(s);
    CHECK_EQ(s->wake_fd, -1);
    poller_close(s);
    free(s);
}

TEST(a_poller_that_can_not_be_made_leaves_nothing)
{
    struct sched *s = aligned_alloc(64, sizeof *s);

    CHECK(s != NULL);
    memset(s, 0, sizeof *s);
    EACH_ALLOC_FAILURE {
        anqa_error err;
        anqa_status status = poller_open(s, &err);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        if (status == ANQA_OK)
            poller_close(s);
    }
    free(s);
}

TEST(a_poller_that_finds_no_descriptor_leaves_nothing)
{
    struct sched *s = aligned_alloc(64, sizeof *s);
    struct rlimit limit;
    anqa_error err;
    int next = dup(0);

    CHECK(s != NULL);
    memset(s, 0, sizeof *s);
    close(next);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (limit.rlim_cur = (rlim_t)next; limit.rlim_cur < (rlim_t)next + 2; limit.rlim_cur++) {
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        CHECK_STATUS(poller_open(s, &err), ANQA_E_LIMIT);
        CHECK(strstr(err.text, "poller") != NULL, "%s", err.text);
        CHECK(s->poller == NULL);
    }
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_STATUS(poller_open(s, &err), ANQA_OK);
    poller_close(s);
    free(s);
}

/* ---------------------------------------------------------------- what epoll knows */

static bool is_epoll(int fd)
{
    char link[64], target[64] = "";

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return readlink(link, target, sizeof target - 1) > 0 && strstr(target, "eventpoll") != NULL;
}

/* Whether some epoll instance of this program watches fd. */
static bool is_watched(int fd)
{
    char path[64], line[256], want[32];
    bool found = false;

    snprintf(want, sizeof want, "tfd: %8d", fd);
    for (int i = 0; i < 64 && !found; i++) {
        FILE *info;
        if (!is_epoll(i))
            continue;
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", i);
        info = fopen(path, "re");
        CHECK(info != NULL);
        while (!found && fgets(line, sizeof line, info) != NULL)
            found = strncmp(line, want, strlen(want)) == 0;
        fclose(info);
    }
    return found;
}

static void adopt_pair(anqa_tcp *ret_conn, int *ret_peer)
{
    int pair[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    CHECK_STATUS(anqa_tcp_adopt(pair[0], ret_conn, NULL), ANQA_OK);
    *ret_peer = pair[1];
}

static void check_registration(void *state)
{
    anqa_tcp conn;
    char byte;
    size_t n;
    int peer, fd, duplicate;

    adopt_pair(&conn, &peer);
    fd = anqa_tcp_fd(conn);
    CHECK_EQ(write(peer, "x", 1), 1);
    CHECK_STATUS(anqa_read(conn, &byte, 1, 1000, &n), ANQA_OK);
    CHECK_STATUS(anqa_read(conn, &byte, 1, 0, &n), ANQA_E_TIMEOUT);
    CHECK(!is_watched(fd), "who never waits costs no registration");
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(anqa_read(conn, &byte, 1, 1, &n), ANQA_E_TIMEOUT);
        CHECK(is_watched(fd));
    }
    CHECK_STATUS(anqa_tcp_dup(conn, &duplicate), ANQA_OK);
    CHECK_STATUS(anqa_close(conn), ANQA_OK);
    CHECK(!is_watched(fd), "not even while a duplicate lives on");
    close(duplicate);
    close(peer);
}

TEST(a_descriptor_is_watched_from_its_first_wait_until_it_is_closed)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), check_registration, NULL));
    rt_close(rt);
}

/* ---------------------------------------------------------------- arming: to be kicked */

/* A behaviour that owns one end of a pair of sockets. */
struct reader {
    int fd;
    uint64_t kicks;
    struct fd_entry *entry;
};

static void reader_init(void *state)
{
    struct reader *reader = state;

    CHECK_STATUS(fd_open(reader->fd, FD_CONN, &reader->entry), ANQA_OK);
    reader->entry->is_unix = 1;
}

static void reader_drain(struct reader *reader)
{
    char byte;

    while (read(reader->fd, &byte, 1) == 1)
        ;
    fd_drained(reader->entry);
}

static void reader_handle(void *state, const anqa_msg *msg)
{
    struct reader *reader = state;
    anqa_caller caller = anqa_msg_caller(msg);

    if (msg->kind == ANQA_MSG_SYSTEM) {
        reader->kicks++;
        anqa_send(anqa_parent(), "kicked", anqa_bytes(&reader->kicks, sizeof reader->kicks));
        return;
    }
    if (anqa_tag_is(msg->tag, "drain"))
        reader_drain(reader);
    CHECK_STATUS(fd_arm(reader->entry, FD_IN), ANQA_OK);
    anqa_reply_to(&caller, anqa_nothing());
}

static const anqa_behaviour reader_behaviour = {
    .name = "reader", .init = reader_init, .handle = reader_handle};

/* It has armed when this returns. */
static void arm(anqa_pid reader, const char *how)
{
    const anqa_msg *msg = anqa_receive_ref(anqa_request(reader, how, anqa_nothing()), RT_LONG_MS);

    CHECK(msg != NULL && msg->kind == ANQA_MSG_REPLY);
    anqa_msg_free(msg);
}

TEST(who_arms_a_descriptor_that_is_ready_already_is_kicked_at_once_and_else_when_bytes_come)
{
    anqa_rt *rt = rt_open(1);
    struct reader reader = {0};
    anqa_pid pid;
    int pair[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    reader.fd = pair[0];
    CHECK_STATUS(anqa_spawn(
                     &(anqa_spawn_opts){
                         .behaviour = &reader_behaviour, .arg = &reader, .arg_size = sizeof reader},
                     &pid, NULL),
        ANQA_OK);
    arm(pid, "drain");
    CHECK(rt_receive("kicked", 0) == NULL, "nothing has come");
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_EQ(rt_expect_number("kicked"), 1);
    arm(pid, "leave"); /* its edge has passed, and the byte is still there */
    CHECK_EQ(rt_expect_number("kicked"), 2);
    arm(pid, "drain");
    CHECK(rt_receive("kicked", 0) == NULL, "nothing is left");
    CHECK_EQ(write(pair[1], "y", 1), 1);
    CHECK_EQ(rt_expect_number("kicked"), 3);
    rt_kill(pid);
    close(pair[1]);
    rt_close(rt);
}

/* ---------------------------------------------------------------- entries */

/* A connection whose descriptor has this number, which no other thread of the program is given by chance. */
static anqa_tcp adopt_as(int number, int *ret_peer)
{
    anqa_tcp conn;
    int pair[2], fd;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fd = fcntl(pair[0], F_DUPFD_CLOEXEC, number);
    CHECK_EQ(fd, number);
    close(pair[0]);
    CHECK_STATUS(anqa_tcp_adopt(fd, &conn, NULL), ANQA_OK);
    *ret_peer = pair[1];
    return conn;
}

TEST(a_handle_is_good_for_one_life_of_a_descriptor)
{
    anqa_rt *rt = rt_open(1);
    anqa_tcp old, conn;
    int peer;
    char byte;
    size_t n;

    old = adopt_as(200, &peer);
    CHECK_STATUS(anqa_close(old), ANQA_OK);
    close(peer);
    conn = adopt_as(200, &peer);
    CHECK_EQ(anqa_tcp_fd(conn), 200);
    CHECK_EQ(anqa_tcp_fd(old), -1);
    CHECK_STATUS(anqa_close(old), ANQA_E_INVALID);
    CHECK_STATUS(anqa_read(old, &byte, 1, 0, &n), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close((anqa_tcp){0}), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close((anqa_tcp){UINT64_MAX}), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close((anqa_tcp){conn.bits + 1}), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close((anqa_tcp){conn.bits + 2}), ANQA_E_INVALID);
    CHECK_STATUS(anqa_listener_close((anqa_listener){conn.bits}), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close(conn), ANQA_OK);
    close(peer);
    rt_close(rt);
}

struct handle {
    anqa_tcp conn;
    anqa_status got;
};

static void try_to_close(void *arg)
{
    struct handle *handle = arg;

    handle->got = anqa_close(handle->conn);
}

TEST(a_handle_is_of_no_use_to_another_process)
{
    anqa_rt *rt = rt_open(2);
    struct handle handle;
    int peer;

    adopt_pair(&handle.conn, &peer);
    CHECK(rt_have(rt_puppet(NULL), try_to_close, &handle));
    CHECK_STATUS(handle.got, ANQA_E_PERMISSION);
    CHECK_STATUS(anqa_close(handle.conn), ANQA_OK);
    CHECK(rt_have(rt_puppet(NULL), try_to_close, &handle));
    CHECK_STATUS(handle.got, ANQA_E_INVALID);
    close(peer);
    rt_close(rt);
}

/* Numbers go round between processes on several threads; a wrong wake-up or a wrong owner would show as a
 * wrong byte. */
static void open_and_close(void *state)
{
    uint64_t rounds = 2000;

    for (uint64_t i = 0; i < rounds; i++) {
        anqa_tcp conn;
        char byte = 0;
        size_t n;
        int peer;
        adopt_pair(&conn, &peer);
        if (i % 16 == 0) /* a wait that ends without a byte */
            CHECK_STATUS(anqa_read(conn, &byte, 1, 1, &n), ANQA_E_TIMEOUT);
        CHECK_EQ(write(peer, &(char){(char)i}, 1), 1);
        CHECK_STATUS(anqa_read(conn, &byte, 1, RT_LONG_MS, &n), ANQA_OK);
        CHECK_EQ(byte, (char)i);
        CHECK_STATUS(anqa_close(conn), ANQA_OK);
        close(peer);
    }
}

TEST(numbers_that_go_round_between_threads_are_never_mixed_up)
{
    anqa_rt *rt = rt_open(2);
    anqa_ref refs[8];

    for (size_t i = 0; i < ANQA_COUNT(refs); i++) {
        anqa_pid pid;
        CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = open_and_close,
                                    .monitor = true,
                                    .scheduler = (uint16_t)(1 + i % 2)},
                         &pid, &refs[i]),
            ANQA_OK);
    }
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_NORMAL);
    rt_close(rt);
}

TEST(a_descriptor_that_is_no_stream_socket_is_refused)
{
    anqa_rt *rt = rt_open(1);
    anqa_tcp conn;
    anqa_error err;
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC),
        datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK_STATUS(anqa_tcp_adopt(file, &conn, &err), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_adopt(datagram, &conn, &err), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_adopt(-1, &conn, &err), ANQA_E_INVALID);
    CHECK(strstr(err.text, "not a stream socket") != NULL, "%s", err.text);
    CHECK(fcntl(file, F_GETFD) >= 0 && fcntl(datagram, F_GETFD) >= 0); /* still ours */
    close(file);
    close(datagram);
    rt_close(rt);
}
