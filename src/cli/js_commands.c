/* The subcommand about JavaScript processes, which has subcommands of its own. */
#include "cli/client.h"

#include <inttypes.h>

#include "cli/flame.h"

#define PROFILE_S 5u
#define PROFILE_S_MAX 600u

static anqa_json target(struct cli *cli)
{
    return json_make(cli, "{'process': %s}", cli->argv[0]);
}

static enum cli_status about_target(
    struct cli *cli, const char *op, void (*show)(struct cli *cli, anqa_json answer))
{
    return args_are(cli, 1, 1) ? ask_and_show(cli, op, target(cli), show) : CLI_USAGE;
}

/* ---------------------------------------------------------------- ps */

static void ps_show(struct cli *cli, anqa_json answer)
{
    static const struct column columns[] = {{"PID", false, LOOK_PLAIN},
        {"SCRIPT", false, LOOK_BOLD}, {"STATUS", false, LOOK_PLAIN}, {"MEMORY", true, LOOK_PLAIN},
        {"TURNS", true, LOOK_PLAIN}, {"PREEMPTED", true, LOOK_PLAIN}, {"TIME", true, LOOK_PLAIN}};
    struct table *table = table_new(cli, columns, ANQA_COUNT(columns));
    anqa_json_iter it = anqa_json_each(field_json(answer, "processes"));

    while (anqa_json_next(&it)) {
        anqa_str *cells = table_row(table);
        cells[0] = field_text(cli, it.value, "pid");
        cells[1] = field_text(cli, it.value, "script");
        cells[2] = field_text(cli, it.value, "status");
        cells[3] = text_bytes(cli, anqa_json_uint(it.value, "memory", 0));
        cells[4] = text_count(cli, anqa_json_uint(it.value, "turns", 0));
        cells[5] = text_count(cli, anqa_json_uint(it.value, "preemptions", 0));
        cells[6] = text_duration(cli, anqa_json_uint(it.value, "time_ms", 0) * 1000000);
    }
    table_print(table, stdout);
}

static enum cli_status js_ps(struct cli *cli)
{
    unsigned long limit = args_number(cli, "limit", 100, 10000);

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    return ask_and_show(cli, "js_processes", json_make(cli, "{'limit': %lu}", limit), ps_show);
}

/* ---------------------------------------------------------------- one process */

static void variables_show(struct cli *cli, anqa_json answer)
{
    static const struct column columns[] = {{"NAME", false, LOOK_BOLD}, {"KIND", false, LOOK_PLAIN},
        {"SCOPE", false, LOOK_DIM}, {"VALUE", false, LOOK_PLAIN}};
    struct table *table = table_new(cli, columns, ANQA_COUNT(columns));
    anqa_json_iter it = anqa_json_each(field_json(answer, "variables"));

    while (anqa_json_next(&it)) {
        anqa_str *cells = table_row(table);
        cells[0] = field_text(cli, it.value, "name");
        cells[1] = field_text(cli, it.value, "kind");
        cells[2] = field_text(cli, it.value, "scope");
        cells[3] = field_text(cli, it.value, "text");
    }
    table_print(table, stdout);
}

static enum cli_status js_variables(struct cli *cli)
{
    return about_target(cli, "js_variables", variables_show);
}

static void stack_show(struct cli *cli, anqa_json answer)
{
    anqa_json_iter it = anqa_json_each(field_json(answer, "stack"));

    if (json_count(field_json(answer, "stack")) == 0)
        puts("it is in no turn");
    while (anqa_json_next(&it)) {
        anqa_str name = field_text(cli, it.value, "function");
        anqa_str file = field_text(cli, it.value, "file");
        printf("%.*s", ANQA_FMT(name));
        if (file.len > 0)
            printf(" (%.*s:%" PRIu64 ":%" PRIu64 ")", ANQA_FMT(file),
                anqa_json_uint(it.value, "line", 0), anqa_json_uint(it.value, "column", 0));
        putchar('\n');
    }
}

static enum cli_status js_stack(struct cli *cli)
{
    return about_target(cli, "js_stack", stack_show);
}

static void report_show(struct cli *cli, anqa_json answer)
{
    json_show(cli, stdout, field_json(answer, "report"));
}

static enum cli_status js_report(struct cli *cli)
{
    return about_target(cli, "js_report", report_show);
}

static void pause_show(struct cli *cli, anqa_json answer)
{
    anqa_str pid = field_text(cli, answer, "pid");
    printf("%.*s is paused: anqa js resume has it go on\n", ANQA_FMT(pid));
}

static enum cli_status js_pause(struct cli *cli)
{
    return about_target(cli, "js_pause", pause_show);
}

