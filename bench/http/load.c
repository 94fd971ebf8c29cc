/* wrk and h2load as children: one thread on the processor that the server leaves. */
#include "servers.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define PATIENCE_S 20 /* beside the time that a run takes */
#define MAX_ARGS 16

/** A program with its arguments, and the texts that they lie in. */
struct command {
    char *argv[MAX_ARGS];
    size_t count;
    char url[128], script[128], numbers[4][16];
    size_t number_count;
    double (*read)(struct child *child, uint64_t deadline_ns); /* the number of good answers */
};

static void add(struct command *command, const char *argument)
{
    if (command->count + 1 >= MAX_ARGS)
        bench_fail("too many arguments");
    command->argv[command->count++] = (char *)(uintptr_t)argument;
}

static void add_number(struct command *command, unsigned number)
{
    char *text = command->numbers[command->number_count++];

    snprintf(text, sizeof(command->numbers[0]), "%u", number);
    add(command, text);
}

/* ---------------------------------------------------------------- wrk */

/** For wrk's -s: `-- N` requests in one piece. */
static const char script[] = "init = function(args)\n"
                             "  local one = wrk.format()\n"
                             "  all = string.rep(one, tonumber(args[1]))\n"
                             "end\n"
                             "request = function() return all end\n";

static void write_script(const struct server *server, struct command *command)
{
    FILE *file;

    snprintf(command->script, sizeof(command->script), "%s/pipeline.lua", server->folder);
    file = fopen(command->script, "we");
    if (file == NULL || fputs(script, file) < 0 || fclose(file) != 0)
        bench_fail("cannot write %s: %m", command->script);
}

static double read_wrk(struct child *wrk, uint64_t deadline_ns)
{
    double requests = 0;

    while (child_line(wrk, deadline_ns)) {
        char *end;
        double number = strtod(wrk->line, &end);

        if (strncmp(end, " requests in ", 13) == 0)
            requests = number;
        if (strstr(wrk->line, "Socket errors:") != NULL || strstr(wrk->line, "Non-2xx") != NULL)
            bench_fail("wrk: %s", wrk->line);
    }
    return requests;
}

static void make_wrk(
    struct command *command, const struct server *server, const struct load_options *options)
{
    command->read = read_wrk;
    add(command, "/usr/bin/wrk");
    add(command, "-t1");
    add(command, "-c");
    add_number(command, options->connections);
    add(command, "-d");
    add_number(command, options->seconds);
    add(command, command->url);
    if (options->close) {
        add(command, "-H");
        add(command, "Connection: close");
    }
    if (options->pipeline > 0) {
        write_script(server, command);
        add(command, "-s");
        add(command, command->script);
        add(command, "--");
        add_number(command, options->pipeline);
    }
}

/* ---------------------------------------------------------------- h2load */

/** "requests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout" */
static double read_h2load(struct child *h2load, uint64_t deadline_ns)
{
    double good = 0, failed = 0, errored = 0;
    bool spoken = false;

    while (child_line(h2load, deadline_ns)) {
        spoken = spoken || strcmp(h2load->line, "Application protocol: h2") == 0 ||
                 strcmp(h2load->line, "Application protocol: h2c") == 0;
        if (sscanf(h2load->line,
                "requests: %*f total, %*f started, %*f done, %lf succeeded, %lf failed, %lf "
                "errored",
                &good, &failed, &errored) == 3 &&
            failed + errored > 0)
            bench_fail("h2load: %s", h2load->line);
    }
    if (!spoken)
        bench_fail("h2load did not speak HTTP/2");
    return good;
}

static void make_h2load(struct command *command, const struct load_options *options)
{
    command->read = read_h2load;
    add(command, "/usr/bin/h2load");
    add(command, "-t1");
    add(command, "-c");
    add_number(command, options->connections);
    add(command, "-m");
    add_number(command, options->streams);
    add(command, "-D");
    add_number(command, options->seconds);
    add(command, command->url);
}

/* ---------------------------------------------------------------- either */

struct load_result load_run(const struct server *server, const struct load_options *options)
{
    uint64_t deadline_ns = bench_now_ns() + (options->seconds + PATIENCE_S) * SECOND_NS;
    struct command command = {0};
    struct load_result result;
    struct child child;

    snprintf(command.url, sizeof(command.url), "%s://127.0.0.1:%s%s",
        server->tls ? "https" : "http", server->port, options->path);
    if (options->streams > 0)
        make_h2load(&command, options);
    else
        make_wrk(&command, server, options);
    result.server_ns = -stage_cpu_ns(server->pids, server->pid_count);
    if (!child_launch(&child, command.argv, &server->load_cpus))
        bench_fail("%s could not be started", command.argv[0]);
    result.requests = command.read(&child, deadline_ns);
    child_close(&child);
    result.server_ns += stage_cpu_ns(server->pids, server->pid_count);
    if (result.requests < 1)
        bench_fail("%s made no request", command.argv[0]);
    return result;
}
