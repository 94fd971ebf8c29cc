/* Listening sockets from elsewhere: adopting one, what the environment says of them, and whose they are. */
#include "net_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "runtime/inherit.h"
#include "runtime/net_int.h"

#define FIRST_HIGH 200

/* A socket that listens on a port of its own. */
static int listening(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0);
    return fd;
}

/* ---------------------------------------------------------------- adopting */

TEST(an_adopted_socket_accepts_and_is_closed_with_its_listener)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listener;
    int fd = listening();
    char text[ANQA_ADDRESS_TEXT];

    CHECK_STATUS(anqa_listener_adopt(fd, &listener, NULL), ANQA_OK);
    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    (void)connect_to(text);
    (void)accept_from(listener);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    rt_close(rt);
}

TEST(a_connection_goes_to_one_of_those_who_share_a_socket)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listeners[2];
    int fd = listening();
    unsigned accepted = 0;

    CHECK_STATUS(anqa_listener_adopt(dup(fd), &listeners[0], NULL), ANQA_OK);
    CHECK_STATUS(anqa_listener_adopt(fd, &listeners[1], NULL), ANQA_OK);
    for (int i = 0; i < 10; i++)
        (void)connect_to(address_of(listeners[0]));
    for (int i = 0; i < 20; i++) {
        anqa_tcp conn;
        accepted += anqa_accept(listeners[i % 2], 0, &conn, NULL) == ANQA_OK;
    }
    CHECK_EQ(accepted, 10);
    rt_close(rt);
}

TEST(what_does_not_listen_cannot_be_adopted)
{
    anqa_rt *rt = rt_open(1);
    int fds[] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_UNIX, SOCK_DGRAM, 0),
        open("/dev/null", O_RDONLY), -1};
    anqa_listener listener;
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(fds); i++) {
        CHECK_STATUS(anqa_listener_adopt(fds[i], &listener, &err), ANQA_E_INVALID);
        CHECK(strstr(err.text, "is no socket that listens") != NULL, "%s", err.text);
        CHECK_EQ(close(fds[i]), fds[i] < 0 ? -1 : 0); /* it is still ours */
    }
    rt_close(rt);
}

TEST(adopting_without_memory_leaves_the_socket_to_the_caller)
{
    anqa_rt *rt = rt_open(1);
    int fd = listening();

    EACH_ALLOC_FAILURE {
        anqa_listener listener;
        int copy = dup(fd);
        anqa_status status = anqa_listener_adopt(copy, &listener, NULL);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        if (status == ANQA_OK)
            CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
        else
            CHECK_EQ(close(copy), 0);
    }
    close(fd);
    rt_close(rt);
}

/* ---------------------------------------------------------------- the environment */

