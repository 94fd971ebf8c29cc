/* The control socket that anqa_main makes. */
#include "peer.h"
#include "otp/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/path.h"

static anqa_status op_where(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    *ret_answer =
        anqa_jsonf("{'child': %s}", anqa_pid_is_none(anqa_whereis("part")) ? "no" : "yes");
    return ANQA_OK;
}

/* A child that asks its own program over its control socket, has it stop, and keeps the answer. */
static char main_answer[200];

static void ask_main(void *arg)
{
    static const char where[] = "{\"id\":1,\"op\":\"where\"}\n";
    static const char stop[] = "{\"id\":2,\"op\":\"stop\"}\n";
    anqa_tcp conn;
    size_t n;

    CHECK_STATUS(anqa_register("part"), ANQA_OK);
    CHECK_STATUS(
        anqa_connect(anqa_tmp_printf("unix:%s", socket_path()), 5000, &conn, NULL), ANQA_OK);
    CHECK_STATUS(anqa_write(conn, where, strlen(where), 5000, NULL), ANQA_OK);
    CHECK_STATUS(anqa_read(conn, main_answer, sizeof main_answer - 1, 5000, &n), ANQA_OK);
    CHECK_STATUS(anqa_write(conn, stop, strlen(stop), 5000, NULL), ANQA_OK);
    anqa_sleep(600000);
}

static void only_stop(void *arg)
{
    char path[CONTROL_PATH_MAX];

    snprintf(main_answer, sizeof main_answer, "%s",
        anqa_status_name(anqa_control_path(path, sizeof path)));
    anqa_main_stop();
    anqa_sleep(600000);
}

static const anqa_app asked = {.name = "asked",
    .children = (const anqa_child_spec[]){{.id = "part", .run = ask_main}, {0}},
    .control = (const anqa_control_op[]){{"where", "who runs", op_where}, {0}}};
static const anqa_app stopping = {.name = "stopping",
    .children = (const anqa_child_spec[]){{.id = "part", .run = only_stop}, {0}}};

static int run_main(const anqa_app *app, const char *argument)
{
    char name[] = "program", quiet[] = "--log.level=none", two[] = "--runtime.schedulers=2";
    char given[200];
    char *argv[] = {name, quiet, two, given, NULL};

    snprintf(given, sizeof given, "%s", argument);
    return anqa_main(4, argv, app);
}

TEST(every_program_has_a_control_socket_with_the_operations_of_its_own)
{
    folder_begin();
    CHECK_EQ(run_main(&asked, "--runtime.control="), ANQA_EXIT_OK);
    CHECK_STR(main_answer, "{\"id\":1,\"ok\":{\"child\":\"yes\"}}\n");
    CHECK_EQ(rmdir(anqa_folder()), 0); /* nothing is left in it */
}

TEST(the_control_socket_can_be_switched_off_and_put_elsewhere)
{
    char control[100];

    folder_begin();
    snprintf(control, sizeof control, "--runtime.control=%s/own.sock", folder);
    CHECK_EQ(run_main(&stopping, "--runtime.control=off"), ANQA_EXIT_OK);
    CHECK_STR(main_answer, "E_NOT_FOUND");
    CHECK_EQ(access(anqa_folder(), F_OK), -1);
    CHECK_EQ(run_main(&stopping, control), ANQA_EXIT_OK);
    CHECK_STR(main_answer, "OK");
    CHECK_EQ(access(anqa_folder(), F_OK), -1);
}

TEST(a_program_runs_without_its_control_socket_when_the_usual_place_is_not_safe)
{
    folder_begin();
    CHECK_EQ(mkdir(anqa_folder(), 0700) | chmod(anqa_folder(), 0777), 0);
    CHECK_EQ(run_main(&stopping, "--runtime.control="), ANQA_EXIT_OK);
    CHECK_STR(main_answer, "E_NOT_FOUND");
}

TEST(a_program_does_not_start_without_the_control_socket_that_it_was_told_to_have,
    .expect_exit = ANQA_EXIT_START,
    .expect_stderr = "cannot open the folder of unix:/nowhere/at/all.sock: No such file")
{
    exit(run_main(&stopping, "--runtime.control=/nowhere/at/all.sock"));
}
