/* wrk as a child: one thread on the processor that the server leaves. */
#include "servers.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define PATIENCE_S 20 /* beside the time that a run takes */

static const char program[] = "/usr/bin/wrk";

/** For wrk's -s: `-- N` requests in one piece. */
static const char script[] = "init = function(args)\n"
                             "  local one = wrk.format()\n"
                             "  all = string.rep(one, tonumber(args[1]))\n"
                             "end\n"
                             "request = function() return all end\n";

static void write_script(const struct server *server, char path[static 128])
{
    FILE *file;

    snprintf(path, 128, "%s/pipeline.lua", server->folder);
    file = fopen(path, "we");
    if (file == NULL || fputs(script, file) < 0 || fclose(file) != 0)
        bench_fail("cannot write %s: %m", path);
}

/** Reads what wrk says to its end; the number of requests. */
static double read_requests(struct child *wrk, uint64_t deadline_ns)
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

struct wrk_result wrk_run(const struct server *server, const struct wrk_options *options)
{
    char url[128], connections[16], seconds[16], path[128], pipeline[16];
    char *argv[] = {(char *)program, (char *)"-t1", (char *)"-c", connections, (char *)"-d",
        seconds, url, NULL, NULL, NULL, NULL, NULL};
    const char *scheme = server->tls ? "https" : "http";
    uint64_t deadline_ns = bench_now_ns() + (options->seconds + PATIENCE_S) * SECOND_NS;
    struct wrk_result result;
    struct child wrk;

    snprintf(url, sizeof(url), "%s://127.0.0.1:%s%s", scheme, server->port, options->path);
    snprintf(connections, sizeof(connections), "%u", options->connections);
    snprintf(seconds, sizeof(seconds), "%us", options->seconds);
    if (options->close) {
        argv[7] = (char *)"-H";
        argv[8] = (char *)"Connection: close";
    } else if (options->pipeline > 0) {
        write_script(server, path);
        snprintf(pipeline, sizeof(pipeline), "%u", options->pipeline);
        argv[7] = (char *)"-s";
        argv[8] = path;
        argv[9] = (char *)"--";
        argv[10] = pipeline;
    }
    result.server_ns = -stage_cpu_ns(server->pids, server->pid_count);
    if (!child_launch(&wrk, argv, &server->load_cpus))
        bench_fail("wrk could not be started");
    result.requests = read_requests(&wrk, deadline_ns);
    child_close(&wrk);
    result.server_ns += stage_cpu_ns(server->pids, server->pid_count);
    if (result.requests < 1)
        bench_fail("wrk made no request: %s", program);
    return result;
}
