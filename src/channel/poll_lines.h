/*
 * What long-poll clients post: lines, each of which is a frame: a text that begins with [, or Base64 of a binary one. Empty
 * lines are none. Any thread; never waits.
 */
#ifndef CHANNEL_POLL_LINES_H
#define CHANNEL_POLL_LINES_H

#include <anqa/arena.h>

#define POLL_LINES_MAX 100u /* of one post; what comes behind them is dropped */

/* Takes the next line that is not empty off the front. False: there is none. */
bool poll_next_line(anqa_str *rest, anqa_str *ret_line);

/* The frame of a line, in the line or in the arena. Fails: E_PARSE (no Base64), E_NOMEM. */
anqa_status poll_line_frame(
    anqa_arena *arena, anqa_str line, bool *ret_binary, anqa_str *ret_frame) ANQA_MUST_CHECK;

/* Whether those lines that are taken all are frames. */
bool poll_lines_fit(anqa_str body);

#endif
