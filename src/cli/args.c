/* Arguments of a subcommand: options are taken out by name, wherever they stand, and what is left is counted. */
#include "cli/cli.h"

#include <stdlib.h>

static void drop(struct cli *cli, int at, int count)
{
    cli->argc -= count;
    memmove(cli->argv + at, cli->argv + at + count, (size_t)(cli->argc - at) * sizeof *cli->argv);
}

bool args_flag(struct cli *cli, const char *name)
{
    for (int i = 0; i < cli->argc; i++) {
        if (strncmp(cli->argv[i], "--", 2) == 0 && strcmp(cli->argv[i] + 2, name) == 0) {
            drop(cli, i, 1);
            return true;
        }
    }
    return false;
}

const char *args_value(struct cli *cli, const char *name, const char *otherwise)
{
    size_t len = strlen(name);

    for (int i = 0; i < cli->argc; i++) {
        const char *arg = cli->argv[i];
        const char *value = i + 1 < cli->argc ? cli->argv[i + 1] : NULL;

        if (strncmp(arg, "--", 2) != 0 || strncmp(arg + 2, name, len) != 0)
            continue;
        if (arg[2 + len] == '=') {
            drop(cli, i, 1);
            return arg + 2 + len + 1;
        }
        if (arg[2 + len] != '\0')
            continue;
        if (value == NULL)
            cli_quit(CLI_USAGE, "--%s needs a value", name);
        drop(cli, i, 2);
        return value;
    }
    return otherwise;
}

unsigned long args_number(
    struct cli *cli, const char *name, unsigned long otherwise, unsigned long max)
{
    const char *text = args_value(cli, name, NULL);
    char *end;
    unsigned long value;

    if (text == NULL)
        return otherwise;
    value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > max)
        cli_quit(CLI_USAGE, "--%s=%s: a number from 0 to %lu is needed", name, text, max);
    return value;
}

bool args_are(struct cli *cli, int min, int max)
{
    for (int i = 0; i < cli->argc; i++) {
        if (cli->argv[i][0] != '-' || cli->argv[i][1] == '\0')
            continue;
        (void)cli_fail(
            CLI_USAGE, "unknown option '%s'; --help lists those there are", cli->argv[i]);
        return false;
    }
    if (cli->argc >= min && cli->argc <= max)
        return true;
    (void)cli_fail(CLI_USAGE,
        cli->argc < min ? "an argument is missing; see --help" : "too many arguments; see --help");
    return false;
}
