/*
 * rt_fixture.h - what the tests of the runtime share: a runtime around a test whose thread is attached to it, and
 * puppets: processes that do what the test tells them and end when its thread detaches.
 *
 *     anqa_rt *rt = rt_open(2);
 *     anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.trap_exit = true});
 *     CHECK(rt_have(pid, link_to, &other));
 *     rt_close(rt);
 */
#ifndef RT_FIXTURE_H
#define RT_FIXTURE_H

#include "harness.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>

#include <anqa/process.h>
#include <anqa/runtime.h>

/* Long enough for what must come: reaching it is a failure. */
#define RT_LONG_MS HARNESS_LONG_MS

static inline uint64_t rt_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline void rt_pause(void)
{
    const struct timespec moment = {.tv_nsec = 200000};

    nanosleep(&moment, NULL);
}

/* ---------------------------------------------------------------- the runtime */

static inline anqa_rt *rt_open_with(const anqa_options *options)
{
    anqa_error err;
    anqa_rt *rt;

    CHECK_STATUS(anqa_start(options, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    return rt;
}

static inline anqa_rt *rt_open(uint16_t schedulers)
{
    return rt_open_with(&(anqa_options){.schedulers = schedulers});
}

/* Time stands still unless everybody waits. */
static inline anqa_rt *rt_open_deterministic(uint64_t seed)
{
    return rt_open_with(&(anqa_options){.deterministic = true, .seed = seed});
}

static inline bool rt_is_empty(const anqa_rt_stats *s)
{
    return s->processes == 0 && s->zombies == 0 && s->messages == 0 && s->stacks == 0 &&
           s->heap_bytes == 0;
}

/* After the last process: nothing of it is left. Nobody is attached. */
static inline void rt_check_empty(anqa_rt *rt)
{
    uint64_t end = rt_clock_us() + (uint64_t)RT_LONG_MS * 1000;
    anqa_rt_stats s;

    do {
        rt_pause();
        (void)anqa_rt_run(rt, 0); /* deterministic mode: what is left to do */
        anqa_rt_get_stats(rt, &s);
    } while (!rt_is_empty(&s) && rt_clock_us() < end);
    CHECK_EQ(s.processes, 0);
    CHECK_EQ(s.zombies, 0);
    CHECK_EQ(s.messages, 0);
    CHECK_EQ(s.stacks, 0);
    CHECK_EQ(s.heap_bytes, 0);
}

static inline void rt_close(anqa_rt *rt)
{
    anqa_detach();
    rt_check_empty(rt);
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- what comes */

/* Why the monitored process ended. */
static inline anqa_reason_kind rt_ended(anqa_ref ref)
{
    const anqa_msg *msg = anqa_receive_ref(ref, RT_LONG_MS);
    anqa_reason_kind kind;

    CHECK(msg != NULL);
    CHECK_EQ(msg->kind, ANQA_MSG_DOWN);
    kind = anqa_reason_get_kind(msg->u.reason);
    anqa_msg_free(msg);
    return kind;
}

static inline anqa_reason_kind rt_wait_for_end(anqa_pid pid)
{
    return rt_ended(anqa_monitor(pid));
}

static inline bool rt_has_tag(const anqa_msg *msg, void *tag)
{
    return anqa_tag_is(msg->tag, tag);
}

/* The oldest message with this tag. */
static inline const anqa_msg *rt_receive(const char *tag, uint32_t timeout_ms)
{
    return anqa_receive_if(rt_has_tag, (void *)(uintptr_t)tag, timeout_ms);
}

/* The same; it must come. */
static inline const anqa_msg *rt_expect(const char *tag)
{
    const anqa_msg *msg = rt_receive(tag, RT_LONG_MS);

    CHECK(msg != NULL, "%s", tag);
    return msg;
}

/* The number that the next message with this tag carries. */
static inline uint64_t rt_expect_number(const char *tag)
{
    const anqa_msg *msg = rt_expect(tag);
    uint64_t number;

    CHECK_EQ(msg->body.len, sizeof number);
    memcpy(&number, msg->body.ptr, sizeof number);
    anqa_msg_free(msg);
    return number;
}

static inline anqa_status rt_send_number(anqa_pid to, const char *tag, uint64_t number)
{
    return anqa_send(to, tag, anqa_bytes(&number, sizeof number));
}

/* ---------------------------------------------------------------- puppets */

struct rt_order {
    void (*fn)(void *arg);
    void *arg;
};

struct rt_puppet_wants {
    anqa_ref parent;
};

static inline bool rt_puppet_wants(const anqa_msg *msg, void *arg)
{
    const struct rt_puppet_wants *wants = arg;

    return anqa_tag_is(msg->tag, "do") || anqa_ref_eq(msg->ref, wants->parent);
}

/* Everything but orders stays in its mailbox, for the test's functions to find. */
static inline void rt_puppet_run(void *state)
{
    struct rt_puppet_wants wants = {anqa_monitor(anqa_parent())};

    for (;;) {
        const anqa_msg *msg = anqa_receive_if(rt_puppet_wants, &wants, ANQA_INFINITY);
        struct rt_order order;
        anqa_caller caller;
        if (msg->kind == ANQA_MSG_DOWN)
            return;
        memcpy(&order, msg->body.ptr, sizeof order);
        caller = anqa_msg_caller(msg);
        order.fn(order.arg);
        if (msg->kind == ANQA_MSG_CALL)
            anqa_reply_to(&caller, anqa_nothing());
        anqa_msg_free(msg);
    }
}

/* opts: NULL for the defaults. */
static inline anqa_pid rt_puppet(const anqa_spawn_opts *opts)
{
    anqa_spawn_opts o = opts == NULL ? (anqa_spawn_opts){0} : *opts;
    anqa_pid pid;

    o.run = rt_puppet_run;
    CHECK_STATUS(anqa_spawn(&o, &pid, NULL), ANQA_OK);
    return pid;
}

/* It calls fn(arg) some time. */
static inline void rt_tell(anqa_pid puppet, void (*fn)(void *arg), const void *arg)
{
    struct rt_order order = {fn, (void *)(uintptr_t)arg};

    CHECK_STATUS(anqa_send(puppet, "do", anqa_bytes(&order, sizeof order)), ANQA_OK);
}

/* It has called fn(arg) when this returns true; false: it died of it, or before. */
static inline bool rt_have(anqa_pid puppet, void (*fn)(void *arg), const void *arg)
{
    struct rt_order order = {fn, (void *)(uintptr_t)arg};
    const anqa_msg *msg =
        anqa_receive_ref(anqa_request(puppet, "do", anqa_bytes(&order, sizeof order)), RT_LONG_MS);
    bool done;

    CHECK(msg != NULL);
    done = msg->kind == ANQA_MSG_REPLY;
    anqa_msg_free(msg);
    return done;
}

static inline void rt_link_to(void *pid)
{
    anqa_link(*(anqa_pid *)pid);
}

static inline void rt_unlink_from(void *pid)
{
    anqa_unlink(*(anqa_pid *)pid);
}

static inline void rt_exit_with(void *kind)
{
    anqa_exit(anqa_reason_of(*(anqa_reason_kind *)kind));
}

static inline void rt_do_nothing(void *arg)
{
}

/* Ends a puppet with this reason, and waits for it. */
static inline void rt_end(anqa_pid puppet, anqa_reason_kind kind)
{
    CHECK(!rt_have(puppet, rt_exit_with, &kind));
}

/* Kills a process, whatever it does, and waits for it. */
static inline void rt_kill(anqa_pid pid)
{
    anqa_ref ref = anqa_monitor(pid);

    anqa_exit_signal(pid, ANQA_KILL);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED);
}

/* A process that has ended. */
static inline anqa_pid rt_dead(void)
{
    anqa_pid pid = rt_puppet(NULL);

    rt_end(pid, ANQA_REASON_NORMAL);
    return pid;
}

#endif
