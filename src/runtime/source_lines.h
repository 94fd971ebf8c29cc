/*
 * Where in the sources the frames of a backtrace are, for a page that shows a crash to who develops.
 *
 * Lines are asked of `addr2line` (binutils), a program of its own: to read DWARF takes much code and memory, and nothing of it belongs
 * into a server. Where it is missing, or a program has no debug information, there are names of functions only. Bounded in time and
 * output. Never used where errors are not shown.
 *
 * What lies in the folder of this library's own sources is not the application's.
 *
 * Slow (a tenth of a second): for workers (anqa_blocking), or where a scheduler has nothing better to do.
 */
#ifndef RUNTIME_SOURCE_LINES_H
#define RUNTIME_SOURCE_LINES_H

#include "runtime/backtrace.h" /* IWYU pragma: export */

#define EXCERPTS 3 /* frames that are shown with the lines around them */
#define EXCERPT_LINES 11
#define EXCERPT_WIDTH 160

struct source_line {
    char function[128]; /* or a place as line_place has it */
    char file[384];     /* empty: unknown */
    unsigned line;
    bool own; /* of the application: neither Anqa's nor of a library */
};

struct excerpt {
    uint32_t frame;
    unsigned first, count; /* lines, from 1 */
    char lines[EXCERPT_LINES][EXCERPT_WIDTH];
};

struct source_lines {
    struct backtrace trace;                    /* set by the caller */
    struct source_line frames[BACKTRACE_KEPT]; /* trace.count */
    uint32_t excerpt_count;
    struct excerpt excerpts[EXCERPTS]; /* of the innermost own frames */
};

/* Fills all but the trace. Any thread that may be held up; not a signal handler. */
void source_lines_find(struct source_lines *lines);

#endif
