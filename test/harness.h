/**
 * harness.h - how tests are written and run here.
 *
 *     TEST(a_slice_is_cut_to_what_is_there)
 *     {
 *         anqa_buf buf = anqa_buf_static("hello", 5);
 *         CHECK_EQ(anqa_buf_slice(buf, 3, 100).len, 2);
 *     }
 *
 * Each test runs in a forked child with a time limit, its output is shown when it fails, and it ends with checks: no
 * child process and no file descriptor left behind, what harness_at_end added, and under AddressSanitizer no leak. The
 * first CHECK that fails ends the test. Checks may stand in any thread and in any child of the test. A program prints
 * TAP; its options are --list, --no-fork (for gdb: one test, in this process, a failed check aborts), --seed N,
 * --verbose, and a part of a name, which selects the tests that contain it.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <anqa/base.h>

#include <assert.h>
#include <signal.h>

/* Zero is the default of each. A test that expects a death runs no end checks. */
struct harness_options {
    uint32_t timeout_ms;       /* 0: 30,000; sanitizers and emulation get four times as long */
    int expect_signal;         /* the test must die of it */
    int expect_exit;           /* the test must call exit with this status */
    const char *expect_stderr; /* must be a part of what was printed */
};

struct harness_test {
    const char *name, *file;
    int line;
    void (*run)(void);
    struct harness_options options;
};

/* The section holds pointers: an array of structs could be padded by the compiler. */
#define TEST(test, ...)                                                      \
    static void test_##test(void);                                           \
    static const struct harness_test test_info_##test = {.name = #test,      \
        .file = __FILE__,                                                    \
        .line = __LINE__,                                                    \
        .run = test_##test,                                                  \
        .options = {__VA_ARGS__}};                                           \
    static const struct harness_test *const test_entry_##test                \
        __attribute__((used, section("harness_tests"))) = &test_info_##test; \
    static void test_##test(void)

/* ---------------------------------------------------------------- checks */

/* After the values each check takes an optional format and arguments, which say which round of a loop it was. */

