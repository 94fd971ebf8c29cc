/* Programs that replace themselves, or are given their sockets: with the server of fixture/server.c. */
#include "otp/launched.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define LIMIT .timeout_ms = 120000

static struct launched begin(void)
{
    return launched_begin(&(struct launch){.program = RESTART_SERVER});
}

/* Asks for a restart, and waits until the successor has come to where its file "go" is waited for. */
static void begin_restart_that_waits(const struct launched *server)
{
    launched_put(server, "mode", "wait");
    launched_signal(server, SIGUSR2);
    launched_await(server, "waiting\n", 1);
}

/* Nothing has changed. */
static void check_serves(const struct launched *server, pid_t pid)
{
    CHECK_EQ(server->pid, pid);
    for (int i = 0; i < 20; i++) /* some for each of its sockets */
        CHECK_EQ(launched_get_once(server->port), 200);
}

/* ---------------------------------------------------------------- restarts */

TEST(a_successor_serves_at_the_same_port_when_the_one_before_has_ended, LIMIT)
{
    struct launched server = begin();
    pid_t first = server.pid;

    launched_restart(&server);
    CHECK(server.pid != first);
    CHECK_EQ(launched_port(&server, 0), server.port);
    check_serves(&server, server.pid);
    launched_restart(&server);
    check_serves(&server, server.pid);
    launched_end(&server);
}

TEST(two_endpoints_that_asked_for_any_port_keep_their_own, LIMIT)
{
    struct launched server = launched_begin(&(struct launch){
        .program = RESTART_SERVER, .variables = (const char *const[]){"TWO=1", NULL}});
    uint16_t web = launched_port(&server, 1), admin = launched_port(&server, 0);

    launched_restart(&server);
    CHECK(web != admin);
    CHECK_EQ(launched_port(&server, 1), web);
    CHECK_EQ(launched_port(&server, 0), admin);
    CHECK_EQ(launched_get_once(admin), 200);
    launched_end(&server);
}

static int dial_local(const struct launched *server)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s/server.sock", server->path);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

TEST(a_unix_socket_is_handed_on_with_its_file_which_the_last_one_removes, LIMIT)
{
    struct launched server = launched_begin(&(struct launch){
        .program = RESTART_SERVER, .variables = (const char *const[]){"LOCAL=1", NULL}});
    bool closes;
    int fd;

    for (int i = 0; i < 2; i++) {
        fd = dial_local(&server);
        CHECK(fd >= 0);
        CHECK_EQ(launched_get(fd, false, &closes), 200);
        close(fd);
        launched_restart(&server);
    }
    CHECK_EQ(faccessat(server.folder, "server.sock", F_OK, 0), 0);
    fd = dup(server.folder);
    launched_end(&server);
    CHECK_EQ(faccessat(fd, "server.sock", F_OK, 0), -1);
    close(fd);
}

static void check_control(const struct launched *server, const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct ucred peer;
    socklen_t len = sizeof peer;

    snprintf(at.sun_path, sizeof at.sun_path, "%s/%s", server->path, name);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&at, sizeof at), 0, "%s", name);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
    CHECK_EQ(peer.pid, server->pid);
    close(fd);
}

TEST(a_successor_takes_the_path_of_the_control_socket_and_the_last_one_removes_it, LIMIT)
{
    struct launched server = launched_begin(&(struct launch){.program = RESTART_SERVER,
        .arguments = (const char *const[]){"--runtime.control=own.sock", NULL}});
    int fd;

    check_control(&server, "own.sock");
    for (int i = 0; i < 2; i++) {
        launched_restart(&server);
        check_control(&server, "own.sock");
        CHECK_EQ(faccessat(server.folder, "own.sock.new", F_OK, 0), -1);
    }
    fd = dup(server.folder);
    launched_end(&server);
    CHECK_EQ(faccessat(fd, "own.sock", F_OK, 0), -1);
    close(fd);
}

TEST(while_a_successor_starts_the_control_socket_stays_the_one_befores, LIMIT)
{
    struct launched server = launched_begin(&(struct launch){.program = RESTART_SERVER,
        .arguments = (const char *const[]){"--runtime.control=own.sock", NULL}});
    pid_t before = server.pid;

    begin_restart_that_waits(&server);
    check_control(&server, "own.sock");
    CHECK_EQ(faccessat(server.folder, "own.sock.new", F_OK, 0),
        0); /* a start that hangs is looked at there */
    launched_put(&server, "go", "");
    launched_await_successor(&server, before);
    launched_wait(before);
    check_control(&server, "own.sock");
    launched_end(&server);
}

