/* anqa_blocking: who runs a job, who frees it, and what a death in the middle leaves behind. */
#include "rt_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <anqa/memory.h>
#include <anqa/net.h>

#include "runtime/worker.h"

/* ---------------------------------------------------------------- jobs that wait until they may go on */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned inside, most, passed;
    bool open;
};

#define GATE_INIT {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

static void gate_pass(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->inside++;
    if (gate->inside > gate->most)
        gate->most = gate->inside;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    gate->inside--;
    gate->passed++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await_inside(struct gate *gate, unsigned inside)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->inside < inside)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await_passed(struct gate *gate, unsigned passed)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->passed < passed)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

struct sum {
    struct gate *gate;
    uint64_t a, b, result;
    pthread_t thread;
};

static void sum_run(void *job)
{
    struct sum *sum = job;

    if (sum->gate != NULL)
        gate_pass(sum->gate);
    sum->result = sum->a + sum->b;
    sum->thread = pthread_self();
}

static anqa_pid start(void (*run)(void *state), void *arg)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = run, .arg = arg}, &pid, NULL), ANQA_OK);
    return pid;
}

/* Why it ended. */
static anqa_reason_kind end_of(void (*run)(void *state), void *arg)
{
    anqa_ref ref;
    anqa_pid pid;
    anqa_spawn_opts opts = {.run = run, .arg = arg, .monitor = true};

    CHECK_STATUS(anqa_spawn(&opts, &pid, &ref), ANQA_OK);
    return rt_ended(ref);
}

static struct workers_stats stats_of(anqa_rt *rt)
{
    struct workers_stats stats;

    workers_get_stats(rt, &stats);
    return stats;
}

static void await_queued(anqa_rt *rt, uint32_t queued)
{
    uint64_t end = rt_clock_us() + (uint64_t)RT_LONG_MS * 1000;

    while (stats_of(rt).queued != queued && rt_clock_us() < end)
        rt_pause();
    CHECK_EQ(stats_of(rt).queued, queued);
}

static uint64_t zombies(anqa_rt *rt)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(rt, &stats);
    return stats.zombies;
}

static void await_zombies(anqa_rt *rt, uint64_t count)
{
    while (zombies(rt) != count)
        rt_pause();
}

/* ---------------------------------------------------------------- results */

static void add_on_workers(void *state)
{
    struct sum copied = {.a = 20, .b = 22}, lent = {.a = 1, .b = 2};

    CHECK_STATUS(anqa_blocking(sum_run, &copied, sizeof copied), ANQA_OK);
    CHECK_EQ(copied.result, 42);
    CHECK(!pthread_equal(copied.thread, pthread_self()));
    CHECK_STATUS(anqa_blocking(sum_run, &lent, 0), ANQA_OK);
    CHECK_EQ(lent.result, 3);
    CHECK(!pthread_equal(lent.thread, pthread_self()));
}

TEST(a_job_runs_on_another_thread_and_its_result_comes_back)
{
    anqa_rt *rt = rt_open(1);

    CHECK_EQ(end_of(add_on_workers, NULL), ANQA_REASON_NORMAL);
    CHECK_EQ(stats_of(rt).threads, 1, "an idle thread is used again");
    rt_close(rt);
}

TEST(a_thread_without_work_ends_and_another_takes_its_place)
{
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .workers = 1});

    workers_set_idle_ms(rt, 1);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(end_of(add_on_workers, NULL), ANQA_REASON_NORMAL);
        while (stats_of(rt).threads != 0)
            rt_pause();
    }
    rt_close(rt);
}

TEST(an_attached_thread_runs_its_jobs_itself)
{
    anqa_rt *rt = rt_open(1);
    struct sum sum = {.a = 2, .b = 3};

    CHECK_STATUS(anqa_blocking(sum_run, &sum, sizeof sum), ANQA_OK);
    CHECK_EQ(sum.result, 5);
    CHECK(pthread_equal(sum.thread, pthread_self()));
    CHECK_EQ(stats_of(rt).threads, 0);
    rt_close(rt);
}

