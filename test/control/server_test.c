/* The control socket: who may connect, what is answered, and every limit. */
#include "peer.h"
#include "otp/support.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/control.h"
#include "control/path.h"

/* ---------------------------------------------------------------- a runtime with a control socket */

static anqa_status start(const anqa_control *control, anqa_error *err)
{
    static anqa_child_spec children[3]; /* a supervisor keeps a pointer to its specs */
    static const anqa_supervisor top = {.name = "top", .children = children, .max_restarts = 10000};
    anqa_pid pid;

    memcpy(children, (const anqa_child_spec[]){ANQA_CONTROL(control), {0}}, sizeof children);
    return anqa_supervisor_start_link(&top, &pid, err);
}

static anqa_rt *begin_with(const anqa_control *control)
{
    anqa_error err;
    anqa_rt *rt;

    folder_begin();
    rt = begin();
    CHECK_STATUS(start(control, &err), ANQA_OK, "%s", err.text);
    return rt;
}

/* ---------------------------------------------------------------- operations */

static anqa_pid waiting; /* the process of "wait", which tells */

static anqa_status op_echo(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    *ret_answer = args;
    return ANQA_OK;
}

static anqa_status op_wait(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    report(waiting, "waits", "");
    (void)anqa_receive(ANQA_INFINITY);
    return ANQA_OK;
}

static anqa_status op_refuse(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_PERMISSION, "not on \"Sundays\", \xff");
}

static anqa_status op_crash(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    anqa_exit(anqa_error_reason("boom"));
}

static anqa_status op_eat(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    char *much = anqa_heap_alloc(CONTROL_REQUEST_QUOTA + 1);

    *ret_answer = (anqa_json){much, 1};
    return ANQA_OK;
}

static anqa_status op_long(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    size_t len = (size_t)anqa_json_int(args, "bytes", 0);
    char *text = anqa_heap_alloc(len + 2);

    memset(text, 'x', len + 2);
    text[0] = text[len + 1] = '"';
    *ret_answer = (anqa_json){text, len + 2};
    return ANQA_OK;
}

static anqa_status op_lines(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    *ret_answer = ANQA_JSON_LITERAL_("[1,\r\n \"a\\n\"]");
    return ANQA_OK;
}

static anqa_status op_garbage(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    *ret_answer = ANQA_JSON_LITERAL_("{\"a\":");
    return ANQA_OK;
}

static const anqa_control_op program_ops[] = {{"echo", "gives its arguments back", op_echo},
    {"wait", NULL, op_wait}, {"refuse", NULL, op_refuse}, {"crash", NULL, op_crash},
    {"eat", NULL, op_eat}, {"long", NULL, op_long}, {"lines", NULL, op_lines},
    {"garbage", NULL, op_garbage}, {0}};

static const anqa_control plain = {.name = "shop", .version = "1.2", .ops = program_ops};

TEST(a_ping_says_who_runs_here)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();

    CHECK_STR(ask(peer, "{\"id\":7,\"op\":\"ping\"}"),
        anqa_tmp_printf("{\"id\":7,\"ok\":{\"name\":\"shop\",\"version\":\"1.2\",\"anqa\":\"%s\","
                        "\"pid\":%ld}}",
            anqa_version(), (long)getpid()));
    peer_close(peer);
    end(rt);
}