static void resume_show(struct cli *cli, anqa_json answer)
{
    anqa_str pid = field_text(cli, answer, "pid");
    printf("%.*s goes on\n", ANQA_FMT(pid));
}

static enum cli_status js_resume(struct cli *cli)
{
    return about_target(cli, "js_resume", resume_show);
}

/* ---------------------------------------------------------------- profiles */

static enum cli_status write_svg(
    struct cli *cli, const char *path, const char *title, anqa_str folded)
{
    FILE *file = fopen(path, "we");
    bool failed;

    if (file == NULL)
        return cli_fail(CLI_FAILED, "cannot write %s: %m", path);
    flame_print(cli, file, title, folded);
    failed = ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    return failed ? cli_fail(CLI_FAILED, "cannot write %s: %m", path) : CLI_OK;
}

static void print_lines(struct cli *cli, anqa_str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline == NULL ? end : newline) - at);
        anqa_str clean = text_clean(cli, anqa_str_make(at, len));
        printf("%.*s\n", ANQA_FMT(clean));
        at += len + 1;
    }
}

static enum cli_status profile_tell(
    struct cli *cli, anqa_json answer, const char *svg, unsigned long seconds)
{
    uint64_t samples = anqa_json_uint(answer, "samples", 0);
    uint64_t lost = anqa_json_uint(answer, "lost", 0);
    anqa_str folded = {"", 0}, title;

    if (anqa_json_get_str(&cli->arena, answer, "folded", &folded) != ANQA_OK)
        return cli_fail(CLI_FAILED, "the program's answer is no profile");
    if (lost > 0)
        fprintf(stderr, "anqa: %" PRIu64 " samples were lost: too many different stacks\n", lost);
    if (svg == NULL) {
        print_lines(cli, folded);
        return CLI_OK;
    }
    title = text_format(cli,
        "%" PRIu64 " samples in %lu s, of half a millisecond of JavaScript each", samples, seconds);
    if (write_svg(cli, svg, text_format(cli, "%.*s", ANQA_FMT(title)).ptr, folded) != CLI_OK)
        return CLI_FAILED;
    printf("%.*s: %s\n", ANQA_FMT(title), svg);
    return CLI_OK;
}

static enum cli_status profile(
    struct client *client, anqa_json args, const char *svg, unsigned long seconds)
{
    struct cli *cli = client->cli;
    anqa_json line, answer;
    enum cli_status status;

    if (!client_send(client, "js_profile", args) ||
        !client_hear(client, (int)seconds * 1000 + CLIENT_WAIT_MS, &line))
        return cli_fail(CLI_UNREACHABLE, "the program at %s is gone", client->path);
    status = client_answer(line, cli, &answer);
    if (status != CLI_OK)
        return status;
    if (cli->json) {
        json_print(stdout, answer);
        return CLI_OK;
    }
    return profile_tell(cli, answer, svg, seconds);
}

static enum cli_status js_profile(struct cli *cli)
{
    unsigned long seconds = args_number(cli, "seconds", PROFILE_S, PROFILE_S_MAX);
    const char *svg = args_value(cli, "svg", NULL), *script = args_value(cli, "script", "");
    struct client client;
    enum cli_status status;

    if (!args_are(cli, 0, 1))
        return CLI_USAGE;
    if (seconds == 0)
        return cli_fail(CLI_USAGE, "--seconds: a number from 1 to %u is needed", PROFILE_S_MAX);
    status = client_find(&client, cli);
    if (status != CLI_OK)
        return status;
    status = profile(&client,
        json_make(cli, "{'process': %s, 'script': %s, 'time_ms': %lu}",
            cli->argc > 0 ? cli->argv[0] : "", script, seconds * 1000),
        svg, seconds);
    client_close(&client);
    return status;
}

/* ---------------------------------------------------------------- which */

static const struct {
    const char *name;
    enum cli_status (*run)(struct cli *cli);
} subcommands[] = {{"ps", js_ps}, {"variables", js_variables}, {"stack", js_stack},
    {"report", js_report}, {"pause", js_pause}, {"resume", js_resume}, {"profile", js_profile},
    {"coverage", js_coverage}, {"compile", js_compile}};

enum cli_status command_js(struct cli *cli)
{
    const char *name = cli->argc == 0 ? "" : cli->argv[0];

    for (size_t i = 0; i < ANQA_COUNT(subcommands); i++) {
        if (strcmp(name, subcommands[i].name) != 0)
            continue;
        cli->argv++;
        cli->argc--;
        return subcommands[i].run(cli);
    }
    if (cli->argc == 0)
        return cli_fail(CLI_USAGE, "which? 'anqa help js' lists what there is");
    return cli_fail(
        CLI_USAGE, "there is no 'anqa js %s'; 'anqa help js' lists what there is", name);
}