static void add_here(void *state)
{
    struct sum *sum = state;

    CHECK_STATUS(anqa_blocking(sum_run, sum, sizeof *sum), ANQA_OK);
}

TEST(a_deterministic_runtime_runs_jobs_at_once)
{
    anqa_rt *rt = rt_open_deterministic(1);
    struct sum sum = {.a = 4, .b = 5};

    CHECK_EQ(end_of(add_here, &sum), ANQA_REASON_NORMAL);
    CHECK_EQ(sum.result, 9);
    CHECK(pthread_equal(sum.thread, pthread_self()));
    rt_close(rt);
}

static void look_at_signals(void *job)
{
    pthread_sigmask(SIG_SETMASK, NULL, job);
}

static void check_signals(void *state)
{
    sigset_t blocked;

    sigemptyset(&blocked);
    CHECK_STATUS(anqa_blocking(look_at_signals, &blocked, sizeof blocked), ANQA_OK);
    CHECK(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT) &&
          sigismember(&blocked, SIGCHLD));
    CHECK(!sigismember(&blocked, SIGSEGV) && !sigismember(&blocked, SIGABRT));
}

TEST(a_worker_takes_no_signals_but_those_of_its_own_faults)
{
    anqa_rt *rt = rt_open(1);

    CHECK_EQ(end_of(check_signals, NULL), ANQA_REASON_NORMAL);
    rt_close(rt);
}

static void abort_run(void *job)
{
    abort();
}

static void block_on_abort(void *state)
{
    (void)!anqa_blocking(abort_run, NULL, 0);
}

TEST(a_fault_on_a_worker_ends_the_program, .expect_signal = SIGABRT)
{
    (void)rt_open(1);
    (void)end_of(block_on_abort, NULL);
}

/* ---------------------------------------------------------------- many */

static void add_behind_gate(void *state)
{
    struct sum sum = {.gate = state, .a = 7, .b = 8};

    CHECK_STATUS(anqa_blocking(sum_run, &sum, sizeof sum), ANQA_OK);
    CHECK_EQ(sum.result, 15);
}

TEST(a_hundred_processes_share_four_workers_and_keep_no_scheduler_busy)
{
    struct gate gate = GATE_INIT;
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .workers = 4});
    anqa_pid pids[100];

    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        pids[i] = start(add_behind_gate, &gate);
    gate_await_inside(&gate, 4);
    await_queued(rt, 96);
    CHECK_EQ(stats_of(rt).threads, 4);
    CHECK(rt_have(rt_puppet(NULL), rt_do_nothing, NULL)); /* the one scheduler is free */
    gate_open(&gate);
    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        CHECK(rt_wait_for_end(pids[i]) <= ANQA_REASON_NOPROC);
    CHECK_EQ(gate.passed, 100);
    CHECK_EQ(gate.most, 4);
    rt_close(rt);
}

static void expect_full(void *state)
{
    struct sum sum = {.gate = state};

    CHECK_STATUS(anqa_blocking(sum_run, &sum, sizeof sum), ANQA_E_LIMIT);
    CHECK_STATUS(anqa_blocking(sum_run, &sum, 0), ANQA_E_LIMIT);
}

TEST(a_full_queue_refuses_jobs)
{
    struct gate gate = GATE_INIT;
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .workers = 1, .worker_queue = 2});
    anqa_pid first = start(add_behind_gate, &gate), second, third;

    gate_await_inside(&gate, 1);
    second = start(add_behind_gate, &gate);
    third = start(add_behind_gate, &gate);
    await_queued(rt, 2);
    CHECK_EQ(end_of(expect_full, &gate), ANQA_REASON_NORMAL);
    gate_open(&gate);
    (void)rt_wait_for_end(first);
    (void)rt_wait_for_end(second);
    (void)rt_wait_for_end(third);
    CHECK_EQ(gate.passed, 3);
    rt_close(rt);
}

