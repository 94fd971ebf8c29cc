/* Subcommands about processes. */
#include "cli/client.h"

#include "cli/process.h"

/* What names one process in a request. */
static anqa_json target(struct cli *cli)
{
    return json_make(cli, "{'process': %s}", cli->argv[0]);
}

static enum cli_status about_target(
    struct cli *cli, const char *op, void (*show)(struct cli *cli, anqa_json answer))
{
    return args_are(cli, 1, 1) ? ask_and_show(cli, op, target(cli), show) : CLI_USAGE;
}

static enum cli_status about_all(
    struct cli *cli, const char *op, void (*show)(struct cli *cli, anqa_json answer))
{
    return args_are(cli, 0, 0) ? ask_and_show(cli, op, ANQA_JSON_EMPTY_OBJECT, show) : CLI_USAGE;
}

/* ---------------------------------------------------------------- one process */

static void info_show(struct cli *cli, anqa_json answer)
{
    process_print(cli, answer, stdout);
}

enum cli_status command_info(struct cli *cli)
{
    return about_target(cli, "info", info_show);
}

static void state_show(struct cli *cli, anqa_json answer)
{
    json_show(cli, stdout, field_json(answer, "state"));
}

enum cli_status command_state(struct cli *cli)
{
    return about_target(cli, "state", state_show);
}

static void suspend_show(struct cli *cli, anqa_json answer)
{
    anqa_str pid = field_text(cli, answer, "pid");
    printf("%.*s is suspended: anqa resume has it go on\n", ANQA_FMT(pid));
}

enum cli_status command_suspend(struct cli *cli)
{
    return about_target(cli, "suspend", suspend_show);
}

static void resume_show(struct cli *cli, anqa_json answer)
{
    anqa_str pid = field_text(cli, answer, "pid");
    printf("%.*s goes on\n", ANQA_FMT(pid));
}

enum cli_status command_resume(struct cli *cli)
{
    return about_target(cli, "resume", resume_show);
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

/* ---------------------------------------------------------------- all processes */

static void processes_show(struct cli *cli, anqa_json answer)
{
    processes_print(cli, field_json(answer, "processes"), stdout);
}

enum cli_status command_processes(struct cli *cli)
{
    const char *sort = args_value(cli, "sort", "memory");
    unsigned long limit = args_number(cli, "limit", 20, 10000);

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    return ask_and_show(cli, "processes", json_make(cli, "{'sort': %s, 'limit': %lu}", sort, limit),
        processes_show);
}

static void tree_show(struct cli *cli, anqa_json answer)
{
    struct tree_row *rows;
    size_t count = tree_rows(cli, answer, &rows);

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
}

enum cli_status command_tree(struct cli *cli)
{
    return about_all(cli, "tree", tree_show);
}

static void system_show(struct cli *cli, anqa_json answer)
{
    system_print(cli, answer, stdout);
}

enum cli_status command_system(struct cli *cli)
{
    return about_all(cli, "system", system_show);
}

/* Line by line: a newline is all that may control the terminal. */
static void metrics_show(struct cli *cli, anqa_json answer)
{
    anqa_str text = {0};
    const char *at, *end;

    if (anqa_json_get_str(&cli->arena, answer, "text", &text) != ANQA_OK)
        return;
    at = text.ptr;
    end = text.ptr + text.len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline == NULL ? end : newline) - at);
        anqa_str clean = text_clean(cli, anqa_str_make(at, len));
        printf("%.*s\n", ANQA_FMT(clean));
        at += len + 1;
    }
}

enum cli_status command_metrics(struct cli *cli)
{
    return about_all(cli, "metrics", metrics_show);
}
