/* What anqa_main says when it gets SIGUSR1. */
#include "support.h"

#include <anqa/application.h>
#include <anqa/memory.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static int reports; /* the end of the pipe that standard error goes to */
static char said[16384];
static size_t said_len;

static anqa_next busy_hang(void *state, anqa_msg *msg)
{
    anqa_sleep(ANQA_INFINITY);
    return anqa_noreply();
}

static const anqa_gen_server busy = {
    .name = "busy", .handle_cast = (const anqa_handler[]){{"hang", busy_hang}, {0}}};

/* Reads until the line of the system is there: it is the last. */
static void read_report(void *job)
{
    while (strstr(said, "system: ") == NULL || said[said_len - 1] != '\n') {
        ssize_t n = read(reports, said + said_len, sizeof said - 1 - said_len);
        CHECK(n > 0);
        said_len += (size_t)n;
    }
}

static void ask_for_report(void *arg)
{
    for (int i = 0; i < 4; i++)
        anqa_cast(anqa_whereis("busy"), "hang", ANQA_JSON_NULL);
    kill(getpid(), SIGUSR1);
    CHECK_STATUS(anqa_blocking(read_report, NULL, 0), ANQA_OK);
    anqa_main_stop();
    anqa_sleep(ANQA_INFINITY);
}

static const anqa_app shop = {.name = "shop",
    .children =
        (const anqa_child_spec[]){{.server = &busy}, {.id = "asks", .run = ask_for_report}, {0}}};

TEST(sigusr1_has_the_trees_and_the_system_written_to_standard_error_and_all_goes_on)
{
    char name[] = "shop", level[] = "--log.level=none", *argv[] = {name, level, NULL};
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    reports = fds[0];
    CHECK_EQ(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    close(fds[1]);
    CHECK_EQ(anqa_main(2, argv, &shop), ANQA_EXIT_OK);
    close(fds[0]);
    CHECK(strstr(said, "shop  <0.") != NULL, "%s", said);
    CHECK(strstr(said, "├─ busy") != NULL, "%s", said);
    CHECK(strstr(said, "3 messages waiting") != NULL || strstr(said, "4 messages waiting") != NULL,
        "%s", said);
    CHECK(strstr(said, "system: uptime_s=") != NULL, "%s", said);
}