static _Atomic(unsigned) refused;

static void lend_or_be_refused(void *state)
{
    struct sum sum = {.gate = state};
    anqa_status status = anqa_blocking(sum_run, &sum, 0);

    CHECK(status == ANQA_OK || status == ANQA_E_LIMIT);
    refused += status == ANQA_E_LIMIT;
}

/* To exit for want of a stack is what other waits do: here a worker would be left with memory that is gone. */
TEST(a_job_is_refused_when_there_is_no_stack_to_wait_on)
{
    struct gate gate = GATE_INIT;
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .workers = 64, .max_waiting = 4});
    anqa_ref refs[40];

    for (size_t i = 0; i < ANQA_COUNT(refs); i++) {
        anqa_spawn_opts opts = {.run = lend_or_be_refused, .arg = &gate, .monitor = true};
        anqa_pid pid;
        CHECK_STATUS(anqa_spawn(&opts, &pid, &refs[i]), ANQA_OK);
    }
    while (refused == 0)
        rt_pause();
    gate_open(&gate);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_NORMAL);
    CHECK_EQ(gate.passed + refused, ANQA_COUNT(refs));
    rt_close(rt);
}

/* ---------------------------------------------------------------- deaths */

static _Atomic(unsigned) cleaned, ran;

static void count_clean_up(void *arg)
{
    cleaned++;
}

static void lend_behind_gate(void *state)
{
    struct sum *sum = anqa_heap_alloc(sizeof *sum);

    anqa_defer(count_clean_up, NULL);
    *sum = (struct sum){.gate = state, .a = 1, .b = 1};
    (void)!anqa_blocking(sum_run, sum, 0);
}

TEST(a_process_that_lent_its_memory_is_a_zombie_until_the_worker_is_done)
{
    struct gate gate = GATE_INIT;
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = start(lend_behind_gate, &gate);

    gate_await_inside(&gate, 1);
    rt_kill(pid); /* at once */
    CHECK(!anqa_is_alive(pid));
    await_zombies(rt, 1);
    CHECK_EQ(cleaned, 0, "clean-ups may free what the worker uses");
    gate_open(&gate);
    await_zombies(rt, 0);
    CHECK_EQ(cleaned, 1);
    CHECK_EQ(gate.passed, 1);
    rt_close(rt);
}

TEST(a_copied_job_goes_on_without_its_process)
{
    struct gate gate = GATE_INIT;
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = start(add_behind_gate, &gate);

    gate_await_inside(&gate, 1);
    rt_kill(pid);
    CHECK_EQ(zombies(rt), 0);
    gate_open(&gate);
    gate_await_passed(&gate, 1);
    rt_close(rt);
}

static void count_run(void *job)
{
    ran++;
}

static void queue_copied(void *state)
{
    char byte = 0;

    (void)!anqa_blocking(count_run, &byte, 1);
}

static void queue_lent(void *state)
{
    anqa_defer(count_clean_up, NULL);
    (void)!anqa_blocking(count_run, &(char){0}, 0);
}

TEST(a_queued_job_does_not_run_after_the_death_of_its_process)
{
    struct gate gate = GATE_INIT;
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 2, .workers = 1});
    anqa_pid blocker = start(add_behind_gate, &gate), copied, lent;

    gate_await_inside(&gate, 1);
    copied = start(queue_copied, NULL);
    lent = start(queue_lent, NULL);
    await_queued(rt, 2);
    rt_kill(copied);
    rt_kill(lent);
    await_queued(rt, 0);
    await_zombies(rt, 0);
    CHECK_EQ(cleaned, 1);
    gate_open(&gate);
    (void)rt_wait_for_end(blocker);
    CHECK_EQ(ran, 0);
    rt_close(rt);
}

static void *open_later(void *gate)
{
    rt_pause();
    gate_open(gate);
    return NULL;
}

