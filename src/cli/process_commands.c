/* Subcommands about processes. */
#include "cli/client.h"

#include "cli/process.h"

/* What names one process in a request. */
static anqa_json target(struct cli *cli)
{
    return json_make(cli, "{'process': %s}", cli->argv[0]);
}

/* ---------------------------------------------------------------- processes */

enum cli_status command_processes(struct cli *cli)
{
    const char *sort = args_value(cli, "sort", "memory");
    unsigned long limit = args_number(cli, "limit", 20, 10000);
    anqa_json answer;
    enum cli_status status;

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    status = ask_once(
        cli, "processes", json_make(cli, "{'sort': %s, 'limit': %lu}", sort, limit), &answer);
    if (status != CLI_OK)
        return status;
    if (cli->json)
        json_print(stdout, answer);
    else
        processes_print(cli, field_json(answer, "processes"), stdout);
    return CLI_OK;
}

/* ---------------------------------------------------------------- one process */

enum cli_status command_info(struct cli *cli)
{
    struct field fields[FIELDS_MAX];
    anqa_json answer;
    enum cli_status status;

    if (!args_are(cli, 1, 1))
        return CLI_USAGE;
    status = ask_once(cli, "info", target(cli), &answer);
    if (status != CLI_OK)
        return status;
    if (cli->json)
        json_print(stdout, answer);
    else
        fields_print(cli, fields, process_fields(cli, answer, fields), stdout);
    return CLI_OK;
}

enum cli_status command_state(struct cli *cli)
{
    anqa_json answer;
    enum cli_status status;

    if (!args_are(cli, 1, 1))
        return CLI_USAGE;
    status = ask_once(cli, "state", target(cli), &answer);
    if (status != CLI_OK)
        return status;
    if (cli->json)
        json_print(stdout, field_json(answer, "state"));
    else
        json_show(cli, stdout, field_json(answer, "state"));
    return CLI_OK;
}

static enum cli_status tell(struct cli *cli, const char *op, const char *done)
{
    anqa_json answer;
    enum cli_status status;

    if (!args_are(cli, 1, 1))
        return CLI_USAGE;
    status = ask_once(cli, op, target(cli), &answer);
    if (status != CLI_OK)
        return status;
    if (cli->json)
        json_print(stdout, answer);
    else
        printf("%.*s %s\n", ANQA_FMT(field_text(cli, answer, "pid")), done);
    return CLI_OK;
}

enum cli_status command_suspend(struct cli *cli)
{
    return tell(cli, "suspend", "is suspended: anqa resume has it go on");
}

enum cli_status command_resume(struct cli *cli)
{
    return tell(cli, "resume", "goes on");
}

/* ---------------------------------------------------------------- trace */

/* What a trace takes stays bounded, however long it runs. */
static void print_event(struct cli *cli, anqa_json event)
{
    if (cli->json) {
        json_print(stdout, event);
    } else {
        look_print(cli, stdout, event_look(event), event_text(cli, event));
        putchar('\n');
    }
    fflush(stdout);
    anqa_arena_reset(&cli->arena);
}

/* count: 0: until the process ends. */
static enum cli_status trace(struct client *client, unsigned long count)
{
    struct cli *cli = client->cli;
    anqa_json line, event, answer;

    if (!client_send(client, "trace", target(cli)))
        return cli_fail(CLI_UNREACHABLE, "the program at %s is gone", client->path);
    for (unsigned long i = 0; count == 0 || i < count; i++) {
        if (!client_hear(client, -1, &line))
            return cli_fail(CLI_UNREACHABLE, "the program is gone");
        if (anqa_json_get(line, "event", &event) != ANQA_OK)
            return client_answer(line, cli, &answer);
        print_event(cli, event);
        if (ferror(stdout) != 0)
            return CLI_FAILED;
    }
    return CLI_OK;
}

enum cli_status command_trace(struct cli *cli)
{
    unsigned long count = args_number(cli, "count", 0, 1000000000);
    struct client client;
    enum cli_status status;

    if (!args_are(cli, 1, 1))
        return CLI_USAGE;
    status = client_find(&client, cli);
    if (status != CLI_OK)
        return status;
    status = trace(&client, count);
    client_close(&client);
    return status;
}

/* ---------------------------------------------------------------- everything */

enum cli_status command_tree(struct cli *cli)
{
    struct tree_row *rows;
    anqa_json answer;
    size_t count;
    enum cli_status status;

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    status = ask_once(cli, "tree", ANQA_JSON_EMPTY_OBJECT, &answer);
    if (status != CLI_OK)
        return status;
    if (cli->json) {
        json_print(stdout, answer);
        return CLI_OK;
    }
    count = tree_rows(cli, answer, &rows);
    for (size_t i = 0; i < count; i++) {
        const struct tree_row *row = &rows[i];
        printf("%.*s", ANQA_FMT(row->prefix));
        look_print(cli, stdout, row->is_supervisor ? LOOK_BOLD : LOOK_PLAIN, row->name);
        fputs(row->pid.len > 0 ? "  " : "", stdout);
        look_print(cli, stdout, LOOK_DIM, row->pid);
        fputs(row->note.len > 0 ? "  " : "", stdout);
        look_print(cli, stdout, LOOK_YELLOW, row->note);
        putchar('\n');
    }
    return CLI_OK;
}

enum cli_status command_system(struct cli *cli)
{
    struct field fields[FIELDS_MAX];
    anqa_json answer;
    enum cli_status status;

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    status = ask_once(cli, "system", ANQA_JSON_EMPTY_OBJECT, &answer);
    if (status != CLI_OK)
        return status;
    if (cli->json)
        json_print(stdout, answer);
    else
        fields_print(cli, fields, system_fields(cli, answer, fields), stdout);
    return CLI_OK;
}
