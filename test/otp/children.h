/*
 * Children that tell the test what they do: each is known by the first letter of its id or key, "-" for none, and its
 * starts and stops are news, "+a" and "-a".
 */
#ifndef TEST_OTP_CHILDREN_H
#define TEST_OTP_CHILDREN_H

#include "support.h"

/* The test thread's pid: children of static specs cannot be given it as an argument. */
extern anqa_pid observer;
/* What the child of that letter is to do in its next inits, one character each: 'f' fail, 'i' ignore; then succeed. */
extern const char *plans[26];

/* Ends when it is told to, by crash(), and answers the call "ping". */
extern const anqa_gen_server worker;
/* For servers that do more than that. */
anqa_next worker_init(void *state, const void *arg);
void tell(const char *tag);

/* A runtime whose test thread observes. */
anqa_rt *begin_here(void);
anqa_pid start(const anqa_supervisor *spec);

/* The next `count` news, as "+a -b ...". */
const char *news(size_t count);
/* As many as there are in `expected`. */
const char *news_like(const char *expected);
bool no_news(void);

anqa_child_info info_of(anqa_pid sup, const char *id);
anqa_pid child(anqa_pid sup, const char *id);
/* Waits until the supervisor has dealt with everything that was sent to it before. */
void settle(anqa_pid sup);

/* Makes a child end: "normal", "shutdown", "shutdown, text"; anything else is an error. */
void crash(anqa_pid sup, const char *id, const char *how);
/* That gives exactly these news, "-a +a"; and the supervisor has dealt with it, or ended over it. */
void crash_gives(anqa_pid sup, const char *id, const char *how, const char *expected);
void crash_is_survived(anqa_pid sup, const char *id, const char *how, const char *expected);
void crash_is_the_end(anqa_pid sup, const char *id, const char *how, const char *expected);

#define ABC(...)                                                                                  \
    (const anqa_child_spec[])                                                                     \
    {                                                                                             \
        {.id = "a", .server = &worker, __VA_ARGS__}, {.id = "b", .server = &worker, __VA_ARGS__}, \
            {.id = "c", .server = &worker, __VA_ARGS__}, {0}                                      \
    }

#endif
