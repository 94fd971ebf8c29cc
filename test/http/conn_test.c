/* Connections over loopback: HTTP, WebSocket echo, slow and vanishing peers. */
#include "harness.h"

#include <anqa/anqa.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/conn_int.h"
#include "http/peer.h"
#include "http/static.h"
#include "http/websocket.h"

/* ---------------------------------------------------------------- the server under test */

static _Atomic(int) closed_count;
static _Atomic(int) dropped;
static _Atomic(int) message_count;

/* In pieces, of which none is too much. */
static void fill(struct conn *conn, size_t len)
{
    while (len > 0 && !conn_is_closing(conn)) {
        size_t piece = len < 4096 ? len : 4096;
        char *room = conn_queue_room(conn, piece);
        if (room != NULL)
            memset(room, 'f', piece);
        len -= piece;
    }
}

static void echo_message(struct conn *conn, void *user, bool binary, anqa_str data)
{
    char head[WEBSOCKET_HEAD_MAX];
    size_t len;
    char *room;

    atomic_fetch_add(&message_count, 1);
    if (anqa_str_is(data, "crash"))
        ANQA_REQUIRE(data.len == 0);
    if (anqa_str_is(data, "flood")) { /* more than anybody who does not read is allowed */
        fill(conn, 200 << 16);
        return;
    }
    if (anqa_str_is(data, "part") || anqa_str_is(data, "pause and part")) {
        if (data.len > 4)
            conn_pause(conn);
        conn_ws_close(conn, 1000, anqa_str_of("parted")); /* and says it back nonetheless */
    }
    if (anqa_str_starts(data, anqa_str_of("fill "))) {
        fill(conn, strtoul(data.ptr + 5, NULL, 10));
        return;
    }
    len = websocket_write_frame_head(head, binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, data.len);
    room = conn_queue_room(conn, len + data.len);
    if (room == NULL)
        return;
    memcpy(room, head, len);
    memcpy(room + len, data.ptr, data.len);
}

static void echo_closed(struct conn *conn, void *user)
{
    atomic_fetch_add(&closed_count, 1);
}

static const struct ws_ops echo_ops = {.message = echo_message, .closed = echo_closed};

static void serve_ws(struct conn *conn, const struct request *request, const void *arg)
{
    const char *refusal = websocket_refusal(request);
    struct response response;
    char buffer[RESPONSE_HEAD_SIZE];
    anqa_str head;

    if (refusal != NULL) {
        conn_respond(conn, 400, "text/plain", anqa_str_of(refusal));
        return;
    }
    websocket_write_head(&response, buffer, sizeof buffer, request, anqa_str_of(""), NULL);
    ANQA_REQUIRE(response_finish(&response, &head) == ANQA_OK);
    conn_upgrade(conn, head, &echo_ops, NULL, 0);
}

static void serve_hello(struct conn *conn, const struct request *request, const void *arg)
{
    if (request->query.len > 0)
        anqa_sleep(20); /* others read into the shared buffer meanwhile */
    conn_respond(
        conn, 200, "text/plain", request->query.len > 0 ? request->query : anqa_str_of("hello"));
}

/* Would wait for ever. */
static void serve_never(struct conn *conn, const struct request *request, const void *arg)
{
    (void)anqa_receive(ANQA_INFINITY);
}

static _Atomic(int) thinking; /* 1: serve_ws_late thinks; 2: it may go on */
static _Atomic(bool) told_to_leave;

static void serve_ws_late(struct conn *conn, const struct request *request, const void *arg)
{
    atomic_store(&thinking, 1);
    while (atomic_load(&thinking) != 2) {
        atomic_store(&told_to_leave, conn->leaving);
        anqa_sleep(5);
    }
    serve_ws(conn, request, arg);
}

static void service_drop(struct http_service *service)
{
    atomic_fetch_add(&dropped, 1);
}

static struct http_mount mounts[4];
static struct static_mount assets;
static struct http_service service;

struct server {
    anqa_rt *rt;
    uint16_t port;
};

static struct server begin(void)
{
    struct server server;
    anqa_options options = {.schedulers = 2};
    char address[ANQA_ADDRESS_TEXT];

