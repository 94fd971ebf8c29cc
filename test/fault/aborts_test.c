/* What is not contained: the OS process ends, by the signal's default action, after a report that says why. */
#include <anqa/fault.h>
#include <anqa/log.h>
#include <anqa/process.h>
#include <anqa/runtime.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "faulty.h"
#include "foreign/foreign.h"
#include "harness.h"
#include "runtime/fault.h"

static volatile uintptr_t nowhere = 0x123456789000;
static anqa_rt *runtime;

static FAULTY void wild_write(void)
{
    *(volatile int *)nowhere = 1;
}

static void run_and_return(void *state)
{
    void (**code)(void) = state;

    (*code)();
}

static void start(const anqa_options *options)
{
    anqa_error err;

    CHECK_STATUS(anqa_start(options, &runtime, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(runtime, &err), ANQA_OK, "%s", err.text);
}

static void stop(void)
{
    anqa_detach();
    anqa_stop(runtime);
}

/* Runs `code` in a process and returns the kind of its exit reason. Most do not come back. */
static anqa_reason_kind end_of(void (*code)(void))
{
    anqa_spawn_opts opts = {.run = run_and_return,
        .arg = &code,
        .arg_size = sizeof code,
        .monitor = true,
        .label = "victim"};
    const anqa_msg *msg;
    anqa_pid pid;
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&opts, &pid, &ref), ANQA_OK);
    msg = anqa_receive_ref(ref, 20000 * harness_slowness());
    CHECK(msg != NULL);
    return anqa_reason_get_kind(msg->u.reason);
}

static void run_in_process(void (*code)(void))
{
    start(&(anqa_options){.schedulers = 2});
    (void)end_of(code);
    CHECK(false && "still alive");
}

#define FOREIGN_FRAME                                                              \
    "not contained: a frame of a foreign library is on the stack, which may hold " \
    "its locks: libforeign.so+0x"
#define IN_SECTION "not contained: it happened inside of a marked section"

/* ---------------------------------------------------------------- found by the C library */

#ifndef __SANITIZE_ADDRESS__ /* which finds these first, reports them its own way and exits */
static void free_twice(void)
{
    char *volatile memory = malloc(5000);

    free(memory);
    free(memory);
}

TEST(a_heap_that_malloc_finds_broken_aborts, .expect_signal = SIGABRT,
    .expect_stderr =
        "not contained: a library found memory corrupted or gave up, and aborted: libc")
{
    run_in_process(free_twice);
}

static __attribute__((noinline)) void write_past_buffer(volatile char *buffer)
{
    for (int i = 0; i < 64 + zero; i++)
        buffer[i] = 'x';
}

static __attribute__((noinline)) void smash_stack(void)
{
    volatile char buffer[16];

    write_past_buffer(buffer);
}

TEST(a_smashed_stack_aborts, .expect_signal = SIGABRT,
    .expect_stderr =
        "not contained: a library found memory corrupted or gave up, and aborted: libc")
{
    run_in_process(smash_stack);
}
#endif

/* ---------------------------------------------------------------- in a drop */

static void drop_and_fault(void *object)
{
    null_dereference();
}

static void drop_and_exit(void *object)
{
    anqa_exit(anqa_error_reason("no time"));
}

static void drop_and_wait(void *object)
{
    anqa_sleep(1);
}

static const anqa_type faulty_type = {.name = "faulty", .size = 1, .drop = drop_and_fault},
                       exiting_type = {.name = "exiting", .size = 1, .drop = drop_and_exit},
                       waiting_type = {.name = "waiting", .size = 1, .drop = drop_and_wait};

/* Its object is dropped with the message, when the event ends. */
static void receive_object(const anqa_type *type)
{
    CHECK_STATUS(anqa_send(anqa_self(), "object", anqa_moved(type, calloc(1, 1))), ANQA_OK);
    CHECK(anqa_receive(ANQA_INFINITY) != NULL);
}

static void receive_faulty(void)
{
    receive_object(&faulty_type);
}

static void receive_exiting(void)
{
    receive_object(&exiting_type);
}

static void receive_waiting(void)
{
    receive_object(&waiting_type);
}

static void send_faulty_to_nobody(void)
{
    (void)!anqa_send((anqa_pid){0}, "object", anqa_moved(&faulty_type, calloc(1, 1)));
}

TEST(a_fault_in_a_drop_aborts, .expect_signal = SIGSEGV, .expect_stderr = "not contained: ")
{
    run_in_process(receive_faulty);
}

