/* Starting a successor, from inside: where memory fails, and how the program is found again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <anqa/log.h>

#include "base/clock.h"
#include "harness.h"
#include "otp/restart.h"

static char sleep_path[] = "/bin/sleep", a_minute[] = "60";
static char *arguments[] = {sleep_path, a_minute, NULL};

static anqa_status init(struct restart *restart)
{
    anqa_status status = restart_init(restart, 2, arguments, NULL);

    restart->config = (struct restart_config){.pid_file = "", .timeout_ms = 10000};
    anqa_log_set_level(ANQA_LOG_NONE);
    return status;
}

static void begin(struct restart *restart)
{
    sigset_t mask;

    sigemptyset(&mask);
    restart_begin(restart, &mask);
}

TEST(a_restart_without_memory_has_no_successor_and_leaks_nothing)
{
    EACH_ALLOC_FAILURE {
        struct restart restart;
        if (init(&restart) == ANQA_OK)
            begin(&restart);
        CHECK_EQ(restart.successor != 0, restart.ready_fd >= 0);
        restart_stopping(&restart);
        restart_done(&restart);
    }
}

TEST(a_successor_that_has_not_said_that_it_is_ready_is_killed_when_the_program_stops)
{
    struct restart restart;
    pid_t pid;

    CHECK_STATUS(init(&restart), ANQA_OK);
    begin(&restart);
    pid = restart.successor;
    CHECK(pid > 0);
    CHECK(!restart_is_ready(&restart, clock_mono_ms()));
    CHECK(restart_deadline_ms(&restart) > clock_mono_ms());
    restart_stopping(&restart);
    CHECK_EQ(kill(pid, 0), -1);
    CHECK_EQ(restart_deadline_ms(&restart), UINT64_MAX);
    restart_done(&restart);
}

TEST(a_program_that_was_called_by_a_relative_path_is_found_from_another_folder)
{
    char relative[] = "./server", name[] = "server";
    struct restart restart;

    CHECK(chdir("/tmp") == 0);
    CHECK_STATUS(restart_init(&restart, 1, (char *[]){relative, NULL}, NULL), ANQA_OK);
    CHECK_STR(restart.program, "/tmp/./server");
    restart_done(&restart);
    CHECK_STATUS(restart_init(&restart, 1, (char *[]){name, NULL}, NULL), ANQA_OK);
    CHECK_STR(restart.program, "server"); /* to be looked for in PATH */
    restart_done(&restart);
}

TEST(a_pid_file_is_removed_only_by_the_process_that_it_names)
{
    char path[] = "/tmp/anqa-pid-XXXXXX";
    int fd = mkstemp(path);
    struct restart restart;
    anqa_error err;

    CHECK_STATUS(init(&restart), ANQA_OK);
    restart.config.pid_file = path;
    CHECK_EQ(write(fd, "1\n", 2), 2);
    restart_stopped(&restart);
    CHECK_EQ(access(path, F_OK), 0);
    CHECK_STATUS(restart_write_pid(&restart, &err), ANQA_OK);
    restart_stopped(&restart);
    CHECK_EQ(access(path, F_OK), -1);
    restart.config.pid_file = "/no/such/folder/pid";
    CHECK_STATUS(restart_write_pid(&restart, &err), ANQA_E_NOT_FOUND);
    CHECK(strstr(err.text, "/no/such/folder/pid") != NULL, "%s", err.text);
    restart_done(&restart);
    close(fd);
}