/* Runs `body` in a process that has `count` sockets from descriptor `first` on, and no other. */
static void in_process(int first, unsigned count, void (*body)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        for (unsigned i = 0; i < count; i++)
            CHECK(dup2(listening(), FIRST_HIGH + (int)i) >= 0);
        for (unsigned i = 0; i < count; i++)
            CHECK(dup2(FIRST_HIGH + (int)i, first + (int)i) >= 0);
        close_range((unsigned)first + count, ~0u, 0);
        body();
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void set_manager(const char *count, const char *names)
{
    char pid[16];

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", names, 1);
}

static const int one, other; /* owners */

static void claims_by_name(void)
{
    set_manager("3", "web:admin:web");
    CHECK_STATUS(inherit_begin(NULL), ANQA_OK);
    CHECK(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL);
    CHECK_EQ(fcntl(INHERIT_FIRST_FD, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(inherit_claim(&one, "web", "127.0.0.1:1"), 2);
    CHECK_EQ(inherit_claim(&other, "none", "127.0.0.1:1"), 0);
    CHECK_EQ(inherit_claim(&other, NULL, "127.0.0.1:1"), 1);
    CHECK(inherit_is_open());
}

TEST(sockets_of_a_service_manager_are_claimed_by_name)
{
    in_process(INHERIT_FIRST_FD, 3, claims_by_name);
}

static void stays_when_owner_crashes(void)
{
    int fd;

    set_manager("1", "web");
    CHECK_STATUS(inherit_begin(NULL), ANQA_OK);
    CHECK_EQ(inherit_claim(&one, NULL, ""), 1);
    fd = inherit_dup(&one, 0);
    CHECK(fd >= 0);
    CHECK_EQ(inherit_dup(&one, 1), -1);
    close(fd);
    inherit_release(&one, false);
    CHECK_EQ(inherit_claim(&other, NULL, ""), 1);
    inherit_release(&other, true);
    CHECK_EQ(inherit_claim(&one, NULL, ""), 0);
    CHECK_EQ(fcntl(INHERIT_FIRST_FD, F_GETFD), -1);
}

TEST(a_given_socket_stays_when_its_owner_crashes_and_goes_when_he_ends_in_good_order)
{
    in_process(INHERIT_FIRST_FD, 1, stays_when_owner_crashes);
}

static void hands_over(void)
{
    int ready[2];
    char byte;

    CHECK(pipe(ready) == 0);
    CHECK(dup2(ready[1], INHERIT_FIRST_FD) == INHERIT_FIRST_FD);
    close(ready[1]);
    setenv(INHERIT_VARIABLE, "a127.0.0.1:0\na127.0.0.1:0\nnweb\n", 1);
    CHECK_STATUS(inherit_begin(NULL), ANQA_OK);
    CHECK(getenv(INHERIT_VARIABLE) == NULL);
    CHECK(!inherit_is_open());
    CHECK_EQ(inherit_claim(&one, "mail", "127.0.0.1:0"), 1); /* their ports differ */
    CHECK_EQ(inherit_claim(&other, "mail", "127.0.0.1:0"), 1);
    inherit_open();
    CHECK(inherit_is_open());
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(read(ready[0], &byte, 1), 0);
    CHECK_EQ(inherit_claim(&one, "web", ""), 0); /* nobody had wanted it */
}

TEST(sockets_of_a_predecessor_are_claimed_by_address_and_he_is_told)
{
    in_process(INHERIT_FIRST_FD + 1, 3, hands_over);
}

static const char *bad_name, *bad_value;

static void refuses(void)
{
    anqa_error err;

    set_manager("1", "");
    setenv(bad_name, bad_value, 1);
    CHECK_STATUS(inherit_begin(&err), ANQA_E_INVALID);
    CHECK(err.text[0] != '\0');
}

TEST(variables_that_cannot_be_are_refused)
{
    static const char *const bad[][2] = {{"LISTEN_FDS", "x"}, {"LISTEN_FDS", ""},
        {"LISTEN_FDS", "-1"}, {"LISTEN_FDS", "99999"}, {"LISTEN_FDS", "2"},
        {INHERIT_VARIABLE, "x127.0.0.1:0\n"}, {INHERIT_VARIABLE, "a127.0.0.1:0\n"},
        {INHERIT_VARIABLE, "\n"}};
    static char long_name[2 * INHERIT_KEY];

    for (size_t i = 0; i < ANQA_COUNT(bad); i++) {
        bad_name = bad[i][0];
        bad_value = bad[i][1];
        in_process(INHERIT_FIRST_FD, 1, refuses);
    }
    memset(long_name, 'n', sizeof long_name - 1);
    bad_name = "LISTEN_FDNAMES";
    bad_value = long_name;
    in_process(INHERIT_FIRST_FD, 1, refuses);
}

/* ---------------------------------------------------------------- what is made here */

TEST(what_its_owner_has_made_ends_with_him_and_can_be_handed_on_before)
{
    struct inherit_socket *list;
    size_t count;

    CHECK_STATUS(inherit_keep(&one, "127.0.0.1:0", listening()), ANQA_OK);
    CHECK_STATUS(inherit_list(&list, &count), ANQA_OK);
    CHECK_EQ(count, 1);
    CHECK_STR(list[0].key, "a127.0.0.1:0");
    CHECK(list[0].fd > INHERIT_FIRST_FD + 1);
    inherit_list_free(list, count);
    inherit_release(&one, false);
    CHECK_EQ(inherit_dup(&one, 0), -1);
    CHECK_STATUS(inherit_keep(&one, "a\nb", listening()), ANQA_E_INVALID);
}

TEST(a_table_without_memory_says_so_and_leaks_nothing)
{
    EACH_ALLOC_FAILURE {
        struct inherit_socket *list;
        size_t count;
        anqa_status status = inherit_keep(&one, "127.0.0.1:0", listening());
        if (status == ANQA_OK)
            status = inherit_list(&list, &count);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        if (status == ANQA_OK)
            inherit_list_free(list, count);
        inherit_release(&one, false);
    }
}

static void socket_at(const char *path, bool hand_on)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listener = listen_on(path);

    CHECK_STATUS(inherit_keep(&one, path, listener_take_fd(listener)), ANQA_OK);
    CHECK_EQ(access(path + strlen("unix:"), F_OK), 0);
    if (hand_on)
        inherit_handed_on();
    inherit_release(&one, true);
    CHECK_EQ(access(path + strlen("unix:"), F_OK), hand_on ? 0 : -1);
    rt_close(rt);
}

TEST(the_file_of_a_unix_socket_is_removed_unless_a_successor_has_it)
{
    char path[ANQA_ADDRESS_TEXT];

    snprintf(path, sizeof path, "%s", in_folder("server"));
    socket_at(path, false);
    socket_at(path, true);
    CHECK_EQ(unlink(path + strlen("unix:")), 0);
    folder_remove();
}
