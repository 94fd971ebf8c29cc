/*
 * A debugger's side of a process: its row in the list of all (struct js_face), questions, and safe points.
 *
 * A question is a call with a tag of ours. Between two turns it is a message as any other (server.c). For a turn that goes
 * on, who asks leaves word in the face (`asked`): the next tick sees that and has the engine come to a safe point
 * soon, where debug_safe_point takes questions out of the mailbox and answers them on top of the turn's own frames. That
 * is sound because the engine calls its interrupt handler only where a call of JavaScript could stand.
 *
 * To come to a safe point soon is to set the engine's counter of polls (js_image.polls), which otherwise lets thousands of
 * calls pass.
 */
#ifndef JS_DEBUG_H
#define JS_DEBUG_H

#include "js/js.h" // IWYU pragma: export

/* What debug.js returns, in its order. */
enum debug_part { DEBUG_FRAMES, DEBUG_VARIABLES };

/* The name under which a module exports what reads its variables. */
#define DEBUG_READER "anqa:reader"

/* Into the list of all, and out of it. */
void debug_join(struct js *js);
void debug_leave(struct js *js);

/* Evaluates debug.js. Context: a turn, the image is being made. False: an exception is set. */
bool debug_load(struct js *js);
/* A module that was not evaluated yet, or JS_EXCEPTION. Behind the source it has a function that reads its variables, unless
 * it has none, or that is what does not compile. Context: a turn. */
uint64_t debug_compile(struct js *js, anqa_str source, const char *name);

bool debug_is_question(const anqa_msg *msg);
/* Answers, and when it was told to pause returns when it is resumed. Context: between two turns. */
void debug_answer(struct js *js, const anqa_msg *msg);
/* At each tick, wherever the engine is. */
void debug_tick(struct js *js);
/* Answers questions, notes a sample. Context: in the engine's interrupt handler. */
void debug_safe_point(struct js *js);

/* A frame of a stack, as debug.js writes it. */
struct debug_frame {
    anqa_str name, file;
    uint32_t line, column, function_line, function_column;
};

/* Calls use(ctx, text) with the frames as text, which lives as long as that call. places: where in each function, too.
 * Context: a safe point. */
void debug_frames(struct js *js, bool places, void (*use)(void *ctx, anqa_str text), void *ctx);
/* Takes the next frame out of the text. False: there is none. */
bool debug_next_frame(anqa_str *text, struct debug_frame *ret_frame);

#endif
