/* What the watchdog sees, and what it writes: stuck schedulers, and contained faults with the names of functions. */
#include <anqa/log.h>
#include <anqa/process.h>
#include <anqa/runtime.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "harness.h"

#define FAULTY __attribute__((noinline, no_sanitize("address", "undefined")))

/* ---------------------------------------------------------------- a log that can be waited for */

enum { MAX_LINES = 256, LINE = 1024 };

static struct {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t more;
    unsigned count;
    char ids[MAX_LINES][64], fields[MAX_LINES][LINE];
    char whose[MAX_LINES][ANQA_PID_TEXT], labels[MAX_LINES][64];
} lines = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void keep_line(void *ctx, const anqa_log_event *event)
{
    pthread_mutex_lock(&lines.lock);
    if (lines.count < MAX_LINES) {
        snprintf(lines.ids[lines.count], sizeof lines.ids[0], "%s", event->id);
        snprintf(
            lines.whose[lines.count], sizeof lines.whose[0], "%.*s", ANQA_FMT(event->pid_text));
        snprintf(lines.labels[lines.count], sizeof lines.labels[0], "%.*s", ANQA_FMT(event->label));
        snprintf(lines.fields[lines.count++], LINE, "%.*s", ANQA_FMT(event->fields));
    }
    pthread_cond_broadcast(&lines.more);
    pthread_mutex_unlock(&lines.lock);
}

static unsigned count_lines(const char *id, unsigned *ret_last)
{
    unsigned found = 0;

    for (unsigned i = 0; i < lines.count; i++) {
        if (strcmp(lines.ids[i], id) == 0) {
            *ret_last = i;
            found++;
        }
    }
    return found;
}

/* Waits until there are `wanted` lines of that id; returns the fields of the last one. */
static const char *wait_for_lines(const char *id, unsigned wanted)
{
    struct timespec until;
    unsigned last = 0, found;
    int errnum = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10 * harness_slowness();
    pthread_mutex_lock(&lines.lock);
    while ((found = count_lines(id, &last)) < wanted && errnum == 0)
        errnum = pthread_cond_timedwait(&lines.more, &lines.lock, &until);
    pthread_mutex_unlock(&lines.lock);
    CHECK_EQ(found, wanted, "lines of %s", id);
    return lines.fields[last];
}

static unsigned lines_of(const char *id)
{
    unsigned last, found;

    pthread_mutex_lock(&lines.lock);
    found = count_lines(id, &last);
    pthread_mutex_unlock(&lines.lock);
    return found;
}

/* ---------------------------------------------------------------- stuck schedulers */

static _Atomic(bool) released;
static anqa_pid waiter;

static anqa_rt *start(const anqa_options *options)
{
    anqa_error err;
    anqa_rt *rt;

    anqa_log_set_sink(keep_line, NULL);
    CHECK_STATUS(anqa_start(options, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    waiter = anqa_self();
    return rt;
}

static void stop(anqa_rt *rt)
{
    anqa_detach();
    anqa_stop(rt);
    anqa_log_set_sink(NULL, NULL);
}

static void say_hello(void *state)
{
    CHECK_STATUS(anqa_send(waiter, "hello", anqa_nothing()), ANQA_OK);
}

/* Leaves one behind in its queue and holds the scheduler. */
static void hold(void *state)
{
    anqa_spawn_opts opts = {.run = say_hello};
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&opts, &pid, NULL), ANQA_OK);
    while (!atomic_load_explicit(&released, memory_order_relaxed))
        ;
    CHECK_STATUS(anqa_send(waiter, "done", anqa_nothing()), ANQA_OK);
}

static anqa_pid spawn(void (*run)(void *state))
{
    anqa_spawn_opts opts = {.run = run, .scheduler = 1, .label = "holder"};
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&opts, &pid, NULL), ANQA_OK);
    return pid;
}

static void expect(const char *tag)
{
    const anqa_msg *msg = anqa_receive(HARNESS_LONG_MS);

    CHECK(msg != NULL);
    CHECK_STR(msg->tag, tag);
}

TEST(a_callback_that_holds_its_scheduler_is_reported_twice)
{
    anqa_rt *rt = start(&(anqa_options){.schedulers = 2, .watchdog_ms = 30});
    char text[ANQA_PID_TEXT];
    anqa_pid pid = spawn(hold);

    anqa_pid_text(pid, text);
    CHECK(strstr(wait_for_lines("scheduler.stuck", 1), text) != NULL);
    CHECK(strstr(wait_for_lines("scheduler.unkillable", 1), text) != NULL);
    CHECK_EQ(lines_of("scheduler.stuck"), 1);
    atomic_store(&released, true);
    expect("hello");
    expect("done");
    stop(rt);
}

static void relabel_and_hold(void *state)
{
    anqa_set_label("import 7");
    hold(state);
}

TEST(the_report_of_a_stuck_callback_names_the_process_by_its_label)
{
    anqa_rt *rt = start(&(anqa_options){.schedulers = 2, .watchdog_ms = 30});

    spawn(relabel_and_hold);
    CHECK(strstr(wait_for_lines("scheduler.stuck", 1), "label=\"import 7\"") != NULL);
    CHECK(strstr(wait_for_lines("scheduler.unkillable", 1), "label=\"import 7\"") != NULL);
    atomic_store(&released, true);
    expect("hello");
    expect("done");
    stop(rt);
}