    mounts[0] = (struct http_mount){anqa_str_of("/ws"), serve_ws, NULL, NULL};
    mounts[1] = (struct http_mount){anqa_str_of("/hello"), serve_hello, NULL, NULL};
    mounts[2] = (struct http_mount){anqa_str_of("/never"), serve_never, NULL, NULL};
    mounts[3] = (struct http_mount){anqa_str_of("/late"), serve_ws_late, NULL, NULL};
    service = (struct http_service){.mounts = mounts,
        .mount_count = ANQA_COUNT(mounts),
        .statics = &assets,
        .static_count = assets.spec.folder != NULL,
        .max_connections = 500,
        .head_timeout = 1,
        .close_timeout = 1,
        .drop = service_drop,
        .refs = 1};
    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &server.rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(server.rt, NULL), ANQA_OK);
    CHECK_STATUS(service_listen(&service, "127.0.0.1:0", address, NULL), ANQA_OK);
    server.port = (uint16_t)atoi(strrchr(address, ':') + 1);
    return server;
}

static void end(struct server server)
{
    service_drain(&service, 1012, 2000);
    CHECK_EQ(atomic_load(&service.connections), 0);
    service_unref(&service);
    anqa_detach();
    anqa_stop(server.rt);
    CHECK_EQ(atomic_load(&dropped), 1);
}

/* ---------------------------------------------------------------- a client that blocks */

static bool can_dial(struct server server)
{
    return peer_can_dial(server.port);
}

static int dial(struct server server)
{
    return peer_dial(server.port);
}