static const struct {
    const char *request, *answer;
} rows[] = {
    {"{\"id\":1,\"op\":\"echo\",\"args\":{\"a\":[1]}}", "{\"id\":1,\"ok\":{\"a\":[1]}}"},
    {"{\"id\":1,\"op\":\"echo\"}", "{\"id\":1,\"ok\":{}}"},
    {"{\"id\":1,\"op\":\"lines\"}", "{\"id\":1,\"ok\":[1,   \"a\\n\"]}"},
    {"{\"id\":1,\"op\":\"refuse\"}", "{\"id\":1,\"error\":{\"code\":\"permission\",\"message\":"
                                     "\"not on \\\"Sundays\\\", ?\"}}"},
    {"{\"id\":1,\"op\":\"crash\"}", "{\"id\":1,\"error\":{\"code\":\"died\",\"message\":"
                                    "\"the operation has ended without an answer: error: boom\"}}"},
    {"{\"id\":1,\"op\":\"none\"}", "{\"id\":1,\"error\":{\"code\":\"unsupported\",\"message\":"
                                   "\"there is no operation 'none'\"}}"},
    {"{\"id\":1,\"op\":\"stop\"}", "{\"id\":1,\"error\":{\"code\":\"unsupported\",\"message\":"
                                   "\"this program cannot be stopped from here\"}}"},
    {"{\"id\":1,\"op\":\"cancel\"}", "{\"id\":1,\"error\":{\"code\":\"not_found\",\"message\":"
                                     "\"no such request is under way\"}}"},
    {"{\"id\":1,\"op\":\"log_level\",\"args\":{\"level\":\"loud\"}}",
        "{\"id\":1,\"error\":{\"code\":\"invalid\",\"message\":\"there is no level 'loud'; there "
        "are "
        "none, emergency, alert, critical, error, warning, notice, info, debug\"}}"},
    {"{\"id\":1,\"op\":\"log_level\",\"args\":{\"level\":\"critical\"}}",
        "{\"id\":1,\"ok\":{\"level\":\"critical\"}}"},
    {"{\"id\":1,\"op\":\"log_level\"}", "{\"id\":1,\"ok\":{\"level\":\"critical\"}}"},
    {"{\"id\":1}", "{\"id\":1,\"error\":{\"code\":\"invalid\",\"message\":"
                   "\"a request needs \\\"op\\\"\"}}"},
    {"{\"id\":1,\"op\":\"echo\",\"args\":[]}", "{\"id\":1,\"error\":{\"code\":\"invalid\","
                                               "\"message\":\"\\\"args\\\" must be an object\"}}"},
    {"{\"op\":\"ping\"}", "{\"id\":null,\"error\":{\"code\":\"invalid\",\"message\":"
                          "\"a request needs \\\"id\\\", an integer from 0\"}}"},
    {"[]", "{\"id\":null,\"error\":{\"code\":\"invalid\",\"message\":\"a request is an object\"}}"},
};

TEST(each_request_is_answered_by_its_id_and_each_mistake_by_an_error)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();

    for (size_t i = 0; i < ANQA_COUNT(rows); i++)
        CHECK_STR(ask(peer, rows[i].request), rows[i].answer, "%s", rows[i].request);
    CHECK(strstr(ask(peer, "{\"id\":"), "\"code\":\"parse\"") != NULL);
    CHECK(strstr(ask(peer, "{\"id\":1,\"op\":\"garbage\"}"), "answer is not to be sent") != NULL);
    CHECK_EQ(anqa_log_get_level(), ANQA_CRITICAL);
    peer_close(peer);
    end(rt);
}

TEST(the_operations_that_there_are_can_be_listed)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();
    const char *list = ask(peer, "{\"id\":1,\"op\":\"operations\"}");

    CHECK(strstr(list, "{\"name\":\"ping\",\"doc\":\"who runs here\",\"built_in\":true}") != NULL);
    CHECK(strstr(list, "{\"name\":\"echo\",\"doc\":\"gives its arguments back\","
                       "\"built_in\":false}") != NULL);
    peer_close(peer);
    end(rt);
}

static _Atomic(int) stops;

static void stop_asked(void)
{
    atomic_fetch_add(&stops, 1);
}

static const anqa_control stoppable = {.name = "shop", .stop = stop_asked};

TEST(stop_asks_the_program_to_stop)
{
    anqa_rt *rt = begin_with(&stoppable);
    struct peer *peer = peer_open();

    CHECK_STR(ask(peer, "{\"id\":1,\"op\":\"stop\"}"), "{\"id\":1,\"ok\":null}");
    CHECK_EQ(atomic_load(&stops), 1);
    peer_close(peer);
    end(rt);
}

/* ---------------------------------------------------------------- input */

TEST(a_request_may_come_in_pieces_and_several_in_one)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();
    static const char text[] = "{\"id\":1,\"op\":\"echo\",\"args\":{\"n\":1}}\r\n";

    for (size_t i = 0; i + 1 < sizeof text; i++)
        say_bytes(peer, text + i, 1);
    CHECK_STR(hear(peer), "{\"id\":1,\"ok\":{\"n\":1}}");
    say(peer, "{\"id\":2,\"op\":\"refuse\"}\n{\"id\":2}\n{\"id\":3");
    for (int errors = 0; errors < 2; errors++)
        CHECK(strstr(hear(peer), "{\"id\":2,\"error\":") != NULL);
    CHECK_STR(ask(peer, ",\"op\":\"echo\"}"), "{\"id\":3,\"ok\":{}}");
    peer_close(peer);
    end(rt);
}