/* The stop begins while a job is behind the gate. */
static void stop_behind_gate(anqa_rt *rt, struct gate *gate)
{
    pthread_t thread;

    anqa_detach();
    CHECK_EQ(pthread_create(&thread, NULL, open_later, gate), 0);
    anqa_stop(rt);
    CHECK_EQ(gate->passed, 1);
    pthread_join(thread, NULL);
}

TEST(a_stop_waits_for_jobs_that_still_run)
{
    struct gate gate = GATE_INIT;
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = start(add_behind_gate, &gate);

    gate_await_inside(&gate, 1);
    rt_kill(pid);
    stop_behind_gate(rt, &gate);
}

TEST(a_stop_ends_processes_that_lent_memory)
{
    struct gate gate = GATE_INIT;
    anqa_rt *rt = rt_open(1);

    (void)start(lend_behind_gate, &gate);
    gate_await_inside(&gate, 1);
    stop_behind_gate(rt, &gate);
    CHECK_EQ(cleaned, 1);
}

static void block_where_waiting_is_forbidden(void *state)
{
    anqa_nowait_begin();
    (void)!anqa_blocking(count_run, NULL, 0);
}

TEST(a_job_where_waiting_is_forbidden_is_never_queued)
{
    anqa_rt *rt = rt_open(1);

    CHECK_EQ(end_of(block_where_waiting_is_forbidden, NULL), ANQA_REASON_CONTRACT);
    CHECK_EQ(ran, 0);
    rt_close(rt);
}

/* ---------------------------------------------------------------- many deaths */

/* The job writes to the connection of its process, which is killed meanwhile; the numbers of its descriptors go to the
 * next round at once. */
static void letter_run(int fd, void *job)
{
    uint64_t *number = job;

    if (write(fd, number, sizeof *number) == sizeof *number)
        ran++;
    *number = 0;
}

struct post {
    int fd; /* our end */
    uint64_t number;
    bool lent;
};

static void post_run(void *state)
{
    struct post *post = state;
    uint64_t *number = anqa_heap_alloc(sizeof *number);
    anqa_tcp conn;

    CHECK_STATUS(anqa_tcp_adopt(post->fd, &conn, NULL), ANQA_OK);
    *number = post->number;
    CHECK_STATUS(anqa_send(anqa_parent(), "go", anqa_nothing()), ANQA_OK);
    CHECK_STATUS(
        anqa_tcp_blocking(conn, letter_run, number, post->lent ? 0 : sizeof *number), ANQA_OK);
    CHECK_EQ(*number, 0);
    (void)anqa_receive(ANQA_INFINITY);
}

#if defined(__SANITIZE_THREAD__)
#define DEATHS 2000u
#else
#define DEATHS 10000u
#endif

static void die_once(uint64_t number)
{
    struct post post = {.number = number, .lent = number % 2};
    int pair[2];
    uint64_t got = 0;
    ssize_t n;
    anqa_pid pid;
    anqa_ref ref;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    post.fd = pair[0];
    CHECK_STATUS(anqa_spawn(
                     &(anqa_spawn_opts){
                         .run = post_run, .arg = &post, .arg_size = sizeof post, .monitor = true},
                     &pid, &ref),
        ANQA_OK);
    anqa_msg_free(rt_expect("go"));
    for (uint64_t spins = harness_random() % 4096; spins > 0; spins--)
        __asm__ volatile("");
    anqa_exit_signal(pid, ANQA_KILL);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED);
    n = read(
        pair[1], &got, sizeof got); /* its letter, or the end: the job was dropped in the queue */
    CHECK(n == 0 || (n == sizeof got && got == number), "%zd %" PRIu64, n, got);
    close(pair[1]);
}

TEST(ten_thousand_deaths_in_the_middle_of_a_job_leave_nothing, .timeout_ms = 120000)
{
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 2, .workers = 4});

    for (uint64_t i = 0; i < DEATHS; i++)
        die_once(i);
    CHECK(ran > 0);
    rt_close(rt);
}
