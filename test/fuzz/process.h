/* A fuzz target whose thread is a process, for what needs the event's memory. */
#ifndef TEST_FUZZ_PROCESS_H
#define TEST_FUZZ_PROCESS_H

#include <stdlib.h>

#include <anqa/anqa.h>

/* The harness that runs the corpus looks for what is left at the end; libFuzzer does not. */
__attribute__((weak)) void anqa_test_at_end(void (*check)(void));

static anqa_rt *fuzz_rt;

static inline void fuzz_require(bool holds)
{
    if (!holds)
        abort();
}

static inline void fuzz_stop(void)
{
    anqa_detach();
    anqa_stop(fuzz_rt);
}

/* At the first call a runtime is started. */
static inline void fuzz_begin(void)
{
    static const anqa_options options = {.schedulers = 1};

    if (fuzz_rt != NULL)
        return;
    fuzz_require(
        anqa_start(&options, &fuzz_rt, NULL) == ANQA_OK && anqa_attach(fuzz_rt, NULL) == ANQA_OK);
    if (anqa_test_at_end != NULL)
        anqa_test_at_end(fuzz_stop);
}

/* The end of an event, and of its memory. */
static inline void fuzz_event_over(void)
{
    (void)anqa_receive(0);
}

#endif
