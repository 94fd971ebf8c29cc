/* The `anqa` command: looks into programs that run, and tells them what to do. */
#include "cli/cli.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

static const struct command commands[] = {
    {"observe", "[--interval MS]", "a live view of everything, in the terminal", command_observe,
        "--interval: how often it looks, in milliseconds from 250 (default: 1000)"},
    {"tree", "", "the supervision tree", command_tree, NULL},
    {"processes", "[--sort COLUMN] [--limit N]", "processes, the largest first", command_processes,
        "--sort: mailbox, memory, handled or none (default: memory)\n"
        "--limit: how many at most (default: 20)"},
    {"info", "PID|NAME", "all that can be seen of a process", command_info, NULL},
    {"state", "PID|NAME", "the state of a server", command_state, NULL},
    {"suspend", "PID|NAME", "has a server handle nothing, until it is resumed", command_suspend,
        NULL},
    {"resume", "PID|NAME", "has a suspended server go on", command_resume, NULL},
    {"trace", "PID|NAME [--count N]", "prints what a process receives, sends and handles",
        command_trace, "--count: ends after so many events; otherwise with ^C"},
    {"js", "ps|stack|variables|... [PID]", "looks into JavaScript processes", command_js,
        "ps [--limit N]         who there is, the youngest first (default: 100)\n"
        "stack PID|NAME         where its turn is, innermost first\n"
        "variables PID|NAME     what the variables of its script hold, and what it has made "
        "global\n"
        "report PID|NAME        what its memory holds, and what it waits for\n"
        "pause PID|NAME         has it take no turn, or stop in the midst of one; its messages "
        "wait\n"
        "resume PID|NAME        has it go on\n"
        "profile [PID|NAME] [--script NAME] [--seconds N] [--svg FILE]\n"
        "                       counts the stacks that compute, of one process, of those of a "
        "script, or of all, for\n"
        "                       some time (default: 5); prints them folded, or writes a flame "
        "graph\n"
        "coverage [--lcov FILE] what has run of scripts that count it (anqa_add_script(... "
        "COVERAGE)), or that as\n"
        "                       lcov's tracefile\n"
        "compile FILE --out FILE [--name NAME]\n"
        "                       makes bytecode of a module that imports nothing, for this "
        "version's engine; asks no\n"
        "                       program. NAME is the script's (default: the file's)"},
    {"system", "", "schedulers, memory, counts", command_system, NULL},
    {"metrics", "", "everything that is measured, as Prometheus reads it", command_metrics, NULL},
    {"log", "[LEVEL]", "tells the log's level, or sets it", command_log,
        "levels: none, emergency, alert, critical, error, warning, notice, info, debug"},
    {"rpc", "[OPERATION [JSON]]", "runs an operation inside of the program, or lists them",
        command_rpc, NULL},
    {"stop", "[--timeout SECONDS]", "stops the program in order, and waits for its end",
        command_stop, "--timeout: how long it may take (default: 60)"},
    {"restart", "[--timeout SECONDS]",
        "has a successor take the program's place, and waits for the end of this one",
        command_restart, "--timeout: how long it may take (default: 60)"},
    {"reload", "", "has the program read its certificates and keys again", command_reload,
        "New connections have the new ones. If a file is wrong, its endpoint keeps what it has."},
    {"pid", "", "the program's process id", command_pid, NULL},
    {"version", "", "the program's version", command_version, NULL},
    {"list", "", "the programs that run", command_list, NULL},
    {"gen-cert", "[--dir FOLDER] [HOST ...]", "makes a certificate and a key for development",
        command_gen_cert,
        "Writes cert.pem and key.pem (mode 0600), which must not be there: a key for ECDSA, and a "
        "certificate that\n"
        "signs itself, for a year. Hosts are names or addresses (default: localhost 127.0.0.1 "
        "::1).\n"
        "--dir: where to (default: .)"},
};

static void say(const char *format, va_list args) ANQA_PRINTF(1, 0);

