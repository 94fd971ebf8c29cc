/* An endpoint with a socket that its program was given. */
#include "channel/rooms.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/inherit.h"

/* The socket, as a service manager gives it. */
static void be_given_a_socket(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char pid[16];

    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0);
    CHECK(dup2(fd, INHERIT_FIRST_FD) == INHERIT_FIRST_FD);
    close_range(INHERIT_FIRST_FD + 1, ~0u, 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    CHECK_STATUS(inherit_begin(NULL), ANQA_OK);
}

static void kill_endpoint(void)
{
    anqa_ref ref = anqa_monitor(server_endpoint());

    anqa_exit_signal(server_endpoint(), ANQA_KILL);
    CHECK(anqa_receive_ref(ref, ANQA_INFINITY) != NULL);
}

static void crash_and_come_back(void)
{
    static const char request[] = "GET /none HTTP/1.1\r\nHost: a\r\n\r\n";
    char text[64] = "";
    anqa_pid second;
    int fd;

    be_given_a_socket();
    server_begin(&rooms_endpoint);
    kill_endpoint();
    fd = client_dial(); /* nobody accepts, and nobody refuses */
    CHECK(fd >= 0 && send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0);
    CHECK_STATUS(anqa_gen_server_start(&anqa_endpoint_server, &rooms_endpoint, NULL, &second, NULL),
        ANQA_OK);
    CHECK(recv(fd, text, sizeof text - 1, 0) > 0);
    CHECK(strncmp(text, "HTTP/1.1 404 ", 13) == 0, "%s", text);
    close(fd);
    CHECK_STATUS(anqa_gen_server_stop(second, ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
    CHECK_EQ(client_dial(), -1);
    server_end();
}

TEST(who_comes_between_the_crash_of_an_endpoint_and_its_restart_waits)
{
    int status = 0;
    pid_t pid = fork(); /* with descriptors of its own */

    if (pid == 0) {
        crash_and_come_back();
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}
