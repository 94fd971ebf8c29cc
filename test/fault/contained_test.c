/* Faults that end one process. Each kind happens a thousand times in a busy town. */
#include <anqa/memory.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "faulty.h"
#include "harness.h"
#include "runtime/backtrace.h"
#include "town.h"

/* The compiler must not know these values. */
static volatile uintptr_t nowhere = 0x123456789000;
static void (*volatile no_function)(void);
static const char constant[] = "constant";

TEST(a_null_dereference_ends_its_process)
{
    town_suffers(&(struct ending){.run = null_dereference,
        .reason = ANQA_REASON_FAULT,
        .text = "SIGSEGV at 0x10 in ",
        .contained = true});
}

static FAULTY void wild_read(void)
{
    (void)*(volatile int *)nowhere;
}

TEST(a_wild_read_ends_its_process)
{
    town_suffers(&(struct ending){.run = wild_read,
        .reason = ANQA_REASON_FAULT,
        .text = "SIGSEGV at 0x123456789000 in ",
        .contained = true});
}

#ifdef __x86_64__ /* elsewhere the upper bits may be a tag, which is ignored */
static FAULTY void address_that_is_none(void)
{
    (void)*(volatile int *)(nowhere | (uintptr_t)1 << 63);
}

TEST(an_address_that_is_none_ends_its_process)
{
    town_suffers(&(struct ending){.run = address_that_is_none,
        .reason = ANQA_REASON_FAULT,
        .text = "an address that is none",
        .contained = true});
}

static FAULTY void division_by_zero(void)
{
    volatile int result = 7 / zero;

    (void)result;
}

TEST(a_division_by_zero_ends_its_process)
{
    town_suffers(&(struct ending){.run = division_by_zero,
        .reason = ANQA_REASON_FAULT,
        .text = "SIGFPE in ",
        .contained = true});
}

static void illegal_instruction(void)
{
    __builtin_trap();
}

TEST(an_illegal_instruction_ends_its_process)
{
    town_suffers(&(struct ending){.run = illegal_instruction,
        .reason = ANQA_REASON_FAULT,
        .text = "SIGILL in ",
        .contained = true});
}
#endif

static FAULTY void write_to_constant(void)
{
    *(volatile char *)(uintptr_t)&constant[zero] = 'C';
}

TEST(a_write_to_constant_memory_ends_its_process)
{
    symbols_load(); /* else the first reasons might be made before the names are there */
    town_suffers(&(struct ending){.run = write_to_constant,
        .reason = ANQA_REASON_FAULT,
        .text = " <write_to_constant+0x",
        .contained = true});
}

TEST(a_recursion_without_end_ends_its_process)
{
    town_suffers(&(struct ending){.run = recursion_without_end,
        .reason = ANQA_REASON_FAULT,
        .text = "(end of the stack)",
        .contained = true});
}

static FAULTY int touch_large_frame(void)
{
    volatile char large[600000];

    large[zero] = 1;
    return large[zero + 1];
}

static void frame_larger_than_stack_and_guard(void)
{
    (void)touch_large_frame();
}

TEST(a_frame_larger_than_stack_and_guard_ends_its_process)
{
    town_suffers(&(struct ending){.run = frame_larger_than_stack_and_guard,
        .reason = ANQA_REASON_FAULT,
        .text = "(end of the stack)",
        .contained = true});
}

static FAULTY void null_call(void)
{
    no_function();
}

TEST(a_call_of_no_function_ends_its_process)
{
    town_suffers(&(struct ending){
        .run = null_call, .reason = ANQA_REASON_FAULT, .text = " [0x0, ", .contained = true});
}

static FAULTY void wild_call(void)
{
    ((void (*)(void))nowhere)();
}

TEST(a_wild_call_ends_its_process)
{
    town_suffers(&(struct ending){.run = wild_call,
        .reason = ANQA_REASON_FAULT,
        .text = " [0x123456789000, ",
        .contained = true});
}

static FAULTY void copy_to_nowhere(void)
{
    memcpy((void *)near_null, constant, sizeof constant + (size_t)zero);
}

TEST(memcpy_of_a_wrong_address_ends_its_process)
{
    town_suffers(&(struct ending){.run = copy_to_nowhere,
        .reason = ANQA_REASON_FAULT,
        .text = "SIGSEGV at 0x1",
        .contained = true});
}

static FAULTY void length_of_nothing(void)
{
    volatile size_t length = strlen((const char *)near_null);

    (void)length;
}

TEST(strlen_of_a_wrong_address_ends_its_process)
{
    town_suffers(&(struct ending){.run = length_of_nothing,
        .reason = ANQA_REASON_FAULT,
        .text = "SIGSEGV at 0x",
        .contained = true});
}

static void call_abort(void)
{
    abort();
}

TEST(abort_ends_its_process)
{
    town_suffers(&(struct ending){
        .run = call_abort, .reason = ANQA_REASON_FAULT, .text = "SIGABRT in ", .contained = true});
}

static void failed_assert(void)
{
    assert(zero != 0);
}

TEST(a_failed_assert_ends_its_process)
{
    town_suffers(&(struct ending){.run = failed_assert,
        .reason = ANQA_REASON_FAULT,
        .text = "SIGABRT in ",
        .contained = true});
}

/* ---------------------------------------------------------------- faults in clean-ups */

static _Atomic(uint64_t) cleaned_before, cleaned_after;

static void count(void *arg)
{
    atomic_fetch_add_explicit((_Atomic(uint64_t) *)arg, 1, memory_order_relaxed);
}

static void faulty_clean_up(void *arg)
{
    null_dereference();
}

static void exit_with_faulty_clean_up(void)
{
    anqa_defer(count, &cleaned_after);
    anqa_defer(faulty_clean_up, NULL);
    anqa_defer(count, &cleaned_before);
    anqa_exit(anqa_error_reason("the reason that stays"));
}

TEST(a_fault_in_a_clean_up_ends_only_the_list_of_them)
{
    uint64_t rounds = town_suffers(&(struct ending){.run = exit_with_faulty_clean_up,
        .reason = ANQA_REASON_ERROR,
        .text = "the reason that stays",
        .contained = true});

    CHECK_EQ(atomic_load(&cleaned_before), rounds);
    CHECK_EQ(atomic_load(&cleaned_after), 0);
}

static void fault_with_clean_ups(void)
{
    anqa_defer(count, &cleaned_after);
    anqa_defer(count, &cleaned_before);
    null_dereference();
}

TEST(clean_ups_run_after_a_fault)
{
    uint64_t rounds = town_suffers(&(struct ending){
        .run = fault_with_clean_ups, .reason = ANQA_REASON_FAULT, .contained = true});

    CHECK_EQ(atomic_load(&cleaned_before), rounds);
    CHECK_EQ(atomic_load(&cleaned_after), rounds);
}

static void fault_in_terminate(void)
{
    anqa_exit(anqa_error_reason("calls terminate"));
}

TEST(a_fault_in_terminate_ends_its_process)
{
    town_suffers(&(struct ending){.run = fault_in_terminate,
        .terminate = null_dereference,
        .reason = ANQA_REASON_FAULT,
        .contained = true});
}
