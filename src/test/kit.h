/*
 * What the files of the kit share. The kit is a library of its own, anqa_test, which tests are linked with and programs
 * are not; it needs the static library, as it looks into the runtime.
 */
#ifndef TEST_KIT_H
#define TEST_KIT_H

/* IWYU pragma: begin_exports */
#include <anqa/test.h>
/* IWYU pragma: end_exports */

/* What the runner's arguments say, and the test that this process runs. */
struct kit {
    bool no_fork, verbose, list;
    const char *filter; /* part of a name, or NULL */
    uint64_t seed;
    uint32_t runs;
    uint64_t random; /* state of anqa_test_random */
    const anqa_test_case *test;
    char *skip_reason; /* shared with the child */
};

extern struct kit kit;

enum { KIT_EXIT_FAILED = 1, KIT_EXIT_SKIPPED = 77, KIT_SKIP_REASON_SIZE = 512 };

/* Ends the process of a test that has failed and said why. */
ANQA_NORETURN void kit_end_failed(void);
/* The whole life of a test, in the process that runs it. seed: of this run. */
void kit_run(const anqa_test_case *test, uint64_t seed);

/* ---------------------------------------------------------------- the runtime of a test */

/* The runtime is deterministic; a broken contract otherwise. */
void kit_require_deterministic(const char *what);
/* For replies, pushes and broadcasts. */
uint32_t kit_wait_ms(void);

/* ---------------------------------------------------------------- patterns (match.c) */

/* Where a value does not fit a pattern, in words. */
struct mismatch {
    char path[128]; /* ".user.tags[0]"; empty: the value itself */
    char words[256];
};

/* The pattern of a format; nothing (zeroed) if there is none. In anqa_tmp.   Context: process. */
anqa_json kit_pattern(const char *format, va_list args) ANQA_PRINTF(1, 0);
/* The pattern `_`. */
anqa_json kit_anything(void);
/* As it was written. In anqa_tmp. */
const char *kit_pattern_text(anqa_json pattern);
/* Whether a value fits; a zeroed pattern fits anything. */
bool kit_fits(anqa_json pattern, anqa_json value, struct mismatch *ret_mismatch);
/* It does, or the test fails; what: what the value is. */
void kit_assert_fits(
    struct anqa_test_place place, const char *what, anqa_json json, anqa_json wanted);

/* ---------------------------------------------------------------- waiting for messages (receive.c) */

/* A message that an assertion is about. */
struct wanted {
    /* Whether it is of that sort, and what the pattern is for. */
    bool (*is)(const struct wanted *wanted, const anqa_msg *msg, anqa_json *ret_value);
    anqa_json pattern;
    const char *what;  /* "reply" */
    const char *name;  /* a tag or an event */
    const char *topic; /* NULL: any */
    anqa_pid from;     /* nobody: anybody */
    uint64_t number;   /* of a reply */
};

/* What fits, taken out of the mailbox; if nothing comes the test fails and shows the mailbox. */
const anqa_msg *kit_assert(
    struct anqa_test_place place, const struct wanted *wanted, uint32_t timeout_ms);
/* Nothing that fits comes. */
void kit_refute(struct anqa_test_place place, const struct wanted *wanted, uint32_t timeout_ms);

/* Prints the mailbox of a process that does not run; wanted: NULL, or to say of each why it does not fit. */
void kit_show_mailbox(const struct wanted *wanted, anqa_rt *rt, anqa_pid pid);

#endif
