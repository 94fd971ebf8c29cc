/* Listening and connecting: ports and socket files that are taken, bad options, deadlines, refusals. */
#include "net_fixture.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

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
    anqa_tcp conn;
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
    anqa_tcp conn;
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
    anqa_tcp conn;
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
    anqa_tcp conn;
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

static void connect_to_full(void *arg)
{
    const char *text = arg;
    anqa_tcp conn;
    anqa_error err;
    uint64_t begin = rt_clock_us();

    CHECK_STATUS(anqa_connect(text, 60, &conn, &err), ANQA_E_TIMEOUT);
    CHECK(rt_clock_us() - begin >= 50000, "%" PRIu64, rt_clock_us() - begin);
}

static void check_full_queue(const char *address)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listener;
    anqa_tcp conn;
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
