/*
 * What the tests of this area share: a runtime whose test thread is a process, and ways to wait for what happens.
 */
#ifndef TEST_OTP_SUPPORT_H
#define TEST_OTP_SUPPORT_H

#include <anqa/anqa.h>

#include "harness.h"

#define NOTHING ((anqa_json){NULL, 0})

/* A runtime with two schedulers, of which this thread becomes a process (which traps exits). It logs nothing. */
anqa_rt *begin(void);
/* The same on this thread alone, with a clock that stands still unless everybody waits. */
anqa_rt *begin_deterministic(void);
void end(anqa_rt *rt);

/* Runs fn(arg) in a process of its own until its end; returns the kind of its reason, and the text if wanted. */
anqa_reason_kind outcome_of(void (*fn)(void *arg), void *arg, char *ret_text, size_t size);

/* The next message with that tag (others stay), within HARNESS_LONG_MS; a failed check otherwise. */
const anqa_msg *expect(const char *tag);
/* Its body as text. */
const char *expect_text(const char *tag);
/* Nothing with that tag has come so far. */
bool nothing_came(const char *tag);

/* Waits until it has ended; returns the kind of its reason. */
anqa_reason_kind end_of(anqa_pid pid);
/* Kills and waits. */
void kill_and_wait(anqa_pid pid);
/* Asks again and again, for twenty seconds, until it is so. */
bool soon(bool (*so)(void *arg), void *arg);

/* Runs `life` as a process, with each allocation failing in turn; checks that nobody is left when nothing more happens. */
void live_without_memory(void (*life)(void *arg));

/* The last event that was logged of those whose id begins with `wanted`. */
struct logged {
    const char *wanted;
    char id[64], fields[256];
    _Atomic(int) count;
};
void log_watch(struct logged *logged, anqa_log_level level);
void log_unwatch(void);
/* For soon(): of a struct logged. */
bool was_logged(void *arg);

/* Tells `to`: a message with this tag and text. */
void report(anqa_pid to, const char *tag, const char *text);

#endif