TEST(who_comes_between_the_end_of_the_one_and_the_start_of_the_other_waits, LIMIT)
{
    struct launched server = begin();
    pid_t before = server.pid;
    bool closes;
    int fd;

    begin_restart_that_waits(&server);
    launched_signal(&server, SIGKILL); /* in the middle of the hand-over */
    CHECK(WIFSIGNALED(launched_wait(before)));
    fd = launched_dial(server.port);
    CHECK(fd >= 0);
    launched_put(&server, "go", "");
    CHECK_EQ(launched_get(fd, false, &closes), 200);
    close(fd);
    launched_await_successor(&server, before);
    launched_await(&server, "restart.alone", 1);
    check_serves(&server, server.pid);
    launched_end(&server);
}

TEST(a_successor_that_ends_while_it_starts_changes_nothing, LIMIT)
{
    struct launched server = begin();

    launched_put(&server, "mode", "crash");
    launched_signal(&server, SIGUSR2);
    launched_await(&server, "the successor ended with status 3", 1);
    check_serves(&server, server.pid);
    launched_put(&server, "mode", "");
    launched_restart(&server); /* another time it goes well */
    check_serves(&server, server.pid);
    launched_end(&server);
}

TEST(a_successor_that_is_not_ready_in_time_is_killed, LIMIT)
{
    struct launched server = launched_begin(&(struct launch){.program = RESTART_SERVER,
        .arguments = (const char *const[]){"--program.restart_timeout=500ms", NULL}});

    launched_put(&server, "mode", "wait");
    launched_signal(&server, SIGUSR2);
    launched_await(&server, "the successor was not ready within 500 ms", 1);
    check_serves(&server, server.pid);
    launched_end(&server);
}

/* The process id in the last line about a successor. */
static pid_t successor_of(const struct launched *server)
{
    char path[64], text[64] = "";
    int fd;
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)server->pid, (int)server->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    n = read(fd, text, sizeof text - 1);
    close(fd);
    CHECK(n > 0, "it has no child");
    return (pid_t)strtol(text, NULL, 10);
}

TEST(a_successor_that_is_killed_while_it_starts_changes_nothing, LIMIT)
{
    struct launched server = begin();

    begin_restart_that_waits(&server);
    CHECK(kill(successor_of(&server), SIGKILL) == 0);
    launched_await(&server, "the successor ended by signal 9", 1);
    check_serves(&server, server.pid);
    launched_end(&server);
}

TEST(a_second_signal_while_a_successor_starts_is_refused, LIMIT)
{
    struct launched server = begin();
    pid_t before = server.pid;

    begin_restart_that_waits(&server);
    launched_signal(&server, SIGUSR2);
    launched_await(&server, "restart.refused", 1);
    check_serves(&server, before);
    launched_put(&server, "go", "");
    launched_await_successor(&server, before);
    (void)launched_wait(before);
    launched_await(&server, "restart.begun", 1);
    check_serves(&server, server.pid);
    launched_end(&server);
}

TEST(a_stop_while_a_successor_starts_ends_both, LIMIT)
{
    struct launched server = begin();

    begin_restart_that_waits(&server);
    launched_end(&server);
    CHECK_EQ(waitpid(-1, NULL, 0), -1); /* no successor is left to us */
}

/* ---------------------------------------------------------------- another version */

