/*
 * What the tests of this area share: a runtime whose test thread is a process, scripts given as text, and questions.
 */
#ifndef TEST_JS_SUPPORT_H
#define TEST_JS_SUPPORT_H

#include <anqa/anqa.h>

#include "harness.h"

#define LONG_MS HARNESS_LONG_MS

/* A runtime with so many schedulers, of which this thread becomes a process. It logs nothing. */
anqa_rt *js_begin(uint16_t schedulers);
anqa_rt *js_begin_with(const anqa_options *options);
void js_end(anqa_rt *rt);

/* Starts a process of a script; it must start. */
anqa_pid js_start(const anqa_js_script *script);
/* Evaluates in it; the value as JSON text, or "Name: message" of what was thrown. */
const char *js_eval(anqa_pid pid, const char *source);
/* The same, in JSON: calls an exported function with the text of an array. */
const char *js_call(anqa_pid pid, const char *function, const char *args);
/* Calls the exported function `run` with a text; the value as js_show, or what was thrown, with its stack. */
const char *js_run(anqa_pid pid, const char *code);
/* A value as text: JSON-like, with what JSON has not got written as in JavaScript. */
const char *js_show(anqa_value value);
/* Waits until the monitored process has ended; the reason in words. */
const char *js_ended(anqa_ref ref);
/* Kills it and waits for that; the same. */
const char *js_kill(anqa_pid pid);

#endif