static const char upgrade[] =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static const char late_upgrade[] =
    "GET /late HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static int dial_ws(struct server server)
{
    char buf[1024];
    int fd = dial(server);

    peer_put(fd, upgrade, sizeof upgrade - 1);
    (void)peer_get(fd, "\r\n\r\n", buf, sizeof buf);
    CHECK(strncmp(buf, "HTTP/1.1 101 ", 13) == 0, "%s", buf);
    CHECK(strstr(buf, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != NULL);
    return fd;
}

/* The payload of the frame that came last. */
static char got[1 << 17];
static size_t got_len;

/* ---------------------------------------------------------------- HTTP */

TEST(requests_are_answered_one_after_the_other_on_one_connection)
{
    struct server server = begin();
    static const char two[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello?slow "
                              "HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: "
                              "a\r\nConnection: close\r\n\r\n";
    char buf[4096];
    int fd = dial(server);
    char *second;

    peer_put(fd, two, sizeof two - 1);
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK(strncmp(buf, "HTTP/1.1 200 OK\r\n", 17) == 0);
    second = strstr(buf, "\r\n\r\nhello");
    CHECK(second != NULL);
    second = second == NULL ? NULL : strstr(second, "\r\n\r\nslowHTTP/1.1 404 ");
    CHECK(second != NULL && strstr(second, "connection: close") != NULL);
    close(fd);
    end(server);
}

static uint64_t memory_of_connections(size_t *ret_count)
{
    anqa_process_info *infos;
    uint64_t memory = 0;

    CHECK_STATUS(
        anqa_process_list(&(anqa_process_list_opts){.kind = "connection"}, &infos, ret_count),
        ANQA_OK);
    for (size_t i = 0; i < *ret_count; i++)
        memory += infos[i].memory;
    return memory;
}

TEST(a_connection_that_rests_has_no_memory_beside_its_state)
{
    static const char hello[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    struct server server = begin();
    char buf[4096];
    int fd = dial(server), ws = dial_ws(server);
    size_t count;

    peer_put(fd, hello, sizeof hello - 1);
    (void)peer_get(fd, "hello", buf, sizeof buf);
    for (int i = 0; i < 10000 && memory_of_connections(&count) != 0;
        i++) /* its event may not be over */
        anqa_sleep(1);
    CHECK_EQ(memory_of_connections(&count), 0);
    CHECK_EQ(count, 2);
    close(fd);
    close(ws);
    end(server);
}

TEST(a_request_may_come_byte_by_byte_while_others_are_served)
{
    struct server server = begin();
    static const char request[] = "GET /hello?slowly HTTP/1.1\r\nHost: a\r\n\r\n";
    char buf[1024];
    int fd[3];

    for (int i = 0; i < 3; i++)
        fd[i] = dial(server);
    for (size_t at = 0; at < sizeof request - 1; at++)
        for (int i = 0; i < 3; i++)
            peer_put(fd[i], request + at, 1);
    for (int i = 0; i < 3; i++) {
        (void)peer_get(fd[i], "slowly", buf, sizeof buf);
        CHECK(strstr(buf, "\r\n\r\nslowly") != NULL);
        close(fd[i]);
    }
    end(server);
}

TEST(what_is_no_request_is_answered_and_the_connection_closed)
{
    struct server server = begin();
    char buf[1024];
    int fd = dial(server);

    peer_put(fd, "nonsense\r\n\r\n", 12);
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK(strncmp(buf, "HTTP/1.1 400 ", 13) == 0, "%s", buf);
    CHECK(peer_at_end(fd));
    close(fd);
    end(server);
}

TEST(who_does_not_finish_a_head_in_time_is_let_go)
{
    struct server server = begin();
    char buf[1024];
    int fd = dial(server);

    peer_put(fd, "GET /hello HT", 13); /* head_timeout is a second here */
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK(strncmp(buf, "HTTP/1.1 408 ", 13) == 0, "%s", buf);
    close(fd);
    end(server);
}

TEST(who_does_not_finish_a_head_behind_another_request_in_time_is_let_go)
{
    struct server server = begin();
    static const char requests[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HT";
    char buf[1024];
    int fd = dial(server);

    peer_put(fd, requests, sizeof requests - 1);
    (void)peer_get(fd, "hello", buf, sizeof buf);
    CHECK(strstr(buf, "200 OK") != NULL);
    (void)peer_get(
        fd, NULL, buf, sizeof buf); /* head_timeout is a second here, idle_timeout a minute */
    CHECK(strncmp(buf, "HTTP/1.1 408 ", 13) == 0, "%s", buf);
    close(fd);
    end(server);
}

static void let_go(void *arg)
{
    service_unref(arg);
}

/* Listens, and ends with all that it has started. */
static void listen_run(void *arg)
{
    char address[ANQA_ADDRESS_TEXT];
    anqa_status status;

    anqa_defer(let_go, &service); /* the count that was taken for us */
    status = service_listen(&service, "127.0.0.1:0", address, NULL);
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM, "%s", anqa_status_name(status));
    anqa_exit(ANQA_SHUTDOWN);
}

TEST(without_memory_listening_fails_and_lets_go_of_the_service)
{
    anqa_rt *rt;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 2}, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        service = (struct http_service){.drop = service_drop, .refs = 1};
        atomic_store(&dropped, 0);
        if (anqa_spawn(&(anqa_spawn_opts){.run = listen_run}, NULL, NULL) != ANQA_OK)
            service_unref(&service);
        for (int i = 0; i < 10000 && atomic_load(&dropped) == 0; i++)
            usleep(1000);
        CHECK_EQ(atomic_load(&dropped), 1);
    }
    anqa_detach();
    anqa_stop(rt);
}

TEST(after_allocations_that_failed_all_is_served_and_timed_as_before)
{
    struct server server = begin();
    char buf[1024];
    int fds[8];

    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        for (size_t i = 0; i < 4; i++) { /* on both schedulers */
            int fd = dial(server);
            peer_put(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 32);
            (void)peer_get(fd, "hello", buf, sizeof buf); /* or the end */
            close(fd);
        }
    }
    for (size_t i = 0; i < ANQA_COUNT(fds); i++) {
        fds[i] = dial(server);
        peer_put(fds[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET", 35);
        (void)peer_get(fds[i], "hello", buf, sizeof buf);
        CHECK(strstr(buf, "200 OK") != NULL);
    }
    for (size_t i = 0; i < ANQA_COUNT(fds); i++) {
        (void)peer_get(fds[i], NULL, buf, sizeof buf);
        CHECK(strncmp(buf, "HTTP/1.1 408 ", 13) == 0, "%s", buf);
        close(fds[i]);
    }
    end(server);
}

TEST(who_has_closed_its_side_still_gets_the_answer)
{
    static const char *const requests[] = {"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hello?hello HTTP/1.1\r\nHost: a\r\n\r\n"}; /* the second waits a little */
    struct server server = begin();
    char buf[1024];

    for (int i = 0; i < 40; i++) {
        int fd = dial(server);
        peer_put(fd, requests[i % 2], strlen(requests[i % 2]));
        CHECK(shutdown(fd, SHUT_WR) == 0);
        (void)peer_get(fd, "\r\n\r\nhello", buf, sizeof buf);
        CHECK(strstr(buf, "\r\n\r\nhello") != NULL, "%s", buf);
        CHECK(peer_at_end(fd));
        close(fd);
    }
    end(server);
}

/* Whether what is sent behind the end of the answers is taken, and not answered with a reset. */
static bool is_still_heard(struct server server, const char *requests)
{
    char buf[4096];
    int fd = dial(server);
    bool heard = true;

    peer_put(fd, requests, strlen(requests));
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK(strncmp(buf, "HTTP/1.1 200 ", 13) == 0, "%s", buf);
    for (int i = 0; i < 50 && heard; i++)
        heard = send(fd, "x", 1, MSG_NOSIGNAL) == 1;
    close(fd);
    return heard;
}

TEST(only_who_has_said_that_nothing_comes_is_closed_without_waiting_for_its_end)
{
    struct server server = begin();

    CHECK(!is_still_heard(server, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    CHECK(!is_still_heard(server, "GET /hello HTTP/1.0\r\n\r\n"));
    CHECK(is_still_heard(server, "POST /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                 "Content-Length: 1\r\n\r\nx"));
    CHECK(
        is_still_heard(server, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\r\n"));
    CHECK(is_still_heard(server, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n"));
    end(server);
}

static void start_with_nothing(void *state)
{
    anqa_pid test;

    memcpy(&test, state, sizeof test);
    CHECK_STATUS(conn_start(&service, false, (anqa_tcp){0}), ANQA_E_INVALID);
    CHECK_STATUS(anqa_send(test, "started", anqa_nothing()), ANQA_OK);
}

TEST(a_connection_that_ends_before_it_has_run_is_not_counted)
{
    struct server server = begin();
    anqa_pid test = anqa_self();

    CHECK_STATUS(
        anqa_spawn(
            &(anqa_spawn_opts){
                .run = start_with_nothing, .arg = &test, .arg_size = sizeof test, .scheduler = 1},
            NULL, NULL),
        ANQA_OK);
    CHECK(anqa_receive(HARNESS_LONG_MS) != NULL);
    end(server);
}

TEST(more_connections_than_allowed_are_reset)
{
    struct server server = begin();
    static int fds[501];
    char buf[1024];

    for (unsigned i = 0; i < 501; i++) {
        fds[i] = dial(server);
        if (i < 500) {
            peer_put(fds[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 32);
            (void)peer_get(fds[i], "hello", buf, sizeof buf);
            CHECK(strstr(buf, "200 OK") != NULL);
        }
    }
    peer_put(fds[500], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 32);
    CHECK_EQ(peer_get(fds[500], NULL, buf, sizeof buf), 0);
    for (unsigned i = 0; i < 501; i++)
        close(fds[i]);
    end(server);
}

TEST(static_files_are_served_whole_and_with_an_etag)
{
    char folder[] = "/tmp/anqa-static-XXXXXX", path[64], *big = malloc(3 << 20),
         *all = malloc(4 << 20);
    struct static_spec spec = {.folder = folder, .index = "index.html"};
    struct server server;
    FILE *file;
    int fd;
    size_t len;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/big.txt", folder);
    memset(big, 'x', 3 << 20);
    file = fopen(path, "w");
    CHECK(fwrite(big, 1, 3 << 20, file) == 3 << 20);
    fclose(file);
    CHECK_STATUS(static_open(&assets, &spec, NULL), ANQA_OK);
    server = begin();
    fd = dial(server);
    peer_put(fd, "GET /big.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 54);
    usleep(50000); /* more than the kernel takes without us reading */
    len = peer_get(fd, NULL, all, 4 << 20);
    CHECK(strncmp(all, "HTTP/1.1 200 OK\r\n", 17) == 0);
    CHECK(strstr(all, "etag: ") != NULL);
    CHECK(len > 3 << 20 && memcmp(all + len - (3 << 20), big, 3 << 20) == 0);
    close(fd);
    fd = dial(server);
    peer_put(fd, "GET /../big.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 57);
    (void)peer_get(fd, NULL, all, 4 << 20);
    CHECK(strncmp(all, "HTTP/1.1 404 ", 13) == 0);
    close(fd);
    end(server);
    static_close(&assets);
    unlink(path);
    rmdir(folder);
    free(big);
    free(all);
}

static _Atomic(size_t) read_bytes;

/* Reads as fast as it comes. */
static void *swallow(void *fd)
{
    static char buf[1 << 20];
    ssize_t n;

    while ((n = recv(*(int *)fd, buf, sizeof buf, 0)) > 0)
        atomic_fetch_add(&read_bytes, (size_t)n);
    return NULL;
}

TEST(a_download_goes_on_beside_others_and_may_be_given_up)
{
    static const off_t size = (off_t)2 << 30;
    char folder[] = "/tmp/anqa-static-XXXXXX", path[64], buf[1024];
    struct static_spec spec = {.folder = folder};
    struct server server;
    pthread_t reader;
    int fd, file, others[4];

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/holes", folder);
    file = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(ftruncate(file, size) == 0);
    close(file);
    CHECK_STATUS(static_open(&assets, &spec, NULL), ANQA_OK);
    server = begin();
    fd = dial(server);
    for (size_t i = 0; i < ANQA_COUNT(others); i++) /* on both schedulers */
        others[i] = dial(server);
    peer_put(fd, "GET /holes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 52);
    CHECK_EQ(pthread_create(&reader, NULL, swallow, &fd), 0);
    while (atomic_load(&read_bytes) < 1 << 20)
        usleep(100);
    for (size_t i = 0; i < ANQA_COUNT(others); i++)
        peer_put(others[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 32);
    for (size_t i = 0; i < ANQA_COUNT(others); i++) {
        (void)peer_get(others[i], "hello", buf, sizeof buf);
        CHECK(strstr(buf, "200 OK") != NULL);
        close(others[i]);
    }
    CHECK(atomic_load(&read_bytes) < (size_t)size / 2);
    CHECK(shutdown(fd, SHUT_RDWR) == 0);
    CHECK_EQ(pthread_join(reader, NULL), 0);
    while (atomic_load(&service.connections) > 0)
        usleep(1000);
    close(fd);
    end(server);
    static_close(&assets);
    unlink(path);
    rmdir(folder);
}

/* ---------------------------------------------------------------- WebSocket */

static void check_echo(int fd, unsigned opcode, const char *data, size_t len)
{

    peer_put_frame(fd, opcode, data, len);
    CHECK_EQ(peer_get_frame(fd, got, sizeof got, &got_len), (int)(opcode == 9 ? 10 : opcode));
    CHECK(got_len == len && memcmp(got, data, len) == 0);
}

static char data[100000];

TEST(messages_come_back_small_and_large_and_pings_too)
{
    struct server server = begin();
    int fd = dial_ws(server);

    memset(data, 'm', sizeof data);
    check_echo(fd, 1, "one", 3);
    check_echo(fd, 2, data, sizeof data);
    check_echo(fd, 1, data, 65535);
    check_echo(fd, 9, "ping", 4);
    close(fd);
    end(server);
    CHECK_EQ(atomic_load(&closed_count), 1);
}

TEST(many_messages_at_once_come_back_in_order)
{
    struct server server = begin();
    int fd = dial_ws(server);

    memset(data, 'm', 500);
    for (int i = 0; i < 500; i++)
        peer_put_frame(fd, 1, data, (size_t)i);
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(peer_get_frame(fd, got, sizeof got, &got_len), 1);
        CHECK_EQ(got_len, (size_t)i);
    }
    close(fd);
    end(server);
}

TEST(a_close_is_answered_and_then_the_server_closes)
{
    struct server server = begin();
    int fd = dial_ws(server);

    peer_put_frame(fd, 8, "\x03\xe8", 2);
    CHECK_EQ(peer_get_frame(fd, got, sizeof got, &got_len), 8);
    CHECK_EQ(got_len, 2);
    CHECK(peer_at_end(fd));
    close(fd);
    end(server);
}

TEST(behind_a_close_frame_nothing_more_is_sent)
{
    struct server server = begin();
    int fd = dial_ws(server);

    peer_put_frame(fd, 1, "part", 4);
    peer_put_frame(fd, 9, "ping", 4);
    peer_put_frame(fd, 1, "unheard", 7);
    CHECK_EQ(peer_get_frame(fd, got, sizeof got, &got_len), 8);
    CHECK_STR(got + 2, "parted");
    peer_put_frame(fd, 8, "\x03\xe8", 2);
    CHECK(peer_at_end(fd));
    close(fd);
    end(server);
    CHECK_EQ(atomic_load(&message_count), 1);
}

TEST(who_is_not_read_is_read_again_for_its_answer_to_a_close)
{
    struct server server = begin();
    int fd = dial_ws(server);

    peer_put_frame(fd, 1, "pause and part", 14);
    CHECK_EQ(peer_get_frame(fd, got, sizeof got, &got_len), 8);
    peer_put_frame(fd, 8, "\x03\xe8", 2);
    CHECK_EQ(recv(fd, got, 1, 0), 0, "in good order: it is reset when its answer is not read");
    close(fd);
    end(server);
}

static char filled[(1 << 20) + 2];

TEST(as_much_output_as_is_allowed_is_sent_and_a_byte_more_resets)
{
    struct server server = begin();
    int fd = dial_ws(server);

    for (int i = 0; i < 2; i++) { /* what is sent makes room */
        peer_put_frame(fd, 1, "fill 1048576", 12);
        CHECK_EQ(recv(fd, filled, 1 << 20, MSG_WAITALL), 1 << 20);
        CHECK_EQ(filled[(1 << 20) - 1], 'f');
    }
    peer_put_frame(fd, 1, "fill 1048577", 12);
    CHECK(peer_at_end(fd));
    close(fd);
    end(server);
}

TEST(a_slow_reader_is_reset_and_nobody_waits_for_it)
{
    struct server server = begin();
    int slow = dial_ws(server), other = dial_ws(server);

    peer_put_frame(slow, 1, "flood", 5);
    peer_put_frame(other, 1, "still here", 10);
    CHECK_EQ(peer_get_frame(other, got, sizeof got, &got_len), 1);
    CHECK_STR(got, "still here");
    for (int i = 0; i < 10000 && atomic_load(&closed_count) == 0; i++)
        usleep(10000);
    CHECK_EQ(atomic_load(&closed_count), 1);
    close(slow);
    close(other);
    end(server);
}

TEST(a_crash_ends_one_connection_only)
{
    struct server server = begin();
    int bad = dial_ws(server), good = dial_ws(server);

    peer_put_frame(bad, 1, "crash", 5);
    CHECK(peer_at_end(bad));
    peer_put_frame(good, 1, "fine", 4);
    CHECK_EQ(peer_get_frame(good, got, sizeof got, &got_len), 1);
    close(bad);
    close(good);
    end(server);
}

TEST(draining_tells_each_websocket_why)
{
    struct server server = begin();
    int fd = dial_ws(server);

    peer_put_frame(fd, 1, "x", 1);
    CHECK_EQ(peer_get_frame(fd, got, sizeof got, &got_len), 1);
    end(server); /* drains with 1012; this client does not answer, and is reset after a second */
    CHECK_EQ(peer_get_frame(fd, got, sizeof got, &got_len), 8);
    CHECK_EQ(((unsigned char)got[0] << 8 | (unsigned char)got[1]), 1012);
    close(fd);
}

static _Atomic(int) other_dropped;

static void other_drop(struct http_service *other)
{
    atomic_fetch_add(&other_dropped, 1);
}

TEST(draining_one_service_leaves_the_connections_of_another_alone)
{
    static struct http_service other = {.drop = other_drop, .refs = 1};
    struct server server = begin(), beside = server;
    char address[ANQA_ADDRESS_TEXT];
    int fds[8], drained;

    CHECK_STATUS(service_listen(&other, "127.0.0.1:0", address, NULL), ANQA_OK);
    beside.port = (uint16_t)atoi(strrchr(address, ':') + 1);
    for (size_t i = 0; i < ANQA_COUNT(fds); i++) /* on both schedulers */
        fds[i] = dial_ws(server);
    drained = dial(beside);
    while (atomic_load(&other.connections) == 0)
        usleep(1000);
    service_drain(&other, 1012, 2000);
    CHECK(peer_at_end(drained));
    for (size_t i = 0; i < ANQA_COUNT(fds); i++) {
        peer_put_frame(fds[i], 1, "still here", 10);
        CHECK_EQ(peer_get_frame(fds[i], got, sizeof got, &got_len), 1);
        close(fds[i]);
    }
    close(drained);
    service_unref(&other);
    CHECK_EQ(atomic_load(&other_dropped), 1);
    end(server);
}

TEST(draining_ends_who_waits_in_the_middle_of_a_request)
{
    struct server server = begin();
    int fd = dial(server);

    peer_put(fd, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n", 32);
    while (atomic_load(&service.connections) == 0)
        usleep(1000);
    usleep(20000);
    end(server);
    CHECK(peer_at_end(fd));
    close(fd);
}

TEST(the_time_for_a_head_does_not_run_while_its_request_is_served)
{
    struct server server = begin();
    char buf[1024];
    int fd = dial(server);

    peer_put(fd, late_upgrade, sizeof late_upgrade - 1);
    usleep(3200000); /* head_timeout is a second here */
    CHECK_EQ(atomic_load(&thinking), 1);
    atomic_store(&thinking, 2);
    (void)peer_get(fd, "\r\n\r\n", buf, sizeof buf);
    CHECK(strncmp(buf, "HTTP/1.1 101 ", 13) == 0, "%s", buf);
    close(fd);
    end(server);
}

TEST(a_handshake_that_is_under_way_when_its_service_drains_is_answered_and_then_told)
{
    struct server server = begin();
    char buf[1024];
    int fd = dial(server);

    peer_put(fd, late_upgrade, sizeof late_upgrade - 1);
    peer_put_frame(fd, 1, "early", 5);
    while (atomic_load(&thinking) == 0)
        usleep(1000);
    outlets_drain(&(struct drain){.service = &service, .code = 1012});
    while (!atomic_load(&told_to_leave))
        usleep(1000);
    atomic_store(&thinking, 2);
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK(strncmp(buf, "HTTP/1.1 503 ", 13) == 0, "%s", buf);
    for (int i = 0; i < 10000 && atomic_load(&closed_count) == 0; i++)
        usleep(1000);
    CHECK_EQ(atomic_load(&closed_count), 1);
    CHECK_EQ(atomic_load(&message_count), 0);
    close(fd);
    end(server);
}

static void *come_back(void *server)
{
    int old = dial_ws(*(struct server *)server);

    atomic_store(&message_count, 1);                             /* it may drain */
    CHECK_EQ(peer_get_frame(old, got, sizeof got, &got_len), 8); /* and does not answer */
    CHECK(!can_dial(*(struct server *)server));
    close(old);
    return NULL;
}

TEST(while_it_drains_nobody_new_is_let_in)
{
    struct server server = begin();
    pthread_t client;

    CHECK_EQ(pthread_create(&client, NULL, come_back, &server), 0);
    while (atomic_load(&message_count) == 0)
        usleep(1000);
    end(server);
    CHECK_EQ(pthread_join(client, NULL), 0);
}

TEST(a_runtime_that_stops_ends_connections_in_whatever_state_and_lets_go_of_the_service)
{
    struct server server = begin();
    int fds[9];

    for (size_t i = 0; i < ANQA_COUNT(fds); i++) {
        static const char *const requests[] = {
            "GET /never HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hello HT", upgrade};
        fds[i] = dial(server);
        peer_put(fds[i], requests[i % 3], strlen(requests[i % 3]));
        if (i % 3 == 2)
            peer_put_frame(fds[i], 1, "flood", i < 4 ? 5 : 3);
    }
    while (atomic_load(&service.connections) < ANQA_COUNT(fds) - 1)
        usleep(1000);
    service_unref(&service);
    anqa_detach();
    anqa_stop(server.rt);
    CHECK_EQ(atomic_load(&dropped), 1);
    CHECK_EQ(atomic_load(&service.connections), 0);
    for (size_t i = 0; i < ANQA_COUNT(fds); i++)
        close(fds[i]);
}

TEST(a_thousand_clients_come_and_vanish_and_nothing_is_left)
{
    struct server server = begin();

    for (int i = 0; i < 1000; i++) {
        int fd = i % 3 == 0 ? dial(server) : dial_ws(server);
        if (i % 3 == 1) {
            peer_put_frame(fd, 1, "x", 1);
            CHECK_EQ(peer_get_frame(fd, got, sizeof got, &got_len), 1);
        } else if (i % 3 == 2) {
            peer_put(fd, "\x81\x85\0\0", 4); /* a part of a frame */
        }
        close(fd);
    }
    for (int i = 0; i < 10000 && atomic_load(&service.connections) != 0; i++)
        usleep(10000);
    CHECK_EQ(atomic_load(&service.connections), 0);
    end(server);
}