static void install(const struct launched *server, const char *program, const char *name)
{
    int from = open(program, O_RDONLY | O_CLOEXEC);
    int to = openat(server->folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    struct stat file;

    CHECK(from >= 0 && to >= 0 && fstat(from, &file) == 0);
    for (off_t at = 0; at < file.st_size;)
        CHECK(sendfile(to, from, &at, (size_t)(file.st_size - at)) > 0);
    close(from);
    close(to);
}

#define PATH_ROOM 128

/* The server, started from a copy of its program, in the folder of `home`. */
static struct launched begin_copy(struct launched *home, char path[PATH_ROOM])
{
    *home = begin();
    install(home, RESTART_SERVER, "server");
    snprintf(path, PATH_ROOM, "%s/server", home->path);
    return launched_begin(&(struct launch){.program = path});
}

TEST(a_program_that_was_replaced_on_disk_is_the_one_that_is_started, LIMIT)
{
    char path[PATH_ROOM];
    struct launched home, server = begin_copy(&home, path);

    launched_await(&server, "version 1\n", 1);
    install(&home, RESTART_SERVER_NEW, "server.new");
    CHECK(renameat(home.folder, "server.new", home.folder, "server") == 0);
    launched_restart(&server);
    launched_await(&server, "version 2\n", 1);
    check_serves(&server, server.pid);
    launched_end(&server);
    launched_end(&home);
}

TEST(a_program_that_is_gone_from_disk_goes_on, LIMIT)
{
    char path[PATH_ROOM];
    struct launched home, server = begin_copy(&home, path);

    CHECK(unlink(path) == 0);
    launched_signal(&server, SIGUSR2);
    launched_await(&server, "restart.failed", 1);
    check_serves(&server, server.pid);
    launched_end(&server);
    launched_end(&home);
}

/* ---------------------------------------------------------------- descriptors */

static unsigned open_files(pid_t pid)
{
    char path[64];
    unsigned count = 0;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    folder = opendir(path);
    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

TEST(a_successor_has_the_sockets_and_no_other_file_of_the_one_before, LIMIT)
{
    int stray = fcntl(STDERR_FILENO, F_DUPFD, 60); /* as one that an application forgot to mark */
    struct launched server = begin();
    unsigned first = open_files(server.pid), second;

    CHECK_EQ(close(stray), 0);
    launched_restart(&server);
    second = open_files(server.pid);
    CHECK(second < first, "%u, then %u", first, second);
    for (int i = 0; i < 4; i++)
        launched_restart(&server);
    CHECK(open_files(server.pid) < second + 4, "one more with each restart");
    launched_end(&server);
}

TEST(each_socket_is_read_whatever_number_of_schedulers_a_successor_has, LIMIT)
{
    static const char *const counts[] = {
        "schedulers = 1\n", "schedulers = 5\n", "schedulers = 2\n"};
    char path[64] = "/tmp/anqa-restart-conf-XXXXXX", argument[96];
    int file = mkstemp(path);
    struct launched server;

    snprintf(argument, sizeof argument, "--config=%s", path);
    CHECK(file >= 0 && write(file, "[runtime]\nschedulers = 4\n", 25) == 25);
    server = launched_begin(&(struct launch){
        .program = RESTART_SERVER, .arguments = (const char *const[]){argument, NULL}});
    for (size_t i = 0; i < ANQA_COUNT(counts); i++) {
        CHECK(pwrite(file, counts[i], strlen(counts[i]), 10) == (ssize_t)strlen(counts[i]));
        launched_restart(&server);
        check_serves(&server, server.pid);
    }
    launched_end(&server);
    close(file);
    unlink(path);
}

/* ---------------------------------------------------------------- a service manager's sockets */

static int listen_somewhere(uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

TEST(an_endpoint_takes_the_socket_that_it_is_given_and_hands_it_on, LIMIT)
{
    uint16_t port;
    int fd = listen_somewhere(&port);
    struct launched server = launched_begin(&(struct launch){
        .program = RESTART_SERVER, .sockets = &fd, .socket_count = 1, .socket_names = "web"});

    CHECK_EQ(launched_port(&server, 0), port);
    server.port = port;
    check_serves(&server, server.pid);
    launched_restart(&server);
    check_serves(&server, server.pid);
    launched_end(&server);
    close(fd);
}

TEST(names_choose_the_endpoint_and_what_nobody_wants_is_closed, LIMIT)
{
    uint16_t ports[3];
    int fds[3];
    struct launched server;

    for (int i = 0; i < 3; i++)
        fds[i] = listen_somewhere(&ports[i]);
    server = launched_begin(&(struct launch){.program = RESTART_SERVER,
        .variables = (const char *const[]){"TWO=1", NULL},
        .sockets = fds,
        .socket_count = 3,
        .socket_names = "admin:web:other"});
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    CHECK_EQ(launched_port(&server, 1), ports[1]);
    CHECK_EQ(launched_port(&server, 0), ports[0]);
    CHECK_EQ(launched_get_once(ports[0]), 200);
    CHECK_EQ(launched_get_once(ports[1]), 200);
    launched_await(&server, "listener.not_wanted name=other", 1);
    CHECK_EQ(launched_dial(ports[2]), -1);
    launched_end(&server);
}

TEST(sockets_that_are_meant_for_another_process_are_left_alone, LIMIT)
{
    struct launched server = launched_begin(&(struct launch){.program = RESTART_SERVER,
        .variables = (const char *const[]){"LISTEN_PID=1", "LISTEN_FDS=1", NULL}});

    check_serves(&server, server.pid);
    launched_end(&server);
}

/* ---------------------------------------------------------------- words to a service manager */

struct manager {
    int fd;
    struct sockaddr_un at;
    char variable[160];
};

/* name: a path, or "@" and a name in the abstract space. */
static void manager_open(struct manager *manager, const char *name)
{
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    struct timeval patience = {.tv_sec = 60};

    manager->at = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(manager->at.sun_path, name, strlen(name));
    if (name[0] == '@')
        manager->at.sun_path[0] = '\0';
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(manager->fd, (struct sockaddr *)&manager->at, len) == 0);
    setsockopt(manager->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    snprintf(manager->variable, sizeof manager->variable, "NOTIFY_SOCKET=%s", name);
}

/* The next datagram, in a static buffer. */
static const char *heard(const struct manager *manager)
{
    static char text[256];
    ssize_t n = recv(manager->fd, text, sizeof text - 1, 0);

    CHECK(n > 0, "nothing was said");
    text[n] = '\0';
    return text;
}

/* A server that tells it. kind: what its name begins with, up to the process id. */
static struct launched begin_told(struct manager *manager, const char *kind)
{
    char name[64];

    snprintf(name, sizeof name, "%s-%d", kind, (int)getpid());
    manager_open(manager, name);
    return launched_begin(&(struct launch){
        .program = RESTART_SERVER, .variables = (const char *const[]){manager->variable, NULL}});
}

static void expect_ready(const struct manager *manager, pid_t pid)
{
    char text[64];

    snprintf(text, sizeof text, "READY=1\nMAINPID=%d", (int)pid);
    CHECK_STR(heard(manager), text);
}

TEST(a_service_manager_is_told_of_start_restart_and_stop, LIMIT)
{
    struct manager manager;
    struct launched server = begin_told(&manager, "/tmp/anqa-notify");
    char told[64], first[64], second[64];

    expect_ready(&manager, server.pid);
    launched_restart(&server);
    CHECK(strncmp(heard(&manager), "RELOADING=1\nMONOTONIC_USEC=", 27) == 0);
    snprintf(told, sizeof told, "MAINPID=%d\nREADY=1", (int)server.pid);
    snprintf(first, sizeof first, "%s", heard(&manager));
    snprintf(second, sizeof second, "%s", heard(&manager));
    CHECK(strcmp(first, told) == 0 || strcmp(second, told) == 0, "from the one before: %s, %s",
        first, second);
    launched_end(&server);
    CHECK_STR(heard(&manager), "STOPPING=1");
    close(manager.fd);
    unlink(manager.at.sun_path);
}

TEST(a_restart_that_fails_ends_the_reload, LIMIT)
{
    struct manager manager;
    struct launched server = begin_told(&manager, "@anqa-notify");

    expect_ready(&manager, server.pid);
    launched_put(&server, "mode", "crash");
    launched_signal(&server, SIGUSR2);
    CHECK(strncmp(heard(&manager), "RELOADING=1\n", 12) == 0);
    CHECK_STR(heard(&manager), "READY=1");
    launched_end(&server);
    close(manager.fd);
}

TEST(a_watchdog_is_fed_as_long_as_processes_run_and_by_the_successor_too, LIMIT)
{
    struct manager manager;
    struct launched server;
    char name[64];

    snprintf(name, sizeof name, "@anqa-watchdog-%d", (int)getpid());
    manager_open(&manager, name);
    server = launched_begin(&(struct launch){.program = RESTART_SERVER,
        .variables = (const char *const[]){manager.variable, "WATCHDOG_USEC=20000", NULL}});
    for (int pings = 0; pings < 5;)
        pings += strcmp(heard(&manager), "WATCHDOG=1") == 0;
    launched_restart(&server);
    while (recv(manager.fd, name, sizeof name, MSG_DONTWAIT) > 0)
        continue;
    CHECK_STR(heard(&manager), "WATCHDOG=1");
    launched_end(&server);
    close(manager.fd);
}