TEST(a_line_of_64_kib_is_taken_and_a_longer_one_ends_the_connection)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();
    size_t len = CONTROL_LINE_MAX;
    char *line = calloc(1, len + 1);

    CHECK(line != NULL);
    memset(line, ' ', len);
    memcpy(line, "{\"id\":1,\"op\":\"echo\"}", 20);
    line[len - 1] = '\n';
    say_bytes(peer, line, len);
    CHECK_STR(hear(peer), "{\"id\":1,\"ok\":{}}");
    line[len - 1] = ' ';
    say_bytes(peer, line, len);
    CHECK_STR(hear(peer), "{\"id\":null,\"error\":{\"code\":\"limit\",\"message\":"
                          "\"a line is longer than 64 KiB\"}}");
    CHECK(hear(peer) == NULL);
    free(line);
    peer_close(peer);
    end(rt);
}

TEST(who_has_ended_his_side_is_still_answered)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();

    say(peer, "{\"id\":1,\"op\":\"echo\"}\n{\"id\":2,\"op\":\"ec");
    peer_end(peer);
    CHECK_STR(hear(peer), "{\"id\":1,\"ok\":{}}");
    CHECK(hear(peer) == NULL);
    peer_close(peer);
    end(rt);
}

/* ---------------------------------------------------------------- requests under way */

static void begin_waiting(struct peer *peer, unsigned id)
{
    say(peer, anqa_tmp_printf("{\"id\":%u,\"op\":\"wait\"}\n", id));
    (void)expect("waits");
}

TEST(a_request_that_waits_holds_up_no_other_and_can_be_cancelled)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();

    waiting = anqa_self();
    begin_waiting(peer, 1);
    CHECK_STR(ask(peer, "{\"id\":2,\"op\":\"echo\"}"), "{\"id\":2,\"ok\":{}}");
    CHECK_STR(ask(peer, "{\"id\":1,\"op\":\"echo\"}"),
        "{\"id\":1,\"error\":{\"code\":\"exists\",\"message\":\"a request with this id is under "
        "way\"}}");
    CHECK_STR(ask(peer, "{\"id\":1,\"op\":\"cancel\"}"), "{\"id\":1,\"ok\":{\"cancelled\":true}}");
    CHECK_STR(ask(peer, "{\"id\":1,\"op\":\"echo\"}"), "{\"id\":1,\"ok\":{}}");
    peer_close(peer);
    end(rt);
}

TEST(a_client_has_16_requests_under_way_and_no_more)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();

    waiting = anqa_self();
    for (unsigned id = 0; id < CONTROL_REQUESTS_MAX; id++)
        begin_waiting(peer, id);
    CHECK_STR(ask(peer, "{\"id\":99,\"op\":\"echo\"}"),
        "{\"id\":99,\"error\":{\"code\":\"limit\",\"message\":\"too many requests are under "
        "way\"}}");
    CHECK_STR(ask(peer, "{\"id\":3,\"op\":\"cancel\"}"), "{\"id\":3,\"ok\":{\"cancelled\":true}}");
    CHECK_STR(ask(peer, "{\"id\":99,\"op\":\"echo\"}"), "{\"id\":99,\"ok\":{}}");
    peer_close(peer);
    end(rt);
}

static bool is_gone(void *pid)
{
    return !anqa_is_alive(*(anqa_pid *)pid);
}

TEST(what_a_client_has_asked_ends_when_its_connection_is_reset_while_being_answered)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();
    anqa_pid request;

    waiting = anqa_self();
    say(peer, "{\"id\":1,\"op\":\"wait\"}\n");
    request = expect("waits")->from;
    CHECK(anqa_is_alive(request));
    /* the answer to the second finds nobody, and the client ends with all that it has started */
    say(peer, "{\"id\":2,\"op\":\"long\",\"args\":{\"bytes\":1000000}}\n");
    peer_close(peer);
    CHECK(soon(is_gone, &request));
    end(rt);
}

TEST(a_request_that_takes_too_much_memory_ends_alone)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();

    CHECK(strstr(ask(peer, "{\"id\":1,\"op\":\"eat\"}"), "\"code\":\"died\"") != NULL);
    CHECK_STR(ask(peer, "{\"id\":1,\"op\":\"echo\"}"), "{\"id\":1,\"ok\":{}}");
    peer_close(peer);
    end(rt);
}