static void say(const char *format, va_list args)
{
    fputs("anqa: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

enum cli_status cli_fail(enum cli_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    return status;
}

void cli_quit(enum cli_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    exit((int)status); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static void out_of_memory(anqa_arena *arena, size_t wanted)
{
    cli_quit(CLI_FAILED, "out of memory");
}

/* ---------------------------------------------------------------- help */

static void print_commands(FILE *out)
{
    for (size_t i = 0; i < ANQA_COUNT(commands); i++) {
        const struct command *command = &commands[i];
        char usage[64];
        snprintf(usage, sizeof usage, "%s %s", command->name, command->args);
        fprintf(out, "  %-38s %s\n", usage, command->doc);
    }
}

static void print_help(FILE *out)
{
    fputs(
        "usage: anqa COMMAND [OPTION ...]\n\nLooks into a program that runs on Anqa, and tells it "
        "what to do.\n\n",
        out);
    print_commands(out);
    fputs("\noptions of all commands:\n"
          "  --app NAME        the program: its name, or its process id; not needed when one runs\n"
          "  --socket PATH     the program's control socket, wherever that is\n"
          "  --json            answers as JSON, one value a line\n"
          "  --help            this text, or a command's own\n"
          "\nExit status: 0 fine, 1 the program said no, 2 usage, 3 no program can be reached.\n"
          "Colours are for terminals; NO_COLOR in the environment switches them off.\n",
        out);
}

static void print_command_help(const struct command *command)
{
    printf("usage: anqa %s%s%s\n\n%s\n", command->name, command->args[0] == '\0' ? "" : " ",
        command->args, command->doc);
    if (command->help != NULL)
        printf("\n%s\n", command->help);
}

/* ---------------------------------------------------------------- running */

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ANQA_COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* The environment is read before anything else is done, on the only thread there is. */
static bool wants_colour(void)
{
    const char *no = getenv("NO_COLOR");   /* NOLINT(concurrency-mt-unsafe): one thread */
    const char *terminal = getenv("TERM"); /* NOLINT(concurrency-mt-unsafe): one thread */

    return isatty(STDOUT_FILENO) == 1 && (no == NULL || no[0] == '\0') && terminal != NULL &&
           strcmp(terminal, "dumb") != 0;
}

static enum cli_status run(struct cli *cli)
{
    const struct command *command;
    bool help = args_flag(cli, "help");

    if (cli->argc == 0 || (strcmp(cli->argv[0], "help") == 0 && cli->argc == 1)) {
        print_help(cli->argc > 0 || help ? stdout : stderr);
        return cli->argc > 0 || help ? CLI_OK : CLI_USAGE;
    }
    if (strcmp(cli->argv[0], "help") == 0) {
        help = true;
        cli->argv++;
        cli->argc--;
    }
    command = command_find(cli->argv[0]);
    if (command == NULL)
        return cli_fail(
            CLI_USAGE, "there is no command '%s'; 'anqa help' lists them", cli->argv[0]);
    if (help) {
        print_command_help(command);
        return CLI_OK;
    }
    cli->argv++;
    cli->argc--;
    return command->run(cli);
}

int main(int argc, char **argv)
{
    struct cli cli = {.arena = {.on_fail = out_of_memory}, .argc = argc - 1, .argv = argv + 1};
    enum cli_status status;

    setlocale(LC_CTYPE, ""); /* NOLINT(concurrency-mt-unsafe): one thread */
    cli.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0; /* NOLINT(concurrency-mt-unsafe) */
    cli.colour = wants_colour();
    cli.json = args_flag(&cli, "json");
    cli.socket = args_value(&cli, "socket", NULL);
    cli.app = args_value(&cli, "app", NULL);
    status = run(&cli);
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        status =
            status == CLI_OK ? cli_fail(CLI_FAILED, "cannot write to standard output") : status;
    anqa_arena_done(&cli.arena);
    return (int)status;
}
