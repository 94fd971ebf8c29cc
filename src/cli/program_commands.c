/* Subcommands about whole programs. */
#include "cli/programs.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STOP_TIMEOUT_S 60u

static anqa_json program_json(struct cli *cli, const struct program *program)
{
    return json_make(cli,
        "{'name': %.*s, 'version': %.*s, 'anqa': %.*s, 'pid': %" PRId64 ", 'socket': %s}",
        ANQA_FMT(program->name), ANQA_FMT(program->version), ANQA_FMT(program->anqa), program->pid,
        program->path);
}

enum cli_status command_list(struct cli *cli)
{
    struct programs programs;
    enum cli_status status;

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    status = programs_find(cli, &programs);
    if (status != CLI_OK)
        return status;
    if (!cli->json) {
        programs_print(cli, &programs, stdout);
        return CLI_OK;
    }
    for (size_t i = 0; i < programs.count; i++)
        json_print(stdout, program_json(cli, &programs.list[i]));
    return CLI_OK;
}

/* Of the one that the options name. */
static enum cli_status program_find(struct cli *cli, struct program *ret_program)
{
    struct client client;
    enum cli_status status;
    bool answers;

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    status = client_find(&client, cli);
    if (status != CLI_OK)
        return status;
    answers = program_ask(&client, ret_program);
    client_close(&client);
    return answers ? CLI_OK : cli_fail(CLI_UNREACHABLE, "the program does not answer");
}

enum cli_status command_pid(struct cli *cli)
{
    struct program program;
    enum cli_status status = program_find(cli, &program);

    if (status != CLI_OK)
        return status;
    if (cli->json)
        json_print(stdout, json_make(cli, "{'pid': %" PRId64 "}", program.pid));
    else
        printf("%" PRId64 "\n", program.pid);
    return CLI_OK;
}

enum cli_status command_version(struct cli *cli)
{
    struct program program;
    enum cli_status status = program_find(cli, &program);
    anqa_str version;

    if (status != CLI_OK)
        return status;
    version = program.version.len > 0 ? program.version : anqa_str_of("(no version)");
    if (cli->json)
        json_print(stdout, program_json(cli, &program));
    else
        printf("%.*s %.*s (anqa %.*s)\n", ANQA_FMT(program.name), ANQA_FMT(version),
            ANQA_FMT(program.anqa));
    return CLI_OK;
}

/* ---------------------------------------------------------------- stop */

/* The process at the other end, as the kernel knows it: what it is told by the program need not be true. */
static int pidfd_of(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return -1;
    return (int)syscall(SYS_pidfd_open, peer.pid, 0);
}

static enum cli_status wait_for_end(int process, unsigned long timeout_s)
{
    struct pollfd wait = {.fd = process, .events = POLLIN};
    int ready;

    do
        ready = poll(&wait, 1, (int)timeout_s * 1000);
    while (ready < 0 && errno == EINTR);
    return ready > 0 ? CLI_OK
                     : cli_fail(CLI_FAILED,
                           "it has been told to end, but still runs after %lu seconds", timeout_s);
}

/* operation: one that ends the program. */
static enum cli_status end_and_wait(
    struct client *client, const char *operation, unsigned long timeout_s)
{
    int process = pidfd_of(client->fd);
    anqa_json line, answer;
    enum cli_status status = CLI_OK;

    if (process < 0)
        return cli_fail(CLI_FAILED, "cannot watch the program's process");
    /* The end may overtake the answer. */
    if (client_send(client, operation, ANQA_JSON_EMPTY_OBJECT) &&
        client_hear(client, CLIENT_WAIT_MS, &line))
        status = client_answer(line, client->cli, &answer);
    if (status == CLI_OK)
        status = wait_for_end(process, timeout_s);
    close(process);
    return status;
}

static enum cli_status command_end(struct cli *cli, const char *operation, anqa_json done)
{
    unsigned long timeout_s = args_number(cli, "timeout", STOP_TIMEOUT_S, 86400);
    struct client client;
    enum cli_status status;

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    status = client_find(&client, cli);
    if (status != CLI_OK)
        return status;
    status = end_and_wait(&client, operation, timeout_s);
    client_close(&client);
    if (status == CLI_OK && cli->json)
        json_print(stdout, done);
    return status;
}

enum cli_status command_stop(struct cli *cli)
{
    return command_end(cli, "stop", ANQA_JSON_LITERAL_("{\"stopped\":true}"));
}

enum cli_status command_restart(struct cli *cli)
{
    return command_end(cli, "restart", ANQA_JSON_LITERAL_("{\"restarted\":true}"));
}

static void reloaded_show(struct cli *cli, anqa_json answer)
{
    puts("read again");
}

enum cli_status command_reload(struct cli *cli)
{
    return args_are(cli, 0, 0) ? ask_and_show(cli, "reload", ANQA_JSON_EMPTY_OBJECT, reloaded_show)
                               : CLI_USAGE;
}

/* ---------------------------------------------------------------- log, rpc */

static void level_show(struct cli *cli, anqa_json answer)
{
    anqa_str level = field_text(cli, answer, "level");
    printf("%.*s\n", ANQA_FMT(level));
}

enum cli_status command_log(struct cli *cli)
{
    if (!args_are(cli, 0, 1))
        return CLI_USAGE;
    return ask_and_show(cli, "log_level",
        cli->argc == 0 ? ANQA_JSON_EMPTY_OBJECT : json_make(cli, "{'level': %s}", cli->argv[0]),
        level_show);
}

static void operations_show(struct cli *cli, anqa_json operations)
{
    static const struct column columns[] = {
        {.title = "OPERATION", .look = LOOK_CYAN}, {.title = "OF"}, {.title = "WHAT IT DOES"}};
    struct table *table = table_new(cli, columns, ANQA_COUNT(columns));
    anqa_json_iter it = anqa_json_each(operations);

    while (anqa_json_next(&it)) {
        anqa_str *cells = table_row(table);
        cells[0] = field_text(cli, it.value, "name");
        cells[1] = anqa_str_of(anqa_json_bool(it.value, "built_in", false) ? "anqa" : "program");
        cells[2] = field_text(cli, it.value, "doc");
    }
    table_print(table, stdout);
}

static void answer_show(struct cli *cli, anqa_json answer)
{
    json_print(stdout, answer);
}

enum cli_status command_rpc(struct cli *cli)
{
    anqa_json args = ANQA_JSON_EMPTY_OBJECT;
    anqa_error err;

    if (!args_are(cli, 0, 2))
        return CLI_USAGE;
    if (cli->argc == 0)
        return ask_and_show(cli, "operations", args, operations_show);
    if (cli->argc == 2 && anqa_json_parse(anqa_str_of(cli->argv[1]), NULL, &args, &err) != ANQA_OK)
        return cli_fail(CLI_USAGE, "the arguments are no JSON: %s", err.text);
    return ask_and_show(cli, cli->argv[0], args, answer_show);
}
