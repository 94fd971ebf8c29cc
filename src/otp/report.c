#include "otp/report.h"

#include <stdatomic.h>
#include <unistd.h>

#include <anqa/introspect.h>
#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/supervisor.h>

/* shared: one at a time, so that a reader who hangs can not make them pile up */
static _Atomic(bool) writing;

/* On a worker's thread: a pipe may be full. */
static void write_all(void *job)
{
    const anqa_str *text = job;
    size_t at = 0;

    while (at < text->len) {
        ssize_t n = write(STDERR_FILENO, text->ptr + at, text->len - at);
        if (n <= 0)
            return; /* nobody reads: there is nobody to tell */
        at += (size_t)n;
    }
}

static void over(void *arg)
{
    atomic_store_explicit(&writing, false, memory_order_relaxed);
}

static void report_run(void *state)
{
    anqa_str tree, system;
    anqa_status status;
    anqa_str *text;

    (void)anqa_defer(over, NULL);
    tree = anqa_tree_text_all();
    system = anqa_system_text();
    text = anqa_arena_alloc(anqa_tmp(), sizeof *text);
    *text = anqa_str_of(anqa_tmp_printf("%.*ssystem: %.*s\n", ANQA_FMT(tree), ANQA_FMT(system)));
    status = anqa_blocking(write_all, text, 0);
    if (status != ANQA_OK)
        anqa_log(ANQA_ERROR, "report.not_written", "error=%s", anqa_status_text(status));
}

void report_write(anqa_rt *rt)
{
    anqa_spawn_opts opts = {.run = report_run, .label = "report of SIGUSR1"};
    anqa_status status;
    anqa_pid pid;

    if (atomic_exchange_explicit(&writing, true, memory_order_relaxed))
        return;
    status = anqa_rt_spawn(rt, &opts, &pid);
    if (status == ANQA_OK)
        return;
    over(NULL);
    anqa_log(ANQA_ERROR, "report.not_written", "error=%s", anqa_status_text(status));
}