TEST(an_answer_of_more_than_8_mib_is_an_error)
{
    static const char *const sizes[] = {"8388600", "8388608"}; /* with its id, and without */
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();

    for (size_t i = 0; i < ANQA_COUNT(sizes); i++) {
        const char *answer = ask(
            peer, anqa_tmp_printf("{\"id\":1,\"op\":\"long\",\"args\":{\"bytes\":%s}}", sizes[i]));
        CHECK(strstr(answer, "{\"id\":1,\"error\":{\"code\":\"limit\"") == answer, "%s", answer);
    }
    peer_close(peer);
    end(rt);
}

static anqa_pid client_pid(void)
{
    anqa_child_info *children;
    size_t count;

    CHECK_STATUS(
        anqa_supervisor_which_children(anqa_whereis(anqa_control_clients.name), &children, &count),
        ANQA_OK);
    return count == 0 ? (anqa_pid){0} : children[0].pid;
}

TEST(a_client_that_does_not_read_is_dropped, .timeout_ms = 60000)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peer = peer_open();
    anqa_ref down;

    CHECK_STR(ask(peer, "{\"id\":1,\"op\":\"echo\"}"), "{\"id\":1,\"ok\":{}}");
    down = anqa_monitor(client_pid());
    say(peer, "{\"id\":1,\"op\":\"long\",\"args\":{\"bytes\":4000000}}\n");
    CHECK(anqa_receive_ref(down, 30000) != NULL);
    while (fill(peer)) /* what the kernel had taken, and the end */
        peer->len = 0;
    peer_close(peer);
    end(rt);
}

/* ---------------------------------------------------------------- many clients */

TEST(the_seventeenth_client_is_told_that_there_are_too_many)
{
    anqa_rt *rt = begin_with(&plain);
    struct peer *peers[CONTROL_CLIENTS_MAX], *late;

    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        peers[i] = peer_open();
        CHECK_STR(ask(peers[i], "{\"id\":1,\"op\":\"echo\"}"), "{\"id\":1,\"ok\":{}}");
    }
    late = peer_open();
    CHECK_STR(hear(late),
        "{\"id\":null,\"error\":{\"code\":\"limit\",\"message\":\"too many clients\"}}");
    CHECK(hear(late) == NULL);
    peer_close(late);
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        peer_close(peers[i]);
    CHECK(soon(no_client_is_left, NULL));
    end(rt);
}

/* What the clients of the next test leave behind when they vanish. */
static const char *const vanishing[] = {"", "{\"id\":1,\"op\":\"pi", "{\"id\":1,\"op\":\"ping\"}\n",
    "{\"id\":1,\"op\":\"operations\"}\n{\"id\":2,\"op\":\"crash\"}\n", "\xff\n\n\n", "\0\n"};

TEST(a_thousand_clients_come_and_vanish_and_leave_nothing, .timeout_ms = 60000)
{
    anqa_rt *rt = begin_with(&plain);
    const char *path = socket_path();
    struct peer *peer;

    for (size_t i = 0; i < 1000; i++) {
        const char *text = vanishing[i % ANQA_COUNT(vanishing)];
        int fd = connect_to(path);
        CHECK(fd >= 0);
        (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
        close(fd);
    }
    /* the server has seen them all before it sees this one, if it is not one too many */
    for (;;) {
        peer = peer_open();
        if (send(peer->fd, "{\"id\":1,\"op\":\"echo\"}\n", 21, MSG_NOSIGNAL) == 21) {
            const char *answer = hear(peer);
            if (answer != NULL && strcmp(answer, "{\"id\":1,\"ok\":{}}") == 0)
                break;
        }
        peer_close(peer);
    }
    peer_close(peer);
    CHECK(soon(no_client_is_left, NULL));
    end(rt);
}

/* A whole life: some requests, and all that comes until the end. */
static void try_a_life(const char *path)
{
    static const char requests[] = "{\"id\":1,\"op\":\"operations\"}\n{\"id\":2,\"op\":\"echo\"}\n"
                                   "{\"id\":3,\"op\":\"crash\"}\n{\"id\":4}\n[";
    struct peer *peer = peer_open_at(path);

    if (peer == NULL) /* it is just starting again */
        return;
    (void)send(peer->fd, requests, sizeof requests - 1, MSG_NOSIGNAL);
    (void)shutdown(peer->fd, SHUT_WR);
    while (fill(peer))
        peer->len = 0;
    peer_close(peer);
}

/* Where it listens now: one that has ended without memory may have left its socket open a moment too long. */
static bool answers_again(void *unused)
{
    char path[CONTROL_PATH_MAX];
    struct peer *peer = NULL;
    const char *answer;

    if (anqa_control_path(path, sizeof path) == ANQA_OK)
        peer = peer_open_at(path);
    if (peer == NULL)
        return false;
    answer = ask(peer, "{\"id\":1,\"op\":\"echo\"}");
    peer_close(peer);
    return answer != NULL && strcmp(answer, "{\"id\":1,\"ok\":{}}") == 0;
}

TEST(an_allocation_that_fails_costs_at_most_a_connection, .timeout_ms = 120000)
{
    anqa_rt *rt = begin_with(&plain);
    char path[CONTROL_PATH_MAX];

    snprintf(path, sizeof path, "%s", socket_path());
    try_a_life(path);
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        try_a_life(path);
    }
    CHECK(soon(answers_again, NULL));
    CHECK(soon(no_client_is_left, NULL));
    end(rt);
}

