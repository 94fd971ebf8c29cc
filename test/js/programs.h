/*
 * Random programs in JavaScript whose whole behaviour follows from a seed: what they build, what is asked of it before a
 * snapshot is taken, and what afterwards. Everything that happens in them is written to a trace, so two processes that go
 * on in the same way have the same trace. Meant for runtimes with a fake clock.
 */
#ifndef TEST_JS_PROGRAMS_H
#define TEST_JS_PROGRAMS_H

#include <anqa/anqa.h>

/* They are all evaluated in processes of this one. */
extern const anqa_js_script programs_script;

/* A runtime with a fake clock, of which the calling thread becomes a process. */
anqa_rt *programs_begin(uint64_t seed);
void programs_end(anqa_rt *rt);

/* Builds the program of a seed in a fresh process, up to where a snapshot is to be taken. */
anqa_pid programs_build(uint64_t seed);
/* Goes on from there; the trace from the beginning. Lives as long as the event. */
const char *programs_go_on(anqa_pid pid, uint64_t seed);

#endif
