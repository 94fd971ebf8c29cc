#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static anqa_rt *begin_with(const anqa_options *options)
{
    anqa_rt *rt = NULL;
    anqa_error err;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(options, &rt, &err), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK);
    return rt;
}

anqa_rt *begin(void)
{
    return begin_with(&(anqa_options){.schedulers = 2, .watchdog_ms = ANQA_INFINITY});
}

anqa_rt *begin_deterministic(void)
{
    return begin_with(&(anqa_options){.deterministic = true, .seed = harness_random()});
}

void end(anqa_rt *rt)
{
    anqa_detach();
    anqa_stop(rt);
}

struct job {
    void (*fn)(void *arg);
    void *arg;
};

static void job_run(void *state)
{
    struct job *job = state;

    job->fn(job->arg);
}

anqa_reason_kind outcome_of(void (*fn)(void *arg), void *arg, char *ret_text, size_t size)
{
    struct job job = {fn, arg};
    anqa_str text;
    anqa_ref ref;
    const anqa_msg *down;

    CHECK_STATUS(anqa_spawn(
                     &(anqa_spawn_opts){
                         .run = job_run, .arg = &job, .arg_size = sizeof job, .monitor = true},
                     NULL, &ref),
        ANQA_OK);
    down = anqa_receive_ref(ref, 20000);
    CHECK(down != NULL);
    text = anqa_reason_get_text(down->u.reason);
    if (ret_text != NULL)
        snprintf(ret_text, size, "%.*s", ANQA_FMT(text));
    return anqa_reason_get_kind(down->u.reason);
}

static bool has_tag(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, arg);
}

const anqa_msg *expect(const char *tag)
{
    const anqa_msg *msg = anqa_receive_if(has_tag, (void *)(uintptr_t)tag, HARNESS_LONG_MS);

    CHECK(msg != NULL, "no message '%s'", tag);
    return msg;
}

const char *expect_text(const char *tag)
{
    anqa_json body = expect(tag)->body;

    return anqa_tmp_printf("%.*s", (int)body.len, body.ptr);
}

bool nothing_came(const char *tag)
{
    return anqa_receive_if(has_tag, (void *)(uintptr_t)tag, 0) == NULL;
}

anqa_reason_kind end_of(anqa_pid pid)
{
    const anqa_msg *down = anqa_receive_ref(anqa_monitor(pid), HARNESS_LONG_MS);

    CHECK(down != NULL, "a process does not end");
    return anqa_reason_get_kind(down->u.reason);
}

void kill_and_wait(anqa_pid pid)
{
    anqa_exit_signal(pid, ANQA_KILL);
    (void)end_of(pid);
}

bool soon(bool (*so)(void *arg), void *arg)
{
    for (int i = 0; i < 20000; i++) {
        if (so(arg))
            return true;
        anqa_sleep(1);
    }
    return so(arg);
}

void live_without_memory(void (*life)(void *arg))
{
    const anqa_options options = {.deterministic = true, .seed = harness_random()};
    anqa_rt *rt = NULL;
    anqa_rt_stats stats;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    EACH_ALLOC_FAILURE {
        anqa_status status = anqa_rt_spawn(rt, &(anqa_spawn_opts){.run = life}, NULL);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        (void)anqa_rt_run(rt, ANQA_INFINITY);
        anqa_rt_get_stats(rt, &stats);
        CHECK_EQ(stats.processes, 0);
    }
    anqa_stop(rt);
}

static void keep_event(void *ctx, const anqa_log_event *event)
{
    struct logged *logged = ctx;

    if (strncmp(event->id, logged->wanted, strlen(logged->wanted)) != 0)
        return;
    snprintf(logged->id, sizeof logged->id, "%s", event->id);
    snprintf(logged->fields, sizeof logged->fields, "%.*s", ANQA_FMT(event->fields));
    atomic_fetch_add(&logged->count, 1);
}

void log_watch(struct logged *logged, anqa_log_level level)
{
    anqa_log_set_sink(keep_event, logged);
    anqa_log_set_level(level);
}

void log_unwatch(void)
{
    anqa_log_set_sink(NULL, NULL);
}

bool was_logged(void *arg)
{
    return atomic_load(&((struct logged *)arg)->count) > 0;
}

void report(anqa_pid to, const char *tag, const char *text)
{
    (void)anqa_send(to, tag, anqa_bytes(text, strlen(text)));
}