/* ---------------------------------------------------------------- the place */

static unsigned mode_of(const char *path)
{
    struct stat found;

    CHECK_EQ(lstat(path, &found), 0, "%s", path);
    return found.st_mode & 0777;
}

TEST(the_socket_is_the_users_alone_and_goes_away_at_the_end)
{
    anqa_rt *rt = begin_with(&plain);
    char path[CONTROL_PATH_MAX];

    snprintf(path, sizeof path, "%s/shop.sock", anqa_folder());
    CHECK_STR(socket_path(), path);
    CHECK_EQ(mode_of(anqa_folder()), 0700u);
    CHECK_EQ(mode_of(path), 0600u);
    end(rt);
    CHECK_EQ(access(path, F_OK), -1);
}

/* Starts a control socket, and its end; returns what the start said. */
static anqa_status try_start(const anqa_control *control, anqa_error *err)
{
    anqa_rt *rt = begin();
    anqa_status status = start(control, err);

    end(rt);
    return status;
}

TEST(a_folder_that_others_may_enter_is_refused)
{
    anqa_error err;

    folder_begin();
    CHECK_EQ(mkdir(anqa_folder(), 0700), 0);
    CHECK_EQ(chmod(anqa_folder(), 0750), 0);
    CHECK_STATUS(try_start(&plain, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "others may enter the folder") != NULL, "%s", err.text);
    CHECK_EQ(rmdir(anqa_folder()), 0);
    CHECK_EQ(symlink("/tmp", anqa_folder()), 0);
    CHECK_STATUS(try_start(&plain, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "is no folder") != NULL, "%s", err.text);
}

TEST(a_folder_of_somebody_elses_is_refused)
{
    anqa_error err;

    if (geteuid() != 0)
        SKIP("only root can give a folder away");
    folder_begin();
    CHECK_EQ(mkdir(anqa_folder(), 0700), 0);
    CHECK_EQ(chown(anqa_folder(), 1, 1), 0);
    CHECK_STATUS(try_start(&plain, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "belongs to user 1") != NULL, "%s", err.text);
}

static const anqa_control too_long = {
    .name =
        "a-name-that-is-so-long-that-no-socket-can-have-it-as-its-path-because-those-end-at-108-"
        "bytes-whatever-the-file-system-says"};

static anqa_control_op bad_ops[2];
static const anqa_control bad = {.name = "shop", .ops = bad_ops};

TEST(what_cannot_be_offered_is_said_at_the_start)
{
    static const struct {
        anqa_control_op op;
        const char *message;
    } table[] = {
        {{"ping", NULL, op_echo}, "control operation 'ping': that one is built in"},
        {{"cancel", NULL, op_echo}, "control operation 'cancel': that one is built in"},
        {{"A b", NULL, op_echo}, "control operation 'A b': needs .run"},
        {{"echo", NULL, NULL}, "control operation 'echo': needs .run"},
    };
    anqa_error err;

    folder_begin();
    CHECK_STATUS(try_start(&too_long, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "is longer than the 107 bytes") != NULL, "%s", err.text);
    for (size_t i = 0; i < ANQA_COUNT(table); i++) {
        bad_ops[0] = table[i].op;
        CHECK_STATUS(try_start(&bad, &err), ANQA_E_STOPPED);
        CHECK(strstr(err.text, table[i].message) != NULL, "%s", err.text);
    }
}