TEST(a_fault_in_the_drop_of_what_nobody_gets_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: ")
{
    run_in_process(send_faulty_to_nobody);
}

TEST(an_exit_in_a_drop_aborts_and_is_called_so, .expect_signal = SIGABRT,
    .expect_stderr = "the drop function of a moved object exits")
{
    run_in_process(receive_exiting);
}

TEST(a_wait_in_a_drop_aborts, .expect_signal = SIGABRT,
    .expect_stderr = "the drop function of a moved object exits")
{
    run_in_process(receive_waiting);
}

/* ---------------------------------------------------------------- foreign libraries */

static void *foreign_symbol(const char *name)
{
    void *library = dlopen(FOREIGN_LIBRARY, RTLD_NOW);
    void *symbol = library == NULL ? NULL : dlsym(library, name);

    CHECK(symbol != NULL, "%s", dlerror());
    return symbol;
}

static void crash_in_foreign(void)
{
    foreign_crash_fn *crash = (foreign_crash_fn *)foreign_symbol("foreign_crash");

    crash();
}

TEST(a_fault_in_a_foreign_library_aborts, .expect_signal = SIGSEGV, .expect_stderr = FOREIGN_FRAME)
{
    run_in_process(crash_in_foreign);
}

static void under_foreign(void (*fn)(void))
{
    foreign_call_fn *call = (foreign_call_fn *)foreign_symbol("foreign_call");

    call(fn);
}

static void crash_under_foreign(void)
{
    under_foreign(null_dereference);
}

TEST(a_fault_in_a_callback_of_a_foreign_library_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = FOREIGN_FRAME)
{
    run_in_process(crash_under_foreign);
}

static void abort_under_foreign(void)
{
    under_foreign(abort);
}

TEST(an_abort_in_a_foreign_library_aborts, .expect_signal = SIGABRT,
    .expect_stderr =
        "not contained: a library found memory corrupted or gave up, and aborted: libforeign.so+0x")
{
    run_in_process(abort_under_foreign);
}

static void overflow_under_foreign(void)
{
    under_foreign(recursion_without_end);
}

TEST(a_stack_overflow_far_above_a_foreign_library_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = FOREIGN_FRAME)
{
    run_in_process(overflow_under_foreign);
}

static int compare(const void *a, const void *b)
{
    null_dereference();
    return 0;
}

static void crash_under_qsort(void)
{
    int numbers[] = {3, 1, 2};

    qsort(numbers, ANQA_COUNT(numbers), sizeof numbers[0], compare);
}

TEST(a_fault_in_a_callback_of_libc_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: a frame of a foreign library is on the stack, which may hold "
                     "its locks: lib")
{
    run_in_process(crash_under_qsort);
}

static FAULTY void print_nothing(void)
{
    printf("%s %d\n", (const char *)near_null, zero);
}

TEST(a_fault_under_printf_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: a frame of a foreign library is on the stack, which may hold "
                     "its locks: lib")
{
    run_in_process(print_nothing);
}

TEST(a_library_that_is_declared_application_text_is_contained)
{
    start(&(anqa_options){.schedulers = 2});
    CHECK_STATUS(anqa_fault_trust(foreign_symbol("foreign_crash")), ANQA_OK);
    CHECK_STATUS(anqa_fault_trust(foreign_symbol("foreign_call")), ANQA_OK);
    CHECK_EQ(end_of(crash_in_foreign), ANQA_REASON_FAULT);
    CHECK_EQ(end_of(crash_under_foreign), ANQA_REASON_FAULT);
    CHECK_EQ(end_of(abort_under_foreign), ANQA_REASON_FAULT);
    CHECK_EQ(end_of(overflow_under_foreign), ANQA_REASON_FAULT);
    stop();
}

TEST(libc_and_what_is_no_library_cannot_be_declared_application_text)
{
    int on_stack;
    void *mapping = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK_STATUS(anqa_fault_trust(dlsym(RTLD_DEFAULT, "qsort")), ANQA_E_INVALID);
    CHECK_STATUS(anqa_fault_trust(dlsym(RTLD_DEFAULT, "abort")), ANQA_E_INVALID);
    CHECK_STATUS(anqa_fault_trust(dlsym(RTLD_DEFAULT, "_Unwind_Backtrace")), ANQA_E_INVALID);
    CHECK_STATUS(anqa_fault_trust(mapping), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_fault_trust(&on_stack), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_fault_trust((const void *)start), ANQA_OK, "the program is already");
    munmap(mapping, 4096);
}

/* ---------------------------------------------------------------- not the application's doing, or not to be undone */

static void crash_in_section(void)
{
    anqa_section_begin();
    null_dereference();
}

TEST(a_fault_in_a_marked_section_aborts, .expect_signal = SIGSEGV, .expect_stderr = IN_SECTION)
{
    run_in_process(crash_in_section);
}

static void assert_in_section(void)
{
    anqa_section_begin();
    assert(zero != 0);
}

TEST(a_failed_assert_in_a_marked_section_aborts, .expect_signal = SIGABRT,
    .expect_stderr = IN_SECTION)
{
    run_in_process(assert_in_section);
}

TEST(the_report_names_signal_address_process_and_function, .expect_signal = SIGSEGV,
    .expect_stderr = "anqa: fatal SIGSEGV at 0x10 in process <0.1.1> victim")
{
    run_in_process(crash_in_section);
}

TEST(the_backtrace_of_the_report_has_names, .expect_signal = SIGSEGV,
    .expect_stderr = " <null_dereference+0x")
{
    run_in_process(crash_in_section);
}

static void crash_outside(struct sched *s, struct task *task)
{
    null_dereference();
}

TEST(a_fault_while_no_process_runs_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: no process was running on this scheduler")
{
    struct task task = {.run = crash_outside};

    start(&(anqa_options){.schedulers = 1});
    sched_post(&runtime->scheds[0], &task);
    (void)anqa_receive(20000 * harness_slowness());
}

static void be_shot(void)
{
    pthread_kill(pthread_self(), SIGSEGV);
}

TEST(a_signal_that_was_sent_is_no_fault, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: the signal was sent by somebody")
{
    run_in_process(be_shot);
}

static _Atomic(uint64_t) target_thread;

static void spin_as_target(void)
{
    atomic_store(&target_thread, (uint64_t)pthread_self());
    for (;;)
        zero = 0;
}

TEST(an_abort_signal_of_another_thread_is_no_abort, .expect_signal = SIGABRT,
    .expect_stderr = "not contained: the signal was sent by somebody")
{
    void (*code)(void) = spin_as_target;
    anqa_spawn_opts opts = {.run = run_and_return, .arg = &code, .arg_size = sizeof code};
    anqa_pid pid;

    start(&(anqa_options){.schedulers = 1});
    CHECK_STATUS(anqa_spawn(&opts, &pid, NULL), ANQA_OK);
    while (atomic_load(&target_thread) == 0)
        (void)anqa_receive(1);
    pthread_kill((pthread_t)atomic_load(&target_thread), SIGABRT);
    (void)anqa_receive(20000);
}

static void break_invariant(void)
{
    ANQA_INVARIANT(zero != 0);
}

TEST(a_broken_invariant_aborts, .expect_signal = SIGABRT,
    .expect_stderr = "anqa: fatal SIGABRT in process")
{
    run_in_process(break_invariant);
}

#ifdef __x86_64__ /* the stack pointer is moved by hand */
static __attribute__((noinline)) void lose_stack(void)
{
    __asm__ volatile("movq %0, %%rsp\n\tpushq %%rax" : : "r"(near_null * 65536));
}

TEST(a_stack_pointer_gone_astray_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: the stack pointer has left the stack of the process")
{
    run_in_process(lose_stack);
}

static FAULTY void return_into_nowhere(void)
{
    volatile uintptr_t *frame = __builtin_frame_address(0);

    frame[1] = nowhere; /* what an overflow may write */
}

TEST(a_return_into_nowhere_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: the stack cannot be followed down to the scheduler")
{
    run_in_process(return_into_nowhere);
}
#endif

/* ---------------------------------------------------------------- the other modes */

TEST(faults_are_contained_in_deterministic_mode_too)
{
    start(&(anqa_options){.deterministic = true, .seed = 7});
    CHECK_EQ(end_of(null_dereference), ANQA_REASON_FAULT);
    CHECK_EQ(end_of(recursion_without_end), ANQA_REASON_FAULT);
    CHECK_EQ(end_of(abort), ANQA_REASON_FAULT);
    stop();
}

static void crash_for_two(void)
{
    CHECK_EQ(end_of(null_dereference), ANQA_REASON_FAULT);
    anqa_exit(anqa_reason_of(ANQA_REASON_SHUTDOWN));
}

TEST(a_process_may_watch_another_one_crash)
{
    start(&(anqa_options){.schedulers = 1});
    CHECK_EQ(end_of(crash_for_two), ANQA_REASON_SHUTDOWN);
    stop();
}

/* ---------------------------------------------------------------- taint */

static anqa_rt *_Atomic drained;

static void note_drain(anqa_rt *rt)
{
    atomic_store(&drained, rt);
}

static bool is_tainted(void)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(runtime, &stats);
    return stats.tainted;
}

TEST(a_fault_at_the_null_page_does_not_taint)
{
    start(&(anqa_options){.schedulers = 1, .taint = ANQA_TAINT_ABORT});
    CHECK_EQ(end_of(null_dereference), ANQA_REASON_FAULT);
    CHECK_EQ(end_of(recursion_without_end), ANQA_REASON_FAULT);
    CHECK_EQ(end_of(abort), ANQA_REASON_FAULT);
    CHECK(!is_tainted());
    stop();
}

TEST(a_fault_elsewhere_taints_the_runtime)
{
    start(&(anqa_options){.schedulers = 1});
    fault_set_drain_hook(note_drain);
    CHECK_EQ(end_of(wild_write), ANQA_REASON_FAULT);
    CHECK(is_tainted());
    CHECK(atomic_load(&drained) == NULL);
    stop();
}

TEST(a_tainted_runtime_is_drained_once_when_that_is_the_policy)
{
    start(&(anqa_options){.schedulers = 1, .taint = ANQA_TAINT_DRAIN});
    fault_set_drain_hook(note_drain);
    CHECK_EQ(end_of(wild_write), ANQA_REASON_FAULT);
    CHECK(atomic_exchange(&drained, NULL) == runtime);
    CHECK_EQ(end_of(wild_write), ANQA_REASON_FAULT);
    CHECK(atomic_load(&drained) == NULL);
    CHECK(is_tainted());
    stop();
}

TEST(a_fault_that_taints_aborts_when_that_is_the_policy, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: memory may be corrupted, and the policy is to abort then")
{
    start(&(anqa_options){.schedulers = 1, .taint = ANQA_TAINT_ABORT});
    (void)end_of(wild_write);
}

static void faulty_drain(anqa_rt *rt)
{
    null_dereference();
}

TEST(a_fault_while_a_fault_is_handled_aborts, .expect_signal = SIGSEGV,
    .expect_stderr = "not contained: another fault happened while this one was being handled")
{
    start(&(anqa_options){.schedulers = 1, .taint = ANQA_TAINT_DRAIN});
    fault_set_drain_hook(faulty_drain);
    (void)end_of(wild_write);
}

/* ---------------------------------------------------------------- other threads */

static void exit_42(int signal)
{
    _exit(42);
}

static void exit_43(int signal, siginfo_t *info, void *context)
{
    _exit(info->si_addr == (void *)near_null ? 43 : 1);
}

static void *crash_thread(void *arg)
{
    null_dereference();
    return NULL;
}

TEST(a_fault_on_a_foreign_thread_goes_to_the_handler_before, .expect_exit = 42)
{
    pthread_t thread;

    signal(SIGSEGV, exit_42);
    start(&(anqa_options){.schedulers = 1});
    CHECK_EQ(pthread_create(&thread, NULL, crash_thread, NULL), 0);
    pthread_join(thread, NULL);
}

TEST(a_fault_on_an_attached_thread_goes_to_the_handler_before, .expect_exit = 43)
{
    struct sigaction action = {.sa_sigaction = exit_43, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &action, NULL);
    start(&(anqa_options){.schedulers = 1});
    null_dereference();
}

static void crash_job(void *job)
{
    null_dereference();
}

static void crash_on_worker(void)
{
    CHECK_STATUS(anqa_blocking(crash_job, NULL, 0), ANQA_OK);
}

TEST(a_fault_on_a_worker_is_not_contained, .expect_signal = SIGSEGV)
{
    run_in_process(crash_on_worker);
}

static void check_handler(void (*expected)(int), const char *when)
{
    struct sigaction now;

    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK((now.sa_handler == expected) == (expected != NULL), "%s", when);
}

TEST(the_last_runtime_puts_the_handlers_back)
{
    anqa_rt *second;

    signal(SIGSEGV, exit_42);
    start(&(anqa_options){.schedulers = 1});
    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &second, NULL), ANQA_OK);
    check_handler(NULL, "while two run");
    anqa_stop(second);
    CHECK_EQ(end_of(null_dereference), ANQA_REASON_FAULT);
    stop();
    check_handler(exit_42, "after the last");
}

TEST(without_handlers_a_fault_is_none_of_our_business, .expect_exit = 42)
{
    signal(SIGSEGV, exit_42);
    start(&(anqa_options){.schedulers = 1, .no_fault_handlers = true});
    (void)end_of(null_dereference);
}

/* ---------------------------------------------------------------- cost */

static void end_normally(void)
{
    anqa_exit(anqa_reason_of(ANQA_REASON_SHUTDOWN));
}

static double us_each(void (*code)(void), unsigned rounds)
{
    uint64_t begin = clock_mono_ns();

    for (unsigned i = 0; i < rounds; i++)
        CHECK(end_of(code) != ANQA_REASON_NONE);
    return (double)(clock_mono_ns() - begin) / 1e3 / rounds;
}

TEST(containing_costs_microseconds)
{
    unsigned rounds = 20000 / harness_slowness();
    double by_exit, by_fault;

    anqa_log_set_level(ANQA_CRITICAL);
    start(&(anqa_options){.schedulers = 1});
    by_exit = us_each(end_normally, rounds);
    by_fault = us_each(null_dereference, rounds);
    printf("spawned, ended and told: %.2f us by exit, %.2f us by a contained fault\n", by_exit,
        by_fault);
    CHECK(by_fault < by_exit + 100 * harness_slowness());
    stop();
}