#define CHECK(condition, ...)                                                          \
    do {                                                                               \
        if (!(condition))                                                              \
            harness_fail(__FILE__, __LINE__, #condition, NULL, NULL, " " __VA_ARGS__); \
    } while (0)

/* Integers of any type, compared by value: -1 differs from UINT64_MAX. Pointers may be compared too. */
#define CHECK_EQ(a, b, ...)                                                            \
    do {                                                                               \
        struct harness_int check_a_ = HARNESS_INT(a), check_b_ = HARNESS_INT(b);       \
        if (!harness_int_eq(check_a_, check_b_))                                       \
            harness_fail(__FILE__, __LINE__, #a " == " #b, harness_int_text(check_a_), \
                harness_int_text(check_b_), " " __VA_ARGS__);                          \
    } while (0)

/* Strings: each side a `const char *` or an `anqa_str`. */
#define CHECK_STR(a, b, ...)                                                             \
    do {                                                                                 \
        struct harness_text check_a_ = HARNESS_TEXT(a), check_b_ = HARNESS_TEXT(b);      \
        if (!harness_text_eq(check_a_, check_b_))                                        \
            harness_fail(__FILE__, __LINE__, #a " == " #b, harness_text_quote(check_a_), \
                harness_text_quote(check_b_), " " __VA_ARGS__);                          \
    } while (0)

#define CHECK_STATUS(call, expected, ...)                                         \
    do {                                                                          \
        anqa_status check_got_ = (call), check_want_ = (expected);                \
        if (check_got_ != check_want_)                                            \
            harness_fail(__FILE__, __LINE__, #call, anqa_status_name(check_got_), \
                anqa_status_name(check_want_), " " __VA_ARGS__);                  \
    } while (0)

/** Ends the test as neither passed nor failed. In --no-fork mode it ends the program. */
#define SKIP(...) harness_skip(__VA_ARGS__)

ANQA_NORETURN void harness_skip(const char *format, ...) ANQA_PRINTF(1, 2);

/** Calls `check` when the test ends, the last added first. A constructor may add one for all tests of the program. */
void harness_at_end(void (*check)(void));

/** Random bits that --seed repeats; the seed of each test depends on the run's seed and on its name only. */
uint64_t harness_random(void);

/** 1, or how many times slower sanitizers or emulation make this program: multiplies every limit on time. */
unsigned harness_slowness(void);

/* ---------------------------------------------------------------- failing allocations */

/**
 * Runs its body again and again: the first allocation of it fails, then the second, and so on, until the body ran
 * without reaching the one that was to fail. Only calls from our code on the body's own thread count.
 *
 *     EACH_ALLOC_FAILURE {
 *         anqa_status s = thing_new(&thing);
 *         CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
 *         if (s == ANQA_OK)
 *             thing_free(thing);
 *     }
 */
#define EACH_ALLOC_FAILURE HARNESS_EACH_ALLOC_FAILURE(false)

/** As EACH_ALLOC_FAILURE, counting the allocations of all threads. */
#define EACH_ALLOC_FAILURE_IN_ANY_THREAD HARNESS_EACH_ALLOC_FAILURE(true)

/** From now on, until it is called with false or the test ends, every allocation of our code fails, in all threads. */
void harness_out_of_memory(bool on);

#define HARNESS_EACH_ALLOC_FAILURE(any)                              \
    for (struct harness_alloc_failure alloc_failure_                 \
         __attribute__((cleanup(harness_alloc_failure_done))) = {0}; \
        harness_alloc_failure_next(&alloc_failure_, any);)

/* ---------------------------------------------------------------- what the macros need */

struct harness_int {
    uint64_t bits;
    bool negative;
};

/* A type is signed when its -1 is below 1; a comparison with 0 would draw a warning for unsigned types. */
#define HARNESS_INT(x)                                                                       \
    __extension__({                                                                          \
        __auto_type int_value_ = (x);                                                        \
        static_assert(_Generic(int_value_, float: 0, double: 0, long double: 0, default: 1), \
            "integers only");                                                                \
        harness_int_of(                                                                      \
            (uint64_t)int_value_, (__typeof__(int_value_))-1 < (__typeof__(int_value_))1);   \
    })

struct harness_text {
    const char *ptr; /* NULL differs from "" */
    size_t len;
};

#define HARNESS_TEXT(x) _Generic((x), anqa_str: harness_text_of_str, default: harness_text_of)(x)

static inline struct harness_int harness_int_of(uint64_t bits, bool is_signed)
{
    return (struct harness_int){bits, is_signed && (int64_t)bits < 0};
}

static inline bool harness_int_eq(struct harness_int a, struct harness_int b)
{
    return a.bits == b.bits && a.negative == b.negative;
}

static inline struct harness_text harness_text_of(const char *text)
{
    return (struct harness_text){text, text == NULL ? 0 : strlen(text)};
}

static inline struct harness_text harness_text_of_str(anqa_str s)
{
    return (struct harness_text){s.ptr == NULL ? "" : s.ptr, s.len};
}

bool harness_text_eq(struct harness_text a, struct harness_text b);

/* These two are for the message of a failure, which ends the test: what they return is not freed. */
const char *harness_int_text(struct harness_int value);
const char *harness_text_quote(struct harness_text text);

/* Prints and ends the test. got, want: NULL when there are no values to show. */
ANQA_NORETURN void harness_fail(const char *file, int line, const char *what, const char *got,
    const char *want, const char *format, ...) ANQA_PRINTF(6, 7);

struct harness_alloc_failure {
    long round; /* the allocation that fails, from 1 */
};

bool harness_alloc_failure_next(struct harness_alloc_failure *failure, bool any_thread);
void harness_alloc_failure_done(struct harness_alloc_failure *failure);

#endif