TEST(beside_a_living_program_of_the_same_name_the_second_has_its_process_id_in_its_own)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int living = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char path[CONTROL_PATH_MAX];
    anqa_rt *rt;

    folder_begin();
    CHECK_EQ(mkdir(anqa_folder(), 0700), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/shop.sock", anqa_folder());
    CHECK_EQ(bind(living, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQ(listen(living, 1), 0);
    rt = begin();
    CHECK_STATUS(start(&plain, NULL), ANQA_OK);
    snprintf(path, sizeof path, "%s/shop-%ld.sock", anqa_folder(), (long)getpid());
    CHECK_STR(socket_path(), path);
    end(rt);
    CHECK_EQ(access(path, F_OK), -1);
    CHECK_EQ(access(address.sun_path, F_OK), 0);
    close(living);
}

/* A program with a control socket, which is killed as soon as it listens. */
static void start_and_die(void)
{
    int told[2], status;
    pid_t child;
    char byte;

    CHECK_EQ(pipe2(told, O_CLOEXEC), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)begin();
        CHECK_STATUS(start(&plain, NULL), ANQA_OK);
        CHECK_EQ(write(told[1], "x", 1), 1);
        for (;;)
            pause();
    }
    CHECK_EQ(read(told[0], &byte, 1), 1);
    kill(child, SIGKILL);
    CHECK_EQ(waitpid(child, &status, 0), child);
    close(told[0]);
    close(told[1]);
}

TEST(the_socket_of_a_program_that_was_killed_is_replaced)
{
    char path[CONTROL_PATH_MAX];
    struct peer *peer;
    anqa_rt *rt;

    folder_begin();
    snprintf(path, sizeof path, "%s/shop.sock", anqa_folder());
    start_and_die();
    CHECK_EQ(access(path, F_OK), 0); /* nobody was left to remove it */
    rt = begin();
    CHECK_STATUS(start(&plain, NULL), ANQA_OK);
    CHECK_STR(socket_path(), path);
    peer = peer_open();
    CHECK_STR(ask(peer, "{\"id\":1,\"op\":\"echo\"}"), "{\"id\":1,\"ok\":{}}");
    peer_close(peer);
    end(rt);
}

static bool is_restarted(void *old)
{
    anqa_pid pid = anqa_whereis(anqa_control_server.name);
    char path[CONTROL_PATH_MAX];

    return !anqa_pid_is_none(pid) && !anqa_pid_eq(pid, *(anqa_pid *)old) &&
           anqa_control_path(path, sizeof path) == ANQA_OK;
}

TEST(a_server_that_crashes_is_there_again_at_the_same_place_and_its_clients_stay)
{
    anqa_rt *rt = begin_with(&plain);
    anqa_pid server = anqa_whereis(anqa_control_server.name);
    struct peer *before = peer_open(), *after;
    char path[CONTROL_PATH_MAX];

    CHECK_STR(ask(before, "{\"id\":1,\"op\":\"echo\"}"), "{\"id\":1,\"ok\":{}}");
    snprintf(path, sizeof path, "%s", socket_path());
    kill_and_wait(server);
    CHECK(soon(is_restarted, &server));
    CHECK_STR(socket_path(), path);
    after = peer_open();
    CHECK_STR(ask(after, "{\"id\":1,\"op\":\"echo\"}"), "{\"id\":1,\"ok\":{}}");
    CHECK_STR(ask(before, "{\"id\":2,\"op\":\"echo\"}"), "{\"id\":2,\"ok\":{}}");
    peer_close(before);
    peer_close(after);
    end(rt);
}

TEST(another_user_is_refused_even_where_the_files_mode_lets_him_in)
{
    anqa_rt *rt;
    int status;
    pid_t child;
    const char *path;

    if (geteuid() != 0)
        SKIP("only root can become another user");
    rt = begin_with(&plain);
    path = socket_path();
    CHECK_EQ(chmod(folder, 0755) | chmod(path, 0666), 0);
    CHECK_EQ(chmod(anqa_folder(), 0755), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        static const char refused[] = "{\"id\":null,\"error\":{\"code\":\"permission\"";
        char line[200] = "";
        int fd;
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(1);
        fd = connect_to(path);
        _exit(fd < 0 || recv(fd, line, sizeof line - 1, 0) <= 0 ||
              strncmp(line, refused, sizeof refused - 1) != 0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end(rt);
}
