/*
 * Turns: entering the engine, calling functions in it, running what follows, and what comes out: values or errors.
 */
#ifndef JS_TURN_H
#define JS_TURN_H

#include "js/js.h" // IWYU pragma: export

/* What a call has come to. Texts and bytes live as long as the event. */
struct js_outcome {
    enum { OUTCOME_VALUE, OUTCOME_ERROR, OUTCOME_PENDING } kind;
    uint64_t value; /* VALUE: to be freed by turn_free; PENDING: the promise, likewise */
    anqa_js_error error;
};

/* Runs work(js, arg) as a turn: on a large stack, preempted, with the jobs behind it. Context: process; may wait. */
void turn_run(struct js *js, void (*work)(struct js *js, void *arg), void *arg);

/* ---- the rest is for code in a turn */

/* Calls a function (not freed) with values that are freed, whatever comes of it. An exception is left in the engine. With one
 * among the values, the function is not called: that one is what comes of it. */
uint64_t turn_call(struct js *js, uint64_t function, const uint64_t *argv, uint32_t argc);
/* Runs the jobs that wait. False: the turn has come to a limit, `*ret_error` says which. */
bool turn_jobs(struct js *js, anqa_js_error *ret_error);
/* What `value`, a result just returned, comes to when the jobs have run. Takes over `value`. */
struct js_outcome turn_settle(struct js *js, uint64_t value);
/* The exception that the engine holds, taken out. */
anqa_js_error turn_exception(struct js *js);
/* What was thrown, as texts. Not freed. */
anqa_js_error turn_error_of(struct js *js, uint64_t thrown);
/* Sets an exception and returns JS_EXCEPTION. */
uint64_t turn_throw(struct js *js, const char *name, const char *format, ...) ANQA_PRINTF(3, 4);
void turn_free(struct js *js, uint64_t value);
/* A piece of the engine's memory with these bytes and a NUL; 0: it has none left. To be freed with q_free. */
uint32_t turn_put(struct js *js, const void *bytes, size_t len);
/* Evaluates source text, by the engine's flags for that (JS_EVAL_TYPE_GLOBAL is 0). */
uint64_t turn_eval(struct js *js, anqa_str text, const char *name, uint32_t flags);
/* The text of any value, by its toString; false: that failed, and no exception is left. */
bool turn_text(struct js *js, uint64_t value, anqa_str *ret_text);
/* The same in an arena, where texts of many operations are not to wait for the end of the event. */
bool turn_text_in(struct js *js, uint64_t value, anqa_arena *arena, anqa_str *ret_text);
/* The text of a string where the engine has it, until turn_text_done, with no memory of the event: what a script asks for
 * again and again in one turn must not add up. 0: an exception is set. */
uint32_t turn_text_begin(struct js *js, uint64_t string, anqa_str *ret_text);
void turn_text_done(struct js *js, uint32_t text);
/* What follows takes scratch and temporary memory of its own, up to turn_memory_end, which gives it back: so nothing that a
 * script does again and again in one turn adds up. They nest, as operations do that call back. Context: also outside of
 * a turn. */
void turn_memory_begin(struct js *js);
void turn_memory_end(struct js *js);
/* The process ends, perhaps in between. */
void turn_memory_drop(struct js *js);
/* What nobody has caught. Of one turn the first 100 are logged and told to a worker's parent, then how many more there were. */
void turn_log_error(struct js *js, const char *id, const anqa_js_error *error);
/* The exception that the engine holds, taken out, likewise; its texts end here. */
void turn_log_exception(struct js *js, const char *id);
void turn_note_rejection(struct js *js, uint32_t promise, uint32_t reason, bool handled);

static inline bool turn_is_exception(uint64_t value)
{
    return JS_TAG(value) == JS_TAG_EXCEPTION;
}

#endif