static void hold_without_label(void *state)
{
    while (!atomic_load_explicit(&released, memory_order_relaxed))
        ;
    CHECK_STATUS(anqa_send(waiter, "done", anqa_nothing()), ANQA_OK);
}

TEST(a_label_ends_with_its_process_and_not_with_the_slot)
{
    anqa_rt *rt = start(&(anqa_options){.schedulers = 1, .max_processes = 2, .watchdog_ms = 30});
    anqa_pid pid = spawn(say_hello), next;
    const char *fields;

    expect("hello");
    (void)anqa_monitor(pid);
    expect("DOWN");
    while (anqa_spawn(&(anqa_spawn_opts){.run = hold_without_label}, &next, NULL) != ANQA_OK)
        ;                                      /* the slot comes back some moments after the DOWN */
    CHECK_EQ(next.bits >> 32, pid.bits >> 32); /* there are two slots, and we have the other */
    fields = wait_for_lines("scheduler.stuck", 1);
    CHECK(strstr(fields, "holder") == NULL, "%s", fields);
    atomic_store(&released, true);
    expect("done");
    stop(rt);
}

TEST(what_waits_behind_a_stuck_callback_runs_elsewhere)
{
    anqa_rt *rt = start(&(anqa_options){.schedulers = 2});

    spawn(hold);
    expect("hello"); /* while the scheduler is still held */
    atomic_store(&released, true);
    expect("done");
    stop(rt);
}

static void nap(void *state)
{
    anqa_sleep(120);
    CHECK_STATUS(anqa_send(waiter, "done", anqa_nothing()), ANQA_OK);
}

TEST(a_process_that_waits_is_not_stuck)
{
    anqa_rt *rt = start(&(anqa_options){.schedulers = 1, .watchdog_ms = 20});

    spawn(nap);
    expect("done");
    CHECK_EQ(lines_of("scheduler.stuck"), 0);
    stop(rt);
}

static void spin_100_ms(void *state)
{
    uint64_t end = clock_mono_ms() + 100;

    while (clock_mono_ms() < end)
        ;
    CHECK_STATUS(anqa_send(waiter, "done", anqa_nothing()), ANQA_OK);
}

TEST(a_watchdog_that_is_switched_off_reports_nothing)
{
    anqa_rt *rt = start(&(anqa_options){.schedulers = 1, .watchdog_ms = ANQA_INFINITY});

    spawn(spin_100_ms);
    expect("done");
    stop(rt);
    CHECK_EQ(lines_of("scheduler.stuck"), 0);
}

/* ---------------------------------------------------------------- faults */

static volatile uintptr_t near_null = 0x10;

static FAULTY void the_faulty_function(void *state)
{
    *(volatile int *)near_null = 1;
}

TEST(a_contained_fault_is_logged_with_the_name_of_the_function)
{
    anqa_rt *rt = start(&(anqa_options){.schedulers = 1});
    char text[ANQA_PID_TEXT];
    anqa_pid pid = spawn(the_faulty_function);
    const char *fields = wait_for_lines("process.crashed", 1);

    CHECK_STR(lines.whose[0], anqa_pid_text(pid, text));
    CHECK_STR(lines.labels[0], "holder");
    CHECK(strstr(fields, "reason=fault ") == fields, "%s", fields);
    CHECK(strstr(fields, " fault=\"SIGSEGV at 0x10\" ") != NULL, "%s", fields);
    CHECK(strstr(fields, " <the_faulty_function+0x") != NULL, "%s", fields);
    CHECK(strstr(fields, " <sched_loop+0x") != NULL, "%s", fields);
    stop(rt);
}

static void crash_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        anqa_spawn_opts opts = {.run = the_faulty_function, .monitor = true};
        anqa_pid pid;
        anqa_ref ref;
        CHECK_STATUS(anqa_spawn(&opts, &pid, &ref), ANQA_OK);
        CHECK(anqa_receive_ref(ref, HARNESS_LONG_MS) != NULL);
    }
}

/* How many faults had no line, as the other lines say. */
static unsigned unlogged(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < lines.count; i++) {
        const char *dropped = strstr(lines.fields[i], "dropped=");
        if (dropped != NULL)
            sum += (unsigned)strtoul(dropped + strlen("dropped="), NULL, 10);
    }
    return sum;
}

TEST(lines_about_faults_are_limited_and_what_is_left_out_is_counted)
{
    const unsigned faults = 100;
    uint64_t begin = clock_mono_ms(), seconds;
    anqa_rt *rt = start(&(anqa_options){.schedulers = 1});

    crash_many(faults);
    stop(rt);
    seconds = (clock_mono_ms() - begin) / 1000 + 1;
    CHECK(lines_of("process.crashed") >= 1);
    CHECK(lines_of("process.crashed") <= 10 * seconds);
    CHECK_EQ(lines_of("process.crashed") + unlogged(), faults);
}
