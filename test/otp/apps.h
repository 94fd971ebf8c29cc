/*
 * Applications whose children tell a story: a letter each, in order. A child's start is the first letter of its id, its
 * stop the capital one.
 */
#ifndef TEST_OTP_APPS_H
#define TEST_OTP_APPS_H

#include "support.h"

extern char story[64];
void story_add(char what);
void story_forget(void);

/* A message "exit" makes it crash. */
extern const anqa_gen_server part;
/* For servers that do more than that. */
anqa_next part_init(void *state, const void *arg);
void part_terminate(void *state, anqa_reason reason);
anqa_next part_exit(void *state, anqa_msg *msg);
/* The init of the child of that letter fails. */
extern char part_fails;

/* For ever: in its terminate, in its init. */
extern const anqa_gen_server hanging, never_starting;
anqa_next init_hangs(void *state, const void *arg);
void hang(void *state, anqa_reason reason);

/* A runtime of two schedulers, to which this thread is not attached. */
anqa_rt *begin_foreign(void);
/* Soon: a process is counted some moments after its end has been told. */
bool nothing_runs(anqa_rt *rt);
/* Starts an application whose start hangs, and stops it: both say so. */
void stop_in_start(anqa_rt *rt, const anqa_app *app);

/* anqa_main with two arguments at most, which logs nothing. */
int run_main(const anqa_app *app, const char *a, const char *b);

#endif
